/* SPDX-License-Identifier: Apache-2.0 */
#include "guard_sources.h"

#include <handfast/store.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "log.h"

enum { AGAIN_S = 2 };

typedef struct source source;
struct source {
    source *next;
    bool keys; /* else a store */
    hf_jwks jwks;
    pthread_mutex_t lock; /* of what follows */
    bool open;
    int64_t again_s; /* not before is it tried anew */
    hf_session_store store;
    char name[];
};

/* They stay: who asks does so from threads that outlive configurations. */
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static source *all;

static source *find(const char *name, bool keys)
{
    pthread_mutex_lock(&all_lock);
    source *s = all;
    while (s != NULL && (s->keys != keys || strcmp(s->name, name) != 0))
        s = s->next;
    if (s == NULL && (s = calloc(1, sizeof *s + strlen(name) + 1)) != NULL) {
        memcpy(s->name, name, strlen(name) + 1);
        s->keys = keys;
        s->jwks = (hf_jwks){ .fetch = hf_jwks_file, .self = s->name };
        pthread_mutex_init(&s->lock, NULL);
        s->next = all;
        all = s;
    }
    pthread_mutex_unlock(&all_lock);
    return s;
}

/* ---- stores ------------------------------------------------------------------------------------------------------ */

static bool is_url(const char *name)
{
    return strstr(name, "://") != NULL;
}

static int64_t clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* A file that is not there is the application's to make: ours would be one that it cannot open. */
static hf_err open_store(const char *name, hf_session_store *store, hf_why *why)
{
    struct stat st;
    hf_redis_store *redis;
    hf_sqlite_store *file;
    if (is_url(name))
        return hf_redis_store_open(hf_env_default(), name, &redis, store, why);
    if (stat(name, &st) != 0) {
        *why = (hf_why){ .err = hf_err_make(HF_ERR_SESSION_STORE_ADDRESS), .got = "there is no such file, or it is hidden from the server's user" };
        return why->err;
    }
    return hf_sqlite_store_open(hf_env_default(), name, &file, store, why);
}

/* NULL: it cannot be asked now, and whoever asks is denied. */
static const hf_session_store *opened(source *s)
{
    hf_why why = { .err = HF_OK };
    pthread_mutex_lock(&s->lock);
    if (!s->open && clock_s() >= s->again_s) {
        const hf_err err = open_store(s->name, &s->store, &why);
        s->open = err.code == 0;
        s->again_s = clock_s() + AGAIN_S;
        if (!s->open) /* an address may hold a password: a file's name does not */
            hf_log(HF_LOG_WARNING, err, "sessions cannot be asked for in %s: %s", is_url(s->name) ? "Redis" : s->name, why.got);
    }
    const bool open = s->open;
    pthread_mutex_unlock(&s->lock);
    return open ? &s->store : NULL;
}

static const hf_err failed = { HF_ERR_SESSION_STORE };

static hf_err insert(void *self, const hf_session_record *record)
{
    const hf_session_store *const s = opened(self);
    return s != NULL ? s->insert(s->self, record) : failed;
}
static hf_err get(void *self, const uint8_t key[32], hf_session_record *record, hf_span room)
{
    const hf_session_store *const s = opened(self);
    return s != NULL ? s->get(s->self, key, record, room) : failed;
}
static hf_err update(void *self, const hf_session_record *record)
{
    const hf_session_store *const s = opened(self);
    return s != NULL ? s->update(s->self, record) : failed;
}
static hf_err touch(void *self, const uint8_t key[32], hf_wall used, hf_wall until)
{
    const hf_session_store *const s = opened(self);
    return s != NULL ? s->touch(s->self, key, used, until) : failed;
}
static hf_err destroy(void *self, const uint8_t key[32])
{
    const hf_session_store *const s = opened(self);
    return s != NULL ? s->destroy(s->self, key) : failed;
}
static hf_err destroy_subject(void *self, hf_bytes subject, size_t *count)
{
    const hf_session_store *const s = opened(self);
    return s != NULL ? s->destroy_subject(s->self, subject, count) : failed;
}
static hf_err collect(void *self, hf_wall now, size_t *count)
{
    const hf_session_store *const s = opened(self);
    return s != NULL ? s->collect(s->self, now, count) : failed;
}

bool hf_source_store(const char *name, hf_session_store *store)
{
    source *const s = find(name, false);
    *store = (hf_session_store){ .self = s, .insert = insert, .get = get, .update = update, .touch = touch, .destroy = destroy,
        .destroy_subject = destroy_subject, .collect = collect, .blocks = true };
    return s != NULL;
}

hf_err hf_source_store_check(const char *name, hf_why *why)
{
    hf_redis_store *redis = NULL;
    hf_session_store store;
    *why = (hf_why){ .err = HF_OK };
    if (!is_url(name))
        return hf_sqlite_store_library() != NULL ? HF_OK : hf_err_make(HF_ERR_SESSION_STORE_ABSENT);
    const hf_err err = hf_redis_store_open(hf_env_default(), name, &redis, &store, why);
    if (err.code == 0)
        hf_redis_store_close(redis);
    return err;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

hf_jwks *hf_source_keys(const char *path)
{
    source *const s = find(path, true);
    return s != NULL ? &s->jwks : NULL;
}
