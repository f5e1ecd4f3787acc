/* SPDX-License-Identifier: Apache-2.0
 *
 * Field names: from bytes to an id and back. Identification runs for each field of each message, so the candidates are
 * found by length, and compared eight bytes at a time.
 */
#include <handfast/http.h>

#include "panic.h"
#include "text.h"

static const hf_bytes spellings[HF_FIELD_COUNT] = {
#define HF_FIELD(id, name) [HF_FIELD_##id] = HF_LITERAL(name),
#include <handfast/fields.def>
#undef HF_FIELD
};

/* The fields of each length, most frequent first; 0 (OTHER) ends a row. A test holds this against fields.def. */
enum { LONGEST = 25, MOST = 6 };
static const uint8_t by_length[LONGEST + 1][MOST + 1] = {
    [2] = { HF_FIELD_TE },
    [3] = { HF_FIELD_AGE },
    [4] = { HF_FIELD_HOST, HF_FIELD_DATE, HF_FIELD_ETAG, HF_FIELD_VARY },
    [5] = { HF_FIELD_RANGE, HF_FIELD_ALLOW },
    [6] = { HF_FIELD_ACCEPT, HF_FIELD_COOKIE, HF_FIELD_ORIGIN, HF_FIELD_SERVER, HF_FIELD_EXPECT },
    [7] = { HF_FIELD_REFERER, HF_FIELD_UPGRADE, HF_FIELD_EXPIRES, HF_FIELD_TRAILER },
    [8] = { HF_FIELD_IF_MATCH, HF_FIELD_IF_RANGE, HF_FIELD_LOCATION },
    [10] = { HF_FIELD_CONNECTION, HF_FIELD_USER_AGENT, HF_FIELD_KEEP_ALIVE, HF_FIELD_SET_COOKIE },
    [11] = { HF_FIELD_RETRY_AFTER },
    [12] = { HF_FIELD_CONTENT_TYPE, HF_FIELD_ACCEPT_QUERY },
    [13] = { HF_FIELD_CACHE_CONTROL, HF_FIELD_IF_NONE_MATCH, HF_FIELD_LAST_MODIFIED, HF_FIELD_AUTHORIZATION,
             HF_FIELD_ACCEPT_RANGES, HF_FIELD_CONTENT_RANGE },
    [14] = { HF_FIELD_CONTENT_LENGTH },
    [15] = { HF_FIELD_ACCEPT_ENCODING, HF_FIELD_REFERRER_POLICY },
    [16] = { HF_FIELD_CONTENT_ENCODING, HF_FIELD_CONTENT_LANGUAGE, HF_FIELD_CONTENT_LOCATION },
    [17] = { HF_FIELD_IF_MODIFIED_SINCE, HF_FIELD_TRANSFER_ENCODING },
    [19] = { HF_FIELD_IF_UNMODIFIED_SINCE, HF_FIELD_PROXY_AUTHORIZATION },
    [22] = { HF_FIELD_X_CONTENT_TYPE_OPTIONS },
    [23] = { HF_FIELD_CONTENT_SECURITY_POLICY },
};

/* ASCII capitals of eight bytes made small, all others left alone (bytes of 0x80 and above too). */
static uint64_t lower(uint64_t x)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t low7 = x & (0x7f * ones);
    const uint64_t from_a = low7 + (0x80 - 'A') * ones;
    const uint64_t past_z = low7 + (0x7f - 'Z') * ones;
    const uint64_t capital = (from_a ^ past_z) & ~x & (0x80 * ones);
    return x | (capital >> 2);
}

static uint64_t lower_eight(const uint8_t *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return lower(x);
}

/* The first four of `n` bytes, and the last four: 4 to 8 bytes in all. */
static uint64_t lower_ends(const uint8_t *at, size_t n)
{
    uint32_t first, last;
    memcpy(&first, at, sizeof first);
    memcpy(&last, at + n - sizeof last, sizeof last);
    return lower((uint64_t)first << 32 | last);
}

/* Both have `n` bytes. */
static bool same_folded(const uint8_t *a, const uint8_t *b, size_t n)
{
    if (n >= 4 && n < 8)
        return lower_ends(a, n) == lower_ends(b, n);
    if (n < 4) {
        uint8_t differ = 0;
        for (size_t i = 0; i < n; i++)
            differ |= (uint8_t)(hf_lower(a[i]) ^ hf_lower(b[i]));
        return differ == 0;
    }
    for (size_t i = 0; i + 8 <= n; i += 8)
        if (lower_eight(a + i) != lower_eight(b + i))
            return false;
    /* the last eight overlap what was compared already: no loop for the rest */
    return lower_eight(a + n - 8) == lower_eight(b + n - 8);
}

hf_field_id hf_field_identify(hf_bytes name)
{
    if (name.len > LONGEST || name.len == 0)
        return HF_FIELD_OTHER;
    for (const uint8_t *id = by_length[name.len]; *id != HF_FIELD_OTHER; id++) {
        const hf_bytes known = spellings[*id];
        /* cheap and coarse: sorts out nearly all others of this length */
        if (((known.ptr[0] ^ name.ptr[0]) & 0xdf) == 0 && same_folded(known.ptr, name.ptr, name.len))
            return (hf_field_id)*id;
    }
    return HF_FIELD_OTHER;
}

hf_bytes hf_field_spelling(hf_field_id id)
{
    HF_ASSERT((unsigned)id < HF_FIELD_COUNT);
    return spellings[id];
}

const hf_field *hf_fields_find(hf_fields fields, hf_field_id id)
{
    for (size_t i = 0; i < fields.count; i++)
        if (fields.at[i].id == id)
            return &fields.at[i];
    return NULL;
}

const hf_field *hf_fields_next(hf_fields fields, hf_field_id id, const hf_field *after)
{
    const size_t from = after ? (size_t)(after - fields.at) + 1 : 0;
    for (size_t i = from; i < fields.count; i++)
        if (fields.at[i].id == id)
            return &fields.at[i];
    return NULL;
}

const hf_field *hf_fields_find_name(hf_fields fields, hf_bytes name)
{
    for (size_t i = 0; i < fields.count; i++)
        if (fields.at[i].name.len == name.len && same_folded(fields.at[i].name.ptr, name.ptr, name.len))
            return &fields.at[i];
    return NULL;
}
