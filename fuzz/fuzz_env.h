/* SPDX-License-Identifier: Apache-2.0
 *
 * An environment for a core under the fuzzer: plain memory, a seeded random, limits of its own.
 */
#ifndef HF_FUZZ_ENV_H
#define HF_FUZZ_ENV_H

#include "fuzz_memory.h"

static hf_env fuzz_env;
static hf_limits fuzz_limits;
static hf_random fuzz_random;
static fuzz_memory fuzz_env_memory; /* for fuzz_twice */

static inline void fuzz_env_init(void)
{
    fuzz_limits = *hf_limits_default();
    hf_random_seed(&fuzz_random, 1);
    fuzz_env = (hf_env){ .alloc = fuzz_alloc(&fuzz_env_memory), .random = &fuzz_random, .limits = &fuzz_limits };
}

#endif
