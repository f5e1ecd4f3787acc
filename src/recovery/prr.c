/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 9937 6, with its conservative bound; slow start's only while it goes well.
 */
#include "prr.h"

void hf_prr_begin(hf_prr *p, uint64_t in_flight, uint64_t threshold)
{
    *p = (hf_prr){ .at_start = in_flight > 0 ? in_flight : 1, .threshold = threshold };
}

uint64_t hf_prr_acked(hf_prr *p, uint64_t delivered, uint64_t in_flight, bool good, uint32_t segment)
{
    p->delivered += delivered;
    uint64_t may;
    if (in_flight > p->threshold) {
        /* proportional: CEIL(prr_delivered * ssthresh / RecoverFS) - prr_out */
        const uint64_t due = p->delivered / p->at_start * p->threshold
                           + (p->delivered % p->at_start * p->threshold + p->at_start - 1) / p->at_start;
        may = due > p->out ? due - p->out : 0;
    } else {
        may = p->delivered > p->out ? p->delivered - p->out : 0;
        if (may < delivered)
            may = delivered;
        if (good)
            may += segment;
        if (may > p->threshold - in_flight)
            may = p->threshold - in_flight;
    }
    /* "Force a fast retransmit upon entering recovery" */
    if (p->out == 0 && may < segment)
        may = segment;
    return may;
}

void hf_prr_sent(hf_prr *p, uint64_t bytes)
{
    p->out += bytes;
}
