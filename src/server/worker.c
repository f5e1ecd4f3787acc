/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include "files.h"
#include "log.h"
#include "panic.h"
#include "random.h"
#include "timer.h"

enum {
    EVENTS = 512,         /* taken from io in one turn: more than it can have seen at once */
    STEPS = 256,          /* of one connection before others have their turn */
    PIECES = 64,
    SCRATCH = 65536,
    REFUSING_AT_MOST = 256 /* connections over a limit that are told so; beyond, they are just reset */
};

typedef struct connection connection;
struct connection {
    hf_timer timer; /* first */
    hf_worker *worker;
    hf_dialog dialog;
    connection *next, *previous;
    bool refusing;
    bool dead; /* freed at the end of the turn: events of this turn may still name it */
};

struct hf_worker {
    const hf_env *env;
    hf_io *io;
    const hf_worker_config *config;
    hf_service service;
    hf_timers timers;
    hf_access_buffer log;
    hf_files_cache **files; /* one for each route, NULL where the route has none */
    connection *connections, *dead;
    size_t count, refusing;
    bool draining;
    bool looked;        /* a turn has passed since draining began: what the system had accepted by then was seen */
    hf_time drain_until;
    hf_time complained; /* when we last said that peers were turned away */
    hf_out out;
    hf_extent pieces[PIECES];
    hf_io_event events[EVENTS];
    uint8_t scratch[SCRATCH];
};

/* ---- what the service asks of us ---------------------------------------------------------------------------- */

static hf_files_cache *cache_of(const hf_worker *w, const hf_files *files)
{
    for (size_t i = 0; i < w->config->route_count; i++)
        if (w->config->routes[i].files == files)
            return w->files[i];
    return NULL;
}

static hf_err answer_files(void *self, const hf_files *files, hf_req *rq, hf_bytes rest)
{
    hf_files_cache *cache = cache_of(self, files);
    HF_ASSERT(cache != NULL);
    return hf_files_answer(cache, rq, rest);
}

/* The error pages of the first folder that has some. */
static bool answer_error(void *self, hf_req *rq, uint16_t status)
{
    const hf_worker *w = self;
    for (size_t i = 0; i < w->config->route_count; i++)
        if (w->files[i] != NULL && w->config->routes[i].files->error_pages != NULL)
            return hf_files_answer_error(w->files[i], rq, status);
    return false;
}

static hf_bytes field_value(const hf_req *rq, hf_field_id id)
{
    const hf_field *f = hf_fields_find(rq->head.fields, id);
    return f != NULL ? f->value : hf_bytes_make(NULL, 0);
}

static void done(void *self, const hf_req *rq)
{
    hf_worker *w = self;
    if (w->config->access_log == NULL)
        return;
    const hf_time now = w->service.now;
    const int64_t duration = now.ns - rq->began.ns;
    const hf_access_record record = {
        .wall_ms = w->io->ops->wall_ms(w->io) - duration / 1000000,
        .conn_id = rq->dialog->id,
        .req_id = hf_req_id(rq),
        .client = rq->dialog->peer,
        .method = rq->head.method_name,
        .path = rq->head.path.len > 0 ? rq->head.path : rq->head.target,
        .query = rq->head.query,
        .version = rq->headless ? 0 : rq->head.version,
        .status = rq->status,
        .request_body_bytes = rq->body_seen,
        .response_body_bytes = rq->sent,
        .duration_ns = duration,
        .user_agent = field_value(rq, HF_FIELD_USER_AGENT),
        .referer = field_value(rq, HF_FIELD_REFERER),
        .err = rq->error,
    };
    hf_access_append(&w->log, now, &record);
}

/* ---- connections -------------------------------------------------------------------------------------------- */

static void bury(connection *c)
{
    hf_worker *w = c->worker;
    if (c->dead)
        return;
    c->dead = true;
    hf_dialog_close(&c->dialog, HF_OK);
    hf_timer_unset(&w->timers, &c->timer);
    hf_web_free(c->dialog.web);
    c->dialog.web = NULL;
    hf_census_leave(w->config->census, &c->dialog.peer);
    w->refusing -= c->refusing;
    w->count--;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        w->connections = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    c->next = w->dead;
    w->dead = c;
}

/* Is the limit memory_bytes near? A sixteenth is kept back, so that there is room to refuse in. */
static bool memory_is_short(const hf_worker *w)
{
    const hf_allocator_counted *memory = w->config->memory;
    return memory != NULL && atomic_load_explicit(&memory->held, memory_order_relaxed) > memory->limit - memory->limit / 16;
}

/* Says which limit turned peers away, at most once in ten seconds. */
static void complain(hf_worker *w, hf_err err, const char *what)
{
    const hf_time now = w->service.now;
    if (w->complained.ns != 0 && now.ns - w->complained.ns < HF_SECONDS(10))
        return;
    w->complained = now;
    hf_log(HF_LOG_WARNING, err, "%s; %zu connections are open in this thread", what, w->count);
}

/* Deals with everything the connection has to say, then notes when it must be looked at again. */
static void drive(connection *c)
{
    hf_worker *w = c->worker;
    hf_web_event event;
    hf_step s = HF_EVENT;
    for (int i = 0; i < STEPS && !c->dead; i++) {
        s = hf_web_step(c->dialog.web, w->service.now, &w->out, &event);
        if (s != HF_EVENT)
            break;
        hf_dialog_event(&c->dialog, &event);
        if (event.kind == HF_WEB_CLOSED) {
            if (event.err.code == HF_ERR_BASE_MEMORY)
                complain(w, hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT), "limit memory_bytes: a connection was cut");
            bury(c);
            return;
        }
    }
    const hf_time wake = s == HF_EVENT ? w->service.now : hf_web_wake(c->dialog.web);
    if (s == HF_CLOSED || s == HF_FAULT || !hf_timer_set(&w->timers, &c->timer, wake))
        bury(c);
}

static void drop(hf_worker *w, const hf_io_event *event)
{
    (void)!event->pier.ops->end(event->pier.self, 0, (hf_ending){ HF_ENDING_RESET, 0 }).code;
    event->pier.ops->free(event->pier.self);
    hf_census_leave(w->config->census, &event->peer);
}

static void accept_connection(hf_worker *w, const hf_io_event *event)
{
    hf_err over = hf_census_enter(w->config->census, &event->peer);
    if (over.code == 0 && memory_is_short(w))
        over = hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT);
    connection *c = NULL;
    if (over.code == 0 || w->refusing < REFUSING_AT_MOST)
        c = hf_alloc_zeroed(&w->env->alloc, sizeof *c);
    if (c == NULL) {
        complain(w, over.code != 0 ? over : hf_err_make(HF_ERR_BASE_MEMORY), "new connections are reset");
        drop(w, event);
        return;
    }
    c->worker = w;
    c->refusing = over.code != 0;
    c->timer.deadline = HF_NEVER;
    c->dialog = (hf_dialog){ .service = &w->service, .id = hf_random_next(w->env->random) >> 16, .peer = event->peer,
        .local = event->local, .refusal = over };
    w->io->ops->own(w->io, event->pier, c);
    c->dialog.web = hf_web_new(w->env, c->dialog.id, event->pier, w->service.now);
    if (c->dialog.web == NULL) { /* the pier went with it */
        complain(w, hf_err_make(HF_ERR_BASE_MEMORY), "new connections are reset");
        hf_free(&w->env->alloc, c, sizeof *c);
        hf_census_leave(w->config->census, &event->peer);
        return;
    }
    w->refusing += c->refusing;
    w->count++;
    c->next = w->connections;
    if (c->next != NULL)
        c->next->previous = c;
    w->connections = c;
    if (w->draining)
        hf_web_drain(c->dialog.web);
    drive(c);
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

static void tick(hf_worker *w)
{
    hf_service_tick(&w->service, w->io->ops->now(w->io), w->io->ops->wall(w->io));
    w->service.refusing = memory_is_short(w);
}

static void check_drain(hf_worker *w)
{
    if (!w->draining || hf_time_before(w->service.now, w->drain_until) || w->connections == NULL)
        return;
    hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_HTTP_DRAINING), "limit drain_ns is over: cutting %zu connections", w->count);
    while (w->connections != NULL) {
        hf_dialog_close(&w->connections->dialog, hf_err_make(HF_ERR_HTTP_DRAINING));
        bury(w->connections);
    }
}

static void free_dead(hf_worker *w)
{
    while (w->dead != NULL) {
        connection *c = w->dead;
        w->dead = c->next;
        hf_free(&w->env->alloc, c, sizeof *c);
    }
}

void hf_worker_turn(hf_worker *w, hf_time until)
{
    const size_t n = w->io->ops->wait(w->io, hf_time_earlier(until, hf_worker_wake(w)), w->events, EVENTS);
    w->looked = w->draining;
    tick(w);
    for (size_t i = 0; i < n; i++) {
        const hf_io_event *event = &w->events[i];
        connection *c = event->owner;
        switch (event->kind) {
        case HF_IO_ACCEPTED:
            accept_connection(w, event);
            break;
        case HF_IO_ACCEPT_FAILED:
            complain(w, event->err, "cannot accept connections for a moment, new ones wait");
            break;
        case HF_IO_READY:
            if (c != NULL && !c->dead)
                drive(c);
            break;
        case HF_IO_WOKEN:
            break;
        }
    }
    /* A connection that is due again at once (it has more to say than one turn allows) waits for the next turn. */
    hf_timer *due[STEPS];
    size_t count = 0;
    while (count < HF_COUNT(due) && (due[count] = hf_timers_expire(&w->timers, w->service.now)) != NULL)
        count++;
    for (size_t i = 0; i < count; i++)
        if (!((connection *)due[i])->dead)
            drive((connection *)due[i]);
    check_drain(w);
    hf_access_turn(&w->log, w->service.now);
    free_dead(w);
}

hf_time hf_worker_wake(const hf_worker *w)
{
    if (w->draining && !w->looked)
        return hf_time_make(0);
    hf_time at = hf_time_earlier(hf_timers_next(&w->timers), hf_access_wake(&w->log));
    return w->draining ? hf_time_earlier(at, w->drain_until) : at;
}

void hf_worker_drain(hf_worker *w)
{
    if (w->draining)
        return;
    tick(w);
    w->draining = true;
    w->drain_until = hf_time_after(w->service.now, (int64_t)w->env->limits->drain_ns);
    w->io->ops->unlisten(w->io);
    for (connection *c = w->connections, *next; c != NULL; c = next) {
        next = c->next;
        hf_web_drain(c->dialog.web);
        drive(c);
    }
    free_dead(w);
}

bool hf_worker_is_done(const hf_worker *w)
{
    return w->draining && w->looked && w->connections == NULL;
}

size_t hf_worker_connections(const hf_worker *w)
{
    return w->count;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static hf_err open_files(hf_worker *w)
{
    const size_t n = w->config->route_count;
    w->files = hf_alloc_zeroed(&w->env->alloc, (n + 1) * sizeof *w->files);
    if (w->files == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    for (size_t i = 0; i < n; i++) {
        hf_err err = HF_OK;
        if (w->config->routes[i].files == NULL)
            continue;
        w->files[i] = hf_files_open(w->config->routes[i].files, w->env, &err);
        if (w->files[i] == NULL)
            return err;
    }
    return HF_OK;
}

hf_worker *hf_worker_new(const hf_env *env, hf_io *io, const hf_worker_config *config, hf_err *err)
{
    hf_worker *w = hf_alloc_zeroed(&env->alloc, sizeof *w);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (w == NULL)
        return NULL;
    w->env = env;
    w->io = io;
    w->config = config;
    w->drain_until = HF_NEVER;
    w->out = (hf_out){ .pieces = w->pieces, .capacity = PIECES, .scratch = w->scratch, .scratch_capacity = SCRATCH,
        .room = UINT64_MAX };
    const hf_service_hooks hooks = { .self = w, .answer_files = answer_files, .answer_error = answer_error, .done = done };
    hf_service_init(&w->service, env, config->app, &hooks);
    hf_timers_init(&w->timers, &env->alloc);
    /* Not from memory_bytes: what happens when that ends is worth a line. */
    hf_access_buffer_init(&w->log, config->access_log, hf_allocator_default());
    tick(w);
    *err = open_files(w);
    if (err->code == 0)
        return w;
    hf_worker_free(w);
    return NULL;
}

void hf_worker_free(hf_worker *w)
{
    if (w == NULL)
        return;
    while (w->connections != NULL)
        bury(w->connections);
    free_dead(w);
    for (size_t i = 0; w->files != NULL && i < w->config->route_count; i++)
        hf_files_close(w->files[i]);
    hf_free(&w->env->alloc, w->files, (w->config->route_count + 1) * sizeof *w->files);
    hf_access_buffer_fini(&w->log, w->service.now);
    hf_timers_fini(&w->timers);
    hf_service_fini(&w->service);
    hf_free(&w->env->alloc, w, sizeof *w);
}
