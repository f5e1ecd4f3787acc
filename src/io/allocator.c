/* SPDX-License-Identifier: Apache-2.0
 *
 * hf_allocator over realloc and free, plain and counted.
 */
#include "allocator.h"

#include <stdlib.h>

#include "panic.h"

static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, new_size);
}

const hf_allocator *hf_allocator_default(void)
{
    static const hf_allocator alloc = { .resize = resize, .ctx = NULL };
    return &alloc;
}

/* Takes `n` bytes out of the limit; false when they are not there. Counting is all: it orders no other memory. */
static bool claim(hf_allocator_counted *c, uint64_t n)
{
    uint64_t held = atomic_load_explicit(&c->held, memory_order_relaxed);
    const uint64_t limit = atomic_load_explicit(&c->limit, memory_order_relaxed);
    while (n == 0 || (held <= limit && n <= limit - held)) {
        if (atomic_compare_exchange_weak_explicit(&c->held, &held, held + n, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

static void release(hf_allocator_counted *c, uint64_t n)
{
    const uint64_t before = atomic_fetch_sub_explicit(&c->held, n, memory_order_relaxed);
    HF_ASSERT(before >= n);
}

static void *resize_counted(void *ctx, void *old, size_t old_size, size_t new_size)
{
    hf_allocator_counted *c = ctx;
    HF_ASSERT(old != NULL || old_size == 0);
    const size_t more = new_size > old_size ? new_size - old_size : 0;
    const size_t less = new_size < old_size ? old_size - new_size : 0;
    if (!claim(c, more)) /* before the memory is there, so that two threads cannot pass the limit together */
        return NULL;
    void *fresh = resize(NULL, old, old_size, new_size);
    if (fresh == NULL && new_size != 0)
        release(c, more); /* and `old` stays as it was, and counted */
    else
        release(c, less);
    return fresh;
}

void hf_allocator_counted_init(hf_allocator_counted *c, uint64_t limit)
{
    c->alloc = (hf_allocator){ .resize = resize_counted, .ctx = c };
    atomic_init(&c->held, 0);
    atomic_init(&c->limit, limit);
}
