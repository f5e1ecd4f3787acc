/* SPDX-License-Identifier: Apache-2.0
 *
 * Packet protection (RFC 9001 5 and 6): keys of one direction at one level, sealing and opening in place, header masks, the
 * keys of Initial packets, the integrity tag of Retry.
 */
#ifndef HF_QUIC_PROTECT_H
#define HF_QUIC_PROTECT_H

#include "crypto_mask.h"
#include "quic_wire.h"

typedef struct hf_quic_keys {
    hf_aead aead;
    hf_mask mask;  /* of the first generation: "the header protection key is not updated" (RFC 9001 6.1) */
    uint8_t iv[HF_AEAD_NONCE];
    uint8_t secret[HF_HASH_MOST];
    uint8_t hash;
    bool on, second; /* second: of version 2 */
} hf_quic_keys;

/* False: libcrypto failed. `suite` NULL is that of Initial packets. */
bool hf_quic_keys_set(hf_quic_keys *k, hf_crypto *c, uint32_t version, const hf_suite *suite, bool sealing, const uint8_t *secret);
/* The two directions of Initial packets, from the client's first DCID. */
bool hf_quic_keys_initial(hf_quic_keys *client, hf_quic_keys *server, hf_crypto *c, uint32_t version, const hf_cid *dcid, bool is_server);
/* The next generation of `from` into `to`, which has no mask of its own. */
bool hf_quic_keys_next(const hf_quic_keys *from, hf_quic_keys *to);
/* Takes the secrets of `next`, which is left empty; the mask stays. */
void hf_quic_keys_step(hf_quic_keys *k, hf_quic_keys *next);
/* Gives the contexts back; the next use makes them again. */
void hf_quic_keys_rest(hf_quic_keys *k);
void hf_quic_keys_fini(hf_quic_keys *k);

/* Seals a packet in place: `packet` begins with the header, whose number of `number_length` bytes is at `number_at`; the
 * payload follows, and room for the tag. `length` is without the tag. */
bool hf_quic_seal(hf_quic_keys *k, uint64_t number, uint8_t *packet, size_t number_at, unsigned number_length, size_t length);
/* Takes the mask off the first byte and the number. False when the packet is too short for a sample, or libcrypto failed. */
bool hf_quic_unmask(hf_mask *m, hf_span packet, size_t number_at, unsigned *number_length, uint64_t *truncated);
/* Opens in place behind unmask. False: not authentic. */
bool hf_quic_open_packet(hf_quic_keys *k, uint64_t number, hf_span packet, size_t payload_at);

/* RFC 9001 5.8: over the Retry without its tag, and the DCID that the client chose. */
bool hf_quic_retry_tag(hf_crypto *c, uint32_t version, const hf_cid *original, hf_bytes retry, uint8_t tag[HF_QUIC_TAG]);

#endif
