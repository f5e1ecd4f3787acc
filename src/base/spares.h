/* SPDX-License-Identifier: Apache-2.0
 *
 * An allocator that keeps small blocks for the next who asks for as much: for one thread, whose connections take and give back the same few
 * sizes with each request. What it keeps counts as held below it, and is bounded.
 */
#ifndef HF_BASE_SPARES_H
#define HF_BASE_SPARES_H

#include <handfast/base.h>

enum {
    HF_SPARES_GRAIN = 16,           /* sizes are rounded up to a multiple, as malloc does */
    HF_SPARES_LARGEST = 2048,       /* what is longer passes through */
    HF_SPARES_LISTS = HF_SPARES_LARGEST / HF_SPARES_GRAIN,
    HF_SPARES_SHARES = 16           /* a list keeps at most this part of the whole: one size never takes the room of all others */
};

typedef struct hf_spares {
    hf_allocator alloc;             /* give this one away; it points back here */
    const hf_allocator *below;
    void *lists[HF_SPARES_LISTS];
    size_t held[HF_SPARES_LISTS];   /* bytes in each */
    size_t kept, most;              /* in all of them, and at most */
} hf_spares;

/* `below` outlives it. `most`: bytes kept at once; 0 keeps none, so that who looks for blocks used after they were freed sees them. */
void hf_spares_init(hf_spares *s, const hf_allocator *below, size_t most);
/* Gives back what is kept. What was handed out must have come back. */
void hf_spares_fini(hf_spares *s);

#endif
