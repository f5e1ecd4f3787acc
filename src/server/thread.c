/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread's mask is its creator's: it is changed around the creation, for then no signal finds the new thread without it.
 */
#include "thread.h"

#include <signal.h>

#include <handfast/base.h>

int hf_thread_start(pthread_t *id, void *(*run)(void *argument), void *argument)
{
    /* These come from the thread itself, by what it does wrong: blocked, they would end the process unheard. */
    static const int own[] = { SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < HF_COUNT(own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(id, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}
