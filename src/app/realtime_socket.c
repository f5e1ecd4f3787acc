/* SPDX-License-Identifier: Apache-2.0
 *
 * A WebSocket on a request: the tunnel's bytes go into the core, its events to the route's handler, and what it has to say
 * leaves as an answer piece by piece. Output waits in the core, where it is bounded, until the connection has room.
 */
#include "alloc.h"
#include "realtime.h"
#include "text.h"
#include "topics.h"

struct hf_socket {
    hf_bytes protocol; /* one of the route's */
    hf_websocket *core; /* NULL: asleep, and `pause` is what it was */
    hf_websocket_rest pause;
    hf_websocket_deflate deflate; /* as agreed */
    hf_queue rest;    /* of the input: the part of a frame's head, or what came while output was full */
    bool fin;         /* of the input */
    bool told_closed;
    bool ended;       /* nothing more is said */
    bool busy;        /* within a turn: commands of the handler leave at its end */
};

/* ---- Origin ------------------------------------------------------------------------------------------------- */

/* "http://host:port" without the scheme, and without the port that the scheme has anyway. */
static hf_bytes host_of(hf_bytes origin, const char **port)
{
    static const struct {
        hf_bytes start;
        const char *port;
    } schemes[] = { { HF_LITERAL("http://"), ":80" }, { HF_LITERAL("https://"), ":443" } };
    *port = "";
    for (size_t i = 0; i < HF_COUNT(schemes); i++)
        if (hf_starts_with(origin, schemes[i].start)) {
            *port = schemes[i].port;
            return hf_bytes_make(origin.ptr + schemes[i].start.len, origin.len - schemes[i].start.len);
        }
    return hf_bytes_make(NULL, 0);
}

static hf_bytes without_port(hf_bytes host, const char *port)
{
    const size_t n = strlen(port);
    const bool has = n > 0 && host.len > n && memcmp(host.ptr + host.len - n, port, n) == 0;
    return has ? hf_bytes_make(host.ptr, host.len - n) : host;
}

/* RFC 6455 10.2. The scheme is not compared: who ends TLS may stand before us. */
bool hf_live_origin_is_ours(const hf_req *rq)
{
    const hf_field *const origin = hf_fields_find(rq->head.fields, HF_FIELD_ORIGIN);
    const char *port;
    for (const char *const *at = rq->match.route->origins; at != NULL && *at != NULL; at++)
        if (strcmp(*at, "*") == 0 || hf_text_same(origin->value, hf_text(*at)))
            return true;
    const hf_bytes host = host_of(origin->value, &port);
    return host.len > 0 && hf_text_same(without_port(host, port), without_port(rq->head.authority, port));
}

/* Who has no Origin is no browser; but whoever has a cookie is one, or has it from one. */
static bool origin_is_fit(const hf_req *rq)
{
    if (hf_fields_find(rq->head.fields, HF_FIELD_ORIGIN) == NULL)
        return hf_fields_find(rq->head.fields, HF_FIELD_COOKIE) == NULL;
    return hf_live_origin_is_ours(rq);
}

/* ---- the core, which few have at a time ----------------------------------------------------------------------- */

static hf_websocket_options options_of(const hf_req *rq)
{
    return (hf_websocket_options){ .message_bytes = rq->match.route->max_body, .deflate = rq->more->socket->deflate };
}

/* NULL: memory ended. */
static hf_websocket *core_of(const hf_req *rq)
{
    struct hf_socket *const s = rq->more->socket;
    hf_service *const service = rq->service;
    if (s->core != NULL)
        return s->core;
    const hf_websocket_options options = options_of(rq);
    s->core = service->socket_count > 0 ? service->sockets[--service->socket_count]
                                        : hf_websocket_server_new(service->env, rq->dialog->id, &options, service->now);
    if (s->core != NULL)
        hf_websocket_resume(s->core, rq->dialog->id, &options, &s->pause, service->now);
    return s->core;
}

/* Nothing is under way: another connection has the core next. */
static void rest(hf_req *rq)
{
    struct hf_socket *const s = rq->more->socket;
    hf_service *const service = rq->service;
    if (s->busy || s->ended || s->core == NULL || !hf_websocket_pause(s->core, &s->pause))
        return;
    if (service->socket_count < HF_SPARE_SOCKETS)
        service->sockets[service->socket_count++] = s->core;
    else
        hf_websocket_free(s->core);
    s->core = NULL;
}

/* ---- the handshake ------------------------------------------------------------------------------------------ */

/* One for each thread, made when it is first needed. */
static hf_crypto *crypto_of(hf_service *s)
{
    if (s->crypto == NULL)
        s->crypto = hf_crypto_new(s->env, NULL);
    return s->crypto;
}

/* A compressor that carries words of a message on to the next, with a secret in one and an attacker's words in the other,
 * tells the secret by lengths; within one message it does so as well. So who logs in gets none, unless the route says that
 * there are no secrets. Contexts are not taken over: an open connection must cost next to nothing. */
static hf_websocket_deflate ready_for(const hf_req *rq)
{
    const hf_compression wish = rq->match.route->compress;
    const bool secret = hf_fields_find(rq->head.fields, HF_FIELD_COOKIE) != NULL ||
                        hf_fields_find(rq->head.fields, HF_FIELD_AUTHORIZATION) != NULL;
    return (hf_websocket_deflate){ .on = wish == HF_COMPRESS_ALWAYS || (wish == HF_COMPRESS_PUBLIC && !secret),
                                   .server_no_context_takeover = true, .client_no_context_takeover = true };
}

static hf_err refuse(hf_req *rq, hf_err why)
{
    const hf_field *const origin = hf_fields_find(rq->head.fields, HF_FIELD_ORIGIN);
    if (why.code == HF_ERR_WEBSOCKET_ORIGIN)
        return hf_guards_turn_away(rq, why, origin != NULL ? origin->value : hf_text(""));
    const hf_err err = why.code == HF_ERR_WEBSOCKET_VERSION ? hf_reply_field(rq, "Sec-WebSocket-Version", hf_text("13")) : HF_OK;
    return err.code != 0 ? err : hf_req_refuse(rq, why, rq->head.upgrade);
}

static hf_err check(hf_req *rq)
{
    const hf_err err = hf_websocket_offer_check(&rq->head);
    if (err.code != 0 || origin_is_fit(rq))
        return err;
    const hf_field *const origin = hf_fields_find(rq->head.fields, HF_FIELD_ORIGIN);
    hf_req_deny(rq, HF_ERR_WEBSOCKET_ORIGIN, origin != NULL ? origin->value : hf_text("a cookie without Origin"), "a page of this origin");
    return hf_err_make(HF_ERR_WEBSOCKET_ORIGIN);
}

static hf_bytes choose_protocol(const hf_req *rq)
{
    hf_bytes ours[HF_ROUTE_PROTOCOLS];
    size_t count = 0;
    for (const char *const *at = rq->match.route->protocols; at != NULL && *at != NULL && count < HF_ROUTE_PROTOCOLS; at++)
        ours[count++] = hf_text(*at);
    return hf_websocket_protocol_choose(rq->head.fields, ours, count);
}

static hf_err answer(hf_req *rq, hf_bytes protocol, const hf_websocket_deflate *agreed)
{
    hf_websocket_handshake h;
    hf_crypto *const crypto = crypto_of(rq->service);
    hf_err err = crypto == NULL ? hf_err_make(HF_ERR_BASE_MEMORY)
                                : hf_websocket_answer_make(crypto, &rq->head, protocol, agreed, &h);
    for (size_t i = 0; err.code == 0 && i < h.count; i++)
        err = hf_reply_field(rq, (const char *)h.fields[i].name.ptr, h.fields[i].value); /* names are literals */
    return err.code != 0 ? err : hf_reply_begin(rq, h.status, NULL, HF_LENGTH_UNKNOWN, hf_socket_flush);
}

hf_err hf_socket_open(hf_req *rq)
{
    const hf_allocator *const alloc = &rq->service->env->alloc;
    const hf_websocket_deflate ready = ready_for(rq);
    const hf_err bad = check(rq);
    if (bad.code != 0)
        return refuse(rq, bad);
    struct hf_req_more *const more = hf_req_more_of(rq);
    struct hf_socket *const s = more != NULL ? hf_req_memory(rq, sizeof *s) : NULL;
    if (s == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *s = (struct hf_socket){ .busy = true, .protocol = choose_protocol(rq) };
    hf_queue_init(&s->rest, alloc);
    hf_websocket_deflate_choose(rq->head.fields, &ready, &s->deflate);
    s->pause = (hf_websocket_rest){ .heard = rq->service->now, .spoken = rq->service->now, .refilled = rq->service->now };
    const hf_err err = answer(rq, s->protocol, &s->deflate);
    if (err.code != 0)
        return err;
    more->socket = s;
    rq->complete = true; /* what follows is not the request's */
    hf_err opened = rq->match.route->websocket(rq, NULL);
    if (opened.code != 0)
        opened = core_of(rq) != NULL ? hf_websocket_close(s->core, HF_WEBSOCKET_INTERNAL, hf_text("")) : hf_err_make(HF_ERR_BASE_MEMORY);
    s->busy = false;
    return opened.code != 0 ? opened : hf_stream_pump(rq);
}

static struct hf_socket *socket_of(const hf_req *rq)
{
    return rq->more != NULL ? rq->more->socket : NULL;
}

/* ---- turning ------------------------------------------------------------------------------------------------ */

static uint64_t unsent(const struct hf_socket *s)
{
    return s->core != NULL ? hf_websocket_unsent(s->core) : 0;
}

/* Up to `room` bytes of what the core has to say. *none: it has nothing. */
static hf_err emit_some(hf_req *rq, uint64_t room, bool *none)
{
    hf_extent pieces[16];
    hf_out out = { .pieces = pieces, .capacity = HF_COUNT(pieces), .room = room };
    *none = hf_websocket_emit(rq->more->socket->core, rq->service->now, &out) == 0;
    for (size_t i = 0; i < out.count; i++)
        pieces[i].kind = HF_EXTENT_COPIED; /* what is lent is so for the call only */
    return *none ? HF_OK : hf_stream_write(rq, pieces, out.count);
}

/* What the core has to say, as far as the connection has room. */
static hf_err emit(hf_req *rq)
{
    const struct hf_socket *const s = rq->more->socket;
    hf_err err = HF_OK;
    size_t room;
    bool none = false;
    while (err.code == 0 && !none && s->core != NULL && (room = hf_reply_room(rq)) > 0)
        err = emit_some(rq, room, &none);
    return err;
}

hf_err hf_socket_flush(hf_req *rq)
{
    struct hf_socket *const s = rq->more->socket;
    if (s == NULL)
        return HF_OK;
    hf_err err = emit(rq);
    while (err.code == 0 && rq->more->subscriber != NULL && hf_socket_has_room(rq)) {
        err = hf_topics_pump(rq);
        if (err.code != 0 || unsent(s) == 0)
            break;
        err = emit(rq);
    }
    if (err.code != 0)
        return err;
    rest(rq);
    return s->ended && unsent(s) == 0 ? hf_reply_end(rq) : HF_OK;
}

static hf_err tell(hf_req *rq, const hf_websocket_event *event)
{
    struct hf_socket *const s = rq->more->socket;
    s->told_closed = s->told_closed || event->kind == HF_WEBSOCKET_CLOSED;
    if (event->kind == HF_WEBSOCKET_CLOSED && event->err.code != 0 && rq->error.code == 0)
        rq->error = event->err;
    const hf_err err = rq->match.route->websocket(rq, event);
    if (err.code == 0)
        return HF_OK;
    if (rq->error.code == 0)
        rq->error = err;
    if (!s->told_closed && s->core != NULL)
        (void)hf_websocket_close(s->core, HF_WEBSOCKET_INTERNAL, hf_text("")).code; /* closing already is as good */
    return HF_OK;
}

/* Steps on these bytes until there is nothing more to do; returns how many were eaten. */
static size_t eat(hf_req *rq, uint8_t *bytes, size_t length, hf_err *err)
{
    struct hf_socket *const s = rq->more->socket;
    uint8_t nothing[1];
    size_t eaten = 0;
    while (err->code == 0) {
        hf_websocket_event event;
        hf_in in = { .ptr = length > 0 ? bytes + eaten : nothing, .len = length - eaten, .fin = s->fin };
        const hf_step step = hf_websocket_step(s->core, rq->service->now, &in, &event);
        const uint64_t before = hf_websocket_unsent(s->core);
        if (step == HF_EVENT)
            *err = tell(rq, &event);
        eaten += in.used;
        if (step == HF_FULL)
            *err = hf_socket_flush(rq);
        if (step == HF_EVENT || (step == HF_FULL && hf_websocket_unsent(s->core) < before))
            continue;
        s->ended = s->ended || step == HF_CLOSED || step == HF_FAULT;
        break;
    }
    return s->ended ? length : eaten;
}

static hf_err turn(hf_req *rq, hf_bytes fresh)
{
    struct hf_socket *const s = rq->more->socket;
    hf_err err = HF_OK;
    if (core_of(rq) == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    s->busy = true;
    if (hf_queue_length(&s->rest) > 0 || fresh.len == 0) {
        if (!hf_queue_append(&s->rest, fresh))
            err = hf_err_make(HF_ERR_BASE_MEMORY);
        const hf_span held = hf_queue_peek(&s->rest);
        hf_queue_take(&s->rest, eat(rq, held.ptr, held.len, &err));
        hf_queue_trim(&s->rest);
    } else { /* the connection's own buffer, which may be written to: it was received into it */
        const size_t n = eat(rq, (uint8_t *)(uintptr_t)fresh.ptr, fresh.len, &err);
        if (err.code == 0 && n < fresh.len && !hf_queue_append(&s->rest, hf_bytes_make(fresh.ptr + n, fresh.len - n)))
            err = hf_err_make(HF_ERR_BASE_MEMORY);
    }
    s->busy = false;
    /* Who does not answer does not read either: what waits for him would wait for ever. */
    const int32_t fault = hf_websocket_fault(s->core)->err.code;
    if (err.code == 0 && (fault == HF_ERR_WEBSOCKET_CLOSE_TIMEOUT || fault == HF_ERR_WEBSOCKET_PONG_TIMEOUT))
        err = hf_err_make(fault);
    if (err.code == 0)
        err = hf_socket_flush(rq);
    return err.code == 0 && !rq->answer_ended ? hf_stream_pump(rq) : err;
}

void hf_socket_feed(hf_req *rq, hf_bytes bytes, bool fin)
{
    struct hf_socket *const s = rq->more->socket;
    rq->body_seen += bytes.len;
    s->fin = s->fin || fin;
    if (!rq->answer_ended)
        hf_req_settle(rq, turn(rq, bytes));
}

void hf_socket_turn(hf_req *rq)
{
    if (!rq->answer_ended)
        hf_req_settle(rq, turn(rq, hf_bytes_make(NULL, 0)));
}

hf_time hf_socket_wake(const hf_req *rq)
{
    const struct hf_socket *const s = rq->more->socket;
    if (rq->answer_ended || s->core != NULL)
        return rq->answer_ended ? HF_NEVER : hf_websocket_wake(s->core);
    const hf_websocket_options options = options_of(rq);
    return hf_websocket_rest_wake(rq->service->env, &options, &s->pause);
}

void hf_socket_fini(hf_req *rq)
{
    struct hf_socket *const s = rq->more->socket;
    const hf_websocket_event gone = { .kind = HF_WEBSOCKET_CLOSED, .who = HF_WEBSOCKET_PEER, .code = HF_WEBSOCKET_ABNORMAL,
                                      .err = rq->error.code != 0 ? rq->error : hf_err_make(HF_ERR_WEBSOCKET_ABNORMAL) };
    s->busy = true;
    if (!s->told_closed)
        (void)tell(rq, &gone).code;
    hf_websocket_free(s->core);
    hf_queue_fini(&s->rest);
    rq->more->socket = NULL;
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

/* What was said leaves at once, unless a turn is under way that sees to it. */
static hf_err after_command(hf_req *rq, hf_err err)
{
    if (err.code != 0 || socket_of(rq)->busy)
        return err;
    err = hf_socket_flush(rq);
    return err.code == 0 ? hf_stream_pump(rq) : err;
}

/* May something be said? Then there is a core to say it. */
static hf_err before_command(hf_req *rq)
{
    if (socket_of(rq) == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    return core_of(rq) != NULL ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}

enum { LARGE = 8192 }; /* to copy it costs more than a call of the system for it alone */

/* A large message leaves from where it lies, at once, behind what waits; what the connection does not take of it is copied
 * there. *gone: so it was done. Where nothing may wait in front of it, nor much of it behind, it takes the usual way. */
static hf_err send_large(hf_req *rq, hf_websocket_type type, hf_bytes message, bool *gone)
{
    hf_websocket *const core = rq->more->socket->core;
    *gone = false;
    if (message.len < LARGE || message.len > rq->service->env->limits->stream_bytes / 2)
        return HF_OK;
    hf_err err = emit(rq);
    if (err.code != 0 || hf_websocket_unsent(core) > 0 || hf_reply_room(rq) == 0)
        return err;
    err = hf_websocket_send_lent(core, type, message, 0);
    *gone = err.code == 0;
    for (bool none = err.code != 0; err.code == 0 && !none;)
        err = emit_some(rq, UINT64_MAX, &none);
    return err;
}

hf_err hf_socket_send(hf_req *rq, hf_websocket_type type, hf_bytes message)
{
    bool gone = false;
    hf_err err = before_command(rq);
    if (err.code == 0)
        err = send_large(rq, type, message, &gone);
    if (err.code != 0)
        return err;
    return after_command(rq, gone ? HF_OK : hf_websocket_send(rq->more->socket->core, type, message));
}

hf_err hf_socket_send_shared(hf_req *rq, const hf_websocket_shared *plain, const hf_websocket_shared *deflated)
{
    const hf_err err = before_command(rq);
    if (err.code != 0)
        return err;
    struct hf_socket *const s = rq->more->socket;
    const bool small = hf_websocket_shares(s->core) == HF_WEBSOCKET_SHARED_DEFLATED && deflated != NULL;
    return after_command(rq, hf_websocket_send_shared(s->core, small ? deflated : plain, 0));
}

hf_err hf_socket_close(hf_req *rq, uint16_t code, hf_bytes reason)
{
    const hf_err err = before_command(rq);
    return err.code != 0 ? err : after_command(rq, hf_websocket_close(rq->more->socket->core, code, reason));
}

/* ---- for topics --------------------------------------------------------------------------------------------- */

/* As much as one turn of the connection sends: what waits beyond it is better kept with the topics, who know what may go. */
enum { TOPICS_AHEAD = 65536 };

bool hf_socket_has_room(const hf_req *rq)
{
    const struct hf_socket *const s = socket_of(rq);
    return s != NULL && !s->ended && hf_reply_room(rq) > 0 && unsent(s) < TOPICS_AHEAD;
}

bool hf_socket_is_deflated(const hf_req *rq)
{
    return rq->more->socket->deflate.on && core_of(rq) != NULL && hf_websocket_shares(rq->more->socket->core) == HF_WEBSOCKET_SHARED_DEFLATED;
}

hf_err hf_socket_tell(hf_req *rq, hf_bytes frames)
{
    const hf_websocket_shared shared = { .ptr = (uint8_t *)(uintptr_t)frames.ptr, .len = frames.len, .capacity = frames.len };
    const hf_err err = before_command(rq);
    return err.code != 0 ? err : hf_websocket_send_shared(rq->more->socket->core, &shared, 0);
}

hf_err hf_socket_tell_text(hf_req *rq, hf_bytes text)
{
    const hf_err err = before_command(rq);
    return err.code != 0 ? err : hf_websocket_send(rq->more->socket->core, HF_WEBSOCKET_TEXT, text);
}

hf_err hf_socket_let_go(hf_req *rq)
{
    const hf_err err = before_command(rq);
    return err.code != 0 ? err : hf_websocket_close(rq->more->socket->core, HF_WEBSOCKET_TRY_LATER, hf_text("too slow: come back with what you have seen"));
}

/* ---- for handlers ------------------------------------------------------------------------------------------- */

hf_bytes hf_socket_protocol(const hf_req *rq)
{
    const struct hf_socket *const s = socket_of(rq);
    return s != NULL ? s->protocol : hf_text("");
}

uint64_t hf_socket_unsent(const hf_req *rq)
{
    const struct hf_socket *const s = socket_of(rq);
    return s != NULL ? unsent(s) : 0;
}

/* ---- the end of the server ---------------------------------------------------------------------------------- */

void hf_dialog_drain(hf_dialog *d)
{
    for (hf_req *rq = d->open; rq != NULL; rq = rq->next) {
        const struct hf_socket *const s = socket_of(rq);
        hf_err err = HF_OK;
        if (s != NULL && !s->told_closed && !s->ended)
            err = hf_socket_close(rq, HF_WEBSOCKET_GOING_AWAY, hf_text("the server stops"));
        else if (rq->match.route != NULL && rq->match.route->events != NULL && rq->answered && !rq->answer_ended)
            err = hf_reply_end(rq);
        (void)err.code; /* closing already is as good */
    }
}
