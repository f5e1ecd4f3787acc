/* SPDX-License-Identifier: Apache-2.0
 *
 * The masks that hide packet numbers in QUIC (RFC 9001 5.4): one block of a cipher over a sample of the packet.
 */
#ifndef HF_CRYPTO_MASK_H
#define HF_CRYPTO_MASK_H

#include "crypto_aead.h"

enum { HF_MASK_SAMPLE = 16, HF_MASK_BYTES = 5 };

typedef struct hf_mask {
    hf_crypto *crypto;
    struct evp_cipher_ctx_st *ctx; /* NULL while idle */
    uint8_t key[HF_AEAD_KEY_MOST];
    uint8_t kind; /* hf_aead_kind */
} hf_mask;

/* Allocates nothing yet. `key` is as long as the AEAD's. */
void hf_mask_init(hf_mask *m, hf_crypto *c, hf_aead_kind kind, const uint8_t *key);
void hf_mask_fini(hf_mask *m);
/* Gives the context back; the next use makes one again. */
void hf_mask_rest(hf_mask *m);
/* False: libcrypto failed. */
bool hf_mask_make(hf_mask *m, const uint8_t sample[HF_MASK_SAMPLE], uint8_t out[HF_MASK_BYTES]);
/* One block of AES, such as an id that is to look like noise: `out` and `in` have 16 bytes. AES kinds only. */
bool hf_mask_block(hf_mask *m, const uint8_t in[HF_MASK_SAMPLE], uint8_t out[HF_MASK_SAMPLE]);

#endif
