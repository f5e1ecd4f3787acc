/* SPDX-License-Identifier: Apache-2.0
 *
 * What has arrived and was not taken: one buffer in which every byte lies at its place, in order or not, and a sorted list
 * of the pieces that lie beyond a gap. What it can hold is what the window said, so nothing else bounds reassembly.
 */
#ifndef HF_TCP_RECEIVE_H
#define HF_TCP_RECEIVE_H

#include "alloc.h"
#include "tcp_wire.h"

typedef struct hf_tcp_receive_queue {
    uint8_t *memory;
    uint8_t *lent;           /* what is in order lies here, and has its room in `memory`; NULL: it lies there */
    uint32_t capacity;
    uint32_t head, length;   /* in order, not taken */
    hf_sack *ranges;         /* beyond a gap, sorted, disjoint, not touching */
    uint16_t range_count, range_capacity;
} hf_tcp_receive_queue;

typedef enum hf_tcp_received {
    HF_RECEIVED_NOTHING, /* all of it was there before */
    HF_RECEIVED_IN_ORDER,
    HF_RECEIVED_BEYOND,  /* kept, behind a gap */
    HF_RECEIVED_REFUSED  /* out of memory or ranges: as if it had been lost */
} hf_tcp_received;

/* `lasts`: see hf_tcp_input. Bytes at `seq`, all inside the window, which reaches at most `most` bytes beyond what is held in order. `next` moves.
 * `most_ranges` bounds the list. */
hf_tcp_received hf_tcp_receive_put(hf_tcp_receive_queue *q, const hf_allocator *a, hf_seq *next, hf_seq seq, hf_bytes b, uint32_t most, unsigned most_ranges,
    bool lasts);
/* What lies beyond a gap and from `at` on is forgotten. */
void hf_tcp_receive_cut(hf_tcp_receive_queue *q, const hf_allocator *a, hf_seq at);
/* What was lent is taken home: this cannot fail. */
void hf_tcp_receive_settle(hf_tcp_receive_queue *q);
hf_span hf_tcp_receive_peek(const hf_tcp_receive_queue *q);
void hf_tcp_receive_take(hf_tcp_receive_queue *q, const hf_allocator *a, uint32_t n);
void hf_tcp_receive_fini(hf_tcp_receive_queue *q, const hf_allocator *a);
/* Bytes held out of order. */
uint32_t hf_tcp_receive_beyond(const hf_tcp_receive_queue *q);

#endif
