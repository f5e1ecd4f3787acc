/* SPDX-License-Identifier: Apache-2.0
 *
 * Two TLS cores and the bytes between them: a server and a client that answer their own questions, with seeded secrets,
 * a wire that can be cut, changed and counted, and a log of what happened.
 */
#ifndef HF_TESTS_TLS_RIG_H
#define HF_TESTS_TLS_RIG_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <handfast/tls.h>

#include "crypto_core.h"
#include "crypto_exchange.h"
#include "random.h"
#include "tls_carrier.h"
#include "identities_generated.h"

enum { RIG_WIRE = 1 << 20, RIG_DATA = 1 << 20 };

/* One end. `wire` is what it sent and the other has not eaten. */
typedef struct rig_end {
    hf_tls *t;
    uint8_t *wire;
    size_t wire_length;
    uint8_t *data; /* plaintext that it read */
    size_t data_length;
    char log[4096];
    hf_step last;
    hf_err ended;
    uint8_t session[4096];
    size_t session_length;
    uint8_t staple[64]; /* of the last WANT_VERIFY */
    size_t staple_length;
    uint64_t tokens;
    bool fin;        /* the other end is told that nothing follows */
    bool hold;       /* questions are not answered */
    bool eager;      /* emits between each event and the next step */
    hf_err verdict;  /* answer to WANT_VERIFY; with `judge` the real one */
    bool judge;
    size_t most_per_emit;
} rig_end;

typedef struct rig {
    hf_test_world w;
    hf_random entropy;
    hf_crypto *crypto;
    hf_trust *trust;
    hf_tls_identity identities[8];
    hf_tls_config server_config, client_config;
    hf_tls_ticket_key tickets[2];
    hf_bytes protocols[2];
    rig_end server, client;
    hf_time now;
} rig;

[[maybe_unused]] static void  rig_fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

[[maybe_unused]] static hf_tls_identity  rig_identity(rig *r, const char *pem, const char *key)
{
    hf_tls_identity id = { .chain = NULL };
    assert_int_equal(hf_chain_load(r->crypto, hf_text(pem), &id.chain).code, 0);
    assert_int_equal(hf_key_load(r->crypto, hf_text(key), &id.key).code, 0);
    assert_true(hf_chain_matches(id.chain, id.key));
    return id;
}

[[maybe_unused]] static void  rig_open(rig *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    hf_test_world_init(&r->w, seed);
    hf_random_seed(&r->entropy, seed);
    const hf_entropy entropy = { rig_fill, &r->entropy };
    r->crypto = hf_crypto_new(&r->w.env, &entropy);
    assert_non_null(r->crypto);
    r->trust = hf_trust_new(r->crypto);
    size_t added = 0;
    assert_int_equal(hf_trust_add(r->trust, hf_text(identity_ca_pem), &added).code, 0);
    r->identities[0] = rig_identity(r, identity_p256_pem, identity_p256_key);
    r->identities[1] = rig_identity(r, identity_rsa_pem, identity_rsa_key);
    r->identities[2] = rig_identity(r, identity_p384_pem, identity_p384_key);
    r->identities[3] = rig_identity(r, identity_ed25519_pem, identity_ed25519_key);
    r->identities[4] = rig_identity(r, identity_client_pem, identity_client_key);
    r->protocols[0] = hf_text("http/1.1");
    r->protocols[1] = hf_text("h2");
    memset(r->tickets, 7, sizeof r->tickets);
    r->server_config = (hf_tls_config){ .crypto = r->crypto, .identities = r->identities, .identity_count = 4, .protocols = r->protocols,
                                        .protocol_count = 2, .ticket_keys = r->tickets, .ticket_key_count = 1 };
    r->client_config = (hf_tls_config){ .crypto = r->crypto, .protocols = r->protocols, .protocol_count = 1 };
    r->now = hf_time_make(HF_SECONDS(1000));
    r->server.wire = malloc(RIG_WIRE);
    r->client.wire = malloc(RIG_WIRE);
    r->server.data = malloc(RIG_DATA);
    r->client.data = malloc(RIG_DATA);
}

/* Fresh ends; the wire is empty. */
[[maybe_unused]] static void  rig_start_session(rig *r, const char *host, hf_bytes session)
{
    rig_end *const ends[] = { &r->server, &r->client };
    for (int i = 0; i < 2; i++) {
        rig_end *const e = ends[i];
        hf_tls_free(e->t);
        *e = (rig_end){ .wire = e->wire, .data = e->data, .hold = e->hold, .eager = e->eager, .judge = e->judge, .verdict = e->verdict };
    }
    r->server.t = hf_tls_server_new(&r->w.env, &r->server_config, 1, r->now);
    r->client.t = hf_tls_client_new(&r->w.env, &r->client_config, 2, r->now, hf_text(host), session);
}

[[maybe_unused]] static void  rig_start(rig *r, const char *host)
{
    rig_start_session(r, host, hf_text(""));
}

[[maybe_unused]] static void  rig_close(rig *r)
{
    hf_tls_free(r->server.t);
    hf_tls_free(r->client.t);
    for (size_t i = 0; i < HF_COUNT(r->identities); i++) {
        hf_chain_free(r->identities[i].chain);
        hf_key_free(r->identities[i].key);
    }
    hf_trust_free(r->trust);
    hf_crypto_free(r->crypto);
    free(r->server.wire);
    free(r->client.wire);
    free(r->server.data);
    free(r->client.data);
    hf_test_world_fini(&r->w);
}

[[maybe_unused]] static void  rig_log(rig_end *e, const char *what)
{
    const size_t n = strlen(e->log);
    snprintf(e->log + n, sizeof e->log - n, "%s\n", what);
}

[[maybe_unused]] static void  rig_event(rig *r, rig_end *e, const hf_tls_event *event)
{
    static const char *const names[] = { "OPENED", "READABLE", "WRITABLE", "ENDED", "RELEASED", "WANT_SIGN", "WANT_VERIFY", "SESSION", "WANT_DECRYPT",
        "EARLY", "EARLY_REJECTED" };
    if (event->kind != HF_TLS_READABLE)
        rig_log(e, names[event->kind]);
    switch (event->kind) {
    case HF_TLS_READABLE: {
        const hf_span s = hf_tls_peek(e->t);
        assert_true(s.len > 0 && e->data_length + s.len <= RIG_DATA);
        memcpy(e->data + e->data_length, s.ptr, s.len);
        e->data_length += s.len;
        hf_tls_take(e->t, s.len);
        break;
    }
    case HF_TLS_ENDED: e->ended = event->err; break;
    case HF_TLS_RELEASED: e->tokens += event->token; break;
    case HF_TLS_WANT_SIGN:
    case HF_TLS_WANT_DECRYPT:
        if (!e->hold)
            hf_tls_sign_here(e->t, event);
        break;
    case HF_TLS_WANT_VERIFY: {
        hf_verdict v;
        e->staple_length = event->staple.len < sizeof e->staple ? event->staple.len : sizeof e->staple;
        if (e->staple_length > 0)
            memcpy(e->staple, event->staple.ptr, e->staple_length);
        const hf_trust_question q = { event->host, { 2000000000 }, e == &r->server };
        if (!e->hold)
            hf_tls_answer_verify(e->t, e->judge ? hf_trust_verify(r->trust, event->chain, &q, &v) : e->verdict);
        break;
    }
    case HF_TLS_SESSION:
        assert_true(event->session.len <= sizeof e->session);
        memcpy(e->session, event->session.ptr, event->session.len);
        e->session_length = event->session.len;
        break;
    case HF_TLS_OPENED:
    case HF_TLS_EARLY:
    case HF_TLS_EARLY_REJECTED:
    case HF_TLS_WRITABLE: break;
    }
}

[[maybe_unused]] static size_t  rig_emit(rig *r, rig_end *e);

/* Feeds e from the front of its peer's wire, at most `most` bytes of it shown. */
[[maybe_unused]] static void  rig_feed(rig *r, rig_end *e, rig_end *peer, size_t most)
{
    for (;;) {
        hf_tls_event event;
        const size_t shown = peer->wire_length < most ? peer->wire_length : most;
        hf_in in = { .ptr = peer->wire, .len = shown, .fin = peer->fin && shown == peer->wire_length };
        e->last = hf_tls_step(e->t, r->now, &in, &event);
        assert_true(in.used <= in.len);
        if (e->last == HF_EVENT) /* before the buffer moves: what is lent lies there */
            rig_event(r, e, &event);
        if (e->eager)
            rig_emit(r, e);
        peer->wire_length -= in.used;
        most -= in.used;
        memmove(peer->wire, peer->wire + in.used, peer->wire_length);
        if (e->last != HF_EVENT)
            return;
    }
}

[[maybe_unused]] static size_t  rig_emit(rig *r, rig_end *e)
{
    static uint8_t scratch[70000];
    size_t total = 0;
    for (;;) {
        hf_extent pieces[8];
        hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch,
                       .room = e->most_per_emit == 0 ? UINT64_MAX : e->most_per_emit };
        const size_t n = hf_tls_emit(e->t, r->now, &out);
        assert_int_equal(n, out.bytes);
        for (size_t i = 0; i < out.count; i++) {
            assert_true(e->wire_length + out.pieces[i].bytes.len <= RIG_WIRE);
            memcpy(e->wire + e->wire_length, out.pieces[i].bytes.ptr, out.pieces[i].bytes.len);
            e->wire_length += out.pieces[i].bytes.len;
        }
        total += n;
        if (n == 0)
            return total;
    }
}

/* Until nothing moves. */
[[maybe_unused]] static void  rig_pump(rig *r)
{
    for (int i = 0; i < 10000; i++) {
        const size_t moved = rig_emit(r, &r->client) + rig_emit(r, &r->server);
        const size_t before = r->client.wire_length + r->server.wire_length;
        rig_feed(r, &r->server, &r->client, SIZE_MAX);
        rig_feed(r, &r->client, &r->server, SIZE_MAX);
        if (moved == 0 && r->client.wire_length + r->server.wire_length == before)
            return;
    }
    fail_msg("never at rest");
}

[[maybe_unused]] static uint64_t  rig_put(rig_end *e, const char *text)
{
    const hf_extent x = { .kind = HF_EXTENT_COPIED, .bytes = hf_text(text) };
    return hf_tls_put(e->t, &x, 1);
}

[[maybe_unused]] static bool  rig_is_open(const rig_end *e)
{
    return strstr(e->log, "OPENED") != NULL;
}

[[maybe_unused]] static const char * rig_why(const rig_end *e)
{
    static char text[512];
    const hf_tls_fault *f = hf_tls_fault_of(e->t);
    snprintf(text, sizeof text, "%s (alert %u, %s, wanted %s)", hf_err_text(f->err), f->alert, f->state ? f->state : "-", f->wanted ? f->wanted : "-");
    return text;
}

#endif
