/* SPDX-License-Identifier: Apache-2.0
 *
 * The Huffman code of RFC 7541, appendix B, both ways. The code is canonical: within one length the codes are
 * consecutive and in the order of their symbols. So a byte of look-ahead finds every code of up to eight bits (letters,
 * digits and most punctuation) in one table, and a longer code is found by comparing with the last code of each length.
 */
#include "huffman.h"

static const uint32_t codes[256] = {
    0x1ff8, 0x7fffd8, 0xfffffe2, 0xfffffe3, 0xfffffe4, 0xfffffe5, 0xfffffe6, 0xfffffe7, 0xfffffe8, 0xffffea,
    0x3ffffffc, 0xfffffe9, 0xfffffea, 0x3ffffffd, 0xfffffeb, 0xfffffec, 0xfffffed, 0xfffffee, 0xfffffef, 0xffffff0,
    0xffffff1, 0xffffff2, 0x3ffffffe, 0xffffff3, 0xffffff4, 0xffffff5, 0xffffff6, 0xffffff7, 0xffffff8, 0xffffff9,
    0xffffffa, 0xffffffb, 0x14, 0x3f8, 0x3f9, 0xffa, 0x1ff9, 0x15, 0xf8, 0x7fa,
    0x3fa, 0x3fb, 0xf9, 0x7fb, 0xfa, 0x16, 0x17, 0x18, 0x0, 0x1,
    0x2, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x5c, 0xfb,
    0x7ffc, 0x20, 0xffb, 0x3fc, 0x1ffa, 0x21, 0x5d, 0x5e, 0x5f, 0x60,
    0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a,
    0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0xfc, 0x73,
    0xfd, 0x1ffb, 0x7fff0, 0x1ffc, 0x3ffc, 0x22, 0x7ffd, 0x3, 0x23, 0x4,
    0x24, 0x5, 0x25, 0x26, 0x27, 0x6, 0x74, 0x75, 0x28, 0x29,
    0x2a, 0x7, 0x2b, 0x76, 0x2c, 0x8, 0x9, 0x2d, 0x77, 0x78,
    0x79, 0x7a, 0x7b, 0x7ffe, 0x7fc, 0x3ffd, 0x1ffd, 0xffffffc, 0xfffe6, 0x3fffd2,
    0xfffe7, 0xfffe8, 0x3fffd3, 0x3fffd4, 0x3fffd5, 0x7fffd9, 0x3fffd6, 0x7fffda, 0x7fffdb, 0x7fffdc,
    0x7fffdd, 0x7fffde, 0xffffeb, 0x7fffdf, 0xffffec, 0xffffed, 0x3fffd7, 0x7fffe0, 0xffffee, 0x7fffe1,
    0x7fffe2, 0x7fffe3, 0x7fffe4, 0x1fffdc, 0x3fffd8, 0x7fffe5, 0x3fffd9, 0x7fffe6, 0x7fffe7, 0xffffef,
    0x3fffda, 0x1fffdd, 0xfffe9, 0x3fffdb, 0x3fffdc, 0x7fffe8, 0x7fffe9, 0x1fffde, 0x7fffea, 0x3fffdd,
    0x3fffde, 0xfffff0, 0x1fffdf, 0x3fffdf, 0x7fffeb, 0x7fffec, 0x1fffe0, 0x1fffe1, 0x3fffe0, 0x1fffe2,
    0x7fffed, 0x3fffe1, 0x7fffee, 0x7fffef, 0xfffea, 0x3fffe2, 0x3fffe3, 0x3fffe4, 0x7ffff0, 0x3fffe5,
    0x3fffe6, 0x7ffff1, 0x3ffffe0, 0x3ffffe1, 0xfffeb, 0x7fff1, 0x3fffe7, 0x7ffff2, 0x3fffe8, 0x1ffffec,
    0x3ffffe2, 0x3ffffe3, 0x3ffffe4, 0x7ffffde, 0x7ffffdf, 0x3ffffe5, 0xfffff1, 0x1ffffed, 0x7fff2, 0x1fffe3,
    0x3ffffe6, 0x7ffffe0, 0x7ffffe1, 0x3ffffe7, 0x7ffffe2, 0xfffff2, 0x1fffe4, 0x1fffe5, 0x3ffffe8, 0x3ffffe9,
    0xffffffd, 0x7ffffe3, 0x7ffffe4, 0x7ffffe5, 0xfffec, 0xfffff3, 0xfffed, 0x1fffe6, 0x3fffe9, 0x1fffe7,
    0x1fffe8, 0x7ffff3, 0x3fffea, 0x3fffeb, 0x1ffffee, 0x1ffffef, 0xfffff4, 0xfffff5, 0x3ffffea, 0x7ffff4,
    0x3ffffeb, 0x7ffffe6, 0x3ffffec, 0x3ffffed, 0x7ffffe7, 0x7ffffe8, 0x7ffffe9, 0x7ffffea, 0x7ffffeb, 0xffffffe,
    0x7ffffec, 0x7ffffed, 0x7ffffee, 0x7ffffef, 0x7fffff0, 0x3ffffee,
};

static const uint8_t lengths[256] = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28,
    28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8,
    15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23,
    23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21,
    23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21,
    26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
};

/* By the next eight bits: length << 8 | symbol, 0 when the code is longer. */
static const uint16_t quick[256] = {
    0x530, 0x530, 0x530, 0x530, 0x530, 0x530, 0x530, 0x530, 0x531, 0x531, 0x531, 0x531, 0x531, 0x531, 0x531, 0x531,
    0x532, 0x532, 0x532, 0x532, 0x532, 0x532, 0x532, 0x532, 0x561, 0x561, 0x561, 0x561, 0x561, 0x561, 0x561, 0x561,
    0x563, 0x563, 0x563, 0x563, 0x563, 0x563, 0x563, 0x563, 0x565, 0x565, 0x565, 0x565, 0x565, 0x565, 0x565, 0x565,
    0x569, 0x569, 0x569, 0x569, 0x569, 0x569, 0x569, 0x569, 0x56f, 0x56f, 0x56f, 0x56f, 0x56f, 0x56f, 0x56f, 0x56f,
    0x573, 0x573, 0x573, 0x573, 0x573, 0x573, 0x573, 0x573, 0x574, 0x574, 0x574, 0x574, 0x574, 0x574, 0x574, 0x574,
    0x620, 0x620, 0x620, 0x620, 0x625, 0x625, 0x625, 0x625, 0x62d, 0x62d, 0x62d, 0x62d, 0x62e, 0x62e, 0x62e, 0x62e,
    0x62f, 0x62f, 0x62f, 0x62f, 0x633, 0x633, 0x633, 0x633, 0x634, 0x634, 0x634, 0x634, 0x635, 0x635, 0x635, 0x635,
    0x636, 0x636, 0x636, 0x636, 0x637, 0x637, 0x637, 0x637, 0x638, 0x638, 0x638, 0x638, 0x639, 0x639, 0x639, 0x639,
    0x63d, 0x63d, 0x63d, 0x63d, 0x641, 0x641, 0x641, 0x641, 0x65f, 0x65f, 0x65f, 0x65f, 0x662, 0x662, 0x662, 0x662,
    0x664, 0x664, 0x664, 0x664, 0x666, 0x666, 0x666, 0x666, 0x667, 0x667, 0x667, 0x667, 0x668, 0x668, 0x668, 0x668,
    0x66c, 0x66c, 0x66c, 0x66c, 0x66d, 0x66d, 0x66d, 0x66d, 0x66e, 0x66e, 0x66e, 0x66e, 0x670, 0x670, 0x670, 0x670,
    0x672, 0x672, 0x672, 0x672, 0x675, 0x675, 0x675, 0x675, 0x73a, 0x73a, 0x742, 0x742, 0x743, 0x743, 0x744, 0x744,
    0x745, 0x745, 0x746, 0x746, 0x747, 0x747, 0x748, 0x748, 0x749, 0x749, 0x74a, 0x74a, 0x74b, 0x74b, 0x74c, 0x74c,
    0x74d, 0x74d, 0x74e, 0x74e, 0x74f, 0x74f, 0x750, 0x750, 0x751, 0x751, 0x752, 0x752, 0x753, 0x753, 0x754, 0x754,
    0x755, 0x755, 0x756, 0x756, 0x757, 0x757, 0x759, 0x759, 0x76a, 0x76a, 0x76b, 0x76b, 0x771, 0x771, 0x776, 0x776,
    0x777, 0x777, 0x778, 0x778, 0x779, 0x779, 0x77a, 0x77a, 0x826, 0x82a, 0x82c, 0x83b, 0x858, 0x85a, 0x0, 0x0,
};

/* The codes that are longer than eight bits, by length. */
typedef struct rank {
    uint32_t last;  /* the last code of this length, followed by ones */
    uint32_t first; /* the first code of this length */
    uint8_t base;   /* its place in `symbols` */
    uint8_t length;
} rank;

static const rank ranks[] = {
    { 0xff3fffff, 0x3f8, 0, 10 },
    { 0xff9fffff, 0x7fa, 5, 11 },
    { 0xffbfffff, 0xffa, 8, 12 },
    { 0xffefffff, 0x1ff8, 10, 13 },
    { 0xfff7ffff, 0x3ffc, 16, 14 },
    { 0xfffdffff, 0x7ffc, 18, 15 },
    { 0xfffe5fff, 0x7fff0, 21, 19 },
    { 0xfffedfff, 0xfffe6, 24, 20 },
    { 0xffff47ff, 0x1fffdc, 32, 21 },
    { 0xffffafff, 0x3fffd2, 45, 22 },
    { 0xffffe9ff, 0x7fffd8, 71, 23 },
    { 0xfffff5ff, 0xffffea, 100, 24 },
    { 0xfffff7ff, 0x1ffffec, 112, 25 },
    { 0xfffffbbf, 0x3ffffe0, 116, 26 },
    { 0xfffffe1f, 0x7ffffde, 131, 27 },
    { 0xffffffef, 0xfffffe2, 150, 28 },
    { 0xffffffff, 0x3ffffffc, 179, 30 },
};

/* 30 ones are EOS, which is no symbol: RFC 7541 5.2 forbids it in a string. */
enum { EOS_PLACE = 182 };
static const uint8_t symbols[EOS_PLACE] = {
    33, 34, 40, 41, 63, 39, 43, 124, 35, 62, 0, 36, 64, 91, 93, 126, 94, 125, 60, 96, 123, 92, 195, 208,
    128, 130, 131, 162, 184, 194, 224, 226, 153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133,
    134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1,
    135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188,
    191, 197, 231, 239, 9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201,
    202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247,
    248, 250, 251, 252, 253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23,
    24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249, 10, 13, 22,
};

/* ---- decoding ----------------------------------------------------------------------------------------------- */

static uint64_t load_be64(const uint8_t *p)
{
    uint64_t n;
    memcpy(&n, p, sizeof n);
    return __builtin_bswap64(n);
}

/* The symbol whose code stands at the front of `bits`, and its length; -1 for EOS. */
static int find_long(uint32_t bits, unsigned *length)
{
    const rank *r = ranks;
    while (bits > r->last)
        r++;
    *length = r->length;
    const uint32_t place = r->base + ((bits >> (32 - r->length)) - r->first);
    return place < EOS_PLACE ? symbols[place] : -1;
}

/* The bits read ahead stand at the top of `held`; zeros follow them. */
typedef struct ahead {
    uint64_t held;
    unsigned count;
    const uint8_t *next, *end;
} ahead;

static void drop(ahead *a, unsigned n)
{
    a->held <<= n;
    a->count -= n;
}

/* The next short code; false when it is a longer one. */
static inline bool decode_short(ahead *a, uint8_t **to)
{
    const uint16_t q = quick[a->held >> 56];
    if (q == 0)
        return false;
    *(*to)++ = (uint8_t)q;
    drop(a, q >> 8);
    return true;
}

/* While eight bytes can be loaded at once: after each load at least 56 bits are there, which is seven short codes, or one
 * of any length. */
static bool decode_most(ahead *a, uint8_t **to)
{
    uint8_t *out = *to;
    while (a->end - a->next >= 8) {
        a->held |= load_be64(a->next) >> a->count;
        a->next += (63 - a->count) >> 3;
        a->count |= 56;
        if (decode_short(a, &out) && decode_short(a, &out) && decode_short(a, &out) && decode_short(a, &out) &&
            decode_short(a, &out) && decode_short(a, &out) && decode_short(a, &out))
            continue;
        unsigned length;
        if (a->count < 30)
            continue;
        const int symbol = find_long((uint32_t)(a->held >> 32), &length);
        if (symbol < 0)
            return false;
        *out++ = (uint8_t)symbol;
        drop(a, length);
    }
    *to = out;
    return true;
}

/* RFC 7541 5.2: "A padding strictly longer than 7 bits MUST be treated as a decoding error. A padding not corresponding
 * to the most significant bits of the code for the EOS symbol MUST be treated as a decoding error." */
static bool is_padding(const ahead *a)
{
    return a->count < 8 && (a->count == 0 || ~a->held >> (64 - a->count) == 0);
}

static bool decode_rest(ahead *a, uint8_t **to)
{
    uint8_t *out = *to;
    for (;;) {
        while (a->count <= 56 && a->next < a->end) {
            a->held |= (uint64_t)*a->next++ << (56 - a->count);
            a->count += 8;
        }
        const uint16_t q = quick[a->held >> 56];
        unsigned length = q >> 8;
        const int symbol = q != 0 ? (uint8_t)q : find_long((uint32_t)(a->held >> 32), &length);
        if (length > a->count) {
            *to = out;
            return is_padding(a);
        }
        if (symbol < 0)
            return false;
        *out++ = (uint8_t)symbol;
        drop(a, length);
    }
}

bool hf_huffman_decode(hf_bytes code, uint8_t *to, size_t *length)
{
    ahead a = { .next = code.ptr, .end = code.ptr + code.len };
    uint8_t *out = to;
    if (code.len > 0 && (!decode_most(&a, &out) || !decode_rest(&a, &out)))
        return false;
    *length = (size_t)(out - to);
    return true;
}

/* ---- encoding ----------------------------------------------------------------------------------------------- */

size_t hf_huffman_length(hf_bytes text)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < text.len; i++)
        bits += lengths[text.ptr[i]];
    return (size_t)((bits + 7) / 8);
}

size_t hf_huffman_encode(hf_bytes text, uint8_t *to)
{
    uint64_t held = 0; /* at the bottom: bits that have not left */
    unsigned count = 0;
    uint8_t *out = to;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t symbol = text.ptr[i];
        held = held << lengths[symbol] | codes[symbol];
        count += lengths[symbol];
        if (count >= 32) {
            count -= 32;
            const uint32_t word = __builtin_bswap32((uint32_t)(held >> count));
            memcpy(out, &word, sizeof word);
            out += sizeof word;
        }
    }
    for (; count >= 8; count -= 8)
        *out++ = (uint8_t)(held >> (count - 8));
    if (count > 0)
        *out++ = (uint8_t)(held << (8 - count) | 0xffu >> count);
    return (size_t)(out - to);
}
