/* SPDX-License-Identifier: Apache-2.0
 *
 * decompress: undoes a content coding of a request's body while it arrives, and notices bombs: what grows out of all
 * proportion, and what needs more memory than it may have.
 */
#ifndef HF_APP_DECOMPRESS_H
#define HF_APP_DECOMPRESS_H

#include "negotiate.h"

typedef struct hf_decompressor hf_decompressor;

/* NULL: memory ends, or the coding is not built in. Keeps `env`. Limits: body_ratio, coding_bytes. */
hf_decompressor *hf_decompressor_new(const hf_env *env, hf_encoding encoding);
void hf_decompressor_free(hf_decompressor *d);
/* Eats from the front of *in and yields the next *piece, which is lent until the next call. A piece of length 0: all of
 * *in is eaten. HTTP_CODING_INVALID, HTTP_BODY_RATIO, HTTP_CODING_MEMORY, BASE_MEMORY: all sticky. */
hf_err hf_decompressor_next(hf_decompressor *d, hf_bytes *in, hf_bytes *piece);
/* Nothing follows: was it all? HTTP_CODING_INVALID when the stream stops in its middle. A body of no bytes at all is
 * an empty one. */
hf_err hf_decompressor_end(const hf_decompressor *d);
/* Bytes that it has yielded so far. */
uint64_t hf_decompressor_given(const hf_decompressor *d);

/* What Content-Encoding says of a body, over all its lines: HF_ENCODING_IDENTITY when nothing; HF_ENCODING_COUNT when it is
 * a coding that is not built in, or several. */
hf_encoding hf_decompress_coding(hf_fields fields);

#endif
