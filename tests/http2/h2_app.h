/* SPDX-License-Identifier: Apache-2.0
 *
 * A small application above the core, server and client: what h2_pipe serves and asks.
 */
#ifndef HF_TESTS_HTTP2_APP_H
#define HF_TESTS_HTTP2_APP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <handfast/http2.h>

#include "random.h"
#include "text.h"

enum { H2_STREAMS = 512, H2_CHUNK = 65536 };

typedef struct h2_exchange {
    hf_http2_stream id; /* 0: unused */
    uint64_t left;      /* of /bytes/N */
    bool echo, slow;
} h2_exchange;

typedef struct h2_app {
    h2_exchange exchanges[H2_STREAMS];
    int open; /* client: answers awaited */
    bool verbose;
} h2_app;

static inline h2_exchange *h2_app_find(h2_app *a, hf_http2_stream id)
{
    for (int i = 0; i < H2_STREAMS; i++)
        if (a->exchanges[i].id == id)
            return &a->exchanges[i];
    return NULL;
}

static inline void h2_app_end(h2_app *a, hf_http2 *h, hf_http2_stream id, hf_fields trailers)
{
    h2_exchange *const x = h2_app_find(a, id);
    (void)hf_http2_end(h, id, (hf_ending){ HF_ENDING_FIN, 0 }, trailers).code;
    if (x != NULL)
        x->id = 0;
}

static inline void h2_app_respond(hf_http2 *h, hf_http2_stream id, unsigned status, int64_t length)
{
    static const hf_field fields[] = { { HF_LITERAL("Server"), HF_LITERAL("h2_pipe"), HF_FIELD_SERVER },
                                       { HF_LITERAL("Content-Type"), HF_LITERAL("text/plain"), HF_FIELD_CONTENT_TYPE } };
    const hf_response_head head = { .status = (uint16_t)status, .fields = { fields, 2 }, .content_length = length };
    (void)hf_http2_respond(h, id, &head).code;
}

/* As much of a long body as the core takes. */
static inline void h2_app_pump(h2_app *a, hf_http2 *h, h2_exchange *x)
{
    static uint8_t chunk[H2_CHUNK];
    while (x->left > 0) {
        const size_t n = x->left < H2_CHUNK ? (size_t)x->left : H2_CHUNK;
        const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(chunk, n) };
        const uint64_t took = hf_http2_put(h, x->id, &e, 1, NULL);
        x->left -= took;
        if (took == 0)
            return;
    }
    h2_app_end(a, h, x->id, (hf_fields){ NULL, 0 });
}

static inline void h2_app_text(h2_app *a, hf_http2 *h, hf_http2_stream id, unsigned status, const char *text)
{
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_text(text) };
    const hf_response_head head = { .status = (uint16_t)status, .content_length = (int64_t)e.bytes.len,
                                    .lines[0] = hf_text("Server: h2_pipe\r\nContent-Type: text/plain\r\n") };
    h2_exchange *const x = h2_app_find(a, id);
    bool whole;
    if (hf_http2_answer(h, id, &head, e.bytes, &whole).code == 0 && whole) {
        if (x != NULL)
            x->id = 0;
        return;
    }
    (void)hf_http2_put(h, id, &e, 1, NULL);
    h2_app_end(a, h, id, (hf_fields){ NULL, 0 });
}

static inline void h2_app_push(h2_app *a, hf_http2 *h, hf_http2_stream id, const hf_request_head *asked)
{
    const hf_request_head head = { .method = HF_METHOD_GET, .scheme = asked->scheme, .authority = asked->authority,
                                   .path = HF_LITERAL("/pushed"), .content_length = HF_LENGTH_NONE };
    hf_http2_stream promised;
    if (hf_http2_push(h, id, &head, &promised).code == 0)
        h2_app_text(a, h, promised, 200, "this was pushed\n");
}

static inline void h2_app_request(h2_app *a, hf_http2 *h, const hf_http2_event *e)
{
    const hf_request_head *const head = &e->request;
    h2_exchange *const x = h2_app_find(a, 0);
    if (x == NULL) {
        (void)hf_http2_end(h, e->stream, (hf_ending){ HF_ENDING_RESET, HF_HTTP2_REFUSED_STREAM }, (hf_fields){ NULL, 0 }).code;
        return;
    }
    *x = (h2_exchange){ .id = e->stream };
    if (head->expect_continue)
        h2_app_respond(h, e->stream, 100, HF_LENGTH_NONE);
    if (hf_starts_with(head->path, hf_text("/bytes/"))) {
        (void)hf_parse_decimal(hf_bytes_make(head->path.ptr + 7, head->path.len - 7), &x->left);
        h2_app_respond(h, e->stream, 200, (int64_t)x->left);
        h2_app_pump(a, h, x);
    } else if (hf_bytes_equal(head->path, hf_text("/echo")) || head->method == HF_METHOD_CONNECT) {
        x->echo = true;
        h2_app_respond(h, e->stream, 200, HF_LENGTH_UNKNOWN);
    } else {
        x->slow = hf_bytes_equal(head->path, hf_text("/slow"));
        if (x->slow)
            h2_app_respond(h, e->stream, 103, HF_LENGTH_NONE);
        if (hf_bytes_equal(head->path, hf_text("/push")))
            h2_app_push(a, h, e->stream, head);
    }
}

/* The request is whole. */
static inline void h2_app_answer(h2_app *a, hf_http2 *h, hf_http2_stream id)
{
    static const hf_field trailers[] = { { HF_LITERAL("Checksum"), HF_LITERAL("none"), HF_FIELD_OTHER } };
    h2_exchange *const x = h2_app_find(a, id);
    if (x == NULL || x->left > 0)
        return;
    if (x->echo) {
        if (hf_http2_peek(h, id).len == 0)
            h2_app_end(a, h, id, (hf_fields){ NULL, 0 });
    } else if (x->slow) {
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("slowly\n") };
        h2_app_respond(h, id, 200, HF_LENGTH_UNKNOWN);
        (void)hf_http2_put(h, id, &e, 1, NULL);
        h2_app_end(a, h, id, (hf_fields){ trailers, 1 });
    } else {
        h2_app_text(a, h, id, 200, "hello from the other end\n");
    }
}

static inline void h2_app_body(h2_app *a, hf_http2 *h, const hf_http2_event *e)
{
    const h2_exchange *const x = h2_app_find(a, e->stream);
    size_t n = e->body.len;
    if (x != NULL && x->echo) {
        const hf_extent copy = { .kind = HF_EXTENT_COPIED, .bytes = e->body };
        n = (size_t)hf_http2_put(h, e->stream, &copy, 1, NULL);
    }
    if (a->verbose)
        printf("[%u] %zu bytes\n", e->stream, n);
    hf_http2_take(h, e->stream, n);
}

static inline void h2_app_ask(h2_app *a, hf_http2 *h, const char *method, const char *path)
{
    const hf_request_head head = { .method_name = hf_text(method), .scheme = HF_LITERAL("http"), .authority = HF_LITERAL("localhost"),
                                   .path = hf_text(path), .content_length = HF_LENGTH_NONE };
    hf_http2_stream id;
    if (hf_http2_request(h, &head, &id).code != 0) {
        printf("not sent: %s\n", path);
        return;
    }
    (void)hf_http2_end(h, id, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code;
    a->open++;
}

static inline void h2_app_event(h2_app *a, hf_http2 *h, const hf_http2_event *e)
{
    h2_exchange *x = e->stream != 0 ? h2_app_find(a, e->stream) : NULL;
    switch (e->kind) {
    case HF_HTTP2_REQUEST: h2_app_request(a, h, e); break;
    case HF_HTTP2_BODY: h2_app_body(a, h, e); break;
    case HF_HTTP2_END:
        if (a->verbose)
            printf("[%u] end\n", e->stream), a->open--;
        else
            h2_app_answer(a, h, e->stream);
        break;
    case HF_HTTP2_WRITABLE:
        if (x != NULL && x->left > 0) {
            h2_app_pump(a, h, x);
        } else if (x != NULL && x->echo) {
            const hf_bytes rest = hf_http2_peek(h, e->stream);
            const hf_http2_event more = { .kind = HF_HTTP2_BODY, .stream = e->stream, .body = rest };
            if (rest.len > 0)
                h2_app_body(a, h, &more);
        }
        break;
    case HF_HTTP2_RESET:
        if (a->verbose)
            printf("[%u] reset: %s\n", e->stream, hf_err_text(e->err)), a->open--;
        if (x != NULL)
            x->id = 0;
        break;
    case HF_HTTP2_REFUSED: {
        const unsigned status = hf_err_describe(e->err)->status;
        h2_app_text(a, h, e->stream, status != 0 ? status : 400, "refused\n");
        break;
    }
    case HF_HTTP2_RESPONSE:
    case HF_HTTP2_TRAILERS:
        if (!a->verbose)
            break;
        printf("[%u] %s %u\n", e->stream, e->kind == HF_HTTP2_RESPONSE ? "status" : "trailers", e->response.status);
        for (size_t i = 0; i < (e->kind == HF_HTTP2_RESPONSE ? e->response.fields : e->trailers).count; i++) {
            const hf_field *const f = &(e->kind == HF_HTTP2_RESPONSE ? e->response.fields : e->trailers).at[i];
            printf("[%u] %.*s: %.*s\n", e->stream, HF_STR(f->name), HF_STR(f->value));
        }
        break;
    case HF_HTTP2_PUSHED:
        printf("[%u] promises %u: %.*s\n", e->stream, e->promised, HF_STR(e->request.path));
        a->open++;
        break;
    default:
        if (a->verbose)
            printf("event %d\n", e->kind);
    }
}

#endif
