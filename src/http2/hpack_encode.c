/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields to header blocks (RFC 7541 6).
 *
 * What goes into the dynamic table: everything that is likely to come again, at once; values that mostly do not
 * (lengths, tags, paths, places) when they come a second time; secrets never, and they are marked so that no
 * intermediary does (RFC 7541 7.1.3).
 */
#include "hpack.h"

#include "alloc.h"
#include "huffman.h"
#include "panic.h"
#include "prefix_int.h"

/* RFC 7541 6.2: how a literal begins, and how many bits are its index. */
typedef enum literal { LITERAL_INSERTED = 0x40, LITERAL_PLAIN = 0x00, LITERAL_NEVER = 0x10 } literal;

typedef enum habit {
    HABIT_REPEATS, /* inserted at once */
    HABIT_VARIES,  /* inserted when it comes again */
    HABIT_SECRET   /* never */
} habit;

void hf_hpack_encoder_init(hf_hpack_encoder *e, const hf_allocator *alloc, uint32_t most)
{
    enum { DEFAULT_BYTES = 4096 }; /* RFC 9113 6.5.2: what the peer's decoder has until its SETTINGS say more or less */
    *e = (hf_hpack_encoder){ .most = most };
    const uint32_t capacity = most < DEFAULT_BYTES ? most : DEFAULT_BYTES;
    hf_hpack_table_init(&e->table, alloc, capacity);
    e->lowest = capacity;
    e->resized = capacity != DEFAULT_BYTES;
}

void hf_hpack_encoder_fini(hf_hpack_encoder *e)
{
    hf_free(e->table.alloc, e->index, sizeof *e->index);
    e->index = NULL;
    hf_hpack_table_fini(&e->table);
}

void hf_hpack_encoder_allow(hf_hpack_encoder *e, uint32_t allowed)
{
    const uint32_t capacity = allowed < e->most ? allowed : e->most;
    if (capacity == e->table.capacity)
        return;
    hf_hpack_table_resize(&e->table, capacity);
    e->lowest = capacity < e->lowest ? capacity : e->lowest;
    e->resized = true;
}

static void write_int(hf_writer *w, unsigned bits, uint8_t flags, uint64_t value)
{
    HF_ASSERT(w->capacity - w->length >= HF_PREFIX_INT_BYTES);
    w->length += hf_prefix_int_write(w->ptr + w->length, bits, flags, value);
}

/* RFC 7541 4.2: "the smallest maximum table size that occurs in that interval MUST be signaled" */
void hf_hpack_begin(hf_hpack_encoder *e, hf_writer *w)
{
    if (!e->resized)
        return;
    if (e->lowest < e->table.capacity)
        write_int(w, 5, 0x20, e->lowest);
    write_int(w, 5, 0x20, e->table.capacity);
    e->lowest = e->table.capacity;
    e->resized = false;
}

/* The Huffman code where it is shorter. */
static void write_string(hf_writer *w, hf_bytes s)
{
    const size_t length = hf_huffman_length(s);
    if (length >= s.len) {
        write_int(w, 7, 0, s.len);
        hf_write(w, s);
        return;
    }
    write_int(w, 7, 0x80, length);
    HF_ASSERT(w->capacity - w->length >= length);
    w->length += hf_huffman_encode(s, w->ptr + w->length);
}

/* ---- looking up --------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t word_at(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* Long text is not read whole: what it shares with another of its length, the comparison that follows will tell. */
static uint64_t hash_of(uint64_t hash, hf_bytes b)
{
    enum { WORD = 8, ENDS = 32 };
    hash = mix(hash, b.len);
    if (b.len < WORD) {
        uint64_t word = 0;
        for (size_t i = 0; i < b.len; i++)
            word = word << 8 | b.ptr[i];
        return mix(hash, word);
    }
    size_t i = 0;
    for (; i + WORD < b.len && i < ENDS; i += WORD)
        hash = mix(hash, word_at(b.ptr + i));
    if (b.len > 2 * ENDS)
        i = b.len - ENDS;
    for (; i + WORD < b.len; i += WORD)
        hash = mix(hash, word_at(b.ptr + i));
    return mix(hash, word_at(b.ptr + b.len - WORD));
}

/* A field on its way, with what was found out about it. */
typedef struct search {
    hf_bytes name, value;
    hf_field_id id;
    unsigned static_name; /* the first static entry with the name, or 0 */
    uint64_t name_hash, pair_hash;
} search;

/* How many static entries with a value begin at this one. */
static const uint8_t static_values[HF_HPACK_STATIC + 1] = {
    [HF_HPACK_METHOD] = 2, [HF_HPACK_PATH] = 2, [HF_HPACK_SCHEME] = 2, [HF_HPACK_STATUS] = 7, [16] = 1
};

/* The index of the whole field, 0 when there is none. */
static uint32_t find_static(const search *s)
{
    for (unsigned i = s->static_name; i < s->static_name + static_values[s->static_name]; i++)
        if (hf_bytes_equal(hf_hpack_static[i].value, s->value))
            return i;
    return 0;
}

/* The entry that a hash table remembers, if it is still there: its index. */
static uint32_t find_dynamic(const hf_hpack_encoder *e, uint32_t number, const search *s, bool whole)
{
    const uint32_t age = e->table.inserted - number; /* number is one more than the entry's */
    if (number == 0 || age >= e->table.count)
        return 0;
    const hf_field f = hf_hpack_table_at(&e->table, age);
    if (!hf_bytes_equal(f.name, s->name) || (whole && !hf_bytes_equal(f.value, s->value)))
        return 0;
    return HF_HPACK_STATIC + 1 + age;
}

static uint32_t *pair_slot(const hf_hpack_encoder *e, const search *s)
{
    return &e->index->pairs[s->pair_hash % HF_HPACK_PAIRS];
}
static uint32_t *name_slot(const hf_hpack_encoder *e, const search *s)
{
    return &e->index->names[s->name_hash % HF_HPACK_NAMES];
}

static bool came_before(hf_hpack_encoder *e, const search *s)
{
    uint16_t *const slot = &e->index->seen[s->pair_hash % HF_HPACK_SEEN];
    const uint16_t mark = (uint16_t)(s->pair_hash >> 48 | 1);
    const bool before = *slot == mark;
    *slot = mark;
    return before;
}

/* ---- deciding ----------------------------------------------------------------------------------------------- */

static bool is_secret_name(hf_bytes name)
{
    static const hf_bytes secrets[] = {
        HF_LITERAL("x-csrf-token"), HF_LITERAL("x-xsrf-token"), HF_LITERAL("x-api-key"), HF_LITERAL("x-auth-token"),
        HF_LITERAL("authentication-info"),
    };
    for (size_t i = 0; i < HF_COUNT(secrets); i++)
        if (hf_bytes_equal(name, secrets[i]))
            return true;
    return false;
}

static habit habit_of(const search *s)
{
    enum { GUESSABLE_BYTES = 20 };
    switch (s->id) {
    case HF_FIELD_AUTHORIZATION:
    case HF_FIELD_PROXY_AUTHORIZATION:
    case HF_FIELD_SET_COOKIE:
        return HABIT_SECRET;
    case HF_FIELD_COOKIE: /* RFC 7541 7.1.3: values of low entropy can be guessed, long ones cannot */
        return s->value.len < GUESSABLE_BYTES ? HABIT_SECRET : HABIT_REPEATS;
    case HF_FIELD_AGE:
    case HF_FIELD_CONTENT_LENGTH:
    case HF_FIELD_CONTENT_RANGE:
    case HF_FIELD_ETAG:
    case HF_FIELD_IF_MATCH:
    case HF_FIELD_IF_MODIFIED_SINCE:
    case HF_FIELD_IF_NONE_MATCH:
    case HF_FIELD_IF_RANGE:
    case HF_FIELD_LAST_MODIFIED:
    case HF_FIELD_LOCATION:
    case HF_FIELD_RANGE:
        return HABIT_VARIES;
    case HF_FIELD_OTHER:
        if (is_secret_name(s->name))
            return HABIT_SECRET;
        return s->static_name == HF_HPACK_PATH ? HABIT_VARIES : HABIT_REPEATS;
    default:
        return HABIT_REPEATS;
    }
}

static bool make_index(hf_hpack_encoder *e)
{
    if (e->index == NULL)
        e->index = hf_alloc_zeroed(e->table.alloc, sizeof *e->index);
    return e->index != NULL;
}

/* How this literal is to leave; when it is to be inserted, it has been. */
static literal decide(hf_hpack_encoder *e, const search *s, habit h)
{
    const uint64_t size = (uint64_t)s->name.len + s->value.len + HF_HPACK_OVERHEAD;
    if (h == HABIT_SECRET)
        return LITERAL_NEVER;
    /* one entry must not drive all others out */
    if (size > e->table.capacity * 3ull / 4 || e->index == NULL || (h == HABIT_VARIES && !came_before(e, s)))
        return LITERAL_PLAIN;
    if (!hf_hpack_table_insert(&e->table, s->name, s->value, s->id))
        return LITERAL_PLAIN;
    *pair_slot(e, s) = *name_slot(e, s) = e->table.inserted;
    return LITERAL_INSERTED;
}

static void encode(hf_hpack_encoder *e, hf_writer *w, search *s)
{
    const habit h = habit_of(s);
    uint32_t index = h == HABIT_SECRET ? 0 : find_static(s);
    if (index == 0 && h != HABIT_SECRET && make_index(e)) {
        s->name_hash = s->static_name != 0 ? mix(0, s->static_name) : hash_of(0, s->name);
        s->pair_hash = hash_of(s->name_hash, s->value);
        index = find_dynamic(e, *pair_slot(e, s), s, true);
    }
    if (index > 0) {
        write_int(w, 7, 0x80, index);
        return;
    }
    uint32_t name = s->static_name;
    if (name == 0 && h != HABIT_SECRET && e->index != NULL)
        name = find_dynamic(e, *name_slot(e, s), s, false);
    const literal how = decide(e, s, h);
    write_int(w, how == LITERAL_INSERTED ? 6 : 4, (uint8_t)how, name);
    if (name == 0)
        write_string(w, s->name);
    write_string(w, s->value);
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

void hf_hpack_pseudo(hf_hpack_encoder *e, hf_writer *w, unsigned name_index, hf_bytes value)
{
    search s = { .name = hf_hpack_static[name_index].name, .value = value, .static_name = name_index };
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
    search s = { .value = field->value, .id = id, .static_name = hf_hpack_static_id[id] };
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
