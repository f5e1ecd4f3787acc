/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for redis_store.c in a build without hiredis.
 */
#include <handfast/store.h>

#include "guard_why.h"

hf_err hf_redis_store_open(const hf_env *env, const char *url, hf_redis_store **store, hf_session_store *table, hf_why *why)
{
    (void)env, (void)url, (void)table;
    *store = NULL;
    return hf_why_tell(why, HF_ERR_SESSION_STORE_ABSENT, hf_text("redis"), "a build with hiredis");
}

void hf_redis_store_close(hf_redis_store *s)
{
    (void)s;
}

hf_rate_store hf_redis_store_rates(hf_redis_store *s)
{
    (void)s;
    return (hf_rate_store){ .self = NULL };
}

const char *hf_redis_store_library(void)
{
    return NULL;
}
