/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens and key sets from hostile bytes. The first byte chooses: a token to verify; text to sign and verify again; a key set,
 * which is published and read again. Each is read whole; the moment and the allocation that fails are chosen by all of it.
 */
#include <handfast/guard.h>

#include "fuzz_env.h"
#include "panic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static hf_crypto *crypto;
static hf_keys *keys;
static const hf_alg algs[] = { HF_ALG_HS256 };
static hf_wall now;

static void set_up(void)
{
    static const char secret[] = "0123456789abcdef0123456789abcdef";
    fuzz_env_init();
    crypto = hf_crypto_new(&fuzz_env, NULL);
    HF_ASSERT(crypto != NULL);
    keys = hf_keys_new(crypto, &fuzz_env);
    HF_ASSERT(keys != NULL && hf_keys_add_secret(keys, HF_ALG_HS256, hf_text("k"), hf_text(secret), NULL).code == 0);
}

static void verify(hf_bytes token)
{
    const hf_jwt_policy policy = { .algs = algs, .alg_count = 1, .issuer = "i", .audience = "a", .keys = keys };
    hf_claims *claims;
    hf_why why;
    const hf_err err = hf_jwt_verify(&fuzz_env, &policy, token, now, &claims, &why);
    HF_ASSERT((err.code == 0) == (claims != NULL));
    if (err.code == 0)
        HF_ASSERT(hf_bytes_equal(hf_claims_text(claims, "iss"), hf_text("i")));
    else
        HF_ASSERT(memchr(why.got, 0, sizeof why.got) != NULL);
    hf_claims_free(claims);
}

/* A payload of our own making goes through whole; as claims it is read or refused. */
static void sign(hf_bytes payload)
{
    char token[8192];
    uint8_t again[8192];
    size_t n, length;
    if (hf_jws_sign(keys, hf_text(""), hf_text(""), payload, token, sizeof token, &n, NULL).code != 0)
        return;
    const hf_err err = hf_jws_verify(keys, hf_bytes_make(token, n), again, &length, NULL);
    if (err.code == HF_ERR_BASE_MEMORY && fuzz_memory_failed(&fuzz_env_memory))
        return;
    HF_ASSERT(err.code == 0);
    HF_ASSERT(hf_bytes_equal(hf_bytes_make(again, length), payload));
    verify(hf_bytes_make(token, n));
}

static void read_set(hf_bytes json)
{
    static char out[65536];
    size_t n;
    hf_whys whys = { .count = 0 };
    hf_keys *one = hf_keys_new(crypto, &fuzz_env), *two = hf_keys_new(crypto, &fuzz_env);
    const hf_err err = one != NULL && two != NULL ? hf_keys_add_jwks(one, HF_ALG_UNSET, json, false, &whys) : hf_err_make(HF_ERR_BASE_MEMORY);
    if (err.code == 0) {
        HF_ASSERT(hf_keys_write(one, out, sizeof out, &n).code == 0 || fuzz_memory_failed(&fuzz_env_memory));
        HF_ASSERT(hf_keys_add_jwks(two, HF_ALG_UNSET, hf_bytes_make(out, n), true, NULL).code == 0 || fuzz_memory_failed(&fuzz_env_memory));
        HF_ASSERT(hf_keys_count(two) <= hf_keys_count(one));
    } else if (err.code == HF_ERR_BASE_MEMORY) {
        HF_ASSERT(fuzz_memory_failed(&fuzz_env_memory));
    } else {
        HF_ASSERT(whys.count > 0 && hf_keys_count(one) == 0);
    }
    hf_keys_free(one);
    hf_keys_free(two);
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size); /* a block of its own, so that reading past its end is seen */
    HF_ASSERT(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    const hf_bytes rest = hf_bytes_make(copy, size - 1);
    if (data[0] % 3 == 0)
        verify(rest);
    else if (data[0] % 3 == 1)
        sign(rest);
    else
        read_set(rest);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (crypto == NULL)
        set_up();
    if (size == 0 || size > 4096)
        return 0;
    const uint64_t choice = fuzz_choice(data, size);
    now.s = choice >> 32 & 3 ? 1700000000 : (int64_t)(choice % 8000000000u) - 2000000000;
    fuzz_twice(&fuzz_env_memory, run, data, size);
    return 0;
}
