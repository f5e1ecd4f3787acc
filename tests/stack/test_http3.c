/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/3 on the connections of a server: the driver between QUIC, the core and the application.
 */
#include "http3_rig.h"

static rig r;

static uint64_t lent_sum(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < LENT_BYTES; i++)
        sum = sum * 31 + file_byte(i);
    return sum;
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static void a_request_is_answered_and_the_connection_says_what_it_is(void **state)
{
    (void)state;
    setup(&r, 1);
    const call *k = get(&r, "/text");
    run_until(&r, is_answered, HF_SECONDS(5));
    assert_true(k->done);
    assert_int_equal(k->status, 200);
    assert_int_equal(k->body, 5);
    assert_int_equal(hf_web_version(r.web), HF_HTTP_3);
    hf_web_security s;
    assert_true(hf_web_security_of(r.web, &s));
    assert_int_equal(s.version, HF_TLS_1_3);
    assert_string_equal(s.group, "x25519");
    assert_true(hf_bytes_equal(s.protocol, hf_text("h3")));
    assert_true(hf_bytes_equal(s.host, hf_text("localhost")));
    assert_true(s.handshake_ns >= HF_MILLISECONDS(20)); /* the client's Finished is a round trip away */
    assert_false(s.resumed);
    teardown(&r);
}

static void bodies_arrive_byte_for_byte_whatever_they_are_made_of(void **state)
{
    (void)state;
    static const struct { const char *path; size_t length; bool sent; } rows[] = {
        { "/text", 5, false }, { "/empty", 0, false }, { "/file", FILE_BYTES, true }, { "/fixed", FILE_BYTES, true }, { "/lent", LENT_BYTES, true } };
    setup(&r, 2);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const call *const k = get(&r, rows[i].path);
        run_until(&r, is_answered, HF_SECONDS(20));
        assert_true(k->done);
        assert_int_equal(k->body, rows[i].length);
        if (rows[i].length == FILE_BYTES)
            assert_true(k->sum == file_sum());
        run(&r, HF_SECONDS(1));
        assert_int_equal(served_at(&r, rows[i].path)->sent, rows[i].sent);
    }
    teardown(&r);
}

static void a_hundred_requests_at_once_are_all_answered(void **state)
{
    (void)state;
    static const char *const paths[] = { "/text", "/file", "/lent", "/fixed" };
    setup(&r, 3);
    for (int i = 0; i < 100; i++)
        (void)get(&r, paths[i % 4]);
    run_until(&r, is_answered, HF_SECONDS(120));
    assert_int_equal(r.c.done, 100);
    size_t i = 0;
    for (size_t k = 0; k < r.c.count; k++)
        if (!r.c.calls[k].of_peer) {
            const size_t kind = i++ % 4;
            assert_int_equal(r.c.calls[k].body, kind == 0 ? 5 : kind == 2 ? LENT_BYTES : FILE_BYTES);
            assert_true(kind == 0 || r.c.calls[k].sum == (kind == 2 ? lent_sum() : file_sum()));
        }
    run(&r, HF_SECONDS(1));
    for (size_t k = 0; k < r.count; k++)
        assert_true(r.served[k].sent || strcmp(r.served[k].path, "/text") == 0);
    teardown(&r);
}

static void a_body_of_the_client_arrives_whole(void **state)
{
    (void)state;
    static uint8_t bytes[500000];
    setup(&r, 4);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 1000);
    const call *k = post(&r, "/echo", bytes, sizeof bytes);
    run_until(&r, is_answered, HF_SECONDS(60));
    assert_true(k->done);
    assert_int_equal(served_at(&r, "/echo")->body_seen, sizeof bytes);
    assert_true(served_at(&r, "/echo")->body_sum == caller_sum(0, hf_bytes_make(bytes, sizeof bytes)));
    teardown(&r);
}

static void what_is_lost_is_sent_again(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 112; seed++) {
        setup(&r, seed);
        r.loss = 20000 + 4000 * (uint32_t)(seed % 10);
        r.late = 50000;
        call *k[4] = { get(&r, "/file"), get(&r, "/lent"), get(&r, "/text"), get(&r, "/fixed") };
        run_until(&r, is_answered, HF_SECONDS(300));
        for (int i = 0; i < 4; i++)
            assert_true(k[i]->done);
        assert_true(k[0]->sum == file_sum() && k[3]->sum == file_sum() && k[1]->sum == lent_sum());
        teardown(&r);
    }
}

static void a_download_survives_many_moves_through_a_bad_network(void **state)
{
    (void)state;
    for (uint64_t seed = 200; seed < 240; seed++) {
        setup_world(&r, seed);
        r.config[1].keep_alive_ns = HF_MILLISECONDS(250); /* who only receives must ask when nothing comes any more */
        start(&r);
        run_until(&r, is_open, HF_SECONDS(9));
        r.loss = r.late = 50000;
        r.nat = r.client.port;
        r.delay_ns = HF_MILLISECONDS(1);
        const call *k[3] = { get(&r, "/file"), get(&r, "/fixed"), get(&r, "/lent") };
        uint64_t bytes = 0;
        for (int moves = 0; moves < 8 && !is_answered(&r);) {
            run(&r, HF_MILLISECONDS(1));
            if (r.to_client - bytes > 60000) {
                bytes = r.to_client;
                r.nat++;
                moves++;
            }
        }
        run_until(&r, is_answered, HF_SECONDS(25));
        for (int i = 0; i < 3; i++)
            if (!k[i]->done)
                fail_msg("seed %d: answer %d stands still", (int)seed, i);
        assert_true(k[0]->sum == file_sum() && k[1]->sum == file_sum() && k[2]->sum == lent_sum());
        teardown(&r);
    }
}

/* ---- back-pressure ------------------------------------------------------------------------------------------ */

static void a_body_that_nobody_takes_holds_the_client_back(void **state)
{
    (void)state;
    static uint8_t bytes[8 << 20];
    setup(&r, 5);
    const call *k = post(&r, "/untaken", bytes, sizeof bytes);
    run(&r, HF_SECONDS(5));
    assert_false(k->done);
    assert_true(k->upload_left > 0 || r.to_server < sizeof bytes / 2); /* what is under way has its bound */
    assert_true(r.world.memory.held < 4 << 20);
    teardown(&r);
}

static void answers_that_nobody_reads_are_bounded_and_given_up(void **state)
{
    (void)state;
    setup(&r, 6);
    r.c.no_take = true;
    for (int i = 0; i < 40; i++)
        (void)get(&r, "/file");
    run(&r, HF_SECONDS(20));
    assert_true(r.world.memory.most < 8 << 20);
    assert_int_equal(r.c.done, 0);
    run(&r, HF_SECONDS(60)); /* limits send_idle_ns and send_rate */
    size_t cut = 0;
    for (size_t i = 0; i < r.count; i++)
        cut += r.served[i].reset;
    assert_true(cut == r.count || r.closed);
    for (size_t i = 0; i < r.count && !r.closed; i++)
        assert_true(r.served[i].sent);
    teardown(&r);
}

/* ---- ends --------------------------------------------------------------------------------------------------- */

static void a_file_that_changes_ends_its_own_answer_alone(void **state)
{
    (void)state;
    setup(&r, 7);
    const call *changed = get(&r, "/file"), *lent = get(&r, "/lent");
    while (r.count < 2)
        run(&r, HF_MILLISECONDS(1));
    file_changes = true;
    run_until(&r, is_answered, HF_SECONDS(20));
    assert_true(changed->reset && !changed->done);
    assert_int_equal(changed->code, HF_HTTP3_INTERNAL_ERROR);
    assert_true(lent->done);
    run(&r, HF_SECONDS(1));
    assert_true(served_at(&r, "/file")->reset && served_at(&r, "/file")->sent);
    assert_int_equal(served_at(&r, "/file")->why, HF_ERR_IO_FILE_CHANGED);
    assert_false(r.closed);
    teardown(&r);
}

static void a_client_that_gives_up_is_told_of_and_then_what_was_lent_is_free(void **state)
{
    (void)state;
    setup(&r, 8);
    call *k = get(&r, "/lent"), *other = get(&r, "/text");
    while (r.count < 2)
        run(&r, HF_MILLISECONDS(1));
    (void)hf_http3_end(r.c.http3, k->lane, (hf_ending){ HF_ENDING_RESET, HF_HTTP3_REQUEST_CANCELLED }, (hf_fields){ 0 }).code;
    k->reset = true;
    run(&r, HF_SECONDS(1));
    assert_true(other->done);
    assert_true(served_at(&r, "/lent")->sent);
    assert_null(served_at(&r, "/lent")->lent);
    assert_false(r.closed);
    teardown(&r);
}

static void what_the_server_cancels_is_reset_and_told_as_sent(void **state)
{
    (void)state;
    setup(&r, 9);
    const call *k = get(&r, "/late");
    while (r.count < 1 || !r.served[0].whole)
        run(&r, HF_MILLISECONDS(1));
    hf_web_cancel(r.web, r.served[0].x, hf_err_make(HF_ERR_BASE_MEMORY));
    r.served[0].ended = true;
    run(&r, HF_SECONDS(1));
    assert_true(k->reset);
    assert_int_equal(k->code, HF_HTTP3_INTERNAL_ERROR);
    assert_true(r.served[0].sent);
    assert_false(r.served[0].reset); /* who cancels need not be told */
    teardown(&r);
}

static void a_connection_that_drains_answers_what_is_open_and_says_goodbye(void **state)
{
    (void)state;
    setup(&r, 10);
    const call *k = get(&r, "/late"), *big = get(&r, "/lent");
    while (r.count < 2 || !r.served[0].whole)
        run(&r, HF_MILLISECONDS(1));
    hf_web_drain(r.web);
    run(&r, HF_SECONDS(2));
    assert_true(r.c.goaway);
    assert_false(r.closed);
    assert_true(big->done && !k->done);
    answer(&r, served_at(&r, "/late"), 200);
    run_until(&r, is_closed, HF_SECONDS(10));
    assert_true(k->done); /* its last words were waited for */
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    assert_true(r.c.over);
    assert_int_equal(hf_quic_fault_of(r.c.quic)->code, HF_HTTP3_NO_ERROR);
    teardown(&r);
}

static void a_client_that_closes_ends_it_in_good_order(void **state)
{
    (void)state;
    setup(&r, 11);
    (void)get(&r, "/lent");
    hf_quic_close(r.c.quic, r.now, HF_HTTP3_NO_ERROR, hf_text("bye"));
    run(&r, HF_SECONDS(1));
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    teardown(&r);
}

static void a_client_that_falls_silent_is_forgotten(void **state)
{
    (void)state;
    setup(&r, 12);
    r.cut = true;
    run(&r, HF_SECONDS(100));
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_QUIC_IDLE); /* it owed nothing, but a limit ended it */
    teardown(&r);
}

static void a_silent_client_that_owes_acknowledgements_is_forgotten_too(void **state)
{
    (void)state;
    setup(&r, 13);
    (void)get(&r, "/lent");
    while (r.count < 1)
        run(&r, HF_MILLISECONDS(1));
    r.cut = true;
    run(&r, HF_SECONDS(100));
    assert_true(r.closed);
    teardown(&r);
}

static void a_signature_may_come_later(void **state)
{
    (void)state;
    setup_world(&r, 14);
    r.hold_signature = true;
    start(&r);
    run(&r, HF_SECONDS(1));
    assert_true(r.signature_due);
    assert_false(r.opened);
    hf_web_sign_here(r.web, &(hf_web_event){ .kind = HF_WEB_WANT_SIGN, .tls = &r.question });
    run_until(&r, is_open, HF_SECONDS(5));
    assert_true(r.opened);
    teardown(&r);
}

static void a_signature_that_cannot_be_had_ends_the_handshake(void **state)
{
    (void)state;
    setup_world(&r, 18);
    r.hold_signature = true;
    start(&r);
    run(&r, HF_SECONDS(1));
    hf_web_answer_sign(r.web, hf_err_make(HF_ERR_TLS_SIGNER), hf_bytes_make(NULL, 0));
    run(&r, HF_SECONDS(1));
    assert_true(r.closed && r.c.over && !r.c.opened);
    assert_int_equal(r.why, HF_ERR_TLS_SIGNER);
    assert_int_equal(hf_web_tls_fault(r.web)->err.code, HF_ERR_TLS_SIGNER);
    teardown(&r);
}

static void an_abort_closes_at_once(void **state)
{
    (void)state;
    setup(&r, 15);
    (void)get(&r, "/late");
    while (r.count < 1)
        run(&r, HF_MILLISECONDS(1));
    hf_web_abort(r.web, hf_err_make(HF_ERR_HTTP_DRAINING));
    run(&r, HF_SECONDS(1));
    assert_true(r.closed && r.c.over);
    assert_int_equal(r.why, HF_ERR_HTTP_DRAINING);
    teardown(&r);
}

/* ---- nothing but its own exchange waits for a lost packet ------------------------------------------------------ */

static void a_lost_answer_does_not_hold_up_the_next(void **state)
{
    (void)state;
    setup(&r, 16);
    const call *first = get(&r, "/late"), *second = get(&r, "/late");
    while (r.count < 2 || !r.served[1].whole)
        run(&r, HF_MILLISECONDS(1));
    r.loss = 1000000; /* the first answer's only packet */
    answer(&r, served_of(&r, first->lane + 1), 200);
    (void)moment(&r);
    r.loss = 0;
    answer(&r, served_of(&r, second->lane + 1), 200);
    (void)moment(&r);
    run(&r, HF_MILLISECONDS(16)); /* one way, and before anybody can know of the loss */
    assert_true(second->done);
    assert_false(first->done);
    run(&r, HF_SECONDS(2));
    assert_true(first->done);
    teardown(&r);
}

/* RFC 9114 4.6. */
static void what_goes_with_a_page_is_pushed_where_the_client_allows_it(void **state)
{
    (void)state;
    static const struct { bool server, client; } rows[] = { { true, true }, { true, false }, { false, true } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const bool both = rows[i].server && rows[i].client;
        setup_world(&r, 40 + i);
        r.options.http2.push = rows[i].server;
        r.c.push = rows[i].client;
        start(&r);
        run_until(&r, is_open, HF_SECONDS(9));
        run(&r, HF_SECONDS(1)); /* the client says how many */
        for (unsigned again = 0; again < 2; again++) {
            const call *const page = get(&r, "/pushes");
            run_until(&r, is_answered, HF_SECONDS(9));
            run(&r, HF_SECONDS(2));
            assert_true(page->done && page->body == 5 && !r.c.over);
        }
        assert_int_equal(r.c.pushed > 0, both);
        assert_int_equal(r.count, both ? 3 : 2); /* what was pushed once is not pushed again */
        for (size_t k = 0; k < r.c.count && both; k++)
            if (r.c.calls[k].of_peer && r.c.calls[k].status != 0)
                assert_true(r.c.calls[k].status == 200 && r.c.calls[k].done && r.c.calls[k].sum == file_sum());
        teardown(&r);
    }
}

static void what_ends_a_connection_in_good_order_has_a_name(void **state)
{
    (void)state;
    static const struct { int64_t idle_ns; unsigned requests; bool cut; int32_t why, limit; } rows[] = {
        { HF_SECONDS(3), 9, false, HF_ERR_HTTP3_IDLE, 0 }, { HF_SECONDS(600), 9, true, HF_ERR_QUIC_IDLE, 0 },
        { HF_SECONDS(600), 1, false, 0, HF_ERR_HTTP_REQUESTS } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_err limits[HF_WEB_LIMITS];
        setup_world(&r, 30);
        r.world.limits.idle_ns = (uint64_t)rows[i].idle_ns;
        r.world.limits.requests_per_connection = rows[i].requests;
        start(&r);
        run_until(&r, is_open, HF_SECONDS(5));
        const call *const k = get(&r, "/text");
        run_until(&r, is_answered, HF_SECONDS(5));
        assert_true(k->done);
        r.cut = rows[i].cut;
        run(&r, HF_SECONDS(60));
        assert_true(r.closed);
        assert_int_equal(r.why, rows[i].why);
        assert_int_equal(hf_web_limits(r.web, limits), rows[i].limit != 0);
        if (rows[i].limit != 0)
            assert_int_equal(limits[0].code, rows[i].limit);
        teardown(&r);
    }
}

static void an_idle_connection_holds_little(void **state)
{
    (void)state;
    setup_world(&r, 19);
    start(&r);
    const size_t endpoint = r.world.memory.held; /* nobody has come yet */
    run_until(&r, is_open, HF_SECONDS(5));
    (void)get(&r, "/file");
    run_until(&r, is_answered, HF_SECONDS(20));
    run(&r, HF_SECONDS(5));
    const size_t held = r.world.memory.held - endpoint;
    printf("# HTTP/3, idle: %zu bytes\n", held);
    enum { SERVERS = 168 }; /* what a server keeps of it besides */
    assert_true(held + SERVERS <= 8 << 10);
    teardown(&r);
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t at = 1;; at += at < 200 ? 1 : 7) {
        setup_world(&r, 17);
        r.world.memory.fail_at = at;
        start(&r);
        if (r.server_ep != NULL)
            run_until(&r, is_open, HF_SECONDS(3));
        if (r.c.http3 != NULL && !r.c.over) {
            (void)caller_ask(&r.c, "GET", "/file", hf_text("localhost"), hf_bytes_make(NULL, 0), (hf_fields){ 0 });
            (void)caller_ask(&r.c, "GET", "/lent", hf_text("localhost"), hf_bytes_make(NULL, 0), (hf_fields){ 0 });
            (void)caller_ask(&r.c, "POST", "/echo", hf_text("localhost"), hf_text("some bytes"), (hf_fields){ 0 });
            run_until(&r, is_answered, HF_SECONDS(3));
        }
        const bool spared = r.world.memory.calls < at;
        teardown(&r);
        if (spared)
            break;
        assert_true(at < 20000);
    }
}

#define T(name) cmocka_unit_test(name)
static const struct CMUnitTest http3_tests[] = {
    T(a_request_is_answered_and_the_connection_says_what_it_is), T(bodies_arrive_byte_for_byte_whatever_they_are_made_of),
    T(a_hundred_requests_at_once_are_all_answered), T(a_body_of_the_client_arrives_whole), T(what_is_lost_is_sent_again),
    T(a_download_survives_many_moves_through_a_bad_network),
    T(a_body_that_nobody_takes_holds_the_client_back), T(answers_that_nobody_reads_are_bounded_and_given_up),
    T(a_file_that_changes_ends_its_own_answer_alone), T(a_client_that_gives_up_is_told_of_and_then_what_was_lent_is_free),
    T(what_the_server_cancels_is_reset_and_told_as_sent), T(a_connection_that_drains_answers_what_is_open_and_says_goodbye),
    T(a_client_that_closes_ends_it_in_good_order), T(a_client_that_falls_silent_is_forgotten),
    T(a_silent_client_that_owes_acknowledgements_is_forgotten_too), T(a_signature_may_come_later),
    T(a_signature_that_cannot_be_had_ends_the_handshake), T(an_abort_closes_at_once),
    T(a_lost_answer_does_not_hold_up_the_next), T(what_goes_with_a_page_is_pushed_where_the_client_allows_it), T(what_ends_a_connection_in_good_order_has_a_name), T(an_idle_connection_holds_little), T(any_allocation_may_fail),
};

int main(void)
{
    return cmocka_run_group_tests_name("stack_http3", http3_tests, NULL, NULL);
}
