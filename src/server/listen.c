/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "epoll.h"
#include "log.h"
#include "udp.h"

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
        hf_listening_close(&set->at[--set->count]);
    return HF_OK;
}

void hf_listening_close(hf_listening *l)
{
    if (l->fd >= 0)
        close(l->fd);
    for (unsigned i = 0; i < l->udp_count; i++)
        if (l->udp[i] >= 0)
            close(l->udp[i]);
    l->udp_count = 0;
    l->fd = -1;
}

static size_t count_udp(const hf_listen_set *set)
{
    size_t n = 0;
    for (size_t i = 0; i < set->count; i++)
        n += set->at[i].udp_count;
    return n;
}

/* The kernel grants what net.core.rmem_max allows: with less, a burst of datagrams is lost before we read it. Said once. */
static void look_at_buffer(int fd)
{
    static bool said;
    const size_t got = hf_udp_buffer(fd), wanted = 1 << 20;
    if (got >= wanted || said)
        return;
    said = true;
    hf_log(HF_LOG_INFO, HF_OK, "HTTP/3: the kernel keeps %zu KiB of datagrams for a socket; for fast downloads and uploads allow "
        "more: sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304", got / 1024);
}

void hf_listening_add_udp(hf_listen_set *set, hf_listening *l, unsigned count)
{
    hf_err err = HF_OK;
    for (unsigned i = 0; i < count && i < HF_ENGINE_UDP && err.code == 0 && count_udp(set) < HF_LISTEN_UDP; i++) {
        const int fd = hf_udp_socket(&l->at, &err);
        if (fd >= 0)
            l->udp[l->udp_count++] = fd;
    }
    if (err.code == 0 && (count == 0 || l->udp_count > 0)) {
        if (count > 0)
            look_at_buffer(l->udp[0]);
        return;
    }
    char text[64];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_address_write(&w, &l->at, true);
    hf_log(HF_LOG_WARNING, err, "no HTTP/3 at %.*s: %s", HF_STR(hf_written(&w)),
        err.code != 0 ? strerror(errno) : "too many UDP sockets in all");
    while (l->udp_count > 0)
        close(l->udp[--l->udp_count]);
}

static hf_err add_all(hf_listen_set *set, const hf_listen_url *url, hf_writer *why)
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
        if (set->own) {
            set->at[set->count++] = (hf_listening){ .fd = -1, .at = at, .secure = url->tls, .asked = asked, .udp_own = url->udp > 0 };
            continue;
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
        hf_listening_add_udp(set, &set->at[set->count - 1], url->udp);
    }
    return HF_OK;
}

/* Any free port of localhost is one that is free at both of its addresses. What is free at the first alone stays taken
 * meanwhile, so that the system names another. */
hf_err hf_listen_set_add(hf_listen_set *set, const hf_listen_url *url, hf_writer *why)
{
    enum { TRIES = 16 };
    int taken[TRIES];
    unsigned n = 0;
    const size_t first = set->count, told = why->length;
    hf_err err = add_all(set, url, why);
    while (err.code == HF_ERR_IO_ADDRESS_IN_USE && url->addresses[0].port == 0 && set->count > first && n < TRIES) {
        why->length = told;
        taken[n++] = set->at[first].fd;
        set->at[first].fd = -1;
        while (set->count > first)
            hf_listening_close(&set->at[--set->count]);
        err = add_all(set, url, why);
    }
    while (n > 0)
        close(taken[--n]);
    return err;
}

void hf_listen_set_close(hf_listen_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        hf_listening_close(&set->at[i]);
    set->count = 0;
}

const hf_listening *hf_listen_set_find(const hf_listen_set *set, const hf_address *at)
{
    for (size_t i = 0; i < set->count; i++)
        if (hf_address_same(&set->at[i].at, at))
            return &set->at[i];
    return NULL;
}

uint16_t hf_listen_set_https(const hf_listen_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->at[i].secure)
            return set->at[i].at.port;
    return 0;
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
    next->own = now->own;
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
            hf_listening_close(&next->at[k]);
    if (result.code != 0)
        next->count = 0;
    return result;
}
