/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of a file sendfile(2) may lend to the network. docs/decisions/0008-one-version.md tells why the rest is read.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "epoll.h"

enum {
    READ_LEAST = 1 << 20,           /* at the end of a file so much is read rather than lent, at least */
    READ_BEYOND = 2 * HF_FILE_PART, /* and so much more than the kernel may come to hold: it takes one part more than fits */
    BUFFER_GROWS = 4,               /* so many times larger may a send buffer become while what was lent lies in it */
    BUFFER_MOST = 4 << 20,          /* where the system does not say how large it may become: what Linux has by default */
    NEAR_US = 1000,                 /* a peer that acknowledges within so many microseconds is near */
    NEAR_LEAST = 8 << 20,           /* of a file: for less, a wait for acknowledgements would be too large a part of it */
};

/* sendfile(2) has no MSG_NOSIGNAL: to a peer that has gone it raises SIGPIPE, which ends a process that does nothing about it. Our own
 * threads and the program do; whoever turns a loop of their own may not. */
bool hf_may_lend(hf_socket_home *home)
{
    sigset_t blocked;
    struct sigaction how;
    if (home->lends != HF_LENDS_UNKNOWN)
        return home->lends == HF_LENDS;
    sigemptyset(&blocked);
    const bool safe = (pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, SIGPIPE) == 1) ||
        (sigaction(SIGPIPE, NULL, &how) == 0 && ((how.sa_flags & SA_SIGINFO) != 0 || how.sa_handler != SIG_DFL));
    home->lends = safe ? HF_LENDS : HF_LENDS_NOTHING;
    return safe;
}

/* How large the system lets a send buffer become: the last number of net.ipv4.tcp_wmem. */
static uint64_t buffer_most(hf_socket_home *home)
{
    char text[64] = "";
    unsigned long long most = 0;
    if (home->buffer_most > 0)
        return home->buffer_most;
    const int fd = open("/proc/sys/net/ipv4/tcp_wmem", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        (void)sscanf(text, "%*u %*u %llu", &most);
    if (fd >= 0)
        close(fd);
    home->buffer_most = most >= READ_LEAST && most < UINT32_MAX ? most : BUFFER_MOST;
    return home->buffer_most;
}

static bool is_near(int fd)
{
    struct tcp_info info = { 0 };
    socklen_t size = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_rtt < NEAR_US;
}

/* How much of what is left of a file may be lent. The rest is read: more than the kernel can hold at once, so that by the last
 * byte nothing is left of what was lent, without waiting for it. A large file to a near peer does wait: that is soon over, and
 * megabytes need not be copied twice. */
uint64_t hf_bytes_to_lend(hf_socket_home *home, int fd, const hf_extent *e, bool lends_pages)
{
    const uint64_t left = e->length;
    int buffer = 0;
    socklen_t size = sizeof buffer;
    if (!hf_may_lend(home))
        return 0;
    if (lends_pages && e->file->size >= NEAR_LEAST && left <= buffer_most(home) + READ_BEYOND && left > READ_BEYOND && is_near(fd))
        return left - READ_BEYOND;
    if (left <= READ_LEAST)
        return 0;
    uint64_t held = buffer_most(home);
    if (left > held + READ_BEYOND) /* whatever this one's buffer is */
        return left - held - READ_BEYOND;
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, &size) == 0 && (uint64_t)buffer * BUFFER_GROWS < held)
        held = (uint64_t)buffer * BUFFER_GROWS;
    const uint64_t read = held + READ_BEYOND > READ_LEAST ? held + READ_BEYOND : READ_LEAST;
    return left > read ? left - read : 0;
}
