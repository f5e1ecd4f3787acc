/* SPDX-License-Identifier: Apache-2.0
 *
 * gzip (RFC 1952) by zlib.
 */
#define ZLIB_CONST
#include <limits.h>
#include <zlib.h>

#include "compress_codec.h"

/* Level 5 is the last before the cost of a byte climbs steeply. 16 asks for gzip's head and check in place of zlib's. */
enum { LEVEL = 5, WINDOW_BITS = 15, WINDOW_LEAST = 10, MEMORY_LEVEL = 8, MEMORY_LEAST = 2, GZIP = 16 };
/* 70 KB in place of 262, and events come out as small. */
enum { LIVE_WINDOW_BITS = 13, LIVE_MEMORY_LEVEL = 6 };

typedef struct coder {
    z_stream z;
    hf_codec_memory *memory;
} coder;

static void *take(void *memory, unsigned items, unsigned size)
{
    return hf_codec_take(memory, (size_t)items * size);
}

static void version(hf_writer *w)
{
    hf_write_text(w, zlibVersion());
}

static coder *coder_new(hf_codec_memory *memory)
{
    coder *c = hf_codec_take(memory, sizeof *c);
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    c->memory = memory;
    c->z.zalloc = take;
    c->z.zfree = hf_codec_give;
    c->z.opaque = memory;
    return c;
}

static void *encoder_new(hf_codec_memory *memory, uint64_t size)
{
    const bool live = size == HF_COMPRESS_LIVE;
    int window = live ? LIVE_WINDOW_BITS : WINDOW_BITS, level = live ? LIVE_MEMORY_LEVEL : MEMORY_LEVEL;
    coder *c = coder_new(memory);
    /* A window beyond the body's size only costs memory, and time to clear it. */
    while (window > WINDOW_LEAST && level > MEMORY_LEAST && size <= UINT64_C(1) << (window - 1)) {
        window--;
        level--;
    }
    if (c != NULL && deflateInit2(&c->z, LEVEL, Z_DEFLATED, window + GZIP, level, Z_DEFAULT_STRATEGY) == Z_OK)
        return c;
    hf_codec_give(memory, c);
    return NULL;
}

/* zlib counts in unsigned int: what is longer comes in turns. */
static void lend(coder *c, const hf_codec_io *io)
{
    c->z.next_in = io->in;
    c->z.avail_in = io->in_length < UINT_MAX ? (unsigned)io->in_length : UINT_MAX;
    c->z.next_out = io->out;
    c->z.avail_out = io->out_length < UINT_MAX ? (unsigned)io->out_length : UINT_MAX;
}

static void account(const coder *c, hf_codec_io *io)
{
    if (c->z.next_in != NULL)
        io->in_length -= (size_t)(c->z.next_in - io->in);
    io->in = c->z.next_in;
    io->out_length -= (size_t)(c->z.next_out - io->out);
    io->out = c->z.next_out;
}

static hf_codec_result encode(void *encoder, hf_codec_io *io, hf_compress_step step)
{
    static const int flushes[] = { [HF_COMPRESS_FEED] = Z_NO_FLUSH, [HF_COMPRESS_FLUSH] = Z_SYNC_FLUSH, [HF_COMPRESS_END] = Z_FINISH };
    coder *c = encoder;
    int result;
    do {
        lend(c, io);
        result = deflate(&c->z, io->in_length > UINT_MAX ? Z_NO_FLUSH : flushes[step]);
        account(c, io);
    } while (result == Z_OK && io->in_length > 0 && io->out_length > 0);
    if (result == Z_STREAM_END)
        return HF_CODEC_DONE;
    /* Z_BUF_ERROR: nothing was left to do, as after a flush that filled the room to the last byte. */
    if (result == Z_BUF_ERROR)
        return step == HF_COMPRESS_END || io->out_length == 0 ? HF_CODEC_ROOM : HF_CODEC_DONE;
    if (result != Z_OK)
        return HF_CODEC_BAD;
    return step == HF_COMPRESS_END || io->in_length > 0 || (step == HF_COMPRESS_FLUSH && io->out_length == 0) ? HF_CODEC_ROOM
                                                                                                          : HF_CODEC_DONE;
}

static void encoder_free(void *encoder)
{
    coder *c = encoder;
    (void)deflateEnd(&c->z);
    hf_codec_give(c->memory, c);
}

static void *decoder_new(hf_codec_memory *memory)
{
    coder *c = coder_new(memory);
    if (c != NULL && inflateInit2(&c->z, WINDOW_BITS + GZIP) == Z_OK)
        return c;
    hf_codec_give(memory, c);
    return NULL;
}

static hf_codec_result decode(void *decoder, hf_codec_io *io)
{
    coder *c = decoder;
    lend(c, io);
    const int result = inflate(&c->z, Z_NO_FLUSH);
    account(c, io);
    if (result == Z_STREAM_END)
        return HF_CODEC_OVER;
    if (result != Z_OK && result != Z_BUF_ERROR)
        return HF_CODEC_BAD;
    return io->out_length == 0 || io->in_length > 0 ? HF_CODEC_ROOM : HF_CODEC_DONE;
}

static bool decoder_again(void *decoder)
{
    return inflateReset(&((coder *)decoder)->z) == Z_OK;
}

static void decoder_free(void *decoder)
{
    coder *c = decoder;
    (void)inflateEnd(&c->z);
    hf_codec_give(c->memory, c);
}

/* RFC 1952 2.2: "A gzip file consists of a series of members". */
const hf_codec hf_codec_gzip = {
    .library = "zlib", .version = version, .many = true, .encoder_new = encoder_new, .encode = encode,
    .encoder_free = encoder_free, .decoder_new = decoder_new, .decode = decode, .decoder_again = decoder_again,
    .decoder_free = decoder_free,
};
