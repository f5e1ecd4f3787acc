/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_link.h"

#include "random.h"

void hf_link_init(hf_link *l)
{
    *l = (hf_link){ .options = HF_LINK_CLEAN };
}

/* How long `bytes` occupy a transmitter, rounded up: the rate is never exceeded. */
static int64_t duration(uint64_t bytes, uint64_t rate)
{
    const uint64_t scaled = bytes * 8 * 1000000000; /* up to 1 GB fits */
    return (int64_t)(scaled / rate + (scaled % rate != 0));
}

/* True when the datagram finds room before the transmitter; then *leaves is when its last bit is out. */
static bool queue_up(hf_link *l, hf_time now, size_t bytes, hf_time *leaves)
{
    const hf_link_options *o = &l->options;
    if (o->rate == 0) {
        *leaves = now;
        return true;
    }
    const int64_t waits = hf_time_before(now, l->busy_until) ? l->busy_until.ns - now.ns : 0;
    const int64_t takes = duration(bytes, o->rate);
    /* A queue of any size lets the datagram through that finds the transmitter idle. */
    if (o->queue_bytes != 0 && waits > 0 && waits + takes > duration(o->queue_bytes, o->rate))
        return false;
    *leaves = hf_time_make(now.ns + waits + takes);
    l->busy_until = *leaves;
    return true;
}

static hf_time arrival(hf_link *l, hf_random *random, hf_time leaves)
{
    const hf_link_options *o = &l->options;
    hf_time at = hf_time_after(leaves, o->delay_ns);
    if (o->jitter_ns > 0)
        at = hf_time_after(at, (int64_t)hf_random_below(random, (uint64_t)o->jitter_ns + 1));
    if (hf_time_before(at, l->last_arrival))
        at = l->last_arrival;
    if (o->reorder != 0 && hf_random_chance(random, o->reorder)) {
        /* Held back by up to two delays, at least 100 us, without holding back those behind it. */
        const uint64_t most = (uint64_t)o->delay_ns * 2 + 100000;
        l->counts.reordered++;
        return hf_time_after(at, 1 + (int64_t)hf_random_below(random, most));
    }
    l->last_arrival = at;
    return at;
}

static hf_fate dropped(hf_link *l, hf_drop why)
{
    l->counts.dropped[why]++;
    return (hf_fate){ .drop = why };
}

hf_fate hf_link_offer(hf_link *l, hf_random *random, hf_time now, size_t bytes)
{
    const hf_link_options *o = &l->options;
    hf_time leaves;
    l->counts.sent++;
    l->counts.sent_bytes += bytes;
    if (o->down)
        return dropped(l, HF_DROP_DOWN);
    if (o->mtu != 0 && bytes > o->mtu)
        return dropped(l, HF_DROP_MTU);
    if (!queue_up(l, now, bytes, &leaves))
        return dropped(l, HF_DROP_QUEUE);
    if (o->loss != 0 && hf_random_chance(random, o->loss)) /* on the wire: it used up its share of the rate */
        return dropped(l, HF_DROP_LOSS);
    hf_fate fate = { .copies = 1 };
    if (o->duplicate != 0 && hf_random_chance(random, o->duplicate)) {
        fate.copies = 2;
        l->counts.duplicated++;
    }
    for (unsigned i = 0; i < fate.copies; i++) {
        fate.at[i] = arrival(l, random, leaves);
        if (o->corrupt != 0 && hf_random_chance(random, o->corrupt)) {
            fate.flips[i] = (uint8_t)(1 + hf_random_below(random, 3));
            l->counts.corrupted++;
        }
    }
    return fate;
}

const char *hf_drop_text(hf_drop drop)
{
    static const char *const texts[HF_DROP_COUNT] = {
        [HF_DROP_NONE] = "none",       [HF_DROP_DOWN] = "link down",        [HF_DROP_MTU] = "larger than the MTU",
        [HF_DROP_QUEUE] = "queue full", [HF_DROP_LOSS] = "lost",            [HF_DROP_NO_HOST] = "no such host",
        [HF_DROP_CHECKSUM] = "damaged", [HF_DROP_MEMORY] = "out of memory",
    };
    return drop < HF_DROP_COUNT ? texts[drop] : "unknown";
}
