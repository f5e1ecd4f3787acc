/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures of RFC 7518: HMAC, RSA, ECDSA as two numbers of fixed length (3.4), Ed25519 (RFC 8037).
 */
#include "crypto_token.h"

#include "crypto_core.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "crypto_token_key.h"

typedef struct row {
    hf_token_kind kind;
    hf_hash hash;
    const char *digest;
    bool pss;
    uint8_t coordinate;
} row;

static const row rows[] = {
    [HF_JWS_UNSET] = { HF_TOKEN_NONE, HF_HASH_SHA256, NULL, false, 0 },
    [HF_JWS_HS256] = { HF_TOKEN_HMAC, HF_HASH_SHA256, NULL, false, 0 },
    [HF_JWS_HS384] = { HF_TOKEN_HMAC, HF_HASH_SHA384, NULL, false, 0 },
    [HF_JWS_HS512] = { HF_TOKEN_HMAC, HF_HASH_SHA512, NULL, false, 0 },
    [HF_JWS_RS256] = { HF_TOKEN_RSA, HF_HASH_SHA256, "SHA256", false, 0 },
    [HF_JWS_RS384] = { HF_TOKEN_RSA, HF_HASH_SHA384, "SHA384", false, 0 },
    [HF_JWS_RS512] = { HF_TOKEN_RSA, HF_HASH_SHA512, "SHA512", false, 0 },
    [HF_JWS_PS256] = { HF_TOKEN_RSA, HF_HASH_SHA256, "SHA256", true, 0 },
    [HF_JWS_PS384] = { HF_TOKEN_RSA, HF_HASH_SHA384, "SHA384", true, 0 },
    [HF_JWS_PS512] = { HF_TOKEN_RSA, HF_HASH_SHA512, "SHA512", true, 0 },
    [HF_JWS_ES256] = { HF_TOKEN_EC, HF_HASH_SHA256, "SHA256", false, 32 },
    [HF_JWS_ES384] = { HF_TOKEN_EC, HF_HASH_SHA384, "SHA384", false, 48 },
    [HF_JWS_ES512] = { HF_TOKEN_EC, HF_HASH_SHA512, "SHA512", false, 66 },
    [HF_JWS_EDDSA] = { HF_TOKEN_ED25519, HF_HASH_SHA512, NULL, false, 0 },
};

hf_token_kind hf_jws_kind(hf_jws_alg alg)
{
    return rows[alg].kind;
}
hf_hash hf_jws_hash(hf_jws_alg alg)
{
    return rows[alg].hash;
}
size_t hf_jws_coordinate(hf_jws_alg alg)
{
    return rows[alg].coordinate;
}
bool hf_token_key_signs(const hf_token_key *key)
{
    return key->is_private;
}
hf_jws_alg hf_token_key_alg(const hf_token_key *key)
{
    return key->alg;
}

/* ---- ECDSA: two numbers of fixed length here, DER in libcrypto ------------------------------------------------ */

enum { DER_MOST = 3 + 2 * (3 + 67) };

/* INTEGER of `n` big-endian bytes: without leading zeros, with one where the top bit is set. */
static size_t put_integer(uint8_t *out, const uint8_t *from, size_t n)
{
    while (n > 1 && *from == 0)
        from++, n--;
    const size_t pad = *from >= 0x80;
    out[0] = 0x02;
    out[1] = (uint8_t)(n + pad);
    out[2] = 0;
    memcpy(out + 2 + pad, from, n);
    return 2 + pad + n;
}

static size_t to_der(const uint8_t *signature, size_t coordinate, uint8_t der[DER_MOST])
{
    uint8_t body[DER_MOST];
    size_t n = put_integer(body, signature, coordinate), at = 0;
    n += put_integer(body + n, signature + coordinate, coordinate);
    der[at++] = 0x30;
    if (n >= 0x80)
        der[at++] = 0x81;
    der[at++] = (uint8_t)n;
    memcpy(der + at, body, n);
    return at + n;
}

/* The INTEGER at *at as `n` bytes. What is read is libcrypto's own writing. */
static bool take_integer(hf_bytes der, size_t *at, uint8_t *out, size_t n)
{
    if (*at + 2 > der.len || der.ptr[*at] != 0x02)
        return false;
    size_t length = der.ptr[*at + 1];
    const uint8_t *from = der.ptr + *at + 2;
    if (length >= 0x80 || *at + 2 + length > der.len)
        return false;
    *at += 2 + length;
    while (length > 0 && *from == 0)
        from++, length--;
    if (length > n)
        return false;
    memset(out, 0, n - length);
    memcpy(out + n - length, from, length);
    return true;
}

static bool from_der(hf_bytes der, size_t coordinate, uint8_t *out)
{
    size_t at = der.len > 2 && der.ptr[1] == 0x81 ? 3 : 2;
    return take_integer(der, &at, out, coordinate) && take_integer(der, &at, out + coordinate, coordinate) && at == der.len;
}

/* ---- sign, verify --------------------------------------------------------------------------------------------- */

/* RFC 7518 3.5: the salt is as long as the hash, MGF1 uses the same hash. */
static bool pad(EVP_PKEY_CTX *ctx, const row *r)
{
    return r->kind != HF_TOKEN_RSA || !r->pss || (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                                                  EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool sign_asymmetric(hf_token_key *key, const row *r, hf_bytes message, uint8_t *signature, size_t *length)
{
    uint8_t der[HF_SIGNATURE_MOST];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    *length = sizeof der;
    bool good = md != NULL && EVP_DigestSignInit_ex(md, &ctx, r->digest, key->crypto->library, NULL, key->pkey, NULL) == 1 &&
                pad(ctx, r) && EVP_DigestSign(md, der, length, message.ptr, message.len) == 1;
    EVP_MD_CTX_free(md);
    if (good && r->kind == HF_TOKEN_EC) {
        good = from_der(hf_bytes_make(der, *length), r->coordinate, signature);
        *length = 2u * r->coordinate;
    } else if (good) {
        memcpy(signature, der, *length);
    }
    ERR_clear_error();
    return good;
}

hf_err hf_token_sign(hf_token_key *key, hf_bytes message, uint8_t *signature, size_t *length)
{
    const row *r = &rows[key->alg];
    if (!key->is_private)
        return hf_err_make(HF_ERR_JWT_KEY_PRIVATE);
    if (r->kind == HF_TOKEN_HMAC) {
        *length = hf_hash_length(r->hash);
        return hf_hmac(key->crypto, r->hash, hf_bytes_make(key->secret, key->secret_length), message, signature) ? HF_OK
                                                                                                            : hf_err_make(HF_ERR_TLS_CRYPTO);
    }
    return sign_asymmetric(key, r, message, signature, length) ? HF_OK : hf_err_make(HF_ERR_TLS_CRYPTO);
}

static bool verify_hmac(hf_token_key *key, const row *r, hf_bytes message, hf_bytes signature)
{
    uint8_t expected[HF_HASH_MOST];
    const size_t n = hf_hash_length(r->hash);
    const bool good = signature.len == n && hf_hmac(key->crypto, r->hash, hf_bytes_make(key->secret, key->secret_length), message, expected) &&
                      hf_secret_equal(expected, signature.ptr, n);
    hf_wipe(expected, sizeof expected);
    return good;
}

hf_err hf_token_verify(hf_token_key *key, hf_bytes message, hf_bytes signature)
{
    const row *r = &rows[key->alg];
    uint8_t der[DER_MOST];
    if (r->kind == HF_TOKEN_HMAC)
        return verify_hmac(key, r, message, signature) ? HF_OK : hf_err_make(HF_ERR_JWT_SIGNATURE);
    if (r->kind == HF_TOKEN_EC) {
        if (signature.len != 2u * r->coordinate) /* RFC 7518 3.4: the octet sequence has exactly this length */
            return hf_err_make(HF_ERR_JWT_SIGNATURE);
        signature = hf_bytes_make(der, to_der(signature.ptr, r->coordinate, der));
    }
    if (r->kind == HF_TOKEN_RSA && signature.len != (size_t)EVP_PKEY_get_size(key->pkey))
        return hf_err_make(HF_ERR_JWT_SIGNATURE); /* RFC 8017 8.2.2: not k octets is an invalid signature */
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    const bool good = md != NULL && EVP_DigestVerifyInit_ex(md, &ctx, r->digest, key->crypto->library, NULL, key->pkey, NULL) == 1 &&
                      pad(ctx, r) && EVP_DigestVerify(md, signature.ptr, signature.len, message.ptr, message.len) == 1;
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return good ? HF_OK : hf_err_make(HF_ERR_JWT_SIGNATURE);
}
