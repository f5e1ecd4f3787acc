/* SPDX-License-Identifier: Apache-2.0
 *
 * Security fields (A58), redirects (A60), rates.
 */
#include "harness.h"

#include <stdio.h>

#include <handfast/guard.h>

#include "text.h"

static hf_test_world w;
static hf_crypto *c;

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

static hf_bytes value_of(const hf_security_fields *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (hf_bytes_equal(f->fields[i].name, hf_text(name)))
            return f->fields[i].value;
    return hf_bytes_make(NULL, 0);
}

static const hf_fields none = { NULL, 0 };

static void a_page_gets_what_it_should_have(void **state) /* A58 */
{
    (void)state;
    hf_security_fields f;
    char one[HF_NONCE], two[HF_NONCE];
    assert_int_equal(hf_csp_nonce(c, one).code, 0);
    assert_int_equal(hf_csp_nonce(c, two).code, 0);
    assert_memory_not_equal(one, two, HF_NONCE);
    assert_int_equal(hf_security_write(&(hf_security_rules){ .hsts_s = 0 }, true, hf_text("abc"), none, &f).code, 0);
    assert_true(hf_bytes_equal(value_of(&f, "Content-Security-Policy"),
                               hf_text("default-src 'self'; script-src 'nonce-abc' 'strict-dynamic'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'")));
    assert_true(hf_bytes_equal(value_of(&f, "X-Content-Type-Options"), hf_text("nosniff")));
    assert_true(hf_bytes_equal(value_of(&f, "Strict-Transport-Security"), hf_text("max-age=31536000")));
    assert_true(hf_bytes_equal(value_of(&f, "Referrer-Policy"), hf_text("strict-origin-when-cross-origin")));
    assert_true(hf_bytes_equal(value_of(&f, "Cross-Origin-Opener-Policy"), hf_text("same-origin")));
    assert_null(value_of(&f, "Cross-Origin-Embedder-Policy").ptr);
    assert_int_equal(f.count, 7);
}

static void hsts_is_for_tls_and_nothing_is_doubled(void **state) /* A58 */
{
    (void)state;
    hf_security_fields f;
    static const hf_field own = { HF_LITERAL("content-security-policy"), HF_LITERAL("default-src *"), HF_FIELD_CONTENT_SECURITY_POLICY };
    const hf_security_rules rules = { .referrer_policy = "", .hsts_s = 60, .hsts_subdomains = true, .hsts_preload = true };
    assert_int_equal(hf_security_write(&rules, false, hf_text(""), (hf_fields){ &own, 1 }, &f).code, 0);
    assert_null(value_of(&f, "Content-Security-Policy").ptr);
    assert_null(value_of(&f, "Strict-Transport-Security").ptr);
    assert_null(value_of(&f, "Referrer-Policy").ptr);
    assert_non_null(value_of(&f, "X-Content-Type-Options").ptr);
    assert_int_equal(hf_security_write(&rules, true, hf_text(""), none, &f).code, 0);
    assert_true(hf_bytes_equal(value_of(&f, "Strict-Transport-Security"), hf_text("max-age=60; includeSubDomains; preload")));
    assert_true(hf_bytes_equal(value_of(&f, "Content-Security-Policy"), hf_text("default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'")));
    const hf_security_rules off = { .hsts_s = -1 }, custom = { .csp = "script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'" };
    assert_int_equal(hf_security_write(&off, true, hf_text(""), none, &f).code, 0);
    assert_null(value_of(&f, "Strict-Transport-Security").ptr);
    assert_int_equal(hf_security_write(&custom, true, hf_text("N"), none, &f).code, 0);
    assert_true(hf_bytes_equal(value_of(&f, "Content-Security-Policy"), hf_text("script-src 'nonce-N'; style-src 'nonce-N'")));
    assert_int_equal(hf_security_write(&custom, true, hf_text(""), none, &f).code, HF_ERR_BASE_USAGE);
    static char huge[3000];
    memset(huge, 'a', sizeof huge - 1);
    assert_int_equal(hf_security_write(&(hf_security_rules){ .csp = huge }, true, hf_text(""), none, &f).code, HF_ERR_BASE_LIMIT);
}

static void redirects_stay_at_home(void **state) /* A60 */
{
    (void)state;
    static const char *const away[] = {
        "//evil.example", "/\\evil.example", "\\\\evil.example", "/%09/evil.example", "/%5cevil.example", "/%2f/evil.example", "/%2F%2Fevil.example", "https:evil.example",
        "https://evil.example", "javascript:alert(1)", "data:text/html,x", "/a\r\nLocation: https://evil.example", "/a\nb", "/\t/evil.example", " /a", "", "evil.example", "a/b",
        "///evil.example", "/a\\b", "/\x7f", "/%00", "/caf\xc3\xa9", "?x", "#x", ".", "..",
    };
    static const char *const home[] = { "/", "/a/b?c=d#e", "/@evil", "/a//b", "/a?next=https://evil.example", "/a?x=%0d%0a", "/caf%C3%A9", "/~user/x/y?z=%20" };
    for (size_t i = 0; i < HF_COUNT(away); i++) {
        hf_why why = { .got = "" };
        if (!hf_bytes_equal(hf_redirect_local(hf_text(away[i]), &why), hf_text("/")) || why.err.code != HF_ERR_GUARD_REDIRECT)
            fail_msg("%s leads away", away[i]);
        assert_int_equal(why.err.code, HF_ERR_GUARD_REDIRECT);
    }
    for (size_t i = 0; i < HF_COUNT(home); i++) {
        hf_why why = { .got = "" };
        const hf_bytes got = hf_redirect_local(hf_text(home[i]), &why);
        if (!hf_bytes_equal(got, hf_text(home[i])) || why.err.code != 0)
            fail_msg("%s was refused", home[i]);
    }
}

static hf_time at(int64_t ms)
{
    return hf_time_make(HF_MILLISECONDS(ms));
}

static void a_burst_passes_and_then_a_rate(void **state)
{
    (void)state;
    uint32_t wait;
    hf_why why;
    hf_rate *r = hf_rate_new(&w.env, &(hf_rate_rules){ .burst = 3, .per_minute = 60 }, (const uint8_t *)"0123456789abcdef");
    assert_non_null(r);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hf_rate_take(r, hf_text("192.0.2.1"), at(1000), &wait, &why).code, 0);
    assert_int_equal(hf_rate_take(r, hf_text("192.0.2.1"), at(1000), &wait, &why).code, HF_ERR_GUARD_RATE);
    assert_int_equal(wait, 1);
    assert_int_equal(hf_rate_take(r, hf_text("192.0.2.2"), at(1000), &wait, &why).code, 0); /* another key */
    assert_int_equal(hf_rate_take(r, hf_text("192.0.2.1"), at(1999), &wait, &why).code, HF_ERR_GUARD_RATE);
    assert_int_equal(hf_rate_take(r, hf_text("192.0.2.1"), at(2000), &wait, &why).code, 0);
    assert_int_equal(hf_rate_take(r, hf_text("192.0.2.1"), at(2000), &wait, &why).code, HF_ERR_GUARD_RATE);
    for (int i = 0; i < 3; i++) /* asking while refused does not push the moment away */
        assert_int_equal(hf_rate_take(r, hf_text("192.0.2.1"), at(9000), &wait, &why).code, 0);
    hf_rate_free(r);
    assert_null(hf_rate_new(&w.env, &(hf_rate_rules){ .burst = 0, .per_minute = 1 }, (const uint8_t *)"0123456789abcdef"));
}

static void limit_rate_keys(void **state)
{
    (void)state;
    uint32_t wait;
    char key[16];
    w.limits.rate_keys = 64;
    hf_rate *r = hf_rate_new(&w.env, &(hf_rate_rules){ .burst = 1, .per_minute = 1 }, (const uint8_t *)"0123456789abcdef");
    const size_t held = w.memory.held;
    assert_in_range(held, 64 * 32, 64 * 32 + 65536);
    size_t passed = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof key, "%d", i);
        passed += hf_rate_take(r, hf_text(key), at(i), &wait, NULL).code == 0;
    }
    assert_int_equal(passed, 10000); /* each key is new, and makes room for itself */
    assert_int_equal(w.memory.held, held);
    assert_int_equal(hf_rate_take(r, hf_text("9999"), at(10000), &wait, NULL).code, HF_ERR_GUARD_RATE);
    hf_rate_free(r);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_page_gets_what_it_should_have), CASE(hsts_is_for_tls_and_nothing_is_doubled), CASE(redirects_stay_at_home), CASE(a_burst_passes_and_then_a_rate), CASE(limit_rate_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
