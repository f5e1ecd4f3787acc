/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "etag.h"

static hf_etag tag(const char *text)
{
    hf_etag etag;
    assert_true(hf_etag_parse(hf_text(text), &etag));
    return etag;
}

/* RFC 9110 8.8.3 */
static void etags_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *opaque;
        bool weak;
    } rows[] = { { "\"xyzzy\"", "xyzzy", false }, { "W/\"xyzzy\"", "xyzzy", true }, { "\"\"", "", false }, { "W/\"\"", "", true },
                 { "\"a\\\"", "a\\", false },    { "\"!#,'\x80\xff\"", "!#,'\x80\xff", false } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_etag etag = tag(rows[i].text);
        uint8_t buffer[32];
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        assert_true(hf_bytes_equal(etag.opaque, hf_text(rows[i].opaque)));
        assert_int_equal(etag.weak, rows[i].weak);
        hf_etag_write(&w, &etag);
        assert_true(hf_bytes_equal(hf_written(&w), hf_text(rows[i].text)));
    }
}

static void malformed_etags_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "\"", "xyzzy", "\"xyzzy", "xyzzy\"", "w/\"x\"", "W/x", "W/", "W", "W /\"x\"", "W/ \"x\"", " \"x\"", "\"x\" ",
                                       "\"x\"y", "\"x y\"", "\"x\ty\"", "\"x\x7f\"", "'x'", "*", "\"x\", \"y\"" };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        hf_etag etag = { .weak = true };
        if (hf_etag_parse(hf_text(bad[i]), &etag))
            fail_msg("took '%s'", bad[i]);
        assert_null(etag.opaque.ptr);
    }
}

/* RFC 9110 8.8.3.2, table 3 */
static void etags_compare_as_in_the_table(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool strong, weak;
    } rows[] = { { "W/\"1\"", "W/\"1\"", false, true }, { "W/\"1\"", "W/\"2\"", false, false }, { "W/\"1\"", "\"1\"", false, true },
                 { "\"1\"", "\"1\"", true, true },     { "\"1\"", "\"2\"", false, false },       { "\"a\"", "\"A\"", false, false },
                 { "\"\"", "\"\"", true, true } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_etag a = tag(rows[i].a), b = tag(rows[i].b);
        assert_int_equal(hf_etag_same_strong(&a, &b), rows[i].strong);
        assert_int_equal(hf_etag_same_strong(&b, &a), rows[i].strong);
        assert_int_equal(hf_etag_same_weak(&a, &b), rows[i].weak);
        assert_int_equal(hf_etag_same_weak(&b, &a), rows[i].weak);
    }
}

static void lists_of_etags_are_searched(void **state)
{
    (void)state;
    const hf_etag mine = tag("\"r2d2xxxx\"");
    static const struct {
        const char *list;
        bool strong, weak;
    } rows[] = {
        { "\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", true, true },
        { "W/\"xyzzy\", W/\"r2d2xxxx\", W/\"c3piozzzz\"", false, true },
        { "\"r2d2xxxx\"", true, true },
        { ",, \"r2d2xxxx\" ,", true, true },
        { "\"a,\",\"r2d2xxxx\"", true, true },
        { "\"a\\\",\"r2d2xxxx\"", true, true }, /* a backslash escapes nothing */
        { "r2d2xxxx", false, false },
        { "r2d2xxxx, \"r2d2xxxx\"", true, true },
        { "\"r2d2xxxx\"x", false, false },
        { "\"r2d2xxxx\" \"y\"", false, false },
        { "\"r2d2xxxx", false, false },
        { "\"xyzzy\"", false, false },
        { "*", false, false },
        { "", false, false },
        { "\"x y\", \"r2d2xxxx\"", true, true },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (hf_etag_in(hf_text(rows[i].list), &mine, true) != rows[i].strong)
            fail_msg("strongly: %s", rows[i].list);
        if (hf_etag_in(hf_text(rows[i].list), &mine, false) != rows[i].weak)
            fail_msg("weakly: %s", rows[i].list);
    }
    assert_false(hf_etag_in(hf_bytes_make(NULL, 0), &mine, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(etags_are_read_and_written),
        cmocka_unit_test(malformed_etags_are_none),
        cmocka_unit_test(etags_compare_as_in_the_table),
        cmocka_unit_test(lists_of_etags_are_searched),
    };
    return cmocka_run_group_tests_name("http etag", tests, NULL, NULL);
}
