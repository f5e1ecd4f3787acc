/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "text.h"

static void every_row_has_a_name_a_unit_and_a_reason(void **state)
{
    (void)state;
    hf_limit_info info;
    for (size_t i = 0; hf_limit_row(i, &info); i++) {
        assert_true(strlen(info.name) > 3);
        assert_true(strlen(info.unit) > 0);
        assert_true(strlen(info.why) > 20);
        for (const char *p = info.why; *p; p++)
            if (*p < 0x20 || *p > 0x7e)
                fail_msg("%s: the reason is not plain ASCII", info.name);
        if (info.value == 0)
            fail_msg("%s: a limit of zero allows nothing", info.name);
    }
}

static void the_name_tells_the_unit(void **state)
{
    (void)state;
    static const struct { const char *ending, *unit; } rows[] = {
        { "_ns", "ns" }, { "_bytes", "bytes" }, { "_rate", "/s" },
    };
    hf_limit_info info;
    size_t told = 0;
    for (size_t i = 0; hf_limit_row(i, &info); i++)
        for (size_t k = 0; k < HF_COUNT(rows); k++) {
            const size_t n = strlen(info.name), ending = strlen(rows[k].ending);
            if (n < ending || strcmp(info.name + n - ending, rows[k].ending) != 0)
                continue;
            /* "bytes/s", "frames/s": what is counted differs, that it is by the second does not */
            const size_t unit = strlen(info.unit), want = strlen(rows[k].unit);
            assert_true(unit >= want && strcmp(info.unit + unit - want, rows[k].unit) == 0);
            told++;
        }
    assert_true(told > 10);
}

static void the_defaults_are_the_rows_in_order(void **state)
{
    (void)state;
    const hf_limits *limits = hf_limits_default();
    const size_t rows = sizeof *limits / sizeof(uint64_t);
    hf_limit_info info;
    for (size_t i = 0; i < rows; i++) {
        uint64_t value;
        memcpy(&value, (const uint8_t *)limits + i * sizeof value, sizeof value);
        assert_true(hf_limit_row(i, &info));
        assert_true(info.value == value);
    }
    assert_false(hf_limit_row(rows, &info));
    assert_false(hf_limit_row(SIZE_MAX, &info));
    assert_int_equal(limits->header_fields, 100);
    assert_int_equal(limits->linger_ns, HF_SECONDS(2));
}

static void names_are_unique(void **state)
{
    (void)state;
    hf_limit_info info, other;
    for (size_t i = 0; hf_limit_row(i, &info); i++)
        for (size_t k = 0; k < i && hf_limit_row(k, &other); k++)
            assert_string_not_equal(info.name, other.name);
}

/* What the reasons in limits.def promise of one another. */
static void the_defaults_agree_with_one_another(void **state)
{
    (void)state;
    const hf_limits *limits = hf_limits_default();
    assert_true(limits->target_bytes >= 8000); /* RFC 9110 4.1 */
    assert_true(limits->header_bytes > limits->target_bytes);
    assert_true(limits->input_bytes >= limits->header_bytes);
    assert_true(limits->connections_per_address < limits->connections);
    assert_true(limits->hot_file_bytes < limits->hot_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_name_a_unit_and_a_reason),
        cmocka_unit_test(the_name_tells_the_unit),
        cmocka_unit_test(the_defaults_are_the_rows_in_order),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(the_defaults_agree_with_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
