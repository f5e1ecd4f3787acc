/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers that take their time, over real loopback and with real threads: answers from other threads, blocking work, a
 * loop that is the program's own. Whatever a handler does, the others are served.
 */
#include <handfast/guards.h>
#include <handfast/server.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static _Atomic int begun, ended;
static hf_later *_Atomic forgotten;

static void nap(long ms)
{
    const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static hf_err hello(hf_req *rq)
{
    return hf_reply_text(rq, 200, "hello, %.*s\n", HF_STR(hf_path_arg(rq, "name")));
}

/* A thread of its own answers, twice. */
static void *answer_from_thread(void *argument)
{
    hf_later *later = argument;
    nap(20);
    (void)hf_later_answer(later, 200, "text/plain", hf_text("from a thread\n")).code;
    assert_int_not_equal(hf_later_answer(later, 200, "text/plain", hf_text("twice\n")).code, 0);
    hf_later_drop(later);
    ended++;
    return NULL;
}

static hf_err threaded(hf_req *rq)
{
    hf_later *later;
    pthread_t id;
    hf_err err = hf_req_later(rq, &later);
    if (err.code != 0)
        return err;
    begun++;
    if (pthread_create(&id, NULL, answer_from_thread, later) != 0) {
        hf_later_drop(later);
        return hf_err_make(HF_ERR_IO_SYSTEM);
    }
    pthread_detach(id);
    return HF_OK;
}

static void sleep_a_while(void *what)
{
    nap(*(const int *)what);
}

static hf_err slept(hf_req *rq, void *what)
{
    ended++;
    const int ms = *(const int *)what;
    free(what);
    return rq != NULL ? hf_reply_text(rq, 200, "slept %d ms\n", ms) : HF_OK;
}

static hf_err blocking(hf_req *rq)
{
    int *ms = malloc(sizeof *ms);
    *ms = 50;
    begun++;
    const hf_err err = hf_req_run_blocking(rq, sleep_a_while, slept, ms);
    if (err.code == 0)
        return HF_OK;
    begun--;
    free(ms);
    return err;
}

static hf_err forgets(hf_req *rq)
{
    hf_later *later;
    const hf_err err = hf_req_later(rq, &later);
    hf_later_drop(atomic_exchange(&forgotten, later));
    return err;
}

/* Each piece of a body is dealt with in another thread, and the next one waits for it. */
static void count_in_thread(void *what)
{
    nap(1);
    (void)what;
}

static hf_err counted(hf_req *rq, void *what)
{
    (void)what;
    ended++;
    if (rq != NULL)
        hf_req_resume(rq);
    return HF_OK;
}

static hf_err take_slowly(hf_req *rq, hf_bytes piece)
{
    *hf_req_word(rq) += piece.len;
    const hf_err err = hf_req_pause(rq);
    if (err.code != 0)
        return err;
    begun++;
    return hf_req_run_blocking(rq, count_in_thread, counted, NULL);
}

static hf_err took_slowly(hf_req *rq)
{
    return hf_reply_text(rq, 200, "took %llu", (unsigned long long)*hf_req_word(rq));
}

/* Counts how often it was carried out, in a thread for blocking work. */
static void carry_out(void *what)
{
    nap(30);
    (*(int *)what)++;
}

static hf_err carried_out(hf_req *rq, void *what)
{
    return rq != NULL ? hf_reply_text(rq, 201, "number %d", *(int *)what) : HF_OK;
}

static hf_err orders(hf_req *rq)
{
    static int count;
    return hf_req_run_blocking(rq, carry_out, carried_out, &count);
}

static const hf_route routes[] = {
    { "POST", "/orders", .handle = orders, .idempotency = HF_IDEMPOTENT_REQUIRED },
    { "POST", "/slowly", .handle = took_slowly, .body = take_slowly, .max_body = 10000000 },
    { "GET", "/hello/{name}", .handle = hello },
    { "GET", "/thread", .handle = threaded },
    { "GET", "/block", .handle = blocking },
    { "GET", "/never", .handle = forgets, .handler_ns = HF_MILLISECONDS(100) },
};

static hf_limits limits;
static hf_server_options options = { .listen = { "http://127.0.0.1:0" }, .routes = routes, .route_count = HF_COUNT(routes),
    .threads = 2, .limits = &limits };

static int setup(void **state)
{
    (void)state;
    limits = *hf_limits_default();
    begun = ended = 0;
    return 0;
}

static int dial(uint16_t port)
{
    const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval patience = { 10, 0 };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void say(int fd, const char *path)
{
    char request[256];
    const int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
    assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
}

/* The end of a ring that this thread used interrupts it, once, as a signal would (server.h: HF_SERVER_IO_URING). */
static ssize_t receive(int fd, char *to, size_t room)
{
    ssize_t got;
    do
        got = recv(fd, to, room, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

static void hear(int fd, const char *wanted)
{
    char answer[4096];
    size_t length = 0;
    for (ssize_t got; (got = receive(fd, answer + length, sizeof answer - 1 - length)) > 0;)
        length += (size_t)got;
    answer[length] = 0;
    close(fd);
    if (strstr(answer, wanted) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", wanted, answer);
}

static void ask(uint16_t port, const char *path, const char *wanted)
{
    const int fd = dial(port);
    say(fd, path);
    hear(fd, wanted);
}

static hf_server *started(void)
{
    hf_server *s = NULL;
    if (hf_server_open(&s, &options).code != 0)
        fail_msg("%s", hf_server_why(s));
    assert_int_equal(hf_server_start(s).code, 0);
    return s;
}

static void other_threads_answer(void **state)
{
    (void)state;
    hf_server *s = started();
    int fds[20];
    for (size_t i = 0; i < HF_COUNT(fds); i++)
        say(fds[i] = dial(hf_server_port(s, 0)), "/thread");
    ask(hf_server_port(s, 0), "/hello/you", "hello, you");
    for (size_t i = 0; i < HF_COUNT(fds); i++)
        hear(fds[i], "from a thread");
    for (int i = 0; i < 500 && ended < begun; i++)
        nap(10);
    assert_int_equal(ended, 20);
    hf_server_close(s);
}

static void blocking_work_blocks_nobody_else(void **state)
{
    (void)state;
    hf_server *s = started();
    int fds[40];
    for (size_t i = 0; i < HF_COUNT(fds); i++)
        say(fds[i] = dial(hf_server_port(s, 0)), "/block");
    ask(hf_server_port(s, 0), "/hello/you", "hello, you");
    assert_true(ended < 40); /* it was served while they slept */
    for (size_t i = 0; i < HF_COUNT(fds); i++)
        hear(fds[i], "slept 50 ms");
    assert_int_equal(ended, 40);
    hf_server_close(s);
}

static void too_much_blocking_work_is_a_503(void **state)
{
    (void)state;
    limits.blocking_threads = 1;
    limits.blocking_jobs = 1;
    hf_server *s = started();
    int fds[10], busy = 0;
    for (size_t i = 0; i < HF_COUNT(fds); i++)
        say(fds[i] = dial(hf_server_port(s, 0)), "/block");
    for (size_t i = 0; i < HF_COUNT(fds); i++) {
        char answer[2048] = "";
        const ssize_t n = recv(fds[i], answer, sizeof answer - 1, MSG_WAITALL);
        assert_true(n > 0);
        busy += strstr(answer, "503 Service Unavailable") != NULL && strstr(answer, "HF-HTTP-037") != NULL;
        close(fds[i]);
    }
    assert_in_range(busy, 1, 9);
    hf_server_close(s);
    assert_int_equal(ended, begun);
}

static void clients_that_leave_take_nothing_with_them(void **state)
{
    (void)state;
    hf_server *s = started();
    static const char *const paths[] = { "/thread", "/block", "/never" };
    for (size_t i = 0; i < 30; i++) {
        const int fd = dial(hf_server_port(s, 0));
        const struct linger cut = { 1, 0 };
        say(fd, paths[i % 3]);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &cut, sizeof cut);
        close(fd);
    }
    ask(hf_server_port(s, 0), "/hello/you", "hello, you");
    for (int i = 0; i < 1000 && ended < begun; i++)
        nap(10);
    assert_int_equal(ended, begun);
    hf_server_close(s);
    hf_later_drop(atomic_exchange(&forgotten, NULL)); /* after all of it is gone */
}

static void who_never_answers_is_answered_for(void **state)
{
    (void)state;
    hf_server *s = started();
    ask(hf_server_port(s, 0), "/never", "503 Service Unavailable");
    hf_server_close(s);
    hf_later *late = atomic_exchange(&forgotten, NULL);
    assert_true(hf_later_is_over(late));
    assert_int_equal(hf_later_answer(late, 200, NULL, hf_text("")).code, HF_ERR_HTTP_CLIENT_GONE);
    hf_later_drop(late);
}

static void closing_waits_for_work_and_drops_what_only_waits(void **state)
{
    (void)state;
    limits.blocking_threads = 1;
    limits.drain_ns = HF_MILLISECONDS(20);
    hf_server *s = started();
    int fds[5];
    for (size_t i = 0; i < HF_COUNT(fds); i++)
        say(fds[i] = dial(hf_server_port(s, 0)), "/block");
    for (int i = 0; i < 1000 && begun < 5; i++)
        nap(5);
    hf_server_close(s);
    assert_int_equal(ended, begun); /* each was told, so that each could free what it had */
    for (size_t i = 0; i < HF_COUNT(fds); i++)
        close(fds[i]);
}

/* Posts `bytes` zeros with curl; what it printed. */
static void post_with_curl(uint16_t port, const char *version, size_t bytes, char *answer, size_t capacity)
{
    char command[256];
    snprintf(command, sizeof command, "head -c %zu /dev/zero | curl -sS --max-time 60 %s --data-binary @- http://127.0.0.1:%u/slowly",
        bytes, version, port);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    answer[fread(answer, 1, capacity - 1, f)] = 0;
    pclose(f);
}

static void a_body_waits_for_another_thread_piece_by_piece(void **state)
{
    (void)state;
    hf_test_needs("curl with HTTP/2", system("curl -V 2>/dev/null | grep -q HTTP2") == 0);
    static const char *const versions[] = { "--http1.1", "-H Transfer-Encoding:chunked", "--http2-prior-knowledge" };
    hf_server *s = started();
    for (size_t i = 0; i < HF_COUNT(versions); i++) {
        char answer[256] = "";
        post_with_curl(hf_server_port(s, 0), versions[i], 3000000, answer, sizeof answer);
        if (strcmp(answer, "took 3000000") != 0)
            fail_msg("%s: %s", versions[i], answer);
    }
    hf_server_close(s);
    assert_int_equal(ended, begun);
    assert_true(begun > 10);
}

/* ---- a loop of one's own ------------------------------------------------------------------------------------ */

static void turn_until(hf_server *s, int fd)
{
    for (int i = 0; i < 1000; i++) {
        const int64_t wait = hf_server_wait_ns(s);
        struct pollfd either[] = { { .fd = hf_server_fd(s), .events = POLLIN }, { .fd = fd, .events = POLLIN } };
        const bool patient = wait < 0 || wait > HF_SECONDS(10);
        const int ready = poll(either, fd >= 0 ? 2 : 1, patient ? 10000 : (int)((wait + 999999) / 1000000));
        assert_true(ready != 0 || !patient); /* what comes is told by the descriptor, or foretold */
        if (!hf_server_turn(s) || (fd >= 0 && either[1].revents != 0))
            return;
    }
    fail_msg("nothing came");
}

static void serve_in_a_loop_of_ones_own(hf_server_io io)
{
    static const char *const paths[] = { "/hello/you", "/thread", "/block", "/never" };
    static const char *const wanted[] = { "hello, you", "from a thread", "slept 50", "503 Service" };
    hf_server_options own = options;
    hf_server *s = NULL;
    own.own_loop = true;
    own.threads = 0;
    own.io = io;
    if (hf_server_open(&s, &own).code != 0)
        fail_msg("%s", hf_server_why(s));
    assert_int_equal(hf_server_start(s).code, HF_ERR_BASE_USAGE);
    for (size_t i = 0; i < HF_COUNT(paths); i++) {
        const int fd = dial(hf_server_port(s, 0));
        say(fd, paths[i]);
        turn_until(s, fd);
        turn_until(s, fd); /* the FIN behind the answer */
        hear(fd, wanted[i]);
    }
    hf_server_stop(s);
    turn_until(s, -1);
    assert_false(hf_server_turn(s));
    hf_server_close(s);
    hf_later_drop(atomic_exchange(&forgotten, NULL));
    for (int i = 0; i < 1000 && ended < begun; i++)
        nap(10);
}

static void a_loop_of_ones_own_serves_with_one_thread(void **state)
{
    (void)state;
    serve_in_a_loop_of_ones_own(HF_SERVER_IO_AUTO);
}

static void a_loop_of_ones_own_may_wait_on_io_uring(void **state)
{
    (void)state;
    hf_server_options probe = options;
    hf_server *s = NULL;
    probe.own_loop = true;
    probe.threads = 0;
    probe.io = HF_SERVER_IO_URING;
    const bool there = hf_server_open(&s, &probe).code == 0;
    hf_server_close(s);
    hf_test_needs("io_uring", there);
    serve_in_a_loop_of_ones_own(HF_SERVER_IO_URING);
}

static void order(int fd, const char *key, const char *body)
{
    char text[300];
    const int n = snprintf(text, sizeof text, "POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: %s\r\n"
        "Content-Length: %zu\r\n\r\n%s", key, strlen(body), body);
    assert_int_equal(write(fd, text, (size_t)n), n);
}

static void what_was_ordered_once_is_carried_out_once_whatever_ends_meanwhile(void **state)
{
    (void)state;
    char folder[] = "/tmp/handfast-keys-XXXXXX", file[100], path[110];
    hf_server_options kept = options;
    hf_sqlite_keys *keys;
    hf_key_store table;
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/keys.db", folder);
    const hf_err absent = hf_sqlite_keys_open(hf_env_default(), file, &keys, &table, NULL);
    hf_sqlite_keys_close(keys);
    for (int life = 0; absent.code == 0 && life < 3; life++) {
        hf_server *s = NULL;
        assert_int_equal(hf_sqlite_keys_open(hf_env_default(), file, &keys, &table, NULL).code, 0);
        kept.keys = &table;
        assert_int_equal(hf_server_open(&s, &kept).code, 0);
        assert_int_equal(hf_server_start(s).code, 0);
        const int first = dial(hf_server_port(s, 0)), again = dial(hf_server_port(s, 0)), other = dial(hf_server_port(s, 0));
        order(first, "a", "x");
        hear(first, "number 1");
        order(again, "a", "x");
        hear(again, "number 1");
        order(other, "a", "y");
        hear(other, "422 ");
        const int gone = dial(hf_server_port(s, 0)); /* leaves the answer to the end of the server */
        char key[8];
        snprintf(key, sizeof key, "b%d", life);
        order(gone, key, "x");
        close(gone);
        hf_server_stop(s);
        hf_server_close(s);
        hf_sqlite_keys_close(keys);
    }
    static const char *const ends[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < HF_COUNT(ends); i++) {
        snprintf(path, sizeof path, "%s%s", file, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    hf_test_needs("SQLite", absent.code == 0);
}

static void a_wrong_use_is_refused_with_all_its_reasons(void **state)
{
    (void)state;
    static const hf_limits no_limits;
    static const hf_route wrong[] = { { "GET", "/a", .handle = hello, .takes = HF_TAKES_JSON }, { "POST", "b", .handle = hello },
        { "PUT", "/c", .handle = hello, .idempotency = HF_IDEMPOTENT_TAKEN }, { "GET", "/d", .handle = hello, .limits = &no_limits },
        { "GET", "/e", .handle = hello, .https = HF_HTTPS_ALWAYS }, { "GET", "/f", .handle = hello, .https = (hf_https)7 } };
    const hf_server_options o = { .listen = { "ftp://x" }, .routes = wrong, .route_count = HF_COUNT(wrong), .threads = 3, .own_loop = true,
        .io = (hf_server_io)7 };
    hf_server *s = NULL;
    assert_int_equal(hf_server_open(&s, &o).code, HF_ERR_BASE_USAGE);
    static const char *const reasons[] = { "ftp", "threads is 0 or 1", "options.io is one of", "route 0 (GET /a)", "route 1 (POST b)", "route 2 (PUT /c)",
        "the limits of a route begin as a copy", "HF_HTTPS_ALWAYS needs an https listener", "https is one of the names" };
    for (size_t i = 0; i < HF_COUNT(reasons); i++)
        if (strstr(hf_server_why(s), reasons[i]) == NULL)
            fail_msg("%s is not in %s", reasons[i], hf_server_why(s));
    assert_int_equal(hf_server_fd(s), -1);
    assert_int_equal(hf_server_wait_ns(s), -1);
    assert_false(hf_server_turn(s));
    hf_server_close(s);
}

/* Who may be told why is at this machine: a server that others reach has no guard that tells. */
static void what_explains_denials_listens_at_loopback_alone(void **state)
{
    (void)state;
    static hf_csrf_guard csrf = { .guard = { hf_guard_csrf_check, hf_guard_csrf_check_end, true } };
    static const hf_route explains[] = { { "GET", "/a", .handle = hello }, { "POST", "/b", .handle = hello, .guards = { &csrf.guard } } };
    static const struct {
        const char *first, *second;
        bool good;
    } rows[] = { { "http://127.0.0.1:0", NULL, true }, { "http://localhost:0", NULL, true }, { "http://0.0.0.0:0", NULL, false },
        { "http://*:0", NULL, false }, { "http://127.0.0.1:0", "http://0.0.0.0:0", false } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_server_options o = { .listen = { rows[i].first, rows[i].second }, .routes = explains, .route_count = HF_COUNT(explains) };
        hf_server *s = NULL;
        const hf_err err = hf_server_open(&s, &o);
        if (rows[i].good != (err.code == 0))
            fail_msg("%s: %s", rows[i].first, hf_server_why(s));
        if (!rows[i].good) {
            assert_int_equal(err.code, HF_ERR_BASE_USAGE);
            assert_non_null(strstr(hf_server_why(s), "a guard of the route /b has .explain"));
            assert_non_null(strstr(hf_server_why(s), "leave .explain out, or listen at localhost alone"));
        }
        hf_server_close(s);
    }
    csrf.guard.explain = false; /* for production, anywhere */
    const hf_server_options o = { .listen = { "http://0.0.0.0:0" }, .routes = explains, .route_count = HF_COUNT(explains) };
    hf_server *s = NULL;
    assert_int_equal(hf_server_open(&s, &o).code, 0);
    hf_server_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_explains_denials_listens_at_loopback_alone),
        cmocka_unit_test_setup(other_threads_answer, setup),
        cmocka_unit_test_setup(blocking_work_blocks_nobody_else, setup),
        cmocka_unit_test_setup(too_much_blocking_work_is_a_503, setup),
        cmocka_unit_test_setup(clients_that_leave_take_nothing_with_them, setup),
        cmocka_unit_test_setup(who_never_answers_is_answered_for, setup),
        cmocka_unit_test_setup(closing_waits_for_work_and_drops_what_only_waits, setup),
        cmocka_unit_test_setup(a_body_waits_for_another_thread_piece_by_piece, setup),
        cmocka_unit_test_setup(a_loop_of_ones_own_serves_with_one_thread, setup),
        cmocka_unit_test_setup(a_loop_of_ones_own_may_wait_on_io_uring, setup),
        cmocka_unit_test_setup(what_was_ordered_once_is_carried_out_once_whatever_ends_meanwhile, setup),
        cmocka_unit_test_setup(a_wrong_use_is_refused_with_all_its_reasons, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
