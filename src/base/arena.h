/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena: many small allocations with one lifetime, such as a request's. Freed all at once.
 */
#ifndef HF_BASE_ARENA_H
#define HF_BASE_ARENA_H

#include "alloc.h"

typedef struct hf_arena_block hf_arena_block;

typedef struct hf_arena {
    const hf_allocator *alloc;
    hf_arena_block *blocks; /* newest first */
    size_t held;            /* bytes obtained from the allocator */
    size_t limit;           /* of `held`; reaching it answers NULL */
    bool thrifty;           /* small blocks: what it holds is held for long, and by many */
} hf_arena;

/* Allocates nothing yet. Lends `alloc` until fini. `limit` bounds what the arena ever holds. */
void hf_arena_init(hf_arena *a, const hf_allocator *alloc, size_t limit);
/* Frees every block; the arena may be used again. */
void hf_arena_reset(hf_arena *a);
void hf_arena_fini(hf_arena *a);
/* Aligned for anything; NULL when memory or the limit ends. Lives until reset. */
void *hf_arena_get(hf_arena *a, size_t size);
void *hf_arena_get_zeroed(hf_arena *a, size_t size);
/* A copy of `b` in the arena (with a NUL behind it, not counted); ptr is NULL on failure. */
hf_bytes hf_arena_copy(hf_arena *a, hf_bytes b);

#endif
