/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/guard.h - web policy as decisions on messages: cookies, CSRF, tokens, CORS, security fields, rates, sessions.
 *
 * Nothing here reads a clock, a file or the network; randomness comes from hf_crypto. A policy is compiled once, with every
 * mistake told at once, and does not change afterwards. Zero-initialised is safest; what weakens is called dangerous_.
 */
#ifndef HANDFAST_GUARD_H
#define HANDFAST_GUARD_H

#include "crypto.h"
#include "http.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- why ---------------------------------------------------------------------------------------------------- */

/* A denial with its evidence. The rule and the fix are the catalogue's (hf_err_describe). Control bytes of `got` are
 * escaped, secrets are cut to six characters and their length. */
typedef struct hf_why {
    hf_err err;
    char got[128], wanted[128];
} hf_why;

/* Every mistake of a policy at once. */
enum { HF_WHYS_MOST = 32 };
typedef struct hf_whys {
    hf_why at[HF_WHYS_MOST];
    size_t count; /* may be more than HF_WHYS_MOST: those beyond are only counted */
} hf_whys;

/* {"code":..,"rule":..,"got":..,"want":..,"fix":..,"route":..,"req_id":..}: one line for the log. The length, cut to `room`
 * (no NUL is written). */
HF_API size_t hf_why_json(const hf_why *why, hf_bytes route, hf_bytes request_id, char *out, size_t room);

/* ---- origins ------------------------------------------------------------------------------------------------ */

enum { HF_ORIGIN_MOST = 8 + 255 + 6 };
/* "https://app.example.com:8443" of a scheme and an authority: in lower case, without a default port (RFC 6454 6.2). The
 * length; 0 when it is none. `out` has room for HF_ORIGIN_MOST. */
HF_API size_t hf_origin_write(hf_bytes scheme, hf_bytes authority, char *out);

/* ---- cookies ------------------------------------------------------------------------------------------------ */

/* There is no "unset": browsers send such a cookie with a cross-site POST for its first two minutes. */
typedef enum hf_same_site { HF_SAME_SITE_STRICT, HF_SAME_SITE_LAX, HF_SAME_SITE_NONE } hf_same_site;

/* A cookie by its name is __Host-NAME; Secure; HttpOnly; SameSite=Strict; Path=/. */
typedef struct hf_cookie {
    const char *name;   /* it must be given, without a prefix: __Host- is put before it, or __Secure- where domain or path is given */
    const char *domain; /* NULL: this host alone */
    const char *path;   /* NULL: "/" */
    int64_t max_age_s;  /* 0: until the browser closes; -1: the cookie is deleted */
    hf_same_site same_site; /* with which requests of other sites it is sent; Strict: with none */
    bool js_readable;   /* no HttpOnly: scripts may read it */
    bool partitioned;   /* one for each site that embeds ours (CHIPS) */
    bool dangerous_insecure; /* no Secure, no prefix: for plain http */
} hf_cookie;

enum { HF_COOKIE_NAME_MOST = 256, HF_COOKIE_FIELD_MOST = 4096 + 2 * 1024 + 160 };
/* The value of Set-Cookie; `out` has room for HF_COOKIE_FIELD_MOST. Refuses what a browser would drop: HF_ERR_COOKIE_NAME,
 * _VALUE, _LINE_BREAK, _TOO_LARGE, _NONE_INSECURE, _HOST_PREFIX, _SECURE_PREFIX, _HTTP_PREFIX, _LIFETIME, _ATTRIBUTE,
 * _PARTITIONED. `why` may be NULL, here and below. */
HF_API hf_err hf_cookie_write(const hf_cookie *cookie, hf_bytes value, char *out, size_t *length, hf_why *why);
/* The whole name, with the prefix. The length; 0 when it does not fit HF_COOKIE_NAME_MOST. */
HF_API size_t hf_cookie_name(const hf_cookie *cookie, char *out);
/* The value of the cookie with exactly this name, byte for byte: nothing is decoded, trimmed or unquoted. value->ptr is
 * NULL when it was not sent. HF_ERR_COOKIE_TWICE: then none of them is to be believed. */
HF_API hf_err hf_cookie_find(hf_fields fields, hf_bytes name, hf_bytes *value, hf_why *why);
/* The next name=value of a Cookie field; a piece without '=' has an empty name. False at the end. */
HF_API bool hf_cookie_next(hf_bytes *rest, hf_bytes *name, hf_bytes *value);

/* ---- CSRF --------------------------------------------------------------------------------------------------- */

typedef enum hf_csrf_mode {
    HF_CSRF_ORIGIN_AND_TOKEN,
    HF_CSRF_ORIGIN_ONLY,
    HF_CSRF_TOKEN_ONLY,
    HF_CSRF_DANGEROUS_OFF
} hf_csrf_mode;

typedef struct hf_csrf {
    hf_csrf_mode mode;                  /* what is asked for; proof of origin and token unless it says otherwise */
    bool double_submit;                 /* no session: the token is signed, and lies in a cookie and in the request */
    const char *const *trusted_origins; /* exact, ends with NULL; NULL: none. An http origin does not count for https */
    const char *const *exempt_routes;   /* by name, ends with NULL */
} hf_csrf;

/* HF_ERR_CSRF_POLICY_ORIGIN, once for each. */
HF_API hf_err hf_csrf_lint(const hf_csrf *policy, hf_whys *whys);

enum { HF_CSRF_SECRET = 32, HF_CSRF_TOKEN = 86 };

/* By what does the request act? */
typedef enum hf_csrf_stake {
    HF_CSRF_AMBIENT, /* by what browsers add unasked (a cookie), or it begins that (a login): proof and token */
    HF_CSRF_PUBLIC,  /* by nothing: what says that it comes from elsewhere still denies */
    HF_CSRF_BEARER   /* by an Authorization field alone, which no other site can have a browser send */
} hf_csrf_stake;

typedef struct hf_csrf_question {
    const hf_request_head *head;
    hf_bytes self;  /* our origin, as hf_origin_write has it */
    const char *route; /* its name, or NULL */
    hf_csrf_stake stake;
    hf_bytes token;    /* from the header or the hidden field; empty: none */
    hf_bytes secret;   /* of the session: HF_CSRF_SECRET bytes; empty: there is none */
    hf_bytes previous; /* the secret before login; empty: none */
    hf_bytes cookie;   /* double submit: the cookie's value */
    hf_bytes key;      /* double submit: our key, 32 bytes */
    hf_bytes binding;  /* double submit: what the token is bound to, such as the session's id; never empty */
} hf_csrf_question;

/* HF_OK, or the HF_ERR_CSRF_ that denies. */
HF_API hf_err hf_csrf_check(hf_crypto *c, const hf_csrf *policy, const hf_csrf_question *q, hf_why *why);
/* A token for this session, masked afresh at each call, so that compression does not tell it (BREACH). */
HF_API hf_err hf_csrf_token(hf_crypto *c, const uint8_t secret[HF_CSRF_SECRET], char out[HF_CSRF_TOKEN]);
/* A signed token for double submit: HMAC over length, binding and nonce. */
HF_API hf_err hf_csrf_pair(hf_crypto *c, hf_bytes key, hf_bytes binding, char out[HF_CSRF_TOKEN]);

/* The Origin of a WebSocket or event stream, which CSRF guards never see: it must be ours or listed. `ambient`: without an
 * Origin the request is refused. HF_ERR_CSRF_... */
HF_API hf_err hf_origin_check(hf_fields fields, hf_bytes self, const char *const *trusted, bool ambient, hf_why *why);

/* ---- keys --------------------------------------------------------------------------------------------------- */

/* RFC 7518 3.1, RFC 8037. There is no "none". */
typedef enum hf_alg {
    HF_ALG_UNSET,
    HF_ALG_HS256,
    HF_ALG_HS384,
    HF_ALG_HS512,
    HF_ALG_RS256,
    HF_ALG_RS384,
    HF_ALG_RS512,
    HF_ALG_PS256,
    HF_ALG_PS384,
    HF_ALG_PS512,
    HF_ALG_ES256,
    HF_ALG_ES384,
    HF_ALG_ES512,
    HF_ALG_EDDSA
} hf_alg;

/* "EdDSA"; UNSET is "". */
HF_API const char *hf_alg_name(hf_alg alg);
/* Case-sensitive (RFC 7515 4.1.1); UNSET for what we do not have. */
HF_API hf_alg hf_alg_find(hf_bytes name);

/* A set of keys, each bound to one algorithm. For one thread, as its hf_crypto is. */
typedef struct hf_keys hf_keys;
HF_API hf_keys *hf_keys_new(hf_crypto *c, const hf_env *env);
HF_API void hf_keys_free(hf_keys *keys);
HF_API size_t hf_keys_count(const hf_keys *keys);
/* An HMAC secret: refuses what is short, and what looks like key text. `kid` may be empty. */
HF_API hf_err hf_keys_add_secret(hf_keys *keys, hf_alg alg, hf_bytes kid, hf_bytes secret, hf_why *why);
/* A private key, or a public one. */
HF_API hf_err hf_keys_add_pem(hf_keys *keys, hf_alg alg, hf_bytes kid, hf_bytes pem, hf_why *why);
/* A JWK or a JWK set. `alg` holds for keys that do not say theirs (UNSET: EC and Ed25519 keys have just one, others are
 * refused). `strict`: every mistake refuses the set, as befits our own. Otherwise keys that we cannot use are passed over
 * (RFC 7517 5), but neither two keys of one name nor secrets beside public keys. After an error `keys` is as it was. */
HF_API hf_err hf_keys_add_jwks(hf_keys *keys, hf_alg alg, hf_bytes json, bool strict, hf_whys *whys);
/* The public keys as a JWK set, for publication: never a secret. HF_ERR_BASE_LIMIT when it does not fit. */
HF_API hf_err hf_keys_write(const hf_keys *keys, char *out, size_t room, size_t *length);

/* ---- tokens ------------------------------------------------------------------------------------------------- */

/* Compact JWS (RFC 7515 3.1): the raw layer. `payload` has room for compact.len bytes. */
HF_API hf_err hf_jws_verify(const hf_keys *keys, hf_bytes compact, uint8_t *payload, size_t *length, hf_why *why);
/* Signs with the key `kid` (empty: the only one that can sign). `header` is JSON of more header members, such as
 * "\"typ\":\"JWT\"", or empty; alg and kid are written before it. */
HF_API hf_err hf_jws_sign(const hf_keys *keys, hf_bytes kid, hf_bytes header, hf_bytes payload, char *out, size_t room, size_t *length,
    hf_why *why);

typedef struct hf_jwt_policy {
    const hf_alg *algs; /* those that count: at least one */
    size_t alg_count;
    const char *issuer, *audience; /* what iss and aud must be; both must be given */
    const char *typ;             /* NULL: absent or "JWT" */
    const char *const *required; /* beside exp, iss and aud; ends with NULL */
    int64_t skew_s;              /* 0: 30; -1: none */
    int64_t max_life_s;          /* of exp - iat; 0: any */
    const hf_keys *keys;         /* those that may have signed; it must have one for each of algs. With a guard's jwks: NULL */
} hf_jwt_policy;

/* Every mistake at once: HF_ERR_JWT_POLICY_... A policy with a mistake verifies nothing. */
HF_API hf_err hf_jwt_lint(const hf_jwt_policy *policy, hf_whys *whys);

/* What a token says. Exists only after it was verified. */
typedef struct hf_claims hf_claims;
/* Gives *claims. */
HF_API hf_err hf_jwt_verify(const hf_env *env, const hf_jwt_policy *policy, hf_bytes token, hf_wall now, hf_claims **claims, hf_why *why);
HF_API void hf_claims_free(hf_claims *claims);
/* A claim that is a string; ptr is NULL when it is absent or something else. Lends until the claims are freed. */
HF_API hf_bytes hf_claims_text(const hf_claims *claims, const char *name);
/* A claim that is a number: false when it is absent, something else, or beyond 2^53. Fractions are cut off. */
HF_API bool hf_claims_number(const hf_claims *claims, const char *name, int64_t *number);
/* The whole payload: JSON. */
HF_API hf_bytes hf_claims_json(const hf_claims *claims);

typedef struct hf_jwt_wish {
    hf_bytes subject;
    int64_t life_s; /* at most the policy's max_life_s; 0: that, or 15 minutes */
    hf_bytes extra; /* JSON members to add, such as "\"scope\":\"read\""; may be empty. Not iss, sub, aud, exp, iat, jti */
    hf_bytes kid;   /* empty: the only key that can sign */
} hf_jwt_wish;
/* A token by this policy: iss, sub, aud, iat, exp, jti. `jti` (may be NULL) gets its 22 characters. */
HF_API hf_err hf_jwt_issue(hf_crypto *c, const hf_env *env, const hf_jwt_policy *policy, const hf_jwt_wish *wish, hf_wall now, char *out,
    size_t room, size_t *length, char jti[22], hf_why *why);
/* The token of an Authorization field; ptr NULL: it is none of Bearer. */
HF_API hf_bytes hf_bearer_token(hf_fields fields);

/* For people: header and payload of a token that nobody has verified, as JSON text. Each has room for compact.len. */
HF_API hf_err hf_jwt_open(hf_bytes compact, uint8_t *header, size_t *header_length, uint8_t *payload, size_t *payload_length);

/* ---- CORS --------------------------------------------------------------------------------------------------- */

typedef struct hf_cors_rules {
    const char *const *origins;         /* "https://app.example.com", "https://" "*.example.com", or "*"; ends with NULL, as all here. At least one */
    const char *const *methods;         /* beside GET, HEAD and POST, which need no permission; "*": all. NULL: none */
    const char *const *request_headers; /* beside the safelisted ones; "*": all but Authorization. NULL: none */
    const char *const *expose;          /* response headers that scripts may read beside the safelisted ones. NULL: none */
    bool credentials; /* scripts may send cookies and passwords, and read what is answered to those */
    int32_t max_age_s; /* how long a preflight counts. 0: the browser's 5 s; -1: not at all */
    bool dangerous_insecure_origins; /* http:// origins may be listed */
    bool dangerous_public_suffix;    /* "https://" "*.co.uk" may be listed: sites of strangers */
} hf_cors_rules;

/* A compiled policy: it does not change, and any thread may ask it. */
typedef struct hf_cors hf_cors;
/* Gives *cors, or tells every mistake. */
HF_API hf_err hf_cors_compile(const hf_env *env, const hf_cors_rules *rules, hf_cors **cors, hf_whys *whys);
HF_API void hf_cors_free(hf_cors *cors);

enum { HF_CORS_FIELDS = 6 };
typedef struct hf_cors_answer {
    bool preflight; /* answer 204 with these fields, or 403 without where `denied` is set; nothing else runs */
    bool denied;    /* of a preflight. Any other request is answered as if there were no CORS: the browser enforces */
    size_t count;
    hf_field fields[HF_CORS_FIELDS]; /* lend from the policy and from the request */
    hf_bytes vary;  /* to be added to Vary; may be empty */
    hf_why why;     /* err is 0 when nothing was refused: a line for the log */
} hf_cors_answer;

/* `explain`: a failed preflight is answered 204 with what does hold, so that the browser's own message names what does not. */
HF_API void hf_cors_decide(const hf_cors *cors, const hf_request_head *head, bool explain, hf_cors_answer *answer);

/* ---- security fields ---------------------------------------------------------------------------------------- */

enum { HF_NONCE = 22 };
/* 16 random bytes as base64url: a Content-Security-Policy nonce, for one answer. */
HF_API hf_err hf_csp_nonce(hf_crypto *c, char out[HF_NONCE]);

typedef struct hf_security_rules {
    const char *csp;                /* "{nonce}" is replaced; NULL: a strict one; "": none */
    const char *referrer_policy;    /* NULL: strict-origin-when-cross-origin; "": none, here and below */
    const char *permissions_policy; /* NULL: camera=(), microphone=(), geolocation=() */
    const char *opener_policy;      /* NULL: same-origin */
    const char *embedder_policy;    /* NULL: none */
    const char *resource_policy;    /* NULL: same-origin */
    int64_t hsts_s;                 /* 0: a year; -1: none. Never over plain http */
    bool hsts_subdomains; /* it is for all names below this one, too */
    bool hsts_preload;    /* browsers may have it built in, which is hard to take back. Needs hsts_subdomains and a year */
} hf_security_rules;

enum { HF_SECURITY_FIELDS = 8, HF_SECURITY_ROOM = 2048 };
typedef struct hf_security_fields {
    size_t count;
    hf_field fields[HF_SECURITY_FIELDS];
    char text[HF_SECURITY_ROOM]; /* where made-up values lie */
} hf_security_fields;
/* The fields to add to an answer. `present` are those that the application gave: they are not doubled. HF_ERR_BASE_LIMIT. */
HF_API hf_err hf_security_write(const hf_security_rules *rules, bool tls, hf_bytes nonce, hf_fields present, hf_security_fields *out);

/* A target from a request, if it stays on this origin: a path with query. Otherwise "/", and `why` says what was refused. */
HF_API hf_bytes hf_redirect_local(hf_bytes target, hf_why *why);

/* ---- rates -------------------------------------------------------------------------------------------------- */

typedef struct hf_rate_rules {
    uint32_t burst;      /* requests at once; at least one */
    uint32_t per_minute; /* requests, then; at least one */
} hf_rate_rules;

/* A token bucket for each key, in a table of fixed size. */
typedef struct hf_rate hf_rate;
/* Limit rate_keys. NULL when memory ends. `seed` is secret: nobody can make keys collide. */
HF_API hf_rate *hf_rate_new(const hf_env *env, const hf_rate_rules *rules, const uint8_t seed[16]);
HF_API void hf_rate_free(hf_rate *rate);
/* HF_ERR_GUARD_RATE: *wait_s seconds from now one more is allowed. */
HF_API hf_err hf_rate_take(hf_rate *rate, hf_bytes key, hf_time now, uint32_t *wait_s, hf_why *why);
/* What hf_rate_take would answer now; nothing is counted. */
HF_API hf_err hf_rate_look(hf_rate *rate, hf_bytes key, hf_time now, uint32_t *wait_s);
HF_API hf_rate_rules hf_rate_rules_of(const hf_rate *rate);

/* Where processes and machines count together: called by any thread; may block. */
typedef struct hf_rate_store {
    void *self;
    /* One more request of `key` under the limit that is called `name`. HF_ERR_GUARD_RATE with *wait_s; HF_ERR_SESSION_STORE: it
     * cannot be asked. NULL: there is none. */
    hf_err (*take)(void *self, hf_bytes name, hf_bytes key, const hf_rate_rules *rules, uint32_t *wait_s);
} hf_rate_store;

/* ---- sessions ----------------------------------------------------------------------------------------------- */

enum { HF_SESSION_ID = 32, HF_SESSION_COOKIE = 43, HF_SUBJECT_MOST = 128 };

/* What a store keeps. Its key is SHA-256 of the id: who reads the store can use none of it. */
typedef struct hf_session_record {
    uint8_t key[32];
    uint64_t version; /* 1 when inserted, and one more with each update */
    hf_wall created, used, until;
    char subject[HF_SUBJECT_MOST + 1]; /* empty: nobody has logged in */
    uint8_t csrf[HF_CSRF_SECRET], csrf_before[HF_CSRF_SECRET];
    bool has_before;
    hf_bytes data; /* lent by the caller; after `get` it lies in his room */
} hf_session_record;

/* A store. Insert and update differ: a late save cannot bring back a session that was destroyed. HF_ERR_SESSION_STORE: the
 * store failed, which denies. */
typedef struct hf_session_store {
    void *self;
    hf_err (*insert)(void *self, const hf_session_record *record); /* CONFLICT: the key is there */
    hf_err (*get)(void *self, const uint8_t key[32], hf_session_record *record, hf_span room); /* UNKNOWN; HF_ERR_BASE_LIMIT: the data do not fit */
    hf_err (*update)(void *self, const hf_session_record *record); /* only where the store's version is the record's: else CONFLICT; UNKNOWN */
    hf_err (*touch)(void *self, const uint8_t key[32], hf_wall used, hf_wall until);  /* only the times; UNKNOWN */
    hf_err (*destroy)(void *self, const uint8_t key[32]);          /* not being there is no error */
    hf_err (*destroy_subject)(void *self, hf_bytes subject, size_t *count);
    hf_err (*collect)(void *self, hf_wall now, size_t *count);     /* drops what has ended */
    bool blocks; /* each call may wait for a file or for the network: never in a loop thread */
} hf_session_store;

typedef struct hf_session_rules {
    int64_t idle_s, absolute_s; /* 0: 30 minutes, 12 hours */
} hf_session_rules;

/* A session while a request is answered. */
typedef struct hf_session {
    bool is_new;     /* not in the store yet: nothing is written before it is used */
    bool ended;
    char id[HF_SESSION_COOKIE]; /* what the cookie carries */
    hf_session_record record;
} hf_session;

/* Finds the session of a cookie's value. HF_ERR_SESSION_NONE (value empty), _FORM, _UNKNOWN, _IDLE, _OVER, _STORE. It is
 * touched when a minute has passed, never past the absolute limit. Its data lie in `room`. */
HF_API hf_err hf_session_find(hf_crypto *c, const hf_session_rules *rules, const hf_session_store *store, hf_bytes cookie, hf_wall now,
    hf_span room, hf_session *session, hf_why *why);
/* The store's key of a cookie's value, for who asks the store elsewhere. False: it is no id, or libcrypto failed. */
HF_API bool hf_session_key(hf_crypto *c, hf_bytes cookie, uint8_t key[32]);
/* A new one with a new id; not in the store before hf_session_save. */
HF_API hf_err hf_session_begin(hf_crypto *c, const hf_session_rules *rules, hf_wall now, hf_session *session);
/* Inserts a new one, updates another. HF_ERR_SESSION_CONFLICT, _UNKNOWN: it was ended meanwhile. */
HF_API hf_err hf_session_save(const hf_env *env, const hf_session_store *store, hf_session *session);
/* Somebody logged in: a new id and a new CSRF secret; the old session is destroyed first. Then set the cookie. */
HF_API hf_err hf_session_login(hf_crypto *c, const hf_session_rules *rules, const hf_session_store *store, hf_session *session, hf_bytes subject,
    hf_wall now);
HF_API hf_err hf_session_logout(const hf_session_store *store, hf_session *session);

/* ---- tokens that end before their time: in any store of sessions ------------------------------------------------ */

/* The token of this jti counts no more. `until` is its exp: then the store may forget it. */
HF_API hf_err hf_revoke_token(hf_crypto *c, const hf_session_store *store, hf_bytes jti, hf_wall now, hf_wall until);
/* No token of the subject counts that was issued up to now. `life_s`: the longest that a token may live. */
HF_API hf_err hf_revoke_subject(hf_crypto *c, const hf_session_store *store, hf_bytes subject, hf_wall now, int64_t life_s);
/* HF_ERR_JWT_REVOKED; HF_ERR_SESSION_STORE, which denies. Tokens without jti are asked for by subject alone. */
HF_API hf_err hf_revocation_check(hf_crypto *c, const hf_session_store *store, const hf_claims *claims, hf_why *why);
/* The keys that hf_revocation_check gets, for who asks the store elsewhere. How many; SIZE_MAX when libcrypto fails. */
HF_API size_t hf_revocation_keys(hf_crypto *c, const hf_claims *claims, uint8_t keys[2][32]);

typedef struct hf_refresh_rules {
    int64_t life_s;     /* of a token that nobody uses; 0: 14 days */
    int64_t absolute_s; /* of its family, that is since the login; 0: 90 days */
    int64_t grace_s;    /* a token may be used again for so long, by a second tab; 0: 10; -1: not at all */
} hf_refresh_rules;

enum { HF_REFRESH_TOKEN = 43 };
/* Somebody logged in: the first refresh token of a new family. The store holds its hash, and can end it by subject as it
 * does sessions. These ask the store several times: with one that blocks, in a thread that may (hf_req_run_blocking), and
 * with an hf_crypto of that thread's own. */
HF_API hf_err hf_refresh_begin(hf_crypto *c, const hf_refresh_rules *rules, const hf_session_store *store, hf_bytes subject, hf_wall now,
    char out[HF_REFRESH_TOKEN]);
/* A token for the next one, and for whom it is. HF_ERR_JWT_REFRESH_UNKNOWN, _ENDED; _REUSED: the whole family has ended now. */
HF_API hf_err hf_refresh_rotate(hf_crypto *c, const hf_refresh_rules *rules, const hf_session_store *store, hf_bytes token, hf_wall now,
    char out[HF_REFRESH_TOKEN], char subject[HF_SUBJECT_MOST + 1], hf_why *why);
/* Logged out: its family ends. */
HF_API hf_err hf_refresh_end(hf_crypto *c, const hf_session_store *store, hf_bytes token, hf_why *why);

#ifdef __cplusplus
}
#endif
#endif
