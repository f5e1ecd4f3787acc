/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives the WebSocket core from hostile bytes and holds it to the laws of pier.h. Shared by the websocket fuzz targets.
 * Byte 0: bits of what was agreed and how the application takes messages; 1: the seed of slicing and chaos; 2: the
 * allocation that fails. The rest is the stream.
 */
#ifndef HF_FUZZ_WEBSOCKET_DRIVE_H
#define HF_FUZZ_WEBSOCKET_DRIVE_H

#include <stdlib.h>
#include <string.h>

#include <handfast/websocket.h>

#include "fuzz_memory.h"
#include "panic.h"
#include "random.h"
#include "websocket_utf8.h"

enum { DRIVE_BYTES = 1 << 17 };

/* Masks that are the same in every run. */
static inline void drive_entropy(void *ctx, uint8_t *out, size_t n)
{
    (void)ctx;
    memset(out, 0x5c, n);
}

typedef struct drive {
    fuzz_memory memory;
    hf_random random;
    hf_limits limits;
    hf_env env;
    hf_websocket *w;
    hf_crypto *crypto;
    hf_time now;
    bool chaos, stream, echo, open;
    hf_utf8 utf8;
    uint8_t log[DRIVE_BYTES];
    size_t log_length, out_bytes;
    uint64_t out_hash;
} drive;

static inline void drive_note(drive *d, const void *bytes, size_t n)
{
    if (n > 0 && n <= DRIVE_BYTES - d->log_length) {
        memcpy(d->log + d->log_length, bytes, n);
        d->log_length += n;
    }
}

static inline void drive_begin(drive *d, uint8_t bits, hf_crypto *crypto)
{
    memset(d, 0, offsetof(drive, log));
    d->log_length = d->out_bytes = 0;
    d->out_hash = 1;
    hf_random_seed(&d->random, bits);
    d->limits = *hf_limits_default();
    d->limits.websocket_message_bytes = 5000;
    d->limits.websocket_frame_bytes = 3000;
    d->limits.websocket_empty_frames = 5;
    d->limits.websocket_control = 20;
    d->env = (hf_env){ .alloc = fuzz_alloc(&d->memory), .random = &d->random, .limits = &d->limits };
    d->now = hf_time_make(HF_SECONDS(1));
    d->crypto = crypto;
    d->stream = (bits & 2) != 0;
    d->echo = (bits & 4) != 0;
}

static inline bool drive_open(drive *d, bool server, uint8_t bits)
{
    const hf_websocket_options options = {
        .deflate = { .on = bits & 1, .server_no_context_takeover = (bits & 8) != 0, .client_no_context_takeover = (bits & 16) != 0,
                     .server_window_bits = (bits & 32) != 0 ? 8 : 0, .client_window_bits = (bits & 64) != 0 ? 9 : 0 },
        .stream = d->stream, .compress_from = 8, .fragment_bytes = (bits & 128) != 0 ? 50 : 0, .crypto = d->crypto };
    d->w = server ? hf_websocket_server_new(&d->env, 1, &options, d->now) : hf_websocket_client_new(&d->env, 1, &options, d->now);
    return d->w != NULL;
}

static inline size_t drive_emit(drive *d, size_t capacity, uint64_t room)
{
    hf_extent pieces[8];
    hf_out out = { .pieces = pieces, .capacity = capacity, .room = room };
    const size_t n = hf_websocket_emit(d->w, d->now, &out);
    HF_ASSERT(n == out.bytes && n <= room && out.count <= capacity);
    for (size_t i = 0; i < out.count; i++) {
        d->out_bytes += pieces[i].bytes.len;
        for (size_t k = 0; k < pieces[i].bytes.len; k++)
            d->out_hash = (d->out_hash ^ pieces[i].bytes.ptr[k]) * UINT64_C(0x100000001b3);
    }
    return n;
}

static inline void drive_command(drive *d)
{
    static const char text[] = "some text that is sent, some text that is sent, and some";
    const hf_bytes b = hf_bytes_make(text, hf_random_below(&d->random, sizeof text));
    hf_err err = HF_OK;
    switch (hf_random_below(&d->random, 9)) {
    case 0: err = hf_websocket_send(d->w, HF_WEBSOCKET_TEXT, b); break;
    case 1: err = hf_websocket_send_lent(d->w, HF_WEBSOCKET_BINARY, b, 3); break;
    case 2: err = hf_websocket_begin(d->w, HF_WEBSOCKET_TEXT); break;
    case 3: err = hf_websocket_put(d->w, b); break;
    case 4: err = hf_websocket_finish(d->w); break;
    case 5: err = hf_websocket_ping(d->w, b); break;
    case 6: if (hf_random_chance(&d->random, 30000)) err = hf_websocket_close(d->w, 1000, b); break;
    default: drive_emit(d, 1 + hf_random_below(&d->random, 4), hf_random_below(&d->random, 100)); break;
    }
    (void)err.code;
}

static inline void drive_event(drive *d, const hf_websocket_event *e)
{
    if (e->kind == HF_WEBSOCKET_MESSAGE) {
        HF_ASSERT(e->begins == !d->open && (d->stream || (e->begins && e->ends)));
        if (e->begins) {
            const uint8_t head[2] = { 'M', (uint8_t)e->type };
            drive_note(d, head, 2);
            d->utf8 = (hf_utf8){ 0 };
        }
        /* what is handed up as text is text */
        HF_ASSERT(e->type != HF_WEBSOCKET_TEXT || hf_utf8_check(&d->utf8, e->bytes.ptr, e->bytes.len) == e->bytes.len);
        HF_ASSERT(!e->ends || e->type != HF_WEBSOCKET_TEXT || hf_utf8_is_whole(&d->utf8));
        drive_note(d, e->bytes.ptr, e->bytes.len);
        if (e->ends)
            drive_note(d, "\n", 1);
        d->open = !e->ends;
        if (d->echo && !d->stream && !d->chaos)
            (void)hf_websocket_send(d->w, e->type, e->bytes).code;
        return;
    }
    if (e->kind == HF_WEBSOCKET_CLOSED) {
        const uint8_t head[4] = { 'C', (uint8_t)e->who, (uint8_t)(e->code >> 8), (uint8_t)e->code };
        drive_note(d, head, sizeof head);
        HF_ASSERT(hf_utf8_is_valid(e->bytes));
    }
    if (e->kind == HF_WEBSOCKET_CLOSED || !d->open) /* between pieces their place is a matter of slicing */
        drive_note(d, e->bytes.ptr, e->bytes.len);
}

static inline hf_step drive_step(drive *d, const uint8_t *bytes, size_t n, bool fin, size_t *used)
{
    hf_websocket_event event;
    memset(&event, 0x5a, sizeof event);
    uint8_t *const block = malloc(n > 0 ? n : 1);
    HF_ASSERT(block != NULL);
    if (n > 0)
        memcpy(block, bytes, n);
    hf_in in = { .ptr = block, .len = n, .fin = fin };
    const hf_step step = hf_websocket_step(d->w, d->now, &in, &event);
    HF_ASSERT(in.used <= n);
    if (step == HF_EVENT)
        drive_event(d, &event);
    free(block);
    *used = in.used;
    return step;
}

/* Feeds the stream, whole where `slices` is NULL, and its end. Returns the last answer. */
static inline hf_step drive_run(drive *d, const uint8_t *data, size_t size, hf_random *slices)
{
    size_t done = 0, shown = slices == NULL ? size : 0, used;
    hf_step step = HF_IDLE;
    for (int turns = 0; turns < 30000; turns++) {
        const bool ended = shown == size && step == HF_IDLE && turns > 0;
        step = drive_step(d, data + done, shown - done, ended, &used);
        done += used;
        if (d->chaos) {
            drive_command(d);
            if (hf_random_chance(&d->random, 20000))
                d->now = hf_time_after(d->now, HF_MILLISECONDS(hf_random_below(&d->random, 30000)));
        }
        if (step == HF_CLOSED || step == HF_FAULT)
            break;
        if (step == HF_FULL)
            drive_emit(d, 8, UINT64_MAX);
        if (step == HF_IDLE && slices != NULL && shown < size) {
            const size_t next = shown + 1 + hf_random_below(slices, hf_random_chance(slices, 500000) ? 3 : 40);
            shown = next < size ? next : size;
        }
    }
    return step;
}

/* Endings stick; nothing leaks; what was held had bounds. */
static inline void drive_end(drive *d, hf_step step)
{
    size_t used;
    HF_ASSERT(step == HF_CLOSED || step == HF_FAULT);
    d->now = hf_time_after(d->now, HF_SECONDS(1000));
    HF_ASSERT(drive_step(d, (const uint8_t *)"\x81\x80zzzz", 6, true, &used) == step && used == 0);
    HF_ASSERT(hf_websocket_wake(d->w).ns == HF_NEVER_NS);
    HF_ASSERT((hf_websocket_fault(d->w)->err.code != 0) == (step == HF_FAULT));
    for (int i = 0; drive_emit(d, 8, UINT64_MAX) > 0; i++)
        HF_ASSERT(i < 1000);
    const int32_t code = hf_websocket_fault(d->w)->err.code;
    const uint64_t offset = hf_websocket_fault(d->w)->offset;
    drive_note(d, &code, sizeof code);
    drive_note(d, &offset, sizeof offset);
    hf_websocket_free(d->w);
    HF_ASSERT(d->memory.held == 0 && d->memory.most < 2000000);
}

static inline int drive_target(const uint8_t *data, size_t size, bool server)
{
    static drive whole, sliced;
    static fuzz_memory crypto_memory;
    static hf_env crypto_env;
    static const hf_entropy entropy = { drive_entropy, NULL };
    static hf_crypto *crypto;
    if (size < 3 || size > 8192)
        return 0;
    if (crypto == NULL && !server) {
        crypto_env = (hf_env){ .alloc = fuzz_alloc(&crypto_memory), .limits = hf_limits_default() };
        crypto = hf_crypto_new(&crypto_env, &entropy);
        HF_ASSERT(crypto != NULL);
    }
    hf_random slices;
    hf_random_seed(&slices, data[1]);
    drive_begin(&whole, data[0], crypto);
    drive_begin(&sliced, data[0], crypto);
    HF_ASSERT(drive_open(&whole, server, data[0]) && drive_open(&sliced, server, data[0]));
    drive_end(&whole, drive_run(&whole, data + 3, size - 3, NULL));
    drive_end(&sliced, drive_run(&sliced, data + 3, size - 3, &slices));
    HF_ASSERT(whole.log_length == sliced.log_length && memcmp(whole.log, sliced.log, whole.log_length) == 0);
    HF_ASSERT(whole.out_bytes == sliced.out_bytes && whole.out_hash == sliced.out_hash);
    drive_begin(&whole, data[0], crypto);
    whole.chaos = true;
    whole.memory.fail_at = data[2];
    if (drive_open(&whole, server, data[0]))
        drive_end(&whole, drive_run(&whole, data + 3, size - 3, &slices));
    return 0;
}

#endif
