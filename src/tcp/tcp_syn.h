/* SPDX-License-Identifier: Apache-2.0
 *
 * Half-open connections of listeners (SYN_RECEIVED): 64 bytes each, in a table of fixed size. What does not fit gets a
 * cookie.
 */
#ifndef HF_TCP_SYN_H
#define HF_TCP_SYN_H

#include "alloc.h"
#include "tcp_wire.h"

enum { HF_SYN_SCALE = 1, HF_SYN_SACK = 2, HF_SYN_STAMP = 4, HF_SYN_ECN = 8, HF_SYN_USED = 16, HF_SYN_DUE = 32 };

typedef struct hf_syn {
    hf_tcp_pair pair;    /* 36 bytes */
    hf_seq irs, iss;
    uint32_t recent;     /* TS.Recent */
    uint32_t due_ms;     /* when the answer is repeated, of the endpoint's clock */
    uint32_t sent_ms;    /* when it was sent first */
    uint16_t mss;        /* the peer's */
    uint8_t scale;
    uint8_t flags;       /* HF_SYN_... */
    uint8_t retries;
    uint8_t spare;
    uint16_t next;       /* in its bucket, or among the free ones; 1-based */
} hf_syn;
_Static_assert(sizeof(hf_syn) == 64, "a half-open connection has 64 bytes");

typedef struct hf_syns {
    hf_syn *slots;
    uint16_t *buckets;   /* 1-based */
    uint32_t capacity;   /* a power of two */
    uint32_t count;
    uint16_t free;
    hf_time wake;        /* not later than any due_ms */
    uint32_t scan;       /* where the next search for a due answer begins */
} hf_syns;

hf_syn *hf_syns_find(const hf_syns *s, uint32_t hash, const hf_tcp_pair *pair);
/* A new one with pair set, NULL when there is no room; the table is allocated by the first. */
hf_syn *hf_syns_add(hf_syns *s, const hf_allocator *a, uint32_t most, uint32_t hash, const hf_tcp_pair *pair);
void hf_syns_remove(hf_syns *s, uint32_t hash, hf_syn *syn);
void hf_syns_fini(hf_syns *s, const hf_allocator *a);

#endif
