/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "epoll.h"
#include "log.h"

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

/* What was asked for as optional cannot be had: said, and no error. */
static hf_err go_without(hf_listen_set *set, size_t first, const hf_address *at)
{
    char text[64];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_address_write(&w, at, true);
    hf_log(HF_LOG_WARNING, HF_OK, "not listening at %.*s: %s; everything else is served", HF_STR(hf_written(&w)), strerror(errno));
    while (set->count > first)
        close(set->at[--set->count].fd);
    return HF_OK;
}

hf_err hf_listen_set_add(hf_listen_set *set, const hf_listen_url *url, hf_writer *why)
{
    const size_t first = set->count;
    for (size_t i = 0; i < url->count; i++) {
        const hf_address asked = url->addresses[i];
        hf_address at = asked;
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
            if (url->optional)
                return go_without(set, first, &at);
            tell(why, &at, err, errno);
            return err;
        }
        at.port = bound_port(fd);
        set->at[set->count++] = (hf_listening){ .fd = fd, .at = at, .secure = url->tls, .asked = asked };
    }
    return HF_OK;
}

void hf_listen_set_close(hf_listen_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        close(set->at[i].fd);
    set->count = 0;
}

const hf_listening *hf_listen_set_find(const hf_listen_set *set, const hf_address *at)
{
    for (size_t i = 0; i < set->count; i++)
        if (hf_address_same(&set->at[i].at, at))
            return &set->at[i];
    return NULL;
}

bool hf_listen_set_take(const hf_listen_set *now, const hf_listen_url *url, hf_listen_set *next)
{
    const size_t before = next->count;
    for (size_t i = 0; i < url->count; i++)
        for (size_t k = 0; k < now->count && next->count < HF_LISTEN_SOCKETS; k++)
            if (hf_address_same(&now->at[k].asked, &url->addresses[i]) && hf_listen_set_find(next, &now->at[k].at) == NULL) {
                next->at[next->count++] = now->at[k];
                break;
            }
    return next->count > before;
}

hf_err hf_listen_set_change(const hf_listen_set *now, const hf_listen_url *urls, size_t count, hf_listen_set *next, bool *fresh,
    hf_writer *why)
{
    hf_err result = HF_OK;
    next->count = 0;
    memset(fresh, 0, HF_LISTEN_SOCKETS * sizeof *fresh);
    for (size_t i = 0; i < count; i++) {
        const size_t first = next->count;
        if (hf_listen_set_take(now, &urls[i], next)) {
            for (size_t k = first; k < next->count; k++)
                if (next->at[k].secure != urls[i].tls) {
                    hf_address_write(why, &next->at[k].at, true);
                    hf_write_text(why, " changes between http and https, which only a restart can do\n");
                    result = hf_err_make(HF_ERR_BASE_USAGE);
                }
            continue;
        }
        const hf_err err = hf_listen_set_add(next, &urls[i], why);
        if (err.code != 0)
            result = err;
        for (size_t k = first; k < next->count; k++)
            fresh[k] = true;
    }
    for (size_t k = 0; result.code != 0 && k < next->count; k++)
        if (fresh[k])
            close(next->at[k].fd);
    if (result.code != 0)
        next->count = 0;
    return result;
}
