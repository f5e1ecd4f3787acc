/* SPDX-License-Identifier: Apache-2.0
 *
 * From rules to a policy: everything that is dangerous, or that no browser would do, is told at once, and nothing is compiled.
 */
#include "alloc.h"
#include "guard_cors.h"
#include "guard_origin.h"
#include "guard_why.h"
#include "text.h"
#include "token.h"

enum { DAY_S = 86400 };

static bool is_star(const char *text)
{
    return strcmp(text, "*") == 0;
}
static size_t count_of(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}
static bool has_star(const char *const *list)
{
    for (; list != NULL && *list != NULL; list++)
        if (is_star(*list))
            return true;
    return false;
}

/* ---- lint ----------------------------------------------------------------------------------------------------- */

/* Not the Public Suffix List: single labels, and the second levels under which most registrations of their country are. Beyond
 * these the list's reader must know; see docs/security-guide.md. */
static bool is_public_suffix(hf_bytes parent)
{
    static const char *const second[] = {
        "co.uk",  "org.uk", "ac.uk",  "gov.uk", "me.uk",  "com.au", "net.au", "org.au", "co.nz",  "co.za",      "com.br",        "com.cn",
        "com.tr", "com.mx", "com.ar", "com.sg", "com.hk", "com.tw", "co.jp",  "ne.jp",  "or.jp",  "co.kr",      "co.in",         "co.il",
        "github.io", "gitlab.io", "herokuapp.com", "vercel.app", "netlify.app", "pages.dev", "workers.dev", "web.app", "azurewebsites.net", "cloudfront.net", "amazonaws.com", "blogspot.com",
    };
    if (memchr(parent.ptr, '.', parent.len) == NULL)
        return true;
    for (size_t i = 0; i < HF_COUNT(second); i++)
        if (hf_bytes_equal(parent, hf_text(second[i])))
            return true;
    return false;
}

static bool is_loopback(hf_bytes host)
{
    const hf_bytes local = hf_text(".localhost");
    return hf_bytes_equal(host, hf_text("localhost")) || hf_bytes_equal(host, hf_text("[::1]")) || hf_starts_with(host, hf_text("127.")) ||
           (host.len > local.len && memcmp(host.ptr + host.len - local.len, local.ptr, local.len) == 0);
}

static void lint_origin(const hf_cors_rules *r, const char *text, hf_whys *whys)
{
    hf_origin o;
    if (is_star(text)) {
        if (r->credentials)
            (void)hf_whys_add(whys, HF_ERR_CORS_STAR_CREDENTIALS, hf_text(text), "the origins, by name");
        return;
    }
    const hf_err err = hf_origin_parse(hf_text(text), true, &o);
    if (err.code != 0) {
        (void)hf_whys_add(whys, err.code, hf_text(text), "https://host[:port] as browsers write it");
        return;
    }
    if (o.scheme.len == 4 && r->credentials && !r->dangerous_insecure_origins && !is_loopback(o.host))
        (void)hf_whys_add(whys, HF_ERR_CORS_HTTP_CREDENTIALS, hf_text(text), "https");
    if (hf_starts_with(o.host, hf_text("*.")) && !r->dangerous_public_suffix && is_public_suffix(hf_bytes_make(o.host.ptr + 2, o.host.len - 2)))
        (void)hf_whys_add(whys, HF_ERR_CORS_PUBLIC_SUFFIX, hf_text(text), "a registered domain");
}

static bool is_one_of(hf_bytes text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (hf_text_same(text, hf_text(list[i])))
            return true;
    return false;
}

/* Fetch 2.2.2: forbidden request-header. */
static bool is_forbidden(hf_bytes name)
{
    static const char *const names[] = {
        "accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method", "access-control-request-private-network",
        "connection", "content-length", "cookie", "cookie2", "date", "dnt", "expect", "host", "keep-alive", "origin", "referer", "set-cookie", "te",
        "trailer", "transfer-encoding", "upgrade", "via",
    };
    const hf_bytes proxy = hf_bytes_make(name.ptr, name.len < 6 ? 0 : 6), sec = hf_bytes_make(name.ptr, name.len < 4 ? 0 : 4);
    return is_one_of(name, names, HF_COUNT(names)) || hf_text_same(proxy, hf_text("proxy-")) || hf_text_same(sec, hf_text("sec-"));
}

static void lint_names(const hf_cors_rules *r, hf_whys *whys)
{
    static const char *const methods[] = { "CONNECT", "TRACE", "TRACK" }, *const never[] = { "Set-Cookie", "Set-Cookie2" };
    for (const char *const *at = r->methods; at != NULL && *at != NULL; at++)
        if (!is_star(*at) && (!hf_is_token(hf_text(*at)) || is_one_of(hf_text(*at), methods, HF_COUNT(methods))))
            (void)hf_whys_add(whys, HF_ERR_CORS_METHOD, hf_text(*at), "a method that scripts may send");
    for (const char *const *at = r->request_headers; at != NULL && *at != NULL; at++)
        if (!is_star(*at) && (!hf_is_token(hf_text(*at)) || is_forbidden(hf_text(*at))))
            (void)hf_whys_add(whys, HF_ERR_CORS_REQUEST_HEADER, hf_text(*at), "a header that scripts may set");
    for (const char *const *at = r->expose; at != NULL && *at != NULL; at++)
        if (!is_star(*at) && (!hf_is_token(hf_text(*at)) || is_one_of(hf_text(*at), never, HF_COUNT(never))))
            (void)hf_whys_add(whys, HF_ERR_CORS_EXPOSE, hf_text(*at), "a header that scripts may read");
    if (r->credentials && (has_star(r->expose) || has_star(r->request_headers)))
        (void)hf_whys_add(whys, HF_ERR_CORS_EXPOSE_STAR, hf_text("*"), "the names");
    if (r->max_age_s > DAY_S || r->max_age_s < -1)
        (void)hf_whys_add(whys, HF_ERR_CORS_MAX_AGE, hf_text("max_age_s"), "-1 to 86400");
}

/* ---- building ------------------------------------------------------------------------------------------------- */

typedef struct builder {
    hf_cors *c;
    uint8_t *text; /* grows through the block's end */
} builder;

static hf_bytes copy(builder *b, hf_bytes from, bool lower)
{
    const hf_bytes to = hf_bytes_make(b->text, from.len);
    for (size_t i = 0; i < from.len; i++)
        *b->text++ = lower ? hf_lower(from.ptr[i]) : from.ptr[i];
    return to;
}

/* "A, B"; a list with "*" is "*". */
static hf_bytes join(builder *b, const char *const *list)
{
    uint8_t *const start = b->text;
    if (has_star(list))
        return copy(b, hf_text("*"), false);
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        if (i > 0)
            (void)copy(b, hf_text(", "), false);
        (void)copy(b, hf_text(list[i]), false);
    }
    return hf_bytes_make(start, (size_t)(b->text - start));
}

static size_t sort(hf_bytes *list, size_t count)
{
    size_t kept = 0;
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && hf_cors_compare(list[k - 1], list[k]) > 0; k--) {
            const hf_bytes other = list[k];
            list[k] = list[k - 1];
            list[k - 1] = other;
        }
    for (size_t i = 0; i < count; i++)
        if (i == 0 || hf_cors_compare(list[kept - 1], list[i]) != 0)
            list[kept++] = list[i];
    return kept;
}

static size_t text_room(const char *const *list)
{
    size_t n = 0;
    for (; list != NULL && *list != NULL; list++)
        n += 2 * (strlen(*list) + 2);
    return n;
}

static void fill_origins(builder *b, const hf_cors_rules *r, hf_bytes *origins, hf_cors_pattern *patterns)
{
    hf_origin o;
    for (const char *const *at = r->origins; *at != NULL; at++) {
        if (is_star(*at)) {
            b->c->any_origin = true;
            continue;
        }
        const hf_bytes text = copy(b, hf_text(*at), false);
        (void)hf_origin_parse(text, true, &o);
        if (!hf_starts_with(o.host, hf_text("*."))) {
            origins[b->c->origin_count++] = text;
            continue;
        }
        const size_t start = o.scheme.len + 3 + 1;
        patterns[b->c->pattern_count++] = (hf_cors_pattern){ o.scheme, hf_bytes_make(text.ptr + start, text.len - start) };
    }
    b->c->origin_count = sort(origins, b->c->origin_count);
}

static void fill_lists(builder *b, const hf_cors_rules *r, hf_bytes *headers, hf_bytes *methods)
{
    hf_cors *const c = b->c;
    c->any_method = has_star(r->methods);
    c->any_header = has_star(r->request_headers);
    for (size_t i = 0; i < count_of(r->request_headers); i++)
        headers[c->header_count++] = copy(b, hf_text(r->request_headers[i]), true);
    for (size_t i = 0; i < count_of(r->methods); i++)
        methods[c->method_count++] = copy(b, hf_text(r->methods[i]), false);
    c->header_count = sort(headers, c->header_count);
    c->method_list = join(b, r->methods);
    c->header_list = join(b, r->request_headers);
    c->expose_list = join(b, r->expose);
    hf_writer w = hf_writer_make(b->text, 16);
    if (r->max_age_s != 0)
        hf_write_decimal(&w, r->max_age_s > 0 ? (uint64_t)r->max_age_s : 0);
    c->max_age = hf_written(&w);
}

static hf_cors *build(const hf_env *env, const hf_cors_rules *r)
{
    const size_t origins = count_of(r->origins), headers = count_of(r->request_headers), methods = count_of(r->methods);
    const size_t lists = (origins + headers + methods) * sizeof(hf_bytes) + origins * sizeof(hf_cors_pattern);
    const size_t size = sizeof(hf_cors) + lists + text_room(r->origins) + text_room(r->request_headers) + text_room(r->methods) + text_room(r->expose) + 32;
    hf_cors *c = hf_alloc_zeroed(&env->alloc, size);
    if (c == NULL)
        return NULL;
    hf_bytes *const first = (hf_bytes *)(c + 1), *const names = first + origins, *const verbs = names + headers;
    hf_cors_pattern *const patterns = (hf_cors_pattern *)(verbs + methods);
    builder b = { c, (uint8_t *)(patterns + origins) };
    *c = (hf_cors){ .alloc = &env->alloc, .size = size, .credentials = r->credentials, .origins = first, .patterns = patterns, .headers = names, .methods = verbs };
    fill_origins(&b, r, first, patterns);
    fill_lists(&b, r, names, verbs);
    return c;
}

hf_err hf_cors_compile(const hf_env *env, const hf_cors_rules *r, hf_cors **cors, hf_whys *whys)
{
    hf_whys own, *const all = whys != NULL ? whys : &own;
    const size_t count = count_of(r->origins);
    all->count = 0;
    *cors = NULL;
    if (count == 0)
        (void)hf_whys_add(all, HF_ERR_CORS_NO_ORIGINS, hf_text(""), "origins");
    if (count > env->limits->cors_origins)
        return hf_whys_add(all, HF_ERR_BASE_LIMIT, hf_text("origins"), "at most cors_origins");
    for (size_t i = 0; i < count; i++)
        lint_origin(r, r->origins[i], all);
    lint_names(r, all);
    if (all->count > 0)
        return all->at[0].err;
    *cors = build(env, r);
    return *cors != NULL ? HF_OK : hf_whys_add(all, HF_ERR_BASE_MEMORY, hf_text(""), NULL);
}

void hf_cors_free(hf_cors *c)
{
    if (c != NULL)
        hf_free(c->alloc, c, c->size);
}
