/* SPDX-License-Identifier: Apache-2.0
 *
 * Three gaits: 32 bytes of ASCII at a time; whole characters, while there is enough to see one whole; and byte by byte at
 * the seams.
 */
#include "websocket_utf8.h"

typedef uint64_t wide __attribute__((vector_size(32)));

/* Bytes of ASCII at the front, in steps of 32. */
static size_t skip_ascii(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; n - i >= sizeof(wide); i += sizeof(wide)) {
        wide v;
        memcpy(&v, p + i, sizeof v);
        if (((v[0] | v[1] | v[2] | v[3]) & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return i;
}

/* RFC 3629 4: UTF8-2, UTF8-3, UTF8-4. What follows the first byte. False: nothing begins so. */
static bool open_character(hf_utf8 *u, uint8_t first)
{
    u->low = 0x80;
    u->high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        u->left = 1;
    } else if ((first & 0xf0) == 0xe0) {
        u->left = 2;
        u->low = first == 0xe0 ? 0xa0 : 0x80;  /* shorter forms exist */
        u->high = first == 0xed ? 0x9f : 0xbf; /* surrogates are no characters */
    } else if (first >= 0xf0 && first <= 0xf4) {
        u->left = 3;
        u->low = first == 0xf0 ? 0x90 : 0x80;
        u->high = first == 0xf4 ? 0x8f : 0xbf; /* U+10FFFF is the last */
    } else {
        return false;
    }
    return true;
}

static bool is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length of the good character in the four bytes at p; 0: byte by byte will find out. */
static size_t whole_character(const uint8_t *p)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return is_tail(p[1]) ? 2 : 0;
    if ((p[0] & 0xf0) == 0xe0) {
        const uint32_t c = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6;
        return is_tail(p[1]) && is_tail(p[2]) && c >= 0x800 && (c & 0xf800) != 0xd800 ? 3 : 0;
    }
    const uint32_t c = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12;
    return (p[0] & 0xf8) == 0xf0 && is_tail(p[1]) && is_tail(p[2]) && is_tail(p[3]) && c >= 0x10000 && c <= 0x10ffff ? 4 : 0;
}

static bool one_byte(hf_utf8 *u, uint8_t byte)
{
    if (u->left == 0)
        return byte < 0x80 || open_character(u, byte);
    if (byte < u->low || byte > u->high)
        return false;
    u->left--;
    u->low = 0x80;
    u->high = 0xbf;
    return true;
}

size_t hf_utf8_check(hf_utf8 *u, const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t length = 0;
        if (u->left == 0) {
            i += skip_ascii(p + i, n - i);
            while (n - i >= 4 && (length = whole_character(p + i)) > 0) {
                i += length;
                if (length == 1 && n - i >= sizeof(wide))
                    i += skip_ascii(p + i, n - i);
            }
            if (i == n)
                break;
        }
        if (!one_byte(u, p[i]))
            return i;
        i++;
    }
    return n;
}
