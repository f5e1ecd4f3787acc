/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop: packets from the door into the host, the host's events to whoever waits, and its packets out again.
 */
#include "host_io.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "panic.h"
#include "sanitized.h"
#include "spares.h"

enum {
    LISTENERS = 64,
    WATCHES = 8,
    UDP_PLACES = 64,
    PACKETS_OUT = 64, /* written before it is looked around */
    PACKETS_IN = 256, /* read likewise: what has come counts before it is asked what is late */
    PIECES = 64,
    SCRATCH = 1024,
    TURNS_HELD = 8,
    WORTH_A_LOOK = 16384, /* a packet whose bytes are better read where they lie than copied to make room for the next */
    SUPER_SEGMENT = 64000,
    SPARES = 256 * 1024, /* bytes of small blocks kept for the next request */
    GONE_MS = 100  /* between looks at a door that has failed: never spinning */
};
#define LAST_WORDS_NS HF_SECONDS(3) /* for what is on its way when the loop ends: then the stack ends with it */

typedef struct listener {
    hf_address at; /* family 0: free */
    hf_ip ip;      /* of the TCP listener: all zero for 0.0.0.0 and :: */
    void *owner;
} listener;

/* A datagram that nobody has fetched yet, or that was lent. */
typedef struct waiting {
    struct waiting *next;
    size_t length;
    hf_io_datagram d;
    uint8_t bytes[];
} waiting;

/* Somebody at an address of UDP. */
typedef struct udp_place {
    hf_address at; /* family 0: free */
    void *owner;
    waiting *first, **last;
    bool told; /* READABLE, in this turn */
} udp_place;

typedef struct host_io {
    hf_io io; /* first */
    const hf_env *outer; /* this structure and its rooms are of its memory */
    hf_env env;          /* the same, but that small blocks are kept: each request takes and gives back the same few */
    hf_spares spares;
    hf_host_home home;
    const hf_door *door;
    hf_host *host;
    int wake_fd;
    listener listeners[LISTENERS];
    udp_place udp[UDP_PLACES];
    waiting *lent;
    uint64_t udp_bytes; /* of all that waits and is lent */
    struct pollfd polled[2 + WATCHES]; /* the door, the wake, and what is watched */
    void *watchers[WATCHES];
    unsigned watched;
    hf_time now;
    int64_t wall_ms;
    uint8_t *room[2];   /* one packet, as it was read; and the one before it, which somebody may still read */
    unsigned turn;      /* which of the two is next */
    bool waiting;       /* the door had more than was read */
    unsigned held;      /* turns in which nothing left, because of that */
    uint8_t *late;      /* one packet that the door had no room for; late_length 0: there is none */
    hf_host_packet late_packet;
    size_t late_length;
} host_io;

/* ---- time --------------------------------------------------------------------------------------------------------- */

static hf_time read_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

static void read_clocks(host_io *h)
{
    struct timespec t;
    h->now = read_clock();
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    h->wall_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static hf_time host_io_now(hf_io *io)
{
    return ((host_io *)io)->now;
}
static hf_time host_io_clock(hf_io *io)
{
    (void)io;
    return read_clock();
}
static hf_wall host_io_wall(hf_io *io)
{
    return (hf_wall){ ((host_io *)io)->wall_ms / 1000 };
}
static int64_t host_io_wall_ms(hf_io *io)
{
    return ((host_io *)io)->wall_ms;
}

/* ---- addresses ---------------------------------------------------------------------------------------------------- */

static hf_ip ip_of(const hf_address *a)
{
    hf_ip ip = { { 0 } };
    if (a->family == 4)
        return hf_ip_make4(a->ip[0], a->ip[1], a->ip[2], a->ip[3]);
    memcpy(ip.bytes, a->ip, sizeof ip.bytes);
    return ip;
}

static hf_address address_of(const hf_ip *ip, uint16_t port)
{
    hf_address a = { .family = hf_ip_is4(ip) ? 4 : 6, .port = port };
    memcpy(a.ip, hf_ip_is4(ip) ? ip->bytes + 12 : ip->bytes, a.family == 4 ? 4 : 16);
    return a;
}

/* ---- packets ------------------------------------------------------------------------------------------------------ */

/* A packet that the door had no room for is kept whole: it is the host's no more. */
static void keep_late(host_io *h, const hf_out *out, const hf_host_packet *packet)
{
    h->late_length = 0;
    h->late_packet = *packet;
    for (size_t i = 0; i < out->count; i++) {
        memcpy(h->late + h->late_length, out->pieces[i].bytes.ptr, out->pieces[i].bytes.len);
        h->late_length += out->pieces[i].bytes.len;
    }
}

static bool send_late(host_io *h)
{
    /* two pieces, as the door reads the flags of TCP at the front of the second */
    const size_t ip = (h->door->ethernet ? (size_t)HF_ETHERNET_HEADER : 0) + (h->late_packet.six ? HF_IP6_HEADER : HF_IP4_HEADER);
    const size_t first = h->late_length < ip ? h->late_length : ip;
    const hf_extent pieces[] = { { .bytes = hf_bytes_make(h->late, first) }, { .bytes = hf_bytes_make(h->late + first, h->late_length - first) } };
    if (h->late_length > 0 && hf_door_write(h->door, pieces, HF_COUNT(pieces), &h->late_packet) == HF_DOOR_LATER)
        return false;
    h->late_length = 0;
    return true;
}

/* What the host has to say, as far as the door takes it. False: there may be more. */
static bool write_packets(host_io *h)
{
    hf_extent pieces[PIECES];
    uint8_t scratch[SCRATCH];
    hf_host_packet packet;
    if (!send_late(h))
        return true; /* poll says when */
    for (int i = 0; i < PACKETS_OUT; i++) {
        hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = HF_DOOR_PACKET_MOST };
        if (!hf_host_emit(h->host, h->now, &out, &packet))
            return true;
        if (hf_door_write(h->door, out.pieces, out.count, &packet) == HF_DOOR_LATER) {
            keep_late(h, &out, &packet);
            return true;
        }
    }
    return false;
}

static bool flush(host_io *h)
{
    const bool all = write_packets(h);
    hf_door_push(h->door);
    return all;
}

/* False: there may be more. */
static bool receive(host_io *h)
{
    for (int i = 0; i < PACKETS_IN; i++) {
        hf_host_input in;
        const hf_door_result r = hf_door_read(h->door, h->room[h->turn], &in);
        if (r != HF_DOOR_DONE)
            return true;
        in.lasts = true;
        h->turn = 1 - h->turn;
        (void)!hf_host_receive(h->host, h->now, &in).code; /* it counts what it drops */
        if (in.packet.len >= WORTH_A_LOOK)
            return false;
    }
    return false;
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

static const listener *listener_of(const host_io *h, const hf_tcp_pair *pair)
{
    const uint8_t family = hf_ip_is4(&pair->local) ? 4 : 6;
    const listener *any = NULL;
    for (size_t i = 0; i < LISTENERS; i++) {
        const listener *l = &h->listeners[i];
        if (l->at.family != family || l->at.port != pair->local_port)
            continue;
        if (hf_ip_is_any(&l->ip))
            any = l;
        else if (hf_ip_equal(&l->ip, &pair->local))
            return l;
    }
    return any;
}

/* True: *e was filled. */
static bool accept_connection(host_io *h, hf_tcp *tcp, hf_io_event *e)
{
    hf_tcp_info info;
    hf_tcp_info_of(tcp, &info);
    const listener *l = listener_of(h, &info.pair);
    const hf_pier pier = l != NULL ? hf_host_pier_new(&h->home, tcp) : (hf_pier){ NULL, NULL };
    if (pier.self == NULL)
        hf_tcp_free(tcp);
    if (l == NULL) /* it listens for the other family alone */
        return false;
    *e = (hf_io_event){ .kind = HF_IO_ACCEPTED, .owner = l->owner, .pier = pier, .local = address_of(&info.pair.local, info.pair.local_port),
                        .peer = address_of(&info.pair.remote, info.pair.remote_port) };
    if (pier.self == NULL) {
        e->kind = HF_IO_ACCEPT_FAILED;
        e->err = hf_err_make(HF_ERR_BASE_MEMORY);
    }
    return true;
}

/* The place at that very address, else the one at all of its family. NULL: nobody is there. */
static udp_place *find_udp(host_io *h, const hf_address *at)
{
    static const uint8_t nothing[16];
    udp_place *any = NULL;
    for (size_t i = 0; i < UDP_PLACES; i++) {
        udp_place *const u = &h->udp[i];
        if (u->at.family != at->family || u->at.port != at->port)
            continue;
        if (memcmp(u->at.ip, at->ip, at->family == 4 ? 4 : 16) == 0)
            return u;
        any = memcmp(u->at.ip, nothing, at->family == 4 ? 4 : 16) == 0 ? u : any;
    }
    return any;
}

static void free_waiting(host_io *h, waiting *w)
{
    for (waiting *next; w != NULL; w = next) {
        next = w->next;
        h->udp_bytes -= sizeof *w + w->length;
        hf_free(&h->home.env->alloc, w, sizeof *w + w->length);
    }
}

/* True: *e was filled. Without memory, or above the limit host_udp_bytes, it is lost, as on the way. */
static bool keep_datagram(host_io *h, const hf_host_datagram *d, hf_io_event *e)
{
    const hf_address local = address_of(&d->local, d->local_port);
    udp_place *const u = find_udp(h, &local);
    const bool fits = h->udp_bytes + sizeof(waiting) + d->bytes.len <= h->home.env->limits->host_udp_bytes;
    const bool usable = u != NULL && d->bytes.len > 0 && d->remote_port != 0; /* UDP's ports are for QUIC here: as udp.c has it from the kernel */
    waiting *const w = usable && fits ? hf_alloc(&h->home.env->alloc, sizeof *w + d->bytes.len) : NULL;
    if (w == NULL)
        return false;
    *w = (waiting){ .length = d->bytes.len };
    h->udp_bytes += sizeof *w + w->length;
    w->d = (hf_io_datagram){ .local = local, .remote = address_of(&d->remote, d->remote_port), .ecn = d->ecn, .bytes = { w->bytes, w->length } };
    if (w->length > 0)
        memcpy(w->bytes, d->bytes.ptr, w->length);
    u->last = u->first != NULL ? u->last : &u->first;
    *u->last = w;
    u->last = &w->next;
    if (u->told)
        return false;
    u->told = true;
    *e = (hf_io_event){ .kind = HF_IO_READABLE, .owner = u->owner };
    return true;
}

static size_t collect(host_io *h, hf_io_event *events, size_t capacity)
{
    size_t n = 0;
    hf_host_event event;
    for (size_t i = 0; i < UDP_PLACES; i++) /* who has not fetched all is told again */
        if ((h->udp[i].told = h->udp[i].first != NULL && n < capacity))
            events[n++] = (hf_io_event){ .kind = HF_IO_READABLE, .owner = h->udp[i].owner };
    while (n < capacity && hf_host_step(h->host, h->now, &event) == HF_EVENT) {
        const hf_host_pier *p = (const hf_host_pier *)(uintptr_t)event.user;
        if (event.kind == HF_HOST_ACCEPTED)
            n += accept_connection(h, event.tcp, &events[n]);
        else if (event.kind == HF_HOST_DATAGRAM)
            n += keep_datagram(h, &event.datagram, &events[n]);
        else if (event.kind == HF_HOST_NOTICE && hf_host_pier_owner(p) != NULL)
            events[n++] = (hf_io_event){ .kind = HF_IO_READY, .owner = hf_host_pier_owner(p) };
    }
    return n;
}

/* ---- waiting ------------------------------------------------------------------------------------------------------ */

/* Until a packet comes, the door has room for the one that waits, somebody calls, or the clock reads `until`. True: somebody
 * called. */
static bool sleep_until(host_io *h, hf_time until)
{
    struct pollfd *fds = h->polled;
    fds[0] = (struct pollfd){ .fd = h->door->fd, .events = (short)(POLLIN | (h->late_length > 0 ? POLLOUT : 0)) };
    fds[1] = (struct pollfd){ .fd = h->wake_fd, .events = POLLIN };
    const int64_t left = until.ns == HF_NEVER_NS ? HF_SECONDS(3600) : until.ns - read_clock().ns;
    const struct timespec t = { left > 0 ? left / 1000000000 : 0, left > 0 ? left % 1000000000 : 0 };
    uint64_t count;
    int n = ppoll(fds, 2 + h->watched, &t, NULL);
    if (n > 0 && (fds[0].revents & (POLLERR | POLLNVAL)) != 0 && (fds[0].revents & POLLIN) == 0) /* the device is gone */
        n = poll(&fds[1], 1 + h->watched, GONE_MS);
    return n > 0 && (fds[1].revents & POLLIN) != 0 && read(h->wake_fd, &count, sizeof count) == sizeof count;
}

/* What sleep_until saw of the watched descriptors. The events that they became. */
static size_t tell_watchers(host_io *h, hf_io_event *events, size_t capacity)
{
    size_t n = 0;
    for (unsigned i = 0; i < h->watched && n < capacity; i++)
        if (h->polled[2 + i].revents != 0) {
            h->polled[2 + i].revents = 0; /* a sleep that a signal ends fills in none */
            events[n++] = (hf_io_event){ .kind = HF_IO_READABLE, .owner = h->watchers[i] };
        }
    return n;
}

static hf_err host_io_watch(hf_io *io, int descriptor, void *owner)
{
    host_io *h = (host_io *)io;
    if (h->watched == WATCHES)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    h->polled[2 + h->watched] = (struct pollfd){ .fd = descriptor, .events = POLLIN };
    h->watchers[h->watched++] = owner;
    return HF_OK;
}

static void host_io_unwatch(hf_io *io, int descriptor)
{
    host_io *h = (host_io *)io;
    unsigned kept = 0;
    for (unsigned i = 0; i < h->watched; i++) {
        if (h->polled[2 + i].fd == descriptor)
            continue;
        h->polled[2 + kept] = h->polled[2 + i];
        h->watchers[kept++] = h->watchers[i];
    }
    h->watched = kept;
}

static size_t host_io_wait(hf_io *io, hf_time until, hf_io_event *events, size_t capacity)
{
    host_io *h = (host_io *)io;
    HF_ASSERT(capacity > 1);
    for (;;) {
        read_clocks(h);
        /* Answers of the last turn, with what they acknowledge. While packets wait to be read, one acknowledgement does for
         * several of them: each that leaves has the peer send again at once. */
        const bool hold = h->waiting && ++h->held < TURNS_HELD;
        const bool quiet = !hold && flush(h);
        h->held = hold ? h->held : 0;
        const bool drained = receive(h);
        h->waiting = !drained;
        size_t n = collect(h, events, capacity - 1);
        /* What it has to say at once leaves first: then wake() lies in the future, or the door is full. */
        const bool more = n > 0 || !quiet || !drained || !flush(h);
        const hf_time host = h->late_length > 0 ? HF_NEVER : hf_host_wake(h->host);
        if (sleep_until(h, more ? h->now : hf_time_earlier(until, host)))
            events[n++] = (hf_io_event){ .kind = HF_IO_WOKEN };
        n += tell_watchers(h, events + n, capacity - n);
        if (n > 0 || !hf_time_before(read_clock(), until)) {
            read_clocks(h);
            return n;
        }
    }
}

static void host_io_wake(hf_io *io)
{
    const uint64_t one = 1;
    if (write(((host_io *)io)->wake_fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is awake already */
}

/* ---- listening and connecting ------------------------------------------------------------------------------------- */

static bool same(const hf_address *a, const hf_address *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

/* Whether TCP listens there for one of ours already. */
static bool is_shared(const host_io *h, const hf_ip *ip, uint16_t port)
{
    for (size_t i = 0; i < LISTENERS; i++)
        if (h->listeners[i].at.family != 0 && h->listeners[i].at.port == port && hf_ip_equal(&h->listeners[i].ip, ip))
            return true;
    return false;
}

static hf_err host_io_listen(hf_io *io, const hf_address *at, int handle, void *owner)
{
    host_io *h = (host_io *)io;
    hf_ip ip = ip_of(at);
    size_t place = 0;
    (void)handle;
    if (hf_ip_is_any(&ip))
        ip = (hf_ip){ { 0 } }; /* TCP knows one listener for every address */
    else if (!hf_host_is_own(h->host, &ip))
        return hf_err_make(HF_ERR_IO_ADDRESS_UNAVAILABLE);
    for (size_t i = 0; i < LISTENERS; i++)
        if (h->listeners[i].at.family != 0 && same(&h->listeners[i].at, at))
            return hf_err_make(HF_ERR_IO_ADDRESS_IN_USE);
    while (place < LISTENERS && h->listeners[place].at.family != 0)
        place++;
    if (place == LISTENERS)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    const hf_err err = is_shared(h, &ip, at->port) ? HF_OK : hf_tcp_listen(hf_host_tcp(h->host), &ip, at->port, 0);
    if (err.code == 0)
        h->listeners[place] = (listener){ .at = *at, .ip = ip, .owner = owner };
    return err;
}

static void end_listener(host_io *h, listener *l)
{
    const listener gone = *l;
    l->at.family = 0;
    if (!is_shared(h, &gone.ip, gone.at.port))
        hf_tcp_unlisten(hf_host_tcp(h->host), &gone.ip, gone.at.port);
}

static void host_io_unlisten(hf_io *io)
{
    host_io *h = (host_io *)io;
    for (size_t i = 0; i < LISTENERS; i++)
        if (h->listeners[i].at.family != 0)
            end_listener(h, &h->listeners[i]);
}

static void host_io_unlisten_at(hf_io *io, const hf_address *at)
{
    host_io *h = (host_io *)io;
    for (size_t i = 0; i < LISTENERS; i++)
        if (h->listeners[i].at.family != 0 && same(&h->listeners[i].at, at))
            end_listener(h, &h->listeners[i]);
}

static hf_err host_io_connect(hf_io *io, const hf_address *to, void *owner, hf_pier *pier)
{
    host_io *h = (host_io *)io;
    hf_err err = hf_err_make(HF_ERR_IO_ADDRESS_UNAVAILABLE);
    hf_tcp_pair pair = { .remote = ip_of(to), .remote_port = to->port };
    if (!hf_host_source(h->host, &pair.remote, &pair.local))
        return err;
    hf_tcp *tcp = hf_tcp_connect(hf_host_tcp(h->host), h->now, &pair, 0, &err);
    if (tcp == NULL)
        return err;
    *pier = hf_host_pier_new(&h->home, tcp);
    if (pier->self == NULL) {
        hf_tcp_free(tcp);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    hf_host_pier_own(*pier, owner);
    return HF_OK;
}

static void host_io_own(hf_io *io, hf_pier pier, void *owner)
{
    (void)io;
    hf_host_pier_own(pier, owner);
}

/* ---- UDP ---------------------------------------------------------------------------------------------------------- */

static bool has_udp_port(const host_io *h, uint16_t port)
{
    for (size_t i = 0; i < UDP_PLACES; i++)
        if (h->udp[i].at.family != 0 && h->udp[i].at.port == port)
            return true;
    return false;
}

static hf_err host_io_udp_open(hf_io *io, const hf_address *at, void *owner)
{
    host_io *h = (host_io *)io;
    size_t place = 0;
    for (size_t i = 0; i < UDP_PLACES; i++)
        if (h->udp[i].at.family != 0 && same(&h->udp[i].at, at))
            return hf_err_make(HF_ERR_IO_ADDRESS_IN_USE);
    while (place < UDP_PLACES && h->udp[place].at.family != 0)
        place++;
    if (place == UDP_PLACES)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    /* the host knows ports, and we the addresses at them */
    const hf_err err = has_udp_port(h, at->port) ? HF_OK : hf_host_udp_bind(h->host, at->port, 0);
    if (err.code == 0)
        h->udp[place] = (udp_place){ .at = *at, .owner = owner };
    return err;
}

static void end_udp(host_io *h, udp_place *u)
{
    const uint16_t port = u->at.port;
    free_waiting(h, u->first);
    *u = (udp_place){ .owner = NULL };
    if (!has_udp_port(h, port))
        hf_host_udp_unbind(h->host, port);
}

static void host_io_udp_close(hf_io *io, const hf_address *at)
{
    host_io *h = (host_io *)io;
    for (size_t i = 0; i < UDP_PLACES; i++)
        if (h->udp[i].at.family != 0 && same(&h->udp[i].at, at))
            end_udp(h, &h->udp[i]);
}

static size_t host_io_udp_receive(hf_io *io, void *owner, hf_io_datagram *to, size_t capacity)
{
    host_io *h = (host_io *)io;
    size_t n = 0;
    free_waiting(h, h->lent);
    h->lent = NULL;
    for (size_t i = 0; i < UDP_PLACES; i++)
        while (h->udp[i].at.family != 0 && h->udp[i].owner == owner && h->udp[i].first != NULL && n < capacity) {
            waiting *const w = h->udp[i].first;
            h->udp[i].first = w->next;
            w->next = h->lent;
            h->lent = w;
            to[n++] = w->d;
        }
    return n;
}

static bool host_io_udp_send(hf_io *io, const hf_io_datagram *d)
{
    host_io *h = (host_io *)io;
    const hf_host_datagram out = { .local = ip_of(&d->local), .remote = ip_of(&d->remote), .local_port = d->local.port,
        .remote_port = d->remote.port, .ecn = d->ecn, .bytes = hf_bytes_make(d->bytes.ptr, d->bytes.len) };
    /* what is too long for the link, or leaves from nowhere, is lost as on the way */
    return hf_host_udp_send(h->host, h->now, &out).code != HF_ERR_BASE_LIMIT;
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

/* Nobody stands on it any more, but answers may still be on their way: with the loop ends who would send them again. */
static void say_last_words(host_io *h)
{
    const hf_time end = hf_time_after(read_clock(), LAST_WORDS_NS);
    for (;;) {
        read_clocks(h);
        (void)receive(h);
        hf_host_event event;
        while (hf_host_step(h->host, h->now, &event) == HF_EVENT)
            if (event.kind == HF_HOST_ACCEPTED)
                hf_tcp_free(event.tcp);
        const bool quiet = flush(h);
        if (!hf_time_before(h->now, end) || (quiet && h->late_length == 0 && hf_tcp_endpoint_departing(hf_host_tcp(h->host)) == 0))
            return;
        (void)sleep_until(h, quiet ? hf_time_earlier(end, hf_host_wake(h->host)) : h->now);
    }
}

static void host_io_free(hf_io *io)
{
    host_io *h = (host_io *)io;
    const hf_env *env = h->outer;
    if (h->host != NULL) {
        host_io_unlisten(io);
        say_last_words(h);
    }
    for (size_t i = 0; i < UDP_PLACES; i++)
        free_waiting(h, h->udp[i].first);
    free_waiting(h, h->lent);
    hf_host_free(h->host);
    hf_host_home_fini(&h->home);
    hf_spares_fini(&h->spares);
    if (h->wake_fd >= 0)
        close(h->wake_fd);
    for (int i = 0; i < 2; i++)
        hf_free(&env->alloc, h->room[i], HF_DOOR_PACKET_MOST);
    hf_free(&env->alloc, h->late, HF_DOOR_PACKET_MOST);
    hf_free(&env->alloc, h, sizeof *h);
}

static const hf_io_ops host_io_ops = {
    .name = "our own network stack",
    .now = host_io_now,
    .clock = host_io_clock,
    .wall = host_io_wall,
    .wall_ms = host_io_wall_ms,
    .wait = host_io_wait,
    .listen = host_io_listen,
    .unlisten = host_io_unlisten,
    .unlisten_at = host_io_unlisten_at,
    .connect = host_io_connect,
    .watch = host_io_watch,
    .unwatch = host_io_unwatch,
    .udp_open = host_io_udp_open,
    .udp_close = host_io_udp_close,
    .udp_receive = host_io_udp_receive,
    .udp_send = host_io_udp_send,
    .own = host_io_own,
    .wake = host_io_wake,
    .free = host_io_free,
};

hf_host *hf_host_io_host(hf_io *io)
{
    return io->ops == &host_io_ops ? ((host_io *)io)->host : NULL;
}

bool hf_host_io_info(hf_io *io, const hf_address *local, const hf_address *remote, hf_tcp_info *info)
{
    const hf_tcp_pair pair = { .local = ip_of(local), .remote = ip_of(remote), .local_port = local->port, .remote_port = remote->port };
    return io->ops == &host_io_ops && hf_tcp_endpoint_info(hf_host_tcp(((host_io *)io)->host), &pair, info);
}

hf_io *hf_host_io_new(const hf_env *env, const hf_door *door, const hf_host_config *config, hf_err *err)
{
    host_io *h = hf_alloc_zeroed(&env->alloc, sizeof *h);
    hf_host_config c = *config;
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (h == NULL)
        return NULL;
    h->io.ops = &host_io_ops;
    h->outer = env;
    hf_spares_init(&h->spares, &env->alloc, HF_IS_SANITIZED ? 0 : SPARES);
    h->env = *env;
    h->env.alloc = h->spares.alloc;
    h->home.env = &h->env;
    h->door = door;
    read_clocks(h);
    c.ethernet = door->ethernet;
    c.mac = door->mac;
    c.tcp.mtu = door->mtu;
    c.tcp.super_segment = door->header ? SUPER_SEGMENT : 0;
    c.tcp.partial_checksum = door->header;
    const bool secret = getrandom(c.tcp.secret, sizeof c.tcp.secret, 0) == sizeof c.tcp.secret;
    h->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (int i = 0; i < 2; i++)
        h->room[i] = hf_alloc(&env->alloc, HF_DOOR_PACKET_MOST);
    h->late = hf_alloc(&env->alloc, HF_DOOR_PACKET_MOST);
    if (h->wake_fd < 0 || !secret)
        *err = hf_err_make(HF_ERR_IO_SYSTEM);
    else if (h->room[0] != NULL && h->room[1] != NULL && h->late != NULL)
        h->host = hf_host_new(&h->env, &c, h->now);
    if (h->host == NULL) {
        host_io_free(&h->io);
        return NULL;
    }
    *err = HF_OK;
    return &h->io;
}
