/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS over the simulated network: our client and our server behind links that lose, reorder, repeat, damage and slice what they
 * carry; early data that an attacker sends again; and a peer that falls silent in the handshake. All from seeds, in virtual time.
 */
#include "harness.h"
#include "sim.h"
#include "trace.h"

#include <stdalign.h>

#include "identities_generated.h"
#include "random.h"
#include "tls_pier.h"

enum { PORT = 443, SEEDS = 20, BYTES = 60000, CONNECTIONS = 4, EARLY = 900 };

typedef struct world world;

/* One end of a connection. Without `tls` it speaks raw bytes: what an attacker has recorded. */
typedef struct end {
    world *w;
    hf_pier pier;
    hf_tls_pier *tls;
    hf_tls_event question;
    uint64_t sends, sent, got, early;
    uint8_t pattern;
    bool spoiled, opened, ended, over, fin_put;
    hf_ending_kind ending;
    hf_err err;
} end;

typedef struct host {
    world *w;
    hf_io *io;
    bool serves;
    end ends[CONNECTIONS];
    size_t count;
} host;

struct world {
    hf_test_world memory;
    hf_trace_hash hash;
    hf_random entropy;
    hf_world *sim;
    hf_crypto *crypto;
    hf_tls_identity identity;
    hf_tls_ticket_key ticket;
    hf_tls_config server_config, client_config;
    uint8_t session[4096];
    size_t session_length;
    uint64_t sends; /* by each end */
    host client, attacker, server;
};

static uint8_t room[HF_TLS_PIER_FILE + HF_TLS_PIER_SEALED];
static alignas(64) uint8_t strikes[64 + 512];

static uint8_t byte_at(uint8_t pattern, uint64_t at)
{
    return (uint8_t)(pattern + at * 31 + (at >> 8) * 7);
}

static void fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

/* ---- one end -------------------------------------------------------------------------------------------------- */

static void answer(end *e)
{
    hf_tls *const core = hf_tls_pier_core(e->tls);
    switch (e->question.kind) {
    case HF_TLS_WANT_SIGN: hf_tls_sign_here(core, &e->question); break;
    case HF_TLS_WANT_VERIFY: hf_tls_answer_verify(core, HF_OK); break;
    case HF_TLS_SESSION:
        assert_true(e->question.session.len <= sizeof e->w->session);
        memcpy(e->w->session, e->question.session.ptr, e->question.session.len);
        e->w->session_length = e->question.session.len;
        return;
    default: fail_msg("a question nobody thought of"); return;
    }
    hf_tls_pier_answered(e->tls);
}

static void take(end *e)
{
    const uint8_t pattern = e->pattern == 3 ? 101 : 3;
    hf_span have;
    while (!e->over && (have = e->pier.ops->peek(e->pier.self, 0)).len > 0) {
        for (size_t i = 0; i < have.len; i++)
            e->spoiled = e->spoiled || have.ptr[i] != byte_at(pattern, e->got + i);
        e->got += have.len;
        e->early += e->tls != NULL && hf_tls_is_early(hf_tls_pier_core(e->tls)) ? have.len : 0;
        e->pier.ops->take(e->pier.self, 0, have.len);
    }
}

static void put(end *e)
{
    uint8_t bytes[1500];
    while (e->opened && !e->over && e->sent < e->sends) {
        const size_t n = e->sends - e->sent < sizeof bytes ? (size_t)(e->sends - e->sent) : sizeof bytes;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(e->pattern, e->sent + i);
        const hf_extent piece = { .kind = HF_EXTENT_COPIED, .bytes = { bytes, n } };
        const uint64_t took = e->pier.ops->put(e->pier.self, 0, &piece, 1);
        e->sent += took;
        if (took < n)
            return;
    }
    if (e->opened && !e->over && !e->fin_put && e->tls != NULL && e->pier.ops->unsent(e->pier.self, 0) == 0) {
        e->fin_put = true;
        (void)!e->pier.ops->end(e->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code;
    }
}

static void drive(end *e, hf_time now)
{
    hf_pier_event event;
    hf_step s = HF_EVENT;
    while (!e->over && s == HF_EVENT) {
        if (e->tls != NULL)
            hf_tls_pier_listen(e->tls, &e->question);
        while ((s = e->pier.ops->event(e->pier.self, now, &event)) == HF_EVENT) {
            e->opened = e->opened || event.kind == HF_PIER_OPENED;
            if (event.kind == HF_PIER_ASKS)
                answer(e);
            if (event.kind == HF_PIER_ENDED && !e->ended) {
                e->ended = true;
                e->ending = event.ending.kind;
                e->err = event.err;
            }
            take(e);
        }
        e->over = s != HF_IDLE;
        take(e);
        const uint64_t before = e->sent;
        put(e);
        s = e->sent > before ? HF_EVENT : s;
    }
}

/* ---- one host ------------------------------------------------------------------------------------------------- */

static void stand(end *e, hf_tls *core, hf_time now)
{
    assert_non_null(core);
    e->tls = hf_tls_pier_new(&e->w->memory.env, core, e->pier, (hf_span){ room, sizeof room }, now);
    assert_non_null(e->tls);
    e->pier = hf_tls_pier_get(e->tls);
}

static end *add(host *h, hf_pier pier, uint8_t pattern)
{
    assert_true(h->count < CONNECTIONS);
    end *const e = &h->ends[h->count++];
    *e = (end){ .w = h->w, .pier = pier, .pattern = pattern, .sends = h->w->sends };
    h->io->ops->own(h->io, pier, e);
    return e;
}

static void turn(void *self, hf_io *io, hf_time now)
{
    host *const h = self;
    hf_io_event events[8];
    const size_t n = io->ops->wait(io, now, events, HF_COUNT(events));
    for (size_t i = 0; i < n; i++)
        if (events[i].kind == HF_IO_ACCEPTED)
            stand(add(h, events[i].pier, 101), hf_tls_server_new(&h->w->memory.env, &h->w->server_config, 1, now), now);
    for (size_t i = 0; i < h->count; i++)
        drive(&h->ends[i], now);
}

static hf_time wake(void *self)
{
    const host *const h = self;
    hf_time until = HF_NEVER;
    for (size_t i = 0; i < h->count; i++)
        if (!h->ends[i].over && h->ends[i].tls != NULL)
            until = hf_time_earlier(until, hf_tls_pier_wake(h->ends[i].tls));
    return until;
}

static hf_pier dial(host *h)
{
    const hf_address to = hf_world_address(2, PORT);
    hf_pier pier;
    assert_int_equal(h->io->ops->connect(h->io, &to, NULL, &pier).code, 0);
    return pier;
}

static end *call(world *w, bool resume)
{
    const hf_bytes session = hf_bytes_make(w->session, resume ? w->session_length : 0);
    const hf_time now = hf_world_now(w->sim);
    end *const e = add(&w->client, dial(&w->client), 3);
    stand(e, hf_tls_client_new(&w->memory.env, &w->client_config, 2, now, hf_text("localhost"), session), now);
    hf_world_poke(w->client.io);
    return e;
}

/* ---- the world ------------------------------------------------------------------------------------------------ */

static void begin_host(world *w, host *h, const char *name, uint8_t number)
{
    const hf_address at = hf_world_address(number, 0);
    h->w = w;
    h->io = hf_world_host(w->sim, name, &at);
    assert_non_null(h->io);
    hf_world_program(h->io, (hf_program){ h, turn, wake });
}

static void begin(world *w, uint64_t seed)
{
    const hf_entropy entropy = { fill, &w->entropy };
    const hf_address any = { .family = 4, .port = PORT };
    memset(w, 0, sizeof *w);
    memset(strikes, 0, sizeof strikes);
    hf_test_world_init(&w->memory, seed);
    hf_random_seed(&w->entropy, seed);
    hf_trace_hash_init(&w->hash);
    w->sim = hf_world_new(&w->memory.memory.alloc, seed, &w->hash.sink);
    w->crypto = hf_crypto_new(&w->memory.env, &entropy);
    assert_true(w->sim != NULL && w->crypto != NULL);
    assert_int_equal(hf_chain_load(w->crypto, hf_text(identity_p256_pem), &w->identity.chain).code, 0);
    assert_int_equal(hf_key_load(w->crypto, hf_text(identity_p256_key), &w->identity.key).code, 0);
    memset(&w->ticket, 7, sizeof w->ticket);
    w->server_config = (hf_tls_config){ .crypto = w->crypto, .identities = &w->identity, .identity_count = 1, .ticket_keys = &w->ticket,
        .ticket_key_count = 1, .early_data = true, .strikes = hf_tls_strikes_make(strikes, sizeof strikes, 1) };
    w->client_config = (hf_tls_config){ .crypto = w->crypto, .early_data = true };
    w->sends = BYTES;
    begin_host(w, &w->client, "client", 1);
    begin_host(w, &w->server, "server", 2);
    begin_host(w, &w->attacker, "attacker", 3);
    assert_int_equal(w->server.io->ops->listen(w->server.io, &any, -1, &w->server).code, 0);
}

static void run(world *w, int64_t seconds)
{
    (void)hf_world_run(w->sim, hf_time_after(hf_world_now(w->sim), HF_SECONDS(seconds)));
}

static void hang_up(host *h)
{
    for (size_t i = 0; i < h->count; i++)
        h->ends[i].pier.ops->free(h->ends[i].pier.self);
    h->count = 0;
}

static void finish(world *w)
{
    hang_up(&w->client);
    hang_up(&w->attacker);
    hang_up(&w->server);
    hf_world_free(w->sim);
    hf_chain_free(w->identity.chain);
    hf_key_free(w->identity.key);
    hf_crypto_free(w->crypto);
    hf_test_world_fini(&w->memory);
}

static void expect_whole(const end *e, uint64_t bytes)
{
    assert_true(e->opened && e->ended);
    assert_false(e->spoiled);
    assert_int_equal(e->got, bytes);
    assert_int_equal(e->ending, HF_ENDING_FIN); /* close_notify came: nothing is missing */
}

/* ---- scenarios ------------------------------------------------------------------------------------------------ */

static void talk_over(const hf_link_options *bad)
{
    static world w;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(&w, seed);
        *hf_world_link(w.client.io, w.server.io) = *bad;
        *hf_world_link(w.server.io, w.client.io) = *bad;
        (void)call(&w, false);
        run(&w, 3600);
        assert_int_equal(w.server.count, 1);
        expect_whole(&w.client.ends[0], BYTES);
        expect_whole(&w.server.ends[0], BYTES);
        assert_true(w.session_length > 0);
        finish(&w);
    }
}

static void handshakes_and_data_survive_loss(void **state)
{
    (void)state;
    talk_over(&(hf_link_options){ .delay_ns = HF_MILLISECONDS(10), .loss = 100000, .mtu = 1500 });
}

static void they_survive_reordering_and_repetition(void **state)
{
    (void)state;
    talk_over(&(hf_link_options){ .delay_ns = HF_MILLISECONDS(5), .jitter_ns = HF_MILLISECONDS(20), .reorder = 200000, .duplicate = 200000, .mtu = 1500 });
}

/* Every record, and the ClientHello, in many small slices; some damaged. */
static void they_survive_small_and_damaged_slices(void **state)
{
    (void)state;
    talk_over(&(hf_link_options){ .delay_ns = HF_MILLISECONDS(1), .mtu = 128, .corrupt = 20000, .loss = 10000 });
}

/* What the client sends with a ticket before anything has come: ClientHello and early data, as an attacker sees them. */
static size_t first_flight(world *w, uint8_t *out, size_t capacity)
{
    static uint8_t early[EARLY];
    hf_tls_event event;
    hf_in in = { .ptr = out };
    size_t n = 0;
    const hf_bytes session = hf_bytes_make(w->session, w->session_length);
    hf_tls *t = hf_tls_client_new(&w->memory.env, &w->client_config, 9, hf_world_now(w->sim), hf_text("localhost"), session);
    for (uint64_t i = 0; i < EARLY; i++)
        early[i] = byte_at(3, i);
    while (hf_tls_step(t, hf_world_now(w->sim), &in, &event) == HF_EVENT)
        if (event.kind == HF_TLS_EARLY)
            assert_int_equal(hf_tls_put(t, &(hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(early, EARLY) }, 1), EARLY);
    for (;;) {
        hf_extent pieces[4];
        hf_out o = { .pieces = pieces, .capacity = 4, .scratch = out + n, .scratch_capacity = capacity - n, .room = UINT64_MAX };
        const size_t more = hf_tls_emit(t, hf_world_now(w->sim), &o);
        assert_true(o.count <= 1);
        n += more;
        if (more == 0)
            break;
    }
    hf_tls_free(t);
    return n;
}

/* A connection without TLS of its own. */
static end *connect_raw(host *h)
{
    end *const e = add(h, dial(h), 3);
    e->sends = 0;
    return e;
}

static void say(end *e, const uint8_t *bytes, size_t n)
{
    const hf_extent all = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(bytes, n) };
    assert_int_equal(e->pier.ops->put(e->pier.self, 0, &all, 1), n);
}

/* The same first flight by two ways, each of which may lose and delay it: early data is taken once, whichever comes first. */
static void early_data_that_is_sent_again_is_taken_once(void **state)
{
    (void)state;
    static world w;
    static uint8_t flight[8192];
    unsigned taken_of_attacker = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(&w, seed);
        w.sends = 100;
        (void)call(&w, false);
        run(&w, 60);
        assert_true(w.session_length > 0);
        w.sends = 0;
        end *const own = connect_raw(&w.client);
        run(&w, 1);
        end *const other = connect_raw(&w.attacker);
        run(&w, 1);
        assert_int_equal(w.server.count, 3);
        const end *const by_own = &w.server.ends[1], *const by_other = &w.server.ends[2];
        hf_link_options *const slow = hf_world_link((seed & 1 ? w.client : w.attacker).io, w.server.io);
        slow->delay_ns = HF_SECONDS(1);
        slow->loss = 100000;
        const size_t n = first_flight(&w, flight, sizeof flight);
        assert_true(n > EARLY);
        say(own, flight, n);
        say(other, flight, n);
        run(&w, 7);
        assert_int_equal(by_own->early + by_other->early, EARLY);
        assert_true(by_own->early == 0 || by_other->early == 0);
        assert_false(by_own->spoiled || by_other->spoiled);
        taken_of_attacker += by_other->early > 0;
        finish(&w);
    }
    assert_true(taken_of_attacker > 0 && taken_of_attacker < SEEDS); /* who is first is the network's affair */
}

static void a_resumed_client_s_first_words_arrive_early_and_once(void **state)
{
    (void)state;
    static world w;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(&w, seed);
        hf_world_link(w.client.io, w.server.io)->loss = 50000;
        w.sends = EARLY;
        (void)call(&w, false);
        run(&w, 120);
        const end *const e = call(&w, true);
        run(&w, 120);
        assert_true(hf_tls_resumed(hf_tls_pier_core(e->tls)));
        assert_true(hf_tls_early_accepted(hf_tls_pier_core(e->tls)));
        assert_true(w.server.ends[1].early > 0);
        expect_whole(e, EARLY);
        expect_whole(&w.server.ends[1], EARLY);
        finish(&w);
    }
}

/* Limit tls_handshake_ns, reached in virtual time. */
static void who_falls_silent_in_the_handshake_is_let_go(void **state)
{
    (void)state;
    static world w;
    begin(&w, 1);
    w.sends = 0;
    end *const e = connect_raw(&w.attacker);
    run(&w, 1);
    say(e, (const uint8_t *)"\x16\x03\x01\x02\x00\x01", 6);
    run(&w, 8);
    assert_false(w.server.ends[0].ended);
    run(&w, 10);
    assert_true(w.server.ends[0].ended);
    assert_int_equal(w.server.ends[0].err.code, HF_ERR_TLS_TIMEOUT);
    finish(&w);
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    static world w;
    uint64_t hash[2] = { 0, 1 };
    for (int i = 0; i < 2; i++) {
        begin(&w, 5);
        hf_world_link(w.client.io, w.server.io)->loss = 100000;
        (void)call(&w, false);
        run(&w, 600);
        expect_whole(&w.client.ends[0], BYTES);
        hash[i] = w.hash.value;
        finish(&w);
    }
    assert_int_equal(hash[0], hash[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_and_data_survive_loss), cmocka_unit_test(they_survive_reordering_and_repetition),
        cmocka_unit_test(they_survive_small_and_damaged_slices), cmocka_unit_test(early_data_that_is_sent_again_is_taken_once),
        cmocka_unit_test(a_resumed_client_s_first_words_arrive_early_and_once), cmocka_unit_test(who_falls_silent_in_the_handshake_is_let_go),
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
