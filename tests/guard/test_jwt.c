/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens and keys: what counts and what never does (A34 to A39, A45, A61), in hostile hands.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <handfast/guard.h>

#include "base64.h"
#include "crypto_hash.h"
#include "guard_json.h"

static hf_test_world w;
static hf_crypto *c;
static hf_keys *keys;
static const hf_wall now = { 1700000000 };
static const hf_alg hs256 = HF_ALG_HS256;
static const char secret[] = "0123456789abcdef0123456789abcdef";

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    c = hf_crypto_new(&w.env, NULL);
    keys = hf_keys_new(c, &w.env);
    assert_non_null(keys);
    assert_int_equal(hf_keys_add_secret(keys, HF_ALG_HS256, hf_text("k1"), hf_text(secret), NULL).code, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_keys_free(keys);
    hf_crypto_free(c);
    hf_test_world_fini(&w);
    return 0;
}

static hf_jwt_policy policy(void)
{
    return (hf_jwt_policy){ .algs = &hs256, .alg_count = 1, .issuer = "https://id.example", .audience = "api", .keys = keys };
}

static int32_t verify(const hf_jwt_policy *p, const char *token, hf_why *why)
{
    hf_claims *claims;
    hf_why own = { .got = "" };
    const int32_t code = hf_jwt_verify(&w.env, p, hf_text(token), now, &claims, &own).code;
    assert_int_equal(code == 0, claims != NULL);
    assert_int_equal(own.err.code, code);
    if (why != NULL)
        *why = own;
    hf_claims_free(claims);
    return code;
}

/* A token of a header's further members and claims, signed with k1. */
static const char *token_of(const char *header, const char *claims)
{
    static char out[16384];
    size_t n;
    assert_int_equal(hf_jws_sign(keys, hf_text("k1"), hf_text(header), hf_text(claims), out, sizeof out - 1, &n, NULL).code, 0);
    out[n] = 0;
    return out;
}

#define GOOD "\"iss\":\"https://id.example\",\"aud\":\"api\",\"sub\":\"alice\""

static void what_is_issued_is_verified(void **state) /* A45 */
{
    (void)state;
    const hf_jwt_policy p = policy();
    char out[2048], jti[22];
    size_t n;
    hf_claims *claims;
    int64_t exp = 0, iat = 0, level = 0;
    const hf_jwt_wish wish = { .subject = hf_text("al\"ice"), .extra = hf_text("\"level\":3,\"x\":{\"y\":[1,null]}") };
    assert_int_equal(hf_jwt_issue(c, &w.env, &p, &wish, now, out, sizeof out, &n, jti, NULL).code, 0);
    assert_int_equal(hf_jwt_verify(&w.env, &p, hf_bytes_make(out, n), now, &claims, NULL).code, 0);
    assert_true(hf_bytes_equal(hf_claims_text(claims, "sub"), hf_text("al\"ice")));
    assert_true(hf_bytes_equal(hf_claims_text(claims, "jti"), hf_bytes_make(jti, 22)));
    assert_true(hf_claims_number(claims, "exp", &exp) && hf_claims_number(claims, "iat", &iat) && hf_claims_number(claims, "level", &level));
    assert_true(exp - iat == 900 && iat == now.s && level == 3);
    assert_null(hf_claims_text(claims, "level").ptr);
    assert_null(hf_claims_text(claims, "none").ptr);
    hf_claims_free(claims);
    uint8_t header[2048], payload[2048];
    size_t header_length, payload_length;
    assert_int_equal(hf_jwt_open(hf_bytes_make(out, n), header, &header_length, payload, &payload_length).code, 0);
    assert_true(hf_bytes_equal(hf_bytes_make(header, header_length), hf_text("{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"JWT\"}")));
    const hf_jwt_wish twice = { .subject = hf_text("a"), .extra = hf_text("\"sub\":\"b\"") }, broken = { .subject = hf_text("a"), .extra = hf_text("}") };
    assert_int_equal(hf_jwt_issue(c, &w.env, &p, &twice, now, out, sizeof out, &n, NULL, NULL).code, HF_ERR_JWT_PAYLOAD);
    assert_int_equal(hf_jwt_issue(c, &w.env, &p, &broken, now, out, sizeof out, &n, NULL, NULL).code, HF_ERR_JWT_PAYLOAD);
    assert_int_equal(hf_jwt_issue(c, &w.env, &p, &wish, now, out, 50, &n, NULL, NULL).code, HF_ERR_BASE_LIMIT);
}

static void each_claim_is_held_to_its_rule(void **state) /* A37, A38 and bug classes of claims */
{
    (void)state;
    static const struct {
        const char *claims;
        int32_t code;
    } rows[] = {
        { "{" GOOD ",\"exp\":1700000100}", 0 },
        { "{" GOOD ",\"exp\":1699999971}", 0 }, /* 29 s ago */
        { "{" GOOD ",\"exp\":1699999969}", HF_ERR_JWT_EXPIRED },
        { "{" GOOD ",\"exp\":1700000100.5}", 0 },
        { "{" GOOD "}", HF_ERR_JWT_CLAIM_MISSING },
        { "{" GOOD ",\"exp\":\"1700000100\"}", HF_ERR_JWT_CLAIM_TYPE },
        { "{" GOOD ",\"exp\":null}", HF_ERR_JWT_CLAIM_TYPE },
        { "{" GOOD ",\"exp\":[1700000100]}", HF_ERR_JWT_CLAIM_TYPE },
        { "{" GOOD ",\"exp\":1e400}", HF_ERR_JWT_CLAIM_TYPE },
        { "{" GOOD ",\"exp\":-1}", HF_ERR_JWT_CLAIM_TYPE },
        { "{" GOOD ",\"exp\":99999999999999999999}", HF_ERR_JWT_CLAIM_TYPE },
        { "{" GOOD ",\"exp\":1700000100,\"nbf\":1700000029}", 0 },
        { "{" GOOD ",\"exp\":1700000100,\"nbf\":1700000031}", HF_ERR_JWT_NOT_YET },
        { "{" GOOD ",\"exp\":1700000100,\"iat\":1700000029}", 0 },
        { "{" GOOD ",\"exp\":1700000100,\"iat\":1700000031}", HF_ERR_JWT_FUTURE },
        { "{" GOOD ",\"exp\":1700000100,\"iat\":true}", HF_ERR_JWT_CLAIM_TYPE },
        { "{\"aud\":\"api\",\"exp\":1700000100}", HF_ERR_JWT_CLAIM_MISSING },
        { "{\"iss\":[\"https://id.example\"],\"aud\":\"api\",\"exp\":1700000100}", HF_ERR_JWT_CLAIM_TYPE },
        { "{\"iss\":\"https://id.example/\",\"aud\":\"api\",\"exp\":1700000100}", HF_ERR_JWT_ISSUER },
        { "{\"iss\":\"https://id.example\",\"exp\":1700000100}", HF_ERR_JWT_CLAIM_MISSING },
        { "{\"iss\":\"https://id.example\",\"aud\":\"api2\",\"exp\":1700000100}", HF_ERR_JWT_AUDIENCE },
        { "{\"iss\":\"https://id.example\",\"aud\":[\"x\",\"api\"],\"exp\":1700000100}", 0 },
        { "{\"iss\":\"https://id.example\",\"aud\":[],\"exp\":1700000100}", HF_ERR_JWT_AUDIENCE },
        { "{\"iss\":\"https://id.example\",\"aud\":[\"api\",1],\"exp\":1700000100}", HF_ERR_JWT_CLAIM_TYPE },
        { "{\"iss\":\"https://id.example\",\"aud\":{},\"exp\":1700000100}", HF_ERR_JWT_CLAIM_TYPE },
        { "{" GOOD ",\"exp\":1700000100,\"jti\":7}", HF_ERR_JWT_CLAIM_TYPE },
        { "{" GOOD ",\"exp\":1700000100,\"exp\":1800000000}", HF_ERR_JWT_PAYLOAD },
        { "{" GOOD ",\"exp\":1700000100,\"e\\u0078p\":1800000000}", HF_ERR_JWT_PAYLOAD },
        { "{" GOOD ",\"exp\":1700000100} ", 0 },
        { "{" GOOD ",\"exp\":1700000100}x", HF_ERR_JWT_PAYLOAD },
        { "[]", HF_ERR_JWT_PAYLOAD },
        { "", HF_ERR_JWT_PAYLOAD },
    };
    const hf_jwt_policy p = policy();
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const int32_t code = verify(&p, token_of("", rows[i].claims), NULL);
        if (code != rows[i].code)
            fail_msg("%s: %s", rows[i].claims, hf_err_text(hf_err_make(code)));
    }
}

static void a_policy_may_ask_for_more(void **state) /* A38 */
{
    (void)state;
    static const char *const required[] = { "jti", "scope", NULL };
    hf_jwt_policy p = policy();
    p.required = required;
    hf_why why;
    assert_int_equal(verify(&p, token_of("", "{" GOOD ",\"exp\":1700000100,\"jti\":\"1\"}"), &why), HF_ERR_JWT_CLAIM_MISSING);
    assert_string_equal(why.wanted, "scope");
    assert_int_equal(verify(&p, token_of("", "{" GOOD ",\"jti\":\"1\",\"scope\":\"a\"}"), &why), HF_ERR_JWT_CLAIM_MISSING);
    assert_string_equal(why.wanted, "exp");
    assert_int_equal(verify(&p, token_of("", "{" GOOD ",\"exp\":1700000100,\"jti\":\"1\",\"scope\":null}"), NULL), HF_ERR_JWT_CLAIM_MISSING);
    p = policy();
    p.max_life_s = 900;
    assert_int_equal(verify(&p, token_of("", "{" GOOD ",\"iat\":1700000000,\"exp\":1700000900}"), NULL), 0);
    assert_int_equal(verify(&p, token_of("", "{" GOOD ",\"iat\":1700000000,\"exp\":1700000901}"), NULL), HF_ERR_JWT_LIFE);
    assert_int_equal(verify(&p, token_of("", "{" GOOD ",\"exp\":1700000100}"), NULL), HF_ERR_JWT_CLAIM_MISSING);
    char out[2048];
    size_t n;
    assert_int_equal(hf_jwt_issue(c, &w.env, &p, &(hf_jwt_wish){ .life_s = 901 }, now, out, sizeof out, &n, NULL, NULL).code, HF_ERR_JWT_LIFE);
    p = policy();
    p.skew_s = -1;
    assert_int_equal(verify(&p, token_of("", "{" GOOD ",\"exp\":1700000000}"), NULL), HF_ERR_JWT_EXPIRED);
}

static void what_a_header_may_not_say_has_codes_of_its_own(void **state) /* A39 */
{
    (void)state;
    static const struct {
        const char *header;
        int32_t code;
    } rows[] = {
        { "", 0 },
        { "\"typ\":\"JWT\"", 0 },
        { "\"typ\":\"application/jwt\"", 0 },
        { "\"typ\":\"at+jwt\"", HF_ERR_JWT_TYP },
        { "\"typ\":\"\"", HF_ERR_JWT_TYP },
        { "\"typ\":7", HF_ERR_JWT_HEADER },
        { "\"crit\":[\"x\"]", HF_ERR_JWT_CRIT },
        { "\"crit\":[]", HF_ERR_JWT_CRIT },
        { "\"crit\":[\"b64\"],\"b64\":false", HF_ERR_JWT_CRIT },
        { "\"b64\":false", HF_ERR_JWT_CRIT },
        { "\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}", HF_ERR_JWT_HEADER_JWK },
        { "\"jku\":\"http://127.0.0.1:1/\"", HF_ERR_JWT_HEADER_JKU },
        { "\"x5u\":\"http://127.0.0.1:1/\"", HF_ERR_JWT_HEADER_X5U },
        { "\"x5c\":[\"AA\"]", HF_ERR_JWT_HEADER_X5C },
        { "\"x\":{\"x\":1,\"x\":2}", HF_ERR_JWT_HEADER },
    };
    hf_jwt_policy p = policy();
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const int32_t code = verify(&p, token_of(rows[i].header, "{" GOOD ",\"exp\":1700000100}"), NULL);
        if (code != rows[i].code)
            fail_msg("%s: %s", rows[i].header, hf_err_text(hf_err_make(code)));
    }
    p.typ = "at+jwt";
    assert_int_equal(verify(&p, token_of("\"typ\":\"at+JWT\"", "{" GOOD ",\"exp\":1700000100}"), NULL), 0);
    assert_int_equal(verify(&p, token_of("\"typ\":\"JWT\"", "{" GOOD ",\"exp\":1700000100}"), NULL), HF_ERR_JWT_TYP);
    assert_int_equal(verify(&p, token_of("", "{" GOOD ",\"exp\":1700000100}"), NULL), HF_ERR_JWT_TYP);
}

/* A token with any header and a signature by HMAC over it: what forgers send. */
static const char *forged(const char *header, hf_bytes key)
{
    static char out[4096];
    uint8_t mac[64];
    hf_keys *k = hf_keys_new(c, &w.env);
    hf_writer writer = hf_writer_make(out, sizeof out - 1);
    hf_base64_write(&writer, HF_BASE64URL, hf_text(header));
    hf_write_text(&writer, ".");
    hf_base64_write(&writer, HF_BASE64URL, hf_text("{" GOOD ",\"exp\":1700000100}"));
    assert_true(hf_hmac(c, HF_HASH_SHA256, key, hf_written(&writer), mac));
    hf_write_text(&writer, ".");
    hf_base64_write(&writer, HF_BASE64URL, hf_bytes_make(mac, key.ptr != NULL ? 32 : 0));
    out[writer.length] = 0;
    hf_keys_free(k);
    return out;
}

static void unsigned_and_unknown_algorithms_are_refused(void **state) /* bug class: alg none */
{
    (void)state;
    static const struct {
        const char *header;
        int32_t code;
    } rows[] = {
        { "{\"alg\":\"none\"}", HF_ERR_JWT_ALG_NONE }, { "{\"alg\":\"nOnE\",\"kid\":\"k1\"}", HF_ERR_JWT_ALG_NONE },
        { "{\"alg\":\"\"}", HF_ERR_JWT_ALG_NONE },     { "{\"kid\":\"k1\"}", HF_ERR_JWT_ALG_NONE },
        { "{\"alg\":null}", HF_ERR_JWT_ALG_UNKNOWN },  { "{\"alg\":\"hs256\",\"kid\":\"k1\"}", HF_ERR_JWT_ALG_UNKNOWN },
        { "{\"alg\":\"ES521\"}", HF_ERR_JWT_ALG_UNKNOWN }, { "{\"alg\":\"HS512\",\"kid\":\"k1\"}", HF_ERR_JWT_ALG_KEY },
        { "{\"alg\":\"RS256\"}", HF_ERR_JWT_ALG_KEY }, { "{\"alg\":\"HS256\",\"kid\":\"k2\"}", HF_ERR_JWT_KID },
        { "{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}", HF_ERR_JWT_KID }, { "{\"alg\":\"HS256\",\"kid\":\"' OR 1=1--\"}", HF_ERR_JWT_KID },
        { "{\"alg\":\"HS256\",\"kid\":\"k1\\u0000\"}", HF_ERR_JWT_HEADER }, { "{\"alg\":\"HS256\",\"kid\":1}", HF_ERR_JWT_HEADER },
        { "{\"alg\":\"HS256\",\"alg\":\"none\"}", HF_ERR_JWT_HEADER }, { "[]", HF_ERR_JWT_HEADER }, { "{", HF_ERR_JWT_HEADER },
    };
    const hf_jwt_policy p = policy();
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        for (int with = 0; with < 2; with++) { /* with a signature, and with an empty one */
            const int32_t code = verify(&p, forged(rows[i].header, with ? hf_text(secret) : hf_bytes_make(NULL, 0)), NULL);
            if (code != rows[i].code)
                fail_msg("%s: %s", rows[i].header, hf_err_text(hf_err_make(code)));
        }
    assert_int_equal(verify(&p, forged("{\"alg\":\"HS256\"}", hf_text(secret)), NULL), 0); /* the forger's tool works */
    assert_int_equal(verify(&p, forged("{\"alg\":\"HS256\"}", hf_text("guess")), NULL), HF_ERR_JWT_SIGNATURE);
}

static uint8_t pem[HF_PEM_ROOM]; /* the last one made */
static size_t pem_length;

/* Gives a key made afresh, as PEM and as the public JWK set. */
static hf_keys *fresh_ec(char *jwks, size_t room)
{
    hf_key *key;
    size_t n;
    hf_keys *k = hf_keys_new(c, &w.env);
    assert_int_equal(hf_key_make(c, &key).code, 0);
    assert_int_equal(hf_key_write(key, pem, &pem_length).code, 0);
    assert_int_equal(hf_keys_add_pem(k, HF_ALG_ES256, hf_text("e1"), hf_bytes_make(pem, pem_length), NULL).code, 0);
    hf_key_free(key);
    assert_int_equal(hf_keys_write(k, jwks, room - 1, &n).code, 0);
    jwks[n] = 0;
    return k;
}

static void a_public_key_is_no_secret(void **state) /* bug class: key confusion; A35, A36 */
{
    (void)state;
    char jwks[1024], token[1024];
    size_t n;
    static const hf_alg es256 = HF_ALG_ES256, both[] = { HF_ALG_ES256, HF_ALG_HS256 };
    hf_keys *signer = fresh_ec(jwks, sizeof jwks), *verifier = hf_keys_new(c, &w.env);
    assert_int_equal(hf_keys_add_jwks(verifier, HF_ALG_UNSET, hf_text(jwks), true, NULL).code, 0);
    hf_jwt_policy p = policy(), issue = policy();
    p.algs = issue.algs = &es256;
    p.keys = verifier;
    issue.keys = signer;
    assert_int_equal(hf_jwt_issue(c, &w.env, &issue, &(hf_jwt_wish){ .subject = hf_text("a") }, now, token, sizeof token - 1, &n, NULL, NULL).code, 0);
    token[n] = 0;
    assert_int_equal(verify(&p, token, NULL), 0);
    assert_int_equal(hf_jwt_issue(c, &w.env, &p, &(hf_jwt_wish){ .subject = hf_text("a") }, now, token, sizeof token, &n, NULL, NULL).code, HF_ERR_JWT_KEY_PRIVATE);
    assert_int_equal(verify(&p, forged("{\"alg\":\"HS256\",\"kid\":\"e1\"}", hf_text(jwks)), NULL), HF_ERR_JWT_ALG_KEY);
    assert_int_equal(verify(&p, forged("{\"alg\":\"HS256\"}", hf_text("")), NULL), HF_ERR_JWT_ALG_KEY);
    static const char *const texts[] = { "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", "\n\n-----BEGIN CERTIFICATE-----\nMIIB0123456789abcdef",
                                         "{\"kty\":\"oct\",\"k\":\"0123456789abcdef0123456789\"}", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB",
                                         "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzd", "{ \"k\": \"0123456789abcdef0123456789\"}" };
    static const char *const random[] = { "{\"\x01\x93 0123456789abcdef0123456789abcdef", "{ \xb1 0123456789abcdef0123456789abcdefab", "{\n\"K 0123456789abcdef0123456789abcdefab" };
    hf_keys *secrets = hf_keys_new(c, &w.env);
    for (size_t i = 0; i < HF_COUNT(texts); i++)
        assert_int_equal(hf_keys_add_secret(secrets, HF_ALG_HS256, hf_text("s"), hf_text(texts[i]), NULL).code, HF_ERR_JWT_KEY_TEXT);
    assert_int_equal(hf_keys_add_secret(secrets, HF_ALG_HS256, hf_text("s"), hf_bytes_make(secret, 31), NULL).code, HF_ERR_JWT_KEY_SHORT);
    assert_int_equal(hf_keys_add_secret(secrets, HF_ALG_HS512, hf_text("s"), hf_bytes_make(secret, 32), NULL).code, HF_ERR_JWT_KEY_SHORT);
    assert_int_equal(hf_keys_add_secret(secrets, HF_ALG_HS256, hf_text("s"), hf_text(""), NULL).code, HF_ERR_JWT_KEY_SHORT);
    assert_int_equal(hf_keys_add_secret(secrets, HF_ALG_ES256, hf_text("s"), hf_text(secret), NULL).code, HF_ERR_JWT_KEY_ALG);
    assert_int_equal(hf_keys_add_secret(signer, HF_ALG_HS256, hf_text("s"), hf_text(secret), NULL).code, HF_ERR_JWT_KEY_MIXED);
    assert_int_equal(hf_keys_add_pem(secrets, HF_ALG_RS256, hf_text("s"), hf_bytes_make(pem, pem_length), NULL).code, HF_ERR_JWT_KEY_ALG);
    assert_int_equal(hf_keys_add_pem(secrets, HF_ALG_ES256, hf_text("s"), hf_text("nothing"), NULL).code, HF_ERR_JWT_KEY_SYNTAX);
    assert_int_equal(hf_keys_count(secrets), 0);
    p.algs = both;
    p.alg_count = 2;
    assert_int_equal(verify(&p, token, NULL), HF_ERR_JWT_POLICY_MIXED);
    for (size_t i = 0; i < HF_COUNT(random); i++) /* they begin by chance as a key's text does */
        assert_int_equal(hf_keys_add_secret(secrets, HF_ALG_HS256, hf_text(i == 0 ? "a" : i == 1 ? "b" : "c"), hf_text(random[i]), NULL).code, 0);
    hf_keys_free(secrets);
    hf_keys_free(verifier);
    hf_keys_free(signer);
}

static void what_is_published_is_public(void **state) /* A45 */
{
    (void)state;
    char jwks[1024];
    size_t n;
    hf_keys *signer = fresh_ec(jwks, sizeof jwks);
    assert_null(strstr(jwks, "\"d\""));
    assert_non_null(strstr(jwks, "{\"keys\":[{\"kty\":\"EC\",\"use\":\"sig\",\"alg\":\"ES256\",\"kid\":\"e1\",\"crv\":\"P-256\",\"x\":\""));
    assert_int_equal(hf_keys_write(keys, jwks, sizeof jwks - 1, &n).code, 0);
    jwks[n] = 0;
    assert_string_equal(jwks, "{\"keys\":[]}"); /* secrets have no public half */
    assert_int_equal(hf_keys_write(signer, jwks, 40, &n).code, HF_ERR_BASE_LIMIT);
    hf_keys_free(signer);
}

static void a_policy_without_its_parts_says_all_of_them(void **state) /* A34, A35 */
{
    (void)state;
    hf_whys whys = { .count = 0 };
    const hf_jwt_policy empty = { .issuer = "" };
    assert_true(hf_jwt_lint(&empty, &whys).code != 0);
    assert_int_equal(whys.count, 4);
    assert_int_equal(whys.at[0].err.code, HF_ERR_JWT_POLICY_ALGS);
    assert_int_equal(whys.at[1].err.code, HF_ERR_JWT_POLICY_ISSUER);
    assert_int_equal(whys.at[2].err.code, HF_ERR_JWT_POLICY_AUDIENCE);
    assert_int_equal(whys.at[3].err.code, HF_ERR_JWT_POLICY_KEYS);
    static const hf_alg mixed[] = { HF_ALG_HS256, HF_ALG_RS256 }, rs256 = HF_ALG_RS256, unset = HF_ALG_UNSET;
    hf_jwt_policy p = policy();
    p.algs = mixed;
    p.alg_count = 2;
    assert_int_equal(hf_jwt_lint(&p, NULL).code, HF_ERR_JWT_POLICY_MIXED);
    p.algs = &rs256;
    p.alg_count = 1;
    assert_int_equal(hf_jwt_lint(&p, NULL).code, HF_ERR_JWT_POLICY_KEYS);
    p.algs = &unset;
    whys.count = 0;
    assert_true(hf_jwt_lint(&p, &whys).code != 0);
    assert_int_equal(whys.at[0].err.code, HF_ERR_JWT_POLICY_ALGS);
    p = policy();
    assert_int_equal(hf_jwt_lint(&p, NULL).code, 0);
}

static void a_key_of_another_algorithm_in_the_set_does_not_count(void **state)
{
    (void)state;
    static const hf_alg hs384 = HF_ALG_HS384;
    static const char long_secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef";
    hf_jwt_policy p = policy();
    assert_int_equal(hf_keys_add_secret(keys, HF_ALG_HS384, hf_text("k2"), hf_text(long_secret), NULL).code, 0);
    p.algs = &hs384;
    assert_int_equal(verify(&p, token_of("", "{" GOOD ",\"exp\":1700000100}"), NULL), HF_ERR_JWT_ALG_POLICY);
    assert_int_equal(hf_keys_add_secret(keys, HF_ALG_HS256, hf_text("k3"), hf_text(long_secret), NULL).code, 0);
    p = policy();
    assert_int_equal(verify(&p, forged("{\"alg\":\"HS256\"}", hf_text(secret)), NULL), HF_ERR_JWT_KID_MISSING);
    assert_int_equal(hf_keys_add_secret(keys, HF_ALG_HS256, hf_text("k3"), hf_text(long_secret), NULL).code, HF_ERR_JWT_KEY_TWICE);
}

static void key_sets_are_read_leniently_or_not(void **state)
{
    (void)state;
    static const char set[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\"kid\":\"a\"},"
                              "{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"kid\":\"b\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"},"
                              "{\"kty\":\"new\"},{\"kty\":\"OKP\",\"alg\":\"ES256\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
    static const struct {
        const char *json;
        int32_t code;
    } rows[] = {
        { "", HF_ERR_JWT_KEY_SYNTAX }, { "[]", HF_ERR_JWT_KEY_SYNTAX }, { "{\"keys\":1}", HF_ERR_JWT_KEY_SYNTAX }, { "{\"keys\":[],\"keys\":[]}", HF_ERR_JWT_KEY_SYNTAX },
        { "{\"keys\":[1]}", HF_ERR_JWT_KEY_SYNTAX }, { "{\"keys\":[]}", 0 }, { "{\"kty\":\"oct\",\"k\":\"AA\"}", HF_ERR_JWT_KEY_ALG },
        { "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AA\"}", HF_ERR_JWT_KEY_SHORT }, { "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"A\"}", HF_ERR_JWT_KEY_SYNTAX },
        { "{\"kty\":\"oct\",\"alg\":\"HS256\",\"key_ops\":[\"encrypt\"],\"k\":\"AA\"}", HF_ERR_JWT_KEY_USE },
        { "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", HF_ERR_JWT_KEY_ALG }, { "{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", HF_ERR_JWT_KEY_SHORT },
        { "{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"AQAB\"}", HF_ERR_JWT_KEY_SYNTAX }, { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES384\",\"x\":\"AA\",\"y\":\"AA\"}", HF_ERR_JWT_KEY_ALG },
        { "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}", HF_ERR_JWT_KEY_ALG },
    };
    static const char exponent_one[] = "{\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQ\",\"n\":\"u-SfdHPjFtGmzuoH6gheIIZ4nLwUHBQEtFGqOe0N8JuZUc5VOzlI8yl0r8ESilAouttkdftexj4VFJz5R9FH90ypVQ"
                                       "DPL0H4mC_RtkcJ1DBB8MriU8dmzqSXP1SBs4s5L-pJWxKKLjXddD6gXJZ7HT_aPl2olvlLh8JkD_52U6sjdeP3OWDKvMu5GsrMlS9XJCVaCx8r9698OEElwK-ZW9PztgTSb-MvyTuyzis5Yc13n_z0wMLahpDilI2fzNsZ3yH6htu4VXPraSEZV6C0Z7epAAAUqiUnxh3WRupEICaewYEnW3MVS2hHwLwtPu_RR0XHoZr1oPSlQMP3Zi2QKw\"}";
    hf_whys whys = { .count = 0 };
    hf_keys *k = hf_keys_new(c, &w.env);
    assert_int_equal(hf_keys_add_jwks(k, HF_ALG_UNSET, hf_text(exponent_one), true, NULL).code, HF_ERR_JWT_KEY_WEAK);
    assert_int_equal(hf_keys_add_jwks(k, HF_ALG_UNSET, hf_text(set), true, &whys).code, HF_ERR_JWT_KEY_USE);
    assert_int_equal(whys.count, 4); /* every mistake, and nothing kept */
    assert_int_equal(hf_keys_count(k), 0);
    assert_int_equal(hf_keys_add_jwks(k, HF_ALG_UNSET, hf_text(set), false, NULL).code, 0);
    assert_int_equal(hf_keys_count(k), 1);
    assert_int_equal(hf_keys_add_jwks(k, HF_ALG_UNSET, hf_text(set), false, NULL).code, HF_ERR_JWT_KEY_TWICE);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const int32_t code = hf_keys_add_jwks(k, HF_ALG_UNSET, hf_text(rows[i].json), true, NULL).code;
        if (code != rows[i].code)
            fail_msg("%s: %s", rows[i].json, hf_err_text(hf_err_make(code)));
    }
    assert_int_equal(hf_keys_count(k), 1);
    hf_keys_free(k);
}

static void malformed_tokens_are_told_apart(void **state)
{
    (void)state;
    static const char *const rows[] = { "a", "a.b", ".", "..", "a.b.c", "a.b.c.d", "a.b.c.d.e", "eyJhbGciOiJIUzI1NiJ9.e30", " eyJhbGciOiJIUzI1NiJ9.e30.AA", "eyJhbGciOiJIUzI1NiJ9.e30.AA=",
                                        "eyJhbGciOiJIUzI1NiJ9.e30.A/", "eyJhbGciOiJIUzI1NiJ9\n.e30.AA" };
    const hf_jwt_policy p = policy();
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const int32_t code = verify(&p, rows[i], NULL);
        if (code != HF_ERR_JWT_SYNTAX && !(i == 3 && code == HF_ERR_JWT_HEADER))
            fail_msg("%s: %s", rows[i], hf_err_text(hf_err_make(code)));
    }
    assert_int_equal(verify(&p, "", NULL), HF_ERR_JWT_MISSING);
}

static void a_bearer_token_is_found(void **state)
{
    (void)state;
    static const hf_field one = { HF_LITERAL("Authorization"), HF_LITERAL("bearer  a.b.c "), HF_FIELD_AUTHORIZATION }, basic = { HF_LITERAL("Authorization"), HF_LITERAL("Basic YQ=="), HF_FIELD_AUTHORIZATION };
    const hf_field two[] = { one, one };
    assert_true(hf_bytes_equal(hf_bearer_token((hf_fields){ &one, 1 }), hf_text("a.b.c")));
    assert_null(hf_bearer_token((hf_fields){ &basic, 1 }).ptr);
    assert_null(hf_bearer_token((hf_fields){ two, 2 }).ptr);
    assert_null(hf_bearer_token((hf_fields){ NULL, 0 }).ptr);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    char token[2048];
    strcpy(token, token_of("", "{" GOOD ",\"exp\":1700000100}"));
    const hf_jwt_policy p = policy();
    for (size_t i = 1;; i++) {
        hf_claims *claims;
        w.memory.fail_at = w.memory.calls + i;
        const int32_t code = hf_jwt_verify(&w.env, &p, hf_text(token), now, &claims, NULL).code;
        w.memory.fail_at = 0;
        hf_claims_free(claims);
        if (code == 0) {
            assert_true(i > 2);
            break;
        }
        assert_int_equal(code, HF_ERR_BASE_MEMORY);
    }
    for (size_t i = 1;; i++) {
        w.memory.fail_at = w.memory.calls + i;
        hf_keys *k = hf_keys_new(c, &w.env);
        const int32_t code = k == NULL ? HF_ERR_BASE_MEMORY
                                       : hf_keys_add_jwks(k, HF_ALG_UNSET, hf_text("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\"kid\":\"a\"}"), true, NULL).code;
        w.memory.fail_at = 0;
        hf_keys_free(k);
        if (code == 0)
            break;
        assert_int_equal(code, HF_ERR_BASE_MEMORY);
    }
}

/* ---- limits --------------------------------------------------------------------------------------------------- */

static void limit_jwt_bytes(void **state) /* bug class: parser DoS, a megabyte of dots */
{
    (void)state;
    const hf_jwt_policy p = policy();
    char *dots = malloc(1 << 20);
    memset(dots, '.', (1 << 20) - 1);
    dots[(1 << 20) - 1] = 0;
    const size_t calls = w.memory.calls;
    assert_int_equal(verify(&p, dots, NULL), HF_ERR_JWT_TOO_LARGE);
    assert_int_equal(w.memory.calls, calls);
    dots[8192] = 0;
    assert_int_equal(verify(&p, dots, NULL), HF_ERR_JWT_SYNTAX);
    free(dots);
}

static void limit_jwt_values(void **state)
{
    (void)state;
    static char claims[4096];
    const hf_jwt_policy p = policy();
    strcpy(claims, "{" GOOD ",\"exp\":1700000100,\"x\":[");
    for (size_t i = 0; i < 249; i++)
        strcat(claims, "1,");
    strcat(claims, "1]}"); /* object, 5 members, 250 elements */
    assert_int_equal(verify(&p, token_of("", claims), NULL), 0);
    strcpy(claims + strlen(claims) - 2, ",1]}");
    assert_int_equal(verify(&p, token_of("", claims), NULL), HF_ERR_JWT_PAYLOAD);
}

static void limit_jwt_keys(void **state)
{
    (void)state;
    char name[8];
    w.limits.jwt_keys = 3;
    for (int i = 2; i <= 4; i++) {
        snprintf(name, sizeof name, "k%d", i);
        assert_int_equal(hf_keys_add_secret(keys, HF_ALG_HS256, hf_text(name), hf_text(secret), NULL).code, i <= 3 ? 0 : HF_ERR_JWT_KEY_MANY);
    }
}

static void limit_jwks_bytes(void **state)
{
    (void)state;
    char *text = calloc(1, 65538);
    memset(text, ' ', 65537);
    memcpy(text, "{\"keys\":[]}", 11);
    assert_int_equal(hf_keys_add_jwks(keys, HF_ALG_UNSET, hf_bytes_make(text, 65536), true, NULL).code, 0);
    assert_int_equal(hf_keys_add_jwks(keys, HF_ALG_UNSET, hf_bytes_make(text, 65537), true, NULL).code, HF_ERR_BASE_LIMIT);
    free(text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_issued_is_verified), CASE(each_claim_is_held_to_its_rule), CASE(a_policy_may_ask_for_more),
        CASE(what_a_header_may_not_say_has_codes_of_its_own), CASE(unsigned_and_unknown_algorithms_are_refused), CASE(a_public_key_is_no_secret),
        CASE(what_is_published_is_public), CASE(a_policy_without_its_parts_says_all_of_them), CASE(a_key_of_another_algorithm_in_the_set_does_not_count),
        CASE(key_sets_are_read_leniently_or_not), CASE(malformed_tokens_are_told_apart), CASE(a_bearer_token_is_found), CASE(any_allocation_may_fail),
        CASE(limit_jwt_bytes), CASE(limit_jwt_values), CASE(limit_jwt_keys), CASE(limit_jwks_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
