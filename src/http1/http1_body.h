/* SPDX-License-Identifier: Apache-2.0
 *
 * What a head says about its connection and its body (RFC 9112 6.3 and 9.3): a summary of the fields, and the decision
 * how the body is framed. No state.
 */
#ifndef HF_HTTP1_BODY_H
#define HF_HTTP1_BODY_H

#include "http1_wire.h"

/* The fields that this room acts on, found in one pass. */
typedef struct hf_http1_summary {
    const hf_field *host, *length, *coding, *expect; /* the first of each, or NULL */
    const hf_field *second_host, *second_length, *second_coding;
    hf_bytes upgrade;        /* the first Upgrade field's value */
    bool close, keep_alive;  /* options of Connection */
    bool upgrade_named;      /* likewise */
    bool continue_expected, other_expected;
} hf_http1_summary;

void hf_http1_summarise(hf_fields fields, hf_http1_summary *out);

/* The length of a request's body by RFC 9112 6.3 (HF_LENGTH_UNKNOWN: chunked). False: the flaw says what is wrong. */
bool hf_http1_request_length(const hf_http1_summary *s, hf_version version, int64_t *length, hf_http1_flaw *flaw);
/* The same for a response. HF_LENGTH_NONE: no length is declared, so a body, if any, lasts until close. */
bool hf_http1_response_length(const hf_http1_summary *s, hf_version version, int64_t *length, hf_http1_flaw *flaw);

/* RFC 9112 9.3: would the connection persist? */
bool hf_http1_persists(const hf_http1_summary *s, hf_version version);

/* May a field with this id come, or leave, as a trailer? */
bool hf_http1_trailer_is_fit(hf_field_id id);

#endif
