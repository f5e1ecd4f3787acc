/* SPDX-License-Identifier: Apache-2.0
 *
 * The core on real sockets, so that programs which others wrote can talk to it (prior knowledge, no TLS):
 *
 *   h2_pipe PORT                     serves on 127.0.0.1: /bytes/N (N bytes, lent), /echo, /slow (103, then trailers),
 *                                    /push (pushes /pushed), everything else a short text
 *   h2_pipe PORT METHOD PATH...      asks a server there for all paths at once; prints what came
 *
 * A pump, not a server: one poll loop, blocking nowhere, no limits but the core's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <handfast/http2.h>

#include "http2/h2_app.h"

enum { CONNECTIONS = 512, IN_BYTES = 65536, OUT_BYTES = 1 << 18 };

typedef struct connection {
    int fd;
    hf_http2 *h;
    uint8_t *in;
    size_t in_length;
    bool fin, over;
    uint8_t *out; /* what the socket did not take */
    size_t out_first, out_length;
    h2_app app;
} connection;

static connection connections[CONNECTIONS];
static hf_env env;
static hf_random randomness;

static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    (void)ctx, (void)old_size;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, new_size);
}

static hf_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

/* Sends what waits; false when the socket is full or gone. */
static bool drain_out(connection *c)
{
    while (c->out_first < c->out_length) {
        const ssize_t n = send(c->fd, c->out + c->out_first, c->out_length - c->out_first, MSG_NOSIGNAL);
        if (n < 0) {
            c->over = c->over || (errno != EAGAIN && errno != EINTR);
            return false;
        }
        c->out_first += (size_t)n;
    }
    c->out_first = c->out_length = 0;
    return true;
}

static bool flush(connection *c)
{
    static uint8_t scratch[65536];
    bool moved = false;
    hf_extent pieces[64];
    while (drain_out(c)) {
        hf_out out = { .pieces = pieces, .capacity = 64, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = OUT_BYTES };
        hf_http2_emit(c->h, now(), &out);
        if (out.count == 0)
            return moved;
        moved = true;
        for (size_t i = 0; i < out.count; i++) {
            if (pieces[i].bytes.len > 0)
                memcpy(c->out + c->out_length, pieces[i].bytes.ptr, pieces[i].bytes.len);
            c->out_length += pieces[i].bytes.len;
        }
    }
    return moved;
}

static void run(connection *c)
{
    for (bool again = true; again && !c->over;) {
        hf_http2_event event;
        hf_in in = { .ptr = c->in, .len = c->in_length, .fin = c->fin };
        const hf_step step = hf_http2_step(c->h, now(), &in, &event);
        if (step == HF_EVENT)
            h2_app_event(&c->app, c->h, &event);
        memmove(c->in, c->in + in.used, c->in_length - in.used);
        c->in_length -= in.used;
        if (step == HF_EVENT)
            continue;
        again = flush(c);
        if ((step == HF_CLOSED || step == HF_FAULT) && c->out_length == 0 && !again) {
            if (step == HF_FAULT)
                fprintf(stderr, "fault: %s, wanted %s\n", hf_err_text(hf_http2_fault(c->h)->err), hf_http2_fault(c->h)->wanted);
            shutdown(c->fd, SHUT_WR);
            c->over = true;
        }
    }
}

static void open_connection(connection *c, int fd, bool server)
{
    const int one = 1;
    const hf_http2_options options = { .connect_protocol = true, .push = true };
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    *c = (connection){ .fd = fd, .in = malloc(IN_BYTES), .out = malloc(2 * OUT_BYTES) };
    c->h = server ? hf_http2_server_new(&env, 1, now(), &options) : hf_http2_client_new(&env, 1, now(), &options);
    c->app.verbose = !server;
}

static void close_connection(connection *c)
{
    char rest[4096];
    while (recv(c->fd, rest, sizeof rest, 0) > 0)
        ;
    close(c->fd);
    hf_http2_free(c->h);
    free(c->in);
    free(c->out);
    *c = (connection){ .fd = -1 };
}

static void receive(connection *c)
{
    if (c->in_length == IN_BYTES)
        return;
    const ssize_t n = recv(c->fd, c->in + c->in_length, IN_BYTES - c->in_length, 0);
    if (n > 0)
        c->in_length += (size_t)n;
    else if (n == 0)
        c->fin = true;
    else if (errno != EAGAIN && errno != EINTR)
        c->over = true;
}

static int wait_of(int timeout, const connection *c)
{
    const hf_time wake = hf_http2_wake(c->h);
    if (wake.ns == HF_NEVER_NS)
        return timeout;
    const int64_t ms = (wake.ns - now().ns) / 1000000 + 1;
    return ms < 0 ? 0 : ms < timeout ? (int)ms : timeout;
}

static void serve(int listener)
{
    struct pollfd polls[CONNECTIONS + 1];
    int map[CONNECTIONS + 1];
    for (;;) {
        nfds_t n = 0;
        int timeout = 1000;
        if (listener >= 0)
            polls[n++] = (struct pollfd){ .fd = listener, .events = POLLIN };
        for (int i = 0; i < CONNECTIONS; i++) {
            connection *const c = &connections[i];
            if (c->fd < 0)
                continue;
            map[n] = i;
            const short events = (short)((c->fin || c->in_length == IN_BYTES ? 0 : POLLIN) | (c->out_length > 0 ? POLLOUT : 0));
            polls[n++] = (struct pollfd){ .fd = c->fd, .events = events };
            timeout = wait_of(timeout, c);
        }
        if (n == 0)
            return;
        if (poll(polls, n, timeout) < 0)
            continue;
        for (nfds_t k = listener >= 0; k < n; k++) {
            connection *const c = &connections[map[k]];
            if (polls[k].revents & (POLLIN | POLLHUP | POLLERR))
                receive(c);
            run(c);
            if (c->over || (listener < 0 && c->app.open == 0))
                close_connection(c);
        }
        if (listener >= 0 && (polls[0].revents & POLLIN)) {
            const int fd = accept(listener, NULL, NULL);
            int i = 0;
            while (i < CONNECTIONS && connections[i].fd >= 0)
                i++;
            if (fd >= 0 && i < CONNECTIONS)
                open_connection(&connections[i], fd, true);
            else if (fd >= 0)
                close(fd);
            if (fd >= 0 && i < CONNECTIONS)
                run(&connections[i]);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return fprintf(stderr, "usage: h2_pipe PORT [METHOD PATH...]\n"), 2;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    hf_random_seed(&randomness, 1);
    env = (hf_env){ .alloc = { .resize = resize }, .random = &randomness, .limits = hf_limits_default() };
    for (int i = 0; i < CONNECTIONS; i++)
        connections[i].fd = -1;
    if (argc == 2) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 128) < 0)
            return perror("h2_pipe"), 1;
        serve(fd);
        return 0;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return perror("h2_pipe"), 1;
    connection *const c = &connections[0];
    open_connection(c, fd, false);
    for (int i = 3; i < argc; i++)
        h2_app_ask(&c->app, c->h, argv[2], argv[i]);
    run(c);
    serve(-1);
    return 0;
}
