/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of an issuer that change: asked for when one is missing or they have grown old, seldom, and never in a loop thread.
 * Where they cannot be had the old ones count on for a while.
 */
#include <stdio.h>

#include "alloc.h"
#include "allocator.h"
#include "guards_jwks.h"
#include "pool.h"

enum { CACHE_S = 600, COOLDOWN_S = 30, STALE_S = 86400 };

static int64_t or_else(int64_t given, int64_t usual)
{
    return given > 0 ? given : usual;
}

static void lock(uint32_t *l)
{
    while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE) != 0)
        ;
}
static void unlock(uint32_t *l)
{
    __atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

/* ---- sources -------------------------------------------------------------------------------------------------- */

hf_err hf_jwks_file(void *path, char *out, size_t room, size_t *length)
{
    FILE *const f = fopen(path, "rbe");
    *length = f != NULL ? fread(out, 1, room, f) : 0;
    const bool good = f != NULL && !ferror(f) && fgetc(f) == EOF;
    if (f != NULL)
        fclose(f);
    return good ? HF_OK : hf_err_make(HF_ERR_JWT_KEYS_UNREACHABLE);
}

/* ---- fetching, in a thread that may block --------------------------------------------------------------------- */

/* What is no key set changes nothing, as if nobody had answered. */
static hf_err read_keys(hf_jwks *j, hf_crypto *c, hf_keys **keys, hf_whys *whys)
{
    const size_t room = (size_t)hf_limits_default()->jwks_bytes;
    char *const text = hf_alloc(hf_allocator_default(), room);
    size_t n = 0;
    if (text == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_err err = j->fetch(j->self, text, room, &n);
    if (err.code == 0) {
        *keys = hf_keys_new(c, hf_env_default());
        err = *keys != NULL ? hf_keys_add_jwks(*keys, j->alg, hf_bytes_make(text, n), false, whys) : hf_err_make(HF_ERR_BASE_MEMORY);
    }
    if (err.code == 0 && hf_keys_count(*keys) == 0)
        err = hf_err_make(HF_ERR_JWT_KEYS_UNREACHABLE);
    hf_free(hf_allocator_default(), text, room);
    return err;
}

hf_err hf_jwks_fetch(hf_jwks *j, hf_wall now, hf_whys *whys)
{
    hf_crypto *c = hf_crypto_new(hf_env_default(), NULL);
    hf_keys *keys = NULL;
    const hf_err err = c != NULL ? read_keys(j, c, &keys, whys) : hf_err_make(HF_ERR_BASE_MEMORY);
    lock(&j->lock);
    j->fetching = false;
    j->tried = now;
    if (err.code == 0) { /* the old ones leave by the same way */
        hf_keys *const old_keys = j->keys;
        hf_crypto *const old = j->crypto;
        j->keys = keys;
        j->crypto = c;
        keys = old_keys;
        c = old;
        j->fetched = now;
    }
    unlock(&j->lock);
    hf_keys_free(keys);
    hf_crypto_free(c);
    return err;
}

void hf_jwks_close(hf_jwks *j)
{
    hf_keys_free(j->keys);
    hf_crypto_free(j->crypto);
    j->keys = NULL;
    j->crypto = NULL;
}

/* ---- for the guard -------------------------------------------------------------------------------------------- */

/* Under the lock: is it time to ask? Then it is the caller who does. */
static bool take_turn(hf_jwks *j, hf_wall now)
{
    const bool rested = j->tried.s == 0 || now.s - j->tried.s >= or_else(j->cooldown_s, COOLDOWN_S);
    if (j->fetching || !rested)
        return false;
    j->fetching = true;
    return true;
}

hf_err hf_jwks_verify(hf_jwks *j, const hf_env *env, const hf_jwt_policy *policy, hf_bytes token, hf_wall now, hf_claims **claims, hf_why *why, hf_jwks_turn *turn)
{
    hf_jwt_policy own = *policy;
    hf_err err = hf_err_make(HF_ERR_JWT_KEYS_UNREACHABLE);
    *turn = HF_JWKS_REST;
    lock(&j->lock);
    const int64_t age = now.s - j->fetched.s;
    own.keys = j->keys;
    if (j->keys != NULL && age <= or_else(j->stale_s, STALE_S))
        err = hf_jwt_verify(env, &own, token, now, claims, why);
    if (err.code == HF_ERR_JWT_KEYS_UNREACHABLE || err.code == HF_ERR_JWT_KID)
        *turn = take_turn(j, now) ? HF_JWKS_FETCH_AND_WAIT : HF_JWKS_REST;
    else if (age > or_else(j->cache_s, CACHE_S))
        *turn = take_turn(j, now) ? HF_JWKS_FETCH : HF_JWKS_REST;
    unlock(&j->lock);
    if (err.code == HF_ERR_JWT_KEYS_UNREACHABLE && why != NULL)
        *why = (hf_why){ .err = err };
    return err;
}

void hf_jwks_give_up_turn(hf_jwks *j)
{
    lock(&j->lock);
    j->fetching = false;
    unlock(&j->lock);
}
