/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of hf_crypto, shared by the files of this room; and the small things that everyone who holds secrets needs.
 */
#ifndef HF_CRYPTO_CORE_H
#define HF_CRYPTO_CORE_H

#include <handfast/crypto.h>

#include <openssl/evp.h>
#include <openssl/provider.h>

#include "alloc.h"
#include "crypto_aead.h"
#include "crypto_hash.h"
#include "crypto_secret.h"

enum { HF_EXCHANGE_KINDS = 4 }; /* the last is ML-KEM */

struct hf_crypto {
    const hf_env *env;
    OSSL_LIB_CTX *library;
    OSSL_PROVIDER *standard, *seeded; /* seeded: only with an hf_entropy */
    EVP_MD *hashes[HF_HASH_COUNT];
    EVP_CIPHER *ciphers[HF_AEAD_COUNT];
    EVP_CIPHER *masks[HF_AEAD_COUNT]; /* RFC 9001 5.4.3, 5.4.4 */
    EVP_PKEY_CTX *makers[HF_EXCHANGE_KINDS], *importers[HF_EXCHANGE_KINDS]; /* of keys to exchange; NULL until wanted */
    EVP_PKEY *peer; /* the last peer's share of X25519. NULL: none yet */
    bool mlkem; /* libcrypto has ML-KEM-768 */
    EVP_MD_CTX *scratch; /* for HMAC and one-off hashes: kept, because making one costs more than using it */
    hf_entropy entropy;
};

struct hf_key {
    hf_crypto *crypto;
    EVP_PKEY *pkey;
    hf_key_kind kind;
    EVP_PKEY_CTX *signer; /* for `scheme`, kept: making one costs a quarter of a signature. NULL: none yet */
    hf_scheme scheme;
};

/* crypto_random.c: makes every random byte of the library context come from c->entropy. */
bool hf_crypto_seed(hf_crypto *c);
/* crypto_key.c */
hf_key_kind hf_pkey_kind(const EVP_PKEY *pkey);
hf_err hf_pkey_encrypt(hf_crypto *c, EVP_PKEY *pkey, hf_bytes secret, uint8_t *out, size_t *length);
hf_err hf_pkey_verify(hf_crypto *c, EVP_PKEY *pkey, hf_scheme scheme, hf_bytes message, hf_bytes signature);

#endif
