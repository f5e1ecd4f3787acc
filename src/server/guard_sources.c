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

typedef enum source_kind { SESSIONS, KEY_SET, ANSWERS } source_kind;

typedef struct source source;
struct source {
    source *next;
    source_kind kind;
    hf_jwks jwks;
    hf_jwks_source issuer; /* where they are, if not in a file */
    hf_limits limits;      /* ANSWERS */
    pthread_mutex_t lock; /* of what follows */
    bool open;
    int64_t again_s; /* not before is it tried anew */
    hf_session_store store;
    hf_redis_store *redis; /* where `store` is in Redis */
    hf_key_store answers;
    char name[];
};

/* They stay: who asks does so from threads that outlive configurations. */
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static source *all;

static bool is_url(const char *name)
{
    return strstr(name, "://") != NULL;
}

/* As often as they are asked for, which is seldom. */
static void tell_failed(const char *url, hf_err why, const char *words)
{
    hf_log(HF_LOG_WARNING, why, "the keys at %s cannot be had: %s", url, words);
}

static source *find(const char *name, source_kind kind)
{
    pthread_mutex_lock(&all_lock);
    source *s = all;
    while (s != NULL && (s->kind != kind || strcmp(s->name, name) != 0))
        s = s->next;
    if (s == NULL && (s = calloc(1, sizeof *s + strlen(name) + 1)) != NULL) {
        memcpy(s->name, name, strlen(name) + 1);
        s->kind = kind;
        s->issuer = (hf_jwks_source){ .url = s->name, .failed = tell_failed };
        s->jwks = is_url(name) ? (hf_jwks){ .fetch = hf_jwks_url, .self = &s->issuer } : (hf_jwks){ .fetch = hf_jwks_file, .self = s->name };
        pthread_mutex_init(&s->lock, NULL);
        s->next = all;
        all = s;
    }
    pthread_mutex_unlock(&all_lock);
    return s;
}

/* ---- stores of sessions ------------------------------------------------------------------------------------------ */

static int64_t clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* A file that is not there is the application's to make: ours would be one that it cannot open. */
static hf_err open_store(source *s, hf_why *why)
{
    struct stat st;
    const char *const name = s->name;
    hf_session_store *const store = &s->store;
    hf_sqlite_store *file;
    if (is_url(name))
        return hf_redis_store_open(hf_env_default(), name, &s->redis, store, why);
    if (stat(name, &st) != 0) {
        *why = (hf_why){ .err = hf_err_make(HF_ERR_SESSION_STORE_ADDRESS), .got = "there is no such file, or it is hidden from the server's user" };
        return why->err;
    }
    return hf_sqlite_store_open(hf_env_default(), name, &file, store, why);
}

static hf_err open_answers(source *s, hf_why *why)
{
    const hf_env env = { .alloc = hf_env_default()->alloc, .random = hf_env_default()->random, .limits = &s->limits };
    hf_sqlite_keys *keys;
    return hf_sqlite_keys_open(&env, s->name, &keys, &s->answers, why);
}

/* False: it cannot be asked now, and whoever asks is denied. */
static bool is_open(source *s)
{
    hf_why why = { .err = HF_OK };
    pthread_mutex_lock(&s->lock);
    if (!s->open && clock_s() >= s->again_s) {
        const hf_err err = s->kind == ANSWERS ? open_answers(s, &why) : open_store(s, &why);
        s->open = err.code == 0;
        s->again_s = clock_s() + AGAIN_S;
        if (!s->open) /* an address may hold a password: a file's name does not */
            hf_log(HF_LOG_WARNING, err, "%s in %s: %s", s->kind == ANSWERS ? "answers by Idempotency-Key cannot be kept" : "sessions cannot be asked for",
                is_url(s->name) ? "Redis" : s->name, why.got);
    }
    const bool open = s->open;
    pthread_mutex_unlock(&s->lock);
    return open;
}

static const hf_session_store *opened(source *s)
{
    return is_open(s) ? &s->store : NULL;
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

static hf_err take(void *self, hf_bytes name, hf_bytes key, const hf_rate_rules *rules, uint32_t *wait_s)
{
    source *const s = self;
    if (opened(s) == NULL || s->redis == NULL)
        return failed;
    const hf_rate_store rates = hf_redis_store_rates(s->redis);
    return rates.take != NULL ? rates.take(rates.self, name, key, rules, wait_s) : failed;
}

bool hf_source_rates(const char *name, hf_rate_store *rates)
{
    source *const s = find(name, SESSIONS);
    *rates = (hf_rate_store){ .self = s, .take = take };
    return s != NULL;
}

bool hf_source_store(const char *name, hf_session_store *store)
{
    source *const s = find(name, SESSIONS);
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

/* ---- answers by Idempotency-Key ----------------------------------------------------------------------------------- */

static const hf_err unanswered = { HF_ERR_HTTP_IDEMPOTENCY_STORE };

static hf_err claim(void *self, const hf_key_claim *c, hf_claim_verdict *verdict, hf_key_answer *answer, hf_span room)
{
    const source *const s = self;
    return is_open(self) ? s->answers.claim(s->answers.self, c, verdict, answer, room) : unanswered;
}
static hf_err keep(void *self, const uint8_t key[32], const hf_key_answer *answer)
{
    const source *const s = self;
    return is_open(self) ? s->answers.keep(s->answers.self, key, answer) : unanswered;
}
static hf_err forget(void *self, const uint8_t key[32])
{
    const source *const s = self;
    return is_open(self) ? s->answers.forget(s->answers.self, key) : unanswered;
}

bool hf_source_answers(const char *path, const hf_limits *limits, hf_key_store *store)
{
    source *const s = find(path, ANSWERS);
    if (s == NULL)
        return false;
    s->limits = *limits;
    *store = (hf_key_store){ s, claim, keep, forget };
    (void)is_open(s); /* what is wrong is told now, and not with the first request */
    return true;
}

/* ---- keys of issuers --------------------------------------------------------------------------------------------- */

hf_jwks *hf_source_keys(const char *name)
{
    source *const s = find(name, KEY_SET);
    return s != NULL ? &s->jwks : NULL;
}
