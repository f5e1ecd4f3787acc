/* SPDX-License-Identifier: Apache-2.0
 *
 * What the guestbook stands on: where its sessions, revocations, rates and keys are kept.
 */
#ifndef GUESTBOOK_H
#define GUESTBOOK_H

#include <handfast/guards.h>
#include <handfast/server.h>
#include <handfast/store.h>

/* `where`: "memory", a URL of Redis, or a file. `rates` is set where several processes can share them. */
hf_err guestbook_open_store(const char *where, hf_session_store *store, hf_rate_store *rates, hf_why *why);
/* From a file with a JWK set, which several processes may read; NULL: a key of this process alone. */
hf_err guestbook_open_keys(hf_keys *keys, const char *file, const uint8_t random[32], hf_why *why);
/* Revokes each token that whoever is logged in has by now, where asking the store may block; then answers by `then`. */
hf_err guestbook_revoke(hf_req *rq, const hf_session_store *store, int64_t life_s, hf_err (*then)(hf_req *rq));

#endif
