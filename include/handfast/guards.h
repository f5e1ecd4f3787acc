/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/guards.h - guards beside routes: the decisions of handfast/guard.h, asked before a handler runs.
 *
 *     static hf_session_guard sessions = { .guard = HF_GUARD_SESSION };
 *     static hf_csrf_guard csrf = { .guard = HF_GUARD_CSRF, .sessions = &sessions };
 *     { "POST", "/notes", .handle = add_note, .guards = { &sessions.guard, &csrf.guard } },
 *
 * What they stand on (a store, keys, a policy) is put in before the server opens, and stays until it has closed. All threads
 * share one guard. A denial is answered with its status and the request's id; with `explain` (for development, where only you
 * can reach the server) also with the rule, what was got, what was wanted, the fix, and a Handfast-Why field. The log has the
 * code either way.
 */
#ifndef HANDFAST_GUARDS_H
#define HANDFAST_GUARDS_H

#include "app.h"
#include "guard.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_guard hf_guard;
/* Lets a request through (HF_OK), or says why not. */
typedef hf_err hf_guard_check(hf_guard *self, hf_req *rq, hf_why *why);

struct hf_guard {
    hf_guard_check *check;     /* the head is there: may be NULL */
    hf_guard_check *check_end; /* the body is there, whole: may be NULL. Not asked for routes of WebSockets and files */
    bool explain;
};

/* The checks of the guards that are ready made: what the initialisers below name. A program has no need to call them. */
HF_API hf_err hf_guard_session_check(hf_guard *self, hf_req *rq, hf_why *why);
HF_API hf_err hf_guard_csrf_check(hf_guard *self, hf_req *rq, hf_why *why);
HF_API hf_err hf_guard_csrf_check_end(hf_guard *self, hf_req *rq, hf_why *why);
HF_API hf_err hf_guard_jwt_check(hf_guard *self, hf_req *rq, hf_why *why);
HF_API hf_err hf_guard_cors_check(hf_guard *self, hf_req *rq, hf_why *why);
HF_API hf_err hf_guard_rate_check(hf_guard *self, hf_req *rq, hf_why *why);

#define HF_GUARD_SESSION { hf_guard_session_check, NULL, false }
#define HF_GUARD_CSRF { hf_guard_csrf_check, hf_guard_csrf_check_end, false }
#define HF_GUARD_JWT { hf_guard_jwt_check, NULL, false }
#define HF_GUARD_CORS { hf_guard_cors_check, NULL, false }
#define HF_GUARD_RATE { hf_guard_rate_check, NULL, false }

/* Finds the session of the cookie. A store that fails denies; who has none is denied unless `optional`. */
typedef struct hf_session_guard {
    hf_guard guard;
    hf_session_store store;
    hf_session_rules rules;
    hf_cookie cookie; /* name NULL: "sid" */
    bool optional;    /* for pages that anybody may see, and for the login itself */
} hf_session_guard;

/* Proof of origin when the head is there, and the token (field X-CSRF-Token, or csrf_token of a form on routes with
 * HF_TAKES_FORM) before the handler runs. Routes that take their body or files piece by piece need the field. Requests that a token guard let in by Authorization: Bearer need neither. */
typedef struct hf_csrf_guard {
    hf_guard guard;
    hf_csrf policy;             /* double_submit is for programs that ask hf_csrf_check themselves */
    hf_session_guard *sessions; /* stands before it on the route. NULL: a public route, only the origin is looked at */
    const char *route;          /* its name, for exempt_routes */
} hf_csrf_guard;

/* A bearer token. Denied: 401 with WWW-Authenticate. */
typedef struct hf_jwt_guard {
    hf_guard guard;
    hf_jwt_policy policy;
    uint32_t lock; /* its own; 0 at first */
} hf_jwt_guard;

/* Fields for scripts of other origins, on every answer of the route. Put it first: preflights are answered for the methods of
 * the routes that have one, before any other guard. */
typedef struct hf_cors_guard {
    hf_guard guard;
    const hf_cors *cors;
} hf_cors_guard;

/* So many requests for each address (IPv6: each /64). Denied: 429 with Retry-After. */
typedef struct hf_rate_guard {
    hf_guard guard;
    hf_rate *rate;
    uint32_t lock; /* its own; 0 at first */
} hf_rate_guard;

/* ---- for handlers ------------------------------------------------------------------------------------------- */

/* The session that a guard found, else NULL. */
HF_API hf_session *hf_req_session(hf_req *rq);
/* That session, else one that begins now: it is saved, and its cookie goes with the answer. For pages with forms. */
HF_API hf_err hf_req_session_begin(hf_req *rq, hf_session **session);
/* Keeps what was changed in session->record.data. HF_ERR_SESSION_CONFLICT: another request changed it meanwhile. */
HF_API hf_err hf_req_session_save(hf_req *rq);
/* Somebody logged in: a new id goes with the answer. */
HF_API hf_err hf_req_login(hf_req *rq, hf_bytes subject);
/* The session ends, and its cookie is deleted. */
HF_API hf_err hf_req_logout(hf_req *rq);
/* A token for a form of this session: HF_CSRF_TOKEN characters in the request's memory. */
HF_API hf_err hf_req_csrf_token(hf_req *rq, hf_bytes *token);
/* What the token says that a guard let in, else NULL. Lends until the request is over. */
HF_API const hf_claims *hf_req_claims(const hf_req *rq);

#ifdef __cplusplus
}
#endif
#endif
