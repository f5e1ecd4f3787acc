/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 16 };

typedef struct talk {
    hf_tls *tls;
    hf_trust *trust;
    hf_walk *walk;
    hf_probe *probe;
    hf_wall at;
    hf_time until;
    int fd;
    uint8_t in[BUFFER], out[BUFFER];
    size_t have; /* of `in` */
    bool fin, over;
} talk;

static hf_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (hf_time){ (int64_t)t.tv_sec * 1000000000 + t.tv_nsec };
}

static bool stop(hf_probe *p, hf_probe_stage stage, const char *what, const char *why)
{
    p->stage = stage;
    snprintf(p->words, sizeof p->words, "%s: %s", what, why);
    return false;
}

/* Milliseconds for poll, 0 when the time is over. */
static int left(hf_time until)
{
    const int64_t ns = until.ns - now().ns;
    return ns <= 0 ? 0 : (int)(ns / 1000000) + 1;
}

/* ---- TCP ------------------------------------------------------------------------------------------------------ */

/* -1, and errno. */
static int try_address(const struct addrinfo *a, hf_time until)
{
    const int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0)
        return -1;
    int e = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (e == EINPROGRESS) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        socklen_t n = sizeof e;
        e = ETIMEDOUT;
        if (poll(&p, 1, left(until)) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0)
            e = errno;
    }
    if (e == 0)
        return fd;
    close(fd);
    errno = e;
    return -1;
}

static bool connect_to(const char *host, const char *port, hf_time until, int *fd, hf_probe *p)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
    struct addrinfo *all = NULL;
    const int e = getaddrinfo(host, port, &hints, &all);
    if (e != 0)
        return stop(p, HF_PROBE_NAME, host, gai_strerror(e));
    *fd = -1;
    errno = ECONNREFUSED;
    for (const struct addrinfo *a = all; a != NULL && *fd < 0; a = a->ai_next)
        *fd = try_address(a, until);
    freeaddrinfo(all);
    return *fd >= 0 || stop(p, HF_PROBE_CONNECT, host, strerror(errno));
}

/* ---- TLS ------------------------------------------------------------------------------------------------------ */

/* Everything the core has to say, onto the wire. */
static bool send_all(talk *t)
{
    hf_extent pieces[8];
    for (;;) {
        hf_out out = { .pieces = pieces, .capacity = 8, .scratch = t->out, .scratch_capacity = sizeof t->out, .room = UINT64_MAX };
        if (hf_tls_emit(t->tls, now(), &out) == 0)
            return true;
        for (size_t i = 0; i < out.count; i++)
            for (size_t at = 0; at < out.pieces[i].bytes.len;) {
                const ssize_t n = send(t->fd, out.pieces[i].bytes.ptr + at, out.pieces[i].bytes.len - at, MSG_NOSIGNAL);
                struct pollfd p = { .fd = t->fd, .events = POLLOUT };
                if (n > 0)
                    at += (size_t)n;
                else if (errno != EAGAIN || poll(&p, 1, left(t->until)) != 1)
                    return false;
            }
    }
}

static void deal_with(talk *t, const hf_tls_event *event)
{
    switch (event->kind) {
    case HF_TLS_WANT_VERIFY: {
        const hf_trust_question q = { .host = event->host, .at = t->at };
        (void)hf_trust_walk(t->trust, event->chain, &q, t->walk).code;
        t->probe->walked = true;
        t->probe->sent = hf_chain_length(event->chain);
        /* We look, and send nothing that could fall into wrong hands: the handshake goes on, to see how it would end. */
        hf_tls_answer_verify(t->tls, HF_OK);
        break;
    }
    case HF_TLS_OPENED:
        snprintf(t->probe->version, sizeof t->probe->version, "%s", hf_tls_version(t->tls) == HF_TLS_1_3 ? "TLS 1.3" : "TLS 1.2");
        snprintf(t->probe->suite, sizeof t->probe->suite, "%s", hf_tls_suite(t->tls));
        snprintf(t->probe->group, sizeof t->probe->group, "%s", hf_tls_group(t->tls));
        (void)hf_tls_end(t->tls, (hf_ending){ HF_ENDING_FIN, 0 }).code;
        t->probe->stage = HF_PROBE_DONE;
        t->over = true;
        break;
    case HF_TLS_READABLE: hf_tls_take(t->tls, hf_tls_peek(t->tls).len); break;
    default: break;
    }
}

/* What has come, into the core. False: it is over. */
static bool feed(talk *t)
{
    for (;;) {
        hf_tls_event event;
        hf_in in = { .ptr = t->in, .len = t->have, .fin = t->fin };
        const hf_step step = hf_tls_step(t->tls, now(), &in, &event);
        if (step == HF_EVENT)
            deal_with(t, &event);
        t->have -= in.used;
        memmove(t->in, t->in + in.used, t->have);
        if (step == HF_FAULT || step == HF_CLOSED)
            return false;
        if (t->over)
            return false;
        if (step != HF_EVENT)
            return true;
    }
}

static bool receive(talk *t)
{
    struct pollfd p = { .fd = t->fd, .events = POLLIN };
    if (t->have == sizeof t->in || poll(&p, 1, left(t->until)) != 1)
        return false;
    const ssize_t n = recv(t->fd, t->in + t->have, sizeof t->in - t->have, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    t->fin = n == 0;
    t->have += (size_t)n;
    return true;
}

static bool shake_hands(talk *t)
{
    bool goes = true;
    while (goes && send_all(t)) {
        const bool last = t->fin;
        goes = feed(t) && !last && send_all(t) && receive(t);
    }
    (void)send_all(t);
    if (t->probe->stage == HF_PROBE_DONE)
        return true;
    const hf_tls_fault *const fault = hf_tls_fault_of(t->tls);
    t->probe->err = fault->err;
    return stop(t->probe, HF_PROBE_TLS, "the TLS handshake failed",
                fault->err.code != 0 ? hf_err_text(fault->err) : t->fin ? "the server hung up" : "no answer came in time, or the connection broke");
}

bool hf_probe_run(const hf_env *env, hf_crypto *crypto, hf_trust *trust, const char *host, const char *port, hf_wall at, hf_walk *walk,
    hf_probe *probe)
{
    static talk t; /* large, and there is one at a time */
    memset(probe, 0, sizeof *probe);
    memset(&t, 0, sizeof t);
    t.until = (hf_time){ now().ns + (int64_t)env->limits->tls_handshake_ns };
    if (!connect_to(host, port, t.until, &t.fd, probe))
        return false;
    const hf_bytes protocols[] = { hf_text("h2"), hf_text("http/1.1") };
    const hf_tls_config config = { .crypto = crypto, .protocols = protocols, .protocol_count = 2 };
    t.trust = trust;
    t.walk = walk;
    t.probe = probe;
    t.at = at;
    t.tls = hf_tls_client_new(env, &config, 1, now(), hf_text(host), (hf_bytes){ NULL, 0 });
    const bool good = t.tls != NULL ? shake_hands(&t) : stop(probe, HF_PROBE_TLS, host, "out of memory");
    hf_tls_free(t.tls);
    close(t.fd);
    return good;
}
