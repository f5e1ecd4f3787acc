/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields to field sections (RFC 9204 4.5), and the encoder stream's instructions (4.3). One pass: the Base is what the
 * table held when the section began, and what is inserted on the way is referred to past it. What is worth remembering,
 * field_code.h says.
 */
#include "qpack.h"

#include "alloc.h"
#include "panic.h"

/* While this much waits for the encoder stream, nothing more is inserted. */
enum { SAY_MOST = 16384 };

void hf_qpack_encoder_init(hf_qpack_encoder *e, const hf_allocator *alloc, uint32_t most)
{
    *e = (hf_qpack_encoder){ .most = most };
    hf_field_table_init(&e->table, alloc, 0);
    hf_queue_init(&e->say, alloc);
}

void hf_qpack_encoder_fini(hf_qpack_encoder *e)
{
    hf_free(e->table.alloc, e->index, sizeof *e->index);
    hf_free(e->table.alloc, e->sections, HF_QPACK_SECTIONS * sizeof *e->sections);
    e->index = NULL;
    e->sections = NULL;
    hf_field_table_fini(&e->table);
    hf_queue_fini(&e->say);
}

bool hf_qpack_encoder_is_at_rest(const hf_qpack_encoder *e)
{
    return e->index == NULL && (e->sections == NULL || e->section_count > 0);
}

void hf_qpack_encoder_rest(hf_qpack_encoder *e)
{
    hf_free(e->table.alloc, e->index, sizeof *e->index);
    e->index = NULL;
    if (e->section_count > 0)
        return;
    hf_free(e->table.alloc, e->sections, HF_QPACK_SECTIONS * sizeof *e->sections);
    e->sections = NULL;
}

void hf_qpack_encoder_allow(hf_qpack_encoder *e, uint64_t capacity, uint64_t blocked)
{
    e->allowed = capacity < UINT32_MAX ? (uint32_t)capacity : UINT32_MAX;
    e->blocked_most = blocked;
    const uint32_t use = e->allowed < e->most ? e->allowed : e->most;
    if (use < HF_FIELD_OVERHEAD)
        return;
    const hf_span room = hf_queue_reserve(&e->say, HF_PREFIX_INT_BYTES);
    if (room.ptr == NULL) /* then there is no dynamic table, and nothing else is amiss */
        return;
    hf_queue_commit(&e->say, hf_prefix_int_write(room.ptr, 5, 0x20, use));
    hf_field_table_resize(&e->table, use);
}

/* ---- the decoder stream ------------------------------------------------------------------------------------- */

static void forget(hf_qpack_encoder *e, uint32_t at)
{
    e->section_count--;
    memmove(&e->sections[at], &e->sections[at + 1], (e->section_count - at) * sizeof *e->sections);
}

static bool acknowledged(hf_qpack_encoder *e, uint64_t stream)
{
    for (uint32_t i = 0; i < e->section_count; i++) {
        const hf_qpack_section s = e->sections[i];
        if (s.stream != stream)
            continue;
        e->known = s.required > e->known ? s.required : e->known;
        forget(e, i);
        return true;
    }
    return false;
}

static void cancelled(hf_qpack_encoder *e, uint64_t stream)
{
    for (uint32_t i = e->section_count; i-- > 0;)
        if (e->sections[i].stream == stream)
            forget(e, i);
}

/* NULL when all is well. */
static const char *obey(hf_qpack_encoder *e, uint8_t first, uint64_t value)
{
    if (first & 0x80)
        return acknowledged(e, value) ? NULL : "the acknowledgment of a section that waits for one";
    if (first & 0x40) {
        cancelled(e, value);
        return NULL;
    }
    if (value == 0 || value > e->inserted - e->known)
        return "an increment of at least 1, and within what was inserted";
    e->known += value;
    return NULL;
}

bool hf_qpack_heed(hf_qpack_encoder *e, hf_bytes bytes, size_t *used, hf_field_flaw *flaw)
{
    *used = 0;
    if (bytes.len == 0) /* which may lie nowhere */
        return true;
    const uint8_t *at = bytes.ptr;
    const uint8_t *const end = bytes.ptr + bytes.len;
    while (at < end) {
        const uint8_t *const begun = at;
        uint64_t value;
        const hf_prefix_int read = hf_prefix_int_parse(&at, end, *begun & 0x80 ? 7 : 6, &value);
        if (read == HF_PREFIX_MORE)
            return true;
        const char *const wanted = read == HF_PREFIX_BAD ? "an integer of at most 62 bits" : obey(e, *begun, value);
        if (wanted != NULL) {
            *flaw = (hf_field_flaw){ .at = begun, .wanted = wanted };
            return false;
        }
        *used = (size_t)(at - bytes.ptr);
    }
    return true;
}

/* ---- what may be done with the table ------------------------------------------------------------------------ */

/* RFC 9204 2.1.2: an encoder "MUST limit the number of streams that could become blocked". */
static bool may_block(const hf_qpack_encoder *e, uint64_t stream)
{
    uint64_t others = 0;
    for (uint32_t i = 0; i < e->section_count; i++) {
        const hf_qpack_section *const s = &e->sections[i];
        if (s->required <= e->known)
            continue;
        if (s->stream == stream)
            return true; /* it counts already */
        bool counted = false;
        for (uint32_t j = 0; j < i && !counted; j++)
            counted = e->sections[j].stream == s->stream && e->sections[j].required > e->known;
        others += !counted;
    }
    return others < e->blocked_most;
}

/* RFC 9204 2.1.1: entries from this one on must stay: they are referred to, or the peer may not have them yet. */
static uint64_t evictable_below(const hf_qpack_encoder *e)
{
    uint64_t lowest = e->known;
    if (e->open.required > 0 && e->open.lowest < lowest)
        lowest = e->open.lowest;
    for (uint32_t i = 0; i < e->section_count; i++)
        lowest = e->sections[i].lowest < lowest ? e->sections[i].lowest : lowest;
    return lowest;
}

static bool has_room(const hf_qpack_encoder *e, uint64_t size)
{
    const hf_field_table *const t = &e->table;
    if (size > t->capacity * 3ull / 4) /* one entry must not drive all others out */
        return false;
    uint64_t free = t->capacity - t->size;
    if (free >= size)
        return true;
    const uint64_t oldest = e->inserted - t->count, below = evictable_below(e);
    for (uint64_t i = oldest; i < below && free < size; i++) {
        const hf_field f = hf_field_table_at(t, (uint32_t)(e->inserted - 1 - i));
        free += f.name.len + f.value.len + HF_FIELD_OVERHEAD;
    }
    return free >= size;
}

/* The instruction on its way; the entry in our table when it is. */
static bool insert(hf_qpack_encoder *e, const hf_field_search *s, bool dynamic_name, uint32_t name_age)
{
    const uint64_t size = (uint64_t)s->name.len + s->value.len + HF_FIELD_OVERHEAD;
    const size_t most = s->name.len + s->value.len + 3 * HF_PREFIX_INT_BYTES;
    if (!has_room(e, size) || hf_queue_length(&e->say) + most > SAY_MOST)
        return false;
    const hf_span room = hf_queue_reserve(&e->say, most);
    if (room.ptr == NULL)
        return false;
    hf_writer w = hf_writer_make(room.ptr, room.len);
    if (s->static_name != 0)
        hf_field_int_write(&w, 6, 0xc0, s->static_name - 1);
    else if (dynamic_name)
        hf_field_int_write(&w, 6, 0x80, name_age);
    else
        hf_field_string_write(&w, 5, 0x40, s->name);
    hf_field_string_write(&w, 7, 0, s->value);
    if (!hf_field_table_insert(&e->table, s->name, s->value, s->id))
        return false;
    hf_queue_commit(&e->say, w.length);
    e->inserted++;
    *hf_field_pair_slot(e->index, s) = *hf_field_name_slot(e->index, s) = e->table.inserted;
    return true;
}

/* ---- sections ----------------------------------------------------------------------------------------------- */

/* What the table holds can be found (again, where the encoder was at rest). NULL when memory ends. */
static void make_index(hf_qpack_encoder *e)
{
    e->index = hf_alloc_zeroed(e->table.alloc, sizeof *e->index);
    for (uint32_t age = e->table.count; age > 0 && e->index != NULL; age--) {
        const hf_field f = hf_field_table_at(&e->table, age - 1);
        const unsigned by_id = hf_qpack_static_id[f.id];
        hf_field_search s = { .name = f.name, .value = f.value, .id = f.id, .static_name = by_id != 0 ? by_id : hf_qpack_static_name(f.name) };
        hf_field_search_hash(&s);
        *hf_field_pair_slot(e->index, &s) = *hf_field_name_slot(e->index, &s) = e->table.inserted - (age - 1);
    }
}

void hf_qpack_begin(hf_qpack_encoder *e, uint64_t stream, hf_writer *w)
{
    HF_ASSERT(w->capacity - w->length >= HF_QPACK_PREFIX_MOST);
    e->open = (hf_qpack_section){ .stream = stream, .lowest = UINT64_MAX };
    e->base = e->inserted;
    e->begun = w->length;
    w->length += HF_QPACK_PREFIX_MOST; /* finish writes it, right before the fields */
    e->may_refer = false;
    if (e->table.capacity == 0 || e->section_count == HF_QPACK_SECTIONS)
        return;
    if (e->sections == NULL)
        e->sections = hf_alloc(e->table.alloc, HF_QPACK_SECTIONS * sizeof *e->sections);
    if (e->index == NULL)
        make_index(e);
    e->may_refer = e->sections != NULL && e->index != NULL;
    e->may_block = may_block(e, stream);
}

/* Whether the section may refer to the entry; then it does. */
static bool refer(hf_qpack_encoder *e, uint64_t number)
{
    if (number >= e->known && !e->may_block)
        return false;
    e->open.lowest = number < e->open.lowest ? number : e->open.lowest;
    e->open.required = number + 1 > e->open.required ? number + 1 : e->open.required;
    return true;
}

static void write_reference(const hf_qpack_encoder *e, hf_writer *w, uint64_t number)
{
    if (number < e->base)
        hf_field_int_write(w, 6, 0x80, e->base - 1 - number);
    else
        hf_field_int_write(w, 4, 0x10, number - e->base);
}

static void write_literal(hf_qpack_encoder *e, hf_writer *w, const hf_field_search *s, bool secret, bool dynamic_name,
                          uint64_t name)
{
    if (s->static_name != 0)
        hf_field_int_write(w, 4, secret ? 0x70 : 0x50, s->static_name - 1);
    else if (dynamic_name && name < e->base)
        hf_field_int_write(w, 4, 0x40, e->base - 1 - name);
    else if (dynamic_name)
        hf_field_int_write(w, 3, 0x00, name - e->base);
    else
        hf_field_string_write(w, 3, secret ? 0x30 : 0x20, s->name);
    hf_field_string_write(w, 7, 0, s->value);
}

/* The index of the whole field, HF_QPACK_STATIC when there is none. */
static unsigned find_static(const hf_field_search *s)
{
    for (unsigned i = s->static_name; i > 0; i = hf_qpack_static_next[i - 1] == 0 ? 0 : hf_qpack_static_next[i - 1] + 1u)
        if (hf_bytes_equal(hf_qpack_static[i - 1].value, s->value))
            return i - 1;
    return HF_QPACK_STATIC;
}

static bool is_worth_inserting(hf_qpack_encoder *e, const hf_field_search *s, hf_field_habit habit)
{
    return habit == HF_FIELD_REPEATS || hf_field_came_before(e->index, s);
}

static void encode(hf_qpack_encoder *e, hf_writer *w, hf_field_search *s)
{
    const hf_field_habit habit = hf_field_habit_of(s);
    const unsigned index = habit == HF_FIELD_SECRET ? HF_QPACK_STATIC : find_static(s);
    if (index < HF_QPACK_STATIC) {
        hf_field_int_write(w, 6, 0xc0, index);
        return;
    }
    if (habit == HF_FIELD_SECRET || !e->may_refer) {
        write_literal(e, w, s, habit == HF_FIELD_SECRET, false, 0);
        return;
    }
    uint32_t age;
    hf_field_search_hash(s);
    if (hf_field_find(&e->table, *hf_field_pair_slot(e->index, s), s, true, &age)) {
        const uint64_t number = e->inserted - 1 - age;
        if (refer(e, number))
            write_reference(e, w, number);
        else
            write_literal(e, w, s, false, false, 0);
        return;
    }
    const bool has_name = s->static_name == 0 &&
                          hf_field_find(&e->table, *hf_field_name_slot(e->index, s), s, false, &age);
    const uint64_t name = has_name ? e->inserted - 1 - age : 0;
    /* the entry that lends its name must outlive the insertion: it may be the next to go */
    const bool refers = has_name && refer(e, name);
    if (is_worth_inserting(e, s, habit) && insert(e, s, refers, age) && refer(e, e->inserted - 1)) {
        write_reference(e, w, e->inserted - 1);
        return;
    }
    write_literal(e, w, s, false, refers, name);
}

void hf_qpack_pseudo(hf_qpack_encoder *e, hf_writer *w, unsigned first, hf_bytes value)
{
    hf_field_search s = { .name = hf_qpack_static[first].name, .value = value, .static_name = first + 1 };
    s.is_path = first == HF_QPACK_PATH;
    encode(e, w, &s);
}

void hf_qpack_field(hf_qpack_encoder *e, hf_writer *w, const hf_field *field)
{
    const hf_field_id id = field->id != HF_FIELD_OTHER ? field->id : hf_field_identify(field->name);
    hf_field_search s = { .value = field->value, .id = id, .static_name = hf_qpack_static_id[id] };
    if (s.static_name != 0) {
        s.name = hf_qpack_static[s.static_name - 1].name;
        encode(e, w, &s);
        return;
    }
    uint8_t low[HF_QPACK_NAME_MOST];
    HF_ASSERT(field->name.len <= sizeof low);
    for (size_t i = 0; i < field->name.len; i++)
        low[i] = hf_lower(field->name.ptr[i]);
    s.name = hf_bytes_make(low, field->name.len);
    s.static_name = hf_qpack_static_name(s.name);
    encode(e, w, &s);
}

/* RFC 9204 4.5.1 */
hf_bytes hf_qpack_finish(hf_qpack_encoder *e, hf_writer *w)
{
    const uint64_t required = e->open.required;
    uint8_t prefix[HF_QPACK_PREFIX_MOST];
    size_t n = hf_prefix_int_write(prefix, 8, 0, required == 0 ? 0 : required % (2ull * (e->allowed / HF_FIELD_OVERHEAD)) + 1);
    if (required == 0)
        n += hf_prefix_int_write(prefix + n, 7, 0, 0);
    else if (required > e->base)
        n += hf_prefix_int_write(prefix + n, 7, 0x80, required - e->base - 1);
    else
        n += hf_prefix_int_write(prefix + n, 7, 0, e->base - required);
    uint8_t *const at = w->ptr + e->begun + HF_QPACK_PREFIX_MOST - n;
    memcpy(at, prefix, n);
    if (required > 0)
        e->sections[e->section_count++] = e->open;
    e->open.required = 0;
    return hf_bytes_make(at, (size_t)(w->ptr + w->length - at));
}
