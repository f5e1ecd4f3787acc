/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread's mask is its creator's: it is changed around the creation, for then no signal finds the new thread without it.
 */
#include "thread.h"

#include <errno.h>
#include <signal.h>

#include "alloc.h"
#include "allocator.h"
#include "signal_stack.h"

/* What a thread is to do, as it is handed to it. */
typedef struct task {
    void *(*run)(void *argument);
    void *argument;
} task;

static void *begin(void *what)
{
    const task t = *(task *)what;
    hf_free(hf_allocator_default(), what, sizeof t);
    return hf_signal_stack_run(t.run, t.argument);
}

int hf_thread_start(pthread_t *id, void *(*run)(void *argument), void *argument)
{
    /* These come from the thread itself, by what it does wrong: blocked, they would end the process unheard. */
    static const int own[] = { SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    sigset_t all, before;
    task *const t = hf_alloc(hf_allocator_default(), sizeof *t);
    if (t == NULL)
        return ENOMEM;
    *t = (task){ run, argument };
    sigfillset(&all);
    for (size_t i = 0; i < HF_COUNT(own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(id, NULL, begin, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        hf_free(hf_allocator_default(), t, sizeof *t);
    return error;
}
