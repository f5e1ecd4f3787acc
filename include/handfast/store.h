/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/store.h - where sessions are kept: in memory, in a file of SQLite, or in Redis. Each is the contract of
 * hf_session_store.
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
/* The version of hiredis; NULL: none is built in. */
HF_API const char *hf_redis_store_library(void);

#ifdef __cplusplus
}
#endif
#endif
