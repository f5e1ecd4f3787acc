/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarded.h"

#include "address.h"
#include "text.h"

/* More proxies than this in a row are none. */
enum { CHAIN_MOST = 32 };

/* The last elements of the list that lines of `id` make, nearest last. */
typedef struct chain {
    hf_bytes at[CHAIN_MOST];
    size_t first, count; /* a ring: old ones give way */
} chain;

static void add(chain *c, hf_bytes element)
{
    c->at[(c->first + c->count) % CHAIN_MOST] = element;
    if (c->count < CHAIN_MOST)
        c->count++;
    else
        c->first = (c->first + 1) % CHAIN_MOST;
}

static hf_bytes trim(hf_bytes b)
{
    while (b.len > 0 && (b.ptr[0] == ' ' || b.ptr[0] == '\t')) {
        b.ptr++;
        b.len--;
    }
    while (b.len > 0 && (b.ptr[b.len - 1] == ' ' || b.ptr[b.len - 1] == '\t'))
        b.len--;
    return b;
}

/* Cuts `rest` at the next `mark` that is not inside a quoted-string. */
static bool cut(hf_bytes *rest, uint8_t mark, hf_bytes *part)
{
    bool quoted = false;
    size_t i = 0;
    if (rest->ptr == NULL)
        return false;
    for (; i < rest->len && (quoted || rest->ptr[i] != mark); i++) {
        if (quoted && rest->ptr[i] == '\\')
            i++;
        else if (rest->ptr[i] == '"')
            quoted = !quoted;
    }
    i = i < rest->len ? i : rest->len;
    *part = trim(hf_bytes_make(rest->ptr, i));
    *rest = i < rest->len ? hf_bytes_make(rest->ptr + i + 1, rest->len - i - 1) : hf_bytes_make(NULL, 0);
    return true;
}

/* Whether there was such a field. */
static bool gather(chain *c, hf_fields fields, hf_bytes name)
{
    bool found = false;
    for (size_t i = 0; i < fields.count; i++) {
        hf_bytes rest = fields.at[i].value, element;
        if (!hf_text_same(fields.at[i].name, name))
            continue;
        found = true;
        while (cut(&rest, ',', &element))
            if (element.len > 0)
                add(c, element);
    }
    return found;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80": as both fields have them. */
static bool parse_node(hf_bytes text, hf_address *a)
{
    uint64_t port = 0;
    const uint8_t *colon;
    if (hf_address_parse(text, 0, a))
        return true;
    if (text.len > 2 && text.ptr[0] == '[') {
        const uint8_t *end = memchr(text.ptr, ']', text.len);
        if (end == NULL)
            return false;
        const hf_bytes rest = hf_bytes_make(end + 1, text.len - (size_t)(end + 1 - text.ptr));
        if (rest.len > 0 && (rest.ptr[0] != ':' || !hf_parse_decimal(hf_bytes_make(rest.ptr + 1, rest.len - 1), &port) || port > 65535))
            return false;
        return hf_address_parse(hf_bytes_make(text.ptr + 1, (size_t)(end - text.ptr) - 1), (uint16_t)port, a) && a->family == 6;
    }
    colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    return colon != NULL && hf_parse_decimal(hf_bytes_make(colon + 1, text.len - (size_t)(colon + 1 - text.ptr)), &port) &&
        port <= 65535 && hf_address_parse(hf_bytes_make(text.ptr, (size_t)(colon - text.ptr)), (uint16_t)port, a) && a->family == 4;
}

/* RFC 7239 4: forwarded-pair = token "=" value; the names are case-insensitive. 6: "unknown" and "_hidden" name nobody. */
static bool parse_element(hf_bytes element, hf_address *a)
{
    hf_bytes pair;
    while (cut(&element, ';', &pair)) {
        if (pair.len < 4 || !hf_text_same(hf_bytes_make(pair.ptr, 4), hf_text("for=")))
            continue;
        hf_bytes value = hf_bytes_make(pair.ptr + 4, pair.len - 4);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = hf_bytes_make(value.ptr + 1, value.len - 2);
        return parse_node(value, a);
    }
    return false;
}

/* RFC 7239 5.4: "proto" is the scheme of the request that came to the proxy. */
static hf_forwarded_scheme parse_scheme(hf_bytes value)
{
    return hf_text_same(value, hf_text("https")) ? HF_FORWARDED_HTTPS : hf_text_same(value, hf_text("http")) ? HF_FORWARDED_HTTP
        : HF_FORWARDED_UNSAID;
}

static hf_forwarded_scheme element_scheme(hf_bytes element)
{
    hf_bytes pair;
    while (cut(&element, ';', &pair)) {
        if (pair.len < 6 || !hf_text_same(hf_bytes_make(pair.ptr, 6), hf_text("proto=")))
            continue;
        hf_bytes value = hf_bytes_make(pair.ptr + 6, pair.len - 6);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = hf_bytes_make(value.ptr + 1, value.len - 2);
        return parse_scheme(value);
    }
    return HF_FORWARDED_UNSAID;
}

/* X-Forwarded-Proto has an element for each of X-Forwarded-For, or one that the nearest proxy put in the others' place. */
static hf_forwarded_scheme plain_scheme(hf_fields fields, const chain *addresses, size_t from_end)
{
    chain c = { .count = 0 };
    if (!gather(&c, fields, hf_text("X-Forwarded-Proto")) || c.count == 0)
        return HF_FORWARDED_UNSAID;
    const size_t back = c.count == addresses->count && from_end < c.count ? from_end : 0;
    return parse_scheme(c.at[(c.first + c.count - 1 - back) % CHAIN_MOST]);
}

/* What one of the two kinds of fields says. */
static hf_forwarded follow(hf_fields fields, const chain *c, bool standard, const hf_address *peer, const hf_network *proxies, size_t count)
{
    hf_forwarded f = { .client = *peer, .scheme = standard ? HF_FORWARDED_UNSAID : plain_scheme(fields, c, 0) };
    hf_address next;
    for (size_t i = c->count; i-- > 0 && hf_networks_have(proxies, count, &f.client);) {
        const hf_bytes element = c->at[(c->first + i) % CHAIN_MOST];
        /* Who it was may be hidden; how he came is still what this proxy says. */
        f.scheme = standard ? element_scheme(element) : plain_scheme(fields, c, c->count - 1 - i);
        if (!(standard ? parse_element(element, &next) : parse_node(element, &next)))
            break;
        f.client = next;
    }
    return f;
}

hf_forwarded hf_forwarded_find(hf_fields fields, const hf_address *peer, const hf_network *proxies, size_t count)
{
    chain standard = { .count = 0 }, plain = { .count = 0 };
    const hf_forwarded nothing = { .client = *peer };
    if (!hf_networks_have(proxies, count, peer))
        return nothing;
    const bool has_standard = gather(&standard, fields, hf_text("Forwarded")), has_plain = gather(&plain, fields, hf_text("X-Forwarded-For"));
    const hf_forwarded said = has_standard ? follow(fields, &standard, true, peer, proxies, count)
        : follow(fields, &plain, false, peer, proxies, count);
    if (!has_standard || !has_plain)
        return said;
    /* Most proxies write one of the two and pass the other on as the client wrote it: where they differ, one of them is made up. */
    const hf_forwarded other = follow(fields, &plain, false, peer, proxies, count);
    if (!hf_address_same_host(&said.client, &other.client))
        return nothing;
    return said.scheme == other.scheme || other.scheme == HF_FORWARDED_UNSAID ? said : (hf_forwarded){ .client = said.client };
}

hf_address hf_forwarded_client(hf_fields fields, const hf_address *peer, const hf_network *proxies, size_t count)
{
    return hf_forwarded_find(fields, peer, proxies, count).client;
}
