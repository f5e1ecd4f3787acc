/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives a core of http2 with fuzzed input and an application that obeys no order, or a plain one that must give the same
 * however the input is cut.
 */
#ifndef HF_FUZZ_HTTP2_DRIVE_H
#define HF_FUZZ_HTTP2_DRIVE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <handfast/http2.h>

#include "fuzz_memory.h"
#include "panic.h"
#include "random.h"

enum { DRIVE_LOG = 1 << 16, DRIVE_STREAMS = 32 };

typedef struct drive {
    hf_http2 *h;
    hf_env env;
    hf_limits limits;
    hf_random random;
    fuzz_memory memory;
    hf_time now;
    bool client, chaos;
    hf_http2_stream ids[DRIVE_STREAMS];
    unsigned next_id;
    uint64_t log; /* a hash of what happened */
    hf_http2_stream in_body;
    uint64_t tokens_put, tokens_out;
    uint64_t out_hash;
} drive;

static inline bool drive_open(drive *d, bool client, bool chaos, uint64_t seed)
{
    const hf_http2_options options = { .connect_protocol = seed & 1, .push = seed & 2 };
    memset(d, 0, sizeof *d);
    d->client = client;
    d->chaos = chaos;
    hf_random_seed(&d->random, seed);
    hf_random_seed(&d->memory.random, seed + 1);
    d->memory.one_in = chaos && seed % 5 == 0 ? 20 : 0;
    d->limits = *hf_limits_default();
    d->limits.header_bytes = 2048;
    d->limits.output_bytes = 4096;
    d->limits.http2_output_bytes = 8192;
    d->limits.http2_streams = 8;
    d->now = hf_time_make(HF_SECONDS(1));
    d->env = (hf_env){ .alloc = fuzz_alloc(&d->memory), .random = &d->random, .limits = &d->limits };
    d->h = client ? hf_http2_client_new(&d->env, 1, d->now, &options) : hf_http2_server_new(&d->env, 1, d->now, &options);
    return d->h != NULL;
}

static inline void drive_note(drive *d, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        d->log = (d->log ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
}
static inline void drive_note_number(drive *d, uint64_t n)
{
    drive_note(d, &n, sizeof n);
}
static inline void drive_note_fields(drive *d, hf_fields fields)
{
    for (size_t i = 0; i < fields.count; i++) {
        HF_ASSERT(fields.at[i].name.len == 0 || fields.at[i].name.ptr != NULL);
        drive_note(d, fields.at[i].name.ptr, fields.at[i].name.len);
        drive_note(d, fields.at[i].value.ptr, fields.at[i].value.len);
        for (size_t k = 0; k < fields.at[i].value.len; k++) {
            const uint8_t c = fields.at[i].value.ptr[k];
            HF_ASSERT(c != 0 && c != '\r' && c != '\n');
        }
    }
}

static inline size_t drive_emit(drive *d, size_t scratch_size, size_t capacity, uint64_t room)
{
    static uint8_t scratch[8192];
    hf_extent pieces[16];
    hf_out out = { .pieces = pieces, .capacity = capacity, .scratch = scratch, .scratch_capacity = scratch_size, .room = room };
    const size_t n = hf_http2_emit(d->h, d->now, &out);
    HF_ASSERT(out.count <= capacity && out.scratch_used <= scratch_size && n == out.bytes);
    size_t sum = 0;
    for (size_t i = 0; i < out.count; i++) {
        d->tokens_out += pieces[i].token;
        sum += pieces[i].bytes.len;
        for (size_t k = 0; k < pieces[i].bytes.len; k++)
            d->out_hash = (d->out_hash ^ pieces[i].bytes.ptr[k]) * 0x100000001b3u;
    }
    HF_ASSERT(sum == n);
    return n > 0 ? n : out.count;
}

static inline void drive_flush(drive *d)
{
    for (int i = 0; drive_emit(d, 8192, 16, UINT64_MAX) > 0; i++)
        HF_ASSERT(i < 100000);
}

static inline void drive_put(drive *d, hf_http2_stream id, const char *text, bool lent)
{
    const hf_extent e = { .kind = lent ? HF_EXTENT_LENT : HF_EXTENT_COPIED, .token = lent ? 3 : 0, .bytes = hf_text(text) };
    hf_err err;
    const uint64_t n = hf_http2_put(d->h, id, &e, 1, &err);
    if (lent && n == e.bytes.len)
        d->tokens_put += 3;
}

static inline hf_http2_stream drive_any(drive *d)
{
    return d->ids[hf_random_below(&d->random, DRIVE_STREAMS)];
}

/* Any command at any time must be survived. */
static inline void drive_command(drive *d)
{
    const hf_field field = { HF_LITERAL("A"), HF_LITERAL("b"), HF_FIELD_OTHER };
    static const uint16_t statuses[] = { 100, 103, 200, 204, 304, 404 };
    static const int64_t lengths[] = { HF_LENGTH_NONE, HF_LENGTH_UNKNOWN, 0, 4, 100 };
    const hf_fields fields = { &field, (size_t)hf_random_below(&d->random, 2) };
    const hf_response_head head = { .status = statuses[hf_random_below(&d->random, 6)], .fields = fields, .content_length = lengths[hf_random_below(&d->random, 5)] };
    const hf_request_head request = { .method = (hf_method)(1 + hf_random_below(&d->random, HF_METHOD_COUNT - 1)), .scheme = HF_LITERAL("http"),
                                      .authority = HF_LITERAL("a"), .path = HF_LITERAL("/"), .fields = fields, .content_length = head.content_length };
    const hf_http2_stream id = drive_any(d);
    hf_http2_stream made = 0;
    bool whole = false;
    switch (hf_random_below(&d->random, 14)) {
    case 0: (void)hf_http2_respond(d->h, id, &head).code; break;
    case 1: (void)hf_http2_answer(d->h, id, &head, hf_text("all of it"), &whole).code; break;
    case 2: if (hf_http2_request(d->h, &request, &made).code == 0) d->ids[d->next_id++ % DRIVE_STREAMS] = made; break;
    case 3: case 4: drive_put(d, id, "some", false); break;
    case 5: drive_put(d, id, "lent", true); break;
    case 6: (void)hf_http2_end(d->h, id, (hf_ending){ HF_ENDING_FIN, 0 }, fields).code; break;
    case 7: (void)hf_http2_end(d->h, id, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code; break;
    case 8: if (hf_random_chance(&d->random, 200000)) (void)hf_http2_end(d->h, id, (hf_ending){ HF_ENDING_RESET, 8 }, fields).code; break;
    case 9: if (hf_random_chance(&d->random, 30000)) hf_http2_drain(d->h); break;
    case 10: if (hf_http2_push(d->h, id, &request, &made).code == 0) d->ids[d->next_id++ % DRIVE_STREAMS] = made; break;
    case 11: hf_http2_prioritise(d->h, id, (unsigned)hf_random_below(&d->random, 8), hf_random_chance(&d->random, 500000)); break;
    case 12: hf_http2_take(d->h, id, (size_t)hf_random_below(&d->random, hf_http2_peek(d->h, id).len + 1)); break;
    default: drive_emit(d, 1 + (size_t)hf_random_below(&d->random, 300), 1 + (size_t)hf_random_below(&d->random, 5), hf_random_below(&d->random, 400)); break;
    }
    if (hf_random_chance(&d->random, 10000))
        (void)hf_http2_ping(d->h).code;
}

static inline void drive_event(drive *d, const hf_http2_event *e)
{
    if (e->kind != HF_HTTP2_BODY || d->in_body != e->stream)
        drive_note_number(d, (uint64_t)e->kind << 32 | e->stream);
    d->in_body = e->kind == HF_HTTP2_BODY ? e->stream : 0;
    switch (e->kind) {
    case HF_HTTP2_REQUEST:
    case HF_HTTP2_REFUSED:
        d->ids[d->next_id++ % DRIVE_STREAMS] = e->stream;
        drive_note_fields(d, e->request.fields);
        drive_note(d, e->request.target.ptr, e->request.target.len);
        break;
    case HF_HTTP2_RESPONSE: drive_note_fields(d, e->response.fields); break;
    case HF_HTTP2_TRAILERS: drive_note_fields(d, e->trailers); break;
    case HF_HTTP2_PUSHED: drive_note_fields(d, e->request.fields); break;
    case HF_HTTP2_BODY: {
        HF_ASSERT(e->body.len > 0);
        const size_t n = d->chaos ? (size_t)hf_random_below(&d->random, e->body.len + 1) : e->body.len;
        drive_note(d, e->body.ptr, e->body.len);
        hf_http2_take(d->h, e->stream, n);
        break;
    }
    case HF_HTTP2_RESET: HF_ASSERT(hf_http2_peek(d->h, e->stream).len == 0); break;
    default: break;
    }
    if (!d->chaos && e->kind == HF_HTTP2_END && !d->client) {
        const hf_response_head head = { .status = 200, .content_length = HF_LENGTH_UNKNOWN };
        (void)hf_http2_respond(d->h, e->stream, &head).code;
        drive_put(d, e->stream, "answer", false);
        drive_put(d, e->stream, "lent", true);
        (void)hf_http2_end(d->h, e->stream, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code;
    }
}

static inline hf_step drive_step(drive *d, const uint8_t *bytes, size_t n, bool fin, size_t *used)
{
    hf_http2_event event;
    memset(&event, 0x5a, sizeof event);
    uint8_t *const block = malloc(n > 0 ? n : 1);
    HF_ASSERT(block != NULL);
    if (n > 0)
        memcpy(block, bytes, n);
    hf_in in = { .ptr = block, .len = n, .fin = fin };
    const hf_step step = hf_http2_step(d->h, d->now, &in, &event);
    HF_ASSERT(in.used <= n);
    *used = in.used;
    if (step == HF_EVENT)
        drive_event(d, &event);
    for (int i = 0; d->chaos && i < 3; i++)
        drive_command(d); /* while what was lent still lies there */
    /* what was lent must be left alone from the next step on, for which the rest is given anew */
    free(block);
    return step;
}

/* Feeds the stream; `slices` NULL: whole. */
static inline void drive_run(drive *d, const uint8_t *data, size_t size, hf_random *slices)
{
    size_t done = 0, shown = slices == NULL ? size : 0, used = 0;
    hf_step step = HF_IDLE;
    for (int turns = 0; turns < 20000; turns++) {
        step = drive_step(d, data + done, shown - done, false, &used);
        done += used;
        if (d->chaos && hf_random_chance(&d->random, 20000))
            d->now = hf_time_after(d->now, HF_MILLISECONDS(hf_random_below(&d->random, 40000)));
        if (step == HF_EVENT)
            continue;
        if (step == HF_CLOSED || step == HF_FAULT)
            break;
        if (step == HF_FULL) {
            drive_flush(d);
            continue;
        }
        if (shown == size)
            break;
        const size_t next = shown + 1 + (size_t)hf_random_below(slices, hf_random_chance(slices, 500000) ? 3 : 40);
        shown = next < size ? next : size;
    }
    drive_flush(d);
    if (step == HF_IDLE && !d->chaos && drive_emit(d, 8192, 16, UINT64_MAX) == 0) {
        step = drive_step(d, data + done, size - done, false, &used);
        done += used;
        if (step == HF_IDLE)
            HF_ASSERT(hf_time_before(d->now, hf_http2_wake(d->h)));
    }
    for (int i = 0; i < 10000 && step != HF_CLOSED && step != HF_FAULT; i++) {
        step = drive_step(d, data + done, size - done, true, &used);
        done += used;
        if (step == HF_IDLE || step == HF_FULL)
            d->now = hf_time_after(d->now, HF_SECONDS(5));
        drive_flush(d);
    }
    drive_note_number(d, step);
    drive_flush(d);
    if (step == HF_CLOSED || step == HF_FAULT) {
        HF_ASSERT(drive_step(d, data, size, false, &used) == step && used == 0);
        HF_ASSERT(hf_http2_wake(d->h).ns == HF_NEVER_NS);
        HF_ASSERT(d->memory.one_in > 0 || d->tokens_put == d->tokens_out);
    }
    /* bytes held never exceed the limits: windows, output, streams and tables */
    HF_ASSERT(d->memory.most < 16384 + 8 * d->limits.header_bytes + 2 * d->limits.http2_connection_window_bytes +
                                   4 * d->limits.http2_output_bytes + 256 * 8192);
    hf_http2_free(d->h);
    HF_ASSERT(d->memory.held == 0);
}

static inline void drive_input(const uint8_t *data, size_t size, bool client)
{
    drive d;
    if (size < 1)
        return;
    const uint64_t seed = data[0];
    if (drive_open(&d, client, true, seed)) {
        hf_random slices;
        hf_random_seed(&slices, seed);
        drive_run(&d, data + 1, size - 1, &slices);
    } else {
        HF_ASSERT(d.memory.held == 0);
    }
    uint64_t log[2], out[2];
    for (int i = 0; i < 2; i++) {
        hf_random slices;
        hf_random_seed(&slices, seed);
        HF_ASSERT(drive_open(&d, client, false, seed));
        if (client) {
            const hf_request_head request = { .method = HF_METHOD_GET, .scheme = HF_LITERAL("http"), .authority = HF_LITERAL("a"), .path = HF_LITERAL("/"),
                                              .content_length = HF_LENGTH_NONE };
            hf_http2_stream id;
            for (int k = 0; k < 3; k++)
                if (hf_http2_request(d.h, &request, &id).code == 0)
                    (void)hf_http2_end(d.h, id, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code;
        }
        drive_run(&d, data + 1, size - 1, i == 0 ? NULL : &slices);
        log[i] = d.log;
        out[i] = d.out_hash;
    }
    HF_ASSERT(log[0] == log[1] && out[0] == out[1]);
}

#endif
