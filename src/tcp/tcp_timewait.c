/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring and its buckets.
 */
#include "tcp_timewait.h"

#include "panic.h"

enum { FIRST = 64, LOCALS = 8 };
#define LINK (~HF_TIMEWAIT_STAMP)

static hf_tcp_pair pair_of(const hf_timewaits *t, const hf_timewait *w)
{
    hf_tcp_pair pair = { .local = t->locals[w->local], .local_port = w->local_port, .remote_port = w->remote_port };
    memcpy(pair.remote.bytes, w->remote, 16);
    return pair;
}

static uint32_t *bucket_of(const hf_timewaits *t, const hf_tcp_pair *pair)
{
    return &t->buckets[hf_pair_hash(t->key, pair) & (t->capacity - 1)];
}

static void link_in(hf_timewaits *t, uint32_t slot)
{
    hf_timewait *w = &t->ring[slot];
    const hf_tcp_pair pair = pair_of(t, w);
    uint32_t *bucket = bucket_of(t, &pair);
    w->next = (w->next & HF_TIMEWAIT_STAMP) | *bucket;
    *bucket = slot + 1;
}

static void link_out(hf_timewaits *t, uint32_t slot)
{
    const hf_tcp_pair pair = pair_of(t, &t->ring[slot]);
    uint32_t *at = bucket_of(t, &pair);
    if (*at == slot + 1) {
        *at = t->ring[slot].next & LINK;
        return;
    }
    hf_timewait *before = &t->ring[*at - 1];
    while ((before->next & LINK) != slot + 1) {
        HF_ASSERT((before->next & LINK) != 0);
        before = &t->ring[(before->next & LINK) - 1];
    }
    before->next = (before->next & HF_TIMEWAIT_STAMP) | (t->ring[slot].next & LINK);
}

hf_timewait *hf_timewaits_find(const hf_timewaits *t, const hf_tcp_pair *pair)
{
    if (t->count == 0)
        return NULL;
    for (uint32_t at = *bucket_of(t, pair); at != 0; at = t->ring[at - 1].next & LINK) {
        hf_timewait *w = &t->ring[at - 1];
        if (w->remote_port == pair->remote_port && w->local_port == pair->local_port && memcmp(w->remote, pair->remote.bytes, 16) == 0
            && hf_ip_equal(&t->locals[w->local], &pair->local))
            return w;
    }
    return NULL;
}

/* The slots in order of age, from slot 0 of a ring twice as large. */
static bool grow(hf_timewaits *t, const hf_allocator *a)
{
    const uint32_t capacity = t->capacity > 0 ? t->capacity * 2 : FIRST;
    hf_timewait *ring = hf_alloc(a, (size_t)capacity * sizeof *ring);
    uint32_t *buckets = hf_alloc_zeroed(a, (size_t)capacity * sizeof *buckets);
    if (ring == NULL || buckets == NULL) {
        hf_free(a, ring, (size_t)capacity * sizeof *ring);
        hf_free(a, buckets, (size_t)capacity * sizeof *buckets);
        return false;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < t->used; i++) {
        const hf_timewait *w = &t->ring[(t->head + i) & (t->capacity - 1)];
        if (w->expires_ms != 0)
            ring[used++] = *w;
    }
    hf_free(a, t->ring, (size_t)t->capacity * sizeof *ring);
    hf_free(a, t->buckets, (size_t)t->capacity * sizeof *buckets);
    t->ring = ring;
    t->buckets = buckets;
    t->capacity = capacity;
    t->head = 0;
    t->used = used;
    for (uint32_t i = 0; i < used; i++)
        link_in(t, i);
    return true;
}

/* RFC 9293 3.6.1 would have every one wait its time; when memory is bounded the one that has waited longest goes. */
static void evict(hf_timewaits *t)
{
    while (t->used > 0) {
        hf_timewait *oldest = &t->ring[t->head];
        const bool live = oldest->expires_ms != 0;
        if (live) {
            hf_timewaits_remove(t, oldest);
            t->evicted++;
        }
        t->head = (t->head + 1) & (t->capacity - 1);
        t->used--;
        if (live)
            return;
    }
}

static bool local_index(hf_timewaits *t, const hf_allocator *a, const hf_ip *ip, uint16_t *index)
{
    for (uint32_t i = 0; i < t->local_count; i++)
        if (hf_ip_equal(&t->locals[i], ip)) {
            *index = (uint16_t)i;
            return true;
        }
    if (t->local_count == 65536)
        return false;
    if (t->local_count % LOCALS == 0) {
        hf_ip *locals = hf_resize(a, t->locals, t->local_count * sizeof *locals, (t->local_count + LOCALS) * sizeof *locals);
        if (locals == NULL)
            return false;
        t->locals = locals;
    }
    *index = (uint16_t)t->local_count;
    t->locals[t->local_count++] = *ip;
    return true;
}

hf_timewait *hf_timewaits_add(hf_timewaits *t, const hf_allocator *a, uint32_t most, const hf_tcp_pair *pair, uint32_t expires_ms)
{
    uint16_t local;
    if (most == 0 || !local_index(t, a, &pair->local, &local))
        return NULL;
    if (t->count >= most)
        evict(t);
    if (t->used == t->capacity && !grow(t, a)) {
        if (t->used == 0)
            return NULL;
        evict(t);
    }
    const uint32_t slot = (t->head + t->used++) & (t->capacity - 1);
    t->ring[slot] = (hf_timewait){ .remote_port = pair->remote_port, .local_port = pair->local_port, .local = local,
                                   .expires_ms = expires_ms != 0 ? expires_ms : 1 };
    memcpy(t->ring[slot].remote, pair->remote.bytes, 16);
    link_in(t, slot);
    t->count++;
    return &t->ring[slot];
}

void hf_timewaits_remove(hf_timewaits *t, hf_timewait *w)
{
    link_out(t, (uint32_t)(w - t->ring));
    w->expires_ms = 0;
    t->count--;
}

uint32_t hf_timewaits_expire(hf_timewaits *t, const hf_allocator *a, uint32_t now_ms)
{
    /* each slot is looked at once a call: one that was restarted goes to the end of the ring */
    for (uint32_t left = t->used; left > 0; left--) {
        hf_timewait *w = &t->ring[t->head];
        const int32_t ahead = (int32_t)(w->expires_ms - now_ms);
        if (w->expires_ms != 0 && ahead > 0) {
            const uint32_t last = (t->head + t->used - 1) & (t->capacity - 1);
            const hf_timewait *newest = &t->ring[last];
            if (newest->expires_ms == 0 || (int32_t)(newest->expires_ms - w->expires_ms) >= 0)
                return (uint32_t)ahead;
            link_out(t, t->head);
            const hf_timewait moved = *w;
            w->expires_ms = 0;
            t->head = (t->head + 1) & (t->capacity - 1);
            t->ring[(last + 1) & (t->capacity - 1)] = moved;
            link_in(t, (last + 1) & (t->capacity - 1));
            continue;
        }
        if (w->expires_ms != 0)
            hf_timewaits_remove(t, w);
        t->head = (t->head + 1) & (t->capacity - 1);
        t->used--;
    }
    if (t->used == 0)
        hf_timewaits_fini(t, a);
    return UINT32_MAX;
}

void hf_timewaits_fini(hf_timewaits *t, const hf_allocator *a)
{
    hf_free(a, t->ring, (size_t)t->capacity * sizeof *t->ring);
    hf_free(a, t->buckets, (size_t)t->capacity * sizeof *t->buckets);
    hf_free(a, t->locals, (t->local_count + LOCALS - 1) / LOCALS * LOCALS * sizeof *t->locals);
    *t = (hf_timewaits){ .key = t->key, .evicted = t->evicted };
}
