/* SPDX-License-Identifier: Apache-2.0
 *
 * Names are looked up by the C library, which waits; addresses are tried one after another.
 */
#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "address.h"
#include "alloc.h"
#include "allocator.h"
#include "epoll.h"
#include "random.h"
#include "roots.h"

enum { EVENTS = 256, ADDRESSES = 32, ROOM = HF_TLS_PIER_FILE + HF_TLS_PIER_SEALED };

struct hf_dialer {
    hf_dialer_options options;
    hf_random random;
    hf_env env;
    hf_io *io;
    hf_crypto *crypto;
    hf_trust *trust; /* NULL: not needed yet */
    hf_tls_config config;
    uint64_t lines; /* so far */
    uint8_t room[ROOM];
};

/* ---- the dialer --------------------------------------------------------------------------------------------- */

hf_dialer *hf_dialer_new(const hf_dialer_options *o, hf_writer *why)
{
    uint64_t seed = 0;
    hf_err err = HF_OK;
    hf_dialer *const d = hf_alloc_zeroed(hf_allocator_default(), sizeof *d);
    if (d == NULL || getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        hf_write_text(why, "the system gives no memory or no randomness");
        hf_dialer_free(d);
        return NULL;
    }
    d->options = *o;
    hf_random_seed(&d->random, seed);
    d->env = (hf_env){ .alloc = *hf_allocator_default(), .random = &d->random, .limits = o->limits != NULL ? o->limits : hf_limits_default() };
    d->io = hf_epoll_new(&d->env, &err);
    d->crypto = hf_crypto_new(&d->env, NULL);
    if (d->io != NULL && d->crypto != NULL)
        return d;
    hf_write_text(why, err.code != 0 ? hf_err_text(err) : "libcrypto cannot be used");
    hf_dialer_free(d);
    return NULL;
}

void hf_dialer_free(hf_dialer *d)
{
    if (d == NULL)
        return;
    hf_trust_free(d->trust);
    hf_crypto_free(d->crypto);
    if (d->io != NULL)
        d->io->ops->free(d->io);
    hf_free(hf_allocator_default(), d, sizeof *d);
}

const hf_env *hf_dialer_env(const hf_dialer *d)
{
    return &d->env;
}

hf_crypto *hf_dialer_crypto(const hf_dialer *d)
{
    return d->crypto;
}

hf_time hf_dialer_now(const hf_dialer *d)
{
    return d->io->ops->clock(d->io);
}

uint64_t hf_dialer_draw(hf_dialer *d, uint64_t n)
{
    return hf_random_below(&d->random, n);
}

static int64_t patience(const hf_dialer *d)
{
    return d->options.connect_ns > 0 ? d->options.connect_ns : HF_SECONDS(10);
}

/* The lines are pulled by whoever has them: here it is enough to be told. */
static void listen_to_lines(hf_dialer *d)
{
    hf_io_event events[EVENTS];
    while (d->io->ops->wait(d->io, hf_time_make(0), events, EVENTS) == EVENTS)
        ;
}

bool hf_dialer_wait(hf_dialer *d, hf_time until, int other)
{
    struct pollfd either[] = { { .fd = hf_epoll_descriptor(d->io), .events = POLLIN }, { .fd = other, .events = POLLIN } };
    const hf_time at = hf_time_earlier(until, hf_epoll_wake(d->io)), now = hf_dialer_now(d);
    const int64_t ns = at.ns == HF_NEVER_NS ? -1 : at.ns > now.ns ? at.ns - now.ns : 0;
    const struct timespec span = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
    const int n = ppoll(either, HF_COUNT(either), ns < 0 ? NULL : &span, NULL);
    const bool readable = n > 0 && (either[1].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0;
    listen_to_lines(d);
    return readable;
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

static void tell(const hf_dialer *d, hf_dial_event event, hf_time began)
{
    event.began = began;
    event.ended = hf_dialer_now(d);
    if (d->options.observe != NULL)
        d->options.observe(d->options.observer, &event);
}

static bool give_up(hf_line *l, hf_line_stage stage, hf_err err, const char *what, const char *why)
{
    l->stage = stage;
    l->err = err;
    snprintf(l->words, sizeof l->words, "%s: %s", what, why);
    return false;
}

static void answer(hf_line *l)
{
    hf_dialer *const d = l->dialer;
    hf_verdict verdict = { .err = HF_OK };
    if (l->question.kind != HF_TLS_WANT_VERIFY)
        return;
    const hf_trust_question q = { .host = l->question.host, .at = { (int64_t)time(NULL) } };
    if (!d->options.insecure && hf_trust_verify(d->trust, l->question.chain, &q, &verdict).code != 0)
        snprintf(l->words, sizeof l->words, "%s: %s (certificate of %s%s%s)", hf_err_text(verdict.err), verdict.reason, verdict.subject,
                 verdict.wanted[0] != 0 ? "; wanted " : "", verdict.wanted);
    tell(d, (hf_dial_event){ .step = HF_DIAL_CHAIN, .err = verdict.err, .chain = l->question.chain,
        .verdict = d->options.insecure ? NULL : &verdict }, hf_dialer_now(d));
    hf_tls_answer_verify(hf_tls_pier_core(l->tls), verdict.err);
    hf_tls_pier_answered(l->tls);
}

void hf_line_pull(hf_line *l)
{
    hf_pier_event e;
    hf_step s = HF_IDLE;
    while (!l->broken && (s = l->pier.ops->event(l->pier.self, hf_dialer_now(l->dialer), &e)) != HF_IDLE) {
        if (s == HF_EVENT && e.kind == HF_PIER_OPENED)
            l->opened = true;
        else if (s == HF_EVENT && e.kind == HF_PIER_ASKS)
            answer(l);
        else if (s == HF_EVENT && e.kind == HF_PIER_ENDED && e.ending.kind == HF_ENDING_FIN)
            l->fin = true;
        else if (s == HF_EVENT && e.kind == HF_PIER_ENDED && e.err.code != 0)
            l->err = e.err;
        if (s == HF_FAULT || s == HF_CLOSED || s == HF_FULL)
            break;
    }
    if (!l->broken && (s == HF_FAULT || (l->err.code != 0 && !l->fin))) {
        l->broken = true;
        l->err = l->err.code != 0 ? l->err : hf_err_make(HF_ERR_IO_RESET);
    }
    l->fin = l->fin || s == HF_CLOSED;
}

/* Until it is open, broken, or the time is over. */
static bool await_open(hf_line *l)
{
    const hf_time until = hf_time_after(hf_dialer_now(l->dialer), patience(l->dialer));
    for (;;) {
        hf_line_pull(l);
        if (l->opened || l->broken || l->fin)
            break;
        if (!hf_time_before(hf_dialer_now(l->dialer), until)) {
            l->err = hf_err_make(HF_ERR_IO_TIMEOUT);
            break;
        }
        hf_dialer_wait(l->dialer, hf_time_earlier(until, hf_line_wake(l)), -1);
    }
    if (!l->opened && l->err.code == 0)
        l->err = hf_err_make(HF_ERR_IO_RESET);
    return l->opened;
}

static void resolve_alias(const hf_dialer *d, const char **host, uint16_t *port)
{
    for (size_t i = 0; i < d->options.alias_count; i++) {
        const hf_dialer_alias *const a = &d->options.aliases[i];
        if ((a->host[0] != 0 && strcasecmp(a->host, *host) != 0) || (a->port != 0 && a->port != *port))
            continue;
        *host = a->to_host[0] != 0 ? a->to_host : *host;
        *port = a->to_port != 0 ? a->to_port : *port;
        return;
    }
}

/* NULL: the name is not known, which was said. Gives: freeaddrinfo. */
static struct addrinfo *look_up(hf_line *l, const char *host, uint16_t number)
{
    char port[8];
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
    struct addrinfo *all = NULL;
    hf_address addresses[ADDRESSES];
    size_t n = 0;
    const hf_time began = hf_dialer_now(l->dialer);
    snprintf(port, sizeof port, "%u", number);
    int e = getaddrinfo(host, port, &hints, &all);
    if (e != 0) { /* an address needs no configured interface */
        const struct addrinfo numeric = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
        e = getaddrinfo(host, port, &numeric, &all) == 0 ? 0 : e;
    }
    for (const struct addrinfo *a = e == 0 ? all : NULL; a != NULL && n < ADDRESSES; a = a->ai_next) {
        struct sockaddr_storage address = { 0 };
        memcpy(&address, a->ai_addr, a->ai_addrlen);
        hf_address_from_kernel(&address, &addresses[n++]);
    }
    const hf_err err = e == 0 ? HF_OK : hf_err_make(HF_ERR_IO_SYSTEM);
    tell(l->dialer, (hf_dial_event){ .step = HF_DIAL_NAME, .err = err, .words = e != 0 ? gai_strerror(e) : NULL, .host = host, .port = number,
                                     .addresses = addresses, .address_count = n }, began);
    if (e == 0)
        return all;
    give_up(l, HF_LINE_NAME, err, host, gai_strerror(e));
    return NULL;
}

/* True: it is open. */
static bool try_address(hf_line *l, const struct addrinfo *a)
{
    hf_io *const io = l->dialer->io;
    const hf_time began = hf_dialer_now(l->dialer);
    struct sockaddr_storage address = { 0 };
    memcpy(&address, a->ai_addr, a->ai_addrlen);
    hf_address_from_kernel(&address, &l->peer);
    l->broken = l->fin = false;
    errno = 0;
    l->err = io->ops->connect(io, &l->peer, l, &l->pier);
    if (l->err.code == 0) {
        io->ops->own(io, l->pier, l);
        (void)await_open(l);
    }
    const int system = l->err.code == HF_ERR_IO_SYSTEM ? errno : 0;
    tell(l->dialer, (hf_dial_event){ .step = HF_DIAL_ADDRESS, .err = l->opened ? HF_OK : l->err, .words = system != 0 ? strerror(system) : NULL,
                                     .addresses = &l->peer, .address_count = 1 }, began);
    if (l->opened)
        return true;
    if (l->pier.self != NULL)
        l->pier.ops->free(l->pier.self);
    l->pier = (hf_pier){ NULL, NULL };
    return false;
}

static bool connect_to(hf_line *l, const hf_client_url *url)
{
    const char *host = url->host;
    uint16_t number = url->port;
    resolve_alias(l->dialer, &host, &number);
    struct addrinfo *const all = look_up(l, host, number);
    if (all == NULL)
        return false;
    for (const struct addrinfo *a = all; a != NULL && !try_address(l, a); a = a->ai_next)
        ;
    freeaddrinfo(all);
    return l->opened || give_up(l, HF_LINE_CONNECT, l->err, url->host, hf_err_text(l->err));
}

static bool secure(hf_line *l, const hf_client_url *url, const hf_bytes *protocols, size_t count)
{
    hf_dialer *const d = l->dialer;
    if (d->trust == NULL && !d->options.insecure) {
        char text[300];
        hf_writer why = hf_writer_make(text, sizeof text - 1);
        d->trust = hf_trust_new(d->crypto);
        const hf_err err = d->trust != NULL ? hf_roots_add(d->trust, d->options.roots, &why) : hf_err_make(HF_ERR_BASE_MEMORY);
        text[why.length] = 0;
        if (err.code != 0) {
            hf_trust_free(d->trust);
            d->trust = NULL;
            return give_up(l, HF_LINE_TLS, err, "roots", text);
        }
    }
    d->config = (hf_tls_config){ .crypto = d->crypto, .protocols = protocols, .protocol_count = count };
    hf_tls *const core = hf_tls_client_new(&d->env, &d->config, ++d->lines, hf_dialer_now(d), hf_text(url->host), hf_bytes_make(NULL, 0));
    l->tls = hf_tls_pier_new(&d->env, core, l->pier, (hf_span){ d->room, sizeof d->room }, hf_dialer_now(d));
    l->pier = (hf_pier){ NULL, NULL };
    if (l->tls == NULL)
        return give_up(l, HF_LINE_TLS, hf_err_make(HF_ERR_BASE_MEMORY), url->host, "out of memory");
    l->pier = hf_tls_pier_get(l->tls);
    hf_tls_pier_listen(l->tls, &l->question);
    l->opened = false;
    l->words[0] = 0;
    const hf_time began = hf_dialer_now(d);
    const bool open = await_open(l);
    tell(d, (hf_dial_event){ .step = HF_DIAL_TLS, .err = open ? HF_OK : l->err, .tls = core }, began);
    if (open)
        return true;
    if (l->words[0] != 0) { /* what verification said is more than the alert that followed */
        l->stage = HF_LINE_TLS;
        return false;
    }
    return give_up(l, HF_LINE_TLS, l->err, url->host, hf_err_text(l->err));
}

bool hf_line_open(hf_line *l, hf_dialer *d, const hf_client_url *url, const hf_bytes *protocols, size_t count)
{
    *l = (hf_line){ .dialer = d };
    if (connect_to(l, url) && (!url->secure || secure(l, url, protocols, count))) {
        l->stage = HF_LINE_OPEN;
        return true;
    }
    hf_line_close(l);
    return false;
}

void hf_line_close(hf_line *l)
{
    if (l->pier.ops != NULL)
        l->pier.ops->free(l->pier.self);
    l->pier = (hf_pier){ NULL, NULL };
    l->tls = NULL;
}

hf_span hf_line_peek(const hf_line *l)
{
    static uint8_t nothing[1]; /* an address for no bytes: cores count from it */
    const hf_span held = l->pier.ops->peek(l->pier.self, 0);
    return held.ptr != NULL ? held : (hf_span){ nothing, 0 };
}

void hf_line_take(hf_line *l, size_t n)
{
    if (n > 0)
        l->pier.ops->take(l->pier.self, 0, n);
}

bool hf_line_has_room(const hf_line *l)
{
    return !l->broken && l->pier.ops->unsent(l->pier.self, 0) == 0;
}

void hf_line_put(hf_line *l, const hf_out *out)
{
    if (out->count > 0)
        (void)l->pier.ops->put(l->pier.self, 0, out->pieces, out->count);
}

void hf_line_end(hf_line *l)
{
    if (!l->broken)
        (void)l->pier.ops->end(l->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code;
}

hf_time hf_line_wake(const hf_line *l)
{
    return l->tls != NULL ? hf_tls_pier_wake(l->tls) : HF_NEVER;
}
