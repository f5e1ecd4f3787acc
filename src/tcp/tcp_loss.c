/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding losses: RACK and TLP (RFC 8985), the retransmission timer (RFC 6298), zero windows, keep-alives; and taking back
 * what was a mistake.
 */
#include "tcp_core.h"

enum { DUPLICATES = 3, REORDER_STEPS_MOST = 20, REORDER_PERSIST = 16 };

int64_t hf_tcp_rto(const hf_tcp *t)
{
    const int64_t least = t->ep->config.rto_least_ns > 0 ? t->ep->config.rto_least_ns : HF_MILLISECONDS(200);
    int64_t rto = t->rtt.measured ? hf_rtt_timeout(&t->rtt, HF_TCP_GRANULARITY_NS) : HF_TCP_RTO_FIRST_NS;
    rto = rto > least ? rto : least;
    for (unsigned i = 0; i < t->backoff && rto < HF_TCP_RTO_MOST_NS; i++)
        rto *= 2;
    return rto < HF_TCP_RTO_MOST_NS ? rto : HF_TCP_RTO_MOST_NS;
}

/* ---- RACK ------------------------------------------------------------------------------------------------------ */

/* RFC 8985 6.2 step 4. */
static int64_t reorder_window(const hf_tcp *t)
{
    if (!t->reordered && (t->mood != HF_MOOD_OPEN || t->sender->records.sacked >= DUPLICATES * hf_tcp_full(t)))
        return 0;
    const int64_t window = t->rtt.least_ns / 4 * t->reorder_steps;
    return window < t->rtt.smoothed_ns ? window : t->rtt.smoothed_ns;
}

static bool sent_before_rack(const hf_tcp *t, const hf_record *record)
{
    return record->sent_at.ns < t->sender->rack_sent_at.ns || (record->sent_at.ns == t->sender->rack_sent_at.ns && hf_seq_before(hf_record_end(record), t->sender->rack_end));
}

static void lose(hf_tcp *t, hf_record *record, hf_time now, hf_time *sent_at)
{
    hf_trace(t->ep->env, now, t->id, HF_TRACE_TCP_LOST, record->start.n, record->length);
    if (sent_at->ns < record->sent_at.ns)
        *sent_at = record->sent_at;
    hf_records_mark(&t->sender->records, record, HF_RECORD_LOST, 0);
}

/* Without SACK the third duplicate says that the first record is lost (RFC 5681 3.2), its first segment at least. */
static bool detect_by_duplicates(hf_tcp *t, hf_time now, hf_time *sent_at)
{
    if (t->duplicates < DUPLICATES || t->mood != HF_MOOD_OPEN || !hf_tcp_is_out(t))
        return false;
    /* RFC 6582 4.1: not again for duplicates of what was sent before the last timeout */
    if (hf_seq_before(t->una, t->sender->recover))
        return false;
    const uint32_t full = hf_tcp_full(t);
    if (hf_record_at(&t->sender->records, 0)->length > full && hf_records_reserve(&t->sender->records, t->ep->alloc, 1))
        hf_records_split(&t->sender->records, 0, hf_seq_add(t->una, full));
    hf_record *first = hf_record_at(&t->sender->records, 0);
    if (first->flags & (HF_RECORD_LOST | HF_RECORD_SACKED))
        return false;
    lose(t, first, now, sent_at);
    return true;
}

bool hf_tcp_detect(hf_tcp *t, hf_time now, hf_time *sent_at)
{
    t->sender->reorder_at = HF_NEVER;
    if (!t->sack)
        return detect_by_duplicates(t, now, sent_at);
    if (!hf_tcp_is_out(t) || t->sender->rack_sent_at.ns < 0 || (t->sender->records.sacked == 0 && t->mood == HF_MOOD_OPEN && t->sender->records.lost == 0))
        return false;
    const int64_t window = reorder_window(t);
    bool found = false;
    for (uint32_t i = 0; i < t->sender->records.count; i++) {
        hf_record *record = hf_record_at(&t->sender->records, i);
        if ((record->flags & (HF_RECORD_SACKED | HF_RECORD_LOST)) || !sent_before_rack(t, record))
            continue;
        const hf_time due = hf_time_after(record->sent_at, t->sender->rack_rtt_ns + window);
        if (due.ns <= now.ns) {
            lose(t, record, now, sent_at);
            found = true;
        } else {
            t->sender->reorder_at = t->sender->reorder_at.ns == HF_NEVER_NS || t->sender->reorder_at.ns < due.ns ? due : t->sender->reorder_at;
        }
    }
    return found;
}

void hf_tcp_enter_recovery(hf_tcp *t, hf_time now, hf_time sent_at, uint32_t flight)
{
    t->mood = HF_MOOD_RECOVERY;
    t->sender->recover = t->nxt;
    t->undo_possible = true;
    t->sender->undo_left = 0;
    t->sender->undo_stamp = hf_tcp_stamp_now(t, now);
    hf_congestion_lost(&t->sender->congestion, now, sent_at);
    hf_prr_begin(&t->sender->prr, flight, hf_congestion_window(&t->sender->congestion));
}

void hf_tcp_undo(hf_tcp *t)
{
    t->undo_possible = false;
    if (!hf_congestion_undo(&t->sender->congestion))
        return;
    t->undone++;
    t->ep->counts.undone++;
    for (uint32_t i = 0; i < t->sender->records.count; i++) {
        hf_record *record = hf_record_at(&t->sender->records, i);
        if ((record->flags & HF_RECORD_LOST) && !(record->flags & HF_RECORD_AGAIN))
            hf_records_mark(&t->sender->records, record, 0, HF_RECORD_LOST);
    }
    t->mood = HF_MOOD_OPEN;
    /* RFC 8985 6.2 step 4: reordering was taken for loss, so the window for it grows */
    if (t->reorder_steps < REORDER_STEPS_MOST)
        t->reorder_steps++;
    t->reorder_persist = REORDER_PERSIST;
    t->reordered = true;
}

/* ---- timers ---------------------------------------------------------------------------------------------------- */

/* RFC 8985 7.2: PTO = 2 * SRTT, and the peer's delayed acknowledgement when one segment alone is out. */
static int64_t probe_timeout(const hf_tcp *t)
{
    int64_t pto = 2 * t->rtt.smoothed_ns;
    pto += t->sender->records.flight <= hf_tcp_full(t) ? HF_TCP_PEER_DELAY_NS : 2 * HF_TCP_GRANULARITY_NS;
    const int64_t rto = hf_tcp_rto(t);
    return pto < rto ? pto : rto;
}

void hf_tcp_rearm(hf_tcp *t, hf_time now)
{
    t->retransmit_at = HF_NEVER;
    t->timing = HF_TIMING_NONE;
    t->zero_probe &= hf_tcp_is_out(t);
    if (!hf_tcp_is_out(t) || t->zero_probe) {
        if (hf_tcp_sent(t) < t->out.end || t->zero_probe) {
            /* the window is shut, or too small for a segment worth sending: RFC 9293 3.8.6.1 */
            const int64_t rto = hf_tcp_rto(t);
            const bool silly = t->window > 0 && !t->zero_probe; /* RFC 9293 3.8.6.2.1: the override timeout, up to 1 s */
            t->timing = HF_TIMING_PERSIST;
            t->retransmit_at = hf_time_after(now, silly && rto < HF_SECONDS(1) ? HF_SECONDS(1) : rto);
        }
        return;
    }
    const bool probe = t->sack && t->mood == HF_MOOD_OPEN && !t->probing && t->rtt.measured && t->sender->records.sacked == 0 && t->sender->records.lost == 0 && t->backoff == 0;
    t->timing = probe ? HF_TIMING_PROBE : HF_TIMING_RTO;
    t->retransmit_at = hf_time_after(now, probe ? probe_timeout(t) : hf_tcp_rto(t));
}

static bool gave_up(hf_tcp *t, hf_time now, uint64_t limit_ns)
{
    if (now.ns - t->progress_at.ns < (int64_t)limit_ns)
        return false;
    hf_tcp_abort(t, hf_err_make(HF_ERR_TCP_TIMEOUT));
    return true;
}

static void count_timeout(hf_tcp *t, hf_time now)
{
    hf_trace(t->ep->env, now, t->id, HF_TRACE_TCP_TIMEOUT, t->timing, t->backoff);
    if (t->backoff < 30)
        t->backoff++;
}

/* RFC 6298 5.4 to 5.6, RFC 8985 6.3. */
static void timed_out(hf_tcp *t, hf_time now)
{
    t->timeouts++;
    t->ep->counts.timeouts++;
    const bool again = t->mood == HF_MOOD_LOSS && t->backoff > 0;
    const uint32_t flight = hf_tcp_flight(t) + t->sender->records.lost;
    count_timeout(t, now);
    /* RFC 2018 8: the first not acknowledged although it was, selectively: the peer has thrown it away, so none is sure */
    const bool reneged = hf_record_at(&t->sender->records, 0)->flags & HF_RECORD_SACKED;
    hf_time sent_at = { -1 };
    for (uint32_t i = 0; i < t->sender->records.count; i++) {
        hf_record *record = hf_record_at(&t->sender->records, i);
        if (reneged && (record->flags & HF_RECORD_SACKED))
            hf_records_mark(&t->sender->records, record, 0, HF_RECORD_SACKED);
        if (!(record->flags & (HF_RECORD_SACKED | HF_RECORD_LOST)))
            lose(t, record, now, &sent_at);
    }
    hf_congestion_collapsed(&t->sender->congestion, now, flight, 1, again);
    if (!again) {
        t->undo_possible = true;
        t->sender->undo_left = 0;
        t->sender->undo_stamp = hf_tcp_stamp_now(t, now);
    }
    t->mood = HF_MOOD_LOSS;
    t->sender->recover = t->nxt;
    t->duplicates = 0;
    t->probing = t->probe_due = t->probe_again = false;
    t->sender->reorder_at = HF_NEVER;
    t->timing = HF_TIMING_RTO;
    t->retransmit_at = hf_time_after(now, hf_tcp_rto(t));
    hf_tcp_ready(t);
}

static void retransmit_timer(hf_tcp *t, hf_time now)
{
    t->retransmit_at = HF_NEVER;
    if (t->state == HF_TCP_SYN_SENT || t->state == HF_TCP_SYN_RECEIVED) {
        if (gave_up(t, now, t->ep->env->limits->tcp_connect_ns))
            return;
        count_timeout(t, now);
        t->syn_due = true;
        hf_tcp_ready(t);
        return;
    }
    if (gave_up(t, now, t->ep->env->limits->tcp_retry_ns))
        return;
    if (t->timing == HF_TIMING_PERSIST) {
        /* RFC 9293 3.8.6.1 keeps a connection whose peer answers; but not for a program that is gone (RFC 6429 3) */
        if (!t->owned && t->backoff >= HF_TCP_ORPHAN_PROBES) {
            hf_tcp_abort(t, hf_err_make(HF_ERR_TCP_TIMEOUT));
            return;
        }
        count_timeout(t, now);
        t->probe_due = true;
        hf_tcp_rearm(t, now);
        hf_tcp_ready(t);
    } else if (t->timing == HF_TIMING_PROBE) {
        /* RFC 8985 7.3: new data if there is any and the window allows it, else the last segment again */
        t->probe_due = true;
        t->probing = true;
        t->probes++;
        t->ep->counts.probes++;
        t->timing = HF_TIMING_RTO;
        t->retransmit_at = hf_time_after(now, hf_tcp_rto(t));
        hf_tcp_ready(t);
    } else if (t->timing == HF_TIMING_RTO && hf_tcp_is_out(t)) {
        timed_out(t, now);
    }
}

static void idle_timer(hf_tcp *t, hf_time now)
{
    t->idle_at = HF_NEVER;
    if (!t->owned) {
        /* an orphan whose peer never ends */
        if (t->state == HF_TCP_FIN_WAIT_2) {
            hf_tcp_move_on(t, HF_TCP_MOVE_GIVE_UP);
            hf_tcp_finish(t, HF_OK);
        }
        return;
    }
    if (t->keepalive_ms == 0)
        return;
    if (t->keepalives >= HF_TCP_KEEPALIVES) {
        hf_tcp_abort(t, hf_err_make(HF_ERR_TCP_KEEPALIVE));
        return;
    }
    t->idle_at = hf_time_after(now, HF_TCP_KEEPALIVE_EACH_NS);
    /* RFC 9293 3.8.4: only when nothing is outstanding: else the retransmission timer does this work */
    if (!hf_tcp_is_out(t)) {
        t->keepalives++;
        t->keepalive_due = true;
        hf_tcp_ready(t);
    }
}

static void sender_timers(hf_tcp *t, hf_time now)
{
    hf_tcp_sender *s = t->sender;
    if (s->pace_at.ns <= now.ns) {
        s->pace_at = HF_NEVER;
        hf_tcp_ready(t);
    }
    if (s->reorder_at.ns <= now.ns) {
        hf_time lost_at = { -1 };
        const uint32_t before = hf_tcp_flight(t);
        if (hf_tcp_detect(t, now, &lost_at)) {
            if (t->mood == HF_MOOD_OPEN)
                hf_tcp_enter_recovery(t, now, lost_at, before);
            else if (t->mood == HF_MOOD_RECOVERY && hf_congestion_lost(&s->congestion, now, lost_at))
                hf_prr_begin(&s->prr, before, hf_congestion_window(&s->congestion));
            if (t->mood == HF_MOOD_RECOVERY)
                s->allowance = hf_prr_acked(&s->prr, 0, hf_tcp_flight(t), false, hf_tcp_full(t));
            hf_tcp_rearm(t, now);
            hf_tcp_ready(t);
        }
    }
    if (s->rest_at.ns <= now.ns)
        hf_tcp_rest(t);
}

void hf_tcp_expired(hf_tcp *t, hf_time now)
{
    if (t->ack_at.ns <= now.ns) {
        t->ack_at = HF_NEVER;
        t->ack_due = true;
        hf_tcp_ready(t);
    }
    if (t->sender != NULL)
        sender_timers(t, now);
    if (hf_tcp_buffer_at(t).ns <= now.ns)
        hf_tcp_receive_fini(&t->in, t->ep->alloc);
    if (t->retransmit_at.ns <= now.ns)
        retransmit_timer(t, now);
    if (t->attached && t->idle_at.ns <= now.ns)
        idle_timer(t, now);
    hf_tcp_set_timer(t);
}
