/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop on a tape. Where the real loop is called, the tape is not there: what it asks of files for itself, to send them,
 * belongs to its answer.
 */
#include "tape_io.h"

#include "id_table.h"
#include "panic.h"
#include "queue.h"

enum { LISTENERS = 64, PIECE_MOST = 1 << 30 };

typedef struct tape_io {
    hf_io io; /* first */
    const hf_env *env;
    hf_tape *tape;
    hf_io *inner;
    hf_time now;
    hf_wall wall;
    int64_t wall_ms;
    void *listeners[LISTENERS];
    size_t listener_count;
    hf_id_table piers;
    uint64_t connections; /* so far: the number of the last */
} tape_io;

typedef struct tape_pier {
    tape_io *home;
    uint64_t id;
    hf_pier inner; /* ops NULL while the tape plays */
    void *owner;
    size_t seen;   /* of what inner has received, and nobody took, so much is on the tape */
    uint64_t put;  /* bytes accepted so far */
    hf_queue in;   /* while it plays: what was received */
} tape_pier;

/* Around every call of what is real. */
static hf_tape *step_aside(void)
{
    hf_tape *const here = hf_tape_here;
    hf_tape_here = NULL;
    return here;
}

static bool is_real(const tape_pier *p)
{
    return p->inner.ops != NULL;
}

/* ---- the pier ----------------------------------------------------------------------------------------------- */

static void write_event(hf_tape *t, hf_pier_event *e)
{
    uint64_t kind = e->kind, ending = e->ending.kind;
    hf_tape_u64(t, &kind);
    if (kind > HF_PIER_RELEASED)
        hf_tape_spoil(t, "a connection tells something unheard-of");
    if (kind == HF_PIER_ENDED) {
        hf_tape_u64(t, &ending);
        hf_tape_u64(t, &e->ending.code);
        hf_tape_err(t, &e->err);
        if (ending > HF_ENDING_STOP)
            hf_tape_spoil(t, "a connection ends in no known way");
    }
    if (kind == HF_PIER_RELEASED)
        hf_tape_u64(t, &e->token);
    e->kind = (hf_pier_event_kind)kind;
    e->ending.kind = (hf_ending_kind)ending;
}

static hf_step pier_event(void *self, hf_time now, hf_pier_event *event)
{
    tape_pier *p = self;
    hf_tape *const t = p->home->tape;
    uint64_t step = HF_IDLE;
    *event = (hf_pier_event){ 0 };
    if (is_real(p)) {
        hf_tape *const here = step_aside();
        step = p->inner.ops->event(p->inner.self, now, event);
        hf_tape_here = here;
    }
    if (!hf_tape_begin(t, HF_TAPE_EVENT, p->id))
        return (hf_step)step;
    hf_tape_u64(t, &step);
    if (step > HF_FAULT)
        hf_tape_spoil(t, "a connection's step is none");
    if (step == HF_EVENT)
        write_event(t, event);
    if (step == HF_EVENT)
        hf_tape_tell(t);
    return hf_tape_plays(t) && hf_tape_is_over(t) ? HF_IDLE : (hf_step)step;
}

/* What was not taken stays, also when the tape has ended: whoever stands above has looked at it. */
static hf_span played_peek(tape_pier *p, size_t length, size_t fresh)
{
    hf_tape *const t = p->home->tape;
    const hf_span room = fresh > 0 ? hf_queue_reserve(&p->in, fresh) : (hf_span){ NULL, 0 };
    if (fresh > 0 && room.ptr == NULL) {
        hf_tape_spoil(t, "memory ends: more was received than there is room for");
        return hf_queue_peek(&p->in);
    }
    hf_tape_bytes(t, room.ptr, fresh);
    if (fresh > 0 && !hf_tape_is_over(t))
        hf_queue_commit(&p->in, fresh);
    if (hf_queue_length(&p->in) != length)
        hf_tape_spoil(t, "a connection received other bytes than were taken");
    return hf_queue_peek(&p->in);
}

static hf_span pier_peek(void *self, hf_lane lane)
{
    tape_pier *p = self;
    hf_tape *const t = p->home->tape;
    hf_span held = { NULL, 0 };
    if (is_real(p))
        held = p->inner.ops->peek(p->inner.self, lane);
    size_t length = held.len, fresh = held.len > p->seen ? held.len - p->seen : 0;
    if (!hf_tape_begin(t, HF_TAPE_PEEK, p->id))
        return is_real(p) ? held : hf_queue_peek(&p->in);
    hf_tape_length(t, &fresh, PIECE_MOST);
    uint64_t total = length;
    hf_tape_u64(t, &total);
    if (!is_real(p))
        return played_peek(p, (size_t)total, fresh);
    hf_tape_bytes(t, held.ptr != NULL ? held.ptr + p->seen : NULL, fresh);
    p->seen += fresh;
    if (fresh > 0)
        hf_tape_tell(t);
    return held;
}

static void pier_take(void *self, hf_lane lane, size_t n)
{
    tape_pier *p = self;
    if (is_real(p)) {
        p->seen -= n < p->seen ? n : p->seen;
        p->inner.ops->take(p->inner.self, lane, n);
    } else {
        hf_queue_take(&p->in, n < hf_queue_length(&p->in) ? n : hf_queue_length(&p->in));
    }
}

/* Of a file it is which part of which version: the kernel sends it, and its bytes never come by here. */
static uint64_t sum_of_file(uint64_t sum, const hf_extent *e)
{
    const uint64_t facts[] = { e->offset, e->length, e->file->size, (uint64_t)e->file->modified_ns };
    return hf_tape_sum(sum, hf_bytes_make(facts, sizeof facts));
}

static uint64_t sum_of(const hf_extent *extents, size_t count, uint64_t *total)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    *total = 0;
    for (size_t i = 0; i < count; i++) {
        *total += hf_extent_length(&extents[i]);
        sum = extents[i].kind == HF_EXTENT_FILE ? sum_of_file(sum, &extents[i]) : hf_tape_sum(sum, extents[i].bytes);
    }
    return sum ^ *total << 32;
}

static uint64_t pier_put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    tape_pier *p = self;
    hf_tape *const t = p->home->tape;
    uint64_t total, accepted;
    const uint64_t sum = sum_of(extents, count, &total);
    accepted = total;
    if (is_real(p)) {
        hf_tape *const here = step_aside();
        accepted = p->inner.ops->put(p->inner.self, lane, extents, count);
        hf_tape_here = here;
    }
    if (hf_tape_begin(t, HF_TAPE_PUT, p->id)) {
        hf_tape_same(t, sum, "what it answers", p->put);
        hf_tape_u64(t, &accepted);
        if (accepted > total)
            hf_tape_spoil(t, "a connection takes more than it is given");
        hf_tape_end(t);
    }
    accepted = accepted > total ? total : accepted;
    p->put += accepted;
    return accepted;
}

static hf_err pier_end(void *self, hf_lane lane, hf_ending ending)
{
    tape_pier *p = self;
    hf_tape *const t = p->home->tape;
    hf_err err = HF_OK;
    if (is_real(p)) {
        hf_tape *const here = step_aside();
        err = p->inner.ops->end(p->inner.self, lane, ending);
        hf_tape_here = here;
    }
    if (hf_tape_begin(t, HF_TAPE_END, p->id)) {
        hf_tape_same(t, (uint64_t)ending.kind << 32 ^ ending.code, "how it ends the connection", p->put);
        hf_tape_err(t, &err);
        hf_tape_end(t);
    }
    return err;
}

static hf_err pier_open(void *self, hf_lane_kind kind, hf_lane *lane)
{
    (void)self, (void)kind, (void)lane;
    return hf_err_make(HF_ERR_BASE_USAGE); /* TCP has one lane */
}

static uint64_t pier_unsent(const void *self, hf_lane lane)
{
    const tape_pier *p = self;
    uint64_t n = is_real(p) ? p->inner.ops->unsent(p->inner.self, lane) : 0;
    if (hf_tape_begin(p->home->tape, HF_TAPE_UNSENT, p->id))
        hf_tape_u64(p->home->tape, &n);
    return n;
}

static uint64_t pier_untaken(const void *self, hf_lane lane)
{
    const tape_pier *p = self;
    uint64_t n = 0;
    if (is_real(p))
        n = (p->inner.ops->untaken != NULL ? p->inner.ops->untaken : p->inner.ops->unsent)(p->inner.self, lane);
    if (hf_tape_begin(p->home->tape, HF_TAPE_UNTAKEN, p->id))
        hf_tape_u64(p->home->tape, &n);
    return n;
}

static hf_err pier_read(void *self, const hf_file *file, uint64_t offset, void *to, size_t n)
{
    tape_pier *p = self;
    hf_tape *const t = p->home->tape;
    hf_err err = hf_err_make(HF_ERR_IO_FILE_CHANGED);
    if (is_real(p)) {
        hf_tape *const here = step_aside();
        err = p->inner.ops->read(p->inner.self, file, offset, to, n);
        hf_tape_here = here;
    }
    if (!hf_tape_begin(t, HF_TAPE_READ, p->id))
        return err;
    hf_tape_err(t, &err);
    if (err.code == 0)
        hf_tape_bytes(t, to, n);
    hf_tape_tell(t);
    return hf_tape_plays(t) && hf_tape_is_over(t) ? hf_err_make(HF_ERR_IO_FILE_CHANGED) : err;
}

static void pier_free(void *self)
{
    tape_pier *p = self;
    if (is_real(p)) {
        hf_tape *const here = step_aside();
        p->inner.ops->free(p->inner.self);
        hf_tape_here = here;
    }
    hf_id_remove(&p->home->piers, p->id);
    hf_queue_fini(&p->in);
    hf_free(&p->home->env->alloc, p, sizeof *p);
}

static const hf_pier_ops pier_ops = {
    .name = "a connection on a tape",
    .can = HF_PIER_TAKES_FILES | HF_PIER_FREE_ENDS | HF_PIER_KEEPS_FRONTS,
    .event = pier_event,
    .peek = pier_peek,
    .take = pier_take,
    .put = pier_put,
    .end = pier_end,
    .open = pier_open,
    .unsent = pier_unsent,
    .free = pier_free,
    .read = pier_read,
    .untaken = pier_untaken,
};

/* With the next number. NULL: memory ended. */
static tape_pier *pier_new(tape_io *i, hf_pier inner)
{
    if (!hf_id_reserve(&i->piers, &i->env->alloc))
        return NULL;
    tape_pier *p = hf_alloc_zeroed(&i->env->alloc, sizeof *p);
    if (p == NULL)
        return NULL;
    p->home = i;
    p->id = ++i->connections;
    p->inner = inner;
    hf_queue_init(&p->in, &i->env->alloc);
    hf_id_insert(&i->piers, p->id, p);
    return p;
}

/* ---- what happened ------------------------------------------------------------------------------------------ */

/* The real loop's event as it goes up. False: it does not, for memory ended. */
static bool adopt(tape_io *i, hf_io_event *e)
{
    if (e->kind == HF_IO_READY) {
        tape_pier *p = e->owner;
        e->pier = (hf_pier){ &pier_ops, p };
        return p != NULL;
    }
    if (e->kind != HF_IO_ACCEPTED)
        return true;
    HF_ASSERT(e->pier.ops->can == pier_ops.can);
    tape_pier *p = pier_new(i, e->pier);
    if (p == NULL) {
        (void)!e->pier.ops->end(e->pier.self, 0, (hf_ending){ HF_ENDING_RESET, 0 }).code;
        e->pier.ops->free(e->pier.self);
        return false;
    }
    i->inner->ops->own(i->inner, e->pier, p);
    e->pier = (hf_pier){ &pier_ops, p };
    return true;
}

static void write_address(hf_tape *t, hf_address *a)
{
    uint64_t family = a->family, port = a->port, scope = a->scope;
    hf_tape_u64(t, &family);
    hf_tape_u64(t, &port);
    hf_tape_u64(t, &scope);
    hf_tape_bytes(t, a->ip, sizeof a->ip);
    a->family = (uint8_t)family;
    a->port = (uint16_t)port;
    a->scope = (uint32_t)scope;
}

/* By its place among the listeners. */
static void write_listener(tape_io *i, hf_io_event *e)
{
    uint64_t at = 0;
    while (at < i->listener_count && i->listeners[at] != e->owner)
        at++;
    hf_tape_u64(i->tape, &at);
    if (at >= i->listener_count)
        hf_tape_spoil(i->tape, "a listener that there is not has a connection");
    else
        e->owner = i->listeners[at];
}

static void write_ready(tape_io *i, hf_io_event *e)
{
    const tape_pier *known = e->pier.self;
    uint64_t id = known != NULL ? known->id : 0;
    hf_tape_u64(i->tape, &id);
    tape_pier *p = hf_tape_plays(i->tape) ? hf_id_find(&i->piers, id) : e->pier.self;
    if (p == NULL) {
        hf_tape_spoil(i->tape, "something happens on a connection that there is not");
        return;
    }
    e->pier = (hf_pier){ &pier_ops, p };
    e->owner = p->owner;
}

static void write_io_event(tape_io *i, hf_io_event *e)
{
    hf_tape *const t = i->tape;
    uint64_t kind = e->kind;
    hf_tape_u64(t, &kind);
    e->kind = (hf_io_event_kind)kind;
    switch (kind) {
    case HF_IO_ACCEPTED:
        write_listener(i, e);
        write_address(t, &e->peer);
        write_address(t, &e->local);
        if (hf_tape_plays(t) && !hf_tape_is_over(t)) {
            e->pier = (hf_pier){ &pier_ops, pier_new(i, (hf_pier){ NULL, NULL }) };
            if (e->pier.self == NULL)
                hf_tape_spoil(t, "memory ends: there are more connections than there is room for");
        }
        break;
    case HF_IO_ACCEPT_FAILED:
        write_listener(i, e);
        hf_tape_err(t, &e->err);
        break;
    case HF_IO_READY:
        write_ready(i, e);
        break;
    case HF_IO_WOKEN:
        break;
    default:
        hf_tape_spoil(t, "something unheard-of happens");
    }
}

static void note_clocks(tape_io *i)
{
    hf_tape *const t = i->tape;
    int64_t now = i->now.ns, wall = i->wall.s, wall_ms = i->wall_ms;
    if (i->inner != NULL) {
        now = i->inner->ops->now(i->inner).ns;
        wall = i->inner->ops->wall(i->inner).s;
        wall_ms = i->inner->ops->wall_ms(i->inner);
    }
    hf_tape_i64(t, &now);
    hf_tape_i64(t, &wall);
    hf_tape_i64(t, &wall_ms);
    if (now < i->now.ns)
        hf_tape_spoil(t, "the clock goes back");
    i->now.ns = now > i->now.ns ? now : i->now.ns;
    i->wall.s = wall;
    i->wall_ms = wall_ms;
}

static size_t adopt_all(tape_io *i, hf_io_event *events, size_t count)
{
    size_t kept = 0;
    for (size_t k = 0; k < count; k++)
        if (adopt(i, &events[k]))
            events[kept++] = events[k];
    return kept;
}

static size_t tape_wait(hf_io *io, hf_time until, hf_io_event *events, size_t capacity)
{
    tape_io *i = (tape_io *)io;
    size_t n = 0;
    if (i->inner != NULL) {
        hf_tape *const here = step_aside();
        n = adopt_all(i, events, i->inner->ops->wait(i->inner, until, events, capacity));
        hf_tape_here = here;
    }
    const bool noted = hf_tape_begin(i->tape, HF_TAPE_WAIT, 0);
    note_clocks(i); /* when nothing is noted any more, they still go on */
    if (!noted) {
        for (size_t k = 0; k < n; k++)
            if (events[k].kind == HF_IO_READY)
                events[k].owner = ((tape_pier *)events[k].pier.self)->owner;
        return n;
    }
    hf_tape_turn(i->tape, i->now);
    hf_tape_length(i->tape, &n, capacity);
    size_t told = 0;
    while (told < n) {
        if (hf_tape_plays(i->tape))
            events[told] = (hf_io_event){ 0 };
        write_io_event(i, &events[told]);
        if (hf_tape_plays(i->tape) && hf_tape_is_over(i->tape))
            break;
        told++;
    }
    hf_tape_tell(i->tape);
    return told;
}

/* ---- the rest of the loop ----------------------------------------------------------------------------------- */

static hf_time tape_now(hf_io *io)
{
    return ((tape_io *)io)->now;
}

static hf_wall tape_wall(hf_io *io)
{
    return ((tape_io *)io)->wall;
}

static int64_t tape_wall_ms(hf_io *io)
{
    return ((tape_io *)io)->wall_ms;
}

static hf_time tape_clock(hf_io *io)
{
    tape_io *i = (tape_io *)io;
    int64_t since = i->inner != NULL ? i->inner->ops->clock(i->inner).ns - i->now.ns : 0;
    if (hf_tape_begin(i->tape, HF_TAPE_CLOCK, 0))
        hf_tape_i64(i->tape, &since);
    return hf_time_make(i->now.ns + (since > 0 && since < HF_NEVER_NS - i->now.ns ? since : 0));
}

static hf_err tape_listen(hf_io *io, const hf_address *at, int handle, void *owner)
{
    tape_io *i = (tape_io *)io;
    hf_err err = HF_OK;
    size_t known = 0;
    while (known < i->listener_count && i->listeners[known] != owner)
        known++;
    if (known == LISTENERS)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    if (i->inner != NULL)
        err = i->inner->ops->listen(i->inner, at, handle, owner);
    if (hf_tape_begin(i->tape, HF_TAPE_LISTEN, at->port))
        hf_tape_err(i->tape, &err);
    i->listeners[known] = owner;
    i->listener_count += known == i->listener_count;
    return err;
}

static void tape_unlisten(hf_io *io)
{
    tape_io *i = (tape_io *)io;
    if (i->inner != NULL)
        i->inner->ops->unlisten(i->inner);
}

static void tape_unlisten_at(hf_io *io, const hf_address *at)
{
    tape_io *i = (tape_io *)io;
    if (i->inner != NULL)
        i->inner->ops->unlisten_at(i->inner, at);
}

static hf_err tape_connect(hf_io *io, const hf_address *to, void *owner, hf_pier *pier)
{
    (void)io, (void)to, (void)owner, (void)pier;
    return hf_err_make(HF_ERR_BASE_USAGE); /* a server's loop never does */
}

static void tape_own(hf_io *io, hf_pier pier, void *owner)
{
    (void)io;
    HF_ASSERT(pier.ops == &pier_ops);
    ((tape_pier *)pier.self)->owner = owner;
}

/* From any thread: the tape has what wait() says of it. */
static void tape_wake(hf_io *io)
{
    tape_io *i = (tape_io *)io;
    if (i->inner != NULL)
        i->inner->ops->wake(i->inner);
}

static void tape_free(hf_io *io)
{
    tape_io *i = (tape_io *)io;
    if (i->inner != NULL)
        i->inner->ops->free(i->inner);
    hf_id_clear(&i->piers, &i->env->alloc);
    hf_free(&i->env->alloc, i, sizeof *i);
}

static hf_err tape_watch(hf_io *io, int descriptor, void *owner)
{
    (void)io, (void)descriptor, (void)owner;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

static void tape_unwatch(hf_io *io, int descriptor)
{
    (void)io, (void)descriptor;
}

static const hf_io_ops io_ops = {
    .name = "a loop on a tape",
    .now = tape_now,
    .clock = tape_clock,
    .wall = tape_wall,
    .wall_ms = tape_wall_ms,
    .wait = tape_wait,
    .listen = tape_listen,
    .unlisten = tape_unlisten,
    .unlisten_at = tape_unlisten_at,
    .connect = tape_connect,
    .watch = tape_watch,
    .unwatch = tape_unwatch,
    .own = tape_own,
    .wake = tape_wake,
    .free = tape_free,
};

hf_io *hf_tape_io_new(const hf_env *env, hf_tape *tape, hf_io *inner)
{
    tape_io *i = hf_alloc_zeroed(&env->alloc, sizeof *i);
    HF_ASSERT((inner == NULL) == hf_tape_plays(tape));
    if (i == NULL)
        return NULL;
    i->io.ops = &io_ops;
    i->env = env;
    i->tape = tape;
    i->inner = inner;
    if (hf_tape_begin(tape, HF_TAPE_CLOCK, 1))
        note_clocks(i);
    return &i->io;
}

uint64_t hf_tape_io_connections(const hf_io *io)
{
    return ((const tape_io *)io)->connections;
}
