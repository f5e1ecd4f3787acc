/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives an HTTP/1 core from hostile bytes and holds it to the laws of pier.h. Shared by the http1 fuzz targets.
 */
#ifndef HF_FUZZ_HTTP1_DRIVE_H
#define HF_FUZZ_HTTP1_DRIVE_H

#include <stdlib.h>
#include <string.h>

#include <handfast/http1.h>

#include "fuzz_memory.h"
#include "panic.h"
#include "random.h"

enum { DRIVE_BYTES = 1 << 16 };

typedef struct drive {
    fuzz_memory memory;
    hf_random random;
    hf_limits limits;
    hf_env env;
    hf_http1 *h;
    hf_time now;
    bool chaos;      /* commands and time by chance, not by events */
    unsigned mode;   /* how the application answers */
    uint8_t log[DRIVE_BYTES], out[DRIVE_BYTES];
    size_t log_length, out_length;
    bool in_body;
    uint64_t tokens_put, tokens_out;
    size_t body_length;
} drive;

static inline void drive_note(drive *d, const void *bytes, size_t n)
{
    if (n > 0 && n <= DRIVE_BYTES - d->log_length) {
        memcpy(d->log + d->log_length, bytes, n);
        d->log_length += n;
    }
}

static inline void drive_note_number(drive *d, char what, uint64_t n)
{
    drive_note(d, &what, 1);
    drive_note(d, &n, sizeof n);
}

static inline void drive_note_bytes(drive *d, hf_bytes b)
{
    drive_note_number(d, '"', b.len);
    drive_note(d, b.ptr, b.len);
}

static inline void drive_note_fields(drive *d, hf_fields fields)
{
    for (size_t i = 0; i < fields.count; i++) {
        drive_note_bytes(d, fields.at[i].name);
        drive_note_bytes(d, fields.at[i].value);
    }
}

static inline void drive_init(drive *d, uint64_t seed)
{
    memset(d, 0, offsetof(drive, log));
    d->log_length = d->out_length = d->body_length = 0;
    d->in_body = false;
    d->tokens_put = d->tokens_out = 0;
    hf_random_seed(&d->random, seed);
    d->limits = *hf_limits_default();
    d->limits.header_fields = 12;
    d->limits.header_bytes = 1024;
    d->limits.target_bytes = 256;
    d->limits.trailer_bytes = 128;
    d->limits.chunk_line_bytes = 32;
    d->limits.output_bytes = 2048;
    d->limits.output_extents = 6;
    d->env = (hf_env){ .alloc = fuzz_alloc(&d->memory), .random = &d->random, .limits = &d->limits };
    d->now = hf_time_make(HF_SECONDS(1));
}

/* Emits as much as this room allows; returns the bytes. */
static inline size_t drive_emit(drive *d, size_t scratch_size, size_t capacity, uint64_t room)
{
    uint8_t scratch[512];
    hf_extent pieces[8];
    hf_out out = { .pieces = pieces, .capacity = capacity, .scratch = scratch, .scratch_capacity = scratch_size, .room = room };
    const size_t n = hf_http1_emit(d->h, d->now, &out);
    HF_ASSERT(n == out.bytes && n <= room && out.count <= capacity && out.scratch_used <= scratch_size);
    uint64_t sum = 0;
    for (size_t i = 0; i < out.count; i++) {
        const size_t length = (size_t)hf_extent_length(&pieces[i]);
        sum += length;
        d->tokens_out += pieces[i].token;
        HF_ASSERT(pieces[i].kind != HF_EXTENT_FILE);
        if (length > 0 && length <= DRIVE_BYTES - d->out_length) {
            memcpy(d->out + d->out_length, pieces[i].bytes.ptr, length);
            d->out_length += length;
        }
    }
    HF_ASSERT(sum == n);
    return n;
}

static inline void drive_flush(drive *d)
{
    for (int i = 0; drive_emit(d, 512, 8, UINT64_MAX) > 0; i++)
        HF_ASSERT(i < 10000);
}

static inline void drive_put(drive *d, const char *text, bool lent)
{
    hf_extent e = { .kind = lent ? HF_EXTENT_LENT : HF_EXTENT_COPIED, .token = lent ? 3 : 0, .bytes = hf_text(text) };
    for (;;) {
        const uint64_t n = hf_http1_put(d->h, &e, 1, NULL);
        if (n == e.bytes.len && lent)
            d->tokens_put += 3;
        e.bytes = hf_bytes_make(e.bytes.ptr + n, e.bytes.len - (size_t)n);
        /* back-pressure: room is made, and the rest offered again */
        if (e.bytes.len == 0 || d->chaos || drive_emit(d, 512, 8, UINT64_MAX) == 0)
            return;
    }
}

static inline void drive_answer(drive *d, uint16_t status, int64_t length)
{
    const hf_response_head head = { .status = status, .content_length = length };
    if (hf_http1_respond(d->h, &head).code != 0)
        return;
    if (status >= 200) {
        drive_put(d, "01234", false);
        if (length == HF_LENGTH_UNKNOWN)
            drive_put(d, "lent", true);
        (void)hf_http1_end(d->h, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code;
    }
}

/* Any command at any time must be survived. */
static inline void drive_command(drive *d)
{
    const hf_field field = { HF_LITERAL("A"), HF_LITERAL("b"), HF_FIELD_OTHER };
    const uint16_t status[] = { 100, 101, 103, 200, 204, 304, 404, 426 };
    const int64_t lengths[] = { HF_LENGTH_NONE, HF_LENGTH_UNKNOWN, 0, 4, 100 };
    const hf_response_head head = { .status = status[hf_random_below(&d->random, 8)], .fields = { &field, hf_random_below(&d->random, 2) },
                                    .content_length = lengths[hf_random_below(&d->random, 5)], .close = hf_random_chance(&d->random, 50000) };
    const hf_request_head request = { .method = (hf_method)hf_random_below(&d->random, HF_METHOD_COUNT), .target = HF_LITERAL("/"),
                                      .fields = head.fields, .content_length = head.content_length };
    switch (hf_random_below(&d->random, 10)) {
    case 0: case 1: (void)hf_http1_respond(d->h, &head).code; break;
    case 2: (void)hf_http1_request(d->h, &request).code; break;
    case 3: case 4: drive_put(d, "some", false); break;
    case 5: drive_put(d, "lent", true); break;
    case 6: (void)hf_http1_end(d->h, (hf_ending){ HF_ENDING_FIN, 0 }, head.fields).code; break;
    case 7: (void)hf_http1_end(d->h, (hf_ending){ hf_random_chance(&d->random, 100000) ? HF_ENDING_RESET : HF_ENDING_FIN, 0 },
                               (hf_fields){ NULL, 0 }).code; break;
    case 8: if (hf_random_chance(&d->random, 30000)) hf_http1_drain(d->h); break;
    default: drive_emit(d, 1 + hf_random_below(&d->random, 64), 1 + hf_random_below(&d->random, 3), hf_random_below(&d->random, 100)); break;
    }
    HF_ASSERT(hf_http1_room(d->h) == UINT64_MAX || hf_http1_room(d->h) <= d->limits.output_bytes);
}

static inline void drive_event(drive *d, const hf_http1_event *e)
{
    if (e->kind != HF_HTTP1_BODY || !d->in_body)
        drive_note_number(d, '\n', e->kind);
    d->in_body = e->kind == HF_HTTP1_BODY;
    switch (e->kind) {
    case HF_HTTP1_REQUEST:
        drive_note_bytes(d, e->request.method_name);
        drive_note_bytes(d, e->request.target);
        drive_note_bytes(d, e->request.authority);
        drive_note_bytes(d, e->request.upgrade);
        drive_note_number(d, 'l', (uint64_t)e->request.content_length);
        drive_note_fields(d, e->request.fields);
        if (!d->chaos && e->request.expect_continue && d->mode != 1)
            drive_answer(d, 100, HF_LENGTH_NONE);
        if (!d->chaos && d->mode == 1)
            drive_answer(d, 200, 5);
        break;
    case HF_HTTP1_RESPONSE:
        drive_note_number(d, 's', e->response.status);
        drive_note_bytes(d, e->response.reason);
        drive_note_number(d, 'l', (uint64_t)e->response.content_length);
        drive_note_fields(d, e->response.fields);
        break;
    case HF_HTTP1_BODY: {
        HF_ASSERT(e->body.len > 0);
        const size_t n = d->chaos ? hf_random_below(&d->random, e->body.len + 1) : e->body.len;
        drive_note(d, e->body.ptr, n);
        hf_http1_take(d->h, n);
        d->body_length += n;
        break;
    }
    case HF_HTTP1_TRAILERS:
        drive_note_fields(d, e->trailers);
        break;
    case HF_HTTP1_END:
        if (!d->chaos && d->mode != 1 && d->mode != 3)
            drive_answer(d, 200, d->mode == 2 ? HF_LENGTH_UNKNOWN : 5);
        break;
    case HF_HTTP1_UPGRADED:
        break;
    case HF_HTTP1_REFUSED:
        drive_note_number(d, 'e', (uint64_t)hf_http1_fault(d->h)->err.code);
        drive_note_number(d, '@', hf_http1_fault(d->h)->offset);
        HF_ASSERT(hf_http1_fault(d->h)->status >= 400 && hf_http1_fault(d->h)->wanted != NULL);
        if (!d->chaos && d->mode != 3)
            drive_answer(d, hf_http1_fault(d->h)->status, 5);
        break;
    }
}

/* Bytes held never exceed the limits (a block may double). */
static inline void drive_check_held(const drive *d)
{
    const hf_limits *const l = &d->limits;
    HF_ASSERT(d->memory.most <= 1024 + 2 * l->header_fields * sizeof(hf_field) + 4 * l->output_extents * 64 +
                                    4 * (l->output_bytes + l->header_bytes + l->trailer_bytes));
}

/* One step with this input, which lies in a block of exactly its size. */
static inline hf_step drive_step(drive *d, const uint8_t *bytes, size_t n, bool fin, size_t *used)
{
    hf_http1_event event;
    memset(&event, 0x5a, sizeof event);
    uint8_t *const block = malloc(n > 0 ? n : 1);
    HF_ASSERT(block != NULL);
    if (n > 0)
        memcpy(block, bytes, n);
    hf_in in = { .ptr = block, .len = n, .fin = fin };
    const hf_step step = hf_http1_step(d->h, d->now, &in, &event);
    HF_ASSERT(in.used <= n && (step != HF_FULL || in.used == 0 || in.used <= n));
    if (step == HF_EVENT)
        drive_event(d, &event);
    free(block);
    *used = in.used;
    return step;
}

/* Feeds the stream; `slices` NULL: whole. Returns the last answer. */
static inline hf_step drive_run(drive *d, const uint8_t *data, size_t size, hf_random *slices)
{
    size_t done = 0, shown = slices == NULL ? size : 0;
    hf_step step = HF_IDLE;
    for (int turns = 0; turns < (d->chaos ? 1500 : 20000); turns++) {
        size_t used;
        const bool fin = shown == size;
        step = drive_step(d, data + done, shown - done, fin && slices == NULL ? d->now.ns > HF_SECONDS(1) + 1 : false, &used);
        done += used;
        if (d->chaos) {
            drive_command(d);
            if (hf_random_chance(&d->random, 30000))
                d->now = hf_time_after(d->now, HF_MILLISECONDS(hf_random_below(&d->random, 40000)));
        }
        if (step == HF_EVENT)
            continue;
        if (step == HF_CLOSED || step == HF_FAULT)
            break;
        const size_t emitted = d->chaos ? 0 : drive_emit(d, 512, 8, UINT64_MAX);
        if (emitted > 0)
            continue;
        if (step == HF_IDLE && drive_emit(d, 512, 8, UINT64_MAX) == 0 && !d->chaos)
            HF_ASSERT(hf_time_before(d->now, hf_http1_wake(d->h)));
        if (shown < size && slices != NULL) {
            const size_t next = shown + 1 + hf_random_below(slices, hf_random_chance(slices, 500000) ? 3 : 40);
            shown = next < size ? next : size;
            continue;
        }
        if (!d->chaos)
            break;
    }
    return step;
}

/* The end of the input, then all output; faults and closings stick. */
static inline void drive_finish(drive *d, hf_step step)
{
    size_t used;
    drive_flush(d);
    drive_note_number(d, '!', step);
    if (step == HF_CLOSED || step == HF_FAULT) {
        HF_ASSERT(drive_step(d, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18, false, &used) == step && used == 0);
        d->now = hf_time_after(d->now, HF_SECONDS(1000));
        HF_ASSERT(drive_step(d, NULL, 0, true, &used) == step);
        HF_ASSERT(hf_http1_wake(d->h).ns == HF_NEVER_NS);
    }
    if (step == HF_FAULT) {
        drive_note_number(d, 'e', (uint64_t)hf_http1_fault(d->h)->err.code);
        HF_ASSERT(hf_http1_fault(d->h)->err.code != 0);
    }
    drive_flush(d);
    HF_ASSERT(d->tokens_put == d->tokens_out);
    drive_check_held(d);
    hf_http1_free(d->h);
    HF_ASSERT(d->memory.held == 0);
}

static inline void drive_same(const drive *a, const drive *b)
{
    HF_ASSERT(a->log_length == b->log_length && memcmp(a->log, b->log, a->log_length) == 0);
    HF_ASSERT(a->out_length == b->out_length && memcmp(a->out, b->out, a->out_length) == 0);
}

#endif
