/* SPDX-License-Identifier: Apache-2.0
 *
 * What HTTP/3 asks of the QUIC connection below it: taken on the tape, and said by the tape where there is no connection (quic
 * is NULL). Packets, keys and loss stay below: the tape has the lanes' bytes, in order, as the core saw them.
 */
#include "web_tape_core.h"

#include "alloc.h"

static bool plays(const hf_web_tape *t)
{
    return t != NULL && t->plays;
}

uint64_t hf_web_tape_fact(hf_web_tape *t, uint64_t value)
{
    if (plays(t))
        return tape_expect(t, TAPE_FACT) ? tape_read(t) : 0;
    if (t != NULL && tape_begin(t, TAPE_FACT))
        tape_write(t, value);
    return value;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

static tape_lane *find(hf_web_tape *t, hf_lane lane)
{
    for (size_t i = 0; i < t->lane_count; i++)
        if (t->lanes[i].lane == lane)
            return &t->lanes[i];
    return NULL;
}

/* Only those with bytes that were not taken have a place. NULL: memory ended. */
static tape_lane *place_of(hf_web_tape *t, hf_lane lane)
{
    tape_lane *l = find(t, lane);
    if (l != NULL)
        return l;
    if (t->lane_count == t->lane_capacity) {
        const size_t more = t->lane_capacity > 0 ? t->lane_capacity * 2 : 4;
        tape_lane *const all = hf_resize(&t->below->alloc, t->lanes, t->lane_capacity * sizeof *all, more * sizeof *all);
        if (all == NULL) {
            hf_web_tape_spoil(t, "memory ended while it was recorded");
            return NULL;
        }
        t->lanes = all;
        t->lane_capacity = more;
    }
    l = &t->lanes[t->lane_count++];
    *l = (tape_lane){ .lane = lane };
    hf_queue_init(&l->in, &t->below->alloc);
    return l;
}

static void leave(hf_web_tape *t, tape_lane *l)
{
    hf_queue_fini(&l->in);
    *l = t->lanes[--t->lane_count];
}

void tape_leave_lanes(hf_web_tape *t)
{
    while (t->lane_count > 0)
        leave(t, &t->lanes[0]);
    hf_free(&t->below->alloc, t->lanes, t->lane_capacity * sizeof *t->lanes);
}

static hf_span play_peek(hf_web_tape *t, hf_lane lane)
{
    tape_lane *l = find(t, lane);
    if (tape_expect(t, TAPE_LANE_PEEK)) {
        const uint64_t length = tape_read(t);
        const hf_bytes fresh = tape_read_bytes(t);
        l = l == NULL && fresh.len > 0 ? place_of(t, lane) : l;
        if (l != NULL && fresh.len > 0 && !hf_queue_append(&l->in, fresh))
            tape_differ(t, "memory ended");
        else if (!t->full && (l != NULL ? hf_queue_length(&l->in) : 0) != length)
            tape_differ(t, "other bytes were taken");
    }
    return l != NULL ? hf_queue_peek(&l->in) : (hf_span){ NULL, 0 };
}

hf_span hf_web_lane_peek(hf_web_tape *t, hf_quic *quic, hf_lane lane)
{
    if (plays(t))
        return play_peek(t, lane);
    const hf_span held = hf_quic_peek(quic, lane);
    if (t == NULL || !tape_begin(t, TAPE_LANE_PEEK))
        return held;
    tape_lane *const l = held.len > 0 ? place_of(t, lane) : NULL;
    const size_t fresh = l != NULL && held.len > l->known ? held.len - l->known : 0;
    tape_write(t, held.len);
    tape_write_bytes(t, hf_bytes_make(fresh > 0 ? held.ptr + held.len - fresh : NULL, fresh));
    t->known += fresh;
    if (l != NULL)
        l->known = held.len > l->known ? held.len : l->known;
    return held;
}

void hf_web_lane_take(hf_web_tape *t, hf_quic *quic, hf_lane lane, size_t n)
{
    if (!plays(t))
        hf_quic_take(quic, lane, n);
    tape_lane *const l = t != NULL ? find(t, lane) : NULL;
    if (l == NULL)
        return;
    if (t->plays)
        hf_queue_take(&l->in, n < hf_queue_length(&l->in) ? n : hf_queue_length(&l->in));
    l->known -= n < l->known ? n : l->known;
    if (t->plays ? hf_queue_length(&l->in) == 0 : l->known == 0)
        leave(t, l);
}

uint64_t hf_web_lane_put(hf_web_tape *t, hf_quic *quic, hf_lane lane, const hf_extent *extents, size_t count)
{
    uint64_t total = 0, taken;
    for (size_t i = 0; i < count; i++)
        total += hf_extent_length(&extents[i]);
    if (!plays(t)) {
        taken = hf_quic_put(quic, lane, extents, count);
        if (t != NULL && tape_begin(t, TAPE_LANE_PUT)) {
            tape_write(t, lane);
            tape_write(t, total);
            tape_write(t, taken);
        }
        return taken;
    }
    if (!tape_expect(t, TAPE_LANE_PUT))
        return total;
    const uint64_t which = tape_read(t), length = tape_read(t);
    taken = tape_read(t);
    if ((which != lane || length != total) && !t->full)
        tape_differ(t, "it sends more, or less");
    return taken < total ? taken : total;
}

/* ---- lanes ------------------------------------------------------------------------------------------------------ */

hf_err hf_web_lane_open(hf_web_tape *t, hf_quic *quic, hf_lane_kind kind, hf_lane *lane)
{
    if (plays(t)) {
        *lane = HF_WEB_NO_LANE;
        if (!tape_expect(t, TAPE_LANE_OPEN))
            return hf_err_make(HF_ERR_BASE_USAGE);
        *lane = tape_read(t);
        const hf_err err = hf_err_make((int32_t)(uint32_t)tape_read(t));
        return t->full ? hf_err_make(HF_ERR_BASE_USAGE) : err;
    }
    const hf_err err = hf_quic_open(quic, kind, lane);
    if (t != NULL && tape_begin(t, TAPE_LANE_OPEN)) {
        tape_write(t, err.code == 0 ? *lane : 0);
        tape_write(t, (uint64_t)(uint32_t)err.code);
    }
    return err;
}

hf_err hf_web_lane_end(hf_web_tape *t, hf_quic *quic, hf_lane lane, hf_ending ending)
{
    if (plays(t)) {
        if (!tape_expect(t, TAPE_LANE_END))
            return HF_OK;
        const uint64_t which = tape_read(t), kind = tape_read(t), err = tape_read(t);
        if ((which != lane || kind != (uint64_t)ending.kind) && !t->full)
            tape_differ(t, "it ends something else");
        return hf_err_make((int32_t)(uint32_t)err);
    }
    const hf_err err = hf_quic_end(quic, lane, ending);
    if (t != NULL && tape_begin(t, TAPE_LANE_END)) {
        tape_write(t, lane);
        tape_write(t, (uint64_t)ending.kind);
        tape_write(t, (uint64_t)(uint32_t)err.code);
    }
    return err;
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

/* What other events say of a lane is nothing. */
static bool has_lane(hf_quic_event_kind kind)
{
    return kind == HF_QUIC_STREAM || kind == HF_QUIC_READABLE || kind == HF_QUIC_WRITABLE || kind == HF_QUIC_ENDED;
}

static hf_step play_next(hf_web_tape *t, hf_quic_event *e)
{
    if (!tape_expect(t, TAPE_LANE_EVENT))
        return HF_IDLE;
    const uint64_t s = tape_read(t);
    if (s != HF_EVENT)
        return s <= HF_FAULT ? (hf_step)s : HF_IDLE;
    const uint64_t kind = tape_read(t), lane = tape_read(t), ending = tape_read(t), code = tape_read(t), token = tape_read(t);
    t->opened = t->opened || kind == HF_QUIC_OPENED || kind == HF_QUIC_EARLY;
    const bool early = !t->opened && (has_lane((hf_quic_event_kind)kind) || kind == HF_QUIC_RELEASED);
    if (!t->full && (kind > HF_QUIC_DATAGRAM || ending > HF_ENDING_STOP || early))
        tape_differ(t, "this is no tape of ours");
    if (t->full || t->flaw != NULL)
        return HF_IDLE;
    *e = (hf_quic_event){ .kind = (hf_quic_event_kind)kind, .lane = lane, .ending = { (hf_ending_kind)ending, code }, .token = token };
    return HF_EVENT;
}

hf_step hf_web_lane_next(hf_web_tape *t, hf_quic *quic, hf_time now, hf_quic_event *e)
{
    if (plays(t))
        return play_next(t, e);
    const hf_step s = hf_quic_next(quic, now, e);
    if (t == NULL || !tape_begin(t, TAPE_LANE_EVENT))
        return s;
    tape_write(t, (uint64_t)s);
    if (s != HF_EVENT)
        return s;
    tape_write(t, (uint64_t)e->kind);
    tape_write(t, has_lane(e->kind) ? e->lane : 0);
    tape_write(t, e->kind == HF_QUIC_ENDED ? (uint64_t)e->ending.kind : 0);
    tape_write(t, e->kind == HF_QUIC_ENDED ? e->ending.code : 0);
    tape_write(t, e->kind == HF_QUIC_RELEASED ? e->token : 0);
    return s;
}
