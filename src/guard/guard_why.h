/* SPDX-License-Identifier: Apache-2.0
 *
 * How a denial is told: what was got, made harmless, and what was wanted.
 */
#ifndef HF_GUARD_WHY_H
#define HF_GUARD_WHY_H

#include <handfast/guard.h>

/* Fills `why` (which may be NULL) and returns its err. `got` may be what a peer sent; `wanted` may be NULL. */
hf_err hf_why_tell(hf_why *why, int32_t code, hf_bytes got, const char *wanted);
/* Likewise; of `secret` only six characters and the length are told. */
hf_err hf_why_tell_secret(hf_why *why, int32_t code, hf_bytes secret, const char *wanted);
/* One more mistake; `whys` may be NULL. */
hf_err hf_whys_add(hf_whys *whys, int32_t code, hf_bytes got, const char *wanted);

#endif
