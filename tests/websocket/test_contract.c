/* SPDX-License-Identifier: Apache-2.0
 *
 * The laws of pier.h over the WebSocket core, as server and client, gathering and in pieces, with and without compression.
 */
#include "rig.h"

#include "random.h"
#include "trace.h"
#include "websocket_core.h"

typedef struct frame {
    uint8_t first;
    hf_bytes payload;
} frame;

#define F(first, text) { first, HF_LITERAL(text) }
#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"

typedef struct input {
    const char *name;
    frame frames[8];
} input;

static const input inputs[] = {
    { "messages", { F(0x81, "Hello"), F(0x82, "\x00\x01\x02"), F(0x81, ""), F(0x89, "ping"), F(0x8a, "") } },
    { "fragments", { F(0x01, "H\xc3"), F(0x89, "x"), F(0x00, "\xa9"), F(0x00, ""), F(0x80, "llo \xf0\x9f\x98\x80"), F(0x82, "end") } },
    { "close", { F(0x81, "bye"), F(0x88, "\x03\xe9going away"), F(0x81, "never") } },
    { "deflated", { F(0xc1, HELLO), F(0x41, "\xf2\x48"), F(0x89, "y"), F(0x80, "\xcd\xc9\xc9\x07\x00"), F(0xc2, "\xf2\x00\x11\x00\x00") } },
    { "deflated and broken", { F(0xc1, HELLO), F(0xc1, "\xf2\x48\xcd\xff\xff\xff") } },
    { "deflated and no text", { F(0x41, "\x00\x03\x00\xfc\xff""ab\xff"), F(0x80, "\x00") } },
    { "bad UTF-8", { F(0x01, "good"), F(0x00, "still good \xe2\x82"), F(0x80, "bad") } },
    { "cut character", { F(0x81, "abc\xe2\x82") } },
    { "reserved", { F(0x81, "a"), F(0xb1, "b") } },
    { "opcode", { F(0x82, "a"), F(0x83, "b") } },
    { "sequence", { F(0x01, "a"), F(0x81, "b") } },
    { "control", { F(0x09, "cut") } },
    { "close code", { F(0x88, "\x03\xec") } },
    { "close reason", { F(0x88, "\x03\xe8\xff") } },
};

typedef struct way {
    bool server, deflate;
    rig_app app;
} way;

static const way ways[] = {
    { true, false, RIG_ECHO }, { true, true, RIG_ECHO }, { true, true, RIG_PIECES }, { true, false, RIG_PIECES },
    { false, false, RIG_ECHO }, { false, true, RIG_ECHO }, { false, true, RIG_PIECES },
};

/* libcrypto's memory is not counted: the crypto for masks is of a world of its own, the same for every run. */
typedef struct stage {
    hf_test_world world, other;
    uint32_t count;
    hf_entropy entropy;
    hf_crypto *crypto;
    rig r;
    bytes wire;
} stage;

static bool stage_open(stage *s, const way *y, const input *in, const hf_trace_sink *sink, size_t fail_at, bool fail_on)
{
    memset(s, 0, sizeof *s);
    hf_test_world_init(&s->world, 1);
    hf_test_world_init(&s->other, 1);
    s->entropy = (hf_entropy){ rig_entropy, &s->count };
    s->crypto = y->server ? NULL : hf_crypto_new(&s->other.env, &s->entropy);
    s->world.env.trace = sink;
    s->world.memory.fail_at = fail_at;
    s->world.memory.fail_on = fail_on;
    for (size_t i = 0; i < HF_COUNT(in->frames) && in->frames[i].first != 0; i++)
        peer_frame(&s->wire, y->server, in->frames[i].first, in->frames[i].payload);
    const hf_websocket_options options = { .deflate = { .on = y->deflate }, .crypto = s->crypto, .compress_from = 4 };
    return rig_open(&s->r, &s->world.env, y->server, y->app, &options);
}

static hf_bytes wire_of(const stage *s)
{
    return hf_bytes_make(s->wire.ptr, s->wire.len);
}

/* ENDED and FAILED are sticky, and eat nothing. */
static void check_sticky(stage *s)
{
    const hf_step last = s->r.last;
    for (int i = 0; i < 3 && (last == HF_CLOSED || last == HF_FAULT); i++) {
        s->r.now = hf_time_after(s->r.now, HF_SECONDS(100));
        assert_int_equal(rig_feed(&s->r, (const uint8_t *)"\x81\x80zzzz", 6, i == 2), 6);
        assert_int_equal(s->r.last, last);
        assert_int_equal(hf_websocket_wake(s->r.w).ns, HF_NEVER_NS);
    }
}

static void stage_close(stage *s)
{
    bytes_free(&s->wire);
    rig_close(&s->r);
    hf_crypto_free(s->crypto);
    hf_test_world_fini(&s->other);
    hf_test_world_fini(&s->world);
}

typedef struct outcome {
    char log[RIG_LOG];
    bytes out;
    hf_step last;
    int32_t fault;
    uint64_t offset;
} outcome;

typedef size_t slicer(void *ctx, size_t at, size_t length);

static void run(const way *y, const input *in, slicer *cut, void *ctx, outcome *o)
{
    stage s;
    assert_true(stage_open(&s, y, in, NULL, 0, false));
    rig_feed_cut(&s.r, wire_of(&s), true, cut, ctx);
    rig_emit(&s.r);
    memcpy(o->log, s.r.log, sizeof o->log);
    o->out = s.r.out;
    s.r.out = (bytes){ 0 };
    o->last = s.r.last;
    o->fault = hf_websocket_fault(s.r.w)->err.code;
    o->offset = hf_websocket_fault(s.r.w)->offset;
    check_sticky(&s);
    assert_true(s.r.last == HF_CLOSED || s.r.last == HF_FAULT);
    stage_close(&s);
}

/* Pieces that come in other slices leave in other frames: of those only the payload is compared, by the events. */
static void same(const way *y, const input *in, const outcome *a, outcome *b, const char *how, size_t which)
{
    const bool output = y->app == RIG_PIECES || (a->out.len == b->out.len && (a->out.len == 0 || memcmp(a->out.ptr, b->out.ptr, a->out.len) == 0));
    if (strcmp(a->log, b->log) != 0 || !output || a->last != b->last || a->fault != b->fault || a->offset != b->offset)
        fail_msg("%s as %s, %s %zu:\n%s--- %d %s at %d\n%s--- %d %s at %d", in->name, y->server ? "server" : "client", how, which, a->log, a->last,
                 hf_err_text(hf_err_make(a->fault)), (int)a->offset, b->log, b->last, hf_err_text(hf_err_make(b->fault)), (int)b->offset);
    bytes_free(&b->out);
}

static size_t cut_once(void *ctx, size_t at, size_t length)
{
    const size_t where = *(size_t *)ctx;
    return at < where && where < length ? where : length;
}

static size_t cut_at_random(void *ctx, size_t at, size_t length)
{
    const size_t next = at + 1 + (size_t)hf_random_below(ctx, hf_random_chance(ctx, 500000) ? 3 : 30);
    return next < length ? next : length;
}

static void any_slicing_gives_the_same_events_and_output(void **state)
{
    (void)state;
    static outcome whole, other;
    hf_random random;
    hf_random_seed(&random, 42);
    for (const way *y = ways; y < ways + HF_COUNT(ways); y++)
        for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++) {
            run(y, in, NULL, NULL, &whole);
            run(y, in, cut_by_one, NULL, &other);
            same(y, in, &whole, &other, "byte by byte", 0);
            for (size_t at = 1; at < 70; at++) {
                run(y, in, cut_once, &at, &other);
                same(y, in, &whole, &other, "cut at", at);
            }
            for (size_t i = 0; i < 30; i++) {
                run(y, in, cut_at_random, &random, &other);
                same(y, in, &whole, &other, "slicing", i);
            }
            bytes_free(&whole.out);
        }
}

static uint64_t trace_of(const way *y, const input *in)
{
    stage s;
    hf_trace_hash hash;
    hf_trace_hash_init(&hash);
    assert_true(stage_open(&s, y, in, &hash.sink, 0, false));
    rig_feed_cut(&s.r, wire_of(&s), true, NULL, NULL);
    rig_emit(&s.r);
    assert_true(hash.records > 0);
    stage_close(&s);
    return hash.value;
}

static void the_same_input_gives_the_same_trace(void **state)
{
    (void)state;
    for (const way *y = ways; y < ways + HF_COUNT(ways); y++)
        for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++)
            assert_int_equal(trace_of(y, in), trace_of(y, in));
}

static size_t run_failing(const way *y, const input *in, size_t fail_at, bool fail_on, slicer *cut)
{
    stage s;
    if (stage_open(&s, y, in, NULL, fail_at, fail_on)) {
        rig_feed_cut(&s.r, wire_of(&s), true, cut, NULL);
        rig_emit(&s.r);
        check_sticky(&s);
    }
    const size_t calls = s.world.memory.calls;
    stage_close(&s);
    return calls;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (const way *y = ways; y < ways + HF_COUNT(ways); y++)
        for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++)
            for (int cut = 0; cut < 2; cut++) {
                const size_t calls = run_failing(y, in, 0, false, cut ? cut_by_one : NULL);
                assert_true(calls > 0 && calls < 200);
                for (size_t i = 1; i <= calls; i++) {
                    run_failing(y, in, i, false, cut ? cut_by_one : NULL);
                    run_failing(y, in, i, true, cut ? cut_by_one : NULL);
                }
            }
}

static void check_wake(stage *s)
{
    if (s->r.last == HF_IDLE && rig_emit_once(&s->r, 16, UINT64_MAX) == 0)
        if (!hf_time_before(s->r.now, hf_websocket_wake(s->r.w)))
            fail_msg("woken at %lld for %lld:\n%s", (long long)s->r.now.ns, (long long)hf_websocket_wake(s->r.w).ns, s->r.log);
}

static void wake_lies_ahead_whenever_the_core_is_idle(void **state)
{
    (void)state;
    for (const way *y = ways; y < ways + HF_COUNT(ways); y++)
        for (const input *in = inputs; in < inputs + HF_COUNT(inputs); in++) {
            stage s;
            size_t done = 0;
            assert_true(stage_open(&s, y, in, NULL, 0, false));
            for (size_t shown = 1; shown <= s.wire.len; shown++) {
                done = shown - rig_feed(&s.r, s.wire.ptr + done, shown - done, false);
                rig_emit(&s.r);
                rig_feed(&s.r, s.wire.ptr + done, shown - done, false);
                check_wake(&s);
                s.r.now = hf_time_after(s.r.now, HF_MILLISECONDS(1 + shown * 37 % 900));
            }
            rig_feed(&s.r, s.wire.ptr + done, s.wire.len - done, false);
            /* then nothing comes: time alone must end it */
            for (int i = 0; s.r.last == HF_IDLE; i++) {
                assert_true(i < 20);
                check_wake(&s);
                s.r.now = hf_websocket_wake(s.r.w);
                for (int k = 0; k < 2; k++) {
                    rig_feed(&s.r, s.wire.ptr + done, s.wire.len - done, false);
                    rig_emit(&s.r);
                }
            }
            assert_true(s.r.last == HF_FAULT || s.r.last == HF_CLOSED);
            stage_close(&s);
        }
}

static void output_is_the_same_through_any_opening(void **state)
{
    (void)state;
    static const char text[] = "some text, longer than a line of it would be, to be sent in pieces of any size";
    bytes whole = { 0 };
    for (uint64_t room = 1; room < 40; room++) {
        hf_test_world world;
        rig r;
        hf_test_world_init(&world, 1);
        assert_true(rig_open(&r, &world.env, true, RIG_SINK, NULL));
        for (uint64_t i = 1; i <= 6; i++) {
            const hf_err err = i % 2 == 0 ? hf_websocket_send(r.w, HF_WEBSOCKET_TEXT, hf_text(text))
                                          : hf_websocket_send_lent(r.w, HF_WEBSOCKET_BINARY, hf_bytes_make(text, 10 * i - 10), i);
            assert_int_equal(err.code, 0);
        }
        for (int i = 0; i < 10000 && (hf_websocket_unsent(r.w) > 0 || r.tokens < 9); i++)
            rig_emit_once(&r, 1 + room % 3, room);
        assert_int_equal(r.tokens, 1 + 3 + 5);
        if (room == 1)
            bytes_add(&whole, r.out.ptr, r.out.len);
        assert_true(whole.len == r.out.len && memcmp(whole.ptr, r.out.ptr, whole.len) == 0);
        rig_close(&r);
        hf_test_world_fini(&world);
    }
    bytes_free(&whole);
}

static hf_step show(hf_websocket *w, hf_time now, const char *text, size_t n, hf_websocket_event *event)
{
    static uint8_t copy[64]; /* what the event says lies in it */
    assert_true(n <= sizeof copy);
    memcpy(copy, text, n);
    hf_in in = { .ptr = copy, .len = n };
    return hf_websocket_step(w, now, &in, event);
}

/* What was said leaves. */
static void emit_all(hf_websocket *w, hf_time now)
{
    hf_extent pieces[8];
    hf_out out = { .pieces = pieces, .capacity = HF_COUNT(pieces), .room = 1000 };
    (void)hf_websocket_emit(w, now, &out);
    assert_int_equal(hf_websocket_unsent(w), 0);
}

/* A few cores serve many connections: each is what it was, wherever it goes on, and nothing that is under way is put away. */
static void a_core_that_rests_goes_on_in_another(void **state)
{
    (void)state;
    hf_test_world world;
    hf_websocket_event event;
    hf_websocket_rest rest, other;
    hf_test_world_init(&world, 1);
    const hf_websocket_options options = { .message_bytes = 1000 };
    const hf_time begin = hf_time_make(HF_SECONDS(1000)), later = hf_time_after(begin, HF_SECONDS(3));
    hf_websocket *const a = hf_websocket_server_new(&world.env, 1, &options, begin), *const b = hf_websocket_server_new(&world.env, 2, NULL, begin);
    assert_true(hf_websocket_pause(a, &rest)); /* nothing was said yet */
    assert_int_equal(show(a, later, "\x01\x82zzzz", 6, &event), HF_IDLE);
    assert_false(hf_websocket_pause(a, &other)); /* in a frame */
    assert_int_equal(show(a, later, "zz", 2, &event), HF_IDLE);
    assert_false(hf_websocket_pause(a, &other)); /* in a message */
    assert_int_equal(show(a, later, "\x80\x81zzzz\x1b", 7, &event), HF_EVENT);
    assert_false(hf_websocket_pause(a, &other)); /* its bytes are lent */
    assert_int_equal(show(a, later, "", 0, &event), HF_IDLE);
    assert_int_equal(hf_websocket_send(a, HF_WEBSOCKET_TEXT, hf_text("x")).code, 0);
    assert_false(hf_websocket_pause(a, &other)); /* has something to say */
    emit_all(a, later);
    assert_true(hf_websocket_pause(a, &rest));
    assert_int_equal(rest.offset, 15);
    assert_int_equal(rest.heard.ns, later.ns);

    hf_websocket_resume(b, 1, &options, &rest, hf_time_after(later, HF_SECONDS(1)));
    hf_websocket_trim(a);
    assert_int_equal(hf_websocket_rest_wake(&world.env, &options, &rest).ns, hf_websocket_wake(a).ns);
    assert_int_equal(hf_websocket_wake(b).ns, hf_websocket_wake(a).ns);
    assert_int_equal(show(b, hf_time_after(later, HF_SECONDS(2)), "\x81\x81zzzz\x1b", 7, &event), HF_EVENT);
    assert_true(event.begins && event.ends && hf_bytes_equal(event.bytes, hf_text("a")));
    assert_int_equal(show(b, hf_time_after(later, HF_SECONDS(2)), "\x83\x80zzzz", 6, &event), HF_EVENT); /* the place of a fault is the connection's */
    assert_int_equal(event.kind, HF_WEBSOCKET_CLOSED);
    assert_int_equal(hf_websocket_fault(b)->offset, 22);
    assert_false(hf_websocket_pause(b, &other));
    hf_websocket_free(a);
    hf_websocket_free(b);
    hf_test_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_that_rests_goes_on_in_another),
        cmocka_unit_test(any_slicing_gives_the_same_events_and_output),
        cmocka_unit_test(the_same_input_gives_the_same_trace),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(wake_lies_ahead_whenever_the_core_is_idle),
        cmocka_unit_test(output_is_the_same_through_any_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
