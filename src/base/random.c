/* SPDX-License-Identifier: Apache-2.0
 *
 * xoshiro256** by Blackman and Vigna, seeded by splitmix64 as its authors advise: neighbouring seeds give unrelated
 * runs, and the all-zero state, from which xoshiro never leaves, cannot come up.
 */
#include "random.h"

#include "panic.h"

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

void hf_random_seed(hf_random *r, uint64_t seed)
{
    for (size_t i = 0; i < HF_COUNT(r->s); i++)
        r->s[i] = splitmix64(&seed);
}

uint64_t hf_random_next(hf_random *r)
{
    uint64_t *s = r->s;
    const uint64_t result = rotate(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t hf_random_below(hf_random *r, uint64_t bound)
{
    HF_ASSERT(bound > 0);
    /* 2^64 mod bound: dropping that many of the lowest values leaves a whole number of rounds of `bound`. */
    const uint64_t uneven = (0 - bound) % bound;
    uint64_t n;
    do
        n = hf_random_next(r);
    while (n < uneven);
    return n % bound;
}

bool hf_random_chance(hf_random *r, uint32_t parts)
{
    return hf_random_below(r, 1000000) < parts;
}
