/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of HTTP/1 as values (RFC 9112 2 to 5 and 7.1): parse and write, no state.
 *
 * A line is judged only when it is whole, and lines are judged in order. So a verdict depends on the bytes alone, never
 * on how they were cut, and the first fault of the stream is the one that is told.
 */
#ifndef HF_HTTP1_WIRE_H
#define HF_HTTP1_WIRE_H

#include <handfast/http.h>

#include "text.h"

/* What is wrong with a line: the rule, the byte that broke it, and what the rule wants there. */
typedef struct hf_http1_flaw {
    int32_t code; /* of hf_err */
    const uint8_t *at;
    const char *wanted; /* static */
} hf_http1_flaw;

typedef enum hf_http1_line {
    HF_LINE_MORE, /* no line end yet */
    HF_LINE_GOOD, /* a line; the cursor stands behind it */
    HF_LINE_END,  /* the empty line that closes a section; the cursor stands behind it */
    HF_LINE_BAD   /* the flaw says why */
} hf_http1_line;

/* A request line or a status line. Lends from the input. */
typedef struct hf_http1_start {
    hf_bytes method, target; /* of a request */
    hf_bytes reason;         /* of a response */
    uint16_t status;         /* of a response */
    hf_version version;      /* HTTP/1.2 and up read as 1.1 */
} hf_http1_start;

/* Each parses the line at *cursor and moves the cursor behind it when it is GOOD (or END). */
hf_http1_line hf_http1_request_line_parse(const uint8_t **cursor, const uint8_t *end, hf_http1_start *out,
                                          hf_http1_flaw *flaw);
hf_http1_line hf_http1_status_line_parse(const uint8_t **cursor, const uint8_t *end, hf_http1_start *out,
                                         hf_http1_flaw *flaw);
/* One field line, or the empty line. The id is found too. */
hf_http1_line hf_http1_field_line_parse(const uint8_t **cursor, const uint8_t *end, hf_field *out, hf_http1_flaw *flaw);
/* chunk-size [ chunk-ext ] CRLF. Extensions are checked and ignored. */
hf_http1_line hf_http1_chunk_line_parse(const uint8_t **cursor, const uint8_t *end, uint64_t *size, hf_http1_flaw *flaw);

/* May this field leave? Its name is a token and its value holds no control byte. */
bool hf_http1_field_is_fit(const hf_field *field);
/* The bytes that hf_http1_fields_write will need at most. */
size_t hf_http1_fields_length(hf_fields fields);
void hf_http1_fields_write(hf_writer *w, hf_fields fields);
/* "name: value CRLF" */
void hf_http1_field_write(hf_writer *w, hf_bytes name, hf_bytes value);
/* HTTP/1.1 SP status SP [ reason ] CRLF. An empty reason means the usual phrase. */
void hf_http1_status_line_write(hf_writer *w, uint16_t status, hf_bytes reason);
void hf_http1_request_line_write(hf_writer *w, hf_bytes method, hf_bytes target, hf_version version);

#endif
