/* SPDX-License-Identifier: Apache-2.0
 *
 * Authenticated encryption (RFC 5116): one key, one direction, a context that is kept while busy and given back when idle.
 */
#ifndef HF_CRYPTO_AEAD_H
#define HF_CRYPTO_AEAD_H

#include <handfast/crypto.h>

typedef enum hf_aead_kind { HF_AEAD_AES_128_GCM, HF_AEAD_AES_256_GCM, HF_AEAD_CHACHA20_POLY1305, HF_AEAD_COUNT } hf_aead_kind;
enum { HF_AEAD_KEY_MOST = 32, HF_AEAD_NONCE = 12, HF_AEAD_TAG = 16 };

static inline size_t hf_aead_key_length(hf_aead_kind kind)
{
    return kind == HF_AEAD_AES_128_GCM ? 16 : 32;
}

typedef struct hf_aead {
    hf_crypto *crypto;
    struct evp_cipher_ctx_st *ctx; /* NULL while idle */
    uint8_t key[HF_AEAD_KEY_MOST];
    uint8_t kind;
    bool sealing;
} hf_aead;

/* Allocates nothing yet. */
void hf_aead_init(hf_aead *a, hf_crypto *c, hf_aead_kind kind, bool sealing, const uint8_t *key);
void hf_aead_fini(hf_aead *a);
/* Gives the context back; the next use makes one again. */
void hf_aead_rest(hf_aead *a);

/* Sealing in pieces: begin, add (any number; out may be where the data is), end. False: libcrypto failed. */
bool hf_aead_begin(hf_aead *a, const uint8_t nonce[HF_AEAD_NONCE], hf_bytes associated);
bool hf_aead_add(hf_aead *a, hf_bytes data, uint8_t *out);
bool hf_aead_end(hf_aead *a, uint8_t tag[HF_AEAD_TAG]);

/* Opens in place: `data` is ciphertext and tag. False: it is not authentic, and what lies there must not be looked at. */
bool hf_aead_open(hf_aead *a, const uint8_t nonce[HF_AEAD_NONCE], hf_bytes associated, hf_span data);

#endif
