/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for a core under the fuzzer: counted, and failing where the input says so.
 *
 * Every target has what it can have of these: slices, jumps of time, allocations that fail, commands. What is a function of its
 * bytes alone has none of them, and says so.
 */
#ifndef HF_FUZZ_MEMORY_H
#define HF_FUZZ_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "panic.h"
#include "random.h"

/* All zero: nothing fails. `most` tells the largest `held` so far. */
typedef struct fuzz_memory {
    size_t held, most, calls;
    size_t fail_at;    /* the allocation of this number fails; 0: none */
    uint64_t one_in;   /* one in so many fails; 0: none */
    hf_random random;  /* for one_in: seed it */
} fuzz_memory;

/* Growing moves, always: an old address that somebody kept is caught. `ctx` is a fuzz_memory, or NULL. */
static inline void *fuzz_resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    fuzz_memory nowhere = { 0 };
    fuzz_memory *const m = ctx != NULL ? ctx : &nowhere;
    if (new_size > 0 && ++m->calls == m->fail_at)
        return NULL;
    if (new_size > old_size && m->one_in > 0 && hf_random_below(&m->random, m->one_in) == 0)
        return NULL;
    void *const fresh = new_size > 0 ? malloc(new_size) : NULL;
    HF_ASSERT(fresh != NULL || new_size == 0);
    if (old != NULL && fresh != NULL)
        memcpy(fresh, old, old_size < new_size ? old_size : new_size);
    free(old);
    m->held += new_size - old_size;
    m->most = m->held > m->most ? m->held : m->most;
    return fresh;
}

static inline hf_allocator fuzz_alloc(fuzz_memory *m)
{
    return (hf_allocator){ .resize = fuzz_resize, .ctx = m };
}

/* A number of the input's own: what a target decides by it takes no byte of its corpus. */
static inline uint64_t fuzz_choice(const uint8_t *data, size_t size)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

static inline bool fuzz_memory_failed(const fuzz_memory *m)
{
    return m->fail_at > 0 && m->calls >= m->fail_at;
}

/* Runs an input with memory that lasts, and once more where one of the allocations that it made fails, chosen by the input. Both
 * times all is given back. */
static inline void fuzz_twice(fuzz_memory *m, void (*run)(const uint8_t *data, size_t size), const uint8_t *data, size_t size)
{
    const size_t held = m->held;
    *m = (fuzz_memory){ .held = held, .most = held };
    run(data, size);
    HF_ASSERT(m->held == held);
    if (m->calls == 0)
        return;
    *m = (fuzz_memory){ .held = held, .most = held, .fail_at = 1 + fuzz_choice(data, size) % m->calls };
    run(data, size);
    HF_ASSERT(m->held == held);
    *m = (fuzz_memory){ .held = held, .most = held };
}

#endif
