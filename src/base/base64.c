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

/* The six bits that `c` stands for, or -1. */
static int value(hf_base64_kind kind, uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (uint8_t)alphabets[kind][62])
        return 62;
    return c == (uint8_t)alphabets[kind][63] ? 63 : -1;
}

/* `n` (2 to 4) characters into n - 1 bytes. */
static bool parse_group(hf_writer *w, hf_base64_kind kind, const uint8_t *from, size_t n)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        const int six = i < n ? value(kind, from[i]) : 0;
        if (six < 0)
            return false; /* 3.3: "Implementations MUST reject the encoded data if it contains characters outside" */
        bits = bits << 6 | (uint32_t)six;
    }
    if ((bits & (n == 2 ? 0xffffu : n == 3 ? 0xffu : 0u)) != 0)
        return false; /* 3.5: "decoders MAY choose to reject an encoding if the pad bits have not been set to zero" */
    const uint8_t bytes[3] = { (uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits };
    hf_write(w, hf_bytes_make(bytes, n - 1));
    return true;
}

/* Takes the padding off; false when there is too much or too little of it. */
static bool unpad(hf_base64_kind kind, hf_bytes *text)
{
    if (kind == HF_BASE64URL)
        return text->len % 4 != 1; /* an '=' is a foreign byte there: parse_group finds it */
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
    const size_t left = text.len % 4;
    if (text.len / 4 * 3 + (left > 0 ? left - 1 : 0) > w->capacity - w->length) {
        w->overflowed = true;
        return hf_err_make(HF_ERR_BASE_LIMIT);
    }
    const size_t start = w->length;
    for (size_t at = 0; at < text.len; at += 4) {
        if (!parse_group(w, kind, text.ptr + at, text.len - at < 4 ? text.len - at : 4)) {
            w->length = start; /* nothing of a refused text stays */
            return hf_err_make(HF_ERR_BASE_ENCODING);
        }
    }
    return HF_OK;
}
