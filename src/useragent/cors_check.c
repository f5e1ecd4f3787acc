/* SPDX-License-Identifier: Apache-2.0 */
#include "cors_check.h"

#include "token.h"

enum { NAMES_MOST = 64, VALUE_MOST = 128, ALL_MOST = 1024 };

/* ---- the request --------------------------------------------------------------------------------------------- */

hf_bytes hf_cors_method(hf_bytes method)
{
    static const char *const normal[] = { "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT" };
    for (size_t i = 0; i < HF_COUNT(normal); i++)
        if (hf_text_same(method, hf_text(normal[i])))
            return hf_text(normal[i]);
    return method;
}

static bool is_one_of(hf_bytes name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (hf_text_same(name, hf_text(names[i])))
            return true;
    return false;
}

bool hf_cors_is_forbidden(hf_bytes name)
{
    static const char *const names[] = { "Accept-Charset", "Accept-Encoding", "Access-Control-Request-Headers", "Access-Control-Request-Method", "Connection",
        "Content-Length", "Cookie", "Cookie2", "Date", "DNT", "Expect", "Host", "Keep-Alive", "Origin", "Referer", "Set-Cookie", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade", "Via" };
    return is_one_of(name, names, HF_COUNT(names)) || (name.len >= 6 && hf_text_same(hf_bytes_make(name.ptr, 6), hf_text("proxy-"))) ||
           (name.len >= 4 && hf_text_same(hf_bytes_make(name.ptr, 4), hf_text("sec-")));
}

static bool is_safelisted_method(hf_bytes method)
{
    return hf_bytes_equal(method, hf_text("GET")) || hf_bytes_equal(method, hf_text("HEAD")) || hf_bytes_equal(method, hf_text("POST"));
}

/* Fetch 2.2.2: CORS-unsafe request-header byte. */
static bool has_unsafe_byte(hf_bytes value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((value.ptr[i] < 0x20 && value.ptr[i] != 9) || value.ptr[i] == 0x7f || memchr("\"():<>?@[\\]{}", value.ptr[i], 13) != NULL)
            return true;
    return false;
}

static bool is_language(hf_bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t c = hf_lower(value.ptr[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && memchr(" *,-.;=", c, 7) == NULL)
            return false;
    }
    return true;
}

static bool is_plain_type(hf_bytes value)
{
    static const char *const types[] = { "application/x-www-form-urlencoded", "multipart/form-data", "text/plain" };
    hf_bytes rest = value, essence = value;
    (void)hf_split(&rest, ';', &essence);
    return !has_unsafe_byte(value) && is_one_of(hf_trim(essence), types, HF_COUNT(types));
}

/* "bytes=0-" and "bytes=0-99", but not "bytes=-5". */
static bool is_simple_range(hf_bytes value)
{
    uint64_t n;
    if (!hf_starts_with(value, hf_text("bytes=")))
        return false;
    const hf_bytes range = hf_bytes_make(value.ptr + 6, value.len - 6);
    const uint8_t *const dash = range.len > 0 ? memchr(range.ptr, '-', range.len) : NULL;
    const size_t first = dash != NULL ? (size_t)(dash - range.ptr) : 0;
    return first > 0 && hf_parse_decimal(hf_bytes_make(range.ptr, first), &n) &&
           (first + 1 == range.len || hf_parse_decimal(hf_bytes_make(dash + 1, range.len - first - 1), &n));
}

/* Fetch 2.2.2: CORS-safelisted request-header. */
static bool is_safelisted(const hf_field *f)
{
    if (f->value.len > VALUE_MOST)
        return false;
    if (hf_text_same(f->name, hf_text("accept")))
        return !has_unsafe_byte(f->value);
    if (hf_text_same(f->name, hf_text("accept-language")) || hf_text_same(f->name, hf_text("content-language")))
        return is_language(f->value);
    if (hf_text_same(f->name, hf_text("content-type")))
        return is_plain_type(f->value);
    return hf_text_same(f->name, hf_text("range")) && is_simple_range(f->value);
}

/* The names that ask for a preflight, each once; sorted by their lower case. */
static size_t unsafe_names(const hf_cors_wish *wish, hf_bytes names[NAMES_MOST])
{
    size_t n = 0, safe = 0;
    for (size_t i = 0; i < wish->fields.count; i++)
        safe += is_safelisted(&wish->fields.at[i]) ? wish->fields.at[i].value.len : 0;
    for (size_t i = 0; i < wish->fields.count && n < NAMES_MOST; i++) {
        const hf_field *const f = &wish->fields.at[i];
        size_t at = 0;
        int order = -1;
        if (hf_cors_is_forbidden(f->name) || (is_safelisted(f) && safe <= ALL_MOST))
            continue;
        for (; at < n; at++) {
            const size_t shorter = f->name.len < names[at].len ? f->name.len : names[at].len;
            order = 0;
            for (size_t k = 0; k < shorter && order == 0; k++)
                order = hf_lower(names[at].ptr[k]) - hf_lower(f->name.ptr[k]);
            order = order != 0 ? order : (int)names[at].len - (int)f->name.len;
            if (order >= 0)
                break;
        }
        if (at < n && order == 0)
            continue;
        memmove(&names[at + 1 < NAMES_MOST ? at + 1 : at], &names[at], (n - at < NAMES_MOST - at - 1 ? n - at : NAMES_MOST - at - 1) * sizeof *names);
        names[at] = f->name;
        n++;
    }
    return n;
}

bool hf_cors_needs_preflight(const hf_cors_wish *wish, hf_bytes *why)
{
    hf_bytes names[NAMES_MOST];
    const hf_bytes method = hf_cors_method(wish->method);
    const bool by_method = !is_safelisted_method(method);
    const size_t n = unsafe_names(wish, names);
    if (why != NULL)
        *why = by_method ? method : n > 0 ? names[0] : hf_bytes_make(NULL, 0);
    return by_method || n > 0;
}

void hf_cors_write_request_headers(const hf_cors_wish *wish, hf_writer *w)
{
    hf_bytes names[NAMES_MOST];
    const size_t n = unsafe_names(wish, names);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            hf_write_byte(w, ',');
        for (size_t k = 0; k < names[i].len; k++)
            hf_write_byte(w, hf_lower(names[i].ptr[k]));
    }
}

/* ---- the answer ---------------------------------------------------------------------------------------------- */

static const hf_field *only(hf_fields fields, const char *name, bool *many)
{
    const hf_field *found = NULL;
    *many = false;
    for (size_t i = 0; i < fields.count; i++)
        if (hf_text_same(fields.at[i].name, hf_text(name))) {
            *many = *many || found != NULL;
            found = found != NULL ? found : &fields.at[i];
        }
    return found;
}

hf_err hf_cors_check(const hf_cors_wish *wish, hf_fields answer, hf_bytes *got)
{
    bool many, twice;
    const hf_field *const origin = only(answer, "Access-Control-Allow-Origin", &many), *const credentials = only(answer, "Access-Control-Allow-Credentials", &twice);
    *got = origin != NULL ? origin->value : hf_bytes_make(NULL, 0);
    if (origin == NULL)
        return hf_err_make(HF_ERR_CORS_NO_ALLOW_ORIGIN);
    if (many || (got->len > 0 && memchr(got->ptr, ',', got->len) != NULL)) /* fields of one name are one, joined by a comma */
        return hf_err_make(HF_ERR_CORS_MANY_ALLOW_ORIGINS);
    const bool any = hf_bytes_equal(*got, hf_text("*"));
    if (any && !wish->credentials)
        return HF_OK;
    if (any)
        return hf_err_make(HF_ERR_CORS_STAR_ALLOW_ORIGIN);
    if (!hf_bytes_equal(*got, wish->origin))
        return hf_err_make(HF_ERR_CORS_OTHER_ALLOW_ORIGIN);
    if (!wish->credentials)
        return HF_OK;
    *got = credentials != NULL ? credentials->value : hf_bytes_make(NULL, 0);
    return credentials != NULL && !twice && hf_bytes_equal(*got, hf_text("true")) ? HF_OK : hf_err_make(HF_ERR_CORS_NO_ALLOW_CREDENTIALS);
}

/* Is it in the list? `fold`: names of headers are. *bad: an element is no token. */
static bool lists(hf_fields answer, const char *name, hf_bytes wanted, bool fold, bool *bad)
{
    bool found = false;
    for (size_t i = 0; i < answer.count; i++) {
        hf_bytes one, rest = answer.at[i].value;
        if (!hf_text_same(answer.at[i].name, hf_text(name)))
            continue;
        while (hf_list_next(&rest, &one)) {
            *bad = *bad || !hf_is_token(one);
            found = found || (fold ? hf_text_same(one, wanted) : hf_bytes_equal(one, wanted));
        }
    }
    return found;
}

hf_err hf_cors_check_preflight(const hf_cors_wish *wish, uint16_t status, hf_fields answer, hf_bytes *got)
{
    static const char methods[] = "Access-Control-Allow-Methods", headers[] = "Access-Control-Allow-Headers";
    const hf_bytes star = hf_text("*"), method = hf_cors_method(wish->method);
    hf_bytes names[NAMES_MOST];
    bool bad = false;
    const hf_err err = hf_cors_check(wish, answer, got);
    if (err.code != 0)
        return err;
    *got = hf_bytes_make(NULL, 0);
    if (status < 200 || status > 299)
        return hf_err_make(HF_ERR_CORS_PREFLIGHT_STATUS);
    const bool named = lists(answer, methods, method, false, &bad), any_method = lists(answer, methods, star, false, &bad) && !wish->credentials;
    const bool any_header = lists(answer, headers, star, false, &bad) && !wish->credentials;
    if (bad)
        return hf_err_make(HF_ERR_CORS_PREFLIGHT_LIST);
    *got = method;
    if (!named && !any_method && !is_safelisted_method(method))
        return hf_err_make(HF_ERR_CORS_PREFLIGHT_METHOD);
    const size_t n = unsafe_names(wish, names);
    for (size_t i = 0; i < n; i++) {
        *got = names[i];
        const bool covered = any_header && !hf_text_same(names[i], hf_text("authorization"));
        if (!covered && !lists(answer, headers, names[i], true, &bad))
            return hf_err_make(HF_ERR_CORS_PREFLIGHT_HEADER);
    }
    *got = hf_bytes_make(NULL, 0);
    return HF_OK;
}

uint64_t hf_cors_max_age(hf_fields answer)
{
    bool many;
    uint64_t s;
    const hf_field *const f = only(answer, "Access-Control-Max-Age", &many);
    return f != NULL && !many && hf_parse_decimal(f->value, &s) ? s : 5; /* Fetch 4.8: "set max-age to 5" */
}

/* ---- words --------------------------------------------------------------------------------------------------- */

void hf_cors_write_console(hf_writer *w, hf_bytes url, const hf_cors_wish *wish, bool preflight, hf_err err, hf_bytes got)
{
    static const struct {
        int32_t code;
        bool check; /* of the CORS check, which comes first in a preflight, too */
        const char *before, *after;
    } rows[] = {
        { HF_ERR_CORS_NO_ALLOW_ORIGIN, true, "No 'Access-Control-Allow-Origin' header is present on the requested resource.", NULL },
        { HF_ERR_CORS_OTHER_ALLOW_ORIGIN, true, "The 'Access-Control-Allow-Origin' header has a value '", "' that is not equal to the supplied origin." },
        { HF_ERR_CORS_MANY_ALLOW_ORIGINS, true, "The 'Access-Control-Allow-Origin' header contains multiple values '", "', but only one is allowed." },
        { HF_ERR_CORS_STAR_ALLOW_ORIGIN, true, "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' when the request's "
          "credentials mode is 'include'.", NULL },
        { HF_ERR_CORS_NO_ALLOW_CREDENTIALS, true, "The value of the 'Access-Control-Allow-Credentials' header in the response is '",
          "' which must be 'true' when the request's credentials mode is 'include'." },
        { HF_ERR_CORS_PREFLIGHT_STATUS, true, "It does not have HTTP ok status.", NULL },
        { HF_ERR_CORS_PREFLIGHT_METHOD, false, "Method ", " is not allowed by Access-Control-Allow-Methods in preflight response." },
        { HF_ERR_CORS_PREFLIGHT_HEADER, false, "Request header field ", " is not allowed by Access-Control-Allow-Headers in preflight response." },
        { HF_ERR_CORS_PREFLIGHT_LIST, false, "Cannot parse Access-Control-Allow-Methods or Access-Control-Allow-Headers in preflight response.", NULL },
    };
    hf_write_text(w, "Access to fetch at '");
    hf_write(w, url);
    hf_write_text(w, "' from origin '");
    hf_write(w, wish->origin);
    hf_write_text(w, "' has been blocked by CORS policy: ");
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (rows[i].code == err.code) {
            hf_write_text(w, preflight && rows[i].check ? "Response to preflight request doesn't pass access control check: " : "");
            hf_write_text(w, rows[i].before);
            if (rows[i].after != NULL)
                hf_write(w, got);
            hf_write_text(w, rows[i].after != NULL ? rows[i].after : "");
        }
}
