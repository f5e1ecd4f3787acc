/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <string.h>

#include "http1_wire.h"

static const uint8_t *start_of(const char *text)
{
    return (const uint8_t *)text;
}

static void a_request_line_is_cut_into_its_parts(void **state)
{
    (void)state;
    static const char text[] = "QUERY /a?b HTTP/1.1\r\nrest";
    const uint8_t *p = start_of(text);
    hf_http1_start s;
    hf_http1_flaw flaw;
    assert_int_equal(hf_http1_request_line_parse(&p, p + sizeof text - 1, &s, &flaw), HF_LINE_GOOD);
    assert_true(hf_bytes_equal(s.method, hf_text("QUERY")) && hf_bytes_equal(s.target, hf_text("/a?b")));
    assert_int_equal(s.version, HF_HTTP_1_1);
    assert_string_equal((const char *)p, "rest");
}

static void higher_minor_versions_are_read_as_1_1(void **state)
{
    (void)state;
    static const struct { const char *text; hf_version version; } rows[] = {
        { "GET / HTTP/1.0\r\n", HF_HTTP_1_0 }, { "GET / HTTP/1.1\r\n", HF_HTTP_1_1 },
        { "GET / HTTP/1.2\r\n", HF_HTTP_1_1 }, { "GET / HTTP/1.9\r\n", HF_HTTP_1_1 },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const uint8_t *p = start_of(rows[i].text);
        hf_http1_start s;
        hf_http1_flaw flaw;
        assert_int_equal(hf_http1_request_line_parse(&p, p + strlen(rows[i].text), &s, &flaw), HF_LINE_GOOD);
        assert_int_equal(s.version, rows[i].version);
    }
}

static void a_line_is_judged_only_when_it_is_whole(void **state)
{
    (void)state;
    static const char *const rows[] = { "G@T / HTTP/1.1\r\n", "GET / http/1.1\r\n", "GET  / HTTP/1.1\n", "GET /\rx HTTP/1.1\r\n" };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        for (size_t n = 0; n <= strlen(rows[i]); n++) {
            const uint8_t *p = start_of(rows[i]);
            hf_http1_start s;
            hf_http1_flaw flaw;
            const hf_http1_line want = n == strlen(rows[i]) ? HF_LINE_BAD : HF_LINE_MORE;
            assert_int_equal(hf_http1_request_line_parse(&p, p + n, &s, &flaw), want);
            assert_ptr_equal(p, start_of(rows[i]));
        }
}

static void a_field_line_is_trimmed_and_identified(void **state)
{
    (void)state;
    static const char text[] = "hOsT: \t a b\xff \t\r\n\r\n";
    const uint8_t *p = start_of(text);
    const uint8_t *const end = p + sizeof text - 1;
    hf_field f;
    hf_http1_flaw flaw;
    assert_int_equal(hf_http1_field_line_parse(&p, end, &f, &flaw), HF_LINE_GOOD);
    assert_true(hf_bytes_equal(f.name, hf_text("hOsT")) && hf_bytes_equal(f.value, hf_text("a b\xff")));
    assert_int_equal(f.id, HF_FIELD_HOST);
    assert_int_equal(hf_http1_field_line_parse(&p, end, &f, &flaw), HF_LINE_END);
    assert_ptr_equal(p, end);
}

/* Values are looked at eight bytes at a time: each byte value at each place must be judged as by the table. */
static void each_byte_at_each_place_of_a_value_is_judged(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++)
        for (size_t at = 0; at < 19; at++) {
            char text[32] = "A:aaaaaaaaaaaaaaaaaaaa\r\n";
            const size_t n = strlen(text);
            text[2 + at] = (char)c;
            const uint8_t *p = start_of(text);
            hf_field f;
            hf_http1_flaw flaw;
            const bool good = (c >= ' ' && c != 0x7f) || c == '\t';
            assert_int_equal(hf_http1_field_line_parse(&p, p + n, &f, &flaw), good ? HF_LINE_GOOD : HF_LINE_BAD);
            if (!good) {
                assert_ptr_equal(flaw.at, start_of(text) + 2 + at);
                assert_int_equal(flaw.code, c == '\n' ? HF_ERR_HTTP1_BARE_LF : c == '\r' ? HF_ERR_HTTP1_BARE_CR : HF_ERR_HTTP1_FIELD_VALUE);
            }
        }
}

static void a_field_is_fit_when_each_of_its_bytes_is(void **state)
{
    (void)state;
    for (size_t length = 0; length <= 35; length++) {
        char value[36];
        memset(value, 'v', sizeof value);
        hf_field field = { hf_text("X-Name"), { (const uint8_t *)value, length }, HF_FIELD_OTHER };
        assert_true(hf_http1_field_is_fit(&field));
        for (size_t at = 0; at < length; at++) {
            for (unsigned c = 0; c < 256; c++) {
                value[at] = (char)c;
                assert_int_equal(hf_http1_field_is_fit(&field), c == '\t' || (c >= 0x20 && c != 0x7f));
            }
            value[at] = at % 2 ? '\t' : 'v'; /* what may stay makes the rest no less wrong */
        }
    }
    const hf_field lie = { hf_text("Date: x\r\nEvil"), hf_text("y"), HF_FIELD_DATE };
    assert_false(hf_http1_field_is_fit(&lie));
    const hf_field own = { hf_field_spelling(HF_FIELD_DATE), hf_text("y\r"), HF_FIELD_DATE };
    assert_false(hf_http1_field_is_fit(&own));
}

static void chunk_sizes_are_read_up_to_the_largest(void **state)
{
    (void)state;
    static const struct { const char *text; uint64_t size; } rows[] = {
        { "0\r\n", 0 }, { "a\r\n", 10 }, { "Ff\r\n", 255 }, { "000010\r\n", 16 }, { "7fffffffffffffff\r\n", INT64_MAX },
        { "1;a\r\n", 1 }, { "1 ; a = \"\\\"\\\\ \t\xff\" ; b\r\n", 1 }, { "2;a=b;c=d\r\n", 2 },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const uint8_t *p = start_of(rows[i].text);
        uint64_t size;
        hf_http1_flaw flaw;
        assert_int_equal(hf_http1_chunk_line_parse(&p, p + strlen(rows[i].text), &size, &flaw), HF_LINE_GOOD);
        assert_int_equal(size, rows[i].size);
        assert_int_equal(*p, 0);
    }
}

static void a_status_line_is_written_with_its_space(void **state)
{
    (void)state;
    char out[128];
    hf_writer w = hf_writer_make(out, sizeof out);
    hf_http1_status_line_write(&w, 404, hf_text(""));
    hf_http1_status_line_write(&w, 799, hf_text(""));
    hf_http1_status_line_write(&w, 200, hf_text("Fine"));
    assert_true(hf_bytes_equal(hf_written(&w), hf_text("HTTP/1.1 404 Not Found\r\nHTTP/1.1 799 \r\nHTTP/1.1 200 Fine\r\n")));
}

static void what_is_written_fits_the_length_told_before(void **state)
{
    (void)state;
    const hf_field f[] = { { HF_LITERAL("A"), HF_LITERAL(""), HF_FIELD_OTHER }, { HF_LITERAL("Bc"), HF_LITERAL("def"), HF_FIELD_OTHER } };
    char out[64];
    hf_writer w = hf_writer_make(out, sizeof out);
    hf_http1_fields_write(&w, (hf_fields){ f, 2 });
    assert_int_equal(w.length, hf_http1_fields_length((hf_fields){ f, 2 }));
    assert_true(hf_bytes_equal(hf_written(&w), hf_text("A: \r\nBc: def\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_line_is_cut_into_its_parts), cmocka_unit_test(higher_minor_versions_are_read_as_1_1),
        cmocka_unit_test(a_line_is_judged_only_when_it_is_whole), cmocka_unit_test(a_field_line_is_trimmed_and_identified),
        cmocka_unit_test(each_byte_at_each_place_of_a_value_is_judged), cmocka_unit_test(a_field_is_fit_when_each_of_its_bytes_is),
        cmocka_unit_test(chunk_sizes_are_read_up_to_the_largest), cmocka_unit_test(a_status_line_is_written_with_its_space),
        cmocka_unit_test(what_is_written_fits_the_length_told_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
