/* SPDX-License-Identifier: Apache-2.0
 *
 * The codes by which a handshake ends: what the peer's alert said, and what we refuse, each from the bytes that cause it.
 */
#include "tls/client_hello.h"

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

static int32_t code_of(const rig_end *e)
{
    return hf_tls_fault_of(e->t)->err.code;
}

/* ---- what the peer's alert said --------------------------------------------------------------------------------- */

static void a_fatal_alert_is_told_by_its_name(void **state)
{
    (void)state;
    static const struct { uint8_t alert; int32_t code; } rows[] = {
        { 10, HF_ERR_TLS_ALERT_UNEXPECTED_MESSAGE },     { 20, HF_ERR_TLS_ALERT_BAD_RECORD_MAC },
        { 22, HF_ERR_TLS_ALERT_RECORD_OVERFLOW },        { 40, HF_ERR_TLS_ALERT_HANDSHAKE_FAILURE },
        { 42, HF_ERR_TLS_ALERT_BAD_CERTIFICATE },        { 43, HF_ERR_TLS_ALERT_UNSUPPORTED_CERTIFICATE },
        { 44, HF_ERR_TLS_ALERT_CERTIFICATE_REVOKED },    { 45, HF_ERR_TLS_ALERT_CERTIFICATE_EXPIRED },
        { 46, HF_ERR_TLS_ALERT_CERTIFICATE_UNKNOWN },    { 47, HF_ERR_TLS_ALERT_ILLEGAL_PARAMETER },
        { 48, HF_ERR_TLS_ALERT_UNKNOWN_CA },             { 49, HF_ERR_TLS_ALERT_ACCESS_DENIED },
        { 50, HF_ERR_TLS_ALERT_DECODE_ERROR },           { 51, HF_ERR_TLS_ALERT_DECRYPT_ERROR },
        { 70, HF_ERR_TLS_ALERT_PROTOCOL_VERSION },       { 71, HF_ERR_TLS_ALERT_INSUFFICIENT_SECURITY },
        { 80, HF_ERR_TLS_ALERT_INTERNAL_ERROR },         { 86, HF_ERR_TLS_ALERT_INAPPROPRIATE_FALLBACK },
        { 100, HF_ERR_TLS_ALERT_NO_RENEGOTIATION },
        { 109, HF_ERR_TLS_ALERT_MISSING_EXTENSION },     { 110, HF_ERR_TLS_ALERT_UNSUPPORTED_EXTENSION },
        { 112, HF_ERR_TLS_ALERT_UNRECOGNIZED_NAME },     { 113, HF_ERR_TLS_ALERT_BAD_STATUS_RESPONSE },
        { 115, HF_ERR_TLS_ALERT_UNKNOWN_PSK_IDENTITY },  { 116, HF_ERR_TLS_ALERT_CERTIFICATE_REQUIRED },
        { 120, HF_ERR_TLS_ALERT_NO_APPLICATION_PROTOCOL }, { 222, HF_ERR_TLS_ALERT_OTHER },
        { 0, HF_ERR_TLS_ALERT_CLOSE_NOTIFY },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        rig_start(&r, "localhost");
        rig_emit(&r, &r.client);
        const uint8_t alert[] = { HF_RECORD_ALERT, 3, 3, 0, 2, 2, rows[i].alert };
        memcpy(r.server.wire, alert, sizeof alert);
        r.server.wire_length = sizeof alert;
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        assert_int_equal(r.client.last, HF_FAULT);
        assert_int_equal(code_of(&r.client), rows[i].code);
    }
}

/* RFC 8446 6.1: user_canceled is a warning, and close_notify follows. */
static void who_cancels_the_handshake_says_so_first(void **state)
{
    (void)state;
    static const uint8_t alerts[] = { HF_RECORD_ALERT, 3, 3, 0, 2, 1, 90, HF_RECORD_ALERT, 3, 3, 0, 2, 1, 0 };
    rig_start(&r, "localhost");
    rig_emit(&r, &r.client);
    memcpy(r.server.wire, alerts, sizeof alerts);
    r.server.wire_length = sizeof alerts;
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    assert_int_equal(r.client.last, HF_FAULT);
    assert_int_equal(code_of(&r.client), HF_ERR_TLS_ALERT_USER_CANCELED);
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

static void server_gets(const void *bytes, size_t n)
{
    rig_start(&r, "localhost");
    memcpy(r.client.wire, bytes, n);
    r.client.wire_length = n;
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(r.server.last, HF_FAULT);
}

static void a_record_of_no_kind_and_one_too_long_are_told(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    rig_emit(&r, &r.client);
    const size_t n = r.client.wire_length;
    uint8_t hello[4096];
    memcpy(hello, r.client.wire, n);
    hello[0] = 99; /* behind a record that was one */
    rig_start(&r, "localhost");
    rig_emit(&r, &r.client);
    memcpy(r.client.wire + n, hello, n);
    r.client.wire_length += n;
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(code_of(&r.server), HF_ERR_TLS_RECORD_TYPE);
    server_gets((const uint8_t[]){ HF_RECORD_HANDSHAKE, 3, 1, 0x48, 1, HF_MESSAGE_CLIENT_HELLO, 0 }, 7);
    assert_int_equal(code_of(&r.server), HF_ERR_TLS_RECORD_OVERFLOW);
}

/* RFC 8446 5.3: "If a TLS implementation would need to wrap a sequence number, it MUST either rekey or terminate the connection." */
static void the_numbers_of_records_do_not_wrap(void **state)
{
    (void)state;
    static const uint8_t record[] = { HF_RECORD_DATA, 3, 3, 0, 17, 0 };
    rig_start(&r, "localhost");
    rig_pump(&r);
    assert_true(rig_is_open(&r.server));
    r.server.t->read.sequence = UINT64_MAX;
    memset(r.client.wire, 0, 22);
    memcpy(r.client.wire, record, sizeof record);
    r.client.wire_length = 22;
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(code_of(&r.server), HF_ERR_TLS_RECORDS);
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

/* The ClientHello lies on the wire, one record. */
static void hello(void)
{
    rig_start(&r, "localhost");
    rig_emit(&r, &r.client);
    assert_int_equal(r.client.wire[5], HF_MESSAGE_CLIENT_HELLO);
}

static void expect(int32_t code)
{
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(r.server.last, HF_FAULT);
    assert_int_equal(code_of(&r.server), code);
}

static void a_length_that_does_not_fit_is_told(void **state)
{
    (void)state;
    hello();
    r.client.wire[block_at(&r) + 1]++; /* of the block of extensions */
    expect(HF_ERR_TLS_DECODE);
}

static void other_groups_alone_are_no_common_ones(void **state)
{
    (void)state;
    r.client_config.most_version = HF_TLS_1_2;
    hello();
    const size_t at = extension_at(&r, 10);
    memset(r.client.wire + at + 2, 0x5a, r.client.wire[at + 1]);
    expect(HF_ERR_TLS_NO_GROUP);
}

/* RFC 7507 3: TLS_FALLBACK_SCSV below our highest version. */
static void a_fallback_is_told(void **state)
{
    (void)state;
    r.client_config.most_version = HF_TLS_1_2;
    hello();
    size_t at = 5 + 4 + 2 + 32;
    at += 1u + r.client.wire[at];
    const size_t n = (size_t)r.client.wire[at] << 8 | r.client.wire[at + 1];
    assert_true(n >= 4);
    memcpy(r.client.wire + at + n, "\x56\x00", 2); /* in place of the last suite */
    expect(HF_ERR_TLS_FALLBACK);
}

/* RFC 5746 3.6: "the server MUST abort the handshake" when renegotiated_connection is not empty in a first handshake. */
static void a_renegotiation_of_nothing_is_told(void **state)
{
    (void)state;
    r.client_config.most_version = HF_TLS_1_2;
    hello();
    const size_t at = extension_at(&r, 0xff01);
    assert_int_equal(r.client.wire[at], 0);
    r.client.wire[at] = 1;
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(code_of(&r.server), HF_ERR_TLS_LEGACY_RENEGOTIATION);
}

/* The peer's next record holds one message of 12 bytes at most, which its own keys seal. */
static void says(rig_end *from, rig_end *to, uint8_t message)
{
    const uint8_t bytes[] = { message, 0, 0, 0 };
    hf_tls_flaw flaw;
    hf_bytes piece = hf_bytes_make(bytes, sizeof bytes);
    (void)flaw;
    from->wire_length = hf_record_seal(&from->t->write[HF_LEVEL_APPLICATION], HF_RECORD_HANDSHAKE, &piece, 1, from->wire);
    assert_true(from->wire_length > 0);
    rig_feed(&r, to, from, SIZE_MAX);
}

/* RFC 5746 4.4, RFC 5246 7.4.1.1 */
static void renegotiation_is_refused(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        rig_end *const to = side == 0 ? &r.server : &r.client, *const from = side == 0 ? &r.client : &r.server;
        r.client_config.most_version = HF_TLS_1_2;
        rig_start(&r, "localhost");
        rig_pump(&r);
        assert_true(rig_is_open(&r.server) && rig_is_open(&r.client));
        says(from, to, side == 0 ? HF_MESSAGE_CLIENT_HELLO : HF_MESSAGE_HELLO_REQUEST);
        assert_int_equal(to->last, HF_FAULT);
        assert_int_equal(code_of(to), HF_ERR_TLS_RENEGOTIATION);
        assert_int_equal(hf_tls_fault_of(to->t)->alert, 100);
    }
}

static void transport_parameters_outside_of_quic_are_told(void **state)
{
    (void)state;
    hello();
    const size_t at = extension_at(&r, 16) - 4; /* ALPN is the one that is missed least */
    memcpy(r.client.wire + at, "\x00\x39", 2);
    expect(HF_ERR_TLS_UNSUPPORTED_EXTENSION);
}

/* RFC 8446 4.2.11.2: "If this value is not present or does not validate, the server MUST abort the handshake." */
static void a_binder_that_does_not_hold_is_told(void **state)
{
    (void)state;
    static uint8_t session[4096];
    rig_start(&r, "localhost");
    rig_pump(&r);
    const size_t n = r.client.session_length;
    assert_true(n > 0);
    memcpy(session, r.client.session, n);
    rig_start_session(&r, "localhost", hf_bytes_make(session, n));
    rig_emit(&r, &r.client);
    r.client.wire[r.client.wire_length - 1] ^= 1; /* the binder ends the hello */
    expect(HF_ERR_TLS_BINDER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fatal_alert_is_told_by_its_name),
        TEST(who_cancels_the_handshake_says_so_first),
        TEST(a_record_of_no_kind_and_one_too_long_are_told),
        TEST(the_numbers_of_records_do_not_wrap),
        TEST(a_length_that_does_not_fit_is_told),
        TEST(other_groups_alone_are_no_common_ones),
        TEST(a_fallback_is_told),
        TEST(a_renegotiation_of_nothing_is_told),
        TEST(renegotiation_is_refused),
        TEST(transport_parameters_outside_of_quic_are_told),
        TEST(a_binder_that_does_not_hold_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
