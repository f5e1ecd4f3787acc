/* SPDX-License-Identifier: Apache-2.0
 *
 * The security chapter's guards: a form, a token and a CORS policy of this very server, and denials that explain themselves.
 */
#include "tour.h"

#include <handfast/guards.h>
#include <handfast/store.h>

#include "text.h"

static hf_session_guard visitors = { .guard = HF_GUARD_SESSION, .cookie = { .name = "tour" }, .optional = true },
                        members = { .guard = { hf_guard_session_check, NULL, true }, .cookie = { .name = "tour" } };
static hf_csrf_guard forms = { .guard = { hf_guard_csrf_check, hf_guard_csrf_check_end, true }, .sessions = &visitors };
static hf_jwt_guard tokens = { .guard = { hf_guard_jwt_check, NULL, true } };
static hf_cors_guard partner = { .guard = { hf_guard_cors_check, NULL, true } };
static const hf_alg algs[] = { HF_ALG_HS256 };
static hf_memory_store *memory;
static hf_crypto *crypto;
static hf_keys *keys;
static hf_cors *cors;

hf_err hf_tour_guards_open(void)
{
    static const char *const origins[] = { "https://app.example.com", NULL };
    const hf_env *const env = hf_env_default();
    uint8_t secret[32];
    memory = hf_memory_store_new(env, &visitors.store);
    crypto = hf_crypto_new(env, NULL);
    keys = crypto != NULL ? hf_keys_new(crypto, env) : NULL;
    if (crypto == NULL || !hf_crypto_random(crypto, secret, sizeof secret))
        return hf_err_make(HF_ERR_TLS_CRYPTO);
    if (memory == NULL || keys == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_err err = hf_keys_add_secret(keys, HF_ALG_HS256, hf_text("tour"), hf_bytes_make(secret, sizeof secret), NULL);
    if (err.code == 0)
        err = hf_cors_compile(env, &(hf_cors_rules){ .origins = origins }, &cors, NULL);
    if (err.code != 0)
        return err;
    members.store = visitors.store;
    tokens.revoked = visitors.store;
    partner.cors = cors;
    tokens.policy = (hf_jwt_policy){ .algs = algs, .alg_count = 1, .issuer = "tour", .audience = "tour", .max_life_s = 300, .keys = keys };
    err = hf_tour_attack_open();
    return err.code == 0 ? hf_tour_compare_open() : err;
}

void hf_tour_guards_close(void)
{
    hf_tour_attack_close();
    hf_tour_compare_close();
    hf_cors_free(cors);
    hf_keys_free(keys);
    hf_crypto_free(crypto);
    hf_memory_store_free(memory);
    cors = NULL;
    keys = NULL;
    crypto = NULL;
    memory = NULL;
}

static hf_err tell(hf_req *rq, const char *name, hf_bytes value)
{
    char text[4096];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_write_text(&w, "{\"");
    hf_write_text(&w, name);
    hf_write_text(&w, "\":\"");
    hf_write_json(&w, value);
    hf_write_text(&w, "\"}\n");
    return w.overflowed ? hf_err_make(HF_ERR_BASE_LIMIT) : hf_reply(rq, 200, "application/json", hf_written(&w));
}

static hf_err form(hf_req *rq)
{
    hf_session *session;
    hf_bytes token;
    hf_err err = hf_req_session_begin(rq, &session);
    if (err.code == 0)
        err = hf_req_csrf_token(rq, &token);
    return err.code != 0 ? err : tell(rq, "csrf_token", token);
}

static hf_err done(hf_req *rq)
{
    return tell(rq, "done", hf_text("the handler ran"));
}

static hf_err leave(hf_req *rq)
{
    const hf_err err = hf_req_logout(rq);
    return err.code != 0 ? err : tell(rq, "done", hf_text("the session is gone"));
}

static hf_err token(hf_req *rq)
{
    hf_bytes token;
    const hf_err err = hf_req_issue_token(rq, &tokens, &(hf_jwt_wish){ .subject = hf_text("you"), .life_s = 300 }, &token, NULL);
    return err.code != 0 ? err : tell(rq, "token", token);
}

/* Hashing needs an hf_crypto of this thread's own: one is made for this rare request. */
static hf_err revoke(hf_req *rq)
{
    hf_crypto *const own = hf_crypto_new(hf_env_default(), NULL);
    int64_t until = hf_req_wall(rq).s + 300;
    (void)hf_claims_number(hf_req_claims(rq), "exp", &until);
    if (own == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_err err = hf_revoke_token(own, &visitors.store, hf_claims_text(hf_req_claims(rq), "jti"), hf_req_wall(rq), (hf_wall){ until });
    hf_crypto_free(own);
    return err.code != 0 ? err : tell(rq, "done", hf_text("the token is revoked"));
}

const hf_route *hf_tour_guards_routes(size_t *count)
{
    static const hf_route table[] = {
        { .method = "GET", .path = "/api/guards/form", .handle = form, .guards = { &visitors.guard } },
        { .method = "POST", .path = "/api/guards/note", .handle = done, .guards = { &visitors.guard, &forms.guard } },
        { .method = "GET", .path = "/api/guards/mine", .handle = done, .guards = { &members.guard } },
        { .method = "POST", .path = "/api/guards/leave", .handle = leave, .guards = { &visitors.guard, &forms.guard } },
        { .method = "GET", .path = "/api/guards/token", .handle = token },
        { .method = "GET", .path = "/api/guards/claims", .handle = done, .guards = { &tokens.guard } },
        { .method = "POST", .path = "/api/guards/revoke", .handle = revoke, .guards = { &tokens.guard } },
        { .method = "GET", .path = "/api/guards/read", .handle = done, .guards = { &partner.guard } },
    };
    *count = HF_COUNT(table);
    return table;
}
