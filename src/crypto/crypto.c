/* SPDX-License-Identifier: Apache-2.0
 *
 * The library context and what is fetched from it once: looking an algorithm up by name takes locks and string
 * compares, and costs more than hashing a kilobyte.
 */
#include "crypto_core.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

static const char *const hash_names[] = { "SHA256", "SHA384", "SHA512", "SHA1" };
static const char *const cipher_names[] = { "AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305" };
static const char *const mask_names[] = { "AES-128-ECB", "AES-256-ECB", "ChaCha20" };

/* What libcrypto may have or not: ML-KEM came with OpenSSL 3.5. */
static void probe(hf_crypto *c)
{
    EVP_KEYMGMT *const kem = EVP_KEYMGMT_fetch(c->library, "ML-KEM-768", NULL);
    c->mlkem = kem != NULL;
    EVP_KEYMGMT_free(kem);
    ERR_clear_error();
}

static bool fetch(hf_crypto *c)
{
    for (size_t i = 0; i < HF_HASH_COUNT; i++)
        if ((c->hashes[i] = EVP_MD_fetch(c->library, hash_names[i], NULL)) == NULL)
            return false;
    for (size_t i = 0; i < HF_AEAD_COUNT; i++)
        if ((c->ciphers[i] = EVP_CIPHER_fetch(c->library, cipher_names[i], NULL)) == NULL ||
            (c->masks[i] = EVP_CIPHER_fetch(c->library, mask_names[i], NULL)) == NULL)
            return false;
    probe(c);
    return (c->scratch = EVP_MD_CTX_new()) != NULL;
}

const char *hf_crypto_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}

hf_crypto *hf_crypto_new(const hf_env *env, const hf_entropy *entropy)
{
    hf_crypto *c = hf_alloc_zeroed(&env->alloc, sizeof *c);
    if (c == NULL)
        return NULL;
    c->env = env;
    if (entropy != NULL)
        c->entropy = *entropy;
    if ((c->library = OSSL_LIB_CTX_new()) == NULL || (c->standard = OSSL_PROVIDER_load(c->library, "default")) == NULL ||
        (c->entropy.fill != NULL && !hf_crypto_seed(c)) || !fetch(c)) {
        hf_crypto_free(c);
        return NULL;
    }
    return c;
}

void hf_crypto_free(hf_crypto *c)
{
    if (c == NULL)
        return;
    EVP_MD_CTX_free(c->scratch);
    for (size_t i = 0; i < HF_EXCHANGE_KINDS; i++) {
        EVP_PKEY_CTX_free(c->makers[i]);
        EVP_PKEY_CTX_free(c->importers[i]);
    }
    EVP_PKEY_free(c->peer);
    for (size_t i = 0; i < HF_HASH_COUNT; i++)
        EVP_MD_free(c->hashes[i]);
    for (size_t i = 0; i < HF_AEAD_COUNT; i++) {
        EVP_CIPHER_free(c->ciphers[i]);
        EVP_CIPHER_free(c->masks[i]);
    }
    if (c->seeded != NULL)
        OSSL_PROVIDER_unload(c->seeded);
    if (c->standard != NULL)
        OSSL_PROVIDER_unload(c->standard);
    OSSL_LIB_CTX_free(c->library);
    hf_free(&c->env->alloc, c, sizeof *c);
}

bool hf_crypto_random(hf_crypto *c, void *out, size_t n)
{
    if (c->entropy.fill != NULL) {
        c->entropy.fill(c->entropy.ctx, out, n);
        return true;
    }
    return RAND_bytes_ex(c->library, out, n, 0) == 1;
}

void hf_wipe(void *secret, size_t n)
{
    OPENSSL_cleanse(secret, n);
}

bool hf_secret_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}
