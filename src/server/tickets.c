/* SPDX-License-Identifier: Apache-2.0 */
#include "tickets.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "crypto_secret.h"

enum { HALF_A_DAY = 43200, LEAST = 60 };

/* `version` is odd while the ring is written. */
struct hf_tickets {
    _Atomic uint64_t version;
    _Atomic uint64_t count;
    size_t bytes;    /* of all this */
    hf_tls_strikes *strikes;
    atomic_flag rotating;
    _Atomic int64_t since_s; /* the first key seals; 0: since before the first rotation */
    _Atomic uint64_t words[HF_TICKET_KEYS][sizeof(hf_tls_ticket_key) / 8];
};

static_assert(sizeof(hf_tls_ticket_key) % 8 == 0, "a key is copied by words");

static bool put_first(hf_tickets *t)
{
    uint64_t fresh[sizeof(hf_tls_ticket_key) / 8];
    if (getrandom(fresh, sizeof fresh, 0) != sizeof fresh)
        return false;
    const uint64_t kept = t->count < HF_TICKET_KEYS ? t->count : HF_TICKET_KEYS - 1;
    atomic_fetch_add(&t->version, 1);
    for (uint64_t i = kept; i > 0; i--)
        for (size_t w = 0; w < HF_COUNT(fresh); w++)
            atomic_store(&t->words[i][w], atomic_load(&t->words[i - 1][w]));
    for (size_t w = 0; w < HF_COUNT(fresh); w++)
        atomic_store(&t->words[0][w], fresh[w]);
    atomic_store(&t->count, kept + 1);
    atomic_fetch_add(&t->version, 1);
    hf_wipe(fresh, sizeof fresh);
    return true;
}

hf_tickets *hf_tickets_new(uint64_t strikes)
{
    const size_t ring = (sizeof(hf_tickets) + 63) / 64 * 64, bytes = ring + hf_tls_strikes_bytes(strikes);
    uint64_t id = 0;
    hf_tickets *t = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t == MAP_FAILED)
        return NULL;
    (void)madvise(t, bytes, MADV_DONTDUMP);
    t->bytes = bytes;
    atomic_flag_clear(&t->rotating);
    const bool drawn = getrandom(&id, sizeof id, 0) == sizeof id;
    t->strikes = hf_tls_strikes_make((uint8_t *)t + ring, bytes - ring, id | 1);
    if (drawn && put_first(t))
        return t;
    hf_tickets_free(t);
    return NULL;
}

hf_tls_strikes *hf_tickets_strikes(hf_tickets *t)
{
    return t->strikes;
}

void hf_tickets_free(hf_tickets *t)
{
    if (t == NULL)
        return;
    munmap(t, t->bytes);
}

bool hf_tickets_rotate(hf_tickets *t, int64_t now_s, int64_t every_s)
{
    if (t->since_s != 0 && now_s - t->since_s < every_s)
        return false;
    if (atomic_flag_test_and_set(&t->rotating))
        return false; /* another thread is at it */
    const bool first = t->since_s == 0, due = !first && now_s - t->since_s >= every_s && put_first(t);
    if (first || due)
        t->since_s = now_s;
    atomic_flag_clear(&t->rotating);
    return due;
}

int64_t hf_tickets_period(uint64_t lifetime_s)
{
    /* A ticket sealed at the end of a period lives through the next ones; the ring has room for all but the first. */
    const uint64_t needed = lifetime_s / (HF_TICKET_KEYS - 1) + 1;
    const uint64_t period = needed > HALF_A_DAY ? needed : HALF_A_DAY;
    return (int64_t)(period < LEAST ? LEAST : period);
}

bool hf_tickets_read(const hf_tickets *t, uint64_t *seen, hf_tls_ticket_key keys[HF_TICKET_KEYS], size_t *count)
{
    for (;;) {
        const uint64_t before = atomic_load(&t->version);
        if (before == *seen)
            return false;
        const uint64_t n = atomic_load(&t->count);
        for (size_t i = 0; before % 2 == 0 && i < n; i++)
            for (size_t w = 0; w < HF_COUNT(t->words[0]); w++) {
                const uint64_t word = atomic_load(&t->words[i][w]);
                memcpy((uint8_t *)&keys[i] + w * 8, &word, 8);
            }
        if (before % 2 == 0 && atomic_load(&t->version) == before) {
            *seen = before;
            *count = n;
            return true;
        }
        sched_yield();
    }
}
