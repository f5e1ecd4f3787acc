/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames in. A frame is eaten whole, but for DATA and for what is skipped: those pass through as they come. So what is
 * decided about a stream never depends on how the bytes were cut.
 */
#include "http2_core.h"

#include "panic.h"

static bool answers(hf_step *answer, hf_step with)
{
    *answer = with;
    return true;
}

static bool fails(hf_http2 *h, const hf_in *in, hf_http2_flaw flaw, hf_step *answer)
{
    return answers(answer, hf_http2_fail(h, in, flaw));
}

static bool wrong(hf_http2 *h, const hf_in *in, int32_t code, const uint8_t *at, const char *wanted, hf_step *answer)
{
    return fails(h, in, (hf_http2_flaw){ code, at, wanted }, answer);
}

/* `n` bytes are needed from in->used on. */
static bool wants(hf_http2 *h, hf_in *in, size_t n, hf_step *answer)
{
    in->need = in->used + n;
    const bool begun = in->len > in->used || h->block_purpose != HF_BLOCK_NONE;
    if (begun && !h->partial)
        h->since_frame = h->now;
    h->partial = begun;
    return answers(answer, HF_IDLE);
}

/* A whole frame, not yet eaten. */
typedef struct whole {
    hf_frame f;
    const uint8_t *header;
    hf_bytes payload;
} whole;

static void eat(hf_http2 *h, hf_in *in, const whole *w)
{
    in->used += HF_FRAME_HEADER_BYTES + w->f.length;
    h->partial = false;
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

bool hf_http2_stream_error(hf_http2 *h, const hf_in *in, uint32_t id, hf_http2_exchange *s, hf_http2_flaw flaw,
                           hf_step *answer)
{
    const hf_limits *const l = h->env->limits;
    hf_http2_note(h, in, flaw);
    if (s == NULL)
        hf_http2_reset_id(h, id, hf_http2_code_of(flaw.code));
    else
        hf_http2_reset(h, s, flaw.code, hf_http2_code_of(flaw.code));
    /* CVE-2025-8671 (MadeYouReset): a reset that the peer provokes costs us as much as one that it sends */
    if (!hf_http2_spend(h, &h->resets, l->http2_resets, l->http2_reset_rate)) {
        (void)wrong(h, in, HF_ERR_HTTP2_RESETS, NULL, "fewer streams that must be reset", answer);
        return false;
    }
    return true;
}

/* A frame that carries nothing. False: one too many; then *answer. */
static bool tolerate(hf_http2 *h, const hf_in *in, const uint8_t *at, hf_step *answer)
{
    const hf_limits *const l = h->env->limits;
    if (hf_http2_spend(h, &h->voids, l->http2_void, l->http2_void_rate))
        return true;
    (void)wrong(h, in, HF_ERR_HTTP2_VOID_FLOOD, at, "frames that carry something", answer);
    return false;
}

/* One that demands an answer. */
static bool tolerate_control(hf_http2 *h, const hf_in *in, const uint8_t *at, hf_step *answer)
{
    const hf_limits *const l = h->env->limits;
    if (hf_http2_spend(h, &h->controls, l->http2_control, l->http2_control_rate))
        return true;
    (void)wrong(h, in, HF_ERR_HTTP2_CONTROL_FLOOD, at, "fewer frames that must be answered", answer);
    return false;
}

/* What the stream's state says about this frame. True: it is to be processed. Else *done says what to answer the turn. */
static bool is_allowed(hf_http2 *h, hf_in *in, const whole *w, hf_http2_exchange *s, bool *done, hf_step *answer)
{
    const hf_verdict verdict = hf_stream_verdict(hf_http2_state_of(h, w->f.stream, s), w->f.type);
    *done = false;
    switch (verdict) {
    case HF_VERDICT_ACCEPT:
        return true;
    case HF_VERDICT_IGNORE:
        *done = !tolerate(h, in, w->header, answer);
        break;
    case HF_VERDICT_STREAM_CLOSED: {
        const hf_http2_flaw flaw = { HF_ERR_HTTP2_STREAM_CLOSED, w->header, "no more of a stream that was ended" };
        *done = !hf_http2_stream_error(h, in, w->f.stream, s, flaw, answer);
        break;
    }
    case HF_VERDICT_CONNECTION_CLOSED:
        *done = wrong(h, in, HF_ERR_HTTP2_STREAM_CLOSED, w->header, "no more of a stream that is over", answer);
        break;
    case HF_VERDICT_PROTOCOL:
        *done = wrong(h, in, HF_ERR_HTTP2_STREAM_IDLE, w->header, "a stream that is open", answer);
        break;
    }
    return false;
}

/* ---- windows ------------------------------------------------------------------------------------------------ */

void hf_http2_consume(hf_http2 *h, hf_http2_exchange *s, uint32_t n)
{
    h->consumed += n;
    if (s == NULL || s->discarding || !hf_http2_remote_open(s))
        return;
    s->consumed += n;
    if (s->dirty)
        return;
    s->dirty = true;
    s->next_dirty = h->dirty;
    h->dirty = s;
}

static bool read_window_update(hf_http2 *h, hf_in *in, const whole *w, hf_step *answer)
{
    const uint32_t increment = hf_load_u32(w->payload.ptr) & HF_WINDOW_MAX;
    hf_http2_exchange *const s = hf_http2_find(h, w->f.stream);
    bool done;
    if (w->f.stream != 0 && !is_allowed(h, in, w, s, &done, answer))
        return done;
    const hf_http2_flaw zero = { HF_ERR_HTTP2_WINDOW_ZERO, w->payload.ptr, "an increment above 0" };
    const hf_http2_flaw over = { HF_ERR_HTTP2_WINDOW_OVERFLOW, w->payload.ptr, "a window of at most 2^31-1" };
    int64_t *const window = s != NULL ? &s->send_window : &h->send_window;
    if (w->f.stream != 0 && s == NULL)
        return false; /* it crossed our end */
    if (increment == 0 || *window + increment > HF_WINDOW_MAX) {
        const hf_http2_flaw flaw = increment == 0 ? zero : over;
        if (s == NULL)
            return fails(h, in, flaw, answer);
        return !hf_http2_stream_error(h, in, s->id, s, flaw, answer);
    }
    if (!tolerate(h, in, w->header, answer))
        return true;
    *window += increment;
    if (s != NULL) {
        hf_http2_block(h, s, s->blocked && s->send_window <= 0);
        hf_http2_schedule(h, s);
    } else {
        hf_http2_block_all(h, h->blocked && h->send_window <= 0);
    }
    return false;
}

/* ---- settings ----------------------------------------------------------------------------------------------- */

/* RFC 9113 6.9.2: "A change to SETTINGS_INITIAL_WINDOW_SIZE can cause the available space in a flow-control window to
 * become negative." */
static bool change_windows(hf_http2 *h, uint32_t size)
{
    const int64_t change = (int64_t)size - h->peer_window;
    h->peer_window = size;
    for (hf_http2_exchange *s = h->all; s != NULL && change != 0; s = s->next) {
        if (s->send_window + change > HF_WINDOW_MAX)
            return false;
        s->send_window += change;
        hf_http2_block(h, s, s->blocked && s->send_window <= 0);
        hf_http2_schedule(h, s);
    }
    return true;
}

static void apply_setting(hf_http2 *h, unsigned id, uint32_t value)
{
    switch (id) {
    case HF_SETTING_HEADER_TABLE_SIZE: hf_hpack_encoder_allow(&h->encoder, value); break;
    case HF_SETTING_ENABLE_PUSH: h->peer_push = h->server && value == 1; break;
    case HF_SETTING_MAX_CONCURRENT_STREAMS: h->peer_streams = value; break;
    case HF_SETTING_MAX_FRAME_SIZE: h->peer_frame = value; break;
    case HF_SETTING_MAX_HEADER_LIST_SIZE: h->peer_list = value; break;
    case HF_SETTING_ENABLE_CONNECT_PROTOCOL: h->peer_connect = value == 1; break;
    default: break;
    }
}

static void measure(hf_http2 *h, hf_time since)
{
    const int64_t ns = h->now.ns - since.ns;
    if (h->round_trip_ns == 0 || ns < h->round_trip_ns)
        h->round_trip_ns = ns;
}

static bool read_settings(hf_http2 *h, hf_in *in, const whole *w, hf_step *answer)
{
    if (w->f.flags & HF_FLAG_ACK) {
        if (h->settings_acked && !tolerate(h, in, w->header, answer))
            return true;
        if (!h->settings_acked)
            measure(h, h->settings_at);
        h->settings_acked = true;
        return false;
    }
    if (h->settings_received && !tolerate_control(h, in, w->header, answer))
        return true;
    uint32_t window = h->peer_window;
    hf_http2_flaw flaw;
    for (const uint8_t *p = w->payload.ptr, *end = p + w->payload.len; p < end; p += 6) {
        const uint16_t id = hf_load_u16(p);
        const uint32_t value = hf_load_u32(p + 2);
        if (!hf_setting_check(id, value, !h->server, p, &flaw))
            return fails(h, in, flaw, answer);
        /* RFC 8441 3: "A sender MUST NOT send a SETTINGS_ENABLE_CONNECT_PROTOCOL parameter with the value of 0 after
         * previously sending a value of 1." */
        if (id == HF_SETTING_ENABLE_CONNECT_PROTOCOL && value == 0 && h->peer_connect)
            return wrong(h, in, HF_ERR_HTTP2_SETTINGS_VALUE, p, "1, as it was", answer);
        if (id == HF_SETTING_INITIAL_WINDOW_SIZE)
            window = value;
        else
            apply_setting(h, id, value);
    }
    if (!change_windows(h, window))
        return wrong(h, in, HF_ERR_HTTP2_WINDOW_OVERFLOW, w->header, "windows of at most 2^31-1", answer);
    if (!h->settings_received) {
        h->ready_due = !h->server;
    }
    h->settings_received = true;
    (void)hf_http2_send(h, HF_FRAME_SETTINGS, HF_FLAG_ACK, 0, hf_bytes_make(NULL, 0));
    return false;
}

/* ---- small frames ------------------------------------------------------------------------------------------- */

static bool read_ping(hf_http2 *h, hf_in *in, const whole *w, hf_step *answer)
{
    if (w->f.flags & HF_FLAG_ACK) {
        const bool drain = hf_load_u32(w->payload.ptr) == 1;
        if (drain ? !h->drain_ping : !h->user_ping)
            return !tolerate(h, in, w->header, answer);
        measure(h, h->ping_at);
        if (drain)
            hf_http2_finish_drain(h);
        else
            h->pong_due = true;
        h->drain_ping = h->drain_ping && !drain;
        h->user_ping = h->user_ping && drain;
        return false;
    }
    if (!tolerate_control(h, in, w->header, answer))
        return true;
    (void)hf_http2_send(h, HF_FRAME_PING, HF_FLAG_ACK, 0, w->payload);
    return false;
}

static bool read_reset(hf_http2 *h, hf_in *in, const whole *w, hf_step *answer)
{
    const hf_limits *const l = h->env->limits;
    hf_http2_exchange *const s = hf_http2_find(h, w->f.stream);
    const uint32_t code = hf_load_u32(w->payload.ptr);
    bool done;
    if (!is_allowed(h, in, w, s, &done, answer))
        return done;
    if (s == NULL)
        return false;
    const bool early = !s->end_sent; /* CVE-2023-44487 (Rapid Reset): it took our work and leaves */
    hf_http2_lose(h, s, code == HF_HTTP2_REFUSED_STREAM ? HF_ERR_HTTP2_NOT_PROCESSED : HF_ERR_HTTP2_PEER_RESET, code);
    if (h->server && early && !hf_http2_spend(h, &h->resets, l->http2_resets, l->http2_reset_rate))
        return wrong(h, in, HF_ERR_HTTP2_RESETS, w->header, "fewer requests that are taken back", answer);
    return false;
}

static void lose_unprocessed(hf_http2 *h, hf_http2_exchange *s)
{
    if (s->ours && s->id > h->peer_last)
        hf_http2_lose(h, s, HF_ERR_HTTP2_NOT_PROCESSED, HF_HTTP2_REFUSED_STREAM);
}

static bool read_goaway(hf_http2 *h, hf_in *in, const whole *w, hf_step *answer)
{
    if (h->goaway_received && !tolerate(h, in, w->header, answer))
        return true;
    const uint32_t last = hf_load_u32(w->payload.ptr) & HF_STREAM_MAX;
    /* RFC 9113 6.8: "Endpoints MUST NOT increase the value they send in the last stream identifier" */
    h->peer_last = last < h->peer_last ? last : h->peer_last;
    h->peer_code = hf_load_u32(w->payload.ptr + 4);
    h->goaway_due = h->goaway_due || !h->goaway_received || h->peer_code != HF_HTTP2_NO_ERROR;
    h->goaway_received = true;
    hf_http2_each(h, lose_unprocessed);
    return false;
}

static bool read_priority(hf_http2 *h, hf_in *in, const whole *w, hf_step *answer)
{
    /* RFC 9113 5.3.2: the old scheme is read for its errors only */
    if ((hf_load_u32(w->payload.ptr) & HF_STREAM_MAX) == w->f.stream) {
        const hf_http2_flaw flaw = { HF_ERR_HTTP2_DEPENDENCY, w->payload.ptr, "another stream than itself" };
        hf_http2_exchange *const s = hf_http2_find(h, w->f.stream);
        if (s == NULL)
            return fails(h, in, flaw, answer);
        return !hf_http2_stream_error(h, in, w->f.stream, s, flaw, answer);
    }
    return !tolerate(h, in, w->header, answer);
}

static bool read_priority_update(hf_http2 *h, hf_in *in, const whole *w, hf_step *answer)
{
    const uint32_t id = hf_load_u32(w->payload.ptr) & HF_STREAM_MAX;
    hf_http2_exchange *const s = hf_http2_find(h, id);
    const bool idle = id != 0 && hf_http2_state_of(h, id, s) == HF_STREAM_IDLE;
    /* RFC 9218 7.1: only clients send it, and never for a push that was not promised */
    if (!h->server || id == 0 || (idle && id % 2 == 0))
        return wrong(h, in, HF_ERR_HTTP2_PRIORITY, w->payload.ptr, "a client's word on a stream of its own", answer);
    if (!tolerate(h, in, w->header, answer))
        return true;
    hf_priority p = { HF_URGENCY_USUAL, false };
    hf_priority_parse(hf_bytes_make(w->payload.ptr + 4, w->payload.len - 4), &p);
    if (s != NULL) {
        s->explicit_priority = true;
        hf_http2_set_priority(h, s, p);
    } else if (idle) {
        h->early[h->early_next++ % HF_HTTP2_EARLY] = (hf_http2_early){ id, p };
        h->early_kept = true;
    }
    return false;
}

static bool read_origin(hf_http2 *h, hf_in *in, const whole *w, hf_http2_event *event, hf_step *answer)
{
    /* RFC 8336 2.1: "An ORIGIN frame on any other stream MUST be ignored"; a server ignores it always. One frame names
     * many origins: they are told as one run of length-prefixed names, whole or not at all */
    if (h->server || w->f.stream != 0)
        return !tolerate(h, in, w->header, answer);
    if (!tolerate_control(h, in, w->header, answer))
        return true;
    for (const uint8_t *p = w->payload.ptr, *end = p + w->payload.len; p < end; p += 2 + hf_load_u16(p))
        if (end - p < 2 || end - p - 2 < hf_load_u16(p))
            return false; /* RFC 8336 2.1: malformed ones are ignored */
    *event = (hf_http2_event){ .kind = HF_HTTP2_ORIGINS, .body = w->payload };
    return answers(answer, HF_EVENT);
}

/* ---- DATA --------------------------------------------------------------------------------------------------- */

/* The frame's head is there, and the length of its padding if it has one. */
static bool begin_data(hf_http2 *h, hf_in *in, const whole *w, hf_step *answer)
{
    hf_http2_exchange *const s = hf_http2_find(h, w->f.stream);
    const bool padded = (w->f.flags & HF_FLAG_PADDED) != 0;
    const uint32_t overhead = padded ? 1u + w->header[HF_FRAME_HEADER_BYTES] : 0;
    if (padded && overhead > w->f.length)
        return wrong(h, in, HF_ERR_HTTP2_PADDING, w->header + HF_FRAME_HEADER_BYTES, "less padding than payload", answer);
    /* RFC 9113 6.9.1: the whole payload counts, on closed streams too */
    h->recv_window -= w->f.length;
    if (h->recv_window < 0)
        return wrong(h, in, HF_ERR_HTTP2_FLOW_CONTROL, w->header, "no more than the connection's window", answer);
    h->frame = w->f;
    h->left = w->f.length - overhead;
    h->padding = (uint8_t)(padded ? overhead - 1 : 0);
    in->used += HF_FRAME_HEADER_BYTES + padded;
    h->partial = false;
    h->reading = HF_READING_DATA;
    bool done;
    if (!is_allowed(h, in, w, s, &done, answer)) {
        hf_http2_consume(h, NULL, w->f.length);
        h->left += h->padding;
        h->reading = done ? h->reading : HF_READING_SKIP;
        return done;
    }
    if (w->f.length == overhead && (w->f.flags & HF_FLAG_END_STREAM) == 0 && !tolerate(h, in, w->header, answer))
        return true;
    s->recv_window -= w->f.length;
    const hf_http2_flaw over = { HF_ERR_HTTP2_FLOW_CONTROL, w->header, "no more than the stream's window" };
    const hf_http2_flaw longer = { HF_ERR_HTTP2_LENGTH, w->header, "no more than Content-Length" };
    const bool too_long = s->declared >= 0 && s->received + h->left > (uint64_t)s->declared;
    const bool headless = !h->server && !s->responded;
    const hf_http2_flaw early = { HF_ERR_HTTP2_PSEUDO, w->header, "a head before the body" };
    if (s->recv_window < 0 || too_long || headless) {
        hf_http2_consume(h, NULL, w->f.length);
        h->left += h->padding;
        h->reading = HF_READING_SKIP;
        return !hf_http2_stream_error(h, in, s->id, s, s->recv_window < 0 ? over : too_long ? longer : early, answer);
    }
    hf_http2_consume(h, s, overhead);
    s->received += h->left;
    hf_http2_progress(h, s);
    return false;
}

static bool end_data(hf_http2 *h, hf_in *in, hf_step *answer)
{
    hf_http2_exchange *const s = hf_http2_find(h, h->frame.stream);
    bool failed = false;
    h->left = h->padding;
    h->reading = HF_READING_SKIP;
    if (s == NULL || !hf_http2_remote_open(s))
        return false;
    if ((h->frame.flags & HF_FLAG_END_STREAM) == 0) {
        /* RFC 9113 8.1: the answer is whole, and nobody reads the rest of the request */
        if (s->discarding && s->end_sent && s->recv_window < HF_HTTP2_WINDOW / 2)
            hf_http2_reset(h, s, 0, HF_HTTP2_NO_ERROR);
        else
            hf_http2_await(h, s);
        return false;
    }
    if (hf_http2_end_of_message(h, in, s, &failed)) {
        hf_http2_owe(h, s, s->discarding ? 0 : HF_DUE_END);
        hf_http2_settle(h, s);
    }
    *answer = HF_FAULT;
    return failed;
}

/* Hands body bytes on, in place; or behind those that wait already. */
static bool read_data(hf_http2 *h, hf_in *in, hf_http2_event *event, hf_step *answer)
{
    if (h->left == 0)
        return end_data(h, in, answer);
    const size_t there = in->len - in->used;
    const uint32_t n = there < h->left ? (uint32_t)there : h->left;
    hf_http2_exchange *const s = hf_http2_find(h, h->frame.stream);
    if (n == 0) {
        if (s != NULL)
            hf_http2_await(h, s);
        in->need = in->used + 1;
        return answers(answer, HF_IDLE);
    }
    if (s == NULL || s->discarding || !hf_http2_remote_open(s)) {
        hf_http2_consume(h, s, n);
        in->used += n;
        h->left -= n;
        return false;
    }
    hf_http2_progress(h, s);
    if (hf_queue_length(&s->held) > 0) {
        if (!hf_queue_append(&s->held, hf_bytes_make(in->ptr + in->used, n)))
            return wrong(h, in, HF_ERR_BASE_MEMORY, NULL, "memory", answer);
        h->held_bytes += n;
        in->used += n;
        h->left -= n;
        hf_http2_owe(h, s, HF_DUE_BODY);
        return false;
    }
    h->lent = n;
    h->taken = 0;
    h->lent_stream = s->id;
    h->lent_at = in->ptr + in->used;
    *event = (hf_http2_event){ .kind = HF_HTTP2_BODY, .stream = s->id, .body = hf_bytes_make(h->lent_at, n) };
    return answers(answer, HF_EVENT);
}

bool hf_http2_account(hf_http2 *h, hf_in *in)
{
    const uint32_t n = h->lent, rest = n - h->taken;
    if (n == 0)
        return true;
    HF_ASSERT(n <= in->len);
    hf_http2_exchange *const s = hf_http2_find(h, h->lent_stream);
    h->lent = 0;
    h->left -= n;
    in->used = n;
    if (s == NULL || s->discarding) {
        hf_http2_consume(h, NULL, rest);
        return true;
    }
    if (rest > 0) {
        if (!hf_queue_append(&s->held, hf_bytes_make(in->ptr + h->taken, rest)))
            return false;
        h->held_bytes += rest;
        hf_http2_owe(h, s, h->taken > 0 ? HF_DUE_BODY : 0);
        return true;
    }
    if (h->left > 0)
        hf_http2_await(h, s);
    hf_http2_owe(h, s, 0);
    return true;
}

void hf_http2_take(hf_http2 *h, hf_http2_stream stream, size_t n)
{
    hf_http2_exchange *const s = hf_http2_find(h, stream);
    if (s == NULL || n == 0)
        return;
    const size_t held = hf_queue_length(&s->held);
    if (h->lent > 0 && h->lent_stream == stream) {
        HF_ASSERT(n <= h->lent - h->taken);
        h->taken += (uint32_t)n;
    } else if (held == 0) {
        return; /* it was given up meanwhile */
    } else {
        HF_ASSERT(n <= held);
        hf_queue_take(&s->held, n);
        h->held_bytes -= n;
        hf_http2_owe(h, s, HF_DUE_BODY);
        hf_http2_await(h, s);
    }
    hf_http2_consume(h, s, (uint32_t)n);
}

hf_bytes hf_http2_peek(const hf_http2 *h, hf_http2_stream stream)
{
    const hf_http2_exchange *const s = hf_http2_find(h, stream);
    if (s == NULL)
        return hf_bytes_make(NULL, 0);
    if (h->lent > 0 && h->lent_stream == stream)
        return hf_bytes_make(h->lent_at + h->taken, h->lent - h->taken);
    const hf_span held = hf_queue_peek(&s->held);
    return hf_bytes_make(held.ptr, held.len);
}

/* ---- header blocks ------------------------------------------------------------------------------------------ */

/* The block grows by a fragment; when it ends, it is dealt with. The frame is not eaten yet. */
static bool add_fragment(hf_http2 *h, hf_in *in, const whole *w, hf_bytes fragment, hf_http2_event *event, hf_step *answer)
{
    const bool last = (w->f.flags & HF_FLAG_END_HEADERS) != 0;
    const uint64_t bytes = hf_queue_length(&h->block) + (uint64_t)fragment.len;
    if (bytes > h->env->limits->header_bytes)
        return wrong(h, in, HF_ERR_HTTP2_BLOCK_TOO_LARGE, w->header, "a block within the limit header_bytes", answer);
    if (last && h->block_frames == 0) {
        eat(h, in, w);
        return hf_http2_end_block(h, in, fragment, event, answer);
    }
    if (!last && h->block_frames == h->env->limits->http2_continuations)
        return wrong(h, in, HF_ERR_HTTP2_BLOCK_TOO_LARGE, w->header, "a block in fewer CONTINUATION frames", answer);
    if (!hf_queue_append(&h->block, fragment))
        return wrong(h, in, HF_ERR_BASE_MEMORY, NULL, "memory", answer);
    const bool before = h->block_frames > 0;
    eat(h, in, w);
    h->partial = !last; /* the clock runs from the block's beginning */
    if (!before)
        h->since_frame = h->now;
    h->block_frames++;
    if (!last)
        return false;
    const hf_span all = hf_queue_peek(&h->block);
    const bool answered = hf_http2_end_block(h, in, hf_bytes_make(all.ptr, all.len), event, answer);
    hf_queue_take(&h->block, all.len); /* the bytes stay where they are until the next append */
    return answered;
}

static void begin_block(hf_http2 *h, const whole *w, hf_http2_purpose purpose, int32_t error)
{
    h->block_purpose = (uint8_t)purpose;
    h->block_flags = w->f.flags;
    h->block_stream = w->f.stream;
    h->block_error = error;
    h->block_frames = 0;
}

/* A HEADERS frame on a stream that is not there yet. */
static bool open_block(hf_http2 *h, hf_in *in, const whole *w, hf_step *answer)
{
    /* RFC 9113 5.1.1: "Streams initiated by a client MUST use odd-numbered stream identifiers" */
    if (!h->server || w->f.stream % 2 == 0)
        return wrong(h, in, HF_ERR_HTTP2_STREAM_ID, w->header + 5, "an odd number, from a client", answer);
    h->last_peer = w->f.stream;
    if (h->goaway_sent) /* it crossed our final GOAWAY: the client knows that it was not acted upon */
        begin_block(h, w, HF_BLOCK_DISCARD, 0);
    else if (h->peer_open >= h->env->limits->http2_streams)
        begin_block(h, w, HF_BLOCK_REFUSE, HF_ERR_HTTP2_REFUSED_STREAM);
    else
        begin_block(h, w, HF_BLOCK_REQUEST, 0);
    return false;
}

static bool read_headers(hf_http2 *h, hf_in *in, whole *w, hf_http2_event *event, hf_step *answer)
{
    hf_http2_flaw flaw;
    if (!hf_frame_unpad(&w->f, &w->payload, &flaw))
        return fails(h, in, flaw, answer);
    bool self = false;
    if (w->f.flags & HF_FLAG_PRIORITY) {
        if (w->payload.len < 5)
            return wrong(h, in, HF_ERR_HTTP2_FRAME_SIZE, w->header, "five bytes of priority", answer);
        self = (hf_load_u32(w->payload.ptr) & HF_STREAM_MAX) == w->f.stream;
        w->payload = hf_bytes_make(w->payload.ptr + 5, w->payload.len - 5);
    }
    hf_http2_exchange *const s = hf_http2_find(h, w->f.stream);
    const hf_stream_state state = hf_http2_state_of(h, w->f.stream, s);
    switch (hf_stream_verdict(state, HF_FRAME_HEADERS)) {
    case HF_VERDICT_ACCEPT:
        if (state != HF_STREAM_IDLE)
            begin_block(h, w, HF_BLOCK_MESSAGE, 0);
        else if (open_block(h, in, w, answer))
            return true;
        break;
    case HF_VERDICT_IGNORE:
        if (!tolerate(h, in, w->header, answer))
            return true;
        begin_block(h, w, HF_BLOCK_DISCARD, 0);
        break;
    case HF_VERDICT_STREAM_CLOSED:
        begin_block(h, w, HF_BLOCK_REFUSE, HF_ERR_HTTP2_STREAM_CLOSED);
        break;
    case HF_VERDICT_CONNECTION_CLOSED:
        return wrong(h, in, HF_ERR_HTTP2_STREAM_CLOSED, w->header, "no more of a stream that is over", answer);
    case HF_VERDICT_PROTOCOL:
        return wrong(h, in, HF_ERR_HTTP2_STREAM_IDLE, w->header, "a stream that is open", answer);
    }
    if (self && (h->block_purpose == HF_BLOCK_REQUEST || h->block_purpose == HF_BLOCK_MESSAGE))
        begin_block(h, w, HF_BLOCK_REFUSE, HF_ERR_HTTP2_DEPENDENCY);
    return add_fragment(h, in, w, w->payload, event, answer);
}

static bool read_push_promise(hf_http2 *h, hf_in *in, whole *w, hf_http2_event *event, hf_step *answer)
{
    hf_http2_flaw flaw;
    if (h->server || !h->options.push)
        return wrong(h, in, HF_ERR_HTTP2_PUSH, w->header, "no push", answer);
    if (!hf_frame_unpad(&w->f, &w->payload, &flaw))
        return fails(h, in, flaw, answer);
    if (w->payload.len < 4)
        return wrong(h, in, HF_ERR_HTTP2_FRAME_SIZE, w->header, "the number of the promised stream", answer);
    const uint32_t promised = hf_load_u32(w->payload.ptr) & HF_STREAM_MAX;
    const hf_http2_exchange *const s = hf_http2_find(h, w->f.stream);
    const hf_verdict verdict = hf_stream_verdict(hf_http2_state_of(h, w->f.stream, s), HF_FRAME_PUSH_PROMISE);
    if (verdict > HF_VERDICT_IGNORE || (s != NULL && !s->ours))
        return wrong(h, in, HF_ERR_HTTP2_PUSH, w->header, "a promise on a request of ours that is open", answer);
    if (promised % 2 != 0 || promised <= h->last_peer)
        return wrong(h, in, HF_ERR_HTTP2_STREAM_ID, w->payload.ptr, "an even number above the last", answer);
    h->last_peer = promised;
    begin_block(h, w, HF_BLOCK_PROMISE, 0);
    h->block_promised = promised;
    return add_fragment(h, in, w, hf_bytes_make(w->payload.ptr + 4, w->payload.len - 4), event, answer);
}

/* ---- any frame ---------------------------------------------------------------------------------------------- */

/* A frame that is there as a whole. It is eaten whatever becomes of it, unless the connection fails. */
static bool read_whole(hf_http2 *h, hf_in *in, whole *w, hf_http2_event *event, hf_step *answer)
{
    bool answered;
    switch (w->f.type) {
    case HF_FRAME_HEADERS: return read_headers(h, in, w, event, answer);
    case HF_FRAME_PUSH_PROMISE: return read_push_promise(h, in, w, event, answer);
    case HF_FRAME_CONTINUATION: return add_fragment(h, in, w, w->payload, event, answer);
    case HF_FRAME_PRIORITY: answered = read_priority(h, in, w, answer); break;
    case HF_FRAME_RST_STREAM: answered = read_reset(h, in, w, answer); break;
    case HF_FRAME_SETTINGS: answered = read_settings(h, in, w, answer); break;
    case HF_FRAME_PING: answered = read_ping(h, in, w, answer); break;
    case HF_FRAME_GOAWAY: answered = read_goaway(h, in, w, answer); break;
    case HF_FRAME_WINDOW_UPDATE: answered = read_window_update(h, in, w, answer); break;
    case HF_FRAME_PRIORITY_UPDATE: answered = read_priority_update(h, in, w, answer); break;
    default: answered = read_origin(h, in, w, event, answer); break;
    }
    if (!answered || *answer == HF_EVENT)
        eat(h, in, w);
    return answered;
}

/* RFC 9113 6.2: "A receiver MUST treat the receipt of any other type of frame or a frame on a different stream as a
 * connection error of type PROTOCOL_ERROR." */
static bool is_in_order(hf_http2 *h, const hf_in *in, const whole *w, hf_step *answer)
{
    const bool within = h->block_purpose != HF_BLOCK_NONE, more = w->f.type == HF_FRAME_CONTINUATION;
    if (within != more || (within && w->f.stream != h->block_stream)) {
        const char *const wanted = within ? "CONTINUATION on the same stream" : "no CONTINUATION here";
        (void)wrong(h, in, HF_ERR_HTTP2_CONTINUATION, w->header, wanted, answer);
        return false;
    }
    if (h->reading == HF_READING_SETTINGS && (w->f.type != HF_FRAME_SETTINGS || (w->f.flags & HF_FLAG_ACK) != 0)) {
        (void)wrong(h, in, HF_ERR_HTTP2_FIRST_FRAME, w->header, "SETTINGS", answer);
        return false;
    }
    return true;
}

static bool is_known_type(unsigned type)
{
    return type <= HF_FRAME_CONTINUATION || type == HF_FRAME_ORIGIN || type == HF_FRAME_PRIORITY_UPDATE;
}

static bool read_frame(hf_http2 *h, hf_in *in, hf_http2_event *event, hf_step *answer)
{
    const size_t there = in->len - in->used;
    hf_http2_flaw flaw;
    if (there < HF_FRAME_HEADER_BYTES)
        return wants(h, in, HF_FRAME_HEADER_BYTES, answer);
    whole w = { .header = in->ptr + in->used };
    hf_frame_parse(w.header, &w.f);
    if (!is_in_order(h, in, &w, answer))
        return true;
    if (!hf_frame_check(&w.f, w.header, (uint32_t)h->env->limits->http2_frame_bytes, &flaw))
        return fails(h, in, flaw, answer);
    const bool streamed = w.f.type == HF_FRAME_DATA || !is_known_type(w.f.type);
    const size_t padded = w.f.type == HF_FRAME_DATA && (w.f.flags & HF_FLAG_PADDED) != 0;
    if (padded > w.f.length)
        return wrong(h, in, HF_ERR_HTTP2_FRAME_SIZE, w.header, "the length of the padding", answer);
    const size_t needed = HF_FRAME_HEADER_BYTES + (streamed ? padded : w.f.length);
    if (there < needed)
        return wants(h, in, needed, answer);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_FRAME, (uint64_t)w.f.type << 32 | w.f.stream, w.f.length);
    if (w.f.type == HF_FRAME_DATA)
        return begin_data(h, in, &w, answer);
    if (streamed) {
        if (!tolerate(h, in, w.header, answer))
            return true;
        in->used += HF_FRAME_HEADER_BYTES;
        h->partial = false;
        h->left = w.f.length;
        h->reading = HF_READING_SKIP;
        return false;
    }
    w.payload = hf_bytes_make(w.header + HF_FRAME_HEADER_BYTES, w.f.length);
    if (h->reading == HF_READING_SETTINGS)
        h->reading = HF_READING_FRAME;
    return read_whole(h, in, &w, event, answer);
}

static bool skip(hf_http2 *h, hf_in *in, hf_step *answer)
{
    const size_t there = in->len - in->used;
    const uint32_t n = there < h->left ? (uint32_t)there : h->left;
    in->used += n;
    h->left -= n;
    if (h->left > 0) {
        in->need = in->used + 1;
        return answers(answer, HF_IDLE);
    }
    h->reading = HF_READING_FRAME;
    return false;
}

static bool read_preface(hf_http2 *h, hf_in *in, hf_step *answer)
{
    const size_t there = in->len - in->used, n = there < HF_PREFACE_BYTES ? there : HF_PREFACE_BYTES;
    const uint8_t *const p = in->ptr + in->used;
    for (size_t i = 0; i < n; i++)
        if (p[i] != (uint8_t)hf_http2_preface[i])
            return wrong(h, in, HF_ERR_HTTP2_PREFACE, p + i, "PRI * HTTP/2.0", answer);
    if (n < HF_PREFACE_BYTES) {
        in->need = in->used + HF_PREFACE_BYTES;
        return answers(answer, HF_IDLE);
    }
    in->used += n;
    h->reading = HF_READING_SETTINGS;
    return false;
}

bool hf_http2_read_turn(hf_http2 *h, hf_in *in, hf_http2_event *event, hf_step *answer)
{
    switch (h->reading) {
    case HF_READING_PREFACE: return read_preface(h, in, answer);
    case HF_READING_DATA: return read_data(h, in, event, answer);
    case HF_READING_SKIP: return skip(h, in, answer);
    default: return read_frame(h, in, event, answer);
    }
}
