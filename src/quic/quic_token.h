/* SPDX-License-Identifier: Apache-2.0
 *
 * What an endpoint can say without remembering: tokens that prove an address (RFC 9000 8.1), stateless reset tokens (10.3),
 * and connection ids that tell thread and machine.
 */
#ifndef HF_QUIC_TOKEN_H
#define HF_QUIC_TOKEN_H

#include "crypto_mask.h"
#include "quic_wire.h"

typedef struct hf_quic_secrets {
    hf_crypto *crypto;
    uint8_t token[32], reset[32];
    hf_mask id;
    uint32_t machine;
    uint8_t thread;
} hf_quic_secrets;

/* False: libcrypto failed. */
bool hf_quic_secrets_init(hf_quic_secrets *s, hf_crypto *c, const uint8_t secret[32], uint32_t machine, uint8_t thread);
void hf_quic_secrets_fini(hf_quic_secrets *s);

/* thread | nonce of 7 bytes | machine, masked by a block cipher over the nonce. */
enum { HF_QUIC_ID_BYTES = 12 };
bool hf_quic_id_make(hf_quic_secrets *s, hf_cid *cid);
/* Which machine made it: for a load balancer that shares the secret. */
bool hf_quic_id_machine(hf_quic_secrets *s, const hf_cid *cid, uint32_t *machine);
bool hf_quic_reset_make(hf_quic_secrets *s, const hf_cid *cid, uint8_t token[HF_QUIC_RESET_TOKEN]);

enum { HF_QUIC_TOKEN_MOST = 96 };
typedef enum hf_quic_token_kind { HF_QUIC_TOKEN_RETRY = 1, HF_QUIC_TOKEN_LATER = 2 } hf_quic_token_kind;
/* A RETRY's token is bound to version, address and port and keeps the first DCID; a LATER one is bound to version and address. */
bool hf_quic_token_write(hf_quic_secrets *s, hf_quic_token_kind kind, uint32_t version, const hf_quic_address *remote, hf_time now,
                         const hf_cid *original, hf_writer *w);
/* Is it ours, of this address, and at most `most_ns` old? `retry_ns` for RETRY, `later_ns` for LATER. */
bool hf_quic_token_open(hf_quic_secrets *s, uint32_t version, hf_bytes token, const hf_quic_address *remote, hf_time now, int64_t retry_ns, int64_t later_ns,
                        hf_quic_token_kind *kind, hf_cid *original);

#endif
