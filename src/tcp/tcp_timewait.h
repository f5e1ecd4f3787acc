/* SPDX-License-Identifier: Apache-2.0
 *
 * TIME_WAIT (RFC 9293 3.4.2, 3.6.1): what must be remembered of a connection that we closed first, 48 bytes each.
 *
 * All wait equally long, so a ring in the order of entry is also in the order of expiry. One that is restarted moves to the
 * end when its old place comes up; one that is taken out leaves an empty slot until then.
 */
#ifndef HF_TCP_TIMEWAIT_H
#define HF_TCP_TIMEWAIT_H

#include "alloc.h"
#include "tcp_hash.h"

typedef struct hf_timewait {
    uint8_t remote[16];
    uint16_t remote_port, local_port;
    uint16_t local;      /* index in the table's list of our addresses */
    uint16_t window;     /* as the last segment said it */
    hf_seq nxt, rcv_nxt; /* ours to send, theirs to send */
    uint32_t recent;     /* TS.Recent */
    uint32_t recent_ms;  /* when it was set, of the endpoint's clock */
    uint32_t expires_ms; /* 0: the slot is empty */
    uint32_t next;       /* in its bucket: number of the slot + 1; bit 31: timestamps are on */
} hf_timewait;
_Static_assert(sizeof(hf_timewait) == 48, "TIME_WAIT has 48 bytes");
#define HF_TIMEWAIT_STAMP UINT32_C(0x80000000)

typedef struct hf_timewaits {
    hf_timewait *ring;
    uint32_t *buckets;     /* number of the slot + 1 */
    uint32_t capacity;     /* a power of two */
    uint32_t head, used;   /* slots from the oldest on, empty ones between them included */
    uint32_t count;
    hf_ip *locals;
    uint32_t local_count;
    hf_sip_key key;
    uint64_t evicted;
} hf_timewaits;

/* Lends until the next add or expire. */
hf_timewait *hf_timewaits_find(const hf_timewaits *t, const hf_tcp_pair *pair);
/* Enters it; when `most` are there the oldest makes room. The rest of the entry is zero. NULL when memory ends. */
hf_timewait *hf_timewaits_add(hf_timewaits *t, const hf_allocator *a, uint32_t most, const hf_tcp_pair *pair, uint32_t expires_ms);
void hf_timewaits_remove(hf_timewaits *t, hf_timewait *w);
/* Lets go of what has expired; UINT32_MAX or the milliseconds until the next may. */
uint32_t hf_timewaits_expire(hf_timewaits *t, const hf_allocator *a, uint32_t now_ms);
void hf_timewaits_fini(hf_timewaits *t, const hf_allocator *a);

#endif
