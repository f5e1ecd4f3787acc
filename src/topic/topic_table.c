/* SPDX-License-Identifier: Apache-2.0 */
#include "panic.h"
#include "topic_core.h"

/* ---- things by name ----------------------------------------------------------------------------------------- */

static int compare(hf_bytes a, hf_bytes b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len > 0 ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

/* Where the name is, or belongs. */
static size_t place(const hf_topic_table *t, hf_bytes name)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare(t->at[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

hf_topic_named *hf_topic_find(const hf_topic_table *t, hf_bytes name)
{
    const size_t i = place(t, name);
    return i < t->count && hf_bytes_equal(t->at[i]->name, name) ? t->at[i] : NULL;
}

bool hf_topic_insert(hf_topic_table *t, const hf_allocator *alloc, hf_topic_named *thing)
{
    const size_t i = place(t, thing->name);
    if (t->count == t->capacity) {
        const size_t capacity = t->capacity == 0 ? 8 : 2 * t->capacity;
        hf_topic_named **const at = hf_resize(alloc, t->at, t->capacity * sizeof *at, capacity * sizeof *at);
        if (at == NULL)
            return false;
        t->at = at;
        t->capacity = capacity;
    }
    memmove(t->at + i + 1, t->at + i, (t->count - i) * sizeof *t->at);
    t->at[i] = thing;
    t->count++;
    return true;
}

void hf_topic_take_out(hf_topic_table *t, const hf_topic_named *thing)
{
    const size_t i = place(t, thing->name);
    HF_ASSERT(i < t->count && t->at[i] == thing);
    memmove(t->at + i, t->at + i + 1, (t->count - i - 1) * sizeof *t->at);
    t->count--;
}

void hf_topic_table_fini(hf_topic_table *t, const hf_allocator *alloc)
{
    if (t->at != NULL)
        hf_free(alloc, t->at, t->capacity * sizeof(hf_topic_named *));
    *t = (hf_topic_table){ 0 };
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

static bool widen(hf_topic_line *l, const hf_allocator *alloc)
{
    const uint32_t capacity = l->capacity == 0 ? 4 : 2 * l->capacity;
    hf_topic_entry *const at = hf_alloc(alloc, capacity * sizeof *at);
    if (at == NULL)
        return false;
    for (uint32_t i = 0; i < l->count; i++)
        at[i] = *hf_topic_line_at(l, i);
    if (l->at != NULL)
        hf_free(alloc, l->at, l->capacity * sizeof *at);
    l->at = at;
    l->first = 0;
    l->capacity = capacity;
    return true;
}

static size_t size_of(hf_topic_entry entry)
{
    return entry.message != NULL ? hf_topic_message_size(entry.message) : 0;
}

bool hf_topic_line_push(hf_topic_line *l, const hf_allocator *alloc, hf_topic_entry entry)
{
    if (l->count == l->capacity && !widen(l, alloc))
        return false;
    if (entry.message != NULL)
        hf_topic_message_keep(entry.message);
    l->count++;
    *hf_topic_line_at(l, l->count - 1) = entry;
    l->bytes += size_of(entry);
    return true;
}

hf_topic_entry hf_topic_line_pop(hf_topic_line *l)
{
    const hf_topic_entry entry = *hf_topic_line_at(l, 0);
    l->first = (l->first + 1) & (l->capacity - 1);
    l->count--;
    l->bytes -= size_of(entry);
    return entry;
}

void hf_topic_line_clear(hf_topic_line *l, const hf_allocator *alloc)
{
    while (l->count > 0)
        hf_topic_message_drop(hf_topic_line_pop(l).message);
    if (l->at != NULL)
        hf_free(alloc, l->at, l->capacity * sizeof *l->at);
    *l = (hf_topic_line){ 0 };
}

bool hf_topic_line_begin(hf_topic_line *l, hf_topic_spares *spares, const hf_allocator *alloc)
{
    hf_topic_entry *const at = spares->first;
    if (l->at != NULL)
        return true;
    if (at != NULL) {
        memcpy(&spares->first, at, sizeof spares->first);
        spares->count--;
    }
    l->at = at != NULL ? at : hf_alloc(alloc, HF_TOPIC_SPARE_ENTRIES * sizeof *at);
    l->capacity = l->at != NULL ? HF_TOPIC_SPARE_ENTRIES : 0;
    return l->at != NULL;
}

void hf_topic_line_rest(hf_topic_line *l, hf_topic_spares *spares, const hf_allocator *alloc)
{
    HF_ASSERT(l->count == 0);
    if (l->capacity != HF_TOPIC_SPARE_ENTRIES || spares->count == HF_TOPIC_SPARES) {
        hf_topic_line_clear(l, alloc);
        return;
    }
    memcpy((void *)l->at, &spares->first, sizeof spares->first);
    spares->first = l->at;
    spares->count++;
    *l = (hf_topic_line){ 0 };
}

void hf_topic_spares_free(hf_topic_spares *spares, const hf_allocator *alloc)
{
    for (hf_topic_entry *next; spares->first != NULL; spares->first = next) {
        memcpy(&next, (const void *)spares->first, sizeof next);
        hf_free(alloc, spares->first, HF_TOPIC_SPARE_ENTRIES * sizeof *spares->first);
    }
    spares->count = 0;
}
