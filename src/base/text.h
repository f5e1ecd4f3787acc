/* SPDX-License-Identifier: Apache-2.0
 *
 * Text into a fixed buffer without the C library's formatting: pure rooms have none. What does not fit is dropped and
 * remembered, never written past the end.
 */
#ifndef HF_BASE_TEXT_H
#define HF_BASE_TEXT_H

#include <handfast/base.h>

typedef struct hf_writer {
    uint8_t *ptr;
    size_t capacity;
    size_t length;
    bool overflowed; /* something did not fit; what fits is there */
} hf_writer;

static inline hf_writer hf_writer_make(void *ptr, size_t capacity)
{
    return (hf_writer){ .ptr = ptr, .capacity = capacity };
}

static inline void hf_write(hf_writer *w, hf_bytes b)
{
    if (b.len > w->capacity - w->length) {
        w->overflowed = true;
        return;
    }
    if (b.len > 0)
        memcpy(w->ptr + w->length, b.ptr, b.len);
    w->length += b.len;
}
/* Text that is known when this is compiled: a few moves, where the length of others has to be looked at. */
[[gnu::always_inline]] static inline void hf_write_literal(hf_writer *w, const char *text)
{
    const size_t n = strlen(text);
    if (n > w->capacity - w->length) {
        w->overflowed = true;
        return;
    }
    memcpy(w->ptr + w->length, text, n);
    w->length += n;
}
static inline hf_bytes hf_written(const hf_writer *w)
{
    return hf_bytes_make(w->ptr, w->length);
}

void hf_write_text(hf_writer *w, const char *text);
void hf_write_byte(hf_writer *w, uint8_t byte);
void hf_write_decimal(hf_writer *w, uint64_t n);
/* At least `digits` digits, padded with zeros. */
void hf_write_padded(hf_writer *w, uint64_t n, unsigned digits);
void hf_write_hex(hf_writer *w, uint64_t n);
/* JSON string contents (RFC 8259 7) without the quotes; bytes that are no UTF-8 become U+FFFD. */
void hf_write_json(hf_writer *w, hf_bytes b);
/* HTML text or quoted attribute value: & < > " ' escaped; bytes that are no UTF-8 become U+FFFD. */
void hf_write_html(hf_writer *w, hf_bytes b);

/* Decimal digits only, no sign, no space, at least one, no overflow. */
bool hf_parse_decimal(hf_bytes b, uint64_t *n);
/* -1 for what is no hexadecimal digit. */
int hf_hex_digit(uint8_t c);
/* 1 to 16 hexadecimal digits and nothing else; otherwise false and *n unchanged. */
bool hf_parse_hex(hf_bytes b, uint64_t *n);
/* ASCII only. */
static inline uint8_t hf_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}
/* ASCII case folded. */
bool hf_text_same(hf_bytes a, hf_bytes b);
bool hf_starts_with(hf_bytes whole, hf_bytes start);
bool hf_ends_with(hf_bytes whole, hf_bytes end);
/* The user and password of the first URL in `text` that has them ("mary:secret" of https://mary:secret@host/): lends. ptr NULL: none has. */
hf_bytes hf_url_user(hf_bytes text);
/* Without spaces and tabs at both ends. */
hf_bytes hf_trim(hf_bytes b);
/* Cuts the part before `separator` off *rest (all of it when there is none); false when *rest was exhausted (ptr NULL). */
bool hf_split(hf_bytes *rest, uint8_t separator, hf_bytes *part);

#endif
