/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side: requests, what a response is, pushes, GOAWAY; and our client with our server, lane by lane.
 */
#include "http3/rig.h"

static hf_test_world w;
static rig r;
static wire out;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    memset(&r, 0, sizeof r);
    out.length = 0;
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    hf_test_world_fini(&w);
    return 0;
}

static void open_rig(void)
{
    assert_true(rig_open(&r, &w.env, RIG_CLIENT));
    rig_settings(&r, "\x08\1", 2);
    rig_emit(&r);
}
static void ask(hf_lane lane)
{
    assert_int_equal(rig_ask(&r, lane, "GET", "/", HF_LENGTH_NONE).code, 0);
    rig_emit(&r);
}
static void response(hf_lane lane, const char *lines, const char *body, bool fin)
{
    wire_headers(&out, lines);
    if (body != NULL)
        wire_data(&out, body);
    rig_wire(&r, lane, &out, fin);
}

/* ---- requests and responses ---------------------------------------------------------------------------------- */

static void a_response_comes_in_its_parts(void **state)
{
    (void)state;
    open_rig();
    ask(0);
    assert_true(rig_lane_of(&r, 0)->fin_out);
    response(0, ":status: 103\nlink: </a>\n", NULL, false);
    response(0, ":status: 200\nn: v\n", "some ", false);
    wire_data(&out, "body");
    rig_wire(&r, 0, wire_headers(&out, "t: u\n"), true);
    assert_string_equal(r.log, "-1 READY\n0 RESPONSE 103 length=-2 [link=</a>]\n0 RESPONSE 200 length=-2 [n=v]\n"
                               "BODY 0 some body\n0 TRAILERS [t=u]\n0 END\n");
    assert_int_equal(hf_http3_open_lanes(r.h), 0);
}

static void requests_that_must_not_leave_are_refused(void **state)
{
    (void)state;
    open_rig();
    const hf_request_head bad[] = {
        { .method = HF_METHOD_GET, .path = HF_LITERAL("/"), .content_length = HF_LENGTH_NONE },
        { .method = HF_METHOD_GET, .authority = HF_LITERAL("a"), .content_length = HF_LENGTH_NONE },
        { .method = HF_METHOD_GET, .authority = HF_LITERAL("a"), .path = HF_LITERAL("/a b"), .content_length = HF_LENGTH_NONE },
        { .method_name = HF_LITERAL("G T"), .authority = HF_LITERAL("a"), .path = HF_LITERAL("/"), .content_length = HF_LENGTH_NONE },
        { .method = HF_METHOD_GET, .authority = HF_LITERAL("a"), .path = HF_LITERAL("/"), .upgrade = HF_LITERAL("x"), .content_length = HF_LENGTH_NONE },
    };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        assert_int_equal(hf_http3_may_request(r.h, &bad[i]).code, HF_ERR_HTTP3_BAD_HEAD);
        assert_int_equal(hf_http3_request(r.h, 0, &bad[i]).code, HF_ERR_HTTP3_BAD_HEAD);
    }
    assert_int_equal(rig_ask(&r, 2, "GET", "/", HF_LENGTH_NONE).code, HF_ERR_HTTP3_NO_STREAM); /* no lane for requests */
    assert_int_equal(hf_http3_open_lanes(r.h), 0);
}

static void extended_connect_waits_for_the_server_to_allow_it(void **state)
{
    (void)state;
    const hf_request_head head = { .method = HF_METHOD_CONNECT, .authority = HF_LITERAL("a"), .path = HF_LITERAL("/chat"),
                                   .upgrade = HF_LITERAL("websocket"), .content_length = HF_LENGTH_NONE };
    assert_true(rig_open(&r, &w.env, RIG_CLIENT));
    assert_int_equal(hf_http3_may_request(r.h, &head).code, HF_ERR_HTTP3_BAD_HEAD);
    rig_settings(&r, "\x08\1", 2);
    assert_int_equal(hf_http3_request(r.h, 0, &head).code, 0);
    response(0, ":status: 200\n", "frames", false);
    assert_non_null(strstr(r.log, "BODY 0 frames"));
    rig_put(&r, 0, hf_text("more"));
    rig_emit(&r);
    assert_int_equal(rig_body_sent(&r, 0, NULL), 4);
}

static void malformed_responses_are_message_errors(void **state)
{
    (void)state;
    static const char *const rows[] = {
        ":status: 20\n", ":status: 2000\n", ":status: abc\n", "a: b\n", ":status: 200\n:path: /\n", ":status: 101\n",
        ":status: 200\nA: b\n", ":status: 200\nconnection: x\n", ":status: 200\n:status: 200\n", ":status: 200\ncontent-length: 1\n",
    };
    open_rig();
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        ask(4 * i);
        response(4 * i, rows[i], "xy", true);
        if (r.resets != i + 1 || r.reset_code != HF_HTTP3_MESSAGE_ERROR)
            fail_msg("%s: %zu %s", rows[i], r.resets, r.log);
        rig_emit(&r);
    }
}

static void a_response_without_a_head_or_with_half_a_body_is_told(void **state)
{
    (void)state;
    open_rig();
    ask(0);
    rig_feed(&r, 0, "", 0, true);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_INCOMPLETE);
    ask(4);
    response(4, ":status: 200\ncontent-length: 5\n", "abc", true);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_LENGTH);
    assert_int_equal(r.reset_lane, 4);
    ask(8);
    response(8, ":status: 204\ncontent-length: 5\n", NULL, true); /* RFC 9110 8.6 forbids the field; there is no body */
    assert_int_equal(r.ends, 1);
}

static void what_the_server_did_not_act_upon_may_be_sent_again(void **state)
{
    (void)state;
    open_rig();
    for (hf_lane lane = 0; lane <= 8; lane += 4)
        ask(lane);
    hf_http3_lane_ended(r.h, r.now, 0, (hf_ending){ HF_ENDING_RESET, HF_HTTP3_REQUEST_REJECTED });
    rig_run(&r, HF_HTTP3_NO_LANE);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_NOT_PROCESSED);
    rig_wire(&r, RIG_CONTROL + 1, wire_number(&out, HF_H3_GOAWAY, 8), false);
    assert_int_equal(r.goaways, 1);
    assert_int_equal(r.resets, 2);
    assert_int_equal(r.reset_lane, 8);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_NOT_PROCESSED);
    assert_int_equal(rig_ask(&r, 12, "GET", "/", HF_LENGTH_NONE).code, HF_ERR_HTTP3_NOT_PROCESSED);
    response(4, ":status: 200\n", "fine", true);
    rig_emit(&r);
    assert_int_equal(r.ends, 1);
    assert_int_equal(rig_run(&r, HF_HTTP3_NO_LANE), HF_CLOSED);
}

static void a_complete_answer_counts_though_the_upload_was_stopped(void **state)
{
    (void)state;
    open_rig();
    assert_int_equal(rig_ask(&r, 0, "POST", "/", HF_LENGTH_UNKNOWN).code, 0);
    rig_lend(&r, 0, hf_text("first"), 3);
    hf_http3_lane_ended(r.h, r.now, 0, (hf_ending){ HF_ENDING_STOP, HF_HTTP3_NO_ERROR });
    rig_lend(&r, 0, hf_text("goes nowhere"), 4);
    rig_emit(&r);
    assert_int_equal(r.tokens, 7);
    assert_int_equal(r.resets, 0);
    response(0, ":status: 200\n", "enough", true);
    assert_int_equal(rig_end(&r, 0).code, 0);
    assert_int_equal(r.ends, 1);
    assert_int_equal(hf_http3_open_lanes(r.h), 0);
}

static void a_client_says_how_urgent_it_is(void **state)
{
    (void)state;
    open_rig();
    ask(0);
    hf_http3_prioritise(r.h, 0, 1, true);
    rig_emit(&r);
    const hf_bytes p = rig_sent(&r, RIG_CONTROL, HF_H3_PRIORITY_UPDATE, 0);
    assert_true(hf_bytes_equal(p, hf_bytes_make("\0u=1, i", 7)));
}

/* ---- pushes ------------------------------------------------------------------------------------------------- */

static void promise(hf_lane lane, uint8_t push, const char *lines)
{
    uint8_t payload[512] = { push };
    const size_t n = 1 + wire_section(lines, payload + 1, sizeof payload - 1);
    rig_wire(&r, lane, wire_frame(&out, HF_H3_PUSH_PROMISE, payload, n), false);
}

static void a_push_may_come_before_its_promise(void **state)
{
    (void)state;
    open_rig();
    ask(0);
    wire_bytes(&out, "\1\3", 2);
    response(15, ":status: 200\n", "pushed", true);
    assert_int_equal(r.requests, 0); /* it waits */
    promise(0, 3, RIG_REQUEST("GET", "/style"));
    assert_non_null(strstr(r.log, "0 PUSHED /style as 3\n15 RESPONSE 200 length=-2\nBODY 15 pushed\n15 END\n"));
    promise(0, 3, RIG_REQUEST("GET", "/style")); /* twice the same is allowed */
    assert_int_equal(r.pushes, 1);
    promise(0, 3, RIG_REQUEST("GET", "/other"));
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http3_close_code(r.h), HF_HTTP3_GENERAL_PROTOCOL_ERROR);
}

static void a_push_that_is_not_wanted_is_cancelled(void **state)
{
    (void)state;
    open_rig();
    ask(0);
    promise(0, 0, RIG_REQUEST("GET", "/a"));
    hf_http3_cancel_push(r.h, 0);
    promise(0, 1, RIG_REQUEST("POST", "/b")); /* RFC 9114 4.6: no safe method */
    rig_emit(&r);
    assert_int_equal(rig_count(&r, RIG_CONTROL, HF_H3_CANCEL_PUSH), 2);
    rig_feed(&r, 15, "\1\0", 2, false);
    rig_emit(&r);
    assert_int_equal(rig_lane_of(&r, 15)->stop, HF_HTTP3_REQUEST_CANCELLED);
    promise(0, 2, RIG_REQUEST("GET", "/c"));
    rig_feed(&r, 19, "\1\2", 2, false);
    hf_http3_cancel_push(r.h, 2);
    rig_emit(&r);
    assert_int_equal(rig_lane_of(&r, 19)->stop, HF_HTTP3_REQUEST_CANCELLED);
    promise(0, 4, RIG_REQUEST("GET", "/d"));
    rig_wire(&r, RIG_CONTROL + 1, wire_number(&out, HF_H3_CANCEL_PUSH, 4), false);
    assert_non_null(strstr(r.log, "UNPUSHED 4"));
    assert_int_equal(r.resets, 0);
}

static void no_push_comes_where_none_is_allowed(void **state)
{
    (void)state;
    assert_true(rig_open_with(&r, &w.env, RIG_CLIENT, false));
    rig_emit(&r);
    assert_int_equal(rig_count(&r, RIG_CONTROL, HF_H3_MAX_PUSH_ID), 0);
    ask(0);
    promise(0, 0, RIG_REQUEST("GET", "/a"));
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http3_close_code(r.h), HF_HTTP3_ID_ERROR);
}

/* ---- with ourselves ------------------------------------------------------------------------------------------ */

/* All that one has written and the other has not read. True: there was something. */
static bool carry(rig *from, rig *to, size_t *done)
{
    bool any = false;
    rig_emit(from);
    for (int i = 0; i < RIG_LANES; i++) {
        rig_lane *const l = &from->lanes[i];
        if (!l->used || (done[i] == l->out_length && !l->fin_out))
            continue;
        const size_t n = l->out_length - done[i];
        rig_lane *const there = rig_lane_of(to, l->id);
        if (n == 0 && there->fin_in)
            continue;
        for (size_t k = 0; k < n; k += 7) /* in small packets */
            rig_feed(to, l->id, l->out + done[i] + k, n - k < 7 ? n - k : 7, false);
        if (l->fin_out)
            rig_feed(to, l->id, "", 0, true);
        done[i] = l->out_length;
        any = true;
    }
    return any;
}

static void talk(rig *a, rig *b)
{
    static size_t done[2][RIG_LANES];
    for (int i = 0; i < 100; i++) {
        const bool first = carry(a, b, done[0]), second = carry(b, a, done[1]);
        if (!first && !second)
            return;
    }
    fail_msg("they never stop talking");
}

static void our_client_and_our_server_understand_each_other(void **state)
{
    (void)state;
    static rig server;
    assert_true(rig_open(&r, &w.env, RIG_CLIENT));
    assert_true(rig_open(&server, &w.env, RIG_ECHO));
    talk(&r, &server); /* SETTINGS: from here on QPACK has its table */
    for (hf_lane lane = 0; lane < 64; lane += 4) {
        static const hf_field fields[] = {
            { HF_LITERAL("User-Agent"), HF_LITERAL("the same each time"), HF_FIELD_USER_AGENT },
            { HF_LITERAL("X-Custom"), HF_LITERAL("likewise"), HF_FIELD_OTHER },
        };
        const hf_request_head head = { .method = HF_METHOD_POST, .authority = HF_LITERAL("example.com"), .path = HF_LITERAL("/echo"),
                                       .fields = { fields, 2 }, .content_length = 10 };
        if (hf_http3_request(r.h, lane, &head).code != 0)
            fail_msg("%s / %s", hf_err_text(hf_http3_fault(r.h)->err), hf_err_text(hf_http3_fault(server.h)->err));
        rig_put(&r, lane, hf_text("0123456789"));
        assert_int_equal(rig_end(&r, lane).code, 0);
        if (lane % 16 == 12)
            talk(&r, &server);
    }
    assert_int_equal(r.ends, 16);
    assert_int_equal(server.ends, 16);
    assert_int_equal(r.resets + server.resets, 0);
    assert_non_null(strstr(server.log, "60 REQUEST POST /echo scheme=https authority=example.com path=/echo query= length=10 upgrade= "
                                       "[user-agent=the same each time] [x-custom=likewise] [content-length=10]\nBODY 60 0123456789\n60 END"));
    assert_non_null(strstr(r.log, "60 RESPONSE 200 length=10 [server=rig] [content-length=10]\nBODY 60 0123456789\n60 END"));
    /* the table is of use: later heads are short */
    assert_true(rig_sent(&r, 60, HF_H3_HEADERS, 0).len < 16);
    assert_true(rig_sent(&r, 60, HF_H3_HEADERS, 0).len < rig_sent(&r, 0, HF_H3_HEADERS, 0).len);
    hf_http3_drain(server.h, server.now, 1);
    server.now = hf_time_after(server.now, 1);
    rig_run(&server, HF_HTTP3_NO_LANE);
    talk(&r, &server);
    assert_int_equal(r.last, HF_CLOSED);
    assert_int_equal(r.goaways, 1);
    rig_close(&server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_response_comes_in_its_parts), TEST(requests_that_must_not_leave_are_refused),
        TEST(extended_connect_waits_for_the_server_to_allow_it), TEST(malformed_responses_are_message_errors),
        TEST(a_response_without_a_head_or_with_half_a_body_is_told), TEST(what_the_server_did_not_act_upon_may_be_sent_again),
        TEST(a_complete_answer_counts_though_the_upload_was_stopped), TEST(a_client_says_how_urgent_it_is),
        TEST(a_push_may_come_before_its_promise), TEST(a_push_that_is_not_wanted_is_cancelled),
        TEST(no_push_comes_where_none_is_allowed), TEST(our_client_and_our_server_understand_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
