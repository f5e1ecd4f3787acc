/* SPDX-License-Identifier: Apache-2.0
 *
 * What the frames of an authentic packet do.
 */
#include "quic_core.h"

/* Frames that carry nothing, or demand answers, empty a bucket that fills with time. */
static bool spend_control(hf_quic *q, uint64_t type)
{
    const hf_limits *const l = q->env->limits;
    const uint64_t full = l->quic_control * 1000000, cost = 1000000;
    const uint64_t passed_us = (uint64_t)(q->now.ns - q->control_at.ns) / 1000;
    const uint64_t gained = passed_us > 1000000000 ? full : passed_us * l->quic_control_rate;
    q->control_at = q->now;
    q->control_level = q->control_level + gained < full ? q->control_level + gained : full;
    if (q->control_level < cost)
        return hf_quic_fail(q, HF_ERR_QUIC_FLOOD, type, "fewer control frames (limit quic_control)");
    q->control_level -= cost;
    return true;
}

static bool max_data(hf_quic *q, uint64_t limit)
{
    if (limit <= q->send_allowed)
        return true;
    q->send_allowed = limit;
    hf_streams_unblock(q);
    return true;
}

static bool max_stream_data(hf_quic *q, const hf_frame *f)
{
    bool good;
    hf_stream *const s = hf_stream_of_frame(q, f->id, true, f->type, &good);
    if (s == NULL || f->offset <= s->send_allowed)
        return good;
    s->send_allowed = f->offset;
    hf_stream_touch(q, s);
    return true;
}

static bool max_streams(hf_quic *q, const hf_frame *f)
{
    if (f->offset > q->may_open[f->one_way])
        q->may_open[f->one_way] = f->offset;
    return true;
}

static bool new_token(hf_quic *q, const hf_frame *f)
{
    if (q->server)
        return hf_quic_fail(q, HF_ERR_QUIC_FRAME_PLACE, f->type, "no NEW_TOKEN from a client");
    if (hf_queue_length(&q->new_token) > 0) /* one is enough: the newest */
        hf_queue_take(&q->new_token, hf_queue_length(&q->new_token));
    if (!hf_queue_append(&q->new_token, f->bytes))
        return hf_quic_no_memory(q);
    q->tell_token = true;
    return true;
}

static bool datagram(hf_quic *q, const hf_frame *f)
{
    if (q->ours.datagram_most == 0) /* RFC 9221 3: PROTOCOL_VIOLATION */
        return hf_quic_fail(q, HF_ERR_QUIC_FRAME_PLACE, f->type, "no DATAGRAM: it was not offered");
    if (q->datagrams_in.count >= q->env->limits->quic_datagrams)
        hf_datagram_free(hf_datagrams_pop(&q->datagrams_in), &q->env->alloc);
    return hf_datagrams_push(&q->datagrams_in, &q->env->alloc, f->bytes) || hf_quic_no_memory(q);
}

static bool done(hf_quic *q, const hf_frame *f)
{
    if (q->server)
        return hf_quic_fail(q, HF_ERR_QUIC_FRAME_PLACE, f->type, "no HANDSHAKE_DONE from a client");
    hf_quic_confirm(q);
    return true;
}

static bool is_control(hf_frame_kind kind)
{
    switch (kind) {
    case HF_FRAME_PADDING: case HF_FRAME_ACK: case HF_FRAME_CRYPTO: case HF_FRAME_STREAM: case HF_FRAME_DATAGRAM: case HF_FRAME_CLOSE:
    case HF_FRAME_CLOSE_APPLICATION: return false;
    default: return true;
    }
}

static bool apply(hf_quic *q, hf_level level, const hf_frame *f)
{
    bool good = true;
    switch (f->kind) {
    case HF_FRAME_ACK: return hf_quic_acked(q, level, &f->ack);
    case HF_FRAME_CRYPTO: return hf_quic_hello_data(q, level, f->offset, f->bytes);
    case HF_FRAME_STREAM: return hf_stream_data(q, f);
    case HF_FRAME_RESET_STREAM: return hf_stream_reset(q, f);
    case HF_FRAME_STOP_SENDING: return hf_stream_stop(q, f);
    case HF_FRAME_MAX_DATA: return max_data(q, f->offset);
    case HF_FRAME_MAX_STREAM_DATA: return max_stream_data(q, f);
    case HF_FRAME_MAX_STREAMS: return max_streams(q, f);
    case HF_FRAME_STREAM_DATA_BLOCKED: (void)hf_stream_of_frame(q, f->id, false, f->type, &good); return good;
    case HF_FRAME_NEW_TOKEN: return new_token(q, f);
    case HF_FRAME_NEW_CONNECTION_ID: return hf_quic_new_id(q, f);
    case HF_FRAME_RETIRE_CONNECTION_ID: return hf_quic_retire_id(q, f);
    case HF_FRAME_PATH_RESPONSE: return hf_quic_answer_came(q, f->bytes.ptr);
    case HF_FRAME_CLOSE: case HF_FRAME_CLOSE_APPLICATION: hf_quic_peer_closed(q, f); return true;
    case HF_FRAME_HANDSHAKE_DONE: return done(q, f);
    case HF_FRAME_DATAGRAM: return datagram(q, f);
    default: return true; /* PADDING, PING, ..._BLOCKED: limits are told when they are used up, not when they are asked for */
    }
}

static bool is_probing(hf_frame_kind kind)
{
    /* RFC 9000 9.1 */
    return kind == HF_FRAME_PATH_CHALLENGE || kind == HF_FRAME_PATH_RESPONSE || kind == HF_FRAME_NEW_CONNECTION_ID || kind == HF_FRAME_PADDING;
}

bool hf_quic_frames(hf_quic *q, hf_level level, hf_quic_kind kind, hf_bytes payload, bool *eliciting, bool *probing)
{
    hf_reader r = hf_reader_make(payload);
    *eliciting = false;
    *probing = true;
    if (payload.len == 0)
        return hf_quic_fail(q, HF_ERR_QUIC_EMPTY, 0, "a frame in each packet");
    while (r.at != r.end) {
        hf_frame f;
        const hf_err err = hf_frame_read(&r, &f);
        if (err.code != 0)
            return hf_quic_fail(q, err.code, f.type, "a frame of RFC 9000 19");
        if (!hf_frame_fits(f.kind, kind))
            return hf_quic_fail(q, HF_ERR_QUIC_FRAME_PLACE, f.type, "a frame that may stand in this packet");
        *eliciting |= hf_frame_elicits(f.kind);
        *probing &= is_probing(f.kind);
        if (f.kind == HF_FRAME_PATH_CHALLENGE)
            (void)hf_quic_challenge_came(q, q->from_route, f.bytes.ptr);
        if ((is_control(f.kind) && !spend_control(q, f.type)) || !apply(q, level, &f))
            return false;
        if (q->state >= HF_QUIC_DRAINING)
            return true;
    }
    return true;
}
