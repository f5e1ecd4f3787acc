/* SPDX-License-Identifier: Apache-2.0
 *
 * The jar (RFC 6265bis 5.7, 5.8). Cookies stand in the order in which they are sent: "Cookies with longer paths are listed
 * before cookies with shorter paths", and among equal ones those that were made earlier.
 */
#include "cookie_jar_core.h"

#include "alloc.h"

typedef struct row {
    hf_jar_cookie cookie; /* its texts lie behind the row */
    size_t size;
    uint64_t used; /* by the jar's clock */
} row;

struct hf_jar {
    const hf_env *env;
    hf_jar_options options;
    row **rows;
    size_t count, capacity;
    uint64_t clock; /* one more with each use */
};

hf_jar *hf_jar_new(const hf_env *env, const hf_jar_options *options)
{
    hf_jar *const j = hf_alloc_zeroed(&env->alloc, sizeof *j);
    if (j == NULL)
        return NULL;
    j->env = env;
    j->options = options != NULL ? *options : (hf_jar_options){ .ctx = NULL };
    return j;
}

static void take_out(hf_jar *j, size_t i)
{
    hf_free(&j->env->alloc, j->rows[i], j->rows[i]->size);
    j->count--;
    memmove(&j->rows[i], &j->rows[i + 1], (j->count - i) * sizeof(row *));
}

void hf_jar_free(hf_jar *j)
{
    if (j == NULL)
        return;
    while (j->count > 0)
        take_out(j, j->count - 1);
    hf_free(&j->env->alloc, j->rows, j->capacity * sizeof(row *));
    hf_free(&j->env->alloc, j, sizeof *j);
}

size_t hf_jar_count(const hf_jar *j)
{
    return j->count;
}

bool hf_jar_next(const hf_jar *j, size_t *at, hf_jar_cookie *cookie)
{
    if (*at >= j->count)
        return false;
    *cookie = j->rows[(*at)++]->cookie;
    return true;
}

void hf_jar_end_session(hf_jar *j)
{
    for (size_t i = j->count; i-- > 0;)
        if (!j->rows[i]->cookie.persistent)
            take_out(j, i);
}

/* "The user agent MUST evict all expired cookies from the cookie store if, at any time, an expired cookie exists". */
static void drop_expired(hf_jar *j, hf_wall now)
{
    for (size_t i = j->count; i-- > 0;)
        if (j->rows[i]->cookie.persistent && j->rows[i]->cookie.until.s <= now.s)
            take_out(j, i);
}

/* ---- matching ----------------------------------------------------------------------------------------------- */

static bool is_address(hf_bytes host)
{
    bool digits = true;
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] == ':')
            return true;
        digits = digits && (host.ptr[i] == '.' || (host.ptr[i] >= '0' && host.ptr[i] <= '9'));
    }
    return digits;
}

bool hf_cookie_domain_matches(hf_bytes host, hf_bytes domain)
{
    if (hf_bytes_equal(host, domain))
        return true;
    return domain.len > 0 && host.len > domain.len && hf_ends_with(host, domain) && host.ptr[host.len - domain.len - 1] == '.' && !is_address(host);
}

bool hf_cookie_path_matches(hf_bytes path, hf_bytes own)
{
    return hf_starts_with(path, own) && (path.len == own.len || own.ptr[own.len - 1] == '/' || path.ptr[own.len] == '/');
}

static hf_bytes without_query(hf_bytes path)
{
    const uint8_t *const mark = path.len > 0 ? memchr(path.ptr, '?', path.len) : NULL;
    return mark != NULL ? hf_bytes_make(path.ptr, (size_t)(mark - path.ptr)) : path;
}

hf_bytes hf_cookie_default_path(hf_bytes path)
{
    path = without_query(path);
    /* A Path attribute beyond this is ignored: what is made in its place is no longer, and ends at a slash too. */
    size_t n = path.len <= HF_COOKIE_ATTRIBUTE_MOST + 1 ? path.len : HF_COOKIE_ATTRIBUTE_MOST + 1;
    while (n > 0 && path.ptr[n - 1] != '/')
        n--;
    return n > 1 && path.ptr[0] == '/' ? hf_bytes_make(path.ptr, n - 1) : hf_text("/");
}

hf_err hf_jar_judge(const hf_jar_cookie *c, const hf_jar_request *q)
{
    if (c->host_only ? !hf_bytes_equal(q->host, c->domain) : !hf_cookie_domain_matches(q->host, c->domain))
        return hf_err_make(HF_ERR_COOKIE_OTHER_HOST);
    if (!hf_cookie_path_matches(without_query(q->path), c->path))
        return hf_err_make(HF_ERR_COOKIE_OTHER_PATH);
    if (c->secure && !q->secure)
        return hf_err_make(HF_ERR_COOKIE_IN_CLEAR);
    /* 5.8.3: from another site only Lax ones, on a top-level navigation with a safe method. */
    if (c->same_site != HF_JAR_NONE && q->context != HF_JAR_FROM_SAME_SITE &&
        !(q->context == HF_JAR_FROM_LINK && c->same_site != HF_JAR_STRICT))
        return hf_err_make(HF_ERR_COOKIE_SAME_SITE);
    return HF_OK;
}

/* ---- receiving ---------------------------------------------------------------------------------------------- */

static bool begins(hf_bytes text, const char *prefix)
{
    const size_t n = strlen(prefix);
    return text.len >= n && hf_text_same(hf_bytes_make(text.ptr, n), hf_text(prefix));
}

static bool is_suffix(const hf_jar *j, hf_bytes domain)
{
    return j != NULL && j->options.is_public_suffix != NULL && j->options.is_public_suffix(j->options.ctx, domain);
}

/* 5.7 steps 8 to 10: whose it is. `domain` is in lower case. */
static hf_err take_domain(const hf_jar *j, const hf_jar_request *q, hf_jar_cookie *c, hf_bytes domain)
{
    c->host_only = domain.len == 0;
    c->domain = c->host_only ? q->host : domain;
    for (size_t i = 0; i < domain.len; i++)
        if (domain.ptr[i] > 0x7f)
            return hf_err_make(HF_ERR_COOKIE_DOMAIN);
    if (domain.len > 0 && is_suffix(j, domain)) {
        if (!hf_bytes_equal(domain, q->host))
            return hf_err_make(HF_ERR_COOKIE_PUBLIC_SUFFIX);
        c->host_only = true; /* "Let the domain-attribute be the empty string" */
    }
    return q->host.len == 0 || hf_cookie_domain_matches(q->host, c->domain) ? HF_OK : hf_err_make(HF_ERR_COOKIE_DOMAIN);
}

/* 5.7 step 16: who is not secure cannot lay a cookie over one that is. */
static bool covers_secure(const hf_jar *j, const hf_jar_cookie *c)
{
    for (size_t i = 0; j != NULL && i < j->count; i++) {
        const hf_jar_cookie *const o = &j->rows[i]->cookie;
        if (o->secure && hf_bytes_equal(o->name, c->name) && hf_cookie_path_matches(c->path, o->path) &&
            (hf_cookie_domain_matches(o->domain, c->domain) || hf_cookie_domain_matches(c->domain, o->domain)))
            return true;
    }
    return false;
}

/* 5.7 steps 20 to 22. `has_root` : the attribute Path was there, and is "/". */
static hf_err check_prefixes(const hf_jar_cookie *c, bool has_root)
{
    if (begins(c->name, "__Secure-") && !c->secure)
        return hf_err_make(HF_ERR_COOKIE_SECURE_PREFIX);
    if (begins(c->name, "__Host-") && (!c->secure || !c->host_only || !has_root))
        return hf_err_make(HF_ERR_COOKIE_HOST_PREFIX);
    if (c->name.len == 0 && (begins(c->value, "__Secure-") || begins(c->value, "__Host-")))
        return hf_err_make(HF_ERR_COOKIE_NAMELESS_PREFIX);
    return HF_OK;
}

/* `j` NULL: an empty one. */
static hf_err check(const hf_jar *j, const hf_jar_request *q, hf_jar_cookie *c, hf_bytes domain)
{
    const bool has_root = hf_bytes_equal(c->path, hf_text("/"));
    if (c->name.len == 0 && c->value.len == 0)
        return hf_err_make(HF_ERR_COOKIE_EMPTY);
    if (c->path.len == 0)
        c->path = hf_cookie_default_path(q->path);
    const hf_err owned = take_domain(j, q, c, domain);
    if (owned.code != 0)
        return owned;
    if (c->secure && !q->secure)
        return hf_err_make(HF_ERR_COOKIE_SECURE_OVER_HTTP);
    if (!c->secure && !q->secure && covers_secure(j, c))
        return hf_err_make(HF_ERR_COOKIE_COVERS_SECURE);
    if (c->same_site != HF_JAR_NONE && q->context == HF_JAR_FROM_PAGE)
        return hf_err_make(HF_ERR_COOKIE_CROSS_SITE);
    if (c->same_site == HF_JAR_NONE && !c->secure)
        return hf_err_make(HF_ERR_COOKIE_NONE_INSECURE);
    return check_prefixes(c, has_root);
}

/* ---- keeping ------------------------------------------------------------------------------------------------ */

static bool is_same(const hf_jar_cookie *a, const hf_jar_cookie *b)
{
    return a->host_only == b->host_only && hf_bytes_equal(a->name, b->name) && hf_bytes_equal(a->domain, b->domain) && hf_bytes_equal(a->path, b->path);
}

static size_t find(const hf_jar *j, const hf_jar_cookie *c)
{
    size_t i = 0;
    while (i < j->count && !is_same(&j->rows[i]->cookie, c))
        i++;
    return i;
}

/* Whom it costs least: 5.7, "remove excess cookies". Of `domain` only, unless that is empty. */
static void evict_one(hf_jar *j, hf_bytes domain)
{
    size_t worst = j->count;
    for (size_t i = 0; i < j->count; i++) {
        const row *const r = j->rows[i], *const w = worst < j->count ? j->rows[worst] : NULL;
        if (domain.len > 0 && !hf_bytes_equal(r->cookie.domain, domain))
            continue;
        const bool sooner = w == NULL || (domain.len > 0 && r->cookie.secure != w->cookie.secure ? !r->cookie.secure : r->used < w->used);
        worst = sooner ? i : worst;
    }
    if (worst < j->count)
        take_out(j, worst);
}

static void make_room(hf_jar *j, hf_bytes domain)
{
    size_t same = 0;
    for (size_t i = 0; i < j->count; i++)
        same += hf_bytes_equal(j->rows[i]->cookie.domain, domain);
    if (same >= j->env->limits->jar_cookies_per_domain)
        evict_one(j, domain);
    else if (j->count >= j->env->limits->jar_cookies)
        evict_one(j, hf_bytes_make(NULL, 0));
}

static row *make_row(const hf_jar *j, const hf_jar_cookie *c)
{
    const hf_bytes from[] = { c->name, c->value, c->domain, c->path };
    size_t size = sizeof(row);
    for (size_t i = 0; i < HF_COUNT(from); i++)
        size += from[i].len;
    row *const r = hf_alloc(&j->env->alloc, size);
    if (r == NULL)
        return NULL;
    *r = (row){ .cookie = *c, .size = size };
    hf_bytes *const to[] = { &r->cookie.name, &r->cookie.value, &r->cookie.domain, &r->cookie.path };
    uint8_t *at = (uint8_t *)(r + 1);
    for (size_t i = 0; i < HF_COUNT(from); i++) {
        if (from[i].len > 0)
            memcpy(at, from[i].ptr, from[i].len);
        *to[i] = hf_bytes_make(at, from[i].len);
        at += from[i].len;
    }
    return r;
}

hf_err hf_jar_keep(hf_jar *j, const hf_jar_cookie *c)
{
    row *const fresh = make_row(j, c);
    if (fresh == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    fresh->used = ++j->clock;
    const size_t old = find(j, c);
    if (old < j->count) { /* "Update the creation-time of the newly-created cookie to match": it keeps the place */
        hf_free(&j->env->alloc, j->rows[old], j->rows[old]->size);
        j->rows[old] = fresh;
        return HF_OK;
    }
    if (j->count == j->capacity) {
        const size_t more = j->capacity > 0 ? 2 * j->capacity : 16;
        row **const grown = hf_resize(&j->env->alloc, j->rows, j->capacity * sizeof(row *), more * sizeof(row *));
        if (grown == NULL) {
            hf_free(&j->env->alloc, fresh, fresh->size);
            return hf_err_make(HF_ERR_BASE_MEMORY);
        }
        j->rows = grown;
        j->capacity = more;
    }
    make_room(j, fresh->cookie.domain);
    size_t at = 0;
    while (at < j->count && j->rows[at]->cookie.path.len >= fresh->cookie.path.len)
        at++;
    memmove(&j->rows[at + 1], &j->rows[at], (j->count - at) * sizeof(row *));
    j->rows[at] = fresh;
    j->count++;
    return HF_OK;
}

/* s->cookie.domain may lie in `lower`; that of *said does not. */
static hf_err read_and_check(const hf_jar *j, const hf_jar_request *q, hf_bytes text, hf_wall now, hf_cookie_said *s, char lower[HF_COOKIE_ATTRIBUTE_MOST],
    hf_jar_cookie *said)
{
    hf_err err = hf_cookie_read(text, now, s);
    const hf_bytes domain = s->cookie.domain;
    for (size_t i = 0; i < domain.len; i++)
        lower[i] = (char)hf_lower(domain.ptr[i]);
    if (err.code == 0)
        err = check(j, q, &s->cookie, hf_bytes_make(lower, domain.len));
    if (said != NULL) {
        *said = s->cookie;
        said->domain = domain.len > 0 ? domain : q->host;
    }
    return err;
}

hf_err hf_cookie_judge(const hf_jar_request *q, hf_bytes text, hf_wall now, hf_jar_cookie *said)
{
    hf_cookie_said s;
    char lower[HF_COOKIE_ATTRIBUTE_MOST];
    return read_and_check(NULL, q, text, now, &s, lower, said);
}

hf_err hf_jar_receive(hf_jar *j, const hf_jar_request *q, hf_bytes text, hf_wall now, hf_jar_cookie *said)
{
    hf_cookie_said s;
    char lower[HF_COOKIE_ATTRIBUTE_MOST];
    const hf_err err = read_and_check(j, q, text, now, &s, lower, said);
    if (err.code != 0)
        return err;
    drop_expired(j, now);
    if (!s.deleted && !(s.cookie.persistent && s.cookie.until.s <= now.s))
        return hf_jar_keep(j, &s.cookie);
    const size_t old = find(j, &s.cookie);
    if (old < j->count)
        take_out(j, old);
    return HF_OK;
}

/* ---- sending ------------------------------------------------------------------------------------------------ */

size_t hf_jar_write_cookies(hf_jar *j, const hf_jar_request *q, hf_wall now, hf_writer *w)
{
    size_t n = 0;
    drop_expired(j, now);
    for (size_t i = 0; i < j->count; i++) {
        row *const r = j->rows[i];
        const hf_jar_cookie *const c = &r->cookie;
        if (hf_jar_judge(c, q).code != 0 || (!c->host_only && is_suffix(j, c->domain)))
            continue;
        if (w->capacity - w->length < c->name.len + c->value.len + 3)
            continue;
        if (n++ > 0)
            hf_write_text(w, "; ");
        hf_write(w, c->name);
        if (c->name.len > 0)
            hf_write_byte(w, '=');
        hf_write(w, c->value);
        r->used = ++j->clock;
    }
    return n;
}
