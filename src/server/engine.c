/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>

#include "epoll.h"
#include "log.h"
#include "random.h"
#include "uring.h"

enum { THREADS_MOST = 256 };

typedef struct thread {
    hf_engine *engine;
    pthread_t id;
    bool running;
    hf_env env;
    hf_random random;
    hf_io *io;
    hf_worker *worker;
} thread;

struct hf_engine {
    hf_allocator_counted memory;
    hf_app app;
    hf_router *router; /* or */
    hf_sites *sites;
    hf_worker_config config;
    _Atomic bool draining;
    bool refused; /* io_uring, when it was tried */
    uint32_t count;
    thread threads[];
};

static uint32_t usable_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    const int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > THREADS_MOST ? THREADS_MOST : (uint32_t)n;
}

/* A loop of the kind that was asked for. AUTO is io_uring where it is to be had (docs/decisions/0006-io-uring.md). */
static hf_io *open_loop(hf_engine *e, const hf_env *env, hf_loop_kind kind, hf_err *err, hf_writer *why)
{
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

static hf_err open_thread(hf_engine *e, thread *t, const hf_engine_options *o, hf_writer *why)
{
    uint64_t seed;
    hf_err err = HF_OK;
    t->engine = e;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return hf_err_make(HF_ERR_IO_SYSTEM);
    hf_random_seed(&t->random, seed);
    t->env = (hf_env){ .alloc = e->memory.alloc, .random = &t->random, .limits = o->limits };
    t->io = open_loop(e, &t->env, o->loop, &err, why);
    if (t->io == NULL)
        return err;
    t->worker = hf_worker_new(&t->env, t->io, &e->config, &err);
    if (t->worker == NULL)
        return err;
    for (size_t i = 0; i < o->listener_count && err.code == 0; i++)
        err = t->io->ops->listen(t->io, &o->listeners[i].at, o->listeners[i].fd, NULL);
    return err;
}

hf_engine *hf_engine_open(const hf_engine_options *o, hf_err *err, hf_writer *why)
{
    const hf_allocator *plain = hf_allocator_default();
    const uint32_t count = o->threads == 0 ? usable_cpus() : o->threads < THREADS_MOST ? o->threads : THREADS_MOST;
    hf_engine *e = hf_alloc_zeroed(plain, sizeof *e + count * sizeof e->threads[0]);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (e == NULL)
        return NULL;
    e->count = count;
    hf_allocator_counted_init(&e->memory, o->limits->memory_bytes);
    if (o->sites != NULL)
        e->sites = hf_sites_new(plain, o->routes, o->sites, o->site_count, o->hosts, o->host_count, why);
    else
        e->router = hf_router_new(plain, o->routes, o->route_count, why);
    if (e->router == NULL && e->sites == NULL) {
        *err = hf_err_make(why->length > 0 ? HF_ERR_BASE_USAGE : HF_ERR_BASE_MEMORY);
        hf_engine_close(e);
        return NULL;
    }
    e->app = (hf_app){ .router = e->router, .sites = e->sites, .server_name = o->server_name, .error_page = o->error_page,
        .error_page_policy = o->error_page_policy, .context = o->context };
    e->config = (hf_worker_config){ .app = &e->app, .limits = o->limits, .routes = o->routes, .route_count = o->route_count,
        .census = hf_census_new(plain, o->limits->connections, o->limits->connections_per_address), .memory = &e->memory,
        .access_log = o->access_log };
    *err = e->config.census != NULL ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
    for (uint32_t i = 0; i < count && err->code == 0; i++)
        *err = open_thread(e, &e->threads[i], o, why);
    if (err->code == 0)
        return e;
    hf_engine_close(e);
    return NULL;
}

static void *run(void *argument)
{
    thread *t = argument;
    while (!hf_worker_is_done(t->worker)) {
        if (atomic_load_explicit(&t->engine->draining, memory_order_acquire))
            hf_worker_drain(t->worker);
        if (!hf_worker_is_done(t->worker))
            hf_worker_turn(t->worker, HF_NEVER);
    }
    return NULL;
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
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* loop threads take no signals: whoever started us does */
    hf_err err = HF_OK;
    for (uint32_t i = 0; i < e->count && err.code == 0; i++) {
        const int error = pthread_create(&e->threads[i].id, NULL, run, &e->threads[i]);
        e->threads[i].running = error == 0;
        if (error == 0)
            continue;
        err = hf_err_make(HF_ERR_IO_SYSTEM);
        tell_failure(why, i + 1, e->count, error);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
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
            e->threads[i].running = false;
        }
}

void hf_engine_close(hf_engine *e)
{
    const hf_allocator *plain = hf_allocator_default();
    if (e == NULL)
        return;
    for (uint32_t i = 0; i < e->count; i++) {
        hf_worker_free(e->threads[i].worker);
        if (e->threads[i].io != NULL)
            e->threads[i].io->ops->free(e->threads[i].io);
    }
    hf_census_free(e->config.census);
    hf_router_free(e->router);
    hf_sites_free(e->sites);
    hf_free(plain, e, sizeof *e + e->count * sizeof e->threads[0]);
}

uint32_t hf_engine_threads(const hf_engine *e)
{
    return e->count;
}
