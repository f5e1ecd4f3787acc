/* SPDX-License-Identifier: Apache-2.0
 *
 * A request whose Idempotency-Key nobody here knows, where keys are kept in a base: a thread for blocking work asks it, and
 * the handler runs, or does not, when the answer is there.
 */
#include "alloc.h"
#include "crypto_hash.h"
#include "guards_kinds.h"
#include "mailbox.h"
#include "request.h"

typedef struct inquiry {
    hf_allocator alloc;
    hf_idempotent *held;
    hf_key_claim claim;
    hf_idempotency_verdict verdict;
    hf_idempotency_answer answer;
    uint8_t room[HF_IDEMPOTENT_ROOM];
} inquiry;

/* In a thread for blocking work: nothing of the request is touched. */
static void ask(void *what)
{
    inquiry *q = what;
    q->verdict = hf_idempotent_ask(q->held, &q->claim, &q->answer, (hf_span){ q->room, sizeof q->room });
}

static hf_err go_on(hf_req *rq, inquiry *q)
{
    if (q->verdict != HF_IDEMPOTENCY_FIRST)
        return hf_idempotent_tell(rq, q->verdict, &q->answer);
    rq->more->idempotent = q->held;
    q->held = NULL;
    return hf_req_run_handler(rq);
}

/* In the loop thread. Nobody may be waiting any more: then nothing was carried out. */
static hf_err asked(hf_req *rq, void *what)
{
    inquiry *q = what;
    const hf_err err = rq != NULL && !rq->answered ? go_on(rq, q) : HF_OK;
    if (q->held != NULL && q->verdict == HF_IDEMPOTENCY_FIRST)
        hf_idempotent_abandon(q->held);
    else if (q->held != NULL)
        hf_idempotent_unask(q->held);
    const hf_allocator alloc = q->alloc;
    hf_free(&alloc, q, sizeof *q);
    return err;
}

/* Each part behind its length, so that no two lists look alike. */
static bool digest(hf_crypto *c, const hf_bytes *parts, size_t count, uint8_t out[32])
{
    hf_hashing h = { 0 };
    bool good = hf_hashing_begin(c, &h, HF_HASH_SHA256);
    for (size_t i = 0; good && i < count; i++) {
        const uint64_t length = parts[i].len;
        good = hf_hashing_add(&h, hf_bytes_make(&length, sizeof length)) && (length == 0 || hf_hashing_add(&h, parts[i]));
    }
    good = good && hf_hashing_peek(c, &h, hf_bytes_make(NULL, 0), out);
    hf_hashing_fini(&h);
    return good;
}

static bool make_claim(hf_req *rq, const hf_idempotency_request *r, hf_key_claim *claim)
{
    const uint64_t lasts = rq->service->env->limits->idempotency_ns / (uint64_t)HF_SECONDS(1);
    hf_crypto *const c = hf_crypto_of(rq);
    claim->now = rq->service->wall;
    claim->until = (hf_wall){ claim->now.s + (int64_t)lasts + 1 };
    return c != NULL && digest(c, r->key, HF_COUNT(r->key), claim->key) && digest(c, r->parts, r->part_count, claim->request);
}

hf_err hf_idempotent_inquire(hf_req *rq, hf_idempotent *held, const hf_idempotency_request *r)
{
    const hf_allocator alloc = *hf_mailbox_allocator(rq->service->mailbox);
    inquiry *q = hf_alloc(&alloc, sizeof *q);
    hf_err err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (q != NULL) {
        q->alloc = alloc;
        q->held = held;
        q->verdict = HF_IDEMPOTENCY_LOST;
        if (make_claim(rq, r, &q->claim))
            err = hf_req_run_blocking(rq, ask, asked, q);
    }
    if (err.code == 0)
        return HF_OK;
    hf_free(&alloc, q, q != NULL ? sizeof *q : 0);
    hf_idempotent_unask(held);
    return err;
}
