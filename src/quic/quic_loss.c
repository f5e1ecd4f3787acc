/* SPDX-License-Identifier: Apache-2.0
 *
 * Acknowledgements, loss detection and the probe timer (RFC 9002 5 and 6), persistent congestion (7.6), ECN (RFC 9000 13.4),
 * and all other deadlines of a connection.
 */
#include "quic_core.h"

#include "panic.h"
#include "random.h"

enum { PACKETS = 3, REMEMBERED = 256 }; /* RFC 9002 6.1.1: kPacketThreshold; and how late a packet may come behind others */
#define GRANULARITY HF_MILLISECONDS(1)

/* ---- frames that arrived or were lost ----------------------------------------------------------------------- */

static bool stream_settled(hf_quic *q, const hf_sent_frame *f, bool arrived)
{
    hf_stream *const s = hf_stream_find(q, f->id);
    if (s == NULL)
        return true;
    const hf_allocator *const alloc = &q->env->alloc;
    const hf_send_released released = hf_quic_released(q);
    switch (f->kind) {
    case HF_FRAME_STREAM:
        if (s->sending != HF_LANE_OPEN && s->sending != HF_LANE_SIZED)
            return true;
        if (!(arrived ? hf_send_acked(s->out, alloc, f->offset, f->length, f->fin, &released) : hf_send_lost(s->out, alloc, f->offset, f->length, f->fin)))
            return hf_quic_no_memory(q);
        if (s->sending == HF_LANE_SIZED && hf_send_is_done(s->out))
            hf_stream_sending(s, HF_LANE_DONE);
        break;
    case HF_FRAME_RESET_STREAM:
        if (arrived && s->sending == HF_LANE_RESET) {
            s->due &= (uint8_t)~HF_DUE_RESET;
            hf_stream_sending(s, HF_LANE_DONE);
        } else if (s->sending == HF_LANE_RESET) {
            s->due |= HF_DUE_RESET;
        }
        break;
    case HF_FRAME_STOP_SENDING:
        if (!arrived && s->stopped && s->receiving == HF_LANE_OPEN)
            s->due |= HF_DUE_STOP;
        break;
    default: /* MAX_STREAM_DATA: only the newest is worth repeating */
        if (!arrived && s->receiving == HF_LANE_OPEN && !s->stopped && f->offset == s->receive_allowed)
            s->due |= HF_DUE_WINDOW;
        break;
    }
    hf_stream_touch(q, s);
    hf_stream_settle(q, s);
    return true;
}

static void retirement_settled(hf_quic *q, uint64_t sequence, bool arrived)
{
    for (unsigned i = 0; i < q->retire_count; i++) {
        if (q->retire->due[i] != sequence)
            continue;
        q->retire->sent[i] = false;
        if (arrived) {
            q->retire_count--;
            q->retire->due[i] = q->retire->due[q->retire_count];
            q->retire->sent[i] = q->retire->sent[q->retire_count];
        }
        return;
    }
}

static void id_settled(hf_quic *q, uint64_t sequence, bool arrived)
{
    for (unsigned i = 0; i < HF_QUIC_OUR_IDS; i++)
        if (q->our_ids[i].on && q->our_ids[i].sequence == sequence && !arrived)
            q->our_ids[i].due = true;
}

static bool frame_settled(hf_quic *q, hf_level level, const hf_sent_frame *f, bool arrived)
{
    hf_quic_space *const s = q->spaces[level];
    const hf_send_released released = hf_quic_released(q);
    switch (f->kind) {
    case HF_FRAME_ACK:
        if (arrived && f->id > REMEMBERED && f->id - REMEMBERED > s->floor) {
            /* RFC 9000 13.2.4: what the peer knows we received need not be told again */
            s->floor = f->id - REMEMBERED;
            hf_ranges_drop_below(&s->received, s->floor);
        }
        return true;
    case HF_FRAME_CRYPTO:
        return (arrived ? hf_send_acked(&s->hello_out, &q->env->alloc, f->offset, f->length, false, &released)
                        : hf_send_lost(&s->hello_out, &q->env->alloc, f->offset, f->length, false)) ||
               hf_quic_no_memory(q);
    case HF_FRAME_STREAM: case HF_FRAME_RESET_STREAM: case HF_FRAME_STOP_SENDING: case HF_FRAME_MAX_STREAM_DATA:
        return stream_settled(q, f, arrived);
    case HF_FRAME_MAX_DATA: q->window_due |= !arrived && f->offset == q->receive_allowed; return true;
    case HF_FRAME_MAX_STREAMS: q->streams_due[f->id] |= !arrived && f->offset == q->peer_told[f->id]; return true;
    case HF_FRAME_NEW_CONNECTION_ID: id_settled(q, f->id, arrived); return true;
    case HF_FRAME_RETIRE_CONNECTION_ID: retirement_settled(q, f->id, arrived); return true;
    case HF_FRAME_HANDSHAKE_DONE: q->done_due |= !arrived; return true;
    case HF_FRAME_NEW_TOKEN:
        q->token_due |= !arrived;
        if (arrived)
            hf_queue_fini(&q->new_token);
        return true;
    default: return true;
    }
}

static bool frames_settled(hf_quic *q, hf_level level, const hf_sent_packet *p, bool arrived)
{
    for (uint32_t i = 0; i < p->frames; i++) {
        const hf_sent_frame f = *hf_sent_frame_of(&q->spaces[level]->sent, p, i);
        if (!frame_settled(q, level, &f, arrived))
            return false;
    }
    return true;
}

/* The packet is out no more. */
static void leave_flight(hf_quic *q, hf_quic_space *s, hf_sent_packet *p, hf_sent_state to)
{
    HF_ASSERT(p->state == HF_SENT_OUT);
    p->state = (uint8_t)to;
    s->sent.eliciting -= p->eliciting;
    if (p->in_flight && p->era == q->era) {
        HF_ASSERT(q->in_flight >= p->size);
        q->in_flight -= p->size;
    }
}

/* ---- loss --------------------------------------------------------------------------------------------------- */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* RFC 9002 7.6.1. */
static int64_t persistent_ns(const hf_quic *q)
{
    return 3 * (hf_rtt_timeout(&q->rtt, GRANULARITY) + HF_MILLISECONDS(q->theirs.ack_delay_ms));
}

typedef struct losses {
    bool large;           /* one was larger than every path carries */
    hf_time newest;       /* of the lost packets of this era, by when they left; -1: none */
    hf_time run_from;     /* of an unbroken run of losses, -1: none */
    bool persistent;
} losses;

static bool lose(hf_quic *q, hf_level level, uint64_t number, losses *l)
{
    hf_quic_space *const s = q->spaces[level];
    hf_sent_packet *const p = hf_sent_find(&s->sent, number);
    leave_flight(q, s, p, HF_SENT_LOST);
    q->packets_lost++;
    hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_LOST, number, level);
    if (p->sizing && p->era == q->era) { /* RFC 9000 14.4: no "reliable indication of congestion" */
        hf_quic_mtu_settled(q, p->size, false);
        return frames_settled(q, level, p, false);
    }
    if (p->era == q->era && p->in_flight) {
        l->large |= p->size > HF_QUIC_DATAGRAM_LEAST;
        l->newest = p->at;
        if (p->eliciting && p->at.ns > q->first_rtt_at.ns && q->first_rtt_at.ns >= 0) {
            if (l->run_from.ns < 0)
                l->run_from = p->at;
            l->persistent |= p->at.ns - l->run_from.ns > persistent_ns(q);
        }
    }
    return frames_settled(q, level, p, false);
}

/* RFC 9002 A.10. */
static bool detect(hf_quic *q, hf_level level, bool large_arrived)
{
    hf_quic_space *const s = q->spaces[level];
    const int64_t delay = larger(larger(q->rtt.latest_ns, q->rtt.smoothed_ns) / 8 * 9, GRANULARITY);
    losses l = { .newest = { -1 }, .run_from = { -1 } };
    s->loss_at = HF_NEVER;
    if (s->largest_acked == UINT64_MAX)
        return true;
    for (uint64_t n = s->sent.first; n <= s->largest_acked && n < s->sent.next; n++) {
        hf_sent_packet *const p = hf_sent_find(&s->sent, n);
        if (p->state == HF_SENT_ACKED)
            l.run_from = hf_time_make(-1);
        if (p->state != HF_SENT_OUT)
            continue;
        if (s->largest_acked >= n + PACKETS || p->at.ns + delay <= q->now.ns) {
            if (!lose(q, level, n, &l))
                return false;
        } else {
            s->loss_at = hf_time_earlier(s->loss_at, hf_time_after(p->at, delay));
        }
    }
    hf_sent_trim(&s->sent);
    hf_quic_mtu_heard(q, large_arrived, l.large);
    if (l.newest.ns >= 0 && hf_congestion_lost(&q->congestion, q->now, l.newest))
        hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_WINDOW, hf_congestion_window(&q->congestion), q->in_flight);
    if (l.persistent) {
        hf_congestion_collapsed(&q->congestion, q->now, q->in_flight, 2, false);
        q->rtt.measured = false; /* RFC 9002 5.2: min_rtt may be set anew */
    }
    return true;
}

/* ---- acknowledgements --------------------------------------------------------------------------------------- */

typedef struct tally {
    uint64_t bytes;       /* newly acknowledged, of this era */
    hf_time newest;       /* when the newest of them left, -1: none */
    hf_time largest_at;   /* when the largest acknowledged left; -1 when it was known before */
    bool eliciting, largest_era, large;
    uint64_t marked;      /* how many had ECT(0) */
} tally;

static bool ack_one(hf_quic *q, hf_level level, uint64_t number, uint64_t largest, tally *t)
{
    hf_quic_space *const s = q->spaces[level];
    hf_sent_packet *const p = hf_sent_find(&s->sent, number);
    if (p == NULL || p->state == HF_SENT_ACKED)
        return true;
    if (p->state == HF_SENT_SKIPPED) /* RFC 9000 21.4 */
        return hf_quic_fail(q, HF_ERR_QUIC_ACK_UNSENT, 0x02, "an acknowledgement of packets that were sent");
    if (number == largest) {
        t->largest_at = p->at;
        t->largest_era = p->era == q->era && p->in_flight;
    }
    t->eliciting |= p->eliciting;
    t->marked += p->marked;
    if (p->state == HF_SENT_OUT) {
        leave_flight(q, s, p, HF_SENT_ACKED);
        if (p->in_flight && p->era == q->era) {
            t->bytes += p->size;
            t->large |= p->size > HF_QUIC_DATAGRAM_LEAST;
            if (p->sizing)
                hf_quic_mtu_settled(q, p->size, true);
            if (p->at.ns > t->newest.ns)
                t->newest = p->at;
        }
    }
    p->state = HF_SENT_ACKED;
    if (level == HF_LEVEL_APPLICATION && number >= q->phase_sent_from)
        q->update_confirmed = true;
    return frames_settled(q, level, p, true);
}

/* RFC 9000 13.4.2.1: counts that cannot be mean that marks do not survive the path. */
static void check_marks(hf_quic *q, hf_quic_space *s, const hf_frame_ack *a, const tally *t, hf_time sent_at)
{
    if (!q->ecn)
        return;
    const uint64_t told = a->ect0 + a->ce;
    if (!a->marks || told < s->ect_told + t->marked || a->ect0 > s->ect_sent || a->ce < s->ce_told) {
        if (t->marked > 0 || a->marks) {
            q->ecn = false;
            q->ecn_failed = true;
        }
        return;
    }
    if (a->ce > s->ce_told && sent_at.ns >= 0)
        (void)hf_congestion_lost(&q->congestion, q->now, sent_at);
    s->ect_told = told;
    s->ce_told = a->ce;
}

static void sample(hf_quic *q, hf_level level, const hf_frame_ack *a, const tally *t)
{
    /* RFC 9002 5.3: the delay counts for 1-RTT alone, and only up to what the peer promised once confirmed */
    int64_t delay = 0;
    const int64_t most = HF_MILLISECONDS(q->theirs.ack_delay_ms);
    if (level == HF_LEVEL_APPLICATION) {
        const uint64_t us = a->delay < UINT64_C(1) << 32 ? a->delay << q->theirs.ack_exponent : UINT64_C(1) << 40;
        delay = us < UINT64_C(1) << 40 ? (int64_t)us * 1000 : INT64_MAX / 4;
        if (q->confirmed && delay > most)
            delay = most;
    }
    hf_rtt_sample(&q->rtt, q->now.ns - t->largest_at.ns, delay);
    if (q->first_rtt_at.ns < 0)
        q->first_rtt_at = q->now;
}

bool hf_quic_acked(hf_quic *q, hf_level level, const hf_frame_ack *a)
{
    hf_quic_space *const s = q->spaces[level];
    if (a->largest >= s->sent.next)
        return hf_quic_fail(q, HF_ERR_QUIC_ACK_UNSENT, 0x02, "an acknowledgement of packets that were sent");
    tally t = { .newest = { -1 }, .largest_at = { -1 } };
    hf_ack_walk walk = { 0 };
    uint64_t from, to;
    const bool newer = s->largest_acked == UINT64_MAX || a->largest > s->largest_acked;
    while (hf_ack_next(a, &walk, &from, &to)) {
        if (to <= s->sent.first)
            break;
        for (uint64_t n = from > s->sent.first ? from : s->sent.first; n < to; n++)
            if (!ack_one(q, level, n, a->largest, &t))
                return false;
    }
    if (newer)
        s->largest_acked = a->largest;
    int64_t rtt = 0;
    if (t.largest_at.ns >= 0 && t.eliciting && t.largest_era && newer) {
        sample(q, level, a, &t);
        rtt = q->rtt.latest_ns;
        hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_RTT, (uint64_t)q->rtt.smoothed_ns / 1000, (uint64_t)rtt / 1000);
    }
    if (newer)
        check_marks(q, s, a, &t, t.largest_at);
    if (!detect(q, level, t.large))
        return false;
    if (t.newest.ns >= 0) {
        const hf_congestion_ack ack = { t.bytes, t.newest, rtt, q->rtt.smoothed_ns, q->limited };
        hf_congestion_acked(&q->congestion, q->now, &ack);
        hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_WINDOW, hf_congestion_window(&q->congestion), q->in_flight);
        hf_pacer_set(&q->pacer, q->now, hf_congestion_rate(&q->congestion, q->rtt.smoothed_ns), 10 * (uint64_t)q->datagram_bytes);
    }
    /* RFC 9002 6.2.2.1: a client backs off until it knows that the server took its address for good */
    if (t.eliciting && (q->server || q->confirmed || level != HF_LEVEL_INITIAL))
        q->timeouts = 0;
    if (s->sent.eliciting == 0 && s->sent.packet_capacity > 64)
        hf_sent_rest(&s->sent, &q->env->alloc);
    return true;
}

/* ---- the probe timer ---------------------------------------------------------------------------------------- */

int64_t hf_quic_timeout_ns(const hf_quic *q, hf_level level)
{
    const int64_t delay = level == HF_LEVEL_APPLICATION ? HF_MILLISECONDS(q->theirs.ack_delay_ms) : 0;
    return hf_rtt_timeout(&q->rtt, GRANULARITY) + delay;
}

static bool may_probe(const hf_quic *q)
{
    return hf_quic_route_room(q, &q->routes[q->route]) >= HF_QUIC_DATAGRAM_LEAST;
}

/* RFC 9002 A.8. HF_NEVER: none. */
static hf_time probe_at(const hf_quic *q, hf_level *which)
{
    hf_time first = HF_NEVER;
    const unsigned shift = q->timeouts < 16 ? q->timeouts : 16;
    if (!may_probe(q))
        return first;
    unsigned out = 0;
    for (unsigned level = 0; level < HF_LEVEL_COUNT; level++) {
        const hf_quic_space *const s = q->spaces[level];
        if (s->sent.eliciting == 0 || s->gone || (level == HF_LEVEL_APPLICATION && !q->confirmed && !q->hello_done))
            continue;
        out += s->sent.eliciting;
        const hf_time at = hf_time_after(s->eliciting_at, hf_quic_timeout_ns(q, (hf_level)level) << shift);
        if (at.ns < first.ns) {
            first = at;
            *which = (hf_level)level;
        }
    }
    /* RFC 9002 6.2.2.1: a client must not let the server run into its amplification limit */
    if (out == 0 && !q->server && !q->confirmed) {
        *which = q->spaces[HF_LEVEL_HANDSHAKE]->write.on ? HF_LEVEL_HANDSHAKE : HF_LEVEL_INITIAL;
        const hf_time since = q->spaces[*which]->eliciting_at;
        if (since.ns >= 0 || q->spaces[HF_LEVEL_INITIAL]->eliciting_at.ns >= 0)
            first = hf_time_after(since.ns >= 0 ? since : q->spaces[HF_LEVEL_INITIAL]->eliciting_at, hf_quic_timeout_ns(q, *which) << shift);
    }
    return first;
}

/* The oldest packets' frames are sent once more, without taking them for lost. */
static bool probe(hf_quic *q, hf_level level)
{
    hf_quic_space *const s = q->spaces[level];
    unsigned again = 0;
    s->probes = 2;
    q->timeouts++;
    q->probes_sent++;
    hf_quic_mtu_timeout(q);
    if (q->timeouts == 3 && q->ecn) { /* marks may be what the path drops */
        q->ecn = false;
        q->ecn_failed = true;
    }
    hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_TIMEOUT, level, q->timeouts);
    for (uint64_t n = s->sent.first; n < s->sent.next && again < 2; n++) {
        hf_sent_packet *const p = hf_sent_find(&s->sent, n);
        if (p->state != HF_SENT_OUT || !p->eliciting)
            continue;
        again++;
        if (!frames_settled(q, level, p, false))
            return false;
    }
    return true;
}

/* ---- spaces ------------------------------------------------------------------------------------------------- */

void hf_quic_discard(hf_quic *q, hf_level level)
{
    hf_quic_space *const s = q->spaces[level];
    const hf_allocator *const alloc = &q->env->alloc;
    if (s->gone)
        return;
    for (uint64_t n = s->sent.first; n < s->sent.next; n++) {
        hf_sent_packet *const p = hf_sent_find(&s->sent, n);
        if (p->state == HF_SENT_OUT)
            leave_flight(q, s, p, HF_SENT_ACKED);
    }
    hf_sent_fini(&s->sent, alloc);
    hf_ranges_fini(&s->received, alloc);
    hf_receive_fini(&s->hello_in, alloc);
    hf_send_fini(&s->hello_out, alloc);
    hf_quic_keys_fini(&s->read);
    hf_quic_keys_fini(&s->write);
    if (level == HF_LEVEL_INITIAL && q->shaking != NULL)
        hf_quic_keys_fini(&q->shaking->first_read);
    s->ack_at = s->loss_at = HF_NEVER;
    s->probes = 0;
    s->gone = true;
    q->timeouts = 0; /* RFC 9002 6.2.2 */
}

bool hf_quic_resend_all(hf_quic *q, hf_level level)
{
    hf_quic_space *const s = q->spaces[level];
    for (uint64_t n = s->sent.first; n < s->sent.next; n++) {
        hf_sent_packet *const p = hf_sent_find(&s->sent, n);
        if (p->state != HF_SENT_OUT)
            continue;
        leave_flight(q, s, p, HF_SENT_LOST);
        if (!frames_settled(q, level, p, false))
            return false;
    }
    hf_sent_trim(&s->sent);
    return true;
}

void hf_quic_abandon_sent(hf_quic *q)
{
    hf_quic_space *const s = q->spaces[HF_LEVEL_APPLICATION];
    for (uint64_t n = s->sent.first; n < s->sent.next; n++) {
        hf_sent_packet *const p = hf_sent_find(&s->sent, n);
        if (p->state == HF_SENT_OUT)
            leave_flight(q, s, p, HF_SENT_LOST);
    }
    hf_sent_trim(&s->sent); /* so that no acknowledgement finds them: their frames are of lanes that are no more */
}

void hf_quic_new_path_recovery(hf_quic *q)
{
    const hf_quic_config *const config = hf_quic_config_of(q->ep);
    hf_quic_mtu_begin(q);
    q->spin = false;
    q->spins = hf_random_below(q->env->random, 16) != 0; /* RFC 9000 17.4: not on "at least one in every 16" paths */
    const uint32_t segment = q->datagram_bytes;
    /* RFC 9002 7.2: ten datagrams, but no more than 14,720 bytes */
    const uint64_t window = 10 * segment < 14720 ? 10 * segment : 14720 > 2 * segment ? 14720 : 2 * segment;
    hf_congestion_init(&q->congestion, config->newreno ? HF_CONGESTION_NEWRENO : HF_CONGESTION_CUBIC, segment, window);
    hf_rtt_init(&q->rtt, HF_MILLISECONDS(333)); /* RFC 9002 6.2.2 */
    hf_pacer_init(&q->pacer, q->now, window);
    hf_pacer_set(&q->pacer, q->now, 0, window);
    q->first_rtt_at = hf_time_make(-1);
    q->era++;
    q->in_flight = 0;
    q->timeouts = 0;
    q->ecn = !q->ecn_failed;
}

/* ---- deadlines ---------------------------------------------------------------------------------------------- */

hf_time hf_quic_deadline(const hf_quic *q)
{
    hf_level level = HF_LEVEL_INITIAL;
    if (q->state == HF_QUIC_OVER)
        return HF_NEVER;
    if (q->state >= HF_QUIC_CLOSING)
        return q->over_at;
    hf_time at = hf_time_earlier(q->idle_at, probe_at(q, &level));
    if (q->state == HF_QUIC_SHAKING)
        at = hf_time_earlier(at, hf_time_after(q->started, (int64_t)q->env->limits->quic_handshake_ns));
    for (unsigned i = 0; i < HF_LEVEL_COUNT; i++) {
        at = hf_time_earlier(at, q->spaces[i]->loss_at);
        if (q->spaces[i]->write.on && may_probe(q))
            at = hf_time_earlier(at, q->spaces[i]->ack_at);
    }
    at = hf_time_earlier(hf_time_earlier(at, q->pace_at), hf_time_earlier(q->alive_at, q->last_read_until));
    at = hf_time_earlier(at, q->rest_at);
    if (q->zero != NULL)
        at = hf_time_earlier(at, q->zero->until);
    return hf_time_earlier(at, hf_quic_route_deadline(q));
}

void hf_quic_timers(hf_quic *q)
{
    const hf_time now = q->now;
    if (q->state == HF_QUIC_OVER)
        return;
    if (q->state >= HF_QUIC_CLOSING) {
        if (q->over_at.ns <= now.ns)
            hf_quic_move(q, HF_QUIC_OVER);
        return;
    }
    if (q->idle_at.ns <= now.ns) {
        hf_quic_end_silently(q, HF_ERR_QUIC_IDLE);
        return;
    }
    if (q->state == HF_QUIC_SHAKING && now.ns - q->started.ns >= (int64_t)q->env->limits->quic_handshake_ns) {
        hf_quic_end_silently(q, HF_ERR_QUIC_HANDSHAKE_TIMEOUT);
        return;
    }
    if (q->last_read_until.ns <= now.ns) {
        if (q->turnover != NULL)
            hf_quic_keys_fini(&q->turnover->last_read);
        if (q->rest_at.ns == HF_NEVER_NS)
            hf_quic_turnover_end(q);
        q->last_read_until = HF_NEVER;
    }
    if (q->zero != NULL && q->zero->until.ns <= now.ns)
        hf_quic_early_forget(q);
    if (q->rest_at.ns <= now.ns)
        hf_quic_rest(q);
    if (q->pace_at.ns <= now.ns)
        q->pace_at = HF_NEVER;
    if (q->alive_at.ns <= now.ns) {
        q->alive_at = HF_NEVER;
        q->ping_due = true;
    }
    bool lost = false;
    for (unsigned i = 0; i < HF_LEVEL_COUNT; i++)
        if (q->spaces[i]->loss_at.ns <= now.ns) {
            lost = true;
            if (!detect(q, (hf_level)i, false))
                return;
        }
    hf_level level = HF_LEVEL_INITIAL;
    if (!lost && probe_at(q, &level).ns <= now.ns && !probe(q, level))
        return;
    hf_quic_route_timers(q);
}
