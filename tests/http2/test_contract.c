/* SPDX-License-Identifier: Apache-2.0
 *
 * The laws of pier.h, held over the http2 core, server and client: one row an input, one function a law.
 */
#include "http2/rig.h"

#include "random.h"

/* ---- the inputs --------------------------------------------------------------------------------------------- */

typedef struct input {
    const char *name;
    rig_app app;
    void (*build)(wire *w);
} input;

static void build_get(wire *w)
{
    wire_preface(w);
    wire_headers(w, 1, RIG_END, RIG_REQUEST("GET", "/a?b=c") "accept: */*\ncookie: a=b\ncookie: c=d\nx: y\n");
    wire_get(w, 3);
    wire_u32(w, HF_FRAME_WINDOW_UPDATE, 0, 1000);
}

static void build_bodies(wire *w)
{
    wire_preface(w);
    wire_headers(w, 1, RIG_MORE, RIG_POST "content-length: 11\nexpect: 100-continue\n");
    wire_headers(w, 3, RIG_MORE, RIG_POST);
    wire_data(w, 1, 0, "hello");
    wire_data(w, 3, 0, "other");
    wire_data(w, 1, HF_FLAG_END_STREAM, " world");
    wire_frame(w, HF_FRAME_DATA, HF_FLAG_PADDED, 3, "\3abc\0\0\0", 7);
    wire_headers(w, 3, RIG_END, "checksum: 1\n");
}

static void build_continued(wire *w)
{
    uint8_t block[512];
    const size_t n = wire_block(RIG_GET "cookie: a\nlong: " "0123456789012345678901234567890123456789" "\n", block);
    wire_preface(w);
    wire_frame(w, HF_FRAME_HEADERS, HF_FLAG_END_STREAM, 1, block, 10);
    wire_frame(w, HF_FRAME_CONTINUATION, 0, 1, block + 10, 20);
    wire_frame(w, HF_FRAME_CONTINUATION, HF_FLAG_END_HEADERS, 1, block + 30, n - 30);
    wire_get(w, 3);
}

static void build_control(wire *w)
{
    wire_preface(w);
    wire_frame(w, HF_FRAME_PING, 0, 0, "12345678", 8);
    wire_setting(w, HF_SETTING_INITIAL_WINDOW_SIZE, 3);
    wire_setting(w, HF_SETTING_HEADER_TABLE_SIZE, 0);
    wire_headers(w, 1, RIG_MORE, RIG_POST "priority: u=1, i\n");
    wire_data(w, 1, HF_FLAG_END_STREAM, "more than the window");
    wire_frame(w, HF_FRAME_PRIORITY_UPDATE, 0, 0, "\0\0\0\5u=0", 7);
    wire_frame(w, 0xbb, 0xff, 1, "unknown", 7);
    wire_frame(w, HF_FRAME_PRIORITY, 0, 1, "\0\0\0\0\1", 5);
    wire_u32(w, HF_FRAME_WINDOW_UPDATE, 1, 5);
    wire_get(w, 5);
    wire_u32(w, HF_FRAME_RST_STREAM, 5, HF_HTTP2_CANCEL);
    wire_frame(w, HF_FRAME_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0bye", 11);
}

static void build_connect(wire *w)
{
    wire_preface(w);
    wire_headers(w, 1, RIG_MORE, ":method: CONNECT\n:authority: a:443\n");
    wire_headers(w, 3, RIG_MORE, ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat\n:authority: a\n");
    wire_data(w, 3, 0, "frames");
    wire_data(w, 1, HF_FLAG_END_STREAM, "bytes");
}

static void build_malformed(wire *w)
{
    wire_preface(w);
    wire_headers(w, 1, RIG_END, RIG_GET "Upper: case\n");
    wire_headers(w, 3, RIG_END, RIG_GET "connection: close\n");
    wire_headers(w, 5, RIG_MORE, RIG_POST "content-length: 3\n");
    wire_data(w, 5, 0, "four");
    wire_data(w, 5, HF_FLAG_END_STREAM, "ignored");
    wire_headers(w, 7, RIG_END, ":method: GET\n");
    wire_get(w, 9);
    wire_data(w, 9, 0, "closed");
    wire_get(w, 11);
}

static void build_fault(wire *w)
{
    wire_preface(w);
    wire_get(w, 1);
    wire_frame(w, HF_FRAME_HEADERS, RIG_END, 3, "\xbe", 1);
    wire_get(w, 5);
}

static void build_no_preface(wire *w)
{
    wire_bytes(w, "GET / HTTP/1.1\r\n\r\n", 18);
}

static void build_cut(wire *w)
{
    wire_preface(w);
    wire_headers(w, 1, RIG_MORE, RIG_POST);
    wire_data(w, 1, 0, "cut in mid");
    w->length -= 4;
}

static void build_empty(wire *w)
{
    (void)w;
}

static void build_responses(wire *w)
{
    wire_setting(w, HF_SETTING_MAX_CONCURRENT_STREAMS, 10);
    wire_frame(w, HF_FRAME_SETTINGS, HF_FLAG_ACK, 0, NULL, 0);
    wire_headers(w, 1, RIG_MORE, ":status: 103\nlink: x\n");
    wire_headers(w, 1, RIG_MORE, ":status: 200\ncontent-length: 5\n");
    wire_headers(w, 3, RIG_END, ":status: 200\ncontent-length: 500\n");
    wire_data(w, 1, 0, "he");
    wire_headers(w, 5, RIG_MORE, ":status: 200\n");
    wire_data(w, 5, 0, "streamed");
    wire_data(w, 1, HF_FLAG_END_STREAM, "llo");
    static const uint8_t push[] = "\0\0\0\2\x82\x86\x84\x01\x01" "a";
    wire_frame(w, HF_FRAME_PUSH_PROMISE, HF_FLAG_END_HEADERS, 5, push, sizeof push - 1);
    wire_headers(w, 5, RIG_END, "t: u\n");
    wire_headers(w, 2, RIG_MORE, ":status: 200\n");
    wire_data(w, 2, HF_FLAG_END_STREAM, "pushed");
    wire_frame(w, HF_FRAME_ORIGIN, 0, 0, "\0\1a", 3);
    wire_frame(w, HF_FRAME_GOAWAY, 0, 0, "\0\0\0\5\0\0\0\0", 8);
}

static void build_bad_response(wire *w)
{
    wire_frame(w, HF_FRAME_SETTINGS, 0, 0, NULL, 0);
    wire_data(w, 1, 0, "no head");
    wire_headers(w, 3, RIG_END, ":status: 20\n");
    wire_headers(w, 5, RIG_MORE, ":status: 200\ncontent-length: 1\n");
    wire_data(w, 5, HF_FLAG_END_STREAM, "two");
    wire_headers(w, 7, RIG_END, ":status: 200\n");
}

static const input inputs[] = {
    { "get", RIG_ECHO, build_get }, { "get", RIG_STREAM, build_get }, { "get", RIG_EARLY, build_get },
    { "bodies", RIG_ECHO, build_bodies }, { "bodies", RIG_EARLY, build_bodies }, { "bodies", RIG_SILENT, build_bodies },
    { "bodies", RIG_STREAM, build_bodies },
    { "continued", RIG_ECHO, build_continued }, { "control", RIG_ECHO, build_control },
    { "control", RIG_STREAM, build_control }, { "connect", RIG_SILENT, build_connect }, { "connect", RIG_ECHO, build_connect },
    { "malformed", RIG_ECHO, build_malformed }, { "malformed", RIG_EARLY, build_malformed },
    { "fault", RIG_ECHO, build_fault }, { "no preface", RIG_ECHO, build_no_preface }, { "cut", RIG_ECHO, build_cut },
    { "empty", RIG_ECHO, build_empty }, { "responses", RIG_CLIENT, build_responses }, { "bad response", RIG_CLIENT, build_bad_response },
    { "empty", RIG_CLIENT, build_empty },
};

static bool open_input(rig *r, const hf_env *env, const input *in)
{
    if (!rig_open(r, env, in->app))
        return false;
    if (in->app == RIG_CLIENT) {
        rig_ask(r, "GET", "/1", HF_LENGTH_NONE);
        rig_ask(r, "HEAD", "/3", HF_LENGTH_NONE);
        const hf_http2_stream id = rig_ask(r, "POST", "/5", HF_LENGTH_UNKNOWN);
        rig_put(r, id, hf_text("some body"));
        (void)rig_end(r, id).code;
    }
    return true;
}

static size_t most_held(const hf_limits *l)
{
    return 4096 + 40 * 1024 + (size_t)(2 * l->http2_connection_window_bytes + 2 * l->http2_output_bytes);
}

/* ---- running ------------------------------------------------------------------------------------------------ */

typedef struct outcome {
    char *log;
    uint8_t *out;
    size_t log_length, out_length;
    uint64_t tokens;
    hf_step last;
    int32_t fault;
} outcome;

static void free_outcome(outcome *o)
{
    free(o->log);
    free(o->out);
}

static void check_wake(rig *r)
{
    if (r->last == HF_IDLE && rig_emit_once(r, 4096, 16, UINT64_MAX) == 0)
        assert_true(hf_time_before(r->now, hf_http2_wake(r->h)));
}

static void check_sticky(rig *r)
{
    const hf_step last = r->last;
    if (last != HF_CLOSED && last != HF_FAULT)
        return;
    for (int i = 0; i < 3; i++) {
        r->now = hf_time_after(r->now, HF_SECONDS(100));
        assert_int_equal(rig_feed(r, (const uint8_t *)hf_http2_preface, HF_PREFACE_BYTES, i == 2), last);
        assert_int_equal(r->in.used, 0);
        assert_true(hf_http2_wake(r->h).ns == HF_NEVER_NS);
    }
    rig_emit(r);
}

typedef size_t slicer(void *ctx, size_t at, size_t length);
static wire w;

static outcome run(const input *in, slicer *cut, void *ctx)
{
    hf_test_world world;
    rig r;
    hf_test_world_init(&world, 1);
    assert_true(open_input(&r, &world.env, in));
    rig_feed_cut(&r, hf_bytes_make(w.bytes, w.length), false, cut, ctx);
    rig_emit(&r);
    rig_feed(&r, r.pending, r.pending_length, false);
    check_wake(&r);
    rig_feed(&r, r.pending, r.pending_length, true);
    rig_emit(&r);
    outcome o = { .log_length = r.log_length, .out_length = r.out_length, .tokens = r.tokens, .last = r.last,
                  .fault = hf_http2_fault(r.h)->err.code };
    o.log = malloc(r.log_length + 1);
    o.out = malloc(r.out_length + 1);
    memcpy(o.log, r.log, r.log_length + 1);
    memcpy(o.out, r.out, r.out_length);
    check_sticky(&r);
    assert_true(world.memory.most <= most_held(&world.limits));
    assert_true(r.tokens == r.tokens_put || (r.tokens < r.tokens_put && o.last == HF_IDLE)); /* what waits for a window stays */
    rig_close(&r);
    hf_test_world_fini(&world);
    return o;
}

static void same(const input *in, const outcome *a, outcome *b, const char *how, size_t which)
{
    const bool equal = a->log_length == b->log_length && memcmp(a->log, b->log, a->log_length) == 0 && a->out_length == b->out_length &&
                       memcmp(a->out, b->out, a->out_length) == 0 && a->tokens == b->tokens && a->last == b->last &&
                       a->fault == b->fault;
    if (!equal)
        fail_msg("%s (%d), %s %zu:\n%s--- %d %s %zu\n%s--- %d %s %zu", in->name, in->app, how, which, a->log, a->last,
                 hf_err_text(hf_err_make(a->fault)), a->out_length, b->log, b->last, hf_err_text(hf_err_make(b->fault)), b->out_length);
    free_outcome(b);
}

static size_t cut_once(void *ctx, size_t at, size_t length)
{
    const size_t where = *(size_t *)ctx;
    return at < where ? where : length;
}

static size_t cut_by_one(void *ctx, size_t at, size_t length)
{
    (void)ctx, (void)length;
    return at + 1;
}

static size_t cut_at_random(void *ctx, size_t at, size_t length)
{
    const size_t next = at + 1 + (size_t)hf_random_below(ctx, hf_random_chance(ctx, 500000) ? 4 : 64);
    return next < length ? next : length;
}

static void build(const input *in)
{
    w.length = 0;
    in->build(&w);
}

/* ---- the laws ----------------------------------------------------------------------------------------------- */

static void any_slicing_gives_the_same_events_and_output(void **state)
{
    (void)state;
    hf_random random;
    hf_random_seed(&random, 42);
    for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++) {
        build(in);
        outcome whole = run(in, NULL, NULL), one = run(in, cut_by_one, NULL);
        same(in, &whole, &one, "byte by byte", 0);
        for (size_t at = 1; at < w.length; at++) {
            outcome two = run(in, cut_once, &at);
            same(in, &whole, &two, "cut at", at);
        }
        for (size_t i = 0; i < 200; i++) {
            outcome many = run(in, cut_at_random, &random);
            same(in, &whole, &many, "slicing", i);
        }
        free_outcome(&whole);
    }
}

static uint64_t trace_of(const input *in, size_t cut)
{
    hf_test_world world;
    rig r;
    hf_trace_hash hash;
    hf_test_world_init(&world, 1);
    hf_trace_hash_init(&hash);
    world.env.trace = &hash.sink;
    assert_true(open_input(&r, &world.env, in));
    rig_feed_cut(&r, hf_bytes_make(w.bytes, w.length), true, cut_once, &cut);
    rig_emit(&r);
    assert_true(hash.records > 0 || w.length == 0);
    rig_close(&r);
    hf_test_world_fini(&world);
    return hash.value;
}

static void the_same_input_gives_the_same_trace_however_it_is_cut(void **state)
{
    (void)state;
    for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++) {
        build(in);
        assert_int_equal(trace_of(in, w.length / 2), trace_of(in, w.length / 3));
    }
}

static size_t run_failing(const input *in, size_t fail_at, bool fail_on)
{
    hf_test_world world;
    rig r;
    hf_test_world_init(&world, 1);
    world.memory.fail_at = fail_at;
    world.memory.fail_on = fail_on;
    if (open_input(&r, &world.env, in)) {
        rig_feed_cut(&r, hf_bytes_make(w.bytes, w.length), true, NULL, NULL);
        rig_emit(&r);
        check_sticky(&r);
        rig_close(&r);
    }
    hf_test_world_fini(&world);
    return world.memory.calls;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++) {
        build(in);
        const size_t calls = run_failing(in, 0, false);
        assert_true(calls > 0 && calls < 1000);
        for (size_t i = 1; i <= calls; i++) {
            run_failing(in, i, false);
            run_failing(in, i, true);
        }
    }
}

static void wake_lies_ahead_whenever_the_core_is_idle(void **state)
{
    (void)state;
    for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++) {
        hf_test_world world;
        rig r;
        build(in);
        hf_test_world_init(&world, 1);
        assert_true(open_input(&r, &world.env, in));
        size_t done = 0;
        for (size_t shown = 1; shown <= w.length; shown++) {
            rig_feed(&r, w.bytes + done, shown - done, false);
            done = shown - r.pending_length;
            rig_emit(&r);
            rig_run(&r);
            check_wake(&r);
            r.now = hf_time_after(r.now, HF_MILLISECONDS(1 + shown % 30));
        }
        /* then nothing comes: time alone must end it, or leave it waiting for the application */
        for (int i = 0; i < 100 && r.last == HF_IDLE; i++) {
            check_wake(&r);
            const hf_time wake = hf_http2_wake(r.h);
            if (wake.ns == HF_NEVER_NS)
                break;
            r.now = wake;
            rig_run(&r);
            rig_emit(&r);
            rig_run(&r);
            assert_true(i < 90);
        }
        rig_close(&r);
        hf_test_world_fini(&world);
    }
}

static void output_is_the_same_bodies_whatever_room_it_finds(void **state)
{
    (void)state;
    for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++)
        for (size_t size = 16; size < 200; size += 7) {
            hf_test_world world;
            rig r;
            build(in);
            hf_test_world_init(&world, 1);
            assert_true(open_input(&r, &world.env, in));
            rig_feed_cut(&r, hf_bytes_make(w.bytes, w.length), false, NULL, NULL);
            outcome whole = run(in, NULL, NULL);
            for (int i = 0; rig_emit_once(&r, size, 2 + size % 5, size + 3) > 0; i++)
                assert_true(i < 10000);
            rig other = r;
            other.out = whole.out;
            other.out_length = whole.out_length;
            for (uint32_t id = 1; id < 12; id++)
                assert_int_equal(rig_body_sent(&r, id), rig_body_sent(&other, id));
            assert_int_equal(r.tokens, whole.tokens);
            free_outcome(&whole);
            rig_close(&r);
            hf_test_world_fini(&world);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_slicing_gives_the_same_events_and_output),
        cmocka_unit_test(the_same_input_gives_the_same_trace_however_it_is_cut),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(wake_lies_ahead_whenever_the_core_is_idle),
        cmocka_unit_test(output_is_the_same_bodies_whatever_room_it_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
