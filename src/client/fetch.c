/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"

enum { SCRATCH = 65536, PIECES = 64 };

bool hf_fetch_open(hf_fetch *f, hf_line *line, hf_version version)
{
    const hf_env *const env = hf_dialer_env(line->dialer);
    const hf_time now = hf_dialer_now(line->dialer);
    *f = (hf_fetch){ .line = line };
    if (version == HF_HTTP_2)
        f->http2 = hf_http2_client_new(env, 1, now, NULL);
    else
        f->http1 = hf_http1_client_new(env, 1, now);
    return f->http1 != NULL || f->http2 != NULL;
}

void hf_fetch_close(hf_fetch *f)
{
    hf_http1_free(f->http1);
    hf_http2_free(f->http2);
    *f = (hf_fetch){ .over = true };
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

static void send_body(hf_fetch *f)
{
    const hf_ending fin = { HF_ENDING_FIN, 0 };
    hf_err err = HF_OK;
    if (!f->sending)
        return;
    if (f->unsent.len > 0) {
        const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = f->unsent };
        const size_t n = (size_t)(f->http2 != NULL ? hf_http2_put(f->http2, f->stream, &e, 1, &err) : hf_http1_put(f->http1, &e, 1, &err));
        f->unsent = hf_bytes_make(f->unsent.ptr + n, f->unsent.len - n);
    }
    if (f->unsent.len > 0 && err.code == 0)
        return;
    f->sending = false; /* an answer may come before the body was sent: then nobody wants the rest */
    if (err.code == 0)
        (void)!(f->http2 != NULL ? hf_http2_end(f->http2, f->stream, fin, (hf_fields){ NULL, 0 }) : hf_http1_end(f->http1, fin, (hf_fields){ NULL, 0 })).code;
}

hf_err hf_fetch_request(hf_fetch *f, const hf_request_head *head, hf_bytes body)
{
    const hf_err err = f->http2 != NULL ? hf_http2_request(f->http2, head, &f->stream) : hf_http1_request(f->http1, head);
    if (err.code != 0)
        return err;
    f->unsent = body;
    f->sending = f->asked = true;
    send_body(f);
    return HF_OK;
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

static void send_out(hf_fetch *f, hf_time now)
{
    uint8_t scratch[SCRATCH];
    hf_extent pieces[PIECES];
    while (hf_line_has_room(f->line)) {
        hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = SCRATCH, .room = SCRATCH };
        send_body(f);
        if ((f->http2 != NULL ? hf_http2_emit(f->http2, now, &out) : hf_http1_emit(f->http1, now, &out)) == 0)
            return;
        hf_line_put(f->line, &out);
    }
}

static void take(hf_fetch *f)
{
    if (f->untaken > 0 && f->http2 != NULL)
        hf_http2_take(f->http2, f->stream, f->untaken);
    else if (f->untaken > 0)
        hf_http1_take(f->http1, f->untaken);
    f->untaken = 0;
}

static void end(hf_fetch *f, hf_fetch_event *event)
{
    event->kind = HF_FETCH_END;
    f->asked = false;
    f->over = f->over || f->sending; /* answered before it was asked whole */
    f->sending = false;
}

/* True: *event was filled. */
static bool translate_http1(hf_fetch *f, const hf_http1_event *e, hf_fetch_event *event)
{
    switch (e->kind) {
    case HF_HTTP1_RESPONSE:
        event->kind = HF_FETCH_HEAD;
        event->head = e->response;
        f->over = f->over || e->response.close;
        return true;
    case HF_HTTP1_BODY:
        event->kind = HF_FETCH_BODY;
        event->body = e->body;
        f->untaken = e->body.len;
        return true;
    case HF_HTTP1_TRAILERS:
        event->kind = HF_FETCH_TRAILERS;
        event->trailers = e->trailers;
        return true;
    case HF_HTTP1_END:
        end(f, event);
        return true;
    case HF_HTTP1_REQUEST:
    case HF_HTTP1_UPGRADED:
    case HF_HTTP1_REFUSED: break;
    }
    return false;
}

static bool translate_http2(hf_fetch *f, const hf_http2_event *e, hf_fetch_event *event, hf_err *why)
{
    if (e->kind == HF_HTTP2_GOAWAY)
        f->over = true;
    if (e->stream != f->stream || !f->asked)
        return false;
    switch (e->kind) {
    case HF_HTTP2_RESPONSE:
        event->kind = HF_FETCH_HEAD;
        event->head = e->response;
        event->head.version = HF_HTTP_2;
        return true;
    case HF_HTTP2_BODY:
        event->kind = HF_FETCH_BODY;
        event->body = e->body;
        f->untaken = e->body.len;
        return true;
    case HF_HTTP2_TRAILERS:
        event->kind = HF_FETCH_TRAILERS;
        event->trailers = e->trailers;
        return true;
    case HF_HTTP2_END:
        end(f, event);
        return true;
    case HF_HTTP2_RESET: *why = e->err.code != 0 ? e->err : hf_err_make(HF_ERR_HTTP2_PEER_RESET); break;
    default: break;
    }
    return false;
}

static hf_step step_once(hf_fetch *f, hf_time now, hf_fetch_event *event, hf_err *why)
{
    union {
        hf_http1_event one;
        hf_http2_event two;
    } e;
    const hf_span held = hf_line_peek(f->line);
    hf_in in = { .ptr = held.ptr, .len = held.len, .fin = f->line->fin || f->line->broken };
    hf_step s = f->http2 != NULL ? hf_http2_step(f->http2, now, &in, &e.two) : hf_http1_step(f->http1, now, &in, &e.one);
    const bool told = s == HF_EVENT && (f->http2 != NULL ? translate_http2(f, &e.two, event, why) : translate_http1(f, &e.one, event));
    hf_line_take(f->line, in.used);
    if (s == HF_EVENT)
        return told ? HF_EVENT : why->code != 0 ? HF_FAULT : HF_FULL;
    if (s == HF_CLOSED || s == HF_FAULT) {
        const hf_err fault = (f->http2 != NULL ? hf_http2_fault(f->http2) : hf_http1_fault(f->http1))->err;
        *why = f->line->broken ? f->line->err : fault.code != 0 ? fault : hf_err_make(HF_ERR_HTTP1_TRUNCATED);
        f->over = true;
        return HF_FAULT;
    }
    return in.used > 0 ? HF_FULL : HF_IDLE;
}

hf_step hf_fetch_step(hf_fetch *f, hf_fetch_event *event, hf_err *why)
{
    *why = HF_OK;
    take(f);
    for (;;) {
        const hf_time now = hf_dialer_now(f->line->dialer);
        send_out(f, now);
        hf_line_pull(f->line);
        const hf_step s = step_once(f, now, event, why);
        if (s == HF_FULL) /* another turn */
            continue;
        send_out(f, now);
        if (s == HF_IDLE && f->line->broken) {
            *why = f->line->err;
            return HF_FAULT;
        }
        return s;
    }
}

hf_time hf_fetch_wake(const hf_fetch *f)
{
    return hf_time_earlier(f->http2 != NULL ? hf_http2_wake(f->http2) : hf_http1_wake(f->http1), hf_line_wake(f->line));
}

bool hf_fetch_is_over(const hf_fetch *f)
{
    return f->over || f->line == NULL || f->line->broken || f->line->fin;
}
