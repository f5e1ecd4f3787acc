/* SPDX-License-Identifier: Apache-2.0
 *
 * AEAD over one kept EVP_CIPHER_CTX: a new context for each record costs twice the record. What is kept while idle is
 * the key alone.
 */
#include "crypto_core.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

void hf_aead_init(hf_aead *a, hf_crypto *c, hf_aead_kind kind, bool sealing, const uint8_t *key)
{
    *a = (hf_aead){ .crypto = c, .kind = (uint8_t)kind, .sealing = sealing };
    memcpy(a->key, key, hf_aead_key_length(kind));
}

void hf_aead_rest(hf_aead *a)
{
    EVP_CIPHER_CTX_free(a->ctx);
    a->ctx = NULL;
}

void hf_aead_fini(hf_aead *a)
{
    hf_aead_rest(a);
    hf_wipe(a->key, sizeof a->key);
    a->crypto = NULL;
}

static bool wake(hf_aead *a)
{
    if (a->ctx != NULL)
        return true;
    a->ctx = EVP_CIPHER_CTX_new();
    if (a->ctx != NULL && EVP_CipherInit_ex2(a->ctx, a->crypto->ciphers[a->kind], a->key, NULL, a->sealing, NULL) == 1)
        return true;
    hf_aead_rest(a);
    return false;
}

static bool begin(hf_aead *a, const uint8_t nonce[HF_AEAD_NONCE], hf_bytes associated, const OSSL_PARAM *params)
{
    int n = 0;
    return wake(a) && EVP_CipherInit_ex2(a->ctx, NULL, NULL, nonce, -1, params) == 1 &&
           (associated.len == 0 || EVP_CipherUpdate(a->ctx, NULL, &n, associated.ptr, (int)associated.len) == 1);
}

bool hf_aead_begin(hf_aead *a, const uint8_t nonce[HF_AEAD_NONCE], hf_bytes associated)
{
    return begin(a, nonce, associated, NULL);
}

bool hf_aead_add(hf_aead *a, hf_bytes data, uint8_t *out)
{
    int n = 0;
    return data.len == 0 || (EVP_CipherUpdate(a->ctx, out, &n, data.ptr, (int)data.len) == 1 && (size_t)n == data.len);
}

bool hf_aead_end(hf_aead *a, uint8_t tag[HF_AEAD_TAG])
{
    uint8_t none[HF_AEAD_TAG];
    int n = 0;
    OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, HF_AEAD_TAG), OSSL_PARAM_construct_end() };
    return EVP_CipherFinal_ex(a->ctx, none, &n) == 1 && EVP_CIPHER_CTX_get_params(a->ctx, params) == 1;
}

bool hf_aead_open(hf_aead *a, const uint8_t nonce[HF_AEAD_NONCE], hf_bytes associated, hf_span data)
{
    uint8_t none[HF_AEAD_TAG];
    int n = 0;
    if (data.len < HF_AEAD_TAG || data.len > INT32_MAX)
        return false;
    const size_t length = data.len - HF_AEAD_TAG;
    /* Along with the nonce: one call of libcrypto fewer. */
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, data.ptr + length, HF_AEAD_TAG), OSSL_PARAM_construct_end(),
    };
    return begin(a, nonce, associated, params) && hf_aead_add(a, hf_bytes_make(data.ptr, length), data.ptr) &&
           EVP_CipherFinal_ex(a->ctx, none, &n) == 1;
}
