/* SPDX-License-Identifier: Apache-2.0
 *
 * Request targets and authorities. One look into the byte table per byte; spans lend from what was given.
 */
#include "target.h"

#include "token.h"

static hf_bytes part(hf_bytes b, size_t start, size_t end)
{
    return hf_bytes_make(start > 0 ? b.ptr + start : b.ptr, end - start); /* NULL + 0 is not defined in C */
}

/* ---- host and port ------------------------------------------------------------------------------------------ */

/* RFC 3986 3.2.2: four dec-octets, no leading zeros */
static bool is_ipv4(hf_bytes b)
{
    unsigned octets = 0;
    for (hf_bytes octet; hf_split(&b, '.', &octet);) {
        uint64_t n;
        if (++octets > 4 || octet.len > 3 || !hf_parse_decimal(octet, &n) || n > 255
            || (octet.len > 1 && octet.ptr[0] == '0'))
            return false;
    }
    return octets == 4;
}

static size_t hex_run(hf_bytes b, size_t at)
{
    size_t n = 0;
    while (at + n < b.len && hf_hex_digit(b.ptr[at + n]) >= 0)
        n++;
    return n;
}

/* RFC 3986 3.2.2 IPv6address. IPvFuture is refused: no version was ever defined. So are zones (RFC 6874): they mean
 * nothing outside the machine that names them. */
static bool is_ipv6(hf_bytes b)
{
    bool compressed = b.len >= 2 && b.ptr[0] == ':' && b.ptr[1] == ':';
    unsigned groups = 0;
    size_t i = compressed ? 2 : 0;
    if (compressed && i == b.len)
        return true;
    for (;;) { /* at a group's first digit */
        const size_t n = hex_run(b, i);
        if (n == 0 || n > 4)
            return false;
        if (i + n < b.len && b.ptr[i + n] == '.') {
            if (!is_ipv4(part(b, i, b.len)))
                return false;
            groups += 2;
            break;
        }
        groups++;
        i += n;
        if (i == b.len)
            break;
        if (b.ptr[i++] != ':')
            return false;
        if (i < b.len && b.ptr[i] == ':') {
            if (compressed)
                return false;
            compressed = true;
            if (++i == b.len)
                break;
        }
    }
    return compressed ? groups <= 7 : groups == 8;
}

/* RFC 3986 3.2.2: reg-name = *( unreserved / pct-encoded / sub-delims ). IPv4 addresses look like one. Of a run of
 * HF_BYTE_HOST: does each '%' begin an escape? */
static bool escapes_are_whole(hf_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.ptr[i] == '%' && (b.len - i < 3 || hf_hex_digit(b.ptr[i + 1]) < 0 || hf_hex_digit(b.ptr[i + 2]) < 0))
            return false;
    return true;
}

/* RFC 3986 3.2.3: port = *DIGIT, so an empty one is no port. */
static bool parse_port(hf_bytes digits, int32_t *port)
{
    int32_t n = digits.len > 0 ? 0 : -1;
    for (size_t i = 0; i < digits.len; i++) {
        if (!hf_byte_is(digits.ptr[i], HF_BYTE_DIGIT))
            return false;
        n = n * 10 + (digits.ptr[i] - '0');
        if (n > 65535)
            return false;
    }
    *port = n;
    return true;
}

hf_err hf_authority_parse(hf_bytes authority, hf_bytes *host, int32_t *port)
{
    const hf_err bad = hf_err_make(HF_ERR_HTTP_HOST_SYNTAX);
    size_t end = 0; /* of the host, bracket included */
    if (authority.len > 0 && authority.ptr[0] == '[') {
        while (end < authority.len && authority.ptr[end] != ']')
            end++;
        if (end == authority.len || !is_ipv6(part(authority, 1, end)))
            return bad;
        *host = part(authority, 1, end++);
    } else {
        /* RFC 9110 4.2.4: userinfo is to be treated as an error; '@' is in no reg-name, so it ends here */
        const size_t plain = hf_span_of(authority, HF_BYTE_UNRESERVED); /* nearly always the whole host */
        end = plain;
        while (end < authority.len && hf_byte_is(authority.ptr[end], HF_BYTE_HOST))
            end++;
        *host = part(authority, 0, end); /* ':' is in no reg-name, so it ends here; whatever else does is refused below */
        /* RFC 9110 4.2.1: "A recipient that processes such a URI reference [with an empty host] MUST reject it" */
        if (end == 0 ? authority.len > 0 : end > plain && !escapes_are_whole(*host))
            return bad;
    }
    *port = -1;
    if (end < authority.len && (authority.ptr[end] != ':' || !parse_port(part(authority, end + 1, authority.len), port)))
        return bad;
    return HF_OK;
}

/* ---- targets ------------------------------------------------------------------------------------------------ */

hf_err hf_target_parse_origin(hf_bytes target, hf_request_head *head)
{
    const hf_err bad = hf_err_make(HF_ERR_HTTP_TARGET_SYNTAX);
    if (target.len == 0 || target.ptr[0] != '/')
        return bad;
    const size_t path = hf_span_of(target, HF_BYTE_PATH);
    hf_bytes query = hf_bytes_make(NULL, 0);
    if (path < target.len) {
        query = part(target, path + 1, target.len);
        if (target.ptr[path] != '?' || hf_span_of(query, HF_BYTE_QUERY) != query.len)
            return bad;
    }
    head->form = HF_TARGET_ORIGIN;
    head->target = target;
    head->scheme = head->authority = hf_bytes_make(NULL, 0);
    head->path = part(target, 0, path);
    head->query = query;
    return HF_OK;
}

/* The length of the scheme when "scheme://" comes first, else 0. */
static size_t scheme_length(hf_bytes target)
{
    size_t n = 0;
    while (n < target.len) {
        const uint8_t c = target.ptr[n], low = c | 0x20;
        const bool letter = low >= 'a' && low <= 'z';
        if (!letter && (n == 0 || !(hf_byte_is(c, HF_BYTE_DIGIT) || c == '+' || c == '-' || c == '.')))
            break;
        n++;
    }
    return n > 0 && target.len - n >= 3 && memcmp(target.ptr + n, "://", 3) == 0 ? n : 0;
}

static hf_err parse_absolute(hf_bytes target, size_t scheme, hf_method method, hf_request_head *head)
{
    const size_t start = scheme + 3;
    size_t end = start;
    while (end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?' && target.ptr[end] != '#')
        end++;
    const hf_bytes authority = part(target, start, end);
    hf_bytes host;
    int32_t port;
    const hf_err err = hf_authority_parse(authority, &host, &port);
    if (err.code != 0)
        return err;
    if (host.len == 0)
        return hf_err_make(HF_ERR_HTTP_HOST_SYNTAX); /* RFC 9110 4.2.1, as above */
    hf_request_head rest = *head;
    if (end < target.len && target.ptr[end] == '/') {
        const hf_err bad = hf_target_parse_origin(part(target, end, target.len), &rest);
        if (bad.code != 0)
            return bad;
    } else {
        /* RFC 9112 3.2.1: an empty path is "/"; 3.2.4: with OPTIONS, and without a query, it means "*" */
        const bool query = end < target.len;
        rest.query = query ? part(target, end + 1, target.len) : hf_bytes_make(NULL, 0);
        rest.path = hf_text(!query && method == HF_METHOD_OPTIONS ? "*" : "/");
        if ((query && target.ptr[end] != '?') || hf_span_of(rest.query, HF_BYTE_QUERY) != rest.query.len)
            return hf_err_make(HF_ERR_HTTP_TARGET_SYNTAX);
    }
    rest.form = HF_TARGET_ABSOLUTE;
    rest.target = target;
    rest.scheme = part(target, 0, scheme);
    rest.authority = authority;
    *head = rest;
    return HF_OK;
}

/* RFC 9112 3.2.3: authority-form = uri-host ":" port, for CONNECT alone. */
static hf_err parse_authority_form(hf_bytes target, hf_request_head *head)
{
    hf_bytes host;
    int32_t port;
    if (target.ptr[0] == '/' || target.ptr[0] == '*' || scheme_length(target) > 0)
        return hf_err_make(HF_ERR_HTTP_NOT_ACCEPTABLE_FORM);
    const hf_err err = hf_authority_parse(target, &host, &port);
    if (err.code != 0)
        return err;
    /* RFC 9110 9.3.6: "A server MUST reject a CONNECT request that targets an empty or invalid port number" */
    if (port <= 0)
        return hf_err_make(HF_ERR_HTTP_HOST_SYNTAX);
    head->form = HF_TARGET_AUTHORITY;
    head->target = head->authority = target;
    head->scheme = head->path = head->query = hf_bytes_make(NULL, 0);
    return HF_OK;
}

static hf_err parse_asterisk(hf_bytes target, hf_method method, hf_request_head *head)
{
    /* RFC 9112 3.2.4: "only used for a server-wide OPTIONS request" */
    if (method != HF_METHOD_OPTIONS)
        return hf_err_make(HF_ERR_HTTP_NOT_ACCEPTABLE_FORM);
    head->form = HF_TARGET_ASTERISK;
    head->target = head->path = target;
    head->scheme = head->authority = head->query = hf_bytes_make(NULL, 0);
    return HF_OK;
}

hf_err hf_target_parse(hf_bytes target, hf_method method, hf_request_head *head)
{
    if (target.len == 0)
        return hf_err_make(HF_ERR_HTTP_TARGET_SYNTAX);
    if (method == HF_METHOD_CONNECT)
        return parse_authority_form(target, head);
    if (target.ptr[0] == '/')
        return hf_target_parse_origin(target, head);
    if (target.len == 1 && target.ptr[0] == '*')
        return parse_asterisk(target, method, head);
    const size_t scheme = scheme_length(target);
    if (scheme > 0)
        return parse_absolute(target, scheme, method, head);
    hf_bytes host;
    int32_t port;
    const bool authority = hf_authority_parse(target, &host, &port).code == 0 && port >= 0;
    return hf_err_make(authority ? HF_ERR_HTTP_NOT_ACCEPTABLE_FORM : HF_ERR_HTTP_TARGET_SYNTAX);
}
