/* SPDX-License-Identifier: Apache-2.0
 *
 * One engine, one generation of what it serves after another: who is answered by which, and when the old one is let go.
 */
#include "engine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "alloc.h"
#include "epoll.h"
#include "harness.h"
#include "listen.h"

enum { THREADS = 3 };

/* What a generation lends. */
typedef struct lent {
    const char *name;
    _Atomic int released;
} lent;

static hf_err tell(hf_req *rq)
{
    return hf_reply_text(rq, 200, "%s", ((const lent *)hf_req_context(rq))->name);
}

static const hf_route routes[] = {
    { .path = "/", .handle = tell },
    { .method = "POST", .path = "/slow", .handle = tell },
};
static const hf_route wrong_routes[] = { { .path = "no slash", .handle = tell } };
static const hf_files folder = { .root = "." };
static const hf_route here[] = { { .path = "/", .handle = tell }, { .path = "/f/{rest...}", .files = &folder } };
static const hf_files missing = { .root = "/nowhere/at/all" };
static const hf_route folderless[] = { { .path = "/", .handle = tell }, { .path = "/f/{rest...}", .files = &missing } };

static void release(void *what)
{
    atomic_fetch_add(&((lent *)what)->released, 1);
}

typedef struct rig {
    hf_engine *engine;
    hf_listen_set listening;
    hf_limits limits;
} rig;

static hf_engine_options options_of(const rig *r, lent *l)
{
    return (hf_engine_options){ .routes = routes, .route_count = HF_COUNT(routes), .context = l, .limits = &r->limits,
        .threads = THREADS, .loop = HF_LOOP_EPOLL, .release = release, .lent = l };
}

static void setup(rig *r, lent *l)
{
    char text[500], url[] = "http://127.0.0.1:0";
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_listen_url at;
    hf_err err;
    memset(r, 0, sizeof *r);
    r->limits = *hf_limits_default();
    assert_int_equal(hf_listen_url_parse(url, &at, text, sizeof text), HF_LISTEN_OK);
    assert_int_equal(hf_listen_set_add(&r->listening, &at, &why).code, 0);
    hf_engine_options o = options_of(r, l);
    o.listeners = r->listening.at;
    o.listener_count = r->listening.count;
    r->engine = hf_engine_open(&o, &err, &why);
    assert_non_null(r->engine);
    assert_int_equal(hf_engine_start(r->engine, &why).code, 0);
}

static void teardown(rig *r)
{
    hf_engine_drain(r->engine);
    hf_engine_join(r->engine);
    hf_engine_close(r->engine);
    hf_listen_set_close(&r->listening);
}

static int client_at(const hf_address *at)
{
    struct sockaddr_storage to;
    const socklen_t size = hf_address_to_kernel(at, &to);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = { .tv_sec = 10 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, size), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* An answer whose body is `name`, read whole. */
static void hear(int fd, const char *name)
{
    char text[4096];
    size_t length = 0;
    char *body = NULL;
    while (body == NULL || strlen(body) < strlen(name)) {
        const ssize_t n = recv(fd, text + length, sizeof text - 1 - length, 0);
        assert_true(n > 0);
        length += (size_t)n;
        text[length] = 0;
        body = strstr(text, "\r\n\r\n");
        body = body != NULL ? body + 4 : NULL;
    }
    assert_string_equal(body, name);
}

static void ask(int fd, const char *name)
{
    say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(fd, name);
}

static void wait_for(_Atomic int *what, int value)
{
    for (int i = 0; i < 500 && atomic_load(what) != value; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    assert_int_equal(atomic_load(what), value);
}

static hf_err reload(rig *r, const hf_engine_options *o, char *text, size_t size)
{
    hf_writer why = hf_writer_make(text, size - 1);
    const hf_err err = hf_engine_reload(r->engine, o, NULL, 0, &why);
    text[why.length] = 0;
    return err;
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

static void an_old_connection_is_answered_by_the_new_generation(void **state)
{
    (void)state;
    rig r;
    lent one = { .name = "one" }, two = { .name = "two" };
    char why[500];
    setup(&r, &one);
    const int fd = client_at(&r.listening.at[0].at);
    ask(fd, "one");
    const hf_engine_options next = options_of(&r, &two);
    assert_int_equal(reload(&r, &next, why, sizeof why).code, 0);
    assert_int_equal(atomic_load(&one.released), 1); /* no request began with it that is not over */
    ask(fd, "two");
    assert_int_equal(hf_engine_generations(r.engine), 1);
    teardown(&r);
    close(fd);
    assert_int_equal(atomic_load(&one.released), 1);
    assert_int_equal(atomic_load(&two.released), 1);
}

static void a_request_under_way_ends_with_the_generation_it_began_with(void **state)
{
    (void)state;
    rig r;
    lent one = { .name = "one" }, two = { .name = "two" }, three = { .name = "three" };
    char why[500];
    setup(&r, &one);
    const int fd = client_at(&r.listening.at[0].at);
    ask(fd, "one");
    say(fd, "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
    /* The head has been seen when the byte that follows it is the only one missing: a second connection's answer says
     * nothing about it, so the thread is asked. */
    hf_worker_connection seen[8];
    uint32_t threads[8];
    for (int i = 0; i < 500; i++) {
        const size_t n = hf_engine_list(r.engine, seen, threads, HF_COUNT(seen));
        if (n == 1 && seen[0].open == 1)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    hf_engine_options next = options_of(&r, &two);
    assert_int_equal(reload(&r, &next, why, sizeof why).code, 0);
    next = options_of(&r, &three);
    assert_int_equal(reload(&r, &next, why, sizeof why).code, 0);
    assert_int_equal(atomic_load(&one.released), 0);
    assert_int_equal(atomic_load(&two.released), 1);
    assert_int_equal(hf_engine_generations(r.engine), 2);
    say(fd, "b");
    hear(fd, "one");
    wait_for(&one.released, 1);
    ask(fd, "three");
    teardown(&r);
    close(fd);
    assert_int_equal(atomic_load(&three.released), 1);
}

static void what_cannot_be_served_changes_nothing_and_says_why(void **state)
{
    (void)state;
    rig r;
    lent one = { .name = "one" }, two = { .name = "two" };
    char why[500];
    setup(&r, &one);
    const int fd = client_at(&r.listening.at[0].at);
    hf_engine_options next = options_of(&r, &two);
    next.routes = wrong_routes;
    next.route_count = HF_COUNT(wrong_routes);
    assert_int_equal(reload(&r, &next, why, sizeof why).code, HF_ERR_BASE_USAGE);
    assert_non_null(strstr(why, "no slash"));
    next.routes = folderless;
    next.route_count = HF_COUNT(folderless);
    assert_int_not_equal(reload(&r, &next, why, sizeof why).code, 0);
    ask(fd, "one");
    /* A listener that no loop can take: the descriptor is none. */
    next = options_of(&r, &two);
    next.listeners = &(hf_listening){ .fd = 1 << 20, .at = { .family = 4, .port = 1 } };
    next.listener_count = 1;
    assert_int_not_equal(reload(&r, &next, why, sizeof why).code, 0);
    ask(fd, "one");
    assert_int_equal(atomic_load(&one.released), 0);
    teardown(&r);
    close(fd);
    assert_int_equal(atomic_load(&two.released), 0); /* it stayed the caller's */
}

static void a_listener_that_is_gone_refuses_and_its_connections_go_on(void **state)
{
    (void)state;
    rig r;
    lent one = { .name = "one" }, two = { .name = "two" }, three = { .name = "three" };
    char text[500], url[] = "http://127.0.0.1:0";
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_listen_url at;
    hf_listen_set more = { 0 };
    setup(&r, &one);
    assert_int_equal(hf_listen_url_parse(url, &at, text, sizeof text), HF_LISTEN_OK);
    assert_int_equal(hf_listen_set_add(&more, &at, &why).code, 0);
    hf_engine_options next = options_of(&r, &two);
    next.listeners = more.at;
    next.listener_count = more.count;
    const hf_address there = more.at[0].at;
    assert_int_equal(hf_engine_reload(r.engine, &next, NULL, 0, &why).code, 0);
    hf_listen_set_close(&more);
    const int fd = client_at(&there);
    ask(fd, "two");
    next = options_of(&r, &three);
    assert_int_equal(hf_engine_reload(r.engine, &next, &there, 1, &why).code, 0);
    ask(fd, "three");
    struct sockaddr_storage to;
    const socklen_t size = hf_address_to_kernel(&there, &to);
    const int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(other, (struct sockaddr *)&to, size), -1);
    close(other);
    const int first = client_at(&r.listening.at[0].at);
    ask(first, "three");
    teardown(&r);
    close(first);
    close(fd);
}

static void limits_are_those_a_connection_began_with(void **state)
{
    (void)state;
    rig r;
    lent one = { .name = "one" }, two = { .name = "two" };
    char why[500];
    setup(&r, &one);
    const int old = client_at(&r.listening.at[0].at);
    ask(old, "one");
    r.limits.requests_per_connection = 1;
    const hf_engine_options next = options_of(&r, &two);
    assert_int_equal(reload(&r, &next, why, sizeof why).code, 0);
    r.limits.requests_per_connection = 1000; /* the engine has a copy of its own */
    for (int i = 0; i < 3; i++)
        ask(old, "two");
    const int fresh = client_at(&r.listening.at[0].at);
    ask(fresh, "two");
    char byte;
    assert_int_equal(recv(fresh, &byte, 1, 0), 0); /* closed behind its only answer */
    close(fresh);
    close(old);
    teardown(&r);
}

static void counts_of_all_threads_add_up(void **state)
{
    (void)state;
    rig r;
    lent one = { .name = "one" };
    hf_counts sum = { 0 };
    setup(&r, &one);
    for (int i = 0; i < 12; i++) {
        const int fd = client_at(&r.listening.at[0].at);
        ask(fd, "one");
        close(fd);
    }
    teardown(&r);
    setup(&r, &one); /* another engine begins at nothing */
    hf_engine_count(r.engine, &sum);
    assert_int_equal(hf_counted(&sum.accepted), 0);
    for (int i = 0; i < 12; i++) {
        const int fd = client_at(&r.listening.at[0].at);
        ask(fd, "one");
        ask(fd, "one");
        close(fd);
    }
    hf_engine_check(r.engine);
    hf_engine_drain(r.engine);
    hf_engine_join(r.engine);
    hf_engine_count(r.engine, &sum);
    assert_int_equal(hf_counted(&sum.accepted), 12);
    assert_int_equal(hf_counted(&sum.closed), 12);
    assert_int_equal(hf_counted(&sum.requests[HF_METHOD_GET][2]), 24);
    assert_int_equal(hf_counted(&sum.body_sent), 24 * 3);
    uint64_t timed = 0; /* each has its duration, those that were answered at once too */
    for (size_t i = 0; i < HF_COUNT_STEPS; i++)
        timed += hf_counted(&sum.durations[i]);
    assert_int_equal(timed, 24);
    teardown(&r);
}

static void every_allocation_that_prepares_a_generation_may_fail(void **state)
{
    (void)state;
    hf_test_world w;
    hf_err err;
    lent one = { .name = "one" }, two = { .name = "two" };
    char text[500];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_test_world_init(&w, 7);
    hf_io *io = hf_epoll_new(&w.env, &err);
    hf_router *router = hf_router_new(&w.env.alloc, here, HF_COUNT(here), &why);
    hf_app app = { .router = router };
    const hf_worker_config first = { .app = &app, .limits = &w.limits, .routes = here, .route_count = HF_COUNT(here),
        .census = hf_census_new(&w.env.alloc, 10, 10), .release = release, .lent = &one };
    hf_worker_config second = first;
    second.lent = &two;
    hf_worker *worker = hf_worker_new(&w.env, io, &first, &err);
    assert_non_null(worker);
    hf_tenure *t = NULL;
    for (size_t n = 1; t == NULL; n++) {
        w.memory.fail_at = w.memory.calls + n;
        t = hf_worker_prepare(worker, w.env.random, &second, &err);
        if (t == NULL)
            assert_int_equal(err.code, HF_ERR_BASE_MEMORY);
        assert_int_equal(atomic_load(&two.released), 0);
    }
    w.memory.fail_at = 0;
    hf_tenure_discard(t);
    assert_int_equal(atomic_load(&two.released), 1);
    hf_worker_free(worker);
    assert_int_equal(atomic_load(&one.released), 1);
    hf_census_free(first.census);
    hf_router_free(router);
    io->ops->free(io);
    hf_test_world_fini(&w); /* and nothing leaked */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_connection_is_answered_by_the_new_generation),
        cmocka_unit_test(a_request_under_way_ends_with_the_generation_it_began_with),
        cmocka_unit_test(what_cannot_be_served_changes_nothing_and_says_why),
        cmocka_unit_test(a_listener_that_is_gone_refuses_and_its_connections_go_on),
        cmocka_unit_test(limits_are_those_a_connection_began_with),
        cmocka_unit_test(counts_of_all_threads_add_up),
        cmocka_unit_test(every_allocation_that_prepares_a_generation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
