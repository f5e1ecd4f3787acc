/* SPDX-License-Identifier: Apache-2.0 */
#include "guard_origin.h"

#include "target.h"
#include "text.h"

bool hf_origin_labels(hf_bytes text)
{
    bool was_dot = true;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        if (c == '.' && was_dot)
            return false;
        was_dot = c == '.';
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return text.len > 0 && text.len <= 253 && !was_dot;
}

/* Four decimal bytes without leading zeros: the only spelling that a browser sends. */
static bool is_ipv4(hf_bytes host)
{
    hf_bytes part;
    size_t parts = 0;
    for (hf_bytes rest = host; hf_split(&rest, '.', &part); parts++) {
        uint64_t n;
        if (!hf_parse_decimal(part, &n) || n > 255 || (part.len > 1 && part.ptr[0] == '0') || part.len > 3)
            return false;
    }
    return parts == 4;
}

/* URL standard, host parsing: a host whose last label is a number is an IPv4 address, or no host. */
static bool ends_in_number(hf_bytes host)
{
    hf_bytes label = { NULL, 0 };
    for (hf_bytes rest = host; hf_split(&rest, '.', &label);)
        ;
    size_t i = label.len > 1 && label.ptr[0] == '0' && label.ptr[1] == 'x' ? 2 : 0;
    const bool hex = i == 2;
    for (; i < label.len; i++)
        if (!(label.ptr[i] >= '0' && label.ptr[i] <= '9') && !(hex && hf_hex_digit(label.ptr[i]) >= 0))
            return false;
    return label.len > 0;
}

static bool is_host(hf_bytes host)
{
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        bool colon = false;
        for (size_t i = 1; i < host.len - 1; i++) {
            const uint8_t c = host.ptr[i];
            colon = colon || c == ':';
            if (c != ':' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
                return false;
        }
        return colon;
    }
    return hf_origin_labels(host) && (!ends_in_number(host) || is_ipv4(host));
}

static hf_err parse_port(hf_bytes text, bool https, int32_t *port)
{
    uint64_t n;
    if (!hf_parse_decimal(text, &n) || n == 0 || n > 65535 || text.len > 5 || text.ptr[0] == '0')
        return hf_err_make(HF_ERR_CORS_ORIGIN_HOST);
    *port = (int32_t)n;
    return n == (https ? 443 : 80) ? hf_err_make(HF_ERR_CORS_DEFAULT_PORT) : HF_OK;
}

hf_err hf_origin_parse(hf_bytes text, bool wildcard, hf_origin *o)
{
    const bool https = hf_starts_with(text, hf_text("https://"));
    if (hf_bytes_equal(text, hf_text("null")))
        return hf_err_make(HF_ERR_CORS_ORIGIN_NULL);
    if (!https && !hf_starts_with(text, hf_text("http://")))
        return hf_err_make(HF_ERR_CORS_ORIGIN_SCHEME);
    const size_t start = https ? 8 : 7;
    *o = (hf_origin){ hf_bytes_make(text.ptr, start - 3), hf_bytes_make(text.ptr + start, text.len - start), -1 };
    if (text.len > HF_ORIGIN_MOST)
        return hf_err_make(HF_ERR_CORS_ORIGIN_HOST);
    for (size_t i = start; i < text.len; i++)
        if (text.ptr[i] == '/' || text.ptr[i] == '?' || text.ptr[i] == '#')
            return hf_err_make(HF_ERR_CORS_ORIGIN_PATH);
    size_t colon = o->host.len;
    for (size_t i = o->host.len; i > 0 && o->host.ptr[i - 1] != ']'; i--)
        if (o->host.ptr[i - 1] == ':')
            colon = i - 1;
    hf_err err = HF_OK;
    if (colon < o->host.len) {
        err = parse_port(hf_bytes_make(o->host.ptr + colon + 1, o->host.len - colon - 1), https, &o->port);
        o->host.len = colon;
    }
    if (wildcard && hf_starts_with(o->host, hf_text("*."))) {
        const hf_bytes parent = hf_bytes_make(o->host.ptr + 2, o->host.len - 2);
        return !hf_origin_labels(parent) || ends_in_number(parent) ? hf_err_make(HF_ERR_CORS_ORIGIN_HOST) : err;
    }
    return !is_host(o->host) ? hf_err_make(HF_ERR_CORS_ORIGIN_HOST) : err;
}

size_t hf_origin_write(hf_bytes scheme, hf_bytes authority, char *out)
{
    const bool https = hf_text_same(scheme, hf_text("https"));
    hf_bytes host;
    int32_t port;
    hf_origin parsed;
    if ((!https && !hf_text_same(scheme, hf_text("http"))) || hf_authority_parse(authority, &host, &port).code != 0 || host.len == 0 || host.len > 255)
        return 0;
    const bool literal = memchr(host.ptr, ':', host.len) != NULL;
    hf_writer w = hf_writer_make(out, HF_ORIGIN_MOST);
    hf_write_text(&w, https ? "https://" : "http://");
    hf_write_text(&w, literal ? "[" : "");
    for (size_t i = 0; i < host.len; i++)
        hf_write_byte(&w, hf_lower(host.ptr[i]));
    hf_write_text(&w, literal ? "]" : "");
    if (port >= 0 && port != (https ? 443 : 80)) {
        hf_write_byte(&w, ':');
        hf_write_decimal(&w, (uint64_t)port);
    }
    return w.overflowed || hf_origin_parse(hf_written(&w), false, &parsed).code != 0 ? 0 : w.length;
}
