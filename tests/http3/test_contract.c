/* SPDX-License-Identifier: Apache-2.0
 *
 * The laws of pier.h, held over the http3 core, server and client: one row an input, one function a law. An input is what
 * its lanes bring, in order.
 */
#include "http3/rig.h"

#include "random.h"

/* ---- the inputs --------------------------------------------------------------------------------------------- */

enum { SEGMENTS = 32 };
typedef struct segment {
    hf_lane lane;
    size_t begin, end;
    bool fin;
    int64_t reset, stop; /* of the lane behind it, -1: none */
} segment;

static wire w;
static segment segments[SEGMENTS];
static size_t segment_count, total;

/* What was built since the last one belongs to this lane. */
static segment *lane(hf_lane id, bool fin)
{
    segment *const s = &segments[segment_count];
    assert_true(segment_count < SEGMENTS);
    *s = (segment){ id, segment_count > 0 ? segments[segment_count - 1].end : 0, w.length, fin, -1, -1 };
    segment_count++;
    return s;
}

static void settings(bool server)
{
    wire_int(&w, HF_H3_STREAM_CONTROL);
    wire_frame(&w, HF_H3_SETTINGS, "\1\x50\0\7\4\6\x80\1\0\0\x21\0", 12);
    lane(server ? RIG_CONTROL : RIG_CONTROL + 1, false);
}

typedef struct input {
    const char *name;
    rig_app app;
    void (*build)(void);
} input;

static void build_get(void)
{
    settings(true);
    wire_headers(&w, RIG_REQUEST("GET", "/a?b=c") "accept: */*\ncookie: a=b\ncookie: c=d\nx: y\n");
    lane(0, true);
    wire_headers(&w, RIG_GET);
    lane(4, true);
}

static void build_bodies(void)
{
    settings(true);
    wire_headers(&w, RIG_POST "content-length: 11\nexpect: 100-continue\n");
    wire_data(&w, "hello");
    lane(0, false);
    wire_headers(&w, RIG_POST);
    wire_data(&w, "other");
    wire_data(&w, "");
    lane(4, false);
    wire_data(&w, " world");
    lane(0, true);
    wire_frame(&w, 0x21, "grease", 6);
    wire_data(&w, "abc");
    wire_headers(&w, "checksum: 1\n");
    wire_frame(&w, 0x40, "more", 4);
    lane(4, true);
}

static void build_control(void)
{
    settings(true);
    wire_headers(&w, RIG_POST "priority: u=1, i\n");
    wire_data(&w, "body");
    lane(0, true);
    wire_frame(&w, HF_H3_PRIORITY_UPDATE, "\4u=0", 4);
    wire_frame(&w, HF_H3_PRIORITY_UPDATE, "\0u=7", 4);
    wire_number(&w, HF_H3_MAX_PUSH_ID, 3);
    wire_frame(&w, 0xbb, "unknown", 7);
    wire_number(&w, HF_H3_GOAWAY, 0);
    lane(RIG_CONTROL, false);
    wire_headers(&w, RIG_GET);
    lane(4, false)->reset = HF_HTTP3_REQUEST_CANCELLED;
    wire_headers(&w, RIG_GET);
    lane(8, true)->stop = HF_HTTP3_REQUEST_CANCELLED;
    wire_int(&w, 0x21);
    wire_bytes(&w, "greasy", 6);
    lane(14, false);
}

static void build_connect(void)
{
    wire_headers(&w, ":method: CONNECT\n:authority: a:443\n");
    wire_data(&w, "bytes");
    lane(0, true);
    settings(true);
    wire_headers(&w, ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat\n:authority: a\n");
    wire_data(&w, "frames");
    lane(4, false);
}

static void build_malformed(void)
{
    settings(true);
    wire_headers(&w, RIG_GET "Upper: case\n");
    lane(0, true);
    wire_headers(&w, RIG_POST "content-length: 3\n");
    wire_data(&w, "four");
    wire_data(&w, "ignored");
    lane(4, true);
    wire_headers(&w, ":method: GET\n");
    lane(8, true);
    wire_headers(&w, RIG_GET);
    wire_data(&w, "a body that has no meaning");
    lane(12, true);
    wire_headers(&w, RIG_POST "content-length: 5\n");
    wire_data(&w, "four");
    lane(16, true);
    lane(20, true);
    wire_headers(&w, RIG_GET);
    lane(24, true);
}

static void build_fault(void)
{
    settings(true);
    wire_headers(&w, RIG_GET);
    lane(0, true);
    wire_data(&w, "no head");
    lane(4, true);
    wire_headers(&w, RIG_GET);
    lane(8, true);
}

static void build_cut(void)
{
    settings(true);
    wire_headers(&w, RIG_POST);
    wire_data(&w, "cut in mid");
    w.length -= 4;
    lane(0, true);
}

/* The dynamic table: a section that waits for its entry, and one that need not. */
static void build_blocked(void)
{
    settings(true);
    static const uint8_t section[] = "\2\0\xd1\xd7\xc1\x50\1a\x80"; /* GET https / a, then entry 0 */
    wire_frame(&w, HF_H3_HEADERS, section, sizeof section - 1);
    lane(0, true);
    wire_headers(&w, RIG_GET);
    lane(4, true);
    wire_int(&w, HF_H3_STREAM_ENCODER);
    wire_bytes(&w, "\x3f\xe1\1\x43xyz\3abc\x43pqr\3stu", 19);
    lane(RIG_ENCODER, false);
    wire_int(&w, HF_H3_STREAM_DECODER);
    lane(RIG_DECODER, false);
}

static void build_bad_qpack(void)
{
    settings(true);
    wire_frame(&w, HF_H3_HEADERS, "\0\0\x80", 3);
    lane(0, true);
}

static void build_empty(void)
{
}

static void build_responses(void)
{
    settings(false);
    wire_headers(&w, ":status: 103\nlink: x\n");
    wire_headers(&w, ":status: 200\ncontent-length: 5\n");
    wire_data(&w, "he");
    lane(0, false);
    wire_headers(&w, ":status: 200\ncontent-length: 500\n");
    lane(4, true);
    uint8_t promise[256] = { 1 };
    const size_t n = 1 + wire_section(RIG_GET, promise + 1, sizeof promise - 1);
    wire_headers(&w, ":status: 200\n");
    wire_frame(&w, HF_H3_PUSH_PROMISE, promise, n);
    wire_data(&w, "streamed");
    wire_headers(&w, "t: u\n");
    lane(8, true);
    wire_int(&w, HF_H3_STREAM_PUSH);
    wire_int(&w, 1);
    wire_headers(&w, ":status: 200\n");
    wire_data(&w, "pushed");
    lane(15, true);
    wire_data(&w, "llo");
    lane(0, true);
    wire_number(&w, HF_H3_CANCEL_PUSH, 2);
    wire_number(&w, HF_H3_GOAWAY, 12);
    lane(RIG_CONTROL + 1, false);
}

static void build_bad_response(void)
{
    settings(false);
    wire_headers(&w, ":status: 20\n");
    lane(0, true);
    wire_headers(&w, ":status: 200\ncontent-length: 1\n");
    wire_data(&w, "two");
    lane(8, true);
    lane(4, false)->reset = HF_HTTP3_REQUEST_REJECTED;
    wire_int(&w, HF_H3_STREAM_PUSH);
    lane(15, true);
}

static const input inputs[] = {
    { "get", RIG_ECHO, build_get }, { "get", RIG_STREAM, build_get }, { "get", RIG_EARLY, build_get }, { "get", RIG_STUCK, build_get },
    { "bodies", RIG_ECHO, build_bodies }, { "bodies", RIG_EARLY, build_bodies }, { "bodies", RIG_SILENT, build_bodies },
    { "bodies", RIG_STREAM, build_bodies },
    { "control", RIG_ECHO, build_control }, { "control", RIG_STREAM, build_control }, { "connect", RIG_SILENT, build_connect },
    { "connect", RIG_ECHO, build_connect }, { "malformed", RIG_ECHO, build_malformed }, { "malformed", RIG_EARLY, build_malformed },
    { "fault", RIG_ECHO, build_fault }, { "cut", RIG_ECHO, build_cut }, { "blocked", RIG_ECHO, build_blocked },
    { "blocked", RIG_SILENT, build_blocked }, { "bad qpack", RIG_ECHO, build_bad_qpack }, { "empty", RIG_ECHO, build_empty },
    { "responses", RIG_CLIENT, build_responses }, { "bad response", RIG_CLIENT, build_bad_response }, { "empty", RIG_CLIENT, build_empty },
};

static void build(const input *in)
{
    w.length = segment_count = 0;
    in->build();
    total = w.length;
}

static bool open_input(rig *r, const hf_env *env, const input *in)
{
    if (!rig_open(r, env, in->app))
        return false;
    if (in->app == RIG_CLIENT) {
        (void)rig_ask(r, 0, "GET", "/1", HF_LENGTH_NONE).code;
        (void)rig_ask(r, 4, "HEAD", "/3", HF_LENGTH_NONE).code;
        if (rig_ask(r, 8, "POST", "/5", HF_LENGTH_UNKNOWN).code == 0) {
            rig_put(r, 8, hf_text("some body"));
            (void)rig_end(r, 8).code;
        }
    }
    return true;
}

/* ---- running ------------------------------------------------------------------------------------------------ */

typedef size_t slicer(void *ctx, size_t at, size_t length);

/* Feeds all segments, cut where `cut` says: it returns the next end in the whole input, given the last one. */
static void feed(rig *r, slicer *cut, void *ctx)
{
    for (const segment *s = segments; s < segments + segment_count; s++) {
        size_t at = s->begin;
        while (cut != NULL && at < s->end) {
            size_t next = cut(ctx, at, total);
            next = next < s->end ? next : s->end;
            rig_feed(r, s->lane, w.bytes + at, next - at, false);
            at = next;
        }
        rig_feed(r, s->lane, w.bytes + at, s->end - at, s->fin);
        if (s->reset >= 0)
            hf_http3_lane_ended(r->h, r->now, s->lane, (hf_ending){ HF_ENDING_RESET, (uint64_t)s->reset });
        if (s->stop >= 0)
            hf_http3_lane_ended(r->h, r->now, s->lane, (hf_ending){ HF_ENDING_STOP, (uint64_t)s->stop });
        rig_run(r, HF_HTTP3_NO_LANE);
    }
}

typedef struct outcome {
    char *log; /* what happened, then what was written */
    size_t log_length;
    uint64_t tokens;
    hf_step last;
    int32_t fault;
} outcome;

static void check_wake(rig *r)
{
    if (rig_run(r, HF_HTTP3_NO_LANE) == HF_IDLE && !hf_http3_next(r->h, r->now, &(hf_http3_turn){ 0 }))
        assert_true(hf_time_before(r->now, hf_http3_wake(r->h)));
}

static void check_sticky(rig *r)
{
    const hf_step last = r->last;
    if (last != HF_CLOSED && last != HF_FAULT)
        return;
    for (int i = 0; i < 3; i++) {
        r->now = hf_time_after(r->now, HF_SECONDS(100));
        assert_int_equal(rig_feed(r, 100, "bytes", 5, i == 2), last);
        assert_true(hf_http3_wake(r->h).ns == HF_NEVER_NS);
    }
    rig_emit(r);
}

/* Everything a rig saw, as bytes. */
static outcome write_down(rig *r)
{
    outcome o = { .tokens = r->tokens, .last = r->last, .fault = hf_http3_fault(r->h)->err.code };
    for (int i = 0; i < RIG_LANES; i++) {
        const rig_lane *const l = &r->lanes[i];
        if (!l->used)
            continue;
        rig_log_number(r, "\n", (int64_t)l->id);
        rig_log_number(r, l->fin_out ? " fin " : " ", (int64_t)l->out_length);
        rig_log_number(r, " reset ", l->reset);
        rig_log_number(r, " stop ", l->stop);
        for (size_t k = 0; k < l->out_length; k++) {
            char hex[4];
            snprintf(hex, sizeof hex, " %02x", l->out[k]);
            rig_log(r, hex, hf_text(""));
        }
    }
    o.log = malloc(r->log_length + 1);
    o.log_length = r->log_length;
    memcpy(o.log, r->log, r->log_length + 1);
    return o;
}

static outcome run(const input *in, slicer *cut, void *ctx)
{
    hf_test_world world;
    rig r;
    hf_test_world_init(&world, 1);
    assert_true(open_input(&r, &world.env, in));
    feed(&r, cut, ctx);
    rig_emit(&r);
    rig_run(&r, HF_HTTP3_NO_LANE);
    check_wake(&r);
    outcome o = write_down(&r);
    check_sticky(&r);
    assert_true(world.memory.most <= 64 * 1024 + 2 * world.limits.http3_output_bytes);
    assert_int_equal(r.tokens, r.tokens_put);
    rig_close(&r);
    hf_test_world_fini(&world);
    return o;
}

static void same(const input *in, const outcome *a, outcome *b, const char *how, size_t which)
{
    const bool equal = a->log_length == b->log_length && memcmp(a->log, b->log, a->log_length) == 0 && a->tokens == b->tokens &&
                       a->last == b->last && a->fault == b->fault;
    if (!equal)
        fail_msg("%s (%d), %s %zu:\n%s--- %d %s\n%s--- %d %s", in->name, in->app, how, which, a->log, a->last,
                 hf_err_text(hf_err_make(a->fault)), b->log, b->last, hf_err_text(hf_err_make(b->fault)));
    free(b->log);
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

/* ---- the laws ----------------------------------------------------------------------------------------------- */

static void any_slicing_of_any_lane_gives_the_same_events_and_output(void **state)
{
    (void)state;
    hf_random random;
    hf_random_seed(&random, 42);
    for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++) {
        build(in);
        outcome whole = run(in, NULL, NULL), one = run(in, cut_by_one, NULL);
        same(in, &whole, &one, "byte by byte", 0);
        for (size_t at = 1; at < total; at++) {
            outcome two = run(in, cut_once, &at);
            same(in, &whole, &two, "cut at", at);
        }
        for (size_t i = 0; i < 100; i++) {
            outcome many = run(in, cut_at_random, &random);
            same(in, &whole, &many, "slicing", i);
        }
        free(whole.log);
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
    feed(&r, cut_once, &cut);
    rig_emit(&r);
    assert_true(hash.records > 0 || total == 0);
    rig_close(&r);
    hf_test_world_fini(&world);
    return hash.value;
}

static void the_same_input_gives_the_same_trace_however_it_is_cut(void **state)
{
    (void)state;
    for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++) {
        build(in);
        assert_int_equal(trace_of(in, total / 2), trace_of(in, total / 3));
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
        feed(&r, NULL, NULL);
        rig_emit(&r);
        rig_run(&r, HF_HTTP3_NO_LANE);
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
        for (const segment *s = segments; s < segments + segment_count; s++)
            for (size_t at = s->begin; at < s->end; at++) {
                rig_feed(&r, s->lane, w.bytes + at, 1, s->fin && at + 1 == s->end);
                rig_emit(&r);
                check_wake(&r);
                r.now = hf_time_after(r.now, HF_MILLISECONDS(1 + at % 30));
            }
        rig_emit(&r);
        rig_run(&r, HF_HTTP3_NO_LANE);
        /* then nothing comes: time alone must end it, or leave it waiting for the application */
        for (int i = 0; i < 100 && r.last == HF_IDLE; i++) {
            check_wake(&r);
            const hf_time wake = hf_http3_wake(r.h);
            if (wake.ns == HF_NEVER_NS)
                break;
            r.now = wake;
            rig_run(&r, HF_HTTP3_NO_LANE);
            rig_emit(&r);
            rig_run(&r, HF_HTTP3_NO_LANE);
            assert_true(i < 90);
        }
        rig_close(&r);
        hf_test_world_fini(&world);
    }
}

static void output_is_the_same_whatever_room_it_finds(void **state)
{
    (void)state;
    for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++)
        for (size_t size = 1; size < 200; size += 7) {
            hf_test_world world;
            rig r;
            build(in);
            outcome whole = run(in, NULL, NULL);
            hf_test_world_init(&world, 1);
            assert_true(open_input(&r, &world.env, in));
            feed(&r, NULL, NULL);
            for (int i = 0; rig_emit_once(&r, size, 1 + size % 5, size + 3); i++)
                assert_true(i < 10000);
            rig_run(&r, HF_HTTP3_NO_LANE);
            outcome small = write_down(&r);
            same(in, &whole, &small, "room for", size);
            free(whole.log);
            rig_close(&r);
            hf_test_world_fini(&world);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_slicing_of_any_lane_gives_the_same_events_and_output),
        cmocka_unit_test(the_same_input_gives_the_same_trace_however_it_is_cut),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(wake_lies_ahead_whenever_the_core_is_idle),
        cmocka_unit_test(output_is_the_same_whatever_room_it_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
