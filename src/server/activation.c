/* SPDX-License-Identifier: Apache-2.0 */
#include "activation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "epoll.h"

enum { FIRST = 3 }; /* SD_LISTEN_FDS_START */

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);
    uint64_t n = 0;
    return text != NULL && hf_parse_decimal(hf_text(text), &n) ? n : 0;
}

static bool take(int fd, hf_listen_set *set)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    int type = 0, listens = 0;
    socklen_t length = sizeof type;
    hf_address at = { 0 };
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0 || !listens ||
        getsockname(fd, (struct sockaddr *)&own, &size) != 0)
        return false;
    hf_address_from_kernel(&own, &at);
    if (at.family == 0 || set->count == HF_LISTEN_SOCKETS)
        return false;
    hf_listen_socket_tune(fd);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    set->at[set->count++] = (hf_listening){ .fd = fd, .at = at, .asked = at };
    return true;
}

bool hf_activation_take(hf_listen_set *set, hf_writer *why)
{
    const uint64_t count = number_of("LISTEN_PID") == (uint64_t)getpid() ? number_of("LISTEN_FDS") : 0;
    bool good = true;
    set->count = 0;
    for (uint64_t i = 0; i < count && i < 1024; i++)
        if (!take(FIRST + (int)i, set)) {
            hf_write_text(why, "descriptor ");
            hf_write_decimal(why, FIRST + i);
            hf_write_text(why, ", which the service manager passed, is no listening TCP socket (or one too many)\n");
            good = false;
        }
    /* They are not for the programs that we may start. */
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return good;
}
