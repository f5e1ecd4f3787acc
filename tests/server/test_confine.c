/* SPDX-License-Identifier: Apache-2.0
 *
 * What the serving process may ask of the kernel, tried in children: one that asks for more ends, and says what it was.
 */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "serving_confine.h"

static hf_refused_call *page;

static bool is_confined_here(void)
{
    const pid_t child = fork();
    int status;
    if (child == 0) {
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(hf_serving_confine(page) == NULL ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Runs `what` in a confined child. Its exit status, and in *refused the call that it ended by; -1: none. */
static int run_confined(int (*what)(void), int *refused)
{
    int status;
    atomic_store(page, 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(hf_serving_confine(page) == NULL ? what() : 99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    *refused = atomic_load(page) - 1;
    return WEXITSTATUS(status);
}

#define NEEDS_SECCOMP() hf_test_needs("seccomp, and a build without sanitizers", is_confined_here())

static int start_a_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return 1;
}
static int start_a_process(void)
{
    return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) != 0;
}
static int look_into_another(void)
{
    return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}
static int become_another(void)
{
    return (int)syscall(SYS_setuid, 0);
}
static int kill_another(void)
{
    return kill(getppid(), 0);
}

static void who_asks_for_more_is_ended_and_says_what_it_was(void **state)
{
    (void)state;
    static const struct {
        int (*what)(void);
        int call;
        const char *name;
    } cases[] = { { start_a_program, SYS_execve, "execve" }, { start_a_process, SYS_clone, "clone" },
        { look_into_another, SYS_ptrace, "ptrace" }, { become_another, SYS_setuid, "setuid" }, { kill_another, SYS_kill, "kill" } };
    NEEDS_SECCOMP();
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        int refused;
        char room[32];
        assert_int_equal(run_confined(cases[i].what, &refused), 128 + SIGSYS);
        assert_int_equal(refused, cases[i].call);
        assert_string_equal(hf_call_name(refused, room, sizeof room), cases[i].name);
    }
}

static void *in_a_thread(void *argument)
{
    *(int *)argument = 7;
    return NULL;
}

static int do_what_servers_do(void)
{
    int word = 0, pair[2];
    char text[16] = { 0 };
    pthread_t thread;
    if (pthread_create(&thread, NULL, in_a_thread, &word) != 0 || pthread_join(thread, NULL) != 0 || word != 7)
        return 1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || write(pair[0], "x", 1) != 1 || read(pair[1], text, sizeof text) != 1)
        return 2;
    FILE *f = fopen("/proc/self/comm", "r");
    if (f == NULL || fgets(text, sizeof text, f) == NULL || fclose(f) != 0)
        return 3;
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ) != 0)
        return 4;
    if (mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0 || errno != EACCES)
        return 5;
    if (socket(AF_INET, SOCK_STREAM, 0) < 0 || socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT)
        return 6;
    if (syscall(999999) != -1 || errno != ENOSYS) /* what a newer libc tries first */
        return 7;
    return 0;
}

static void what_servers_do_is_allowed(void **state)
{
    int refused;
    (void)state;
    NEEDS_SECCOMP();
    assert_int_equal(run_confined(do_what_servers_do, &refused), 0);
    assert_int_equal(refused, -1);
}

static void where_sanitizers_are_built_in_it_says_so(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    assert_non_null(strstr(hf_serving_confine(page), "sanitizers"));
#endif
    char room[32];
    assert_string_equal(hf_call_name(54321, room, sizeof room), "call 54321");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_for_more_is_ended_and_says_what_it_was),
        cmocka_unit_test(what_servers_do_is_allowed),
        cmocka_unit_test(where_sanitizers_are_built_in_it_says_so),
    };
    page = hf_refused_call_new();
    return page != NULL ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
