/* SPDX-License-Identifier: Apache-2.0
 *
 * The send queue. Small copied pieces share a block.
 */
#include "tcp_send.h"

#include "panic.h"

enum { FIRST_RING = 4, LEAST_BLOCK = 1024 };

static hf_tcp_send_piece *piece_at(const hf_tcp_send_queue *q, uint32_t i)
{
    return &q->ring[(q->head + i) & (q->capacity - 1)];
}

static bool reserve(hf_tcp_send_queue *q, const hf_allocator *a)
{
    if (q->count < q->capacity)
        return true;
    const uint32_t capacity = q->capacity > 0 ? q->capacity * 2 : FIRST_RING;
    hf_tcp_send_piece *ring = hf_alloc(a, capacity * sizeof *ring);
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < q->count; i++)
        ring[i] = *piece_at(q, i);
    hf_free(a, q->ring, q->capacity * sizeof *ring);
    q->ring = ring;
    q->capacity = capacity;
    q->head = 0;
    return true;
}

/* Into the last block, when it has room. */
static bool append_in_place(hf_tcp_send_queue *q, hf_bytes b)
{
    if (q->count == q->done)
        return false;
    hf_tcp_send_piece *last = piece_at(q, q->count - 1);
    if (last->own == NULL || last->token != 0 || last->capacity - last->length < b.len)
        return false;
    memcpy(last->own + last->length, b.ptr, b.len);
    last->length += (uint32_t)b.len;
    q->end += b.len;
    return true;
}

bool hf_tcp_send_append(hf_tcp_send_queue *q, const hf_allocator *a, const hf_extent *e)
{
    HF_ASSERT(e->bytes.len > 0 && e->bytes.len < UINT32_MAX / 2);
    const bool copy = e->kind == HF_EXTENT_COPIED;
    if (copy && e->token == 0 && append_in_place(q, e->bytes))
        return true;
    if (!reserve(q, a))
        return false;
    hf_tcp_send_piece piece = { .ptr = e->bytes.ptr, .length = (uint32_t)e->bytes.len, .token = e->token };
    if (copy) {
        piece.capacity = piece.length > LEAST_BLOCK ? piece.length : LEAST_BLOCK;
        piece.own = hf_alloc(a, piece.capacity);
        if (piece.own == NULL)
            return false;
        memcpy(piece.own, e->bytes.ptr, e->bytes.len);
        piece.ptr = piece.own;
        q->copied += piece.capacity;
    }
    *piece_at(q, q->count++) = piece;
    q->end += piece.length;
    return true;
}

size_t hf_tcp_send_gather(hf_tcp_send_queue *q, uint64_t offset, size_t length, hf_out *out)
{
    uint32_t i = q->done;
    uint64_t at = q->start;
    if (q->mark >= q->done && q->mark < q->count && q->mark_at <= offset && q->mark_at >= q->start) {
        i = q->mark;
        at = q->mark_at;
    }
    HF_ASSERT(offset >= at && offset + length <= q->end);
    while (at + piece_at(q, i)->length <= offset)
        at += piece_at(q, i++)->length;
    q->mark = i;
    q->mark_at = at;
    size_t done = 0;
    for (; done < length && out->count < out->capacity; i++) {
        const hf_tcp_send_piece *piece = piece_at(q, i);
        const size_t skip = (size_t)(offset + done - at);
        size_t n = piece->length - skip;
        if (n > length - done)
            n = length - done;
        out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(piece->ptr + skip, n) };
        out->bytes += n;
        done += n;
        at += piece->length;
    }
    return done;
}

static void give_back(hf_tcp_send_queue *q, const hf_allocator *a, hf_tcp_send_piece *piece)
{
    if (piece->own == NULL)
        return;
    q->copied -= piece->capacity;
    hf_free(a, piece->own, piece->capacity);
    piece->own = NULL;
}

static void pop(hf_tcp_send_queue *q)
{
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
    q->done--;
    q->mark = q->mark > 0 ? q->mark - 1 : 0;
    if (q->mark == 0)
        q->mark_at = q->start;
}

/* Pieces at the front that nobody is to be told about. */
static void pop_silent(hf_tcp_send_queue *q, const hf_allocator *a)
{
    while (q->done > 0 && piece_at(q, 0)->token == 0)
        pop(q);
    if (q->count == 0 && q->ring != NULL) {
        hf_free(a, q->ring, q->capacity * sizeof *q->ring);
        q->ring = NULL;
        q->capacity = q->head = q->mark = 0;
    }
}

void hf_tcp_send_acked(hf_tcp_send_queue *q, const hf_allocator *a, uint64_t offset)
{
    HF_ASSERT(offset <= q->end);
    while (q->done < q->count && q->start + piece_at(q, q->done)->length <= offset) {
        hf_tcp_send_piece *piece = piece_at(q, q->done);
        q->start += piece->length;
        give_back(q, a, piece);
        q->done++;
    }
    pop_silent(q, a);
}

bool hf_tcp_send_released(hf_tcp_send_queue *q, uint64_t *token)
{
    while (q->done > 0) {
        *token = piece_at(q, 0)->token;
        pop(q);
        if (*token != 0)
            return true;
    }
    return false;
}

bool hf_tcp_send_borrows(const hf_tcp_send_queue *q)
{
    for (uint32_t i = q->done; i < q->count; i++)
        if (piece_at(q, i)->own == NULL)
            return true;
    return false;
}

bool hf_tcp_send_own(hf_tcp_send_queue *q, const hf_allocator *a)
{
    for (uint32_t i = q->done; i < q->count; i++) {
        hf_tcp_send_piece *piece = piece_at(q, i);
        if (piece->own != NULL)
            continue;
        piece->own = hf_alloc(a, piece->length);
        if (piece->own == NULL)
            return false;
        memcpy(piece->own, piece->ptr, piece->length);
        piece->ptr = piece->own;
        piece->capacity = piece->length;
        q->copied += piece->length;
    }
    return true;
}

void hf_tcp_send_drop(hf_tcp_send_queue *q, const hf_allocator *a)
{
    hf_tcp_send_acked(q, a, q->end);
}

void hf_tcp_send_fini(hf_tcp_send_queue *q, const hf_allocator *a)
{
    for (uint32_t i = 0; i < q->count; i++)
        give_back(q, a, piece_at(q, i));
    hf_free(a, q->ring, q->capacity * sizeof *q->ring);
    *q = (hf_tcp_send_queue){ .start = q->end, .end = q->end };
}
