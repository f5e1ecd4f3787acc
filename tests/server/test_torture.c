/* SPDX-License-Identifier: Apache-2.0
 *
 * Torture: a worker on real loopback TCP, with files, listings, compression, bodies and an access log, while every
 * allocation fails in turn; once alone, and once with all that follow. Whatever fails: nothing crashes, nothing leaks,
 * every connection ends or answers, and the next request is served.
 */
#include "worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "address.h"
#include "epoll.h"
#include "temp_folder.h"

enum { CLIENTS = 6, FULL_RUN = 4096 };

static temp_folder top;

typedef struct rig {
    hf_test_world world;
    hf_files files;
    hf_route routes[3];
    hf_access_log log;
    hf_io *io;
    hf_address at;
    hf_router *router;
    hf_app app;
    hf_worker_config config;
    hf_worker *worker;
} rig;

static hf_err hello(hf_req *rq)
{
    return hf_reply_text(rq, 200, "hello");
}

static hf_err echo(hf_req *rq)
{
    return hf_reply(rq, 200, NULL, hf_req_body(rq));
}

static int make_site(void **state)
{
    static char text[40000];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "all work and no play makes a server dull\n"[i % 41];
    temp_make(&top);
    temp_write(&top, "index.html", "<!DOCTYPE html><title>it</title>");
    temp_write_bytes(&top, "long.txt", text, sizeof text);
    temp_dir(&top, "folder");
    temp_write(&top, "folder/one.txt", "1");
    temp_write(&top, "folder/two.txt", "2");
    temp_dir(&top, "errors");
    temp_write(&top, "errors/404.html", "<!DOCTYPE html><title>none</title>");
    temp_settle();
    return 0;
}

static int remove_site(void **state)
{
    (void)state;
    temp_remove(&top);
    return 0;
}

/* ---- the worker --------------------------------------------------------------------------------------------- */

/* Everything that a worker needs and that is not tortured here: its own rooms' tests do that. */
static void prepare(rig *r)
{
    char text[500];
    static char root[300], errors[300];
    hf_writer why = hf_writer_make(text, sizeof text);
    memset(r, 0, sizeof *r);
    hf_test_world_init(&r->world, 5);
    snprintf(root, sizeof root, "%s", top.path);
    snprintf(errors, sizeof errors, "%s", temp_path(&top, "errors"));
    r->files = (hf_files){ .root = root, .listing = true, .error_pages = errors };
    r->routes[0] = (hf_route){ .path = "/hello", .handle = hello };
    r->routes[1] = (hf_route){ .method = "POST", .path = "/echo", .handle = echo };
    r->routes[2] = (hf_route){ .path = "/{rest...}", .files = &r->files };
    r->router = hf_router_new(&r->world.env.alloc, r->routes, HF_COUNT(r->routes), &why);
    assert_non_null(r->router);
    r->app = (hf_app){ .router = r->router, .context = r };
    assert_int_equal(hf_access_log_open(&r->log, temp_path(&top, "log"), HF_ACCESS_JSON).code, 0);
    r->config = (hf_worker_config){ .app = &r->app, .limits = &r->world.limits, .routes = r->routes,
        .route_count = HF_COUNT(r->routes), .access_log = &r->log,
        .census = hf_census_new(&r->world.env.alloc, r->world.limits.connections, r->world.limits.connections_per_address) };
    assert_non_null(r->config.census);
}

static hf_err begin(rig *r)
{
    hf_err err = HF_OK;
    r->io = hf_epoll_new(&r->world.env, &err);
    if (r->io == NULL)
        return err;
    r->worker = hf_worker_new(&r->world.env, r->io, &r->config, &err);
    return err;
}

static void listen_here(rig *r)
{
    hf_err err;
    hf_address at = { .family = 4, .ip = { 127, 0, 0, 1 } };
    const int fd = hf_listen_socket(&at, &err);
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    hf_address_from_kernel(&own, &r->at);
    assert_int_equal(r->io->ops->listen(r->io, &r->at, fd, NULL).code, 0);
    close(fd);
}

static void finish(rig *r)
{
    hf_worker_free(r->worker);
    if (r->io != NULL)
        r->io->ops->free(r->io);
    if (r->config.census != NULL)
        assert_int_equal(hf_census_count(r->config.census), 0);
    hf_census_free(r->config.census);
    hf_router_free(r->router);
    hf_access_log_close(&r->log);
    hf_test_world_fini(&r->world); /* nothing leaked */
}

/* ---- the scenario ------------------------------------------------------------------------------------------- */

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int client(const rig *r)
{
    struct sockaddr_storage to;
    const socklen_t size = hf_address_to_kernel(&r->at, &to);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, size), 0);
    return fd;
}

#define LAST "Host: a\r\nConnection: close\r\n\r\n"
#define NOT_LAST "Host: a\r\n\r\n"

/* What each client says, at once and a moment later. Each conversation makes the server close. */
static const char *const says[CLIENTS][2] = {
    { "GET /hello HTTP/1.1\r\n" NOT_LAST "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
      "lo" "GET /hello HTTP/1.1\r\n" LAST },
    { "GET /long.txt HTTP/1.1\r\nAccept-Encoding: gzip, br, zstd\r\n" NOT_LAST,
      "GET /long.txt HTTP/1.1\r\nRange: bytes=0-9,20-29\r\n" LAST },
    { "GET / HTTP/1.1\r\n" NOT_LAST "HEAD / HTTP/1.1\r\n" NOT_LAST,
      "GET /folder/ HTTP/1.1\r\nAccept: text/html\r\n" LAST },
    { "GET /nothing HTTP/1.1\r\nAccept: text/html\r\n" NOT_LAST,
      "GET /nothing HTTP/1.1\r\nAccept: application/json\r\n" LAST },
    { "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
      "2\r\nde\r\n0\r\nChecksum: 1\r\n\r\nbroken\r\n\r\n" },
    { "GET /hello HT", "TP/1.1\r\nA: b\r\n c\r\n" LAST },
};

static void turn(rig *r, int64_t ms)
{
    hf_worker_turn(r->worker, hf_time_make(clock_ns() + HF_MILLISECONDS(ms)));
}

/* Sees to it that the client is not left waiting: an answer's end is the connection's end. */
static void swallow(int fd, bool *over)
{
    char block[65536];
    ssize_t n;
    while (!*over && (n = recv(fd, block, sizeof block, MSG_DONTWAIT)) != -2) {
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        *over = n <= 0;
    }
}

/* True when all connections ended within two seconds. */
static bool play(rig *r)
{
    int fds[CLIENTS];
    bool over[CLIENTS] = { false };
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = client(r);
        (void)!send(fds[i], says[i][0], strlen(says[i][0]), MSG_NOSIGNAL);
    }
    for (int i = 0; i < 3; i++)
        turn(r, 1);
    for (size_t i = 0; i < CLIENTS; i++)
        (void)!send(fds[i], says[i][1], strlen(says[i][1]), MSG_NOSIGNAL);
    size_t ended = 0;
    for (const int64_t until = clock_ns() + HF_SECONDS(2); ended < CLIENTS && clock_ns() < until;) {
        turn(r, 5);
        ended = 0;
        for (size_t i = 0; i < CLIENTS; i++) {
            swallow(fds[i], &over[i]);
            ended += over[i];
        }
    }
    for (size_t i = 0; i < CLIENTS; i++)
        close(fds[i]);
    return ended == CLIENTS;
}

static void the_next_request_is_served(rig *r)
{
    char text[4096] = { 0 };
    size_t length = 0;
    const int fd = client(r);
    const char *const request = "GET /folder/one.txt HTTP/1.1\r\n" LAST;
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    for (const int64_t until = clock_ns() + HF_SECONDS(5); clock_ns() < until;) {
        turn(r, 5);
        const ssize_t n = recv(fd, text + length, sizeof text - 1 - length, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        length += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (strncmp(text, "HTTP/1.1 200 OK\r\n", 17) != 0 || strcmp(text + length - 5, "\r\n\r\n1") != 0)
        fail_msg("the next request got %s", length > 0 ? text : "nothing");
}

/* ---- torture ------------------------------------------------------------------------------------------------ */

static void torture(bool and_all_after)
{
    bool failed = true;
    size_t n = 1;
    for (; failed && n < FULL_RUN; n++) {
        rig r;
        prepare(&r);
        assert_int_equal(begin(&r).code, 0);
        listen_here(&r);
        hf_test_memory *m = &r.world.memory;
        m->fail_at = m->calls + n;
        m->fail_on = and_all_after;
        const size_t at = m->fail_at;
        const bool ended = play(&r);
        failed = m->calls >= at;
        m->fail_at = 0;
        m->fail_on = false;
        if (!ended)
            fail_msg("allocation %zu failed%s, and a client was left waiting", n, and_all_after ? " like all after it" : "");
        the_next_request_is_served(&r);
        for (const int64_t until = clock_ns() + HF_SECONDS(5); hf_worker_connections(r.worker) > 0 && clock_ns() < until;)
            turn(&r, 5);
        assert_int_equal(hf_worker_connections(r.worker), 0);
        finish(&r);
    }
    assert_in_range(n, 30, FULL_RUN - 1); /* the last round had none left to fail */
    printf("# every one of %zu allocations failed%s\n", n - 2, and_all_after ? ", and all after it" : "");
}

static void every_allocation_of_a_conversation_may_fail_and_the_next_request_is_served(void **state)
{
    (void)state;
    torture(false);
}

static void all_allocations_may_fail_from_any_on_and_the_next_request_is_served(void **state)
{
    (void)state;
    torture(true);
}

static void every_allocation_that_makes_a_worker_may_fail(void **state)
{
    (void)state;
    size_t n = 1;
    for (bool failed = true; failed && n < FULL_RUN; n++) {
        rig r;
        prepare(&r);
        const size_t at = r.world.memory.calls + n;
        r.world.memory.fail_at = at;
        const hf_err err = begin(&r);
        failed = r.world.memory.calls >= at;
        assert_int_equal(err.code, failed ? HF_ERR_BASE_MEMORY : 0);
        assert_true((r.worker != NULL) == !failed);
        finish(&r);
    }
    assert_in_range(n, 4, FULL_RUN - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_that_makes_a_worker_may_fail),
        cmocka_unit_test(every_allocation_of_a_conversation_may_fail_and_the_next_request_is_served),
        cmocka_unit_test(all_allocations_may_fail_from_any_on_and_the_next_request_is_served),
    };
    return cmocka_run_group_tests(tests, make_site, remove_site);
}
