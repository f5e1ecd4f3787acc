/* SPDX-License-Identifier: Apache-2.0
 *
 * What the guard of tokens asks of keys that change.
 */
#ifndef HF_APP_GUARDS_JWKS_H
#define HF_APP_GUARDS_JWKS_H

#include <handfast/guards.h>
#include <handfast/store.h>

typedef enum hf_jwks_turn {
    HF_JWKS_REST,          /* nothing is to be done */
    HF_JWKS_FETCH,         /* the caller has the keys fetched; the verdict stands */
    HF_JWKS_FETCH_AND_WAIT /* likewise, and asks again when that is done */
} hf_jwks_turn;

/* As hf_jwt_verify, with the keys that are there. Who gets a turn calls hf_jwks_fetch, or gives it up. */
hf_err hf_jwks_verify(hf_jwks *j, const hf_env *env, const hf_jwt_policy *policy, hf_bytes token, hf_wall now, hf_claims **claims, hf_why *why, hf_jwks_turn *turn);
void hf_jwks_give_up_turn(hf_jwks *j);

#endif
