/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams: found by number, opened, moved, told about, let go. The table is small (limit http2_streams) and numbers come
 * in sequence, so half a number is a good place to look; what is spare keeps its memory for the next one.
 */
#include "http2_core.h"

#include "alloc.h"
#include "panic.h"

hf_http2_exchange *hf_http2_find(const hf_http2 *h, uint32_t id)
{
    return hf_id_find(&h->table, id);
}

/* ---- states ------------------------------------------------------------------------------------------------- */

static bool is_active(unsigned state)
{
    return state == HF_STREAM_OPEN || state == HF_STREAM_HALF_LOCAL || state == HF_STREAM_HALF_REMOTE;
}

static bool is_own(const hf_http2 *h, uint32_t id)
{
    return (id % 2 == 0) == h->server;
}

hf_stream_state hf_http2_state_of(const hf_http2 *h, uint32_t id, const hf_http2_exchange *s)
{
    if (s != NULL)
        return (hf_stream_state)s->state;
    if (is_own(h, id) ? id >= h->next_own : id > h->last_peer)
        return HF_STREAM_IDLE;
    for (unsigned i = 0; h->forgotten != NULL && i < HF_HTTP2_FORGOTTEN; i++)
        if (h->forgotten[i] == id)
            return HF_STREAM_RESET;
    /* RFC 9113 6.8: after GOAWAY, streams above its last are not acted upon: as if we had reset them */
    return h->goaway_sent && !is_own(h, id) && id > h->goaway_last ? HF_STREAM_RESET : HF_STREAM_CLOSED;
}

void hf_http2_move(hf_http2 *h, hf_http2_exchange *s, hf_stream_move move)
{
    const hf_stream_state to = hf_stream_after((hf_stream_state)s->state, move);
    HF_ASSERT(to != HF_STREAM_NOWHERE);
    if (to == s->state)
        return;
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_STATE, s->id, (uint64_t)s->state << 8 | to);
    uint32_t *const open = s->ours ? &h->own_open : &h->peer_open;
    *open += (uint32_t)is_active(to) - (uint32_t)is_active(s->state);
    if (is_active(s->state) && !is_active(to) && s->ours && h->slot_wanted)
        h->slot_due = true;
    s->state = (uint8_t)to;
    if (!hf_http2_remote_open(s))
        s->waiting = false;
}

/* ---- birth and death ---------------------------------------------------------------------------------------- */

static void free_exchange(hf_http2 *h, hf_http2_exchange *s)
{
    const hf_allocator *const a = &h->env->alloc;
    hf_queue_fini(&s->held);
    hf_outlet_fini(&s->output);
    hf_free(a, s, sizeof *s);
}

void hf_http2_trim_spare(hf_http2 *h)
{
    while (h->spare != NULL) {
        hf_http2_exchange *const s = h->spare;
        h->spare = s->next;
        free_exchange(h, s);
    }
    h->spare_count = 0;
    if (h->table.count == 0)
        hf_id_clear(&h->table, &h->env->alloc);
}

/* A spare one with what memory it keeps, or a new one. */
static hf_http2_exchange *obtain(hf_http2 *h)
{
    hf_http2_exchange *const s = h->spare;
    if (s == NULL) {
        hf_http2_exchange *const fresh = hf_alloc_zeroed(&h->env->alloc, sizeof *fresh);
        if (fresh != NULL) {
            hf_queue_init(&fresh->held, &h->env->alloc);
            hf_outlet_init(&fresh->output, &h->env->alloc);
        }
        return fresh;
    }
    h->spare = s->next;
    h->spare_count--;
    const hf_queue held = s->held;
    const hf_outlet output = s->output;
    *s = (hf_http2_exchange){ .held = held, .output = output };
    return s;
}

hf_http2_exchange *hf_http2_open(hf_http2 *h, uint32_t id, bool ours)
{
    hf_http2_exchange *const s = hf_id_reserve(&h->table, &h->env->alloc) ? obtain(h) : NULL;
    if (s == NULL)
        return NULL;
    s->id = id;
    s->ours = ours;
    s->state = HF_STREAM_IDLE;
    s->priority.urgency = HF_URGENCY_USUAL;
    s->declared = s->put_left = -1;
    s->pace = (hf_pace){ h->env->limits->body_idle_ns, h->env->limits->body_rate };
    s->recv_window = s->recv_size = HF_HTTP2_WINDOW;
    s->send_window = h->peer_window;
    s->window_at = s->since = h->now;
    s->next = h->all;
    if (h->all != NULL)
        h->all->previous = s;
    h->all = s;
    hf_id_insert(&h->table, id, s);
    return s;
}

bool hf_http2_is_known(const hf_http2 *h, const hf_http2_exchange *s)
{
    return s->phase != HF_PHASE_ENDED || (!h->server && !s->told_end);
}

static void unlink_dirty(hf_http2 *h, hf_http2_exchange *s)
{
    hf_http2_exchange **at = &h->dirty;
    while (*at != s)
        at = &(*at)->next_dirty;
    *at = s->next_dirty;
    s->dirty = false;
}

/* Bytes that nobody will take are given back to the connection. */
void hf_http2_drop_held(hf_http2 *h, hf_http2_exchange *s)
{
    const size_t n = hf_queue_length(&s->held);
    if (n > 0) {
        hf_queue_take(&s->held, n);
        h->held_bytes -= n;
        hf_http2_consume(h, NULL, (uint32_t)n);
    }
    hf_free(&h->env->alloc, s->trailers, s->trailers_bytes);
    s->trailers = NULL;
    s->trailers_bytes = 0;
}

void hf_http2_return_token(hf_http2 *h, uint64_t token)
{
    if (!hf_tokens_add(&h->tokens, &h->env->alloc, token)) /* who lent it gets it back when the connection ends: so it must */
        h->out_of_memory = true;
}

void hf_http2_drop_output(hf_http2 *h, hf_http2_exchange *s)
{
    hf_http2_unschedule(h, s);
    bool whole;
    h->copied_bytes -= hf_outlet_drop(&s->output, &h->tokens, &whole);
    h->out_of_memory = h->out_of_memory || !whole;
    hf_free(&h->env->alloc, s->end_fields, s->end_bytes);
    s->end_fields = NULL;
    s->end_bytes = 0;
    h->short_count -= s->put_short;
    s->blocked = s->put_short = false;
}

void hf_http2_settle(hf_http2 *h, hf_http2_exchange *s)
{
    if (s->state < HF_STREAM_CLOSED || s->due != 0 || s->listed || hf_http2_is_known(h, s))
        return;
    hf_http2_drop_held(h, s);
    hf_http2_drop_output(h, s);
    if (s->dirty)
        unlink_dirty(h, s);
    if (s->promised)
        h->pushed_open--;
    hf_id_remove(&h->table, s->id);
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        h->all = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    if (h->table.count == 0)
        h->since = h->now;
    if (h->spare_count == HF_HTTP2_SPARE || s->held.capacity + s->output.copied.capacity > HF_HTTP2_SPARE_BYTES) {
        free_exchange(h, s);
        return;
    }
    s->next = h->spare;
    h->spare = s;
    h->spare_count++;
}

void hf_http2_each(hf_http2 *h, hf_http2_visit *visit)
{
    hf_http2_exchange *next;
    for (hf_http2_exchange *s = h->all; s != NULL; s = next) {
        next = s->next;
        visit(h, s);
    }
}

void hf_http2_streams_fini(hf_http2 *h)
{
    const hf_allocator *const a = &h->env->alloc;
    hf_http2_exchange *next;
    for (hf_http2_exchange *s = h->all; s != NULL; s = next) {
        next = s->next;
        hf_free(a, s->trailers, s->trailers_bytes);
        hf_free(a, s->end_fields, s->end_bytes);
        free_exchange(h, s);
    }
    h->all = NULL;
    h->table.count = 0;
    hf_http2_trim_spare(h);
    hf_free(a, h->forgotten, HF_HTTP2_FORGOTTEN * sizeof *h->forgotten);
    hf_tokens_fini(&h->tokens, a);
    hf_free(a, h->pushed, h->env->limits->http2_pushes * sizeof *h->pushed);
}

/* ---- resets ------------------------------------------------------------------------------------------------- */

static void forget(hf_http2 *h, uint32_t id)
{
    if (h->forgotten == NULL)
        h->forgotten = hf_alloc_zeroed(&h->env->alloc, HF_HTTP2_FORGOTTEN * sizeof *h->forgotten);
    if (h->forgotten == NULL) {
        h->out_of_memory = true;
        return;
    }
    h->forgotten[h->forgotten_next++ % HF_HTTP2_FORGOTTEN] = id;
}

/* The exchange is over before its end: what it holds is of no more use. */
static void give_up(hf_http2 *h, hf_http2_exchange *s, int32_t err, uint32_t code)
{
    const bool known = hf_http2_is_known(h, s);
    hf_http2_drop_held(h, s);
    hf_http2_drop_output(h, s);
    s->discarding = true;
    s->due = 0;
    s->phase = HF_PHASE_ENDED;
    s->told_end = true;
    if (known) {
        s->why = err;
        s->code = code;
        hf_http2_owe(h, s, HF_DUE_RESET);
    }
    hf_http2_settle(h, s);
}

void hf_http2_reset_id(hf_http2 *h, uint32_t id, uint32_t code)
{
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_RESET, id, code);
    forget(h, id);
    (void)hf_http2_send_u32(h, HF_FRAME_RST_STREAM, id, code);
}

void hf_http2_reset(hf_http2 *h, hf_http2_exchange *s, int32_t err, uint32_t code)
{
    if (s->state < HF_STREAM_CLOSED) {
        hf_http2_reset_id(h, s->id, code);
        hf_http2_move(h, s, HF_STREAM_MOVE_SEND_RESET);
    }
    give_up(h, s, err, code);
}

void hf_http2_lose(hf_http2 *h, hf_http2_exchange *s, int32_t err, uint32_t code)
{
    if (s->state < HF_STREAM_CLOSED)
        hf_http2_move(h, s, HF_STREAM_MOVE_RECV_RESET);
    give_up(h, s, err, code);
}

/* ---- what is due -------------------------------------------------------------------------------------------- */

static bool holds(const hf_http2 *h, const hf_http2_exchange *s)
{
    return hf_queue_length(&s->held) > 0 || (h->lent > 0 && h->lent_stream == s->id);
}

static bool is_tellable(const hf_http2 *h, const hf_http2_exchange *s)
{
    const unsigned due = s->due;
    return (due & (HF_DUE_RESET | HF_DUE_REFUSED | HF_DUE_WRITABLE)) != 0 ||
           ((due & HF_DUE_BODY) != 0 && hf_queue_length(&s->held) > 0) ||
           ((due & (HF_DUE_TRAILERS | HF_DUE_END)) != 0 && !holds(h, s));
}

void hf_http2_owe(hf_http2 *h, hf_http2_exchange *s, unsigned due)
{
    s->due |= (uint8_t)due;
    if (s->listed || !is_tellable(h, s))
        return;
    s->listed = true;
    s->next_due = NULL;
    if (h->due_last != NULL)
        h->due_last->next_due = s;
    else
        h->due_first = s;
    h->due_last = s;
}

static void tell_one(hf_http2 *h, hf_http2_exchange *s, hf_http2_event *event)
{
    *event = (hf_http2_event){ .stream = s->id };
    const bool held = holds(h, s);
    if (s->due & HF_DUE_RESET) {
        event->kind = HF_HTTP2_RESET;
        event->err = hf_err_make(s->why);
        event->code = (hf_http2_code)s->code;
        s->due = 0;
    } else if (s->due & HF_DUE_REFUSED) {
        event->kind = HF_HTTP2_REFUSED;
        event->err = hf_err_make(s->why);
        s->due = 0; /* nothing more of this request */
    } else if ((s->due & HF_DUE_BODY) && held) {
        const hf_span all = hf_queue_peek(&s->held);
        event->kind = HF_HTTP2_BODY;
        event->body = hf_bytes_make(all.ptr, all.len);
        s->due &= (uint8_t)~HF_DUE_BODY;
    } else if ((s->due & HF_DUE_TRAILERS) && !held) {
        event->kind = HF_HTTP2_TRAILERS;
        event->trailers = (hf_fields){ s->trailers, s->trailers_count };
        s->due &= (uint8_t)~HF_DUE_TRAILERS;
    } else if ((s->due & HF_DUE_END) && !held) {
        event->kind = HF_HTTP2_END;
        s->due &= (uint8_t)~HF_DUE_END;
        s->told_end = true;
    } else {
        HF_ASSERT(s->due & HF_DUE_WRITABLE);
        event->kind = HF_HTTP2_WRITABLE;
        s->due &= (uint8_t)~HF_DUE_WRITABLE;
    }
}

bool hf_http2_tell(hf_http2 *h, hf_http2_event *event)
{
    while (h->due_first != NULL) {
        hf_http2_exchange *const s = h->due_first;
        h->due_first = s->next_due;
        if (h->due_first == NULL)
            h->due_last = NULL;
        s->listed = false;
        if (!is_tellable(h, s)) {
            hf_http2_settle(h, s);
            continue;
        }
        tell_one(h, s, event);
        hf_http2_owe(h, s, 0); /* there may be more */
        hf_http2_settle(h, s);
        return true;
    }
    return false;
}

bool hf_http2_copy_fields(const hf_allocator *alloc, hf_fields fields, hf_field **out, size_t *bytes)
{
    size_t n = fields.count * sizeof(hf_field);
    for (size_t i = 0; i < fields.count; i++)
        n += fields.at[i].name.len + fields.at[i].value.len;
    hf_field *const to = hf_alloc(alloc, n > 0 ? n : 1);
    if (to == NULL)
        return false;
    hf_writer w = hf_writer_make(to + fields.count, n - fields.count * sizeof *to);
    for (size_t i = 0; i < fields.count; i++) {
        to[i] = fields.at[i];
        to[i].name.ptr = w.ptr + w.length;
        hf_write(&w, fields.at[i].name);
        to[i].value.ptr = w.ptr + w.length;
        hf_write(&w, fields.at[i].value);
    }
    *out = to;
    *bytes = n > 0 ? n : 1;
    return true;
}
