/* SPDX-License-Identifier: Apache-2.0
 *
 * traceparent (W3C Trace Context, level 1): which distributed trace a request belongs to. Pure.
 */
#ifndef HF_SERVER_TRACEPARENT_H
#define HF_SERVER_TRACEPARENT_H

#include <handfast/http.h>

/* Both lie in the field's value. */
typedef struct hf_traceparent {
    hf_bytes trace_id; /* 32 hexadecimal digits */
    hf_bytes parent_id; /* 16: the span of whoever sent it */
    bool sampled;
} hf_traceparent;

/* False: there is no traceparent, or none that holds, or more than one: then a trace begins anew. */
bool hf_traceparent_find(hf_fields fields, hf_traceparent *t);
bool hf_traceparent_parse(hf_bytes value, hf_traceparent *t);

#endif
