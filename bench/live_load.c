/* SPDX-License-Identifier: Apache-2.0
 *
 * live_load echo|broadcast|idle HOST PORT PATH CONNECTIONS MESSAGES IN_FLIGHT BYTES SKIP: a bounded load of WebSockets, frames by hand.
 *
 * echo: each connection sends MESSAGES, IN_FLIGHT at a time, and counts what comes back. broadcast: CONNECTIONS listen, one
 * more sends MESSAGES, IN_FLIGHT at a time as the last listener hears them. idle: opens them, says so, and waits for a line
 * of standard input. SKIP: messages that each listener is told before the first. Says "opened", waits for a line, then works, and says how many messages came.
 * While it works it never sleeps: a server's send does not pay for waking it.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, MOST_BYTES = 65536, READY = 256, PATIENCE_S = 10 };

typedef struct connection {
    int fd;
    uint64_t heard, sent;
    uint64_t skip;     /* bytes of a payload still to come */
    uint8_t head[14];
    unsigned have;     /* of the head */
} connection;

static uint8_t frame[MOST_BYTES + 14], buffer[BUFFER];
static size_t frame_length;

static void die(const char *what)
{
    fprintf(stderr, "live_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void send_all(int fd, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        const ssize_t k = send(fd, (const char *)bytes + at, n - at, MSG_NOSIGNAL);
        if (k < 0 && errno != EINTR)
            die("send");
        at += k > 0 ? (size_t)k : 0;
    }
}

/* As a peer with much to say does: what may be sent at once leaves together. */
static void send_frames(int fd, uint64_t count)
{
    static uint8_t together[BUFFER];
    const size_t most = sizeof together / frame_length;
    while (count > 0) {
        const size_t n = count < most ? (size_t)count : most;
        for (size_t i = 0; i < n; i++)
            memcpy(together + i * frame_length, frame, frame_length);
        send_all(fd, together, n * frame_length);
        count -= n;
    }
}

/* A mask of zero is a mask, and leaves the payload as it is. */
static void make_frame(size_t bytes)
{
    size_t n = 0;
    frame[n++] = 0x81;
    frame[n++] = (uint8_t)(0x80 | (bytes < 126 ? bytes : bytes < 65536 ? 126 : 127));
    for (unsigned i = bytes < 126 ? 0 : bytes < 65536 ? 2 : 8; i > 0; i--)
        frame[n++] = (uint8_t)((uint64_t)bytes >> 8 * (i - 1));
    memset(frame + n, 0, 4);
    n += 4;
    memset(frame + n, 'x', bytes);
    frame_length = n + bytes;
}

static int open_one(const struct addrinfo *at, const char *host, const char *path)
{
    char text[1024];
    const int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, host);
    const int fd = socket(at->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, at->ai_addr, at->ai_addrlen) != 0)
        die("connect");
    send_all(fd, text, (size_t)n);
    for (size_t have = 0; have < 4 || memcmp(text + have - 4, "\r\n\r\n", 4) != 0; have++)
        if (have == sizeof text || recv(fd, text + have, 1, 0) != 1)
            die("the handshake");
    if (strncmp(text, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "live_load: %.40s\n", text);
        exit(1);
    }
    return fd;
}

/* Whole messages among these bytes. */
static uint64_t count(connection *c, const uint8_t *p, size_t n)
{
    uint64_t messages = 0;
    while (n > 0 || c->have > 0) {
        if (c->skip > 0) {
            const size_t k = n < c->skip ? n : (size_t)c->skip;
            c->skip -= k;
            p += k;
            n -= k;
            if (c->skip == 0)
                messages += (c->head[0] & 15) <= 2;
            if (n == 0)
                break;
            continue;
        }
        if (n == 0)
            break;
        c->head[c->have++] = *p++;
        n--;
        const unsigned want = c->have < 2 ? 2 : c->head[1] == 126 ? 4 : c->head[1] == 127 ? 10 : 2;
        if (c->have < want)
            continue;
        c->skip = c->head[1] < 126 ? c->head[1] : (uint64_t)c->head[2] << 8 | c->head[3];
        if (c->head[1] == 127)
            for (unsigned i = 2, k = 0; k < 8; k++)
                c->skip = k == 0 ? c->head[i] : c->skip << 8 | c->head[i + k];
        c->have = 0;
        if (c->skip == 0)
            messages += (c->head[0] & 15) <= 2;
    }
    return messages;
}

static uint64_t hear(connection *c)
{
    const ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        die("the server hung up");
    const uint64_t messages = n > 0 ? count(c, buffer, (size_t)n) : 0;
    c->heard += messages;
    return messages;
}

static void await_line(const char *say)
{
    char line[16];
    puts(say);
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        exit(1);
}

static void raise_descriptors(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        (void)!setrlimit(RLIMIT_NOFILE, &l);
    }
}

/* So that `in_flight` are. */
static void send_on(connection *c, uint64_t messages, uint64_t in_flight)
{
    const uint64_t to = messages - c->heard < in_flight ? messages : c->heard + in_flight;
    send_frames(c->fd, to - c->sent);
    c->sent = to;
}

/* Those that have something. */
static int look(int epoll, struct epoll_event ready[READY])
{
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (;;) {
        const int n = epoll_wait(epoll, ready, READY, 0);
        if (n > 0)
            return n;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((n < 0 && errno != EINTR) || now.tv_sec - began.tv_sec > PATIENCE_S)
            die("nothing came for ten seconds");
    }
}

static uint64_t echo(connection *all, size_t count, int epoll, uint64_t messages, uint64_t in_flight)
{
    uint64_t heard = 0;
    for (size_t i = 0; i < count; i++)
        send_on(&all[i], messages, in_flight);
    while (heard < messages * count) {
        struct epoll_event ready[READY];
        const int n = look(epoll, ready);
        for (int i = 0; i < n; i++) {
            connection *const c = ready[i].data.ptr;
            heard += hear(c);
            send_on(c, messages, in_flight);
        }
    }
    return heard;
}

/* The slowest listener paces. `skip`: what each is told beforehand. */
static uint64_t broadcast(connection *all, size_t count, int epoll, int speaker, uint64_t messages, uint64_t in_flight, uint64_t skip)
{
    uint64_t heard = 0, sent = 0, slowest = 0;
    while (slowest < messages) {
        struct epoll_event ready[READY];
        const uint64_t to = messages - slowest < in_flight ? messages : slowest + in_flight;
        send_frames(speaker, to - sent);
        sent = to;
        const int n = look(epoll, ready);
        for (int i = 0; i < n; i++)
            heard += hear(ready[i].data.ptr);
        while (recv(speaker, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
            ;
        slowest = UINT64_MAX;
        for (size_t i = 0; i < count && slowest > 0; i++)
            slowest = all[i].heard < skip ? 0 : all[i].heard - skip < slowest ? all[i].heard - skip : slowest;
    }
    return heard;
}

int main(int argc, char **argv)
{
    struct addrinfo *at, hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
    if (argc != 10)
        return 2;
    const size_t count = (size_t)atol(argv[5]), bytes = (size_t)atol(argv[8]);
    const uint64_t messages = (uint64_t)atoll(argv[6]), in_flight = (uint64_t)atoll(argv[7]), skip = (uint64_t)atoll(argv[9]);
    connection *const all = calloc(count, sizeof *all);
    const int epoll = epoll_create1(0);
    if (bytes > MOST_BYTES || all == NULL || getaddrinfo(argv[2], argv[3], &hints, &at) != 0)
        return 2;
    raise_descriptors();
    make_frame(bytes);
    for (size_t i = 0; i < count; i++) {
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = &all[i] };
        all[i].fd = open_one(at, argv[2], argv[4]);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &e) != 0)
            die("epoll");
    }
    const int speaker = strcmp(argv[1], "broadcast") == 0 ? open_one(at, argv[2], argv[4]) : -1;
    await_line("opened");
    uint64_t heard = 0;
    if (strcmp(argv[1], "echo") == 0)
        heard = echo(all, count, epoll, messages, in_flight);
    else if (speaker >= 0)
        heard = broadcast(all, count, epoll, speaker, messages, in_flight, skip);
    printf("%llu\n", (unsigned long long)heard);
    return 0;
}
