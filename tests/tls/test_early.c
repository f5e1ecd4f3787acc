/* SPDX-License-Identifier: Apache-2.0
 *
 * Early data: taken once, while its ticket is fresh, where all that it was agreed for is asked for again; else skipped, and
 * the handshake goes on. The register that remembers tickets.
 */
#include "tls/rig.h"

#include <stdalign.h>

#include "tls_early.h"

enum { SLOTS = 64 };

static rig r;
static alignas(64) uint8_t memory[64 + SLOTS * 8];
static uint8_t session[4096];
static size_t session_length;

static hf_tls_strikes *fresh_register(uint64_t id)
{
    memset(memory, 0, sizeof memory);
    return hf_tls_strikes_make(memory, hf_tls_strikes_bytes(SLOTS), id);
}

/* A session that allows early data. */
static void get_session(void)
{
    rig_start(&r, "localhost");
    rig_pump(&r);
    assert_true(rig_is_open(&r.server) && rig_is_open(&r.client));
    session_length = r.client.session_length;
    assert_true(session_length > 0);
    memcpy(session, r.client.session, session_length);
}

static int set_up(void **state)
{
    (void)state;
    rig_open(&r, 3);
    r.server_config.early_data = r.client_config.early_data = true;
    r.server_config.strikes = fresh_register(1);
    get_session();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

/* A connection with the session: the client puts `text` before anything came back, and its first flight lies on the wire. */
static void go(const char *text)
{
    rig_start_session(&r, "localhost", hf_bytes_make(session, session_length));
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    if (strcmp(r.client.log, "EARLY\n") == 0)
        assert_int_equal(rig_put(&r.client, text), strlen(text));
    rig_emit(&r, &r.client);
}

static void expect_data(const rig_end *e, const char *text)
{
    assert_int_equal(e->data_length, strlen(text));
    assert_memory_equal(e->data, text, e->data_length);
}

/* What was put early is not there, but the handshake is complete, and data flows. */
static void expect_rejected(bool resumed)
{
    rig_pump(&r);
    assert_string_equal(hf_err_text(hf_tls_fault_of(r.server.t)->err), hf_err_text(HF_OK));
    assert_string_equal(hf_err_text(hf_tls_fault_of(r.client.t)->err), hf_err_text(HF_OK));
    assert_true(rig_is_open(&r.server) && rig_is_open(&r.client));
    assert_null(strstr(r.server.log, "EARLY"));
    assert_false(hf_tls_early_accepted(r.server.t) || hf_tls_early_accepted(r.client.t) || hf_tls_is_early(r.client.t));
    assert_int_equal(hf_tls_resumed(r.server.t), resumed);
    assert_int_equal(r.server.data_length, 0);
    rig_put(&r.client, "again");
    rig_pump(&r);
    expect_data(&r.server, "again");
}

static void expect_accepted(const char *text)
{
    rig_pump(&r);
    assert_true(rig_is_open(&r.server) && rig_is_open(&r.client));
    assert_true(hf_tls_early_accepted(r.server.t) && hf_tls_early_accepted(r.client.t));
    assert_false(hf_tls_is_early(r.server.t) || hf_tls_is_early(r.client.t));
    expect_data(&r.server, text);
}

/* ---- taken ---------------------------------------------------------------------------------------------------- */

static void early_data_is_read_and_answered_before_the_handshake_is_complete(void **state)
{
    (void)state;
    go("GET / early");
    assert_true(hf_tls_is_early(r.client.t));
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_string_equal(r.server.log, "EARLY\n");
    expect_data(&r.server, "GET / early");
    assert_true(hf_tls_is_early(r.server.t));
    assert_true(hf_bytes_equal(hf_tls_protocol(r.server.t), hf_text("http/1.1")));
    assert_int_equal(rig_put(&r.server, "answer"), 6);
    rig_emit(&r, &r.server);
    rig_feed(&r, &r.client, &r.server, SIZE_MAX); /* nothing of the client's came meanwhile */
    expect_data(&r.client, "answer");
    assert_string_equal(r.client.log, "EARLY\nOPENED\n");
    rig_put(&r.client, " and late");
    expect_accepted("GET / early and late");
    assert_string_equal(r.server.log, "EARLY\nOPENED\n");
    assert_non_null(strstr(r.client.log, "SESSION"));
}

static void each_new_ticket_allows_it_again(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        go("x");
        expect_accepted("x");
        session_length = r.client.session_length;
        memcpy(session, r.client.session, session_length);
    }
}

static void what_is_put_late_waits_for_the_other_key(void **state)
{
    (void)state;
    go("");
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    rig_emit(&r, &r.server);
    assert_int_equal(rig_put(&r.client, "late"), 4); /* before the server's answer was read, and not yet sealed */
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    expect_accepted("late");
}

static void many_small_pieces_are_one_stream(void **state)
{
    (void)state;
    static char all[1001];
    go("");
    for (size_t i = 0; i < sizeof all - 1; i++) {
        const char one[] = { (char)('a' + i % 26), 0 };
        all[i] = one[0];
        assert_int_equal(rig_put(&r.client, one), 1);
        if (i % 7 == 0)
            rig_emit(&r, &r.client);
    }
    for (size_t shown = 1; r.client.wire_length > 0 && shown < 100000; shown++)
        rig_feed(&r, &r.server, &r.client, shown);
    expect_accepted(all);
}

static void a_server_may_end_before_the_handshake_is_complete(void **state)
{
    (void)state;
    go("bye");
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    rig_put(&r.server, "bye bye");
    assert_int_equal(hf_tls_end(r.server.t, (hf_ending){ HF_ENDING_FIN, 0 }).code, 0);
    rig_pump(&r);
    expect_data(&r.client, "bye bye");
    assert_non_null(strstr(r.client.log, "ENDED"));
    assert_int_equal(r.client.ended.code, 0);
}

/* ---- not taken ------------------------------------------------------------------------------------------------ */

static void it_is_off_by_default(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        r.client_config.early_data = side == 0;
        r.server_config.early_data = side != 0;
        get_session();
        r.client_config.early_data = r.server_config.early_data = true;
        go("x");
        if (side == 0)
            assert_string_equal(r.client.log, ""); /* its ticket allows none */
        else
            expect_accepted("x"); /* what a client wants then is its own matter */
    }
    r.client_config.early_data = false;
    get_session();
    go("x");
    assert_string_equal(r.client.log, "");
    r.client_config.early_data = true;
    r.server_config.early_data = false;
    go("x");
    expect_rejected(true);
    r.server_config.early_data = true;
    r.server_config.strikes = NULL;
    go("x");
    expect_rejected(true);
}

static void a_copy_of_a_first_flight_is_not_taken(void **state)
{
    (void)state;
    static uint8_t flight[4096];
    go("GET /pay");
    const size_t n = r.client.wire_length;
    memcpy(flight, r.client.wire, n);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    expect_data(&r.server, "GET /pay");
    for (int i = 0; i < 40; i++) { /* at once, and as long as anybody may keep it */
        rig_start(&r, "localhost");
        memcpy(r.client.wire, flight, n);
        r.client.wire_length = n;
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        assert_string_equal(r.server.log, "");
        assert_int_equal(r.server.data_length, 0);
        assert_int_equal(r.server.last, HF_IDLE);
        r.now = hf_time_after(r.now, HF_SECONDS(1));
    }
}

static void a_ticket_is_good_for_early_data_once(void **state)
{
    (void)state;
    go("one");
    expect_accepted("one");
    go("two");
    expect_rejected(true);
}

static void a_ticket_made_beside_another_register_allows_none(void **state)
{
    (void)state;
    r.server_config.strikes = fresh_register(2);
    go("x");
    expect_rejected(true);
}

static void a_full_register_takes_none(void **state)
{
    (void)state;
    uint8_t id[HF_STRIKE_ID];
    hf_random random;
    hf_random_seed(&random, 1);
    for (int i = 0; i < 100000; i++) {
        for (size_t k = 0; k < sizeof id; k++)
            id[k] = (uint8_t)hf_random_next(&random);
        (void)hf_strikes_add(r.server_config.strikes, id, r.now, HF_SECONDS(10));
    }
    go("x");
    expect_rejected(true);
}

static void another_protocol_host_or_context_takes_none(void **state)
{
    (void)state;
    hf_bytes other[] = { hf_text("h2"), hf_text("http/1.1") };
    r.server_config.protocols = other; /* now it prefers h2, which the client offers too */
    r.client_config.protocol_count = 2;
    go("x");
    expect_rejected(false);
    r.client_config.protocols = &r.protocols[1];
    r.client_config.protocol_count = 1;
    go("x"); /* the protocol of the session is not offered at all: no early data either */
    assert_string_equal(r.client.log, "");
    r.client_config.protocols = r.server_config.protocols = r.protocols;
    r.server_config.context = 5;
    go("x");
    expect_rejected(false);
}

static void another_suite_of_the_same_hash_takes_none(void **state)
{
    (void)state;
    static const uint16_t chacha = 0x1303;
    r.server_config.suites = &chacha;
    r.server_config.suite_count = 1;
    go("x");
    rig_pump(&r);
    assert_true(rig_is_open(&r.server) && rig_is_open(&r.client));
    assert_false(hf_tls_early_accepted(r.client.t));
    assert_int_equal(r.server.data_length, 0);
}

static void behind_a_retry_it_is_skipped(void **state)
{
    (void)state;
    static const uint16_t wanted = HF_GROUP_P256;
    r.server_config.groups = &wanted;
    r.server_config.group_count = 1;
    static char large[16385];
    memset(large, 'x', sizeof large - 1); /* the longest record */
    go(large);
    expect_rejected(true);
    assert_non_null(strstr(r.client.log, "EARLY_REJECTED\n"));
}

/* A ticket whose key is gone: a full handshake, and records that nobody here can read. */
static void behind_an_unknown_ticket_it_is_skipped(void **state)
{
    (void)state;
    r.tickets[0].name[0] ^= 1;
    go("some early data");
    expect_rejected(false);
}

static void what_was_lent_comes_back_when_it_is_not_taken(void **state)
{
    (void)state;
    r.server_config.early_data = false;
    rig_start_session(&r, "localhost", hf_bytes_make(session, session_length));
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    const hf_extent lent[] = { { .kind = HF_EXTENT_LENT, .token = 3, .bytes = hf_text("one") }, { .kind = HF_EXTENT_LENT, .token = 5, .bytes = hf_text("two") } };
    assert_int_equal(hf_tls_put(r.client.t, &lent[0], 1), 3);
    rig_emit(&r, &r.client);
    assert_int_equal(hf_tls_put(r.client.t, &lent[1], 1), 3); /* not sealed before it is told */
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    rig_emit(&r, &r.server);
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    rig_pump(&r);
    assert_int_equal(r.client.tokens, 8);
    assert_int_equal(hf_tls_unsent(r.client.t), 0);
    assert_int_equal(r.server.data_length, 0);
}

/* ---- rules broken --------------------------------------------------------------------------------------------- */

static void expect_server_fault(int32_t code, uint8_t alert)
{
    const hf_tls_fault *f = hf_tls_fault_of(r.server.t);
    if (f->err.code != code)
        fail_msg("%s", rig_why(&r.server));
    assert_int_equal(f->err.code, code);
    assert_int_equal(f->alert, alert);
}

static void a_finished_without_the_end_of_early_data_is_refused(void **state)
{
    (void)state;
    go("x");
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    rig_emit(&r, &r.server);
    hf_tls *const c = r.client.t;
    rig_feed(&r, &r.client, &r.server, SIZE_MAX);
    assert_true(c->early_end_due);
    c->early_end_due = false;
    rig_emit(&r, &r.client);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    expect_server_fault(HF_ERR_TLS_RECORD_MAC, 20); /* under another key than is read: not skipped, where data was taken */
}

static void the_end_of_early_data_is_empty_and_alone(void **state)
{
    (void)state;
    static const uint8_t wrong[][5] = { { 5, 0, 0, 1, 0 }, { 5, 0, 0, 0, 20 }, { 20, 0, 0, 0, 0 } };
    static const int32_t codes[] = { HF_ERR_TLS_MESSAGE_LENGTH, HF_ERR_TLS_UNEXPECTED_MESSAGE, HF_ERR_TLS_UNEXPECTED_MESSAGE };
    for (size_t i = 0; i < HF_COUNT(wrong); i++) {
        get_session();
        go("x");
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        const hf_bytes piece = hf_bytes_make(wrong[i], i == 2 ? 4 : 5);
        r.client.wire_length = hf_record_seal(r.client.t->early, HF_RECORD_HANDSHAKE, &piece, 1, r.client.wire);
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        expect_server_fault(codes[i], i == 0 ? 47 : 10);
    }
}

static void early_data_is_announced_with_a_ticket_and_once(void **state)
{
    (void)state;
    static const uint16_t wanted = HF_GROUP_P256;
    r.server_config.groups = &wanted;
    r.server_config.group_count = 1;
    go("x");
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    rig_emit(&r, &r.server);
    /* a client that goes on although it was told to begin again */
    r.client_config.groups = &wanted;
    r.client_config.group_count = 1;
    hf_tls *const other = hf_tls_client_new(&r.w.env, &r.client_config, 3, r.now, hf_text("localhost"), hf_bytes_make(session, session_length));
    hf_tls_free(r.client.t);
    r.client.t = other;
    r.client.wire_length = 0;
    rig_emit(&r, &r.client);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    expect_server_fault(HF_ERR_TLS_ILLEGAL, 47);
}

static void a_server_that_takes_what_was_not_agreed_is_refused(void **state)
{
    (void)state;
    static const uint16_t other_suite = 0x1303;
    for (int i = 0; i < 2; i++) {
        get_session();
        rig_start_session(&r, "localhost", hf_bytes_make(session, session_length));
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        rig_emit(&r, &r.client);
        if (i == 0)
            r.client.t->hs.early_suite = hf_suite_find(other_suite);
        else
            r.client.t->hs.protocol = hf_text("h2");
        rig_feed(&r, &r.server, &r.client, SIZE_MAX);
        rig_emit(&r, &r.server);
        rig_feed(&r, &r.client, &r.server, SIZE_MAX);
        assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_ILLEGAL);
    }
}

/* RFC 8446 D.3 */
static void a_server_that_was_set_back_to_tls_1_2_ends_it(void **state)
{
    (void)state;
    r.server_config.most_version = HF_TLS_1_2;
    go("x");
    rig_pump(&r);
    assert_int_equal(hf_tls_fault_of(r.client.t)->err.code, HF_ERR_TLS_EARLY_ANSWER);
    assert_int_equal(hf_tls_fault_of(r.client.t)->alert, 70);
}

/* ---- limits --------------------------------------------------------------------------------------------------- */

static void limit_tls_early_bytes(void **state)
{
    (void)state;
    static uint8_t much[20000];
    const hf_extent all = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(much, sizeof much) };
    go("");
    assert_int_equal(hf_tls_early_room(r.client.t), 16384);
    assert_int_equal(hf_tls_put(r.client.t, &all, 1), 16384);
    assert_int_equal(hf_tls_put(r.client.t, &all, 1), 0);
    assert_int_equal(hf_tls_early_room(r.client.t), 0);
    rig_pump(&r);
    assert_int_equal(r.server.data_length, 16384);
    assert_non_null(strstr(r.client.log, "WRITABLE"));
    /* a client that does not keep to it */
    get_session();
    go("");
    r.client.t->early_left = 16385;
    assert_int_equal(hf_tls_put(r.client.t, &all, 1), 16385);
    rig_emit(&r, &r.client);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    expect_server_fault(HF_ERR_TLS_EARLY_LENGTH, 10);
}

static void limit_tls_early_window_ns(void **state)
{
    (void)state;
    static const int64_t off_ms[] = { 10000, 10001, -10000, -10001 };
    for (size_t i = 0; i < HF_COUNT(off_ms); i++) {
        r.client_config.wall_offset_ns = r.server_config.wall_offset_ns = HF_SECONDS(1000);
        get_session();
        r.now = hf_time_after(r.now, HF_SECONDS(3600)); /* how old it is does not matter, but what the client says of it */
        r.client_config.wall_offset_ns += off_ms[i] * 1000000;
        go("x");
        if (i % 2 == 0)
            expect_accepted("x");
        else
            expect_rejected(true);
    }
}

static void id_of(uint8_t id[HF_STRIKE_ID], uint64_t bucket, uint64_t mark)
{
    memcpy(id, &bucket, 8);
    mark <<= 24; /* above what is not kept, and odd or even alike */
    memcpy(id + 8, &mark, 8);
}

static void limit_tls_strikes(void **state)
{
    (void)state;
    uint8_t id[HF_STRIKE_ID];
    assert_int_equal(hf_tls_strikes_bytes(hf_limits_default()->tls_strikes), 64 + 65536 * 8);
    hf_tls_strikes *s = fresh_register(1);
    hf_time now = hf_time_make(HF_SECONDS(77));
    for (uint64_t b = 0; b < SLOTS / 8; b++)
        for (uint64_t i = 0; i < 9; i++) { /* eight of a kind, and the ninth finds no room */
            id_of(id, b, i + 1);
            assert_int_equal(hf_strikes_add(s, id, now, HF_SECONDS(10)), i < 8);
        }
    id_of(id, 3, 1);
    assert_false(hf_strikes_add(s, id, now, HF_SECONDS(10)));
    now = hf_time_after(now, HF_SECONDS(30));
    assert_false(hf_strikes_add(s, id, now, HF_SECONDS(10))); /* three windows */
    now = hf_time_after(now, HF_SECONDS(5));
    id_of(id, 3, 9);
    assert_true(hf_strikes_add(s, id, now, HF_SECONDS(10))); /* the old ones are forgotten */
    assert_false(hf_strikes_add(s, id, now, HF_SECONDS(10)));
    assert_false(hf_strikes_add(s, id, hf_time_make(now.ns - HF_SECONDS(2)), HF_SECONDS(10))); /* another thread's clock, behind ours */
}

static void a_register_forgets_over_years(void **state)
{
    (void)state;
    uint8_t id[HF_STRIKE_ID];
    hf_tls_strikes *s = fresh_register(1);
    hf_time now = hf_time_make(HF_SECONDS(5));
    for (uint64_t i = 1; i < 2000; i++) { /* places hold seconds modulo 2^20: steps of about a tenth of that, and not quite */
        id_of(id, 1, i);
        assert_true(hf_strikes_add(s, id, now, HF_SECONDS(10)));
        assert_false(hf_strikes_add(s, id, now, HF_SECONDS(10)));
        now = hf_time_after(now, HF_SECONDS(104999));
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(early_data_is_read_and_answered_before_the_handshake_is_complete), T(each_new_ticket_allows_it_again),
        T(what_is_put_late_waits_for_the_other_key), T(many_small_pieces_are_one_stream),
        T(a_server_may_end_before_the_handshake_is_complete), T(it_is_off_by_default), T(a_copy_of_a_first_flight_is_not_taken),
        T(a_ticket_is_good_for_early_data_once), T(a_ticket_made_beside_another_register_allows_none), T(a_full_register_takes_none),
        T(another_protocol_host_or_context_takes_none), T(another_suite_of_the_same_hash_takes_none), T(behind_a_retry_it_is_skipped),
        T(behind_an_unknown_ticket_it_is_skipped), T(what_was_lent_comes_back_when_it_is_not_taken),
        T(a_finished_without_the_end_of_early_data_is_refused), T(the_end_of_early_data_is_empty_and_alone),
        T(early_data_is_announced_with_a_ticket_and_once), T(a_server_that_takes_what_was_not_agreed_is_refused),
        T(a_server_that_was_set_back_to_tls_1_2_ends_it), T(limit_tls_early_bytes), T(limit_tls_early_window_ns), T(limit_tls_strikes),
        T(a_register_forgets_over_years),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
