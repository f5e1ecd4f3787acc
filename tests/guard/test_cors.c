/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may read across origins (A48 to A54), asked by hostile origins.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <handfast/guard.h>

#include "text.h"

static hf_test_world w;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_test_world_fini(&w);
    return 0;
}

#define LIST(...) (const char *const[]){ __VA_ARGS__, NULL }

static hf_cors *compiled(const hf_cors_rules *rules)
{
    hf_cors *c;
    hf_whys whys;
    if (hf_cors_compile(&w.env, rules, &c, &whys).code != 0)
        fail_msg("%s: %s", hf_err_text(whys.at[0].err), whys.at[0].got);
    assert_int_equal(whys.count, 0);
    return c;
}

typedef struct ask {
    hf_field fields[6];
    hf_request_head head;
    hf_cors_answer answer;
} ask;

static void add(ask *a, const char *name, const char *value)
{
    if (value != NULL)
        a->fields[a->head.fields.count++] = (hf_field){ hf_text(name), hf_text(value), hf_field_identify(hf_text(name)) };
    a->head.fields.at = a->fields;
}

static const hf_cors_answer *get(ask *a, const hf_cors *c, const char *origin)
{
    *a = (ask){ .head = { .method = HF_METHOD_GET } };
    add(a, "Origin", origin);
    hf_cors_decide(c, &a->head, false, &a->answer);
    return &a->answer;
}

static const hf_cors_answer *preflight(ask *a, const hf_cors *c, const char *origin, const char *method, const char *headers, bool explain)
{
    *a = (ask){ .head = { .method = HF_METHOD_OPTIONS } };
    add(a, "origin", origin);
    add(a, "access-control-request-method", method);
    add(a, "access-control-request-headers", headers);
    hf_cors_decide(c, &a->head, explain, &a->answer);
    return &a->answer;
}

static hf_bytes field(const hf_cors_answer *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (hf_text_same(a->fields[i].name, hf_text(name)))
            return a->fields[i].value;
    return hf_bytes_make(NULL, 0);
}

static bool allows(const hf_cors_answer *a, const char *origin)
{
    return hf_bytes_equal(field(a, "Access-Control-Allow-Origin"), hf_text(origin));
}

static void every_mistake_is_told_at_once(void **state) /* A48 */
{
    (void)state;
    static const struct {
        const char *origin;
        int32_t code;
    } rows[] = {
        { "null", HF_ERR_CORS_ORIGIN_NULL }, { "file:///", HF_ERR_CORS_ORIGIN_SCHEME }, { "*", HF_ERR_CORS_STAR_CREDENTIALS },
        { "http://app.example.com", HF_ERR_CORS_HTTP_CREDENTIALS }, { "https://*.com", HF_ERR_CORS_PUBLIC_SUFFIX },
        { "https://*.co.uk", HF_ERR_CORS_PUBLIC_SUFFIX }, { "https://app.example.com:443", HF_ERR_CORS_DEFAULT_PORT },
        { "https://app.example.com/", HF_ERR_CORS_ORIGIN_PATH }, { "https://app.example.com/x", HF_ERR_CORS_ORIGIN_PATH },
        { "https://m\xc3\xbcnchen.example", HF_ERR_CORS_ORIGIN_HOST }, { "https://App.example.com", HF_ERR_CORS_ORIGIN_HOST },
        { "https://user@app.example.com", HF_ERR_CORS_ORIGIN_HOST }, { "https://app.*.com", HF_ERR_CORS_ORIGIN_HOST },
        { "https://*app.example.com", HF_ERR_CORS_ORIGIN_HOST }, { "https://0x7f.0.0.1", HF_ERR_CORS_ORIGIN_HOST },
        { "https://127.1", HF_ERR_CORS_ORIGIN_HOST }, { "https://app.example.com:0443", HF_ERR_CORS_ORIGIN_HOST },
        { "https://app.example.com:99999", HF_ERR_CORS_ORIGIN_HOST }, { "https://app.example.com.", HF_ERR_CORS_ORIGIN_HOST },
        { "https://", HF_ERR_CORS_ORIGIN_HOST }, { "chrome-extension://abc", HF_ERR_CORS_ORIGIN_SCHEME }, { "", HF_ERR_CORS_ORIGIN_SCHEME },
    };
    const char *origins[HF_COUNT(rows) + 1] = { NULL };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        origins[i] = rows[i].origin;
    const hf_cors_rules rules = { .origins = origins, .methods = LIST("TRACE", "GE T"), .request_headers = LIST("Cookie", "Sec-Fetch-Site", "proxy-x"),
                                  .expose = LIST("*", "Set-Cookie"), .credentials = true, .max_age_s = 86401 };
    hf_cors *c;
    hf_whys whys;
    assert_true(hf_cors_compile(&w.env, &rules, &c, &whys).code != 0);
    assert_null(c);
    assert_int_equal(whys.count, HF_COUNT(rows) + 2 + 3 + 1 + 1 + 1);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (whys.at[i].err.code != rows[i].code)
            fail_msg("%s: %s", rows[i].origin, hf_err_text(whys.at[i].err));
        assert_int_equal(whys.at[i].err.code, rows[i].code);
    }
    static const int32_t rest[] = { HF_ERR_CORS_METHOD, HF_ERR_CORS_METHOD, HF_ERR_CORS_REQUEST_HEADER, HF_ERR_CORS_REQUEST_HEADER,
                                    HF_ERR_CORS_REQUEST_HEADER, HF_ERR_CORS_EXPOSE, HF_ERR_CORS_EXPOSE_STAR, HF_ERR_CORS_MAX_AGE };
    for (size_t i = 0; i < HF_COUNT(rest); i++)
        assert_int_equal(whys.at[HF_COUNT(rows) + i].err.code, rest[i]);
    assert_int_equal(hf_cors_compile(&w.env, &(hf_cors_rules){ .max_age_s = 0 }, &c, NULL).code, HF_ERR_CORS_NO_ORIGINS);
}

static void what_weakens_must_be_written_out(void **state)
{
    (void)state;
    hf_cors_free(compiled(&(hf_cors_rules){ .origins = LIST("http://app.example.com"), .credentials = true, .dangerous_insecure_origins = true }));
    hf_cors_free(compiled(&(hf_cors_rules){ .origins = LIST("https://*.com"), .dangerous_public_suffix = true }));
    hf_cors_free(compiled(&(hf_cors_rules){ .origins = LIST("http://localhost:3000", "http://127.0.0.1:3000", "http://a.localhost"), .credentials = true }));
    hf_cors_free(compiled(&(hf_cors_rules){ .origins = LIST("https://xn--mnchen-3ya.example", "https://[::1]:8443", "https://192.168.1.7"), .credentials = true }));
}

static void hostile_origins_are_never_reflected(void **state) /* A49 */
{
    (void)state;
    static const char *const hostile[] = {
        "null", "", "*", "https://evil.example", "https://evil-example.com", "https://example.com.evil.io", "https://exampleXcom", "https://app.example.com.evil.io",
        "https://evil.io/.example.com", "https://evil.io?.example.com", "https://evil.io#.example.com", "https://evil.io\\.example.com", "https://evil.io%60.example.com",
        "https://user@app.example.com", "https://app.example.com@evil.io", "https://app.example.com.", "https://APP.example.com", "HTTPS://app.example.com",
        "http://app.example.com", "https://app.example.com:8443", "https://app.example.com:443", "https://app.example.com:", "https://app.example.com/",
        " https://app.example.com", "https://app.example.com ", "https://app.example.com, https://evil.io", "https://app.example.com https://evil.io",
        "https://.example.com", "https://..preview.example.com", "https://a..preview.example.com", "https://preview.example.com.", "https://preview.example.com",
        "https://evil.io,a.preview.example.com", "https://a_b@preview.example.com", "http://a.preview.example.com", "https://a.preview.example.com:8443",
        "https://evilpreview.example.com", "https://a\xc3\xa9.preview.example.com", "https://app.example.co", "file://", "data:", "chrome-extension://abc",
        "https://A.preview.example.com", "ws://app.example.com",
    };
    const hf_cors_rules rules[] = {
        { .origins = LIST("https://app.example.com") },
        { .origins = LIST("https://app.example.com"), .credentials = true, .expose = LIST("ETag") },
        { .origins = LIST("https://app.example.com", "https://*.preview.example.com"), .credentials = true },
        { .origins = LIST("https://*.preview.example.com"), .methods = LIST("PUT") },
        { .origins = LIST("https://app.example.com", "https://b.example.com:444"), .methods = LIST("*") },
        { .origins = LIST("https://*.app.example.com:8443", "https://z.example.com"), .request_headers = LIST("X-A") },
    };
    ask a;
    for (size_t r = 0; r < HF_COUNT(rules); r++) {
        hf_cors *c = compiled(&rules[r]);
        for (size_t i = 0; i < HF_COUNT(hostile); i++) {
            const hf_cors_answer *got = get(&a, c, hostile[i]);
            if (got->count != 0 || got->why.err.code != HF_ERR_CORS_ORIGIN_REFUSED)
                fail_msg("policy %zu reflects %s", r, hostile[i]);
            assert_int_equal(got->why.err.code, HF_ERR_CORS_ORIGIN_REFUSED);
            assert_true(hf_bytes_equal(got->vary, hf_text("Origin")));
            got = preflight(&a, c, hostile[i], "PUT", NULL, true);
            assert_true(got->preflight && got->denied && got->count == 0);
        }
        hf_cors_free(c);
    }
}

static void listed_origins_may_read(void **state) /* A50 */
{
    (void)state;
    hf_cors *c = compiled(&(hf_cors_rules){ .origins = LIST("https://b.example.com", "https://app.example.com", "https://*.preview.example.com", "https://app.example.com"),
                                            .credentials = true, .expose = LIST("ETag", "X-Total") });
    static const char *const good[] = { "https://app.example.com", "https://b.example.com", "https://a.preview.example.com", "https://a.b.preview.example.com" };
    ask a;
    for (size_t i = 0; i < HF_COUNT(good); i++) {
        const hf_cors_answer *got = get(&a, c, good[i]);
        assert_true(allows(got, good[i]) && got->why.err.code == 0 && !got->preflight);
        assert_true(hf_bytes_equal(field(got, "Access-Control-Allow-Credentials"), hf_text("true")));
        assert_true(hf_bytes_equal(field(got, "Access-Control-Expose-Headers"), hf_text("ETag, X-Total")));
        assert_true(hf_bytes_equal(got->vary, hf_text("Origin")));
    }
    const hf_cors_answer *none = get(&a, c, NULL);
    assert_true(none->count == 0 && none->why.err.code == 0 && hf_bytes_equal(none->vary, hf_text("Origin")));
    hf_cors_free(c);
    c = compiled(&(hf_cors_rules){ .origins = LIST("*") });
    const hf_cors_answer *any = get(&a, c, "https://evil.example");
    assert_true(allows(any, "*") && any->vary.len == 0 && any->count == 1);
    assert_true(allows(get(&a, c, "null"), "*"));
    hf_cors_free(c);
}

static void preflights_are_answered_step_by_step(void **state) /* A52, A53 */
{
    (void)state;
    hf_cors *c = compiled(&(hf_cors_rules){ .origins = LIST("https://app.example.com"), .methods = LIST("PUT", "PATCH"),
                                            .request_headers = LIST("X-CSRF-Token", "content-type"), .credentials = true, .max_age_s = 600 });
    static const struct {
        const char *origin, *method, *headers;
        int32_t code;
    } rows[] = {
        { "https://app.example.com", "PUT", NULL, 0 },
        { "https://app.example.com", "POST", "content-type", 0 },
        { "https://app.example.com", "PUT", "content-type,x-csrf-token", 0 },
        { "https://app.example.com", "PUT", "content-type, x-csrf-token", 0 },
        { "https://app.example.com", "PUT", "", 0 },
        { "https://app.example.com", "patch", NULL, HF_ERR_CORS_METHOD_REFUSED },
        { "https://app.example.com", "DELETE", NULL, HF_ERR_CORS_METHOD_REFUSED },
        { "https://app.example.com", "PUT", "x-other", HF_ERR_CORS_HEADER_REFUSED },
        { "https://app.example.com", "PUT", "x-csrf-token,content-type", HF_ERR_CORS_HEADER_REFUSED }, /* not sorted: no browser */
        { "https://app.example.com", "PUT", "X-CSRF-Token", HF_ERR_CORS_HEADER_REFUSED },
        { "https://app.example.com", "PUT", "content-type,content-typ", HF_ERR_CORS_HEADER_REFUSED },
        { "https://evil.example", "PUT", NULL, HF_ERR_CORS_ORIGIN_REFUSED },
    };
    ask a;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_cors_answer *got = preflight(&a, c, rows[i].origin, rows[i].method, rows[i].headers, false);
        if (got->why.err.code != rows[i].code || got->denied != (rows[i].code != 0) || !got->preflight)
            fail_msg("row %zu: %s", i, hf_err_text(got->why.err));
        assert_int_equal(got->count == 0, rows[i].code != 0); /* production tells nothing */
        assert_true(hf_bytes_equal(got->vary, hf_text("Origin, Access-Control-Request-Method, Access-Control-Request-Headers")));
    }
    const hf_cors_answer *got = preflight(&a, c, "https://app.example.com", "DELETE", NULL, true); /* dev: the browser's message names DELETE */
    assert_true(!got->denied && allows(got, "https://app.example.com") && hf_bytes_equal(field(got, "Access-Control-Allow-Methods"), hf_text("PUT, PATCH")));
    assert_true(hf_bytes_equal(field(got, "Access-Control-Allow-Headers"), hf_text("X-CSRF-Token, content-type")));
    assert_true(hf_bytes_equal(field(got, "Access-Control-Max-Age"), hf_text("600")));
    assert_int_equal(got->why.err.code, HF_ERR_CORS_METHOD_REFUSED);
    got = preflight(&a, c, "https://app.example.com", NULL, NULL, false); /* OPTIONS that is no preflight */
    assert_true(!got->preflight && allows(got, "https://app.example.com"));
    a = (ask){ .head = { .method = HF_METHOD_OPTIONS } };
    add(&a, "Origin", "https://app.example.com");
    add(&a, "Origin", "https://evil.example");
    add(&a, "Access-Control-Request-Method", "PUT");
    hf_cors_decide(c, &a.head, true, &a.answer);
    assert_true(a.answer.denied && a.answer.count == 0);
    assert_int_equal(a.answer.why.err.code, HF_ERR_CORS_REQUEST);
    hf_cors_free(c);
}

static void stars_never_mean_authorization(void **state)
{
    (void)state;
    hf_cors *c = compiled(&(hf_cors_rules){ .origins = LIST("https://app.example.com"), .methods = LIST("*"), .request_headers = LIST("*"), .max_age_s = -1 });
    ask a;
    const hf_cors_answer *got = preflight(&a, c, "https://app.example.com", "PURGE", "x-any", false);
    assert_true(!got->denied && hf_bytes_equal(field(got, "Access-Control-Allow-Methods"), hf_text("*")) && hf_bytes_equal(field(got, "Access-Control-Max-Age"), hf_text("0")));
    assert_true(preflight(&a, c, "https://app.example.com", "PUT", "authorization", false)->denied);
    assert_true(preflight(&a, c, "https://app.example.com", "PUT", "x y", false)->denied);
    hf_cors_free(c);
}

static void a_megabyte_of_commas_costs_nothing(void **state) /* A54 */
{
    (void)state;
    hf_cors *c = compiled(&(hf_cors_rules){ .origins = LIST("https://app.example.com"), .request_headers = LIST("X-A", "X-B") });
    char *commas = malloc((1 << 20) + 1);
    memset(commas, ',', 1 << 20);
    commas[1 << 20] = 0;
    const size_t calls = w.memory.calls;
    ask a;
    assert_true(preflight(&a, c, "https://app.example.com", "PUT", commas, false)->denied);
    memset(commas, 'x', 1 << 20);
    assert_true(preflight(&a, c, "https://app.example.com", "POST", commas, false)->denied);
    assert_int_equal(a.answer.why.err.code, HF_ERR_CORS_HEADER_REFUSED);
    assert_int_equal(w.memory.calls, calls);
    free(commas);
    hf_cors_free(c);
}

static void limit_cors_origins(void **state)
{
    (void)state;
    w.limits.cors_origins = 2;
    hf_cors *c;
    hf_cors_free(compiled(&(hf_cors_rules){ .origins = LIST("https://a.example", "https://b.example") }));
    assert_int_equal(hf_cors_compile(&w.env, &(hf_cors_rules){ .origins = LIST("https://a.example", "https://b.example", "https://c.example") }, &c, NULL).code, HF_ERR_BASE_LIMIT);
    w.memory.fail_at = w.memory.calls + 1;
    assert_int_equal(hf_cors_compile(&w.env, &(hf_cors_rules){ .origins = LIST("https://a.example") }, &c, NULL).code, HF_ERR_BASE_MEMORY);
    assert_null(c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_mistake_is_told_at_once), CASE(what_weakens_must_be_written_out), CASE(hostile_origins_are_never_reflected), CASE(listed_origins_may_read),
        CASE(preflights_are_answered_step_by_step), CASE(stars_never_mean_authorization), CASE(a_megabyte_of_commas_costs_nothing), CASE(limit_cors_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
