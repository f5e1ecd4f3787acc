/* SPDX-License-Identifier: Apache-2.0
 *
 * Which signals a thread of the server takes: those that it causes itself, and no other.
 */
#include "thread.h"

#include <signal.h>

#include "harness.h"

static void *look(void *mask)
{
    pthread_sigmask(SIG_SETMASK, NULL, mask);
    return NULL;
}

static void a_thread_takes_only_what_it_causes(void **state)
{
    (void)state;
    sigset_t before, theirs, after;
    pthread_t id;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(hf_thread_start(&id, look, &theirs), 0);
    pthread_join(id, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    static const int others[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, SIGPIPE }, own[] = { SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    for (size_t i = 0; i < HF_COUNT(others); i++) {
        assert_true(sigismember(&theirs, others[i]));
        assert_int_equal(sigismember(&after, others[i]), sigismember(&before, others[i]));
    }
    for (size_t i = 0; i < HF_COUNT(own); i++)
        assert_false(sigismember(&theirs, own[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_thread_takes_only_what_it_causes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
