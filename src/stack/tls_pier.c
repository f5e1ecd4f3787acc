/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pier.h"

#include "alloc.h"
#include "crypto_secret.h"
#include "panic.h"
#include "queue.h"

enum {
    PIECES = 64,
    /* Of content, sealed at once: four records. They leave as one super-segment, which TCP bounds by 64 KiB with its headers and
     * cuts at a multiple of its MSS: what is beyond would leave as a small segment of its own, and wake the peer once more. */
    BATCH = 62 * 1024,
    TURN = 4 << 20     /* sealed in one call of event: then others have theirs */
};

/* What was accepted and is not sealed yet. */
typedef struct backlog {
    hf_extent *pieces; /* COPIED pieces have no bytes.ptr: theirs are the front of `copied`, in order */
    size_t first, count, capacity;
    hf_queue copied;
} backlog;

struct hf_tls_pier {
    const hf_env *env;
    hf_pier below;
    hf_tls *core;
    hf_span room;
    hf_tls_event *question;
    hf_time now, began;
    int64_t handshake_ns;
    bool opened : 1;       /* the owner was told so: bytes flow */
    bool complete : 1;     /* the handshake is */
    bool waiting : 1;      /* the core did what it could: more bytes, time or an answer must come first */
    bool below_fin : 1;
    bool broken : 1;       /* the core faulted: its alert leaves, then FIN; input is thrown away */
    bool fin_wanted : 1, notified : 1, fin_sent : 1;
    bool last : 1;         /* the next put is; close_notify goes with it */
    bool said_all : 1;     /* the last emit had nothing more */
    bool blocked : 1;      /* put refused or kept something: owe a WRITABLE */
    bool again : 1;        /* the turn was over before all was sealed */
    bool failure_told : 1;
    bool fresh : 1;        /* bytes joined those that were kept: owe a READABLE */
    hf_err failed;         /* below, or a file */
    size_t lent_at, lent;  /* plaintext in the first record of what lies below */
    hf_queue kept;         /* plaintext that the owner left */
    backlog *out;
    hf_queue tokens;       /* to be told */
    hf_queue early;        /* client: early data that was put, until it is known whether the server took it */
    hf_bytes early_protocol;
};

static void fail(hf_tls_pier *p, int32_t code)
{
    if (p->failed.code == 0)
        p->failed = hf_err_make(code);
}

static uint64_t below_unsent(const hf_tls_pier *p)
{
    return p->below.ops->unsent(p->below.self, 0);
}

/* ---- input -------------------------------------------------------------------------------------------------- */

static hf_span pier_peek(void *self, hf_lane lane)
{
    const hf_tls_pier *p = self;
    HF_ASSERT(lane == 0);
    if (hf_queue_length(&p->kept) > 0 || p->lent == 0)
        return hf_queue_peek(&p->kept);
    const hf_span held = p->below.ops->peek(p->below.self, 0);
    HF_ASSERT(held.len >= p->lent_at + p->lent);
    return (hf_span){ held.ptr + p->lent_at, p->lent };
}

static void take_lent(hf_tls_pier *p, size_t n)
{
    HF_ASSERT(n <= p->lent);
    hf_tls_take(p->core, n);
    p->lent_at += n;
    p->lent -= n;
    if (p->lent == 0)
        p->waiting = false; /* the record is used by the next step */
}

static void pier_take(void *self, hf_lane lane, size_t n)
{
    hf_tls_pier *p = self;
    HF_ASSERT(lane == 0);
    if (hf_queue_length(&p->kept) > 0) {
        hf_queue_take(&p->kept, n);
        p->fresh = p->fresh || (hf_queue_length(&p->kept) == 0 && p->lent > 0); /* what lies behind comes to light */
    } else if (n > 0) {
        take_lent(p, n);
    }
}

/* What the owner left of a record is copied, up to a bound, so that the next can be opened. */
static void keep_lent(hf_tls_pier *p)
{
    if (p->lent == 0) {
        hf_queue_trim(&p->kept); /* if it is empty */
        return;
    }
    if (hf_queue_length(&p->kept) >= p->env->limits->input_bytes)
        return; /* back-pressure: the pier below fills up, and then the peer waits */
    p->fresh = p->fresh || hf_queue_length(&p->kept) > 0; /* only those are seen while there are some */
    const hf_span held = p->below.ops->peek(p->below.self, 0);
    HF_ASSERT(held.len >= p->lent_at + p->lent);
    if (!hf_queue_append(&p->kept, hf_bytes_make(held.ptr + p->lent_at, p->lent)))
        fail(p, HF_ERR_BASE_MEMORY);
    else
        take_lent(p, p->lent);
}

/* ---- output ------------------------------------------------------------------------------------------------- */

static hf_out sealing_room(const hf_tls_pier *p, hf_extent *pieces, size_t count)
{
    return (hf_out){ .pieces = pieces, .capacity = count, .scratch = p->room.ptr + HF_TLS_PIER_FILE,
        .scratch_capacity = HF_TLS_PIER_SEALED, .room = UINT64_MAX };
}

/* Puts below what the core has to say. True when it was something. */
static bool flush(hf_tls_pier *p)
{
    bool moved = false;
    p->said_all = false;
    while (p->failed.code == 0 && below_unsent(p) == 0) {
        hf_extent pieces[4];
        hf_out out = sealing_room(p, pieces, HF_COUNT(pieces));
        p->said_all = hf_tls_emit(p->core, p->now, &out) == 0;
        if (p->said_all)
            break;
        moved = true;
        if (p->last && p->notified && p->below.ops->last != NULL)
            p->below.ops->last(p->below.self, 0);
        if (p->below.ops->put(p->below.self, 0, out.pieces, out.count) != out.bytes)
            break; /* it has failed: its event says why */
    }
    return moved;
}

static void release(hf_tls_pier *p, uint64_t token)
{
    if (token != 0 && !hf_queue_append(&p->tokens, hf_bytes_make(&token, sizeof token)))
        fail(p, HF_ERR_BASE_MEMORY); /* free() lets go of everything, tokens included */
}

/* How much of the first piece's file is wanted among the next `most` bytes of the pieces: HTTP/2 cuts it into frames, and
 * puts their headers in between. */
static size_t run_of_file(const hf_extent *pieces, size_t count, size_t most)
{
    size_t run = 0;
    for (size_t i = 0; i < count && most > 0; i++) {
        const uint64_t length = hf_extent_length(&pieces[i]);
        const size_t n = length < most ? (size_t)length : most;
        if (pieces[i].kind == HF_EXTENT_FILE) {
            if (pieces[i].file != pieces->file || pieces[i].offset != pieces->offset + run)
                break;
            run += n;
        }
        most -= n;
    }
    return run;
}

/* What was read of files for one batch, and how much of it was lent. */
typedef struct batch_read {
    size_t read, lent;
} batch_read;

/* The next `n` bytes of the first piece, in memory. NULL: a file is not what it was. Further pieces of it, within the next
 * `most` bytes, are read along. */
static const uint8_t *bytes_of(hf_tls_pier *p, const hf_extent *pieces, size_t count, size_t n, size_t most, const uint8_t *copied,
                               batch_read *r)
{
    if (pieces->kind != HF_EXTENT_FILE)
        return pieces->bytes.ptr != NULL || n == 0 ? pieces->bytes.ptr : copied;
    uint8_t *const to = p->room.ptr + r->lent;
    if (r->lent == r->read) {
        const size_t run = run_of_file(pieces, count, most);
        const hf_err err = p->below.ops->read == NULL ? hf_err_make(HF_ERR_BASE_USAGE)
                                                      : p->below.ops->read(p->below.self, pieces->file, pieces->offset, to, run);
        if (err.code != 0) {
            fail(p, err.code);
            return NULL;
        }
        r->read += run;
    }
    r->lent += n;
    HF_ASSERT(r->lent <= r->read && r->read <= HF_TLS_PIER_FILE);
    return to;
}

/* Cuts `n` bytes off the front of a piece. */
static void advance(hf_extent *e, size_t n)
{
    if (e->kind == HF_EXTENT_FILE) {
        e->offset += n;
        e->length -= n;
    } else {
        e->bytes.ptr = e->bytes.ptr == NULL ? NULL : e->bytes.ptr + n;
        e->bytes.len -= n;
    }
}

/* May something be sealed now? */
static bool is_open(const hf_tls_pier *p)
{
    return p->complete || hf_tls_early_room(p->core) > 0;
}

/* A client's early data is kept until the server has said whether it takes it. False: memory ended. */
static bool note_early(hf_tls_pier *p, hf_bytes bytes)
{
    if (p->complete || hf_tls_early_room(p->core) == SIZE_MAX)
        return true;
    p->early_protocol = hf_tls_protocol(p->core);
    return hf_queue_append(&p->early, bytes);
}

/* The handshake is complete. RFC 8446 4.2.10: what the server did not take "MUST NOT [be] automatically re-send ... unless
 * the negotiated connection selects the same ALPN protocol"; whoever put it early put what may be sent twice. */
static void settle_early(hf_tls_pier *p)
{
    const hf_span held = hf_queue_peek(&p->early);
    if (held.len > 0 && !hf_tls_early_accepted(p->core)) {
        const hf_extent again = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(held.ptr, held.len) };
        if (!hf_bytes_equal(p->early_protocol, hf_tls_protocol(p->core)))
            fail(p, HF_ERR_TLS_EARLY_ANSWER);
        else if (hf_tls_put(p->core, &again, 1) != held.len)
            fail(p, HF_ERR_BASE_MEMORY);
    }
    if (p->early.memory != NULL)
        hf_wipe(p->early.memory, p->early.capacity);
    hf_queue_fini(&p->early);
}

/* Lends the core up to BATCH bytes of the pieces, and cuts them off. Returns how many bytes. *done: pieces that are over. */
static size_t lend(hf_tls_pier *p, hf_extent *pieces, size_t count, const hf_queue *copied, size_t *queued, size_t *done)
{
    const uint8_t *const front = copied != NULL ? hf_queue_peek(copied).ptr : NULL;
    size_t total = 0;
    batch_read read = { 0 };
    *queued = *done = 0;
    const size_t room = p->complete ? SIZE_MAX : hf_tls_early_room(p->core), most = room < BATCH ? room : BATCH;
    while (*done < count && total < most) {
        hf_extent *const e = &pieces[*done];
        const uint64_t length = hf_extent_length(e);
        const size_t n = length < most - total ? (size_t)length : most - total;
        const bool in_queue = e->kind != HF_EXTENT_FILE && e->bytes.ptr == NULL;
        if (n > 0) {
            const uint8_t *const at = bytes_of(p, e, count - *done, n, most - total, front != NULL ? front + *queued : NULL, &read);
            const hf_extent piece = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(at, n) };
            if (at == NULL || !note_early(p, piece.bytes) || hf_tls_put(p->core, &piece, 1) != n)
                break;
            advance(e, n);
            *queued += in_queue ? n : 0;
            total += n;
        }
        if (n < length)
            break;
        ++*done;
    }
    return total;
}

/* Behind all that was put comes close_notify. */
static void notify(hf_tls_pier *p)
{
    p->notified = true;
    p->waiting = false;
    (void)!hf_tls_end(p->core, (hf_ending){ HF_ENDING_FIN, 0 }).code;
}

/* Seals pieces and puts them below until one is left over, or below is full, or the turn is spent. Returns how many are
 * over; what was sealed of the next one is cut off its front. */
static size_t seal(hf_tls_pier *p, hf_extent *pieces, size_t count, hf_queue *copied)
{
    size_t all = 0;
    uint64_t turn = 0;
    while (all < count && p->failed.code == 0 && below_unsent(p) == 0 && is_open(p)) {
        size_t queued, done;
        if (turn >= TURN) {
            p->again = true;
            break;
        }
        const size_t n = lend(p, pieces + all, count - all, copied, &queued, &done);
        if (n == 0 && done == 0) {
            fail(p, HF_ERR_BASE_MEMORY); /* unless it is a file */
            break;
        }
        if (p->last && !p->notified && p->complete && all + done == count)
            notify(p);
        (void)flush(p);
        if (hf_tls_unsent(p->core) > 0) { /* libcrypto failed: the core says so */
            p->waiting = false;
            break;
        }
        if (copied != NULL)
            hf_queue_take(copied, queued);
        for (size_t i = 0; i < done; i++)
            release(p, pieces[all + i].token);
        all += done;
        turn += n;
    }
    return all;
}

static void free_backlog(hf_tls_pier *p)
{
    const hf_allocator *const a = &p->env->alloc;
    backlog *const out = p->out;
    if (out == NULL)
        return;
    p->out = NULL;
    hf_queue_fini(&out->copied);
    hf_free(a, out->pieces, out->capacity * sizeof *out->pieces);
    hf_free(a, out, sizeof *out);
}

/* Keeps what was not sealed. False: memory ended. */
static bool keep(hf_tls_pier *p, const hf_extent *pieces, size_t count)
{
    const hf_allocator *const a = &p->env->alloc;
    backlog *const out = hf_alloc_zeroed(a, sizeof *out);
    if (out == NULL)
        return false;
    hf_queue_init(&out->copied, a);
    p->out = out;
    out->pieces = hf_alloc(a, count * sizeof *out->pieces);
    if (out->pieces == NULL)
        return false;
    out->capacity = count;
    for (size_t i = 0; i < count; i++) {
        out->pieces[i] = pieces[i];
        if (pieces[i].kind == HF_EXTENT_COPIED) {
            if (!hf_queue_append(&out->copied, pieces[i].bytes))
                return false;
            out->pieces[i].bytes.ptr = NULL;
        }
        out->count++;
    }
    return true;
}

static uint64_t unsealed(const hf_tls_pier *p)
{
    uint64_t n = 0;
    for (size_t i = p->out != NULL ? p->out->first : 0; p->out != NULL && i < p->out->count; i++)
        n += hf_extent_length(&p->out->pieces[i]);
    return n;
}

static uint64_t pier_unsent(const void *self, hf_lane lane)
{
    (void)lane;
    const hf_tls_pier *p = self;
    return below_unsent(p) + unsealed(p);
}

static uint64_t pier_untaken(const void *self, hf_lane lane)
{
    const hf_tls_pier *p = self;
    const hf_pier_ops *const below = p->below.ops;
    return below->untaken != NULL ? below->untaken(p->below.self, 0) + unsealed(p) : pier_unsent(self, lane);
}

static uint64_t pier_put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    hf_tls_pier *p = self;
    HF_ASSERT(lane == 0 && !p->fin_wanted && !p->notified);
    if (!p->opened || p->out != NULL || p->broken || p->failed.code != 0 || count == 0 || below_unsent(p) > 0) {
        p->blocked = true;
        return 0;
    }
    hf_extent pieces[PIECES];
    uint64_t total = 0;
    p->last = p->last && count <= PIECES;
    count = count < PIECES ? count : PIECES;
    memcpy(pieces, extents, count * sizeof *pieces);
    for (size_t i = 0; i < count; i++)
        total += hf_extent_length(&pieces[i]);
    const size_t done = seal(p, pieces, count, NULL);
    if (done < count && p->failed.code == 0) {
        p->blocked = true;
        if (!keep(p, pieces + done, count - done))
            fail(p, HF_ERR_BASE_MEMORY);
    }
    return total;
}

/* RFC 8446 6.1: "Each party MUST send a close_notify alert before closing its write side of the connection". It goes behind
 * all that was put, and the FIN behind it. */
static void shut(hf_tls_pier *p)
{
    const bool alert = p->broken && !p->fin_sent;
    if (p->failed.code != 0 || p->fin_sent || (!alert && (!p->fin_wanted || p->out != NULL)))
        return;
    if (!alert && !p->complete)
        return; /* the end comes behind the handshake, and the tickets behind that */
    if (!alert && !p->notified)
        notify(p);
    (void)flush(p);
    if (!p->said_all)
        return;
    p->fin_sent = true;
    (void)!p->below.ops->end(p->below.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code;
}

/* Seals what was kept, as far as it goes. */
static void resume(hf_tls_pier *p)
{
    backlog *const out = p->out;
    p->again = false;
    if (out == NULL || p->broken || p->failed.code != 0)
        return;
    out->first += seal(p, out->pieces + out->first, out->count - out->first, &out->copied);
    if (out->first == out->count)
        free_backlog(p);
}

static hf_err pier_end(void *self, hf_lane lane, hf_ending ending)
{
    hf_tls_pier *p = self;
    HF_ASSERT(lane == 0);
    if (ending.kind == HF_ENDING_STOP)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (ending.kind == HF_ENDING_RESET) {
        fail(p, HF_ERR_IO_RESET);
        p->failure_told = true;
        return p->below.ops->end(p->below.self, 0, ending);
    }
    p->fin_wanted = true;
    shut(p);
    return HF_OK;
}

static void pier_last(void *self, hf_lane lane)
{
    HF_ASSERT(lane == 0);
    ((hf_tls_pier *)self)->last = true;
}

static void pier_doze(void *self, hf_lane lane)
{
    const hf_tls_pier *p = self;
    HF_ASSERT(lane == 0);
    if (p->fin_sent && !p->broken && p->below.ops->doze != NULL)
        p->below.ops->doze(p->below.self, 0);
}

static hf_err pier_open(void *self, hf_lane_kind kind, hf_lane *lane)
{
    (void)self, (void)kind, (void)lane;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

static hf_err pier_read(void *self, const hf_file *file, uint64_t offset, void *to, size_t n)
{
    hf_tls_pier *p = self;
    if (p->below.ops->read == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    return p->below.ops->read(p->below.self, file, offset, to, n);
}

/* ---- events ------------------------------------------------------------------------------------------------- */

/* What is owed upward. */
static bool tell(hf_tls_pier *p, hf_pier_event *event)
{
    const hf_span tokens = hf_queue_peek(&p->tokens);
    if (tokens.len > 0) {
        event->kind = HF_PIER_RELEASED;
        memcpy(&event->token, tokens.ptr, sizeof event->token);
        hf_queue_take(&p->tokens, sizeof event->token);
        return true;
    }
    hf_queue_trim(&p->tokens);
    if (p->failed.code != 0) {
        if (p->failure_told)
            return false;
        p->failure_told = true;
        *event = (hf_pier_event){ .kind = HF_PIER_ENDED, .ending = { HF_ENDING_RESET, 0 }, .err = p->failed };
        return true;
    }
    if (p->fresh) {
        p->fresh = false;
        event->kind = HF_PIER_READABLE;
        return true;
    }
    if (!p->blocked || p->out != NULL || p->broken || below_unsent(p) > 0)
        return false;
    p->blocked = false;
    event->kind = HF_PIER_WRITABLE;
    return true;
}

/* A question of the core. True: it goes to the owner. */
static bool ask(hf_tls_pier *p, const hf_tls_event *e, hf_pier_event *event)
{
    if (p->question != NULL) {
        *p->question = *e;
        event->kind = HF_PIER_ASKS;
        return true;
    }
    if (e->kind == HF_TLS_WANT_SIGN || e->kind == HF_TLS_WANT_DECRYPT)
        hf_tls_sign_here(p->core, e);
    else if (e->kind == HF_TLS_WANT_VERIFY)
        hf_tls_answer_verify(p->core, hf_err_make(HF_ERR_TLS_CERT_ROOT_UNKNOWN));
    return false;
}

static bool translate(hf_tls_pier *p, const hf_tls_event *e, const hf_in *in, hf_pier_event *event)
{
    switch (e->kind) {
    case HF_TLS_EARLY:
        p->opened = true;
        event->kind = HF_PIER_OPENED;
        return true;
    case HF_TLS_OPENED:
        p->complete = true;
        p->handshake_ns = p->now.ns - p->began.ns;
        event->kind = !p->opened ? HF_PIER_OPENED : hf_tls_early_accepted(p->core) ? HF_PIER_EARLY_ACCEPTED : HF_PIER_EARLY_REJECTED;
        p->opened = true;
        settle_early(p);
        return true;
    case HF_TLS_READABLE:
        p->lent = hf_tls_peek(p->core).len;
        p->lent_at = (size_t)(hf_tls_peek(p->core).ptr - (in->ptr + in->used));
        event->kind = HF_PIER_READABLE;
        return true;
    case HF_TLS_ENDED:
        *event = (hf_pier_event){ .kind = HF_PIER_ENDED, .ending = e->ending, .err = e->err };
        return true;
    case HF_TLS_WANT_SIGN:
    case HF_TLS_WANT_DECRYPT:
    case HF_TLS_WANT_VERIFY:
    case HF_TLS_SESSION:
        return ask(p, e, event);
    case HF_TLS_WRITABLE: /* ours is told when all was sealed */
    case HF_TLS_RELEASED:
    case HF_TLS_EARLY_REJECTED: /* told with OPENED */
        break;
    }
    return false;
}

/* The core's turn. True: *event was filled. */
static bool turn(hf_tls_pier *p, hf_pier_event *event)
{
    uint8_t nothing[1];
    while (!p->waiting && !p->broken && p->lent == 0) {
        const hf_span held = p->below.ops->peek(p->below.self, 0);
        hf_in in = { .ptr = held.ptr != NULL ? held.ptr : nothing, .len = held.len, .fin = p->below_fin };
        hf_tls_event e;
        p->said_all = false;
        const hf_step s = hf_tls_step(p->core, p->now, &in, &e);
        const bool told = s == HF_EVENT && translate(p, &e, &in, event);
        if (in.used > 0)
            p->below.ops->take(p->below.self, 0, in.used);
        if (told && p->lent > 0 && hf_queue_length(&p->kept) > 0) {
            keep_lent(p);
            p->fresh = false; /* told now */
        }
        if (told)
            return true;
        if (s == HF_FAULT) {
            p->broken = true;
            free_backlog(p);
            *event = (hf_pier_event){ .kind = HF_PIER_ENDED, .ending = { HF_ENDING_RESET, 0 } };
            event->err = hf_tls_fault_of(p->core)->err;
            return true;
        }
        p->waiting = s != HF_EVENT;
    }
    return false;
}

/* One event of the pier below. False: there was none. */
static bool pull(hf_tls_pier *p, hf_step *answer)
{
    hf_pier_event e;
    *answer = p->below.ops->event(p->below.self, p->now, &e);
    if (*answer == HF_FAULT)
        fail(p, HF_ERR_IO_RESET);
    if (*answer != HF_EVENT)
        return false;
    switch (e.kind) {
    case HF_PIER_READABLE:
        p->waiting = false;
        break;
    case HF_PIER_ENDED:
        p->waiting = false;
        p->below_fin = true;
        if (e.ending.kind == HF_ENDING_RESET)
            fail(p, e.err.code != 0 ? e.err.code : HF_ERR_IO_RESET);
        break;
    case HF_PIER_OPENED:
    case HF_PIER_WRITABLE:
    case HF_PIER_RELEASED:
    case HF_PIER_EARLY_ACCEPTED:
    case HF_PIER_EARLY_REJECTED:
    case HF_PIER_ASKS:
        break;
    }
    return true;
}

/* After a fault nobody wants what arrives, but a pier that is full would never say that the peer ended. */
static void throw_away(hf_tls_pier *p)
{
    const hf_span rest = p->below.ops->peek(p->below.self, 0);
    if (p->broken && rest.len > 0 && hf_tls_fault_of(p->core)->err.code != HF_ERR_TLS_PLAIN_HTTP)
        p->below.ops->take(p->below.self, 0, rest.len);
}

static hf_step pier_event(void *self, hf_time now, hf_pier_event *event)
{
    hf_tls_pier *p = self;
    hf_step answer = HF_IDLE;
    *event = (hf_pier_event){ 0 };
    p->now = now;
    if (!hf_time_before(now, hf_tls_wake(p->core)))
        p->waiting = false;
    keep_lent(p);
    do {
        resume(p);
        if (tell(p, event) || (p->failed.code == 0 && turn(p, event)))
            return HF_EVENT;
        if (p->failed.code != 0)
            return HF_FAULT;
        if (p->broken && hf_tls_fault_of(p->core)->err.code == HF_ERR_TLS_PLAIN_HTTP)
            return HF_IDLE; /* its owner may leave with the pier below, which was told nothing */
        throw_away(p);
        if (p->broken || p->fin_wanted)
            shut(p);
        else if (!p->said_all)
            (void)flush(p);
        if (p->broken && p->below_fin)
            return HF_CLOSED;
    } while (pull(p, &answer) || (p->failed.code != 0 && !p->failure_told) || (!p->waiting && !p->broken && p->lent == 0));
    return p->failed.code != 0 ? HF_FAULT : answer;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static void free_all(hf_tls_pier *p)
{
    const hf_allocator alloc = p->env->alloc;
    free_backlog(p);
    hf_tls_free(p->core);
    if (p->kept.memory != NULL)
        hf_wipe(p->kept.memory, p->kept.capacity);
    hf_queue_fini(&p->kept);
    if (p->early.memory != NULL)
        hf_wipe(p->early.memory, p->early.capacity);
    hf_queue_fini(&p->early);
    hf_queue_fini(&p->tokens);
    hf_free(&alloc, p, sizeof *p);
}

static void pier_free(void *self)
{
    hf_tls_pier *p = self;
    p->below.ops->free(p->below.self);
    free_all(p);
}

static const hf_pier_ops pier_ops = {
    .name = "TLS",
    .can = HF_PIER_TAKES_FILES,
    .event = pier_event,
    .peek = pier_peek,
    .take = pier_take,
    .put = pier_put,
    .end = pier_end,
    .open = pier_open,
    .unsent = pier_unsent,
    .untaken = pier_untaken,
    .free = pier_free,
    .read = pier_read,
    .last = pier_last,
    .doze = pier_doze,
};

hf_tls_pier *hf_tls_pier_new(const hf_env *env, hf_tls *core, hf_pier below, hf_span room, hf_time now)
{
    HF_ASSERT(room.len >= HF_TLS_PIER_FILE + HF_TLS_PIER_SEALED);
    hf_tls_pier *p = core != NULL ? hf_alloc_zeroed(&env->alloc, sizeof *p) : NULL;
    if (p == NULL) {
        hf_tls_free(core);
        below.ops->free(below.self);
        return NULL;
    }
    p->env = env;
    p->below = below;
    p->core = core;
    p->room = room;
    p->now = p->began = now;
    hf_queue_init(&p->kept, &env->alloc);
    hf_queue_init(&p->tokens, &env->alloc);
    hf_queue_init(&p->early, &env->alloc);
    return p;
}

hf_pier hf_tls_pier_get(hf_tls_pier *p)
{
    return (hf_pier){ &pier_ops, p };
}

hf_tls *hf_tls_pier_core(const hf_tls_pier *p)
{
    return p->core;
}

void hf_tls_pier_listen(hf_tls_pier *p, hf_tls_event *question)
{
    p->question = question;
}

void hf_tls_pier_answered(hf_tls_pier *p)
{
    p->waiting = false;
}

hf_time hf_tls_pier_wake(const hf_tls_pier *p)
{
    if (p->failed.code != 0 || p->broken)
        return HF_NEVER;
    return p->again ? hf_time_after(p->now, 1) : hf_tls_wake(p->core);
}

int64_t hf_tls_pier_handshake_ns(const hf_tls_pier *p)
{
    return p->handshake_ns;
}

hf_pier hf_tls_pier_leave(hf_tls_pier *p)
{
    const hf_pier below = p->below;
    free_all(p);
    return below;
}
