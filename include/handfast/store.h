/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/store.h - where sessions are kept: in memory, or in a file of SQLite. Each is the contract of hf_session_store.
 */
#ifndef HANDFAST_STORE_H
#define HANDFAST_STORE_H

#include "guard.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In memory, for all threads of one process; gone when it ends. Limits sessions, session_bytes. */
typedef struct hf_memory_store hf_memory_store;
/* Copies *env's allocator, which any thread may use then. NULL when memory ends. */
HF_API hf_memory_store *hf_memory_store_new(const hf_env *env, hf_session_store *store);
HF_API void hf_memory_store_free(hf_memory_store *m);
HF_API size_t hf_memory_store_count(hf_memory_store *m);

#ifdef __cplusplus
}
#endif
#endif
