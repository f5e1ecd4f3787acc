/* SPDX-License-Identifier: Apache-2.0
 *
 * Things by number, for numbers that come in a few sequences, as streams of a connection do: open addressing, in which
 * half a number is a good place to look. Not for numbers that a peer may choose freely: it would choose collisions.
 */
#ifndef HF_BASE_ID_TABLE_H
#define HF_BASE_ID_TABLE_H

#include "alloc.h"

typedef struct hf_id_row {
    uint64_t id;
    void *thing; /* NULL: an empty row */
} hf_id_row;

/* All zero is empty, but for kind_bits: so many low bits of a number name its sequence. */
typedef struct hf_id_table {
    hf_id_row *rows;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
    unsigned kind_bits;
} hf_id_table;

/* NULL when there is none. */
void *hf_id_find(const hf_id_table *t, uint64_t id);
/* Room for one more. False when memory ends. */
bool hf_id_reserve(hf_id_table *t, const hf_allocator *alloc);
/* After reserve; the number is new, the thing not NULL. */
void hf_id_insert(hf_id_table *t, uint64_t id, void *thing);
/* The number must be there. */
void hf_id_remove(hf_id_table *t, uint64_t id);
/* Forgets everything and gives the memory back. */
void hf_id_clear(hf_id_table *t, const hf_allocator *alloc);

#endif
