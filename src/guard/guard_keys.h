/* SPDX-License-Identifier: Apache-2.0
 *
 * A key set's inside, shared by guard_keys.c, guard_jwk.c and guard_jws.c.
 */
#ifndef HF_GUARD_KEYS_H
#define HF_GUARD_KEYS_H

#include <handfast/guard.h>

#include "alloc.h"
#include "crypto_token.h"

typedef struct hf_named_key {
    hf_token_key *key;
    hf_bytes kid; /* ours; may be empty */
} hf_named_key;

struct hf_keys {
    hf_crypto *crypto;
    const hf_env *env;
    hf_named_key *at;
    size_t count, capacity;
};

/* Takes `key` over, also when it fails. HF_ERR_JWT_KEY_TWICE, _MIXED, _MANY, HF_ERR_BASE_MEMORY. */
hf_err hf_keys_put(hf_keys *keys, hf_token_key *key, hf_bytes kid);
/* Drops the keys from `count` on. */
void hf_keys_cut(hf_keys *keys, size_t count);
/* Is it text of a key, and no random secret? */
bool hf_is_key_text(hf_bytes secret);
/* What to say of a key that was refused. */
const char *hf_key_wanted(hf_err err);

#endif
