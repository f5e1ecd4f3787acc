/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be seen from outside, and the invariants that a test may ask after every event.
 */
#include "tcp_core.h"

void hf_tcp_endpoint_counts(const hf_tcp_endpoint *ep, hf_tcp_counts *counts)
{
    *counts = ep->counts;
    counts->timewaits = ep->timewaits.count;
    counts->timewaits_evicted = ep->timewaits.evicted;
    counts->half_open = ep->syns.count;
}

void hf_tcp_sizes(size_t *timewait, size_t *half_open, size_t *connection)
{
    *timewait = sizeof(hf_timewait);
    *half_open = sizeof(hf_syn);
    *connection = sizeof(hf_tcp);
}

uint64_t hf_tcp_endpoint_departing(const hf_tcp_endpoint *ep)
{
    uint64_t n = 0;
    for (const hf_tcp *t = ep->all.first; t != NULL; t = t->all.after)
        n += t->attached && t->state >= HF_TCP_ESTABLISHED && (t->una.n != t->nxt.n || hf_tcp_sent(t) < t->out.end || (t->end_asked && !t->fin_sent));
    return n;
}

bool hf_tcp_in_timewait(const hf_tcp_endpoint *ep, const hf_tcp_pair *pair, hf_time *until)
{
    const hf_timewait *w = hf_timewaits_find(&ep->timewaits, pair);
    if (w == NULL)
        return false;
    const int32_t ahead = (int32_t)(w->expires_ms - hf_tcp_ms(ep, ep->now));
    *until = hf_time_after(ep->now, HF_MILLISECONDS(ahead));
    return ahead > 0;
}

void hf_tcp_info_of(const hf_tcp *t, hf_tcp_info *info)
{
    const hf_tcp_sender *s = t->sender;
    const uint64_t window = s != NULL ? hf_congestion_window(&s->congestion) : t->rest_window;
    const uint64_t rest_threshold = t->rest_threshold < UINT32_MAX ? t->rest_threshold : UINT64_MAX;
    const uint64_t threshold = s != NULL ? s->congestion.now.threshold : rest_threshold;
    *info = (hf_tcp_info){
        .pair = t->pair, .state = (hf_tcp_state)t->state, .err = t->err, .sack = t->sack, .timestamps = t->stamps, .ecn = t->ecn,
        .scaled = t->receive_scale > 0 || t->send_scale > 0, .send_scale = t->send_scale, .receive_scale = t->receive_scale,
        .segment = (uint16_t)hf_tcp_full(t), .iss = t->iss.n, .irs = t->irs.n, .una = t->una.n, .nxt = t->nxt.n, .rcv_nxt = t->rcv_nxt.n,
        .send_window = t->window, .receive_window = hf_seq_before(t->rcv_nxt, t->edge) ? (uint32_t)hf_seq_from(t->edge, t->rcv_nxt) : 0,
        .congestion_window = window, .threshold = threshold, .in_flight = s != NULL ? s->records.flight : 0, .slow_start = window < threshold,
        .recovering = t->mood == HF_MOOD_RECOVERY, .loss = t->mood == HF_MOOD_LOSS,
        .rtt_ns = t->rtt.measured ? t->rtt.smoothed_ns : 0, .rtt_variation_ns = t->rtt.variation_ns, .rtt_least_ns = t->rtt.least_ns,
        .rto_ns = hf_tcp_rto(t), .bytes_sent = hf_tcp_sent(t), .bytes_acked = t->una_at, .bytes_received = t->bytes_received,
        .bytes_retransmitted = t->bytes_retransmitted, .segments_in = t->segments_in, .segments_out = t->segments_out,
        .retransmitted = t->retransmitted, .timeouts = t->timeouts, .probes = t->probes, .undone = t->undone,
        .duplicates_in = t->duplicates_in, .out_of_order = t->out_of_order, .backoff = t->backoff, .ranges = t->in.range_count,
        .records = s != NULL ? s->records.count : 0,
        .memory = t->in.capacity + t->in.range_capacity * sizeof(hf_sack) + t->out.copied + t->out.capacity * sizeof(hf_tcp_send_piece)
                + (s != NULL ? sizeof *s + s->records.capacity * sizeof(hf_record) : 0),
    };
}

bool hf_tcp_endpoint_info(const hf_tcp_endpoint *ep, const hf_tcp_pair *wanted, hf_tcp_info *info)
{
    hf_tcp_pair pair;
    memset(&pair, 0, sizeof pair); /* what lies between the members is hashed with them */
    pair.local = wanted->local;
    pair.remote = wanted->remote;
    pair.local_port = wanted->local_port;
    pair.remote_port = wanted->remote_port;
    const hf_tcp *t = hf_tcp_table_find(&ep->table, hf_pair_hash(ep->table_key, &pair), &pair);
    if (t != NULL)
        hf_tcp_info_of(t, info);
    return t != NULL;
}

/* ---- invariants --------------------------------------------------------------------------------------------------- */

static const char *receiving_wrong(const hf_tcp *t)
{
    hf_seq at = t->rcv_nxt;
    for (unsigned i = 0; i < t->in.range_count; i++) {
        const hf_sack *r = &t->in.ranges[i];
        if (!hf_seq_before(at, r->start) || !hf_seq_before(r->start, r->end))
            return "what lies beyond a gap is sorted and disjoint (S3)";
        at = r->end;
    }
    if (t->in.range_count > 0 && hf_seq_before(t->edge, at))
        return "nothing beyond the window is kept (S3)";
    if (t->in.range_count > t->ep->env->limits->tcp_ranges)
        return "the list of ranges is bounded (S3)";
    if ((uint64_t)t->in.length + hf_tcp_receive_beyond(&t->in) > (uint64_t)t->receive_most + 65536)
        return "no more is held than the window offered (S12)";
    return NULL;
}

static const char *sending_wrong(const hf_tcp *t)
{
    if (hf_seq_before(t->nxt, t->una))
        return "una <= nxt (S2)";
    if (t->sender != NULL ? !hf_records_sound(&t->sender->records, t->una, t->nxt) : t->una.n != t->nxt.n)
        return "the records cover una to nxt, and their sums are right (S4)";
    if (t->out.start > t->una_at || hf_tcp_sent(t) > t->out.end)
        return "what is not acknowledged is still held (S14)";
    if (hf_tcp_rto(t) <= 0 || hf_tcp_rto(t) > HF_TCP_RTO_MOST_NS || t->rtt.smoothed_ns <= 0)
        return "the timeout lies within its bounds (S16)";
    const hf_tcp_sender *s = t->sender;
    const bool paced = s != NULL && s->pace_at.ns != HF_NEVER_NS;
    if (hf_tcp_sent(t) < t->out.end && t->retransmit_at.ns == HF_NEVER_NS && !paced && t->ready.before == NULL)
        return "what is unsent has a deadline (S11)";
    if (s == NULL)
        return NULL;
    if (hf_tcp_is_out(t) != (s->rest_at.ns == HF_NEVER_NS))
        return "a sender rests when nothing is out, and then only (S11)";
    if (s->congestion.now.window < s->congestion.segment || s->congestion.now.threshold < 2 * (uint64_t)s->congestion.segment)
        return "the congestion window is at least one segment, the threshold two (S16)";
    if (hf_tcp_is_out(t) && t->retransmit_at.ns == HF_NEVER_NS && t->ready.before == NULL)
        return "what is outstanding has a deadline (S11)";
    return NULL;
}

const char *hf_tcp_wrong(const hf_tcp *t)
{
    if (!t->attached)
        return t->sender != NULL || t->timer.slot != 0 || t->ready.before != NULL ? "a connection that is over holds no timer and no place" : NULL;
    if (t->state == HF_TCP_CLOSED || t->state == HF_TCP_LISTEN || t->state == HF_TCP_TIME_WAIT)
        return "a connection in the table has a state that belongs there";
    if (t->state < HF_TCP_ESTABLISHED)
        return t->retransmit_at.ns == HF_NEVER_NS && t->ready.before == NULL ? "a handshake has a deadline (S11)" : NULL;
    const char *wrong = receiving_wrong(t);
    return wrong != NULL ? wrong : sending_wrong(t);
}

const char *hf_tcp_endpoint_wrong(const hf_tcp_endpoint *ep)
{
    uint64_t attached = 0;
    for (const hf_tcp *t = ep->all.first; t != NULL; t = t->all.after) {
        const char *wrong = hf_tcp_wrong(t);
        if (wrong != NULL)
            return wrong;
        attached += t->attached;
    }
    if (attached != ep->table.count || attached != ep->counts.connections)
        return "the table holds what lives, and nothing else";
    if (ep->dead.first != NULL)
        return "the dead are buried";
    if (ep->timewaits.count > 0 && ep->timewait_at.ns == HF_NEVER_NS)
        return "TIME_WAIT ends (S11)";
    if (ep->syns.count > 0 && ep->syns.wake.ns == HF_NEVER_NS)
        return "half-open connections end (S11)";
    return NULL;
}
