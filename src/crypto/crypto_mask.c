/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto_mask.h"

#include "crypto_core.h"

void hf_mask_init(hf_mask *m, hf_crypto *c, hf_aead_kind kind, const uint8_t *key)
{
    *m = (hf_mask){ .crypto = c, .kind = (uint8_t)kind };
    memcpy(m->key, key, hf_aead_key_length(kind));
}

void hf_mask_rest(hf_mask *m)
{
    EVP_CIPHER_CTX_free(m->ctx);
    m->ctx = NULL;
}

void hf_mask_fini(hf_mask *m)
{
    hf_mask_rest(m);
    hf_wipe(m->key, sizeof m->key);
    m->crypto = NULL;
}

static bool wake(hf_mask *m)
{
    if (m->ctx != NULL)
        return true;
    m->ctx = EVP_CIPHER_CTX_new();
    if (m->ctx != NULL && EVP_EncryptInit_ex2(m->ctx, m->crypto->masks[m->kind], m->key, NULL, NULL) == 1 &&
        EVP_CIPHER_CTX_set_padding(m->ctx, 0) == 1)
        return true;
    hf_mask_rest(m);
    return false;
}

bool hf_mask_block(hf_mask *m, const uint8_t in[HF_MASK_SAMPLE], uint8_t out[HF_MASK_SAMPLE])
{
    int n = 0;
    return wake(m) && EVP_EncryptUpdate(m->ctx, out, &n, in, HF_MASK_SAMPLE) == 1 && n == HF_MASK_SAMPLE;
}

bool hf_mask_make(hf_mask *m, const uint8_t sample[HF_MASK_SAMPLE], uint8_t out[HF_MASK_BYTES])
{
    static const uint8_t zeros[HF_MASK_BYTES];
    uint8_t block[HF_MASK_SAMPLE];
    int n = 0;
    if (m->kind == HF_AEAD_CHACHA20_POLY1305) /* RFC 9001 5.4.4: counter and nonce are the sample, as libcrypto takes its IV */
        return wake(m) && EVP_EncryptInit_ex2(m->ctx, NULL, NULL, sample, NULL) == 1 &&
               EVP_EncryptUpdate(m->ctx, out, &n, zeros, HF_MASK_BYTES) == 1;
    if (!hf_mask_block(m, sample, block))
        return false;
    memcpy(out, block, HF_MASK_BYTES);
    return true;
}
