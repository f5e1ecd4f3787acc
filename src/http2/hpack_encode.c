/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields to header blocks (RFC 7541 6). What is worth remembering, field_code.h says.
 */
#include "hpack.h"

#include "alloc.h"
#include "panic.h"

/* RFC 7541 6.2: how a literal begins, and how many bits are its index. */
typedef enum literal { LITERAL_INSERTED = 0x40, LITERAL_PLAIN = 0x00, LITERAL_NEVER = 0x10 } literal;

void hf_hpack_encoder_init(hf_hpack_encoder *e, const hf_allocator *alloc, uint32_t most)
{
    enum { DEFAULT_BYTES = 4096 }; /* RFC 9113 6.5.2: what the peer's decoder has until its SETTINGS say more or less */
    *e = (hf_hpack_encoder){ .most = most };
    const uint32_t capacity = most < DEFAULT_BYTES ? most : DEFAULT_BYTES;
    hf_field_table_init(&e->table, alloc, capacity);
    e->lowest = capacity;
    e->resized = capacity != DEFAULT_BYTES;
}

void hf_hpack_encoder_fini(hf_hpack_encoder *e)
{
    hf_hpack_memo_free(e);
    hf_free(e->table.alloc, e->index, sizeof *e->index);
    e->index = NULL;
    hf_field_table_fini(&e->table);
}

void hf_hpack_encoder_allow(hf_hpack_encoder *e, uint32_t allowed)
{
    const uint32_t capacity = allowed < e->most ? allowed : e->most;
    if (capacity == e->table.capacity)
        return;
    hf_field_table_resize(&e->table, capacity);
    e->lowest = capacity < e->lowest ? capacity : e->lowest;
    e->resized = true;
}

/* RFC 7541 4.2: "the smallest maximum table size that occurs in that interval MUST be signaled" */
void hf_hpack_begin(hf_hpack_encoder *e, hf_writer *w)
{
    e->literal = e->resized;
    if (!e->resized)
        return;
    if (e->lowest < e->table.capacity)
        hf_field_int_write(w, 5, 0x20, e->lowest);
    hf_field_int_write(w, 5, 0x20, e->table.capacity);
    e->lowest = e->table.capacity;
    e->resized = false;
}

/* ---- looking up --------------------------------------------------------------------------------------------- */

/* How many static entries with a value begin at this one. */
static const uint8_t static_values[HF_HPACK_STATIC + 1] = {
    [HF_HPACK_METHOD] = 2, [HF_HPACK_PATH] = 2, [HF_HPACK_SCHEME] = 2, [HF_HPACK_STATUS] = 7, [16] = 1
};

/* The index of the whole field, 0 when there is none. */
static uint32_t find_static(const hf_field_search *s)
{
    for (unsigned i = s->static_name; i < s->static_name + static_values[s->static_name]; i++)
        if (hf_bytes_equal(hf_hpack_static[i].value, s->value))
            return i;
    return 0;
}

/* ---- deciding ----------------------------------------------------------------------------------------------- */

static bool make_index(hf_hpack_encoder *e)
{
    if (e->index == NULL)
        e->index = hf_alloc_zeroed(e->table.alloc, sizeof *e->index);
    return e->index != NULL;
}

/* How this literal is to leave; when it is to be inserted, it has been. */
static literal decide(hf_hpack_encoder *e, const hf_field_search *s, hf_field_habit h)
{
    const uint64_t size = (uint64_t)s->name.len + s->value.len + HF_FIELD_OVERHEAD;
    if (h == HF_FIELD_SECRET)
        return LITERAL_NEVER;
    /* one entry must not drive all others out */
    if (size > e->table.capacity * 3ull / 4 || e->index == NULL)
        return LITERAL_PLAIN;
    if (h == HF_FIELD_VARIES && !hf_field_came_before(e->index, s))
        return LITERAL_PLAIN;
    if (!hf_field_table_insert(&e->table, s->name, s->value, s->id))
        return LITERAL_PLAIN;
    *hf_field_pair_slot(e->index, s) = *hf_field_name_slot(e->index, s) = e->table.inserted;
    return LITERAL_INSERTED;
}

static void encode(hf_hpack_encoder *e, hf_writer *w, hf_field_search *s)
{
    const hf_field_habit h = hf_field_habit_of(s);
    uint32_t index = h == HF_FIELD_SECRET ? 0 : find_static(s), age;
    if (index == 0 && h != HF_FIELD_SECRET && make_index(e)) {
        hf_field_search_hash(s);
        if (hf_field_find(&e->table, *hf_field_pair_slot(e->index, s), s, true, &age))
            index = HF_HPACK_STATIC + 1 + age;
    }
    if (index > 0) {
        hf_field_int_write(w, 7, 0x80, index);
        return;
    }
    e->literal = true;
    uint32_t name = s->static_name;
    if (name == 0 && h != HF_FIELD_SECRET && e->index != NULL &&
        hf_field_find(&e->table, *hf_field_name_slot(e->index, s), s, false, &age))
        name = HF_HPACK_STATIC + 1 + age;
    const literal how = decide(e, s, h);
    hf_field_int_write(w, how == LITERAL_INSERTED ? 6 : 4, (uint8_t)how, name);
    if (name == 0)
        hf_field_string_write(w, 7, 0, s->name);
    hf_field_string_write(w, 7, 0, s->value);
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

void hf_hpack_pseudo(hf_hpack_encoder *e, hf_writer *w, unsigned name_index, hf_bytes value)
{
    hf_field_search s = { .name = hf_hpack_static[name_index].name, .value = value, .static_name = name_index };
    s.is_path = name_index == HF_HPACK_PATH;
    encode(e, w, &s);
}

/* The first static entry of each field that has one: a test holds this against the table. */
const uint8_t hf_hpack_static_id[HF_FIELD_COUNT] = {
    [HF_FIELD_ACCEPT_ENCODING] = 16, [HF_FIELD_ACCEPT_RANGES] = 18, [HF_FIELD_ACCEPT] = 19, [HF_FIELD_AGE] = 21,
    [HF_FIELD_ALLOW] = 22, [HF_FIELD_AUTHORIZATION] = 23, [HF_FIELD_CACHE_CONTROL] = 24,
    [HF_FIELD_CONTENT_ENCODING] = 26, [HF_FIELD_CONTENT_LANGUAGE] = 27, [HF_FIELD_CONTENT_LENGTH] = 28,
    [HF_FIELD_CONTENT_LOCATION] = 29, [HF_FIELD_CONTENT_RANGE] = 30, [HF_FIELD_CONTENT_TYPE] = 31,
    [HF_FIELD_COOKIE] = 32, [HF_FIELD_DATE] = 33, [HF_FIELD_ETAG] = 34, [HF_FIELD_EXPECT] = 35,
    [HF_FIELD_EXPIRES] = 36, [HF_FIELD_HOST] = 38, [HF_FIELD_IF_MATCH] = 39, [HF_FIELD_IF_MODIFIED_SINCE] = 40,
    [HF_FIELD_IF_NONE_MATCH] = 41, [HF_FIELD_IF_RANGE] = 42, [HF_FIELD_IF_UNMODIFIED_SINCE] = 43,
    [HF_FIELD_LAST_MODIFIED] = 44, [HF_FIELD_LOCATION] = 46, [HF_FIELD_PROXY_AUTHORIZATION] = 49,
    [HF_FIELD_RANGE] = 50, [HF_FIELD_REFERER] = 51, [HF_FIELD_RETRY_AFTER] = 53, [HF_FIELD_SERVER] = 54,
    [HF_FIELD_SET_COOKIE] = 55, [HF_FIELD_TRANSFER_ENCODING] = 57, [HF_FIELD_USER_AGENT] = 58, [HF_FIELD_VARY] = 59,
};

void hf_hpack_field(hf_hpack_encoder *e, hf_writer *w, const hf_field *field)
{
    const hf_field_id id = field->id != HF_FIELD_OTHER ? field->id : hf_field_identify(field->name);
    hf_field_search s = { .value = field->value, .id = id, .static_name = hf_hpack_static_id[id] };
    if (s.static_name != 0) {
        s.name = hf_hpack_static[s.static_name].name;
        encode(e, w, &s);
        return;
    }
    uint8_t low[HF_HPACK_NAME_MOST];
    HF_ASSERT(field->name.len <= sizeof low);
    for (size_t i = 0; i < field->name.len; i++)
        low[i] = hf_lower(field->name.ptr[i]);
    s.name = hf_bytes_make(low, field->name.len);
    s.static_name = hf_hpack_static_name(s.name);
    encode(e, w, &s);
}
