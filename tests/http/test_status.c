/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <handfast/http.h>

static void phrases_are_those_of_the_registry(void **state)
{
    (void)state;
    static const struct {
        uint16_t status;
        const char *phrase;
    } rows[] = {
        { 100, "Continue" }, { 101, "Switching Protocols" }, { 103, "Early Hints" }, { 200, "OK" }, { 204, "No Content" },
        { 206, "Partial Content" }, { 301, "Moved Permanently" }, { 304, "Not Modified" }, { 308, "Permanent Redirect" },
        { 400, "Bad Request" }, { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 408, "Request Timeout" },
        { 412, "Precondition Failed" }, { 413, "Content Too Large" }, { 414, "URI Too Long" }, { 416, "Range Not Satisfiable" },
        { 421, "Misdirected Request" }, { 422, "Unprocessable Content" }, { 425, "Too Early" }, { 426, "Upgrade Required" },
        { 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
        { 501, "Not Implemented" }, { 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
        { 511, "Network Authentication Required" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        assert_true(hf_bytes_equal(hf_status_phrase(rows[i].status), hf_text(rows[i].phrase)));
}

static void unregistered_statuses_have_no_phrase(void **state)
{
    (void)state;
    static const uint16_t none[] = { 0, 1, 99, 104, 199, 299, 306, 399, 418, 430, 452, 499, 506, 512, 599, 600, 999, 65535 };
    for (size_t i = 0; i < HF_COUNT(none); i++) {
        assert_int_equal(hf_status_phrase(none[i]).len, 0);
    }
}

static void every_error_of_the_catalogue_answers_with_a_known_status(void **state)
{
    (void)state;
    hf_err err;
    const hf_err_info *info;
    size_t i = 0;
    for (; hf_err_row(i, &err, &info); i++)
        assert_true(info->status == 0 || hf_status_phrase(info->status).len > 0);
    assert_true(i > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phrases_are_those_of_the_registry),
        cmocka_unit_test(unregistered_statuses_have_no_phrase),
        cmocka_unit_test(every_error_of_the_catalogue_answers_with_a_known_status),
    };
    return cmocka_run_group_tests_name("http status", tests, NULL, NULL);
}
