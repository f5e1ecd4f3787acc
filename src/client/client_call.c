/* SPDX-License-Identifier: Apache-2.0
 *
 * One request of handfast/client.h: checked, copied, asked, led on by redirects, and heard.
 */
#include <stdarg.h>
#include <stdio.h>

#include <handfast/version.h>

#include "alloc.h"
#include "client_core.h"
#include "https_record.h"
#include "token.h"

#define PATIENCE_NS HF_SECONDS(60)
enum { BODY_MOST = 16 << 20 };

hf_err hf_client_call_refuse(hf_client *c, hf_err err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->why, sizeof c->why, format, arguments);
    va_end(arguments);
    return err;
}

#define MISUSE(c, ...) hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_USAGE), __VA_ARGS__)

/* ---- the request -------------------------------------------------------------------------------------------- */

/* RFC 9110 7.6.1 and 10.1.1: how the message is framed and the connection kept is ours to say. */
static bool is_of_connection(const hf_field *f)
{
    static const char *const names[] = { "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "upgrade", "te", "trailer", "expect" };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        if (hf_text_same(f->name, hf_text(names[i])))
            return true;
    return false;
}

static hf_err check_fields(hf_client *c, const hf_client_request *r)
{
    if (r->field_count > HF_CLIENT_FIELDS)
        return MISUSE(c, "at most %d fields", HF_CLIENT_FIELDS);
    for (size_t i = 0; i < r->field_count; i++) {
        const hf_field *const f = &r->fields[i];
        if (!hf_is_token(f->name) || !hf_is_field_value(f->value))
            return MISUSE(c, "fields[%zu]: \"%.*s\" is no field's name, or its value none (RFC 9110 5.1, 5.5)", i, f->name.len < 64 ? (int)f->name.len : 64,
                          (const char *)f->name.ptr);
        if (is_of_connection(f))
            return MISUSE(c, "fields[%zu]: %.*s is the connection's own", i, HF_STR(f->name));
        if (r->content_type != NULL && hf_text_same(f->name, hf_text("content-type")))
            return MISUSE(c, "fields[%zu] and content_type both say what the body is (RFC 9110 8.3: one field)", i);
    }
    return r->content_type == NULL || hf_is_field_value(hf_text(r->content_type)) ? HF_OK : MISUSE(c, "content_type is no value of a field");
}

static hf_err check(hf_client *c, const hf_client_request *r)
{
    const hf_version v = r->version;
    if (r->url == NULL)
        return MISUSE(c, "there is no url");
    if (r->method != NULL && (!hf_is_token(hf_text(r->method)) || strcmp(r->method, "CONNECT") == 0))
        return MISUSE(c, "method: \"%.40s\" is none that can be asked", r->method);
    if (r->source != NULL && r->body.len > 0)
        return MISUSE(c, "a body comes from `body` or from `source`");
    if (r->source == NULL && (r->rewind != NULL || r->length != 0))
        return MISUSE(c, "rewind and length are of `source`, and there is none");
    if (r->body.len > 0 && r->body.ptr == NULL)
        return MISUSE(c, "body has a length and no bytes");
    if (r->length < 0)
        return MISUSE(c, "length is a number of bytes, 0 or more");
    if (v != 0 && v != HF_HTTP_1_0 && v != HF_HTTP_1_1 && v != HF_HTTP_2 && v != HF_HTTP_3)
        return MISUSE(c, "version: there is no HTTP %d", v);
    if (v == HF_HTTP_1_0 && r->source != NULL && r->length == 0)
        return MISUSE(c, "HTTP/1.0 wants to know how long a body is (RFC 1945 7.2.2)");
    if (r->piece != NULL && r->body_most != 0)
        return MISUSE(c, "body_most bounds what is kept, and `piece` takes it all");
    return check_fields(c, r);
}

static bool copy_text(hf_client_call *k, const char **text)
{
    if (*text != NULL)
        *text = (const char *)hf_arena_copy(&k->arena, hf_text(*text)).ptr;
    return *text != NULL;
}

static bool copy_fields(hf_arena *a, hf_fields from, hf_fields *to)
{
    hf_field *const kept = hf_arena_get(a, (from.count + 1) * sizeof *kept);
    for (size_t i = 0; kept != NULL && i < from.count; i++) {
        const hf_field *const f = &from.at[i];
        kept[i] = (hf_field){ .name = hf_arena_copy(a, f->name), .value = hf_arena_copy(a, f->value), .id = hf_field_identify(f->name) };
        if (kept[i].name.ptr == NULL || kept[i].value.ptr == NULL)
            return false;
    }
    *to = (hf_fields){ kept, kept != NULL ? from.count : 0 };
    return kept != NULL;
}

static hf_step read_source(void *self, hf_span room, size_t *n)
{
    hf_client_call *const k = self;
    const bool before = k->client->turning;
    *n = 0;
    k->client->turning = k->telling = true; /* it must not come back here */
    const hf_step s = k->request.source(k->request.context, room.ptr, room.len, n);
    k->client->turning = before;
    k->telling = false;
    k->source_read = true;
    if (k->dropped)
        return HF_FAULT;
    k->client->idle_source = k->client->idle_source || s == HF_IDLE;
    if ((s == HF_EVENT && (*n == 0 || *n > room.len)) || s == HF_FULL)
        return HF_FAULT;
    k->answer.sent += s == HF_EVENT ? *n : 0;
    return s;
}

static bool rewind_source(void *self)
{
    hf_client_call *const k = self;
    if (k->dropped)
        return false;
    if (k->source_read && (k->request.rewind == NULL || !k->request.rewind(k->request.context)))
        return false;
    k->source_read = false;
    k->answer.sent = 0;
    return true;
}

static bool is(hf_bytes method, const char *name)
{
    return hf_bytes_equal(method, hf_text(name));
}

/* Copies the request, and all that it points to but the body. */
static bool keep_request(hf_client_call *k, const hf_client_request *r)
{
    const bool content = r->body.len > 0 || r->source != NULL;
    hf_fields fields;
    k->request = *r;
    k->request.method = r->method != NULL ? r->method : content ? "POST" : "GET";
    if (!copy_text(k, &k->request.url) || !copy_text(k, &k->request.method) || (r->content_type != NULL && !copy_text(k, &k->request.content_type)) ||
        !copy_fields(&k->arena, (hf_fields){ r->fields, r->field_count }, &fields))
        return false;
    k->request.fields = fields.at;
    k->method = hf_text(k->request.method);
    k->has_body = content || is(k->method, "POST") || is(k->method, "PUT") || is(k->method, "PATCH"); /* RFC 9110 8.6: these say so, were it empty */
    k->source = (hf_body_source){ .read = read_source, .rewind = rewind_source, .self = k };
    for (size_t i = 0; i < fields.count; i++) {
        const hf_field_id id = fields.at[i].id;
        k->secret[i] = id == HF_FIELD_AUTHORIZATION || id == HF_FIELD_COOKIE || id == HF_FIELD_HOST || hf_text_same(fields.at[i].name, hf_text("proxy-authorization"));
        k->has_host = k->has_host || id == HF_FIELD_HOST;
        k->has_agent = k->has_agent || hf_text_same(fields.at[i].name, hf_text("user-agent"));
        k->has_accept = k->has_accept || hf_text_same(fields.at[i].name, hf_text("accept"));
    }
    return true;
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

static hf_jar_request place_of(const hf_client_call *k)
{
    const hf_bytes host = hf_text(k->at.host);
    const bool local = hf_bytes_equal(host, hf_text("localhost")) || hf_ends_with(host, hf_text(".localhost"));
    return (hf_jar_request){ .host = host, .path = k->at.target, .secure = k->at.secure || local };
}

static void add(hf_client_call *k, size_t *n, const char *name, hf_bytes value)
{
    k->sent[(*n)++] = (hf_field){ hf_text(name), value, hf_field_identify(hf_text(name)) };
}

static void add_cookies(hf_client_call *k, size_t *n)
{
    const hf_jar_request place = place_of(k);
    hf_writer w = hf_writer_make(k->cookies, sizeof k->cookies);
    if (k->client->jar == NULL || hf_jar_write_cookies(k->client->jar, &place, hf_dialer_wall(k->client->dialer), &w) == 0)
        return;
    for (size_t i = 0; i < *n; i++)
        if (k->sent[i].id == HF_FIELD_COOKIE) { /* one field (RFC 6265 5.4), the user's own behind */
            hf_write_text(&w, "; ");
            hf_write(&w, k->sent[i].value);
            if (!w.overflowed)
                k->sent[i].value = hf_written(&w);
            return;
        }
    add(k, n, "Cookie", hf_written(&w));
}

static hf_fields fields_for(hf_client_call *k)
{
    const bool stranger = k->first_at.secure != k->at.secure || k->first_at.port != k->at.port || strcmp(k->first_at.host, k->at.host) != 0;
    size_t n = 0;
    if (!k->has_host || stranger)
        add(k, &n, "Host", k->at.authority);
    for (size_t i = 0; i < k->request.field_count; i++)
        if (!(stranger && k->secret[i]) && (k->has_body || k->request.fields[i].id != HF_FIELD_CONTENT_TYPE))
            k->sent[n++] = k->request.fields[i];
    if (k->has_body && k->request.content_type != NULL)
        add(k, &n, "Content-Type", hf_text(k->request.content_type));
    if (!k->has_agent)
        add(k, &n, "User-Agent", hf_text("handfast/" HF_VERSION));
    if (!k->has_accept)
        add(k, &n, "Accept", hf_text("*/*"));
    add_cookies(k, &n);
    return (hf_fields){ k->sent, n };
}

static void ask(hf_client_call *k)
{
    const hf_client_request *const r = &k->request;
    const hf_fields fields = fields_for(k);
    const hf_field *const host = hf_fields_find(fields, HF_FIELD_HOST);
    const int64_t length = !k->has_body ? HF_LENGTH_NONE : r->source == NULL ? (int64_t)r->body.len : r->length > 0 ? r->length : HF_LENGTH_UNKNOWN;
    k->call = (hf_call){ .url = &k->at, .version = r->version, .user = k, .source = k->has_body && r->source != NULL ? &k->source : NULL,
        .body = k->has_body ? r->body : hf_bytes_make(NULL, 0),
        .head = { .method = hf_method_parse(k->method), .method_name = k->method, .version = r->version == HF_HTTP_1_0 ? HF_HTTP_1_0 : HF_HTTP_1_1,
            .authority = host->value, .fields = fields, .content_length = length } };
    k->moved = false;
    k->answer.url = k->url;
    if (r->version == HF_HTTP_3)
        hf_line_pool_offer_quic(k->client->pool, &k->at, k->at.port);
    hf_line_pool_ask(k->client->pool, &k->call);
    k->client->stirred = true;
}

hf_err hf_client_begin(hf_client *c, const hf_client_request *r, hf_client_call **call)
{
    *call = NULL;
    if (c->pool == NULL)
        return MISUSE(c, "the client was not opened");
    const hf_err bad = check(c, r);
    if (bad.code != 0)
        return bad;
    const hf_allocator *const alloc = &hf_dialer_env(c->dialer)->alloc;
    hf_client_call *const k = hf_alloc_zeroed(alloc, sizeof *k);
    if (k == NULL)
        return hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_MEMORY), "out of memory");
    k->client = c;
    k->next = c->calls;
    if (k->next != NULL)
        k->next->previous = k;
    c->calls = k;
    hf_arena_init(&k->arena, alloc, SIZE_MAX);
    hf_arena_init(&k->heads, alloc, SIZE_MAX);
    hf_queue_init(&k->body, alloc);
    c->under_way++;
    k->answer = (hf_client_answer){ .words = k->words, .layer = HF_CLIENT_REQUEST };
    k->began = hf_dialer_now(c->dialer);
    k->until = r->patience_ns < 0 ? HF_NEVER : hf_time_after(k->began, r->patience_ns > 0 ? r->patience_ns : PATIENCE_NS);
    const char *const wrong = hf_client_url_parse(r->url, &k->first_at);
    hf_err err = HF_OK;
    if (wrong != NULL || k->first_at.live)
        err = hf_client_call_refuse(c, hf_err_make(HF_ERR_CLIENT_URL), "%.300s: %s", r->url, wrong != NULL ? wrong : "it does not begin with http:// or https://");
    else if (!keep_request(k, r))
        err = hf_client_call_refuse(c, hf_err_make(HF_ERR_BASE_MEMORY), "out of memory");
    if (err.code != 0) {
        hf_client_call_free(k);
        return err;
    }
    (void)hf_client_url_parse(k->request.url, &k->at);
    snprintf(k->url, sizeof k->url, "%s", k->request.url);
    ask(k);
    *call = k;
    return HF_OK;
}

/* ---- ending ------------------------------------------------------------------------------------------------- */

/* Nothing more is told of it. */
static void abandon(hf_client_call *k)
{
    if (k->over)
        return;
    hf_line_pool_drop(k->client->pool, &k->call);
    k->over = true;
    k->client->under_way--;
    k->client->stirred = true; /* it makes room for others */
}

void hf_client_call_free(hf_client_call *k)
{
    hf_client *const c = k->client;
    abandon(k);
    if (k->previous != NULL)
        k->previous->next = k->next;
    else
        c->calls = k->next;
    if (k->next != NULL)
        k->next->previous = k->previous;
    c->asked = c->asked == k ? NULL : c->asked;
    hf_arena_fini(&k->arena);
    hf_arena_fini(&k->heads);
    hf_queue_fini(&k->body);
    hf_free(&hf_dialer_env(c->dialer)->alloc, k, sizeof *k);
}

/* It was dropped, and no function of the user's runs for it. */
static void let_go(hf_client_call *k)
{
    if (k->pinned)
        abandon(k);
    else
        hf_client_call_free(k);
}

void hf_client_drop(hf_client_call *k)
{
    if (k == NULL)
        return;
    k->dropped = true;
    if (!k->telling)
        let_go(k);
}

/* The exchange is over, or was given up. k may be gone afterwards. */
static void end(hf_client_call *k, hf_err err, const char *words)
{
    const hf_span body = hf_queue_peek(&k->body);
    k->over = true;
    k->client->under_way--;
    k->client->stirred = true; /* others may have their turn */
    k->answer.err = err;
    k->answer.body = hf_bytes_make(body.ptr, body.len);
    k->answer.took_ns = hf_dialer_now(k->client->dialer).ns - k->began.ns;
    snprintf(k->words, sizeof k->words, "%s", words);
    if (k->request.done != NULL && !k->dropped) {
        k->telling = true;
        k->request.done(k->request.context, k, &k->answer);
        k->telling = false;
    }
    if (k->dropped)
        let_go(k);
}

void hf_client_call_give_up(hf_client_call *k, hf_err err, const char *words)
{
    hf_line_pool_drop(k->client->pool, &k->call);
    end(k, err, words);
}

static void give_up(hf_client_call *k, int32_t code)
{
    hf_client_call_give_up(k, hf_err_make(code), hf_err_text(hf_err_make(code)));
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

static void hear_alternatives(hf_client_call *k, const hf_response_head *head)
{
    const hf_field *const f = hf_fields_find_name(head->fields, hf_text("alt-svc"));
    hf_alt_svc alt;
    if (f == NULL || !k->at.secure || !hf_alt_svc_parse(f->value, &alt))
        return;
    if (alt.h3 && alt.host[0] == 0)
        hf_line_pool_offer_quic(k->client->pool, &k->at, alt.port);
    else if (alt.clear)
        hf_line_pool_offer_quic(k->client->pool, &k->at, 0);
}

static void take_cookies(hf_client_call *k, const hf_response_head *head)
{
    const hf_jar_request place = place_of(k);
    const hf_field *f = NULL;
    hf_jar_cookie said;
    while (k->client->jar != NULL && (f = hf_fields_next(head->fields, HF_FIELD_SET_COOKIE, f)) != NULL)
        (void)hf_jar_receive(k->client->jar, &place, f->value, hf_dialer_wall(k->client->dialer), &said).code; /* what is refused is dropped, as in a browser */
}

static uint64_t body_most(const hf_client_call *k)
{
    return k->request.body_most > 0 ? k->request.body_most : BODY_MOST;
}

static void hear_head(hf_client_call *k, const hf_response_head *head)
{
    const hf_field *const to = hf_fields_find(head->fields, HF_FIELD_LOCATION);
    if (head->status < 200)
        return;
    k->answer.status = head->status;
    k->answer.version = head->version;
    k->answer.first_ns = hf_dialer_now(k->client->dialer).ns - k->began.ns;
    hf_arena_reset(&k->heads);
    k->answer.trailers = (hf_fields){ NULL, 0 };
    take_cookies(k, head);
    hear_alternatives(k, head);
    k->moved = k->request.redirects > 0 && hf_redirect_of(head->status, k->method, to != NULL).follows;
    if (!copy_fields(&k->heads, head->fields, &k->answer.fields))
        give_up(k, HF_ERR_BASE_MEMORY);
    else if (k->moved && !hf_client_url_join(&k->at, to->value, k->onward, sizeof k->onward))
        hf_client_call_give_up(k, hf_err_make(HF_ERR_CLIENT_URL), "the redirect leads to a URL that is too long");
    else if (!k->moved && k->request.piece == NULL && head->content_length > 0 && (uint64_t)head->content_length > body_most(k) && !is(k->method, "HEAD"))
        give_up(k, HF_ERR_CLIENT_TOO_LARGE);
}

static void hear_body(hf_client_call *k, hf_bytes body)
{
    hf_err err = HF_OK;
    if (k->moved)
        return;
    k->answer.received += body.len;
    if (k->request.piece != NULL) {
        k->telling = k->hearing = true;
        err = k->request.piece(k->request.context, k, body);
        k->telling = k->hearing = false;
        if (k->dropped) {
            let_go(k);
            return;
        }
    } else if (k->answer.received > body_most(k)) {
        err = hf_err_make(HF_ERR_CLIENT_TOO_LARGE);
    } else if (!hf_queue_append(&k->body, body)) {
        err = hf_err_make(HF_ERR_BASE_MEMORY);
    }
    if (err.code != 0)
        hf_client_call_give_up(k, err, hf_err_text(err));
}

void hf_client_pause(hf_client_call *k)
{
    if (!k->hearing || k->dropped)
        return;
    k->paused = true;
    hf_line_pool_hold(k->client->pool, &k->call, true);
}

void hf_client_continue(hf_client_call *k)
{
    if (!k->paused || k->over)
        return;
    k->paused = false;
    hf_line_pool_hold(k->client->pool, &k->call, false);
    k->client->stirred = true; /* what waits is due now */
}

/* The answer was a redirect: the next request. */
static void move_on(hf_client_call *k)
{
    const bool was_secure = k->at.secure;
    char words[HF_CLIENT_WORDS];
    if (k->answer.redirects == k->request.redirects) {
        end(k, hf_err_make(HF_ERR_CLIENT_REDIRECTS), hf_err_text(hf_err_make(HF_ERR_CLIENT_REDIRECTS)));
        return;
    }
    const char *const wrong = hf_client_url_parse(k->onward, &k->at);
    memcpy(k->url, k->onward, sizeof k->onward);
    if (wrong != NULL || k->at.live) {
        snprintf(words, sizeof words, "it redirects to %.300s: %s", k->url, wrong != NULL ? wrong : "that is no page");
        end(k, hf_err_make(HF_ERR_CLIENT_URL), words);
        return;
    }
    if (was_secure && !k->at.secure) {
        end(k, hf_err_make(HF_ERR_CLIENT_DOWNGRADE), hf_err_text(hf_err_make(HF_ERR_CLIENT_DOWNGRADE)));
        return;
    }
    k->answer.redirects++;
    if (hf_redirect_of(k->answer.status, k->method, true).becomes_get) {
        k->method = hf_text("GET");
        k->has_body = false;
    }
    if (k->has_body && k->request.source != NULL && !rewind_source(k))
        end(k, hf_err_make(HF_ERR_CLIENT_BODY), "a redirect wants the body once more, and it cannot be read again");
    else
        ask(k);
}

static void hear_failure(hf_client_call *k, const hf_line_pool_event *e)
{
    k->answer.layer = e->stage == HF_LINE_NAME ? HF_CLIENT_NAME : e->stage == HF_LINE_CONNECT ? HF_CLIENT_CONNECT : e->stage == HF_LINE_TLS ? HF_CLIENT_TLS : HF_CLIENT_HTTP;
    if (e->err.code == HF_ERR_HTTP1_BAD_HEAD || e->err.code == HF_ERR_HTTP2_BAD_HEAD || e->err.code == HF_ERR_HTTP3_BAD_HEAD)
        k->answer.layer = HF_CLIENT_REQUEST;
    end(k, e->err, e->words);
}

void hf_client_call_hear(hf_client_call *k, const hf_line_pool_event *e)
{
    if (k->dropped) { /* by its source, from within the pool */
        let_go(k);
        return;
    }
    switch (e->kind) {
    case HF_LINE_POOL_CONNECTED:
        k->answer.layer = HF_CLIENT_HTTP;
        k->answer.reused = e->reused;
        if (k->call.source == NULL)
            k->answer.sent = k->call.body.len;
        break;
    case HF_LINE_POOL_HEAD: hear_head(k, &e->answer.head); break;
    case HF_LINE_POOL_BODY: hear_body(k, e->answer.body); break;
    case HF_LINE_POOL_TRAILERS:
        if (!k->moved && !copy_fields(&k->heads, e->answer.trailers, &k->answer.trailers))
            give_up(k, HF_ERR_BASE_MEMORY);
        break;
    case HF_LINE_POOL_END:
        if (k->moved)
            move_on(k);
        else
            end(k, HF_OK, "");
        break;
    case HF_LINE_POOL_AGAIN: break;
    case HF_LINE_POOL_FAILED: hear_failure(k, e); break;
    }
}
