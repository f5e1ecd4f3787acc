/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of websocket_deflate.c where zlib is missing.
 */
#include "websocket_deflate.h"

#include "panic.h"

bool hf_deflate_is_built(void)
{
    return false;
}

hf_deflater *hf_deflater_new(const hf_allocator *alloc, unsigned bits)
{
    (void)alloc, (void)bits;
    return NULL;
}

void hf_deflater_free(hf_deflater *d)
{
    HF_ASSERT(d == NULL);
}

bool hf_deflater_add(hf_deflater *d, hf_bytes piece, bool last, bool forget, hf_queue *to)
{
    (void)d, (void)piece, (void)last, (void)forget, (void)to;
    return false;
}

hf_inflater *hf_inflater_new(const hf_allocator *alloc, unsigned bits)
{
    (void)alloc, (void)bits;
    return NULL;
}

void hf_inflater_free(hf_inflater *i)
{
    HF_ASSERT(i == NULL);
}

uint8_t *hf_inflater_stage(hf_inflater *i, size_t *room)
{
    (void)i;
    *room = 0;
    return NULL;
}

void hf_inflater_staged(hf_inflater *i, size_t n)
{
    (void)i, (void)n;
}

void hf_inflater_finish(hf_inflater *i)
{
    (void)i;
}

hf_inflated hf_inflater_some(hf_inflater *i, uint8_t *to, size_t room, size_t *written)
{
    (void)i, (void)to, (void)room;
    *written = 0;
    return HF_INFLATED_MEMORY;
}

bool hf_inflater_forget(hf_inflater *i)
{
    (void)i;
    return false;
}
