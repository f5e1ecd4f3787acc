/* SPDX-License-Identifier: Apache-2.0
 *
 * The static table, and the dynamic one: a ring of entries, and their text in one run. Entries leave in the order in
 * which they came, so what is alive is one stretch of the text; it moves to the front when the back is full, and since
 * the run is twice as long as the text can be, each byte moves at most once for each byte that is written.
 */
#include "hpack.h"

#include "alloc.h"
#include "panic.h"

const hf_field hf_hpack_static[HF_HPACK_STATIC + 1] = {
    { { NULL, 0 }, { NULL, 0 }, HF_FIELD_OTHER },
    { HF_LITERAL(":authority"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL(":method"), HF_LITERAL("GET"), HF_FIELD_OTHER },
    { HF_LITERAL(":method"), HF_LITERAL("POST"), HF_FIELD_OTHER },
    { HF_LITERAL(":path"), HF_LITERAL("/"), HF_FIELD_OTHER },
    { HF_LITERAL(":path"), HF_LITERAL("/index.html"), HF_FIELD_OTHER },
    { HF_LITERAL(":scheme"), HF_LITERAL("http"), HF_FIELD_OTHER },
    { HF_LITERAL(":scheme"), HF_LITERAL("https"), HF_FIELD_OTHER },
    { HF_LITERAL(":status"), HF_LITERAL("200"), HF_FIELD_OTHER },
    { HF_LITERAL(":status"), HF_LITERAL("204"), HF_FIELD_OTHER },
    { HF_LITERAL(":status"), HF_LITERAL("206"), HF_FIELD_OTHER },
    { HF_LITERAL(":status"), HF_LITERAL("304"), HF_FIELD_OTHER },
    { HF_LITERAL(":status"), HF_LITERAL("400"), HF_FIELD_OTHER },
    { HF_LITERAL(":status"), HF_LITERAL("404"), HF_FIELD_OTHER },
    { HF_LITERAL(":status"), HF_LITERAL("500"), HF_FIELD_OTHER },
    { HF_LITERAL("accept-charset"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("accept-encoding"), HF_LITERAL("gzip, deflate"), HF_FIELD_ACCEPT_ENCODING },
    { HF_LITERAL("accept-language"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("accept-ranges"), HF_LITERAL(""), HF_FIELD_ACCEPT_RANGES },
    { HF_LITERAL("accept"), HF_LITERAL(""), HF_FIELD_ACCEPT },
    { HF_LITERAL("access-control-allow-origin"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("age"), HF_LITERAL(""), HF_FIELD_AGE },
    { HF_LITERAL("allow"), HF_LITERAL(""), HF_FIELD_ALLOW },
    { HF_LITERAL("authorization"), HF_LITERAL(""), HF_FIELD_AUTHORIZATION },
    { HF_LITERAL("cache-control"), HF_LITERAL(""), HF_FIELD_CACHE_CONTROL },
    { HF_LITERAL("content-disposition"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("content-encoding"), HF_LITERAL(""), HF_FIELD_CONTENT_ENCODING },
    { HF_LITERAL("content-language"), HF_LITERAL(""), HF_FIELD_CONTENT_LANGUAGE },
    { HF_LITERAL("content-length"), HF_LITERAL(""), HF_FIELD_CONTENT_LENGTH },
    { HF_LITERAL("content-location"), HF_LITERAL(""), HF_FIELD_CONTENT_LOCATION },
    { HF_LITERAL("content-range"), HF_LITERAL(""), HF_FIELD_CONTENT_RANGE },
    { HF_LITERAL("content-type"), HF_LITERAL(""), HF_FIELD_CONTENT_TYPE },
    { HF_LITERAL("cookie"), HF_LITERAL(""), HF_FIELD_COOKIE },
    { HF_LITERAL("date"), HF_LITERAL(""), HF_FIELD_DATE },
    { HF_LITERAL("etag"), HF_LITERAL(""), HF_FIELD_ETAG },
    { HF_LITERAL("expect"), HF_LITERAL(""), HF_FIELD_EXPECT },
    { HF_LITERAL("expires"), HF_LITERAL(""), HF_FIELD_EXPIRES },
    { HF_LITERAL("from"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("host"), HF_LITERAL(""), HF_FIELD_HOST },
    { HF_LITERAL("if-match"), HF_LITERAL(""), HF_FIELD_IF_MATCH },
    { HF_LITERAL("if-modified-since"), HF_LITERAL(""), HF_FIELD_IF_MODIFIED_SINCE },
    { HF_LITERAL("if-none-match"), HF_LITERAL(""), HF_FIELD_IF_NONE_MATCH },
    { HF_LITERAL("if-range"), HF_LITERAL(""), HF_FIELD_IF_RANGE },
    { HF_LITERAL("if-unmodified-since"), HF_LITERAL(""), HF_FIELD_IF_UNMODIFIED_SINCE },
    { HF_LITERAL("last-modified"), HF_LITERAL(""), HF_FIELD_LAST_MODIFIED },
    { HF_LITERAL("link"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("location"), HF_LITERAL(""), HF_FIELD_LOCATION },
    { HF_LITERAL("max-forwards"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("proxy-authenticate"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("proxy-authorization"), HF_LITERAL(""), HF_FIELD_PROXY_AUTHORIZATION },
    { HF_LITERAL("range"), HF_LITERAL(""), HF_FIELD_RANGE },
    { HF_LITERAL("referer"), HF_LITERAL(""), HF_FIELD_REFERER },
    { HF_LITERAL("refresh"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("retry-after"), HF_LITERAL(""), HF_FIELD_RETRY_AFTER },
    { HF_LITERAL("server"), HF_LITERAL(""), HF_FIELD_SERVER },
    { HF_LITERAL("set-cookie"), HF_LITERAL(""), HF_FIELD_SET_COOKIE },
    { HF_LITERAL("strict-transport-security"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("transfer-encoding"), HF_LITERAL(""), HF_FIELD_TRANSFER_ENCODING },
    { HF_LITERAL("user-agent"), HF_LITERAL(""), HF_FIELD_USER_AGENT },
    { HF_LITERAL("vary"), HF_LITERAL(""), HF_FIELD_VARY },
    { HF_LITERAL("via"), HF_LITERAL(""), HF_FIELD_OTHER },
    { HF_LITERAL("www-authenticate"), HF_LITERAL(""), HF_FIELD_OTHER },
};

enum { LONGEST = 27, MOST = 8 };
/* The first entry of each name, by the name's length. */
static const uint8_t by_length[LONGEST + 1][MOST] = {
    [3] = { 21, 60 },
    [4] = { 33, 34, 37, 38, 45, 59 },
    [5] = { 4, 22, 50 },
    [6] = { 19, 32, 35, 54 },
    [7] = { 2, 6, 8, 36, 51, 52 },
    [8] = { 39, 42, 46 },
    [10] = { 1, 55, 58 },
    [11] = { 53 },
    [12] = { 31, 47 },
    [13] = { 18, 23, 24, 30, 41, 44 },
    [14] = { 15, 28 },
    [15] = { 16, 17 },
    [16] = { 26, 27, 29, 61 },
    [17] = { 40, 57 },
    [18] = { 48 },
    [19] = { 25, 43, 49 },
    [25] = { 56 },
    [27] = { 20 },
};

unsigned hf_hpack_static_name(hf_bytes name)
{
    if (name.len > LONGEST)
        return 0;
    const uint8_t *const row = by_length[name.len];
    for (unsigned i = 0; i < MOST && row[i] != 0; i++)
        if (memcmp(hf_hpack_static[row[i]].name.ptr, name.ptr, name.len) == 0)
            return row[i];
    return 0;
}

/* ---- the dynamic table -------------------------------------------------------------------------------------- */

void hf_hpack_table_init(hf_hpack_table *t, const hf_allocator *alloc, uint32_t capacity)
{
    *t = (hf_hpack_table){ .alloc = alloc, .capacity = capacity };
}

void hf_hpack_table_fini(hf_hpack_table *t)
{
    hf_free(t->alloc, t->entries, t->entry_capacity * sizeof *t->entries);
    hf_free(t->alloc, t->text, t->text_capacity);
    hf_hpack_table_init(t, t->alloc, t->capacity);
}

static hf_hpack_entry *entry(const hf_hpack_table *t, uint32_t age)
{
    return &t->entries[(t->inserted - 1 - age) & (t->entry_capacity - 1)];
}

static uint32_t length_of(const hf_hpack_entry *e)
{
    return e->name_length + e->value_length;
}

static void evict(hf_hpack_table *t, uint32_t most)
{
    while (t->size > most) {
        t->size -= length_of(entry(t, t->count - 1)) + HF_HPACK_OVERHEAD;
        t->count--;
    }
}

void hf_hpack_table_resize(hf_hpack_table *t, uint32_t capacity)
{
    t->capacity = capacity;
    evict(t, capacity);
}

hf_field hf_hpack_table_at(const hf_hpack_table *t, uint32_t age)
{
    HF_ASSERT(age < t->count);
    const hf_hpack_entry *const e = entry(t, age);
    if (e->name_length + e->value_length == 0)
        return (hf_field){ { NULL, 0 }, { NULL, 0 }, e->id };
    const uint8_t *const text = t->text + (e->at - t->origin);
    return (hf_field){ { text, e->name_length }, { text + e->name_length, e->value_length }, e->id };
}

static bool grow_entries(hf_hpack_table *t)
{
    if (t->count < t->entry_capacity)
        return true;
    const uint32_t capacity = t->entry_capacity == 0 ? 16 : t->entry_capacity * 2;
    hf_hpack_entry *const entries = hf_alloc(t->alloc, capacity * sizeof *entries);
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
static void move_text(hf_hpack_table *t, uint8_t *to, uint32_t alive)
{
    memmove(to, t->text + alive, t->text_used - alive);
    t->text_used -= alive;
    t->origin += alive;
}

/* Room for `n` more bytes of text behind what is there. */
static bool grow_text(hf_hpack_table *t, uint32_t n)
{
    if (t->text_capacity - t->text_used >= n)
        return true;
    const uint32_t alive = t->count == 0 ? t->text_used : entry(t, t->count - 1)->at - t->origin;
    const uint32_t held = t->text_used - alive;
    if (held + n <= t->text_capacity / 2) {
        move_text(t, t->text, alive);
        return true;
    }
    uint32_t capacity = t->text_capacity == 0 ? 1024 : t->text_capacity;
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

bool hf_hpack_table_insert(hf_hpack_table *t, hf_bytes name, hf_bytes value, hf_field_id id)
{
    const uint64_t length = (uint64_t)name.len + value.len;
    if (length + HF_HPACK_OVERHEAD > t->capacity) {
        evict(t, 0);
        return true;
    }
    const uint32_t n = (uint32_t)length;
    if (!grow_entries(t) || !grow_text(t, n)) /* before anything leaves: so a failure changes nothing */
        return false;
    evict(t, t->capacity - n - HF_HPACK_OVERHEAD);
    if (name.len > 0)
        memcpy(t->text + t->text_used, name.ptr, name.len);
    if (value.len > 0)
        memcpy(t->text + t->text_used + name.len, value.ptr, value.len);
    t->inserted++;
    t->count++;
    *entry(t, 0) = (hf_hpack_entry){ t->origin + t->text_used, (uint32_t)name.len, (uint32_t)value.len, id };
    t->text_used += n;
    t->size += n + HF_HPACK_OVERHEAD;
    return true;
}
