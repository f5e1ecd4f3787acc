/* SPDX-License-Identifier: Apache-2.0
 *
 * quic_port: one loop thread's way to QUIC: an endpoint, the UDP sockets below it, and what belongs to other threads passed on.
 * Every thread has a socket of its own at each address; the kernel deals clients out by their address. Who moves may so come
 * to another thread: its connection id says whose it is.
 */
#ifndef HF_SERVER_QUIC_PORT_H
#define HF_SERVER_QUIC_PORT_H

#include <handfast/quic.h>

#include "io.h"
#include "udp.h"

typedef struct hf_quic_port hf_quic_port;

/* A datagram of another thread. */
typedef struct hf_quic_stray {
    int thread;
    hf_udp_datagram datagram; /* lent within the call */
} hf_quic_stray;

typedef struct hf_quic_port_options {
    const uint8_t *secret;    /* 32 bytes, copied: threads and processes that share it answer for each other */
    uint8_t thread;
    void (*pass)(void *self, const hf_quic_stray *stray);
    void *self;
} hf_quic_port_options;

/* Nobody can connect before hf_quic_port_aim. Lends `env` and `io` for life. NULL when memory or libcrypto fails. */
hf_quic_port *hf_quic_port_new(const hf_env *env, hf_io *io, const hf_quic_port_options *options, hf_time now);
/* Connections too: without a word to their peers. */
void hf_quic_port_free(hf_quic_port *p);

/* Keeps a duplicate of the descriptor; -1: the loop itself carries datagrams. HF_IO_READABLE events with `owner` of this call's making go to hf_quic_port_receive. */
hf_err hf_quic_port_listen(hf_quic_port *p, const hf_address *at, int fd);
/* Nobody is answered there any more: connections that came that way fall silent, and their clients reconnect elsewhere. */
void hf_quic_port_unlisten_at(hf_quic_port *p, const hf_address *at);
/* Is there a socket that receives what is sent to this address? */
bool hf_quic_port_serves(const hf_quic_port *p, const hf_address *at);

/* New connections are made with `tls`, lent until the next call and until no connection stands on it; NULL, or not `accept`:
 * there are none. */
void hf_quic_port_aim(hf_quic_port *p, const hf_tls_config *tls, bool accept);

/* Those who connect from now on are asked to go on at these addresses (RFC 9000 9.6): one of IPv4, one of IPv6. Family 0, or one
 * at which no socket receives: they stay. */
void hf_quic_port_prefer(hf_quic_port *p, const hf_address preferred[2]);

hf_quic_endpoint *hf_quic_port_endpoint(hf_quic_port *p);

/* What the socket has; `owner` is the event's. */
void hf_quic_port_receive(hf_quic_port *p, void *owner, hf_time now);
/* One datagram that another thread passed on. */
void hf_quic_port_input(hf_quic_port *p, const hf_udp_datagram *d, hf_time now);
/* Sends up to `most` batches. False: there is nothing more to send now. */
bool hf_quic_port_send(hf_quic_port *p, hf_time now, unsigned most);
/* When step or send has something to do. */
hf_time hf_quic_port_wake(const hf_quic_port *p);

void hf_quic_address_to(const hf_address *from, hf_quic_address *to);
void hf_quic_address_from(const hf_quic_address *from, hf_address *to);

#endif
