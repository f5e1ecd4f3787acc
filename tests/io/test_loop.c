/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop itself: descriptors, wake-ups, listeners, memory.
 */
#include "socket_rig.h"

#include <signal.h>

/* ---- the loop ----------------------------------------------------------------------------------------------- */

/* In a process of its own, because the limit is the process's. Exit status 0: as it should be. */
static int run_out_of_descriptors(void)
{
    enum { CLIENTS = 6, FREE = 2 };
    static rig r;
    setup(&r);
    int fds[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        fds[i] = client_with(&r, 0);
    const int next = dup(0);
    close(next);
    const struct rlimit few = { (rlim_t)next + FREE, (rlim_t)next + FREE };
    if (setrlimit(RLIMIT_NOFILE, &few) != 0)
        return 2;
    const int64_t began = clock_ns();
    size_t turns = 0;
    while (clock_ns() - began < HF_MILLISECONDS(300)) {
        turn(&r, 300);
        turns++;
    }
    if (r.side_count != FREE || r.accept_failed == 0 || r.accept_err != HF_ERR_IO_DESCRIPTORS)
        return 3;
    if (turns > 20) /* it rests between its tries */
        return 4;
    drop(&r.sides[0]);
    drop(&r.sides[1]);
    for (int i = 0; i < 100 && r.side_count < 2 * FREE; i++)
        turn(&r, 10);
    if (r.side_count != 2 * FREE) /* the next ones waited in the backlog: none was refused */
        return 5;
    for (size_t i = 0; i < CLIENTS; i++)
        close(fds[i]);
    teardown(&r);
    return 0;
}

static void without_descriptors_the_listener_rests_and_recovers(void **state)
{
    (void)state;
    int status = -1;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_out_of_descriptors());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void sockets_freed_while_their_events_wait_are_never_named_again(void **state)
{
    (void)state;
    enum { CLIENTS = 200, FEW = 66 };
    rig r;
    setup(&r);
    int fds[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client_with(&r, 0);
        (void)accepted(&r);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        say(fds[i], "x");
    struct timespec moment = { 0, 50000000 };
    nanosleep(&moment, NULL);
    const size_t n = turn_of(&r, 100, FEW); /* the loop has seen more than it has passed on */
    assert_true(n > 0 && n <= FEW);
    size_t said = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        said += r.sides[i].ready > 0;
        if (i % 2 == 0)
            drop(&r.sides[i]); /* turn_of asserts that none of these comes back */
    }
    assert_true(said < CLIENTS);
    for (int i = 0; i < 20; i++)
        turn_of(&r, 5, FEW);
    for (size_t i = 1; i < CLIENTS; i += 2)
        assert_int_equal(r.sides[i].got_length, 1);
    for (size_t i = 0; i < CLIENTS; i++)
        close(fds[i]);
    for (int i = 0; i < 20; i++)
        turn_of(&r, 5, FEW);
    for (size_t i = 1; i < CLIENTS; i += 2)
        assert_true(r.sides[i].ended);
    teardown(&r);
}

/* The process that waited for connections, and is killed. Its end of the pipe says when it waits. */
static pid_t waiter(const hf_address *at, int listener, int ready)
{
    const pid_t pid = fork();
    if (pid != 0)
        return pid;
    hf_test_world world;
    hf_err err;
    hf_io_event events[EVENTS];
    hf_test_world_init(&world, 1);
    hf_io *io = new_loop(&world.env, &err);
    if (io == NULL || io->ops->listen(io, at, listener, NULL).code != 0)
        _exit(1);
    (void)io->ops->wait(io, hf_time_make(0), events, EVENTS);
    if (write(ready, "x", 1) != 1)
        _exit(1);
    (void)io->ops->wait(io, HF_NEVER, events, EVENTS);
    _exit(0);
}

static int listen_anywhere(hf_address *at)
{
    hf_err err;
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    *at = (hf_address){ .family = 4, .ip = { 127, 0, 0, 1 } };
    const int fd = hf_listen_socket(at, &err);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    hf_address_from_kernel(&own, at);
    return fd;
}

/* The kernel tears down a ring behind its process's end, and may wake the dead one alone for a connection that comes meanwhile. */
static void a_connection_is_accepted_though_who_waited_for_it_before_was_killed(void **state)
{
    (void)state;
    enum { ROUNDS = 12 };
    for (int round = 0; round < ROUNDS; round++) {
        rig r;
        int ready[2];
        uint8_t said;
        hf_address at;
        setup(&r); /* there is no time for it later */
        const int listener = listen_anywhere(&at);
        assert_int_equal(pipe(ready), 0);
        const pid_t before = waiter(&at, listener, ready[1]);
        close(ready[1]); /* a waiter that fails is noticed, then */
        assert_true(before > 0 && read(ready[0], &said, 1) == 1);
        assert_int_equal(kill(before, SIGKILL), 0);
        assert_int_equal(waitpid(before, NULL, 0), before);
        r.at = at;
        assert_int_equal(r.io->ops->listen(r.io, &at, listener, &r).code, 0);
        turn(&r, 0);
        const int fd = client_with(&r, 0);
        (void)accepted(&r);
        const int fds[] = { fd, listener, ready[0] };
        for (size_t i = 0; i < HF_COUNT(fds); i++)
            close(fds[i]);
        teardown(&r);
    }
}

static void *wake_later(void *io)
{
    const struct timespec moment = { 0, 30000000 };
    nanosleep(&moment, NULL);
    ((hf_io *)io)->ops->wake(io);
    return NULL;
}

static void another_thread_can_wake_the_loop(void **state)
{
    (void)state;
    rig r;
    pthread_t id;
    setup(&r);
    assert_int_equal(pthread_create(&id, NULL, wake_later, r.io), 0);
    const int64_t began = clock_ns();
    turn(&r, 5000);
    assert_int_equal(r.woken, 1);
    assert_true(clock_ns() - began < HF_SECONDS(4));
    pthread_join(id, NULL);
    for (int i = 0; i < 3; i++)
        r.io->ops->wake(r.io); /* before anybody waits: remembered, once */
    turn(&r, 0);
    turn(&r, 0);
    assert_int_equal(r.woken, 2);
    teardown(&r);
}

static void after_unlisten_nobody_new_comes_and_who_is_there_stays(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    r.io->ops->unlisten(r.io);
    struct sockaddr_storage to;
    const socklen_t size = hf_address_to_kernel(&r.at, &to);
    const int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&to, size), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(late);
    say(fd, "still here");
    UNTIL(&r, s->got_length == 10);
    r.io->ops->unlisten(r.io); /* twice is fine */
    close(fd);
    teardown(&r);
}

static void an_idle_loop_sleeps_until_the_time_it_was_told(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    side *s = accepted(&r);
    say(fd, "x");
    UNTIL(&r, s->got_length == 1);
    for (int i = 0; i < 3; i++) {
        const int64_t began = clock_ns();
        const hf_time until = hf_time_make(began + HF_MILLISECONDS(40));
        assert_int_equal(r.io->ops->wait(r.io, until, r.events, EVENTS), 0);
        assert_false(hf_time_before(r.io->ops->now(r.io), until)); /* never early: timers would spin */
        assert_true(clock_ns() - began < HF_MILLISECONDS(1000));
    }
    close(fd);
    teardown(&r);
}

static void wrong_addresses_to_listen_on_are_named(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    hf_err err;
    const hf_address elsewhere = { .family = 4, .ip = { 192, 0, 2, 1 } };
    assert_int_equal(hf_listen_socket(&r.at, &err), -1);
    assert_int_equal(err.code, HF_ERR_IO_ADDRESS_IN_USE);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(hf_listen_socket(&elsewhere, &err), -1);
    assert_int_equal(err.code, HF_ERR_IO_ADDRESS_UNAVAILABLE);
    assert_int_equal(r.io->ops->listen(r.io, &r.at, -1, NULL).code, HF_ERR_IO_ADDRESS_IN_USE);
    teardown(&r);
}

static void no_descriptor_survives_an_exec(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int fd = client_with(&r, 0);
    (void)accepted(&r);
    for (int i = 3; i < 256; i++) {
        struct sockaddr_storage a;
        socklen_t size = sizeof a;
        if (i != fd && getsockname(i, (struct sockaddr *)&a, &size) == 0 && a.ss_family == AF_INET)
            assert_true(fcntl(i, F_GETFD) & FD_CLOEXEC);
    }
    close(fd);
    teardown(&r);
}

/* One connection with everything in it; any allocation may fail. Returns false when all went well. */
static bool with_failure(size_t at)
{
    enum { ALL = 9 << 20 };
    rig r;
    setup(&r);
    uint8_t *big = calloc(1, ALL);
    const int fd = client_with(&r, 20000);
    r.world.memory.fail_at = r.world.memory.calls + at;
    const size_t last = r.world.memory.fail_at;
    for (int i = 0; i < 100 && r.side_count == 0 && r.accept_failed == 0; i++)
        turn(&r, 5);
    if (r.side_count == 1) {
        side *s = &r.sides[0];
        s->takes = false;
        const hf_extent e[] = { { .kind = HF_EXTENT_COPIED, .token = 1, .bytes = hf_bytes_make(big, ALL / 2) },
            { .kind = HF_EXTENT_LENT, .token = 2, .bytes = hf_bytes_make(big, ALL / 2) },
            { .kind = HF_EXTENT_COPIED, .token = 3, .bytes = hf_bytes_make(big, 1000) } };
        say(fd, "some");
        for (int i = 0; i < 100 && s->readable == 0 && !s->ended; i++)
            turn(&r, 5);
        say(fd, "more");
        for (int i = 0; i < 100 && s->readable == 1 && !s->ended; i++)
            turn(&r, 5);
        (void)put(s, e, 3);
        pull(&r, s);
        uint8_t block[65536];
        for (int i = 0; i < 100000 && s->released < 3 && !s->ended; i++)
            turn(&r, recv(fd, block, sizeof block, 0) > 0 ? 0 : 1);
        assert_true(s->ended ? s->err == HF_ERR_BASE_MEMORY : s->released == 3);
    }
    const bool failed = r.world.memory.calls >= last;
    close(fd);
    teardown(&r);
    free(big);
    return failed;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    size_t n = 1;
    while (with_failure(n))
        n++;
    assert_true(n > 4);
}

static void a_loop_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 2; n++) {
        hf_test_world w;
        hf_err err;
        hf_test_world_init(&w, 1);
        w.memory.fail_at = n;
        assert_null(new_loop(&w.env, &err));
        assert_int_equal(err.code, HF_ERR_BASE_MEMORY);
        hf_test_world_fini(&w);
    }
}

static const struct CMUnitTest loop_tests[] = {
    cmocka_unit_test(without_descriptors_the_listener_rests_and_recovers),
    cmocka_unit_test(sockets_freed_while_their_events_wait_are_never_named_again),
    cmocka_unit_test(a_connection_is_accepted_though_who_waited_for_it_before_was_killed),
    cmocka_unit_test(another_thread_can_wake_the_loop),
    cmocka_unit_test(after_unlisten_nobody_new_comes_and_who_is_there_stays),
    cmocka_unit_test(an_idle_loop_sleeps_until_the_time_it_was_told),
    cmocka_unit_test(wrong_addresses_to_listen_on_are_named),
    cmocka_unit_test(no_descriptor_survives_an_exec),
    cmocka_unit_test(any_allocation_may_fail),
    cmocka_unit_test(a_loop_that_cannot_be_made_leaves_nothing),
};

#ifndef HF_TEST_OTHER_LOOP
int main(void)
{
    return cmocka_run_group_tests(loop_tests, NULL, NULL);
}
#endif
