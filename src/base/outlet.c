/* SPDX-License-Identifier: Apache-2.0 */
#include "outlet.h"

#include "panic.h"

/* ---- filling an hf_out -------------------------------------------------------------------------------------- */

static void account(hf_out *out, uint64_t n)
{
    out->room -= n;
    out->bytes += n;
}

uint8_t *hf_out_claim(hf_out *out, size_t n)
{
    uint8_t *const to = out->scratch + out->scratch_used;
    hf_extent *const last = out->count > 0 ? &out->pieces[out->count - 1] : NULL;
    const bool joins = last != NULL && last->kind == HF_EXTENT_COPIED && last->bytes.ptr + last->bytes.len == to;
    if (out->scratch_capacity - out->scratch_used < n || out->room < n || (!joins && out->count == out->capacity))
        return NULL;
    if (joins)
        last->bytes.len += n;
    else
        out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(to, n) };
    out->scratch_used += n;
    account(out, n);
    return to;
}

size_t hf_out_fit(const hf_out *out, uint64_t n)
{
    const size_t scratch = out->scratch_capacity - out->scratch_used;
    n = n < scratch ? n : scratch;
    return (size_t)(n < out->room ? n : out->room);
}

size_t hf_out_queue(hf_out *out, hf_queue *q, uint64_t most)
{
    const hf_span held = hf_queue_peek(q);
    const size_t n = hf_out_fit(out, held.len < most ? held.len : most);
    uint8_t *const to = n > 0 ? hf_out_claim(out, n) : NULL;
    if (to == NULL)
        return 0;
    memcpy(to, held.ptr, n);
    hf_queue_take(q, n);
    return n;
}

uint64_t hf_out_extent(hf_out *out, hf_extent *e, uint64_t most, bool *whole)
{
    const uint64_t length = hf_extent_length(e);
    uint64_t n = length < most ? length : most;
    n = n < out->room ? n : out->room;
    *whole = false;
    if (out->count == out->capacity || (n == 0 && length > 0))
        return 0;
    hf_extent part = *e;
    *whole = n == length;
    if (!*whole)
        part.token = 0;
    if (e->kind == HF_EXTENT_FILE) {
        part.length = n;
        e->offset += n;
        e->length -= n;
    } else {
        part.bytes.len = (size_t)n;
        if (n > 0)
            e->bytes = hf_bytes_make(e->bytes.ptr + n, e->bytes.len - (size_t)n);
    }
    out->pieces[out->count++] = part;
    account(out, n);
    return n;
}

/* ---- the outlet --------------------------------------------------------------------------------------------- */

void hf_outlet_init(hf_outlet *o, const hf_allocator *alloc)
{
    *o = (hf_outlet){ 0 };
    hf_queue_init(&o->copied, alloc);
}

void hf_outlet_fini(hf_outlet *o)
{
    hf_free(o->copied.alloc, o->pieces, o->capacity * sizeof *o->pieces);
    hf_queue_fini(&o->copied);
    hf_outlet_init(o, o->copied.alloc);
}

bool hf_outlet_append(hf_outlet *o, hf_bytes bytes)
{
    if (!hf_queue_append(&o->copied, bytes))
        return false;
    o->tail += bytes.len;
    o->pending += bytes.len;
    return true;
}

bool hf_outlet_reserve(hf_outlet *o, size_t n)
{
    const size_t held = hf_outlet_pieces(o);
    if (o->count + n <= o->capacity)
        return true;
    if (o->first > 0) {
        memmove(o->pieces, o->pieces + o->first, held * sizeof *o->pieces);
        o->first = 0;
        o->count = (uint16_t)held;
    }
    size_t capacity = o->capacity == 0 ? 4 : o->capacity;
    while (capacity < held + n)
        capacity *= 2;
    if (capacity == o->capacity)
        return true;
    if (capacity > UINT16_MAX)
        return false;
    hf_outlet_piece *const pieces = hf_resize(o->copied.alloc, o->pieces, o->capacity * sizeof *pieces, capacity * sizeof *pieces);
    if (pieces == NULL)
        return false;
    o->pieces = pieces;
    o->capacity = (uint16_t)capacity;
    return true;
}

void hf_outlet_lend(hf_outlet *o, const hf_extent *e)
{
    HF_ASSERT(o->count < o->capacity && e->kind != HF_EXTENT_COPIED);
    o->pieces[o->count++] = (hf_outlet_piece){ o->tail, *e };
    o->tail = 0;
    o->pending += hf_extent_length(e);
}

static void rewind_pieces(hf_outlet *o)
{
    if (o->first == o->count)
        o->first = o->count = 0;
}

uint64_t hf_outlet_emit(hf_outlet *o, uint64_t most, hf_out *out, uint64_t *copied)
{
    uint64_t sent = 0;
    *copied = 0;
    for (;;) {
        hf_outlet_piece *const piece = o->first < o->count ? &o->pieces[o->first] : NULL;
        uint64_t *const before = piece != NULL ? &piece->before : &o->tail;
        if (*before > 0) {
            const uint64_t n = hf_out_queue(out, &o->copied, *before < most - sent ? *before : most - sent);
            *before -= n;
            *copied += n;
            sent += n;
            if (n == 0)
                break;
        } else if (piece != NULL) {
            bool whole;
            sent += hf_out_extent(out, &piece->extent, most - sent, &whole);
            o->first += whole;
            if (!whole)
                break;
        } else {
            break;
        }
    }
    rewind_pieces(o);
    o->pending -= sent;
    return sent;
}

bool hf_outlet_emit_empty(hf_outlet *o, hf_out *out)
{
    while (o->first < o->count) {
        const hf_outlet_piece *const piece = &o->pieces[o->first];
        if (piece->before > 0 || hf_extent_length(&piece->extent) > 0)
            break;
        if (out->count == out->capacity)
            return false;
        out->pieces[out->count++] = piece->extent;
        o->first++;
    }
    rewind_pieces(o);
    return true;
}

/* ---- tokens ------------------------------------------------------------------------------------------------- */

bool hf_tokens_add(hf_token_list *t, const hf_allocator *alloc, uint64_t token)
{
    if (t->count == t->capacity) {
        const uint32_t capacity = t->capacity == 0 ? 16 : t->capacity * 2;
        uint64_t *const tokens = hf_resize(alloc, t->tokens, t->capacity * sizeof *tokens, capacity * sizeof *tokens);
        if (tokens == NULL)
            return false;
        t->tokens = tokens;
        t->capacity = capacity;
    }
    t->tokens[t->count++] = token;
    return true;
}

bool hf_tokens_emit(hf_token_list *t, hf_out *out)
{
    while (t->first < t->count) {
        if (out->count == out->capacity)
            return false;
        out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_LENT, .token = t->tokens[t->first++] };
    }
    t->first = t->count = 0;
    return true;
}

void hf_tokens_fini(hf_token_list *t, const hf_allocator *alloc)
{
    hf_free(alloc, t->tokens, t->capacity * sizeof *t->tokens);
    *t = (hf_token_list){ 0 };
}

uint64_t hf_outlet_drop(hf_outlet *o, hf_token_list *back, bool *whole)
{
    *whole = true;
    for (; o->first < o->count; o->first++) {
        const uint64_t token = o->pieces[o->first].extent.token;
        if (token != 0 && !hf_tokens_add(back, o->copied.alloc, token))
            *whole = false;
    }
    const size_t n = hf_queue_length(&o->copied);
    hf_queue_take(&o->copied, n);
    o->first = o->count = 0;
    o->tail = o->pending = 0;
    return n;
}
