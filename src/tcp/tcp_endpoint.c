/* SPDX-License-Identifier: Apache-2.0
 *
 * One host's TCP: who a segment is for, when timers fire, who may emit next; opening and listening.
 */
#include "tcp_core.h"

#include "net_bytes.h"

/* ---- life -------------------------------------------------------------------------------------------------------- */

hf_tcp_endpoint *hf_tcp_endpoint_new(const hf_env *env, const hf_tcp_config *config, hf_time now)
{
    hf_tcp_endpoint *ep = hf_alloc_zeroed(&env->alloc, sizeof *ep);
    if (ep == NULL)
        return NULL;
    ep->env = env;
    ep->alloc = &env->alloc;
    ep->config = *config;
    if (ep->config.port_first == 0)
        ep->config.port_first = 32768;
    if (ep->config.port_last < ep->config.port_first)
        ep->config.port_last = ep->config.port_first > 60999 ? ep->config.port_first : 60999;
    if (ep->config.super_segment > 65000)
        ep->config.super_segment = 65000;
    ep->table_key = hf_sip_key_make(config->secret);
    ep->secret = hf_sip_key_make(config->secret + 16);
    ep->timewaits.key = ep->table_key;
    ep->syns.wake = ep->timewait_at = HF_NEVER;
    ep->now = ep->born = now;
    ep->challenge_second = -1;
    hf_timers_init(&ep->timers, &env->alloc);
    ep->replies = hf_alloc(&env->alloc, env->limits->tcp_replies * sizeof *ep->replies);
    if (ep->replies == NULL) {
        hf_free(&env->alloc, ep, sizeof *ep);
        return NULL;
    }
    return ep;
}

void hf_tcp_endpoint_free(hf_tcp_endpoint *ep)
{
    if (ep == NULL)
        return;
    while (ep->all.first != NULL) {
        hf_tcp *t = ep->all.first;
        t->owned = false;
        hf_list_remove(&ep->notice, t, HF_LINK(notice));
        hf_tcp_finish(t, HF_OK);
        hf_tcp_bury(ep);
    }
    hf_tcp_table_fini(&ep->table, ep->alloc);
    hf_syns_fini(&ep->syns, ep->alloc);
    hf_timewaits_fini(&ep->timewaits, ep->alloc);
    hf_timers_fini(&ep->timers);
    hf_free(ep->alloc, ep->listeners, ep->listener_count * sizeof *ep->listeners);
    hf_free(ep->alloc, ep->replies, ep->env->limits->tcp_replies * sizeof *ep->replies);
    hf_free(ep->alloc, ep, sizeof *ep);
}

/* ---- from below -------------------------------------------------------------------------------------------------- */

static void tell_time(hf_tcp_endpoint *ep, hf_time now)
{
    if (ep->now.ns < now.ns)
        ep->now = now;
}

/* RFC 1122 4.2.3.10: nothing from or for a group; RFC 9293 3.10.7: and nothing from nowhere. */
static bool addresses_fine(const hf_tcp_input *in)
{
    return !hf_ip_is_multicast(&in->source) && !hf_ip_is_multicast(&in->destination) && !hf_ip_is_any(&in->source)
        && hf_ip_is4(&in->source) == hf_ip_is4(&in->destination);
}

static void deliver(hf_tcp_endpoint *ep, const hf_tcp_pair *pair, const hf_segment *s, uint8_t ecn)
{
    const uint32_t hash = hf_pair_hash(ep->table_key, pair);
    const hf_time now = ep->now;
    hf_tcp *t = hf_tcp_table_find(&ep->table, hash, pair);
    if (t != NULL) {
        hf_tcp_arrive(t, now, s, ecn);
        hf_tcp_set_timer(t);
        return;
    }
    hf_listener *l = hf_listener_find(ep, &pair->local, pair->local_port);
    hf_timewait *w = hf_timewaits_find(&ep->timewaits, pair);
    if (w != NULL && (int32_t)(w->expires_ms - hf_tcp_ms(ep, now)) > 0) {
        hf_seq least;
        if (!hf_timewait_arrive(ep, now, w, pair, s, &least))
            return;
        if (l != NULL)
            hf_listen_again(ep, now, pair, hash, s, ecn, least);
        else
            hf_reply_reset(ep, pair, s);
        return;
    }
    hf_syn *syn = hf_syns_find(&ep->syns, hash, pair);
    if (syn != NULL)
        hf_syn_arrive(ep, now, syn, hash, s, ecn);
    else if (l != NULL)
        hf_listen_arrive(ep, now, l, pair, hash, s, ecn);
    else
        hf_reply_reset(ep, pair, s); /* RFC 9293 3.10.7.1: CLOSED */
}

void hf_tcp_endpoint_settle(hf_tcp_endpoint *ep)
{
    if (ep->borrower != NULL)
        hf_tcp_receive_settle(&ep->borrower->in);
    ep->borrower = NULL;
}

hf_err hf_tcp_endpoint_input(hf_tcp_endpoint *ep, hf_time now, const hf_tcp_input *in)
{
    hf_segment s;
    tell_time(ep, now);
    hf_tcp_endpoint_settle(ep);
    ep->lasts = in->lasts;
    ep->counts.segments_in++;
    const hf_err err = addresses_fine(in) ? hf_segment_read(in, &s) : hf_err_make(HF_ERR_NET_ADDRESS);
    if (err.code) {
        ep->counts.bad_segments++;
        return err;
    }
    hf_tcp_pair pair = { .local = in->destination, .remote = in->source, .local_port = s.destination, .remote_port = s.source };
    deliver(ep, &pair, &s, in->ecn);
    hf_tcp_bury(ep);
    return HF_OK;
}

static void expire(hf_tcp_endpoint *ep, hf_time now)
{
    hf_timer *timer;
    while ((timer = hf_timers_expire(&ep->timers, now)) != NULL) {
        hf_tcp *t = (hf_tcp *)(void *)timer;
        /* its place first: nobody else may take it */
        hf_tcp_set_far(t);
        hf_tcp_expired(t, now);
        hf_tcp_bury(ep);
    }
    hf_syns_expire(ep, now);
    if (ep->timewait_at.ns <= now.ns) {
        const uint32_t ms = hf_timewaits_expire(&ep->timewaits, ep->alloc, hf_tcp_ms(ep, now));
        ep->timewait_at = ms == UINT32_MAX ? HF_NEVER : hf_time_after(now, HF_MILLISECONDS(ms));
    }
}

hf_step hf_tcp_endpoint_step(hf_tcp_endpoint *ep, hf_time now, hf_tcp_event *event)
{
    tell_time(ep, now);
    expire(ep, ep->now);
    while (ep->notice.first != NULL) {
        hf_tcp *t = ep->notice.first;
        hf_list_remove(&ep->notice, t, HF_LINK(notice));
        *event = (hf_tcp_event){ .kind = HF_TCP_NOTICE, .tcp = t, .user = t->user };
        if (t->passive && !t->announced) {
            if (t->state == HF_TCP_SYN_RECEIVED)
                continue;
            t->announced = true;
            event->kind = HF_TCP_ACCEPTED;
            hf_listener *l = hf_listener_find(ep, &t->pair.local, t->pair.local_port);
            if (l != NULL && l->waiting > 0)
                l->waiting--;
            hf_tcp_note(t);
        }
        return HF_EVENT;
    }
    return HF_IDLE;
}

bool hf_tcp_endpoint_emit(hf_tcp_endpoint *ep, hf_time now, hf_out *out, hf_tcp_packet *packet)
{
    tell_time(ep, now);
    if (hf_reply_emit(ep, out, packet))
        return true;
    while (ep->ready.first != NULL) {
        hf_tcp *t = ep->ready.first;
        /* in turns: a busy connection goes behind the others after each segment */
        hf_list_remove(&ep->ready, t, HF_LINK(ready));
        const bool sent = hf_tcp_write(t, ep->now, out, packet);
        hf_tcp_bury(ep);
        if (sent) {
            hf_tcp_ready(t);
            return true;
        }
        if (out->capacity - out->count < 2 || out->scratch_capacity - out->scratch_used < HF_TCP_HEADER_MOST) {
            hf_tcp_ready(t);
            return false;
        }
    }
    return false;
}

hf_time hf_tcp_endpoint_wake(const hf_tcp_endpoint *ep)
{
    if (ep->ready.first != NULL || ep->reply_count > 0 || ep->notice.first != NULL)
        return ep->now;
    hf_time at = hf_timers_next(&ep->timers);
    if (at.ns >= HF_TCP_FAR.ns)
        at = HF_NEVER;
    return hf_time_earlier(at, hf_time_earlier(ep->syns.count > 0 ? ep->syns.wake : HF_NEVER, ep->timewait_at));
}

/* ---- ICMP -------------------------------------------------------------------------------------------------------- */

static void shrink(hf_tcp *t, uint32_t mtu)
{
    const uint32_t headers = hf_ip_is4(&t->pair.remote) ? 40 : 60;
    /* RFC 1191 3, RFC 8201 4: never below what every link carries; lower claims are attacks */
    const uint32_t least = hf_ip_is4(&t->pair.remote) ? 576 : 1280;
    const uint32_t mss = (mtu > least ? mtu : least) - headers;
    if (mss >= t->mss)
        return;
    t->mss = (uint16_t)mss;
    if (t->state < HF_TCP_ESTABLISHED)
        return;
    if (t->sender == NULL)
        return;
    hf_congestion_resize(&t->sender->congestion, hf_tcp_full(t));
    /* RFC 1191 6.5: what was too big is sent again at once, and is no sign of congestion */
    for (uint32_t i = 0; i < t->sender->records.count; i++) {
        hf_record *record = hf_record_at(&t->sender->records, i);
        if (record->length > hf_tcp_full(t) && !(record->flags & (HF_RECORD_SACKED | HF_RECORD_LOST)))
            hf_records_mark(&t->sender->records, record, HF_RECORD_LOST, 0);
    }
    hf_tcp_ready(t);
}

void hf_tcp_endpoint_icmp(hf_tcp_endpoint *ep, hf_time now, const hf_ip *local, const hf_ip *remote, hf_bytes quoted, bool hard, uint32_t mtu)
{
    tell_time(ep, now);
    if (quoted.len < 8)
        return;
    const hf_tcp_pair pair = { .local = *local, .remote = *remote, .local_port = hf_get16(quoted.ptr), .remote_port = hf_get16(quoted.ptr + 2) };
    hf_tcp *t = hf_tcp_table_find(&ep->table, hf_pair_hash(ep->table_key, &pair), &pair);
    const hf_seq seq = { hf_get32(quoted.ptr + 4) };
    /* RFC 5927 4.1: "SND.UNA =< SEG.SEQ < SND.NXT" */
    if (t == NULL || hf_seq_before(seq, t->una) || !hf_seq_before(seq, t->nxt))
        return;
    if (mtu > 0) {
        shrink(t, mtu);
    } else if (hard && t->state == HF_TCP_SYN_SENT) {
        hf_tcp_move_on(t, HF_TCP_MOVE_GIVE_UP);
        hf_tcp_finish(t, hf_err_make(HF_ERR_TCP_UNREACHABLE));
        hf_tcp_bury(ep);
    }
}

/* ---- from above -------------------------------------------------------------------------------------------------- */

hf_err hf_tcp_listen(hf_tcp_endpoint *ep, const hf_ip *local, uint16_t port, uint64_t user)
{
    if (port == 0)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (ep->listener_count >= ep->env->limits->tcp_listeners)
        return hf_err_make(HF_ERR_TCP_LISTENERS);
    for (uint32_t i = 0; i < ep->listener_count; i++)
        if (ep->listeners[i].port == port && hf_ip_equal(&ep->listeners[i].local, local))
            return hf_err_make(HF_ERR_TCP_ADDRESS_IN_USE);
    hf_listener *listeners = hf_resize(ep->alloc, ep->listeners, ep->listener_count * sizeof *listeners, (ep->listener_count + 1) * sizeof *listeners);
    if (listeners == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    ep->listeners = listeners;
    ep->listeners[ep->listener_count++] = (hf_listener){ .local = *local, .port = port, .user = user };
    return HF_OK;
}

void hf_tcp_unlisten(hf_tcp_endpoint *ep, const hf_ip *local, uint16_t port)
{
    for (uint32_t i = 0; i < ep->listener_count; i++) {
        if (ep->listeners[i].port != port || !hf_ip_equal(&ep->listeners[i].local, local))
            continue;
        const uint32_t count = ep->listener_count;
        memmove(ep->listeners + i, ep->listeners + i + 1, (count - i - 1) * sizeof *ep->listeners);
        hf_listener *fewer = hf_resize(ep->alloc, ep->listeners, count * sizeof *fewer, (count - 1) * sizeof *fewer);
        if (fewer == NULL && count > 1) { /* it could not be made smaller: a listener that no segment finds stands in */
            ep->listeners[count - 1] = (hf_listener){ .port = 0 };
            break;
        }
        ep->listeners = fewer;
        ep->listener_count = count - 1;
        break;
    }
    for (uint32_t i = 0; i < ep->syns.capacity; i++) {
        hf_syn *syn = &ep->syns.slots[i];
        if ((syn->flags & HF_SYN_USED) && hf_listener_find(ep, &syn->pair.local, syn->pair.local_port) == NULL)
            hf_syns_remove(&ep->syns, hf_pair_hash(ep->table_key, &syn->pair), syn);
    }
}

/* Whether `pair` may be used for a new connection; `*least`: where its numbers begin, when it was used before. */
static bool pair_free(hf_tcp_endpoint *ep, hf_time now, const hf_tcp_pair *pair, hf_seq *least, bool *again)
{
    *again = false;
    if (hf_tcp_table_find(&ep->table, hf_pair_hash(ep->table_key, pair), pair) != NULL)
        return false;
    hf_timewait *w = hf_timewaits_find(&ep->timewaits, pair);
    if (w == NULL)
        return true;
    const uint32_t now_ms = hf_tcp_ms(ep, now);
    if ((int32_t)(w->expires_ms - now_ms) > 0) {
        /* RFC 6191 2: with timestamps, whose clock has ticked since, nothing old can pass for new */
        if (!(w->next & HF_TIMEWAIT_STAMP) || ep->config.no_timestamps || ep->config.no_reuse || now_ms - w->recent_ms <= 1000)
            return false;
        *least = hf_seq_add(w->nxt, 65537);
        *again = true;
        ep->counts.timewaits_reused++;
    }
    hf_timewaits_remove(&ep->timewaits, w);
    return true;
}

/* RFC 6056 3.3.3: an offset that only we can compute for each peer, and a counter. */
static bool choose_port(hf_tcp_endpoint *ep, hf_time now, hf_tcp_pair *pair, hf_seq *least, bool *again)
{
    const uint32_t range = (uint32_t)(ep->config.port_last - ep->config.port_first) + 1;
    hf_tcp_pair peer = *pair;
    peer.local_port = 0;
    const uint32_t offset = (uint32_t)(hf_isn(ep->secret, &peer, hf_time_make(0)).n);
    for (uint32_t i = 0; i < range; i++) {
        pair->local_port = (uint16_t)(ep->config.port_first + (offset + ep->next_port++) % range);
        if (hf_listener_find(ep, &pair->local, pair->local_port) == NULL && pair_free(ep, now, pair, least, again))
            return true;
    }
    return false;
}

static hf_err check_pair(hf_tcp_endpoint *ep, hf_time now, hf_tcp_pair *pair, hf_seq *least, bool *again)
{
    if (pair->remote_port == 0 || hf_ip_is_any(&pair->remote) || hf_ip_is_multicast(&pair->remote) || hf_ip_is_any(&pair->local)
        || hf_ip_is4(&pair->local) != hf_ip_is4(&pair->remote))
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (pair->local_port == 0)
        return choose_port(ep, now, pair, least, again) ? HF_OK : hf_err_make(HF_ERR_TCP_PORTS);
    return pair_free(ep, now, pair, least, again) ? HF_OK : hf_err_make(HF_ERR_TCP_ADDRESS_IN_USE);
}

hf_tcp *hf_tcp_connect(hf_tcp_endpoint *ep, hf_time now, const hf_tcp_pair *wanted, uint64_t user, hf_err *err)
{
    tell_time(ep, now);
    hf_tcp_pair pair;
    memset(&pair, 0, sizeof pair);
    pair = *wanted;
    hf_seq least = { 0 };
    bool again = false;
    *err = check_pair(ep, ep->now, &pair, &least, &again);
    if (err->code)
        return NULL;
    hf_tcp *t = hf_tcp_make(ep, &pair, hf_pair_hash(ep->table_key, &pair), user);
    if (t == NULL) {
        *err = hf_err_make(ep->counts.connections >= ep->env->limits->connections ? HF_ERR_BASE_LIMIT : HF_ERR_BASE_MEMORY);
        return NULL;
    }
    t->owned = true;
    t->iss = hf_isn(ep->secret, &pair, ep->now);
    if (again && hf_seq_before(t->iss, least))
        t->iss = least;
    t->una = t->nxt = t->iss;
    t->mss = hf_mss_here(ep, &pair.remote);
    t->stamp_offset = hf_stamp(ep->secret, &pair, hf_time_make(0));
    t->syn_due = true;
    hf_tcp_move_on(t, HF_TCP_MOVE_CONNECT);
    hf_tcp_ready(t);
    return t;
}
