/* SPDX-License-Identifier: Apache-2.0
 *
 * A core of http2 with a scripted application on top: frames are built by hand and go in by any slicing, what happened
 * comes out as text, what was written as bytes that can be read as frames. Each step gets the unconsumed input in a block
 * of exactly its size, which dies with the next step: a pointer kept too long is found by the sanitizers.
 */
#ifndef HF_TESTS_HTTP2_RIG_H
#define HF_TESTS_HTTP2_RIG_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <handfast/http2.h>

#include "http2_state.h"
#include "http2_wire.h"
#include "trace.h"

typedef enum rig_app {
    RIG_ECHO,   /* answers at END with the body that came; 100 where it is waited for; a tunnel to CONNECT */
    RIG_EARLY,  /* answers at REQUEST, without looking at the body */
    RIG_STREAM, /* answers at END: unknown length, copied and lent pieces, a trailer, 103 before */
    RIG_SILENT, /* never answers, takes everything */
    RIG_STUCK,  /* answers nothing and takes nothing */
    RIG_CLIENT, /* a client: sends what the test asks it to */
    RIG_APPS
} rig_app;

enum { RIG_BYTES = 1 << 18, RIG_STREAMS = 64 };

/* ---- frames by hand ----------------------------------------------------------------------------------------- */

typedef struct wire {
    uint8_t bytes[RIG_BYTES];
    size_t length;
} wire;

static inline void wire_bytes(wire *w, const void *bytes, size_t n)
{
    assert_true(w->length + n <= sizeof w->bytes);
    if (n > 0)
        memcpy(w->bytes + w->length, bytes, n);
    w->length += n;
}

static inline void wire_frame(wire *w, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t n)
{
    uint8_t header[9];
    hf_frame_write(header, (uint32_t)n, type, flags, stream);
    wire_bytes(w, header, 9);
    wire_bytes(w, payload, n);
}

static inline void wire_u32(wire *w, unsigned type, uint32_t stream, uint32_t value)
{
    uint8_t payload[4];
    hf_store_u32(payload, value);
    wire_frame(w, type, 0, stream, payload, 4);
}

static inline void wire_setting(wire *w, unsigned id, uint32_t value)
{
    uint8_t payload[6] = { (uint8_t)(id >> 8), (uint8_t)id };
    hf_store_u32(payload + 2, value);
    wire_frame(w, HF_FRAME_SETTINGS, 0, 0, payload, 6);
}

/* A field block: "name: value\n" lines become literals that are not indexed. */
static inline size_t wire_block(const char *lines, uint8_t *to)
{
    size_t n = 0;
    while (*lines != 0) {
        const char *const colon = strchr(lines + 1, ':'), *const end = strchr(lines, '\n');
        const size_t name = (size_t)(colon - lines), value = (size_t)(end - colon) - 2;
        to[n++] = 0;
        assert_true(name < 127);
        to[n++] = (uint8_t)name;
        memcpy(to + n, lines, name);
        n += name;
        if (value < 127) {
            to[n++] = (uint8_t)value;
        } else {
            to[n++] = 127;
            size_t rest = value - 127;
            for (; rest >= 128; rest >>= 7)
                to[n++] = (uint8_t)(rest | 128);
            to[n++] = (uint8_t)rest;
        }
        memcpy(to + n, colon + 2, value);
        n += value;
        lines = end + 1;
    }
    return n;
}

static inline void wire_headers(wire *w, uint32_t stream, unsigned flags, const char *lines)
{
    static uint8_t block[RIG_BYTES];
    wire_frame(w, HF_FRAME_HEADERS, flags, stream, block, wire_block(lines, block));
}

#define RIG_REQUEST(method, path) ":method: " method "\n:scheme: http\n:path: " path "\n:authority: a\n"
#define RIG_GET RIG_REQUEST("GET", "/")
#define RIG_POST RIG_REQUEST("POST", "/")
#define RIG_END (HF_FLAG_END_STREAM | HF_FLAG_END_HEADERS)
#define RIG_MORE HF_FLAG_END_HEADERS

static inline void wire_get(wire *w, uint32_t stream)
{
    wire_headers(w, stream, RIG_END, RIG_GET);
}

/* What a client says first. */
static inline void wire_preface(wire *w)
{
    wire_bytes(w, hf_http2_preface, HF_PREFACE_BYTES);
    wire_frame(w, HF_FRAME_SETTINGS, 0, 0, NULL, 0);
}

static inline void wire_data(wire *w, uint32_t stream, unsigned flags, const char *text)
{
    wire_frame(w, HF_FRAME_DATA, flags, stream, text, strlen(text));
}

static inline void wire_zeros(wire *w, uint32_t stream, unsigned flags, size_t n)
{
    static const uint8_t zeros[16384];
    assert_true(n <= sizeof zeros);
    wire_frame(w, HF_FRAME_DATA, flags, stream, zeros, n);
}

/* ---- the rig ------------------------------------------------------------------------------------------------ */

typedef struct rig_stream {
    hf_http2_stream id;
    uint8_t *body;
    size_t body_length;
    size_t put_left; /* of the echo */
} rig_stream;

typedef struct rig {
    hf_http2 *h;
    rig_app app;
    hf_time now;
    char *log;
    size_t log_length;
    uint32_t in_body; /* the log's last line is a BODY of this stream: the next is joined to it */
    uint8_t *out;
    size_t out_length;
    uint64_t tokens; /* sum of the tokens that left */
    uint64_t tokens_put;
    rig_stream streams[RIG_STREAMS];
    uint8_t *block; /* the last step's input */
    const uint8_t *pending;
    size_t pending_length;
    bool fin;
    hf_step last;
    size_t requests, resets, ends, refusals, writables, goaways;
    uint32_t reset_stream, reset_code;
    int32_t reset_err;
    hf_http2_stream promised;
    hf_in in;
} rig;

static inline void rig_log(rig *r, const char *what, hf_bytes bytes)
{
    const size_t n = strlen(what);
    if (r->log_length + n + bytes.len + 2 > RIG_BYTES)
        return;
    memcpy(r->log + r->log_length, what, n);
    r->log_length += n;
    if (bytes.len > 0)
        memcpy(r->log + r->log_length, bytes.ptr, bytes.len);
    r->log_length += bytes.len;
    r->log[r->log_length] = 0;
}

static inline void rig_log_number(rig *r, const char *what, int64_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)n);
    rig_log(r, what, hf_text(text));
}

static inline void rig_log_fields(rig *r, hf_fields fields)
{
    for (size_t i = 0; i < fields.count; i++) {
        rig_log(r, " [", fields.at[i].name);
        rig_log(r, "=", fields.at[i].value);
        rig_log(r, "]", hf_text(""));
    }
}

static inline bool rig_open(rig *r, const hf_env *env, rig_app app)
{
    const hf_http2_options options = { .connect_protocol = true, .push = true };
    memset(r, 0, sizeof *r);
    r->app = app;
    r->now = hf_time_make(HF_SECONDS(1000));
    r->h = app == RIG_CLIENT ? hf_http2_client_new(env, 7, r->now, &options) : hf_http2_server_new(env, 7, r->now, &options);
    if (r->h == NULL)
        return false;
    r->log = malloc(RIG_BYTES);
    r->log[0] = 0;
    r->out = malloc(RIG_BYTES);
    r->last = HF_IDLE;
    return true;
}

static inline void rig_close(rig *r)
{
    hf_http2_free(r->h);
    free(r->log);
    free(r->out);
    free(r->block);
    for (int i = 0; i < RIG_STREAMS; i++)
        free(r->streams[i].body);
    r->h = NULL;
}

static inline rig_stream *rig_find(rig *r, hf_http2_stream id)
{
    for (int i = 0; i < RIG_STREAMS; i++)
        if (r->streams[i].id == id)
            return &r->streams[i];
    return NULL;
}

static inline void rig_forget(rig *r, hf_http2_stream id)
{
    rig_stream *const s = rig_find(r, id);
    if (s == NULL || id == 0)
        return;
    free(s->body);
    *s = (rig_stream){ 0 };
}

/* Emits once into an hf_out of this size; returns the bytes (1 for empty pieces alone). */
static inline size_t rig_emit_once(rig *r, size_t scratch_size, size_t capacity, uint64_t room)
{
    static uint8_t scratch[RIG_BYTES];
    hf_extent pieces[64];
    hf_out out = { .pieces = pieces, .capacity = capacity, .scratch = scratch, .scratch_capacity = scratch_size, .room = room };
    const size_t n = hf_http2_emit(r->h, r->now, &out);
    assert_true(out.count <= capacity && out.scratch_used <= scratch_size && n == out.bytes && n <= room);
    size_t sum = 0;
    for (size_t i = 0; i < out.count; i++) {
        const hf_extent *e = &pieces[i];
        r->tokens += e->token;
        const size_t length = (size_t)hf_extent_length(e);
        sum += length;
        if (r->out_length + length > RIG_BYTES)
            continue;
        if (e->kind == HF_EXTENT_FILE)
            memset(r->out + r->out_length, 'F', length);
        else if (length > 0)
            memcpy(r->out + r->out_length, e->bytes.ptr, length);
        r->out_length += length;
    }
    assert_int_equal(sum, n);
    return n > 0 ? n : out.count > 0;
}

static inline void rig_emit(rig *r)
{
    for (int i = 0; rig_emit_once(r, 4096, 16, UINT64_MAX) > 0; i++)
        assert_true(i < 100000); /* emit ends */
}

static inline hf_err rig_respond(rig *r, hf_http2_stream id, uint16_t status, int64_t length)
{
    static const hf_field fields[] = { { HF_LITERAL("Server"), HF_LITERAL("rig"), HF_FIELD_SERVER } };
    const hf_response_head head = { .status = status, .fields = { fields, 1 }, .content_length = length };
    return hf_http2_respond(r->h, id, &head);
}

static inline void rig_put(rig *r, hf_http2_stream id, hf_bytes bytes)
{
    while (bytes.len > 0) {
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = bytes };
        const uint64_t n = hf_http2_put(r->h, id, &e, 1, NULL);
        bytes = hf_bytes_make(bytes.ptr + n, bytes.len - (size_t)n);
        if (n == 0)
            return;
    }
}

static inline uint64_t rig_lend(rig *r, hf_http2_stream id, hf_bytes bytes, uint64_t token)
{
    const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = bytes, .token = token };
    const uint64_t n = hf_http2_put(r->h, id, &e, 1, NULL);
    r->tokens_put += n == bytes.len && hf_http2_room(r->h, id) > 0 ? token : 0;
    return n;
}

static inline hf_err rig_end(rig *r, hf_http2_stream id)
{
    rig_forget(r, id);
    return hf_http2_end(r->h, id, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 });
}

static inline hf_err rig_reset(rig *r, hf_http2_stream id, uint32_t code)
{
    rig_forget(r, id);
    return hf_http2_end(r->h, id, (hf_ending){ HF_ENDING_RESET, code }, (hf_fields){ NULL, 0 });
}

static inline void rig_answer(rig *r, rig_stream *s)
{
    static const hf_field trailers[] = { { HF_LITERAL("Checksum"), HF_LITERAL("abc"), HF_FIELD_OTHER } };
    const hf_http2_stream id = s->id;
    if (r->app == RIG_STREAM) {
        (void)rig_respond(r, id, 103, HF_LENGTH_NONE).code;
        if (rig_respond(r, id, 200, HF_LENGTH_UNKNOWN).code != 0)
            return;
        rig_put(r, id, hf_text("copied"));
        rig_lend(r, id, hf_text("lent"), 5);
        rig_lend(r, id, hf_text("lent"), 5);
        (void)hf_http2_end(r->h, id, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ trailers, 1 }).code;
        rig_forget(r, id);
        return;
    }
    if (rig_respond(r, id, 200, (int64_t)s->body_length).code != 0)
        return;
    rig_put(r, id, hf_bytes_make(s->body, s->body_length));
    (void)rig_end(r, id).code;
}

/* In one command, where that is possible. */
static inline void rig_answer_early(rig *r, hf_http2_stream id)
{
    const hf_bytes text = hf_text("early");
    const hf_response_head head = { .status = 200, .content_length = (int64_t)text.len, .lines[0] = hf_text("Server: rig\r\n") };
    bool whole;
    if (hf_http2_answer(r->h, id, &head, text, &whole).code != 0)
        return;
    if (whole) {
        rig_forget(r, id);
        return;
    }
    rig_put(r, id, text);
    (void)rig_end(r, id).code;
}

static inline void rig_on_request(rig *r, const hf_http2_event *e)
{
    const hf_request_head *const head = &e->request;
    rig_log(r, "REQUEST ", head->method_name);
    rig_log(r, " ", head->target);
    rig_log(r, " scheme=", head->scheme);
    rig_log(r, " authority=", head->authority);
    rig_log(r, " path=", head->path);
    rig_log(r, " query=", head->query);
    rig_log_number(r, " length=", head->content_length);
    rig_log(r, head->expect_continue ? " expect" : "", hf_text(""));
    rig_log(r, " upgrade=", head->upgrade);
    rig_log_fields(r, head->fields);
    rig_stream *const s = rig_find(r, 0);
    assert_non_null(s);
    *s = (rig_stream){ .id = e->stream };
    if (head->expect_continue && r->app == RIG_ECHO)
        (void)rig_respond(r, e->stream, 100, HF_LENGTH_NONE).code;
    if (r->app == RIG_EARLY)
        rig_answer_early(r, e->stream);
}

static inline void rig_on_body(rig *r, const hf_http2_event *e)
{
    assert_true(e->body.len > 0);
    if (r->in_body != e->stream)
        rig_log_number(r, "BODY ", e->stream);
    rig_log(r, r->in_body == e->stream ? "" : " ", e->body);
    r->in_body = e->stream;
    rig_stream *s = rig_find(r, e->stream);
    if (s != NULL) {
        if (s->body == NULL)
            s->body = malloc(RIG_BYTES);
        if (s->body_length + e->body.len <= RIG_BYTES) {
            memcpy(s->body + s->body_length, e->body.ptr, e->body.len);
            s->body_length += e->body.len;
        }
    }
    if (r->app != RIG_STUCK)
        hf_http2_take(r->h, e->stream, e->body.len);
}

static inline void rig_on_event(rig *r, const hf_http2_event *e)
{
    if (e->kind == HF_HTTP2_BODY) {
        if (r->in_body != 0 && r->in_body != e->stream)
            rig_log(r, "\n", hf_text(""));
        rig_on_body(r, e);
        return;
    }
    if (r->in_body != 0)
        rig_log(r, "\n", hf_text(""));
    r->in_body = 0;
    rig_log_number(r, "", e->stream);
    rig_log(r, " ", hf_text(""));
    rig_stream *const s = rig_find(r, e->stream);
    switch (e->kind) {
    case HF_HTTP2_REQUEST:
        r->requests++;
        rig_on_request(r, e);
        break;
    case HF_HTTP2_RESPONSE:
        r->requests++;
        rig_log_number(r, "RESPONSE ", e->response.status);
        rig_log_number(r, " length=", e->response.content_length);
        rig_log_fields(r, e->response.fields);
        break;
    case HF_HTTP2_TRAILERS:
        rig_log(r, "TRAILERS", hf_text(""));
        rig_log_fields(r, e->trailers);
        break;
    case HF_HTTP2_END:
        r->ends++;
        rig_log(r, "END", hf_text(""));
        if (s != NULL && e->stream != 0 && (r->app == RIG_ECHO || r->app == RIG_STREAM))
            rig_answer(r, s);
        break;
    case HF_HTTP2_RESET:
        r->resets++;
        r->reset_stream = e->stream;
        r->reset_code = e->code;
        r->reset_err = e->err.code;
        rig_log_number(r, "RESET ", e->code);
        rig_log(r, " ", hf_text(hf_err_text(e->err)));
        rig_forget(r, e->stream);
        break;
    case HF_HTTP2_REFUSED:
        r->refusals++;
        rig_log(r, "REFUSED ", hf_text(hf_err_text(e->err)));
        if (r->app != RIG_SILENT && rig_respond(r, e->stream, hf_err_describe(e->err)->status, 3).code == 0) {
            rig_put(r, e->stream, hf_text("no\n"));
            (void)rig_end(r, e->stream).code;
        }
        break;
    case HF_HTTP2_PUSHED:
        r->promised = e->promised;
        rig_log(r, "PUSHED ", e->request.path);
        rig_log_number(r, " on ", e->promised);
        break;
    case HF_HTTP2_WRITABLE:
        r->writables++;
        rig_log(r, "WRITABLE", hf_text(""));
        break;
    case HF_HTTP2_GOAWAY:
        r->goaways++;
        rig_log_number(r, "GOAWAY ", e->code);
        break;
    case HF_HTTP2_PONG: rig_log(r, "PONG", hf_text("")); break;
    case HF_HTTP2_ORIGINS: rig_log(r, "ORIGINS ", e->body); break;
    case HF_HTTP2_READY: rig_log(r, "READY", hf_text("")); break;
    default: fail_msg("no such event");
    }
    rig_log(r, "\n", hf_text(""));
}

/* One step on the pending input, with the application's reaction. */
static inline hf_step rig_step(rig *r)
{
    hf_http2_event event;
    memset(&event, 0x5a, sizeof event);
    free(r->block);
    r->block = malloc(r->pending_length > 0 ? r->pending_length : 1);
    if (r->pending_length > 0)
        memcpy(r->block, r->pending, r->pending_length);
    r->in = (hf_in){ .ptr = r->block, .len = r->pending_length, .fin = r->fin };
    r->last = hf_http2_step(r->h, r->now, &r->in, &event);
    assert_true(r->in.used <= r->in.len);
    if (r->last == HF_EVENT)
        rig_on_event(r, &event);
    if (r->last != HF_EVENT)
        memset(r->block, 0xee, r->pending_length); /* the buffer is the caller's again */
    if (r->in.used > 0)
        r->pending += r->in.used;
    r->pending_length -= r->in.used;
    return r->last;
}

/* Steps until there is nothing more to do for now. Output is emitted when the core is full. */
static inline hf_step rig_run(rig *r)
{
    for (int i = 0;; i++) {
        assert_true(i < 1000000);
        const hf_step step = rig_step(r);
        if (step == HF_EVENT)
            continue;
        if (step == HF_FULL && rig_emit_once(r, 4096, 16, UINT64_MAX) > 0)
            continue;
        return step;
    }
}

static inline hf_step rig_feed(rig *r, const uint8_t *bytes, size_t n, bool fin)
{
    r->pending = bytes;
    r->pending_length = n;
    r->fin = fin;
    return rig_run(r);
}

/* Feeds a whole stream, cut where `cut` says: it returns the next end, given the last one. */
static inline void rig_feed_cut(rig *r, hf_bytes stream, bool fin, size_t (*cut)(void *ctx, size_t at, size_t length), void *ctx)
{
    size_t shown = 0, done = 0;
    while (shown < stream.len) {
        shown = cut == NULL ? stream.len : cut(ctx, shown, stream.len);
        rig_feed(r, stream.ptr + done, shown - done, false);
        done = shown - r->pending_length;
    }
    if (fin)
        rig_feed(r, stream.ptr + done, stream.len - done, true);
}

/* What was built goes in; the wire is empty again. */
static inline hf_step rig_wire(rig *r, wire *w)
{
    const hf_step step = rig_feed(r, w->bytes, w->length, false);
    w->length = 0;
    r->pending = NULL;
    r->pending_length = 0;
    return step;
}

/* ---- what was written --------------------------------------------------------------------------------------- */

/* The frame number `nth` (from 0) of this type on this stream in what was emitted; payload.ptr NULL when there is none.
 * `flags` may be NULL; of no frame they are 0. A client's preface is passed over. */
static inline hf_bytes rig_sent(const rig *r, unsigned type, uint32_t stream, size_t nth, unsigned *flags)
{
    if (flags != NULL)
        *flags = 0;
    size_t at = r->app == RIG_CLIENT ? HF_PREFACE_BYTES : 0;
    while (at + 9 <= r->out_length) {
        hf_frame f;
        hf_frame_parse(r->out + at, &f);
        at += 9;
        assert_true(at + f.length <= r->out_length);
        if (f.type == type && f.stream == stream && nth-- == 0) {
            if (flags != NULL)
                *flags = f.flags;
            return hf_bytes_make(r->out + at, f.length);
        }
        at += f.length;
    }
    return hf_bytes_make(NULL, 0);
}

static inline size_t rig_count(const rig *r, unsigned type, uint32_t stream)
{
    size_t n = 0;
    while (rig_sent(r, type, stream, n, NULL).ptr != NULL)
        n++;
    return n;
}

/* The code of the RST_STREAM that was sent on this stream, or of GOAWAY for stream 0; -1: none. */
static inline int64_t rig_code(const rig *r, uint32_t stream)
{
    if (stream != 0) {
        const hf_bytes p = rig_sent(r, HF_FRAME_RST_STREAM, stream, 0, NULL);
        return p.ptr == NULL ? -1 : (int64_t)hf_load_u32(p.ptr);
    }
    const size_t n = rig_count(r, HF_FRAME_GOAWAY, 0);
    return n == 0 ? -1 : (int64_t)hf_load_u32(rig_sent(r, HF_FRAME_GOAWAY, 0, n - 1, NULL).ptr + 4);
}

/* Bytes of body sent on a stream. */
static inline size_t rig_body_sent(const rig *r, uint32_t stream)
{
    size_t n = 0;
    for (size_t i = 0;; i++) {
        const hf_bytes p = rig_sent(r, HF_FRAME_DATA, stream, i, NULL);
        if (p.ptr == NULL)
            return n;
        n += p.len;
    }
}

static inline hf_http2_stream rig_ask(rig *r, const char *method, const char *path, int64_t length)
{
    const hf_request_head head = { .method_name = hf_text(method), .scheme = HF_LITERAL("http"), .authority = HF_LITERAL("a"),
                                   .path = hf_text(path), .content_length = length };
    hf_http2_stream id = 0;
    if (hf_http2_request(r->h, &head, &id).code == 0 && length == HF_LENGTH_NONE)
        (void)hf_http2_end(r->h, id, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code;
    return id;
}

#endif
