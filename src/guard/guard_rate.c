/* SPDX-License-Identifier: Apache-2.0
 *
 * Rates: one moment a key. A request is due an interval after the one before; who comes early by more than a burst waits. A
 * token bucket, without tokens to count (the generic cell rate algorithm).
 */
#include "alloc.h"
#include "guard_why.h"

enum { WAYS = 8 };

typedef struct entry {
    uint64_t name[2]; /* SipHash of the key, twice: who does not know the seed finds no two keys with one name */
    int64_t due;      /* when the next request would be on time */
    int64_t used;
} entry;

struct hf_rate {
    const hf_allocator *alloc;
    size_t sets;
    hf_rate_rules rules;
    int64_t interval, patience;
    uint64_t seed[2];
    entry at[];
};

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

/* SipHash-2-4. */
static uint64_t sip(const uint64_t seed[2], uint64_t tweak, hf_bytes b)
{
    uint64_t v[4] = { seed[0] ^ 0x736f6d6570736575u ^ tweak, seed[1] ^ 0x646f72616e646f6du, seed[0] ^ 0x6c7967656e657261u, seed[1] ^ 0x7465646279746573u };
    for (size_t at = 0; at <= b.len; at += 8) {
        const size_t n = b.len - at < 8 ? b.len - at : 8;
        uint64_t m = n < 8 ? (uint64_t)b.len << 56 : 0;
        for (size_t i = 0; i < n; i++)
            m |= (uint64_t)b.ptr[at + i] << (8 * i);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

hf_rate *hf_rate_new(const hf_env *env, const hf_rate_rules *rules, const uint8_t seed[16])
{
    const size_t keys = (size_t)env->limits->rate_keys, sets = keys < WAYS ? 1 : keys / WAYS;
    if (rules->burst == 0 || rules->per_minute == 0)
        return NULL;
    hf_rate *r = hf_alloc_zeroed(&env->alloc, sizeof *r + sets * WAYS * sizeof(entry));
    if (r == NULL)
        return NULL;
    r->alloc = &env->alloc;
    r->sets = sets;
    r->rules = *rules;
    r->interval = HF_SECONDS(60) / rules->per_minute;
    r->patience = (int64_t)(rules->burst - 1) * r->interval;
    memcpy(r->seed, seed, sizeof r->seed);
    return r;
}

void hf_rate_free(hf_rate *r)
{
    if (r != NULL)
        hf_free(r->alloc, r, sizeof *r + r->sets * WAYS * sizeof(entry));
}

hf_rate_rules hf_rate_rules_of(const hf_rate *r)
{
    return r->rules;
}

/* The key's entry, or NULL; *oldest is then whose place it may take: the neighbour that was longest unused. */
static entry *find(hf_rate *r, const uint64_t name[2], entry **oldest)
{
    entry *const set = &r->at[name[0] % r->sets * WAYS];
    *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].name[0] == name[0] && set[i].name[1] == name[1])
            return &set[i];
        if (set[i].used < (*oldest)->used)
            *oldest = &set[i];
    }
    return NULL;
}

/* Who is due at `due` may come now, or in *wait_s seconds. */
static bool may_come(const hf_rate *r, int64_t due, hf_time now, uint32_t *wait_s)
{
    const int64_t early = due > now.ns ? due - now.ns : 0;
    *wait_s = early > r->patience ? (uint32_t)((early - r->patience + HF_SECONDS(1) - 1) / HF_SECONDS(1)) : 0;
    return *wait_s == 0;
}

hf_err hf_rate_take(hf_rate *r, hf_bytes key, hf_time now, uint32_t *wait_s, hf_why *why)
{
    const uint64_t name[2] = { sip(r->seed, 0, key), sip(r->seed, 1, key) };
    entry *oldest, *e = find(r, name, &oldest);
    if (e == NULL) {
        e = oldest;
        *e = (entry){ .name = { name[0], name[1] }, .due = now.ns };
    }
    e->used = now.ns;
    if (!may_come(r, e->due, now, wait_s))
        return hf_why_tell(why, HF_ERR_GUARD_RATE, key, "fewer requests");
    e->due = (e->due > now.ns ? e->due : now.ns) + r->interval;
    return HF_OK;
}

hf_err hf_rate_look(hf_rate *r, hf_bytes key, hf_time now, uint32_t *wait_s)
{
    const uint64_t name[2] = { sip(r->seed, 0, key), sip(r->seed, 1, key) };
    entry *oldest;
    const entry *const e = find(r, name, &oldest);
    *wait_s = 0;
    return e == NULL || may_come(r, e->due, now, wait_s) ? HF_OK : hf_err_make(HF_ERR_GUARD_RATE);
}
