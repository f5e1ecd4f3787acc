/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers, escapes and small parsers, without locale and without the C library's formatting.
 */
#include "text.h"

void hf_write_text(hf_writer *w, const char *text)
{
    hf_write(w, hf_text(text));
}

void hf_write_byte(hf_writer *w, uint8_t byte)
{
    hf_write(w, hf_bytes_make(&byte, 1));
}

void hf_write_decimal(hf_writer *w, uint64_t n)
{
    size_t digits = 1;
    for (uint64_t power = 10; digits < 20 && n >= power; power *= 10) /* 2^64 - 1 has 20 digits */
        digits++;
    if (digits > w->capacity - w->length) {
        w->overflowed = true; /* part of a number is another number: all or nothing */
        return;
    }
    w->length += digits;
    uint8_t *at = w->ptr + w->length;
    for (; digits > 0; digits--, n /= 10)
        *--at = (uint8_t)('0' + n % 10);
}

void hf_write_padded(hf_writer *w, uint64_t n, unsigned digits)
{
    uint8_t text[20]; /* 2^64 - 1 has 20 digits */
    size_t at = sizeof text;
    do {
        text[--at] = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    const size_t length = sizeof text - at;
    const size_t zeros = digits > length ? digits - length : 0;
    if (zeros + length > w->capacity - w->length) {
        w->overflowed = true; /* part of a number is another number: all or nothing */
        return;
    }
    for (size_t i = 0; i < zeros; i++)
        hf_write_byte(w, '0');
    hf_write(w, hf_bytes_make(text + at, length));
}

void hf_write_hex(hf_writer *w, uint64_t n)
{
    uint8_t text[16];
    size_t at = sizeof text;
    do {
        text[--at] = (uint8_t)"0123456789abcdef"[n % 16];
        n /= 16;
    } while (n > 0);
    hf_write(w, hf_bytes_make(text + at, sizeof text - at));
}

/* How many bytes follow the lead byte `c` (0: `c` leads nothing), and between what the first of them lies. This is
 * table 3-7 of the Unicode standard: the narrower bounds shut out overlong forms, surrogates, and what is above
 * U+10FFFF. */
static size_t utf8_follow(uint8_t c, uint8_t *low, uint8_t *high)
{
    *low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    *high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (c >= 0xc2 && c <= 0xdf)
        return 1;
    if (c >= 0xe0 && c <= 0xef)
        return 2;
    if (c >= 0xf0 && c <= 0xf4)
        return 3;
    return 0;
}

/* The length of the character that begins `b` (not empty). When there is none, *valid is false and the length is that
 * of the longest beginning of one, which a single U+FFFD replaces, as the Unicode standard advises (3.9). */
static size_t utf8_length(hf_bytes b, bool *valid)
{
    *valid = b.ptr[0] < 0x80;
    if (*valid)
        return 1;
    uint8_t low, high;
    const size_t follow = utf8_follow(b.ptr[0], &low, &high);
    if (follow == 0)
        return 1;
    for (size_t i = 1; i <= follow; i++) {
        if (i >= b.len || b.ptr[i] < low || b.ptr[i] > high)
            return i;
        low = 0x80;
        high = 0xbf;
    }
    *valid = true;
    return follow + 1;
}

/* RFC 8259 7: "the characters that MUST be escaped: quotation mark, reverse solidus, and the control characters". */
static void write_json_ascii(hf_writer *w, uint8_t c)
{
    const uint8_t unicode[6] = { '\\', 'u', '0', '0', c < 0x10 ? '0' : '1', (uint8_t)"0123456789abcdef"[c & 15] };
    static const char short_forms[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = c == 0 ? NULL : strchr(short_forms, c);
    if (found != NULL) {
        const uint8_t escape[2] = { '\\', (uint8_t)letters[found - short_forms] };
        hf_write(w, hf_bytes_make(escape, sizeof escape));
    } else if (c < 0x20) {
        hf_write(w, hf_bytes_make(unicode, sizeof unicode));
    } else {
        hf_write_byte(w, c);
    }
}

/* A bit for each byte that does not simply stand for itself: control characters, '"', '\\', and what is not ASCII. */
static const uint32_t json_special[8] = { UINT32_MAX, 1u << ('"' - 32), 1u << ('\\' - 64), 0, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };

/* How many bytes, of those there is room for, mean themselves in a string of JSON: most do, and go at once. */
static size_t json_plain(const hf_writer *w, hf_bytes b)
{
    const size_t room = w->capacity - w->length, most = b.len < room ? b.len : room;
    size_t n = 0;
    while (n < most && (json_special[b.ptr[n] >> 5] >> (b.ptr[n] & 31) & 1) == 0)
        n++;
    return n;
}

void hf_write_json(hf_writer *w, hf_bytes b)
{
    for (size_t at = 0; at < b.len && !w->overflowed;) {
        const size_t plain = json_plain(w, hf_bytes_make(b.ptr + at, b.len - at));
        if (plain > 0)
            hf_write(w, hf_bytes_make(b.ptr + at, plain));
        at += plain;
        if (at == b.len)
            return;
        const hf_bytes rest = hf_bytes_make(b.ptr + at, b.len - at);
        bool valid;
        const size_t length = utf8_length(rest, &valid);
        if (!valid)
            hf_write_text(w, "\xef\xbf\xbd"); /* U+FFFD */
        else if (length == 1)
            write_json_ascii(w, rest.ptr[0]);
        else
            hf_write(w, hf_bytes_make(rest.ptr, length));
        at += length;
    }
}

void hf_write_html(hf_writer *w, hf_bytes b)
{
    for (size_t at = 0, length; at < b.len && !w->overflowed; at += length) {
        const hf_bytes rest = hf_bytes_make(b.ptr + at, b.len - at);
        bool valid;
        length = utf8_length(rest, &valid);
        if (!valid || length > 1) {
            hf_write(w, valid ? hf_bytes_make(rest.ptr, length) : hf_text("\xef\xbf\xbd")); /* U+FFFD */
            continue;
        }
        switch (b.ptr[at]) {
        case '&': hf_write_text(w, "&amp;"); break;
        case '<': hf_write_text(w, "&lt;"); break;
        case '>': hf_write_text(w, "&gt;"); break;
        case '"': hf_write_text(w, "&quot;"); break;
        case '\'': hf_write_text(w, "&#39;"); break;
        default: hf_write_byte(w, b.ptr[at]); break;
        }
    }
}

bool hf_parse_decimal(hf_bytes b, uint64_t *n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < b.len; i++) {
        if (b.ptr[i] < '0' || b.ptr[i] > '9')
            return false;
        const uint64_t digit = (uint64_t)(b.ptr[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (b.len == 0)
        return false;
    *n = sum;
    return true;
}

int hf_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = hf_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hf_parse_hex(hf_bytes b, uint64_t *n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < b.len; i++) {
        const int digit = hf_hex_digit(b.ptr[i]);
        if (digit < 0)
            return false;
        sum = sum << 4 | (uint64_t)digit;
    }
    if (b.len == 0 || b.len > 16)
        return false;
    *n = sum;
    return true;
}

bool hf_text_same(hf_bytes a, hf_bytes b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i] && hf_lower(a.ptr[i]) != hf_lower(b.ptr[i]))
            return false;
    return true;
}

bool hf_starts_with(hf_bytes whole, hf_bytes start)
{
    return whole.len >= start.len && hf_bytes_equal(hf_bytes_make(whole.ptr, start.len), start);
}

bool hf_ends_with(hf_bytes whole, hf_bytes end)
{
    return whole.len >= end.len && hf_bytes_equal(hf_bytes_make(whole.ptr + (whole.len - end.len), end.len), end);
}

/* A password that was not escaped may hold what ends an authority (RFC 3986 3.2): such a URL is wrong, and so the one that is shown. */
static bool ends_url(uint8_t c)
{
    return c <= ' ' || c == '"';
}

hf_bytes hf_url_user(hf_bytes text)
{
    const hf_bytes mark = hf_text("://");
    for (size_t at = 0; at + mark.len <= text.len; at++) {
        if (memcmp(text.ptr + at, mark.ptr, mark.len) != 0)
            continue;
        const size_t from = at + mark.len;
        size_t last = from; /* RFC 3986 3.2.1: behind the last '@', for readers differ about more of them */
        for (size_t i = from; i < text.len && !ends_url(text.ptr[i]); i++)
            last = text.ptr[i] == '@' ? i : last;
        if (last > from)
            return hf_bytes_make(text.ptr + from, last - from);
    }
    return hf_bytes_make(NULL, 0);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

hf_bytes hf_trim(hf_bytes b)
{
    while (b.len > 0 && is_blank(b.ptr[0])) {
        b.ptr++;
        b.len--;
    }
    while (b.len > 0 && is_blank(b.ptr[b.len - 1]))
        b.len--;
    return b;
}

bool hf_split(hf_bytes *rest, uint8_t separator, hf_bytes *part)
{
    if (rest->ptr == NULL)
        return false;
    const uint8_t *found = memchr(rest->ptr, separator, rest->len);
    if (found == NULL) {
        *part = *rest;
        *rest = hf_bytes_make(NULL, 0);
        return true;
    }
    *part = hf_bytes_make(rest->ptr, (size_t)(found - rest->ptr));
    *rest = hf_bytes_make(found + 1, rest->len - part->len - 1);
    return true;
}
