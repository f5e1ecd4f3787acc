/* SPDX-License-Identifier: Apache-2.0
 *
 * One program that does the least on TCP, on the kernel's and on ours alike, so that what it costs is TCP's.
 *
 *     tcp_peer serve kernel ADDRESS PORT
 *     tcp_peer serve tun|tap|packet|xdp DEVICE ADDRESS/PREFIX PORT [plain]
 *     tcp_peer sink|source ADDRESS PORT MEGABYTES     by the kernel: sends to the server, or has it send
 *     tcp_peer pull WARM SECONDS PORT ADDRESS...      by the kernel: a 'G' from each, all at once; what comes of each after WARM seconds
 *     tcp_peer many ADDRESS PORT CONNECTIONS SECONDS  by the kernel: connections one after the other, CONNECTIONS at once
 *
 * Servers serve in one thread until a signal ends them, and print "ready". The first byte of a connection says what it is for:
 * 'S': what follows is thrown away, and its end answered by ours. 'G', ten digits: so many megabytes are sent, then the end.
 * 'Q', in all 64 bytes of them: 100 bytes are the answer, then the end. Clients print one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "allocator.h"
#include "host_io.h"
#include "random.h"

enum { REQUEST = 64, ANSWER = 100, DIGITS = 10, CHUNK = 256 * 1024, EVENTS = 256, BACKLOG = 4096, SERVER_MOST = 1 << 16 };

static uint8_t chunk[CHUNK];

[[gnu::noreturn]] static void die(const char *what)
{
    fprintf(stderr, "tcp_peer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void say_ready(void)
{
    puts("ready");
    fflush(stdout);
}

/* ---- what a connection is for ------------------------------------------------------------------------------------- */

typedef struct job {
    char what;       /* 0: not known yet */
    size_t heard;    /* bytes of the request */
    char digits[DIGITS + 1];
    uint64_t to_send;
    bool whole;      /* the request is */
} job;

static void hear(job *j, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n && !j->whole; i++) {
        if (j->heard == 0)
            j->what = (char)bytes[i];
        else if (j->what == 'G' && j->heard <= DIGITS)
            j->digits[j->heard - 1] = (char)bytes[i];
        j->heard++;
        j->whole = j->what == 'G' ? j->heard == DIGITS + 1 : j->what == 'Q' ? j->heard == REQUEST : true;
        if (j->whole)
            j->to_send = j->what == 'G' ? strtoull(j->digits, NULL, 10) * 1000000 : j->what == 'Q' ? ANSWER : 0;
    }
}

/* ---- the kernel's TCP ----------------------------------------------------------------------------------------------- */

static struct sockaddr_in address(const char *ip, const char *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
    if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
        die(ip);
    return a;
}

static job jobs[SERVER_MOST]; /* by descriptor */

/* BBR, which some machines have as the default, paces by timers; that would be measured instead. A namespace may not choose: root may. */
static int make_socket(int how)
{
    const int fd = socket(AF_INET, SOCK_STREAM | how, 0);
    if (fd < 0 || fd >= SERVER_MOST || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) != 0)
        die("a socket with cubic");
    return fd;
}

/* False: it is over. */
static bool kernel_turn(int fd)
{
    job *j = &jobs[fd];
    while (!j->whole || j->to_send == 0) {
        const ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        hear(j, chunk, (size_t)n);
    }
    while (j->to_send > 0) {
        const ssize_t n = send(fd, chunk, j->to_send < CHUNK ? (size_t)j->to_send : CHUNK, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        j->to_send -= (uint64_t)n;
    }
    return false;
}

static void serve_kernel(const char *ip, const char *port)
{
    static struct epoll_event events[EVENTS];
    const struct sockaddr_in at = address(ip, port);
    const int one = 1, listener = make_socket(SOCK_NONBLOCK), poller = epoll_create1(0);
    struct epoll_event listening = { .events = EPOLLIN, .data.fd = listener };
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 || bind(listener, (const struct sockaddr *)&at, sizeof at) != 0 ||
        listen(listener, BACKLOG) != 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &listening) != 0)
        die("listen");
    say_ready();
    for (;;) {
        const int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd != listener && !kernel_turn(events[i].data.fd))
                close(events[i].data.fd);
            for (int fd; events[i].data.fd == listener && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd };
                if (fd >= SERVER_MOST || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev) != 0)
                    die("accept");
                jobs[fd] = (job){ 0 };
            }
        }
    }
}

/* ---- ours ------------------------------------------------------------------------------------------------------------ */

typedef struct call {
    job job;
    hf_pier pier;
    unsigned owed; /* pieces that are not acknowledged */
} call;

/* False: it is over. */
static bool own_turn(call *c, hf_time now)
{
    hf_pier_event event;
    bool ended = false;
    hf_step s;
    while ((s = c->pier.ops->event(c->pier.self, now, &event)) == HF_EVENT) {
        ended = ended || event.kind == HF_PIER_ENDED;
        c->owed -= event.kind == HF_PIER_RELEASED;
    }
    const hf_span got = c->pier.ops->peek(c->pier.self, 0);
    hear(&c->job, got.ptr, got.len);
    c->pier.ops->take(c->pier.self, 0, got.len);
    while (c->job.to_send > 0 && c->pier.ops->unsent(c->pier.self, 0) == 0) {
        const size_t n = c->job.to_send < CHUNK ? (size_t)c->job.to_send : CHUNK;
        const hf_extent e = { .kind = HF_EXTENT_LENT, .token = 1, .bytes = hf_bytes_make(chunk, n) };
        if (c->pier.ops->put(c->pier.self, 0, &e, 1) != n)
            break;
        c->job.to_send -= n;
        c->owed++;
    }
    /* what is short ends at once; of what is long nothing is to be copied for its end */
    if (c->job.whole && c->job.what != 'S' && c->job.to_send == 0 && (c->job.what == 'Q' || c->owed == 0))
        return false;
    return !ended && (s == HF_IDLE || s == HF_FULL);
}

static void end_call(call *c)
{
    c->pier.ops->free(c->pier.self);
    free(c);
}

static void serve_own(int argc, char **argv)
{
    static hf_random random;
    static hf_env env;
    static hf_io_event events[EVENTS];
    char text[512];
    hf_door door;
    hf_err err;
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_host_config config = { .address_count = 1 };
    hf_door_options options = { .device = argv[3], .plain = argc > 6, .addresses = config.addresses, .address_count = 1 };
    for (hf_door_kind k = HF_DOOR_TUN; k <= HF_DOOR_XDP; k++)
        if (strcmp(argv[2], hf_door_name(k)) == 0)
            options.kind = k;
    if (options.kind == HF_DOOR_NONE || !hf_host_address_parse(hf_bytes_make(argv[4], strlen(argv[4])), &config.addresses[0]))
        die(argv[2]);
    hf_random_seed(&random, 1);
    env = (hf_env){ .alloc = *hf_allocator_default(), .random = &random, .limits = hf_limits_default() };
    if (hf_door_open(&door, &options, &why).code != 0) {
        fprintf(stderr, "tcp_peer: %.*s\n", (int)why.length, text);
        exit(1);
    }
    hf_io *const io = hf_host_io_new(&env, &door, &config, &err);
    const hf_address at = { .family = 4, .port = (uint16_t)atoi(argv[5]) };
    if (io == NULL || io->ops->listen(io, &at, -1, NULL).code != 0)
        die("our own stack");
    say_ready();
    for (;;) {
        const size_t n = io->ops->wait(io, hf_time_after(io->ops->clock(io), HF_SECONDS(1)), events, EVENTS);
        for (size_t i = 0; i < n; i++) {
            call *c = events[i].owner;
            if (events[i].kind == HF_IO_ACCEPTED) {
                c = calloc(1, sizeof *c);
                if (c == NULL)
                    die("memory");
                c->pier = events[i].pier;
                io->ops->own(io, c->pier, c);
            } else if (events[i].kind != HF_IO_READY) {
                continue;
            }
            if (!own_turn(c, io->ops->now(io)))
                end_call(c);
        }
    }
}

/* ---- clients ---------------------------------------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_s(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

static uint64_t receive_all(int fd)
{
    uint64_t total = 0;
    for (ssize_t n; (n = recv(fd, chunk, sizeof chunk, 0)) != 0; total += (uint64_t)n)
        if (n < 0)
            die("receive");
    return total;
}

static void bulk(bool sink, const char *ip, const char *port, uint64_t megabytes)
{
    const struct sockaddr_in to = address(ip, port);
    const int fd = make_socket(0);
    uint64_t bytes = megabytes * 1000000;
    char ask[DIGITS + 2];
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    const double begun = now_s(), before = cpu_s();
    snprintf(ask, sizeof ask, "G%010llu", (unsigned long long)megabytes);
    if (send(fd, sink ? "S" : ask, sink ? 1 : DIGITS + 1, 0) < 0)
        die("send");
    for (uint64_t left = bytes; sink && left > 0;) {
        const ssize_t n = send(fd, chunk, left < CHUNK ? (size_t)left : CHUNK, 0);
        if (n < 0)
            die("send");
        left -= (uint64_t)n;
    }
    if (sink)
        shutdown(fd, SHUT_WR);
    const uint64_t got = receive_all(fd);
    if (got != (sink ? 0 : bytes)) {
        fprintf(stderr, "tcp_peer: %llu bytes came, and not %llu\n", (unsigned long long)got, (unsigned long long)bytes);
        exit(1);
    }
    const double seconds = now_s() - begun, cpu = cpu_s() - before;
    const bool known = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"cpu_s\": %.6f, \"retransmitted\": %u}\n", (unsigned long long)bytes, seconds, cpu, known ? info.tcpi_total_retrans : 0);
}

enum { FLOWS = 16 };

static void pull(double warm, double seconds, const char *port, char **addresses, int count)
{
    struct pollfd fds[FLOWS];
    uint64_t bytes[FLOWS] = { 0 };
    const double begun = now_s();
    for (int i = 0; i < count; i++) {
        const struct sockaddr_in to = address(addresses[i], port);
        fds[i] = (struct pollfd){ .fd = make_socket(0), .events = POLLIN };
        if (connect(fds[i].fd, (const struct sockaddr *)&to, sizeof to) != 0 || send(fds[i].fd, "G0000100000", DIGITS + 1, 0) < 0)
            die("connect");
    }
    for (double now = begun; now < begun + warm + seconds; now = now_s()) {
        (void)poll(fds, (nfds_t)count, 100);
        for (int i = 0; i < count; i++) {
            const ssize_t n = fds[i].revents != 0 ? recv(fds[i].fd, chunk, sizeof chunk, MSG_DONTWAIT) : 0;
            if (fds[i].revents != 0 && n <= 0)
                die("a flow ended");
            bytes[i] += now > begun + warm ? (uint64_t)n : 0;
        }
    }
    printf("[");
    for (int i = 0; i < count; i++)
        printf("%s%llu", i > 0 ? ", " : "", (unsigned long long)bytes[i]);
    printf("]\n");
}

static int connect_one(int poller, const struct sockaddr_in *to)
{
    const int fd = make_socket(SOCK_NONBLOCK);
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd };
    if ((connect(fd, (const struct sockaddr *)to, sizeof *to) != 0 && errno != EINPROGRESS) || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("connect");
    jobs[fd] = (job){ 0 };
    return fd;
}

/* True: the server has answered and ended. */
static bool client_turn(int fd, uint32_t events)
{
    job *j = &jobs[fd];
    if (j->what == 0 && (events & EPOLLOUT) != 0) {
        j->what = 'Q';
        memset(chunk, 'Q', REQUEST);
        if (send(fd, chunk, REQUEST, 0) != REQUEST)
            die("send");
    }
    if ((events & (EPOLLIN | EPOLLERR)) == 0)
        return false;
    for (;;) {
        const ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0)
            die("receive");
        j->heard += (size_t)n;
        if (n == 0 && j->heard != ANSWER) {
            fprintf(stderr, "tcp_peer: an answer of %zu bytes\n", j->heard);
            exit(1);
        }
        if (n == 0)
            return true;
    }
}

static void many(const char *ip, const char *port, unsigned connections, double seconds)
{
    static struct epoll_event events[EVENTS];
    const struct sockaddr_in to = address(ip, port);
    const int poller = epoll_create1(0);
    const double begun = now_s(), before = cpu_s();
    uint64_t done = 0;
    for (unsigned i = 0; i < connections; i++)
        (void)connect_one(poller, &to);
    for (unsigned open = connections; open > 0;) {
        const int n = epoll_wait(poller, events, EVENTS, 10000);
        const bool more = now_s() < begun + seconds;
        if (n == 0) {
            fprintf(stderr, "tcp_peer: nothing for 10 s\n");
            exit(1);
        }
        for (int i = 0; i < n; i++) {
            if (!client_turn(events[i].data.fd, events[i].events))
                continue;
            close(events[i].data.fd);
            done++;
            open -= !more;
            if (more)
                (void)connect_one(poller, &to);
        }
    }
    printf("{\"connections\": %llu, \"seconds\": %.6f, \"cpu_s\": %.6f}\n", (unsigned long long)done, now_s() - begun, cpu_s() - before);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "serve") == 0 && strcmp(argv[2], "kernel") == 0)
        serve_kernel(argv[3], argv[4]);
    else if (argc >= 6 && strcmp(argv[1], "serve") == 0)
        serve_own(argc, argv);
    else if (argc == 5 && (strcmp(argv[1], "sink") == 0 || strcmp(argv[1], "source") == 0))
        bulk(strcmp(argv[1], "sink") == 0, argv[2], argv[3], strtoull(argv[4], NULL, 10));
    else if (argc > 5 && argc <= 5 + FLOWS && strcmp(argv[1], "pull") == 0)
        pull(atof(argv[2]), atof(argv[3]), argv[4], argv + 5, argc - 5);
    else if (argc == 6 && strcmp(argv[1], "many") == 0)
        many(argv[2], argv[3], (unsigned)atoi(argv[4]), atof(argv[5]));
    else
        return 2;
    return 0;
}
