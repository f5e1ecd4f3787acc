/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments that no connection sends: a bounded ring, since whoever floods us must not make us hold the answers.
 */
#include "tcp_core.h"

#include "random.h"

void hf_reply_add(hf_tcp_endpoint *ep, const hf_tcp_pair *pair, const hf_segment *s)
{
    const uint32_t most = (uint32_t)ep->env->limits->tcp_replies;
    if (ep->reply_count >= most) {
        ep->counts.replies_dropped++;
        return;
    }
    hf_reply *r = &ep->replies[(ep->reply_head + ep->reply_count++) % most];
    *r = (hf_reply){ .source = pair->local, .destination = pair->remote, .segment = *s };
    r->segment.source = pair->local_port;
    r->segment.destination = pair->remote_port;
    r->segment.payload = hf_bytes_make(NULL, 0);
}

void hf_reply_reset(hf_tcp_endpoint *ep, const hf_tcp_pair *pair, const hf_segment *s)
{
    /* RFC 9293 3.5.2: "If the incoming segment has an ACK field, the reset takes its sequence number from the ACK field of
     * the segment; otherwise, the reset has sequence number zero and the ACK field is set to the sum of the sequence number
     * and segment length". And none answers a RST */
    if (s->flags & HF_RST)
        return;
    hf_segment r = { .flags = HF_RST };
    if (s->flags & HF_ACK) {
        r.seq = s->ack;
    } else {
        r.flags |= HF_ACK;
        r.ack = hf_seq_add(s->seq, hf_segment_length(s));
    }
    hf_reply_add(ep, pair, &r);
}

bool hf_reply_emit(hf_tcp_endpoint *ep, hf_out *out, hf_tcp_packet *packet)
{
    if (ep->reply_count == 0 || out->count >= out->capacity || out->scratch_capacity - out->scratch_used < HF_TCP_HEADER_MOST)
        return false;
    const hf_reply *r = &ep->replies[ep->reply_head];
    ep->reply_head = (ep->reply_head + 1) % (uint32_t)ep->env->limits->tcp_replies;
    ep->reply_count--;
    if (r->segment.flags & HF_RST)
        ep->counts.resets_out++;
    *packet = (hf_tcp_packet){ .source = r->source, .destination = r->destination };
    const size_t at = out->count++;
    hf_tcp_seal(ep, &r->source, &r->destination, &r->segment, out, at, packet);
    return true;
}

bool hf_reply_may_challenge(hf_tcp_endpoint *ep, hf_time now)
{
    /* A limit that everybody shares and anybody can count tells an attacker what others do (CVE-2016-5696): its height is
     * drawn anew each second. */
    const int64_t second = now.ns / HF_SECONDS(1);
    if (second != ep->challenge_second) {
        const uint64_t most = ep->env->limits->tcp_challenges;
        ep->challenge_second = second;
        ep->challenge_left = (uint32_t)(most / 2 + hf_random_below(ep->env->random, most - most / 2 + 1));
    }
    if (ep->challenge_left == 0) {
        ep->counts.challenges_held++;
        return false;
    }
    ep->challenge_left--;
    ep->counts.challenges++;
    return true;
}
