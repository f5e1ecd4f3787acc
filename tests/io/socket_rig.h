/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop with a listener on real loopback, raw clients, and a note of everything that its sockets say.
 */
#ifndef HF_TESTS_IO_SOCKET_RIG_H
#define HF_TESTS_IO_SOCKET_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "epoll.h"
#include "file.h"
#include "random.h"
#include "temp_folder.h"

enum { EVENTS = 256, SIDES = 512, TOKENS = 4096 };

/* The loop under test. test_uring.c runs the same cases over another. */
static hf_io *(*new_loop)(const hf_env *env, hf_err *err) = hf_epoll_new;

/* One end of a connection, as its owner sees it. */
typedef struct side {
    hf_pier pier;
    bool dead;    /* freed: nothing may name it again */
    bool takes;   /* READABLE bytes are taken at once, into `got` */
    size_t opened, readable, writable, ready;
    size_t released;
    uint64_t tokens[TOKENS];
    void (*on_release)(void *context, uint64_t token);
    void *context;
    bool ended;
    hf_ending_kind ending;
    int32_t err;
    hf_step last;
    uint8_t *got;
    size_t got_length, got_capacity;
} side;

typedef struct rig {
    hf_test_world world;
    hf_io *io;
    hf_address at;
    side *sides;
    size_t side_count;
    size_t accept_failed;
    int32_t accept_err;
    size_t woken;
    hf_io_event events[EVENTS];
} rig;

static inline int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void setup(rig *r)
{
    hf_err err;
    memset(r, 0, sizeof *r);
    (void)signal(SIGPIPE, SIG_IGN); /* else no file is lent: hf_may_lend */
    hf_test_world_init(&r->world, 42);
    r->sides = calloc(SIDES, sizeof *r->sides);
    r->io = new_loop(&r->world.env, &err);
    assert_non_null(r->io);
    hf_address at = { .family = 4, .ip = { 127, 0, 0, 1 } };
    const int fd = hf_listen_socket(&at, &err);
    assert_true(fd >= 0);
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    hf_address_from_kernel(&own, &r->at);
    assert_int_equal(r->io->ops->listen(r->io, &r->at, fd, r).code, 0);
    close(fd); /* the loop has its own */
}

static inline void drop(side *s)
{
    if (s->pier.self != NULL && !s->dead)
        s->pier.ops->free(s->pier.self);
    s->dead = true;
}

static inline void teardown(rig *r)
{
    for (size_t i = 0; i < r->side_count; i++) {
        drop(&r->sides[i]);
        free(r->sides[i].got);
    }
    r->io->ops->free(r->io);
    free(r->sides);
    hf_test_world_fini(&r->world);
}

static inline void take_all(side *s)
{
    const hf_span held = s->pier.ops->peek(s->pier.self, 0);
    if (s->got_length + held.len > s->got_capacity) {
        s->got_capacity = 2 * (s->got_length + held.len);
        s->got = realloc(s->got, s->got_capacity);
    }
    if (held.len > 0)
        memcpy(s->got + s->got_length, held.ptr, held.len);
    s->got_length += held.len;
    s->pier.ops->take(s->pier.self, 0, held.len);
}

static inline void pull(rig *r, side *s)
{
    hf_pier_event e;
    while ((s->last = s->pier.ops->event(s->pier.self, r->io->ops->now(r->io), &e)) == HF_EVENT)
        switch (e.kind) {
        case HF_PIER_OPENED: s->opened++; break;
        case HF_PIER_READABLE:
            s->readable++;
            if (s->takes)
                take_all(s);
            break;
        case HF_PIER_WRITABLE: s->writable++; break;
        case HF_PIER_RELEASED:
            assert_true(s->released < TOKENS);
            s->tokens[s->released++] = e.token;
            if (s->on_release != NULL)
                s->on_release(s->context, e.token);
            break;
        case HF_PIER_ENDED:
            assert_false(s->ended);
            s->ended = true;
            s->ending = e.ending.kind;
            s->err = e.err.code;
            break;
        default: fail_msg("event %d of a socket", e.kind);
        }
}

/* One wait of at most `ms`; returns what it yielded. */
static inline size_t turn_of(rig *r, int64_t ms, size_t capacity)
{
    const size_t n = r->io->ops->wait(r->io, hf_time_make(clock_ns() + HF_MILLISECONDS(ms)), r->events, capacity);
    for (size_t i = 0; i < n; i++) {
        const hf_io_event *e = &r->events[i];
        side *s = e->owner;
        switch (e->kind) {
        case HF_IO_ACCEPTED:
            assert_ptr_equal(e->owner, r);
            assert_true(r->side_count < SIDES);
            s = &r->sides[r->side_count++];
            s->pier = e->pier;
            s->takes = true;
            assert_int_equal(e->peer.family, 4);
            assert_int_equal(e->local.port, r->at.port);
            r->io->ops->own(r->io, e->pier, s);
            break;
        case HF_IO_ACCEPT_FAILED:
            r->accept_failed++;
            r->accept_err = e->err.code;
            break;
        case HF_IO_READY:
            assert_false(s->dead);
            s->ready++;
            pull(r, s);
            break;
        case HF_IO_READABLE:
        case HF_IO_WOKEN: r->woken++; break;
        }
    }
    return n;
}

static inline size_t turn(rig *r, int64_t ms)
{
    return turn_of(r, ms, EVENTS);
}

static inline int client_with(const rig *r, int receive_buffer)
{
    struct sockaddr_storage to;
    const socklen_t size = hf_address_to_kernel(&r->at, &to);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, size), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline side *accepted(rig *r)
{
    const size_t before = r->side_count;
    for (int i = 0; i < 1000 && r->side_count == before; i++)
        turn(r, 5);
    assert_int_equal(r->side_count, before + 1);
    return &r->sides[before];
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Turns until `claim`, for at most five seconds. */
#define UNTIL(r, claim) \
    for (int64_t end_ = clock_ns() + HF_SECONDS(5); !(claim) && clock_ns() < end_;) \
        turn((r), 5); \
    assert_true(claim)

static inline uint64_t put(side *s, const hf_extent *e, size_t count)
{
    return s->pier.ops->put(s->pier.self, 0, e, count);
}

static inline hf_err end(side *s, hf_ending_kind kind)
{
    return s->pier.ops->end(s->pier.self, 0, (hf_ending){ kind, 0 });
}

/* Everything the client can read until the stream ends; turns meanwhile. Returns 0 for FIN, else errno. */
static inline int read_to_end(rig *r, int fd, uint8_t *to, size_t capacity, size_t *length)
{
    *length = 0;
    for (const int64_t until = clock_ns() + HF_SECONDS(20); clock_ns() < until;) {
        const ssize_t n = recv(fd, to + *length, capacity - *length, 0);
        if (n == 0 && *length < capacity)
            return 0;
        if (n > 0)
            *length += (size_t)n;
        else if (n < 0 && errno != EAGAIN)
            return errno;
        else
            turn(r, 1);
        assert_true(*length < capacity);
    }
    fail_msg("the stream did not end");
    return -1;
}

#endif
