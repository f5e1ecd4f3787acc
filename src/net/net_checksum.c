/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 1071: the sum is the same in any byte order, so it is taken in the machine's own, eight bytes at a time.
 */
#include <handfast/net.h>

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint16_t swap(uint16_t n)
{
    return (uint16_t)(n << 8 | n >> 8);
}

/* Whether the first byte in memory is a word's high one. */
static bool machine_is_big(void)
{
    const uint16_t probe = 1;
    uint8_t first;
    memcpy(&first, &probe, 1);
    return first == 0;
}

static uint64_t sum_words(const uint8_t *p, size_t n)
{
    uint64_t low = 0, high = 0;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t eight;
        memcpy(&eight, p, 8);
        low += eight & 0xffffffff;
        high += eight >> 32;
    }
    for (; n >= 2; p += 2, n -= 2) {
        uint16_t two;
        memcpy(&two, p, 2);
        low += two;
    }
    if (n > 0) {
        uint8_t last[2] = { p[0], 0 };
        uint16_t two;
        memcpy(&two, last, 2);
        low += two;
    }
    return low + high;
}

void hf_checksum_add(hf_checksum *c, hf_bytes b)
{
    const uint16_t part = fold(sum_words(b.ptr, b.len));
    c->sum += c->odd ? swap(part) : part;
    c->odd ^= (b.len & 1) != 0;
}

void hf_checksum_pseudo(hf_checksum *c, const hf_ip *source, const hf_ip *destination, uint8_t protocol, uint32_t length)
{
    const size_t skip = hf_ip_is4(destination) ? 12 : 0;
    hf_checksum_add(c, hf_bytes_make(source->bytes + skip, 16 - skip));
    hf_checksum_add(c, hf_bytes_make(destination->bytes + skip, 16 - skip));
    const uint8_t rest[8] = { (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, 0, 0, 0, protocol };
    hf_checksum_add(c, hf_bytes_make(rest, sizeof rest));
}

uint16_t hf_checksum_value(const hf_checksum *c)
{
    const uint16_t sum = (uint16_t)~fold(c->sum);
    return machine_is_big() ? sum : swap(sum);
}
