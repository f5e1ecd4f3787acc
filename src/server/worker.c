/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_core.h"

#include "address.h"
#include "epoll.h"
#include "files.h"
#include "forwarded.h"
#include "log.h"
#include "panic.h"
#include "random.h"
#include "tape.h"
#include "traceparent.h"

const char hf_worker_secure;

/* ---- what the service asks of us ---------------------------------------------------------------------------- */

static hf_err answer_files(void *self, const hf_files *files, hf_req *rq, hf_bytes rest)
{
    hf_tenure *t = self;
    const size_t i = (size_t)(rq->match.route - t->config->routes);
    HF_ASSERT(i < t->file_count && t->config->routes[i].files == files && t->files[i] != NULL);
    return hf_files_answer(t->files[i], rq, rest);
}

/* The error pages of the first folder that has some. */
static bool answer_error(void *self, hf_req *rq, uint16_t status)
{
    const hf_tenure *t = self;
    return t->error_files < t->file_count && hf_files_answer_error(t->files[t->error_files], rq, status);
}

static hf_bytes field_value(const hf_req *rq, hf_field_id id)
{
    const hf_field *f = hf_fields_find(rq->head.fields, id);
    return f != NULL ? f->value : hf_bytes_make(NULL, 0);
}

/* Counts how long those took that were answered in the turn in which they came: until their answers left, a few together, for
 * a look at the clock costs as much as a hundredth of a small answer. */
static void count_answered(hf_worker *w, uint64_t least)
{
    if (w->answered < least)
        return;
    if (w->answered > 0)
        hf_count_duration(&w->counts, w->io->ops->clock(w->io).ns - w->now.ns, w->answered);
    w->answered = 0;
}

/* What has the lines of such a request. Those that began before a reload go to their log if it is still there. */
static hf_access_buffer *log_of(hf_tenure *t, const hf_req *rq)
{
    hf_worker *w = t->worker;
    const hf_log_plan *const plan = t->config->logs, *const now = w->current->config->logs;
    size_t n = 0;
    if (plan == NULL)
        return &w->log;
    if (rq->match.route != NULL) {
        n = plan->routes[rq->match.route - t->config->routes];
    } else if (!rq->headless) {
        const hf_host *const host = hf_hosts_find(plan->hosts, plan->host_count, rq->head.authority);
        n = host != NULL ? plan->sites[host->site] : 0;
    }
    if (n == 0 || t == w->current)
        return n == 0 ? &w->log : &t->logs[n - 1];
    for (size_t i = 0; now != NULL && i < now->count; i++)
        if (now->uses[i].id == plan->uses[n - 1].id)
            return &w->current->logs[i];
    return &w->log;
}

static void done(void *self, const hf_req *rq)
{
    hf_worker *w = ((hf_tenure *)self)->worker;
    hf_access_buffer *const log = log_of(self, rq);
    if (rq->error.code != 0)
        hf_limit_tell(&w->tally, w->now, rq->dialog, rq->error, rq);
    if (rq->why != NULL)
        hf_denial_tell(&w->tally, w->now, rq);
    const hf_worker_config *config = ((hf_tenure *)self)->config;
    if (rq->head.version == HF_HTTP_3)
        hf_count(&w->counts.http3, 1);
    hf_count_request(&w->counts, rq->head.method, rq->status, rq->body_seen, rq->sent);
    if (log->log == NULL && rq->began.ns == w->now.ns) {
        w->answered++;
        return;
    }
    const hf_time now = w->io->ops->clock(w->io); /* not the turn's: what took long in this turn shall show */
    const int64_t duration = now.ns - rq->began.ns;
    hf_count_duration(&w->counts, duration, 1);
    if (log->log == NULL)
        return;
    hf_web_security tls = { 0 };
    if (rq->dialog->web != NULL)
        (void)hf_web_security_of(rq->dialog->web, &tls);
    hf_traceparent trace = { 0 };
    const bool traced = hf_traceparent_find(rq->head.fields, &trace);
    const hf_access_record record = {
        .wall_ms = w->io->ops->wall_ms(w->io) - (w->now.ns - rq->began.ns) / 1000000,
        .conn_id = rq->dialog->id,
        .req_id = hf_req_id(rq),
        .trace_id = traced ? trace.trace_id : hf_bytes_make(NULL, 0),
        .parent_id = traced ? trace.parent_id : hf_bytes_make(NULL, 0),
        .span_id = traced ? hf_random_next(w->env->random) | 1 : 0, /* "All bytes as zero" is no span */
        .client = config->trusted_count == 0 ? rq->dialog->peer
            : hf_forwarded_client(rq->head.fields, &rq->dialog->peer, config->trusted, config->trusted_count),
        .method = rq->head.method_name,
        .path = rq->head.path.len > 0 ? rq->head.path : rq->head.target,
        .query = rq->head.query,
        .version = rq->headless && !rq->versioned ? 0 : rq->head.version,
        .user = rq->user,
        .tls = tls.version,
        .cipher = hf_text(tls.suite != NULL ? tls.suite : ""),
        .resumed = tls.resumed,
        .tls_client = tls.peer,
        .status = rq->status,
        .request_body_bytes = rq->body_seen,
        .response_body_bytes = rq->sent,
        .duration_ns = duration,
        .user_agent = field_value(rq, HF_FIELD_USER_AGENT),
        .referer = field_value(rq, HF_FIELD_REFERER),
        .err = rq->error,
    };
    hf_access_append(log, now, &record);
}

/* Only where proxies are listed. */
static void source(void *self, const hf_req *rq, hf_req_source *s)
{
    const hf_worker_config *config = ((hf_tenure *)self)->config;
    const hf_forwarded f = hf_forwarded_find(rq->head.fields, &rq->dialog->peer, config->trusted, config->trusted_count);
    s->client = f.client;
    s->secure = f.scheme == HF_FORWARDED_HTTPS || (f.scheme == HF_FORWARDED_UNSAID && s->secure);
}

/* A request was answered later, or by another thread. */
static void stir(void *self, hf_dialog *d)
{
    connection *c = (connection *)((char *)d - offsetof(connection, dialog));
    (void)self;
    if (!c->dead)
        hf_worker_drive(c);
}

/* ---- generations -------------------------------------------------------------------------------------------- */

static void close_files(hf_tenure *t)
{
    for (size_t i = 0; t->files != NULL && i < t->file_count; i++)
        hf_files_close(t->files[i]);
    hf_free(&t->env.alloc, t->files, (t->file_count + 1) * sizeof *t->files);
    hf_free(&t->env.alloc, t->envs, t->envs != NULL ? t->file_count * sizeof *t->envs : 0);
    t->files = NULL;
    t->envs = NULL;
    t->file_count = 0;
}

/* Lines that are left are written; `used`: it was the current one, so that there may be some. */
static void close_logs(hf_tenure *t, bool used)
{
    for (size_t i = 0; used && i < t->log_count; i++)
        hf_access_buffer_fini(&t->logs[i], t->worker->now);
    hf_free(hf_allocator_default(), t->logs, t->log_count * sizeof *t->logs);
    t->logs = NULL;
    t->log_count = 0;
}

/* Like the other log's, not from memory_bytes: what happens when that ends is worth a line. */
static hf_err open_logs(hf_tenure *t, const hf_worker_config *config)
{
    const size_t count = config->logs != NULL ? config->logs->count : 0;
    t->logs = count > 0 ? hf_alloc_zeroed(hf_allocator_default(), count * sizeof *t->logs) : NULL;
    if (t->logs == NULL && count > 0)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    t->log_count = count;
    for (size_t i = 0; i < count; i++)
        hf_access_buffer_init(&t->logs[i], config->logs->uses[i].log, hf_allocator_default());
    return HF_OK;
}

static bool logs_nothing(const hf_worker_config *config)
{
    bool nothing = config->access_log == NULL;
    for (size_t i = 0; config->logs != NULL && i < config->logs->count; i++)
        nothing = nothing && config->logs->uses[i].log == NULL;
    return nothing;
}

/* Lets go of what only requests need. */
static void retire(hf_tenure *t)
{
    const hf_worker_config *config = t->config;
    HF_ASSERT(t->service.open == 0);
    if (config == NULL)
        return;
    close_files(t);
    close_logs(t, false);
    hf_service_fini(&t->service);
    t->config = NULL;
    if (config->release != NULL)
        config->release(config->lent);
}

void hf_tenure_discard(hf_tenure *t)
{
    if (t == NULL)
        return;
    HF_ASSERT(t->connections == 0);
    retire(t);
    hf_secure_thread_free(t->secure);
    hf_web_spares_free(&t->spares);
    hf_free(&t->worker->env->alloc, t, sizeof *t);
}

/* Connections that have closed keep their keys for a moment, to say so again. */
static bool is_spoken_by_quic(const hf_worker *w, const hf_tenure *t)
{
    return w->quic != NULL && t->secure != NULL && hf_quic_endpoint_uses(hf_quic_port_endpoint(w->quic), hf_secure_thread_quic(t->secure));
}

/* Lets go of generations that nobody needs any more. */
static void leave_tenures(hf_worker *w)
{
    for (hf_tenure **at = &w->current->next, *t; (t = *at) != NULL;) {
        if (t->service.open == 0)
            retire(t);
        if (t->config != NULL || t->connections > 0 || is_spoken_by_quic(w, t)) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        hf_secure_thread_free(t->secure);
        hf_web_spares_free(&t->spares);
        hf_free(&w->env->alloc, t, sizeof *t);
    }
}

/* With the limits of its own that a route may have. False: memory ended. */
static bool env_of_route(hf_tenure *t, const hf_worker_config *config, size_t i, const hf_env **env)
{
    if (config->routes[i].limits == NULL)
        return true;
    if (t->envs == NULL)
        t->envs = hf_alloc_zeroed(&t->env.alloc, config->route_count * sizeof *t->envs);
    if (t->envs == NULL)
        return false;
    t->envs[i] = t->env;
    t->envs[i].limits = config->routes[i].limits;
    *env = &t->envs[i];
    return true;
}

static hf_err open_files(hf_tenure *t, const hf_worker_config *config)
{
    t->files = hf_alloc_zeroed(&t->env.alloc, (config->route_count + 1) * sizeof *t->files);
    if (t->files == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    t->file_count = t->error_files = config->route_count;
    for (size_t i = 0; i < t->file_count; i++) {
        const hf_files *files = config->routes[i].files;
        const hf_env *env = &t->env;
        hf_err err = HF_OK;
        if (files == NULL)
            continue;
        if (!env_of_route(t, config, i, &env))
            return hf_err_make(HF_ERR_BASE_MEMORY);
        t->files[i] = hf_files_open(files, env, &err);
        if (t->files[i] == NULL)
            return err;
        if (files->error_pages != NULL && t->error_files == t->file_count)
            t->error_files = i;
    }
    return HF_OK;
}

hf_tenure *hf_worker_prepare(hf_worker *w, hf_random *random, const hf_worker_config *config, hf_err *err)
{
    hf_tenure *t = hf_alloc_zeroed(&w->env->alloc, sizeof *t);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (t == NULL)
        return NULL;
    t->worker = w;
    t->limits = *config->limits;
    t->env = *w->env;
    t->env.limits = &t->limits;
    t->plain = (hf_web_options){ .http2 = { .connect_protocol = true, .push = true }, .spares = &t->spares };
    hf_writer sorry = hf_writer_make(t->no_memory, sizeof t->no_memory);
    hf_limit_write_answer(&sorry, hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT));
    t->plain.no_memory = hf_written(&sorry);
    t->env.random = random; /* opening a folder draws from it, in the caller's thread */
    const hf_service_hooks hooks = { .self = t, .answer_files = answer_files, .answer_error = answer_error, .done = done,
        .unlogged = logs_nothing(config), .stir = stir, .source = config->trusted_count > 0 ? source : NULL };
    hf_service_init(&t->service, &t->env, config->app, &hooks);
    t->service.mailbox = w->mailbox;
    t->service.topics = w->topics;
    *err = open_files(t, config);
    t->env.random = w->env->random;
    for (size_t i = 0; t->envs != NULL && i < t->file_count; i++)
        t->envs[i].random = w->env->random;
    if (err->code == 0)
        *err = open_logs(t, config);
    if (err->code == 0 && config->secure != NULL)
        t->secure = hf_secure_thread_new(config->secure, &t->env, w->io, err);
    if (err->code == 0) {
        t->config = config;
        return t;
    }
    close_files(t);
    close_logs(t, false);
    hf_free(&w->env->alloc, t, sizeof *t);
    return NULL;
}

/* ---- connections -------------------------------------------------------------------------------------------- */

static void forget_proxy(connection *c)
{
    hf_free(&c->tenure->worker->env->alloc, c->proxy, sizeof *c->proxy);
    c->proxy = NULL;
}

void hf_worker_bury(connection *c)
{
    hf_worker *w = c->tenure->worker;
    if (c->dead)
        return;
    c->dead = true;
    hf_dialog_close(&c->dialog, HF_OK);
    if (c->tenure->secure != NULL)
        hf_secure_thread_forget(c->tenure->secure, c->signature);
    hf_timer_unset(&w->timers, &c->timer);
    hf_web_free(c->dialog.web);
    c->dialog.web = NULL;
    hf_taped_end(c->taped, &w->out);
    c->taped = NULL;
    if (c->proxy != NULL)
        c->proxy->ops->free(c->proxy->self);
    forget_proxy(c);
    if (c->counted)
        hf_census_leave(w->current->config->census, &c->dialog.peer);
    hf_count(&w->counts.closed, 1);
    c->tenure->connections--;
    w->refusing -= c->refusing;
    w->count--;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        w->connections = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    else
        w->oldest = c->previous;
    c->next = w->dead;
    w->dead = c;
}

/* Is the limit memory_bytes near? A sixteenth is kept back, so that there is room to refuse in. */
bool hf_worker_memory_is_short(const hf_worker *w)
{
    const hf_allocator_counted *memory = w->current->config->memory;
    if (memory == NULL)
        return false;
    const uint64_t limit = atomic_load_explicit(&memory->limit, memory_order_relaxed);
    return hf_tape_decision(hf_tape_here, atomic_load_explicit(&memory->held, memory_order_relaxed) > limit - limit / 16);
}

/* Why a handshake failed: peers can cause any number of these, so it is said to whoever asks for it. */
static void tell_tls_failure(const connection *c)
{
    const hf_tls_fault *fault = hf_web_tls_fault(c->dialog.web);
    char text[64];
    hf_writer w = hf_writer_make(text, sizeof text);
    if (fault->err.code == 0)
        return;
    hf_address_write(&w, &c->dialog.peer, true);
    hf_log(HF_LOG_DEBUG, fault->err, "TLS with %.*s failed: %s; the server %s%s%s", HF_STR(hf_written(&w)),
        hf_err_text(fault->err), fault->state,
        fault->wanted != NULL ? ", and wants " : "", fault->wanted != NULL ? fault->wanted : "");
}

static bool begin_web(connection *c, hf_pier pier);

/* The header has come: from here on the connection is the client's that it names. */
static bool follow_proxy(connection *c, const hf_proxy_header *h)
{
    hf_worker *w = c->tenure->worker;
    const hf_pier pier = *c->proxy;
    pier.ops->take(pier.self, 0, h->length);
    if (h->says)
        c->dialog.peer = h->client;
    c->dialog.refusal = hf_census_enter(w->current->config->census, &c->dialog.peer);
    c->counted = true;
    c->refusing = c->dialog.refusal.code != 0;
    w->refusing += c->refusing;
    hf_count(&w->counts.turned_away, c->refusing);
    forget_proxy(c);
    return begin_web(c, pier);
}

/* Reads the PROXY header. True: the web can be driven; else the connection waits, or is buried. */
static bool greet(connection *c)
{
    hf_worker *w = c->tenure->worker;
    const hf_pier pier = *c->proxy;
    hf_pier_event event;
    hf_proxy_header header;
    hf_proxy_verdict verdict = HF_PROXY_MORE;
    hf_step s = HF_EVENT;
    const hf_time patience = hf_time_after(c->began, (int64_t)c->tenure->limits.head_ns);
    while (verdict == HF_PROXY_MORE && s == HF_EVENT && (s = pier.ops->event(pier.self, w->now, &event)) == HF_EVENT) {
        const hf_span in = pier.ops->peek(pier.self, 0);
        verdict = hf_proxy_header_parse(hf_bytes_make(in.ptr, in.len), c->tenure->limits.proxy_header_bytes, &header);
        if (event.kind == HF_PIER_ENDED && verdict == HF_PROXY_MORE)
            s = HF_CLOSED;
    }
    if (verdict == HF_PROXY_GOOD) {
        if (follow_proxy(c, &header))
            return true;
        hf_worker_bury(c);
        return false;
    }
    if (verdict == HF_PROXY_BAD)
        hf_worker_complain(w, hf_err_make(HF_ERR_HTTP_PROXY_HEADER), "a proxy's connection was reset");
    if (verdict == HF_PROXY_BAD)
        (void)!pier.ops->end(pier.self, 0, (hf_ending){ HF_ENDING_RESET, 0 }).code;
    if (verdict == HF_PROXY_BAD || s != HF_IDLE || w->draining || !hf_time_before(w->now, patience) ||
        !hf_timer_set(&w->timers, &c->timer, patience))
        hf_worker_bury(c);
    return false;
}

/* Limits that had a part in the connection's end. Of those that ended requests the requests tell. */
static void tell_limits(const connection *c, hf_err why, bool alone)
{
    hf_worker *w = c->tenure->worker;
    hf_err also[HF_WEB_LIMITS];
    const size_t n = hf_web_limits(c->dialog.web, also);
    if (alone)
        hf_limit_tell(&w->tally, w->now, &c->dialog, why, NULL);
    for (size_t i = 0; i < n; i++)
        hf_limit_tell(&w->tally, w->now, &c->dialog, also[i], NULL);
}

static bool turn_away_for_memory(connection *c)
{
    const bool told = hf_worker_turn_away(c, hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT));
    hf_count(&c->tenure->worker->counts.turned_away, told);
    return told;
}

/* Deals with everything the connection has to say, then notes when it must be looked at again. */
static void converse(connection *c)
{
    hf_worker *w = c->tenure->worker;
    hf_web_event event;
    hf_step s = HF_EVENT;
    if (c->proxy != NULL && !greet(c))
        return;
    if (w->current->service.refusing && hf_worker_is_beginning(c))
        (void)turn_away_for_memory(c);
    for (int i = 0; i < STEPS && !c->dead; i++) {
        s = hf_web_step(c->dialog.web, w->now, &w->out, &event);
        if (s == HF_IDLE && hf_worker_is_beginning(c) && hf_worker_memory_is_short(w) && turn_away_for_memory(c))
            continue; /* many heads may come in one turn of the loop: each looks anew, so that what is kept back suffices */
        if (s != HF_EVENT)
            break;
        if (event.kind == HF_WEB_WANT_SIGN) { /* what the service would do with the key itself */
            c->signature = hf_secure_thread_sign(c->tenure->secure, c, c->dialog.web, &event);
            continue;
        }
        if (event.kind == HF_WEB_WANT_VERIFY) {
            hf_secure_thread_verify(c->tenure->secure, c->dialog.web, &event, (hf_wall){ w->io->ops->wall_ms(w->io) / 1000 });
            continue;
        }
        const bool alone = event.kind == HF_WEB_CLOSED && c->dialog.open == NULL;
        hf_dialog_event(&c->dialog, &event);
        if (event.kind == HF_WEB_CLOSED) {
            tell_tls_failure(c);
            tell_limits(c, event.err, alone);
            if (event.err.code == HF_ERR_BASE_MEMORY)
                hf_worker_complain(w, hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT), "a connection was cut");
            hf_worker_bury(c);
            return;
        }
    }
    const hf_time wake = s == HF_EVENT ? w->now : hf_time_earlier(hf_web_wake(c->dialog.web), hf_dialog_wake(&c->dialog));
    if (s == HF_CLOSED || s == HF_FAULT || !hf_timer_set(&w->timers, &c->timer, wake))
        hf_worker_bury(c);
}

void hf_worker_drive(connection *c)
{
    if (c->taped != NULL)
        hf_tapes_here(c->taped);
    converse(c);
    if (c->tenure->worker->tapes != NULL)
        hf_tapes_here(NULL);
    count_answered(c->tenure->worker, COUNTED_TOGETHER); /* its memory stays until the turn ends */
}

static void drop(hf_worker *w, const hf_io_event *event, bool counted)
{
    (void)!event->pier.ops->end(event->pier.self, 0, (hf_ending){ HF_ENDING_RESET, 0 }).code;
    event->pier.ops->free(event->pier.self);
    hf_count(&w->counts.closed, 1);
    if (counted)
        hf_census_leave(w->current->config->census, &event->peer);
}

/* Takes the connection into the list. */
void hf_worker_link(connection *c)
{
    hf_worker *w = c->tenure->worker;
    c->tenure->connections++;
    w->refusing += c->refusing;
    w->count++;
    c->next = w->connections;
    if (c->next != NULL)
        c->next->previous = c;
    else
        w->oldest = c;
    w->connections = c;
}

/* The client is known: what it sends is HTTP, or TLS. False: memory ended. */
static bool begin_web(connection *c, hf_pier pier)
{
    hf_worker *w = c->tenure->worker;
    hf_tenure *t = c->tenure;
    const hf_web_options *const options = c->secure ? hf_secure_thread_web(t->secure) : &t->plain;
    c->taped = w->tapes != NULL ? hf_taped_new(w->tapes, &t->env, c->dialog.id, options, c->secure) : NULL;
    c->dialog.web = hf_web_new(c->taped != NULL ? hf_taped_env(c->taped) : &t->env, c->dialog.id, pier,
        c->taped != NULL ? hf_taped_options(c->taped) : options, w->now);
    if (c->dialog.web == NULL) { /* the pier went with it */
        hf_worker_complain(w, hf_err_make(HF_ERR_BASE_MEMORY), "new connections are reset");
        return false;
    }
    if (w->draining)
        hf_web_drain(c->dialog.web);
    return true;
}

/* What comes first is a PROXY header. False: memory ended, and the pier went. */
static bool await_header(connection *c, hf_pier pier)
{
    c->proxy = hf_alloc(&c->tenure->worker->env->alloc, sizeof *c->proxy);
    if (c->proxy == NULL)
        pier.ops->free(pier.self);
    else
        *c->proxy = pier;
    return c->proxy != NULL;
}

/* The address's place among those known; 0 when memory ends. */
uint16_t hf_worker_note_local(hf_worker *w, const hf_address *at)
{
    for (size_t i = 1; i < w->local_count; i++)
        if (hf_address_same(&w->locals[i], at))
            return (uint16_t)i;
    const size_t n = w->local_count == 0 ? 1 : w->local_count;
    hf_address *const locals = n > UINT16_MAX ? NULL
        : hf_resize(&w->env->alloc, w->locals, w->local_count * sizeof *locals, (n + 1) * sizeof *locals);
    if (locals == NULL)
        return 0;
    locals[0] = (hf_address){ 0 };
    locals[n] = *at;
    w->locals = locals;
    w->local_count = n + 1;
    return (uint16_t)n;
}

/* Does a listener there take what came in here? One for every address has its bytes 0. */
static bool is_behind(const hf_address *listener, const hf_address *local)
{
    static const uint8_t any[16];
    return listener->port == local->port && listener->family == local->family &&
        (memcmp(listener->ip, any, sizeof any) == 0 || memcmp(listener->ip, local->ip, sizeof any) == 0);
}

/* Is it a proxy, which says first for whom it speaks? */
static bool begins_with_header(const hf_worker_config *config, const hf_io_event *event)
{
    for (size_t i = 0; i < config->rule_count; i++)
        if (is_behind(&config->rules[i].at, &event->local))
            return hf_networks_have(config->rules[i].proxy_from, config->rules[i].proxy_from_count, &event->peer);
    return hf_networks_have(config->proxy_from, config->proxy_from_count, &event->peer);
}

static void accept_connection(hf_worker *w, const hf_io_event *event)
{
    hf_tenure *t = w->current;
    const bool proxied = begins_with_header(t->config, event);
    /* What proxies bring is counted once it is known for whom. */
    hf_err over = proxied ? HF_OK : hf_census_enter(t->config->census, &event->peer);
    if (over.code == HF_ERR_IO_DESCRIPTORS_KEPT) {
        const bool made = hf_worker_close_spare(w);
        hf_worker_complain(w, over, made ? "an idle connection made room for a new one" : "new connections are answered 503");
        over = made ? HF_OK : over;
    }
    if (over.code == 0 && hf_worker_memory_is_short(w))
        over = hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT);
    hf_count(&w->counts.accepted, 1);
    hf_count(&w->counts.turned_away, over.code != 0);
    connection *c = NULL;
    const bool secure = event->owner == &hf_worker_secure;
    /* Where TLS was promised, nothing is ever answered in the clear. */
    if ((secure && t->secure == NULL) || (t->config->admits != NULL && !t->config->admits(hf_socket_descriptor(event->pier)))) {
        drop(w, event, !proxied);
        return;
    }
    const bool few = over.code == HF_ERR_IO_DESCRIPTORS_KEPT; /* and those who are told so take some, too */
    const bool crowded = over.code != 0 && w->refusing >= (few ? hf_census_kept(t->config->census) / 2 : TURNING_AT_MOST);
    if (!crowded || !(secure || proxied))
        c = hf_alloc_zeroed(&w->env->alloc, sizeof *c);
    if (c == NULL) {
        hf_worker_complain(w, over.code != 0 ? over : hf_err_make(HF_ERR_BASE_MEMORY), "new connections are reset");
        drop(w, event, !proxied);
        return;
    }
    c->tenure = t;
    c->began = w->now;
    c->descriptor = hf_socket_descriptor(event->pier);
    c->signature = HF_SECURE_NOWHERE;
    c->secure = secure;
    c->local = hf_worker_note_local(w, &event->local);
    c->counted = !proxied;
    c->refusing = over.code != 0;
    c->timer.deadline = HF_NEVER;
    c->dialog = (hf_dialog){ .service = &t->service, .id = hf_random_next(w->env->random) >> 16, .peer = event->peer,
        .refusal = over, .https_port = c->secure ? 0 : t->config->redirect_port,
        .http3_port = c->secure && t->config->http3 && w->quic != NULL && hf_quic_port_serves(w->quic, &event->local) ? event->local.port : 0 };
    w->io->ops->own(w->io, event->pier, c);
    hf_worker_link(c);
    if (!(proxied ? await_header(c, event->pier) : begin_web(c, event->pier))) {
        hf_worker_bury(c);
        return;
    }
    if (c->refusing && c->proxy == NULL && (over.code == HF_ERR_HTTP_MEMORY_LIMIT || few || w->refusing > REFUSING_AT_MOST)) {
        hf_worker_complain(w, over, "new connections are answered at once");
        (void)hf_worker_turn_away(c, over); /* with TLS not yet: then as an answer */
    }
    hf_worker_drive(c);
    if (crowded && !c->dead)
        hf_worker_see_off(c);
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

static void tick(hf_worker *w)
{
    const bool refusing = hf_worker_memory_is_short(w);
    w->now = w->io->ops->now(w->io);
    for (hf_tenure *t = w->current; t != NULL; t = t->next) {
        if (t->config != NULL) /* else it has no service any more, only connections that began with it */
            hf_service_tick(&t->service, w->now, w->io->ops->wall(w->io));
        t->service.refusing = refusing;
        if (t->secure != NULL)
            hf_secure_thread_tick(t->secure, w->now, w->io->ops->wall_ms(w->io));
        if (t->secure != NULL && t != w->current)
            hf_secure_thread_rest(t->secure);
    }
}

/* A descriptor that was watched: of answers of the key process, or of datagrams. */
static void read_watched(hf_worker *w, void *owner)
{
    for (hf_tenure *t = w->current; t != NULL; t = t->next)
        if (t->secure == owner) {
            hf_secure_thread_readable(t->secure);
            return;
        }
    if (w->quic != NULL)
        hf_quic_port_receive(w->quic, owner, w->now);
}

/* Handshakes go on whose signatures came. */
static void take_signatures(hf_worker *w)
{
    void *owner;
    hf_err err;
    hf_bytes signature;
    for (hf_tenure *t = w->current; t != NULL; t = t->next)
        while (t->secure != NULL && hf_secure_thread_answer(t->secure, &owner, &err, &signature)) {
            connection *c = owner;
            c->signature = HF_SECURE_NOWHERE;
            hf_web_answer_sign(c->dialog.web, err, signature);
            hf_worker_drive(c);
        }
}

static void check_drain(hf_worker *w)
{
    if (!w->draining || hf_time_before(w->now, w->drain_until) || w->connections == NULL)
        return;
    hf_log(HF_LOG_WARNING, hf_err_make(HF_ERR_HTTP_DRAINING), "limit drain_ns is over: cutting %zu connections", w->count);
    while (w->connections != NULL) {
        hf_dialog_close(&w->connections->dialog, hf_err_make(HF_ERR_HTTP_DRAINING));
        hf_worker_bury(w->connections);
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
            hf_count(&w->counts.accept_failed, 1);
            hf_worker_complain(w, event->err, "cannot accept connections for a moment, new ones wait");
            if (event->err.code == HF_ERR_IO_DESCRIPTORS) {
                hf_worker_shed_files(w);
                (void)hf_worker_close_spare(w);
            }
            break;
        case HF_IO_READY:
            if (c != NULL && !c->dead)
                hf_worker_drive(c);
            break;
        case HF_IO_READABLE:
            read_watched(w, event->owner);
            break;
        case HF_IO_WOKEN:
            break;
        }
    }
    take_signatures(w);
    /* A connection that is due again at once (it has more to say than one turn allows) waits for the next turn. */
    hf_timer *due[STEPS];
    size_t count = 0;
    while (count < HF_COUNT(due) && (due[count] = hf_timers_expire(&w->timers, w->now)) != NULL)
        count++;
    for (size_t i = 0; i < count; i++) {
        connection *c = (connection *)due[i];
        if (!c->dead)
            hf_dialog_tick(&c->dialog);
        if (!c->dead)
            hf_worker_drive(c);
    }
    hf_mailbox_turn(w->mailbox);
    check_drain(w);
    hf_worker_serve_quic(w);
    count_answered(w, 0);
    hf_access_turn(&w->log, w->now);
    for (size_t i = 0; i < w->current->log_count; i++)
        hf_access_turn(&w->current->logs[i], w->now);
    free_dead(w);
    if (w->current->next != NULL)
        leave_tenures(w);
}

hf_time hf_worker_wake(const hf_worker *w)
{
    if (w->draining && !w->looked)
        return hf_time_make(0);
    hf_time at = hf_time_earlier(hf_timers_next(&w->timers), hf_access_wake(&w->log));
    for (size_t i = 0; i < w->current->log_count; i++)
        at = hf_time_earlier(at, hf_access_wake(&w->current->logs[i]));
    if (w->quic != NULL)
        at = hf_time_earlier(at, hf_quic_port_wake(w->quic));
    return w->draining ? hf_time_earlier(at, w->drain_until) : at;
}

void hf_worker_drain(hf_worker *w)
{
    if (w->draining)
        return;
    tick(w);
    w->draining = true;
    w->drain_until = hf_time_after(w->now, (int64_t)w->env->limits->drain_ns);
    w->io->ops->unlisten(w->io);
    hf_worker_aim_quic(w);
    for (connection *c = w->connections, *next; c != NULL; c = next) {
        next = c->next;
        if (c->dialog.web != NULL) {
            hf_dialog_drain(&c->dialog);
            hf_web_drain(c->dialog.web);
        }
        hf_worker_drive(c);
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

void hf_worker_adopt(hf_worker *w, hf_tenure *t)
{
    HF_ASSERT(t->worker == w && t->next == NULL && t->config != NULL);
    t->next = w->current;
    w->current = t;
    hf_worker_aim_quic(w);
    /* Requests under way know where they began. */
    for (connection *c = w->connections; c != NULL; c = c->next)
        c->dialog.service = &t->service;
    for (hf_tenure *old = t->next; old != NULL; old = old->next)
        old->service.hooks.unlogged = t->service.hooks.unlogged;
    close_logs(t->next, true);
    hf_access_buffer_fini(&w->log, w->now);
    hf_access_buffer_init(&w->log, t->config->access_log, hf_allocator_default());
    tick(w);
    leave_tenures(w);
}

size_t hf_worker_tenures(const hf_worker *w)
{
    size_t n = 0;
    for (const hf_tenure *t = w->current; t != NULL; t = t->next)
        n += t->config != NULL;
    return n;
}

const hf_counts *hf_worker_counts(const hf_worker *w)
{
    return &w->counts;
}

static uint64_t open_requests(const hf_dialog *d)
{
    uint64_t n = 0;
    for (const hf_req *rq = d->open; rq != NULL; rq = rq->next)
        n++;
    return n;
}

size_t hf_worker_list(const hf_worker *w, hf_worker_connection *to, size_t most)
{
    size_t n = 0;
    for (const connection *c = w->connections; c != NULL && n < most; c = c->next) {
        to[n] = (hf_worker_connection){ .id = c->dialog.id, .peer = c->dialog.peer, 
            .age_ns = w->now.ns - c->began.ns, .requests = c->dialog.requests, .open = open_requests(&c->dialog),
            .bytes_sent = c->dialog.web != NULL ? hf_web_bytes_sent(c->dialog.web) : 0,
            .bytes_unsent = c->dialog.web != NULL ? hf_web_unsent(c->dialog.web) : 0,
            .current = c->tenure == w->current, .draining = w->draining };
        if (c->local > 0)
            to[n].local = w->locals[c->local];
        to[n].has_tcp = hf_tcp_facts_read(c->descriptor, &to[n].tcp) || hf_tcp_facts_own(w->io, &to[n].local, &to[n].peer, &to[n].tcp);
        const hf_quic *const quic = c->dialog.web != NULL ? hf_web_quic(c->dialog.web) : NULL;
        to[n].has_quic = quic != NULL;
        if (quic != NULL)
            hf_quic_info_of(quic, &to[n].quic);
        n++;
    }
    return n;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

void hf_worker_place(hf_worker *w, hf_worker *const *all, uint32_t count, uint32_t number)
{
    w->all = all;
    w->all_count = count;
    w->number = number;
}

hf_worker *hf_worker_new(const hf_env *env, hf_io *io, const hf_worker_config *config, hf_err *err)
{
    hf_worker *w = hf_alloc_zeroed(&env->alloc, sizeof *w);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (w == NULL)
        return NULL;
    w->env = env;
    w->io = io;
    w->drain_until = HF_NEVER;
    w->tapes = config->tapes;
    w->out = (hf_out){ .pieces = w->pieces, .capacity = PIECES, .scratch = w->scratch, .scratch_capacity = SCRATCH,
        .room = UINT64_MAX };
    hf_timers_init(&w->timers, &env->alloc);
    /* Not from memory_bytes: what happens when that ends is worth a line. */
    hf_access_buffer_init(&w->log, config->access_log, hf_allocator_default());
    w->mailbox = hf_mailbox_new(hf_allocator_default(), io, config->limits->messages);
    if (w->mailbox != NULL && config->app->topics != NULL)
        w->topics = hf_topics_join(config->app->topics, env, w->mailbox);
    if (w->mailbox != NULL && (w->topics != NULL || config->app->topics == NULL))
        w->current = hf_worker_prepare(w, env->random, config, err);
    if (w->current == NULL) {
        hf_worker_free(w);
        return NULL;
    }
    tick(w);
    return w;
}

void hf_worker_free(hf_worker *w)
{
    if (w == NULL)
        return;
    while (w->connections != NULL)
        hf_worker_bury(w->connections);
    free_dead(w);
    hf_topics_leave(w->topics);
    hf_mailbox_close(w->mailbox); /* what still comes finds its request gone */
    hf_quic_port_free(w->quic);   /* before the generations whose keys it uses */
    hf_access_buffer_fini(&w->log, w->now);
    if (w->current != NULL)
        close_logs(w->current, true);
    while (w->current != NULL) {
        hf_tenure *t = w->current;
        w->current = t->next;
        hf_tenure_discard(t);
    }
    hf_timers_fini(&w->timers);
    hf_free(&w->env->alloc, w->locals, w->local_count * sizeof *w->locals);
    hf_free(&w->env->alloc, w, sizeof *w);
}
