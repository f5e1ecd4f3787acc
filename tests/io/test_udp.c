/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP sockets of the kernel: batches out and in, marks, addresses; and the loops that watch them.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "epoll.h"
#include "udp.h"
#include "uring.h"

static hf_test_world w;
static uint8_t room[HF_UDP_ROOM];

static hf_udp *bound(const char *host, hf_address *at)
{
    hf_err err;
    assert_true(hf_address_parse(hf_text(host), 0, at));
    const int fd = hf_udp_socket(at, &err);
    hf_test_needs(at->family == 6 ? "ipv6" : "loopback", fd >= 0);
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    hf_address_from_kernel(&own, at);
    hf_udp *const u = hf_udp_new(&w.env, fd, at);
    assert_non_null(u);
    return u;
}

static hf_time soon(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec + HF_SECONDS(10));
}

/* Receives until `bytes` have come; checks that they are the pattern, in order; returns how many datagrams they were. */
static size_t receive(hf_udp *u, size_t bytes, const hf_address *from, uint8_t ecn)
{
    hf_udp_datagram some[HF_UDP_BATCH];
    size_t got = 0, datagrams = 0;
    hf_time until = soon();
    while (got < bytes) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        assert_true((int64_t)t.tv_sec * 1000000000 + t.tv_nsec < until.ns);
        const size_t n = hf_udp_receive(u, (hf_span){ room, sizeof room }, some);
        for (size_t i = 0; i < n; i++) {
            const hf_udp_datagram *const d = &some[i];
            assert_true(hf_address_same(&d->remote, from));
            assert_true(hf_address_same_host(&d->local, hf_udp_address(u)));
            assert_int_equal(d->local.port, hf_udp_address(u)->port);
            assert_int_equal(d->ecn, ecn);
            for (size_t k = 0; k < d->bytes.len; k++)
                assert_int_equal(d->bytes.ptr[k], (uint8_t)((got + k) * 7));
            datagrams += d->segment > 0 ? (d->bytes.len + d->segment - 1) / d->segment : 1;
            got += d->bytes.len;
        }
    }
    assert_int_equal(got, bytes);
    return datagrams;
}

static void exchange(const char *host)
{
    static uint8_t bytes[48 * 1200 + 77];
    hf_address here, there;
    hf_test_world_init(&w, 1);
    hf_udp *const a = bound(host, &here), *const b = bound(host, &there);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    const hf_udp_datagram one = { .local = here, .remote = there, .ecn = 2, .bytes = { bytes, 1200 } };
    assert_int_equal(hf_udp_send(a, &one), HF_UDP_SENT);
    assert_int_equal(receive(b, 1200, &here, 2), 1);
    /* as one batch: 48 of 1200 bytes, and a rest */
    const hf_udp_datagram many = { .local = here, .remote = there, .segment = 1200, .bytes = { bytes, sizeof bytes } };
    assert_int_equal(hf_udp_send(a, &many), HF_UDP_SENT);
    assert_int_equal(receive(b, sizeof bytes, &here, 0), 49);
    hf_udp_counts counts;
    hf_udp_count(a, &counts);
    assert_int_equal(counts.datagrams_out, 50);
    assert_true(!counts.splits || counts.calls_send == 2);
    assert_int_equal(hf_udp_receive(b, (hf_span){ room, sizeof room }, (hf_udp_datagram[HF_UDP_BATCH]){ 0 }), 0);
    hf_udp_free(a);
    hf_udp_free(b);
    hf_test_world_fini(&w);
}

static void batches_arrive_with_addresses_and_marks(void **state)
{
    (void)state;
    exchange("127.0.0.1");
}

static void batches_arrive_over_ipv6(void **state)
{
    (void)state;
    exchange("::1");
}

static void what_is_too_long_for_the_path_is_said_to_be(void **state)
{
    (void)state;
    static uint8_t bytes[65508]; /* more than UDP over IPv4 can carry */
    hf_address here, there;
    hf_test_world_init(&w, 1);
    hf_udp *const a = bound("127.0.0.1", &here), *const b = bound("127.0.0.1", &there);
    const hf_udp_datagram d = { .local = here, .remote = there, .bytes = { bytes, sizeof bytes } };
    assert_int_equal(hf_udp_send(a, &d), HF_UDP_TOO_LONG);
    hf_udp_free(a);
    hf_udp_free(b);
    hf_test_world_fini(&w);
}

static void two_sockets_share_an_address(void **state)
{
    (void)state;
    hf_address at, other;
    hf_err err;
    hf_test_world_init(&w, 1);
    hf_udp *const a = bound("127.0.0.1", &at);
    const int second = hf_udp_socket(&at, &err);
    assert_true(second >= 0);
    hf_udp *const b = hf_udp_new(&w.env, second, &at), *const from = bound("127.0.0.1", &other);
    uint8_t bytes[1] = { 0 };
    const hf_udp_datagram d = { .local = other, .remote = at, .bytes = { bytes, 1 } };
    assert_int_equal(hf_udp_send(from, &d), HF_UDP_SENT);
    hf_udp_datagram some[HF_UDP_BATCH];
    const hf_time until = soon();
    size_t n = 0;
    for (struct timespec t = { 0 }; n == 0 && (int64_t)t.tv_sec * 1000000000 + t.tv_nsec < until.ns; clock_gettime(CLOCK_MONOTONIC, &t))
        n = hf_udp_receive(a, (hf_span){ room, sizeof room }, some) + hf_udp_receive(b, (hf_span){ room, sizeof room }, some);
    assert_int_equal(n, 1); /* one of them has it */
    hf_udp_free(a);
    hf_udp_free(b);
    hf_udp_free(from);
    hf_test_world_fini(&w);
}

/* A loop tells of a descriptor as long as there is something to read, and not once it is unwatched. */
static void watch(hf_io *io)
{
    hf_address here, there;
    hf_io_event events[128];
    hf_udp *const a = bound("127.0.0.1", &here), *const b = bound("127.0.0.1", &there);
    uint8_t bytes[1] = { 0 };
    const hf_udp_datagram d = { .local = here, .remote = there, .bytes = { bytes, 1 } };
    assert_int_equal(io->ops->watch(io, hf_udp_descriptor(b), b).code, 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(hf_udp_send(a, &d), HF_UDP_SENT);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(io->ops->wait(io, soon(), events, 128), 1);
            assert_int_equal(events[0].kind, HF_IO_READABLE);
            assert_ptr_equal(events[0].owner, b);
        }
        hf_udp_datagram some[HF_UDP_BATCH];
        assert_int_equal(hf_udp_receive(b, (hf_span){ room, sizeof room }, some), 1);
        while (io->ops->wait(io, hf_time_make(0), events, 128) > 0) /* a ring may have seen it before it was read */
            ;
    }
    assert_int_equal(hf_udp_send(a, &d), HF_UDP_SENT);
    io->ops->unwatch(io, hf_udp_descriptor(b));
    io->ops->wake(io);
    for (bool woken = false; !woken;) {
        const size_t n = io->ops->wait(io, soon(), events, 128);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(events[i].kind, HF_IO_WOKEN);
            woken = true;
        }
    }
    hf_udp_free(a);
    hf_udp_free(b);
}

/* As many as a client of HTTP/3 has lines; each can go while it has something to tell. */
static void epoll_watches_any_number_of_descriptors(void **state)
{
    enum { MANY = 300 };
    static int wires[MANY][2];
    static hf_io_event events[MANY + 8];
    (void)state;
    hf_err err;
    hf_test_world_init(&w, 1);
    hf_io *const io = hf_epoll_new(&w.env, &err);
    assert_non_null(io);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(pipe(wires[i]), 0);
        assert_int_equal(io->ops->watch(io, wires[i][0], wires[i]).code, 0);
        assert_int_equal(write(wires[i][1], "x", 1), 1);
    }
    size_t told = 0;
    bool heard[MANY] = { false };
    for (int turn = 0; turn < 1000 && told < MANY; turn++) {
        const size_t n = io->ops->wait(io, soon(), events, HF_COUNT(events));
        for (size_t k = 0; k < n; k++) {
            const size_t i = (size_t)((int(*)[2])events[k].owner - wires);
            char byte;
            assert_false(heard[i]);
            heard[i] = true;
            told++;
            assert_int_equal(read(wires[i][0], &byte, 1), 1);
            if (i % 2 == 0)
                io->ops->unwatch(io, wires[i][0]);
        }
    }
    assert_int_equal(told, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(write(wires[i][1], "x", 1), 1);
    /* One event of a batch takes others' watches away before they are told. */
    const size_t n = io->ops->wait(io, soon(), events, 70);
    assert_true(n > 0 && n <= 70);
    for (int i = 1; i < MANY; i += 2)
        io->ops->unwatch(io, wires[i][0]);
    assert_int_equal(io->ops->wait(io, hf_time_make(0), events, 70), 0);
    for (int i = 0; i < MANY; i++) {
        close(wires[i][0]);
        close(wires[i][1]);
    }
    io->ops->free(io);
    hf_test_world_fini(&w);
}

static void epoll_watches_descriptors(void **state)
{
    (void)state;
    hf_err err;
    hf_test_world_init(&w, 1);
    hf_io *const io = hf_epoll_new(&w.env, &err);
    assert_non_null(io);
    watch(io);
    io->ops->free(io);
    hf_test_world_fini(&w);
}

static void a_ring_watches_descriptors(void **state)
{
    (void)state;
    hf_err err;
    hf_test_world_init(&w, 1);
    hf_io *const io = hf_uring_new(&w.env, false, &err);
    if (io == NULL)
        hf_test_world_fini(&w);
    hf_test_needs("io_uring", io != NULL);
    watch(io);
    io->ops->free(io);
    hf_test_world_fini(&w);
}

static void ports_that_the_system_chooses_are_nobody_elses(void **state)
{
    (void)state;
    enum { SOCKETS = 500 };
    static bool seen[65536];
    int fds[SOCKETS];
    size_t n = 0;
    const hf_address any = { .family = 4, .ip = { 127, 0, 0, 1 } };
    for (hf_err err = HF_OK; n < SOCKETS && (fds[n] = hf_udp_socket(&any, &err)) >= 0; n++) {
        struct sockaddr_in name;
        socklen_t size = sizeof name;
        assert_int_equal(getsockname(fds[n], (struct sockaddr *)&name, &size), 0);
        assert_false(seen[name.sin_port]);
        seen[name.sin_port] = true;
    }
    assert_true(n > 100); /* fewer descriptors than that has nobody */
    while (n > 0)
        close(fds[--n]);
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_that_the_system_chooses_are_nobody_elses),
        T(batches_arrive_with_addresses_and_marks), T(batches_arrive_over_ipv6), T(what_is_too_long_for_the_path_is_said_to_be),
        T(two_sockets_share_an_address), T(epoll_watches_descriptors), T(epoll_watches_any_number_of_descriptors), T(a_ring_watches_descriptors),
    };
    return cmocka_run_group_tests_name("io_udp", tests, NULL, NULL);
}
