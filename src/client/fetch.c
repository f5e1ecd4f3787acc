/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"

#include "alloc.h"

enum { SCRATCH = 65536, PIECES = 64, PIECE = 32768, ROUNDS = 16 };

bool hf_fetch_open(hf_fetch *f, hf_line *line, hf_version version)
{
    const hf_env *const env = hf_dialer_env(line->dialer);
    const hf_time now = hf_dialer_now(line->dialer);
    *f = (hf_fetch){ .line = line };
    if (line->quic != NULL)
        return true;
    if (version == HF_HTTP_2)
        f->http2 = hf_http2_client_new(env, 1, now, NULL);
    else
        f->http1 = hf_http1_client_new(env, 1, now);
    return f->http1 != NULL || f->http2 != NULL;
}

static void drop_piece(hf_fetch *f, hf_fetch_call *c)
{
    if (c->piece != NULL)
        hf_free(&hf_dialer_env(f->line->dialer)->alloc, c->piece, PIECE);
    c->piece = NULL;
}

void hf_fetch_close(hf_fetch *f)
{
    for (size_t i = 0; f->line != NULL && i < HF_FETCH_CALLS; i++)
        drop_piece(f, &f->calls[i]);
    hf_http1_free(f->http1);
    hf_http2_free(f->http2);
    *f = (hf_fetch){ .over = true };
}

hf_version hf_fetch_version(const hf_fetch *f)
{
    return f->http1 != NULL ? HF_HTTP_1_1 : f->http2 != NULL ? HF_HTTP_2 : HF_HTTP_3;
}

static hf_fetch_call *find(hf_fetch *f, uint64_t id)
{
    for (size_t i = 0; i < HF_FETCH_CALLS; i++)
        if (f->calls[i].asked && f->calls[i].id == id)
            return &f->calls[i];
    return NULL;
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

static uint64_t put(hf_fetch *f, const hf_fetch_call *c, const hf_extent *e, hf_err *err)
{
    if (f->http1 != NULL)
        return hf_http1_put(f->http1, e, 1, err);
    if (f->http2 != NULL)
        return hf_http2_put(f->http2, (hf_http2_stream)c->id, e, 1, err);
    return hf_http3_put(hf_quic_line_http3(f->line->quic), c->id, e, 1, err);
}

static hf_err finish(hf_fetch *f, const hf_fetch_call *c, hf_ending how)
{
    const hf_fields none = { NULL, 0 };
    return f->http1 != NULL ? hf_http1_end(f->http1, how, none)
           : f->http2 != NULL ? hf_http2_end(f->http2, (hf_http2_stream)c->id, how, none)
                              : hf_http3_end(hf_quic_line_http3(f->line->quic), c->id, how, none);
}

static bool is_of_length(hf_err err)
{
    return err.code == HF_ERR_HTTP1_BODY_LENGTH || err.code == HF_ERR_HTTP2_BODY_LENGTH || err.code == HF_ERR_HTTP3_BODY_LENGTH;
}

static void end_sending(hf_fetch *f, hf_fetch_call *c)
{
    f->sending -= c->sending;
    c->sending = false;
}

/* The next piece. False: there is none, or none for now. */
static bool refill(hf_fetch *f, hf_fetch_call *c)
{
    size_t n = 0;
    if (c->piece == NULL)
        c->piece = hf_alloc(&hf_dialer_env(f->line->dialer)->alloc, PIECE);
    const hf_step s = c->piece != NULL ? c->source->read(c->source->self, (hf_span){ c->piece, PIECE }, &n) : HF_FAULT;
    if (s == HF_CLOSED)
        c->source = NULL;
    if (s == HF_FAULT || (s == HF_CLOSED && c->owed > 0)) {
        c->torn = true;
        f->torn++;
        end_sending(f, c);
    }
    c->unsent = hf_bytes_make(c->piece, s == HF_EVENT ? n : 0);
    return s == HF_EVENT;
}

/* Bytes that went on. */
static uint64_t send_body(hf_fetch *f, hf_fetch_call *c)
{
    hf_err err = HF_OK;
    uint64_t sent = 0;
    while (c->sending) {
        if (c->unsent.len == 0 && c->source != NULL && !refill(f, c) && (c->source != NULL || c->torn))
            return sent;
        if (c->unsent.len > 0) {
            const hf_extent e = { .kind = c->piece != NULL ? HF_EXTENT_COPIED : HF_EXTENT_LENT, .bytes = c->unsent };
            const size_t n = (size_t)put(f, c, &e, &err);
            c->unsent = hf_bytes_make(c->unsent.ptr + n, c->unsent.len - n);
            c->owed -= c->owed > 0 ? (int64_t)n : 0;
            sent += n;
        }
        if (err.code == 0 && c->unsent.len > 0)
            return sent;
        if (err.code == 0 && c->source != NULL)
            continue;
        end_sending(f, c); /* an answer may come before the body was sent: then nobody wants the rest */
        if (err.code == 0)
            (void)finish(f, c, (hf_ending){ HF_ENDING_FIN, 0 }).code; /* the peer may have ended the exchange before */
        c->torn = c->torn || is_of_length(err); /* the source gives more than was declared */
        f->torn += is_of_length(err);
    }
    return sent;
}

static uint64_t send_bodies(hf_fetch *f)
{
    uint64_t sent = 0;
    uint32_t left = f->sending;
    for (size_t i = 0; left > 0 && i < HF_FETCH_CALLS; i++)
        if (f->calls[i].sending) {
            left--;
            sent += send_body(f, &f->calls[i]);
        }
    return sent;
}

static hf_err ask_http3(hf_fetch *f, const hf_request_head *head, uint64_t *id)
{
    hf_http3 *const h = hf_quic_line_http3(f->line->quic);
    hf_err err = hf_http3_may_request(h, head);
    if (err.code == 0)
        err = hf_quic_line_open_lane(f->line->quic, id);
    return err.code == 0 ? hf_http3_request(h, *id, head) : err;
}

static uint32_t pipeline_of(const hf_fetch *f)
{
    return f->pipeline == 0 ? 1 : f->pipeline < HF_FETCH_PIPELINE ? f->pipeline : HF_FETCH_PIPELINE;
}

static hf_err ask(hf_fetch *f, const hf_request_head *head, const hf_fetch_call *begun)
{
    size_t i = 0;
    hf_http2_stream stream = 0;
    if (f->http1 != NULL && (f->open >= pipeline_of(f) || f->sending > 0))
        return hf_err_make(HF_ERR_BASE_LIMIT);
    if (f->http1 != NULL) /* RFC 9112 9.3.2: they are answered in the order in which they were asked */
        i = (f->oldest + f->open) % HF_FETCH_PIPELINE;
    while (i < HF_FETCH_CALLS && f->calls[i].asked)
        i++;
    if (i == HF_FETCH_CALLS)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    hf_fetch_call *const c = &f->calls[i];
    *c = *begun;
    const hf_err err = f->http1 != NULL ? hf_http1_request(f->http1, head) : f->http2 != NULL ? hf_http2_request(f->http2, head, &stream) : ask_http3(f, head, &c->id);
    if (err.code != 0)
        return err;
    if (f->http2 != NULL)
        c->id = stream;
    c->sending = c->asked = true;
    f->open++;
    f->sending++;
    f->asked++;
    (void)send_body(f, c);
    return HF_OK;
}

hf_err hf_fetch_ask(hf_fetch *f, const hf_request_head *head, hf_bytes body, void *user)
{
    return ask(f, head, &(hf_fetch_call){ .user = user, .unsent = body });
}

hf_err hf_fetch_ask_from(hf_fetch *f, const hf_request_head *head, const hf_body_source *source, void *user)
{
    return ask(f, head, &(hf_fetch_call){ .user = user, .source = source, .owed = head->content_length });
}

hf_err hf_fetch_request(hf_fetch *f, const hf_request_head *head, hf_bytes body)
{
    return hf_fetch_ask(f, head, body, NULL);
}

uint32_t hf_fetch_room(const hf_fetch *f)
{
    const uint32_t most = f->http1 == NULL ? HF_FETCH_CALLS : f->sending > 0 ? 0 : pipeline_of(f);
    uint32_t room = most > f->open ? most - f->open : 0;
    if (hf_fetch_is_over(f))
        return 0;
    if (f->line->quic != NULL) {
        const uint64_t lanes = hf_quic_line_openable(f->line->quic);
        room = lanes < room ? (uint32_t)lanes : room;
    }
    return room;
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

static void send_out(hf_fetch *f, hf_time now)
{
    uint8_t scratch[SCRATCH];
    hf_extent pieces[PIECES];
    unsigned round = 0;
    f->more = false;
    if (f->line->quic != NULL) {
        while (send_bodies(f) > 0 && round++ < ROUNDS)
            hf_quic_line_flush(f->line->quic);
        hf_quic_line_flush(f->line->quic);
        f->more = round > ROUNDS;
        return;
    }
    while (hf_line_has_room(f->line)) {
        hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = SCRATCH, .room = SCRATCH };
        if (round++ == ROUNDS) { /* a peer that reads as fast as we write has something to say, too */
            f->more = true;
            return;
        }
        (void)send_bodies(f);
        if ((f->http2 != NULL ? hf_http2_emit(f->http2, now, &out) : hf_http1_emit(f->http1, now, &out)) == 0)
            return;
        hf_line_put(f->line, &out);
    }
}

static void take(hf_fetch *f)
{
    if (f->untaken > 0 && f->http2 != NULL)
        hf_http2_take(f->http2, (hf_http2_stream)f->untaken_id, f->untaken);
    else if (f->untaken > 0 && f->http1 != NULL)
        hf_http1_take(f->http1, f->untaken);
    f->untaken = 0;
    if (f->line->quic != NULL)
        hf_quic_line_take(f->line->quic);
}

static void forget_body(hf_fetch *f, hf_fetch_call *c)
{
    f->torn -= c->torn;
    f->held -= c->held;
    c->torn = c->held = c->kept = false;
    c->source = NULL; /* and what it reads for may be freed from here on */
    end_sending(f, c);
    drop_piece(f, c);
}

/* With HTTP/1 the one whose answer is next, or all of them. */
static void let_go(hf_fetch *f, hf_fetch_call *c)
{
    f->open -= c->asked;
    if (f->http1 != NULL)
        f->oldest = (f->oldest + c->asked) % HF_FETCH_PIPELINE;
    c->asked = c->given_up = false;
    forget_body(f, c);
}

static bool is_for_somebody(const hf_fetch *f)
{
    for (size_t i = 0; i < HF_FETCH_CALLS; i++)
        if (f->calls[i].asked && !f->calls[i].given_up)
            return true;
    return false;
}

/* Answers that nobody waits for are read as long as others come behind them. */
static void leave_unread(hf_fetch *f)
{
    if (f->http1 == NULL || !f->over || is_for_somebody(f))
        return;
    for (size_t i = 0; f->open > 0 && i < HF_FETCH_CALLS; i++)
        if (f->calls[i].asked)
            let_go(f, &f->calls[i]);
}

static bool tell(hf_fetch *f, hf_fetch_call *c, hf_fetch_event_kind kind, hf_fetch_event *event)
{
    event->kind = kind;
    event->user = c->user;
    c->begun = true;
    if (kind == HF_FETCH_END) {
        f->over = f->over || (c->sending && f->http1 != NULL); /* answered before it was asked whole */
        if (c->sending && f->http1 == NULL)
            (void)finish(f, c, (hf_ending){ HF_ENDING_RESET, f->http2 != NULL ? (uint64_t)HF_HTTP2_NO_ERROR : (uint64_t)HF_HTTP3_NO_ERROR }).code;
    }
    if (kind == HF_FETCH_END || kind == HF_FETCH_FAILED || kind == HF_FETCH_UPGRADED) {
        let_go(f, c);
        leave_unread(f);
    }
    return true;
}

static bool tell_head(hf_fetch *f, hf_fetch_call *c, const hf_response_head *head, hf_version version, hf_fetch_event *event)
{
    event->head = *head;
    if (version != HF_HTTP_1_1)
        event->head.version = version;
    return tell(f, c, HF_FETCH_HEAD, event);
}

static bool tell_body(hf_fetch *f, hf_fetch_call *c, hf_bytes body, hf_fetch_event *event)
{
    event->body = body;
    f->untaken = body.len;
    f->untaken_id = c->id;
    return tell(f, c, HF_FETCH_BODY, event);
}

static bool tell_failed(hf_fetch *f, hf_fetch_call *c, hf_err err, int32_t otherwise, hf_fetch_event *event)
{
    event->err = err.code != 0 ? err : hf_err_make(otherwise);
    return tell(f, c, HF_FETCH_FAILED, event);
}

/* Of an answer that nobody waits for. */
static void pass_over(hf_fetch *f, hf_fetch_call *c, const hf_http1_event *e)
{
    if (e->kind == HF_HTTP1_BODY)
        f->untaken = e->body.len;
    if (e->kind == HF_HTTP1_END || e->kind == HF_HTTP1_UPGRADED)
        let_go(f, c);
}

/* True: *event was filled. */
static bool translate_http1(hf_fetch *f, const hf_http1_event *e, hf_fetch_event *event)
{
    hf_fetch_call *const c = &f->calls[f->oldest];
    if (c->given_up) {
        pass_over(f, c, e);
        return false;
    }
    switch (e->kind) {
    case HF_HTTP1_RESPONSE:
        f->over = f->over || e->response.close;
        return tell_head(f, c, &e->response, HF_HTTP_1_1, event);
    case HF_HTTP1_BODY: return tell_body(f, c, e->body, event);
    case HF_HTTP1_TRAILERS: event->trailers = e->trailers; return tell(f, c, HF_FETCH_TRAILERS, event);
    case HF_HTTP1_END: return tell(f, c, HF_FETCH_END, event);
    case HF_HTTP1_UPGRADED: f->over = true; return tell(f, c, HF_FETCH_UPGRADED, event);
    case HF_HTTP1_REQUEST:
    case HF_HTTP1_REFUSED: break;
    }
    return false;
}

static bool translate_http2(hf_fetch *f, const hf_http2_event *e, hf_fetch_event *event)
{
    hf_fetch_call *const c = e->stream != 0 ? find(f, e->stream) : NULL;
    if (e->kind == HF_HTTP2_GOAWAY)
        f->over = true;
    if (c == NULL)
        return false;
    switch (e->kind) {
    case HF_HTTP2_RESPONSE: return tell_head(f, c, &e->response, HF_HTTP_2, event);
    case HF_HTTP2_BODY:
        c->kept = c->held; /* not taken: the core copies it, and the stream's window stays shut */
        return !c->held && tell_body(f, c, e->body, event);
    case HF_HTTP2_TRAILERS: event->trailers = e->trailers; return tell(f, c, HF_FETCH_TRAILERS, event);
    case HF_HTTP2_END: return tell(f, c, HF_FETCH_END, event);
    case HF_HTTP2_RESET: return tell_failed(f, c, e->err, HF_ERR_HTTP2_PEER_RESET, event);
    default: return false;
    }
}

static bool translate_http3(hf_fetch *f, const hf_http3_event *e, hf_fetch_event *event)
{
    hf_fetch_call *const c = e->lane != HF_HTTP3_NO_LANE ? find(f, e->lane) : NULL;
    if (e->kind == HF_HTTP3_GOAWAY)
        f->over = true;
    if (c == NULL)
        return false;
    switch (e->kind) {
    case HF_HTTP3_RESPONSE: return tell_head(f, c, &e->response, HF_HTTP_3, event);
    case HF_HTTP3_BODY: return tell_body(f, c, e->body, event);
    case HF_HTTP3_TRAILERS: event->trailers = e->trailers; return tell(f, c, HF_FETCH_TRAILERS, event);
    case HF_HTTP3_END: return tell(f, c, HF_FETCH_END, event);
    case HF_HTTP3_RESET: return tell_failed(f, c, e->err, HF_ERR_HTTP3_PEER_RESET, event);
    default: return false;
    }
}

static hf_step step_quic(hf_fetch *f, hf_fetch_event *event, hf_err *why)
{
    hf_http3_event e;
    const hf_step s = hf_quic_line_step(f->line->quic, &e);
    if (s == HF_EVENT)
        return translate_http3(f, &e, event) ? HF_EVENT : HF_FULL;
    if (s == HF_IDLE)
        return HF_IDLE;
    *why = hf_quic_line_fault(f->line->quic);
    f->over = true;
    return HF_FAULT;
}

static hf_step step_once(hf_fetch *f, hf_time now, hf_fetch_event *event, hf_err *why)
{
    union {
        hf_http1_event one;
        hf_http2_event two;
    } e;
    const hf_span held = hf_line_peek(f->line);
    hf_in in = { .ptr = held.ptr, .len = held.len, .fin = f->line->fin || f->line->broken };
    const hf_step s = f->http2 != NULL ? hf_http2_step(f->http2, now, &in, &e.two) : hf_http1_step(f->http1, now, &in, &e.one);
    const bool told = s == HF_EVENT && (f->http2 != NULL ? translate_http2(f, &e.two, event) : translate_http1(f, &e.one, event));
    hf_line_take(f->line, in.used);
    if (s == HF_EVENT && !told)
        take(f);
    if (s == HF_EVENT)
        return told ? HF_EVENT : HF_FULL;
    if (s == HF_CLOSED || s == HF_FAULT) {
        const hf_err fault = (f->http2 != NULL ? hf_http2_fault(f->http2) : hf_http1_fault(f->http1))->err;
        *why = f->line->broken ? f->line->err : fault.code != 0 ? fault : hf_err_make(HF_ERR_HTTP1_TRUNCATED);
        f->over = true;
        return HF_FAULT;
    }
    return in.used > 0 ? HF_FULL : HF_IDLE;
}

/* All that has come is dealt with before anything is sent and more is asked for: what many events have to say leaves in one piece. */
static hf_step turn_line(hf_fetch *f, hf_time now, hf_fetch_event *event, hf_err *why)
{
    for (bool dry = false, pulled = false;;) {
        if (dry || hf_line_peek(f->line).len == 0) {
            send_out(f, now);
            pulled = !hf_line_pull_some(f->line, now);
        }
        const hf_step s = step_once(f, now, event, why);
        if (s == HF_EVENT)
            return s;
        if (s != HF_FULL && (pulled || s == HF_FAULT)) {
            send_out(f, now);
            return s;
        }
        dry = s != HF_FULL; /* a part of a frame, or no room for what must be answered */
        pulled = false;
    }
}

static hf_step turn_quic(hf_fetch *f, hf_fetch_event *event, hf_err *why)
{
    hf_step s;
    while ((s = step_quic(f, event, why)) == HF_FULL)
        ;
    if (s == HF_IDLE)
        send_out(f, hf_dialer_now(f->line->dialer));
    return s;
}

/* A body that cannot be sent whole: the peer is told that it is not. */
static bool tell_torn(hf_fetch *f, hf_fetch_event *event)
{
    size_t i = 0;
    while (i < HF_FETCH_CALLS && !f->calls[i].torn)
        i++;
    if (i == HF_FETCH_CALLS)
        return false;
    event->kind = HF_FETCH_FAILED;
    event->user = f->calls[i].user;
    event->err = hf_err_make(HF_ERR_CLIENT_BODY);
    hf_fetch_cancel(f, event->user);
    return true;
}

void hf_fetch_hold(hf_fetch *f, const void *user, bool held)
{
    for (size_t i = 0; i < HF_FETCH_CALLS; i++) {
        hf_fetch_call *const c = &f->calls[i];
        if (!c->asked || c->given_up || c->user != user)
            continue;
        f->held += held && !c->held;
        f->held -= !held && c->held;
        c->held = held;
        f->resumed = f->resumed || (!held && c->kept);
        if (f->line->quic != NULL)
            hf_quic_line_hold(f->line->quic, c->id, held);
    }
}

/* HTTP/2: what came of a body while it was held. */
static bool tell_kept(hf_fetch *f, hf_fetch_event *event)
{
    for (size_t i = 0; i < HF_FETCH_CALLS; i++) {
        hf_fetch_call *const c = &f->calls[i];
        const bool due = c->asked && c->kept && !c->held;
        const hf_bytes body = due ? hf_http2_peek(f->http2, (hf_http2_stream)c->id) : hf_bytes_make(NULL, 0);
        c->kept = c->kept && !due;
        if (body.len > 0)
            return tell_body(f, c, body, event);
    }
    f->resumed = false;
    return false;
}

bool hf_fetch_lose(hf_fetch *f, void **user)
{
    for (size_t i = 0; i < HF_FETCH_CALLS; i++) {
        hf_fetch_call *const c = &f->calls[i];
        const bool given_up = c->given_up;
        if (!c->asked)
            continue;
        *user = c->user;
        let_go(f, c);
        if (!given_up)
            return true;
    }
    return false;
}

hf_step hf_fetch_turn(hf_fetch *f, hf_fetch_event *event, hf_err *why)
{
    return hf_fetch_turn_at(f, hf_dialer_now(f->line->dialer), event, why);
}

hf_step hf_fetch_turn_at(hf_fetch *f, hf_time now, hf_fetch_event *event, hf_err *why)
{
    *why = HF_OK;
    if (f->torn > 0 && tell_torn(f, event))
        return HF_EVENT;
    if (f->http1 != NULL && f->over && f->open == 0) /* what follows an exchange that was given up is nobody's */
        return HF_IDLE;
    take(f);
    if (f->resumed && tell_kept(f, event))
        return HF_EVENT;
    if (f->http1 != NULL && f->calls[f->oldest].held) { /* what comes stays in the kernel */
        send_out(f, now);
        return HF_IDLE;
    }
    const hf_step s = f->line->quic != NULL ? turn_quic(f, event, why) : turn_line(f, now, event, why);
    if (s == HF_EVENT)
        return s;
    if (f->torn > 0 && tell_torn(f, event)) /* of a fault, too, this is the reason */
        return HF_EVENT;
    if (s == HF_IDLE && f->line->broken)
        *why = f->line->err;
    return s == HF_IDLE && f->line->broken ? HF_FAULT : s;
}

hf_step hf_fetch_step(hf_fetch *f, hf_fetch_event *event, hf_err *why)
{
    const hf_step s = hf_fetch_turn(f, event, why);
    if (s != HF_EVENT || event->kind != HF_FETCH_FAILED)
        return s;
    *why = event->err;
    return HF_FAULT;
}

void hf_fetch_cancel(hf_fetch *f, void *user)
{
    for (size_t i = 0; i < HF_FETCH_CALLS; i++) {
        hf_fetch_call *const c = &f->calls[i];
        if (!c->asked || c->given_up || c->user != user)
            continue;
        if (f->http1 != NULL) { /* RFC 9112 9.3.2: its answer comes all the same, between those of the others */
            f->over = c->given_up = true;
            forget_body(f, c);
            leave_unread(f);
            return;
        }
        (void)finish(f, c, (hf_ending){ HF_ENDING_RESET, f->http2 != NULL ? (uint64_t)HF_HTTP2_CANCEL : (uint64_t)HF_HTTP3_REQUEST_CANCELLED }).code;
        let_go(f, c);
        return;
    }
}

hf_time hf_fetch_wake(const hf_fetch *f)
{
    if (f->more)
        return hf_time_make(0);
    const hf_time at = f->http2 != NULL ? hf_http2_wake(f->http2) : f->http1 != NULL ? hf_http1_wake(f->http1) : HF_NEVER;
    return hf_time_earlier(at, hf_line_wake(f->line));
}

bool hf_fetch_is_over(const hf_fetch *f)
{
    return f->over || f->line == NULL || f->line->broken || f->line->fin || (f->line->quic != NULL && !hf_quic_line_is_open(f->line->quic));
}
