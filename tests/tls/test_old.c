/* SPDX-License-Identifier: Apache-2.0
 *
 * What TLS 1.2 adds beside a plain handshake: resumption by tickets, client certificates, the RSA key exchange, stapled OCSP
 * responses, record sizes; and, of both versions, what tickets are bound to.
 */
#include "tls/rig.h"

static rig r;
static uint8_t session[4096];
static size_t session_length;
static const uint16_t rsa_suite = 0x009c;

static int set_up(void **state)
{
    (void)state;
    rig_open(&r, 1);
    r.client_config.most_version = HF_TLS_1_2;
    session_length = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

static void expect_open(void)
{
    if (rig_is_open(&r.server) && rig_is_open(&r.client))
        return;
    char server[512];
    snprintf(server, sizeof server, "%s", rig_why(&r.server));
    fail_msg("server: %s\nclient: %s", server, rig_why(&r.client));
}

static void expect_talk(void)
{
    r.server.data_length = r.client.data_length = 0;
    assert_int_equal(rig_put(&r.client, "to the server"), 13);
    assert_int_equal(rig_put(&r.server, "to the client"), 13);
    rig_pump(&r);
    assert_int_equal(r.server.data_length, 13);
    assert_memory_equal(r.server.data, "to the server", 13);
    assert_int_equal(r.client.data_length, 13);
    assert_memory_equal(r.client.data, "to the client", 13);
}

static void connect_to(const char *host)
{
    rig_start_session(&r, host, hf_bytes_make(session, session_length));
    rig_pump(&r);
}

static void keep_session(void)
{
    expect_open();
    session_length = r.client.session_length;
    assert_true(session_length > 0);
    memcpy(session, r.client.session, session_length);
}

static void expect_resumed(bool resumed)
{
    expect_open();
    expect_talk();
    assert_int_equal(hf_tls_resumed(r.server.t), resumed);
    assert_int_equal(hf_tls_resumed(r.client.t), resumed);
}

static void expect_faults(int32_t at_server, int32_t at_client)
{
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, at_server);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, at_client);
}

/* Takes `n` bytes out of the first message of a plain flight, where `pattern` is found behind the fixed fields. */
static void cut_extension(rig_end *e, const uint8_t *pattern, size_t n, size_t fixed)
{
    uint8_t *const w = e->wire;
    const size_t record = 5u + (size_t)(w[3] << 8 | w[4]), message = (size_t)(w[6] << 16 | w[7] << 8 | w[8]);
    size_t at = fixed;
    while (at + n <= 9 + message && memcmp(w + at, pattern, n) != 0)
        at++;
    assert_true(at + n <= 9 + message);
    const size_t block = (size_t)(w[fixed] << 8 | w[fixed + 1]) - n;
    memmove(w + at, w + at + n, e->wire_length - at - n);
    e->wire_length -= n;
    w[3] = (uint8_t)((record - 5 - n) >> 8);
    w[4] = (uint8_t)(record - 5 - n);
    w[7] = (uint8_t)((message - n) >> 8);
    w[8] = (uint8_t)(message - n);
    w[fixed] = (uint8_t)(block >> 8);
    w[fixed + 1] = (uint8_t)block;
}

/* ---- tickets ------------------------------------------------------------------------------------------------ */

static void a_ticket_resumes_in_one_round_trip_without_a_certificate(void **state)
{
    (void)state;
    static const char *const hosts[] = { "localhost", "rsa.test", "p384.test", "ed25519.test" };
    for (size_t i = 0; i < HF_COUNT(hosts); i++) {
        session_length = 0;
        connect_to(hosts[i]);
        assert_string_equal(r.client.log, "WANT_VERIFY\nSESSION\nOPENED\n");
        keep_session();
        for (int again = 0; again < 2; again++) {
            r.now = hf_time_after(r.now, HF_SECONDS(3600));
            connect_to(hosts[i]);
            expect_resumed(true);
            assert_string_equal(r.client.log, "OPENED\n");
            assert_string_equal(r.server.log, "OPENED\n");
            assert_int_equal(hf_tls_version(r.server.t), HF_TLS_1_2);
            assert_string_equal(hf_tls_group(r.client.t), "none");
            assert_true(hf_bytes_equal(hf_tls_protocol(r.client.t), hf_text("http/1.1")));
        }
    }
    r.now = hf_time_after(r.now, HF_SECONDS(86400)); /* resuming did not prolong it */
    connect_to("ed25519.test");
    expect_resumed(false);
}

/* Each thing that a full handshake would decide anew: RFC 8446 8.1, RFC 6066 3, CVE-2025-23419. */
static void check_binding(void)
{
    static const hf_bytes other_protocol[] = { { (const uint8_t *)"h2", 2 } };
    static const uint16_t other_suite[] = { 0xc02c, 0x1302 };
    connect_to("localhost");
    keep_session();
    for (int i = 0; i < 8; i++) {
        const hf_tls_config server = r.server_config, client = r.client_config;
        const char *host = "localhost";
        switch (i) {
        case 0: r.server_config.context = 1; break;
        case 1: r.server_config.client_auth = HF_TLS_CLIENT_AUTH_ASK; break;
        case 2: r.server_config.ticket_key_count = 0; break;
        case 3: r.client_config.protocols = other_protocol; break;
        case 4: r.server_config.suites = other_suite, r.server_config.suite_count = 2; break; /* another hash */
        case 5: host = "rsa.test"; break;
        case 6: r.client_config.protocol_count = 0; break;
        case 7: memset(r.tickets, 8, sizeof r.tickets); break;
        default: break;
        }
        connect_to(host);
        expect_resumed(false);
        memset(r.tickets, 7, sizeof r.tickets);
        r.server_config = server;
        r.client_config = client;
    }
    connect_to("localhost");
    expect_resumed(true);
}

static void a_ticket_opens_only_what_it_was_minted_for(void **state)
{
    (void)state;
    check_binding();
}

static void a_ticket_of_tls_1_3_opens_only_what_it_was_minted_for(void **state)
{
    (void)state;
    r.client_config.most_version = 0;
    check_binding();
}

static void a_ticket_of_one_version_is_none_of_the_other(void **state)
{
    (void)state;
    connect_to("localhost");
    keep_session();
    r.client_config.most_version = 0;
    r.server_config.least_version = HF_TLS_1_3; /* which does not take it, and its client does not offer it as a PSK */
    connect_to("localhost");
    expect_resumed(false);
    assert_int_equal(hf_tls_version(r.server.t), HF_TLS_1_3);
    keep_session();
    r.server_config.least_version = 0;
    r.client_config.most_version = HF_TLS_1_2;
    connect_to("localhost");
    expect_resumed(false);
}

/* RFC 7627 5.3, both sides of it. */
static void a_session_is_not_resumed_without_the_extended_master_secret(void **state)
{
    (void)state;
    static const uint8_t ems[] = { 0, 23, 0, 0 };
    connect_to("localhost");
    keep_session();
    rig_start_session(&r, "localhost", hf_bytes_make(session, session_length));
    rig_emit(&r, &r.client);
    const size_t suites = (size_t)(r.client.wire[76] << 8 | r.client.wire[77]);
    cut_extension(&r.client, ems, sizeof ems, 9 + 2 + 32 + 33 + 2 + suites + 2);
    rig_pump(&r);
    expect_faults(HF_ERR_TLS_EMS, HF_ERR_TLS_ALERT_HANDSHAKE_FAILURE);

    rig_start_session(&r, "localhost", hf_bytes_make(session, session_length));
    rig_emit(&r, &r.client);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    rig_emit(&r, &r.server);
    cut_extension(&r.server, ems, sizeof ems, 9 + 2 + 32 + 33 + 2 + 1);
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_EMS);
    assert_int_equal(hf_tls_fault_of(r.client.t)->alert, 40);
}

static void a_changed_ticket_falls_back_to_a_full_handshake(void **state)
{
    (void)state;
    connect_to("localhost");
    keep_session();
    session[session_length - 1] ^= 1; /* its tag */
    connect_to("localhost");
    expect_resumed(false);
}

/* ---- client certificates -------------------------------------------------------------------------------------- */

static void ask(hf_tls_client_auth how, size_t identity)
{
    r.server_config.client_auth = how;
    r.client_config.identities = identity < HF_COUNT(r.identities) ? &r.identities[identity] : NULL;
    r.client_config.identity_count = identity < HF_COUNT(r.identities) ? 1 : 0;
}

static void a_client_shows_a_certificate_when_asked(void **state)
{
    (void)state;
    r.server.judge = true;
    ask(HF_TLS_CLIENT_AUTH_REQUIRE, 4);
    connect_to("localhost");
    expect_open();
    expect_talk();
    assert_string_equal(r.server.log, "WANT_SIGN\nWANT_VERIFY\nOPENED\n");
    assert_true(hf_tls_peer(r.server.t).len > 0);
    ask(HF_TLS_CLIENT_AUTH_REQUIRE, 0); /* one for servers is no client's */
    connect_to("localhost");
    expect_faults(HF_ERR_TLS_CERT_PURPOSE, HF_ERR_TLS_ALERT_UNSUPPORTED_CERTIFICATE);
    ask(HF_TLS_CLIENT_AUTH_REQUIRE, SIZE_MAX); /* none: RFC 5246 7.4.6 */
    connect_to("localhost");
    expect_faults(HF_ERR_TLS_NO_CERTIFICATE, HF_ERR_TLS_ALERT_HANDSHAKE_FAILURE);
    ask(HF_TLS_CLIENT_AUTH_ASK, SIZE_MAX);
    connect_to("localhost");
    expect_open();
    assert_int_equal(hf_tls_peer(r.server.t).len, 0);
    assert_int_equal(r.client.session_length, 0); /* nothing to resume: it proved nothing */
}

static void every_kind_of_client_key_signs(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        ask(HF_TLS_CLIENT_AUTH_REQUIRE, i);
        connect_to("localhost");
        expect_open();
        expect_talk();
    }
}

/* Only the owner of the key may use the certificate: CertificateVerify under another key. */
static void a_certificate_without_its_key_is_refused(void **state)
{
    (void)state;
    for (uint16_t version = HF_TLS_1_2; version <= HF_TLS_1_3; version++) {
        hf_tls_identity mixed = r.identities[4];
        mixed.key = r.identities[0].key;
        r.client_config.most_version = version;
        ask(HF_TLS_CLIENT_AUTH_REQUIRE, 4);
        r.client_config.identities = &mixed;
        connect_to("localhost");
        assert_false(rig_is_open(&r.server));
        assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_SIGNATURE);
        assert_int_equal(hf_tls_fault_of(r.server.t)->alert, 51);
    }
}

static void a_resumed_session_knows_its_client(void **state)
{
    (void)state;
    for (uint16_t version = HF_TLS_1_2; version <= HF_TLS_1_3; version++) {
        hf_certificate_facts facts;
        hf_chain_describe(r.identities[4].chain, 0, &facts);
        r.client_config.most_version = version;
        ask(HF_TLS_CLIENT_AUTH_REQUIRE, 4);
        r.server_config.wall_offset_ns = (facts.until.s - 7200) * HF_SECONDS(1) - r.now.ns;
        r.client_config.wall_offset_ns = r.server_config.wall_offset_ns;
        session_length = 0;
        connect_to("localhost");
        keep_session();
        connect_to("localhost");
        expect_resumed(true);
        assert_true(hf_bytes_equal(hf_tls_peer(r.server.t), hf_text(facts.subject)));
        r.now = hf_time_after(r.now, HF_SECONDS(7201)); /* and does not outlive its certificate */
        connect_to("localhost");
        expect_resumed(false);
    }
}

/* ---- RSA key exchange ------------------------------------------------------------------------------------------- */

static void allow_rsa(bool server, bool client)
{
    r.server_config.rsa_key_exchange = server;
    r.client_config.rsa_key_exchange = client;
    r.client_config.suites = client ? &rsa_suite : NULL;
    r.client_config.suite_count = 1;
}

static void the_rsa_key_exchange_is_spoken_by_setting_alone(void **state)
{
    (void)state;
    r.client.judge = true;
    allow_rsa(true, true);
    connect_to("rsa.test");
    expect_open();
    expect_talk();
    assert_string_equal(r.server.log, "WANT_DECRYPT\nOPENED\n");
    assert_string_equal(hf_tls_suite(r.client.t), "TLS_RSA_WITH_AES_128_GCM_SHA256");
    assert_string_equal(hf_tls_group(r.client.t), "none");
    keep_session();
    connect_to("rsa.test");
    expect_resumed(true);
    session_length = 0;
    allow_rsa(false, true);
    connect_to("rsa.test");
    expect_faults(HF_ERR_TLS_NO_SUITE, HF_ERR_TLS_ALERT_HANDSHAKE_FAILURE);
    allow_rsa(true, false); /* a client that has more gets forward secrecy */
    connect_to("rsa.test");
    expect_open();
    assert_string_equal(hf_tls_suite(r.client.t), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    allow_rsa(true, true);
    r.client_config.suites = NULL;
    connect_to("rsa.test");
    assert_string_equal(hf_tls_suite(r.client.t), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
}

static void the_rsa_key_exchange_goes_with_client_certificates_and_staples(void **state)
{
    (void)state;
    static const uint8_t staple[] = { 0x30, 1, 0 };
    allow_rsa(true, true);
    ask(HF_TLS_CLIENT_AUTH_REQUIRE, 4);
    r.identities[1].staple = hf_bytes_make(staple, sizeof staple);
    r.client_config.ask_staple = true;
    connect_to("rsa.test");
    expect_open();
    expect_talk();
    assert_string_equal(r.server.log, "WANT_VERIFY\nWANT_DECRYPT\nOPENED\n");
}

static void a_server_that_answers_with_a_suite_not_offered_is_refused(void **state)
{
    (void)state;
    static const uint8_t rsa[] = { 0, 0x9c };
    rig_start(&r, "rsa.test");
    rig_emit(&r, &r.client);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    rig_emit(&r, &r.server);
    memcpy(r.server.wire + 9 + 2 + 32 + 1, rsa, 2);
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_ILLEGAL);
}

/* Where the client's ClientKeyExchange begins on its wire. */
static uint8_t *key_exchange(void)
{
    uint8_t *at = r.client.wire;
    assert_int_equal(at[0], HF_RECORD_HANDSHAKE);
    assert_int_equal(at[5], HF_MESSAGE_CLIENT_KEY);
    return at + 9;
}

/* Bleichenbacher's oracle, and ROBOT: whatever is wrong with the ciphertext, the same events, the same alert, at the same
 * place; only the Finished fails. */
static void a_wrong_premaster_is_told_by_nothing_but_the_finished(void **state)
{
    (void)state;
    allow_rsa(true, true);
    for (int i = 0; i < 5; i++) {
        rig_start(&r, "rsa.test");
        rig_emit(&r, &r.client);
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        rig_emit(&r, &r.server);
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        rig_emit(&r, &r.client);
        uint8_t *const body = key_exchange();
        const size_t n = (size_t)(body[0] << 8 | body[1]);
        uint8_t encrypted[HF_SIGNATURE_MOST];
        size_t length = 0;
        uint8_t premaster[HF_PREMASTER] = { 3, 2 }; /* a version that was not offered */
        switch (i) {
        case 0: body[2 + n / 2] ^= 1; break;
        case 1: memset(body + 2, 0, n); break;
        case 2: memset(body + 2, 255, n); break; /* larger than the modulus */
        case 3:
        case 4: /* rightly padded, of the wrong version or length */
            assert_int_equal(hf_chain_encrypt(r.identities[1].chain, hf_bytes_make(premaster, i == 3 ? 48 : 47), encrypted, &length).code, 0);
            assert_int_equal(length, n);
            memcpy(body + 2, encrypted, n);
            break;
        default: break;
        }
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        assert_string_equal(r.server.log, "WANT_DECRYPT\n");
        assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_RECORD_MAC);
        assert_int_equal(hf_tls_fault_of(r.server.t)->alert, 20);
    }
}

/* Whoever asks for output right after an answer, before the next step, gets what may leave then, and no more. */
static void output_may_be_asked_for_at_any_moment(void **state)
{
    (void)state;
    r.client.eager = r.server.eager = true;
    for (int i = 0; i < 12; i++) {
        r.client_config.most_version = i & 1 ? HF_TLS_1_3 : HF_TLS_1_2;
        ask(i & 2 ? HF_TLS_CLIENT_AUTH_REQUIRE : HF_TLS_CLIENT_AUTH_NONE, i & 2 ? 4 : SIZE_MAX);
        allow_rsa(i >= 8, i >= 8 && !(i & 1));
        session_length = 0;
        connect_to("rsa.test");
        expect_open();
        expect_talk();
        keep_session();
        connect_to("rsa.test");
        expect_resumed(true);
    }
}

/* ---- the rest ----------------------------------------------------------------------------------------------------- */

static void a_staple_goes_to_those_who_ask(void **state)
{
    (void)state;
    static const uint8_t staple[] = { 0x30, 3, 10, 1, 0 };
    r.identities[0].staple = hf_bytes_make(staple, sizeof staple);
    for (uint16_t version = HF_TLS_1_2; version <= HF_TLS_1_3; version++)
        for (int asks = 0; asks < 2; asks++) {
            r.client_config.most_version = version;
            r.client_config.ask_staple = asks;
            connect_to("localhost");
            expect_open();
            expect_talk();
            const bool seen = r.client.staple_length == sizeof staple && memcmp(r.client.staple, staple, sizeof staple) == 0;
            assert_int_equal(seen, asks && version == HF_TLS_1_3); /* in TLS 1.2 it comes behind the question */
            connect_to("p384.test"); /* which has none */
            expect_open();
            assert_int_equal(r.client.staple_length, 0);
        }
}

static void record_sizes_are_told_in_both_versions(void **state)
{
    (void)state;
    connect_to("localhost");
    expect_open();
    assert_int_equal(r.server.t->hs.record_limit, HF_RECORD_MOST + 1);
    assert_int_equal(r.client.t->hs.record_limit, HF_RECORD_MOST);
    r.server.t->hs.record_limit = 64; /* as a small client would have said */
    static uint8_t big[1000];
    const hf_extent x = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(big, sizeof big) };
    assert_int_equal(hf_tls_put(r.server.t, &x, 1), sizeof big);
    rig_emit(&r, &r.server);
    size_t records = 0;
    for (size_t at = 0; at < r.server.wire_length; records++) {
        const size_t n = (size_t)(r.server.wire[at + 3] << 8 | r.server.wire[at + 4]);
        assert_true(n <= 64 + 8 + 16);
        at += 5 + n;
    }
    assert_int_equal(records, 16);
}

static void a_retry_with_a_cookie_wants_it_back(void **state)
{
    (void)state;
    static const uint16_t group = HF_GROUP_P256;
    r.client_config.most_version = 0;
    r.server_config.groups = &group;
    r.server_config.group_count = 1;
    r.server_config.retry_cookie = true;
    connect_to("localhost");
    expect_open();
    expect_talk();
    for (int i = 0; i < 2; i++) {
        rig_start(&r, "localhost");
        rig_emit(&r, &r.client);
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        rig_emit(&r, &r.server);
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        rig_emit(&r, &r.client);
        uint8_t *const w = r.client.wire;
        size_t at = 0;
        static const uint8_t head[] = { 0, 44, 0, 18, 0, 16 };
        while (memcmp(w + at, head, sizeof head) != 0)
            at++;
        assert_true(at < r.client.wire_length);
        if (i == 0)
            w[at + 10] ^= 1;
        else
            w[at + 1] = 99; /* none at all: an extension that nobody knows */
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, i == 0 ? HF_ERR_TLS_ILLEGAL : HF_ERR_TLS_MISSING_EXTENSION);
    }
}

/* A ClientHello with post-quantum shares has 2 KB: more than one TCP segment, and often more than one record. */
static void a_long_client_hello_comes_in_many_records_and_segments(void **state)
{
    (void)state;
    static const size_t parts[] = { 1, 100, 517, 1460 };
    static char names[12][201];
    hf_bytes protocols[13];
    for (size_t i = 0; i < 12; i++) {
        memset(names[i], 'a' + (int)i, 200);
        protocols[i] = hf_text(names[i]);
    }
    protocols[12] = hf_text("http/1.1");
    r.client_config.most_version = 0;
    r.client_config.protocols = protocols;
    r.client_config.protocol_count = 13;
    for (size_t i = 0; i < HF_COUNT(parts); i++)
        for (size_t segment = 7; segment <= 1460; segment += 1453) {
            static uint8_t hello[8192], framed[65536];
            size_t n = 0;
            rig_start(&r, "localhost");
            rig_emit(&r, &r.client);
            const size_t length = r.client.wire_length - 5;
            assert_true(length > 2048 && length < sizeof hello);
            memcpy(hello, r.client.wire + 5, length);
            for (size_t at = 0; at < length; at += parts[i]) {
                const size_t part = parts[i] < length - at ? parts[i] : length - at;
                const uint8_t header[] = { HF_RECORD_HANDSHAKE, 3, 1, (uint8_t)(part >> 8), (uint8_t)part };
                memcpy(framed + n, header, 5);
                memcpy(framed + n + 5, hello + at, part);
                n += 5 + part;
            }
            r.client.wire_length = 0;
            for (size_t at = 0; at < n; at += segment) {
                const size_t part = segment < n - at ? segment : n - at;
                assert_false(strstr(r.server.log, "WANT_SIGN"));
                memcpy(r.client.wire + r.client.wire_length, framed + at, part);
                r.client.wire_length += part;
                rig_feed(&r, &r.server, &r.client, SIZE_MAX);
            }
            rig_pump(&r);
            expect_open();
            expect_talk();
        }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_ticket_resumes_in_one_round_trip_without_a_certificate), T(a_ticket_opens_only_what_it_was_minted_for),
        T(a_ticket_of_tls_1_3_opens_only_what_it_was_minted_for), T(a_ticket_of_one_version_is_none_of_the_other),
        T(a_session_is_not_resumed_without_the_extended_master_secret), T(a_changed_ticket_falls_back_to_a_full_handshake),
        T(a_client_shows_a_certificate_when_asked), T(every_kind_of_client_key_signs), T(a_certificate_without_its_key_is_refused),
        T(a_resumed_session_knows_its_client), T(the_rsa_key_exchange_is_spoken_by_setting_alone),
        T(the_rsa_key_exchange_goes_with_client_certificates_and_staples),
        T(a_server_that_answers_with_a_suite_not_offered_is_refused), T(a_wrong_premaster_is_told_by_nothing_but_the_finished),
        T(output_may_be_asked_for_at_any_moment), T(a_staple_goes_to_those_who_ask), T(record_sizes_are_told_in_both_versions), T(a_retry_with_a_cookie_wants_it_back),
        T(a_long_client_hello_comes_in_many_records_and_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
