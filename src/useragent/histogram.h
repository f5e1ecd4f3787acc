/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram: how long things took, counted in buckets whose width is at most 1/64 of what is in them: percentiles are within 1.6 %,
 * whatever the range.
 */
#ifndef HF_USERAGENT_HISTOGRAM_H
#define HF_USERAGENT_HISTOGRAM_H

#include <handfast/base.h>

enum { HF_HISTOGRAM_FINE = 64, HF_HISTOGRAM_BUCKETS = 59 * HF_HISTOGRAM_FINE };

/* All zero is empty. */
typedef struct hf_histogram {
    uint64_t counts[HF_HISTOGRAM_BUCKETS];
    uint64_t total, least, most;
    double sum;
} hf_histogram;

void hf_histogram_add(hf_histogram *h, uint64_t value);
/* The value that `per_million` of them do not exceed (500000: the median), never above the largest. 0 when it is empty. */
uint64_t hf_histogram_at(const hf_histogram *h, uint64_t per_million);

#endif
