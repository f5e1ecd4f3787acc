/* SPDX-License-Identifier: Apache-2.0
 *
 * A stack for packetdrill (--so_filename): our host and its TCP behind the hooks that packetdrill calls in place of the
 * kernel's sockets and its TUN device. Time is virtual: it moves when the script waits, and by a microsecond when the script
 * looks at it. A blocking call runs in a thread of packetdrill's own and sleeps until the main thread has made it true.
 *
 * packetdrill is not part of this repository; what it calls is declared here.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <handfast/host.h>

#include "random.h"
#include "tcp_core.h"

/* The order is packetdrill's. */
struct packetdrill_interface {
    void *userdata;
    void (*free)(void *);
    int (*socket)(void *, int, int, int);
    int (*bind)(void *, int, const struct sockaddr *, socklen_t);
    int (*listen)(void *, int, int);
    int (*accept)(void *, int, struct sockaddr *, socklen_t *);
    int (*connect)(void *, int, const struct sockaddr *, socklen_t);
    ssize_t (*read)(void *, int, void *, size_t);
    ssize_t (*readv)(void *, int, const struct iovec *, int);
    ssize_t (*recv)(void *, int, void *, size_t, int);
    ssize_t (*recvfrom)(void *, int, void *, size_t, int, struct sockaddr *, socklen_t *);
    ssize_t (*recvmsg)(void *, int, struct msghdr *, int);
    ssize_t (*write)(void *, int, const void *, size_t);
    ssize_t (*writev)(void *, int, const struct iovec *, int);
    ssize_t (*send)(void *, int, const void *, size_t, int);
    ssize_t (*sendto)(void *, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    ssize_t (*sendmsg)(void *, int, const struct msghdr *, int);
    int (*fcntl)(void *, int, int, ...);
    int (*ioctl)(void *, int, unsigned long, ...);
    int (*close)(void *, int);
    int (*shutdown)(void *, int, int);
    int (*getsockopt)(void *, int, int, int, void *, socklen_t *);
    int (*setsockopt)(void *, int, int, int, const void *, socklen_t);
    int (*poll)(void *, struct pollfd *, nfds_t, int);
    int (*netdev_send)(void *, const void *, size_t);
    int (*netdev_receive)(void *, void *, size_t *, long long *);
    int (*usleep)(void *, useconds_t);
    int (*gettimeofday)(void *, struct timeval *, struct timezone *);
    int (*epoll_create)(void *, int);
    int (*epoll_ctl)(void *, int, int, int, struct epoll_event *);
    int (*epoll_wait)(void *, int, struct epoll_event *, int, int);
    int (*pipe)(void *, int[2]);
    int (*splice)(void *, int, loff_t *, int, loff_t *, size_t, unsigned);
};
void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc);

enum { SOCKETS = 256, WAITING = 16, PACKET_MOST = 66000, CC_INFO = 26, MEMORY_INFO = 55 };

typedef struct sock {
    bool used, listening, nonblocking, opened, ended, linger, no_delay;
    hf_tcp *tcp;
    uint16_t port;
    int error; /* of SO_ERROR and the next call */
    hf_tcp *accepted[WAITING];
    unsigned accepted_count;
} sock;

typedef struct packet {
    struct packet *next;
    long long at_us;
    size_t length;
    uint8_t bytes[];
} packet;

typedef struct stack {
    hf_env env;
    hf_limits limits;
    hf_random random;
    hf_host *host;
    hf_host_config config;
    hf_time now;
    sock socks[SOCKETS];
    packet *first, *last;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    unsigned sleepers; /* blocking calls that wait */
    uint64_t steps;
} stack;

static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    (void)ctx, (void)old_size;
    if (new_size > 0)
        return realloc(old, new_size);
    free(old);
    return NULL;
}

static hf_ip ip_of(const struct sockaddr *a, uint16_t *port)
{
    hf_ip ip = { { 0 } };
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)a;
        const uint8_t *b = (const uint8_t *)&four->sin_addr;
        *port = ntohs(four->sin_port);
        return hf_ip_make4(b[0], b[1], b[2], b[3]);
    }
    const struct sockaddr_in6 *six = (const void *)a;
    *port = ntohs(six->sin6_port);
    memcpy(ip.bytes, &six->sin6_addr, sizeof ip.bytes);
    return ip;
}

static long long us_of(const stack *s)
{
    return s->now.ns / 1000;
}

/* ---- the stack's own life --------------------------------------------------------------------------------------- */

/* Linux writes "nop, nop, sackOK" where we write "sackOK, nop, nop", which means the same: the scripts compare bytes. The
 * checksum, a sum of such pairs, stays. */
static void order_options(uint8_t *p, size_t n)
{
    const size_t ip = p[0] >> 4 == 4 ? (p[0] & 15u) * 4u : 40;
    uint8_t *t = p + ip;
    if (n < ip + 28 || (t[13] & HF_SYN) == 0 || t[24] != 4 || t[26] != 1)
        return;
    t[24] = t[25] = 1;
    t[26] = 4, t[27] = 2;
}

static void emit_all(stack *s)
{
    static uint8_t bytes[PACKET_MOST];
    for (;;) {
        hf_extent pieces[64];
        uint8_t scratch[1024];
        hf_out out = { .pieces = pieces, .capacity = 64, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 65000 };
        hf_host_packet p;
        if (!hf_host_emit(s->host, s->now, &out, &p))
            return;
        size_t n = 0;
        for (size_t i = 0; i < out.count; i++) {
            memcpy(bytes + n, out.pieces[i].bytes.ptr, out.pieces[i].bytes.len);
            n += out.pieces[i].bytes.len;
        }
        order_options(bytes, n);
        packet *q = malloc(sizeof *q + n);
        *q = (packet){ .at_us = us_of(s), .length = n };
        memcpy(q->bytes, bytes, n);
        *(s->last != NULL ? &s->last->next : &s->first) = q;
        s->last = q;
    }
}

static int error_of(const sock *k, hf_err err)
{
    if (err.code == HF_ERR_TCP_TIMEOUT)
        return ETIMEDOUT;
    if (err.code == HF_ERR_TCP_UNREACHABLE)
        return EHOSTUNREACH;
    return k->opened ? ECONNRESET : ECONNREFUSED;
}

static void tell(sock *k, hf_time now)
{
    hf_pier_event e;
    while (hf_tcp_next(k->tcp, now, &e) == HF_EVENT) {
        k->opened |= e.kind == HF_PIER_OPENED;
        if (e.kind == HF_PIER_ENDED) {
            k->ended = true;
            if (e.ending.kind == HF_ENDING_RESET)
                k->error = error_of(k, e.err);
        }
    }
}

/* What is due at s->now. */
static void step(stack *s)
{
    if (s->host == NULL)
        return;
    hf_host_event e;
    for (bool more = true; more;) {
        more = false;
        while (hf_host_step(s->host, s->now, &e) == HF_EVENT) {
            more = true;
            for (unsigned i = 0; i < SOCKETS; i++) {
                sock *k = &s->socks[i];
                if (k->used && e.kind == HF_HOST_ACCEPTED && k->listening && k->port == e.user && k->accepted_count < WAITING)
                    k->accepted[k->accepted_count++] = e.tcp;
                else if (k->used && e.kind == HF_HOST_NOTICE && k->tcp == e.tcp)
                    tell(k, s->now);
            }
        }
        emit_all(s);
    }
    s->steps++;
    pthread_cond_broadcast(&s->moved);
}

/* Gives the blocking calls their turn: each looks once whether what it waits for has come. */
static void let_sleepers_look(stack *s)
{
    pthread_cond_broadcast(&s->moved);
    for (int i = 0; i < 50 && s->sleepers > 0; i++) {
        pthread_mutex_unlock(&s->lock);
        usleep(20);
        pthread_mutex_lock(&s->lock);
    }
}

static void run_to(stack *s, hf_time until)
{
    while (s->host != NULL) {
        const hf_time wake = hf_host_wake(s->host);
        if (wake.ns > until.ns)
            break;
        if (wake.ns > s->now.ns)
            s->now = wake;
        step(s);
    }
    if (until.ns > s->now.ns)
        s->now = until;
    step(s);
    if (s->sleepers > 0)
        let_sleepers_look(s);
}

static bool begin(stack *s, const hf_ip *own)
{
    if (s->host != NULL)
        return true;
    const bool four = hf_ip_is4(own);
    s->config.addresses[0] = (hf_host_address){ *own, four ? 24 : 64 };
    s->config.address_count = 1;
    s->host = hf_host_new(&s->env, &s->config, s->now);
    return s->host != NULL;
}

/* ---- sockets ------------------------------------------------------------------------------------------------------ */

static sock *sock_of(stack *s, int fd)
{
    if (fd < 0 || fd >= SOCKETS || !s->socks[fd].used) {
        errno = EBADF;
        return NULL;
    }
    return &s->socks[fd];
}

/* Descriptors are real ones, of nothing: packetdrill closes at the end what its script left open. */
static int new_fd(stack *s)
{
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= SOCKETS)
        abort();
    if (fd >= 0)
        s->socks[fd] = (sock){ .used = true };
    return fd;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

/* Sleeps until `ready` says so. False: it may not sleep. */
static bool wait_for(stack *s, const sock *k, bool (*ready)(const sock *), bool never)
{
    if (ready(k))
        return true;
    if (k->nonblocking || never)
        return false;
    s->sleepers++;
    while (!ready(k))
        pthread_cond_wait(&s->moved, &s->lock);
    s->sleepers--;
    return true;
}

static bool is_open(const sock *k)
{
    return k->opened || k->error != 0 || k->ended;
}
static bool is_accepted(const sock *k)
{
    return k->accepted_count > 0;
}
static bool is_readable(const sock *k)
{
    return k->tcp == NULL || hf_tcp_peek(k->tcp).len > 0 || k->ended || k->error != 0;
}

#define ENTER(s) \
    stack *s = self; \
    pthread_mutex_lock(&s->lock)
#define LEAVE(s, value) \
    do { \
        const int kept = errno; \
        pthread_mutex_unlock(&s->lock); \
        errno = kept; \
        return value; \
    } while (0)

static int do_socket(void *self, int domain, int type, int protocol)
{
    (void)domain, (void)protocol;
    ENTER(s);
    const int fd = (type & 15) == SOCK_STREAM ? new_fd(s) : fail(EPROTONOSUPPORT);
    if (fd >= 0)
        s->socks[fd].nonblocking = (type & SOCK_NONBLOCK) != 0;
    LEAVE(s, fd);
}

static int do_bind(void *self, int fd, const struct sockaddr *a, socklen_t n)
{
    (void)n;
    ENTER(s);
    sock *k = sock_of(s, fd);
    int r = -1;
    if (k != NULL) {
        const hf_ip own = ip_of(a, &k->port);
        r = begin(s, &own) ? 0 : fail(ENOMEM);
    }
    LEAVE(s, r);
}

static int do_listen(void *self, int fd, int backlog)
{
    (void)backlog;
    ENTER(s);
    sock *k = sock_of(s, fd);
    int r = -1;
    if (k != NULL) {
        const hf_ip any = { { 0 } };
        r = hf_tcp_listen(hf_host_tcp(s->host), &any, k->port, k->port).code == 0 ? 0 : fail(EADDRINUSE);
        k->listening = r == 0;
    }
    LEAVE(s, r);
}

static int do_accept(void *self, int fd, struct sockaddr *a, socklen_t *n)
{
    ENTER(s);
    sock *k = sock_of(s, fd);
    int r = -1;
    if (k != NULL && !k->listening) {
        errno = EINVAL;
    } else if (k != NULL && !wait_for(s, k, is_accepted, false)) {
        errno = EAGAIN;
    } else if (k != NULL && (r = new_fd(s)) >= 0) {
        sock *c = &s->socks[r];
        c->tcp = k->accepted[0];
        c->opened = true;
        memmove(k->accepted, k->accepted + 1, --k->accepted_count * sizeof *k->accepted);
        hf_tcp_set_nagle(c->tcp, !k->no_delay); /* as the kernel's */
        const hf_tcp_pair *p = &c->tcp->pair;
        struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(p->remote_port) };
        memcpy(&four.sin_addr, p->remote.bytes + 12, 4);
        if (a != NULL && n != NULL && *n >= sizeof four && hf_ip_is4(&p->remote)) {
            memcpy(a, &four, sizeof four);
            *n = sizeof four;
        }
        tell(c, s->now);
    }
    LEAVE(s, r);
}

static int finish_connect(sock *k)
{
    if (k->error == 0)
        return 0;
    const int error = k->error;
    k->error = 0;
    return fail(error);
}

static int do_connect(void *self, int fd, const struct sockaddr *a, socklen_t n)
{
    (void)n;
    ENTER(s);
    sock *k = sock_of(s, fd);
    if (k == NULL)
        LEAVE(s, -1);
    if (k->tcp != NULL)
        LEAVE(s, k->opened && k->error == 0 ? fail(EISCONN) : k->error != 0 ? finish_connect(k) : fail(EALREADY));
    hf_tcp_pair pair = { .local_port = k->port };
    hf_ip own;
    hf_err err;
    struct sockaddr_in here = { .sin_family = AF_INET };
    const char *text = getenv("HF_PACKETDRILL_LOCAL"); /* what packetdrill was told by --local_ip */
    unsigned b[4] = { 192, 168, 0, 1 };
    if (text != NULL)
        (void)!sscanf(text, "%u.%u.%u.%u", &b[0], &b[1], &b[2], &b[3]);
    (void)here;
    own = hf_ip_make4((uint8_t)b[0], (uint8_t)b[1], (uint8_t)b[2], (uint8_t)b[3]);
    pair.remote = ip_of(a, &pair.remote_port);
    if (!begin(s, &own))
        LEAVE(s, fail(ENOMEM));
    pair.local = s->config.addresses[0].ip;
    k->tcp = hf_tcp_connect(hf_host_tcp(s->host), s->now, &pair, 0, &err);
    if (k->tcp == NULL)
        LEAVE(s, fail(EADDRNOTAVAIL));
    hf_tcp_set_nagle(k->tcp, !k->no_delay);
    step(s);
    if (!wait_for(s, k, is_open, false))
        LEAVE(s, fail(EINPROGRESS));
    LEAVE(s, finish_connect(k));
}

static ssize_t receive(stack *s, int fd, const struct iovec *iov, int count, int flags)
{
    sock *k = sock_of(s, fd);
    if (k == NULL)
        return -1;
    if (k->tcp == NULL)
        return fail(ENOTCONN);
    if (!wait_for(s, k, is_readable, (flags & MSG_DONTWAIT) != 0))
        return fail(EAGAIN);
    ssize_t got = 0;
    for (int i = 0; i < count; i++) {
        size_t done = 0;
        for (hf_span p; done < iov[i].iov_len && (p = hf_tcp_peek(k->tcp)).len > 0;) {
            const size_t n = p.len < iov[i].iov_len - done ? p.len : iov[i].iov_len - done;
            memcpy((uint8_t *)iov[i].iov_base + done, p.ptr, n);
            done += n;
            got += (ssize_t)n;
            if (flags & MSG_PEEK)
                return got;
            hf_tcp_take(k->tcp, n);
        }
    }
    step(s);
    tell(k, s->now);
    if (got == 0 && k->error != 0) {
        const int error = k->error;
        k->error = 0;
        return fail(error);
    }
    return got;
}

static ssize_t transmit(stack *s, int fd, const struct iovec *iov, int count, int flags)
{
    sock *k = sock_of(s, fd);
    if (k == NULL)
        return -1;
    if (k->tcp == NULL)
        return fail(EPIPE);
    if (flags & (MSG_FASTOPEN | MSG_ZEROCOPY | MSG_EOR))
        return fail(EOPNOTSUPP);
    if (k->error != 0) {
        const int error = k->error;
        k->error = 0;
        return fail(error);
    }
    if (k->tcp->end_asked || !k->tcp->attached)
        return fail(EPIPE);
    ssize_t put = 0;
    for (int i = 0; i < count; i++)
        put += (ssize_t)hf_tcp_put(k->tcp, &(hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(iov[i].iov_base, iov[i].iov_len) }, 1);
    step(s);
    return put > 0 ? put : fail(EAGAIN);
}

static ssize_t do_recv(void *self, int fd, void *buf, size_t n, int flags)
{
    ENTER(s);
    const ssize_t r = receive(s, fd, &(struct iovec){ buf, n }, 1, flags);
    LEAVE(s, r);
}
static ssize_t do_read(void *self, int fd, void *buf, size_t n)
{
    return do_recv(self, fd, buf, n, 0);
}
static ssize_t do_readv(void *self, int fd, const struct iovec *iov, int count)
{
    ENTER(s);
    const ssize_t r = receive(s, fd, iov, count, 0);
    LEAVE(s, r);
}
static ssize_t do_recvfrom(void *self, int fd, void *buf, size_t n, int flags, struct sockaddr *a, socklen_t *length)
{
    (void)a, (void)length;
    return do_recv(self, fd, buf, n, flags);
}
static ssize_t do_recvmsg(void *self, int fd, struct msghdr *m, int flags)
{
    ENTER(s);
    const ssize_t r = receive(s, fd, m->msg_iov, (int)m->msg_iovlen, flags);
    LEAVE(s, r);
}
static ssize_t do_send(void *self, int fd, const void *buf, size_t n, int flags)
{
    ENTER(s);
    const ssize_t r = transmit(s, fd, &(struct iovec){ (void *)(uintptr_t)buf, n }, 1, flags);
    LEAVE(s, r);
}
static ssize_t do_write(void *self, int fd, const void *buf, size_t n)
{
    return do_send(self, fd, buf, n, 0);
}
static ssize_t do_writev(void *self, int fd, const struct iovec *iov, int count)
{
    ENTER(s);
    const ssize_t r = transmit(s, fd, iov, count, 0);
    LEAVE(s, r);
}
static ssize_t do_sendto(void *self, int fd, const void *buf, size_t n, int flags, const struct sockaddr *a, socklen_t length)
{
    (void)a, (void)length;
    return do_send(self, fd, buf, n, flags);
}
static ssize_t do_sendmsg(void *self, int fd, const struct msghdr *m, int flags)
{
    ENTER(s);
    const ssize_t r = transmit(s, fd, m->msg_iov, (int)m->msg_iovlen, flags);
    LEAVE(s, r);
}

static int do_fcntl(void *self, int fd, int command, ...)
{
    va_list more;
    va_start(more, command);
    const int argument = va_arg(more, int);
    va_end(more);
    ENTER(s);
    sock *k = sock_of(s, fd);
    int r = -1;
    if (k != NULL && command == F_SETFL) {
        k->nonblocking = (argument & O_NONBLOCK) != 0;
        r = 0;
    } else if (k != NULL) {
        r = command == F_GETFL ? O_RDWR | (k->nonblocking ? O_NONBLOCK : 0) : fail(EINVAL);
    }
    LEAVE(s, r);
}

static int do_ioctl(void *self, int fd, unsigned long request, ...)
{
    va_list more;
    va_start(more, request);
    int *answer = va_arg(more, int *);
    va_end(more);
    ENTER(s);
    sock *k = sock_of(s, fd);
    int r = -1;
    if (k != NULL && (request != FIONREAD || k->tcp == NULL)) {
        errno = ENOTTY;
    } else if (k != NULL) {
        *answer = (int)hf_tcp_peek(k->tcp).len;
        r = 0;
    }
    LEAVE(s, r);
}

static int do_close(void *self, int fd)
{
    ENTER(s);
    sock *k = sock_of(s, fd);
    if (k == NULL)
        LEAVE(s, -1);
    if (k->listening) {
        const hf_ip any = { { 0 } };
        hf_tcp_unlisten(hf_host_tcp(s->host), &any, k->port);
    }
    if (k->tcp != NULL) {
        const bool unread = hf_tcp_peek(k->tcp).len > 0; /* RFC 2525 2.17: what was not read is told by a RST */
        if (k->tcp->attached && !k->tcp->end_asked)
            (void)!hf_tcp_end(k->tcp, (hf_ending){ k->linger || unread ? HF_ENDING_RESET : HF_ENDING_FIN, 0 }).code;
        hf_tcp_free(k->tcp);
    }
    for (unsigned i = 0; i < k->accepted_count; i++)
        hf_tcp_free(k->accepted[i]);
    *k = (sock){ 0 };
    close(fd);
    step(s);
    LEAVE(s, 0);
}

static int do_shutdown(void *self, int fd, int how)
{
    ENTER(s);
    sock *k = sock_of(s, fd);
    int r = -1;
    if (k != NULL && k->tcp == NULL) {
        errno = ENOTCONN;
    } else if (k != NULL) {
        r = 0;
        if (how != SHUT_RD && k->tcp->attached && !k->tcp->end_asked)
            (void)!hf_tcp_end(k->tcp, (hf_ending){ HF_ENDING_FIN, 0 }).code;
        k->ended |= how != SHUT_WR;
        step(s);
    }
    LEAVE(s, r);
}

/* Linux's numbers of the states. */
static uint8_t state_of(hf_tcp_state state)
{
    static const uint8_t numbers[] = { [HF_TCP_CLOSED] = 7, [HF_TCP_LISTEN] = 10, [HF_TCP_SYN_SENT] = 2, [HF_TCP_SYN_RECEIVED] = 3, [HF_TCP_ESTABLISHED] = 1,
        [HF_TCP_FIN_WAIT_1] = 4, [HF_TCP_FIN_WAIT_2] = 5, [HF_TCP_CLOSE_WAIT] = 8, [HF_TCP_CLOSING] = 11, [HF_TCP_LAST_ACK] = 9, [HF_TCP_TIME_WAIT] = 6 };
    return numbers[state];
}

/* Linux counts what was lost until it is acknowledged, although it was sent again. */
static uint64_t lost_of(const hf_records *r)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        const hf_record *record = hf_record_at(r, i);
        n += !(record->flags & HF_RECORD_SACKED) && (record->flags & (HF_RECORD_LOST | HF_RECORD_AGAIN)) ? record->length : 0;
    }
    return n;
}

static struct tcp_info info_of(const hf_tcp *t)
{
    hf_tcp_info i;
    hf_tcp_info_of(t, &i);
    const uint64_t segment = i.segment > 0 ? i.segment : 1;
    const hf_records *records = t->sender != NULL ? &t->sender->records : NULL;
    return (struct tcp_info){ .tcpi_state = t->attached ? state_of(i.state) : 7, .tcpi_ca_state = (uint8_t)(i.loss ? 4 : i.recovering ? 3 : 0),
        .tcpi_options = (uint8_t)((i.timestamps ? 1 : 0) | (i.sack ? 2 : 0) | (i.scaled ? 4 : 0) | (i.ecn ? 8 : 0)), .tcpi_snd_wscale = i.send_scale & 15,
        .tcpi_rcv_wscale = i.receive_scale & 15, .tcpi_rto = (uint32_t)(i.rto_ns / 1000), .tcpi_snd_mss = i.segment, .tcpi_backoff = (uint8_t)i.backoff,
        .tcpi_unacked = (uint32_t)((i.nxt - i.una + segment - 1) / segment), .tcpi_rtt = (uint32_t)(i.rtt_ns / 1000),
        .tcpi_sacked = records != NULL ? (uint32_t)(records->sacked / segment) : 0, .tcpi_lost = records != NULL ? (uint32_t)(lost_of(records) / segment) : 0,
        .tcpi_rttvar = (uint32_t)(i.rtt_variation_ns / 1000), .tcpi_snd_cwnd = (uint32_t)(i.congestion_window / segment),
        .tcpi_snd_ssthresh = i.threshold == UINT64_MAX ? 0x7fffffff : (uint32_t)(i.threshold / segment), .tcpi_total_retrans = (uint32_t)i.retransmitted,
        .tcpi_reordering = 3 };
}

static int do_getsockopt(void *self, int fd, int level, int name, void *value, socklen_t *n)
{
    ENTER(s);
    sock *k = sock_of(s, fd);
    int r = -1;
    if (k != NULL && level == IPPROTO_TCP && name == TCP_INFO && k->tcp != NULL) {
        const struct tcp_info i = info_of(k->tcp);
        memset(value, 0, *n); /* newer kernels tell more than this header knows */
        memcpy(value, &i, *n < sizeof i ? *n : sizeof i);
        r = 0;
    } else if (k != NULL && level == SOL_SOCKET && name == SO_ERROR) {
        *(int *)value = k->error;
        *n = sizeof(int);
        k->error = 0;
        r = 0;
    } else if (k != NULL && level == IPPROTO_TCP && name == TCP_MAXSEG && k->tcp != NULL) {
        *(int *)value = (int)hf_tcp_full(k->tcp);
        *n = sizeof(int);
        r = 0;
    } else if (k != NULL && ((level == IPPROTO_TCP && name == CC_INFO) || (level == SOL_SOCKET && name == MEMORY_INFO))) {
        *n = *n < 36 ? *n : 36; /* asked for by every look into TCP_INFO, and used by none of the scripts that run */
        memset(value, 0, *n);
        r = 0;
    } else if (k != NULL) {
        errno = ENOPROTOOPT;
    }
    LEAVE(s, r);
}

static int do_setsockopt(void *self, int fd, int level, int name, const void *value, socklen_t n)
{
    ENTER(s);
    sock *k = sock_of(s, fd);
    int r = -1;
    if (k == NULL) {
        errno = EBADF;
    } else if (level == SOL_SOCKET && name == SO_LINGER) {
        const struct linger *l = value;
        k->linger = l->l_onoff != 0 && l->l_linger == 0;
        r = 0;
    } else if (level == IPPROTO_TCP && name == TCP_NODELAY) {
        k->no_delay = *(const int *)value != 0;
        if (k->tcp != NULL)
            hf_tcp_set_nagle(k->tcp, !k->no_delay);
        step(s);
        r = 0;
    } else if (level == SOL_SOCKET && (name == SO_REUSEADDR || name == SO_SNDBUF || name == SO_RCVBUF || name == SO_KEEPALIVE || name == SO_PRIORITY)) {
        if (name == SO_KEEPALIVE && k->tcp != NULL)
            hf_tcp_set_keepalive(k->tcp, s->now, *(const int *)value ? HF_SECONDS(7200) : 0);
        r = 0;
    } else {
        r = level == IPPROTO_IP && n > 0 ? 0 : fail(ENOPROTOOPT);
    }
    LEAVE(s, r);
}

static int do_poll(void *self, struct pollfd *fds, nfds_t count, int timeout)
{
    (void)timeout; /* packetdrill polls without waiting */
    ENTER(s);
    int found = 0;
    for (nfds_t i = 0; i < count; i++) {
        sock *k = sock_of(s, fds[i].fd);
        short r = 0;
        if (k == NULL) {
            r = POLLNVAL;
        } else if (k->listening) {
            r = is_accepted(k) ? POLLIN : 0;
        } else if (k->tcp != NULL) {
            r = (short)((is_readable(k) ? POLLIN : 0) | (k->opened && k->error == 0 ? POLLOUT : 0) | (k->error != 0 ? POLLERR : 0));
        }
        fds[i].revents = (short)(r & (fds[i].events | POLLERR | POLLHUP | POLLNVAL));
        found += fds[i].revents != 0;
    }
    LEAVE(s, found);
}

/* ---- packets and time --------------------------------------------------------------------------------------------- */

static int do_netdev_send(void *self, const void *bytes, size_t n)
{
    ENTER(s);
    if (s->host != NULL) {
        const hf_host_input in = { .packet = hf_bytes_make(bytes, n) };
        (void)!hf_host_receive(s->host, s->now, &in).code;
        hf_tcp_endpoint_settle(hf_host_tcp(s->host));
        step(s);
        if (s->sleepers > 0)
            let_sleepers_look(s);
    }
    LEAVE(s, 0);
}

/* It waits for the next packet; where none can come any more it ends the script, which would wait for ever. */
static int do_netdev_receive(void *self, void *bytes, size_t *n, long long *at_us)
{
    ENTER(s);
    while (s->first == NULL) {
        const hf_time wake = s->host != NULL ? hf_host_wake(s->host) : HF_NEVER;
        if (wake.ns >= HF_TCP_FAR.ns || wake.ns > s->now.ns + HF_SECONDS(300)) {
            fprintf(stderr, "handfast: the script waits for a packet, and nothing is going to be sent\n");
            fflush(NULL);
            _exit(1);
        }
        run_to(s, wake);
    }
    packet *p = s->first;
    s->first = p->next;
    if (s->first == NULL)
        s->last = NULL;
    *n = p->length < *n ? p->length : *n;
    memcpy(bytes, p->bytes, *n);
    *at_us = p->at_us;
    free(p);
    LEAVE(s, 0);
}

static int do_usleep(void *self, useconds_t us)
{
    ENTER(s);
    run_to(s, hf_time_after(s->now, (int64_t)us * 1000));
    LEAVE(s, 0);
}

static int do_gettimeofday(void *self, struct timeval *tv, struct timezone *zone)
{
    (void)zone;
    ENTER(s);
    run_to(s, hf_time_after(s->now, 1000));
    const long long us = us_of(s);
    *tv = (struct timeval){ .tv_sec = us / 1000000, .tv_usec = us % 1000000 };
    LEAVE(s, 0);
}

/* ---- what it does not have ---------------------------------------------------------------------------------------- */

static int no_epoll_create(void *self, int size)
{
    (void)self, (void)size;
    return fail(ENOSYS);
}
static int no_epoll_ctl(void *self, int ep, int op, int fd, struct epoll_event *e)
{
    (void)self, (void)ep, (void)op, (void)fd, (void)e;
    return fail(ENOSYS);
}
static int no_epoll_wait(void *self, int ep, struct epoll_event *e, int most, int timeout)
{
    (void)self, (void)ep, (void)e, (void)most, (void)timeout;
    return fail(ENOSYS);
}
static int no_pipe(void *self, int fds[2])
{
    (void)self, (void)fds;
    return fail(ENOSYS);
}
static int no_splice(void *self, int in, loff_t *in_at, int out, loff_t *out_at, size_t n, unsigned flags)
{
    (void)self, (void)in, (void)in_at, (void)out, (void)out_at, (void)n, (void)flags;
    return fail(ENOSYS);
}

static stack *loaded;

/* packetdrill asks the kernel itself for TCP_INFO when a script looks at it: loaded before it (LD_PRELOAD), this answers. */
__attribute__((visibility("default"))) int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict n)
{
    if (loaded != NULL && fd >= 0 && fd < SOCKETS && loaded->socks[fd].used)
        return do_getsockopt(loaded, fd, level, name, value, n);
    return (int)syscall(SYS_getsockopt, fd, level, name, value, n);
}

static void do_free(void *self)
{
    stack *s = self;
    loaded = NULL;
    hf_host_free(s->host);
    while (s->first != NULL) {
        packet *p = s->first;
        s->first = p->next;
        free(p);
    }
    free(s);
}

__attribute__((visibility("default"))) void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc)
{
    stack *s = calloc(1, sizeof *s);
    const char *options = flags != NULL ? flags : "";
    if (s == NULL)
        abort();
    hf_random_seed(&s->random, 1);
    s->limits = *hf_limits_default();
    s->limits.tcp_receive_bytes = 15 * 1024 * 1024; /* the scripts expect a scale of 8 */
    s->limits.output_bytes = 4194304;
    s->env = (hf_env){ .alloc = { .resize = resize }, .random = &s->random, .limits = &s->limits };
    s->config.tcp = (hf_tcp_config){ .mtu = 1500, .super_segment = strstr(options, "gso") != NULL ? 64000 : 0, .no_pacing = true, .ecn = strstr(options, "ecn") != NULL,
                                     .no_timestamps = strstr(options, "no_timestamps") != NULL, .newreno = strstr(options, "reno") != NULL };
    memset(s->config.tcp.secret, 7, sizeof s->config.tcp.secret);
    s->now = hf_time_make(HF_SECONDS(1000));
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->moved, NULL);
    loaded = s;
    *ifc = (struct packetdrill_interface){ s, do_free, do_socket, do_bind, do_listen, do_accept, do_connect, do_read, do_readv, do_recv, do_recvfrom,
        do_recvmsg, do_write, do_writev, do_send, do_sendto, do_sendmsg, do_fcntl, do_ioctl, do_close, do_shutdown, do_getsockopt, do_setsockopt, do_poll,
        do_netdev_send, do_netdev_receive, do_usleep, do_gettimeofday, no_epoll_create, no_epoll_ctl, no_epoll_wait, no_pipe, no_splice };
}
