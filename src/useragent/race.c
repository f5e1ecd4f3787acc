/* SPDX-License-Identifier: Apache-2.0 */
#include "race.h"

#include "panic.h"

void hf_race_init(hf_race *r, int64_t wait_ns, int64_t step_ns)
{
    *r = (hf_race){ .wait_ns = wait_ns > 0 ? wait_ns : HF_MILLISECONDS(50), .step_ns = step_ns > 0 ? step_ns : HF_MILLISECONDS(250), .patience = HF_NEVER };
}

size_t hf_race_add(hf_race *r, uint8_t family, uint8_t rank)
{
    HF_ASSERT((family == 4 || family == 6) && rank < HF_RACE_RANKS);
    if (r->count == HF_RACE_MOST)
        return HF_RACE_MOST;
    r->at[r->count].family = family;
    r->at[r->count].rank = rank;
    r->at[r->count].state = HF_RACE_READY;
    return r->count++;
}

void hf_race_answered(hf_race *r, hf_time now, uint8_t family)
{
    r->answered[family == 6] = true;
    /* RFC 8305 3: "If a positive A response is received first due to reordering, the client SHOULD wait a short time for the
     * AAAA response to ensure that preference is given to IPv6". */
    if (family == 4 && !r->answered[1])
        r->patience = hf_time_after(now, r->wait_ns);
}

static bool has_family(const hf_race *r, uint8_t family)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->at[i].family == family)
            return true;
    return false;
}

/* Whether, as far as the resolver goes, an attempt may begin; else from when on. */
static hf_time gate(const hf_race *r)
{
    const bool free = r->begun || r->answered[1] || has_family(r, 6);
    return free ? hf_time_make(0) : r->patience;
}

/* RFC 8305 4: "the client SHOULD ... interleave the addresses by family"; 6 goes first. By QUIC before by TCP. */
static size_t choose(const hf_race *r)
{
    for (uint8_t rank = 0; rank < HF_RACE_RANKS; rank++) {
        const uint8_t wanted = r->last[rank] == 6 ? 4 : 6;
        size_t other = r->count;
        for (size_t i = 0; i < r->count; i++) {
            if (r->at[i].state != HF_RACE_READY || r->at[i].rank != rank)
                continue;
            if (r->at[i].family == wanted)
                return i;
            other = other < r->count ? other : i;
        }
        if (other < r->count)
            return other;
    }
    return r->count;
}

bool hf_race_next(hf_race *r, hf_time now, size_t *index)
{
    const size_t i = choose(r);
    if (i == r->count || hf_time_before(now, gate(r)) || (r->running > 0 && hf_time_before(now, r->next)))
        return false;
    r->at[i].state = HF_RACE_RUNNING;
    r->last[r->at[i].rank] = r->at[i].family;
    r->begun = true;
    r->running++;
    r->next = hf_time_after(now, r->step_ns);
    *index = i;
    return true;
}

void hf_race_failed(hf_race *r, hf_time now, size_t index)
{
    HF_ASSERT(index < r->count);
    if (r->at[index].state != HF_RACE_RUNNING)
        return;
    r->at[index].state = HF_RACE_LOST;
    r->running--;
    r->next = now; /* RFC 8305 5: a failure starts the next one at once */
}

hf_time hf_race_wake(const hf_race *r)
{
    if (choose(r) == r->count)
        return HF_NEVER;
    const hf_time at = gate(r);
    return r->running > 0 && hf_time_before(at, r->next) ? r->next : at;
}

bool hf_race_is_over(const hf_race *r)
{
    return r->running == 0 && choose(r) == r->count && r->answered[0] && r->answered[1];
}
