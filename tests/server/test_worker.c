/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop thread's connections on real loopback TCP: the limits that it keeps, and how it ends. The worker runs in the
 * test's own thread, one turn at a time.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <handfast/realtime.h>

#include "address.h"
#include "alloc.h"
#include "epoll.h"
#include "harness.h"

enum { BIG = 12 << 20 };

typedef struct rig {
    hf_test_world world;
    hf_io *io;
    hf_address at;
    hf_router *router;
    hf_app app;
    hf_worker_config config;
    hf_allocator_counted counted;
    hf_worker *worker;
    uint8_t *big;
    size_t runs, released;
} rig;

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static hf_err hello(hf_req *rq)
{
    ((rig *)hf_req_context(rq))->runs++;
    return hf_reply_text(rq, 200, "hello");
}

static void let_go(void *what)
{
    ((rig *)what)->released++;
}

static hf_err large(hf_req *rq)
{
    rig *r = hf_req_context(rq);
    const hf_err err = hf_req_hold(rq, let_go, r);
    const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(r->big, BIG) };
    r->runs++;
    return err.code != 0 ? err : hf_reply_extents(rq, 200, &e, 1);
}

static hf_err echo(hf_req *rq)
{
    ((rig *)hf_req_context(rq))->runs++;
    return hf_reply(rq, 200, NULL, hf_req_body(rq));
}

static hf_err mirror(hf_req *rq, const hf_websocket_event *event)
{
    ((rig *)hf_req_context(rq))->runs++;
    return event != NULL && event->kind == HF_WEBSOCKET_MESSAGE ? hf_socket_send(rq, event->type, event->bytes) : HF_OK;
}

static const hf_route routes[] = {
    { .path = "/", .handle = hello },
    { .method = "GET", .path = "/mirror", .websocket = mirror },
    { .path = "/large", .handle = large },
    { .method = "POST", .path = "/echo", .handle = echo },
};

static void prepare(rig *r)
{
    memset(r, 0, sizeof *r);
    hf_test_world_init(&r->world, 5);
    r->big = calloc(1, BIG);
}

static void begin(rig *r)
{
    char text[500];
    hf_err err;
    hf_writer why = hf_writer_make(text, sizeof text);
    r->router = hf_router_new(&r->world.env.alloc, routes, HF_COUNT(routes), &why);
    r->app = (hf_app){ .router = r->router, .context = r };
    r->config = (hf_worker_config){ .app = &r->app, .limits = &r->world.limits, .routes = routes, .route_count = HF_COUNT(routes),
        .census = hf_census_new(&r->world.env.alloc, r->world.limits.connections, r->world.limits.connections_per_address),
        .memory = r->counted.alloc.resize != NULL ? &r->counted : NULL };
    r->io = hf_epoll_new(&r->world.env, &err);
    assert_non_null(r->io);
    r->worker = hf_worker_new(&r->world.env, r->io, &r->config, &err);
    assert_non_null(r->worker);
    hf_address at = { .family = 4, .ip = { 127, 0, 0, 1 } };
    const int fd = hf_listen_socket(&at, &err);
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    hf_address_from_kernel(&own, &r->at);
    assert_int_equal(r->io->ops->listen(r->io, &r->at, fd, NULL).code, 0);
    close(fd);
}

static void setup(rig *r)
{
    prepare(r);
    begin(r);
}

static void teardown(rig *r)
{
    hf_worker_free(r->worker);
    r->io->ops->free(r->io);
    assert_int_equal(hf_census_count(r->config.census), 0); /* every enter was paid with a leave */
    hf_census_free(r->config.census);
    hf_router_free(r->router);
    free(r->big);
    hf_test_world_fini(&r->world);
}

static void turn(rig *r, int64_t ms)
{
    hf_worker_turn(r->worker, hf_time_make(clock_ns() + HF_MILLISECONDS(ms)));
}

#define UNTIL(r, claim) \
    for (int64_t end_ = clock_ns() + HF_SECONDS(8); !(claim) && clock_ns() < end_;) \
        turn((r), 5); \
    assert_true(claim)

static int client_with(const rig *r, int receive_buffer)
{
    struct sockaddr_storage to;
    const socklen_t size = hf_address_to_kernel(&r->at, &to);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, size), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static int client(rig *r)
{
    const int fd = client_with(r, 0);
    const size_t before = hf_worker_connections(r->worker);
    UNTIL(r, hf_worker_connections(r->worker) == before + 1);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

typedef struct heard {
    char text[4096]; /* the beginning */
    size_t length;   /* of all */
    bool over;
    int why; /* errno, 0 for FIN */
} heard;

/* What there is to hear now. */
static void listen_to(int fd, heard *h)
{
    char block[65536];
    for (ssize_t n; !h->over && (n = recv(fd, block, sizeof block, 0)) != -2;) {
        if (n < 0 && errno == EAGAIN)
            return;
        h->over = n <= 0;
        h->why = n < 0 ? errno : 0;
        if (n <= 0)
            return;
        if (h->length < sizeof h->text - 1) {
            const size_t room = sizeof h->text - 1 - h->length, some = (size_t)n < room ? (size_t)n : room;
            memcpy(h->text + h->length, block, some);
            h->text[h->length + some] = 0;
        }
        h->length += (size_t)n;
    }
}

/* Asks, and turns until the answer has come (or the connection ended). */
static heard ask(rig *r, int fd, const char *text)
{
    heard h = { 0 };
    say(fd, text);
    for (const int64_t until = clock_ns() + HF_SECONDS(5); h.length == 0 && !h.over && clock_ns() < until;) {
        turn(r, 5);
        listen_to(fd, &h);
    }
    return h;
}

static void hear_end(rig *r, int fd, heard *h)
{
    for (const int64_t until = clock_ns() + HF_SECONDS(10); !h->over && clock_ns() < until;) {
        turn(r, 5);
        listen_to(fd, h);
    }
    assert_true(h->over);
}

static void has(const heard *h, const char *part)
{
    if (strstr(h->text, part) == NULL)
        fail_msg("\"%s\" is not in\n%s", part, h->text);
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

/* ---- */

static void many_requests_on_many_connections_are_answered(void **state)
{
    (void)state;
    enum { CLIENTS = 30, ROUNDS = 20 };
    rig r;
    setup(&r);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client(&r);
    for (int k = 0; k < ROUNDS; k++)
        for (int i = 0; i < CLIENTS; i++) {
            const heard h = ask(&r, fds[i], i % 2 ? GET : "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
            has(&h, "200 OK");
            has(&h, "\r\n\r\nhello");
        }
    assert_int_equal(r.runs, CLIENTS * ROUNDS);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    UNTIL(&r, hf_worker_connections(r.worker) == 0);
    teardown(&r);
}

static void limit_connections(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    r.world.limits.connections = 2;
    begin(&r);
    const int a = client(&r), b = client(&r), c = client(&r);
    heard h = ask(&r, c, GET GET);
    has(&h, "503 Service Unavailable");
    has(&h, "HF-HTTP-011");
    hear_end(&r, c, &h);
    assert_int_equal(h.why, 0);
    close(c);
    assert_int_equal(r.runs, 0);
    h = ask(&r, a, GET);
    has(&h, "200 OK"); /* who was there is served */
    close(b);
    UNTIL(&r, hf_worker_connections(r.worker) == 1);
    const int d = client(&r);
    h = ask(&r, d, GET);
    has(&h, "200 OK");
    close(a);
    close(d);
    teardown(&r);
}

static void limit_connections_per_address(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    r.world.limits.connections_per_address = 1;
    begin(&r);
    const int a = client(&r), b = client(&r);
    heard h = ask(&r, b, GET);
    has(&h, "429 Too Many Requests");
    has(&h, "HF-HTTP-010");
    hear_end(&r, b, &h);
    h = ask(&r, a, GET);
    has(&h, "200 OK");
    close(a);
    close(b);
    UNTIL(&r, hf_worker_connections(r.worker) == 0);
    const int c = client(&r);
    h = ask(&r, c, GET);
    has(&h, "200 OK");
    close(c);
    teardown(&r);
}

static void beyond_those_that_are_answered_others_are_told_unasked(void **state)
{
    (void)state;
    enum { MANY = 300 };
    rig r;
    prepare(&r);
    r.world.limits.connections_per_address = 1;
    begin(&r);
    int fds[MANY];
    for (int i = 0; i < MANY; i++) {
        fds[i] = client_with(&r, 0);
        turn(&r, 1);
    }
    for (int i = 0; i < 20; i++)
        turn(&r, 5);
    heard h = { 0 };
    listen_to(fds[MANY - 1], &h);
    has(&h, "HTTP/1.1 429 Too Many Requests\r\n");
    has(&h, "Retry-After: 1\r\n");
    has(&h, "HF-HTTP-010");
    assert_true(h.over);
    assert_int_equal(h.why, 0);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    UNTIL(&r, hf_worker_connections(r.worker) == 0);
    teardown(&r);
}

static void limit_memory_bytes(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    hf_allocator_counted_init(&r.counted, 1 << 20);
    begin(&r);
    const int a = client(&r);
    heard h = ask(&r, a, GET);
    has(&h, "200 OK");
    void *much = hf_alloc(&r.counted.alloc, 1000 << 10);
    assert_non_null(much);
    const int b = client(&r);
    h = ask(&r, b, GET);
    has(&h, "503 Service Unavailable");
    has(&h, "Retry-After: 1\r\n");
    has(&h, "HF-HTTP-012");
    has(&h, "limit memory_bytes");
    h = ask(&r, a, GET); /* who was there before is answered likewise, until there is memory again */
    has(&h, "503 Service Unavailable");
    has(&h, "Retry-After: 1\r\n");
    hf_free(&r.counted.alloc, much, 1000 << 10);
    const int c = client(&r);
    h = ask(&r, c, GET);
    has(&h, "200 OK");
    close(a);
    close(b);
    close(c);
    teardown(&r);
}

static void a_head_that_arrives_when_memory_is_short_is_answered_503(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    hf_allocator_counted_init(&r.counted, 1 << 20);
    begin(&r);
    const int a = client(&r);
    say(a, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 5; i++)
        turn(&r, 5);
    void *much = hf_alloc(&r.counted.alloc, 970 << 10);
    assert_non_null(much);
    turn(&r, 5);
    heard h = ask(&r, a, "A: b\r\n");
    has(&h, "503 Service Unavailable");
    has(&h, "HF-HTTP-012");
    hear_end(&r, a, &h);
    assert_int_equal(h.why, 0);
    hf_free(&r.counted.alloc, much, 970 << 10);
    close(a);
    UNTIL(&r, hf_worker_connections(r.worker) == 0);
    teardown(&r);
}

static void a_body_that_arrives_when_memory_is_short_is_answered_503(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    hf_allocator_counted_init(&r.counted, 1 << 20);
    begin(&r);
    const int a = client(&r);
    say(a, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
    for (int i = 0; i < 5; i++)
        turn(&r, 5);
    void *much = hf_alloc(&r.counted.alloc, 970 << 10);
    assert_non_null(much);
    turn(&r, 5);
    heard h = ask(&r, a, "def");
    has(&h, "503 Service Unavailable");
    has(&h, "HF-HTTP-012");
    hf_free(&r.counted.alloc, much, 970 << 10);
    close(a);
    UNTIL(&r, hf_worker_connections(r.worker) == 0);
    teardown(&r);
}

/* The idlest give way: whoever comes is served, and who asks for something is not cut. */
static void limit_descriptors_kept(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    begin(&r);
    hf_census_descriptors(r.config.census, 3, 8);
    int fds[8];
    heard h;
    for (int i = 0; i < 8; i++) {
        fds[i] = client_with(&r, 0);
        turn(&r, 100);
        h = ask(&r, fds[i], GET);
        has(&h, "200 OK");
        assert_true(hf_worker_connections(r.worker) <= 3);
    }
    hear_end(&r, fds[0], &h); /* closed, in good order */
    assert_int_equal(h.why, 0);
    for (int i = 5; i < 8; i++) /* these are busy */
        say(fds[i], "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 5; i++)
        turn(&r, 5);
    const int late = client_with(&r, 0);
    turn(&r, 100);
    h = ask(&r, late, GET);
    has(&h, "503 Service Unavailable");
    has(&h, "Retry-After: 1\r\n");
    has(&h, "HF-IO-013");
    h = ask(&r, fds[5], "Host: x\r\n\r\n");
    has(&h, "200 OK");
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    close(late);
    UNTIL(&r, hf_worker_connections(r.worker) == 0);
    teardown(&r);
}

/* However many come at once: whoever is turned away can read why. */
static void a_crowd_that_finds_no_descriptor_is_answered_503_to_the_last(void **state)
{
    enum { CROWD = 60 };
    (void)state;
    rig r;
    prepare(&r);
    begin(&r);
    hf_census_descriptors(r.config.census, 3, 8);
    int busy[3], fds[CROWD];
    for (int i = 0; i < 3; i++)
        say(busy[i] = client(&r), "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 3; i++)
        turn(&r, 20);
    for (int i = 0; i < CROWD; i++) /* nobody closes, so there is no place to wait for most */
        fds[i] = client_with(&r, 0);
    for (int i = 0; i < CROWD; i += 2)
        say(fds[i], GET);
    UNTIL(&r, hf_census_count(r.config.census) <= 3 + 4 && atomic_load(&hf_worker_counts(r.worker)->turned_away) == CROWD);
    for (int i = 1; i < CROWD; i += 2) /* to a connection that is closed already */
        (void)!send(fds[i], GET, strlen(GET), MSG_NOSIGNAL);
    for (int i = 0; i < CROWD; i++) {
        heard h = { 0 };
        hear_end(&r, fds[i], &h);
        has(&h, "503 Service Unavailable");
        has(&h, "HF-IO-013");
        assert_int_equal(h.why, 0);
        close(fds[i]);
    }
    for (int i = 0; i < 3; i++) {
        heard h = ask(&r, busy[i], "Host: x\r\n\r\n");
        has(&h, "200 OK");
        close(busy[i]);
    }
    UNTIL(&r, hf_worker_connections(r.worker) == 0);
    teardown(&r);
}

static void limit_requests_per_connection(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    r.world.limits.requests_per_connection = 3;
    begin(&r);
    const int fd = client(&r);
    heard h = ask(&r, fd, GET GET GET GET);
    hear_end(&r, fd, &h);
    has(&h, "Connection: close\r\n");
    assert_int_equal(r.runs, 3);
    close(fd);
    teardown(&r);
}

static void limit_first_byte_ns(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    r.world.limits.first_byte_ns = (uint64_t)HF_MILLISECONDS(100);
    begin(&r);
    const int64_t began = clock_ns();
    const int fd = client(&r);
    heard h = { 0 };
    hear_end(&r, fd, &h);
    assert_in_range(clock_ns() - began, HF_MILLISECONDS(90), HF_MILLISECONDS(2000));
    assert_int_equal(h.length, 0);
    close(fd);
    teardown(&r);
}

static void limit_head_ns(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    r.world.limits.head_ns = (uint64_t)HF_MILLISECONDS(100);
    begin(&r);
    const int fd = client(&r);
    heard h = ask(&r, fd, "GET / HTTP/1.1\r\nHos");
    hear_end(&r, fd, &h);
    has(&h, "408 Request Timeout");
    has(&h, "HF-HTTP1-024");
    close(fd);
    teardown(&r);
}

/* ---- ending ------------------------------------------------------------------------------------------------- */

static void a_drain_closes_the_idle_and_finishes_a_slow_answer(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int idle = client(&r);
    const size_t before = hf_worker_connections(r.worker);
    const int slow = client_with(&r, 20000);
    UNTIL(&r, hf_worker_connections(r.worker) == before + 1);
    say(slow, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&r, r.runs == 1);
    hf_worker_drain(r.worker);
    hf_worker_drain(r.worker); /* twice is fine */
    assert_false(hf_worker_is_done(r.worker));
    struct sockaddr_storage to;
    const socklen_t size = hf_address_to_kernel(&r.at, &to);
    const int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&to, size), -1);
    close(late);
    heard h = { 0 };
    hear_end(&r, idle, &h);
    assert_int_equal(h.length, 0);
    close(idle);
    h = (heard){ 0 };
    hear_end(&r, slow, &h);
    assert_int_equal(h.why, 0);
    assert_true(h.length > BIG); /* the whole answer, and its head */
    close(slow);
    UNTIL(&r, hf_worker_is_done(r.worker));
    assert_int_equal(r.released, 1);
    teardown(&r);
}

static void limit_drain_ns(void **state)
{
    (void)state;
    rig r;
    prepare(&r);
    r.world.limits.drain_ns = (uint64_t)HF_MILLISECONDS(150);
    begin(&r);
    const int fd = client_with(&r, 20000);
    UNTIL(&r, hf_worker_connections(r.worker) == 1);
    say(fd, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&r, r.runs == 1);
    const int64_t began = clock_ns();
    hf_worker_drain(r.worker);
    while (!hf_worker_is_done(r.worker) && clock_ns() - began < HF_SECONDS(5))
        hf_worker_turn(r.worker, HF_NEVER); /* it wakes by itself */
    assert_in_range(clock_ns() - began, HF_MILLISECONDS(140), HF_MILLISECONDS(2000));
    assert_int_equal(r.released, 1);
    heard h = { 0 };
    hear_end(&r, fd, &h);
    assert_int_equal(h.why, ECONNRESET); /* what was cut does not look whole */
    close(fd);
    teardown(&r);
}

static void freeing_cuts_whatever_is_open(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int a = client(&r), b = client_with(&r, 20000);
    UNTIL(&r, hf_worker_connections(r.worker) == 2);
    say(a, "GET / HTTP/1.1\r\nHo");
    say(b, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&r, r.runs == 1);
    turn(&r, 10);
    close(a);
    close(b);
    teardown(&r);
    assert_int_equal(r.released, 1);
}

/* ---- cost --------------------------------------------------------------------------------------------------- */

static void idle_connections_cost_no_turn_and_no_buffer(void **state)
{
    (void)state;
    enum { CLIENTS = 100 };
    rig r;
    setup(&r);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client(&r);
        const heard h = ask(&r, fds[i], GET);
        has(&h, "200 OK");
    }
    for (const int64_t began = clock_ns(); clock_ns() - began < HF_MILLISECONDS(400);)
        turn(&r, 50); /* memory is given back */
    const size_t each = r.world.memory.held / CLIENTS;
    if (each > 4000)
        fail_msg("an idle connection holds %zu bytes", each);
    size_t turns = 0;
    const int64_t began = clock_ns();
    for (; clock_ns() - began < HF_MILLISECONDS(500); turns++)
        hf_worker_turn(r.worker, hf_time_make(began + HF_MILLISECONDS(500)));
    assert_true(turns <= 5);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    teardown(&r);
}

static void echo_once(rig *r, int fd)
{
    static const char frame[] = "\x81\x82\0\0\0\0hi"; /* masked with zeros */
    heard h = { 0 };
    assert_int_equal(send(fd, frame, sizeof frame - 1, MSG_NOSIGNAL), sizeof frame - 1);
    UNTIL(r, (listen_to(fd, &h), h.length >= 4));
    assert_int_equal(h.length, 4);
    assert_memory_equal(h.text, "\x81\x02hi", 4);
}

static void open_websocket(rig *r, int *fd)
{
    heard h = { 0 };
    *fd = client(r);
    say(*fd, "GET /mirror HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    UNTIL(r, (listen_to(*fd, &h), strstr(h.text, "\r\n\r\n") != NULL));
    has(&h, "101 Switching");
}

/* Every other one never says a word. What is held once memory was given back, which a turn does that begins late enough. */
static size_t held_with_websockets(rig *r, int *fds, int from, int to)
{
    for (int i = from; i < to; i++) {
        open_websocket(r, &fds[i]);
        if (i % 2 == 0)
            echo_once(r, fds[i]);
    }
    const int64_t opened = clock_ns();
    for (int64_t turned = opened; turned - opened < HF_MILLISECONDS(400);) {
        turned = clock_ns();
        turn(r, 50);
    }
    return r->world.memory.held;
}

static void idle_websockets_hold_little_and_go_on(void **state)
{
    (void)state;
    enum { CLIENTS = 40, EACH_MOST = 1700 };
    rig r;
    setup(&r);
    int fds[2 * CLIENTS];
    const size_t some = held_with_websockets(&r, fds, 0, CLIENTS), more = held_with_websockets(&r, fds, CLIENTS, 2 * CLIENTS);
    print_message("# an idle WebSocket holds %lld bytes\n", ((long long)more - (long long)some) / CLIENTS);
    UNTIL(&r, r.world.memory.held <= some + CLIENTS * EACH_MOST);
    for (int i = 0; i < 2 * CLIENTS; i++)
        echo_once(&r, fds[i]);
    for (int i = 0; i < 2 * CLIENTS; i++)
        close(fds[i]);
    UNTIL(&r, hf_worker_connections(r.worker) == 0);
    teardown(&r);
}

static void half_closed_and_stuck_connections_do_not_spin(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int a = client_with(&r, 20000), b = client_with(&r, 20000), c = client_with(&r, 20000);
    UNTIL(&r, hf_worker_connections(r.worker) == 3);
    say(a, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"); /* half-closed, and reads nothing */
    shutdown(a, SHUT_WR);
    say(b, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"); /* floods, and reads nothing */
    char flood[100000];
    memset(flood, 'x', sizeof flood);
    for (int i = 0; i < 50; i++) {
        turn(&r, 1);
        (void)!send(b, flood, sizeof flood, MSG_NOSIGNAL);
    }
    say(c, "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    UNTIL(&r, r.runs == 3);
    for (int i = 0; i < 10; i++)
        turn(&r, 10);
    size_t turns = 0;
    const int64_t began = clock_ns();
    for (; clock_ns() - began < HF_MILLISECONDS(300); turns++)
        hf_worker_turn(r.worker, hf_time_make(began + HF_MILLISECONDS(300)));
    if (turns > 10)
        fail_msg("%zu turns in 300 ms", turns);
    close(a);
    close(b);
    close(c);
    teardown(&r);
}

static void a_large_answer_does_not_hold_up_the_small_ones(void **state)
{
    (void)state;
    rig r;
    setup(&r);
    const int slow = client_with(&r, 20000);
    UNTIL(&r, hf_worker_connections(r.worker) == 1);
    const int quick = client(&r);
    for (int i = 0; i < 30; i++)
        say(slow, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&r, r.runs > 0);
    heard all = { 0 };
    for (int i = 0; i < 100; i++) {
        const int64_t began = clock_ns();
        const heard h = ask(&r, quick, GET);
        has(&h, "200 OK");
        assert_true(clock_ns() - began < HF_SECONDS(1));
        listen_to(slow, &all);
    }
    assert_true(all.length > 0 && !all.over);
    close(slow);
    close(quick);
    teardown(&r);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    bool failed = true;
    size_t n = 1;
    for (; failed; n++) {
        rig r;
        setup(&r);
        r.world.memory.fail_at = r.world.memory.calls + n;
        const size_t last = r.world.memory.fail_at;
        const int fd = client_with(&r, 0), other = client_with(&r, 0);
        (void)!send(fd, GET "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 75, MSG_NOSIGNAL);
        (void)!send(other, "GET / HT", 8, MSG_NOSIGNAL);
        for (int i = 0; i < 4; i++)
            turn(&r, 1);
        (void)!send(other, "TP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 53, MSG_NOSIGNAL);
        for (int i = 0; i < 4; i++)
            turn(&r, 1);
        failed = r.world.memory.calls >= last;
        close(fd);
        close(other);
        UNTIL(&r, hf_worker_connections(r.worker) == 0);
        teardown(&r);
    }
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_requests_on_many_connections_are_answered),
        cmocka_unit_test(limit_connections),
        cmocka_unit_test(limit_connections_per_address),
        cmocka_unit_test(beyond_those_that_are_answered_others_are_told_unasked),
        cmocka_unit_test(limit_memory_bytes),
        cmocka_unit_test(a_head_that_arrives_when_memory_is_short_is_answered_503),
        cmocka_unit_test(a_body_that_arrives_when_memory_is_short_is_answered_503),
        cmocka_unit_test(limit_descriptors_kept),
        cmocka_unit_test(a_crowd_that_finds_no_descriptor_is_answered_503_to_the_last),
        cmocka_unit_test(limit_requests_per_connection),
        cmocka_unit_test(limit_first_byte_ns),
        cmocka_unit_test(limit_head_ns),
        cmocka_unit_test(a_drain_closes_the_idle_and_finishes_a_slow_answer),
        cmocka_unit_test(limit_drain_ns),
        cmocka_unit_test(freeing_cuts_whatever_is_open),
        cmocka_unit_test(idle_connections_cost_no_turn_and_no_buffer),
        cmocka_unit_test(idle_websockets_hold_little_and_go_on),
        cmocka_unit_test(half_closed_and_stuck_connections_do_not_spin),
        cmocka_unit_test(a_large_answer_does_not_hold_up_the_small_ones),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
