/* SPDX-License-Identifier: Apache-2.0
 *
 * The security chapter's comparison: one API behind a session and behind a token, here and on a second server that shares nothing with
 * this one but the key. Who logs in gets both; what each costs, and how each ends, the page times itself.
 */
#include "tour.h"

#include <handfast/guards.h>
#include <handfast/store.h>

#include <pthread.h>
#include <time.h>

#include "text.h"

enum { LIFE_S = 10, FINDS = 2000, CHECKS = 300 };

#define SESSION(any) { .guard = { hf_guard_session_check, NULL, true }, .cookie = { .name = "same" }, .optional = any }
static hf_session_guard anybody = SESSION(true), here = SESSION(false), elsewhere = SESSION(false);
static hf_jwt_guard token_here = { .guard = { hf_guard_jwt_check, NULL, true } }, token_elsewhere = { .guard = { hf_guard_jwt_check, NULL, true } };
static hf_csrf_guard own_page = { .guard = { hf_guard_csrf_check, hf_guard_csrf_check_end, true }, .policy = { .mode = HF_CSRF_ORIGIN_ONLY } };
static const hf_alg algs[] = { HF_ALG_HS256 };
static hf_memory_store *memory, *other_memory;
static uint8_t secret[32];

/* Keys are for one thread at a time: each guard, which looks under a lock of its own, has a set of its own. */
typedef struct key_set {
    hf_crypto *crypto;
    hf_keys *keys;
} key_set;
static key_set key_here, key_elsewhere;

static hf_err open_keys(key_set *k, hf_jwt_policy *policy)
{
    k->crypto = hf_crypto_new(hf_env_default(), NULL);
    k->keys = k->crypto != NULL ? hf_keys_new(k->crypto, hf_env_default()) : NULL;
    *policy = (hf_jwt_policy){ .algs = algs, .alg_count = 1, .issuer = "same", .audience = "same", .max_life_s = LIFE_S, .skew_s = -1, .keys = k->keys };
    if (k->keys == NULL)
        return hf_err_make(k->crypto != NULL ? HF_ERR_BASE_MEMORY : HF_ERR_TLS_CRYPTO);
    return hf_keys_add_secret(k->keys, HF_ALG_HS256, hf_text("same"), hf_bytes_make(secret, sizeof secret), NULL);
}

static void close_keys(key_set *k)
{
    hf_keys_free(k->keys);
    hf_crypto_free(k->crypto);
    *k = (key_set){ NULL, NULL };
}

/* The second machine has the secret, too, and nothing else of ours. */
hf_err hf_tour_compare_open(void)
{
    hf_crypto *const c = hf_crypto_new(hf_env_default(), NULL);
    const bool random = c != NULL && hf_crypto_random(c, secret, sizeof secret);
    hf_crypto_free(c);
    memory = hf_memory_store_new(hf_env_default(), &here.store);
    other_memory = hf_memory_store_new(hf_env_default(), &elsewhere.store);
    anybody.store = token_here.revoked = here.store;
    if (!random)
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    if (memory == NULL || other_memory == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_err err = open_keys(&key_here, &token_here.policy);
    return err.code == 0 ? open_keys(&key_elsewhere, &token_elsewhere.policy) : err;
}

void hf_tour_compare_close(void)
{
    close_keys(&key_here);
    close_keys(&key_elsewhere);
    hf_memory_store_free(memory);
    hf_memory_store_free(other_memory);
    memory = other_memory = NULL;
}

/* ---- one API ------------------------------------------------------------------------------------------------------ */

static hf_err who(hf_req *rq)
{
    return hf_reply(rq, 200, "application/json", hf_text("{\"done\":\"the handler ran\"}\n"));
}

static void number(hf_writer *w, const char *name, uint64_t n)
{
    hf_write_text(w, name);
    hf_write_decimal(w, n);
}

static hf_err begin(hf_req *rq)
{
    char text[1024];
    hf_bytes token;
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_err err = hf_req_login(rq, hf_text("you"));
    if (err.code == 0)
        err = hf_req_issue_token(rq, &token_here, &(hf_jwt_wish){ .subject = hf_text("you"), .life_s = LIFE_S }, &token, NULL);
    if (err.code != 0)
        return err;
    hf_write_text(&w, "{\"token\":\"");
    hf_write(&w, token);
    number(&w, "\",\"token_bytes\":", sizeof "Authorization: Bearer " - 1 + token.len);
    number(&w, ",\"session_bytes\":", sizeof "Cookie: __Host-same=" - 1 + HF_SESSION_COOKIE);
    number(&w, ",\"kept_bytes\":", sizeof(hf_session_record));
    number(&w, ",\"kept_sessions\":", hf_memory_store_count(memory));
    hf_write_text(&w, "}\n");
    return w.overflowed ? hf_err_make(HF_ERR_BASE_LIMIT) : hf_reply(rq, 200, "application/json", hf_written(&w));
}

static hf_err end_session(hf_req *rq)
{
    const hf_err err = hf_req_logout(rq);
    return err.code != 0 ? err : who(rq);
}

/* Hashing needs an hf_crypto of this thread's own: one is made for this rare request. */
static hf_err end_token(hf_req *rq)
{
    hf_crypto *const own = hf_crypto_new(hf_env_default(), NULL);
    const hf_err err = own == NULL ? hf_err_make(HF_ERR_BASE_MEMORY)
        : hf_revoke_token(own, &here.store, hf_claims_text(hf_req_claims(rq), "jti"), hf_req_wall(rq), (hf_wall){ hf_req_wall(rq).s + LIFE_S });
    hf_crypto_free(own);
    return err.code != 0 ? err : who(rq);
}

/* ---- what a check costs ------------------------------------------------------------------------------------------- */

static uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* This request's own session, found again and again. */
static uint64_t cost_of_session(hf_crypto *c, hf_req *rq)
{
    const hf_session *const s = hf_req_session(rq);
    uint8_t room[64];
    hf_session found;
    const uint64_t begun = clock_ns();
    for (int i = 0; i < FINDS; i++)
        if (hf_session_find(c, &here.rules, &here.store, hf_bytes_make(s->id, HF_SESSION_COOKIE), hf_req_wall(rq), (hf_span){ room, sizeof room }, &found, NULL).code != 0)
            return 0;
    return (clock_ns() - begun) / FINDS;
}

static uint64_t check_often(const hf_jwt_policy *policy, hf_bytes token, hf_wall now)
{
    hf_claims *claims;
    const uint64_t begun = clock_ns();
    for (int i = 0; i < CHECKS; i++) {
        if (hf_jwt_verify(hf_env_default(), policy, token, now, &claims, NULL).code != 0)
            return 0;
        hf_claims_free(claims);
    }
    return (clock_ns() - begun) / CHECKS;
}

static uint64_t cost_of_token(hf_req *rq)
{
    char token[1024];
    size_t n;
    key_set own;
    hf_jwt_policy policy;
    uint64_t ns = 0;
    if (open_keys(&own, &policy).code == 0 && hf_jwt_issue(own.crypto, hf_env_default(), &policy, &(hf_jwt_wish){ .subject = hf_text("you"), .life_s = LIFE_S },
            hf_req_wall(rq), token, sizeof token, &n, NULL, NULL).code == 0)
        ns = check_often(&policy, hf_bytes_make(token, n), hf_req_wall(rq));
    close_keys(&own);
    return ns;
}

/* Measuring holds up a loop thread: once, whoever asks how often. */
static pthread_mutex_t costs_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t session_ns, token_ns; /* 0: not measured yet */

static void measure(hf_crypto *c, hf_req *rq)
{
    if (session_ns == 0)
        session_ns = cost_of_session(c, rq);
    if (token_ns == 0)
        token_ns = cost_of_token(rq);
}

static hf_err cost(hf_req *rq)
{
    char text[128];
    hf_crypto *const c = hf_crypto_new(hf_env_default(), NULL);
    hf_writer w = hf_writer_make(text, sizeof text);
    if (c == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    pthread_mutex_lock(&costs_lock);
    measure(c, rq);
    number(&w, "{\"session_ns\":", session_ns);
    number(&w, ",\"token_ns\":", token_ns);
    pthread_mutex_unlock(&costs_lock);
    hf_write_text(&w, "}\n");
    hf_crypto_free(c);
    return hf_reply(rq, 200, "application/json", hf_written(&w));
}

const hf_route *hf_tour_compare_routes(size_t *count)
{
    static const hf_route table[] = {
        { .method = "POST", .path = "/api/same/begin", .handle = begin, .guards = { &anybody.guard, &own_page.guard } },
        { .method = "POST", .path = "/api/same/cost", .handle = cost, .guards = { &here.guard, &own_page.guard } },
        { .method = "GET", .path = "/api/same/session", .handle = who, .guards = { &here.guard } },
        { .method = "GET", .path = "/api/same/token", .handle = who, .guards = { &token_here.guard } },
        { .method = "GET", .path = "/api/other/session", .handle = who, .guards = { &elsewhere.guard } },
        { .method = "GET", .path = "/api/other/token", .handle = who, .guards = { &token_elsewhere.guard } },
        { .method = "POST", .path = "/api/same/end-session", .handle = end_session, .guards = { &here.guard, &own_page.guard } },
        { .method = "POST", .path = "/api/same/end-token", .handle = end_token, .guards = { &token_here.guard } },
    };
    *count = HF_COUNT(table);
    return table;
}
