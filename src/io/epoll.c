/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop on epoll: waits, accepts, connects. Sockets are edge-triggered and registered once; listeners are
 * level-triggered and shared between threads with EPOLLEXCLUSIVE.
 */
#include "epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "panic.h"

enum {
    LISTENERS = 64,
    ACCEPTS_PER_TURN = 64,
    BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
    /* Of a connection, what the kernel holds beyond what is on the wire. Without this it swallows megabytes and is silent
     * until a third of them has gone: a slow peer would look like one that reads nothing (limit send_idle_ns), and each
     * would cost as much memory. */
    UNSENT_MOST = 256 * 1024,
};

/* After descriptors ran out, a listener rests this long: connections wait in its backlog, none is refused. */
#define REST_NS HF_MILLISECONDS(50)

typedef struct listener {
    hf_watch watch; /* first */
    hf_address at;
} listener;

struct hf_epoll {
    hf_io io; /* first */
    hf_socket_home home;
    hf_watch wake;
    listener listeners[LISTENERS]; /* watch.fd -1: free */
    hf_watch **plain; /* what was given to watch, by descriptor, as many as there are: a client of HTTP/3 has one for each line. Places
                         stay, with fd -1: that of the key process is watched for each signature */
    size_t plain_size;
    hf_time resting_until; /* HF_NEVER when not resting */
    int64_t wall_ms;
    struct epoll_event seen[HF_EPOLL_BATCH];
};

static void read_clocks(hf_epoll *e)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    e->home.now = hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    e->wall_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static hf_time epoll_clock(hf_io *io)
{
    struct timespec t;
    (void)io;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

static hf_time epoll_now(hf_io *io)
{
    return ((hf_epoll *)io)->home.now;
}

static hf_wall epoll_wall(hf_io *io)
{
    return (hf_wall){ ((hf_epoll *)io)->wall_ms / 1000 };
}

static int64_t epoll_wall_ms(hf_io *io)
{
    return ((hf_epoll *)io)->wall_ms;
}

static void listen_again(hf_epoll *e, bool on)
{
    for (size_t i = 0; i < LISTENERS; i++) {
        struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &e->listeners[i].watch };
        if (e->listeners[i].watch.fd < 0)
            continue;
        (void)epoll_ctl(e->home.epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, e->listeners[i].watch.fd, &ev);
    }
    e->resting_until = on ? HF_NEVER : hf_time_after(e->home.now, REST_NS);
}

static size_t accept_some(hf_epoll *e, listener *l, hf_io_event *events, size_t capacity)
{
    size_t n = 0;
    while (n < capacity && n < ACCEPTS_PER_TURN) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        const int fd = accept4(l->watch.fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            if (errno == EAGAIN)
                break;
            const bool descriptors = errno == EMFILE || errno == ENFILE;
            events[n++] = (hf_io_event){ .kind = HF_IO_ACCEPT_FAILED, .owner = l->watch.owner, .local = l->at,
                .err = hf_err_make(descriptors ? HF_ERR_IO_DESCRIPTORS : HF_ERR_IO_SYSTEM) };
            listen_again(e, false);
            break;
        }
        const hf_pier pier = hf_socket_new(&e->home, fd, false);
        if (pier.self == NULL) {
            close(fd);
            events[n++] = (hf_io_event){ .kind = HF_IO_ACCEPT_FAILED, .owner = l->watch.owner, .local = l->at,
                .err = hf_err_make(HF_ERR_BASE_MEMORY) };
            break;
        }
        events[n] = (hf_io_event){ .kind = HF_IO_ACCEPTED, .owner = l->watch.owner, .pier = pier, .local = l->at };
        hf_address_from_kernel(&from, &events[n].peer);
        n++;
    }
    return n;
}

static size_t pass_on(hf_epoll *e, hf_io_event *events, size_t capacity)
{
    size_t n = 0;
    while (n < capacity && e->home.seen_at < e->home.seen_count) {
        const struct epoll_event *ev = &e->seen[e->home.seen_at++];
        hf_watch *w = ev->data.ptr;
        if (w == NULL) /* its socket was freed since */
            continue;
        switch (w->kind) {
        case HF_WATCH_WAKE: {
            uint64_t count;
            if (read(w->fd, &count, sizeof count) < 0)
                continue;
            events[n++] = (hf_io_event){ .kind = HF_IO_WOKEN };
            break;
        }
        case HF_WATCH_LISTENER:
            n += accept_some(e, (listener *)w, events + n, capacity - n);
            break;
        case HF_WATCH_PLAIN:
            events[n++] = (hf_io_event){ .kind = HF_IO_READABLE, .owner = w->owner };
            break;
        case HF_WATCH_SOCKET:
            hf_socket_notify(w, ev->events);
            events[n++] = (hf_io_event){ .kind = HF_IO_READY, .owner = w->owner };
            break;
        }
    }
    return n;
}

static int timeout_until(const hf_epoll *e, hf_time until)
{
    until = hf_time_earlier(until, hf_time_earlier(e->resting_until, e->home.look_at));
    if (until.ns == HF_NEVER_NS)
        return -1;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const int64_t left = until.ns - ((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
    if (left <= 0)
        return 0;
    const int64_t ms = (left + 999999) / 1000000; /* rounded up: never early, never spinning */
    return ms > 3600000 ? 3600000 : (int)ms;
}

static size_t epoll_wait_events(hf_io *io, hf_time until, hf_io_event *events, size_t capacity)
{
    hf_epoll *e = (hf_epoll *)io;
    HF_ASSERT(capacity > ACCEPTS_PER_TURN);
    size_t n = 0;
    for (hf_watch *w; n < capacity / 2 && (w = hf_socket_again(&e->home)) != NULL;)
        events[n++] = (hf_io_event){ .kind = HF_IO_READY, .owner = w->owner };
    if (e->home.seen_at == e->home.seen_count) {
        const int timeout = n > 0 ? 0 : timeout_until(e, until);
        const int count = epoll_wait(e->home.epoll_fd, e->seen, HF_EPOLL_BATCH, timeout);
        e->home.seen_at = 0;
        e->home.seen_count = count < 0 ? 0 : count;
        read_clocks(e);
        if (!hf_time_before(e->home.now, e->resting_until))
            listen_again(e, true);
    }
    return n + pass_on(e, events + n, capacity - n);
}

static hf_err listen_error(int e)
{
    switch (e) {
    case EADDRINUSE: return hf_err_make(HF_ERR_IO_ADDRESS_IN_USE);
    case EACCES: return hf_err_make(HF_ERR_IO_ADDRESS_DENIED);
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: return hf_err_make(HF_ERR_IO_ADDRESS_UNAVAILABLE);
    case EMFILE:
    case ENFILE: return hf_err_make(HF_ERR_IO_DESCRIPTORS);
    default: return hf_err_make(HF_ERR_IO_SYSTEM);
    }
}

void hf_listen_socket_tune(int fd)
{
    const int yes = 1, unsent = UNSENT_MOST;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

int hf_listen_socket(const hf_address *at, hf_err *err)
{
    struct sockaddr_storage to;
    const socklen_t size = hf_address_to_kernel(at, &to);
    const int yes = 1;
    const int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *err = listen_error(errno);
    if (fd < 0)
        return -1;
    /* Accepted sockets inherit these on Linux: one call here, none per connection. */
    hf_listen_socket_tune(fd);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        (at->family != 6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) == 0) &&
        bind(fd, (struct sockaddr *)&to, size) == 0 && listen(fd, BACKLOG) == 0) {
        *err = HF_OK;
        return fd;
    }
    const int e = errno;
    *err = listen_error(e);
    close(fd);
    errno = e;
    return -1;
}

static hf_err epoll_listen(hf_io *io, const hf_address *at, int handle, void *owner)
{
    hf_epoll *e = (hf_epoll *)io;
    hf_err err = HF_OK;
    size_t i = 0;
    while (i < LISTENERS && e->listeners[i].watch.fd >= 0)
        i++;
    if (i == LISTENERS)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    if (handle < 0)
        handle = hf_listen_socket(at, &err);
    else
        handle = fcntl(handle, F_DUPFD_CLOEXEC, 0); /* ours to close, whatever the caller does with its own */
    if (handle < 0)
        return err.code != 0 ? err : hf_err_make(HF_ERR_IO_DESCRIPTORS);
    listener *l = &e->listeners[i];
    *l = (listener){ .watch = { HF_WATCH_LISTENER, handle, owner }, .at = *at };
    struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &l->watch };
    if (epoll_ctl(e->home.epoll_fd, EPOLL_CTL_ADD, handle, &ev) != 0) {
        close(handle);
        l->watch.fd = -1;
        return hf_err_make(HF_ERR_IO_SYSTEM);
    }
    return HF_OK;
}

static void close_listener(hf_epoll *e, listener *l)
{
    /* Other threads have the same description open, so closing ours would not take it out of our epoll. While it rests it is
     * not in there. */
    (void)epoll_ctl(e->home.epoll_fd, EPOLL_CTL_DEL, l->watch.fd, &(struct epoll_event){ 0 });
    for (int k = e->home.seen_at; k < e->home.seen_count; k++)
        if (e->seen[k].data.ptr == &l->watch)
            e->seen[k].data.ptr = NULL;
    close(l->watch.fd);
    l->watch.fd = -1;
}

static void epoll_unlisten(hf_io *io)
{
    hf_epoll *e = (hf_epoll *)io;
    e->resting_until = HF_NEVER;
    for (size_t i = 0; i < LISTENERS; i++)
        if (e->listeners[i].watch.fd >= 0)
            close_listener(e, &e->listeners[i]);
}

static void epoll_unlisten_at(hf_io *io, const hf_address *at)
{
    hf_epoll *e = (hf_epoll *)io;
    for (size_t i = 0; i < LISTENERS; i++)
        if (e->listeners[i].watch.fd >= 0 && hf_address_same(&e->listeners[i].at, at))
            close_listener(e, &e->listeners[i]);
}

int hf_connect_socket(const hf_address *to, hf_err *err)
{
    struct sockaddr_storage address;
    const socklen_t size = hf_address_to_kernel(to, &address);
    const int yes = 1;
    const int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *err = hf_err_make(errno == EMFILE || errno == ENFILE ? HF_ERR_IO_DESCRIPTORS : HF_ERR_IO_SYSTEM);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    *err = HF_OK;
    if (connect(fd, (struct sockaddr *)&address, size) == 0 || errno == EINPROGRESS)
        return fd;
    *err = hf_err_make(errno == ECONNREFUSED ? HF_ERR_IO_REFUSED : HF_ERR_IO_SYSTEM);
    close(fd);
    return -1;
}

static hf_err epoll_connect(hf_io *io, const hf_address *to, void *owner, hf_pier *pier)
{
    hf_epoll *e = (hf_epoll *)io;
    hf_err err;
    const int fd = hf_connect_socket(to, &err);
    if (fd < 0)
        return err;
    *pier = hf_socket_new(&e->home, fd, true);
    if (pier->self == NULL) {
        close(fd);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    hf_socket_own(*pier, owner);
    return HF_OK;
}

static void epoll_unwatch(hf_io *io, int descriptor)
{
    hf_epoll *e = (hf_epoll *)io;
    hf_watch *const w = descriptor >= 0 && (size_t)descriptor < e->plain_size ? e->plain[descriptor] : NULL;
    if (w == NULL || w->fd < 0)
        return;
    (void)epoll_ctl(e->home.epoll_fd, EPOLL_CTL_DEL, descriptor, &(struct epoll_event){ 0 });
    for (int k = e->home.seen_at; k < e->home.seen_count; k++)
        if (e->seen[k].data.ptr == w)
            e->seen[k].data.ptr = NULL;
    w->fd = -1;
}

static bool make_place(hf_epoll *e, size_t descriptor)
{
    const size_t size = e->plain_size, wanted = size * 2 > descriptor ? size * 2 : descriptor + 1;
    if (descriptor >= size) {
        hf_watch **const more = hf_resize(&e->home.env->alloc, e->plain, size * sizeof *more, wanted * sizeof *more);
        if (more == NULL)
            return false;
        memset(more + size, 0, (wanted - size) * sizeof *more);
        e->plain = more;
        e->plain_size = wanted;
    }
    if (e->plain[descriptor] == NULL) {
        hf_watch *const w = hf_alloc(&e->home.env->alloc, sizeof *w);
        if (w != NULL)
            w->fd = -1;
        e->plain[descriptor] = w;
    }
    return e->plain[descriptor] != NULL;
}

static hf_err epoll_watch(hf_io *io, int descriptor, void *owner)
{
    hf_epoll *e = (hf_epoll *)io;
    HF_ASSERT(descriptor >= 0);
    if (!make_place(e, (size_t)descriptor))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    epoll_unwatch(io, descriptor); /* of one that was closed with its watch on: the number is another's now */
    hf_watch *const w = e->plain[descriptor];
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = w };
    if (epoll_ctl(e->home.epoll_fd, EPOLL_CTL_ADD, descriptor, &ev) != 0)
        return hf_err_make(HF_ERR_IO_SYSTEM);
    *w = (hf_watch){ HF_WATCH_PLAIN, descriptor, owner };
    return HF_OK;
}

static void epoll_own(hf_io *io, hf_pier pier, void *owner)
{
    (void)io;
    hf_socket_own(pier, owner);
}

static void epoll_wake(hf_io *io)
{
    const uint64_t one = 1;
    if (write(((hf_epoll *)io)->wake.fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is awake already */
}

static void epoll_free(hf_io *io)
{
    hf_epoll *e = (hf_epoll *)io;
    const hf_env *env = e->home.env;
    epoll_unlisten(io);
    if (e->wake.fd >= 0)
        close(e->wake.fd);
    if (e->home.epoll_fd >= 0)
        close(e->home.epoll_fd);
    for (size_t i = 0; i < e->plain_size; i++)
        hf_free(&env->alloc, e->plain[i], sizeof *e->plain[i]);
    hf_free(&env->alloc, e->plain, e->plain_size * sizeof *e->plain);
    hf_free(&env->alloc, e->home.shared, HF_SHARED_BYTES);
    hf_free(&env->alloc, e, sizeof *e);
}

/* ---- what the sockets ask of us ----------------------------------------------------------------------------- */

static bool begin(hf_socket_home *home, hf_watch *w, bool connecting)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET | (connecting ? EPOLLOUT : 0), .data.ptr = w };
    return epoll_ctl(home->epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) == 0;
}

static bool watch_output(hf_socket_home *home, hf_watch *w, bool on)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET | (on ? EPOLLOUT : 0), .data.ptr = w };
    return epoll_ctl(home->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) == 0;
}

/* epoll(7): a short read of a stream socket means that it is drained; a FIN behind it shows as EPOLLRDHUP. */
static ssize_t receive(hf_socket_home *home, hf_watch *w, hf_span room)
{
    home->calls_receive++;
    return syscall(SYS_recvfrom, w->fd, room.ptr, room.len, 0, NULL, NULL); /* as send_memory does it */
}

static void forget_seen(hf_socket_home *home, const hf_watch *w)
{
    for (int i = home->seen_at; i < home->seen_count; i++)
        if (home->seen[i].data.ptr == w)
            home->seen[i].data.ptr = NULL;
}

static bool leave(hf_socket_home *home, hf_watch *w)
{
    forget_seen(home, w);
    return false;
}

static bool doze(hf_socket_home *home, hf_watch *w)
{
    forget_seen(home, w);
    return epoll_ctl(home->epoll_fd, EPOLL_CTL_DEL, w->fd, &(struct epoll_event){ 0 }) == 0;
}

static bool rouse(hf_socket_home *home, hf_watch *w)
{
    return begin(home, w, false); /* what has arrived by now is told */
}

static const hf_home_ops home_ops = {
    .begin = begin,
    .watch_output = watch_output,
    .receive = receive,
    .doze = doze,
    .rouse = rouse,
    .leave = leave,
};

int hf_epoll_descriptor(const hf_io *io)
{
    return ((const hf_epoll *)io)->home.epoll_fd;
}

hf_time hf_epoll_wake(const hf_io *io)
{
    const hf_epoll *e = (const hf_epoll *)io;
    const bool waits = e->home.again.first != NULL || e->home.seen_at < e->home.seen_count;
    return waits ? hf_time_make(0) : hf_time_earlier(e->resting_until, e->home.look_at);
}

static const hf_io_ops epoll_ops = {
    .name = "epoll",
    .now = epoll_now,
    .wall = epoll_wall,
    .clock = epoll_clock,
    .wall_ms = epoll_wall_ms,
    .wait = epoll_wait_events,
    .listen = epoll_listen,
    .unlisten = epoll_unlisten,
    .unlisten_at = epoll_unlisten_at,
    .connect = epoll_connect,
    .watch = epoll_watch,
    .unwatch = epoll_unwatch,
    .own = epoll_own,
    .wake = epoll_wake,
    .free = epoll_free,
};

hf_io *hf_epoll_new(const hf_env *env, hf_err *err)
{
    hf_epoll *e = hf_alloc_zeroed(&env->alloc, sizeof *e);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (e == NULL)
        return NULL;
    e->io.ops = &epoll_ops;
    for (size_t i = 0; i < LISTENERS; i++)
        e->listeners[i].watch.fd = -1;
    e->home = (hf_socket_home){ .ops = &home_ops, .env = env, .shared = hf_alloc(&env->alloc, HF_SHARED_BYTES), .seen = e->seen,
        .look_at = HF_NEVER, .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    e->wake = (hf_watch){ .kind = HF_WATCH_WAKE, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
    e->resting_until = HF_NEVER;
    read_clocks(e);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &e->wake };
    if (e->home.shared == NULL || e->home.epoll_fd < 0 || e->wake.fd < 0 ||
        epoll_ctl(e->home.epoll_fd, EPOLL_CTL_ADD, e->wake.fd, &ev) != 0) {
        if (e->home.shared != NULL)
            *err = errno == EMFILE || errno == ENFILE ? hf_err_make(HF_ERR_IO_DESCRIPTORS) : hf_err_make(HF_ERR_IO_SYSTEM);
        epoll_free(&e->io);
        return NULL;
    }
    *err = HF_OK;
    return &e->io;
}
