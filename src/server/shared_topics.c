/* SPDX-License-Identifier: Apache-2.0
 *
 * Two connections, a list of what was published, and the core: a loop of its own, for what a far Redis does must not be felt
 * by a loop that serves. Nothing in it waits but poll: while a name is looked up what is published is told here all the same.
 */
#include "shared_topics.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "alloc.h"
#include "allocator.h"
#include "crypto_secret.h"
#include "log.h"
#include "queue.h"
#include "random.h"
#include "redis.h"
#include "resolver.h"
#include "thread.h"
#include "topic_list.h"

enum { READ_ROOM = 65536 };

typedef struct connection {
    int fd; /* -1: none */
    bool connecting;
    bool asking;    /* waits for the name's addresses */
    size_t address; /* of a name's, the one that is tried: it changes when that fails */
    hf_queue in; /* what the core has not done with */
} connection;

struct hf_shared_topics {
    hf_topics *topics;
    hf_topics_upstream upstream;
    hf_redis_address address;
    hf_limits limits;
    hf_random random;
    hf_env env;
    hf_topic_bridge *bridge; /* the thread's, like the next two */
    connection lanes[HF_TOPIC_LANES];
    hf_resolver *resolver;
    hf_query *query; /* while a lane asks */
    bool said_away; /* once for each time that Redis goes away */
    int bell;       /* an eventfd: there is something to do */
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t settled_now;
    hf_topic_list published;
    bool ringing, settled, stopping;
    hf_topic_bridge_state state;
};

static hf_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return hf_time_make((int64_t)t.tv_sec * HF_SECONDS(1) + t.tv_nsec);
}

/* ---- what is published: any thread -------------------------------------------------------------------------------- */

static void ring(hf_shared_topics *s)
{
    const uint64_t one = 1;
    if (!s->ringing)
        (void)!write(s->bell, &one, sizeof one);
    s->ringing = true;
}

static hf_err take_on(hf_shared_topics *s, const hf_topic_message *m)
{
    const uint64_t size = hf_topic_message_size(m);
    /* Redis is there, and slow: who publishes is told so. Without it the bridge keeps what it can. */
    const uint64_t waiting = s->published.bytes + (s->state.joined ? s->state.waiting_bytes : 0);
    if (s->published.count >= s->limits.messages || (waiting > 0 && waiting + size > s->limits.topics_waiting_bytes))
        return hf_err_make(HF_ERR_BASE_LIMIT);
    const hf_err err = hf_topic_list_add(&s->published, m);
    if (err.code == 0)
        ring(s);
    return err;
}

static hf_err publish(void *self, const hf_topic_message *m)
{
    hf_shared_topics *const s = self;
    pthread_mutex_lock(&s->lock);
    const hf_err err = take_on(s, m);
    pthread_mutex_unlock(&s->lock);
    return err;
}

/* Hands all of it to the core. */
static void take_in(hf_shared_topics *s)
{
    uint64_t rung;
    (void)!read(s->bell, &rung, sizeof rung);
    pthread_mutex_lock(&s->lock);
    hf_topic_list all = hf_topic_list_take(&s->published);
    s->state.waiting_bytes += all.bytes; /* until the next look */
    s->ringing = false;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < all.count; i++) {
        if (!hf_topic_bridge_publish(s->bridge, now(), all.at[i]))
            hf_log(HF_LOG_ERROR, hf_err_make(HF_ERR_BASE_MEMORY), "topics: a message is lost");
        hf_topic_message_drop(all.at[i]);
    }
    hf_topic_list_free(&all);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void hang_up(connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->address += c->connecting;
    c->connecting = c->asking = false;
    hf_queue_take(&c->in, hf_queue_length(&c->in));
    hf_queue_trim(&c->in);
}

static int begin(int family, const struct sockaddr *at, socklen_t length)
{
    const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, at, length) != 0 && errno != EINPROGRESS) {
        const int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static int begin_local(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof a.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    return begin(AF_UNIX, (const struct sockaddr *)&a, sizeof a);
}

/* Entry *from of the addresses, or those after it where that is none that can be tried. A connect that fails later says so to
 * hang_up, which moves on: the first of them may be one at which nobody listens. */
static int begin_any(const hf_query *q, size_t *from)
{
    for (size_t tries = 0; tries < q->count; tries++, ++*from) {
        struct sockaddr_storage at;
        const socklen_t length = hf_address_to_kernel(&q->at[*from % q->count], &at);
        const int fd = begin(at.ss_family, (const struct sockaddr *)&at, length);
        if (fd >= 0)
            return fd;
    }
    return -1;
}

/* Once for each time: who tries again need not say so. */
static void say_away(hf_shared_topics *s, hf_bytes why)
{
    if (!s->said_away)
        hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_TOPIC_REDIS), "topics: Redis at %s is away: %.*s", s->address.host, HF_STR(why));
    s->said_away = true;
}

static void closed(hf_shared_topics *s, hf_topic_lane lane, const char *why)
{
    say_away(s, hf_text(why));
    hang_up(&s->lanes[lane]);
    hf_topic_bridge_closed(s->bridge, lane, now());
}

/* A connect was begun, or there is none to wait for. */
static void begun(hf_shared_topics *s, hf_topic_lane lane, int fd, const char *why)
{
    connection *const c = &s->lanes[lane];
    c->fd = fd;
    c->connecting = fd >= 0;
    c->asking = false;
    if (fd < 0)
        closed(s, lane, why);
}

static void open_lane(hf_shared_topics *s, hf_topic_lane lane)
{
    if (!hf_topic_bridge_connects(s->bridge, lane, now()))
        return;
    if (s->address.port == 0) {
        const int fd = begin_local(s->address.host);
        begun(s, lane, fd, strerror(errno));
        return;
    }
    if (s->query == NULL)
        s->query = hf_resolver_ask(s->resolver, s->address.host, s->address.port, false);
    s->lanes[lane].asking = s->query != NULL;
    if (s->query == NULL)
        closed(s, lane, "no memory");
}

/* The addresses are there, or nobody waits for them any more. The next connect asks again: they may be others by then. */
static void see_addresses(hf_shared_topics *s)
{
    hf_query *const q = s->query;
    const bool there = q != NULL && q->answered[0] && q->answered[1];
    bool wanted = false;
    for (hf_topic_lane i = 0; there && i < HF_TOPIC_LANES; i++)
        if (s->lanes[i].asking) {
            const int fd = begin_any(q, &s->lanes[i].address);
            begun(s, i, fd, q->count > 0 ? strerror(errno) : q->words != NULL ? q->words : "its name has no address");
        }
    for (hf_topic_lane i = 0; i < HF_TOPIC_LANES; i++)
        wanted = wanted || s->lanes[i].asking;
    if (q == NULL || wanted)
        return;
    hf_query_forget(q);
    s->query = NULL;
}

/* ---- the core ------------------------------------------------------------------------------------------------------ */

/* A thread that serves is behind: it is waited for, since nobody may miss anything. */
static void pass_on(hf_shared_topics *s, const hf_topic_bridge_event *e)
{
    hf_err err;
    for (;;) {
        err = e->kind == HF_TOPIC_BRIDGE_TELL ? hf_topics_insert(s->topics, e->message) : hf_topics_recall(s->topics, e->message);
        pthread_mutex_lock(&s->lock);
        const bool stopping = s->stopping;
        pthread_mutex_unlock(&s->lock);
        if (err.code != HF_ERR_BASE_LIMIT || stopping)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    if (err.code != 0)
        hf_topics_move(s->topics, e->at); /* no memory: that something is missing is told */
    hf_topic_message_drop(e->message);
}

static void settle(hf_shared_topics *s)
{
    pthread_mutex_lock(&s->lock);
    s->settled = true;
    pthread_cond_broadcast(&s->settled_now);
    pthread_mutex_unlock(&s->lock);
}

static void deal_with(hf_shared_topics *s, const hf_topic_bridge_event *e)
{
    switch (e->kind) {
    case HF_TOPIC_BRIDGE_MOVE:
        hf_topics_move(s->topics, e->at);
        break;
    case HF_TOPIC_BRIDGE_RECALL:
    case HF_TOPIC_BRIDGE_TELL:
        pass_on(s, e);
        break;
    case HF_TOPIC_BRIDGE_JOINED:
        hf_log(HF_LOG_INFO, HF_OK, "topics are shared through Redis at %s", s->address.host);
        s->said_away = false;
        settle(s);
        break;
    case HF_TOPIC_BRIDGE_ALONE:
        hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_TOPIC_REDIS), "topics are told to this server's own subscribers alone");
        settle(s);
        break;
    case HF_TOPIC_BRIDGE_HANG_UP:
        say_away(s, e->why);
        hang_up(&s->lanes[e->lane]);
        break;
    }
}

static void step(hf_shared_topics *s, hf_topic_lane lane)
{
    connection *const c = &s->lanes[lane];
    hf_topic_bridge_event event;
    for (;;) {
        const hf_span held = hf_queue_peek(&c->in);
        hf_in in = { .ptr = held.ptr, .len = held.len };
        const hf_step answer = hf_topic_bridge_step(s->bridge, now(), lane, &in, &event);
        hf_queue_take(&c->in, in.used);
        if (answer != HF_EVENT)
            break;
        deal_with(s, &event);
    }
    hf_queue_trim(&c->in);
}

static void read_lane(hf_shared_topics *s, hf_topic_lane lane)
{
    connection *const c = &s->lanes[lane];
    const hf_span room = hf_queue_reserve(&c->in, READ_ROOM);
    const ssize_t n = room.ptr != NULL ? recv(c->fd, room.ptr, room.len, 0) : -1;
    if (n > 0) {
        hf_queue_commit(&c->in, (size_t)n);
        step(s, lane);
    } else if (room.ptr == NULL || n == 0 || (errno != EAGAIN && errno != EINTR)) {
        closed(s, lane, room.ptr == NULL ? "no memory" : n == 0 ? "it ended the connection" : strerror(errno));
    }
}

static void write_lane(hf_shared_topics *s, hf_topic_lane lane)
{
    const hf_bytes out = hf_topic_bridge_peek(s->bridge, lane);
    const ssize_t n = out.len > 0 ? send(s->lanes[lane].fd, out.ptr, out.len, MSG_NOSIGNAL) : 0;
    if (n > 0)
        hf_topic_bridge_take(s->bridge, lane, (size_t)n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        closed(s, lane, strerror(errno));
}

static void connected(hf_shared_topics *s, hf_topic_lane lane)
{
    int err = 0;
    socklen_t size = sizeof err;
    if (getsockopt(s->lanes[lane].fd, SOL_SOCKET, SO_ERROR, &err, &size) != 0 || err != 0) {
        closed(s, lane, strerror(err != 0 ? err : errno));
        return;
    }
    s->lanes[lane].connecting = false;
    hf_topic_bridge_opened(s->bridge, lane, now());
}

/* ---- the thread ------------------------------------------------------------------------------------------------------ */

static int wait_ms(const hf_shared_topics *s)
{
    const int64_t patience = s->query != NULL ? hf_resolver_patience(s->resolver) : -1, wake = hf_topic_bridge_wake(s->bridge).ns - now().ns;
    const int64_t ns = patience >= 0 && patience < wake ? patience : wake;
    return ns <= 0 ? 0 : ns > HF_SECONDS(60) ? 60000 : (int)((ns + 999999) / 1000000);
}

static void wait_and_carry(hf_shared_topics *s)
{
    struct pollfd polled[HF_TOPIC_LANES + 1 + HF_RESOLVER_DESCRIPTORS], *const resolving = polled + HF_TOPIC_LANES + 1;
    for (hf_topic_lane i = 0; i < HF_TOPIC_LANES; i++) {
        const connection *const c = &s->lanes[i];
        const bool writes = c->connecting || (c->fd >= 0 && hf_topic_bridge_peek(s->bridge, i).len > 0);
        polled[i] = (struct pollfd){ .fd = c->fd, .events = (short)((c->connecting ? 0 : POLLIN) | (writes ? POLLOUT : 0)) };
    }
    polled[HF_TOPIC_LANES] = (struct pollfd){ .fd = s->bell, .events = POLLIN };
    const size_t more = s->query != NULL ? hf_resolver_descriptors(s->resolver, resolving) : 0;
    (void)!poll(polled, HF_TOPIC_LANES + 1 + more, wait_ms(s));
    if (s->query != NULL)
        hf_resolver_turn(s->resolver, resolving, more);
    for (hf_topic_lane i = 0; i < HF_TOPIC_LANES; i++) {
        const connection *const c = &s->lanes[i];
        if (c->fd >= 0 && c->connecting && polled[i].revents != 0)
            connected(s, i);
        else if (c->fd >= 0 && !c->connecting && (polled[i].revents & (POLLIN | POLLHUP | POLLERR)))
            read_lane(s, i);
        if (c->fd >= 0 && !c->connecting && (polled[i].revents & POLLOUT))
            write_lane(s, i);
    }
}

static bool goes_on(hf_shared_topics *s, hf_time *until)
{
    pthread_mutex_lock(&s->lock);
    s->state = hf_topic_bridge_look(s->bridge);
    if (s->stopping && until->ns == HF_NEVER_NS) /* what waits gets its chance */
        *until = hf_time_after(now(), s->state.joined ? (int64_t)s->limits.store_ns : 0);
    const bool more = !s->stopping || (s->state.joined && s->state.waiting + s->published.count > 0 && hf_time_before(now(), *until));
    pthread_mutex_unlock(&s->lock);
    return more;
}

static void *run(void *argument)
{
    hf_shared_topics *const s = argument;
    hf_time until = HF_NEVER;
    while (goes_on(s, &until)) {
        take_in(s);
        for (hf_topic_lane i = 0; i < HF_TOPIC_LANES; i++)
            open_lane(s, i);
        see_addresses(s);
        for (hf_topic_lane i = 0; i < HF_TOPIC_LANES; i++)
            step(s, i);
        wait_and_carry(s);
    }
    return NULL;
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

/* RFC 3986 4.2: "A path segment that contains a colon character (e.g., "this:that") cannot be used as the first segment of a
 * relative-path reference, as it would be mistaken for a scheme name." Or for a host and its port. */
bool hf_shared_topics_is_file(const char *where)
{
    return where[0] != 0 && strcmp(where, "off") != 0 && strcmp(where, "memory") != 0 && where[strcspn(where, ":/")] != ':';
}

const char *hf_shared_topics_forms(void)
{
    return "must be the address of a Redis server: redis://[user:password@]host[:port][/database], or unix:///path[?db=database]; or a file of SQLite";
}

bool hf_shared_topics_fit(const char *url, hf_writer *why)
{
    hf_redis_address address;
    if (hf_redis_parse(url, &address, NULL).code == 0)
        return true;
    hf_write_text(why, "topics: the address of a Redis server is redis://[user:password@]host[:port][/database], or unix:///path[?db=database]\n");
    return false;
}

static void free_all(hf_shared_topics *s)
{
    for (size_t i = 0; i < HF_TOPIC_LANES; i++) {
        hang_up(&s->lanes[i]);
        hf_queue_fini(&s->lanes[i].in);
    }
    hf_query_forget(s->query);
    hf_resolver_free(s->resolver);
    for (size_t i = 0; i < s->published.count; i++)
        hf_topic_message_drop(s->published.at[i]);
    hf_topic_list_free(&s->published);
    hf_topic_bridge_free(s->bridge);
    if (s->bell >= 0)
        close(s->bell);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->settled_now);
    hf_wipe(&s->address, sizeof s->address); /* it has the password */
    hf_free(hf_allocator_default(), s, sizeof *s);
}

static void wait_until_settled(hf_shared_topics *s)
{
    const int64_t until = hf_time_after(now(), (int64_t)s->limits.topics_away_ns).ns;
    const struct timespec at = { .tv_sec = until / HF_SECONDS(1), .tv_nsec = until % HF_SECONDS(1) };
    pthread_mutex_lock(&s->lock);
    while (!s->settled)
        if (pthread_cond_timedwait(&s->settled_now, &s->lock, &at) != 0)
            break;
    pthread_mutex_unlock(&s->lock);
}

static hf_shared_topics *make(hf_topics *t, const hf_limits *limits)
{
    hf_shared_topics *const s = hf_alloc_zeroed(hf_allocator_default(), sizeof *s);
    pthread_condattr_t monotonic;
    if (s == NULL)
        return NULL;
    s->topics = t;
    s->upstream = (hf_topics_upstream){ s, publish };
    s->limits = *limits;
    s->env = (hf_env){ .alloc = *hf_allocator_default(), .random = &s->random, .limits = &s->limits };
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->settled_now, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < HF_TOPIC_LANES; i++) {
        s->lanes[i].fd = -1;
        hf_queue_init(&s->lanes[i].in, &s->env.alloc);
    }
    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->resolver = hf_resolver_new(NULL);
    return s;
}

hf_shared_topics *hf_shared_topics_open(hf_topics *t, const hf_limits *limits, const char *url, hf_err *err, hf_writer *why)
{
    uint64_t seed[2] = { 0, 0 };
    *err = hf_err_make(HF_ERR_BASE_USAGE);
    if (!hf_shared_topics_fit(url, why))
        return NULL;
    hf_shared_topics *const s = make(t, limits);
    *err = hf_err_make(s == NULL ? HF_ERR_BASE_MEMORY : HF_ERR_IO_SYSTEM);
    if (s == NULL)
        return NULL;
    const bool good = hf_redis_parse(url, &s->address, NULL).code == 0 && getrandom(seed, sizeof seed, 0) == sizeof seed && s->bell >= 0 &&
        s->resolver != NULL;
    hf_random_seed(&s->random, seed[0]);
    const hf_topic_bridge_options options = { .user = s->address.user, .password = s->address.password,
                                              .database = s->address.database, .origin = seed[1] };
    s->bridge = good ? hf_topic_bridge_new(&s->env, &options, now()) : NULL;
    if (s->bridge == NULL || hf_thread_start(&s->thread, run, s) != 0) {
        free_all(s);
        return NULL;
    }
    *err = HF_OK;
    wait_until_settled(s);
    hf_topics_lead(t, &s->upstream);
    return s;
}

void hf_shared_topics_close(hf_shared_topics *s)
{
    if (s == NULL)
        return;
    hf_topics_lead(s->topics, NULL);
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    ring(s);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    free_all(s);
}

hf_topic_bridge_state hf_shared_topics_look(hf_shared_topics *s)
{
    pthread_mutex_lock(&s->lock);
    const hf_topic_bridge_state state = s->state;
    pthread_mutex_unlock(&s->lock);
    return state;
}
