/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens when an invariant of our own does not hold.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "panic.h"
#include "queue.h"

/* Runs `act` in a child that must abort, and gives what it said on stderr. */
static void assert_panics(void (*act)(void), char *said, size_t capacity)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        dup2(ends[1], 2);
        act();
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n + 1 < capacity && (got = read(ends[0], said + n, capacity - 1 - n)) > 0;)
        n += (size_t)got;
    said[n] = 0;
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void claim_falsely(void)
{
    HF_ASSERT(1 + 1 == 3);
}

static void claim_truly(void)
{
    HF_ASSERT(1 + 1 == 2);
    hf_panic("some/file.c", 42, "told so");
}

static void take_from_nothing(void)
{
    hf_queue q = { 0 };
    hf_queue_take(&q, 1);
}

static void a_broken_claim_is_printed_and_aborts(void **state)
{
    (void)state;
    char said[4096];
    assert_panics(claim_falsely, said, sizeof said);
    assert_non_null(strstr(said, "handfast: assertion failed: 1 + 1 == 3 ("));
    assert_non_null(strstr(said, "test_panic.c:"));
    assert_panics(claim_truly, said, sizeof said);
    assert_non_null(strstr(said, "handfast: assertion failed: told so (some/file.c:42)\n"));
}

static void taking_more_than_is_held_is_a_broken_claim(void **state)
{
    (void)state;
    char said[4096];
    assert_panics(take_from_nothing, said, sizeof said);
    assert_non_null(strstr(said, "queue.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_claim_is_printed_and_aborts),
        cmocka_unit_test(taking_more_than_is_held_is_a_broken_claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
