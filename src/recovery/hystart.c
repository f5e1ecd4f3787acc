/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 9406 4.2 with its constants of 4.3.
 */
#include "hystart.h"

enum { SAMPLES = 8, GROWTH_DIVISOR = 4, CONSERVATIVE_ROUNDS = 5 };

void hf_hystart_init(hf_hystart *h)
{
    *h = (hf_hystart){ .last_round_ns = INT64_MAX, .this_round_ns = INT64_MAX, .baseline_ns = INT64_MAX };
}

void hf_hystart_round(hf_hystart *h)
{
    h->last_round_ns = h->this_round_ns;
    h->this_round_ns = INT64_MAX;
    h->samples = 0;
    if (h->conservative > 0 && ++h->conservative > CONSERVATIVE_ROUNDS)
        h->over = true;
}

/* RttThresh = max(MIN_RTT_THRESH, min(lastRoundMinRTT / MIN_RTT_DIVISOR, MAX_RTT_THRESH)) */
static int64_t allowance(int64_t round_ns)
{
    const int64_t part = round_ns / 8;
    return part < HF_MILLISECONDS(4) ? HF_MILLISECONDS(4) : part > HF_MILLISECONDS(16) ? HF_MILLISECONDS(16) : part;
}

void hf_hystart_sample(hf_hystart *h, int64_t rtt_ns)
{
    if (rtt_ns < h->this_round_ns)
        h->this_round_ns = rtt_ns;
    if (++h->samples < SAMPLES || h->last_round_ns == INT64_MAX)
        return;
    if (h->conservative > 0) {
        /* "if (currentRoundMinRTT < cssBaselineMinRtt)": it was jitter; slow start goes on */
        if (h->this_round_ns < h->baseline_ns) {
            h->baseline_ns = INT64_MAX;
            h->conservative = 0;
        }
    } else if (h->this_round_ns >= h->last_round_ns + allowance(h->last_round_ns)) {
        h->baseline_ns = h->this_round_ns;
        h->conservative = 1;
    }
}

uint64_t hf_hystart_gain(const hf_hystart *h, uint64_t bytes)
{
    return h->conservative > 0 ? bytes / GROWTH_DIVISOR : bytes;
}

bool hf_hystart_over(const hf_hystart *h)
{
    return h->over;
}
