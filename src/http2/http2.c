/* SPDX-License-Identifier: Apache-2.0
 *
 * Life, faults, guards and the frame of step.
 */
#include "http2_core.h"

#include "alloc.h"
#include "panic.h"

static hf_http2 *create(const hf_env *env, uint64_t id, hf_time now, const hf_http2_options *options, bool server)
{
    hf_http2 *h = hf_alloc_zeroed(&env->alloc, sizeof *h);
    if (h == NULL)
        return NULL;
    const hf_limits *const l = env->limits;
    h->env = env;
    h->table.kind_bits = 1;
    h->id = id;
    h->now = h->since = h->window_at = h->settings_at = now;
    h->server = server;
    h->options = options != NULL ? *options : (hf_http2_options){ 0 };
    h->reading = server ? HF_READING_PREFACE : HF_READING_SETTINGS;
    h->next_own = server ? 2 : 1;
    h->recv_window = h->recv_size = HF_HTTP2_WINDOW;
    h->send_window = h->peer_window = HF_HTTP2_WINDOW;
    h->peer_frame = HF_FRAME_LEAST_MAX;
    h->peer_streams = 100; /* RFC 9113 6.5.2: no limit until SETTINGS say so; better not to bet on that */
    h->peer_list = UINT32_MAX;
    h->peer_push = server;
    h->stream_wake = h->drain_at = HF_NEVER;
    h->goaway_last = h->peer_last = HF_STREAM_MAX;
    hf_queue_init(&h->control, &env->alloc);
    hf_queue_init(&h->block, &env->alloc);
    hf_hpack_decoder_init(&h->decoder, &env->alloc, (uint32_t)l->http2_table_bytes);
    hf_hpack_encoder_init(&h->encoder, &env->alloc, (uint32_t)l->http2_table_bytes);
    hf_field_list_init(&h->list, &env->alloc, l->header_bytes, (uint32_t)l->header_fields + 8); /* pseudo-headers */
    if (hf_http2_send_settings(h))
        return h;
    hf_http2_free(h);
    return NULL;
}

hf_http2 *hf_http2_server_new(const hf_env *env, uint64_t id, hf_time now, const hf_http2_options *options)
{
    return create(env, id, now, options, true);
}

hf_http2 *hf_http2_client_new(const hf_env *env, uint64_t id, hf_time now, const hf_http2_options *options)
{
    return create(env, id, now, options, false);
}

void hf_http2_free(hf_http2 *h)
{
    if (h == NULL)
        return;
    const hf_allocator alloc = h->env->alloc;
    hf_http2_streams_fini(h);
    hf_queue_fini(&h->control);
    hf_queue_fini(&h->block);
    hf_hpack_decoder_fini(&h->decoder);
    hf_hpack_encoder_fini(&h->encoder);
    hf_field_list_fini(&h->list);
    hf_http2_memo_free(h);
    hf_free(&alloc, h, sizeof *h);
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

const hf_fault *hf_http2_fault(const hf_http2 *h)
{
    return &h->fault;
}

void hf_http2_note(hf_http2 *h, const hf_in *in, hf_http2_flaw flaw)
{
    const hf_err err = hf_err_make(flaw.code);
    const bool within = in != NULL && flaw.at != NULL && (uintptr_t)flaw.at - (uintptr_t)in->ptr < in->len;
    const uint64_t offset = h->offset + (in == NULL ? 0 : within ? (uint64_t)(flaw.at - in->ptr) : in->used);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_REFUSED, (uint64_t)flaw.code, offset);
    h->fault = (hf_fault){ .err = err, .offset = offset, .status = hf_err_describe(err)->status, .wanted = flaw.wanted };
    if (within) {
        const size_t there = (size_t)(in->ptr + in->len - flaw.at);
        h->fault.got_length = (uint8_t)(there < sizeof h->fault.got ? there : sizeof h->fault.got);
        memcpy(h->fault.got, flaw.at, h->fault.got_length);
    }
}

hf_http2_code hf_http2_code_of(int32_t err)
{
    switch (err) {
    case HF_ERR_BASE_MEMORY:
    case HF_ERR_HTTP2_BODY_LENGTH:
        return HF_HTTP2_INTERNAL_ERROR;
    case HF_ERR_HTTP2_FRAME_SIZE:
        return HF_HTTP2_FRAME_SIZE_ERROR;
    case HF_ERR_HTTP2_STREAM_CLOSED:
        return HF_HTTP2_STREAM_CLOSED;
    case HF_ERR_HTTP2_SETTINGS_WINDOW:
    case HF_ERR_HTTP2_WINDOW_OVERFLOW:
    case HF_ERR_HTTP2_FLOW_CONTROL:
        return HF_HTTP2_FLOW_CONTROL_ERROR;
    case HF_ERR_HTTP2_COMPRESSION:
        return HF_HTTP2_COMPRESSION_ERROR;
    case HF_ERR_HTTP2_BLOCK_TOO_LARGE:
    case HF_ERR_HTTP2_RESETS:
    case HF_ERR_HTTP2_CONTROL_FLOOD:
    case HF_ERR_HTTP2_VOID_FLOOD:
    case HF_ERR_HTTP2_STALLED:
        return HF_HTTP2_ENHANCE_YOUR_CALM;
    case HF_ERR_HTTP2_SETTINGS_TIMEOUT:
        return HF_HTTP2_SETTINGS_TIMEOUT;
    case HF_ERR_HTTP2_REFUSED_STREAM:
        return HF_HTTP2_REFUSED_STREAM;
    case HF_ERR_HTTP2_BODY_TIMEOUT:
    case HF_ERR_HTTP2_RESPONSE_TIMEOUT:
        return HF_HTTP2_CANCEL;
    case HF_ERR_HTTP2_HEAD_TIMEOUT:
    case HF_ERR_HTTP2_PEER_GOAWAY:
    case HF_ERR_HTTP2_TRUNCATED:
        return HF_HTTP2_NO_ERROR;
    default:
        return HF_HTTP2_PROTOCOL_ERROR;
    }
}

hf_step hf_http2_fail(hf_http2 *h, const hf_in *in, hf_http2_flaw flaw)
{
    hf_http2_note(h, in, flaw);
    h->reading = HF_READING_FAULT;
    h->partial = false;
    h->stream_wake = HF_NEVER;
    hf_http2_each(h, hf_http2_drop_output);
    const hf_bytes text = hf_text(hf_err_text(hf_err_make(flaw.code)));
    (void)hf_http2_send_goaway(h, h->last_peer < h->goaway_last ? h->last_peer : h->goaway_last,
                               hf_http2_code_of(flaw.code), text);
    return HF_FAULT;
}

/* ---- guards ------------------------------------------------------------------------------------------------- */

/* What one takes out of a bucket, in time. */
static int64_t price(uint64_t rate)
{
    return rate == 0 ? HF_SECONDS(3600) : rate > 1000000000u ? 1 : (int64_t)(1000000000u / rate);
}

bool hf_http2_spend(const hf_http2 *h, hf_http2_bucket *b, uint64_t burst, uint64_t rate)
{
    const int64_t one = price(rate);
    const int64_t due = b->due_ns > h->now.ns ? b->due_ns : h->now.ns;
    if ((uint64_t)((due - h->now.ns) / one) >= burst)
        return false;
    b->due_ns = due + one;
    return true;
}

void hf_http2_earn(hf_http2_bucket *b, uint64_t rate, unsigned n)
{
    b->due_ns -= price(rate) * n;
}

/* ---- step --------------------------------------------------------------------------------------------------- */

/* What is due of the connection itself. */
static bool tell_connection(hf_http2 *h, hf_http2_event *event)
{
    if (!h->ready_due && !h->goaway_due && !h->pong_due && !h->slot_due)
        return false;
    *event = (hf_http2_event){ .stream = 0 };
    if (h->ready_due) {
        event->kind = HF_HTTP2_READY;
        h->ready_due = false;
    } else if (h->goaway_due) {
        event->kind = HF_HTTP2_GOAWAY;
        event->code = (hf_http2_code)h->peer_code;
        event->err = hf_err_make(h->peer_code == HF_HTTP2_NO_ERROR ? HF_ERR_HTTP2_PEER_CLOSED : HF_ERR_HTTP2_PEER_GOAWAY);
        h->goaway_due = false;
    } else if (h->pong_due) {
        event->kind = HF_HTTP2_PONG;
        h->pong_due = false;
    } else {
        event->kind = HF_HTTP2_WRITABLE;
        h->slot_due = h->slot_wanted = false;
    }
    return true;
}

static void truncate_stream(hf_http2 *h, hf_http2_exchange *s)
{
    if (hf_http2_remote_open(s) || !h->server)
        hf_http2_lose(h, s, HF_ERR_HTTP2_TRUNCATED, HF_HTTP2_CANCEL);
}

/* Between two frames: is the connection over? A server goes on after the client's GOAWAY, which forbids pushes alone. */
static bool is_over(const hf_http2 *h)
{
    const bool leaving = h->fin_seen || h->goaway_sent || (h->goaway_received && !h->server);
    const bool between = h->reading == HF_READING_FRAME && h->block_purpose == HF_BLOCK_NONE;
    return leaving && h->table.count == 0 && (between || h->fin_seen);
}

static hf_step close_connection(hf_http2 *h)
{
    hf_http2_finish_drain(h);
    h->reading = HF_READING_CLOSED;
    return HF_CLOSED;
}

/* Nothing will follow what was read. */
static void see_fin(hf_http2 *h, hf_in *in)
{
    in->used = in->len; /* what is cut short says nothing any more */
    h->fin_seen = true;
    h->partial = false;
    hf_http2_each(h, truncate_stream);
}

/* Frames that wait to be emitted, which the peer can make us write: it must read them before it is read. */
static bool is_full(const hf_http2 *h)
{
    return hf_queue_length(&h->control) >= h->env->limits->output_bytes;
}

static hf_step turn(hf_http2 *h, hf_in *in, hf_http2_event *event)
{
    hf_step answer = HF_FAULT;
    for (;;) {
        if (h->out_of_memory && h->reading < HF_READING_CLOSED)
            return hf_http2_fail(h, NULL, (hf_http2_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" });
        if (tell_connection(h, event) || hf_http2_tell(h, event))
            return HF_EVENT;
        if (is_full(h))
            return HF_FULL;
        if (is_over(h))
            return close_connection(h);
        if (h->fin_seen) {
            in->used = in->len;
            return HF_IDLE;
        }
        if (!hf_http2_read_turn(h, in, event, &answer))
            continue;
        if (answer != HF_IDLE || !in->fin)
            return answer;
        see_fin(h, in);
    }
}

hf_step hf_http2_step(hf_http2 *h, hf_time now, hf_in *in, hf_http2_event *event)
{
    in->used = in->need = 0;
    h->now = now;
    if (h->reading >= HF_READING_CLOSED)
        return h->reading == HF_READING_CLOSED ? HF_CLOSED : HF_FAULT;
    hf_step answer;
    if (!hf_http2_account(h, in))
        answer = hf_http2_fail(h, NULL, (hf_http2_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" });
    else if (!hf_http2_check_clock(h, &answer))
        answer = turn(h, in, event);
    /* what came just now may be late already, by the least rate */
    while (answer == HF_IDLE && !hf_time_before(now, hf_http2_wake(h)))
        if (!hf_http2_check_clock(h, &answer))
            answer = turn(h, in, event);
    h->offset += in->used;
    return answer;
}

/* ---- small answers ------------------------------------------------------------------------------------------ */

bool hf_http2_is_idle(const hf_http2 *h)
{
    return hf_http2_is_at_rest(h);
}

bool hf_http2_is_worn(const hf_http2 *h)
{
    return h->requests >= h->env->limits->requests_per_connection;
}

int64_t hf_http2_round_trip_ns(const hf_http2 *h)
{
    return h->round_trip_ns;
}

size_t hf_http2_open_streams(const hf_http2 *h)
{
    return h->peer_open + h->own_open;
}

bool hf_http2_can_push(const hf_http2 *h)
{
    return h->server && h->options.push && h->peer_push && !h->goaway_received && !h->draining &&
           h->reading < HF_READING_CLOSED && h->pushed_count < h->env->limits->http2_pushes &&
           h->own_open < h->peer_streams && h->next_own < HF_STREAM_MAX - 1;
}
