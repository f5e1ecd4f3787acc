/* SPDX-License-Identifier: Apache-2.0
 *
 * The congestion window against the closed forms of its RFCs.
 */
#include "harness.h"

#include <math.h>

#include "congestion.h"

#define MS(n) HF_MILLISECONDS(n)
enum { SEGMENT = 1000 };

static hf_congestion c;
static hf_time now;

static void begin(hf_congestion_kind kind, uint64_t segments)
{
    now = hf_time_make(HF_SECONDS(1));
    hf_congestion_init(&c, kind, SEGMENT, segments * SEGMENT);
}

/* One round trip in which a whole window is acknowledged, segment by segment. */
static void round_trip(int64_t rtt_ns)
{
    const hf_time sent = now;
    now = hf_time_after(now, rtt_ns);
    for (uint64_t n = hf_congestion_window(&c) / SEGMENT; n > 0; n--)
        hf_congestion_acked(&c, now, &(hf_congestion_ack){ SEGMENT, sent, rtt_ns, rtt_ns, true });
}

static bool lose(void)
{
    const hf_time sent = now;
    now = hf_time_after(now, MS(1));
    const bool fresh = hf_congestion_lost(&c, now, sent);
    now = hf_time_after(now, 1);
    return fresh;
}

static void slow_start_doubles_in_a_round_trip(void **state)
{
    (void)state;
    begin(HF_CONGESTION_NEWRENO, 10);
    assert_true(hf_congestion_slow_start(&c));
    for (uint64_t want = 20; want <= 320; want *= 2) {
        round_trip(MS(50));
        assert_int_equal(hf_congestion_window(&c), want * SEGMENT);
    }
}

static void newreno_halves_and_then_adds_a_segment_a_round_trip(void **state)
{
    (void)state;
    begin(HF_CONGESTION_NEWRENO, 40);
    assert_true(lose());
    assert_int_equal(hf_congestion_window(&c), 20 * SEGMENT);
    assert_false(hf_congestion_slow_start(&c));
    for (uint64_t want = 21; want < 40; want++) {
        round_trip(MS(50));
        assert_int_equal(hf_congestion_window(&c) / SEGMENT, want);
    }
}

static void one_event_reduces_once(void **state)
{
    (void)state;
    begin(HF_CONGESTION_CUBIC, 100);
    const hf_time sent = now;
    now = hf_time_after(now, MS(50));
    assert_true(hf_congestion_lost(&c, now, sent));
    assert_false(hf_congestion_lost(&c, hf_time_after(now, MS(1)), hf_time_after(sent, MS(40)))); /* sent before the reduction */
    assert_int_equal(hf_congestion_window(&c), 70 * SEGMENT);
    assert_true(hf_congestion_lost(&c, hf_time_after(now, MS(60)), hf_time_after(now, MS(2))));
    assert_int_equal(hf_congestion_window(&c), 49 * SEGMENT);
    /* what was sent before lets nothing grow */
    hf_congestion_acked(&c, hf_time_after(now, MS(60)), &(hf_congestion_ack){ SEGMENT, sent, MS(50), MS(50), true });
    assert_int_equal(hf_congestion_window(&c), 49 * SEGMENT);
}

static void cubic_follows_its_closed_form_within_two_in_a_hundred(void **state)
{
    (void)state;
    begin(HF_CONGESTION_CUBIC, 1000);
    lose();
    const double most = 1000, k = cbrt(most * 0.3 / 0.4);
    const hf_time epoch = hf_time_after(now, MS(100)); /* avoidance begins with the first acknowledgement */
    double worst = 0;
    for (int i = 0; i < 140; i++) {
        round_trip(MS(100));
        const double t = (double)(now.ns - epoch.ns) / 1e9 + 0.1; /* the target is one round trip ahead */
        const double want = 0.4 * pow(t - k, 3) + most;
        const double got = (double)hf_congestion_window(&c) / SEGMENT;
        if (i >= 2) { /* once it has caught up with the target */
            const double off = fabs(got - want) / want;
            worst = off > worst ? off : worst;
        }
    }
    if (worst > 0.02)
        fail_msg("off by %.1f %%", worst * 100);
    assert_true(hf_congestion_window(&c) > 1030 * SEGMENT); /* past W_max: it probes */
}

static void cubic_is_no_slower_than_reno_on_short_paths(void **state)
{
    (void)state;
    begin(HF_CONGESTION_CUBIC, 40);
    lose();
    const uint64_t low = hf_congestion_window(&c);
    for (int i = 0; i < 20; i++)
        round_trip(MS(2));
    /* RFC 9438 4.3: 9/17 of a segment each round trip */
    assert_in_range(hf_congestion_window(&c), low + 9 * SEGMENT, low + 12 * SEGMENT);
}

static void fast_convergence_gives_way(void **state)
{
    (void)state;
    begin(HF_CONGESTION_CUBIC, 100);
    lose();
    assert_int_equal(c.now.most, 100 * SEGMENT);
    lose(); /* at 70, below the last maximum */
    assert_int_equal(c.now.most, 59500); /* 70 * (1 + 0.7) / 2 */
}

static void a_window_that_is_not_used_does_not_grow(void **state)
{
    (void)state;
    begin(HF_CONGESTION_CUBIC, 10);
    for (int i = 0; i < 100; i++) {
        const hf_time sent = now;
        now = hf_time_after(now, MS(10));
        hf_congestion_acked(&c, now, &(hf_congestion_ack){ SEGMENT, sent, MS(10), MS(10), false });
    }
    assert_int_equal(hf_congestion_window(&c), 10 * SEGMENT);
}

static void a_timeout_collapses_to_one_segment_and_can_be_undone(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        begin((hf_congestion_kind)kind, 100);
        hf_congestion_collapsed(&c, now, 100 * SEGMENT, 1, false);
        assert_int_equal(hf_congestion_window(&c), SEGMENT);
        assert_int_equal(c.now.threshold, kind == HF_CONGESTION_CUBIC ? 70 * SEGMENT : 50 * SEGMENT);
        hf_congestion_collapsed(&c, now, SEGMENT, 1, true); /* the second in a row keeps the threshold */
        assert_int_equal(c.now.threshold, kind == HF_CONGESTION_CUBIC ? 70 * SEGMENT : 50 * SEGMENT);
        assert_true(hf_congestion_undo(&c));
        assert_int_equal(hf_congestion_window(&c), 100 * SEGMENT);
        assert_false(hf_congestion_undo(&c));
    }
}

static void what_leaves_at_the_moment_of_a_timeout_lets_the_window_grow(void **state)
{
    (void)state;
    begin(HF_CONGESTION_CUBIC, 100);
    hf_congestion_collapsed(&c, now, 100 * SEGMENT, 1, false);
    const hf_time sent = now;
    now = hf_time_after(now, MS(10));
    hf_congestion_acked(&c, now, &(hf_congestion_ack){ SEGMENT, hf_time_make(sent.ns - 1), MS(10), MS(10), true });
    assert_int_equal(hf_congestion_window(&c), SEGMENT); /* from before: it tells nothing of the new slow start */
    hf_congestion_acked(&c, now, &(hf_congestion_ack){ SEGMENT, sent, MS(10), MS(10), true });
    assert_int_equal(hf_congestion_window(&c), 2 * SEGMENT);
}

static void levels_never_fall_below_their_floor(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        begin((hf_congestion_kind)kind, 10);
        for (int i = 0; i < 50; i++) {
            lose();
            assert_true(c.now.threshold >= 2 * SEGMENT);
            assert_true(hf_congestion_window(&c) >= SEGMENT);
        }
        hf_congestion_resize(&c, 9000);
        assert_true(hf_congestion_window(&c) >= 9000);
        assert_true(c.now.threshold >= 18000);
    }
}

static void hystart_leaves_slow_start_when_the_round_trip_grows(void **state)
{
    (void)state;
    begin(HF_CONGESTION_CUBIC, 10);
    round_trip(MS(50));
    round_trip(MS(50));
    assert_true(hf_congestion_slow_start(&c));
    uint64_t windows[8];
    int rounds = 0;
    for (; rounds < 8 && hf_congestion_slow_start(&c); rounds++) {
        round_trip(MS(60));
        windows[rounds] = hf_congestion_window(&c);
    }
    assert_in_range(rounds, 4, 7);           /* five conservative rounds */
    assert_true(windows[2] < windows[1] / 10 * 14); /* of which each adds a quarter */
    assert_int_equal(c.now.threshold, hf_congestion_window(&c));
}

static void hystart_takes_jitter_for_what_it_is(void **state)
{
    (void)state;
    begin(HF_CONGESTION_CUBIC, 10);
    round_trip(MS(50));
    round_trip(MS(60)); /* conservative */
    round_trip(MS(45)); /* it was jitter */
    const uint64_t before = hf_congestion_window(&c);
    round_trip(MS(45));
    assert_true(hf_congestion_slow_start(&c));
    assert_true(hf_congestion_window(&c) >= before / 10 * 19);
}

static void an_idle_sender_begins_again_with_the_initial_window(void **state)
{
    (void)state;
    begin(HF_CONGESTION_CUBIC, 10);
    for (int i = 0; i < 4; i++)
        round_trip(MS(50));
    assert_int_equal(hf_congestion_window(&c), 160 * SEGMENT);
    hf_congestion_idle(&c, HF_SECONDS(5));
    assert_int_equal(hf_congestion_window(&c), 10 * SEGMENT);
    assert_int_equal(c.now.threshold, 120 * SEGMENT); /* and knows the way back */
}

static void the_rate_is_the_window_in_a_round_trip_with_headroom(void **state)
{
    (void)state;
    begin(HF_CONGESTION_NEWRENO, 100);
    assert_int_equal(hf_congestion_rate(&c, MS(100)), 2000000);
    lose();
    assert_int_equal(hf_congestion_rate(&c, MS(100)), 625000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_start_doubles_in_a_round_trip),
        cmocka_unit_test(newreno_halves_and_then_adds_a_segment_a_round_trip),
        cmocka_unit_test(one_event_reduces_once),
        cmocka_unit_test(cubic_follows_its_closed_form_within_two_in_a_hundred),
        cmocka_unit_test(cubic_is_no_slower_than_reno_on_short_paths),
        cmocka_unit_test(fast_convergence_gives_way),
        cmocka_unit_test(a_window_that_is_not_used_does_not_grow),
        cmocka_unit_test(a_timeout_collapses_to_one_segment_and_can_be_undone),
        cmocka_unit_test(what_leaves_at_the_moment_of_a_timeout_lets_the_window_grow),
        cmocka_unit_test(levels_never_fall_below_their_floor),
        cmocka_unit_test(hystart_leaves_slow_start_when_the_round_trip_grows),
        cmocka_unit_test(hystart_takes_jitter_for_what_it_is),
        cmocka_unit_test(an_idle_sender_begins_again_with_the_initial_window),
        cmocka_unit_test(the_rate_is_the_window_in_a_round_trip_with_headroom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
