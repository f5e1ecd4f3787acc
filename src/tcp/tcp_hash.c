/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash as Aumasson and Bernstein published it.
 */
#include "tcp_hash.h"

#include "net_bytes.h"

/* ---- SipHash ------------------------------------------------------------------------------------------------ */

typedef struct sip {
    uint64_t a, b, c, d;
} sip;

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

[[gnu::always_inline]] static inline void rounds(sip *s, unsigned n)
{
    while (n-- > 0) {
        s->a += s->b, s->b = rotate(s->b, 13) ^ s->a, s->a = rotate(s->a, 32);
        s->c += s->d, s->d = rotate(s->d, 16) ^ s->c;
        s->a += s->d, s->d = rotate(s->d, 21) ^ s->a;
        s->c += s->b, s->b = rotate(s->b, 17) ^ s->c, s->c = rotate(s->c, 32);
    }
}

static uint64_t little(const uint8_t *p, size_t n)
{
    uint64_t x = 0;
    for (size_t i = 0; i < n; i++)
        x |= (uint64_t)p[i] << 8 * i;
    return x;
}

/* Written out, so that compilers see that it is one load. */
static uint64_t little8(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
           (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

/* Of each packet: inlined, so that the numbers of rounds are known where it is compiled. */
[[gnu::always_inline]] static inline uint64_t siphash(hf_sip_key key, hf_bytes b, unsigned each, unsigned last)
{
    sip s = { key.a ^ UINT64_C(0x736f6d6570736575), key.b ^ UINT64_C(0x646f72616e646f6d), key.a ^ UINT64_C(0x6c7967656e657261),
              key.b ^ UINT64_C(0x7465646279746573) };
    size_t at = 0;
    for (; at + 8 <= b.len; at += 8) {
        const uint64_t word = little8(b.ptr + at);
        s.d ^= word;
        rounds(&s, each);
        s.a ^= word;
    }
    const uint64_t word = little(b.ptr + at, b.len - at) | (uint64_t)b.len << 56;
    s.d ^= word;
    rounds(&s, each);
    s.a ^= word;
    s.c ^= 0xff;
    rounds(&s, last);
    return s.a ^ s.b ^ s.c ^ s.d;
}

hf_sip_key hf_sip_key_make(const uint8_t bytes[16])
{
    return (hf_sip_key){ little(bytes, 8), little(bytes + 8, 8) };
}

uint64_t hf_sip13(hf_sip_key key, hf_bytes b)
{
    return siphash(key, b, 1, 3);
}

uint64_t hf_sip24(hf_sip_key key, hf_bytes b)
{
    return siphash(key, b, 2, 4);
}

/* ---- what is made of it -------------------------------------------------------------------------------------- */

enum { PAIR = 36, MORE = 12 };

static void pair_bytes(const hf_tcp_pair *pair, uint8_t to[PAIR])
{
    memcpy(to, pair->local.bytes, 16);
    memcpy(to + 16, pair->remote.bytes, 16);
    hf_set16(to + 32, pair->local_port);
    hf_set16(to + 34, pair->remote_port);
}

uint32_t hf_pair_hash(hf_sip_key key, const hf_tcp_pair *pair)
{
    uint8_t bytes[PAIR];
    pair_bytes(pair, bytes);
    return (uint32_t)hf_sip13(key, hf_bytes_make(bytes, PAIR));
}

static uint64_t mix(hf_sip_key key, const hf_tcp_pair *pair, uint32_t a, uint32_t b, uint32_t c)
{
    uint8_t bytes[PAIR + MORE];
    pair_bytes(pair, bytes);
    hf_set32(bytes + PAIR, a);
    hf_set32(bytes + PAIR + 4, b);
    hf_set32(bytes + PAIR + 8, c);
    return hf_sip24(key, hf_bytes_make(bytes, sizeof bytes));
}

enum { FOR_ISN = 1, FOR_STAMP, FOR_COOKIE };

hf_seq hf_isn(hf_sip_key key, const hf_tcp_pair *pair, hf_time now)
{
    return hf_seq_make((uint32_t)mix(key, pair, FOR_ISN, 0, 0) + (uint32_t)((uint64_t)now.ns / 4000));
}

uint32_t hf_stamp(hf_sip_key key, const hf_tcp_pair *pair, hf_time now)
{
    return (uint32_t)mix(key, pair, FOR_STAMP, 0, 0) + (uint32_t)((uint64_t)now.ns / 1000000);
}

/* 5 bits of the epoch, 3 of the size, 24 that only we can make. */
static const uint16_t sizes[8] = { 216, 536, 1200, 1360, 1440, 1452, 1460, 8960 };
enum { EPOCH_S = 64, NO_SCALE = 15, OPTION_BITS = 6 };

static uint32_t epoch_of(hf_time now)
{
    return (uint32_t)((uint64_t)now.ns / HF_SECONDS(EPOCH_S));
}

static uint32_t proof(hf_sip_key key, const hf_tcp_pair *pair, hf_seq irs, uint32_t epoch, unsigned size)
{
    return (uint32_t)mix(key, pair, FOR_COOKIE | size << 8, irs.n, epoch) & 0xffffff;
}

hf_seq hf_cookie_make(hf_sip_key key, const hf_tcp_pair *pair, hf_seq irs, hf_time now, const hf_cookie *c, uint32_t *stamp)
{
    unsigned size = 0;
    while (size + 1 < HF_COUNT(sizes) && sizes[size + 1] <= c->mss)
        size++;
    const uint32_t epoch = epoch_of(now);
    const uint32_t options = (c->has_scale ? c->scale : NO_SCALE) | (c->sack ? 16u : 0) | (c->ecn ? 32u : 0);
    /* RFC 7323 5.3: the stamps of a connection never go back, so this one must not lie ahead of the clock */
    const uint32_t low = UINT32_C(1) << OPTION_BITS;
    *stamp = ((*stamp & ~(low - 1)) - low) | options;
    return hf_seq_make((epoch & 31) << 27 | size << 24 | proof(key, pair, irs, epoch, size));
}

bool hf_cookie_open(hf_sip_key key, const hf_tcp_pair *pair, hf_seq irs, hf_seq iss, hf_time now, const uint32_t *echo, hf_cookie *c)
{
    const uint32_t today = epoch_of(now);
    const uint32_t age = (today - (iss.n >> 27)) & 31;
    const unsigned size = iss.n >> 24 & 7;
    if (age > 1 || proof(key, pair, irs, today - age, size) != (iss.n & 0xffffff))
        return false;
    *c = (hf_cookie){ .mss = sizes[size] };
    if (echo != NULL) {
        const uint32_t options = *echo & ((UINT32_C(1) << OPTION_BITS) - 1);
        c->has_scale = (options & 15) != NO_SCALE;
        c->scale = c->has_scale ? (uint8_t)(options & 15) : 0;
        c->sack = (options & 16) != 0;
        c->ecn = (options & 32) != 0;
    }
    return true;
}
