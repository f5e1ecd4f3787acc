/* SPDX-License-Identifier: Apache-2.0
 *
 * Life, faults, guards, and the frame of step.
 */
#include "http3_core.h"

#include "alloc.h"

static hf_http3 *create(const hf_env *env, uint64_t id, hf_time now, const hf_http3_options *options, bool server)
{
    hf_http3 *h = hf_alloc_zeroed(&env->alloc, sizeof *h);
    if (h == NULL)
        return NULL;
    const hf_limits *const l = env->limits;
    h->env = env;
    h->table.kind_bits = 2;
    h->id = id;
    h->now = h->opened = h->since = now;
    h->server = server;
    h->options = options != NULL ? *options : (hf_http3_options){ 0 };
    h->lane_wake = h->drain_at = HF_NEVER;
    h->goaway_at = h->peer_goaway = UINT64_MAX;
    h->unpushed = HF_HTTP3_NO_LANE;
    h->code = HF_HTTP3_NO_ERROR;
    hf_queue_init(&h->control, &env->alloc);
    hf_queue_init(&h->scratch, &env->alloc);
    hf_qpack_decoder_init(&h->decoder, &env->alloc, (uint32_t)l->http3_table_bytes);
    hf_qpack_encoder_init(&h->encoder, &env->alloc, (uint32_t)l->http3_table_bytes);
    hf_field_list_init(&h->list, &env->alloc, l->header_bytes, (uint32_t)l->header_fields + 8); /* pseudo-headers */
    hf_queue *const queues[HF_OWN_COUNT] = { &h->control, &h->encoder.say, &h->decoder.say };
    for (unsigned i = 0; i < HF_OWN_COUNT; i++) {
        h->own[i] = (hf_http3_own){ .lane = HF_HTTP3_NO_LANE, .queue = queues[i] };
        h->peer_lanes[i] = HF_HTTP3_NO_LANE;
    }
    if (hf_http3_say_settings(h))
        return h;
    hf_http3_free(h);
    return NULL;
}

hf_http3 *hf_http3_server_new(const hf_env *env, uint64_t id, hf_time now, const hf_http3_options *options)
{
    return create(env, id, now, options, true);
}

hf_http3 *hf_http3_client_new(const hf_env *env, uint64_t id, hf_time now, const hf_http3_options *options)
{
    return create(env, id, now, options, false);
}

void hf_http3_free(hf_http3 *h)
{
    if (h == NULL)
        return;
    const hf_allocator alloc = h->env->alloc;
    hf_http3_lanes_fini(h);
    hf_queue_fini(&h->control);
    hf_queue_fini(&h->scratch);
    hf_qpack_decoder_fini(&h->decoder);
    hf_qpack_encoder_fini(&h->encoder);
    hf_field_list_fini(&h->list);
    hf_free(&alloc, h->early, h->early != NULL ? HF_HTTP3_EARLY * sizeof *h->early : 0);
    hf_free(&alloc, h->promises, h->env->limits->http3_pushes * sizeof *h->promises);
    hf_free(&alloc, h, sizeof *h);
}

void hf_http3_begin(hf_http3 *h, hf_lane control, hf_lane encoder, hf_lane decoder)
{
    h->own[HF_OWN_CONTROL].lane = control;
    h->own[HF_OWN_ENCODER].lane = encoder;
    h->own[HF_OWN_DECODER].lane = decoder;
    h->begun = true;
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

const hf_fault *hf_http3_fault(const hf_http3 *h)
{
    return &h->fault;
}

uint64_t hf_http3_close_code(const hf_http3 *h)
{
    return h->code;
}

void hf_http3_note(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, hf_http3_flaw flaw)
{
    const hf_err err = hf_err_make(flaw.code);
    const bool within = in != NULL && flaw.at != NULL && (uintptr_t)flaw.at - (uintptr_t)in->ptr < in->len;
    const uint64_t inside = in == NULL ? 0 : within ? (uint64_t)(flaw.at - in->ptr) : in->used;
    const uint64_t offset = (l == NULL ? 0 : l->offset) + inside;
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_REFUSED, (uint64_t)flaw.code, offset);
    h->fault = (hf_fault){ .err = err, .offset = offset, .status = hf_err_describe(err)->status, .wanted = flaw.wanted };
    if (within) {
        const size_t there = (size_t)(in->ptr + in->len - flaw.at);
        h->fault.got_length = (uint8_t)(there < sizeof h->fault.got ? there : sizeof h->fault.got);
        memcpy(h->fault.got, flaw.at, h->fault.got_length);
    }
}

uint64_t hf_http3_code_of(int32_t err)
{
    switch (err) {
    case HF_ERR_BASE_MEMORY:
    case HF_ERR_HTTP3_BODY_LENGTH: return HF_HTTP3_INTERNAL_ERROR;
    case HF_ERR_HTTP3_FRAME: return HF_HTTP3_FRAME_ERROR;
    case HF_ERR_HTTP3_FRAME_UNEXPECTED: return HF_HTTP3_FRAME_UNEXPECTED;
    case HF_ERR_HTTP3_MISSING_SETTINGS: return HF_HTTP3_MISSING_SETTINGS;
    case HF_ERR_HTTP3_SETTINGS: return HF_HTTP3_SETTINGS_ERROR;
    case HF_ERR_HTTP3_STREAM_CREATION: return HF_HTTP3_STREAM_CREATION_ERROR;
    case HF_ERR_HTTP3_CRITICAL_STREAM: return HF_HTTP3_CLOSED_CRITICAL_STREAM;
    case HF_ERR_HTTP3_ID: return HF_HTTP3_ID_ERROR;
    case HF_ERR_HTTP3_COMPRESSION:
    case HF_ERR_HTTP3_BLOCKED: return HF_HTTP3_QPACK_DECOMPRESSION_FAILED;
    case HF_ERR_HTTP3_ENCODER_STREAM: return HF_HTTP3_QPACK_ENCODER_STREAM_ERROR;
    case HF_ERR_HTTP3_DECODER_STREAM: return HF_HTTP3_QPACK_DECODER_STREAM_ERROR;
    case HF_ERR_HTTP3_HEAD_TOO_LARGE:
    case HF_ERR_HTTP3_SECTION_TOO_LARGE:
    case HF_ERR_HTTP3_RESETS:
    case HF_ERR_HTTP3_VOID_FLOOD:
    case HF_ERR_HTTP3_CONTROL_SIZE:
    case HF_ERR_HTTP3_INTERIM_FLOOD: return HF_HTTP3_EXCESSIVE_LOAD;
    case HF_ERR_HTTP3_INCOMPLETE: return HF_HTTP3_REQUEST_INCOMPLETE;
    case HF_ERR_HTTP3_REJECTED: return HF_HTTP3_REQUEST_REJECTED;
    case HF_ERR_HTTP3_BODY_TIMEOUT:
    case HF_ERR_HTTP3_RESPONSE_TIMEOUT:
    case HF_ERR_HTTP3_PEER_RESET:
    case HF_ERR_HTTP3_STALLED: return HF_HTTP3_REQUEST_CANCELLED;
    case HF_ERR_HTTP3_PROMISE: return HF_HTTP3_GENERAL_PROTOCOL_ERROR;
    default: return HF_HTTP3_MESSAGE_ERROR; /* RFC 9114 4.1.2 */
    }
}

hf_step hf_http3_fail(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, hf_http3_flaw flaw)
{
    hf_http3_note(h, l, in, flaw);
    h->state = HF_HTTP3_FAULT;
    h->code = hf_http3_code_of(flaw.code);
    h->lane_wake = HF_NEVER;
    hf_http3_each(h, hf_http3_drop_output);
    return HF_FAULT;
}

/* ---- guards ------------------------------------------------------------------------------------------------- */

bool hf_http3_spend(const hf_http3 *h, hf_http3_bucket *b, uint64_t burst, uint64_t rate)
{
    /* what one takes out of the bucket, in time */
    const int64_t one = rate == 0 ? HF_SECONDS(3600) : rate > 1000000000u ? 1 : (int64_t)(1000000000u / rate);
    const int64_t due = b->due_ns > h->now.ns ? b->due_ns : h->now.ns;
    if ((uint64_t)((due - h->now.ns) / one) >= burst)
        return false;
    b->due_ns = due + one;
    return true;
}

/* ---- lanes that come and go --------------------------------------------------------------------------------- */

static bool is_of_peer(const hf_http3 *h, hf_lane lane)
{
    return ((lane & 1) == 0) == h->server;
}

static void memory_ended(hf_http3 *h)
{
    (void)hf_http3_fail(h, NULL, NULL, (hf_http3_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" });
}

static void open_request(hf_http3 *h, hf_lane lane)
{
    const hf_limits *const l = h->env->limits;
    const bool full = h->exchanges >= l->http3_streams;
    hf_http3_lane *const s = hf_http3_add(h, lane, HF_USE_EXCHANGE);
    if (s == NULL) {
        memory_ended(h);
        return;
    }
    /* RFC 9114 5.2: requests at or above what GOAWAY named are not acted upon, and said to be so */
    if (full || (h->goaway_sent && lane >= h->goaway_at)) {
        hf_http3_note(h, s, NULL, (hf_http3_flaw){ HF_ERR_HTTP3_REJECTED, NULL, "no more requests than may be open" });
        hf_http3_reset(h, s, HF_ERR_HTTP3_REJECTED, HF_HTTP3_REQUEST_REJECTED);
        if (!hf_http3_spend(h, &h->resets, l->http3_resets, l->http3_reset_rate))
            (void)hf_http3_fail(h, NULL, NULL, (hf_http3_flaw){ HF_ERR_HTTP3_RESETS, NULL, "fewer requests at once" });
        return;
    }
    h->peer_next = lane >= h->peer_next ? lane + 4 : h->peer_next;
    hf_http3_await(h, s);
}

void hf_http3_lane_opened(hf_http3 *h, hf_time now, hf_lane lane)
{
    h->now = now;
    if (h->state != HF_HTTP3_RUNNING || !is_of_peer(h, lane) || hf_http3_find(h, lane) != NULL)
        return;
    if ((lane & 2) != 0) {
        hf_http3_lane *const l = hf_http3_add(h, lane, HF_USE_UNKNOWN);
        if (l == NULL)
            memory_ended(h);
    } else if (h->server) {
        open_request(h, lane);
    } else {
        /* RFC 9114 6.1: "Clients MUST treat receipt of a server-initiated bidirectional stream as a connection error" */
        const hf_http3_flaw flaw = { HF_ERR_HTTP3_STREAM_CREATION, NULL, "no two-way streams from a server" };
        (void)hf_http3_fail(h, NULL, NULL, flaw);
    }
}

static void lose_critical(hf_http3 *h)
{
    const hf_http3_flaw flaw = { HF_ERR_HTTP3_CRITICAL_STREAM, NULL, "a control or QPACK stream that stays open" };
    (void)hf_http3_fail(h, NULL, NULL, flaw);
}

/* CVE-2023-44487 (Rapid Reset): it took our work and leaves. */
static void count_loss(hf_http3 *h)
{
    const hf_limits *const l = h->env->limits;
    if (h->server && !hf_http3_spend(h, &h->resets, l->http3_resets, l->http3_reset_rate))
        (void)hf_http3_fail(h, NULL, NULL, (hf_http3_flaw){ HF_ERR_HTTP3_RESETS, NULL, "fewer that are taken back" });
}

static void peer_reset(hf_http3 *h, hf_http3_lane *l, uint64_t code)
{
    if (l->in != HF_HALF_OPEN)
        return;
    l->in = HF_HALF_GIVEN_UP;
    if (!hf_qpack_cancel(&h->decoder, l->id))
        h->out_of_memory = true;
    const bool early = l->out == HF_HALF_OPEN;
    const bool rejected = !h->server && code == HF_HTTP3_REQUEST_REJECTED;
    hf_http3_reset(h, l, rejected ? HF_ERR_HTTP3_NOT_PROCESSED : HF_ERR_HTTP3_PEER_RESET, code);
    if (early)
        count_loss(h);
}

static void peer_stopped(hf_http3 *h, hf_http3_lane *l, uint64_t code)
{
    if (l->out != HF_HALF_OPEN)
        return;
    l->out = HF_HALF_GIVEN_UP; /* the transport says RESET by itself: RFC 9000 3.5 */
    if (h->server) {
        hf_http3_reset(h, l, HF_ERR_HTTP3_PEER_RESET, code);
        count_loss(h);
        return;
    }
    /* RFC 9114 4.1: "Clients MUST NOT discard complete responses as a result of having their request terminated
     * abruptly" */
    l->nowhere = true;
    hf_http3_drop_output(h, l);
    hf_http3_settle(h, l);
}

void hf_http3_lane_ended(hf_http3 *h, hf_time now, hf_lane lane, hf_ending ending)
{
    h->now = now;
    if (h->state != HF_HTTP3_RUNNING)
        return;
    for (unsigned i = 0; i < HF_OWN_COUNT; i++)
        if (h->own[i].lane == lane) {
            lose_critical(h);
            return;
        }
    hf_http3_lane *const l = hf_http3_find(h, lane);
    if (l == NULL || ending.kind == HF_ENDING_FIN)
        return;
    if (l->use >= HF_USE_CONTROL) {
        lose_critical(h);
    } else if (!hf_http3_is_exchange(l)) {
        l->in = HF_HALF_GIVEN_UP;
        hf_http3_settle(h, l);
    } else if (ending.kind == HF_ENDING_RESET) {
        peer_reset(h, l, ending.code);
    } else {
        peer_stopped(h, l, ending.code);
    }
}

/* ---- step --------------------------------------------------------------------------------------------------- */

/* What is due of the connection itself. */
static bool tell_connection(hf_http3 *h, hf_http3_event *event)
{
    *event = (hf_http3_event){ .lane = HF_HTTP3_NO_LANE };
    if (h->ready_due) {
        event->kind = HF_HTTP3_READY;
        h->ready_due = false;
    } else if (h->goaway_due) {
        event->kind = HF_HTTP3_GOAWAY;
        event->err = hf_err_make(HF_ERR_HTTP3_PEER_CLOSED);
        h->goaway_due = false;
    } else if (h->unpushed != HF_HTTP3_NO_LANE) {
        event->kind = HF_HTTP3_UNPUSHED;
        event->push = h->unpushed;
        h->unpushed = HF_HTTP3_NO_LANE;
    } else {
        return false;
    }
    return true;
}

/* A server goes on after the client's GOAWAY, which forbids pushes alone. */
static bool is_over(const hf_http3 *h)
{
    return (h->goaway_sent || (h->goaway_received && !h->server)) && h->exchanges == 0;
}

/* Bytes of the last BODY event that were taken are used now. */
static void account(hf_http3_lane *l, hf_in *in)
{
    if (in->len < l->shown) { /* the peer reset the lane: the transport threw its bytes away, and will say so */
        l->shown = l->taken = 0;
        return;
    }
    in->used = l->taken;
    l->left -= l->taken;
    l->shown -= l->taken;
    l->taken = 0;
}

static hf_step turn(hf_http3 *h, hf_lane lane, hf_in *in, hf_http3_event *event)
{
    hf_step answer = HF_FAULT;
    for (;;) {
        if (h->state != HF_HTTP3_RUNNING)
            return HF_FAULT;
        if (h->out_of_memory)
            return hf_http3_fail(h, NULL, NULL, (hf_http3_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" });
        if (tell_connection(h, event) || hf_http3_tell(h, event))
            return HF_EVENT;
        if (hf_http3_own_waiting(h) >= h->env->limits->output_bytes) /* what the peer can make us write it must read */
            return HF_FULL;
        if (is_over(h)) {
            hf_http3_finish_drain(h);
            h->state = HF_HTTP3_CLOSED;
            return HF_CLOSED;
        }
        hf_http3_lane *const l = hf_http3_find(h, lane);
        if (l == NULL) {
            in->used = in->len;
            return HF_IDLE;
        }
        if (hf_http3_read_turn(h, l, in, event, &answer))
            return answer;
    }
}

hf_step hf_http3_step(hf_http3 *h, hf_time now, hf_lane lane, hf_in *in, hf_http3_event *event)
{
    in->used = in->need = 0;
    h->now = now;
    if (h->state != HF_HTTP3_RUNNING)
        return h->state == HF_HTTP3_CLOSED ? HF_CLOSED : HF_FAULT;
    hf_http3_lane *l = hf_http3_find(h, lane);
    if (l != NULL)
        account(l, in);
    hf_step answer;
    if (!hf_http3_check_clock(h, &answer))
        answer = turn(h, lane, in, event);
    /* what came just now may be late already, by the least rate */
    while (answer == HF_IDLE && !hf_time_before(now, hf_http3_wake(h)))
        if (!hf_http3_check_clock(h, &answer))
            answer = turn(h, lane, in, event);
    l = hf_http3_find(h, lane);
    if (l != NULL)
        l->offset += in->used;
    return answer;
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

/* RFC 9114 5.2: "An endpoint that is attempting to gracefully shut down a connection can send a GOAWAY frame with a value
 * set to the maximum possible value ... After allowing time for any in-flight requests or pushes to arrive, the endpoint
 * can send another GOAWAY frame indicating which requests or pushes it might accept before the end of the connection." */
void hf_http3_drain(hf_http3 *h, hf_time now, int64_t wait_ns)
{
    h->now = now;
    if (h->draining || h->state != HF_HTTP3_RUNNING)
        return;
    h->draining = true;
    if (!h->server) {
        hf_http3_finish_drain(h);
        return;
    }
    h->goaway_at = HF_H3_INT_MAX - 3;
    h->drain_at = hf_time_after(now, wait_ns > 0 ? wait_ns : 1);
    hf_trace(h->env, now, h->id, HF_TRACE_HTTP3_GOAWAY, h->goaway_at, 0);
    (void)hf_http3_say(h, HF_H3_GOAWAY, h->goaway_at);
}

void hf_http3_finish_drain(hf_http3 *h)
{
    if (h->goaway_sent)
        return;
    h->goaway_sent = h->draining = true;
    h->goaway_at = h->server ? h->peer_next : h->push_next;
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_GOAWAY, h->goaway_at, 0);
    (void)hf_http3_say(h, HF_H3_GOAWAY, h->goaway_at);
}

bool hf_http3_is_idle(const hf_http3 *h)
{
    return h->exchanges == 0 && hf_http3_own_waiting(h) == 0 && h->acts == NULL && !hf_tokens_wait(&h->tokens);
}

bool hf_http3_is_worn(const hf_http3 *h)
{
    return h->requests >= h->env->limits->requests_per_connection;
}

size_t hf_http3_open_lanes(const hf_http3 *h)
{
    return h->exchanges;
}
