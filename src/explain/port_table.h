/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's table of TCP sockets, counted: by state, and by destination, because a connection outwards needs a port of its own
 * for each pair of local and remote address. When are they used up?
 *
 * Linux keeps TIME_WAIT for 60 s, always (net/tcp.h: TCP_TIMEWAIT_LEN). /proc/net/tcp tells how much of that is left of each: so one look
 * is enough to know the rate of the last minute.
 */
#ifndef HF_EXPLAIN_PORT_TABLE_H
#define HF_EXPLAIN_PORT_TABLE_H

#include <handfast/base.h>

enum { HF_PORTS_WAIT_S = 60, HF_PORTS_STATES = 13 };

/* One line of /proc/net/tcp or tcp6. */
typedef struct hf_port_row {
    uint8_t family, state; /* 4, 6; the kernel's number: 1 ESTABLISHED ... 6 TIME_WAIT, 10 LISTEN */
    uint8_t local[16], remote[16]; /* network order; an IPv4 address mapped into IPv6 is IPv4 */
    uint16_t local_port, remote_port;
    uint8_t left_s; /* of TIME_WAIT: at most 60 */
} hf_port_row;

/* Connections outwards from one address to one address and port. */
typedef struct hf_port_group {
    hf_port_row of;    /* local_port 0 */
    uint32_t waiting;  /* in TIME_WAIT */
    uint32_t others;   /* open, opening, closing */
    uint32_t recent;   /* of those waiting, closed within the last 10 s */
    uint32_t ends[HF_PORTS_WAIT_S + 1]; /* of those waiting, by the seconds that are left */
} hf_port_group;

typedef struct hf_port_table {
    hf_port_row *rows;
    size_t count, capacity;
    uint32_t states[HF_PORTS_STATES];
    hf_port_group *groups; /* the fullest first */
    size_t group_count;
    hf_allocator alloc;
} hf_port_table;

void hf_port_table_init(hf_port_table *t, const hf_allocator *alloc);
void hf_port_table_fini(hf_port_table *t);
/* Every line of the text that is a socket; others are passed over. HF_ERR_BASE_MEMORY. */
hf_err hf_port_table_add(hf_port_table *t, hf_bytes text);
/* Counts, once all was added. Outwards is what has a port of [from, to] and nobody here listening on it. */
hf_err hf_port_table_group(hf_port_table *t, uint16_t from, uint16_t to);

typedef struct hf_port_forecast {
    double per_s;      /* connections that ended lately, a second */
    double most_per_s; /* what can be sustained, when each is closed from here: ports / 60 s */
    int64_t left_s;    /* until none is free, at this rate; -1: not foreseeable */
} hf_port_forecast;

hf_port_forecast hf_port_foresee(const hf_port_group *g, uint32_t ports);
/* "ESTABLISHED". Static; NULL past the end. */
const char *hf_port_state_name(uint8_t state);

#endif
