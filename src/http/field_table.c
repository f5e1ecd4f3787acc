/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of entries, and their text in one run. Entries leave in the order in which they came, so what is alive is one
 * stretch of the text; it moves to the front when the back is full, and since the run is twice as long as the text can
 * be, each byte moves at most once for each byte that is written.
 */
#include "field_table.h"

#include "alloc.h"
#include "panic.h"

void hf_field_table_init(hf_field_table *t, const hf_allocator *alloc, uint32_t capacity)
{
    *t = (hf_field_table){ .alloc = alloc, .capacity = capacity };
}

void hf_field_table_fini(hf_field_table *t)
{
    hf_free(t->alloc, t->entries, t->entry_capacity * sizeof *t->entries);
    hf_free(t->alloc, t->text, t->text_capacity);
    hf_field_table_init(t, t->alloc, t->capacity);
}

static hf_field_entry *entry(const hf_field_table *t, uint32_t age)
{
    return &t->entries[(t->inserted - 1 - age) & (t->entry_capacity - 1)];
}

static uint32_t length_of(const hf_field_entry *e)
{
    return e->name_length + e->value_length;
}

static void evict(hf_field_table *t, uint32_t most)
{
    while (t->size > most) {
        t->size -= length_of(entry(t, t->count - 1)) + HF_FIELD_OVERHEAD;
        t->count--;
    }
}

void hf_field_table_resize(hf_field_table *t, uint32_t capacity)
{
    t->capacity = capacity;
    evict(t, capacity);
}

hf_field hf_field_table_at(const hf_field_table *t, uint32_t age)
{
    HF_ASSERT(age < t->count);
    const hf_field_entry *const e = entry(t, age);
    if (e->name_length + e->value_length == 0)
        return (hf_field){ { NULL, 0 }, { NULL, 0 }, e->id };
    const uint8_t *const text = t->text + (e->at - t->origin);
    return (hf_field){ { text, e->name_length }, { text + e->name_length, e->value_length }, e->id };
}

static bool grow_entries(hf_field_table *t)
{
    if (t->count < t->entry_capacity)
        return true;
    const uint32_t capacity = t->entry_capacity == 0 ? 4 : t->entry_capacity * 2;
    hf_field_entry *const entries = hf_alloc(t->alloc, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    for (uint32_t age = 0; age < t->count; age++)
        entries[(t->inserted - 1 - age) & (capacity - 1)] = *entry(t, age);
    hf_free(t->alloc, t->entries, t->entry_capacity * sizeof *t->entries);
    t->entries = entries;
    t->entry_capacity = capacity;
    return true;
}

/* The text that is alive moves to the front of `to`. `alive` is where it begins now. */
static void move_text(hf_field_table *t, uint8_t *to, uint32_t alive)
{
    memmove(to, t->text + alive, t->text_used - alive);
    t->text_used -= alive;
    t->origin += alive;
}

/* Room for `n` more bytes of text behind what is there. */
static bool grow_text(hf_field_table *t, uint32_t n)
{
    if (t->text_capacity - t->text_used >= n)
        return true;
    const uint32_t alive = t->count == 0 ? t->text_used : entry(t, t->count - 1)->at - t->origin;
    const uint32_t held = t->text_used - alive;
    if (held + n <= t->text_capacity / 2) {
        move_text(t, t->text, alive);
        return true;
    }
    uint32_t capacity = t->text_capacity == 0 ? 64 : t->text_capacity;
    while (capacity / 2 < held + n)
        capacity *= 2;
    uint8_t *const text = hf_alloc(t->alloc, capacity);
    if (text == NULL)
        return false;
    if (t->text != NULL)
        move_text(t, text, alive);
    hf_free(t->alloc, t->text, t->text_capacity);
    t->text = text;
    t->text_capacity = capacity;
    return true;
}

bool hf_field_table_insert(hf_field_table *t, hf_bytes name, hf_bytes value, hf_field_id id)
{
    const uint64_t length = (uint64_t)name.len + value.len;
    if (length + HF_FIELD_OVERHEAD > t->capacity) {
        evict(t, 0);
        return true;
    }
    const uint32_t n = (uint32_t)length;
    if (!grow_entries(t) || !grow_text(t, n)) /* before anything leaves: so a failure changes nothing */
        return false;
    evict(t, t->capacity - n - HF_FIELD_OVERHEAD);
    if (name.len > 0)
        memcpy(t->text + t->text_used, name.ptr, name.len);
    if (value.len > 0)
        memcpy(t->text + t->text_used + name.len, value.ptr, value.len);
    t->inserted++;
    t->count++;
    *entry(t, 0) = (hf_field_entry){ t->origin + t->text_used, (uint32_t)name.len, (uint32_t)value.len, id };
    t->text_used += n;
    t->size += n + HF_FIELD_OVERHEAD;
    return true;
}
