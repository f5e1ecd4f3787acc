/* SPDX-License-Identifier: Apache-2.0
 *
 * Passive opens: RFC 9293 3.10.7.2 (LISTEN) and 3.10.7.4 (SYN-RECEIVED) on entries of 64 bytes, or on none (cookies). The
 * application hears of a connection when its handshake is complete, and not before.
 */
#include "tcp_core.h"

hf_listener *hf_listener_find(hf_tcp_endpoint *ep, const hf_ip *local, uint16_t port)
{
    hf_listener *any = NULL;
    for (uint32_t i = 0; i < ep->listener_count; i++) {
        hf_listener *l = &ep->listeners[i];
        if (l->port != port)
            continue;
        if (hf_ip_equal(&l->local, local))
            return l;
        if (hf_ip_is_any(&l->local))
            any = l;
    }
    return any;
}

uint16_t hf_mss_here(const hf_tcp_endpoint *ep, const hf_ip *remote)
{
    const uint16_t mtu = ep->config.mtu > 0 ? ep->config.mtu : 1500;
    const uint16_t headers = hf_ip_is4(remote) ? 40 : 60;
    return mtu > headers + HF_TCP_MSS_LEAST ? (uint16_t)(mtu - headers) : HF_TCP_MSS_LEAST;
}

uint8_t hf_scale_here(const hf_tcp_endpoint *ep)
{
    uint8_t scale = 0;
    while (scale < 14 && ep->env->limits->tcp_receive_bytes >> scale > 65535)
        scale++;
    return scale;
}

static uint16_t first_window(const hf_tcp_endpoint *ep)
{
    const uint64_t most = ep->env->limits->tcp_receive_bytes;
    return (uint16_t)(most < HF_TCP_FIRST_WINDOW ? most : HF_TCP_FIRST_WINDOW);
}

/* ---- SYN-ACKs ---------------------------------------------------------------------------------------------------- */

static hf_segment syn_ack(const hf_tcp_endpoint *ep, const hf_syn *syn)
{
    hf_segment s = { .seq = syn->iss, .ack = hf_seq_add(syn->irs, 1), .flags = HF_SYN | HF_ACK, .window = first_window(ep),
                     .mss = hf_mss_here(ep, &syn->pair.remote) };
    s.has_scale = (syn->flags & HF_SYN_SCALE) != 0;
    s.scale = hf_scale_here(ep);
    s.sack_permitted = (syn->flags & HF_SYN_SACK) != 0;
    if (syn->flags & HF_SYN_ECN)
        s.flags |= HF_ECE; /* RFC 3168 6.1.1: "ECN-setup SYN-ACK": ECE without CWR */
    return s;
}

void hf_syn_answer(hf_tcp_endpoint *ep, hf_time now, hf_syn *syn)
{
    hf_segment s = syn_ack(ep, syn);
    if (syn->flags & HF_SYN_STAMP) {
        s.has_stamp = true;
        s.stamp = hf_stamp(ep->secret, &syn->pair, now);
        s.echo = syn->recent;
    }
    hf_reply_add(ep, &syn->pair, &s);
}

void hf_syns_expire(hf_tcp_endpoint *ep, hf_time now)
{
    if (ep->syns.wake.ns > now.ns)
        return;
    const uint32_t now_ms = hf_tcp_ms(ep, now);
    uint32_t next = UINT32_MAX;
    for (uint32_t i = 0; i < ep->syns.capacity; i++) {
        hf_syn *syn = &ep->syns.slots[i];
        if (!(syn->flags & HF_SYN_USED))
            continue;
        if ((int32_t)(syn->due_ms - now_ms) <= 0) {
            if (syn->retries >= ep->env->limits->tcp_syn_retries) {
                hf_syns_remove(&ep->syns, hf_pair_hash(ep->table_key, &syn->pair), syn);
                continue;
            }
            syn->retries++;
            syn->due_ms = now_ms + (1000u << syn->retries);
            hf_syn_answer(ep, now, syn);
            ep->counts.retransmitted++;
        }
        next = syn->due_ms - now_ms < next ? syn->due_ms - now_ms : next;
    }
    ep->syns.wake = next == UINT32_MAX ? HF_NEVER : hf_time_after(now, HF_MILLISECONDS(next));
}

/* ---- LISTEN ------------------------------------------------------------------------------------------------------- */

static void note_options(const hf_tcp_endpoint *ep, hf_syn *syn, const hf_segment *s, uint8_t ecn)
{
    const hf_tcp_config *config = &ep->config;
    syn->irs = s->seq;
    syn->mss = s->mss;
    syn->scale = s->scale < 14 ? s->scale : 14;
    syn->flags |= s->has_scale && !config->no_scale ? HF_SYN_SCALE : 0;
    syn->flags |= s->sack_permitted && !config->no_sack ? HF_SYN_SACK : 0;
    if (s->has_stamp && !config->no_timestamps) {
        syn->flags |= HF_SYN_STAMP;
        syn->recent = s->stamp;
    }
    /* RFC 3168 6.1.1: a SYN that asks for ECN and is itself unmarked */
    if ((s->flags & (HF_ECE | HF_CWR)) == (HF_ECE | HF_CWR) && ecn == HF_ECN_NOT)
        syn->flags |= HF_SYN_ECN;
}

/* RFC 4987 3.6: the answer is all that is kept, and the peer keeps it. */
static void answer_with_cookie(hf_tcp_endpoint *ep, hf_time now, const hf_tcp_pair *pair, const hf_segment *s, uint8_t ecn)
{
    hf_syn syn = { .pair = *pair };
    note_options(ep, &syn, s, ecn);
    const bool stamp = (syn.flags & HF_SYN_STAMP) != 0;
    const hf_cookie cookie = { .mss = s->mss > 0 ? s->mss : HF_TCP_MSS_4, .has_scale = (syn.flags & HF_SYN_SCALE) != 0,
                               .sack = (syn.flags & HF_SYN_SACK) != 0, .ecn = (syn.flags & HF_SYN_ECN) != 0, .scale = syn.scale };
    uint32_t clock = hf_stamp(ep->secret, pair, now);
    syn.iss = hf_cookie_make(ep->secret, pair, s->seq, now, &cookie, &clock);
    if (!stamp)
        syn.flags &= (uint8_t) ~(HF_SYN_SCALE | HF_SYN_SACK | HF_SYN_ECN); /* nowhere to keep them */
    hf_segment answer = syn_ack(ep, &syn);
    answer.has_stamp = stamp;
    answer.stamp = clock;
    answer.echo = syn.recent;
    hf_reply_add(ep, pair, &answer);
    ep->counts.cookies_out++;
    ep->cookies_until = hf_time_after(now, HF_SECONDS(128));
}

static void take_syn(hf_tcp_endpoint *ep, hf_time now, const hf_tcp_pair *pair, uint32_t hash, const hf_segment *s, uint8_t ecn, const hf_seq *least)
{
    ep->counts.syns_in++;
    hf_syn *syn = hf_syns_add(&ep->syns, ep->alloc, (uint32_t)ep->env->limits->tcp_syns, hash, pair);
    if (syn == NULL) {
        answer_with_cookie(ep, now, pair, s, ecn);
        return;
    }
    note_options(ep, syn, s, ecn);
    syn->iss = hf_isn(ep->secret, pair, now);
    if (least != NULL && hf_seq_before(syn->iss, *least))
        syn->iss = *least;
    syn->sent_ms = hf_tcp_ms(ep, now);
    syn->due_ms = syn->sent_ms + 1000; /* RFC 6298 2.1 */
    ep->syns.wake = hf_time_earlier(ep->syns.wake, hf_time_after(now, HF_SECONDS(1)));
    hf_syn_answer(ep, now, syn);
}

/* ---- the third segment -------------------------------------------------------------------------------------------- */

/* A whole connection of what a half-open one, or a cookie, says; in SYN_RECEIVED. NULL: no room, as if the segment were lost. */
static hf_tcp *grow_up(hf_tcp_endpoint *ep, hf_time now, hf_listener *l, const hf_syn *syn, uint32_t hash)
{
    if (l->waiting >= ep->env->limits->tcp_backlog) {
        ep->counts.backlog_full++;
        return NULL;
    }
    hf_tcp *t = hf_tcp_make(ep, &syn->pair, hash, l->user);
    if (t == NULL) {
        ep->counts.backlog_full++;
        return NULL;
    }
    hf_segment as_sent = { .seq = syn->irs, .flags = HF_SYN, .mss = syn->mss, .has_scale = (syn->flags & HF_SYN_SCALE) != 0, .scale = syn->scale,
                           .sack_permitted = (syn->flags & HF_SYN_SACK) != 0, .has_stamp = (syn->flags & HF_SYN_STAMP) != 0, .stamp = syn->recent };
    hf_tcp_move_on(t, HF_TCP_MOVE_LISTEN);
    hf_tcp_agree(t, &as_sent);
    hf_tcp_move_on(t, HF_TCP_MOVE_RECV_SYN);
    t->iss = syn->iss;
    t->una = syn->iss;
    t->nxt = hf_seq_add(syn->iss, 1);
    t->edge = hf_seq_add(t->rcv_nxt, first_window(ep));
    t->stamp_offset = hf_stamp(ep->secret, &syn->pair, hf_time_make(0));
    t->ecn = (syn->flags & HF_SYN_ECN) != 0;
    t->passive = t->owned = true;
    t->backoff = syn->retries;
    t->quiet_since = hf_time_make(now.ns - HF_MILLISECONDS(hf_tcp_ms(ep, now) - syn->sent_ms));
    t->progress_at = now;
    l->waiting++;
    ep->counts.accepted++;
    hf_tcp_note(t);
    return t;
}

void hf_syn_arrive(hf_tcp_endpoint *ep, hf_time now, hf_syn *syn, uint32_t hash, const hf_segment *s, uint8_t ecn)
{
    const int32_t away = hf_seq_from(s->seq, hf_seq_add(syn->irs, 1));
    const bool inside = away >= 0 && away < first_window(ep);
    if (s->flags & HF_RST) {
        /* RFC 9293 3.10.7.4: "If this connection was initiated with a passive OPEN ... return this connection to the LISTEN
         * state". The old duplicate SYN ends here. RFC 5961 3.2: only by the exact number */
        if (away == 0) {
            ep->counts.resets_in++;
            hf_syns_remove(&ep->syns, hash, syn);
        } else if (inside && hf_reply_may_challenge(ep, now)) {
            hf_syn_answer(ep, now, syn);
        }
        return;
    }
    if (s->flags & HF_SYN) {
        /* the same again: our answer was lost, or crossed it. Another number, an older duplicate or a newer attempt: the peer's
         * answer to our SYN-ACK decides (RFC 9293 3.5, figure 9) */
        if (!(s->flags & HF_ACK) && (hf_seq_same(s->seq, syn->irs) || hf_reply_may_challenge(ep, now)))
            hf_syn_answer(ep, now, syn);
        return;
    }
    if (!(s->flags & HF_ACK))
        return;
    if (!hf_seq_same(s->ack, hf_seq_add(syn->iss, 1))) {
        hf_reply_reset(ep, &syn->pair, s);
        return;
    }
    const bool old_stamp = (syn->flags & HF_SYN_STAMP) && s->has_stamp && (int32_t)(s->stamp - syn->recent) < 0;
    if (!inside || old_stamp) {
        hf_segment ack = { .seq = hf_seq_add(syn->iss, 1), .ack = hf_seq_add(syn->irs, 1), .flags = HF_ACK, .window = first_window(ep) };
        if (syn->flags & HF_SYN_STAMP) {
            ack.has_stamp = true;
            ack.stamp = hf_stamp(ep->secret, &syn->pair, now);
            ack.echo = syn->recent;
        }
        if (hf_reply_may_challenge(ep, now))
            hf_reply_add(ep, &syn->pair, &ack);
        return;
    }
    hf_listener *l = hf_listener_find(ep, &syn->pair.local, syn->pair.local_port);
    hf_tcp *t = l != NULL ? grow_up(ep, now, l, syn, hash) : NULL;
    if (t == NULL)
        return;
    hf_syns_remove(&ep->syns, hash, syn);
    hf_tcp_arrive(t, now, s, ecn);
    hf_tcp_set_timer(t);
}

/* An ACK without a connection at a listener: is it the answer to a cookie? */
static bool take_cookie(hf_tcp_endpoint *ep, hf_time now, hf_listener *l, const hf_tcp_pair *pair, uint32_t hash, const hf_segment *s, uint8_t ecn)
{
    if ((s->flags & (HF_SYN | HF_RST | HF_ACK)) != HF_ACK || now.ns >= ep->cookies_until.ns)
        return false;
    hf_cookie cookie;
    hf_syn syn = { .pair = *pair, .irs = hf_seq_add(s->seq, UINT32_MAX), .iss = hf_seq_add(s->ack, UINT32_MAX), .sent_ms = hf_tcp_ms(ep, now), .retries = 1 };
    if (!hf_cookie_open(ep->secret, pair, syn.irs, syn.iss, now, s->has_stamp ? &s->echo : NULL, &cookie)) {
        ep->counts.cookies_bad++;
        /* data that has overtaken the last ACK of its handshake looks like this too: a RST would end a connection that is
         * about to open. Silence costs an impostor nothing and the peer a retransmission */
        return s->payload.len > 0;
    }
    ep->counts.cookies_in++;
    syn.mss = cookie.mss;
    syn.scale = cookie.scale;
    syn.flags = (uint8_t)((cookie.has_scale ? HF_SYN_SCALE : 0) | (cookie.sack ? HF_SYN_SACK : 0) | (cookie.ecn ? HF_SYN_ECN : 0));
    if (s->has_stamp) {
        syn.flags |= HF_SYN_STAMP;
        syn.recent = s->stamp;
    }
    hf_tcp *t = grow_up(ep, now, l, &syn, hash);
    if (t != NULL) {
        hf_tcp_arrive(t, now, s, ecn);
        t->backoff = 0;
        hf_tcp_set_timer(t);
    }
    return true;
}

void hf_listen_arrive(hf_tcp_endpoint *ep, hf_time now, hf_listener *l, const hf_tcp_pair *pair, uint32_t hash, const hf_segment *s, uint8_t ecn)
{
    /* RFC 9293 3.10.7.2: first RST, then ACK, then SYN */
    if (s->flags & HF_RST)
        return;
    if (s->flags & HF_ACK) {
        if (!take_cookie(ep, now, l, pair, hash, s, ecn))
            hf_reply_reset(ep, pair, s);
        return;
    }
    /* a SYN that also ends is no SYN that anybody sends */
    if ((s->flags & (HF_SYN | HF_FIN)) != HF_SYN)
        return;
    take_syn(ep, now, pair, hash, s, ecn, NULL);
}

void hf_listen_again(hf_tcp_endpoint *ep, hf_time now, const hf_tcp_pair *pair, uint32_t hash, const hf_segment *s, uint8_t ecn, hf_seq least)
{
    take_syn(ep, now, pair, hash, s, ecn, &least);
}
