/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection's tape, played: a web of its own stands on a pier that says what the tape says.
 */
#include "web_tape_core.h"

#include "alloc.h"

enum { FIELDS_MOST = 256, PIECES_MOST = 256 };

static const hf_file a_file = { .handle = -1, .size = UINT64_MAX / 2 };

/* ---- read ------------------------------------------------------------------------------------------------------- */

void tape_differ(hf_web_tape *t, const char *why)
{
    if (t->flaw == NULL) {
        t->flaw = why;
        t->failed_at = t->at;
    }
    t->at = t->length;
}

/* Values end where the tape does: one that was full stops anywhere. */
static void run_out(hf_web_tape *t)
{
    t->at = t->length;
    tape_fill(t);
}

uint64_t tape_read(hf_web_tape *t)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && t->at < t->length; shift += 7) {
        const uint8_t c = t->bytes[t->at++];
        value |= (uint64_t)(c & 127) << shift;
        if (c < 128)
            return value;
    }
    run_out(t);
    return 0;
}

hf_bytes tape_read_bytes(hf_web_tape *t)
{
    const uint64_t n = tape_read(t);
    if (n > t->length - t->at) {
        run_out(t);
        return hf_bytes_make(NULL, 0);
    }
    const hf_bytes b = hf_bytes_make(t->bytes + t->at, (size_t)n);
    t->at += (size_t)n;
    return b;
}

bool tape_expect(hf_web_tape *t, tape_entry kind)
{
    if (t->at >= t->length) {
        tape_fill(t);
        return false;
    }
    if (t->bytes[t->at] != kind) {
        tape_differ(t, "the core asks for something else");
        return false;
    }
    t->at++;
    return true;
}

/* What a tape of ours never says would be a wrong use of the core. */
static uint64_t read_below(hf_web_tape *t, uint64_t least, uint64_t bound)
{
    const uint64_t value = tape_read(t);
    if (value >= least && value < bound)
        return value;
    if (!t->full)
        tape_differ(t, "this is no tape of ours");
    t->full = true;
    return least;
}

static hf_err read_err(hf_web_tape *t)
{
    return hf_err_make((int32_t)(uint32_t)tape_read(t));
}

static hf_time read_time(hf_web_tape *t)
{
    const uint64_t since = tape_read(t);
    t->last.ns += since < INT64_MAX / 2 && t->last.ns < INT64_MAX / 2 ? (int64_t)since : 0;
    return t->last;
}

/* ---- the pier --------------------------------------------------------------------------------------------------- */

static hf_step play_event(void *self, hf_time now, hf_pier_event *e)
{
    hf_web_tape *const t = self;
    (void)now;
    if (!tape_expect(t, TAPE_EVENT))
        return HF_IDLE;
    const uint64_t s = tape_read(t);
    if (s != HF_EVENT)
        return s <= HF_FAULT ? (hf_step)s : HF_IDLE;
    *e = (hf_pier_event){ .kind = (hf_pier_event_kind)read_below(t, 0, HF_PIER_ASKS + 1) };
    e->ending.kind = (hf_ending_kind)read_below(t, 0, HF_ENDING_STOP + 1);
    e->ending.code = tape_read(t);
    e->err = read_err(t);
    e->token = tape_read(t);
    if (e->kind == HF_PIER_OPENED && t->opened && !t->full) {
        tape_differ(t, "it opens twice");
        t->full = true;
    }
    t->opened = t->opened || e->kind == HF_PIER_OPENED;
    return t->full ? HF_IDLE : HF_EVENT;
}

static hf_span play_peek(void *self, hf_lane lane)
{
    hf_web_tape *const t = self;
    (void)lane;
    if (tape_expect(t, TAPE_PEEK)) {
        const uint64_t length = tape_read(t);
        if (!hf_queue_append(&t->in, tape_read_bytes(t)))
            tape_differ(t, "memory ended");
        else if (hf_queue_length(&t->in) != length && !t->full)
            tape_differ(t, "other bytes were taken");
    }
    return hf_queue_peek(&t->in);
}

static void play_take(void *self, hf_lane lane, size_t n)
{
    hf_web_tape *const t = self;
    (void)lane;
    hf_queue_take(&t->in, n < hf_queue_length(&t->in) ? n : hf_queue_length(&t->in));
}

static uint64_t play_put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    hf_web_tape *const t = self;
    uint64_t total = 0;
    (void)lane;
    for (size_t i = 0; i < count; i++)
        total += hf_extent_length(&extents[i]);
    if (!tape_expect(t, TAPE_PUT))
        return total;
    if (tape_read(t) != total && !t->full)
        tape_differ(t, "it sends more, or less");
    const uint64_t taken = tape_read(t);
    return taken < total ? taken : total;
}

static hf_err play_end(void *self, hf_lane lane, hf_ending ending)
{
    hf_web_tape *const t = self;
    (void)lane;
    if (!tape_expect(t, TAPE_END))
        return HF_OK;
    if (tape_read(t) != (uint64_t)ending.kind && !t->full)
        tape_differ(t, "it ends the connection otherwise");
    return read_err(t);
}

static hf_err play_open(void *self, hf_lane_kind kind, hf_lane *lane)
{
    (void)self, (void)kind, (void)lane;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

static uint64_t play_unsent(const void *self, hf_lane lane)
{
    (void)lane;
    hf_web_tape *const t = (hf_web_tape *)self;
    return tape_expect(t, TAPE_UNSENT) ? tape_read(t) : 0;
}

static uint64_t play_untaken(const void *self, hf_lane lane)
{
    (void)lane;
    hf_web_tape *const t = (hf_web_tape *)self;
    return tape_expect(t, TAPE_UNTAKEN) ? tape_read(t) : 0;
}

static void play_free(void *self)
{
    (void)self;
}

static const hf_pier_ops play_ops = { .name = "a connection's tape", .event = play_event, .peek = play_peek, .take = play_take,
    .put = play_put, .end = play_end, .open = play_open, .unsent = play_unsent, .free = play_free, .untaken = play_untaken };

/* ---- commands --------------------------------------------------------------------------------------------------- */

/* Everything lies on the tape but the list. */
static hf_fields read_fields(hf_web_tape *t, hf_field list[FIELDS_MOST])
{
    const uint64_t count = tape_read(t);
    if (count > FIELDS_MOST) {
        tape_differ(t, "an answer has more fields than can be played");
        return (hf_fields){ 0 };
    }
    for (uint64_t i = 0; i < count; i++) {
        list[i].id = (hf_field_id)read_below(t, 0, HF_FIELD_COUNT);
        list[i].name = tape_read_bytes(t);
        list[i].value = tape_read_bytes(t);
    }
    return (hf_fields){ list, t->full ? 0 : (size_t)count };
}

static void do_respond(hf_web_tape *t, hf_web *w)
{
    hf_field list[FIELDS_MOST];
    hf_response_head head = { 0 };
    const hf_exchange x = tape_read(t);
    head.status = (uint16_t)read_below(t, 100, 1000);
    head.content_length = (int64_t)tape_read(t);
    head.close = tape_read(t) != 0;
    head.reason = tape_read_bytes(t);
    head.lines[0] = tape_read_bytes(t);
    head.lines[1] = tape_read_bytes(t);
    head.fields = read_fields(t, list);
    if (!t->full)
        (void)!hf_web_respond(w, x, &head).code;
}

static void do_push(hf_web_tape *t, hf_web *w)
{
    hf_field list[FIELDS_MOST];
    hf_exchange promised;
    hf_request_head head = { 0 };
    const hf_exchange x = tape_read(t);
    head.method = (hf_method)read_below(t, 0, HF_METHOD_COUNT);
    head.content_length = (int64_t)tape_read(t);
    head.method_name = tape_read_bytes(t);
    head.target = tape_read_bytes(t);
    head.scheme = tape_read_bytes(t);
    head.authority = tape_read_bytes(t);
    head.path = tape_read_bytes(t);
    head.fields = read_fields(t, list);
    if (!t->full)
        (void)!hf_web_push(w, x, &head, &promised).code;
}

/* Lent until the tape is free. NULL: there is no room for so many. */
static const uint8_t *zeros_of(hf_web_tape *t, uint64_t n)
{
    size_t i = 0;
    while (i < TAPE_ZEROS && n > (uint64_t)TAPE_ZEROS_LEAST << i)
        i++;
    if (i == TAPE_ZEROS)
        return NULL;
    if (t->zeros[i] == NULL)
        t->zeros[i] = hf_alloc_zeroed(&t->below->alloc, (size_t)TAPE_ZEROS_LEAST << i);
    return t->zeros[i];
}

static void do_put(hf_web_tape *t, hf_web *w)
{
    hf_extent pieces[PIECES_MOST];
    hf_err err = HF_OK;
    const hf_exchange x = tape_read(t);
    const uint64_t count = tape_read(t);
    if (count > PIECES_MOST) {
        tape_differ(t, "an answer has more pieces than can be played");
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        const hf_extent_kind kind = (hf_extent_kind)read_below(t, HF_EXTENT_COPIED, HF_EXTENT_FILE + 1);
        const uint64_t token = tape_read(t), length = tape_read(t);
        pieces[i] = (hf_extent){ .kind = kind, .token = token };
        if (kind == HF_EXTENT_FILE)
            pieces[i].file = &a_file, pieces[i].length = length;
        else
            pieces[i].bytes = hf_bytes_make(zeros_of(t, length), (size_t)length);
        if (kind != HF_EXTENT_FILE && pieces[i].bytes.ptr == NULL) {
            tape_differ(t, "a piece of an answer is longer than can be played");
            return;
        }
    }
    if (!t->full)
        (void)hf_web_put(w, x, pieces, (size_t)count, &err);
}

static void do_end(hf_web_tape *t, hf_web *w)
{
    hf_field list[FIELDS_MOST];
    const hf_exchange x = tape_read(t);
    hf_ending ending = { .kind = (hf_ending_kind)read_below(t, 0, HF_ENDING_STOP + 1) };
    ending.code = tape_read(t);
    const hf_fields trailers = read_fields(t, list);
    if (!t->full)
        (void)!hf_web_end(w, x, ending, trailers).code;
}

/* Its place, or a free one. */
static tape_lent *lent_of(hf_web_tape *t, hf_exchange x)
{
    size_t place = TAPE_LENT - 1;
    for (size_t i = TAPE_LENT; i-- > 0;) {
        if (t->lent[i].length > 0 && t->lent[i].exchange == x)
            return &t->lent[i];
        if (t->lent[i].length == 0)
            place = i;
    }
    return &t->lent[place];
}

/* A piece of a body. In HTTP/3 those that were told before are still the application's to take. */
static void lend(hf_web_tape *t, const hf_web_event *event)
{
    tape_lent *const lent = lent_of(t, event->exchange);
    const size_t before = t->laned && lent->exchange == event->exchange ? lent->length : 0;
    *lent = (tape_lent){ event->exchange, before + event->body.len };
}

static void do_take(hf_web_tape *t, hf_web *w, hf_exchange x, uint64_t n)
{
    tape_lent *const lent = lent_of(t, x);
    if (n > 0 && (lent->exchange != x || n > lent->length)) {
        tape_differ(t, "more is taken than there is");
        return;
    }
    lent->length -= (size_t)n;
    hf_web_take(w, x, (size_t)n);
}

static void do_pace(hf_web_tape *t, hf_web *w, hf_exchange x, hf_pace pace)
{
    if (pace.pause_ns > INT64_MAX)
        tape_differ(t, "a body has longer than there is time");
    else
        hf_web_pace(w, x, pace);
}

static void do_other(hf_web_tape *t, hf_web *w, tape_entry kind)
{
    const uint64_t first = kind == TAPE_DO_DRAIN ? 0 : kind == TAPE_DO_TURN_AWAY ? (uint64_t)read_time(t).ns : tape_read(t);
    const hf_bytes answer = kind == TAPE_DO_TURN_AWAY ? tape_read_bytes(t) : hf_bytes_make(NULL, 0);
    const bool three = kind == TAPE_DO_PRIORITISE || kind == TAPE_DO_PACE;
    const bool two = kind == TAPE_DO_TAKE || kind == TAPE_DO_CANCEL || kind == TAPE_DO_TURN_AWAY || three;
    const uint64_t second = two ? tape_read(t) : 0, third = three ? tape_read(t) : 0;
    const hf_err why = hf_err_make((int32_t)(uint32_t)(kind == TAPE_DO_ABORT ? first : second));
    if (t->full)
        return;
    switch (kind) {
    case TAPE_DO_TAKE: do_take(t, w, first, second); break;
    case TAPE_DO_CANCEL: hf_web_cancel(w, first, why); break;
    case TAPE_DO_PRIORITISE: hf_web_prioritise(w, first, (unsigned)second, third != 0); break;
    case TAPE_DO_PACE: do_pace(t, w, first, (hf_pace){ second, third }); break;
    case TAPE_DO_TURN_AWAY: (void)hf_web_turn_away(w, hf_time_make((int64_t)first), answer, why); break;
    case TAPE_DO_DRAIN: hf_web_drain(w); break;
    case TAPE_DO_ABORT: hf_web_abort(w, why); break;
    default: tape_differ(t, "this is no tape of a connection"); break;
    }
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

typedef struct player {
    hf_web_tape *tape;
    hf_web *web;
    hf_out *out;
    hf_time began;
    void (*told)(void *self, hf_time since, const hf_web_event *event);
    void *self;
    hf_web_played *played;
} player;

/* What TLS asked is not on the tape, only that it asked. */
static uint64_t kind_of(uint64_t kind)
{
    return kind == HF_WEB_WANT_VERIFY ? HF_WEB_WANT_SIGN : kind;
}

static void play_step(player *p)
{
    hf_web_tape *const t = p->tape;
    hf_web_event event = { .kind = HF_WEB_REQUEST }; /* whose `wire` is zero */
    const hf_time now = read_time(t);
    if (t->full)
        return;
    const hf_step s = hf_web_step(p->web, now, p->out, &event);
    const bool is_event = s == HF_EVENT;
    p->played->steps++;
    p->played->events += is_event;
    p->played->ns = now.ns - p->began.ns;
    if (is_event && event.kind == HF_WEB_CLOSED)
        p->played->err = event.err;
    if (is_event && event.kind == HF_WEB_BODY)
        lend(t, &event);
    if (is_event && p->told != NULL && t->flaw == NULL)
        p->told(p->self, hf_time_make(p->played->ns), &event);
    if (!tape_expect(t, TAPE_STEPPED))
        return;
    const uint64_t was = tape_read(t), kind = tape_read(t), exchange = tape_read(t);
    if (!t->full && (was != (uint64_t)s || (is_event && (kind_of(kind) != kind_of((uint64_t)event.kind) ||
        exchange != (event.kind < HF_WEB_OPENED ? event.exchange : 0)))))
        tape_differ(t, "another event comes");
}

static void play_entry(player *p)
{
    hf_web_tape *const t = p->tape;
    const tape_entry kind = (tape_entry)t->bytes[t->at++];
    switch (kind) {
    case TAPE_STEP: play_step(p); break;
    case TAPE_DO_RESPOND: do_respond(t, p->web); break;
    case TAPE_DO_PUT: do_put(t, p->web); break;
    case TAPE_DO_END: do_end(t, p->web); break;
    case TAPE_DO_PUSH: do_push(t, p->web); break;
    case TAPE_UNSENT: /* somebody looked from outside */
    case TAPE_UNTAKEN: (void)tape_read(t); break;
    case TAPE_BEGIN: case TAPE_STEPPED: case TAPE_EVENT: case TAPE_PEEK: case TAPE_PUT: case TAPE_END: case TAPE_TWO: case TAPE_REFUSED:
    case TAPE_LANE_EVENT: case TAPE_LANE_PEEK: case TAPE_LANE_PUT: case TAPE_LANE_OPEN: case TAPE_LANE_END: case TAPE_FACT:
        tape_differ(t, "the core asks for less");
        break;
    default: do_other(t, p->web, kind); break;
    }
}

/* A tape of its own memory, over the lent bytes. NULL: memory ended. */
static hf_web_tape *open_tape(hf_bytes bytes, const hf_env *env)
{
    hf_web_tape *t = hf_web_tape_new(env, 0, false);
    if (t == NULL)
        return NULL;
    t->plays = true;
    t->bytes = (uint8_t *)bytes.ptr; /* only read while it plays */
    t->length = bytes.len;
    return t;
}

void hf_web_tape_play(hf_bytes bytes, const hf_env *env, hf_out *out, void (*told)(void *, hf_time, const hf_web_event *), void *self,
    hf_web_played *played)
{
    *played = (hf_web_played){ .why = "memory ended" };
    hf_web_tape *const t = open_tape(bytes, env);
    if (t == NULL)
        return;
    if (tape_expect(t, TAPE_BEGIN)) {
        const hf_time now = read_time(t);
        const uint64_t id = tape_read(t), flags = tape_read(t);
        t->secured = flags & 1;
        if (t->secured)
            t->env.alloc = env->alloc; /* as when it was recorded */
        t->ops = play_ops;
        t->ops.can = (uint32_t)tape_read(t);
        const hf_bytes no_memory = tape_read_bytes(t);
        const hf_web_options options = { .tape = t, .no_memory = no_memory, .no_prior_knowledge = flags >> 1 & 1,
            .http2 = { .connect_protocol = flags >> 2 & 1, .push = flags >> 3 & 1 } };
        player p = { .tape = t, .out = out, .began = now, .told = told, .self = self, .played = played };
        t->laned = flags >> 4 & 1;
        if (!t->full && t->laned)
            p.web = hf_web_new_http3(&t->env, id, NULL, &options, now);
        else if (!t->full)
            p.web = hf_web_new(&t->env, id, (hf_pier){ &t->ops, t }, &options, now);
        while (p.web != NULL && t->at < t->length)
            play_entry(&p);
        played->same = p.web != NULL && t->flaw == NULL;
        played->why = t->flaw != NULL ? t->flaw : "it is too short";
        played->hash = hf_web_tape_hash(t);
        played->at = t->failed_at;
        hf_web_free(p.web);
    } else {
        played->why = "this is no tape of a connection";
    }
    hf_web_tape_free(t);
}
