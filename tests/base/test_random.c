/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "random.h"

/* The values that the authors' C code (prng.di.unimi.it) gives. */
static void seeding_is_splitmix64(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u,
    };
    hf_random r;
    hf_random_seed(&r, 1234567);
    for (size_t i = 0; i < HF_COUNT(expected); i++)
        assert_true(r.s[i] == expected[i]);
}

static void the_generator_is_xoshiro256_starstar(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u, 607988272756665600u,
        16172922978634559625u, 8476171486693032832u, 10595114339597558777u, 2904607092377533576u,
    };
    hf_random r = { .s = { 1, 2, 3, 4 } };
    for (size_t i = 0; i < HF_COUNT(expected); i++)
        assert_true(hf_random_next(&r) == expected[i]);
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    hf_random a, b, other;
    hf_random_seed(&a, 42);
    hf_random_seed(&b, 42);
    hf_random_seed(&other, 43);
    size_t same = 0;
    for (int i = 0; i < 1000; i++) {
        const uint64_t n = hf_random_next(&a);
        assert_true(n == hf_random_next(&b));
        same += n == hf_random_next(&other);
    }
    assert_int_equal(same, 0);
}

static void below_reaches_every_value_about_equally(void **state)
{
    (void)state;
    hf_random r;
    hf_random_seed(&r, 1);
    size_t counts[10] = { 0 };
    for (int i = 0; i < 100000; i++) {
        const uint64_t n = hf_random_below(&r, 10);
        assert_true(n < 10);
        counts[n]++;
    }
    for (size_t i = 0; i < 10; i++)
        assert_in_range(counts[i], 9500, 10500); /* 5 standard deviations */
}

/* With `next % bound` the lowest third would come up twice as often as the rest. */
static void below_has_no_bias_for_a_large_bound(void **state)
{
    (void)state;
    hf_random r;
    hf_random_seed(&r, 1);
    const uint64_t third = (uint64_t)1 << 62;
    size_t counts[3] = { 0 };
    for (int i = 0; i < 30000; i++) {
        const uint64_t n = hf_random_below(&r, 3 * third);
        assert_true(n < 3 * third);
        counts[n / third]++;
    }
    for (size_t i = 0; i < 3; i++)
        assert_in_range(counts[i], 9600, 10400);
}

static void below_knows_its_edges(void **state)
{
    (void)state;
    hf_random r;
    hf_random_seed(&r, 1);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(hf_random_below(&r, 1), 0);
        assert_true(hf_random_below(&r, UINT64_MAX) < UINT64_MAX);
        assert_true(hf_random_below(&r, ((uint64_t)1 << 63) + 1) <= (uint64_t)1 << 63);
    }
}

static void chance_is_parts_in_a_million(void **state)
{
    (void)state;
    hf_random r;
    hf_random_seed(&r, 1);
    size_t quarter = 0;
    for (int i = 0; i < 100000; i++) {
        assert_false(hf_random_chance(&r, 0));
        assert_true(hf_random_chance(&r, 1000000));
        quarter += hf_random_chance(&r, 250000);
    }
    assert_in_range(quarter, 24300, 25700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeding_is_splitmix64),
        cmocka_unit_test(the_generator_is_xoshiro256_starstar),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(below_reaches_every_value_about_equally),
        cmocka_unit_test(below_has_no_bias_for_a_large_bound),
        cmocka_unit_test(below_knows_its_edges),
        cmocka_unit_test(chance_is_parts_in_a_million),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
