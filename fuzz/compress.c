/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream that is compressed piece by piece: after each flush a decoder has read all that was written, whatever the pieces
 * are; what the coder holds is counted and bounded; an allocation that fails leaks nothing.
 *
 * The first byte chooses the coding and whether the stream is a live one, the second which allocation fails (0: none). Then
 * commands: a byte below 0x40 flushes, others write as many bytes of the input as they say.
 */
#include "compress.h"
#include "decompress.h"
#include "fuzz_memory.h"
#include "panic.h"

enum { FLUSHES = 0x40 };

typedef struct stream {
    hf_env env;
    hf_compressor *coder;
    hf_decompressor *reader;
    hf_queue coded;
    hf_queue plain; /* what was written and not read yet */
} stream;

/* What has come out of the coder is part of what went in. */
static void read_all(stream *s)
{
    const hf_span held = hf_queue_peek(&s->coded);
    hf_bytes in = hf_bytes_make(held.ptr, held.len), piece = hf_bytes_make(NULL, 0);
    do {
        HF_ASSERT(hf_decompressor_next(s->reader, &in, &piece).code == 0);
        const hf_span unread = hf_queue_peek(&s->plain);
        HF_ASSERT(piece.len <= unread.len && (piece.len == 0 || memcmp(piece.ptr, unread.ptr, piece.len) == 0));
        hf_queue_take(&s->plain, piece.len);
    } while (piece.len > 0);
    hf_queue_take(&s->coded, held.len);
}

static hf_err command(stream *s, hf_bytes *rest)
{
    const uint8_t c = rest->ptr[0];
    *rest = hf_bytes_make(rest->ptr + 1, rest->len - 1);
    const size_t wanted = c < FLUSHES ? 0 : (size_t)(c - FLUSHES) * 8 + 1, n = wanted < rest->len ? wanted : rest->len;
    const hf_bytes piece = hf_bytes_make(rest->ptr, n);
    *rest = hf_bytes_make(rest->ptr + n, rest->len - n);
    HF_ASSERT(hf_queue_append(&s->plain, piece));
    const hf_err err = c < FLUSHES ? hf_compressor_flush(s->coder, &s->coded) : hf_compressor_feed(s->coder, piece, &s->coded);
    if (err.code == 0)
        read_all(s);
    HF_ASSERT(err.code != 0 || c >= FLUSHES || hf_queue_length(&s->plain) == 0);
    return err;
}

static hf_err run(stream *s, hf_bytes rest)
{
    hf_err err = HF_OK;
    while (err.code == 0 && rest.len > 0)
        err = command(s, &rest);
    if (err.code == 0)
        err = hf_compressor_end(s->coder, &s->coded);
    if (err.code != 0)
        return err;
    read_all(s);
    HF_ASSERT(hf_queue_length(&s->plain) == 0 && hf_decompressor_end(s->reader).code == 0);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_memory coding = { 0 }, reading = { 0 };
    hf_limits limits = *hf_limits_default();
    const hf_env reader_env = { .alloc = fuzz_alloc(&reading), .limits = &limits };
    stream s = { .env = { .alloc = fuzz_alloc(&coding), .limits = &limits } };
    uint64_t sum = 0;
    if (size < 2)
        return 0;
    const hf_encoding e = (hf_encoding)(1 + data[0] % 3);
    if ((hf_compress_codings() & 1u << e) == 0)
        return 0;
    coding.fail_at = data[1];
    limits.body_ratio = UINT32_MAX;
    hf_queue_init(&s.coded, &s.env.alloc);
    hf_queue_init(&s.plain, &reader_env.alloc);
    s.coder = hf_compressor_new_counted(&s.env, e, data[0] & 0x80 ? HF_COMPRESS_LIVE : HF_COMPRESS_UNKNOWN, &sum);
    s.reader = hf_decompressor_new(&reader_env, e);
    HF_ASSERT(s.reader != NULL);
    if (s.coder != NULL) {
        HF_ASSERT(sum > 0 && sum <= coding.held);
        const hf_err err = run(&s, hf_bytes_make(data + 2, size - 2));
        HF_ASSERT(err.code == 0 || (err.code == HF_ERR_BASE_MEMORY && coding.fail_at != 0));
        HF_ASSERT(sum <= limits.coding_bytes && (data[0] < 0x80 || sum < 2000000));
    }
    hf_compressor_free(s.coder);
    hf_queue_fini(&s.coded);
    hf_queue_fini(&s.plain);
    hf_decompressor_free(s.reader);
    HF_ASSERT(sum == 0 && coding.held == 0 && reading.held == 0);
    return 0;
}
