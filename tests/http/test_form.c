/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "form.h"
#include "target.h"

static hf_limits limits;

static int setup(void **state)
{
    (void)state;
    limits = *hf_limits_default();
    return 0;
}

static int32_t check(const char *text, size_t *count, size_t *room)
{
    return hf_urlencoded_check(hf_text(text), &limits, count, room).code;
}

static void names_and_values_are_decoded(void **state)
{
    (void)state;
    uint8_t text[64];
    hf_argument at[5];
    size_t count, room;
    static const char form[] = "a=1&b+c=%41%2b+%00&&empty=&bare&a=2";
    assert_int_equal(check(form, &count, &room), 0);
    assert_int_equal(count, 5);
    assert_int_equal(room, 2 + 7 + 5 + 4 + 2);
    hf_writer w = hf_writer_make(text, room);
    hf_urlencoded_decode(hf_text(form), at, &w);
    assert_int_equal(w.length, room);
    assert_true(hf_bytes_equal(at[1].name, hf_text("b c")));
    assert_true(hf_bytes_equal(at[1].value, hf_bytes_make("A+ \0", 4)));
    assert_true(at[2].value.len == 0 && at[2].value.ptr != NULL);
    assert_null(at[3].value.ptr);
    assert_ptr_equal(hf_argument_find(at, 5, hf_text("a")), &at[0]);
    assert_ptr_equal(hf_argument_find(at, 5, hf_text("bare")), &at[3]);
    assert_null(hf_argument_find(at, 5, hf_text("A")));
}

static void a_percent_sign_never_stands_for_itself(void **state)
{
    (void)state;
    static const char *const bad[] = { "%", "a=%", "a=%4", "a=%4g", "%zz=1", "a=100%&b=1", "a=1%2", "a=%%41" };
    size_t count, room;
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        assert_int_equal(check(bad[i], &count, &room), HF_ERR_HTTP_FORM_ENCODING);
    assert_true(hf_bytes_equal(hf_urlencoded_fault(hf_text("a=%41%4g&b")), hf_text("%4g")));
    assert_true(hf_bytes_equal(hf_urlencoded_fault(hf_text("a=%4")), hf_text("%4")));
    assert_int_equal(hf_urlencoded_fault(hf_text("a=%41")).len, 0);
    assert_int_equal(check("a=100%25&b=%41", &count, &room), 0);
    assert_int_equal(check("", &count, &room), 0);
    assert_int_equal(count, 0);
    assert_int_equal(check("&&&", &count, &room), 0);
    assert_int_equal(count, 0);
}

static void limit_form_arguments(void **state)
{
    (void)state;
    size_t count, room;
    limits.form_arguments = 3;
    assert_int_equal(check("a&&b=1&c", &count, &room), 0);
    assert_int_equal(check("a&b=1&c&d", &count, &room), HF_ERR_HTTP_FORM_ARGUMENTS);
}

static void limit_form_name_bytes(void **state)
{
    (void)state;
    size_t count, room;
    limits.form_name_bytes = 3;
    assert_int_equal(check("%41%42%43=long+value", &count, &room), 0);
    assert_int_equal(check("abcd=1", &count, &room), HF_ERR_HTTP_FORM_NAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names_and_values_are_decoded, setup),
        cmocka_unit_test_setup(a_percent_sign_never_stands_for_itself, setup),
        cmocka_unit_test_setup(limit_form_arguments, setup),
        cmocka_unit_test_setup(limit_form_name_bytes, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
