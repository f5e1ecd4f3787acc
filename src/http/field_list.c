/* SPDX-License-Identifier: Apache-2.0 */
#include "field_list.h"

#include "alloc.h"

enum { FIRST_FIELDS = 16, FIRST_TEXT = 1024 - 32 };

struct hf_field_text {
    hf_field_text *next;
    size_t capacity, used;
    uint8_t bytes[];
};

void hf_field_list_init(hf_field_list *l, const hf_allocator *alloc, uint64_t most_bytes, uint32_t most_fields)
{
    *l = (hf_field_list){ .alloc = alloc, .most_bytes = most_bytes, .most_fields = most_fields };
}

static void free_text(hf_field_list *l, hf_field_text *t)
{
    while (t != NULL) {
        hf_field_text *const next = t->next;
        hf_free(l->alloc, t, sizeof *t + t->capacity);
        t = next;
    }
}

void hf_field_list_reset(hf_field_list *l)
{
    l->count = 0;
    l->bytes = 0;
    l->too_many = l->too_large = l->borrowed = false;
    if (l->text == NULL)
        return;
    free_text(l, l->text->next);
    l->text->next = NULL;
    l->text->used = 0;
}

void hf_field_list_fini(hf_field_list *l)
{
    free_text(l, l->text);
    hf_free(l->alloc, l->at, l->capacity * sizeof *l->at);
    hf_field_list_init(l, l->alloc, l->most_bytes, l->most_fields);
}

uint8_t *hf_field_list_room(hf_field_list *l, size_t n)
{
    hf_field_text *t = l->text;
    if (t == NULL || t->capacity - t->used < n) {
        size_t capacity = t == NULL ? FIRST_TEXT : t->capacity * 2;
        capacity = capacity < n ? n : capacity;
        t = hf_alloc(l->alloc, sizeof *t + capacity);
        if (t == NULL)
            return NULL;
        *t = (hf_field_text){ .next = l->text, .capacity = capacity };
        l->text = t;
    }
    uint8_t *const at = t->bytes + t->used;
    t->used += n;
    return at;
}

bool hf_field_list_keep(hf_field_list *l, hf_bytes *b)
{
    uint8_t *const to = hf_field_list_room(l, b->len);
    if (to == NULL)
        return false;
    if (b->len > 0)
        memcpy(to, b->ptr, b->len);
    b->ptr = to;
    return true;
}

bool hf_field_list_keep_borrowed(hf_field_list *l, const hf_field_table *t)
{
    const uintptr_t begin = (uintptr_t)t->text;
    for (uint32_t i = 0; l->borrowed && i < l->count; i++) {
        hf_field *const f = &l->at[i];
        if ((uintptr_t)f->name.ptr - begin < t->text_capacity && !hf_field_list_keep(l, &f->name))
            return false;
        if (f->value.len > 0 && (uintptr_t)f->value.ptr - begin < t->text_capacity && !hf_field_list_keep(l, &f->value))
            return false;
    }
    l->borrowed = false;
    return true;
}

bool hf_field_list_grow(hf_field_list *l)
{
    uint32_t capacity = l->capacity == 0 ? FIRST_FIELDS : l->capacity * 2;
    capacity = capacity > l->most_fields ? l->most_fields : capacity;
    hf_field *const at = hf_resize(l->alloc, l->at, l->capacity * sizeof *at, capacity * sizeof *at);
    if (at == NULL)
        return false;
    l->at = at;
    l->capacity = capacity;
    return true;
}

hf_field_mark hf_field_list_mark(const hf_field_list *l)
{
    return (hf_field_mark){ l->text, l->text != NULL ? l->text->used : 0 };
}

void hf_field_list_return(hf_field_list *l, hf_field_mark mark)
{
    if (mark.text == NULL)
        return;
    while (l->text != mark.text) {
        hf_field_text *const next = l->text->next;
        hf_free(l->alloc, l->text, sizeof *l->text + l->text->capacity);
        l->text = next;
    }
    mark.text->used = mark.used;
}

void hf_field_list_shrink(hf_field_list *l, size_t n)
{
    l->text->used -= n;
}
