/* SPDX-License-Identifier: Apache-2.0
 *
 * quic_line: a connection to one address by QUIC, with HTTP/3 on it: a UDP socket, an endpoint, and the two cores stood on one
 * another. Nothing waits.
 */
#ifndef HF_CLIENT_QUIC_LINE_H
#define HF_CLIENT_QUIC_LINE_H

#include <handfast/http3.h>
#include <handfast/quic.h>

#include "io.h"

typedef struct hf_quic_line hf_quic_line;

/* Whoever has the chain judged. HF_OK: it is believed. */
typedef hf_err hf_quic_line_judge(void *self, const hf_chain *chain, hf_bytes host);

typedef struct hf_quic_line_options {
    const hf_env *env;
    hf_io *io;
    hf_crypto *crypto;
    hf_span room;      /* HF_UDP_ROOM bytes, for use within calls; may be shared */
    const char *host;  /* SNI, and whom the certificate is for */
    hf_address to;
    void *owner;       /* of READABLE events of the loop */
    hf_quic_line_judge *judge;
    void *self;
    const hf_tls_key_log *key_log;
} hf_quic_line_options;

/* Begins the handshake. NULL and *err. Copies the options; lends what they point to, but for the host, for life. */
hf_quic_line *hf_quic_line_new(const hf_quic_line_options *options, hf_err *err);
/* Says goodbye. NULL is fine. */
void hf_quic_line_free(hf_quic_line *q);

/* Receives, and hands on: the next event of HTTP/3, HF_IDLE, or HF_CLOSED and HF_FAULT: it is over, hf_quic_line_fault says why. An
 * event lends until the next step, or until it is taken; its body is taken with it. */
hf_step hf_quic_line_step(hf_quic_line *q, hf_http3_event *event);
/* The last event was dealt with. */
void hf_quic_line_take(hf_quic_line *q);
/* What was put or asked since the last step leaves; not while an event lends. */
void hf_quic_line_flush(hf_quic_line *q);
hf_time hf_quic_line_wake(const hf_quic_line *q);
bool hf_quic_line_is_open(const hf_quic_line *q);
hf_err hf_quic_line_fault(const hf_quic_line *q);
hf_http3 *hf_quic_line_http3(hf_quic_line *q);
hf_quic *hf_quic_line_quic(hf_quic_line *q);
/* A lane for a request. */
hf_err hf_quic_line_open_lane(hf_quic_line *q, hf_lane *lane);
/* What comes on the lane is not read until it is held no more: its window stays shut. */
void hf_quic_line_hold(hf_quic_line *q, hf_lane lane, bool held);
/* How many more would open now. */
uint64_t hf_quic_line_openable(const hf_quic_line *q);

#endif
