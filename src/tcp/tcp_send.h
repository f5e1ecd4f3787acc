/* SPDX-License-Identifier: Apache-2.0
 *
 * What the application has put and the peer has not acknowledged: a ring of extents, by offset in the stream. Copied bytes
 * are ours, lent ones stay where they are; nothing is moved when it is sent or sent again.
 */
#ifndef HF_TCP_SEND_H
#define HF_TCP_SEND_H

#include <handfast/pier.h>

#include "alloc.h"

typedef struct hf_tcp_send_piece {
    uint8_t *own;       /* COPIED: the block, of `capacity` bytes; NULL: lent, or given back */
    const uint8_t *ptr;
    uint32_t length, capacity;
    uint64_t token;
} hf_tcp_send_piece;

typedef struct hf_tcp_send_queue {
    hf_tcp_send_piece *ring;
    uint32_t capacity, head, count;
    uint32_t done;       /* the first so many are acknowledged; their tokens wait to be told */
    uint32_t mark;       /* a piece, counted from head, and its offset: where the last gather ended */
    uint64_t mark_at;
    uint64_t start;      /* offset of the first piece that is not done */
    uint64_t end;        /* offset behind the last */
    uint64_t copied;     /* bytes held in blocks */
} hf_tcp_send_queue;

/* False when memory ends; then nothing was taken. */
bool hf_tcp_send_append(hf_tcp_send_queue *q, const hf_allocator *a, const hf_extent *e);
/* Appends [offset, offset + length) to `out` as LENT pieces, as much as has room there; the bytes appended. */
size_t hf_tcp_send_gather(hf_tcp_send_queue *q, uint64_t offset, size_t length, hf_out *out);
/* All before `offset` is acknowledged. */
void hf_tcp_send_acked(hf_tcp_send_queue *q, const hf_allocator *a, uint64_t offset);
/* A token whose bytes are acknowledged, each once; false when there is none. */
bool hf_tcp_send_released(hf_tcp_send_queue *q, uint64_t *token);
/* Whether bytes not yet acknowledged are somebody else's memory. */
bool hf_tcp_send_borrows(const hf_tcp_send_queue *q);
/* Copies those bytes: from now on they are ours. False when memory ends; then some may be. */
bool hf_tcp_send_own(hf_tcp_send_queue *q, const hf_allocator *a);
/* Lets go of everything; what was lent is released without a word. */
void hf_tcp_send_fini(hf_tcp_send_queue *q, const hf_allocator *a);
/* Unacknowledged pieces count as released at once: the connection is over. Their tokens are told. */
void hf_tcp_send_drop(hf_tcp_send_queue *q, const hf_allocator *a);

#endif
