/* SPDX-License-Identifier: Apache-2.0
 *
 * io/udp.h - a UDP socket as QUIC wants it: datagrams in batches (recvmmsg, and joined by the kernel: GRO), batches out in
 * one call (GSO), each with the address it came to, and its congestion mark. Datagrams are never fragmented.
 */
#ifndef HF_IO_UDP_H
#define HF_IO_UDP_H

#include "io.h"

typedef struct hf_udp hf_udp;

/* One datagram, or with `segment` > 0 several of that size for one path, the last maybe shorter. */
typedef struct hf_udp_datagram {
    hf_address local, remote; /* local.port is the socket's */
    uint8_t ecn;              /* the two bits of the IP header */
    uint16_t segment;
    hf_span bytes;
} hf_udp_datagram;

/* Datagrams of one receive. */
enum { HF_UDP_BATCH = 16 };

/* A bound, non-blocking descriptor; others may be bound to the same address, and the kernel shares out who sends between them
 * (SO_REUSEPORT). With port 0 the system chooses. -1 and *err when the system refuses (errno is kept). */
int hf_udp_socket(const hf_address *at, hf_err *err);
/* What the kernel holds of datagrams for the descriptor: it may grant less than was asked for. */
size_t hf_udp_buffer(int fd);

/* Takes the descriptor, also when it fails: NULL when memory ends. `at`: what it is bound to. */
hf_udp *hf_udp_new(const hf_env *env, int fd, const hf_address *at);
/* The same, where the loop itself carries datagrams (hf_io_ops.udp_open). READABLE events of the loop have the hf_udp as owner. */
hf_udp *hf_udp_new_own(const hf_env *env, hf_io *io, const hf_address *at, hf_err *err);
void hf_udp_free(hf_udp *u);
/* -1: it has none. */
int hf_udp_descriptor(const hf_udp *u);
const hf_address *hf_udp_address(const hf_udp *u);

/* What has arrived, at most HF_UDP_BATCH; 0: nothing for now. The bytes are lent until the next call of any hf_udp that shares
 * the `room` (of HF_UDP_ROOM bytes). */
enum { HF_UDP_ROOM = HF_UDP_BATCH * 65536 };
size_t hf_udp_receive(hf_udp *u, hf_span room, hf_udp_datagram *to);

typedef enum hf_udp_sent {
    HF_UDP_SENT,    /* it left, or was dropped as a network drops: QUIC sends again what matters */
    HF_UDP_FULL,    /* the socket takes no more for now: offer it again */
    HF_UDP_TOO_LONG /* the path takes no datagrams of this size */
} hf_udp_sent;
hf_udp_sent hf_udp_send(hf_udp *u, const hf_udp_datagram *d);

/* For who counts. */
typedef struct hf_udp_counts {
    uint64_t calls_receive, calls_send, datagrams_in, datagrams_out, send_failed;
    bool joins, splits; /* GRO and GSO are in use */
} hf_udp_counts;
void hf_udp_count(const hf_udp *u, hf_udp_counts *counts);

#endif
