/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear probing at a load of at most one half; removal moves back what follows.
 */
#include "tcp_table.h"

#include "panic.h"
#include "tcp_core.h"

enum { FIRST = 16 };

hf_tcp *hf_tcp_table_find(const hf_tcp_table *t, uint32_t hash, const hf_tcp_pair *pair)
{
    if (t->count == 0)
        return NULL;
    for (uint32_t i = hash & (t->capacity - 1); t->slots[i].tcp != NULL; i = (i + 1) & (t->capacity - 1))
        if (t->slots[i].hash == hash && memcmp(&t->slots[i].tcp->pair, pair, sizeof *pair) == 0)
            return t->slots[i].tcp;
    return NULL;
}

static void place(hf_tcp_table *t, uint32_t hash, hf_tcp *tcp)
{
    uint32_t i = hash & (t->capacity - 1);
    while (t->slots[i].tcp != NULL)
        i = (i + 1) & (t->capacity - 1);
    t->slots[i] = (hf_tcp_slot){ tcp, hash };
}

bool hf_tcp_table_add(hf_tcp_table *t, const hf_allocator *a, uint32_t hash, hf_tcp *tcp)
{
    if (2 * (t->count + 1) > t->capacity) {
        const hf_tcp_table old = *t;
        const uint32_t capacity = old.capacity > 0 ? old.capacity * 2 : FIRST;
        hf_tcp_slot *slots = hf_alloc_zeroed(a, capacity * sizeof *slots);
        if (slots == NULL)
            return false;
        t->slots = slots;
        t->capacity = capacity;
        for (uint32_t i = 0; i < old.capacity; i++)
            if (old.slots[i].tcp != NULL)
                place(t, old.slots[i].hash, old.slots[i].tcp);
        hf_free(a, old.slots, old.capacity * sizeof *slots);
    }
    place(t, hash, tcp);
    t->count++;
    return true;
}

void hf_tcp_table_remove(hf_tcp_table *t, uint32_t hash, const hf_tcp *tcp)
{
    const uint32_t mask = t->capacity - 1;
    uint32_t hole = hash & mask;
    while (t->slots[hole].tcp != tcp) {
        HF_ASSERT(t->slots[hole].tcp != NULL);
        hole = (hole + 1) & mask;
    }
    for (uint32_t i = (hole + 1) & mask; t->slots[i].tcp != NULL; i = (i + 1) & mask) {
        /* may it lie in the hole? only when its home is not between the hole and where it is */
        if (((i - (t->slots[i].hash & mask)) & mask) >= ((i - hole) & mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = (hf_tcp_slot){ NULL, 0 };
    t->count--;
}

void hf_tcp_table_fini(hf_tcp_table *t, const hf_allocator *a)
{
    hf_free(a, t->slots, t->capacity * sizeof *t->slots);
    *t = (hf_tcp_table){ 0 };
}
