/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments of queries and forms: application/x-www-form-urlencoded, decoded strictly and within limits.
 * multipart/form-data is in multipart.h.
 */
#ifndef HF_HTTP_FORM_H
#define HF_HTTP_FORM_H

#include "text.h"

typedef struct hf_argument {
    hf_bytes name, value; /* decoded; value.ptr is NULL where the name stood without '=' */
} hf_argument;

/* Checks the whole text and counts its arguments; `room` becomes the bytes that decoding them needs. Empty pieces
 * between '&' do not count. HF_ERR_HTTP_FORM_ENCODING for a '%' that two hexadecimal digits do not follow,
 * HF_ERR_HTTP_FORM_ARGUMENTS above the limit form_arguments, HF_ERR_HTTP_FORM_NAME above form_name_bytes. */
hf_err hf_urlencoded_check(hf_bytes text, const hf_limits *limits, size_t *count, size_t *room);
/* Of a text with such a '%': the first of them, with what follows it, as evidence. Nothing else of it, for forms hold
 * secrets. */
hf_bytes hf_urlencoded_fault(hf_bytes text);
/* Decodes a text that was checked: `at` has its count, `w` its room. '+' is a space, %XX a byte, NUL too. The arguments
 * lie in w's memory. */
void hf_urlencoded_decode(hf_bytes text, hf_argument *at, hf_writer *w);

/* The first argument with this name; NULL when there is none. */
const hf_argument *hf_argument_find(const hf_argument *at, size_t count, hf_bytes name);

#endif
