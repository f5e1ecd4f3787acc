/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop on io_uring: accept and receive are asked for once and answer many times (multishot); what arrives lies
 * in buffers that all sockets of the loop share, until the socket's next receive() copies it out. Output is the sockets'
 * own affair (socket.c): it leaves at once, by a system call, as with epoll, and only a full socket is polled for.
 *
 * What the kernel may still answer is never freed: a socket that is freed with operations under way stays in `gone`,
 * with its descriptor, until the last of them has answered. So no completion is ever taken for another socket's.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "epoll.h"
#include "panic.h"
#include "uring_ring.h"

enum {
    LISTENERS = 64,
    ENTRIES = 256,         /* submissions that fit before they must be handed over */
    COMPLETIONS = 4096,    /* beyond these the kernel keeps them, and ends what is multishot */
    BUFFERS = 128,         /* a power of two. More are slower: they leave the nearest cache. Without any, receiving pauses */
    BUFFER_BYTES = 4096,
    BUFFER_STRIDE = BUFFER_BYTES + 192, /* else all would begin in the same few lines of the cache */
    NONE = 0xffff,
    GROUP = 0,
};

/* After descriptors ran out, listeners rest this long: connections wait in the backlog, none is refused. */
#define REST_NS HF_MILLISECONDS(50)

/* Who waited at the same listeners may have been killed: its ring is torn down behind its end, and until then the kernel may wake it
 * for a connection, and nobody else (accepts wait exclusively). That would lie in the backlog until the next one comes: so a loop
 * that is new asks anew, later and later. */
#define ANEW_FIRST_NS HF_MILLISECONDS(10)
#define ANEW_LAST_NS HF_SECONDS(10)

/* What a completion answers: the low bits of its user_data, beside the address of a hf_watch. 0: nobody asked. */
enum { ASKED_ACCEPT = 1, ASKED_RECEIVE, ASKED_OUTPUT, ASKED_WAKE, ASKED_PLAIN, ASKED_MASK = 7 };

/* Unread bytes that were moved out of the shared buffers, because their socket was not reading. */
typedef struct spill spill;
struct spill {
    spill *next;
    uint32_t at, length, capacity;
    uint8_t bytes[];
};

/* Behind each socket. Unread bytes lie in `spilt`, then in the buffers from `first` to `last`. */
typedef struct inflow {
    spill *spilt;
    size_t bytes;
    int error;
    uint16_t first, last;
    uint8_t flying;       /* operations whose last completion has not come */
    bool receiving;       /* a multishot receive is under way */
    bool stopping;        /* and was told to stop */
    bool polling;         /* for output */
    bool hungry;          /* waits in the list of those that found no buffer */
    bool ended, gone;
    bool dozing;          /* nothing is asked for until rouse */
    hf_watch *next_hungry;
} inflow;

typedef struct listener {
    hf_watch watch; /* first */
    hf_address at;
    bool armed;
} listener;

typedef struct hf_uring {
    hf_io io; /* first */
    hf_socket_home home;
    struct io_uring ring;
    bool has_ring, enabled;
    pthread_t thread; /* the one that waits, once `enabled` */
    int bell, outside; /* an eventfd that the kernel rings for completions, and an epoll of it and of wake; -1: nobody waits elsewhere */
    hf_watch wake;
    uint64_t wake_count;
    bool wake_armed;
    listener listeners[LISTENERS];
    listener plain[LISTENERS]; /* descriptors that are polled: what was given to watch */
    bool unarmed; /* a listener is to be armed, when the rest is over */
    hf_time resting_until;
    hf_time anew_at; /* HF_NEVER: it is new no more */
    int64_t anew_ns;
    int64_t wall_ms;
    hf_watch *gone; /* linked by `owner` */
    struct io_uring_buf_ring *offered; /* to the kernel */
    uint8_t *buffers;
    hf_watch *reader[BUFFERS]; /* whose unread bytes lie there; NULL: it is offered */
    uint16_t at[BUFFERS], length[BUFFERS], next[BUFFERS];
    size_t unread; /* buffers that are not offered */
    hf_watch *hungry, *hungry_last;
} hf_uring;

static hf_uring *uring_of(hf_socket_home *home)
{
    return (hf_uring *)(void *)((uint8_t *)home - offsetof(hf_uring, home));
}

static inflow *inflow_of(hf_watch *w)
{
    return hf_socket_more(w);
}

static hf_time uring_clock(hf_io *io)
{
    struct timespec t;
    (void)io;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

static void read_clocks(hf_uring *u)
{
    struct timespec t;
    u->home.now = uring_clock(&u->io);
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    u->wall_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

/* Only the loop's thread may, and only once it waits: before, what is asked for stays in the queue. */
static bool may_submit(const hf_uring *u)
{
    return u->enabled && pthread_equal(u->thread, pthread_self());
}

/* NULL when the queue is full and the kernel takes nothing from it. */
static struct io_uring_sqe *ask(hf_uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (sqe == NULL && may_submit(u)) {
        (void)io_uring_submit(&u->ring);
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

static uint64_t name_of(const hf_watch *w, unsigned asked)
{
    return (uint64_t)(uintptr_t)w | asked;
}

static bool ask_receive(hf_uring *u, hf_watch *w)
{
    inflow *in = inflow_of(w);
    struct io_uring_sqe *sqe = ask(u);
    if (sqe == NULL)
        return false;
    io_uring_prep_recv_multishot(sqe, w->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = name_of(w, ASKED_RECEIVE);
    in->receiving = true;
    in->flying++;
    return true;
}

static bool ask_output(hf_uring *u, hf_watch *w)
{
    inflow *in = inflow_of(w);
    struct io_uring_sqe *sqe = in->polling ? NULL : ask(u);
    if (sqe == NULL)
        return in->polling;
    io_uring_prep_poll_add(sqe, w->fd, POLLOUT);
    sqe->user_data = name_of(w, ASKED_OUTPUT);
    in->polling = true;
    in->flying++;
    return true;
}

static bool ask_cancel(hf_uring *u, const hf_watch *w, unsigned asked)
{
    struct io_uring_sqe *sqe = ask(u);
    if (sqe == NULL)
        return false;
    io_uring_prep_cancel64(sqe, name_of(w, asked), 0);
    sqe->user_data = 0;
    return true;
}

static void ask_accept(hf_uring *u, listener *l)
{
    struct io_uring_sqe *sqe = ask(u);
    if (sqe == NULL)
        return; /* the next turn tries again */
    io_uring_prep_multishot_accept(sqe, l->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    sqe->user_data = name_of(&l->watch, ASKED_ACCEPT);
    l->armed = true;
    if (u->anew_ns == 0) {
        u->anew_ns = ANEW_FIRST_NS;
        u->anew_at = hf_time_after(u->home.now, u->anew_ns);
    }
}

static void ask_readable(hf_uring *u, listener *l)
{
    struct io_uring_sqe *sqe = ask(u);
    if (sqe == NULL)
        return; /* the next turn tries again */
    io_uring_prep_poll_add(sqe, l->watch.fd, POLLIN);
    sqe->user_data = name_of(&l->watch, ASKED_PLAIN);
    l->armed = true;
}

static void ask_wake(hf_uring *u)
{
    struct io_uring_sqe *sqe = ask(u);
    if (sqe == NULL)
        return;
    io_uring_prep_read(sqe, u->wake.fd, &u->wake_count, sizeof u->wake_count, 0);
    sqe->user_data = name_of(&u->wake, ASKED_WAKE);
    u->wake_armed = true;
}

/* ---- buffers ------------------------------------------------------------------------------------------------ */

static uint8_t *buffer_at(const hf_uring *u, unsigned id)
{
    return u->buffers + (size_t)id * BUFFER_STRIDE;
}

static void offer(hf_uring *u, uint16_t id)
{
    io_uring_buf_ring_add(u->offered, buffer_at(u, id), BUFFER_BYTES, id, BUFFERS - 1, 0);
    io_uring_buf_ring_advance(u->offered, 1);
}

/* The front buffer of a socket is read. */
static void drop_front(hf_uring *u, inflow *in)
{
    const uint16_t id = in->first;
    in->first = u->next[id];
    u->reader[id] = NULL;
    u->unread--;
    offer(u, id);
}

static void chain(hf_uring *u, hf_watch *w, uint16_t id, size_t length)
{
    inflow *in = inflow_of(w);
    u->reader[id] = w;
    u->at[id] = 0;
    u->length[id] = (uint16_t)length;
    u->next[id] = NONE;
    u->unread++;
    if (in->first == NONE)
        in->first = id;
    else
        u->next[in->last] = id;
    in->last = id;
    in->bytes += length;
}

static void forget_unread(hf_uring *u, inflow *in)
{
    while (in->first != NONE)
        drop_front(u, in);
    while (in->spilt != NULL) {
        spill *s = in->spilt;
        in->spilt = s->next;
        hf_free(&u->home.env->alloc, s, sizeof *s + s->capacity);
    }
    in->bytes = 0;
}

static size_t copy_spilt(hf_uring *u, inflow *in, hf_span room)
{
    size_t n = 0;
    while (in->spilt != NULL && n < room.len) {
        spill *s = in->spilt;
        const size_t part = s->length - s->at < room.len - n ? s->length - s->at : room.len - n;
        memcpy(room.ptr + n, s->bytes + s->at, part);
        n += part;
        s->at += (uint32_t)part;
        if (s->at < s->length)
            break;
        in->spilt = s->next;
        hf_free(&u->home.env->alloc, s, sizeof *s + s->capacity);
    }
    in->bytes -= n;
    return n;
}

static size_t copy_buffers(hf_uring *u, inflow *in, hf_span room)
{
    size_t n = 0;
    while (in->first != NONE && n < room.len) {
        const uint16_t id = in->first;
        const size_t left = (size_t)(u->length[id] - u->at[id]);
        const size_t part = left < room.len - n ? left : room.len - n;
        memcpy(room.ptr + n, buffer_at(u, id) + u->at[id], part);
        n += part;
        u->at[id] = (uint16_t)(u->at[id] + part);
        if (part == left)
            drop_front(u, in);
    }
    in->bytes -= n;
    return n;
}

/* Moves what a socket has not read out of the shared buffers. */
static void spill_one(hf_uring *u, hf_watch *w)
{
    inflow *in = inflow_of(w);
    size_t total = 0;
    for (uint16_t id = in->first; id != NONE; id = u->next[id])
        total += (size_t)(u->length[id] - u->at[id]);
    spill *s = hf_alloc(&u->home.env->alloc, sizeof *s + total);
    if (s == NULL) {
        forget_unread(u, in);
        in->ended = true;
        in->error = ENOMEM;
        hf_socket_notify(w, EPOLLIN | EPOLLRDHUP);
        hf_socket_come_again(w);
        return;
    }
    *s = (spill){ .length = (uint32_t)total, .capacity = (uint32_t)total };
    const size_t before = in->bytes;
    copy_buffers(u, in, (hf_span){ s->bytes, total });
    in->bytes = before;
    spill **end = &in->spilt;
    while (*end != NULL)
        end = &(*end)->next;
    *end = s;
}

/* Sockets that had their turn and left bytes in the shared buffers (their owner takes nothing for now) keep them by
 * themselves: else a few of them could hold all buffers, and nobody would receive any more. */
static void spill_unread(hf_uring *u)
{
    for (size_t i = 0; i < BUFFERS && u->unread > 0; i++)
        if (u->reader[i] != NULL && !hf_socket_is_again(u->reader[i]))
            spill_one(u, u->reader[i]);
}

/* ---- what the sockets ask of us ----------------------------------------------------------------------------- */

static bool begin(hf_socket_home *home, hf_watch *w, bool connecting)
{
    hf_uring *u = uring_of(home);
    inflow *in = inflow_of(w);
    in->first = in->last = NONE;
    /* Before it is connected a receive would take the error that says why it never will be. */
    return connecting ? ask_output(u, w) : ask_receive(u, w);
}

static bool watch_output(hf_socket_home *home, hf_watch *w, bool on)
{
    return !on || ask_output(uring_of(home), w);
}

static ssize_t receive(hf_socket_home *home, hf_watch *w, hf_span room)
{
    hf_uring *u = uring_of(home);
    inflow *in = inflow_of(w);
    size_t n = copy_spilt(u, in, room);
    n += copy_buffers(u, in, (hf_span){ room.ptr + n, room.len - n });
    if (n == 0 && in->dozing && !in->receiving && !in->ended)
        return recv(w->fd, room.ptr, room.len, MSG_DONTWAIT);
    if (in->bytes == 0 && !in->receiving && !in->ended && !in->hungry && !in->dozing && !ask_receive(u, w)) {
        in->ended = true;
        in->error = ENOMEM;
        hf_socket_notify(w, EPOLLIN | EPOLLRDHUP);
    }
    if (n > 0)
        return (ssize_t)n;
    errno = in->ended ? in->error : EAGAIN;
    return in->ended && in->error == 0 ? 0 : -1;
}

static bool doze(hf_socket_home *home, hf_watch *w)
{
    hf_uring *u = uring_of(home);
    inflow *in = inflow_of(w);
    if (in->ended || in->hungry || (in->receiving && !in->stopping && !ask_cancel(u, w, ASKED_RECEIVE)))
        return false;
    in->stopping = in->receiving;
    return in->dozing = true;
}

static bool rouse(hf_socket_home *home, hf_watch *w)
{
    inflow *in = inflow_of(w);
    in->dozing = false;
    return in->receiving || in->ended || ask_receive(uring_of(home), w);
}

static void leave_hungry(hf_uring *u, hf_watch *w)
{
    hf_watch *before = NULL;
    for (hf_watch *at = u->hungry; at != w; at = inflow_of(at)->next_hungry)
        before = at;
    if (before != NULL)
        inflow_of(before)->next_hungry = inflow_of(w)->next_hungry;
    else
        u->hungry = inflow_of(w)->next_hungry;
    if (u->hungry_last == w)
        u->hungry_last = before;
}

static bool leave(hf_socket_home *home, hf_watch *w)
{
    hf_uring *u = uring_of(home);
    inflow *in = inflow_of(w);
    forget_unread(u, in);
    if (in->hungry)
        leave_hungry(u, w);
    if (in->flying == 0 || (u->enabled && !may_submit(u))) /* when its thread ended, the kernel gave up all it had asked */
        return false;
    const bool asked = (!in->receiving || in->stopping || ask_cancel(u, w, ASKED_RECEIVE)) &&
                       (!in->polling || ask_cancel(u, w, ASKED_OUTPUT));
    if (!asked)
        (void)shutdown(w->fd, SHUT_RDWR); /* this ends them, too */
    in->gone = true;
    w->owner = u->gone;
    u->gone = w;
    return true;
}

/* Sockets that are gone for the kernel, too. */
static void bury(hf_uring *u, bool all)
{
    void **at = (void **)&u->gone;
    while (*at != NULL) {
        hf_watch *w = *at;
        if (inflow_of(w)->flying > 0 && !all) {
            at = &w->owner;
            continue;
        }
        *at = w->owner;
        hf_socket_bury(&u->home, w);
    }
}

static const hf_home_ops home_ops = {
    .more_bytes = sizeof(inflow),
    .output_once = true,
    .begin = begin,
    .watch_output = watch_output,
    .receive = receive,
    .doze = doze,
    .rouse = rouse,
    .leave = leave,
};

/* ---- completions -------------------------------------------------------------------------------------------- */

/* The kernel found no buffer for this socket. It asks again when there are some: at once would be for ever, since nobody
 * reads what lies in them before this wait returns. */
static void go_hungry(hf_uring *u, hf_watch *w)
{
    inflow *in = inflow_of(w);
    in->hungry = true;
    in->next_hungry = NULL;
    if (u->hungry != NULL)
        inflow_of(u->hungry_last)->next_hungry = w;
    else
        u->hungry = w;
    u->hungry_last = w;
}

/* Asks again for what ended by itself, or ends what brings more than may be held. */
static void steer_receive(hf_uring *u, hf_watch *w)
{
    inflow *in = inflow_of(w);
    const bool full = hf_socket_held(w) + in->bytes >= u->home.env->limits->input_bytes;
    if (in->receiving) {
        in->stopping = in->stopping || (full && ask_cancel(u, w, ASKED_RECEIVE));
    } else if (!in->ended && !in->dozing) {
        hf_socket_notify(w, EPOLLIN); /* receive() asks again when there is room */
        if (!full)
            (void)ask_receive(u, w);
    }
}

static void on_received(hf_uring *u, hf_watch *w, int result, unsigned flags)
{
    inflow *in = inflow_of(w);
    const uint16_t id = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
    const bool has_buffer = flags & IORING_CQE_F_BUFFER;
    if (!(flags & IORING_CQE_F_MORE)) {
        in->receiving = in->stopping = false;
        in->flying--;
    }
    if (has_buffer && (result <= 0 || in->gone || in->ended))
        offer(u, id);
    if (in->gone || in->ended)
        return;
    if (result > 0) {
        chain(u, w, id, (size_t)result);
        hf_socket_notify(w, EPOLLIN);
        hf_socket_come_again(w);
    } else if (result == 0 || (result != -ENOBUFS && result != -ECANCELED && result != -EINTR && result != -EAGAIN)) {
        in->ended = true;
        in->error = -result;
        hf_socket_notify(w, EPOLLIN | EPOLLRDHUP);
        hf_socket_come_again(w);
    }
    if (result == -ENOBUFS && !in->receiving)
        go_hungry(u, w);
    else
        steer_receive(u, w);
}

/* As many as there are buffers, in the order in which they found none. */
static void feed_hungry(hf_uring *u)
{
    for (size_t left = BUFFERS - u->unread; left > 0 && u->hungry != NULL; left--) {
        hf_watch *w = u->hungry;
        inflow *in = inflow_of(w);
        u->hungry = in->next_hungry;
        in->hungry = false;
        steer_receive(u, w);
    }
}

static void on_output(hf_watch *w)
{
    inflow *in = inflow_of(w);
    in->polling = false;
    in->flying--;
    if (in->gone)
        return;
    hf_socket_notify(w, EPOLLOUT | (in->receiving || in->ended ? 0 : EPOLLIN));
    hf_socket_come_again(w);
}

static void rest(hf_uring *u)
{
    u->resting_until = hf_time_after(u->home.now, REST_NS);
}

/* Fills one event, or none. */
static size_t on_accepted(hf_uring *u, listener *l, int result, unsigned flags, hf_io_event *event)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    if (!(flags & IORING_CQE_F_MORE)) {
        l->armed = false;
        u->unarmed = u->unarmed || l->watch.fd >= 0;
    }
    *event = (hf_io_event){ .kind = HF_IO_ACCEPT_FAILED, .owner = l->watch.owner, .local = l->at };
    if (result < 0) {
        if (result == -ECONNABORTED || result == -EINTR || result == -EAGAIN || result == -ECANCELED)
            return 0;
        const bool descriptors = result == -EMFILE || result == -ENFILE;
        event->err = hf_err_make(descriptors ? HF_ERR_IO_DESCRIPTORS : HF_ERR_IO_SYSTEM);
        rest(u);
        return 1;
    }
    if (getpeername(result, (struct sockaddr *)&from, &size) != 0) {
        close(result); /* its peer has given up already */
        return 0;
    }
    event->pier = hf_socket_new(&u->home, result, false);
    if (event->pier.self == NULL) {
        close(result);
        event->err = hf_err_make(HF_ERR_BASE_MEMORY);
        return 1;
    }
    event->kind = HF_IO_ACCEPTED;
    hf_address_from_kernel(&from, &event->peer);
    return 1;
}

/* Deals with one completion; fills one event, or none. */
static size_t complete(hf_uring *u, uint64_t name, int result, unsigned flags, hf_io_event *event)
{
    hf_watch *w = (hf_watch *)(uintptr_t)(name & ~(uint64_t)ASKED_MASK);
    switch (name & ASKED_MASK) {
    case ASKED_ACCEPT:
        return on_accepted(u, (listener *)w, result, flags, event);
    case ASKED_RECEIVE:
        on_received(u, w, result, flags);
        return 0;
    case ASKED_OUTPUT:
        on_output(w);
        return 0;
    case ASKED_PLAIN:
        ((listener *)w)->armed = false; /* asked anew before the next wait, and answered at once while there is something */
        *event = (hf_io_event){ .kind = HF_IO_READABLE, .owner = w->owner };
        return result > 0 && w->fd >= 0;
    case ASKED_WAKE:
        u->wake_armed = false;
        *event = (hf_io_event){ .kind = HF_IO_WOKEN };
        return result == sizeof u->wake_count;
    default:
        return 0; /* how a cancellation went: what it cancelled says so itself */
    }
}

/* ---- the loop ----------------------------------------------------------------------------------------------- */

/* The ring belongs to the thread that waits. (liburing 2.3 declares io_uring_enable_rings and does not export it.) */
static void enable(hf_uring *u)
{
    const long result = syscall(SYS_io_uring_register, u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    HF_ASSERT(result == 0);
    u->thread = pthread_self();
    u->enabled = true;
    (void)io_uring_register_ring_fd(&u->ring); /* faster where it is known */
}

static void prepare(hf_uring *u)
{
    if (!u->enabled)
        enable(u);
    if (u->unread > 0)
        spill_unread(u);
    feed_hungry(u);
    if (!u->wake_armed)
        ask_wake(u);
    for (size_t i = 0; i < LISTENERS; i++)
        if (u->plain[i].watch.fd >= 0 && !u->plain[i].armed)
            ask_readable(u, &u->plain[i]);
    if (u->resting_until.ns != HF_NEVER_NS || !u->unarmed)
        return;
    u->unarmed = false;
    for (size_t i = 0; i < LISTENERS; i++) {
        listener *l = &u->listeners[i];
        if (l->watch.fd >= 0 && !l->armed)
            ask_accept(u, l);
        u->unarmed = u->unarmed || (l->watch.fd >= 0 && !l->armed);
    }
}

/* Their completions have them asked again. */
static void ask_anew(hf_uring *u)
{
    for (size_t i = 0; i < LISTENERS; i++)
        if (u->listeners[i].watch.fd >= 0 && u->listeners[i].armed)
            (void)ask_cancel(u, &u->listeners[i].watch, ASKED_ACCEPT);
    u->anew_ns *= 2;
    u->anew_at = u->anew_ns > ANEW_LAST_NS ? HF_NEVER : hf_time_after(u->home.now, u->anew_ns);
}

/* Hands over what was asked, and waits for an answer until `until` (HF_NEVER: for ever). */
static void await(hf_uring *u, hf_time until)
{
    struct io_uring_cqe *first;
    struct __kernel_timespec left = { 0 };
    int result;
    until = hf_time_earlier(hf_time_earlier(until, u->anew_at), hf_time_earlier(u->resting_until, u->home.look_at));
    if (until.ns != HF_NEVER_NS) {
        const int64_t ns = until.ns - uring_clock(&u->io).ns;
        left.tv_sec = ns > 0 ? ns / 1000000000 : 0;
        left.tv_nsec = ns > 0 ? ns % 1000000000 : 0;
    }
    if (until.ns != HF_NEVER_NS && left.tv_sec == 0 && left.tv_nsec == 0)
        result = io_uring_submit_and_get_events(&u->ring);
    else
        result = io_uring_submit_and_wait_timeout(&u->ring, &first, 1, until.ns == HF_NEVER_NS ? NULL : &left, NULL);
    if (result < 0 && result != -ETIME && result != -EINTR) {
        const struct timespec moment = { 0, 1000000 }; /* out of memory, most likely: what was asked is still there */
        nanosleep(&moment, NULL);
    }
}

/* Waits once. *own: nothing happened that is the caller's affair, only that something was cancelled. */
static size_t wait_once(hf_uring *u, hf_time until, hf_io_event *events, size_t capacity, bool *own)
{
    struct io_uring_cqe *cqe;
    size_t n = 0;
    prepare(u);
    const bool busy = u->home.again.first != NULL || u->hungry != NULL || io_uring_cq_ready(&u->ring) > 0;
    await(u, busy ? hf_time_make(0) : until);
    read_clocks(u);
    if (!hf_time_before(u->home.now, u->resting_until)) {
        u->resting_until = HF_NEVER;
        u->unarmed = true;
    }
    unsigned ready = io_uring_cq_ready(&u->ring);
    *own = !busy && ready > 0;
    if (!hf_time_before(u->home.now, u->anew_at)) {
        ask_anew(u);
        *own = !busy;
    }
    /* Not those that come meanwhile: what follows may submit, and the owners must have their turn. */
    for (; ready > 0 && n < capacity / 2; ready--) {
        if (io_uring_peek_cqe(&u->ring, &cqe) != 0)
            break;
        const struct io_uring_cqe c = *cqe; /* its place is given back first */
        io_uring_cqe_seen(&u->ring, cqe);
        *own = *own && ((c.user_data & ASKED_MASK) == 0 || ((c.user_data & ASKED_MASK) == ASKED_ACCEPT && c.res == -ECANCELED));
        n += complete(u, c.user_data, c.res, c.flags, &events[n]);
    }
    for (hf_watch *w; n < capacity && (w = hf_socket_again(&u->home)) != NULL;)
        events[n++] = (hf_io_event){ .kind = HF_IO_READY, .owner = w->owner };
    if (u->gone != NULL)
        bury(u, false);
    return n;
}

static size_t uring_wait_events(hf_io *io, hf_time until, hf_io_event *events, size_t capacity)
{
    hf_uring *u = (hf_uring *)io;
    bool own;
    size_t n;
    HF_ASSERT(capacity > 1);
    do
        n = wait_once(u, until, events, capacity, &own);
    while (n == 0 && own && hf_time_before(u->home.now, until));
    return n;
}

static hf_time uring_now(hf_io *io)
{
    return ((hf_uring *)io)->home.now;
}

static hf_wall uring_wall(hf_io *io)
{
    return (hf_wall){ ((hf_uring *)io)->wall_ms / 1000 };
}

static int64_t uring_wall_ms(hf_io *io)
{
    return ((hf_uring *)io)->wall_ms;
}

static hf_err uring_listen(hf_io *io, const hf_address *at, int handle, void *owner)
{
    hf_uring *u = (hf_uring *)io;
    hf_err err = HF_OK;
    size_t i = 0;
    while (i < LISTENERS && (u->listeners[i].watch.fd >= 0 || u->listeners[i].armed))
        i++;
    if (i == LISTENERS)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    if (handle < 0)
        handle = hf_listen_socket(at, &err);
    else
        handle = fcntl(handle, F_DUPFD_CLOEXEC, 0); /* ours to close, whatever the caller does with its own */
    if (handle < 0)
        return err.code != 0 ? err : hf_err_make(HF_ERR_IO_DESCRIPTORS);
    u->listeners[i] = (listener){ .watch = { HF_WATCH_LISTENER, handle, owner }, .at = *at };
    u->unarmed = true;
    return HF_OK;
}

/* The kernel lets go of a listener only when the accept that waits on it has ended. Connections that it had accepted
 * before are still reported: they would be lost otherwise. */
static void unlisten(hf_uring *u, const hf_address *at)
{
    bool asked = false;
    for (size_t i = 0; i < LISTENERS; i++) {
        listener *l = &u->listeners[i];
        if (l->watch.fd < 0 || (at != NULL && !hf_address_same(&l->at, at)))
            continue;
        if (l->armed && may_submit(u))
            asked = ask_cancel(u, &l->watch, ASKED_ACCEPT) || asked;
        close(l->watch.fd);
        l->watch.fd = -1;
    }
    if (asked)
        (void)io_uring_submit_and_get_events(&u->ring);
}

static void uring_unlisten(hf_io *io)
{
    hf_uring *u = (hf_uring *)io;
    unlisten(u, NULL);
    u->unarmed = false;
    u->resting_until = HF_NEVER;
}

static void uring_unlisten_at(hf_io *io, const hf_address *at)
{
    unlisten((hf_uring *)io, at);
}

static hf_err uring_connect(hf_io *io, const hf_address *to, void *owner, hf_pier *pier)
{
    hf_uring *u = (hf_uring *)io;
    hf_err err;
    const int fd = hf_connect_socket(to, &err);
    if (fd < 0)
        return err;
    *pier = hf_socket_new(&u->home, fd, true);
    if (pier->self == NULL) {
        close(fd);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    hf_socket_own(*pier, owner);
    return HF_OK;
}

static hf_err uring_watch(hf_io *io, int descriptor, void *owner)
{
    hf_uring *u = (hf_uring *)io;
    size_t i = 0;
    while (i < LISTENERS && (u->plain[i].watch.fd >= 0 || u->plain[i].armed))
        i++;
    if (i == LISTENERS)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    u->plain[i] = (listener){ .watch = { HF_WATCH_PLAIN, descriptor, owner } };
    return HF_OK;
}

static void uring_unwatch(hf_io *io, int descriptor)
{
    hf_uring *u = (hf_uring *)io;
    for (size_t i = 0; i < LISTENERS; i++) {
        listener *l = &u->plain[i];
        if (l->watch.fd != descriptor)
            continue;
        if (l->armed && may_submit(u) && ask_cancel(u, &l->watch, ASKED_PLAIN))
            (void)io_uring_submit_and_get_events(&u->ring);
        l->watch.fd = -1;
    }
}

static void uring_own(hf_io *io, hf_pier pier, void *owner)
{
    (void)io;
    hf_socket_own(pier, owner);
}

static void uring_wake(hf_io *io)
{
    const uint64_t one = 1;
    if (write(((hf_uring *)io)->wake.fd, &one, sizeof one) < 0)
        return; /* only a signal could interrupt it, and then there is one more wake to come */
}

/* ---- life --------------------------------------------------------------------------------------------------- */

/* Connections that were accepted and never reported. */
static void close_unreported(hf_uring *u)
{
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
        if ((cqe->user_data & ASKED_MASK) == ASKED_ACCEPT && cqe->res >= 0)
            close(cqe->res);
        io_uring_cqe_seen(&u->ring, cqe);
    }
}

static void give_up_ring(hf_uring *u)
{
    struct io_uring_sqe *sqe;
    if (may_submit(u) && (sqe = ask(u)) != NULL) {
        io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        sqe->user_data = 0;
        (void)io_uring_submit_and_get_events(&u->ring);
    }
    close_unreported(u);
    io_uring_queue_exit(&u->ring);
}

static void uring_free(hf_io *io)
{
    hf_uring *u = (hf_uring *)io;
    const hf_allocator *a = &u->home.env->alloc;
    uring_unlisten(io);
    if (u->has_ring)
        give_up_ring(u);
    bury(u, true);
    const int own[] = { u->wake.fd, u->bell, u->outside };
    for (size_t i = 0; i < HF_COUNT(own); i++)
        if (own[i] >= 0)
            close(own[i]);
    hf_uring_ring_unmap(u->offered, BUFFERS);
    hf_free(a, u->buffers, (size_t)BUFFERS * BUFFER_STRIDE);
    hf_free(a, u->home.shared, HF_SHARED_BYTES);
    hf_free(a, u, sizeof *u);
}

static const hf_io_ops uring_ops = {
    .name = "io_uring",
    .now = uring_now,
    .wall = uring_wall,
    .clock = uring_clock,
    .wall_ms = uring_wall_ms,
    .wait = uring_wait_events,
    .listen = uring_listen,
    .unlisten = uring_unlisten,
    .unlisten_at = uring_unlisten_at,
    .connect = uring_connect,
    .watch = uring_watch,
    .unwatch = uring_unwatch,
    .own = uring_own,
    .wake = uring_wake,
    .free = uring_free,
};

static bool make_ring(hf_uring *u, bool plain)
{
    hf_uring_ring r = { .entries = ENTRIES, .completions = COMPLETIONS, .buffers = BUFFERS, .group = GROUP, .plain = plain, .ring = &u->ring };
    const bool good = hf_uring_ring_make(&r);
    u->has_ring = r.has_ring;
    u->offered = r.offered;
    for (uint16_t i = 0; good && i < BUFFERS; i++)
        offer(u, i);
    return good;
}

hf_io *hf_uring_new(const hf_env *env, bool plain, hf_err *err)
{
    hf_uring *u = hf_alloc_zeroed(&env->alloc, sizeof *u);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (u == NULL)
        return NULL;
    u->io.ops = &uring_ops;
    u->home = (hf_socket_home){ .ops = &home_ops, .env = env, .epoll_fd = -1, .look_at = HF_NEVER,
        .shared = hf_alloc(&env->alloc, HF_SHARED_BYTES) };
    u->bell = u->outside = -1;
    u->buffers = hf_alloc(&env->alloc, (size_t)BUFFERS * BUFFER_STRIDE);
    u->wake = (hf_watch){ .kind = HF_WATCH_WAKE, .fd = eventfd(0, EFD_CLOEXEC) };
    u->resting_until = u->anew_at = HF_NEVER;
    for (size_t i = 0; i < LISTENERS; i++)
        u->listeners[i].watch.fd = u->plain[i].watch.fd = -1;
    read_clocks(u);
    const bool memory = u->home.shared != NULL && u->buffers != NULL;
    if (memory && u->wake.fd >= 0 && make_ring(u, plain)) {
        *err = HF_OK;
        return &u->io;
    }
    const int e = errno;
    if (memory)
        *err = hf_err_make(HF_ERR_IO_SYSTEM);
    uring_free(&u->io);
    errno = e;
    return NULL;
}

bool hf_uring_is_built(void)
{
    return true;
}

/* ---- a loop that waits elsewhere ---------------------------------------------------------------------------- */

bool hf_uring_is(const hf_io *io)
{
    return io->ops == &uring_ops;
}

static bool add_outside(const hf_uring *u, int fd)
{
    struct epoll_event ev = { .events = EPOLLIN };
    return epoll_ctl(u->outside, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* The ring's own descriptor does not always wake who sleeps in poll on it for what is only done when the ring is entered
 * (IORING_SETUP_DEFER_TASKRUN), and an eventfd that is rung because another was written to may be rung much later. So both are
 * looked at: the bell for sockets, and the eventfd of wake by itself. */
int hf_uring_descriptor(hf_io *io)
{
    hf_uring *u = (hf_uring *)io;
    if (u->outside >= 0)
        return u->outside;
    u->outside = epoll_create1(EPOLL_CLOEXEC);
    u->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (u->outside >= 0 && u->bell >= 0 && add_outside(u, u->bell) && add_outside(u, u->wake.fd) &&
        io_uring_register_eventfd(&u->ring, u->bell) == 0)
        return u->outside;
    if (u->outside >= 0)
        close(u->outside);
    if (u->bell >= 0)
        close(u->bell);
    u->outside = u->bell = -1;
    return -1;
}

hf_time hf_uring_wake(const hf_io *io)
{
    const hf_uring *u = (const hf_uring *)io;
    const bool waits = !u->enabled || u->home.again.first != NULL || u->hungry != NULL || io_uring_cq_ready(&u->ring) > 0;
    return waits ? hf_time_make(0) : hf_time_earlier(hf_time_earlier(u->resting_until, u->anew_at), u->home.look_at);
}

void hf_uring_settle(hf_io *io)
{
    hf_uring *u = (hf_uring *)io;
    uint64_t rung;
    if (u->bell >= 0 && read(u->bell, &rung, sizeof rung) < 0) /* first: what comes from now on rings again */
        rung = 0;
    prepare(u);
    (void)io_uring_submit_and_get_events(&u->ring); /* what does not go now goes with the next wait */
}
