/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_port.h"

#include <fcntl.h>
#include <unistd.h>

#include "address.h"
#include "alloc.h"
#include "allocator.h"

enum {
    SOCKETS = 64,
    BATCHES = 4,     /* received from one socket before others have a turn */
    SCRATCH = 65536, /* one batch out */
};

/* A socket that takes no more is offered it again after this long. */
#define PAUSE_NS HF_MILLISECONDS(1)

typedef struct socket_place {
    hf_udp *udp; /* NULL: free */
} socket_place;

struct hf_quic_port {
    const hf_env *env;
    hf_io *io;
    hf_quic_endpoint *endpoint;
    hf_quic_port_options options;
    hf_crypto *crypto;   /* for the endpoint's own keys: lives as long as it does, which no generation need */
    hf_tls_config own;   /* nobody connects by it */
    socket_place sockets[SOCKETS];
    size_t count;
    hf_span room;
    hf_udp_datagram waiting; /* what a full socket did not take; bytes NULL: nothing */
    hf_udp *waiting_at;
    hf_time again;
    uint8_t scratch[SCRATCH];
};

/* ---- addresses ------------------------------------------------------------------------------------------------ */

void hf_quic_address_to(const hf_address *from, hf_quic_address *to)
{
    *to = (hf_quic_address){ .port = from->port, .zone = from->scope };
    hf_address_map(from, to->ip);
}

void hf_quic_address_from(const hf_quic_address *from, hf_address *to)
{
    *to = (hf_address){ .port = from->port, .scope = from->zone };
    hf_address_unmap(from->ip, to);
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

hf_quic_port *hf_quic_port_new(const hf_env *env, hf_io *io, const hf_quic_port_options *options, hf_time now)
{
    hf_quic_port *p = hf_alloc_zeroed(&env->alloc, sizeof *p);
    if (p == NULL)
        return NULL;
    p->env = env;
    p->io = io;
    p->options = *options;
    p->again = HF_NEVER;
    p->room = (hf_span){ hf_alloc(hf_allocator_default(), HF_UDP_ROOM), HF_UDP_ROOM }; /* the thread's, not of memory_bytes */
    p->crypto = hf_crypto_new(env, NULL);
    p->own = (hf_tls_config){ .crypto = p->crypto };
    hf_quic_config config = { .tls = &p->own, .thread = options->thread };
    memcpy(config.secret, options->secret, sizeof config.secret);
    if (p->room.ptr != NULL && p->crypto != NULL)
        p->endpoint = hf_quic_endpoint_new(env, &config, now);
    if (p->endpoint == NULL) {
        hf_quic_port_free(p);
        return NULL;
    }
    return p;
}

static void close_socket(hf_quic_port *p, socket_place *s)
{
    if (s->udp == NULL)
        return;
    if (hf_udp_descriptor(s->udp) >= 0)
        p->io->ops->unwatch(p->io, hf_udp_descriptor(s->udp));
    if (p->waiting_at == s->udp)
        p->waiting_at = NULL;
    hf_udp_free(s->udp);
    s->udp = NULL;
    p->count--;
}

void hf_quic_port_free(hf_quic_port *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < SOCKETS; i++)
        close_socket(p, &p->sockets[i]);
    hf_quic_endpoint_free(p->endpoint);
    if (p->crypto != NULL)
        hf_crypto_free(p->crypto);
    hf_free(hf_allocator_default(), p->room.ptr, HF_UDP_ROOM);
    hf_free(&p->env->alloc, p, sizeof *p);
}

void hf_quic_port_aim(hf_quic_port *p, const hf_tls_config *tls, bool accept)
{
    hf_quic_endpoint_retarget(p->endpoint, tls != NULL ? tls : &p->own);
    hf_quic_endpoint_accept(p->endpoint, tls != NULL && accept);
}

hf_quic_endpoint *hf_quic_port_endpoint(hf_quic_port *p)
{
    return p->endpoint;
}

/* ---- sockets -------------------------------------------------------------------------------------------------- */

static hf_err listen_own(hf_quic_port *p, const hf_address *at, size_t place)
{
    hf_err err;
    p->sockets[place].udp = hf_udp_new_own(p->env, p->io, at, &err);
    p->count += err.code == 0;
    return err;
}

hf_err hf_quic_port_listen(hf_quic_port *p, const hf_address *at, int fd)
{
    size_t i = 0;
    while (i < SOCKETS && p->sockets[i].udp != NULL)
        i++;
    if (i < SOCKETS && fd < 0 && p->io->ops->udp_open != NULL)
        return listen_own(p, at, i);
    if (i == SOCKETS || fd < 0 || p->io->ops->watch == NULL)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* ours to close, whatever the caller does with its own */
    if (own < 0)
        return hf_err_make(HF_ERR_IO_DESCRIPTORS);
    hf_udp *const udp = hf_udp_new(p->env, own, at);
    if (udp == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const hf_err err = p->io->ops->watch(p->io, own, udp);
    if (err.code != 0) {
        hf_udp_free(udp);
        return err;
    }
    p->sockets[i].udp = udp;
    p->count++;
    return HF_OK;
}

void hf_quic_port_unlisten_at(hf_quic_port *p, const hf_address *at)
{
    for (size_t i = 0; i < SOCKETS; i++)
        if (p->sockets[i].udp != NULL && hf_address_same(hf_udp_address(p->sockets[i].udp), at))
            close_socket(p, &p->sockets[i]);
}

static bool is_any(const hf_address *a)
{
    static const uint8_t nothing[16];
    return memcmp(a->ip, nothing, a->family == 4 ? 4 : 16) == 0;
}

/* The socket bound to the address, else the one bound to all of its family; NULL: none is. */
static hf_udp *find_socket(const hf_quic_port *p, const hf_address *local)
{
    hf_udp *any = NULL;
    for (size_t i = 0; i < SOCKETS; i++) {
        hf_udp *const u = p->sockets[i].udp;
        if (u == NULL || hf_udp_address(u)->family != local->family || hf_udp_address(u)->port != local->port)
            continue;
        if (hf_address_same_host(hf_udp_address(u), local))
            return u;
        any = is_any(hf_udp_address(u)) ? u : any;
    }
    return any;
}

bool hf_quic_port_serves(const hf_quic_port *p, const hf_address *at)
{
    return find_socket(p, at) != NULL;
}

void hf_quic_port_prefer(hf_quic_port *p, const hf_address preferred[2])
{
    hf_quic_address at[2] = { { .port = 0 } };
    for (unsigned i = 0; i < 2; i++)
        if (preferred[i].family != 0 && hf_quic_port_serves(p, &preferred[i]))
            hf_quic_address_to(&preferred[i], &at[i]);
    hf_quic_endpoint_prefer(p->endpoint, at);
}

/* ---- in ------------------------------------------------------------------------------------------------------- */

void hf_quic_port_input(hf_quic_port *p, const hf_udp_datagram *d, hf_time now)
{
    hf_quic_input in = { .ecn = d->ecn, .segment = d->segment, .bytes = d->bytes };
    hf_quic_address_to(&d->local, &in.path.local);
    hf_quic_address_to(&d->remote, &in.path.remote);
    (void)!hf_quic_endpoint_input(p->endpoint, now, &in).code; /* counted there */
}

void hf_quic_port_receive(hf_quic_port *p, void *owner, hf_time now)
{
    hf_udp_datagram some[HF_UDP_BATCH];
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        const size_t n = hf_udp_receive(owner, p->room, some);
        for (size_t i = 0; i < n; i++) {
            const int thread = hf_quic_thread_of(hf_bytes_make(some[i].bytes.ptr, some[i].bytes.len));
            if (thread >= 0 && thread != p->options.thread && p->options.pass != NULL)
                p->options.pass(p->options.self, &(hf_quic_stray){ thread, some[i] });
            else
                hf_quic_port_input(p, &some[i], now);
        }
        if (n < HF_UDP_BATCH)
            return;
    }
}

/* ---- out ------------------------------------------------------------------------------------------------------ */

/* False: the socket is full, and the batch waits. */
static bool send_batch(hf_quic_port *p, hf_udp *udp, const hf_udp_datagram *d, hf_time now)
{
    if (udp == NULL || hf_udp_send(udp, d) != HF_UDP_FULL)
        return true;
    p->waiting = *d;
    p->waiting_at = udp;
    p->again = hf_time_after(now, PAUSE_NS);
    return false;
}

bool hf_quic_port_send(hf_quic_port *p, hf_time now, unsigned most)
{
    hf_extent pieces[1];
    hf_quic_output output;
    if (hf_time_before(now, p->again) && p->again.ns != HF_NEVER_NS)
        return false;
    if (p->again.ns != HF_NEVER_NS) {
        p->again = HF_NEVER;
        if (!send_batch(p, p->waiting_at, &p->waiting, now))
            return false;
    }
    for (unsigned i = 0; i < most; i++) {
        hf_out out = { .pieces = pieces, .capacity = 1, .scratch = p->scratch, .scratch_capacity = SCRATCH, .room = UINT64_MAX };
        if (!hf_quic_endpoint_emit(p->endpoint, now, &out, &output))
            return false;
        hf_udp_datagram d = { .ecn = output.ecn, .segment = output.segment, .bytes = { p->scratch, output.length } };
        hf_quic_address_from(&output.path.local, &d.local);
        hf_quic_address_from(&output.path.remote, &d.remote);
        if (!send_batch(p, find_socket(p, &d.local), &d, now))
            return false;
    }
    return true;
}

hf_time hf_quic_port_wake(const hf_quic_port *p)
{
    const hf_time at = hf_quic_endpoint_wake(p->endpoint);
    return p->again.ns == HF_NEVER_NS ? at : p->again;
}
