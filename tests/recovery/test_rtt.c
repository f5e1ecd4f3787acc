/* SPDX-License-Identifier: Apache-2.0
 *
 * The round trip, proportional rate reduction and pacing against figures worked out by hand.
 */
#include "harness.h"

#include "pacer.h"
#include "prr.h"
#include "rtt.h"

#define MS(n) HF_MILLISECONDS(n)

static void the_first_sample_is_taken_whole(void **state)
{
    (void)state;
    hf_rtt r;
    hf_rtt_init(&r, HF_SECONDS(1));
    assert_false(r.measured);
    assert_int_equal(hf_rtt_timeout(&r, MS(1)), HF_SECONDS(3));
    hf_rtt_sample(&r, MS(100), 0);
    assert_true(r.measured);
    assert_int_equal(r.smoothed_ns, MS(100));
    assert_int_equal(r.variation_ns, MS(50));
    assert_int_equal(hf_rtt_timeout(&r, MS(1)), MS(300));
}

static void later_samples_are_smoothed_with_an_eighth_and_a_quarter(void **state)
{
    (void)state;
    hf_rtt r;
    hf_rtt_init(&r, HF_SECONDS(1));
    hf_rtt_sample(&r, MS(100), 0);
    hf_rtt_sample(&r, MS(180), 0);
    /* RTTVAR = 3/4 * 50 + 1/4 * 80, with the old SRTT; SRTT = 7/8 * 100 + 1/8 * 180 */
    assert_int_equal(r.variation_ns, 57500000);
    assert_int_equal(r.smoothed_ns, MS(110));
    assert_int_equal(r.least_ns, MS(100));
    for (int i = 0; i < 200; i++)
        hf_rtt_sample(&r, MS(40), 0);
    assert_in_range(r.smoothed_ns, MS(40), MS(41));
    assert_in_range(hf_rtt_timeout(&r, MS(10)), MS(50), MS(51)); /* the granularity is the floor of the margin */
}

static void the_peers_delay_never_brings_a_sample_below_the_least(void **state)
{
    (void)state;
    hf_rtt r;
    hf_rtt_init(&r, HF_SECONDS(1));
    hf_rtt_sample(&r, MS(100), 0);
    hf_rtt_sample(&r, MS(120), MS(25)); /* 120 - 25 < 100: taken whole */
    assert_int_equal(r.smoothed_ns, 102500000);
    hf_rtt_sample(&r, MS(150), MS(25)); /* counts as 125 */
    assert_int_equal(r.smoothed_ns, 105312500);
    hf_rtt_sample(&r, -5, 0);
    assert_int_equal(r.least_ns, 1);
    assert_true(r.smoothed_ns > 0);
}

static void a_recovery_ends_near_its_threshold_whatever_the_rhythm(void **state)
{
    (void)state;
    /* 20 segments in flight, one of them lost; the threshold is 14 */
    hf_prr p;
    hf_prr_begin(&p, 20000, 14000);
    uint64_t in_flight = 19000, sent = 0;
    for (int i = 0; i < 19; i++) {
        in_flight -= 1000;
        const uint64_t may = hf_prr_acked(&p, 1000, in_flight, false, 1000) / 1000 * 1000;
        hf_prr_sent(&p, may);
        in_flight += may;
        sent += may;
        assert_true(in_flight <= 20000);
    }
    assert_in_range(in_flight, 12000, 14000);
    assert_in_range(sent, 12000, 14000);
}

static void the_first_acknowledgement_of_a_recovery_lets_one_segment_out(void **state)
{
    (void)state;
    hf_prr p;
    hf_prr_begin(&p, 10000, 5000);
    assert_true(hf_prr_acked(&p, 1, 9000, false, 1000) >= 1000);
    hf_prr_sent(&p, 1000);
    assert_int_equal(hf_prr_acked(&p, 1, 9000, false, 1000), 0); /* 2 bytes delivered of 10000 are worth one byte, and 1000 are out */
    /* after a burst of losses the flight is far below: what arrives lets as much out, and one more when it goes well */
    hf_prr_begin(&p, 10000, 5000);
    hf_prr_acked(&p, 1000, 3000, false, 1000);
    hf_prr_sent(&p, 1000);
    assert_int_equal(hf_prr_acked(&p, 1000, 3000, false, 1000), 1000);
    assert_int_equal(hf_prr_acked(&p, 1000, 3000, true, 1000), 2000);
}

static void a_pacer_lets_its_rate_through_and_no_more(void **state)
{
    (void)state;
    hf_pacer p;
    hf_time now = { 0 };
    hf_pacer_init(&p, now, 10000);
    assert_int_equal(hf_pacer_room(&p, now), UINT64_MAX); /* no rate: no pacing */
    hf_pacer_set(&p, now, 1000000, 10000);
    uint64_t sent = 0;
    while (now.ns < HF_SECONDS(2)) {
        const hf_time when = hf_pacer_when(&p, now, 1500);
        if (when.ns > now.ns) {
            now = when;
            continue;
        }
        assert_true(hf_pacer_room(&p, now) >= 1500);
        hf_pacer_sent(&p, 1500);
        sent += 1500;
    }
    assert_in_range(sent, 1980000, 2012000); /* 2 s of the rate and one burst */
}

/* However often one asks: time that made no whole byte, or no whole microsecond, is not lost. */
static void a_pacer_that_is_asked_often_is_as_fast(void **state)
{
    (void)state;
    for (int64_t step = 300; step < 4000; step += 370) {
        hf_time now = hf_time_make(HF_SECONDS(5));
        uint64_t sent = 0;
        hf_pacer p;
        hf_pacer_init(&p, now, 3000);
        hf_pacer_set(&p, now, 1700000, 3000); /* 1.7 bytes a microsecond */
        hf_pacer_sent(&p, 3000);
        for (int64_t t = 0; t < HF_MILLISECONDS(100); t += step) {
            now.ns += step;
            const uint64_t room = hf_pacer_room(&p, now);
            hf_pacer_sent(&p, room);
            sent += room;
        }
        assert_in_range(sent, 169600, 170010); /* less than a nanosecond is lost at a time */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_sample_is_taken_whole),
        cmocka_unit_test(later_samples_are_smoothed_with_an_eighth_and_a_quarter),
        cmocka_unit_test(the_peers_delay_never_brings_a_sample_below_the_least),
        cmocka_unit_test(a_recovery_ends_near_its_threshold_whatever_the_rhythm),
        cmocka_unit_test(the_first_acknowledgement_of_a_recovery_lets_one_segment_out),
        cmocka_unit_test(a_pacer_lets_its_rate_through_and_no_more), cmocka_unit_test(a_pacer_that_is_asked_often_is_as_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
