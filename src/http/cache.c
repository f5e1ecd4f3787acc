/* SPDX-License-Identifier: Apache-2.0
 *
 * Cache-Control, read.
 */
#include "cache.h"

#include "token.h"

static const uint32_t oldest_s = UINT32_C(1) << 31;

/* RFC 9111 1.2.2: delta-seconds; what is too large counts as 2^31. 5.2: a recipient accepts both the token and the
 * quoted form. 4.2.1: what is malformed is best taken as stale. */
static uint32_t age(hf_bytes argument)
{
    const bool quoted = hf_quoted_length(argument) == argument.len && argument.len > 0;
    const hf_bytes digits = quoted ? hf_bytes_make(argument.ptr + 1, argument.len - 2) : argument;
    uint64_t n;
    if (digits.len == 0 || hf_span_of(digits, HF_BYTE_DIGIT) != digits.len)
        return 0;
    return hf_parse_decimal(digits, &n) && n < oldest_s ? (uint32_t)n : oldest_s;
}

static void directive(hf_cache_control *c, hf_bytes name, hf_bytes argument)
{
    if (hf_text_same(name, hf_text("max-age"))) {
        /* RFC 9111 4.2.1: where one appears twice, either the first is used or the answer is stale */
        c->max_age_s = c->has_max_age ? c->max_age_s : age(argument);
        c->has_max_age = true;
    } else if (hf_text_same(name, hf_text("s-maxage"))) {
        c->s_maxage_s = c->has_s_maxage ? c->s_maxage_s : age(argument);
        c->has_s_maxage = true;
    }
    c->no_cache |= hf_text_same(name, hf_text("no-cache"));
    c->no_store |= hf_text_same(name, hf_text("no-store"));
    c->is_private |= hf_text_same(name, hf_text("private"));
    c->is_public |= hf_text_same(name, hf_text("public"));
    c->must_revalidate |= hf_text_same(name, hf_text("must-revalidate"));
    c->immutable |= hf_text_same(name, hf_text("immutable"));
}

hf_cache_control hf_cache_control_parse(hf_fields fields)
{
    hf_cache_control c = { 0 };
    for (const hf_field *f = NULL; (f = hf_fields_next(fields, HF_FIELD_CACHE_CONTROL, f)) != NULL;) {
        hf_bytes rest = f->value;
        for (hf_bytes element; hf_list_next(&rest, &element);) {
            const uint8_t *equals = memchr(element.ptr, '=', element.len);
            const size_t n = equals ? (size_t)(equals - element.ptr) : element.len;
            directive(&c, hf_bytes_make(element.ptr, n),
                      equals ? hf_bytes_make(equals + 1, element.len - n - 1) : hf_bytes_make(NULL, 0));
        }
    }
    return c;
}
