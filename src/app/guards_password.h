/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard of basic_auth: RFC 7617 against the accounts of a password file. Hashing a password is made to be slow, so it is
 * done in a thread of the pool, between the guards and the handler; one that was right is known again for a while.
 */
#ifndef HF_APP_GUARDS_PASSWORD_H
#define HF_APP_GUARDS_PASSWORD_H

#include <handfast/guards.h>

#include "passwords.h"

enum { HF_PASSWORDS_KNOWN = 256, HF_PASSWORD_TAG = 32 };

/* What is remembered of a right password: an HMAC of name, password and hash under a key that nobody else has. */
typedef struct hf_password_known {
    uint8_t tag[HF_PASSWORD_TAG];
    hf_time until;
} hf_password_known;

typedef struct hf_password_guard {
    hf_guard guard; /* HF_GUARD_PASSWORD */
    const hf_account *accounts; /* at least one; lent */
    size_t count;
    const char *challenge;      /* "Basic realm=..."; lent */
    bool in_clear;              /* take passwords over plain HTTP from anywhere */
    uint32_t lock; /* of what follows: its own; 0 at first */
    bool keyed;
    uint8_t key[32];
    hf_password_known known[HF_PASSWORDS_KNOWN];
} hf_password_guard;

/* For routes with `handle` or `files`, and no `body` and `upload`: those take what comes before it is known from whom. */
hf_err hf_guard_password_check(hf_guard *self, hf_req *rq, hf_why *why);
#define HF_GUARD_PASSWORD { hf_guard_password_check, NULL, false }

/* Something is left to be proven: until then nothing of the route is for the client to know. */
bool hf_guards_have_to_prove(const hf_req *rq);
/* Before the handler: what the guard left to be proven. *waits: it is being done, and the request goes on when it is. */
hf_err hf_guards_prove(hf_req *rq, bool *waits);

#endif
