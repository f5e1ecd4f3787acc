/* SPDX-License-Identifier: Apache-2.0 */
#include "web_tape_core.h"

#include "alloc.h"

enum { TAPE_FIRST = 4096, TAPE_LATE = 4 };

/* ---- written ---------------------------------------------------------------------------------------------------- */

void tape_fill(hf_web_tape *t)
{
    if (!t->full)
        t->hash_at_end = t->hash.value;
    t->full = t->ended = true;
}

/* What is noted of the bytes counts, too: who sends a byte at a time has more of it than of bytes. */
static size_t most_bytes(const hf_web_tape *t)
{
    const size_t noted = t->chunk_count * sizeof *t->chunks + t->mark_count * sizeof *t->marks + t->value_count * sizeof *t->values;
    return noted < t->most ? t->most - noted : 0;
}

/* Room for `n` more bytes. False: the tape ends here. */
static bool make_room(hf_web_tape *t, size_t n)
{
    const size_t most = most_bytes(t);
    if (t->full || t->plays)
        return false;
    if (n <= t->capacity - t->length && t->length + n <= most)
        return true;
    size_t capacity = t->capacity > 0 ? t->capacity : TAPE_FIRST;
    while (capacity < t->length + n && capacity < most)
        capacity *= 2;
    capacity = capacity < most ? capacity : most;
    uint8_t *const bytes = capacity >= t->length + n ? hf_resize(&t->below->alloc, t->bytes, t->capacity, capacity) : NULL;
    if (bytes == NULL) {
        tape_fill(t);
        return false;
    }
    t->bytes = bytes;
    t->capacity = capacity;
    return true;
}

static void write_number(hf_web_tape *t, uint64_t value)
{
    if (!make_room(t, 10))
        return;
    for (; value > 127; value >>= 7)
        t->bytes[t->length++] = (uint8_t)(value | 128);
    t->bytes[t->length++] = (uint8_t)value;
}

static void write_bytes(hf_web_tape *t, hf_bytes b)
{
    write_number(t, b.len);
    if (b.len == 0 || !make_room(t, b.len))
        return;
    memcpy(t->bytes + t->length, b.ptr, b.len);
    t->length += b.len;
}

/* True: its values follow. A tape that is full has what led to here; what is cut off of its last entry is not played. */
static bool begin(hf_web_tape *t, tape_entry kind)
{
    if (t->plays || t->full)
        return false;
    write_number(t, (uint64_t)kind);
    return !t->full;
}

static bool begin_command(hf_web_tape *t, tape_entry kind)
{
    return t != NULL && !t->inside && begin(t, kind);
}

bool tape_begin(hf_web_tape *t, tape_entry kind)
{
    return begin(t, kind);
}

void tape_write(hf_web_tape *t, uint64_t value)
{
    write_number(t, value);
}

void tape_write_bytes(hf_web_tape *t, hf_bytes b)
{
    write_bytes(t, b);
}

/* The place in a list that grows. NULL: memory ended, and what the bytes are is not known. */
static void *append(hf_web_tape *t, void **list, size_t *count, size_t *capacity, size_t size)
{
    if (*count == *capacity) {
        const size_t more = *capacity > 0 ? *capacity * 2 : 16;
        void *const grown = hf_resize(&t->below->alloc, *list, *capacity * size, more * size);
        if (grown == NULL) {
            hf_web_tape_spoil(t, "memory ended while it was recorded");
            return NULL;
        }
        *list = grown;
        *capacity = more;
    }
    return (uint8_t *)*list + (*count)++ * size;
}

static void write_fields(hf_web_tape *t, hf_fields fields)
{
    write_number(t, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        write_number(t, (uint64_t)fields.at[i].id);
        write_bytes(t, fields.at[i].name);
        write_bytes(t, fields.at[i].value);
        if (t->full || !tape_sounds_secret(fields.at[i].name))
            continue;
        tape_chunk *const v = append(t, (void **)&t->values, &t->value_count, &t->value_capacity, sizeof *v);
        if (v != NULL)
            *v = (tape_chunk){ .at = t->length - fields.at[i].value.len, .length = fields.at[i].value.len };
    }
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

/* Every allocation has a number; those that are refused are on the tape. */
static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    hf_web_tape *const t = ctx;
    const hf_allocator *const below = &t->below->alloc;
    if (new_size == 0)
        return below->resize(below->ctx, old, old_size, 0);
    const uint64_t number = ++t->allocations;
    if (t->plays) {
        if (t->at < t->length && t->bytes[t->at] == TAPE_REFUSED) {
            const size_t at = t->at++;
            if (tape_read(t) == number)
                return NULL;
            t->at = at;
        }
        return below->resize(below->ctx, old, old_size, new_size);
    }
    void *const memory = below->resize(below->ctx, old, old_size, new_size);
    if (memory == NULL && begin(t, TAPE_REFUSED))
        write_number(t, number);
    return memory;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

hf_web_tape *hf_web_tape_new(const hf_env *env, uint64_t most, bool secured)
{
    hf_web_tape *t = hf_alloc_zeroed(&env->alloc, sizeof *t);
    if (t == NULL)
        return NULL;
    t->below = env;
    t->env = *env;
    t->env.trace = &t->hash.sink;
    if (!secured) /* else TLS asks for memory by it, too, and TLS is not on the tape */
        t->env.alloc = (hf_allocator){ resize, t };
    hf_trace_hash_init(&t->hash);
    hf_queue_init(&t->in, &env->alloc);
    t->most = most < SIZE_MAX / 4 ? (size_t)most : SIZE_MAX / 4;
    t->secured = secured;
    return t;
}

void hf_web_tape_free(hf_web_tape *t)
{
    if (t == NULL)
        return;
    const hf_allocator *const a = &t->below->alloc;
    if (!t->plays)
        hf_free(a, t->bytes, t->capacity);
    hf_free(a, t->chunks, t->chunk_capacity * sizeof *t->chunks);
    hf_free(a, t->marks, t->mark_capacity * sizeof *t->marks);
    hf_free(a, t->values, t->value_capacity * sizeof *t->values);
    hf_queue_fini(&t->in);
    tape_leave_lanes(t);
    for (size_t i = 0; i < TAPE_ZEROS; i++)
        hf_free(a, t->zeros[i], t->zeros[i] != NULL ? (size_t)TAPE_ZEROS_LEAST << i : 0);
    hf_free(a, t, sizeof *t);
}

const hf_env *hf_web_tape_env(const hf_web_tape *t)
{
    return &t->env;
}

hf_err hf_web_tape_verdict(const hf_web_tape *t)
{
    return t->verdict;
}

const char *hf_web_tape_flaw(const hf_web_tape *t)
{
    return t->flaw;
}

bool hf_web_tape_has_bytes(const hf_web_tape *t)
{
    return t->known > 0;
}

uint64_t hf_web_tape_hash(const hf_web_tape *t)
{
    return t->ended ? t->hash_at_end : t->hash.value;
}

hf_version hf_web_tape_version(const hf_web_tape *t)
{
    return t->version;
}

hf_bytes hf_web_tape_bytes(const hf_web_tape *t)
{
    return hf_bytes_make(t->bytes, t->length);
}

void hf_web_tape_spoil(hf_web_tape *t, const char *why)
{
    if (t != NULL && t->flaw == NULL)
        t->flaw = why;
}

static void blame(hf_web_tape *t, hf_err why)
{
    const bool quiet = why.code == HF_ERR_HTTP1_IDLE || why.code == HF_ERR_HTTP1_FIRST_BYTE || why.code == HF_ERR_HTTP2_IDLE ||
        why.code == HF_ERR_HTTP3_IDLE || why.code == HF_ERR_QUIC_IDLE ||
        why.code == HF_ERR_HTTP_REQUESTS || why.code == HF_ERR_HTTP_DRAINING;
    if (t->verdict.code == 0 && !quiet)
        t->verdict = why;
}

/* ---- the pier --------------------------------------------------------------------------------------------------- */

static void note_chunk(hf_web_tape *t, uint64_t stream, size_t length)
{
    tape_chunk *const c = append(t, (void **)&t->chunks, &t->chunk_count, &t->chunk_capacity, sizeof *c);
    if (c != NULL)
        *c = (tape_chunk){ stream, t->length - length, length };
}

/* Of a tape that is full only the step in which that came about is still played, which needs no more than a few. */
static void mark(hf_web_tape *t, tape_mark_kind kind, uint64_t from, uint64_t to)
{
    if (t->full && (from >= t->known || ++t->late > TAPE_LATE))
        return;
    tape_mark *const m = append(t, (void **)&t->marks, &t->mark_count, &t->mark_capacity, sizeof *m);
    if (m != NULL)
        *m = (tape_mark){ kind, from, to };
}

/* The head, or the message, that an event told of ends where the core has eaten to by now. */
static void settle(hf_web_tape *t)
{
    if (t->pending != TAPE_NOTHING && t->pending != TAPE_COMPLETE)
        mark(t, TAPE_HEAD, t->pending_from, t->base);
    if (t->pending == TAPE_COMPLETE || t->pending == TAPE_WHOLE)
        mark(t, TAPE_COMPLETE, t->base, t->base);
    t->pending = TAPE_NOTHING;
}

static hf_step record_event(void *self, hf_time now, hf_pier_event *e)
{
    hf_web_tape *const t = self;
    const hf_step s = t->inner.ops->event(t->inner.self, now, e);
    if (begin(t, TAPE_EVENT)) {
        write_number(t, (uint64_t)s);
        if (s == HF_EVENT) {
            write_number(t, (uint64_t)e->kind);
            write_number(t, (uint64_t)e->ending.kind);
            write_number(t, e->ending.code);
            write_number(t, (uint64_t)(uint32_t)e->err.code);
            write_number(t, e->token);
        }
    }
    if (s == HF_EVENT && e->kind == HF_PIER_ENDED && e->ending.kind == HF_ENDING_RESET)
        blame(t, e->err);
    return s;
}

static hf_span record_peek(void *self, hf_lane lane)
{
    hf_web_tape *const t = self;
    const hf_span held = t->inner.ops->peek(t->inner.self, lane);
    settle(t);
    const uint64_t end = t->base + held.len;
    const size_t fresh = end > t->known ? (size_t)(end - t->known) : 0;
    t->held = held.ptr;
    t->held_length = held.len;
    if (begin(t, TAPE_PEEK)) {
        write_number(t, held.len);
        write_bytes(t, hf_bytes_make(fresh > 0 ? held.ptr + held.len - fresh : NULL, fresh));
        if (fresh > 0 && !t->full)
            note_chunk(t, t->known, fresh);
        t->known = t->full || fresh == 0 ? t->known : end;
    }
    return held;
}

static void record_take(void *self, hf_lane lane, size_t n)
{
    hf_web_tape *const t = self;
    t->base += n;
    settle(t);
    t->inner.ops->take(t->inner.self, lane, n);
}

static uint64_t record_put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    hf_web_tape *const t = self;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += hf_extent_length(&extents[i]);
    const uint64_t taken = t->inner.ops->put(t->inner.self, lane, extents, count);
    if (begin(t, TAPE_PUT)) {
        write_number(t, total);
        write_number(t, taken);
    }
    return taken;
}

static hf_err record_end(void *self, hf_lane lane, hf_ending ending)
{
    hf_web_tape *const t = self;
    const hf_err err = t->inner.ops->end(t->inner.self, lane, ending);
    if (begin(t, TAPE_END)) {
        write_number(t, (uint64_t)ending.kind);
        write_number(t, (uint64_t)(uint32_t)err.code);
    }
    return err;
}

static hf_err record_open(void *self, hf_lane_kind kind, hf_lane *lane)
{
    const hf_web_tape *const t = self;
    return t->inner.ops->open(t->inner.self, kind, lane);
}

static uint64_t record_unsent(const void *self, hf_lane lane)
{
    hf_web_tape *const t = (hf_web_tape *)self;
    const uint64_t n = t->inner.ops->unsent(t->inner.self, lane);
    if (begin(t, TAPE_UNSENT))
        write_number(t, n);
    return n;
}

static uint64_t record_untaken(const void *self, hf_lane lane)
{
    hf_web_tape *const t = (hf_web_tape *)self;
    const uint64_t n = (t->inner.ops->untaken != NULL ? t->inner.ops->untaken : t->inner.ops->unsent)(t->inner.self, lane);
    if (begin(t, TAPE_UNTAKEN))
        write_number(t, n);
    return n;
}

static void record_last(void *self, hf_lane lane)
{
    const hf_web_tape *const t = self;
    t->inner.ops->last(t->inner.self, lane);
}

static void record_doze(void *self, hf_lane lane)
{
    const hf_web_tape *const t = self;
    t->inner.ops->doze(t->inner.self, lane);
}

static void record_free(void *self)
{
    hf_web_tape *const t = self;
    t->inner.ops->free(t->inner.self);
    t->full = true; /* nothing of it is anybody's any more */
}

hf_pier hf_web_tape_pier(hf_web_tape *t, hf_pier pier)
{
    if (t == NULL || t->plays)
        return pier;
    t->inner = pier;
    t->ops = (hf_pier_ops){ .name = pier.ops->name, .can = pier.ops->can, .event = record_event, .peek = record_peek,
        .take = record_take, .put = record_put, .end = record_end, .open = record_open, .unsent = record_unsent,
        .free = record_free, .untaken = record_untaken, .last = pier.ops->last != NULL ? record_last : NULL,
        .doze = pier.ops->doze != NULL ? record_doze : NULL };
    return (hf_pier){ &t->ops, t };
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

static void write_time(hf_web_tape *t, hf_time now)
{
    write_number(t, (uint64_t)(now.ns - t->last.ns));
    t->last = now;
}

void hf_web_tape_begin(hf_web_tape *t, hf_time now, uint64_t id, const hf_web_options *o)
{
    if (t == NULL || !begin(t, TAPE_BEGIN))
        return;
    write_time(t, now);
    write_number(t, id);
    write_number(t, t->secured | o->no_prior_knowledge << 1 | o->http2.connect_protocol << 2 | o->http2.push << 3 |
        (t->inner.ops == NULL) << 4); /* no pier: HTTP/3 */
    write_number(t, t->inner.ops != NULL ? t->inner.ops->can : 0);
    write_bytes(t, o->no_memory);
}

bool hf_web_tape_is_secured(const hf_web_tape *t)
{
    return t != NULL && t->plays && t->secured;
}

bool hf_web_tape_two(hf_web_tape *t, bool two)
{
    if (t == NULL)
        return two;
    if (t->plays)
        return tape_expect(t, TAPE_TWO) && tape_read(t) != 0;
    if (begin(t, TAPE_TWO))
        write_number(t, two);
    return two;
}

void hf_web_tape_step(hf_web_tape *t, hf_time now)
{
    if (t == NULL || !begin(t, TAPE_STEP))
        return;
    write_time(t, now);
    t->inside = true;
}

static bool is_held(const hf_web_tape *t, hf_bytes b)
{
    return t->held != NULL && b.len > 0 && b.ptr >= t->held && b.ptr + b.len <= t->held + t->held_length;
}

/* What bytes were is known by where the event's parts lie. */
static void mark_event(hf_web_tape *t, const hf_web_event *event)
{
    if (event->kind == HF_WEB_BODY && is_held(t, event->body)) {
        const uint64_t at = t->base + (uint64_t)(event->body.ptr - t->held);
        mark(t, TAPE_CONTENT, at, at + event->body.len);
    }
    if (event->kind == HF_WEB_REQUEST || event->kind == HF_WEB_END) {
        t->pending = event->kind == HF_WEB_END ? TAPE_COMPLETE : event->whole ? TAPE_WHOLE : TAPE_HEAD;
        t->pending_from = t->base;
    }
}

void hf_web_tape_stepped(hf_web_tape *t, hf_step step, const hf_web_event *event, hf_version version)
{
    if (t == NULL || t->plays)
        return;
    t->inside = false;
    t->version = version != 0 ? version : t->version;
    if (begin(t, TAPE_STEPPED)) {
        write_number(t, (uint64_t)step);
        write_number(t, step == HF_EVENT ? (uint64_t)event->kind : 0);
        write_number(t, step == HF_EVENT && event->kind < HF_WEB_OPENED ? event->exchange : 0);
    }
    if (step != HF_EVENT)
        return;
    mark_event(t, event);
    if (event->kind == HF_WEB_REFUSED || event->kind == HF_WEB_RESET || event->kind == HF_WEB_CLOSED)
        blame(t, event->kind == HF_WEB_REFUSED && event->fault != NULL ? event->fault->err : event->err);
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

void hf_web_tape_take(hf_web_tape *t, hf_exchange x, size_t n)
{
    if (!begin_command(t, TAPE_DO_TAKE))
        return;
    write_number(t, x);
    write_number(t, n);
}

void hf_web_tape_respond(hf_web_tape *t, hf_exchange x, const hf_response_head *head)
{
    if (t != NULL && head->status >= 500 && !t->plays) /* RFC 9110 15.6.2: "when the server does not recognize the request method" */
        blame(t, hf_err_make(head->status == 501 ? HF_ERR_HTTP_METHOD_UNKNOWN : HF_ERR_HTTP_HANDLER));
    if (!begin_command(t, TAPE_DO_RESPOND))
        return;
    write_number(t, x);
    write_number(t, head->status);
    write_number(t, (uint64_t)head->content_length);
    write_number(t, head->close);
    write_bytes(t, head->reason);
    write_bytes(t, head->lines[0]);
    write_bytes(t, head->lines[1]);
    write_fields(t, head->fields);
}

void hf_web_tape_put(hf_web_tape *t, hf_exchange x, const hf_extent *extents, size_t count)
{
    if (!begin_command(t, TAPE_DO_PUT))
        return;
    write_number(t, x);
    write_number(t, count);
    for (size_t i = 0; i < count; i++) {
        write_number(t, (uint64_t)extents[i].kind);
        write_number(t, extents[i].token);
        write_number(t, hf_extent_length(&extents[i]));
    }
}

void hf_web_tape_end(hf_web_tape *t, hf_exchange x, hf_ending ending, hf_fields trailers)
{
    if (!begin_command(t, TAPE_DO_END))
        return;
    write_number(t, x);
    write_number(t, (uint64_t)ending.kind);
    write_number(t, ending.code);
    write_fields(t, trailers);
}

void hf_web_tape_cancel(hf_web_tape *t, hf_exchange x, hf_err why)
{
    if (t != NULL && !t->plays)
        blame(t, why);
    if (!begin_command(t, TAPE_DO_CANCEL))
        return;
    write_number(t, x);
    write_number(t, (uint64_t)(uint32_t)why.code);
    t->inside = true;
}

void hf_web_tape_left(hf_web_tape *t)
{
    if (t != NULL)
        t->inside = false;
}

void hf_web_tape_prioritise(hf_web_tape *t, hf_exchange x, unsigned urgency, bool incremental)
{
    if (!begin_command(t, TAPE_DO_PRIORITISE))
        return;
    write_number(t, x);
    write_number(t, urgency);
    write_number(t, incremental);
}

void hf_web_tape_pace(hf_web_tape *t, hf_exchange x, hf_pace pace)
{
    if (!begin_command(t, TAPE_DO_PACE))
        return;
    write_number(t, x);
    write_number(t, pace.pause_ns);
    write_number(t, pace.rate);
}

void hf_web_tape_turn_away(hf_web_tape *t, hf_time now, hf_bytes answer, hf_err why)
{
    if (t != NULL && !t->plays)
        blame(t, why);
    if (!begin_command(t, TAPE_DO_TURN_AWAY))
        return;
    write_time(t, now);
    write_bytes(t, answer);
    write_number(t, (uint64_t)(uint32_t)why.code);
}

void hf_web_tape_drain(hf_web_tape *t)
{
    (void)begin_command(t, TAPE_DO_DRAIN);
}

void hf_web_tape_abort(hf_web_tape *t, hf_err why)
{
    if (t != NULL && !t->plays && !t->inside)
        blame(t, why);
    if (begin_command(t, TAPE_DO_ABORT))
        write_number(t, (uint64_t)(uint32_t)why.code);
}

void hf_web_tape_push(hf_web_tape *t, hf_exchange x, const hf_request_head *request)
{
    if (!begin_command(t, TAPE_DO_PUSH))
        return;
    write_number(t, x);
    write_number(t, (uint64_t)request->method);
    write_number(t, (uint64_t)request->content_length);
    write_bytes(t, request->method_name);
    write_bytes(t, request->target);
    write_bytes(t, request->scheme);
    write_bytes(t, request->authority);
    write_bytes(t, request->path);
    write_fields(t, request->fields);
}
