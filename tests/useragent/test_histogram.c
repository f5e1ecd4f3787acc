/* SPDX-License-Identifier: Apache-2.0
 *
 * Percentiles against those of the sorted values themselves.
 */
#include <stdlib.h>

#include "harness.h"
#include "histogram.h"
#include "random.h"

enum { VALUES = 20000 };

static int order(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void percentiles_are_within_a_sixty_fourth(void **state)
{
    (void)state;
    static hf_histogram h;
    static uint64_t values[VALUES];
    static const uint64_t asked[] = { 0, 1000, 10000, 500000, 900000, 990000, 999000, 999900, 1000000 };
    hf_random random;
    hf_random_seed(&random, 7);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = hf_random_below(&random, UINT64_C(1) << (1 + hf_random_below(&random, 62)));
        hf_histogram_add(&h, values[i]);
    }
    qsort(values, VALUES, sizeof *values, order);
    for (size_t i = 0; i < HF_COUNT(asked); i++) {
        const uint64_t rank = (VALUES * asked[i] + 999999) / 1000000, real = values[rank > 0 ? rank - 1 : 0], got = hf_histogram_at(&h, asked[i]);
        assert_true(got >= real && got - real <= real / 64);
    }
    assert_true(h.most == values[VALUES - 1] && h.least == values[0] && h.total == VALUES);
}

static void the_ends_are_exact(void **state)
{
    (void)state;
    static hf_histogram h;
    assert_int_equal(hf_histogram_at(&h, 500000), 0);
    hf_histogram_add(&h, UINT64_MAX);
    assert_true(hf_histogram_at(&h, 1) == UINT64_MAX && hf_histogram_at(&h, 1000000) == UINT64_MAX);
    hf_histogram_add(&h, 0);
    assert_int_equal(hf_histogram_at(&h, 500000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(percentiles_are_within_a_sixty_fourth), cmocka_unit_test(the_ends_are_exact) };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
