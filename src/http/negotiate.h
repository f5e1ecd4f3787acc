/* SPDX-License-Identifier: Apache-2.0
 *
 * Content negotiation (RFC 9110 12.5): which coding, which media type.
 */
#ifndef HF_HTTP_NEGOTIATE_H
#define HF_HTTP_NEGOTIATE_H

#include <handfast/http.h>

/* In the order of our preference, least first. */
typedef enum hf_encoding {
    HF_ENCODING_IDENTITY,
    HF_ENCODING_GZIP,
    HF_ENCODING_BR,
    HF_ENCODING_ZSTD,
    HF_ENCODING_COUNT
} hf_encoding;

/* "gzip": as in Content-Encoding; "identity" for none. Lends static memory. */
const char *hf_encoding_name(hf_encoding encoding);

/* 0 (not acceptable) .. 1000 for a content coding, given an Accept-Encoding value. A value with ptr NULL (no such
 * field) accepts everything. Identity that nothing speaks of is acceptable as the last resort: 1. */
unsigned hf_encoding_quality(hf_bytes accept_encoding, hf_encoding encoding);

/* The coding to answer with. `available` has bit 1 << encoding for each that there is; identity is always. The highest
 * q wins, then our preference. Without the field: identity. Never refuses: where even identity is forbidden and nothing
 * else fits, identity is sent (RFC 9110 12.5.3 allows it; a 406 would help nobody). */
hf_encoding hf_encoding_choose(const hf_request_head *head, unsigned available);

/* 0..1000 for a media type ("text/html", parameters allowed), over all Accept lines; the most specific range decides.
 * 1000 without an Accept field. */
unsigned hf_accept_quality(hf_fields fields, hf_bytes media_type);

#endif
