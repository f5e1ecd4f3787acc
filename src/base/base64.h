/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 4648 base64 and base64url. Decoding is strict: no white space, no foreign bytes, no stray bits (3.5).
 */
#ifndef HF_BASE_BASE64_H
#define HF_BASE_BASE64_H

#include "text.h"

typedef enum hf_base64_kind {
    HF_BASE64,    /* + / with padding */
    HF_BASE64URL  /* - _ without padding (RFC 7515 2) */
} hf_base64_kind;

size_t hf_base64_length(hf_base64_kind kind, size_t n);
void hf_base64_write(hf_writer *w, hf_base64_kind kind, hf_bytes b);
/* Decodes into `w`. HF_ERR_BASE_ENCODING for anything not canonical, HF_ERR_BASE_LIMIT when it does not fit. */
hf_err hf_base64_parse(hf_writer *w, hf_base64_kind kind, hf_bytes text);

#endif
