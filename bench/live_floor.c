/* SPDX-License-Identifier: Apache-2.0
 *
 * live_floor PORT BYTES: the least that an echo of messages of BYTES bytes (65536 at least) must do: each is received whole and sent back behind
 * a head of its own: two copies through the socket. Nothing is unmasked (live_load's mask is zero), nothing is checked.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST = 1 << 20, CLIENT_HEAD = 14, SERVER_HEAD = 10, EVENTS = 64 };

typedef struct connection {
    int fd;
    int open; /* the handshake is behind it */
    size_t have;
    uint8_t bytes[MOST + CLIENT_HEAD];
} connection;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_at(int port)
{
    const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1024) != 0)
        die("listen");
    return fd;
}

static void accept_one(int epoll, int listener)
{
    connection *const c = calloc(1, sizeof *c);
    const int yes = 1;
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
    if (c == NULL || (c->fd = accept(listener, NULL, NULL)) < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        die("accept");
}

static void send_back(connection *c, size_t bytes)
{
    uint8_t head[SERVER_HEAD] = { 0x81, 127 };
    for (unsigned i = 0; i < 8; i++)
        head[2 + i] = (uint8_t)((uint64_t)bytes >> 8 * (7 - i));
    struct iovec out[2] = { { head, sizeof head }, { c->bytes + CLIENT_HEAD, bytes } };
    struct msghdr message = { .msg_iov = out, .msg_iovlen = 2 };
    for (size_t left = sizeof head + bytes; left > 0;) { /* it blocks: whoever sends a message reads the answer */
        const ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (n < 0)
            die("send");
        left -= (size_t)n;
        for (size_t gone = (size_t)n, i = 0; i < 2; i++) {
            const size_t k = gone < out[i].iov_len ? gone : out[i].iov_len;
            out[i].iov_base = (uint8_t *)out[i].iov_base + k;
            out[i].iov_len -= k;
            gone -= k;
        }
    }
    c->have = 0;
}

static void receive(connection *c, size_t bytes)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    const ssize_t n = recv(c->fd, c->bytes + c->have, CLIENT_HEAD + bytes - c->have, MSG_DONTWAIT);
    if (n <= 0) {
        close(c->fd);
        free(c);
        return;
    }
    c->have += (size_t)n;
    if (c->open && c->have == CLIENT_HEAD + bytes) {
        send_back(c, bytes);
    } else if (!c->open && c->have >= 4 && memcmp(c->bytes + c->have - 4, "\r\n\r\n", 4) == 0) {
        c->open = 1;
        c->have = 0;
        if (send(c->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            die("send");
    }
}

int main(int argc, char **argv)
{
    const long bytes = argc == 3 ? atol(argv[2]) : 0;
    if (bytes < 65536 || bytes > MOST)
        return 2;
    const int epoll = epoll_create1(0), listener = listen_at(atoi(argv[1]));
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL }, ready[EVENTS];
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e) != 0)
        die("epoll");
    for (;;) {
        const int n = epoll_wait(epoll, ready, EVENTS, -1);
        for (int i = 0; i < n; i++)
            if (ready[i].data.ptr == NULL)
                accept_one(epoll, listener);
            else
                receive(ready[i].data.ptr, (size_t)bytes);
    }
}
