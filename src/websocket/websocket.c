/* SPDX-License-Identifier: Apache-2.0
 *
 * Life, time, faults and the frame of step.
 */
#include "alloc.h"
#include "panic.h"
#include "websocket_core.h"

static void configure(hf_websocket *w, const hf_websocket_options *options)
{
    if (options != NULL)
        w->options = *options;
    if (!hf_deflate_is_built())
        w->options.deflate.on = false;
}

static hf_websocket *create(const hf_env *env, uint64_t id, const hf_websocket_options *options, hf_time now, bool server)
{
    hf_websocket *w = hf_alloc_zeroed(&env->alloc, sizeof *w);
    if (w == NULL)
        return NULL;
    w->env = env;
    w->id = id;
    configure(w, options);
    w->server = server;
    HF_ASSERT(server || w->options.crypto != NULL);
    w->now = w->heard = w->asked = w->spoken = w->began = w->refilled = now;
    w->state = HF_WEBSOCKET_OPEN;
    hf_queue_init(&w->message, &env->alloc);
    hf_queue_init(&w->output.copied, &env->alloc);
    return w;
}

hf_websocket *hf_websocket_server_new(const hf_env *env, uint64_t id, const hf_websocket_options *options, hf_time now)
{
    return create(env, id, options, now, true);
}

hf_websocket *hf_websocket_client_new(const hf_env *env, uint64_t id, const hf_websocket_options *options, hf_time now)
{
    return create(env, id, options, now, false);
}

bool hf_websocket_pause(const hf_websocket *w, hf_websocket_rest *rest)
{
    const bool reads = w->in_frame || w->type != 0 || w->lent || w->doom != NULL || w->message.head != w->message.tail;
    const bool large = (size_t)w->message.capacity + w->output.copied.capacity > HF_WEBSOCKET_PAUSED_BYTES;
    const bool says = w->writing != 0 || w->asking || w->replies > 0 || !hf_websocket_output_empty(&w->output);
    if (!w->server || w->state != HF_WEBSOCKET_OPEN || reads || says || large || w->inflater != NULL || w->deflater != NULL || w->fault != NULL)
        return false;
    *rest = (hf_websocket_rest){ w->offset, w->heard, w->spoken, w->refilled, w->control_used };
    return true;
}

void hf_websocket_resume(hf_websocket *w, uint64_t id, const hf_websocket_options *options, const hf_websocket_rest *rest, hf_time now)
{
    w->id = id;
    configure(w, options);
    w->now = w->asked = w->began = now;
    w->offset = rest->offset;
    w->heard = rest->heard;
    w->spoken = rest->spoken;
    w->refilled = rest->refilled;
    w->control_used = rest->control_used;
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

static const hf_fault no_fault;
/* When even the evidence finds no memory. */
static const hf_fault memory_fault = { .err = { HF_ERR_BASE_MEMORY }, .status = 503, .wanted = "memory" };

const hf_fault *hf_websocket_fault(const hf_websocket *w)
{
    return w->fault != NULL ? w->fault : &no_fault;
}

void hf_websocket_free(hf_websocket *w)
{
    if (w == NULL)
        return;
    const hf_allocator *const alloc = &w->env->alloc;
    hf_queue_fini(&w->message);
    hf_websocket_output_fini(&w->output);
    hf_deflater_free(w->deflater);
    hf_inflater_free(w->inflater);
    hf_free(alloc, w->keys, w->keys != NULL ? HF_WEBSOCKET_KEYS * sizeof *w->keys : 0);
    if (w->fault != NULL && w->fault != &memory_fault)
        hf_free(alloc, (void *)(uintptr_t)w->fault, sizeof *w->fault);
    hf_free(alloc, w, sizeof *w);
}

static void keep_fault(hf_websocket *w, const hf_in *in, const hf_websocket_flaw *flaw)
{
    hf_fault *const fault = flaw->code == HF_ERR_BASE_MEMORY ? NULL : hf_alloc_zeroed(&w->env->alloc, sizeof *fault);
    if (fault == NULL) {
        w->fault = &memory_fault;
        return;
    }
    *fault = (hf_fault){ .err = hf_err_make(flaw->code), .offset = w->frame_offset, .wanted = flaw->wanted };
    if (in != NULL && in->len > in->used) {
        const size_t there = in->len - in->used;
        fault->got_length = (uint8_t)(there < sizeof fault->got ? there : sizeof fault->got);
        memcpy(fault->got, in->ptr + in->used, fault->got_length);
    }
    w->fault = fault;
}

void hf_websocket_move_to(hf_websocket *w, hf_websocket_move move)
{
    const hf_websocket_state to = hf_websocket_after((hf_websocket_state)w->state, move);
    HF_ASSERT(to != HF_WEBSOCKET_NOWHERE);
    w->state = (uint8_t)to;
}

hf_step hf_websocket_fail(hf_websocket *w, const hf_in *in, const hf_websocket_flaw *flaw, hf_websocket_event *event)
{
    const hf_err err = hf_err_make(flaw->code);
    const bool by_peer = flaw->close == HF_WEBSOCKET_ABNORMAL;
    HF_ASSERT(w->fault == NULL);
    keep_fault(w, in, flaw);
    /* The peer's developer reads the rule in the reason. Without memory for it the end of the connection must do. */
    if (w->state == HF_WEBSOCKET_OPEN && !by_peer)
        (void)hf_websocket_say_close(w, flaw->close, hf_text(hf_err_text(err)));
    const uint16_t code = w->state == HF_WEBSOCKET_CLOSING ? w->code : flaw->close;
    *event = (hf_websocket_event){ .kind = HF_WEBSOCKET_CLOSED, .who = by_peer ? HF_WEBSOCKET_PEER : HF_WEBSOCKET_WE, .code = code,
                                   .err = err, .bytes = hf_text(hf_err_text(err)) };
    hf_trace(w->env, w->now, w->id, HF_TRACE_WEBSOCKET_CLOSED, (uint64_t)code << 8 | by_peer, (uint64_t)flaw->code);
    hf_websocket_move_to(w, HF_WEBSOCKET_MOVE_FAIL);
    return HF_EVENT;
}

static const hf_websocket_flaw
    flaw_memory = { HF_ERR_BASE_MEMORY, HF_WEBSOCKET_INTERNAL, "memory" },
    flaw_gone = { HF_ERR_WEBSOCKET_ABNORMAL, HF_WEBSOCKET_ABNORMAL, "a Close frame before the end" },
    flaw_silent = { HF_ERR_WEBSOCKET_PONG_TIMEOUT, HF_WEBSOCKET_INTERNAL, "a PONG, or anything" },
    flaw_idle = { HF_ERR_WEBSOCKET_IDLE, HF_WEBSOCKET_GOING_AWAY, "a message" },
    flaw_slow = { HF_ERR_WEBSOCKET_MESSAGE_TIMEOUT, HF_WEBSOCKET_POLICY, "the rest of the message" },
    flaw_unanswered = { HF_ERR_WEBSOCKET_CLOSE_TIMEOUT, HF_WEBSOCKET_NORMAL, "the peer's Close frame" };

/* ---- time --------------------------------------------------------------------------------------------------- */

static int64_t chosen_ns(int64_t option, uint64_t limit)
{
    return option != 0 ? option : (int64_t)limit;
}

static hf_time later_of(hf_time a, hf_time b)
{
    return hf_time_before(a, b) ? b : a;
}

static bool peer_forgets(const hf_websocket *w)
{
    return w->server ? w->options.deflate.client_no_context_takeover : w->options.deflate.server_no_context_takeover;
}

static bool we_forget(const hf_websocket *w)
{
    return w->server ? w->options.deflate.server_no_context_takeover : w->options.deflate.client_no_context_takeover;
}

/* Is there something to give back? */
static bool can_trim(const hf_websocket *w)
{
    if (!hf_websocket_output_empty(&w->output) || w->lent)
        return false;
    return w->output.copied.memory != NULL || w->output.pieces != NULL ||
           (w->message.memory != NULL && w->message.head == w->message.tail) ||
           (w->inflater != NULL && w->type == 0 && peer_forgets(w)) || (w->deflater != NULL && w->writing == 0 && we_forget(w));
}

void hf_websocket_trim(hf_websocket *w)
{
    hf_websocket_output_trim(&w->output);
    hf_queue_trim(&w->message);
    if (w->type == 0 && peer_forgets(w)) {
        hf_inflater_free(w->inflater);
        w->inflater = NULL;
    }
    if (w->writing == 0 && we_forget(w)) {
        hf_deflater_free(w->deflater);
        w->deflater = NULL;
    }
}

static hf_time trim_at(const hf_websocket *w)
{
    return can_trim(w) ? hf_time_after(later_of(w->heard, w->spoken), HF_WEBSOCKET_TRIM_NS) : HF_NEVER;
}

hf_time hf_websocket_rest_wake(const hf_env *env, const hf_websocket_options *options, const hf_websocket_rest *rest)
{
    const int64_t ping = chosen_ns(options->ping_ns, env->limits->websocket_ping_ns), idle = chosen_ns(options->idle_ns, env->limits->websocket_idle_ns);
    return hf_time_earlier(ping < 0 ? HF_NEVER : hf_time_after(rest->heard, ping), idle < 0 ? HF_NEVER : hf_time_after(rest->spoken, idle));
}

static hf_time heartbeat_at(const hf_websocket *w)
{
    const int64_t ping = chosen_ns(w->options.ping_ns, w->env->limits->websocket_ping_ns);
    const int64_t pong = chosen_ns(w->options.pong_ns, w->env->limits->websocket_pong_ns);
    if (w->asking)
        return w->ask_queued || pong < 0 ? HF_NEVER : hf_time_after(w->asked, pong);
    return ping < 0 ? HF_NEVER : hf_time_after(w->heard, ping);
}

static hf_time idle_at(const hf_websocket *w)
{
    const int64_t idle = chosen_ns(w->options.idle_ns, w->env->limits->websocket_idle_ns);
    return idle < 0 ? HF_NEVER : hf_time_after(w->spoken, idle);
}

static hf_time message_at(const hf_websocket *w)
{
    const bool gathers = w->type != 0 && !w->options.stream;
    return gathers ? hf_time_after(w->began, (int64_t)w->env->limits->websocket_message_ns) : HF_NEVER;
}

hf_time hf_websocket_wake(const hf_websocket *w)
{
    switch ((hf_websocket_state)w->state) {
    case HF_WEBSOCKET_OPEN:
        return hf_time_earlier(hf_time_earlier(heartbeat_at(w), idle_at(w)), hf_time_earlier(message_at(w), trim_at(w)));
    case HF_WEBSOCKET_CLOSING:
        return hf_time_after(w->began, (int64_t)w->env->limits->websocket_close_ns);
    default:
        return HF_NEVER;
    }
}

static bool is_due(const hf_websocket *w, hf_time at)
{
    return !hf_time_before(w->now, at);
}

/* What the clock demands. */
static hf_step tick(hf_websocket *w, hf_websocket_event *event)
{
    const hf_websocket_flaw *flaw = NULL;
    if (w->state == HF_WEBSOCKET_CLOSING)
        return is_due(w, hf_websocket_wake(w)) ? hf_websocket_fail(w, NULL, &flaw_unanswered, event) : HF_IDLE;
    if (is_due(w, trim_at(w)))
        hf_websocket_trim(w);
    if (is_due(w, message_at(w)))
        flaw = &flaw_slow;
    else if (is_due(w, idle_at(w)))
        flaw = &flaw_idle;
    else if (is_due(w, heartbeat_at(w)) && w->asking)
        flaw = &flaw_silent;
    else if (is_due(w, heartbeat_at(w))) {
        w->asking = w->ask_queued = hf_websocket_control(w, HF_WEBSOCKET_OP_PING, hf_bytes_make(NULL, 0));
        flaw = w->asking ? NULL : &flaw_memory;
    }
    return flaw != NULL ? hf_websocket_fail(w, NULL, flaw, event) : HF_IDLE;
}

/* ---- step --------------------------------------------------------------------------------------------------- */

/* The peer's direction is over, and no Close came. */
static hf_step gone(hf_websocket *w, hf_websocket_event *event)
{
    if (w->state == HF_WEBSOCKET_OPEN) {
        w->frame_offset = w->offset;
        return hf_websocket_fail(w, NULL, &flaw_gone, event);
    }
    *event = (hf_websocket_event){ .kind = HF_WEBSOCKET_CLOSED, .who = HF_WEBSOCKET_WE, .code = w->code };
    hf_trace(w->env, w->now, w->id, HF_TRACE_WEBSOCKET_CLOSED, (uint64_t)w->code << 8, 0);
    hf_websocket_move_to(w, HF_WEBSOCKET_MOVE_END);
    return HF_EVENT;
}

hf_step hf_websocket_step(hf_websocket *w, hf_time now, hf_in *in, hf_websocket_event *event)
{
    in->used = in->need = 0;
    w->now = now;
    if (w->lent) {
        hf_queue_take(&w->message, hf_queue_length(&w->message));
        w->lent = false;
    }
    if (w->state == HF_WEBSOCKET_ENDED || w->state == HF_WEBSOCKET_FAILED)
        return w->state == HF_WEBSOCKET_ENDED ? HF_CLOSED : HF_FAULT;
    if (w->doom != NULL)
        return hf_websocket_fail(w, NULL, w->doom, event);
    const hf_step answer = hf_websocket_read(w, in, event);
    w->offset += in->used;
    if (in->used > 0) {
        w->heard = now;
        w->asking = false;
    }
    if (answer != HF_IDLE)
        return answer;
    return in->fin ? gone(w, event) : tick(w, event);
}

size_t hf_websocket_emit(hf_websocket *w, hf_time now, hf_out *out)
{
    const uint64_t before = out->bytes;
    w->now = now;
    hf_websocket_output_emit(&w->output, out);
    if (hf_websocket_output_empty(&w->output)) {
        w->replies = 0;
        if (w->asking && w->ask_queued) {
            w->ask_queued = false;
            w->asked = now; /* the peer's time counts from when it could know */
        }
    }
    return (size_t)(out->bytes - before);
}
