/* SPDX-License-Identifier: Apache-2.0
 *
 * CORS as a browser decides it: which requests need a preflight, and which answers let a script read.
 */
#include <stdio.h>

#include "cors_check.h"
#include "harness.h"

static hf_field held[16];

/* "Name: value|Name: value" */
static hf_fields fields(const char *text)
{
    hf_bytes rest = hf_text(text), line;
    size_t n = 0;
    while (rest.len > 0 && hf_split(&rest, '|', &line)) {
        const uint8_t *const colon = memchr(line.ptr, ':', line.len);
        assert_non_null(colon);
        held[n++] = (hf_field){ hf_bytes_make(line.ptr, (size_t)(colon - line.ptr)), hf_trim(hf_bytes_make(colon + 1, (size_t)(line.ptr + line.len - colon - 1))), HF_FIELD_OTHER };
    }
    return (hf_fields){ held, n };
}

static void some_requests_need_a_preflight(void **state)
{
    (void)state;
    static const struct {
        const char *method, *fields, *headers;
        bool needs;
    } cases[] = {
        { "GET", "", "", false }, { "get", "", "", false }, { "post", "Content-Type: text/plain;charset=utf-8", "", false }, { "PUT", "", "", true },
        { "patch", "", "", true }, { "POST", "Content-Type: application/json", "content-type", true }, { "GET", "X-B: 1|Accept: */*|x-a: 2|X-b: 3", "x-a,x-b", true },
        { "GET", "Accept: a(b", "accept", true }, { "GET", "Accept-Language: de, en;q=0.5", "", false }, { "GET", "Accept-Language: \"de\"", "accept-language", true },
        { "GET", "Range: bytes=0-", "", false }, { "GET", "Range: bytes=0-9", "", false }, { "GET", "Range: bytes=-9", "range", true }, { "GET", "Range: bytes=x-", "range", true },
        { "GET", "Cookie: a=1|Sec-Fetch-Site: none|Proxy-X: 1|Host: b", "", false }, { "GET", "Authorization: Basic x", "authorization", true },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        char text[200];
        hf_writer w = hf_writer_make(text, sizeof text - 1);
        const hf_cors_wish wish = { .origin = hf_text("https://a"), .method = hf_text(cases[i].method), .fields = fields(cases[i].fields) };
        hf_cors_write_request_headers(&wish, &w);
        text[w.length] = 0;
        if (hf_cors_needs_preflight(&wish, NULL) != cases[i].needs || strcmp(text, cases[i].headers) != 0)
            fail_msg("%s %s: \"%s\"", cases[i].method, cases[i].fields, text);
    }
    char long_value[200] = "Accept: ";
    memset(long_value + 8, 'a', 129);
    const hf_cors_wish wish = { .method = hf_text("GET"), .fields = fields(long_value) };
    assert_true(hf_cors_needs_preflight(&wish, NULL));
}

static void an_answer_is_read_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        int32_t plain, credentials;
    } cases[] = {
        { "", HF_ERR_CORS_NO_ALLOW_ORIGIN, HF_ERR_CORS_NO_ALLOW_ORIGIN },
        { "Access-Control-Allow-Origin: *", 0, HF_ERR_CORS_STAR_ALLOW_ORIGIN },
        { "Access-Control-Allow-Origin: https://app.example", 0, HF_ERR_CORS_NO_ALLOW_CREDENTIALS },
        { "access-control-allow-origin: https://app.example|Access-Control-Allow-Credentials: true", 0, 0 },
        { "Access-Control-Allow-Origin: https://app.example|Access-Control-Allow-Credentials: True", 0, HF_ERR_CORS_NO_ALLOW_CREDENTIALS },
        { "Access-Control-Allow-Origin: https://app.example/", HF_ERR_CORS_OTHER_ALLOW_ORIGIN, HF_ERR_CORS_OTHER_ALLOW_ORIGIN },
        { "Access-Control-Allow-Origin: https://APP.example", HF_ERR_CORS_OTHER_ALLOW_ORIGIN, HF_ERR_CORS_OTHER_ALLOW_ORIGIN },
        { "Access-Control-Allow-Origin: http://app.example", HF_ERR_CORS_OTHER_ALLOW_ORIGIN, HF_ERR_CORS_OTHER_ALLOW_ORIGIN },
        { "Access-Control-Allow-Origin: null", HF_ERR_CORS_OTHER_ALLOW_ORIGIN, HF_ERR_CORS_OTHER_ALLOW_ORIGIN },
        { "Access-Control-Allow-Origin: https://app.example, https://b", HF_ERR_CORS_MANY_ALLOW_ORIGINS, HF_ERR_CORS_MANY_ALLOW_ORIGINS },
        { "Access-Control-Allow-Origin: *|Access-Control-Allow-Origin: *", HF_ERR_CORS_MANY_ALLOW_ORIGINS, HF_ERR_CORS_MANY_ALLOW_ORIGINS },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++)
        for (int credentials = 0; credentials < 2; credentials++) {
            const hf_cors_wish wish = { .origin = hf_text("https://app.example"), .method = hf_text("GET"), .credentials = credentials != 0 };
            hf_bytes got;
            const hf_err err = hf_cors_check(&wish, fields(cases[i].fields), &got);
            const int32_t code = credentials != 0 ? cases[i].credentials : cases[i].plain;
            if (err.code != code)
                fail_msg("%s: %s", cases[i].fields, hf_err_text(err));
            assert_int_equal(err.code, code);
        }
}

static void a_preflight_allows_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        uint16_t status;
        const char *method, *fields;
        bool credentials;
        int32_t code;
    } cases[] = {
        { "Access-Control-Allow-Methods: PUT", 204, "PUT", "", false, 0 },
        { "Access-Control-Allow-Methods: PUT", 204, "put", "", false, 0 },
        { "Access-Control-Allow-Methods: PATCH", 204, "patch", "", false, HF_ERR_CORS_PREFLIGHT_METHOD },
        { "Access-Control-Allow-Methods: *", 200, "DELETE", "", false, 0 },
        { "Access-Control-Allow-Methods: *", 200, "DELETE", "", true, HF_ERR_CORS_PREFLIGHT_METHOD },
        { "Access-Control-Allow-Methods: GET", 200, "DELETE", "", false, HF_ERR_CORS_PREFLIGHT_METHOD },
        { "X: y", 200, "POST", "X-A: 1", false, HF_ERR_CORS_PREFLIGHT_HEADER },
        { "Access-Control-Allow-Headers: x-b, X-A", 299, "POST", "x-a: 1|X-B: 2", true, 0 },
        { "Access-Control-Allow-Headers: *", 200, "POST", "X-A: 1", false, 0 },
        { "Access-Control-Allow-Headers: *", 200, "POST", "X-A: 1", true, HF_ERR_CORS_PREFLIGHT_HEADER },
        { "Access-Control-Allow-Headers: *", 200, "POST", "Authorization: x", false, HF_ERR_CORS_PREFLIGHT_HEADER },
        { "Access-Control-Allow-Headers: *, authorization", 200, "POST", "Authorization: x", false, 0 },
        { "Access-Control-Allow-Headers: x a", 200, "POST", "X-A: 1", false, HF_ERR_CORS_PREFLIGHT_LIST },
        { "Access-Control-Allow-Methods: PUT", 302, "PUT", "", false, HF_ERR_CORS_PREFLIGHT_STATUS },
        { "Access-Control-Allow-Methods: PUT", 404, "PUT", "", false, HF_ERR_CORS_PREFLIGHT_STATUS },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        static hf_field asked[8];
        const hf_fields given = fields(cases[i].fields);
        for (size_t k = 0; k < given.count; k++)
            asked[k] = given.at[k];
        const hf_cors_wish wish = { .origin = hf_text("https://app.example"), .method = hf_text(cases[i].method), .fields = { asked, given.count }, .credentials = cases[i].credentials };
        char text[300];
        hf_bytes got;
        snprintf(text, sizeof text, "Access-Control-Allow-Origin: https://app.example|Access-Control-Allow-Credentials: true|%s", cases[i].answer);
        const hf_err err = hf_cors_check_preflight(&wish, cases[i].status, fields(text), &got);
        if (err.code != cases[i].code)
            fail_msg("%s %s: %s", cases[i].method, cases[i].answer, hf_err_text(err));
        assert_int_equal(err.code, cases[i].code);
    }
}

static void the_console_says_what_chromium_says(void **state)
{
    (void)state;
    char text[600];
    const hf_cors_wish wish = { .origin = hf_text("https://a"), .method = hf_text("PUT") };
    hf_writer w = hf_writer_make(text, sizeof text - 1);
    hf_cors_write_console(&w, hf_text("https://b/"), &wish, true, hf_err_make(HF_ERR_CORS_NO_ALLOW_ORIGIN), hf_bytes_make(NULL, 0));
    text[w.length] = 0;
    assert_string_equal(text, "Access to fetch at 'https://b/' from origin 'https://a' has been blocked by CORS policy: Response to preflight request doesn't pass access "
                              "control check: No 'Access-Control-Allow-Origin' header is present on the requested resource.");
    w = hf_writer_make(text, sizeof text - 1);
    hf_cors_write_console(&w, hf_text("https://b/"), &wish, true, hf_err_make(HF_ERR_CORS_PREFLIGHT_METHOD), hf_text("PUT"));
    text[w.length] = 0;
    assert_non_null(strstr(text, "policy: Method PUT is not allowed by Access-Control-Allow-Methods in preflight response."));
    assert_int_equal(hf_cors_max_age(fields("Access-Control-Max-Age: 60")), 60);
    assert_int_equal(hf_cors_max_age(fields("Access-Control-Max-Age: -1")), 5);
    assert_int_equal(hf_cors_max_age(fields("")), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(some_requests_need_a_preflight), cmocka_unit_test(an_answer_is_read_or_not), cmocka_unit_test(a_preflight_allows_or_not),
        cmocka_unit_test(the_console_says_what_chromium_says),
    };
    return cmocka_run_group_tests_name("cors_check", tests, NULL, NULL);
}
