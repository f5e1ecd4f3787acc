/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: what kind they are, and as text (RFC 4291 2.2 read, RFC 5952 written).
 */
#include <handfast/net.h>

#include "net_bytes.h"
#include "text.h"

bool hf_ip_is4(const hf_ip *ip)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    return memcmp(ip->bytes, mapped, 12) == 0;
}

bool hf_ip_is_any(const hf_ip *ip)
{
    static const uint8_t zero[16];
    const size_t skip = hf_ip_is4(ip) ? 12 : 0;
    return memcmp(ip->bytes + skip, zero, 16 - skip) == 0;
}

bool hf_ip_is_multicast(const hf_ip *ip)
{
    if (!hf_ip_is4(ip))
        return ip->bytes[0] == 0xff;
    static const uint8_t all[4] = { 255, 255, 255, 255 };
    return (ip->bytes[12] & 0xf0) == 0xe0 || memcmp(ip->bytes + 12, all, 4) == 0;
}

bool hf_ip_is_loopback(const hf_ip *ip)
{
    static const uint8_t one[16] = { [15] = 1 };
    return hf_ip_is4(ip) ? ip->bytes[12] == 127 : memcmp(ip->bytes, one, 16) == 0;
}

/* RFC 5952 4.2: the longest run of two or more zero groups, the first of equals, becomes "::". */
static unsigned longest_run(const hf_ip *ip, unsigned *length)
{
    unsigned best = 8, best_length = 1;
    for (unsigned at = 0; at < 8;) {
        unsigned end = at;
        while (end < 8 && hf_get16(ip->bytes + 2 * end) == 0)
            end++;
        if (end - at > best_length) {
            best = at;
            best_length = end - at;
        }
        at = end + 1;
    }
    *length = best < 8 ? best_length : 0;
    return best;
}

size_t hf_ip_print(const hf_ip *ip, char text[HF_IP_TEXT])
{
    hf_writer w = hf_writer_make(text, HF_IP_TEXT - 1);
    if (hf_ip_is4(ip)) {
        for (unsigned i = 12; i < 16; i++) {
            if (i > 12)
                hf_write_byte(&w, '.');
            hf_write_decimal(&w, ip->bytes[i]);
        }
    } else {
        unsigned run_length;
        const unsigned run = longest_run(ip, &run_length);
        for (unsigned i = 0; i < 8; i++) {
            if (i == run) {
                hf_write_text(&w, "::");
                i += run_length - 1;
                continue;
            }
            if (i > 0 && i != run + run_length)
                hf_write_byte(&w, ':');
            hf_write_hex(&w, hf_get16(ip->bytes + 2 * i));
        }
    }
    text[w.length] = 0;
    return w.length;
}

static bool parse4(hf_bytes text, uint8_t to[4])
{
    for (unsigned i = 0; i < 4; i++) {
        hf_bytes part;
        uint64_t n;
        if (!hf_split(&text, '.', &part) || part.len > 3 || (part.len > 1 && part.ptr[0] == '0') || !hf_parse_decimal(part, &n) || n > 255)
            return false;
        to[i] = (uint8_t)n;
    }
    return text.ptr == NULL;
}

static bool parse_group(hf_bytes part, uint8_t to[2])
{
    uint32_t n = 0;
    if (part.len == 0 || part.len > 4)
        return false;
    for (size_t i = 0; i < part.len; i++) {
        const int digit = hf_hex_digit(part.ptr[i]);
        if (digit < 0)
            return false;
        n = n << 4 | (uint32_t)digit;
    }
    hf_set16(to, n);
    return true;
}

/* Groups up to "::" or the end; the bytes written, or -1. The last may be dotted. */
static int parse_groups(hf_bytes text, uint8_t to[16])
{
    int length = 0;
    if (text.len == 0)
        return 0;
    hf_bytes part;
    while (hf_split(&text, ':', &part)) {
        if (text.ptr == NULL && memchr(part.ptr, '.', part.len) != NULL) {
            if (length > 12 || !parse4(part, to + length))
                return -1;
            return length + 4;
        }
        if (length > 14 || !parse_group(part, to + length))
            return -1;
        length += 2;
    }
    return length;
}

bool hf_ip_parse(hf_bytes text, hf_ip *ip)
{
    hf_ip found = { { 0 } };
    if (text.len == 0 || text.len >= HF_IP_TEXT)
        return false;
    if (memchr(text.ptr, ':', text.len) == NULL) {
        uint8_t four[4];
        if (!parse4(text, four))
            return false;
        *ip = hf_ip_make4(four[0], four[1], four[2], four[3]);
        return true;
    }
    size_t gap = 0;
    while (gap + 1 < text.len && !(text.ptr[gap] == ':' && text.ptr[gap + 1] == ':'))
        gap++;
    if (gap + 1 >= text.len) {
        if (parse_groups(text, found.bytes) != 16)
            return false;
    } else {
        uint8_t tail[16] = { 0 };
        const int before = parse_groups(hf_bytes_make(text.ptr, gap), found.bytes);
        const int after = parse_groups(hf_bytes_make(text.ptr + gap + 2, text.len - gap - 2), tail);
        if (before < 0 || after < 0 || before + after > 14)
            return false;
        memcpy(found.bytes + 16 - after, tail, (size_t)after);
    }
    *ip = found;
    return true;
}
