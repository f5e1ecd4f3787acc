/* SPDX-License-Identifier: Apache-2.0
 *
 * Token keys from the numbers of a JWK, from PEM, from raw secrets. What is weak is refused here, once.
 */
#include "crypto_token_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

enum { NUMBER_MOST = HF_SIGNATURE_MOST, POINT_MOST = 1 + 2 * 66, RSA_PARTS = 8 };

static const char *curve_of(hf_jws_alg alg)
{
    return alg == HF_JWS_ES256 ? "P-256" : alg == HF_JWS_ES384 ? "P-384" : "P-521";
}

/* ---- what makes an RSA key weak ------------------------------------------------------------------------------- */

/* CVE-2017-15361 (ROCA): primes of the form k * M + 65537^a mod M, M the product of the first primes. Then n modulo each small
 * prime lies in the group that 65537 generates, which a random n does for all of these with a chance below 2^-27. */
static bool is_roca(const BIGNUM *n)
{
    static const uint8_t primes[] = { 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157 };
    for (size_t i = 0; i < HF_COUNT(primes); i++) {
        const unsigned prime = primes[i], left = (unsigned)BN_mod_word(n, prime);
        unsigned power = 1;
        bool member = false;
        for (unsigned k = 0; k < prime && !member; k++) {
            member = power == left;
            power = power * 65537u % prime;
        }
        if (!member)
            return false;
    }
    return true;
}

static hf_err check_rsa(const EVP_PKEY *pkey)
{
    BIGNUM *n = NULL, *e = NULL;
    hf_err err = HF_OK;
    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 || EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
        err = hf_err_make(HF_ERR_JWT_KEY_SYNTAX);
    else if (BN_num_bits(n) < 2048) /* RFC 7518 3.3: "A key of size 2048 bits or larger MUST be used" */
        err = hf_err_make(HF_ERR_JWT_KEY_SHORT);
    else if (BN_num_bits(n) > 8 * HF_SIGNATURE_MOST)
        err = hf_err_make(HF_ERR_JWT_KEY_SYNTAX);
    else if (!BN_is_odd(n) || !BN_is_odd(e) || BN_num_bits(e) < 2 || BN_num_bits(e) > 64 || is_roca(n))
        err = hf_err_make(HF_ERR_JWT_KEY_WEAK);
    BN_free(n);
    BN_free(e);
    return err;
}

/* ---- from numbers --------------------------------------------------------------------------------------------- */

typedef struct number {
    const char *name;
    hf_bytes value;
    BIGNUM *made;
} number;

static bool push(OSSL_PARAM_BLD *b, number *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (all[i].value.len == 0)
            continue;
        if (all[i].value.len > NUMBER_MOST || (all[i].made = BN_secure_new()) == NULL ||
            BN_bin2bn(all[i].value.ptr, (int)all[i].value.len, all[i].made) == NULL || OSSL_PARAM_BLD_push_BN(b, all[i].name, all[i].made) != 1)
            return false;
    }
    return true;
}

static EVP_PKEY *build(hf_crypto *c, const char *type, OSSL_PARAM_BLD *b, bool whole)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(c->library, type, NULL);
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, whole ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

/* RFC 7518 6.3.2: "the remaining members SHOULD be included" with d: without them we do not sign. */
static EVP_PKEY *build_rsa(hf_crypto *c, const hf_token_numbers *k, bool whole)
{
    number all[RSA_PARTS] = {
        { OSSL_PKEY_PARAM_RSA_N, k->n, NULL },       { OSSL_PKEY_PARAM_RSA_E, k->e, NULL },
        { OSSL_PKEY_PARAM_RSA_D, k->d, NULL },       { OSSL_PKEY_PARAM_RSA_FACTOR1, k->p, NULL },
        { OSSL_PKEY_PARAM_RSA_FACTOR2, k->q, NULL }, { OSSL_PKEY_PARAM_RSA_EXPONENT1, k->dp, NULL },
        { OSSL_PKEY_PARAM_RSA_EXPONENT2, k->dq, NULL }, { OSSL_PKEY_PARAM_RSA_COEFFICIENT1, k->qi, NULL },
    };
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = b != NULL && push(b, all, whole ? RSA_PARTS : 2) ? build(c, "RSA", b, whole) : NULL;
    for (size_t i = 0; i < RSA_PARTS; i++)
        BN_clear_free(all[i].made);
    OSSL_PARAM_BLD_free(b);
    return pkey;
}

static EVP_PKEY *build_ec(hf_crypto *c, hf_jws_alg alg, const hf_token_numbers *k, bool whole)
{
    const size_t n = hf_jws_coordinate(alg);
    uint8_t point[POINT_MOST] = { 4 }; /* SEC 1 2.3.3: uncompressed */
    number secret = { OSSL_PKEY_PARAM_PRIV_KEY, whole ? k->d : hf_text(""), NULL };
    if (k->x.len != n || k->y.len != n || (whole && k->d.len != n)) /* RFC 7518 6.2.1.2: the full size of a coordinate */
        return NULL;
    memcpy(point + 1, k->x.ptr, n);
    memcpy(point + 1 + n, k->y.ptr, n);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = b != NULL && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, curve_of(alg), 0) == 1 &&
                             OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * n) == 1 && push(b, &secret, 1)
                         ? build(c, "EC", b, whole)
                         : NULL;
    BN_clear_free(secret.made);
    OSSL_PARAM_BLD_free(b);
    return pkey;
}

static EVP_PKEY *build_ed25519(hf_crypto *c, const hf_token_numbers *k, bool whole)
{
    if (k->x.len != 32 || (whole && k->d.len != 32))
        return NULL;
    if (!whole)
        return EVP_PKEY_new_raw_public_key_ex(c->library, "ED25519", NULL, k->x.ptr, 32);
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key_ex(c->library, "ED25519", NULL, k->d.ptr, 32);
    uint8_t x[32];
    size_t n = sizeof x;
    if (pkey != NULL && (EVP_PKEY_get_raw_public_key(pkey, x, &n) != 1 || memcmp(x, k->x.ptr, 32) != 0)) {
        EVP_PKEY_free(pkey); /* x is not d's */
        pkey = NULL;
    }
    return pkey;
}

/* ---- making --------------------------------------------------------------------------------------------------- */

static bool is_sound(hf_crypto *c, hf_jws_alg alg, EVP_PKEY *pkey, bool whole)
{
    if (hf_jws_kind(alg) == HF_TOKEN_ED25519)
        return true;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(c->library, pkey, NULL);
    const bool good = ctx != NULL && EVP_PKEY_public_check(ctx) == 1 && (!whole || EVP_PKEY_pairwise_check(ctx) == 1);
    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* Takes `pkey` over. */
static hf_err finish(hf_crypto *c, hf_jws_alg alg, EVP_PKEY *pkey, bool whole, hf_token_key **key)
{
    hf_err err = pkey == NULL ? hf_err_make(HF_ERR_JWT_KEY_SYNTAX) : HF_OK;
    if (err.code == 0 && hf_jws_kind(alg) == HF_TOKEN_RSA)
        err = check_rsa(pkey);
    if (err.code == 0 && !is_sound(c, alg, pkey, whole))
        err = hf_err_make(HF_ERR_JWT_KEY_SYNTAX);
    if (err.code == 0 && (*key = hf_alloc_zeroed(&c->env->alloc, sizeof **key)) == NULL)
        err = hf_err_make(HF_ERR_BASE_MEMORY);
    ERR_clear_error();
    if (err.code != 0) {
        EVP_PKEY_free(pkey);
        return err;
    }
    **key = (hf_token_key){ .crypto = c, .pkey = pkey, .alg = alg, .is_private = whole };
    return HF_OK;
}

hf_err hf_token_key_make(hf_crypto *c, hf_jws_alg alg, const hf_token_numbers *k, hf_token_key **key)
{
    *key = NULL;
    switch (hf_jws_kind(alg)) {
    case HF_TOKEN_RSA: {
        const bool whole = k->d.len > 0;
        const bool some = whole || k->p.len > 0 || k->q.len > 0 || k->dp.len > 0 || k->dq.len > 0 || k->qi.len > 0;
        const bool all = whole && k->p.len > 0 && k->q.len > 0 && k->dp.len > 0 && k->dq.len > 0 && k->qi.len > 0;
        if (k->n.len == 0 || k->e.len == 0 || some != all)
            return hf_err_make(HF_ERR_JWT_KEY_SYNTAX);
        return finish(c, alg, build_rsa(c, k, whole), whole, key);
    }
    case HF_TOKEN_EC:
        return finish(c, alg, build_ec(c, alg, k, k->d.len > 0), k->d.len > 0, key);
    case HF_TOKEN_ED25519:
        return finish(c, alg, build_ed25519(c, k, k->d.len > 0), k->d.len > 0, key);
    case HF_TOKEN_NONE:
    case HF_TOKEN_HMAC:
        break;
    }
    return hf_err_make(HF_ERR_JWT_KEY_ALG);
}

static bool is_of(const EVP_PKEY *pkey, hf_jws_alg alg)
{
    char curve[32];
    size_t n = 0;
    switch (hf_jws_kind(alg)) {
    case HF_TOKEN_RSA:
        return EVP_PKEY_is_a(pkey, "RSA");
    case HF_TOKEN_ED25519:
        return EVP_PKEY_is_a(pkey, "ED25519");
    case HF_TOKEN_EC:
        return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, curve, sizeof curve, &n) == 1 &&
               strcmp(curve, alg == HF_JWS_ES256 ? "prime256v1" : alg == HF_JWS_ES384 ? "secp384r1" : "secp521r1") == 0;
    case HF_TOKEN_NONE:
    case HF_TOKEN_HMAC:
        break;
    }
    return false;
}

/* An encrypted key is refused: nobody is there to ask, and libcrypto's default would ask the terminal. */
static int no_password(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer, (void)size, (void)writing, (void)ctx;
    return -1;
}

hf_err hf_token_key_load(hf_crypto *c, hf_jws_alg alg, hf_bytes pem, hf_token_key **key)
{
    *key = NULL;
    if (pem.len == 0 || pem.len > INT32_MAX)
        return hf_err_make(HF_ERR_JWT_KEY_SYNTAX);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey_ex(bio, NULL, no_password, NULL, c->library, NULL);
    const bool whole = pkey != NULL;
    if (bio != NULL && !whole && BIO_reset(bio) == 1)
        pkey = PEM_read_bio_PUBKEY_ex(bio, NULL, no_password, NULL, c->library, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (pkey != NULL && !is_of(pkey, alg)) {
        EVP_PKEY_free(pkey);
        return hf_err_make(HF_ERR_JWT_KEY_ALG);
    }
    return finish(c, alg, pkey, whole, key);
}

hf_err hf_token_key_secret(hf_crypto *c, hf_jws_alg alg, hf_bytes secret, hf_token_key **key)
{
    *key = NULL;
    if (hf_jws_kind(alg) != HF_TOKEN_HMAC)
        return hf_err_make(HF_ERR_JWT_KEY_ALG);
    if (secret.len < hf_hash_length(hf_jws_hash(alg))) /* RFC 7518 3.2: "A key of the same size as the hash output or larger MUST be used" */
        return hf_err_make(HF_ERR_JWT_KEY_SHORT);
    hf_token_key *k = hf_alloc_zeroed(&c->env->alloc, sizeof *k);
    uint8_t *copy = k == NULL ? NULL : hf_alloc(&c->env->alloc, secret.len);
    if (copy == NULL) {
        hf_free(&c->env->alloc, k, sizeof *k);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    memcpy(copy, secret.ptr, secret.len);
    *k = (hf_token_key){ .crypto = c, .secret = copy, .secret_length = secret.len, .alg = alg, .is_private = true };
    *key = k;
    return HF_OK;
}

void hf_token_key_free(hf_token_key *key)
{
    if (key == NULL)
        return;
    if (key->secret != NULL)
        hf_wipe(key->secret, key->secret_length);
    hf_free(&key->crypto->env->alloc, key->secret, key->secret_length);
    EVP_PKEY_free(key->pkey);
    hf_free(&key->crypto->env->alloc, key, sizeof *key);
}

/* ---- the public half ------------------------------------------------------------------------------------------ */

/* A number as bytes, `least` of them at least; empty when there is none or no room. */
static hf_bytes number_of(const EVP_PKEY *pkey, const char *name, size_t least, hf_span *room)
{
    BIGNUM *value = NULL;
    hf_bytes b = { NULL, 0 };
    if (EVP_PKEY_get_bn_param(pkey, name, &value) == 1) {
        const size_t own = (size_t)BN_num_bytes(value), n = own < least ? least : own;
        if (n <= room->len && BN_bn2binpad(value, room->ptr, (int)n) == (int)n) {
            b = hf_bytes_make(room->ptr, n);
            *room = (hf_span){ room->ptr + n, room->len - n };
        }
    }
    BN_free(value);
    return b;
}

bool hf_token_key_public(const hf_token_key *key, hf_span room, hf_token_numbers *numbers)
{
    const size_t n = hf_jws_coordinate(key->alg);
    size_t length = room.len;
    *numbers = (hf_token_numbers){ .n = { NULL, 0 } };
    switch (hf_jws_kind(key->alg)) {
    case HF_TOKEN_RSA:
        numbers->n = number_of(key->pkey, OSSL_PKEY_PARAM_RSA_N, 1, &room);
        numbers->e = number_of(key->pkey, OSSL_PKEY_PARAM_RSA_E, 1, &room);
        return numbers->n.len > 0 && numbers->e.len > 0;
    case HF_TOKEN_EC:
        numbers->x = number_of(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, n, &room);
        numbers->y = number_of(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, n, &room);
        return numbers->x.len == n && numbers->y.len == n;
    case HF_TOKEN_ED25519:
        if (EVP_PKEY_get_raw_public_key(key->pkey, room.ptr, &length) != 1)
            return false;
        numbers->x = hf_bytes_make(room.ptr, length);
        return true;
    case HF_TOKEN_NONE:
    case HF_TOKEN_HMAC:
        break;
    }
    return false;
}
