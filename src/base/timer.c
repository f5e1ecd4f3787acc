/* SPDX-License-Identifier: Apache-2.0
 *
 * A 4-ary heap of timers ordered by `placed`. Four children to a node: half the levels of a binary heap, and the four
 * are neighbours in memory.
 *
 * Invariants: placed <= deadline for every timer in the heap; heap[i]'s slot is i + 1; no child is placed before its
 * parent. The same operations in the same order give the same order of expiry, ties included.
 */
#include "timer.h"

#include "panic.h"

enum {
    CHILDREN = 4,
    FIRST_CAPACITY = 16
};

void hf_timers_init(hf_timers *t, const hf_allocator *alloc)
{
    *t = (hf_timers){ .alloc = alloc };
}

void hf_timers_fini(hf_timers *t)
{
    hf_free(t->alloc, t->heap, t->capacity * sizeof(hf_timer *));
    *t = (hf_timers){ .alloc = t->alloc };
}

static void put(hf_timers *t, uint32_t index, hf_timer *timer)
{
    t->heap[index] = timer;
    timer->slot = index + 1;
}

static void move_up(hf_timers *t, uint32_t index)
{
    hf_timer *timer = t->heap[index];
    while (index > 0) {
        const uint32_t parent = (index - 1) / CHILDREN;
        if (!hf_time_before(timer->placed, t->heap[parent]->placed))
            break;
        put(t, index, t->heap[parent]);
        index = parent;
    }
    put(t, index, timer);
}

/* The child that is placed earliest, or `index` itself when it has none. */
static uint32_t earliest_child(const hf_timers *t, uint32_t index)
{
    const uint64_t first = (uint64_t)index * CHILDREN + 1;
    if (first >= t->count)
        return index;
    uint32_t best = (uint32_t)first;
    for (uint64_t i = first + 1; i < first + CHILDREN && i < t->count; i++)
        if (hf_time_before(t->heap[i]->placed, t->heap[best]->placed))
            best = (uint32_t)i;
    return best;
}

static void move_down(hf_timers *t, uint32_t index)
{
    hf_timer *timer = t->heap[index];
    for (;;) {
        const uint32_t child = earliest_child(t, index);
        if (child == index || !hf_time_before(t->heap[child]->placed, timer->placed))
            break;
        put(t, index, t->heap[child]);
        index = child;
    }
    put(t, index, timer);
}

static bool grow(hf_timers *t)
{
    if (t->count < t->capacity)
        return true;
    if (t->capacity > UINT32_MAX / 4)
        return false;
    const uint32_t capacity = t->capacity == 0 ? FIRST_CAPACITY : t->capacity * 2;
    hf_timer **heap = hf_resize(t->alloc, t->heap, t->capacity * sizeof(hf_timer *), capacity * sizeof(hf_timer *));
    if (heap == NULL)
        return false;
    t->heap = heap;
    t->capacity = capacity;
    return true;
}

bool hf_timer_set(hf_timers *t, hf_timer *timer, hf_time deadline)
{
    if (deadline.ns == HF_NEVER_NS) {
        hf_timer_unset(t, timer);
        return true;
    }
    if (timer->slot == 0) {
        if (!grow(t))
            return false;
        timer->deadline = timer->placed = deadline;
        t->heap[t->count] = timer;
        move_up(t, t->count++);
        return true;
    }
    HF_ASSERT(timer->slot <= t->count && t->heap[timer->slot - 1] == timer);
    timer->deadline = deadline;
    if (hf_time_before(deadline, timer->placed)) {
        timer->placed = deadline;
        move_up(t, timer->slot - 1);
    }
    return true;
}

void hf_timer_unset(hf_timers *t, hf_timer *timer)
{
    const uint32_t slot = timer->slot;
    timer->deadline = timer->placed = HF_NEVER;
    if (slot == 0)
        return;
    HF_ASSERT(slot <= t->count && t->heap[slot - 1] == timer);
    timer->slot = 0;
    hf_timer *last = t->heap[--t->count];
    if (last == timer)
        return;
    put(t, slot - 1, last);
    move_up(t, slot - 1);
    move_down(t, last->slot - 1);
}

hf_time hf_timers_next(const hf_timers *t)
{
    return t->count == 0 ? HF_NEVER : t->heap[0]->placed;
}

hf_timer *hf_timers_expire(hf_timers *t, hf_time now)
{
    while (t->count > 0 && !hf_time_before(now, t->heap[0]->placed)) {
        hf_timer *timer = t->heap[0];
        if (!hf_time_before(now, timer->deadline)) {
            hf_timer_unset(t, timer);
            return timer;
        }
        timer->placed = timer->deadline; /* its deadline moved later since it was placed: follow it now */
        move_down(t, 0);
    }
    return NULL;
}
