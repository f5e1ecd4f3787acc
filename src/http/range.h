/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte ranges (RFC 9110 14).
 */
#ifndef HF_HTTP_RANGE_H
#define HF_HTTP_RANGE_H

#include "text.h"

/* Both ends belong to it: last - first + 1 bytes. */
typedef struct hf_range {
    uint64_t first, last;
} hf_range;

static inline uint64_t hf_range_length(hf_range r)
{
    return r.last - r.first + 1;
}

typedef enum hf_range_kind {
    HF_RANGE_NONE,         /* answer with the whole, 200: not bytes, or malformed */
    HF_RANGE_TOO_MANY,     /* likewise: more ranges than `capacity` */
    HF_RANGE_SATISFIABLE,  /* 206 with *count ranges: one alone, more as multipart/byteranges */
    HF_RANGE_UNSATISFIABLE /* 416 */
} hf_range_kind;

/* A Range field's value against a representation of `size` bytes. Ranges that overlap or touch are made one, in the
 * place of the earliest; the others keep the client's order. So no byte is sent twice, and all lengths together are at
 * most `size`. `capacity` is the limit `ranges`. Only GET (and QUERY) has ranges: RFC 9110 14.2. */
hf_range_kind hf_range_parse(hf_bytes value, uint64_t size, hf_range *ranges, size_t capacity, size_t *count);

/* "bytes 0-499/1234" */
void hf_content_range_write(hf_writer *w, hf_range range, uint64_t size);
/* "bytes * /1234" (without the space): what a 416 says. */
void hf_content_range_write_unsatisfied(hf_writer *w, uint64_t size);

typedef struct hf_content_range {
    bool has_range; /* false: the answer to an unsatisfiable range */
    bool has_size;  /* false: "*", the sender does not know */
    hf_range range;
    uint64_t size;
} hf_content_range;
/* False for another unit, anything malformed, and ranges that contradict themselves (RFC 9110 14.4). */
bool hf_content_range_parse(hf_bytes value, hf_content_range *out);

#endif
