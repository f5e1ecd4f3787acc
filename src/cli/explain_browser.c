/* SPDX-License-Identifier: Apache-2.0
 *
 * explain URL --origin, --cookies: as a browser would. curl reads every answer and keeps every cookie; a browser does not, and
 * says little about it.
 */
#include <stdlib.h>
#include <time.h>

#include "calling.h"
#include "cookie_jar.h"
#include "cors_check.h"
#include "line_pool.h"
#include "public_suffix.h"
#include "text.h"
#include "words.h"

enum { FIELDS = 32, KEPT = 128, INDENT = 9, WIDTH = 100, REDIRECTS = 20 };

/* Who has the browser ask: --nav, --fetch, --iframe, --form-post. */
typedef struct journey {
    const char *option, *name; /* static */
    hf_jar_context context;    /* from another site */
    const char *mode, *dest, *method;
} journey;

static const journey journeys[] = {
    { "nav", "a link", HF_JAR_FROM_LINK, "navigate", "document", "GET" },
    { "form-post", "a form that is posted", HF_JAR_FROM_FORM, "navigate", "document", "POST" },
    { "fetch", "a script", HF_JAR_FROM_PAGE, "cors", "empty", "GET" },
    { "iframe", "a frame", HF_JAR_FROM_PAGE, "navigate", "iframe", "GET" },
};

typedef struct browser {
    hf_cli *cli;
    const hf_arguments *arguments;
    hf_dialer *dialer;
    hf_line_pool *pool;
    hf_client_url url;
    hf_cors_wish wish;
    hf_field own[FIELDS]; /* that the script sets */
    bool json, first;     /* first: no step was told yet */
    const journey *way;   /* NULL: the cookies are told for all */
    hf_client_url from;   /* the page of --from-site */
    bool same_site, same_origin;
    bool goes;            /* the cookie that is told goes with the request */
    unsigned preflight;   /* how OPTIONS was answered; 0: it was not asked */
    bool asked;           /* the request itself was */
    /* the last answer */
    uint16_t status;
    hf_field fields[KEPT];
    size_t field_count;
    char *memory;
} browser;

static bool is_on(const browser *b, const char *name)
{
    return hf_arguments_on(b->arguments, b->cli->command, name);
}

/* Browsers trust what comes from the machine itself as if it came by TLS. */
static bool is_local(const hf_client_url *url)
{
    return strcmp(url->host, "localhost") == 0 || strncmp(url->host, "127.", 4) == 0 || strcmp(url->host, "::1") == 0;
}

/* ---- telling ---------------------------------------------------------------------------------------------------- */

static void member(FILE *out, const char *name, hf_bytes value)
{
    const size_t room = 6 * value.len + 1;
    char *const text = malloc(room);
    hf_writer w = hf_writer_make(text, text != NULL ? room : 0);
    hf_write_json(&w, value);
    fprintf(out, ",\"%s\":\"%.*s\"", name, (int)w.length, text != NULL ? text : "");
    free(text);
}

static void labelled(const browser *b, const char *label, hf_bytes value)
{
    char text[1024];
    snprintf(text, sizeof text, "%.*s", value.len < 1000 ? (int)value.len : 1000, (const char *)value.ptr);
    for (char *p = text; *p != 0; p++) /* strangers wrote some of it, and a terminal obeys what it is sent */
        *p = *p < 0x20 || *p > 0x7e ? '?' : *p;
    fprintf(b->cli->out, "%*s%-9s", INDENT, "", label);
    hf_print_wrapped(b->cli->out, text, INDENT + 9, INDENT + 9, WIDTH);
}

/* One step, and its verdict; `got` and `console` may be empty. */
static void tell(browser *b, const char *step, hf_err err, hf_bytes what, hf_bytes got, hf_bytes console)
{
    FILE *const out = b->cli->out;
    const hf_err_info *const info = hf_err_describe(err);
    const bool good = err.code == 0;
    if (b->json) {
        fprintf(out, "%s\n{\"step\":\"%s\",\"ok\":%s", b->first ? "" : ",", step, good ? "true" : "false");
        member(out, "what", what);
        if (b->way != NULL && strcmp(step, "cookie") == 0)
            fprintf(out, ",\"sent\":%s", good && b->goes ? "true" : "false");
        if (!good) {
            member(out, "code", hf_text(info->id));
            member(out, "error", hf_text(info->name));
            member(out, "got", got);
            member(out, "rule", hf_text(info->rule));
            member(out, "remedy", hf_text(info->remedy));
        }
        if (console.len > 0)
            member(out, "console", console);
        fputc('}', out);
    } else {
        char text[900];
        snprintf(text, sizeof text, "%s: %.*s", step, what.len < 800 ? (int)what.len : 800, (const char *)what.ptr);
        for (char *p = text; *p != 0; p++)
            *p = *p < 0x20 || *p > 0x7e ? '?' : *p;
        const char *const colour = !b->cli->colour_out ? "" : good ? "\x1b[32m" : "\x1b[31m";
        fprintf(out, "  %s%-6s%s ", colour, good ? "ok" : "no", b->cli->colour_out ? "\x1b[0m" : "");
        hf_print_wrapped(out, text, INDENT, INDENT, WIDTH);
        if (!good) {
            labelled(b, "error", hf_text(hf_err_text(err)));
            labelled(b, "got", got.len > 0 ? got : hf_text("(nothing)"));
            labelled(b, "rule", hf_text(info->rule));
            labelled(b, "cause", hf_text(info->cause));
            labelled(b, "remedy", hf_text(info->remedy));
        }
        if (console.len > 0)
            labelled(b, "console", console);
    }
    b->first = false;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

/* Up to the head of the answer, which is kept. */
static hf_exit exchange(browser *b, hf_bytes method, hf_fields fields)
{
    const hf_time until = hf_time_after(hf_dialer_now(b->dialer), HF_SECONDS(20));
    hf_call call = { .url = &b->url, .head = { .method = hf_method_parse(method), .method_name = method, .version = HF_HTTP_1_1, .fields = fields,
        .content_length = HF_LENGTH_NONE } };
    free(b->memory);
    b->memory = NULL;
    b->field_count = 0;
    hf_line_pool_ask(b->pool, &call);
    for (;;) {
        hf_line_pool_event e;
        if (!hf_line_pool_next(b->pool, &e)) {
            if (!hf_time_before(hf_dialer_now(b->dialer), until)) {
                hf_line_pool_drop(b->pool, &call);
                fprintf(b->cli->err, "handfast explain: no answer within 20 s\n");
                return HF_EXIT_TCP;
            }
            (void)hf_dialer_wait(b->dialer, hf_time_earlier(until, hf_line_pool_wake(b->pool)), -1);
        } else if (e.kind == HF_LINE_POOL_FAILED) {
            fprintf(b->cli->err, "handfast explain: %s\n", e.words);
            return e.stage != HF_LINE_OPEN ? hf_calling_layer_of(e.stage) : e.lost ? HF_EXIT_TCP : HF_EXIT_HTTP;
        } else if (e.kind == HF_LINE_POOL_HEAD && e.answer.head.status >= 200) {
            b->status = e.answer.head.status;
            const bool good = hf_calling_keep_fields(e.answer.head.fields, b->fields, KEPT, &b->field_count, &b->memory);
            hf_line_pool_drop(b->pool, &call);
            return good ? HF_EXIT_OK : hf_cli_failed(b->cli, "out of memory");
        }
    }
}

static hf_fields answer_of(const browser *b)
{
    return (hf_fields){ b->fields, b->field_count };
}

/* ---- CORS ------------------------------------------------------------------------------------------------------- */

static void write_number(hf_writer *w, const char *before, unsigned status)
{
    char text[64];
    snprintf(text, sizeof text, "%s%u", before, status);
    hf_write_text(w, text);
}

/* What curl makes of it, and what a browser does. `err`: why the script may not read the answer. */
static void tell_side_by_side(browser *b, hf_err err)
{
    char texts[2][400];
    hf_writer curl = hf_writer_make(texts[0], sizeof texts[0]), there = hf_writer_make(texts[1], sizeof texts[1]);
    const hf_bytes method = hf_cors_method(b->wish.method);
    hf_write(&curl, method);
    hf_write_text(&curl, " at once");
    if (b->asked)
        write_number(&curl, ", answered ", b->status);
    hf_write_text(&curl, b->asked ? ": it reads all of it" : ": it would read whatever is answered");
    hf_write_text(&curl, ", and ignores Access-Control-Allow-*");
    if (b->preflight != 0)
        write_number(&there, b->asked ? "OPTIONS first, answered " : "OPTIONS, answered ", b->preflight);
    hf_write_text(&there, b->preflight == 0 ? "" : b->asked ? "; then " : "; ");
    hf_write(&there, method);
    if (b->asked) {
        hf_write_text(&there, b->wish.credentials ? " with cookies" : " without cookies");
        write_number(&there, ", answered ", b->status);
    }
    hf_write_text(&there, err.code == 0 ? ": the script may read it" : b->asked ? ": the server has acted on it, and the script gets a TypeError" : " is not sent, and the script gets a TypeError");
    if (b->json) {
        fprintf(b->cli->out, ",\n{\"step\":\"side by side\",\"ok\":true");
        member(b->cli->out, "curl", hf_written(&curl));
        member(b->cli->out, "browser", hf_written(&there));
        fputc('}', b->cli->out);
        return;
    }
    fprintf(b->cli->out, "\n  curl ignores it, the browser does not:\n");
    labelled(b, "curl", hf_written(&curl));
    labelled(b, "browser", hf_written(&there));
}

static hf_exit block(browser *b, const char *step, hf_err err, hf_bytes what, hf_bytes got, bool preflight)
{
    char console[2048];
    hf_writer w = hf_writer_make(console, sizeof console);
    if (err.code != HF_ERR_CORS_MIXED_CONTENT && err.code != HF_ERR_CLIENT_REDIRECTS)
        hf_cors_write_console(&w, hf_text(b->arguments->operands[0]), &b->wish, preflight, err, got);
    tell(b, step, err, what, got, hf_written(&w));
    tell_side_by_side(b, err);
    return HF_EXIT_POLICY;
}

static hf_exit preflight(browser *b, hf_bytes why)
{
    char names[2048], what[400];
    hf_writer w = hf_writer_make(names, sizeof names);
    hf_bytes got;
    hf_cors_write_request_headers(&b->wish, &w);
    hf_field fields[6] = { { HF_LITERAL("Host"), b->url.authority, HF_FIELD_HOST }, { HF_LITERAL("Accept"), HF_LITERAL("*/*"), HF_FIELD_ACCEPT },
        { HF_LITERAL("Origin"), b->wish.origin, hf_field_identify(hf_text("origin")) },
        { HF_LITERAL("Access-Control-Request-Method"), hf_cors_method(b->wish.method), HF_FIELD_OTHER },
        { HF_LITERAL("Sec-Fetch-Mode"), HF_LITERAL("cors"), HF_FIELD_OTHER },
        { HF_LITERAL("Access-Control-Request-Headers"), hf_written(&w), HF_FIELD_OTHER } };
    const hf_exit failed = exchange(b, hf_text("OPTIONS"), (hf_fields){ fields, w.length > 0 ? 6 : 5 });
    if (failed != HF_EXIT_OK)
        return failed;
    b->preflight = b->status;
    snprintf(what, sizeof what, "needed because of %.*s; OPTIONS is answered %u", why.len < 100 ? (int)why.len : 100, (const char *)why.ptr, b->status);
    const hf_err err = hf_cors_check_preflight(&b->wish, b->status, answer_of(b), &got);
    if (err.code != 0)
        return block(b, "preflight", err, hf_text(what), got, true);
    snprintf(what + strlen(what), sizeof what - strlen(what), ", and allows it for %llu s", (unsigned long long)hf_cors_max_age(answer_of(b)));
    tell(b, "preflight", HF_OK, hf_text(what), hf_text(""), hf_text(""));
    return HF_EXIT_OK;
}

/* What scripts cannot set is left out, in silence; here it is said. */
static void tell_forbidden(browser *b)
{
    char what[300];
    for (size_t i = 0; i < b->wish.fields.count; i++)
        if (hf_cors_is_forbidden(b->own[i].name)) {
            snprintf(what, sizeof what, "%.*s: scripts cannot set it: browsers drop it in silence", b->own[i].name.len < 60 ? (int)b->own[i].name.len : 60,
                     (const char *)b->own[i].name.ptr);
            tell(b, "header", HF_OK, hf_text(what), hf_text(""), hf_text(""));
        }
}

/* "https://host[:port]" */
static void write_origin(const hf_client_url *url, char text[300])
{
    snprintf(text, 300, "http%s://%.*s", url->secure ? "s" : "", HF_STR(url->authority));
}

/* Where the answer leads; Fetch 4.5 (HTTP-redirect fetch). False: nowhere. */
static bool redirect(browser *b, char next[HF_CLIENT_URL_BYTES])
{
    static hf_client_url other; /* large */
    char here[300], there[300];
    const hf_field *const where = hf_fields_find(answer_of(b), HF_FIELD_LOCATION);
    const bool moves = b->status == 301 || b->status == 302 || b->status == 303 || b->status == 307 || b->status == 308;
    if (!moves || where == NULL || !hf_client_url_join(&b->url, where->value, next, HF_CLIENT_URL_BYTES) || hf_client_url_parse(next, &other) != NULL || other.live)
        return false;
    write_origin(&b->url, here);
    write_origin(&other, there);
    /* "If request's origin is not same origin with request's current URL's origin and locationURL's origin is not same origin with
     * request's current URL's origin": then it is opaque, and sent as null. */
    if (strcmp(here, there) != 0 && !hf_bytes_equal(b->wish.origin, hf_text(here)))
        b->wish.origin = hf_text("null");
    if (b->status == 303 || (b->status <= 302 && hf_bytes_equal(hf_cors_method(b->wish.method), hf_text("POST"))))
        b->wish.method = hf_text("GET");
    (void)hf_client_url_parse(next, &b->url);
    return true;
}

/* Preflight, if it is needed, and the request itself. */
static hf_exit ask_once(browser *b)
{
    char what[300];
    hf_bytes why, got;
    hf_exit failed = HF_EXIT_OK;
    if (hf_cors_needs_preflight(&b->wish, &why))
        failed = preflight(b, why);
    else
        tell(b, "preflight", HF_OK, hf_text("none is needed: a form could ask the same"), hf_text(""), hf_text(""));
    if (failed != HF_EXIT_OK)
        return failed;
    hf_field fields[FIELDS + 4] = { { HF_LITERAL("Host"), b->url.authority, HF_FIELD_HOST },
        { HF_LITERAL("Origin"), b->wish.origin, hf_field_identify(hf_text("origin")) }, { HF_LITERAL("Sec-Fetch-Mode"), HF_LITERAL("cors"), HF_FIELD_OTHER } };
    size_t n = 3;
    for (size_t i = 0; i < b->wish.fields.count; i++)
        if (!hf_cors_is_forbidden(b->own[i].name))
            fields[n++] = b->own[i];
    failed = exchange(b, hf_cors_method(b->wish.method), (hf_fields){ fields, n });
    if (failed != HF_EXIT_OK)
        return failed;
    b->asked = true;
    snprintf(what, sizeof what, "%.*s is answered %u", HF_STR(hf_cors_method(b->wish.method)), b->status);
    const hf_err err = hf_cors_check(&b->wish, answer_of(b), &got);
    return err.code != 0 ? block(b, "answer", err, hf_text(what), got, false) : HF_EXIT_OK;
}

static hf_exit explain_cors(browser *b)
{
    static char next[HF_CLIENT_URL_BYTES];
    char what[600], own[300];
    write_origin(&b->url, own);
    if (hf_bytes_equal(b->wish.origin, hf_text(own))) {
        tell(b, "origin", HF_OK, hf_text("the page and the URL have the same origin: CORS does not apply"), hf_text(""), hf_text(""));
        return HF_EXIT_OK;
    }
    const bool secure = hf_starts_with(b->wish.origin, hf_text("https://"));
    tell_forbidden(b);
    for (unsigned hops = 0; hops <= REDIRECTS; hops++) {
        write_origin(&b->url, own);
        b->asked = false;
        b->preflight = 0;
        if (secure && !b->url.secure && !is_local(&b->url))
            return block(b, "mixed content", hf_err_make(HF_ERR_CORS_MIXED_CONTENT), hf_text("a page of https asks http"), hf_text(own), false);
        const hf_exit failed = ask_once(b);
        if (failed != HF_EXIT_OK)
            return failed;
        const unsigned status = b->status;
        if (!redirect(b, next)) {
            snprintf(what, sizeof what, "%.*s is answered %u, and the script may read it", HF_STR(hf_cors_method(b->wish.method)), status);
            tell(b, "answer", HF_OK, hf_text(what), hf_text(""), hf_text(""));
            tell_side_by_side(b, HF_OK);
            return HF_EXIT_OK;
        }
        snprintf(what, sizeof what, "%u leads to %.400s; from there on Origin is %.*s", status, next, HF_STR(b->wish.origin));
        tell(b, "redirect", HF_OK, hf_text(what), hf_text(""), hf_text(""));
    }
    return block(b, "redirect", hf_err_make(HF_ERR_CLIENT_REDIRECTS), hf_text("more than 20"), hf_text(next), false);
}

/* ---- cookies ---------------------------------------------------------------------------------------------------- */

/* With which requests it goes back. */
static void write_journeys(hf_writer *w, const hf_jar_cookie *c, hf_jar_request q)
{
    static const char *const from[] = { "the site's own pages", "links on other sites", "forms of other sites", "fetches, images and frames of other sites" };
    size_t n = 0;
    for (unsigned i = 0; i < HF_COUNT(from); i++) {
        q.context = (hf_jar_context)i;
        if (hf_jar_judge(c, &q).code != 0)
            continue;
        hf_write_text(w, n++ > 0 ? "; " : "kept; sent with requests of ");
        hf_write_text(w, from[i]);
    }
    if (n == 0)
        hf_write_text(w, "kept, and not sent to this URL");
    hf_write_text(w, c->host_only ? "; to this host alone" : "; to ");
    if (!c->host_only) {
        hf_write(w, c->domain);
        hf_write_text(w, " and all below it");
    }
    hf_write_text(w, c->persistent ? "" : "; until the browser closes");
}

/* What a browser says of itself (Fetch Metadata): CSRF guards decide by it, and curl sends none of it. */
static size_t add_metadata(const browser *b, hf_field *fields, size_t n)
{
    if (b->way == NULL)
        return n;
    fields[n++] = (hf_field){ HF_LITERAL("Sec-Fetch-Site"), hf_text(b->same_origin ? "same-origin" : b->same_site ? "same-site" : "cross-site"), HF_FIELD_OTHER };
    fields[n++] = (hf_field){ HF_LITERAL("Sec-Fetch-Mode"), hf_text(b->way->mode), HF_FIELD_OTHER };
    fields[n++] = (hf_field){ HF_LITERAL("Sec-Fetch-Dest"), hf_text(b->way->dest), HF_FIELD_OTHER };
    return n;
}

static void tell_metadata(browser *b)
{
    char what[600];
    const bool origin = !b->same_origin && (b->way->context == HF_JAR_FROM_FORM || strcmp(b->way->mode, "cors") == 0);
    snprintf(what, sizeof what, "%s of %s%.*s is %s: a browser sends Sec-Fetch-Site: %s, Sec-Fetch-Mode: %s, Sec-Fetch-Dest: %s%s; curl sends none of it",
             b->way->name, b->from.secure ? "https://" : "http://", HF_STR(b->from.authority),
             b->same_site ? "of the same site" : "of another site", b->same_origin ? "same-origin" : b->same_site ? "same-site" : "cross-site", b->way->mode, b->way->dest,
             origin ? ", and Origin" : "");
    tell(b, "metadata", HF_OK, hf_text(what), hf_text(""), hf_text(""));
}

/* Does it go with the request of this way? Fills `what`. */
static hf_err judge_way(browser *b, const hf_jar_cookie *kept, hf_jar_request place, bool set_there, hf_writer *w)
{
    place.context = b->same_site ? HF_JAR_FROM_SAME_SITE : b->way->context;
    const hf_err err = hf_jar_judge(kept, &place);
    b->goes = err.code == 0;
    hf_write_text(w, "kept when the site itself sets it");
    hf_write_text(w, set_there ? "" : ", dropped when this request does");
    hf_write_text(w, b->goes ? "; sent with this request" : "; kept back from this request");
    if (b->goes && !b->same_site && b->way->context == HF_JAR_FROM_PAGE)
        hf_write_text(w, ", unless the browser keeps cookies of third parties back");
    if (!b->goes && b->way->context == HF_JAR_FROM_FORM && kept->same_site == HF_JAR_DEFAULT && err.code == HF_ERR_COOKIE_SAME_SITE)
        hf_write_text(w, " (Chromium sends it with a form for two minutes after it was set)");
    return err;
}

static bool find_kept(const hf_jar *jar, const hf_jar_cookie *said, hf_jar_cookie *kept)
{
    for (size_t at = 0; hf_jar_next(jar, &at, kept);)
        if (hf_bytes_equal(kept->name, said->name) && hf_bytes_equal(kept->value, said->value))
            return true;
    return false;
}

/* One Set-Cookie; HF_OK: a browser keeps it, and sends it where --nav or another asks that. */
static hf_err tell_cookie(browser *b, hf_jar *jar, const hf_jar_request *place, hf_bytes value)
{
    hf_jar_cookie said, kept;
    char what[900];
    hf_writer w = hf_writer_make(what, sizeof what);
    const hf_wall now = { (int64_t)time(NULL) };
    hf_jar_request there = *place;
    there.context = b->way != NULL && !b->same_site ? b->way->context : HF_JAR_FROM_SAME_SITE;
    const bool set_there = hf_cookie_judge(&there, value, now, &said).code == 0;
    hf_err err = hf_jar_receive(jar, place, value, now, &said);
    const bool found = err.code == 0 && find_kept(jar, &said, &kept);
    b->goes = false;
    hf_write(&w, hf_bytes_make(said.name.ptr, said.name.len < 70 ? said.name.len : 70));
    hf_write_text(&w, ": ");
    if (err.code != 0)
        hf_write_text(&w, "browsers drop it, and say nothing; curl keeps it or not by rules of its own");
    else if (!found)
        hf_write_text(&w, "deleted: it has expired");
    else if (b->way != NULL)
        err = judge_way(b, &kept, *place, set_there, &w);
    else
        write_journeys(&w, &kept, *place);
    tell(b, "cookie", err, hf_written(&w), value, hf_text(""));
    return err;
}

static hf_exit explain_cookies(browser *b)
{
    static const hf_jar_options options = { .is_public_suffix = hf_public_suffix_is };
    hf_field fields[8] = { { HF_LITERAL("Host"), b->url.authority, HF_FIELD_HOST }, { HF_LITERAL("Accept"), HF_LITERAL("text/html, */*;q=0.9"), HF_FIELD_ACCEPT } };
    const hf_exit failed = exchange(b, hf_text("GET"), (hf_fields){ fields, add_metadata(b, fields, 2) });
    if (failed != HF_EXIT_OK)
        return failed;
    hf_jar *const jar = hf_jar_new(hf_dialer_env(b->dialer), &options);
    const hf_jar_request place = { .host = hf_text(b->url.host), .path = b->url.target, .secure = b->url.secure || is_local(&b->url) };
    const hf_field *f = NULL;
    hf_exit result = jar != NULL ? HF_EXIT_OK : HF_EXIT_FAILED;
    size_t count = 0;
    if (b->way != NULL)
        tell_metadata(b);
    for (; jar != NULL && (f = hf_fields_next(answer_of(b), HF_FIELD_SET_COOKIE, f)) != NULL; count++)
        if (tell_cookie(b, jar, &place, f->value).code != 0)
            result = HF_EXIT_POLICY;
    if (count == 0 && result == HF_EXIT_OK)
        tell(b, "cookie", HF_OK, hf_text("none is set"), hf_text(""), hf_text(""));
    hf_jar_free(jar);
    return result;
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static hf_exit take_wish(browser *b)
{
    const hf_given *const origin = hf_arguments_find(b->arguments, "origin"), *const method = hf_arguments_find(b->arguments, "method"),
        *const mode = hf_arguments_find(b->arguments, "credentials");
    static hf_client_url page; /* large */
    b->wish = (hf_cors_wish){ .origin = hf_text(origin->value), .method = hf_text(method != NULL ? method->value : "GET"), .credentials = mode != NULL && (mode->value == NULL || strcmp(mode->value, "include") == 0) };
    const bool null = strcmp(origin->value, "null") == 0;
    if (!null && (hf_client_url_parse(origin->value, &page) != NULL || page.live || strlen(strstr(origin->value, "://") + 3) != page.authority.len))
        return hf_cli_misuse(b->cli, "--origin %s: write it as browsers do: https://app.example, without a path", origin->value);
    for (size_t i = 0; i < b->arguments->given_count; i++)
        if (strcmp(b->arguments->given[i].option->name, "header") == 0) {
            const hf_exit bad = b->wish.fields.count < FIELDS ? hf_calling_read_header(b->cli, b->arguments->given[i].value, &b->own[b->wish.fields.count])
                                                              : hf_cli_misuse(b->cli, "more than %d fields", FIELDS);
            if (bad != HF_EXIT_OK)
                return bad;
            b->wish.fields = (hf_fields){ b->own, b->wish.fields.count + 1 };
        }
    return HF_EXIT_OK;
}

/* HTML 7.1.1: same site: the scheme, and the registrable domain. */
static hf_exit take_way(browser *b)
{
    const hf_given *const from = hf_arguments_find(b->arguments, "from-site");
    size_t count = 0;
    for (size_t i = 0; i < HF_COUNT(journeys); i++)
        if (is_on(b, journeys[i].option)) {
            b->way = &journeys[i];
            count++;
        }
    if (count > 1)
        return hf_cli_misuse(b->cli, "only one of --nav, --fetch, --iframe and --form-post");
    if (count == 0)
        return from == NULL ? HF_EXIT_OK : hf_cli_misuse(b->cli, "--from-site says whose page it is: --nav, --fetch, --iframe or --form-post says how it asks");
    if (!is_on(b, "cookies"))
        return hf_cli_misuse(b->cli, "--%s goes with --cookies", b->way->option);
    char text[300];
    snprintf(text, sizeof text, "%s%s", from == NULL || strstr(from->value, "://") != NULL ? "" : "https://", from != NULL ? from->value : "https://another-site.example");
    if (hf_client_url_parse(text, &b->from) != NULL || b->from.live)
        return hf_cli_misuse(b->cli, "--from-site %s: a host, or https://host", from != NULL ? from->value : "");
    b->same_site = b->from.secure == b->url.secure && hf_bytes_equal(hf_public_suffix_site(hf_text(b->from.host)), hf_public_suffix_site(hf_text(b->url.host)));
    b->same_origin = b->same_site && b->from.port == b->url.port && strcmp(b->from.host, b->url.host) == 0;
    return HF_EXIT_OK;
}

int hf_explain_browser(hf_cli *cli, const hf_arguments *arguments)
{
    static browser b; /* large */
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text);
    const hf_given *const roots = hf_arguments_find(arguments, "roots");
    b = (browser){ .cli = cli, .arguments = arguments, .first = true };
    b.json = is_on(&b, "json");
    (void)hf_client_url_parse(arguments->operands[0], &b.url); /* was looked at */
    const bool cors = hf_arguments_find(arguments, "origin") != NULL;
    hf_exit result = cors ? take_wish(&b) : HF_EXIT_OK;
    if (result == HF_EXIT_OK)
        result = take_way(&b);
    if (result != HF_EXIT_OK)
        return result;
    const hf_dialer_options options = { .roots = roots != NULL ? roots->value : NULL, .insecure = is_on(&b, "insecure") };
    const hf_line_pool_options pool = { .tries = 1 };
    b.dialer = hf_dialer_new(&options, &why);
    b.pool = b.dialer != NULL ? hf_line_pool_new(b.dialer, &pool) : NULL;
    if (b.pool == NULL) {
        hf_dialer_free(b.dialer);
        return hf_cli_failed(cli, "%.*s", HF_STR(hf_written(&why)));
    }
    if (b.json)
        fputs("[", cli->out);
    if (cors)
        result = explain_cors(&b);
    if (result == HF_EXIT_OK && is_on(&b, "cookies"))
        result = explain_cookies(&b);
    if (b.json)
        fputs("\n]\n", cli->out);
    hf_line_pool_free(b.pool);
    hf_dialer_free(b.dialer);
    free(b.memory);
    return result;
}
