/* SPDX-License-Identifier: Apache-2.0
 *
 * The floor: the least that any epoll server must do. It waits, receives, counts the empty lines that end request heads,
 * and sends one fixed answer for each, all of a batch in one call. Nothing is parsed, nothing is checked, nothing is
 * timed out; heads cut in two by the network are found, nothing more. What a real server costs above this is its own.
 *
 *     floor PORT [FILE]     serves until it is ended by a signal: twelve bytes, or what was in FILE when it began
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = 1 << 20, EVENTS = 512, BATCH = 256, FILE_MOST = 1 << 20 };

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nContent-Type: text/plain\r\n"
/* As many bytes as a file server says of a file that these are not: type, validators, date. */
#define FILE_HEAD "Padding: ................................................................................................" \
    ".......................................................................................................................................\r\n"

static uint8_t matched[DESCRIPTORS]; /* how much of "\r\n\r\n" a connection's bytes ended with */
static char *answers; /* BATCH times the same */
static size_t answer_size;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static size_t count_heads(int fd, const char *bytes, size_t n)
{
    static const char end[4] = { '\r', '\n', '\r', '\n' };
    size_t heads = 0;
    uint8_t at = matched[fd];
    for (size_t i = 0; i < n; i++) {
        at = bytes[i] == end[at] ? at + 1 : bytes[i] == '\r' ? 1 : 0;
        if (at == sizeof end) {
            heads++;
            at = 0;
        }
    }
    matched[fd] = at;
    return heads;
}

/* The common case first, so that the floor is one: a whole request that ends where the bytes end is one memcmp. */
static size_t heads_in(int fd, const char *bytes, size_t n)
{
    if (matched[fd] == 0 && n >= 4 && n < 512 && memcmp(bytes + n - 4, "\r\n\r\n", 4) == 0 &&
        memmem(bytes, n - 1, "\r\n\r\n", 4) == NULL)
        return 1;
    return count_heads(fd, bytes, n);
}

static bool answer(int fd, size_t heads)
{
    while (heads > 0) {
        const size_t some = heads < BATCH ? heads : BATCH;
        const size_t size = some * answer_size;
        if (send(fd, answers, size, MSG_NOSIGNAL) != (ssize_t)size)
            return false;
        heads -= some;
    }
    return true;
}

static void serve(int fd)
{
    static char buffer[65536];
    ssize_t n;
    do {
        n = recv(fd, buffer, sizeof buffer, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0 || !answer(fd, heads_in(fd, buffer, (size_t)n))) {
            close(fd);
            return;
        }
    } while (n == sizeof buffer); /* a short receive has drained the socket */
}

static void take_connections(int epoll, int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.fd = fd };
        matched[fd] = 0;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
            close(fd);
    }
}

static int listen_at(uint16_t port)
{
    const int one = 1;
    const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4096) != 0)
        die("floor: listen");
    return fd;
}

static void make_answers(const char *path)
{
    static char body[FILE_MOST] = "Hello World\n";
    size_t n = strlen(body);
    char head[512];
    FILE *const f = path != NULL ? fopen(path, "rb") : NULL;
    if (path != NULL && (f == NULL || (n = fread(body, 1, sizeof body, f)) == sizeof body || fclose(f) != 0))
        die("floor: a file of less than 1 MiB");
    const size_t length = (size_t)snprintf(head, sizeof head, HEAD "%s\r\n", n, path != NULL ? FILE_HEAD : "");
    answer_size = length + n;
    answers = malloc(BATCH * answer_size);
    if (answers == NULL)
        die("floor: memory");
    for (size_t i = 0; i < BATCH; i++) {
        memcpy(answers + i * answer_size, head, length);
        memcpy(answers + i * answer_size + length, body, n);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: floor PORT [FILE]\n");
        return 2;
    }
    make_answers(argc == 3 ? argv[2] : NULL);
    const int listener = listen_at((uint16_t)atoi(argv[1]));
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event listening = { .events = EPOLLIN, .data.fd = listener };
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening) != 0)
        die("floor: epoll");
    static struct epoll_event events[EVENTS];
    for (;;) {
        const int n = epoll_wait(epoll, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            die("floor: epoll_wait");
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == listener)
                take_connections(epoll, listener);
            else
                serve(events[i].data.fd);
    }
}
