/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes: found by number, added, given up, told about, let go. What is spare keeps its memory for the next one.
 */
#include "http3_core.h"

#include "alloc.h"
#include "panic.h"

hf_http3_lane *hf_http3_find(const hf_http3 *h, hf_lane id)
{
    return hf_id_find(&h->table, id);
}

/* ---- birth and death ---------------------------------------------------------------------------------------- */

static void free_lane(hf_http3 *h, hf_http3_lane *l)
{
    hf_outlet_fini(&l->output);
    hf_free(&h->env->alloc, l, sizeof *l);
}

void hf_http3_trim_spare(hf_http3 *h)
{
    while (h->spare != NULL) {
        hf_http3_lane *const l = h->spare;
        h->spare = l->next;
        free_lane(h, l);
    }
    h->spare_count = 0;
}

/* A spare one with what memory it keeps, or a new one. */
static hf_http3_lane *obtain(hf_http3 *h)
{
    hf_http3_lane *const l = h->spare;
    if (l == NULL) {
        hf_http3_lane *const fresh = hf_alloc_zeroed(&h->env->alloc, sizeof *fresh);
        if (fresh != NULL)
            hf_outlet_init(&fresh->output, &h->env->alloc);
        return fresh;
    }
    h->spare = l->next;
    h->spare_count--;
    const hf_outlet output = l->output;
    *l = (hf_http3_lane){ .output = output };
    return l;
}

hf_http3_lane *hf_http3_add(hf_http3 *h, hf_lane id, hf_http3_use use)
{
    hf_http3_lane *const l = hf_id_reserve(&h->table, &h->env->alloc) ? obtain(h) : NULL;
    if (l == NULL)
        return NULL;
    l->id = id;
    l->use = (uint8_t)use;
    l->place = HF_PLACE_HEAD;
    l->priority.urgency = HF_URGENCY_USUAL;
    l->declared = l->put_left = -1;
    l->pace = (hf_pace){ h->env->limits->body_idle_ns, h->env->limits->body_rate };
    l->since = h->now;
    if (hf_http3_is_exchange(l)) {
        h->exchanges++;
    } else {
        l->out = HF_HALF_ENDED;
        l->phase = HF_PHASE_ENDED;
    }
    l->next = h->all;
    if (h->all != NULL)
        h->all->previous = l;
    h->all = l;
    hf_id_insert(&h->table, id, l);
    return l;
}

/* Is the lane still the application's? */
static bool is_known(const hf_http3 *h, const hf_http3_lane *l)
{
    return l->known && (l->phase != HF_PHASE_ENDED || (!h->server && !l->told_end));
}

void hf_http3_starve(hf_http3 *h, hf_http3_lane *l, bool starved)
{
    h->starving += (uint32_t)starved - (uint32_t)l->starved;
    l->starved = starved;
}

void hf_http3_settle(hf_http3 *h, hf_http3_lane *l)
{
    if (l->in == HF_HALF_OPEN || l->out == HF_HALF_OPEN || l->due != 0 || l->listed || l->acting || is_known(h, l))
        return;
    hf_http3_drop_output(h, l);
    hf_http3_starve(h, l, false);
    h->exchanges -= hf_http3_is_exchange(l);
    hf_id_remove(&h->table, l->id);
    if (l->previous != NULL)
        l->previous->next = l->next;
    else
        h->all = l->next;
    if (l->next != NULL)
        l->next->previous = l->previous;
    if (h->exchanges == 0)
        h->since = h->now;
    if (h->spare_count == HF_HTTP3_SPARE || l->output.copied.capacity > HF_HTTP3_SPARE_BYTES) {
        free_lane(h, l);
        return;
    }
    l->next = h->spare;
    h->spare = l;
    h->spare_count++;
}

void hf_http3_each(hf_http3 *h, hf_http3_visit *visit)
{
    hf_http3_lane *next;
    for (hf_http3_lane *l = h->all; l != NULL; l = next) {
        next = l->next;
        visit(h, l);
    }
}

void hf_http3_lanes_fini(hf_http3 *h)
{
    hf_http3_each(h, free_lane);
    hf_http3_trim_spare(h);
    hf_id_clear(&h->table, &h->env->alloc);
    hf_tokens_fini(&h->tokens, &h->env->alloc);
}

/* ---- output that will not leave ----------------------------------------------------------------------------- */

void hf_http3_return_token(hf_http3 *h, uint64_t token)
{
    if (!hf_tokens_add(&h->tokens, &h->env->alloc, token)) /* who lent it gets it back when the connection ends: so it must */
        h->out_of_memory = true;
}

void hf_http3_drop_output(hf_http3 *h, hf_http3_lane *l)
{
    hf_http3_unschedule(h, l);
    bool whole;
    h->copied_bytes -= hf_outlet_drop(&l->output, &h->tokens, &whole);
    h->out_of_memory = h->out_of_memory || !whole;
    h->short_count -= l->put_short;
    l->blocked = l->put_short = false;
}

/* ---- giving up ---------------------------------------------------------------------------------------------- */

static void act(hf_http3 *h, hf_http3_lane *l, uint64_t code)
{
    l->abort_code = code;
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_RESET, l->id, code);
    if (l->acting)
        return;
    l->acting = true;
    l->next_act = NULL;
    if (h->acts == NULL)
        h->acts = l;
    else
        h->acts_last->next_act = l;
    h->acts_last = l;
}

void hf_http3_stop(hf_http3 *h, hf_http3_lane *l, uint64_t code)
{
    if (l->in != HF_HALF_OPEN)
        return;
    l->in = HF_HALF_GIVEN_UP;
    l->abort_in = l->discarding = true;
    l->waiting = false;
    l->shown = l->taken = 0;
    hf_http3_starve(h, l, false);
    /* RFC 9204 2.2.2.2: "When an endpoint ... abandons reading of a stream ... it generates a Stream Cancellation" */
    if (hf_http3_is_exchange(l) && !hf_qpack_cancel(&h->decoder, l->id))
        h->out_of_memory = true;
    act(h, l, code);
}

void hf_http3_reset(hf_http3 *h, hf_http3_lane *l, int32_t err, uint64_t code)
{
    const bool tell = is_known(h, l), said_by_peer = err == HF_ERR_HTTP3_PEER_RESET || err == HF_ERR_HTTP3_NOT_PROCESSED;
    const uint64_t say = said_by_peer ? HF_HTTP3_REQUEST_CANCELLED : code;
    hf_http3_stop(h, l, say);
    if (l->out == HF_HALF_OPEN) {
        l->out = HF_HALF_GIVEN_UP;
        l->abort_out = true;
        act(h, l, say);
    }
    hf_http3_drop_output(h, l);
    hf_http3_starve(h, l, false);
    l->discarding = true;
    l->waiting = false;
    l->shown = l->taken = 0;
    l->due = 0;
    l->phase = HF_PHASE_ENDED;
    l->told_end = true;
    if (tell) {
        l->why = err;
        l->code = code;
        hf_http3_owe(h, l, HF_DUE_RESET);
    }
    hf_http3_settle(h, l);
}

/* ---- what is due -------------------------------------------------------------------------------------------- */

void hf_http3_owe(hf_http3 *h, hf_http3_lane *l, unsigned due)
{
    l->due |= (uint8_t)due;
    if (l->listed || l->due == 0)
        return;
    l->listed = true;
    l->next_due = NULL;
    if (h->due_last != NULL)
        h->due_last->next_due = l;
    else
        h->due_first = l;
    h->due_last = l;
}

static void tell_one(hf_http3_lane *l, hf_http3_event *event)
{
    *event = (hf_http3_event){ .lane = l->id };
    if (l->due & HF_DUE_RESET) {
        event->kind = HF_HTTP3_RESET;
        event->err = hf_err_make(l->why);
        event->code = l->code;
        l->due = 0;
    } else if (l->due & HF_DUE_REFUSED) {
        event->kind = HF_HTTP3_REFUSED;
        event->err = hf_err_make(l->why);
        l->due = 0; /* nothing more of this request */
    } else if (l->due & HF_DUE_READABLE) {
        event->kind = HF_HTTP3_READABLE;
        l->due &= (uint8_t)~HF_DUE_READABLE;
    } else {
        event->kind = HF_HTTP3_WRITABLE;
        l->due &= (uint8_t)~HF_DUE_WRITABLE;
    }
}

bool hf_http3_tell(hf_http3 *h, hf_http3_event *event)
{
    while (h->due_first != NULL) {
        hf_http3_lane *const l = h->due_first;
        const bool due = l->due != 0;
        h->due_first = l->next_due;
        if (h->due_first == NULL)
            h->due_last = NULL;
        l->listed = false;
        if (due) {
            tell_one(l, event);
            hf_http3_owe(h, l, 0); /* there may be more */
        }
        hf_http3_settle(h, l);
        if (due)
            return true;
    }
    return false;
}
