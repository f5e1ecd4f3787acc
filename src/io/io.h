/* SPDX-License-Identifier: Apache-2.0
 *
 * io/io.h - the door to the outside, as an interface. One hf_io per loop thread. The kernel through epoll or
 * io_uring (later TUN) and the simulated network of `sim` implement it, so what stands above cannot tell them apart.
 *
 * Pull again: wait() returns what happened; nothing calls back.
 */
#ifndef HF_IO_IO_H
#define HF_IO_IO_H

#include <handfast/base.h>
#include <handfast/pier.h>

typedef struct hf_io hf_io;

/* An IPv4 or IPv6 address and port. */
typedef struct hf_address {
    uint8_t family; /* 4, 6; 0 unknown */
    uint16_t port;
    uint8_t ip[16]; /* network order; 4 bytes used for IPv4 */
    uint32_t scope; /* of a link-local IPv6 address */
} hf_address;

typedef enum hf_io_event_kind {
    HF_IO_ACCEPTED,      /* a listener has a new connection: `pier`, `peer`, `local`; adopt it with own() */
    HF_IO_ACCEPT_FAILED, /* `err`: descriptors are exhausted, most often; the listener rests a moment by itself */
    HF_IO_READY,         /* pull the pier's events until it is idle */
    HF_IO_READABLE,      /* a descriptor that watch was given has something to read */
    HF_IO_WOKEN          /* another thread (or a signal) called wake() */
} hf_io_event_kind;

typedef struct hf_io_event {
    hf_io_event_kind kind;
    void *owner; /* given to listen or own */
    hf_pier pier;
    hf_address peer, local;
    hf_err err;
} hf_io_event;

/* A datagram of UDP, where the loop itself carries them. */
typedef struct hf_io_datagram {
    hf_address local, remote;
    uint8_t ecn;
    hf_span bytes;
} hf_io_datagram;

typedef struct hf_io_ops {
    const char *name;
    hf_time (*now)(hf_io *);  /* as of the last wait(): one clock, read once a turn */
    hf_time (*clock)(hf_io *); /* the same clock, read now: for what is measured within a turn */
    hf_wall (*wall)(hf_io *); /* as of the last wait() */
    int64_t (*wall_ms)(hf_io *); /* likewise, in milliseconds since 1970: for logs */
    /* Blocks until something happened or the clock reads `until`; fills up to `capacity` events. */
    size_t (*wait)(hf_io *, hf_time until, hf_io_event *events, size_t capacity);
    /* Begins to listen. `handle` is a listening descriptor for the kernel (-1: make one); the simulator ignores it. */
    hf_err (*listen)(hf_io *, const hf_address *at, int handle, void *owner);
    /* Stops accepting everywhere. */
    void (*unlisten)(hf_io *);
    /* Stops accepting at this address alone; nothing happens when nobody listens there. */
    void (*unlisten_at)(hf_io *, const hf_address *at);
    /* Connects; the pier says OPENED or ENDED in time. */
    hf_err (*connect)(hf_io *, const hf_address *to, void *owner, hf_pier *pier);
    /* READABLE is told, with `owner`, at each wait while the descriptor has something to read. It stays the caller's, who
     * unwatches it before it is closed. NULL: not to be had here (the simulator has no descriptors). */
    hf_err (*watch)(hf_io *, int descriptor, void *owner);
    void (*unwatch)(hf_io *, int descriptor);
    /* UDP (udp.h stands on it). All NULL: the kernel's sockets are to be used. READABLE is told, with `owner`, while datagrams
     * for the address wait. What receive gives is lent until the next one. send copies; false: too many wait, offer it again. */
    hf_err (*udp_open)(hf_io *, const hf_address *at, void *owner);
    void (*udp_close)(hf_io *, const hf_address *at);
    size_t (*udp_receive)(hf_io *, void *owner, hf_io_datagram *to, size_t capacity);
    bool (*udp_send)(hf_io *, const hf_io_datagram *d);
    /* READY events of `pier` shall carry `owner`. */
    void (*own)(hf_io *, hf_pier pier, void *owner);
    /* Makes wait() return HF_IO_WOKEN. The only call that other threads may make. */
    void (*wake)(hf_io *);
    void (*free)(hf_io *);
} hf_io_ops;

struct hf_io {
    const hf_io_ops *ops;
};

#endif
