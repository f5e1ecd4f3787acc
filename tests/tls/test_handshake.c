/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole handshakes between our own server and client, in memory.
 */
#include "tls/rig.h"

static rig r;

static int set_up(void **state)
{
    (void)state;
    rig_open(&r, 1);
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
    if (!rig_is_open(&r.server) || !rig_is_open(&r.client)) {
        char server[512];
        snprintf(server, sizeof server, "%s", rig_why(&r.server));
        fail_msg("server: %s\nclient: %s", server, rig_why(&r.client));
    }
}

static void expect_talk(void)
{
    assert_int_equal(rig_put(&r.client, "to the server"), 13);
    assert_int_equal(rig_put(&r.server, "to the client"), 13);
    r.server.data_length = r.client.data_length = 0;
    rig_pump(&r);
    assert_int_equal(r.server.data_length, 13);
    assert_memory_equal(r.server.data, "to the server", 13);
    assert_int_equal(r.client.data_length, 13);
    assert_memory_equal(r.client.data, "to the client", 13);
}

static void a_handshake_opens_both_ends(void **state)
{
    (void)state;
    r.client.judge = true;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_open();
    expect_talk();
    assert_int_equal(hf_tls_version(r.server.t), HF_TLS_1_3);
    assert_string_equal(hf_tls_suite(r.client.t), "TLS_AES_128_GCM_SHA256");
    assert_true(hf_bytes_equal(hf_tls_protocol(r.server.t), hf_text("http/1.1")));
    assert_true(hf_bytes_equal(hf_tls_protocol(r.client.t), hf_text("http/1.1")));
    assert_true(hf_bytes_equal(hf_tls_host(r.server.t), hf_text("localhost")));
    assert_string_equal(r.client.log, "WANT_VERIFY\nOPENED\nSESSION\nSESSION\n");
    assert_string_equal(r.server.log, "WANT_SIGN\nOPENED\n");
}

static void the_name_asked_for_chooses_the_identity(void **state)
{
    (void)state;
    static const char *const hosts[] = { "localhost", "rsa.test", "p384.test", "ed25519.test", "a.wild.test" };
    r.client.judge = true;
    for (size_t i = 0; i < HF_COUNT(hosts); i++) {
        rig_start(&r, hosts[i]);
        rig_pump(&r);
        expect_open();
        expect_talk();
    }
}

static void a_wrong_name_is_told_with_its_alert(void **state)
{
    (void)state;
    r.client.judge = true;
    rig_start(&r, "elsewhere.test");
    rig_pump(&r);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_CERT_NAME);
    assert_int_equal(hf_tls_fault_of(r.client.t)->alert, 46);
    assert_false(hf_tls_fault_of(r.client.t)->remote);
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_ALERT_CERTIFICATE_UNKNOWN);
    assert_true(hf_tls_fault_of(r.server.t)->remote);
    assert_false(rig_is_open(&r.client) || rig_is_open(&r.server));
}

static void a_ticket_resumes_without_a_certificate(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_open();
    uint8_t session[4096];
    const size_t n = r.client.session_length;
    assert_true(n > 0);
    memcpy(session, r.client.session, n);
    r.now = hf_time_after(r.now, HF_SECONDS(3600));
    rig_start_session(&r, "localhost", hf_bytes_make(session, n));
    rig_pump(&r);
    expect_open();
    expect_talk();
    assert_true(hf_tls_resumed(r.server.t) && hf_tls_resumed(r.client.t));
    assert_null(strstr(r.client.log, "WANT_VERIFY"));
    /* too old */
    r.now = hf_time_after(r.now, HF_SECONDS(86400));
    rig_start_session(&r, "localhost", hf_bytes_make(session, n));
    rig_pump(&r);
    expect_open();
    assert_false(hf_tls_resumed(r.server.t));
}

/* RFC 8446 8.1 and CVE-2025-23419: what a ticket was minted for is what it opens. */
/* With ticket_wait_ns tickets leave along with the first answer, with close_notify, or alone when the time is up; never before. */
static void tickets_wait_for_the_first_answer(void **state)
{
    (void)state;
    static const int64_t wait = 10000000;
    r.server_config.ticket_wait_ns = wait;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_open();
    assert_int_equal(r.client.session_length, 0);
    assert_int_equal(hf_tls_wake(r.server.t).ns, r.now.ns + wait);
    assert_int_equal(rig_emit(&r, &r.server), 0);
    assert_int_equal(rig_put(&r.client, "a question"), 10); /* what comes in the meantime changes nothing */
    rig_pump(&r);
    assert_int_equal(r.server.data_length, 10);
    assert_int_equal(r.client.session_length, 0);
    assert_int_equal(rig_put(&r.server, "an answer"), 9);
    rig_pump(&r);
    assert_string_equal(r.client.log, "WANT_VERIFY\nOPENED\nSESSION\nSESSION\n");
    assert_int_equal(r.client.data_length, 9);
    assert_true(hf_tls_wake(r.server.t).ns > r.now.ns + wait);

    rig_start(&r, "localhost"); /* nobody says a thing */
    rig_pump(&r);
    r.now = hf_time_after(r.now, wait - 1);
    rig_pump(&r);
    assert_int_equal(r.client.session_length, 0);
    r.now = hf_time_after(r.now, 1);
    rig_pump(&r);
    assert_true(r.client.session_length > 0);
    assert_true(hf_tls_wake(r.server.t).ns > r.now.ns);

    rig_start(&r, "localhost"); /* or it is over at once */
    rig_pump(&r);
    assert_int_equal(hf_tls_end(r.server.t, (hf_ending){ HF_ENDING_FIN, 0 }).code, 0);
    rig_pump(&r);
    assert_string_equal(r.client.log, "WANT_VERIFY\nOPENED\nSESSION\nSESSION\nENDED\n");

    r.client_config.most_version = HF_TLS_1_2; /* there the ticket is of the handshake */
    rig_start(&r, "localhost");
    rig_pump(&r);
    assert_true(r.client.session_length > 0);
}

static void a_ticket_of_another_context_does_not_open(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    rig_pump(&r);
    uint8_t session[4096];
    const size_t n = r.client.session_length;
    memcpy(session, r.client.session, n);
    for (int i = 0; i < 3; i++) {
        hf_tls_config saved = r.server_config;
        if (i == 0)
            r.server_config.context = 1;
        else if (i == 1)
            r.server_config.client_auth = HF_TLS_CLIENT_AUTH_ASK;
        else
            r.server_config.ticket_key_count = 0;
        rig_start_session(&r, "localhost", hf_bytes_make(session, n));
        rig_pump(&r);
        expect_open();
        assert_false(hf_tls_resumed(r.server.t) || hf_tls_resumed(r.client.t));
        r.server_config = saved;
    }
    rig_start_session(&r, "rsa.test", hf_bytes_make(session, n));
    rig_pump(&r);
    expect_open();
    assert_false(hf_tls_resumed(r.client.t));
}

static void a_client_shows_a_certificate_when_asked(void **state)
{
    (void)state;
    r.server.judge = true;
    r.server_config.client_auth = HF_TLS_CLIENT_AUTH_REQUIRE;
    r.client_config.identities = &r.identities[4];
    r.client_config.identity_count = 1;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_open();
    expect_talk();
    assert_non_null(strstr(r.server.log, "WANT_VERIFY"));
    /* one for servers is no client's */
    r.client_config.identities = &r.identities[0];
    rig_start(&r, "localhost");
    rig_pump(&r);
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_CERT_PURPOSE);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_ALERT_UNSUPPORTED_CERTIFICATE);
    /* none */
    r.client_config.identity_count = 0;
    rig_start(&r, "localhost");
    rig_pump(&r);
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_NO_CERTIFICATE);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_ALERT_CERTIFICATE_REQUIRED);
    r.server_config.client_auth = HF_TLS_CLIENT_AUTH_ASK;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_open();
}

static void alpn_is_strict(void **state)
{
    (void)state;
    const hf_bytes other = hf_text("smtp");
    r.client_config.protocols = &other;
    rig_start(&r, "localhost");
    rig_pump(&r);
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_NO_PROTOCOL);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_ALERT_NO_APPLICATION_PROTOCOL);
}

static void much_data_goes_both_ways(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_open();
    uint8_t *big = malloc(500000);
    for (size_t i = 0; i < 500000; i++)
        big[i] = (uint8_t)(i * 31 + i / 256);
    const hf_extent x = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(big, 500000), .token = 9 };
    assert_int_equal(hf_tls_put(r.server.t, &x, 1), 500000);
    r.client.data_length = 0;
    r.server.most_per_emit = 5000;
    rig_pump(&r);
    assert_int_equal(r.client.data_length, 500000);
    assert_memory_equal(r.client.data, big, 500000);
    assert_int_equal(r.server.tokens, 9);
    free(big);
}

static void close_notify_ends_each_direction(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    rig_pump(&r);
    rig_put(&r.client, "last words");
    const hf_ending fin = { HF_ENDING_FIN, 0 };
    assert_int_equal(hf_tls_end(r.client.t, fin).code, 0);
    rig_pump(&r);
    assert_non_null(strstr(r.server.log, "ENDED"));
    assert_int_equal(r.server.ended.code, 0);
    assert_memory_equal(r.server.data, "last words", 10);
    rig_put(&r.server, "half open");
    rig_pump(&r);
    assert_memory_equal(r.client.data, "half open", 9);
    assert_int_equal(hf_tls_end(r.server.t, fin).code, 0);
    rig_pump(&r);
    assert_int_equal(r.server.last, HF_CLOSED);
    assert_int_equal(r.client.last, HF_CLOSED);
}

static void a_cut_is_told_from_an_end(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    rig_pump(&r);
    rig_put(&r.client, "cut");
    r.client.fin = true;
    rig_pump(&r);
    assert_int_equal(r.server.data_length, 3);
    assert_int_equal(r.server.ended.code, HF_ERR_TLS_TRUNCATED);
    /* within the handshake it is a fault */
    r.client.fin = false;
    rig_start(&r, "localhost");
    r.client.fin = true;
    rig_emit(&r, &r.client);
    r.client.wire_length -= 5;
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(r.server.last, HF_FAULT);
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_TRUNCATED);
}

static void keys_are_updated_both_ways(void **state)
{
    (void)state;
    r.w.limits.tls_key_records = 3;
    rig_start(&r, "localhost");
    rig_pump(&r);
    for (int i = 0; i < 20; i++)
        expect_talk();
    assert_true(r.server.t->write[HF_LEVEL_APPLICATION].sequence <= 4);
    r.server.t->update_due = true;
    expect_talk();
}

static void a_group_without_a_share_is_asked_for_again(void **state)
{
    (void)state;
    static const uint16_t wanted[] = { HF_GROUP_P256, HF_GROUP_P384 };
    for (size_t i = 0; i < HF_COUNT(wanted); i++) {
        r.server_config.groups = &wanted[i];
        r.server_config.group_count = 1;
        rig_start(&r, "localhost");
        rig_emit(&r, &r.client);
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        assert_int_equal(r.server.t->hs.state, HF_HS_WAIT_RETRY);
        rig_pump(&r);
        expect_open();
        expect_talk();
        uint8_t session[4096]; /* a ticket and a retry in one */
        const size_t n = r.client.session_length;
        memcpy(session, r.client.session, n);
        rig_start_session(&r, "localhost", hf_bytes_make(session, n));
        rig_pump(&r);
        expect_open();
        expect_talk();
        assert_true(hf_tls_resumed(r.server.t));
    }
}

static void plain_http_is_named(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    memcpy(r.client.wire, "GET / HTTP/1.1\r\n\r\n", 18);
    r.client.wire_length = 18;
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_PLAIN_HTTP);
    assert_int_equal(rig_emit(&r, &r.server), 0);
    memcpy(r.server.wire, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    r.server.wire_length = 28;
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_NOT_TLS);
}

static void an_idle_connection_holds_little(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    const size_t before = r.w.memory.held;
    rig_pump(&r);
    expect_open();
    expect_talk();
    r.now = hf_time_after(r.now, HF_SECONDS(1));
    rig_pump(&r);
    assert_true(r.w.memory.held < before);
    assert_null(r.server.t->read.aead.ctx);
    assert_null(r.server.t->hs.work);
    assert_true(sizeof(hf_tls) <= 2048);
    expect_talk();
}

static void tls_1_2_with_every_key_and_suite(void **state)
{
    (void)state;
    static const char *const hosts[] = { "localhost", "rsa.test", "p384.test", "ed25519.test" };
    static const uint16_t groups[] = { HF_GROUP_X25519, HF_GROUP_P256, HF_GROUP_P384 };
    r.client.judge = true;
    r.client_config.most_version = HF_TLS_1_2;
    for (size_t i = 0; i < HF_COUNT(hosts); i++)
        for (size_t g = 0; g < HF_COUNT(groups); g++) {
            r.client_config.groups = &groups[g];
            r.client_config.group_count = 1;
            rig_start(&r, hosts[i]);
            rig_pump(&r);
            expect_open();
            for (int k = 0; k < 3; k++)
                expect_talk();
            assert_int_equal(hf_tls_version(r.server.t), HF_TLS_1_2);
            assert_true(hf_bytes_equal(hf_tls_protocol(r.client.t), hf_text("http/1.1")));
            assert_string_equal(r.client.log, "WANT_VERIFY\nSESSION\nOPENED\n");
        }
    /* a server that speaks 1.2 alone, and one that speaks 1.3 alone */
    r.client_config.most_version = 0;
    r.server_config.most_version = HF_TLS_1_2;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_open();
    r.server_config.most_version = 0;
    r.server_config.least_version = HF_TLS_1_3;
    r.client_config.most_version = HF_TLS_1_2;
    rig_start(&r, "localhost");
    rig_pump(&r);
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_VERSION);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_ALERT_PROTOCOL_VERSION);
}

/* RFC 8446 4.1.3: a client that speaks 1.3 sees the mark of a server that does too, and was made to speak 1.2. */
static void a_downgrade_is_seen(void **state)
{
    (void)state;
    r.client_config.most_version = HF_TLS_1_2;
    rig_start(&r, "localhost");
    rig_emit(&r, &r.client);
    r.client_config.most_version = 0;
    rig_pump(&r);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_DOWNGRADE);
    assert_int_equal(hf_tls_fault_of(r.client.t)->alert, 47);
}

static void exporters_agree(void **state)
{
    (void)state;
    uint8_t a[32], b[32];
    rig_start(&r, "localhost");
    rig_pump(&r);
    assert_int_equal(hf_tls_export(r.server.t, "EXPORTER-test", hf_text("x"), a, 32).code, 0);
    assert_int_equal(hf_tls_export(r.client.t, "EXPORTER-test", hf_text("x"), b, 32).code, 0);
    assert_memory_equal(a, b, 32);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_handshake_opens_both_ends), T(the_name_asked_for_chooses_the_identity), T(a_wrong_name_is_told_with_its_alert),
        T(a_ticket_resumes_without_a_certificate), T(tickets_wait_for_the_first_answer),
        T(a_ticket_of_another_context_does_not_open), T(a_client_shows_a_certificate_when_asked),
        T(alpn_is_strict), T(much_data_goes_both_ways), T(close_notify_ends_each_direction), T(a_cut_is_told_from_an_end),
        T(keys_are_updated_both_ways), T(a_group_without_a_share_is_asked_for_again), T(plain_http_is_named),
        T(an_idle_connection_holds_little), T(exporters_agree), T(tls_1_2_with_every_key_and_suite),
        T(a_downgrade_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
