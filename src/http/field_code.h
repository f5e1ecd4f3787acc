/* SPDX-License-Identifier: Apache-2.0
 *
 * What HPACK (RFC 7541) and QPACK (RFC 9204) have in common beyond the dynamic table: strings on the wire, and the
 * encoder's judgement of what is worth remembering.
 *
 * What goes into the dynamic table: everything that is likely to come again, at once; values that mostly do not
 * (lengths, tags, paths, places) when they come a second time; secrets never, and they are marked so that no
 * intermediary does (RFC 7541 7.1.3).
 */
#ifndef HF_HTTP_FIELD_CODE_H
#define HF_HTTP_FIELD_CODE_H

#include "field_list.h"
#include "prefix_int.h"
#include "text.h"

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* What is wrong with a block. */
typedef struct hf_field_flaw {
    const uint8_t *at;
    const char *wanted; /* static */
    bool memory;        /* nothing: memory ended */
    bool bomb;          /* it unpacks to far more than is taken */
} hf_field_flaw;

/* RFC 7541 5.2: the string whose length begins at *cursor with a prefix of `bits`, the flag for the Huffman code before
 * it. `wanted` false: it is passed over. BAD: *flaw says why. MORE: it does not end before `end`. */
hf_prefix_int hf_field_string_parse(hf_field_list *l, const uint8_t **cursor, const uint8_t *end, unsigned bits,
                                    bool wanted, hf_bytes *out, hf_field_flaw *flaw);

/* ---- writing ------------------------------------------------------------------------------------------------ */

void hf_field_int_write(hf_writer *w, unsigned bits, uint8_t flags, uint64_t value);
/* In the Huffman code where that is shorter. */
void hf_field_string_write(hf_writer *w, unsigned bits, uint8_t flags, hf_bytes s);

/* ---- remembering -------------------------------------------------------------------------------------------- */

enum { HF_FIELD_PAIRS = 256, HF_FIELD_NAMES = 128, HF_FIELD_SEEN = 64 };

/* What is looked up lies in small hash tables that forget: a collision costs some bytes on the wire, nothing else. */
typedef struct hf_field_index {
    uint32_t pairs[HF_FIELD_PAIRS]; /* number of an entry + 1 */
    uint32_t names[HF_FIELD_NAMES];
    uint16_t seen[HF_FIELD_SEEN]; /* of pairs that are inserted only when they come again */
} hf_field_index;

/* A field on its way, with what was found out about it. */
typedef struct hf_field_search {
    hf_bytes name, value; /* the name in lower case */
    hf_field_id id;
    unsigned static_name; /* the first static entry with the name, as the encoder numbers them; 0: none */
    bool is_path;         /* :path */
    uint64_t name_hash, pair_hash; /* by hf_field_search_hash */
} hf_field_search;

typedef enum hf_field_habit {
    HF_FIELD_REPEATS, /* inserted at once */
    HF_FIELD_VARIES,  /* inserted when it comes again */
    HF_FIELD_SECRET   /* never */
} hf_field_habit;

hf_field_habit hf_field_habit_of(const hf_field_search *s);
void hf_field_search_hash(hf_field_search *s);
static inline uint32_t *hf_field_pair_slot(hf_field_index *x, const hf_field_search *s)
{
    return &x->pairs[s->pair_hash % HF_FIELD_PAIRS];
}
static inline uint32_t *hf_field_name_slot(hf_field_index *x, const hf_field_search *s)
{
    return &x->names[s->name_hash % HF_FIELD_NAMES];
}
/* Whether this pair came before, as far as is remembered; it is remembered now. */
bool hf_field_came_before(hf_field_index *x, const hf_field_search *s);
/* Whether `number` (of a slot) leads to an entry that is still there and has the name, or with `whole` name and value:
 * its *age. */
bool hf_field_find(const hf_field_table *t, uint32_t number, const hf_field_search *s, bool whole, uint32_t *age);

#endif
