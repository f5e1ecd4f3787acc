/* SPDX-License-Identifier: Apache-2.0
 *
 * The small grammar that all fields share (RFC 9110 5.6): tokens, quoted strings, comma lists, parameters, q values.
 * Iterators cut a piece off *rest and answer false at the end. Nothing is copied: pieces lend from the value.
 */
#ifndef HF_HTTP_TOKEN_H
#define HF_HTTP_TOKEN_H

#include <handfast/http.h>

#include "text.h"

/* What a byte may be part of. One table, one look-up a byte. */
enum {
    HF_BYTE_TCHAR = 1,       /* token, RFC 9110 5.6.2: method and field names */
    HF_BYTE_VALUE = 2,       /* field value, RFC 9110 5.5: HTAB, SP, VCHAR, obs-text */
    HF_BYTE_PATH = 4,        /* target's path: see token.c for what is tolerated */
    HF_BYTE_QUERY = 8,       /* target's query: likewise */
    HF_BYTE_HOST = 16,       /* RFC 3986 3.2.2 reg-name, '%' included */
    HF_BYTE_UNRESERVED = 32, /* RFC 3986 2.3 */
    HF_BYTE_DIGIT = 64,
    HF_BYTE_ETAGC = 128      /* RFC 9110 8.8.3: opaque part of an entity tag */
};
extern const uint8_t hf_byte_class[256];

static inline bool hf_byte_is(uint8_t byte, unsigned classes)
{
    return (hf_byte_class[byte] & classes) != 0;
}
static inline bool hf_is_tchar(uint8_t byte)
{
    return hf_byte_is(byte, HF_BYTE_TCHAR);
}

/* The length of the run at the front whose bytes all have the class. */
static inline size_t hf_span_of(hf_bytes b, unsigned class)
{
    size_t n = 0;
    while (n < b.len && (hf_byte_class[b.ptr[n]] & class) != 0)
        n++;
    return n;
}

/* One or more tchar, nothing else. */
static inline bool hf_is_token(hf_bytes b)
{
    return b.len > 0 && hf_span_of(b, HF_BYTE_TCHAR) == b.len;
}
/* The first space or control at or behind `p`, or `end`. */
const uint8_t *hf_word_end(const uint8_t *p, const uint8_t *end);
/* The first byte at or behind `p` that no field value may hold, or `end`. */
const uint8_t *hf_field_value_end(const uint8_t *p, const uint8_t *end);
/* Bytes that a field value may hold; may be empty. */
bool hf_is_field_value(hf_bytes b);
/* A name that lies in our own table of spellings is a token, and nobody need look. */
static inline bool hf_field_name_is_fit(const hf_field *f)
{
    return (f->id != HF_FIELD_OTHER && f->name.ptr == hf_field_spelling(f->id).ptr) || hf_is_token(f->name);
}

/* Length of the quoted-string at the front of `b` with both its quotes; 0 when there is none or it does not end. */
size_t hf_quoted_length(hf_bytes b);
/* Writes what a token or a whole quoted-string means: without quotes, with quoted pairs undone. False, with nothing
 * written, when it is neither; what does not fit shows in w->overflowed. */
bool hf_unquote(hf_bytes value, hf_writer *w);

/* The next element of a comma list, trimmed; empty elements are skipped (RFC 9110 5.6.1.2), commas in quoted strings
 * do not count; a quote without end makes the rest one element. False at the end. Not for entity tags, in which a
 * backslash escapes nothing: see etag.h. */
bool hf_list_next(hf_bytes *rest, hf_bytes *element);
/* Does the list have this element, ASCII case folded? `token` is NUL-terminated. */
bool hf_list_has(hf_bytes value, const char *token);
/* The part of an element before the first ';' (trimmed); *rest becomes what hf_param_next eats. */
hf_bytes hf_list_head(hf_bytes element, hf_bytes *rest);

/* The next "; name=value". `value` is a token or a quoted-string with its quotes (hf_unquote undoes them). Empty
 * parameters are skipped. False at the end, when rest->len is 0, or before something malformed, when it is not. */
bool hf_param_next(hf_bytes *rest, hf_bytes *name, hf_bytes *value);
/* The value of a parameter by name, folded; ptr NULL when there is none. `rest` is not moved. */
hf_bytes hf_param_find(hf_bytes rest, const char *name);

/* RFC 9110 12.4.2: 0..1000 for "0".."1.000", -1 for what is no qvalue. */
int hf_qvalue_parse(hf_bytes text);

#endif
