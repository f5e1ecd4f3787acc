/* SPDX-License-Identifier: Apache-2.0
 *
 * What a server does: messages, their rules, priorities, push, drain.
 */
#include "http2/rig.h"

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

static void open_rig(rig_app app)
{
    assert_true(rig_open(&r, &w.env, app));
    wire_preface(&out);
    wire_frame(&out, HF_FRAME_SETTINGS, HF_FLAG_ACK, 0, NULL, 0);
    feed();
}

static bool logged(const char *text)
{
    return strstr(r.log, text) != NULL;
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

static void a_request_is_answered(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    wire_headers(&out, 1, RIG_MORE, RIG_REQUEST("POST", "/a?b") "content-length: 5\ncookie: a=1\nx: y\ncookie: b=2\n");
    wire_data(&out, 1, 0, "hel");
    wire_frame(&out, HF_FRAME_DATA, HF_FLAG_PADDED | HF_FLAG_END_STREAM, 1, "\4lo\0\0\0\0", 7);
    feed();
    assert_string_equal(r.log, "1 REQUEST POST /a?b scheme=http authority=a path=/a query=b length=5 upgrade= [content-length=5] "
                               "[cookie=a=1; b=2] [x=y]\nBODY 1 hello\n1 END\n");
    unsigned flags;
    assert_true(rig_sent(&r, HF_FRAME_HEADERS, 1, 0, &flags).ptr != NULL);
    assert_int_equal(flags, HF_FLAG_END_HEADERS);
    assert_true(hf_bytes_equal(rig_sent(&r, HF_FRAME_DATA, 1, 0, &flags), hf_text("hello")));
    assert_int_equal(flags, HF_FLAG_END_STREAM);
    assert_int_equal(hf_http2_open_streams(r.h), 0);
}

static void an_empty_answer_ends_with_its_head(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    wire_get(&out, 1);
    feed();
    unsigned flags;
    assert_true(rig_sent(&r, HF_FRAME_HEADERS, 1, 0, &flags).ptr != NULL);
    assert_int_equal(flags, RIG_END);
    assert_int_equal(rig_count(&r, HF_FRAME_DATA, 1), 0);
    assert_true(hf_http2_is_idle(r.h));
}

static void an_answer_that_ends_late_ends_with_an_empty_frame(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_headers(&out, 1, RIG_END, RIG_REQUEST("HEAD", "/"));
    feed();
    assert_int_equal(rig_respond(&r, 1, 200, 500).code, 0);
    rig_emit(&r);
    rig_put(&r, 1, hf_text("to HEAD no body leaves"));
    assert_int_equal(rig_lend(&r, 1, hf_text("lent"), 3), 4);
    assert_int_equal(rig_end(&r, 1).code, 0);
    rig_emit(&r);
    unsigned flags;
    assert_int_equal(rig_sent(&r, HF_FRAME_DATA, 1, 0, &flags).len, 0);
    assert_int_equal(flags, HF_FLAG_END_STREAM);
    assert_int_equal(r.tokens, 3);
}

static void malformed_requests_are_stream_errors(void **state)
{
    (void)state;
    static const char *const heads[] = {
        RIG_GET "Capital: x\n", RIG_GET "connection: close\n", RIG_GET "keep-alive: 1\n", RIG_GET "proxy-connection: x\n",
        RIG_GET "transfer-encoding: chunked\n", RIG_GET "upgrade: h2c\n", RIG_GET "te: gzip\n", RIG_GET "a: b\rc\n",
        RIG_GET "a:  lead\n", RIG_GET "a: trail \n", RIG_GET "a b: c\n", RIG_GET ":status: 200\n", RIG_GET ":unknown: x\n",
        RIG_GET ":method: GET\n", RIG_GET "host: b\n", RIG_GET "content-length: 5\n", RIG_GET "content-length: x\n",
        ":method: GET\n:path: /\n:authority: a\n", ":method: GET\n:scheme: http\n:authority: a\n",
        ":scheme: http\n:path: /\n:authority: a\n", ":method: GET\n:scheme: http\n:path: \n:authority: a\n",
        ":method: GET\n:scheme: http\n:path: nope\n:authority: a\n", ":method: GET\n:scheme: http\n:path: *\n:authority: a\n",
        ":method: GET\n:scheme: http\n:path: /\n", ":method: GET\n:scheme: http\n:path: / x\n:authority: a\n",
        ":method: GET\n:scheme: http\n:path: /\n:authority: u@a\n", ":method: GET\na: b\n:scheme: http\n:path: /\n:authority: a\n",
        ":method: G T\n:scheme: http\n:path: /\n:authority: a\n", ":method: CONNECT\n:scheme: http\n:path: /\n:authority: a\n",
        ":method: GET\n:protocol: websocket\n:scheme: http\n:path: /\n:authority: a\n",
        RIG_GET "content-length: 0\ncontent-length: 0\n",
    };
    open_rig(RIG_ECHO);
    for (size_t i = 0; i < HF_COUNT(heads); i++) {
        const uint32_t id = (uint32_t)(2 * i + 1);
        wire_headers(&out, id, RIG_END, heads[i]);
        feed();
        if (rig_code(&r, id) != HF_HTTP2_PROTOCOL_ERROR || r.requests > 0)
            fail_msg("this was let through:\n%s", heads[i]);
        assert_int_equal(r.last, HF_IDLE);
    }
    static const uint8_t nul[] = "\x82\x86\x84\x01\x01" "a" "\x00\x01x\x03" "a\0b";
    wire_frame(&out, HF_FRAME_HEADERS, RIG_END, 99, nul, sizeof nul - 1);
    wire_get(&out, 101); /* and the connection goes on */
    feed();
    assert_int_equal(rig_code(&r, 99), HF_HTTP2_PROTOCOL_ERROR);
    assert_int_equal(r.requests, 1);
}

static void well_formed_ones_are_not(void **state)
{
    (void)state;
    static const char *const heads[] = {
        RIG_GET "te: trailers\n", RIG_GET "host: A\n", ":method: GET\n:scheme: http\n:path: /\nhost: a\n",
        ":method: OPTIONS\n:scheme: http\n:path: *\n:authority: a\n", RIG_GET "empty: \n", RIG_GET "a: b\tc\n",
        ":method: QUERY\n:scheme: https\n:path: /?q\n:authority: [::1]:80\ncontent-length: 0\n", RIG_GET "cookie: a\n",
    };
    open_rig(RIG_ECHO);
    for (size_t i = 0; i < HF_COUNT(heads); i++) {
        wire_headers(&out, (uint32_t)(2 * i + 1), RIG_END, heads[i]);
        feed();
        if (r.requests != i + 1)
            fail_msg("this was refused:\n%s%s", heads[i], hf_err_text(hf_http2_fault(r.h)->err));
    }
}

static void a_length_that_is_not_the_body_is_a_stream_error(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    for (uint32_t id = 1; id <= 5; id += 2)
        wire_headers(&out, id, RIG_MORE, RIG_POST "content-length: 4\n");
    wire_data(&out, 1, HF_FLAG_END_STREAM, "two");
    wire_data(&out, 3, 0, "long!");
    wire_data(&out, 5, 0, "abc");
    wire_headers(&out, 5, RIG_END, "t: u\n");
    feed();
    for (uint32_t id = 1; id <= 5; id += 2)
        assert_int_equal(rig_code(&r, id), HF_HTTP2_PROTOCOL_ERROR);
    assert_int_equal(r.resets, 3);
    assert_int_equal(r.ends, 0);
}

static void trailers_come_and_go(void **state)
{
    (void)state;
    open_rig(RIG_STREAM);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    wire_data(&out, 1, 0, "x");
    wire_headers(&out, 1, RIG_END, "checksum: 1\n");
    wire_headers(&out, 3, RIG_MORE, RIG_POST);
    wire_headers(&out, 3, RIG_END, ":path: /\n");
    wire_headers(&out, 5, RIG_MORE, RIG_POST);
    wire_headers(&out, 5, RIG_MORE, "not: last\n");
    wire_headers(&out, 7, RIG_MORE, RIG_POST);
    wire_headers(&out, 7, RIG_END, "content-length: 1\n");
    feed();
    assert_true(logged("1 TRAILERS [checksum=1]\n1 END\n"));
    unsigned flags;
    assert_true(rig_sent(&r, HF_FRAME_HEADERS, 1, 2, &flags).ptr != NULL); /* 103, 200, trailers */
    assert_int_equal(flags, RIG_END);
    assert_true(hf_bytes_equal(rig_sent(&r, HF_FRAME_DATA, 1, 0, &flags), hf_text("copiedlentlent")));
    assert_int_equal(flags, 0);
    for (uint32_t id = 3; id <= 7; id += 2)
        assert_int_equal(rig_code(&r, id), HF_HTTP2_PROTOCOL_ERROR);
}

static void what_is_not_taken_waits_and_comes_again(void **state)
{
    (void)state;
    open_rig(RIG_STUCK);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    wire_headers(&out, 3, RIG_MORE, RIG_POST);
    wire_data(&out, 1, 0, "first");
    wire_data(&out, 3, HF_FLAG_END_STREAM, "other"); /* one that waits does not hold the other up */
    wire_headers(&out, 1, RIG_END, "t: u\n");
    feed();
    assert_true(logged("BODY 1 first") && logged("BODY 3 other"));
    assert_int_equal(r.ends, 0);
    assert_true(hf_bytes_equal(hf_http2_peek(r.h, 1), hf_text("first")));
    hf_http2_take(r.h, 1, 3);
    rig_run(&r);
    assert_true(logged("BODY 1 st"));
    hf_http2_take(r.h, 1, 2);
    rig_run(&r);
    assert_true(logged("1 TRAILERS [t=u]\n1 END"));
    hf_http2_take(r.h, 3, 5);
    rig_run(&r);
    assert_int_equal(r.ends, 2);
}

static void connect_becomes_a_tunnel(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_headers(&out, 1, RIG_MORE, ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat\n:authority: a\n");
    wire_headers(&out, 3, RIG_MORE, ":method: CONNECT\n:authority: a:443\n");
    feed();
    assert_true(logged("1 REQUEST CONNECT /chat scheme=https authority=a path=/chat query= length=-1 upgrade=websocket"));
    assert_true(logged("3 REQUEST CONNECT a:443"));
    assert_int_equal(rig_respond(&r, 1, 200, HF_LENGTH_NONE).code, 0);
    rig_put(&r, 1, hf_text("frames"));
    wire_data(&out, 1, 0, "back");
    feed();
    assert_int_equal(rig_body_sent(&r, 1), 6);
    r.now = hf_time_after(r.now, HF_SECONDS(600)); /* a silent tunnel is none of our business */
    rig_run(&r);
    assert_int_equal(r.resets, 0);
    assert_true(logged("BODY 1 back"));
}

static void extended_connect_is_refused_unless_allowed(void **state)
{
    (void)state;
    memset(&r, 0, sizeof r);
    assert_true(rig_open(&r, &w.env, RIG_SILENT));
    hf_http2_free(r.h);
    r.h = hf_http2_server_new(&w.env, 1, r.now, NULL);
    wire_preface(&out);
    wire_headers(&out, 1, RIG_MORE, ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat\n:authority: a\n");
    feed();
    assert_int_equal(rig_code(&r, 1), HF_HTTP2_PROTOCOL_ERROR);
}

static void commands_out_of_order_are_refused(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_get(&out, 1);
    feed();
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("abc") };
    hf_err err;
    assert_int_equal(rig_respond(&r, 3, 200, 0).code, HF_ERR_HTTP2_NO_STREAM);
    assert_int_equal(hf_http2_put(r.h, 1, &e, 1, &err), 0);
    assert_int_equal(err.code, HF_ERR_HTTP2_NO_STREAM);
    assert_int_equal(rig_end(&r, 1).code, HF_ERR_HTTP2_NO_STREAM);
    static const hf_field bad[] = { { HF_LITERAL("Connection"), HF_LITERAL("close"), HF_FIELD_OTHER },
                                    { HF_LITERAL("a"), HF_LITERAL("b\r\nc: d"), HF_FIELD_OTHER },
                                    { HF_LITERAL("a b"), HF_LITERAL("c"), HF_FIELD_OTHER } };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        const hf_response_head head = { .status = 200, .fields = { &bad[i], 1 } };
        assert_int_equal(hf_http2_respond(r.h, 1, &head).code, HF_ERR_HTTP2_BAD_HEAD);
    }
    assert_int_equal(rig_respond(&r, 1, 101, 0).code, HF_ERR_HTTP2_BAD_HEAD);
    assert_int_equal(rig_respond(&r, 1, 200, 2).code, 0);
    assert_int_equal(rig_respond(&r, 1, 200, 2).code, HF_ERR_HTTP2_NO_STREAM);
    assert_int_equal(hf_http2_put(r.h, 1, &e, 1, &err), 0);
    assert_int_equal(err.code, HF_ERR_HTTP2_BODY_LENGTH);
    assert_int_equal(rig_end(&r, 1).code, 0); /* short: the peer must see that */
    rig_emit(&r);
    assert_int_equal(rig_code(&r, 1), HF_HTTP2_INTERNAL_ERROR);
}

static void a_head_larger_than_a_frame_is_continued(void **state)
{
    (void)state;
    w.limits.header_bytes = 60000;
    open_rig(RIG_SILENT);
    wire_get(&out, 1);
    feed();
    static uint8_t long_value[40000];
    memset(long_value, '~', sizeof long_value);
    const hf_field f = { HF_LITERAL("long"), { long_value, sizeof long_value }, HF_FIELD_OTHER };
    const hf_response_head head = { .status = 200, .fields = { &f, 1 }, .content_length = 0 };
    assert_int_equal(hf_http2_respond(r.h, 1, &head).code, 0);
    assert_int_equal(rig_end(&r, 1).code, 0);
    rig_emit(&r);
    unsigned flags;
    assert_int_equal(rig_sent(&r, HF_FRAME_HEADERS, 1, 0, &flags).len, 16384);
    assert_int_equal(flags, HF_FLAG_END_STREAM);
    assert_int_equal(rig_sent(&r, HF_FRAME_CONTINUATION, 1, 0, &flags).len, 16384);
    assert_int_equal(flags, 0);
    assert_true(rig_sent(&r, HF_FRAME_CONTINUATION, 1, 1, &flags).len > 7000);
    assert_int_equal(flags, HF_FLAG_END_HEADERS);
}

static void an_early_answer_swallows_the_rest_or_stops_it(void **state)
{
    (void)state;
    open_rig(RIG_EARLY);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    wire_headers(&out, 3, RIG_MORE, RIG_POST "content-length: 1000000\n");
    feed();
    assert_int_equal(rig_code(&r, 3), HF_HTTP2_NO_ERROR); /* so much is not worth reading */
    assert_int_equal(rig_code(&r, 1), -1);
    wire_data(&out, 1, HF_FLAG_END_STREAM, "swallowed");
    feed();
    assert_int_equal(hf_http2_open_streams(r.h), 0);
    assert_int_equal(r.last, HF_IDLE);
    assert_false(logged("swallowed"));
}

/* ---- who goes first ----------------------------------------------------------------------------------------- */

static const uint8_t zeros[1 << 17];

static void ask_for_much(uint32_t id, const char *priority)
{
    char head[256];
    snprintf(head, sizeof head, RIG_GET "%s%s%s", priority != NULL ? "priority: " : "", priority != NULL ? priority : "", priority != NULL ? "\n" : "");
    wire_headers(&out, id, RIG_END, head);
    rig_wire(&r, &out);
    assert_int_equal(rig_respond(&r, id, 200, HF_LENGTH_UNKNOWN).code, 0);
    for (int i = 0; i < 8; i++)
        rig_lend(&r, id, hf_bytes_make(zeros, sizeof zeros), 0);
}

static void open_wide(void)
{
    open_rig(RIG_SILENT);
    wire_setting(&out, HF_SETTING_INITIAL_WINDOW_SIZE, 1 << 24);
    wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 0, 1 << 24);
    feed();
}

/* The streams of the next `n` DATA frames. */
static void next_frames(uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        r.out_length = 0;
        size_t at = 0;
        ids[i] = 0;
        while (ids[i] == 0 && rig_emit_once(&r, 4096, 2, 16384 + 9) > 0)
            for (at = 0; at + 9 <= r.out_length;) {
                hf_frame f;
                hf_frame_parse(r.out + at, &f);
                at += 9 + f.length;
                if (f.type == HF_FRAME_DATA)
                    ids[i] = f.stream;
            }
    }
}

static size_t share(const uint32_t *ids, size_t n, uint32_t id)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ids[i] == id;
    return count;
}

static void equals_share(void **state)
{
    (void)state;
    uint32_t ids[12];
    open_wide();
    ask_for_much(1, NULL);
    ask_for_much(3, NULL);
    ask_for_much(5, "i");
    next_frames(ids, 12);
    for (uint32_t id = 1; id <= 5; id += 2)
        assert_int_equal(share(ids, 12, id), 4);
}

static void the_urgent_go_first_and_nobody_starves(void **state)
{
    (void)state;
    uint32_t ids[64];
    open_wide();
    ask_for_much(1, "u=7");
    ask_for_much(3, "u=0, i");
    next_frames(ids, 16);
    assert_int_equal(share(ids, 16, 3), 14);
    assert_int_equal(share(ids, 16, 1), 2);
    wire_frame(&out, HF_FRAME_PRIORITY_UPDATE, 0, 0, "\0\0\0\3u=7, i", 10);
    wire_frame(&out, HF_FRAME_PRIORITY_UPDATE, 0, 0, "\0\0\0\1u=1", 7);
    rig_wire(&r, &out);
    next_frames(ids, 16);
    assert_int_equal(share(ids, 16, 1), 14);
}

static void those_that_want_to_go_one_by_one_do(void **state)
{
    (void)state;
    uint32_t ids[40];
    open_wide();
    ask_for_much(1, "u=3");
    ask_for_much(3, "u=3");
    next_frames(ids, 40);
    for (int i = 0; i < 16; i++)
        assert_int_equal(ids[i], 1);
    assert_true(share(ids, 40, 3) > 10); /* but not for ever */
}

static void a_big_download_never_starves_a_small_one(void **state)
{
    (void)state;
    uint32_t ids[10];
    open_wide();
    ask_for_much(1, "u=0");
    next_frames(ids, 3);
    wire_headers(&out, 3, RIG_END, RIG_GET "priority: u=7\n");
    rig_wire(&r, &out);
    assert_int_equal(rig_respond(&r, 3, 200, 5).code, 0);
    rig_put(&r, 3, hf_text("small"));
    assert_int_equal(rig_end(&r, 3).code, 0);
    next_frames(ids, 10);
    assert_int_equal(share(ids, 10, 3), 1);
}

static void a_priority_may_come_before_its_stream(void **state)
{
    (void)state;
    uint32_t ids[8];
    open_wide();
    wire_frame(&out, HF_FRAME_PRIORITY_UPDATE, 0, 0, "\0\0\0\3u=0", 7);
    ask_for_much(1, NULL);
    ask_for_much(3, "u=7");
    next_frames(ids, 8);
    assert_int_equal(share(ids, 8, 3), 7);
}

static void windows_hold_back_what_leaves(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_setting(&out, HF_SETTING_INITIAL_WINDOW_SIZE, 10);
    wire_get(&out, 1);
    feed();
    assert_int_equal(rig_respond(&r, 1, 200, 30).code, 0);
    rig_put(&r, 1, hf_text("012345678901234567890123456789"));
    assert_int_equal(rig_end(&r, 1).code, 0);
    rig_emit(&r);
    assert_int_equal(rig_body_sent(&r, 1), 10);
    wire_setting(&out, HF_SETTING_INITIAL_WINDOW_SIZE, 5); /* RFC 9113 6.9.2: now it is -5 */
    wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 1, 5);
    feed();
    assert_int_equal(rig_body_sent(&r, 1), 10);
    wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 1, 7);
    feed();
    assert_int_equal(rig_body_sent(&r, 1), 17);
    wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 1, 100);
    feed();
    assert_int_equal(rig_body_sent(&r, 1), 30);
    assert_int_equal(hf_http2_open_streams(r.h), 0);
}

static void lent_pieces_and_files_pass_through(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_get(&out, 1);
    feed();
    static const hf_file file = { .handle = 3, .size = 100000 };
    const hf_extent pieces[] = { { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("before") },
                                 { .kind = HF_EXTENT_LENT, .bytes = HF_LITERAL("lent"), .token = 1 },
                                 { .kind = HF_EXTENT_FILE, .file = &file, .offset = 5, .length = 20000, .token = 2 },
                                 { .kind = HF_EXTENT_LENT, .token = 4 } };
    assert_int_equal(rig_respond(&r, 1, 200, 20010).code, 0);
    assert_int_equal(hf_http2_put(r.h, 1, pieces, 4, NULL), 20010);
    assert_int_equal(rig_end(&r, 1).code, 0);
    r.out_length = 0;
    rig_emit(&r);
    assert_int_equal(rig_body_sent(&r, 1), 20010);
    assert_true(hf_starts_with(rig_sent(&r, HF_FRAME_DATA, 1, 0, NULL), hf_text("beforelentFFFF")));
    assert_int_equal(r.tokens, 7);
}

static void what_was_lent_comes_back_when_the_stream_is_reset(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_setting(&out, HF_SETTING_INITIAL_WINDOW_SIZE, 0);
    wire_get(&out, 1);
    feed();
    assert_int_equal(rig_respond(&r, 1, 200, HF_LENGTH_UNKNOWN).code, 0);
    rig_lend(&r, 1, hf_text("lent"), 5);
    wire_u32(&out, HF_FRAME_RST_STREAM, 1, HF_HTTP2_CANCEL);
    feed();
    assert_int_equal(r.tokens, 5);
    assert_int_equal(r.resets, 1);
    assert_int_equal(r.reset_code, HF_HTTP2_CANCEL);
}

/* ---- push, ORIGIN, drain ------------------------------------------------------------------------------------ */

static hf_err push(hf_http2_stream stream, const char *path, hf_http2_stream *promised)
{
    const hf_request_head head = { .method = HF_METHOD_GET, .scheme = HF_LITERAL("http"), .authority = HF_LITERAL("a"), .path = hf_text(path),
                                   .content_length = HF_LENGTH_NONE };
    return hf_http2_push(r.h, stream, &head, promised);
}

static void a_push_is_promised_and_answered_once(void **state)
{
    (void)state;
    hf_http2_stream promised;
    open_rig(RIG_SILENT);
    wire_get(&out, 1);
    feed();
    assert_int_equal(push(1, "/style.css", &promised).code, 0);
    assert_int_equal(promised, 2);
    assert_int_equal(push(1, "/style.css", &promised).code, HF_ERR_HTTP2_PUSH);
    assert_int_equal(rig_respond(&r, 2, 200, 4).code, 0);
    rig_put(&r, 2, hf_text("body"));
    assert_int_equal(rig_end(&r, 2).code, 0);
    rig_emit(&r);
    assert_int_equal(hf_load_u32(rig_sent(&r, HF_FRAME_PUSH_PROMISE, 1, 0, NULL).ptr), 2);
    assert_int_equal(rig_body_sent(&r, 2), 4);
    assert_int_equal(hf_http2_open_streams(r.h), 1);
    wire_setting(&out, HF_SETTING_ENABLE_PUSH, 0);
    feed();
    assert_int_equal(push(1, "/other.css", &promised).code, HF_ERR_HTTP2_PUSH);
    assert_false(hf_http2_can_push(r.h));
}

static void push_is_off_unless_asked_for(void **state)
{
    (void)state;
    assert_true(rig_open(&r, &w.env, RIG_SILENT));
    hf_http2_free(r.h);
    r.h = hf_http2_server_new(&w.env, 1, r.now, NULL);
    wire_preface(&out);
    wire_get(&out, 1);
    feed();
    hf_http2_stream promised;
    assert_int_equal(push(1, "/", &promised).code, HF_ERR_HTTP2_PUSH);
}

static void origins_are_told(void **state)
{
    (void)state;
    const hf_bytes origins[] = { HF_LITERAL("https://a"), HF_LITERAL("https://b") };
    open_rig(RIG_SILENT);
    assert_int_equal(hf_http2_origins(r.h, origins, 2).code, 0);
    rig_emit(&r);
    assert_true(hf_bytes_equal(rig_sent(&r, HF_FRAME_ORIGIN, 0, 0, NULL), hf_bytes_make("\0\x09https://a\0\x09https://b", 22)));
}

static void a_drain_says_goaway_twice_and_loses_nothing(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_get(&out, 1);
    feed();
    hf_http2_drain(r.h);
    rig_emit(&r);
    assert_int_equal(hf_load_u32(rig_sent(&r, HF_FRAME_GOAWAY, 0, 0, NULL).ptr), 0x7fffffff);
    wire_get(&out, 3); /* it was on its way: it is served */
    const hf_bytes ping = rig_sent(&r, HF_FRAME_PING, 0, 0, NULL);
    wire_frame(&out, HF_FRAME_PING, HF_FLAG_ACK, 0, ping.ptr, ping.len);
    wire_get(&out, 5); /* too late */
    feed();
    assert_int_equal(r.requests, 2);
    assert_int_equal(hf_load_u32(rig_sent(&r, HF_FRAME_GOAWAY, 0, 1, NULL).ptr), 3);
    assert_int_equal(r.last, HF_IDLE);
    for (uint32_t id = 1; id <= 3; id += 2) {
        assert_int_equal(rig_respond(&r, id, 200, 0).code, 0);
        assert_int_equal(rig_end(&r, id).code, 0);
    }
    rig_emit(&r);
    assert_int_equal(rig_run(&r), HF_CLOSED);
    assert_int_equal(rig_count(&r, HF_FRAME_GOAWAY, 0), 2);
}

static void a_drain_does_not_wait_for_a_silent_peer(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    hf_http2_drain(r.h);
    rig_run(&r);
    rig_emit(&r);
    r.now = hf_time_after(r.now, HF_SECONDS(1));
    assert_int_equal(rig_run(&r), HF_CLOSED);
}

static void frames_that_are_not_known_are_ignored(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    wire_frame(&out, 0x42, 0xff, 0, "anything", 8);
    wire_frame(&out, 0x43, 0xff, 99, "anything", 8);
    wire_frame(&out, HF_FRAME_ORIGIN, 0, 0, "\0\1a", 3);
    wire_setting(&out, 0xabcd, 7);
    wire_frame(&out, HF_FRAME_PING, HF_FLAG_ACK, 0, "unasked!", 8);
    wire_get(&out, 1);
    feed();
    assert_int_equal(r.requests, 1);
    assert_int_equal(r.last, HF_IDLE);
}

static void a_bad_preface_is_told_at_its_byte(void **state)
{
    (void)state;
    assert_true(rig_open(&r, &w.env, RIG_ECHO));
    wire_bytes(&out, "PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n", 24);
    feed();
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http2_fault(r.h)->offset, 13);
    assert_int_equal(hf_http2_fault(r.h)->got[0], '1');
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_PROTOCOL_ERROR);
}

static void the_first_frame_is_settings(void **state)
{
    (void)state;
    assert_true(rig_open(&r, &w.env, RIG_ECHO));
    wire_bytes(&out, hf_http2_preface, HF_PREFACE_BYTES);
    wire_get(&out, 1);
    feed();
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_FIRST_FRAME);
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_PROTOCOL_ERROR);
}

static void settings_out_of_range_are_errors(void **state)
{
    static const struct { unsigned id; uint32_t value; int code; } bad[] = {
        { HF_SETTING_ENABLE_PUSH, 2, HF_HTTP2_PROTOCOL_ERROR },       { HF_SETTING_INITIAL_WINDOW_SIZE, 0x80000000u, HF_HTTP2_FLOW_CONTROL_ERROR },
        { HF_SETTING_MAX_FRAME_SIZE, 16383, HF_HTTP2_PROTOCOL_ERROR }, { HF_SETTING_MAX_FRAME_SIZE, 1 << 24, HF_HTTP2_PROTOCOL_ERROR },
        { HF_SETTING_ENABLE_CONNECT_PROTOCOL, 2, HF_HTTP2_PROTOCOL_ERROR }, { HF_SETTING_NO_RFC7540_PRIORITIES, 2, HF_HTTP2_PROTOCOL_ERROR },
    };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        open_rig(RIG_ECHO);
        wire_setting(&out, bad[i].id, bad[i].value);
        feed();
        assert_int_equal(rig_code(&r, 0), bad[i].code);
        tear_down(state);
        set_up(state);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered),
        TEST(an_empty_answer_ends_with_its_head),
        TEST(an_answer_that_ends_late_ends_with_an_empty_frame),
        TEST(malformed_requests_are_stream_errors),
        TEST(well_formed_ones_are_not),
        TEST(a_length_that_is_not_the_body_is_a_stream_error),
        TEST(trailers_come_and_go),
        TEST(what_is_not_taken_waits_and_comes_again),
        TEST(connect_becomes_a_tunnel),
        TEST(extended_connect_is_refused_unless_allowed),
        TEST(commands_out_of_order_are_refused),
        TEST(a_head_larger_than_a_frame_is_continued),
        TEST(an_early_answer_swallows_the_rest_or_stops_it),
        TEST(equals_share),
        TEST(the_urgent_go_first_and_nobody_starves),
        TEST(those_that_want_to_go_one_by_one_do),
        TEST(a_big_download_never_starves_a_small_one),
        TEST(a_priority_may_come_before_its_stream),
        TEST(windows_hold_back_what_leaves),
        TEST(lent_pieces_and_files_pass_through),
        TEST(what_was_lent_comes_back_when_the_stream_is_reset),
        TEST(a_push_is_promised_and_answered_once),
        TEST(push_is_off_unless_asked_for),
        TEST(origins_are_told),
        TEST(a_drain_says_goaway_twice_and_loses_nothing),
        TEST(a_drain_does_not_wait_for_a_silent_peer),
        TEST(frames_that_are_not_known_are_ignored),
        TEST(a_bad_preface_is_told_at_its_byte),
        TEST(the_first_frame_is_settings),
        TEST(settings_out_of_range_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
