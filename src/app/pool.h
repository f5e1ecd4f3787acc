/* SPDX-License-Identifier: Apache-2.0
 *
 * pool: threads for work that blocks, made when it first comes, and a bounded queue before them.
 */
#ifndef HF_APP_POOL_H
#define HF_APP_POOL_H

#include <handfast/base.h>

/* Embedded in what is to be done. Nobody else holds it until work or abandon. */
typedef struct hf_job hf_job;
struct hf_job {
    hf_job *next;
    void (*work)(hf_job *job);    /* in a thread of the pool */
    void (*abandon)(hf_job *job); /* instead, when the pool ends first; in the thread that ends it */
};

typedef struct hf_pool hf_pool;

/* `alloc` (copied) must outlive the pool. NULL when memory ends. */
hf_pool *hf_pool_new(const hf_allocator *alloc, uint64_t threads, uint64_t jobs);
/* From any thread. False, and the job is the caller's as before: `jobs` wait already, or not one thread can be made. */
bool hf_pool_give(hf_pool *p, hf_job *job);
/* Waits for what is being done, and abandons what only waits. NULL is fine. */
void hf_pool_free(hf_pool *p);

#endif
