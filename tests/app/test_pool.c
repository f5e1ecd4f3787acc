/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads for blocking work, and the mailbox through which they tell a loop: with threads.
 */
#include "harness.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "allocator.h"
#include "mailbox.h"
#include "pool.h"

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int worked, abandoned, woken, ran;

static void work(hf_job *job)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    worked++;
    free(job);
}

static void abandon(hf_job *job)
{
    abandoned++;
    free(job);
}

static bool give(hf_pool *p)
{
    hf_job *job = malloc(sizeof *job);
    *job = (hf_job){ .work = work, .abandon = abandon };
    if (hf_pool_give(p, job))
        return true;
    free(job);
    return false;
}

static int begin(void **state)
{
    (void)state;
    worked = abandoned = woken = ran = 0;
    return 0;
}

static void all_work_is_done_or_given_back(void **state)
{
    (void)state;
    hf_pool *p = hf_pool_new(hf_allocator_default(), 4, 1000);
    int given = 0;
    for (int i = 0; i < 500; i++)
        given += give(p);
    assert_int_equal(given, 500);
    hf_pool_free(p);
    assert_int_equal(worked + abandoned, 500);
}

static void limit_blocking_jobs(void **state)
{
    (void)state;
    hf_pool *p = hf_pool_new(hf_allocator_default(), 2, 5);
    pthread_mutex_lock(&gate); /* the threads are busy */
    int given = 0;
    for (int i = 0; i < 50; i++)
        given += give(p);
    assert_in_range(given, 5, 7);
    pthread_mutex_unlock(&gate);
    hf_pool_free(p);
    assert_int_equal(worked + abandoned, given);
}

static void limit_blocking_threads(void **state)
{
    (void)state;
    hf_pool *p = hf_pool_new(hf_allocator_default(), 0, 5);
    assert_false(give(p));
    hf_pool_free(p);
    hf_pool_free(NULL);
}

static void without_memory_there_is_no_pool(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    w.memory.fail_at = 1;
    assert_null(hf_pool_new(&w.env.alloc, 4, 5));
    w.memory.fail_at = w.memory.calls + 1;
    assert_null(hf_mailbox_new(&w.env.alloc, NULL, 5));
    hf_test_world_fini(&w);
}

/* ---- the mailbox -------------------------------------------------------------------------------------------- */

enum { WRITERS = 4, EACH = 2000 };

static void wake(hf_io *io)
{
    (void)io;
    woken++;
}

static void run(hf_message *m)
{
    ran++;
    free(m);
}

static void *write_all(void *argument)
{
    hf_mailbox *b = argument;
    for (int i = 0; i < EACH; i++) {
        hf_message *m = malloc(sizeof *m);
        m->run = run;
        hf_mailbox_post(b, m);
    }
    hf_mailbox_drop(b);
    return NULL;
}

static void what_many_threads_tell_is_heard_once_each(void **state)
{
    (void)state;
    static const hf_io_ops ops = { .wake = wake };
    hf_io io = { &ops };
    pthread_t writers[WRITERS];
    hf_mailbox *b = hf_mailbox_new(hf_allocator_default(), &io, 10);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_all, hf_mailbox_keep(b)), 0);
    while (ran < WRITERS * EACH / 2) {
        hf_mailbox_turn(b);
        sched_yield();
    }
    hf_mailbox_close(b); /* in mid-writing: the rest runs where it is posted */
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    assert_int_equal(ran, WRITERS * EACH);
    assert_in_range(woken, 1, WRITERS * EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_work_is_done_or_given_back, begin),
        cmocka_unit_test_setup(limit_blocking_jobs, begin),
        cmocka_unit_test_setup(limit_blocking_threads, begin),
        cmocka_unit_test_setup(without_memory_there_is_no_pool, begin),
        cmocka_unit_test_setup(what_many_threads_tell_is_heard_once_each, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
