/* SPDX-License-Identifier: Apache-2.0
 *
 * Private keys and signatures. libcrypto itself verifies an RSA result made with the Chinese remainder theorem before it
 * lets it out, so that a computing fault cannot give the key away.
 */
#include "crypto_core.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

hf_key_kind hf_pkey_kind(const EVP_PKEY *pkey)
{
    char curve[32];
    size_t n = 0;
    if (EVP_PKEY_is_a(pkey, "RSA"))
        return HF_KEY_RSA;
    if (EVP_PKEY_is_a(pkey, "ED25519"))
        return HF_KEY_ED25519;
    if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, curve, sizeof curve, &n) != 1)
        return HF_KEY_OTHER;
    return strcmp(curve, "prime256v1") == 0 ? HF_KEY_P256 : strcmp(curve, "secp384r1") == 0 ? HF_KEY_P384 : HF_KEY_OTHER;
}

/* An encrypted key is refused: nobody is there to ask, and libcrypto's default would ask the terminal. */
static int no_password(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer, (void)size, (void)writing, (void)ctx;
    return -1;
}

static hf_err load(hf_crypto *c, hf_bytes pem, EVP_PKEY **pkey)
{
    if (pem.len == 0 || pem.len > INT32_MAX)
        return hf_err_make(HF_ERR_TLS_KEY_UNREADABLE);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey_ex(bio, NULL, no_password, NULL, c->library, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (*pkey == NULL)
        return hf_err_make(HF_ERR_TLS_KEY_UNREADABLE);
    const hf_key_kind kind = hf_pkey_kind(*pkey);
    const bool short_rsa = kind == HF_KEY_RSA && EVP_PKEY_get_bits(*pkey) < 2048;
    const bool huge_rsa = EVP_PKEY_get_size(*pkey) > HF_SIGNATURE_MOST;
    return kind == HF_KEY_OTHER || short_rsa || huge_rsa ? hf_err_make(HF_ERR_TLS_KEY_UNUSABLE) : HF_OK;
}

hf_err hf_key_load(hf_crypto *c, hf_bytes pem, hf_key **key)
{
    EVP_PKEY *pkey = NULL;
    *key = NULL;
    hf_err err = load(c, pem, &pkey);
    if (err.code == 0 && (*key = hf_alloc_zeroed(&c->env->alloc, sizeof **key)) == NULL)
        err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (err.code != 0) {
        EVP_PKEY_free(pkey);
        return err;
    }
    **key = (hf_key){ .crypto = c, .pkey = pkey, .kind = hf_pkey_kind(pkey) };
    return HF_OK;
}

void hf_key_free(hf_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_CTX_free(key->signer);
    EVP_PKEY_free(key->pkey);
    hf_free(&key->crypto->env->alloc, key, sizeof *key);
}

hf_key_kind hf_key_kind_of(const hf_key *key)
{
    return key->kind;
}

typedef struct row {
    hf_scheme scheme;
    hf_key_kind kind;
    const char *hash;
    bool pss;
    hf_hash digest;
    bool old; /* in TLS 1.2 alone */
} row;

static const row rows[] = {
    { HF_SCHEME_ECDSA_P256_SHA256, HF_KEY_P256, "SHA256", false, HF_HASH_SHA256, false },
    { HF_SCHEME_ECDSA_P384_SHA384, HF_KEY_P384, "SHA384", false, HF_HASH_SHA384, false },
    { HF_SCHEME_RSA_PSS_SHA256, HF_KEY_RSA, "SHA256", true, HF_HASH_SHA256, false },
    { HF_SCHEME_RSA_PSS_SHA384, HF_KEY_RSA, "SHA384", true, HF_HASH_SHA384, false },
    { HF_SCHEME_RSA_PSS_SHA512, HF_KEY_RSA, "SHA512", true, HF_HASH_SHA512, false },
    { HF_SCHEME_ED25519, HF_KEY_ED25519, NULL, false, HF_HASH_COUNT, false },
    { HF_SCHEME_RSA_PKCS1_SHA256, HF_KEY_RSA, "SHA256", false, HF_HASH_SHA256, false },
    { HF_SCHEME_RSA_PKCS1_SHA384, HF_KEY_RSA, "SHA384", false, HF_HASH_SHA384, false },
    { HF_SCHEME_RSA_PKCS1_SHA512, HF_KEY_RSA, "SHA512", false, HF_HASH_SHA512, false },
    { HF_SCHEME_ECDSA_P256_SHA256, HF_KEY_P384, "SHA256", false, HF_HASH_SHA256, true },
    { HF_SCHEME_ECDSA_P384_SHA384, HF_KEY_P256, "SHA384", false, HF_HASH_SHA384, true },
};

static const row *find(hf_scheme scheme, hf_key_kind kind)
{
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (rows[i].scheme == scheme && rows[i].kind == kind)
            return &rows[i];
    return NULL;
}

bool hf_scheme_fits(hf_scheme scheme, hf_key_kind kind)
{
    const row *const r = find(scheme, kind);
    return r != NULL && !r->old;
}

bool hf_scheme_fits_old(hf_scheme scheme, hf_key_kind kind)
{
    return find(scheme, kind) != NULL;
}

/* RFC 8446 4.2.3: the salt of RSA-PSS is as long as the hash, and MGF1 uses the same hash (libcrypto's default). */
static bool pad(EVP_PKEY_CTX *ctx, const row *r)
{
    return r->kind != HF_KEY_RSA || !r->pss ||
           (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

/* What signs digests by the scheme. NULL: libcrypto failed. */
static EVP_PKEY_CTX *signer_of(hf_key *key, const row *r)
{
    hf_crypto *const c = key->crypto;
    if (key->signer != NULL && key->scheme == r->scheme)
        return key->signer;
    EVP_PKEY_CTX_free(key->signer);
    key->scheme = r->scheme;
    key->signer = EVP_PKEY_CTX_new_from_pkey(c->library, key->pkey, NULL);
    if (key->signer != NULL && EVP_PKEY_sign_init(key->signer) == 1 && pad(key->signer, r) &&
        EVP_PKEY_CTX_set_signature_md(key->signer, c->hashes[r->digest]) == 1)
        return key->signer;
    EVP_PKEY_CTX_free(key->signer);
    return key->signer = NULL;
}

static bool sign_digest(hf_key *key, const row *r, hf_bytes message, uint8_t *signature, size_t *length)
{
    uint8_t digest[HF_HASH_MOST];
    EVP_PKEY_CTX *const ctx = signer_of(key, r);
    return ctx != NULL && hf_hash_of(key->crypto, r->digest, message, digest) &&
           EVP_PKEY_sign(ctx, signature, length, digest, hf_hash_length(r->digest)) == 1;
}

/* Ed25519 hashes for itself, twice (RFC 8032 5.1.6). */
static bool sign_message(const hf_key *key, hf_bytes message, uint8_t *signature, size_t *length)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const bool good = md != NULL && EVP_DigestSignInit_ex(md, NULL, NULL, key->crypto->library, NULL, key->pkey, NULL) == 1 &&
                      EVP_DigestSign(md, signature, length, message.ptr, message.len) == 1;
    EVP_MD_CTX_free(md);
    return good;
}

hf_err hf_key_sign(hf_key *key, hf_scheme scheme, hf_bytes message, uint8_t *signature, size_t *length)
{
    const row *r = find(scheme, key->kind);
    if (r == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    *length = HF_SIGNATURE_MOST;
    if (r->hash != NULL ? sign_digest(key, r, message, signature, length) : sign_message(key, message, signature, length))
        return HF_OK;
    ERR_clear_error();
    return hf_err_make(HF_ERR_TLS_CRYPTO);
}

/* Only by RSA_PKCS1_WITH_TLS_PADDING: it checks padding, length and version in constant time, and answers a random
 * secret where they are wrong (RFC 5246 7.4.7.1). */
static bool decrypt(hf_key *key, uint16_t version, hf_bytes encrypted, uint8_t *out)
{
    unsigned wanted = version;
    const OSSL_PARAM params[] = { OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &wanted), OSSL_PARAM_construct_end() };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(key->crypto->library, key->pkey, NULL);
    uint8_t room[HF_SIGNATURE_MOST];
    size_t length = sizeof room;
    const bool good = ctx != NULL && EVP_PKEY_decrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_WITH_TLS_PADDING) == 1 &&
                      EVP_PKEY_CTX_set_params(ctx, params) == 1 && EVP_PKEY_decrypt(ctx, room, &length, encrypted.ptr, encrypted.len) == 1 &&
                      length == HF_PREMASTER;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    if (good)
        memcpy(out, room, HF_PREMASTER);
    hf_wipe(room, sizeof room);
    return good;
}

hf_err hf_key_decrypt_premaster(hf_key *key, uint16_t version, hf_bytes encrypted, uint8_t out[HF_PREMASTER])
{
    if (key->kind != HF_KEY_RSA)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (!hf_crypto_random(key->crypto, out, HF_PREMASTER))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    (void)decrypt(key, version, encrypted, out); /* else, a length that is no RSA number's: the random secret stays */
    return HF_OK;
}

hf_err hf_pkey_encrypt(hf_crypto *c, EVP_PKEY *pkey, hf_bytes secret, uint8_t *out, size_t *length)
{
    EVP_PKEY_CTX *ctx = pkey == NULL || hf_pkey_kind(pkey) != HF_KEY_RSA ? NULL : EVP_PKEY_CTX_new_from_pkey(c->library, pkey, NULL);
    *length = HF_SIGNATURE_MOST;
    const bool good = ctx != NULL && EVP_PKEY_encrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                      EVP_PKEY_encrypt(ctx, out, length, secret.ptr, secret.len) == 1;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return good ? HF_OK : hf_err_make(HF_ERR_TLS_CRYPTO);
}

hf_err hf_pkey_verify(hf_crypto *c, EVP_PKEY *pkey, hf_scheme scheme, hf_bytes message, hf_bytes signature)
{
    const row *r = pkey == NULL ? NULL : find(scheme, hf_pkey_kind(pkey));
    if (r == NULL)
        return hf_err_make(HF_ERR_TLS_SIGNATURE);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    const bool good = md != NULL && EVP_DigestVerifyInit_ex(md, &ctx, r->hash, c->library, NULL, pkey, NULL) == 1 && pad(ctx, r) &&
                      EVP_DigestVerify(md, signature.ptr, signature.len, message.ptr, message.len) == 1;
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return good ? HF_OK : hf_err_make(HF_ERR_TLS_SIGNATURE);
}
