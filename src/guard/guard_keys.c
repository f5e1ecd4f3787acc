/* SPDX-License-Identifier: Apache-2.0
 *
 * Key sets: each key has one name and one algorithm, and secrets never stand beside public keys.
 */
#include "guard_keys.h"

#include "guard_why.h"
#include "text.h"

static const char *const names[] = { "",      "HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
                                     "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA" };
_Static_assert((int)HF_ALG_EDDSA == (int)HF_JWS_EDDSA && HF_COUNT(names) == HF_ALG_EDDSA + 1, "one list of algorithms");

const char *hf_alg_name(hf_alg alg)
{
    return names[alg];
}

hf_alg hf_alg_find(hf_bytes name)
{
    for (size_t i = 1; i < HF_COUNT(names); i++)
        if (hf_bytes_equal(name, hf_text(names[i])))
            return (hf_alg)i;
    return HF_ALG_UNSET;
}

hf_keys *hf_keys_new(hf_crypto *c, const hf_env *env)
{
    hf_keys *k = hf_alloc(&env->alloc, sizeof *k);
    if (k != NULL)
        *k = (hf_keys){ .crypto = c, .env = env };
    return k;
}

void hf_keys_cut(hf_keys *k, size_t count)
{
    while (k->count > count) {
        hf_named_key *const one = &k->at[--k->count];
        hf_token_key_free(one->key);
        hf_free(&k->env->alloc, (void *)one->kid.ptr, one->kid.len);
    }
}

void hf_keys_free(hf_keys *k)
{
    if (k == NULL)
        return;
    hf_keys_cut(k, 0);
    hf_free(&k->env->alloc, k->at, k->capacity * sizeof *k->at);
    hf_free(&k->env->alloc, k, sizeof *k);
}

size_t hf_keys_count(const hf_keys *k)
{
    return k->count;
}

static hf_err check_place(const hf_keys *k, const hf_token_key *key, hf_bytes kid)
{
    const bool secret = hf_jws_kind(hf_token_key_alg(key)) == HF_TOKEN_HMAC;
    if (k->count >= k->env->limits->jwt_keys)
        return hf_err_make(HF_ERR_JWT_KEY_MANY);
    for (size_t i = 0; i < k->count; i++) {
        if (kid.len > 0 && hf_bytes_equal(k->at[i].kid, kid))
            return hf_err_make(HF_ERR_JWT_KEY_TWICE);
        if ((hf_jws_kind(hf_token_key_alg(k->at[i].key)) == HF_TOKEN_HMAC) != secret)
            return hf_err_make(HF_ERR_JWT_KEY_MIXED);
    }
    return HF_OK;
}

static bool grow(hf_keys *k)
{
    if (k->count < k->capacity)
        return true;
    const size_t capacity = k->capacity > 0 ? 2 * k->capacity : 4;
    hf_named_key *at = hf_resize(&k->env->alloc, k->at, k->capacity * sizeof *at, capacity * sizeof *at);
    if (at == NULL)
        return false;
    k->at = at;
    k->capacity = capacity;
    return true;
}

hf_err hf_keys_put(hf_keys *k, hf_token_key *key, hf_bytes kid)
{
    hf_err err = check_place(k, key, kid);
    uint8_t *copy = NULL;
    if (err.code == 0 && (!grow(k) || (kid.len > 0 && (copy = hf_alloc(&k->env->alloc, kid.len)) == NULL)))
        err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (err.code != 0) {
        hf_token_key_free(key);
        return err;
    }
    if (kid.len > 0)
        memcpy(copy, kid.ptr, kid.len);
    k->at[k->count++] = (hf_named_key){ key, hf_bytes_make(copy, kid.len) };
    return HF_OK;
}

static hf_bytes behind_blanks(hf_bytes b)
{
    while (b.len > 0 && (b.ptr[0] == ' ' || b.ptr[0] == '\n' || b.ptr[0] == '\r' || b.ptr[0] == '\t' || b.ptr[0] == 0))
        b = hf_bytes_make(b.ptr + 1, b.len - 1);
    return b;
}

/* {"kty": not a shorter beginning, for one random secret in some thousand has that. RFC 7517 4: names of members are such letters. */
static bool is_jwk(hf_bytes b)
{
    const hf_bytes name = b.len > 0 && b.ptr[0] == '{' ? behind_blanks(hf_bytes_make(b.ptr + 1, b.len - 1)) : hf_bytes_make(NULL, 0);
    return name.len > 2 && name.ptr[0] == '"' && name.ptr[1] >= 'a' && name.ptr[1] <= 'z' &&
           ((name.ptr[2] >= 'a' && name.ptr[2] <= 'z') || (name.ptr[2] >= '0' && name.ptr[2] <= '9') || name.ptr[2] == '"');
}

bool hf_is_key_text(hf_bytes b)
{
    static const char *const starts[] = { "-----BEGIN", "ssh-", "ecdsa-sha2-", "sk-ssh-" };
    b = behind_blanks(b);
    for (size_t i = 0; i < HF_COUNT(starts); i++)
        if (hf_starts_with(b, hf_text(starts[i])))
            return true;
    return is_jwk(b);
}

const char *hf_key_wanted(hf_err err)
{
    switch (err.code) {
    case HF_ERR_JWT_KEY_SHORT:
        return "HMAC: as long as the hash; RSA: 2048 bits";
    case HF_ERR_JWT_KEY_WEAK:
        return "an odd exponent above 1, and a modulus of honest primes";
    case HF_ERR_JWT_KEY_ALG:
        return "one algorithm that the key's kind has";
    case HF_ERR_JWT_KEY_TWICE:
        return "a kid of its own";
    case HF_ERR_JWT_KEY_MIXED:
        return "secrets and public keys in sets of their own";
    default:
        return "a whole key";
    }
}

hf_err hf_keys_add_secret(hf_keys *k, hf_alg alg, hf_bytes kid, hf_bytes secret, hf_why *why)
{
    hf_token_key *key;
    if (hf_is_key_text(secret))
        return hf_why_tell_secret(why, HF_ERR_JWT_KEY_TEXT, secret, "random bytes");
    hf_err err = hf_token_key_secret(k->crypto, (hf_jws_alg)alg, secret, &key);
    if (err.code == 0)
        err = hf_keys_put(k, key, kid);
    return err.code == 0 ? err : hf_why_tell_secret(why, err.code, secret, hf_key_wanted(err));
}

hf_err hf_keys_add_pem(hf_keys *k, hf_alg alg, hf_bytes kid, hf_bytes pem, hf_why *why)
{
    hf_token_key *key;
    hf_err err = hf_token_key_load(k->crypto, (hf_jws_alg)alg, pem, &key);
    if (err.code == 0)
        err = hf_keys_put(k, key, kid);
    return err.code == 0 ? err : hf_why_tell(why, err.code, kid, hf_key_wanted(err));
}
