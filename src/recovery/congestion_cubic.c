/* SPDX-License-Identifier: Apache-2.0
 *
 * CUBIC's window (RFC 9438) in whole numbers: bytes and milliseconds, C = 0.4 segments/s^3, beta = 0.7.
 */
#include "congestion.h"

/* The cube root of n, rounded down. */
static uint64_t cube_root(uint64_t n)
{
    uint64_t root = 0;
    for (int bit = 21; bit >= 0; bit--) {
        const uint64_t next = root | UINT64_C(1) << bit;
        if (next <= 2642245 && next * next * next <= n) /* the largest root of 64 bits */
            root = next;
    }
    return root;
}

void hf_cubic_reduced(hf_congestion *c)
{
    hf_congestion_levels *l = &c->now;
    /* RFC 9438 4.7, fast convergence: a flow that loses earlier than last time gives way to others */
    l->prior = l->window;
    l->most = l->window < l->most ? l->window / 20 * 17 : l->window;
    /* RFC 9438 4.6: "ssthresh = flight_size * beta_cubic", at least two segments. The window stands for the flight: it never
     * grows while the application holds the sender back */
    l->threshold = l->window / 10 * 7;
    if (l->threshold < 2 * (uint64_t)c->segment)
        l->threshold = 2 * (uint64_t)c->segment;
    l->epoch = HF_NEVER;
}

/* RFC 9438 4.2: K = cubic_root((W_max - cwnd_epoch) / C), here in milliseconds. */
static void begin(hf_congestion *c, hf_time now)
{
    hf_congestion_levels *l = &c->now;
    l->epoch = now;
    l->origin = l->window;
    l->friendly = l->window;
    c->friendly_credit = 0;
    if (l->most > l->window) {
        uint64_t gap = l->most - l->window;
        gap = gap < (UINT64_C(1) << 30) ? gap : UINT64_C(1) << 30;
        l->rise_ms = (int64_t)cube_root(gap * UINT64_C(10000000000) / (4 * (uint64_t)c->segment));
    } else {
        l->most = l->window;
        l->rise_ms = 0;
    }
}

/* W_cubic(t) = C * (t - K)^3 + W_max, in bytes. */
static uint64_t cubic(const hf_congestion *c, int64_t t_ms)
{
    int64_t away = t_ms - c->now.rise_ms;
    const bool below = away < 0;
    away = below ? -away : away;
    away = away < 100000 ? away : 100000;
    /* 0.4 * segment * (away / 1000)^3, ordered so that neither precision nor 63 bits are exceeded */
    const uint64_t cube = (uint64_t)away * (uint64_t)away * (uint64_t)away;
    const uint64_t bytes = cube > (UINT64_C(1) << 40) ? cube / 64 * 4 * c->segment / 156250000
                                                      : cube * 4 * c->segment / UINT64_C(10000000000);
    if (below)
        return bytes < c->now.most ? c->now.most - bytes : 0;
    return c->now.most + bytes;
}

/* RFC 9438 4.3: W_est grows as Reno would, by alpha = 3 * (1 - 0.7) / (1 + 0.7) = 9/17 segments a window, and by a whole
 * one once it has reached the window before the reduction. */
static void grow_friendly(hf_congestion *c, uint64_t bytes)
{
    hf_congestion_levels *l = &c->now;
    c->friendly_credit += l->friendly >= l->prior ? bytes * 17 : bytes * 9;
    const uint64_t price = l->window * 17;
    while (c->friendly_credit >= price) {
        c->friendly_credit -= price;
        l->friendly += c->segment;
    }
}

void hf_cubic_grow(hf_congestion *c, hf_time now, const hf_congestion_ack *ack)
{
    hf_congestion_levels *l = &c->now;
    if (l->epoch.ns == HF_NEVER_NS)
        begin(c, now);
    grow_friendly(c, ack->bytes);
    const int64_t t_ms = (now.ns - l->epoch.ns) / 1000000;
    if (cubic(c, t_ms) < l->friendly) {
        if (l->friendly > l->window)
            l->window = l->friendly;
        return;
    }
    /* RFC 9438 4.4: the target is one round trip ahead, between the window and one and a half of it */
    uint64_t target = cubic(c, t_ms + ack->smoothed_ns / 1000000);
    if (target > l->window / 2 * 3)
        target = l->window / 2 * 3;
    if (target <= l->window)
        return;
    /* (target - cwnd) / cwnd for each segment acknowledged */
    const uint64_t gap = target - l->window < (UINT64_C(1) << 31) ? target - l->window : UINT64_C(1) << 31;
    const uint64_t bytes = ack->bytes < l->window ? ack->bytes : l->window;
    c->credit += gap * (bytes < (UINT64_C(1) << 31) ? bytes : UINT64_C(1) << 31);
    l->window += c->credit / l->window;
    c->credit %= l->window;
}
