/* SPDX-License-Identifier: Apache-2.0
 *
 * Two QUIC endpoints and a seeded network between them: delay, loss, duplication, reordering, corruption, marks, a cut; and
 * an application on each side that sends and checks patterned bytes. Invariants are held after every datagram.
 */
#ifndef HF_TESTS_QUIC_RIG_H
#define HF_TESTS_QUIC_RIG_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <handfast/quic.h>

#include "crypto_core.h"
#include "quic_core.h"
#include "random.h"
#include "identities_generated.h"

enum { RIG_FLIGHT = 4096, RIG_LANES = 64 };

typedef struct rig_packet {
    hf_time at;
    uint64_t order;
    hf_quic_path path; /* as the receiver sees it */
    uint8_t ecn;
    bool to_server;
    size_t length;
    uint8_t *bytes;
} rig_packet;

/* A lane as its application sees it. */
typedef struct rig_lane {
    hf_lane id;
    bool known, fin, reset, stopped, sent_fin;
    uint64_t code;
    uint64_t read;      /* bytes read and found right */
    uint64_t to_send, sent;
} rig_lane;

typedef struct rig_end {
    hf_quic_endpoint *ep;
    hf_quic *q;
    rig_lane lanes[RIG_LANES];
    hf_step last;
    bool early, rejected, opened, confirmed, hold, no_read, no_sign;
    bool keeps;         /* an open connection, when a late copy of its first packet begins another */
    unsigned streams_events, moved, released, datagrams, accepted;
    uint64_t released_last;
    uint8_t session[2048], token[256];
    size_t session_length, token_length;
    uint64_t echo;      /* server: answers each two-way lane with so many bytes */
    hf_bytes datagram;
    uint8_t datagram_bytes[1500];
} rig_end;

typedef struct rig {
    hf_test_world w;
    hf_random entropy, chance;
    hf_crypto *crypto;
    hf_tls_identity identity;
    hf_tls_config tls[2];
    hf_tls_ticket_key ticket;
    hf_bytes protocol;
    hf_quic_config config[2]; /* server, client */
    rig_end server, client;
    hf_quic_address server_address, client_address, nat; /* nat: what the server sees of the client when its port is not 0 */
    hf_time now;
    rig_packet *flight;
    size_t flying;
    uint64_t order;
    /* the network; chances in millionths */
    uint32_t loss, doubled, late, corrupt, marked;
    int64_t delay_ns;
    bool cut;
    size_t mtu;               /* longer datagrams vanish; 0: none do */
    unsigned lose_next;       /* so many datagrams, whoever sends them */
    bool (*filter)(struct rig *r, rig_packet *p); /* false: it is lost */
    uint64_t sent_to_client, sent_to_server, datagrams_to_server;
    hf_quic_address victim;   /* port not 0: what is sent there is counted, and nobody answers */
    uint64_t from_victim, to_victim;
    hf_trace_hash hash;
} rig;

[[maybe_unused]] static void rig_fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

[[maybe_unused]] static uint8_t rig_byte(hf_lane lane, uint64_t at, bool by_server)
{
    return (uint8_t)(at * 31 + at / 251 + lane * 7 + by_server);
}

[[maybe_unused]] static void rig_open(rig *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    hf_test_world_init(&r->w, seed);
    hf_random_seed(&r->entropy, seed);
    hf_random_seed(&r->chance, seed + 1);
    hf_trace_hash_init(&r->hash);
    r->w.env.trace = &r->hash.sink;
    const hf_entropy entropy = { rig_fill, &r->entropy };
    r->crypto = hf_crypto_new(&r->w.env, &entropy);
    assert_non_null(r->crypto);
    assert_int_equal(hf_chain_load(r->crypto, hf_text(identity_p256_pem), &r->identity.chain).code, 0);
    assert_int_equal(hf_key_load(r->crypto, hf_text(identity_p256_key), &r->identity.key).code, 0);
    r->protocol = hf_text("test");
    memset(&r->ticket, 9, sizeof r->ticket);
    r->tls[0] = (hf_tls_config){ .crypto = r->crypto, .identities = &r->identity, .identity_count = 1, .protocols = &r->protocol,
                                 .protocol_count = 1, .ticket_keys = &r->ticket, .ticket_key_count = 1 };
    r->tls[1] = (hf_tls_config){ .crypto = r->crypto, .protocols = &r->protocol, .protocol_count = 1 };
    for (int i = 0; i < 2; i++)
        r->config[i] = (hf_quic_config){ .tls = &r->tls[i], .secret = { (uint8_t)(i + 1) }, .thread = (uint8_t)i, .machine = 77, .accept = i == 0 };
    r->server_address = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 192, 0, 2, 1 }, .port = 443 };
    r->client_address = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 192, 0, 2, 9 }, .port = 50000 };
    r->now = hf_time_make(HF_SECONDS(1000));
    r->delay_ns = HF_MILLISECONDS(10);
    r->flight = malloc(RIG_FLIGHT * sizeof *r->flight);
}

/* Endpoints and a connection under way. */
[[maybe_unused]] static void rig_start_with(rig *r, hf_bytes session, hf_bytes token)
{
    if (r->server.ep == NULL)
        r->server.ep = hf_quic_endpoint_new(&r->w.env, &r->config[0], r->now);
    if (r->client.ep == NULL)
        r->client.ep = hf_quic_endpoint_new(&r->w.env, &r->config[1], r->now);
    assert_true(r->server.ep != NULL && r->client.ep != NULL);
    const hf_quic_target target = { { r->client_address, r->server_address }, hf_text("localhost"), session, token };
    hf_err err;
    r->client.q = hf_quic_connect(r->client.ep, r->now, &target, &r->client, &err);
    assert_int_equal(err.code, 0);
}

[[maybe_unused]] static void rig_start(rig *r)
{
    rig_start_with(r, hf_text(""), hf_text(""));
}

[[maybe_unused]] static void rig_close(rig *r)
{
    hf_quic_endpoint_free(r->server.ep);
    hf_quic_endpoint_free(r->client.ep);
    for (size_t i = 0; i < r->flying; i++)
        free(r->flight[i].bytes);
    free(r->flight);
    hf_chain_free(r->identity.chain);
    hf_key_free(r->identity.key);
    hf_crypto_free(r->crypto);
    hf_test_world_fini(&r->w);
}

[[maybe_unused]] static rig_lane *rig_lane_of(rig_end *e, hf_lane id)
{
    for (size_t i = 0; i < RIG_LANES; i++)
        if (e->lanes[i].known && e->lanes[i].id == id)
            return &e->lanes[i];
    for (size_t i = 0; i < RIG_LANES; i++)
        if (!e->lanes[i].known) {
            e->lanes[i] = (rig_lane){ .id = id, .known = true };
            return &e->lanes[i];
        }
    fail_msg("too many lanes for the rig");
    return NULL;
}

/* ---- applications ------------------------------------------------------------------------------------------- */

[[maybe_unused]] static void rig_pump(rig *r, rig_end *e, rig_lane *l)
{
    uint8_t block[5000];
    while (l->sent < l->to_send) {
        const size_t n = l->to_send - l->sent < sizeof block ? (size_t)(l->to_send - l->sent) : sizeof block;
        for (size_t i = 0; i < n; i++)
            block[i] = rig_byte(l->id, l->sent + i, e == &r->server);
        const hf_extent extent = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(block, n) };
        const uint64_t took = hf_quic_put(e->q, l->id, &extent, 1);
        l->sent += took;
        if (took < n)
            return;
    }
    if (!l->sent_fin && l->to_send > 0) {
        l->sent_fin = true;
        (void)hf_quic_end(e->q, l->id, (hf_ending){ HF_ENDING_FIN, 0 }).code;
    }
}

[[maybe_unused]] static void rig_read(rig *r, rig_end *e, rig_lane *l)
{
    const hf_span s = hf_quic_peek(e->q, l->id);
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != rig_byte(l->id, l->read + i, e == &r->client))
            fail_msg("lane %d: byte %d is wrong", (int)l->id, (int)(l->read + i));
    l->read += s.len;
    hf_quic_take(e->q, l->id, s.len);
}

[[maybe_unused]] static void rig_event(rig *r, rig_end *e, const hf_quic_event *event)
{
    rig_lane *const l = event->kind == HF_QUIC_STREAM || event->kind == HF_QUIC_READABLE || event->kind == HF_QUIC_WRITABLE ||
                        event->kind == HF_QUIC_ENDED ? rig_lane_of(e, event->lane) : NULL;
    switch (event->kind) {
    case HF_QUIC_WANT_SIGN:
        if (!e->no_sign)
            hf_quic_sign_here(e->q, r->now, event);
        break;
    case HF_QUIC_WANT_VERIFY:
        assert_true(hf_chain_length(event->tls.chain) > 0);
        hf_quic_answer_verify(e->q, r->now, HF_OK);
        break;
    case HF_QUIC_EARLY: e->early = true; break;
    case HF_QUIC_EARLY_REJECTED:
        e->rejected = true;
        memset(e->lanes, 0, sizeof e->lanes);
        break;
    case HF_QUIC_OPENED: e->opened = true; break;
    case HF_QUIC_CONFIRMED: e->confirmed = true; break;
    case HF_QUIC_READABLE:
        if (!e->no_read)
            rig_read(r, e, l);
        break;
    case HF_QUIC_WRITABLE: rig_pump(r, e, l); break;
    case HF_QUIC_ENDED:
        l->code = event->ending.code;
        l->fin |= event->ending.kind == HF_ENDING_FIN;
        l->reset |= event->ending.kind == HF_ENDING_RESET;
        l->stopped |= event->ending.kind == HF_ENDING_STOP;
        if (event->ending.kind == HF_ENDING_FIN && e->echo > 0 && !hf_lane_is_one_way(l->id)) {
            l->to_send = e->echo;
            rig_pump(r, e, l);
        }
        break;
    case HF_QUIC_RELEASED: e->released++; e->released_last = event->token; break;
    case HF_QUIC_STREAMS: e->streams_events++; break;
    case HF_QUIC_MOVED: e->moved++; break;
    case HF_QUIC_SESSION:
        assert_true(event->bytes.len <= sizeof e->session);
        memcpy(e->session, event->bytes.ptr, event->bytes.len);
        e->session_length = event->bytes.len;
        break;
    case HF_QUIC_TOKEN:
        assert_true(event->bytes.len <= sizeof e->token);
        memcpy(e->token, event->bytes.ptr, event->bytes.len);
        e->token_length = event->bytes.len;
        break;
    case HF_QUIC_DATAGRAM:
        e->datagrams++;
        memcpy(e->datagram_bytes, event->bytes.ptr, event->bytes.len);
        e->datagram = hf_bytes_make(e->datagram_bytes, event->bytes.len);
        break;
    default: break;
    }
}

/* ---- invariants --------------------------------------------------------------------------------------------- */

[[maybe_unused]] static void rig_check(const hf_quic *q)
{
    uint64_t in_flight = 0, gaps = 0;
    if (q->state >= HF_QUIC_CLOSING)
        return;
    for (unsigned level = 0; level < HF_LEVEL_COUNT; level++) {
        const hf_quic_space *const s = q->spaces[level];
        uint32_t eliciting = 0;
        for (uint64_t n = s->sent.first; n < s->sent.next; n++) {
            const hf_sent_packet *const p = hf_sent_find(&s->sent, n);
            eliciting += p->state == HF_SENT_OUT && p->eliciting;
            in_flight += p->state == HF_SENT_OUT && p->in_flight && p->era == q->era ? p->size : 0;
        }
        assert_int_equal(eliciting, s->sent.eliciting);
        assert_true(s->received.count <= q->env->limits->quic_ack_ranges);
    }
    assert_int_equal(in_flight, q->in_flight);
    assert_true(q->sent_bytes <= q->send_allowed);
    assert_true(q->received_bytes <= q->receive_allowed);
    uint64_t highest = 0;
    for (uint32_t i = 0; i < q->bucket_count; i++)
        for (const hf_stream *s = q->buckets[i]; s != NULL; s = s->bucket) {
            assert_true((s->out != NULL) == (s->sending != HF_LANE_NONE) && (s->in != NULL) == (s->receiving != HF_LANE_NONE));
            if (s->out != NULL)
                assert_true(s->out->next <= s->send_allowed && s->out->base <= s->out->next && s->out->next <= s->out->put);
            if (s->in == NULL)
                continue;
            assert_true(s->in->highest <= s->receive_allowed || s->receiving != HF_LANE_OPEN);
            assert_true(s->in->read <= s->in->whole && s->in->whole <= s->in->highest);
            gaps += s->in->apart.count;
            highest += s->in->highest;
        }
    assert_int_equal(gaps, q->gaps);
    assert_true(highest <= q->received_bytes);
    for (unsigned i = 0; i < q->route_count; i++)
        if (q->server && q->routes[i].on && !q->routes[i].validated)
            assert_true(q->routes[i].sent <= 3 * q->routes[i].received); /* RFC 9000 8.1 */
}

/* ---- the network -------------------------------------------------------------------------------------------- */

[[maybe_unused]] static void rig_fly(rig *r, bool to_server, const hf_quic_output *o, const uint8_t *bytes, size_t length)
{
    if (to_server)
        r->sent_to_server += length, r->datagrams_to_server++;
    else
        r->sent_to_client += length;
    assert_true(length > 0 && length <= HF_QUIC_DATAGRAM_MOST);
    rig_packet p = { .at = hf_time_after(r->now, r->delay_ns), .order = r->order++, .ecn = o->ecn, .to_server = to_server, .length = length };
    p.path = (hf_quic_path){ o->path.remote, o->path.local };
    if (!to_server && r->victim.port != 0 && memcmp(&o->path.remote, &r->victim, sizeof r->victim) == 0) {
        r->to_victim += length;
        return;
    }
    if (to_server && r->nat.port != 0)
        p.path.remote = r->nat;
    if (!to_server && r->nat.port != 0 && memcmp(&o->path.remote, &r->nat, sizeof r->nat) == 0)
        p.path.local = r->client_address;
    else if (!to_server && r->nat.port != 0)
        return; /* the old mapping is gone */
    bool lost = r->cut || hf_random_chance(&r->chance, r->loss) || (r->mtu > 0 && length > r->mtu);
    if (r->lose_next > 0) {
        r->lose_next--;
        lost = true;
    }
    if (lost || r->flying + 2 > RIG_FLIGHT)
        return;
    if (hf_random_chance(&r->chance, r->late))
        p.at = hf_time_after(p.at, (int64_t)hf_random_below(&r->chance, HF_MILLISECONDS(30)));
    if (p.ecn == 2 && hf_random_chance(&r->chance, r->marked))
        p.ecn = 3;
    const unsigned copies = hf_random_chance(&r->chance, r->doubled) ? 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        p.bytes = malloc(length);
        memcpy(p.bytes, bytes, length);
        if (hf_random_chance(&r->chance, r->corrupt))
            p.bytes[hf_random_below(&r->chance, length)] ^= (uint8_t)(1 + hf_random_below(&r->chance, 255));
        if (r->filter != NULL && !r->filter(r, &p))
            free(p.bytes);
        else
            r->flight[r->flying++] = p;
    }
}

/* Steps, serves and emits one end until it has nothing more to do. */
[[maybe_unused]] static void rig_turn(rig *r, rig_end *e)
{
    hf_quic_endpoint_event event;
    if (e->ep == NULL)
        return;
    for (int round = 0; round < 10000; round++) {
        while (hf_quic_endpoint_step(e->ep, r->now, &event) == HF_EVENT) {
            if (event.kind == HF_QUIC_ACCEPTED) {
                e->accepted++;
                if (e->q == NULL || e->q->state != HF_QUIC_OPEN || !e->keeps) {
                    e->q = event.quic;
                    hf_quic_set_user(event.quic, e);
                }
            }
            if (event.quic != e->q || e->hold)
                continue;
            hf_quic_event told;
            while ((e->last = hf_quic_next(e->q, r->now, &told)) == HF_EVENT)
                rig_event(r, e, &told);
        }
        if (e->q != NULL)
            rig_check(e->q);
        static uint8_t scratch[70000];
        hf_extent pieces[2];
        hf_out out = { .pieces = pieces, .capacity = 2, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        hf_quic_output o;
        if (!hf_quic_endpoint_emit(e->ep, r->now, &out, &o)) {
            const hf_time wake = hf_quic_endpoint_wake(e->ep);
            if (wake.ns <= r->now.ns) {
                if (hf_quic_endpoint_step(e->ep, r->now, &event) != HF_EVENT && !e->hold && hf_quic_endpoint_wake(e->ep).ns <= r->now.ns &&
                    round > 1000)
                    fail_msg("wake does not lie ahead");
                if (!e->hold)
                    continue;
            }
            return;
        }
        const size_t segment = o.segment > 0 ? o.segment : o.length;
        for (size_t at = 0; at < o.length; at += segment)
            rig_fly(r, e != &r->server, &o, out.pieces[0].bytes.ptr + at, o.length - at < segment ? o.length - at : segment);
        if (e->q != NULL)
            rig_check(e->q);
    }
    fail_msg("emit does not come to an end");
}

/* The next thing that happens, up to `until`. False: nothing does. */
[[maybe_unused]] static bool rig_next(rig *r, hf_time until)
{
    size_t first = SIZE_MAX;
    hf_time at = until;
    for (size_t i = 0; i < r->flying; i++)
        if (r->flight[i].at.ns < at.ns || (first != SIZE_MAX && r->flight[i].at.ns == at.ns && r->flight[i].order < r->flight[first].order)) {
            first = i;
            at = r->flight[i].at;
        }
    rig_end *const ends[] = { &r->server, &r->client };
    for (int i = 0; i < 2; i++)
        if (ends[i]->ep != NULL && hf_quic_endpoint_wake(ends[i]->ep).ns < at.ns) {
            at = hf_quic_endpoint_wake(ends[i]->ep);
            first = SIZE_MAX;
        }
    if (at.ns >= until.ns)
        return false;
    r->now = at.ns > r->now.ns ? at : r->now;
    if (first != SIZE_MAX) {
        rig_packet p = r->flight[first];
        r->flight[first] = r->flight[--r->flying];
        rig_end *const to = p.to_server ? &r->server : &r->client;
        const hf_quic_input in = { p.path, p.ecn, 0, { p.bytes, p.length } };
        if (to->ep != NULL)
            (void)hf_quic_endpoint_input(to->ep, r->now, &in).code;
        free(p.bytes);
        rig_turn(r, to);
    } else {
        rig_turn(r, &r->server);
        rig_turn(r, &r->client);
    }
    return true;
}

[[maybe_unused]] static void rig_run(rig *r, int64_t ns)
{
    const hf_time until = hf_time_after(r->now, ns);
    rig_turn(r, &r->client);
    rig_turn(r, &r->server);
    for (int i = 0; rig_next(r, until); i++)
        if (i > 3000000)
            fail_msg("it never ends");
    r->now = until;
}

/* Until both sides are confirmed. */
[[maybe_unused]] static void rig_connect(rig *r)
{
    rig_start(r);
    rig_run(r, HF_SECONDS(1));
    assert_true(r->client.confirmed && r->server.confirmed);
}

[[maybe_unused]] static hf_lane rig_send(rig *r, rig_end *e, hf_lane_kind kind, uint64_t bytes)
{
    hf_lane lane = 0;
    assert_int_equal(hf_quic_open(e->q, kind, &lane).code, 0);
    rig_lane *const l = rig_lane_of(e, lane);
    l->to_send = bytes;
    rig_pump(r, e, l);
    return lane;
}

#endif
