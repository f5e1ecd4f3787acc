/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes out, and which lane goes first (RFC 9218).
 *
 * Aborts and the connection's own lanes first. Then the lanes of answers take turns: of the most urgent that have
 * something to say; but every eighth turn is one of the least urgent, so that nobody starves. Those that asked to be
 * sent one after the other (not incremental) have many turns in a row, the others are served in a circle.
 */
#include "http3_core.h"

#include "panic.h"

/* ---- the schedule ------------------------------------------------------------------------------------------- */

static bool has_output(const hf_http3_lane *l)
{
    return l->pending > 0 || l->piece_first < l->piece_count;
}

void hf_http3_unschedule(hf_http3 *h, hf_http3_lane *l)
{
    if (!l->ready)
        return;
    hf_http3_lane **const ring = &h->ready[l->priority.urgency];
    l->ready = false;
    if (l->next_ready == l) {
        *ring = NULL;
        return;
    }
    l->previous_ready->next_ready = l->next_ready;
    l->next_ready->previous_ready = l->previous_ready;
    if (*ring == l)
        *ring = l->next_ready;
}

void hf_http3_schedule(hf_http3 *h, hf_http3_lane *l)
{
    const bool ready = l->out == HF_HALF_OPEN && (has_output(l) || hf_http3_wants_to_end(l)) && !l->held_back;
    hf_http3_block(h, l);
    if (ready == l->ready)
        return;
    if (!ready) {
        hf_http3_unschedule(h, l);
        return;
    }
    hf_http3_lane **const ring = &h->ready[l->priority.urgency];
    l->ready = true;
    l->turns = 0;
    if (*ring == NULL) {
        *ring = l->next_ready = l->previous_ready = l;
        return;
    }
    l->next_ready = *ring; /* the circle's end is before its beginning */
    l->previous_ready = (*ring)->previous_ready;
    l->previous_ready->next_ready = l;
    (*ring)->previous_ready = l;
}

void hf_http3_set_priority(hf_http3 *h, hf_http3_lane *l, hf_priority priority)
{
    hf_http3_unschedule(h, l);
    l->priority = priority;
    hf_http3_schedule(h, l);
}

static hf_http3_lane *choose(const hf_http3 *h)
{
    const bool courteous = h->turn % HF_HTTP3_COURTESY == HF_HTTP3_COURTESY - 1;
    for (unsigned i = 0; i < HF_URGENCIES; i++) {
        hf_http3_lane *const l = h->ready[courteous ? HF_URGENCIES - 1 - i : i];
        if (l != NULL)
            return l;
    }
    return NULL;
}

/* The lane had a turn. Who did not say how it wants to be served shares with the others. */
static void rotate(hf_http3 *h, hf_http3_lane *l)
{
    const bool shares = l->priority.incremental || !l->explicit_priority;
    h->turn++;
    if (!l->ready || (!shares && ++l->turns < HF_HTTP3_PATIENCE))
        return;
    l->turns = 0;
    if (h->ready[l->priority.urgency] == l)
        h->ready[l->priority.urgency] = l->next_ready;
}

/* ---- what is next ------------------------------------------------------------------------------------------- */

size_t hf_http3_own_waiting(const hf_http3 *h)
{
    size_t n = 0;
    for (unsigned i = 0; i < HF_OWN_COUNT; i++)
        n += hf_queue_length(h->own[i].queue);
    return n;
}

static bool next_abort(hf_http3 *h, hf_http3_turn *turn)
{
    hf_http3_lane *const l = h->acts;
    if (l == NULL)
        return false;
    turn->lane = l->id;
    turn->aborts = true;
    turn->ending = (hf_ending){ l->abort_out ? HF_ENDING_RESET : HF_ENDING_STOP, l->abort_code };
    if (l->abort_out)
        l->abort_out = false;
    else
        l->abort_in = false;
    if (l->abort_in)
        return true;
    h->acts = l->next_act;
    l->acting = false;
    hf_http3_settle(h, l);
    return true;
}

bool hf_http3_next(hf_http3 *h, hf_time now, hf_http3_turn *turn)
{
    h->now = now;
    *turn = (hf_http3_turn){ .lane = HF_HTTP3_NO_LANE, .urgency = 0 };
    if (h->token_first < h->token_count)
        return true;
    if (h->state == HF_HTTP3_FAULT)
        return false;
    if (next_abort(h, turn))
        return true;
    if (!hf_qpack_acknowledge(&h->decoder))
        h->out_of_memory = true;
    for (unsigned i = 0; h->begun && i < HF_OWN_COUNT; i++)
        if (!h->own[i].held_back && hf_queue_length(h->own[i].queue) > 0) {
            turn->lane = h->own[i].lane;
            return true;
        }
    const hf_http3_lane *const l = choose(h);
    if (l == NULL)
        return false;
    turn->lane = l->id;
    turn->urgency = l->priority.urgency;
    turn->incremental = l->priority.incremental || !l->explicit_priority;
    return true;
}

void hf_http3_hold(hf_http3 *h, hf_time now, hf_lane lane, bool held)
{
    h->now = now;
    for (unsigned i = 0; i < HF_OWN_COUNT; i++)
        if (h->own[i].lane == lane)
            h->own[i].held_back = held;
    hf_http3_lane *const l = hf_http3_find(h, lane);
    if (l == NULL || l->held_back == held)
        return;
    l->held_back = held;
    hf_http3_schedule(h, l);
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

/* At most `most` bytes from the front of the queue. */
static size_t emit_queue(hf_queue *q, uint64_t most, hf_out *out)
{
    const size_t held = hf_queue_length(q), scratch = out->scratch_capacity - out->scratch_used;
    size_t n = held < most ? held : (size_t)most;
    n = n < scratch ? n : scratch;
    n = n < out->room ? n : (size_t)out->room;
    uint8_t *const to = n > 0 ? claim(out, n) : NULL;
    if (to == NULL)
        return 0;
    memcpy(to, hf_queue_peek(q).ptr, n);
    hf_queue_take(q, n);
    return n;
}

static void emit_tokens(hf_http3 *h, hf_out *out)
{
    while (h->token_first < h->token_count && out->count < out->capacity)
        out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_LENT, .token = h->tokens[h->token_first++] };
    if (h->token_first == h->token_count)
        h->token_first = h->token_count = 0;
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

/* Up to `most` bytes of the lane. */
static uint64_t emit_lane(hf_http3 *h, hf_http3_lane *l, uint64_t most, hf_out *out)
{
    uint64_t sent = 0;
    for (;;) {
        hf_http3_piece *const piece = l->piece_first < l->piece_count ? &l->pieces[l->piece_first] : NULL;
        uint64_t *const copied = piece != NULL ? &piece->before : &l->tail;
        if (*copied > 0) {
            const uint64_t n = emit_queue(&l->copied, *copied < most - sent ? *copied : most - sent, out);
            *copied -= n;
            h->copied_bytes -= n;
            sent += n;
            if (n == 0)
                break;
        } else if (piece != NULL) {
            bool whole;
            sent += emit_piece(&piece->extent, most - sent, out, &whole);
            l->piece_first += whole;
            if (!whole)
                break;
        } else {
            break;
        }
    }
    if (l->piece_first == l->piece_count)
        l->piece_first = l->piece_count = 0;
    l->pending -= sent;
    return sent;
}

/* ---- emit --------------------------------------------------------------------------------------------------- */

static void tell_writable(hf_http3 *h, hf_http3_lane *l)
{
    const uint64_t room = hf_http3_copied_room(h, l);
    const bool roomy = room > 0 && (l->pending == 0 || room >= h->env->limits->output_bytes / 2);
    if (!l->put_short || !roomy || hf_http3_piece_room(h, l) == 0)
        return;
    l->put_short = false;
    h->short_count--;
    hf_http3_owe(h, l, HF_DUE_WRITABLE);
}

/* The answer has left. RFC 9114 4.1: "When the server does not need to receive the remainder of the request, it MAY abort
 * reading the request stream ... The error code H3_NO_ERROR SHOULD be used". A request without a body is left to end by
 * itself, which it does in the same moment. */
static void sent_end(hf_http3 *h, hf_http3_lane *l)
{
    l->out = HF_HALF_ENDED;
    hf_http3_unschedule(h, l);
    const bool more = !l->undeclared && (l->declared < 0 || l->received < (uint64_t)l->declared || l->left > 0);
    if (h->server && l->in == HF_HALF_OPEN && (more || l->refused || l->continue_owed))
        hf_http3_stop(h, l, HF_HTTP3_NO_ERROR);
    hf_http3_settle(h, l);
}

static void emit_exchange(hf_http3 *h, hf_http3_lane *l, hf_out *out, bool *fin)
{
    (void)emit_lane(h, l, HF_HTTP3_QUANTUM, out);
    rotate(h, l);
    if (!has_output(l) && hf_http3_wants_to_end(l)) {
        *fin = true;
        sent_end(h, l);
        return;
    }
    hf_http3_schedule(h, l);
}

size_t hf_http3_emit(hf_http3 *h, hf_time now, hf_lane lane, hf_out *out, bool *fin)
{
    const uint64_t before = out->bytes;
    h->now = now;
    *fin = false;
    if (lane == HF_HTTP3_NO_LANE) {
        emit_tokens(h, out);
        return 0;
    }
    if (h->state == HF_HTTP3_FAULT)
        return 0;
    for (unsigned i = 0; i < HF_OWN_COUNT; i++)
        if (h->begun && h->own[i].lane == lane)
            return emit_queue(h->own[i].queue, UINT64_MAX, out);
    hf_http3_lane *const l = hf_http3_find(h, lane);
    if (l == NULL || l->out != HF_HALF_OPEN)
        return 0;
    emit_exchange(h, l, out, fin);
    if (h->short_count > 0 && h->state == HF_HTTP3_RUNNING)
        hf_http3_each(h, tell_writable);
    if (out->bytes > before)
        h->since = now;
    return (size_t)(out->bytes - before);
}
