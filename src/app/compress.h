/* SPDX-License-Identifier: Apache-2.0
 *
 * compress: bytes in, fewer bytes out, in the content codings of HTTP (RFC 9110 8.4.1): gzip, br, zstd. One interface
 * over three libraries, each optional when Handfast is built. Levels are chosen for answers that are made while somebody
 * waits.
 */
#ifndef HF_APP_COMPRESS_H
#define HF_APP_COMPRESS_H

#include <handfast/pier.h>

#include "negotiate.h"
#include "queue.h"
#include "text.h"

/* Bodies below this are not worth it: with the head they fill one packet either way. */
enum { HF_COMPRESS_LEAST = 512 };

#define HF_COMPRESS_UNKNOWN UINT64_MAX
/* Nobody knows, and it may last: there may be many such streams at a time, each with little to say. A small window. */
#define HF_COMPRESS_LIVE (UINT64_MAX - 1)

typedef enum hf_compress_step {
    HF_COMPRESS_FEED,  /* the coder may keep what it likes for later */
    HF_COMPRESS_FLUSH, /* what was fed so far can be read by the peer: once an event, on a stream of events */
    HF_COMPRESS_END    /* the stream is complete */
} hf_compress_step;

typedef struct hf_compressor hf_compressor;

/* 1 << encoding for each coding that is built in; never identity. */
unsigned hf_compress_codings(void);
/* Library `index` of those built in: its name, and the version that is loaded. False past the end. */
bool hf_compress_library(size_t index, const char **name, hf_writer *version);

/* `size` of all that will be fed (it saves memory), HF_COMPRESS_UNKNOWN when nobody knows. Keeps `env`. NULL: memory or the
 * limit coding_bytes has ended, or the coding is not built in. */
hf_compressor *hf_compressor_new(const hf_env *env, hf_encoding encoding, uint64_t size);
/* The same, and what its library holds is added to *sum while it lives. Keeps `sum`. */
hf_compressor *hf_compressor_new_counted(const hf_env *env, hf_encoding encoding, uint64_t size, uint64_t *sum);
void hf_compressor_free(hf_compressor *c);
/* Eats all of `in`; what comes out of it is appended to `out`. An error is sticky. */
hf_err hf_compressor_feed(hf_compressor *c, hf_bytes in, hf_queue *out);
hf_err hf_compressor_flush(hf_compressor *c, hf_queue *out);
hf_err hf_compressor_end(hf_compressor *c, hf_queue *out);

/* The pieces (in memory, none a FILE) as one stream. Gives *out: hf_free(&env->alloc, out->ptr, out->len). With out->ptr NULL
 * it would save less than a sixteenth: send them as they are, as one does after BASE_MEMORY. */
hf_err hf_compress_whole(const hf_env *env, hf_encoding encoding, const hf_extent *pieces, size_t count, hf_span *out);

#endif
