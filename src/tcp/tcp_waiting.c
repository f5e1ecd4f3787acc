/* SPDX-License-Identifier: Apache-2.0
 *
 * What a segment means to a connection in TIME_WAIT.
 */
#include "tcp_core.h"

uint32_t hf_tcp_ms(const hf_tcp_endpoint *ep, hf_time now)
{
    return (uint32_t)((uint64_t)(now.ns - ep->born.ns) / 1000000) + 1;
}

static void answer(hf_tcp_endpoint *ep, hf_time now, const hf_timewait *w, const hf_tcp_pair *pair)
{
    hf_segment ack = { .seq = w->nxt, .ack = w->rcv_nxt, .flags = HF_ACK, .window = w->window };
    if (w->next & HF_TIMEWAIT_STAMP) {
        ack.has_stamp = true;
        ack.stamp = hf_stamp(ep->secret, pair, now);
        ack.echo = w->recent;
    }
    hf_reply_add(ep, pair, &ack);
}

/* RFC 6191 2 and RFC 9293 3.6.1: is it surely newer than anything of the old connection? */
static bool surely_new(const hf_timewait *w, const hf_segment *s)
{
    if ((w->next & HF_TIMEWAIT_STAMP) && s->has_stamp) {
        const int32_t ahead = (int32_t)(s->stamp - w->recent);
        /* "equal": the sequence number decides */
        return ahead > 0 || (ahead == 0 && hf_seq_before(w->rcv_nxt, s->seq));
    }
    return hf_seq_before(w->rcv_nxt, s->seq);
}

bool hf_timewait_arrive(hf_tcp_endpoint *ep, hf_time now, hf_timewait *w, const hf_tcp_pair *pair, const hf_segment *s, hf_seq *iss)
{
    /* RFC 1337 3 (F1): "Ignore RST segments in TIME-WAIT state" */
    if (s->flags & HF_RST) {
        ep->counts.resets_in++;
        return false;
    }
    if ((s->flags & (HF_SYN | HF_ACK)) == HF_SYN && surely_new(w, s)) {
        /* RFC 6528 3 and 9293 3.6.1: "larger than the largest sequence number it used on the previous connection" */
        *iss = hf_seq_add(w->nxt, 65537);
        hf_timewaits_remove(&ep->timewaits, w);
        ep->counts.timewaits_reused++;
        return true;
    }
    /* RFC 9293 3.10.7.4, TIME-WAIT: "The only thing that can arrive in this state is a retransmission of the remote FIN.
     * Acknowledge it, and restart the 2 MSL timeout." Old duplicates are acknowledged too (RFC 1337 shows that a RST must
     * not be), but restart nothing; a bare ACK gets no answer unless it is of the wrong place */
    const bool fin_again = (s->flags & HF_FIN) && hf_seq_same(hf_seq_add(s->seq, hf_segment_length(s)), w->rcv_nxt);
    if (fin_again) {
        const uint32_t expires = hf_tcp_ms(ep, now) + (uint32_t)(2 * ep->env->limits->tcp_msl_ns / 1000000);
        w->expires_ms = expires != 0 ? expires : 1;
    }
    if (fin_again || hf_segment_length(s) > 0)
        answer(ep, now, w, pair);
    else if (!hf_seq_same(s->seq, w->rcv_nxt) && hf_reply_may_challenge(ep, now))
        answer(ep, now, w, pair);
    return false;
}
