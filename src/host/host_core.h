/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside: what a host is, shared by the files of this room.
 */
#ifndef HF_HOST_CORE_H
#define HF_HOST_CORE_H

#include <handfast/host.h>

#include "alloc.h"
#include "net_bytes.h"
#include "tcp_hash.h"

/* Memory of a packet of the host's own, or one that is held: from its first byte on the wire to its last. */
typedef struct hf_parcel {
    struct hf_parcel *next;
    uint32_t length, capacity;
    uint8_t bytes[];
} hf_parcel;

typedef struct hf_parcels {
    hf_parcel *first, *last;
    uint32_t count;
} hf_parcels;

/* RFC 4861 7.3.2, for ARP too (RFC 1122 2.3.2.1). What is no longer REACHABLE is used on, and asked for meanwhile. */
typedef enum hf_neighbour_state {
    HF_NEIGHBOUR_FREE,
    HF_NEIGHBOUR_INCOMPLETE, /* asked for: nothing can be sent to it yet */
    HF_NEIGHBOUR_REACHABLE,
    HF_NEIGHBOUR_STALE,      /* known, and not confirmed for a while */
    HF_NEIGHBOUR_PROBE       /* known, and asked for */
} hf_neighbour_state;

typedef struct hf_neighbour {
    hf_ip ip;
    hf_mac mac;
    uint8_t state;  /* hf_neighbour_state */
    uint8_t tries;
    hf_time at;     /* INCOMPLETE, PROBE: the next try. REACHABLE: until when */
    hf_time used;
    hf_parcels held;
} hf_neighbour;

enum { HF_NEIGHBOUR_WAYS = 8, HF_NEIGHBOUR_TRIES = 3 };
#define HF_NEIGHBOUR_RETRY_NS HF_SECONDS(1)      /* RFC 4861 10: RETRANS_TIMER */
#define HF_NEIGHBOUR_REACHABLE_NS HF_SECONDS(30) /* RFC 4861 10: REACHABLE_TIME */

/* One fragment, in order of its offset. */
typedef struct hf_fragment {
    struct hf_fragment *next;
    uint32_t offset, length;
    uint8_t bytes[];
} hf_fragment;

/* A packet in parts. */
typedef struct hf_partial {
    struct hf_partial *next; /* younger */
    hf_ip source, destination;
    uint32_t id;
    uint8_t protocol, ecn, hops;
    bool ended;      /* the last part has come */
    uint32_t total;  /* its end */
    uint32_t have;   /* bytes */
    uint64_t cost;   /* memory */
    hf_time until;
    hf_fragment *parts;
} hf_partial;

typedef struct hf_udp_port {
    uint16_t port;
    uint64_t user;
} hf_udp_port;

/* A datagram that waits to be told. */
typedef struct hf_waiting_datagram {
    struct hf_waiting_datagram *next;
    uint64_t user;
    hf_host_datagram d;
    size_t size;
    uint8_t bytes[];
} hf_waiting_datagram;

struct hf_host {
    const hf_env *env;
    const hf_allocator *alloc;
    hf_host_config config;
    hf_tcp_endpoint *tcp;
    hf_sip_key key;
    hf_time now;
    hf_host_counts counts;

    hf_parcels outbox;       /* the host's own packets, ready to leave */
    uint32_t next_id;        /* of packets in parts */
    hf_parcel *leaving;      /* the last one emitted: what was lent of it lasts until the next call */

    hf_neighbour *neighbours; /* sets of HF_NEIGHBOUR_WAYS; NULL until the first */
    uint32_t neighbour_capacity;
    hf_neighbour *recent;     /* the last one that was looked for: most packets go where the one before went. NULL: none */
    hf_time neighbours_at;   /* no later than the first of their times */

    hf_partial *partials, *partials_last; /* the oldest first */
    uint32_t partial_count;
    uint64_t partial_bytes;

    uint64_t icmp_tokens;    /* RFC 4443 2.4 (f): a bucket that holds a second's worth */
    hf_time icmp_at;

    hf_udp_port *ports;
    uint32_t port_count;
    hf_waiting_datagram *datagrams, *datagrams_last, *told;
    uint64_t datagram_bytes;
};

/* ---- host.c ----------------------------------------------------------------------------------------------------- */
/* A whole IP packet that is for us. */
hf_err hf_host_deliver(hf_host *h, const hf_ip_packet *p, const hf_host_input *in);
uint16_t hf_host_mtu(const hf_host *h);

/* ---- host_output.c ---------------------------------------------------------------------------------------------- */
/* Room for a packet of `length` bytes of IP payload, its link header left open in front; NULL: no memory, or too many. */
hf_parcel *hf_parcel_new(hf_host *h, size_t length);
void hf_parcel_free(hf_host *h, hf_parcel *p);
void hf_parcels_add(hf_parcels *q, hf_parcel *p);
hf_parcel *hf_parcels_take(hf_parcels *q);
/* Where the IP header belongs. */
uint8_t *hf_parcel_ip(const hf_host *h, hf_parcel *p);
/* An IP packet of ours whose payload is in place behind its header, which is written here. Takes the parcel. */
void hf_host_post(hf_host *h, const hf_ip_packet *ip, hf_parcel *p, size_t payload);
/* Bytes of a link header: 14 with Ethernet. */
size_t hf_link_header(const hf_host *h);
void hf_link_write(const hf_host *h, uint8_t *to, const hf_mac *destination, uint16_t type);
/* What has its neighbour's address now leaves. */
void hf_host_release(hf_host *h, hf_neighbour *n);

/* ---- host_neighbour.c ------------------------------------------------------------------------------------------- */
/* Who is next on the way to `to`: false when there is no way. */
bool hf_host_next_hop(const hf_host *h, const hf_ip *to, hf_ip *next);
/* The neighbour to send to, asked for where need be; NULL: no memory. */
hf_neighbour *hf_neighbour_use(hf_host *h, const hf_ip *ip);
bool hf_neighbour_known(const hf_neighbour *n);
hf_err hf_neighbour_arp(hf_host *h, hf_bytes packet);
hf_err hf_neighbour_discover(hf_host *h, const hf_ip_packet *p, const hf_icmp *m);
void hf_neighbours_expire(hf_host *h);
void hf_neighbours_fini(hf_host *h);

/* ---- host_fragment.c -------------------------------------------------------------------------------------------- */
/* A part of a packet. When it was the last that was missing, the whole is delivered. */
hf_err hf_fragment_arrive(hf_host *h, const hf_ip_packet *p);
void hf_fragments_expire(hf_host *h);
void hf_fragments_fini(hf_host *h);

/* ---- host_icmp.c ------------------------------------------------------------------------------------------------ */
hf_err hf_icmp_arrive(hf_host *h, const hf_ip_packet *p);
/* Tells the sender of `p` that it could not be delivered: its port is nobody's, or its protocol. */
typedef enum hf_icmp_reason { HF_ICMP_NO_PORT, HF_ICMP_NO_PROTOCOL } hf_icmp_reason;
void hf_icmp_refuse(hf_host *h, const hf_ip_packet *p, hf_icmp_reason why);

/* ---- host_udp.c ------------------------------------------------------------------------------------------------- */
hf_err hf_udp_arrive(hf_host *h, const hf_ip_packet *p, bool checked);
bool hf_udp_tell(hf_host *h, hf_host_event *event);
void hf_udp_fini(hf_host *h);

/* A sentence on the invariant that is broken; NULL: all hold. For tests. */
const char *hf_host_wrong(const hf_host *h);

#endif
