/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives a core of http3 with fuzzed lanes and an application that obeys no order, or a plain one that must give the same
 * however the input is cut. The input is a list of parts: a byte that names the lane and its end, two of length, the bytes.
 */
#ifndef HF_FUZZ_HTTP3_DRIVE_H
#define HF_FUZZ_HTTP3_DRIVE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <handfast/http3.h>

#include "fuzz_memory.h"
#include "panic.h"
#include "random.h"

enum { DRIVE_LANES = 16, DRIVE_LANE_BYTES = 32768 };

typedef struct drive_lane {
    uint8_t bytes[DRIVE_LANE_BYTES];
    size_t length, done;
    uint64_t events, out; /* hashes: the order of events is the lane's own */
    bool opened, fin, in_body, over;
} drive_lane;

typedef struct drive {
    hf_http3 *h;
    hf_env env;
    hf_limits limits;
    hf_random random;
    fuzz_memory memory;
    hf_time now;
    bool client, chaos;
    hf_step last;
    uint64_t tokens_put, tokens_out;
    drive_lane lanes[DRIVE_LANES];
} drive;

/* Eight lanes for requests, then those of the peer that go one way. */
static inline hf_lane drive_id(const drive *d, unsigned i)
{
    return i < 8 ? 4 * i : 4 * (i - 8) + (d->client ? 3 : 2);
}
static inline drive_lane *drive_find(drive *d, hf_lane id)
{
    for (unsigned i = 0; i < DRIVE_LANES; i++)
        if (drive_id(d, i) == id)
            return &d->lanes[i];
    return NULL;
}

static inline bool drive_open(drive *d, bool client, bool chaos, uint64_t seed)
{
    const hf_http3_options options = { .connect_protocol = seed & 1, .push = seed & 2 };
    memset(d, 0, sizeof *d);
    d->client = client;
    d->chaos = chaos;
    hf_random_seed(&d->random, seed);
    hf_random_seed(&d->memory.random, seed + 1);
    d->memory.one_in = chaos && seed % 5 == 0 ? 20 : 0;
    d->limits = *hf_limits_default();
    d->limits.header_bytes = 2048;
    d->limits.output_bytes = 4096;
    d->limits.http3_output_bytes = 8192;
    d->limits.http3_streams = 6;
    d->now = hf_time_make(HF_SECONDS(1));
    d->env = (hf_env){ .alloc = fuzz_alloc(&d->memory), .random = &d->random, .limits = &d->limits };
    d->h = client ? hf_http3_client_new(&d->env, 1, d->now, &options) : hf_http3_server_new(&d->env, 1, d->now, &options);
    if (d->h != NULL)
        hf_http3_begin(d->h, client ? 102 : 103, client ? 106 : 107, client ? 110 : 111);
    return d->h != NULL;
}

static inline void drive_hash(uint64_t *hash, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *hash = (*hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
}
static inline void drive_hash_fields(uint64_t *hash, hf_fields fields)
{
    for (size_t i = 0; i < fields.count; i++) {
        const hf_bytes v = fields.at[i].value;
        drive_hash(hash, fields.at[i].name.ptr, fields.at[i].name.len);
        drive_hash(hash, v.ptr, v.len);
        for (size_t k = 0; k < v.len; k++)
            HF_ASSERT(v.ptr[k] != 0 && v.ptr[k] != '\r' && v.ptr[k] != '\n');
    }
}

/* One turn. False: nothing to say. */
static inline bool drive_emit(drive *d, size_t scratch_size, size_t capacity, uint64_t room)
{
    static uint8_t scratch[8192];
    hf_extent pieces[16];
    hf_http3_turn turn;
    if (!hf_http3_next(d->h, d->now, &turn) || turn.aborts)
        return turn.aborts;
    hf_out out = { .pieces = pieces, .capacity = capacity, .scratch = scratch, .scratch_capacity = scratch_size, .room = room };
    bool fin;
    const size_t n = hf_http3_emit(d->h, d->now, turn.lane, &out, &fin);
    drive_lane *const l = drive_find(d, turn.lane);
    HF_ASSERT(out.count <= capacity && out.scratch_used <= scratch_size && n == out.bytes && n <= room);
    HF_ASSERT(n > 0 || fin || out.count > 0);
    size_t sum = 0;
    for (size_t i = 0; i < out.count; i++) {
        d->tokens_out += pieces[i].token;
        sum += pieces[i].bytes.len;
        if (l != NULL)
            drive_hash(&l->out, pieces[i].bytes.ptr, pieces[i].bytes.len);
    }
    HF_ASSERT(sum == n);
    return true;
}
static inline void drive_flush(drive *d)
{
    for (int i = 0; drive_emit(d, 8192, 16, UINT64_MAX); i++)
        HF_ASSERT(i < 100000);
}

static inline void drive_put(drive *d, hf_lane id, const char *text, bool lent)
{
    const hf_extent e = { .kind = lent ? HF_EXTENT_LENT : HF_EXTENT_COPIED, .token = lent ? 3 : 0, .bytes = hf_text(text) };
    hf_err err;
    const uint64_t n = hf_http3_put(d->h, id, &e, 1, &err);
    if (lent && n == e.bytes.len && err.code == 0)
        d->tokens_put += 3;
}

/* Any command at any time must be survived. */
static inline void drive_command(drive *d)
{
    const hf_field field = { HF_LITERAL("A"), HF_LITERAL("b"), HF_FIELD_OTHER };
    static const uint16_t statuses[] = { 100, 103, 200, 204, 304, 404 };
    static const int64_t lengths[] = { HF_LENGTH_NONE, HF_LENGTH_UNKNOWN, 0, 4, 100 };
    const hf_fields fields = { &field, (size_t)hf_random_below(&d->random, 2) };
    const hf_response_head head = { .status = statuses[hf_random_below(&d->random, 6)], .fields = fields, .content_length = lengths[hf_random_below(&d->random, 5)] };
    const char path[] = { '/', (char)('a' + hf_random_below(&d->random, 26)), 0 };
    const hf_request_head request = { .method = (hf_method)(1 + hf_random_below(&d->random, HF_METHOD_COUNT - 1)), .authority = HF_LITERAL("a"),
                                      .path = hf_text(path), .fields = fields, .content_length = head.content_length };
    const hf_lane id = drive_id(d, (unsigned)hf_random_below(&d->random, 12)), other = 4 * hf_random_below(&d->random, 8) + 203;
    switch (hf_random_below(&d->random, 16)) {
    case 0: case 1: (void)hf_http3_respond(d->h, hf_random_chance(&d->random, 900000) ? id : other, &head).code; break;
    case 2: (void)hf_http3_request(d->h, id, &request).code; break;
    case 3: case 4: drive_put(d, id, "some", false); break;
    case 5: drive_put(d, hf_random_chance(&d->random, 900000) ? id : other, "lent", true); break;
    case 6: (void)hf_http3_end(d->h, id, (hf_ending){ HF_ENDING_FIN, 0 }, fields).code; break;
    case 7: (void)hf_http3_end(d->h, other, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code; break;
    case 8: if (hf_random_chance(&d->random, 200000)) (void)hf_http3_end(d->h, id, (hf_ending){ HF_ENDING_RESET, 8 }, fields).code; break;
    case 9: if (hf_random_chance(&d->random, 30000)) hf_http3_drain(d->h, d->now, 1000); break;
    case 10: (void)hf_http3_push(d->h, id, &request, other).code; break;
    case 11: hf_http3_prioritise(d->h, id, (unsigned)hf_random_below(&d->random, 8), hf_random_chance(&d->random, 500000)); break;
    case 12: hf_http3_take(d->h, id, (size_t)hf_random_below(&d->random, 50)); break;
    case 13: hf_http3_hold(d->h, d->now, id, hf_random_chance(&d->random, 300000)); break;
    case 14:
        if (hf_random_chance(&d->random, 100000))
            hf_http3_lane_ended(d->h, d->now, id, (hf_ending){ hf_random_chance(&d->random, 500000) ? HF_ENDING_RESET : HF_ENDING_STOP, 0x10c });
        hf_http3_cancel_push(d->h, hf_random_below(&d->random, 100));
        break;
    default: drive_emit(d, 1 + (size_t)hf_random_below(&d->random, 300), 1 + (size_t)hf_random_below(&d->random, 5), 1 + hf_random_below(&d->random, 400)); break;
    }
}

static inline void drive_event(drive *d, const hf_http3_event *e)
{
    uint64_t ignored = 0;
    drive_lane *const l = drive_find(d, e->lane);
    uint64_t *const hash = l != NULL ? &l->events : &ignored;
    const bool body = e->kind == HF_HTTP3_BODY;
    if (e->kind != HF_HTTP3_READABLE && !(body && l != NULL && l->in_body))
        drive_hash(hash, &e->kind, sizeof e->kind);
    if (l != NULL && e->kind != HF_HTTP3_READABLE)
        l->in_body = body;
    drive_hash_fields(hash, e->request.fields);
    drive_hash_fields(hash, e->response.fields);
    drive_hash_fields(hash, e->trailers);
    if (body) {
        HF_ASSERT(e->body.len > 0 && l != NULL);
        drive_hash(hash, e->body.ptr, d->chaos ? 0 : e->body.len);
        hf_http3_take(d->h, e->lane, d->chaos ? (size_t)hf_random_below(&d->random, e->body.len + 1) : e->body.len);
    }
    if (!d->chaos && e->kind == HF_HTTP3_END && !d->client) {
        const hf_response_head head = { .status = 200, .content_length = HF_LENGTH_UNKNOWN };
        (void)hf_http3_respond(d->h, e->lane, &head).code;
        drive_put(d, e->lane, "answer", false);
        drive_put(d, e->lane, "lent", true);
        (void)hf_http3_end(d->h, e->lane, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code;
    }
}

static inline hf_step drive_step(drive *d, hf_lane id)
{
    drive_lane *const l = drive_find(d, id);
    const size_t n = l == NULL ? 0 : l->length - l->done;
    hf_http3_event event;
    memset(&event, 0x5a, sizeof event);
    uint8_t *const block = malloc(n > 0 ? n : 1);
    HF_ASSERT(block != NULL);
    if (n > 0)
        memcpy(block, l->bytes + l->done, n);
    hf_in in = { .ptr = block, .len = n, .fin = l != NULL && l->fin };
    d->last = hf_http3_step(d->h, d->now, id, &in, &event);
    HF_ASSERT(in.used <= n);
    if (l != NULL)
        l->done += in.used;
    if (d->last == HF_EVENT)
        drive_event(d, &event);
    for (int i = 0; d->chaos && i < 3; i++)
        drive_command(d); /* while what was lent still lies there */
    free(block);
    return d->last;
}

/* Steps all lanes until nothing moves. */
static inline void drive_settle(drive *d)
{
    for (int i = 0; i < 20000; i++) {
        bool moved = false;
        for (unsigned k = 0; k < DRIVE_LANES; k++)
            for (int turns = 0; d->lanes[k].opened && turns < 1000; turns++) {
                const size_t before = d->lanes[k].done;
                const hf_step step = drive_step(d, drive_id(d, k));
                moved = moved || step == HF_EVENT;
                if (step != HF_EVENT && d->lanes[k].done == before)
                    break;
            }
        if (!moved || d->last == HF_CLOSED || d->last == HF_FAULT)
            return;
        if (d->chaos && i > 50)
            return;
    }
}

static inline void drive_feed(drive *d, unsigned i, const uint8_t *bytes, size_t n, bool fin)
{
    drive_lane *const l = &d->lanes[i];
    const hf_lane id = drive_id(d, i);
    if (!l->opened && ((id & 1) == 0) != d->client)
        hf_http3_lane_opened(d->h, d->now, id);
    l->opened = true;
    if (l->fin || n > DRIVE_LANE_BYTES - l->length)
        return;
    memcpy(l->bytes + l->length, bytes, n);
    l->length += n;
    l->fin = fin;
    for (int turns = 0; turns < 2000; turns++) {
        const size_t before = l->done;
        if (drive_step(d, id) != HF_EVENT && l->done == before)
            break;
    }
}

static inline void drive_run(drive *d, const uint8_t *data, size_t size, hf_random *slices)
{
    for (size_t at = 0; at + 3 <= size && d->last != HF_CLOSED && d->last != HF_FAULT;) {
        const unsigned i = data[at] % DRIVE_LANES;
        const bool fin = (data[at] & 0x80) != 0;
        size_t n = (size_t)data[at + 1] << 8 | data[at + 2];
        at += 3;
        n = n < size - at ? n : size - at;
        size_t done = 0;
        while (slices != NULL && done < n) {
            const size_t some = 1 + (size_t)hf_random_below(slices, 9), rest = n - done;
            drive_feed(d, i, data + at + done, some < rest ? some : rest, false);
            done += some < rest ? some : rest;
        }
        drive_feed(d, i, data + at + done, n - done, fin);
        drive_settle(d);
        if (d->chaos && hf_random_chance(&d->random, 50000))
            d->now = hf_time_after(d->now, HF_MILLISECONDS(hf_random_below(&d->random, 40000)));
        at += n;
    }
    drive_flush(d);
    drive_settle(d);
    drive_flush(d);
    if (d->last == HF_IDLE && !d->chaos && drive_step(d, HF_HTTP3_NO_LANE) == HF_IDLE)
        HF_ASSERT(hf_time_before(d->now, hf_http3_wake(d->h)));
    if (d->last == HF_CLOSED || d->last == HF_FAULT) {
        HF_ASSERT(drive_step(d, 0) == d->last && hf_http3_wake(d->h).ns == HF_NEVER_NS);
        HF_ASSERT(d->last != HF_FAULT || hf_http3_close_code(d->h) != HF_HTTP3_NO_ERROR);
    }
    if (d->last == HF_FAULT && d->memory.one_in == 0) {
        drive_flush(d);
        HF_ASSERT(d->tokens_put == d->tokens_out);
    }
    HF_ASSERT(d->memory.most < 65536 + 16 * d->limits.header_bytes + 4 * d->limits.http3_output_bytes + 64 * 4096);
    hf_http3_free(d->h);
    HF_ASSERT(d->memory.held == 0);
}

static inline void drive_requests(drive *d)
{
    const hf_request_head request = { .method = HF_METHOD_GET, .authority = HF_LITERAL("a"), .path = HF_LITERAL("/"), .content_length = HF_LENGTH_NONE };
    for (unsigned i = 0; d->client && i < 3; i++)
        if (hf_http3_request(d->h, drive_id(d, i), &request).code == 0)
            (void)hf_http3_end(d->h, drive_id(d, i), (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code;
}

static inline void drive_input(const uint8_t *data, size_t size, bool client)
{
    static drive d;
    static uint64_t events[2][DRIVE_LANES], out[2][DRIVE_LANES];
    hf_random slices;
    if (size < 1 || size > 16384)
        return;
    const uint64_t seed = data[0];
    hf_random_seed(&slices, seed);
    if (drive_open(&d, client, true, seed))
        drive_run(&d, data + 1, size - 1, &slices);
    HF_ASSERT(d.memory.held == 0);
    hf_step last[2];
    for (int i = 0; i < 2; i++) {
        hf_random_seed(&slices, seed);
        HF_ASSERT(drive_open(&d, client, false, seed));
        drive_requests(&d);
        drive_run(&d, data + 1, size - 1, i == 0 ? NULL : &slices);
        last[i] = d.last;
        for (unsigned k = 0; k < DRIVE_LANES; k++) {
            events[i][k] = d.lanes[k].events;
            out[i][k] = d.lanes[k].out;
        }
    }
    HF_ASSERT(last[0] == last[1]);
    HF_ASSERT(memcmp(events[0], events[1], sizeof events[0]) == 0 && memcmp(out[0], out[1], sizeof out[0]) == 0);
}

#endif
