/* SPDX-License-Identifier: Apache-2.0 */
#include "backoff.h"

int64_t hf_backoff_next(hf_backoff *b, uint64_t draw)
{
    const int64_t first = b->first_ns > 0 ? b->first_ns : HF_MILLISECONDS(500);
    const int64_t most = b->most_ns > 0 ? b->most_ns : HF_SECONDS(30);
    int64_t span = first < most ? first : most;
    for (uint32_t i = 0; i < b->failures && span < most; i++)
        span = span > most / 2 ? most : 2 * span;
    b->failures += b->failures < UINT32_MAX;
    return span / 2 + (int64_t)(draw % (uint64_t)(span / 2 + 1));
}

void hf_backoff_reset(hf_backoff *b)
{
    b->failures = 0;
}
