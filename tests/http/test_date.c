/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <time.h>

#include "date.h"

#define NOW_2026 ((hf_wall){ 1767225600 }) /* 2026-01-01T00:00:00Z */

static int64_t parsed(const char *text, hf_wall now)
{
    hf_wall out = { INT64_MIN };
    return hf_date_parse(hf_text(text), now, &out) ? out.s : INT64_MIN;
}

static void assert_written(int64_t s, const char *expected)
{
    uint8_t buffer[HF_DATE_LENGTH];
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    hf_date_write(&w, (hf_wall){ s });
    assert_false(w.overflowed);
    assert_int_equal(w.length, HF_DATE_LENGTH);
    assert_memory_equal(buffer, expected, HF_DATE_LENGTH);
}

static void date_reads_the_three_forms_of_the_rfc(void **state)
{
    (void)state;
    assert_int_equal(parsed("Sun, 06 Nov 1994 08:49:37 GMT", NOW_2026), 784111777);
    assert_int_equal(parsed("Sunday, 06-Nov-94 08:49:37 GMT", NOW_2026), 784111777);
    assert_int_equal(parsed("Sun Nov  6 08:49:37 1994", NOW_2026), 784111777);
    assert_int_equal(parsed("Wed Nov 16 08:49:37 1994", NOW_2026), 784111777 + 10 * 86400);
}

static void date_writes_the_fixed_form(void **state)
{
    (void)state;
    assert_written(784111777, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_written(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_written(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
    assert_written(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_written(HF_DATE_MIN_S, "Mon, 01 Jan 1601 00:00:00 GMT");
    assert_written(HF_DATE_MAX_S, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void date_outside_the_years_is_written_as_the_nearest_inside(void **state)
{
    (void)state;
    assert_written(INT64_MIN, "Mon, 01 Jan 1601 00:00:00 GMT");
    assert_written(HF_DATE_MIN_S - 1, "Mon, 01 Jan 1601 00:00:00 GMT");
    assert_written(HF_DATE_MAX_S + 1, "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_written(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void date_agrees_with_the_c_library(void **state)
{
    (void)state;
    /* a step that hits all months, weekdays and hours over the 8,400 years */
    for (int64_t s = HF_DATE_MIN_S; s <= HF_DATE_MAX_S; s += 86400 * 17 + 3607) {
        const time_t t = (time_t)s;
        struct tm tm;
        char expected[64];
        gmtime_r(&t, &tm);
        strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_written(s, expected);
        assert_int_equal(parsed(expected, NOW_2026), s);
        strftime(expected, sizeof expected, "%a %b %e %H:%M:%S %Y", &tm);
        assert_int_equal(parsed(expected, NOW_2026), s);
    }
}

static void date_rejects_february_30(void **state)
{
    (void)state;
    static const char *const none[] = {
        "Sun, 30 Feb 2020 08:49:37 GMT", "Sun, 29 Feb 2021 08:49:37 GMT", "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 31 Apr 2020 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 32 Dec 1994 08:49:37 GMT",
        "Sun Feb 30 08:49:37 2020",      "Sunday, 30-Feb-20 08:49:37 GMT", "Sunday, 29-Feb-21 08:49:37 GMT",
    };
    for (size_t i = 0; i < HF_COUNT(none); i++)
        assert_int_equal(parsed(none[i], NOW_2026), INT64_MIN);
    assert_int_equal(parsed("Sun, 29 Feb 2000 00:00:00 GMT", NOW_2026), 951782400);
}

static void date_rejects_the_25th_hour(void **state)
{
    (void)state;
    static const char *const none[] = {
        "Sun, 06 Nov 1994 25:00:00 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 08:49:60 GMT", "Sun, 06 Nov 1994 08:59:60 GMT", "Sun Nov  6 24:00:00 1994",
        "Sunday, 06-Nov-94 24:00:00 GMT",
    };
    for (size_t i = 0; i < HF_COUNT(none); i++)
        assert_int_equal(parsed(none[i], NOW_2026), INT64_MIN);
}

static void date_reads_a_leap_second_as_the_one_before(void **state)
{
    (void)state;
    assert_int_equal(parsed("Sat, 31 Dec 2016 23:59:60 GMT", NOW_2026), parsed("Sat, 31 Dec 2016 23:59:59 GMT", NOW_2026));
    assert_int_equal(parsed("Fri, 31 Dec 9999 23:59:60 GMT", NOW_2026), HF_DATE_MAX_S);
}

static void date_rejects_wrong_shapes(void **state)
{
    (void)state;
    static const char *const none[] = {
        "", "0", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 gmt",
        "sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT", "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun,  6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 1994 08-49-37 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06 Nov 1994 08:49:37 +000",
        "Sun, 06 Nov 1600 08:49:37 GMT", "Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 1994, 8:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06 Nov 94 08:49:37 GMT", "Sunday 06-Nov-94 08:49:37 GMT",
        "Somday, 06-Nov-94 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 199x", "Sun Nov  6 08:49:37  994",
        "Sun, Nov 6 08:49:37 1994", "Sun Nov  0 08:49:37 1994", "Sun Foo  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    };
    for (size_t i = 0; i < HF_COUNT(none); i++)
        if (parsed(none[i], NOW_2026) != INT64_MIN)
            fail_msg("took \"%s\"", none[i]);
}

static void date_tolerates_another_weekday(void **state)
{
    (void)state;
    assert_int_equal(parsed("Mon, 06 Nov 1994 08:49:37 GMT", NOW_2026), 784111777);
    assert_int_equal(parsed("Tuesday, 06-Nov-94 08:49:37 GMT", NOW_2026), 784111777);
    assert_int_equal(parsed("Wed Nov  6 08:49:37 1994", NOW_2026), 784111777);
}

/* RFC 9110 5.6.7: more than 50 years in the future means the past */
static void date_with_two_digits_is_at_most_fifty_years_ahead(void **state)
{
    (void)state;
    const int64_t in_50_years = parsed("Wed, 01 Jan 2076 00:00:00 GMT", NOW_2026);
    assert_int_equal(parsed("Wednesday, 01-Jan-76 00:00:00 GMT", NOW_2026), in_50_years);
    assert_int_equal(parsed("Wednesday, 01-Jan-76 00:00:01 GMT", NOW_2026), parsed("Thu, 01 Jan 1976 00:00:01 GMT", NOW_2026));
    assert_int_equal(parsed("Monday, 01-Jan-77 00:00:00 GMT", NOW_2026), parsed("Sat, 01 Jan 1977 00:00:00 GMT", NOW_2026));
    assert_int_equal(parsed("Monday, 01-Jan-70 00:00:00 GMT", NOW_2026), parsed("Wed, 01 Jan 2070 00:00:00 GMT", NOW_2026));
    assert_int_equal(parsed("Monday, 01-Jan-26 00:00:00 GMT", NOW_2026), NOW_2026.s);
    /* over the turn of a century: in 1999, 03 is 2003; in 2080, 15 is 2115 and 99 is 2099 */
    const hf_wall in_1999 = { 915148800 }, in_2080 = { 3471292800 };
    assert_int_equal(parsed("Monday, 01-Jan-03 00:00:00 GMT", in_1999), parsed("Wed, 01 Jan 2003 00:00:00 GMT", in_1999));
    assert_int_equal(parsed("Monday, 01-Jan-15 00:00:00 GMT", in_2080), parsed("Tue, 01 Jan 2115 00:00:00 GMT", in_2080));
    assert_int_equal(parsed("Monday, 01-Jan-99 00:00:00 GMT", in_2080), parsed("Thu, 01 Jan 2099 00:00:00 GMT", in_2080));
    /* extreme clocks do no harm */
    assert_int_equal(parsed("Monday, 01-Jan-99 00:00:00 GMT", (hf_wall){ INT64_MAX }), parsed("Fri, 01 Jan 9999 00:00:00 GMT", NOW_2026));
    assert_int_equal(parsed("Monday, 01-Jan-99 00:00:00 GMT", (hf_wall){ INT64_MIN }), INT64_MIN);
}

static void date_that_does_not_parse_leaves_the_result_alone(void **state)
{
    (void)state;
    hf_wall out = { 42 };
    assert_false(hf_date_parse(hf_text("Sun, 31 Nov 1994 08:49:37 GMT"), NOW_2026, &out));
    assert_int_equal(out.s, 42);
}

static void date_does_not_fit_28_bytes(void **state)
{
    (void)state;
    uint8_t buffer[HF_DATE_LENGTH - 1];
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    hf_date_write(&w, (hf_wall){ 0 });
    assert_true(w.overflowed);
    assert_int_equal(w.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(date_reads_the_three_forms_of_the_rfc),
        cmocka_unit_test(date_writes_the_fixed_form),
        cmocka_unit_test(date_outside_the_years_is_written_as_the_nearest_inside),
        cmocka_unit_test(date_agrees_with_the_c_library),
        cmocka_unit_test(date_rejects_february_30),
        cmocka_unit_test(date_rejects_the_25th_hour),
        cmocka_unit_test(date_reads_a_leap_second_as_the_one_before),
        cmocka_unit_test(date_rejects_wrong_shapes),
        cmocka_unit_test(date_tolerates_another_weekday),
        cmocka_unit_test(date_with_two_digits_is_at_most_fifty_years_ahead),
        cmocka_unit_test(date_that_does_not_parse_leaves_the_result_alone),
        cmocka_unit_test(date_does_not_fit_28_bytes),
    };
    return cmocka_run_group_tests_name("http date", tests, NULL, NULL);
}
