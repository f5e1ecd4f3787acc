/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection's life and its pier.
 */
#include "tcp_core.h"

#include "panic.h"

/* ---- lists -------------------------------------------------------------------------------------------------- */

static hf_tcp_link *link_of(hf_tcp *t, size_t link)
{
    return (hf_tcp_link *)(void *)((uint8_t *)t + link);
}

void hf_list_add(hf_tcp_list *list, hf_tcp *t, size_t link)
{
    hf_tcp_link *l = link_of(t, link);
    if (l->before != NULL)
        return;
    *l = (hf_tcp_link){ .before = list->last != NULL ? (void *)list->last : list };
    if (list->last != NULL)
        link_of(list->last, link)->after = t;
    else
        list->first = t;
    list->last = t;
}

void hf_list_remove(hf_tcp_list *list, hf_tcp *t, size_t link)
{
    hf_tcp_link *l = link_of(t, link);
    if (l->before == NULL)
        return;
    const bool first = l->before == list;
    if (first)
        list->first = l->after;
    else
        link_of(l->before, link)->after = l->after;
    if (l->after != NULL)
        link_of(l->after, link)->before = l->before;
    else
        list->last = first ? NULL : l->before;
    *l = (hf_tcp_link){ 0 };
}

void hf_tcp_ready(hf_tcp *t)
{
    if (t->attached)
        hf_list_add(&t->ep->ready, t, HF_LINK(ready));
}

void hf_tcp_note(hf_tcp *t)
{
    if (t->owned)
        hf_list_add(&t->ep->notice, t, HF_LINK(notice));
}

/* ---- birth and death ------------------------------------------------------------------------------------------ */

/* Up to the next millisecond, and at most 49 days. */
static uint32_t whole_ms(int64_t ns)
{
    const int64_t ms = ns / 1000000 + (ns % 1000000 > 0);
    return ms <= 0 ? 0 : ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static void begin_times(hf_tcp *t, hf_time now)
{
    t->retransmit_at = t->ack_at = t->idle_at = HF_NEVER;
    t->progress_at = t->quiet_since = t->tuned_at = t->recent_at = now;
    t->challenged_at = hf_time_make(-HF_TCP_CHALLENGE_EACH_NS);
    hf_rtt_init(&t->rtt, HF_TCP_RTO_FIRST_NS / 3);
}

hf_tcp *hf_tcp_make(hf_tcp_endpoint *ep, const hf_tcp_pair *pair, uint32_t hash, uint64_t user)
{
    if (ep->counts.connections >= ep->env->limits->connections)
        return NULL;
    hf_tcp *t = hf_alloc_zeroed(ep->alloc, sizeof *t);
    if (t == NULL)
        return NULL;
    t->ep = ep;
    t->pair = *pair;
    t->hash = hash;
    t->user = user;
    t->id = ++ep->next_id;
    t->reorder_steps = 1;
    t->quick = HF_TCP_QUICK_ACKS;
    t->receive_most = ep->env->limits->tcp_receive_bytes < HF_TCP_FIRST_WINDOW ? (uint32_t)ep->env->limits->tcp_receive_bytes : HF_TCP_FIRST_WINDOW;
    t->keepalive_ms = whole_ms(ep->config.keepalive_ns);
    begin_times(t, ep->now);
    /* a place among the timers for life, so that setting one later cannot fail */
    if (!hf_timer_set(&ep->timers, &t->timer, HF_TCP_FAR) || !hf_tcp_table_add(&ep->table, ep->alloc, hash, t)) {
        hf_timer_unset(&ep->timers, &t->timer);
        hf_free(ep->alloc, t, sizeof *t);
        return NULL;
    }
    t->attached = true;
    hf_list_add(&ep->all, t, HF_LINK(all));
    ep->counts.connections++;
    return t;
}

void hf_tcp_move_on(hf_tcp *t, hf_tcp_move move)
{
    hf_tcp_state next = HF_TCP_CLOSED;
    HF_ASSERT(hf_tcp_state_after((hf_tcp_state)t->state, move, &next));
    hf_trace(t->ep->env, t->ep->now, t->id, HF_TRACE_TCP_STATE, t->state, next);
    t->state = (uint8_t)next;
}

static void release(hf_tcp *t)
{
    hf_tcp_endpoint *ep = t->ep;
    hf_list_remove(&ep->all, t, HF_LINK(all));
    if (ep->borrower == t)
        ep->borrower = NULL;
    hf_tcp_send_fini(&t->out, ep->alloc);
    hf_tcp_receive_fini(&t->in, ep->alloc);
    hf_tcp_dismiss(t);
    hf_free(ep->alloc, t, sizeof *t);
}

static void detach(hf_tcp *t)
{
    hf_tcp_endpoint *ep = t->ep;
    if (!t->attached)
        return;
    t->attached = false;
    hf_timer_unset(&ep->timers, &t->timer);
    hf_list_remove(&ep->ready, t, HF_LINK(ready));
    hf_tcp_table_remove(&ep->table, t->hash, t);
    hf_tcp_dismiss(t);
    ep->counts.connections--;
}

void hf_tcp_bury(hf_tcp_endpoint *ep)
{
    while (ep->dead.first != NULL) {
        hf_tcp *t = ep->dead.first;
        hf_list_remove(&ep->dead, t, HF_LINK(notice));
        release(t);
    }
}

void hf_tcp_finish(hf_tcp *t, hf_err err)
{
    hf_tcp_endpoint *ep = t->ep;
    detach(t);
    if (!t->owned) {
        hf_list_add(&ep->dead, t, HF_LINK(notice));
        return;
    }
    t->err = err;
    hf_tcp_send_drop(&t->out, ep->alloc); /* nothing will be sent any more: what was lent goes back */
    if (err.code) {
        hf_tcp_receive_fini(&t->in, ep->alloc);
        t->tell_end = true;
    }
    hf_tcp_note(t);
}

void hf_tcp_wait(hf_tcp *t, hf_time now)
{
    hf_tcp_endpoint *ep = t->ep;
    const uint32_t now_ms = hf_tcp_ms(ep, now);
    const uint32_t room = (t->receive_most > t->in.length ? t->receive_most - t->in.length : 0) >> t->receive_scale;
    const uint16_t window = (uint16_t)(room < 65535 ? room : 65535);
    const int64_t wait_ns = 2 * (int64_t)ep->env->limits->tcp_msl_ns;
    hf_timewait *w = hf_timewaits_add(&ep->timewaits, ep->alloc, (uint32_t)ep->env->limits->tcp_timewaits, &t->pair, now_ms + (uint32_t)(wait_ns / 1000000));
    if (w != NULL) {
        w->window = window;
        w->nxt = t->nxt;
        w->rcv_nxt = t->rcv_nxt;
        w->recent = t->recent;
        w->recent_ms = now_ms;
        if (t->stamps)
            w->next |= HF_TIMEWAIT_STAMP;
        ep->timewait_at = hf_time_earlier(ep->timewait_at, hf_time_after(now, wait_ns));
    }
    if (t->ack_due) { /* the last ACK; a FIN that is acknowledged in CLOSING needs none */
        hf_segment ack = { .seq = t->nxt, .ack = t->rcv_nxt, .flags = HF_ACK, .window = window };
        if (t->stamps) {
            ack.has_stamp = true;
            ack.stamp = hf_tcp_stamp_now(t, now);
            ack.echo = t->recent;
        }
        hf_reply_add(ep, &t->pair, &ack);
    }
    hf_tcp_finish(t, HF_OK);
}

void hf_tcp_abort(hf_tcp *t, hf_err err)
{
    if (t->state != HF_TCP_SYN_SENT) {
        hf_segment r = { .flags = HF_RST | HF_ACK, .seq = t->nxt, .ack = t->rcv_nxt };
        if (t->stamps) { /* RFC 7323 3.2: once agreed on, "TSopt [...] SHOULD be sent in an <RST> segment" */
            r.has_stamp = true;
            r.stamp = hf_tcp_stamp_now(t, t->ep->now);
            r.echo = t->recent;
        }
        hf_reply_add(t->ep, &t->pair, &r);
    }
    hf_tcp_move_on(t, HF_TCP_MOVE_GIVE_UP);
    hf_tcp_finish(t, err);
}

hf_time hf_tcp_buffer_at(const hf_tcp *t)
{
    const bool empty = t->in.memory != NULL && t->in.length == 0 && t->in.range_count == 0;
    return empty ? hf_time_after(t->tuned_at, HF_TCP_LULL_NS) : HF_NEVER;
}

void hf_tcp_set_timer(hf_tcp *t)
{
    if (!t->attached)
        return;
    const hf_tcp_sender *s = t->sender;
    hf_time first = hf_time_earlier(hf_time_earlier(HF_TCP_FAR, t->retransmit_at), hf_time_earlier(t->ack_at, t->idle_at));
    first = hf_time_earlier(first, hf_tcp_buffer_at(t));
    if (s != NULL)
        first = hf_time_earlier(hf_time_earlier(first, s->rest_at), hf_time_earlier(s->reorder_at, s->pace_at));
    const bool set = hf_timer_set(&t->ep->timers, &t->timer, first);
    HF_ASSERT(set);
}

void hf_tcp_set_far(hf_tcp *t)
{
    const bool set = hf_timer_set(&t->ep->timers, &t->timer, HF_TCP_FAR);
    HF_ASSERT(set);
}

/* ---- the pier: reading ---------------------------------------------------------------------------------------- */

static bool over(const hf_tcp *t)
{
    return !t->attached;
}

hf_step hf_tcp_next(hf_tcp *t, hf_time now, hf_pier_event *event)
{
    (void)now;
    *event = (hf_pier_event){ .lane = 0 };
    if (t->tell_opened) {
        t->tell_opened = false;
        event->kind = HF_PIER_OPENED;
        return HF_EVENT;
    }
    if (hf_tcp_send_released(&t->out, &event->token)) {
        event->kind = HF_PIER_RELEASED;
        return HF_EVENT;
    }
    if (t->tell_readable && t->in.length > 0) {
        t->tell_readable = false;
        event->kind = HF_PIER_READABLE;
        return HF_EVENT;
    }
    /* the peer's end is told behind its last byte; that it gave up, at once */
    if (t->tell_end && !t->told_end && (t->err.code != 0 || t->in.length == 0)) {
        t->told_end = true;
        event->kind = HF_PIER_ENDED;
        event->ending = (hf_ending){ .kind = t->err.code ? HF_ENDING_RESET : HF_ENDING_FIN };
        event->err = t->err;
        return HF_EVENT;
    }
    if (t->tell_writable && !over(t) && !t->end_asked) {
        t->tell_writable = false;
        event->kind = HF_PIER_WRITABLE;
        return HF_EVENT;
    }
    if (over(t) && t->err.code != 0)
        return HF_FAULT;
    return over(t) && t->in.length == 0 ? HF_CLOSED : HF_IDLE;
}

hf_span hf_tcp_peek(const hf_tcp *t)
{
    return hf_tcp_receive_peek(&t->in);
}

/* How long the peer's answer to an acknowledgement takes. Who only receives measured it once, in the handshake, when nothing stood
 * in queues and nobody had to be woken; the echoes of the data's timestamps tell it as it is (RFC 7323 4). */
static int64_t receive_round(const hf_tcp *t)
{
    const int64_t own = t->rtt.measured ? t->rtt.smoothed_ns : HF_MILLISECONDS(100);
    const int64_t echoed = HF_MILLISECONDS(t->round_ms > 0 ? t->round_ms : 1);
    return own > echoed ? own : echoed;
}

/* RFC 7323 2 leaves the buffer's size to us: it doubles when the reader took more than half of it in a round trip, since
 * then it is the window that holds the sender back. */
static void tune(hf_tcp *t, size_t n)
{
    const hf_limits *limits = t->ep->env->limits;
    t->taken += (uint32_t)n;
    const int64_t round = receive_round(t);
    const bool fresh = t->ep->now.ns - t->tuned_at.ns > round;
    if (t->taken > t->receive_most / 2 && !fresh && t->receive_most < limits->tcp_receive_bytes) {
        t->receive_most = 2 * (uint64_t)t->receive_most < limits->tcp_receive_bytes ? 2 * t->receive_most : (uint32_t)limits->tcp_receive_bytes;
        t->taken = 0;
    }
    if (fresh) {
        t->taken = 0;
        t->round_ms = 0;
        t->tuned_at = t->ep->now;
    }
}

void hf_tcp_take(hf_tcp *t, size_t n)
{
    if (n == 0)
        return;
    hf_tcp_receive_take(&t->in, t->ep->alloc, (uint32_t)n);
    tune(t, n);
    if (t->tell_end && !t->told_end && t->in.length == 0)
        hf_tcp_note(t);
    if (t->in.length == 0)
        hf_tcp_set_timer(t); /* the buffer goes when it stays empty */
    if (over(t)) {
        hf_tcp_note(t);
    } else if (!t->fin_known && hf_tcp_window_opened(t)) {
        t->ack_due = true;
        hf_tcp_ready(t);
    }
}

/* ---- the pier: writing ---------------------------------------------------------------------------------------- */

uint64_t hf_tcp_unsent(const hf_tcp *t)
{
    const uint64_t sent = hf_tcp_sent(t);
    return over(t) || t->out.end < sent ? 0 : t->out.end - sent;
}

uint64_t hf_tcp_unacknowledged(const hf_tcp *t)
{
    return over(t) ? 0 : t->out.end - t->una_at;
}

bool hf_tcp_own(hf_tcp *t)
{
    return over(t) || hf_tcp_send_own(&t->out, t->ep->alloc);
}

static bool has_room(const hf_tcp *t, const hf_extent *e, bool unsent)
{
    const hf_limits *limits = t->ep->env->limits;
    if (!unsent)
        return true;
    return t->out.count < limits->output_extents * 4 && (e->kind != HF_EXTENT_COPIED || t->out.copied + e->bytes.len <= limits->output_bytes);
}

uint64_t hf_tcp_put(hf_tcp *t, const hf_extent *extents, size_t count)
{
    uint64_t taken = 0;
    if (over(t) || t->end_asked)
        return 0;
    const bool unsent = hf_tcp_unsent(t) > 0;
    for (size_t i = 0; i < count; i++) {
        hf_extent e = extents[i];
        HF_ASSERT(e.kind != HF_EXTENT_FILE);
        if (e.bytes.len == 0 && e.token == 0)
            continue;
        HF_ASSERT(e.bytes.len > 0 && e.bytes.len < UINT32_MAX / 2);
        if (!has_room(t, &e, unsent || i >= 64) || !hf_tcp_send_append(&t->out, t->ep->alloc, &e)) {
            t->wants_room = true;
            break;
        }
        taken += e.bytes.len;
    }
    if (taken > 0)
        hf_tcp_ready(t);
    return taken;
}

hf_err hf_tcp_end(hf_tcp *t, hf_ending ending)
{
    if (ending.kind == HF_ENDING_STOP)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (over(t))
        return HF_OK;
    if (ending.kind == HF_ENDING_RESET) {
        t->told_end = true; /* who gives up need not be told */
        hf_tcp_abort(t, hf_err_make(HF_ERR_TCP_ABORTED));
        return HF_OK;
    }
    if (t->end_asked)
        return hf_err_make(HF_ERR_TCP_ENDED);
    t->end_asked = true;
    if (t->state == HF_TCP_SYN_SENT && t->out.end == 0) {
        /* RFC 9293 3.10.4, SYN-SENT: "Delete the TCB" */
        hf_tcp_move_on(t, HF_TCP_MOVE_CLOSE);
        hf_tcp_finish(t, HF_OK);
        return HF_OK;
    }
    hf_tcp_ready(t);
    return HF_OK;
}

/* RFC 9293 3.6.1, RFC 2525 2.17: bytes that nobody will read mean a RST, or the peer believes they were read. */
static bool may_linger(const hf_tcp *t)
{
    return t->end_asked && t->in.length == 0 && !hf_tcp_send_borrows(&t->out) && t->state >= HF_TCP_ESTABLISHED;
}

void hf_tcp_free(hf_tcp *t)
{
    if (t == NULL)
        return;
    t->owned = false;
    hf_list_remove(&t->ep->notice, t, HF_LINK(notice));
    if (over(t)) {
        release(t);
    } else if (!may_linger(t)) {
        hf_tcp_endpoint *ep = t->ep;
        hf_tcp_abort(t, HF_OK);
        hf_tcp_bury(ep);
    } else if (t->state == HF_TCP_FIN_WAIT_2) {
        t->idle_at = hf_time_after(t->ep->now, (int64_t)t->ep->env->limits->tcp_orphan_ns);
        hf_tcp_set_timer(t);
    }
}

void hf_tcp_set_user(hf_tcp *t, uint64_t user)
{
    t->user = user;
}

void hf_tcp_set_nagle(hf_tcp *t, bool on)
{
    t->nagle = on;
}

void hf_tcp_set_keepalive(hf_tcp *t, hf_time now, int64_t idle_ns)
{
    t->keepalive_ms = whole_ms(idle_ns);
    if (over(t) || t->state < HF_TCP_ESTABLISHED)
        return;
    t->idle_at = idle_ns > 0 ? hf_time_after(now, idle_ns) : HF_NEVER;
    hf_tcp_set_timer(t);
}

/* ---- the verbs as a table -------------------------------------------------------------------------------------- */

static hf_step pier_event(void *self, hf_time now, hf_pier_event *event)
{
    return hf_tcp_next(self, now, event);
}
static hf_span pier_peek(void *self, hf_lane lane)
{
    (void)lane;
    return hf_tcp_peek(self);
}
static void pier_take(void *self, hf_lane lane, size_t n)
{
    (void)lane;
    hf_tcp_take(self, n);
}
static uint64_t pier_put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    (void)lane;
    return hf_tcp_put(self, extents, count);
}
static hf_err pier_end(void *self, hf_lane lane, hf_ending ending)
{
    (void)lane;
    return hf_tcp_end(self, ending);
}
static hf_err pier_open(void *self, hf_lane_kind kind, hf_lane *lane)
{
    (void)self, (void)kind, (void)lane;
    return hf_err_make(HF_ERR_BASE_USAGE);
}
static uint64_t pier_unsent(const void *self, hf_lane lane)
{
    (void)lane;
    return hf_tcp_unsent(self);
}
static void pier_free(void *self)
{
    hf_tcp_free(self);
}

hf_pier hf_tcp_pier(hf_tcp *t)
{
    static const hf_pier_ops ops = { .name = "tcp", .can = HF_PIER_WINDOW_FOLLOWS_TAKE, .event = pier_event, .peek = pier_peek,
                                     .take = pier_take, .put = pier_put, .end = pier_end, .open = pier_open, .unsent = pier_unsent,
                                     .free = pier_free };
    return (hf_pier){ &ops, t };
}
