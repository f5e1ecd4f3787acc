/* SPDX-License-Identifier: Apache-2.0
 *
 * Smoothing with the gains 1/8 and 1/4 that both RFCs share.
 */
#include "rtt.h"

void hf_rtt_init(hf_rtt *r, int64_t initial_ns)
{
    *r = (hf_rtt){ .smoothed_ns = initial_ns, .variation_ns = initial_ns / 2 };
}

void hf_rtt_sample(hf_rtt *r, int64_t sample_ns, int64_t delay_ns)
{
    if (sample_ns < 1)
        sample_ns = 1;
    r->latest_ns = sample_ns;
    if (!r->measured) {
        /* RFC 6298 2.2: SRTT <- R, RTTVAR <- R/2 */
        *r = (hf_rtt){ .smoothed_ns = sample_ns, .variation_ns = sample_ns / 2, .least_ns = sample_ns, .latest_ns = sample_ns,
                       .measured = true };
        return;
    }
    if (sample_ns < r->least_ns)
        r->least_ns = sample_ns;
    /* RFC 9002 5.3: the peer's delay is taken off "unless doing so would make it smaller than min_rtt" */
    if (delay_ns > 0 && sample_ns - r->least_ns >= delay_ns)
        sample_ns -= delay_ns;
    /* RFC 6298 2.3: RTTVAR is computed with the old SRTT */
    const int64_t away = sample_ns > r->smoothed_ns ? sample_ns - r->smoothed_ns : r->smoothed_ns - sample_ns;
    r->variation_ns += (away - r->variation_ns) / 4;
    r->smoothed_ns += (sample_ns - r->smoothed_ns) / 8;
    if (r->smoothed_ns < 1)
        r->smoothed_ns = 1;
}

int64_t hf_rtt_timeout(const hf_rtt *r, int64_t granularity_ns)
{
    const int64_t margin = 4 * r->variation_ns;
    return r->smoothed_ns + (margin > granularity_ns ? margin : granularity_ns);
}
