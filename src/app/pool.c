/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <pthread.h>
#include <signal.h>

#include "alloc.h"
#include "signal_stack.h"

struct hf_pool {
    hf_allocator alloc;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t come;
    hf_job *first, *last;
    uint64_t waiting, most;
    uint64_t idle, count, capacity; /* threads */
    bool ending;
    pthread_t threads[];
};

enum { THREADS_MOST = 1024 };

hf_pool *hf_pool_new(const hf_allocator *alloc, uint64_t threads, uint64_t jobs)
{
    if (threads > THREADS_MOST)
        threads = THREADS_MOST;
    hf_pool *p = hf_alloc_zeroed(alloc, sizeof *p + (size_t)threads * sizeof p->threads[0]);
    if (p == NULL)
        return NULL;
    p->alloc = *alloc;
    p->capacity = threads;
    p->most = jobs;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->come, NULL);
    return p;
}

/* Under the lock. NULL when there is none. */
static hf_job *next_job(hf_pool *p)
{
    hf_job *job = p->first;
    if (job == NULL)
        return NULL;
    p->first = job->next;
    p->waiting--;
    return job;
}

static void *serve(void *argument)
{
    hf_pool *p = argument;
    pthread_mutex_lock(&p->lock);
    while (!p->ending) {
        hf_job *job = next_job(p);
        if (job == NULL) {
            p->idle++;
            pthread_cond_wait(&p->come, &p->lock);
            p->idle--;
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        job->work(job);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void *run(void *argument)
{
    return hf_signal_stack_run(serve, argument);
}

/* Under the lock: one more thread where all are busy. False when there is none at all. */
static bool have_thread(hf_pool *p)
{
    if (p->idle > p->waiting || p->count == p->capacity)
        return p->count > 0;
    /* These come from the thread itself, by what it does wrong: blocked, they would end the process unheard. */
    static const int own[] = { SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    sigset_t all, before;
    sigfillset(&all); /* signals are for whoever runs the server */
    for (size_t i = 0; i < HF_COUNT(own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->count += pthread_create(&p->threads[p->count], NULL, run, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p->count > 0;
}

bool hf_pool_give(hf_pool *p, hf_job *job)
{
    pthread_mutex_lock(&p->lock);
    const bool good = !p->ending && p->waiting < p->most && have_thread(p);
    if (good) {
        job->next = NULL;
        if (p->first == NULL)
            p->first = job;
        else
            p->last->next = job;
        p->last = job;
        p->waiting++;
        pthread_cond_signal(&p->come);
    }
    pthread_mutex_unlock(&p->lock);
    return good;
}

void hf_pool_free(hf_pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->come);
    pthread_mutex_unlock(&p->lock);
    for (uint64_t i = 0; i < p->count; i++)
        pthread_join(p->threads[i], NULL);
    for (hf_job *job; (job = next_job(p)) != NULL;)
        job->abandon(job);
    pthread_cond_destroy(&p->come);
    pthread_mutex_destroy(&p->lock);
    hf_free(&p->alloc, p, sizeof *p + (size_t)p->capacity * sizeof p->threads[0]);
}
