/* SPDX-License-Identifier: Apache-2.0 */
#include "prefix_int.h"

#include "panic.h"

hf_prefix_int hf_prefix_int_parse(const uint8_t **cursor, const uint8_t *end, unsigned bits, uint64_t *value)
{
    const uint8_t *p = *cursor;
    if (p == end)
        return HF_PREFIX_MORE;
    const uint64_t most = (1u << bits) - 1;
    uint64_t n = *p++ & most;
    if (n == most)
        for (unsigned shift = 0;; shift += 7) {
            if (shift > 63)
                return HF_PREFIX_BAD;
            if (p == end)
                return HF_PREFIX_MORE;
            const uint64_t part = *p & 0x7f;
            /* compared before it is added: nothing wraps */
            if (part > 0 && (shift > 56 || part << shift > HF_PREFIX_INT_MAX - n))
                return HF_PREFIX_BAD;
            n += shift > 56 ? 0 : part << shift;
            if ((*p++ & 0x80) == 0)
                break;
        }
    *value = n;
    *cursor = p;
    return HF_PREFIX_GOOD;
}

size_t hf_prefix_int_write(uint8_t *to, unsigned bits, uint8_t flags, uint64_t value)
{
    HF_ASSERT(value <= HF_PREFIX_INT_MAX);
    const uint64_t most = (1u << bits) - 1;
    if (value < most) {
        to[0] = (uint8_t)(flags | value);
        return 1;
    }
    size_t n = 0;
    to[n++] = (uint8_t)(flags | most);
    for (value -= most; value >= 0x80; value >>= 7)
        to[n++] = (uint8_t)(0x80 | (value & 0x7f));
    to[n++] = (uint8_t)value;
    return n;
}
