/* SPDX-License-Identifier: Apache-2.0
 *
 * web over HTTP/3: a QUIC connection below, its core above, and the lanes between them. An exchange is a lane; its number is
 * the lane's and one, because an exchange is never 0. Bytes of bodies stay in QUIC's streams until the application takes
 * them, and those of answers in the core of HTTP/3 until the streams and the peer's windows have room: so one lost packet, or
 * one slow reader, holds back its own exchange alone.
 */
#include "web_core.h"

#include "alloc.h"
#include "trace.h"
#include "web_tape.h"

enum {
    PIECES = 64, /* hf_quic_put takes so many for certain */
    EVENTS = 64  /* taken from one lane's core before the others have a turn */
};

/* While the last words wait to be acknowledged. */
#define LOOK_NS HF_MILLISECONDS(10)

/* A lane with something for the core. */
typedef struct lane_work {
    hf_lane lane;
    bool fin;  /* the peer ended it, and all its bytes were taken */
    bool full; /* the core takes nothing of it until it was taken from, or something left */
} lane_work;

struct hf_web_lanes {
    hf_quic *quic; /* NULL: a tape is played (web_tape.h), which says what it would */
    hf_http3 *http3; /* NULL: the handshake is not complete */
    lane_work *work;
    uint32_t count, capacity;
    hf_lane lent_lane; /* whose first `lent` bytes the core has used, while the last event may still point to them */
    size_t lent;
    hf_exchange broken; /* its file changed: RESET is to be told. 0: none */
    hf_err broken_err;
    hf_time now, began, end_by;
    int64_t handshake_ns;
    /* While bytes wait to be sent: since when, when some last were, how many had been then and at first. */
    bool sending;
    hf_time sending_since, moved;
    uint64_t gone, gone_before;
};

static hf_web_tape *tape_of(const hf_web *w)
{
    return w->options->tape;
}

/* What QUIC says, where there is one; else what is on the tape. */
#define FACT(w, says) hf_web_tape_fact(tape_of(w), (w)->core.lanes->quic != NULL ? (uint64_t)(says) : 0)

static hf_exchange exchange_of(hf_lane lane)
{
    return lane + 1;
}

static hf_lane lane_of(hf_exchange x)
{
    return x - 1;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

hf_web *hf_web_new_http3(const hf_env *env, uint64_t id, hf_quic *quic, const hf_web_options *options, hf_time now)
{
    hf_web *const w = hf_alloc_zeroed(&env->alloc, sizeof *w);
    struct hf_web_lanes *const l = hf_alloc_zeroed(&env->alloc, sizeof *l);
    if (w == NULL || l == NULL) {
        if (quic != NULL) {
            hf_quic_close(quic, now, HF_HTTP3_INTERNAL_ERROR, hf_bytes_make(NULL, 0));
            hf_quic_free(quic);
        }
        hf_free(&env->alloc, w, sizeof *w);
        hf_free(&env->alloc, l, sizeof *l);
        return NULL;
    }
    *l = (struct hf_web_lanes){ .quic = quic, .now = now, .began = now, .end_by = HF_NEVER };
    w->env = env;
    w->id = id;
    w->options = options;
    w->v = &hf_web_http3;
    w->core.lanes = l;
    w->begun = true;
    hf_web_tape_begin(options->tape, now, id, options);
    hf_trace(env, now, id, HF_TRACE_CONNECTION_OPENED, 0, 0);
    return w;
}

static void free_core(hf_web *w)
{
    struct hf_web_lanes *const l = w->core.lanes;
    const hf_allocator *const a = &w->env->alloc;
    if (l->quic != NULL)
        hf_quic_free(l->quic);
    hf_http3_free(l->http3);
    hf_free(a, l->work, l->capacity * sizeof *l->work);
    hf_free(a, l, sizeof *l);
    w->core.lanes = NULL;
}

static void close_with(hf_web *w, hf_err why, uint64_t code)
{
    if (w->state == WEB_CLOSED)
        return;
    w->state = WEB_CLOSED;
    if (w->why.code == 0)
        w->why = why;
    if (w->core.lanes->quic != NULL)
        hf_quic_close(w->core.lanes->quic, w->core.lanes->now, code, hf_bytes_make(NULL, 0));
}

void hf_web_abort_http3(hf_web *w, hf_err why)
{
    close_with(w, why, HF_HTTP3_INTERNAL_ERROR);
}

static void memory_ended(hf_web *w)
{
    hf_web_abort_http3(w, hf_err_make(HF_ERR_BASE_MEMORY));
}

/* ---- lanes that have something for the core ------------------------------------------------------------------- */

static lane_work *find_work(struct hf_web_lanes *l, hf_lane lane)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (l->work[i].lane == lane)
            return &l->work[i];
    return NULL;
}

static void add_work(hf_web *w, hf_lane lane, bool fin)
{
    struct hf_web_lanes *const l = w->core.lanes;
    lane_work *at = find_work(l, lane);
    if (at == NULL && l->count == l->capacity) {
        const uint32_t more = l->capacity == 0 ? 4 : l->capacity * 2;
        lane_work *const all = hf_resize(&w->env->alloc, l->work, l->capacity * sizeof *all, more * sizeof *all);
        if (all == NULL) {
            memory_ended(w);
            return;
        }
        l->work = all;
        l->capacity = more;
    }
    if (at == NULL) {
        at = &l->work[l->count++];
        *at = (lane_work){ .lane = lane };
    }
    at->fin |= fin;
    at->full = false;
}

static void drop_work(struct hf_web_lanes *l, hf_lane lane)
{
    lane_work *const at = find_work(l, lane);
    if (at != NULL)
        *at = l->work[--l->count];
}

static void forget_fullness(struct hf_web_lanes *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        l->work[i].full = false;
}

/* http3.h: "deal with an event before the lane's buffer moves, then take in.used from the lane" */
static void take_lent(hf_web *w)
{
    struct hf_web_lanes *const l = w->core.lanes;
    if (l->lent > 0)
        hf_web_lane_take(tape_of(w), l->quic, l->lent_lane, l->lent);
    l->lent = 0;
}

/* ---- events of the core --------------------------------------------------------------------------------------- */

static bool translate(hf_web *w, hf_web_event *event)
{
    const hf_http3_event *const e = &event->wire.http3;
    event->exchange = exchange_of(e->lane);
    event->err = e->err;
    switch (e->kind) {
    case HF_HTTP3_REQUEST:
        event->kind = HF_WEB_REQUEST;
        event->head = &e->request;
        event->early = FACT(w, hf_quic_is_early(w->core.lanes->quic)) != 0;
        return true;
    case HF_HTTP3_BODY:
        event->kind = HF_WEB_BODY;
        event->body = e->body;
        return true;
    case HF_HTTP3_TRAILERS:
        event->kind = HF_WEB_TRAILERS;
        event->trailers = e->trailers;
        return true;
    case HF_HTTP3_END:
        event->kind = HF_WEB_END;
        return true;
    case HF_HTTP3_RESET:
        event->kind = HF_WEB_RESET;
        if (!hf_web_raise_fence(w, event->exchange))
            memory_ended(w);
        return true;
    case HF_HTTP3_REFUSED:
        event->kind = HF_WEB_REFUSED;
        event->fault = hf_http3_fault(w->core.lanes->http3);
        event->seen = &e->request;
        return true;
    case HF_HTTP3_WRITABLE:
        event->kind = HF_WEB_WRITABLE;
        return true;
    case HF_HTTP3_READABLE:
        add_work(w, e->lane, false);
        return false;
    case HF_HTTP3_GOAWAY: /* which pushes a client forgoes, the core knows */
    case HF_HTTP3_READY:
    case HF_HTTP3_RESPONSE:
    case HF_HTTP3_PUSHED:
    case HF_HTTP3_UNPUSHED:
        return false;
    }
    return false;
}

/* The core is done: all that was answered still arrives, then the connection closes. */
static void finish(hf_web *w)
{
    if (w->state == WEB_OPEN)
        w->state = WEB_CLOSING;
}

/* Steps the core with what a lane holds, or with time alone. True: *event was filled. */
static bool step_lane(hf_web *w, hf_time now, hf_lane lane, hf_web_event *event)
{
    struct hf_web_lanes *const l = w->core.lanes;
    uint8_t nothing[1]; /* input of length 0 lies somewhere too */
    for (int i = 0; i < EVENTS && w->state == WEB_OPEN; i++) {
        lane_work *at = find_work(l, lane);
        const hf_span held = hf_web_lane_peek(tape_of(w), l->quic, lane);
        hf_in in = { .ptr = held.len > 0 ? held.ptr : nothing, .len = held.len, .fin = at != NULL && at->fin };
        const hf_step s = hf_http3_step(l->http3, now, lane, &in, &event->wire.http3);
        l->lent_lane = lane;
        l->lent = in.used;
        if (s == HF_EVENT) {
            if (translate(w, event))
                return true;
            take_lent(w);
            continue;
        }
        take_lent(w);
        at = find_work(l, lane);
        if (s == HF_FULL && at != NULL)
            at->full = true;
        else
            drop_work(l, lane);
        if (s == HF_CLOSED)
            finish(w);
        if (s == HF_CLOSED && w->why.code == 0 && hf_http3_fault(l->http3)->err.code == HF_ERR_HTTP3_IDLE)
            w->why = hf_err_make(HF_ERR_HTTP3_IDLE);
        if (s == HF_FAULT)
            close_with(w, hf_http3_fault(l->http3)->err, hf_http3_close_code(l->http3));
        return false;
    }
    return false;
}

/* True: *event was filled. */
static bool step_core(hf_web *w, hf_time now, hf_web_event *event)
{
    struct hf_web_lanes *const l = w->core.lanes;
    for (uint32_t i = 0; i < l->count && w->state == WEB_OPEN;) {
        const hf_lane lane = l->work[i].lane;
        if (l->work[i].full) {
            i++;
            continue;
        }
        if (step_lane(w, now, lane, event))
            return true;
        if (i < l->count && l->work[i].lane == lane)
            i++;
    }
    return w->state == WEB_OPEN && step_lane(w, now, HF_HTTP3_NO_LANE, event);
}

/* ---- events of the connection --------------------------------------------------------------------------------- */

static hf_http3_options options_of(const hf_web_options *options)
{
    return (hf_http3_options){ .connect_protocol = options->http2.connect_protocol, .push = options->http2.push, .never_block = true };
}

uint64_t hf_web_http3_settings(const hf_env *env, const hf_web_options *options)
{
    const hf_http3_options o = options_of(options);
    return hf_http3_settings_number(env->limits, &o);
}

/* The handshake is complete, or 0-RTT is taken: RFC 9114 6.2: "Each side MUST initiate a single control stream at the beginning of the connection",
 * and both streams of QPACK go with it. */
static void begin(hf_web *w, hf_time now)
{
    struct hf_web_lanes *const l = w->core.lanes;
    const hf_http3_options options = options_of(w->options);
    hf_lane own[3];
    l->handshake_ns = now.ns - l->began.ns;
    l->http3 = hf_http3_server_new(w->env, w->id, now, &options);
    if (l->http3 == NULL) {
        memory_ended(w);
        return;
    }
    for (unsigned i = 0; i < HF_COUNT(own); i++) {
        const hf_err err = hf_web_lane_open(tape_of(w), l->quic, HF_LANE_UNIDIRECTIONAL, &own[i]);
        if (err.code != 0) { /* 6.2: "Transport parameters ... MUST allow the peer to create at least three unidirectional streams" */
            close_with(w, err, HF_HTTP3_GENERAL_PROTOCOL_ERROR);
            return;
        }
    }
    hf_http3_begin(l->http3, own[0], own[1], own[2]);
    if (w->draining)
        w->v->drain(w);
}

static void lane_ended(hf_web *w, hf_time now, const hf_quic_event *e)
{
    if (e->ending.kind == HF_ENDING_FIN) {
        add_work(w, e->lane, true);
        return;
    }
    if (e->ending.kind == HF_ENDING_RESET)
        drop_work(w->core.lanes, e->lane);
    hf_http3_lane_ended(w->core.lanes->http3, now, e->lane, e->ending);
}

static bool ask(hf_web_event *event, hf_web_event_kind kind)
{
    event->kind = kind;
    event->tls = &event->wire.quic.tls;
    return true;
}

/* Deals with one event of a connection that is open. True: *event was filled. */
static bool take_event(hf_web *w, hf_time now, hf_web_event *event)
{
    struct hf_web_lanes *const l = w->core.lanes;
    const hf_quic_event *const e = &event->wire.quic;
    switch (e->kind) {
    case HF_QUIC_WANT_SIGN:
        return ask(event, HF_WEB_WANT_SIGN);
    case HF_QUIC_WANT_VERIFY:
        return ask(event, HF_WEB_WANT_VERIFY);
    case HF_QUIC_EARLY:
    case HF_QUIC_OPENED:
        if (l->http3 != NULL) /* it began with 0-RTT */
            return false;
        begin(w, now);
        event->kind = HF_WEB_OPENED;
        return true;
    case HF_QUIC_STREAM:
        hf_http3_lane_opened(l->http3, now, e->lane);
        return false;
    case HF_QUIC_READABLE:
        add_work(w, e->lane, false);
        return false;
    case HF_QUIC_WRITABLE:
        hf_http3_hold(l->http3, now, e->lane, false);
        return false;
    case HF_QUIC_ENDED:
        lane_ended(w, now, e);
        return false;
    case HF_QUIC_RELEASED: /* of an exchange that is gone, only the last word counts */
        if (hf_web_is_fenced(w, e->token))
            return false;
        event->kind = HF_WEB_SENT;
        event->exchange = e->token;
        return true;
    case HF_QUIC_EARLY_REJECTED: /* a client's */
    case HF_QUIC_CONFIRMED:
    case HF_QUIC_STREAMS:
    case HF_QUIC_SESSION:
    case HF_QUIC_TOKEN:
    case HF_QUIC_MOVED:
    case HF_QUIC_DATAGRAM: /* none was offered */
        return false;
    }
    return false;
}

/* Why a connection ended, in the words of the log. */
static hf_err reason(const hf_web *w, hf_step s)
{
    const hf_quic_fault *const f = hf_quic_fault_of(w->core.lanes->quic);
    /* RFC 9114 5.2, 8.1: a client that leaves says H3_NO_ERROR, which QUIC takes for a fault because it is not 0 */
    const bool orderly = f->remote && f->application && f->code == HF_HTTP3_NO_ERROR;
    return (s == HF_FAULT && !orderly) || f->err.code == HF_ERR_QUIC_IDLE ? f->err : HF_OK;
}

/* *done: nothing more comes of the connection for now. True: *event was filled. */
static bool pull(hf_web *w, hf_time now, hf_web_event *event, bool *done)
{
    const hf_step s = hf_web_lane_next(tape_of(w), w->core.lanes->quic, now, &event->wire.quic);
    *done = s != HF_EVENT;
    if (s == HF_EVENT)
        return take_event(w, now, event);
    if (s == HF_IDLE || w->state == WEB_CLOSED)
        return false;
    if (w->why.code == 0)
        w->why = hf_err_make((int32_t)(uint32_t)FACT(w, (uint32_t)reason(w, s).code));
    w->state = WEB_CLOSED;
    return false;
}

/* ---- what leaves ---------------------------------------------------------------------------------------------- */

/* A file's bytes must be held until the peer has them: those of a fixed one are lent, others are read and copied. */
static hf_err read_file(const hf_web *w, hf_extent *e, size_t *used)
{
    hf_extent to = { .kind = HF_EXTENT_LENT, .token = e->token };
    if (e->file->fixed != NULL) {
        to.bytes = hf_bytes_make(e->file->fixed + e->offset, (size_t)e->length);
        *e = to;
        return HF_OK;
    }
    if (w->options->read == NULL || e->length > w->options->room.len - *used)
        return hf_err_make(HF_ERR_BASE_USAGE);
    uint8_t *const at = w->options->room.ptr + *used;
    const hf_err err = w->options->read(e->file, e->offset, at, (size_t)e->length);
    to.kind = HF_EXTENT_COPIED;
    to.bytes = hf_bytes_make(at, (size_t)e->length);
    *used += (size_t)e->length;
    *e = to;
    return err;
}

static hf_err bring(const hf_web *w, hf_extent *e, size_t *used)
{
    if (e->kind != HF_EXTENT_FILE)
        return HF_OK;
    return hf_err_make((int32_t)(uint32_t)FACT(w, (uint32_t)read_file(w, e, used).code));
}

/* Nothing of these leaves: whoever lent them is told. */
static void give_back(hf_web *w, const hf_out *out)
{
    for (size_t i = 0; i < out->count; i++)
        if (out->pieces[i].token != 0 && !hf_web_is_fenced(w, out->pieces[i].token) && !hf_web_raise_fence(w, out->pieces[i].token))
            memory_ended(w);
}

/* Its file is not what it was: the client sees the answer end early, and nothing of another version. */
static void break_lane(hf_web *w, hf_lane lane, hf_err err, const hf_out *out)
{
    struct hf_web_lanes *const l = w->core.lanes;
    const hf_ending ending = { HF_ENDING_RESET, HF_HTTP3_INTERNAL_ERROR };
    (void)!hf_http3_end(l->http3, lane, ending, (hf_fields){ 0 }).code;
    (void)!hf_web_lane_end(tape_of(w), l->quic, lane, ending).code;
    give_back(w, out);
    if (!hf_web_is_fenced(w, exchange_of(lane)) && !hf_web_raise_fence(w, exchange_of(lane)))
        memory_ended(w);
    l->broken = exchange_of(lane);
    l->broken_err = err;
}

/* True: something left. */
static bool flush_lane(hf_web *w, hf_time now, hf_out *out, const hf_http3_turn *turn)
{
    struct hf_web_lanes *const l = w->core.lanes;
    bool fin;
    size_t used = 0;
    out->room = FACT(w, hf_quic_room(l->quic, turn->lane));
    (void)hf_http3_emit(l->http3, now, turn->lane, out, &fin);
    if (out->count == 0 && !fin) {
        hf_http3_hold(l->http3, now, turn->lane, true);
        return false;
    }
    for (size_t i = 0; i < out->count; i++) {
        const hf_err err = bring(w, &out->pieces[i], &used);
        if (err.code != 0) {
            break_lane(w, turn->lane, err, out);
            return true;
        }
    }
    if (!hf_lane_is_one_way(turn->lane) && l->quic != NULL)
        hf_quic_prioritise(l->quic, turn->lane, turn->urgency, turn->incremental);
    const uint64_t taken = hf_web_lane_put(tape_of(w), l->quic, turn->lane, out->pieces, out->count);
    w->bytes_sent += taken;
    if (taken != out->bytes) { /* only a lane that is over refuses what it has room for: its end is on its way up */
        if (FACT(w, hf_quic_has(l->quic, turn->lane)) != 0 && out->room > 0)
            memory_ended(w);
        give_back(w, out);
    } else if (fin) {
        (void)!hf_web_lane_end(tape_of(w), l->quic, turn->lane, (hf_ending){ HF_ENDING_FIN, 0 }).code;
    }
    return true;
}

/* Moves what the core has to say into the connection, as far as there is room. True: something moved. */
static bool flush(hf_web *w, hf_time now, hf_out *out)
{
    struct hf_web_lanes *const l = w->core.lanes;
    hf_http3_turn turn;
    bool moved = false;
    const size_t capacity = out->capacity;
    if (l->http3 == NULL)
        return false;
    out->capacity = capacity < PIECES ? capacity : PIECES;
    while (w->state <= WEB_CLOSING && l->broken == 0 && hf_http3_next(l->http3, now, &turn)) {
        out->count = 0;
        out->scratch_used = 0;
        out->bytes = 0;
        out->room = UINT64_MAX;
        if (turn.aborts) {
            (void)!hf_web_lane_end(tape_of(w), l->quic, turn.lane, turn.ending).code;
            moved = true;
        } else if (turn.lane == HF_HTTP3_NO_LANE) {
            bool fin;
            (void)hf_http3_emit(l->http3, now, turn.lane, out, &fin);
            give_back(w, out);
            moved = true;
        } else if (flush_lane(w, now, out, &turn)) {
            moved = true;
        }
    }
    out->capacity = capacity;
    return moved;
}

/* ---- time ----------------------------------------------------------------------------------------------------- */

/* Bytes wait in the connection's streams: does the peer take them? (Limits send_idle_ns, send_rate; whose windows are shut is
 * watched by the core of HTTP/3, lane by lane.) */
static void watch_sending(hf_web *w, hf_time now)
{
    struct hf_web_lanes *const l = w->core.lanes;
    const uint64_t left = FACT(w, hf_quic_backlog(l->quic)), gone = w->bytes_sent - (left < w->bytes_sent ? left : w->bytes_sent);
    if (left > 0 && !l->sending) {
        l->sending_since = l->moved = now;
        l->gone_before = gone;
    }
    if (gone != l->gone)
        l->moved = now;
    l->sending = left > 0;
    l->gone = gone;
}

static hf_time sending_deadline(const hf_web *w)
{
    const struct hf_web_lanes *const l = w->core.lanes;
    if (!l->sending || w->state == WEB_CLOSED)
        return HF_NEVER;
    const hf_time idle = hf_time_after(l->moved, (int64_t)w->env->limits->send_idle_ns);
    const uint64_t rate = w->env->limits->send_rate;
    if (rate == 0)
        return idle;
    const uint64_t gone = l->gone > l->gone_before ? l->gone - l->gone_before : 0;
    const uint64_t seconds = gone / rate < 86400 ? gone / rate : 86400;
    return hf_time_earlier(idle, hf_time_after(l->sending_since, HF_SECONDS(10) + HF_SECONDS(seconds)));
}

/* The core is done, and its last words are in the streams: the connection closes when the peer has them, or after a moment. */
static void end_when_delivered(hf_web *w, hf_time now)
{
    struct hf_web_lanes *const l = w->core.lanes;
    if (w->state != WEB_CLOSING)
        return;
    if (l->end_by.ns == HF_NEVER_NS && FACT(w, hf_quic_backlog(l->quic)) == 0)
        l->end_by = hf_time_after(now, (int64_t)w->env->limits->linger_ns);
    const bool delivered = FACT(w, hf_quic_is_delivered(l->quic)) != 0, late = !hf_time_before(now, l->end_by);
    w->overstayed = late && !delivered;
    if (delivered || late)
        close_with(w, HF_OK, hf_http3_close_code(l->http3));
}

hf_time hf_web_wake_http3(const hf_web *w)
{
    const struct hf_web_lanes *const l = w->core.lanes;
    if (w->state == WEB_CLOSED)
        return HF_NEVER;
    const hf_time at = w->state == WEB_CLOSING ? hf_time_after(l->now, LOOK_NS) : l->http3 != NULL ? hf_http3_wake(l->http3) : HF_NEVER;
    return hf_time_earlier(at, sending_deadline(w));
}

/* ---- step ----------------------------------------------------------------------------------------------------- */

static bool tell_broken(hf_web *w, hf_web_event *event)
{
    struct hf_web_lanes *const l = w->core.lanes;
    if (l->broken == 0)
        return false;
    *event = (hf_web_event){ .kind = HF_WEB_RESET, .exchange = l->broken, .err = l->broken_err };
    l->broken = 0;
    return true;
}

static bool tell_fence(hf_web *w, hf_web_event *event)
{
    if (w->fence_count == 0)
        return false;
    *event = (hf_web_event){ .kind = HF_WEB_SENT, .exchange = w->fences[--w->fence_count].exchange };
    if (w->fence_count == 0)
        hf_web_free_fences(w);
    return true;
}

static void clean(hf_web_event *event)
{
    event->whole = event->early = false;
    event->head = event->seen = NULL;
    event->fault = NULL;
    event->tls = NULL;
    event->err = HF_OK;
}

/* Looks for the next event; HF_CLOSED: there will be none. */
static hf_step next(hf_web *w, hf_time now, hf_out *out, hf_web_event *event)
{
    struct hf_web_lanes *const l = w->core.lanes;
    bool done;
    while (w->state != WEB_CLOSED) {
        clean(event);
        if (tell_broken(w, event) || (l->http3 != NULL && step_core(w, now, event)))
            return HF_EVENT;
        do {
            if (pull(w, now, event, &done))
                return HF_EVENT;
        } while (!done && w->state != WEB_CLOSED);
        if (w->state == WEB_CLOSED)
            break;
        if (flush(w, now, out)) {
            forget_fullness(l);
            continue;
        }
        if (tell_broken(w, event) || tell_fence(w, event))
            return HF_EVENT;
        const lane_work *pending = NULL;
        for (uint32_t i = 0; i < l->count && l->http3 != NULL && w->state == WEB_OPEN; i++)
            pending = l->work[i].full ? pending : &l->work[i];
        if (pending == NULL)
            return HF_IDLE;
    }
    return HF_CLOSED;
}

hf_step hf_web_step_http3(hf_web *w, hf_time now, hf_out *out, hf_web_event *event)
{
    struct hf_web_lanes *const l = w->core.lanes;
    l->now = now;
    take_lent(w);
    watch_sending(w, now);
    if (!hf_time_before(now, sending_deadline(w)))
        close_with(w, hf_err_make(HF_ERR_IO_SEND_TIMEOUT), HF_HTTP3_EXCESSIVE_LOAD);
    hf_step s = next(w, now, out, event);
    if (s == HF_IDLE) {
        watch_sending(w, now);
        end_when_delivered(w, now);
        s = w->state == WEB_CLOSED ? HF_CLOSED : HF_IDLE;
    }
    if (s != HF_CLOSED || w->closed_told)
        return s;
    w->closed_told = true;
    *event = (hf_web_event){ .kind = HF_WEB_CLOSED, .err = w->why };
    hf_trace(w->env, now, w->id, HF_TRACE_CONNECTION_CLOSED, (uint64_t)w->why.code, 0);
    return HF_EVENT;
}

/* ---- commands ------------------------------------------------------------------------------------------------- */

static void take(hf_web *w, hf_exchange x, size_t n)
{
    if (w->core.lanes->http3 == NULL || n == 0)
        return;
    hf_http3_take(w->core.lanes->http3, lane_of(x), n);
    add_work(w, lane_of(x), false);
}

static void drain(hf_web *w);

static hf_err respond(hf_web *w, hf_exchange x, const hf_response_head *head)
{
    if (w->core.lanes->http3 == NULL)
        return hf_err_make(HF_ERR_HTTP3_NO_STREAM);
    if (head->close && head->status >= 200) {
        w->draining = true;
        drain(w);
    }
    return hf_http3_respond(w->core.lanes->http3, lane_of(x), head);
}

static uint64_t put(hf_web *w, hf_exchange x, const hf_extent *extents, size_t count, hf_err *err)
{
    *err = hf_err_make(HF_ERR_HTTP3_NO_STREAM);
    return w->core.lanes->http3 == NULL ? 0 : hf_http3_put(w->core.lanes->http3, lane_of(x), extents, count, err);
}

static hf_err give_up(hf_web *w, hf_exchange x, hf_ending ending)
{
    const hf_err err = hf_http3_end(w->core.lanes->http3, lane_of(x), ending, (hf_fields){ 0 });
    /* Of what was over before, either its RESET is to be told, or what was put still leaves, as its end was given. */
    if (err.code == 0 && !hf_web_raise_fence(w, x))
        memory_ended(w);
    return err;
}

static hf_err end(hf_web *w, hf_exchange x, hf_ending ending, hf_fields trailers)
{
    if (w->core.lanes->http3 == NULL)
        return hf_err_make(HF_ERR_HTTP3_NO_STREAM);
    if (ending.kind == HF_ENDING_RESET)
        return give_up(w, x, ending);
    return hf_http3_end(w->core.lanes->http3, lane_of(x), ending, trailers);
}

static void cancel(hf_web *w, hf_exchange x, hf_err why)
{
    (void)why;
    if (w->core.lanes->http3 != NULL)
        (void)!give_up(w, x, (hf_ending){ HF_ENDING_RESET, HF_HTTP3_INTERNAL_ERROR }).code;
}

static uint64_t rtt_of(const hf_quic *quic)
{
    hf_quic_info info;
    hf_quic_info_of(quic, &info);
    return info.rtt_ns > 0 ? (uint64_t)info.rtt_ns : 0;
}

/* RFC 9114 5.2: two GOAWAYs, a round trip or more apart, so that no request on its way is lost. */
static void drain(hf_web *w)
{
    struct hf_web_lanes *const l = w->core.lanes;
    if (l->http3 == NULL)
        return;
    const int64_t least = HF_MILLISECONDS(50), most = HF_SECONDS(1), two = 2 * (int64_t)FACT(w, rtt_of(l->quic));
    hf_http3_drain(l->http3, l->now, two < least ? least : two < most ? two : most);
}

static const hf_fault *fault(const hf_web *w)
{
    static const hf_fault none;
    return w->core.lanes->http3 != NULL ? hf_http3_fault(w->core.lanes->http3) : &none;
}

static bool is_idle(const hf_web *w)
{
    const struct hf_web_lanes *const l = w->core.lanes;
    return l->http3 == NULL || (hf_http3_is_idle(l->http3) && hf_quic_backlog(l->quic) == 0);
}

static bool is_worn(const hf_web *w)
{
    return w->core.lanes->http3 != NULL && hf_http3_is_worn(w->core.lanes->http3);
}

hf_quic *hf_web_quic(const hf_web *w)
{
    return w->v == &hf_web_http3 ? w->core.lanes->quic : NULL;
}

void hf_web_prioritise_http3(hf_web *w, hf_exchange x, unsigned urgency, bool incremental)
{
    if (w->core.lanes->http3 != NULL)
        hf_http3_prioritise(w->core.lanes->http3, lane_of(x), urgency, incremental);
}

void hf_web_pace_http3(hf_web *w, hf_exchange x, hf_pace pace)
{
    if (w->core.lanes->http3 != NULL)
        hf_http3_pace(w->core.lanes->http3, lane_of(x), pace);
}

bool hf_web_can_push_http3(const hf_web *w)
{
    const struct hf_web_lanes *const l = w->core.lanes;
    return l->http3 != NULL && hf_http3_can_push(l->http3) && hf_quic_openable(l->quic, HF_LANE_UNIDIRECTIONAL) > 0;
}

hf_err hf_web_push_http3(hf_web *w, hf_exchange x, const hf_request_head *request, hf_exchange *promised)
{
    struct hf_web_lanes *const l = w->core.lanes;
    hf_lane lane;
    if (l->http3 == NULL || !hf_http3_can_push(l->http3) || FACT(w, hf_quic_openable(l->quic, HF_LANE_UNIDIRECTIONAL)) == 0)
        return hf_err_make(HF_ERR_HTTP3_PUSH);
    hf_err err = hf_web_lane_open(tape_of(w), l->quic, HF_LANE_UNIDIRECTIONAL, &lane);
    if (err.code != 0)
        return err;
    err = hf_http3_push(l->http3, lane_of(x), request, lane);
    if (err.code != 0) /* pushed before: nothing was said on the lane yet */
        (void)!hf_web_lane_end(tape_of(w), l->quic, lane, (hf_ending){ HF_ENDING_RESET, HF_HTTP3_NO_ERROR }).code;
    *promised = exchange_of(lane);
    return err;
}

void hf_web_answer_http3(hf_web *w, bool sign, hf_err err, hf_bytes signature)
{
    struct hf_web_lanes *const l = w->core.lanes;
    if (sign)
        hf_quic_answer_sign(l->quic, l->now, err, signature);
    else
        hf_quic_answer_verify(l->quic, l->now, err);
}

void hf_web_sign_http3(hf_web *w, const hf_web_event *event)
{
    const hf_quic_event question = { .kind = HF_QUIC_WANT_SIGN, .tls = *event->tls };
    hf_quic_sign_here(w->core.lanes->quic, w->core.lanes->now, &question);
}

bool hf_web_security_of_http3(const hf_web *w, hf_web_security *security)
{
    const struct hf_web_lanes *const l = w->core.lanes;
    if (l->http3 == NULL)
        return false;
    *security = (hf_web_security){ .version = HF_TLS_1_3, .suite = hf_quic_suite(l->quic), .group = hf_quic_group(l->quic),
        .protocol = hf_quic_protocol(l->quic), .host = hf_quic_host(l->quic), .peer = hf_quic_peer(l->quic), .resumed = hf_quic_is_resumed(l->quic),
        .handshake_ns = l->handshake_ns };
    return true;
}

const hf_tls_fault *hf_web_tls_fault_http3(const hf_web *w)
{
    static const hf_tls_fault none;
    const hf_quic_fault *const f = hf_quic_fault_of(w->core.lanes->quic);
    return f->tls != NULL ? f->tls : &none;
}

/* web.c leaves steps and bytes of such a connection to the functions above. */
const hf_web_version_ops hf_web_http3 = { .version = HF_HTTP_3, .take = take, .respond = respond, .put = put, .end = end,
    .cancel = cancel, .drain = drain, .fault = fault, .is_idle = is_idle, .is_worn = is_worn, .free = free_core };
