/* SPDX-License-Identifier: Apache-2.0 */
#include "web_core.h"

#include "alloc.h"
#include "trace.h"
#include "web_tape.h"

enum { WATCHED_LEAST = 16 * 1024 };
#define SEND_GRACE_NS HF_SECONDS(10)

static const hf_web_options plain_options;

/* The pier, with TLS on it where that is asked for. False: memory ended, and the pier is freed. */
static bool stand(hf_web *w, hf_pier pier, hf_time now)
{
    const hf_web_options *const o = w->options;
    if (o->tls == NULL) {
        w->pier = hf_web_tape_pier(o->tape, pier);
        w->begun = o->no_prior_knowledge || hf_web_tape_is_secured(o->tape);
        hf_web_tape_begin(o->tape, now, w->id, o);
        if (hf_web_tape_is_secured(o->tape)) /* ALPN chooses, as it did */
            return true;
        hf_web_begin_http1(w, now);
        return true;
    }
    w->tls = hf_tls_pier_new(w->env, hf_tls_server_new(w->env, o->tls, w->id, now), pier, o->room, now);
    if (w->tls == NULL)
        return false;
    w->pier = hf_web_tape_pier(o->tape, hf_tls_pier_get(w->tls));
    hf_web_tape_begin(o->tape, now, w->id, o);
    w->begun = true;
    return true;
}

hf_web *hf_web_new(const hf_env *env, uint64_t id, hf_pier pier, const hf_web_options *options, hf_time now)
{
    hf_web *w = hf_alloc_zeroed(&env->alloc, sizeof *w);
    if (w == NULL) {
        pier.ops->free(pier.self);
        return NULL;
    }
    w->env = env;
    w->id = id;
    w->options = options != NULL ? options : &plain_options;
    if (!stand(w, pier, now)) {
        hf_free(&env->alloc, w, sizeof *w);
        return NULL;
    }
    hf_trace(env, now, id, HF_TRACE_CONNECTION_OPENED, 0, 0);
    return w;
}

/* Is TLS below, or was it when the tape was recorded that is played here? */
static bool is_secured(const hf_web *w)
{
    return w->tls != NULL || (w->options->tape != NULL && hf_web_tape_is_secured(w->options->tape));
}

static void forget_sending(hf_web *w)
{
    hf_free(&w->env->alloc, w->sending, sizeof *w->sending);
    w->sending = NULL;
}

void hf_web_free(hf_web *w)
{
    if (w == NULL)
        return;
    if (w->v != &hf_web_http3)
        w->pier.ops->free(w->pier.self);
    if (w->v != NULL)
        w->v->free(w);
    if (w->v == &hf_web_http2 || w->v == &hf_web_http3)
        hf_web_free_fences(w);
    forget_sending(w);
    hf_free(&w->env->alloc, w, sizeof *w);
}

/* ---- sending ------------------------------------------------------------------------------------------------ */

static void close_now(hf_web *w, hf_err why)
{
    if (w->state == WEB_CLOSED)
        return;
    if (why.code != 0) /* a clean end would make an answer that lasts until close look whole */
        (void)!w->pier.ops->end(w->pier.self, 0, (hf_ending){ HF_ENDING_RESET, 0 }).code;
    w->state = WEB_CLOSED;
    if (w->why.code == 0)
        w->why = why;
}

/* The pier holds bytes that have not left: it takes no more now. */
static bool holds(const hf_web *w)
{
    return w->pier.ops->unsent(w->pier.self, 0) > 0;
}

static uint64_t untaken(const hf_web *w)
{
    const hf_pier_ops *const pier = w->pier.ops;
    return pier->untaken != NULL ? pier->untaken(w->pier.self, 0) : pier->unsent(w->pier.self, 0);
}

static void begin_watching(hf_web *w, hf_time now, uint64_t put, uint64_t left)
{
    w->sending = hf_alloc(&w->env->alloc, sizeof *w->sending);
    if (w->sending == NULL) {
        close_now(w, hf_err_make(HF_ERR_BASE_MEMORY));
        return;
    }
    *w->sending = (hf_web_sending){ .began = now, .moved = now, .looked = now, .left = left,
        .unsent = w->pier.ops->unsent(w->pier.self, 0), .total = w->bytes_sent - put };
}

/* Watches how fast the peer takes what we send: slow readers are cut (limits send_idle_ns, send_rate). `put` bytes went
 * to the pier just now. Answers that any system's buffers take are not worth a look; TLS has words of its own, which
 * leave without us. Once the peer has taken all there was, it owes nothing: what comes later is counted anew. */
static void look_at_sending(hf_web *w, hf_time now, uint64_t put)
{
    hf_web_sending *const s = w->sending;
    if (s == NULL) {
        const bool begins = ((put > 0 || is_secured(w)) && holds(w)) || put >= WATCHED_LEAST;
        const uint64_t left = begins ? untaken(w) : 0;
        if (left > 0)
            begin_watching(w, now, put, left);
        return;
    }
    const uint64_t unsent = w->pier.ops->unsent(w->pier.self, 0);
    /* To ask the kernel for each event of a turn costs more than many an answer. */
    if (s->looked.ns == now.ns && s->unsent == unsent) {
        s->left += put;
        return;
    }
    const uint64_t left = untaken(w);
    if (left == 0) {
        forget_sending(w);
        return;
    }
    if (left < s->left + put)
        s->moved = now;
    s->left = left;
    s->unsent = unsent;
    s->looked = now;
}

/* What a tunnel put past us. */
static inline uint64_t passed(hf_web *w)
{
    if (!w->tunnel)
        return 0;
    const uint64_t n = w->passed;
    w->passed = 0;
    return n;
}

/* Nobody is watched, and nothing went out: as it is nearly always when this is asked. */
static inline void watch_sending(hf_web *w, hf_time now, uint64_t put)
{
    put += passed(w);
    if (w->sending != NULL || is_secured(w) || put > 0)
        look_at_sending(w, now, put);
}

static hf_time send_idle_deadline(const hf_web *w)
{
    return hf_time_after(w->sending->moved, (int64_t)w->env->limits->send_idle_ns);
}

/* Behind the grace, at the least average rate, what the peer has taken since the first byte was due at this moment. */
static hf_time send_rate_deadline(const hf_web *w)
{
    const hf_web_sending *const s = w->sending;
    const uint64_t rate = w->env->limits->send_rate, sent = w->bytes_sent - s->total;
    if (rate == 0)
        return HF_NEVER;
    const uint64_t taken = sent - (s->left < sent ? s->left : sent);
    return hf_time_after(s->began, SEND_GRACE_NS + HF_SECONDS(taken / rate < 86400 ? taken / rate : 86400));
}

static hf_time send_deadline(const hf_web *w)
{
    return w->sending != NULL ? hf_time_earlier(send_idle_deadline(w), send_rate_deadline(w)) : HF_NEVER;
}

/* When to look at the latest: nobody tells us when a peer takes what the kernel has. */
static hf_time send_wake(const hf_web *w)
{
    if (w->sending == NULL)
        return HF_NEVER;
    return hf_time_earlier(send_deadline(w), hf_time_after(w->sending->looked, (int64_t)w->env->limits->send_idle_ns / 4));
}

/* The core is done, all that it had to say was emitted, and close_softly ends the connection as soon as that was put. */
static bool is_last_put(const hf_web *w)
{
    return w->state == WEB_CLOSING && w->pier.ops->last != NULL && w->v->has_said_all(w) && w->v->may_end(w);
}

/* True when something went to the pier, so that the core has room again. */
static bool flush(hf_web *w, hf_time now, hf_out *out)
{
    bool moved = false;
    watch_sending(w, now, 0); /* some piers send between events: what left since then is progress */
    while (w->v != NULL && w->state <= WEB_CLOSING && !holds(w)) {
        out->count = 0;
        out->scratch_used = 0;
        out->bytes = 0;
        out->room = UINT64_MAX;
        (void)w->v->emit(w, now, out);
        if (out->count == 0) /* a piece may be empty, and still have a token to bring back */
            break;
        moved = true;
        w->bytes_sent += out->bytes;
        if (is_last_put(w))
            w->pier.ops->last(w->pier.self, 0);
        const uint64_t taken = w->pier.ops->put(w->pier.self, 0, out->pieces, out->count);
        watch_sending(w, now, out->bytes);
        if (taken != out->bytes) { /* only a failed pier refuses when nothing was unsent: its event says why */
            w->stuck = true;
            break;
        }
        if (w->v == &hf_web_http1 && w->core.http1 == NULL) /* gone to rest: it has said all */
            break;
    }
    return moved;
}

/* ---- closing ------------------------------------------------------------------------------------------------ */

/* What is not wanted must still be read, or a full pier would receive no more and never see the peer's FIN. */
static void throw_away(hf_web *w)
{
    const hf_span rest = w->pier.ops->peek(w->pier.self, 0);
    if (rest.len > 0)
        w->pier.ops->take(w->pier.self, 0, rest.len);
    w->thrown += rest.len;
}

static void linger(hf_web *w, hf_time now)
{
    w->state = WEB_LINGERING;
    w->timed = false;
    w->linger_until = hf_time_after(now, (int64_t)w->env->limits->linger_ns);
}

/* Behind TLS a close_notify may come of a client that said close: such a one is waited for, but not one by one. */
static void await_end(hf_web *w, hf_time now)
{
    linger(w, now);
    if (w->pier.ops->doze != NULL && w->thrown == 0 && w->v->is_final(w))
        w->pier.ops->doze(w->pier.self, 0);
}

/* Is there nothing that could arrive, so that the kernel has no cause to reset what we sent? Then one call ends both
 * directions, and nobody need come back for the peer's FIN. Behind TLS a close_notify may still come. */
static bool may_close_at_once(const hf_web *w)
{
    return !is_secured(w) && (w->pier.ops->can & HF_PIER_FREE_ENDS) != 0 && w->thrown == 0 &&
        (w->fin_received || w->v->is_final(w));
}

/* The core is done. Its last words leave, then FIN, then we wait for the peer's. */
static void close_softly(hf_web *w, hf_time now, hf_out *out)
{
    w->state = WEB_CLOSING;
    throw_away(w);
    (void)flush(w, now, out);
    if (w->state != WEB_CLOSING || holds(w))
        return;
    if (!w->v->may_end(w)) {
        close_now(w, w->v->fault(w)->err);
        return;
    }
    if (may_close_at_once(w) || w->pier.ops->end(w->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code != 0 ||
        w->fin_received)
        close_now(w, HF_OK);
    else
        await_end(w, now);
}

/* ---- the version -------------------------------------------------------------------------------------------- */

static void chosen(hf_web *w, bool good)
{
    if (!good)
        close_now(w, hf_err_make(HF_ERR_BASE_MEMORY));
    else if (w->draining)
        w->v->drain(w);
}

/* The handshake is complete: ALPN says (RFC 7301), HTTP/1 where it says nothing. */
static void choose_by_alpn(hf_web *w, hf_time now)
{
    const bool two = hf_web_tape_two(w->options->tape, w->tls != NULL && hf_bytes_equal(hf_tls_protocol(hf_tls_pier_core(w->tls)), hf_text("h2")));
    if (!two)
        hf_web_begin_http1(w, now);
    chosen(w, !two || hf_web_begin_http2(w, now));
}

/* RFC 9113 3.3: a client with prior knowledge begins with the preface, which no HTTP/1 request looks like once its first
 * line is there; until then the core of HTTP/1 waits for more, and watches the time. */
static void choose_by_preface(hf_web *w, hf_time now, hf_bytes held)
{
    static const hf_bytes preface = HF_LITERAL("PRI * HTTP/2.0\r\n");
    const size_t n = held.len < preface.len ? held.len : preface.len;
    if (n > 0 && memcmp(held.ptr, preface.ptr, n) == 0 && n < preface.len)
        return;
    w->begun = n > 0;
    if (n < preface.len || memcmp(held.ptr, preface.ptr, n) != 0)
        return;
    w->v->free(w);
    chosen(w, hf_web_begin_http2(w, now));
}

/* Plain HTTP came where TLS is spoken: its core stands on the pier below, and refuses every request readably. */
static void take_plain(hf_web *w, hf_time now)
{
    hf_web_tape_spoil(w->options->tape, "plain HTTP came where TLS is spoken");
    w->pier = hf_tls_pier_leave(w->tls);
    w->tls = NULL;
    w->misplaced = true;
    w->stuck = false;
    hf_web_begin_http1(w, now);
    chosen(w, true);
}

/* ---- events ------------------------------------------------------------------------------------------------- */

/* What an event lends lies in the pier: it is taken only when the owner comes back for the next one. */
static void take_eaten(hf_web *w)
{
    if (w->eaten > 0)
        w->pier.ops->take(w->pier.self, 0, w->eaten);
    w->eaten = 0;
}

/* Feeds the core once. */
static hf_step feed(hf_web *w, hf_time now, hf_out *out, hf_web_event *event)
{
    uint8_t nothing[1]; /* input of length 0 lies somewhere too */
    const hf_span held = w->pier.ops->peek(w->pier.self, 0);
    if (!w->begun)
        choose_by_preface(w, now, hf_bytes_make(held.ptr, held.len));
    if (w->state != WEB_OPEN)
        return HF_EVENT;
    hf_in in = { .ptr = held.ptr != NULL ? held.ptr : nothing, .len = held.len, .fin = w->fin_received };
    w->timed = false;
    const hf_step s = w->v->step(w, now, &in, event);
    w->eaten = in.used;
    if (s != HF_EVENT)
        take_eaten(w);
    switch (s) {
    case HF_EVENT:
        event->early = w->tls != NULL && hf_tls_is_early(hf_tls_pier_core(w->tls));
        return HF_EVENT;
    case HF_FAULT:
        if (w->why.code == 0)
            w->why = w->v->fault(w)->err;
        if (w->v != &hf_web_http1 || w->core.http1 != NULL || w->options->no_memory.len == 0 ||
            !hf_web_turn_away(w, now, w->options->no_memory, w->why))
            close_softly(w, now, out);
        return HF_EVENT; /* not an event of ours: the caller looks at state */
    case HF_CLOSED:
        close_softly(w, now, out);
        return HF_EVENT;
    case HF_IDLE:
    case HF_FULL:
        break;
    }
    w->stuck = true;
    w->full = s == HF_FULL;
    return s;
}

static void see_fin(hf_web *w)
{
    w->fin_received = true;
    w->stuck = w->stuck && w->full;
    if (w->state == WEB_LINGERING)
        close_now(w, HF_OK);
}

/* The peer's direction is over. */
static void ended(hf_web *w, hf_time now, const hf_pier_event *e)
{
    if (e->ending.kind != HF_ENDING_RESET || e->err.code == HF_ERR_TLS_TRUNCATED) {
        /* RFC 9112 9.8: "Servers SHOULD be prepared to receive an incomplete close from the client": every request says
         * how long it is, so nothing that was cut can look whole. */
        see_fin(w);
    } else if (!is_secured(w) || (e->err.code >> 16) != HF_AREA_TLS) {
        close_now(w, e->err);
    } else if (e->err.code == HF_ERR_TLS_PLAIN_HTTP && w->tls != NULL) {
        take_plain(w, now);
    } else { /* the alert that says why must arrive: the pier sends it, then FIN */
        w->why = e->err;
        linger(w, now);
    }
}

static void ask(hf_web_event *event)
{
    event->kind = event->wire.tls.kind == HF_TLS_WANT_VERIFY ? HF_WEB_WANT_VERIFY : HF_WEB_WANT_SIGN;
    event->tls = &event->wire.tls;
}

/* One event of the pier. True when there was one. */
static bool pull(hf_web *w, hf_time now, hf_out *out, hf_web_event *event)
{
    hf_pier_event e;
    if (w->tls != NULL)
        hf_tls_pier_listen(w->tls, &event->wire.tls);
    const bool held = holds(w);
    const hf_step s = w->pier.ops->event(w->pier.self, now, &e);
    watch_sending(w, now, 0);
    if (s == HF_CLOSED || s == HF_FAULT) {
        close_now(w, s == HF_FAULT ? hf_err_make(HF_ERR_IO_RESET) : HF_OK);
        return true;
    }
    if (s != HF_EVENT && held && w->state == WEB_OPEN && !holds(w)) {
        w->timed = false; /* the pier is free again, and need not say so to who was not refused: the core may have more */
        return true;
    }
    if (s != HF_EVENT)
        return false;
    switch (e.kind) {
    case HF_PIER_READABLE:
        w->stuck = w->stuck && w->full;
        if (w->state != WEB_OPEN)
            throw_away(w);
        break;
    case HF_PIER_ENDED:
        ended(w, now, &e);
        break;
    case HF_PIER_WRITABLE:
        if (w->state == WEB_CLOSING)
            close_softly(w, now, out);
        else
            (void)flush(w, now, out);
        if (w->v != NULL)
            (void)w->v->writable(w, event);
        break;
    case HF_PIER_RELEASED:
        if (w->v != &hf_web_http2 || !hf_web_is_fenced(w, e.token)) /* of an exchange that is gone, only the last word counts */
            *event = (hf_web_event){ .kind = HF_WEB_SENT, .exchange = e.token };
        break;
    case HF_PIER_OPENED:
        if (!is_secured(w))
            break;
        choose_by_alpn(w, now);
        *event = (hf_web_event){ .kind = HF_WEB_OPENED };
        break;
    case HF_PIER_ASKS:
        ask(event);
        break;
    case HF_PIER_EARLY_ACCEPTED:
    case HF_PIER_EARLY_REJECTED:
        break;
    }
    return true;
}

static void check_deadlines(hf_web *w, hf_time now)
{
    watch_sending(w, now, 0);
    if (w->state == WEB_LINGERING && !hf_time_before(now, w->linger_until)) {
        w->overstayed = true;
        close_now(w, HF_OK);
    }
    if (w->state <= WEB_CLOSING && !hf_time_before(now, send_deadline(w))) {
        const bool idle = !hf_time_before(now, send_idle_deadline(w));
        w->why = hf_err_make(idle ? HF_ERR_IO_SEND_TIMEOUT : HF_ERR_IO_SEND_RATE);
        close_now(w, w->why);
    }
}

static bool is_filled(const hf_web_event *event)
{
    return (int)event->kind != HF_WEB_NOTHING;
}

/* Nothing is left to be done: when the core wants to be asked again stays as it is until a command or a step. */
static void note_wake(hf_web *w)
{
    w->timed = w->state == WEB_OPEN && w->v != NULL;
    if (w->timed)
        w->wake_at = w->v->wake(w);
}

static hf_time core_wake(const hf_web *w)
{
    return w->timed ? w->wake_at : w->v != NULL ? w->v->wake(w) : HF_NEVER;
}

/* Looks for the next event. HF_CLOSED: the connection is. */
static hf_step next(hf_web *w, hf_time now, hf_out *out, hf_web_event *event)
{
    while (w->state != WEB_CLOSED) {
        event->kind = (hf_web_event_kind)HF_WEB_NOTHING;
        event->whole = event->early = false;
        event->head = event->seen = NULL;
        event->fault = NULL;
        event->tls = NULL;
        event->err = HF_OK;
        if (w->v == &hf_web_http2 && hf_web_tell_fence(w, event))
            return HF_EVENT;
        const bool open = w->state == WEB_OPEN && w->v != NULL;
        if (open && !w->stuck && feed(w, now, out, event) == HF_EVENT) {
            if (is_filled(event))
                return HF_EVENT;
            continue;
        }
        /* A core that was asked when it wants to be called again, and not touched since, has nothing to say. */
        if (open && !w->timed && flush(w, now, out)) {
            if (w->v->moved(w, event))
                return HF_EVENT;
            if (!w->stuck || w->state != WEB_OPEN)
                continue;
        }
        if (!pull(w, now, out, event)) {
            note_wake(w);
            return HF_IDLE;
        }
        if (is_filled(event))
            return HF_EVENT;
    }
    return HF_CLOSED;
}

static hf_step step(hf_web *w, hf_time now, hf_out *out, hf_web_event *event)
{
    take_eaten(w);
    if (w->sending != NULL || w->state == WEB_LINGERING) /* who is to be watched is found where bytes move: flush and pull */
        check_deadlines(w, now);
    if (w->stuck && w->v != NULL && !hf_time_before(now, core_wake(w)))
        w->stuck = false;
    const hf_step s = next(w, now, out, event);
    if (s != HF_CLOSED || w->closed_told)
        return s;
    w->closed_told = true;
    *event = (hf_web_event){ .kind = HF_WEB_CLOSED, .err = w->why };
    hf_trace(w->env, now, w->id, HF_TRACE_CONNECTION_CLOSED, (uint64_t)w->why.code, 0);
    return HF_EVENT;
}

hf_step hf_web_step(hf_web *w, hf_time now, hf_out *out, hf_web_event *event)
{
    const bool lanes = w->v == &hf_web_http3;
    if (w->options->tape == NULL)
        return lanes ? hf_web_step_http3(w, now, out, event) : step(w, now, out, event);
    hf_web_tape_step(w->options->tape, now);
    const hf_step s = lanes ? hf_web_step_http3(w, now, out, event) : step(w, now, out, event);
    hf_web_tape_stepped(w->options->tape, s, event, hf_web_version(w));
    return s;
}

hf_time hf_web_wake(const hf_web *w)
{
    if (w->v == &hf_web_http3)
        return hf_web_wake_http3(w);
    const hf_time pier = w->tls != NULL ? hf_tls_pier_wake(w->tls) : HF_NEVER;
    hf_time at = HF_NEVER;
    switch ((web_state)w->state) {
    case WEB_OPEN: at = hf_time_earlier(core_wake(w), send_wake(w)); break;
    case WEB_CLOSING: at = send_wake(w); break;
    case WEB_LINGERING: at = w->linger_until; break;
    case WEB_CLOSED: return HF_NEVER;
    }
    return hf_time_earlier(at, pier);
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

void hf_web_take(hf_web *w, hf_exchange x, size_t n)
{
    if (w->options->tape != NULL)
        hf_web_tape_take(w->options->tape, x, n);
    w->stuck = w->timed = false;
    if (w->v != NULL)
        w->v->take(w, x, n);
}

hf_err hf_web_respond(hf_web *w, hf_exchange x, const hf_response_head *head)
{
    if (w->options->tape != NULL)
        hf_web_tape_respond(w->options->tape, x, head);
    w->stuck = w->timed = false;
    return w->v != NULL ? w->v->respond(w, x, head) : hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
}

hf_err hf_web_answer(hf_web *w, hf_exchange x, const hf_response_head *head, hf_bytes body, bool *whole)
{
    *whole = false;
    if (w->v == NULL || w->v->answer == NULL || w->options->tape != NULL)
        return hf_web_respond(w, x, head);
    w->stuck = w->timed = false;
    return w->v->answer(w, x, head, body, whole);
}

hf_err hf_web_inform(hf_web *w, hf_exchange x, const hf_response_head *head)
{
    return head->status < 200 ? hf_web_respond(w, x, head) : hf_err_make(HF_ERR_BASE_USAGE);
}

uint64_t hf_web_put(hf_web *w, hf_exchange x, const hf_extent *extents, size_t count, hf_err *err)
{
    if (w->options->tape != NULL)
        hf_web_tape_put(w->options->tape, x, extents, count);
    w->timed = false;
    if (w->v != NULL)
        return w->v->put(w, x, extents, count, err);
    *err = hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    return 0;
}

hf_err hf_web_end(hf_web *w, hf_exchange x, hf_ending ending, hf_fields trailers)
{
    if (w->options->tape != NULL)
        hf_web_tape_end(w->options->tape, x, ending, trailers);
    w->stuck = w->timed = false;
    return w->v != NULL ? w->v->end(w, x, ending, trailers) : hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
}

void hf_web_cancel(hf_web *w, hf_exchange x, hf_err why)
{
    if (w->options->tape != NULL)
        hf_web_tape_cancel(w->options->tape, x, why);
    w->stuck = w->timed = false;
    if (w->v != NULL)
        w->v->cancel(w, x, why);
    else
        hf_web_abort(w, why);
    if (w->options->tape != NULL)
        hf_web_tape_left(w->options->tape);
}

hf_err hf_web_push(hf_web *w, hf_exchange x, const hf_request_head *request, hf_exchange *promised)
{
    hf_http2_stream stream = 0;
    if (w->options->tape != NULL)
        hf_web_tape_push(w->options->tape, x, request);
    if (w->v == &hf_web_http3)
        return hf_web_push_http3(w, x, request, promised);
    if (w->v != &hf_web_http2)
        return hf_err_make(HF_ERR_HTTP2_PUSH);
    w->timed = false;
    const hf_err err = hf_http2_push(w->core.http2, (hf_http2_stream)x, request, &stream);
    *promised = stream;
    return err;
}

bool hf_web_can_push(const hf_web *w)
{
    return (w->v == &hf_web_http2 && hf_http2_can_push(w->core.http2)) || (w->v == &hf_web_http3 && hf_web_can_push_http3(w));
}

void hf_web_prioritise(hf_web *w, hf_exchange x, unsigned urgency, bool incremental)
{
    if (w->options->tape != NULL)
        hf_web_tape_prioritise(w->options->tape, x, urgency, incremental);
    if (w->v == &hf_web_http3)
        hf_web_prioritise_http3(w, x, urgency, incremental);
    if (w->v == &hf_web_http2)
        hf_http2_prioritise(w->core.http2, (hf_http2_stream)x, urgency, incremental);
}

void hf_web_pace(hf_web *w, hf_exchange x, hf_pace pace)
{
    if (w->options->tape != NULL)
        hf_web_tape_pace(w->options->tape, x, pace);
    w->timed = false;
    if (w->v == &hf_web_http3)
        hf_web_pace_http3(w, x, pace);
    if (w->v == &hf_web_http2)
        hf_http2_pace(w->core.http2, (hf_http2_stream)x, pace);
    if (w->v == &hf_web_http1 && x == w->exchange && w->core.http1 != NULL)
        hf_http1_pace(w->core.http1, pace);
}

void hf_web_answer_sign(hf_web *w, hf_err err, hf_bytes signature)
{
    if (w->v == &hf_web_http3)
        hf_web_answer_http3(w, true, err, signature);
    if (w->tls == NULL)
        return;
    hf_tls_answer_sign(hf_tls_pier_core(w->tls), err, signature);
    hf_tls_pier_answered(w->tls);
}

void hf_web_answer_verify(hf_web *w, hf_err err)
{
    if (w->v == &hf_web_http3)
        hf_web_answer_http3(w, false, err, hf_bytes_make(NULL, 0));
    if (w->tls == NULL)
        return;
    hf_tls_answer_verify(hf_tls_pier_core(w->tls), err);
    hf_tls_pier_answered(w->tls);
}

void hf_web_sign_here(hf_web *w, const hf_web_event *event)
{
    if (w->v == &hf_web_http3)
        hf_web_sign_http3(w, event);
    if (w->tls == NULL)
        return;
    hf_tls_sign_here(hf_tls_pier_core(w->tls), event->tls);
    hf_tls_pier_answered(w->tls);
}

bool hf_web_turn_away(hf_web *w, hf_time now, hf_bytes answer, hf_err why)
{
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = answer };
    if (w->options->tape != NULL)
        hf_web_tape_turn_away(w->options->tape, now, answer, why);
    if (w->state != WEB_OPEN || w->v != &hf_web_http1 || w->fin_received || holds(w))
        return false;
    take_eaten(w);
    throw_away(w);
    w->why = why;
    w->bytes_sent += w->pier.ops->put(w->pier.self, 0, &e, 1);
    if (holds(w) || w->pier.ops->end(w->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code != 0)
        close_now(w, why);
    else
        linger(w, now);
    return true;
}

void hf_web_drain(hf_web *w)
{
    if (w->options->tape != NULL)
        hf_web_tape_drain(w->options->tape);
    w->draining = true;
    w->stuck = w->timed = false;
    if (w->v != NULL)
        w->v->drain(w);
}

void hf_web_abort(hf_web *w, hf_err why)
{
    if (w->options->tape != NULL)
        hf_web_tape_abort(w->options->tape, why);
    if (w->v == &hf_web_http3) {
        hf_web_abort_http3(w, why);
        return;
    }
    (void)!w->pier.ops->end(w->pier.self, 0, (hf_ending){ HF_ENDING_RESET, 0 }).code;
    close_now(w, why);
}

/* ---- what it is --------------------------------------------------------------------------------------------- */

const hf_fault *hf_web_fault(const hf_web *w)
{
    static const hf_fault none;
    return w->v != NULL ? w->v->fault(w) : &none;
}

const hf_tls_fault *hf_web_tls_fault(const hf_web *w)
{
    static const hf_tls_fault none;
    static const hf_tls_fault plain = { .err = { HF_ERR_TLS_PLAIN_HTTP }, .state = "start",
        .wanted = "a TLS handshake record" };
    if (w->v == &hf_web_http3)
        return hf_web_tls_fault_http3(w);
    return w->tls != NULL ? hf_tls_fault_of(hf_tls_pier_core(w->tls)) : w->misplaced ? &plain : &none;
}

bool hf_web_is_idle(const hf_web *w)
{
    return w->v == NULL || w->v->is_idle(w);
}

size_t hf_web_limits(const hf_web *w, hf_err limits[HF_WEB_LIMITS])
{
    size_t n = 0;
    if (w->v != NULL && w->why.code == 0 && w->v->is_worn(w))
        limits[n++] = hf_err_make(HF_ERR_HTTP_REQUESTS);
    if (w->overstayed)
        limits[n++] = hf_err_make(HF_ERR_IO_LINGER);
    return n;
}

uint64_t hf_web_unsent(const hf_web *w)
{
    const hf_quic *const quic = hf_web_quic(w);
    return quic != NULL ? hf_quic_backlog(quic) : untaken(w);
}

uint64_t hf_web_bytes_sent(const hf_web *w)
{
    return w->bytes_sent;
}

hf_version hf_web_version(const hf_web *w)
{
    return w->v != NULL ? w->v->version : (hf_version)0;
}

/* Not on a tape: it holds bytes, and a front depends on what was sent to others. */
bool hf_web_keeps_fronts(const hf_web *w)
{
    return w->v == &hf_web_http1 && w->tls == NULL && w->options->tape == NULL && (w->pier.ops->can & HF_PIER_KEEPS_FRONTS) != 0;
}

bool hf_web_security_of(const hf_web *w, hf_web_security *security)
{
    if (w->v == &hf_web_http3)
        return hf_web_security_of_http3(w, security);
    if (w->tls == NULL || w->v == NULL)
        return false;
    const hf_tls *const t = hf_tls_pier_core(w->tls);
    *security = (hf_web_security){ .version = hf_tls_version(t), .suite = hf_tls_suite(t), .group = hf_tls_group(t),
        .protocol = hf_tls_protocol(t), .host = hf_tls_host(t), .peer = hf_tls_peer(t), .resumed = hf_tls_resumed(t),
        .handshake_ns = hf_tls_pier_handshake_ns(w->tls) };
    return true;
}

uint64_t hf_web_swallowed(const hf_web *w, hf_exchange x)
{
    if (w->v != &hf_web_http1 || x != w->exchange)
        return 0;
    return w->thrown + (w->core.http1 != NULL ? hf_http1_swallowed(w->core.http1) : 0);
}
