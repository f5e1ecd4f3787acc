/* SPDX-License-Identifier: Apache-2.0
 *
 * Between compress.c, decompress.c and the files that each know one library (compress_zlib.c, compress_brotli.c,
 * compress_zstd.c): not for others. A library that was not there when Handfast was built has no codec.
 */
#ifndef HF_APP_COMPRESS_CODEC_H
#define HF_APP_COMPRESS_CODEC_H

#include "alloc.h"
#include "compress.h"
#include "text.h"

/* Where a library gets its memory from, and how much of it it may hold. Address-stable while the library has it. */
typedef struct hf_codec_memory {
    const hf_allocator *alloc;
    size_t held, most;
    uint64_t *sum; /* of what this and others hold; NULL: nobody counts */
    bool over;   /* it asked for more than `most` */
    bool failed; /* the allocator had none */
} hf_codec_memory;

/* In the shape of brotli's and zstd's allocators; `memory` is an hf_codec_memory. The libraries do not say what they free
 * how much of, so a head before each block remembers it. */
void *hf_codec_take(void *memory, size_t size);
void hf_codec_give(void *memory, void *block);

/* Both ends of a step: what was eaten and written is cut off the front. */
typedef struct hf_codec_io {
    const uint8_t *in;
    size_t in_length;
    uint8_t *out;
    size_t out_length;
} hf_codec_io;

typedef enum hf_codec_result {
    HF_CODEC_DONE,   /* all input is eaten, and what was asked for is done */
    HF_CODEC_ROOM,   /* again, with more room */
    HF_CODEC_OVER,   /* decoding: the end of the stream; what follows it is left in the input */
    HF_CODEC_BAD,    /* no such stream, or memory ended: hf_codec_memory knows */
    HF_CODEC_WINDOW  /* decoding: its window is larger than we hold */
} hf_codec_result;

typedef struct hf_codec {
    const char *library;
    void (*version)(hf_writer *w);
    bool many; /* streams may follow one another in one body */

    /* `size` of what will be fed, HF_COMPRESS_UNKNOWN when that is not known. NULL when memory ends. */
    void *(*encoder_new)(hf_codec_memory *memory, uint64_t size);
    hf_codec_result (*encode)(void *encoder, hf_codec_io *io, hf_compress_step step);
    void (*encoder_free)(void *encoder);

    void *(*decoder_new)(hf_codec_memory *memory);
    hf_codec_result (*decode)(void *decoder, hf_codec_io *io);
    bool (*decoder_again)(void *decoder); /* `many`: another stream begins */
    void (*decoder_free)(void *decoder);
} hf_codec;

extern const hf_codec hf_codec_gzip, hf_codec_br, hf_codec_zstd;

/* NULL: not built in. */
const hf_codec *hf_codec_of(hf_encoding encoding);

#endif
