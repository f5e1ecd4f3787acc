/* SPDX-License-Identifier: Apache-2.0
 *
 * Project Wycheproof's tokens and keys, and the cookbook of RFC 7520: exactly what must be accepted is (A30, A31, A32).
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include <handfast/guard.h>

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

static json_t *load(const char *path)
{
    const hf_span all = hf_test_vector(path);
    json_t *root = json_loadb((const char *)all.ptr, all.len, 0, NULL);
    assert_non_null(root);
    free(all.ptr);
    return root;
}

/* The key of a group, read strictly; NULL when it is refused. */
static hf_keys *keys_of(json_t *jwk, hf_alg preset)
{
    char *text = json_dumps(jwk, JSON_COMPACT);
    hf_whys whys = { .count = 0 };
    hf_keys *keys = hf_keys_new(c, &w.env);
    const hf_err err = hf_keys_add_jwks(keys, preset, hf_text(text), true, &whys);
    assert_int_equal(err.code != 0, whys.count > 0);
    free(text);
    if (err.code == 0)
        return keys;
    hf_keys_free(keys);
    return NULL;
}

static bool accepts(const hf_keys *keys, const char *jws)
{
    hf_why why = { .got = "" };
    const size_t n = strlen(jws);
    uint8_t *payload = malloc(n + 1);
    size_t length;
    const hf_err err = hf_jws_verify(keys, hf_bytes_make(jws, n), payload, &length, &why);
    assert_true(err.code == 0 || (why.err.code == err.code && length == 0));
    free(payload);
    return err.code == 0;
}

/* How many agree; those that do not, except `known`, fail. */
static size_t agreeing(const char *path, const char *only, const int *known, size_t known_count, size_t *tests)
{
    json_t *root = load(path), *group, *test;
    size_t i, j, agree = 0, seen = 0;
    *tests = 0;
    json_array_foreach(json_object_get(root, "testGroups"), i, group) {
        if (only != NULL && strncmp(json_string_value(json_object_get(group, "comment")), only, strlen(only)) != 0)
            continue;
        json_t *jwk = json_object_get(group, "public");
        hf_keys *keys = keys_of(jwk != NULL ? jwk : json_object_get(group, "private"), HF_ALG_UNSET);
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            const char *jws = json_string_value(json_object_get(test, "jws"));
            const int id = (int)json_integer_value(json_object_get(test, "tcId"));
            const bool valid = strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;
            const bool got = keys != NULL && jws != NULL && accepts(keys, jws);
            bool listed = false;
            for (size_t k = 0; k < known_count; k++)
                listed = listed || known[k] == id;
            ++*tests;
            agree += got == valid;
            seen += listed;
            if ((got == valid) == listed)
                fail_msg("%s %d %s: valid %d, accepted %d", path, id, json_string_value(json_object_get(test, "comment")), valid, got);
        }
        hf_keys_free(keys);
    }
    assert_int_equal(seen, known_count);
    json_decref(root);
    return agree;
}

/* A30. 346, 350: the key says PS256, the token PS384. 347, 351: "ES521" is no algorithm. 372, 373: foreign bytes in base64url.
 * 367 and 370 are, byte for byte and with the same key, 357, which is valid: whoever accepts that one deviates there. */
static void wycheproof_tokens_agree_but_for_eight(void **state)
{
    (void)state;
    static const int known[] = { 346, 347, 350, 351, 367, 370, 372, 373 };
    size_t tests;
    assert_int_equal(agreeing("jose/json_web_signature_test.json", NULL, known, HF_COUNT(known), &tests), 393);
    assert_int_equal(tests, 401);
}

/* The claim above. */
static void two_invalid_cases_are_a_valid_one(void **state)
{
    (void)state;
    json_t *root = load("jose/json_web_signature_test.json"), *group, *test;
    const char *valid = NULL;
    size_t i, j, same = 0;
    json_array_foreach(json_object_get(root, "testGroups"), i, group)
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            const int id = (int)json_integer_value(json_object_get(test, "tcId"));
            const char *jws = json_string_value(json_object_get(test, "jws"));
            if (id == 357)
                valid = jws;
            same += valid != NULL && (id == 367 || id == 370) && strcmp(jws, valid) == 0;
        }
    assert_int_equal(same, 2);
    json_decref(root);
}

static void wycheproof_keys_agree(void **state) /* A31 */
{
    (void)state;
    size_t tests;
    assert_int_equal(agreeing("jose/json_web_key_test.json", NULL, NULL, 0, &tests), 26);
    assert_int_equal(tests, 26);
}

static void wycheproof_mixed_cases_agree_on_tokens(void **state) /* A31 */
{
    (void)state;
    size_t tests;
    assert_int_equal(agreeing("jose/json_web_crypto_test.json", "jws", NULL, 0, &tests), 49);
    assert_int_equal(tests, 49);
}

static const char *compact_of(json_t *root)
{
    return json_string_value(json_object_get(json_object_get(root, "output"), "compact"));
}

/* A32: 4_1 to 4_4 verify, those that are deterministic sign to the same bytes. */
static void the_cookbook_verifies_and_signs_again(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        hf_alg alg;
        bool same;
    } cases[] = {
        { "jose/jws/4_1.rsa_v15_signature.json", HF_ALG_RS256, true },
        { "jose/jws/4_2.rsa-pss_signature.json", HF_ALG_PS384, false },
        { "jose/jws/4_3.ecdsa_signature.json", HF_ALG_UNSET, false },
        { "jose/jws/4_4.hmac-sha2_integrity_protection.json", HF_ALG_UNSET, true },
        { "jose/curve25519/jws.json", HF_ALG_UNSET, true },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        json_t *root = load(cases[i].file), *input = json_object_get(root, "input");
        const char *compact = compact_of(root);
        hf_keys *keys = keys_of(json_object_get(input, "key"), cases[i].alg);
        assert_non_null(keys);
        if (!accepts(keys, compact))
            fail_msg("%s does not verify", cases[i].file);
        char out[4096];
        size_t n;
        const hf_bytes payload = hf_text(json_string_value(json_object_get(input, "payload")));
        assert_int_equal(hf_jws_sign(keys, hf_text(""), hf_text(""), payload, out, sizeof out - 1, &n, NULL).code, 0);
        out[n] = 0;
        assert_true(accepts(keys, out));
        if (cases[i].same)
            assert_string_equal(out, compact);
        hf_keys_free(keys);
        json_decref(root);
    }
}

/* A32: what is detached, or has several signatures, is no compact token with a payload. */
static void what_is_not_compact_is_refused(void **state)
{
    (void)state;
    static const char *const files[] = { "jose/jws/4_5.signature_with_detached_content.json", "jose/jws/4_6.protecting_specific_header_fields.json",
                                         "jose/jws/4_7.protecting_content_only.json", "jose/jws/4_8.multiple_signatures.json" };
    json_t *first = load("jose/jws/4_4.hmac-sha2_integrity_protection.json");
    hf_keys *keys = keys_of(json_object_get(json_object_get(first, "input"), "key"), HF_ALG_UNSET);
    for (size_t i = 0; i < HF_COUNT(files); i++) {
        json_t *root = load(files[i]);
        char *text = json_dumps(json_object_get(json_object_get(root, "output"), "json"), JSON_COMPACT);
        assert_false(accepts(keys, text));
        if (compact_of(root) != NULL)
            assert_false(accepts(keys, compact_of(root)));
        free(text);
        json_decref(root);
    }
    hf_keys_free(keys);
    json_decref(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wycheproof_tokens_agree_but_for_eight, set_up, tear_down),
        cmocka_unit_test(two_invalid_cases_are_a_valid_one),
        cmocka_unit_test_setup_teardown(wycheproof_keys_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wycheproof_mixed_cases_agree_on_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_cookbook_verifies_and_signs_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_compact_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
