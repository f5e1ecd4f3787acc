/* SPDX-License-Identifier: Apache-2.0
 *
 * idempotency: answers remembered by the key of the request that got them, so that a retry gets the same and nothing is
 * done twice. Shared by all threads. A request that is being answered holds its key; whoever holds it says in the end
 * what became of it.
 */
#ifndef HF_APP_IDEMPOTENCY_H
#define HF_APP_IDEMPOTENCY_H

#include <handfast/http.h>
#include <handfast/store.h>

typedef struct hf_idempotency_store hf_idempotency_store;
typedef struct hf_idempotent hf_idempotent; /* a key that is held */

enum { HF_IDEMPOTENT_BODY = 65536, HF_IDEMPOTENT_KEY = 255 };

/* `alloc` (copied) must outlive every held key; `limits` is copied. The first reference is the caller's. */
hf_idempotency_store *hf_idempotency_new(const hf_allocator *alloc, const hf_limits *limits);
void hf_idempotency_drop(hf_idempotency_store *s);
/* Keys and answers are written to `base`, too, and asked for there: by the threads of `pool`, or where that is NULL by the
 * caller's. Both are lent until the store is dropped or told otherwise; call it while no key is being looked at. */
struct hf_pool;
void hf_idempotency_back(hf_idempotency_store *s, const hf_key_store *base, struct hf_pool *pool);
/* The pool is gone: what is still to be written is written by the caller's thread. NULL is fine. */
void hf_idempotency_stay(hf_idempotency_store *s);

/* What two requests must share to be one. Lent for the call. */
typedef struct hf_idempotency_request {
    hf_bytes key[4];   /* the host, the route's method and path, and what the client chose: a reload changes none of them */
    hf_bytes parts[8]; /* method, target, credentials, body: compared whole */
    size_t part_count;
} hf_idempotency_request;

/* An answer as it was given. */
typedef struct hf_idempotency_answer {
    uint16_t status;
    hf_field fields[32];
    size_t field_count;
    hf_bytes body;
} hf_idempotency_answer;

typedef enum hf_idempotency_verdict {
    HF_IDEMPOTENCY_FIRST,    /* carry it out: *held says later what became of it */
    HF_IDEMPOTENCY_ASK,      /* nobody here had it: *held is to be asked for with hf_idempotent_ask */
    HF_IDEMPOTENCY_AGAIN,    /* *answer: lies in memory that `copy` gave */
    HF_IDEMPOTENCY_BUSY,
    HF_IDEMPOTENCY_MISMATCH,
    HF_IDEMPOTENCY_LOST,
    HF_IDEMPOTENCY_FULL,
    HF_IDEMPOTENCY_BASE,     /* the base failed */
    HF_IDEMPOTENCY_MEMORY
} hf_idempotency_verdict;

/* `copy` gives memory of the request. */
hf_idempotency_verdict hf_idempotency_begin(hf_idempotency_store *s, hf_time now, const hf_idempotency_request *request,
    hf_idempotent **held, hf_idempotency_answer *answer, void *(*copy)(void *self, size_t size), void *self);

/* What the base says of a held key; blocks, in any thread. `claim` has its digests and times. FIRST: as above. All others
 * leave it to the caller to let go of the key, by hf_idempotent_unask; with AGAIN *answer lies in `room`. */
enum { HF_IDEMPOTENT_ROOM = HF_IDEMPOTENT_BODY + 32768 };
hf_idempotency_verdict hf_idempotent_ask(hf_idempotent *held, const hf_key_claim *claim, hf_idempotency_answer *answer, hf_span room);
void hf_idempotent_unask(hf_idempotent *held);

/* Each of these lets go of the key; NULL is fine. */
/* The answer is kept, or where it is too large the fact. */
void hf_idempotent_keep(hf_idempotent *held, uint16_t status, hf_fields fields, const hf_bytes *pieces, size_t count);
/* Carried out, and what was answered is not known here. */
void hf_idempotent_lose(hf_idempotent *held);
/* Not carried out: a retry may be. */
void hf_idempotent_abandon(hf_idempotent *held);
/* As keep, with a Content-Type alone (NULL: none). A status of 500 and above abandons. */
void hf_idempotent_answer(hf_idempotent *held, uint16_t status, const char *content_type, hf_bytes body);

#endif
