/* SPDX-License-Identifier: Apache-2.0
 *
 * Pacing: a bucket of bytes that fills at a rate. A sender spreads a window over its round trip (RFC 9002 7.7).
 */
#ifndef HF_RECOVERY_PACER_H
#define HF_RECOVERY_PACER_H

#include <handfast/base.h>

typedef struct hf_pacer {
    uint64_t rate;  /* bytes a second, 0: no pacing */
    uint64_t burst; /* what the bucket holds */
    uint64_t room;  /* what may leave at `at` */
    hf_time at;
} hf_pacer;

void hf_pacer_init(hf_pacer *p, hf_time now, uint64_t burst);
/* At most this many bytes back to back; 2 ms of the rate where that is more. */
void hf_pacer_set(hf_pacer *p, hf_time now, uint64_t rate, uint64_t burst);
/* Bytes that may leave now. */
uint64_t hf_pacer_room(hf_pacer *p, hf_time now);
void hf_pacer_sent(hf_pacer *p, uint64_t bytes);
/* When `bytes` (at most a burst) may leave. */
hf_time hf_pacer_when(hf_pacer *p, hf_time now, uint64_t bytes);

#endif
