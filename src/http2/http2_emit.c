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

static bool has_output(const hf_http2_exchange *s)
{
    return s->pending > 0 || s->piece_first < s->piece_count;
}

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
    const bool output = has_output(s);
    const bool waits = output && s->pending > 0 && s->send_window <= 0;
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
        if (s->pending == 0)
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

static void account(hf_out *out, uint64_t n)
{
    out->room -= n;
    out->bytes += n;
}

/* `n` bytes of scratch at the end of the last piece, or in a new one. NULL when there is no room. */
static uint8_t *claim(hf_out *out, size_t n)
{
    uint8_t *const to = out->scratch + out->scratch_used;
    hf_extent *const last = out->count > 0 ? &out->pieces[out->count - 1] : NULL;
    const bool joins = last != NULL && last->kind == HF_EXTENT_COPIED && last->bytes.ptr + last->bytes.len == to;
    if (out->scratch_capacity - out->scratch_used < n || out->room < n || (!joins && out->count == out->capacity))
        return NULL;
    if (joins)
        last->bytes.len += n;
    else
        out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(to, n) };
    out->scratch_used += n;
    account(out, n);
    return to;
}

/* What scratch has room for, at most `n`. */
static size_t fit(const hf_out *out, uint64_t n)
{
    const size_t scratch = out->scratch_capacity - out->scratch_used;
    n = n < scratch ? n : scratch;
    return (size_t)(n < out->room ? n : out->room);
}

/* True when the queue was emptied. */
static bool emit_control(hf_http2 *h, hf_out *out)
{
    const hf_span held = hf_queue_peek(&h->control);
    const size_t n = fit(out, held.len);
    if (held.len == 0)
        return true;
    uint8_t *const to = n > 0 ? claim(out, n) : NULL;
    if (to == NULL)
        return false;
    memcpy(to, held.ptr, n);
    hf_queue_take(&h->control, n);
    h->control_out += n;
    return n == held.len;
}

static bool emit_tokens(hf_http2 *h, hf_out *out)
{
    while (h->token_first < h->token_count) {
        if (out->count == out->capacity)
            return false;
        out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_LENT, .token = h->tokens[h->token_first++] };
    }
    h->token_first = h->token_count = 0;
    return true;
}

/* ---- DATA --------------------------------------------------------------------------------------------------- */

/* At most `most` bytes of the stream's copied output. */
static uint64_t emit_copied(hf_http2 *h, hf_http2_exchange *s, uint64_t most, hf_out *out)
{
    const size_t n = fit(out, most);
    uint8_t *const to = n > 0 ? claim(out, n) : NULL;
    if (to == NULL)
        return 0;
    memcpy(to, hf_queue_peek(&s->copied).ptr, n);
    hf_queue_take(&s->copied, n);
    h->copied_bytes -= n;
    return n;
}

/* At most `most` bytes of a piece; its token stays with the rest. *whole: nothing of it is left. */
static uint64_t emit_piece(hf_extent *e, uint64_t most, hf_out *out, bool *whole)
{
    const uint64_t length = hf_extent_length(e);
    uint64_t n = length < most ? length : most;
    n = n < out->room ? n : out->room;
    *whole = false;
    if (out->count == out->capacity || (n == 0 && length > 0))
        return 0;
    hf_extent part = *e;
    *whole = n == length;
    if (!*whole)
        part.token = 0;
    if (e->kind == HF_EXTENT_FILE) {
        part.length = n;
        e->offset += n;
        e->length -= n;
    } else {
        part.bytes.len = (size_t)n;
        if (n > 0)
            e->bytes = hf_bytes_make(e->bytes.ptr + n, e->bytes.len - (size_t)n);
    }
    out->pieces[out->count++] = part;
    account(out, n);
    return n;
}

/* Up to `most` bytes of the body; returns how many. */
static uint64_t emit_body(hf_http2 *h, hf_http2_exchange *s, uint64_t most, hf_out *out)
{
    uint64_t sent = 0;
    for (;;) {
        hf_http2_piece *const piece = s->piece_first < s->piece_count ? &s->pieces[s->piece_first] : NULL;
        uint64_t *const copied = piece != NULL ? &piece->before : &s->tail;
        if (*copied > 0) {
            const uint64_t n = emit_copied(h, s, *copied < most - sent ? *copied : most - sent, out);
            *copied -= n;
            sent += n;
            if (n == 0)
                break;
        } else if (piece != NULL) {
            bool whole;
            sent += emit_piece(&piece->extent, most - sent, out, &whole);
            s->piece_first += whole;
            if (!whole)
                break;
        } else {
            break;
        }
    }
    if (s->piece_first == s->piece_count)
        s->piece_first = s->piece_count = 0;
    s->pending -= sent;
    return sent;
}

static uint64_t frame_most(const hf_http2 *h, const hf_http2_exchange *s)
{
    int64_t most = h->peer_frame < HF_FRAME_LEAST_MAX ? h->peer_frame : HF_FRAME_LEAST_MAX; /* others shall have a turn */
    most = s->send_window < most ? s->send_window : most;
    most = h->send_window < most ? h->send_window : most;
    return most < 0 ? 0 : (uint64_t)most;
}

/* Pieces without bytes bring back their tokens; they need no frame. */
static bool emit_empty(hf_http2_exchange *s, hf_out *out)
{
    while (s->piece_first < s->piece_count) {
        const hf_http2_piece *const piece = &s->pieces[s->piece_first];
        if (piece->before > 0 || hf_extent_length(&piece->extent) > 0)
            break;
        if (out->count == out->capacity)
            return false;
        out->pieces[out->count++] = piece->extent;
        s->piece_first++;
    }
    return true;
}

/* One DATA frame, *sent bytes of body in it. The header is claimed first and filled in when it is known how much found
 * room behind it: one byte at least, which is asked for before. False: `out` is full. */
static bool emit_data(hf_http2 *h, hf_http2_exchange *s, hf_out *out, uint64_t *sent)
{
    *sent = 0;
    if (!emit_empty(s, out))
        return false;
    if (s->pending == 0 && (!wants_to_end(s) || s->end_fields != NULL))
        return true;
    if (out->scratch_capacity - out->scratch_used <= HF_FRAME_HEADER_BYTES || out->capacity - out->count < 2 ||
        out->room <= HF_FRAME_HEADER_BYTES)
        return false;
    uint8_t *const header = claim(out, HF_FRAME_HEADER_BYTES);
    *sent = s->pending > 0 ? emit_body(h, s, frame_most(h, s), out) : 0;
    HF_ASSERT(header != NULL && (*sent > 0 || s->pending == 0));
    const bool ends = !has_output(s) && wants_to_end(s) && s->end_fields == NULL;
    hf_frame_write(header, (uint32_t)*sent, HF_FRAME_DATA, ends ? HF_FLAG_END_STREAM : 0, s->id);
    return true;
}

/* A stream's turn. False: `out` is full. */
static bool emit_turn(hf_http2 *h, hf_http2_exchange *s, hf_out *out)
{
    uint64_t sent;
    if (!emit_data(h, s, out, &sent))
        return false;
    s->send_window -= (int64_t)sent;
    h->send_window -= (int64_t)sent;
    h->data_sent += sent;
    if (sent > 0) /* a peer answers a frame with two WINDOW_UPDATE at most, when it is in its right mind */
        hf_http2_earn(&h->voids, h->env->limits->http2_void_rate, 2);
    rotate(h, s);
    if (has_output(s) || !wants_to_end(s)) {
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
    const bool roomy = room > 0 && (s->pending == 0 || room >= h->env->limits->output_bytes / 2);
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
            if (s->pending > 0)
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
    while (emit_tokens(h, out) && emit_control(h, out) && h->reading < HF_READING_CLOSED) {
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
