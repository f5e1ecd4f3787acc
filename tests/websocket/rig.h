/* SPDX-License-Identifier: Apache-2.0
 *
 * A core of websocket with a scripted application on top, and a peer who writes and reads frames by hand. Each step gets
 * the unconsumed input in a block of exactly its size, which dies with the next step: a pointer kept too long, or a byte
 * read too far, is found by the sanitizers. Only what was not consumed is shown again, as it was.
 */
#ifndef HF_TESTS_WEBSOCKET_RIG_H
#define HF_TESTS_WEBSOCKET_RIG_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <handfast/websocket.h>

#include "websocket_wire.h"

enum { RIG_LOG = 1 << 14 };

typedef enum rig_app {
    RIG_ECHO,   /* whole messages come back */
    RIG_PIECES, /* likewise, with options.stream: begin, put, finish */
    RIG_SINK,   /* nothing comes back */
} rig_app;

/* Grows as it needs. */
typedef struct bytes {
    uint8_t *ptr;
    size_t len, capacity;
} bytes;

static inline void bytes_add(bytes *b, const void *from, size_t n)
{
    if (b->len + n > b->capacity) {
        b->capacity = 2 * (b->len + n) + 64;
        b->ptr = realloc(b->ptr, b->capacity);
        assert_non_null(b->ptr);
    }
    if (n > 0)
        memcpy(b->ptr + b->len, from, n);
    b->len += n;
}

static inline void bytes_free(bytes *b)
{
    free(b->ptr);
    memset(b, 0, sizeof *b);
}

typedef struct rig {
    hf_websocket *w;
    rig_app app;
    bool server;
    hf_time now;
    char log[RIG_LOG];
    size_t log_length;
    bool open;     /* the log's last line is a piece of a message: the next is joined to it */
    size_t messages, message_bytes;
    bytes out;
    uint64_t tokens; /* sum of the tokens that left */
    uint8_t *block;
    hf_in in; /* of the last step */
    hf_step last;
    hf_websocket_event closed; /* the CLOSED event, without its bytes */
    char reason[128];
} rig;

static inline void rig_log(rig *r, const char *what, hf_bytes b)
{
    const size_t n = strlen(what);
    if (r->log_length + n + b.len + 2 > RIG_LOG)
        return;
    memcpy(r->log + r->log_length, what, n);
    if (b.len > 0)
        memcpy(r->log + r->log_length + n, b.ptr, b.len);
    r->log_length += n + b.len;
    r->log[r->log_length] = 0;
}

/* Masks come from a counter: the same in every run. */
static inline void rig_entropy(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(++*(uint32_t *)ctx * 37);
}

static inline bool rig_open(rig *r, const hf_env *env, bool server, rig_app app, const hf_websocket_options *options)
{
    hf_websocket_options mine = options != NULL ? *options : (hf_websocket_options){ 0 };
    memset(r, 0, sizeof *r);
    r->app = app;
    r->server = server;
    r->now = hf_time_make(HF_SECONDS(1000));
    mine.stream = mine.stream || app == RIG_PIECES;
    r->w = server ? hf_websocket_server_new(env, 7, &mine, r->now) : hf_websocket_client_new(env, 7, &mine, r->now);
    r->last = HF_IDLE;
    return r->w != NULL;
}

static inline void rig_close(rig *r)
{
    hf_websocket_free(r->w);
    bytes_free(&r->out);
    free(r->block);
    r->block = NULL;
}

static inline size_t rig_emit_once(rig *r, size_t capacity, uint64_t room)
{
    hf_extent pieces[64];
    hf_out out = { .pieces = pieces, .capacity = capacity, .room = room };
    const size_t n = hf_websocket_emit(r->w, r->now, &out);
    size_t sum = 0;
    assert_true(out.count <= capacity && n == out.bytes && n <= room);
    for (size_t i = 0; i < out.count; i++) {
        r->tokens += pieces[i].token;
        sum += pieces[i].bytes.len;
        bytes_add(&r->out, pieces[i].bytes.ptr, pieces[i].bytes.len);
    }
    assert_int_equal(sum, n);
    return n;
}

static inline void rig_emit(rig *r)
{
    while (rig_emit_once(r, 16, UINT64_MAX) > 0)
        ;
}

static inline void rig_answer(rig *r, const hf_websocket_event *e)
{
    hf_err err = HF_OK;
    if (r->app == RIG_ECHO)
        err = hf_websocket_send(r->w, e->type, e->bytes);
    if (r->app == RIG_PIECES && e->begins)
        err = hf_websocket_begin(r->w, e->type);
    if (r->app == RIG_PIECES && err.code == 0)
        err = hf_websocket_put(r->w, e->bytes);
    if (r->app == RIG_PIECES && err.code == 0 && e->ends)
        err = hf_websocket_finish(r->w);
    (void)err.code; /* memory may end */
}

static inline void rig_on_event(rig *r, const hf_websocket_event *e)
{
    static const char *const names[] = { "MESSAGE", "PING ", "PONG ", "CLOSED " };
    char head[64];
    if (e->kind == HF_WEBSOCKET_MESSAGE) {
        snprintf(head, sizeof head, "%s %s ", names[e->kind], e->type == HF_WEBSOCKET_TEXT ? "text" : "binary");
        assert_true(e->begins == !r->open);
        rig_log(r, r->open ? "" : head, e->bytes);
        rig_log(r, e->ends ? "\n" : "", hf_text(""));
        r->open = !e->ends;
        r->messages += e->ends;
        r->message_bytes += e->bytes.len;
        rig_answer(r, e);
        return;
    }
    if (r->open) /* between the pieces of a message, or instead of the rest */
        rig_log(r, e->kind == HF_WEBSOCKET_CLOSED ? "|\n" : "", hf_text(""));
    if (e->kind == HF_WEBSOCKET_CLOSED) {
        snprintf(head, sizeof head, "CLOSED %s %u %s ", e->who == HF_WEBSOCKET_PEER ? "peer" : "we", e->code, hf_err_text(e->err));
        snprintf(r->reason, sizeof r->reason, "%.*s", HF_STR(e->bytes));
        r->closed = *e;
        r->closed.bytes = hf_bytes_make(NULL, 0);
        rig_log(r, head, e->bytes);
    } else if (!r->open) {
        rig_log(r, names[e->kind], e->bytes);
    }
    if (!r->open || e->kind == HF_WEBSOCKET_CLOSED)
        rig_log(r, "\n", hf_text(""));
}

/* Steps on this input until there is nothing more to do; returns what was not consumed. Output is emitted when the core is
 * full, and otherwise left. */
static inline size_t rig_feed(rig *r, const uint8_t *input, size_t n, bool fin)
{
    for (int i = 0;; i++) {
        hf_websocket_event event;
        assert_true(i < 10000000);
        memset(&event, 0x5a, sizeof event);
        free(r->block);
        r->block = malloc(n > 0 ? n : 1);
        if (n > 0)
            memcpy(r->block, input, n);
        r->in = (hf_in){ .ptr = r->block, .len = n, .fin = fin };
        r->last = hf_websocket_step(r->w, r->now, &r->in, &event);
        assert_true(r->in.used <= n);
        if (r->last == HF_EVENT)
            rig_on_event(r, &event);
        input = n > 0 ? input + r->in.used : input;
        n -= r->in.used;
        if (r->last == HF_EVENT || (r->last == HF_FULL && rig_emit_once(r, 16, UINT64_MAX) > 0))
            continue;
        return n;
    }
}

/* Feeds a stream cut where `cut` says: it returns the next end, given the last one. */
static inline void rig_feed_cut(rig *r, hf_bytes stream, bool fin, size_t (*cut)(void *ctx, size_t at, size_t length), void *ctx)
{
    size_t shown = 0, left = 0;
    while (shown < stream.len) {
        const size_t done = shown - left;
        shown = cut == NULL ? stream.len : cut(ctx, shown, stream.len);
        left = rig_feed(r, stream.ptr + done, shown - done, false);
    }
    if (fin)
        rig_feed(r, stream.ptr + stream.len - left, left, true);
}

static inline size_t cut_by_one(void *ctx, size_t at, size_t length)
{
    (void)ctx, (void)length;
    return at + 1;
}

/* ---- the peer ----------------------------------------------------------------------------------------------- */

/* Adds a frame as the peer of a `server` (masked) or of a client writes it. `first` is its first byte. */
static inline void peer_frame(bytes *to, bool server, uint8_t first, hf_bytes payload)
{
    static uint8_t turn;
    uint8_t head[HF_WEBSOCKET_HEAD_MOST];
    hf_websocket_frame f = { .fin = (first & 0x80) != 0, .rsv = first >> 4 & 7, .opcode = first & 15, .masked = server, .length = payload.len };
    for (int i = 0; i < 4; i++)
        f.key[i] = (uint8_t)(0x35 * ++turn);
    bytes_add(to, head, hf_websocket_frame_write(head, &f));
    const size_t at = to->len;
    bytes_add(to, payload.ptr, payload.len);
    for (size_t i = 0; server && i < payload.len; i++)
        to->ptr[at + i] ^= f.key[i % 4];
}

/* The next frame of what the core wrote, unmasked in place; false at the end. */
static inline bool peer_read(rig *r, size_t *at, uint8_t *first, hf_bytes *payload)
{
    hf_websocket_frame f;
    if (*at == r->out.len)
        return false;
    const hf_websocket_form form = hf_websocket_frame_parse(hf_bytes_make(r->out.ptr + *at, r->out.len - *at), &f);
    assert_int_equal(form, HF_WEBSOCKET_FORM_GOOD);
    assert_true(f.masked == !r->server && r->out.len - *at - f.head >= f.length);
    *first = r->out.ptr[*at];
    uint8_t *const p = r->out.ptr + *at + f.head;
    for (size_t i = 0; f.masked && i < f.length; i++)
        p[i] ^= f.key[i % 4];
    *payload = hf_bytes_make(p, (size_t)f.length);
    *at += f.head + (size_t)f.length;
    return true;
}

#endif
