/* SPDX-License-Identifier: Apache-2.0
 *
 * web over HTTP/1: one exchange is open at a time; their numbers are counted here.
 */
#include "web_core.h"

#include "panic.h"

/* Plain HTTP came to a port where TLS is spoken. */
static const hf_fault plain_fault = { .err = { HF_ERR_TLS_PLAIN_HTTP }, .status = 400, .wanted = "https in the address" };
static const hf_fault redirect_fault = { .err = { HF_ERR_TLS_PLAIN_HTTP }, .status = 308, .wanted = "https in the address" };

static const hf_fault no_fault;

/* The core sleeps until something comes: many connections never say a word. */
void hf_web_begin_http1(hf_web *w, hf_time now)
{
    w->core.http1 = NULL;
    w->rest = (hf_http1_rest){ .since = now, .first = true };
    w->v = &hf_web_http1;
}

/* False: memory ended. */
static bool wake_up(hf_web *w, hf_time now)
{
    hf_web_spares *const spares = w->options->spares;
    if (spares != NULL && spares->count > 0) {
        w->core.http1 = spares->http1[--spares->count];
        hf_http1_resume(w->core.http1, w->id, &w->rest, now);
    } else {
        w->core.http1 = hf_http1_server_wake(w->env, w->id, &w->rest, now);
    }
    if (w->core.http1 == NULL) {
        w->why = hf_err_make(HF_ERR_BASE_MEMORY);
        return false;
    }
    hf_http1_merge_ends(w->core.http1);
    if (w->draining)
        hf_http1_drain(w->core.http1);
    return true;
}

/* What a tunnel says and its peer does not take waits in a core. False: memory ended. */
static bool enter_tunnel(hf_web *w)
{
    hf_web_spares *const spares = w->options->spares;
    if (spares != NULL && spares->count > 0)
        w->core.http1 = spares->http1[--spares->count];
    else
        w->core.http1 = hf_http1_server_new(w->env, w->id, w->rest.since);
    if (w->core.http1 == NULL)
        return false;
    hf_http1_merge_ends(w->core.http1);
    hf_http1_enter_tunnel(w->core.http1, w->id, &w->rest);
    if (w->draining)
        hf_http1_drain(w->core.http1);
    return true;
}

/* Who is silent in a tunnel has no core either. */
static void leave_tunnel(hf_web *w)
{
    hf_web_spares *const spares = w->options->spares;
    if (spares == NULL || w->switching || w->tunnel_over || !hf_http1_leave_tunnel(w->core.http1, &w->rest))
        return;
    if (spares->count < HF_WEB_SPARES)
        spares->http1[spares->count++] = w->core.http1;
    else
        hf_http1_free(w->core.http1);
    w->core.http1 = NULL;
}

/* If nothing is under way the core goes to whoever needs one next, so that a few serve all, warm, and who is idle has none. */
static void rest(hf_web *w)
{
    hf_web_spares *const spares = w->options->spares;
    const bool kept = spares != NULL && spares->count < HF_WEB_SPARES;
    if (kept && hf_http1_pause(w->core.http1, &w->rest))
        spares->http1[spares->count++] = w->core.http1;
    else if (kept || !hf_http1_sleep(w->core.http1, &w->rest))
        return;
    w->core.http1 = NULL;
}

void hf_web_spares_free(hf_web_spares *spares)
{
    while (spares->count > 0)
        hf_http1_free(spares->http1[--spares->count]);
}

static bool may_sleep_on(const hf_web *w, hf_time now, const hf_in *in)
{
    return in->len == 0 && !in->fin && !w->draining && hf_time_before(now, hf_http1_rest_wake(w->env, &w->rest));
}

static void refused(hf_web *w, hf_web_event *event)
{
    event->kind = HF_WEB_REFUSED;
    event->fault = hf_http1_fault(w->core.http1);
    event->seen = &event->wire.http1.request;
    if (!w->owed) /* its head was refused: an exchange of its own, or it would be taken for the one before it */
        event->exchange = ++w->exchange;
    w->owed = true;
    if (event->fault->err.code != 0)
        w->why = event->fault->err;
}

static void request(hf_web *w, hf_web_event *event)
{
    const hf_request_head *const head = &event->wire.http1.request;
    event->kind = HF_WEB_REQUEST;
    event->exchange = ++w->exchange;
    event->head = head;
    event->whole = event->wire.http1.whole;
    w->http10 = head->version == HF_HTTP_1_0;
    w->owed = true;
    if (!w->misplaced)
        return;
    event->kind = HF_WEB_REFUSED;
    event->fault = w->options->redirect_plain && head->authority.len > 0 ? &redirect_fault : &plain_fault;
    w->why = event->fault->err;
}

static void translate(hf_web *w, hf_web_event *event)
{
    const hf_http1_event *const e = &event->wire.http1;
    event->exchange = w->exchange;
    switch (e->kind) {
    case HF_HTTP1_REQUEST:
        request(w, event);
        break;
    case HF_HTTP1_BODY:
        event->kind = HF_WEB_BODY;
        event->body = e->body;
        break;
    case HF_HTTP1_TRAILERS:
        event->kind = HF_WEB_TRAILERS;
        event->trailers = e->trailers;
        break;
    case HF_HTTP1_END:
        event->kind = w->switching ? (hf_web_event_kind)HF_WEB_NOTHING : HF_WEB_END;
        break;
    case HF_HTTP1_UPGRADED:
        w->tunnel = true;
        event->kind = (hf_web_event_kind)HF_WEB_NOTHING;
        break;
    case HF_HTTP1_REFUSED:
        refused(w, event);
        break;
    case HF_HTTP1_RESPONSE:
        hf_panic(__FILE__, __LINE__, "a server core yields no response");
    }
}

/* Behind 101 (RFC 9110 7.8): the bytes as they come. What was not taken comes again when there is more. */
static hf_step step_tunnel(hf_web *w, hf_in *in, hf_web_event *event)
{
    event->exchange = w->exchange;
    if (in->len > 0 && in->len != w->offered) { /* a pier holds less than 4 GiB */
        event->kind = HF_WEB_BODY;
        event->body = hf_bytes_make(in->ptr, in->len);
        w->offered = (uint32_t)in->len;
        return HF_EVENT;
    }
    if (!in->fin || w->tunnel_ended)
        return HF_IDLE;
    w->tunnel_ended = true;
    event->kind = HF_WEB_END;
    return HF_EVENT;
}

/* Why the core closed, if it is that nobody asked for anything: in good order, but a limit did it. */
static hf_err silence(const hf_web *w)
{
    const hf_err err = hf_http1_fault(w->core.http1)->err;
    return err.code == HF_ERR_HTTP1_IDLE || err.code == HF_ERR_HTTP1_FIRST_BYTE ? err : HF_OK;
}

static hf_step step(hf_web *w, hf_time now, hf_in *in, hf_web_event *event)
{
    if (w->tunnel && !w->tunnel_over) {
        in->used = in->need = 0;
        return step_tunnel(w, in, event);
    }
    if (w->core.http1 == NULL && may_sleep_on(w, now, in)) {
        in->used = in->need = 0;
        return HF_IDLE;
    }
    if (w->core.http1 == NULL && !wake_up(w, now)) {
        in->used = in->need = 0;
        return HF_FAULT;
    }
    const hf_step s = hf_http1_step(w->core.http1, now, in, &event->wire.http1);
    if (s == HF_EVENT)
        translate(w, event);
    else if (s == HF_CLOSED && w->why.code == 0)
        w->why = silence(w);
    return s;
}

static size_t emit(hf_web *w, hf_time now, hf_out *out)
{
    if (w->core.http1 == NULL)
        return 0;
    const size_t n = hf_http1_emit(w->core.http1, now, out);
    if (w->tunnel)
        leave_tunnel(w);
    else
        rest(w);
    return n;
}

static hf_time wake(const hf_web *w)
{
    if (w->core.http1 != NULL)
        return hf_http1_wake(w->core.http1);
    return w->tunnel ? HF_NEVER : hf_http1_rest_wake(w->env, &w->rest);
}

static bool tell_writable(hf_web *w, hf_web_event *event)
{
    w->put_short = false;
    *event = (hf_web_event){ .kind = HF_WEB_WRITABLE, .exchange = w->exchange };
    return true;
}

static bool moved(hf_web *w, hf_web_event *event)
{
    w->stuck = w->stuck && !w->full; /* full of output: not any more */
    if (w->tunnel && w->switching && hf_http1_slim(w->core.http1)) { /* the 101 has left: what only messages need is not needed again */
        w->switching = false;
        leave_tunnel(w); /* who never says a word would come by here no more */
    }
    return w->put_short && tell_writable(w, event);
}

/* A broken answer whose end is the end of the connection must not end it cleanly. */
static bool may_end(const hf_web *w)
{
    return !w->until_close || w->core.http1 == NULL || hf_http1_fault(w->core.http1)->err.code != HF_ERR_HTTP1_BODY_LENGTH;
}

static bool is_final(const hf_web *w)
{
    return w->core.http1 != NULL && hf_http1_is_final(w->core.http1);
}

static bool has_said_all(const hf_web *w)
{
    return w->core.http1 == NULL || hf_http1_has_said_all(w->core.http1);
}

static void take(hf_web *w, hf_exchange x, size_t n)
{
    if (x != w->exchange || (w->core.http1 == NULL && !w->tunnel))
        return;
    if (w->tunnel) {
        w->eaten += n;
        w->offered = 0;
    } else {
        hf_http1_take(w->core.http1, n);
    }
}

static hf_err no_exchange(void)
{
    return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
}

static void note_answer(hf_web *w, const hf_response_head *head, hf_err err)
{
    w->until_close = w->http10 && head->content_length == HF_LENGTH_UNKNOWN;
    if (err.code == 0 && (head->status >= 200 || head->status == 101))
        w->owed = false;
    w->switching = err.code == 0 && head->status == 101;
}

static hf_err respond(hf_web *w, hf_exchange x, const hf_response_head *head)
{
    if (x != w->exchange || w->core.http1 == NULL)
        return no_exchange();
    const hf_err err = hf_http1_respond(w->core.http1, head);
    note_answer(w, head, err);
    return err;
}

static hf_err answer(hf_web *w, hf_exchange x, const hf_response_head *head, hf_bytes body, bool *whole)
{
    if (x != w->exchange || w->core.http1 == NULL)
        return no_exchange();
    const hf_err err = hf_http1_answer(w->core.http1, head, body, whole);
    note_answer(w, head, err);
    return err;
}

/* ... for the exchange. */
static hf_err has_core(hf_web *w, hf_exchange x)
{
    if (x != w->exchange || (w->core.http1 == NULL && !w->tunnel))
        return no_exchange();
    return w->core.http1 != NULL || enter_tunnel(w) ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}

static uint64_t length_of(const hf_extent *extents, size_t count)
{
    uint64_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += hf_extent_length(&extents[i]);
    return n;
}

/* In a tunnel nothing is framed: where nothing waits before it, what is said goes straight to the pier, which takes all or keeps
 * what the peer does not. Only the peer's slowness is left to be waited for then. 0: not now. */
static uint64_t pass(hf_web *w, hf_exchange x, const hf_extent *extents, size_t count)
{
    const bool free = w->tunnel && !w->tunnel_over && w->core.http1 == NULL && w->state == WEB_OPEN && x == w->exchange;
    if (!free || w->pier.ops->unsent(w->pier.self, 0) > 0)
        return 0;
    const uint64_t taken = w->pier.ops->put(w->pier.self, 0, extents, count);
    w->passed = taken < UINT32_MAX - w->passed ? w->passed + (uint32_t)taken : UINT32_MAX;
    w->bytes_sent += taken;
    return taken;
}

static uint64_t put(hf_web *w, hf_exchange x, const hf_extent *extents, size_t count, hf_err *err)
{
    const uint64_t passed = pass(w, x, extents, count);
    if (passed > 0) {
        *err = HF_OK;
        w->put_short = passed < length_of(extents, count);
        return passed;
    }
    *err = has_core(w, x);
    if (err->code != 0)
        return 0;
    const uint64_t taken = hf_http1_put(w->core.http1, extents, count, err);
    w->put_short = taken < length_of(extents, count);
    return taken;
}

static hf_err end(hf_web *w, hf_exchange x, hf_ending ending, hf_fields trailers)
{
    const hf_err err = has_core(w, x);
    if (err.code != 0)
        return err;
    w->put_short = false;
    w->tunnel_over = w->tunnel || w->switching;
    return hf_http1_end(w->core.http1, ending, trailers);
}

/* Nothing but the end of the connection tells the peer that an answer was cut. */
static void cancel(hf_web *w, hf_exchange x, hf_err why)
{
    (void)x;
    hf_web_abort(w, why);
}

static void drain(hf_web *w)
{
    if (w->core.http1 != NULL) /* else when it wakes, now */
        hf_http1_drain(w->core.http1);
}

static const hf_fault *fault(const hf_web *w)
{
    const hf_fault *const own = w->core.http1 != NULL ? hf_http1_fault(w->core.http1) : &no_fault;
    return own->err.code == 0 && w->misplaced ? &plain_fault : own;
}

static bool is_idle(const hf_web *w)
{
    return w->core.http1 == NULL ? !w->tunnel : hf_http1_is_idle(w->core.http1);
}

static bool is_worn(const hf_web *w)
{
    return w->core.http1 != NULL && hf_http1_is_worn(w->core.http1);
}

static void free_core(hf_web *w)
{
    hf_http1_free(w->core.http1);
}

const hf_web_version_ops hf_web_http1 = { HF_HTTP_1_1, step, emit, wake, moved, tell_writable, may_end, is_final, has_said_all, take, respond,
    answer, put, end, cancel, drain, fault, is_idle, is_worn, free_core };
