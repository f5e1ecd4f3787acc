/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound that this room enforces is reached here, by its name.
 */
#include "tls/rig.h"

static rig r;

static int set_up(void **state)
{
    (void)state;
    rig_open(&r, 1);
    rig_start(&r, "localhost");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

/* A record of the client's, under the keys that it has, straight onto the wire. */
static void send_record(rig_end *e, uint8_t type, const void *bytes, size_t n)
{
    const hf_bytes piece = hf_bytes_make(bytes, n);
    hf_record_keys *k = &e->t->write[HF_LEVEL_APPLICATION];
    e->wire_length += hf_record_seal(k, type, &piece, 1, e->wire + e->wire_length);
}

static void open_both(void)
{
    rig_pump(&r);
    assert_true(rig_is_open(&r.server) && rig_is_open(&r.client));
}

static void expect_fault(rig_end *e, int32_t code)
{
    assert_int_equal(e->last, HF_FAULT);
    assert_int_equal(hf_tls_fault_of(e->t)->err.code, code);
}

/* A message of `n` bytes to a handshake in `state`: refused by its header alone, or awaited. */
static int32_t announce(bool server, hf_hs_state state, uint8_t type, size_t n)
{
    hf_handshake h;
    hf_hs_event e;
    const uint8_t header[] = { type, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
    assert_true(hf_handshake_init(&h, &r.w.env, &r.server_config, server));
    h.state = (uint8_t)state;
    assert_true(hf_handshake_feed(&h, hf_bytes_make(header, 4)));
    const hf_step step = hf_handshake_step(&h, r.now, &e);
    const int32_t code = h.bad;
    assert_int_equal(step, code == 0 ? HF_IDLE : HF_FAULT);
    hf_handshake_fini(&h);
    return code;
}

static void limit_tls_hello_bytes(void **state)
{
    (void)state;
    assert_int_equal(announce(true, HF_HS_WAIT_HELLO, HF_MESSAGE_CLIENT_HELLO, 65536), 0);
    assert_int_equal(announce(true, HF_HS_WAIT_HELLO, HF_MESSAGE_CLIENT_HELLO, 65537), HF_ERR_TLS_MESSAGE_LENGTH);
}

static void limit_tls_certificate_bytes(void **state)
{
    (void)state;
    assert_int_equal(announce(false, HF_HS_WAIT_CERT, HF_MESSAGE_CERTIFICATE, 131072), 0);
    assert_int_equal(announce(false, HF_HS_WAIT_CERT, HF_MESSAGE_CERTIFICATE, 131073), HF_ERR_TLS_MESSAGE_LENGTH);
}

static void limit_tls_message_bytes(void **state)
{
    (void)state;
    assert_int_equal(announce(false, HF_HS_WAIT_EXTENSIONS, HF_MESSAGE_EXTENSIONS, 16384), 0);
    assert_int_equal(announce(false, HF_HS_WAIT_EXTENSIONS, HF_MESSAGE_EXTENSIONS, 16385), HF_ERR_TLS_MESSAGE_LENGTH);
}

static void limit_tls_handshake_ns(void **state)
{
    (void)state;
    rig_emit(&r, &r.client);
    assert_int_equal(hf_tls_wake(r.server.t).ns, r.now.ns + HF_SECONDS(10));
    r.now = hf_time_after(r.now, HF_SECONDS(10) - 1);
    rig_feed(&r, &r.server, &r.client, 20); /* a few bytes now and then do not help */
    assert_int_equal(r.server.last, HF_IDLE);
    r.now = hf_time_after(r.now, 1);
    rig_feed(&r, &r.server, &r.client, 20);
    expect_fault(&r.server, HF_ERR_TLS_TIMEOUT);
}

static void limit_tls_idle_records(void **state)
{
    (void)state;
    open_both();
    for (int i = 0; i < 32; i++)
        send_record(&r.client, HF_RECORD_DATA, "", 0);
    send_record(&r.client, HF_RECORD_DATA, "x", 1);
    for (int i = 0; i < 32; i++)
        send_record(&r.client, HF_RECORD_DATA, "", 0);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(r.server.last, HF_IDLE);
    send_record(&r.client, HF_RECORD_DATA, "", 0);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    expect_fault(&r.server, HF_ERR_TLS_RECORD_EMPTY);
}

static void limit_tls_key_updates(void **state)
{
    (void)state;
    open_both();
    for (int i = 0; i < 33; i++) {
        assert_int_equal(r.server.last, HF_IDLE);
        send_record(&r.client, HF_RECORD_HANDSHAKE, "\x18\0\0\1\0", 5);
        assert_true(hf_record_keys_update(&r.client.t->write[HF_LEVEL_APPLICATION]));
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    }
    expect_fault(&r.server, HF_ERR_TLS_KEY_UPDATES);
}

static void limit_tls_warnings(void **state)
{
    (void)state;
    open_both();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(r.server.last, HF_IDLE);
        send_record(&r.client, HF_RECORD_ALERT, "\1\x5a", 2);
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    }
    expect_fault(&r.server, HF_ERR_TLS_WARNINGS);
}

static void limit_tls_ccs_records(void **state)
{
    (void)state;
    rig_emit(&r, &r.client);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r.server.last, HF_IDLE);
        memcpy(r.client.wire, "\x14\3\3\0\1\1", 6);
        r.client.wire_length = 6;
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    }
    expect_fault(&r.server, HF_ERR_TLS_UNEXPECTED_MESSAGE);
}

static void limit_tls_tickets(void **state)
{
    (void)state;
    static const uint8_t ticket[] = { 4, 0, 0, 14, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0 };
    open_both(); /* with two of them */
    for (int i = 0; i < 15; i++) {
        assert_int_equal(r.client.last, HF_IDLE);
        send_record(&r.server, HF_RECORD_HANDSHAKE, ticket, sizeof ticket);
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    }
    expect_fault(&r.client, HF_ERR_TLS_TICKETS);
}

static void limit_tls_ticket_s(void **state)
{
    (void)state;
    open_both();
    uint8_t session[4096];
    const size_t n = r.client.session_length;
    memcpy(session, r.client.session, n);
    for (int late = 0; late < 2; late++) {
        r.now = hf_time_after(r.now, late ? 2 * HF_MILLISECONDS(1) : HF_SECONDS(86400) - HF_MILLISECONDS(1));
        rig_start_session(&r, "localhost", hf_bytes_make(session, n));
        open_both();
        assert_int_equal(hf_tls_resumed(r.server.t), !late);
    }
}

/* RFC 8446 4.2.10: records under keys that we do not have, behind a ClientHello that announced them. */
static void limit_tls_early_skip_bytes(void **state)
{
    (void)state;
    static uint8_t record[5 + 8000] = { 23, 3, 3, 8000 >> 8, 8000 & 255 };
    rig_emit(&r, &r.client);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    r.server.t->hs.early_offered = true;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(r.server.last, HF_IDLE);
        memcpy(r.client.wire, record, sizeof record);
        r.client.wire_length = sizeof record;
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    }
    expect_fault(&r.server, HF_ERR_TLS_RECORD_MAC);
}

static void limit_tls_key_records(void **state)
{
    (void)state;
    r.w.limits.tls_key_records = 5;
    open_both();
    for (int i = 0; i < 50; i++) {
        rig_put(&r.client, "x");
        rig_pump(&r);
        assert_true(r.client.t->write[HF_LEVEL_APPLICATION].sequence <= 5);
    }
    assert_int_equal(r.server.data_length, 50);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(limit_tls_hello_bytes), T(limit_tls_certificate_bytes), T(limit_tls_message_bytes), T(limit_tls_handshake_ns),
        T(limit_tls_idle_records), T(limit_tls_key_updates), T(limit_tls_warnings), T(limit_tls_ccs_records), T(limit_tls_tickets),
        T(limit_tls_ticket_s), T(limit_tls_early_skip_bytes), T(limit_tls_key_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
