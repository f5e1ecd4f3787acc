/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client does: requests, responses and their rules, push, GOAWAY; and a client against our own server.
 */
#include "http2/rig.h"

#include "random.h"

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

static void feed(void)
{
    rig_wire(&r, &out);
    rig_emit(&r);
    rig_run(&r);
}

static void open_rig(void)
{
    assert_true(rig_open(&r, &w.env, RIG_CLIENT));
    wire_frame(&out, HF_FRAME_SETTINGS, 0, 0, NULL, 0);
    wire_frame(&out, HF_FRAME_SETTINGS, HF_FLAG_ACK, 0, NULL, 0);
    feed();
    assert_memory_equal(r.out, hf_http2_preface, HF_PREFACE_BYTES);
}

static bool logged(const char *text)
{
    return strstr(r.log, text) != NULL;
}

static void a_request_is_sent_and_its_answer_read(void **state)
{
    (void)state;
    open_rig();
    assert_int_equal(rig_ask(&r, "GET", "/a?b", HF_LENGTH_NONE), 1);
    const hf_http2_stream post = rig_ask(&r, "POST", "/", 5);
    rig_put(&r, post, hf_text("hello"));
    assert_int_equal(rig_end(&r, post).code, 0);
    rig_emit(&r);
    unsigned flags;
    assert_true(rig_sent(&r, HF_FRAME_HEADERS, 1, 0, &flags).len > 0);
    assert_int_equal(flags, RIG_END);
    assert_true(hf_bytes_equal(rig_sent(&r, HF_FRAME_DATA, 3, 0, &flags), hf_text("hello")));
    wire_headers(&out, 3, RIG_MORE, ":status: 103\nlink: x\n");
    wire_headers(&out, 3, RIG_MORE, ":status: 200\n");
    wire_headers(&out, 1, RIG_END, ":status: 204\n");
    wire_data(&out, 3, 0, "body");
    wire_headers(&out, 3, RIG_END, "t: u\n");
    feed();
    assert_true(logged("3 RESPONSE 103 length=-2 [link=x]\n3 RESPONSE 200 length=-2\n1 RESPONSE 204 length=-1\n1 END\n"
                       "BODY 3 body\n3 TRAILERS [t=u]\n3 END\n"));
    assert_int_equal(hf_http2_open_streams(r.h), 0);
}

static void malformed_responses_are_stream_errors(void **state)
{
    (void)state;
    static const struct { unsigned flags; const char *head; } bad[] = {
        { RIG_END, "a: b\n" }, { RIG_END, ":status: 20\n" }, { RIG_END, ":status: 2000\n" }, { RIG_END, ":status: abc\n" },
        { RIG_MORE, ":status: 101\n" }, { RIG_END, ":status: 100\n" }, { RIG_END, ":status: 200\n:path: /\n" },
        { RIG_END, ":status: 200\n:status: 200\n" }, { RIG_END, "a: b\n:status: 200\n" }, { RIG_END, ":status: 200\nconnection: x\n" },
        { RIG_END, ":status: 200\ncontent-length: 3\n" }, { RIG_END, ":status: 200\nA: b\n" },
    };
    open_rig();
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        const hf_http2_stream id = rig_ask(&r, "GET", "/", HF_LENGTH_NONE);
        wire_headers(&out, id, bad[i].flags, bad[i].head);
        feed();
        if (rig_code(&r, id) != HF_HTTP2_PROTOCOL_ERROR || r.resets != i + 1)
            fail_msg("this was let through:\n%s%s", bad[i].head, r.log);
    }
}

static void the_answer_to_head_has_a_length_and_no_body(void **state)
{
    (void)state;
    open_rig();
    const hf_http2_stream one = rig_ask(&r, "HEAD", "/", HF_LENGTH_NONE), two = rig_ask(&r, "HEAD", "/", HF_LENGTH_NONE);
    wire_headers(&out, one, RIG_END, ":status: 200\ncontent-length: 500\n");
    wire_headers(&out, two, RIG_MORE, ":status: 200\ncontent-length: 500\n");
    wire_data(&out, two, 0, "a body all the same");
    feed();
    assert_true(logged("1 RESPONSE 200 length=500 [content-length=500]\n1 END"));
    assert_int_equal(rig_code(&r, two), HF_HTTP2_PROTOCOL_ERROR);
}

static void the_servers_limit_on_streams_is_kept(void **state)
{
    (void)state;
    open_rig();
    wire_setting(&out, HF_SETTING_MAX_CONCURRENT_STREAMS, 2);
    feed();
    assert_int_equal(rig_ask(&r, "GET", "/", HF_LENGTH_NONE), 1);
    assert_int_equal(rig_ask(&r, "GET", "/", HF_LENGTH_NONE), 3);
    const hf_request_head head = { .method = HF_METHOD_GET, .authority = HF_LITERAL("a"), .path = HF_LITERAL("/"), .content_length = HF_LENGTH_NONE };
    hf_http2_stream id;
    assert_int_equal(hf_http2_request(r.h, &head, &id).code, HF_ERR_BASE_LIMIT);
    wire_headers(&out, 1, RIG_END, ":status: 200\n");
    feed();
    assert_true(logged("0 WRITABLE"));
    assert_int_equal(hf_http2_request(r.h, &head, &id).code, 0);
}

static void goaway_gives_back_what_was_not_processed(void **state)
{
    (void)state;
    open_rig();
    rig_ask(&r, "GET", "/1", HF_LENGTH_NONE);
    rig_ask(&r, "GET", "/3", HF_LENGTH_NONE);
    wire_frame(&out, HF_FRAME_GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0", 8);
    feed();
    assert_int_equal(r.resets, 1);
    assert_int_equal(r.reset_stream, 3);
    assert_int_equal(r.reset_err, HF_ERR_HTTP2_NOT_PROCESSED);
    assert_int_equal(r.goaways, 1);
    const hf_request_head head = { .method = HF_METHOD_GET, .authority = HF_LITERAL("a"), .path = HF_LITERAL("/"), .content_length = HF_LENGTH_NONE };
    hf_http2_stream id;
    assert_int_equal(hf_http2_request(r.h, &head, &id).code, HF_ERR_HTTP2_NOT_PROCESSED);
    wire_headers(&out, 1, RIG_END, ":status: 200\n");
    feed();
    assert_true(logged("1 END"));
    assert_int_equal(r.last, HF_CLOSED);
}

static void a_push_is_taken_or_refused(void **state)
{
    (void)state;
    static const uint8_t promise[] = "\0\0\0\2\x82\x86\x84\x01\x01" "a", post[] = "\0\0\0\4\x83\x86\x84\x01\x01" "a";
    open_rig();
    rig_ask(&r, "GET", "/", HF_LENGTH_NONE);
    wire_frame(&out, HF_FRAME_PUSH_PROMISE, HF_FLAG_END_HEADERS, 1, promise, sizeof promise - 1);
    wire_frame(&out, HF_FRAME_PUSH_PROMISE, HF_FLAG_END_HEADERS, 1, post, sizeof post - 1);
    wire_headers(&out, 2, RIG_MORE, ":status: 200\n");
    wire_data(&out, 2, HF_FLAG_END_STREAM, "pushed");
    feed();
    assert_true(logged("1 PUSHED / on 2\n2 RESPONSE 200 length=-2\nBODY 2 pushed\n2 END"));
    assert_int_equal(rig_code(&r, 4), HF_HTTP2_PROTOCOL_ERROR);
    hf_http2_free(r.h);
    r.h = hf_http2_client_new(&w.env, 1, r.now, NULL); /* off by default */
    r.out_length = 0;
    wire_frame(&out, HF_FRAME_SETTINGS, 0, 0, NULL, 0);
    rig_ask(&r, "GET", "/", HF_LENGTH_NONE);
    wire_frame(&out, HF_FRAME_PUSH_PROMISE, HF_FLAG_END_HEADERS, 1, promise, sizeof promise - 1);
    feed();
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_PROTOCOL_ERROR);
}

static void a_ping_measures_the_round_trip(void **state)
{
    (void)state;
    assert_true(rig_open(&r, &w.env, RIG_CLIENT));
    assert_int_equal(hf_http2_ping(r.h).code, 0);
    assert_int_equal(hf_http2_ping(r.h).code, HF_ERR_BASE_LIMIT);
    rig_emit(&r);
    r.now = hf_time_after(r.now, HF_MILLISECONDS(20));
    const hf_bytes sent = rig_sent(&r, HF_FRAME_PING, 0, 0, NULL);
    wire_frame(&out, HF_FRAME_SETTINGS, 0, 0, NULL, 0);
    wire_frame(&out, HF_FRAME_PING, HF_FLAG_ACK, 0, sent.ptr, sent.len);
    feed();
    assert_true(logged("PONG"));
    assert_int_equal(hf_http2_round_trip_ns(r.h), HF_MILLISECONDS(20));
}

static void a_silent_server_is_given_up(void **state)
{
    (void)state;
    open_rig();
    rig_ask(&r, "GET", "/", HF_LENGTH_NONE);
    rig_emit(&r);
    r.now = hf_time_after(r.now, (int64_t)w.limits.idle_ns);
    rig_run(&r);
    assert_int_equal(r.reset_err, HF_ERR_HTTP2_RESPONSE_TIMEOUT);
}

static void extended_connect_waits_for_permission(void **state)
{
    (void)state;
    open_rig();
    const hf_request_head head = { .method = HF_METHOD_CONNECT, .scheme = HF_LITERAL("https"), .authority = HF_LITERAL("a"), .path = HF_LITERAL("/chat"),
                                   .upgrade = HF_LITERAL("websocket"), .content_length = HF_LENGTH_UNKNOWN };
    hf_http2_stream id;
    assert_int_equal(hf_http2_request(r.h, &head, &id).code, HF_ERR_HTTP2_BAD_HEAD);
    wire_setting(&out, HF_SETTING_ENABLE_CONNECT_PROTOCOL, 1);
    feed();
    assert_int_equal(hf_http2_request(r.h, &head, &id).code, 0);
    wire_headers(&out, id, RIG_MORE, ":status: 200\n");
    wire_data(&out, id, 0, "frames");
    feed();
    assert_true(logged("BODY 1 frames"));
    wire_setting(&out, HF_SETTING_ENABLE_CONNECT_PROTOCOL, 0); /* RFC 8441 3 forbids to take it back */
    feed();
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_PROTOCOL_ERROR);
}

/* ---- both ends ---------------------------------------------------------------------------------------------- */

/* Moves at most `n` bytes of what one has written to the other. */
static bool carry(rig *from, size_t *done, rig *to, size_t n)
{
    const size_t there = from->out_length - *done;
    n = there < n ? there : n;
    if (n == 0 && to->pending_length == 0)
        return false;
    static uint8_t buffers[2][RIG_BYTES];
    uint8_t *const buffer = buffers[to->app == RIG_CLIENT];
    const size_t left = to->pending_length;
    if (left > 0)
        memmove(buffer, to->pending, left);
    memcpy(buffer + left, from->out + *done, n);
    *done += n;
    rig_feed(to, buffer, left + n, false);
    return n > 0;
}

static void our_client_and_our_server_agree(void **state)
{
    (void)state;
    hf_random random;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        hf_test_world other;
        rig server;
        hf_test_world_init(&other, seed);
        hf_random_seed(&random, seed);
        assert_true(rig_open(&server, &other.env, seed % 2 ? RIG_ECHO : RIG_STREAM));
        assert_true(rig_open(&r, &w.env, RIG_CLIENT));
        static char text[3000];
        memset(text, 'x', sizeof text);
        size_t up = 0, down = 0, asked = 0;
        for (int turn = 0; turn < 4000; turn++) {
            if (asked < 40 && hf_random_chance(&random, 100000)) {
                const hf_http2_stream id = rig_ask(&r, "POST", "/", HF_LENGTH_UNKNOWN);
                if (id != 0) {
                    rig_put(&r, id, hf_bytes_make(text, (size_t)hf_random_below(&random, sizeof text)));
                    assert_int_equal(rig_end(&r, id).code, 0);
                    asked++;
                }
            }
            rig_emit_once(&r, 600, 8, 1 + 64 + hf_random_below(&random, 500));
            rig_run(&r);
            rig_emit_once(&server, 600, 8, 1 + 64 + hf_random_below(&random, 500));
            rig_run(&server);
            carry(&r, &up, &server, 1 + (size_t)hf_random_below(&random, 700));
            carry(&server, &down, &r, 1 + (size_t)hf_random_below(&random, 700));
        }
        assert_int_equal(r.resets + server.resets, 0);
        if (r.ends != asked || server.ends != asked)
            fail_msg("seed %llu: %zu of %zu", (unsigned long long)seed, r.ends, asked);
        assert_true(hf_http2_is_idle(r.h) && hf_http2_is_idle(server.h));
        rig_close(&server);
        rig_close(&r);
        hf_test_world_fini(&other);
    }
    memset(&r, 0, sizeof r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_sent_and_its_answer_read),
        TEST(malformed_responses_are_stream_errors),
        TEST(the_answer_to_head_has_a_length_and_no_body),
        TEST(the_servers_limit_on_streams_is_kept),
        TEST(goaway_gives_back_what_was_not_processed),
        TEST(a_push_is_taken_or_refused),
        TEST(a_ping_measures_the_round_trip),
        TEST(a_silent_server_is_given_up),
        TEST(extended_connect_waits_for_permission),
        TEST(our_client_and_our_server_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
