/* SPDX-License-Identifier: Apache-2.0
 *
 * The same routes over HTTP/2: what HTTP/1 answers, HTTP/2 answers, and what ends a stream ends nothing else.
 */
#include "http2_caller.h"

static const struct {
    const char *method, *target, *body;
} requests[] = {
    { "GET", "/hello/you", "" },     { "HEAD", "/hello/you", "" },   { "OPTIONS", "/hello/you", "" }, { "POST", "/echo", "some words" },
    { "GET", "/nowhere", "" },       { "DELETE", "/hello/x", "" },   { "GET", "/pieces", "" },        { "GET", "/lent", "" },
    { "POST", "/small", "more than ten bytes" }, { "GET", "/files/a/b", "" }, { "GET", "/moved", "" }, { "BREW", "/hello/x", "" },
    { "GET", "/before", "" },        { "OPTIONS", "*", "" },
};

static void every_route_answers_as_over_http1(void **state)
{
    (void)state;
    static rig r, one;
    static caller c;
    call(&r, &c, NULL);
    for (size_t i = 0; i < HF_COUNT(requests); i++)
        send(&c, requests[i].method, requests[i].target, requests[i].body, "text/plain");
    talk(&r, &c);
    for (size_t i = 0; i < HF_COUNT(requests); i++) {
        char text[512];
        setup(&one);
        snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", requests[i].method,
                 requests[i].target, strlen(requests[i].body), requests[i].body);
        if (requests[i].body[0] == 0)
            snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", requests[i].method, requests[i].target);
        const char *const said = ask(&one, text), *const body = strstr(said, "\r\n\r\n");
        const answer *const a = &c.answers[i];
        assert_true(a->ended);
        if (a->status != atoi(said + 9))
            fail_msg("%s %s: %u over HTTP/2, over HTTP/1 %.20s", requests[i].method, requests[i].target, a->status, said);
        assert_non_null(body);
        const char *const number = strstr(a->body, "request_id"); /* but for the request's own number */
        const size_t same = number != NULL ? (size_t)(number - a->body) : a->length;
        assert_memory_equal(a->body, body + 4, same);
        teardown(&one);
    }
    assert_int_equal(r.done, HF_COUNT(requests)); /* each is over, and told once */
    assert_null(r.dialog.open);
    hang_up(&r, &c);
}

static void a_handler_that_fails_in_mid_answer_costs_its_stream_alone(void **state)
{
    (void)state;
    static rig r;
    static caller c;
    call(&r, &c, NULL);
    answer *const bad = send(&c, "GET", "/amid", "", ""), *const good = send(&c, "GET", "/hello/you", "", "");
    talk(&r, &c);
    assert_true(!bad->ended || bad->status >= 500);
    assert_int_equal(good->status, 200);
    assert_true(good->ended);
    assert_false(r.closed);
    assert_null(r.dialog.open);
    assert_int_equal(r.done, 2);
    hang_up(&r, &c);
}

static void a_reset_releases_what_was_held_once_and_names_its_cause(void **state)
{
    (void)state;
    static rig r;
    static caller c;
    call(&r, &c, NULL);
    r.pier.room = 1000;
    answer *const gone = send(&c, "GET", "/lent", "", ""), *const stays = send(&c, "GET", "/hello/you", "", "");
    talk(&r, &c);
    assert_int_equal(r.held, 1);
    assert_int_equal(r.released, 0);
    assert_int_equal(hf_http2_end(c.http2, gone->stream, (hf_ending){ HF_ENDING_RESET, HF_HTTP2_CANCEL }, (hf_fields){ 0 }).code, 0);
    talk(&r, &c);
    assert_int_equal(r.released, 0); /* the pier still reads it */
    fake_pier_open(&r.pier, UINT64_MAX);
    talk(&r, &c);
    assert_int_equal(r.released, 1);
    assert_true(stays->ended);
    assert_int_equal(r.done, 2);
    assert_null(r.dialog.open);
    hang_up(&r, &c);
}

static void a_refused_request_leaves_the_connection_open(void **state)
{
    (void)state;
    static rig r;
    static caller c;
    static char target[9000];
    call(&r, &c, NULL);
    memset(target, 'a', sizeof target - 1);
    target[0] = '/';
    answer *const large = send(&c, "GET", target, "", "");
    talk(&r, &c);
    assert_int_equal(large->status, 414);
    answer *const next = send(&c, "GET", "/hello/you", "", "");
    talk(&r, &c);
    assert_int_equal(next->status, 200);
    assert_false(r.closed);
    assert_int_equal(r.done, 2);
    hang_up(&r, &c);
}

static void any_allocation_may_fail_over_http2(void **state)
{
    (void)state;
    for (size_t at = 1, done = 0; !done; at++) {
        static rig r;
        static caller c;
        memset(&c, 0, sizeof c);
        setup(&r);
        hf_test_world_init(&c.world, 2);
        c.http2 = hf_http2_client_new(&c.world.env, 9, r.now, NULL);
        r.world.memory.calls = 0;
        r.world.memory.fail_at = at;
        send(&c, "POST", "/echo", "some words", "text/plain");
        send(&c, "GET", "/lent", "", "");
        send(&c, "GET", "/pieces", "", "");
        talk(&r, &c);
        done = r.world.memory.calls < at;
        r.world.memory.fail_at = 0;
        hang_up(&r, &c); /* asserts that nothing leaked and all was released once */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_answers_as_over_http1),
        cmocka_unit_test(a_handler_that_fails_in_mid_answer_costs_its_stream_alone),
        cmocka_unit_test(a_reset_releases_what_was_held_once_and_names_its_cause),
        cmocka_unit_test(a_refused_request_leaves_the_connection_open),
        cmocka_unit_test(any_allocation_may_fail_over_http2),
    };
    return cmocka_run_group_tests_name("versions", tests, NULL, NULL);
}
