/* SPDX-License-Identifier: Apache-2.0 */
#include "web.h"

#include "alloc.h"
#include "panic.h"
#include "trace.h"

typedef enum web_state {
    WEB_OPEN,      /* exchanges come and go */
    WEB_CLOSING,   /* the core is done: what is queued still leaves, then FIN */
    WEB_LINGERING, /* FIN left; what still arrives is thrown away, so that the kernel has no cause to reset the answer
                      (RFC 9112 9.6) */
    WEB_CLOSED
} web_state;

struct hf_web {
    const hf_env *env;
    uint64_t id;
    hf_pier pier;
    hf_http1 *http1;
    web_state state;
    bool fin_received;
    bool stuck;        /* the core ate nothing of what the pier holds: more bytes, time or a command must come first */
    bool full;         /* stuck because it waits for us (take or end) rather than for the peer */
    bool owed;         /* the newest exchange has no final answer yet: a refusal is about it, else about a new one */
    bool put_short;    /* put took less than it was offered: owe a WRITABLE as soon as some of it has gone */
    bool closed_told;
    bool http10;       /* the open exchange's request */
    bool until_close;  /* its answer's body lasts until the connection ends */
    hf_err why;        /* the close's cause */
    size_t eaten;      /* consumed by the core, but lent by the last event: taken at the next step */
    hf_exchange exchange; /* the newest */
    hf_time send_began, send_moved; /* while the pier holds unsent bytes: since when, and when some last left */
    uint64_t send_left, send_total;
    uint64_t bytes_sent;
    hf_time linger_until;
    uint8_t nothing[1]; /* input of length 0 lies somewhere too */
};

hf_web *hf_web_new(const hf_env *env, uint64_t id, hf_pier pier, hf_time now)
{
    hf_web *w = hf_alloc_zeroed(&env->alloc, sizeof *w);
    hf_http1 *http1 = w ? hf_http1_server_new(env, id, now) : NULL;
    if (http1 == NULL) {
        hf_free(&env->alloc, w, sizeof *w);
        pier.ops->free(pier.self);
        return NULL;
    }
    w->env = env;
    w->id = id;
    w->pier = pier;
    w->http1 = http1;
    w->linger_until = HF_NEVER;
    hf_trace(env, now, id, HF_TRACE_CONNECTION_OPENED, 0, 0);
    return w;
}

void hf_web_free(hf_web *w)
{
    if (w == NULL)
        return;
    w->pier.ops->free(w->pier.self);
    hf_http1_free(w->http1);
    hf_free(&w->env->alloc, w, sizeof *w);
}

/* ---- sending ------------------------------------------------------------------------------------------------ */

/* Watches how fast the peer takes what we send: slow readers are cut (limits send_idle_ns, send_rate). */
static void watch_sending(hf_web *w, hf_time now)
{
    const uint64_t left = w->pier.ops->unsent(w->pier.self, 0);
    if (left == 0) {
        w->send_left = 0;
        return;
    }
    if (w->send_left == 0) {
        w->send_began = w->send_moved = now;
        w->send_total = left;
    } else if (left < w->send_left) {
        w->send_moved = now;
    }
    w->send_left = left;
}

static hf_time send_deadline(const hf_web *w)
{
    if (w->send_left == 0)
        return HF_NEVER;
    const hf_time idle = hf_time_after(w->send_moved, (int64_t)w->env->limits->send_idle_ns);
    const uint64_t rate = w->env->limits->send_rate;
    if (rate == 0)
        return idle;
    /* The backlog began with send_total bytes: at the least rate, what has left by now was due at this moment. */
    const uint64_t gone = w->send_total - (w->send_left < w->send_total ? w->send_left : w->send_total);
    const uint64_t seconds = gone / rate < 86400 ? gone / rate : 86400;
    return hf_time_earlier(idle, hf_time_after(w->send_began, HF_SECONDS(10) + HF_SECONDS(seconds)));
}

/* True when something went to the pier, so that the core has room again. */
static bool flush(hf_web *w, hf_time now, hf_out *out)
{
    bool moved = false;
    watch_sending(w, now); /* some piers send between events: what left since then is progress */
    while (w->state <= WEB_CLOSING && w->pier.ops->unsent(w->pier.self, 0) == 0) {
        out->count = 0;
        out->scratch_used = 0;
        out->bytes = 0;
        out->room = UINT64_MAX;
        (void)hf_http1_emit(w->http1, now, out);
        if (out->count == 0) /* a piece may be empty, and still have a token to bring back */
            break;
        moved = true;
        w->bytes_sent += out->bytes;
        const uint64_t taken = w->pier.ops->put(w->pier.self, 0, out->pieces, out->count);
        if (taken != out->bytes) { /* only a failed pier refuses when nothing was unsent: its event says why */
            w->stuck = true;
            break;
        }
    }
    watch_sending(w, now);
    return moved;
}

/* ---- closing ------------------------------------------------------------------------------------------------ */

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

/* What is not wanted must still be read, or a full pier would receive no more and never see the peer's FIN. */
static void throw_away(hf_web *w)
{
    const hf_span rest = w->pier.ops->peek(w->pier.self, 0);
    if (rest.len > 0)
        w->pier.ops->take(w->pier.self, 0, rest.len);
}

/* The core is done. Its last words leave, then FIN, then we wait for the peer's. */
static void close_softly(hf_web *w, hf_time now, hf_out *out)
{
    w->state = WEB_CLOSING;
    throw_away(w);
    (void)flush(w, now, out);
    if (w->state != WEB_CLOSING || w->pier.ops->unsent(w->pier.self, 0) > 0)
        return;
    /* A broken answer whose end is the end of the connection must not end it cleanly. */
    if (w->until_close && hf_http1_fault(w->http1)->err.code == HF_ERR_HTTP1_BODY_LENGTH) {
        close_now(w, hf_http1_fault(w->http1)->err);
        return;
    }
    if (w->pier.ops->end(w->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code != 0 || w->fin_received) {
        close_now(w, HF_OK);
        return;
    }
    w->state = WEB_LINGERING;
    w->linger_until = hf_time_after(now, (int64_t)w->env->limits->linger_ns);
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static void translate(hf_web *w, hf_web_event *event)
{
    const hf_http1_event *e = &event->wire;
    event->exchange = w->exchange;
    switch (e->kind) {
    case HF_HTTP1_REQUEST:
        event->kind = HF_WEB_REQUEST;
        event->exchange = ++w->exchange;
        event->head = &e->request;
        w->http10 = e->request.version == HF_HTTP_1_0;
        w->owed = true;
        break;
    case HF_HTTP1_BODY:
        event->kind = HF_WEB_BODY;
        event->body = e->body;
        break;
    case HF_HTTP1_TRAILERS:
        event->kind = HF_WEB_TRAILERS;
        event->trailers = e->trailers;
        break;
    case HF_HTTP1_END:
        event->kind = HF_WEB_END;
        break;
    case HF_HTTP1_REFUSED:
        event->kind = HF_WEB_REFUSED;
        if (!w->owed) /* its head was refused: an exchange of its own, or it would be taken for the one before it */
            event->exchange = ++w->exchange;
        w->owed = true;
        if (hf_http1_fault(w->http1)->err.code != 0)
            w->why = hf_http1_fault(w->http1)->err;
        break;
    case HF_HTTP1_RESPONSE:
    case HF_HTTP1_UPGRADED:
        hf_panic(__FILE__, __LINE__, "a server core yields no response, and nothing here answers 101");
    }
}

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
    const hf_span held = w->pier.ops->peek(w->pier.self, 0);
    hf_in in = { .ptr = held.ptr != NULL ? held.ptr : w->nothing, .len = held.len, .fin = w->fin_received };
    const hf_step s = hf_http1_step(w->http1, now, &in, &event->wire);
    w->eaten = in.used;
    if (s != HF_EVENT)
        take_eaten(w);
    switch (s) {
    case HF_EVENT:
        translate(w, event);
        return HF_EVENT;
    case HF_CLOSED:
        close_softly(w, now, out);
        return HF_EVENT; /* not an event of ours: the caller looks at state */
    case HF_FAULT:
        if (w->why.code == 0)
            w->why = hf_http1_fault(w->http1)->err;
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

/* One event of the pier. True when there was one. */
static bool pull(hf_web *w, hf_time now, hf_out *out, hf_web_event *event)
{
    hf_pier_event e;
    const hf_step s = w->pier.ops->event(w->pier.self, now, &e);
    watch_sending(w, now);
    if (s == HF_CLOSED || s == HF_FAULT) {
        close_now(w, s == HF_FAULT ? hf_err_make(HF_ERR_IO_RESET) : HF_OK);
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
        if (e.ending.kind == HF_ENDING_RESET)
            close_now(w, e.err);
        w->fin_received = true;
        w->stuck = w->stuck && w->full;
        if (w->state == WEB_LINGERING)
            close_now(w, HF_OK);
        break;
    case HF_PIER_WRITABLE:
        if (w->state == WEB_CLOSING)
            close_softly(w, now, out);
        else
            (void)flush(w, now, out);
        w->put_short = false;
        *event = (hf_web_event){ .kind = HF_WEB_WRITABLE, .exchange = w->exchange };
        break;
    case HF_PIER_RELEASED:
        *event = (hf_web_event){ .kind = HF_WEB_SENT, .exchange = e.token };
        break;
    case HF_PIER_OPENED:
    case HF_PIER_EARLY_ACCEPTED:
    case HF_PIER_EARLY_REJECTED:
        break;
    }
    return true;
}

static void check_deadlines(hf_web *w, hf_time now)
{
    watch_sending(w, now);
    if (w->state == WEB_LINGERING && !hf_time_before(now, w->linger_until))
        close_now(w, HF_OK);
    if (w->state <= WEB_CLOSING && !hf_time_before(now, send_deadline(w))) {
        w->why = hf_err_make(HF_ERR_IO_SEND_TIMEOUT);
        close_now(w, w->why);
    }
}

hf_step hf_web_step(hf_web *w, hf_time now, hf_out *out, hf_web_event *event)
{
    enum { NOTHING = -1 };
    take_eaten(w);
    check_deadlines(w, now);
    if (w->stuck && !hf_time_before(now, hf_http1_wake(w->http1)))
        w->stuck = false;
    while (w->state != WEB_CLOSED) {
        event->kind = (hf_web_event_kind)NOTHING;
        if (w->state == WEB_OPEN && !w->stuck && feed(w, now, out, event) == HF_EVENT) {
            if ((int)event->kind != NOTHING)
                return HF_EVENT;
            continue;
        }
        if (w->state == WEB_OPEN && flush(w, now, out)) {
            w->stuck = w->stuck && !w->full; /* full of output: not any more */
            if (w->put_short) {
                w->put_short = false;
                *event = (hf_web_event){ .kind = HF_WEB_WRITABLE, .exchange = w->exchange };
                return HF_EVENT;
            }
            continue;
        }
        if (!pull(w, now, out, event))
            return HF_IDLE;
        if ((int)event->kind != NOTHING)
            return HF_EVENT;
    }
    if (w->closed_told)
        return HF_CLOSED;
    w->closed_told = true;
    *event = (hf_web_event){ .kind = HF_WEB_CLOSED, .err = w->why };
    hf_trace(w->env, now, w->id, HF_TRACE_CONNECTION_CLOSED, (uint64_t)w->why.code, 0);
    return HF_EVENT;
}

hf_time hf_web_wake(const hf_web *w)
{
    switch (w->state) {
    case WEB_OPEN: return hf_time_earlier(hf_http1_wake(w->http1), send_deadline(w));
    case WEB_CLOSING: return send_deadline(w);
    case WEB_LINGERING: return w->linger_until;
    case WEB_CLOSED: break;
    }
    return HF_NEVER;
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

void hf_web_take(hf_web *w, size_t n)
{
    hf_http1_take(w->http1, n);
    w->stuck = false;
}

hf_err hf_web_respond(hf_web *w, hf_exchange x, const hf_response_head *head)
{
    HF_ASSERT(x == w->exchange);
    w->stuck = false;
    const hf_err err = hf_http1_respond(w->http1, head);
    w->until_close = w->http10 && head->content_length == HF_LENGTH_UNKNOWN;
    if (err.code == 0 && head->status >= 200)
        w->owed = false;
    return err;
}

uint64_t hf_web_put(hf_web *w, hf_exchange x, const hf_extent *extents, size_t count, hf_err *err)
{
    HF_ASSERT(x == w->exchange);
    uint64_t offered = 0;
    for (size_t i = 0; i < count; i++)
        offered += hf_extent_length(&extents[i]);
    const uint64_t taken = hf_http1_put(w->http1, extents, count, err);
    w->put_short = taken < offered;
    return taken;
}

hf_err hf_web_end(hf_web *w, hf_exchange x, hf_ending ending, hf_fields trailers)
{
    HF_ASSERT(x == w->exchange);
    w->stuck = w->put_short = false;
    return hf_http1_end(w->http1, ending, trailers);
}

void hf_web_drain(hf_web *w)
{
    hf_http1_drain(w->http1);
    w->stuck = false;
}

void hf_web_abort(hf_web *w, hf_err why)
{
    (void)!w->pier.ops->end(w->pier.self, 0, (hf_ending){ HF_ENDING_RESET, 0 }).code;
    close_now(w, why);
}

const hf_fault *hf_web_fault(const hf_web *w)
{
    return hf_http1_fault(w->http1);
}

bool hf_web_is_idle(const hf_web *w)
{
    return hf_http1_is_idle(w->http1);
}

uint64_t hf_web_unsent(const hf_web *w)
{
    return w->pier.ops->unsent(w->pier.self, 0);
}

uint64_t hf_web_bytes_sent(const hf_web *w)
{
    return w->bytes_sent;
}
