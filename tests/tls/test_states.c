/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the handshake, pair by pair: what may come is listed here again, and all else is unexpected_message.
 */
#include "tls/rig.h"

#include "tls_core.h"

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

typedef struct pair {
    bool server;
    uint8_t state, message;
} pair;

/* RFC 8446 A.1 and A.2. */
static const pair allowed[] = {
    { true, HF_HS_WAIT_HELLO, 1 },          { true, HF_HS_WAIT_RETRY, 1 },
    { true, HF_HS_WAIT_EARLY_END, 5 },
    { true, HF_HS_WAIT_CERT, 11 },          { true, HF_HS_WAIT_VERIFY, 15 },
    { true, HF_HS_WAIT_FINISHED, 20 },      { true, HF_HS_OPEN, 24 },
    { false, HF_HS_WAIT_SERVER_HELLO, 2 },  { false, HF_HS_WAIT_EXTENSIONS, 8 },
    { false, HF_HS_WAIT_CERT_OR_REQUEST, 13 }, { false, HF_HS_WAIT_CERT_OR_REQUEST, 11 },
    { false, HF_HS_WAIT_CERT, 11 },         { false, HF_HS_WAIT_VERIFY, 15 },
    { false, HF_HS_WAIT_FINISHED, 20 },     { false, HF_HS_OPEN, 4 },
    { false, HF_HS_OPEN, 24 },
    /* RFC 5246 7.3 */
    { true, HF_HS_OLD_CLIENT_KEY, 16 },     { true, HF_HS_OLD_CCS, HF_MESSAGE_CCS },
    { true, HF_HS_OLD_FINISHED, 20 },       { false, HF_HS_OLD_CERT, 11 },
    { false, HF_HS_OLD_SERVER_KEY, 12 },    { false, HF_HS_OLD_REQUEST, 13 },
    { false, HF_HS_OLD_REQUEST, 14 },       { false, HF_HS_OLD_DONE, 14 },
    { false, HF_HS_OLD_CCS, HF_MESSAGE_CCS }, { false, HF_HS_OLD_FINISHED, 20 },
    { true, HF_HS_OLD_CLIENT_CERT, 11 },    { true, HF_HS_OLD_CLIENT_VERIFY, 15 },
    /* RFC 5077 3.3, RFC 6066 8 */
    { false, HF_HS_OLD_TICKET, 4 },         { false, HF_HS_OLD_STATUS, 22 },
    { false, HF_HS_OLD_STATUS, 12 },        { false, HF_HS_OLD_STATUS_RSA, 22 },
    { false, HF_HS_OLD_STATUS_RSA, 13 },    { false, HF_HS_OLD_STATUS_RSA, 14 },
};

static bool is_allowed(bool server, unsigned state, unsigned message)
{
    for (size_t i = 0; i < HF_COUNT(allowed); i++)
        if (allowed[i].server == server && allowed[i].state == state && allowed[i].message == message)
            return true;
    return false;
}

static void every_pair_of_state_and_message_is_as_listed(void **state)
{
    (void)state;
    size_t refused = 0;
    for (unsigned server = 0; server < 2; server++)
        for (unsigned s = 1; s < HF_HS_STATE_COUNT; s++)
            for (unsigned m = 0; m < 256; m++) {
                const bool there = hf_hs_cell_of(server, (uint8_t)s, (uint8_t)m) != NULL;
                if (there != is_allowed(server, s, m))
                    fail_msg("%s, %s, message %u: %d", server ? "server" : "client", hf_handshake_state_text((uint8_t)s), m, there);
                if (there && m != HF_MESSAGE_CCS) /* which is a record: as a message it never comes */
                    continue;
                hf_handshake h;
                hf_hs_event e;
                const uint8_t bytes[] = { (uint8_t)m, 0, 0, 0 };
                assert_true(hf_handshake_init(&h, &r.w.env, &r.server_config, server));
                h.state = (uint8_t)s;
                assert_true(hf_handshake_feed(&h, hf_bytes_make(bytes, 4)));
                assert_int_equal(hf_handshake_step(&h, r.now, &e), HF_FAULT);
                const bool again = s == HF_HS_OLD_OPEN && m == (server ? HF_MESSAGE_CLIENT_HELLO : HF_MESSAGE_HELLO_REQUEST);
                assert_int_equal(h.bad, again ? HF_ERR_TLS_RENEGOTIATION : HF_ERR_TLS_UNEXPECTED_MESSAGE);
                assert_int_equal(h.fault->alert, again ? 100 : 10);
                assert_int_equal(h.fault->message, m);
                hf_handshake_fini(&h);
                refused++;
            }
    assert_true(refused > 8000);
}

static void no_message_leaves_the_machine_before_it_is_open(void **state)
{
    (void)state;
    /* data and close_notify before OPENED are no data and no end */
    rig_start(&r, "localhost");
    assert_int_equal(rig_put(&r.client, "early"), 0);
    static const uint8_t data[] = { 23, 3, 3, 0, 1, 'x' };
    memcpy(r.client.wire, data, sizeof data);
    r.client.wire_length = sizeof data;
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_UNEXPECTED_MESSAGE);
}

/* RFC 8446 5.1: "Handshake messages MUST NOT span key changes." */
static void a_message_behind_a_change_of_keys_is_refused(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    rig_emit(&r, &r.client);
    r.client.wire[r.client.wire_length++] = HF_MESSAGE_FINISHED; /* may come next, but not in the record of the ClientHello */
    const size_t n = r.client.wire_length - 5;
    r.client.wire[3] = (uint8_t)(n >> 8);
    r.client.wire[4] = (uint8_t)n;
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_equal(hf_tls_fault_of(r.server.t)->err.code, HF_ERR_TLS_UNEXPECTED_MESSAGE);
}

/* Changes a byte of what an end is about to seal, counted from the back. */
static void change(rig_end *e, size_t from_end)
{
    const hf_span s = hf_queue_peek(&e->t->hs.outbox[HF_LEVEL_HANDSHAKE]);
    assert_true(s.len > from_end);
    s.ptr[s.len - 1 - from_end] ^= 1;
}

/* Rightly sealed, and wrong all the same: what the AEAD cannot see. */
static void a_wrong_finished_and_a_wrong_signature_are_refused(void **state)
{
    (void)state;
    static const struct { bool by_server; size_t from_end; int32_t code; } cases[] = {
        { false, 0, HF_ERR_TLS_FINISHED }, { true, 0, HF_ERR_TLS_FINISHED }, { true, 36 + 3, HF_ERR_TLS_SIGNATURE },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        rig_start(&r, "localhost");
        rig_emit(&r, &r.client);
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        if (cases[i].by_server)
            change(&r.server, cases[i].from_end);
        rig_emit(&r, &r.server);
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        rig_end *judge = &r.client;
        if (!cases[i].by_server) {
            change(&r.client, cases[i].from_end);
            rig_emit(&r, &r.client);
            judge = &r.server;
            rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        }
        assert_false(rig_is_open(judge));
        assert_int_equal(hf_tls_fault_of(judge->t)->err.code, cases[i].code);
        assert_int_equal(hf_tls_fault_of(judge->t)->alert, 51);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(every_pair_of_state_and_message_is_as_listed), T(no_message_leaves_the_machine_before_it_is_open),
        T(a_message_behind_a_change_of_keys_is_refused), T(a_wrong_finished_and_a_wrong_signature_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
