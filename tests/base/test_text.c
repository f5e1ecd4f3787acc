/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <inttypes.h>
#include <stdio.h>

#include "random.h"
#include "text.h"

static void assert_written(const hf_writer *w, const char *expected)
{
    const hf_bytes got = hf_written(w);
    if (!hf_bytes_equal(got, hf_text(expected)))
        fail_msg("got \"%.*s\", want \"%s\"", HF_STR(got), expected);
}

static void numbers_are_written_as_printf_would(void **state)
{
    (void)state;
    hf_random r;
    hf_random_seed(&r, 1);
    for (int i = 0; i < 2000; i++) {
        const uint64_t n = i == 0 ? 0 : i == 1 ? UINT64_MAX : hf_random_next(&r) >> hf_random_below(&r, 64);
        char buffer[100], expected[100];
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        hf_write_decimal(&w, n);
        hf_write_byte(&w, ' ');
        hf_write_hex(&w, n);
        hf_write_byte(&w, ' ');
        hf_write_padded(&w, n, 5);
        hf_write_byte(&w, ' ');
        hf_write_padded(&w, n, 30);
        snprintf(expected, sizeof expected, "%" PRIu64 " %" PRIx64 " %05" PRIu64 " %030" PRIu64, n, n, n, n);
        assert_written(&w, expected);
        assert_false(w.overflowed);
    }
}

static void what_does_not_fit_is_remembered_and_never_written(void **state)
{
    (void)state;
    uint8_t buffer[8] = "........";
    hf_writer w = hf_writer_make(buffer, 4);
    hf_write_text(&w, "abcd");
    assert_false(w.overflowed);
    hf_write_byte(&w, 'e');
    assert_true(w.overflowed);
    assert_written(&w, "abcd");

    w = hf_writer_make(buffer, 4);
    hf_write_decimal(&w, 12345);
    assert_true(w.overflowed);
    assert_written(&w, "");
    w = hf_writer_make(buffer, 4);
    hf_write_padded(&w, 1, 5);
    assert_true(w.overflowed);
    assert_written(&w, "");
    w = hf_writer_make(buffer, 4);
    hf_write_hex(&w, 0x12345);
    assert_true(w.overflowed);
    w = hf_writer_make(NULL, 0);
    hf_write_text(&w, "");
    hf_write_text(&w, NULL);
    assert_false(w.overflowed);
    hf_write_byte(&w, 'x');
    assert_true(w.overflowed);
    assert_memory_equal(buffer + 4, "....", 4);
}

/* After something was dropped nothing more is written: what is there is a beginning, never a text with a hole. */
static void an_escaped_text_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t room = 0; room < 20; room++) {
        uint8_t buffer[20];
        hf_writer w = hf_writer_make(buffer, room);
        hf_write_json(&w, hf_text("a\nb\x01" "c\xe2\x82\xac" "d"));
        static const uint8_t whole[] = "a\\nb\\u0001c\xe2\x82\xac" "d";
        assert_int_equal(w.overflowed, room < sizeof whole - 1);
        assert_memory_equal(buffer, whole, w.length);
        static const size_t cuts[] = { 0, 1, 1, 3, 4, 4, 4, 4, 4, 4, 10, 11, 11, 11, 14, 15 };
        assert_int_equal(w.length, cuts[room < 15 ? room : 15]);

        w = hf_writer_make(buffer, room);
        hf_write_html(&w, hf_text("a<b&c"));
        assert_int_equal(w.overflowed, room < 12);
        assert_memory_equal(buffer, "a&lt;b&amp;c", w.length);
    }
}

static void assert_json(hf_bytes from, const char *expected)
{
    char buffer[300];
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    hf_write_json(&w, from);
    assert_false(w.overflowed);
    assert_written(&w, expected);
}

static void json_escapes_what_RFC_8259_demands(void **state)
{
    (void)state;
    assert_json(hf_text("plain text / 'quotes'"), "plain text / 'quotes'");
    assert_json(hf_text("\"\\"), "\\\"\\\\");
    assert_json(hf_text("\b\f\n\r\t"), "\\b\\f\\n\\r\\t");
    assert_json(hf_bytes_make("\0\x01\x1f\x20\x7f", 5), "\\u0000\\u0001\\u001f \x7f");
    assert_json(hf_text("\x0b\x1b"), "\\u000b\\u001b");
    for (uint8_t c = 0; c < 0x20; c++) {
        char buffer[10];
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        hf_write_json(&w, hf_bytes_make(&c, 1));
        assert_int_equal(buffer[0], '\\');
        assert_true(w.length == 2 || w.length == 6);
    }
}

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static void json_replaces_what_is_no_UTF_8(void **state)
{
    (void)state;
    static const char *const good[] = {
        "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xf0\x9f\xa4\x9d",
    };
    for (size_t i = 0; i < HF_COUNT(good); i++)
        assert_json(hf_text(good[i]), good[i]);
    assert_json(hf_text("a\x80z"), "a" BAD "z");
    assert_json(hf_text("\xff\xfe"), BAD BAD);
    assert_json(hf_text("\xc0\xaf"), BAD BAD);             /* overlong '/' */
    assert_json(hf_text("\xc1\xbf"), BAD BAD);             /* overlong */
    assert_json(hf_text("\xe0\x80\xaf"), BAD BAD BAD);     /* overlong */
    assert_json(hf_text("\xe0\x9f\xbf"), BAD BAD BAD);     /* overlong */
    assert_json(hf_text("\xf0\x8f\xbf\xbf"), BAD BAD BAD BAD); /* overlong */
    assert_json(hf_text("\xed\xa0\x80"), BAD BAD BAD);     /* a surrogate */
    assert_json(hf_text("\xed\xbf\xbf"), BAD BAD BAD);     /* a surrogate */
    assert_json(hf_text("\xf4\x90\x80\x80"), BAD BAD BAD BAD); /* above U+10FFFF */
    assert_json(hf_text("\xf5\x80\x80\x80"), BAD BAD BAD BAD);
    assert_json(hf_text("\xe2\x82"), BAD);                 /* cut short: one replacement for the whole beginning */
    assert_json(hf_text("\xf0\x9f\xa4" "x"), BAD "x");
    assert_json(hf_text("\xe2\"\xe2\x82\n"), BAD "\\\"" BAD "\\n"); /* a quote hides behind no lead byte */
    assert_json(hf_bytes_make("\xc3\xa9", 1), BAD);        /* the rest lies past the end */
}

/* Every code point there is, encoded here by the definition of RFC 3629 3. */
static void json_passes_every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0x80; c <= 0x110fff; c++) {
        uint8_t from[4], to[32];
        size_t n = 0;
        if (c < 0x800) {
            from[n++] = (uint8_t)(0xc0 | c >> 6);
        } else {
            if (c < 0x10000) {
                from[n++] = (uint8_t)(0xe0 | c >> 12);
            } else {
                from[n++] = (uint8_t)(0xf0 | c >> 18);
                from[n++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
            }
            from[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        }
        from[n++] = (uint8_t)(0x80 | (c & 0x3f));
        hf_writer w = hf_writer_make(to, sizeof to);
        hf_write_json(&w, hf_bytes_make(from, n));
        const bool scalar = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        if (hf_bytes_equal(hf_written(&w), hf_bytes_make(from, n)) != scalar)
            fail_msg("U+%04" PRIX32, c);
    }
}

static void html_escapes_what_could_end_text_or_attribute(void **state)
{
    (void)state;
    char buffer[100];
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    hf_write_html(&w, hf_text("<a href=\"x\" id='y'>&\xc3\xa9</a>"));
    assert_written(&w, "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;\xc3\xa9&lt;/a&gt;");
}

static void hexadecimals_are_sixteen_digits_at_most(void **state)
{
    (void)state;
    uint64_t n = 7;
    static const char *const bad[] = { "", "g", "0x1", "1 ", "-1", "00000000000000001", "ffffffffffffffff0" };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        assert_false(hf_parse_hex(hf_text(bad[i]), &n));
        assert_int_equal(n, 7);
    }
    assert_true(hf_parse_hex(hf_text("0aF"), &n) && n == 0xaf);
    assert_true(hf_parse_hex(hf_text("ffffffffffffffff"), &n) && n == UINT64_MAX);
}

static void decimals_are_digits_only(void **state)
{
    (void)state;
    uint64_t n = 7;
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "1a", "18446744073709551616", "99999999999999999999",
        "184467440737095516150",
    };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        assert_false(hf_parse_decimal(hf_text(bad[i]), &n));
        assert_int_equal(n, 7);
    }
    assert_false(hf_parse_decimal(hf_bytes_make(NULL, 0), &n));
    assert_true(hf_parse_decimal(hf_text("0"), &n) && n == 0);
    assert_true(hf_parse_decimal(hf_text("0000000000000000000000042"), &n) && n == 42);
    assert_true(hf_parse_decimal(hf_text("18446744073709551615"), &n) && n == UINT64_MAX);
}

static void hex_digits_are_the_sixteen_in_both_cases(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *lower = "0123456789abcdef", *upper = "0123456789ABCDEF";
        const char *found = c == 0 ? NULL : strchr(lower, c);
        int expected = found ? (int)(found - lower) : -1;
        found = c == 0 ? NULL : strchr(upper, c);
        expected = found ? (int)(found - upper) : expected;
        assert_int_equal(hf_hex_digit((uint8_t)c), expected);
    }
}

static void case_is_folded_in_ASCII_only(void **state)
{
    (void)state;
    assert_true(hf_text_same(hf_text("Content-Length"), hf_text("cONTENT-lENGTH")));
    assert_false(hf_text_same(hf_text("a"), hf_text("b")));
    assert_false(hf_text_same(hf_text("a"), hf_text("ab")));
    assert_false(hf_text_same(hf_text("@[`{"), hf_text("`{@[")));
    assert_false(hf_text_same(hf_text("\xc3\x89"), hf_text("\xc3\xa9")));
    assert_true(hf_text_same(hf_bytes_make(NULL, 0), hf_text("")));
}

static void starts_with_compares_bytes(void **state)
{
    (void)state;
    assert_true(hf_starts_with(hf_text("bytes=0-1"), hf_text("bytes=")));
    assert_true(hf_starts_with(hf_text("x"), hf_bytes_make(NULL, 0)));
    assert_true(hf_starts_with(hf_bytes_make(NULL, 0), hf_bytes_make(NULL, 0)));
    assert_false(hf_starts_with(hf_text("byte"), hf_text("bytes")));
    assert_false(hf_starts_with(hf_text("Bytes=0"), hf_text("bytes")));
}

static void trim_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_true(hf_bytes_equal(hf_trim(hf_text(" \t a b\t ")), hf_text("a b")));
    assert_true(hf_bytes_equal(hf_trim(hf_text("\na\r")), hf_text("\na\r")));
    assert_int_equal(hf_trim(hf_text(" \t ")).len, 0);
    assert_int_equal(hf_trim(hf_bytes_make(NULL, 0)).len, 0);
}

static void split_gives_every_part_empty_ones_too(void **state)
{
    (void)state;
    static const struct { const char *whole, *parts[5]; } rows[] = {
        { "a,bc,d", { "a", "bc", "d" } }, { "abc", { "abc" } }, { "", { "" } }, { ",", { "", "" } },
        { "a,", { "a", "" } }, { ",,a", { "", "", "a" } },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_bytes rest = hf_text(rows[i].whole), part;
        size_t count = 0;
        for (; hf_split(&rest, ',', &part); count++) {
            assert_true(count < 5 && rows[i].parts[count] != NULL);
            assert_true(hf_bytes_equal(part, hf_text(rows[i].parts[count])));
            assert_non_null(part.ptr);
        }
        assert_true(count > 0 && rows[i].parts[count] == NULL);
    }
    hf_bytes none = hf_bytes_make(NULL, 0), part;
    assert_false(hf_split(&none, ',', &part));
}

static void the_user_of_a_url_is_found_wherever_it_stands(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user;
    } rows[] = { { "https://mary:secret@host/", "mary:secret" }, { "redis://:pw@localhost:6379/0", ":pw" }, { "https://token@host", "token" },
        { "see https://a.example/x and https://u:p@b.example?q", "u:p" }, { "https://a@b@host/", "a@b" }, { "session \"redis://u:p@host\" # c@d", "u:p" },
        { "redis://mary:hunter2/pw#9@host:1", "mary:hunter2/pw#9" }, { "https://host/a@b", "host/a" }, { "https://a:x@h/?u=https://b:y@h", "a:x@h/?u=https://b:y" }, { "https://@host", NULL }, { "mary@host", NULL }, { "a://b", NULL }, { "://", NULL }, { "", NULL } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_bytes user = hf_url_user(hf_text(rows[i].text));
        if ((user.ptr == NULL) != (rows[i].user == NULL) || (user.ptr != NULL && !hf_bytes_equal(user, hf_text(rows[i].user))))
            fail_msg("%s: %.*s", rows[i].text, HF_STR(user));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_user_of_a_url_is_found_wherever_it_stands),
        cmocka_unit_test(numbers_are_written_as_printf_would),
        cmocka_unit_test(what_does_not_fit_is_remembered_and_never_written),
        cmocka_unit_test(an_escaped_text_is_cut_between_characters),
        cmocka_unit_test(json_escapes_what_RFC_8259_demands),
        cmocka_unit_test(json_replaces_what_is_no_UTF_8),
        cmocka_unit_test(json_passes_every_code_point),
        cmocka_unit_test(html_escapes_what_could_end_text_or_attribute),
        cmocka_unit_test(decimals_are_digits_only),
        cmocka_unit_test(hexadecimals_are_sixteen_digits_at_most),
        cmocka_unit_test(hex_digits_are_the_sixteen_in_both_cases),
        cmocka_unit_test(case_is_folded_in_ASCII_only),
        cmocka_unit_test(starts_with_compares_bytes),
        cmocka_unit_test(trim_takes_spaces_and_tabs_only),
        cmocka_unit_test(split_gives_every_part_empty_ones_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
