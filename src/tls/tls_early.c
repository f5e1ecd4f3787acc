/* SPDX-License-Identifier: Apache-2.0
 *
 * Early data: what must hold for a server to take it (RFC 8446 4.2.10 and 8), and the register of tickets whose early data
 * was taken.
 *
 * A ticket is good for early data once, at the register beside which it was made, and only while its age is what the client
 * says. So a copy of a ClientHello is refused: at first because its ticket is in the register, and later, when it may have been
 * forgotten there, because its age is wrong. Where anything is in doubt early data is not taken, which costs a round trip.
 */
#include "tls_early.h"

#include <stdatomic.h>

/* ---- the register --------------------------------------------------------------------------------------------- */

enum { BUCKET = 8, HEADER = 64, AGE_BITS = 20, AHEAD_S = 64 };

/* A place: 0, or a part of a ticket's mark above the second in which it was struck. What the mark's other part says is the
 * bucket: eight places, a line of a processor's cache. */
struct hf_tls_strikes {
    uint64_t id, buckets, unused[6];
    _Atomic uint64_t at[];
};
_Static_assert(sizeof(hf_tls_strikes) == HEADER, "the first bucket begins a line");

size_t hf_tls_strikes_bytes(uint64_t slots)
{
    const uint64_t buckets = (slots + BUCKET - 1) / BUCKET;
    return HEADER + (size_t)(buckets > 0 ? buckets : 1) * BUCKET * sizeof(uint64_t);
}

hf_tls_strikes *hf_tls_strikes_make(void *memory, size_t bytes, uint64_t id)
{
    hf_tls_strikes *s = memory;
    s->buckets = (bytes - HEADER) / (BUCKET * sizeof(uint64_t));
    s->id = id;
    return s;
}

uint64_t hf_strikes_id(const hf_tls_strikes *s)
{
    return s == NULL ? 0 : s->id;
}

/* Is it remembered still? Seconds are kept modulo 2^20; threads' clocks may differ a little. */
static bool lives(uint64_t place, uint64_t now_s, uint64_t life_s)
{
    const uint64_t mask = (UINT64_C(1) << AGE_BITS) - 1, age = (now_s - place) & mask;
    return place != 0 && (age <= life_s || age > mask - AHEAD_S);
}

/* How many places of the bucket hold the mark. */
static unsigned count_of(_Atomic uint64_t *bucket, uint64_t mark, uint64_t now_s, uint64_t life_s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < BUCKET; i++) {
        const uint64_t place = atomic_load(&bucket[i]);
        n += place >> AGE_BITS == mark && lives(place, now_s, life_s);
    }
    return n;
}

bool hf_strikes_add(hf_tls_strikes *s, const uint8_t id[HF_STRIKE_ID], hf_time now, int64_t window_ns)
{
    uint64_t where, what;
    memcpy(&where, id, sizeof where);
    memcpy(&what, id + sizeof where, sizeof what);
    _Atomic uint64_t *const bucket = &s->at[where % s->buckets * BUCKET];
    const uint64_t now_s = (uint64_t)(now.ns / HF_SECONDS(1)), life_s = 3 * ((uint64_t)window_ns / HF_SECONDS(1) + 1);
    const uint64_t mark = what >> AGE_BITS | 1, place = mark << AGE_BITS | (now_s & ((UINT64_C(1) << AGE_BITS) - 1));
    if (count_of(bucket, mark, now_s, life_s) > 0)
        return false;
    for (unsigned i = 0; i < BUCKET; i++) {
        uint64_t old = atomic_load(&bucket[i]);
        if (lives(old, now_s, life_s) || !atomic_compare_exchange_strong(&bucket[i], &old, place))
            continue;
        /* Two that add the same mark at once may do so at two places: each writes first and then looks, so that at least
         * one of them sees the other, and is refused. */
        return count_of(bucket, mark, now_s, life_s) == 1;
    }
    return false;
}

/* ---- what must hold ------------------------------------------------------------------------------------------- */

uint64_t hf_early_now_ms(const hf_handshake *h)
{
    return h->now.ns < 0 ? 0 : (uint64_t)h->now.ns / 1000000;
}

bool hf_early_is_taken(const hf_handshake *h)
{
    return h->server && h->takes_early && h->config->early_data && h->config->strikes != NULL;
}

bool hf_early_fits(const hf_handshake *h, const hf_ticket *t, uint32_t hidden_age)
{
    const uint64_t now = hf_early_now_ms(h), window = h->env->limits->tls_early_window_ns / 1000000;
    if (!hf_early_is_taken(h) || t->early.register_id != hf_strikes_id(h->config->strikes))
        return false;
    /* 4.2.10: "the server MUST validate that ... the selected cipher suite" is the ticket's; version, host and protocol are
     * in its binding. QUIC: RFC 9001 4.6.3, the settings that the client remembers are as they were. */
    if (t->suite != h->suite || t->early.settings != h->early_settings || t->early.born_ms > now)
        return false;
    const uint64_t ours = now - t->early.born_ms, theirs = (uint32_t)(hidden_age - t->early.age_add);
    return ours > theirs ? ours - theirs <= window : theirs - ours <= window;
}
