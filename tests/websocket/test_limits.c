/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds and time: every limit of a WebSocket is reached, and what lies just below it is not refused. And the closing
 * handshake as the application sees it: who closed, and why.
 */
#include "rig.h"

typedef struct talk {
    hf_test_world world;
    rig r;
    bytes wire;
} talk;

static void talk_begin(talk *t, rig_app app, const hf_websocket_options *options)
{
    memset(t, 0, sizeof *t);
    hf_test_world_init(&t->world, 1);
    assert_true(rig_open(&t->r, &t->world.env, true, app, options));
}

static void talk_end(talk *t)
{
    bytes_free(&t->wire);
    rig_close(&t->r);
    hf_test_world_fini(&t->world);
}

static void say(talk *t, uint8_t first, hf_bytes payload)
{
    t->wire.len = 0;
    peer_frame(&t->wire, true, first, payload);
    rig_feed(&t->r, t->wire.ptr, t->wire.len, false);
}

static void at(talk *t, int64_t ns)
{
    t->r.now = hf_time_after(hf_time_make(HF_SECONDS(1000)), ns);
    rig_feed(&t->r, NULL, 0, false);
}

static void ended(talk *t, int32_t fault, uint16_t code)
{
    if (t->r.last != HF_FAULT || hf_websocket_fault(t->r.w)->err.code != fault || t->r.closed.code != code)
        fail_msg("%d %s, %u", t->r.last, hf_err_text(hf_websocket_fault(t->r.w)->err), t->r.closed.code);
    assert_int_equal(hf_websocket_fault(t->r.w)->err.code, fault);
    talk_end(t);
}

static uint8_t zeros[70000];

static void limit_websocket_message_bytes(void **state)
{
    (void)state;
    talk t;
    for (int app = RIG_ECHO; app <= RIG_PIECES; app++) {
        talk_begin(&t, (rig_app)app, NULL);
        t.world.limits.websocket_message_bytes = 1000;
        say(&t, 0x82, hf_bytes_make(zeros, 1000));
        say(&t, 0x02, hf_bytes_make(zeros, 600));
        say(&t, 0x80, hf_bytes_make(zeros, 400));
        assert_int_equal(t.r.messages, 2);
        say(&t, 0x02, hf_bytes_make(zeros, 600));
        say(&t, 0x80, hf_bytes_make(zeros, 401));
        ended(&t, HF_ERR_WEBSOCKET_MESSAGE_TOO_LARGE, HF_WEBSOCKET_TOO_BIG);
    }
    const hf_websocket_options own = { .message_bytes = 10 };
    talk_begin(&t, RIG_ECHO, &own);
    say(&t, 0x82, hf_bytes_make(zeros, 11));
    ended(&t, HF_ERR_WEBSOCKET_MESSAGE_TOO_LARGE, HF_WEBSOCKET_TOO_BIG);
}

static void limit_websocket_frame_bytes(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_PIECES, NULL);
    t.world.limits.websocket_frame_bytes = 500;
    say(&t, 0x02, hf_bytes_make(zeros, 500));
    say(&t, 0x80, hf_bytes_make(zeros, 500));
    assert_int_equal(t.r.messages, 1);
    say(&t, 0x82, hf_bytes_make(zeros, 501));
    ended(&t, HF_ERR_WEBSOCKET_FRAME_TOO_LARGE, HF_WEBSOCKET_TOO_BIG);
}

static void limit_websocket_empty_frames(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_ECHO, NULL);
    t.world.limits.websocket_empty_frames = 3;
    for (int message = 0; message < 2; message++) { /* counted by the message */
        say(&t, 0x01, hf_text(""));
        say(&t, 0x00, hf_text(""));
        say(&t, 0x00, hf_text(""));
        say(&t, 0x80, hf_text(""));
    }
    assert_int_equal(t.r.messages, 2);
    say(&t, 0x01, hf_text(""));
    for (int i = 0; i < 3; i++)
        say(&t, 0x00, hf_text(""));
    ended(&t, HF_ERR_WEBSOCKET_EMPTY_FLOOD, HF_WEBSOCKET_POLICY);
}

static void limit_websocket_control(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_ECHO, NULL);
    t.world.limits.websocket_control = 10;
    t.world.limits.websocket_control_rate = 1;
    for (int i = 0; i < 10; i++)
        say(&t, i % 2 ? 0x89 : 0x8a, hf_text(""));
    assert_int_equal(t.r.last, HF_IDLE);
    say(&t, 0x89, hf_text(""));
    ended(&t, HF_ERR_WEBSOCKET_CONTROL_FLOOD, HF_WEBSOCKET_POLICY);
}

static void limit_websocket_control_rate(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_ECHO, NULL);
    t.world.limits.websocket_control = 10;
    t.world.limits.websocket_control_rate = 2;
    for (int i = 0; i < 40; i++) { /* at the rate, for ever */
        at(&t, HF_MILLISECONDS(500) * i);
        say(&t, 0x89, hf_text(""));
    }
    assert_int_equal(t.r.last, HF_IDLE);
    for (int i = 0; i < 40 && t.r.last == HF_IDLE; i++) { /* at twice the rate */
        at(&t, HF_MILLISECONDS(20000 + 250 * i));
        say(&t, 0x89, hf_text(""));
    }
    ended(&t, HF_ERR_WEBSOCKET_CONTROL_FLOOD, HF_WEBSOCKET_POLICY);
}

static void a_peer_that_asks_and_does_not_read_is_not_read(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_ECHO, NULL);
    t.world.limits.websocket_control = 1000;
    for (int i = 0; i < 900; i++)
        peer_frame(&t.wire, true, 0x89, hf_bytes_make(zeros, 125));
    hf_websocket_event event;
    size_t used = 0, pings = 0;
    for (;;) {
        hf_in in = { .ptr = t.wire.ptr + used, .len = t.wire.len - used };
        const hf_step step = hf_websocket_step(t.r.w, t.r.now, &in, &event);
        used += in.used;
        if (step == HF_FULL && rig_emit_once(&t.r, 16, UINT64_MAX) > 0)
            continue;
        if (step != HF_EVENT)
            break;
        pings++;
        assert_true(hf_websocket_unsent(t.r.w) < 17000);
    }
    assert_int_equal(pings, 900);
    talk_end(&t);
}

static void limit_websocket_output_bytes(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_SINK, NULL);
    t.world.limits.websocket_output_bytes = 1000;
    assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_BINARY, hf_bytes_make(zeros, 5000)).code, 0); /* alone: any size */
    assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_BINARY, hf_bytes_make(zeros, 1)).code, HF_ERR_BASE_LIMIT);
    rig_emit(&t.r);
    assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_BINARY, hf_bytes_make(zeros, 496)).code, 0);
    assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_BINARY, hf_bytes_make(zeros, 500)).code, 0);
    assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_BINARY, hf_bytes_make(zeros, 500)).code, HF_ERR_BASE_LIMIT);
    rig_emit(&t.r);
    size_t where = 0, frames = 0;
    uint8_t first;
    for (hf_bytes payload; peer_read(&t.r, &where, &first, &payload);)
        frames++;
    assert_int_equal(frames, 3); /* what was refused left nothing behind */
    talk_end(&t);
}

static void limit_websocket_ping_ns(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_SINK, NULL);
    assert_int_equal(hf_websocket_wake(t.r.w).ns, HF_SECONDS(1025));
    at(&t, HF_SECONDS(25) - 1);
    assert_int_equal(hf_websocket_unsent(t.r.w), 0);
    at(&t, HF_SECONDS(25));
    rig_emit(&t.r);
    assert_true(t.r.out.len == 2 && t.r.out.ptr[0] == 0x89);
    say(&t, 0x8a, hf_text(""));
    assert_string_equal(t.r.log, "PONG \n");
    at(&t, HF_MILLISECONDS(25300));
    assert_int_equal(hf_websocket_wake(t.r.w).ns, HF_SECONDS(1050));
    talk_end(&t);
    const hf_websocket_options never = { .ping_ns = -1, .idle_ns = -1 };
    talk_begin(&t, RIG_SINK, &never);
    assert_int_equal(hf_websocket_wake(t.r.w).ns, HF_NEVER_NS);
    talk_end(&t);
}

static void limit_websocket_pong_ns(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_SINK, NULL);
    at(&t, HF_SECONDS(25));
    at(&t, HF_SECONDS(60)); /* it has not left: the peer cannot know */
    assert_int_equal(t.r.last, HF_IDLE);
    rig_emit(&t.r);
    at(&t, HF_SECONDS(80) - 1);
    assert_int_equal(t.r.last, HF_IDLE);
    at(&t, HF_SECONDS(80));
    assert_int_equal(t.r.closed.who, HF_WEBSOCKET_WE);
    ended(&t, HF_ERR_WEBSOCKET_PONG_TIMEOUT, HF_WEBSOCKET_INTERNAL);
}

static void any_byte_is_a_sign_of_life(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_SINK, NULL);
    at(&t, HF_SECONDS(25));
    rig_emit(&t.r);
    t.r.now = hf_time_make(HF_SECONDS(1040));
    say(&t, 0x82, hf_text("x"));
    at(&t, HF_SECONDS(60));
    assert_int_equal(t.r.last, HF_IDLE);
    talk_end(&t);
}

static void limit_websocket_idle_ns(void **state)
{
    (void)state;
    talk t;
    const hf_websocket_options quiet = { .ping_ns = -1 };
    talk_begin(&t, RIG_SINK, &quiet);
    at(&t, HF_SECONDS(7200));
    say(&t, 0x82, hf_text("x"));
    at(&t, HF_SECONDS(7200 + 14400) - 1);
    assert_int_equal(t.r.last, HF_IDLE);
    at(&t, HF_SECONDS(7200 + 14400));
    ended(&t, HF_ERR_WEBSOCKET_IDLE, HF_WEBSOCKET_GOING_AWAY);
}

static void limit_websocket_message_ns(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_SINK, NULL);
    say(&t, 0x02, hf_text("a"));
    for (int s = 10; s < 120; s += 10) {
        at(&t, HF_SECONDS(s));
        say(&t, 0x00, hf_text("b"));
    }
    at(&t, HF_SECONDS(120) - 1);
    assert_int_equal(t.r.last, HF_IDLE);
    at(&t, HF_SECONDS(120));
    ended(&t, HF_ERR_WEBSOCKET_MESSAGE_TIMEOUT, HF_WEBSOCKET_POLICY);
}

static void limit_websocket_close_ns(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_SINK, NULL);
    assert_int_equal(hf_websocket_close(t.r.w, HF_WEBSOCKET_GOING_AWAY, hf_text("restart")).code, 0);
    rig_emit(&t.r);
    at(&t, HF_SECONDS(5) - 1);
    assert_int_equal(t.r.last, HF_IDLE);
    at(&t, HF_SECONDS(5));
    ended(&t, HF_ERR_WEBSOCKET_CLOSE_TIMEOUT, HF_WEBSOCKET_GOING_AWAY);
}

static void our_close_throws_away_what_still_comes_and_ends_with_theirs(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_ECHO, NULL);
    say(&t, 0x01, hf_text("a message half"));
    assert_int_equal(hf_websocket_close(t.r.w, 4000, hf_text("enough")).code, 0);
    assert_int_equal(hf_websocket_close(t.r.w, 4000, hf_text("enough")).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_TEXT, hf_text("more")).code, HF_ERR_BASE_USAGE);
    say(&t, 0x80, hf_text(" said"));
    say(&t, 0x81, hf_text("and more"));
    say(&t, 0x89, hf_text("there?"));
    say(&t, 0x88, hf_text("\x0f\xa0"));
    rig_emit(&t.r);
    assert_string_equal(t.r.log, "PING there?\nCLOSED we 4000 HF-OK no error \n");
    assert_int_equal(t.r.last, HF_CLOSED);
    assert_true(hf_bytes_equal(hf_bytes_make(t.r.out.ptr, t.r.out.len), (hf_bytes)HF_LITERAL("\x88\x08\x0f\xa0""enough")));
    talk_end(&t);
}

static void a_peer_that_leaves_without_a_word_is_1006(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_SINK, NULL);
    rig_feed(&t.r, (const uint8_t *)"\x81", 1, true);
    assert_int_equal(t.r.closed.who, HF_WEBSOCKET_PEER);
    assert_int_equal(hf_websocket_unsent(t.r.w), 0);
    ended(&t, HF_ERR_WEBSOCKET_ABNORMAL, HF_WEBSOCKET_ABNORMAL);
    talk_begin(&t, RIG_SINK, NULL); /* behind our Close that is an answer */
    assert_int_equal(hf_websocket_close(t.r.w, HF_WEBSOCKET_NO_CODE, hf_text("")).code, 0);
    rig_feed(&t.r, NULL, 0, true);
    assert_int_equal(t.r.last, HF_CLOSED);
    assert_int_equal(t.r.closed.code, HF_WEBSOCKET_NO_CODE);
    talk_end(&t);
}

static void what_must_not_leave_is_refused(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, RIG_SINK, NULL);
    static const uint16_t codes[] = { 0, 999, 1004, 1006, 1015, 2000, 5000 };
    for (size_t i = 0; i < HF_COUNT(codes); i++)
        assert_int_equal(hf_websocket_close(t.r.w, codes[i], hf_text("")).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_close(t.r.w, 1000, hf_bytes_make(zeros, 124)).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_close(t.r.w, 1000, hf_text("\xff")).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_close(t.r.w, 1005, hf_text("a")).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_ping(t.r.w, hf_bytes_make(zeros, 126)).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_put(t.r.w, hf_text("a")).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_finish(t.r.w).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_begin(t.r.w, HF_WEBSOCKET_TEXT).code, 0);
    assert_int_equal(hf_websocket_begin(t.r.w, HF_WEBSOCKET_TEXT).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_TEXT, hf_text("a")).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_websocket_finish(t.r.w).code, 0);
    assert_int_equal(hf_websocket_unsent(t.r.w), 2); /* an empty message, and nothing of the rest */
    talk_end(&t);
}

static void an_idle_connection_is_the_struct_and_nothing_else(void **state)
{
    (void)state;
    talk t;
    const hf_websocket_options lean = { .deflate = { .on = true, .server_no_context_takeover = true, .client_no_context_takeover = true } };
    talk_begin(&t, RIG_ECHO, &lean);
    const size_t idle = t.world.memory.held;
    assert_true(idle <= 512);
    say(&t, 0xc1, hf_text("\xf2\x48\xcd\xc9\xc9\x07\x00"));
    assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_BINARY, hf_bytes_make(zeros, sizeof zeros)).code, 0);
    say(&t, 0x02, hf_text("one"));
    say(&t, 0x80, hf_text("two"));
    rig_emit(&t.r);
    assert_true(t.world.memory.held > idle + 100000);
    at(&t, HF_MILLISECONDS(200));
    assert_int_equal(t.world.memory.held, idle);
    say(&t, 0xc1, hf_text("\xf2\x48\xcd\xc9\xc9\x07\x00")); /* and it goes on */
    assert_int_equal(t.r.messages, 3);
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_websocket_message_bytes),
        cmocka_unit_test(limit_websocket_frame_bytes),
        cmocka_unit_test(limit_websocket_empty_frames),
        cmocka_unit_test(limit_websocket_control),
        cmocka_unit_test(limit_websocket_control_rate),
        cmocka_unit_test(a_peer_that_asks_and_does_not_read_is_not_read),
        cmocka_unit_test(limit_websocket_output_bytes),
        cmocka_unit_test(limit_websocket_ping_ns),
        cmocka_unit_test(limit_websocket_pong_ns),
        cmocka_unit_test(any_byte_is_a_sign_of_life),
        cmocka_unit_test(limit_websocket_idle_ns),
        cmocka_unit_test(limit_websocket_message_ns),
        cmocka_unit_test(limit_websocket_close_ns),
        cmocka_unit_test(our_close_throws_away_what_still_comes_and_ends_with_theirs),
        cmocka_unit_test(a_peer_that_leaves_without_a_word_is_1006),
        cmocka_unit_test(what_must_not_leave_is_refused),
        cmocka_unit_test(an_idle_connection_is_the_struct_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
