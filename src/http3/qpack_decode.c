/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder stream's instructions (RFC 9204 4.3) and field sections to fields (4.5).
 */
#include "qpack.h"

#include "alloc.h"

void hf_qpack_decoder_init(hf_qpack_decoder *d, const hf_allocator *alloc, uint32_t most)
{
    *d = (hf_qpack_decoder){ .most = most };
    hf_field_table_init(&d->table, alloc, 0); /* RFC 9204 3.2.2: "The initial capacity of the dynamic table is zero." */
    hf_field_list_init(&d->text, alloc, UINT64_MAX, UINT32_MAX);
    hf_queue_init(&d->say, alloc);
}

void hf_qpack_decoder_fini(hf_qpack_decoder *d)
{
    hf_field_table_fini(&d->table);
    hf_field_list_fini(&d->text);
    hf_queue_fini(&d->say);
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

typedef struct reader {
    hf_qpack_decoder *d;
    hf_field_list *list; /* where decoded strings live */
    const uint8_t *at, *end;
    hf_field_flaw *flaw;
} reader;

static hf_prefix_int wrong(reader *r, const uint8_t *at, const char *wanted)
{
    *r->flaw = (hf_field_flaw){ .at = at, .wanted = wanted };
    return HF_PREFIX_BAD;
}

static hf_prefix_int no_memory(reader *r)
{
    *r->flaw = (hf_field_flaw){ .wanted = "memory", .memory = true };
    return HF_PREFIX_BAD;
}

static hf_prefix_int read_int(reader *r, unsigned bits, uint64_t *value)
{
    const uint8_t *const at = r->at;
    const hf_prefix_int read = hf_prefix_int_parse(&r->at, r->end, bits, value);
    return read == HF_PREFIX_BAD ? wrong(r, at, "an integer of at most 62 bits") : read;
}

static hf_prefix_int read_string(reader *r, unsigned bits, bool wanted, hf_bytes *out)
{
    return hf_field_string_parse(r->list, &r->at, r->end, bits, wanted, out, r->flaw);
}

static hf_prefix_int look_up_static(reader *r, const uint8_t *at, uint64_t index, hf_field *field)
{
    if (index >= HF_QPACK_STATIC)
        return wrong(r, at, "an index into the static table, 0 to 98");
    *field = hf_qpack_static[index];
    return HF_PREFIX_GOOD;
}

/* `number` is the entry's absolute index, less than d->inserted. */
static hf_prefix_int look_up_dynamic(reader *r, const uint8_t *at, uint64_t number, hf_field *field)
{
    const uint64_t age = r->d->inserted - 1 - number;
    if (age >= r->d->table.count)
        return wrong(r, at, "an entry of the dynamic table that was not evicted");
    *field = hf_field_table_at(&r->d->table, (uint32_t)age);
    return HF_PREFIX_GOOD;
}

/* ---- instructions ------------------------------------------------------------------------------------------- */

/* A string of more than the table holds can be refused before it has arrived: so what must wait for its end is bounded. */
static hf_prefix_int read_bounded(reader *r, unsigned bits, hf_bytes *out)
{
    const uint8_t *at = r->at;
    uint64_t length;
    const hf_prefix_int read = at < r->end ? hf_prefix_int_parse(&at, r->end, bits, &length) : HF_PREFIX_MORE;
    if (read == HF_PREFIX_GOOD && length > (uint64_t)r->d->table.capacity * 4)
        return wrong(r, r->at, "an entry that fits into the table");
    return read_string(r, bits, true, out);
}

static hf_prefix_int insert(reader *r, const uint8_t *at, hf_bytes name, hf_bytes value, hf_field_id id)
{
    hf_qpack_decoder *const d = r->d;
    /* RFC 9204 3.2.2: "It is an error if the encoder attempts to add an entry that is larger than the dynamic table
     * capacity" */
    if ((uint64_t)name.len + value.len + HF_FIELD_OVERHEAD > d->table.capacity)
        return wrong(r, at, "an entry that fits into the table");
    if (!hf_field_table_insert(&d->table, name, value, id))
        return no_memory(r);
    d->inserted++;
    return HF_PREFIX_GOOD;
}

/* RFC 9204 4.3: relative to the newest. */
static hf_prefix_int look_up_relative(reader *r, const uint8_t *at, uint64_t index, hf_field *field)
{
    if (index >= r->d->inserted)
        return wrong(r, at, "an entry of the dynamic table that there is");
    return look_up_dynamic(r, at, r->d->inserted - 1 - index, field);
}

static hf_prefix_int insert_with_name_reference(reader *r)
{
    const uint8_t *const at = r->at;
    const bool is_static = (*at & 0x40) != 0;
    uint64_t index;
    hf_field field;
    hf_bytes value;
    hf_prefix_int read = read_int(r, 6, &index);
    if (read != HF_PREFIX_GOOD)
        return read;
    read = is_static ? look_up_static(r, at, index, &field) : look_up_relative(r, at, index, &field);
    if (read != HF_PREFIX_GOOD || (read = read_bounded(r, 7, &value)) != HF_PREFIX_GOOD)
        return read;
    /* RFC 9204 3.2.2: the entry named may be the one that is evicted: the table wants text of its own no more */
    if (!is_static && !hf_field_list_keep(r->list, &field.name))
        return no_memory(r);
    return insert(r, at, field.name, value, field.id);
}

static hf_prefix_int insert_with_literal_name(reader *r)
{
    const uint8_t *const at = r->at;
    hf_bytes name, value;
    hf_prefix_int read = read_bounded(r, 5, &name);
    if (read != HF_PREFIX_GOOD || (read = read_bounded(r, 7, &value)) != HF_PREFIX_GOOD)
        return read;
    return insert(r, at, name, value, hf_field_identify(name));
}

static hf_prefix_int set_capacity(reader *r)
{
    const uint8_t *const at = r->at;
    uint64_t capacity;
    const hf_prefix_int read = read_int(r, 5, &capacity);
    if (read != HF_PREFIX_GOOD)
        return read;
    if (capacity > r->d->most)
        return wrong(r, at, "a capacity within SETTINGS_QPACK_MAX_TABLE_CAPACITY");
    hf_field_table_resize(&r->d->table, (uint32_t)capacity);
    return HF_PREFIX_GOOD;
}

static hf_prefix_int duplicate(reader *r)
{
    const uint8_t *const at = r->at;
    uint64_t index;
    hf_field field;
    hf_prefix_int read = read_int(r, 5, &index);
    if (read != HF_PREFIX_GOOD || (read = look_up_relative(r, at, index, &field)) != HF_PREFIX_GOOD)
        return read;
    if (!hf_field_list_keep(r->list, &field.name) || !hf_field_list_keep(r->list, &field.value))
        return no_memory(r);
    return insert(r, at, field.name, field.value, field.id);
}

static hf_prefix_int obey(reader *r)
{
    const uint8_t first = *r->at;
    if (first & 0x80)
        return insert_with_name_reference(r);
    if (first & 0x40)
        return insert_with_literal_name(r);
    return first & 0x20 ? set_capacity(r) : duplicate(r);
}

bool hf_qpack_instruct(hf_qpack_decoder *d, hf_bytes bytes, size_t *used, hf_field_flaw *flaw)
{
    *used = 0;
    if (bytes.len == 0) /* which may lie nowhere */
        return true;
    reader r = { d, &d->text, bytes.ptr, bytes.ptr + bytes.len, flaw };
    hf_prefix_int read = HF_PREFIX_GOOD;
    while (read == HF_PREFIX_GOOD && r.at < r.end) {
        hf_field_list_reset(&d->text);
        read = obey(&r);
        if (read == HF_PREFIX_GOOD)
            *used = (size_t)(r.at - bytes.ptr);
    }
    hf_field_list_fini(&d->text); /* an idle connection holds none of it */
    return read != HF_PREFIX_BAD;
}

/* ---- sections ----------------------------------------------------------------------------------------------- */

typedef struct section {
    reader r;
    uint64_t required, base;
} section;

/* RFC 9204 4.5.1.1 */
static bool required_of(const hf_qpack_decoder *d, uint64_t encoded, uint64_t *required)
{
    const uint64_t most_entries = d->most / HF_FIELD_OVERHEAD, full_range = 2 * most_entries;
    *required = 0;
    if (encoded == 0)
        return true;
    if (encoded > full_range)
        return false;
    const uint64_t most = d->inserted + most_entries;
    uint64_t count = most / full_range * full_range + encoded - 1;
    if (count > most) {
        if (count <= full_range)
            return false;
        count -= full_range;
    }
    *required = count;
    return count != 0;
}

bool hf_qpack_required(const hf_qpack_decoder *d, hf_bytes bytes, uint64_t *required)
{
    const uint8_t *at = bytes.ptr;
    uint64_t encoded;
    return bytes.len > 0 && hf_prefix_int_parse(&at, bytes.ptr + bytes.len, 8, &encoded) == HF_PREFIX_GOOD &&
           required_of(d, encoded, required);
}

static bool whole(section *s, hf_prefix_int read, const uint8_t *at)
{
    if (read == HF_PREFIX_MORE)
        (void)wrong(&s->r, at, "a representation that ends within the section");
    return read == HF_PREFIX_GOOD;
}

static bool section_int(section *s, unsigned bits, uint64_t *value)
{
    const uint8_t *const at = s->r.at;
    return whole(s, at < s->r.end ? read_int(&s->r, bits, value) : HF_PREFIX_MORE, at);
}

static bool read_prefix(section *s)
{
    const uint8_t *const at = s->r.at;
    uint64_t encoded, delta;
    if (!section_int(s, 8, &encoded))
        return false;
    if (!required_of(s->r.d, encoded, &s->required))
        return wrong(&s->r, at, "a Required Insert Count that an encoder can produce") == HF_PREFIX_GOOD;
    const uint8_t *const sign = s->r.at;
    if (!section_int(s, 7, &delta))
        return false;
    if ((*sign & 0x80) == 0) {
        s->base = s->required + delta;
        return true;
    }
    /* RFC 9204 4.5.1.2: "An endpoint MUST treat a field block with a Sign bit of 1 as invalid if the value of Required
     * Insert Count is less than or equal to the value of Delta Base." */
    if (s->required <= delta)
        return wrong(&s->r, sign, "a Base that is not negative") == HF_PREFIX_GOOD;
    s->base = s->required - delta - 1;
    return true;
}

/* RFC 9204 2.2.3: what is not covered by the Required Insert Count must not be referred to. */
static bool section_entry(section *s, const uint8_t *at, bool in_bounds, uint64_t number, hf_field *field)
{
    if (!in_bounds || number >= s->required)
        return wrong(&s->r, at, "an entry below the Required Insert Count") == HF_PREFIX_GOOD;
    s->r.list->borrowed = true;
    return look_up_dynamic(&s->r, at, number, field) == HF_PREFIX_GOOD;
}

typedef enum reference { TO_STATIC, TO_BASE, PAST_BASE } reference;

static bool section_field(section *s, reference to, unsigned bits, hf_field *field)
{
    const uint8_t *const at = s->r.at;
    uint64_t index;
    if (!section_int(s, bits, &index))
        return false;
    switch (to) {
    case TO_STATIC: return look_up_static(&s->r, at, index, field) == HF_PREFIX_GOOD;
    case TO_BASE: return section_entry(s, at, index < s->base, s->base - 1 - index, field);
    case PAST_BASE: break;
    }
    return section_entry(s, at, index < s->required, s->base + index, field);
}

static bool add(section *s, hf_field field)
{
    return hf_field_list_add(s->r.list, field) || no_memory(&s->r) == HF_PREFIX_GOOD;
}

static bool read_indexed(section *s, reference to, unsigned bits)
{
    hf_field field;
    if (!section_field(s, to, bits, &field))
        return false;
    return !hf_field_list_has_place(s->r.list, field.name.len + field.value.len) || add(s, field);
}

static bool section_string(section *s, unsigned bits, bool wanted, hf_bytes *out)
{
    const uint8_t *const at = s->r.at;
    return whole(s, read_string(&s->r, bits, wanted, out), at);
}

/* The value follows the name; what finds no place is given back. */
static bool read_value(section *s, hf_field field, hf_field_mark mark, bool wanted)
{
    hf_field_list *const l = s->r.list;
    if (!section_string(s, 7, wanted, &field.value))
        return false;
    if (hf_field_list_has_place(l, field.name.len + field.value.len))
        return add(s, field);
    hf_field_list_return(l, mark);
    return true;
}

static bool read_literal(section *s, reference to, unsigned bits)
{
    hf_field_list *const l = s->r.list;
    const hf_field_mark mark = hf_field_list_mark(l);
    hf_field field;
    return section_field(s, to, bits, &field) && read_value(s, field, mark, !l->too_many && !l->too_large);
}

static bool read_new_literal(section *s)
{
    hf_field_list *const l = s->r.list;
    const hf_field_mark mark = hf_field_list_mark(l);
    const bool wanted = !l->too_many && !l->too_large;
    hf_field field = { .id = HF_FIELD_OTHER };
    if (!section_string(s, 3, wanted, &field.name))
        return false;
    if (wanted)
        field.id = hf_field_identify(field.name);
    return read_value(s, field, mark, wanted);
}

static bool read_field(section *s)
{
    const uint8_t first = *s->r.at;
    if (first & 0x80)
        return read_indexed(s, first & 0x40 ? TO_STATIC : TO_BASE, 6);
    if (first & 0x40)
        return read_literal(s, first & 0x10 ? TO_STATIC : TO_BASE, 4);
    if (first & 0x20)
        return read_new_literal(s);
    return first & 0x10 ? read_indexed(s, PAST_BASE, 4) : read_literal(s, PAST_BASE, 3);
}

/* ---- the decoder stream ------------------------------------------------------------------------------------- */

static bool say(hf_qpack_decoder *d, unsigned bits, uint8_t flags, uint64_t value)
{
    const hf_span room = hf_queue_reserve(&d->say, HF_PREFIX_INT_BYTES);
    if (room.ptr == NULL)
        return false;
    hf_queue_commit(&d->say, hf_prefix_int_write(room.ptr, bits, flags, value));
    return true;
}

/* RFC 9204 2.1.4: an acknowledged section tells the encoder of all entries that it needed. */
static bool acknowledge_section(hf_qpack_decoder *d, uint64_t stream, uint64_t required)
{
    if (required == 0)
        return true;
    d->told = required > d->told ? required : d->told;
    return say(d, 7, 0x80, stream);
}

bool hf_qpack_cancel(hf_qpack_decoder *d, uint64_t stream)
{
    /* RFC 9204 2.2.2.2: with a maximum capacity of zero the encoder can have no references */
    return d->most == 0 || say(d, 6, 0x40, stream);
}

bool hf_qpack_acknowledge(hf_qpack_decoder *d)
{
    if (d->told == d->inserted)
        return true;
    if (!say(d, 6, 0, d->inserted - d->told))
        return false;
    d->told = d->inserted;
    return true;
}

hf_qpack_verdict hf_qpack_decode(hf_qpack_decoder *d, uint64_t stream, hf_bytes bytes, hf_field_list *list,
                                 hf_field_flaw *flaw)
{
    static const uint8_t nothing[1];
    bytes.ptr = bytes.len > 0 ? bytes.ptr : nothing;
    section s = { .r = { d, list, bytes.ptr, bytes.ptr + bytes.len, flaw } };
    hf_field_list_reset(list);
    if (!read_prefix(&s))
        return HF_QPACK_BAD;
    if (s.required > d->inserted)
        return HF_QPACK_BLOCKED;
    while (s.r.at < s.r.end) {
        if (!read_field(&s))
            return HF_QPACK_BAD;
        if (hf_field_list_is_bomb(list)) {
            *flaw = (hf_field_flaw){ s.r.at, "a field section within a few times the limit header_bytes", false, true };
            return HF_QPACK_BAD;
        }
    }
    if (!acknowledge_section(d, stream, s.required)) {
        (void)no_memory(&s.r);
        return HF_QPACK_BAD;
    }
    return HF_QPACK_GOOD;
}
