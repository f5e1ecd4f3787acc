/* SPDX-License-Identifier: Apache-2.0
 *
 * What CUBIC and NewReno share: slow start, events, collapse, undo; and NewReno's avoidance.
 */
#include "congestion.h"

#include "panic.h"

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void hf_congestion_init(hf_congestion *c, hf_congestion_kind kind, uint32_t segment, uint64_t initial_window)
{
    HF_ASSERT(segment > 0 && initial_window >= segment);
    *c = (hf_congestion){ .kind = kind, .segment = segment, .initial = initial_window, .reduced_at = { -1 }, .round_at = { -1 } };
    c->now = (hf_congestion_levels){ .window = initial_window, .threshold = UINT64_MAX, .epoch = HF_NEVER };
    hf_hystart_init(&c->hystart);
}

/* RFC 5681 3.1 (3) by counting bytes (RFC 3465): a segment for each window of bytes acknowledged. */
static void newreno_grow(hf_congestion *c, uint64_t bytes)
{
    c->credit += bytes;
    while (c->credit >= c->now.window) {
        c->credit -= c->now.window;
        c->now.window += c->segment;
    }
}

static void slow_start(hf_congestion *c, hf_time now, const hf_congestion_ack *ack)
{
    uint64_t gain = hf_hystart_gain(&c->hystart, ack->bytes);
    if (c->now.window + gain >= c->now.threshold)
        gain = c->now.threshold - c->now.window;
    c->now.window += gain;
    if (hf_hystart_over(&c->hystart)) {
        /* RFC 9406 4.2: "ssthresh = cwnd" */
        c->now.threshold = c->now.window;
        c->now.most = c->now.prior = c->now.window;
    }
    (void)now;
}

void hf_congestion_acked(hf_congestion *c, hf_time now, const hf_congestion_ack *ack)
{
    if (hf_congestion_slow_start(c)) {
        if (c->round_at.ns <= ack->sent_at.ns) {
            c->round_at = now;
            hf_hystart_round(&c->hystart);
        }
        /* RFC 9406 4.3: it "applies to the first slow start"; later ones know their threshold */
        if (ack->rtt_ns > 0 && c->now.threshold == UINT64_MAX)
            hf_hystart_sample(&c->hystart, ack->rtt_ns);
    }
    /* RFC 9002 7.3.2: packets sent before the recovery began do not let the window grow */
    if (!ack->limited || ack->sent_at.ns <= c->reduced_at.ns)
        return;
    if (hf_congestion_slow_start(c))
        slow_start(c, now, ack);
    else if (c->kind == HF_CONGESTION_CUBIC)
        hf_cubic_grow(c, now, ack);
    else
        newreno_grow(c, ack->bytes);
}

bool hf_congestion_lost(hf_congestion *c, hf_time now, hf_time sent_at)
{
    if (sent_at.ns <= c->reduced_at.ns)
        return false;
    c->before = c->now;
    c->can_undo = true;
    c->reduced_at = now;
    c->credit = 0;
    if (c->kind == HF_CONGESTION_CUBIC) {
        hf_cubic_reduced(c);
    } else {
        c->now.threshold = larger(c->now.window / 2, 2 * (uint64_t)c->segment);
    }
    c->now.window = c->now.threshold;
    hf_hystart_init(&c->hystart);
    return true;
}

void hf_congestion_collapsed(hf_congestion *c, hf_time now, uint64_t in_flight, unsigned least, bool again)
{
    if (!again) {
        c->before = c->now;
        c->can_undo = true;
        if (c->kind == HF_CONGESTION_CUBIC)
            hf_cubic_reduced(c);
        /* RFC 5681 3.1 (4): ssthresh = max(FlightSize / 2, 2 * SMSS); RFC 9438 4.8: CUBIC takes its own beta */
        const uint64_t half = c->kind == HF_CONGESTION_CUBIC ? in_flight / 10 * 7 : in_flight / 2;
        c->now.threshold = larger(half, 2 * (uint64_t)c->segment);
    }
    c->now.window = (uint64_t)least * c->segment;
    c->now.epoch = HF_NEVER;
    /* What leaves at this very moment is the first of the new slow start: it lets the window grow, or one segment would be
     * followed by one segment, which a receiver acknowledges late. */
    c->reduced_at = hf_time_make(now.ns - 1);
    c->credit = 0;
    hf_hystart_init(&c->hystart);
}

bool hf_congestion_undo(hf_congestion *c)
{
    if (!c->can_undo)
        return false;
    const uint64_t window = c->now.window;
    c->now = c->before;
    c->now.window = larger(window, c->now.window);
    c->can_undo = false;
    c->reduced_at = hf_time_make(-1);
    hf_hystart_init(&c->hystart);
    return true;
}

void hf_congestion_idle(hf_congestion *c, int64_t idle_ns)
{
    if (c->now.epoch.ns != HF_NEVER_NS)
        c->now.epoch = hf_time_after(c->now.epoch, idle_ns); /* RFC 9438 5.8: the cubic does not run while nothing is sent */
    if (c->now.window <= c->initial)
        return;
    /* what was found out about the path is kept as the threshold (RFC 7661 4.4.1 takes three quarters) */
    c->now.threshold = larger(c->now.threshold == UINT64_MAX ? 0 : c->now.threshold, c->now.window / 4 * 3);
    c->now.window = c->initial;
    hf_hystart_init(&c->hystart);
}

void hf_congestion_resize(hf_congestion *c, uint32_t segment)
{
    HF_ASSERT(segment > 0);
    c->segment = segment;
    c->now.window = larger(c->now.window, segment);
    if (c->now.threshold != UINT64_MAX)
        c->now.threshold = larger(c->now.threshold, 2 * (uint64_t)segment);
}

uint64_t hf_congestion_rate(const hf_congestion *c, int64_t smoothed_ns)
{
    const uint64_t us = smoothed_ns > 1000 ? (uint64_t)smoothed_ns / 1000 : 1;
    const uint64_t window = c->now.window < (UINT64_C(1) << 40) ? c->now.window : UINT64_C(1) << 40;
    return window * 1000000 / us / 4 * (hf_congestion_slow_start(c) ? 8 : 5);
}
