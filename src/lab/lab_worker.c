/* SPDX-License-Identifier: Apache-2.0 */
#include "lab_worker.h"

#include "idempotency.h"
#include "random.h"
#include "topics.h"

hf_err hf_lab_worker_open(hf_lab_worker *w, const hf_env *env, hf_io *io, const hf_lab_worker_options *o, hf_writer *why)
{
    hf_err err = hf_err_make(HF_ERR_BASE_MEMORY);
    *w = (hf_lab_worker){ .env = *env, .io = io };
    w->router = hf_router_new(&env->alloc, o->routes, o->route_count, why);
    if (w->router == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    w->census = hf_census_new(&env->alloc, env->limits->connections, env->limits->connections_per_address);
    if (w->census == NULL)
        return err;
    w->app = (hf_app){ .router = w->router, .context = o->context, .idempotency = hf_idempotency_new(&env->alloc, env->limits) };
    w->app.topics = hf_topics_new(&env->alloc, env->limits, NULL, 0, hf_random_next(env->random) >> 16);
    if (w->app.idempotency == NULL || w->app.topics == NULL)
        return err;
    w->config = (hf_worker_config){ .app = &w->app, .limits = env->limits, .routes = o->routes, .route_count = o->route_count,
        .census = w->census };
    w->worker = hf_worker_new(&w->env, io, &w->config, &err);
    if (w->worker == NULL)
        return err;
    const hf_address at = { .family = 4, .port = o->port };
    return io->ops->listen(io, &at, -1, NULL);
}

static void turn(void *self, hf_io *io, hf_time now)
{
    (void)io;
    hf_worker_turn(((hf_lab_worker *)self)->worker, now);
}

static hf_time wake(void *self)
{
    const hf_worker *w = ((hf_lab_worker *)self)->worker;
    return hf_worker_is_done(w) ? HF_NEVER : hf_worker_wake(w); /* its loop has ended */
}

hf_program hf_lab_worker_program(hf_lab_worker *w)
{
    return (hf_program){ w, turn, wake };
}

void hf_lab_worker_drain(hf_lab_worker *w)
{
    hf_worker_drain(w->worker);
    hf_world_poke(w->io);
}

void hf_lab_worker_close(hf_lab_worker *w)
{
    if (w->worker != NULL)
        w->io->ops->unlisten(w->io);
    hf_worker_free(w->worker);
    hf_idempotency_drop(w->app.idempotency);
    hf_topics_drop(w->app.topics);
    hf_census_free(w->census);
    hf_router_free(w->router);
    *w = (hf_lab_worker){ 0 };
}
