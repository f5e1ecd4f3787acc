/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "random.h"
#include "sim_link.h"

enum { MANY = 200000 };

typedef struct sample {
    uint64_t arrived, overtakes, corrupt, twice;
    int64_t least, most; /* travel time, ns */
} sample;

/* Offers MANY datagrams, one each 10 us. */
static sample offer_many(hf_link *l, uint64_t seed, size_t bytes)
{
    hf_random random;
    sample s = { .least = INT64_MAX };
    int64_t last = 0;
    hf_random_seed(&random, seed);
    for (int64_t i = 0; i < MANY; i++) {
        const hf_time now = hf_time_make(i * 10000);
        const hf_fate fate = hf_link_offer(l, &random, now, bytes);
        s.twice += fate.copies == 2;
        for (unsigned c = 0; c < fate.copies; c++) {
            const int64_t took = fate.at[c].ns - now.ns;
            s.arrived++;
            s.corrupt += fate.flips[c] > 0;
            s.overtakes += fate.at[c].ns < last;
            s.least = took < s.least ? took : s.least;
            s.most = took > s.most ? took : s.most;
            last = fate.at[c].ns > last ? fate.at[c].ns : last;
        }
    }
    return s;
}

static void assert_near(uint64_t got, uint64_t wanted, uint64_t slack)
{
    assert_in_range(got, wanted - slack, wanted + slack);
}

static void a_clean_link_delivers_everything_once_in_order_after_its_delay(void **state)
{
    (void)state;
    hf_link l;
    hf_link_init(&l);
    const sample s = offer_many(&l, 1, 1000);
    assert_int_equal(s.arrived, MANY);
    assert_int_equal(s.overtakes + s.corrupt + s.twice, 0);
    assert_int_equal(s.least, HF_MILLISECONDS(1));
    assert_int_equal(s.most, HF_MILLISECONDS(1));
    assert_int_equal(l.counts.sent_bytes, (uint64_t)MANY * 1000);
}

static void it_loses_as_often_as_told(void **state)
{
    (void)state;
    hf_link l;
    hf_link_init(&l);
    l.options.loss = 30000; /* 3 %: 6000 of 200000, sigma 76 */
    const sample s = offer_many(&l, 2, 100);
    assert_near(l.counts.dropped[HF_DROP_LOSS], 6000, 400);
    assert_int_equal(s.arrived + l.counts.dropped[HF_DROP_LOSS], MANY);
}

static void it_duplicates_and_corrupts_as_often_as_told(void **state)
{
    (void)state;
    hf_link l;
    hf_link_init(&l);
    l.options.duplicate = 10000; /* 1 %: 2000, sigma 45 */
    l.options.corrupt = 20000;   /* 2 % of the copies: 4040 */
    const sample s = offer_many(&l, 3, 100);
    assert_near(s.twice, 2000, 250);
    assert_int_equal(s.twice, l.counts.duplicated);
    assert_near(s.corrupt, 4040, 350);
    assert_int_equal(s.corrupt, l.counts.corrupted);
}

static void jitter_alone_never_reorders(void **state)
{
    (void)state;
    hf_link l;
    hf_link_init(&l);
    l.options.jitter_ns = HF_MILLISECONDS(20);
    const sample s = offer_many(&l, 4, 100);
    assert_int_equal(s.overtakes, 0);
    assert_true(s.least >= HF_MILLISECONDS(1));
    assert_true(s.most > HF_MILLISECONDS(15) && s.most <= HF_MILLISECONDS(21));
}

static void reordering_lets_later_datagrams_overtake(void **state)
{
    (void)state;
    hf_link l;
    hf_link_init(&l);
    l.options.reorder = 10000; /* 2000 of 200000 */
    const sample s = offer_many(&l, 5, 100);
    assert_near(l.counts.reordered, 2000, 250);
    assert_true(s.overtakes > 1000);
    assert_int_equal(s.arrived, MANY);
}

static void what_is_larger_than_the_mtu_is_dropped(void **state)
{
    (void)state;
    hf_link l;
    hf_random random;
    hf_random_seed(&random, 6);
    hf_link_init(&l);
    l.options.mtu = 1280;
    assert_int_equal(hf_link_offer(&l, &random, hf_time_make(0), 1280).drop, HF_DROP_NONE);
    assert_int_equal(hf_link_offer(&l, &random, hf_time_make(0), 1281).drop, HF_DROP_MTU);
    assert_int_equal(l.counts.dropped[HF_DROP_MTU], 1);
}

static void the_rate_is_exact(void **state)
{
    (void)state;
    hf_link l;
    hf_random random;
    hf_random_seed(&random, 7);
    hf_link_init(&l);
    l.options.rate = 8000000; /* a byte each microsecond */
    for (int64_t i = 1; i <= 1000; i++) {
        const hf_fate fate = hf_link_offer(&l, &random, hf_time_make(0), 1000);
        assert_int_equal(fate.at[0].ns, i * 1000000 + HF_MILLISECONDS(1));
    }
    l.options.rate = 3; /* rounded up: the rate is never exceeded */
    const hf_fate slow = hf_link_offer(&l, &random, hf_time_make(HF_SECONDS(10)), 1);
    assert_int_equal(slow.at[0].ns, HF_SECONDS(10) + 2666666667 + HF_MILLISECONDS(1));
}

static void a_full_queue_drops_from_the_tail_and_drains(void **state)
{
    (void)state;
    hf_link l;
    hf_random random;
    unsigned through = 0;
    hf_random_seed(&random, 8);
    hf_link_init(&l);
    l.options.rate = 8000000;
    l.options.queue_bytes = 10000;
    for (int i = 0; i < 50; i++)
        through += hf_link_offer(&l, &random, hf_time_make(0), 1000).drop == HF_DROP_NONE;
    assert_int_equal(through, 10);
    assert_int_equal(l.counts.dropped[HF_DROP_QUEUE], 40);
    assert_int_equal(hf_link_offer(&l, &random, hf_time_make(HF_MILLISECONDS(10)), 1000).drop, HF_DROP_NONE);
}

static void a_link_that_is_down_drops_everything(void **state)
{
    (void)state;
    hf_link l;
    hf_link_init(&l);
    l.options.down = true;
    assert_int_equal(offer_many(&l, 9, 100).arrived, 0);
    assert_int_equal(l.counts.dropped[HF_DROP_DOWN], MANY);
}

static void every_drop_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < HF_DROP_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(hf_drop_text((hf_drop)i), hf_drop_text((hf_drop)j));
    assert_string_equal(hf_drop_text(HF_DROP_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_link_delivers_everything_once_in_order_after_its_delay),
        cmocka_unit_test(it_loses_as_often_as_told),
        cmocka_unit_test(it_duplicates_and_corrupts_as_often_as_told),
        cmocka_unit_test(jitter_alone_never_reorders),
        cmocka_unit_test(reordering_lets_later_datagrams_overtake),
        cmocka_unit_test(what_is_larger_than_the_mtu_is_dropped),
        cmocka_unit_test(the_rate_is_exact),
        cmocka_unit_test(a_full_queue_drops_from_the_tail_and_drains),
        cmocka_unit_test(a_link_that_is_down_drops_everything),
        cmocka_unit_test(every_drop_has_a_name),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
