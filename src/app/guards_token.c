/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard of tokens: where the token lies, whether it counts, and whether it was revoked. A list of revocations in memory
 * is asked at once; of one that blocks the records are fetched by the pool while the request waits.
 */
#include "alloc.h"
#include "allocator.h"
#include "crypto_hash.h"
#include "guards_jwks.h"
#include "guards_store.h"
#include "pool.h"

/* Short: a signature is checked. Keys work with one hf_crypto, which is for one thread at a time. */
static void lock(uint32_t *l)
{
    while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE) != 0)
        ;
}
static void unlock(uint32_t *l)
{
    __atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

/* What the list said of both keys, and lent to hf_revocation_check in the store's place. */
struct hf_revocations {
    size_t count;
    hf_err errs[2];
    hf_session_record records[2];
};

static hf_err fetched_get(void *self, const uint8_t key[32], hf_session_record *record, hf_span room)
{
    const struct hf_revocations *const f = self;
    (void)room;
    for (size_t i = 0; i < f->count; i++)
        if (memcmp(f->records[i].key, key, 32) == 0) {
            *record = f->records[i];
            return f->errs[i];
        }
    return hf_err_make(HF_ERR_SESSION_STORE);
}

static hf_err fetch_done(hf_req *rq, void *what)
{
    hf_store_work *const w = what;
    const bool late = rq == NULL || rq->answered;
    struct hf_revocations *const f = !late ? hf_req_memory(rq, sizeof *f) : NULL;
    if (f != NULL) {
        f->count = w->count;
        for (size_t i = 0; i < w->count; i++) {
            f->errs[i] = w->ops[i].err;
            f->records[i] = w->ops[i].record;
            f->records[i].data = hf_bytes_make(NULL, 0);
        }
        rq->more->guarded->revocations = f;
    }
    hf_store_work_free(w);
    if (late)
        return HF_OK;
    return f != NULL ? hf_guards_go_on(rq) : hf_err_make(HF_ERR_BASE_MEMORY);
}

static hf_err fetch(hf_jwt_guard *g, hf_req *rq, const hf_claims *claims)
{
    uint8_t keys[2][32];
    const size_t n = hf_revocation_keys(hf_crypto_of(rq), claims, keys);
    hf_store_work *const w = n != SIZE_MAX ? hf_store_work_new(rq, &g->revoked) : NULL;
    if (w == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    for (size_t i = 0; i < n; i++)
        hf_store_work_get(w, keys[i]);
    const hf_err err = hf_store_work_run(rq, w, fetch_done);
    return err.code != 0 ? err : hf_guards_wait(rq);
}

static hf_err check_revoked(hf_jwt_guard *g, hf_req *rq, struct hf_guarded *found, hf_why *why)
{
    if (g->revoked.get == NULL)
        return HF_OK;
    if (hf_crypto_of(rq) == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (!g->revoked.blocks)
        return hf_revocation_check(hf_crypto_of(rq), &g->revoked, found->pending, why);
    if (found->revocations == NULL)
        return fetch(g, rq, found->pending);
    const hf_session_store fetched = { .self = found->revocations, .get = fetched_get };
    return hf_revocation_check(hf_crypto_of(rq), &fetched, found->pending, why);
}

/* ---- where the token lies ------------------------------------------------------------------------------------- */

/* Of the Authorization field; without one, of the cookie: then a browser adds it unasked, and *ambient. */
static hf_err find_token(const hf_jwt_guard *g, const hf_req *rq, hf_bytes *token, bool *ambient, hf_why *why)
{
    char name[HF_COOKIE_NAME_MOST];
    *ambient = false;
    *token = hf_bearer_token(rq->head.fields);
    if (g->cookie.name == NULL || hf_fields_find(rq->head.fields, HF_FIELD_AUTHORIZATION) != NULL)
        return HF_OK;
    const hf_err err = hf_cookie_find(rq->head.fields, hf_bytes_make(name, hf_cookie_name(&g->cookie, name)), token, why);
    *ambient = err.code == 0 && token->len > 0;
    return err;
}

/* The secret of CSRF tokens for a token in a cookie: nobody knows it who does not have the whole of it. */
static bool make_secret(hf_crypto *c, hf_bytes token, uint8_t secret[HF_CSRF_SECRET])
{
    return hf_hmac(c, HF_HASH_SHA256, hf_text("handfast csrf of a token"), token, secret);
}

/* ---- keys that change ----------------------------------------------------------------------------------------- */

/* Its own memory: the request may be over before it is done. */
typedef struct refresh {
    hf_job job; /* first */
    hf_jwks *jwks;
    hf_wall now;
    const hf_app *app; /* kept: the keys may be its own. NULL: the ticket of the request does */
} refresh;

static void free_refresh(refresh *r)
{
    const hf_app *const app = r->app;
    hf_free(hf_allocator_default(), r, sizeof *r);
    if (app != NULL)
        hf_app_leave(app);
}

static void give_up(hf_job *job)
{
    refresh *const r = (refresh *)job;
    hf_jwks_give_up_turn(r->jwks);
    free_refresh(r);
}

static void run_refresh(hf_job *job)
{
    refresh *const r = (refresh *)job;
    (void)hf_jwks_fetch(r->jwks, r->now, NULL).code; /* the old keys count on */
    free_refresh(r);
}

static void work_refresh(void *what)
{
    refresh *const r = what;
    (void)hf_jwks_fetch(r->jwks, r->now, NULL).code;
    r->jwks = NULL;
}

static hf_err refreshed(hf_req *rq, void *what)
{
    refresh *const r = what;
    if (r->jwks != NULL) /* the pool ended first */
        hf_jwks_give_up_turn(r->jwks);
    hf_free(hf_allocator_default(), r, sizeof *r);
    return rq != NULL && !rq->answered ? hf_guards_go_on(rq) : HF_OK;
}

static hf_err have_fetched(hf_jwt_guard *g, hf_req *rq, bool wait)
{
    refresh *const r = hf_alloc_zeroed(hf_allocator_default(), sizeof *r);
    hf_pool *const pool = rq->service->app->pool;
    if (r == NULL) {
        hf_jwks_give_up_turn(g->jwks);
        return HF_OK;
    }
    *r = (refresh){ .job = { .work = run_refresh, .abandon = give_up }, .jwks = g->jwks, .now = rq->service->wall };
    if (wait) {
        const hf_err err = hf_req_run_blocking(rq, work_refresh, refreshed, r);
        if (err.code == 0)
            return hf_guards_wait(rq);
        give_up(&r->job);
        return err;
    }
    r->app = hf_app_keep(rq->service->app);
    if (pool == NULL)
        run_refresh(&r->job);
    else if (!hf_pool_give(pool, &r->job))
        give_up(&r->job);
    return HF_OK;
}

/* With fixed keys, or with those that are there now. */
static hf_err verify_with(hf_jwt_guard *g, hf_req *rq, hf_bytes token, hf_claims **claims, hf_why *why)
{
    hf_jwks_turn turn;
    if (g->jwks == NULL) {
        lock(&g->lock);
        const hf_err err = hf_jwt_verify(rq->service->env, &g->policy, token, rq->service->wall, claims, why);
        unlock(&g->lock);
        return err;
    }
    const hf_err err = hf_jwks_verify(g->jwks, rq->service->env, &g->policy, token, rq->service->wall, claims, why, &turn);
    if (turn == HF_JWKS_REST)
        return err;
    const hf_err fetching = have_fetched(g, rq, turn == HF_JWKS_FETCH_AND_WAIT);
    return fetching.code != 0 ? fetching : err;
}

static void free_claims(void *claims)
{
    hf_claims_free(claims);
}

static hf_err verify(hf_jwt_guard *g, hf_req *rq, struct hf_guarded *found, hf_why *why)
{
    hf_bytes token;
    bool ambient;
    hf_claims *claims;
    hf_err err = find_token(g, rq, &token, &ambient, why);
    if (err.code != 0)
        return err;
    err = verify_with(g, rq, token, &claims, why);
    if (err.code != 0)
        return err;
    err = hf_req_hold(rq, free_claims, claims);
    if (err.code != 0) {
        hf_claims_free(claims);
        return err;
    }
    found->pending = claims;
    found->ambient_token = ambient;
    if (ambient && (hf_crypto_of(rq) == NULL || !make_secret(hf_crypto_of(rq), token, found->token_secret)))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    return HF_OK;
}

hf_err hf_guard_jwt_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_jwt_guard *const g = (hf_jwt_guard *)self;
    struct hf_guarded *const found = hf_guarded_of(rq);
    if (found == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (found->pending == NULL)
        hf_store_collect(rq, &g->revoked, &g->collected);
    hf_err err = found->pending != NULL ? HF_OK : verify(g, rq, found, why);
    if (rq->more->guards_wait) /* for keys: then it is asked again */
        return HF_OK;
    if (err.code == 0)
        err = check_revoked(g, rq, found, why);
    if (err.code == 0 && !rq->more->guards_wait)
        found->claims = found->pending;
    if (err.code == 0)
        return HF_OK;
    /* RFC 6750 3.1: "If the request lacks any authentication information ... SHOULD NOT include an error code" */
    const hf_bytes challenge = hf_text(err.code == HF_ERR_JWT_MISSING ? "Bearer" : "Bearer error=\"invalid_token\"");
    const hf_err field = hf_err_describe(err)->status == 401 ? hf_reply_field(rq, "WWW-Authenticate", challenge) : HF_OK;
    return field.code != 0 ? field : err;
}

const hf_claims *hf_req_claims(const hf_req *rq)
{
    const struct hf_guarded *const found = hf_guarded_found(rq);
    return found != NULL ? found->claims : NULL;
}

hf_err hf_reply_token_cookie(hf_req *rq, const hf_jwt_guard *g, hf_bytes token)
{
    char *const out = hf_req_memory(rq, HF_COOKIE_FIELD_MOST);
    size_t n;
    hf_cookie k = g->cookie;
    if (k.name == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (out == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (token.len == 0)
        k.max_age_s = -1;
    const hf_err err = hf_cookie_write(&k, token, out, &n, NULL);
    return err.code != 0 ? err : hf_reply_field(rq, "Set-Cookie", hf_bytes_make(out, n));
}

hf_err hf_req_issue_token(hf_req *rq, hf_jwt_guard *g, const hf_jwt_wish *wish, hf_bytes *token, char jti[22])
{
    const size_t room = (size_t)rq->service->env->limits->jwt_bytes;
    char *const out = hf_req_memory(rq, room);
    hf_crypto *const c = hf_crypto_of(rq);
    size_t n = 0;
    if (out == NULL || c == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    lock(&g->lock);
    const hf_err err = hf_jwt_issue(c, rq->service->env, &g->policy, wish, rq->service->wall, out, room, &n, jti, NULL);
    unlock(&g->lock);
    *token = hf_bytes_make(out, n);
    return err;
}

hf_err hf_reply_keys(hf_req *rq, hf_jwt_guard *g)
{
    const size_t room = (size_t)rq->service->env->limits->jwks_bytes;
    char *const out = g->policy.keys != NULL ? hf_req_memory(rq, room) : NULL;
    size_t n = 0;
    if (out == NULL)
        return hf_err_make(g->policy.keys != NULL ? HF_ERR_BASE_MEMORY : HF_ERR_BASE_USAGE);
    lock(&g->lock);
    hf_err err = hf_keys_write(g->policy.keys, out, room, &n);
    unlock(&g->lock);
    if (err.code == 0)
        err = hf_reply_field(rq, "Cache-Control", hf_text("public, max-age=300"));
    return err.code != 0 ? err : hf_reply(rq, 200, "application/jwk-set+json", hf_bytes_make(out, n));
}
