/* SPDX-License-Identifier: Apache-2.0 */
#include "field_code.h"

#include "huffman.h"
#include "panic.h"

/* ---- strings ------------------------------------------------------------------------------------------------ */

hf_prefix_int hf_field_string_parse(hf_field_list *l, const uint8_t **cursor, const uint8_t *end, unsigned bits,
                                    bool wanted, hf_bytes *out, hf_field_flaw *flaw)
{
    const uint8_t *const at = *cursor, *after = at;
    uint64_t length;
    if (at == end)
        return HF_PREFIX_MORE;
    const bool huffman = (*at >> bits & 1) != 0;
    const hf_prefix_int read = hf_prefix_int_parse(&after, end, bits, &length);
    if (read == HF_PREFIX_BAD)
        *flaw = (hf_field_flaw){ .at = at, .wanted = "a length of at most 62 bits" };
    if (read != HF_PREFIX_GOOD)
        return read;
    if (length > (uint64_t)(end - after))
        return HF_PREFIX_MORE;
    const hf_bytes code = hf_bytes_make(after, (size_t)length);
    *cursor = after + length;
    *out = code;
    if (!huffman || !wanted)
        return HF_PREFIX_GOOD;
    const size_t most = hf_huffman_most(code.len);
    uint8_t *const to = hf_field_list_room(l, most);
    if (to == NULL) {
        *flaw = (hf_field_flaw){ .wanted = "memory", .memory = true };
        return HF_PREFIX_BAD;
    }
    if (!hf_huffman_decode(code, to, &out->len)) {
        *flaw = (hf_field_flaw){ .at = at, .wanted = "a string in the Huffman code, padded with less than eight ones" };
        return HF_PREFIX_BAD;
    }
    out->ptr = to;
    hf_field_list_shrink(l, most - out->len);
    return HF_PREFIX_GOOD;
}

void hf_field_int_write(hf_writer *w, unsigned bits, uint8_t flags, uint64_t value)
{
    HF_ASSERT(w->capacity - w->length >= HF_PREFIX_INT_BYTES);
    w->length += hf_prefix_int_write(w->ptr + w->length, bits, flags, value);
}

/* The code is written where it lies when its length takes one byte, as it mostly does; a longer length moves it. */
void hf_field_string_write(hf_writer *w, unsigned bits, uint8_t flags, hf_bytes s)
{
    HF_ASSERT(w->capacity - w->length >= HF_PREFIX_INT_BYTES + s.len);
    uint8_t *const code = w->ptr + w->length + 1;
    const size_t length = s.len == 0 ? 0 : hf_huffman_encode(s, code, s.len - 1);
    if (length == 0) {
        hf_field_int_write(w, bits, flags, s.len);
        hf_write(w, s);
        return;
    }
    uint8_t prefix[HF_PREFIX_INT_BYTES];
    const size_t n = hf_prefix_int_write(prefix, bits, (uint8_t)(flags | 1u << bits), length);
    if (n > 1)
        memmove(code - 1 + n, code, length);
    memcpy(code - 1, prefix, n);
    w->length += n + length;
}

/* ---- habits ------------------------------------------------------------------------------------------------- */

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

hf_field_habit hf_field_habit_of(const hf_field_search *s)
{
    enum { GUESSABLE_BYTES = 20 };
    switch (s->id) {
    case HF_FIELD_AUTHORIZATION:
    case HF_FIELD_PROXY_AUTHORIZATION:
    case HF_FIELD_SET_COOKIE:
        return HF_FIELD_SECRET;
    case HF_FIELD_COOKIE: /* RFC 7541 7.1.3: values of low entropy can be guessed, long ones cannot */
        return s->value.len < GUESSABLE_BYTES ? HF_FIELD_SECRET : HF_FIELD_REPEATS;
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
        return HF_FIELD_VARIES;
    case HF_FIELD_OTHER:
        if (is_secret_name(s->name))
            return HF_FIELD_SECRET;
        return s->is_path ? HF_FIELD_VARIES : HF_FIELD_REPEATS;
    default:
        return HF_FIELD_REPEATS;
    }
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

void hf_field_search_hash(hf_field_search *s)
{
    s->name_hash = s->static_name != 0 ? mix(0, s->static_name) : hash_of(0, s->name);
    s->pair_hash = hash_of(s->name_hash, s->value);
}

bool hf_field_came_before(hf_field_index *x, const hf_field_search *s)
{
    uint16_t *const slot = &x->seen[s->pair_hash % HF_FIELD_SEEN];
    const uint16_t mark = (uint16_t)(s->pair_hash >> 48 | 1);
    const bool before = *slot == mark;
    *slot = mark;
    return before;
}

/* Short text, mostly the same: here, and without a call. */
static bool same(hf_bytes a, hf_bytes b)
{
    enum { WORD = 8 };
    if (a.len != b.len)
        return false;
    if (a.len < WORD)
        return a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0;
    for (size_t i = 0; i + WORD < a.len; i += WORD)
        if (word_at(a.ptr + i) != word_at(b.ptr + i))
            return false;
    return word_at(a.ptr + a.len - WORD) == word_at(b.ptr + b.len - WORD);
}

bool hf_field_find(const hf_field_table *t, uint32_t number, const hf_field_search *s, bool whole, uint32_t *age)
{
    *age = t->inserted - number; /* number is one more than the entry's */
    if (number == 0 || *age >= t->count)
        return false;
    const hf_field f = hf_field_table_at(t, *age);
    const bool named = s->id != HF_FIELD_OTHER ? f.id == s->id : same(f.name, s->name);
    return named && (!whole || same(f.value, s->value));
}
