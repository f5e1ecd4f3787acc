/* SPDX-License-Identifier: Apache-2.0 */
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>

#include "cache.h"
#include "cookie_jar.h"
#include "date.h"
#include "text.h"

enum { DAY = 86400, HALF_A_YEAR = 180, WORTH_COMPRESSING = 1400 };

typedef struct judge {
    const hf_answer *a;
    hf_finding *at;
    size_t count, capacity;
    bool page; /* HTML: a document that a browser shows */
} judge;

static void HF_PRINTF(6, 7) say(judge *j, hf_weight weight, const char *subject, const char *rule, const char *remedy, const char *format, ...)
{
    va_list arguments;
    if (j->count == j->capacity)
        return;
    hf_finding *const f = &j->at[j->count++];
    *f = (hf_finding){ .weight = weight, .subject = subject, .rule = rule, .remedy = remedy };
    va_start(arguments, format);
    vsnprintf(f->found, sizeof f->found, format, arguments);
    va_end(arguments);
    for (char *p = f->found; *p != 0; p++)
        *p = *p < 0x20 || *p > 0x7e ? '?' : *p;
}

/* Of what was said last. */
static void code(judge *j, hf_err err)
{
    if (j->count > 0)
        j->at[j->count - 1].err = err;
}

/* The last of the least weight goes, if what comes weighs more. */
static bool make_way(hf_finding_list *l, hf_weight weight)
{
    size_t least = 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].weight <= l->at[least].weight)
            least = i;
    if (l->count == 0 || l->at[least].weight >= weight)
        return false;
    memmove(&l->at[least], &l->at[least + 1], (l->count - least - 1) * sizeof *l->at);
    l->count--;
    return true;
}

void hf_finding_say(hf_finding_list *l, hf_weight weight, hf_err err, const char *subject, const char *format, ...)
{
    const hf_err_info *const info = hf_err_describe(err);
    va_list arguments;
    if (l->count == l->capacity && !make_way(l, weight))
        return;
    hf_finding *const f = &l->at[l->count++];
    *f = (hf_finding){ .weight = weight, .err = err, .subject = subject, .rule = info->rule, .remedy = weight > HF_WEIGHT_FINE ? info->remedy : NULL };
    va_start(arguments, format);
    vsnprintf(f->found, sizeof f->found, format, arguments);
    va_end(arguments);
    for (char *p = f->found; *p != 0; p++)
        *p = *p < 0x20 || *p > 0x7e ? '?' : *p;
}

/* The value of the first field of this name; ptr NULL: there is none. */
static hf_bytes value_of(const judge *j, const char *name)
{
    const hf_field *const f = hf_fields_find_name(j->a->fields, hf_text(name));
    return f != NULL ? f->value : hf_bytes_make(NULL, 0);
}

static bool has(hf_bytes text, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.len; i++)
        if (hf_text_same(hf_bytes_make(text.ptr + i, n), hf_text(word)))
            return true;
    return false;
}

/* A name and a value out of "name=value; name; ...". */
static bool next_pair(hf_bytes *rest, hf_bytes *name, hf_bytes *value)
{
    hf_bytes part;
    if (!hf_split(rest, ';', &part))
        return false;
    const uint8_t *const equals = part.len > 0 ? memchr(part.ptr, '=', part.len) : NULL;
    const size_t n = equals != NULL ? (size_t)(equals - part.ptr) : part.len;
    *name = hf_trim(hf_bytes_make(part.ptr, n));
    *value = equals != NULL ? hf_trim(hf_bytes_make(equals + 1, part.len - n - 1)) : hf_bytes_make(NULL, 0);
    return true;
}

/* ---- transport ------------------------------------------------------------------------------------------------ */

/* False: there is none, or it is no number. */
static bool max_age(hf_bytes value, uint64_t *age)
{
    hf_bytes name, number;
    while (value.ptr != NULL && next_pair(&value, &name, &number)) {
        if (!hf_text_same(name, hf_text("max-age")))
            continue;
        if (number.len > 1 && number.ptr[0] == '"' && number.ptr[number.len - 1] == '"')
            number = hf_bytes_make(number.ptr + 1, number.len - 2);
        return hf_parse_decimal(number, age);
    }
    return false;
}

static void judge_hsts(judge *j)
{
    static const char name[] = "Strict-Transport-Security", fix[] = "Strict-Transport-Security: max-age=31536000; includeSubDomains";
    const hf_bytes value = value_of(j, name);
    uint64_t age = 0;
    if (!j->a->secure || j->a->by_address) {
        if (value.ptr != NULL)
            say(j, HF_WEIGHT_NOTE, name, "RFC 6797 8.1: it is heeded over TLS only, and not for addresses", "send it over https, for a name",
                "browsers ignore it here");
        return;
    }
    if (value.ptr == NULL && j->a->loopback)
        return; /* a host's ports share it: for localhost it would do harm */
    if (value.ptr == NULL)
        say(j, HF_WEIGHT_WEAK, name, "RFC 6797 2.2", fix, "missing: who types the name without https:// can be intercepted on the way");
    else if (!max_age(value, &age))
        say(j, HF_WEIGHT_WRONG, name, "RFC 6797 6.1.1: max-age is required", fix, "browsers ignore it: it has no max-age");
    else if (age == 0)
        say(j, HF_WEIGHT_NOTE, name, "RFC 6797 6.1.1", NULL, "max-age=0: browsers forget that this host wants https");
    else if (age < (uint64_t)HALF_A_YEAR * DAY)
        say(j, HF_WEIGHT_WEAK, name, "RFC 6797 11.2", fix, "browsers forget it after %llu days", (unsigned long long)age / DAY);
    else
        say(j, HF_WEIGHT_FINE, name, "RFC 6797", NULL, "browsers come by https only, for %llu days%s", (unsigned long long)age / DAY,
            has(value, "includeSubDomains") ? ", to subdomains too" : "");
}

static void judge_transport(judge *j)
{
    const hf_bytes where = value_of(j, "Location"), other = value_of(j, "Alt-Svc");
    const bool moves = j->a->status >= 300 && j->a->status < 400, down = hf_starts_with(where, hf_text("http://"));
    if (j->a->secure && moves && down)
        say(j, HF_WEIGHT_WRONG, "Location", "RFC 9110 4.2.2", "redirect to https://",
            "leads from https back to http: whoever is between can read and change what follows");
    if (!j->a->secure && !j->a->loopback && !(moves && hf_starts_with(where, hf_text("https://"))))
        say(j, HF_WEIGHT_WEAK, "http://", "RFC 9110 4.2.1", "serve it over https, and redirect to that",
            "everything can be read and changed on the way");
    if (has(other, "h3=") || has(other, "h3-"))
        say(j, HF_WEIGHT_FINE, "Alt-Svc", "RFC 9114 3.1.1", NULL, "HTTP/3 is offered");
    else if (j->a->secure)
        say(j, HF_WEIGHT_NOTE, "Alt-Svc", "RFC 7838 3; RFC 9114 3.1.1", "serve HTTP/3, and say so: Alt-Svc: h3=\":443\"",
            "HTTP/3 is not offered, so that browsers do not try it");
    if (j->a->closes && j->a->version < HF_HTTP_2)
        say(j, HF_WEIGHT_NOTE, "Connection", "RFC 9112 9.3", "keep connections alive: each new one costs round trips, and leaves a port in TIME_WAIT",
            "the server closes the connection behind this answer");
}

/* ---- what a page may do --------------------------------------------------------------------------------------- */

static void judge_page(judge *j)
{
    static const char policy[] = "Content-Security-Policy";
    const hf_bytes csp = value_of(j, policy), frame = value_of(j, "X-Frame-Options"), report = value_of(j, "Content-Security-Policy-Report-Only");
    if (csp.ptr == NULL)
        say(j, HF_WEIGHT_WEAK, policy, "Content Security Policy 3",
            "begin with Content-Security-Policy-Report-Only: default-src 'self', and enforce it when nothing is reported",
            report.ptr != NULL ? "only reported, not enforced: injected script runs" : "missing: script that is injected into the page runs");
    else if (has(csp, "'unsafe-inline'") && !has(csp, "'nonce-") && !has(csp, "'sha256-"))
        say(j, HF_WEIGHT_NOTE, policy, "Content Security Policy 3", "nonces or hashes in place of 'unsafe-inline'",
            "'unsafe-inline' in it lets injected script or style run");
    else
        say(j, HF_WEIGHT_FINE, policy, "Content Security Policy 3", NULL, "what the page may load and run is bounded");
    if (frame.ptr == NULL && !has(csp, "frame-ancestors"))
        say(j, HF_WEIGHT_WEAK, "X-Frame-Options", "Content Security Policy 3 6.4.2; RFC 7034", "Content-Security-Policy: frame-ancestors 'self'",
            "missing, and no frame-ancestors either: another site can show the page in a frame and have its buttons clicked");
    if (value_of(j, "Permissions-Policy").ptr == NULL)
        say(j, HF_WEIGHT_NOTE, "Permissions-Policy", "Permissions Policy", "Permissions-Policy: camera=(), microphone=(), geolocation=()",
            "missing: what is embedded may ask for camera, microphone and place");
    if (value_of(j, "Cross-Origin-Opener-Policy").ptr == NULL)
        say(j, HF_WEIGHT_NOTE, "Cross-Origin-Opener-Policy", "HTML 7.1.3", "Cross-Origin-Opener-Policy: same-origin",
            "missing: a page that opened this one keeps a handle on its window");
}

static void judge_fields(judge *j)
{
    const hf_bytes sniff = value_of(j, "X-Content-Type-Options"), referrer = value_of(j, "Referrer-Policy"), type = value_of(j, "Content-Type");
    const hf_bytes origin = value_of(j, "Access-Control-Allow-Origin"), credentials = value_of(j, "Access-Control-Allow-Credentials");
    static const char *const tellers[] = { "Server", "X-Powered-By" };
    if (!hf_text_same(sniff, hf_text("nosniff")))
        say(j, HF_WEIGHT_WEAK, "X-Content-Type-Options", "Fetch: X-Content-Type-Options header", "X-Content-Type-Options: nosniff",
            sniff.ptr == NULL ? "missing: what a visitor uploaded as a picture may be run as script" : "\"%.*s\" means nothing; only nosniff does", HF_STR(sniff));
    if (has(referrer, "unsafe-url"))
        say(j, HF_WEIGHT_WEAK, "Referrer-Policy", "Referrer Policy 3", "Referrer-Policy: strict-origin-when-cross-origin",
            "unsafe-url tells other sites the whole URL, its query too");
    else if (referrer.ptr == NULL && j->page)
        say(j, HF_WEIGHT_NOTE, "Referrer-Policy", "Referrer Policy 3", "Referrer-Policy: strict-origin-when-cross-origin",
            "missing: how much of the URL other sites are told is up to the browser");
    if (type.ptr == NULL && j->a->body > 0)
        say(j, HF_WEIGHT_WEAK, "Content-Type", "RFC 9110 8.3", "say what it is", "missing: browsers guess");
    else if (j->page && !has(type, "charset"))
        say(j, HF_WEIGHT_NOTE, "Content-Type", "RFC 9110 8.3.2; HTML 13.2.3", "Content-Type: text/html; charset=utf-8",
            "no charset: unless the page names it early, letters come out wrong");
    /* Fetch 4.10 (CORS check): a wildcard is no match once credentials are included. */
    if (hf_bytes_equal(origin, hf_text("*")) && hf_text_same(credentials, hf_text("true"))) {
        say(j, HF_WEIGHT_WRONG, "Access-Control-Allow-Origin", "Fetch, CORS check: * does not match a request with credentials",
            "answer with the one origin that asked, and Vary: Origin",
            "* together with credentials: browsers refuse it");
        code(j, hf_err_make(HF_ERR_CORS_STAR_ALLOW_ORIGIN));
    }
    for (size_t i = 0; i < HF_COUNT(tellers); i++) {
        const hf_bytes text = value_of(j, tellers[i]);
        bool digit = false;
        for (size_t n = 0; n < text.len; n++)
            digit = digit || (text.ptr[n] >= '0' && text.ptr[n] <= '9');
        if (digit)
            say(j, HF_WEIGHT_NOTE, tellers[i], "RFC 9110 10.2.4, 17.12", "leave the version out", "\"%.*s\" tells which version to attack",
                (int)(text.len < 100 ? text.len : 100), text.ptr);
    }
}

/* ---- cookies -------------------------------------------------------------------------------------------------- */

static bool begins(hf_bytes name, const char *prefix)
{
    const size_t n = strlen(prefix);
    return name.len >= n && hf_text_same(hf_bytes_make(name.ptr, n), hf_text(prefix));
}

static void judge_cookie(judge *j, hf_bytes text)
{
    static const char subject[] = "Set-Cookie", rule[] = "RFC 6265bis 5.6, 5.7";
    static const char *const same_sites[] = { "", "Strict", "Lax", "None" };
    const hf_jar_request place = { .path = hf_text("/"), .secure = j->a->secure || j->a->loopback };
    hf_jar_cookie k = { .secure = false };
    const hf_err err = hf_cookie_judge(&place, text, (hf_wall){ 0 }, &k);
    const int n = (int)(k.name.len < 60 ? k.name.len : 60);
    const bool bare = j->a->secure && !k.secure, unsaid = k.same_site == HF_JAR_DEFAULT;
    if (err.code != 0) {
        say(j, HF_WEIGHT_WRONG, subject, hf_err_describe(err)->rule, "set it as __Host-NAME=...; Secure; HttpOnly; SameSite=Lax; Path=/",
            "%.*s: browsers drop it: %s%s", n, k.name.ptr, hf_err_describe(err)->name, err.code == HF_ERR_COOKIE_TOO_LARGE ? ": more than 4096 bytes" : "");
        code(j, err);
    } else if (bare || !k.http_only || unsaid)
        say(j, bare || !k.http_only ? HF_WEIGHT_WEAK : HF_WEIGHT_NOTE, subject, "RFC 6265bis 4.1.2",
            "Secure; HttpOnly (unless the page's script must read it); SameSite=Lax or Strict", "%.*s:%s%s%s", n, k.name.ptr,
            bare ? " no Secure: it is sent over http too." : "", k.http_only ? "" : " no HttpOnly: injected script can read it.",
            !unsaid ? "" : " no SameSite: browsers differ in when other sites' requests carry it.");
    else
        say(j, HF_WEIGHT_FINE, subject, rule, NULL, "%.*s: HttpOnly, SameSite=%s%s", n, k.name.ptr, same_sites[k.same_site], k.secure ? ", Secure" : "");
}

/* ---- time saved ----------------------------------------------------------------------------------------------- */

/* RFC 9111 4.2, 4.2.3: ", until Sun, 06 Nov 1994 08:49:37 GMT", by the clock of whoever made the answer: what is left of `seconds`. */
static const char *until(const judge *j, int64_t seconds, char text[64])
{
    const hf_bytes date = value_of(j, "Date"), age = value_of(j, "Age");
    hf_wall at;
    uint64_t old = 0;
    hf_writer w = hf_writer_make(text, 63);
    text[0] = 0;
    if (date.ptr == NULL || !hf_date_parse(date, (hf_wall){ 0 }, &at) || (age.ptr != NULL && !hf_parse_decimal(age, &old)) || seconds > INT32_MAX || old > INT32_MAX)
        return text;
    at.s += seconds - (int64_t)old;
    hf_write_text(&w, ", until ");
    hf_date_write(&w, at);
    text[w.length] = 0;
    return text;
}

static void judge_caching(judge *j)
{
    char text[64];
    static const char name[] = "Cache-Control", rule[] = "RFC 9111 4.2, 5.2.2";
    const hf_cache_control c = hf_cache_control_parse(j->a->fields);
    const bool validator = value_of(j, "ETag").ptr != NULL || value_of(j, "Last-Modified").ptr != NULL;
    if (c.no_store)
        say(j, HF_WEIGHT_FINE, name, rule, NULL, "no-store: nothing keeps it");
    else if (hf_bytes_equal(value_of(j, "Vary"), hf_text("*")))
        say(j, HF_WEIGHT_NOTE, "Vary", "RFC 9111 4.1: Vary: * always fails to match", "name the fields that it depends on", "*: kept for nothing: it is asked for each time");
    else if ((c.is_public || c.has_s_maxage) && value_of(j, "Set-Cookie").ptr != NULL)
        say(j, HF_WEIGHT_WEAK, name, "RFC 9111 7.3", "Cache-Control: private, or no Set-Cookie in what is shared",
            "shared caches may keep it, with the cookie that it sets: one visitor gets another's");
    else if (c.no_cache || (c.has_max_age && c.max_age_s == 0))
        say(j, validator ? HF_WEIGHT_FINE : HF_WEIGHT_NOTE, name, rule, validator ? NULL : "send an ETag: then 304 is enough where nothing changed",
            "kept, and asked about each time%s",
                validator ? "; 304 where nothing changed" : "; without ETag or Last-Modified it is sent whole each time");
    else if (c.has_max_age)
        say(j, HF_WEIGHT_FINE, name, rule, NULL, "browsers use it again for %u s without asking%s", c.max_age_s, until(j, c.max_age_s, text));
    else if (value_of(j, "Expires").ptr != NULL)
        say(j, HF_WEIGHT_FINE, "Expires", rule, NULL, "browsers use it again until then without asking");
    else if (j->a->status == 200 || j->a->status == 301 || j->a->status == 404)
        say(j, HF_WEIGHT_NOTE, name, "RFC 9111 4.2.2: a cache may guess",
            "Cache-Control: no-cache for pages, max-age=31536000, immutable for files whose name changes with them",
            value_of(j, "Last-Modified").ptr != NULL ? "missing: caches guess, often a tenth of the time since Last-Modified" : "missing: caches may guess how long it stays fresh");
}

static void judge_compression(judge *j)
{
    const hf_bytes coding = value_of(j, "Content-Encoding"), type = value_of(j, "Content-Type"), vary = value_of(j, "Vary");
    const bool text = begins(type, "text/") || has(type, "json") || has(type, "javascript") || has(type, "xml");
    if (coding.len > 0 && !has(vary, "Accept-Encoding") && !hf_bytes_equal(vary, hf_text("*")))
        say(j, HF_WEIGHT_WEAK, "Vary", "RFC 9110 12.5.5", "Vary: Accept-Encoding",
            "the answer is compressed, and caches are not told that others may need it plain");
    else if (coding.len > 0)
        say(j, HF_WEIGHT_FINE, "Content-Encoding", "RFC 9110 8.4", NULL, "compressed with %.*s", (int)(coding.len < 20 ? coding.len : 20),
            coding.ptr);
    else if (text && j->a->body > WORTH_COMPRESSING)
        say(j, HF_WEIGHT_NOTE, "Content-Encoding", "RFC 9110 12.5.3", "compress text: br, zstd or gzip",
            "%llu bytes of text are sent plain, although compressed ones were asked for",
            (unsigned long long)j->a->body);
}

/* ---- all ------------------------------------------------------------------------------------------------------ */

void hf_findings_sort(hf_finding *at, size_t n)
{
    for (size_t i = 1; i < n; i++) /* few, and their order among equals stays */
        for (size_t k = i; k > 0 && at[k - 1].weight < at[k].weight; k--) {
            const hf_finding other = at[k];
            at[k] = at[k - 1];
            at[k - 1] = other;
        }
}

size_t hf_findings(const hf_answer *answer, hf_finding *findings, size_t capacity)
{
    judge j = { .a = answer, .at = findings, .capacity = capacity };
    const hf_field *f = NULL;
    j.page = answer->status < 300 && begins(value_of(&j, "Content-Type"), "text/html");
    judge_transport(&j);
    judge_hsts(&j);
    if (j.page)
        judge_page(&j);
    if (answer->status < 300)
        judge_fields(&j);
    judge_caching(&j);
    if (answer->status < 300)
        judge_compression(&j);
    while ((f = hf_fields_next(answer->fields, HF_FIELD_SET_COOKIE, f)) != NULL)
        judge_cookie(&j, f->value);
    hf_findings_sort(findings, j.count);
    return j.count;
}

const char *hf_weight_name(hf_weight weight)
{
    static const char *const names[] = { "fine", "note", "weak", "wrong" };
    return names[weight];
}
