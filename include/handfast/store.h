/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/store.h - where sessions are kept: in memory, in a file of SQLite, or in Redis. Each is the contract of
 * hf_session_store. And where answers are kept by Idempotency-Key, so that they outlive the process: hf_key_store.
 */
#ifndef HANDFAST_STORE_H
#define HANDFAST_STORE_H

#include "guard.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The C library's memory and the default limits, for programs that have none of their own to give: what `env` is below, and
 * for hf_crypto_new, hf_keys_new and their like. From any thread. Lends static memory. */
HF_API const hf_env *hf_env_default(void);

/* In memory, for all threads of one process; gone when it ends. Limits sessions, session_bytes. */
typedef struct hf_memory_store hf_memory_store;
/* Copies *env's allocator, which any thread may use then. NULL when memory ends. */
HF_API hf_memory_store *hf_memory_store_new(const hf_env *env, hf_session_store *store);
HF_API void hf_memory_store_free(hf_memory_store *m);
HF_API size_t hf_memory_store_count(hf_memory_store *m);

/* In a file of SQLite: sessions survive a restart, and processes of one machine may share the file. For all threads; calls
 * may block, at most the limit store_ns for another process that writes. The file is made for its owner alone; what was
 * destroyed is overwritten. What a process had committed when it was killed is there; a crash of the whole machine may
 * cost the last moments. */
typedef struct hf_sqlite_store hf_sqlite_store;
/* Gives *store. Copies *env's allocator, which any thread may use then. HF_ERR_SESSION_STORE_ADDRESS with SQLite's own words;
 * HF_ERR_SESSION_STORE_ABSENT in a build without SQLite. */
HF_API hf_err hf_sqlite_store_open(const hf_env *env, const char *file, hf_sqlite_store **store, hf_session_store *table, hf_why *why);
HF_API void hf_sqlite_store_close(hf_sqlite_store *store);
/* The version of the SQLite that is loaded; NULL: none is built in. */
HF_API const char *hf_sqlite_store_library(void);

/* In a Redis server (5 or later, not a cluster): machines share sessions. For all threads; calls may block, at most the
 * limit store_ns. Opening connects to nobody: a server that cannot be reached denies, and is asked again half a second later
 * at the earliest. Sessions that nobody collects end by themselves an hour after their time. */
typedef struct hf_redis_store hf_redis_store;
/* `url`: redis://[user:password@]host[:port][/database], or unix:///path[?db=database]. Gives *store; as above. */
HF_API hf_err hf_redis_store_open(const hf_env *env, const char *url, hf_redis_store **store, hf_session_store *table, hf_why *why);
HF_API void hf_redis_store_close(hf_redis_store *store);
/* Rates that machines share, over the same connections: what hf_rate_guard.shared takes. Lends until close. Redis' own clock counts, and
 * keys are hashed by who asks or are addresses; each is gone by itself when it says nothing any more. */
HF_API hf_rate_store hf_redis_store_rates(hf_redis_store *store);
/* The version of hiredis; NULL: none is built in. */
HF_API const char *hf_redis_store_library(void);

/* ---- answers by Idempotency-Key ----------------------------------------------------------------------------------- */

/* A request with a key. Digests, for nothing that a client sent is written down. */
typedef struct hf_key_claim {
    uint8_t key[32];     /* of the key, its route and its host */
    uint8_t request[32]; /* of all that the request and its retries must share: target, credentials, body */
    hf_wall now, until;  /* `until`: remembered so long */
} hf_key_claim;

typedef enum hf_claim_verdict {
    HF_CLAIM_NEW,  /* nobody had it: it is the caller's now, who says in the end what became of it: keep or forget */
    HF_CLAIM_ANSWERED, /* here is the answer that was kept */
    HF_CLAIM_LOST,     /* carried out, as far as is known, and the answer is not */
    HF_CLAIM_RUNNING,  /* being carried out, by another process */
    HF_CLAIM_OTHER     /* it stands for another request */
} hf_claim_verdict;

typedef struct hf_key_answer {
    uint16_t status; /* 0: not known; the fact is kept */
    hf_bytes fields; /* name NUL value NUL, ... */
    hf_bytes body;
} hf_key_answer;

/* What a store of keys does, called by any thread; calls may block. Everything is lent for the call. An error means that
 * nothing was changed, as far as is known. */
typedef struct hf_key_store {
    void *self;
    /* With HF_CLAIM_ANSWERED *answer is there, and lies in `room`: HF_ERR_BASE_LIMIT where that is too small. */
    hf_err (*claim)(void *self, const hf_key_claim *claim, hf_claim_verdict *verdict, hf_key_answer *answer, hf_span room);
    hf_err (*keep)(void *self, const uint8_t key[32], const hf_key_answer *answer);
    hf_err (*forget)(void *self, const uint8_t key[32]); /* not carried out: a retry may be */
} hf_key_store;

/* In a file of SQLite: answers survive a restart, and processes of one machine may share the file (also with sessions). For all
 * threads; calls may block, at most the limit store_ns for another process that writes. The file is made for its owner alone.
 * What a process had committed when it was killed is there; a crash of the whole machine may cost the last moments. Limits
 * idempotency_keys and idempotency_bytes hold for the file: when it is full, what is over goes, then the oldest answers. */
typedef struct hf_sqlite_keys hf_sqlite_keys;
/* Gives *keys, and *table for hf_server_options.keys. Copies *env's allocator, which any thread may use then.
 * HF_ERR_SESSION_STORE_ADDRESS with SQLite's own words; HF_ERR_SESSION_STORE_ABSENT in a build without SQLite. */
HF_API hf_err hf_sqlite_keys_open(const hf_env *env, const char *file, hf_sqlite_keys **keys, hf_key_store *table, hf_why *why);
/* After the servers that use it. NULL is fine. */
HF_API void hf_sqlite_keys_close(hf_sqlite_keys *keys);

/* ---- what was published to topics --------------------------------------------------------------------------------- */

/* For hf_server_options.topics_file, which opens one itself: this is for programs that keep a history of their own. */
typedef struct hf_kept_message {
    uint64_t number;
    hf_bytes topic, name, data;
} hf_kept_message;

/* Of the numbers of `epoch` those above `before` up to `last` are kept. */
typedef struct hf_kept_place {
    uint64_t epoch, before, last;
} hf_kept_place;

/* In a file of SQLite, made for its owner alone: one unbroken run of numbers, at most the limits topics_saved_events and topics_bytes,
 * of which the oldest go. Whoever has it open has it alone. What append has answered is on the disk: it survives a kill, and a crash of
 * the machine. For one thread at a time; calls block. */
typedef struct hf_sqlite_topics hf_sqlite_topics;
/* Gives *topics. Copies *env's allocator and limits. `epoch`, not 0 and below 2^63: of a file that is made now, or whose content is no
 * such run. HF_ERR_SESSION_STORE_ADDRESS with SQLite's own words, also while another has it for longer than the limit store_ns;
 * HF_ERR_TOPIC_SAVED likewise: what is there could not be read, and nothing of it changed. HF_ERR_SESSION_STORE_ABSENT in a build
 * without SQLite. */
HF_API hf_err hf_sqlite_topics_open(const hf_env *env, const char *file, uint64_t epoch, hf_sqlite_topics **topics, hf_why *why);
/* NULL is fine. */
HF_API void hf_sqlite_topics_close(hf_sqlite_topics *topics);
HF_API hf_kept_place hf_sqlite_topics_place(const hf_sqlite_topics *topics);
/* Did the opening find what is no unbroken run, and let it go? */
HF_API bool hf_sqlite_topics_anew(const hf_sqlite_topics *topics);
/* The first message above `number`, lent until the next call; *found false: there is none. HF_ERR_TOPIC_SAVED. */
HF_API hf_err hf_sqlite_topics_next(hf_sqlite_topics *topics, uint64_t number, hf_kept_message *message, bool *found);
/* Their numbers go on from the last, one by one. HF_ERR_TOPIC_SAVED: none of them was written. */
HF_API hf_err hf_sqlite_topics_append(hf_sqlite_topics *topics, const hf_kept_message *all, size_t count);
/* All of it goes, and numbers go on above `last` in another epoch. HF_ERR_TOPIC_SAVED: nothing changed. */
HF_API hf_err hf_sqlite_topics_restart(hf_sqlite_topics *topics, uint64_t epoch, uint64_t last);

#ifdef __cplusplus
}
#endif
#endif
