/* SPDX-License-Identifier: Apache-2.0
 *
 * The embedded server: handfast/server.h over the engine.
 */
#include <handfast/guards.h>
#include <handfast/server.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "listen.h"
#include "shared_topics.h"
#include "tickets.h"

struct hf_server {
    hf_engine *engine;
    hf_tickets *tickets; /* NULL: no https listener */
    hf_listen_set listening;
    uint16_t ports[HF_COUNT(((hf_server_options *)0)->listen)];
    _Atomic bool started;
    bool own_loop;
    int stop_fd; /* what run waits for, beside the signals */
    char why[4096]; /* NUL-terminated */
};

/* One for each thread that will serve HTTP/3. */
static uint8_t udp_sockets(const hf_server_options *o, const hf_listen_url *url)
{
    const uint32_t threads = o->own_loop ? 1 : o->threads > 0 ? o->threads : hf_engine_usable_cpus();
    return !url->tls || o->no_http3 ? 0 : (uint8_t)(threads < HF_ENGINE_UDP ? threads : HF_ENGINE_UDP);
}

static hf_err open_listeners(hf_server *s, const hf_server_options *o, hf_writer *why)
{
    hf_err result = HF_OK;
    for (size_t i = 0; i < HF_COUNT(o->listen) && o->listen[i] != NULL; i++) {
        hf_listen_url url;
        char text[512];
        const size_t first = s->listening.count;
        hf_err err = HF_OK;
        if (hf_listen_url_parse(o->listen[i], &url, text, sizeof text) != HF_LISTEN_OK) {
            hf_write_text(why, text);
            hf_write_text(why, "\n");
            err = hf_err_make(HF_ERR_IO_ADDRESS_SYNTAX);
        } else {
            url.udp = udp_sockets(o, &url);
            err = hf_listen_set_add(&s->listening, &url, why);
        }
        if (err.code != 0)
            result = err;
        else
            s->ports[i] = s->listening.at[first].at.port;
    }
    if (o->listen[0] == NULL) {
        hf_write_text(why, "options.listen is empty: give at least one address, such as \"http://localhost:8080\"\n");
        result = hf_err_make(HF_ERR_BASE_USAGE);
    }
    return result;
}

/* Who must come by https needs somewhere to come to. */
static void check_https(const hf_server_options *o, hf_writer *why)
{
    bool secure = false, wanted = false, known = true;
    for (size_t i = 0; i < HF_COUNT(o->listen) && o->listen[i] != NULL; i++)
        secure = secure || strncmp(o->listen[i], "https:", 6) == 0;
    for (size_t i = 0; o->routes != NULL && i < o->route_count; i++) {
        wanted = wanted || o->routes[i].https == HF_HTTPS_ALWAYS;
        known = known && (unsigned)o->routes[i].https <= HF_HTTPS_NEVER_NEEDED;
    }
    if (wanted && !secure)
        hf_write_text(why, "a route with HF_HTTPS_ALWAYS needs an https listener to send others to: give \"https://HOST:PORT\" in options.listen\n");
    if (!known)
        hf_write_text(why, "a route's https is one of the names of hf_https\n");
}

/* Denials that explain themselves are for who sits at this machine (hf_req_is_at_home holds each request to that, too): a server that
 * others reach has no business with them. */
static hf_err check_explaining(const hf_server *s, const hf_server_options *o, hf_writer *why)
{
    const hf_listening *open_to_others = NULL;
    const hf_route *route = NULL;
    for (size_t i = 0; i < s->listening.count; i++)
        if (!hf_address_is_loopback(&s->listening.at[i].at))
            open_to_others = &s->listening.at[i];
    for (size_t i = 0; o->routes != NULL && i < o->route_count; i++)
        for (size_t k = 0; k < HF_ROUTE_GUARDS && o->routes[i].guards[k] != NULL; k++)
            if (o->routes[i].guards[k]->explain)
                route = &o->routes[i];
    if (open_to_others == NULL || route == NULL)
        return HF_OK;
    hf_write_text(why, "a guard of the route ");
    hf_write_text(why, route->path);
    hf_write_text(why, " has .explain, which is for development, and ");
    hf_address_write(why, &open_to_others->at, true);
    hf_write_text(why, " can be reached from other machines: leave .explain out, or listen at localhost alone\n");
    return hf_err_make(HF_ERR_BASE_USAGE);
}

/* What the members say together; every reason is told. */
static hf_err check_options(const hf_server_options *o, hf_writer *why)
{
    const size_t before = why->length;
    if (o->own_loop && o->threads > 1)
        hf_write_text(why, "options.own_loop: a loop of your own is one thread, so threads is 0 or 1\n");
    if (o->io > HF_SERVER_IO_URING)
        hf_write_text(why, "options.io is one of the names of hf_server_io\n");
    if (o->keys != NULL && (o->keys->claim == NULL || o->keys->keep == NULL || o->keys->forget == NULL))
        hf_write_text(why, "options.keys: claim, keep and forget are all there, as hf_sqlite_keys_open gives them\n");
    if (o->routes == NULL && o->route_count > 0)
        hf_write_text(why, "options.routes is NULL, and route_count is not 0\n");
    if (o->topics_redis != NULL)
        (void)hf_shared_topics_fit(o->topics_redis, why);
    if (o->topics_redis != NULL && o->topics_file != NULL)
        hf_write_text(why, "options.topics_redis and options.topics_file: one of them, for topics have one history\n");
    for (size_t i = 0; o->topics != NULL && i < o->topic_count; i++)
        if (!hf_topic_pattern_is_fit(hf_text(o->topics[i].pattern), o->limits != NULL ? o->limits : hf_limits_default()))
            hf_write_text(why, "options.topics: each has a pattern, such as \"board/*\"\n");
    for (size_t i = 0; o->routes != NULL && i < o->route_count; i++)
        if (o->routes[i].limits != NULL && o->routes[i].limits->memory_bytes == 0)
            hf_write_text(why, "the limits of a route begin as a copy of the server's: a limit of 0 is none at all\n");
    check_https(o, why);
    if (o->limits != NULL && o->limits->memory_bytes == 0)
        hf_write_text(why, "options.limits begins as a copy of *hf_limits_default(): a limit of 0 is none at all\n");
    return why->length == before ? HF_OK : hf_err_make(HF_ERR_BASE_USAGE);
}

/* What https listeners need: *secure stays NULL where there are none. */
static hf_err open_secure(hf_server *s, const hf_server_options *o, hf_secure **secure, hf_writer *why)
{
    hf_identity_source sources[HF_COUNT(o->identities)];
    size_t count = 0;
    bool wanted = false;
    const size_t before = why->length;
    *secure = NULL;
    for (size_t i = 0; i < s->listening.count; i++)
        wanted = wanted || s->listening.at[i].secure;
    if (!wanted)
        return HF_OK;
    for (; count < HF_COUNT(o->identities) && o->identities[count].certificate != NULL; count++)
        sources[count] = (hf_identity_source){ .certificate = o->identities[count].certificate, .key = o->identities[count].key };
    if (count == 0)
        hf_write_text(why, "options.identities is empty, and an https listener needs a certificate and its key\n");
    for (size_t i = 0; i < count; i++)
        if (sources[i].key == NULL)
            hf_write_text(why, "options.identities: a certificate has no key\n");
    if (why->length > before)
        return hf_err_make(HF_ERR_BASE_USAGE);
    hf_identities *ids = hf_identities_load(sources, count, NULL, why);
    const hf_limits *const limits = o->limits != NULL ? o->limits : hf_limits_default();
    s->tickets = hf_tickets_new(limits->tls_strikes);
    const hf_secure_options plain = { .questions = 1, .tickets = s->tickets, .early_data = o->early_data,
        .rotate_s = (uint64_t)hf_tickets_period(limits->tls_ticket_s) };
    *secure = ids != NULL ? hf_secure_new(ids, -1, &plain, 0) : NULL;
    return *secure != NULL ? HF_OK : hf_err_make(ids == NULL ? HF_ERR_TLS_CERT_UNREADABLE : HF_ERR_BASE_MEMORY);
}

static hf_loop_kind loop_of(const hf_server_options *o)
{
    if (o->own_loop && o->io == HF_SERVER_IO_AUTO) /* io_uring wants one thread for life: who turns from several has epoll */
        return HF_LOOP_EPOLL;
    return o->io == HF_SERVER_IO_EPOLL ? HF_LOOP_EPOLL : o->io == HF_SERVER_IO_URING ? HF_LOOP_URING : HF_LOOP_AUTO;
}

hf_err hf_server_open(hf_server **server, const hf_server_options *o)
{
    hf_server *s = hf_alloc_zeroed(hf_allocator_default(), sizeof *s);
    *server = s;
    if (s == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer why = hf_writer_make(s->why, sizeof s->why - 1);
    s->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->own_loop = o->own_loop;
    const hf_err usage = check_options(o, &why);
    hf_err err = s->stop_fd < 0 ? hf_err_make(HF_ERR_IO_DESCRIPTORS) : open_listeners(s, o, &why);
    const hf_err telling = check_explaining(s, o, &why);
    hf_secure *secure = NULL;
    const hf_err unsafe = open_secure(s, o, &secure, &why);
    if (err.code == 0)
        err = unsafe;
    const hf_engine_options options = {
        .secure = secure, .routes = o->routes, .route_count = o->routes != NULL ? o->route_count : 0, .context = o->context,
        .topics = o->topics, .topic_count = o->topics != NULL ? o->topic_count : 0, .server_name = "handfast", .keys = o->keys,
        .limits = o->limits != NULL ? o->limits : hf_limits_default(),
        .listeners = s->listening.at, .listener_count = s->listening.count, .threads = o->own_loop ? 1 : o->threads,
        .loop = loop_of(o), .http3 = !o->no_http3, .https_port = hf_listen_set_https(&s->listening) };
    hf_err engine_err = HF_OK;
    s->engine = hf_engine_open(&options, &engine_err, &why);
    if (s->engine != NULL)
        engine_err = hf_engine_share(s->engine, o->topics_redis, options.limits, &why);
    if (s->engine != NULL && engine_err.code == 0 && usage.code == 0)
        engine_err = hf_engine_save_topics(s->engine, o->topics_file, options.limits, &why);
    hf_secure_leave(secure); /* the engine keeps it */
    hf_listen_set_close(&s->listening); /* the loops have descriptors of their own */
    const hf_err other = usage.code != 0 ? usage : telling.code != 0 ? telling : engine_err;
    if (err.code == 0 || (err.code == HF_ERR_IO_ADDRESS_SYNTAX && other.code != 0))
        err = other;
    if (err.code == 0 && s->own_loop && hf_server_fd(s) < 0)
        err = hf_err_make(HF_ERR_IO_DESCRIPTORS);
    if (err.code != 0 && why.length == 0)
        hf_write_text(&why, hf_err_text(err));
    if (why.length > 0 && s->why[why.length - 1] == '\n') /* between lines, as who prints it expects */
        s->why[why.length - 1] = 0;
    return err;
}

const char *hf_server_why(const hf_server *s)
{
    return s != NULL ? s->why : "out of memory";
}

hf_err hf_server_start(hf_server *s)
{
    if (s->engine == NULL || s->own_loop || atomic_exchange(&s->started, true))
        return hf_err_make(HF_ERR_BASE_USAGE);
    hf_writer why = hf_writer_make(s->why, sizeof s->why - 1);
    return hf_engine_start(s->engine, &why);
}

void hf_server_stop(hf_server *s)
{
    const uint64_t one = 1;
    if (!s->started)
        return;
    hf_engine_drain(s->engine);
    if (write(s->stop_fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is told already */
}

/* Until one of the signals, which is taken, or hf_server_stop. */
static hf_err await_end(const hf_server *s, const sigset_t *wanted)
{
    struct signalfd_siginfo which;
    const int signals = signalfd(-1, wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return hf_err_make(HF_ERR_IO_SYSTEM);
    struct pollfd either[] = { { .fd = signals, .events = POLLIN }, { .fd = s->stop_fd, .events = POLLIN } };
    int n;
    while ((n = poll(either, HF_COUNT(either), -1)) < 0 && errno == EINTR)
        ;
    const bool good = n > 0 && (either[0].revents == 0 || read(signals, &which, sizeof which) == sizeof which);
    close(signals);
    return good ? HF_OK : hf_err_make(HF_ERR_IO_SYSTEM);
}

hf_err hf_server_run(hf_server *s)
{
    sigset_t wanted, before;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    pthread_sigmask(SIG_BLOCK, &wanted, &before);
    hf_err err = hf_server_start(s);
    if (err.code == 0) {
        err = await_end(s, &wanted);
        hf_engine_drain(s->engine);
        hf_engine_join(s->engine);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

void hf_server_close(hf_server *s)
{
    if (s == NULL)
        return;
    if (s->started) {
        hf_engine_drain(s->engine);
        hf_engine_join(s->engine);
    }
    hf_engine_close(s->engine);
    hf_tickets_free(s->tickets);
    hf_listen_set_close(&s->listening);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    hf_free(hf_allocator_default(), s, sizeof *s);
}

int hf_server_fd(const hf_server *s)
{
    return s->engine != NULL && s->own_loop ? hf_engine_descriptor(s->engine) : -1;
}

int64_t hf_server_wait_ns(const hf_server *s)
{
    struct timespec t;
    if (s->engine == NULL || !s->own_loop)
        return -1;
    const hf_time wake = hf_engine_wake(s->engine);
    clock_gettime(CLOCK_MONOTONIC, &t);
    const int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    return wake.ns == HF_NEVER_NS ? -1 : wake.ns > now ? wake.ns - now : 0;
}

bool hf_server_turn(hf_server *s)
{
    if (s->engine == NULL || !s->own_loop)
        return false;
    s->started = true;
    return hf_engine_turn(s->engine, hf_time_make(0));
}

hf_topics *hf_server_topics(const hf_server *s)
{
    return s != NULL && s->engine != NULL ? hf_engine_topics(s->engine) : NULL;
}

uint16_t hf_server_port(const hf_server *s, size_t index)
{
    return index < HF_COUNT(s->ports) ? s->ports[index] : 0;
}
