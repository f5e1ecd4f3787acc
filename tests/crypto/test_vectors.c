/* SPDX-License-Identifier: Apache-2.0
 *
 * Project Wycheproof's vectors against our glue: what must be accepted is, what must not is not, and the bytes agree.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <openssl/x509.h>

#include "crypto_core.h"
#include "crypto_exchange.h"

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

static hf_span from_hex(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    if (text == NULL)
        fail_msg("no %s", name);
    hf_span s = { malloc(strlen(text) / 2 + 32), strlen(text) / 2 };
    for (size_t i = 0; i < s.len; i++) {
        unsigned byte = 0;
        sscanf(text + 2 * i, "%2x", &byte);
        s.ptr[i] = (uint8_t)byte;
    }
    return s;
}
static hf_bytes bytes_of(hf_span s)
{
    return hf_bytes_make(s.ptr, s.len);
}

/* Calls `check` for every test; it says whether the operation was accepted (-1: not for us). */
typedef int check_function(const json_t *group, const json_t *test, const char *file, bool valid);

static void each(const char *file, check_function *check, size_t least)
{
    char path[128];
    snprintf(path, sizeof path, "crypto/%s", file);
    const hf_span all = hf_test_vector(path);
    json_t *root = json_loadb((const char *)all.ptr, all.len, 0, NULL);
    assert_non_null(root);
    size_t i, j, ran = 0;
    json_t *group, *test;
    json_array_foreach(json_object_get(root, "testGroups"), i, group)
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            const char *result = json_string_value(json_object_get(test, "result"));
            const int accepted = check(group, test, file, strcmp(result, "valid") == 0);
            if (accepted < 0)
                continue;
            ran++;
            if (strcmp(result, "acceptable") != 0 && accepted != (strcmp(result, "valid") == 0))
                fail_msg("%s test %lld: %s, but accepted is %d", file, (long long)json_integer_value(json_object_get(test, "tcId")), result, accepted);
        }
    if (ran < least)
        fail_msg("%s: only %zu tests were for us", file, ran);
    json_decref(root);
    free(all.ptr);
}

/* ---- AEAD --------------------------------------------------------------------------------------------------- */

static int aead_case(const json_t *group, const json_t *test, const char *file, bool valid)
{
    const bool chacha = strncmp(file, "chacha", 6) == 0;
    const json_int_t key_size = json_integer_value(json_object_get(group, "keySize"));
    if (json_integer_value(json_object_get(group, "ivSize")) != 96 || key_size == 192 || json_integer_value(json_object_get(group, "tagSize")) != 128)
        return -1;
    const hf_aead_kind kind = chacha ? HF_AEAD_CHACHA20_POLY1305 : key_size == 128 ? HF_AEAD_AES_128_GCM : HF_AEAD_AES_256_GCM;
    hf_span key = from_hex(test, "key"), iv = from_hex(test, "iv"), aad = from_hex(test, "aad"), msg = from_hex(test, "msg"),
            ct = from_hex(test, "ct"), tag = from_hex(test, "tag");
    hf_span joined = { malloc(ct.len + 16), ct.len + 16 };
    memcpy(joined.ptr, ct.ptr, ct.len);
    memcpy(joined.ptr + ct.len, tag.ptr, 16);
    hf_aead a;
    hf_aead_init(&a, c, kind, false, key.ptr);
    const bool opened = hf_aead_open(&a, iv.ptr, bytes_of(aad), joined) && memcmp(joined.ptr, msg.ptr, msg.len) == 0;
    hf_aead_fini(&a);
    if (valid) { /* and sealed in two pieces it is the same */
        uint8_t *out = malloc(msg.len + 16);
        const size_t half = msg.len / 2;
        hf_aead_init(&a, c, kind, true, key.ptr);
        assert_true(hf_aead_begin(&a, iv.ptr, bytes_of(aad)) && hf_aead_add(&a, hf_bytes_make(msg.ptr, half), out) &&
                    hf_aead_add(&a, hf_bytes_make(msg.ptr + half, msg.len - half), out + half) && hf_aead_end(&a, out + msg.len));
        assert_memory_equal(out, ct.ptr, ct.len);
        assert_memory_equal(out + ct.len, tag.ptr, 16);
        hf_aead_fini(&a);
        free(out);
    }
    free(key.ptr), free(iv.ptr), free(aad.ptr), free(msg.ptr), free(ct.ptr), free(tag.ptr), free(joined.ptr);
    return opened;
}

static void aes_gcm_agrees(void **state)
{
    (void)state;
    each("aes_gcm_test.json", aead_case, 100);
}

static void chacha20_poly1305_agrees(void **state)
{
    (void)state;
    each("chacha20_poly1305_test.json", aead_case, 200);
}

/* ---- HMAC and HKDF ------------------------------------------------------------------------------------------ */

static hf_hash hash_of(const char *file)
{
    return strstr(file, "256") ? HF_HASH_SHA256 : strstr(file, "384") ? HF_HASH_SHA384 : HF_HASH_SHA512;
}

static int hmac_case(const json_t *group, const json_t *test, const char *file, bool valid)
{
    (void)valid;
    const size_t n = (size_t)json_integer_value(json_object_get(group, "tagSize")) / 8;
    hf_span key = from_hex(test, "key"), msg = from_hex(test, "msg"), tag = from_hex(test, "tag");
    uint8_t out[HF_HASH_MOST];
    assert_true(hf_hmac(c, hash_of(file), bytes_of(key), bytes_of(msg), out));
    const bool same = tag.len == n && hf_secret_equal(out, tag.ptr, n);
    free(key.ptr), free(msg.ptr), free(tag.ptr);
    return same;
}

static void hmac_agrees(void **state)
{
    (void)state;
    each("hmac_sha256_test.json", hmac_case, 100);
    each("hmac_sha384_test.json", hmac_case, 100);
    each("hmac_sha512_test.json", hmac_case, 100);
}

static int hkdf_case(const json_t *group, const json_t *test, const char *file, bool valid)
{
    (void)group, (void)valid;
    const hf_hash h = hash_of(file);
    const size_t n = (size_t)json_integer_value(json_object_get(test, "size"));
    hf_span ikm = from_hex(test, "ikm"), salt = from_hex(test, "salt"), info = from_hex(test, "info"), okm = from_hex(test, "okm");
    uint8_t prk[HF_HASH_MOST], *out = malloc(n + 1);
    const bool good = hf_hkdf_extract(c, h, bytes_of(salt), bytes_of(ikm), prk) &&
                      hf_hkdf_expand(c, h, hf_bytes_make(prk, hf_hash_length(h)), bytes_of(info), out, n) && n == okm.len &&
                      memcmp(out, okm.ptr, n) == 0;
    free(ikm.ptr), free(salt.ptr), free(info.ptr), free(okm.ptr), free(out);
    return good;
}

static void hkdf_agrees(void **state)
{
    (void)state;
    each("hkdf_sha256_test.json", hkdf_case, 50);
    each("hkdf_sha384_test.json", hkdf_case, 50);
}

/* ---- key exchange ------------------------------------------------------------------------------------------- */

static int x25519_case(const json_t *group, const json_t *test, const char *file, bool valid)
{
    (void)group, (void)file, (void)valid;
    hf_span private = from_hex(test, "private"), public = from_hex(test, "public"), shared = from_hex(test, "shared");
    hf_exchange x = { .crypto = c, .group = HF_GROUP_X25519 };
    x.pkey = EVP_PKEY_new_raw_private_key_ex(c->library, "X25519", NULL, private.ptr, private.len);
    uint8_t secret[HF_SHARED_MOST];
    size_t n = 0;
    const bool zero = memcmp(shared.ptr, (const uint8_t[32]){ 0 }, 32) == 0;
    const bool good = hf_exchange_finish(&x, bytes_of(public), secret, &n).code == 0;
    if (good)
        assert_memory_equal(secret, shared.ptr, 32);
    assert_int_equal(good, !zero); /* RFC 8446 7.4.2: the all-zero result is refused */
    hf_exchange_fini(&x);
    free(private.ptr), free(public.ptr), free(shared.ptr);
    return good || zero;
}

static void x25519_agrees_and_refuses_zero(void **state)
{
    (void)state;
    each("x25519_test.json", x25519_case, 400);
}

/* ---- signatures --------------------------------------------------------------------------------------------- */

static int signature_case(const json_t *group, const json_t *test, const char *file, bool valid)
{
    (void)valid;
    const hf_scheme scheme = strstr(file, "secp256r1") ? HF_SCHEME_ECDSA_P256_SHA256 : strstr(file, "secp384r1") ? HF_SCHEME_ECDSA_P384_SHA384
                             : strstr(file, "ed25519") ? HF_SCHEME_ED25519
                             : strstr(file, "pss")     ? HF_SCHEME_RSA_PSS_SHA256
                                                       : HF_SCHEME_RSA_PKCS1_SHA256;
    const json_t *der_text = json_object_get(group, "publicKeyDer");
    hf_span der = from_hex(group, der_text != NULL ? "publicKeyDer" : "keyDer"), msg = from_hex(test, "msg"), sig = from_hex(test, "sig");
    const unsigned char *at = der.ptr;
    EVP_PKEY *key = d2i_PUBKEY_ex(NULL, &at, (long)der.len, c->library, NULL);
    const bool good = key != NULL && hf_pkey_verify(c, key, scheme, bytes_of(msg), bytes_of(sig)).code == 0;
    EVP_PKEY_free(key);
    free(der.ptr), free(msg.ptr), free(sig.ptr);
    return good;
}

static void signatures_hold_or_not(void **state)
{
    (void)state;
    each("ecdsa_secp256r1_sha256_test.json", signature_case, 300);
    each("ecdsa_secp384r1_sha384_test.json", signature_case, 300);
    each("ed25519_test.json", signature_case, 100);
    each("rsa_pss_2048_sha256_mgf1_32_test.json", signature_case, 50);
    each("rsa_signature_2048_sha256_test.json", signature_case, 100);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(aes_gcm_agrees), T(chacha20_poly1305_agrees), T(hmac_agrees), T(hkdf_agrees), T(x25519_agrees_and_refuses_zero), T(signatures_hold_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
