/* SPDX-License-Identifier: Apache-2.0
 *
 * What a peer does wrong, and the code by which we call it: the codes of the log, beside those that the peer is told.
 */
#include "http2/case.h"

static void headers(const char *lines)
{
    wire_headers(&out, 1, RIG_END, lines);
}

/* ---- frames: the connection ends -------------------------------------------------------------------------------- */

typedef struct frame_case {
    uint8_t type, flags;
    uint32_t stream;
    hf_bytes payload;
    int32_t code;
} frame_case;

#define BYTES(text) { (const uint8_t *)(text), sizeof(text) - 1 }

static void a_frame_that_must_not_be_ends_the_connection(void **state)
{
    static const frame_case cases[] = {
        { HF_FRAME_PING, 0, 0, BYTES("seven b"), HF_ERR_HTTP2_FRAME_SIZE },
        { HF_FRAME_SETTINGS, 0, 0, BYTES("\0\4\0\0\0"), HF_ERR_HTTP2_FRAME_SIZE },
        { HF_FRAME_PING, 0, 1, BYTES("12345678"), HF_ERR_HTTP2_FRAME_STREAM },
        { HF_FRAME_DATA, 0, 0, BYTES("a"), HF_ERR_HTTP2_FRAME_STREAM },
        { HF_FRAME_HEADERS, RIG_END, 2, BYTES("\x82"), HF_ERR_HTTP2_STREAM_ID },
        { HF_FRAME_DATA, 0, 1, BYTES("a"), HF_ERR_HTTP2_STREAM_IDLE },
        { HF_FRAME_CONTINUATION, HF_FLAG_END_HEADERS, 1, BYTES("\x82"), HF_ERR_HTTP2_CONTINUATION },
        { HF_FRAME_HEADERS, RIG_END | HF_FLAG_PADDED, 1, BYTES("\3\x82\0"), HF_ERR_HTTP2_PADDING },
        { HF_FRAME_SETTINGS, 0, 0, BYTES("\0\2\0\0\0\2"), HF_ERR_HTTP2_SETTINGS_VALUE }, /* ENABLE_PUSH of 2 */
        { HF_FRAME_SETTINGS, 0, 0, BYTES("\0\4\x80\0\0\0"), HF_ERR_HTTP2_SETTINGS_WINDOW },
        { HF_FRAME_WINDOW_UPDATE, 0, 0, BYTES("\0\0\0\0"), HF_ERR_HTTP2_WINDOW_ZERO },
        { HF_FRAME_WINDOW_UPDATE, 0, 0, BYTES("\x7f\xff\xff\xff"), HF_ERR_HTTP2_WINDOW_OVERFLOW },
        { HF_FRAME_HEADERS, RIG_END, 1, BYTES("\xff\xff\xff\xff\xff\xff"), HF_ERR_HTTP2_COMPRESSION },
        { HF_FRAME_PRIORITY_UPDATE, 0, 0, BYTES("\0\0\0\0u=1"), HF_ERR_HTTP2_PRIORITY },
        { HF_FRAME_PUSH_PROMISE, HF_FLAG_END_HEADERS, 1, BYTES("\0\0\0\2\x82"), HF_ERR_HTTP2_PUSH },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        const frame_case *const c = &cases[i];
        open_rig(RIG_SILENT);
        wire_frame(&out, c->type, c->flags, c->stream, c->payload.ptr, c->payload.len);
        feed();
        assert_int_equal(r.last, HF_FAULT);
        assert_int_equal(hf_http2_fault(r.h)->err.code, c->code);
        tear_down(state);
        set_up(state);
    }
}

static void a_preface_of_something_else_is_told(void **state)
{
    (void)state;
    assert_true(rig_open(&r, &w.env, RIG_ECHO));
    wire_bytes(&out, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    feed();
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_PREFACE);
}

static void a_frame_larger_than_was_allowed_is_told(void **state)
{
    (void)state;
    static uint8_t much[70000];
    open_rig(RIG_SILENT);
    wire_frame(&out, HF_FRAME_PRIORITY_UPDATE, 0, 0, much, sizeof much);
    feed();
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_FRAME_SIZE);
}

static void headers_on_a_stream_that_is_over_are_told(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_get(&out, 1);
    wire_data(&out, 1, 0, "more");
    feed();
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_STREAM_CLOSED);
    assert_int_equal(r.reset_err, HF_ERR_HTTP2_STREAM_CLOSED);
}

static void more_than_the_window_is_told(void **state)
{
    (void)state;
    w.limits.http2_window_bytes = 65535;
    open_rig(RIG_STUCK);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    for (int i = 0; i < 5; i++)
        wire_zeros(&out, 1, 0, 16384);
    feed();
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_FLOW_CONTROL);
}

/* ---- messages: the stream ends, or is refused ------------------------------------------------------------------- */

static void a_message_that_must_not_be_is_refused(void **state)
{
    static const struct { const char *lines; int32_t code; } cases[] = {
        { RIG_GET "Upper: a\n", HF_ERR_HTTP2_FIELD_NAME },
        { RIG_GET "a b: c\n", HF_ERR_HTTP2_FIELD_NAME },
        { RIG_GET "a: b\rc\n", HF_ERR_HTTP2_FIELD_VALUE },
        { RIG_GET "a:  b\n", HF_ERR_HTTP2_FIELD_VALUE },
        { RIG_GET "connection: close\n", HF_ERR_HTTP2_FIELD_FORBIDDEN },
        { RIG_GET "te: gzip\n", HF_ERR_HTTP2_FIELD_FORBIDDEN },
        { ":scheme: http\n:path: /\n:authority: a\n", HF_ERR_HTTP2_PSEUDO },
        { RIG_GET ":path: /b\n", HF_ERR_HTTP2_PSEUDO },
        { RIG_GET "content-length: 4\n", HF_ERR_HTTP2_LENGTH },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        open_rig(RIG_SILENT);
        headers(cases[i].lines);
        feed();
        assert_int_not_equal(r.last, HF_FAULT);
        assert_int_equal(hf_http2_fault(r.h)->err.code, cases[i].code);
        assert_int_equal(r.ends, 0);
        tear_down(state);
        set_up(state);
    }
}

static void trailers_end_their_stream(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    wire_headers(&out, 1, RIG_MORE, "sum: a\n");
    feed();
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_TRAILERS);
    assert_int_equal(r.reset_err, HF_ERR_HTTP2_TRAILERS);
}

static void a_head_or_a_path_over_its_limit_is_refused(void **state)
{
    (void)state;
    static char lines[16384];
    open_rig(RIG_SILENT);
    size_t n = (size_t)snprintf(lines, sizeof lines, RIG_GET);
    for (uint64_t i = 0; i < w.limits.header_fields + 10; i++)
        n += (size_t)snprintf(lines + n, sizeof lines - n, "a%u: b\n", (unsigned)i);
    headers(lines);
    feed();
    assert_int_equal(r.refusals, 1);
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_HEAD_TOO_LARGE);
    snprintf(lines, sizeof lines, ":method: GET\n:scheme: http\n:authority: a\n:path: /%0*d\n", (int)w.limits.target_bytes, 0);
    wire_headers(&out, 3, RIG_END, lines);
    feed();
    assert_int_equal(r.refusals, 2);
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_TARGET_TOO_LONG);
}

static void one_stream_too_many_is_refused(void **state)
{
    (void)state;
    w.limits.http2_streams = 1;
    open_rig(RIG_SILENT);
    wire_get(&out, 1);
    wire_get(&out, 3);
    feed();
    assert_int_equal(r.requests, 1);
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_REFUSED_STREAM);
}

static void a_stream_that_depends_on_itself_is_refused(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 0, 1);
    wire_frame(&out, HF_FRAME_PRIORITY, 0, 1, "\0\0\0\1\20", 5);
    feed();
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_DEPENDENCY);
    assert_int_equal(r.requests, 0);
}

/* ---- the peer's end, and silence -------------------------------------------------------------------------------- */

static void settings_that_nobody_acknowledges_are_told(void **state)
{
    (void)state;
    assert_true(rig_open(&r, &w.env, RIG_ECHO));
    wire_preface(&out);
    feed();
    r.now = hf_time_after(r.now, (int64_t)w.limits.http2_settings_ns + 1);
    rig_run(&r);
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_SETTINGS_TIMEOUT);
}

static void an_end_in_the_middle_of_a_message_is_told(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    wire_data(&out, 1, 0, "half");
    rig_feed(&r, out.bytes, out.length, true);
    assert_int_equal(r.reset_err, HF_ERR_HTTP2_TRUNCATED);
}

static void a_goaway_says_whether_it_is_in_good_order(void **state)
{
    for (uint32_t code = HF_HTTP2_NO_ERROR; code <= HF_HTTP2_PROTOCOL_ERROR; code++) {
        open_rig(RIG_SILENT);
        uint8_t payload[8] = { 0 };
        hf_store_u32(payload + 4, code);
        wire_frame(&out, HF_FRAME_GOAWAY, 0, 0, payload, sizeof payload);
        hf_in in = { .ptr = out.bytes, .len = out.length };
        hf_http2_event event = { .kind = HF_HTTP2_READY };
        while (event.kind != HF_HTTP2_GOAWAY)
            assert_int_equal(hf_http2_step(r.h, r.now, &in, &event), HF_EVENT);
        assert_int_equal(event.err.code, code == HF_HTTP2_NO_ERROR ? HF_ERR_HTTP2_PEER_CLOSED : HF_ERR_HTTP2_PEER_GOAWAY);
        tear_down(state);
        set_up(state);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_that_must_not_be_ends_the_connection),
        TEST(a_preface_of_something_else_is_told),
        TEST(a_frame_larger_than_was_allowed_is_told),
        TEST(headers_on_a_stream_that_is_over_are_told),
        TEST(more_than_the_window_is_told),
        TEST(a_message_that_must_not_be_is_refused),
        TEST(trailers_end_their_stream),
        TEST(a_head_or_a_path_over_its_limit_is_refused),
        TEST(one_stream_too_many_is_refused),
        TEST(a_stream_that_depends_on_itself_is_refused),
        TEST(settings_that_nobody_acknowledges_are_told),
        TEST(an_end_in_the_middle_of_a_message_is_told),
        TEST(a_goaway_says_whether_it_is_in_good_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
