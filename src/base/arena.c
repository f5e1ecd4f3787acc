/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena as a list of blocks. Blocks double from 1 KiB to 16 KiB: a small request costs one small block, a large one
 * few. What is too large for the next block gets a block of its own, behind the newest, whose room is then not lost.
 * A thrifty arena begins with blocks that fit what is asked for, and doubles only what it holds.
 */
#include "arena.h"

#include "panic.h"

enum {
    FIRST_BLOCK = 1024,
    THRIFTY_BLOCK = 128,
    LARGEST_BLOCK = 16384,
    ALIGNMENT = _Alignof(max_align_t)
};

struct hf_arena_block {
    hf_arena_block *next;
    size_t size; /* of the whole block, as the allocator knows it */
    size_t used; /* of `bytes` */
    _Alignas(max_align_t) uint8_t bytes[];
};

static const size_t header = offsetof(hf_arena_block, bytes);

void hf_arena_init(hf_arena *a, const hf_allocator *alloc, size_t limit)
{
    *a = (hf_arena){ .alloc = alloc, .limit = limit };
}

void hf_arena_reset(hf_arena *a)
{
    for (hf_arena_block *block = a->blocks; block != NULL;) {
        hf_arena_block *next = block->next;
        HF_ASSERT(a->held >= block->size);
        a->held -= block->size;
        hf_free(a->alloc, block, block->size);
        block = next;
    }
    a->blocks = NULL;
    HF_ASSERT(a->held == 0);
}

void hf_arena_fini(hf_arena *a)
{
    hf_arena_reset(a);
}

/* The size of the block to get for `room` more bytes; 0 when the limit forbids it. */
static size_t block_size(const hf_arena *a, size_t room)
{
    const size_t left = a->held < a->limit ? a->limit - a->held : 0;
    const size_t needed = header + room;
    if (needed > left)
        return 0;
    const size_t least = a->thrifty ? THRIFTY_BLOCK : FIRST_BLOCK;
    size_t usual = a->thrifty ? a->held / 4 : a->blocks == NULL ? FIRST_BLOCK : a->blocks->size * 2;
    if (usual > LARGEST_BLOCK)
        usual = LARGEST_BLOCK;
    if (usual < least) /* the limit cut the block before this one short */
        usual = least;
    if (usual > left)
        usual = left;
    return needed > usual ? needed : usual;
}

static hf_arena_block *add_block(hf_arena *a, size_t room)
{
    const size_t size = block_size(a, room);
    if (size == 0)
        return NULL;
    hf_arena_block *block = hf_alloc(a->alloc, size);
    if (block == NULL)
        return NULL;
    block->size = size;
    block->used = 0;
    a->held += size;
    hf_arena_block *newest = a->blocks;
    /* The block that keeps more free room after this allocation stays in front, where the next one looks. */
    if (newest != NULL && size - header - room < newest->size - header - newest->used) {
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        a->blocks = block;
    }
    return block;
}

void *hf_arena_get(hf_arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    const size_t room = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    hf_arena_block *block = a->blocks;
    if (block == NULL || block->size - header - block->used < room)
        block = add_block(a, room);
    if (block == NULL)
        return NULL;
    void *got = block->bytes + block->used;
    block->used += room;
    return got;
}

void *hf_arena_get_zeroed(hf_arena *a, size_t size)
{
    void *got = hf_arena_get(a, size);
    if (got != NULL)
        memset(got, 0, size);
    return got;
}

hf_bytes hf_arena_copy(hf_arena *a, hf_bytes b)
{
    uint8_t *copy = b.len < SIZE_MAX ? hf_arena_get(a, b.len + 1) : NULL;
    if (copy == NULL)
        return hf_bytes_make(NULL, 0);
    if (b.len > 0)
        memcpy(copy, b.ptr, b.len);
    copy[b.len] = 0;
    return hf_bytes_make(copy, b.len);
}
