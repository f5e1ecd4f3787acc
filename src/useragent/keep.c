/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"

static bool is_same_place(const hf_keep_place *a, const hf_keep_place *b)
{
    return a->secure == b->secure && a->port == b->port && a->way == b->way && hf_bytes_equal(a->host, b->host);
}

bool hf_keep_expires(const hf_keep_rules *rules, const hf_keep_row *row, hf_time now)
{
    return row->busy == 0 && row->version != 0 && (row->over || !hf_time_before(now, hf_time_after(row->idle_since, rules->idle_ns)));
}

hf_time hf_keep_wake(const hf_keep_rules *rules, const hf_keep_row *rows, size_t count)
{
    hf_time at = HF_NEVER;
    for (size_t i = 0; i < count; i++)
        if (rows[i].busy == 0 && rows[i].version != 0)
            at = hf_time_earlier(at, hf_time_after(rows[i].idle_since, rules->idle_ns));
    return at;
}

/* RFC 9113 9.1.1, RFC 9114 3.3: a connection with many streams serves every origin for which its certificate is valid, at the
 * same port, where the name leads to the same address. */
static bool may_carry(const hf_keep_row *r, const hf_keep_place *wanted)
{
    const bool many = r->version == HF_HTTP_2 || r->version == HF_HTTP_3;
    if (r->over || r->version == 0 || r->busy >= r->most)
        return false;
    if (is_same_place(&r->place, wanted))
        return true;
    return many && r->covers && wanted->secure && r->place.secure && r->place.port == wanted->port && r->place.way == wanted->way;
}

hf_keep_verdict hf_keep_choose(const hf_keep_rules *rules, const hf_keep_row *rows, size_t count, const hf_keep_place *wanted, uint32_t ahead, hf_time now,
    size_t *index)
{
    size_t best = count, oldest = count, same = 0, alive = 0;
    uint32_t opening = 0;
    bool many = false;
    for (size_t i = 0; i < count; i++) {
        const hf_keep_row *const r = &rows[i];
        const bool expired = hf_keep_expires(rules, r, now), here = is_same_place(&r->place, wanted);
        alive++;
        same += here && !expired && !r->over;
        opening += here && r->version == 0;
        many = many || (here && !r->over && (r->version == HF_HTTP_2 || r->version == HF_HTTP_3));
        /* Among those that can, the busiest: so the others fall idle, and are let go. HTTP/1: the one that was used last. */
        if (!expired && may_carry(r, wanted) &&
            (best == count || r->busy > rows[best].busy || (r->busy == rows[best].busy && hf_time_before(rows[best].idle_since, r->idle_since))))
            best = i;
        if (r->busy == 0 && r->version != 0 && (oldest == count || hf_time_before(r->idle_since, rows[oldest].idle_since)))
            oldest = i;
    }
    *index = best;
    if (best < count)
        return HF_KEEP_USE;
    /* Over TLS nobody knows yet whether the one that is being opened will carry many; in clear each that waits has one opened. */
    if (same >= rules->per_place || (opening > 0 && wanted->secure) || opening > ahead || many)
        return HF_KEEP_WAIT;
    *index = alive >= rules->all ? oldest : count;
    return alive < rules->all || oldest < count ? HF_KEEP_OPEN : HF_KEEP_WAIT;
}
