/* SPDX-License-Identifier: Apache-2.0
 *
 * Each kind of guard: what of the request the decision needs, and what becomes of it. Decisions are handfast/guard.h's.
 */
#include "guards_kinds.h"

#include "text.h"

/* Short: a table's entry is looked up, a signature checked. */
static void lock(uint32_t *l)
{
    while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE) != 0)
        ;
}
static void unlock(uint32_t *l)
{
    __atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

/* One for each thread, made when it is first needed. */
static hf_crypto *crypto_of(hf_req *rq)
{
    hf_service *const s = rq->service;
    if (s->crypto == NULL)
        s->crypto = hf_crypto_new(s->env, NULL);
    return s->crypto;
}

/* ---- sessions ------------------------------------------------------------------------------------------------- */

static hf_cookie cookie_of(const hf_session_guard *g)
{
    hf_cookie k = g->cookie;
    if (k.name == NULL)
        k.name = "sid";
    return k;
}

static hf_err find_session(hf_session_guard *g, hf_req *rq, struct hf_guarded *found, hf_why *why)
{
    char name[HF_COOKIE_NAME_MOST];
    hf_bytes value;
    const hf_cookie k = cookie_of(g);
    const size_t size = (size_t)rq->service->env->limits->session_bytes;
    const hf_err err = hf_cookie_find(rq->head.fields, hf_bytes_make(name, hf_cookie_name(&k, name)), &value, why);
    if (err.code != 0)
        return err;
    hf_crypto *const c = crypto_of(rq);
    uint8_t *const room = value.len > 0 ? hf_req_memory(rq, size) : NULL;
    if (c == NULL || (value.len > 0 && room == NULL))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    return hf_session_find(c, &g->rules, &g->store, value, rq->service->wall, (hf_span){ room, room != NULL ? size : 0 }, &found->session, why);
}

/* What is the visitor's lack, and none of ours. */
static bool is_absence(hf_err err)
{
    return err.code == HF_ERR_SESSION_NONE || err.code == HF_ERR_SESSION_UNKNOWN || err.code == HF_ERR_SESSION_IDLE || err.code == HF_ERR_SESSION_OVER ||
           err.code == HF_ERR_SESSION_FORM || err.code == HF_ERR_COOKIE_TWICE;
}

hf_err hf_guard_session_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_session_guard *const g = (hf_session_guard *)self;
    struct hf_guarded *const found = hf_guarded_of(rq);
    if (found == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    found->sessions = g;
    const hf_err err = find_session(g, rq, found, why);
    found->has_session = err.code == 0;
    return is_absence(err) && g->optional ? HF_OK : err;
}

static hf_err set_cookie(hf_req *rq, const hf_session_guard *g, hf_bytes value, bool gone)
{
    char *const out = hf_req_memory(rq, HF_COOKIE_FIELD_MOST);
    size_t n;
    hf_cookie k = cookie_of(g);
    if (gone)
        k.max_age_s = -1;
    if (out == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_err err = hf_cookie_write(&k, value, out, &n, NULL);
    return err.code != 0 ? err : hf_reply_field(rq, "Set-Cookie", hf_bytes_make(out, n));
}

static struct hf_guarded *guarded(const hf_req *rq)
{
    return rq->more != NULL ? rq->more->guarded : NULL;
}

hf_session *hf_req_session(hf_req *rq)
{
    struct hf_guarded *const found = guarded(rq);
    return found != NULL && found->has_session ? &found->session : NULL;
}

hf_err hf_req_session_begin(hf_req *rq, hf_session **session)
{
    struct hf_guarded *const found = guarded(rq);
    hf_crypto *const c = crypto_of(rq);
    *session = NULL;
    if (found == NULL || found->sessions == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (c == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_err err = HF_OK;
    if (!found->has_session) {
        err = hf_session_begin(c, &found->sessions->rules, rq->service->wall, &found->session);
        if (err.code == 0)
            err = hf_session_save(rq->service->env, &found->sessions->store, &found->session);
        if (err.code == 0)
            err = set_cookie(rq, found->sessions, hf_bytes_make(found->session.id, HF_SESSION_COOKIE), false);
        found->has_session = err.code == 0;
    }
    *session = err.code == 0 ? &found->session : NULL;
    return err;
}

hf_err hf_req_session_save(hf_req *rq)
{
    struct hf_guarded *const found = guarded(rq);
    if (found == NULL || !found->has_session)
        return hf_err_make(HF_ERR_BASE_USAGE);
    return hf_session_save(rq->service->env, &found->sessions->store, &found->session);
}

hf_err hf_req_login(hf_req *rq, hf_bytes subject)
{
    struct hf_guarded *const found = guarded(rq);
    hf_crypto *const c = crypto_of(rq);
    if (found == NULL || found->sessions == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (c == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (!found->has_session)
        found->session = (hf_session){ .ended = true };
    hf_err err = hf_session_login(c, &found->sessions->rules, &found->sessions->store, &found->session, subject, rq->service->wall);
    found->has_session = err.code == 0;
    return err.code != 0 ? err : set_cookie(rq, found->sessions, hf_bytes_make(found->session.id, HF_SESSION_COOKIE), false);
}

hf_err hf_req_logout(hf_req *rq)
{
    struct hf_guarded *const found = guarded(rq);
    if (found == NULL || found->sessions == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    const hf_err err = found->has_session ? hf_session_logout(&found->sessions->store, &found->session) : HF_OK;
    found->has_session = false;
    return err.code != 0 ? err : set_cookie(rq, found->sessions, hf_text(""), true);
}

/* ---- CSRF ----------------------------------------------------------------------------------------------------- */

static hf_err check_csrf(hf_csrf_guard *g, hf_req *rq, hf_csrf_mode mode, hf_bytes token, hf_why *why)
{
    char self[HF_ORIGIN_MOST];
    hf_web_security security;
    const struct hf_guarded *const found = guarded(rq);
    const bool tls = hf_web_security_of(rq->dialog->web, &security), has = found != NULL && found->has_session;
    const size_t n = hf_origin_write(hf_text(tls ? "https" : "http"), rq->head.authority, self);
    hf_csrf policy = g->policy;
    policy.mode = mode;
    policy.double_submit = false;
    hf_csrf_question q = { .head = &rq->head, .self = hf_bytes_make(self, n), .route = g->route, .token = token };
    q.stake = g->sessions != NULL ? HF_CSRF_AMBIENT : HF_CSRF_PUBLIC;
    if (found != NULL && found->claims != NULL && !has)
        q.stake = HF_CSRF_BEARER;
    if (has)
        q.secret = hf_bytes_make(found->session.record.csrf, HF_CSRF_SECRET);
    if (has && found->session.record.has_before)
        q.previous = hf_bytes_make(found->session.record.csrf_before, HF_CSRF_SECRET);
    hf_crypto *const c = crypto_of(rq);
    return c != NULL ? hf_csrf_check(c, &policy, &q, why) : hf_err_make(HF_ERR_BASE_MEMORY);
}

static hf_bytes header_token(const hf_req *rq)
{
    const hf_field *const header = hf_fields_find_name(rq->head.fields, hf_text("X-CSRF-Token"));
    return header != NULL ? header->value : hf_text("");
}

hf_err hf_guard_csrf_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_csrf_guard *const g = (hf_csrf_guard *)self;
    const hf_route *const route = rq->match.route;
    const bool streamed = route->body != NULL || route->upload != NULL; /* who takes the body piece by piece acts before its end */
    const hf_csrf_mode mode = g->policy.mode;
    hf_err err = HF_OK;
    if (mode == HF_CSRF_ORIGIN_AND_TOKEN || mode == HF_CSRF_ORIGIN_ONLY)
        err = check_csrf(g, rq, HF_CSRF_ORIGIN_ONLY, hf_text(""), why);
    if (err.code == 0 && streamed && (mode == HF_CSRF_ORIGIN_AND_TOKEN || mode == HF_CSRF_TOKEN_ONLY))
        err = check_csrf(g, rq, HF_CSRF_TOKEN_ONLY, header_token(rq), why);
    return err;
}

hf_err hf_guard_csrf_check_end(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_csrf_guard *const g = (hf_csrf_guard *)self;
    const hf_bytes header = header_token(rq);
    if (g->policy.mode == HF_CSRF_ORIGIN_ONLY || g->policy.mode == HF_CSRF_DANGEROUS_OFF)
        return HF_OK;
    return check_csrf(g, rq, HF_CSRF_TOKEN_ONLY, header.len > 0 ? header : hf_req_form(rq, "csrf_token"), why);
}

hf_err hf_req_csrf_token(hf_req *rq, hf_bytes *token)
{
    const hf_session *const s = hf_req_session(rq);
    hf_crypto *const c = crypto_of(rq);
    char *const out = hf_req_memory(rq, HF_CSRF_TOKEN);
    if (s == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (c == NULL || out == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *token = hf_bytes_make(out, HF_CSRF_TOKEN);
    return hf_csrf_token(c, s->record.csrf, out);
}

/* ---- tokens --------------------------------------------------------------------------------------------------- */

static void free_claims(void *claims)
{
    hf_claims_free(claims);
}

/* Keys work with one hf_crypto, which is for one thread at a time. */
hf_err hf_guard_jwt_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_jwt_guard *const g = (hf_jwt_guard *)self;
    struct hf_guarded *const found = hf_guarded_of(rq);
    hf_claims *claims;
    if (found == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_bytes token = hf_bearer_token(rq->head.fields);
    lock(&g->lock);
    hf_err err = hf_jwt_verify(rq->service->env, &g->policy, token, rq->service->wall, &claims, why);
    unlock(&g->lock);
    if (err.code == 0) {
        err = hf_req_hold(rq, free_claims, claims);
        if (err.code != 0)
            hf_claims_free(claims);
        else
            found->claims = claims;
        return err;
    }
    /* RFC 6750 3.1: "If the request lacks any authentication information ... SHOULD NOT include an error code" */
    const hf_bytes challenge = hf_text(err.code == HF_ERR_JWT_MISSING ? "Bearer" : "Bearer error=\"invalid_token\"");
    const hf_err field = hf_err_describe(err)->status == 401 ? hf_reply_field(rq, "WWW-Authenticate", challenge) : HF_OK;
    return field.code != 0 ? field : err;
}

const hf_claims *hf_req_claims(const hf_req *rq)
{
    return guarded(rq) != NULL ? guarded(rq)->claims : NULL;
}

/* ---- CORS, rates ---------------------------------------------------------------------------------------------- */

hf_err hf_cors_put(hf_req *rq, const hf_cors_answer *a)
{
    char name[64];
    hf_err err = a->vary.len > 0 ? hf_reply_field(rq, "Vary", a->vary) : HF_OK;
    for (size_t i = 0; err.code == 0 && i < a->count; i++) {
        const hf_field *const f = &a->fields[i];
        memcpy(name, f->name.ptr, f->name.len); /* Access-Control-...: all are shorter */
        name[f->name.len] = 0;
        err = hf_reply_field(rq, name, f->value);
    }
    return err;
}

hf_err hf_guard_cors_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_cors_answer answer;
    (void)why;
    hf_cors_decide(((hf_cors_guard *)self)->cors, &rq->head, self->explain, &answer);
    return hf_cors_put(rq, &answer);
}

hf_err hf_guard_rate_check(hf_guard *self, hf_req *rq, hf_why *why)
{
    hf_rate_guard *const g = (hf_rate_guard *)self;
    const hf_address *const peer = &rq->dialog->peer;
    uint32_t wait;
    uint8_t text[16];
    hf_writer w = hf_writer_make(text, sizeof text);
    lock(&g->lock);
    const hf_err err = hf_rate_take(g->rate, hf_bytes_make(peer->ip, peer->family == 6 ? 8 : 4), rq->service->now, &wait, why);
    unlock(&g->lock);
    if (err.code == 0)
        return err;
    hf_write_decimal(&w, wait);
    const hf_err field = hf_reply_field(rq, "Retry-After", hf_written(&w));
    return field.code != 0 ? field : err;
}
