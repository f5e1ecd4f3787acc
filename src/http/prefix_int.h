/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers with a prefix, as HPACK and QPACK write them (RFC 7541 5.1).
 */
#ifndef HF_HTTP_PREFIX_INT_H
#define HF_HTTP_PREFIX_INT_H

#include <handfast/base.h>

enum { HF_PREFIX_INT_BYTES = 11 }; /* the most that one takes */
/* RFC 9204 4.1.1: "QPACK implementations MUST be able to decode integers up to and including 62 bits long"; more is
 * refused, and so is a number padded beyond ten bytes of continuation. */
#define HF_PREFIX_INT_MAX (((uint64_t)1 << 62) - 1)

typedef enum hf_prefix_int { HF_PREFIX_MORE, HF_PREFIX_GOOD, HF_PREFIX_BAD } hf_prefix_int;

/* Reads the integer whose first byte stands at *cursor and has `bits` (1 to 8) of it; moves the cursor when GOOD. */
hf_prefix_int hf_prefix_int_parse(const uint8_t **cursor, const uint8_t *end, unsigned bits, uint64_t *value);
/* Writes `value` (at most HF_PREFIX_INT_MAX) behind the flags that share its first byte; returns the bytes written. */
size_t hf_prefix_int_write(uint8_t *to, unsigned bits, uint8_t flags, uint64_t value);

#endif
