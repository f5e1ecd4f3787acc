/* SPDX-License-Identifier: Apache-2.0 */
#include "guards_store.h"

#include "alloc.h"
#include "allocator.h"
#include "crypto_secret.h"
#include "pool.h"

enum { USUAL_BYTES = 4096, COLLECT_S = 300 };

hf_store_work *hf_store_work_new(const hf_req *rq, const hf_session_store *store)
{
    hf_store_work *const w = hf_alloc_zeroed(hf_allocator_default(), sizeof *w);
    if (w != NULL)
        *w = (hf_store_work){ .store = *store, .most_bytes = rq->service->env->limits->session_bytes };
    return w;
}

void hf_store_work_free(hf_store_work *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->count; i++) {
        if (w->ops[i].own != NULL)
            hf_wipe(w->ops[i].own, w->ops[i].own_size);
        hf_free(hf_allocator_default(), w->ops[i].own, w->ops[i].own_size);
    }
    hf_wipe(w, sizeof *w);
    hf_free(hf_allocator_default(), w, sizeof *w);
}

static bool own(hf_store_op *op, size_t size)
{
    hf_free(hf_allocator_default(), op->own, op->own_size);
    op->own = hf_alloc(hf_allocator_default(), size);
    op->own_size = op->own != NULL ? size : 0;
    return op->own != NULL;
}

/* NULL: no room, which is remembered. */
static hf_store_op *add(hf_store_work *w, hf_store_kind kind)
{
    if (w->count == HF_STORE_OPS) {
        w->failed = true;
        return NULL;
    }
    hf_store_op *const op = &w->ops[w->count++];
    op->kind = kind;
    return op;
}

void hf_store_work_get(hf_store_work *w, const uint8_t key[32])
{
    hf_store_op *const op = add(w, HF_STORE_GET);
    if (op != NULL)
        memcpy(op->record.key, key, 32);
}

/* ---- the recorder --------------------------------------------------------------------------------------------- */

static hf_err record_write(void *self, hf_store_kind kind, const hf_session_record *r)
{
    hf_store_work *const w = self;
    hf_store_op *const op = add(w, kind);
    if (op == NULL)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    op->record = *r;
    op->record.data = hf_bytes_make(NULL, 0);
    if (r->data.len == 0)
        return HF_OK;
    if (!own(op, r->data.len)) {
        w->failed = true;
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    memcpy(op->own, r->data.ptr, r->data.len);
    op->record.data = hf_bytes_make(op->own, r->data.len);
    return HF_OK;
}

static hf_err record_insert(void *self, const hf_session_record *r)
{
    return record_write(self, HF_STORE_INSERT, r);
}
static hf_err record_update(void *self, const hf_session_record *r)
{
    return record_write(self, HF_STORE_UPDATE, r);
}
static hf_err record_touch(void *self, const uint8_t key[32], hf_wall used, hf_wall until)
{
    hf_session_record r = { .used = used, .until = until };
    memcpy(r.key, key, 32);
    return record_write(self, HF_STORE_TOUCH, &r);
}
static hf_err record_destroy(void *self, const uint8_t key[32])
{
    hf_session_record r = { .version = 0 };
    memcpy(r.key, key, 32);
    return record_write(self, HF_STORE_DESTROY, &r);
}
static hf_err record_destroy_subject(void *self, hf_bytes subject, size_t *count)
{
    hf_session_record r = { .version = 0 };
    *count = 0;
    if (subject.len > HF_SUBJECT_MOST)
        return HF_OK; /* nobody has such a name */
    memcpy(r.subject, subject.ptr, subject.len);
    return record_write(self, HF_STORE_DESTROY_SUBJECT, &r);
}

hf_session_store hf_store_work_recorder(hf_store_work *w)
{
    return (hf_session_store){ .self = w, .insert = record_insert, .update = record_update, .touch = record_touch, .destroy = record_destroy,
        .destroy_subject = record_destroy_subject };
}

/* ---- doing it ------------------------------------------------------------------------------------------------- */

/* Most sessions are small: the large room is got when it is needed. */
static hf_err get(hf_store_work *w, hf_store_op *op)
{
    hf_err err = hf_err_make(HF_ERR_BASE_LIMIT);
    uint8_t key[32];
    memcpy(key, op->record.key, sizeof key);
    const size_t sizes[] = { w->most_bytes < USUAL_BYTES ? (size_t)w->most_bytes : USUAL_BYTES, (size_t)w->most_bytes };
    for (size_t i = 0; i < HF_COUNT(sizes) && err.code == HF_ERR_BASE_LIMIT; i++)
        err = own(op, sizes[i] + 1) ? w->store.get(w->store.self, key, &op->record, (hf_span){ op->own, sizes[i] }) : hf_err_make(HF_ERR_SESSION_STORE);
    return err;
}

static hf_err do_one(hf_store_work *w, hf_store_op *op)
{
    const hf_session_store *const s = &w->store;
    const hf_session_record *const r = &op->record;
    size_t count;
    switch (op->kind) {
    case HF_STORE_GET:
        return get(w, op);
    case HF_STORE_INSERT:
        return s->insert(s->self, r);
    case HF_STORE_UPDATE:
        return s->update(s->self, r);
    case HF_STORE_TOUCH:
        return s->touch(s->self, r->key, r->used, r->until);
    case HF_STORE_DESTROY:
        return s->destroy(s->self, r->key);
    case HF_STORE_DESTROY_SUBJECT:
        return s->destroy_subject(s->self, hf_text(r->subject), &count);
    case HF_STORE_COLLECT:
        return s->collect(s->self, r->until, &count);
    }
    return hf_err_make(HF_ERR_BASE_USAGE);
}

static void work(void *what)
{
    hf_store_work *const w = what;
    for (size_t i = 0; i < w->count && w->err.code == 0; i++) {
        w->ops[i].err = do_one(w, &w->ops[i]);
        if (w->ops[i].kind != HF_STORE_GET)
            w->err = w->ops[i].err;
    }
}

hf_err hf_store_work_run(hf_req *rq, hf_store_work *w, hf_task *done)
{
    w->err = w->failed ? hf_err_make(HF_ERR_BASE_MEMORY) : HF_OK;
    for (size_t i = 0; i < w->count; i++)
        w->ops[i].err = hf_err_make(HF_ERR_SESSION_STORE); /* if the pool ends first, nothing was done */
    const hf_err err = w->failed ? w->err : hf_req_run_blocking(rq, work, done, w);
    if (err.code != 0)
        hf_store_work_free(w);
    return err;
}

typedef struct left {
    hf_job job; /* first */
    hf_store_work *work;
    const hf_app *app; /* kept */
} left;

static void forget(hf_job *job)
{
    left *const l = (left *)job;
    const hf_app *const app = l->app;
    hf_store_work_free(l->work);
    hf_free(hf_allocator_default(), l, sizeof *l);
    hf_app_leave(app); /* the store may be its own */
}

static void work_and_forget(hf_job *job)
{
    work(((left *)job)->work);
    forget(job);
}

void hf_store_work_leave(hf_req *rq, hf_store_work *w)
{
    hf_pool *const pool = rq->service->app->pool;
    left *const l = hf_alloc_zeroed(hf_allocator_default(), sizeof *l);
    if (l == NULL) {
        hf_store_work_free(w);
        return;
    }
    *l = (left){ .job = { .work = work_and_forget, .abandon = forget }, .work = w, .app = hf_app_keep(rq->service->app) };
    if (pool == NULL)
        work_and_forget(&l->job);
    else if (!hf_pool_give(pool, &l->job))
        forget(&l->job);
}

/* ---- what has ended ------------------------------------------------------------------------------------------- */

/* The first time is a period after the first question: a server that is started again and again does not begin with it. Of the
 * threads that see that it is time, one does it. */
void hf_store_collect(hf_req *rq, const hf_session_store *store, int64_t *last)
{
    const hf_wall now = rq->service->wall;
    int64_t before = __atomic_load_n(last, __ATOMIC_RELAXED);
    if (store->collect == NULL || (before != 0 && now.s - before < COLLECT_S) || !__atomic_compare_exchange_n(last, &before, now.s, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    hf_store_work *const w = before != 0 ? hf_store_work_new(rq, store) : NULL;
    hf_store_op *const op = w != NULL ? add(w, HF_STORE_COLLECT) : NULL;
    if (op == NULL)
        return;
    op->record.until = now;
    hf_store_work_leave(rq, w);
}
