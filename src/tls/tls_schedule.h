/* SPDX-License-Identifier: Apache-2.0
 *
 * The key schedule of TLS 1.3 (RFC 8446 7.1): early, handshake and master secret, one after another in the same place;
 * what is derived of each; and traffic keys.
 */
#ifndef HF_TLS_SCHEDULE_H
#define HF_TLS_SCHEDULE_H

#include "tls_wire.h"

typedef struct hf_schedule {
    hf_crypto *crypto;
    hf_hash hash;
    bool bare; /* begun without a ticket, and not advanced */
    uint8_t secret[HF_HASH_MOST];
} hf_schedule;

/* The hash of no message at all: SHA-256 or SHA-384. */
const uint8_t *hf_schedule_nothing(hf_hash hash);
/* Each answers false only when libcrypto fails. An empty psk or dhe means zeros. */
bool hf_schedule_begin(hf_schedule *s, hf_crypto *c, hf_hash hash, hf_bytes psk);
/* To the next secret: with the Diffie-Hellman result, and once more with nothing. */
bool hf_schedule_advance(hf_schedule *s, hf_bytes dhe);
/* Derive-Secret(., label, transcript): `transcript` is a hash. */
bool hf_schedule_derive(const hf_schedule *s, const char *label, const uint8_t *transcript, uint8_t *out);
/* The MAC of a Finished (4.4.4) or a binder, from a traffic or binder secret. */
bool hf_finished_mac(hf_crypto *c, hf_hash hash, const uint8_t *secret, const uint8_t *transcript, uint8_t *out);
/* 7.2: the next generation, in place. */
bool hf_traffic_update(hf_crypto *c, hf_hash hash, uint8_t *secret);

#endif
