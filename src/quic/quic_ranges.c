/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_ranges.h"

#include "panic.h"

void hf_ranges_fini(hf_ranges *r, const hf_allocator *alloc)
{
    hf_free(alloc, r->at, r->capacity * sizeof *r->at);
    *r = (hf_ranges){ 0 };
}

/* The first range that ends at or behind `n`. */
static uint32_t find(const hf_ranges *r, uint64_t n)
{
    uint32_t low = 0, high = r->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (r->at[middle].to < n)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool insert(hf_ranges *r, const hf_allocator *alloc, uint32_t index, hf_range range)
{
    if (r->count == r->capacity) {
        const uint32_t more = r->capacity == 0 ? 4 : r->capacity * 2;
        hf_range *at = hf_resize(alloc, r->at, r->capacity * sizeof *at, more * sizeof *at);
        if (at == NULL)
            return false;
        r->at = at;
        r->capacity = more;
    }
    memmove(r->at + index + 1, r->at + index, (r->count - index) * sizeof *r->at);
    r->at[index] = range;
    r->count++;
    return true;
}

static void erase(hf_ranges *r, uint32_t index, uint32_t n)
{
    if (n == 0)
        return;
    memmove(r->at + index, r->at + index + n, (r->count - index - n) * sizeof *r->at);
    r->count -= n;
}

bool hf_ranges_add(hf_ranges *r, const hf_allocator *alloc, uint64_t from, uint64_t to)
{
    if (from >= to)
        return true;
    const uint32_t i = r->count > 0 && r->at[r->count - 1].to < from ? r->count : find(r, from);
    if (i == r->count || r->at[i].from > to)
        return insert(r, alloc, i, (hf_range){ from, to });
    uint32_t last = i; /* the last one that the new range touches */
    while (last + 1 < r->count && r->at[last + 1].from <= to)
        last++;
    if (from < r->at[i].from)
        r->at[i].from = from;
    r->at[i].to = to > r->at[last].to ? to : r->at[last].to;
    erase(r, i + 1, last - i);
    return true;
}

bool hf_ranges_remove(hf_ranges *r, const hf_allocator *alloc, uint64_t from, uint64_t to)
{
    uint32_t i = from < to ? find(r, from + 1) : r->count;
    if (i < r->count && r->at[i].from < from && r->at[i].to > to) {
        const hf_range rest = { to, r->at[i].to };
        if (!insert(r, alloc, i + 1, rest))
            return false;
        r->at[i].to = from;
        return true;
    }
    if (i < r->count && r->at[i].from < from) {
        r->at[i].to = from;
        i++;
    }
    uint32_t n = 0;
    while (i + n < r->count && r->at[i + n].to <= to)
        n++;
    erase(r, i, n);
    if (i < r->count && r->at[i].from < to && from < to)
        r->at[i].from = to;
    return true;
}

void hf_ranges_drop_below(hf_ranges *r, uint64_t to)
{
    uint32_t n = 0;
    while (n < r->count && r->at[n].to <= to)
        n++;
    erase(r, 0, n);
    if (r->count > 0 && r->at[0].from < to)
        r->at[0].from = to;
}

bool hf_ranges_has(const hf_ranges *r, uint64_t n)
{
    const uint32_t i = find(r, n + 1);
    return i < r->count && r->at[i].from <= n;
}

bool hf_ranges_is_full(const hf_ranges *r, uint64_t from, uint64_t to, uint64_t most)
{
    if (r->count < most)
        return false;
    const uint32_t i = find(r, from);
    return i == r->count || r->at[i].from > to;
}

void hf_ranges_drop_first(hf_ranges *r)
{
    HF_ASSERT(r->count > 0);
    erase(r, 0, 1);
}
