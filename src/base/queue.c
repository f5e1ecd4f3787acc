/* SPDX-License-Identifier: Apache-2.0
 *
 * A byte queue in one block. What is held stays contiguous: when the back is full, the bytes move to the front if the
 * free front is at least as long as they are (so each move is paid for by as many bytes taken before it), else the
 * block doubles. Both make an appended byte cost O(1) in the long run.
 */
#include "queue.h"

#include "panic.h"

enum { FIRST_CAPACITY = 256 };

void hf_queue_init(hf_queue *q, const hf_allocator *alloc)
{
    *q = (hf_queue){ .alloc = alloc };
}

void hf_queue_fini(hf_queue *q)
{
    q->head = q->tail = 0;
    hf_queue_trim(q);
}

hf_span hf_queue_peek(const hf_queue *q)
{
    if (q->memory == NULL)
        return (hf_span){ NULL, 0 };
    return (hf_span){ q->memory + q->head, q->tail - q->head };
}

size_t hf_queue_length(const hf_queue *q)
{
    return q->tail - q->head;
}

static void compact(hf_queue *q)
{
    if (q->head == 0)
        return;
    memmove(q->memory, q->memory + q->head, q->tail - q->head);
    q->tail -= q->head;
    q->head = 0;
}

/* Room for `total` bytes in all; false when memory ends. Expects what is held at the front. */
static bool grow(hf_queue *q, size_t total)
{
    size_t capacity = q->capacity == 0 ? FIRST_CAPACITY : q->capacity;
    while (capacity < total)
        capacity *= 2;
    if (capacity > UINT32_MAX)
        return false;
    uint8_t *memory = hf_resize(q->alloc, q->memory, q->capacity, capacity);
    if (memory == NULL)
        return false;
    q->memory = memory;
    q->capacity = (uint32_t)capacity;
    return true;
}

hf_span hf_queue_make_room(hf_queue *q, size_t n)
{
    const size_t held = q->tail - q->head;
    if (n == 0)
        n = 1; /* so that NULL always means that memory ended */
    if (n > UINT32_MAX / 4 || held > UINT32_MAX / 4)
        return (hf_span){ NULL, 0 };
    if (q->capacity - q->tail < n) {
        const bool fits = q->capacity - held >= n;
        const bool cheap = q->head >= held;
        compact(q);
        /* What fits but is dear to move again and again grows as well. Should that fail, it still fits. */
        if (!(fits && cheap) && !grow(q, fits ? (size_t)q->capacity + 1 : held + n) && !fits)
            return (hf_span){ NULL, 0 };
    }
    return (hf_span){ q->memory + q->tail, q->capacity - q->tail };
}

void hf_queue_commit(hf_queue *q, size_t n)
{
    HF_ASSERT(n <= q->capacity - q->tail);
    q->tail += (uint32_t)n;
}

bool hf_queue_append(hf_queue *q, hf_bytes b)
{
    if (b.len == 0)
        return true;
    const hf_span room = hf_queue_reserve(q, b.len);
    if (room.ptr == NULL)
        return false;
    memcpy(room.ptr, b.ptr, b.len);
    hf_queue_commit(q, b.len);
    return true;
}

void hf_queue_take(hf_queue *q, size_t n)
{
    HF_ASSERT(n <= q->tail - q->head);
    q->head += (uint32_t)n;
    if (q->head == q->tail)
        q->head = q->tail = 0;
}

void hf_queue_trim(hf_queue *q)
{
    if (q->head != q->tail)
        return;
    hf_free(q->alloc, q->memory, q->capacity);
    *q = (hf_queue){ .alloc = q->alloc };
}
