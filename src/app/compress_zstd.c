/* SPDX-License-Identifier: Apache-2.0
 *
 * zstd (RFC 8878) by the zstd library, with the windows that RFC 9659 allows on the web.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for the allocator; the build looks whether the library has these functions */
#include <zstd.h>
#include <zstd_errors.h>

#include "compress_codec.h"

/* RFC 9659 3: encoders must not use, and decoders must support, a window of more than (up to) 8 MB: 2^23 bytes. */
enum { LEVEL = 3, WINDOW_BITS = 20, WINDOW_MOST = 23 };
/* 0.1 MB in place of 2.6, and events come out as small. */
enum { LIVE_LEVEL = 1, LIVE_WINDOW_BITS = 13 };

static ZSTD_customMem memory_of(hf_codec_memory *memory)
{
    return (ZSTD_customMem){ .customAlloc = hf_codec_take, .customFree = hf_codec_give, .opaque = memory };
}

static void version(hf_writer *w)
{
    hf_write_text(w, ZSTD_versionString());
}

static void *encoder_new(hf_codec_memory *memory, uint64_t size)
{
    const bool live = size == HF_COMPRESS_LIVE;
    ZSTD_CCtx *s = ZSTD_createCCtx_advanced(memory_of(memory));
    if (s == NULL)
        return NULL;
    (void)ZSTD_CCtx_setParameter(s, ZSTD_c_compressionLevel, live ? LIVE_LEVEL : LEVEL);
    (void)ZSTD_CCtx_setParameter(s, ZSTD_c_windowLog, live ? LIVE_WINDOW_BITS : WINDOW_BITS);
    /* HTTP brings bytes whole, or TLS and the transport see to it. */
    (void)ZSTD_CCtx_setParameter(s, ZSTD_c_checksumFlag, 0);
    if (size < HF_COMPRESS_LIVE)
        (void)ZSTD_CCtx_setPledgedSrcSize(s, size);
    return s;
}

static hf_codec_result encode(void *encoder, hf_codec_io *io, hf_compress_step step)
{
    static const ZSTD_EndDirective directives[] = {
        [HF_COMPRESS_FEED] = ZSTD_e_continue, [HF_COMPRESS_FLUSH] = ZSTD_e_flush, [HF_COMPRESS_END] = ZSTD_e_end };
    for (;;) {
        ZSTD_inBuffer in = { io->in, io->in_length, 0 };
        ZSTD_outBuffer out = { io->out, io->out_length, 0 };
        const size_t left = ZSTD_compressStream2(encoder, &out, &in, directives[step]);
        if (ZSTD_isError(left))
            return HF_CODEC_BAD;
        if (in.pos > 0)
            io->in += in.pos;
        io->in_length -= in.pos;
        io->out += out.pos;
        io->out_length -= out.pos;
        if (io->in_length == 0 && (step == HF_COMPRESS_FEED || left == 0))
            return HF_CODEC_DONE;
        if (io->out_length == 0)
            return HF_CODEC_ROOM;
    }
}

static void encoder_free(void *encoder)
{
    (void)ZSTD_freeCCtx(encoder);
}

typedef struct decoder {
    hf_codec_memory *memory;
    ZSTD_DCtx *state;
    uint64_t given;                         /* of this frame */
    size_t head_length;
    uint8_t head[ZSTD_FRAMEHEADERSIZE_MAX]; /* the frame's first bytes */
} decoder;

static void decoder_free(void *what)
{
    decoder *d = what;
    (void)ZSTD_freeDCtx(d->state);
    hf_codec_give(d->memory, d);
}

static void *decoder_new(hf_codec_memory *memory)
{
    decoder *d = hf_codec_take(memory, sizeof *d);
    if (d == NULL)
        return NULL;
    *d = (decoder){ .memory = memory, .state = ZSTD_createDCtx_advanced(memory_of(memory)) };
    if (d->state != NULL) {
        (void)ZSTD_DCtx_setParameter(d->state, ZSTD_d_windowLogMax, WINDOW_MOST);
        return d;
    }
    hf_codec_give(memory, d);
    return NULL;
}

/* The library holds a frame to the size that its head promises when it comes in one piece, and does not always when it comes
 * in several: we always do. */
static bool promise_kept(const decoder *d)
{
    const unsigned long long promised = ZSTD_getFrameContentSize(d->head, d->head_length);
    return promised == ZSTD_CONTENTSIZE_UNKNOWN || promised == d->given;
}

static void remember(decoder *d, const uint8_t *eaten, size_t length, size_t given)
{
    const size_t room = sizeof d->head - d->head_length, n = length < room ? length : room;
    if (n > 0)
        memcpy(d->head + d->head_length, eaten, n);
    d->head_length += n;
    d->given += given;
}

static hf_codec_result decode(void *what, hf_codec_io *io)
{
    decoder *d = what;
    /* A frame that lies before it whole the library takes by another way, which judges otherwise: so it sees one byte first. */
    ZSTD_inBuffer in = { io->in, d->head_length == 0 && io->in_length > 0 ? 1 : io->in_length, 0 };
    ZSTD_outBuffer out = { io->out, io->out_length, 0 };
    const size_t left = ZSTD_decompressStream(d->state, &out, &in);
    remember(d, io->in, in.pos, out.pos);
    if (in.pos > 0)
        io->in += in.pos;
    io->in_length -= in.pos;
    io->out += out.pos;
    io->out_length -= out.pos;
    if (ZSTD_isError(left))
        return ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge ? HF_CODEC_WINDOW : HF_CODEC_BAD;
    if (left == 0)
        return promise_kept(d) ? HF_CODEC_OVER : HF_CODEC_BAD;
    return io->out_length == 0 || io->in_length > 0 ? HF_CODEC_ROOM : HF_CODEC_DONE;
}

static bool decoder_again(void *what)
{
    decoder *d = what;
    d->given = 0;
    d->head_length = 0;
    return !ZSTD_isError(ZSTD_DCtx_reset(d->state, ZSTD_reset_session_only));
}

/* RFC 8878 3: "Zstandard compressed data is made up of one or more frames". */
const hf_codec hf_codec_zstd = {
    .library = "zstd", .version = version, .many = true, .encoder_new = encoder_new, .encode = encode,
    .encoder_free = encoder_free, .decoder_new = decoder_new, .decode = decode, .decoder_again = decoder_again,
    .decoder_free = decoder_free,
};
