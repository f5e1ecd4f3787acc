/* SPDX-License-Identifier: Apache-2.0 */
#include "form.h"

#include "panic.h"
#include "target.h"

/* The length of the decoded text, or -1. Unlike in hf_form_decode a '%' never stands for itself. What two readers may
 * take for two things is refused before a handler acts on either. */
static ptrdiff_t decoded_length(hf_bytes text)
{
    size_t n = text.len;
    const uint8_t *const end = text.ptr + text.len;
    for (const uint8_t *p = text.ptr; p < end && (p = memchr(p, '%', (size_t)(end - p))) != NULL; p += 3) {
        if (end - p < 3 || hf_hex_digit(p[1]) < 0 || hf_hex_digit(p[2]) < 0)
            return -1;
        n -= 2;
    }
    return (ptrdiff_t)n;
}

hf_err hf_urlencoded_check(hf_bytes text, const hf_limits *limits, size_t *count, size_t *room)
{
    hf_bytes name, value;
    *count = *room = 0;
    while (hf_query_next(&text, &name, &value)) {
        const ptrdiff_t n = decoded_length(name);
        const ptrdiff_t v = value.ptr != NULL ? decoded_length(value) : 0;
        if (n < 0 || v < 0)
            return hf_err_make(HF_ERR_HTTP_FORM_ENCODING);
        if ((uint64_t)n > limits->form_name_bytes)
            return hf_err_make(HF_ERR_HTTP_FORM_NAME);
        if (++*count > limits->form_arguments)
            return hf_err_make(HF_ERR_HTTP_FORM_ARGUMENTS);
        *room += (size_t)(n + v);
    }
    return HF_OK;
}

hf_bytes hf_urlencoded_fault(hf_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '%' && decoded_length(hf_bytes_make(text.ptr + i, text.len - i < 3 ? text.len - i : 3)) < 0)
            return hf_bytes_make(text.ptr + i, text.len - i < 3 ? text.len - i : 3);
    return hf_bytes_make(text.ptr, 0);
}

static hf_bytes decode(hf_bytes text, hf_writer *w)
{
    const size_t at = w->length;
    const hf_err err = hf_form_decode(text, w);
    HF_ASSERT(err.code == 0); /* the check found the room */
    return hf_bytes_make(w->ptr + at, w->length - at);
}

void hf_urlencoded_decode(hf_bytes text, hf_argument *at, hf_writer *w)
{
    hf_bytes name, value;
    while (hf_query_next(&text, &name, &value)) {
        at->name = decode(name, w);
        at->value = value.ptr != NULL ? decode(value, w) : hf_bytes_make(NULL, 0);
        at++;
    }
}

const hf_argument *hf_argument_find(const hf_argument *at, size_t count, hf_bytes name)
{
    for (size_t i = 0; i < count; i++)
        if (hf_bytes_equal(at[i].name, name))
            return &at[i];
    return NULL;
}
