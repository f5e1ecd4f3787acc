/* SPDX-License-Identifier: Apache-2.0
 *
 * Transport parameters (RFC 9000 18, RFC 9221 3, RFC 9287 3) as a value.
 */
#ifndef HF_QUIC_PARAMS_H
#define HF_QUIC_PARAMS_H

#include "quic_wire.h"

/* RFC 9000 9.6: where a server wants its clients to go on, and the connection id for it. */
typedef struct hf_quic_preferred {
    hf_quic_address at[2]; /* of IPv4, of IPv6; port 0: none */
    hf_cid cid;
    uint8_t reset_token[HF_QUIC_RESET_TOKEN];
} hf_quic_preferred;

typedef struct hf_quic_params {
    uint64_t idle_ms;            /* 0: none */
    uint64_t payload_most;       /* 65527 */
    uint64_t data, stream_local, stream_remote, stream_one_way; /* initial_max_...: as the sender of the parameters means them */
    uint64_t streams, one_way_streams;
    uint64_t ack_exponent;       /* 3 */
    uint64_t ack_delay_ms;       /* 25 */
    uint64_t cids;               /* active_connection_id_limit, 2 */
    uint64_t datagram_most;      /* 0: none are taken */
    bool no_migration, grease_bit;
    uint32_t chosen;             /* RFC 9368: 0: nothing was said of versions */
    bool speaks_1, speaks_2;     /* are among those that it names */
    bool has_original, has_initial, has_retry, has_reset_token, has_preferred;
    hf_cid original, initial, retry;
    uint8_t reset_token[HF_QUIC_RESET_TOKEN];
    hf_quic_preferred preferred;
} hf_quic_params;

/* What of them counts for as long as the connection lasts. */
typedef struct hf_quic_terms {
    uint64_t idle_ms, data, stream_local, stream_remote, stream_one_way, streams, one_way_streams, ack_delay_ms, cids, datagram_most;
    uint32_t chosen;
    uint16_t payload_most;
    uint8_t ack_exponent;
    bool no_migration;
} hf_quic_terms;
hf_quic_terms hf_quic_terms_of(const hf_quic_params *p);

/* The defaults of the RFC. */
void hf_quic_params_init(hf_quic_params *p);
/* HF_ERR_QUIC_PARAMETERS; *wanted says what is missed. `from_server`: what only a server may send is allowed. */
hf_err hf_quic_params_read(hf_bytes bytes, bool from_server, hf_quic_params *p, const char **wanted);
enum { HF_QUIC_PARAMS_MOST = 384 };
void hf_quic_params_write(hf_writer *w, const hf_quic_params *p);

#endif
