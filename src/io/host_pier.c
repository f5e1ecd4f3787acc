/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection of our own TCP as a pier, with what a kernel socket does besides: ranges of files, an end that outlives the
 * program's interest, and bytes that wait because TCP holds enough.
 *
 * Memory that is lent goes to TCP as it is. Of a file 64 KB blocks are read, as fast as the peer takes them. TCP releases in
 * the order of the stream, so who is owed what stands in a queue beside it.
 */
#include "file.h"
#include "host_io.h"
#include "panic.h"

enum {
    AT_ONCE = 1 << 30, /* of one piece: TCP counts in 32 bits */
    FEED = 256 * 1024, /* of a file, what TCP holds that it has not yet sent */
    PIECES = 64
};

/* One release of TCP's: a block to give back, or a token to pass on, or both. */
typedef struct due {
    hf_host_block *block;
    uint64_t token;
    bool at_once; /* TCP knows nothing of it: it is due when what stands before it is */
} due;

/* Only a connection that is sending has one. */
typedef struct outgoing {
    hf_extent *pieces; /* what TCP would not take; COPIED ones have no bytes.ptr: theirs are the front of `copied`, in order */
    size_t first, count, capacity;
    hf_queue copied;
    hf_queue dues;
    uint64_t unsent;   /* bytes of `pieces` */
} outgoing;

struct hf_host_pier {
    hf_host_home *home;
    hf_tcp *tcp;
    void *owner;
    outgoing *out;
    hf_err failed;
    bool was_blocked;  /* put kept or refused something: owe a WRITABLE */
    bool failure_told, reset;
    bool end_asked, end_told; /* FIN: by whoever stands above; to TCP, when nothing is kept any more */
};

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

static hf_host_block *take_block(hf_host_home *home)
{
    hf_host_block *b = home->spares;
    if (b == NULL)
        return hf_alloc(&home->env->alloc, sizeof *b);
    home->spares = b->next;
    home->spare_count--;
    return b;
}

static void give_block(hf_host_home *home, hf_host_block *b)
{
    if (b == NULL)
        return;
    if (home->spare_count >= HF_HOST_SPARES) {
        hf_free(&home->env->alloc, b, sizeof *b);
        return;
    }
    b->next = home->spares;
    home->spares = b;
    home->spare_count++;
}

void hf_host_home_fini(hf_host_home *home)
{
    while (home->spares != NULL) {
        hf_host_block *b = home->spares;
        home->spares = b->next;
        hf_free(&home->env->alloc, b, sizeof *b);
    }
}

/* ---- what is owed ------------------------------------------------------------------------------------------------- */

static void fail(hf_host_pier *p, int32_t code)
{
    if (p->failed.code == 0)
        p->failed = hf_err_make(code);
}

static outgoing *have_out(hf_host_pier *p)
{
    const hf_allocator *a = &p->home->env->alloc;
    if (p->out == NULL && (p->out = hf_alloc_zeroed(a, sizeof *p->out)) != NULL) {
        hf_queue_init(&p->out->copied, a);
        hf_queue_init(&p->out->dues, a);
    }
    return p->out;
}

static void free_out(hf_host_pier *p)
{
    const hf_allocator *a = &p->home->env->alloc;
    outgoing *o = p->out;
    if (o == NULL)
        return;
    const hf_span all = hf_queue_peek(&o->dues);
    for (size_t at = 0; at < all.len; at += sizeof(due)) {
        due d;
        memcpy(&d, all.ptr + at, sizeof d);
        give_block(p->home, d.block);
    }
    hf_queue_fini(&o->dues);
    hf_queue_fini(&o->copied);
    hf_free(a, o->pieces, o->capacity * sizeof *o->pieces);
    hf_free(a, o, sizeof *o);
    p->out = NULL;
}

/* An idle connection holds none of this. */
static void free_out_if_empty(hf_host_pier *p)
{
    if (p->out != NULL && p->out->first == p->out->count && hf_queue_length(&p->out->dues) == 0)
        free_out(p);
}

static bool owe(hf_host_pier *p, const due *d)
{
    return have_out(p) != NULL && hf_queue_append(&p->out->dues, hf_bytes_make(d, sizeof *d));
}

/* The first that is owed, when it is due: TCP has released it, or it stands for itself. */
static bool next_due(hf_host_pier *p, bool released, uint64_t *token)
{
    const hf_span all = p->out != NULL ? hf_queue_peek(&p->out->dues) : (hf_span){ NULL, 0 };
    due d;
    if (all.len == 0)
        return false;
    memcpy(&d, all.ptr, sizeof d);
    if (!released && !d.at_once)
        return false;
    HF_ASSERT(d.at_once != released);
    hf_queue_take(&p->out->dues, sizeof d);
    give_block(p->home, d.block);
    *token = d.token;
    return true;
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

/* Bytes that need no more from us to leave. True: TCP took them. */
static bool give_bytes(hf_host_pier *p, const hf_extent *e, hf_host_block *block)
{
    const bool told = e->kind == HF_EXTENT_LENT || e->token != 0;
    const due d = { .block = block, .token = e->token, .at_once = e->bytes.len == 0 };
    hf_extent piece = *e;
    if (e->bytes.len == 0)
        return e->token == 0 || owe(p, &d);
    piece.token = told ? 1 : 0;
    if (told && (have_out(p) == NULL || hf_queue_reserve(&p->out->dues, sizeof d).ptr == NULL))
        return false;
    if (hf_tcp_put(p->tcp, &piece, 1) == 0)
        return false;
    const bool noted = !told || owe(p, &d);
    HF_ASSERT(noted);
    return true;
}

/* The next block of a file's range. True: TCP took it, and the range is shorter. */
static bool give_block_of_file(hf_host_pier *p, hf_extent *e)
{
    const size_t n = e->length < HF_HOST_BLOCK ? (size_t)e->length : HF_HOST_BLOCK;
    size_t got = 0;
    if (hf_tcp_unsent(p->tcp) >= FEED)
        return false;
    hf_host_block *b = take_block(p->home);
    if (b == NULL && hf_tcp_unacknowledged(p->tcp) == 0)
        fail(p, HF_ERR_BASE_MEMORY); /* nothing is on its way whose release would have us try again */
    if (b == NULL)
        return false;
    const hf_err err = hf_file_read(e->file, e->offset, b->bytes, n, &got);
    /* Two versions are never mixed in an answer that looks complete. */
    if (err.code != 0 || got != n || !hf_file_unchanged(e->file)) {
        fail(p, err.code != 0 ? err.code : HF_ERR_IO_FILE_CHANGED);
        give_block(p->home, b);
        return false;
    }
    const bool last = n == e->length;
    const hf_extent piece = { .kind = HF_EXTENT_LENT, .token = last ? e->token : 0, .bytes = hf_bytes_make(b->bytes, n) };
    if (!give_bytes(p, &piece, b)) {
        give_block(p->home, b);
        return false;
    }
    e->offset += n;
    e->length -= n;
    return true;
}

/* True: all of it is TCP's. Else `e` is what is left. */
static bool give(hf_host_pier *p, hf_extent *e)
{
    while (e->kind == HF_EXTENT_LENT && e->bytes.len > AT_ONCE) {
        const hf_extent part = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(e->bytes.ptr, AT_ONCE) };
        if (!give_bytes(p, &part, NULL))
            return false;
        e->bytes = hf_bytes_make(e->bytes.ptr + AT_ONCE, e->bytes.len - AT_ONCE);
    }
    if (e->kind != HF_EXTENT_FILE)
        return give_bytes(p, e, NULL);
    if (e->length == 0 || e->file->fixed != NULL) {
        const hf_extent piece = { .kind = HF_EXTENT_LENT, .token = e->token,
                                  .bytes = hf_bytes_make(e->length > 0 ? e->file->fixed + e->offset : NULL, (size_t)e->length) };
        return give_bytes(p, &piece, NULL);
    }
    while (e->length > 0)
        if (!give_block_of_file(p, e))
            return false;
    return true;
}

/* Gives TCP what was kept, as far as it goes. */
static void feed(hf_host_pier *p)
{
    outgoing *o = p->out;
    if (o == NULL || o->first == o->count || p->failed.code != 0)
        return;
    while (o->first < o->count) {
        hf_extent e = o->pieces[o->first];
        const bool queued = e.kind == HF_EXTENT_COPIED && e.bytes.len > 0;
        const uint64_t before = hf_extent_length(&e);
        if (queued)
            e.bytes.ptr = hf_queue_peek(&o->copied).ptr;
        const bool all = give(p, &e);
        if (queued && all)
            hf_queue_take(&o->copied, e.bytes.len);
        o->unsent -= all ? before : before - hf_extent_length(&e);
        if (!all) {
            if (e.kind != HF_EXTENT_COPIED)
                o->pieces[o->first] = e;
            return;
        }
        o->first++;
    }
    hf_free(&p->home->env->alloc, o->pieces, o->capacity * sizeof *o->pieces);
    o->pieces = NULL;
    o->first = o->count = o->capacity = 0;
}

static bool keeps(const hf_host_pier *p)
{
    return p->out != NULL && p->out->first < p->out->count;
}

/* Keeps what TCP would not take. False: memory ended. */
static bool keep(hf_host_pier *p, const hf_extent *pieces, size_t count)
{
    outgoing *o = have_out(p);
    if (o == NULL || (o->pieces = hf_alloc(&p->home->env->alloc, count * sizeof *o->pieces)) == NULL)
        return false;
    o->capacity = count;
    o->first = o->count = 0;
    o->unsent = 0;
    for (size_t i = 0; i < count; i++) {
        o->pieces[i] = pieces[i];
        if (pieces[i].kind == HF_EXTENT_COPIED && !hf_queue_append(&o->copied, pieces[i].bytes))
            return false;
        o->unsent += hf_extent_length(&pieces[i]);
        o->count++;
    }
    return true;
}

static uint64_t pier_put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    hf_host_pier *p = self;
    HF_ASSERT(lane == 0 && !p->end_asked);
    if (keeps(p) || p->failed.code != 0 || count == 0) {
        p->was_blocked = true;
        return 0;
    }
    if (count > PIECES)
        count = PIECES;
    hf_extent pieces[PIECES];
    memcpy(pieces, extents, count * sizeof *pieces);
    uint64_t total = 0;
    size_t done = 0;
    for (size_t i = 0; i < count; i++)
        total += hf_extent_length(&pieces[i]);
    while (done < count && give(p, &pieces[done]))
        done++;
    if (done < count && p->failed.code == 0) {
        p->was_blocked = true;
        if (!keep(p, pieces + done, count - done))
            fail(p, HF_ERR_BASE_MEMORY);
    }
    return total;
}

static uint64_t pier_unsent(const void *self, hf_lane lane)
{
    const hf_host_pier *p = self;
    (void)lane;
    if (!keeps(p))
        return 0;
    /* What the peer has not acknowledged counts too: it moves while ours stands still, and a slow peer that reads all it
     * can must not look idle. */
    return p->out->unsent + hf_tcp_unacknowledged(p->tcp);
}

static void tell_end(hf_host_pier *p)
{
    if (!p->end_asked || p->end_told || keeps(p))
        return;
    p->end_told = true;
    (void)!hf_tcp_end(p->tcp, (hf_ending){ HF_ENDING_FIN, 0 }).code; /* it fails only where the connection is over */
}

static hf_err pier_end(void *self, hf_lane lane, hf_ending ending)
{
    hf_host_pier *p = self;
    HF_ASSERT(lane == 0);
    if (ending.kind == HF_ENDING_STOP)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (ending.kind == HF_ENDING_RESET) {
        p->reset = p->failure_told = true;
        fail(p, HF_ERR_IO_RESET);
        return hf_tcp_end(p->tcp, ending);
    }
    if (p->end_asked)
        return HF_OK;
    p->end_asked = true;
    tell_end(p);
    return HF_OK;
}

static hf_err pier_open(void *self, hf_lane_kind kind, hf_lane *lane)
{
    (void)self, (void)kind, (void)lane;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

static hf_err pier_read(void *self, const hf_file *file, uint64_t offset, void *to, size_t n)
{
    size_t got = 0;
    (void)self;
    const hf_err err = hf_file_read(file, offset, to, n, &got);
    if (err.code != 0)
        return err;
    return got == n && hf_file_unchanged(file) ? HF_OK : hf_err_make(HF_ERR_IO_FILE_CHANGED);
}

/* ---- input -------------------------------------------------------------------------------------------------------- */

static hf_span pier_peek(void *self, hf_lane lane)
{
    const hf_host_pier *p = self;
    HF_ASSERT(lane == 0);
    return hf_tcp_peek(p->tcp);
}

static void pier_take(void *self, hf_lane lane, size_t n)
{
    const hf_host_pier *p = self;
    HF_ASSERT(lane == 0);
    hf_tcp_take(p->tcp, n);
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

static hf_step tell_failure(hf_host_pier *p, hf_pier_event *event)
{
    if (p->failure_told)
        return HF_FAULT;
    p->failure_told = true;
    *event = (hf_pier_event){ .kind = HF_PIER_ENDED, .ending = { HF_ENDING_RESET, 0 }, .err = p->failed };
    return HF_EVENT;
}

/* What TCP said means for whoever stands above. True: *event is for them. */
static bool pass_on(hf_host_pier *p, hf_pier_event *event)
{
    switch (event->kind) {
    case HF_PIER_RELEASED: {
        uint64_t token = 0;
        const bool owed = next_due(p, true, &token);
        HF_ASSERT(owed);
        feed(p);
        event->token = token;
        return token != 0;
    }
    case HF_PIER_WRITABLE:
        feed(p);
        return false; /* said when nothing is kept any more */
    case HF_PIER_OPENED:
    case HF_PIER_READABLE:
    case HF_PIER_ENDED:
    case HF_PIER_EARLY_ACCEPTED:
    case HF_PIER_EARLY_REJECTED:
    case HF_PIER_ASKS: break;
    }
    return true;
}

static hf_step pier_event(void *self, hf_time now, hf_pier_event *event)
{
    hf_host_pier *p = self;
    hf_step s = HF_EVENT;
    *event = (hf_pier_event){ 0 };
    feed(p);
    do {
        if (next_due(p, false, &event->token)) {
            event->kind = HF_PIER_RELEASED;
            return HF_EVENT;
        }
        s = hf_tcp_next(p->tcp, now, event);
        if (s == HF_EVENT && pass_on(p, event))
            return HF_EVENT;
    } while (s == HF_EVENT);
    const bool blocked = keeps(p);
    free_out_if_empty(p);
    if (p->failed.code != 0)
        return tell_failure(p, event);
    if (s != HF_IDLE || blocked)
        return s;
    tell_end(p);
    if (!p->was_blocked)
        return HF_IDLE;
    p->was_blocked = false;
    *event = (hf_pier_event){ .kind = HF_PIER_WRITABLE };
    return HF_EVENT;
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

static void pier_free(void *self)
{
    hf_host_pier *p = self;
    /* What did not leave whole must not look whole. What did goes on without us: TCP gets a copy of what was lent to it. */
    const bool whole = !keeps(p) && !p->reset && p->failed.code == 0 && hf_tcp_own(p->tcp);
    p->end_asked = true;
    if (whole)
        tell_end(p);
    else
        (void)!hf_tcp_end(p->tcp, (hf_ending){ HF_ENDING_RESET, 0 }).code;
    hf_tcp_free(p->tcp);
    free_out(p);
    hf_free(&p->home->env->alloc, p, sizeof *p);
}

static const hf_pier_ops pier_ops = {
    .name = "our own tcp",
    .can = HF_PIER_TAKES_FILES | HF_PIER_FREE_ENDS | HF_PIER_WINDOW_FOLLOWS_TAKE,
    .event = pier_event,
    .peek = pier_peek,
    .take = pier_take,
    .put = pier_put,
    .end = pier_end,
    .open = pier_open,
    .unsent = pier_unsent,
    .free = pier_free,
    .read = pier_read,
};

hf_pier hf_host_pier_new(hf_host_home *home, hf_tcp *tcp)
{
    hf_host_pier *p = hf_alloc_zeroed(&home->env->alloc, sizeof *p);
    if (p == NULL)
        return (hf_pier){ NULL, NULL };
    p->home = home;
    p->tcp = tcp;
    hf_tcp_set_user(tcp, (uint64_t)(uintptr_t)p);
    return (hf_pier){ &pier_ops, p };
}

void hf_host_pier_own(hf_pier pier, void *owner)
{
    HF_ASSERT(pier.ops == &pier_ops);
    ((hf_host_pier *)pier.self)->owner = owner;
}

void *hf_host_pier_owner(const hf_host_pier *p)
{
    return p->owner;
}

bool hf_host_pier_info(hf_pier pier, hf_tcp_info *info)
{
    if (pier.ops == &pier_ops)
        hf_tcp_info_of(((const hf_host_pier *)pier.self)->tcp, info);
    return pier.ops == &pier_ops;
}
