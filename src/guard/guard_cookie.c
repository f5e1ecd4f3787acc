/* SPDX-License-Identifier: Apache-2.0
 *
 * Cookies: RFC 6265bis. Written so that no browser drops them, read so that nobody else's is taken for ours.
 */
#include "guard_why.h"
#include "text.h"
#include "token.h"

enum { PAIR_MOST = 4096, ATTRIBUTE_MOST = 1024, DAYS_400 = 400 * 86400 };

static bool same_start(hf_bytes name, const char *prefix)
{
    const size_t n = strlen(prefix);
    return name.len >= n && hf_text_same(hf_bytes_make(name.ptr, n), hf_text(prefix));
}

/* Browsers match prefixes whatever their case (RFC 6265bis 5.7). */
typedef enum prefix { PREFIX_NONE, PREFIX_SECURE, PREFIX_HOST, PREFIX_HTTP, PREFIX_HOST_HTTP } prefix;

static prefix prefix_of(hf_bytes name)
{
    if (same_start(name, "__Host-Http-"))
        return PREFIX_HOST_HTTP;
    if (same_start(name, "__Host-"))
        return PREFIX_HOST;
    if (same_start(name, "__Http-"))
        return PREFIX_HTTP;
    return same_start(name, "__Secure-") ? PREFIX_SECURE : PREFIX_NONE;
}

static bool is_root(const hf_cookie *k)
{
    return k->domain == NULL && (k->path == NULL || strcmp(k->path, "/") == 0);
}

size_t hf_cookie_name(const hf_cookie *k, char *out)
{
    hf_writer w = hf_writer_make(out, HF_COOKIE_NAME_MOST);
    if (prefix_of(hf_text(k->name)) == PREFIX_NONE && !k->dangerous_insecure)
        hf_write_text(&w, is_root(k) ? "__Host-" : "__Secure-");
    hf_write_text(&w, k->name);
    return w.overflowed ? 0 : w.length;
}

/* RFC 6265bis 4.1.1 cookie-octet, without the quotes that may stand around them. */
static bool is_octet(uint8_t c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

static bool is_attribute(const char *text, bool host)
{
    const size_t n = strlen(text);
    if (n == 0 || n > ATTRIBUTE_MOST || (!host && text[0] != '/'))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((uint8_t)text[i] < 0x20 || (uint8_t)text[i] > 0x7e || text[i] == ';' || (host && !hf_byte_is((uint8_t)text[i], HF_BYTE_UNRESERVED)))
            return false;
    return !host || (strchr(text, '.') != NULL && text[0] != '.' && text[n - 1] != '.' && strchr(text, '_') == NULL && strchr(text, '~') == NULL);
}

static hf_err check_attributes(const hf_cookie *k, hf_bytes name, hf_why *why)
{
    const prefix p = prefix_of(name);
    if (k->domain != NULL && !is_attribute(k->domain, true))
        return hf_why_tell(why, HF_ERR_COOKIE_ATTRIBUTE, hf_text(k->domain), "Domain: a host name with a dot in it");
    if (k->path != NULL && !is_attribute(k->path, false))
        return hf_why_tell(why, HF_ERR_COOKIE_ATTRIBUTE, hf_text(k->path), "Path: begins with '/'");
    if (k->same_site == HF_SAME_SITE_NONE && k->dangerous_insecure)
        return hf_why_tell(why, HF_ERR_COOKIE_NONE_INSECURE, name, "Secure");
    if (k->partitioned && k->dangerous_insecure)
        return hf_why_tell(why, HF_ERR_COOKIE_PARTITIONED, name, "Secure");
    if (p != PREFIX_NONE && k->dangerous_insecure)
        return hf_why_tell(why, HF_ERR_COOKIE_SECURE_PREFIX, name, "Secure");
    if ((p == PREFIX_HOST || p == PREFIX_HOST_HTTP) && !is_root(k))
        return hf_why_tell(why, HF_ERR_COOKIE_HOST_PREFIX, k->domain != NULL ? hf_text(k->domain) : hf_text(k->path), "Path=/ and no Domain");
    if ((p == PREFIX_HTTP || p == PREFIX_HOST_HTTP) && k->js_readable)
        return hf_why_tell(why, HF_ERR_COOKIE_HTTP_PREFIX, name, "HttpOnly");
    if (k->max_age_s > DAYS_400)
        return hf_why_tell(why, HF_ERR_COOKIE_LIFETIME, name, "at most 34560000 s");
    return HF_OK;
}

static hf_err check(const hf_cookie *k, hf_bytes name, hf_bytes value, hf_why *why)
{
    if (k->name == NULL || k->name[0] == 0 || !hf_is_token(name))
        return hf_why_tell(why, HF_ERR_COOKIE_NAME, hf_text(k->name), "a token");
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '\r' || value.ptr[i] == '\n' || value.ptr[i] == 0)
            return hf_why_tell_secret(why, HF_ERR_COOKIE_LINE_BREAK, value, "no CR, LF or NUL");
    for (size_t i = 0; i < value.len; i++)
        if (!is_octet(value.ptr[i]))
            return hf_why_tell_secret(why, HF_ERR_COOKIE_VALUE, value, "printable ASCII without space \" , ; \\");
    if (name.len + value.len > PAIR_MOST)
        return hf_why_tell_secret(why, HF_ERR_COOKIE_TOO_LARGE, value, "name and value of at most 4096 bytes");
    return check_attributes(k, name, why);
}

static void write_attributes(hf_writer *w, const hf_cookie *k)
{
    static const char *const sites[] = { "; SameSite=Strict", "; SameSite=Lax", "; SameSite=None" };
    hf_write_text(w, "; Path=");
    hf_write_text(w, k->path != NULL ? k->path : "/");
    if (k->domain != NULL) {
        hf_write_text(w, "; Domain=");
        hf_write_text(w, k->domain);
    }
    if (k->max_age_s != 0) {
        hf_write_text(w, "; Max-Age=");
        hf_write_decimal(w, k->max_age_s > 0 ? (uint64_t)k->max_age_s : 0);
    }
    hf_write_text(w, k->dangerous_insecure ? "" : "; Secure");
    hf_write_text(w, k->js_readable ? "" : "; HttpOnly");
    hf_write_text(w, sites[k->same_site]);
    hf_write_text(w, k->partitioned ? "; Partitioned" : "");
}

hf_err hf_cookie_write(const hf_cookie *k, hf_bytes value, char *out, size_t *length, hf_why *why)
{
    char name[HF_COOKIE_NAME_MOST];
    *length = 0;
    const hf_bytes whole = hf_bytes_make(name, k->name != NULL ? hf_cookie_name(k, name) : 0);
    const hf_err err = check(k, whole, value, why);
    if (err.code != 0)
        return err;
    hf_writer w = hf_writer_make(out, HF_COOKIE_FIELD_MOST);
    hf_write(&w, whole);
    hf_write_byte(&w, '=');
    hf_write(&w, value);
    write_attributes(&w, k);
    *length = w.length;
    return w.overflowed ? hf_why_tell(why, HF_ERR_COOKIE_TOO_LARGE, whole, NULL) : HF_OK;
}

/* RFC 6265bis 4.2.1: cookie-pair *( ";" SP cookie-pair ). One space belongs to the separator, and nothing else is taken off:
 * what another reader would trim or decode is another name here. */
bool hf_cookie_next(hf_bytes *rest, hf_bytes *name, hf_bytes *value)
{
    hf_bytes piece;
    while (hf_split(rest, ';', &piece)) {
        if (piece.len > 0 && piece.ptr[0] == ' ')
            piece = hf_bytes_make(piece.ptr + 1, piece.len - 1);
        if (piece.len == 0)
            continue;
        const uint8_t *const equals = memchr(piece.ptr, '=', piece.len);
        const size_t n = equals != NULL ? (size_t)(equals - piece.ptr) : 0;
        *name = hf_bytes_make(piece.ptr, n);
        *value = equals != NULL ? hf_bytes_make(equals + 1, piece.len - n - 1) : piece;
        return true;
    }
    return false;
}

/* RFC 9113 8.2.3: "the Cookie header field MAY be split into separate header fields". */
hf_err hf_cookie_find(hf_fields fields, hf_bytes name, hf_bytes *value, hf_why *why)
{
    hf_bytes found = { NULL, 0 }, one, its;
    *value = found;
    for (const hf_field *f = NULL; (f = hf_fields_next(fields, HF_FIELD_COOKIE, f)) != NULL;) {
        hf_bytes rest = f->value;
        while (hf_cookie_next(&rest, &one, &its)) {
            if (!hf_bytes_equal(one, name))
                continue;
            if (found.ptr != NULL)
                return hf_why_tell(why, HF_ERR_COOKIE_TWICE, name, "the cookie once");
            found = its;
        }
    }
    *value = found;
    return HF_OK;
}
