/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of Redis servers. No library is needed to read them.
 */
#include "guard_why.h"
#include "redis.h"
#include "text.h"

/* Percent-decoded into `out`. False when it does not fit, or a NUL is in it. */
static bool decode(hf_bytes in, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        int c = in.ptr[i];
        if (c == '%') {
            const int high = i + 2 < in.len ? hf_hex_digit(in.ptr[i + 1]) : -1, low = i + 2 < in.len ? hf_hex_digit(in.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0 || n + 1 >= room)
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}

static bool read_number(hf_bytes text, uint64_t most, uint16_t *out)
{
    uint64_t n;
    if (!hf_parse_decimal(text, &n) || n > most)
        return false;
    *out = (uint16_t)n;
    return true;
}

/* Cuts what stands behind the last (or first) `mark` off *whole. ptr NULL: there is none. */
static hf_bytes cut(hf_bytes *whole, uint8_t mark, bool last)
{
    hf_bytes found = hf_bytes_make(NULL, 0);
    size_t at = whole->len;
    for (size_t i = 0; i < whole->len; i++)
        if (whole->ptr[i] == mark && (last || at == whole->len))
            at = i;
    if (at < whole->len) {
        found = hf_bytes_make(whole->ptr + at + 1, whole->len - at - 1);
        whole->len = at;
    }
    return found;
}

static bool parse_unix(hf_bytes rest, hf_redis_address *a)
{
    const hf_bytes query = cut(&rest, '?', false);
    if (query.ptr != NULL && (!hf_starts_with(query, hf_text("db=")) || !read_number(hf_bytes_make(query.ptr + 3, query.len - 3), 65535, &a->database)))
        return false;
    return rest.len > 1 && rest.ptr[0] == '/' && decode(rest, a->host, 108); /* sun_path */
}

static bool parse_tcp(hf_bytes rest, hf_redis_address *a)
{
    hf_bytes at = cut(&rest, '@', true), who = rest, host = at.ptr != NULL ? at : rest;
    if (at.ptr != NULL) {
        const hf_bytes password = cut(&who, ':', false);
        if (!decode(who, a->user, sizeof a->user) || (password.ptr != NULL && !decode(password, a->password, sizeof a->password)))
            return false;
    }
    const hf_bytes database = cut(&host, '/', false);
    if (database.len > 0 && !read_number(database, 65535, &a->database))
        return false;
    a->port = 6379;
    const bool literal = host.len > 0 && host.ptr[0] == '[';
    hf_bytes after = literal ? cut(&host, ']', false) : hf_bytes_make(NULL, 0);
    if (literal && after.ptr == NULL)
        return false;
    hf_bytes port = literal ? hf_bytes_make(after.len > 0 ? after.ptr + 1 : NULL, after.len > 0 ? after.len - 1 : 0) : cut(&host, ':', false);
    if (literal)
        host = hf_bytes_make(host.ptr + 1, host.len - 1);
    if ((literal && after.len > 0 && after.ptr[0] != ':') || (port.ptr != NULL && (!read_number(port, 65535, &a->port) || a->port == 0)))
        return false;
    return host.len > 0 && decode(host, a->host, sizeof a->host);
}

hf_err hf_redis_parse(const char *url, hf_redis_address *a, hf_why *why)
{
    const hf_bytes whole = hf_text(url), tcp = hf_text("redis://"), local = hf_text("unix://");
    bool good = false;
    *a = (hf_redis_address){ .host = "" };
    if (hf_starts_with(whole, tcp))
        good = parse_tcp(hf_bytes_make(whole.ptr + tcp.len, whole.len - tcp.len), a);
    else if (hf_starts_with(whole, local))
        good = parse_unix(hf_bytes_make(whole.ptr + local.len, whole.len - local.len), a);
    return good ? HF_OK : hf_why_tell_secret(why, HF_ERR_SESSION_STORE_ADDRESS, whole, "redis://host:6379/0 or unix:///path/redis.sock?db=0");
}
