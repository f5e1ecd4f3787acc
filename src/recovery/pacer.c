/* SPDX-License-Identifier: Apache-2.0
 *
 * A token bucket in bytes and nanoseconds, without drift: time that made no whole byte yet is kept.
 */
#include "pacer.h"

void hf_pacer_init(hf_pacer *p, hf_time now, uint64_t burst)
{
    *p = (hf_pacer){ .burst = burst, .room = burst, .at = now };
}

static void fill(hf_pacer *p, hf_time now)
{
    const int64_t passed = now.ns - p->at.ns;
    if (passed <= 0 || p->rate == 0)
        return;
    if (p->room >= p->burst || passed > HF_SECONDS(1)) {
        /* a second fills any bucket that is worth pacing */
        p->room = p->burst;
        p->at = now;
        return;
    }
    const uint64_t us = (uint64_t)passed / 1000;
    const uint64_t bytes = p->rate / 1000000 * us + p->rate % 1000000 * us / 1000000;
    if (bytes == 0)
        return;
    if (bytes >= p->burst - p->room || bytes > UINT64_MAX / HF_SECONDS(2)) {
        p->room = p->burst;
        p->at = now;
        return;
    }
    p->room += bytes;
    p->at.ns += (int64_t)((bytes * HF_SECONDS(1) + p->rate - 1) / p->rate); /* only the time that these bytes took */
}

void hf_pacer_set(hf_pacer *p, hf_time now, uint64_t rate, uint64_t burst)
{
    fill(p, now);
    p->rate = rate;
    p->burst = rate / 500 > burst ? rate / 500 : burst;
    if (p->room > p->burst)
        p->room = p->burst;
}

uint64_t hf_pacer_room(hf_pacer *p, hf_time now)
{
    if (p->rate == 0)
        return UINT64_MAX;
    fill(p, now);
    return p->room;
}

void hf_pacer_sent(hf_pacer *p, uint64_t bytes)
{
    if (p->rate > 0)
        p->room = bytes < p->room ? p->room - bytes : 0;
}

hf_time hf_pacer_when(hf_pacer *p, hf_time now, uint64_t bytes)
{
    const uint64_t room = hf_pacer_room(p, now);
    if (bytes > p->burst)
        bytes = p->burst;
    if (room >= bytes)
        return now;
    const uint64_t us = ((bytes - room) * 1000000 + p->rate - 1) / p->rate + 1;
    return hf_time_after(p->at.ns > now.ns ? p->at : now, (int64_t)us * 1000);
}
