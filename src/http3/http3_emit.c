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
    const bool ready = l->out == HF_HALF_OPEN && (hf_outlet_waits(&l->output) || hf_http3_wants_to_end(l)) && !l->held_back;
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
    if (hf_tokens_wait(&h->tokens))
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

/* ---- emit --------------------------------------------------------------------------------------------------- */

static void tell_writable(hf_http3 *h, hf_http3_lane *l)
{
    const uint64_t room = hf_http3_copied_room(h, l);
    const bool roomy = room > 0 && (l->output.pending == 0 || room >= h->env->limits->output_bytes / 2);
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
    uint64_t copied;
    (void)hf_outlet_emit(&l->output, HF_HTTP3_QUANTUM, out, &copied);
    h->copied_bytes -= copied;
    rotate(h, l);
    if (!hf_outlet_waits(&l->output) && hf_http3_wants_to_end(l)) {
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
        (void)hf_tokens_emit(&h->tokens, out);
        return 0;
    }
    if (h->state == HF_HTTP3_FAULT)
        return 0;
    for (unsigned i = 0; i < HF_OWN_COUNT; i++)
        if (h->begun && h->own[i].lane == lane)
            return hf_out_queue(out, h->own[i].queue, UINT64_MAX);
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
