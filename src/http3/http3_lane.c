/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes: found by number, added, given up, told about, let go. What is spare keeps its memory for the next one.
 */
#include "http3_core.h"

#include "alloc.h"
#include "panic.h"

/* ---- the table ---------------------------------------------------------------------------------------------- */

static uint32_t place(const hf_http3 *h, hf_lane id)
{
    /* lanes of a kind come in sequence; the kinds are the two low bits */
    return (uint32_t)(id >> 2 ^ (id & 3) << 4) & (h->table_capacity - 1);
}

hf_http3_lane *hf_http3_find(const hf_http3 *h, hf_lane id)
{
    if (h->table_count == 0)
        return NULL;
    for (uint32_t i = place(h, id); h->table[i] != NULL; i = (i + 1) & (h->table_capacity - 1))
        if (h->table[i]->id == id)
            return h->table[i];
    return NULL;
}

static void insert(hf_http3 *h, hf_http3_lane *l)
{
    uint32_t i = place(h, l->id);
    while (h->table[i] != NULL)
        i = (i + 1) & (h->table_capacity - 1);
    h->table[i] = l;
}

static bool grow_table(hf_http3 *h)
{
    if (h->table_count * 2 < h->table_capacity)
        return true;
    const uint32_t old = h->table_capacity, capacity = old == 0 ? 16 : old * 2;
    hf_http3_lane **const table = hf_alloc_zeroed(&h->env->alloc, capacity * sizeof *table);
    if (table == NULL)
        return false;
    hf_http3_lane **const before = h->table;
    h->table = table;
    h->table_capacity = capacity;
    for (uint32_t i = 0; i < old; i++)
        if (before[i] != NULL)
            insert(h, before[i]);
    hf_free(&h->env->alloc, before, old * sizeof *before);
    return true;
}

/* What follows in the run moves up, so that no gap hides it. */
static void remove_from_table(hf_http3 *h, const hf_http3_lane *l)
{
    const uint32_t mask = h->table_capacity - 1;
    uint32_t gap = place(h, l->id);
    while (h->table[gap] != l)
        gap = (gap + 1) & mask;
    for (uint32_t i = (gap + 1) & mask; h->table[i] != NULL; i = (i + 1) & mask) {
        const uint32_t home = place(h, h->table[i]->id);
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            h->table[gap] = h->table[i];
            gap = i;
        }
    }
    h->table[gap] = NULL;
    h->table_count--;
}

/* ---- birth and death ---------------------------------------------------------------------------------------- */

static void free_lane(hf_http3 *h, hf_http3_lane *l)
{
    hf_queue_fini(&l->copied);
    hf_free(&h->env->alloc, l->pieces, l->piece_capacity * sizeof *l->pieces);
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
            hf_queue_init(&fresh->copied, &h->env->alloc);
        return fresh;
    }
    h->spare = l->next;
    h->spare_count--;
    const hf_queue copied = l->copied;
    hf_http3_piece *const pieces = l->pieces;
    const uint16_t capacity = l->piece_capacity;
    *l = (hf_http3_lane){ .copied = copied, .pieces = pieces, .piece_capacity = capacity };
    return l;
}

hf_http3_lane *hf_http3_add(hf_http3 *h, hf_lane id, hf_http3_use use)
{
    hf_http3_lane *const l = grow_table(h) ? obtain(h) : NULL;
    if (l == NULL)
        return NULL;
    l->id = id;
    l->use = (uint8_t)use;
    l->place = HF_PLACE_HEAD;
    l->priority.urgency = HF_URGENCY_USUAL;
    l->declared = l->put_left = -1;
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
    insert(h, l);
    h->table_count++;
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
    remove_from_table(h, l);
    if (l->previous != NULL)
        l->previous->next = l->next;
    else
        h->all = l->next;
    if (l->next != NULL)
        l->next->previous = l->previous;
    if (h->exchanges == 0)
        h->since = h->now;
    if (h->spare_count == HF_HTTP3_SPARE || l->copied.capacity > HF_HTTP3_SPARE_BYTES) {
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
    hf_free(&h->env->alloc, h->table, h->table_capacity * sizeof *h->table);
    hf_free(&h->env->alloc, h->tokens, h->token_capacity * sizeof *h->tokens);
}

/* ---- output that will not leave ----------------------------------------------------------------------------- */

void hf_http3_return_token(hf_http3 *h, uint64_t token)
{
    if (h->token_count == h->token_capacity) {
        const uint32_t capacity = h->token_capacity == 0 ? 16 : h->token_capacity * 2;
        uint64_t *const tokens = hf_resize(&h->env->alloc, h->tokens, h->token_capacity * sizeof *tokens,
                                           capacity * sizeof *tokens);
        if (tokens == NULL) { /* the owner frees what is outstanding when the connection ends: so it must */
            h->out_of_memory = true;
            return;
        }
        h->tokens = tokens;
        h->token_capacity = capacity;
    }
    h->tokens[h->token_count++] = token;
}

void hf_http3_drop_output(hf_http3 *h, hf_http3_lane *l)
{
    hf_http3_unschedule(h, l);
    for (; l->piece_first < l->piece_count; l->piece_first++)
        if (l->pieces[l->piece_first].extent.token != 0)
            hf_http3_return_token(h, l->pieces[l->piece_first].extent.token);
    l->piece_first = l->piece_count = 0;
    const size_t n = hf_queue_length(&l->copied);
    hf_queue_take(&l->copied, n);
    h->copied_bytes -= n;
    l->tail = l->pending = 0;
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
