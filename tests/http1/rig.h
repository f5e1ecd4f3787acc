/* SPDX-License-Identifier: Apache-2.0
 *
 * A core of http1 with a scripted application on top: bytes go in by any slicing, what happened comes out as text, what
 * was written as bytes. Each step gets the unconsumed input in a block of exactly its size, which dies with the next
 * step: a pointer kept too long, or a byte read too far, is found by the sanitizers.
 */
#ifndef HF_TESTS_HTTP1_RIG_H
#define HF_TESTS_HTTP1_RIG_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <handfast/http1.h>

#include "trace.h"

typedef enum rig_app {
    RIG_ECHO,    /* answers at END with the body that came; 100 (Continue) where it is waited for */
    RIG_EARLY,   /* answers at REQUEST, without looking at the body */
    RIG_STREAM,  /* answers at END: unknown length, copied and lent pieces, a trailer */
    RIG_SILENT,  /* never answers, takes everything */
    RIG_STUCK,   /* answers nothing and takes nothing */
    RIG_UPGRADE, /* answers 101 where an upgrade is offered, else as ECHO */
    RIG_CLIENT,  /* a client that sent its requests at creation */
    RIG_APPS
} rig_app;

enum { RIG_BYTES = 1 << 17 };

typedef struct rig {
    hf_http1 *h;
    rig_app app;
    hf_time now;
    char *log;
    size_t log_length;
    bool in_body; /* the log's last line is a BODY: the next is joined to it */
    uint8_t *out;
    size_t out_length;
    uint64_t tokens; /* sum of the tokens that left */
    uint8_t *body;
    size_t body_length;
    uint8_t *block; /* the last step's input */
    const uint8_t *pending; /* input not consumed yet */
    size_t pending_length;
    bool fin;
    hf_step last;
    int32_t refused; /* code of the first fault */
    size_t requests; /* REQUEST or RESPONSE events */
    hf_in in; /* of the last step */
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
    memset(r, 0, sizeof *r);
    r->app = app;
    r->now = hf_time_make(HF_SECONDS(1000));
    r->h = app == RIG_CLIENT ? hf_http1_client_new(env, 7, r->now) : hf_http1_server_new(env, 7, r->now);
    if (r->h == NULL)
        return false;
    r->log = malloc(RIG_BYTES); /* not cleared: rigs are made by the thousand */
    r->log[0] = 0;
    r->out = malloc(RIG_BYTES);
    r->body = malloc(RIG_BYTES);
    r->last = HF_IDLE;
    return true;
}

static inline void rig_close(rig *r)
{
    hf_http1_free(r->h);
    free(r->log);
    free(r->out);
    free(r->body);
    free(r->block);
    r->h = NULL;
}

/* Emits once into an hf_out of this size; returns the bytes. */
static inline size_t rig_emit_once(rig *r, size_t scratch_size, size_t capacity, uint64_t room)
{
    static uint8_t scratch[RIG_BYTES];
    hf_extent pieces[64];
    hf_out out = { .pieces = pieces, .capacity = capacity, .scratch = scratch, .scratch_capacity = scratch_size, .room = room };
    const size_t n = hf_http1_emit(r->h, r->now, &out);
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
    return n;
}

static inline void rig_emit(rig *r)
{
    for (int i = 0; rig_emit_once(r, 4096, 16, UINT64_MAX) > 0; i++)
        assert_true(i < 100000); /* emit ends */
}

static inline hf_err rig_respond(rig *r, uint16_t status, int64_t length)
{
    static const hf_field fields[] = { { HF_LITERAL("Server"), HF_LITERAL("rig"), HF_FIELD_SERVER } };
    const hf_response_head head = { .status = status, .fields = { fields, 1 }, .content_length = length };
    return hf_http1_respond(r->h, &head);
}

static inline void rig_put(rig *r, hf_bytes bytes)
{
    while (bytes.len > 0) {
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = bytes };
        const uint64_t n = hf_http1_put(r->h, &e, 1, NULL);
        bytes = hf_bytes_make(bytes.ptr + n, bytes.len - (size_t)n);
        if (n == 0 && rig_emit_once(r, 4096, 16, UINT64_MAX) == 0)
            return; /* refused: out of memory, or a body that must not be */
    }
}

static inline void rig_end(rig *r)
{
    (void)hf_http1_end(r->h, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code;
}

static inline void rig_answer(rig *r)
{
    static const hf_field trailers[] = { { HF_LITERAL("Checksum"), HF_LITERAL("abc"), HF_FIELD_OTHER } };
    if (r->app == RIG_STREAM) {
        const hf_extent pieces[] = { { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("copied") },
                                     { .kind = HF_EXTENT_LENT, .token = 5, .bytes = HF_LITERAL("lent") } };
        if (rig_respond(r, 200, HF_LENGTH_UNKNOWN).code != 0)
            return;
        hf_http1_put(r->h, pieces, 2, NULL);
        hf_http1_put(r->h, pieces + 1, 1, NULL);
        (void)hf_http1_end(r->h, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ trailers, 1 }).code;
        return;
    }
    if (rig_respond(r, 200, (int64_t)r->body_length).code != 0)
        return;
    rig_put(r, hf_bytes_make(r->body, r->body_length));
    rig_end(r);
}

static inline void rig_on_request(rig *r, const hf_request_head *head)
{
    rig_log(r, "REQUEST ", head->method_name);
    rig_log(r, " ", head->target);
    rig_log(r, " authority=", head->authority);
    rig_log(r, " path=", head->path);
    rig_log(r, " query=", head->query);
    rig_log_number(r, " version=", head->version);
    rig_log_number(r, " length=", head->content_length);
    rig_log(r, head->keep_alive ? " keep" : " close", hf_text(head->expect_continue ? " expect" : ""));
    rig_log(r, " upgrade=", head->upgrade);
    rig_log_fields(r, head->fields);
    r->body_length = 0;
    if (r->app == RIG_UPGRADE && head->upgrade.len > 0) {
        const hf_field fields[] = { { HF_LITERAL("Upgrade"), head->upgrade, HF_FIELD_UPGRADE } };
        const hf_response_head answer = { .status = 101, .fields = { fields, 1 } };
        if (hf_http1_respond(r->h, &answer).code == 0)
            rig_put(r, hf_text("raw bytes"));
        return;
    }
    if (head->expect_continue && r->app != RIG_EARLY && r->app != RIG_STUCK) {
        const hf_response_head go_on = { .status = 100 };
        (void)hf_http1_respond(r->h, &go_on).code;
    }
    if (r->app == RIG_EARLY && rig_respond(r, 200, 5).code == 0) {
        rig_put(r, hf_text("early"));
        rig_end(r);
    }
}

static inline void rig_on_event(rig *r, const hf_http1_event *e)
{
    if (e->kind != HF_HTTP1_BODY && r->in_body)
        rig_log(r, "\n", hf_text(""));
    if (e->kind == HF_HTTP1_BODY) {
        assert_true(e->body.len > 0);
        rig_log(r, r->in_body ? "" : "BODY ", e->body);
        if (r->body_length + e->body.len <= RIG_BYTES) {
            memcpy(r->body + r->body_length, e->body.ptr, e->body.len);
            r->body_length += e->body.len;
        }
        r->in_body = true;
        hf_http1_take(r->h, e->body.len);
        return;
    }
    r->in_body = false;
    switch (e->kind) {
    case HF_HTTP1_REQUEST:
        r->requests++;
        rig_on_request(r, &e->request);
        break;
    case HF_HTTP1_RESPONSE:
        r->requests++;
        rig_log_number(r, "RESPONSE ", e->response.status);
        rig_log(r, " reason=", e->response.reason);
        rig_log_number(r, " length=", e->response.content_length);
        rig_log(r, e->response.close ? " close" : " keep", hf_text(""));
        rig_log_fields(r, e->response.fields);
        break;
    case HF_HTTP1_TRAILERS:
        rig_log(r, "TRAILERS", hf_text(""));
        rig_log_fields(r, e->trailers);
        break;
    case HF_HTTP1_END:
        rig_log(r, "END", hf_text(""));
        if (r->app == RIG_ECHO || r->app == RIG_STREAM || r->app == RIG_UPGRADE)
            rig_answer(r);
        break;
    case HF_HTTP1_UPGRADED:
        rig_log(r, "UPGRADED", hf_text(""));
        break;
    case HF_HTTP1_REFUSED: {
        const hf_fault *fault = hf_http1_fault(r->h);
        assert_int_not_equal(fault->err.code, 0);
        rig_log_number(r, "REFUSED ", fault->status);
        rig_log(r, " ", hf_text(hf_err_text(fault->err)));
        rig_log_number(r, " at ", (int64_t)fault->offset);
        if (r->app != RIG_SILENT && rig_respond(r, fault->status, 3).code == 0) {
            rig_put(r, hf_text("no\n"));
            rig_end(r);
        }
        break;
    }
    default:
        fail_msg("no such event");
    }
    rig_log(r, "\n", hf_text(""));
}

/* One step on the pending input, with the application's reaction. */
static inline hf_step rig_step(rig *r)
{
    hf_http1_event event;
    memset(&event, 0x5a, sizeof event);
    free(r->block);
    r->block = malloc(r->pending_length > 0 ? r->pending_length : 1);
    if (r->pending_length > 0)
        memcpy(r->block, r->pending, r->pending_length);
    r->in = (hf_in){ .ptr = r->block, .len = r->pending_length, .fin = r->fin };
    r->last = hf_http1_step(r->h, r->now, &r->in, &event);
    assert_true(r->in.used <= r->in.len);
    if (r->last == HF_EVENT)
        rig_on_event(r, &event);
    if (r->last != HF_EVENT || event.kind != HF_HTTP1_BODY)
        memset(r->block, 0xee, r->pending_length); /* the buffer is the caller's again */
    if (hf_http1_fault(r->h)->err.code != 0 && r->refused == 0)
        r->refused = hf_http1_fault(r->h)->err.code;
    if (r->in.used > 0)
        r->pending += r->in.used;
    r->pending_length -= r->in.used;
    return r->last;
}

/* Steps until there is nothing more to do for now. Output is emitted when the core is full, and at the end if `emit`. */
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

/* More input: `bytes` begin where the pending ones begin. */
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

static inline void rig_text(rig *r, const char *text)
{
    rig_feed(r, (const uint8_t *)text, strlen(text), false);
}

#endif
