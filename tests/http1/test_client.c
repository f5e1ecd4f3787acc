/* SPDX-License-Identifier: Apache-2.0 */
#include "http1/rig.h"

static hf_test_world w;
static rig r;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    assert_true(rig_open(&r, &w.env, RIG_CLIENT));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    hf_test_world_fini(&w);
    return 0;
}

static void reopen(void)
{
    rig_close(&r);
    assert_true(rig_open(&r, &w.env, RIG_CLIENT));
}

static const hf_field host[] = { { HF_LITERAL("Host"), HF_LITERAL("a"), HF_FIELD_HOST } };

static hf_err begin(hf_method method, int64_t length)
{
    const hf_request_head head = { .method = method, .target = HF_LITERAL("/x"), .fields = { host, 1 }, .content_length = length };
    return hf_http1_request(r.h, &head);
}

static void ask(hf_method method)
{
    assert_int_equal(begin(method, HF_LENGTH_NONE).code, 0);
    rig_end(&r);
}

static void expect_output(const char *want)
{
    rig_emit(&r);
    r.out[r.out_length] = 0;
    assert_string_equal((char *)r.out, want);
    r.out_length = 0;
}

static void expect_log(const char *want)
{
    assert_string_equal(r.log, want);
    r.log_length = 0;
    r.log[0] = 0;
}

static void expect_fault(int32_t code)
{
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http1_fault(r.h)->err.code, code);
}

static void a_request_leaves_and_its_response_arrives(void **state)
{
    (void)state;
    ask(HF_METHOD_GET);
    expect_output("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_false(hf_http1_is_idle(r.h));
    rig_text(&r, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    expect_log("RESPONSE 200 reason=OK length=2 keep [Content-Length=2]\nBODY hi\nEND\n");
    assert_true(hf_http1_is_idle(r.h));
}

static void bodies_are_framed(void **state)
{
    (void)state;
    assert_int_equal(begin(HF_METHOD_POST, 3).code, 0);
    rig_put(&r, hf_text("abc"));
    rig_end(&r);
    assert_int_equal(begin(HF_METHOD_PUT, HF_LENGTH_UNKNOWN).code, 0);
    rig_put(&r, hf_text("abc"));
    rig_end(&r);
    ask(HF_METHOD_POST); /* RFC 9110 8.6: says that there is none */
    expect_output("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                  "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                  "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
}

static void pipelined_responses_meet_their_requests(void **state)
{
    (void)state;
    ask(HF_METHOD_HEAD);
    ask(HF_METHOD_GET);
    ask(HF_METHOD_HEAD);
    rig_text(&r, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect_log("RESPONSE 200 reason=OK length=5 keep [Content-Length=5]\nEND\n"
               "RESPONSE 200 reason=OK length=5 keep [Content-Length=5]\nBODY hello\nEND\n"
               "RESPONSE 200 reason=OK length=-2 keep [Transfer-Encoding=chunked]\nEND\n");
    assert_true(r.last == HF_IDLE);
}

static void sixteen_requests_may_be_on_their_way(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++)
        ask(HF_METHOD_GET);
    assert_int_equal(begin(HF_METHOD_GET, HF_LENGTH_NONE).code, HF_ERR_BASE_LIMIT);
    rig_text(&r, "HTTP/1.1 204 No Content\r\n\r\n");
    ask(HF_METHOD_GET);
}

static void interim_responses_come_before_the_final_one(void **state)
{
    (void)state;
    const hf_request_head head = { .method_name = HF_LITERAL("PUT"), .target = HF_LITERAL("/"), .fields = { host, 1 },
                                   .content_length = 2, .expect_continue = true };
    assert_int_equal(hf_http1_request(r.h, &head).code, 0);
    expect_output("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    rig_text(&r, "HTTP/1.1 100 Continue\r\n\r\n");
    expect_log("RESPONSE 100 reason=Continue length=-1 keep\n");
    rig_put(&r, hf_text("ok"));
    rig_end(&r);
    expect_output("ok");
    rig_text(&r, "HTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n");
    expect_log("RESPONSE 201 reason= length=0 keep [Content-Length=0]\nEND\n");
}

static void a_response_without_length_lasts_until_close(void **state)
{
    (void)state;
    ask(HF_METHOD_GET);
    rig_feed(&r, (const uint8_t *)"HTTP/1.0 200 OK\r\n\r\nall of it", 28, true);
    expect_log("RESPONSE 200 reason=OK length=-1 close\nBODY all of it\nEND\n");
    assert_int_equal(r.last, HF_CLOSED);
}

static void after_close_nothing_is_asked_any_more(void **state)
{
    (void)state;
    ask(HF_METHOD_GET);
    rig_text(&r, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    assert_int_equal(r.last, HF_CLOSED);
    assert_int_equal(begin(HF_METHOD_GET, HF_LENGTH_NONE).code, HF_ERR_HTTP1_NO_EXCHANGE);
}

static void an_upgrade_and_a_tunnel_end_http(void **state)
{
    (void)state;
    const hf_request_head head = { .method = HF_METHOD_GET, .target = HF_LITERAL("/"), .fields = { host, 1 },
                                   .content_length = HF_LENGTH_NONE, .upgrade = HF_LITERAL("websocket") };
    assert_int_equal(hf_http1_request(r.h, &head).code, 0);
    rig_end(&r);
    expect_output("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    rig_text(&r, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81raw");
    assert_non_null(strstr(r.log, "END\nUPGRADED\n"));
    assert_int_equal(r.pending_length, 4);
    rig_put(&r, hf_text("raw too"));
    expect_output("raw too");
    reopen();
    const hf_request_head connect = { .method = HF_METHOD_CONNECT, .target = HF_LITERAL("a:443"), .fields = { host, 1 },
                                      .content_length = HF_LENGTH_NONE };
    assert_int_equal(hf_http1_request(r.h, &connect).code, 0);
    rig_end(&r);
    rig_text(&r, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"); /* RFC 9112 6.3: the length is ignored */
    assert_non_null(strstr(r.log, "UPGRADED"));
    assert_int_equal(r.pending_length, 5);
}

static void what_answers_nothing_is_a_fault(void **state)
{
    (void)state;
    rig_text(&r, "\r\nHTTP/1.1 200 OK\r\n\r\n");
    expect_fault(HF_ERR_HTTP1_UNEXPECTED_BYTES);
    assert_int_equal(hf_http1_fault(r.h)->offset, 2);
    reopen();
    ask(HF_METHOD_GET);
    rig_text(&r, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab");
    expect_fault(HF_ERR_HTTP1_UNEXPECTED_BYTES);
    reopen();
    ask(HF_METHOD_GET);
    rig_text(&r, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
    expect_fault(HF_ERR_HTTP1_UNEXPECTED_BYTES);
}

static void malformed_responses_are_faults(void **state)
{
    (void)state;
    static const struct { const char *text; int32_t code; } rows[] = {
        { "HTTP/1.1 200\r\n\r\n", HF_ERR_HTTP1_STATUS_LINE },
        { "HTTP/1.1  200 OK\r\n\r\n", HF_ERR_HTTP1_STATUS_LINE },
        { "HTTP/1.1 2000 OK\r\n\r\n", HF_ERR_HTTP1_STATUS_LINE },
        { "HTTP/1.1 099 OK\r\n\r\n", HF_ERR_HTTP1_STATUS_LINE },
        { "HTTP/1.1 20x OK\r\n\r\n", HF_ERR_HTTP1_STATUS_LINE },
        { "http/1.1 200 OK\r\n\r\n", HF_ERR_HTTP1_STATUS_LINE },
        { "\r\nHTTP/1.1 200 OK\r\n\r\n", HF_ERR_HTTP1_STATUS_LINE },
        { "SSH-2.0-OpenSSH_9.2p1 Debian\r\n", HF_ERR_HTTP1_STATUS_LINE },
        { "HTTP/2.0 200 OK\r\n\r\n", HF_ERR_HTTP1_VERSION },
        { "HTTP/1.1 200 O\0K\r\n\r\n", HF_ERR_HTTP1_STATUS_LINE },
        { "HTTP/1.1 200 OK\n\r\n", HF_ERR_HTTP1_BARE_LF },
        { "HTTP/1.1 200 OK\rX\r\n", HF_ERR_HTTP1_BARE_CR },
        { "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", HF_ERR_HTTP1_OBS_FOLD },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", HF_ERR_HTTP1_LENGTH_CONFLICT },
        { "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", HF_ERR_HTTP1_LENGTH_INVALID },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", HF_ERR_HTTP1_LENGTH_AND_ENCODING },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", HF_ERR_HTTP1_ENCODING_INVALID },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", HF_ERR_HTTP1_ENCODING_UNKNOWN },
        { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HF_ERR_HTTP1_ENCODING_IN_1_0 },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", HF_ERR_HTTP1_CHUNK_SIZE },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", HF_ERR_HTTP1_CHUNK_END },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n", HF_ERR_HTTP1_TRAILERS },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        reopen();
        ask(HF_METHOD_GET);
        const size_t n = i == 9 ? 21 : strlen(rows[i].text);
        rig_feed(&r, (const uint8_t *)rows[i].text, n, false);
        if (r.last != HF_FAULT || hf_http1_fault(r.h)->err.code != rows[i].code)
            fail_msg("%s gave %s", rows[i].text, hf_err_text(hf_http1_fault(r.h)->err));
        assert_int_equal(hf_http1_fault(r.h)->err.code, rows[i].code);
        assert_null(strstr(r.log, "REFUSED"));
    }
}

static void what_is_cut_short_is_told(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\n\r", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        reopen();
        ask(HF_METHOD_GET);
        rig_feed(&r, (const uint8_t *)rows[i], strlen(rows[i]), true);
        expect_fault(HF_ERR_HTTP1_TRUNCATED);
        assert_null(strstr(r.log, "END"));
    }
    reopen();
    rig_feed(&r, NULL, 0, true);
    assert_int_equal(r.last, HF_CLOSED);
}

static void what_must_not_be_sent_is_refused(void **state)
{
    (void)state;
    static const hf_request_head rows[] = {
        { .method_name = HF_LITERAL("G T"), .target = HF_LITERAL("/") },
        { .method = HF_METHOD_GET, .target = HF_LITERAL("") },
        { .method = HF_METHOD_GET, .target = HF_LITERAL("/a b") },
        { .method = HF_METHOD_GET, .target = HF_LITERAL("/a\r\nX: y") },
        { .method = HF_METHOD_POST, .target = HF_LITERAL("/"), .version = HF_HTTP_1_0, .content_length = HF_LENGTH_UNKNOWN },
        { .method = HF_METHOD_GET, .target = HF_LITERAL("/"), .upgrade = HF_LITERAL("a\r\nb") },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        assert_int_equal(hf_http1_request(r.h, &rows[i]).code, HF_ERR_HTTP1_BAD_HEAD);
    expect_output("");
}

static void slow_responses_time_out(void **state)
{
    (void)state;
    ask(HF_METHOD_GET);
    rig_emit(&r);
    rig_text(&r, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na");
    r.now = hf_http1_wake(r.h);
    rig_run(&r);
    expect_fault(HF_ERR_HTTP1_RESPONSE_TIMEOUT);
}

static void an_early_answer_stops_the_request(void **state)
{
    (void)state;
    assert_int_equal(begin(HF_METHOD_POST, 100).code, 0);
    rig_text(&r, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(r.last, HF_CLOSED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_request_leaves_and_its_response_arrives), T(bodies_are_framed), T(pipelined_responses_meet_their_requests),
        T(sixteen_requests_may_be_on_their_way), T(interim_responses_come_before_the_final_one),
        T(a_response_without_length_lasts_until_close), T(after_close_nothing_is_asked_any_more),
        T(an_upgrade_and_a_tunnel_end_http), T(what_answers_nothing_is_a_fault), T(malformed_responses_are_faults),
        T(what_is_cut_short_is_told), T(what_must_not_be_sent_is_refused), T(slow_responses_time_out),
        T(an_early_answer_stops_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
