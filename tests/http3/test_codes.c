/* SPDX-License-Identifier: Apache-2.0
 *
 * What a peer does wrong, and the code by which we call it: the codes of the log, beside those that the peer is told.
 */
#include "http3/case.h"

static void ended_by(int32_t code)
{
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http3_fault(r.h)->err.code, code);
}

#define BYTES(text) { (const uint8_t *)(text), sizeof(text) - 1 }

/* What a client says on a lane of its own, behind its SETTINGS, and what the connection ends with. */
static void what_must_not_be_ends_the_connection(void **state)
{
    static const struct { hf_lane lane; hf_bytes bytes; bool fin; int32_t code; } rows[] = {
        { RIG_CONTROL, BYTES("\7\2\0\0"), false, HF_ERR_HTTP3_FRAME },                /* GOAWAY with two numbers */
        { 0, BYTES("\0\5abc"), true, HF_ERR_HTTP3_FRAME_UNEXPECTED },                 /* DATA before HEADERS */
        { 0, BYTES("\1\5abc"), true, HF_ERR_HTTP3_FRAME },                            /* the stream ends in a frame */
        { RIG_CONTROL, BYTES("\0\1a"), false, HF_ERR_HTTP3_FRAME_UNEXPECTED },        /* DATA on the control stream */
        { 14, BYTES("\0\4\0"), false, HF_ERR_HTTP3_STREAM_CREATION },                 /* a second control stream */
        { 14, BYTES("\1\0"), false, HF_ERR_HTTP3_STREAM_CREATION },                   /* a push of a client */
        { RIG_CONTROL, BYTES(""), true, HF_ERR_HTTP3_CRITICAL_STREAM },
        { RIG_DECODER, BYTES("\3\0"), false, HF_ERR_HTTP3_DECODER_STREAM },           /* Insert Count Increment of 0 */
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        open_rig(RIG_SILENT);
        rig_feed(&r, rows[i].lane, rows[i].bytes.ptr, rows[i].bytes.len, rows[i].fin);
        ended_by(rows[i].code);
        tear_down(state);
        set_up(state);
    }
}

static void settings_that_must_not_be_end_the_connection(void **state)
{
    static const hf_bytes rows[] = { BYTES("\2\0"), BYTES("\10\2"), BYTES("\6\1\6\1") }; /* of HTTP/2; not 0 or 1; twice */
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        assert_true(rig_open(&r, &w.env, RIG_SILENT));
        rig_settings(&r, rows[i].ptr, rows[i].len);
        ended_by(HF_ERR_HTTP3_SETTINGS);
        tear_down(state);
        set_up(state);
    }
}

static void one_request_too_many_is_rejected(void **state)
{
    (void)state;
    w.limits.http3_streams = 1;
    open_rig(RIG_SILENT);
    rig_wire(&r, 0, wire_headers(&out, RIG_GET), true);
    rig_wire(&r, 4, wire_headers(&out, RIG_GET), true);
    assert_int_equal(r.requests, 1);
    assert_int_equal(hf_http3_fault(r.h)->err.code, HF_ERR_HTTP3_REJECTED);
    rig_emit(&r);
    assert_int_equal(rig_lane_of(&r, 4)->reset, HF_HTTP3_REQUEST_REJECTED);
}

static void a_goaway_is_told_as_the_peers_end(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_number(&out, HF_H3_GOAWAY, 0);
    hf_in in = { .ptr = out.bytes, .len = out.length };
    hf_http3_event event = { .kind = HF_HTTP3_READY };
    while (event.kind != HF_HTTP3_GOAWAY)
        assert_int_equal(hf_http3_step(r.h, r.now, RIG_CONTROL, &in, &event), HF_EVENT);
    assert_int_equal(event.err.code, HF_ERR_HTTP3_PEER_CLOSED);
}

static void a_promise_does_not_change(void **state)
{
    (void)state;
    open_rig(RIG_CLIENT);
    assert_int_equal(rig_ask(&r, 0, "GET", "/", HF_LENGTH_NONE).code, 0);
    rig_emit(&r);
    for (int i = 0; i < 2; i++) {
        uint8_t payload[512] = { 3 };
        const char *const lines = i == 0 ? RIG_REQUEST("GET", "/style") : RIG_REQUEST("GET", "/other");
        const size_t n = 1 + wire_section(lines, payload + 1, sizeof payload - 1);
        rig_wire(&r, 0, wire_frame(&out, HF_H3_PUSH_PROMISE, payload, n), false);
    }
    ended_by(HF_ERR_HTTP3_PROMISE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_must_not_be_ends_the_connection), TEST(settings_that_must_not_be_end_the_connection),
        TEST(one_request_too_many_is_rejected), TEST(a_goaway_is_told_as_the_peers_end), TEST(a_promise_does_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
