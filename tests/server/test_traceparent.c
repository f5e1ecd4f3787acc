/* SPDX-License-Identifier: Apache-2.0
 *
 * traceparent: the examples of the specification, and everything that it calls invalid.
 */
#include "traceparent.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static bool parse(const char *text, hf_traceparent *t)
{
    return hf_traceparent_parse(hf_text(text), t);
}

static void what_holds_is_read(void **state)
{
    (void)state;
    hf_traceparent t;
    assert_true(parse("00-" TRACE "-" PARENT "-01", &t));
    assert_true(hf_bytes_equal(t.trace_id, hf_text(TRACE)));
    assert_true(hf_bytes_equal(t.parent_id, hf_text(PARENT)));
    assert_true(t.sampled);
    assert_true(parse("00-" TRACE "-" PARENT "-00", &t) && !t.sampled);
    assert_true(parse("00-" TRACE "-" PARENT "-fe", &t) && !t.sampled); /* flags that are not known yet */
    assert_true(parse("cc-" TRACE "-" PARENT "-01", &t));               /* a later version */
    assert_true(parse("cc-" TRACE "-" PARENT "-01-what-the-future-adds", &t));
}

static void what_does_not_hold_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "", "00", "00-" TRACE "-" PARENT "-0", "00-" TRACE "-" PARENT "-011", "00-" TRACE "-" PARENT "-01-more", "cc-" TRACE "-" PARENT "-01.more",
        "ff-" TRACE "-" PARENT "-01", "0g-" TRACE "-" PARENT "-01", "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", "00-" TRACE "-00F067AA0BA902B7-01",
        "00_" TRACE "-" PARENT "-01", "00-" TRACE "_" PARENT "-01", "00-" TRACE "-" PARENT "_01", "00-" TRACE "-" PARENT "-0x",
        " 00-" TRACE "-" PARENT "-01",
    };
    hf_traceparent t;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (parse(rows[i], &t))
            fail_msg("%s", rows[i]);
}

static void no_byte_behind_the_value_is_read(void **state)
{
    (void)state;
    static const char whole[] = "00-" TRACE "-" PARENT "-01";
    hf_traceparent t;
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, whole, n);
        copy = realloc(copy, n > 0 ? n : 1);
        assert_false(hf_traceparent_parse(hf_bytes_make(copy, n), &t));
        free(copy);
    }
}

static void two_of_them_are_none(void **state)
{
    (void)state;
    const hf_field fields[] = { { .name = hf_text("Accept"), .value = hf_text("*/*") },
        { .name = hf_text("TraceParent"), .value = hf_text("00-" TRACE "-" PARENT "-01") },
        { .name = hf_text("traceparent"), .value = hf_text("00-" TRACE "-" PARENT "-01") } };
    hf_traceparent t;
    assert_false(hf_traceparent_find((hf_fields){ .at = fields, .count = 1 }, &t));
    assert_true(hf_traceparent_find((hf_fields){ .at = fields, .count = 2 }, &t));
    assert_false(hf_traceparent_find((hf_fields){ .at = fields, .count = 3 }, &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_holds_is_read),
        cmocka_unit_test(what_does_not_hold_is_refused),
        cmocka_unit_test(no_byte_behind_the_value_is_read),
        cmocka_unit_test(two_of_them_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
