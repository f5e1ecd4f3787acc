/* SPDX-License-Identifier: Apache-2.0
 *
 * Cookies as browsers keep them (A14, A26), and as they come back (A27, A28).
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <handfast/guard.h>

#include "guard_why.h"

static int32_t code_of(const hf_cookie *k, hf_bytes value, char *out)
{
    size_t n;
    hf_why why = { .got = "" };
    const hf_err err = hf_cookie_write(k, value, out, &n, &why);
    assert_true(n < HF_COOKIE_FIELD_MOST);
    assert_true(err.code == 0 || (why.err.code == err.code && n == 0));
    out[n] = 0;
    return err.code;
}

static void a_session_cookie_is_as_strict_as_can_be(void **state) /* A14 */
{
    (void)state;
    char out[HF_COOKIE_FIELD_MOST];
    assert_int_equal(code_of(&(hf_cookie){ .name = "sid" }, hf_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), out), 0);
    assert_string_equal(out, "__Host-sid=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8; Path=/; Secure; HttpOnly; SameSite=Strict");
}

static void each_weakening_shows(void **state)
{
    (void)state;
    static const struct {
        hf_cookie cookie;
        const char *wanted;
    } rows[] = {
        { { .name = "__Host-sid", .same_site = HF_SAME_SITE_LAX }, "__Host-sid=v; Path=/; Secure; HttpOnly; SameSite=Lax" },
        { { .name = "a", .path = "/app" }, "__Secure-a=v; Path=/app; Secure; HttpOnly; SameSite=Strict" },
        { { .name = "a", .domain = "example.com", .max_age_s = 60 }, "__Secure-a=v; Path=/; Domain=example.com; Max-Age=60; Secure; HttpOnly; SameSite=Strict" },
        { { .name = "a", .max_age_s = -1 }, "__Host-a=v; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict" },
        { { .name = "a", .js_readable = true, .same_site = HF_SAME_SITE_NONE, .partitioned = true }, "__Host-a=v; Path=/; Secure; SameSite=None; Partitioned" },
        { { .name = "a", .dangerous_insecure = true }, "a=v; Path=/; HttpOnly; SameSite=Strict" },
        { { .name = "__Host-Http-a" }, "__Host-Http-a=v; Path=/; Secure; HttpOnly; SameSite=Strict" },
        { { .name = "a", .max_age_s = 34560000 }, "__Host-a=v; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Strict" },
    };
    char out[HF_COOKIE_FIELD_MOST];
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        assert_int_equal(code_of(&rows[i].cookie, hf_text("v"), out), 0);
        assert_string_equal(out, rows[i].wanted);
    }
}

static void what_a_browser_would_drop_is_refused_by_its_own_code(void **state) /* A26 */
{
    (void)state;
    static const struct {
        hf_cookie cookie;
        const char *value;
        int32_t code;
    } rows[] = {
        { { .name = "" }, "v", HF_ERR_COOKIE_NAME },
        { { .name = NULL }, "v", HF_ERR_COOKIE_NAME },
        { { .name = "a b" }, "v", HF_ERR_COOKIE_NAME },
        { { .name = "a=b" }, "v", HF_ERR_COOKIE_NAME },
        { { .name = "a\r\nSet-Cookie: b" }, "v", HF_ERR_COOKIE_NAME },
        { { .name = "a" }, "v w", HF_ERR_COOKIE_VALUE },
        { { .name = "a" }, "\"v\"", HF_ERR_COOKIE_VALUE },
        { { .name = "a" }, "v;Domain=evil.example", HF_ERR_COOKIE_VALUE },
        { { .name = "a" }, "\x01", HF_ERR_COOKIE_VALUE },
        { { .name = "a" }, "\x7f", HF_ERR_COOKIE_VALUE },
        { { .name = "a" }, "\xc3\xa9", HF_ERR_COOKIE_VALUE },
        { { .name = "a" }, "v\rw", HF_ERR_COOKIE_LINE_BREAK },
        { { .name = "a" }, "v w\nw", HF_ERR_COOKIE_LINE_BREAK },
        { { .name = "a", .same_site = HF_SAME_SITE_NONE, .dangerous_insecure = true }, "v", HF_ERR_COOKIE_NONE_INSECURE },
        { { .name = "__Host-a", .domain = "example.com" }, "v", HF_ERR_COOKIE_HOST_PREFIX },
        { { .name = "__host-a", .domain = "example.com" }, "v", HF_ERR_COOKIE_HOST_PREFIX },
        { { .name = "__Host-a", .path = "/app" }, "v", HF_ERR_COOKIE_HOST_PREFIX },
        { { .name = "__Host-Http-a", .path = "/app" }, "v", HF_ERR_COOKIE_HOST_PREFIX },
        { { .name = "__Host-a", .dangerous_insecure = true }, "v", HF_ERR_COOKIE_SECURE_PREFIX },
        { { .name = "__sEcUrE-a", .dangerous_insecure = true }, "v", HF_ERR_COOKIE_SECURE_PREFIX },
        { { .name = "__Http-a", .js_readable = true }, "v", HF_ERR_COOKIE_HTTP_PREFIX },
        { { .name = "a", .max_age_s = 34560001 }, "v", HF_ERR_COOKIE_LIFETIME },
        { { .name = "a", .path = "app" }, "v", HF_ERR_COOKIE_ATTRIBUTE },
        { { .name = "a", .path = "/a;Domain=evil" }, "v", HF_ERR_COOKIE_ATTRIBUTE },
        { { .name = "a", .domain = "localhost" }, "v", HF_ERR_COOKIE_ATTRIBUTE },
        { { .name = "a", .domain = "ex_ample.com" }, "v", HF_ERR_COOKIE_ATTRIBUTE },
        { { .name = "a", .domain = "example.com\r\nX: y" }, "v", HF_ERR_COOKIE_ATTRIBUTE },
        { { .name = "a", .partitioned = true, .dangerous_insecure = true }, "v", HF_ERR_COOKIE_PARTITIONED },
    };
    char out[HF_COOKIE_FIELD_MOST];
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const int32_t code = code_of(&rows[i].cookie, hf_text(rows[i].value), out);
        if (code != rows[i].code)
            fail_msg("row %zu: %s", i, hf_err_text(hf_err_make(code)));
        assert_int_equal(code, rows[i].code);
    }
    assert_int_equal(code_of(&(hf_cookie){ .name = "a" }, hf_bytes_make("v\0w", 3), out), HF_ERR_COOKIE_LINE_BREAK);
}

static void four_kilobytes_are_the_most(void **state)
{
    (void)state;
    static char value[4100], out[HF_COOKIE_FIELD_MOST];
    memset(value, 'v', sizeof value);
    const hf_cookie k = { .name = "a" };
    assert_int_equal(code_of(&k, hf_bytes_make(value, 4096 - strlen("__Host-a")), out), 0);
    assert_int_equal(code_of(&k, hf_bytes_make(value, 4097 - strlen("__Host-a")), out), HF_ERR_COOKIE_TOO_LARGE);
}

static void a_refusal_does_not_tell_the_value(void **state)
{
    (void)state;
    char out[HF_COOKIE_FIELD_MOST];
    size_t n;
    hf_why why;
    const hf_err err = hf_cookie_write(&(hf_cookie){ .name = "a" }, hf_text("s3cret-token-of-somebody;x"), out, &n, &why);
    assert_int_equal(err.code, HF_ERR_COOKIE_VALUE);
    assert_string_equal(why.got, "s3cret... (26 bytes)");
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

#define COOKIE(v) { HF_LITERAL("cookie"), HF_LITERAL(v), HF_FIELD_COOKIE }

static void names_are_compared_byte_for_byte(void **state) /* A28 */
{
    (void)state;
    static const struct {
        hf_field field;
        const char *value; /* NULL: not there */
    } rows[] = {
        { COOKIE("__Host-sid=good"), "good" },
        { COOKIE("a=1; __Host-sid=good; b=2"), "good" },
        { COOKIE("a=1;__Host-sid=good"), "good" },
        { COOKIE("__Host-sid=\"quoted\""), "\"quoted\"" },
        { COOKIE("__Host-sid=a=b"), "a=b" },
        { COOKIE("__Host-sid="), "" },
        { COOKIE("__Host-sid= spaced "), " spaced " },
        { COOKIE("__%48ost-sid=evil"), NULL },
        { COOKIE("=__Host-sid=evil"), NULL },
        { COOKIE("__host-sid=evil"), NULL },
        { COOKIE("  __Host-sid=evil"), NULL },
        { COOKIE("\t__Host-sid=evil"), NULL },
        { COOKIE("\xe2\x80\x80__Host-sid=evil"), NULL },
        { COOKIE("\xc2\x85__Host-sid=evil"), NULL },
        { COOKIE("__Host-sid =evil"), NULL },
        { COOKIE("$Version=1, __Host-sid=evil"), NULL },
        { COOKIE("__Host-sid"), NULL },
        { COOKIE("a=1, __Host-sid=evil"), NULL },
        { COOKIE(""), NULL },
        { COOKIE(";;; ; "), NULL },
    };
    hf_bytes value;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        assert_int_equal(hf_cookie_find((hf_fields){ &rows[i].field, 1 }, hf_text("__Host-sid"), &value, NULL).code, 0);
        if (rows[i].value == NULL ? value.ptr != NULL : !hf_bytes_equal(value, hf_text(rows[i].value)) || value.ptr == NULL)
            fail_msg("row %zu: %.*s", i, HF_STR(value));
    }
}

static void a_name_that_comes_twice_is_believed_neither_time(void **state) /* A27 */
{
    (void)state;
    static const hf_field one[] = { COOKIE("sid=evil; a=1; sid=good") }, two[] = { COOKIE("sid=evil"), COOKIE("a=1; sid=good") },
                          same[] = { COOKIE("sid=x; sid=x") }, split[] = { COOKIE("a=1"), COOKIE("sid=good") };
    hf_bytes value;
    hf_why why;
    assert_int_equal(hf_cookie_find((hf_fields){ one, 1 }, hf_text("sid"), &value, &why).code, HF_ERR_COOKIE_TWICE);
    assert_null(value.ptr);
    assert_string_equal(why.got, "sid");
    assert_int_equal(hf_cookie_find((hf_fields){ two, 2 }, hf_text("sid"), &value, NULL).code, HF_ERR_COOKIE_TWICE);
    assert_int_equal(hf_cookie_find((hf_fields){ same, 1 }, hf_text("sid"), &value, NULL).code, HF_ERR_COOKIE_TWICE);
    assert_int_equal(hf_cookie_find((hf_fields){ split, 2 }, hf_text("sid"), &value, NULL).code, 0);
    assert_true(hf_bytes_equal(value, hf_text("good")));
}

static void a_line_for_the_log_is_json_whatever_was_got(void **state) /* study 5, A61 */
{
    (void)state;
    hf_why why = { .err = { HF_ERR_CSRF_ORIGIN_MISMATCH }, .got = "a\"b\\x0a", .wanted = "https://app.example" };
    char out[2048];
    const size_t n = hf_why_json(&why, hf_text("/notes"), hf_text("c1-2"), out, sizeof out - 1);
    out[n] = 0;
    assert_non_null(strstr(out, "{\"code\":\"HF-CSRF-003\",\"rule\":\"RFC 6454"));
    assert_non_null(strstr(out, "\"got\":\"a\\\"b\\\\x0a\",\"want\":\"https://app.example\""));
    assert_non_null(strstr(out, "\"route\":\"/notes\",\"req_id\":\"c1-2\"}"));
}

static void a_denial_tells_no_password_of_a_url(void **state) /* A61 */
{
    (void)state;
    hf_why why;
    char long_one[400] = "https://mary:";
    (void)hf_why_tell(&why, HF_ERR_CSRF_ORIGIN_MISMATCH, hf_text("https://mary:hunter22hunter22@a.example/x"), "w").code;
    assert_string_equal(why.got, "https://REDACTED@a.example/x");
    memset(long_one + 13, 's', 300);
    strcpy(long_one + 313, "@a.example");
    (void)hf_why_tell(&why, HF_ERR_CSRF_ORIGIN_MISMATCH, hf_text(long_one), "w").code;
    assert_string_equal(why.got, "https://REDACTED@a.example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_denial_tells_no_password_of_a_url),
        cmocka_unit_test(a_session_cookie_is_as_strict_as_can_be),
        cmocka_unit_test(each_weakening_shows),
        cmocka_unit_test(what_a_browser_would_drop_is_refused_by_its_own_code),
        cmocka_unit_test(four_kilobytes_are_the_most),
        cmocka_unit_test(a_refusal_does_not_tell_the_value),
        cmocka_unit_test(names_are_compared_byte_for_byte),
        cmocka_unit_test(a_name_that_comes_twice_is_believed_neither_time),
        cmocka_unit_test(a_line_for_the_log_is_json_whatever_was_got),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
