/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/guards.h - guards beside routes: the decisions of handfast/guard.h, asked before a handler runs.
 *
 *     static hf_session_guard sessions = { .guard = HF_GUARD_SESSION };
 *     static hf_csrf_guard csrf = { .guard = HF_GUARD_CSRF, .sessions = &sessions };
 *     { "POST", "/notes", .handle = add_note, .guards = { &sessions.guard, &csrf.guard } },
 *
 * What they stand on (a store, keys, a policy) is put in before the server opens, and stays until it has closed. All threads
 * share one guard. A denial is answered with its status and the request's id; with `explain`, for development, also with the
 * rule, what was got, what was wanted, the fix, and a Handfast-Why field. hf_server_open refuses `explain` on a server that does not
 * listen at loopback alone; and of its clients only those are told who come over loopback, through no proxy (Via, Forwarded and its
 * like), to localhost, a name below it or an address of loopback: a page whose own name leads to 127.0.0.1 learns nothing. A proxy
 * on this machine that adds no Forwarded, X-Forwarded-* or Via cannot be told from a browser here: do not explain behind one. The log
 * has it all either way.
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
    bool explain; /* false: a denial tells its status and the request's id */
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

/* Finds the session of the cookie. What has expired is dropped from the store every five minutes, in a thread that may block,
 * while the guard is asked at all. A store that fails denies; who has none is denied unless `optional`. */
typedef struct hf_session_guard {
    hf_guard guard;         /* HF_GUARD_SESSION */
    hf_session_store store; /* where sessions are kept: of store.h, or one of your own */
    hf_session_rules rules; /* how long they last */
    hf_cookie cookie; /* name NULL: "sid" */
    bool optional;    /* for pages that anybody may see, and for the login itself */
    int64_t collected; /* its own; 0 at first */
} hf_session_guard;

/* Proof of origin when the head is there, and the token (field X-CSRF-Token, or csrf_token of a form on routes with
 * HF_TAKES_FORM) before the handler runs. Routes that take their body or files piece by piece need the field. Requests that a token guard let in by Authorization: Bearer need neither. */
typedef struct hf_csrf_guard {
    hf_guard guard;             /* HF_GUARD_CSRF */
    hf_csrf policy;             /* double_submit is for programs that ask hf_csrf_check themselves */
    hf_session_guard *sessions; /* stands before it on the route. NULL: a public route, only the origin is looked at */
    const char *route;          /* its name, for exempt_routes. NULL: it is exempt by none */
} hf_csrf_guard;

/* The keys of an issuer who changes them. They are fetched by `fetch`, in a thread that may block: before the server opens by
 * hf_jwks_fetch, and then when a token names a key that is not there (that request waits; others do not) or when they are
 * older than cache_s, but never twice within cooldown_s. Where they cannot be had, or are no key set, the old ones count until
 * they are stale_s old; then every token is answered 503. A key that the set no longer has counts no more. */
typedef struct hf_jwks {
    hf_err (*fetch)(void *self, char *out, size_t room, size_t *length); /* must be given: the text of a JWK set; room: limit jwks_bytes */
    void *self;                             /* what `fetch` gets; may be NULL */
    hf_alg alg;                             /* for keys that do not say theirs */
    int64_t cache_s, cooldown_s, stale_s;   /* 0: 10 minutes, 30 seconds, a day */
    /* its own; zero at first */
    uint32_t lock;
    bool fetching;
    hf_wall fetched, tried;
    hf_crypto *crypto;
    hf_keys *keys;
} hf_jwks;
/* Fetches now. May block. `whys` (may be NULL): what was wrong with the set. HF_ERR_JWT_KEYS_UNREACHABLE, or what `fetch` said. */
HF_API hf_err hf_jwks_fetch(hf_jwks *j, hf_wall now, hf_whys *whys);
/* After the server has closed. */
HF_API void hf_jwks_close(hf_jwks *j);
/* A `fetch` that reads a file: `self` is its path. */
HF_API hf_err hf_jwks_file(void *path, char *out, size_t room, size_t *length);
/* A `fetch` by https: `self` is an hf_jwks_source. Anything but 200 is no answer; redirects are not followed, and a URL of http is
 * not asked. */
typedef struct hf_jwks_source {
    const char *url;     /* "https://issuer.example/.well-known/jwks.json" */
    const char *roots;   /* PEM file of those who are believed; NULL: the system's */
    int64_t patience_ns; /* for all of it; 0: 5 s */
    void (*failed)(const char *url, hf_err why, const char *words); /* told, in the thread that fetched, why there was no answer:
                            `words` is a sentence without its full stop, lent for the call. NULL: nobody is */
} hf_jwks_source;
HF_API hf_err hf_jwks_url(void *source, char *out, size_t room, size_t *length);

/* A bearer token, of the Authorization field or of a cookie. Denied: 401 with WWW-Authenticate. */
typedef struct hf_jwt_guard {
    hf_guard guard;           /* HF_GUARD_JWT */
    hf_jwt_policy policy;     /* which tokens count */
    uint32_t lock; /* its own; 0 at first */
    hf_cookie cookie;         /* name not NULL: where there is no Authorization field, the token is read from this cookie. Then
                                 browsers add it unasked, and a CSRF guard behind this one asks for its token (hf_req_csrf_token) */
    hf_session_store revoked; /* get not NULL: asked whether the token was revoked (hf_revoke_token, hf_revoke_subject) */
    hf_jwks *jwks;            /* not NULL: instead of policy.keys */
    int64_t collected;        /* of `revoked`: its own; 0 at first */
} hf_jwt_guard;

/* Fields for scripts of other origins, on every answer of the route. Put it first: preflights are answered for the methods of
 * the routes that have one, before any other guard. */
typedef struct hf_cors_guard {
    hf_guard guard;
    const hf_cors *cors;
} hf_cors_guard;

typedef enum hf_rate_by {
    HF_RATE_BY_ADDRESS = 0, /* IPv6: each /64 */
    HF_RATE_BY_SESSION      /* that a session guard before it found; by address where there is none. Requests that guards before it answer 401 or 403
                               count by address, too, under the same limit: who used that up is answered 429 before a cookie or token is looked up */
} hf_rate_by;

/* So many requests for each address or session, on all routes that have this guard: one guard a route, one rate a route. Denied: 429
 * with Retry-After. `shared` counts what other processes let through, too: it is asked in a thread that may block, and only for what
 * this process alone would let through; while it cannot be asked, each process counts for itself. */
typedef struct hf_rate_guard {
    hf_guard guard;
    hf_rate *rate;
    uint32_t lock; /* its own; 0 at first */
    hf_rate_by by;
    hf_rate_store shared; /* hf_redis_store_rates; take NULL: this process counts alone */
    const char *name;     /* of the limit, where several are in one store: the same in each process. NULL: the route's method and path */
} hf_rate_guard;

/* Security fields (hf_security_write) on every answer of the route, errors and denials too: put it first. A field that the
 * handler gives itself takes the place of the guard's. Strict-Transport-Security only where the client came over TLS. */
HF_API hf_err hf_guard_headers_check(hf_guard *self, hf_req *rq, hf_why *why);
#define HF_GUARD_HEADERS { hf_guard_headers_check, NULL, false }
typedef struct hf_headers_guard {
    hf_guard guard;
    hf_security_rules rules;
} hf_headers_guard;

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
/* Stores that block (SQLite, Redis) are never asked in a loop thread: there the functions above answer HF_ERR_BASE_USAGE,
 * and these are for any store. `then` runs when it was done, in the loop thread, as if it were the handler. When the store
 * fails, the client is answered 503, or what the error says, and `then` does not run. A handler returns what they answer. */
HF_API hf_err hf_req_session_begin_then(hf_req *rq, hf_handler *then);
HF_API hf_err hf_req_session_save_then(hf_req *rq, hf_handler *then);
HF_API hf_err hf_req_login_then(hf_req *rq, hf_bytes subject, hf_handler *then);
HF_API hf_err hf_req_logout_then(hf_req *rq, hf_handler *then);
/* All sessions of the user end, this one included. What is open by them elsewhere (WebSockets by 1008, event streams by
 * their end), in any process that shares the store, ends within the limit session_recheck_ns. */
HF_API hf_err hf_req_logout_everywhere_then(hf_req *rq, hf_handler *then);
/* A token for a form of this session (or of the token in a cookie that let the request in): HF_CSRF_TOKEN characters in the
 * request's memory. */
HF_API hf_err hf_req_csrf_token(hf_req *rq, hf_bytes *token);
/* The nonce of this answer's Content-Security-Policy, for <script nonce="...">: HF_NONCE characters; ptr NULL without a
 * guard of headers. */
HF_API hf_bytes hf_req_nonce(const hf_req *rq);
/* A token by the guard's policy, signed with a key of its policy.keys: in the request's memory. `jti` may be NULL. */
HF_API hf_err hf_req_issue_token(hf_req *rq, hf_jwt_guard *guard, const hf_jwt_wish *wish, hf_bytes *token, char jti[22]);
/* Answers with the public keys of the guard's policy.keys as a JWK set, for who verifies its tokens elsewhere: never a secret. It may
 * be kept for five minutes: a new key is published so long before it signs (hf_jwt_wish.kid), and an old one stays until
 * the last token by it has ended. */
HF_API hf_err hf_reply_keys(hf_req *rq, hf_jwt_guard *guard);
/* Set-Cookie with this token, or empty: the cookie is deleted. For guards with a cookie. */
HF_API hf_err hf_reply_token_cookie(hf_req *rq, const hf_jwt_guard *guard, hf_bytes token);
/* What the token says that a guard let in, else NULL. Lends until the request is over. */
HF_API const hf_claims *hf_req_claims(const hf_req *rq);

#ifdef __cplusplus
}
#endif
#endif
