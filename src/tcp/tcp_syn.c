/* SPDX-License-Identifier: Apache-2.0
 *
 * The table: slots, chains by hash.
 */
#include "tcp_syn.h"

#include "panic.h"

static bool same_pair(const hf_tcp_pair *a, const hf_tcp_pair *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool begin(hf_syns *s, const hf_allocator *a, uint32_t most)
{
    uint32_t capacity = 1;
    while (capacity < most && capacity < 32768)
        capacity *= 2;
    hf_syn *slots = hf_alloc_zeroed(a, capacity * sizeof *slots);
    uint16_t *buckets = hf_alloc_zeroed(a, capacity * sizeof *buckets);
    if (slots == NULL || buckets == NULL) {
        hf_free(a, slots, capacity * sizeof *slots);
        hf_free(a, buckets, capacity * sizeof *buckets);
        return false;
    }
    for (uint32_t i = 0; i + 1 < capacity; i++)
        slots[i].next = (uint16_t)(i + 2);
    *s = (hf_syns){ .slots = slots, .buckets = buckets, .capacity = capacity, .free = 1, .wake = HF_NEVER };
    return true;
}

hf_syn *hf_syns_find(const hf_syns *s, uint32_t hash, const hf_tcp_pair *pair)
{
    if (s->count == 0)
        return NULL;
    for (uint16_t at = s->buckets[hash & (s->capacity - 1)]; at != 0; at = s->slots[at - 1].next)
        if (same_pair(&s->slots[at - 1].pair, pair))
            return &s->slots[at - 1];
    return NULL;
}

hf_syn *hf_syns_add(hf_syns *s, const hf_allocator *a, uint32_t most, uint32_t hash, const hf_tcp_pair *pair)
{
    if (s->count >= most || (s->slots == NULL && !begin(s, a, most)) || s->free == 0)
        return NULL;
    const uint16_t at = s->free;
    hf_syn *syn = &s->slots[at - 1];
    uint16_t *bucket = &s->buckets[hash & (s->capacity - 1)];
    s->free = syn->next;
    *syn = (hf_syn){ .pair = *pair, .flags = HF_SYN_USED, .next = *bucket };
    *bucket = at;
    s->count++;
    return syn;
}

void hf_syns_remove(hf_syns *s, uint32_t hash, hf_syn *syn)
{
    const uint16_t at = (uint16_t)(syn - s->slots + 1);
    uint16_t *link = &s->buckets[hash & (s->capacity - 1)];
    while (*link != at) {
        HF_ASSERT(*link != 0);
        link = &s->slots[*link - 1].next;
    }
    *link = syn->next;
    *syn = (hf_syn){ .next = s->free };
    s->free = at;
    s->count--;
}

void hf_syns_fini(hf_syns *s, const hf_allocator *a)
{
    hf_free(a, s->slots, s->capacity * sizeof *s->slots);
    hf_free(a, s->buckets, s->capacity * sizeof *s->buckets);
    *s = (hf_syns){ .wake = HF_NEVER };
}
