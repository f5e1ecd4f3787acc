/* SPDX-License-Identifier: Apache-2.0
 *
 * Header blocks to fields (RFC 7541 3 and 6). A field that stands in the dynamic table is lent from there; only when the
 * table is about to change in the middle of a block are such fields copied. So a request whose fields were all sent
 * before costs no copy at all.
 */
#include "hpack.h"


/* ---- the decoder -------------------------------------------------------------------------------------------- */

void hf_hpack_decoder_init(hf_hpack_decoder *d, const hf_allocator *alloc, uint32_t most)
{
    hf_field_table_init(&d->table, alloc, most);
    d->most = most;
}

void hf_hpack_decoder_fini(hf_hpack_decoder *d)
{
    hf_field_table_fini(&d->table);
}

typedef struct reader {
    hf_hpack_decoder *d;
    hf_field_list *list;
    const uint8_t *at, *end;
    hf_field_flaw *flaw;
} reader;

static bool wrong(reader *r, const uint8_t *at, const char *wanted)
{
    *r->flaw = (hf_field_flaw){ .at = at, .wanted = wanted };
    return false;
}

static bool no_memory(reader *r)
{
    *r->flaw = (hf_field_flaw){ .wanted = "memory", .memory = true };
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
    *field = *borrowed ? hf_field_table_at(&r->d->table, (uint32_t)(index - HF_HPACK_STATIC - 1)) : hf_hpack_static[index];
    return true;
}

/* `wanted` false: the string is passed over. */
static bool read_string(reader *r, bool wanted, hf_bytes *out)
{
    const uint8_t *const at = r->at;
    const hf_prefix_int read = hf_field_string_parse(r->list, &r->at, r->end, 7, wanted, out, r->flaw);
    return read == HF_PREFIX_GOOD || (read == HF_PREFIX_MORE && wrong(r, at, "a string that ends within the block"));
}

static bool read_indexed(reader *r)
{
    const uint8_t *const at = r->at;
    uint64_t index;
    hf_field field;
    bool borrowed;
    if (!read_int(r, 7, &index) || !look_up(r, at, index, &field, &borrowed))
        return false;
    if (!hf_field_list_has_place(r->list, field.name.len + field.value.len))
        return true;
    r->list->borrowed = r->list->borrowed || borrowed;
    return hf_field_list_add(r->list, field) || no_memory(r);
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
    return !borrowed || !wanted || hf_field_list_keep(r->list, &field->name) || no_memory(r);
}

/* RFC 7541 6.2: a literal, with its name by index or as a string. */
static bool read_literal(reader *r, unsigned bits, bool insert)
{
    hf_field_list *const l = r->list;
    const hf_field_mark mark = hf_field_list_mark(l);
    const bool wanted = insert || !(l->too_many || l->too_large);
    hf_field field;
    if (!read_name(r, bits, wanted, &field) || !read_string(r, wanted, &field.value))
        return false;
    if (insert && (!hf_field_list_keep_borrowed(l, &r->d->table) ||
                   !hf_field_table_insert(&r->d->table, field.name, field.value, field.id)))
        return no_memory(r);
    if (hf_field_list_has_place(l, field.name.len + field.value.len))
        return hf_field_list_add(l, field) || no_memory(r);
    hf_field_list_return(l, mark);
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
    hf_field_table_resize(&r->d->table, (uint32_t)size);
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

bool hf_hpack_decode(hf_hpack_decoder *d, hf_bytes block, hf_field_list *list, hf_field_flaw *flaw)
{
    reader r = { d, list, block.ptr, block.ptr + block.len, flaw };
    hf_field_list_reset(list);
    while (r.at < r.end && (*r.at & 0xe0) == 0x20)
        if (!read_size(&r))
            return false;
    while (r.at < r.end) {
        if (!read_field(&r))
            return false;
        if (hf_field_list_is_bomb(list)) {
            *flaw = (hf_field_flaw){ r.at, "a header list within a few times the limit header_bytes", false, true };
            return false;
        }
    }
    return true;
}
