/* SPDX-License-Identifier: Apache-2.0
 *
 * A core of http3 with a scripted application on top and lanes below that are plain buffers: frames are built by hand and go
 * in by any slicing, what happened comes out as text, what was written as bytes of each lane. Each step gets the unconsumed
 * input in a block of exactly its size, which dies with the next step: a pointer kept too long is found by the sanitizers.
 */
#ifndef HF_TESTS_HTTP3_RIG_H
#define HF_TESTS_HTTP3_RIG_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <handfast/http3.h>

#include "field_code.h"
#include "http3_wire.h"
#include "trace.h"

typedef enum rig_app {
    RIG_ECHO,   /* answers at END with the body that came; 100 where it is waited for */
    RIG_EARLY,  /* answers at REQUEST, without looking at the body */
    RIG_STREAM, /* answers at END: unknown length, copied and lent pieces, a trailer, 103 before */
    RIG_SILENT, /* never answers, takes everything */
    RIG_STUCK,  /* answers nothing and takes nothing */
    RIG_CLIENT, /* a client: sends what the test asks it to */
    RIG_APPS
} rig_app;

enum { RIG_BYTES = 1 << 17, RIG_LANES = 48 };
enum { RIG_CONTROL = 2, RIG_ENCODER = 6, RIG_DECODER = 10 }; /* of the client; the server's are one more */

/* ---- frames by hand ----------------------------------------------------------------------------------------- */

typedef struct wire {
    uint8_t bytes[RIG_BYTES];
    size_t length;
} wire;

static inline wire *wire_bytes(wire *w, const void *bytes, size_t n)
{
    assert_true(w->length + n <= sizeof w->bytes);
    if (n > 0)
        memcpy(w->bytes + w->length, bytes, n);
    w->length += n;
    return w;
}
static inline wire *wire_int(wire *w, uint64_t n)
{
    uint8_t bytes[8];
    return wire_bytes(w, bytes, hf_h3_int_write(bytes, n));
}
static inline wire *wire_frame(wire *w, uint64_t type, const void *payload, size_t n)
{
    wire_int(w, type);
    wire_int(w, n);
    return wire_bytes(w, payload, n);
}
static inline wire *wire_number(wire *w, uint64_t type, uint64_t n)
{
    uint8_t bytes[8];
    return wire_frame(w, type, bytes, hf_h3_int_write(bytes, n));
}
static inline wire *wire_data(wire *w, const char *text)
{
    return wire_frame(w, HF_H3_DATA, text, strlen(text));
}

/* "name: value\n" lines as a field section without the dynamic table. */
static inline size_t wire_section(const char *lines, uint8_t *to, size_t capacity)
{
    hf_writer w = hf_writer_make(to, capacity);
    hf_write(&w, hf_bytes_make("\0\0", 2));
    for (const char *p = lines; *p != 0;) {
        const char *const end = strchr(p, '\n'), *const colon = strchr(p + 1, ':');
        hf_field_string_write(&w, 3, 0x20, hf_bytes_make(p, (size_t)(colon - p)));
        hf_field_string_write(&w, 7, 0, hf_bytes_make(colon + 2, (size_t)(end - colon - 2)));
        p = end + 1;
    }
    assert_false(w.overflowed);
    return w.length;
}
static inline wire *wire_headers(wire *w, const char *lines)
{
    static uint8_t section[65536];
    return wire_frame(w, HF_H3_HEADERS, section, wire_section(lines, section, sizeof section));
}
#define RIG_REQUEST(method, path) ":method: " method "\n:scheme: https\n:authority: a\n:path: " path "\n"
#define RIG_GET RIG_REQUEST("GET", "/")
#define RIG_POST RIG_REQUEST("POST", "/")

/* ---- the rig ------------------------------------------------------------------------------------------------ */

typedef struct rig_lane {
    hf_lane id;
    bool used, fin_in, fin_out, again, asked;
    uint8_t *in, *out, *body;
    size_t in_length, in_done, out_length, body_length;
    int64_t reset, stop; /* codes said, -1: none */
} rig_lane;

typedef struct rig {
    hf_http3 *h;
    rig_app app;
    hf_time now;
    char *log;
    size_t log_length;
    hf_lane in_body;
    uint64_t tokens, tokens_put;
    rig_lane lanes[RIG_LANES];
    uint8_t *block;
    hf_step last;
    size_t requests, resets, ends, refusals, writables, goaways, readables, pushes;
    hf_lane reset_lane;
    uint64_t reset_code;
    int32_t reset_err, refusal;
    hf_request_head head;
    uint64_t push;
    unsigned urgency; /* of the last lane emitted */
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

static inline rig_lane *rig_lane_of(rig *r, hf_lane id)
{
    rig_lane *spare = NULL;
    for (int i = 0; i < RIG_LANES; i++) {
        if (r->lanes[i].used && r->lanes[i].id == id)
            return &r->lanes[i];
        if (!r->lanes[i].used && spare == NULL)
            spare = &r->lanes[i];
    }
    assert_non_null(spare);
    *spare = (rig_lane){ .id = id, .used = true, .reset = -1, .stop = -1 };
    return spare;
}

static inline bool rig_open_with(rig *r, const hf_env *env, rig_app app, bool push)
{
    const hf_http3_options options = { .connect_protocol = true, .push = push };
    const bool client = app == RIG_CLIENT;
    memset(r, 0, sizeof *r);
    r->app = app;
    r->now = hf_time_make(HF_SECONDS(1000));
    r->in_body = r->reset_lane = HF_HTTP3_NO_LANE;
    r->h = client ? hf_http3_client_new(env, 7, r->now, &options) : hf_http3_server_new(env, 7, r->now, &options);
    if (r->h == NULL)
        return false;
    hf_http3_begin(r->h, RIG_CONTROL + !client, RIG_ENCODER + !client, RIG_DECODER + !client);
    r->log = malloc(RIG_BYTES);
    r->log[0] = 0;
    return true;
}
static inline bool rig_open(rig *r, const hf_env *env, rig_app app)
{
    return rig_open_with(r, env, app, true);
}

static inline void rig_close(rig *r)
{
    hf_http3_free(r->h);
    free(r->log);
    free(r->block);
    for (int i = 0; i < RIG_LANES; i++) {
        free(r->lanes[i].in);
        free(r->lanes[i].out);
        free(r->lanes[i].body);
    }
    memset(r, 0, sizeof *r);
}

/* A lane whose story is over makes room for another. */
static inline void rig_forget(rig *r, hf_lane id)
{
    rig_lane *const l = rig_lane_of(r, id);
    free(l->in);
    free(l->out);
    free(l->body);
    *l = (rig_lane){ 0 };
}

/* ---- output ------------------------------------------------------------------------------------------------- */

static inline void rig_keep(rig_lane *l, const hf_extent *e)
{
    const size_t n = (size_t)hf_extent_length(e);
    if (n == 0)
        return;
    l->out = realloc(l->out, l->out_length + n);
    if (e->kind == HF_EXTENT_FILE)
        memset(l->out + l->out_length, 'F', n);
    else
        memcpy(l->out + l->out_length, e->bytes.ptr, n);
    l->out_length += n;
}

/* One turn. False: nothing to say. */
static inline bool rig_emit_once(rig *r, size_t scratch_size, size_t capacity, uint64_t room)
{
    static uint8_t scratch[RIG_BYTES];
    hf_extent pieces[64];
    hf_http3_turn turn;
    if (!hf_http3_next(r->h, r->now, &turn))
        return false;
    rig_lane *const l = turn.lane == HF_HTTP3_NO_LANE ? NULL : rig_lane_of(r, turn.lane);
    if (turn.aborts) {
        *(turn.ending.kind == HF_ENDING_RESET ? &l->reset : &l->stop) = (int64_t)turn.ending.code;
        return true;
    }
    hf_out out = { .pieces = pieces, .capacity = capacity, .scratch = scratch, .scratch_capacity = scratch_size, .room = room };
    bool fin;
    const size_t n = hf_http3_emit(r->h, r->now, turn.lane, &out, &fin);
    assert_true(out.count <= capacity && out.scratch_used <= scratch_size && n == out.bytes && n <= room);
    assert_true(n > 0 || fin || out.count > 0); /* a turn is used */
    size_t sum = 0;
    for (size_t i = 0; i < out.count; i++) {
        r->tokens += pieces[i].token;
        sum += (size_t)hf_extent_length(&pieces[i]);
        assert_true(l != NULL || hf_extent_length(&pieces[i]) == 0);
        if (l != NULL)
            rig_keep(l, &pieces[i]);
    }
    assert_int_equal(sum, n);
    if (l != NULL) {
        assert_false(l->fin_out);
        l->fin_out = fin;
        r->urgency = turn.urgency;
    }
    return true;
}
static inline void rig_emit(rig *r)
{
    for (int i = 0; rig_emit_once(r, 4096, 16, UINT64_MAX); i++)
        assert_true(i < 100000); /* emit ends */
}

/* ---- the application ---------------------------------------------------------------------------------------- */

static inline hf_err rig_respond(rig *r, hf_lane id, uint16_t status, int64_t length)
{
    static const hf_field fields[] = { { HF_LITERAL("Server"), HF_LITERAL("rig"), HF_FIELD_SERVER } };
    const hf_response_head head = { .status = status, .fields = { fields, 1 }, .content_length = length };
    return hf_http3_respond(r->h, id, &head);
}
static inline void rig_put(rig *r, hf_lane id, hf_bytes bytes)
{
    while (bytes.len > 0) {
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = bytes };
        const uint64_t n = hf_http3_put(r->h, id, &e, 1, NULL);
        bytes = hf_bytes_make(bytes.ptr + n, bytes.len - (size_t)n);
        if (n == 0)
            return;
    }
}
static inline uint64_t rig_lend(rig *r, hf_lane id, hf_bytes bytes, uint64_t token)
{
    const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = bytes, .token = token };
    hf_err err;
    const uint64_t n = hf_http3_put(r->h, id, &e, 1, &err);
    r->tokens_put += n == bytes.len && err.code == 0 ? token : 0;
    return n;
}
static inline hf_err rig_end(rig *r, hf_lane id)
{
    return hf_http3_end(r->h, id, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 });
}
static inline hf_err rig_reset(rig *r, hf_lane id, uint64_t code)
{
    return hf_http3_end(r->h, id, (hf_ending){ HF_ENDING_RESET, code }, (hf_fields){ NULL, 0 });
}

static inline void rig_answer(rig *r, hf_lane id)
{
    static const hf_field trailers[] = { { HF_LITERAL("Checksum"), HF_LITERAL("abc"), HF_FIELD_OTHER } };
    rig_lane *const l = rig_lane_of(r, id);
    if (r->app == RIG_STREAM) {
        (void)rig_respond(r, id, 103, HF_LENGTH_NONE).code;
        if (rig_respond(r, id, 200, HF_LENGTH_UNKNOWN).code != 0)
            return;
        rig_put(r, id, hf_text("copied"));
        rig_lend(r, id, hf_text("lent"), 5);
        rig_lend(r, id, hf_text("more"), 5);
        (void)hf_http3_end(r->h, id, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ trailers, 1 }).code;
        return;
    }
    if (rig_respond(r, id, 200, (int64_t)l->body_length).code != 0)
        return;
    rig_put(r, id, hf_bytes_make(l->body, l->body_length));
    (void)rig_end(r, id).code;
}

static inline void rig_on_request(rig *r, const hf_http3_event *e)
{
    const hf_request_head *const head = &e->request;
    r->head = *head;
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
    if (head->expect_continue && r->app == RIG_ECHO)
        (void)rig_respond(r, e->lane, 100, HF_LENGTH_NONE).code;
    if (r->app == RIG_EARLY && rig_respond(r, e->lane, 200, 5).code == 0) {
        rig_put(r, e->lane, hf_text("early"));
        (void)rig_end(r, e->lane).code;
    }
}

static inline void rig_on_body(rig *r, const hf_http3_event *e)
{
    rig_lane *const l = rig_lane_of(r, e->lane);
    assert_true(e->body.len > 0);
    if (r->in_body != e->lane)
        rig_log_number(r, "BODY ", (int64_t)e->lane);
    rig_log(r, r->in_body == e->lane ? "" : " ", e->body);
    r->in_body = e->lane;
    l->again = true;
    if (r->app == RIG_STUCK)
        return;
    l->body = realloc(l->body, l->body_length + e->body.len);
    memcpy(l->body + l->body_length, e->body.ptr, e->body.len);
    l->body_length += e->body.len;
    hf_http3_take(r->h, e->lane, e->body.len);
}

static inline void rig_on_event(rig *r, const hf_http3_event *e)
{
    if (e->kind == HF_HTTP3_BODY) {
        if (r->in_body != HF_HTTP3_NO_LANE && r->in_body != e->lane)
            rig_log(r, "\n", hf_text(""));
        rig_on_body(r, e);
        return;
    }
    if (e->kind == HF_HTTP3_READABLE) {
        r->readables++;
        rig_lane_of(r, e->lane)->again = true;
        return;
    }
    if (r->in_body != HF_HTTP3_NO_LANE)
        rig_log(r, "\n", hf_text(""));
    r->in_body = HF_HTTP3_NO_LANE;
    rig_log_number(r, "", (int64_t)e->lane);
    rig_log(r, " ", hf_text(""));
    switch (e->kind) {
    case HF_HTTP3_REQUEST: r->requests++; rig_on_request(r, e); break;
    case HF_HTTP3_RESPONSE:
        r->requests++;
        rig_log_number(r, "RESPONSE ", e->response.status);
        rig_log_number(r, " length=", e->response.content_length);
        rig_log_fields(r, e->response.fields);
        break;
    case HF_HTTP3_TRAILERS:
        rig_log(r, "TRAILERS", hf_text(""));
        rig_log_fields(r, e->trailers);
        break;
    case HF_HTTP3_END:
        r->ends++;
        rig_log(r, "END", hf_text(""));
        if (r->app == RIG_ECHO || r->app == RIG_STREAM)
            rig_answer(r, e->lane);
        break;
    case HF_HTTP3_RESET:
        r->resets++;
        r->reset_lane = e->lane;
        r->reset_code = e->code;
        r->reset_err = e->err.code;
        rig_log_number(r, "RESET ", (int64_t)e->code);
        rig_log(r, " ", hf_text(hf_err_text(e->err)));
        break;
    case HF_HTTP3_REFUSED:
        r->refusals++;
        r->refusal = e->err.code;
        rig_log(r, "REFUSED ", hf_text(hf_err_text(e->err)));
        if (r->app != RIG_SILENT && rig_respond(r, e->lane, hf_err_describe(e->err)->status, 3).code == 0) {
            rig_put(r, e->lane, hf_text("no\n"));
            (void)rig_end(r, e->lane).code;
        }
        break;
    case HF_HTTP3_PUSHED:
        r->pushes++;
        r->push = e->push;
        rig_log(r, "PUSHED ", e->request.path);
        rig_log_number(r, " as ", (int64_t)e->push);
        break;
    case HF_HTTP3_UNPUSHED: rig_log_number(r, "UNPUSHED ", (int64_t)e->push); break;
    case HF_HTTP3_WRITABLE: r->writables++; rig_log(r, "WRITABLE", hf_text("")); break;
    case HF_HTTP3_GOAWAY: r->goaways++; rig_log(r, "GOAWAY", hf_text("")); break;
    case HF_HTTP3_READY: rig_log(r, "READY", hf_text("")); break;
    default: fail_msg("no such event");
    }
    rig_log(r, "\n", hf_text(""));
}

/* ---- input -------------------------------------------------------------------------------------------------- */

static inline hf_step rig_step(rig *r, hf_lane id)
{
    rig_lane *const l = id == HF_HTTP3_NO_LANE ? NULL : rig_lane_of(r, id);
    const size_t n = l == NULL ? 0 : l->in_length - l->in_done;
    hf_http3_event event;
    memset(&event, 0x5a, sizeof event);
    free(r->block);
    r->block = malloc(n > 0 ? n : 1);
    if (n > 0)
        memcpy(r->block, l->in + l->in_done, n);
    hf_in in = { .ptr = r->block, .len = n, .fin = l != NULL && l->fin_in };
    r->last = hf_http3_step(r->h, r->now, id, &in, &event);
    assert_true(in.used <= in.len);
    if (r->last == HF_EVENT)
        rig_on_event(r, &event);
    else
        memset(r->block, 0xee, n); /* the buffer is the caller's again */
    if (l != NULL && l->used)
        l->in_done += in.used;
    return r->last;
}

/* Steps the lane, and those that become readable, until there is nothing more to do for now. */
static inline hf_step rig_run(rig *r, hf_lane id)
{
    for (int i = 0;; i++) {
        assert_true(i < 1000000);
        hf_step step = rig_step(r, id);
        if (step == HF_EVENT)
            continue;
        if (step == HF_FULL && hf_http3_next(r->h, r->now, &(hf_http3_turn){ 0 }) && rig_emit_once(r, 4096, 16, UINT64_MAX))
            continue;
        if (step == HF_CLOSED || step == HF_FAULT)
            return step;
        rig_lane *again = NULL;
        for (int k = 0; k < RIG_LANES; k++)
            if (r->lanes[k].used && r->lanes[k].again)
                again = &r->lanes[k];
        if (again == NULL)
            return step;
        again->again = false;
        id = again->id;
    }
}

static inline void rig_begin_lane(rig *r, hf_lane id)
{
    rig_lane *const l = rig_lane_of(r, id);
    const bool of_peer = ((id & 1) == 0) == (r->app != RIG_CLIENT);
    if (!l->asked && of_peer)
        hf_http3_lane_opened(r->h, r->now, id);
    l->asked = true;
}

static inline hf_step rig_feed(rig *r, hf_lane id, const void *bytes, size_t n, bool fin)
{
    rig_begin_lane(r, id);
    rig_lane *const l = rig_lane_of(r, id);
    l->in = realloc(l->in, l->in_length + n + 1);
    if (n > 0)
        memcpy(l->in + l->in_length, bytes, n);
    l->in_length += n;
    l->fin_in = l->fin_in || fin;
    return rig_run(r, id);
}

/* What was built goes in; the wire is empty again. */
static inline hf_step rig_wire(rig *r, hf_lane id, wire *w, bool fin)
{
    const hf_step step = rig_feed(r, id, w->bytes, w->length, fin);
    w->length = 0;
    return step;
}

static inline void rig_settings(rig *r, const void *payload, size_t n)
{
    static wire w;
    w.length = 0;
    wire_int(&w, HF_H3_STREAM_CONTROL);
    wire_frame(&w, HF_H3_SETTINGS, payload, n);
    rig_wire(r, RIG_CONTROL + (r->app == RIG_CLIENT), &w, false);
}

/* ---- what was written --------------------------------------------------------------------------------------- */

/* The frame number `nth` (from 0) of this type that was emitted on the lane; ptr NULL when there is none. */
static inline hf_bytes rig_sent(rig *r, hf_lane id, uint64_t type, size_t nth)
{
    rig_lane *const l = rig_lane_of(r, id);
    const uint8_t *p = l->out, *const end = p == NULL ? NULL : p + l->out_length;
    uint64_t kind;
    hf_h3_frame f;
    if (p != NULL && (id & 2) != 0) {
        p += hf_h3_int_parse(p, end, &kind);
        if (kind == HF_H3_STREAM_PUSH)
            p += hf_h3_int_parse(p, end, &kind);
    }
    while (p != NULL && p < end && hf_h3_frame_parse(p, end, &f)) {
        p += f.header;
        assert_true(f.length <= (uint64_t)(end - p));
        if (f.type == type && nth-- == 0)
            return hf_bytes_make(p, (size_t)f.length);
        p += f.length;
    }
    return hf_bytes_make(NULL, 0);
}
static inline size_t rig_count(rig *r, hf_lane id, uint64_t type)
{
    size_t n = 0;
    while (rig_sent(r, id, type, n).ptr != NULL)
        n++;
    return n;
}
static inline size_t rig_body_sent(rig *r, hf_lane id, uint8_t *to)
{
    size_t n = 0;
    for (size_t i = 0;; i++) {
        const hf_bytes p = rig_sent(r, id, HF_H3_DATA, i);
        if (p.ptr == NULL)
            return n;
        if (to != NULL)
            memcpy(to + n, p.ptr, p.len);
        n += p.len;
    }
}

static inline hf_err rig_ask(rig *r, hf_lane lane, const char *method, const char *path, int64_t length)
{
    const hf_request_head head = { .method_name = hf_text(method), .scheme = HF_LITERAL("https"), .authority = HF_LITERAL("a"),
                                   .path = hf_text(path), .content_length = length };
    const hf_err err = hf_http3_request(r->h, lane, &head);
    if (err.code == 0 && length == HF_LENGTH_NONE)
        (void)rig_end(r, lane).code;
    return err;
}

#endif
