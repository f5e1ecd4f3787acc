/* SPDX-License-Identifier: Apache-2.0
 *
 * The stand-in's stream as a pier, with what a kernel socket does on the program's side: what the socket buffer has
 * no room for stays here as a reference, and is released once it was copied.
 */
#include "sim_stream.h"

enum { PIECES = 64 };

static hf_sim_stream *stream_of(void *self, hf_lane lane)
{
    HF_ASSERT(lane == 0);
    return self;
}

bool hf_sim_pier_has_events(const hf_sim_stream *s)
{
    return s->owes_opened || s->owes_readable || s->owes_writable || s->owes_ended || s->released != NULL;
}

void hf_sim_pier_ready(hf_sim_stream *s)
{
    hf_sim_host *h = s->host;
    if (!s->owned || s->is_ready || !hf_sim_pier_has_events(s))
        return;
    s->is_ready = true;
    s->ready_next = NULL;
    if (h->ready != NULL)
        h->ready_last->ready_next = s;
    else
        h->ready = s;
    h->ready_last = s;
    hf_sim_host_stir(h);
}

void hf_sim_pier_forget(hf_sim_stream *s)
{
    hf_sim_host *h = s->host;
    hf_sim_stream *before = NULL;
    for (hf_sim_stream **at = &h->ready; s->is_ready && *at != NULL; at = &(*at)->ready_next) {
        if (*at == s) {
            *at = s->ready_next;
            h->ready_last = h->ready_last == s ? before : h->ready_last;
            break;
        }
        before = *at;
    }
    s->is_ready = false;
}

/* ---- output ------------------------------------------------------------------------------------------------- */

static void piece_free(hf_sim_stream *s, hf_sim_piece *p)
{
    hf_free(&s->host->world->alloc, p, sizeof *p + p->copied);
}

/* The first pending piece is done with. */
static void piece_finish(hf_sim_stream *s)
{
    hf_sim_piece *p = s->pending;
    s->pending = p->next;
    s->pending_bytes -= hf_extent_length(&p->extent) - p->done;
    if (p->extent.token == 0) {
        piece_free(s, p);
        return;
    }
    hf_sim_piece **last = &s->released;
    while (*last != NULL)
        last = &(*last)->next;
    p->next = NULL;
    *last = p;
}

void hf_sim_pier_abandon(hf_sim_stream *s)
{
    while (s->pending != NULL)
        piece_finish(s);
}

void hf_sim_pier_fini(hf_sim_stream *s)
{
    hf_sim_pier_abandon(s);
    while (s->released != NULL) {
        hf_sim_piece *p = s->released;
        s->released = p->next;
        piece_free(s, p);
    }
}

/* The next bytes of a piece; ptr NULL when its file is not what it was. */
static hf_bytes piece_rest(const hf_sim_stream *s, const hf_sim_piece *p)
{
    const hf_extent *e = &p->extent;
    if (e->kind != HF_EXTENT_FILE)
        return hf_bytes_make(e->bytes.ptr + p->done, (size_t)(e->bytes.len - p->done));
    const hf_sim_file *f = hf_sim_file_get(s->host->world, e->file->handle);
    if (f == NULL || f->modified_ns != e->file->modified_ns || e->offset > f->len || e->length > f->len - e->offset)
        return hf_bytes_make(NULL, 0);
    return hf_bytes_make(f->bytes + e->offset + p->done, (size_t)(e->length - p->done));
}

static size_t room(const hf_sim_stream *s)
{
    const size_t held = hf_queue_length(&s->out);
    return held < s->send_buffer ? s->send_buffer - held : 0;
}

bool hf_sim_pier_fill(hf_sim_stream *s)
{
    while (s->pending != NULL && room(s) > 0) {
        hf_bytes rest = piece_rest(s, s->pending);
        if (rest.ptr == NULL && hf_extent_length(&s->pending->extent) > 0) {
            hf_sim_stream_abort(s, hf_err_make(HF_ERR_IO_FILE_CHANGED), false);
            return false;
        }
        if (rest.len > room(s))
            rest.len = room(s);
        if (!hf_queue_append(&s->out, rest))
            break;
        s->pending->done += rest.len;
        s->pending_bytes -= rest.len;
        if (s->pending->done == hf_extent_length(&s->pending->extent))
            piece_finish(s);
    }
    if (s->wants_writable && s->pending == NULL) {
        s->wants_writable = false;
        s->owes_writable = true;
    }
    hf_sim_pier_ready(s);
    return true;
}

/* Puts the part of `e` from `done` on in line. */
static bool keep(hf_sim_stream *s, const hf_extent *e, uint64_t done)
{
    const uint64_t n = hf_extent_length(e);
    const size_t copied = e->kind == HF_EXTENT_COPIED ? e->bytes.len : 0;
    hf_sim_piece *p = hf_alloc_zeroed(&s->host->world->alloc, sizeof *p + copied);
    if (p == NULL)
        return false;
    p->extent = *e;
    p->copied = copied;
    p->done = done;
    if (copied > 0) {
        memcpy(p + 1, e->bytes.ptr, copied);
        p->extent.bytes.ptr = (const uint8_t *)(p + 1);
    }
    if (s->pending != NULL)
        s->pending_last->next = p;
    else
        s->pending = p;
    s->pending_last = p;
    s->pending_bytes += n - done;
    return true;
}

/* Takes copied bytes straight into the socket buffer, as far as they fit. */
static uint64_t copy(hf_sim_stream *s, hf_bytes b)
{
    if (b.len > room(s))
        b.len = room(s);
    return hf_queue_append(&s->out, b) ? b.len : 0;
}

/* As a kernel socket's pier: what is offered while nothing is unsent is accepted whole (up to PIECES extents), and
 * nothing more until all of that is in the socket buffer. */
static uint64_t put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    hf_sim_stream *s = stream_of(self, lane);
    uint64_t accepted = 0;
    HF_ASSERT(!s->fin_wanted);
    if (s->phase != HF_SIM_OPEN || s->pending != NULL) {
        s->wants_writable = true;
        return 0;
    }
    for (size_t i = 0; i < count && i < PIECES; i++) {
        const hf_extent *e = &extents[i];
        const uint64_t n = hf_extent_length(e);
        const bool direct = e->kind == HF_EXTENT_COPIED && e->token == 0 && s->pending == NULL;
        const uint64_t took = direct ? copy(s, e->bytes) : 0;
        if ((took < n || !direct) && !keep(s, e, took)) {
            hf_sim_stream_abort(s, hf_err_make(HF_ERR_BASE_MEMORY), false);
            return accepted;
        }
        accepted += n;
    }
    hf_sim_stream_push(s);
    s->wants_writable = s->pending != NULL;
    return accepted;
}

static uint64_t unsent(const void *self, hf_lane lane)
{
    HF_ASSERT(lane == 0);
    const hf_sim_stream *s = self;
    return s->pending_bytes;
}

static hf_err end(void *self, hf_lane lane, hf_ending ending)
{
    hf_sim_stream *s = stream_of(self, lane);
    switch (ending.kind) {
    case HF_ENDING_FIN:
        s->fin_wanted = true;
        hf_sim_stream_push(s);
        return HF_OK;
    case HF_ENDING_RESET:
        hf_sim_stream_abort(s, hf_err_make(HF_ERR_IO_RESET), false);
        s->owes_ended = false; /* the program knows */
        return HF_OK;
    case HF_ENDING_STOP:
        break;
    }
    return hf_err_make(HF_ERR_BASE_USAGE); /* as TCP, the stand-in cannot say it */
}

static hf_err read_file(void *self, const hf_file *file, uint64_t offset, void *to, size_t n)
{
    const hf_sim_stream *s = self;
    const hf_sim_file *f = hf_sim_file_get(s->host->world, file->handle);
    if (f == NULL || f->modified_ns != file->modified_ns || offset > f->len || n > f->len - offset)
        return hf_err_make(HF_ERR_IO_FILE_CHANGED);
    memcpy(to, f->bytes + offset, n);
    return HF_OK;
}

static hf_err open_lane(void *self, hf_lane_kind kind, hf_lane *lane)
{
    (void)self, (void)kind, (void)lane;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

/* ---- input and events --------------------------------------------------------------------------------------- */

static hf_span peek(void *self, hf_lane lane)
{
    return hf_queue_peek(&stream_of(self, lane)->in);
}

static void take(void *self, hf_lane lane, size_t n)
{
    hf_sim_stream *s = stream_of(self, lane);
    hf_queue_take(&s->in, n);
    hf_sim_stream_opened_window(s);
}

/* Clears a debt; true when there was one. */
static bool pay(bool *owed)
{
    const bool was = *owed;
    *owed = false;
    return was;
}

static hf_step event(void *self, hf_time now, hf_pier_event *event)
{
    (void)now;
    hf_sim_stream *s = self;
    *event = (hf_pier_event){ 0 };
    if (pay(&s->owes_opened)) {
        event->kind = HF_PIER_OPENED;
    } else if (s->released != NULL) {
        hf_sim_piece *p = s->released;
        s->released = p->next;
        event->kind = HF_PIER_RELEASED;
        event->token = p->extent.token;
        piece_free(s, p);
    } else if (pay(&s->owes_readable)) {
        event->kind = HF_PIER_READABLE;
    } else if (pay(&s->owes_ended)) {
        event->kind = HF_PIER_ENDED;
        event->ending.kind = s->phase == HF_SIM_DEAD ? HF_ENDING_RESET : HF_ENDING_FIN;
        event->err = s->failed;
    } else if (pay(&s->owes_writable)) {
        event->kind = HF_PIER_WRITABLE;
    } else if (s->phase == HF_SIM_DEAD) {
        return HF_FAULT;
    } else {
        return s->fin_received && s->fin_wanted && s->pending == NULL ? HF_CLOSED : HF_IDLE;
    }
    return HF_EVENT;
}

static void pier_free(void *self)
{
    hf_sim_stream_let_go(self);
}

const hf_pier_ops hf_sim_pier_ops = {
    .name = "simulated stream",
    .can = HF_PIER_TAKES_FILES | HF_PIER_WINDOW_FOLLOWS_TAKE,
    .event = event,
    .peek = peek,
    .take = take,
    .put = put,
    .end = end,
    .open = open_lane,
    .unsent = unsent,
    .free = pier_free,
    .read = read_file,
};
