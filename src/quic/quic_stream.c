/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes: their two halves (RFC 9000 3), who may open them, flow control in both directions, and the verbs of the pier.
 */
#include "quic_core.h"

#include "panic.h"

/* ---- states ------------------------------------------------------------------------------------------------- */

#define TO(state) (1u << HF_LANE_##state)

static const uint8_t sending_moves[HF_LANE_STATE_COUNT] = {
    [HF_LANE_OPEN] = TO(SIZED) | TO(RESET),
    [HF_LANE_SIZED] = TO(DONE) | TO(RESET),
    [HF_LANE_RESET] = TO(DONE),
};
static const uint8_t receiving_moves[HF_LANE_STATE_COUNT] = {
    [HF_LANE_OPEN] = TO(SIZED) | TO(RESET),
    [HF_LANE_SIZED] = TO(DONE) | TO(RESET),
    [HF_LANE_RESET] = TO(DONE),
};

void hf_stream_sending(hf_stream *s, hf_lane_state to)
{
    HF_ASSERT(sending_moves[s->sending] >> to & 1);
    s->sending = (uint8_t)to;
}

void hf_stream_receiving(hf_stream *s, hf_lane_state to)
{
    HF_ASSERT(receiving_moves[s->receiving] >> to & 1);
    s->receiving = (uint8_t)to;
}

/* ---- the table ---------------------------------------------------------------------------------------------- */

static uint32_t slot(const hf_quic *q, uint64_t id)
{
    return (uint32_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (q->bucket_count - 1);
}

static hf_stream *look_up(const hf_quic *q, uint64_t id)
{
    if (q->recent != NULL && q->recent->id == id)
        return q->recent;
    if (q->bucket_count == 0)
        return NULL;
    hf_stream *s = q->buckets[slot(q, id)];
    while (s != NULL && s->id != id)
        s = s->bucket;
    return s;
}

hf_stream *hf_stream_find(hf_quic *q, uint64_t id)
{
    return q->recent = look_up(q, id);
}

static bool grow(hf_quic *q)
{
    const uint32_t before = q->bucket_count, count = before == 0 ? 4 : before * 2;
    hf_stream **old = q->buckets, **buckets = hf_alloc_zeroed(&q->env->alloc, count * sizeof(hf_stream *));
    if (buckets == NULL)
        return false;
    q->buckets = buckets;
    q->bucket_count = count;
    for (uint32_t i = 0; i < before; i++)
        for (hf_stream *s = old[i], *next; s != NULL; s = next) {
            next = s->bucket;
            s->bucket = buckets[slot(q, s->id)];
            buckets[slot(q, s->id)] = s;
        }
    hf_free(&q->env->alloc, old, before * sizeof(hf_stream *));
    return true;
}

/* RFC 9000 18.2: "local" and "remote" are said from the view of whoever sends the parameter. */
static uint64_t first_allowed(const hf_quic *q, uint64_t id, bool ours)
{
    return hf_lane_is_one_way(id) ? q->theirs.stream_one_way : ours ? q->theirs.stream_remote : q->theirs.stream_local;
}

/* A stream and the halves that it has, in one block; a request and its answer with room for what both of them mostly are. */
typedef struct both_ways {
    hf_stream stream;
    hf_send out;
    hf_receive in;
    hf_send_room out_room; /* from here on nothing needs to be 0 */
    uint8_t in_room[HF_RECEIVE_ROOM];
} both_ways;
typedef struct outward {
    hf_stream stream;
    hf_send out;
} outward;
typedef struct inward {
    hf_stream stream;
    hf_receive in;
} inward;

static hf_stream *make_both(hf_quic_endpoint *ep, const hf_allocator *alloc)
{
    both_ways *b = (both_ways *)hf_quic_spare_take(ep);
    if (b == NULL)
        b = hf_alloc(alloc, sizeof *b);
    if (b == NULL)
        return NULL;
    memset(b, 0, offsetof(both_ways, out_room));
    b->out_room.taken = false;
    b->out.room = &b->out_room;
    b->in.room = b->in_room;
    b->stream.out = &b->out;
    b->stream.in = &b->in;
    return &b->stream;
}

static hf_stream *make(hf_quic_endpoint *ep, const hf_allocator *alloc, bool sends, bool receives)
{
    if (sends && receives)
        return make_both(ep, alloc);
    if (sends) {
        outward *const o = hf_alloc_zeroed(alloc, sizeof *o);
        if (o == NULL)
            return NULL;
        o->stream.out = &o->out;
        return &o->stream;
    }
    inward *const i = hf_alloc_zeroed(alloc, sizeof *i);
    if (i == NULL)
        return NULL;
    i->stream.in = &i->in;
    return &i->stream;
}

static size_t size_of(const hf_stream *s)
{
    return s->out != NULL && s->in != NULL ? sizeof(both_ways) : s->out != NULL ? sizeof(outward) : sizeof(inward);
}

static hf_stream *add(hf_quic *q, uint64_t id, bool ours)
{
    if (q->stream_count >= q->bucket_count && !grow(q))
        return NULL;
    const bool one_way = hf_lane_is_one_way(id);
    hf_stream *const s = make(q->ep, &q->env->alloc, ours || !one_way, !ours || !one_way);
    if (s == NULL)
        return NULL;
    s->id = id;
    s->sending = one_way && !ours ? HF_LANE_NONE : HF_LANE_OPEN;
    s->receiving = one_way && ours ? HF_LANE_NONE : HF_LANE_OPEN;
    s->send_allowed = first_allowed(q, id, ours);
    s->receive_allowed = s->window = one_way ? q->ours.stream_one_way : ours ? q->ours.stream_local : q->ours.stream_remote;
    s->window_at = q->now;
    s->urgency = 3;
    s->turns = true;
    s->bucket = q->buckets[slot(q, id)];
    q->buckets[slot(q, id)] = s;
    q->stream_count++;
    return s;
}

static void destroy(hf_quic *q, hf_stream *s)
{
    const hf_allocator *const alloc = &q->env->alloc;
    q->recent = q->recent == s ? NULL : q->recent;
    hf_link_leave(&s->sendable);
    hf_link_leave(&s->telling);
    if (s->in != NULL) {
        q->gaps -= s->in->apart.count;
        hf_receive_fini(s->in, alloc);
    }
    if (s->out != NULL)
        hf_send_fini(s->out, alloc);
    if (s->out == NULL || s->in == NULL || !hf_quic_spare_give(q->ep, s))
        hf_free(alloc, s, size_of(s));
}

void hf_stream_free_spare(hf_stream *s, const hf_allocator *alloc)
{
    hf_free(alloc, s, sizeof(both_ways));
}

size_t hf_stream_memory(const hf_stream *s)
{
    size_t n = size_of(s);
    if (s->in != NULL)
        n += (s->in->memory != s->in->room ? s->in->capacity : 0) + s->in->apart.capacity * sizeof(hf_range);
    if (s->out != NULL)
        n += (s->out->acked.capacity + s->out->lost.capacity) * sizeof(hf_range);
    return n;
}

void hf_streams_free(hf_quic *q)
{
    for (uint32_t i = 0; i < q->bucket_count; i++)
        for (hf_stream *s = q->buckets[i], *next; s != NULL; s = next) {
            next = s->bucket;
            destroy(q, s);
        }
    hf_free(&q->env->alloc, q->buckets, q->bucket_count * sizeof(hf_stream *));
    q->buckets = NULL;
    q->bucket_count = q->stream_count = 0;
}

void hf_streams_release(hf_quic *q)
{
    const hf_send_released released = hf_quic_released(q);
    for (uint32_t i = 0; i < q->bucket_count; i++)
        for (hf_stream *s = q->buckets[i]; s != NULL; s = s->bucket)
            if (s->out != NULL)
                hf_send_drop(s->out, &q->env->alloc, &released);
}

static bool is_ours(const hf_quic *q, uint64_t id)
{
    return hf_lane_is_of_server(id) == q->server;
}

/* How many of the peer's streams may be open at once. */
static uint64_t most(const hf_quic *q, bool one_way)
{
    return one_way ? q->ours.one_way_streams : q->ours.streams;
}

void hf_streams_limits(hf_quic *q)
{
    for (unsigned k = 0; k < 2; k++)
        /* told in good time, and not with every stream */
        q->streams_due[k] |= q->peer_may[k] > q->peer_told[k] && q->peer_told[k] - q->peer_opened[k] < (most(q, k) + 1) / 2;
}

void hf_stream_settle(hf_quic *q, hf_stream *s)
{
    const bool sent = s->sending == HF_LANE_NONE || s->sending == HF_LANE_DONE, read = s->receiving == HF_LANE_NONE || s->receiving == HF_LANE_DONE;
    if (!sent || !read || s->tell != 0)
        return;
    hf_stream **at = &q->buckets[slot(q, s->id)];
    while (*at != s)
        at = &(*at)->bucket;
    *at = s->bucket;
    q->stream_count--;
    if (!is_ours(q, s->id)) {
        const unsigned k = hf_lane_is_one_way(s->id);
        q->peer_may[k]++;
        hf_streams_limits(q);
    }
    destroy(q, s);
}

/* ---- what is to be told and sent ---------------------------------------------------------------------------- */

static void tell(hf_quic *q, hf_stream *s, unsigned what)
{
    s->tell |= (uint8_t)what;
    if (!hf_link_is_in(&s->telling))
        hf_list_push(&q->telling, &s->telling);
}

/* What all lanes hold unsent may be as much as a few of them may. */
static uint64_t backlog_most(const hf_quic *q)
{
    return 8 * q->env->limits->output_bytes;
}

uint64_t hf_quic_backlog(const hf_quic *q)
{
    return q->put_bytes - q->sent_bytes;
}

/* Room for another stretch of bytes: by what the lane holds, by what all do, and by the peer's windows. */
static uint64_t room_of(const hf_quic *q, const hf_stream *s, bool *crowded)
{
    const uint64_t unsent = s->out->put - s->out->next, backlog = hf_quic_backlog(q);
    const uint64_t free_all = q->send_allowed - q->sent_bytes;
    *crowded = backlog >= backlog_most(q) || backlog >= free_all;
    if (*crowded || unsent >= q->env->limits->output_bytes / 2 || s->out->put >= s->send_allowed)
        return 0;
    const uint64_t by_lane = s->send_allowed - s->out->put, by_all = free_all - backlog;
    return by_lane < by_all ? by_lane : by_all;
}

uint64_t hf_quic_room(hf_quic *q, hf_lane lane)
{
    hf_stream *const s = hf_stream_find(q, lane);
    bool crowded;
    if (s == NULL || s->sending != HF_LANE_OPEN || !hf_quic_is_usable(q))
        return 0;
    const uint64_t room = room_of(q, s, &crowded);
    s->wants_room = room == 0;
    q->crowded |= crowded;
    return room;
}

/* Lanes that waited for others go on when those have sent half of it. */
void hf_streams_uncrowd(hf_quic *q)
{
    if (!q->crowded || hf_quic_backlog(q) > backlog_most(q) / 2 || hf_quic_backlog(q) >= q->send_allowed - q->sent_bytes)
        return;
    q->crowded = false;
    hf_streams_unblock(q);
}

/* Up to which offset it may send now: its own limit, and the connection's. */
uint64_t hf_stream_may_send(const hf_quic *q, const hf_stream *s)
{
    const uint64_t by_connection = s->out->next + (q->send_allowed - q->sent_bytes);
    return by_connection < s->send_allowed ? by_connection : s->send_allowed;
}

void hf_stream_touch(hf_quic *q, hf_stream *s)
{
    const bool data = (s->sending == HF_LANE_OPEN || s->sending == HF_LANE_SIZED) && hf_send_is_ready(s->out, hf_stream_may_send(q, s));
    if (!data && s->due == 0)
        hf_link_leave(&s->sendable);
    else if (!hf_link_is_in(&s->sendable))
        hf_list_push(&q->sendable[s->urgency], &s->sendable);
    if (s->wants_put && s->sending == HF_LANE_OPEN && s->out->put - s->out->next < q->env->limits->output_bytes / 2) {
        s->wants_put = false;
        tell(q, s, HF_TELL_WRITABLE);
    }
    bool crowded;
    if (s->wants_room && s->sending == HF_LANE_OPEN && room_of(q, s, &crowded) > 0) {
        s->wants_room = false;
        tell(q, s, HF_TELL_WRITABLE);
    }
}

void hf_streams_unblock(hf_quic *q)
{
    for (uint32_t i = 0; i < q->bucket_count; i++)
        for (hf_stream *s = q->buckets[i]; s != NULL; s = s->bucket)
            hf_stream_touch(q, s);
}

void hf_streams_allow(hf_quic *q)
{
    for (uint32_t i = 0; i < q->bucket_count; i++)
        for (hf_stream *s = q->buckets[i]; s != NULL; s = s->bucket) {
            const uint64_t now = first_allowed(q, s->id, is_ours(q, s->id));
            s->send_allowed = now > s->send_allowed ? now : s->send_allowed;
        }
    hf_streams_unblock(q);
}

static void token_released(void *self, uint64_t token)
{
    hf_quic *const q = self;
    if (q->token_first > 0 && q->token_first + q->token_count == q->token_capacity) {
        memmove(q->tokens, q->tokens + q->token_first, q->token_count * sizeof *q->tokens);
        q->token_first = 0;
    }
    HF_ASSERT(q->token_first + q->token_count < q->token_capacity);
    q->tokens[q->token_first + q->token_count++] = token;
}

hf_send_released hf_quic_released(hf_quic *q)
{
    return (hf_send_released){ token_released, q };
}

/* Room for the token's RELEASED, so that releasing cannot fail. */
static bool reserve_token(hf_quic *q)
{
    if (q->tokens_out < q->token_capacity)
        return true;
    const uint32_t more = q->token_capacity == 0 ? 8 : q->token_capacity * 2;
    uint64_t *at = hf_resize(&q->env->alloc, q->tokens, q->token_capacity * sizeof *at, more * sizeof *at);
    if (at == NULL)
        return false;
    q->tokens = at;
    q->token_capacity = more;
    return true;
}

/* The next event of a stream. */
bool hf_stream_tell_next(hf_quic *q, hf_quic_event *event)
{
    static const struct { uint8_t bit, kind, ending; } order[] = {
        { HF_TELL_STREAM, HF_QUIC_STREAM, 0 }, { HF_TELL_READABLE, HF_QUIC_READABLE, 0 }, { HF_TELL_RESET, HF_QUIC_ENDED, HF_ENDING_RESET },
        { HF_TELL_FIN, HF_QUIC_ENDED, HF_ENDING_FIN }, { HF_TELL_STOP, HF_QUIC_ENDED, HF_ENDING_STOP }, { HF_TELL_WRITABLE, HF_QUIC_WRITABLE, 0 },
    };
    while (!hf_list_is_empty(&q->telling)) {
        hf_stream *const s = (hf_stream *)((uint8_t *)q->telling.next - offsetof(hf_stream, telling));
        size_t i = 0;
        while (i < HF_COUNT(order) && !(s->tell & order[i].bit))
            i++;
        if (i == HF_COUNT(order)) {
            hf_link_leave(&s->telling);
            continue;
        }
        s->tell &= (uint8_t)~order[i].bit;
        *event = (hf_quic_event){ .kind = (hf_quic_event_kind)order[i].kind, .lane = s->id, .ending.kind = (hf_ending_kind)order[i].ending };
        event->ending.code = order[i].bit == HF_TELL_RESET ? s->peer_reset_code : order[i].bit == HF_TELL_STOP ? s->peer_stop_code : 0;
        if (s->tell == 0)
            hf_link_leave(&s->telling);
        if (order[i].bit == HF_TELL_RESET || order[i].bit == HF_TELL_FIN)
            hf_stream_receiving(s, HF_LANE_DONE);
        hf_stream_settle(q, s);
        return true;
    }
    return false;
}

/* ---- frames of the peer ------------------------------------------------------------------------------------- */

/* RFC 9000 3.2: "opening a stream causes all lower-numbered streams of the same type to open". */
static hf_stream *open_by_peer(hf_quic *q, uint64_t id)
{
    const unsigned k = hf_lane_is_one_way(id);
    hf_stream *s = NULL;
    while (q->peer_opened[k] <= id >> 2) {
        s = add(q, q->peer_opened[k] << 2 | (id & 3), false);
        if (s == NULL) {
            (void)hf_quic_no_memory(q);
            return NULL;
        }
        q->peer_opened[k]++;
        tell(q, s, HF_TELL_STREAM);
    }
    hf_streams_limits(q);
    return s;
}

hf_stream *hf_stream_of_frame(hf_quic *q, uint64_t id, bool sends, uint64_t frame, bool *good)
{
    const unsigned k = hf_lane_is_one_way(id);
    const bool ours = is_ours(q, id);
    *good = true;
    if (k == 1 && ours != sends)
        *good = hf_quic_fail(q, HF_ERR_QUIC_STREAM_STATE, frame, "a frame that fits the stream's direction");
    else if (ours && id >> 2 >= q->opened[k])
        *good = hf_quic_fail(q, HF_ERR_QUIC_STREAM_STATE, frame, "a stream that was opened");
    else if (!ours && id >> 2 >= q->peer_told[k])
        *good = hf_quic_fail(q, HF_ERR_QUIC_STREAM_LIMIT, frame, "a stream within MAX_STREAMS");
    if (!*good)
        return NULL;
    if (!ours && id >> 2 >= q->peer_opened[k]) {
        hf_stream *const s = open_by_peer(q, id);
        *good = s != NULL;
        return s;
    }
    return hf_stream_find(q, id);
}

/* Notes that the stream reaches up to `end`; false when that breaks a limit. */
static bool count_received(hf_quic *q, hf_stream *s, uint64_t end, uint64_t frame)
{
    if (s->receiving != HF_LANE_OPEN && end > s->final_size)
        return hf_quic_fail(q, HF_ERR_QUIC_FINAL_SIZE, frame, "no data beyond the final size");
    const uint64_t more = end > s->in->highest ? end - s->in->highest : 0;
    if (end > s->receive_allowed || more > q->receive_allowed - q->received_bytes)
        return hf_quic_fail(q, HF_ERR_QUIC_FLOW_CONTROL, frame, "data within MAX_DATA and MAX_STREAM_DATA");
    q->received_bytes += more;
    return true;
}

/* RFC 9000 4.2: the window is told anew when half of it is used; it doubles when that took less than two round trips. */
static bool tune(const hf_quic *q, uint64_t left, uint64_t *window, hf_time *at, uint64_t most_window)
{
    if (left > *window / 2)
        return false;
    if (q->now.ns - at->ns < 2 * q->rtt.smoothed_ns && *window < most_window)
        *window = *window * 2 < most_window ? *window * 2 : most_window;
    *at = q->now;
    return true;
}

static void taken(hf_quic *q, uint64_t n)
{
    q->taken_bytes += n;
    if (tune(q, q->receive_allowed - q->taken_bytes, &q->window, &q->window_at, q->env->limits->quic_connection_window_bytes))
        q->window_due = true;
}

/* Nobody will read what lies here, or what still comes up to `end`. */
static void discard(hf_quic *q, hf_stream *s, uint64_t end)
{
    q->gaps -= s->in->apart.count;
    if (end > s->in->highest)
        s->in->highest = end;
    taken(q, s->in->highest - s->in->read);
    hf_receive_fini(s->in, &q->env->alloc);
    s->tell &= (uint8_t)~HF_TELL_READABLE;
}

static bool set_final(hf_quic *q, hf_stream *s, uint64_t size, uint64_t frame)
{
    if (s->receiving == HF_LANE_OPEN ? size < s->in->highest : size != s->final_size)
        return hf_quic_fail(q, HF_ERR_QUIC_FINAL_SIZE, frame, "one final size, not below what was received");
    s->final_size = size;
    return true;
}

bool hf_stream_data(hf_quic *q, const hf_frame *f)
{
    bool good;
    hf_stream *const s = hf_stream_of_frame(q, f->id, false, f->type, &good);
    if (s == NULL)
        return good;
    const uint64_t end = f->offset + f->bytes.len;
    if (!count_received(q, s, end, f->type) || (f->fin && !set_final(q, s, end, f->type)))
        return false;
    if (s->receiving == HF_LANE_RESET || s->receiving == HF_LANE_DONE)
        return true;
    if (f->fin && s->receiving == HF_LANE_OPEN)
        hf_stream_receiving(s, HF_LANE_SIZED);
    const uint64_t whole = s->in->whole;
    if (s->stopped) {
        discard(q, s, end);
    } else {
        const uint32_t apart = s->in->apart.count;
        if (f->offset > whole && hf_ranges_is_full(&s->in->apart, f->offset, end, 1) && q->gaps >= q->env->limits->quic_gaps)
            return hf_quic_fail(q, HF_ERR_QUIC_GAPS, f->type, "fewer gaps (limit quic_gaps)");
        if (!hf_receive_add(s->in, &q->env->alloc, f->offset, f->bytes))
            return hf_quic_no_memory(q);
        q->gaps = q->gaps - apart + s->in->apart.count;
    }
    if (s->in->whole > whole && !s->stopped)
        tell(q, s, HF_TELL_READABLE);
    if (s->receiving == HF_LANE_SIZED && s->in->read == s->final_size)
        tell(q, s, HF_TELL_FIN);
    return true;
}

bool hf_stream_reset(hf_quic *q, const hf_frame *f)
{
    bool good;
    hf_stream *const s = hf_stream_of_frame(q, f->id, false, f->type, &good);
    if (s == NULL)
        return good;
    if (!count_received(q, s, f->offset, f->type) || !set_final(q, s, f->offset, f->type))
        return false;
    /* RFC 9000 3.2: once all data was received, a RESET_STREAM may be ignored */
    if (s->receiving == HF_LANE_RESET || s->receiving == HF_LANE_DONE || (s->receiving == HF_LANE_SIZED && s->in->whole == s->final_size))
        return true;
    discard(q, s, f->offset);
    s->peer_reset_code = f->code;
    s->due &= (uint8_t)~(HF_DUE_STOP | HF_DUE_WINDOW);
    hf_stream_receiving(s, HF_LANE_RESET);
    tell(q, s, HF_TELL_RESET);
    return true;
}

/* We give up sending; what was put is let go. */
static void reset(hf_quic *q, hf_stream *s, uint64_t code)
{
    const hf_send_released released = hf_quic_released(q);
    s->reset_code = code;
    s->due |= HF_DUE_RESET;
    s->wants_put = s->wants_room = false;
    q->put_bytes -= s->out->put - s->out->next;
    s->tell &= (uint8_t)~HF_TELL_WRITABLE;
    hf_send_drop(s->out, &q->env->alloc, &released);
    hf_stream_sending(s, HF_LANE_RESET);
    hf_streams_uncrowd(q);
}

bool hf_stream_stop(hf_quic *q, const hf_frame *f)
{
    bool good;
    hf_stream *const s = hf_stream_of_frame(q, f->id, true, f->type, &good);
    if (s == NULL || (s->sending != HF_LANE_OPEN && s->sending != HF_LANE_SIZED))
        return good;
    s->peer_stop_code = f->code;
    reset(q, s, f->code); /* RFC 9000 3.5: "MUST send a RESET_STREAM frame", and SHOULD copy the code */
    tell(q, s, HF_TELL_STOP);
    hf_stream_touch(q, s);
    return true;
}

/* ---- the verbs ---------------------------------------------------------------------------------------------- */

hf_err hf_quic_open(hf_quic *q, hf_lane_kind kind, hf_lane *lane)
{
    const unsigned k = kind == HF_LANE_UNIDIRECTIONAL;
    if (!hf_quic_is_usable(q) || q->opened[k] >= q->may_open[k]) {
        q->streams_wanted[k] = true;
        return hf_err_make(HF_ERR_QUIC_STREAMS);
    }
    const uint64_t id = q->opened[k] << 2 | k << 1 | (q->server ? 1u : 0u);
    if (add(q, id, true) == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    q->opened[k]++;
    *lane = id;
    return HF_OK;
}

uint64_t hf_quic_openable(const hf_quic *q, hf_lane_kind kind)
{
    const unsigned k = kind == HF_LANE_UNIDIRECTIONAL;
    return hf_quic_is_usable(q) && q->may_open[k] > q->opened[k] ? q->may_open[k] - q->opened[k] : 0;
}

bool hf_quic_has(const hf_quic *q, hf_lane lane)
{
    return look_up(q, lane) != NULL;
}

hf_span hf_quic_peek(const hf_quic *q, hf_lane lane)
{
    const hf_stream *const s = look_up(q, lane);
    if (s == NULL || (s->receiving != HF_LANE_OPEN && s->receiving != HF_LANE_SIZED))
        return (hf_span){ NULL, 0 };
    return hf_receive_peek(s->in);
}

void hf_quic_take(hf_quic *q, hf_lane lane, size_t n)
{
    hf_stream *const s = hf_stream_find(q, lane);
    if (s == NULL || s->in == NULL || n == 0)
        return;
    hf_receive_take(s->in, &q->env->alloc, n);
    taken(q, n);
    if (s->receiving == HF_LANE_OPEN && tune(q, s->receive_allowed - s->in->read, &s->window, &s->window_at, q->env->limits->quic_window_bytes)) {
        s->due |= HF_DUE_WINDOW;
        hf_stream_touch(q, s);
    }
    if (s->receiving == HF_LANE_SIZED && s->in->read == s->final_size)
        tell(q, s, HF_TELL_FIN);
    hf_quic_touch(q);
}

static bool put_one(hf_quic *q, hf_stream *s, const hf_extent *e, size_t n)
{
    const bool lent = e->kind == HF_EXTENT_LENT;
    if (e->kind == HF_EXTENT_FILE || (e->token != 0 && !reserve_token(q)) ||
        !hf_send_put(s->out, &q->env->alloc, hf_bytes_make(e->bytes.ptr, n), !lent, e->token))
        return false;
    q->tokens_out += e->token != 0;
    return true;
}

uint64_t hf_quic_put(hf_quic *q, hf_lane lane, const hf_extent *extents, size_t count)
{
    enum { ALWAYS = 64 };
    hf_stream *const s = hf_stream_find(q, lane);
    if (s == NULL || s->sending != HF_LANE_OPEN || !hf_quic_is_usable(q))
        return 0;
    const uint64_t limit = q->env->limits->output_bytes, unsent = s->out->put - s->out->next;
    const bool free_hand = unsent == 0 || unsent < limit / 2; /* as hf_quic_room says */
    uint64_t done = 0;
    for (size_t i = 0; i < count; i++) {
        const hf_extent *const e = &extents[i];
        const uint64_t held = unsent + done, room = held < limit ? limit - held : 0;
        size_t n = e->bytes.len;
        if (free_hand ? i >= ALWAYS : room < n || s->out->count >= q->env->limits->output_extents) {
            n = e->token != 0 || free_hand || s->out->count >= q->env->limits->output_extents ? 0 : (size_t)room;
            s->wants_put = true;
        }
        if ((n < e->bytes.len && n == 0) || !put_one(q, s, e, n)) {
            s->wants_put = true;
            break;
        }
        done += n;
        if (n < e->bytes.len)
            break;
    }
    q->put_bytes += done;
    hf_stream_touch(q, s);
    hf_quic_touch(q);
    return done;
}

bool hf_quic_is_delivered(const hf_quic *q)
{
    for (uint32_t i = 0; i < q->bucket_count; i++)
        for (const hf_stream *s = q->buckets[i]; s != NULL; s = s->bucket)
            if ((s->sending == HF_LANE_OPEN || s->sending == HF_LANE_SIZED) && (s->out->base < s->out->put || (s->out->fin && !s->out->fin_acked)))
                return false;
    return true;
}

uint64_t hf_quic_unsent(const hf_quic *q, hf_lane lane)
{
    const hf_stream *const s = look_up(q, lane);
    return s == NULL || s->out == NULL ? 0 : s->out->put - s->out->next;
}

static void stop(hf_quic *q, hf_stream *s, uint64_t code)
{
    s->stopped = true;
    s->stop_code = code;
    s->due |= HF_DUE_STOP;
    s->due &= (uint8_t)~HF_DUE_WINDOW;
    discard(q, s, s->in->highest);
    if (s->receiving == HF_LANE_SIZED && s->in->read == s->final_size)
        tell(q, s, HF_TELL_FIN);
}

hf_err hf_quic_end(hf_quic *q, hf_lane lane, hf_ending ending)
{
    hf_stream *const s = hf_stream_find(q, lane);
    if (s == NULL || !hf_quic_is_usable(q) || ending.code > HF_VARINT_MOST)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (ending.kind == HF_ENDING_STOP) {
        if (s->receiving == HF_LANE_NONE)
            return hf_err_make(HF_ERR_BASE_USAGE);
        if ((s->receiving == HF_LANE_OPEN || s->receiving == HF_LANE_SIZED) && !s->stopped)
            stop(q, s, ending.code);
    } else if (ending.kind == HF_ENDING_FIN) {
        if (s->sending != HF_LANE_OPEN)
            return hf_err_make(HF_ERR_BASE_USAGE);
        s->out->fin = true;
        s->wants_put = s->wants_room = false;
        hf_stream_sending(s, HF_LANE_SIZED);
    } else {
        if (s->sending == HF_LANE_NONE)
            return hf_err_make(HF_ERR_BASE_USAGE);
        if (s->sending == HF_LANE_OPEN || s->sending == HF_LANE_SIZED)
            reset(q, s, ending.code);
    }
    hf_stream_touch(q, s);
    hf_quic_touch(q);
    return HF_OK;
}

void hf_quic_prioritise(hf_quic *q, hf_lane lane, uint8_t urgency, bool turns)
{
    hf_stream *const s = hf_stream_find(q, lane);
    if (s == NULL)
        return;
    s->urgency = urgency < HF_QUIC_URGENCIES ? urgency : HF_QUIC_URGENCIES - 1;
    s->turns = turns;
    hf_link_leave(&s->sendable);
    hf_stream_touch(q, s);
}
