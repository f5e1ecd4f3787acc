/* SPDX-License-Identifier: Apache-2.0
 *
 * Proportional rate reduction (RFC 9937): how much TCP may send for each acknowledgement of a recovery, so that it ends at
 * the threshold without a pause and without a burst.
 */
#ifndef HF_RECOVERY_PRR_H
#define HF_RECOVERY_PRR_H

#include <handfast/base.h>

typedef struct hf_prr {
    uint64_t delivered, out; /* since the recovery began */
    uint64_t at_start;       /* RecoverFS: what was in flight then */
    uint64_t threshold;
} hf_prr;

void hf_prr_begin(hf_prr *p, uint64_t in_flight, uint64_t threshold);
/* An acknowledgement delivered `delivered` bytes and left `in_flight`. `good`: it moved the left edge and found no new loss.
 * The bytes that may be sent now. */
uint64_t hf_prr_acked(hf_prr *p, uint64_t delivered, uint64_t in_flight, bool good, uint32_t segment);
void hf_prr_sent(hf_prr *p, uint64_t bytes);

#endif
