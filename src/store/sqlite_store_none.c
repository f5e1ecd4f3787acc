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

hf_err hf_sqlite_topics_open(const hf_env *env, const char *file, uint64_t epoch, hf_sqlite_topics **topics, hf_why *why)
{
    (void)env, (void)file, (void)epoch;
    *topics = NULL;
    return hf_why_tell(why, HF_ERR_SESSION_STORE_ABSENT, hf_text("sqlite"), "a build with libsqlite3");
}

void hf_sqlite_topics_close(hf_sqlite_topics *t)
{
    (void)t;
}

hf_kept_place hf_sqlite_topics_place(const hf_sqlite_topics *t)
{
    (void)t;
    return (hf_kept_place){ 0 };
}

bool hf_sqlite_topics_anew(const hf_sqlite_topics *t)
{
    (void)t;
    return false;
}

hf_err hf_sqlite_topics_next(hf_sqlite_topics *t, uint64_t number, hf_kept_message *message, bool *found)
{
    (void)t, (void)number, (void)message;
    *found = false;
    return hf_err_make(HF_ERR_TOPIC_SAVED);
}

hf_err hf_sqlite_topics_append(hf_sqlite_topics *t, const hf_kept_message *all, size_t count)
{
    (void)t, (void)all, (void)count;
    return hf_err_make(HF_ERR_TOPIC_SAVED);
}

hf_err hf_sqlite_topics_restart(hf_sqlite_topics *t, uint64_t epoch, uint64_t last)
{
    (void)t, (void)epoch, (void)last;
    return hf_err_make(HF_ERR_TOPIC_SAVED);
}

const char *hf_sqlite_store_library(void)
{
    return NULL;
}
