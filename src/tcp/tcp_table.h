/* SPDX-License-Identifier: Apache-2.0
 *
 * Which connection a segment belongs to: open addressing over {hash, connection}.
 */
#ifndef HF_TCP_TABLE_H
#define HF_TCP_TABLE_H

#include <handfast/tcp.h>

#include "alloc.h"

typedef struct hf_tcp_slot {
    hf_tcp *tcp; /* NULL: empty */
    uint32_t hash;
} hf_tcp_slot;

typedef struct hf_tcp_table {
    hf_tcp_slot *slots;
    uint32_t capacity, count;
} hf_tcp_table;

hf_tcp *hf_tcp_table_find(const hf_tcp_table *t, uint32_t hash, const hf_tcp_pair *pair);
/* False when memory ends. */
bool hf_tcp_table_add(hf_tcp_table *t, const hf_allocator *a, uint32_t hash, hf_tcp *tcp);
void hf_tcp_table_remove(hf_tcp_table *t, uint32_t hash, const hf_tcp *tcp);
void hf_tcp_table_fini(hf_tcp_table *t, const hf_allocator *a);

#endif
