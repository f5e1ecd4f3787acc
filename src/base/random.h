/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded randomness (xoshiro256**, seeded by splitmix64). The same seed gives the same run. Not for secrets.
 */
#ifndef HF_BASE_RANDOM_H
#define HF_BASE_RANDOM_H

#include <handfast/base.h>

void hf_random_seed(hf_random *r, uint64_t seed);
uint64_t hf_random_next(hf_random *r);
/* Uniform in [0, bound), without bias; bound > 0. */
uint64_t hf_random_below(hf_random *r, uint64_t bound);
/* True `parts` times in a million. */
bool hf_random_chance(hf_random *r, uint32_t parts);

#endif
