/* SPDX-License-Identifier: Apache-2.0
 *
 * Every refusal says why, and whatever way a request ends, all that it held is given back once.
 */
#include "service_rig.h"

/* ---- problems ----------------------------------------------------------------------------------------------- */

static void programs_get_a_problem_document(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    ask(&r, "GET /%3Cscript%3E\"x" H "Accept: application/json\r\n\r\n");
    has(r.text, "400 "); /* a quote has no place in a target */
    teardown(&r);
    setup(&r);
    ask(&r, "GET /nowhere" H "\r\n");
    has(r.text, "404 Not Found");
    has(r.text, "Content-Type: application/problem+json\r\n");
    has(r.text, "{\"type\":\"urn:handfast:error:HF-HTTP-001\",\"title\":\"not found\",\"status\":404,\"code\":\"HF-HTTP-001\"");
    has(r.text, "\"got\":\"/nowhere\"");
    has(r.text, "\"request_id\":\"cabc-1\"");
    teardown(&r);
}

static void browsers_get_a_page_and_what_was_asked_is_escaped(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    r.app.error_page = hf_text("<p>{{status}} {{phrase}} [{{got}}] {{unknown}} {{request_id}} [{{got}}] {{ open");
    r.app.error_page_policy = "default-src 'none'";
    ask(&r, "GET /a'b&c" H "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n\r\n");
    has(r.text, "Content-Type: text/html; charset=utf-8\r\n");
    has(r.text, "Content-Security-Policy: default-src 'none'\r\n");
    has(r.text, "<p>404 Not Found [/a&#39;b&amp;c]  cabc-1 [/a&#39;b&amp;c] {{ open");
    has_not(r.text, "[/a'b");
    teardown(&r);
    setup(&r);
    ask(&r, "GET /plain" H "Accept: text/html\r\n\r\n"); /* without a template there is a plain page */
    has(r.text, "<h1>404 Not Found</h1>");
    teardown(&r);
}

/* A script in a path comes percent-encoded from honest clients, raw from others: neither may come out as markup. */
static void a_script_in_the_path_never_comes_out_as_markup(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /<script>alert(1)</script>" H "Accept: text/html\r\n\r\n",
        "GET /%3Cscript%3Ealert(1)%3C/script%3E" H "Accept: text/html\r\n\r\n",
        "GET /<script>alert(1)</script>" H "\r\n",
        "GET / HTTP/1.1\r\nHost: <script>\r\nAccept: text/html\r\n\r\n",
        "<script> / HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < HF_COUNT(requests); i++) {
        static rig r;
        setup(&r);
        ask(&r, requests[i]);
        has(r.text, "HTTP/1.1 40");
        has(r.text, "X-Content-Type-Options: nosniff\r\n");
        if (strstr(r.text, "Content-Type: application/problem+json\r\n") == NULL)
            has_not(r.text, "<script>");
        teardown(&r);
    }
}

static void our_own_page_comes_before_the_built_in_one(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    r.custom_errors = true;
    has(ask(&r, "GET /nowhere" H "\r\n"), "\r\n\r\nour own page");
    has(r.text, "404 Not Found");
    teardown(&r);
}

static void the_refusal_of_a_connection_answers_whatever_is_asked(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    r.dialog.refusal = hf_err_make(HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS);
    has(ask(&r, "GET /hello/x" H "\r\nGET /hello/y" H "\r\n"), "429 Too Many Requests");
    has(r.text, "Connection: close\r\n");
    assert_int_equal(r.runs, 0);
    assert_int_equal(r.done, 1);
    assert_true(r.pier.fin_sent);
    teardown(&r);
}

/* ---- errors of handlers ------------------------------------------------------------------------------------- */

static void an_error_before_the_answer_is_a_500_that_tells_nothing(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    ask(&r, "GET /before" H "\r\n");
    has(r.text, "500 Internal Server Error");
    has(r.text, "HF-HTTP-014");
    has(r.text, "cabc-1");
    has_not(r.text, "HF-IO");
    has_not(r.text, "address");
    has_not(r.text, "X-Secret");
    assert_int_equal(r.done_error[0], HF_ERR_IO_ADDRESS_IN_USE); /* the log knows */
    assert_int_equal(r.released, 1);
    has(ask(&r, "GET /hello/x" H "\r\n"), "hello, x\n");
    teardown(&r);
}

static void an_error_amid_the_answer_breaks_the_connection(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    ask(&r, "GET /amid" H "\r\nGET /hello/x" H "\r\n");
    assert_true(r.pier.reset_sent); /* a cut answer must not look whole */
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_IO_SYSTEM);
    assert_int_equal(r.runs, 1);
    assert_int_equal(r.done_error[0], HF_ERR_IO_SYSTEM);
    assert_int_equal(r.released, 1);
    teardown(&r);
}

static void an_error_after_the_whole_answer_is_for_the_log(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    ask(&r, "GET /after" H "\r\n");
    has(ask(&r, "GET /hello/x" H "\r\n"), "hello, x\n");
    assert_int_equal(r.done_status[0], 200);
    assert_int_equal(r.done_error[0], HF_ERR_IO_SYSTEM);
    assert_int_equal(r.released, 1);
    teardown(&r);
}

/* ---- endings ------------------------------------------------------------------------------------------------ */

static void holds_are_released_once_in_every_ending(void **state)
{
    (void)state;
    for (int how = 0; how < 6; how++) {
        static rig r;
        setup(&r);
        r.pier.room = 1000;
        ask(&r, how == 5 ? "POST /lent" H "Content-Length: 100\r\n\r\n0123456789" : "GET /lent" H "\r\n");
        switch (how) {
        case 0: fake_pier_open(&r.pier, UINT64_MAX); break;
        case 1: r.pier.reset = true; break;
        case 2: r.now = hf_time_after(r.now, HF_SECONDS(100)); break; /* a slow reader is cut */
        case 3: hf_web_abort(r.web, hf_err_make(HF_ERR_BASE_MEMORY)); break;
        case 4: break; /* the owner frees it all */
        case 5: r.pier.fin = true; fake_pier_open(&r.pier, UINT64_MAX); break; /* the request never gets whole */
        default: break;
        }
        drive(&r);
        assert_int_equal(r.held, how == 5 ? 0 : 1);
        if (how < 4)
            assert_int_equal(r.released, 1);
        if (how == 1)
            assert_int_equal(r.done_error[0], HF_ERR_IO_RESET);
        if (how == 2)
            assert_int_equal(r.done_error[0], HF_ERR_IO_SEND_TIMEOUT);
        teardown(&r); /* asserts that all was released once */
        assert_int_equal(r.done, 1);
    }
}

static void spare_requests_are_used_again(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    for (int i = 0; i < 10; i++)
        ask(&r, "GET /hello/x" H "\r\n");
    const size_t calls = r.world.memory.calls;
    for (int i = 0; i < 20; i++)
        ask(&r, "GET /hello/x" H "\r\n");
    assert_int_equal(r.world.memory.calls, calls); /* a small request costs no allocation */
    teardown(&r);
}

static void any_slicing_gives_the_same(void **state)
{
    (void)state;
    static const char script[] = "GET /hello/x" H "\r\nPOST /echo" H BODY(5, "hello") "OPTIONS *" H "\r\nGET /pieces" H "\r\n"
                                 "POST /upload" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n.\r\n0\r\nX: y\r\n\r\n"
                                 "GET /nowhere" H "\r\nHEAD /lent" H "\r\nBREW /" H "\r\nGET /last" H "\r\n";
    static rig whole, r;
    setup(&whole);
    whole.pier.fin = true;
    ask(&whole, script);
    assert_true(whole.closed);
    assert_int_equal(whole.done, 9);
    for (size_t slice = 1; slice < sizeof script; slice = slice * 3 / 2 + 1) {
        setup(&r);
        r.pier.slice = slice;
        r.pier.fin = true;
        ask(&r, script);
        assert_int_equal(r.pier.out_length, whole.pier.out_length);
        assert_memory_equal(r.pier.out, whole.pier.out, whole.pier.out_length);
        assert_int_equal(r.done, whole.done);
        assert_int_equal(r.runs, whole.runs);
        assert_int_equal(r.body_seen, whole.body_seen);
        teardown(&r);
    }
    teardown(&whole);
}

/* Everything at once, and allocation number n fails. */
static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const char script[] = "GET /hello/a" H "\r\nPOST /echo" H BODY(300, "0123456789") "0123456789";
    static char body[300 - 20 + 1];
    static const char more[] = "GET /lent" H "Accept: text/html\r\n\r\nGET /long" H "\r\nGET /pieces" H "\r\nGET /nowhere" H
                               "Accept: text/html\r\n\r\nGET /before" H "\r\nPOST /upload" H BODY(5, "hello") "GET /last" H "\r\n";
    memset(body, 'x', sizeof body - 1);
    for (int all_after = 0; all_after < 2; all_after++)
        for (size_t n = 1, going = 1; going; n++) {
            static rig r;
            setup(&r);
            hf_web_free(r.web);
            fake_pier_fini(&r.pier);
            fake_pier_init(&r.pier);
            r.world.memory.fail_at = r.world.memory.calls + n;
            r.world.memory.fail_on = all_after;
            const size_t last = r.world.memory.fail_at;
            begin(&r);
            if (r.web != NULL) {
                r.pier.room = 30000;
                r.pier.slice = 500;
                fake_pier_say(&r.pier, hf_text(script));
                fake_pier_say(&r.pier, hf_text(body));
                ask(&r, more);
                fake_pier_open(&r.pier, UINT64_MAX);
                drive(&r);
                r.pier.fin = true;
                drive(&r);
                assert_true(r.closed);
            }
            going = r.world.memory.calls >= last;
            teardown(&r);
            assert_true(going || n > 10);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_get_a_problem_document),
        cmocka_unit_test(browsers_get_a_page_and_what_was_asked_is_escaped),
        cmocka_unit_test(a_script_in_the_path_never_comes_out_as_markup),
        cmocka_unit_test(our_own_page_comes_before_the_built_in_one),
        cmocka_unit_test(the_refusal_of_a_connection_answers_whatever_is_asked),
        cmocka_unit_test(an_error_before_the_answer_is_a_500_that_tells_nothing),
        cmocka_unit_test(an_error_amid_the_answer_breaks_the_connection),
        cmocka_unit_test(an_error_after_the_whole_answer_is_for_the_log),
        cmocka_unit_test(holds_are_released_once_in_every_ending),
        cmocka_unit_test(spare_requests_are_used_again),
        cmocka_unit_test(any_slicing_gives_the_same),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
