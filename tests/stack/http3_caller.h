/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of HTTP/3: our QUIC and HTTP/3 cores stood on one another, for tests. Pure: whoever includes it moves the
 * datagrams, in a simulated network or through sockets. It keeps a table of what it asked for and what came.
 */
#ifndef HF_TESTS_STACK_HTTP3_CALLER_H
#define HF_TESTS_STACK_HTTP3_CALLER_H

#include <stdlib.h>
#include <string.h>

#include <handfast/http3.h>
#include <handfast/quic.h>

enum { CALLER_LANES = 512, CALLER_PIECES = 64, CALLER_SCRATCH = 65536 };

/* A request and its answer; or a lane of the server's, whose `of_peer` is set. */
typedef struct call {
    hf_lane lane;
    bool of_peer, fin, done, reset, gone; /* done: the answer came whole */
    uint16_t status;
    unsigned interim;
    uint64_t body;     /* bytes that came */
    uint64_t sum;      /* of them */
    uint64_t code;     /* of a reset */
    const uint8_t *upload;
    size_t upload_left;
    bool upload_ended;
    void *user;
    char reason[128];  /* a field that was asked for: caller.wanted */
} call;

typedef struct caller {
    hf_quic_endpoint *ep;
    hf_quic *quic;
    hf_http3 *http3;
    const hf_env *env;
    hf_time now;
    bool opened, confirmed, over, goaway, no_take, moved, no_answer_verify;
    bool rejected; /* 0-RTT was: no call is left */
    bool push;     /* is allowed */
    unsigned pushed;
    hf_step end; /* over: HF_CLOSED or HF_FAULT */
    call calls[CALLER_LANES];
    size_t count;
    size_t done, resets;
    hf_bytes wanted; /* a field of answers, kept in call.reason */
    void (*on_body)(struct caller *c, call *k, hf_bytes bytes);
    uint8_t session[4096], token[256];
    size_t session_length, token_length;
    uint8_t scratch[CALLER_SCRATCH];
} caller;

static uint64_t caller_sum(uint64_t sum, hf_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        sum = sum * 31 + b.ptr[i];
    return sum;
}

static call *caller_find(caller *c, hf_lane lane)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->calls[i].lane == lane)
            return &c->calls[i];
    return NULL;
}

static call *caller_add(caller *c, hf_lane lane)
{
    if (c->count == CALLER_LANES)
        abort();
    c->calls[c->count] = (call){ .lane = lane };
    return &c->calls[c->count++];
}

/* False: the handshake cannot begin. */
static bool caller_begin(caller *c, const hf_env *env, hf_quic_endpoint *ep, hf_time now, const hf_quic_target *target)
{
    hf_err err;
    c->env = env;
    c->ep = ep;
    c->now = now;
    c->quic = hf_quic_connect(ep, now, target, c, &err);
    return c->quic != NULL;
}

static void caller_free(caller *c)
{
    if (c->quic != NULL)
        hf_quic_free(c->quic);
    hf_http3_free(c->http3);
    c->quic = NULL;
    c->http3 = NULL;
}

static void caller_upload(caller *c, call *k)
{
    while (k->upload_left > 0) {
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(k->upload, k->upload_left) };
        const uint64_t n = hf_http3_put(c->http3, k->lane, &e, 1, NULL);
        k->upload += n;
        k->upload_left -= (size_t)n;
        if (n == 0)
            return;
    }
    if (!k->upload_ended)
        (void)hf_http3_end(c->http3, k->lane, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code;
    k->upload_ended = true;
}

/* NULL: the server allows no more requests now. `body` is lent until it is sent. */
static call *caller_ask(caller *c, const char *method, const char *path, hf_bytes authority, hf_bytes body, hf_fields fields)
{
    hf_lane lane;
    const hf_request_head head = { .method_name = hf_text(method), .scheme = hf_text("https"), .authority = authority, .path = hf_text(path),
        .content_length = body.ptr != NULL ? (int64_t)body.len : HF_LENGTH_NONE, .fields = fields };
    if (hf_http3_may_request(c->http3, &head).code != 0 || hf_quic_open(c->quic, HF_LANE_BIDIRECTIONAL, &lane).code != 0)
        return NULL;
    call *const k = caller_add(c, lane);
    if (hf_http3_request(c->http3, lane, &head).code != 0)
        abort();
    k->upload = body.ptr;
    k->upload_left = body.len;
    caller_upload(c, k);
    return k;
}

static void caller_opened(caller *c)
{
    hf_lane own[3];
    c->opened = true;
    const hf_http3_options options = { .push = c->push };
    c->http3 = hf_http3_client_new(c->env, 7, c->now, &options);
    for (int i = 0; i < 3; i++)
        if (hf_quic_open(c->quic, HF_LANE_UNIDIRECTIONAL, &own[i]).code != 0)
            abort();
    hf_http3_begin(c->http3, own[0], own[1], own[2]);
}

static void caller_hear(caller *c, const hf_http3_event *e)
{
    call *const k = caller_find(c, e->lane);
    switch (e->kind) {
    case HF_HTTP3_RESPONSE:
        if (e->response.status < 200)
            k->interim = e->response.status;
        else
            k->status = e->response.status;
        for (size_t i = 0; i < e->response.fields.count; i++) {
            const hf_field *const f = &e->response.fields.at[i];
            if (c->wanted.len > 0 && f->name.len == c->wanted.len && strncasecmp((const char *)f->name.ptr, (const char *)c->wanted.ptr, f->name.len) == 0 &&
                f->value.len < sizeof k->reason)
                memcpy(k->reason, f->value.ptr, f->value.len);
        }
        break;
    case HF_HTTP3_BODY:
        if (c->no_take)
            break;
        k->body += e->body.len;
        k->sum = caller_sum(k->sum, e->body);
        if (c->on_body != NULL)
            c->on_body(c, k, e->body);
        hf_http3_take(c->http3, e->lane, e->body.len);
        break;
    case HF_HTTP3_END:
        k->done = true;
        c->done++;
        break;
    case HF_HTTP3_RESET:
        k->reset = true;
        k->code = e->code;
        c->resets++;
        break;
    case HF_HTTP3_WRITABLE:
        caller_upload(c, k);
        break;
    case HF_HTTP3_GOAWAY:
        c->goaway = true;
        break;
    case HF_HTTP3_PUSHED:
        c->pushed++;
        break;
    default:
        break;
    }
}

/* Steps one lane until it has nothing more to say. True: something happened. */
static bool caller_step(caller *c, hf_lane lane, bool fin)
{
    bool any = false;
    for (;;) {
        uint8_t nothing[1];
        const hf_span held = lane == HF_HTTP3_NO_LANE ? (hf_span){ NULL, 0 } : hf_quic_peek(c->quic, lane);
        hf_in in = { .ptr = held.len > 0 ? held.ptr : nothing, .len = held.len, .fin = fin };
        hf_http3_event e;
        const hf_step s = hf_http3_step(c->http3, c->now, lane, &in, &e);
        if (s == HF_EVENT)
            caller_hear(c, &e);
        if (in.used > 0)
            hf_quic_take(c->quic, lane, in.used);
        any = any || s == HF_EVENT || in.used > 0;
        if (s == HF_FAULT || s == HF_CLOSED)
            hf_quic_close(c->quic, c->now, hf_http3_close_code(c->http3), hf_bytes_make(NULL, 0));
        if (s != HF_EVENT)
            return any;
        if (c->no_take && e.kind == HF_HTTP3_BODY)
            return any;
    }
}

static void caller_event(caller *c, const hf_quic_event *e)
{
    call *k;
    switch (e->kind) {
    case HF_QUIC_WANT_VERIFY: hf_quic_answer_verify(c->quic, c->now, HF_OK); break;
    case HF_QUIC_EARLY_REJECTED:
        hf_http3_free(c->http3);
        c->http3 = NULL;
        c->count = 0;
        c->rejected = true;
        break;
    case HF_QUIC_EARLY:
    case HF_QUIC_OPENED:
        if (c->http3 == NULL)
            caller_opened(c);
        break;
    case HF_QUIC_CONFIRMED: c->confirmed = true; break;
    case HF_QUIC_STREAM:
        caller_add(c, e->lane)->of_peer = true;
        hf_http3_lane_opened(c->http3, c->now, e->lane);
        break;
    case HF_QUIC_WRITABLE: hf_http3_hold(c->http3, c->now, e->lane, false); break;
    case HF_QUIC_ENDED:
        k = caller_find(c, e->lane);
        if (e->ending.kind != HF_ENDING_FIN)
            hf_http3_lane_ended(c->http3, c->now, e->lane, e->ending);
        else if (k != NULL)
            k->fin = true;
        break;
    case HF_QUIC_SESSION:
        if (e->bytes.len <= sizeof c->session)
            memcpy(c->session, e->bytes.ptr, c->session_length = e->bytes.len);
        break;
    case HF_QUIC_TOKEN:
        if (e->bytes.len <= sizeof c->token)
            memcpy(c->token, e->bytes.ptr, c->token_length = e->bytes.len);
        break;
    case HF_QUIC_MOVED: c->moved = true; break;
    default: break;
    }
}

static bool caller_flush(caller *c)
{
    hf_http3_turn turn;
    bool any = false, fin;
    while (hf_http3_next(c->http3, c->now, &turn)) {
        hf_extent pieces[CALLER_PIECES];
        hf_out out = { .pieces = pieces, .capacity = CALLER_PIECES, .scratch = c->scratch, .scratch_capacity = CALLER_SCRATCH, .room = UINT64_MAX };
        if (turn.aborts) {
            (void)hf_quic_end(c->quic, turn.lane, turn.ending).code;
            any = true;
            continue;
        }
        if (turn.lane != HF_HTTP3_NO_LANE)
            out.room = hf_quic_room(c->quic, turn.lane);
        (void)hf_http3_emit(c->http3, c->now, turn.lane, &out, &fin);
        if (turn.lane == HF_HTTP3_NO_LANE)
            continue;
        if (out.count == 0 && !fin) {
            hf_http3_hold(c->http3, c->now, turn.lane, true);
            continue;
        }
        (void)hf_quic_put(c->quic, turn.lane, pieces, out.count);
        if (fin)
            (void)hf_quic_end(c->quic, turn.lane, (hf_ending){ HF_ENDING_FIN, 0 }).code;
        any = true;
    }
    return any;
}

/* Everything that can be done now, but for datagrams: those the endpoint emits. */
static void caller_turn(caller *c, hf_time now)
{
    bool any = true;
    c->now = now;
    while (any && c->quic != NULL && !c->over) {
        hf_quic_event e;
        hf_step s;
        any = false;
        while ((s = hf_quic_next(c->quic, now, &e)) == HF_EVENT) {
            caller_event(c, &e);
            any = true;
        }
        c->over = s == HF_CLOSED || s == HF_FAULT;
        c->end = s;
        if (c->http3 == NULL || c->over)
            continue;
        any = caller_step(c, HF_HTTP3_NO_LANE, false) || any;
        for (size_t i = 0; i < c->count; i++)
            if (!c->calls[i].gone) {
                any = caller_step(c, c->calls[i].lane, c->calls[i].fin) || any;
                c->calls[i].gone = (c->calls[i].done && c->calls[i].fin && (c->calls[i].upload_left == 0)) || c->calls[i].reset;
            }
        any = caller_flush(c) || any;
    }
}

/* No lane of ours is open any more. */
[[maybe_unused]] static bool caller_is_done(const caller *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (!c->calls[i].of_peer && !c->calls[i].done && !c->calls[i].reset)
            return false;
    return true;
}

#endif
