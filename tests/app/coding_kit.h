/* SPDX-License-Identifier: Apache-2.0
 *
 * Small helpers for tests of content codings: text that compresses, all of a stream at once, and back.
 */
#ifndef HF_TESTS_APP_CODING_KIT_H
#define HF_TESTS_APP_CODING_KIT_H

#include "compress.h"
#include "decompress.h"

#include "harness.h"

/* Words with some variety, so that windows and tables have work; the same for the same length. */
static inline void kit_fill(uint8_t *text, size_t length)
{
    uint32_t x = 12345;
    for (size_t i = 0; i < length; i++) {
        x = x * 1664525 + 1013904223;
        text[i] = (uint8_t)((x >> 28) < 12 && i >= 97 ? text[i - 97] : 'a' + (x >> 24) % 26);
    }
}

static inline void kit_noise(uint8_t *bytes, size_t length)
{
    uint32_t x = 99;
    for (size_t i = 0; i < length; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(x >> 24);
    }
}

/* Appends one whole stream of `text` to `out`. */
static inline void kit_compress(const hf_env *env, hf_encoding encoding, hf_bytes text, hf_queue *out)
{
    hf_compressor *c = hf_compressor_new(env, encoding, text.len);
    assert_non_null(c);
    assert_int_equal(hf_compressor_feed(c, text, out).code, 0);
    assert_int_equal(hf_compressor_end(c, out).code, 0);
    hf_compressor_free(c);
}

/* Appends all that `coded` stands for to `out`, fed `slice` bytes at a time. The first error. */
static inline hf_err kit_undo(const hf_env *env, hf_encoding encoding, hf_bytes coded, size_t slice, hf_queue *out)
{
    hf_decompressor *d = hf_decompressor_new(env, encoding);
    hf_err err = HF_OK;
    assert_non_null(d);
    for (size_t at = 0; err.code == 0 && at < coded.len; at += slice) {
        hf_bytes in = hf_bytes_make(coded.ptr + at, at + slice < coded.len ? slice : coded.len - at), piece;
        do {
            err = hf_decompressor_next(d, &in, &piece);
            if (piece.len > 0)
                assert_true(hf_queue_append(out, piece));
        } while (err.code == 0 && piece.len > 0);
    }
    if (err.code == 0)
        err = hf_decompressor_end(d);
    else
        assert_int_equal(hf_decompressor_end(d).code, err.code); /* sticky */
    hf_decompressor_free(d);
    return err;
}

static inline hf_bytes kit_held(const hf_queue *q)
{
    const hf_span s = hf_queue_peek(q);
    return hf_bytes_make(s.ptr, s.len);
}

/* Every coding that this build has. */
#define KIT_EACH(e) \
    for (hf_encoding e = HF_ENCODING_GZIP; e < HF_ENCODING_COUNT; e++) \
        if (hf_compress_codings() & 1u << e)

#endif
