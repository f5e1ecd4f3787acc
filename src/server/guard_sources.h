/* SPDX-License-Identifier: Apache-2.0
 *
 * What routes of a configuration ask: stores of sessions and of answers, and sets of keys, one for each name, for as long as the process
 * lives. A reload may drop a configuration while a thread still asks for it, and a name that stays keeps what is open. Nothing
 * is opened before the first question, so that the supervisor, which is asked none, never holds any of it.
 */
#ifndef HF_SERVER_GUARD_SOURCES_H
#define HF_SERVER_GUARD_SOURCES_H

#include <handfast/guards.h>
#include <handfast/store.h>

/* The store of this name: a file of SQLite, which must be there, or a URL of Redis. It blocks. False: memory ended. */
bool hf_source_store(const char *name, hf_session_store *store);
/* Counts of requests, over the connections of the store of this name: a URL of Redis. It blocks. False: memory ended. */
bool hf_source_rates(const char *name, hf_rate_store *rates);
/* The set of keys in this file, or at this URL of https; NULL: memory ended. */
hf_jwks *hf_source_keys(const char *name);
/* Answers by Idempotency-Key in this file of SQLite, which is made where there is none; opened at once, or later if that
 * fails. Once, before anybody asks. It blocks. False: memory ended. */
bool hf_source_answers(const char *path, const hf_limits *limits, hf_key_store *store);
/* Could `name` be a store at all? `why` says why not. Nothing stays open. */
hf_err hf_source_store_check(const char *name, hf_why *why);

#endif
