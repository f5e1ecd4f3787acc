/* SPDX-License-Identifier: Apache-2.0 */
#include "websocket_mask.h"

/* The compiler makes of it what the processor has: two registers with AVX, four with SSE or NEON. */
typedef uint64_t wide __attribute__((vector_size(32)));

/* The key as it falls on the bytes from `phase` on. */
static uint32_t turn(const uint8_t key[4], uint64_t phase)
{
    const unsigned bits = 8 * (unsigned)(phase & 3);
    uint32_t four;
    memcpy(&four, key, sizeof four);
    if (bits == 0)
        return four;
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? four >> bits | four << (32 - bits) : four << bits | four >> (32 - bits);
}

void hf_websocket_mask(uint8_t *to, const uint8_t *from, size_t n, const uint8_t key[4], uint64_t phase)
{
    const uint32_t four = turn(key, phase);
    const uint64_t eight = (uint64_t)four << 32 | four;
    const wide keys = { eight, eight, eight, eight };
    uint8_t turned[4];
    size_t i = 0;
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
        uint64_t word;
        memcpy(&word, from + i, sizeof word);
        word ^= eight;
        memcpy(to + i, &word, sizeof word);
    }
    memcpy(turned, &four, sizeof turned);
    for (; i < n; i++)
        to[i] = from[i] ^ turned[i & 3];
}
