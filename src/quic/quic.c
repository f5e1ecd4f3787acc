/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a connection, its events, and its end (RFC 9000 10).
 */
#include "quic_core.h"

#include "crypto_secret.h"
#include "panic.h"
#include "random.h"
#include "tls_alert.h"

/* ---- life --------------------------------------------------------------------------------------------------- */

static void init_space(hf_quic_space *s)
{
    s->largest_acked = UINT64_MAX;
    s->ack_at = s->loss_at = HF_NEVER;
    s->eliciting_at = hf_time_make(-1);
}

hf_quic *hf_quic_new(hf_quic_endpoint *ep, hf_time now, bool server, uint32_t version, const hf_quic_path *path)
{
    const hf_quic_config *const config = hf_quic_config_of(ep);
    const hf_env *const env = hf_quic_env(ep);
    hf_quic *q = hf_alloc_zeroed(&env->alloc, sizeof *q);
    if (q == NULL)
        return NULL;
    q->env = env;
    q->ep = ep;
    q->server = server;
    q->version = q->first_version = version;
    q->now = q->started = q->control_at = now;
    q->state = HF_QUIC_SHAKING;
    q->half_open = true;
    q->control_level = env->limits->quic_control * 1000000;
    q->alive_at = q->pace_at = q->last_read_until = q->over_at = q->rest_at = HF_NEVER;
    q->idle_at = hf_time_after(now, config->idle_ns > 0 ? config->idle_ns : (int64_t)env->limits->quic_idle_ns);
    q->close_after = 1;
    hf_queue_init(&q->token, &env->alloc);
    hf_queue_init(&q->session, &env->alloc);
    hf_queue_init(&q->new_token, &env->alloc);
    q->shaking = hf_alloc_zeroed(&env->alloc, sizeof *q->shaking);
    for (unsigned i = 0; i < HF_LEVEL_APPLICATION; i++)
        q->spaces[i] = q->shaking != NULL ? &q->shaking->spaces[i] : hf_quic_no_space(ep);
    q->spaces[HF_LEVEL_APPLICATION] = &q->application;
    for (unsigned i = 0; i < HF_LEVEL_COUNT && q->shaking != NULL; i++)
        init_space(q->spaces[i]);
    for (unsigned i = 0; i < HF_QUIC_URGENCIES; i++)
        hf_list_init(&q->sendable[i]);
    hf_list_init(&q->telling);
    hf_quic_params nothing_said;
    hf_quic_params_init(&nothing_said);
    q->theirs = hf_quic_terms_of(&nothing_said);
    q->routes = hf_alloc(&env->alloc, sizeof *q->routes);
    q->route_count = q->routes != NULL;
    if (q->routes != NULL)
        *q->routes = (hf_route){ .path = *path, .on = true, .validated = !server, .challenge_at = HF_NEVER, .give_up_at = HF_NEVER };
    hf_quic_new_path_recovery(q);
    q->skip_next = 16 + hf_random_below(env->random, 256);
    if (q->shaking == NULL || q->routes == NULL || !hf_handshake_init(&q->hs, env, config->tls, server)) {
        hf_quic_destroy(q);
        return NULL;
    }
    q->hs.quic = true;
    q->hs.carrier_version = version;
    return q;
}

static void free_half(hf_quic *q)
{
    const hf_allocator *const alloc = &q->env->alloc;
    hf_streams_free(q);
    hf_datagrams_free(&q->datagrams_in, alloc);
    hf_datagrams_free(&q->datagrams_out, alloc);
    hf_datagrams_free(&q->early, alloc);
    hf_datagram_free(q->lent, alloc);
    q->lent = NULL;
    hf_free(alloc, q->tokens, q->token_capacity * sizeof *q->tokens);
    q->tokens = NULL;
    q->token_count = q->token_first = q->token_capacity = q->tokens_out = 0;
}

static void free_shaking(hf_quic *q)
{
    if (q->shaking == NULL)
        return;
    for (unsigned i = 0; i < HF_LEVEL_APPLICATION; i++) {
        q->spaces[i]->gone = false; /* whatever came to be there since it was discarded */
        hf_quic_discard(q, (hf_level)i);
        q->spaces[i] = hf_quic_no_space(q->ep);
    }
    hf_quic_keys_fini(&q->shaking->first_read);
    hf_wipe(q->shaking, sizeof *q->shaking);
    hf_free(&q->env->alloc, q->shaking, sizeof *q->shaking);
    q->shaking = NULL;
}

void hf_quic_busy(hf_quic *q)
{
    q->rest_at = hf_time_after(q->now, HF_QUIC_REST_NS);
}

/* Nothing came or left for a while: contexts, and all that is empty, are given back. The next packet makes them anew. */
void hf_quic_rest(hf_quic *q)
{
    hf_quic_space *const s = &q->application;
    q->rest_at = HF_NEVER;
    if (!q->confirmed)
        return;
    free_shaking(q);
    hf_quic_keys_rest(&s->read);
    hf_quic_keys_rest(&s->write);
    if (q->turnover != NULL && !q->turnover->last_read.on)
        hf_quic_turnover_end(q);
    else if (q->turnover != NULL)
        hf_quic_keys_rest(&q->turnover->last_read);
    hf_sent_rest(&s->sent, &q->env->alloc);
    hf_quic_routes_rest(q);
    if (q->tokens_out == 0 && q->token_capacity > 0) {
        hf_free(&q->env->alloc, q->tokens, q->token_capacity * sizeof *q->tokens);
        q->tokens = NULL;
        q->token_first = q->token_capacity = 0;
    }
    if (q->retire_count == 0) {
        hf_free(&q->env->alloc, q->retire, sizeof *q->retire);
        q->retire = NULL;
    }
    hf_queue_trim(&q->token);
    hf_quic_spares_free(q->ep);
}

void hf_quic_destroy(hf_quic *q)
{
    const hf_allocator *const alloc = &q->env->alloc;
    hf_link_leave(&q->ready);
    hf_link_leave(&q->noticed);
    hf_link_leave(&q->all);
    free_half(q);
    hf_quic_early_forget(q);
    free_shaking(q);
    hf_quic_discard(q, HF_LEVEL_APPLICATION);
    hf_quic_turnover_end(q);
    hf_free(alloc, q->routes, q->route_count * sizeof *q->routes);
    hf_free(alloc, q->retire, sizeof *q->retire);
    hf_free(alloc, q->reason, q->reason != NULL ? HF_QUIC_REASON : 0);
    hf_queue_fini(&q->token);
    hf_queue_fini(&q->session);
    hf_queue_fini(&q->new_token);
    if (q->hs.env != NULL)
        hf_handshake_fini(&q->hs);
    hf_wipe(q, sizeof *q);
    hf_free(alloc, q, sizeof *q);
}

/* ---- states ------------------------------------------------------------------------------------------------- */

#define TO(state) (1u << HF_QUIC_##state)
static const uint8_t moves[HF_QUIC_STATE_COUNT] = {
    [HF_QUIC_SHAKING] = TO(OPEN) | TO(CLOSING) | TO(DRAINING) | TO(OVER),
    [HF_QUIC_OPEN] = TO(CLOSING) | TO(DRAINING) | TO(OVER),
    [HF_QUIC_CLOSING] = TO(DRAINING) | TO(OVER),
    [HF_QUIC_DRAINING] = TO(OVER),
};

void hf_quic_move(hf_quic *q, hf_quic_state to)
{
    HF_ASSERT(moves[q->state] >> to & 1);
    hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_STATE, q->state, to);
    q->state = (uint8_t)to;
    if (to == HF_QUIC_OVER)
        hf_quic_forget(q);
}

/* RFC 9000 10.2: closing and draining last "at least three times the current PTO". */
static void set_over(hf_quic *q)
{
    const unsigned shift = q->timeouts < 6 ? q->timeouts : 6;
    q->over_at = hf_time_after(q->now, 3 * hf_quic_timeout_ns(q, HF_LEVEL_APPLICATION) << shift);
}

static void start_closing(hf_quic *q)
{
    set_over(q);
    q->close_due = true;
    hf_quic_move(q, HF_QUIC_CLOSING);
}

/* RFC 9000 20.1: what each refusal is called on the wire. */
uint64_t hf_quic_transport_code(const hf_quic_fault *fault)
{
    static const struct { int32_t code; uint8_t wire; } rows[] = {
        { HF_ERR_QUIC_FRAME, 0x07 },         { HF_ERR_QUIC_FRAME_TYPE, 0x07 },  { HF_ERR_QUIC_PARAMETERS, 0x08 },
        { HF_ERR_QUIC_IDS_DIFFER, 0x08 },    { HF_ERR_QUIC_FLOW_CONTROL, 0x03 }, { HF_ERR_QUIC_STREAM_LIMIT, 0x04 },
        { HF_ERR_QUIC_STREAM_STATE, 0x05 },  { HF_ERR_QUIC_FINAL_SIZE, 0x06 },  { HF_ERR_QUIC_ID_LIMIT, 0x09 },
        { HF_ERR_QUIC_TOKEN, 0x0b },         { HF_ERR_QUIC_CRYPTO_BUFFER, 0x0d }, { HF_ERR_QUIC_KEY_UPDATE, 0x0e },
        { HF_ERR_QUIC_KEYS_WORN, 0x0f },     { HF_ERR_BASE_MEMORY, 0x01 },
        { HF_ERR_QUIC_VERSIONS, 0x11 },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (rows[i].code == fault->err.code)
            return rows[i].wire;
    return fault->err.code >> 16 == HF_AREA_QUIC ? HF_QUIC_PROTOCOL_VIOLATION : (uint64_t)HF_QUIC_CRYPTO_ERROR + hf_alert_of(fault->err);
}

bool hf_quic_fail(hf_quic *q, int32_t code, uint64_t frame, const char *wanted)
{
    if (q->state >= HF_QUIC_CLOSING)
        return false;
    hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_REFUSED, (uint64_t)code, frame);
    q->faulted = true;
    q->fault = (hf_quic_fault){ .err = hf_err_make(code), .frame = frame, .packet = q->reading, .wanted = wanted, .tls = q->hs.fault };
    q->fault.code = hf_quic_transport_code(&q->fault);
    start_closing(q);
    return false;
}

bool hf_quic_no_memory(hf_quic *q)
{
    return hf_quic_fail(q, HF_ERR_BASE_MEMORY, 0, "memory");
}

void hf_quic_end_silently(hf_quic *q, int32_t code)
{
    if (q->state >= HF_QUIC_CLOSING)
        return;
    hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_REFUSED, (uint64_t)code, 0);
    /* a connection that was open and fell silent is over in good order; all else is a fault */
    q->faulted = code != HF_ERR_QUIC_IDLE || q->state == HF_QUIC_SHAKING;
    q->fault = (hf_quic_fault){ .err = hf_err_make(code), .remote = code == HF_ERR_QUIC_RESET };
    hf_quic_move(q, HF_QUIC_OVER);
}

/* Without memory for them it ends without words. */
static void keep_reason(hf_quic *q, hf_bytes said)
{
    const size_t n = said.len < HF_QUIC_REASON ? said.len : HF_QUIC_REASON;
    q->reason = n > 0 ? hf_alloc(&q->env->alloc, HF_QUIC_REASON) : NULL;
    if (q->reason == NULL)
        return;
    memcpy(q->reason, said.ptr, n);
    q->fault.reason = q->reason;
    q->fault.reason_length = (uint8_t)n;
}

void hf_quic_peer_closed(hf_quic *q, const hf_frame *f)
{
    if (q->state >= HF_QUIC_CLOSING)
        return;
    const bool application = f->kind == HF_FRAME_CLOSE_APPLICATION;
    q->faulted = f->code != 0;
    q->fault = (hf_quic_fault){ .err = hf_err_make(f->code == 0 ? 0 : application ? HF_ERR_QUIC_PEER_APPLICATION : HF_ERR_QUIC_PEER_TRANSPORT),
                                .remote = true, .application = application, .code = f->code, .frame = f->offset };
    keep_reason(q, f->bytes);
    set_over(q);
    hf_quic_move(q, HF_QUIC_DRAINING);
}

void hf_quic_close(hf_quic *q, hf_time now, uint64_t code, hf_bytes reason)
{
    if (q->state >= HF_QUIC_CLOSING)
        return;
    q->now = now;
    q->fault = (hf_quic_fault){ .application = true, .code = code & HF_VARINT_MOST };
    keep_reason(q, reason);
    start_closing(q);
    hf_quic_touch(q);
}

void hf_quic_free(hf_quic *q)
{
    if (q == NULL)
        return;
    q->user = NULL;
    q->orphan = true;
    free_half(q);
    if (q->state != HF_QUIC_CLOSING) {
        if (q->state != HF_QUIC_OVER)
            hf_quic_move(q, HF_QUIC_OVER);
        hf_quic_destroy(q);
        return;
    }
    hf_quic_touch(q);
}

void hf_quic_set_user(hf_quic *q, void *user)
{
    q->user = user;
}

/* ---- events ------------------------------------------------------------------------------------------------- */

bool hf_quic_has_events(const hf_quic *q)
{
    if (q->state >= HF_QUIC_CLOSING)
        return !q->told_over;
    return q->tell_early || q->tell_rejected || q->tell_opened || q->tell_confirmed || q->tell_sign || q->tell_verify || q->tell_session || q->tell_token || q->tell_moved ||
           q->token_count > 0 || !hf_list_is_empty(&q->telling) || q->datagrams_in.first != NULL ||
           (q->streams_wanted[0] && q->may_open[0] > q->opened[0] && hf_quic_is_usable(q)) ||
           (q->streams_wanted[1] && q->may_open[1] > q->opened[1] && hf_quic_is_usable(q));
}

static hf_bytes queue_bytes(const hf_queue *queue)
{
    const hf_span s = hf_queue_peek(queue);
    return hf_bytes_make(s.ptr, s.len);
}

static void ask(hf_quic *q, hf_quic_event *event, hf_quic_event_kind kind)
{
    event->kind = kind;
    event->tls.kind = kind == HF_QUIC_WANT_SIGN ? HF_TLS_WANT_SIGN : HF_TLS_WANT_VERIFY;
    hf_handshake_question(&q->hs, &event->tls);
}

static bool once(bool *flag)
{
    const bool was = *flag;
    *flag = false;
    return was;
}

static bool next_of_connection(hf_quic *q, hf_quic_event *event)
{
    if (once(&q->tell_verify)) {
        q->verifying = true;
        ask(q, event, HF_QUIC_WANT_VERIFY);
    } else if (once(&q->tell_sign)) {
        q->signing = true;
        ask(q, event, HF_QUIC_WANT_SIGN);
    } else if (once(&q->tell_early)) {
        event->kind = HF_QUIC_EARLY;
    } else if (once(&q->tell_rejected)) {
        event->kind = HF_QUIC_EARLY_REJECTED;
    } else if (once(&q->tell_opened)) {
        event->kind = HF_QUIC_OPENED;
    } else if (once(&q->tell_confirmed)) {
        event->kind = HF_QUIC_CONFIRMED;
    } else if (once(&q->tell_session)) {
        event->kind = HF_QUIC_SESSION;
        event->bytes = queue_bytes(&q->session);
    } else if (once(&q->tell_token)) {
        event->kind = HF_QUIC_TOKEN;
        event->bytes = queue_bytes(&q->new_token);
    } else if (once(&q->tell_moved)) {
        event->kind = HF_QUIC_MOVED;
    } else {
        return false;
    }
    return true;
}

static bool next_of_lanes(hf_quic *q, hf_quic_event *event)
{
    if (q->token_count > 0) {
        *event = (hf_quic_event){ .kind = HF_QUIC_RELEASED, .token = q->tokens[q->token_first++] };
        q->token_count--;
        q->tokens_out--;
        if (q->token_count == 0)
            q->token_first = 0;
        return true;
    }
    if (hf_stream_tell_next(q, event))
        return true;
    for (unsigned k = 0; k < 2; k++)
        if (q->streams_wanted[k] && q->may_open[k] > q->opened[k] && hf_quic_is_usable(q)) {
            q->streams_wanted[k] = false;
            *event = (hf_quic_event){ .kind = HF_QUIC_STREAMS, .one_way = k };
            return true;
        }
    q->lent = hf_datagrams_pop(&q->datagrams_in);
    if (q->lent == NULL)
        return false;
    *event = (hf_quic_event){ .kind = HF_QUIC_DATAGRAM, .bytes = hf_bytes_make(q->lent->bytes, q->lent->length) };
    return true;
}

hf_step hf_quic_next(hf_quic *q, hf_time now, hf_quic_event *event)
{
    q->now = now;
    *event = (hf_quic_event){ .kind = HF_QUIC_OPENED };
    hf_datagram_free(q->lent, &q->env->alloc);
    q->lent = NULL;
    if (q->state >= HF_QUIC_CLOSING) {
        if (!q->told_over) {
            q->told_over = true;
            free_half(q);
        }
        return q->faulted ? HF_FAULT : HF_CLOSED;
    }
    const bool some = next_of_connection(q, event) || next_of_lanes(q, event);
    hf_quic_touch(q);
    return some ? HF_EVENT : HF_IDLE;
}

void hf_quic_touch(hf_quic *q)
{
    /* what is ready waits for emit, which sets the timer anew: no need to know now when that would be */
    if (q->state <= HF_QUIC_CLOSING && hf_link_is_in(&q->ready)) {
        if (hf_quic_has_events(q))
            hf_quic_notice(q);
        return;
    }
    hf_quic_schedule(q, hf_quic_deadline(q), q->state <= HF_QUIC_CLOSING, hf_quic_has_events(q));
}

/* ---- DATAGRAM ----------------------------------------------------------------------------------------------- */

size_t hf_quic_datagram_most(const hf_quic *q)
{
    /* with header, frame header and tag */
    const size_t fits = q->datagram_bytes - (1u + HF_QUIC_CID_MOST + 4 + HF_QUIC_TAG + 3);
    if (q->state != HF_QUIC_OPEN || q->theirs.datagram_most <= 3)
        return 0;
    return q->theirs.datagram_most - 3 < fits ? (size_t)q->theirs.datagram_most - 3 : fits;
}

hf_err hf_quic_send_datagram(hf_quic *q, hf_bytes bytes)
{
    const size_t most = hf_quic_datagram_most(q);
    if (most == 0 || bytes.len > most || q->datagrams_out.count >= q->env->limits->quic_datagrams)
        return hf_err_make(HF_ERR_QUIC_DATAGRAM);
    if (!hf_datagrams_push(&q->datagrams_out, &q->env->alloc, bytes))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_quic_touch(q);
    return HF_OK;
}

/* ---- what is known ------------------------------------------------------------------------------------------ */

const hf_quic_fault *hf_quic_fault_of(const hf_quic *q)
{
    return &q->fault;
}

static size_t memory_of(const hf_quic *q)
{
    size_t n = sizeof *q + (q->shaking != NULL ? sizeof *q->shaking : 0) + (q->zero != NULL ? sizeof *q->zero : 0) + (q->turnover != NULL ? sizeof *q->turnover : 0) +
               (q->retire != NULL ? sizeof *q->retire : 0) +
               q->route_count * sizeof *q->routes + q->bucket_count * sizeof(hf_stream *) + q->token_capacity * sizeof *q->tokens;
    for (unsigned i = 0; i < HF_LEVEL_COUNT; i++) {
        const hf_quic_space *const s = q->spaces[i];
        n += s->sent.packet_capacity * sizeof(hf_sent_packet) + s->sent.frame_capacity * sizeof(hf_sent_frame) + s->received.capacity * sizeof(hf_range);
    }
    for (uint32_t i = 0; i < q->bucket_count; i++)
        for (const hf_stream *s = q->buckets[i]; s != NULL; s = s->bucket)
            n += hf_stream_memory(s);
    return n;
}

void hf_quic_info_of(const hf_quic *q, hf_quic_info *info)
{
    *info = (hf_quic_info){
        .path = q->routes[q->route].path, .id = q->id, .server = q->server, .open = q->state == HF_QUIC_OPEN, .confirmed = q->confirmed,
        .resumed = q->resumed, .early = q->early_taken, .retried = q->retried, .ecn = q->ecn, .version = q->version, .datagram_bytes = q->datagram_bytes,
        .congestion_window = hf_congestion_window(&q->congestion), .threshold = q->congestion.now.threshold, .in_flight = q->in_flight,
        .slow_start = hf_congestion_slow_start(&q->congestion), .rtt_ns = q->rtt.smoothed_ns, .rtt_variation_ns = q->rtt.variation_ns,
        .rtt_least_ns = q->rtt.least_ns, .packets_sent = q->packets_sent, .packets_received = q->packets_received,
        .packets_lost = q->packets_lost, .bytes_sent = q->bytes_sent, .bytes_received = q->bytes_received, .timeouts = q->probes_sent,
        .key_updates = q->key_updates, .migrations = q->migrations, .send_allowed = q->send_allowed, .sent = q->sent_bytes,
        .receive_allowed = q->receive_allowed, .received = q->received_bytes, .lanes = q->stream_count, .memory = memory_of(q),
    };
}

bool hf_quic_is_resumed(const hf_quic *q)
{
    return q->resumed;
}

bool hf_quic_is_early(const hf_quic *q)
{
    return q->early_on;
}

const char *hf_quic_suite(const hf_quic *q)
{
    return q->hs.suite != NULL ? q->hs.suite->name : "none";
}

const char *hf_quic_group(const hf_quic *q)
{
    switch (q->hs.group) {
    case HF_GROUP_X25519: return "x25519";
    case HF_GROUP_P256: return "secp256r1";
    case HF_GROUP_P384: return "secp384r1";
    case HF_GROUP_X25519MLKEM768: return "X25519MLKEM768";
    default: return "none";
    }
}

hf_bytes hf_quic_protocol(const hf_quic *q)
{
    return q->hs.protocol;
}

hf_bytes hf_quic_peer(const hf_quic *q)
{
    return hf_bytes_make(q->hs.peer, q->hs.peer_length);
}

hf_bytes hf_quic_host(const hf_quic *q)
{
    return hf_bytes_make(q->hs.host, q->hs.host_length);
}
