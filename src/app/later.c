/* SPDX-License-Identifier: Apache-2.0
 *
 * Tickets, alarms and work in other threads. A ticket is freed in the loop thread, or when the loop is gone: so its `rq`
 * is read and written by one thread alone, and a ticket that outlives its request finds NULL there.
 */
#include <stdatomic.h>

#include "alloc.h"
#include "mailbox.h"
#include "panic.h"
#include "pool.h"
#include "realtime.h"

struct hf_later {
    hf_message dropped; /* first: posted when the last holder lets go */
    hf_mailbox *mailbox;
    const hf_app *app;  /* kept: its handlers' task and context are there as long as the ticket is */
    hf_req *rq;         /* in the loop thread. NULL: it is over */
    hf_later *next, *previous;
    hf_idempotent *idempotent; /* the answer is still to be kept, though nobody waits for it */
    _Atomic uint32_t holders;
    _Atomic bool over, answered;
};

/* ---- tickets ------------------------------------------------------------------------------------------------ */

static void unlink_ticket(hf_later *l)
{
    struct hf_req_more *more = l->rq->more;
    if (l->previous != NULL)
        l->previous->next = l->next;
    else
        more->tickets = l->next;
    if (l->next != NULL)
        l->next->previous = l->previous;
    l->rq = NULL;
}

static void free_ticket(hf_later *l)
{
    hf_mailbox *b = l->mailbox;
    const hf_app *const app = l->app;
    const hf_allocator alloc = *hf_mailbox_allocator(b);
    hf_idempotent_abandon(l->idempotent);
    hf_free(&alloc, l, sizeof *l);
    hf_mailbox_drop(b);
    hf_app_leave(app);
}

/* Nobody holds it any more. */
static void run_dropped(hf_message *m)
{
    hf_later *l = (hf_later *)m;
    hf_req *rq = l->rq;
    if (rq != NULL)
        unlink_ticket(l);
    free_ticket(l);
    if (rq != NULL)
        hf_req_return(rq, HF_OK);
}

hf_err hf_req_later(hf_req *rq, hf_later **later)
{
    hf_mailbox *b = rq->service->mailbox;
    *later = NULL;
    if (b == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    struct hf_req_more *more = hf_req_more_of(rq);
    hf_later *l = more != NULL ? hf_alloc_zeroed(hf_mailbox_allocator(b), sizeof *l) : NULL;
    if (l == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    l->dropped.run = run_dropped;
    l->mailbox = hf_mailbox_keep(b);
    l->app = hf_app_keep(rq->service->app);
    l->rq = rq;
    l->next = more->tickets;
    if (l->next != NULL)
        l->next->previous = l;
    more->tickets = l;
    atomic_init(&l->holders, 1);
    *later = l;
    return HF_OK;
}

hf_later *hf_later_keep(hf_later *l)
{
    atomic_fetch_add_explicit(&l->holders, 1, memory_order_relaxed);
    return l;
}

void hf_later_drop(hf_later *l)
{
    if (l != NULL && atomic_fetch_sub_explicit(&l->holders, 1, memory_order_acq_rel) == 1)
        hf_mailbox_post(l->mailbox, &l->dropped);
}

bool hf_later_is_over(const hf_later *l)
{
    return atomic_load_explicit(&l->over, memory_order_acquire);
}

/* The request is over; its tickets are not. The first that can still say how it ended keeps its key. */
void hf_tickets_fini(hf_req *rq)
{
    struct hf_req_more *more = rq->more;
    while (more->tickets != NULL) {
        hf_later *l = more->tickets;
        unlink_ticket(l);
        atomic_store_explicit(&l->over, true, memory_order_release);
        if (l->idempotent == NULL) {
            l->idempotent = more->idempotent;
            more->idempotent = NULL;
        }
    }
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

typedef struct errand {
    hf_message message; /* first */
    hf_later *later;
    hf_task *task;
    void *what;
} errand;

static void run_errand(hf_message *m)
{
    errand *e = (errand *)m;
    hf_later *l = e->later;
    hf_req *rq = l->rq;
    const hf_err err = e->task(rq, e->what);
    const hf_allocator *alloc = hf_mailbox_allocator(l->mailbox);
    hf_free(alloc, e, sizeof *e);
    if (rq != NULL)
        hf_req_return(rq, err);
    hf_later_drop(l);
}

hf_err hf_later_run(hf_later *l, hf_task *task, void *what)
{
    if (!hf_mailbox_has_room(l->mailbox))
        return hf_err_make(HF_ERR_BASE_LIMIT);
    errand *e = hf_alloc_zeroed(hf_mailbox_allocator(l->mailbox), sizeof *e);
    if (e == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *e = (errand){ .message.run = run_errand, .later = hf_later_keep(l), .task = task, .what = what };
    hf_mailbox_post(l->mailbox, &e->message);
    return HF_OK;
}

typedef struct answer {
    hf_message message; /* first */
    hf_later *later;
    const char *type;
    uint16_t status;
    size_t length;
    uint8_t body[];
} answer;

static void run_answer(hf_message *m)
{
    answer *a = (answer *)m;
    hf_later *l = a->later;
    hf_req *rq = l->rq;
    const hf_bytes body = hf_bytes_make(a->body, a->length);
    hf_err err = HF_OK;
    if (rq != NULL)
        err = hf_reply(rq, a->status, a->type, body);
    else
        hf_idempotent_answer(l->idempotent, a->status, a->type, body);
    if (rq == NULL)
        l->idempotent = NULL;
    hf_free(hf_mailbox_allocator(l->mailbox), a, sizeof *a + a->length);
    if (rq != NULL)
        hf_req_return(rq, err);
    hf_later_drop(l);
}

hf_err hf_later_answer(hf_later *l, uint16_t status, const char *content_type, hf_bytes body)
{
    if (atomic_load_explicit(&l->answered, memory_order_relaxed))
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    /* An answer that nobody waits for may still be asked for again, by a key: it is taken, and told what became of it. */
    const bool over = hf_later_is_over(l);
    if (!hf_mailbox_has_room(l->mailbox))
        return hf_err_make(HF_ERR_BASE_LIMIT);
    answer *a = body.len < SIZE_MAX - sizeof *a ? hf_alloc(hf_mailbox_allocator(l->mailbox), sizeof *a + body.len) : NULL;
    if (a == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (atomic_exchange_explicit(&l->answered, true, memory_order_acq_rel)) {
        hf_free(hf_mailbox_allocator(l->mailbox), a, sizeof *a + body.len);
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    }
    *a = (answer){ .message.run = run_answer, .later = hf_later_keep(l), .type = content_type, .status = status,
        .length = body.len };
    if (body.len > 0)
        memcpy(a->body, body.ptr, body.len);
    hf_mailbox_post(l->mailbox, &a->message);
    return over ? hf_err_make(HF_ERR_HTTP_CLIENT_GONE) : HF_OK;
}

/* ---- blocking work ------------------------------------------------------------------------------------------ */

typedef struct blocking {
    hf_message message; /* first */
    hf_job job;
    hf_later *later;
    void (*work)(void *what);
    hf_task *done;
    void *what;
    bool worked;
} blocking;

static void run_done(hf_message *m)
{
    blocking *b = (blocking *)m;
    hf_later *l = b->later;
    hf_req *rq = l->rq;
    const bool worked = b->worked;
    const hf_err err = b->done(rq, b->what);
    hf_free(hf_mailbox_allocator(l->mailbox), b, sizeof *b);
    if (worked && rq == NULL) { /* it was carried out, and nobody knows what would have been answered */
        hf_idempotent_lose(l->idempotent);
        l->idempotent = NULL;
    }
    if (rq == NULL) {
        hf_later_drop(l);
        return;
    }
    /* Off the list first: whoever returned without an answer and without a promise owes one. */
    unlink_ticket(l);
    atomic_store_explicit(&l->over, true, memory_order_release);
    hf_later_drop(l);
    hf_req_return(rq, err);
}

static blocking *of_job(hf_job *job)
{
    return (blocking *)((char *)job - offsetof(blocking, job));
}

static void work(hf_job *job)
{
    blocking *b = of_job(job);
    b->work(b->what);
    b->worked = true;
    hf_mailbox_post(b->later->mailbox, &b->message);
}

static void abandon(hf_job *job)
{
    blocking *b = of_job(job);
    hf_mailbox_post(b->later->mailbox, &b->message);
}

hf_err hf_req_run_blocking(hf_req *rq, void (*task)(void *what), hf_task *done, void *what)
{
    hf_later *l;
    hf_pool *pool = rq->service->app->pool;
    const hf_err err = hf_req_later(rq, &l);
    if (err.code != 0)
        return err;
    const hf_allocator *alloc = hf_mailbox_allocator(l->mailbox);
    blocking *b = hf_alloc_zeroed(alloc, sizeof *b);
    if (b == NULL) {
        unlink_ticket(l);
        free_ticket(l);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    *b = (blocking){ .message.run = run_done, .job = { .work = work, .abandon = abandon }, .later = l, .work = task,
        .done = done, .what = what };
    if (pool == NULL) { /* one thread is all there is, and its time is not the clock's */
        work(&b->job);
        return HF_OK;
    }
    if (hf_pool_give(pool, &b->job))
        return HF_OK;
    hf_free(alloc, b, sizeof *b);
    unlink_ticket(l);
    free_ticket(l);
    return hf_err_make(HF_ERR_HTTP_BLOCKING_FULL);
}

/* ---- time --------------------------------------------------------------------------------------------------- */

hf_err hf_req_after(hf_req *rq, uint64_t ns, hf_handler *then)
{
    struct hf_req_more *more = hf_req_more_of(rq);
    if (more == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    more->alarm = hf_time_after(rq->service->now, ns < INT64_MAX ? (int64_t)ns : INT64_MAX);
    more->alarm_handler = then;
    return HF_OK;
}

bool hf_req_is_promised(const hf_req *rq)
{
    const struct hf_req_more *more = rq->more;
    return more != NULL && (more->tickets != NULL || more->alarm_handler != NULL);
}

hf_time hf_req_wake(const hf_req *rq)
{
    const struct hf_req_more *more = rq->more;
    if (more == NULL || rq->answer_ended)
        return HF_NEVER;
    const hf_time deadline = rq->answered ? HF_NEVER : more->deadline;
    const hf_time at = more->alarm_handler != NULL ? hf_time_earlier(deadline, more->alarm) : deadline;
    const hf_time look = hf_time_earlier(hf_guards_wake(rq), more->turn);
    return hf_time_earlier(look, more->socket != NULL ? hf_time_earlier(at, hf_socket_wake(rq)) : at);
}

void hf_req_tick(hf_req *rq)
{
    struct hf_req_more *more = rq->more;
    const hf_time now = rq->service->now;
    if (hf_time_before(now, hf_req_wake(rq)))
        return;
    if (!rq->answered && !hf_time_before(now, more->deadline)) {
        more->alarm_handler = NULL;
        hf_req_return(rq, hf_err_make(HF_ERR_HTTP_HANDLER_TIMEOUT));
        return;
    }
    if (more->socket != NULL && !hf_time_before(now, hf_socket_wake(rq)))
        hf_socket_turn(rq);
    if (!hf_time_before(now, hf_guards_wake(rq)))
        hf_guards_tick(rq);
    hf_handler *then = more->alarm_handler != NULL && !hf_time_before(now, more->alarm) ? more->alarm_handler : NULL;
    if (then != NULL)
        more->alarm_handler = NULL;
    hf_req_return(rq, then != NULL && !rq->answer_ended ? then(rq) : HF_OK);
}
