/* SPDX-License-Identifier: Apache-2.0
 *
 * Past events in one run of bytes, the oldest at the front, and a circle that knows where each ends.
 */
#include <handfast/eventstream.h>

#include "panic.h"
#include "queue.h"
#include "text.h"

struct hf_eventstream_ring {
    const hf_env *env;
    uint64_t epoch;
    uint64_t first, next; /* numbers of the oldest kept and of the next to come */
    uint64_t start;       /* where the oldest begins, in bytes ever pushed */
    uint64_t *ends;       /* in bytes ever pushed; number n at n % capacity */
    size_t capacity;
    hf_queue bytes;
};

enum { FIRST_CAPACITY = 16, ID_BYTES = 40 };

hf_eventstream_ring *hf_eventstream_ring_new(const hf_env *env, uint64_t epoch)
{
    hf_eventstream_ring *r = hf_alloc_zeroed(&env->alloc, sizeof *r);
    if (r == NULL)
        return NULL;
    r->env = env;
    r->epoch = epoch;
    r->first = r->next = 1;
    hf_queue_init(&r->bytes, &env->alloc);
    return r;
}

void hf_eventstream_ring_free(hf_eventstream_ring *r)
{
    if (r == NULL)
        return;
    hf_queue_fini(&r->bytes);
    hf_free(&r->env->alloc, r->ends, r->capacity * sizeof *r->ends);
    hf_free(&r->env->alloc, r, sizeof *r);
}

static uint64_t end_of(const hf_eventstream_ring *r, uint64_t number)
{
    return number < r->first ? r->start : r->ends[number % r->capacity];
}

static void drop_oldest(hf_eventstream_ring *r)
{
    const uint64_t end = end_of(r, r->first);
    hf_queue_take(&r->bytes, (size_t)(end - r->start));
    r->start = end;
    r->first++;
}

/* Place for one more end. */
static bool widen(hf_eventstream_ring *r)
{
    const size_t count = (size_t)(r->next - r->first), capacity = r->capacity == 0 ? FIRST_CAPACITY : 2 * r->capacity;
    if (count < r->capacity)
        return true;
    uint64_t *const ends = hf_alloc(&r->env->alloc, capacity * sizeof *ends);
    if (ends == NULL)
        return false;
    for (uint64_t n = r->first; n < r->next; n++)
        ends[n % capacity] = r->ends[n % r->capacity];
    hf_free(&r->env->alloc, r->ends, r->capacity * sizeof *r->ends);
    r->ends = ends;
    r->capacity = capacity;
    return true;
}

static hf_bytes write_id(const hf_eventstream_ring *r, uint8_t to[ID_BYTES])
{
    hf_writer w = hf_writer_make(to, ID_BYTES);
    hf_write_hex(&w, r->epoch);
    hf_write_byte(&w, '-');
    hf_write_decimal(&w, r->next);
    return hf_written(&w);
}

hf_err hf_eventstream_ring_push(hf_eventstream_ring *r, hf_bytes name, hf_bytes data)
{
    const hf_limits *const limits = r->env->limits;
    uint8_t id[ID_BYTES];
    const hf_eventstream_event event = { .id = write_id(r, id), .name = name,
                                         .data = data.ptr != NULL ? data : hf_bytes_make("", 0) };
    const size_t length = hf_eventstream_write(NULL, 0, &event);
    if (length == 0)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (length > limits->eventstream_replay_bytes)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    while (r->next > r->first && (hf_queue_length(&r->bytes) + length > limits->eventstream_replay_bytes ||
                                  r->next - r->first >= limits->eventstream_replay_events))
        drop_oldest(r);
    const hf_span room = widen(r) ? hf_queue_reserve(&r->bytes, length) : (hf_span){ NULL, 0 };
    if (room.ptr == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const size_t written = hf_eventstream_write(room.ptr, length, &event);
    HF_ASSERT(written == length);
    hf_queue_commit(&r->bytes, length);
    r->ends[r->next % r->capacity] = end_of(r, r->next - 1) + length;
    r->next++;
    return HF_OK;
}

uint64_t hf_eventstream_ring_next(const hf_eventstream_ring *r)
{
    return r->next;
}

hf_bytes hf_eventstream_ring_at(const hf_eventstream_ring *r, uint64_t number)
{
    if (number < r->first || number >= r->next)
        return hf_bytes_make(NULL, 0);
    const uint64_t from = end_of(r, number - 1);
    return hf_bytes_make(hf_queue_peek(&r->bytes).ptr + (from - r->start), (size_t)(end_of(r, number) - from));
}

hf_eventstream_resume hf_eventstream_ring_resume(const hf_eventstream_ring *r, hf_bytes last_id, uint64_t *number)
{
    hf_bytes rest = last_id, epoch_text;
    uint64_t epoch, seen;
    *number = r->next;
    if (last_id.len == 0)
        return HF_EVENTSTREAM_FRESH;
    const bool ours = hf_split(&rest, '-', &epoch_text) && hf_parse_hex(epoch_text, &epoch) && epoch == r->epoch &&
                      rest.ptr != NULL && hf_parse_decimal(rest, &seen) && seen < r->next;
    if (!ours || seen + 1 < r->first) {
        *number = r->first;
        return HF_EVENTSTREAM_GAP;
    }
    *number = seen + 1;
    return HF_EVENTSTREAM_WHOLE;
}
