/* SPDX-License-Identifier: Apache-2.0 */
#include "https_record.h"

#include "target.h"
#include "text.h"
#include "token.h"

/* RFC 9460 14.3.2 */
enum { KEY_MANDATORY, KEY_ALPN, KEY_NO_DEFAULT_ALPN, KEY_PORT, KEY_IPV4HINT, KEY_ECH, KEY_IPV6HINT };
enum { HEADER = 12, CLASS_IN = 1, NAME_JUMPS = 0xc0 };

/* ---- what a message is made of ------------------------------------------------------------------------------- */

typedef struct cursor {
    hf_bytes rest;
    bool bad;
} cursor;

static hf_bytes take(cursor *c, size_t n)
{
    if (c->bad || n > c->rest.len) {
        c->bad = true;
        return hf_bytes_make(NULL, 0);
    }
    const hf_bytes part = hf_bytes_make(c->rest.ptr, n);
    c->rest = hf_bytes_make(c->rest.ptr + n, c->rest.len - n);
    return part;
}

static uint32_t take_number(cursor *c, size_t n)
{
    const hf_bytes b = take(c, n);
    uint32_t value = 0;
    for (size_t i = 0; i < b.len; i++)
        value = value << 8 | b.ptr[i];
    return value;
}

/* Over a name; where it jumps elsewhere it ends here. */
static void skip_name(cursor *c)
{
    for (;;) {
        const uint32_t n = take_number(c, 1);
        if (c->bad || n == 0)
            return;
        if ((n & NAME_JUMPS) == NAME_JUMPS) {
            (void)take(c, 1);
            return;
        }
        if ((n & NAME_JUMPS) != 0)
            c->bad = true;
        (void)take(c, n);
    }
}

/* RFC 9460 2.2: "TargetName ... MUST NOT be compressed". Only what can be a host is taken. */
static void take_target(cursor *c, char name[HF_HTTPS_NAME])
{
    size_t at = 0;
    for (;;) {
        const uint32_t n = take_number(c, 1);
        if (c->bad || n == 0)
            break;
        const hf_bytes label = take(c, n);
        if (n > 63 || label.len != n || at + n + 2 > HF_HTTPS_NAME) {
            c->bad = true;
            return;
        }
        for (size_t i = 0; i < n; i++) {
            const uint8_t b = hf_lower(label.ptr[i]);
            if (!((b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b == '-' || b == '_'))
                c->bad = true;
            name[at++] = (char)b;
        }
        name[at++] = '.';
    }
    name[at > 0 ? at - 1 : 0] = 0;
}

/* ---- a record ------------------------------------------------------------------------------------------------ */

static void take_protocols(hf_bytes value, hf_https_record *r, bool *bad)
{
    cursor c = { .rest = value };
    while (c.rest.len > 0 && !c.bad) {
        const hf_bytes id = take(&c, take_number(&c, 1));
        r->h3 = r->h3 || hf_bytes_equal(id, hf_text("h3"));
        r->h2 = r->h2 || hf_bytes_equal(id, hf_text("h2"));
        r->http1 = r->http1 || hf_bytes_equal(id, hf_text("http/1.1"));
        c.bad = c.bad || id.len == 0;
    }
    *bad = *bad || c.bad || value.len == 0;
}

static size_t take_addresses(hf_bytes value, size_t size, uint8_t *to, bool *bad)
{
    size_t n = value.len / size;
    *bad = *bad || value.len == 0 || value.len % size != 0;
    n = n < HF_HTTPS_HINTS ? n : HF_HTTPS_HINTS;
    if (!*bad)
        memcpy(to, value.ptr, n * size);
    return *bad ? 0 : n;
}

/* RFC 9460 8: "If a client ... does not recognise a mandatory key ... it MUST NOT use the record". All keys below are known. */
static bool knows_mandatory(hf_bytes value, bool *bad)
{
    cursor c = { .rest = value };
    *bad = *bad || value.len == 0 || value.len % 2 != 0;
    while (c.rest.len > 0 && !*bad)
        if (take_number(&c, 2) > KEY_IPV6HINT)
            return false;
    return true;
}

/* False: malformed. *usable: this program may use it. */
static bool take_record(hf_bytes rdata, hf_https_record *r, bool *usable)
{
    cursor c = { .rest = rdata };
    int64_t last = -1;
    bool defaults = true, bad = false;
    *r = (hf_https_record){ .found = true, .priority = (uint16_t)take_number(&c, 2) };
    take_target(&c, r->target);
    *usable = true;
    r->alias = r->priority == 0;
    while (!c.bad && c.rest.len > 0 && !r->alias) {
        const uint32_t key = take_number(&c, 2);
        const hf_bytes value = take(&c, take_number(&c, 2));
        if (c.bad || (int64_t)key <= last) /* 2.2: "SvcParamKeys SHALL appear in increasing numeric order" */
            return false;
        last = key;
        switch (key) {
        case KEY_MANDATORY: *usable = knows_mandatory(value, &bad) && *usable; break;
        case KEY_ALPN: take_protocols(value, r, &bad); break;
        case KEY_NO_DEFAULT_ALPN: defaults = false; break;
        case KEY_PORT:
            bad = bad || value.len != 2;
            r->port = bad ? 0 : (uint16_t)(value.ptr[0] << 8 | value.ptr[1]);
            break;
        case KEY_IPV4HINT: r->ipv4_count = take_addresses(value, 4, r->ipv4[0], &bad); break;
        case KEY_IPV6HINT: r->ipv6_count = take_addresses(value, 16, r->ipv6[0], &bad); break;
        case KEY_ECH: r->ech = true; break;
        default: break;
        }
    }
    r->http1 = r->http1 || defaults;
    return !c.bad && !bad;
}

hf_err hf_https_record_parse(hf_bytes message, hf_https_record *best)
{
    cursor c = { .rest = message };
    *best = (hf_https_record){ .found = false };
    (void)take(&c, 4);
    const uint32_t questions = take_number(&c, 2), answers = take_number(&c, 2);
    (void)take(&c, HEADER - 8);
    for (uint32_t i = 0; i < questions && !c.bad; i++) {
        skip_name(&c);
        (void)take(&c, 4);
    }
    for (uint32_t i = 0; i < answers && !c.bad; i++) {
        hf_https_record one;
        bool usable;
        skip_name(&c);
        const uint32_t type = take_number(&c, 2), class = take_number(&c, 2), ttl = take_number(&c, 4);
        const hf_bytes rdata = take(&c, take_number(&c, 2));
        if (c.bad || type != HF_DNS_TYPE_HTTPS || class != CLASS_IN)
            continue;
        if (!take_record(rdata, &one, &usable)) {
            c.bad = true;
            break;
        }
        one.ttl_s = ttl;
        /* 2.4.1: "the recipient MUST ignore all AliasMode records where there are ServiceMode records"; the lowest priority wins. */
        if (usable && (!best->found || (best->alias && !one.alias) || (best->alias == one.alias && one.priority < best->priority)))
            *best = one;
    }
    if (!c.bad)
        return HF_OK;
    *best = (hf_https_record){ .found = false };
    return hf_err_make(HF_ERR_CLIENT_DNS);
}

/* ---- Alt-Svc ------------------------------------------------------------------------------------------------- */

static bool take_authority(hf_bytes quoted, hf_alt_svc *alt)
{
    char text[HF_HTTPS_NAME + 8];
    hf_writer w = hf_writer_make(text, sizeof text);
    if (!hf_unquote(quoted, &w))
        return false;
    const hf_bytes all = hf_written(&w);
    const uint8_t *const colon = all.len > 0 ? memrchr(all.ptr, ':', all.len) : NULL;
    uint64_t port;
    if (colon == NULL || !hf_parse_decimal(hf_bytes_make(colon + 1, (size_t)(all.ptr + all.len - colon - 1)), &port) || port == 0 || port > 65535)
        return false;
    const size_t n = (size_t)(colon - all.ptr);
    if (n >= HF_HTTPS_NAME || (n > 0 && hf_span_of(hf_bytes_make(all.ptr, n), HF_BYTE_HOST) != n))
        return false;
    for (size_t i = 0; i < n; i++)
        alt->host[i] = (char)hf_lower(all.ptr[i]);
    alt->host[n] = 0;
    alt->port = (uint16_t)port;
    return true;
}

bool hf_alt_svc_parse(hf_bytes value, hf_alt_svc *alt)
{
    static const hf_bytes h3 = HF_LITERAL("h3=");
    hf_bytes one, rest = value, parameters;
    *alt = (hf_alt_svc){ .age_s = 86400 }; /* RFC 7838 3.1: "fresh for 24 hours" */
    alt->clear = hf_bytes_equal(hf_trim(value), hf_text("clear"));
    while (!alt->clear && hf_list_next(&rest, &one)) {
        const hf_bytes head = hf_list_head(one, &parameters);
        if (!hf_starts_with(head, h3) || !take_authority(hf_bytes_make(head.ptr + h3.len, head.len - h3.len), alt))
            continue;
        const hf_bytes age = hf_param_find(parameters, "ma");
        uint64_t s;
        if (age.ptr != NULL && hf_parse_decimal(age, &s))
            alt->age_s = s;
        alt->h3 = true;
        return true;
    }
    return alt->clear;
}
