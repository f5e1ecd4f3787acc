/* SPDX-License-Identifier: Apache-2.0
 *
 * The scoreboard: one record for each run of sequence numbers sent at one moment and not yet acknowledged, in order, without
 * a gap. A super-segment is one record; it is split only when the peer acknowledges a part of it.
 */
#ifndef HF_TCP_RECORD_H
#define HF_TCP_RECORD_H

#include "alloc.h"
#include "tcp_seq.h"

enum {
    HF_RECORD_SACKED = 1,
    HF_RECORD_LOST = 2,        /* to be sent again */
    HF_RECORD_AGAIN = 4,       /* was sent more than once: measures no round trip (Karn) */
    HF_RECORD_LIMITED = 8      /* when it was sent, the window, not the application, held us back */
};

typedef struct hf_record {
    hf_seq start;
    uint32_t length; /* FIN counts as one */
    hf_time sent_at;
    uint8_t flags;
} hf_record;

typedef struct hf_records {
    hf_record *ring;
    uint32_t capacity, head, count;
    uint32_t flight; /* sequence numbers neither SACKED nor LOST */
    uint32_t sacked, lost;
} hf_records;

static inline hf_record *hf_record_at(const hf_records *r, uint32_t i)
{
    return &r->ring[(r->head + i) & (r->capacity - 1)];
}
static inline hf_seq hf_record_end(const hf_record *r)
{
    return hf_seq_add(r->start, r->length);
}
/* Room for `n` more, so that the next n pushes and splits succeed. */
bool hf_records_reserve(hf_records *r, const hf_allocator *a, uint32_t n);
/* At the end; room was reserved. */
void hf_records_push(hf_records *r, const hf_record *record);
/* Cuts record i so that a record begins at `at`, which lies inside it; room was reserved. */
void hf_records_split(hf_records *r, uint32_t i, hf_seq at);
/* All before `una` is acknowledged: drops it. A record that it ends in is shortened. */
void hf_records_drop(hf_records *r, const hf_allocator *a, hf_seq una);
void hf_records_mark(hf_records *r, hf_record *record, uint8_t set, uint8_t clear);
/* The first record that ends behind `seq`; count when there is none. */
uint32_t hf_records_find(const hf_records *r, hf_seq seq);
void hf_records_fini(hf_records *r, const hf_allocator *a);
/* The sums, computed afresh, are what is kept, and the records lie without a gap from `una` to `nxt`. */
bool hf_records_sound(const hf_records *r, hf_seq una, hf_seq nxt);

#endif
