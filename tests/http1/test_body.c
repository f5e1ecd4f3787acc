/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <string.h>

#include "http1_body.h"

enum { MOST = 8 };

/* "Name: value" lines, parsed as they would be in a head. */
static size_t parse(const char *text, hf_field *fields)
{
    const uint8_t *p = (const uint8_t *)text;
    const uint8_t *const end = p + strlen(text);
    size_t n = 0;
    hf_http1_flaw flaw;
    while (p != end) {
        assert_true(n < MOST);
        assert_int_equal(hf_http1_field_line_parse(&p, end, &fields[n++], &flaw), HF_LINE_GOOD);
    }
    return n;
}

static hf_http1_summary summarise(const char *text, hf_field *fields)
{
    hf_http1_summary s;
    const size_t n = parse(text, fields);
    hf_http1_summarise((hf_fields){ fields, n }, &s);
    return s;
}

static void framing_is_decided_by_one_field_alone(void **state)
{
    (void)state;
    static const struct { const char *text; hf_version version; int64_t length; int32_t code; } rows[] = {
        { "", HF_HTTP_1_1, HF_LENGTH_NONE, 0 },
        { "Content-Length: 0\r\n", HF_HTTP_1_1, 0, 0 },
        { "content-length: 007\r\n", HF_HTTP_1_0, 7, 0 },
        { "Content-Length: 9223372036854775807\r\n", HF_HTTP_1_1, INT64_MAX, 0 },
        { "Transfer-Encoding: CHUNKED\r\n", HF_HTTP_1_1, HF_LENGTH_UNKNOWN, 0 },
        { "Transfer-Encoding: chunked\r\n", HF_HTTP_1_0, 0, HF_ERR_HTTP1_ENCODING_IN_1_0 },
        { "Content-Length: 9223372036854775808\r\n", HF_HTTP_1_1, 0, HF_ERR_HTTP1_LENGTH_INVALID },
        { "Content-Length: 1\r\nContent-Length: 1\r\n", HF_HTTP_1_1, 0, HF_ERR_HTTP1_LENGTH_CONFLICT },
        { "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", HF_HTTP_1_1, 0, HF_ERR_HTTP1_LENGTH_AND_ENCODING },
        { "Transfer-Encoding: gzip,chunked\r\n", HF_HTTP_1_1, 0, HF_ERR_HTTP1_ENCODING_INVALID },
        { "Transfer-Encoding: gzip\r\n", HF_HTTP_1_1, 0, HF_ERR_HTTP1_ENCODING_INVALID },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_field fields[MOST];
        const hf_http1_summary s = summarise(rows[i].text, fields);
        int64_t length = 12345;
        hf_http1_flaw flaw = { 0, NULL, NULL };
        assert_int_equal(hf_http1_request_length(&s, rows[i].version, &length, &flaw), rows[i].code == 0);
        assert_int_equal(flaw.code, rows[i].code);
        if (rows[i].code == 0)
            assert_int_equal(length, rows[i].length);
    }
}

static void persistence_follows_version_and_options(void **state)
{
    (void)state;
    static const struct { const char *text; bool in_1_0, in_1_1; } rows[] = {
        { "", false, true },
        { "Connection: close\r\n", false, false },
        { "Connection: keep-alive\r\n", true, true },
        { "Connection: Keep-Alive, TE\r\nConnection: CLOSE\r\n", false, false },
        { "Connection: closed\r\n", false, true },
        { "Connection: ,,x ,keep-alive\r\n", true, true },
        { "Keep-Alive: 5\r\n", false, true },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_field fields[MOST];
        const hf_http1_summary s = summarise(rows[i].text, fields);
        assert_int_equal(hf_http1_persists(&s, HF_HTTP_1_0), rows[i].in_1_0);
        assert_int_equal(hf_http1_persists(&s, HF_HTTP_1_1), rows[i].in_1_1);
    }
}

static void an_upgrade_counts_only_when_connection_names_it(void **state)
{
    (void)state;
    hf_field fields[MOST];
    assert_false(summarise("Upgrade: ws\r\n", fields).upgrade_named);
    const hf_http1_summary s = summarise("Upgrade: ws\r\nConnection: x, Upgrade\r\n", fields);
    assert_true(s.upgrade_named && hf_bytes_equal(s.upgrade, hf_text("ws")));
}

static void expectations_are_told_apart(void **state)
{
    (void)state;
    hf_field fields[MOST];
    hf_http1_summary s = summarise("Expect: 100-CONTINUE\r\n", fields);
    assert_true(s.continue_expected && !s.other_expected);
    s = summarise("Expect: 100-continue, more\r\n", fields);
    assert_true(s.continue_expected && s.other_expected);
}

static void trailers_frame_route_and_authenticate_nothing(void **state)
{
    (void)state;
    static const hf_field_id unfit[] = { HF_FIELD_CONTENT_LENGTH, HF_FIELD_TRANSFER_ENCODING, HF_FIELD_HOST, HF_FIELD_AUTHORIZATION,
                                         HF_FIELD_COOKIE, HF_FIELD_SET_COOKIE, HF_FIELD_CONTENT_ENCODING, HF_FIELD_RANGE };
    for (size_t i = 0; i < HF_COUNT(unfit); i++)
        assert_false(hf_http1_trailer_is_fit(unfit[i]));
    assert_true(hf_http1_trailer_is_fit(HF_FIELD_OTHER) && hf_http1_trailer_is_fit(HF_FIELD_ETAG));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing_is_decided_by_one_field_alone), cmocka_unit_test(persistence_follows_version_and_options),
        cmocka_unit_test(an_upgrade_counts_only_when_connection_names_it), cmocka_unit_test(expectations_are_told_apart),
        cmocka_unit_test(trailers_frame_route_and_authenticate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
