/* SPDX-License-Identifier: Apache-2.0
 *
 * What an acknowledgement tells: which records arrived, how long it took, what may leave now.
 */
#include "tcp_core.h"

/* What one acknowledgement amounts to. */
typedef struct news {
    uint32_t delivered;   /* newly acknowledged, selectively or not */
    hf_time sent_at;      /* when the newest of it was sent */
    int64_t rtt_ns;       /* 0: none */
    hf_seq forward;       /* RACK.fack before it: what arrives below that was overtaken */
    bool advanced;        /* una moved */
    bool doubled;         /* it carried a DSACK */
    bool all_doubled;     /* with which every retransmission came twice */
    bool sacked;          /* new selective acknowledgement */
    bool limited;
} news;

uint32_t hf_tcp_flight(const hf_tcp *t)
{
    /* without SACK, each duplicate acknowledgement stands for a segment that has left the network (RFC 5681 3.2) */
    const uint64_t arrived = t->sack ? 0 : (uint64_t)t->duplicates * hf_tcp_full(t);
    return arrived < t->sender->records.flight ? (uint32_t)(t->sender->records.flight - arrived) : 0;
}

/* RFC 8985 6.2 steps 1 to 3, and the round trip, for a record that has just been delivered. */
static void delivered(hf_tcp *t, hf_time now, const hf_segment *s, const hf_record *record, bool in_order, news *n)
{
    const hf_seq end = hf_record_end(record);
    const int64_t took = now.ns - record->sent_at.ns;
    n->delivered += record->length;
    if (n->sent_at.ns < record->sent_at.ns)
        n->sent_at = record->sent_at;
    if (record->flags & HF_RECORD_AGAIN) {
        /* is it the original that arrived? A round trip below the least shows it, or the echo, which tells of segments in
         * order only (RFC 7323 4.3) */
        const bool echo_older = in_order && t->stamps && s->has_stamp && (int32_t)(s->echo - hf_tcp_stamp_now(t, record->sent_at)) < 0;
        if (echo_older || took < t->rtt.least_ns)
            return;
    } else {
        n->rtt_ns = n->rtt_ns == 0 || took < n->rtt_ns ? (took > 0 ? took : 1) : n->rtt_ns;
        /* RFC 8985 6.2 step 3: "original data segments being delivered out of order": not those that one acknowledgement tells
         * of together */
        if (hf_seq_before(end, n->forward))
            t->reordered = true;
    }
    if (hf_seq_before(t->sender->forward, end))
        t->sender->forward = end;
    if (record->sent_at.ns > t->sender->rack_sent_at.ns || (record->sent_at.ns == t->sender->rack_sent_at.ns && hf_seq_before(t->sender->rack_end, end))) {
        t->sender->rack_sent_at = record->sent_at;
        t->sender->rack_end = end;
        t->sender->rack_rtt_ns = took;
    }
}

/* RFC 2883 4: the first block lies below the acknowledgement, or inside the second. */
static bool is_double(const hf_segment *s)
{
    const hf_sack *first = &s->sack[0];
    if (hf_seq_upto(first->end, s->ack))
        return true;
    return s->sacks > 1 && hf_seq_upto(s->sack[1].start, first->start) && hf_seq_upto(first->end, s->sack[1].end);
}

static void take_block(hf_tcp *t, hf_time now, const hf_segment *s, const hf_sack *block, news *n)
{
    if (!hf_seq_before(block->start, block->end) || hf_seq_before(block->start, t->una) || hf_seq_before(t->nxt, block->end))
        return;
    for (uint32_t i = hf_records_find(&t->sender->records, block->start); i < t->sender->records.count; i++) {
        const hf_record *record = hf_record_at(&t->sender->records, i);
        if (hf_seq_upto(block->end, record->start))
            break;
        if (record->flags & HF_RECORD_SACKED)
            continue;
        if (!hf_records_reserve(&t->sender->records, t->ep->alloc, 2))
            return;
        if (hf_seq_before(hf_record_at(&t->sender->records, i)->start, block->start)) {
            hf_records_split(&t->sender->records, i, block->start);
            continue;
        }
        if (hf_seq_before(block->end, hf_record_end(hf_record_at(&t->sender->records, i))))
            hf_records_split(&t->sender->records, i, block->end);
        hf_record *whole = hf_record_at(&t->sender->records, i);
        delivered(t, now, s, whole, false, n);
        hf_records_mark(&t->sender->records, whole, HF_RECORD_SACKED, HF_RECORD_LOST);
        n->sacked = true;
    }
}

static void take_sacks(hf_tcp *t, hf_time now, const hf_segment *s, news *n)
{
    if (!t->sack || s->sacks == 0)
        return;
    n->doubled = is_double(s);
    for (unsigned i = n->doubled ? 1 : 0; i < s->sacks; i++)
        take_block(t, now, s, &s->sack[i], n);
}

/* The left edge moves to s->ack. */
static void advance(hf_tcp *t, hf_time now, const hf_segment *s, news *n)
{
    for (uint32_t i = 0; i < t->sender->records.count; i++) {
        const hf_record *record = hf_record_at(&t->sender->records, i);
        if (hf_seq_upto(s->ack, record->start))
            break;
        if (record->flags & HF_RECORD_SACKED)
            continue;
        hf_record part = *record;
        if (hf_seq_before(s->ack, hf_record_end(record)))
            part.length = (uint32_t)hf_seq_from(s->ack, record->start);
        delivered(t, now, s, &part, true, n);
    }
    const uint32_t moved = (uint32_t)hf_seq_from(s->ack, t->una);
    hf_records_drop(&t->sender->records, t->ep->alloc, s->ack);
    if (!hf_tcp_is_out(t))
        hf_tcp_lull(t, now);
    t->una = s->ack;
    t->una_at += moved;
    /* the FIN takes a number, but is no byte of the stream */
    const uint64_t bytes = t->una_at < t->out.end ? t->una_at : t->out.end;
    t->ep->counts.bytes_out += bytes > t->out.start ? bytes - t->out.start : 0;
    hf_tcp_send_acked(&t->out, t->ep->alloc, bytes);
    t->una_at = bytes;
    t->progress_at = now;
    t->duplicates = 0;
    t->backoff = 0;
    n->advanced = true;
    if (t->wants_room && hf_tcp_unsent(t) == 0) {
        t->wants_room = false;
        t->tell_writable = true;
    }
    hf_tcp_note(t);
}

static void take_window(hf_tcp *t, hf_time now, const hf_segment *s, bool advanced)
{
    /* RFC 9293 3.10.7.4: "If (SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK))". Who acknowledges more than
     * ever before said so last, too, even when it is on a retransmission, whose number is old: else its window would be
     * counted from the new acknowledgement and reach too far. */
    const bool later = hf_seq_before(t->window_seq, s->seq);
    if (!advanced && !later && !(hf_seq_same(t->window_seq, s->seq) && hf_seq_upto(t->window_ack, s->ack)))
        return;
    t->window = (uint32_t)s->window << t->send_scale;
    t->window_seq = later ? s->seq : t->window_seq;
    t->window_ack = s->ack;
    if (t->window > t->window_most)
        t->window_most = t->window;
    if (t->window == 0)
        t->progress_at = now; /* RFC 9293 3.8.6.1: who answers probes is alive, and MUST be allowed to stay */
    if (t->window > 0 && t->zero_probe) {
        /* the byte beyond the window may not have been kept: it goes again, at once, and is no loss */
        t->zero_probe = false;
        t->backoff = 0;
        if (hf_tcp_is_out(t) && !(hf_record_at(&t->sender->records, 0)->flags & (HF_RECORD_SACKED | HF_RECORD_LOST)))
            hf_records_mark(&t->sender->records, hf_record_at(&t->sender->records, 0), HF_RECORD_LOST, 0);
    }
}

/* ---- congestion ------------------------------------------------------------------------------------------------ */

/* RFC 8985 7.4.2: did a probe that was sent before repair a loss? "an ACK that covers TLP.end_seq with a DSACK option", or "a DupAck
 * without any SACK option", says that the original came as well; "an ACK that covers some sequence number after TLP.end_seq", before either
 * of them, that it did not. What covers just the probe may be the original's, and says nothing yet. */
static void end_probe(hf_tcp *t, hf_time now, const hf_segment *s, const news *n)
{
    if (!t->probing || hf_seq_before(s->ack, t->sender->probe_end))
        return;
    t->probe_due = false; /* one that has not left yet is not needed any more */
    const bool needless = n->doubled || (!n->advanced && s->sacks == 0 && s->payload.len == 0);
    const bool beyond = hf_seq_before(t->sender->probe_end, s->ack);
    if (t->probe_again && !needless && !beyond)
        return;
    if (t->probe_again && !needless && t->mood == HF_MOOD_OPEN)
        hf_congestion_lost(&t->sender->congestion, now, n->sent_at);
    t->probing = t->probe_again = false;
}

/* The Eifel test (RFC 3522 3.2): the acknowledgement answers the original, sent before our retransmission. */
static bool was_needless(const hf_tcp *t, const hf_segment *s, const news *n)
{
    if (!t->undo_possible)
        return false;
    if (n->advanced && t->stamps && s->has_stamp && (int32_t)(s->echo - t->sender->undo_stamp) < 0)
        return true;
    return n->all_doubled;
}

static void leave(hf_tcp *t)
{
    t->mood = HF_MOOD_OPEN;
    t->sender->allowance = 0;
    if (t->reorder_persist > 0 && --t->reorder_persist == 0)
        t->reorder_steps = 1;
}

/* RFC 6582 3.2 step 3: without SACK, an acknowledgement of a part shows the next hole. */
static bool partial(hf_tcp *t, hf_time *sent_at)
{
    if (t->sack || !hf_tcp_is_out(t))
        return false;
    hf_record *first = hf_record_at(&t->sender->records, 0);
    if (first->flags & (HF_RECORD_LOST | HF_RECORD_AGAIN))
        return false;
    *sent_at = first->sent_at;
    hf_records_mark(&t->sender->records, first, HF_RECORD_LOST, 0);
    return true;
}

static void judge(hf_tcp *t, hf_time now, const hf_segment *s, const news *n)
{
    const uint32_t before = hf_tcp_flight(t) + n->delivered;
    hf_time lost_at = { -1 };
    bool fresh = hf_tcp_detect(t, now, &lost_at);
    if (was_needless(t, s, n)) {
        hf_tcp_undo(t);
        fresh = false;
    }
    if (t->mood != HF_MOOD_OPEN && hf_seq_upto(t->sender->recover, s->ack))
        leave(t);
    else if (t->mood == HF_MOOD_RECOVERY && n->advanced)
        fresh |= partial(t, &lost_at);
    if (fresh && t->mood == HF_MOOD_OPEN)
        hf_tcp_enter_recovery(t, now, lost_at, before);
    else if (fresh && t->mood == HF_MOOD_RECOVERY && hf_congestion_lost(&t->sender->congestion, now, lost_at))
        hf_prr_begin(&t->sender->prr, before, hf_congestion_window(&t->sender->congestion)); /* a retransmission was lost: RFC 8985 3.1 */
    if (t->mood == HF_MOOD_RECOVERY)
        t->sender->allowance = hf_prr_acked(&t->sender->prr, n->delivered, hf_tcp_flight(t), n->advanced && !fresh, hf_tcp_full(t));
    if ((s->flags & HF_ECE) && t->ecn && n->advanced && hf_congestion_lost(&t->sender->congestion, now, n->sent_at))
        t->cut_mark = true; /* RFC 3168 6.1.2: as for a lost packet, once a window, and CWR says so */
}

static void count_duplicate(hf_tcp *t, const hf_segment *s, bool window_moved)
{
    /* RFC 5681 2: no data, nothing new, the window as before, and something outstanding */
    if (hf_seq_same(s->ack, t->una) && s->payload.len == 0 && !(s->flags & HF_FIN) && !window_moved && hf_tcp_is_out(t) && t->duplicates < UINT8_MAX)
        t->duplicates++;
}

void hf_tcp_acked(hf_tcp *t, hf_time now, const hf_segment *s)
{
    const uint32_t window = t->window;
    if (t->sender == NULL) { /* nothing is out: it tells of the window alone */
        take_window(t, now, s, false);
        if (t->window != window)
            hf_tcp_rearm(t, now);
        hf_tcp_ready(t);
        return;
    }
    news n = { .sent_at = { -1 }, .forward = t->sender->forward };
    /* RFC 9002 7.8, RFC 7661: the window may grow only while it is used; in slow start, when more than half of it was */
    const hf_congestion *c = &t->sender->congestion;
    n.limited = t->held_by_window || (hf_congestion_slow_start(c) && 2 * (uint64_t)t->sender->used > hf_congestion_window(c));
    take_sacks(t, now, s, &n);
    if (n.doubled && t->sender->undo_left > 0)
        n.all_doubled = --t->sender->undo_left == 0;
    if (hf_seq_before(t->una, s->ack))
        advance(t, now, s, &n);
    take_window(t, now, s, n.advanced);
    if (!n.advanced)
        count_duplicate(t, s, t->window != window);
    if (n.rtt_ns == 0 && n.advanced && t->stamps && s->has_stamp && s->echo != 0 && n.delivered > 0) {
        /* RFC 7323 4.1: only what moves the left edge measures; the clock ticks in milliseconds */
        const int32_t ms = (int32_t)(hf_tcp_stamp_now(t, now) - s->echo);
        n.rtt_ns = ms >= 0 && ms < 3600000 ? HF_MILLISECONDS(ms) + 1 : 0;
    }
    if (n.rtt_ns > 0)
        hf_rtt_sample(&t->rtt, n.rtt_ns, 0);
    end_probe(t, now, s, &n);
    judge(t, now, s, &n);
    /* RFC 5681 3.1: growth is for "each ACK received that cumulatively acknowledges new data"; 3.2: with the first two duplicates
     * segments may leave, but the sender "MUST NOT change cwnd to reflect these two segments" */
    if (n.advanced && n.delivered > 0 && t->mood != HF_MOOD_RECOVERY) {
        const hf_congestion_ack ack = { n.delivered, n.sent_at, n.rtt_ns, t->rtt.smoothed_ns, n.limited };
        hf_congestion_acked(&t->sender->congestion, now, &ack);
    }
    if (!t->ep->config.no_pacing && t->rtt.measured)
        hf_pacer_set(&t->sender->pacer, now, hf_congestion_rate(&t->sender->congestion, t->rtt.smoothed_ns), (uint64_t)HF_TCP_INITIAL_SEGMENTS * hf_tcp_full(t));
    if (n.advanced || n.sacked || t->window != window)
        hf_tcp_rearm(t, now);
    hf_tcp_ready(t);
}
