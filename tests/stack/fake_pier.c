/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_pier.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

void fake_pier_init(fake_pier *p)
{
    *p = (fake_pier){ .room = UINT64_MAX, .reads_good = SIZE_MAX };
}

static void fake_drop_pieces(fake_pier *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->copies[i]);
    p->first = p->count = 0;
}

void fake_pier_fini(fake_pier *p)
{
    fake_drop_pieces(p);
    free(p->out);
    free(p->coming);
    free(p->held);
    memset(p, 0, sizeof *p);
}

void fake_pier_say(fake_pier *p, hf_bytes b)
{
    if (b.len == 0)
        return;
    p->coming = realloc(p->coming, p->coming_length + b.len);
    memcpy(p->coming + p->coming_length, b.ptr, b.len);
    p->coming_length += b.len;
}

void fake_pier_open(fake_pier *p, uint64_t bytes)
{
    p->room = p->room > UINT64_MAX - bytes ? UINT64_MAX : p->room + bytes;
}

size_t fake_pier_unread(const fake_pier *p)
{
    return p->held_length + (p->coming_length - p->coming_at);
}

/* ---- output ------------------------------------------------------------------------------------------------- */

/* `bytes` NULL: of a file, at `offset`. */
static void fake_leave(fake_pier *p, const uint8_t *bytes, uint64_t offset, size_t n)
{
    if (n == 0)
        return;
    if (p->out_length + n > p->out_capacity) {
        p->out_capacity = 2 * (p->out_length + n);
        p->out = realloc(p->out, p->out_capacity);
    }
    if (bytes != NULL)
        memcpy(p->out + p->out_length, bytes, n);
    for (size_t i = 0; bytes == NULL && i < n; i++)
        p->out[p->out_length + i] = fake_pier_file_byte(p, offset + i);
    p->out_length += n;
    p->room -= p->room == UINT64_MAX ? 0 : n;
}

static void fake_push(fake_pier *p)
{
    while (p->first < p->count) {
        hf_extent *e = &p->pieces[p->first];
        const uint64_t length = hf_extent_length(e), n = length < p->room ? length : p->room;
        fake_leave(p, e->kind == HF_EXTENT_FILE ? NULL : e->bytes.ptr, e->kind == HF_EXTENT_FILE ? e->offset : 0, (size_t)n);
        if (e->kind == HF_EXTENT_FILE) {
            e->offset += n;
            e->length -= n;
        } else if (n > 0) {
            e->bytes = hf_bytes_make(e->bytes.ptr + n, e->bytes.len - (size_t)n);
        }
        if (n < length)
            return;
        if (e->token != 0) {
            assert_true(p->token_count < FAKE_TOKENS);
            p->tokens[(p->token_first + p->token_count++) % FAKE_TOKENS] = e->token;
        }
        p->first++;
    }
    fake_drop_pieces(p);
}

static uint64_t fake_put(void *self, hf_lane lane, const hf_extent *extents, size_t count)
{
    fake_pier *p = self;
    uint64_t total = 0;
    assert_int_equal(lane, 0);
    assert_false(p->fin_sent);
    assert_false(p->freed);
    if (p->first < p->count || p->reset_told || p->reset_sent) {
        p->blocked = true;
        p->refusals++;
        return 0;
    }
    assert_true(count <= FAKE_PIECES);
    p->puts++;
    p->puts_behind += p->lasts > 0;
    for (size_t i = 0; i < count; i++) {
        hf_extent e = extents[i];
        uint8_t *copy = NULL;
        if (e.kind == HF_EXTENT_COPIED && e.bytes.len > 0) {
            copy = malloc(e.bytes.len);
            memcpy(copy, e.bytes.ptr, e.bytes.len);
            e.bytes.ptr = copy;
        }
        total += hf_extent_length(&e);
        p->copies[p->count] = copy;
        p->pieces[p->count++] = e;
    }
    fake_push(p);
    p->blocked = p->first < p->count;
    p->most_put = total > p->most_put ? (size_t)total : p->most_put;
    return total;
}

static uint64_t fake_unsent(const void *self, hf_lane lane)
{
    const fake_pier *p = self;
    uint64_t n = 0;
    assert_int_equal(lane, 0);
    for (size_t i = p->first; i < p->count; i++)
        n += hf_extent_length(&p->pieces[i]);
    return n;
}

static hf_err fake_end(void *self, hf_lane lane, hf_ending ending)
{
    fake_pier *p = self;
    assert_int_equal(lane, 0);
    if (ending.kind == HF_ENDING_STOP)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (ending.kind == HF_ENDING_RESET)
        p->reset_sent = true;
    else
        p->fin_sent = true;
    return HF_OK;
}

/* ---- input -------------------------------------------------------------------------------------------------- */

/* What is held moves, and `more` bytes join it. */
static void fake_move_held(fake_pier *p, size_t more)
{
    uint8_t *fresh = malloc(p->held_length + more + 1);
    if (p->held_length > 0)
        memcpy(fresh, p->held + p->held_at, p->held_length);
    if (more > 0)
        memcpy(fresh + p->held_length, p->coming + p->coming_at, more);
    free(p->held);
    p->held = fresh;
    p->held_at = 0;
    p->held_length += more;
    p->coming_at += more;
}

static hf_step fake_event(void *self, hf_time now, hf_pier_event *e)
{
    fake_pier *p = self;
    (void)now;
    assert_false(p->freed);
    *e = (hf_pier_event){ 0 };
    fake_move_held(p, 0);
    if (p->reset_sent || p->reset_told)
        return HF_FAULT;
    fake_push(p);
    if (p->token_count > 0) {
        e->kind = HF_PIER_RELEASED;
        e->token = p->tokens[p->token_first];
        p->token_first = (p->token_first + 1) % FAKE_TOKENS;
        p->token_count--;
        return HF_EVENT;
    }
    if (p->blocked && p->first == p->count) {
        p->blocked = false;
        e->kind = HF_PIER_WRITABLE;
        return HF_EVENT;
    }
    size_t n = p->coming_length - p->coming_at;
    n = p->slice > 0 && n > p->slice ? p->slice : n;
    if (p->most_held > 0 && n > p->most_held - p->held_length)
        n = p->most_held - p->held_length;
    if (n > 0) {
        fake_move_held(p, n);
        e->kind = HF_PIER_READABLE;
        return HF_EVENT;
    }
    if (p->coming_at < p->coming_length || (!p->fin && !p->reset) || p->fin_told)
        return p->fin_told && p->fin_sent ? HF_CLOSED : HF_IDLE;
    p->fin_told = true;
    p->reset_told = p->reset;
    *e = (hf_pier_event){ .kind = HF_PIER_ENDED, .ending = { p->reset ? HF_ENDING_RESET : HF_ENDING_FIN, 0 },
        .err = hf_err_make(p->reset ? HF_ERR_IO_RESET : 0) };
    return HF_EVENT;
}

static hf_span fake_peek(void *self, hf_lane lane)
{
    fake_pier *p = self;
    assert_int_equal(lane, 0);
    return p->held == NULL ? (hf_span){ NULL, 0 } : (hf_span){ p->held + p->held_at, p->held_length };
}

static void fake_take(void *self, hf_lane lane, size_t n)
{
    fake_pier *p = self;
    assert_int_equal(lane, 0);
    assert_true(n <= p->held_length);
    p->taken += n;
    p->held_at += n; /* what was lent stays where it is until the next event */
    p->held_length -= n;
}

static hf_err fake_open_lane(void *self, hf_lane_kind kind, hf_lane *lane)
{
    (void)self, (void)kind, (void)lane;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

static void fake_free(void *self)
{
    fake_pier *p = self;
    assert_false(p->freed);
    p->freed = true;
    fake_drop_pieces(p);
}

static hf_err fake_read(void *self, const hf_file *file, uint64_t offset, void *to, size_t n)
{
    fake_pier *p = self;
    assert_true(offset + n <= file->size);
    if (p->reads == p->reads_good)
        return hf_err_make(HF_ERR_IO_FILE_CHANGED);
    p->reads++;
    p->most_read = n > p->most_read ? n : p->most_read;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = fake_pier_file_byte(p, offset + i);
    return HF_OK;
}

static uint64_t fake_untaken(const void *self, hf_lane lane)
{
    const fake_pier *p = self;
    return fake_unsent(self, lane) + p->buffered;
}

static void fake_last(void *self, hf_lane lane)
{
    fake_pier *p = self;
    assert_int_equal(lane, 0);
    assert_false(p->fin_sent);
    p->lasts++;
}

static void fake_doze(void *self, hf_lane lane)
{
    fake_pier *p = self;
    assert_int_equal(lane, 0);
    assert_true(p->fin_sent);
    p->dozes = true;
}

hf_pier fake_pier_get(fake_pier *p)
{
    static const hf_pier_ops ops = { .name = "fake", .can = HF_PIER_TAKES_FILES, .event = fake_event, .peek = fake_peek, .take = fake_take,
        .put = fake_put, .end = fake_end, .open = fake_open_lane, .unsent = fake_unsent, .free = fake_free, .read = fake_read,
        .last = fake_last, .doze = fake_doze };
    static hf_pier_ops ending, buffering;
    ending = buffering = ops;
    ending.can |= HF_PIER_FREE_ENDS;
    buffering.untaken = fake_untaken;
    return (hf_pier){ p->buffers ? &buffering : p->free_ends ? &ending : &ops, p };
}
