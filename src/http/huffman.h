/* SPDX-License-Identifier: Apache-2.0
 *
 * The Huffman code that HPACK and QPACK share (RFC 7541, 5.2 and appendix B). Little-endian machines only, as all of
 * Handfast.
 */
#ifndef HF_HTTP_HUFFMAN_H
#define HF_HTTP_HUFFMAN_H

#include <handfast/base.h>

/* No text is longer than this, for a code of `n` bytes: the shortest code has five bits. */
static inline size_t hf_huffman_most(size_t n)
{
    return n / 5 * 8 + n % 5 * 8 / 5;
}
/* `to` has room for hf_huffman_most(code.len) bytes. False: it is no code (EOS, or bad padding). */
bool hf_huffman_decode(hf_bytes code, uint8_t *to, size_t *length);

/* Writes the code of `text`, and returns the number of its bytes; 0 when they would be more than `most` (or none). */
size_t hf_huffman_encode(hf_bytes text, uint8_t *to, size_t most);

#endif
