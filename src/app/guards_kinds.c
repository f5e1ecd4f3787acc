/* SPDX-License-Identifier: Apache-2.0
 *
 * Each kind of guard: what of the request the decision needs, and what becomes of it. Decisions are handfast/guard.h's.
 */
#include "guards_kinds.h"

#include "text.h"

/* ---- CSRF ----------------------------------------------------------------------------------------------------- */

/* Our own origin is compared with what a browser says of others: where it says that the page is ours, or where the token alone is
 * looked at, nobody asks for it. */
static bool needs_self(const hf_req *rq, hf_csrf_mode mode)
{
    const hf_field *const site = mode != HF_CSRF_TOKEN_ONLY ? hf_fields_find_name(rq->head.fields, hf_text("Sec-Fetch-Site")) : NULL;
    return mode != HF_CSRF_TOKEN_ONLY && (site == NULL || !hf_bytes_equal(site->value, hf_text("same-origin")));
}

static hf_err check_csrf(hf_csrf_guard *g, hf_req *rq, hf_csrf_mode mode, hf_bytes token, hf_why *why)
{
    char self[HF_ORIGIN_MOST];
    const struct hf_guarded *const found = hf_guarded_found(rq);
    const bool has = found != NULL && found->has_session;
    const size_t n = needs_self(rq, mode) ? hf_origin_write(hf_text(hf_req_is_secure(rq) ? "https" : "http"), rq->head.authority, self) : 0;
    hf_csrf policy = g->policy;
    policy.mode = mode;
    policy.double_submit = false;
    hf_csrf_question q = { .head = &rq->head, .self = hf_bytes_make(self, n), .route = g->route, .token = token };
    q.stake = g->sessions != NULL ? HF_CSRF_AMBIENT : HF_CSRF_PUBLIC;
    if (found != NULL && found->claims != NULL && !has)
        q.stake = found->ambient_token ? HF_CSRF_AMBIENT : HF_CSRF_BEARER;
    if (found != NULL && found->ambient_token && !has)
        q.secret = hf_bytes_make(found->token_secret, HF_CSRF_SECRET);
    if (has)
        q.secret = hf_bytes_make(found->session.record.csrf, HF_CSRF_SECRET);
    if (has && found->session.record.has_before)
        q.previous = hf_bytes_make(found->session.record.csrf_before, HF_CSRF_SECRET);
    hf_crypto *const c = hf_crypto_of(rq);
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
    const struct hf_guarded *const found = hf_guarded_found(rq);
    hf_crypto *const c = hf_crypto_of(rq);
    char *const out = hf_req_memory(rq, HF_CSRF_TOKEN);
    const uint8_t *secret = NULL;
    if (found != NULL && found->has_session)
        secret = found->session.record.csrf;
    else if (found != NULL && found->claims != NULL && found->ambient_token)
        secret = found->token_secret;
    if (secret == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (c == NULL || out == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *token = hf_bytes_make(out, HF_CSRF_TOKEN);
    return hf_csrf_token(c, secret, out);
}

/* ---- CORS ------------------------------------------------------------------------------------------------------ */

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
    hf_cors_decide(((hf_cors_guard *)self)->cors, &rq->head, hf_guard_explains(self, rq), &answer);
    return hf_cors_put(rq, &answer);
}
