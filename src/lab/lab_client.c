/* SPDX-License-Identifier: Apache-2.0
 *
 * A client host: sends its share of the exchanges over one connection after another through the HTTP/1 client core, and
 * judges every answer. Each exchange it begins ends as answered or with a named error; nothing in between.
 */
#include "lab_http1.h"

#include <stdio.h>

#include "panic.h"

struct hf_lab_client {
    hf_lab *lab;
    hf_io *io;
    hf_lab_exchange *all;
    size_t count;
    size_t oldest, next; /* [oldest, next) are under way */
    hf_lab_exchange *sending; /* its body is not put whole */
    hf_time expect_until;
    hf_time think_until; /* no connection before */
    hf_time turned_at;   /* the last turn */

    hf_pier pier; /* ops NULL: none */
    hf_http1 *core;
    bool fin_received, ending;
    bool born_healed; /* made after all faults had healed */
    bool used;
    hf_err why;
    hf_out out; /* what emit gave and the pier has not taken */
    size_t out_first;
    hf_extent pieces[8];
    uint8_t scratch[4096];
    size_t untaken;
    hf_time take_at;
};

hf_lab_client *hf_lab_client_new(hf_lab *lab, hf_io *io, hf_lab_exchange *exchanges, size_t count)
{
    hf_lab_client *c = hf_alloc_zeroed(&lab->memory.alloc, sizeof *c);
    c->lab = lab;
    c->io = io;
    c->all = exchanges;
    c->count = count;
    c->think_until = hf_world_now(lab->world);
    return c;
}

bool hf_lab_client_is_done(const hf_lab_client *c)
{
    return c->oldest == c->count && c->pier.ops == NULL;
}

/* ---- connections -------------------------------------------------------------------------------------------- */

/* The connection is over: what was under way on it failed. */
static void disconnect(hf_lab_client *c, hf_err why)
{
    hf_lab *lab = c->lab;
    for (; c->oldest < c->next; c->oldest++) {
        hf_lab_exchange *x = &c->all[c->oldest];
        x->state = HF_LAB_FAILED;
        x->err = why;
        if (why.code == 0)
            hf_lab_violate(lab, "exchange %u was lost silently: the connection ended in good order without its answer", x->id);
    }
    hf_http1_free(c->core);
    if (c->pier.ops != NULL)
        c->pier.ops->free(c->pier.self);
    c->core = NULL;
    c->pier = (hf_pier){ NULL, NULL };
    c->sending = NULL;
    c->untaken = 0;
    c->fin_received = c->ending = false;
    c->why = HF_OK;
    c->think_until = hf_time_after(hf_world_now(lab->world), (int64_t)hf_random_below(&lab->random, (uint64_t)HF_MILLISECONDS(500)));
}

static void clear_out(hf_lab_client *c)
{
    c->out = (hf_out){ .pieces = c->pieces, .capacity = HF_COUNT(c->pieces), .scratch = c->scratch,
                       .scratch_capacity = sizeof c->scratch, .room = sizeof c->scratch };
    c->out_first = 0;
}

static bool may_begin(const hf_lab_client *c)
{
    return c->next < c->count && (!c->all[c->next].probe || c->lab->healed);
}

static void connect_if_due(hf_lab_client *c, hf_time now)
{
    hf_lab *lab = c->lab;
    const hf_address to = hf_world_address(100, HF_LAB_PORT);
    if (c->pier.ops != NULL || !may_begin(c) || hf_time_before(now, c->think_until))
        return;
    if (c->io->ops->connect(c->io, &to, c, &c->pier).code != 0) {
        hf_lab_violate(lab, "connect failed at once");
        return;
    }
    if (lab->seams != NULL && lab->seams->wrap != NULL)
        c->pier = lab->seams->wrap(lab->seams->ctx, c->pier, false);
    c->core = hf_http1_client_new(&lab->env, ++lab->connections, now);
    c->born_healed = lab->healed;
    c->used = false;
    clear_out(c);
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

/* Behind such an exchange the connection may end, so nothing is sent before its answer is there. */
static bool is_last_of_connection(const hf_lab_exchange *x)
{
    return x->close || x->http10 || x->abort || x->early || x->method == HF_METHOD_POST;
}

/* A probe stands on nothing that faults may have touched. */
static bool wants_fresh(const hf_lab_client *c)
{
    return c->next < c->count && c->all[c->next].probe && (!c->born_healed || c->used);
}

static bool may_send(const hf_lab_client *c)
{
    const size_t under_way = c->next - c->oldest;
    if (!may_begin(c) || wants_fresh(c) || c->sending != NULL || c->ending || c->fin_received)
        return false;
    if (under_way == 0)
        return true;
    const hf_lab_exchange *x = &c->all[c->next]; /* HTTP/1.0 knows no pipelines: a reset that ends its answer may take others along */
    return under_way < c->lab->pipeline && !is_last_of_connection(x - 1) && x->method != HF_METHOD_POST && !x->http10;
}

static bool send_head(hf_lab_client *c, hf_time now)
{
    if (!may_send(c))
        return false;
    hf_lab_exchange *x = &c->all[c->next];
    char target[24];
    const hf_field host = { .name = HF_LITERAL("Host"), .value = HF_LITERAL("lab.example") };
    hf_request_head head = { .method = x->method, .version = x->http10 ? HF_HTTP_1_0 : HF_HTTP_1_1, .fields = { &host, 1 },
                             .content_length = HF_LENGTH_NONE, .expect_continue = x->expect };
    head.target = hf_bytes_make(target, (size_t)snprintf(target, sizeof target, "/%u", x->id));
    if (x->method == HF_METHOD_POST)
        head.content_length = x->request_chunked ? HF_LENGTH_UNKNOWN : (int64_t)x->request_size;
    const hf_err err = hf_http1_request(c->core, &head);
    if (err.code == HF_ERR_BASE_LIMIT)
        return false; /* later */
    if (err.code != 0) { /* this connection takes no more: it goes over the next one */
        c->ending = c->next == c->oldest;
        return c->ending;
    }
    x->state = HF_LAB_BEGUN;
    c->used = true;
    c->next++;
    c->sending = x;
    c->expect_until = x->expect ? hf_time_after(now, HF_SECONDS(1)) : now;
    return true;
}

/* True when anything moved. */
static bool send_body(hf_lab_client *c, hf_time now)
{
    hf_lab_exchange *x = c->sending;
    bool moved = false;
    if (x == NULL || (x->expect && !x->continued && hf_time_before(now, c->expect_until)))
        return false;
    while (x->sent < x->request_size) {
        uint8_t bytes[2048];
        const uint64_t left = x->request_size - x->sent;
        const size_t n = left < sizeof bytes ? (size_t)left : sizeof bytes;
        hf_lab_fill(hf_lab_request_body(c->lab, x), x->sent, bytes, n);
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = { bytes, n } };
        hf_err err;
        const uint64_t took = hf_http1_put(c->core, &e, 1, &err);
        if (err.code != 0)
            hf_lab_violate(c->lab, "put of the request body of exchange %u: %s", x->id, hf_err_text(err));
        if (took == 0)
            return moved;
        moved = true;
        x->sent += took;
    }
    static const hf_field trailer = { .name = HF_LITERAL("X-Sum"), .value = HF_LITERAL("42") };
    const hf_err err = hf_http1_end(c->core, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ &trailer, x->request_trailer });
    if (err.code != 0)
        hf_lab_violate(c->lab, "end of the request of exchange %u: %s", x->id, hf_err_text(err));
    c->sending = NULL;
    return true;
}

/* Moves what the core says into the pier. */
static bool flush(hf_lab_client *c, hf_time now)
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
        while (took > 0) { /* the client's pieces are all copied ones */
            hf_extent *e = &c->out.pieces[c->out_first];
            const size_t n = took < e->bytes.len ? (size_t)took : e->bytes.len;
            e->bytes = hf_bytes_make(e->bytes.ptr + n, e->bytes.len - n);
            took -= n;
            c->out_first += e->bytes.len == 0;
        }
    }
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static hf_lab_exchange *answered_now(hf_lab_client *c)
{
    if (c->oldest == c->next) {
        hf_lab_violate(c->lab, "an answer came that nobody asked for");
        return NULL;
    }
    return &c->all[c->oldest];
}

static void on_response(hf_lab_client *c, const hf_response_head *head)
{
    hf_lab *lab = c->lab;
    hf_lab_exchange *x = answered_now(c);
    char id[24];
    if (x == NULL)
        return;
    if (head->status == 100) {
        x->continued = true;
        return;
    }
    if (x->has_head)
        hf_lab_violate(lab, "exchange %u got two answers", x->id);
    x->has_head = true;
    if (head->status == 408 || head->status == 400) { /* too late for the server's patience: a named failure */
        x->refused = true;
        return;
    }
    const hf_bytes want = hf_bytes_make(id, (size_t)snprintf(id, sizeof id, "%u", x->id));
    const hf_field *f = hf_fields_find_name(head->fields, hf_text("X-Id"));
    const hf_bytes of = f != NULL ? f->value : hf_text("nobody");
    if (head->status != 200 || !hf_bytes_equal(of, want))
        hf_lab_violate(lab, "exchange %u got the answer of %.*s (status %u)", x->id, HF_STR(of), head->status);
    if (x->served != 1)
        hf_lab_violate(lab, "exchange %u was answered but served %u times", x->id, x->served);
    if (!x->answer_unknown && head->content_length != (int64_t)x->answer_size)
        hf_lab_violate(lab, "exchange %u was promised %lld bytes instead of %llu", x->id, (long long)head->content_length,
                       (unsigned long long)x->answer_size);
}

static void on_body(hf_lab_client *c, hf_bytes body, hf_time now)
{
    hf_lab *lab = c->lab;
    hf_lab_exchange *x = answered_now(c);
    size_t n = body.len;
    if (x == NULL)
        return;
    if (x->refused) { /* says why, in words of the server's own */
        hf_http1_take(c->core, n);
        return;
    }
    if (x->got + n > x->answer_size || !hf_lab_matches(hf_lab_answer_body(lab, x), x->got, body))
        hf_lab_violate(lab, "the answer's body of exchange %u is corrupt near byte %llu", x->id, (unsigned long long)x->got);
    const unsigned mood = lab->slow_readers ? (unsigned)hf_random_below(&lab->random, 16) : 15;
    if (mood == 0) {
        c->untaken = n;
        c->take_at = hf_time_after(now, (int64_t)hf_random_below(&lab->random, (uint64_t)HF_MILLISECONDS(300)) + 1);
        x->got += n;
        return;
    }
    if (mood < 4 && n > 1)
        n = 1 + (size_t)hf_random_below(&lab->random, n);
    x->got += n;
    hf_http1_take(c->core, n);
}

static void on_end(hf_lab_client *c)
{
    hf_lab *lab = c->lab;
    hf_lab_exchange *x = answered_now(c);
    if (x == NULL)
        return;
    c->oldest++;
    if (c->sending == x) {
        c->sending = NULL;
        c->ending = true; /* answered before the request was whole: this connection has no future */
    }
    if (x->refused) {
        x->state = HF_LAB_FAILED;
        x->err = hf_err_make(HF_ERR_HTTP1_HEAD_TIMEOUT);
        return;
    }
    x->state = HF_LAB_ANSWERED;
    if (!x->has_head)
        hf_lab_violate(lab, "exchange %u ended without a head", x->id);
    if (x->abort && x->method != HF_METHOD_HEAD && x->answer_size > 0)
        hf_lab_violate(lab, "exchange %u was broken off by the server and counts as answered", x->id);
    if (x->method != HF_METHOD_HEAD && !x->abort && x->got != x->answer_size)
        hf_lab_violate(lab, "exchange %u ended after %llu bytes of %llu", x->id, (unsigned long long)x->got,
                       (unsigned long long)x->answer_size);
    if (!x->early && x->method == HF_METHOD_POST && !x->request_whole)
        hf_lab_violate(lab, "exchange %u was answered before its request was whole", x->id);
}

static void on_trailers(hf_lab_client *c, hf_fields trailers)
{
    const hf_lab_exchange *x = answered_now(c);
    const hf_field *f = hf_fields_find_name(trailers, hf_text("X-Last"));
    if (x != NULL && (!x->answer_trailer || f == NULL || !hf_bytes_equal(f->value, hf_text("yes"))))
        hf_lab_violate(c->lab, "exchange %u has a trailer that was not sent", x->id);
}

/* Feeds the core until it is idle. True when anything moved. */
static bool feed(hf_lab_client *c, hf_time now)
{
    bool moved = false;
    if (c->untaken > 0 && !hf_time_before(now, c->take_at)) {
        hf_http1_take(c->core, c->untaken);
        c->untaken = 0;
        moved = true;
    }
    for (;;) {
        hf_http1_event e;
        const hf_span held = c->pier.ops->peek(c->pier.self, 0);
        hf_in in = { .ptr = held.ptr, .len = held.len, .fin = c->fin_received };
        const hf_step s = hf_http1_step(c->core, now, &in, &e);
        if (s == HF_EVENT) {
            switch (e.kind) {
            case HF_HTTP1_RESPONSE: on_response(c, &e.response); break;
            case HF_HTTP1_BODY: on_body(c, e.body, now); break;
            case HF_HTTP1_TRAILERS: on_trailers(c, e.trailers); break;
            case HF_HTTP1_END: on_end(c); break;
            default: hf_lab_violate(c->lab, "a client core yielded event %d", (int)e.kind);
            }
        }
        if (in.used > 0)
            c->pier.ops->take(c->pier.self, 0, in.used);
        if (s == HF_CLOSED || s == HF_FAULT) {
            c->ending = true;
            if (c->why.code == 0)
                c->why = hf_http1_fault(c->core)->err;
            /* Closed while exchanges were under way: the server may end a connection that its client still uses. */
            if (c->why.code == 0 && c->oldest < c->next)
                c->why = hf_err_make(HF_ERR_HTTP1_TRUNCATED);
        }
        if (s != HF_EVENT)
            return moved || in.used > 0;
        moved = true;
    }
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

static void pull(hf_lab_client *c, hf_time now)
{
    hf_pier_event e;
    hf_step s;
    while ((s = c->pier.ops->event(c->pier.self, now, &e)) == HF_EVENT) {
        if (e.kind != HF_PIER_ENDED)
            continue;
        if (e.ending.kind == HF_ENDING_FIN) {
            c->fin_received = true;
        } else {
            c->ending = true;
            c->why = e.err;
        }
    }
    if (s == HF_FAULT && c->why.code == 0) {
        c->ending = true;
        c->why = hf_err_make(HF_ERR_IO_RESET);
    }
}

static void run(hf_lab_client *c, hf_time now)
{
    connect_if_due(c, now);
    if (c->pier.ops == NULL)
        return;
    bool moved;
    do {
        pull(c, now);
        moved = feed(c, now); /* what arrived before a reset still counts */
        if (c->ending)
            break;
        moved = send_head(c, now) || moved;
        moved = send_body(c, now) || moved;
        moved = flush(c, now) || moved;
    } while (moved);
    const bool all_over = c->oldest == c->next && (!may_begin(c) || wants_fresh(c));
    if (!c->ending && !all_over)
        return;
    if (c->oldest == c->next && c->next < c->count && c->all[c->next].state == HF_LAB_PLANNED && c->why.code != 0 &&
        !c->all[c->next].probe) {
        /* A connection that failed before it carried anything fails the exchange it was made for, so that a run ends. */
        c->all[c->next++].state = HF_LAB_BEGUN;
    }
    disconnect(c, c->why);
}

static void turn(void *self, hf_io *io, hf_time now)
{
    hf_lab_client *c = self;
    hf_io_event events[8];
    c->turned_at = now;
    while (io->ops->wait(io, now, events, HF_COUNT(events)) == HF_COUNT(events))
        ;
    run(c, now);
}

static hf_time wake(void *self)
{
    const hf_lab_client *c = self;
    if (c->pier.ops == NULL)
        return may_begin(c) ? c->think_until : HF_NEVER;
    hf_time at = hf_http1_wake(c->core);
    if (c->untaken > 0)
        at = hf_time_earlier(at, c->take_at);
    /* Until a turn has seen the moment: a host that is paused over it must be woken afterwards. Then the pier wakes us. */
    if (c->sending != NULL && c->sending->expect && !c->sending->continued && hf_time_before(c->turned_at, c->expect_until))
        at = hf_time_earlier(at, c->expect_until);
    return at;
}

hf_program hf_lab_client_program(hf_lab_client *c)
{
    return (hf_program){ c, turn, wake };
}

void hf_lab_client_lose(hf_lab_client *c)
{
    disconnect(c, hf_err_make(HF_ERR_IO_RESET));
}

void hf_lab_client_free(hf_lab_client *c)
{
    if (c == NULL)
        return;
    disconnect(c, hf_err_make(HF_ERR_IO_RESET));
    hf_free(&c->lab->memory.alloc, c, sizeof *c);
}
