/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions in memory: a hash table under one lock. Keys are hashes of random ids, so their first bytes are hash enough, and
 * nobody can choose them.
 */
#include <handfast/store.h>

#include <pthread.h>

#include "alloc.h"

typedef struct node {
    struct node *next;
    hf_session_record record; /* its data lie behind it */
    size_t size;
} node;

enum { FIRST_BUCKETS = 64 };

struct hf_memory_store {
    hf_allocator alloc;
    pthread_mutex_t lock;
    node **buckets;
    size_t bucket_count, count;
    uint64_t most, most_bytes;
};

static node **place(hf_memory_store *m, const uint8_t key[32])
{
    uint64_t h;
    memcpy(&h, key, sizeof h);
    node **at = &m->buckets[h & (m->bucket_count - 1)];
    while (*at != NULL && memcmp((*at)->record.key, key, 32) != 0)
        at = &(*at)->next;
    return at;
}

static void drop(hf_memory_store *m, node **at)
{
    node *const n = *at;
    *at = n->next;
    memset(&n->record, 0, sizeof n->record);
    hf_free(&m->alloc, n, n->size);
    m->count--;
}

static node *make(hf_memory_store *m, const hf_session_record *record)
{
    const size_t size = sizeof(node) + record->data.len;
    node *n = hf_alloc(&m->alloc, size);
    if (n == NULL)
        return NULL;
    *n = (node){ .record = *record, .size = size };
    if (record->data.len > 0)
        memcpy(n + 1, record->data.ptr, record->data.len);
    n->record.data = hf_bytes_make(n + 1, record->data.len);
    return n;
}

/* Twice as many buckets. That there is no memory for them only makes it slower. */
static void grow(hf_memory_store *m)
{
    const size_t count = 2 * m->bucket_count;
    node **const old = m->buckets, **fresh = hf_alloc_zeroed(&m->alloc, count * sizeof *fresh);
    if (fresh == NULL)
        return;
    m->buckets = fresh;
    const size_t before = m->bucket_count;
    m->bucket_count = count;
    for (size_t i = 0; i < before; i++)
        for (node *n = old[i], *next; n != NULL; n = next) {
            next = n->next;
            node **const at = place(m, n->record.key);
            n->next = NULL;
            *at = n;
        }
    hf_free(&m->alloc, old, before * sizeof *old);
}

static hf_err insert_locked(hf_memory_store *m, const hf_session_record *record)
{
    if (*place(m, record->key) != NULL)
        return hf_err_make(HF_ERR_SESSION_CONFLICT);
    if (m->count >= m->most)
        return hf_err_make(HF_ERR_SESSION_STORE);
    if (record->data.len > m->most_bytes)
        return hf_err_make(HF_ERR_SESSION_TOO_LARGE);
    if (m->count >= m->bucket_count)
        grow(m);
    node *const n = make(m, record);
    if (n == NULL)
        return hf_err_make(HF_ERR_SESSION_STORE);
    *place(m, record->key) = n;
    m->count++;
    return HF_OK;
}

static hf_err insert(void *self, const hf_session_record *record)
{
    hf_memory_store *const m = self;
    pthread_mutex_lock(&m->lock);
    const hf_err err = insert_locked(m, record);
    pthread_mutex_unlock(&m->lock);
    return err;
}

static hf_err get(void *self, const uint8_t key[32], hf_session_record *record, hf_span room)
{
    hf_memory_store *const m = self;
    hf_err err = HF_OK;
    pthread_mutex_lock(&m->lock);
    const node *const n = *place(m, key);
    if (n == NULL) {
        err = hf_err_make(HF_ERR_SESSION_UNKNOWN);
    } else if (n->record.data.len > room.len) {
        err = hf_err_make(HF_ERR_BASE_LIMIT);
    } else {
        *record = n->record;
        if (n->record.data.len > 0)
            memcpy(room.ptr, n->record.data.ptr, n->record.data.len);
        record->data = hf_bytes_make(room.ptr, n->record.data.len);
    }
    pthread_mutex_unlock(&m->lock);
    return err;
}

static hf_err update_locked(hf_memory_store *m, const hf_session_record *record)
{
    node **const at = place(m, record->key), *const old = *at;
    if (old == NULL)
        return hf_err_make(HF_ERR_SESSION_UNKNOWN);
    if (old->record.version != record->version)
        return hf_err_make(HF_ERR_SESSION_CONFLICT);
    if (record->data.len > m->most_bytes)
        return hf_err_make(HF_ERR_SESSION_TOO_LARGE);
    node *const n = make(m, record);
    if (n == NULL)
        return hf_err_make(HF_ERR_SESSION_STORE);
    n->record.version++;
    n->next = old->next;
    *at = n;
    memset(&old->record, 0, sizeof old->record);
    hf_free(&m->alloc, old, old->size);
    return HF_OK;
}

static hf_err update(void *self, const hf_session_record *record)
{
    hf_memory_store *const m = self;
    pthread_mutex_lock(&m->lock);
    const hf_err err = update_locked(m, record);
    pthread_mutex_unlock(&m->lock);
    return err;
}

static hf_err touch(void *self, const uint8_t key[32], hf_wall used, hf_wall until)
{
    hf_memory_store *const m = self;
    pthread_mutex_lock(&m->lock);
    node *const n = *place(m, key);
    if (n != NULL) {
        n->record.used = used;
        n->record.until = until;
    }
    pthread_mutex_unlock(&m->lock);
    return n != NULL ? HF_OK : hf_err_make(HF_ERR_SESSION_UNKNOWN);
}

static hf_err destroy(void *self, const uint8_t key[32])
{
    hf_memory_store *const m = self;
    pthread_mutex_lock(&m->lock);
    node **const at = place(m, key);
    if (*at != NULL)
        drop(m, at);
    pthread_mutex_unlock(&m->lock);
    return HF_OK;
}

/* Drops those of the subject, or (its ptr NULL) those that ended before `now`. */
static size_t sweep(hf_memory_store *m, hf_bytes subject, hf_wall now)
{
    size_t count = 0;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->bucket_count; i++)
        for (node **at = &m->buckets[i]; *at != NULL;) {
            const hf_session_record *const r = &(*at)->record;
            if (subject.ptr != NULL ? hf_bytes_equal(hf_text(r->subject), subject) : r->until.s <= now.s) {
                drop(m, at);
                count++;
            } else {
                at = &(*at)->next;
            }
        }
    pthread_mutex_unlock(&m->lock);
    return count;
}

static hf_err destroy_subject(void *self, hf_bytes subject, size_t *count)
{
    *count = subject.len > 0 ? sweep(self, subject, (hf_wall){ 0 }) : 0; /* nobody is no subject */
    return HF_OK;
}

static hf_err collect(void *self, hf_wall now, size_t *count)
{
    *count = sweep(self, hf_bytes_make(NULL, 0), now);
    return HF_OK;
}

hf_memory_store *hf_memory_store_new(const hf_env *env, hf_session_store *store)
{
    hf_memory_store *m = hf_alloc_zeroed(&env->alloc, sizeof *m);
    if (m == NULL)
        return NULL;
    *m = (hf_memory_store){ .alloc = env->alloc, .bucket_count = FIRST_BUCKETS, .most = env->limits->sessions, .most_bytes = env->limits->session_bytes };
    m->buckets = hf_alloc_zeroed(&m->alloc, m->bucket_count * sizeof *m->buckets);
    if (m->buckets == NULL || pthread_mutex_init(&m->lock, NULL) != 0) {
        hf_free(&env->alloc, m->buckets, m->bucket_count * sizeof *m->buckets);
        hf_free(&env->alloc, m, sizeof *m);
        return NULL;
    }
    *store = (hf_session_store){ m, insert, get, update, touch, destroy, destroy_subject, collect, false };
    return m;
}

void hf_memory_store_free(hf_memory_store *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->bucket_count; i++)
        while (m->buckets[i] != NULL)
            drop(m, &m->buckets[i]);
    pthread_mutex_destroy(&m->lock);
    const hf_allocator a = m->alloc;
    hf_free(&a, m->buckets, m->bucket_count * sizeof *m->buckets);
    hf_free(&a, m, sizeof *m);
}

size_t hf_memory_store_count(hf_memory_store *m)
{
    pthread_mutex_lock(&m->lock);
    const size_t count = m->count;
    pthread_mutex_unlock(&m->lock);
    return count;
}
