/* SPDX-License-Identifier: Apache-2.0
 *
 * Work with a store that blocks: a few operations, done in order in a thread of the pool, and what they answered.
 */
#ifndef HF_APP_GUARDS_STORE_H
#define HF_APP_GUARDS_STORE_H

#include "guards_kinds.h"

enum { HF_STORE_OPS = 4 };
typedef enum hf_store_kind { HF_STORE_GET, HF_STORE_INSERT, HF_STORE_UPDATE, HF_STORE_TOUCH, HF_STORE_DESTROY, HF_STORE_DESTROY_SUBJECT, HF_STORE_COLLECT } hf_store_kind;

typedef struct hf_store_op {
    hf_store_kind kind;
    hf_session_record record; /* what is written, or was got; its data lie in `own` */
    uint8_t *own;
    size_t own_size;
    hf_err err; /* of this one */
} hf_store_op;

/* Belongs to whoever has it: a thread of the pool, or the loop thread. */
typedef struct hf_store_work {
    hf_session_store store; /* a copy */
    uint64_t most_bytes;    /* of a session's data */
    size_t count;
    hf_store_op ops[HF_STORE_OPS];
    hf_err err;       /* the first failure of a writing one: those behind it were not done */
    hf_handler *then; /* the handler's continuation */
    struct hf_session_guard *sessions;
    bool failed;      /* memory ended while it was made */
} hf_store_work;

/* NULL when memory ends. */
hf_store_work *hf_store_work_new(const hf_req *rq, const hf_session_store *store);
void hf_store_work_free(hf_store_work *w);
void hf_store_work_get(hf_store_work *w, const uint8_t key[32]);
/* A store that does nothing yet: what it is asked to write is added to the work. */
hf_session_store hf_store_work_recorder(hf_store_work *w);
/* Does it, and runs `done` with it in the loop thread, which frees it. After an error it is freed already. */
hf_err hf_store_work_run(hf_req *rq, hf_store_work *w, hf_task *done);
/* Does it at some time, and frees it. That it is lost where too much waits must harm nobody. */
void hf_store_work_leave(hf_req *rq, hf_store_work *w);
/* Now and then has what has ended dropped from the store. *last is when that was last begun; any thread. */
void hf_store_collect(hf_req *rq, const hf_session_store *store, int64_t *last);

#endif
