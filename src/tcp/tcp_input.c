/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments for a connection: RFC 9293 3.10.7.3 (SYN-SENT) and 3.10.7.4 (all later states), in the order of its checks, with
 * RFC 5961's challenges and RFC 7323's timestamps.
 */
#include "tcp_core.h"

/* ---- answers -------------------------------------------------------------------------------------------------- */

static void acknowledge(hf_tcp *t)
{
    t->ack_due = true;
    hf_tcp_ready(t);
}

/* RFC 5961 7: "An implementation SHOULD include an ACK throttling mechanism". One each half second here, and a bound on all
 * together: two ends that disagree must not talk for ever. */
static void challenge(hf_tcp *t, hf_time now)
{
    if (now.ns - t->challenged_at.ns < HF_TCP_CHALLENGE_EACH_NS) {
        t->ep->counts.challenges_held++;
        return;
    }
    if (!hf_reply_may_challenge(t->ep, now))
        return;
    t->challenged_at = now;
    acknowledge(t);
}

/* ---- the handshake -------------------------------------------------------------------------------------------- */

void hf_tcp_agree(hf_tcp *t, const hf_segment *syn)
{
    const hf_tcp_config *config = &t->ep->config;
    const bool four = hf_ip_is4(&t->pair.remote);
    uint16_t mss = syn->mss > 0 ? syn->mss : four ? HF_TCP_MSS_4 : HF_TCP_MSS_6;
    const uint16_t here = hf_mss_here(t->ep, &t->pair.remote);
    mss = mss < here ? mss : here;
    t->mss = mss > HF_TCP_MSS_LEAST ? mss : HF_TCP_MSS_LEAST;
    t->irs = syn->seq;
    t->rcv_nxt = t->edge = t->last_ack = hf_seq_add(syn->seq, 1);
    t->sack = syn->sack_permitted && !config->no_sack;
    t->stamps = syn->has_stamp && !config->no_timestamps;
    if (t->stamps) {
        t->recent = syn->stamp;
        t->recent_at = t->ep->now;
    }
    /* RFC 7323 2.2: both or neither; 2.3: above 14 counts as 14 */
    if (syn->has_scale && !config->no_scale) {
        t->send_scale = syn->scale < 14 ? syn->scale : 14;
        t->receive_scale = hf_scale_here(t->ep);
    }
    t->window = t->window_most = syn->window; /* RFC 7323 2.2: the window of a SYN is never scaled */
    t->window_seq = syn->seq;
    t->window_ack = syn->ack;
}

void hf_tcp_opened(hf_tcp *t, hf_time now, const hf_segment *s)
{
    hf_tcp_first_window(t);
    t->una = t->nxt = hf_seq_add(t->iss, 1);
    t->window = (uint32_t)s->window << ((s->flags & HF_SYN) ? 0 : t->send_scale);
    t->window_most = t->window;
    t->window_seq = s->seq;
    t->window_ack = s->ack;
    t->syn_due = false;
    t->retransmit_at = HF_NEVER;
    t->timing = HF_TIMING_NONE;
    t->backoff = 0;
    t->progress_at = t->quiet_since = now;
    if (t->keepalive_ms > 0)
        t->idle_at = hf_time_after(now, HF_MILLISECONDS(t->keepalive_ms));
    t->ep->counts.opened++;
    t->tell_opened = !t->passive;
    t->tell_writable = t->wants_room;
    hf_tcp_note(t);
    hf_tcp_ready(t);
    hf_tcp_set_timer(t);
}

/* The SYN's own round trip, unless it was sent twice (Karn). */
static void measure_syn(hf_tcp *t, hf_time now)
{
    if (t->backoff == 0)
        hf_rtt_sample(&t->rtt, now.ns - t->quiet_since.ns, 0);
}

static void arrive_syn_sent(hf_tcp *t, hf_time now, const hf_segment *s)
{
    const bool acks = (s->flags & HF_ACK) != 0;
    if (acks && !hf_seq_same(s->ack, hf_seq_add(t->iss, 1))) {
        hf_reply_reset(t->ep, &t->pair, s);
        return;
    }
    if (s->flags & HF_RST) {
        /* RFC 9293 3.10.7.3: "If the ACK was acceptable, then signal to the user 'error: connection reset'" */
        if (acks) {
            t->ep->counts.resets_in++;
            hf_tcp_move_on(t, HF_TCP_MOVE_GIVE_UP);
            hf_tcp_finish(t, hf_err_make(HF_ERR_TCP_REFUSED));
        }
        return;
    }
    if (!(s->flags & HF_SYN))
        return;
    hf_tcp_agree(t, s);
    if (acks) {
        t->ecn = t->ep->config.ecn && (s->flags & (HF_ECE | HF_CWR)) == HF_ECE;
        measure_syn(t, now);
        hf_tcp_move_on(t, HF_TCP_MOVE_RECV_SYN_ACK);
        hf_tcp_opened(t, now, s);
        /* the handshake's first two segments carry no data here: what a SYN-ACK brings is left for the peer to repeat */
        acknowledge(t);
        return;
    }
    hf_tcp_move_on(t, HF_TCP_MOVE_RECV_SYN); /* both ends opened at once */
    t->syn_due = true;
    hf_tcp_ready(t);
}

/* ---- may it be here? ------------------------------------------------------------------------------------------ */

/* RFC 9293 3.10.7.4, first: the four cases of the sequence number and the window. */
static bool acceptable(const hf_tcp *t, const hf_segment *s)
{
    const uint32_t length = hf_segment_length(s);
    const uint32_t window = (uint32_t)hf_seq_from(t->edge, t->rcv_nxt);
    const int32_t first = hf_seq_from(s->seq, t->rcv_nxt);
    if (length == 0)
        return window == 0 ? first == 0 : first >= 0 && (uint32_t)first < window;
    if (window == 0)
        return false;
    const int32_t last = first + (int32_t)length - 1;
    return (first >= 0 && (uint32_t)first < window) || (last >= 0 && (uint32_t)last < window) || (first < 0 && last >= 0);
}

/* RFC 7323 5.3 R1: an older timestamp than the last is an old duplicate, unless the connection slept for 24 days. */
static bool from_the_past(const hf_tcp *t, hf_time now, const hf_segment *s)
{
    return t->stamps && s->has_stamp && (int32_t)(s->stamp - t->recent) < 0 && now.ns - t->recent_at.ns < HF_SECONDS(24 * 86400);
}

static void refuse(hf_tcp *t, hf_time now, const hf_segment *s)
{
    if (s->flags & HF_RST)
        return;
    if (hf_segment_length(s) == 0 || (s->flags & HF_SYN)) {
        challenge(t, now);
        return;
    }
    /* RFC 2883 4: bytes that came before are named in the first SACK block */
    const hf_seq end = hf_seq_add(s->seq, (uint32_t)s->payload.len);
    if (t->sack && s->payload.len > 0 && hf_seq_upto(end, t->rcv_nxt))
        t->again = (hf_sack){ s->seq, end };
    t->duplicates_in++;
    acknowledge(t);
}

static void reset(hf_tcp *t, hf_time now, const hf_segment *s)
{
    /* RFC 5961 3.2: exactly the next sequence number; elsewhere in the window it is challenged */
    if (!hf_seq_same(s->seq, t->rcv_nxt)) {
        challenge(t, now);
        return;
    }
    t->ep->counts.resets_in++;
    const int32_t why = t->state == HF_TCP_SYN_RECEIVED ? HF_ERR_TCP_REFUSED : HF_ERR_TCP_RESET;
    hf_tcp_move_on(t, HF_TCP_MOVE_GIVE_UP);
    /* RFC 9293 3.10.7.4: in LAST-ACK and CLOSING there is nothing more to be lost */
    hf_tcp_finish(t, t->told_end && t->fin_sent && t->out.end == t->una_at ? HF_OK : hf_err_make(why));
}

/* ---- what it brings ------------------------------------------------------------------------------------------- */

static void schedule_ack(hf_tcp *t, hf_time now, hf_tcp_received how, size_t length)
{
    const uint32_t full = hf_tcp_full(t);
    const size_t segments = (length + full - 1) / full;
    t->unacknowledged = (uint8_t)(t->unacknowledged + segments < 2 ? t->unacknowledged + segments : 2);
    /* RFC 9293 3.8.6.3: at least every second full segment; RFC 5681 4.2: at once when it fills or shows a gap */
    if (how != HF_RECEIVED_IN_ORDER || t->in.range_count > 0 || t->unacknowledged >= 2 || t->quick > 0) {
        if (t->quick > 0)
            t->quick--;
        acknowledge(t);
    } else if (t->ack_at.ns == HF_NEVER_NS) {
        const int64_t delay = t->ep->config.delayed_ack_ns;
        t->ack_at = hf_time_after(now, delay > 0 ? delay : HF_MILLISECONDS(40));
    }
}

static void take_fin(hf_tcp *t, hf_time now)
{
    t->rcv_nxt = hf_seq_add(t->rcv_nxt, 1);
    t->edge = hf_seq_before(t->edge, t->rcv_nxt) ? t->rcv_nxt : t->edge;
    t->tell_end = true;
    hf_tcp_move_on(t, HF_TCP_MOVE_RECV_FIN);
    hf_tcp_note(t);
    acknowledge(t);
    if (t->state == HF_TCP_TIME_WAIT)
        hf_tcp_wait(t, now);
}

static bool takes_text(const hf_tcp *t)
{
    return t->state == HF_TCP_ESTABLISHED || t->state == HF_TCP_FIN_WAIT_1 || t->state == HF_TCP_FIN_WAIT_2;
}

/* How much of a text that begins `away` beyond what came in order lies within `room` of it. */
static size_t within(size_t len, int32_t away, uint32_t room)
{
    const int64_t most = (int64_t)room - away;
    return most <= 0 ? 0 : (int64_t)len < most ? len : (size_t)most;
}

/* RFC 9293 3.6: a FIN means "I have no more data to send". What a peer sent beyond it is forgotten: kept, it would lie where
   the FIN's own number is. */
static void learn_fin(hf_tcp *t, hf_seq at)
{
    if (t->fin_known || hf_seq_before(at, t->rcv_nxt))
        return;
    t->fin_known = true;
    t->fin_at = at;
    hf_tcp_receive_cut(&t->in, t->ep->alloc, at);
}

/* Data answers an acknowledgement of ours, whose timestamp it brings back; what it waited for besides only makes it later. */
static void learn_round(hf_tcp *t, hf_time now, const hf_segment *s)
{
    const int64_t ms = t->stamps && s->has_stamp && s->echo != 0 ? (int32_t)(hf_tcp_stamp_now(t, now) - s->echo) : -1;
    if (ms >= 0 && ms < UINT16_MAX && (t->round_ms == 0 || ms + 1 < t->round_ms))
        t->round_ms = (uint16_t)(ms + 1);
}

/* Text and FIN. */
static void take_text(hf_tcp *t, hf_time now, const hf_segment *s)
{
    hf_bytes text = s->payload;
    bool fin = (s->flags & HF_FIN) != 0;
    if (!takes_text(t)) {
        if (hf_segment_length(s) > 0)
            acknowledge(t);
        return;
    }
    const uint32_t window = (uint32_t)hf_seq_from(t->edge, t->rcv_nxt);
    const int32_t away = hf_seq_from(s->seq, t->rcv_nxt);
    /* RFC 9293 3.10.7.4: "trim ... the segment to fit in the window" */
    text.len = within(text.len, away, window);
    if (text.len < s->payload.len)
        fin = false;
    if (t->fin_known) {
        const size_t len = within(text.len, away, (uint32_t)hf_seq_from(t->fin_at, t->rcv_nxt));
        if (len < text.len)
            acknowledge(t);
        text.len = len;
    }
    hf_tcp_received how = HF_RECEIVED_NOTHING;
    if (text.len > 0) {
        if (!t->owned) {
            /* RFC 9293 3.6.1, RFC 1122 4.2.2.13: data for an application that is gone is answered with a RST */
            hf_tcp_abort(t, HF_OK);
            return;
        }
        const uint32_t held = t->in.length;
        how = hf_tcp_receive_put(&t->in, t->ep->alloc, &t->rcv_nxt, s->seq, text, window, (unsigned)t->ep->env->limits->tcp_ranges, t->ep->lasts);
        if (t->in.lent != NULL)
            t->ep->borrower = t;
        t->bytes_received += t->in.length - held;
        t->ep->counts.bytes_in += t->in.length - held;
        if (how == HF_RECEIVED_BEYOND) {
            t->latest = hf_seq_before(s->seq, t->rcv_nxt) ? t->rcv_nxt : s->seq;
            t->out_of_order++;
        } else if (how == HF_RECEIVED_NOTHING) {
            t->duplicates_in++;
            if (t->sack)
                t->again = (hf_sack){ s->seq, hf_seq_add(s->seq, (uint32_t)text.len) };
        } else if (how == HF_RECEIVED_REFUSED) {
            t->ep->counts.ranges_dropped++;
            acknowledge(t);
            return;
        }
        if (t->in.length > held) {
            learn_round(t, now, s);
            t->tell_readable = true;
            hf_tcp_note(t);
        }
        schedule_ack(t, now, how, text.len);
    }
    if (fin) {
        learn_fin(t, hf_seq_add(s->seq, (uint32_t)s->payload.len));
        if (!t->fin_known || !hf_seq_same(t->fin_at, t->rcv_nxt))
            acknowledge(t);
    }
    if (t->fin_known && hf_seq_same(t->fin_at, t->rcv_nxt))
        take_fin(t, now);
}

/* Our FIN is acknowledged: RFC 9293 3.10.7.4, fifth. False: the connection is gone. */
static bool fin_acknowledged(hf_tcp *t, hf_time now)
{
    hf_tcp_move_on(t, HF_TCP_MOVE_RECV_ACK_OF_FIN);
    if (t->state == HF_TCP_CLOSED) {
        hf_tcp_finish(t, HF_OK);
        return false;
    }
    if (t->state == HF_TCP_TIME_WAIT) {
        hf_tcp_wait(t, now);
        return false;
    }
    if (!t->owned)
        t->idle_at = hf_time_after(now, (int64_t)t->ep->env->limits->tcp_orphan_ns);
    return true;
}

/* The ACK field. False: the segment is dropped, or the connection is gone. */
static bool take_ack(hf_tcp *t, hf_time now, const hf_segment *s)
{
    if (t->state == HF_TCP_SYN_RECEIVED) {
        if (!hf_seq_same(s->ack, hf_seq_add(t->iss, 1))) {
            hf_reply_reset(t->ep, &t->pair, s);
            return false;
        }
        measure_syn(t, now);
        hf_tcp_move_on(t, HF_TCP_MOVE_RECV_ACK_OF_SYN);
        hf_tcp_opened(t, now, s);
        return true;
    }
    /* RFC 5961 5.2: "SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT" */
    const int32_t ahead = hf_seq_from(s->ack, t->una);
    if (hf_seq_before(t->nxt, s->ack) || ahead < -(int64_t)t->window_most) {
        challenge(t, now);
        return false;
    }
    const bool had_fin = t->fin_sent && !hf_seq_same(t->una, t->nxt);
    hf_tcp_acked(t, now, s);
    if (had_fin && hf_seq_same(t->una, t->nxt))
        return fin_acknowledged(t, now);
    return true;
}

static void note_marks(hf_tcp *t, const hf_segment *s, uint8_t ecn)
{
    if (!t->ecn)
        return;
    /* RFC 3168 6.1.3: ECE is set until CWR says that it was heard */
    if (s->flags & HF_CWR)
        t->echo_mark = false;
    if (ecn == HF_ECN_CE && s->payload.len > 0) {
        t->echo_mark = true;
        acknowledge(t);
    }
}

static void note_stamp(hf_tcp *t, hf_time now, const hf_segment *s)
{
    /* RFC 7323 4.3 (2): "If SEG.TSval >= TS.Recent and SEG.SEQ <= Last.ACK.sent" */
    if (t->stamps && s->has_stamp && (int32_t)(s->stamp - t->recent) >= 0 && hf_seq_upto(s->seq, t->last_ack)) {
        t->recent = s->stamp;
        t->recent_at = now;
    }
}

static bool may_be_here(hf_tcp *t, hf_time now, const hf_segment *s)
{
    if (t->stamps && !s->has_stamp && !(s->flags & HF_RST))
        return false; /* RFC 7323 3.2: "SHOULD silently drop the segment" */
    if (!(s->flags & HF_RST) && from_the_past(t, now, s)) {
        t->ep->counts.paws_dropped++;
        refuse(t, now, s);
        return false;
    }
    if (!acceptable(t, s)) {
        /* RFC 5961 3.2 asks for the exact sequence number, and with a window of 0 that is the edge */
        if ((s->flags & HF_RST) && hf_seq_same(s->seq, t->rcv_nxt))
            return true;
        /* RFC 9293 3.10.7.4: with a window of zero "special allowance should be made to accept valid ACKs and RSTs" */
        if ((s->flags & (HF_ACK | HF_SYN | HF_RST)) == HF_ACK && hf_seq_same(s->seq, t->rcv_nxt) && hf_seq_same(t->edge, t->rcv_nxt)) {
            acknowledge(t);
            return true;
        }
        refuse(t, now, s);
        return false;
    }
    return true;
}

void hf_tcp_arrive(hf_tcp *t, hf_time now, const hf_segment *seen, uint8_t ecn)
{
    hf_segment s = *seen;
    hf_trace(t->ep->env, now, t->id, HF_TRACE_TCP_ARRIVED, (uint64_t)s.seq.n << 8 | s.flags, s.payload.len);
    t->segments_in++;
    if (t->state == HF_TCP_SYN_SENT) {
        arrive_syn_sent(t, now, &s);
        return;
    }
    /* both opened at once: the peer's SYN-ACK is its acknowledgement of our SYN (figure 8 of RFC 9293) */
    if (t->state == HF_TCP_SYN_RECEIVED && (s.flags & (HF_SYN | HF_ACK | HF_RST)) == (HF_SYN | HF_ACK) && hf_seq_same(s.seq, t->irs)) {
        s.flags &= (uint8_t)~HF_SYN;
        s.seq = hf_seq_add(s.seq, 1);
    }
    if (!may_be_here(t, now, &s))
        return;
    if (s.flags & HF_RST) {
        reset(t, now, &s);
        return;
    }
    if (s.flags & HF_SYN) {
        challenge(t, now); /* RFC 5961 4.2: "irrespective of the sequence number" */
        return;
    }
    if (!(s.flags & HF_ACK))
        return;
    t->keepalives = 0;
    if (t->keepalive_ms > 0 && t->state >= HF_TCP_ESTABLISHED && t->owned)
        t->idle_at = hf_time_after(now, HF_MILLISECONDS(t->keepalive_ms));
    if (!take_ack(t, now, &s)) {
        return;
    }
    note_stamp(t, now, &s);
    note_marks(t, &s, ecn);
    if (hf_segment_length(&s) > 0 && hf_seq_from(t->edge, t->rcv_nxt) > 0)
        take_text(t, now, &s);
}
