/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes in. A head is eaten whole, a control frame is eaten whole, data is eaten as it comes. Three ways for data: lent
 * where it lies, gathered, or inflated. Each turn answers false when another is due.
 */
#include "websocket_core.h"

#include "websocket_mask.h"

#define FLAW(NAME, close, wanted) { HF_ERR_WEBSOCKET_##NAME, close, wanted }
static const hf_websocket_flaw
    flaw_memory = { HF_ERR_BASE_MEMORY, HF_WEBSOCKET_INTERNAL, "memory" },
    flaw_reserved = FLAW(RESERVED, HF_WEBSOCKET_PROTOCOL_ERROR, "RSV bits of 0, or RSV1 on a first frame where compression was agreed"),
    flaw_opcode = FLAW(OPCODE, HF_WEBSOCKET_PROTOCOL_ERROR, "opcode 0, 1, 2, 8, 9 or 10"),
    flaw_mask = FLAW(MASK, HF_WEBSOCKET_PROTOCOL_ERROR, "masked frames from a client, plain ones from a server"),
    flaw_control = FLAW(CONTROL, HF_WEBSOCKET_PROTOCOL_ERROR, "a control frame in one piece of at most 125 bytes"),
    flaw_length = FLAW(LENGTH, HF_WEBSOCKET_PROTOCOL_ERROR, "the shortest form of the length, below 2^63"),
    flaw_sequence = FLAW(SEQUENCE, HF_WEBSOCKET_PROTOCOL_ERROR, "a continuation within a message, and only there"),
    flaw_code = FLAW(CLOSE_CODE, HF_WEBSOCKET_PROTOCOL_ERROR, "nothing, or a code that may be sent"),
    flaw_utf8 = FLAW(UTF8, HF_WEBSOCKET_BAD_DATA, "UTF-8"),
    flaw_compressed = FLAW(COMPRESSED, HF_WEBSOCKET_BAD_DATA, "DEFLATE data"),
    flaw_message = FLAW(MESSAGE_TOO_LARGE, HF_WEBSOCKET_TOO_BIG, "a shorter message"),
    flaw_frame = FLAW(FRAME_TOO_LARGE, HF_WEBSOCKET_TOO_BIG, "a shorter frame"),
    flaw_empty = FLAW(EMPTY_FLOOD, HF_WEBSOCKET_POLICY, "fragments with something in them"),
    flaw_flood = FLAW(CONTROL_FLOOD, HF_WEBSOCKET_POLICY, "fewer control frames");

uint64_t hf_websocket_message_most(const hf_websocket *w)
{
    return w->options.message_bytes > 0 ? w->options.message_bytes : w->env->limits->websocket_message_bytes;
}

static bool fail(hf_websocket *w, const hf_in *in, const hf_websocket_flaw *flaw, hf_websocket_event *event, hf_step *answer)
{
    *answer = hf_websocket_fail(w, in, flaw, event);
    return true;
}

/* ---- heads -------------------------------------------------------------------------------------------------- */

static bool is_data(const hf_websocket_frame *f)
{
    return !hf_websocket_is_control(f->opcode);
}

/* What compressed bytes may add up to: incompressible ones grow a little, and blocks of nothing must not go on for ever. */
static uint64_t wire_most(const hf_websocket *w)
{
    const uint64_t most = hf_websocket_message_most(w);
    return w->compressed ? most + most / 8 + 1024 : most;
}

/* RFC 6455 5.2, 5.4: may this frame come now? NULL: it may. */
static const hf_websocket_flaw *judge(hf_websocket *w, const hf_websocket_frame *f)
{
    const bool first = is_data(f) && f->opcode != HF_WEBSOCKET_OP_CONTINUATION;
    if (f->rsv != 0 && (f->rsv != HF_WEBSOCKET_RSV1 || !first || !w->options.deflate.on))
        return &flaw_reserved;
    if (f->masked != w->server) /* 5.1: "a server MUST NOT mask"; it closes "upon receiving a frame that is not masked" */
        return &flaw_mask;
    if (!is_data(f))
        return NULL;
    if (first != (w->type == 0))
        return &flaw_sequence;
    return f->length > w->env->limits->websocket_frame_bytes ? &flaw_frame : NULL;
}

/* The bounds of the open message, with this frame in it. */
static const hf_websocket_flaw *count(hf_websocket *w, const hf_websocket_frame *f)
{
    const uint64_t most = wire_most(w);
    if (w->wire_bytes > most || f->length > most - w->wire_bytes)
        return &flaw_message;
    w->wire_bytes += f->length;
    if (f->length == 0 && !f->fin && ++w->empty_frames > w->env->limits->websocket_empty_frames)
        return &flaw_empty;
    return NULL;
}

static void open_message(hf_websocket *w, const hf_websocket_frame *f)
{
    w->type = f->opcode;
    w->compressed = f->rsv != 0;
    w->message_bytes = w->wire_bytes = 0;
    w->empty_frames = 0;
    w->utf8 = (hf_utf8){ 0 };
    w->told = w->finishing = false;
    if (w->state == HF_WEBSOCKET_OPEN)
        w->began = w->now;
}

/* A bucket that refills with time. */
static const hf_websocket_flaw *allow_control(hf_websocket *w)
{
    const hf_limits *const limits = w->env->limits;
    const int64_t gone_ns = w->now.ns - w->refilled.ns;
    const uint64_t rate = limits->websocket_control_rate;
    const uint64_t earned = gone_ns >= HF_SECONDS(3600) ? UINT32_MAX : (uint64_t)gone_ns * rate / (uint64_t)HF_SECONDS(1);
    if (earned > 0) {
        w->control_used = earned < w->control_used ? (uint32_t)(w->control_used - earned) : 0;
        w->refilled = w->now;
    }
    return ++w->control_used > limits->websocket_control ? &flaw_flood : NULL;
}

/* Eats a head. */
static bool read_head(hf_websocket *w, hf_in *in, hf_websocket_event *event, hf_step *answer)
{
    hf_websocket_frame f = { 0 };
    const hf_websocket_flaw *flaw = NULL;
    w->frame_offset = w->offset + in->used;
    switch (hf_websocket_frame_parse(hf_bytes_make(in->ptr + in->used, in->len - in->used), &f)) {
    case HF_WEBSOCKET_FORM_SHORT:
        in->need = f.head;
        *answer = HF_IDLE;
        return true;
    case HF_WEBSOCKET_FORM_OPCODE: flaw = &flaw_opcode; break;
    case HF_WEBSOCKET_FORM_CONTROL: flaw = &flaw_control; break;
    case HF_WEBSOCKET_FORM_LENGTH: flaw = &flaw_length; break;
    case HF_WEBSOCKET_FORM_GOOD: break;
    }
    if (flaw == NULL)
        flaw = judge(w, &f);
    if (flaw == NULL && is_data(&f)) {
        if (w->type == 0)
            open_message(w, &f);
        flaw = count(w, &f);
    } else if (flaw == NULL) {
        flaw = allow_control(w);
    }
    if (flaw != NULL)
        return fail(w, in, flaw, event, answer);
    hf_trace(w->env, w->now, w->id, HF_TRACE_WEBSOCKET_FRAME, in->ptr[in->used], f.length);
    in->used += f.head;
    w->in_frame = true;
    w->fin = f.fin;
    w->opcode = f.opcode;
    w->left = f.length;
    w->phase = 0;
    memcpy(w->key, f.key, 4);
    return false;
}

/* ---- control frames ----------------------------------------------------------------------------------------- */

/* RFC 6455 5.5.1, 7.1.4 to 7.1.6. */
static bool read_close(hf_websocket *w, hf_in *in, hf_bytes body, hf_websocket_event *event, hf_step *answer)
{
    const uint16_t code = body.len >= 2 ? (uint16_t)(body.ptr[0] << 8 | body.ptr[1]) : HF_WEBSOCKET_NO_CODE;
    const hf_bytes reason = body.len > 2 ? hf_bytes_make(body.ptr + 2, body.len - 2) : hf_bytes_make(body.ptr, 0);
    if (body.len == 1 || (body.len >= 2 && !hf_websocket_code_is_fit(code)))
        return fail(w, in, &flaw_code, event, answer);
    if (!hf_utf8_is_valid(reason))
        return fail(w, in, &flaw_utf8, event, answer);
    const bool ours_first = w->state == HF_WEBSOCKET_CLOSING;
    /* 5.5.1: "the endpoint typically echos the status code it received" */
    if (!ours_first && !hf_websocket_say_close(w, code, hf_bytes_make(NULL, 0)))
        return fail(w, in, &flaw_memory, event, answer);
    *event = (hf_websocket_event){ .kind = HF_WEBSOCKET_CLOSED, .who = ours_first ? HF_WEBSOCKET_WE : HF_WEBSOCKET_PEER,
                                   .code = ours_first ? w->code : code, .bytes = reason };
    hf_trace(w->env, w->now, w->id, HF_TRACE_WEBSOCKET_CLOSED, (uint64_t)event->code << 8 | !ours_first, 0);
    hf_websocket_move_to(w, HF_WEBSOCKET_MOVE_END);
    *answer = HF_EVENT;
    return true;
}

static bool read_control(hf_websocket *w, hf_in *in, hf_websocket_event *event, hf_step *answer)
{
    const size_t n = (size_t)w->left;
    uint8_t *const p = in->ptr + in->used;
    *answer = HF_IDLE;
    if (in->len - in->used < n) {
        in->need = n;
        return true;
    }
    const bool replies = w->opcode == HF_WEBSOCKET_OP_PING && w->state == HF_WEBSOCKET_OPEN;
    if (replies && w->replies >= HF_WEBSOCKET_REPLY_BYTES) { /* it asks and does not read: nor do we then */
        *answer = HF_FULL;
        return true;
    }
    if (w->server)
        hf_websocket_mask(p, p, n, w->key, 0);
    in->used += n;
    w->in_frame = false;
    const hf_bytes body = hf_bytes_make(p, n);
    if (w->opcode == HF_WEBSOCKET_OP_CLOSE)
        return read_close(w, in, body, event, answer);
    /* 5.5.2: "an endpoint MUST send a Pong frame in response, unless it already received a Close frame"; and behind our own
     * Close we say nothing more */
    if (replies && !hf_websocket_control(w, HF_WEBSOCKET_OP_PONG, body))
        return fail(w, in, &flaw_memory, event, answer);
    w->replies += replies ? (uint32_t)n + 2 : 0;
    *event = (hf_websocket_event){ .kind = w->opcode == HF_WEBSOCKET_OP_PING ? HF_WEBSOCKET_PING : HF_WEBSOCKET_PONG, .bytes = body };
    *answer = HF_EVENT;
    return true;
}

/* ---- data --------------------------------------------------------------------------------------------------- */

static bool tell(hf_websocket *w, hf_bytes bytes, bool ends, hf_websocket_event *event, hf_step *answer)
{
    *event = (hf_websocket_event){ .kind = HF_WEBSOCKET_MESSAGE, .type = (hf_websocket_type)w->type, .begins = !w->told,
                                   .ends = ends, .bytes = bytes };
    w->told = true;
    if (ends) {
        w->type = 0;
        w->spoken = w->now;
    }
    *answer = HF_EVENT;
    return true;
}

/* What was gathered; the next step takes it. */
static bool tell_gathered(hf_websocket *w, bool ends, hf_websocket_event *event, hf_step *answer)
{
    const hf_span held = hf_queue_peek(&w->message);
    w->lent = true;
    return tell(w, hf_bytes_make(held.ptr, held.len), ends, event, answer);
}

/* Fails now, or at the next step when pieces still have `good` bytes to tell. */
static bool fail_behind(hf_websocket *w, const hf_in *in, const hf_websocket_flaw *flaw, hf_bytes good, hf_websocket_event *event,
                        hf_step *answer)
{
    if (!w->options.stream || good.len == 0)
        return fail(w, in, flaw, event, answer);
    w->doom = flaw;
    return tell(w, good, false, event, answer);
}

static bool end_frame(hf_websocket *w)
{
    w->in_frame = false;
    return false;
}

/* `n` bytes at the front go into `to` unmasked. */
static void eat(hf_websocket *w, hf_in *in, uint8_t *to, size_t n)
{
    const uint8_t *const from = in->ptr + in->used;
    if (w->server)
        hf_websocket_mask(to, from, n, w->key, w->phase);
    else if (to != from && n > 0)
        memcpy(to, from, n);
    w->phase += n;
    w->left -= n;
    in->used += n;
}

/* Room beside the `n` bytes that came, for those of the frame that are on their way, so that what is gathered seldom moves; no more than
 * came, for who only promises bytes has nothing kept for them. */
static size_t ahead(const hf_websocket *w, size_t n)
{
    const uint64_t more = w->left - n;
    return more < n ? (size_t)more : n;
}

static bool read_plain(hf_websocket *w, hf_in *in, hf_websocket_event *event, hf_step *answer)
{
    const size_t there = in->len - in->used, n = there < w->left ? there : (size_t)w->left;
    const bool whole = w->fin && n == w->left; /* the message ends here */
    if (n == 0 && w->left > 0) {
        in->need = 1;
        *answer = HF_IDLE;
        return true;
    }
    const bool in_place = w->options.stream || (whole && hf_queue_length(&w->message) == 0);
    uint8_t *to = in->ptr + in->used;
    const uint64_t start = w->offset + in->used;
    if (!in_place && (to = hf_queue_reserve(&w->message, n + ahead(w, n)).ptr) == NULL)
        return fail(w, in, &flaw_memory, event, answer);
    eat(w, in, to, n);
    if (!in_place)
        hf_queue_commit(&w->message, n);
    w->message_bytes += n;
    w->in_frame = w->left > 0;
    if (w->type == HF_WEBSOCKET_TEXT) {
        const size_t good = hf_utf8_check(&w->utf8, to, n);
        if (good < n || (whole && !hf_utf8_is_whole(&w->utf8))) {
            w->frame_offset = start + good;
            return fail_behind(w, NULL, &flaw_utf8, hf_bytes_make(to, good), event, answer);
        }
    }
    if (!whole && (!w->options.stream || n == 0))
        return false;
    return in_place ? tell(w, hf_bytes_make(to, n), whole, event, answer) : tell_gathered(w, true, event, answer);
}

/* RFC 7692 7.2.2 has been done for a message: its end. */
static bool end_inflated(hf_websocket *w, hf_in *in, hf_websocket_event *event, hf_step *answer)
{
    const hf_websocket_deflate *const agreed = &w->options.deflate;
    const bool forgets = w->server ? agreed->client_no_context_takeover : agreed->server_no_context_takeover;
    const hf_span held = hf_queue_peek(&w->message);
    w->in_frame = false;
    if (w->type == HF_WEBSOCKET_TEXT && !hf_utf8_is_whole(&w->utf8)) {
        w->lent = true;
        return fail_behind(w, in, &flaw_utf8, hf_bytes_make(held.ptr, held.len), event, answer);
    }
    if (forgets && !hf_inflater_forget(w->inflater))
        return fail(w, in, &flaw_memory, event, answer);
    return tell_gathered(w, true, event, answer);
}

/* Feeds the inflater. False: there is something to inflate. */
static bool feed(hf_websocket *w, hf_in *in, hf_websocket_event *event, hf_step *answer, bool *turn)
{
    size_t room;
    uint8_t *const stage = hf_inflater_stage(w->inflater, &room);
    const size_t there = in->len - in->used;
    *turn = true;
    if (stage == NULL)
        return false;
    if (w->left > 0 && there > 0) {
        size_t n = there < w->left ? there : (size_t)w->left;
        n = n < room ? n : room;
        eat(w, in, stage, n);
        hf_inflater_staged(w->inflater, n);
        return false;
    }
    if (w->left == 0 && w->fin && !w->finishing) {
        hf_inflater_finish(w->inflater);
        w->finishing = true;
        return false;
    }
    if (w->left == 0 && w->fin)
        return end_inflated(w, in, event, answer);
    const bool piece = w->options.stream && hf_queue_length(&w->message) > 0;
    w->in_frame = w->left > 0;
    if (piece)
        return tell_gathered(w, false, event, answer);
    in->need = 1;
    *answer = HF_IDLE;
    *turn = w->in_frame; /* else the next head may be there */
    return true;
}

/* What the inflater gave is within bounds and good. */
static bool accept_inflated(hf_websocket *w, hf_in *in, hf_inflated result, size_t written, hf_websocket_event *event, hf_step *answer)
{
    const uint64_t most = hf_websocket_message_most(w);
    const hf_span held = hf_queue_peek(&w->message);
    const uint8_t *const fresh = held.ptr + held.len - written;
    const hf_websocket_flaw *flaw = result == HF_INFLATED_BAD ? &flaw_compressed : result == HF_INFLATED_MEMORY ? &flaw_memory : NULL;
    size_t good = written;
    w->message_bytes += written;
    if (w->message_bytes > most) {
        good -= (size_t)(w->message_bytes - most);
        flaw = &flaw_message;
    }
    if (w->type == HF_WEBSOCKET_TEXT && good > 0) {
        const size_t text = hf_utf8_check(&w->utf8, fresh, good);
        flaw = text < good ? &flaw_utf8 : flaw;
        good = text;
    }
    if (flaw == NULL)
        return false;
    w->lent = true;
    return fail_behind(w, in, flaw, hf_bytes_make(held.ptr, held.len - (written - good)), event, answer);
}

static bool read_deflated(hf_websocket *w, hf_in *in, hf_websocket_event *event, hf_step *answer)
{
    const hf_websocket_deflate *const agreed = &w->options.deflate;
    const unsigned bits = w->server ? agreed->client_window_bits : agreed->server_window_bits;
    if (w->inflater == NULL && (w->inflater = hf_inflater_new(&w->env->alloc, bits == 0 ? 15 : bits)) == NULL)
        return fail(w, in, &flaw_memory, event, answer);
    for (;;) {
        bool turn;
        if (feed(w, in, event, answer, &turn))
            return turn;
        const uint64_t over = hf_websocket_message_most(w) - w->message_bytes + 1;
        const size_t room = over < HF_WEBSOCKET_CHUNK ? (size_t)over : HF_WEBSOCKET_CHUNK;
        const hf_span to = hf_queue_reserve(&w->message, room);
        size_t written;
        if (to.ptr == NULL)
            return fail(w, in, &flaw_memory, event, answer);
        const hf_inflated result = hf_inflater_some(w->inflater, to.ptr, room, &written);
        hf_queue_commit(&w->message, written);
        if (accept_inflated(w, in, result, written, event, answer))
            return true;
        if (w->options.stream && hf_queue_length(&w->message) >= HF_WEBSOCKET_CHUNK)
            return tell_gathered(w, false, event, answer);
    }
}

/* Behind our own Close: what still comes is counted and thrown away. */
static bool throw_away(hf_websocket *w, hf_in *in, hf_step *answer)
{
    const size_t there = in->len - in->used, n = there < w->left ? there : (size_t)w->left;
    in->used += n;
    w->left -= n;
    if (w->left > 0) {
        in->need = 1;
        *answer = HF_IDLE;
        return true;
    }
    w->type = w->fin ? 0 : w->type;
    return end_frame(w);
}

hf_step hf_websocket_read(hf_websocket *w, hf_in *in, hf_websocket_event *event)
{
    hf_step answer = HF_IDLE;
    for (;;) {
        bool done;
        if (!w->in_frame)
            done = read_head(w, in, event, &answer);
        else if (hf_websocket_is_control(w->opcode))
            done = read_control(w, in, event, &answer);
        else if (w->state == HF_WEBSOCKET_CLOSING)
            done = throw_away(w, in, &answer);
        else
            done = w->compressed ? read_deflated(w, in, event, &answer) : read_plain(w, in, event, &answer);
        if (done)
            return answer;
    }
}
