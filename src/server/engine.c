/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "epoll.h"
#include "idempotency.h"
#include "log.h"
#include "panic.h"
#include "pool.h"
#include "random.h"
#include "qlog_files.h"
#include "saved_topics.h"
#include "tape_io.h"
#include "thread.h"
#include "topics.h"
#include "uring.h"

enum { THREADS_MOST = 256 };

/* What is served, from one reload to the next. */
typedef struct generation {
    _Atomic uint32_t references; /* a worker's tenure each, what outlives its request, and whoever is making it */
    hf_limits limits;
    hf_app app;
    hf_router *router; /* or */
    hf_sites *sites;
    hf_worker_config config;
    hf_log_plan logs;
    hf_log_use *uses;
    hf_listener_rule *rules;
    hf_secure *secure;
    void (*release)(void *lent);
    void *lent;
} generation;

typedef struct thread thread;
/* Something to be done in a loop's own thread. */
typedef void errand(thread *t, void *argument);

struct thread {
    hf_engine *engine;
    pthread_t id;
    bool running;
    pthread_mutex_t lock; /* of the errand */
    pthread_cond_t told;
    errand *errand;       /* NULL: none waits */
    void *argument;
    _Atomic bool called;  /* there is an errand: asked without the lock */
    bool ended;           /* the loop is over: errands are run by whoever has them */
    hf_limits limits;     /* the loop's; its input_bytes only grow, for old connections may need them */
    hf_env env;
    hf_random random;
    hf_io *io;
    hf_worker *worker;
    hf_qlog_files *qlog; /* NULL: none is written */
};

struct hf_engine {
    hf_allocator_counted memory;
    hf_census *census;
    hf_pool *pool;
    hf_idempotency_store *idempotency;
    hf_topics *topics;
    hf_shared_topics *shared; /* NULL: they are this server's own */
    hf_saved_topics *saved;   /* NULL: their history ends with the process */
    hf_random random; /* of whoever reloads: one at a time */
    hf_tape *tape;    /* NULL: none */
    bool tape_over;   /* and said */
    _Atomic bool draining;
    bool refused; /* io_uring, when it was tried */
    hf_worker *workers[THREADS_MOST];
    uint32_t count;
    thread threads[];
};

uint32_t hf_engine_usable_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    const int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > THREADS_MOST ? THREADS_MOST : (uint32_t)n;
}

/* A loop of the kind that was asked for. AUTO is io_uring where it is to be had (docs/decisions/0006-io-uring.md). */
static hf_io *open_real_loop(hf_engine *e, const hf_env *env, const hf_engine_options *o, hf_err *err, hf_writer *why)
{
    const hf_loop_kind kind = o->loop;
    if (o->door != NULL)
        return hf_host_io_new(env, o->door, o->host, err);
    const bool automatic = kind == HF_LOOP_AUTO && hf_uring_is_built() && !e->refused;
    hf_io *io = automatic || kind == HF_LOOP_URING ? hf_uring_new(env, false, err) : hf_epoll_new(env, err);
    if (io != NULL || err->code == HF_ERR_BASE_MEMORY)
        return io;
    const char *reason = strerror(errno);
    if (automatic) {
        e->refused = true; /* said once, for all threads */
        hf_log(HF_LOG_INFO, HF_OK, "io_uring is not to be had here (%s): using epoll", reason);
        return hf_epoll_new(env, err);
    }
    hf_write_text(why, kind == HF_LOOP_URING ? "io_uring is not to be had here: " : "epoll: ");
    hf_write_text(why, reason);
    return NULL;
}

static hf_io *open_loop(hf_engine *e, const hf_env *env, const hf_engine_options *o, hf_err *err, hf_writer *why)
{
    hf_io *inner = hf_tape_plays(o->tape) ? NULL : open_real_loop(e, env, o, err, why);
    if (o->tape == NULL || (inner == NULL && !hf_tape_plays(o->tape)))
        return inner;
    hf_io *io = hf_tape_io_new(env, o->tape, inner);
    if (io == NULL && inner != NULL)
        inner->ops->free(inner);
    *err = hf_err_make(io == NULL ? HF_ERR_BASE_MEMORY : 0);
    return io;
}

/* ---- generations -------------------------------------------------------------------------------------------- */

static void leave_generation(void *lent)
{
    generation *g = lent;
    if (atomic_fetch_sub(&g->references, 1) != 1)
        return;
    hf_router_free(g->router);
    hf_sites_free(g->sites);
    hf_secure_leave(g->secure);
    hf_free(hf_allocator_default(), g->uses, g->logs.count * sizeof *g->uses);
    hf_free(hf_allocator_default(), g->rules, g->config.rule_count * sizeof *g->rules);
    if (g->release != NULL)
        g->release(g->lent);
    hf_free(hf_allocator_default(), g, sizeof *g);
}

static void keep_generation(void *kept)
{
    atomic_fetch_add(&((generation *)kept)->references, 1);
}

static bool route(generation *g, const hf_engine_options *o, hf_err *err, hf_writer *why)
{
    const hf_allocator *plain = hf_allocator_default();
    const size_t before = why->length;
    if (o->sites != NULL)
        g->sites = hf_sites_new(plain, o->routes, o->sites, o->site_count, o->hosts, o->host_count, why);
    else
        g->router = hf_router_new(plain, o->routes, o->route_count, why);
    *err = g->router != NULL || g->sites != NULL ? HF_OK
        : hf_err_make(why->length > before ? HF_ERR_BASE_USAGE : HF_ERR_BASE_MEMORY);
    return err->code == 0;
}

/* What may change while a generation is on its way out. False: memory ended. */
static bool copy_options(generation *g, const hf_engine_options *o)
{
    const hf_allocator *plain = hf_allocator_default();
    const size_t uses = o->logs != NULL ? o->logs->count : 0;
    g->uses = uses > 0 ? hf_alloc(plain, uses * sizeof *g->uses) : NULL;
    g->rules = o->rule_count > 0 ? hf_alloc(plain, o->rule_count * sizeof *g->rules) : NULL;
    g->logs.count = g->uses != NULL ? uses : 0;
    g->config.rule_count = g->rules != NULL ? o->rule_count : 0;
    if (g->logs.count < uses || g->config.rule_count < o->rule_count)
        return false;
    if (uses > 0) {
        g->logs = *o->logs;
        g->logs.uses = g->uses;
        memcpy(g->uses, o->logs->uses, uses * sizeof *g->uses);
        g->config.logs = &g->logs;
    }
    if (o->rule_count > 0)
        memcpy(g->rules, o->rules, o->rule_count * sizeof *g->rules);
    g->config.rules = g->rules;
    return true;
}

/* With one reference: the caller's. */
static generation *open_generation(hf_engine *e, const hf_engine_options *o, hf_err *err, hf_writer *why)
{
    generation *g = hf_alloc_zeroed(hf_allocator_default(), sizeof *g);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (g == NULL)
        return NULL;
    atomic_init(&g->references, 1);
    g->limits = *o->limits;
    g->secure = o->secure != NULL ? hf_secure_keep(o->secure) : NULL;
    if (!copy_options(g, o) || !route(g, o, err, why)) {
        leave_generation(g);
        return NULL;
    }
    g->app = (hf_app){ .router = g->router, .sites = g->sites, .server_name = o->server_name, .error_page = o->error_page,
        .error_page_policy = o->error_page_policy, .context = o->context, .terse = o->terse,
        .pool = e->pool, .idempotency = e->idempotency, .topics = e->topics, .https_port = o->https_port,
        .keep = keep_generation, .leave = leave_generation, .self = g };
    g->config = (hf_worker_config){ .app = &g->app, .limits = &g->limits, .routes = o->routes, .route_count = o->route_count,
        .census = e->census, .memory = &e->memory, .access_log = o->access_log,
        .proxy_from = o->proxy_from, .proxy_from_count = o->proxy_from_count, .trusted = o->trusted,
        .trusted_count = o->trusted_count, .logs = g->config.logs, .tapes = o->tapes, .rules = g->rules, .rule_count = o->rule_count, .secure = g->secure, .http3 = o->http3, .redirect_port = o->redirect_port, .release = leave_generation, .lent = g };
    if (o->preferred != NULL)
        memcpy(g->config.preferred, o->preferred, sizeof g->config.preferred);
    return g;
}

/* Once nothing can fail any more. */
static void lend_options(generation *g, const hf_engine_options *o)
{
    g->release = o->release;
    g->lent = o->lent;
}

/* What its connections will be. */
static void *owner_of(const hf_listening *l)
{
    return l->secure ? (void *)&hf_worker_secure : NULL;
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* The thread's own UDP socket, where it has one. */
static hf_err begin_quic(thread *t, const hf_listening *l)
{
    const size_t number = (size_t)(t - t->engine->threads);
    if (l->udp_own)
        return hf_worker_listen_quic(t->worker, &l->at, -1);
    return number < l->udp_count ? hf_worker_listen_quic(t->worker, &l->at, l->udp[number]) : HF_OK;
}

static hf_err open_thread(thread *t, const hf_engine_options *o, generation *g, hf_writer *why)
{
    uint64_t seed;
    hf_err err = HF_OK;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return hf_err_make(HF_ERR_IO_SYSTEM);
    (void)hf_tape_number(o->tape, &seed);
    hf_random_seed(&t->random, seed);
    t->limits = *o->limits;
    t->env = (hf_env){ .alloc = t->engine->memory.alloc, .random = &t->random, .limits = &t->limits, .trace = hf_tape_trace(o->tape) };
    if (o->qlog != NULL && (t->qlog = hf_qlog_files_new(o->qlog, &t->limits, t->env.trace, &err)) == NULL) {
        hf_write_text(why, "qlog: the folder cannot be written to: ");
        hf_write_text(why, o->qlog);
        return err;
    }
    if (t->qlog != NULL)
        t->env.trace = hf_qlog_files_sink(t->qlog);
    t->io = open_loop(t->engine, &t->env, o, &err, why);
    if (t->io == NULL)
        return err;
    atomic_fetch_add(&g->references, 1);
    t->worker = hf_worker_new(&t->env, t->io, &g->config, &err);
    if (t->worker == NULL) {
        leave_generation(g);
        return err;
    }
    hf_worker_place(t->worker, t->engine->workers, t->engine->count, (uint32_t)(t - t->engine->threads));
    t->engine->workers[t - t->engine->threads] = t->worker;
    for (size_t i = 0; i < o->listener_count && err.code == 0; i++)
        err = t->io->ops->listen(t->io, &o->listeners[i].at, o->listeners[i].fd, owner_of(&o->listeners[i]));
    for (size_t i = 0; i < o->listener_count && err.code == 0; i++)
        err = begin_quic(t, &o->listeners[i]);
    return err;
}

/* How many connections there are descriptors for, beside what is open now and what is kept back (limit
 * descriptors_kept; where the system grants few, a quarter of them). */
static void keep_descriptors(hf_engine *e, uint64_t kept)
{
    struct rlimit r = { 0 };
    const int probe = eventfd(0, EFD_CLOEXEC); /* the lowest number that is free: as many as are in use */
    const uint64_t used = probe >= 0 ? (uint64_t)probe : 0;
    if (probe >= 0)
        close(probe);
    const bool bounded = getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY;
    if (!hf_tape_decision(e->tape, bounded))
        return;
    kept = kept < r.rlim_cur / 4 ? kept : r.rlim_cur / 4;
    uint64_t most = r.rlim_cur > used + kept + 1 ? r.rlim_cur - used - kept : 1;
    (void)hf_tape_number(e->tape, &most);
    (void)hf_tape_number(e->tape, &kept);
    hf_census_descriptors(e->census, most, kept);
}

static void prepare_threads(hf_engine *e)
{
    for (uint32_t i = 0; i < e->count; i++) {
        e->threads[i].engine = e;
        pthread_mutex_init(&e->threads[i].lock, NULL);
        pthread_cond_init(&e->threads[i].told, NULL);
    }
}

hf_engine *hf_engine_open(const hf_engine_options *o, hf_err *err, hf_writer *why)
{
    const hf_allocator *plain = hf_allocator_default();
    const uint32_t count = o->door != NULL || o->tape != NULL ? 1 : o->threads == 0 ? hf_engine_usable_cpus() : o->threads < THREADS_MOST ? o->threads : THREADS_MOST;
    hf_engine *e = hf_alloc_zeroed(plain, sizeof *e + count * sizeof e->threads[0]);
    uint64_t seed = 0;
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (e == NULL)
        return NULL;
    e->count = count;
    e->tape = hf_tape_here = o->tape;
    prepare_threads(e);
    hf_allocator_counted_init(&e->memory, o->limits->memory_bytes);
    (void)!getrandom(&seed, sizeof seed, 0); /* multipart boundaries and hash seeds get theirs from the threads */
    (void)hf_tape_number(o->tape, &seed);
    hf_random_seed(&e->random, seed);
    e->census = hf_census_new(plain, o->limits->connections, o->limits->connections_per_address);
    e->pool = hf_pool_new(plain, o->limits->blocking_threads, o->limits->blocking_jobs);
    e->idempotency = hf_idempotency_new(plain, o->limits);
    if (e->idempotency != NULL)
        hf_idempotency_back(e->idempotency, o->keys, e->pool);
    e->topics = hf_topics_new(plain, o->limits, o->topics, o->topic_count, hf_random_next(&e->random) >> 16);
    generation *g = e->census != NULL && e->pool != NULL && e->idempotency != NULL && e->topics != NULL ? open_generation(e, o, err, why) : NULL;
    for (uint32_t i = 0; g != NULL && i < count && err->code == 0; i++)
        *err = open_thread(&e->threads[i], o, g, why);
    if (g != NULL && err->code == 0)
        keep_descriptors(e, o->limits->descriptors_kept);
    if (g != NULL && err->code == 0)
        lend_options(g, o);
    if (g != NULL)
        leave_generation(g);
    hf_tape_here = NULL;
    if (err->code == 0)
        return e;
    hf_engine_close(e);
    return NULL;
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

static void run_errand(thread *t)
{
    if (!atomic_load_explicit(&t->called, memory_order_acquire))
        return;
    pthread_mutex_lock(&t->lock);
    t->errand(t, t->argument);
    t->errand = NULL;
    atomic_store_explicit(&t->called, false, memory_order_relaxed);
    pthread_cond_broadcast(&t->told);
    pthread_mutex_unlock(&t->lock);
}

/* Has `what` done in the loop's thread, and waits for it. */
static void call(thread *t, errand *what, void *argument)
{
    pthread_mutex_lock(&t->lock);
    while (t->errand != NULL)
        pthread_cond_wait(&t->told, &t->lock);
    if (!t->running || t->ended) {
        what(t, argument);
    } else {
        t->errand = what;
        t->argument = argument;
        atomic_store_explicit(&t->called, true, memory_order_release);
        t->io->ops->wake(t->io);
        while (t->errand == what && t->argument == argument)
            pthread_cond_wait(&t->told, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

static void end_errands(thread *t)
{
    run_errand(t);
    pthread_mutex_lock(&t->lock);
    if (t->errand != NULL) { /* it came between */
        t->errand(t, t->argument);
        t->errand = NULL;
    }
    t->ended = true;
    pthread_cond_broadcast(&t->told);
    pthread_mutex_unlock(&t->lock);
}

/* The server serves on. */
static void look_at_tape(hf_engine *e)
{
    if (e->tape == NULL || hf_tape_plays(e->tape) || !hf_tape_is_over(e->tape) || e->tape_over)
        return;
    e->tape_over = true;
    hf_log(HF_LOG_WARNING, HF_OK, "the recording ends here: %s; the server serves on", hf_tape_why(e->tape));
}

static void turn(thread *t, hf_time until)
{
    hf_tape *const tape = t->engine->tape;
    hf_tape_here = tape;
    if (hf_tape_decision(tape, atomic_load_explicit(&t->engine->draining, memory_order_acquire)))
        hf_worker_drain(t->worker);
    if (!hf_worker_is_done(t->worker))
        hf_worker_turn(t->worker, until);
    look_at_tape(t->engine);
    hf_tape_pause(tape, true); /* whoever asks for something else is not of the recording */
    run_errand(t);
    hf_tape_pause(tape, false);
    hf_tape_here = NULL;
}

static void *run(void *argument)
{
    thread *t = argument;
    while (!hf_worker_is_done(t->worker))
        turn(t, HF_NEVER);
    if (t->engine->tape != NULL)
        hf_tape_finish(t->engine->tape);
    end_errands(t);
    return NULL;
}

bool hf_engine_turn(hf_engine *e, hf_time until)
{
    HF_ASSERT(e->count == 1 && !e->threads[0].running);
    turn(&e->threads[0], until);
    if (hf_uring_is(e->threads[0].io))
        hf_uring_settle(e->threads[0].io);
    return !hf_worker_is_done(e->threads[0].worker);
}

int hf_engine_descriptor(const hf_engine *e)
{
    hf_io *const io = e->threads[0].io;
    return hf_uring_is(io) ? hf_uring_descriptor(io) : hf_epoll_descriptor(io);
}

hf_time hf_engine_wake(const hf_engine *e)
{
    const hf_io *const io = e->threads[0].io;
    return hf_time_earlier(hf_worker_wake(e->threads[0].worker), hf_uring_is(io) ? hf_uring_wake(io) : hf_epoll_wake(io));
}

static void tell_failure(hf_writer *why, uint32_t number, uint32_t count, int error)
{
    hf_write_text(why, "thread ");
    hf_write_decimal(why, number);
    hf_write_text(why, " of ");
    hf_write_decimal(why, count);
    hf_write_text(why, " cannot be made: ");
    hf_write_text(why, strerror(error));
}

hf_err hf_engine_start(hf_engine *e, hf_writer *why)
{
    hf_err err = HF_OK;
    for (uint32_t i = 0; i < e->count && err.code == 0; i++) {
        const int error = hf_thread_start(&e->threads[i].id, run, &e->threads[i]);
        e->threads[i].running = error == 0;
        if (error == 0)
            continue;
        err = hf_err_make(HF_ERR_IO_SYSTEM);
        tell_failure(why, i + 1, e->count, error);
    }
    return err;
}

void hf_engine_drain(hf_engine *e)
{
    atomic_store_explicit(&e->draining, true, memory_order_release);
    for (uint32_t i = 0; i < e->count; i++)
        e->threads[i].io->ops->wake(e->threads[i].io);
}

void hf_engine_join(hf_engine *e)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (e->threads[i].running) {
            pthread_join(e->threads[i].id, NULL);
            pthread_mutex_lock(&e->threads[i].lock);
            e->threads[i].running = false;
            pthread_mutex_unlock(&e->threads[i].lock);
        }
}

void hf_engine_close(hf_engine *e)
{
    const hf_allocator *plain = hf_allocator_default();
    if (e == NULL)
        return;
    hf_tape_here = e->tape; /* folders that were never open are not closed */
    hf_pool_free(e->pool); /* before those whom its work is for */
    hf_shared_topics_close(e->shared);
    hf_saved_topics_close(e->saved);
    hf_idempotency_stay(e->idempotency);
    for (uint32_t i = 0; i < e->count; i++) {
        hf_worker_free(e->threads[i].worker);
        if (e->threads[i].io != NULL)
            e->threads[i].io->ops->free(e->threads[i].io);
        hf_qlog_files_free(e->threads[i].qlog);
        pthread_cond_destroy(&e->threads[i].told);
        pthread_mutex_destroy(&e->threads[i].lock);
    }
    hf_tape_here = NULL;
    hf_census_free(e->census);
    hf_idempotency_drop(e->idempotency);
    hf_topics_drop(e->topics);
    hf_free(plain, e, sizeof *e + e->count * sizeof e->threads[0]);
}

hf_topics *hf_engine_topics(const hf_engine *e)
{
    return e->topics;
}

hf_err hf_engine_share(hf_engine *e, const char *redis, const hf_limits *limits, hf_writer *why)
{
    hf_err err = HF_OK;
    if (redis != NULL && e->tape == NULL) /* what is not on the tape cannot be played */
        e->shared = hf_shared_topics_open(e->topics, limits, redis, &err, why);
    return err;
}

hf_err hf_engine_save_topics(hf_engine *e, const char *file, const hf_limits *limits, hf_writer *why)
{
    hf_err err = HF_OK;
    if (file != NULL && e->tape == NULL)
        e->saved = hf_saved_topics_open(e->topics, limits, file, &err, why);
    return err;
}

bool hf_engine_shared_topics(const hf_engine *e, hf_topic_bridge_state *state)
{
    if (e->shared != NULL)
        *state = hf_shared_topics_look(e->shared);
    return e->shared != NULL;
}

uint32_t hf_engine_threads(const hf_engine *e)
{
    return e->count;
}

/* ---- reload ------------------------------------------------------------------------------------------------- */

typedef struct listening_errand {
    const hf_listening *begin;
    size_t begin_count;
    const hf_address *gone;
    size_t gone_count;
    hf_err err;
} listening_errand;

static void change_listeners(thread *t, void *argument)
{
    listening_errand *a = argument;
    for (size_t i = 0; i < a->begin_count && a->err.code == 0; i++)
        a->err = t->io->ops->listen(t->io, &a->begin[i].at, a->begin[i].fd, owner_of(&a->begin[i]));
    for (size_t i = 0; i < a->gone_count; i++) {
        t->io->ops->unlisten_at(t->io, &a->gone[i]);
        hf_worker_unlisten_quic(t->worker, &a->gone[i]);
    }
}

typedef struct adoption {
    hf_tenure *tenure;
    const hf_limits *limits;
    const hf_engine_options *options;
} adoption;

static void adopt(thread *t, void *argument)
{
    const adoption *a = argument;
    const uint64_t input = t->limits.input_bytes;
    t->limits = *a->limits;
    t->limits.input_bytes = input > t->limits.input_bytes ? input : t->limits.input_bytes;
    hf_worker_adopt(t->worker, a->tenure);
    hf_err err = HF_OK; /* now it has the keys */
    for (size_t i = 0; i < a->options->listener_count && err.code == 0; i++)
        err = begin_quic(t, &a->options->listeners[i]);
    if (err.code != 0)
        hf_log(HF_LOG_WARNING, err, "a new listener serves no HTTP/3 in one thread");
}

/* Every thread listens where it is new, or none. */
static hf_err begin_listening(hf_engine *e, const hf_engine_options *o)
{
    listening_errand begin = { .begin = o->listeners, .begin_count = o->listener_count };
    hf_address at[HF_ENGINE_LISTENERS];
    if (o->listener_count > HF_ENGINE_LISTENERS)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    for (uint32_t i = 0; i < e->count && begin.err.code == 0; i++)
        call(&e->threads[i], change_listeners, &begin);
    if (begin.err.code == 0)
        return HF_OK;
    for (size_t i = 0; i < o->listener_count; i++)
        at[i] = o->listeners[i].at;
    listening_errand undo = { .gone = at, .gone_count = o->listener_count };
    for (uint32_t i = 0; i < e->count; i++)
        call(&e->threads[i], change_listeners, &undo);
    return begin.err;
}

static hf_err prepare_tenures(hf_engine *e, generation *g, hf_tenure **tenures)
{
    hf_err err = HF_OK;
    for (uint32_t i = 0; i < e->count && err.code == 0; i++) {
        tenures[i] = hf_worker_prepare(e->threads[i].worker, &e->random, &g->config, &err);
        if (tenures[i] != NULL)
            atomic_fetch_add(&g->references, 1);
    }
    return err;
}

hf_err hf_engine_reload(hf_engine *e, const hf_engine_options *o, const hf_address *gone, size_t gone_count, hf_writer *why)
{
    hf_err err;
    hf_tenure *tenures[THREADS_MOST] = { 0 };
    if (e->tape != NULL) {
        hf_write_text(why, "a server that records keeps its configuration");
        return hf_err_make(HF_ERR_BASE_USAGE);
    }
    generation *g = open_generation(e, o, &err, why);
    if (g == NULL)
        return err;
    err = prepare_tenures(e, g, tenures);
    if (err.code == 0)
        err = begin_listening(e, o);
    if (err.code != 0) {
        for (uint32_t i = 0; i < e->count; i++)
            hf_tenure_discard(tenures[i]);
        leave_generation(g);
        return err;
    }
    lend_options(g, o);
    hf_census_limit(e->census, g->limits.connections, g->limits.connections_per_address);
    atomic_store(&e->memory.limit, g->limits.memory_bytes);
    for (uint32_t i = 0; i < e->count; i++)
        call(&e->threads[i], adopt, &(adoption){ tenures[i], &g->limits, o });
    listening_errand end = { .gone = gone, .gone_count = gone_count };
    for (uint32_t i = 0; gone_count > 0 && i < e->count; i++)
        call(&e->threads[i], change_listeners, &end);
    leave_generation(g);
    return HF_OK;
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

uint64_t hf_engine_connections(const hf_engine *e)
{
    return hf_census_count(e->census);
}

static void count_tenures(thread *t, void *argument)
{
    size_t *most = argument;
    const size_t n = hf_worker_tenures(t->worker);
    *most = n > *most ? n : *most;
}

size_t hf_engine_generations(hf_engine *e)
{
    size_t most = 0;
    for (uint32_t i = 0; i < e->count; i++)
        call(&e->threads[i], count_tenures, &most);
    return most;
}

void hf_engine_count(const hf_engine *e, hf_counts *sum)
{
    for (uint32_t i = 0; i < e->count; i++)
        hf_counts_add(sum, hf_worker_counts(e->threads[i].worker));
}

typedef struct roll {
    hf_worker_connection *to;
    size_t most, count;
} roll;

static void list(thread *t, void *argument)
{
    roll *r = argument;
    r->count += hf_worker_list(t->worker, r->to + r->count, r->most - r->count);
}

size_t hf_engine_list(hf_engine *e, hf_worker_connection *to, uint32_t *threads, size_t most)
{
    roll r = { .to = to, .most = most };
    for (uint32_t i = 0; i < e->count; i++) {
        const size_t first = r.count;
        call(&e->threads[i], list, &r);
        for (size_t k = first; k < r.count; k++)
            threads[k] = i;
    }
    return r.count;
}

typedef struct network {
    hf_tcp_counts *tcp;
    hf_host_counts *host;
} network;

static void count_network(thread *t, void *argument)
{
    const network *n = argument;
    hf_host *host = hf_host_io_host(t->io);
    hf_tcp_endpoint_counts(hf_host_tcp(host), n->tcp);
    hf_host_counts_of(host, n->host);
}

bool hf_engine_network(hf_engine *e, hf_tcp_counts *tcp, hf_host_counts *host)
{
    if (hf_host_io_host(e->threads[0].io) == NULL)
        return false;
    call(&e->threads[0], count_network, &(network){ tcp, host });
    return true;
}

static void nothing(thread *t, void *argument)
{
    (void)t, (void)argument;
}

void hf_engine_check(hf_engine *e)
{
    for (uint32_t i = 0; i < e->count; i++)
        call(&e->threads[i], nothing, NULL);
}

bool hf_engine_is_draining(const hf_engine *e)
{
    return atomic_load_explicit(&e->draining, memory_order_relaxed);
}

uint64_t hf_engine_memory(const hf_engine *e)
{
    return atomic_load_explicit(&e->memory.held, memory_order_relaxed);
}
