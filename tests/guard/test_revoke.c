/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens that end before their time, and refresh tokens that are used twice (A43, A44).
 */
#include "harness.h"

#include <handfast/guard.h>
#include <handfast/store.h>

static hf_test_world w;
static hf_crypto *c;
static hf_keys *keys;
static hf_memory_store *memory;
static hf_session_store store;
static const hf_alg hs256 = HF_ALG_HS256;
static hf_jwt_policy policy;
static const hf_refresh_rules rules = { .life_s = 0 };

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    c = hf_crypto_new(&w.env, NULL);
    keys = hf_keys_new(c, &w.env);
    memory = hf_memory_store_new(&w.env, &store);
    assert_int_equal(hf_keys_add_secret(keys, HF_ALG_HS256, hf_text("k1"), hf_text("0123456789abcdef0123456789abcdef"), NULL).code, 0);
    policy = (hf_jwt_policy){ .algs = &hs256, .alg_count = 1, .issuer = "i", .audience = "a", .keys = keys };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_memory_store_free(memory);
    hf_keys_free(keys);
    hf_crypto_free(c);
    hf_test_world_fini(&w);
    return 0;
}

static hf_wall at(int64_t s)
{
    return (hf_wall){ 1700000000 + s };
}

/* A token of the subject, issued then; its claims. */
static hf_claims *claims_of(const char *subject, int64_t when, char jti[22])
{
    char token[1024];
    size_t n;
    hf_claims *claims;
    const hf_jwt_wish wish = { .subject = hf_text(subject), .life_s = 900 };
    assert_int_equal(hf_jwt_issue(c, &w.env, &policy, &wish, at(when), token, sizeof token, &n, jti, NULL).code, 0);
    assert_int_equal(hf_jwt_verify(&w.env, &policy, hf_bytes_make(token, n), at(when), &claims, NULL).code, 0);
    return claims;
}

static void a_token_is_revoked_by_its_name(void **state) /* A43 */
{
    (void)state;
    char one[22], two[22];
    hf_why why;
    hf_claims *const a = claims_of("alice", 0, one), *const b = claims_of("alice", 0, two);
    assert_int_equal(hf_revocation_check(c, &store, a, NULL).code, 0);
    assert_int_equal(hf_revoke_token(c, &store, hf_bytes_make(one, 22), at(1), at(900)).code, 0);
    assert_int_equal(hf_revoke_token(c, &store, hf_bytes_make(one, 22), at(2), at(900)).code, 0); /* twice is once */
    assert_int_equal(hf_revocation_check(c, &store, a, &why).code, HF_ERR_JWT_REVOKED);
    assert_null(memmem(why.got, sizeof why.got, one, sizeof one)); /* told as a secret is */
    assert_int_equal(hf_revocation_check(c, &store, b, NULL).code, 0);
    assert_int_equal(hf_revoke_token(c, &store, hf_text(""), at(1), at(900)).code, HF_ERR_BASE_USAGE);
    size_t count;
    assert_int_equal(store.collect(store.self, at(899), &count).code, 0);
    assert_int_equal(count, 0);
    assert_int_equal(store.collect(store.self, at(900), &count).code, 0); /* then exp refuses it */
    assert_int_equal(count, 1);
    hf_claims_free(a);
    hf_claims_free(b);
}

static void a_watermark_revokes_what_was_issued_before(void **state) /* A43 */
{
    (void)state;
    char jti[22];
    hf_claims *const before = claims_of("alice", 0, jti), *const then = claims_of("alice", 10, jti), *const after = claims_of("alice", 11, jti),
              *const other = claims_of("bob", 0, jti);
    assert_int_equal(hf_revoke_subject(c, &store, hf_text("alice"), at(5), 900).code, 0);
    assert_int_equal(hf_revoke_subject(c, &store, hf_text("alice"), at(10), 900).code, 0);
    assert_int_equal(hf_revoke_subject(c, &store, hf_text("alice"), at(7), 900).code, 0); /* does not lower it */
    assert_int_equal(hf_revocation_check(c, &store, before, NULL).code, HF_ERR_JWT_REVOKED);
    assert_int_equal(hf_revocation_check(c, &store, then, NULL).code, HF_ERR_JWT_REVOKED);
    assert_int_equal(hf_revocation_check(c, &store, after, NULL).code, 0);
    assert_int_equal(hf_revocation_check(c, &store, other, NULL).code, 0);
    assert_int_equal(hf_memory_store_count(memory), 1);
    hf_claims_free(before);
    hf_claims_free(then);
    hf_claims_free(after);
    hf_claims_free(other);
}

static hf_err broken(void *self, const uint8_t key[32], hf_session_record *record, hf_span into)
{
    (void)self, (void)key, (void)record, (void)into;
    return hf_err_make(HF_ERR_SESSION_STORE);
}

static void a_store_that_fails_denies_tokens_too(void **state)
{
    (void)state;
    char jti[22];
    hf_session_store bad = store;
    hf_claims *const a = claims_of("alice", 0, jti);
    bad.get = broken;
    assert_int_equal(hf_revocation_check(c, &bad, a, NULL).code, HF_ERR_SESSION_STORE);
    hf_claims_free(a);
}

static int32_t rotate(const char *token, int64_t when, char *next)
{
    char subject[HF_SUBJECT_MOST + 1] = "";
    char other[HF_REFRESH_TOKEN];
    const int32_t code = hf_refresh_rotate(c, &rules, &store, hf_bytes_make(token, HF_REFRESH_TOKEN), at(when), next != NULL ? next : other, subject, NULL).code;
    if (code == 0)
        assert_string_equal(subject, "alice");
    return code;
}

static void a_refresh_token_is_good_once(void **state) /* A44 */
{
    (void)state;
    char one[HF_REFRESH_TOKEN], two[HF_REFRESH_TOKEN], three[HF_REFRESH_TOKEN];
    assert_int_equal(hf_refresh_begin(c, &rules, &store, hf_text("alice"), at(0), one).code, 0);
    assert_int_equal(rotate(one, 100, two), 0);
    assert_memory_not_equal(one, two, sizeof one);
    assert_int_equal(rotate(two, 200, three), 0);
    assert_int_equal(rotate(two, 211, NULL), HF_ERR_JWT_REFRESH_REUSED); /* 11 s later: stolen */
    assert_int_equal(rotate(three, 212, NULL), HF_ERR_JWT_REFRESH_ENDED); /* and with it all of the family */
    assert_int_equal(rotate(one, 212, NULL), HF_ERR_JWT_REFRESH_ENDED);
}

static void two_tabs_at_once_log_nobody_out(void **state) /* A44 */
{
    (void)state;
    char one[HF_REFRESH_TOKEN], left[HF_REFRESH_TOKEN], right[HF_REFRESH_TOKEN];
    assert_int_equal(hf_refresh_begin(c, &rules, &store, hf_text("alice"), at(0), one).code, 0);
    assert_int_equal(rotate(one, 100, left), 0);
    assert_int_equal(rotate(one, 110, right), 0); /* the last moment */
    assert_int_equal(rotate(left, 120, left), 0);
    assert_int_equal(rotate(right, 130, right), 0);
    assert_int_equal(rotate(one, 111, NULL), HF_ERR_JWT_REFRESH_REUSED);
}

static void without_grace_the_second_use_ends_the_family(void **state)
{
    (void)state;
    const hf_refresh_rules strict = { .grace_s = -1 };
    char one[HF_REFRESH_TOKEN], next[HF_REFRESH_TOKEN], subject[HF_SUBJECT_MOST + 1];
    assert_int_equal(hf_refresh_begin(c, &strict, &store, hf_text("alice"), at(0), one).code, 0);
    assert_int_equal(hf_refresh_rotate(c, &strict, &store, hf_bytes_make(one, sizeof one), at(1), next, subject, NULL).code, 0);
    assert_int_equal(hf_refresh_rotate(c, &strict, &store, hf_bytes_make(one, sizeof one), at(2), next, subject, NULL).code, HF_ERR_JWT_REFRESH_REUSED);
}

static void families_end_in_time_and_with_their_subject(void **state)
{
    (void)state;
    char one[HF_REFRESH_TOKEN], two[HF_REFRESH_TOKEN];
    size_t count;
    assert_int_equal(hf_refresh_begin(c, &rules, &store, hf_text("alice"), at(0), one).code, 0);
    assert_int_equal(rotate(one, 14 * 86400, NULL), HF_ERR_JWT_REFRESH_ENDED); /* nobody used it */
    for (int64_t day = 10; day < 90; day += 10) /* who uses it stays, as long as a family may */
        assert_int_equal(rotate(one, day * 86400, one), 0);
    assert_int_equal(rotate(one, 90 * 86400, NULL), HF_ERR_JWT_REFRESH_ENDED);
    assert_int_equal(hf_refresh_begin(c, &rules, &store, hf_text("alice"), at(0), one).code, 0);
    assert_int_equal(store.destroy_subject(store.self, hf_text("alice"), &count).code, 0); /* logged out everywhere */
    assert_int_equal(rotate(one, 1, NULL), HF_ERR_JWT_REFRESH_UNKNOWN);
    assert_int_equal(hf_refresh_begin(c, &rules, &store, hf_text("alice"), at(0), one).code, 0);
    assert_int_equal(rotate(one, 1, two), 0);
    assert_int_equal(hf_refresh_end(c, &store, hf_bytes_make(one, sizeof one), NULL).code, 0); /* any of the family */
    assert_int_equal(rotate(two, 2, NULL), HF_ERR_JWT_REFRESH_ENDED);
}

static void a_refresh_token_is_no_session_and_a_session_no_refresh_token(void **state)
{
    (void)state;
    char one[HF_REFRESH_TOKEN];
    uint8_t bytes[64];
    hf_session s = { .ended = true }, got;
    const hf_session_rules usual = { .idle_s = 0 };
    assert_int_equal(hf_refresh_begin(c, &rules, &store, hf_text("alice"), at(0), one).code, 0);
    assert_int_equal(hf_session_find(c, &usual, &store, hf_bytes_make(one, sizeof one), at(1), (hf_span){ bytes, sizeof bytes }, &got, NULL).code, HF_ERR_SESSION_UNKNOWN);
    assert_int_equal(hf_session_login(c, &usual, &store, &s, hf_text("alice"), at(0)).code, 0);
    assert_int_equal(rotate(s.id, 1, NULL), HF_ERR_JWT_REFRESH_UNKNOWN);
}

static void what_is_no_refresh_token_is_unknown(void **state)
{
    (void)state;
    char next[HF_REFRESH_TOKEN], subject[HF_SUBJECT_MOST + 1];
    static const char *const bad[] = { "", "x", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" };
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        assert_int_equal(hf_refresh_rotate(c, &rules, &store, hf_text(bad[i]), at(0), next, subject, NULL).code, HF_ERR_JWT_REFRESH_UNKNOWN);
    assert_int_equal(hf_refresh_begin(c, &rules, &store, hf_text(""), at(0), next).code, HF_ERR_BASE_USAGE);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_token_is_revoked_by_its_name), CASE(a_watermark_revokes_what_was_issued_before), CASE(a_store_that_fails_denies_tokens_too),
        CASE(a_refresh_token_is_good_once), CASE(two_tabs_at_once_log_nobody_out), CASE(without_grace_the_second_use_ends_the_family),
        CASE(families_end_in_time_and_with_their_subject), CASE(a_refresh_token_is_no_session_and_a_session_no_refresh_token),
        CASE(what_is_no_refresh_token_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
