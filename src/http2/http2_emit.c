/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes out, and who goes first (RFC 9218).
 *
 * Every frame but DATA leaves first, in order. Then streams take turns, a frame each: of the most urgent that have
 * something to say; but every eighth frame is one of the least urgent, so that nobody starves. Streams that asked to be
 * sent one after the other (not incremental) have longer turns, and the others are served in a circle.
 */
#include "http2_core.h"

#include "panic.h"

/* ---- the schedule ------------------------------------------------------------------------------------------- */

static bool wants_to_end(const hf_http2_exchange *s)
{
    return s->phase == HF_PHASE_ENDED && !s->end_sent && hf_http2_local_open(s);
}

void hf_http2_unschedule(hf_http2 *h, hf_http2_exchange *s)
{
    if (!s->ready)
        return;
    hf_http2_exchange **const ring = &h->ready[s->priority.urgency];
    s->ready = false;
    if (s->next_ready == s) {
        *ring = NULL;
        return;
    }
    s->previous_ready->next_ready = s->next_ready;
    s->next_ready->previous_ready = s->previous_ready;
    if (*ring == s)
        *ring = s->next_ready;
}

void hf_http2_schedule(hf_http2 *h, hf_http2_exchange *s)
{
    const bool output = hf_outlet_waits(&s->output);
    const bool waits = output && s->output.pending > 0 && s->send_window <= 0;
    const bool ready = hf_http2_local_open(s) && (output ? !waits : wants_to_end(s));
    hf_http2_block(h, s, waits);
    if (ready == s->ready)
        return;
    if (!ready) {
        hf_http2_unschedule(h, s);
        return;
    }
    hf_http2_exchange **const ring = &h->ready[s->priority.urgency];
    s->ready = true;
    s->turns = 0;
    if (*ring == NULL) {
        *ring = s->next_ready = s->previous_ready = s;
        return;
    }
    s->next_ready = *ring; /* the circle's end is before its beginning */
    s->previous_ready = (*ring)->previous_ready;
    s->previous_ready->next_ready = s;
    (*ring)->previous_ready = s;
}

void hf_http2_set_priority(hf_http2 *h, hf_http2_exchange *s, hf_priority priority)
{
    hf_http2_unschedule(h, s);
    s->priority = priority;
    hf_http2_schedule(h, s);
}

/* The first of a circle that can send something; with the connection's window closed, only what needs none of it. */
static hf_http2_exchange *first_of(const hf_http2 *h, unsigned urgency)
{
    hf_http2_exchange *const begin = h->ready[urgency];
    hf_http2_exchange *s = begin;
    if (s == NULL || h->send_window > 0)
        return s;
    do {
        if (s->output.pending == 0)
            return s;
        s = s->next_ready;
    } while (s != begin);
    return NULL;
}

static hf_http2_exchange *choose(const hf_http2 *h)
{
    const bool courteous = h->turn % HF_HTTP2_COURTESY == HF_HTTP2_COURTESY - 1;
    for (unsigned i = 0; i < HF_URGENCIES; i++) {
        hf_http2_exchange *const s = first_of(h, courteous ? HF_URGENCIES - 1 - i : i);
        if (s != NULL)
            return s;
    }
    return NULL;
}

/* The stream had a turn. Who did not say how it wants to be served shares with the others. */
static void rotate(hf_http2 *h, hf_http2_exchange *s)
{
    const bool shares = s->priority.incremental || !s->explicit_priority;
    h->turn++;
    if (!s->ready || (!shares && ++s->turns < HF_HTTP2_QUANTUM))
        return;
    s->turns = 0;
    if (h->ready[s->priority.urgency] == s)
        h->ready[s->priority.urgency] = s->next_ready;
}

/* ---- pieces ------------------------------------------------------------------------------------------------- */

/* True when the queue was emptied. */
static bool emit_control(hf_http2 *h, hf_out *out)
{
    h->control_out += hf_out_queue(out, &h->control, UINT64_MAX);
    return hf_queue_length(&h->control) == 0;
}

/* ---- DATA --------------------------------------------------------------------------------------------------- */

static uint64_t frame_most(const hf_http2 *h, const hf_http2_exchange *s)
{
    int64_t most = h->peer_frame < HF_FRAME_LEAST_MAX ? h->peer_frame : HF_FRAME_LEAST_MAX; /* others shall have a turn */
    most = s->send_window < most ? s->send_window : most;
    most = h->send_window < most ? h->send_window : most;
    return most < 0 ? 0 : (uint64_t)most;
}

/* One DATA frame, *sent bytes of body in it. The header is claimed first and filled in when it is known how much found
 * room behind it: one byte at least, which is asked for before. False: `out` is full. */
static bool emit_data(hf_http2 *h, hf_http2_exchange *s, hf_out *out, uint64_t *sent)
{
    uint64_t copied = 0;
    *sent = 0;
    if (!hf_outlet_emit_empty(&s->output, out)) /* tokens without bytes need no frame */
        return false;
    if (s->output.pending == 0 && (!wants_to_end(s) || s->end_fields != NULL))
        return true;
    if (out->scratch_capacity - out->scratch_used <= HF_FRAME_HEADER_BYTES || out->capacity - out->count < 2 ||
        out->room <= HF_FRAME_HEADER_BYTES)
        return false;
    uint8_t *const header = hf_out_claim(out, HF_FRAME_HEADER_BYTES);
    *sent = s->output.pending > 0 ? hf_outlet_emit(&s->output, frame_most(h, s), out, &copied) : 0;
    h->copied_bytes -= copied;
    HF_ASSERT(header != NULL && (*sent > 0 || s->output.pending == 0));
    const bool ends = !hf_outlet_waits(&s->output) && wants_to_end(s) && s->end_fields == NULL;
    hf_frame_write(header, (uint32_t)*sent, HF_FRAME_DATA, ends ? HF_FLAG_END_STREAM : 0, s->id);
    return true;
}

void hf_http2_charge(hf_http2 *h, hf_http2_exchange *s, uint64_t sent)
{
    s->send_window -= (int64_t)sent;
    h->send_window -= (int64_t)sent;
    h->data_sent += sent;
    if (sent > 0) /* two WINDOW_UPDATE for a frame, and for each KiB of it: proxies acknowledge what fits their buffers */
        hf_http2_earn(&h->voids, h->env->limits->http2_void_rate, 2 + (unsigned)(sent / 512));
}

/* A stream's turn. False: `out` is full. */
static bool emit_turn(hf_http2 *h, hf_http2_exchange *s, hf_out *out)
{
    uint64_t sent;
    if (!emit_data(h, s, out, &sent))
        return false;
    hf_http2_charge(h, s, sent);
    rotate(h, s);
    if (hf_outlet_waits(&s->output) || !wants_to_end(s)) {
        hf_http2_schedule(h, s);
        return true;
    }
    if (s->end_fields != NULL) {
        const hf_fields fields = { s->end_fields, s->end_count };
        if (!hf_http2_send_trailers(h, s, fields)) {
            h->out_of_memory = true;
            return false;
        }
    }
    hf_http2_sent_end(h, s);
    return true;
}

/* ---- windows that we give ----------------------------------------------------------------------------------- */

/* What to add to a window whose reader has taken half of it, 0: nothing yet. A window that was used up within a few round
 * trips holds its sender back: it doubles. */
static uint32_t enlarge(const hf_http2 *h, uint32_t consumed, uint32_t *size, hf_time *at, uint64_t most)
{
    if ((uint64_t)consumed * 2 < *size)
        return 0;
    uint32_t more = 0;
    const bool fast = h->round_trip_ns > 0 && h->now.ns - at->ns < 4 * h->round_trip_ns;
    if (fast && *size < most)
        more = *size < most - *size ? *size : (uint32_t)most - *size;
    *size += more;
    *at = h->now;
    return consumed + more;
}

static void give_windows(hf_http2 *h)
{
    const hf_limits *const l = h->env->limits;
    uint32_t n = enlarge(h, h->consumed, &h->recv_size, &h->window_at, l->http2_connection_window_bytes);
    if (n > 0 && hf_http2_send_u32(h, HF_FRAME_WINDOW_UPDATE, 0, n)) {
        h->recv_window += n;
        h->consumed = 0;
    }
    while (h->dirty != NULL) {
        hf_http2_exchange *const s = h->dirty;
        h->dirty = s->next_dirty;
        s->dirty = false;
        const bool whole = s->declared >= 0 && s->received >= (uint64_t)s->declared;
        if (!hf_http2_remote_open(s) || s->discarding || whole)
            continue;
        n = enlarge(h, s->consumed, &s->recv_size, &s->window_at, l->http2_window_bytes);
        if (n > 0 && hf_http2_send_u32(h, HF_FRAME_WINDOW_UPDATE, s->id, n)) {
            s->recv_window += n;
            s->consumed = 0;
        }
    }
}

/* ---- emit --------------------------------------------------------------------------------------------------- */

static void tell_writable(hf_http2 *h, hf_http2_exchange *s)
{
    const uint64_t room = hf_http2_copied_room(h, s);
    const bool roomy = room > 0 && (s->output.pending == 0 || room >= h->env->limits->output_bytes / 2);
    if (!s->put_short || !roomy || hf_http2_piece_room(h, s) == 0)
        return;
    s->put_short = false;
    h->short_count--;
    hf_http2_owe(h, s, HF_DUE_WRITABLE);
}

static bool has_bytes_waiting(const hf_http2 *h)
{
    for (unsigned u = 0; u < HF_URGENCIES; u++) {
        const hf_http2_exchange *s = h->ready[u];
        if (s == NULL)
            continue;
        do {
            if (s->output.pending > 0)
                return true;
            s = s->next_ready;
        } while (s != h->ready[u]);
    }
    return false;
}

size_t hf_http2_emit(hf_http2 *h, hf_time now, hf_out *out)
{
    const uint64_t before = out->bytes;
    h->now = now;
    if (h->control_out == 0 && !h->settings_acked)
        h->settings_at = now;
    if (h->reading < HF_READING_CLOSED)
        give_windows(h);
    while (hf_tokens_emit(&h->tokens, out) && emit_control(h, out) && h->reading < HF_READING_CLOSED) {
        hf_http2_exchange *const s = choose(h);
        if (s == NULL || !emit_turn(h, s, out))
            break;
    }
    hf_http2_block_all(h, h->send_window <= 0 && has_bytes_waiting(h));
    if (h->short_count > 0 && h->reading < HF_READING_CLOSED)
        hf_http2_each(h, tell_writable);
    if (out->bytes > before && h->reading >= HF_READING_FRAME)
        h->since = now;
    return (size_t)(out->bytes - before);
}
