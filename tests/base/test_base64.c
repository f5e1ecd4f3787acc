/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base64.h"
#include "random.h"

static void assert_both_ways(hf_base64_kind kind, hf_bytes value, const char *text)
{
    char buffer[100];
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    hf_base64_write(&w, kind, value);
    assert_true(hf_bytes_equal(hf_written(&w), hf_text(text)));
    assert_int_equal(hf_base64_length(kind, value.len), strlen(text));
    w = hf_writer_make(buffer, sizeof buffer);
    assert_int_equal(hf_base64_parse(&w, kind, hf_text(text)).code, 0);
    assert_true(hf_bytes_equal(hf_written(&w), value));
}

static void the_vectors_of_RFC_4648_10_hold(void **state)
{
    (void)state;
    static const struct { const char *value, *padded, *plain; } rows[] = {
        { "", "", "" }, { "f", "Zg==", "Zg" }, { "fo", "Zm8=", "Zm8" }, { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" }, { "fooba", "Zm9vYmE=", "Zm9vYmE" }, { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        assert_both_ways(HF_BASE64, hf_text(rows[i].value), rows[i].padded);
        assert_both_ways(HF_BASE64URL, hf_text(rows[i].value), rows[i].plain);
    }
}

static void the_alphabets_differ_in_two_letters(void **state)
{
    (void)state;
    const hf_bytes value = hf_bytes_make("\xfb\xff\xbf", 3);
    assert_both_ways(HF_BASE64, value, "+/+/");
    assert_both_ways(HF_BASE64URL, value, "-_-_");
}

static void whatever_is_not_canonical_is_refused(void **state)
{
    (void)state;
    static const struct { hf_base64_kind kind; const char *text; } rows[] = {
        { HF_BASE64, "Z" }, { HF_BASE64, "Zg" }, { HF_BASE64, "Zg=" }, { HF_BASE64, "Zg===" }, { HF_BASE64, "Zm9" },
        { HF_BASE64, "=" }, { HF_BASE64, "==" }, { HF_BASE64, "====" }, { HF_BASE64, "Z===" }, { HF_BASE64, "Zm9v=" },
        { HF_BASE64, "Zm9v====" }, { HF_BASE64, "Zg==Zg==" }, { HF_BASE64, "Zm=v" }, { HF_BASE64, "Zm8=Zm9v" },
        { HF_BASE64, "Zh==" }, { HF_BASE64, "Zm9=" }, { HF_BASE64, "-_-_" }, { HF_BASE64, "Zm9v\n" },
        { HF_BASE64, "Zm 9" },
        { HF_BASE64, " Zm9" }, { HF_BASE64, "Zm9v\r\nZm9v\r\n" }, { HF_BASE64, "Zm\xc3\xa9" },
        { HF_BASE64URL, "Z" }, { HF_BASE64URL, "Zg==" }, { HF_BASE64URL, "Zm8=" }, { HF_BASE64URL, "Zm9vZ" },
        { HF_BASE64URL, "Zh" }, { HF_BASE64URL, "Zm9" }, { HF_BASE64URL, "+/+/" }, { HF_BASE64URL, "Zg\n" },
        { HF_BASE64URL, "Z." },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        char buffer[20];
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        hf_write_text(&w, "kept");
        const hf_err err = hf_base64_parse(&w, rows[i].kind, hf_text(rows[i].text));
        if (err.code != HF_ERR_BASE_ENCODING)
            fail_msg("\"%s\" gave %s", rows[i].text, hf_err_text(err));
        assert_true(hf_bytes_equal(hf_written(&w), hf_text("kept")));
    }
    char buffer[8];
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    assert_int_equal(hf_base64_parse(&w, HF_BASE64, hf_bytes_make("Zm\0v", 4)).code, HF_ERR_BASE_ENCODING);
}

/* One text for one value: whatever parses is what write gives back. */
static void a_text_that_parses_is_the_only_one_for_its_value(void **state)
{
    (void)state;
    static const char letters[] = "ABCDgwQZaz059+/-_==== ";
    hf_random r;
    hf_random_seed(&r, 1);
    size_t parsed = 0;
    for (int i = 0; i < 200000; i++) {
        char text[8], buffer[8], again[12];
        const size_t n = hf_random_below(&r, sizeof text + 1);
        for (size_t k = 0; k < n; k++)
            text[k] = letters[hf_random_below(&r, sizeof letters - 1)];
        const hf_base64_kind kind = hf_random_below(&r, 2) == 0 ? HF_BASE64 : HF_BASE64URL;
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        if (hf_base64_parse(&w, kind, hf_bytes_make(text, n)).code != 0)
            continue;
        parsed++;
        hf_writer back = hf_writer_make(again, sizeof again);
        hf_base64_write(&back, kind, hf_written(&w));
        assert_true(hf_bytes_equal(hf_written(&back), hf_bytes_make(text, n)));
    }
    assert_true(parsed > 10000);
}

static void random_values_survive_the_round_trip(void **state)
{
    (void)state;
    hf_random r;
    hf_random_seed(&r, 1);
    for (size_t n = 0; n < 300; n++) {
        uint8_t value[300], text[400], back[300];
        for (size_t i = 0; i < n; i++)
            value[i] = (uint8_t)hf_random_next(&r);
        for (int kind = HF_BASE64; kind <= HF_BASE64URL; kind++) {
            hf_writer w = hf_writer_make(text, sizeof text);
            hf_base64_write(&w, (hf_base64_kind)kind, hf_bytes_make(value, n));
            assert_int_equal(w.length, hf_base64_length((hf_base64_kind)kind, n));
            hf_writer parsed = hf_writer_make(back, n);
            assert_int_equal(hf_base64_parse(&parsed, (hf_base64_kind)kind, hf_written(&w)).code, 0);
            assert_true(hf_bytes_equal(hf_written(&parsed), hf_bytes_make(value, n)));
            /* One bit changed must not give the same value. */
            if (n > 0)
                text[hf_random_below(&r, w.length)] ^= (uint8_t)(1u << hf_random_below(&r, 8));
            parsed = hf_writer_make(back, n);
            if (n > 0 && hf_base64_parse(&parsed, (hf_base64_kind)kind, hf_written(&w)).code == 0)
                assert_false(hf_bytes_equal(hf_written(&parsed), hf_bytes_make(value, n)));
        }
    }
}

static void what_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    char buffer[8];
    hf_writer w = hf_writer_make(buffer, 7);
    hf_base64_write(&w, HF_BASE64, hf_text("foob"));
    assert_true(w.overflowed);
    assert_int_equal(w.length, 0);
    w = hf_writer_make(buffer, 3);
    assert_int_equal(hf_base64_parse(&w, HF_BASE64, hf_text("Zm9vYg==")).code, HF_ERR_BASE_LIMIT);
    assert_true(w.overflowed);
    assert_int_equal(w.length, 0);
    w = hf_writer_make(buffer, 4);
    assert_int_equal(hf_base64_parse(&w, HF_BASE64, hf_text("Zm9vYg==")).code, 0);
    assert_true(hf_bytes_equal(hf_written(&w), hf_text("foob")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_RFC_4648_10_hold),
        cmocka_unit_test(the_alphabets_differ_in_two_letters),
        cmocka_unit_test(whatever_is_not_canonical_is_refused),
        cmocka_unit_test(a_text_that_parses_is_the_only_one_for_its_value),
        cmocka_unit_test(random_values_survive_the_round_trip),
        cmocka_unit_test(what_does_not_fit_is_not_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
