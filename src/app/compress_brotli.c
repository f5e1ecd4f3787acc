/* SPDX-License-Identifier: Apache-2.0
 *
 * br (RFC 7932) by the brotli library.
 *
 * Its encoder ends the process (exit) when its allocator answers NULL. So ours never answers that: it leaves through
 * longjmp, over frames that own nothing, for all that the encoder has lies in blocks which are on our list.
 */
#include <setjmp.h>
#include <stddef.h>

#include <brotli/decode.h>
#include <brotli/encode.h>

#include "compress_codec.h"

/* Quality 5 compresses a tenth better than 4 and takes half as long again. The window holds what is compressed whole. */
enum { QUALITY = 4, WINDOW_BITS = 20, WINDOW_LEAST = 12 };
/* 0.3 MB in place of 2.6 once it is at work, and events come out as small. */
enum { LIVE_QUALITY = 3, LIVE_WINDOW_BITS = 14 };

static void version(hf_writer *w)
{
    const uint32_t v = BrotliEncoderVersion(); /* 8 bits, 12 and 12 */
    hf_write_decimal(w, v >> 24);
    hf_write_byte(w, '.');
    hf_write_decimal(w, v >> 12 & 0xfff);
    hf_write_byte(w, '.');
    hf_write_decimal(w, v & 0xfff);
}

typedef union block {
    struct {
        union block *next, *previous;
    } link;
    max_align_t align;
} block;

typedef struct encoder {
    hf_codec_memory *memory;
    BrotliEncoderState *state;
    block *blocks; /* of the state, newest first */
    jmp_buf no_memory;
} encoder;

static void *take(void *opaque, size_t size)
{
    encoder *e = opaque;
    block *b = size <= SIZE_MAX - sizeof *b ? hf_codec_take(e->memory, size + sizeof *b) : NULL;
    if (b == NULL)
        longjmp(e->no_memory, 1);
    b->link.next = e->blocks;
    b->link.previous = NULL;
    if (e->blocks != NULL)
        e->blocks->link.previous = b;
    e->blocks = b;
    return b + 1;
}

static void give(void *opaque, void *memory)
{
    encoder *e = opaque;
    if (memory == NULL)
        return;
    block *b = (block *)memory - 1;
    *(b->link.previous != NULL ? &b->link.previous->link.next : &e->blocks) = b->link.next;
    if (b->link.next != NULL)
        b->link.next->link.previous = b->link.previous;
    hf_codec_give(e->memory, b);
}

static void encoder_free(void *what)
{
    encoder *e = what;
    while (e->blocks != NULL)
        give(e, e->blocks + 1);
    hf_codec_give(e->memory, e);
}

static bool create(encoder *e)
{
    if (setjmp(e->no_memory) != 0)
        return false;
    e->state = BrotliEncoderCreateInstance(take, give, e);
    return e->state != NULL;
}

static void *encoder_new(hf_codec_memory *memory, uint64_t size)
{
    encoder *e = hf_codec_take(memory, sizeof *e);
    const bool live = size == HF_COMPRESS_LIVE;
    uint32_t window = live ? LIVE_WINDOW_BITS : WINDOW_BITS;
    if (e == NULL)
        return NULL;
    e->memory = memory;
    e->blocks = NULL;
    if (!create(e)) {
        encoder_free(e);
        return NULL;
    }
    while (window > WINDOW_LEAST && size <= UINT64_C(1) << (window - 1))
        window--;
    (void)BrotliEncoderSetParameter(e->state, BROTLI_PARAM_QUALITY, live ? LIVE_QUALITY : QUALITY);
    (void)BrotliEncoderSetParameter(e->state, BROTLI_PARAM_LGWIN, window);
    if (size <= UINT32_MAX)
        (void)BrotliEncoderSetParameter(e->state, BROTLI_PARAM_SIZE_HINT, (uint32_t)size);
    return e;
}

static bool turn(encoder *e, hf_codec_io *io, BrotliEncoderOperation operation)
{
    if (e->state == NULL)
        return false;
    if (setjmp(e->no_memory) != 0) {
        e->state = NULL; /* in the middle of something: it must not be asked again */
        return false;
    }
    return BrotliEncoderCompressStream(e->state, operation, &io->in_length, &io->in, &io->out_length, &io->out, NULL);
}

static hf_codec_result encode(void *what, hf_codec_io *io, hf_compress_step step)
{
    static const BrotliEncoderOperation operations[] = {
        [HF_COMPRESS_FEED] = BROTLI_OPERATION_PROCESS, [HF_COMPRESS_FLUSH] = BROTLI_OPERATION_FLUSH,
        [HF_COMPRESS_END] = BROTLI_OPERATION_FINISH };
    encoder *e = what;
    for (;;) {
        const size_t in = io->in_length, out = io->out_length;
        if (!turn(e, io, operations[step]))
            return HF_CODEC_BAD;
        const bool more = BrotliEncoderHasMoreOutput(e->state) || io->in_length > 0 ||
            (step == HF_COMPRESS_END && !BrotliEncoderIsFinished(e->state));
        if (!more)
            return HF_CODEC_DONE;
        if (io->out_length == 0)
            return HF_CODEC_ROOM;
        if (in == io->in_length && out == io->out_length)
            return HF_CODEC_BAD;
    }
}

static void *decoder_new(hf_codec_memory *memory)
{
    /* The window follows what was decoded so far (the library's own default), and is never one of RFC 9841's large ones. */
    return BrotliDecoderCreateInstance(hf_codec_take, hf_codec_give, memory);
}

static hf_codec_result decode(void *decoder, hf_codec_io *io)
{
    switch (BrotliDecoderDecompressStream(decoder, &io->in_length, &io->in, &io->out_length, &io->out, NULL)) {
    case BROTLI_DECODER_RESULT_SUCCESS: return HF_CODEC_OVER;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT: return HF_CODEC_DONE;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: return HF_CODEC_ROOM;
    case BROTLI_DECODER_RESULT_ERROR: break;
    }
    return HF_CODEC_BAD;
}

static void decoder_free(void *decoder)
{
    BrotliDecoderDestroyInstance(decoder);
}

const hf_codec hf_codec_br = {
    .library = "brotli", .version = version, .encoder_new = encoder_new, .encode = encode, .encoder_free = encoder_free,
    .decoder_new = decoder_new, .decode = decode, .decoder_free = decoder_free,
};
