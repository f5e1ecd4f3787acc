/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <string.h>

#include "prefix_int.h"

static hf_prefix_int parse(const void *bytes, size_t n, unsigned bits, uint64_t *value, size_t *used)
{
    const uint8_t *const begin = bytes, *cursor = begin;
    const hf_prefix_int answer = hf_prefix_int_parse(&cursor, begin + n, bits, value);
    *used = (size_t)(cursor - begin);
    return answer;
}

static void the_examples_of_rfc_7541_c_1(void **state)
{
    (void)state;
    uint8_t to[HF_PREFIX_INT_BYTES];
    assert_int_equal(hf_prefix_int_write(to, 5, 0, 10), 1);
    assert_int_equal(to[0], 0x0a);
    assert_int_equal(hf_prefix_int_write(to, 5, 0xe0, 1337), 3);
    assert_memory_equal(to, "\xff\x9a\x0a", 3);
    assert_int_equal(hf_prefix_int_write(to, 8, 0, 42), 1);
    assert_int_equal(to[0], 42);
}

static void every_size_goes_there_and_back_whatever_the_prefix(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits <= 8; bits++)
        for (unsigned shift = 0; shift <= 62; shift++)
            for (int d = -2; d <= 2; d++) {
                const uint64_t n = ((uint64_t)1 << shift) + (uint64_t)(int64_t)d;
                uint64_t got;
                size_t used;
                uint8_t to[HF_PREFIX_INT_BYTES];
                if (n > HF_PREFIX_INT_MAX)
                    continue;
                const size_t length = hf_prefix_int_write(to, bits, 0, n);
                for (size_t k = 0; k < length; k++)
                    assert_int_equal(parse(to, k, bits, &got, &used), HF_PREFIX_MORE);
                assert_int_equal(parse(to, length, bits, &got, &used), HF_PREFIX_GOOD);
                assert_int_equal(used, length);
                assert_true(got == n);
            }
}

static void what_is_too_large_or_too_long_is_refused(void **state)
{
    (void)state;
    uint64_t got;
    size_t used;
    assert_int_equal(parse("\x1f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11, 5, &got, &used), HF_PREFIX_BAD);
    assert_int_equal(parse("\x1f\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 13, 5, &got, &used), HF_PREFIX_BAD);
    assert_int_equal(parse("\x1f\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, 5, &got, &used), HF_PREFIX_BAD);
    assert_int_equal(parse("\x1f\x80\x80\x00", 4, 5, &got, &used), HF_PREFIX_GOOD); /* padded, but short */
    assert_true(got == 31);
}

static void the_flags_beside_the_prefix_do_not_count(void **state)
{
    (void)state;
    uint64_t got;
    size_t used;
    assert_int_equal(parse("\xea", 1, 5, &got, &used), HF_PREFIX_GOOD);
    assert_true(got == 10 && used == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_rfc_7541_c_1),
        cmocka_unit_test(every_size_goes_there_and_back_whatever_the_prefix),
        cmocka_unit_test(what_is_too_large_or_too_long_is_refused),
        cmocka_unit_test(the_flags_beside_the_prefix_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
