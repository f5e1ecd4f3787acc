/* SPDX-License-Identifier: Apache-2.0
 *
 * The dynamic table of HPACK (RFC 7541 2.3.2) and QPACK (RFC 9204 3.2): fields that were sent before, oldest out first.
 */
#ifndef HF_HTTP_FIELD_TABLE_H
#define HF_HTTP_FIELD_TABLE_H

#include <handfast/http.h>

enum { HF_FIELD_OVERHEAD = 32 }; /* RFC 7541 4.1, RFC 9204 3.2.1: what an entry counts beyond its bytes */

/* An entry's text lies in the table's own: name, then value. */
typedef struct hf_field_entry {
    uint32_t at; /* counts all text that ever was, modulo 2^32 */
    uint32_t name_length, value_length;
    hf_field_id id;
} hf_field_entry;

/* RFC 7541 2.3.2. Entries are numbered from 0 in the order of their insertion. Holds no memory before the first. */
typedef struct hf_field_table {
    const hf_allocator *alloc;
    hf_field_entry *entries; /* a ring */
    uint8_t *text;
    uint32_t entry_capacity; /* a power of two, or 0 */
    uint32_t text_capacity, text_used;
    uint32_t origin;          /* `at` of text[0] */
    uint32_t inserted, count; /* entries ever, and now */
    uint32_t size, capacity;  /* as RFC 7541 4.1 counts */
} hf_field_table;

void hf_field_table_init(hf_field_table *t, const hf_allocator *alloc, uint32_t capacity);
void hf_field_table_fini(hf_field_table *t);
/* RFC 7541 4.3: shrinking evicts. */
void hf_field_table_resize(hf_field_table *t, uint32_t capacity);
/* False when memory ends: then nothing changed. What is larger than the table empties it, and is no error (4.4).
 * Neither name nor value may lie in the table. */
bool hf_field_table_insert(hf_field_table *t, hf_bytes name, hf_bytes value, hf_field_id id);
/* The entry that was inserted `age` insertions ago (0: the newest). Lends until the next insertion. */
hf_field hf_field_table_at(const hf_field_table *t, uint32_t age);

#endif
