/* SPDX-License-Identifier: Apache-2.0
 *
 * Where memory comes from: the C library, and a count of it with a limit that many threads may share.
 */
#ifndef HF_IO_ALLOCATOR_H
#define HF_IO_ALLOCATOR_H

#include <stdatomic.h>

#include <handfast/base.h>

/* realloc and free. Lends static memory. Thread-safe. */
const hf_allocator *hf_allocator_default(void);

/* Counts what is held and answers NULL rather than come to hold more than `limit`. Thread-safe: give &counted.alloc, or copies
 * of it, to as many threads as you like. Must not move, and must outlive what it allocated. */
typedef struct hf_allocator_counted {
    hf_allocator alloc;
    _Atomic uint64_t held; /* bytes asked for and not freed */
    _Atomic uint64_t limit; /* may change while it is in use: what is held above a lower one stays */
} hf_allocator_counted;

/* `limit` in bytes; UINT64_MAX for none. */
void hf_allocator_counted_init(hf_allocator_counted *c, uint64_t limit);

#endif
