/* SPDX-License-Identifier: Apache-2.0
 *
 * A recorded handshake, cut and changed byte by byte, and the laws of a core. With seeded secrets both ends make the very
 * same bytes again, so that either can be replayed against a fresh one.
 */
#include "tls/rig.h"

static rig r;
static uint8_t recorded[2][8192]; /* what the client sent, what the server sent */
static size_t lengths[2];
static uint8_t session[4096];
static size_t session_length;
static const char *host;
static hf_random drawn[2]; /* what was drawn when the client had spoken first, and when the server had heard it */
static bool early; /* the client sends early data */
static _Alignas(64) uint8_t memory[64 + 64];

static void start(void)
{
    memset(memory, 0, sizeof memory); /* the register of tickets: each run is the first */
    r.server_config.strikes = hf_tls_strikes_make(memory, sizeof memory, 1);
    rig_start_session(&r, host, hf_bytes_make(session, session_length));
    if (!early || r.client.t == NULL)
        return;
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    (void)rig_put(&r.client, "GET / early");
}

/* An RSA key draws its blinding at its first use and keeps it: only a fresh one draws the same again. */
static void seed_again(void)
{
    hf_random_seed(&r.entropy, 77);
    if (strcmp(host, "rsa.test") != 0)
        return;
    hf_key_free(r.identities[1].key);
    assert_int_equal(hf_key_load(r.crypto, hf_text(identity_rsa_key), &r.identities[1].key).code, 0);
}

static void open_rig(uint16_t most)
{
    rig_open(&r, 1);
    host = "localhost";
    session_length = 0;
    early = false;
    r.client_config.most_version = most;
}

static int record(void)
{
    seed_again();
    start();
    lengths[0] = lengths[1] = 0;
    rig_end *const ends[] = { &r.client, &r.server };
    for (int round = 0; round < 6; round++)
        for (int i = 0; i < 2; i++) {
            rig_emit(&r, ends[i]);
            if (round == 0)
                drawn[i] = r.entropy;
            memcpy(recorded[i] + lengths[i], ends[i]->wire, ends[i]->wire_length);
            lengths[i] += ends[i]->wire_length;
            rig_feed(&r, ends[1 - i], ends[i], SIZE_MAX);
        }
    assert_true(rig_is_open(&r.server) && rig_is_open(&r.client));
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    open_rig(HF_TLS_1_3);
    return record();
}

static int set_up_old(void **state)
{
    (void)state;
    open_rig(HF_TLS_1_2);
    return record();
}

static int set_up_resumed(void **state)
{
    (void)state;
    open_rig(HF_TLS_1_2);
    start();
    rig_pump(&r);
    session_length = r.client.session_length;
    assert_true(session_length > 0);
    memcpy(session, r.client.session, session_length);
    (void)record();
    assert_true(hf_tls_resumed(r.server.t) && hf_tls_resumed(r.client.t));
    return 0;
}

static int set_up_early(void **state)
{
    (void)state;
    open_rig(HF_TLS_1_3);
    r.server_config.early_data = r.client_config.early_data = true;
    start();
    rig_pump(&r);
    session_length = r.client.session_length;
    assert_true(session_length > 0);
    memcpy(session, r.client.session, session_length);
    early = true;
    (void)record();
    assert_true(hf_tls_early_accepted(r.server.t) && hf_tls_early_accepted(r.client.t));
    assert_int_equal(r.server.data_length, 11);
    return 0;
}

static int set_up_client_auth(void **state)
{
    (void)state;
    open_rig(HF_TLS_1_2);
    r.server_config.client_auth = HF_TLS_CLIENT_AUTH_REQUIRE;
    r.client_config.identities = &r.identities[4];
    r.client_config.identity_count = 1;
    return record();
}

static int set_up_rsa(void **state)
{
    static const uint16_t rsa = 0x009c;
    (void)state;
    open_rig(HF_TLS_1_2);
    host = "rsa.test";
    r.server_config.rsa_key_exchange = r.client_config.rsa_key_exchange = true;
    r.client_config.suites = &rsa;
    r.client_config.suite_count = 1;
    (void)record();
    assert_string_equal(hf_tls_suite(r.server.t), "TLS_RSA_WITH_AES_128_GCM_SHA256");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

/* One end alone: thousands of replays need no other. */
static void start_server(void)
{
    memset(memory, 0, sizeof memory);
    hf_tls_free(r.server.t);
    r.server = (rig_end){ .wire = r.server.wire, .data = r.server.data, .judge = r.server.judge };
    r.server.t = hf_tls_server_new(&r.w.env, &r.server_config, 1, r.now);
    (void)hf_tls_strikes_make(memory, sizeof memory, 1);
}

static void start_client(void)
{
    hf_tls_free(r.client.t);
    r.client = (rig_end){ .wire = r.client.wire, .data = r.client.data, .judge = r.client.judge };
    r.client.t = hf_tls_client_new(&r.w.env, &r.client_config, 2, r.now, hf_text(host), hf_bytes_make(session, session_length));
    r.server.wire_length = 0;
    r.server.fin = false;
    if (early) {
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        (void)rig_put(&r.client, "GET / early");
    }
    rig_emit(&r, &r.client);
}

/* Plays `n` recorded bytes of the other end to a fresh server (or client), then the end of the stream. */
static rig_end *replay(bool to_server, const uint8_t *bytes, size_t n)
{
    rig_end *const e = to_server ? &r.server : &r.client, *const peer = to_server ? &r.client : &r.server;
    seed_again();
    if (to_server)
        start_server();
    else
        start_client();
    r.entropy = drawn[!to_server]; /* secrets are drawn as in the recording, where the other end drew before */
    memcpy(peer->wire, bytes, n);
    peer->wire_length = n;
    peer->fin = true;
    e->log[0] = 0;
    rig_feed(&r, e, peer, SIZE_MAX);
    return e;
}

static void what_was_recorded_opens_again(void **state)
{
    (void)state;
    assert_true(rig_is_open(replay(true, recorded[0], lengths[0])));
    assert_true(rig_is_open(replay(false, recorded[1], lengths[1])));
}

/* Up to where the core is open a cut is a fault; later it is ENDED by reset. */
static void every_truncation_is_told(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++)
        for (size_t n = 0; n < lengths[side]; n++) {
            const rig_end *e = replay(side == 0, recorded[side], n);
            if (rig_is_open(e)) {
                assert_int_equal(e->ended.code, HF_ERR_TLS_TRUNCATED);
                continue;
            }
            assert_int_equal(e->last, HF_FAULT);
            assert_int_equal(hf_tls_fault_of(e->t)->err.code, HF_ERR_TLS_TRUNCATED);
        }
}

/* Is this the minor version of a plain record, which RFC 8446 5.1 says to ignore for all purposes? */
static bool is_ignored(const uint8_t *bytes, size_t n, size_t at)
{
    for (size_t record = 0; record + 5 <= n; record += 5u + (size_t)(bytes[record + 3] << 8 | bytes[record + 4]))
        if (at == record + 2)
            return bytes[record] != HF_RECORD_DATA;
    return false;
}

static void every_changed_byte_ends_in_a_fault(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        uint8_t changed[8192];
        const size_t n = side == 0 ? lengths[0] : 0;
        size_t until = side == 0 ? n : lengths[1];
        if (side == 1 && r.client_config.most_version == HF_TLS_1_3) /* the tickets behind the Finished are no part of the handshake */
            for (size_t record = 0, k = 0; k < 6 && record < lengths[1]; k++) {
                record += 5u + (size_t)(recorded[1][record + 3] << 8 | recorded[1][record + 4]);
                if (record < lengths[1] && k < 3)
                    until = record;
            }
        for (size_t at = 0; at < until; at++)
            for (unsigned bit = 0; bit < 8; bit++) {
                memcpy(changed, recorded[side], lengths[side]);
                changed[at] ^= (uint8_t)(1u << bit);
                const rig_end *e = replay(side == 0, changed, until);
                if (is_ignored(recorded[side], lengths[side], at))
                    continue;
                if (e->last != HF_FAULT || rig_is_open(e))
                    fail_msg("%s, byte %zu bit %u: %d %s", side ? "to the client" : "to the server", at, bit, e->last, e->log);
                const hf_tls_fault *f = hf_tls_fault_of(e->t);
                assert_true(f->err.code != 0 && f->err.code != HF_ERR_BASE_MEMORY && f->err.code != HF_ERR_TLS_CRYPTO);
            }
    }
}

static void any_slicing_gives_the_same_events_and_output(void **state)
{
    (void)state;
    hf_random random;
    hf_random_seed(&random, 5);
    static uint8_t output[16384];
    rig_end *e = replay(true, recorded[0], lengths[0]);
    rig_emit(&r, e);
    const size_t whole = e->wire_length;
    char log[4096];
    memcpy(output, e->wire, whole);
    strcpy(log, e->log);
    for (int round = 0; round < 200; round++) {
        seed_again();
        start();
        rig_emit(&r, &r.client);
        r.client.wire_length = 0;
        for (size_t at = 0; at < lengths[0];) {
            const size_t n = round == 0 ? 1 : 1 + (size_t)hf_random_below(&random, 300);
            const size_t part = n < lengths[0] - at ? n : lengths[0] - at;
            memcpy(r.client.wire + r.client.wire_length, recorded[0] + at, part);
            r.client.wire_length += part;
            at += part;
            r.client.fin = at == lengths[0];
            rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        }
        rig_emit(&r, &r.server);
        assert_string_equal(r.server.log, log);
        assert_int_equal(r.server.wire_length, whole);
        assert_memory_equal(r.server.wire, output, whole);
    }
}

static void a_fault_is_sticky_and_emit_comes_to_an_end(void **state)
{
    (void)state;
    static const uint8_t nonsense[] = { 22, 3, 1, 0, 4, 20, 0, 0, 0 };
    rig_end *e = replay(true, nonsense, sizeof nonsense);
    assert_int_equal(e->last, HF_FAULT);
    assert_int_equal(rig_emit(&r, e), 7); /* one plain alert */
    assert_memory_equal(e->wire, ((const uint8_t[]){ 21, 3, 3, 0, 2, 2, 10 }), 7);
    for (int i = 0; i < 3; i++) {
        hf_tls_event event;
        hf_in in = { .ptr = recorded[0], .len = lengths[0] };
        assert_int_equal(hf_tls_step(e->t, r.now, &in, &event), HF_FAULT);
        assert_int_equal(in.used, 0);
        assert_int_equal(rig_emit(&r, e), 0);
    }
    assert_int_equal(hf_tls_wake(e->t).ns, HF_NEVER_NS);
}

static size_t run_failing(size_t fail_at, bool fail_on)
{
    seed_again();
    r.w.memory.calls = 0;
    r.w.memory.fail_at = fail_at;
    r.w.memory.fail_on = fail_on;
    start();
    if (r.server.t != NULL && r.client.t != NULL)
        rig_pump(&r);
    r.w.memory.fail_at = 0;
    r.w.memory.fail_on = false;
    return r.w.memory.calls;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    const size_t calls = run_failing(0, false);
    assert_true(calls > 10 && calls < 200);
    for (size_t i = 1; i <= calls; i++) {
        run_failing(i, false);
        run_failing(i, true);
    }
}

static void wake_lies_ahead_of_an_idle_core(void **state)
{
    (void)state;
    start();
    rig_emit(&r, &r.client);
    assert_true(hf_time_before(r.now, hf_tls_wake(r.client.t)));
    rig_pump(&r);
    for (int i = 0; i < 5 && hf_tls_wake(r.server.t).ns != HF_NEVER_NS; i++) {
        assert_true(hf_time_before(r.now, hf_tls_wake(r.server.t)));
        r.now = hf_tls_wake(r.server.t);
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        assert_int_equal(r.server.last, HF_IDLE);
    }
    assert_int_equal(hf_tls_wake(r.server.t).ns, HF_NEVER_NS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define OLD(name) { "tls_1_2_" #name, name, set_up_old, tear_down, NULL }
#define RESUMED(name) { "tls_1_2_resumed_" #name, name, set_up_resumed, tear_down, NULL }
#define AUTH(name) { "tls_1_2_client_certificate_" #name, name, set_up_client_auth, tear_down, NULL }
#define RSA(name) { "tls_1_2_rsa_" #name, name, set_up_rsa, tear_down, NULL }
#define EARLY(name) { "early_data_" #name, name, set_up_early, tear_down, NULL }
#define ALL(X) X(what_was_recorded_opens_again), X(every_truncation_is_told), X(every_changed_byte_ends_in_a_fault), \
               X(any_slicing_gives_the_same_events_and_output), X(any_allocation_may_fail), X(wake_lies_ahead_of_an_idle_core)
    const struct CMUnitTest tests[] = {
        T(a_fault_is_sticky_and_emit_comes_to_an_end), ALL(T), ALL(EARLY), ALL(OLD), ALL(RESUMED), ALL(AUTH), ALL(RSA),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
