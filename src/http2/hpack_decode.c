/* SPDX-License-Identifier: Apache-2.0
 *
 * Header blocks to fields (RFC 7541 3 and 6). A field that stands in the dynamic table is lent from there; only when the
 * table is about to change in the middle of a block are such fields copied. So a request whose fields were all sent
 * before costs no copy at all.
 */
#include "hpack.h"

#include "alloc.h"
#include "huffman.h"
#include "prefix_int.h"

/* ---- the list ----------------------------------------------------------------------------------------------- */

enum { FIRST_FIELDS = 16, FIRST_TEXT = 1024 - 32, BOMB = 4 };

struct hf_hpack_text {
    hf_hpack_text *next;
    size_t capacity, used;
    uint8_t bytes[];
};

void hf_hpack_list_init(hf_hpack_list *l, const hf_allocator *alloc, uint64_t most_bytes, uint32_t most_fields)
{
    *l = (hf_hpack_list){ .alloc = alloc, .most_bytes = most_bytes, .most_fields = most_fields };
}

static void free_text(hf_hpack_list *l, hf_hpack_text *t)
{
    while (t != NULL) {
        hf_hpack_text *const next = t->next;
        hf_free(l->alloc, t, sizeof *t + t->capacity);
        t = next;
    }
}

void hf_hpack_list_reset(hf_hpack_list *l)
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

void hf_hpack_list_fini(hf_hpack_list *l)
{
    free_text(l, l->text);
    hf_free(l->alloc, l->at, l->capacity * sizeof *l->at);
    hf_hpack_list_init(l, l->alloc, l->most_bytes, l->most_fields);
}

uint8_t *hf_hpack_list_room(hf_hpack_list *l, size_t n)
{
    hf_hpack_text *t = l->text;
    if (t == NULL || t->capacity - t->used < n) {
        size_t capacity = t == NULL ? FIRST_TEXT : t->capacity * 2;
        capacity = capacity < n ? n : capacity;
        t = hf_alloc(l->alloc, sizeof *t + capacity);
        if (t == NULL)
            return NULL;
        *t = (hf_hpack_text){ .next = l->text, .capacity = capacity };
        l->text = t;
    }
    uint8_t *const at = t->bytes + t->used;
    t->used += n;
    return at;
}

static bool keep(hf_hpack_list *l, hf_bytes *b)
{
    uint8_t *const to = hf_hpack_list_room(l, b->len);
    if (to == NULL)
        return false;
    if (b->len > 0)
        memcpy(to, b->ptr, b->len);
    b->ptr = to;
    return true;
}

/* The table is about to change: what lies there is copied. */
static bool keep_borrowed(hf_hpack_list *l, const hf_hpack_table *t)
{
    const uintptr_t begin = (uintptr_t)t->text;
    for (uint32_t i = 0; l->borrowed && i < l->count; i++) {
        hf_field *const f = &l->at[i];
        if ((uintptr_t)f->name.ptr - begin < t->text_capacity && !keep(l, &f->name))
            return false;
        if (f->value.len > 0 && (uintptr_t)f->value.ptr - begin < t->text_capacity && !keep(l, &f->value))
            return false;
    }
    l->borrowed = false;
    return true;
}

static bool grow_list(hf_hpack_list *l)
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

/* Whether a field of this size is still wanted. */
static bool has_place(hf_hpack_list *l, size_t length)
{
    l->bytes += length + HF_HPACK_OVERHEAD;
    l->too_many = l->too_many || l->count >= l->most_fields;
    l->too_large = l->too_large || l->bytes > l->most_bytes;
    return !l->too_many && !l->too_large;
}

static bool add(hf_hpack_list *l, hf_field field)
{
    if (l->count == l->capacity && !grow_list(l))
        return false;
    l->at[l->count++] = field;
    return true;
}

/* ---- the decoder -------------------------------------------------------------------------------------------- */

void hf_hpack_decoder_init(hf_hpack_decoder *d, const hf_allocator *alloc, uint32_t most)
{
    hf_hpack_table_init(&d->table, alloc, most);
    d->most = most;
}

void hf_hpack_decoder_fini(hf_hpack_decoder *d)
{
    hf_hpack_table_fini(&d->table);
}

typedef struct reader {
    hf_hpack_decoder *d;
    hf_hpack_list *list;
    const uint8_t *at, *end;
    hf_hpack_flaw *flaw;
} reader;

static bool wrong(reader *r, const uint8_t *at, const char *wanted)
{
    *r->flaw = (hf_hpack_flaw){ .at = at, .wanted = wanted };
    return false;
}

static bool no_memory(reader *r)
{
    *r->flaw = (hf_hpack_flaw){ .wanted = "memory", .memory = true };
    return false;
}

static bool read_int(reader *r, unsigned bits, uint64_t *value)
{
    const uint8_t *const at = r->at;
    if (hf_prefix_int_parse(&r->at, r->end, bits, value) != HF_PREFIX_GOOD)
        return wrong(r, at, "an integer that ends within the block");
    return true;
}

/* RFC 7541 2.3.3. `borrowed`: it lies in the dynamic table. */
static bool look_up(reader *r, const uint8_t *at, uint64_t index, hf_field *field, bool *borrowed)
{
    *borrowed = index > HF_HPACK_STATIC;
    if (index == 0 || (*borrowed && index - HF_HPACK_STATIC > r->d->table.count))
        return wrong(r, at, "the index of an entry that there is");
    *field = *borrowed ? hf_hpack_table_at(&r->d->table, (uint32_t)(index - HF_HPACK_STATIC - 1)) : hf_hpack_static[index];
    return true;
}

/* RFC 7541 5.2. `wanted` false: the string is passed over. */
static bool read_string(reader *r, bool wanted, hf_bytes *out)
{
    const uint8_t *const at = r->at;
    uint64_t length;
    if (at == r->end)
        return wrong(r, at, "a string");
    const bool huffman = (*at & 0x80) != 0;
    if (!read_int(r, 7, &length))
        return false;
    if (length > (uint64_t)(r->end - r->at))
        return wrong(r, at, "a string that ends within the block");
    const hf_bytes code = hf_bytes_make(r->at, (size_t)length);
    r->at += length;
    *out = code;
    if (!huffman || !wanted)
        return true;
    const size_t most = hf_huffman_most(code.len);
    uint8_t *const to = hf_hpack_list_room(r->list, most);
    if (to == NULL)
        return no_memory(r);
    if (!hf_huffman_decode(code, to, &out->len))
        return wrong(r, at, "a string in the Huffman code, padded with less than eight ones");
    out->ptr = to;
    r->list->text->used -= most - out->len;
    return true;
}

static bool read_indexed(reader *r)
{
    const uint8_t *const at = r->at;
    uint64_t index;
    hf_field field;
    bool borrowed;
    if (!read_int(r, 7, &index) || !look_up(r, at, index, &field, &borrowed))
        return false;
    if (!has_place(r->list, field.name.len + field.value.len))
        return true;
    r->list->borrowed = r->list->borrowed || borrowed;
    return add(r->list, field) || no_memory(r);
}

/* Text that was made for a field which then found no place is given back: or one short literal after another, each with
 * the long name of an entry, would fill memory. */
static void give_back(hf_hpack_list *l, hf_hpack_text *text, size_t used)
{
    if (text == NULL)
        return;
    while (l->text != text) {
        hf_hpack_text *const next = l->text->next;
        hf_free(l->alloc, l->text, sizeof *l->text + l->text->capacity);
        l->text = next;
    }
    text->used = used;
}

static bool read_name(reader *r, unsigned bits, bool wanted, hf_field *field)
{
    const uint8_t *const at = r->at;
    uint64_t index;
    bool borrowed;
    if (!read_int(r, bits, &index))
        return false;
    if (index == 0) {
        if (!read_string(r, wanted, &field->name))
            return false;
        field->id = wanted ? hf_field_identify(field->name) : HF_FIELD_OTHER;
        return true;
    }
    if (!look_up(r, at, index, field, &borrowed))
        return false;
    return !borrowed || !wanted || keep(r->list, &field->name) || no_memory(r);
}

/* RFC 7541 6.2: a literal, with its name by index or as a string. */
static bool read_literal(reader *r, unsigned bits, bool insert)
{
    hf_hpack_list *const l = r->list;
    hf_hpack_text *const text = l->text;
    const size_t used = text != NULL ? text->used : 0;
    const bool wanted = insert || !(l->too_many || l->too_large);
    hf_field field;
    if (!read_name(r, bits, wanted, &field) || !read_string(r, wanted, &field.value))
        return false;
    if (insert && (!keep_borrowed(l, &r->d->table) ||
                   !hf_hpack_table_insert(&r->d->table, field.name, field.value, field.id)))
        return no_memory(r);
    if (has_place(l, field.name.len + field.value.len))
        return add(l, field) || no_memory(r);
    give_back(l, text, used);
    return true;
}

/* RFC 7541 6.3 */
static bool read_size(reader *r)
{
    const uint8_t *const at = r->at;
    uint64_t size;
    if (!read_int(r, 5, &size))
        return false;
    if (size > r->d->most)
        return wrong(r, at, "a table size within SETTINGS_HEADER_TABLE_SIZE");
    hf_hpack_table_resize(&r->d->table, (uint32_t)size);
    return true;
}

static bool read_field(reader *r)
{
    const uint8_t first = *r->at;
    if (first & 0x80)
        return read_indexed(r);
    if (first & 0x40)
        return read_literal(r, 6, true);
    /* RFC 7541 4.2: "This dynamic table size update MUST occur at the beginning of the first header block following the
     * change to the dynamic table size." */
    if (first & 0x20)
        return wrong(r, r->at, "a change of the table's size at the beginning of the block only");
    return read_literal(r, 4, false);
}

bool hf_hpack_decode(hf_hpack_decoder *d, hf_bytes block, hf_hpack_list *list, hf_hpack_flaw *flaw)
{
    reader r = { d, list, block.ptr, block.ptr + block.len, flaw };
    hf_hpack_list_reset(list);
    while (r.at < r.end && (*r.at & 0xe0) == 0x20)
        if (!read_size(&r))
            return false;
    while (r.at < r.end) {
        if (!read_field(&r))
            return false;
        /* a little too much is answered 431; so much is a bomb, and not worth decoding to its end */
        if (list->bytes / BOMB > list->most_bytes) {
            *flaw = (hf_hpack_flaw){ r.at, "a header list within a few times the limit header_bytes", false, true };
            return false;
        }
    }
    return true;
}
