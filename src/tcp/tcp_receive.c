/* SPDX-License-Identifier: Apache-2.0
 *
 * Reassembly by placement.
 */
#include "tcp_receive.h"

#include "panic.h"

enum { LEAST_BUFFER = 2048, FIRST_RANGES = 4 };

/* Room for `need` bytes from head on; bytes beyond the in-order ones keep their distance to it. */
static bool reserve(hf_tcp_receive_queue *q, const hf_allocator *a, uint32_t need, uint32_t used)
{
    if (q->capacity - q->head >= need)
        return true;
    if (q->capacity >= need && q->head >= q->capacity / 4) {
        memmove(q->memory, q->memory + q->head, used);
        q->head = 0;
        return true;
    }
    uint32_t capacity = q->capacity > 0 ? q->capacity : LEAST_BUFFER;
    while (capacity < need)
        capacity *= 2;
    if (capacity == q->capacity)
        capacity *= 2;
    uint8_t *memory = hf_alloc(a, capacity);
    if (memory == NULL) {
        if (q->capacity < need)
            return false;
        memmove(q->memory, q->memory + q->head, used);
        q->head = 0;
        return true;
    }
    if (used > 0)
        memcpy(memory, q->memory + q->head, used);
    hf_free(a, q->memory, q->capacity);
    q->memory = memory;
    q->capacity = capacity;
    q->head = 0;
    return true;
}

/* Bytes from head to the end of what is farthest out. */
static uint32_t extent_of(const hf_tcp_receive_queue *q, hf_seq next)
{
    return q->range_count > 0 ? q->length + (uint32_t)hf_seq_from(q->ranges[q->range_count - 1].end, next) : q->length;
}

static bool grow_ranges(hf_tcp_receive_queue *q, const hf_allocator *a)
{
    if (q->range_count < q->range_capacity)
        return true;
    const uint16_t capacity = q->range_capacity > 0 ? (uint16_t)(q->range_capacity * 2) : FIRST_RANGES;
    hf_sack *ranges = hf_resize(a, q->ranges, q->range_capacity * sizeof *ranges, capacity * sizeof *ranges);
    if (ranges == NULL)
        return false;
    q->ranges = ranges;
    q->range_capacity = capacity;
    return true;
}

static void remove_ranges(hf_tcp_receive_queue *q, const hf_allocator *a, unsigned at, unsigned n)
{
    memmove(q->ranges + at, q->ranges + at + n, (q->range_count - at - n) * sizeof *q->ranges);
    q->range_count = (uint16_t)(q->range_count - n);
    if (q->range_count == 0) {
        hf_free(a, q->ranges, q->range_capacity * sizeof *q->ranges);
        q->ranges = NULL;
        q->range_capacity = 0;
    }
}

/* Where [start, end) belongs: the first range that it touches or comes before, and how many it touches. */
static unsigned find(const hf_tcp_receive_queue *q, hf_seq start, hf_seq end, unsigned *touched)
{
    unsigned at = 0;
    while (at < q->range_count && hf_seq_before(q->ranges[at].end, start))
        at++;
    unsigned n = 0;
    while (at + n < q->range_count && hf_seq_upto(q->ranges[at + n].start, end))
        n++;
    *touched = n;
    return at;
}

static hf_tcp_received put_beyond(hf_tcp_receive_queue *q, const hf_allocator *a, hf_seq start, hf_seq end, unsigned most_ranges)
{
    unsigned touched;
    const unsigned at = find(q, start, end, &touched);
    if (touched == 0) {
        if (q->range_count >= most_ranges || !grow_ranges(q, a))
            return HF_RECEIVED_REFUSED;
        memmove(q->ranges + at + 1, q->ranges + at, (q->range_count - at) * sizeof *q->ranges);
        q->ranges[at] = (hf_sack){ start, end };
        q->range_count++;
        return HF_RECEIVED_BEYOND;
    }
    hf_sack *first = &q->ranges[at];
    const hf_sack last = q->ranges[at + touched - 1];
    if (hf_seq_upto(first->start, start) && hf_seq_upto(end, first->end))
        return HF_RECEIVED_NOTHING;
    if (hf_seq_before(start, first->start))
        first->start = start;
    first->end = hf_seq_before(last.end, end) ? end : last.end;
    if (touched > 1)
        remove_ranges(q, a, at + 1, touched - 1);
    return HF_RECEIVED_BEYOND;
}

hf_tcp_received hf_tcp_receive_put(hf_tcp_receive_queue *q, const hf_allocator *a, hf_seq *next, hf_seq seq, hf_bytes b, uint32_t most, unsigned most_ranges,
    bool lasts)
{
    hf_tcp_receive_settle(q);
    if (hf_seq_before(seq, *next)) {
        const uint32_t old = (uint32_t)hf_seq_from(*next, seq);
        if (b.len <= old)
            return HF_RECEIVED_NOTHING;
        b = hf_bytes_make(b.ptr + old, b.len - old);
        seq = *next;
    }
    const uint32_t away = (uint32_t)hf_seq_from(seq, *next);
    const hf_seq end = hf_seq_add(seq, (uint32_t)b.len);
    HF_ASSERT(away + b.len <= most);
    if (!reserve(q, a, q->length + away + (uint32_t)b.len, extent_of(q, *next)))
        return HF_RECEIVED_REFUSED;
    if (away > 0) {
        const hf_tcp_received answer = put_beyond(q, a, seq, end, most_ranges);
        if (answer == HF_RECEIVED_BEYOND)
            memcpy(q->memory + q->head + q->length + away, b.ptr, b.len);
        return answer;
    }
    /* what overlaps a range is written once more: none of it was delivered yet */
    hf_seq reach = end;
    if (lasts && q->length == 0 && q->range_count == 0)
        q->lent = (uint8_t *)(uintptr_t)b.ptr;
    else
        memcpy(q->memory + q->head + q->length, b.ptr, b.len);
    unsigned touched;
    const unsigned at = find(q, seq, end, &touched);
    if (touched > 0) {
        const hf_seq last = q->ranges[at + touched - 1].end;
        reach = hf_seq_before(end, last) ? last : end;
        remove_ranges(q, a, 0, at + touched);
    }
    q->length += (uint32_t)hf_seq_from(reach, *next);
    *next = reach;
    return HF_RECEIVED_IN_ORDER;
}

void hf_tcp_receive_cut(hf_tcp_receive_queue *q, const hf_allocator *a, hf_seq at)
{
    unsigned kept = 0;
    while (kept < q->range_count && hf_seq_before(q->ranges[kept].start, at)) {
        if (hf_seq_before(at, q->ranges[kept].end))
            q->ranges[kept].end = at;
        kept++;
    }
    if (kept < q->range_count)
        remove_ranges(q, a, kept, q->range_count - kept);
}

hf_span hf_tcp_receive_peek(const hf_tcp_receive_queue *q)
{
    return (hf_span){ q->length == 0 ? NULL : q->lent != NULL ? q->lent : q->memory + q->head, q->length };
}

void hf_tcp_receive_settle(hf_tcp_receive_queue *q)
{
    if (q->lent != NULL)
        memcpy(q->memory + q->head, q->lent, q->length);
    q->lent = NULL;
}

void hf_tcp_receive_take(hf_tcp_receive_queue *q, const hf_allocator *a, uint32_t n)
{
    HF_ASSERT(n <= q->length);
    q->head += n;
    q->length -= n;
    q->lent = q->lent != NULL && q->length > 0 ? q->lent + n : NULL;
    if (q->length == 0 && q->range_count == 0 && q->memory != NULL) {
        q->head = 0;
        /* an idle connection holds no buffer; a busy one keeps its large one */
        if (q->capacity <= LEAST_BUFFER * 8) {
            hf_free(a, q->memory, q->capacity);
            q->memory = NULL;
            q->capacity = 0;
        }
    }
}

void hf_tcp_receive_fini(hf_tcp_receive_queue *q, const hf_allocator *a)
{
    hf_free(a, q->memory, q->capacity);
    hf_free(a, q->ranges, q->range_capacity * sizeof *q->ranges);
    *q = (hf_tcp_receive_queue){ 0 };
}

uint32_t hf_tcp_receive_beyond(const hf_tcp_receive_queue *q)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < q->range_count; i++)
        n += (uint32_t)hf_seq_from(q->ranges[i].end, q->ranges[i].start);
    return n;
}
