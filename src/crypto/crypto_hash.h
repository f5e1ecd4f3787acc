/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes, HMAC (RFC 2104), HKDF (RFC 5869) with the labels of RFC 8446 7.1, and the PRF of TLS 1.2 (RFC 5246 5).
 */
#ifndef HF_CRYPTO_HASH_H
#define HF_CRYPTO_HASH_H

#include <handfast/crypto.h>

/* SHA1 is for protocols that name it where collisions harm nobody (RFC 6455 4.2.2), and for nothing else. */
typedef enum hf_hash { HF_HASH_SHA256, HF_HASH_SHA384, HF_HASH_SHA512, HF_HASH_SHA1, HF_HASH_COUNT } hf_hash;
enum { HF_HASH_MOST = 64, HF_HASH_BLOCK_MOST = 128 };

static inline size_t hf_hash_length(hf_hash h)
{
    return h == HF_HASH_SHA256 ? 32 : h == HF_HASH_SHA384 ? 48 : h == HF_HASH_SHA1 ? 20 : 64;
}

/* Each answers false only when libcrypto fails (memory). `out` has room for hf_hash_length. */
bool hf_hash_of(hf_crypto *c, hf_hash h, hf_bytes data, uint8_t *out);
bool hf_hmac(hf_crypto *c, hf_hash h, hf_bytes key, hf_bytes data, uint8_t *out);
bool hf_hkdf_extract(hf_crypto *c, hf_hash h, hf_bytes salt, hf_bytes secret, uint8_t *out);
/* n <= 255 hashes (RFC 5869 2.3), info <= 512 bytes. */
bool hf_hkdf_expand(hf_crypto *c, hf_hash h, hf_bytes secret, hf_bytes info, uint8_t *out, size_t n);
/* HKDF-Expand-Label: `label` without "tls13 ". */
bool hf_hkdf_label(hf_crypto *c, hf_hash h, hf_bytes secret, const char *label, hf_bytes context, uint8_t *out, size_t n);
/* RFC 5246 5: P_hash over label and both seeds. */
bool hf_prf12(hf_crypto *c, hf_hash h, hf_bytes secret, const char *label, hf_bytes seed, hf_bytes more_seed, uint8_t *out, size_t n);

/* A running hash, such as a transcript. Zero-initialised is none. */
typedef struct hf_hashing {
    struct evp_md_ctx_st *ctx;
    hf_hash hash;
} hf_hashing;

bool hf_hashing_begin(hf_crypto *c, hf_hashing *s, hf_hash h);
bool hf_hashing_add(hf_hashing *s, hf_bytes data);
/* The hash of what was added so far, and `more` behind it; the running hash goes on unchanged. */
bool hf_hashing_peek(hf_crypto *c, const hf_hashing *s, hf_bytes more, uint8_t *out);
void hf_hashing_fini(hf_hashing *s);

#endif
