/* SPDX-License-Identifier: Apache-2.0
 *
 * Two hosts and a stream between them, each end sending and checking a pattern: what the tests of sim share.
 */
#ifndef HF_TESTS_SIM_RIG_H
#define HF_TESTS_SIM_RIG_H

#include "harness.h"
#include "sim.h"
#include "trace.h"

typedef struct rig rig;

/* One end of the stream: sends `sends` bytes, expects `expects`, then FIN. */
typedef struct end {
    rig *rig;
    hf_io *io;
    hf_pier pier;
    uint64_t sends, sent, expects, got, released;
    uint8_t pattern; /* of what it sends */
    size_t take_most;    /* per turn; 0: all */
    hf_time take_again;  /* when it took less than there was */
    bool holds_back;     /* takes nothing at all */
    bool lends;          /* puts LENT extents with tokens */
    bool spoiled;        /* got a byte that was never sent */
    bool fin_put, opened, ended, faulted, closed;
    hf_ending_kind ending;
    hf_err err;
    unsigned accepted, accept_failed, woken, turns;
} end;

struct rig {
    hf_test_world memory;
    hf_trace_hash hash;
    hf_world *world;
    end client, server;
};

enum { RIG_PORT = 80 };

static inline uint8_t rig_byte(uint8_t pattern, uint64_t at)
{
    return (uint8_t)(pattern + at * 31 + (at >> 8) * 7 + (at >> 16));
}

static inline void end_put(end *e)
{
    static uint8_t bytes[1024];
    while (e->sent < e->sends) {
        size_t n = e->sends - e->sent < sizeof bytes ? (size_t)(e->sends - e->sent) : sizeof bytes;
        for (size_t i = 0; i < n; i++)
            bytes[i] = rig_byte(e->pattern, e->sent + i);
        const hf_extent piece = { .kind = HF_EXTENT_COPIED, .bytes = { bytes, n } };
        const uint64_t took = e->pier.ops->put(e->pier.self, 0, &piece, 1);
        e->sent += took;
        if (took < n)
            return;
    }
    if (!e->fin_put && !e->faulted && e->opened) {
        e->fin_put = true;
        assert_int_equal(e->pier.ops->end(e->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code, 0);
    }
}

static inline void end_take(end *e)
{
    hf_span have = e->pier.ops->peek(e->pier.self, 0);
    const uint8_t pattern = e == &e->rig->client ? e->rig->server.pattern : e->rig->client.pattern;
    e->take_again = HF_NEVER;
    if (e->holds_back || have.len == 0)
        return;
    if (e->take_most != 0 && have.len > e->take_most) {
        have.len = e->take_most;
        e->take_again = hf_time_after(hf_world_now(e->rig->world), HF_MILLISECONDS(1));
    }
    for (size_t i = 0; i < have.len; i++)
        e->spoiled = e->spoiled || have.ptr[i] != rig_byte(pattern, e->got + i);
    e->got += have.len;
    e->pier.ops->take(e->pier.self, 0, have.len);
}

static inline void end_pull(end *e, hf_time now)
{
    hf_pier_event ev;
    hf_step s;
    while ((s = e->pier.ops->event(e->pier.self, now, &ev)) == HF_EVENT) {
        e->opened = e->opened || ev.kind == HF_PIER_OPENED;
        e->released += ev.kind == HF_PIER_RELEASED;
        if (ev.kind == HF_PIER_ENDED) {
            assert_true(!e->ended || (e->ending == HF_ENDING_FIN && ev.ending.kind == HF_ENDING_RESET));
            e->ended = true;
            e->ending = ev.ending.kind;
            e->err = ev.err;
        }
    }
    e->faulted = s == HF_FAULT;
    e->closed = s == HF_CLOSED;
}

static inline void end_turn(void *self, hf_io *io, hf_time now)
{
    end *e = self;
    hf_io_event events[8];
    e->turns++;
    const size_t n = io->ops->wait(io, now, events, HF_COUNT(events));
    for (size_t i = 0; i < n; i++) {
        e->woken += events[i].kind == HF_IO_WOKEN;
        e->accept_failed += events[i].kind == HF_IO_ACCEPT_FAILED;
        if (events[i].kind == HF_IO_ACCEPTED) {
            e->accepted++;
            assert_ptr_equal(events[i].owner, e);
            if (e->pier.ops != NULL) { /* the rig's server talks to one; further ones are kept by nobody */
                events[i].pier.ops->free(events[i].pier.self);
                continue;
            }
            e->pier = events[i].pier;
            e->opened = true;
            io->ops->own(io, e->pier, e);
        }
    }
    if (e->pier.ops == NULL)
        return;
    end_pull(e, now);
    end_take(e);
    if (!e->faulted)
        end_put(e);
    end_pull(e, now);
}

static inline hf_time end_wake(void *self)
{
    return ((end *)self)->take_again;
}

static inline void end_free(end *e)
{
    if (e->pier.ops != NULL)
        e->pier.ops->free(e->pier.self);
    e->pier = (hf_pier){ NULL, NULL };
}

static inline void rig_init(rig *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    hf_test_world_init(&r->memory, 1);
    hf_trace_hash_init(&r->hash);
    r->world = hf_world_new(&r->memory.memory.alloc, seed, &r->hash.sink);
    assert_non_null(r->world);
    r->client = (end){ .rig = r, .pattern = 3, .take_again = HF_NEVER };
    r->server = (end){ .rig = r, .pattern = 101, .take_again = HF_NEVER };
    r->client.io = hf_world_host(r->world, "client", &(hf_address){ .family = 4, .ip = { 10, 0, 0, 1 } });
    r->server.io = hf_world_host(r->world, "server", &(hf_address){ .family = 4, .ip = { 10, 0, 0, 2 } });
    assert_non_null(r->client.io);
    assert_non_null(r->server.io);
    hf_world_program(r->client.io, (hf_program){ &r->client, end_turn, end_wake });
    hf_world_program(r->server.io, (hf_program){ &r->server, end_turn, end_wake });
}

static inline void rig_listen(rig *r)
{
    const hf_address any = { .family = 4, .port = RIG_PORT };
    assert_int_equal(r->server.io->ops->listen(r->server.io, &any, -1, &r->server).code, 0);
}

static inline void rig_connect(rig *r)
{
    const hf_address to = hf_world_address(2, RIG_PORT);
    assert_int_equal(r->client.io->ops->connect(r->client.io, &to, &r->client, &r->client.pier).code, 0);
}

static inline hf_link_options *rig_link(rig *r, bool up)
{
    return up ? hf_world_link(r->client.io, r->server.io) : hf_world_link(r->server.io, r->client.io);
}

/* Runs for at most `seconds` of virtual time. */
static inline hf_world_step_result rig_run(rig *r, int64_t seconds)
{
    return hf_world_run(r->world, hf_time_after(hf_world_now(r->world), HF_SECONDS(seconds)));
}

static inline void rig_fini(rig *r)
{
    end_free(&r->client);
    end_free(&r->server);
    hf_world_free(r->world);
    hf_test_world_fini(&r->memory);
}

/* Both ends have all that was meant for them, unspoiled, and know that it was all. */
static inline void rig_assert_delivered(const rig *r)
{
    assert_false(r->client.spoiled);
    assert_false(r->server.spoiled);
    assert_int_equal(r->server.got, r->client.sends);
    assert_int_equal(r->client.got, r->server.sends);
    assert_true(r->client.ended && r->server.ended);
    assert_int_equal(r->client.ending, HF_ENDING_FIN);
    assert_int_equal(r->server.ending, HF_ENDING_FIN);
    assert_true(r->client.closed && r->server.closed);
}

#endif
