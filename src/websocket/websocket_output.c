/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes out: one queue of copied bytes, cut by the pieces that are lent; each piece knows how many copied bytes leave
 * before it. Copied bytes leave from where they lie: a call that emits is followed by one that sends, not by a command.
 */
#include "websocket_core.h"

#include "panic.h"

bool hf_websocket_output_reserve(hf_websocket_output *o, size_t most)
{
    const size_t held = (size_t)(o->count - o->first);
    if (held >= most)
        return false;
    if (o->count < o->capacity)
        return true;
    if (o->first > 0) {
        memmove(o->pieces, o->pieces + o->first, held * sizeof *o->pieces);
        o->first = 0;
        o->count = (uint16_t)held;
        return true;
    }
    const size_t capacity = o->capacity == 0 ? 4 : 2 * (size_t)o->capacity;
    if (capacity > UINT16_MAX)
        return false;
    hf_websocket_piece *const pieces =
        hf_resize(o->copied.alloc, o->pieces, o->capacity * sizeof *pieces, capacity * sizeof *pieces);
    if (pieces == NULL)
        return false;
    o->pieces = pieces;
    o->capacity = (uint16_t)capacity;
    return true;
}

void hf_websocket_output_lend(hf_websocket_output *o, hf_bytes bytes, uint64_t token)
{
    HF_ASSERT(o->count < o->capacity);
    o->pieces[o->count++] = (hf_websocket_piece){ o->tail, bytes, token };
    o->tail = 0;
}

static size_t emit_copied(hf_websocket_output *o, uint64_t most, hf_out *out)
{
    const hf_span held = hf_queue_peek(&o->copied);
    const size_t n = (size_t)(most < out->room ? most : out->room);
    if (n == 0 || out->count == out->capacity)
        return 0;
    out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(held.ptr, n) };
    hf_queue_take(&o->copied, n);
    return n;
}

/* All of the piece, or what there is room for: then the token stays with the rest. */
static size_t emit_piece(hf_websocket_piece *p, hf_out *out, bool *whole)
{
    const size_t n = p->bytes.len < out->room ? p->bytes.len : (size_t)out->room;
    *whole = false;
    if (out->count == out->capacity || (n == 0 && p->bytes.len > 0))
        return 0;
    *whole = n == p->bytes.len;
    out->pieces[out->count++] =
        (hf_extent){ .kind = HF_EXTENT_LENT, .token = *whole ? p->token : 0, .bytes = hf_bytes_make(p->bytes.ptr, n) };
    if (n > 0)
        p->bytes = hf_bytes_make(p->bytes.ptr + n, p->bytes.len - n);
    return n;
}

void hf_websocket_output_emit(hf_websocket_output *o, hf_out *out)
{
    for (;;) {
        hf_websocket_piece *const piece = o->first < o->count ? &o->pieces[o->first] : NULL;
        uint64_t *const copied = piece != NULL ? &piece->before : &o->tail;
        bool whole = true;
        size_t n;
        if (*copied > 0) {
            n = emit_copied(o, *copied, out);
            *copied -= n;
            whole = n > 0;
        } else if (piece != NULL) {
            n = emit_piece(piece, out, &whole);
            o->first = (uint16_t)(o->first + whole);
        } else {
            break;
        }
        out->room -= n;
        out->bytes += n;
        if (!whole)
            break;
    }
    if (hf_websocket_output_empty(o))
        o->first = o->count = 0;
}

void hf_websocket_output_trim(hf_websocket_output *o)
{
    HF_ASSERT(hf_websocket_output_empty(o));
    hf_queue_trim(&o->copied);
    hf_free(o->copied.alloc, o->pieces, o->capacity * sizeof *o->pieces);
    o->pieces = NULL;
    o->first = o->count = o->capacity = 0;
}

void hf_websocket_output_fini(hf_websocket_output *o)
{
    hf_queue_fini(&o->copied);
    o->first = o->count;
    hf_websocket_output_trim(o);
}
