/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/pier.h - the one shape of every core: pull, never call back.
 *
 * A core is an arch: it stands on bytes and carries bytes. Below, three verbs: step eats bytes and time and yields at
 * most one event; emit appends what must go out; wake names the next deadline. Above, a pier on which the next core
 * stands: peek, take, put, end, open. TCP, TLS, QUIC, a kernel socket and a simulated pipe are all piers.
 *
 * The laws, held by one generic test over every core (tests/contract):
 *   - any slicing of the input gives the same events and the same output
 *   - after an idle step and an empty emit, wake() lies in the future
 *   - FAULT and CLOSED are sticky; emit comes to an end
 *   - the same seed and input give the same trace
 *   - any allocation may fail, and nothing leaks or crashes
 *   - bytes held never exceed the limits
 */
#ifndef HANDFAST_PIER_H
#define HANDFAST_PIER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What step answers. */
typedef enum hf_step {
    HF_IDLE,   /* nothing more to say until there are bytes or the clock reaches wake() */
    HF_EVENT,  /* *event was filled: deal with it, then step again */
    HF_FULL,   /* what was lent has not been taken, or output is full: take or emit, then step again */
    HF_CLOSED, /* over, in good order. Sticky */
    HF_FAULT   /* over, by a fault that the core can describe. Sticky; emit may still have something to say */
} hf_step;

/* One direction-pair of bytes on a connection: a stream id, 0 where there is only one. */
typedef uint64_t hf_lane;

typedef enum hf_lane_kind { HF_LANE_BIDIRECTIONAL, HF_LANE_UNIDIRECTIONAL } hf_lane_kind;

/* Input to step: the caller's buffer, mutable because records are decrypted in place. */
typedef struct hf_in {
    uint8_t *ptr;
    size_t len;
    size_t used;   /* out: bytes consumed from the front; the caller passes the rest again */
    size_t need;   /* out: the smallest `len` worth calling again with, 0 when unknown */
    bool fin;      /* nothing will ever follow these bytes: the peer ended its direction */
    uint8_t ecn;   /* datagrams: the congestion mark of this packet */
    uint32_t path; /* datagrams: the path it came by */
} hf_in;

/* A file as it was when it was opened. io notices a change in mid-answer and ends that answer. */
typedef struct hf_file {
    int handle; /* io's own: a descriptor for the kernel, a number in the simulator */
    uint64_t size;
    int64_t modified_ns; /* wall clock, nanoseconds */
    int64_t changed_ns;  /* of the inode: catches a rewrite that restores the modification time */
    uint64_t status;     /* io's own: links, mode and owner, whose change also moves changed_ns but touches no byte */
    const uint8_t *fixed; /* not NULL: all of its bytes as they were, behind `handle` too, in memory that never changes:
                             whatever becomes of the file, nobody need look again */
    struct hf_file_front *front; /* io's own: what is said before the file again and again (io/file.h); NULL: nothing is kept */
} hf_file;

typedef enum hf_extent_kind {
    HF_EXTENT_COPIED, /* put: the receiver copies at once. emit: scratch bytes of this hf_out */
    HF_EXTENT_LENT,   /* stays the owner's until RELEASED(token) */
    HF_EXTENT_FILE    /* a range of a file that stays open until RELEASED(token) */
} hf_extent_kind;

/* A piece of output. `token` 0 asks for no RELEASED. */
typedef struct hf_extent {
    hf_extent_kind kind;
    uint64_t token;
    hf_bytes bytes;      /* COPIED, LENT */
    const hf_file *file; /* FILE */
    uint64_t offset;     /* FILE */
    uint64_t length;     /* FILE */
} hf_extent;

static inline uint64_t hf_extent_length(const hf_extent *e)
{
    return e->kind == HF_EXTENT_FILE ? e->length : e->bytes.len;
}

/* Output of emit: a gather list with scratch space, both the caller's. */
typedef struct hf_out {
    hf_extent *pieces;
    size_t count, capacity; /* of pieces */
    uint8_t *scratch;
    size_t scratch_used, scratch_capacity;
    uint64_t bytes;   /* appended so far */
    uint64_t room;    /* emit appends no more than this */
    uint32_t path;    /* datagrams */
    uint16_t segment; /* datagrams: size of each but the last */
    uint8_t ecn;      /* datagrams */
} hf_out;

typedef enum hf_ending_kind {
    HF_ENDING_FIN,   /* no more bytes will be put; what was put is still delivered */
    HF_ENDING_RESET, /* give up at once; `code` says why where the protocol can carry it */
    HF_ENDING_STOP   /* please send no more (QUIC). TCP cannot say it */
} hf_ending_kind;

typedef struct hf_ending {
    hf_ending_kind kind;
    uint64_t code;
} hf_ending;

/* Events every pier knows. */
typedef enum hf_pier_event_kind {
    HF_PIER_OPENED,   /* lane is usable */
    HF_PIER_READABLE, /* peek has more than it had */
    HF_PIER_WRITABLE, /* put takes bytes again */
    HF_PIER_ENDED,    /* the peer's direction is over: FIN, RESET or STOP */
    HF_PIER_RELEASED, /* a LENT or FILE extent is no longer needed */
    HF_PIER_EARLY_ACCEPTED, /* after OPENED, with 0-RTT: the handshake is complete, and what came or was put before was taken */
    HF_PIER_EARLY_REJECTED, /* likewise, at a client: it was not taken, and is sent again */
    HF_PIER_ASKS      /* something slow or secret is wanted: the pier's own header says what, and how to answer */
} hf_pier_event_kind;

typedef struct hf_pier_event {
    hf_pier_event_kind kind;
    hf_lane lane;
    hf_ending ending; /* ENDED */
    hf_err err;       /* ENDED by RESET: why, as far as is known */
    uint64_t token;   /* RELEASED */
} hf_pier_event;

/* What a pier can and cannot do. The kernel opens its window at receive, not at take; TCP has no STOP. */
enum {
    HF_PIER_CAN_STOP = 1,
    HF_PIER_MANY_LANES = 2,
    HF_PIER_TAKES_FILES = 4,        /* FILE extents are sent without a copy */
    HF_PIER_WINDOW_FOLLOWS_TAKE = 8, /* the peer is held back by take, not by receive */
    HF_PIER_FREE_ENDS = 16,         /* free, of a pier that holds nothing unsent and did not fail, is FIN in both directions */
    HF_PIER_KEEPS_FRONTS = 32       /* FILE extents of files with a front are welcome: what stands before one leaves with it, as one piece */
};

/* The verbs as a table. `stack` reaches downward through it, so that a kernel socket and our own TCP look alike. */
typedef struct hf_pier_ops {
    const char *name;
    uint32_t can;
    /* The next event, or HF_IDLE, HF_CLOSED, HF_FAULT. A kernel socket receives here. */
    hf_step (*event)(void *self, hf_time now, hf_pier_event *event);
    /* In-order bytes of the lane. Lends until the next event() of any pier of the same thread. */
    hf_span (*peek)(void *self, hf_lane lane);
    /* `n` bytes were consumed. */
    void (*take)(void *self, hf_lane lane, size_t n);
    /* Offers output, in order; returns the bytes accepted: back-pressure. An extent that carries a token is accepted
     * whole or not at all. While nothing is unsent, a pier that has not failed accepts everything (up to 64 extents). */
    uint64_t (*put)(void *self, hf_lane lane, const hf_extent *extents, size_t count);
    hf_err (*end)(void *self, hf_lane lane, hf_ending ending);
    hf_err (*open)(void *self, hf_lane_kind kind, hf_lane *lane);
    /* Bytes accepted by put that have not left yet. */
    uint64_t (*unsent)(const void *self, hf_lane lane);
    /* Lets go of everything at once. Outstanding tokens are released by this call: the owner gets no event for them. */
    void (*free)(void *self);
    /* For a pier above that must touch the bytes: reads a range of an open file, whole. HF_ERR_IO_FILE_CHANGED where the
     * file is not what it was when it was opened; then nothing of `to` may leave. NULL: this pier has no files. */
    hf_err (*read)(void *self, const hf_file *file, uint64_t offset, void *to, size_t n);
    /* Bytes accepted by put that the peer has not taken, as far as can be seen from here: unsent ones, and those that wait for
     * their acknowledgement. NULL: as unsent. */
    uint64_t (*untaken)(const void *self, hf_lane lane);
    /* The next put is the last of the lane, and end(FIN) follows it at once: so that what is put and the end may leave
     * together, in one packet. NULL: it makes no difference here. */
    void (*last)(void *self, hf_lane lane);
    /* end(FIN) was said, and from now on only the peer's end matters, and not at once: the pier may look for it after a
     * moment, together with others, rather than be woken by it. NULL: it makes no difference here. */
    void (*doze)(void *self, hf_lane lane);
} hf_pier_ops;

typedef struct hf_pier {
    const hf_pier_ops *ops;
    void *self;
} hf_pier;

#ifdef __cplusplus
}
#endif
#endif
