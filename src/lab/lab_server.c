/* SPDX-License-Identifier: Apache-2.0
 *
 * A small scripted application over the stack's web: it looks each request up in the plan, checks it to the last byte,
 * and answers as the plan says: copied, lent or from a file, measured or chunked, at once or late, whole or broken off.
 */
#include "lab_http1.h"

#include <stdio.h>

#include "web.h"

typedef struct lent_body lent_body;
struct lent_body {
    lent_body *next;
    hf_exchange exchange;
    size_t size;
    uint8_t bytes[];
};

typedef struct server server;
typedef struct conn conn;
struct conn {
    conn *next;
    server *server;
    hf_web *web;
    bool ready, over;
    hf_lab_exchange *x; /* being answered; NULL between requests */
    hf_exchange number;
    bool answering;
    uint64_t sent;
    lent_body *lent;
    size_t untaken;  /* of the last BODY: taken later */
    hf_time take_at;
};

struct server {
    hf_lab *lab;
    hf_io *io;
    conn *conns;
    bool draining;
    uint64_t next_id;
    hf_extent pieces[32];
    uint8_t scratch[8192];
};

static hf_out scratch_out(server *s)
{
    return (hf_out){ .pieces = s->pieces, .capacity = HF_COUNT(s->pieces), .scratch = s->scratch,
                     .scratch_capacity = sizeof s->scratch, .room = UINT64_MAX };
}

/* ---- answering ---------------------------------------------------------------------------------------------- */

static void release(conn *c, hf_exchange exchange)
{
    for (lent_body **at = &c->lent; *at != NULL; at = &(*at)->next) {
        lent_body *b = *at;
        if (b->exchange == exchange) {
            *at = b->next;
            memset(b->bytes, 0xdd, b->size); /* whoever still reads it will be found out */
            hf_free(&c->server->lab->memory.alloc, b, sizeof *b + b->size);
            return;
        }
    }
}

static void respond(conn *c, uint16_t status, int64_t length, bool close)
{
    char id[24];
    const hf_field field = { .name = HF_LITERAL("X-Id"), .value = hf_bytes_make(id, 0) };
    hf_field fields[1] = { field };
    if (c->x != NULL)
        fields[0].value.len = (size_t)snprintf(id, sizeof id, "%u", c->x->id);
    const hf_response_head head = { .status = status, .fields = { fields, c->x != NULL }, .content_length = length, .close = close };
    const hf_err err = hf_web_respond(c->web, c->number, &head);
    if (err.code != 0)
        hf_lab_violate(c->server->lab, "respond to exchange %u: %s", c->x ? c->x->id : 0, hf_err_text(err));
}

static void begin_answer(conn *c)
{
    hf_lab_exchange *x = c->x;
    c->answering = true;
    c->sent = 0;
    respond(c, 200, x->answer_unknown ? HF_LENGTH_UNKNOWN : (int64_t)x->answer_size, x->close);
    if (x->method == HF_METHOD_HEAD)
        c->sent = x->answer_size;
}

static uint64_t answer_limit(const hf_lab_exchange *x)
{
    return x->abort ? x->answer_size / 2 : x->answer_size;
}

static uint64_t put(conn *c, const hf_extent *e)
{
    hf_err err = HF_OK;
    const uint64_t n = hf_web_put(c->web, c->number, e, 1, &err);
    if (err.code != 0)
        hf_lab_violate(c->server->lab, "put for exchange %u: %s", c->x->id, hf_err_text(err));
    return n;
}

/* Everything that is left as one lent piece. */
static uint64_t put_lent(conn *c, uint64_t left)
{
    hf_lab *lab = c->server->lab;
    lent_body *b = hf_alloc(&lab->memory.alloc, sizeof *b + left);
    b->next = c->lent;
    b->exchange = c->number;
    b->size = left;
    c->lent = b;
    hf_lab_fill(hf_lab_answer_body(lab, c->x), c->sent, b->bytes, left);
    const hf_extent e = { .kind = HF_EXTENT_LENT, .token = c->number, .bytes = { b->bytes, left } };
    const uint64_t n = put(c, &e);
    if (n == 0)
        release(c, c->number);
    return n;
}

static uint64_t put_some(conn *c)
{
    const hf_lab_exchange *x = c->x;
    const uint64_t left = answer_limit(x) - c->sent;
    if (x->how == HF_LAB_LENT)
        return put_lent(c, left);
    if (x->how == HF_LAB_FILE) {
        const hf_extent e = { .kind = HF_EXTENT_FILE, .token = c->number, .file = &x->file, .offset = c->sent, .length = left };
        return put(c, &e);
    }
    uint8_t bytes[4096];
    const size_t n = left < sizeof bytes ? (size_t)left : sizeof bytes;
    hf_lab_fill(hf_lab_answer_body(c->server->lab, x), c->sent, bytes, n);
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = { bytes, n } };
    return put(c, &e);
}

/* Puts as much of the answer as goes. True when anything moved. */
static bool produce(conn *c)
{
    hf_lab_exchange *x = c->x;
    bool moved = false;
    if (x == NULL || !c->answering)
        return false;
    while (c->sent < answer_limit(x) && x->method != HF_METHOD_HEAD) {
        const uint64_t n = put_some(c);
        if (n == 0)
            return moved;
        c->sent += n;
        moved = true;
    }
    static const hf_field trailer = { .name = HF_LITERAL("X-Last"), .value = HF_LITERAL("yes") };
    const hf_ending ending = { x->abort ? HF_ENDING_RESET : HF_ENDING_FIN, 0 };
    const hf_err err = hf_web_end(c->web, c->number, ending, (hf_fields){ &trailer, x->answer_trailer });
    if (err.code != 0)
        hf_lab_violate(c->server->lab, "end of exchange %u: %s", x->id, hf_err_text(err));
    c->answering = false;
    c->x = NULL;
    c->untaken = 0; /* the core throws the rest of the request away */
    return true;
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static void on_request(conn *c, const hf_web_event *e)
{
    hf_lab *lab = c->server->lab;
    if (c->x != NULL)
        hf_lab_violate(lab, "a request came before exchange %u was answered", c->x->id);
    c->x = hf_lab_find(lab, e->head->target);
    c->number = e->exchange;
    if (c->x == NULL) {
        hf_lab_violate(lab, "a request for %.*s, which nobody sent", HF_STR(e->head->target));
        hf_web_abort(c->web, HF_OK);
        return;
    }
    hf_lab_exchange *x = c->x;
    if (x->served++ != 0)
        hf_lab_violate(lab, "exchange %u was served twice", x->id);
    if (e->head->method != x->method || e->head->version != (x->http10 ? HF_HTTP_1_0 : HF_HTTP_1_1))
        hf_lab_violate(lab, "exchange %u arrived with another method or version", x->id);
    if (e->head->expect_continue && !x->early)
        respond(c, 100, HF_LENGTH_NONE, false);
    if (x->method != HF_METHOD_POST || x->early)
        begin_answer(c);
}

static void on_body(conn *c, const hf_web_event *e, hf_time now)
{
    hf_lab *lab = c->server->lab;
    hf_lab_exchange *x = c->x;
    size_t n = e->body.len;
    if (x == NULL) { /* the answer was given early: the rest is not ours to judge */
        hf_web_take(c->web, c->number, n);
        return;
    }
    if (x->request_got + n > x->request_size || !hf_lab_matches(hf_lab_request_body(lab, x), x->request_got, e->body))
        hf_lab_violate(lab, "the request body of exchange %u is not what was sent", x->id);
    const unsigned mood = lab->slow_readers ? (unsigned)hf_random_below(&lab->random, 16) : 15;
    if (mood == 0) { /* nothing now, all of it later */
        c->untaken = n;
        c->take_at = hf_time_after(now, (int64_t)hf_random_below(&lab->random, (uint64_t)HF_MILLISECONDS(200)) + 1);
        x->request_got += n;
        return;
    }
    if (mood < 4 && n > 1) /* a part: the rest comes again */
        n = 1 + (size_t)hf_random_below(&lab->random, n);
    x->request_got += n;
    hf_web_take(c->web, c->number, n);
}

static void on_refused(conn *c, const hf_web_event *e)
{
    hf_lab *lab = c->server->lab;
    const hf_err why = hf_web_fault(c->web)->err;
    const bool natural = why.code == HF_ERR_HTTP1_HEAD_TIMEOUT || why.code == HF_ERR_HTTP1_BODY_TIMEOUT ||
                         why.code == HF_ERR_HTTP1_BODY_RATE || why.code == HF_ERR_HTTP1_TRUNCATED;
    if (!natural || lab->calm)
        hf_lab_violate(lab, "a valid request was refused: %s", hf_err_text(why));
    c->number = e->exchange;
    c->x = NULL;
    c->answering = false;
    respond(c, hf_web_fault(c->web)->status, 0, true);
    const hf_err err = hf_web_end(c->web, c->number, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 });
    if (err.code != 0)
        hf_lab_violate(lab, "end of a refusal: %s", hf_err_text(err));
}

static void on_end(conn *c)
{
    hf_lab_exchange *x = c->x;
    if (x == NULL)
        return;
    x->request_whole = true;
    if (x->request_got != x->request_size)
        hf_lab_violate(c->server->lab, "exchange %u: %llu bytes of %llu arrived and counted as whole", x->id,
                       (unsigned long long)x->request_got, (unsigned long long)x->request_size);
    if (!c->answering)
        begin_answer(c);
}

static void on_trailers(conn *c, const hf_web_event *e)
{
    const hf_field *f = hf_fields_find_name(e->trailers, hf_text("X-Sum"));
    if (c->x != NULL && (!c->x->request_trailer || f == NULL || !hf_bytes_equal(f->value, hf_text("42"))))
        hf_lab_violate(c->server->lab, "exchange %u has a trailer that was not sent", c->x->id);
}

static void handle(conn *c, const hf_web_event *e, hf_time now)
{
    switch (e->kind) {
    case HF_WEB_REQUEST:
        on_request(c, e);
        if (e->whole)
            on_end(c);
        break;
    case HF_WEB_BODY: on_body(c, e, now); break;
    case HF_WEB_TRAILERS: on_trailers(c, e); break;
    case HF_WEB_END: on_end(c); break;
    case HF_WEB_REFUSED: on_refused(c, e); break;
    case HF_WEB_SENT: release(c, e->exchange); break;
    case HF_WEB_WRITABLE:
    case HF_WEB_RESET:
    case HF_WEB_OPENED:
    case HF_WEB_WANT_SIGN:
    case HF_WEB_WANT_VERIFY: break;
    case HF_WEB_CLOSED: c->over = true; break;
    }
}

/* ---- connections -------------------------------------------------------------------------------------------- */

static void conn_free(conn *c)
{
    server *s = c->server;
    conn **at = &s->conns;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    hf_web_free(c->web);
    while (c->lent != NULL)
        release(c, c->lent->exchange);
    hf_free(&s->lab->memory.alloc, c, sizeof *c);
}

static void conn_run(conn *c, hf_time now)
{
    hf_web_event e;
    hf_out out = scratch_out(c->server);
    c->ready = false;
    do {
        if (c->untaken > 0 && !hf_time_before(now, c->take_at)) {
            hf_web_take(c->web, c->number, c->untaken);
            c->untaken = 0;
        }
        while (!c->over && hf_web_step(c->web, now, &out, &e) == HF_EVENT)
            handle(c, &e, now);
    } while (!c->over && produce(c));
    if (c->over)
        conn_free(c);
}

static hf_time conn_wake(const conn *c)
{
    return hf_time_earlier(hf_web_wake(c->web), c->untaken > 0 ? c->take_at : HF_NEVER);
}

static void accept_conn(server *s, const hf_io_event *e, hf_time now)
{
    hf_lab *lab = s->lab;
    conn *c = hf_alloc_zeroed(&lab->memory.alloc, sizeof *c);
    hf_pier pier = e->pier;
    c->server = s;
    s->io->ops->own(s->io, pier, c);
    if (lab->seams != NULL && lab->seams->wrap != NULL)
        pier = lab->seams->wrap(lab->seams->ctx, pier, true);
    c->web = hf_web_new(&lab->env, 1000000 + s->next_id++, pier, NULL, now);
    c->next = s->conns;
    s->conns = c;
    c->ready = true;
    if (s->draining)
        hf_web_drain(c->web);
}

static void turn(void *self, hf_io *io, hf_time now)
{
    server *s = self;
    hf_io_event events[16];
    size_t n;
    do {
        n = io->ops->wait(io, now, events, HF_COUNT(events));
        for (size_t i = 0; i < n; i++) {
            if (events[i].kind == HF_IO_ACCEPTED)
                accept_conn(s, &events[i], now);
            else if (events[i].kind == HF_IO_READY)
                ((conn *)events[i].owner)->ready = true;
        }
    } while (n == HF_COUNT(events));
    for (conn *c = s->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (c->ready || !hf_time_before(now, conn_wake(c)))
            conn_run(c, now);
    }
}

static hf_time wake(void *self)
{
    hf_time at = HF_NEVER;
    for (const conn *c = ((server *)self)->conns; c != NULL; c = c->next)
        at = hf_time_earlier(at, c->ready ? hf_time_make(0) : conn_wake(c));
    return at;
}

static void *server_open(hf_lab *lab, hf_io *io)
{
    server *s = hf_alloc_zeroed(&lab->memory.alloc, sizeof *s);
    const hf_address at = { .family = 4, .port = HF_LAB_PORT };
    s->lab = lab;
    s->io = io;
    if (io->ops->listen(io, &at, -1, s).code != 0)
        hf_lab_violate(lab, "the server cannot listen");
    return s;
}

static hf_program server_program(void *self)
{
    return (hf_program){ self, turn, wake };
}

static void server_drain(void *self)
{
    server *s = self;
    s->draining = true;
    for (conn *c = s->conns; c != NULL; c = c->next) {
        hf_web_drain(c->web);
        c->ready = true;
    }
    hf_world_poke(s->io);
}

static void server_close(void *self)
{
    server *s = self;
    while (s->conns != NULL)
        conn_free(s->conns);
    s->io->ops->unlisten(s->io);
    hf_free(&s->lab->memory.alloc, s, sizeof *s);
}

const hf_lab_server_ops hf_lab_scripted_server = { .name = "scripted", .open = server_open, .program = server_program,
    .drain = server_drain, .close = server_close };
