/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash, and what it makes unguessable: sequence numbers (RFC 6528), timestamps, ports (RFC 6056), cookies (RFC 4987),
 * and the slots of tables.
 *
 * The one keyed hash that is not libcrypto's: it runs once for every segment, on 40 bytes, in a room that stands below
 * crypto; it authenticates cookies of two minutes and protects no secret but its own key.
 */
#ifndef HF_TCP_HASH_H
#define HF_TCP_HASH_H

#include "tcp_wire.h"

typedef struct hf_sip_key {
    uint64_t a, b;
} hf_sip_key;

hf_sip_key hf_sip_key_make(const uint8_t bytes[16]);
/* SipHash with 1 or 2 rounds a word, and 3 or 4 at the end. */
uint64_t hf_sip13(hf_sip_key key, hf_bytes b);
uint64_t hf_sip24(hf_sip_key key, hf_bytes b);

/* Where a pair lies in tables. */
uint32_t hf_pair_hash(hf_sip_key key, const hf_tcp_pair *pair);
/* RFC 6528: ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M ticking every 4 microseconds. */
hf_seq hf_isn(hf_sip_key key, const hf_tcp_pair *pair, hf_time now);
/* RFC 7323 5.4: a clock of milliseconds with an offset of its own for each pair of hosts. */
uint32_t hf_stamp(hf_sip_key key, const hf_tcp_pair *pair, hf_time now);

/* What a cookie keeps of a SYN. */
typedef struct hf_cookie {
    uint16_t mss;
    bool has_scale, sack, ecn;
    uint8_t scale;
} hf_cookie;

/* The sequence number that is a cookie; the options it has no room for go into the low bits of the timestamp (*stamp is
 * changed, when the peer sent one). */
hf_seq hf_cookie_make(hf_sip_key key, const hf_tcp_pair *pair, hf_seq irs, hf_time now, const hf_cookie *c, uint32_t *stamp);
/* Is `iss` one of ours, not older than about two minutes? `echo`: what came back of the timestamp, NULL when none did. */
bool hf_cookie_open(hf_sip_key key, const hf_tcp_pair *pair, hf_seq irs, hf_seq iss, hf_time now, const uint32_t *echo, hf_cookie *c);

#endif
