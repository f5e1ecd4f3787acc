/* SPDX-License-Identifier: Apache-2.0
 *
 * A lazy timer heap: moving a deadline later only notes it; the heap moves the timer when its old place comes up. A
 * connection that is busy pushes its deadline with every request, and that must cost nothing.
 */
#ifndef HF_BASE_TIMER_H
#define HF_BASE_TIMER_H

#include "alloc.h"

/* Embedded in what it wakes. Zero-initialised is unset. */
typedef struct hf_timer {
    hf_time deadline; /* true deadline: HF_NEVER when unset */
    hf_time placed;   /* where the heap has it: <= deadline */
    uint32_t slot;    /* 1-based index in the heap, 0 when not in it */
} hf_timer;

typedef struct hf_timers {
    const hf_allocator *alloc;
    hf_timer **heap;
    uint32_t count, capacity;
} hf_timers;

void hf_timers_init(hf_timers *t, const hf_allocator *alloc);
void hf_timers_fini(hf_timers *t);
/* Sets, moves or (HF_NEVER) unsets. False when memory ends; then the timer is as it was. Unsetting never fails. */
bool hf_timer_set(hf_timers *t, hf_timer *timer, hf_time deadline);
void hf_timer_unset(hf_timers *t, hf_timer *timer);
/* When to call expire at the latest; may be earlier than any true deadline. HF_NEVER when empty. */
hf_time hf_timers_next(const hf_timers *t);
/* A timer whose deadline is <= now, removed from the heap; NULL when there is none. Call until NULL. */
hf_timer *hf_timers_expire(hf_timers *t, hf_time now);

#endif
