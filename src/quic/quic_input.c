/* SPDX-License-Identifier: Apache-2.0
 *
 * Datagrams in: coalesced packets, their keys and numbers, and what an authentic packet means before its frames are read.
 */
#include "quic_core.h"

#include "crypto_secret.h"

/* ---- datagrams that wait ------------------------------------------------------------------------------------ */

void hf_datagram_free(hf_datagram *d, const hf_allocator *alloc)
{
    if (d != NULL)
        hf_free(alloc, d, sizeof *d + d->length);
}

bool hf_datagrams_push(hf_datagrams *d, const hf_allocator *alloc, hf_bytes bytes)
{
    hf_datagram *one = hf_alloc(alloc, sizeof *one + bytes.len);
    if (one == NULL)
        return false;
    one->next = NULL;
    one->length = bytes.len;
    if (bytes.len > 0)
        memcpy(one->bytes, bytes.ptr, bytes.len);
    if (d->first == NULL)
        d->last = &d->first;
    *d->last = one;
    d->last = &one->next;
    d->count++;
    return true;
}

hf_datagram *hf_datagrams_pop(hf_datagrams *d)
{
    hf_datagram *const one = d->first;
    if (one == NULL)
        return NULL;
    d->first = one->next;
    d->count--;
    return one;
}

void hf_datagrams_free(hf_datagrams *d, const hf_allocator *alloc)
{
    while (d->first != NULL)
        hf_datagram_free(hf_datagrams_pop(d), alloc);
}

/* ---- packets without keys of their own ---------------------------------------------------------------------- */

/* RFC 9000 6.2 and RFC 8999 6: only before anything else came, and only when it names none of ours. */
static hf_err negotiation(hf_quic *q, const hf_quic_header *h)
{
    const hf_err dropped = hf_err_make(HF_ERR_QUIC_HEADER);
    if (q->server || q->got_packet || !hf_cid_equal(&h->dcid, &q->our_ids[0].cid) || !hf_cid_equal(&h->scid, &q->their_ids[0].cid))
        return dropped;
    hf_reader r = hf_reader_make(h->versions);
    while (r.at != r.end)
        if (hf_read_number(&r, 4) == q->version)
            return dropped;
    hf_quic_end_silently(q, HF_ERR_QUIC_VERSION);
    return HF_OK;
}

/* RFC 9000 17.2.5. */
static hf_err retry(hf_quic *q, const hf_quic_header *h, hf_bytes packet)
{
    const hf_err dropped = hf_err_make(HF_ERR_QUIC_HEADER);
    uint8_t tag[HF_QUIC_TAG];
    hf_quic_space *const s = q->spaces[HF_LEVEL_INITIAL];
    if (q->server || q->got_packet || q->retried || h->version != q->version || h->token.len == 0 || hf_cid_equal(&h->scid, &q->their_ids[0].cid) ||
        !hf_cid_equal(&h->dcid, &q->our_ids[0].cid))
        return dropped;
    const hf_bytes body = hf_bytes_make(packet.ptr, packet.len - HF_QUIC_TAG);
    if (!hf_quic_retry_tag(q->hs.crypto, q->version, &q->shaking->original, body, tag) || !hf_secret_equal(tag, packet.ptr + body.len, HF_QUIC_TAG))
        return hf_err_make(HF_ERR_QUIC_UNDECRYPTABLE);
    q->retried = true;
    q->shaking->retry_scid = q->their_ids[0].cid = h->scid;
    hf_queue_take(&q->token, hf_queue_length(&q->token));
    if (!hf_queue_append(&q->token, h->token) || !hf_quic_keys_initial(&s->write, &s->read, q->hs.crypto, q->version, &h->scid, false) ||
        !hf_quic_resend_all(q, HF_LEVEL_INITIAL) ||
        /* 17.2.5.3: 0-RTT packets "that were sent prior to receiving the Retry packet were likely lost" */
        (hf_quic_early_writes(q) != NULL && !hf_quic_resend_all(q, HF_LEVEL_APPLICATION)))
        (void)hf_quic_no_memory(q);
    return HF_OK;
}

/* ---- keys --------------------------------------------------------------------------------------------------- */

bool hf_quic_turnover_begin(hf_quic *q)
{
    if (q->turnover != NULL)
        return true;
    q->turnover = hf_alloc_zeroed(&q->env->alloc, sizeof *q->turnover);
    return q->turnover != NULL && hf_quic_keys_next(&q->spaces[HF_LEVEL_APPLICATION]->read, &q->turnover->next_read);
}

void hf_quic_turnover_end(hf_quic *q)
{
    if (q->turnover == NULL)
        return;
    hf_quic_keys_fini(&q->turnover->next_read);
    hf_quic_keys_fini(&q->turnover->last_read);
    hf_free(&q->env->alloc, q->turnover, sizeof *q->turnover);
    q->turnover = NULL;
}

/* RFC 9001 6: the peer uses new keys, and so shall we. */
static bool follow_update(hf_quic *q, uint64_t number)
{
    hf_quic_space *const s = q->spaces[HF_LEVEL_APPLICATION];
    hf_quic_keys *const last = &q->turnover->last_read;
    hf_quic_keys_fini(last);
    last->aead = s->read.aead;
    memcpy(last->iv, s->read.iv, sizeof s->read.iv);
    last->on = true;
    s->read.aead = (hf_aead){ 0 };
    hf_quic_keys_step(&s->read, &q->turnover->next_read);
    q->last_read_until = hf_time_after(q->now, 3 * hf_quic_timeout_ns(q, HF_LEVEL_APPLICATION));
    q->read_phase = !q->read_phase;
    q->phase_from = number;
    q->key_updates++;
    if (!hf_quic_keys_next(&s->read, &q->turnover->next_read))
        return hf_quic_no_memory(q);
    if (q->write_phase == q->read_phase)
        return true;
    if (!q->confirmed)
        return hf_quic_fail(q, HF_ERR_QUIC_KEY_UPDATE, 0, "no update before the handshake is confirmed");
    hf_quic_keys next = { 0 };
    if (!hf_quic_keys_next(&s->write, &next))
        return hf_quic_no_memory(q);
    hf_quic_keys_step(&s->write, &next);
    q->write_phase = q->read_phase;
    q->phase_sent_from = s->sent.next;
    q->update_confirmed = false;
    q->sealed = 0;
    return true;
}

hf_err hf_quic_update_keys(hf_quic *q, hf_time now)
{
    hf_quic_space *const s = q->spaces[HF_LEVEL_APPLICATION];
    hf_quic_keys next = { 0 };
    q->now = now;
    /* RFC 9001 6.1: not before the handshake is confirmed, nor before a packet of this phase is acknowledged */
    if (q->state != HF_QUIC_OPEN || !q->confirmed || !q->update_confirmed || q->write_phase != q->read_phase)
        return hf_err_make(HF_ERR_QUIC_KEY_UPDATE);
    if (!hf_quic_keys_next(&s->write, &next))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_quic_keys_step(&s->write, &next);
    q->write_phase = !q->write_phase;
    q->phase_sent_from = s->sent.next;
    q->update_confirmed = false;
    q->sealed = 0;
    q->ping_due = true; /* so that there is something to acknowledge */
    hf_quic_touch(q);
    return HF_OK;
}

/* Opens the packet in place. False: it is not authentic. */
static bool open_packet(hf_quic *q, hf_level level, hf_quic_keys *keys, hf_span packet, size_t number_at, uint64_t *number, hf_bytes *payload)
{
    hf_quic_space *const s = q->spaces[level];
    const uint64_t next = s->received.count > 0 ? s->received.at[s->received.count - 1].to : s->floor;
    unsigned length = 0;
    uint64_t truncated = 0;
    if (!hf_quic_unmask(&keys->mask, packet, number_at, &length, &truncated))
        return false;
    *number = hf_quic_number_decode(next, truncated, length);
    const size_t at = number_at + length;
    *payload = hf_bytes_make(packet.ptr + at, packet.len - at - (packet.len >= at + HF_QUIC_TAG ? HF_QUIC_TAG : 0));
    if (packet.len < at + HF_QUIC_TAG)
        return false;
    const bool phase = packet.ptr[0] & 4;
    if (level != HF_LEVEL_APPLICATION || keys != &s->read)
        return hf_quic_open_packet(keys, *number, packet, at);
    if (!hf_quic_turnover_begin(q)) /* it slept: for whatever phase, so that nobody can tell by the time it takes */
        return hf_quic_no_memory(q);
    if (phase == q->read_phase)
        return hf_quic_open_packet(keys, *number, packet, at);
    if (*number < q->phase_from) {
        /* RFC 9001 6.3: no "timing side-channel signal": where the keys are gone, others are tried in their place */
        const bool had = q->turnover->last_read.on;
        return hf_quic_open_packet(had ? &q->turnover->last_read : &q->turnover->next_read, *number, packet, at) && had;
    }
    return hf_quic_open_packet(&q->turnover->next_read, *number, packet, at) && follow_update(q, *number);
}

/* ---- an authentic packet ------------------------------------------------------------------------------------ */

/* When it is to be acknowledged (RFC 9000 13.2.1, 13.2.2). */
static bool note_received(hf_quic *q, hf_level level, uint64_t number, bool eliciting, uint8_t ecn)
{
    hf_quic_space *const s = q->spaces[level];
    const uint64_t next = s->received.count > 0 ? s->received.at[s->received.count - 1].to : 0;
    if (!hf_ranges_add(&s->received, &q->env->alloc, number, number + 1))
        return hf_quic_no_memory(q);
    if (s->received.count > q->env->limits->quic_ack_ranges) {
        s->floor = s->received.at[0].to;
        hf_ranges_drop_first(&s->received);
    }
    if (number >= next)
        s->largest_at = q->now;
    if (ecn != 0)
        s->marks[ecn - 1]++;
    if (!eliciting)
        return true;
    s->unacked++;
    if (level != HF_LEVEL_APPLICATION || s->unacked >= 2 || number != next || ecn == 3)
        s->ack_at = q->now;
    else if (s->ack_at.ns == HF_NEVER_NS)
        s->ack_at = hf_time_after(q->now, HF_MILLISECONDS(HF_QUIC_ACK_DELAY_MS));
    return true;
}

/* What a long header says of whom we speak with. False: the packet is to be dropped. */
static bool note_peer(hf_quic *q, const hf_quic_header *h)
{
    if (h->kind == HF_QUIC_SHORT)
        return true;
    if (!q->server && !q->got_packet) {
        q->their_ids[0].cid = q->shaking->first_scid = h->scid;
        return true;
    }
    return q->shaking != NULL && hf_cid_equal(&h->scid, &q->shaking->first_scid); /* RFC 9000 7.2: a changed Source Connection ID is discarded */
}

static void alive(hf_quic *q)
{
    const hf_quic_config *const config = hf_quic_config_of(q->ep);
    const int64_t ours = HF_MILLISECONDS(q->ours.idle_ms), theirs = HF_MILLISECONDS(q->theirs.idle_ms < 1000000000 ? q->theirs.idle_ms : 0);
    const int64_t least = 3 * hf_quic_timeout_ns(q, HF_LEVEL_APPLICATION), idle = theirs > 0 && theirs < ours ? theirs : ours;
    q->idle_at = hf_time_after(q->now, idle > least ? idle : least); /* RFC 9000 10.1 */
    q->sent_since = false;
    if (config->keep_alive_ns > 0 && q->state == HF_QUIC_OPEN)
        q->alive_at = hf_time_after(q->now, config->keep_alive_ns);
}

static hf_err authentic(hf_quic *q, hf_level level, const hf_quic_header *h, uint64_t number, uint8_t first, hf_bytes payload, uint8_t ecn)
{
    hf_quic_space *const s = q->spaces[level];
    bool eliciting = false, probing = false;
    if (number < s->floor || hf_ranges_has(&s->received, number))
        return hf_err_make(HF_ERR_QUIC_DUPLICATE);
    if (!note_peer(q, h))
        return hf_err_make(HF_ERR_QUIC_HEADER);
    hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_ARRIVED, number << 2 | (h->kind == HF_QUIC_ZERO_RTT ? 3 : level), payload.len);
    q->got_packet = true;
    q->reading = number;
    q->packets_received++;
    alive(q);
    if (first & (h->kind == HF_QUIC_SHORT ? 0x18 : 0x0c)) {
        (void)hf_quic_fail(q, HF_ERR_QUIC_RESERVED, 0, "reserved bits of zero");
        return HF_OK;
    }
    if (level == HF_LEVEL_HANDSHAKE && q->server) {
        hf_quic_route(q)->validated = true;      /* RFC 9000 8.1: only who received our Initial could send this */
        hf_quic_discard(q, HF_LEVEL_INITIAL);    /* RFC 9001 4.9.1 */
    }
    const bool newest = s->received.count == 0 || number >= s->received.at[s->received.count - 1].to;
    if (!hf_quic_frames(q, level, h->kind, payload, &eliciting, &probing) || s->gone || !note_received(q, level, number, eliciting, ecn))
        return HF_OK;
    if (newest && h->kind == HF_QUIC_SHORT) /* RFC 9000 17.4: servers reflect it, clients turn it over */
        q->spin = ((first & 0x20) != 0) == q->server;
    if (newest && !probing && level == HF_LEVEL_APPLICATION)
        (void)hf_quic_route_used(q, q->from_route);
    return HF_OK;
}

static hf_err forged(hf_quic *q)
{
    hf_quic_count_forged(q->ep);
    if (++q->forged >= q->env->limits->quic_forgeries)
        (void)hf_quic_fail(q, HF_ERR_QUIC_KEYS_WORN, 0, "fewer forged packets (limit quic_forgeries)");
    return hf_err_make(HF_ERR_QUIC_UNDECRYPTABLE);
}

/* Client: RFC 9368 2.3: the server may go on in another version than the first. A header is nobody's word: q goes on with it when the
 * packet has opened, and is as it was when it has not. */
static hf_err other_version(hf_quic *q, const hf_quic_header *h, hf_span packet, uint8_t ecn)
{
    hf_quic_version_keys keys;
    uint64_t number = 0;
    hf_bytes payload;
    if (h->token.len > 0 || !hf_quic_version_offer(q, h->version, &keys))
        return q->faulted ? HF_OK : hf_err_make(HF_ERR_QUIC_VERSION);
    if (!open_packet(q, HF_LEVEL_INITIAL, &keys.read, packet, h->number_at, &number, &payload)) {
        hf_quic_version_decline(&keys);
        return q->faulted ? HF_OK : forged(q);
    }
    hf_quic_version_follow(q, h->version, &keys);
    return authentic(q, HF_LEVEL_INITIAL, h, number, packet.ptr[0], payload, ecn);
}

static hf_err protected_packet(hf_quic *q, const hf_quic_header *h, hf_span packet, hf_bytes datagram, uint8_t ecn)
{
    const hf_level level = h->kind == HF_QUIC_INITIAL ? HF_LEVEL_INITIAL : h->kind == HF_QUIC_HANDSHAKE ? HF_LEVEL_HANDSHAKE : HF_LEVEL_APPLICATION;
    hf_quic_space *const s = q->spaces[level];
    const bool zero = h->kind == HF_QUIC_ZERO_RTT;
    if (h->kind == HF_QUIC_INITIAL && h->version != q->version && !q->server)
        return other_version(q, h, packet, ecn);
    if ((h->kind == HF_QUIC_HANDSHAKE && h->version != q->version) || (zero && h->version != q->first_version))
        return hf_err_make(HF_ERR_QUIC_VERSION);
    /* RFC 9368 2.3: a client that has not heard of it yet goes on with the first version */
    const bool former = h->kind == HF_QUIC_INITIAL && h->version != q->version && q->shaking != NULL;
    hf_quic_keys *const keys = zero ? hf_quic_early_reads(q) : former ? &q->shaking->first_read : &s->read;
    /* 0-RTT whose ClientHello was read is taken, or never will be; another version was spoken before, or never */
    const bool late = zero && (!q->server || q->spaces[HF_LEVEL_HANDSHAKE]->read.on);
    const bool hopeless = s->gone || q->state != HF_QUIC_SHAKING || late || (former && !q->shaking->first_read.on);
    uint64_t number = 0;
    hf_bytes payload;
    if (keys == NULL || !keys->on) {
        if (!hopeless && q->early.count < HF_QUIC_EARLY_MOST &&
            !hf_datagrams_push(&q->early, &q->env->alloc, hf_bytes_make(packet.ptr, packet.len)))
            (void)hf_quic_no_memory(q);
        return hf_err_make(HF_ERR_QUIC_UNDECRYPTABLE);
    }
    if (h->kind == HF_QUIC_INITIAL && !q->server && h->token.len > 0) /* RFC 9000 17.2.2 */
        return hf_err_make(HF_ERR_QUIC_HEADER);
    if (!open_packet(q, level, keys, packet, h->number_at, &number, &payload)) {
        if (q->faulted)
            return HF_OK;
        if (h->kind == HF_QUIC_SHORT && hf_quic_is_reset(q, datagram)) {
            hf_quic_end_silently(q, HF_ERR_QUIC_RESET);
            return HF_OK;
        }
        return forged(q);
    }
    return authentic(q, level, h, number, packet.ptr[0], payload, ecn);
}

/* Packets of a datagram, one behind another. */
static hf_err packets(hf_quic *q, uint8_t ecn, hf_span datagram)
{
    hf_err result = hf_err_make(HF_ERR_QUIC_HEADER);
    const hf_bytes whole = hf_bytes_make(datagram.ptr, datagram.len);
    hf_cid dcid = { 0 };
    for (size_t at = 0; at < datagram.len && q->state < HF_QUIC_CLOSING;) {
        hf_quic_header h;
        const hf_span rest = { datagram.ptr + at, datagram.len - at };
        hf_err err = hf_quic_header_read(hf_bytes_make(rest.ptr, rest.len), HF_QUIC_ID, &h);
        if (err.code != 0 || (at > 0 && !hf_cid_equal(&h.dcid, &dcid))) /* RFC 9000 12.2: coalesced packets share their DCID */
            break;
        dcid = h.dcid;
        if (h.kind == HF_QUIC_NEGOTIATION)
            err = negotiation(q, &h);
        else if (h.kind == HF_QUIC_RETRY)
            err = retry(q, &h, hf_bytes_make(rest.ptr, rest.len));
        else if (h.kind == HF_QUIC_OTHER)
            err = hf_err_make(HF_ERR_QUIC_UNDECRYPTABLE);
        else
            err = protected_packet(q, &h, (hf_span){ rest.ptr, h.length }, whole, ecn);
        if (err.code == 0 || at == 0)
            result = err;
        at += h.length;
    }
    return result;
}

void hf_quic_datagrams_late(hf_quic *q)
{
    if (q->early.count == 0 || !q->spaces[HF_LEVEL_HANDSHAKE]->read.on)
        return;
    hf_datagrams waiting = q->early;
    q->early = (hf_datagrams){ 0 };
    q->from_route = q->route;
    for (hf_datagram *d; (d = hf_datagrams_pop(&waiting)) != NULL;) {
        (void)packets(q, 0, (hf_span){ d->bytes, d->length });
        hf_datagram_free(d, &q->env->alloc);
    }
}

hf_err hf_quic_datagram(hf_quic *q, hf_time now, const hf_quic_path *path, uint8_t ecn, hf_span datagram)
{
    q->now = now;
    q->bytes_received += datagram.len;
    if (q->state == HF_QUIC_CLOSING && ++q->close_answers >= q->close_after) {
        /* RFC 9000 10.2.1: the answer is repeated, ever more seldom */
        q->close_after *= 2;
        q->close_due = true;
    }
    if (q->state >= HF_QUIC_CLOSING) {
        hf_quic_touch(q);
        return HF_OK;
    }
    const int route = hf_quic_route_of(q, path);
    if (route < 0)
        return hf_err_make(HF_ERR_QUIC_NO_CONNECTION);
    hf_quic_busy(q);
    q->from_route = (uint8_t)route;
    q->routes[route].received += datagram.len;
    const hf_err err = packets(q, ecn & 3, datagram);
    hf_quic_datagrams_late(q);
    hf_quic_touch(q);
    return err;
}
