/* SPDX-License-Identifier: Apache-2.0
 *
 * Key exchange: X25519 (RFC 7748), P-256 and P-384 (RFC 8446 4.2.8.2), and, where libcrypto has ML-KEM (FIPS 203), X25519MLKEM768
 * (draft-ietf-tls-ecdhe-mlkem): both at once, so that who breaks one has nothing. There the two sides differ: a client makes
 * a key pair and a server answers with a ciphertext.
 */
#ifndef HF_CRYPTO_EXCHANGE_H
#define HF_CRYPTO_EXCHANGE_H

#include <handfast/crypto.h>

/* The code points of RFC 8446 4.2.7. */
typedef enum hf_group { HF_GROUP_NONE = 0, HF_GROUP_P256 = 0x0017, HF_GROUP_P384 = 0x0018, HF_GROUP_X25519 = 0x001d,
    HF_GROUP_X25519MLKEM768 = 0x11ec } hf_group;

enum { HF_SHARE_MOST = 1216, HF_SHARED_MOST = 64 };

/* The bytes of a client's share in this group, and of the server's; 0 for one that we do not know. */
size_t hf_group_share(hf_group group);
size_t hf_group_reply(hf_group group);
/* Does the libcrypto that runs offer it? */
bool hf_group_is_offered(const hf_crypto *c, hf_group group);

/* Our half. Zero-initialised is none. */
typedef struct hf_exchange {
    hf_crypto *crypto;
    struct evp_pkey_st *pkey, *kem; /* kem: of ML-KEM, at a client */
    hf_group group;
} hf_exchange;

/* A fresh key pair. */
bool hf_exchange_make(hf_crypto *c, hf_exchange *x, hf_group group);
void hf_exchange_fini(hf_exchange *x);
/* Our share: hf_group_share bytes. */
bool hf_exchange_share(const hf_exchange *x, uint8_t *out);
/* `secret` has room for HF_SHARED_MOST, and holds nothing after an error. HF_ERR_TLS_KEY_SHARE: the peer's share is no point of the group, or gives the all-zero secret (RFC 8446 7.4.2). */
hf_err hf_exchange_finish(const hf_exchange *x, hf_bytes peer, uint8_t *secret, size_t *length);
/* A server's whole part in TLS 1.3: `reply` has room for hf_group_reply bytes. Errors: as finish, or HF_ERR_TLS_CRYPTO. */
hf_err hf_exchange_reply(hf_crypto *c, hf_group group, hf_bytes peer, uint8_t *reply, uint8_t *secret, size_t *length);

#endif
