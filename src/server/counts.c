/* SPDX-License-Identifier: Apache-2.0 */
#include "counts.h"

#include "panic.h"

const uint32_t hf_count_steps[HF_COUNT_STEPS - 1] = { 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000 };

void hf_count_request(hf_counts *c, hf_method method, uint16_t status, uint64_t received, uint64_t sent)
{
    HF_ASSERT((unsigned)method < HF_METHOD_COUNT);
    const size_t class = status >= 100 && status < 600 ? status / 100 : 0;
    hf_count(&c->requests[method][class], 1);
    hf_count(&c->body_received, received);
    hf_count(&c->body_sent, sent);
}

void hf_count_duration(hf_counts *c, int64_t duration_ns, uint64_t many)
{
    const uint64_t took = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    size_t step = 0;
    while (step < HF_COUNT_STEPS - 1 && took > hf_count_steps[step] * UINT64_C(1000000))
        step++;
    hf_count(&c->duration_ns, took * many);
    hf_count(&c->durations[step], many);
}

void hf_counts_add(hf_counts *sum, const hf_counts *c)
{
    hf_count(&sum->accepted, hf_counted(&c->accepted));
    hf_count(&sum->turned_away, hf_counted(&c->turned_away));
    hf_count(&sum->quic, hf_counted(&c->quic));
    hf_count(&sum->http3, hf_counted(&c->http3));
    hf_count(&sum->closed, hf_counted(&c->closed));
    hf_count(&sum->accept_failed, hf_counted(&c->accept_failed));
    for (size_t m = 0; m < HF_METHOD_COUNT; m++)
        for (size_t k = 0; k < HF_COUNT_CLASSES; k++)
            hf_count(&sum->requests[m][k], hf_counted(&c->requests[m][k]));
    hf_count(&sum->body_received, hf_counted(&c->body_received));
    hf_count(&sum->body_sent, hf_counted(&c->body_sent));
    hf_count(&sum->duration_ns, hf_counted(&c->duration_ns));
    for (size_t i = 0; i < HF_COUNT_STEPS; i++)
        hf_count(&sum->durations[i], hf_counted(&c->durations[i]));
}
