/* SPDX-License-Identifier: Apache-2.0
 *
 * From bytes to handlers and back: what each method promises is held.
 */
#include "service_rig.h"

/* ---- 0-RTT ---------------------------------------------------------------------------------------------------- */

/* RFC 8470 5.1 and 5.2: what may have been sent again by somebody else is answered where it asks for no change. */
static void what_may_be_a_replay_is_answered_only_where_it_is_safe(void **state)
{
    (void)state;
    static const struct { const char *request, *status; } rows[] = {
        { "GET /hello/x" H "Early-Data: 1\r\n\r\n", "HTTP/1.1 200 " },
        { "HEAD /hello/x" H "Early-Data: 1\r\n\r\n", "HTTP/1.1 200 " },
        { "OPTIONS /options" H "Early-Data: 1\r\n\r\n", "HTTP/1.1 200 " },
        { "POST /echo" H "Early-Data: 1\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 425 " },
        { "PUT /echo" H "early-data: 1\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 425 " },
        { "DELETE /echo" H "Early-Data: 1\r\n\r\n", "HTTP/1.1 425 " },
        { "GET /count" H "Early-Data: 1\r\n\r\n", "HTTP/1.1 425 " },
        { "GET /count" H "\r\n", "HTTP/1.1 200 " },
        { "POST /echo" H "Early-Data: 0\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 " },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        static rig r;
        setup(&r);
        const char *said = ask(&r, rows[i].request);
        if (strncmp(said, rows[i].status, strlen(rows[i].status)) != 0)
            fail_msg("%s: %s", rows[i].request, said);
        assert_int_equal(r.done_error[0], strstr(rows[i].status, "425") != NULL ? HF_ERR_HTTP_TOO_EARLY : 0);
        teardown(&r);
    }
}

static void what_is_of_another_scheme_is_misdirected(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    has(ask(&r, "GET https://a/hello/x" H "\r\n"), "HTTP/1.1 421 ");
    assert_int_equal(r.done_error[0], HF_ERR_HTTP_MISDIRECTED);
    teardown(&r);
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static void a_handler_answers_with_the_fields_every_answer_has(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    assert_string_equal(ask(&r, "GET /hello/w%6frld" H "\r\n"),
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: tested\r\nCache-Control: no-cache\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nhello, world\n");
    assert_int_equal(r.done, 1);
    assert_int_equal(r.done_status[0], 200);
    assert_int_equal(r.done_error[0], 0);
    assert_string_equal(r.done_path[0], "/hello/w%6frld");
    teardown(&r);
}

static void head_runs_the_handler_of_get_and_keeps_the_body_here(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    const char *text = ask(&r, "HEAD /hello/x" H "\r\nHEAD /lent" H "\r\n");
    has(text, "Content-Length: 9\r\n");
    has(text, "Content-Length: 300010\r\n");
    has_not(text, "hello");
    has_not(text, "begin");
    assert_int_equal(r.runs, 2);
    assert_int_equal(r.held, 1);
    assert_int_equal(r.released, 1);
    teardown(&r);
}

static void a_handler_may_set_what_we_would_add(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    const char *text = ask(&r, "GET /own" H "\r\n");
    has(text, "Cache-Control: max-age=60\r\n");
    has_not(text, "no-cache");
    has(text, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    has_not(text, "1994");
    teardown(&r);
}

static void a_name_too_long_for_the_ready_lines_is_said_all_the_same(void **state)
{
    (void)state;
    static rig r;
    static char name[301];
    memset(name, 'n', 300);
    setup(&r);
    r.app.server_name = name;
    hf_service_tick(&r.service, r.now, (hf_wall){ 784111778 });
    const char *text = ask(&r, "GET /hello/x" H "\r\n");
    has(text, "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:38 GMT\r\nServer: nnn");
    has(text, "nnn\r\nCache-Control: no-cache\r\nContent-Type: text/plain; charset=utf-8\r\n");
    teardown(&r);
}

static void no_name_is_no_field(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    r.app.server_name = NULL;
    hf_service_tick(&r.service, r.now, (hf_wall){ 784111778 });
    has(ask(&r, "GET /hello/x" H "\r\n"), "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:38 GMT\r\nCache-Control: no-cache\r\n");
    teardown(&r);
}

#define SECOND(n) "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:3" n " GMT\r\nServer: tested\r\nCache-Control: no-cache\r\n"

static void lines_that_are_kept_are_those_of_the_type_and_of_the_second(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    has(ask(&r, "GET /typed/aaaa" H "\r\n"), SECOND("7") "Content-Type: text/aaaa\r\nContent-Length: 1\r\n\r\nx");
    has(ask(&r, "GET /typed/bbbb" H "\r\n"), SECOND("7") "Content-Type: text/bbbb\r\nContent-Length: 1\r\n\r\nx");
    hf_service_tick(&r.service, r.now, (hf_wall){ 784111778 });
    has(ask(&r, "GET /typed/bbbb" H "\r\n"), SECOND("8") "Content-Type: text/bbbb\r\nContent-Length: 1\r\n\r\nx");
    hf_service_tick(&r.service, r.now, (hf_wall){ 784111779 });
    has(ask(&r, "GET /typed/aaaa" H "\r\n"), SECOND("9") "Content-Type: text/aaaa\r\nContent-Length: 1\r\n\r\nx");
    has(ask(&r, "HEAD /typed/cccccccc" H "\r\n"), SECOND("9") "Content-Type: text/cccccccc\r\nContent-Length: 1\r\n\r\n");
    teardown(&r);
}

static void a_type_too_long_to_be_kept_is_said_all_the_same(void **state)
{
    (void)state;
#define LONG_TYPE "0123456789012345678901234567890123456789012345678901234567890123456789"
    answers("GET /typed/" LONG_TYPE H "\r\n", "200", "Cache-Control: no-cache\r\nContent-Type: text/" LONG_TYPE "\r\nContent-Length: 1\r\n\r\nx");
    answers("GET /typed/a%0Ab" H "\r\n", "500", "Cache-Control: no-store\r\n"); /* nor is one that would split the answer */
}

static void where_http3_is_served_a_short_answer_says_so(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    r.dialog.http3_port = 443;
    has(ask(&r, "GET /typed/aaaa" H "\r\n"), "Alt-Svc: h3=\":443\"; ma=86400\r\n");
    teardown(&r);
}

static void answers_to_unsafe_methods_are_not_stored(void **state)
{
    (void)state;
    answers("POST /echo" H BODY(2, "ab"), "200", "Cache-Control: no-store\r\n");
    answers("PUT /echo" H BODY(2, "ab"), "200", "Cache-Control: no-store\r\n");
    answers("DELETE /echo" H "\r\n", "200", "Cache-Control: no-store\r\n");
    answers("QUERY /echo" H "Content-Type: a/b\r\n" BODY(2, "ab"), "200", "Cache-Control: no-cache\r\n");
    answers("POST /own" H BODY(2, "ab"), "200", "Cache-Control: max-age=60\r\n");
    answers("GET /none" H "\r\n", "404", "Cache-Control: no-store\r\n");
}

static void a_long_text_is_whole(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    has(ask(&r, "GET /long" H "\r\n"), "Content-Length: 20000\r\n");
    assert_int_equal(r.text[r.pier.out_length - 1], '7');
    assert_int_equal(r.text[r.pier.out_length - 20000], '0');
    teardown(&r);
}

static void a_redirect_says_where(void **state)
{
    (void)state;
    answers("GET /moved" H "\r\n", "303 See Other", "Location: /elsewhere\r\n");
}

static void a_request_knows_itself(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    ask(&r, "GET /hello/x" H "\r\n");
    has(ask(&r, "GET /about?q=%20" H "\r\n"), "cabc-2 2 /about 784111777 50000000000");
    teardown(&r);
}

static void lent_bytes_leave_in_order_and_are_let_go_after_the_last(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    r.pier.room = 1000;
    ask(&r, "GET /lent" H "\r\nGET /hello/next" H "\r\n");
    assert_int_equal(r.held, 1);
    assert_int_equal(r.released, 0);
    fake_pier_open(&r.pier, UINT64_MAX);
    drive(&r);
    assert_int_equal(r.released, 1);
    has(r.text, "begin abcdef");
    has(r.text, " endHTTP/1.1 200 OK");
    has(r.text, "hello, next\n");
    assert_int_equal(r.done, 2);
    teardown(&r);
}

static void an_answer_of_more_pieces_than_the_core_holds_leaves_whole(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    const char *text = strstr(ask(&r, "GET /pieces" H "\r\n"), "\r\n\r\n");
    assert_non_null(text);
    text += 4;
    assert_int_equal(strlen(text), 200000);
    for (size_t i = 0; i < 200; i++)
        assert_memory_equal(text + 1000 * i, i % 2 ? big + 1000 * i : big, 1000);
    teardown(&r);
}

static void a_second_answer_is_refused_and_the_first_stands(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    const char *text = ask(&r, "GET /twice" H "\r\n");
    has(text, "Content-Length: 3\r\n\r\none");
    has_not(text, "two");
    teardown(&r);
}

static void fields_cannot_split_an_answer(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    has_not(ask(&r, "GET /bad" H "\r\n"), "Set-Cookie");
    has(r.text, "X: ok\r\n");
    teardown(&r);
}

static void framing_belongs_to_the_core(void **state)
{
    (void)state;
    answers("GET /framing" H "\r\n", "500 Internal Server Error", "HF-HTTP-014");
}

static void hf_reply_close_ends_the_connection_after_the_answer(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    const char *text = ask(&r, "GET /last" H "\r\nGET /hello/never" H "\r\n");
    has(text, "Connection: close\r\n");
    has_not(text, "never");
    assert_true(r.pier.fin_sent);
    teardown(&r);
}

static void files_get_the_rest_of_the_path(void **state)
{
    (void)state;
    answers("GET /files/a/b.css" H "\r\n", "200", "\r\n\r\nfile a/b.css");
    answers("GET /files/" H "\r\n", "200", "\r\n\r\nfile ");
    answers("GET /files/x/../y" H "\r\n", "200", "\r\n\r\nfile y");
    answers("POST /files/x" H "\r\n", "405", "Allow: GET, HEAD, OPTIONS\r\n");
}

/* ---- the contract of methods -------------------------------------------------------------------------------- */

static void each_method_has_the_body_it_may_have(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status, *code;
    } rows[] = {
        { "GET /hello/x" H BODY(2, "ab"), "400", "HF-HTTP-005" },
        { "GET /hello/x" H "Content-Length: 0\r\n\r\n", "200", "hello" },
        { "GET /hello/x" H "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "400", "HF-HTTP-005" },
        { "HEAD /hello/x" H BODY(2, "ab"), "400", NULL },
        { "DELETE /echo" H BODY(2, "ab"), "400", "HF-HTTP-005" },
        { "DELETE /echo" H "\r\n", "200", NULL },
        { "OPTIONS /echo" H BODY(2, "ab"), "400", "HF-HTTP-005" },
        { "OPTIONS *" H BODY(2, "ab"), "400", "HF-HTTP-005" },
        { "POST /echo" H BODY(2, "ab"), "200", "\r\n\r\nab" },
        { "POST /echo" H "\r\n", "200", "Content-Length: 0\r\n" },
        { "PUT /echo" H BODY(2, "ab"), "200", "\r\n\r\nab" },
        { "PATCH /echo" H "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "200", "\r\n\r\nab" },
        { "QUERY /echo" H "Content-Type: a/b\r\n" BODY(2, "ab"), "200", "\r\n\r\nab" },
        { "QUERY /echo" H BODY(2, "ab"), "400", "HF-HTTP-015" },
        { "QUERY /echo" H "Content-Type: a/b\r\n\r\n", "400", "HF-HTTP-015" },
        { "QUERY /echo" H "Content-Type: a/b\r\nContent-Length: 0\r\n\r\n", "400", "HF-HTTP-015" },
        { "BREW /echo" H "\r\n", "501", "HF-HTTP-003" },
        { "get /hello/x" H "\r\n", "501", "HF-HTTP-003" },
        { "TRACE /hello/x" H "\r\n", "405", NULL },
        { "CONNECT a:80" H "\r\n", "501", "HF-HTTP-019" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        answers(rows[i].request, rows[i].status, rows[i].code);
}

static void no_handler_runs_for_what_is_refused(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    ask(&r, "GET /hello/x" H BODY(2, "ab") "QUERY /echo" H BODY(2, "ab") "POST /small" H BODY(11, "0123456789a")
            "GET /nowhere" H "\r\nPUT /small" H BODY(1, "a"));
    assert_int_equal(r.runs, 0);
    assert_int_equal(r.done, 5);
    const int32_t wanted[] = { HF_ERR_HTTP_BODY_UNEXPECTED, HF_ERR_HTTP_CONTENT_REQUIRED, HF_ERR_HTTP_BODY_TOO_LARGE,
        HF_ERR_HTTP_NOT_FOUND, HF_ERR_HTTP_METHOD_NOT_ALLOWED };
    for (size_t i = 0; i < HF_COUNT(wanted); i++)
        assert_int_equal(r.done_error[i], wanted[i]); /* and the connection lived on: the bodies were read away */
    teardown(&r);
}

static void options_comes_for_free(void **state)
{
    (void)state;
    answers("OPTIONS /hello/x" H "\r\n", "204 No Content", "Allow: GET, HEAD, OPTIONS\r\n");
    answers("OPTIONS /echo" H "\r\n", "204", "Allow: POST, PUT, DELETE, OPTIONS, PATCH, QUERY\r\n");
    answers("OPTIONS /echo" H "\r\n", "204", "Accept-Query: */*\r\n");
    answers("OPTIONS *" H "\r\n", "204", "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, QUERY\r\n");
    answers("OPTIONS http://a" H "\r\n", "204", "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, QUERY\r\n");
    answers("OPTIONS /none" H "\r\n", "404", NULL);
    answers("OPTIONS /options" H "\r\n", "200", "hello"); /* a row of its own wins */
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    (void)state;
    answers("POST /hello/x" H BODY(1, "a"), "405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n");
    answers("GET /echo" H "\r\n", "405", "Allow: POST, PUT, DELETE, OPTIONS, PATCH, QUERY\r\n");
}

static void paths_are_decoded_once_and_strictly(void **state)
{
    (void)state;
    answers("GET /hello/a%20b" H "\r\n", "200", "hello, a b\n");
    answers("GET /hello/%2541" H "\r\n", "200", "hello, %41\n");
    answers("GET /x/../hello/y" H "\r\n", "200", "hello, y\n");
    answers("GET /hello/a%2Fb" H "\r\n", "400", "HF-HTTP-006");
    answers("GET /hello/a%00b" H "\r\n", "400", "HF-HTTP-006");
    answers("GET /hello/a%zz" H "\r\n", "400", "HF-HTTP-006");
    answers("GET /HELLO/x" H "\r\n", "404", "HF-HTTP-001");
}

/* ---- bodies ------------------------------------------------------------------------------------------------- */

static char *request_with_body(const char *head, size_t bytes, bool chunked)
{
    char *text = malloc(strlen(head) + bytes + 200);
    int n = chunked ? sprintf(text, "%sTransfer-Encoding: chunked\r\n\r\n%zx\r\n", head, bytes)
                    : sprintf(text, "%sContent-Length: %zu\r\n\r\n", head, bytes);
    memset(text + n, 'b', bytes);
    strcpy(text + n + bytes, chunked ? "\r\n0\r\n\r\n" : "");
    return text;
}

static void limit_body_bytes(void **state)
{
    (void)state;
    enum { LIMIT = 5000 };
    for (int chunked = 0; chunked < 2; chunked++)
        for (size_t bytes = LIMIT - 1; bytes <= LIMIT + 1; bytes++) {
            static rig r;
            setup(&r);
            r.world.limits.body_bytes = LIMIT;
            char *text = request_with_body("POST /echo" H, bytes, chunked);
            r.pier.slice = 777;
            ask(&r, text);
            if (bytes <= LIMIT) {
                has(r.text, "200 OK");
                assert_int_equal(r.runs, 1);
            } else {
                has(r.text, "413 Content Too Large");
                has(r.text, "HF-HTTP-004");
                assert_int_equal(r.runs, 0);
            }
            assert_true(r.world.memory.most < 60000);
            free(text);
            teardown(&r);
        }
}

static void a_route_has_a_limit_of_its_own(void **state)
{
    (void)state;
    answers("POST /small" H BODY(10, "0123456789"), "200", "\r\n\r\n0123456789");
    answers("POST /small" H BODY(11, "0123456789a"), "413", NULL);
    answers("POST /small" H "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n", "413", NULL);
}

static void a_body_handler_gets_it_all_and_nothing_is_kept(void **state)
{
    (void)state;
    enum { ALL = 5000000 };
    static rig r;
    setup(&r);
    char *text = request_with_body("POST /upload" H, ALL, false);
    r.pier.slice = 10000;
    r.pier.most_held = 65536;
    has(ask(&r, text), "200 OK");
    has(r.text, "\r\n\r\n5000000");
    assert_int_equal(r.body_seen, ALL);
    assert_true(r.world.memory.most < 100000);
    free(text);
    teardown(&r);
}

static void an_error_of_a_body_handler_is_a_500_and_the_rest_is_not_taken(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    ask(&r, "POST /upload" H "Content-Length: 12\r\n\r\nabc!");
    has(r.text, "500 Internal Server Error");
    assert_int_equal(r.body_seen, 4);
    ask(&r, "defghijk");
    assert_int_equal(r.body_seen, 4);
    assert_int_equal(r.runs, 0);
    has(ask(&r, "GET /hello/x" H "\r\n"), "hello, x\n"); /* and the connection goes on */
    teardown(&r);
}

static void who_waits_for_100_gets_it_only_when_the_body_is_wanted(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    assert_string_equal(ask(&r, "POST /echo" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    has(ask(&r, "ab"), "200 OK");
    teardown(&r);
    setup(&r);
    has_not(ask(&r, "POST /small" H "Expect: 100-continue\r\nContent-Length: 20\r\n\r\n"), "100 Continue");
    has(r.text, "413 ");
    has(r.text, "Connection: close\r\n");
    teardown(&r);
    answers("POST /none" H "Expect: 100-continue\r\nContent-Length: 20\r\n\r\n", "404", NULL);
    answers("POST /echo" H "Expect: 200-maybe\r\nContent-Length: 20\r\n\r\n", "417", NULL);
}

static void a_body_that_breaks_a_rule_is_answered_once(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    ask(&r, "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n");
    has(r.text, "400 Bad Request");
    assert_int_equal(r.runs, 0);
    r.pier.fin = true;
    drive(&r);
    assert_true(r.closed);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.done_error[0], HF_ERR_HTTP1_CHUNK_SIZE);
    teardown(&r);
}

static void a_head_that_breaks_a_rule_is_answered_with_a_request_of_its_own(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    r.pier.room = 20; /* the answer before it has not left yet */
    ask(&r, "GET /lent" H "\r\nGET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n");
    fake_pier_open(&r.pier, UINT64_MAX);
    r.pier.fin = true;
    drive(&r);
    has(r.text, "HTTP/1.1 200 OK");
    has(r.text, " 400 Bad Request");
    has(r.text, "HF-HTTP1-007");
    assert_int_equal(r.done, 2);
    assert_int_equal(r.done_status[0], 400); /* its answer was copied, and is over; the other's waits until it has left */
    assert_int_equal(r.done_error[0], HF_ERR_HTTP1_SPACE_BEFORE_COLON);
    assert_int_equal(r.done_status[1], 200);
    assert_int_equal(r.done_error[1], 0);
    teardown(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_a_replay_is_answered_only_where_it_is_safe),
        cmocka_unit_test(what_is_of_another_scheme_is_misdirected),
        cmocka_unit_test(a_handler_answers_with_the_fields_every_answer_has),
        cmocka_unit_test(head_runs_the_handler_of_get_and_keeps_the_body_here),
        cmocka_unit_test(a_handler_may_set_what_we_would_add),
        cmocka_unit_test(a_name_too_long_for_the_ready_lines_is_said_all_the_same), cmocka_unit_test(no_name_is_no_field),
        cmocka_unit_test(lines_that_are_kept_are_those_of_the_type_and_of_the_second), cmocka_unit_test(a_type_too_long_to_be_kept_is_said_all_the_same),
        cmocka_unit_test(where_http3_is_served_a_short_answer_says_so), cmocka_unit_test(answers_to_unsafe_methods_are_not_stored),
        cmocka_unit_test(a_long_text_is_whole),
        cmocka_unit_test(a_redirect_says_where),
        cmocka_unit_test(a_request_knows_itself),
        cmocka_unit_test(lent_bytes_leave_in_order_and_are_let_go_after_the_last),
        cmocka_unit_test(an_answer_of_more_pieces_than_the_core_holds_leaves_whole),
        cmocka_unit_test(a_second_answer_is_refused_and_the_first_stands),
        cmocka_unit_test(fields_cannot_split_an_answer),
        cmocka_unit_test(framing_belongs_to_the_core),
        cmocka_unit_test(hf_reply_close_ends_the_connection_after_the_answer),
        cmocka_unit_test(files_get_the_rest_of_the_path),
        cmocka_unit_test(each_method_has_the_body_it_may_have),
        cmocka_unit_test(no_handler_runs_for_what_is_refused),
        cmocka_unit_test(options_comes_for_free),
        cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
        cmocka_unit_test(paths_are_decoded_once_and_strictly),
        cmocka_unit_test(limit_body_bytes),
        cmocka_unit_test(a_route_has_a_limit_of_its_own),
        cmocka_unit_test(a_body_handler_gets_it_all_and_nothing_is_kept),
        cmocka_unit_test(an_error_of_a_body_handler_is_a_500_and_the_rest_is_not_taken),
        cmocka_unit_test(who_waits_for_100_gets_it_only_when_the_body_is_wanted),
        cmocka_unit_test(a_body_that_breaks_a_rule_is_answered_once),
        cmocka_unit_test(a_head_that_breaks_a_rule_is_answered_with_a_request_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
