/* SPDX-License-Identifier: Apache-2.0
 *
 * HPACK (RFC 7541): header blocks to fields and back. One decoder and one encoder for each connection.
 */
#ifndef HF_HTTP2_HPACK_H
#define HF_HTTP2_HPACK_H

#include <handfast/http.h>

#include "field_code.h"

/* ---- the static table --------------------------------------------------------------------------------------- */

enum {
    HF_HPACK_STATIC = 61,
    /* RFC 7541, appendix A: where names begin that are looked for by number */
    HF_HPACK_AUTHORITY = 1,
    HF_HPACK_METHOD = 2,
    HF_HPACK_PATH = 4,
    HF_HPACK_SCHEME = 6,
    HF_HPACK_STATUS = 8
};

/* Entries 1 to 61; the id is found already. */
extern const hf_field hf_hpack_static[HF_HPACK_STATIC + 1];
/* The first static entry of a field that has an id, 0 when there is none. */
extern const uint8_t hf_hpack_static_id[HF_FIELD_COUNT];
/* The first static entry with this (lower-case) name, 0 when there is none. */
unsigned hf_hpack_static_name(hf_bytes name);

/* ---- decoding ----------------------------------------------------------------------------------------------- */

typedef struct hf_hpack_decoder {
    hf_field_table table;
    uint32_t most; /* our SETTINGS_HEADER_TABLE_SIZE */
} hf_hpack_decoder;

void hf_hpack_decoder_init(hf_hpack_decoder *d, const hf_allocator *alloc, uint32_t most);
void hf_hpack_decoder_fini(hf_hpack_decoder *d);

/* Decodes a whole block into `list`, which is reset first. Fields lend from the block, from the list, from the table and
 * from static memory, until the next block. False: the flaw says why; the decoder is of no more use. */
bool hf_hpack_decode(hf_hpack_decoder *d, hf_bytes block, hf_field_list *list, hf_field_flaw *flaw);

/* ---- encoding ----------------------------------------------------------------------------------------------- */

typedef struct hf_hpack_memo hf_hpack_memo;
typedef struct hf_hpack_encoder {
    hf_field_table table;
    hf_field_index *index; /* NULL before the first insertion */
    hf_hpack_memo *memo;   /* NULL before the first answer that was worth it */
    uint32_t most;         /* ours: the peer may allow more */
    uint32_t lowest;       /* the smallest capacity since the last block */
    bool resized;          /* RFC 7541 4.2: the next block begins with the change */
    bool literal;          /* this block has a field that is not indexed, or a change of size */
} hf_hpack_encoder;

void hf_hpack_encoder_init(hf_hpack_encoder *e, const hf_allocator *alloc, uint32_t most);
void hf_hpack_encoder_fini(hf_hpack_encoder *e);
/* The peer's SETTINGS_HEADER_TABLE_SIZE. */
void hf_hpack_encoder_allow(hf_hpack_encoder *e, uint32_t allowed);

/* A block: begin, then fields in order. Room for the sums of hf_hpack_begin_most and hf_hpack_field_most is enough. */
enum { HF_HPACK_BEGIN_MOST = 2 * 11, HF_HPACK_NAME_MOST = 256 };
static inline size_t hf_hpack_field_most(size_t name_length, size_t value_length)
{
    return name_length + value_length + 3 * 11;
}
void hf_hpack_begin(hf_hpack_encoder *e, hf_writer *w);
/* A field of a message: the name is lowered on its way. Secrets are never indexed (RFC 7541 7.1). */
void hf_hpack_field(hf_hpack_encoder *e, hf_writer *w, const hf_field *field);
/* A pseudo-header, by the number of the first static entry with its name. */
void hf_hpack_pseudo(hf_hpack_encoder *e, hf_writer *w, unsigned name_index, hf_bytes value);

/* hpack_memo.c: the block that was remembered for this very head with this Content-Length (-1: none), and is still what
 * encoding it would give; else empty. Lends until the encoder is used again. */
hf_bytes hf_hpack_recall(const hf_hpack_encoder *e, const hf_response_head *head, int64_t length);
/* After a block was written: remembers it if it is worth it. */
void hf_hpack_remember(hf_hpack_encoder *e, const hf_response_head *head, int64_t length, hf_bytes block);
/* Gives its memory back. */
void hf_hpack_memo_free(hf_hpack_encoder *e);

#endif
