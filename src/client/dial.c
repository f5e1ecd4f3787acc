/* SPDX-License-Identifier: Apache-2.0 */
#include "dial_core.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "allocator.h"
#include "epoll.h"
#include "random.h"
#include "roots.h"
#include "udp.h"

enum {
    EVENTS = 256,
    FAST_BYTES = 16 * 1024, /* of a body, in FAST_NS each: 16 MB/s */
    FAST_NS = 1000 * 1000,
    GATHER_NS = 100 * 1000,
};

#define ROUGH_NS HF_MILLISECONDS(50) /* from here on the loop's own wait, which is in milliseconds, is exact enough */

/* ---- the dialer --------------------------------------------------------------------------------------------- */

hf_dialer *hf_dialer_new(const hf_dialer_options *o, hf_writer *why)
{
    uint64_t seed = 0;
    hf_err err = HF_OK;
    hf_dialer *const d = hf_alloc_zeroed(hf_allocator_default(), sizeof *d);
    if (d != NULL)
        d->outer = -1;
    if (d == NULL || getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        hf_write_text(why, "the system gives no memory or no randomness");
        hf_dialer_free(d);
        return NULL;
    }
    d->options = *o;
    hf_random_seed(&d->random, seed);
    d->env = (hf_env){ .alloc = *hf_allocator_default(), .random = &d->random, .limits = hf_limits_default() };
    if (o->world.io != NULL)
        d->env = *o->world.env;
    if (o->limits != NULL)
        d->env.limits = o->limits;
    d->io = o->world.io != NULL ? o->world.io : hf_epoll_new(&d->env, &err);
    if (d->io != NULL)
        return d;
    hf_write_text(why, hf_err_text(err));
    hf_dialer_free(d);
    return NULL;
}

void hf_dialer_free(hf_dialer *d)
{
    if (d == NULL)
        return;
    hf_trust_free(d->trust);
    hf_crypto_free(d->crypto);
    hf_resolver_free(d->resolver);
    hf_free(hf_allocator_default(), d->datagrams, d->datagrams != NULL ? HF_UDP_ROOM : 0);
    hf_free(hf_allocator_default(), d->proxy_room, d->proxy_room != NULL ? HF_DIALER_ROOM : 0);
    if (d->outer >= 0)
        close(d->outer);
    if (d->io != NULL && d->io != d->options.world.io)
        d->io->ops->free(d->io);
    hf_free(hf_allocator_default(), d, sizeof *d);
}

const hf_env *hf_dialer_env(const hf_dialer *d)
{
    return &d->env;
}

/* Setting libcrypto up takes longer than all else before the first packet, which may have no need of it. */
hf_crypto *hf_dialer_crypto(hf_dialer *d)
{
    if (d->crypto == NULL)
        d->crypto = hf_crypto_new(&d->env, NULL);
    return d->crypto;
}

hf_time hf_dialer_now(const hf_dialer *d)
{
    return d->io->ops->clock(d->io);
}

hf_wall hf_dialer_wall(const hf_dialer *d)
{
    return d->options.world.io != NULL ? d->io->ops->wall(d->io) : (hf_wall){ (int64_t)time(NULL) };
}

uint64_t hf_dialer_draw(hf_dialer *d, uint64_t n)
{
    return hf_random_below(&d->random, n);
}

int64_t hf_dialer_patience(const hf_dialer *d)
{
    return d->options.connect_ns > 0 ? d->options.connect_ns : HF_SECONDS(10);
}

hf_span hf_dialer_datagrams(hf_dialer *d)
{
    if (d->datagrams == NULL)
        d->datagrams = hf_alloc(hf_allocator_default(), HF_UDP_ROOM);
    return (hf_span){ d->datagrams, d->datagrams != NULL ? HF_UDP_ROOM : 0 };
}

void hf_dialer_tell(const hf_dialer *d, hf_dial_event event, hf_time began)
{
    event.began = began;
    event.ended = hf_dialer_now(d);
    if (d->options.observe != NULL)
        d->options.observe(d->options.observer, &event);
}

/* ---- whom is believed --------------------------------------------------------------------------------------- */

hf_err hf_dialer_trust(hf_dialer *d, char *words, size_t size)
{
    hf_writer why = hf_writer_make(words, size - 1);
    if (hf_dialer_crypto(d) == NULL) {
        snprintf(words, size, "libcrypto cannot be used");
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    if (d->trust != NULL || d->options.insecure)
        return HF_OK;
    d->trust = hf_trust_new(d->crypto);
    const hf_err err = d->trust != NULL ? hf_roots_add(d->trust, d->options.roots, &why) : hf_err_make(HF_ERR_BASE_MEMORY);
    words[why.length] = 0;
    if (err.code != 0) {
        hf_trust_free(d->trust);
        d->trust = NULL;
    }
    return err;
}

hf_err hf_dialer_judge(hf_dialer *d, const hf_chain *chain, hf_bytes host, char *words, size_t size)
{
    hf_verdict verdict = { .err = HF_OK };
    const hf_trust_question q = { .host = host, .at = hf_dialer_wall(d) };
    if (!d->options.insecure && hf_trust_verify(d->trust, chain, &q, &verdict).code != 0)
        snprintf(words, size, "%s: %s (certificate of %s%s%s)", hf_err_text(verdict.err), verdict.reason, verdict.subject,
                 verdict.wanted[0] != 0 ? "; wanted " : "", verdict.wanted);
    hf_dialer_tell(d, (hf_dial_event){ .step = HF_DIAL_CHAIN, .err = verdict.err, .chain = chain,
        .verdict = d->options.insecure ? NULL : &verdict }, hf_dialer_now(d));
    return verdict.err;
}

/* ---- waiting ------------------------------------------------------------------------------------------------ */

static void stir(const hf_line *l)
{
    if (l != NULL && l->stirred != NULL)
        *l->stirred = true;
}

/* The lines are pulled by whoever has them: here it is enough to be told. They own all that this loop tells of. */
static void listen_to_lines(hf_dialer *d, hf_time until)
{
    hf_io_event events[EVENTS];
    size_t n;
    do {
        n = d->io->ops->wait(d->io, until, events, EVENTS);
        for (size_t i = 0; i < n; i++)
            if (events[i].kind == HF_IO_READY || events[i].kind == HF_IO_READABLE)
                stir(events[i].owner);
        until = hf_time_make(0);
    } while (n == EVENTS);
}

/* Until when to wait at most: for the lines, the loop, and names. */
static int64_t patience(hf_dialer *d, hf_time until)
{
    const int64_t names = d->asking > 0 ? hf_resolver_patience(d->resolver) : -1;
    const hf_time now = hf_dialer_now(d);
    hf_time at = d->options.world.io != NULL ? until : hf_time_earlier(until, hf_epoll_wake(d->io));
    if (names >= 0)
        at = hf_time_earlier(at, hf_time_after(now, names));
    return at.ns == HF_NEVER_NS ? -1 : at.ns > now.ns ? at.ns - now.ns : 0;
}

/* Names are asked through the kernel's sockets, of which another world knows nothing: they are looked at every 10 ms. */
static bool wait_elsewhere(hf_dialer *d, hf_time until, int other)
{
    struct pollfd names[HF_RESOLVER_DESCRIPTORS], p = { .fd = other, .events = POLLIN };
    if (d->asking > 0 || other >= 0)
        until = hf_time_earlier(until, hf_time_after(hf_dialer_now(d), HF_MILLISECONDS(10)));
    d->options.world.wait(d->options.world.self, until);
    const size_t count = d->asking > 0 ? hf_resolver_descriptors(d->resolver, names) : 0;
    if (d->asking > 0)
        hf_resolver_turn(d->resolver, names, poll(names, (nfds_t)count, 0) >= 0 ? count : 0);
    return other >= 0 && poll(&p, 1, 0) > 0;
}

bool hf_dialer_is_fast(uint64_t bytes, int64_t ns)
{
    return bytes >= FAST_BYTES && ns / FAST_NS < (int64_t)(bytes / FAST_BYTES);
}

void hf_dialer_note_body(hf_dialer *d, size_t n)
{
    d->body = n > 0 ? d->body + n : 0;
}

/* To be woken for each record of a fast download costs more than to open it: what comes gathers for a moment. Who waits for
 * anything but more of a body is not held up. */
static void gather(hf_dialer *d)
{
    const hf_time now = hf_dialer_now(d);
    const struct timespec moment = { .tv_nsec = GATHER_NS };
    if (hf_dialer_is_fast(d->body, now.ns - d->waited.ns))
        (void)nanosleep(&moment, NULL);
    d->body = 0;
    d->waited = now;
}

bool hf_dialer_wait(hf_dialer *d, hf_time until, int other)
{
    if (d->options.world.io != NULL)
        return wait_elsewhere(d, until, other);
    struct pollfd all[2 + HF_RESOLVER_DESCRIPTORS] = { { .fd = hf_epoll_descriptor(d->io), .events = POLLIN }, { .fd = other, .events = POLLIN } };
    const size_t names = d->asking > 0 ? hf_resolver_descriptors(d->resolver, all + 2) : 0;
    const int64_t ns = patience(d, until);
    if (names == 0 && other < 0 && (ns < 0 || ns > ROUGH_NS)) { /* the loop is all there is: one call */
        if (d->body > 0)
            gather(d);
        listen_to_lines(d, ns < 0 ? HF_NEVER : hf_time_after(hf_dialer_now(d), ns));
        return false;
    }
    const struct timespec span = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
    const int n = ppoll(all, (nfds_t)(2 + names), ns < 0 ? NULL : &span, NULL);
    const bool readable = n > 0 && (all[1].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0;
    if (d->asking > 0)
        hf_resolver_turn(d->resolver, all + 2, n >= 0 ? names : 0);
    listen_to_lines(d, hf_time_make(0));
    return readable;
}

int hf_dialer_descriptor(hf_dialer *d)
{
    struct epoll_event loop = { .events = EPOLLIN };
    if (d->outer >= 0 || d->options.world.io != NULL)
        return d->outer;
    d->outer = epoll_create1(EPOLL_CLOEXEC);
    if (d->outer >= 0 && epoll_ctl(d->outer, EPOLL_CTL_ADD, hf_epoll_descriptor(d->io), &loop) != 0) {
        close(d->outer);
        d->outer = -1;
    }
    return d->outer;
}

/* The resolver's descriptors come and go; one that was closed has left the set by itself. */
int64_t hf_dialer_wait_ns(hf_dialer *d, hf_time until)
{
    struct pollfd names[HF_RESOLVER_DESCRIPTORS];
    const size_t count = d->asking > 0 ? hf_resolver_descriptors(d->resolver, names) : 0;
    for (size_t i = 0; i < count && d->outer >= 0; i++) {
        struct epoll_event e = { .events = ((names[i].events & POLLIN) != 0 ? (uint32_t)EPOLLIN : 0) | ((names[i].events & POLLOUT) != 0 ? (uint32_t)EPOLLOUT : 0) };
        if (epoll_ctl(d->outer, EPOLL_CTL_ADD, names[i].fd, &e) != 0)
            (void)epoll_ctl(d->outer, EPOLL_CTL_MOD, names[i].fd, &e);
    }
    return patience(d, until);
}

void hf_dialer_turn(hf_dialer *d)
{
    struct pollfd names[HF_RESOLVER_DESCRIPTORS];
    const size_t count = d->asking > 0 ? hf_resolver_descriptors(d->resolver, names) : 0;
    if (d->asking > 0)
        hf_resolver_turn(d->resolver, names, poll(names, (nfds_t)count, 0) >= 0 ? count : 0);
    if (d->options.world.io == NULL)
        listen_to_lines(d, hf_time_make(0));
}
