/* SPDX-License-Identifier: Apache-2.0
 *
 * The embedded server, as a program of somebody else's would use it: over real loopback, with a raw client.
 */
#include <handfast/server.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static hf_err hello(hf_req *rq)
{
    const char *greeting = hf_req_context(rq);
    return hf_reply_text(rq, 200, "%s, %.*s\n", greeting != NULL ? greeting : "hello", HF_STR(hf_path_arg(rq, "name")));
}

static const hf_route routes[] = { { "GET", "/hello/{name}", .handle = hello } };

static const hf_server_options plain = { .listen = { "http://127.0.0.1:0" }, .routes = routes, .route_count = HF_COUNT(routes),
    .threads = 2 };

/* A request on a connection of its own; the whole answer. Connects to ::1 when `six`. */
static void ask(uint16_t port, bool six, const char *path, char *answer, size_t capacity)
{
    const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback };
    const struct timeval patience = { 10, 0 };
    char request[256];
    size_t length = 0;
    const int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    answer[0] = 0;
    if (connect(fd, six ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4, six ? sizeof v6 : sizeof v4) == 0) {
        const int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
        assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
        for (ssize_t got; (got = recv(fd, answer + length, capacity - 1 - length, 0)) > 0;)
            length += (size_t)got;
        answer[length] = 0;
    }
    close(fd);
}

static void says(uint16_t port, const char *path, const char *status, const char *body)
{
    char answer[4096];
    ask(port, false, path, answer, sizeof answer);
    if (strstr(answer, status) == NULL || strstr(answer, body) == NULL)
        fail_msg("%s was answered \"%s\"", path, answer);
}

static hf_server *started(const hf_server_options *options)
{
    hf_server *s = NULL;
    if (hf_server_open(&s, options).code != 0)
        fail_msg("%s", hf_server_why(s));
    assert_int_equal(hf_server_start(s).code, 0);
    return s;
}

static size_t open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static void a_route_answers_on_the_port_that_the_system_chose(void **state)
{
    (void)state;
    hf_server *s = started(&plain);
    const uint16_t port = hf_server_port(s, 0);
    assert_true(port > 0);
    assert_int_equal(hf_server_port(s, 1), 0);
    assert_int_equal(hf_server_port(s, 99), 0);
    says(port, "/hello/world", "200 OK", "\r\n\r\nhello, world\n");
    says(port, "/elsewhere", "404 Not Found", "HF-HTTP-001");
    hf_server_close(s);
    char answer[100];
    ask(port, false, "/hello/world", answer, sizeof answer);
    assert_string_equal(answer, ""); /* closed is closed */
}

static void localhost_is_both_loopback_addresses_at_one_port(void **state)
{
    (void)state;
    hf_server_options options = plain;
    options.listen[0] = "http://localhost:0";
    hf_server *s = started(&options);
    const int probe = socket(AF_INET6, SOCK_STREAM, 0);
    const struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    const bool there = probe >= 0 && bind(probe, (const struct sockaddr *)&six, sizeof six) == 0;
    close(probe);
    says(hf_server_port(s, 0), "/hello/four", "200 OK", "hello, four\n");
    if (there) {
        char answer[4096];
        ask(hf_server_port(s, 0), true, "/hello/six", answer, sizeof answer);
        assert_non_null(strstr(answer, "hello, six\n"));
    }
    hf_server_close(s);
}

static void every_listener_has_its_port(void **state)
{
    (void)state;
    hf_server_options options = plain;
    options.listen[1] = "http://127.0.0.1:0";
    hf_server *s = started(&options);
    assert_true(hf_server_port(s, 0) != hf_server_port(s, 1));
    says(hf_server_port(s, 0), "/hello/one", "200 OK", "hello, one\n");
    says(hf_server_port(s, 1), "/hello/two", "200 OK", "hello, two\n");
    hf_server_close(s);
}

static void everything_wrong_is_told_at_once(void **state)
{
    (void)state;
    static const hf_route wrong[] = { { "GET", "hello", .handle = hello }, { "get", "/a", .handle = hello }, { "GET", "/b", .handle = NULL } };
    hf_server *s = NULL;
    const hf_server_options options = { .listen = { "http://127.0.0.1:0", "gopher://x" }, .routes = wrong, .route_count = 3 };
    assert_int_equal(hf_server_open(&s, &options).code, HF_ERR_BASE_USAGE);
    const char *why = hf_server_why(s);
    assert_non_null(strstr(why, "gopher"));
    assert_non_null(strstr(why, "route 0 (GET hello): a path begins with '/'\n"));
    assert_non_null(strstr(why, "route 1 (get /a): no such method"));
    static const char last[] = "\nroute 2 (GET /b): a route has one of handle, files, websocket and events";
    assert_true(strlen(why) > strlen(last));
    assert_string_equal(why + strlen(why) - strlen(last), last);
    assert_int_equal(hf_server_start(s).code, HF_ERR_BASE_USAGE);
    hf_server_close(s);
    const hf_server_options elsewhere = { .listen = { "gopher://x" }, .routes = routes, .route_count = 1 };
    assert_int_equal(hf_server_open(&s, &elsewhere).code, HF_ERR_IO_ADDRESS_SYNTAX);
    hf_server_close(s);
    const hf_server_options nowhere = { .routes = routes, .route_count = 1 };
    assert_int_equal(hf_server_open(&s, &nowhere).code, HF_ERR_BASE_USAGE);
    assert_non_null(strstr(hf_server_why(s), "options.listen is empty"));
    hf_server_close(s);
}

static void a_port_that_is_taken_is_named_with_the_remedy(void **state)
{
    (void)state;
    hf_server *first = started(&plain), *second = NULL;
    char at[64];
    snprintf(at, sizeof at, "http://127.0.0.1:%u", hf_server_port(first, 0));
    hf_server_options options = plain;
    options.listen[0] = at;
    assert_int_equal(hf_server_open(&second, &options).code, HF_ERR_IO_ADDRESS_IN_USE);
    assert_non_null(strstr(hf_server_why(second), at + 7));
    assert_non_null(strstr(hf_server_why(second), "another port"));
    hf_server_close(second);
    says(hf_server_port(first, 0), "/hello/still", "200 OK", "hello, still\n");
    hf_server_close(first);
}

static void two_servers_in_one_process_do_not_meet(void **state)
{
    (void)state;
    hf_server_options one = plain, two = plain;
    one.context = (void *)(uintptr_t)"good morning";
    two.context = (void *)(uintptr_t)"good night";
    hf_server *a = started(&one), *b = started(&two);
    says(hf_server_port(a, 0), "/hello/x", "200 OK", "good morning, x\n");
    says(hf_server_port(b, 0), "/hello/x", "200 OK", "good night, x\n");
    hf_server_close(a);
    says(hf_server_port(b, 0), "/hello/y", "200 OK", "good night, y\n");
    hf_server_close(b);
}

static void fifty_starts_and_stops_leave_nothing(void **state)
{
    (void)state;
    const size_t before = open_descriptors();
    for (int i = 0; i < 50; i++) {
        hf_server *s = started(&plain);
        if (i % 5 == 0)
            says(hf_server_port(s, 0), "/hello/again", "200 OK", "hello, again\n");
        if (i % 2 == 0)
            hf_server_stop(s);
        hf_server_close(s);
    }
    for (int i = 0; i < 10; i++) { /* opened, never started */
        hf_server *s = NULL;
        assert_int_equal(hf_server_open(&s, &plain).code, 0);
        hf_server_stop(s);
        hf_server_close(s);
    }
    hf_server_close(NULL);
    assert_int_equal(open_descriptors(), before);
}

static void *stop_later(void *server)
{
    const struct timespec moment = { 0, 100000000 };
    nanosleep(&moment, NULL);
    hf_server_stop(server);
    return NULL;
}

static void run_ends_when_another_thread_says_stop(void **state)
{
    (void)state;
    hf_server *s = NULL;
    pthread_t id;
    assert_int_equal(hf_server_open(&s, &plain).code, 0);
    assert_int_equal(pthread_create(&id, NULL, stop_later, s), 0);
    assert_int_equal(hf_server_run(s).code, 0);
    pthread_join(id, NULL);
    hf_server_close(s);
}

static void *terminate_later(void *which)
{
    const struct timespec moment = { 0, 100000000 };
    nanosleep(&moment, NULL);
    pthread_kill(*(pthread_t *)which, SIGTERM);
    return NULL;
}

static void run_ends_at_sigterm_and_gives_the_signals_back(void **state)
{
    (void)state;
    hf_server *s = NULL;
    pthread_t id, self = pthread_self();
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(hf_server_open(&s, &plain).code, 0);
    assert_int_equal(pthread_create(&id, NULL, terminate_later, &self), 0);
    assert_int_equal(hf_server_run(s).code, 0);
    pthread_join(id, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    hf_server_close(s);
}

typedef struct caller {
    uint16_t port;
    size_t good;
} caller;

static void *call_often(void *argument)
{
    caller *c = argument;
    for (int i = 0; i < 50; i++) {
        char answer[4096];
        ask(c->port, false, "/hello/crowd", answer, sizeof answer);
        c->good += strstr(answer, "hello, crowd\n") != NULL;
    }
    return NULL;
}

static void many_clients_at_once_are_all_answered(void **state)
{
    (void)state;
    enum { CALLERS = 8 };
    hf_server *s = started(&plain);
    pthread_t ids[CALLERS];
    caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (caller){ .port = hf_server_port(s, 0) };
        assert_int_equal(pthread_create(&ids[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(ids[i], NULL);
        assert_int_equal(callers[i].good, 50);
    }
    hf_server_close(s);
}

/* A connection that is open and silent when the server is closed is closed in good order. */
static void a_close_with_open_connections_is_quick_and_clean(void **state)
{
    (void)state;
    hf_server *s = started(&plain);
    const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(hf_server_port(s, 0)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fds[20];
    for (size_t i = 0; i < HF_COUNT(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fds[i], (const struct sockaddr *)&to, sizeof to), 0);
    }
    const struct timespec moment = { 0, 50000000 };
    nanosleep(&moment, NULL);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    hf_server_close(s);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_true(ended.tv_sec - began.tv_sec < 6); /* limit linger_ns, not drain_ns */
    for (size_t i = 0; i < HF_COUNT(fds); i++) {
        char byte;
        assert_int_equal(recv(fds[i], &byte, 1, 0), 0);
        close(fds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_answers_on_the_port_that_the_system_chose),
        cmocka_unit_test(localhost_is_both_loopback_addresses_at_one_port),
        cmocka_unit_test(every_listener_has_its_port),
        cmocka_unit_test(everything_wrong_is_told_at_once),
        cmocka_unit_test(a_port_that_is_taken_is_named_with_the_remedy),
        cmocka_unit_test(two_servers_in_one_process_do_not_meet),
        cmocka_unit_test(fifty_starts_and_stops_leave_nothing),
        cmocka_unit_test(run_ends_when_another_thread_says_stop),
        cmocka_unit_test(run_ends_at_sigterm_and_gives_the_signals_back),
        cmocka_unit_test(many_clients_at_once_are_all_answered),
        cmocka_unit_test(a_close_with_open_connections_is_quick_and_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
