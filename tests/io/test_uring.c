/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop on io_uring: all that is asked of sockets over epoll, in both ways the ring can be made, and what only a ring
 * can get wrong: buffers that all sockets share, and operations that outlive their socket.
 */
#define HF_TEST_OTHER_LOOP
/* Their cases run here, too. */
#include "test_endings.c"
#include "test_front.c"
#include "test_loop.c"
#include "test_one_version.c"
#include "test_socket.c"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "uring.h"

static hf_io *new_ring(const hf_env *env, hf_err *err)
{
    return hf_uring_new(env, false, err);
}

static hf_io *new_plain_ring(const hf_env *env, hf_err *err)
{
    return hf_uring_new(env, true, err);
}

/* Many peers whose bytes nobody takes must not keep the shared buffers from the one whose bytes are taken. */
static void sockets_that_read_nothing_do_not_stop_those_that_read(void **state)
{
    (void)state;
    enum { CLIENTS = 100, EACH = 40000 };
    rig r;
    setup(&r);
    r.world.limits.input_bytes = 5000;
    static uint8_t bytes[EACH];
    int fds[CLIENTS];
    for (size_t i = 0; i < EACH; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client_with(&r, 0);
        accepted(&r)->takes = false;
        assert_int_equal(send(fds[i], bytes, EACH, 0), EACH);
    }
    for (int i = 0; i < 50; i++)
        turn(&r, 1);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    for (size_t round = 1; round <= 20; round++) {
        say(fd, "hello");
        UNTIL(&r, s->got_length == 5 * round);
    }
    for (size_t i = 0; i < CLIENTS; i++) { /* and nothing of what waited is lost */
        side *late = &r.sides[i];
        late->takes = true;
        take_all(late);
        pull(&r, late);
        UNTIL(&r, late->got_length == EACH);
        assert_memory_equal(late->got, bytes, EACH);
        close(fds[i]);
    }
    close(fd);
    teardown(&r);
}

/* An owner that does not even pull: its bytes leave the shared buffers all the same. */
static void sockets_that_are_not_pulled_do_not_hold_the_buffers(void **state)
{
    (void)state;
    enum { CLIENTS = 300 };
    rig r;
    setup(&r);
    int fds[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client_with(&r, 0);
        (void)accepted(&r);
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < CLIENTS; i++)
            say(fds[i], "abc");
        for (int i = 0; i < 60; i++) { /* READY is heard and nothing is done about it */
            const size_t n = r.io->ops->wait(r.io, hf_time_make(clock_ns() + HF_MILLISECONDS(1)), r.events, EVENTS);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(r.events[k].kind, HF_IO_READY);
        }
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        pull(&r, &r.sides[i]);
        UNTIL(&r, r.sides[i].got_length == 9);
        assert_memory_equal(r.sides[i].got, "abcabcabc", 9);
        close(fds[i]);
    }
    teardown(&r);
}

/* More arrives at once than there are buffers, and for more sockets than fit into the queue of submissions. */
static void when_buffers_run_out_nothing_is_lost(void **state)
{
    (void)state;
    enum { CLIENTS = 500, EACH = 9000 };
    rig r;
    setup(&r);
    static uint8_t bytes[EACH];
    int fds[CLIENTS];
    for (size_t i = 0; i < EACH; i++)
        bytes[i] = (uint8_t)(i * 13 + i / 256);
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client_with(&r, 0);
        (void)accepted(&r);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(send(fds[i], bytes, EACH, 0), EACH);
    for (size_t i = 0; i < CLIENTS; i += 50) { /* some are freed while they wait for a buffer */
        turn_of(&r, 0, 4);
        drop(&r.sides[i]);
        r.sides[i].got = realloc(r.sides[i].got, EACH);
        memcpy(r.sides[i].got, bytes, EACH);
        r.sides[i].got_length = EACH;
        r.sides[i].ended = true;
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        UNTIL(&r, r.sides[i].got_length == EACH);
        assert_memory_equal(r.sides[i].got, bytes, EACH);
        close(fds[i]);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        UNTIL(&r, r.sides[i].ended);
        if (!r.sides[i].dead)
            assert_int_equal(r.sides[i].ending, HF_ENDING_FIN);
    }
    teardown(&r);
}

/* Connections that come with their first bytes: the receive that is asked for at accept finds no buffer at once. */
static void many_that_come_with_bytes_are_all_heard(void **state)
{
    (void)state;
    enum { CLIENTS = 500 };
    rig r;
    setup(&r);
    int fds[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client_with(&r, 0);
        say(fds[i], "hello");
    }
    UNTIL(&r, r.side_count == CLIENTS);
    for (size_t i = 0; i < CLIENTS; i++) {
        UNTIL(&r, r.sides[i].got_length == 5);
        say(fds[i], "again");
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        UNTIL(&r, r.sides[i].got_length == 10);
        close(fds[i]);
    }
    teardown(&r);
}

/* Sockets come and go on the same descriptors while bytes are on their way: none hears what was said to another. */
static void a_socket_never_hears_what_was_said_to_its_forerunner(void **state)
{
    (void)state;
    enum { ROUNDS = 450 };
    rig r;
    setup(&r);
    for (int i = 0; i < ROUNDS; i++) {
        const int a = client_with(&r, 0);
        side *sa = accepted(&r);
        say(a, "for the first");
        if (i % 3 == 0)
            turn(&r, 0);
        drop(sa); /* its receive is still under way */
        const int b = client_with(&r, 0);
        side *sb = accepted(&r);
        say(b, "second");
        UNTIL(&r, sb->got_length == 6);
        assert_memory_equal(sb->got, "second", 6);
        char byte;
        ssize_t n = -1;
        for (int k = 0; k < 1000 && n < 0; k++) { /* the first client sees the end of its connection */
            n = recv(a, &byte, 1, 0);
            if (n < 0 && errno != EAGAIN)
                n = 0;
            else if (n < 0)
                turn(&r, 1);
        }
        assert_int_equal(n, 0);
        drop(sb);
        close(a);
        close(b);
        free(sb->got);
        free(sa->got);
        memset(sa, 0, 2 * sizeof *sa);
        r.side_count = 0;
        turn(&r, 0);
    }
    teardown(&r);
}

/* A connection is begun and given up before the loop has ever waited, and while its connecting is polled for. */
static void a_connection_may_be_given_up_at_any_moment(void **state)
{
    (void)state;
    for (int turns = 0; turns < 4; turns++) {
        rig r;
        setup(&r);
        side *c = &r.sides[r.side_count++];
        assert_int_equal(r.io->ops->connect(r.io, &r.at, c, &c->pier).code, 0);
        if (turns == 3)
            assert_int_equal(end(c, HF_ENDING_RESET).code, 0);
        for (int i = 0; i < turns; i++)
            turn(&r, 0);
        drop(c);
        const int other = client_with(&r, 0); /* most likely on the same descriptor */
        for (int i = 0; i < 20; i++)
            turn(&r, 1);
        close(other);
        teardown(&r);
    }
}

static void accepted_before_unlisten_and_unreported_are_closed_with_the_loop(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    turn(&r, 0);
    const int fd = client_with(&r, 0);
    const int before = dup(0);
    close(before);
    r.io->ops->unlisten(r.io); /* the kernel has accepted it by now, or has not */
    teardown(&r);
    char byte;
    ssize_t n = -1;
    for (int i = 0; i < 1000 && n != 0; i++) {
        n = recv(fd, &byte, 1, 0);
        if (n < 0 && errno != EAGAIN)
            n = 0;
        const struct timespec moment = { 0, 1000000 };
        nanosleep(&moment, NULL);
    }
    assert_int_equal(n, 0);
    close(fd);
}

typedef struct thread_case {
    rig *r;
    int fd;
} thread_case;

static void *serve_one(void *argument)
{
    thread_case *t = argument;
    side *s = accepted(t->r);
    say(t->fd, "x");
    UNTIL(t->r, s->got_length == 1);
    return NULL;
}

/* As the server does it: made in one thread, run in another, freed in the first when the other has ended. */
static void a_loop_may_be_freed_when_its_thread_has_ended(void **state)
{
    (void)state;
    rig r;
    pthread_t id;
    setup(&r);
    thread_case t = { &r, client_with(&r, 0) };
    assert_int_equal(pthread_create(&id, NULL, serve_one, &t), 0);
    pthread_join(id, NULL);
    teardown(&r);
    fcntl(t.fd, F_SETFL, 0);
    char byte;
    assert_int_equal(recv(t.fd, &byte, 1, 0), 0); /* and its sockets are closed */
    close(t.fd);
}

/* In a process of its own, whose first thread never ran a loop. A receive that waits with a timeout is not begun again
 * by the kernel once it was interrupted. */
static int free_and_receive(void)
{
    for (int i = 0; i < 20; i++) {
        static rig r;
        pthread_t id;
        int pair[2];
        char byte;
        setup(&r);
        thread_case t = { &r, client_with(&r, 0) };
        if (pthread_create(&id, NULL, serve_one, &t) != 0 || pthread_join(id, NULL) != 0)
            return 2;
        teardown(&r);
        close(t.fd);
        const struct timeval patience = { 0, 20000 };
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
            setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
            return 3;
        if (recv(pair[0], &byte, 1, 0) != -1 || errno != EAGAIN)
            return 4;
        close(pair[0]);
        close(pair[1]);
    }
    return 0;
}

static void freeing_a_loop_interrupts_nobody_but_its_thread(void **state)
{
    (void)state;
    int status = -1;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(free_and_receive());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* As in a container whose profile forbids io_uring. In a process of its own. */
static int refuse_ring(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof rules / sizeof *rules, rules };
    hf_test_world w;
    hf_err err = HF_OK;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return 2;
    hf_test_world_init(&w, 1);
    if (hf_uring_new(&w.env, false, &err) != NULL || err.code != HF_ERR_IO_SYSTEM)
        return 3;
    hf_test_world_fini(&w); /* asserts that nothing is held */
    return 0;
}

static void where_the_kernel_refuses_there_is_an_error_and_nothing_is_left(void **state)
{
    (void)state;
    int status = -1;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(refuse_ring());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static const struct CMUnitTest ring_tests[] = {
    cmocka_unit_test(sockets_that_read_nothing_do_not_stop_those_that_read),
    cmocka_unit_test(sockets_that_are_not_pulled_do_not_hold_the_buffers),
    cmocka_unit_test(when_buffers_run_out_nothing_is_lost),
    cmocka_unit_test(many_that_come_with_bytes_are_all_heard),
    cmocka_unit_test(a_socket_never_hears_what_was_said_to_its_forerunner),
    cmocka_unit_test(a_connection_may_be_given_up_at_any_moment),
    cmocka_unit_test(accepted_before_unlisten_and_unreported_are_closed_with_the_loop),
    cmocka_unit_test(a_loop_may_be_freed_when_its_thread_has_ended),
    cmocka_unit_test(freeing_a_loop_interrupts_nobody_but_its_thread),
};

static int use_ring(void **state)
{
    (void)state;
    new_loop = new_ring;
    return 0;
}

static int use_plain_ring(void **state)
{
    (void)state;
    new_loop = new_plain_ring;
    return 0;
}

static void needs_io_uring(void **state)
{
    (void)state;
    hf_test_needs("io_uring (Linux 6.0; not forbidden) and a build with liburing", false);
}

static bool has_ring(void)
{
    hf_test_world w;
    hf_err err;
    hf_test_world_init(&w, 1);
    hf_io *io = hf_uring_new(&w.env, false, &err);
    if (io != NULL)
        io->ops->free(io);
    hf_test_world_fini(&w);
    return io != NULL;
}

int main(void)
{
    enum { SOCKET = HF_COUNT(socket_tests), ENDINGS = HF_COUNT(endings_tests), LOOP = HF_COUNT(loop_tests),
        VERSION = HF_COUNT(one_version_tests), FRONT = HF_COUNT(front_tests), OWN = HF_COUNT(ring_tests),
        ALL = 2 * (SOCKET + ENDINGS + LOOP + VERSION + FRONT + OWN) + 1 };
    static struct CMUnitTest tests[ALL];
    size_t n = 0;
    if (!has_ring()) {
        const struct CMUnitTest none[] = { cmocka_unit_test(needs_io_uring) };
        return cmocka_run_group_tests(none, NULL, NULL);
    }
    for (int plain = 0; plain < 2; plain++) {
        const size_t first = n;
        for (size_t i = 0; i < SOCKET; i++)
            tests[n++] = socket_tests[i];
        for (size_t i = 0; i < ENDINGS; i++)
            tests[n++] = endings_tests[i];
        for (size_t i = 0; i < LOOP; i++)
            tests[n++] = loop_tests[i];
        for (size_t i = 0; i < VERSION; i++)
            tests[n++] = one_version_tests[i];
        for (size_t i = 0; i < FRONT; i++)
            tests[n++] = front_tests[i];
        for (size_t i = 0; i < OWN; i++)
            tests[n++] = ring_tests[i];
        for (size_t i = first; i < n; i++)
            tests[i].setup_func = plain ? use_plain_ring : use_ring;
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(where_the_kernel_refuses_there_is_an_error_and_nothing_is_left);
    return _cmocka_run_group_tests("uring", tests, n, NULL, NULL);
}
