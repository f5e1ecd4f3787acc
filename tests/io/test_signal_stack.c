/* SPDX-License-Identifier: Apache-2.0
 *
 * The stack of a thread's handlers of signals: it takes nothing of the thread's own, handlers run on it, and it goes with the run.
 */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "signal_stack.h"

enum { SMALL = 128 * 1024, DEEP = 32 * 1024 }; /* a thread's stack under `ulimit -s 128`; what a handler may need */

typedef struct seen {
    stack_t stack;
    uintptr_t handler; /* where its frame was */
    uintptr_t thread;
    int below; /* the errno of reading what lies under the stack; 0: it can be read */
} seen;

static seen saw;
static uint8_t own[4 * DEEP]; /* what a thread may have already */

static void handle(int number)
{
    volatile uint8_t deep[DEEP];
    for (size_t i = 0; i < sizeof deep; i += 1024)
        deep[i] = (uint8_t)number;
    saw.handler = (uintptr_t)__builtin_frame_address(0); /* a sanitizer may keep variables elsewhere */
}

static void *look(void *argument)
{
    int wire[2];
    saw.thread = (uintptr_t)__builtin_frame_address(0);
    (void)sigaltstack(NULL, &saw.stack);
    (void)raise(SIGUSR1);
    if ((saw.stack.ss_flags & SS_DISABLE) == 0 && saw.stack.ss_sp != own && pipe(wire) == 0) {
        saw.below = write(wire[1], (const uint8_t *)saw.stack.ss_sp - 1, 1) < 0 ? errno : 0;
        (void)close(wire[0]);
        (void)close(wire[1]);
    }
    return argument;
}

static void *begin(void *argument)
{
    stack_t had;
    (void)sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, &had); /* a sanitizer gives each thread one */
    void *const result = hf_signal_stack_run(look, argument);
    (void)sigaltstack(&had, NULL);
    return result;
}

static void run_in_a_small_thread(void *(*run)(void *argument))
{
    static int word;
    struct sigaction before;
    const struct sigaction on_stack = { .sa_handler = handle, .sa_flags = SA_ONSTACK };
    pthread_attr_t attributes;
    pthread_t id;
    void *result = NULL;
    saw = (seen){ 0 };
    assert_int_equal(sigaction(SIGUSR1, &on_stack, &before), 0);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, SMALL), 0);
    assert_int_equal(pthread_create(&id, &attributes, run, &word), 0);
    assert_int_equal(pthread_join(id, &result), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    assert_ptr_equal(result, &word);
}

static bool is_in_stack(uintptr_t at)
{
    const uintptr_t low = (uintptr_t)saw.stack.ss_sp;
    return at >= low && at < low + saw.stack.ss_size;
}

static void a_thread_with_a_small_stack_has_one_for_signals_beside_it(void **state)
{
    (void)state;
    run_in_a_small_thread(begin);
    assert_int_equal(saw.stack.ss_flags & SS_DISABLE, 0);
    assert_true(is_in_stack(saw.handler));
    assert_false(is_in_stack(saw.thread));
    assert_int_equal(saw.below, EFAULT);
    errno = 0; /* and nothing is left of it */
    assert_int_equal(msync(saw.stack.ss_sp, saw.stack.ss_size, MS_ASYNC), -1);
    assert_int_equal(errno, ENOMEM);
}

static void *begin_with_own(void *argument)
{
    stack_t had, after;
    (void)sigaltstack(&(stack_t){ .ss_sp = own, .ss_size = sizeof own }, &had);
    void *const result = hf_signal_stack_run(look, argument);
    (void)sigaltstack(&had, &after);
    return after.ss_sp == own && (after.ss_flags & SS_DISABLE) == 0 ? result : NULL;
}

static void a_thread_that_has_one_keeps_it(void **state)
{
    (void)state;
    run_in_a_small_thread(begin_with_own);
    assert_ptr_equal(saw.stack.ss_sp, own);
    assert_true(is_in_stack(saw.handler));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_with_a_small_stack_has_one_for_signals_beside_it),
        cmocka_unit_test(a_thread_that_has_one_keeps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
