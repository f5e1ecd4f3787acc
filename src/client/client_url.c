/* SPDX-License-Identifier: Apache-2.0 */
#include "client_url.h"

#include "idn.h"
#include "target.h"
#include "text.h"

static const struct {
    const char *scheme;
    uint16_t port;
    bool secure, live;
} schemes[] = { { "http://", 80, false, false }, { "https://", 443, true, false }, { "ws://", 80, false, true }, { "wss://", 443, true, true } };

static bool starts(hf_bytes text, const char *start)
{
    const size_t n = strlen(start);
    return text.len >= n && hf_text_same(hf_bytes_make(text.ptr, n), hf_text(start));
}

static const char *take_host(hf_client_url *u, hf_bytes host)
{
    if (host.len > 1 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = hf_bytes_make(host.ptr + 1, host.len - 2);
    if (host.len == 0 || host.len >= sizeof u->host)
        return "it names no host";
    for (size_t i = 0; i < host.len; i++)
        u->host[i] = (char)hf_lower(host.ptr[i]);
    u->host[host.len] = 0;
    return NULL;
}

/* Between the scheme and the path. */
static bool is_in_host(hf_bytes url, size_t at)
{
    size_t slashes = 0;
    for (size_t i = 0; i < at; i++)
        if (strchr("/?#", url.ptr[i]) != NULL)
            slashes++;
    return slashes == 2 && at > 2;
}

/* As it is; a host in Unicode as the DNS and the Host field have it. */
static const char *write_authority(hf_writer *w, hf_bytes authority)
{
    char ascii[HF_IDN_BYTES];
    const uint8_t *const colon = authority.len > 0 ? memrchr(authority.ptr, ':', authority.len) : NULL;
    const hf_bytes host = hf_bytes_make(authority.ptr, colon != NULL ? (size_t)(colon - authority.ptr) : authority.len);
    bool plain = true;
    for (size_t i = 0; i < authority.len; i++)
        plain = plain && authority.ptr[i] < 0x80;
    const char *const wrong = plain ? NULL : hf_idn_to_ascii(host, ascii);
    if (wrong != NULL)
        return wrong;
    hf_write(w, plain ? authority : hf_text(ascii));
    if (!plain)
        hf_write(w, hf_bytes_make(authority.ptr + host.len, authority.len - host.len));
    return NULL;
}

const char *hf_client_url_parse(const char *text, hf_client_url *u)
{
    const hf_bytes given = hf_text(text);
    size_t kind = 0, end;
    *u = (hf_client_url){ .port = 0 };
    for (size_t i = 0; i < given.len; i++)
        if (given.ptr[i] <= 0x20 || given.ptr[i] == 0x7f || (given.ptr[i] >= 0x80 && !is_in_host(given, i)))
            return "it holds a byte that a URL writes as %XX";
    while (kind < HF_COUNT(schemes) && !starts(given, schemes[kind].scheme))
        kind++;
    if (kind == HF_COUNT(schemes))
        return "it does not begin with http://, https://, ws:// or wss://";
    hf_bytes rest = hf_bytes_make(given.ptr + strlen(schemes[kind].scheme), given.len - strlen(schemes[kind].scheme));
    for (end = 0; end < rest.len && strchr("/?#", rest.ptr[end]) == NULL; end++)
        ;
    hf_writer w = hf_writer_make(u->text, sizeof u->text);
    const char *const nameless = write_authority(&w, hf_bytes_make(rest.ptr, end));
    if (nameless != NULL)
        return nameless;
    u->authority = hf_written(&w);
    rest = hf_bytes_make(rest.ptr + end, rest.len - end);
    end = w.length;
    const uint8_t *const fragment = rest.len > 0 ? memchr(rest.ptr, '#', rest.len) : NULL;
    rest.len = fragment != NULL ? (size_t)(fragment - rest.ptr) : rest.len;
    if (rest.len == 0 || rest.ptr[0] != '/')
        hf_write_byte(&w, '/');
    hf_write(&w, rest);
    u->target = hf_bytes_make(w.ptr + end, w.length - end);
    hf_bytes host;
    int32_t port;
    if (w.overflowed)
        return "it is too long";
    if (u->authority.len > 0 && memchr(u->authority.ptr, '@', u->authority.len) != NULL)
        return "names and passwords do not belong in a URL";
    if (hf_authority_parse(u->authority, &host, &port).code != 0 || port == 0 || port > 65535)
        return "its host or port is malformed";
    u->secure = schemes[kind].secure;
    u->live = schemes[kind].live;
    u->port = port > 0 ? (uint16_t)port : schemes[kind].port;
    return take_host(u, host);
}

bool hf_client_url_set(hf_client_url *u, const char *name, hf_bytes value)
{
    static const char end_of_part[] = "&";
    char fresh[HF_CLIENT_URL_BYTES];
    hf_writer w = hf_writer_make(fresh, sizeof fresh);
    const uint8_t *const mark = memchr(u->target.ptr, '?', u->target.len);
    const size_t path = mark != NULL ? (size_t)(mark - u->target.ptr) : u->target.len;
    hf_bytes rest = mark != NULL ? hf_bytes_make(mark + 1, u->target.len - path - 1) : hf_bytes_make(NULL, 0), part;
    hf_write(&w, u->authority);
    const size_t start = w.length;
    hf_write(&w, hf_bytes_make(u->target.ptr, path));
    hf_write_text(&w, "?");
    while (hf_split(&rest, (uint8_t)end_of_part[0], &part)) {
        const size_t n = strlen(name);
        if (part.len == 0 || (part.len > n && memcmp(part.ptr, name, n) == 0 && part.ptr[n] == '='))
            continue;
        hf_write(&w, part);
        hf_write_text(&w, end_of_part);
    }
    hf_write_text(&w, name);
    hf_write_text(&w, "=");
    hf_write(&w, value);
    if (w.overflowed)
        return false;
    memcpy(u->text, fresh, w.length);
    u->authority = hf_bytes_make(u->text, start);
    u->target = hf_bytes_make(u->text + start, w.length - start);
    return true;
}

/* ---- references --------------------------------------------------------------------------------------------- */

static hf_bytes cut_at(hf_bytes b, uint8_t byte)
{
    const uint8_t *const at = b.len > 0 ? memchr(b.ptr, byte, b.len) : NULL;
    return at != NULL ? hf_bytes_make(b.ptr, (size_t)(at - b.ptr)) : b;
}

static bool has_scheme(hf_bytes reference)
{
    const hf_bytes before = cut_at(reference, ':');
    if (before.len == reference.len || before.len == 0)
        return false;
    for (size_t i = 0; i < before.len; i++) {
        const uint8_t c = hf_lower(before.ptr[i]);
        if (!(c >= 'a' && c <= 'z') && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return false;
    }
    return true;
}

/* RFC 3986 5.2.4: what "." and ".." mean is done. `w` begins where the path does. */
static void write_path(hf_writer *w, hf_bytes path)
{
    const size_t begin = w->length;
    hf_bytes rest = path, part;
    bool folder = false;
    while (hf_split(&rest, '/', &part)) {
        const bool up = hf_bytes_equal(part, hf_text(".."));
        folder = up || hf_bytes_equal(part, hf_text("."));
        while (up && w->length > begin && w->ptr[--w->length] != '/')
            ;
        if (folder || (part.len == 0 && part.ptr == path.ptr))
            continue;
        hf_write_byte(w, '/');
        hf_write(w, part);
    }
    if (folder || w->length == begin)
        hf_write_byte(w, '/');
}

bool hf_client_url_join(const hf_client_url *base, hf_bytes reference, char *text, size_t size)
{
    hf_writer w = hf_writer_make(text, size > 0 ? size - 1 : 0);
    const char *const scheme = base->live ? (base->secure ? "wss:" : "ws:") : base->secure ? "https:" : "http:";
    reference = cut_at(reference, '#');
    if (!has_scheme(reference))
        hf_write_text(&w, scheme);
    if (has_scheme(reference) || hf_starts_with(reference, hf_text("//"))) {
        hf_write(&w, reference);
    } else {
        const hf_bytes own_path = cut_at(base->target, '?'), path = cut_at(reference, '?');
        uint8_t merged[HF_CLIENT_URL_BYTES];
        hf_writer m = hf_writer_make(merged, sizeof merged);
        size_t folder = own_path.len;
        while (folder > 0 && own_path.ptr[folder - 1] != '/')
            folder--;
        if (path.len == 0)
            hf_write(&m, own_path);
        else if (path.ptr[0] != '/')
            hf_write(&m, hf_bytes_make(own_path.ptr, folder));
        hf_write(&m, path);
        hf_write_text(&w, "//");
        hf_write(&w, base->authority);
        write_path(&w, hf_written(&m));
        hf_write(&w, hf_bytes_make(reference.ptr + path.len, reference.len - path.len));
        if (reference.len == 0)
            hf_write(&w, hf_bytes_make(base->target.ptr + own_path.len, base->target.len - own_path.len));
        w.overflowed = w.overflowed || m.overflowed;
    }
    text[w.length] = 0;
    return !w.overflowed && size > 0;
}
