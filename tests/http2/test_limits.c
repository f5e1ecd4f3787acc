/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound that this room enforces is reached here, by its name: the floods that broke others among them.
 */
#include "http2/case.h"

static void expect_calm(int32_t code)
{
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http2_fault(r.h)->err.code, code);
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_ENHANCE_YOUR_CALM);
}

static void limit_http2_streams(void **state)
{
    (void)state;
    w.limits.http2_streams = 3;
    open_rig(RIG_SILENT);
    for (uint32_t id = 1; id <= 7; id += 2)
        wire_get(&out, id);
    feed();
    assert_int_equal(r.requests, 3);
    assert_int_equal(rig_code(&r, 7), HF_HTTP2_REFUSED_STREAM);
    assert_int_equal(r.last, HF_IDLE);
    assert_int_equal(rig_respond(&r, 1, 200, 0).code, 0);
    assert_int_equal(rig_end(&r, 1).code, 0);
    wire_get(&out, 9); /* one place is free again */
    feed();
    assert_int_equal(r.requests, 4);
}

static void limit_http2_frame_bytes(void **state)
{
    (void)state;
    w.limits.http2_frame_bytes = 20000;
    w.limits.http2_window_bytes = 1 << 20;
    open_rig(RIG_SILENT);
    static const uint8_t zeros[20001];
    const hf_bytes settings = rig_sent(&r, HF_FRAME_SETTINGS, 0, 0, NULL);
    bool told = false;
    for (size_t i = 0; i + 6 <= settings.len; i += 6)
        told = told || (hf_load_u16(settings.ptr + i) == HF_SETTING_MAX_FRAME_SIZE && hf_load_u32(settings.ptr + i + 2) == 20000);
    assert_true(told);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    wire_frame(&out, HF_FRAME_DATA, 0, 1, zeros, 20000);
    feed();
    assert_int_equal(r.last, HF_IDLE);
    wire_frame(&out, HF_FRAME_DATA, 0, 1, zeros, 20001);
    feed();
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_FRAME_SIZE_ERROR);
}

/* CVE-2024-27316 */
static void limit_http2_continuations(void **state)
{
    (void)state;
    w.limits.http2_continuations = 4;
    open_rig(RIG_SILENT);
    wire_frame(&out, HF_FRAME_HEADERS, HF_FLAG_END_STREAM, 1, "", 0);
    for (int i = 0; i < 3; i++)
        wire_frame(&out, HF_FRAME_CONTINUATION, 0, 1, "", 0);
    uint8_t block[256];
    wire_frame(&out, HF_FRAME_CONTINUATION, HF_FLAG_END_HEADERS, 1, block, wire_block(RIG_GET, block));
    feed();
    assert_int_equal(r.requests, 1);
    wire_frame(&out, HF_FRAME_HEADERS, HF_FLAG_END_STREAM, 3, "", 0);
    for (int i = 0; i < 5; i++)
        wire_frame(&out, HF_FRAME_CONTINUATION, 0, 3, "", 0);
    feed();
    expect_calm(HF_ERR_HTTP2_BLOCK_TOO_LARGE);
}

static void limit_header_bytes_compressed(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    static uint8_t zeros[16384];
    wire_frame(&out, HF_FRAME_HEADERS, 0, 1, zeros, 16384);
    wire_frame(&out, HF_FRAME_CONTINUATION, 0, 1, zeros, 16384);
    feed();
    assert_int_equal(r.last, HF_IDLE);
    wire_frame(&out, HF_FRAME_CONTINUATION, 0, 1, zeros, 1);
    feed();
    expect_calm(HF_ERR_HTTP2_BLOCK_TOO_LARGE);
}

/* The HPACK bomb: a small block that unpacks to a head above the limit is answered 431, a large one ends the connection. */
static void limit_header_bytes_unpacked(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    static uint8_t block[8192];
    size_t n = wire_block(RIG_GET, block);
    memcpy(block + n, "\x40\x01\x61\x7f\xa1\x1e", 6);
    memset(block + n + 6, 'x', 4000);
    n += 4006;
    memset(block + n, 0xbe, 9);
    wire_frame(&out, HF_FRAME_HEADERS, RIG_END, 1, block, n + 9);
    feed();
    assert_int_equal(r.refusals, 1);
    assert_int_equal(r.requests, 0);
    assert_int_equal(hf_http2_fault(r.h)->status, 431);
    assert_int_equal(rig_body_sent(&r, 1), 3);
    wire_get(&out, 3); /* the table is in step, the connection goes on */
    feed();
    assert_int_equal(r.requests, 1);
    memset(block, 0xbe, 4000);
    wire_frame(&out, HF_FRAME_HEADERS, RIG_END, 5, block, 4000);
    feed();
    expect_calm(HF_ERR_HTTP2_BLOCK_TOO_LARGE);
}

static void limit_header_fields_and_target(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    static char lines[65536];
    size_t n = (size_t)sprintf(lines, RIG_GET);
    for (int i = 0; i < 110; i++)
        n += (size_t)sprintf(lines + n, "a%d: b\n", i);
    wire_headers(&out, 1, RIG_END, lines);
    feed();
    assert_int_equal(r.refusals, 1);
    assert_int_equal(hf_http2_fault(r.h)->status, 431);
    n = (size_t)sprintf(lines, ":method: GET\n:scheme: http\n:authority: a\n:path: /");
    memset(lines + n, 'a', 8192);
    strcpy(lines + n + 8192, "\n");
    wire_headers(&out, 3, RIG_END, lines);
    feed();
    assert_int_equal(r.refusals, 2);
    assert_int_equal(hf_http2_fault(r.h)->status, 414);
}

/* CVE-2023-44487, Rapid Reset */
static void limit_http2_resets(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    uint32_t id = 1;
    for (uint64_t i = 0; i <= w.limits.http2_resets && r.last != HF_FAULT; i++, id += 2) {
        wire_get(&out, id);
        wire_u32(&out, HF_FRAME_RST_STREAM, id, HF_HTTP2_CANCEL);
        feed();
        assert_int_equal(r.last == HF_FAULT, i == w.limits.http2_resets);
    }
    expect_calm(HF_ERR_HTTP2_RESETS);
}

/* CVE-2025-8671, MadeYouReset: the peer does not reset, it makes us do so, each time after its request was handed on. */
static void limit_http2_resets_that_we_are_made_to_send(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        set_up(state);
        w.limits.http2_resets = 20;
        open_rig(RIG_SILENT);
        uint32_t id = 1;
        for (int i = 0; i < 30 && r.last != HF_FAULT; i++, id += 2) {
            wire_headers(&out, id, how == 3 ? RIG_END : RIG_MORE, RIG_POST "content-length: 1\n");
            switch (how) {
            case 0: wire_u32(&out, HF_FRAME_WINDOW_UPDATE, id, 0); break;
            case 1: wire_u32(&out, HF_FRAME_WINDOW_UPDATE, id, HF_WINDOW_MAX); break;
            case 2: wire_data(&out, id, 0, "too long"); break;
            default: wire_data(&out, id, 0, "closed"); break;
            }
            feed();
        }
        assert_true(how == 3 || r.requests >= 20);
        expect_calm(HF_ERR_HTTP2_RESETS);
        if (how < 3)
            tear_down(state);
    }
}

static void limit_http2_reset_rate(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    uint32_t id = 1;
    for (int i = 0; i < 2000; i++, id += 2) { /* just under the rate: for ever */
        wire_get(&out, id);
        wire_u32(&out, HF_FRAME_RST_STREAM, id, HF_HTTP2_CANCEL);
        feed();
        assert_int_equal(r.last, HF_IDLE);
        r.out_length = 0;
        r.now = hf_time_after(r.now, HF_SECONDS(1) / (int64_t)w.limits.http2_reset_rate);
    }
    for (int i = 0; i < 5000 && r.last != HF_FAULT; i++, id += 2) { /* twice that: not for long */
        wire_get(&out, id);
        wire_u32(&out, HF_FRAME_RST_STREAM, id, HF_HTTP2_CANCEL);
        feed();
        r.now = hf_time_after(r.now, HF_SECONDS(1) / (int64_t)w.limits.http2_reset_rate / 2);
        assert_true(i < 450);
    }
    expect_calm(HF_ERR_HTTP2_RESETS);
}

/* CVE-2019-9512 (PING), CVE-2019-9515 (SETTINGS) */
static void limit_http2_control(void **state)
{
    (void)state;
    for (int settings = 0; settings < 2; settings++) {
        set_up(state);
        open_rig(RIG_SILENT);
        for (uint64_t i = 0; i <= w.limits.http2_control && r.last != HF_FAULT; i++) {
            wire_frame(&out, settings ? HF_FRAME_SETTINGS : HF_FRAME_PING, 0, 0, "12345678", settings ? 0 : 8);
            feed();
            assert_int_equal(r.last == HF_FAULT, i == w.limits.http2_control);
        }
        expect_calm(HF_ERR_HTTP2_CONTROL_FLOOD);
        if (settings == 0)
            tear_down(state);
    }
}

static void limit_http2_control_rate(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    for (int i = 0; i < 1000; i++) {
        wire_frame(&out, HF_FRAME_PING, 0, 0, "12345678", 8);
        feed();
        assert_int_equal(r.last, HF_IDLE);
        r.out_length = 0;
        r.now = hf_time_after(r.now, HF_SECONDS(1) / (int64_t)w.limits.http2_control_rate);
    }
}

/* CVE-2019-9513 (PRIORITY), CVE-2019-9518 (empty frames), and their kin */
static void limit_http2_void(void **state)
{
    (void)state;
    for (int how = 0; how < 6; how++) {
        set_up(state);
        open_rig(RIG_SILENT);
        wire_headers(&out, 1, RIG_MORE, RIG_POST);
        feed();
        for (uint64_t i = 0; i <= w.limits.http2_void && r.last != HF_FAULT; i++) {
            switch (how) {
            case 0: wire_frame(&out, HF_FRAME_PRIORITY, 0, 9, "\0\0\0\0\1", 5); break;
            case 1: wire_data(&out, 1, 0, ""); break;
            case 2: wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 1, 1); break;
            case 3: wire_frame(&out, 0xfa, 0, 0, "x", 1); break;
            case 4: wire_frame(&out, HF_FRAME_PRIORITY_UPDATE, 0, 0, "\0\0\0\1u=1", 7); break;
            default: wire_frame(&out, HF_FRAME_DATA, HF_FLAG_PADDED, 1, "\2\0\0", 3); break;
            }
            feed();
            assert_int_equal(r.last == HF_FAULT, i == w.limits.http2_void);
        }
        expect_calm(HF_ERR_HTTP2_VOID_FLOOD);
        if (how < 5)
            tear_down(state);
    }
}

static void limit_http2_void_rate(void **state)
{
    (void)state;
    w.limits.http2_void = 10;
    open_rig(RIG_SILENT);
    for (int i = 0; i < 2000; i++) {
        wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 0, 1);
        feed();
        assert_int_equal(r.last, HF_IDLE);
        r.now = hf_time_after(r.now, HF_SECONDS(1) / (int64_t)w.limits.http2_void_rate);
    }
    /* what we send earns more: a download may be acknowledged KiB by KiB */
    static const uint8_t zeros[16384];
    w.limits.http2_void = 40;
    wire_get(&out, 1);
    feed();
    assert_int_equal(rig_respond(&r, 1, 200, HF_LENGTH_UNKNOWN).code, 0);
    for (int i = 0; i < 200; i++) {
        rig_lend(&r, 1, hf_bytes_make(zeros, sizeof zeros), 0);
        r.out_length = 0;
        rig_emit(&r);
        for (unsigned kib = 0; kib < 16; kib++) { /* so does haproxy, as its buffers become free */
            wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 0, 1024);
            wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 1, 1024);
        }
        feed();
        assert_int_equal(r.last, HF_IDLE);
    }
}

/* A body that nobody takes: the peer is held back at the window, and memory with it. */
static void limit_http2_window_bytes(void **state)
{
    (void)state;
    open_rig(RIG_STUCK);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    feed();
    for (int i = 0; i < 3; i++)
        wire_zeros(&out, 1, 0, 16384);
    wire_zeros(&out, 1, 0, 16383);
    feed();
    assert_int_equal(r.last, HF_IDLE);
    assert_int_equal(rig_count(&r, HF_FRAME_WINDOW_UPDATE, 1), 0);
    assert_int_equal(hf_http2_peek(r.h, 1).len, 65535);
    assert_true(w.memory.most < w.limits.http2_window_bytes);
    hf_http2_take(r.h, 1, 40000);
    rig_emit(&r);
    assert_int_equal(rig_count(&r, HF_FRAME_WINDOW_UPDATE, 1), 1);
    assert_int_equal(hf_load_u32(rig_sent(&r, HF_FRAME_WINDOW_UPDATE, 1, 0, NULL).ptr), 40000);
    for (int i = 0; i < 3; i++)
        wire_zeros(&out, 1, 0, 16384);
    feed();
    assert_int_equal(r.last, HF_FAULT); /* more than was given */
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_FLOW_CONTROL_ERROR);
}

/* A reader that keeps up gets a larger window, and never one above the limit. */
static void windows_grow_up_to_the_limit(void **state)
{
    (void)state;
    w.limits.http2_window_bytes = w.limits.http2_connection_window_bytes = 300000;
    assert_true(rig_open(&r, &w.env, RIG_SILENT));
    rig_emit(&r);
    r.now = hf_time_after(r.now, HF_MILLISECONDS(50));
    wire_preface(&out);
    wire_frame(&out, HF_FRAME_SETTINGS, HF_FLAG_ACK, 0, NULL, 0);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    feed();
    assert_int_equal(hf_http2_round_trip_ns(r.h), HF_MILLISECONDS(50));
    uint64_t given = 65535, sent = 0;
    for (int i = 0; i < 200; i++) {
        r.out_length = 0;
        wire_zeros(&out, 1, 0, 16384);
        feed();
        sent += 16384;
        for (size_t k = 0; k < rig_count(&r, HF_FRAME_WINDOW_UPDATE, 1); k++)
            given += hf_load_u32(rig_sent(&r, HF_FRAME_WINDOW_UPDATE, 1, k, NULL).ptr);
        assert_int_equal(r.last, HF_IDLE);
        assert_true(given - sent <= 300000);
        r.now = hf_time_after(r.now, HF_MILLISECONDS(1));
    }
    assert_true(given - sent > 140000); /* it did grow */
}

static void limit_http2_connection_window_bytes(void **state)
{
    (void)state;
    open_rig(RIG_STUCK);
    for (uint32_t id = 1; id <= 9; id += 2)
        wire_headers(&out, id, RIG_MORE, RIG_POST);
    feed();
    for (uint32_t id = 1; id <= 7; id += 2)
        wire_zeros(&out, id, 0, id == 7 ? 16383 : 16384);
    feed();
    assert_int_equal(r.last, HF_IDLE);
    wire_data(&out, 9, 0, "x"); /* its own window is open, the connection's is not */
    feed();
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_FLOW_CONTROL_ERROR);
    assert_true(w.memory.most < w.limits.http2_connection_window_bytes);
}

static void limit_http2_output_bytes(void **state)
{
    (void)state;
    w.limits.http2_output_bytes = 100000;
    open_rig(RIG_SILENT);
    static const uint8_t zeros[65536];
    uint64_t sum = 0;
    for (uint32_t id = 1; id <= 9; id += 2)
        wire_get(&out, id);
    feed();
    for (uint32_t id = 1; id <= 9; id += 2) {
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(zeros, sizeof zeros) };
        assert_int_equal(rig_respond(&r, id, 200, HF_LENGTH_UNKNOWN).code, 0);
        sum += hf_http2_put(r.h, id, &e, 1, NULL);
    }
    assert_int_equal(sum, 100000);
    rig_emit(&r); /* 65535 leave: the peer's window */
    rig_run(&r);
    assert_true(r.writables >= 3);
    assert_true(hf_http2_room(r.h, 9) > 0);
}

static void limit_output_bytes_and_extents_of_a_stream(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_get(&out, 1);
    feed();
    assert_int_equal(rig_respond(&r, 1, 200, HF_LENGTH_UNKNOWN).code, 0);
    static const uint8_t zeros[1 << 17];
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(zeros, sizeof zeros) };
    assert_int_equal(hf_http2_put(r.h, 1, &e, 1, NULL), w.limits.output_bytes);
    uint64_t pieces = 0;
    while (rig_lend(&r, 1, hf_bytes_make(zeros, 1), 0) == 1)
        pieces++;
    assert_int_equal(pieces, w.limits.output_extents);
}

static void limit_http2_settings_ns(void **state)
{
    (void)state;
    assert_true(rig_open(&r, &w.env, RIG_SILENT));
    rig_emit(&r);
    wire_preface(&out);
    feed();
    r.now = hf_time_after(r.now, (int64_t)w.limits.http2_settings_ns - 1);
    rig_run(&r);
    assert_int_equal(r.last, HF_IDLE);
    r.now = hf_http2_wake(r.h);
    rig_run(&r);
    rig_emit(&r);
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_SETTINGS_TIMEOUT);
}

static void limit_http2_pushes(void **state)
{
    (void)state;
    w.limits.http2_pushes = 3;
    open_rig(RIG_SILENT);
    wire_get(&out, 1);
    feed();
    char path[16];
    hf_http2_stream promised;
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/%d", i);
        const hf_request_head head = { .method = HF_METHOD_GET, .scheme = HF_LITERAL("http"), .authority = HF_LITERAL("a"), .path = hf_text(path) };
        assert_int_equal(hf_http2_push(r.h, 1, &head, &promised).code, i < 3 ? 0 : HF_ERR_HTTP2_PUSH);
    }
    tear_down(state);
    set_up(state);
    w.limits.http2_pushes = 3; /* the client's side */
    open_rig(RIG_CLIENT);
    rig_ask(&r, "GET", "/", HF_LENGTH_NONE);
    for (uint8_t i = 1; i <= 4; i++) {
        uint8_t push[] = "\0\0\0\2\x82\x86\x84\x01\x01" "a";
        push[3] = (uint8_t)(2 * i);
        wire_frame(&out, HF_FRAME_PUSH_PROMISE, HF_FLAG_END_HEADERS, 1, push, sizeof push - 1);
    }
    feed();
    assert_int_equal(rig_code(&r, 6), -1);
    assert_int_equal(rig_code(&r, 8), HF_HTTP2_REFUSED_STREAM);
}

/* ---- time --------------------------------------------------------------------------------------------------- */

static void pass(int64_t ns)
{
    r.now = hf_time_after(r.now, ns);
    rig_run(&r);
    rig_emit(&r);
    rig_run(&r);
}

static void limit_first_byte_ns_of_http2(void **state)
{
    (void)state;
    assert_true(rig_open(&r, &w.env, RIG_SILENT));
    pass((int64_t)w.limits.first_byte_ns - 1);
    assert_int_equal(r.last, HF_IDLE);
    pass(1);
    assert_int_equal(r.last, HF_FAULT);
}

static void limit_idle_ns_of_http2(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    wire_get(&out, 1);
    feed();
    pass((int64_t)w.limits.idle_ns - 1);
    assert_int_equal(r.last, HF_IDLE);
    pass(1);
    assert_int_equal(r.last, HF_CLOSED);
    assert_int_equal(rig_code(&r, 0), HF_HTTP2_NO_ERROR);
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_IDLE);
}

static void limit_head_ns_of_http2(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_frame(&out, HF_FRAME_HEADERS, HF_FLAG_END_STREAM, 1, "\x82", 1);
    feed();
    for (int i = 0; i < 9; i++) { /* a CONTINUATION now and then does not help */
        pass(HF_SECONDS(1));
        wire_frame(&out, HF_FRAME_CONTINUATION, 0, 1, "", 0);
        feed();
        assert_int_equal(r.last, HF_IDLE);
    }
    pass(HF_SECONDS(1));
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_HEAD_TIMEOUT);
}

static void limit_body_idle_ns_of_http2(void **state)
{
    (void)state;
    w.limits.body_rate = 0;
    open_rig(RIG_SILENT);
    r.app = RIG_ECHO;
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    wire_data(&out, 1, 0, "some");
    feed();
    pass((int64_t)w.limits.body_idle_ns / 4);
    wire_data(&out, 1, 0, "more");
    feed();
    assert_int_equal(r.refusals, 0);
    pass((int64_t)w.limits.body_idle_ns);
    assert_int_equal(r.refusals, 1);
    assert_int_equal(hf_http2_fault(r.h)->err.code, HF_ERR_HTTP2_BODY_TIMEOUT);
    assert_int_equal(rig_body_sent(&r, 1), 3);
    assert_int_equal(rig_code(&r, 1), HF_HTTP2_NO_ERROR); /* the rest is not wanted */
    assert_int_equal(r.last, HF_IDLE);
}

static void a_body_of_http2_may_be_held_to_another_pace(void **state)
{
    (void)state;
    w.limits.body_rate = 0;
    open_rig(RIG_SILENT);
    r.app = RIG_ECHO;
    for (uint32_t stream = 1; stream <= 5; stream += 2) {
        wire_headers(&out, stream, RIG_MORE, RIG_POST);
        wire_data(&out, stream, 0, "some");
    }
    feed();
    hf_http2_pace(r.h, 1, (hf_pace){ (uint64_t)HF_SECONDS(2), 0 });
    hf_http2_pace(r.h, 3, (hf_pace){ 2 * w.limits.body_idle_ns, 0 });
    hf_http2_pace(r.h, 99, (hf_pace){ 1, 1 }); /* nobody */
    pass(HF_SECONDS(2) - 1);
    assert_int_equal(r.refusals, 0);
    pass(1);
    assert_int_equal(r.refusals, 1);
    assert_int_equal(rig_body_sent(&r, 1), 3);
    pass((int64_t)w.limits.body_idle_ns - HF_SECONDS(2));
    assert_int_equal(r.refusals, 2);
    assert_int_equal(rig_body_sent(&r, 5), 3); /* as the limits say */
    pass((int64_t)w.limits.body_idle_ns - 1);
    assert_int_equal(r.refusals, 2);
    pass(1);
    assert_int_equal(r.refusals, 3);
}

static void limit_body_rate_of_http2(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    feed();
    for (int i = 0; i < 30 && r.refusals == 0; i++) {
        pass(HF_SECONDS(1));
        wire_data(&out, 1, 0, "drip");
        feed();
    }
    assert_int_equal(r.refusals, 1);
}

/* A peer that asks and opens no window, or a little at a time. */
static void limit_send_idle_ns_of_http2(void **state)
{
    (void)state;
    for (int connection = 0; connection < 2; connection++) {
        set_up(state);
        w.limits.send_rate = 0;
        open_rig(RIG_SILENT);
        if (!connection)
            wire_setting(&out, HF_SETTING_INITIAL_WINDOW_SIZE, 0);
        else
            wire_setting(&out, HF_SETTING_INITIAL_WINDOW_SIZE, 1 << 20);
        wire_get(&out, 1);
        feed();
        static const uint8_t zeros[100000];
        assert_int_equal(rig_respond(&r, 1, 200, HF_LENGTH_UNKNOWN).code, 0);
        rig_lend(&r, 1, hf_bytes_make(zeros, sizeof zeros), 9);
        rig_emit(&r);
        pass((int64_t)w.limits.send_idle_ns - 1);
        assert_int_equal(r.resets, 0);
        assert_int_equal(r.last, HF_IDLE);
        pass(1);
        if (connection) {
            expect_calm(HF_ERR_HTTP2_STALLED);
        } else {
            assert_int_equal(r.resets, 1);
            assert_int_equal(r.reset_err, HF_ERR_HTTP2_STALLED);
            assert_int_equal(rig_code(&r, 1), HF_HTTP2_CANCEL);
        }
        assert_int_equal(r.tokens, 9); /* what was lent comes back */
        if (!connection)
            tear_down(state);
    }
}

static void limit_send_rate_of_http2(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_setting(&out, HF_SETTING_INITIAL_WINDOW_SIZE, 0);
    wire_get(&out, 1);
    feed();
    assert_int_equal(rig_respond(&r, 1, 200, HF_LENGTH_UNKNOWN).code, 0);
    rig_put(&r, 1, hf_text("a body that is asked for byte by byte, one each second"));
    rig_emit(&r);
    for (int i = 0; i < 30 && r.resets == 0; i++) {
        pass(HF_SECONDS(1));
        if (r.resets == 0)
            wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 1, 1);
        feed();
    }
    assert_int_equal(r.resets, 1);
    assert_int_equal(r.reset_err, HF_ERR_HTTP2_STALLED);
}

static void limit_requests_per_connection_of_http2(void **state)
{
    (void)state;
    w.limits.requests_per_connection = 3;
    open_rig(RIG_ECHO);
    for (uint32_t id = 1; id <= 5; id += 2)
        wire_get(&out, id);
    feed();
    assert_int_equal(r.requests, 3);
    assert_int_equal(rig_count(&r, HF_FRAME_GOAWAY, 0), 1);
    wire_frame(&out, HF_FRAME_PING, HF_FLAG_ACK, 0, "\0\0\0\1\0\0\0", 8);
    feed();
    assert_int_equal(r.last, HF_CLOSED);
}

/* After many streams have come and gone, an idle connection holds its struct and its HPACK tables. */
static void memory_is_given_back_when_it_is_quiet(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    for (uint32_t id = 1; id < 400; id += 2) {
        wire_get(&out, id);
        if (id % 32 == 31)
            feed();
        r.out_length = 0;
    }
    feed();
    const size_t busy = w.memory.held;
    pass(HF_MILLISECONDS(250));
    assert_true(w.memory.held < busy);
    assert_true(w.memory.held < 6000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(limit_http2_streams),
        TEST(limit_http2_frame_bytes),
        TEST(limit_http2_continuations),
        TEST(limit_header_bytes_compressed),
        TEST(limit_header_bytes_unpacked),
        TEST(limit_header_fields_and_target),
        TEST(limit_http2_resets),
        TEST(limit_http2_resets_that_we_are_made_to_send),
        TEST(limit_http2_reset_rate),
        TEST(limit_http2_control),
        TEST(limit_http2_control_rate),
        TEST(limit_http2_void),
        TEST(limit_http2_void_rate),
        TEST(limit_http2_window_bytes),
        TEST(windows_grow_up_to_the_limit),
        TEST(limit_http2_connection_window_bytes),
        TEST(limit_http2_output_bytes),
        TEST(limit_output_bytes_and_extents_of_a_stream),
        TEST(limit_http2_settings_ns),
        TEST(limit_http2_pushes),
        TEST(limit_first_byte_ns_of_http2),
        TEST(limit_idle_ns_of_http2),
        TEST(limit_head_ns_of_http2),
        TEST(limit_body_idle_ns_of_http2),
        TEST(limit_body_rate_of_http2),
        TEST(a_body_of_http2_may_be_held_to_another_pace),
        TEST(limit_send_idle_ns_of_http2),
        TEST(limit_send_rate_of_http2),
        TEST(limit_requests_per_connection_of_http2),
        TEST(memory_is_given_back_when_it_is_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
