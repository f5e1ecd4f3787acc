/* SPDX-License-Identifier: Apache-2.0 */
#include "id_table.h"

#include "panic.h"

/* Numbers that follow one another come to lie evenly apart (Fibonacci hashing, Knuth 6.4): side by side they would be one long
 * run, of which remove would look at every row. */
static uint32_t place(const hf_id_table *t, uint64_t id)
{
    const uint64_t kind = id & ((1u << t->kind_bits) - 1);
    const uint32_t spread = (uint32_t)(id >> t->kind_bits ^ kind << 4) * UINT32_C(0x9e3779b1);
    return (uint32_t)((uint64_t)spread * t->capacity >> 32);
}

static uint32_t next(const hf_id_table *t, uint32_t i)
{
    return (i + 1) & (t->capacity - 1);
}

void *hf_id_find(const hf_id_table *t, uint64_t id)
{
    if (t->count == 0)
        return NULL;
    for (uint32_t i = place(t, id); t->rows[i].thing != NULL; i = next(t, i))
        if (t->rows[i].id == id)
            return t->rows[i].thing;
    return NULL;
}

static void put(hf_id_table *t, uint64_t id, void *thing)
{
    uint32_t i = place(t, id);
    while (t->rows[i].thing != NULL)
        i = next(t, i);
    t->rows[i] = (hf_id_row){ id, thing };
}

/* At most half full: so a search ends soon, and at an empty row. */
bool hf_id_reserve(hf_id_table *t, const hf_allocator *alloc)
{
    if (t->count * 2 < t->capacity)
        return true;
    const hf_id_table before = *t;
    const uint32_t capacity = before.capacity == 0 ? 8 : before.capacity * 2;
    hf_id_row *const rows = hf_alloc_zeroed(alloc, capacity * sizeof *rows);
    if (rows == NULL)
        return false;
    t->rows = rows;
    t->capacity = capacity;
    for (uint32_t i = 0; i < before.capacity; i++)
        if (before.rows[i].thing != NULL)
            put(t, before.rows[i].id, before.rows[i].thing);
    hf_free(alloc, before.rows, before.capacity * sizeof *rows);
    return true;
}

void hf_id_insert(hf_id_table *t, uint64_t id, void *thing)
{
    HF_ASSERT(t->count * 2 < t->capacity && thing != NULL);
    put(t, id, thing);
    t->count++;
}

/* What follows in the run moves up, so that no gap hides it. */
void hf_id_remove(hf_id_table *t, uint64_t id)
{
    const uint32_t mask = t->capacity - 1;
    uint32_t gap = place(t, id);
    while (t->rows[gap].id != id || t->rows[gap].thing == NULL) {
        HF_ASSERT(t->rows[gap].thing != NULL);
        gap = next(t, gap);
    }
    for (uint32_t i = next(t, gap); t->rows[i].thing != NULL; i = next(t, i)) {
        const uint32_t home = place(t, t->rows[i].id);
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            t->rows[gap] = t->rows[i];
            gap = i;
        }
    }
    t->rows[gap].thing = NULL;
    t->count--;
}

void hf_id_clear(hf_id_table *t, const hf_allocator *alloc)
{
    hf_free(alloc, t->rows, t->capacity * sizeof *t->rows);
    t->rows = NULL;
    t->capacity = t->count = 0;
}
