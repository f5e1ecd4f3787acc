/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory through hf_allocator. To the allocator a size of zero means "free"; to our callers it is an empty block like
 * any other (an empty body, an empty name). So an empty block is one byte long below this file, and nobody above needs
 * to tell "empty" from "out of memory".
 */
#include "alloc.h"

static size_t at_least_one(size_t size)
{
    return size == 0 ? 1 : size;
}

void *hf_alloc(const hf_allocator *a, size_t size)
{
    return a->resize(a->ctx, NULL, 0, at_least_one(size));
}

void *hf_alloc_zeroed(const hf_allocator *a, size_t size)
{
    void *fresh = hf_alloc(a, size);
    if (fresh != NULL)
        memset(fresh, 0, at_least_one(size));
    return fresh;
}

void *hf_resize(const hf_allocator *a, void *old, size_t old_size, size_t new_size)
{
    return a->resize(a->ctx, old, old == NULL ? 0 : at_least_one(old_size), at_least_one(new_size));
}

void hf_free(const hf_allocator *a, void *old, size_t size)
{
    if (old != NULL)
        (void)a->resize(a->ctx, old, at_least_one(size), 0);
}
