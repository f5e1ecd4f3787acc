/* SPDX-License-Identifier: Apache-2.0
 *
 * What the log gets to see of a request that was refused.
 */
#include "glimpse.h"

#include "harness.h"
#include "text.h"

static void is_text(hf_bytes got, const char *wanted)
{
    if (!hf_bytes_equal(got, hf_text(wanted)))
        fail_msg("got %.*s, wanted %s", HF_STR(got), wanted);
}

static void a_line_is_told_as_far_as_it_came(void **state)
{
    (void)state;
    static const struct { const char *head, *method, *path, *query; hf_version version; } rows[] = {
        { "GET /a?b=c HTTP/1.1\r\nBad Field: x\r\n", "GET", "/a", "b=c", HF_HTTP_1_1 },
        { "GET /a HTTP/1.0\nHost: x\n", "GET", "/a", NULL, HF_HTTP_1_0 },
        { "POST /very/lo", "POST", "/very/lo", NULL, 0 },
        { "POST", "POST", "", NULL, 0 },
        { "", "", "", NULL, 0 },
        { "GET  /a HTTP/1.1\r\n", "GET", "", NULL, 0 },
        { "GET /a? HTTP/9.9\r\n", "GET", "/a", "", 0 },
        { "GET http://me:pw@host/x?token=1 HTTP/1.1\r\n", "GET", "http://me:pw@host/x", "token=1", HF_HTTP_1_1 },
        { "\x16\x03\x01\r\nGET /", "\x16\x03\x01", "", NULL, 0 },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_request_head head = { 0 };
        hf_glimpse_line(hf_text(rows[i].head), &head);
        is_text(head.method_name, rows[i].method);
        is_text(head.path, rows[i].path);
        assert_int_equal(head.query.ptr != NULL, rows[i].query != NULL);
        is_text(head.query, rows[i].query != NULL ? rows[i].query : "");
        assert_int_equal(head.version, rows[i].version);
    }
    hf_request_head head = { 0 };
    hf_glimpse_line(hf_bytes_make("G\0T /\0 x", 8), &head);
    assert_int_equal(head.method_name.len, 3);
    assert_int_equal(head.path.len, 2);
}

static void fields_are_told_as_far_as_they_came(void **state)
{
    (void)state;
    static const hf_field fields[] = { { .name = HF_LITERAL("x"), .value = HF_LITERAL("y") },
        { .name = HF_LITERAL(":method"), .value = HF_LITERAL("PUT") }, { .name = HF_LITERAL(":path"), .value = HF_LITERAL("/a?b") } };
    for (size_t n = 0; n <= HF_COUNT(fields); n++) {
        hf_request_head head = { 0 };
        hf_glimpse_fields((hf_fields){ fields, n }, HF_HTTP_2, &head);
        is_text(head.method_name, n > 1 ? "PUT" : "");
        is_text(head.path, n > 2 ? "/a" : "");
        is_text(head.query, n > 2 ? "b" : "");
        assert_int_equal(head.version, HF_HTTP_2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_told_as_far_as_it_came),
        cmocka_unit_test(fields_are_told_as_far_as_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
