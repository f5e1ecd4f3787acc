/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include "compress.h"
#include "date.h"
#include "decompress.h"
#include "guards_password.h"
#include "hints.h"
#include "panic.h"
#include "realtime.h"
#include "target.h"
#include "text.h"
#include "token.h"

enum { SPARES = 64 };

/* What an arena may hold for one request beside its body: fields, path, and what a handler builds. */
#define REQUEST_MEMORY (16u << 20)

typedef struct hf_hold {
    struct hf_hold *next;
    void (*release)(void *what);
    void *what;
} hf_hold;

/* ---- life --------------------------------------------------------------------------------------------------- */

void hf_service_init(hf_service *s, const hf_env *env, const hf_app *app, const hf_service_hooks *hooks)
{
    *s = (hf_service){ .env = env, .app = app, .hooks = *hooks, .dated = { INT64_MIN } };
}

static void free_request(hf_service *s, hf_req *rq)
{
    if (rq->room != NULL)
        hf_free(&s->env->alloc, rq->room, sizeof *rq->room);
    hf_free(&s->env->alloc, rq, sizeof *rq);
}

void hf_service_fini(hf_service *s)
{
    while (s->spare != NULL) {
        hf_req *rq = s->spare;
        s->spare = rq->next;
        free_request(s, rq);
    }
    if (s->spare_room != NULL)
        hf_free(&s->env->alloc, s->spare_room, sizeof *s->spare_room);
    s->spare_room = NULL;
    s->spares = 0;
    hf_hints_fini(s);
    while (s->socket_count > 0)
        hf_websocket_free(s->sockets[--s->socket_count]);
    hf_crypto_free(s->crypto);
    s->crypto = NULL;
}

/* What nearly every answer says, written once a second instead of once an answer. */
static void write_lines(hf_service *s)
{
    const hf_bytes name = hf_text(s->app->server_name);
    hf_writer w = hf_writer_make(s->lines, sizeof s->lines);
    hf_write_text(&w, "Date: ");
    hf_write(&w, hf_bytes_make(s->date, sizeof s->date));
    hf_write_text(&w, name.ptr != NULL ? "\r\nServer: " : "");
    hf_write(&w, name);
    hf_write_text(&w, "\r\n");
    const size_t length = w.length;
    hf_write_text(&w, "Cache-Control: no-cache\r\n");
    const bool fit = !w.overflowed && hf_is_field_value(name);
    s->lines_length = fit ? length : 0;
    s->lines_ruled = w.length;
}

void hf_service_tick(hf_service *s, hf_time now, hf_wall wall)
{
    s->now = now;
    s->wall = wall;
    if (wall.s == s->dated.s)
        return;
    hf_writer w = hf_writer_make(s->date, sizeof s->date);
    hf_date_write(&w, wall);
    s->dated = wall;
    write_lines(s);
}

/* One that was not used before, with its room. */
static hf_req *new_request(hf_service *s)
{
    hf_req *const rq = hf_alloc(&s->env->alloc, sizeof *rq);
    if (rq == NULL)
        return NULL;
    rq->room = s->spare_room != NULL ? s->spare_room : hf_alloc(&s->env->alloc, sizeof *rq->room);
    s->spare_room = NULL;
    if (rq->room != NULL)
        return rq;
    hf_free(&s->env->alloc, rq, sizeof *rq);
    return NULL;
}

static hf_req *open_request(hf_dialog *d, hf_exchange x)
{
    hf_service *s = d->service;
    hf_req *rq = s->spare;
    if (rq != NULL) {
        s->spare = rq->next;
        s->spares--;
    } else if ((rq = new_request(s)) == NULL) {
        return NULL;
    }
    memset(rq, 0, offsetof(hf_req, room)); /* what lies behind is written before it is read */
    rq->service = s;
    rq->dialog = d;
    rq->exchange = x;
    rq->number = ++d->requests;
    rq->began = s->now;
    hf_arena_init(&rq->arena, &s->env->alloc, REQUEST_MEMORY);
    hf_queue_init(&rq->body, &s->env->alloc);
    rq->next = d->open;
    d->open = rq;
    s->open++;
    return rq;
}

static void release_holds(hf_req *rq)
{
    for (hf_hold *h = rq->holds; h != NULL; h = h->next)
        h->release(h->what);
    rq->holds = NULL;
}

static bool has_body(const hf_request_head *h)
{
    return h->content_length > 0 || h->content_length == HF_LENGTH_UNKNOWN;
}

static void close_request(hf_req *rq)
{
    hf_dialog *d = rq->dialog;
    hf_service *s = rq->service;
    for (hf_req **at = &d->open; *at != NULL; at = &(*at)->next)
        if (*at == rq) {
            *at = rq->next;
            break;
        }
    s->open--;
    if (d->web != NULL && has_body(&rq->head)) { /* what came behind an early answer came, too */
        const uint64_t said = rq->head.content_length > 0 ? (uint64_t)rq->head.content_length : UINT64_MAX;
        const uint64_t seen = rq->body_seen + hf_web_swallowed(d->web, rq->exchange);
        rq->body_seen = seen < said ? seen : said;
    }
    if (s->hooks.done != NULL)
        s->hooks.done(s->hooks.self, rq);
    if (rq->more != NULL)
        hf_more_fini(rq);
    release_holds(rq);
    hf_arena_fini(&rq->arena);
    hf_queue_fini(&rq->body);
    hf_decompressor_free(rq->decoder);
    if (s->spares == SPARES || rq->room == NULL) {
        free_request(s, rq);
        return;
    }
    rq->next = s->spare;
    s->spare = rq;
    s->spares++;
}

void hf_dialog_close(hf_dialog *d, hf_err why)
{
    while (d->open != NULL) {
        /* What was handed over but never left is no byte that the client got. */
        const uint64_t unsent = d->web != NULL ? hf_web_unsent(d->web) : 0;
        d->open->sent -= unsent < d->open->sent ? unsent : d->open->sent;
        /* RFC 9112 6.3: framing that breaks behind an early answer closes the connection, and nothing can be answered any more:
         * the log tells which rule it broke. */
        if (d->open->answer_ended && !d->open->complete && why.code >> 16 == HF_AREA_HTTP1)
            d->open->error = why;
        if (d->open->error.code == 0 && (!d->open->answer_ended || why.code != 0))
            d->open->error = why.code != 0 ? why : hf_err_make(HF_ERR_HTTP1_TRUNCATED);
        close_request(d->open);
    }
}

/* ---- what outlives an event ---------------------------------------------------------------------------------- */

/* The request goes on, and what the core lent of its head does not. */
static void outlive_event(hf_req *rq)
{
    if (rq->service->hooks.unlogged && rq->answer_ended && rq->complete) /* it only waits until its answer has left */
        hf_req_forget_head(rq);
    else if (!hf_req_keep_head(rq))
        hf_req_settle(rq, hf_err_make(HF_ERR_BASE_MEMORY));
    hf_req_give_room_back(rq);
}

/* ---- the contract of methods -------------------------------------------------------------------------------- */

static void write_methods(hf_writer *w, uint32_t methods)
{
    if (methods & (1u << HF_METHOD_GET))
        methods |= 1u << HF_METHOD_HEAD;
    methods |= 1u << HF_METHOD_OPTIONS;
    for (unsigned m = 1; m < HF_METHOD_COUNT; m++)
        if (methods & (1u << m)) {
            if (w->length > 0)
                hf_write_text(w, ", ");
            hf_write_text(w, hf_method_describe((hf_method)m)->name);
        }
}

static hf_err allow(hf_req *rq, uint32_t methods)
{
    uint8_t text[128];
    hf_writer w = hf_writer_make(text, sizeof text);
    write_methods(&w, methods);
    return hf_reply_field(rq, "Allow", hf_written(&w));
}

/* OPTIONS comes for free (RFC 9110 9.3.7). */
static hf_err answer_options(hf_req *rq, uint32_t methods)
{
    const hf_err err = allow(rq, methods);
    if (err.code != 0)
        return err;
    if (methods & (1u << HF_METHOD_QUERY)) { /* RFC 10008: says that QUERY is there */
        const hf_err query = hf_reply_field(rq, "Accept-Query", hf_text("*/*"));
        if (query.code != 0)
            return query;
    }
    return hf_reply(rq, 204, NULL, hf_text(""));
}

/* What the method promises, enforced before any handler runs. HF_OK, or why it is refused. */
static hf_err check_contract(hf_req *rq)
{
    const hf_request_head *h = &rq->head;
    switch (hf_method_describe(h->method)->body) {
    case HF_BODY_MEANINGLESS:
        return has_body(h) ? hf_err_make(HF_ERR_HTTP_BODY_UNEXPECTED) : HF_OK;
    case HF_BODY_REQUIRED:
        if (!has_body(h) || hf_fields_find(h->fields, HF_FIELD_CONTENT_TYPE) == NULL)
            return hf_err_make(HF_ERR_HTTP_CONTENT_REQUIRED);
        break;
    case HF_BODY_ALLOWED:
        break;
    }
    if (h->content_length > 0 && (uint64_t)h->content_length > rq->body_limit)
        return hf_err_make(HF_ERR_HTTP_BODY_TOO_LARGE);
    return HF_OK;
}

hf_err hf_req_refuse(hf_req *rq, hf_err why, hf_bytes got)
{
    rq->refused = true;
    return hf_reply_problem(rq, 0, why, got);
}

/* RFC 9110 12.5.3: "When the Accept-Encoding header field is present in a response, it indicates what content codings the
 * resource was willing to accept in the associated request." */
static hf_err refuse_coding(hf_req *rq, unsigned taken)
{
    uint8_t text[64];
    hf_writer w = hf_writer_make(text, sizeof text);
    for (hf_encoding e = HF_ENCODING_COUNT; e-- > HF_ENCODING_GZIP;)
        if (taken & 1u << e) {
            hf_write_text(&w, w.length > 0 ? ", " : "");
            hf_write_text(&w, hf_encoding_name(e));
        }
    if (w.length == 0)
        hf_write_text(&w, hf_encoding_name(HF_ENCODING_IDENTITY));
    const hf_err err = hf_reply_field(rq, "Accept-Encoding", hf_written(&w));
    const hf_field *said = hf_fields_find(rq->head.fields, HF_FIELD_CONTENT_ENCODING);
    return err.code != 0 ? err : hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_CODING_UNKNOWN), said->value);
}

/* Makes ready for the coding of the body, or refuses it before a byte of it was asked for. */
static hf_err begin_coding(hf_req *rq)
{
    const hf_body_coding wish = rq->match.route->coding;
    const hf_encoding coding = wish == HF_CODING_KEPT ? HF_ENCODING_IDENTITY : hf_decompress_coding(rq->head.fields);
    if (coding == HF_ENCODING_IDENTITY)
        return HF_OK;
    if (wish != HF_CODING_UNDONE || coding == HF_ENCODING_COUNT)
        return refuse_coding(rq, wish == HF_CODING_UNDONE ? hf_compress_codings() : 0);
    rq->decoder = hf_decompressor_new(rq->service->env, coding);
    return rq->decoder != NULL ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}

static hf_err normalise_path(hf_req *rq)
{
    const hf_request_head *h = &rq->head;
    uint8_t *room = hf_req_memory(rq, h->path.len + 1);
    if (room == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer w = hf_writer_make(room, h->path.len + 1);
    const hf_err err = hf_path_normalise(h->path, &w);
    rq->path = hf_written(&w);
    return err;
}

/* ---- running handlers --------------------------------------------------------------------------------------- */

hf_err hf_req_proceed(hf_req *rq)
{
    const hf_route *route = rq->match.route;
    hf_service *s = rq->service;
    if (route->files == NULL)
        return hf_req_handle(rq);
    const size_t n = rq->match.argument_count;
    const hf_bytes rest = n > 0 ? rq->match.arguments[n - 1].value : hf_bytes_make(rq->path.ptr + 1, rq->path.len - 1);
    return s->hooks.answer_files(s->hooks.self, route->files, rq, rest);
}

/* HF_OK also when a guard is still at work: the request goes on when it is done. */
static hf_err run(hf_req *rq)
{
    bool waits = false;
    const hf_err err = rq->more != NULL ? hf_guards_prove(rq, &waits) : HF_OK;
    return err.code != 0 || waits ? err : hf_req_proceed(rq);
}

/* Nothing more can be said for this request. Its memory stays until nothing that was lent of it is read any more. */
static void end_all(hf_req *rq)
{
    rq->answered = rq->answer_ended = rq->complete = true;
    rq->pending_count = 0;
}

void hf_req_remark(hf_req *rq, hf_err what)
{
    if (rq->error.code == 0)
        rq->error = what;
}

void hf_req_cut(hf_req *rq, hf_err why)
{
    hf_req_remark(rq, why);
    /* The peer gave the exchange up: its RESET says so, and why. */
    if (why.code == HF_ERR_HTTP2_NO_STREAM) {
        rq->answered = true;
        rq->pending_count = 0;
        return;
    }
    end_all(rq);
    hf_web_cancel(rq->dialog->web, rq->exchange, why);
}

/* Not the handler's failure: the error's own status says what the client should do. */
static bool has_own_status(hf_err err)
{
    return err.code == HF_ERR_HTTP_BLOCKING_FULL || err.code == HF_ERR_HTTP_HANDLER_TIMEOUT ||
        err.code == HF_ERR_HTTP_MEMORY_LIMIT;
}

/* An error of a handler is a 500 where nothing was answered, and a broken connection where something was: a cut answer
 * must not look whole. */
void hf_req_settle(hf_req *rq, hf_err err)
{
    if (err.code == 0)
        return;
    hf_req_remark(rq, err);
    if (!rq->answered) {
        rq->refused = true;
        rq->field_count = rq->field_floor;
        err = hf_reply_problem(rq, has_own_status(err) ? 0 : 500, err, hf_text(""));
    }
    if (err.code != 0 && !rq->answer_ended)
        hf_req_cut(rq, err);
}

/* RFC 9110 7.4: an https resource over a connection that is not secured is rejected, and what is not ours too. */
static bool scheme_is_fit(const hf_dialog *d, hf_bytes scheme)
{
    hf_web_security security;
    return scheme.len == 0 || hf_text_same(scheme, hf_text("http")) ||
        (hf_text_same(scheme, hf_text("https")) && hf_web_security_of(d->web, &security));
}

/* Sent on to the same target with https. `port` 0: at the port that was asked for. RFC 9110 15.4.9: 308 keeps the method. */
static hf_err send_to_https(hf_req *rq, uint16_t port)
{
    const hf_request_head *h = &rq->head;
    const bool origin = h->form == HF_TARGET_ORIGIN;
    hf_bytes host = h->authority;
    const uint8_t *colon = port > 0 && host.len > 0 ? memrchr(host.ptr, ':', host.len) : NULL;
    if (colon != NULL && memchr(colon, ']', (size_t)(host.ptr + host.len - colon)) == NULL)
        host.len = (size_t)(colon - host.ptr);
    const size_t size = 16 + host.len + (origin ? h->target.len : 1);
    uint8_t *room = hf_req_memory(rq, size);
    if (room == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer w = hf_writer_make(room, size);
    hf_write_text(&w, "https://");
    hf_write(&w, host);
    if (port > 0 && port != 443) {
        hf_write_byte(&w, ':');
        hf_write_decimal(&w, port);
    }
    hf_write(&w, origin ? h->target : hf_text("/"));
    return hf_reply_redirect(rq, 308, hf_written(&w));
}

/* RFC 9110 15.5.15: too much in a query is too long a target. */
static hf_err check_query(hf_req *rq)
{
    hf_bytes got = hf_text("");
    const hf_err err = rq->match.route->files == NULL && rq->head.query.len > 0 ? hf_query_begin(rq, &got) : HF_OK;
    if (err.code == 0 || err.code == HF_ERR_BASE_MEMORY)
        return err;
    rq->refused = true;
    return hf_reply_problem(rq, err.code == HF_ERR_HTTP_FORM_ENCODING ? 0 : 414, err, got);
}

/* The body is to be, or was, what the route takes. */
static hf_err check_content(hf_req *rq, hf_err (*check)(hf_req *rq, hf_bytes *got))
{
    hf_bytes got = rq->head.method_name;
    const hf_err err = rq->match.route->takes != HF_TAKES_ANY ? check(rq, &got) : HF_OK;
    return err.code == 0 || err.code == HF_ERR_BASE_MEMORY ? err : hf_req_refuse(rq, err, got);
}

/* An empty form is a form; an empty text is no JSON. */
static hf_err run_without_body(hf_req *rq)
{
    if (rq->match.route->takes == HF_TAKES_JSON) {
        hf_err err = check_content(rq, hf_content_begin);
        if (err.code == 0 && !rq->answered)
            err = check_content(rq, hf_content_end);
        if (err.code != 0 || rq->answered)
            return err;
    }
    return run(rq);
}

/* RFC 8470 3: what came in 0-RTT may come again, and more than once. Only what asks for no change is answered. */
static bool is_too_early(const hf_req *rq)
{
    const hf_route *const route = rq->match.route;
    return rq->early && (!hf_method_describe(rq->head.method)->safe ||
                         (route != NULL && (route->not_early || route->websocket != NULL)));
}

/* The core began with the server's limits: it cannot know whose the request is. */
static void keep_pace(hf_req *rq)
{
    const hf_limits *const own = hf_req_limits(rq), *const usual = rq->service->env->limits;
    if (own != usual && has_body(&rq->head) && (own->body_idle_ns != usual->body_idle_ns || own->body_rate != usual->body_rate))
        hf_web_pace(rq->dialog->web, rq->exchange, (hf_pace){ own->body_idle_ns, own->body_rate });
}

/* False: memory ends. RFC 8441 5: what GET with Upgrade is in HTTP/1.1 is CONNECT in the others. */
static bool find_route(hf_req *rq, const hf_router *router)
{
    const hf_method method = rq->head.method;
    hf_route_match *const match = &rq->room->match;
    hf_router_match(router, method == HF_METHOD_CONNECT ? HF_METHOD_GET : method, rq->path, match);
    rq->match.route = match->route;
    rq->match.methods = match->methods;
    rq->match.argument_count = (uint32_t)match->argument_count;
    rq->match.arguments = match->arguments;
    return match->route == NULL || (match->route->websocket == NULL && match->route->events == NULL) || hf_req_outlast_room(rq);
}

/* The server sends plain requests to https: is this route an exception? */
static bool needs_no_https(hf_req *rq, const hf_router *router)
{
    hf_route_match match;
    if (router == NULL || rq->head.method == HF_METHOD_UNKNOWN || normalise_path(rq).code != 0)
        return false;
    hf_router_match(router, rq->head.method, rq->path, &match);
    return match.route != NULL && match.route->https == HF_HTTPS_NEVER_NEEDED;
}

static bool needs_https(const hf_req *rq)
{
    const hf_route *const route = rq->match.route;
    return route != NULL && route->https == HF_HTTPS_ALWAYS && !hf_req_is_secure(rq);
}

/* Routes the request and, where nothing of it is missing, answers it. HF_OK also when the body is awaited. */
static hf_err begin(hf_req *rq)
{
    const hf_request_head *h = &rq->head;
    const hf_app *app = rq->service->app;
    const hf_router *router = app->sites != NULL ? hf_sites_router(app->sites, h->authority) : app->router;
    if (rq->dialog->refusal.code != 0 || rq->service->refusing) {
        rq->close = true;
        return hf_req_refuse(rq, rq->dialog->refusal.code != 0 ? rq->dialog->refusal : hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT), hf_text(""));
    }
    if (rq->dialog->https_port > 0 && h->authority.len > 0 && !needs_no_https(rq, router))
        return send_to_https(rq, rq->dialog->https_port);
    if (!scheme_is_fit(rq->dialog, h->scheme))
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_MISDIRECTED), h->scheme);
    if (h->method == HF_METHOD_UNKNOWN)
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_METHOD_UNKNOWN), h->method_name);
    if (h->method == HF_METHOD_CONNECT && !hf_websocket_is_offered(h))
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_CONNECT_REFUSED), h->target);
    rq->body_limit = rq->service->env->limits->body_bytes;
    if (router == NULL)
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_MISDIRECTED), h->authority);
    if (hf_bytes_equal(h->path, hf_text("*"))) /* RFC 9112 3.2.4: also what http://host without a path means */
        return has_body(h) ? hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_BODY_UNEXPECTED), h->method_name)
                           : answer_options(rq, hf_router_methods(router));
    hf_err err = normalise_path(rq);
    if (err.code != 0)
        return hf_req_refuse(rq, err, h->path);
    if (!find_route(rq, router))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    keep_pace(rq);
    if (needs_https(rq)) /* who names no host cannot be told where */
        return h->authority.len > 0 ? send_to_https(rq, app->https_port > 0 ? app->https_port : 443)
                                    : hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_MISDIRECTED), h->authority);
    if (is_too_early(rq))
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_TOO_EARLY), h->method_name);
    err = hf_guards_begin(rq, router);
    if (err.code != 0 || rq->answered || (rq->more != NULL && rq->more->guards_wait))
        return err;
    return hf_req_let_in(rq);
}

hf_err hf_req_let_in(hf_req *rq)
{
    const hf_request_head *const h = &rq->head;
    const hf_route *const route = rq->match.route;
    hf_err err;
    if (route != NULL && route->websocket != NULL && h->method != HF_METHOD_HEAD) {
        err = check_query(rq);
        return err.code != 0 || rq->answered ? err : hf_socket_open(rq);
    }
    if (route == NULL && rq->match.methods == 0)
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_NOT_FOUND), h->path);
    if (h->method == HF_METHOD_CONNECT)
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_CONNECT_REFUSED), h->target);
    if (route != NULL && route->max_body > 0)
        rq->body_limit = route->max_body;
    else if (route != NULL && route->limits != NULL)
        rq->body_limit = route->limits->body_bytes;
    if (route == NULL && h->method != HF_METHOD_OPTIONS) {
        err = allow(rq, rq->match.methods);
        return err.code != 0 ? err : hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_METHOD_NOT_ALLOWED), h->method_name);
    }
    err = check_contract(rq);
    if (err.code != 0)
        return hf_req_refuse(rq, err, h->method_name);
    if (route == NULL)
        return answer_options(rq, rq->match.methods);
    err = check_query(rq);
    if (err.code != 0 || rq->answered)
        return err;
    if (!hf_guards_have_to_prove(rq))
        hf_hints_give(rq);
    if (!has_body(h))
        return run_without_body(rq);
    err = begin_coding(rq);
    if (err.code != 0 || rq->answered)
        return err;
    err = check_content(rq, hf_content_begin);
    if (err.code != 0 || rq->answered)
        return err;
    if (!hf_req_keep_head(rq))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    /* The path lies in our memory already, and the arguments in the path. */
    return h->expect_continue ? hf_web_respond(rq->dialog->web, rq->exchange, &(hf_response_head){ .status = 100 }) : HF_OK;
}

static hf_err deliver(hf_req *rq, hf_bytes piece)
{
    const hf_route *route = rq->match.route;
    if (route->body != NULL)
        return route->body(rq, piece);
    if (rq->more != NULL && rq->more->multipart != NULL)
        return hf_form_feed(rq, piece);
    return hf_queue_append(&rq->body, piece) ? HF_OK : hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT);
}

/* What refuses the body is the client's doing, and answered as such; that memory ended is ours. */
static void refuse_body(hf_req *rq, hf_err why)
{
    hf_req_settle(rq, why.code == HF_ERR_BASE_MEMORY ? why : hf_req_refuse(rq, why, rq->head.method_name));
}

/* A piece went to whom it is for. */
static void delivered(hf_req *rq, hf_err err)
{
    if (err.code != 0 && rq->more != NULL && rq->more->fault)
        err = hf_req_refuse(rq, err, rq->more->got);
    hf_req_settle(rq, err);
}

static void undo(hf_req *rq, hf_bytes piece)
{
    hf_bytes plain;
    while (!rq->answered && !rq->refused) {
        hf_err err = hf_decompressor_next(rq->decoder, &piece, &plain);
        if (err.code == 0 && hf_decompressor_given(rq->decoder) > rq->body_limit)
            err = hf_err_make(HF_ERR_HTTP_BODY_TOO_LARGE);
        if (err.code != 0)
            refuse_body(rq, err);
        else if (plain.len == 0)
            return;
        else
            delivered(rq, deliver(rq, plain));
    }
}

/* The body is kept until it is whole. */
static bool is_held(const hf_req *rq)
{
    const hf_route *route = rq->match.route;
    return route != NULL && route->body == NULL && route->upload == NULL;
}

static void body(hf_req *rq, hf_bytes piece)
{
    rq->body_seen += piece.len;
    if (rq->answered || rq->refused)
        return;
    if (rq->body_seen > rq->body_limit) {
        hf_req_settle(rq, hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_BODY_TOO_LARGE), rq->head.method_name));
        return;
    }
    if (rq->service->refusing && is_held(rq)) { /* what is kept back of memory_bytes is for refusing in */
        rq->close = true;
        hf_req_settle(rq, hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT), hf_text("")));
        return;
    }
    if (rq->decoder != NULL)
        undo(rq, piece);
    else
        delivered(rq, deliver(rq, piece));
}

void hf_req_feed_early(hf_req *rq)
{
    hf_queue *const early = &rq->more->early;
    const hf_span all = hf_queue_peek(early);
    if (all.len > 0 && rq->more->socket != NULL)
        hf_socket_feed(rq, hf_bytes_make(all.ptr, all.len), false);
    else if (all.len > 0)
        body(rq, hf_bytes_make(all.ptr, all.len));
    hf_queue_fini(early);
    hf_queue_init(early, &rq->service->env->alloc);
}

/* The body is there, whole: the handler runs, unless the body only looks whole. */
static void end_body(hf_req *rq)
{
    const hf_err err = rq->decoder != NULL && !rq->answered ? hf_decompressor_end(rq->decoder) : HF_OK;
    if (err.code != 0 && !rq->refused)
        refuse_body(rq, err);
    if (!rq->answered && !rq->refused)
        hf_req_settle(rq, check_content(rq, hf_content_end));
    if (!rq->answered && !rq->refused)
        hf_req_settle(rq, run(rq));
}

/* A body that was held back goes on, or needs to be held back no more. */
static void go_on(hf_req *rq)
{
    struct hf_req_more *more = rq->more;
    if (more == NULL)
        return;
    if (more->paused && (rq->answered || rq->refused))
        hf_req_resume(rq);
    if (!more->end_waits || more->paused || more->behind > 0)
        return;
    more->end_waits = false;
    rq->complete = true;
    if (more->socket != NULL)
        hf_socket_feed(rq, hf_bytes_make(NULL, 0), true);
    else
        end_body(rq);
}

/* Body bytes arrived, behind those that were delivered and not taken. */
static void take_body(hf_req *rq, hf_bytes all)
{
    const size_t ahead = rq->more != NULL ? rq->more->ahead : 0;
    HF_ASSERT(ahead <= all.len);
    if (rq->more != NULL && rq->more->guards_wait && ahead == 0) {
        if (hf_queue_append(&rq->more->early, all))
            rq->more->ahead = all.len;
        else
            hf_req_settle(rq, hf_err_make(HF_ERR_BASE_MEMORY));
        return;
    }
    if (rq->more != NULL && rq->more->paused) {
        rq->more->behind = all.len - ahead;
        return;
    }
    if (rq->more != NULL)
        rq->more->behind = 0;
    body(rq, hf_bytes_make(all.ptr + ahead, all.len - ahead));
    if (rq->more != NULL && rq->more->paused && !rq->answered && !rq->refused)
        rq->more->ahead = all.len;
    else
        hf_web_take(rq->dialog->web, rq->exchange, all.len);
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static hf_req *find_request(const hf_dialog *d, hf_exchange x)
{
    for (hf_req *rq = d->open; rq != NULL; rq = rq->next)
        if (rq->exchange == x)
            return rq;
    return NULL;
}

static void request(hf_dialog *d, const hf_web_event *event)
{
    hf_req *rq = open_request(d, event->exchange);
    if (rq == NULL) {
        hf_web_abort(d->web, hf_err_make(HF_ERR_BASE_MEMORY));
        return;
    }
    const hf_field *early = hf_fields_find_name(event->head->fields, hf_text("Early-Data"));
    rq->head = *event->head;
    rq->early = event->early || (early != NULL && hf_bytes_equal(early->value, hf_text("1")));
    rq->complete = !has_body(&rq->head);
    hf_req_settle(rq, begin(rq));
    if (rq->answer_ended && !rq->waits_for_sent && rq->complete)
        close_request(rq);
    else
        outlive_event(rq);
}

void hf_dialog_promised(hf_dialog *d, hf_exchange x, const hf_request_head *head)
{
    d->promising = true;
    request(d, &(hf_web_event){ .kind = HF_WEB_REQUEST, .whole = true, .exchange = x, .head = head });
    d->promising = false;
}

/* Plain HTTP came to a port where TLS is spoken. */
static hf_err move_to_https(hf_req *rq, hf_err why)
{
    rq->error = why;
    return send_to_https(rq, 0);
}

/* For the log. */
static void note_seen(hf_req *rq, const hf_request_head *seen)
{
    hf_request_head *const h = &rq->head;
    h->method_name = seen->method_name;
    h->target = seen->target;
    h->path = seen->path;
    h->query = seen->query;
    rq->versioned = seen->version != 0;
    if (rq->versioned)
        h->version = seen->version;
}

/* The core refused the bytes: there may be an open request (its body broke a rule) or none (its head did). */
static void refused(hf_dialog *d, const hf_web_event *event)
{
    const hf_fault *fault = event->fault;
    hf_req *rq = find_request(d, event->exchange);
    if (rq != NULL && rq->answered) {
        rq->error = fault->err;
        return;
    }
    if (rq == NULL) {
        rq = open_request(d, event->exchange);
        if (rq == NULL)
            return;
        rq->headless = event->head == NULL;
        rq->head = (hf_request_head){ .version = hf_web_version(d->web), .content_length = HF_LENGTH_NONE };
        if (event->head != NULL)
            rq->head = *event->head;
        else if (event->seen != NULL)
            note_seen(rq, event->seen);
    }
    rq->close = hf_web_version(d->web) < HF_HTTP_2; /* one stream's fault is not the connection's */
    rq->refused = true;
    rq->complete |= event->head != NULL; /* what follows such a head is read by nobody */
    hf_req_settle(rq, fault->status == 308 ? move_to_https(rq, fault->err)
                   : hf_reply_problem(rq, fault->status, fault->err, hf_bytes_make(fault->got, fault->got_length)));
    if (rq->answer_ended && !rq->waits_for_sent && (rq->complete || rq->headless))
        close_request(rq);
    else if (!hf_req_keep_head(rq))
        hf_req_settle(rq, hf_err_make(HF_ERR_BASE_MEMORY));
}

bool hf_req_after_event(hf_req *rq)
{
    go_on(rq);
    if (rq->more != NULL && rq->more->unflushed > 0)
        hf_req_settle(rq, hf_stream_flush(rq));
    hf_req_give_room_back(rq);
    if (!rq->answer_ended || rq->waits_for_sent || !(rq->complete || rq->headless))
        return false;
    close_request(rq);
    return true;
}

void hf_dialog_event(hf_dialog *d, const hf_web_event *event)
{
    hf_req *rq = event->kind == HF_WEB_REQUEST ? NULL : find_request(d, event->exchange);
    switch (event->kind) {
    case HF_WEB_REQUEST:
        request(d, event);
        return;
    case HF_WEB_REFUSED:
        refused(d, event);
        return;
    case HF_WEB_BODY:
        if (rq != NULL && rq->more != NULL && rq->more->socket != NULL)
            hf_socket_feed(rq, event->body, false);
        else if (rq != NULL) {
            take_body(rq, event->body);
            break;
        }
        hf_web_take(d->web, event->exchange, event->body.len);
        break;
    case HF_WEB_END:
        if (rq != NULL && rq->more != NULL && rq->more->socket != NULL) {
            hf_socket_feed(rq, hf_bytes_make(NULL, 0), true);
            break;
        }
        if (rq == NULL || rq->complete)
            return;
        if (rq->more != NULL && rq->more->paused && !rq->answered && !rq->refused) {
            rq->more->end_waits = true;
            return;
        }
        rq->complete = true;
        end_body(rq);
        break;
    case HF_WEB_WRITABLE:
        if (rq != NULL)
            hf_req_pump(rq);
        if (rq != NULL && rq->more != NULL && rq->more->streaming && !rq->answer_ended)
            hf_req_settle(rq, hf_stream_pump(rq));
        if (rq != NULL && rq->more != NULL && rq->more->socket != NULL)
            hf_socket_turn(rq); /* what waited for room in the output */
        break;
    case HF_WEB_SENT:
        if (rq == NULL)
            return;
        rq->waits_for_sent = false;
        release_holds(rq);
        break;
    case HF_WEB_RESET:
        if (rq == NULL)
            return;
        rq->error = event->err;
        end_all(rq);
        break;
    case HF_WEB_TRAILERS:
    case HF_WEB_OPENED:
        return;
    case HF_WEB_WANT_SIGN: /* whoever keeps keys elsewhere does not let this come here */
        hf_web_sign_here(d->web, event);
        return;
    case HF_WEB_WANT_VERIFY: /* nobody here believes anybody */
        hf_web_answer_verify(d->web, hf_err_make(HF_ERR_TLS_CERT_ROOT_UNKNOWN));
        return;
    case HF_WEB_CLOSED:
        hf_dialog_close(d, event->err);
        return;
    }
    if (rq != NULL)
        hf_req_after_event(rq);
}

hf_err hf_req_hold(hf_req *rq, void (*release)(void *what), void *what)
{
    hf_hold *h = hf_req_memory(rq, sizeof *h);
    if (h == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *h = (hf_hold){ .next = rq->holds, .release = release, .what = what };
    rq->holds = h;
    return HF_OK;
}
