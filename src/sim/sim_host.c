/* SPDX-License-Identifier: Apache-2.0
 *
 * A host as an hf_io. wait() never blocks: the world called the program because there is something to fetch.
 */
#include "sim_stream.h"

#define REST HF_MILLISECONDS(100) /* of a listener whose program ran out of descriptors */

static hf_sim_host *host_of(const hf_io *io)
{
    return (hf_sim_host *)(uintptr_t)io;
}

void hf_sim_host_stir(hf_sim_host *h)
{
    if (h->has_events)
        return;
    hf_world *w = h->world;
    h->has_events = true;
    h->turn_at = w->now;
    if (h->options.turn_delay_ns > 0)
        h->turn_at = hf_time_after(w->now, (int64_t)hf_random_below(&w->random, (uint64_t)h->options.turn_delay_ns + 1));
}

hf_time hf_sim_host_next(const hf_sim_host *h)
{
    if (h->program.turn == NULL || h->paused || h->off)
        return HF_NEVER;
    hf_time next = h->has_events ? h->turn_at : HF_NEVER;
    next = hf_time_earlier(next, h->wake_at);
    for (const hf_sim_listener *l = h->listeners; l != NULL; l = l->next)
        if (l->first != NULL && l->rests_until.ns != 0)
            next = hf_time_earlier(next, l->rests_until);
    return next;
}

/* ---- time --------------------------------------------------------------------------------------------------- */

static hf_time host_now(hf_io *io)
{
    return host_of(io)->world->now;
}

static hf_wall host_wall(hf_io *io)
{
    const hf_sim_host *h = host_of(io);
    return (hf_wall){ h->world->epoch.s + h->options.wall_skew_s + h->world->now.ns / HF_SECONDS(1) };
}

static int64_t host_wall_ms(hf_io *io)
{
    return host_wall(io).s * 1000 + host_now(io).ns % HF_SECONDS(1) / HF_MILLISECONDS(1);
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static hf_sim_stream *accept_one(hf_sim_listener *l)
{
    hf_sim_stream *s = l->first;
    l->first = s->queue_next;
    l->waiting--;
    s->queue_next = NULL;
    s->listener = NULL;
    s->held = true;
    s->host->descriptors++;
    return s;
}

static size_t accept_all(hf_sim_host *h, hf_sim_listener *l, hf_io_event *events, size_t capacity)
{
    size_t n = 0;
    if (hf_time_before(h->world->now, l->rests_until))
        return 0;
    l->rests_until = hf_time_make(0);
    while (n < capacity && l->first != NULL) {
        hf_io_event *e = &events[n++];
        *e = (hf_io_event){ .owner = l->owner, .local = l->at };
        if (h->options.descriptors != 0 && h->descriptors >= h->options.descriptors) {
            e->kind = HF_IO_ACCEPT_FAILED;
            e->err = hf_err_make(HF_ERR_IO_DESCRIPTORS);
            l->rests_until = hf_time_after(h->world->now, REST);
            break;
        }
        hf_sim_stream *s = accept_one(l);
        e->kind = HF_IO_ACCEPTED;
        e->pier = (hf_pier){ &hf_sim_pier_ops, s };
        e->peer = s->peer_address;
    }
    return n;
}

static size_t host_wait(hf_io *io, hf_time until, hf_io_event *events, size_t capacity)
{
    hf_sim_host *h = host_of(io);
    size_t n = 0;
    (void)until;
    HF_ASSERT(capacity > 0);
    if (h->woken) {
        h->woken = false;
        events[n++] = (hf_io_event){ .kind = HF_IO_WOKEN };
    }
    for (hf_sim_listener *l = h->listeners; l != NULL; l = l->next)
        n += accept_all(h, l, events + n, capacity - n);
    while (n < capacity && h->ready != NULL) {
        hf_sim_stream *s = h->ready;
        h->ready = s->ready_next;
        s->is_ready = false;
        events[n++] = (hf_io_event){ .kind = HF_IO_READY, .owner = s->owner };
    }
    h->has_events = false;
    bool more = h->ready != NULL;
    for (const hf_sim_listener *l = h->listeners; l != NULL; l = l->next)
        more = more || (l->first != NULL && l->rests_until.ns == 0);
    if (more)
        hf_sim_host_stir(h);
    return n;
}

static void host_own(hf_io *io, hf_pier pier, void *owner)
{
    (void)io;
    HF_ASSERT(pier.ops == &hf_sim_pier_ops);
    hf_sim_stream *s = pier.self;
    s->owned = true;
    s->owner = owner;
    hf_sim_pier_ready(s);
}

static void host_wake(hf_io *io)
{
    host_of(io)->woken = true;
    hf_sim_host_stir(host_of(io));
}

/* ---- listening and connecting ------------------------------------------------------------------------------- */

hf_sim_listener *hf_sim_listener_find(hf_sim_host *h, uint16_t port)
{
    hf_sim_listener *l = h->listeners;
    while (l != NULL && l->at.port != port)
        l = l->next;
    return l;
}

void hf_sim_listener_remove(hf_sim_host *h, hf_sim_stream *s)
{
    (void)h;
    hf_sim_listener *l = s->listener;
    hf_sim_stream *before = NULL;
    for (hf_sim_stream **at = &l->first; *at != NULL; at = &(*at)->queue_next) {
        if (*at == s) {
            *at = s->queue_next;
            l->last = l->last == s ? before : l->last;
            break;
        }
        before = *at;
    }
    l->waiting--;
    s->listener = NULL;
}

static bool is_wildcard(const hf_address *a)
{
    static const uint8_t zeros[16];
    return memcmp(a->ip, zeros, a->family == 4 ? 4 : 16) == 0;
}

static hf_err host_listen(hf_io *io, const hf_address *at, int handle, void *owner)
{
    hf_sim_host *h = host_of(io);
    (void)handle;
    if (at->port == 0)
        return hf_err_make(HF_ERR_BASE_USAGE); /* a world's ports are chosen by its author */
    if (!is_wildcard(at) && hf_sim_find(h->world, at) != h->index)
        return hf_err_make(HF_ERR_IO_ADDRESS_UNAVAILABLE);
    if (hf_sim_listener_find(h, at->port) != NULL)
        return hf_err_make(HF_ERR_IO_ADDRESS_IN_USE);
    hf_sim_listener *l = hf_alloc_zeroed(&h->world->alloc, sizeof *l);
    if (l == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    l->at = *at;
    l->owner = owner;
    l->next = h->listeners;
    h->listeners = l;
    return HF_OK;
}

static void unlisten(hf_sim_host *h, bool silent)
{
    for (hf_sim_stream *s = h->streams, *next; s != NULL; s = next) {
        next = s->next;
        if (s->listener != NULL)
            hf_sim_stream_abort(s, HF_OK, silent); /* nobody will accept it: frees it */
    }
    while (h->listeners != NULL) {
        hf_sim_listener *l = h->listeners;
        HF_ASSERT(l->first == NULL && l->waiting == 0);
        h->listeners = l->next;
        hf_free(&h->world->alloc, l, sizeof *l);
    }
}

static void host_unlisten(hf_io *io)
{
    unlisten(host_of(io), false);
}

/* A host's listeners are known by their port: one each. */
static void host_unlisten_at(hf_io *io, const hf_address *at)
{
    hf_sim_host *h = host_of(io);
    hf_sim_listener *l = hf_sim_listener_find(h, at->port), **place = &h->listeners;
    if (l == NULL)
        return;
    for (hf_sim_stream *s = h->streams, *next; s != NULL; s = next) {
        next = s->next;
        if (s->listener == l)
            hf_sim_stream_abort(s, HF_OK, false);
    }
    while (*place != l)
        place = &(*place)->next;
    *place = l->next;
    hf_free(&h->world->alloc, l, sizeof *l);
}

static hf_err host_connect(hf_io *io, const hf_address *to, void *owner, hf_pier *pier)
{
    hf_sim_host *h = host_of(io);
    if (h->options.descriptors != 0 && h->descriptors >= h->options.descriptors)
        return hf_err_make(HF_ERR_IO_DESCRIPTORS);
    hf_sim_stream *s = hf_sim_stream_connect(h, to);
    if (s == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    *pier = (hf_pier){ &hf_sim_pier_ops, s };
    host_own(io, *pier, owner);
    return HF_OK;
}

static void host_free(hf_io *io)
{
    unlisten(host_of(io), false); /* the host itself is the world's */
}

const hf_io_ops hf_sim_io_ops = {
    .name = "simulated network",
    .now = host_now,
    .clock = host_now,
    .wall = host_wall,
    .wall_ms = host_wall_ms,
    .wait = host_wait,
    .listen = host_listen,
    .unlisten = host_unlisten,
    .unlisten_at = host_unlisten_at,
    .connect = host_connect,
    .own = host_own,
    .wake = host_wake,
    .free = host_free,
};

/* ---- faults ------------------------------------------------------------------------------------------------- */

void hf_sim_host_reset(hf_sim_host *h, hf_kill how)
{
    const bool silent = how == HF_KILL_POWER;
    unlisten(h, silent);
    for (hf_sim_stream *s = h->streams, *next; s != NULL; s = next) {
        next = s->next;
        hf_sim_stream_abort(s, hf_err_make(HF_ERR_IO_RESET), silent);
    }
    h->program = (hf_program){ 0 };
    h->has_events = h->woken = h->paused = false;
    h->off = silent;
    h->turn_at = h->wake_at = HF_NEVER;
}
