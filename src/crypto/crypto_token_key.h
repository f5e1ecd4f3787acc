/* SPDX-License-Identifier: Apache-2.0
 *
 * A token key's inside, shared by crypto_token.c and crypto_token_key.c.
 */
#ifndef HF_CRYPTO_TOKEN_KEY_H
#define HF_CRYPTO_TOKEN_KEY_H

#include "crypto_core.h"
#include "crypto_token.h"

struct hf_token_key {
    hf_crypto *crypto;
    EVP_PKEY *pkey; /* NULL: HMAC */
    uint8_t *secret;
    size_t secret_length;
    hf_jws_alg alg;
    bool is_private;
};

#endif
