/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 4648. One text for one value and one value for one text: what two decoders could read differently is refused.
 */
#include "base64.h"

static const char alphabets[2][65] = {
    [HF_BASE64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [HF_BASE64URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t hf_base64_length(hf_base64_kind kind, size_t n)
{
    const size_t whole = n / 3 * 4, left = n % 3;
    if (left == 0)
        return whole;
    return whole + (kind == HF_BASE64 ? 4 : left + 1);
}

/* Up to three bytes as four characters. */
static void write_group(hf_writer *w, hf_base64_kind kind, const uint8_t *from, size_t n)
{
    const char *alphabet = alphabets[kind];
    const uint32_t bits = (uint32_t)from[0] << 16 | (n > 1 ? (uint32_t)from[1] << 8 : 0) | (n > 2 ? from[2] : 0u);
    uint8_t group[4] = { '=', '=', '=', '=' };
    for (unsigned i = 0; i <= n; i++)
        group[i] = (uint8_t)alphabet[bits >> (18 - 6 * i) & 63];
    hf_write(w, hf_bytes_make(group, kind == HF_BASE64 ? 4 : n + 1));
}

void hf_base64_write(hf_writer *w, hf_base64_kind kind, hf_bytes b)
{
    /* Part of it would be the text of another value: all or nothing. */
    if (b.len > SIZE_MAX / 2 || hf_base64_length(kind, b.len) > w->capacity - w->length) {
        w->overflowed = true;
        return;
    }
    for (size_t at = 0; at < b.len; at += 3)
        write_group(w, kind, b.ptr + at, b.len - at < 3 ? b.len - at : 3);
}

/* One more than the six bits that a byte stands for; 0: it is foreign. */
#define LETTERS \
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10, \
    ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, \
    ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, \
    ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, \
    ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, \
    ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, \
    ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62
static const uint8_t values[2][256] = {
    [HF_BASE64] = { LETTERS, ['+'] = 63, ['/'] = 64 },
    [HF_BASE64URL] = { LETTERS, ['-'] = 63, ['_'] = 64 },
};

/* Four characters into three bytes. 3.3: "Implementations MUST reject the encoded data if it contains characters outside". */
static bool parse_whole(const uint8_t *value, const uint8_t *from, uint8_t *to)
{
    const uint32_t a = value[from[0]], b = value[from[1]], c = value[from[2]], d = value[from[3]];
    const uint32_t bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
    to[0] = (uint8_t)(bits >> 16);
    to[1] = (uint8_t)(bits >> 8);
    to[2] = (uint8_t)bits;
    return a != 0 && b != 0 && c != 0 && d != 0;
}

/* The last two or three characters into one or two bytes. 3.5: "decoders MAY choose to reject an encoding if the pad bits
 * have not been set to zero". */
static bool parse_rest(const uint8_t *value, const uint8_t *from, size_t n, uint8_t *to)
{
    const uint8_t zero = 'A';
    const uint8_t group[4] = { from[0], from[1], n > 2 ? from[2] : zero, zero };
    uint8_t bytes[3];
    if (!parse_whole(value, group, bytes) || bytes[n - 1] != 0)
        return false;
    memcpy(to, bytes, n - 1);
    return true;
}

/* Takes the padding off; false when there is too much or too little of it. */
static bool unpad(hf_base64_kind kind, hf_bytes *text)
{
    if (kind == HF_BASE64URL)
        return text->len % 4 != 1; /* an '=' is a foreign byte there: it is found */
    if (text->len % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text->len > 0 && text->ptr[text->len - 1] == '='; i++)
        text->len--;
    return true;
}

hf_err hf_base64_parse(hf_writer *w, hf_base64_kind kind, hf_bytes text)
{
    if (!unpad(kind, &text))
        return hf_err_make(HF_ERR_BASE_ENCODING);
    const size_t left = text.len % 4, n = text.len / 4 * 3 + (left > 0 ? left - 1 : 0);
    if (n > w->capacity - w->length) {
        w->overflowed = true;
        return hf_err_make(HF_ERR_BASE_LIMIT);
    }
    if (n == 0)
        return HF_OK;
    bool good = true;
    uint8_t *to = w->ptr + w->length;
    size_t at = 0;
    for (; good && at + 4 <= text.len; at += 4, to += 3)
        good = parse_whole(values[kind], text.ptr + at, to);
    if (good && left > 0)
        good = parse_rest(values[kind], text.ptr + at, left, to);
    if (!good)
        return hf_err_make(HF_ERR_BASE_ENCODING); /* nothing of a refused text stays */
    w->length += n;
    return HF_OK;
}
