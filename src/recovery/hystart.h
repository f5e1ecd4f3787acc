/* SPDX-License-Identifier: Apache-2.0
 *
 * HyStart++ (RFC 9406): leaves slow start when the round trip grows, before the queue overflows.
 */
#ifndef HF_RECOVERY_HYSTART_H
#define HF_RECOVERY_HYSTART_H

#include <handfast/base.h>

typedef struct hf_hystart {
    int64_t last_round_ns, this_round_ns; /* the least round trip of each; INT64_MAX: none yet */
    int64_t baseline_ns;                  /* when conservative slow start began */
    uint32_t samples;                     /* of this round */
    uint8_t conservative;                 /* rounds spent in conservative slow start, this one included; 0: not in it */
    bool over;
} hf_hystart;

void hf_hystart_init(hf_hystart *h);
/* A round trip begins: the last one's data was acknowledged. */
void hf_hystart_round(hf_hystart *h);
void hf_hystart_sample(hf_hystart *h, int64_t rtt_ns);
/* By how much the window grows for `bytes` acknowledged. */
uint64_t hf_hystart_gain(const hf_hystart *h, uint64_t bytes);
/* Slow start is to end. */
bool hf_hystart_over(const hf_hystart *h);

#endif
