/* SPDX-License-Identifier: Apache-2.0 */
#include "guards_password.h"

#include <stdatomic.h>

#include "address.h"
#include "allocator.h"
#include "crypto_hash.h"
#include "crypto_secret.h"
#include "guards_kinds.h"

/* One password that is to be hashed. Belongs to nobody but the thread that has it: the request and the guard may be gone
 * before it is done. */
typedef struct proof {
    hf_password_guard *guard; /* not to be used once the request is over */
    uint8_t tag[HF_PASSWORD_TAG];
    uint8_t hash[HF_PASSWORD_HASH];
    size_t hash_length, length;
    bool known_name, right;
    uint8_t password[];
} proof;

/* Of all guards together: limit password_checks. */
static _Atomic uint32_t under_way;

static void lock(uint32_t *l)
{
    while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE) != 0)
        ;
}
static void unlock(uint32_t *l)
{
    __atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

static hf_err refuse(const hf_password_guard *g, hf_req *rq)
{
    const hf_err err = hf_reply_field(rq, "WWW-Authenticate", hf_text(g->challenge));
    return err.code != 0 ? err : hf_guards_turn_away(rq, hf_err_make(HF_ERR_HTTP_PASSWORD), hf_text(""));
}

/* ---- what was right before ------------------------------------------------------------------------------------- */

static bool make_tag(hf_password_guard *g, hf_req *rq, hf_bytes hash, hf_bytes both, uint8_t tag[HF_PASSWORD_TAG])
{
    hf_service *const s = rq->service;
    if (s->crypto == NULL)
        s->crypto = hf_crypto_new(s->env, NULL);
    uint8_t *const room = hf_req_memory(rq, hash.len + 1 + both.len);
    if (s->crypto == NULL || room == NULL)
        return false;
    memcpy(room, hash.ptr, hash.len);
    room[hash.len] = ':'; /* which no hash holds */
    if (both.len > 0)
        memcpy(room + hash.len + 1, both.ptr, both.len);
    lock(&g->lock);
    g->keyed = g->keyed || hf_crypto_random(s->crypto, g->key, sizeof g->key);
    const bool keyed = g->keyed;
    unlock(&g->lock);
    const bool good = keyed && hf_hmac(s->crypto, HF_HASH_SHA256, hf_bytes_make(g->key, sizeof g->key),
        hf_bytes_make(room, hash.len + 1 + both.len), tag);
    hf_wipe(room, hash.len + 1 + both.len);
    return good;
}

static bool is_known(hf_password_guard *g, const uint8_t tag[HF_PASSWORD_TAG], hf_time now)
{
    hf_password_known *const k = &g->known[tag[0]];
    lock(&g->lock);
    const bool same = hf_secret_equal(k->tag, tag, HF_PASSWORD_TAG) && hf_time_before(now, k->until);
    unlock(&g->lock);
    return same;
}

static void remember(hf_password_guard *g, const uint8_t tag[HF_PASSWORD_TAG], hf_time until)
{
    hf_password_known *const k = &g->known[tag[0]];
    lock(&g->lock);
    memcpy(k->tag, tag, HF_PASSWORD_TAG);
    k->until = until;
    unlock(&g->lock);
}

/* ---- the head is there ------------------------------------------------------------------------------------------ */

/* The pool is for the work; this only writes down what it is. */
static hf_err leave_to_prove(hf_password_guard *g, hf_req *rq, const hf_account *account, hf_bytes password, const uint8_t *tag)
{
    struct hf_guarded *const found = hf_guarded_of(rq);
    proof *const p = found != NULL ? hf_req_memory(rq, sizeof *p + password.len) : NULL;
    if (p == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    /* A name that nobody has costs what one costs that somebody has: else the time would tell which is which. */
    const hf_bytes hash = account != NULL ? account->hash : g->accounts[0].hash;
    *p = (proof){ .guard = g, .hash_length = hash.len, .length = password.len, .known_name = account != NULL };
    memcpy(p->tag, tag, sizeof p->tag);
    memcpy(p->hash, hash.ptr, hash.len);
    if (password.len > 0)
        memcpy(p->password, password.ptr, password.len);
    found->proof = p;
    return HF_OK;
}

hf_err hf_guard_password_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_password_guard *const g = (hf_password_guard *)self;
    const hf_route *const route = rq->match.route;
    const hf_field *const field = hf_fields_find_name(rq->head.fields, hf_text("Authorization"));
    uint8_t tag[HF_PASSWORD_TAG];
    hf_bytes name, password;
    (void)why;
    if (route->websocket != NULL || route->events != NULL || route->body != NULL || route->upload != NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    const hf_address client = hf_req_source_of(rq).client;
    if (!g->in_clear && !hf_req_is_secure(rq) && !hf_address_is_loopback(&client))
        return hf_req_refuse(rq, hf_err_make(HF_ERR_HTTP_PASSWORD_IN_CLEAR), hf_text(""));
    uint8_t *const room = field != NULL ? hf_req_memory(rq, field->value.len) : NULL;
    if (field == NULL)
        return refuse(g, rq);
    if (room == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer w = hf_writer_make(room, field->value.len);
    if (!hf_password_credentials(field->value, &w, &name, &password) || password.len > rq->service->env->limits->password_bytes ||
        name.len > rq->service->env->limits->password_bytes)
        return refuse(g, rq);
    const hf_account *const account = hf_password_find(g->accounts, g->count, name);
    if (!make_tag(g, rq, account != NULL ? account->hash : hf_text("-"), hf_written(&w), tag))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    rq->user = name;
    return account != NULL && is_known(g, tag, rq->service->now) ? HF_OK : leave_to_prove(g, rq, account, password, tag);
}

/* ---- the handler would run now ---------------------------------------------------------------------------------- */

static void work(void *what)
{
    proof *const p = what;
    const bool same = hf_password_is(hf_bytes_make(p->hash, p->hash_length), hf_bytes_make(p->password, p->length));
    p->right = same && p->known_name;
}

static hf_err settle(proof *p, hf_req *rq)
{
    if (rq->answered) /* it took longer than its route allows */
        return HF_OK;
    if (!p->right)
        return refuse(p->guard, rq);
    const hf_limits *const limits = rq->service->env->limits;
    const uint64_t kept = limits->password_memory_ns;
    remember(p->guard, p->tag, hf_time_after(rq->service->now, kept < INT64_MAX ? (int64_t)kept : INT64_MAX));
    rq->more->deadline = HF_NEVER;
    return hf_req_proceed(rq);
}

static hf_err done(hf_req *rq, void *what)
{
    proof *const p = what;
    atomic_fetch_sub(&under_way, 1);
    const hf_err err = rq != NULL ? settle(p, rq) : HF_OK;
    const size_t size = sizeof *p + p->length;
    hf_wipe(p, size);
    hf_free(hf_allocator_default(), p, size);
    return err;
}

bool hf_guards_have_to_prove(const hf_req *rq)
{
    return rq->more != NULL && rq->more->guarded != NULL && rq->more->guarded->proof != NULL;
}

hf_err hf_guards_prove(hf_req *rq, bool *waits)
{
    const proof *const asked = hf_guards_have_to_prove(rq) ? rq->more->guarded->proof : NULL;
    *waits = false;
    if (asked == NULL)
        return HF_OK;
    const size_t size = sizeof *asked + asked->length;
    if (atomic_fetch_add(&under_way, 1) >= rq->service->env->limits->password_checks) {
        atomic_fetch_sub(&under_way, 1);
        return hf_err_make(HF_ERR_HTTP_BLOCKING_FULL);
    }
    proof *const own = hf_alloc(hf_allocator_default(), size);
    hf_err err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (own != NULL) {
        memcpy(own, asked, size);
        err = hf_req_run_blocking(rq, work, done, own);
    }
    *waits = err.code == 0;
    if (*waits) {
        rq->more->deadline = hf_req_patience(rq);
        return HF_OK;
    }
    atomic_fetch_sub(&under_way, 1);
    hf_free(hf_allocator_default(), own, size);
    return err;
}
