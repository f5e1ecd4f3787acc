/* SPDX-License-Identifier: Apache-2.0 */
#include "census.h"

#include <pthread.h>
#include <stdatomic.h>

#include "alloc.h"
#include "panic.h"

enum { SHARDS = 64 };

typedef struct place {
    uint8_t key[17]; /* family and address; family 0: free */
    uint32_t count;
} place;

/* Open addressing with linear probing; deletion moves later entries back, so there are no tombstones. */
typedef struct shard {
    pthread_mutex_t lock;
    place *places;
    size_t used, capacity; /* capacity: a power of two */
} shard;

struct hf_census {
    hf_allocator alloc;
    _Atomic uint64_t limit, per_address, descriptors, kept;
    _Atomic uint64_t count;
    shard shards[SHARDS];
};

void hf_census_limit(hf_census *c, uint64_t connections, uint64_t per_address)
{
    atomic_store_explicit(&c->limit, connections, memory_order_relaxed);
    atomic_store_explicit(&c->per_address, per_address, memory_order_relaxed);
}

void hf_census_descriptors(hf_census *c, uint64_t connections, uint64_t kept)
{
    atomic_store_explicit(&c->descriptors, connections, memory_order_relaxed);
    atomic_store_explicit(&c->kept, kept, memory_order_relaxed);
}

uint64_t hf_census_kept(const hf_census *c)
{
    return atomic_load_explicit(&c->kept, memory_order_relaxed);
}

hf_census *hf_census_new(const hf_allocator *alloc, uint64_t connections, uint64_t per_address)
{
    hf_census *c = hf_alloc_zeroed(alloc, sizeof *c);
    if (c == NULL)
        return NULL;
    c->alloc = *alloc;
    hf_census_limit(c, connections, per_address);
    hf_census_descriptors(c, UINT64_MAX, 0);
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&c->shards[i].lock, NULL);
    return c;
}

void hf_census_free(hf_census *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&c->shards[i].lock);
        hf_free(&c->alloc, c->shards[i].places, c->shards[i].capacity * sizeof(place));
    }
    hf_free(&c->alloc, c, sizeof *c);
}

static uint64_t make_key(const hf_address *peer, uint8_t key[17])
{
    memset(key, 0, 17);
    key[0] = peer->family != 0 ? peer->family : 255;
    memcpy(key + 1, peer->ip, peer->family == 4 ? 4 : 8);
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < 17; i++)
        hash = (hash ^ key[i]) * 1099511628211u;
    return hash ^ (hash >> 29);
}

/* Where the key is, or the free place where it belongs. Needs a free place. */
static size_t find(const shard *s, const uint8_t key[17], uint64_t hash)
{
    size_t i = (size_t)(hash / SHARDS) & (s->capacity - 1);
    while (s->places[i].key[0] != 0 && memcmp(s->places[i].key, key, 17) != 0)
        i = (i + 1) & (s->capacity - 1);
    return i;
}

static uint64_t hash_of(const place *p)
{
    hf_address a = { .family = p->key[0] };
    uint8_t key[17];
    memcpy(a.ip, p->key + 1, 16);
    return make_key(&a, key);
}

static bool grow(hf_census *c, shard *s)
{
    const size_t old_capacity = s->capacity, capacity = old_capacity == 0 ? 16 : old_capacity * 2;
    place *old = s->places, *fresh = hf_alloc_zeroed(&c->alloc, capacity * sizeof *fresh);
    if (fresh == NULL)
        return false;
    s->places = fresh;
    s->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].key[0] != 0)
            fresh[find(s, old[i].key, hash_of(&old[i]))] = old[i];
    hf_free(&c->alloc, old, old_capacity * sizeof *old);
    return true;
}

static void erase(shard *s, size_t hole)
{
    const size_t mask = s->capacity - 1;
    s->places[hole].key[0] = 0;
    s->used--;
    for (size_t i = (hole + 1) & mask; s->places[i].key[0] != 0; i = (i + 1) & mask) {
        const size_t home = (size_t)(hash_of(&s->places[i]) / SHARDS) & mask;
        /* May move back when its home does not lie between the hole and here. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            s->places[hole] = s->places[i];
            s->places[i].key[0] = 0;
            hole = i;
        }
    }
}

hf_err hf_census_enter(hf_census *c, const hf_address *peer)
{
    uint8_t key[17];
    const uint64_t hash = make_key(peer, key);
    shard *s = &c->shards[hash % SHARDS];
    const uint64_t all = atomic_fetch_add_explicit(&c->count, 1, memory_order_relaxed) + 1;
    uint64_t own = UINT64_MAX; /* no memory to count in: as if it were over */
    pthread_mutex_lock(&s->lock);
    const bool known = s->capacity > 0 && s->places[find(s, key, hash)].key[0] != 0;
    if (known || s->used * 4 < s->capacity * 3 || grow(c, s)) {
        const size_t i = find(s, key, hash);
        if (s->places[i].key[0] == 0) {
            memcpy(s->places[i].key, key, 17);
            s->places[i].count = 0;
            s->used++;
        }
        own = ++s->places[i].count;
    }
    pthread_mutex_unlock(&s->lock);
    if (all > atomic_load_explicit(&c->limit, memory_order_relaxed))
        return hf_err_make(HF_ERR_HTTP_CONNECTIONS);
    if (all > atomic_load_explicit(&c->descriptors, memory_order_relaxed))
        return hf_err_make(HF_ERR_IO_DESCRIPTORS_KEPT);
    return own > atomic_load_explicit(&c->per_address, memory_order_relaxed) ? hf_err_make(HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS) : HF_OK;
}

void hf_census_leave(hf_census *c, const hf_address *peer)
{
    uint8_t key[17];
    const uint64_t hash = make_key(peer, key);
    shard *s = &c->shards[hash % SHARDS];
    atomic_fetch_sub_explicit(&c->count, 1, memory_order_relaxed);
    pthread_mutex_lock(&s->lock);
    if (s->capacity > 0) {
        const size_t i = find(s, key, hash);
        if (s->places[i].key[0] != 0 && --s->places[i].count == 0)
            erase(s, i);
    }
    pthread_mutex_unlock(&s->lock);
}

uint64_t hf_census_count(const hf_census *c)
{
    return atomic_load_explicit(&c->count, memory_order_relaxed);
}
