/* SPDX-License-Identifier: Apache-2.0
 *
 * The receiving half of a stream, or of a level's CRYPTO data: bytes in any order, read in order.
 */
#ifndef HF_QUIC_RECEIVE_H
#define HF_QUIC_RECEIVE_H

#include "quic_ranges.h"

enum { HF_RECEIVE_ROOM = 384 }; /* most requests fit */

typedef struct hf_receive {
    uint8_t *room;     /* HF_RECEIVE_ROOM bytes beside the stream, used before other memory is; NULL: none */
    uint8_t *memory;   /* holds [read, highest) from `head` on */
    size_t capacity, head;
    uint64_t read;     /* taken */
    uint64_t whole;    /* everything below has arrived */
    uint64_t highest;  /* the end of what has arrived */
    hf_ranges apart;   /* what arrived above `whole` */
} hf_receive;

void hf_receive_fini(hf_receive *r, const hf_allocator *alloc);
/* False: no memory. */
bool hf_receive_add(hf_receive *r, const hf_allocator *alloc, uint64_t offset, hf_bytes bytes);
static inline hf_span hf_receive_peek(const hf_receive *r)
{
    return (hf_span){ r->memory == NULL ? NULL : r->memory + r->head, (size_t)(r->whole - r->read) };
}
/* Gives the memory back when nothing is held. */
void hf_receive_take(hf_receive *r, const hf_allocator *alloc, size_t n);

#endif
