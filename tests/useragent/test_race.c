/* SPDX-License-Identifier: Apache-2.0
 *
 * Which address is tried when (RFC 8305): scripts of what happens, and what begins then.
 */
#include <stdio.h>

#include "harness.h"
#include "race.h"
#include "random.h"

static hf_time ms(int64_t n)
{
    return hf_time_make(HF_MILLISECONDS(1000 + n));
}

static void expect(hf_race *r, int64_t at, size_t index)
{
    size_t got = 99;
    assert_true(hf_race_next(r, ms(at), &got));
    assert_int_equal(got, index);
}

static void expect_nothing(hf_race *r, int64_t at)
{
    size_t got;
    assert_false(hf_race_next(r, ms(at), &got));
}

static void families_take_turns_with_ipv6_first(void **state)
{
    (void)state;
    hf_race r;
    hf_race_init(&r, 0, 0);
    for (int i = 0; i < 3; i++)
        (void)hf_race_add(&r, 4, 1); /* 0 1 2 */
    for (int i = 0; i < 2; i++)
        (void)hf_race_add(&r, 6, 1); /* 3 4 */
    hf_race_answered(&r, ms(0), 6);
    hf_race_answered(&r, ms(0), 4);
    expect(&r, 0, 3);
    expect_nothing(&r, 249);
    assert_int_equal(hf_race_wake(&r).ns, ms(250).ns);
    expect(&r, 250, 0);
    expect(&r, 500, 4);
    hf_race_failed(&r, ms(510), 4); /* then nobody waits */
    expect(&r, 510, 1);
    expect(&r, 760, 2);
    expect_nothing(&r, 9999);
    assert_int_equal(hf_race_wake(&r).ns, HF_NEVER_NS);
    for (size_t i = 0; i < 3; i++)
        hf_race_failed(&r, ms(800), i);
    assert_true(!hf_race_is_over(&r));
    hf_race_failed(&r, ms(800), 1); /* twice is once */
    assert_true(!hf_race_is_over(&r));
    hf_race_failed(&r, ms(800), 3);
    assert_true(hf_race_is_over(&r));
}

static void ipv4_waits_a_little_for_ipv6(void **state)
{
    (void)state;
    hf_race r;
    hf_race_init(&r, 0, 0);
    expect_nothing(&r, 0);
    (void)hf_race_add(&r, 4, 1);
    hf_race_answered(&r, ms(0), 4);
    expect_nothing(&r, 49);
    assert_int_equal(hf_race_wake(&r).ns, ms(50).ns);
    expect(&r, 50, 0);
    (void)hf_race_add(&r, 6, 1); /* late, and tried all the same */
    hf_race_answered(&r, ms(60), 6);
    expect_nothing(&r, 299);
    expect(&r, 300, 1);
    /* no IPv6 at all: nobody waits */
    hf_race_init(&r, 0, 0);
    hf_race_answered(&r, ms(0), 6);
    (void)hf_race_add(&r, 4, 1);
    hf_race_answered(&r, ms(1), 4);
    expect(&r, 1, 0);
    /* and IPv6 does not wait for IPv4 */
    hf_race_init(&r, 0, 0);
    (void)hf_race_add(&r, 6, 1);
    hf_race_answered(&r, ms(0), 6);
    expect(&r, 0, 0);
    assert_false(hf_race_is_over(&r));
    hf_race_failed(&r, ms(1), 0);
    assert_false(hf_race_is_over(&r));
    hf_race_answered(&r, ms(2), 4);
    assert_true(hf_race_is_over(&r));
}

static void quic_goes_before_tcp(void **state)
{
    (void)state;
    hf_race r;
    hf_race_init(&r, 0, 100);
    (void)hf_race_add(&r, 4, 0);
    (void)hf_race_add(&r, 4, 1);
    (void)hf_race_add(&r, 6, 0);
    (void)hf_race_add(&r, 6, 1);
    hf_race_answered(&r, ms(0), 4);
    hf_race_answered(&r, ms(0), 6);
    expect(&r, 0, 2);
    expect(&r, 100, 0);
    expect(&r, 200, 3);
    expect(&r, 300, 1);
}

static void each_begins_once_and_the_clock_goes_on(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        hf_random random;
        hf_race r;
        int64_t at = 0;
        unsigned begun[HF_RACE_MOST] = { 0 };
        hf_random_seed(&random, seed);
        hf_race_init(&r, 0, 0);
        for (int step = 0; step < 400; step++) {
            size_t index;
            switch (hf_random_below(&random, 5)) {
            case 0: (void)hf_race_add(&r, hf_random_below(&random, 2) != 0 ? 6 : 4, (uint8_t)hf_random_below(&random, 2)); break;
            case 1: hf_race_answered(&r, ms(at), hf_random_below(&random, 2) != 0 ? 6 : 4); break;
            case 2: at += (int64_t)hf_random_below(&random, 100); break;
            case 3:
                if (r.count > 0)
                    hf_race_failed(&r, ms(at), (size_t)hf_random_below(&random, r.count));
                break;
            default:
                while (hf_race_next(&r, ms(at), &index))
                    assert_int_equal(++begun[index], 1);
                assert_true(hf_race_wake(&r).ns > ms(at).ns);
            }
        }
        assert_true(r.count <= HF_RACE_MOST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_take_turns_with_ipv6_first),
        cmocka_unit_test(ipv4_waits_a_little_for_ipv6),
        cmocka_unit_test(quic_goes_before_tcp),
        cmocka_unit_test(each_begins_once_and_the_clock_goes_on),
    };
    return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
