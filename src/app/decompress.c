/* SPDX-License-Identifier: Apache-2.0
 *
 * Bombs: a few kilobytes can stand for gigabytes. Nothing is decoded further than its reader can take: one piece at a
 * time, and the sum is compared with what it came from.
 */
#include "decompress.h"

#include "compress_codec.h"
#include "panic.h"
#include "token.h"

/* Small bodies may grow as they like: a megabyte harms nobody, and a body's limit holds anyway. */
enum { PIECE = 16384, RATIO_FREE = 1 << 20 };

struct hf_decompressor {
    const hf_env *env;
    const hf_codec *codec;
    void *decoder;
    hf_err err;
    bool over;    /* a stream has ended, and none has begun since */
    bool waiting; /* the last piece was full: there may be more without any input */
    uint64_t eaten, given;
    hf_codec_memory memory;
    uint8_t piece[PIECE];
};

hf_decompressor *hf_decompressor_new(const hf_env *env, hf_encoding encoding)
{
    const hf_codec *codec = hf_codec_of(encoding);
    hf_decompressor *d = codec != NULL ? hf_alloc(&env->alloc, sizeof *d) : NULL;
    if (d == NULL)
        return NULL;
    memset(d, 0, offsetof(hf_decompressor, piece));
    d->env = env;
    d->codec = codec;
    d->memory = (hf_codec_memory){ .alloc = &env->alloc, .most = (size_t)env->limits->coding_bytes };
    d->decoder = codec->decoder_new(&d->memory);
    if (d->decoder != NULL)
        return d;
    hf_free(&env->alloc, d, sizeof *d);
    return NULL;
}

void hf_decompressor_free(hf_decompressor *d)
{
    if (d == NULL)
        return;
    d->codec->decoder_free(d->decoder);
    HF_ASSERT(d->memory.held == 0);
    hf_free(&d->env->alloc, d, sizeof *d);
}

static hf_err fault_of(const hf_decompressor *d, hf_codec_result result)
{
    if (d->memory.failed)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    return hf_err_make(d->memory.over || result == HF_CODEC_WINDOW ? HF_ERR_HTTP_CODING_MEMORY : HF_ERR_HTTP_CODING_INVALID);
}

/* One step of the library. */
static hf_err step(hf_decompressor *d, hf_bytes *in, hf_bytes *piece)
{
    hf_codec_io io = { .in = in->ptr, .in_length = in->len, .out = d->piece, .out_length = PIECE };
    const hf_codec_result result = d->codec->decode(d->decoder, &io);
    const size_t eaten = in->len - io.in_length;
    *piece = hf_bytes_make(d->piece, PIECE - io.out_length);
    *in = hf_bytes_make(io.in, io.in_length);
    d->eaten += eaten;
    d->given += piece->len;
    d->over = result == HF_CODEC_OVER;
    d->waiting = !d->over && io.out_length == 0;
    if (result == HF_CODEC_BAD || result == HF_CODEC_WINDOW)
        return fault_of(d, result);
    /* What moves nothing would turn for ever. */
    if (eaten == 0 && piece->len == 0 && in->len > 0 && !d->over)
        return hf_err_make(HF_ERR_HTTP_CODING_INVALID);
    const uint64_t ratio = d->env->limits->body_ratio;
    if (d->given > RATIO_FREE && (ratio == 0 || d->given / ratio > d->eaten))
        return hf_err_make(HF_ERR_HTTP_BODY_RATIO);
    return HF_OK;
}

hf_err hf_decompressor_next(hf_decompressor *d, hf_bytes *in, hf_bytes *piece)
{
    *piece = hf_bytes_make(NULL, 0);
    while (d->err.code == 0 && (in->len > 0 || d->waiting)) {
        if (d->over && (!d->codec->many || !d->codec->decoder_again(d->decoder))) {
            d->err = hf_err_make(HF_ERR_HTTP_CODING_INVALID); /* bytes behind the end */
            break;
        }
        d->err = step(d, in, piece);
        if (d->err.code == 0 && piece->len > 0)
            return HF_OK;
    }
    *piece = hf_bytes_make(NULL, 0);
    return d->err;
}

hf_err hf_decompressor_end(const hf_decompressor *d)
{
    if (d->err.code != 0)
        return d->err;
    return d->over || d->eaten == 0 ? HF_OK : hf_err_make(HF_ERR_HTTP_CODING_INVALID);
}

uint64_t hf_decompressor_given(const hf_decompressor *d)
{
    return d->given;
}

/* RFC 9110 8.4.1: "All content codings are case-insensitive"; 8.4.1.3: "A recipient SHOULD consider "x-gzip" to be
 * equivalent to "gzip"." */
static hf_encoding parse(hf_bytes token)
{
    for (hf_encoding e = HF_ENCODING_IDENTITY; e < HF_ENCODING_COUNT; e++)
        if (hf_text_same(token, hf_text(hf_encoding_name(e))))
            return e;
    return hf_text_same(token, hf_text("x-gzip")) ? HF_ENCODING_GZIP : HF_ENCODING_COUNT;
}

hf_encoding hf_decompress_coding(hf_fields fields)
{
    hf_encoding found = HF_ENCODING_IDENTITY;
    for (const hf_field *f = NULL; (f = hf_fields_next(fields, HF_FIELD_CONTENT_ENCODING, f)) != NULL;) {
        hf_bytes rest = f->value;
        for (hf_bytes token; hf_list_next(&rest, &token);) {
            const hf_encoding e = parse(token);
            if (e == HF_ENCODING_IDENTITY)
                continue;
            /* Codings on top of one another multiply what a bomb can do, and nobody sends them. */
            if (found != HF_ENCODING_IDENTITY || hf_codec_of(e) == NULL)
                return HF_ENCODING_COUNT;
            found = e;
        }
    }
    return found;
}
