/* SPDX-License-Identifier: Apache-2.0
 *
 * QPACK (RFC 9204): field sections to fields and back, where sections may overtake one another. One decoder and one
 * encoder for each connection. What each has to tell the other goes over a stream of its own (the encoder stream and the
 * decoder stream): instructions are read from bytes the caller holds, and written to a queue the caller empties.
 */
#ifndef HF_HTTP3_QPACK_H
#define HF_HTTP3_QPACK_H

#include <handfast/http.h>

#include "field_code.h"
#include "queue.h"

/* ---- the static table --------------------------------------------------------------------------------------- */

enum {
    HF_QPACK_STATIC = 99,
    /* RFC 9204, appendix A: where names begin that are looked for by number */
    HF_QPACK_AUTHORITY = 0,
    HF_QPACK_PATH = 1,
    HF_QPACK_METHOD = 15,
    HF_QPACK_SCHEME = 22,
    HF_QPACK_STATUS = 24
};

extern const hf_field hf_qpack_static[HF_QPACK_STATIC];
/* The next entry with the same name; 0: none. */
extern const uint8_t hf_qpack_static_next[HF_QPACK_STATIC];
/* One more than the first entry of a field that has an id; 0: none. */
extern const uint8_t hf_qpack_static_id[HF_FIELD_COUNT];
/* One more than the first entry with this (lower-case) name; 0: none. */
unsigned hf_qpack_static_name(hf_bytes name);

/* ---- decoding ----------------------------------------------------------------------------------------------- */

typedef struct hf_qpack_decoder {
    hf_field_table table;
    hf_field_list text;  /* strings of an instruction, while it is read */
    uint64_t inserted;   /* TotalNumberOfInserts */
    uint64_t told;       /* of them, what the peer knows that we have: its Known Received Count */
    uint32_t most;       /* our SETTINGS_QPACK_MAX_TABLE_CAPACITY */
    hf_queue say;        /* for the decoder stream: take from it what was sent */
} hf_qpack_decoder;

typedef enum hf_qpack_verdict {
    HF_QPACK_GOOD,
    HF_QPACK_BLOCKED, /* the section needs entries that are still on their way: decode it again after `instruct` */
    HF_QPACK_BAD      /* the flaw says why; the connection is over */
} hf_qpack_verdict;

void hf_qpack_decoder_init(hf_qpack_decoder *d, const hf_allocator *alloc, uint32_t most);
void hf_qpack_decoder_fini(hf_qpack_decoder *d);

/* Obeys the instructions in `bytes` of the encoder stream, as many as are complete; *used is their length. The rest must
 * come again with more behind it; it is never longer than hf_qpack_instruction_most. False: the flaw says why
 * (QPACK_ENCODER_STREAM_ERROR, unless memory ended). Fields of an earlier decode that lent from the table are gone. */
bool hf_qpack_instruct(hf_qpack_decoder *d, hf_bytes bytes, size_t *used, hf_field_flaw *flaw);
static inline size_t hf_qpack_instruction_most(const hf_qpack_decoder *d)
{
    return (size_t)d->most * 8 + 3 * HF_PREFIX_INT_BYTES; /* name and value, each in codes of up to thirty bits */
}

/* Decodes a whole section of a stream into `list`, which is reset first. Fields lend from the section, from the list, from
 * the table and from static memory, until the next call of the decoder. BAD is QPACK_DECOMPRESSION_FAILED. */
hf_qpack_verdict hf_qpack_decode(hf_qpack_decoder *d, uint64_t stream, hf_bytes section, hf_field_list *list,
                                 hf_field_flaw *flaw);
/* The entries that a section needs, when it is known to be BLOCKED: it is worth trying when d->inserted has reached it. */
bool hf_qpack_required(const hf_qpack_decoder *d, hf_bytes section, uint64_t *required);
/* RFC 9204 2.2.2.2: the stream was reset, or is not read to its end. False when memory ends. */
bool hf_qpack_cancel(hf_qpack_decoder *d, uint64_t stream);
/* Tells the peer of entries it does not know that we have. Once a turn is enough. False when memory ends. */
bool hf_qpack_acknowledge(hf_qpack_decoder *d);

/* ---- encoding ----------------------------------------------------------------------------------------------- */

enum { HF_QPACK_SECTIONS = 128 }; /* unacknowledged ones with references; beyond them no section refers to the table */

/* RFC 9204 2.1.1: what must stay, and who would wait. */
typedef struct hf_qpack_section {
    uint64_t stream;
    uint64_t required; /* its Required Insert Count */
    uint64_t lowest;   /* the oldest entry it refers to */
} hf_qpack_section;

typedef struct hf_qpack_encoder {
    hf_field_table table;
    hf_field_index *index;      /* NULL before the first insertion */
    hf_qpack_section *sections; /* oldest first; NULL before the first */
    uint32_t section_count;
    uint32_t most;          /* ours: the peer may allow more */
    uint32_t allowed;       /* the peer's SETTINGS_QPACK_MAX_TABLE_CAPACITY */
    uint64_t blocked_most;  /* the peer's SETTINGS_QPACK_BLOCKED_STREAMS */
    uint64_t inserted;
    uint64_t known;         /* RFC 9204 2.1.4: the Known Received Count */
    hf_queue say;           /* for the encoder stream: take from it what was sent */
    /* the section at work */
    hf_qpack_section open;
    uint64_t base;
    size_t begun;     /* where it begins in the writer */
    bool may_refer, may_block;
} hf_qpack_encoder;

void hf_qpack_encoder_init(hf_qpack_encoder *e, const hf_allocator *alloc, uint32_t most);
void hf_qpack_encoder_fini(hf_qpack_encoder *e);
/* Gives back what can be made again from the table; the next section does. */
void hf_qpack_encoder_rest(hf_qpack_encoder *e);
bool hf_qpack_encoder_is_at_rest(const hf_qpack_encoder *e);
/* The peer's SETTINGS, once. */
void hf_qpack_encoder_allow(hf_qpack_encoder *e, uint64_t capacity, uint64_t blocked);
/* Obeys the decoder stream; as hf_qpack_instruct. The rest is at most HF_PREFIX_INT_BYTES. False:
 * QPACK_DECODER_STREAM_ERROR. */
bool hf_qpack_heed(hf_qpack_encoder *e, hf_bytes bytes, size_t *used, hf_field_flaw *flaw);

/* A section: begin, then fields in order, then finish, which answers the whole (it lies in `w`'s memory). Room for
 * HF_QPACK_PREFIX_MOST and the sum of hf_qpack_field_most is enough. */
enum { HF_QPACK_PREFIX_MOST = 2 * HF_PREFIX_INT_BYTES, HF_QPACK_NAME_MOST = 256 };
static inline size_t hf_qpack_field_most(size_t name_length, size_t value_length)
{
    return name_length + value_length + 3 * HF_PREFIX_INT_BYTES;
}
void hf_qpack_begin(hf_qpack_encoder *e, uint64_t stream, hf_writer *w);
/* A field of a message: the name is lowered on its way. Secrets are never indexed. */
void hf_qpack_field(hf_qpack_encoder *e, hf_writer *w, const hf_field *field);
/* A pseudo-header, by the number of the first static entry with its name. */
void hf_qpack_pseudo(hf_qpack_encoder *e, hf_writer *w, unsigned first, hf_bytes value);
hf_bytes hf_qpack_finish(hf_qpack_encoder *e, hf_writer *w);

#endif
