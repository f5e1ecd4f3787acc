/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel, or our own network stack, knows about a TCP connection of ours.
 */
#ifndef HF_SERVER_TCP_FACTS_H
#define HF_SERVER_TCP_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"

typedef struct hf_tcp_facts {
    uint32_t rtt_us, rtt_deviation_us;
    uint32_t retransmits; /* segments, in all */
    uint32_t window_segments; /* the congestion window */
    uint64_t bytes_received, bytes_acknowledged;
} hf_tcp_facts;

/* False: the descriptor is no TCP socket, or negative. */
bool hf_tcp_facts_read(int descriptor, hf_tcp_facts *facts);
/* Of a connection of our own network stack, by its addresses. False: there is none in this loop. */
bool hf_tcp_facts_own(hf_io *io, const hf_address *local, const hf_address *remote, hf_tcp_facts *facts);
/* Bytes have come that nobody read yet. */
bool hf_tcp_has_input(int descriptor);
/* Throws them away, as many as one look finds. */
void hf_tcp_discard_input(int descriptor);

#endif
