/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard of rates: this process's own count first, so that a flood never gets further; then, where there is one, the count that
 * processes share, asked by the pool while the request waits.
 */
#include "alloc.h"
#include "allocator.h"
#include "guard_why.h"
#include "guards_kinds.h"
#include "text.h"

enum { KEY_MOST = 33, NAME_MOST = 512 };

/* What is asked: the pool's while it asks, then the loop thread's. The store is a copy: a guard may end with its request, and a thread
 * may still be asking then. */
typedef struct question {
    const hf_rate_guard *guard; /* only to be looked at while the request is there */
    hf_rate_store shared;
    hf_rate_rules rules;
    uint8_t key[KEY_MOST], name[NAME_MOST];
    size_t key_length, name_length;
    hf_err err;
    uint32_t wait_s;
} question;

/* Short: a table's entry is looked up. */
static void lock(uint32_t *l)
{
    while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE) != 0)
        ;
}
static void unlock(uint32_t *l)
{
    __atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

static size_t write_address(hf_req *rq, uint8_t key[KEY_MOST])
{
    const hf_address client = hf_req_source_of(rq).client;
    const size_t n = client.family == 6 ? 8 : 4;
    key[0] = client.family == 6 ? '6' : '4';
    memcpy(key + 1, client.ip, n);
    return 1 + n;
}

/* Whose request it is. The first byte says of what kind the others are: no session is taken for an address. */
static size_t write_key(const hf_rate_guard *g, hf_req *rq, uint8_t key[KEY_MOST])
{
    const struct hf_guarded *const found = hf_guarded_found(rq);
    if (g->by == HF_RATE_BY_SESSION && found != NULL && found->has_session) {
        key[0] = 's';
        memcpy(key + 1, found->session.record.key, 32);
        return 33;
    }
    return write_address(rq, key);
}

static hf_err take_here(hf_rate_guard *g, hf_req *rq, hf_bytes key, uint32_t *wait)
{
    lock(&g->lock);
    const hf_err err = hf_rate_take(g->rate, key, rq->service->now, wait, NULL);
    unlock(&g->lock);
    return err;
}

static hf_err deny(hf_req *rq, const uint8_t *key, uint32_t wait, hf_why *why)
{
    uint8_t text[16];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_write_decimal(&w, wait);
    const hf_err field = hf_reply_field(rq, "Retry-After", hf_written(&w));
    if (field.code != 0)
        return field;
    return hf_why_tell(why, HF_ERR_GUARD_RATE, hf_text(key[0] == 's' ? "one more request of this session" : "one more request of this address"), "fewer requests");
}

static void work(void *what)
{
    question *const q = what;
    const hf_rate_store *const s = &q->shared;
    q->err = s->take(s->self, hf_bytes_make(q->name, q->name_length), hf_bytes_make(q->key, q->key_length), &q->rules, &q->wait_s);
}

static hf_err done(hf_req *rq, void *what)
{
    question *const q = what;
    const bool late = rq == NULL || rq->answered;
    if (!late) {
        struct hf_guarded *const found = rq->more->guarded;
        found->rated = q->guard;
        found->rated_err = q->err;
        found->rated_wait = q->wait_s;
    }
    hf_free(hf_allocator_default(), q, sizeof *q);
    return late ? HF_OK : hf_guards_go_on(rq);
}

/* Of the limit. Routes of one path that differ in their methods have limits of their own. */
static size_t write_name(const hf_rate_guard *g, const hf_route *route, uint8_t name[NAME_MOST])
{
    hf_writer w = hf_writer_make(name, NAME_MOST);
    if (g->name == NULL) {
        hf_write_text(&w, route->method != NULL ? route->method : "GET");
        hf_write_byte(&w, ' ');
    }
    const hf_bytes text = hf_text(g->name != NULL ? g->name : route->path);
    hf_write(&w, hf_bytes_make(text.ptr, text.len < NAME_MOST - w.length ? text.len : NAME_MOST - w.length));
    return w.length;
}

/* Where the question cannot even be asked, this process's count has to do. */
static hf_err ask_others(const hf_rate_guard *g, hf_req *rq, hf_bytes key)
{
    question *const q = hf_guarded_of(rq) != NULL ? hf_alloc_zeroed(hf_allocator_default(), sizeof *q) : NULL;
    if (q == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *q = (question){ .guard = g, .shared = g->shared, .rules = hf_rate_rules_of(g->rate), .key_length = key.len,
        .err = hf_err_make(HF_ERR_SESSION_STORE) }; /* if the pool ends first */
    memcpy(q->key, key.ptr, key.len);
    q->name_length = write_name(g, rq->match.route, q->name);
    if (hf_req_run_blocking(rq, work, done, q).code == 0)
        return hf_guards_wait(rq);
    hf_free(hf_allocator_default(), q, sizeof *q);
    return HF_OK;
}

hf_err hf_guard_rate_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_rate_guard *const g = (hf_rate_guard *)self;
    struct hf_guarded *const found = hf_guarded_found(rq);
    uint8_t key[KEY_MOST];
    uint32_t wait = 0;
    const size_t n = write_key(g, rq, key);
    if (found != NULL && found->rated == g) {
        found->rated = NULL;
        return found->rated_err.code == HF_ERR_GUARD_RATE ? deny(rq, key, found->rated_wait, why) : HF_OK;
    }
    const hf_err err = take_here(g, rq, hf_bytes_make(key, n), &wait);
    if (err.code != 0)
        return deny(rq, key, wait, why);
    return g->shared.take != NULL ? ask_others(g, rq, hf_bytes_make(key, n)) : HF_OK;
}

/* ---- denied before there was a session --------------------------------------------------------------------------- */

/* A limit by session stands behind who finds the session. Who makes cookies and tokens up never gets there, and may not have each of
 * them looked up for nothing: denials are counted by address, under the same limit. */
static hf_rate_guard *by_session_behind(const hf_route *route, size_t at)
{
    for (size_t i = at + 1; i < HF_ROUTE_GUARDS && route->guards[i] != NULL; i++) {
        hf_rate_guard *const g = (hf_rate_guard *)route->guards[i];
        if (g->guard.check == hf_guard_rate_check && g->by == HF_RATE_BY_SESSION)
            return g;
    }
    return NULL;
}

/* Sixteen bits more than an address has: what was denied is apart from who has no session. */
static size_t write_denied(hf_req *rq, uint8_t key[KEY_MOST])
{
    const size_t n = write_address(rq, key);
    memcpy(key + n, "no", 2);
    return n + 2;
}

hf_err hf_guards_foresee_rate(hf_req *rq, size_t at, hf_why *why)
{
    hf_rate_guard *const g = by_session_behind(rq->match.route, at);
    uint8_t key[KEY_MOST];
    uint32_t wait;
    if (g == NULL)
        return HF_OK;
    const size_t n = write_denied(rq, key);
    lock(&g->lock);
    const hf_err err = hf_rate_look(g->rate, hf_bytes_make(key, n), rq->service->now, &wait);
    unlock(&g->lock);
    return err.code != 0 ? deny(rq, key, wait, why) : HF_OK;
}

void hf_guards_count_denial(hf_req *rq, size_t at)
{
    hf_rate_guard *const g = by_session_behind(rq->match.route, at);
    uint8_t key[KEY_MOST];
    uint32_t wait;
    if (g != NULL)
        (void)take_here(g, rq, hf_bytes_make(key, write_denied(rq, key)), &wait).code;
}
