/* SPDX-License-Identifier: Apache-2.0
 *
 * Datagrams out: which packets, which frames in each, coalesced, padded, sealed where they lie; batches of equal size for
 * one path (GSO). Nothing leaves that the congestion window, the pacer or the anti-amplification limit forbids.
 */
#include "quic_core.h"

#include "panic.h"
#include "random.h"

/* A packet that is written and not yet sealed. */
typedef struct draft {
    hf_level level;
    size_t start, number_at, length_at, length; /* in the datagram; length_at 0: short header */
    unsigned number_length;
    uint64_t frames_from; /* of the space's ring */
    bool eliciting, padded, probe, early, sizing; /* early: 0-RTT. sizing: a probe of the path's size */
} draft;

typedef struct datagram {
    uint8_t *bytes;
    size_t most, length;
    draft drafts[HF_LEVEL_COUNT];
    unsigned count;
    bool initial, initial_eliciting;
} datagram;

/* ---- one packet --------------------------------------------------------------------------------------------- */

typedef struct packet {
    hf_quic *q;
    hf_quic_space *space;
    hf_level level;
    hf_writer w;      /* the whole datagram; its capacity leaves room for the tag */
    draft d;
    unsigned noted;   /* frames */
} packet;

static size_t room(const packet *p)
{
    return p->w.capacity - p->w.length;
}

static void note(packet *p, hf_frame_kind kind, uint64_t id, uint64_t offset, size_t length, bool fin)
{
    const hf_sent_frame f = { id, offset, (uint32_t)length, (uint8_t)kind, fin };
    hf_sent_add(&p->space->sent, &f);
    p->noted++;
    p->d.eliciting |= hf_frame_elicits(kind);
}

static bool can_note(const packet *p)
{
    return p->noted < HF_QUIC_FRAMES_MOST;
}

/* A frame of numbers, if it fits. */
static bool put_numbers(packet *p, uint64_t type, const uint64_t *numbers, size_t count)
{
    size_t needed = hf_varint_length(type);
    for (size_t i = 0; i < count; i++)
        needed += hf_varint_length(numbers[i]);
    if (needed > room(p) || !can_note(p))
        return false;
    hf_frame_write_numbers(&p->w, type, numbers, count);
    return true;
}

static void put_ack(packet *p)
{
    hf_quic_space *const s = p->space;
    const hf_ranges *const r = &s->received;
    const bool marks = s->marks[0] + s->marks[1] + s->marks[2] > 0;
    enum { LEAST = 1 + 8 + 8 + 2 + 8 + 24 };
    if (r->count == 0 || room(p) < LEAST || !can_note(p))
        return;
    const hf_range last = r->at[r->count - 1];
    const int64_t late = p->q->now.ns - s->largest_at.ns;
    const uint64_t delay = p->level == HF_LEVEL_APPLICATION && late > 0 ? (uint64_t)late / 1000 >> 3 : 0;
    uint32_t more = 0;
    size_t needed = LEAST;
    while (more + 1 < r->count) {
        const hf_range *const above = &r->at[r->count - 1 - more], *const one = above - 1;
        needed += hf_varint_length(above->from - one->to - 1) + hf_varint_length(one->to - one->from - 1);
        if (needed > room(p))
            break;
        more++;
    }
    const uint64_t head[] = { last.to - 1, delay, more, last.to - last.from - 1 };
    hf_frame_write_numbers(&p->w, marks ? 3 : 2, head, 4);
    for (uint32_t i = 0; i < more; i++) {
        const hf_range *const above = &r->at[r->count - 1 - i], *const one = above - 1;
        hf_write_varint(&p->w, above->from - one->to - 1);
        hf_write_varint(&p->w, one->to - one->from - 1);
    }
    if (marks) {
        hf_write_varint(&p->w, s->marks[1]);
        hf_write_varint(&p->w, s->marks[0]);
        hf_write_varint(&p->w, s->marks[2]);
    }
    note(p, HF_FRAME_ACK, last.to - 1, 0, 0, false);
    s->unacked = 0;
    s->ack_at = HF_NEVER;
}

static bool put_crypto(packet *p)
{
    hf_send *const out = &p->space->hello_out;
    uint64_t offset;
    size_t length;
    bool fin;
    while (can_note(p) && room(p) > HF_FRAME_CRYPTO_HEADER + 8 &&
           hf_send_next(out, UINT64_MAX, room(p) - HF_FRAME_CRYPTO_HEADER, &offset, &length, &fin)) {
        hf_frame_write_crypto(&p->w, offset, length);
        hf_send_copy(out, offset, length, p->w.ptr + p->w.length);
        p->w.length += length;
        if (!hf_send_sent(out, &p->q->env->alloc, offset, length, false))
            return hf_quic_no_memory(p->q);
        note(p, HF_FRAME_CRYPTO, 0, offset, length, false);
    }
    return true;
}

static void put_new_ids(packet *p)
{
    for (unsigned i = 0; i < HF_QUIC_OUR_IDS; i++) {
        hf_our_id *const id = &p->q->our_ids[i];
        uint8_t token[HF_QUIC_RESET_TOKEN];
        if (!id->on || !id->due || room(p) < 1 + 8 + 1 + 1 + HF_QUIC_CID_MOST + HF_QUIC_RESET_TOKEN || !can_note(p))
            continue;
        if (!hf_quic_reset_token(p->q->ep, &id->cid, token))
            return;
        const uint64_t numbers[] = { id->sequence, 0 };
        hf_frame_write_numbers(&p->w, 0x18, numbers, 2);
        hf_write_byte(&p->w, id->cid.length);
        hf_write(&p->w, hf_cid_bytes(&id->cid));
        hf_write(&p->w, hf_bytes_make(token, sizeof token));
        note(p, HF_FRAME_NEW_CONNECTION_ID, id->sequence, 0, 0, false);
        id->due = false;
    }
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A limit that was told and lost is told again, even where it has not grown since: the peer may wait for just that. */
static void put_limits(packet *p)
{
    hf_quic *const q = p->q;
    if (q->window_due) {
        const uint64_t limit = larger(q->taken_bytes + q->window, q->receive_allowed);
        if (put_numbers(p, 0x10, &limit, 1)) {
            q->receive_allowed = limit;
            note(p, HF_FRAME_MAX_DATA, 0, limit, 0, false);
            q->window_due = false;
        }
    }
    for (unsigned k = 0; k < 2; k++)
        if (q->streams_due[k] && put_numbers(p, 0x12 + k, &q->peer_may[k], 1)) {
            q->peer_told[k] = q->peer_may[k];
            note(p, HF_FRAME_MAX_STREAMS, k, q->peer_may[k], 0, false);
            q->streams_due[k] = false;
        }
}

static void put_token(packet *p)
{
    const hf_span token = hf_queue_peek(&p->q->new_token);
    if (token.len == 0 || room(p) < 3 + token.len || !can_note(p)) {
        p->q->token_due &= token.len > 0;
        return;
    }
    hf_write_byte(&p->w, 0x07);
    hf_write_varint(&p->w, token.len);
    hf_write(&p->w, hf_bytes_make(token.ptr, token.len));
    note(p, HF_FRAME_NEW_TOKEN, 0, 0, 0, false);
    p->q->token_due = false;
}

/* What the connection owes as a whole. */
static void put_control(packet *p)
{
    hf_quic *const q = p->q;
    if (q->done_due && put_numbers(p, 0x1e, NULL, 0)) {
        note(p, HF_FRAME_HANDSHAKE_DONE, 0, 0, 0, false);
        q->done_due = false;
    }
    for (unsigned i = 0; i < q->retire_count; i++)
        if (!q->retire->sent[i] && put_numbers(p, 0x19, &q->retire->due[i], 1)) {
            note(p, HF_FRAME_RETIRE_CONNECTION_ID, q->retire->due[i], 0, 0, false);
            q->retire->sent[i] = true;
        }
    put_limits(p);
    put_new_ids(p);
    if (q->token_due)
        put_token(p);
    if (q->ping_due && put_numbers(p, 0x01, NULL, 0)) {
        note(p, HF_FRAME_PING, 0, 0, 0, false);
        q->ping_due = false;
    }
}

/* RFC 9221 5: they need not arrive. One that was taken while packets were larger fits no more, and those behind it do. */
static void put_datagrams(packet *p)
{
    hf_datagrams *const out = &p->q->datagrams_out;
    while (out->first != NULL && can_note(p)) {
        hf_datagram *const d = out->first;
        if (d->length > hf_quic_datagram_most(p->q)) {
            hf_datagram_free(hf_datagrams_pop(out), &p->q->env->alloc);
            continue;
        }
        if (room(p) < 3 + d->length)
            return;
        hf_write_byte(&p->w, 0x31);
        hf_write_varint(&p->w, d->length);
        hf_write(&p->w, hf_bytes_make(d->bytes, d->length));
        note(p, HF_FRAME_DATAGRAM, 0, 0, d->length, false);
        hf_datagram_free(hf_datagrams_pop(out), &p->q->env->alloc);
    }
}

/* What a stream owes beside its data. */
static void put_stream_control(packet *p, hf_stream *s)
{
    if (s->due & HF_DUE_STOP) {
        const uint64_t numbers[] = { s->id, s->stop_code };
        if (put_numbers(p, 0x05, numbers, 2)) {
            note(p, HF_FRAME_STOP_SENDING, s->id, 0, 0, false);
            s->due &= (uint8_t)~HF_DUE_STOP;
        }
    }
    if (s->due & HF_DUE_RESET) {
        const uint64_t numbers[] = { s->id, s->reset_code, s->out->next };
        if (put_numbers(p, 0x04, numbers, 3)) {
            note(p, HF_FRAME_RESET_STREAM, s->id, 0, 0, false);
            s->due &= (uint8_t)~HF_DUE_RESET;
        }
    }
    if (s->due & HF_DUE_WINDOW) {
        const uint64_t limit = larger(s->in->read + s->window, s->receive_allowed);
        const uint64_t numbers[] = { s->id, limit };
        if (put_numbers(p, 0x11, numbers, 2)) {
            s->receive_allowed = limit;
            note(p, HF_FRAME_MAX_STREAM_DATA, s->id, limit, 0, false);
            s->due &= (uint8_t)~HF_DUE_WINDOW;
        }
    }
}

/* One run of a stream's data. False: memory ended. *did: something was written. */
static bool put_stream_data(packet *p, hf_stream *s, bool *did)
{
    hf_quic *const q = p->q;
    uint64_t offset;
    size_t length;
    bool fin;
    *did = false;
    if ((s->sending != HF_LANE_OPEN && s->sending != HF_LANE_SIZED) || !can_note(p) || room(p) <= HF_FRAME_STREAM_HEADER ||
        !hf_send_is_ready(s->out, hf_stream_may_send(q, s)) ||
        !hf_send_next(s->out, hf_stream_may_send(q, s), room(p), &offset, &length, &fin))
        return true;
    /* Data that fills the packet needs no length, and packets that are filled are of one size: GSO wants that. */
    const size_t most = room(p) - hf_frame_stream_header(s->id, offset);
    const size_t end = length;
    length = length < most ? length : most;
    fin = fin && length == end;
    const bool counted = length + hf_varint_length(length) <= most;
    while (!counted && room(p) > hf_frame_stream_header(s->id, offset) + length)
        hf_write_byte(&p->w, 0); /* PADDING: a byte or two */
    hf_frame_write_stream(&p->w, s->id, offset, length, fin, counted);
    hf_send_copy(s->out, offset, length, p->w.ptr + p->w.length);
    p->w.length += length;
    const uint64_t before = s->out->next;
    if (!hf_send_sent(s->out, &q->env->alloc, offset, length, fin))
        return hf_quic_no_memory(q);
    q->sent_bytes += s->out->next - before;
    HF_ASSERT(q->sent_bytes <= q->send_allowed && s->out->next <= s->send_allowed);
    note(p, HF_FRAME_STREAM, s->id, offset, length, fin);
    *did = true;
    return true;
}

static bool put_streams(packet *p)
{
    hf_quic *const q = p->q;
    for (unsigned u = 0; u < HF_QUIC_URGENCIES; u++)
        while (!hf_list_is_empty(&q->sendable[u])) {
            hf_stream *const s = (hf_stream *)q->sendable[u].next;
            const unsigned noted = p->noted;
            bool did;
            put_stream_control(p, s);
            if (!put_stream_data(p, s, &did))
                return false;
            hf_link_leave(&s->sendable);
            hf_stream_touch(q, s); /* to the back, if there is more */
            if (!s->turns && did && hf_link_is_in(&s->sendable)) {
                hf_link_leave(&s->sendable);
                hf_list_push(q->sendable[u].next, &s->sendable); /* before the first: it goes on to its end */
            }
            if (noted == p->noted && hf_link_is_in(&s->sendable))
                return true; /* the packet is full */
        }
    return true;
}

/* Does the space have anything that elicits an acknowledgement? */
static bool has_eliciting(const hf_quic *q, hf_level level)
{
    const hf_quic_space *const s = q->spaces[level];
    if (hf_send_is_ready(&s->hello_out, UINT64_MAX) || s->probes > 0)
        return true;
    if (level != HF_LEVEL_APPLICATION)
        return false;
    for (unsigned i = 0; i < HF_QUIC_URGENCIES; i++)
        if (!hf_list_is_empty(&q->sendable[i]))
            return hf_quic_is_usable(q);
    for (unsigned i = 0; i < q->retire_count; i++)
        if (!q->retire->sent[i])
            return true;
    for (unsigned i = 0; i < HF_QUIC_OUR_IDS; i++)
        if (q->our_ids[i].on && q->our_ids[i].due)
            return true;
    return q->done_due || q->ping_due || q->token_due || q->window_due || q->streams_due[0] || q->streams_due[1] ||
           q->datagrams_out.first != NULL;
}

static bool has_ack(const hf_quic *q, hf_level level)
{
    return q->spaces[level]->ack_at.ns <= q->now.ns;
}

static void write_header(packet *p)
{
    hf_quic *const q = p->q;
    const hf_their_id *const to = hf_quic_their_id(q, hf_quic_route(q)->id);
    const uint64_t number = p->space->sent.next;
    const hf_span token = hf_queue_peek(&q->token);
    HF_ASSERT(to != NULL);
    p->d.number_length = hf_quic_number_length(number, p->space->largest_acked);
    if (p->level == HF_LEVEL_APPLICATION && !p->d.early) {
        hf_write_byte(&p->w, (uint8_t)(0x40 | (q->spins && q->spin ? 0x20 : 0) | (q->write_phase ? 4 : 0) | (p->d.number_length - 1)));
        hf_write(&p->w, hf_cid_bytes(&to->cid));
    } else {
        const hf_quic_kind kind = p->d.early ? HF_QUIC_ZERO_RTT : p->level == HF_LEVEL_INITIAL ? HF_QUIC_INITIAL : HF_QUIC_HANDSHAKE;
        /* RFC 9369 4.1: 0-RTT packets are of the version in which the connection began */
        hf_quic_write_long(&p->w, p->d.early ? q->first_version : q->version, kind, p->d.number_length, &to->cid,
                           &q->our_ids[0].cid, hf_bytes_make(token.ptr, q->server ? 0 : token.len), &p->d.length_at);
    }
    p->d.number_at = p->w.length;
    hf_write_number(&p->w, number, p->d.number_length);
}

/* A number is left out now and then: who acknowledges it did not wait for the packet (RFC 9000 21.4). */
static bool skip_number(hf_quic *q, hf_quic_space *s)
{
    if (s != q->spaces[HF_LEVEL_APPLICATION] || s->sent.next != q->skip_next)
        return true;
    if (!hf_sent_reserve(&s->sent, &q->env->alloc, 0))
        return hf_quic_no_memory(q);
    const hf_sent_packet nothing = { .at = q->now, .state = HF_SENT_SKIPPED };
    hf_sent_push(&s->sent, &nothing);
    q->skip_next = s->sent.next + 64 + hf_random_below(q->env->random, 1024);
    return true;
}

static bool begin_packet(packet *p, hf_quic *q, hf_level level, const datagram *dg)
{
    hf_quic_space *const s = q->spaces[level];
    *p = (packet){ .q = q, .space = s, .level = level, .w = { dg->bytes, dg->most - HF_QUIC_TAG, dg->length, false } };
    p->d = (draft){ .level = level, .start = dg->length, .frames_from = s->sent.next_frame, .early = !s->write.on };
    if (!skip_number(q, s))
        return false;
    if (!hf_sent_reserve(&s->sent, &q->env->alloc, HF_QUIC_FRAMES_MOST))
        return hf_quic_no_memory(q);
    p->d.frames_from = s->sent.next_frame;
    write_header(p);
    return true;
}

static void end_packet(packet *p, datagram *dg)
{
    /* RFC 9001 5.4.2: there must be a sample behind the number */
    while (p->w.length < p->d.number_at + 4)
        hf_write_byte(&p->w, 0);
    p->d.length = p->w.length - p->d.start;
    dg->length = p->w.length + HF_QUIC_TAG;
    dg->initial |= p->level == HF_LEVEL_INITIAL;
    dg->initial_eliciting |= p->level == HF_LEVEL_INITIAL && p->d.eliciting;
    dg->drafts[dg->count++] = p->d;
}

/* Adds a packet of this level. False: the connection failed. */
static bool add_packet(hf_quic *q, datagram *dg, hf_level level, bool may_elicit)
{
    hf_quic_space *const s = q->spaces[level];
    const bool elicit = may_elicit && has_eliciting(q, level);
    enum { LEAST = 1 + 4 + 2 * (1 + HF_QUIC_CID_MOST) + 2 + 2 + 4 + HF_QUIC_TAG + 64, ALONE = 32 };
    const bool early = level == HF_LEVEL_APPLICATION && !s->write.on && hf_quic_early_writes(q) != NULL;
    if ((!s->write.on && !early) || dg->length + LEAST + hf_queue_length(&q->token) > dg->most || (!elicit && (early || !has_ack(q, level))))
        return true;
    packet p;
    if (!begin_packet(&p, q, level, dg))
        return false;
    if (!early && (s->unacked > 0 || has_ack(q, level)))
        put_ack(&p);
    if (s->alone >= ALONE && level == HF_LEVEL_APPLICATION && s->received.count > 1 && put_numbers(&p, 0x01, NULL, 0))
        note(&p, HF_FRAME_PING, 0, 0, 0, false); /* RFC 9000 13.2.4: now and then, so that old ranges can be forgotten */
    if (elicit) {
        if (!put_crypto(&p))
            return false;
        if (level == HF_LEVEL_APPLICATION) {
            put_control(&p);
            put_datagrams(&p);
            if (hf_quic_is_usable(q) && !put_streams(&p))
                return false;
        }
        if (s->probes > 0 && !p.d.eliciting && put_numbers(&p, 0x01, NULL, 0))
            note(&p, HF_FRAME_PING, 0, 0, 0, false);
        p.d.probe = s->probes > 0 && p.d.eliciting;
        s->probes -= p.d.probe;
    }
    if (p.noted > 0)
        end_packet(&p, dg);
    return true;
}

/* ---- a datagram --------------------------------------------------------------------------------------------- */

/* The last packet grows to fill the datagram. */
static void pad(datagram *dg, size_t to)
{
    draft *const last = &dg->drafts[dg->count - 1];
    if (dg->length >= to)
        return;
    memset(dg->bytes + dg->length - HF_QUIC_TAG, 0, to - dg->length);
    last->length += to - dg->length;
    last->padded = true;
    dg->length = to;
}

static bool worn(const hf_quic *q)
{
    return q->sealed >= q->env->limits->quic_key_packets && q->spaces[HF_LEVEL_APPLICATION]->write.aead.kind != HF_AEAD_CHACHA20_POLY1305;
}

static bool seal(hf_quic *q, datagram *dg, const hf_route *r)
{
    const bool on_route = r == hf_quic_route(q);
    for (unsigned i = 0; i < dg->count; i++) {
        draft *const d = &dg->drafts[i];
        hf_quic_space *const s = q->spaces[d->level];
        uint8_t *const at = dg->bytes + d->start;
        if (d->length_at > 0)
            hf_put_varint2(dg->bytes + d->length_at, d->start + d->length + HF_QUIC_TAG - d->number_at);
        const uint64_t number = s->sent.next;
        hf_quic_keys *const keys = d->early ? hf_quic_early_writes(q) : &s->write;
        if (!hf_quic_seal(keys, number, at, d->number_at - d->start, d->number_length, d->length))
            return hf_quic_no_memory(q);
        const hf_sent_packet sent = { .at = q->now, .size = (uint16_t)(d->length + HF_QUIC_TAG),
                                      /* nobody waits for what is acknowledgements alone: they are not acknowledged */
                                      .state = d->eliciting || (on_route && d->padded) ? HF_SENT_OUT : HF_SENT_ACKED, .era = q->era,
                                      .eliciting = d->eliciting, .in_flight = on_route && (d->eliciting || d->padded), .marked = q->ecn,
                                      .sizing = d->sizing };
        hf_sent_push(&s->sent, &sent);
        hf_sent_trim(&s->sent);
        s->alone = d->eliciting ? 0 : s->alone + 1;
        s->ect_sent += q->ecn;
        q->packets_sent++;
        q->sealed += d->level == HF_LEVEL_APPLICATION;
        if (sent.in_flight)
            q->in_flight += sent.size;
        if (d->eliciting)
            s->eliciting_at = q->now;
        hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_SENT, number << 2 | (d->early ? 3 : d->level), sent.size);
        /* RFC 9001 4.9.1: a client is done with Initial packets when it first sends a Handshake packet */
        if (d->level == HF_LEVEL_HANDSHAKE && !q->server)
            hf_quic_discard(q, HF_LEVEL_INITIAL);
    }
    if (worn(q) && q->confirmed && q->update_confirmed)
        (void)hf_quic_update_keys(q, q->now);
    return true;
}

/* Nothing that elicits leaves beyond the window, but for probes. */
static bool may_elicit(hf_quic *q, size_t bytes)
{
    for (unsigned i = 0; i < HF_LEVEL_COUNT; i++)
        if (q->spaces[i]->probes > 0)
            return true;
    return q->in_flight + bytes <= hf_congestion_window(&q->congestion) && hf_pacer_room(&q->pacer, q->now) >= bytes;
}

static bool has_anything(hf_quic *q)
{
    for (unsigned i = 0; i < HF_LEVEL_COUNT; i++)
        if ((q->spaces[i]->write.on || (i == HF_LEVEL_APPLICATION && hf_quic_early_writes(q) != NULL)) && has_eliciting(q, (hf_level)i))
            return true;
    return false;
}

/* One datagram for the path in use; its length, 0 when there is nothing to say or it may not be said. */
static size_t build(hf_quic *q, uint8_t *bytes, size_t most)
{
    hf_route *const r = hf_quic_route(q);
    const uint64_t allowed = hf_quic_route_room(q, r);
    datagram dg = { .bytes = bytes, .most = allowed < most ? (size_t)allowed : most };
    /* half a datagram is not worth an AEAD, and an Initial must be padded */
    if (allowed < most && allowed < HF_QUIC_DATAGRAM_LEAST)
        return 0;
    const bool elicit = may_elicit(q, dg.most);
    q->limited = !elicit && has_anything(q);
    q->pace_at = HF_NEVER;
    if (q->limited && q->in_flight + dg.most <= hf_congestion_window(&q->congestion))
        q->pace_at = hf_time_make(hf_pacer_when(&q->pacer, q->now, dg.most).ns > q->now.ns ? hf_pacer_when(&q->pacer, q->now, dg.most).ns : q->now.ns + 1000);
    for (unsigned level = dg.most >= HF_QUIC_DATAGRAM_LEAST ? HF_LEVEL_INITIAL : HF_LEVEL_HANDSHAKE; level < HF_LEVEL_COUNT; level++)
        if (!add_packet(q, &dg, (hf_level)level, elicit))
            return 0;
    if (dg.count == 0)
        return 0;
    /* RFC 9000 14.1 */
    if (dg.initial && (!q->server || dg.initial_eliciting))
        pad(&dg, HF_QUIC_DATAGRAM_LEAST);
    bool eliciting = false;
    for (unsigned i = 0; i < dg.count; i++)
        eliciting |= dg.drafts[i].eliciting;
    if (!seal(q, &dg, r))
        return 0;
    if (eliciting) {
        hf_pacer_sent(&q->pacer, dg.length);
        if (!q->sent_since) { /* RFC 9000 10.1: the first since the last packet came moves the idle timeout */
            q->sent_since = true;
            const hf_time since = q->now;
            const int64_t idle = HF_MILLISECONDS(q->theirs.idle_ms > 0 && q->theirs.idle_ms < q->ours.idle_ms ? q->theirs.idle_ms : q->ours.idle_ms);
            q->idle_at = hf_time_after(since, idle);
        }
    }
    r->sent += dg.length;
    return dg.length;
}

/* A datagram larger than is known to pass: a PING and nothing that would be missed (RFC 9000 14.4). */
static size_t build_sizing(hf_quic *q, uint8_t *bytes, size_t size)
{
    datagram dg = { .bytes = bytes, .most = size };
    packet p;
    if (!hf_quic_route(q)->validated || !may_elicit(q, size) || !begin_packet(&p, q, HF_LEVEL_APPLICATION, &dg))
        return 0;
    (void)put_numbers(&p, 0x01, NULL, 0);
    note(&p, HF_FRAME_PING, 0, 0, 0, false);
    p.d.sizing = true;
    end_packet(&p, &dg);
    pad(&dg, size);
    if (!seal(q, &dg, hf_quic_route(q)))
        return 0;
    hf_quic_mtu_sent(q);
    hf_pacer_sent(&q->pacer, dg.length);
    hf_quic_route(q)->sent += dg.length;
    return dg.length;
}

/* ---- other paths -------------------------------------------------------------------------------------------- */

/* What a challenge and answers need at least, header and tag included. */
static size_t probe_least(const hf_route *r)
{
    return 1 + HF_QUIC_CID_MOST + 4 + HF_QUIC_TAG + 9u * (r->answer_count + r->challenge_due);
}

/* Challenges and answers: a datagram of their own. RFC 9000 8.2.1: it is padded to 1200 bytes "unless the anti-amplification
 * limit for the path does not permit sending a datagram of this size": then it is as small as can be, because a peer that
 * only receives lets us have but little. */
static size_t build_probe(hf_quic *q, hf_route *r, uint8_t *bytes, size_t most)
{
    const uint64_t allowed = hf_quic_route_room(q, r);
    datagram dg = { .bytes = bytes, .most = most < HF_QUIC_DATAGRAM_LEAST ? most : HF_QUIC_DATAGRAM_LEAST };
    const uint8_t in_use = q->route;
    packet p;
    if (allowed < probe_least(r))
        return 0;
    dg.most = allowed < dg.most ? probe_least(r) : dg.most;
    q->route = (uint8_t)(r - q->routes); /* the header takes its id */
    const bool begun = hf_quic_their_id(q, r->id) != NULL && begin_packet(&p, q, HF_LEVEL_APPLICATION, &dg);
    q->route = in_use;
    if (!begun)
        return 0;
    for (unsigned i = 0; i < r->answer_count; i++) {
        hf_write_byte(&p.w, 0x1b);
        hf_write(&p.w, hf_bytes_make(r->answers[i], 8));
        note(&p, HF_FRAME_PATH_RESPONSE, 0, 0, 0, false);
    }
    r->answer_count = 0;
    if (r->challenge_due) {
        hf_write_byte(&p.w, 0x1a);
        hf_write(&p.w, hf_bytes_make(r->challenge, 8));
        note(&p, HF_FRAME_PATH_CHALLENGE, 0, 0, 0, false);
        r->challenge_due = false;
        r->challenged = true;
        /* RFC 9000 8.2.1: not "more frequently than it would send an Initial packet", which is ever more seldom */
        r->challenge_at = hf_time_after(q->now, hf_quic_timeout_ns(q, HF_LEVEL_APPLICATION) << (r->challenges < 8 ? r->challenges : 8));
        if (r->challenges < UINT8_MAX)
            r->challenges++;
    }
    HF_ASSERT(!p.w.overflowed);
    end_packet(&p, &dg);
    pad(&dg, dg.most);
    if (!seal(q, &dg, r))
        return 0;
    r->sent += dg.length;
    return dg.length;
}

static hf_route *probe_due(hf_quic *q)
{
    if (!q->spaces[HF_LEVEL_APPLICATION]->write.on || !q->hello_done)
        return NULL;
    for (unsigned i = 0; i < q->route_count; i++)
        if (q->routes[i].on && (q->routes[i].challenge_due || q->routes[i].answer_count > 0) &&
            hf_quic_route_room(q, &q->routes[i]) >= probe_least(&q->routes[i]))
            return &q->routes[i];
    return NULL;
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

/* CONNECTION_CLOSE at every level that the peer may read (RFC 9000 10.2.3). */
static size_t build_close(hf_quic *q, uint8_t *bytes, size_t most)
{
    hf_route *const r = hf_quic_route(q);
    const uint64_t allowed = hf_quic_route_room(q, r);
    datagram dg = { .bytes = bytes, .most = allowed < most ? (size_t)allowed : most };
    q->close_due = false;
    for (unsigned level = 0; level < HF_LEVEL_COUNT; level++) {
        const hf_quic_space *const s = q->spaces[level];
        const bool plain = q->fault.application && level == HF_LEVEL_APPLICATION;
        const size_t said = plain ? q->fault.reason_length : 0;
        packet p;
        if (!s->write.on || dg.length + 160 + said + hf_queue_length(&q->token) > dg.most || (q->confirmed && level < HF_LEVEL_APPLICATION))
            continue;
        if (!begin_packet(&p, q, (hf_level)level, &dg))
            return 0;
        /* RFC 9000 10.2.3: an application's error is not told before the handshake is complete */
        const uint64_t code = q->fault.application && !plain ? HF_QUIC_APPLICATION_ERROR : q->fault.code;
        const uint64_t numbers[] = { code, plain ? said : q->fault.frame, 0 };
        hf_frame_write_numbers(&p.w, plain ? 0x1d : 0x1c, numbers, plain ? 2 : 3);
        hf_write(&p.w, hf_bytes_make(q->fault.reason, said));
        end_packet(&p, &dg);
    }
    if (dg.count == 0)
        return 0;
    if (dg.initial && !q->server)
        pad(&dg, HF_QUIC_DATAGRAM_LEAST);
    if (!seal(q, &dg, r))
        return 0;
    r->sent += dg.length;
    return dg.length;
}

/* ---- batches ------------------------------------------------------------------------------------------------ */

static void give(hf_quic *q, hf_out *out, hf_quic_output *output, const hf_route *r, const uint8_t *at, size_t length, size_t segment, unsigned count)
{
    out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(at, length) };
    out->scratch_used += length;
    out->bytes += length;
    out->path = (uint32_t)(r - q->routes);
    out->ecn = q->ecn ? 2 : 0;
    out->segment = count > 1 ? (uint16_t)segment : 0;
    *output = (hf_quic_output){ r->path, out->ecn, out->segment, (uint32_t)length };
    q->bytes_sent += length;
}

/* Behind a full batch little is left, and whoever is told that there is room again has more: one full batch is cheaper than two. It
 * is only put off: until the application was asked, or for a moment. */
static bool waits_for_more(hf_quic *q)
{
    const bool waits = q->refill && !hf_list_is_empty(&q->telling);
    q->refill = false;
    if (waits)
        q->pace_at = hf_time_after(q->now, HF_MILLISECONDS(1));
    return waits;
}

/* Datagrams for the way in use, one after another. */
static size_t build_batch(hf_quic *q, uint8_t *at, size_t space, size_t length, size_t *segment, unsigned *count)
{
    enum { BATCH = 64, BYTES = 65000 };
    while (length == *segment * *count && *count < BATCH && q->state < HF_QUIC_CLOSING) {
        const size_t most = *segment > 0 ? *segment : q->datagram_bytes;
        q->refill = length + most > space || length + most > BYTES;
        if (q->refill)
            break;
        const size_t n = build(q, at + length, most);
        if (n == 0)
            break;
        *segment = *segment > 0 ? *segment : n;
        length += n;
        (*count)++;
    }
    return length;
}

bool hf_quic_emit(hf_quic *q, hf_time now, hf_out *out, hf_quic_output *output)
{
    uint8_t *const at = out->scratch + out->scratch_used;
    const size_t space = out->scratch_capacity - out->scratch_used < out->room ? out->scratch_capacity - out->scratch_used : (size_t)out->room;
    size_t length = 0, segment = 0;
    unsigned count = 0;
    q->now = now;
    if (out->count == out->capacity || space < q->datagram_bytes)
        return false;
    hf_route *r = hf_quic_route(q);
    if (q->state == HF_QUIC_CLOSING) {
        length = q->close_due ? build_close(q, at, q->datagram_bytes) : 0;
    } else if (q->state < HF_QUIC_CLOSING) {
        hf_route *const other = probe_due(q);
        if (other != NULL && (length = build_probe(q, other, at, q->datagram_bytes)) > 0)
            r = other;
        const size_t larger_one = length == 0 && has_anything(q) ? hf_quic_mtu_due(q) : 0;
        if (larger_one > 0 && larger_one <= space)
            length = segment = build_sizing(q, at, larger_one);
        if (r == hf_quic_route(q) && !waits_for_more(q))
            length = build_batch(q, at, space, length, &segment, &count);
    }
    if (length > 0) {
        hf_quic_busy(q);
        give(q, out, output, r, at, length, segment, count);
    }
    hf_streams_uncrowd(q);
    return length > 0;
}
