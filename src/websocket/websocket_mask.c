/* SPDX-License-Identifier: Apache-2.0 */
#include "websocket_mask.h"

/* The compiler makes of it what the processor has: two registers with AVX, four with SSE or NEON. */
typedef uint8_t wide __attribute__((vector_size(32)));

void hf_websocket_mask(uint8_t *to, const uint8_t *from, size_t n, const uint8_t key[4], uint64_t phase)
{
    uint8_t turned[32];
    wide keys;
    size_t i = 0;
    for (size_t k = 0; k < sizeof turned; k++)
        turned[k] = key[(phase + k) & 3];
    memcpy(&keys, turned, sizeof keys);
    for (; n - i >= 2 * sizeof keys; i += 2 * sizeof keys) {
        wide a, b;
        memcpy(&a, from + i, sizeof a);
        memcpy(&b, from + i + sizeof a, sizeof b);
        a ^= keys;
        b ^= keys;
        memcpy(to + i, &a, sizeof a);
        memcpy(to + i + sizeof a, &b, sizeof b);
    }
    for (; n - i >= 8; i += 8) {
        uint64_t word, eight;
        memcpy(&word, from + i, sizeof word);
        memcpy(&eight, turned, sizeof eight);
        word ^= eight;
        memcpy(to + i, &word, sizeof word);
    }
    for (; i < n; i++)
        to[i] = from[i] ^ turned[i & 3];
}
