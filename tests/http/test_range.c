/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "range.h"

enum { NONE = HF_RANGE_NONE, OKAY = HF_RANGE_SATISFIABLE, NOT = HF_RANGE_UNSATISFIABLE };

static void ranges_are_those_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint64_t size;
        int kind;
        const char *ranges;
    } rows[] = {
        /* RFC 9110 14.1.2, of 10000 bytes */
        { "bytes=0-499", 10000, OKAY, "0-499 " },
        { "bytes=500-999", 10000, OKAY, "500-999 " },
        { "bytes=-500", 10000, OKAY, "9500-9999 " },
        { "bytes=9500-", 10000, OKAY, "9500-9999 " },
        { "bytes=0-0,-1", 10000, OKAY, "0-0 9999-9999 " },
        { "bytes= 0-999, 4500-5499, -1000", 10000, OKAY, "0-999 4500-5499 9000-9999 " },
        { "bytes=500-600,601-999", 10000, OKAY, "500-999 " },
        { "bytes=500-700,601-999", 10000, OKAY, "500-999 " },
        /* ends */
        { "bytes=0-", 1, OKAY, "0-0 " },
        { "bytes=0-99999999999999999999999999", 10, OKAY, "0-9 " },
        { "bytes=-99999999999999999999999999", 10, OKAY, "0-9 " },
        { "bytes=9-9", 10, OKAY, "9-9 " },
        { "bytes=10-10", 10, NOT, "" },
        { "bytes=10-", 10, NOT, "" },
        { "bytes=99999999999999999999999999-", 10, NOT, "" },
        { "bytes=-0", 10, NOT, "" },
        { "bytes=10-,-0", 10, NOT, "" },
        { "bytes=10-,0-1", 10, OKAY, "0-1 " },
        { "bytes=0-", UINT64_MAX, OKAY, "0-18446744073709551614 " },
        /* nothing there */
        { "bytes=0-0", 0, NOT, "" },
        { "bytes=0-", 0, NOT, "" },
        { "bytes=-1", 0, NONE, "" },
        { "bytes=-0", 0, NOT, "" },
        /* order and joining */
        { "bytes=5-6,0-1", 10, OKAY, "5-6 0-1 " },
        { "bytes=5-6,0-1,3-4", 10, OKAY, "3-6 0-1 " },
        { "bytes=0-1,8-9,4-5,2-3", 10, OKAY, "0-5 8-9 " },
        { "bytes=0-1,8-9,2-7", 10, OKAY, "0-9 " },
        { "bytes=8-9,0-1,4-5,0-", 10, OKAY, "0-9 " },
        { "bytes=0-1,5-6,9-9,7-8", 20, OKAY, "0-1 5-9 " },
        { "bytes=0-0,2-2,4-4", 10, OKAY, "0-0 2-2 4-4 " },
        { "bytes=0-9,0-9,0-9", 10, OKAY, "0-9 " },
        { "bytes=4-5,8-9,0-3,6-7", 10, OKAY, "0-9 " },
        /* RFC 9110 14.1: case-insensitive; 14.2: other units are ignored */
        { "BYTES=0-1", 10, OKAY, "0-1 " },
        { "bytes=,0-1,,", 10, OKAY, "0-1 " },
        { "lines=0-1", 10, NONE, "" },
        { "none", 10, NONE, "" },
        /* malformed */
        { "", 10, NONE, "" },
        { "bytes", 10, NONE, "" },
        { "bytes=", 10, NONE, "" },
        { "bytes=,", 10, NONE, "" },
        { "bytes =0-1", 10, NONE, "" },
        { "bytes:0-1", 10, NONE, "" },
        { "bytes=5-4", 10, NONE, "" },
        { "bytes=15-14", 10, NONE, "" },
        { "bytes=0-1,5-4", 10, NONE, "" },
        { "bytes=-", 10, NONE, "" },
        { "bytes=--1", 10, NONE, "" },
        { "bytes=1", 10, NONE, "" },
        { "bytes=a-b", 10, NONE, "" },
        { "bytes=0x0-1", 10, NONE, "" },
        { "bytes=0-1x", 10, NONE, "" },
        { "bytes=0 - 1", 10, NONE, "" },
        { "bytes=0-1;q=1", 10, NONE, "" },
        { "bytes=0-1 2-3", 10, NONE, "" },
        { "bytes=+0-1", 10, NONE, "" },
        { "bytes=\"0-1\"", 10, NONE, "" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_range ranges[4];
        size_t count = 99;
        uint8_t buffer[128];
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        const hf_range_kind kind = hf_range_parse(hf_text(rows[i].value), rows[i].size, ranges, HF_COUNT(ranges), &count);
        for (size_t k = 0; k < count; k++) {
            hf_write_decimal(&w, ranges[k].first);
            hf_write(&w, hf_text("-"));
            hf_write_decimal(&w, ranges[k].last);
            hf_write(&w, hf_text(" "));
        }
        if (kind != (hf_range_kind)rows[i].kind || !hf_bytes_equal(hf_written(&w), hf_text(rows[i].ranges)))
            fail_msg("%s of %llu: %d %.*s", rows[i].value, (unsigned long long)rows[i].size, (int)kind, HF_STR(hf_written(&w)));
    }
}

static void limit_ranges(void **state)
{
    (void)state;
    enum { MOST = 64 };
    const size_t limit = (size_t)hf_limits_default()->ranges;
    uint8_t text[1024];
    hf_range ranges[MOST];
    size_t count;
    assert_true(limit > 0 && limit < MOST);
    for (size_t asked = limit; asked <= limit + 1; asked++) {
        hf_writer w = hf_writer_make(text, sizeof text);
        hf_write(&w, hf_text("bytes="));
        for (size_t i = 0; i < asked; i++) {
            hf_write_decimal(&w, i * 2);
            hf_write(&w, hf_text("-"));
            hf_write_decimal(&w, i * 2);
            hf_write(&w, hf_text(","));
        }
        const hf_range_kind kind = hf_range_parse(hf_written(&w), 1000, ranges, limit, &count);
        assert_int_equal(kind, asked == limit ? HF_RANGE_SATISFIABLE : HF_RANGE_TOO_MANY);
        assert_int_equal(count, asked == limit ? limit : 0);
    }
    /* those that are joined or not satisfiable count too: it is the asking that is bounded */
    assert_int_equal(hf_range_parse(hf_text("bytes=0-1,0-1,0-1"), 10, ranges, 2, &count), HF_RANGE_TOO_MANY);
    assert_int_equal(hf_range_parse(hf_text("bytes=20-,20-,20-"), 10, ranges, 2, &count), HF_RANGE_TOO_MANY);
    assert_int_equal(hf_range_parse(hf_text("bytes=0-1"), 10, ranges, 0, &count), HF_RANGE_TOO_MANY);
}

/* RFC 9110 14.4 */
static void content_ranges_are_written_and_read(void **state)
{
    (void)state;
    static const struct {
        uint64_t first, last;
        const char *text;
    } rows[] = { { 0, 499, "bytes 0-499/1234" }, { 500, 999, "bytes 500-999/1234" }, { 500, 1233, "bytes 500-1233/1234" },
                 { 734, 1233, "bytes 734-1233/1234" }, { 42, 1233, "bytes 42-1233/1234" } };
    uint8_t buffer[64];
    hf_content_range c;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        hf_content_range_write(&w, (hf_range){ rows[i].first, rows[i].last }, 1234);
        assert_true(hf_bytes_equal(hf_written(&w), hf_text(rows[i].text)));
        assert_true(hf_content_range_parse(hf_written(&w), &c));
        assert_true(c.has_range && c.has_size);
        assert_true(c.range.first == rows[i].first && c.range.last == rows[i].last && c.size == 1234);
    }
    assert_true(hf_content_range_parse(hf_text("Bytes 42-1233/*"), &c));
    assert_true(c.has_range && !c.has_size && c.range.first == 42 && c.range.last == 1233);
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    hf_content_range_write_unsatisfied(&w, 1234);
    assert_true(hf_bytes_equal(hf_written(&w), hf_text("bytes */1234")));
    assert_true(hf_content_range_parse(hf_written(&w), &c));
    assert_true(!c.has_range && c.has_size && c.size == 1234);
    assert_int_equal(hf_range_length((hf_range){ 5, 5 }), 1);
}

static void content_ranges_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "bytes", "bytes ", "bytes=0-1/2", "lines 0-1/2", "bytes 1-0/2", "bytes 0-2/2", "bytes 0-1/1", "bytes 0-1",
                                       "bytes 0-1/", "bytes 0-1/x", "bytes 0-1/2x", "bytes */*", "bytes */", "bytes *", "bytes -1/2", "bytes 0-/2",
                                       "bytes 0-99999999999999999999/*", "bytes 0-1/99999999999999999999", "bytes  0-1/2", "bytes 0-1/2 " };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        hf_content_range c;
        if (hf_content_range_parse(hf_text(bad[i]), &c))
            fail_msg("took \"%s\"", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_those_of_the_rfc),
        cmocka_unit_test(limit_ranges),
        cmocka_unit_test(content_ranges_are_written_and_read),
        cmocka_unit_test(content_ranges_that_contradict_themselves_are_refused),
    };
    return cmocka_run_group_tests_name("http range", tests, NULL, NULL);
}
