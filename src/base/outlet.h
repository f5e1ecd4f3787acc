/* SPDX-License-Identifier: Apache-2.0
 *
 * What waits to leave a core: bytes it copied and pieces it was lent, in the order in which they were put. And the few
 * verbs by which a core fills an hf_out. Holds no memory before the first byte.
 */
#ifndef HF_BASE_OUTLET_H
#define HF_BASE_OUTLET_H

#include <handfast/pier.h>

#include "queue.h"

/* ---- filling an hf_out -------------------------------------------------------------------------------------- */

/* `n` bytes of scratch at the end of the last piece, or in a new one. NULL when there is no room for all of them. */
uint8_t *hf_out_claim(hf_out *out, size_t n);
/* What scratch has room for, at most `n`; a place for the piece is not looked for. */
size_t hf_out_fit(const hf_out *out, uint64_t n);
/* Moves at most `most` bytes from the front of the queue into scratch; returns how many. */
size_t hf_out_queue(hf_out *out, hf_queue *q, uint64_t most);
/* Moves at most `most` bytes of an extent; its token stays with the rest. *whole: nothing of it is left. */
uint64_t hf_out_extent(hf_out *out, hf_extent *e, uint64_t most, bool *whole);

/* ---- the outlet --------------------------------------------------------------------------------------------- */

typedef struct hf_outlet_piece {
    uint64_t before; /* copied bytes that leave before it */
    hf_extent extent;
} hf_outlet_piece;

typedef struct hf_outlet {
    hf_queue copied;
    uint64_t pending; /* bytes waiting to leave, copied or lent */
    uint64_t tail;    /* copied bytes behind the last piece */
    hf_outlet_piece *pieces;
    uint16_t first, count, capacity;
} hf_outlet;

/* Lends `alloc` until fini. */
void hf_outlet_init(hf_outlet *o, const hf_allocator *alloc);
void hf_outlet_fini(hf_outlet *o);

static inline size_t hf_outlet_pieces(const hf_outlet *o)
{
    return (size_t)(o->count - o->first);
}
/* Something waits, were it a piece without bytes. */
static inline bool hf_outlet_waits(const hf_outlet *o)
{
    return o->pending > 0 || o->first < o->count;
}
/* Bytes that wait in copies. */
static inline size_t hf_outlet_copied(const hf_outlet *o)
{
    return hf_queue_length(&o->copied);
}

/* False when memory ends; then nothing was appended. */
bool hf_outlet_append(hf_outlet *o, hf_bytes bytes);
/* Places for `n` more pieces. False when memory ends. */
bool hf_outlet_reserve(hf_outlet *o, size_t n);
/* Takes a lent or file extent, with its token, into a place that was reserved. */
void hf_outlet_lend(hf_outlet *o, const hf_extent *e);

/* Moves up to `most` bytes to `out`; returns how many, and in *copied how many of them were copies. */
uint64_t hf_outlet_emit(hf_outlet *o, uint64_t most, hf_out *out, uint64_t *copied);
/* Pieces without bytes that are the next to leave bring back their tokens, which takes no bytes. False: `out` is full. */
bool hf_outlet_emit_empty(hf_outlet *o, hf_out *out);

/* ---- tokens ------------------------------------------------------------------------------------------------- */

/* Tokens of pieces that will not leave: they go back to their lender with the next bytes out. All zero is empty. */
typedef struct hf_token_list {
    uint64_t *tokens;
    uint32_t first, count, capacity;
} hf_token_list;

static inline bool hf_tokens_wait(const hf_token_list *t)
{
    return t->first < t->count;
}
/* False when memory ends. */
bool hf_tokens_add(hf_token_list *t, const hf_allocator *alloc, uint64_t token);
/* As pieces without bytes. False: `out` is full before all have left. */
bool hf_tokens_emit(hf_token_list *t, hf_out *out);
void hf_tokens_fini(hf_token_list *t, const hf_allocator *alloc);

/* Nothing of the outlet will leave: its tokens are added to `back`, its copies forgotten. Returns the bytes that were
 * copies. *whole: false when memory ended; then tokens are lost. */
uint64_t hf_outlet_drop(hf_outlet *o, hf_token_list *back, bool *whole);

#endif
