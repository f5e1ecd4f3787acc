/* SPDX-License-Identifier: Apache-2.0
 *
 * A list for each size; a block that is kept begins with the next one's address. The last that came is the first to go: its memory
 * is still in the cache.
 */
#include "spares.h"

static size_t rounded(size_t size)
{
    return (size + HF_SPARES_GRAIN - 1) & ~(size_t)(HF_SPARES_GRAIN - 1);
}

static bool is_small(size_t size)
{
    return size <= HF_SPARES_LARGEST;
}

static size_t list_of(size_t size)
{
    return rounded(size) / HF_SPARES_GRAIN - 1;
}

/* The first of a list, taken off it; NULL: none. */
static void *taken(hf_spares *s, size_t list)
{
    void *const first = s->lists[list];
    if (first == NULL)
        return NULL;
    memcpy(&s->lists[list], first, sizeof s->lists[list]);
    s->held[list] -= (list + 1) * HF_SPARES_GRAIN;
    s->kept -= (list + 1) * HF_SPARES_GRAIN;
    return first;
}

static void give_all_back(hf_spares *s)
{
    for (size_t list = 0; list < HF_SPARES_LISTS; list++)
        for (void *block; (block = taken(s, list)) != NULL;)
            (void)s->below->resize(s->below->ctx, block, (list + 1) * HF_SPARES_GRAIN, 0);
}

/* From below. Where that has no more, what is kept here may be what lacks there. */
static void *ask(hf_spares *s, void *old, size_t old_size, size_t new_size)
{
    void *const block = s->below->resize(s->below->ctx, old, old_size, new_size);
    if (block != NULL || s->kept == 0)
        return block;
    give_all_back(s);
    return s->below->resize(s->below->ctx, old, old_size, new_size);
}

static void *take(hf_spares *s, size_t size)
{
    if (!is_small(size))
        return ask(s, NULL, 0, size);
    void *const kept = taken(s, list_of(size));
    return kept != NULL ? kept : ask(s, NULL, 0, rounded(size));
}

static void give(hf_spares *s, void *old, size_t size)
{
    const size_t whole = is_small(size) ? rounded(size) : size, list = is_small(size) ? list_of(size) : 0;
    if (!is_small(size) || s->kept + whole > s->most || s->held[list] + whole > s->most / HF_SPARES_SHARES) {
        (void)s->below->resize(s->below->ctx, old, whole, 0);
        return;
    }
    memcpy(old, &s->lists[list], sizeof s->lists[list]);
    s->lists[list] = old;
    s->held[list] += whole;
    s->kept += whole;
}

static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    hf_spares *const s = ctx;
    if (s->most == 0)
        return s->below->resize(s->below->ctx, old, old_size, new_size);
    if (new_size == 0) {
        if (old != NULL)
            give(s, old, old_size);
        return NULL;
    }
    if (old == NULL)
        return take(s, new_size);
    if (!is_small(old_size) && !is_small(new_size))
        return ask(s, old, old_size, new_size);
    if (is_small(old_size) && rounded(old_size) == rounded(new_size))
        return old;
    void *const fresh = take(s, new_size);
    if (fresh == NULL)
        return NULL;
    memcpy(fresh, old, old_size < new_size ? old_size : new_size);
    give(s, old, old_size);
    return fresh;
}

void hf_spares_init(hf_spares *s, const hf_allocator *below, size_t most)
{
    *s = (hf_spares){ .alloc = { .resize = resize, .ctx = s }, .below = below, .most = most };
}

void hf_spares_fini(hf_spares *s)
{
    give_all_back(s);
}
