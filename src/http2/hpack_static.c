/* SPDX-License-Identifier: Apache-2.0
 *
 * The static table (RFC 7541, appendix A).
 */
#include "hpack.h"

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
    for (unsigned i = 0; i < MOST && row[i] != 0; i++) {
        const uint8_t *const known = hf_hpack_static[row[i]].name.ptr;
        if (known[name.len - 1] == name.ptr[name.len - 1] && memcmp(known, name.ptr, name.len) == 0)
            return row[i];
    }
    return 0;
}
