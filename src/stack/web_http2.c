/* SPDX-License-Identifier: Apache-2.0
 *
 * web over HTTP/2: an exchange is a stream, and bears its number. Streams end at any moment, while the pier may still hold
 * what was lent for them: a fence stands there until the pier holds nothing, then SENT is told.
 */
#include "web_core.h"

#include "alloc.h"

bool hf_web_begin_http2(hf_web *w, hf_time now)
{
    w->fences = NULL; /* what HTTP/1 had in their place ends with it */
    w->fence_count = w->fence_capacity = 0;
    w->core.http2 = hf_http2_server_new(w->env, w->id, now, &w->options->http2);
    w->v = w->core.http2 != NULL ? &hf_web_http2 : NULL;
    return w->v != NULL;
}

/* ---- fences ------------------------------------------------------------------------------------------------- */

bool hf_web_raise_fence(hf_web *w, hf_exchange x)
{
    if (w->fence_count == w->fence_capacity) {
        const uint32_t capacity = w->fence_capacity == 0 ? 4 : w->fence_capacity * 2;
        hf_web_fence *const fences = hf_resize(&w->env->alloc, w->fences, w->fence_capacity * sizeof *fences,
                                               capacity * sizeof *fences);
        if (fences == NULL)
            return false;
        w->fences = fences;
        w->fence_capacity = capacity;
    }
    w->fences[w->fence_count++] = (hf_web_fence){ x };
    return true;
}

bool hf_web_is_fenced(const hf_web *w, hf_exchange x)
{
    for (uint32_t i = 0; i < w->fence_count; i++)
        if (w->fences[i].exchange == x)
            return true;
    return false;
}

bool hf_web_tell_fence(hf_web *w, hf_web_event *event)
{
    if (w->fence_count == 0 || w->pier.ops->unsent(w->pier.self, 0) > 0)
        return false;
    *event = (hf_web_event){ .kind = HF_WEB_SENT, .exchange = w->fences[--w->fence_count].exchange };
    if (w->fence_count == 0)
        hf_web_free_fences(w);
    return true;
}

void hf_web_free_fences(hf_web *w)
{
    hf_free(&w->env->alloc, w->fences, w->fence_capacity * sizeof *w->fences);
    w->fences = NULL;
    w->fence_count = w->fence_capacity = 0;
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static void translate(hf_web *w, hf_web_event *event)
{
    const hf_http2_event *const e = &event->wire.http2;
    event->exchange = e->stream;
    event->err = e->err;
    switch (e->kind) {
    case HF_HTTP2_REQUEST:
        event->kind = HF_WEB_REQUEST;
        event->head = &e->request;
        break;
    case HF_HTTP2_BODY:
        event->kind = HF_WEB_BODY;
        event->body = e->body;
        break;
    case HF_HTTP2_TRAILERS:
        event->kind = HF_WEB_TRAILERS;
        event->trailers = e->trailers;
        break;
    case HF_HTTP2_END:
        event->kind = HF_WEB_END;
        break;
    case HF_HTTP2_RESET:
        event->kind = HF_WEB_RESET;
        if (!hf_web_raise_fence(w, e->stream))
            hf_web_abort(w, hf_err_make(HF_ERR_BASE_MEMORY));
        break;
    case HF_HTTP2_REFUSED:
        event->kind = HF_WEB_REFUSED;
        event->fault = hf_http2_fault(w->core.http2);
        event->seen = &e->request;
        break;
    case HF_HTTP2_WRITABLE:
        if (e->stream != 0)
            event->kind = HF_WEB_WRITABLE;
        break;
    case HF_HTTP2_GOAWAY: /* a server opens no streams but pushes, and the core knows */
    case HF_HTTP2_PONG:
    case HF_HTTP2_RESPONSE:
    case HF_HTTP2_PUSHED:
    case HF_HTTP2_ORIGINS:
    case HF_HTTP2_READY:
        break;
    }
}

static hf_step step(hf_web *w, hf_time now, hf_in *in, hf_web_event *event)
{
    const hf_step s = hf_http2_step(w->core.http2, now, in, &event->wire.http2);
    if (s == HF_EVENT)
        translate(w, event);
    else if (s == HF_CLOSED && w->why.code == 0 && hf_http2_fault(w->core.http2)->err.code == HF_ERR_HTTP2_IDLE)
        w->why = hf_err_make(HF_ERR_HTTP2_IDLE);
    return s;
}

static size_t emit(hf_web *w, hf_time now, hf_out *out)
{
    return hf_http2_emit(w->core.http2, now, out);
}

static hf_time wake(const hf_web *w)
{
    return hf_http2_wake(w->core.http2);
}

/* http2.h: "Step again after an emit that appended something: it may owe a WRITABLE." */
static bool moved(hf_web *w, hf_web_event *event)
{
    (void)event;
    w->stuck = false;
    return false;
}

static bool may_end(const hf_web *w)
{
    (void)w;
    return true; /* every message says where it ends */
}

/* What may still come are frames, which need no request. */
static bool is_final(const hf_web *w)
{
    (void)w;
    return false;
}

/* It closes behind many answers, not behind each: nobody asks for more than that its last words leave. */
static bool has_said_all(const hf_web *w)
{
    (void)w;
    return false;
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

static hf_http2_stream stream_of(hf_exchange x)
{
    return (hf_http2_stream)x;
}

static void take(hf_web *w, hf_exchange x, size_t n)
{
    hf_http2_take(w->core.http2, stream_of(x), n);
}

static hf_err respond(hf_web *w, hf_exchange x, const hf_response_head *head)
{
    if (head->close && head->status >= 200)
        hf_web_drain(w);
    return hf_http2_respond(w->core.http2, stream_of(x), head);
}

static hf_err answer(hf_web *w, hf_exchange x, const hf_response_head *head, hf_bytes body, bool *whole)
{
    if (head->close && head->status >= 200)
        hf_web_drain(w);
    return hf_http2_answer(w->core.http2, stream_of(x), head, body, whole);
}

static uint64_t put(hf_web *w, hf_exchange x, const hf_extent *extents, size_t count, hf_err *err)
{
    return hf_http2_put(w->core.http2, stream_of(x), extents, count, err);
}

static hf_err give_up(hf_web *w, hf_exchange x, hf_ending ending)
{
    const hf_err err = hf_http2_end(w->core.http2, stream_of(x), ending, (hf_fields){ 0 });
    /* Of what was over before, either its RESET is to be told, or what was put still leaves, as its end was given. */
    if (err.code == 0 && !hf_web_raise_fence(w, x))
        hf_web_abort(w, hf_err_make(HF_ERR_BASE_MEMORY));
    return err;
}

static hf_err end(hf_web *w, hf_exchange x, hf_ending ending, hf_fields trailers)
{
    if (ending.kind == HF_ENDING_RESET)
        return give_up(w, x, ending);
    return hf_http2_end(w->core.http2, stream_of(x), ending, trailers);
}

static void cancel(hf_web *w, hf_exchange x, hf_err why)
{
    (void)why;
    (void)!give_up(w, x, (hf_ending){ HF_ENDING_RESET, HF_HTTP2_INTERNAL_ERROR }).code;
}

static void drain(hf_web *w)
{
    hf_http2_drain(w->core.http2);
}

static const hf_fault *fault(const hf_web *w)
{
    return hf_http2_fault(w->core.http2);
}

static bool is_idle(const hf_web *w)
{
    return hf_http2_is_idle(w->core.http2);
}

static bool is_worn(const hf_web *w)
{
    return hf_http2_is_worn(w->core.http2);
}

static void free_core(hf_web *w)
{
    hf_http2_free(w->core.http2);
}

const hf_web_version_ops hf_web_http2 = { HF_HTTP_2, step, emit, wake, moved, moved, may_end, is_final, has_said_all, take, respond, answer, put,
    end, cancel, drain, fault, is_idle, is_worn, free_core };
