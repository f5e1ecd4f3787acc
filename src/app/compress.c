/* SPDX-License-Identifier: Apache-2.0
 *
 * What is the same whichever library does the work: memory with a bound, growing output, all or nothing.
 */
#include "compress.h"

#include <string.h>

#include "compress_codec.h"
#include "panic.h"

/* What is reserved at once for output whose size nobody knows. */
enum { OUTPUT_PIECE = 4096 };

static const hf_codec *const codecs[HF_ENCODING_COUNT] = {
    [HF_ENCODING_IDENTITY] = NULL,
#if HF_WITH_ZLIB
    [HF_ENCODING_GZIP] = &hf_codec_gzip,
#endif
#if HF_WITH_BROTLI
    [HF_ENCODING_BR] = &hf_codec_br,
#endif
#if HF_WITH_ZSTD
    [HF_ENCODING_ZSTD] = &hf_codec_zstd,
#endif
};

struct hf_compressor {
    const hf_allocator *alloc;
    const hf_codec *codec;
    void *encoder;
    hf_err err;
    hf_codec_memory memory;
};

const hf_codec *hf_codec_of(hf_encoding encoding)
{
    return encoding < HF_ENCODING_COUNT ? codecs[encoding] : NULL;
}

unsigned hf_compress_codings(void)
{
    unsigned codings = 0;
    for (unsigned e = 0; e < HF_ENCODING_COUNT; e++)
        if (codecs[e] != NULL)
            codings |= 1u << e;
    return codings;
}

bool hf_compress_library(size_t index, const char **name, hf_writer *version)
{
    for (unsigned e = 0; e < HF_ENCODING_COUNT; e++) {
        if (codecs[e] == NULL || index-- > 0)
            continue;
        *name = codecs[e]->library;
        codecs[e]->version(version);
        return true;
    }
    return false;
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

typedef union block_head {
    size_t size; /* with this head */
    max_align_t align;
} block_head;

void *hf_codec_take(void *memory, size_t size)
{
    hf_codec_memory *m = memory;
    if (size > m->most || m->most - size < m->held + sizeof(block_head)) {
        m->over = true;
        return NULL;
    }
    block_head *b = hf_alloc(m->alloc, size + sizeof *b);
    if (b == NULL) {
        m->failed = true;
        return NULL;
    }
    b->size = size + sizeof *b;
    m->held += b->size;
    if (m->sum != NULL)
        *m->sum += b->size;
    return b + 1;
}

void hf_codec_give(void *memory, void *block)
{
    hf_codec_memory *m = memory;
    if (block == NULL)
        return;
    block_head *b = (block_head *)block - 1;
    m->held -= b->size;
    if (m->sum != NULL)
        *m->sum -= b->size;
    hf_free(m->alloc, b, b->size);
}

/* ---- streams ------------------------------------------------------------------------------------------------ */

hf_compressor *hf_compressor_new(const hf_env *env, hf_encoding encoding, uint64_t size)
{
    return hf_compressor_new_counted(env, encoding, size, NULL);
}

hf_compressor *hf_compressor_new_counted(const hf_env *env, hf_encoding encoding, uint64_t size, uint64_t *sum)
{
    const hf_codec *codec = hf_codec_of(encoding);
    hf_compressor *c = codec != NULL ? hf_alloc_zeroed(&env->alloc, sizeof *c) : NULL;
    if (c == NULL)
        return NULL;
    c->alloc = &env->alloc;
    c->codec = codec;
    c->memory = (hf_codec_memory){ .alloc = &env->alloc, .most = (size_t)env->limits->coding_bytes, .sum = sum };
    c->encoder = codec->encoder_new(&c->memory, size);
    if (c->encoder != NULL)
        return c;
    hf_free(c->alloc, c, sizeof *c);
    return NULL;
}

void hf_compressor_free(hf_compressor *c)
{
    if (c == NULL)
        return;
    c->codec->encoder_free(c->encoder);
    HF_ASSERT(c->memory.held == 0);
    hf_free(c->alloc, c, sizeof *c);
}

static hf_err run(hf_compressor *c, hf_bytes in, hf_compress_step step, hf_queue *out)
{
    hf_codec_io io = { .in = in.ptr, .in_length = in.len };
    hf_codec_result result = HF_CODEC_ROOM;
    while (c->err.code == 0 && result == HF_CODEC_ROOM) {
        const hf_span room = hf_queue_reserve(out, OUTPUT_PIECE);
        if (room.ptr == NULL) {
            c->err = hf_err_make(HF_ERR_BASE_MEMORY);
            break;
        }
        io.out = room.ptr;
        io.out_length = room.len;
        result = c->codec->encode(c->encoder, &io, step);
        hf_queue_commit(out, room.len - io.out_length);
        if (result == HF_CODEC_BAD) /* there are no bytes that cannot be compressed: only memory can end */
            c->err = hf_err_make(HF_ERR_BASE_MEMORY);
    }
    return c->err;
}

hf_err hf_compressor_feed(hf_compressor *c, hf_bytes in, hf_queue *out)
{
    return in.len > 0 ? run(c, in, HF_COMPRESS_FEED, out) : c->err;
}

hf_err hf_compressor_flush(hf_compressor *c, hf_queue *out)
{
    return run(c, hf_bytes_make(NULL, 0), HF_COMPRESS_FLUSH, out);
}

hf_err hf_compressor_end(hf_compressor *c, hf_queue *out)
{
    return run(c, hf_bytes_make(NULL, 0), HF_COMPRESS_END, out);
}

/* ---- all at once -------------------------------------------------------------------------------------------- */

/* Writes the pieces into a block that is too small for what would not be worth it: HF_CODEC_ROOM says so. */
static hf_codec_result fill(hf_compressor *c, const hf_extent *pieces, size_t count, hf_codec_io *io)
{
    for (size_t i = 0; i < count; i++) {
        io->in = pieces[i].bytes.ptr;
        io->in_length = pieces[i].bytes.len;
        const hf_codec_result result = io->in_length > 0 ? c->codec->encode(c->encoder, io, HF_COMPRESS_FEED) : HF_CODEC_DONE;
        if (result != HF_CODEC_DONE)
            return result;
    }
    return c->codec->encode(c->encoder, io, HF_COMPRESS_END);
}

hf_err hf_compress_whole(const hf_env *env, hf_encoding encoding, const hf_extent *pieces, size_t count, hf_span *out)
{
    uint64_t total = 0;
    *out = (hf_span){ NULL, 0 };
    for (size_t i = 0; i < count; i++) {
        HF_ASSERT(pieces[i].kind != HF_EXTENT_FILE);
        total += pieces[i].bytes.len;
    }
    const size_t room = (size_t)(total - total / 16);
    if (total / 16 == 0)
        return HF_OK;
    hf_compressor *c = hf_compressor_new(env, encoding, total);
    uint8_t *block = c != NULL ? hf_alloc(&env->alloc, room) : NULL;
    hf_codec_io io = { .out = block, .out_length = room };
    const hf_codec_result result = block != NULL ? fill(c, pieces, count, &io) : HF_CODEC_BAD;
    hf_compressor_free(c);
    uint8_t *cut = result == HF_CODEC_DONE ? hf_resize(&env->alloc, block, room, room - io.out_length) : NULL;
    if (cut != NULL)
        *out = (hf_span){ cut, room - io.out_length };
    else
        hf_free(&env->alloc, block, room);
    return cut != NULL || result == HF_CODEC_ROOM ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}
