/* SPDX-License-Identifier: Apache-2.0
 *
 * What a loop thread counts. Each counter has one writer, its thread, so counting takes no lock and no locked
 * instruction; whoever asks adds up the threads. Labels are bounded: methods are those that Handfast knows, and answers
 * count by the first digit of their status.
 */
#ifndef HF_SERVER_COUNTS_H
#define HF_SERVER_COUNTS_H

#include <stdatomic.h>

#include <handfast/http.h>

enum { HF_COUNT_CLASSES = 6, HF_COUNT_STEPS = 13 }; /* classes: 0 (no answer), 1xx to 5xx */

typedef struct hf_counts {
    _Atomic uint64_t accepted;      /* connections */
    _Atomic uint64_t turned_away;   /* of them, over a limit */
    _Atomic uint64_t quic;          /* of those accepted, by QUIC */
    _Atomic uint64_t http3;         /* requests over HTTP/3 */
    _Atomic uint64_t closed;
    _Atomic uint64_t accept_failed; /* times that the system would not accept */
    _Atomic uint64_t requests[HF_METHOD_COUNT][HF_COUNT_CLASSES];
    _Atomic uint64_t body_received, body_sent; /* bytes */
    _Atomic uint64_t duration_ns;
    _Atomic uint64_t durations[HF_COUNT_STEPS]; /* requests by how long they took: hf_count_steps, then all above */
} hf_counts;

/* Upper bounds of `durations` in milliseconds; one fewer than there are counters. */
extern const uint32_t hf_count_steps[HF_COUNT_STEPS - 1];

static inline void hf_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t hf_counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void hf_count_request(hf_counts *c, hf_method method, uint16_t status, uint64_t received, uint64_t sent);
/* `many` requests took so long each. */
void hf_count_duration(hf_counts *c, int64_t duration_ns, uint64_t many);
/* Adds what another thread counts to a sum of one's own. */
void hf_counts_add(hf_counts *sum, const hf_counts *c);

#endif
