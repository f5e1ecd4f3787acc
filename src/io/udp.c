/* SPDX-License-Identifier: Apache-2.0 */
#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "alloc.h"

enum {
    BUFFER = 4 << 20,  /* asked of the kernel, each way: it grants net.core.rmem_max and wmem_max at most */
    SEGMENTS_MOST = 64 /* of one call (the kernel's UDP_MAX_SEGMENTS) */
};

/* Room for everything that comes beside a datagram. */
typedef struct control {
    _Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) +
                  CMSG_SPACE(sizeof(uint16_t))];
} control;

struct hf_udp {
    const hf_env *env;
    hf_io *io; /* that carries them itself; NULL: the kernel does */
    int fd;
    hf_address at;
    bool joins, splits;
    uint64_t calls_receive, calls_send, datagrams_in, datagrams_out, send_failed;
};

/* ---- the descriptor ------------------------------------------------------------------------------------------- */

static hf_err bind_error(int e)
{
    switch (e) {
    case EADDRINUSE: return hf_err_make(HF_ERR_IO_ADDRESS_IN_USE);
    case EACCES: return hf_err_make(HF_ERR_IO_ADDRESS_DENIED);
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: return hf_err_make(HF_ERR_IO_ADDRESS_UNAVAILABLE);
    case EMFILE:
    case ENFILE: return hf_err_make(HF_ERR_IO_DESCRIPTORS);
    default: return hf_err_make(HF_ERR_IO_SYSTEM);
    }
}

static bool on(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/* What QUIC wants to know and to say beside the bytes. What a kernel does not have, it does without. */
static bool tune(int fd, bool six)
{
    (void)on(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
    (void)on(fd, SOL_SOCKET, SO_SNDBUF, BUFFER);
    if (six)
        /* PROBE: DF is set, and the kernel's own idea of the path is not asked (RFC 9000 14: QUIC must not be fragmented) */
        return on(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
               on(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) && on(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    return on(fd, IPPROTO_IP, IP_PKTINFO, 1) && on(fd, IPPROTO_IP, IP_RECVTOS, 1) &&
           on(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
}

int hf_udp_socket(const hf_address *at, hf_err *err)
{
    struct sockaddr_storage to;
    const socklen_t size = hf_address_to_kernel(at, &to);
    const int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *err = bind_error(errno);
    if (fd < 0)
        return -1;
    /* Linux hands one free port to several sockets that say before bind() that they would share it: then one has the other's datagrams */
    const bool chosen = at->port != 0;
    if ((!chosen || on(fd, SOL_SOCKET, SO_REUSEPORT, 1)) && tune(fd, at->family == 6) && bind(fd, (struct sockaddr *)&to, size) == 0 &&
        (chosen || on(fd, SOL_SOCKET, SO_REUSEPORT, 1))) {
        *err = HF_OK;
        return fd;
    }
    const int e = errno;
    *err = bind_error(e);
    close(fd);
    errno = e;
    return -1;
}

size_t hf_udp_buffer(int fd)
{
    int n = 0;
    socklen_t size = sizeof n;
    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, &size) == 0 && n > 0 ? (size_t)n / 2 : 0; /* socket(7): it is doubled */
}

hf_udp *hf_udp_new(const hf_env *env, int fd, const hf_address *at)
{
    hf_udp *const u = hf_alloc_zeroed(&env->alloc, sizeof *u);
    if (u == NULL) {
        close(fd);
        return NULL;
    }
    u->env = env;
    u->fd = fd;
    u->at = *at;
    u->joins = on(fd, IPPROTO_UDP, UDP_GRO, 1);
    u->splits = on(fd, IPPROTO_UDP, UDP_SEGMENT, 0); /* a kernel that does not know the word has no GSO */
    return u;
}

hf_udp *hf_udp_new_own(const hf_env *env, hf_io *io, const hf_address *at, hf_err *err)
{
    hf_udp *const u = hf_alloc_zeroed(&env->alloc, sizeof *u);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (u == NULL)
        return NULL;
    u->env = env;
    u->io = io;
    u->fd = -1;
    u->at = *at;
    *err = io->ops->udp_open(io, at, u);
    if (err->code == 0)
        return u;
    hf_free(&env->alloc, u, sizeof *u);
    return NULL;
}

void hf_udp_free(hf_udp *u)
{
    if (u == NULL)
        return;
    if (u->io != NULL)
        u->io->ops->udp_close(u->io, &u->at);
    if (u->fd >= 0)
        close(u->fd);
    hf_free(&u->env->alloc, u, sizeof *u);
}

int hf_udp_descriptor(const hf_udp *u)
{
    return u->fd;
}

const hf_address *hf_udp_address(const hf_udp *u)
{
    return &u->at;
}

/* ---- receiving ------------------------------------------------------------------------------------------------ */

static void read_control(struct msghdr *h, hf_udp_datagram *d)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(d->local.ip, &info.ipi_addr, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(d->local.ip, &info.ipi6_addr, 16);
            d->local.scope = d->remote.scope; /* the interface matters where the address is link-local alone */
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            d->ecn = *(const uint8_t *)CMSG_DATA(c) & 3;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            int class;
            memcpy(&class, CMSG_DATA(c), sizeof class);
            d->ecn = (uint8_t)(class & 3);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(c), sizeof size);
            d->segment = (size_t)size < d->bytes.len ? (uint16_t)size : 0;
        }
    }
}

static size_t receive_own(hf_udp *u, hf_udp_datagram *to)
{
    hf_io_datagram some[HF_UDP_BATCH];
    const size_t n = u->io->ops->udp_receive(u->io, u, some, HF_UDP_BATCH);
    size_t good = 0;
    for (size_t i = 0; i < n; i++)
        if (some[i].remote.port != 0 && some[i].bytes.len > 0)
            to[good++] = (hf_udp_datagram){ .local = some[i].local, .remote = some[i].remote, .ecn = some[i].ecn, .bytes = some[i].bytes };
    u->calls_receive++;
    u->datagrams_in += good;
    return good;
}

size_t hf_udp_receive(hf_udp *u, hf_span room, hf_udp_datagram *to)
{
    if (u->io != NULL)
        return receive_own(u, to);
    struct mmsghdr messages[HF_UDP_BATCH];
    struct iovec where[HF_UDP_BATCH];
    struct sockaddr_storage from[HF_UDP_BATCH];
    control beside[HF_UDP_BATCH];
    const size_t each = room.len / HF_UDP_BATCH;
    size_t n = 0;
    for (size_t i = 0; i < HF_UDP_BATCH; i++) {
        where[i] = (struct iovec){ room.ptr + i * each, each };
        messages[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &where[i], .msg_iovlen = 1,
            .msg_control = beside[i].bytes, .msg_controllen = sizeof beside[i] };
    }
    const int got = recvmmsg(u->fd, messages, HF_UDP_BATCH, MSG_DONTWAIT, NULL);
    u->calls_receive++;
    for (int i = 0; i < got; i++) {
        hf_udp_datagram *const d = &to[n];
        if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0 || messages[i].msg_len == 0)
            continue;
        *d = (hf_udp_datagram){ .local = u->at, .bytes = { where[i].iov_base, messages[i].msg_len } };
        hf_address_from_kernel(&from[i], &d->remote);
        if (d->remote.port == 0) /* nobody can be answered there, and to try is an error */
            continue;
        read_control(&messages[i].msg_hdr, d);
        u->datagrams_in += d->segment > 0 ? (d->bytes.len + d->segment - 1) / d->segment : 1;
        n++;
    }
    return n;
}

/* ---- sending -------------------------------------------------------------------------------------------------- */

static void add(struct msghdr *h, size_t *used, int level, int type, const void *value, size_t size)
{
    struct cmsghdr *const c = (struct cmsghdr *)((uint8_t *)h->msg_control + *used);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), value, size);
    *used += CMSG_SPACE(size);
}

static void write_control(struct msghdr *h, const hf_udp_datagram *d, bool splits)
{
    size_t used = 0;
    const int ecn = d->ecn;
    if (d->remote.family == 4) {
        struct in_pktinfo info = { 0 };
        memcpy(&info.ipi_spec_dst, d->local.ip, 4);
        add(h, &used, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        add(h, &used, IPPROTO_IP, IP_TOS, &ecn, sizeof ecn);
    } else {
        struct in6_pktinfo info = { .ipi6_ifindex = d->local.scope };
        memcpy(&info.ipi6_addr, d->local.ip, 16);
        add(h, &used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
        add(h, &used, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof ecn);
    }
    if (splits)
        add(h, &used, IPPROTO_UDP, UDP_SEGMENT, &d->segment, sizeof d->segment);
    h->msg_controllen = used;
}

static ssize_t send_one(hf_udp *u, const hf_udp_datagram *d, bool splits)
{
    struct sockaddr_storage to;
    control beside = { 0 };
    struct iovec what = { d->bytes.ptr, d->bytes.len };
    struct msghdr h = { .msg_name = &to, .msg_namelen = hf_address_to_kernel(&d->remote, &to), .msg_iov = &what, .msg_iovlen = 1,
        .msg_control = beside.bytes };
    write_control(&h, d, splits);
    ssize_t n;
    do {
        u->calls_send++;
        n = sendmsg(u->fd, &h, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n;
}

static hf_udp_sent outcome(hf_udp *u, ssize_t n)
{
    if (n >= 0)
        return HF_UDP_SENT;
    if (errno == EAGAIN || errno == ENOBUFS)
        return HF_UDP_FULL;
    u->send_failed++;
    return errno == EMSGSIZE ? HF_UDP_TOO_LONG : HF_UDP_SENT;
}

/* Without GSO: one call each. What does not leave is lost, as on a network. */
static hf_udp_sent send_each(hf_udp *u, const hf_udp_datagram *d)
{
    hf_udp_sent last = HF_UDP_SENT;
    for (size_t at = 0; at < d->bytes.len; at += d->segment) {
        hf_udp_datagram part = *d;
        const size_t left = d->bytes.len - at;
        part.segment = 0;
        part.bytes = (hf_span){ d->bytes.ptr + at, left < d->segment ? left : d->segment };
        last = outcome(u, send_one(u, &part, false));
        u->datagrams_out++;
        if (last != HF_UDP_SENT)
            return at == 0 ? last : HF_UDP_SENT;
    }
    return last;
}

/* A batch of which the first left is not offered again: what did not leave is lost, as on a network. */
static hf_udp_sent send_own(hf_udp *u, const hf_udp_datagram *d)
{
    const size_t segment = d->segment > 0 ? d->segment : d->bytes.len;
    for (size_t at = 0; at < d->bytes.len; at += segment) {
        const size_t left = d->bytes.len - at;
        const hf_io_datagram one = { .local = d->local, .remote = d->remote, .ecn = d->ecn,
            .bytes = { d->bytes.ptr + at, left < segment ? left : segment } };
        u->calls_send++;
        if (!u->io->ops->udp_send(u->io, &one)) {
            u->send_failed += at > 0;
            return at == 0 ? HF_UDP_FULL : HF_UDP_SENT;
        }
        u->datagrams_out++;
    }
    return HF_UDP_SENT;
}

hf_udp_sent hf_udp_send(hf_udp *u, const hf_udp_datagram *d)
{
    if (u->io != NULL)
        return send_own(u, d);
    if (d->segment == 0 || d->segment >= d->bytes.len) {
        u->datagrams_out++;
        return outcome(u, send_one(u, d, false));
    }
    const size_t count = (d->bytes.len + d->segment - 1) / d->segment;
    if (!u->splits || count > SEGMENTS_MOST)
        return send_each(u, d);
    const ssize_t n = send_one(u, d, true);
    if (n >= 0 || (errno != EIO && errno != EINVAL && errno != EMSGSIZE)) {
        u->datagrams_out += n >= 0 ? count : 0;
        return outcome(u, n);
    }
    u->splits = errno == EMSGSIZE; /* the device cannot do it, whatever the kernel says (udp(7)) */
    return send_each(u, d);
}

void hf_udp_count(const hf_udp *u, hf_udp_counts *counts)
{
    *counts = (hf_udp_counts){ .calls_receive = u->calls_receive, .calls_send = u->calls_send, .datagrams_in = u->datagrams_in,
        .datagrams_out = u->datagrams_out, .send_failed = u->send_failed, .joins = u->joins, .splits = u->splits };
}
