/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditional requests (RFC 9110 13).
 */
#ifndef HF_HTTP_CONDITIONAL_H
#define HF_HTTP_CONDITIONAL_H

#include "etag.h"

/* What is known of the current representation of the target. All zero: there is none. */
typedef struct hf_validators {
    hf_etag etag;
    hf_wall modified;
    bool has_etag;
    bool has_modified;
    bool exists; /* there is a current representation */
} hf_validators;

typedef enum hf_verdict {
    HF_PROCEED,            /* as if unconditional; Range is looked at next (hf_if_range_holds) */
    HF_NOT_MODIFIED,       /* 304 */
    HF_PRECONDITION_FAILED /* 412 */
} hf_verdict;

/* RFC 9110 13.2.2, in its order. RFC 9110 13.2.1: call it only when the answer would otherwise be 2xx (or 412), after
 * the other checks and before the method is performed. `now` decides the century of two-digit years. */
hf_verdict hf_conditional_evaluate(const hf_request_head *head, const hf_validators *current, hf_wall now);

/* May Range be honoured? True without If-Range. By strong comparison of the tag, or by a date that is exactly the
 * modification date and strong: at least a second old, so that the file cannot have changed again within it. */
bool hf_if_range_holds(const hf_request_head *head, const hf_validators *current, hf_wall now);

#endif
