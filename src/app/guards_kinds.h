/* SPDX-License-Identifier: Apache-2.0
 *
 * What guards find and leave for those behind them: in the request's memory.
 */
#ifndef HF_APP_GUARDS_KINDS_H
#define HF_APP_GUARDS_KINDS_H

#include <handfast/guards.h>

#include "request.h"

struct hf_guarded {
    hf_session session;
    bool has_session;
    hf_session_guard *sessions; /* that looked, whether it found one or not */
    const hf_claims *claims;
    bool has_nonce;
    char nonce[HF_NONCE];
    /* guards_token.c */
    const hf_claims *pending;   /* verified; whether it was revoked is still asked */
    struct hf_revocations *revocations;
    bool ambient_token;         /* it came in a cookie */
    uint8_t token_secret[HF_CSRF_SECRET];
    /* guards_session.c */
    struct hf_fetched *fetched; /* of a store that blocks (guards_session.c) */
    hf_time look_at;            /* live routes: when it is looked next whether the session is still there; 0: was not yet */
    /* guards_rate.c: what the shared count said of this guard's limit */
    const hf_rate_guard *rated;
    hf_err rated_err;
    uint32_t rated_wait;
    void *proof; /* what the guard of passwords left to be proven (guards_password.c) */
};

/* NULL when memory ends. */
struct hf_guarded *hf_guarded_of(hf_req *rq);
/* What was found so far, else NULL. */
struct hf_guarded *hf_guarded_found(const hf_req *rq);
/* One for each thread, made when it is first needed. NULL when memory ends. */
struct hf_crypto *hf_crypto_of(hf_req *rq);
/* Is it the name of a host on the Internet, and no address: what a browser may be told to keep in mind (guards_headers.c)? */
bool hf_host_is_public(hf_bytes authority);
/* Is this request to be told why? It was asked for beside the route, and whoever asks may know. */
bool hf_guard_explains(const hf_guard *g, const hf_req *rq);
/* Before the guard at `at` looks a cookie or token up: was this address denied so often that it has to wait? */
hf_err hf_guards_foresee_rate(hf_req *rq, size_t at, hf_why *why);
/* The guard at `at` denied. */
void hf_guards_count_denial(hf_req *rq, size_t at);
/* The fields of a CORS decision onto the answer. */
hf_err hf_cors_put(hf_req *rq, const hf_cors_answer *answer);

#endif
