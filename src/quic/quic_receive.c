/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_receive.h"

#include "panic.h"

static void let_go(hf_receive *r, const hf_allocator *alloc)
{
    if (r->memory != r->room)
        hf_free(alloc, r->memory, r->capacity);
    r->memory = NULL;
    r->capacity = r->head = 0;
}

void hf_receive_fini(hf_receive *r, const hf_allocator *alloc)
{
    let_go(r, alloc);
    hf_ranges_fini(&r->apart, alloc);
    r->read = r->whole = r->highest;
}

/* Room for everything up to `end`. */
static bool reserve(hf_receive *r, const hf_allocator *alloc, uint64_t end)
{
    const size_t held = (size_t)(r->highest - r->read), needed = (size_t)(end - r->read);
    if (r->head + needed <= r->capacity)
        return true;
    if (needed <= r->capacity / 2) {
        memmove(r->memory, r->memory + r->head, held);
        r->head = 0;
        return true;
    }
    if (r->memory == NULL && r->room != NULL && needed <= HF_RECEIVE_ROOM) {
        r->memory = r->room;
        r->capacity = HF_RECEIVE_ROOM;
        return true;
    }
    size_t capacity = r->capacity == 0 ? 512 : r->capacity;
    while (capacity < needed)
        capacity *= 2;
    if (capacity < 2 * needed && r->capacity > 0)
        capacity *= 2;
    uint8_t *memory = hf_alloc(alloc, capacity);
    if (memory == NULL)
        return false;
    if (held > 0)
        memcpy(memory, r->memory + r->head, held);
    let_go(r, alloc);
    r->memory = memory;
    r->capacity = capacity;
    return true;
}

bool hf_receive_add(hf_receive *r, const hf_allocator *alloc, uint64_t offset, hf_bytes bytes)
{
    const uint64_t end = offset + bytes.len;
    if (end <= r->whole || bytes.len == 0)
        return true;
    const uint64_t from = offset > r->whole ? offset : r->whole;
    if (!reserve(r, alloc, end > r->highest ? end : r->highest) || (from > r->whole && !hf_ranges_add(&r->apart, alloc, from, end)))
        return false;
    memcpy(r->memory + r->head + (size_t)(from - r->read), bytes.ptr + (from - offset), (size_t)(end - from));
    if (end > r->highest)
        r->highest = end;
    if (from == r->whole) {
        r->whole = end;
        if (r->apart.count > 0) {
            while (r->apart.count > 0 && r->apart.at[0].from <= r->whole) {
                r->whole = r->apart.at[0].to > r->whole ? r->apart.at[0].to : r->whole;
                hf_ranges_drop_first(&r->apart);
            }
            if (r->apart.count == 0)
                hf_ranges_fini(&r->apart, alloc);
        }
    }
    return true;
}

void hf_receive_take(hf_receive *r, const hf_allocator *alloc, size_t n)
{
    HF_ASSERT(n <= r->whole - r->read);
    r->read += n;
    r->head += n;
    if (r->read == r->highest)
        let_go(r, alloc);
}
