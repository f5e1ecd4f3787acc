/* SPDX-License-Identifier: Apache-2.0
 *
 * The guestbook's stores and keys, and the one request that asks a store from a thread that may block.
 */
#include "guestbook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

hf_err guestbook_open_store(const char *where, hf_session_store *store, hf_rate_store *rates, hf_why *why)
{
    hf_sqlite_store *sqlite;
    hf_redis_store *redis;
    if (strcmp(where, "memory") == 0)
        return hf_err_make(hf_memory_store_new(hf_env_default(), store) != NULL ? 0 : HF_ERR_BASE_MEMORY);
    if (strstr(where, "://") == NULL)
        return hf_sqlite_store_open(hf_env_default(), where, &sqlite, store, why);
    const hf_err err = hf_redis_store_open(hf_env_default(), where, &redis, store, why);
    if (err.code == 0)
        *rates = hf_redis_store_rates(redis);
    return err;
}

hf_err guestbook_open_keys(hf_keys *keys, const char *file, const uint8_t random[32], hf_why *why)
{
    char text[4096];
    size_t n;
    if (file == NULL)
        return hf_keys_add_secret(keys, HF_ALG_HS256, hf_text("1"), hf_bytes_make(random, 32), why);
    const hf_err err = hf_jwks_file((void *)(uintptr_t)file, text, sizeof text, &n);
    return err.code != 0 ? err : hf_keys_add_jwks(keys, HF_ALG_HS256, hf_bytes_make(text, n), true, NULL);
}

typedef struct revocation {
    char subject[HF_SUBJECT_MOST + 1];
    const hf_session_store *store;
    hf_wall now;
    int64_t life_s;
    hf_err (*then)(hf_req *rq);
    hf_err err;
} revocation;

static void revoke(void *what)
{
    revocation *const r = what;
    hf_crypto *const own = hf_crypto_new(hf_env_default(), NULL); /* one for each thread */
    r->err = own != NULL ? hf_revoke_subject(own, r->store, hf_text(r->subject), r->now, r->life_s) : hf_err_make(HF_ERR_BASE_MEMORY);
    hf_crypto_free(own);
}

static hf_err revoked(hf_req *rq, void *what)
{
    const revocation r = *(revocation *)what;
    free(what);
    return rq == NULL || r.err.code != 0 ? r.err : r.then(rq);
}

hf_err guestbook_revoke(hf_req *rq, const hf_session_store *store, int64_t life_s, hf_err (*then)(hf_req *rq))
{
    revocation *const r = calloc(1, sizeof *r);
    if (r == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *r = (revocation){ .store = store, .now = hf_req_wall(rq), .life_s = life_s, .then = then };
    snprintf(r->subject, sizeof r->subject, "%s", hf_req_session(rq)->record.subject);
    const hf_err err = hf_req_run_blocking(rq, revoke, revoked, r);
    if (err.code != 0)
        free(r);
    return err;
}
