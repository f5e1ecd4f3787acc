/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS core on a real socket, for peers that others wrote. No product: one connection after another, blocking.
 *   tls_pipe server PORT [OPTION...]        echoes lines; says on stderr what was agreed
 *   tls_pipe client PORT HOST [OPTION...]   sends stdin, prints what comes
 * Options: auth (ask for a client certificate), cert (show one), group=NUMBER, twice (client: connect again with the session),
 * rsa (that identity alone), alpn=NAME, old (TLS 1.2 at most), exchange (TLS_RSA_WITH_AES_128_GCM_SHA256 alone), staple (ask for one).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tls/rig.h"

typedef struct pipe_options {
    bool auth, cert, twice, rsa, old, exchange, staple;
    uint16_t group;
    hf_bytes protocol;
} pipe_options;

static hf_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

static bool flush(hf_tls *t, int fd)
{
    static uint8_t scratch[70000];
    for (;;) {
        hf_extent pieces[8];
        hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        if (hf_tls_emit(t, now(), &out) == 0)
            return true;
        for (size_t i = 0; i < out.count; i++)
            for (size_t done = 0; done < out.pieces[i].bytes.len;) {
                const ssize_t n = send(fd, out.pieces[i].bytes.ptr + done, out.pieces[i].bytes.len - done, MSG_NOSIGNAL);
                if (n <= 0)
                    return false;
                done += (size_t)n;
            }
    }
}

static void put_all(hf_tls *t, int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        const hf_extent x = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(p, n) };
        const size_t took = (size_t)hf_tls_put(t, &x, 1);
        if (took == 0 && !flush(t, fd))
            return;
        p += took;
        n -= took;
    }
}

/* True when the connection goes on. */
static bool on_event(rig *r, rig_end *e, hf_tls *t, int fd, bool server, const hf_tls_event *event)
{
    switch (event->kind) {
    case HF_TLS_OPENED:
        fprintf(stderr, "opened %04x %s %s alpn=%.*s host=%.*s\n", hf_tls_version(t), hf_tls_suite(t), hf_tls_resumed(t) ? "resumed" : "full",
                HF_STR(hf_tls_protocol(t)), HF_STR(hf_tls_host(t)));
        break;
    case HF_TLS_READABLE: {
        const hf_span s = hf_tls_peek(t);
        if (server)
            put_all(t, fd, s.ptr, s.len);
        else
            (void)!write(1, s.ptr, s.len);
        hf_tls_take(t, s.len);
        break;
    }
    case HF_TLS_ENDED:
        fprintf(stderr, "ended %s\n", event->err.code == 0 ? "well" : hf_err_text(event->err));
        (void)hf_tls_end(t, (hf_ending){ HF_ENDING_FIN, 0 });
        return flush(t, fd) && false;
    default: rig_event(r, e, event);
    }
    return true;
}

static void run(rig *r, hf_tls *t, int fd, bool server)
{
    static uint8_t buffer[100000];
    size_t held = 0;
    bool fin = false, go = true, hear_stdin = !server;
    rig_end *const e = server ? &r->server : &r->client;
    e->t = t;
    while (go && flush(t, fd)) {
        hf_tls_event event;
        hf_in in = { .ptr = buffer, .len = held, .fin = fin };
        const hf_step s = hf_tls_step(t, now(), &in, &event);
        if (s == HF_EVENT)
            go = on_event(r, e, t, fd, server, &event);
        held -= in.used;
        memmove(buffer, buffer + in.used, held);
        if (s == HF_EVENT)
            continue;
        if (s != HF_IDLE || !flush(t, fd))
            break;
        struct pollfd p[2] = { { fd, POLLIN, 0 }, { hear_stdin && rig_is_open(e) ? 0 : -1, POLLIN, 0 } };
        (void)poll(p, 2, 1000);
        if (p[0].revents != 0) {
            const ssize_t n = recv(fd, buffer + held, sizeof buffer - held, 0);
            fin = n <= 0;
            held += n > 0 ? (size_t)n : 0;
        } else if (p[1].revents != 0) {
            uint8_t line[4096];
            const ssize_t n = read(0, line, sizeof line);
            if (n > 0)
                put_all(t, fd, line, (size_t)n);
            else
                hear_stdin = hf_tls_end(t, (hf_ending){ HF_ENDING_FIN, 0 }).code != 0;
        }
    }
    (void)flush(t, fd);
    if (hf_tls_fault_of(t)->err.code != 0)
        fprintf(stderr, "fault %s%s\n", hf_tls_fault_of(t)->remote ? "from the peer: " : "", rig_why(e));
    e->t = NULL;
    hf_tls_free(t);
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    for (int i = 0; i < 50; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
            return fd;
        close(fd);
        usleep(100000);
    }
    return -1;
}

static void serve(rig *r, uint16_t port, int connections)
{
    const struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (const struct sockaddr *)&a, sizeof a) != 0 || listen(listener, 8) != 0)
        exit(2);
    for (int i = 0; i < connections; i++) {
        const int fd = accept(listener, NULL, NULL);
        run(r, hf_tls_server_new(&r->w.env, &r->server_config, 1, now()), fd, true);
        close(fd);
        r->server.log[0] = 0;
    }
    close(listener);
}

int main(int argc, char **argv)
{
    static rig r;
    pipe_options o = { .group = 0 };
    if (argc < 4)
        return 2;
    const bool server = strcmp(argv[1], "server") == 0;
    for (int i = 4; i < argc; i++) {
        o.auth |= strcmp(argv[i], "auth") == 0;
        o.cert |= strcmp(argv[i], "cert") == 0;
        o.twice |= strcmp(argv[i], "twice") == 0;
        o.rsa |= strcmp(argv[i], "rsa") == 0;
        o.old |= strcmp(argv[i], "old") == 0;
        o.exchange |= strcmp(argv[i], "exchange") == 0;
        o.staple |= strcmp(argv[i], "staple") == 0;
        if (strncmp(argv[i], "group=", 6) == 0)
            o.group = (uint16_t)strtol(argv[i] + 6, NULL, 0);
        if (strncmp(argv[i], "alpn=", 5) == 0)
            o.protocol = hf_text(argv[i] + 5);
    }
    rig_open(&r, (uint64_t)time(NULL));
    hf_tls_config *const c = server ? &r.server_config : &r.client_config;
    c->protocols = &o.protocol;
    c->protocol_count = o.protocol.len > 0;
    c->groups = o.group != 0 ? &o.group : NULL;
    c->group_count = 1;
    c->most_version = o.old ? HF_TLS_1_2 : 0;
    static const uint16_t exchange = 0x009c;
    c->rsa_key_exchange = o.exchange;
    c->suites = o.exchange ? &exchange : NULL;
    c->suite_count = 1;
    c->ask_staple = o.staple;
    c->client_auth = o.auth ? HF_TLS_CLIENT_AUTH_REQUIRE : HF_TLS_CLIENT_AUTH_NONE;
    r.client.judge = r.server.judge = true;
    if (o.cert || o.rsa) {
        c->identities = &r.identities[o.cert ? 4 : 1];
        c->identity_count = 1;
    }
    const uint16_t port = (uint16_t)atoi(argv[2]);
    if (server) {
        serve(&r, port, atoi(argv[3]));
    } else {
        for (int i = 0; i < 1 + o.twice; i++) {
            const int fd = connect_to(port);
            run(&r, hf_tls_client_new(&r.w.env, c, 1, now(), hf_text(argv[3]), hf_bytes_make(r.client.session, r.client.session_length)), fd, false);
            close(fd);
            r.client.log[0] = 0;
        }
    }
    rig_close(&r);
    return 0;
}
