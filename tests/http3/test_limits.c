/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound that this room enforces is reached here, by its name: the floods that broke others among them.
 */
#include "http3/case.h"
static void request(hf_lane lane, const char *lines, bool fin)
{
    rig_wire(&r, lane, wire_headers(&out, lines), fin);
}
static void pass(int64_t ns)
{
    r.now = hf_time_after(r.now, ns);
    rig_run(&r, HF_HTTP3_NO_LANE);
    rig_emit(&r);
    rig_run(&r, HF_HTTP3_NO_LANE);
}
static void expect_fault(int32_t err, uint64_t code)
{
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http3_fault(r.h)->err.code, err);
    assert_int_equal(hf_http3_close_code(r.h), code);
}

/* ---- streams ------------------------------------------------------------------------------------------------ */

static void limit_http3_streams(void **state)
{
    (void)state;
    w.limits.http3_streams = 3;
    open_rig(RIG_SILENT);
    for (hf_lane lane = 0; lane <= 12; lane += 4)
        request(lane, RIG_GET, true);
    rig_emit(&r);
    assert_int_equal(r.requests, 3);
    assert_int_equal(rig_lane_of(&r, 12)->reset, HF_HTTP3_REQUEST_REJECTED);
    assert_int_equal(rig_lane_of(&r, 12)->stop, HF_HTTP3_REQUEST_REJECTED);
    assert_int_equal(rig_respond(&r, 0, 204, HF_LENGTH_NONE).code, 0);
    assert_int_equal(rig_end(&r, 0).code, 0);
    rig_emit(&r);
    request(16, RIG_GET, true); /* there is room again */
    assert_int_equal(r.requests, 4);
}

/* Opens a request and gives it up, as often as told; returns how often it went well. */
static unsigned rapid_resets(unsigned n, hf_lane *lane)
{
    for (unsigned i = 0; i < n; i++, *lane += 4) {
        request(*lane, RIG_GET, false);
        hf_http3_lane_ended(r.h, r.now, *lane, (hf_ending){ HF_ENDING_RESET, HF_HTTP3_REQUEST_CANCELLED });
        rig_run(&r, HF_HTTP3_NO_LANE);
        rig_emit(&r);
        rig_forget(&r, *lane);
        if (r.last == HF_FAULT)
            return i;
    }
    return n;
}

static void limit_http3_resets(void **state)
{
    (void)state;
    hf_lane lane = 0;
    w.limits.http3_resets = 10;
    open_rig(RIG_SILENT);
    assert_int_equal(rapid_resets(20, &lane), 10);
    expect_fault(HF_ERR_HTTP3_RESETS, HF_HTTP3_EXCESSIVE_LOAD);
}

static void limit_http3_resets_that_we_are_made_to_send(void **state)
{
    (void)state;
    w.limits.http3_resets = 10;
    open_rig(RIG_SILENT);
    for (hf_lane lane = 0; lane <= 40 && r.last != HF_FAULT; lane += 4) {
        request(lane, ":method: GET\n", true);
        rig_emit(&r);
        assert_int_equal(r.last == HF_FAULT, lane == 40);
        rig_forget(&r, lane);
    }
    expect_fault(HF_ERR_HTTP3_RESETS, HF_HTTP3_EXCESSIVE_LOAD);
}

static void limit_http3_reset_rate(void **state)
{
    (void)state;
    hf_lane lane = 0;
    w.limits.http3_resets = 10;
    w.limits.http3_reset_rate = 10;
    open_rig(RIG_SILENT);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rapid_resets(10, &lane), 10);
        pass(HF_SECONDS(1));
    }
    assert_int_equal(rapid_resets(20, &lane), 10);
    expect_fault(HF_ERR_HTTP3_RESETS, HF_HTTP3_EXCESSIVE_LOAD);
}

/* ---- frames that carry nothing ------------------------------------------------------------------------------- */

typedef struct flood {
    const char *name;
    hf_lane lane; /* RIG_CONTROL, or a request that is in its body */
    void (*one)(unsigned i);
} flood;

static void unknown_frame(unsigned i)
{
    wire_frame(&out, 0x21 + 0x1f * (uint64_t)(i % 5), "", 0);
}
static void empty_data(unsigned i)
{
    (void)i;
    wire_data(&out, "");
}
static void priority_update(unsigned i)
{
    (void)i;
    wire_frame(&out, HF_H3_PRIORITY_UPDATE, "\4u=1", 4);
}
static void cancel_push(unsigned i)
{
    (void)i;
    wire_number(&out, HF_H3_CANCEL_PUSH, 0);
}
static void max_push_id(unsigned i)
{
    wire_number(&out, HF_H3_MAX_PUSH_ID, 10 + i);
}
static void client_goaway(unsigned i)
{
    (void)i;
    wire_number(&out, HF_H3_GOAWAY, 0);
}

static const flood floods[] = {
    { "unknown frames of a request", 0, unknown_frame }, { "unknown frames of the connection", RIG_CONTROL, unknown_frame },
    { "empty DATA", 0, empty_data }, { "PRIORITY_UPDATE", RIG_CONTROL, priority_update },
    { "CANCEL_PUSH", RIG_CONTROL, cancel_push }, { "MAX_PUSH_ID", RIG_CONTROL, max_push_id },
    { "GOAWAY", RIG_CONTROL, client_goaway },
};

static void begin_flood(void)
{
    const hf_request_head head = { .method = HF_METHOD_GET, .scheme = HF_LITERAL("https"), .authority = HF_LITERAL("a"),
                                   .path = HF_LITERAL("/p"), .content_length = HF_LENGTH_NONE };
    open_rig(RIG_SILENT);
    rig_wire(&r, RIG_CONTROL, wire_number(&out, HF_H3_MAX_PUSH_ID, 5), false);
    request(0, RIG_POST, false);
    assert_int_equal(hf_http3_push(r.h, 0, &head, 15).code, 0);
    r.now = hf_time_after(r.now, HF_SECONDS(1));
}

static void limit_http3_void(void **state)
{
    (void)state;
    for (const flood *f = floods; f < floods + HF_COUNT(floods); f++) {
        w.limits.http3_void = 20;
        begin_flood();
        for (unsigned i = 0; i < 20; i++)
            f->one(i);
        rig_wire(&r, f->lane, &out, false);
        if (r.last == HF_FAULT)
            fail_msg("%s: too early: %s", f->name, hf_err_text(hf_http3_fault(r.h)->err));
        f->one(20);
        rig_wire(&r, f->lane, &out, false);
        if (r.last != HF_FAULT)
            fail_msg("%s: for ever", f->name);
        expect_fault(HF_ERR_HTTP3_VOID_FLOOD, HF_HTTP3_EXCESSIVE_LOAD);
        tear_down(state);
        set_up(state);
    }
}

static void limit_http3_void_of_unknown_streams(void **state)
{
    (void)state;
    w.limits.http3_void = 20;
    open_rig(RIG_SILENT);
    for (hf_lane lane = 14; r.last != HF_FAULT; lane += 4) {
        assert_true(lane <= 14 + 4 * 20);
        rig_wire(&r, lane, wire_int(&out, 0x21), false);
        rig_emit(&r);
        rig_forget(&r, lane);
    }
    expect_fault(HF_ERR_HTTP3_VOID_FLOOD, HF_HTTP3_EXCESSIVE_LOAD);
}

static void limit_http3_void_rate(void **state)
{
    (void)state;
    w.limits.http3_void = 20;
    w.limits.http3_void_rate = 20;
    begin_flood();
    for (unsigned k = 0; k < 5; k++) {
        for (unsigned i = 0; i < 20; i++)
            unknown_frame(i);
        rig_wire(&r, RIG_CONTROL, &out, false);
        assert_int_not_equal(r.last, HF_FAULT);
        r.now = hf_time_after(r.now, HF_SECONDS(1));
    }
    for (unsigned i = 0; i < 21; i++)
        unknown_frame(i);
    rig_wire(&r, RIG_CONTROL, &out, false);
    expect_fault(HF_ERR_HTTP3_VOID_FLOOD, HF_HTTP3_EXCESSIVE_LOAD);
}

static void limit_http3_control_bytes(void **state)
{
    (void)state;
    static uint8_t payload[1100];
    w.limits.http3_control_bytes = 1000;
    for (size_t n = 999; n <= 1001; n++) {
        assert_true(rig_open(&r, &w.env, RIG_SILENT));
        rig_settings(&r, NULL, 0);
        rig_wire(&r, RIG_CONTROL, wire_frame(&out, HF_H3_PRIORITY_UPDATE, payload, n), false);
        if (n > 1000)
            expect_fault(HF_ERR_HTTP3_CONTROL_SIZE, HF_HTTP3_EXCESSIVE_LOAD);
        else
            assert_int_not_equal(r.last, HF_FAULT);
        rig_close(&r);
    }
    assert_true(rig_open(&r, &w.env, RIG_SILENT));
}

/* ---- QPACK -------------------------------------------------------------------------------------------------- */

static void limit_http3_blocked_streams(void **state)
{
    (void)state;
    w.limits.http3_blocked_streams = 2;
    open_rig(RIG_ECHO);
    for (hf_lane lane = 0; lane <= 4; lane += 4) {
        rig_wire(&r, lane, wire_frame(&out, HF_H3_HEADERS, "\2\0\xd1\xd7\xc1\x50\1a\x80", 9), true);
        assert_int_equal(r.last, HF_IDLE);
        rig_run(&r, lane); /* it is counted once */
    }
    rig_wire(&r, 8, wire_frame(&out, HF_H3_HEADERS, "\2\0\xd1\xd7\xc1\x50\1a\x80", 9), true);
    expect_fault(HF_ERR_HTTP3_BLOCKED, HF_HTTP3_QPACK_DECOMPRESSION_FAILED);
}

static void limit_http3_table_bytes(void **state)
{
    (void)state;
    w.limits.http3_table_bytes = 220;
    for (unsigned capacity = 220; capacity <= 221; capacity++) {
        uint8_t instruction[4] = { HF_H3_STREAM_ENCODER, 0x3f, (uint8_t)(0x80 | (capacity - 31)), 1 };
        assert_true(rig_open(&r, &w.env, RIG_ECHO));
        rig_feed(&r, RIG_ENCODER, instruction, 4, false);
        if (capacity > 220)
            expect_fault(HF_ERR_HTTP3_ENCODER_STREAM, HF_HTTP3_QPACK_ENCODER_STREAM_ERROR);
        else
            assert_int_not_equal(r.last, HF_FAULT);
        rig_close(&r);
    }
    assert_true(rig_open(&r, &w.env, RIG_SILENT));
}

/* ---- heads -------------------------------------------------------------------------------------------------- */

static void limit_header_bytes_and_fields_of_http3(void **state)
{
    (void)state;
    static char lines[8192];
    w.limits.header_bytes = 2000;
    w.limits.header_fields = 10;
    open_rig(RIG_ECHO);
    /* more bytes than the frame may have: it is not even read */
    strcpy(lines, RIG_GET "long: ");
    memset(lines + strlen(lines), '~', 4000);
    strcat(lines, "\n");
    request(0, lines, true);
    assert_int_equal(r.refusal, HF_ERR_HTTP3_HEAD_TOO_LARGE);
    /* more fields */
    strcpy(lines, RIG_GET);
    for (int i = 0; i < 20; i++)
        strcat(lines, "a: b\n");
    request(4, lines, true);
    assert_int_equal(r.refusals, 2);
    /* more when it is unpacked: 0x00 0xc1 ... is /: 1 byte for 38 */
    static uint8_t bomb[1900] = { 0, 0 };
    memset(bomb + 2, 0xc1, sizeof bomb - 2);
    assert_int_equal(r.requests, 0);
    rig_emit(&r);
    const hf_bytes head = rig_sent(&r, 0, HF_H3_HEADERS, 0);
    assert_non_null(head.ptr);
    assert_true(rig_lane_of(&r, 0)->fin_out);
    rig_wire(&r, 8, wire_frame(&out, HF_H3_HEADERS, bomb, sizeof bomb), true);
    expect_fault(HF_ERR_HTTP3_SECTION_TOO_LARGE, HF_HTTP3_EXCESSIVE_LOAD);
}

static void limit_target_bytes_of_http3(void **state)
{
    (void)state;
    static char lines[9000];
    open_rig(RIG_ECHO);
    strcpy(lines, ":method: GET\n:scheme: https\n:authority: a\n:path: /");
    memset(lines + strlen(lines), 'x', 8192);
    strcat(lines, "\n");
    request(0, lines, true);
    assert_int_equal(r.refusal, HF_ERR_HTTP3_TARGET_TOO_LONG);
}

static void limit_trailer_bytes_of_http3(void **state)
{
    (void)state;
    w.limits.trailer_bytes = 10;
    open_rig(RIG_SILENT);
    wire_headers(&out, RIG_POST);
    rig_wire(&r, 0, wire_headers(&out, "abcde: 12345\n"), true);
    assert_int_equal(r.ends, 1);
    wire_headers(&out, RIG_POST);
    rig_wire(&r, 4, wire_headers(&out, "abcde: 123456\n"), true);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_TRAILERS);
}

static void limit_informational_responses_of_http3(void **state)
{
    (void)state;
    w.limits.informational_responses = 3;
    open_rig(RIG_CLIENT);
    assert_int_equal(rig_ask(&r, 0, "GET", "/", HF_LENGTH_NONE).code, 0);
    for (int i = 0; i < 3; i++)
        rig_wire(&r, 0, wire_headers(&out, ":status: 103\n"), false);
    assert_int_equal(r.resets, 0);
    rig_wire(&r, 0, wire_headers(&out, ":status: 103\n"), false);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_INTERIM_FLOOD);
}

/* ---- output, pushes ----------------------------------------------------------------------------------------- */

static void limit_http3_output_bytes(void **state)
{
    (void)state;
    static char many[3000];
    w.limits.output_bytes = 2000;
    w.limits.http3_output_bytes = 3000;
    open_rig(RIG_SILENT);
    uint64_t all = 0;
    for (hf_lane lane = 0; lane <= 12; lane += 4) {
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(many, sizeof many) };
        request(lane, RIG_GET, true);
        assert_int_equal(rig_respond(&r, lane, 200, HF_LENGTH_UNKNOWN).code, 0);
        const uint64_t n = hf_http3_put(r.h, lane, &e, 1, NULL);
        assert_true(n <= 2000);
        all += n;
    }
    assert_true(all > 2800 && all <= 3000);
    rig_emit(&r);
    rig_run(&r, HF_HTTP3_NO_LANE);
    assert_int_equal(r.writables, 4);
}

static void limit_output_extents_of_http3(void **state)
{
    (void)state;
    w.limits.output_extents = 4;
    open_rig(RIG_SILENT);
    request(0, RIG_GET, true);
    assert_int_equal(rig_respond(&r, 0, 200, HF_LENGTH_UNKNOWN).code, 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(rig_lend(&r, 0, hf_text("x"), 1), i < 4);
    rig_emit(&r);
    rig_run(&r, HF_HTTP3_NO_LANE);
    assert_int_equal(r.writables, 1);
    assert_int_equal(r.tokens, 4);
}

static void limit_http3_pushes(void **state)
{
    (void)state;
    w.limits.http3_pushes = 2;
    open_rig(RIG_SILENT);
    rig_wire(&r, RIG_CONTROL, wire_number(&out, HF_H3_MAX_PUSH_ID, 100), false);
    request(0, RIG_GET, true);
    for (unsigned i = 0; i < 3; i++) {
        const char path[] = { '/', (char)('a' + i), 0 };
        const hf_request_head head = { .method = HF_METHOD_GET, .scheme = HF_LITERAL("https"), .authority = HF_LITERAL("a"),
                                       .path = hf_text(path), .content_length = HF_LENGTH_NONE };
        assert_int_equal(hf_http3_push(r.h, 0, &head, 15 + 4 * i).code, i < 2 ? 0 : HF_ERR_HTTP3_PUSH);
    }
    tear_down(state);
    set_up(state);
    w.limits.http3_pushes = 2; /* and a client allows as many */
    open_rig(RIG_CLIENT);
    assert_memory_equal(rig_sent(&r, RIG_CONTROL, HF_H3_MAX_PUSH_ID, 0).ptr, "\1", 1);
    rig_feed(&r, 15, "\1\2", 2, false);
    expect_fault(HF_ERR_HTTP3_ID, HF_HTTP3_ID_ERROR);
}

/* ---- time --------------------------------------------------------------------------------------------------- */

static void limit_first_byte_ns_of_http3(void **state)
{
    (void)state;
    assert_true(rig_open(&r, &w.env, RIG_ECHO));
    request(0, RIG_GET, true); /* a request is no SETTINGS */
    pass((int64_t)w.limits.first_byte_ns);
    expect_fault(HF_ERR_HTTP3_MISSING_SETTINGS, HF_HTTP3_MISSING_SETTINGS);
}

static void limit_head_ns_of_http3(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    for (unsigned i = 0; i < 100 && r.refusals == 0; i++) { /* a byte now and then does not help */
        static const uint8_t byte[1] = { 0x41 };
        rig_feed(&r, 0, i == 0 ? (const uint8_t *)"\1" : byte, 1, false);
        pass(HF_SECONDS(1));
        assert_true(i < 10);
    }
    assert_int_equal(r.refusal, HF_ERR_HTTP3_BODY_TIMEOUT);
    rig_emit(&r);
    assert_true(rig_lane_of(&r, 0)->fin_out); /* 408 */
}

static void limit_body_idle_ns_of_http3(void **state)
{
    (void)state;
    w.limits.body_rate = 0;
    open_rig(RIG_ECHO);
    wire_headers(&out, RIG_POST);
    rig_wire(&r, 0, wire_data(&out, "begun"), false);
    pass((int64_t)w.limits.body_idle_ns - 1);
    assert_int_equal(r.refusals, 0);
    pass(1);
    assert_int_equal(r.refusal, HF_ERR_HTTP3_BODY_TIMEOUT);
}

static void a_body_of_http3_may_be_held_to_another_pace(void **state)
{
    (void)state;
    w.limits.body_rate = 0;
    open_rig(RIG_ECHO);
    for (hf_lane lane = 0; lane <= 8; lane += 4) {
        wire_headers(&out, RIG_POST);
        rig_wire(&r, lane, wire_data(&out, "begun"), false);
    }
    hf_http3_pace(r.h, 0, (hf_pace){ (uint64_t)HF_SECONDS(2), 0 });
    hf_http3_pace(r.h, 4, (hf_pace){ 2 * w.limits.body_idle_ns, 0 });
    hf_http3_pace(r.h, 400, (hf_pace){ 1, 1 }); /* nobody */
    pass(HF_SECONDS(2) - 1);
    assert_int_equal(r.refusals, 0);
    pass(1);
    assert_int_equal(r.refusals, 1);
    pass((int64_t)w.limits.body_idle_ns - HF_SECONDS(2));
    assert_int_equal(r.refusals, 2);
    pass((int64_t)w.limits.body_idle_ns - 1);
    assert_int_equal(r.refusals, 2);
    pass(1);
    assert_int_equal(r.refusals, 3);
    assert_int_equal(r.refusal, HF_ERR_HTTP3_BODY_TIMEOUT);
}

static void limit_body_rate_of_http3(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    request(0, RIG_POST, false);
    for (unsigned i = 0; i < 100 && r.refusals == 0; i++) {
        rig_wire(&r, 0, wire_data(&out, "x"), false);
        pass(HF_SECONDS(1));
        assert_true(i < 12);
    }
    assert_int_equal(r.refusal, HF_ERR_HTTP3_BODY_TIMEOUT);
}

static void limit_send_idle_ns_of_http3(void **state)
{
    (void)state;
    w.limits.send_rate = 0;
    open_rig(RIG_SILENT);
    request(0, RIG_GET, true);
    assert_int_equal(rig_respond(&r, 0, 200, HF_LENGTH_UNKNOWN).code, 0);
    rig_lend(&r, 0, hf_text("nobody takes it"), 9);
    hf_http3_hold(r.h, r.now, 0, true);
    pass((int64_t)w.limits.send_idle_ns - 1);
    assert_int_equal(r.resets, 0);
    pass(1);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_STALLED);
    assert_int_equal(rig_lane_of(&r, 0)->reset, HF_HTTP3_REQUEST_CANCELLED);
    assert_int_equal(r.tokens, 9);
}

static void limit_send_rate_of_http3(void **state)
{
    (void)state;
    static char many[4000];
    open_rig(RIG_SILENT);
    request(0, RIG_GET, true);
    assert_int_equal(rig_respond(&r, 0, 200, HF_LENGTH_UNKNOWN).code, 0);
    rig_put(&r, 0, hf_bytes_make(many, sizeof many));
    hf_http3_hold(r.h, r.now, 0, true);
    for (unsigned i = 0; i < 30 && r.resets == 0; i++) { /* a byte each second */
        pass(HF_SECONDS(1));
        hf_http3_hold(r.h, r.now, 0, false);
        rig_emit_once(&r, 1, 4, 1);
        hf_http3_hold(r.h, r.now, 0, true);
    }
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_STALLED);
}

static void limit_idle_ns_of_a_response(void **state)
{
    (void)state;
    open_rig(RIG_CLIENT);
    assert_int_equal(rig_ask(&r, 0, "GET", "/", HF_LENGTH_NONE).code, 0);
    rig_emit(&r);
    pass((int64_t)w.limits.idle_ns);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_RESPONSE_TIMEOUT);
}

static void limit_requests_per_connection_of_http3(void **state)
{
    (void)state;
    w.limits.requests_per_connection = 3;
    open_rig(RIG_ECHO);
    for (hf_lane lane = 0; lane <= 8; lane += 4)
        request(lane, RIG_GET, true);
    rig_emit(&r);
    assert_int_equal(r.requests, 3);
    assert_int_equal(rig_count(&r, 3, HF_H3_GOAWAY), 1);
    pass(HF_SECONDS(1));
    assert_int_equal(r.last, HF_CLOSED);
}

/* After many streams have come and gone, an idle connection holds its struct and its QPACK tables. */
static void memory_is_given_back_when_it_is_quiet(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    for (hf_lane lane = 0; lane < 800; lane += 4) {
        request(lane, RIG_GET "x: y\n", true);
        if (lane % 64 == 60)
            rig_emit(&r);
        if (lane % 64 == 60)
            for (hf_lane k = lane - 60; k <= lane; k += 4)
                rig_forget(&r, k);
    }
    rig_emit(&r);
    const size_t busy = w.memory.held;
    pass(HF_MILLISECONDS(250));
    assert_true(w.memory.held < busy);
    assert_true(w.memory.held < 8000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(limit_http3_streams), TEST(limit_http3_resets), TEST(limit_http3_resets_that_we_are_made_to_send),
        TEST(limit_http3_reset_rate), TEST(limit_http3_void), TEST(limit_http3_void_of_unknown_streams),
        TEST(limit_http3_void_rate), TEST(limit_http3_control_bytes), TEST(limit_http3_blocked_streams),
        TEST(limit_http3_table_bytes), TEST(limit_header_bytes_and_fields_of_http3), TEST(limit_target_bytes_of_http3),
        TEST(limit_trailer_bytes_of_http3), TEST(limit_informational_responses_of_http3), TEST(limit_http3_output_bytes),
        TEST(limit_output_extents_of_http3), TEST(limit_http3_pushes), TEST(limit_first_byte_ns_of_http3),
        TEST(limit_head_ns_of_http3), TEST(limit_body_idle_ns_of_http3), TEST(limit_body_rate_of_http3), TEST(a_body_of_http3_may_be_held_to_another_pace),
        TEST(limit_send_idle_ns_of_http3), TEST(limit_send_rate_of_http3), TEST(limit_idle_ns_of_a_response),
        TEST(limit_requests_per_connection_of_http3), TEST(memory_is_given_back_when_it_is_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
