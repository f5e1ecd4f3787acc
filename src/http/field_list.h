/* SPDX-License-Identifier: Apache-2.0
 *
 * What a decoder of HPACK or QPACK makes of one block: fields, within bounds, and the text that lies nowhere else.
 */
#ifndef HF_HTTP_FIELD_LIST_H
#define HF_HTTP_FIELD_LIST_H

#include "field_table.h"

typedef struct hf_field_text hf_field_text;

/* The fields of one block, and the memory for text that lies nowhere else. Reused from block to block. */
typedef struct hf_field_list {
    const hf_allocator *alloc;
    hf_field *at;
    uint32_t count, capacity;
    uint32_t most_fields;
    uint64_t most_bytes; /* RFC 9113 10.5.1: counted as if uncompressed, with 32 for each field */
    uint64_t bytes;
    bool too_many, too_large; /* fields beyond the bounds were left out: the table was kept in step all the same */
    bool borrowed;            /* some fields lie in the table */
    hf_field_text *text;      /* newest first */
} hf_field_list;

void hf_field_list_init(hf_field_list *l, const hf_allocator *alloc, uint64_t most_bytes, uint32_t most_fields);
void hf_field_list_fini(hf_field_list *l);
/* Forgets the fields, keeps some memory. */
void hf_field_list_reset(hf_field_list *l);
/* `n` bytes that live as long as the fields. NULL when memory ends. */
uint8_t *hf_field_list_room(hf_field_list *l, size_t n);
static inline hf_fields hf_field_list_fields(const hf_field_list *l)
{
    return (hf_fields){ l->at, l->count };
}

/* ---- for the decoders --------------------------------------------------------------------------------------- */

/* Whether a field of this size is still wanted; it is counted in any case. */
static inline bool hf_field_list_has_place(hf_field_list *l, size_t length)
{
    l->bytes += length + HF_FIELD_OVERHEAD;
    l->too_many = l->too_many || l->count >= l->most_fields;
    l->too_large = l->too_large || l->bytes > l->most_bytes;
    return !l->too_many && !l->too_large;
}
/* A little too much is answered 431; so much is a bomb, and not worth decoding to its end. */
static inline bool hf_field_list_is_bomb(const hf_field_list *l)
{
    return l->bytes / 4 > l->most_bytes;
}
/* False when memory ends, here and below. */
bool hf_field_list_grow(hf_field_list *l);
static inline bool hf_field_list_add(hf_field_list *l, hf_field field)
{
    if (l->count == l->capacity && !hf_field_list_grow(l))
        return false;
    l->at[l->count++] = field;
    return true;
}
/* Copies the text to where it lives as long as the fields. */
bool hf_field_list_keep(hf_field_list *l, hf_bytes *text);
/* The table is about to change: what fields lend from it is copied. */
bool hf_field_list_keep_borrowed(hf_field_list *l, const hf_field_table *t);

/* Text that was made for a field which then found no place is given back: or one short literal after another, each with
 * the long name of an entry, would fill memory. */
typedef struct hf_field_mark {
    hf_field_text *text;
    size_t used;
} hf_field_mark;
hf_field_mark hf_field_list_mark(const hf_field_list *l);
void hf_field_list_return(hf_field_list *l, hf_field_mark mark);
/* The last `n` bytes of room were not needed. */
void hf_field_list_shrink(hf_field_list *l, size_t n);

#endif
