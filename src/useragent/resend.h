/* SPDX-License-Identifier: Apache-2.0
 *
 * resend: what a user agent asks next: where a redirect leads (RFC 9110 15.4), and whether a request that got no answer may be
 * sent again (RFC 9110 9.2.2, RFC 9113 8.7, RFC 8470). Decisions on values.
 */
#ifndef HF_USERAGENT_RESEND_H
#define HF_USERAGENT_RESEND_H

#include <handfast/http.h>

typedef struct hf_redirect {
    bool follows;      /* the answer is a redirect that names a place */
    bool becomes_get;  /* the next request is a GET without a body */
} hf_redirect;

/* `method` as it was sent: names are case-sensitive. */
hf_redirect hf_redirect_of(uint16_t status, hf_bytes method, bool has_location);

/* What is known of a request that failed, or was turned away. */
typedef struct hf_attempt {
    hf_bytes method;
    hf_err err;           /* why the connection or the exchange ended; 0: there was an answer */
    uint16_t status;      /* of the answer; 0: none came */
    bool begun;           /* any byte of an answer came */
    bool reused;          /* the connection had served others before */
    bool sent;            /* a byte of the request may have left. Before: nothing happened */
    bool has_key;         /* it has an Idempotency-Key */
} hf_attempt;

typedef enum hf_resend {
    HF_RESEND_NO,
    HF_RESEND_UNSENT,      /* it never left */
    HF_RESEND_UNPROCESSED, /* the peer says that it did not act on it: GOAWAY, REFUSED_STREAM, REQUEST_REJECTED, 425, 421 */
    HF_RESEND_IDEMPOTENT   /* it may have acted: twice is as good as once */
} hf_resend;

/* May it be sent again, on another connection? Never what may have been acted upon and is not idempotent: a POST. */
hf_resend hf_resend_of(const hf_attempt *a);
/* RFC 9110 9.2.2, RFC 10008 for QUERY. */
bool hf_method_is_repeatable(hf_bytes method);

#endif
