/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/sim.h: the user's routes behind the real worker, and clients that ask one thing after another.
 */
#include <handfast/sim.h>

#include <handfast/http1.h>

#include <stdio.h>

#include "allocator.h"
#include "client_core.h"
#include "lab_worker.h"
#include "panic.h"
#include "random.h"
#include "trace.h"

enum { PORT = 80, WHY = 4096, FIELDS = 64, SERVER_HOST = 100 };
#define PATIENCE_NS HF_SECONDS(3600)

struct hf_sim_client {
    hf_sim_client *next;
    hf_sim *sim;
    hf_io *io;
    uint64_t connections;

    hf_pier pier; /* ops NULL: none */
    hf_http1 *core;
    bool fin_received;
    hf_err why; /* the connection's end */

    bool asked, sent_head, sent_body, over;
    bool fresh; /* the connection was made for this request */
    hf_time began;
    hf_arena arena; /* the request, then its answer */
    hf_request_head head;
    hf_bytes body; /* of the request */
    size_t body_put;
    hf_queue answer_body;
    hf_sim_answer answer;

    hf_out out; /* what emit gave and the pier has not taken */
    size_t out_first;
    hf_extent pieces[8];
    uint8_t scratch[4096];
};

/* A host on which a client of handfast/client.h lives. */
typedef struct guest {
    struct guest *next;
    hf_sim *sim;
    hf_io *io;
    hf_time until; /* how long its program waits */
    bool stirred;  /* something happened */
} guest;

struct hf_sim {
    hf_env env;
    hf_limits limits;
    hf_random random;
    hf_trace_hash hash;
    hf_world *world;
    hf_io *io; /* the server's host */
    hf_sim_options options;
    hf_lab_worker server;
    hf_sim_client *clients;
    guest *guests;
    size_t client_count; /* and guests */
    hf_time began;
    char why[WHY];
};

/* ---- the client's connection -------------------------------------------------------------------------------- */

static void clear_out(hf_sim_client *c)
{
    c->out = (hf_out){ .pieces = c->pieces, .capacity = HF_COUNT(c->pieces), .scratch = c->scratch,
                       .scratch_capacity = sizeof c->scratch, .room = sizeof c->scratch };
    c->out_first = 0;
}

static void disconnect(hf_sim_client *c)
{
    hf_http1_free(c->core);
    if (c->pier.ops != NULL)
        c->pier.ops->free(c->pier.self);
    c->core = NULL;
    c->pier = (hf_pier){ NULL, NULL };
    c->fin_received = false;
    c->why = HF_OK;
}

static void finish(hf_sim_client *c, hf_err err)
{
    const hf_span body = hf_queue_peek(&c->answer_body);
    c->over = true;
    c->answer.err = err;
    c->answer.body = hf_bytes_make(body.ptr, body.len);
    c->answer.took_ns = hf_world_now(c->sim->world).ns - c->began.ns;
}

static void connect_now(hf_sim_client *c, hf_time now)
{
    const hf_address to = hf_world_address(SERVER_HOST, PORT);
    const hf_err err = c->io->ops->connect(c->io, &to, c, &c->pier);
    HF_ASSERT(err.code == 0);
    c->core = hf_http1_client_new(&c->sim->env, ++c->connections, now);
    HF_ASSERT(c->core != NULL);
    c->fresh = true;
    clear_out(c);
}

/* A kept connection may end while a request is on its way to it: nothing was answered, so it is asked again on a new one,
 * as clients do with requests that may be repeated (RFC 9110 9.2.2). Others fail. */
static bool asks_again(hf_sim_client *c)
{
    const bool repeatable = c->head.method == HF_METHOD_GET || c->head.method == HF_METHOD_HEAD || c->head.method == HF_METHOD_OPTIONS;
    if (c->fresh || c->answer.status != 0 || (c->sent_head && !repeatable))
        return false;
    c->sent_head = c->sent_body = false;
    c->body_put = 0;
    return true;
}

static void lose(hf_sim_client *c, hf_err why, hf_time now)
{
    const bool busy = c->asked && !c->over;
    disconnect(c);
    if (busy && asks_again(c))
        connect_now(c, now);
    else if (busy)
        finish(c, why.code != 0 ? why : hf_err_make(HF_ERR_HTTP1_TRUNCATED));
}

/* ---- a request ---------------------------------------------------------------------------------------------- */

static hf_bytes keep(hf_sim_client *c, hf_bytes b)
{
    const hf_bytes copy = hf_arena_copy(&c->arena, b);
    HF_ASSERT(copy.ptr != NULL || b.len == 0);
    return copy;
}

static hf_fields keep_fields(hf_sim_client *c, hf_fields fields, size_t more)
{
    hf_field *kept = hf_arena_get(&c->arena, (fields.count + more + 1) * sizeof *kept);
    HF_ASSERT(kept != NULL);
    for (size_t i = 0; i < fields.count; i++)
        kept[i] = (hf_field){ .name = keep(c, fields.at[i].name), .value = keep(c, fields.at[i].value), .id = fields.at[i].id };
    return (hf_fields){ kept, fields.count };
}

static void add_field(hf_fields *fields, const char *name, hf_bytes value)
{
    ((hf_field *)(uintptr_t)fields->at)[fields->count++] = (hf_field){ .name = hf_text(name), .value = value };
}

void hf_sim_begin(hf_sim_client *c, const hf_sim_request *r)
{
    HF_ASSERT(!c->asked || c->over);
    const char *method = r->method != NULL ? r->method : r->body.len > 0 ? "POST" : "GET";
    hf_arena_fini(&c->arena);
    hf_arena_init(&c->arena, &c->sim->env.alloc, SIZE_MAX);
    hf_queue_fini(&c->answer_body);
    hf_queue_init(&c->answer_body, &c->sim->env.alloc);
    c->answer = (hf_sim_answer){ 0 };
    c->asked = true;
    c->sent_head = c->sent_body = c->over = c->fresh = false;
    c->body_put = 0;
    c->began = hf_world_now(c->sim->world);
    hf_fields fields = keep_fields(c, (hf_fields){ r->fields, r->field_count }, 2);
    add_field(&fields, "Host", hf_text("simulated"));
    if (r->content_type != NULL)
        add_field(&fields, "Content-Type", keep(c, hf_text(r->content_type)));
    c->body = keep(c, r->body);
    c->head = (hf_request_head){ .method = hf_method_parse(hf_text(method)), .method_name = keep(c, hf_text(method)),
        .version = HF_HTTP_1_1, .target = keep(c, hf_text(r->target)), .fields = fields,
        .content_length = r->body.len > 0 || strcmp(method, "POST") == 0 ? (int64_t)r->body.len : HF_LENGTH_NONE };
    hf_world_poke(c->io);
}

/* True when anything moved. */
static bool send_request(hf_sim_client *c)
{
    hf_err err = HF_OK;
    if (!c->asked || c->over || c->sent_body)
        return false;
    if (!c->sent_head) {
        err = hf_http1_request(c->core, &c->head);
        if (err.code == HF_ERR_BASE_LIMIT)
            return false; /* later */
        if (err.code == 0)
            c->sent_head = true;
        else if (c->fresh) /* no request that could be sent at all */
            finish(c, err);
        else
            c->why = err; /* the connection takes no more: another one will */
        return err.code == 0;
    }
    while (c->body_put < c->body.len) {
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = { c->body.ptr + c->body_put, c->body.len - c->body_put } };
        const uint64_t took = hf_http1_put(c->core, &e, 1, &err);
        c->body_put += (size_t)took;
        if (took == 0)
            return false;
    }
    (void)hf_http1_end(c->core, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code; /* for a bodiless one there is none */
    c->sent_body = true;
    return true;
}

static bool flush(hf_sim_client *c, hf_time now)
{
    bool moved = false;
    for (;;) {
        if (c->out_first == c->out.count) {
            clear_out(c);
            if (hf_http1_emit(c->core, now, &c->out) == 0)
                return moved;
        }
        uint64_t took = c->pier.ops->put(c->pier.self, 0, c->out.pieces + c->out_first, c->out.count - c->out_first);
        if (took == 0)
            return moved;
        moved = true;
        while (took > 0) { /* a client's pieces are copied ones */
            hf_extent *e = &c->out.pieces[c->out_first];
            const size_t n = took < e->bytes.len ? (size_t)took : e->bytes.len;
            e->bytes = hf_bytes_make(e->bytes.ptr + n, e->bytes.len - n);
            took -= n;
            c->out_first += e->bytes.len == 0;
        }
    }
}

/* ---- an answer ---------------------------------------------------------------------------------------------- */

static void on_event(hf_sim_client *c, const hf_http1_event *e)
{
    switch (e->kind) {
    case HF_HTTP1_RESPONSE:
        if (e->response.status >= 200) {
            c->answer.status = e->response.status;
            c->answer.fields = keep_fields(c, e->response.fields, 0);
        }
        break;
    case HF_HTTP1_BODY: {
        const bool kept = hf_queue_append(&c->answer_body, e->body);
        HF_ASSERT(kept);
        hf_http1_take(c->core, e->body.len);
        break;
    }
    case HF_HTTP1_END:
        if (!c->sent_body) /* answered before the request was whole: this connection has no future */
            c->why = hf_err_make(HF_ERR_HTTP1_TRUNCATED);
        finish(c, HF_OK);
        break;
    default: /* trailers: of no answer that is asked for here */
        break;
    }
}

/* Feeds the core until it is idle. True when anything moved. */
static bool feed(hf_sim_client *c, hf_time now)
{
    for (bool moved = false;; moved = true) {
        hf_http1_event e;
        const hf_span held = c->pier.ops->peek(c->pier.self, 0);
        hf_in in = { .ptr = held.ptr, .len = held.len, .fin = c->fin_received };
        const hf_step s = hf_http1_step(c->core, now, &in, &e);
        if (s == HF_EVENT)
            on_event(c, &e);
        if (in.used > 0)
            c->pier.ops->take(c->pier.self, 0, in.used);
        if ((s == HF_CLOSED || s == HF_FAULT) && c->why.code == 0) {
            c->why = hf_http1_fault(c->core)->err;
            if (c->why.code == 0)
                c->why = hf_err_make(HF_ERR_HTTP1_TRUNCATED);
        }
        if (s != HF_EVENT)
            return moved || in.used > 0;
    }
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

static void pull(hf_sim_client *c, hf_time now)
{
    hf_pier_event e;
    hf_step s;
    while ((s = c->pier.ops->event(c->pier.self, now, &e)) == HF_EVENT) {
        if (e.kind != HF_PIER_ENDED)
            continue;
        if (e.ending.kind == HF_ENDING_FIN)
            c->fin_received = true;
        else
            c->why = e.err;
    }
    if (s == HF_FAULT && c->why.code == 0)
        c->why = hf_err_make(HF_ERR_IO_RESET);
}

static void run(hf_sim_client *c, hf_time now)
{
    bool moved = true;
    if (c->pier.ops == NULL && c->asked && !c->over)
        connect_now(c, now);
    while (c->pier.ops != NULL && moved) {
        pull(c, now);
        moved = feed(c, now); /* what arrived before a reset still counts */
        if (c->why.code == 0)
            moved = send_request(c) || moved;
        if (c->why.code == 0)
            moved = flush(c, now) || moved;
        if (c->why.code != 0) {
            lose(c, c->why, now);
            moved = true;
        }
    }
}

static void turn(void *self, hf_io *io, hf_time now)
{
    hf_io_event events[8];
    while (io->ops->wait(io, now, events, HF_COUNT(events)) == HF_COUNT(events))
        ;
    run(self, now);
}

static hf_time wake(void *self)
{
    const hf_sim_client *c = self;
    if (c->asked && !c->over && (c->pier.ops == NULL || !c->sent_head))
        return c->began;
    return c->pier.ops != NULL ? hf_http1_wake(c->core) : HF_NEVER;
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

hf_sim_client *hf_sim_client_new(hf_sim *sim)
{
    char name[16];
    hf_sim_client *c = hf_alloc_zeroed(&sim->env.alloc, sizeof *c);
    const hf_address at = hf_world_address((uint8_t)(1 + sim->client_count), 0);
    snprintf(name, sizeof name, "client%zu", sim->client_count);
    HF_ASSERT(c != NULL);
    c->sim = sim;
    c->io = sim->client_count < 30 ? hf_world_host(sim->world, name, &at) : NULL;
    if (c->io == NULL) {
        hf_free(&sim->env.alloc, c, sizeof *c);
        return NULL;
    }
    hf_arena_init(&c->arena, &sim->env.alloc, SIZE_MAX);
    hf_queue_init(&c->answer_body, &sim->env.alloc);
    c->next = sim->clients;
    sim->clients = c;
    sim->client_count++;
    hf_world_program(c->io, (hf_program){ c, turn, wake });
    hf_sim_network_set(sim, &sim->options.network);
    return c;
}

const hf_sim_answer *hf_sim_answer_of(hf_sim_client *c)
{
    return c->over ? &c->answer : NULL;
}

const hf_sim_answer *hf_sim_finish(hf_sim_client *c)
{
    const hf_time until = hf_time_after(c->began, PATIENCE_NS);
    HF_ASSERT(c->asked);
    while (!c->over && hf_world_step(c->sim->world, until) == HF_WORLD_MOVED)
        ;
    if (!c->over) {
        disconnect(c);
        finish(c, hf_err_make(HF_ERR_IO_TIMEOUT));
    }
    return &c->answer;
}

const hf_sim_answer *hf_sim_ask(hf_sim_client *c, const hf_sim_request *request)
{
    hf_sim_begin(c, request);
    return hf_sim_finish(c);
}

void hf_sim_hang_up(hf_sim_client *c)
{
    const bool busy = c->asked && !c->over;
    if (c->pier.ops != NULL)
        (void)!c->pier.ops->end(c->pier.self, 0, (hf_ending){ HF_ENDING_RESET, 0 }).code;
    disconnect(c);
    if (busy)
        finish(c, hf_err_make(HF_ERR_IO_RESET));
    hf_world_poke(c->io);
}

static void client_free(hf_sim_client *c)
{
    disconnect(c);
    hf_arena_fini(&c->arena);
    hf_queue_fini(&c->answer_body);
    hf_free(&c->sim->env.alloc, c, sizeof *c);
}

/* ---- clients of handfast/client.h --------------------------------------------------------------------------- */

static void guest_turn(void *self, hf_io *io, hf_time now)
{
    hf_io_event events[8];
    while (io->ops->wait(io, now, events, HF_COUNT(events)) == HF_COUNT(events))
        ;
    ((guest *)self)->stirred = true;
}

static hf_time guest_wake(void *self)
{
    return ((const guest *)self)->until;
}

/* The client waits: the world goes on until there is something for it. */
static void guest_wait(void *self, hf_time until)
{
    guest *const g = self;
    g->until = until;
    g->stirred = false;
    hf_world_poke(g->io);
    while (!g->stirred && hf_world_step(g->sim->world, until) == HF_WORLD_MOVED)
        ;
    g->until = HF_NEVER;
    hf_world_poke(g->io);
}

hf_err hf_sim_open_client(hf_sim *sim, hf_client **client, const hf_client_options *options)
{
    static const hf_client_alias server = { .to_host = "10.0.0.100", .to_port = PORT }; /* SERVER_HOST */
    char name[16];
    hf_client_options o = options != NULL ? *options : (hf_client_options){ .roots = NULL };
    guest *const g = hf_alloc_zeroed(&sim->env.alloc, sizeof *g);
    const hf_address at = hf_world_address((uint8_t)(1 + sim->client_count), 0);
    snprintf(name, sizeof name, "client%zu", sim->client_count);
    *client = NULL;
    HF_ASSERT(g != NULL);
    *g = (guest){ .next = sim->guests, .sim = sim, .until = HF_NEVER, .io = sim->client_count < 30 ? hf_world_host(sim->world, name, &at) : NULL };
    if (g->io == NULL) {
        hf_free(&sim->env.alloc, g, sizeof *g);
        return hf_err_make(HF_ERR_BASE_LIMIT);
    }
    sim->guests = g;
    sim->client_count++;
    hf_world_program(g->io, (hf_program){ g, guest_turn, guest_wake });
    hf_sim_network_set(sim, &sim->options.network);
    o.aliases = &server;
    o.alias_count = 1;
    o.own_loop = false;
    o.proxy_http = o.proxy_https = NULL;
    return hf_client_open_in(client, &o, &(hf_client_world){ .io = g->io, .env = &sim->env, .wait = guest_wait, .self = g });
}

/* ---- the world ---------------------------------------------------------------------------------------------- */

static hf_err start(hf_sim *sim)
{
    const hf_sim_options *o = &sim->options;
    const hf_lab_worker_options options = { .routes = o->routes, .route_count = o->route_count, .context = o->context, .port = PORT };
    hf_writer why = hf_writer_make(sim->why, sizeof sim->why - 1);
    const hf_err err = hf_lab_worker_open(&sim->server, &sim->env, sim->io, &options, &why);
    if (err.code != 0 && why.length == 0) {
        hf_write_text(&why, hf_err_text(err));
        hf_write_byte(&why, '\n');
    }
    sim->why[why.length] = 0;
    if (err.code == 0)
        hf_world_program(sim->io, hf_lab_worker_program(&sim->server));
    return err;
}

hf_err hf_sim_server(hf_sim **to, const hf_sim_options *options)
{
    const hf_allocator *alloc = hf_allocator_default();
    const hf_address at = hf_world_address(SERVER_HOST, 0);
    hf_sim *sim = hf_alloc_zeroed(alloc, sizeof *sim);
    *to = sim;
    if (sim == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    sim->options = *options;
    sim->limits = options->limits != NULL ? *options->limits : *hf_limits_default();
    /* An open file of the kernel's is none of the simulated network's: every file is sent from memory. */
    sim->limits.hot_file_bytes = sim->limits.hot_bytes = UINT64_C(1) << 40;
    hf_random_seed(&sim->random, ~options->seed);
    hf_trace_hash_init(&sim->hash);
    sim->env = (hf_env){ .alloc = *alloc, .random = &sim->random, .trace = &sim->hash.sink, .limits = &sim->limits };
    sim->world = hf_world_new(&sim->env.alloc, options->seed, &sim->hash.sink);
    sim->io = sim->world != NULL ? hf_world_host(sim->world, "server", &at) : NULL;
    if (sim->io == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    sim->began = hf_world_now(sim->world);
    return start(sim);
}

const char *hf_sim_why(const hf_sim *sim)
{
    return sim != NULL ? sim->why : "out of memory\n";
}

void hf_sim_close(hf_sim *sim)
{
    if (sim == NULL)
        return;
    while (sim->clients != NULL) {
        hf_sim_client *c = sim->clients;
        sim->clients = c->next;
        client_free(c);
    }
    while (sim->guests != NULL) {
        guest *const g = sim->guests;
        sim->guests = g->next;
        hf_free(&sim->env.alloc, g, sizeof *g);
    }
    hf_lab_worker_close(&sim->server);
    hf_world_free(sim->world);
    hf_free(hf_allocator_default(), sim, sizeof *sim);
}

void hf_sim_run(hf_sim *sim, int64_t ns)
{
    (void)hf_world_run(sim->world, hf_time_after(hf_world_now(sim->world), ns));
}

int64_t hf_sim_elapsed(const hf_sim *sim)
{
    return hf_world_now(sim->world).ns - sim->began.ns;
}

void hf_sim_network_set(hf_sim *sim, const hf_sim_network *n)
{
    hf_link_options link = HF_LINK_CLEAN;
    sim->options.network = *n;
    if (n->delay_ns > 0)
        link.delay_ns = n->delay_ns;
    link.jitter_ns = n->jitter_ns;
    link.rate = n->rate;
    link.loss = n->loss;
    link.duplicate = n->duplicate;
    link.reorder = n->reorder;
    link.corrupt = n->corrupt;
    link.down = n->down;
    for (hf_sim_client *c = sim->clients; c != NULL; c = c->next)
        *hf_world_link(c->io, sim->io) = *hf_world_link(sim->io, c->io) = link;
    for (guest *g = sim->guests; g != NULL; g = g->next)
        *hf_world_link(g->io, sim->io) = *hf_world_link(sim->io, g->io) = link;
}

void hf_sim_kill(hf_sim *sim)
{
    hf_world_kill(sim->io, HF_KILL_PROCESS);
    hf_lab_worker_close(&sim->server);
    hf_world_restart(sim->io);
    const hf_err err = start(sim);
    HF_ASSERT(err.code == 0); /* it could begin before */
}

uint64_t hf_sim_trace(const hf_sim *sim)
{
    return sim->hash.value;
}
