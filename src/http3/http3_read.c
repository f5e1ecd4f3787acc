/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes of lanes in. A frame is judged and eaten whole, but for DATA and for what is skipped: those pass through as
 * they come. So what is decided about a lane never depends on how its bytes were cut.
 */
#include "http3_core.h"

#include "panic.h"

static bool answers(hf_step *answer, hf_step with)
{
    *answer = with;
    return true;
}

static bool wrong(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, int32_t code, const uint8_t *at,
                  const char *wanted, hf_step *answer)
{
    return answers(answer, hf_http3_fail(h, l, in, (hf_http3_flaw){ code, at, wanted }));
}

/* `n` bytes are needed from in->used on. */
static bool wants(hf_http3 *h, hf_http3_lane *l, hf_in *in, size_t n, hf_step *answer)
{
    in->need = in->used + n;
    hf_http3_await(h, l);
    return answers(answer, HF_IDLE);
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

bool hf_http3_stream_error(hf_http3 *h, hf_http3_lane *l, const hf_in *in, hf_http3_flaw flaw, hf_step *answer)
{
    const hf_limits *const limits = h->env->limits;
    hf_http3_note(h, l, in, flaw);
    hf_http3_reset(h, l, flaw.code, hf_http3_code_of(flaw.code));
    /* CVE-2025-8671 (MadeYouReset): a reset that the peer provokes costs us as much as one that it sends */
    if (!hf_http3_spend(h, &h->resets, limits->http3_resets, limits->http3_reset_rate)) {
        (void)wrong(h, NULL, NULL, HF_ERR_HTTP3_RESETS, NULL, "fewer streams that must be given up", answer);
        return false;
    }
    return true;
}

bool hf_http3_tolerate(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, const uint8_t *at, hf_step *answer)
{
    const hf_limits *const limits = h->env->limits;
    if (hf_http3_spend(h, &h->voids, limits->http3_void, limits->http3_void_rate))
        return true;
    (void)wrong(h, l, in, HF_ERR_HTTP3_VOID_FLOOD, at, "frames that carry something", answer);
    return false;
}

bool hf_http3_refuse(hf_http3 *h, hf_http3_lane *l, const hf_in *in, hf_http3_flaw flaw, hf_http3_event *event,
                     hf_step *answer)
{
    hf_http3_note(h, l, in, flaw);
    l->known = l->refused = l->discarding = true;
    l->shown = l->taken = 0;
    l->why = flaw.code;
    hf_http3_await(h, l);
    *event = (hf_http3_event){ .kind = HF_HTTP3_REFUSED, .lane = l->id, .err = hf_err_make(flaw.code) };
    return answers(answer, HF_EVENT);
}

/* ---- the end of a message ----------------------------------------------------------------------------------- */

static bool end_of_message(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_http3_event *event, hf_step *answer)
{
    if (l->place == HF_PLACE_HEAD) { /* RFC 9114 4.1 */
        const hf_http3_flaw flaw = { HF_ERR_HTTP3_INCOMPLETE, NULL, "a head" };
        l->in = HF_HALF_ENDED;
        return !hf_http3_stream_error(h, l, in, flaw, answer);
    }
    if (l->declared >= 0 && l->received != (uint64_t)l->declared) {
        const hf_http3_flaw flaw = { HF_ERR_HTTP3_LENGTH, NULL, "the body that Content-Length declares" };
        l->in = HF_HALF_ENDED;
        return !hf_http3_stream_error(h, l, in, flaw, answer);
    }
    l->in = HF_HALF_ENDED;
    l->waiting = false;
    l->told_end = true;
    *event = (hf_http3_event){ .kind = HF_HTTP3_END, .lane = l->id };
    hf_http3_settle(h, l);
    return answers(answer, HF_EVENT);
}

/* Nobody wants the rest. */
static bool eat_rest(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_step *answer)
{
    l->skipped = l->skipped || in->used < in->len;
    in->used = in->len;
    if (l->in == HF_HALF_OPEN && in->fin) {
        /* a section that nobody decoded may have had references (RFC 9204 2.2.2.2) */
        if (l->skipped && hf_http3_is_exchange(l) && !hf_qpack_cancel(&h->decoder, l->id))
            h->out_of_memory = true;
        l->in = HF_HALF_ENDED;
        l->waiting = false;
        hf_http3_settle(h, l);
    } else if (l->in == HF_HALF_OPEN) {
        hf_http3_await(h, l);
    }
    return answers(answer, HF_IDLE);
}

/* ---- DATA --------------------------------------------------------------------------------------------------- */

/* Content where none was declared, with a method that has none: RFC 9110 9.3.1. */
static bool refuse_body(hf_http3 *h, hf_http3_lane *l, hf_in *in, const uint8_t *at, hf_http3_event *event, hf_step *answer)
{
    const hf_http3_flaw flaw = { HF_ERR_HTTP3_BODY_UNDECLARED, at, "no content, or a Content-Length" };
    if (l->phase == HF_PHASE_OWED)
        return hf_http3_refuse(h, l, in, flaw, event, answer);
    l->discarding = true;
    return false;
}

static bool begin_data(hf_http3 *h, hf_http3_lane *l, hf_in *in, const hf_h3_frame *f, hf_http3_event *event,
                       hf_step *answer)
{
    const uint8_t *const at = in->ptr + in->used;
    if (f->length == 0 && !hf_http3_tolerate(h, l, in, at, answer))
        return true;
    in->used += f->header;
    if (l->undeclared && f->length > 0)
        return refuse_body(h, l, in, at, event, answer);
    if (l->declared >= 0 && f->length > (uint64_t)l->declared - l->received) {
        const hf_http3_flaw flaw = { HF_ERR_HTTP3_LENGTH, at, "no more than Content-Length" };
        return !hf_http3_stream_error(h, l, in, flaw, answer);
    }
    l->received += f->length;
    l->left = f->length;
    l->reading = HF_READ_DATA;
    hf_http3_progress(h, l);
    return false;
}

/* Lends what there is of the body, until it is taken. */
static bool read_data(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_http3_event *event, hf_step *answer)
{
    if (l->left == 0) {
        l->reading = HF_READ_FRAME;
        return false;
    }
    const size_t there = in->len - in->used;
    const size_t n = there < l->left ? there : (size_t)l->left;
    HF_ASSERT(l->shown <= n);
    if (n == 0) {
        if (in->fin)
            return wrong(h, l, in, HF_ERR_HTTP3_FRAME, NULL, "the rest of a DATA frame", answer);
        return wants(h, l, in, 1, answer);
    }
    if (n == l->shown)
        return answers(answer, HF_FULL);
    hf_http3_progress(h, l);
    l->shown = n;
    *event = (hf_http3_event){ .kind = HF_HTTP3_BODY, .lane = l->id, .body = hf_bytes_make(in->ptr + in->used, n) };
    return answers(answer, HF_EVENT);
}

void hf_http3_take(hf_http3 *h, hf_lane lane, size_t n)
{
    hf_http3_lane *const l = hf_http3_find(h, lane);
    if (l == NULL || h->state != HF_HTTP3_RUNNING)
        return;
    const size_t most = l->shown - l->taken;
    l->taken += n < most ? n : most;
}

hf_bytes hf_http3_body(const hf_http3 *h, hf_lane lane, hf_bytes held)
{
    const hf_http3_lane *const l = hf_http3_find(h, lane);
    if (l == NULL || l->reading != HF_READ_DATA || l->discarding || held.len <= l->taken)
        return hf_bytes_make(NULL, 0);
    const uint64_t left = l->left - l->taken, there = held.len - l->taken;
    return hf_bytes_make(held.ptr + l->taken, (size_t)(there < left ? there : left));
}

/* ---- frames ------------------------------------------------------------------------------------------------- */

static bool skip(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_step *answer)
{
    const size_t there = in->len - in->used;
    const size_t n = there < l->left ? there : (size_t)l->left;
    in->used += n;
    l->left -= n;
    if (l->left == 0) {
        l->reading = HF_READ_FRAME;
        return false;
    }
    if (!in->fin)
        return wants(h, l, in, 1, answer);
    if (!hf_http3_is_exchange(l))
        return wrong(h, l, in, HF_ERR_HTTP3_CRITICAL_STREAM, NULL, "a control stream that stays open", answer);
    return wrong(h, l, in, HF_ERR_HTTP3_FRAME, NULL, "the rest of a frame", answer);
}

/* The frame's bytes are not all there. */
static bool cut_short(hf_http3 *h, hf_http3_lane *l, hf_in *in, size_t need, hf_step *answer)
{
    if (!in->fin)
        return wants(h, l, in, need, answer);
    if (!hf_http3_is_exchange(l))
        return wrong(h, l, in, HF_ERR_HTTP3_CRITICAL_STREAM, NULL, "a control stream that stays open", answer);
    /* RFC 9114 7.1: "When a stream terminates cleanly, if the last frame on the stream was truncated, this MUST be
     * treated as a connection error of type H3_FRAME_ERROR." */
    return wrong(h, l, in, HF_ERR_HTTP3_FRAME, in->ptr + in->used, "the rest of a frame", answer);
}

/* A section longer than we take, though it is compressed. */
static bool too_long(hf_http3 *h, hf_http3_lane *l, hf_in *in, const hf_h3_frame *f, hf_http3_event *event,
                     hf_step *answer)
{
    const hf_http3_flaw flaw = { HF_ERR_HTTP3_HEAD_TOO_LARGE, in->ptr + in->used, "fields within the limit header_bytes" };
    in->used += f->header;
    if (h->server && l->place == HF_PLACE_HEAD)
        return hf_http3_refuse(h, l, in, flaw, event, answer);
    return !hf_http3_stream_error(h, l, in, flaw, answer);
}

/* HEADERS or PUSH_PROMISE. It is eaten whatever becomes of it, unless it waits. */
static bool read_fields(hf_http3 *h, hf_http3_lane *l, hf_in *in, const hf_h3_frame *f, hf_http3_event *event,
                        hf_step *answer)
{
    if (f->length > h->env->limits->header_bytes)
        return too_long(h, l, in, f, event, answer);
    if (in->len - in->used < f->header + f->length)
        return cut_short(h, l, in, (size_t)(f->header + f->length), answer);
    const hf_bytes payload = hf_bytes_make(in->ptr + in->used + f->header, (size_t)f->length);
    bool waits = false;
    const bool answered = f->type == HF_H3_HEADERS ? hf_http3_read_section(h, l, in, payload, &waits, event, answer)
                                                   : hf_http3_read_promise(h, l, in, payload, &waits, event, answer);
    if (waits) {
        hf_http3_await(h, l);
        return answers(answer, HF_IDLE);
    }
    in->used += f->header + (size_t)f->length;
    return answered;
}

static bool read_control_frame(hf_http3 *h, hf_http3_lane *l, hf_in *in, const hf_h3_frame *f, hf_step *answer)
{
    if (f->length > h->env->limits->http3_control_bytes)
        return wrong(h, l, in, HF_ERR_HTTP3_CONTROL_SIZE, in->ptr + in->used, "no more than http3_control_bytes", answer);
    if (in->len - in->used < f->header + f->length)
        return cut_short(h, l, in, (size_t)(f->header + f->length), answer);
    const hf_bytes payload = hf_bytes_make(in->ptr + in->used + f->header, (size_t)f->length);
    const bool answered = hf_http3_read_control(h, l, in, f, payload, answer);
    in->used += f->header + (size_t)f->length;
    return answered;
}

static bool judge(hf_http3 *h, hf_http3_lane *l, hf_in *in, const hf_h3_frame *f, bool *skipped, hf_step *answer)
{
    const uint8_t *const at = in->ptr + in->used;
    *skipped = false;
    switch (hf_h3_frame_verdict((hf_h3_place)l->place, f->type, h->server, l->use == HF_USE_PUSH)) {
    case HF_H3_ACCEPT: return true;
    case HF_H3_SKIP:
        *skipped = hf_http3_tolerate(h, l, in, at, answer);
        return *skipped;
    case HF_H3_UNEXPECTED:
        return !wrong(h, l, in, HF_ERR_HTTP3_FRAME_UNEXPECTED, at, "a frame that may come here", answer);
    case HF_H3_NO_SETTINGS: break;
    }
    return !wrong(h, l, in, HF_ERR_HTTP3_MISSING_SETTINGS, at, "SETTINGS first", answer);
}

static bool read_frame(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_http3_event *event, hf_step *answer)
{
    const uint8_t *const at = in->ptr + in->used, *const end = in->ptr + in->len;
    hf_h3_frame f = { 0 };
    if (at == end && in->fin && hf_http3_is_exchange(l))
        return end_of_message(h, l, in, event, answer);
    if (at == end)
        return cut_short(h, l, in, 2, answer);
    if (!hf_h3_frame_parse(at, end, &f))
        return cut_short(h, l, in, (size_t)(end - at) + 1, answer);
    bool skipped;
    if (!judge(h, l, in, &f, &skipped, answer))
        return true;
    if (skipped) {
        in->used += f.header;
        l->left = f.length;
        l->reading = HF_READ_SKIP;
        return false;
    }
    if (l->use == HF_USE_CONTROL)
        return read_control_frame(h, l, in, &f, answer);
    return f.type == HF_H3_DATA ? begin_data(h, l, in, &f, event, answer) : read_fields(h, l, in, &f, event, answer);
}

/* ---- one-way lanes ------------------------------------------------------------------------------------------ */

/* RFC 9114 6.2.1: "Only one control stream per peer is permitted"; RFC 9204 4.2 likewise. */
static bool begin_critical(hf_http3 *h, hf_http3_lane *l, hf_in *in, unsigned which, hf_step *answer)
{
    static const uint8_t uses[HF_OWN_COUNT] = { HF_USE_CONTROL, HF_USE_ENCODER, HF_USE_DECODER };
    if (h->peer_lanes[which] != HF_HTTP3_NO_LANE)
        return wrong(h, l, in, HF_ERR_HTTP3_STREAM_CREATION, NULL, "one stream of this kind", answer);
    h->peer_lanes[which] = l->id;
    l->use = uses[which];
    l->place = HF_PLACE_CONTROL_FIRST;
    return false;
}

static bool begin_one_way(hf_http3 *h, hf_http3_lane *l, hf_in *in, uint64_t type, const uint8_t *at, hf_step *answer)
{
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_LANE, l->id, type);
    switch (type) {
    case HF_H3_STREAM_CONTROL: return begin_critical(h, l, in, HF_OWN_CONTROL, answer);
    case HF_H3_STREAM_ENCODER: return begin_critical(h, l, in, HF_OWN_ENCODER, answer);
    case HF_H3_STREAM_DECODER: return begin_critical(h, l, in, HF_OWN_DECODER, answer);
    case HF_H3_STREAM_PUSH:
        if (h->server) /* RFC 9114 6.2.2: "Only servers can push" */
            return wrong(h, l, in, HF_ERR_HTTP3_STREAM_CREATION, at, "no push from a client", answer);
        l->use = HF_USE_PUSH_ID;
        return false;
    default: break;
    }
    if (!hf_http3_tolerate(h, l, in, at, answer))
        return true;
    /* RFC 9114 6.2: "the recipient ... MUST either abort reading of the stream or discard incoming data without further
     * processing. If reading is aborted, the recipient SHOULD use the H3_STREAM_CREATION_ERROR error code" */
    hf_http3_stop(h, l, HF_HTTP3_STREAM_CREATION_ERROR);
    return false;
}

/* The number at the front of a one-way lane: its type, or which push it is. */
static bool read_number(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_step *answer)
{
    const uint8_t *const at = in->ptr + in->used, *const end = in->ptr + in->len;
    uint64_t number;
    const size_t n = at == end ? 0 : hf_h3_int_parse(at, end, &number);
    if (n == 0 && !in->fin)
        return wants(h, l, in, (size_t)(end - at) + 1, answer);
    if (n == 0 && l->use == HF_USE_PUSH_ID)
        return wrong(h, l, in, HF_ERR_HTTP3_FRAME, NULL, "the number of a push", answer);
    if (n == 0) { /* RFC 9114 6.2: "A receiver MUST tolerate unidirectional streams being closed or reset prior to the
                     reception of the unidirectional stream header." */
        l->discarding = true;
        return !hf_http3_tolerate(h, l, in, NULL, answer);
    }
    in->used += n;
    if (l->use == HF_USE_UNKNOWN)
        return begin_one_way(h, l, in, number, at, answer);
    return hf_http3_begin_push(h, l, in, number, at, answer);
}

static void wake_starved(hf_http3 *h, hf_http3_lane *l)
{
    if (l->starved && l->required <= h->decoder.inserted) {
        hf_http3_starve(h, l, false);
        hf_http3_owe(h, l, HF_DUE_READABLE);
    }
}

static bool read_qpack(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_step *answer)
{
    const hf_bytes there = hf_bytes_make(in->ptr + in->used, in->len - in->used);
    const bool encoder = l->use == HF_USE_ENCODER;
    hf_field_flaw broken = { 0 };
    size_t used = 0;
    const bool good = there.len == 0 || (encoder ? hf_qpack_instruct(&h->decoder, there, &used, &broken)
                                                 : hf_qpack_heed(&h->encoder, there, &used, &broken));
    if (!good) {
        const int32_t code = broken.memory ? HF_ERR_BASE_MEMORY
                             : encoder     ? HF_ERR_HTTP3_ENCODER_STREAM
                                           : HF_ERR_HTTP3_DECODER_STREAM;
        return wrong(h, l, in, code, broken.at, broken.wanted, answer);
    }
    in->used += used;
    if (encoder && h->starving > 0)
        hf_http3_each(h, wake_starved);
    if (h->due_first != NULL)
        return false;
    if (in->fin)
        return wrong(h, l, in, HF_ERR_HTTP3_CRITICAL_STREAM, NULL, "a QPACK stream that stays open", answer);
    in->need = in->len + 1;
    return answers(answer, HF_IDLE);
}

bool hf_http3_read_turn(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_http3_event *event, hf_step *answer)
{
    if (l->in != HF_HALF_OPEN || l->discarding)
        return eat_rest(h, l, in, answer);
    switch (l->use) {
    case HF_USE_UNKNOWN: case HF_USE_PUSH_ID: return read_number(h, l, in, answer);
    case HF_USE_ENCODER: case HF_USE_DECODER: return read_qpack(h, l, in, answer);
    default: break;
    }
    if (l->use == HF_USE_PUSH && !h->server && hf_http3_promise_of(h, l->push)->state == HF_PUSH_NONE) {
        hf_http3_await(h, l); /* its promise is still on its way */
        return answers(answer, HF_IDLE);
    }
    switch (l->reading) {
    case HF_READ_DATA: return read_data(h, l, in, event, answer);
    case HF_READ_SKIP: return skip(h, l, in, answer);
    default: return read_frame(h, l, in, event, answer);
    }
}
