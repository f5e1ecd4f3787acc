/* SPDX-License-Identifier: Apache-2.0
 *
 * The estimate of the round trip: RFC 6298 for TCP, RFC 9002 5 for QUIC. The two agree but for the delay that a QUIC peer
 * says it added. Times only: whether a sample may be taken (Karn, timestamps, packet numbers) is the caller's to know.
 */
#ifndef HF_RECOVERY_RTT_H
#define HF_RECOVERY_RTT_H

#include <handfast/base.h>

typedef struct hf_rtt {
    int64_t smoothed_ns, variation_ns;
    int64_t least_ns;  /* of all samples, the peer's delay included */
    int64_t latest_ns;
    bool measured;     /* before the first sample smoothed is a guess */
} hf_rtt;

/* `initial_ns` is what is assumed until the first sample. */
void hf_rtt_init(hf_rtt *r, int64_t initial_ns);
/* `delay_ns`: how long the peer says that it held the acknowledgement back; 0 for TCP. Samples below 1 ns count as 1. */
void hf_rtt_sample(hf_rtt *r, int64_t sample_ns, int64_t delay_ns);
/* smoothed + max(granularity, 4 * variation): RFC 6298 2.3, and the base of RFC 9002's PTO. Before the first sample it is
 * the initial guess with half of it as variation. */
int64_t hf_rtt_timeout(const hf_rtt *r, int64_t granularity_ns);

#endif
