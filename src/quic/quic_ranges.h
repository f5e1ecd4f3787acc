/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of numbers as sorted ranges: packet numbers received, pieces of a stream received, acknowledged or lost.
 */
#ifndef HF_QUIC_RANGES_H
#define HF_QUIC_RANGES_H

#include "alloc.h"

typedef struct hf_range {
    uint64_t from, to; /* to is not in it */
} hf_range;

typedef struct hf_ranges {
    hf_range *at; /* ascending, apart from one another */
    uint32_t count, capacity;
} hf_ranges;

void hf_ranges_fini(hf_ranges *r, const hf_allocator *alloc);
/* Adds [from, to). False: no memory. */
bool hf_ranges_add(hf_ranges *r, const hf_allocator *alloc, uint64_t from, uint64_t to);
/* Takes [from, to) out. False: no memory (a range was to be split); then nothing changed. */
bool hf_ranges_remove(hf_ranges *r, const hf_allocator *alloc, uint64_t from, uint64_t to);
/* Drops everything below `to`. Never fails. */
void hf_ranges_drop_below(hf_ranges *r, uint64_t to);
bool hf_ranges_has(const hf_ranges *r, uint64_t n);
/* Would adding [from, to) leave more than `most` ranges? */
bool hf_ranges_is_full(const hf_ranges *r, uint64_t from, uint64_t to, uint64_t most);
void hf_ranges_drop_first(hf_ranges *r);

#endif
