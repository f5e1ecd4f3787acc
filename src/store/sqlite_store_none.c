/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for sqlite_store.c in a build without SQLite.
 */
#include <handfast/store.h>

#include "guard_why.h"

hf_err hf_sqlite_store_open(const hf_env *env, const char *file, hf_sqlite_store **store, hf_session_store *table, hf_why *why)
{
    (void)env, (void)file, (void)table;
    *store = NULL;
    return hf_why_tell(why, HF_ERR_SESSION_STORE_ABSENT, hf_text("sqlite"), "a build with libsqlite3");
}

void hf_sqlite_store_close(hf_sqlite_store *s)
{
    (void)s;
}

hf_err hf_sqlite_keys_open(const hf_env *env, const char *file, hf_sqlite_keys **keys, hf_key_store *table, hf_why *why)
{
    (void)env, (void)file, (void)table;
    *keys = NULL;
    return hf_why_tell(why, HF_ERR_SESSION_STORE_ABSENT, hf_text("sqlite"), "a build with libsqlite3");
}

void hf_sqlite_keys_close(hf_sqlite_keys *k)
{
    (void)k;
}

const char *hf_sqlite_store_library(void)
{
    return NULL;
}
