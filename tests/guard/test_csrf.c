/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a request came from, and whose token it brings (A01 to A13, A56).
 */
#include "harness.h"

#include <handfast/guard.h>

#include "text.h"

static hf_test_world w;
static hf_crypto *c;
static const uint8_t secret[32] = "0123456789abcdef0123456789abcde", other[32] = "another-secret-of-thirty-2-bytes";
static const hf_bytes self = HF_LITERAL("https://app.example.com");

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    c = hf_crypto_new(&w.env, NULL);
    assert_non_null(c);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_crypto_free(c);
    hf_test_world_fini(&w);
    return 0;
}

/* A POST with up to three fields, "Name", "value", ..., NULL. */
typedef struct post {
    hf_field fields[4];
    hf_request_head head;
} post;

static const hf_request_head *make(post *p, const char *const *pairs)
{
    size_t n = 0;
    for (; pairs != NULL && n < 4 && pairs[2 * n] != NULL; n++)
        p->fields[n] = (hf_field){ hf_text(pairs[2 * n]), hf_text(pairs[2 * n + 1]), hf_field_identify(hf_text(pairs[2 * n])) };
    p->head = (hf_request_head){ .method = HF_METHOD_POST, .method_name = hf_text("POST"), .version = HF_HTTP_1_1, .fields = { p->fields, n } };
    return &p->head;
}

#define FIELDS(...) (const char *const[]){ __VA_ARGS__, NULL, NULL }

static const char *const trusted[] = { "https://admin.example.com", "http://old.example.com", NULL };

static int32_t origin_step(hf_csrf_stake stake, const char *const *pairs, hf_why *why)
{
    post p;
    const hf_csrf policy = { .mode = HF_CSRF_ORIGIN_ONLY, .trusted_origins = trusted };
    const hf_csrf_question q = { .head = make(&p, pairs), .self = self, .stake = stake };
    return hf_csrf_check(c, &policy, &q, why).code;
}

static void where_a_request_comes_from_is_told_by_the_best_witness(void **state) /* A03, A04, A05 */
{
    (void)state;
    const struct {
        const char *const *pairs;
        int32_t code;
    } rows[] = {
        { FIELDS("Sec-Fetch-Site", "same-origin"), 0 },
        { FIELDS("Sec-Fetch-Site", "none"), 0 },
        { FIELDS("Sec-Fetch-Site", "same-origin", "Origin", "null"), 0 }, /* A06: a form under no-referrer */
        { FIELDS("Sec-Fetch-Site", "same-site", "Origin", "https://x.example.com"), HF_ERR_CSRF_CROSS_SITE },
        { FIELDS("Sec-Fetch-Site", "same-site", "Origin", "https://admin.example.com"), 0 },
        { FIELDS("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), HF_ERR_CSRF_CROSS_SITE },
        { FIELDS("Sec-Fetch-Site", "cross-site", "Origin", "null"), HF_ERR_CSRF_CROSS_SITE },
        { FIELDS("Sec-Fetch-Site", "cross-site"), HF_ERR_CSRF_CROSS_SITE },
        { FIELDS("Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.com"), HF_ERR_CSRF_CROSS_SITE },
        { FIELDS("Sec-Fetch-Site", "Same-Origin"), HF_ERR_CSRF_CROSS_SITE },
        { FIELDS("Sec-Fetch-Site", ""), HF_ERR_CSRF_CROSS_SITE },
        { FIELDS("Sec-Fetch-Site", "same-origin", "sec-fetch-site", "cross-site"), HF_ERR_CSRF_FIELD_REPEATED },
        { FIELDS("Origin", "https://app.example.com"), 0 },
        { FIELDS("Origin", "https://app.example.com:8443"), HF_ERR_CSRF_ORIGIN_MISMATCH },
        { FIELDS("Origin", "https://app.example.com:443"), HF_ERR_CSRF_ORIGIN_MISMATCH },
        { FIELDS("Origin", "http://app.example.com"), HF_ERR_CSRF_SCHEME },
        { FIELDS("Origin", "HTTPS://app.example.com"), HF_ERR_CSRF_ORIGIN_MISMATCH },
        { FIELDS("Origin", "https://app.example.com.evil.example"), HF_ERR_CSRF_ORIGIN_MISMATCH },
        { FIELDS("Origin", "https://app.example.com@evil.example"), HF_ERR_CSRF_ORIGIN_MISMATCH },
        { FIELDS("Origin", "null"), HF_ERR_CSRF_ORIGIN_NULL },
        { FIELDS("Origin", ""), HF_ERR_CSRF_ORIGIN_MISMATCH },
        { FIELDS("Origin", "https://admin.example.com"), 0 },
        { FIELDS("Origin", "http://old.example.com"), HF_ERR_CSRF_ORIGIN_MISMATCH }, /* listed, but in clear */
        { FIELDS("Origin", "https://app.example.com", "Origin", "https://evil.example"), HF_ERR_CSRF_FIELD_REPEATED },
        { FIELDS("Referer", "https://app.example.com/form?x=1"), 0 },
        { FIELDS("Referer", "https://app.example.com"), 0 },
        { FIELDS("Referer", "https://app.example.com.evil.example/"), HF_ERR_CSRF_REFERER_MISMATCH },
        { FIELDS("Referer", "https://app.example.com@evil.example/"), HF_ERR_CSRF_REFERER_MISMATCH },
        { FIELDS("Referer", "http://app.example.com/"), HF_ERR_CSRF_REFERER_MISMATCH },
        { FIELDS("Referer", "about:blank"), HF_ERR_CSRF_REFERER_MISMATCH },
        { FIELDS("User-Agent", "curl"), HF_ERR_CSRF_NO_PROOF },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_why why = { .got = "" };
        const int32_t code = origin_step(HF_CSRF_AMBIENT, rows[i].pairs, &why);
        if (code != rows[i].code || why.err.code != code)
            fail_msg("row %zu: %s", i, hf_err_text(hf_err_make(code)));
        assert_int_equal(code, rows[i].code);
    }
}

static void the_denial_names_the_origin(void **state) /* A02 */
{
    (void)state;
    hf_why why;
    assert_int_equal(origin_step(HF_CSRF_AMBIENT, FIELDS("Sec-Fetch-Site", "cross-site", "Origin", "http://evil.localhost:8080"), &why), HF_ERR_CSRF_CROSS_SITE);
    assert_string_equal(why.got, "cross-site from http://evil.localhost:8080");
    assert_int_equal(origin_step(HF_CSRF_AMBIENT, FIELDS("Origin", "http://app.example.com"), &why), HF_ERR_CSRF_SCHEME);
    assert_string_equal(why.wanted, "https://app.example.com");
}

static void programs_without_a_cookie_are_let_through(void **state) /* A11, A12 */
{
    (void)state;
    assert_int_equal(origin_step(HF_CSRF_PUBLIC, NULL, NULL), 0);
    assert_int_equal(origin_step(HF_CSRF_PUBLIC, FIELDS("Origin", "https://evil.example"), NULL), HF_ERR_CSRF_ORIGIN_MISMATCH);
    assert_int_equal(origin_step(HF_CSRF_BEARER, FIELDS("Origin", "https://evil.example"), NULL), 0);
    post p;
    const hf_csrf policy = { .mode = HF_CSRF_ORIGIN_AND_TOKEN };
    hf_csrf_question q = { .head = make(&p, NULL), .self = self, .stake = HF_CSRF_BEARER };
    assert_int_equal(hf_csrf_check(c, &policy, &q, NULL).code, 0);
    q.stake = HF_CSRF_AMBIENT; /* the same token in a cookie */
    assert_int_equal(hf_csrf_check(c, &policy, &q, NULL).code, HF_ERR_CSRF_NO_PROOF);
}

static hf_err with_token(const char *token, size_t n, const uint8_t *of, const uint8_t *before, hf_why *why)
{
    post p;
    const hf_csrf policy = { .mode = HF_CSRF_ORIGIN_AND_TOKEN };
    const hf_csrf_question q = { .head = make(&p, FIELDS("Sec-Fetch-Site", "same-origin")), .self = self, .token = hf_bytes_make(token, n),
                                 .secret = hf_bytes_make(of, of != NULL ? 32 : 0), .previous = hf_bytes_make(before, before != NULL ? 32 : 0) };
    return hf_csrf_check(c, &policy, &q, why);
}

static void a_token_is_new_each_time_and_good_each_time(void **state) /* A01, A07 */
{
    (void)state;
    char one[HF_CSRF_TOKEN], two[HF_CSRF_TOKEN];
    assert_int_equal(hf_csrf_token(c, secret, one).code, 0);
    assert_int_equal(hf_csrf_token(c, secret, two).code, 0);
    assert_memory_not_equal(one, two, HF_CSRF_TOKEN);
    assert_int_equal(with_token(one, HF_CSRF_TOKEN, secret, NULL, NULL).code, 0);
    assert_int_equal(with_token(two, HF_CSRF_TOKEN, secret, NULL, NULL).code, 0);
    assert_int_equal(with_token(NULL, 0, secret, NULL, NULL).code, HF_ERR_CSRF_TOKEN_MISSING);
    for (size_t i = 0; i < HF_CSRF_TOKEN; i++) {
        const char was = one[i];
        one[i] = was == 'A' ? 'B' : 'A';
        const int32_t code = with_token(one, HF_CSRF_TOKEN, secret, NULL, NULL).code;
        assert_true(code == HF_ERR_CSRF_TOKEN_FOREIGN || (i == HF_CSRF_TOKEN - 1 && code == HF_ERR_CSRF_TOKEN_FORM));
        one[i] = was;
    }
    assert_int_equal(with_token(one, HF_CSRF_TOKEN - 1, secret, NULL, NULL).code, HF_ERR_CSRF_TOKEN_FORM);
    one[5] = '+';
    assert_int_equal(with_token(one, HF_CSRF_TOKEN, secret, NULL, NULL).code, HF_ERR_CSRF_TOKEN_FORM);
}

static void a_token_of_elsewhere_or_before_login_says_so(void **state) /* A08, A09 */
{
    (void)state;
    char token[HF_CSRF_TOKEN];
    hf_why why;
    assert_int_equal(hf_csrf_token(c, other, token).code, 0);
    assert_int_equal(with_token(token, sizeof token, secret, NULL, &why).code, HF_ERR_CSRF_TOKEN_FOREIGN);
    assert_non_null(strstr(why.got, "... (86 bytes)"));
    assert_int_equal(with_token(token, sizeof token, secret, other, NULL).code, HF_ERR_CSRF_TOKEN_OLD);
    assert_int_equal(with_token(token, sizeof token, NULL, NULL, NULL).code, HF_ERR_CSRF_SESSION_MISSING);
}

static hf_err pair(hf_bytes token, hf_bytes cookie, const char *binding)
{
    post p;
    const hf_csrf policy = { .mode = HF_CSRF_ORIGIN_AND_TOKEN, .double_submit = true };
    const hf_csrf_question q = { .head = make(&p, FIELDS("Sec-Fetch-Site", "same-origin")), .self = self, .token = token, .cookie = cookie,
                                 .key = hf_bytes_make(secret, 32), .binding = hf_text(binding) };
    return hf_csrf_check(c, &policy, &q, NULL);
}

static void signed_double_submit_knows_planted_pairs(void **state) /* A10 */
{
    (void)state;
    char ours[HF_CSRF_TOKEN], theirs[HF_CSRF_TOKEN], forged[HF_CSRF_TOKEN];
    const hf_bytes key = hf_bytes_make(secret, 32), o = hf_bytes_make(ours, sizeof ours), t = hf_bytes_make(theirs, sizeof theirs);
    assert_int_equal(hf_csrf_pair(c, key, hf_text("alice"), ours).code, 0);
    assert_int_equal(hf_csrf_pair(c, key, hf_text("mallory"), theirs).code, 0);
    assert_int_equal(pair(o, o, "alice").code, 0);
    assert_int_equal(pair(t, t, "alice").code, HF_ERR_CSRF_TOKEN_FOREIGN); /* a valid pair of another session */
    assert_int_equal(pair(o, t, "alice").code, HF_ERR_CSRF_PAIR_MISMATCH);
    assert_int_equal(pair(o, hf_text(""), "alice").code, HF_ERR_CSRF_PAIR_MISMATCH);
    assert_int_equal(pair(o, o, "").code, HF_ERR_CSRF_SESSION_MISSING);
    memset(forged, 'A', sizeof forged);
    assert_int_equal(pair(hf_bytes_make(forged, sizeof forged), hf_bytes_make(forged, sizeof forged), "alice").code, HF_ERR_CSRF_TOKEN_FOREIGN);
    assert_int_equal(hf_csrf_pair(c, hf_text("short"), hf_text("alice"), ours).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_csrf_pair(c, key, hf_text(""), ours).code, HF_ERR_BASE_USAGE);
}

static void the_content_type_changes_nothing(void **state) /* A13 */
{
    (void)state;
    static const char *const types[] = { "text/plain", "TEXT/PLAIN", "application/json", "application/json;x", "" };
    for (size_t i = 0; i < HF_COUNT(types); i++)
        assert_int_equal(origin_step(HF_CSRF_AMBIENT, FIELDS("Content-Type", types[i], "Origin", "https://evil.example"), NULL), HF_ERR_CSRF_ORIGIN_MISMATCH);
}

static void only_safe_methods_and_named_routes_are_exempt(void **state)
{
    (void)state;
    static const struct {
        hf_method method;
        bool safe;
    } methods[] = { { HF_METHOD_GET, true }, { HF_METHOD_HEAD, true }, { HF_METHOD_OPTIONS, true }, { HF_METHOD_POST, false },
                    { HF_METHOD_PUT, false }, { HF_METHOD_DELETE, false }, { HF_METHOD_PATCH, false }, { HF_METHOD_UNKNOWN, false } };
    static const char *const exempt[] = { "stripe-webhook", NULL };
    const hf_csrf policy = { .mode = HF_CSRF_ORIGIN_AND_TOKEN, .exempt_routes = exempt };
    post p;
    hf_csrf_question q = { .head = make(&p, FIELDS("Origin", "https://evil.example")), .self = self };
    for (size_t i = 0; i < HF_COUNT(methods); i++) {
        p.head.method = methods[i].method;
        assert_int_equal(hf_csrf_check(c, &policy, &q, NULL).code == 0, methods[i].safe);
    }
    p.head.method = HF_METHOD_POST;
    q.route = "stripe-webhook";
    assert_int_equal(hf_csrf_check(c, &policy, &q, NULL).code, 0);
    q.route = "stripe-webhook/";
    assert_int_equal(hf_csrf_check(c, &policy, &q, NULL).code, HF_ERR_CSRF_ORIGIN_MISMATCH);
    const hf_csrf off = { .mode = HF_CSRF_DANGEROUS_OFF };
    assert_int_equal(hf_csrf_check(c, &off, &q, NULL).code, 0);
    const hf_csrf token = { .mode = HF_CSRF_TOKEN_ONLY };
    assert_int_equal(hf_csrf_check(c, &token, &q, NULL).code, HF_ERR_CSRF_TOKEN_MISSING);
}

static void trusted_origins_are_exact(void **state)
{
    (void)state;
    static const char *const bad[] = { "https://admin.example.com/", "*.example.com", "https://*.example.com", "https://Admin.example.com",
                                       "https://admin.example.com:443", "null", "file://", NULL };
    hf_whys whys = { .count = 0 };
    assert_int_equal(hf_csrf_lint(&(hf_csrf){ .trusted_origins = bad }, &whys).code, HF_ERR_CSRF_POLICY_ORIGIN);
    assert_int_equal(whys.count, 7);
    assert_int_equal(hf_csrf_lint(&(hf_csrf){ .trusted_origins = trusted }, NULL).code, 0);
}

static void a_socket_needs_an_origin_of_ours(void **state) /* A56 */
{
    (void)state;
    static const hf_field evil = { HF_LITERAL("Origin"), HF_LITERAL("https://evil.example"), HF_FIELD_ORIGIN }, null = { HF_LITERAL("Origin"), HF_LITERAL("null"), HF_FIELD_ORIGIN },
                          own = { HF_LITERAL("origin"), HF_LITERAL("https://app.example.com"), HF_FIELD_ORIGIN };
    assert_int_equal(hf_origin_check((hf_fields){ &evil, 1 }, self, trusted, true, NULL).code, HF_ERR_CSRF_ORIGIN_MISMATCH);
    assert_int_equal(hf_origin_check((hf_fields){ &null, 1 }, self, trusted, false, NULL).code, HF_ERR_CSRF_ORIGIN_NULL);
    assert_int_equal(hf_origin_check((hf_fields){ NULL, 0 }, self, trusted, true, NULL).code, HF_ERR_CSRF_NO_PROOF);
    assert_int_equal(hf_origin_check((hf_fields){ NULL, 0 }, self, trusted, false, NULL).code, 0);
    assert_int_equal(hf_origin_check((hf_fields){ &own, 1 }, self, trusted, true, NULL).code, 0);
}

static void origins_are_written_as_browsers_do(void **state)
{
    (void)state;
    static const struct {
        const char *scheme, *authority, *origin;
    } rows[] = {
        { "https", "App.Example.COM:443", "https://app.example.com" }, { "http", "app.example.com:80", "http://app.example.com" },
        { "https", "app.example.com:80", "https://app.example.com:80" }, { "HTTP", "[::1]:8080", "http://[::1]:8080" },
        { "https", "", "" }, { "ftp", "a", "" }, { "https", "user@host", "" }, { "https", "127.0.0.1", "https://127.0.0.1" },
        { "https", "0x7f.1", "" }, { "https", "a..b", "" },
    };
    char out[HF_ORIGIN_MOST];
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const size_t n = hf_origin_write(hf_text(rows[i].scheme), hf_text(rows[i].authority), out);
        if (!hf_bytes_equal(hf_bytes_make(out, n), hf_text(rows[i].origin)))
            fail_msg("row %zu: %.*s", i, (int)n, out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_a_request_comes_from_is_told_by_the_best_witness),
        cmocka_unit_test(the_denial_names_the_origin),
        cmocka_unit_test(programs_without_a_cookie_are_let_through),
        cmocka_unit_test(a_token_is_new_each_time_and_good_each_time),
        cmocka_unit_test(a_token_of_elsewhere_or_before_login_says_so),
        cmocka_unit_test(signed_double_submit_knows_planted_pairs),
        cmocka_unit_test(the_content_type_changes_nothing),
        cmocka_unit_test(only_safe_methods_and_named_routes_are_exempt),
        cmocka_unit_test(trusted_origins_are_exact),
        cmocka_unit_test(a_socket_needs_an_origin_of_ours),
        cmocka_unit_test(origins_are_written_as_browsers_do),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
