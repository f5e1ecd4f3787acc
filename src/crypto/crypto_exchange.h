/* SPDX-License-Identifier: Apache-2.0
 *
 * Key exchange: X25519 (RFC 7748), P-256 and P-384 (RFC 8446 4.2.8.2).
 */
#ifndef HF_CRYPTO_EXCHANGE_H
#define HF_CRYPTO_EXCHANGE_H

#include <handfast/crypto.h>

/* The code points of RFC 8446 4.2.7. */
typedef enum hf_group { HF_GROUP_NONE = 0, HF_GROUP_P256 = 0x0017, HF_GROUP_P384 = 0x0018, HF_GROUP_X25519 = 0x001d } hf_group;

enum { HF_SHARE_MOST = 97, HF_SHARED_MOST = 48 };

/* The bytes of a share in this group; 0 for one that we do not have. */
size_t hf_group_share(hf_group group);

/* Our half. Zero-initialised is none. */
typedef struct hf_exchange {
    hf_crypto *crypto;
    struct evp_pkey_st *pkey;
    hf_group group;
} hf_exchange;

/* A fresh key pair. */
bool hf_exchange_make(hf_crypto *c, hf_exchange *x, hf_group group);
void hf_exchange_fini(hf_exchange *x);
/* Our share: hf_group_share bytes. */
bool hf_exchange_share(const hf_exchange *x, uint8_t *out);
/* HF_ERR_TLS_KEY_SHARE: the peer's share is no point of the group, or gives the all-zero secret (RFC 8446 7.4.2). */
hf_err hf_exchange_finish(const hf_exchange *x, hf_bytes peer, uint8_t *secret, size_t *length);

#endif
