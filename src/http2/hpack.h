/* SPDX-License-Identifier: Apache-2.0
 *
 * HPACK (RFC 7541): header blocks to fields and back. One decoder and one encoder for each connection.
 */
#ifndef HF_HTTP2_HPACK_H
#define HF_HTTP2_HPACK_H

#include <handfast/http.h>

#include "text.h"

/* ---- the tables --------------------------------------------------------------------------------------------- */

enum {
    HF_HPACK_OVERHEAD = 32, /* RFC 7541 4.1: what an entry counts beyond its bytes */
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

/* An entry's text lies in the table's own: name, then value. */
typedef struct hf_hpack_entry {
    uint32_t at; /* counts all text that ever was, modulo 2^32 */
    uint32_t name_length, value_length;
    hf_field_id id;
} hf_hpack_entry;

/* RFC 7541 2.3.2. Entries are numbered from 0 in the order of their insertion. Holds no memory before the first. */
typedef struct hf_hpack_table {
    const hf_allocator *alloc;
    hf_hpack_entry *entries; /* a ring */
    uint8_t *text;
    uint32_t entry_capacity; /* a power of two, or 0 */
    uint32_t text_capacity, text_used;
    uint32_t origin;          /* `at` of text[0] */
    uint32_t inserted, count; /* entries ever, and now */
    uint32_t size, capacity;  /* as RFC 7541 4.1 counts */
} hf_hpack_table;

void hf_hpack_table_init(hf_hpack_table *t, const hf_allocator *alloc, uint32_t capacity);
void hf_hpack_table_fini(hf_hpack_table *t);
/* RFC 7541 4.3: shrinking evicts. */
void hf_hpack_table_resize(hf_hpack_table *t, uint32_t capacity);
/* False when memory ends: then nothing changed. What is larger than the table empties it, and is no error (4.4).
 * Neither name nor value may lie in the table. */
bool hf_hpack_table_insert(hf_hpack_table *t, hf_bytes name, hf_bytes value, hf_field_id id);
/* The entry that was inserted `age` insertions ago (0: the newest). Lends until the next insertion. */
hf_field hf_hpack_table_at(const hf_hpack_table *t, uint32_t age);

/* ---- decoding ----------------------------------------------------------------------------------------------- */

typedef struct hf_hpack_text hf_hpack_text;

/* The fields of one block, and the memory for text that lies nowhere else. Reused from block to block. */
typedef struct hf_hpack_list {
    const hf_allocator *alloc;
    hf_field *at;
    uint32_t count, capacity;
    uint32_t most_fields;
    uint64_t most_bytes; /* RFC 9113 10.5.1: counted as if uncompressed, with 32 for each field */
    uint64_t bytes;
    bool too_many, too_large; /* fields beyond the bounds were left out: the table was kept in step all the same */
    bool borrowed;            /* some fields lie in the table */
    hf_hpack_text *text;      /* newest first */
} hf_hpack_list;

void hf_hpack_list_init(hf_hpack_list *l, const hf_allocator *alloc, uint64_t most_bytes, uint32_t most_fields);
void hf_hpack_list_fini(hf_hpack_list *l);
/* Forgets the fields, keeps some memory. */
void hf_hpack_list_reset(hf_hpack_list *l);
/* `n` bytes that live as long as the fields. NULL when memory ends. */
uint8_t *hf_hpack_list_room(hf_hpack_list *l, size_t n);
static inline hf_fields hf_hpack_list_fields(const hf_hpack_list *l)
{
    return (hf_fields){ l->at, l->count };
}

typedef struct hf_hpack_decoder {
    hf_hpack_table table;
    uint32_t most; /* our SETTINGS_HEADER_TABLE_SIZE */
} hf_hpack_decoder;

void hf_hpack_decoder_init(hf_hpack_decoder *d, const hf_allocator *alloc, uint32_t most);
void hf_hpack_decoder_fini(hf_hpack_decoder *d);

/* What is wrong with a block. */
typedef struct hf_hpack_flaw {
    const uint8_t *at;
    const char *wanted; /* static */
    bool memory;        /* nothing: memory ended */
    bool bomb;          /* it unpacks to far more than is taken */
} hf_hpack_flaw;

/* Decodes a whole block into `list`, which is reset first. Fields lend from the block, from the list, from the table and
 * from static memory, until the next block. False: the flaw says why; the decoder is of no more use. */
bool hf_hpack_decode(hf_hpack_decoder *d, hf_bytes block, hf_hpack_list *list, hf_hpack_flaw *flaw);

/* ---- encoding ----------------------------------------------------------------------------------------------- */

enum { HF_HPACK_PAIRS = 256, HF_HPACK_NAMES = 128, HF_HPACK_SEEN = 64 };

/* What is looked up lies in small hash tables that forget: a collision costs some bytes on the wire, nothing else. */
typedef struct hf_hpack_index {
    uint32_t pairs[HF_HPACK_PAIRS]; /* number of an entry + 1 */
    uint32_t names[HF_HPACK_NAMES];
    uint16_t seen[HF_HPACK_SEEN]; /* of pairs that are inserted only when they come again */
} hf_hpack_index;

typedef struct hf_hpack_encoder {
    hf_hpack_table table;
    hf_hpack_index *index; /* NULL before the first insertion */
    uint32_t most;         /* ours: the peer may allow more */
    uint32_t lowest;       /* the smallest capacity since the last block */
    bool resized;          /* RFC 7541 4.2: the next block begins with the change */
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

#endif
