/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "epoll.h"

static void tell(hf_writer *why, const hf_address *at, hf_err err, int system)
{
    char words[128];
    const hf_err_info *info = hf_err_describe(err);
    hf_write_text(why, "cannot listen on ");
    hf_address_write(why, at, true);
    hf_write_text(why, ": ");
    hf_write_text(why, info->name);
    hf_write_text(why, " (");
    hf_write_text(why, strerror_r(system, words, sizeof words));
    hf_write_text(why, "); ");
    hf_write_text(why, info->remedy);
    hf_write_text(why, "\n");
}

/* The port that the system chose where 0 was asked for. */
static uint16_t bound_port(int fd)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    hf_address at = { 0 };
    if (getsockname(fd, (struct sockaddr *)&own, &size) == 0)
        hf_address_from_kernel(&own, &at);
    return at.port;
}

hf_err hf_listen_set_add(hf_listen_set *set, const hf_listen_url *url, hf_writer *why)
{
    const size_t first = set->count;
    for (size_t i = 0; i < url->count; i++) {
        hf_address at = url->addresses[i];
        hf_err err = HF_OK;
        if (at.port == 0 && set->count > first)
            at.port = set->at[first].at.port;
        if (set->count == HF_LISTEN_SOCKETS) {
            hf_write_text(why, "more than 64 addresses to listen on\n");
            return hf_err_make(HF_ERR_BASE_LIMIT);
        }
        const int fd = hf_listen_socket(&at, &err);
        if (fd < 0) {
            /* One wish, two addresses: where the machine lacks one family, the other will do. */
            const bool other_will_do = url->either && err.code == HF_ERR_IO_ADDRESS_UNAVAILABLE &&
                (set->count > first || i + 1 < url->count);
            if (other_will_do)
                continue;
            tell(why, &at, err, errno);
            return err;
        }
        at.port = bound_port(fd);
        set->at[set->count++] = (hf_listening){ .fd = fd, .at = at };
    }
    return HF_OK;
}

void hf_listen_set_close(hf_listen_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        close(set->at[i].fd);
    set->count = 0;
}
