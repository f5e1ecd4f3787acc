/* SPDX-License-Identifier: Apache-2.0
 *
 * A byte queue: append at the back, take from the front, one contiguous run in between. Holds no memory when empty.
 */
#ifndef HF_BASE_QUEUE_H
#define HF_BASE_QUEUE_H

#include "alloc.h"

typedef struct hf_queue {
    const hf_allocator *alloc;
    uint8_t *memory;
    uint32_t capacity; /* below 4 GiB, so that the many that are empty are small */
    uint32_t head, tail; /* head <= tail <= capacity */
} hf_queue;

/* Allocates nothing yet. Lends `alloc` until fini. */
void hf_queue_init(hf_queue *q, const hf_allocator *alloc);
void hf_queue_fini(hf_queue *q);
/* What is held, front first. Lends until the next append, reserve, take or fini. */
hf_span hf_queue_peek(const hf_queue *q);
size_t hf_queue_length(const hf_queue *q);
/* hf_queue_reserve, where there may be no room yet. */
hf_span hf_queue_make_room(hf_queue *q, size_t n);
/* Room for at least `n` more bytes at the back (ptr NULL when memory ends); write there, then commit. */
static inline hf_span hf_queue_reserve(hf_queue *q, size_t n)
{
    const size_t room = q->capacity - q->tail;
    return n > 0 && n <= room ? (hf_span){ q->memory + q->tail, room } : hf_queue_make_room(q, n);
}
void hf_queue_commit(hf_queue *q, size_t n);
/* False when memory ends; then nothing was appended. */
bool hf_queue_append(hf_queue *q, hf_bytes b);
/* Drops `n` bytes from the front. */
void hf_queue_take(hf_queue *q, size_t n);
/* Gives the memory back if nothing is held. */
void hf_queue_trim(hf_queue *q);

#endif
