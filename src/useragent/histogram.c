/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

/* Below 64 each value has its bucket; above, each power of two has 64. */
static size_t bucket_of(uint64_t value)
{
    if (value < HF_HISTOGRAM_FINE)
        return (size_t)value;
    const unsigned power = 63 - (unsigned)__builtin_clzll(value), shift = power - 6;
    return (size_t)(shift + 1) * HF_HISTOGRAM_FINE + (size_t)(value >> shift) - HF_HISTOGRAM_FINE;
}

/* The largest value that falls into it. */
static uint64_t top_of(size_t bucket)
{
    if (bucket < HF_HISTOGRAM_FINE)
        return bucket;
    const unsigned shift = (unsigned)(bucket / HF_HISTOGRAM_FINE) - 1;
    const uint64_t base = (uint64_t)(bucket % HF_HISTOGRAM_FINE + HF_HISTOGRAM_FINE);
    return ((base + 1) << shift) - 1;
}

void hf_histogram_add(hf_histogram *h, uint64_t value)
{
    h->counts[bucket_of(value)]++;
    h->least = h->total == 0 || value < h->least ? value : h->least;
    h->most = value > h->most ? value : h->most;
    h->sum += (double)value;
    h->total++;
}

uint64_t hf_histogram_at(const hf_histogram *h, uint64_t per_million)
{
    /* in parts, so that nothing overflows */
    const uint64_t rank = h->total / 1000000 * per_million + (h->total % 1000000 * per_million + 999999) / 1000000;
    uint64_t seen = 0;
    for (size_t i = 0; i < HF_HISTOGRAM_BUCKETS && h->total > 0; i++) {
        seen += h->counts[i];
        if (seen >= rank && seen > 0)
            return top_of(i) < h->most ? top_of(i) : h->most;
    }
    return 0;
}
