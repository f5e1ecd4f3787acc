/* SPDX-License-Identifier: Apache-2.0 */
#include "listen_url.h"

#include <stdarg.h>
#include <stdio.h>

#include "address.h"
#include "panic.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

static hf_listen_verdict HF_PRINTF(3, 4) refuse(char *why, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return HF_LISTEN_SYNTAX;
}

/* Both of these are written as addresses here, so that one parser decides what an address is. */
static hf_listen_verdict listen_on_both(hf_listen_url *url, const char *four, const char *six, uint16_t port)
{
    const bool known = hf_address_parse(hf_text(four), port, &url->addresses[0]) &&
                       hf_address_parse(hf_text(six), port, &url->addresses[1]);
    HF_ASSERT(known);
    url->count = 2;
    url->either = true;
    return HF_LISTEN_OK;
}

/* "host", "[v6]" or "" in front of an optional ":port"; false for a bracket that does not close. */
static bool cut_authority(hf_bytes authority, hf_bytes *host, hf_bytes *port)
{
    const uint8_t *end = authority.ptr + authority.len;
    const uint8_t *colon;
    if (authority.len > 0 && authority.ptr[0] == '[') {
        const uint8_t *close = memchr(authority.ptr, ']', authority.len);
        if (!close || (close + 1 < end && close[1] != ':'))
            return false;
        colon = close + 1 < end ? close + 1 : NULL;
        *host = hf_bytes_make(authority.ptr, (size_t)(close + 1 - authority.ptr));
    } else {
        colon = authority.len ? memchr(authority.ptr, ':', authority.len) : NULL;
        *host = hf_bytes_make(authority.ptr, colon ? (size_t)(colon - authority.ptr) : authority.len);
    }
    *port = colon ? hf_bytes_make(colon + 1, (size_t)(end - colon - 1)) : hf_bytes_make(NULL, 0);
    return true;
}

static hf_listen_verdict set_host(hf_listen_url *url, hf_bytes host, uint16_t port, char *why, size_t size)
{
    if (host.len == 0 || hf_bytes_equal(host, hf_text("*")))
        return listen_on_both(url, "0.0.0.0", "::", port);
    if (hf_text_same(host, hf_text("localhost")))
        return listen_on_both(url, "127.0.0.1", "::1", port);
    const bool brackets = host.ptr[0] == '[';
    const hf_bytes bare = brackets ? hf_bytes_make(host.ptr + 1, host.len - 2) : host;
    if (hf_address_parse(bare, port, &url->addresses[0]) && url->addresses[0].family == (brackets ? 6 : 4)) {
        url->count = 1;
        return HF_LISTEN_OK;
    }
    if (brackets)
        return refuse(why, size, "%s: %.*s is no IPv6 address; use e.g. [::1] or [::]", url->text, HF_STR(host));
    return refuse(why, size, "%s: the host \"%.*s\" is neither localhost, an IPv4 address, an IPv6 address in brackets, nor *",
                  url->text, HF_STR(host));
}

hf_listen_verdict hf_listen_url_parse(const char *text, hf_listen_url *url, char *why, size_t why_size)
{
    *url = (hf_listen_url){ .text = text };
    hf_bytes rest = hf_text(text);
    const hf_bytes http = hf_text("http://"), https = hf_text("https://");
    url->tls = rest.len >= https.len && hf_text_same(hf_bytes_make(rest.ptr, https.len), https);
    const size_t scheme = url->tls ? https.len : http.len;
    if (!url->tls && (rest.len < http.len || !hf_text_same(hf_bytes_make(rest.ptr, http.len), http))) {
        if (strstr(text, "://"))
            return refuse(why, why_size, "%s: the scheme must be http or https, as in http://localhost:8080", text);
        const bool number = hf_parse_decimal(rest, &(uint64_t){ 0 });
        return refuse(why, why_size, "%s: the scheme is missing; write http://%s%s", text, number ? "localhost:" : "", text);
    }
    hf_bytes host, port, authority = hf_bytes_make(rest.ptr + scheme, rest.len - scheme);
    if (authority.len > 0 && authority.ptr[authority.len - 1] == '/')
        authority.len--; /* http://localhost:8080/ is how people copy it */
    if (authority.len == 0)
        return refuse(why, why_size, "%s: the host is missing; write %s://localhost:%s, or %s://* for every address of this machine",
                      text, url->tls ? "https" : "http", url->tls ? "8443" : "8080", url->tls ? "https" : "http");
    if (strcspn(text + scheme, "/?#@") < authority.len)
        return refuse(why, why_size, "%s: a listener is %s://host[:port] and nothing else: no path, query or user", text, url->tls ? "https" : "http");
    if (!cut_authority(authority, &host, &port))
        return refuse(why, why_size, "%s: an IPv6 address is written in brackets, as in http://[::1]:8080", text);
    uint64_t number = url->tls ? HTTPS_PORT : HTTP_PORT;
    if (port.ptr && memchr(port.ptr, ':', port.len))
        return refuse(why, why_size, "%s: an IPv6 address is written in brackets, as in http://[::1]:8080", text);
    if (port.ptr && (port.len > 5 || !hf_parse_decimal(port, &number) || number > 65535))
        return refuse(why, why_size, "%s: the port \"%.*s\" is no number from 0 (any free port) to 65535", text, HF_STR(port));
    return set_host(url, host, (uint16_t)number, why, why_size);
}

bool hf_listen_url_is_loopback(const hf_listen_url *url)
{
    for (size_t i = 0; i < url->count; i++)
        if (!hf_address_is_loopback(&url->addresses[i]))
            return false;
    return true;
}

bool hf_listen_url_prefer(const hf_listen_url *url, hf_address preferred[2])
{
    static const uint8_t nothing[16];
    for (size_t i = 0; i < url->count; i++)
        if (!url->tls || url->addresses[i].port == 0 || memcmp(url->addresses[i].ip, nothing, sizeof nothing) == 0)
            return false;
    for (size_t i = 0; i < url->count; i++)
        preferred[url->addresses[i].family == 6] = url->addresses[i];
    return true;
}
