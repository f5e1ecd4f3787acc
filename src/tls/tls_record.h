/* SPDX-License-Identifier: Apache-2.0
 *
 * Record protection (RFC 8446 5.2 and 5.3; RFC 5246 6.2.3.3 with RFC 5288 and RFC 7905): one key, one direction.
 */
#ifndef HF_TLS_RECORD_H
#define HF_TLS_RECORD_H

#include "tls_wire.h"

typedef struct hf_record_keys {
    hf_aead aead;
    uint64_t sequence;
    uint8_t iv[HF_AEAD_NONCE];
    uint8_t secret[48]; /* TLS 1.3: the traffic secret, for the next generation */
    uint8_t hash;
    bool on;            /* else records are plain */
    bool old;           /* TLS 1.2 */
    bool explicit_nonce; /* TLS 1.2 with GCM: eight bytes of each nonce are sent (RFC 5288 3) */
} hf_record_keys;

/* TLS 1.3: keys from a traffic secret. */
bool hf_record_keys_set(hf_record_keys *k, hf_crypto *c, const hf_suite *suite, bool sealing, const uint8_t *secret);
/* TLS 1.2: keys from the key block; `iv` has 4 bytes (GCM) or 12. */
void hf_record_keys_set12(hf_record_keys *k, hf_crypto *c, const hf_suite *suite, bool sealing, const uint8_t *key, const uint8_t *iv);
/* TLS 1.3: the next generation (RFC 8446 4.6.3). */
bool hf_record_keys_update(hf_record_keys *k);
void hf_record_keys_fini(hf_record_keys *k);

/* How many bytes a record is longer than its content. */
size_t hf_record_overhead(const hf_record_keys *k);
/* Seals one record of `type` from pieces into `out`, which has room for all of them and the overhead. Returns its length, 0 when
 * libcrypto failed. */
size_t hf_record_seal(hf_record_keys *k, uint8_t type, const hf_bytes *pieces, size_t count, uint8_t *out);

/* Opens a whole record in place. Fills the content's type and place. False: the flaw says why. */
bool hf_record_open(hf_record_keys *k, hf_span record, uint8_t *type, hf_span *content, hf_tls_flaw *flaw);

#endif
