/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = HF_LISTEN_SOCKETS + HF_LISTEN_UDP + 2 }; /* the kernel passes 253 at most */

bool hf_link_open(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0;
}

/* Room for every descriptor that a message may bring, aligned as control messages must be. */
typedef union rights {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
} rights;

static size_t gather(const hf_link_message *m, int *descriptors)
{
    size_t n = 0;
    for (size_t i = 0; m->kind == HF_LINK_LISTENING && i < m->set.count; i++)
        if (m->fresh[i] && m->set.at[i].fd >= 0) { /* our own network stack has none */
            descriptors[n++] = m->set.at[i].fd;
            for (unsigned k = 0; k < m->set.at[i].udp_count; k++)
                descriptors[n++] = m->set.at[i].udp[k];
        }
    if (m->kind == HF_LINK_LISTENING && m->secure) {
        descriptors[n++] = m->identities;
        descriptors[n++] = m->channel;
    }
    if (m->kind == HF_LINK_APP)
        descriptors[n++] = m->app;
    return n;
}

bool hf_link_send(int end, const hf_link_message *m)
{
    rights room = { 0 };
    int descriptors[DESCRIPTORS];
    const size_t n = gather(m, descriptors);
    struct iovec all = { .iov_base = (void *)(uintptr_t)m, .iov_len = sizeof *m };
    struct msghdr h = { .msg_iov = &all, .msg_iovlen = 1 };
    if (n > 0) {
        h.msg_control = room.bytes;
        h.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), descriptors, n * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(end, &h, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof *m;
}

static size_t take_descriptors(struct msghdr *h, int *descriptors)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(descriptors, CMSG_DATA(c), n * sizeof(int));
            return n;
        }
    return 0;
}

/* Those of the other process mean nothing here. */
static size_t adopt(hf_listening *l, bool fresh, const int *descriptors, size_t used, size_t count)
{
    const unsigned udp = l->udp_count <= HF_ENGINE_UDP ? l->udp_count : 0;
    l->udp_count = 0;
    fresh = fresh && l->fd >= 0;
    l->fd = fresh && used < count ? descriptors[used++] : -1;
    while (fresh && l->udp_count < udp && used < count)
        l->udp[l->udp_count++] = descriptors[used++];
    return used;
}

bool hf_link_receive(int end, hf_link_message *m)
{
    rights room = { 0 };
    int descriptors[DESCRIPTORS];
    struct iovec all = { .iov_base = m, .iov_len = sizeof *m };
    struct msghdr h = { .msg_iov = &all, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room };
    ssize_t n;
    do
        n = recvmsg(end, &h, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    const size_t count = n > 0 ? take_descriptors(&h, descriptors) : 0;
    size_t used = 0;
    const bool whole = n == (ssize_t)sizeof *m && (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
        m->url_count <= HF_SERVE_LISTENERS && m->set.count <= HF_LISTEN_SOCKETS;
    for (size_t i = 0; whole && m->kind == HF_LINK_LISTENING && i < m->set.count; i++)
        used = adopt(&m->set.at[i], m->fresh[i], descriptors, used, count);
    const bool secure = whole && m->kind == HF_LINK_LISTENING && m->secure;
    m->identities = secure && used < count ? descriptors[used++] : -1;
    m->channel = secure && used < count ? descriptors[used++] : -1;
    m->app = whole && m->kind == HF_LINK_APP && used < count ? descriptors[used++] : -1;
    m->path[sizeof m->path - 1] = 0;
    while (used < count)
        close(descriptors[used++]);
    return whole;
}
