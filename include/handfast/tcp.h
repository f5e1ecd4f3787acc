/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/tcp.h - TCP (RFC 9293) without an operating system.
 *
 * One ENDPOINT is one host's TCP: listeners, half-open connections, cookies, TIME_WAIT, and every connection. A CONNECTION
 * is a pier (pier.h). Segments go in and out of the endpoint without their IP headers; whoever stands below (a host, a test)
 * parses and writes those.
 *
 *     for (;;) {
 *         for each segment that arrived:   hf_tcp_endpoint_input(ep, now, &in);
 *         while (hf_tcp_endpoint_step(ep, now, &event) == HF_EVENT)        also the clock: timers fire here
 *             ACCEPTED: keep event.tcp        NOTICE: drain hf_tcp_event(event.tcp)
 *         while (hf_tcp_endpoint_emit(ep, now, &out, &packet))             one segment a call; reset `out` between calls
 *             put an IP header before it and send it
 *         sleep until a segment arrives or hf_tcp_endpoint_wake(ep)
 *     }
 *
 * The contract:
 *   - `now` never goes back. Nothing happens but in these calls; everything belongs to one thread.
 *   - input copies what it keeps: the segment's memory is free afterwards, unless it `lasts`. Then what was next in order is
 *     lent to the reader as it lies there, and what he has not taken by the next input is copied then.
 *   - emit appends the header as scratch (60 bytes must be free) and the payload as LENT pieces, which stay valid until the
 *     next input, put, free or step of the endpoint. It stops when windows, pacing or `out` say so: not emitting is
 *     back-pressure, and the segments wait as application memory, not as packets. It answers with false when nothing is due.
 *   - With config.super_segment, one call may yield many segments' worth; packet.segment then says how much payload each
 *     real segment has (the virtio-net header's gso_size). Every pure function of a segment (checksum, sequence) is the door's.
 *   - LENT memory given to put stays lent until RELEASED(token): the peer has acknowledged it.
 *   - a connection is the application's from ACCEPTED or hf_tcp_connect until hf_tcp_free, whatever becomes of it meanwhile.
 *     free closes: what was COPIED is still delivered in the background when the end had been said (hf_tcp_end); otherwise,
 *     or when lent memory is not yet acknowledged, the peer gets a RST.
 *   - The secret of the configuration must come from entropy and not be used again: sequence numbers, ports, timestamps and
 *     cookies are unguessable for as long as it is.
 */
#ifndef HANDFAST_TCP_H
#define HANDFAST_TCP_H

#include "net.h"
#include "pier.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_tcp_endpoint hf_tcp_endpoint;
typedef struct hf_tcp hf_tcp;

#define HF_TCP_STATES(X) \
    X(CLOSED) X(LISTEN) X(SYN_SENT) X(SYN_RECEIVED) X(ESTABLISHED) X(FIN_WAIT_1) X(FIN_WAIT_2) X(CLOSE_WAIT) X(CLOSING) X(LAST_ACK) X(TIME_WAIT)
#define HF_TCP_STATE_ENUM(name) HF_TCP_##name,
typedef enum hf_tcp_state { HF_TCP_STATES(HF_TCP_STATE_ENUM) HF_TCP_STATE_COUNT } hf_tcp_state;
#undef HF_TCP_STATE_ENUM
/* "FIN_WAIT_1" and its like. Static. */
HF_API const char *hf_tcp_state_name(hf_tcp_state state);

/* Who speaks with whom, seen from here. */
typedef struct hf_tcp_pair {
    hf_ip local, remote;
    uint16_t local_port, remote_port;
} hf_tcp_pair;

/* Zero means the default, everywhere but in the secret. Copied. */
typedef struct hf_tcp_config {
    uint8_t secret[32];      /* 32 bytes from entropy; see the contract */
    uint16_t mtu;            /* bytes, of the link; 0: 1500 */
    uint32_t super_segment;  /* the most payload of one emitted super-segment; 0: single segments only. At most 65000 */
    bool partial_checksum;   /* the door completes checksums: the field holds the pseudo-header's sum (virtio NEEDS_CSUM) */
    bool newreno;            /* in place of CUBIC */
    bool no_timestamps, no_sack, no_scale; /* do not offer these options */
    bool ecn;                /* offer ECN (RFC 3168); a server accepts it always */
    bool no_pacing;          /* a window leaves at once */
    bool no_reuse;           /* connect does not take a port from TIME_WAIT, whatever the timestamps say */
    uint16_t port_first, port_last; /* of ephemeral ports; 0: 32768 to 60999 */
    int64_t keepalive_ns;    /* idle time before the first probe; 0: none (RFC 9293 3.8.4: off by default) */
    int64_t rto_least_ns;    /* the least retransmission timeout; 0: 200 ms. RFC 6298 2.4 says 1 s */
    int64_t delayed_ack_ns;  /* how long an acknowledgement may wait for company; 0: 40 ms */
} hf_tcp_config;

/* ---- the endpoint, from below -------------------------------------------------------------------------------- */

/* A segment that arrived, or a super-segment of several (GRO). */
typedef struct hf_tcp_input {
    hf_ip source, destination;
    uint8_t ecn;       /* of its IP header */
    bool checked;      /* the checksum is known to be right (verified below, or virtio's DATA_VALID or NEEDS_CSUM) */
    bool lasts;        /* the segment's memory may be written to, and stays until the next input: then it need not be copied */
    hf_bytes segment;  /* TCP header and payload */
} hf_tcp_input;

/* A segment that leaves: what its IP header needs, beside the bytes in hf_out. */
typedef struct hf_tcp_packet {
    hf_ip source, destination;
    uint8_t ecn;
    uint16_t header;  /* bytes of the TCP header; the checksum is at byte 16 of it */
    uint16_t segment; /* payload of each real segment; 0 when this is just one */
    uint32_t length;  /* header and payload */
} hf_tcp_packet;

typedef enum hf_tcp_event_kind {
    HF_TCP_ACCEPTED, /* a peer completed a handshake with a listener: tcp is the application's now */
    HF_TCP_NOTICE    /* tcp has events */
} hf_tcp_event_kind;

typedef struct hf_tcp_event {
    hf_tcp_event_kind kind;
    hf_tcp *tcp;
    uint64_t user; /* ACCEPTED: the listener's. NOTICE: the connection's */
} hf_tcp_event;

/* Lends `env` for life. NULL when memory runs out. */
HF_API hf_tcp_endpoint *hf_tcp_endpoint_new(const hf_env *env, const hf_tcp_config *config, hf_time now);
/* Frees every connection too, without a word to their peers. */
HF_API void hf_tcp_endpoint_free(hf_tcp_endpoint *ep);

/* Why the segment was dropped, HF_OK when it was not. Only for counting: nothing needs to be done about it. */
HF_API hf_err hf_tcp_endpoint_input(hf_tcp_endpoint *ep, hf_time now, const hf_tcp_input *in);
/* What is lent of the last input is copied now, and its memory is free. The next input does so by itself. */
HF_API void hf_tcp_endpoint_settle(hf_tcp_endpoint *ep);
/* HF_EVENT or HF_IDLE. */
HF_API hf_step hf_tcp_endpoint_step(hf_tcp_endpoint *ep, hf_time now, hf_tcp_event *event);
/* One segment, or false. `out` needs 60 bytes of scratch and a piece more than the payload has extents; out->room bounds it. */
HF_API bool hf_tcp_endpoint_emit(hf_tcp_endpoint *ep, hf_time now, hf_out *out, hf_tcp_packet *packet);
/* When step or emit has something to do at the latest. */
HF_API hf_time hf_tcp_endpoint_wake(const hf_tcp_endpoint *ep);
/* An ICMP error about a segment we sent from `local` to `remote`: `quoted` are the first bytes of its TCP header (8 at
 * least). `mtu` > 0: it was too big for the path (RFC 1191, 8201); else `hard`: nobody is there. Believed only when its
 * sequence number is in flight (RFC 5927); a hard error ends attempts to connect and nothing else. */
HF_API void hf_tcp_endpoint_icmp(hf_tcp_endpoint *ep, hf_time now, const hf_ip *local, const hf_ip *remote, hf_bytes quoted, bool hard, uint32_t mtu);

/* ---- the endpoint, from above -------------------------------------------------------------------------------- */

/* `local` any (all zero): every address. An address's own listener goes before it. */
HF_API hf_err hf_tcp_listen(hf_tcp_endpoint *ep, const hf_ip *local, uint16_t port, uint64_t user);
/* Half-open connections of it are forgotten; open ones live on. */
HF_API void hf_tcp_unlisten(hf_tcp_endpoint *ep, const hf_ip *local, uint16_t port);
/* local_port 0: any free one (RFC 6056). NULL with *err. OPENED or ENDED follows. */
HF_API hf_tcp *hf_tcp_connect(hf_tcp_endpoint *ep, hf_time now, const hf_tcp_pair *pair, uint64_t user, hf_err *err);

typedef struct hf_tcp_counts {
    uint64_t segments_in, segments_out, bytes_in, bytes_out;
    uint64_t bad_segments;      /* checksum or header */
    uint64_t resets_in, resets_out;
    uint64_t retransmitted, timeouts, probes, undone; /* segments, RTOs, TLPs, reductions taken back */
    uint64_t challenges, challenges_held;             /* RFC 5961: sent, and withheld by the limit */
    uint64_t syns_in, cookies_out, cookies_in, cookies_bad, backlog_full;
    uint64_t opened, accepted;
    uint64_t timewaits, timewaits_evicted, timewaits_reused; /* the first: right now */
    uint64_t half_open, connections;                  /* right now */
    uint64_t paws_dropped, replies_dropped, ranges_dropped;
} hf_tcp_counts;
/* What happened since the endpoint was made. */
HF_API void hf_tcp_endpoint_counts(const hf_tcp_endpoint *ep, hf_tcp_counts *counts);
/* Bytes of one TIME_WAIT entry, half-open entry, and idle connection. */
HF_API void hf_tcp_sizes(size_t *timewait, size_t *half_open, size_t *connection);
/* Connections with bytes or an end that their peers have not acknowledged. */
HF_API uint64_t hf_tcp_endpoint_departing(const hf_tcp_endpoint *ep);
/* Whether `pair` is in TIME_WAIT, and until when. */
HF_API bool hf_tcp_in_timewait(const hf_tcp_endpoint *ep, const hf_tcp_pair *pair, hf_time *until);

/* ---- a connection: the pier ---------------------------------------------------------------------------------- */

/* OPENED, READABLE, WRITABLE, ENDED, RELEASED; then HF_IDLE, in the end HF_CLOSED or HF_FAULT. ENDED comes once: after the
 * peer's FIN a later failure is told by HF_FAULT, and hf_tcp_info says why. */
HF_API hf_step hf_tcp_next(hf_tcp *t, hf_time now, hf_pier_event *event);
/* Lends until the endpoint's next input, or take. */
HF_API hf_span hf_tcp_peek(const hf_tcp *t);
/* Consumed: opens the window. */
HF_API void hf_tcp_take(hf_tcp *t, size_t n);
/* COPIED and LENT. Everything while nothing is unsent (up to 64 extents); else bounded by output_bytes, output_extents.
 * An extent with a token is taken whole or not at all. Nothing after end. May be called before OPENED. */
HF_API uint64_t hf_tcp_put(hf_tcp *t, const hf_extent *extents, size_t count);
/* FIN: after what was put. RESET: at once. STOP: HF_ERR_BASE_USAGE, TCP cannot say it. */
HF_API hf_err hf_tcp_end(hf_tcp *t, hf_ending ending);
HF_API uint64_t hf_tcp_unsent(const hf_tcp *t);
/* Of what was put, the bytes that the peer has not acknowledged. */
HF_API uint64_t hf_tcp_unacknowledged(const hf_tcp *t);
/* Copies what is lent and not yet acknowledged, so that it may leave although its owner goes. False when memory ends. */
HF_API bool hf_tcp_own(hf_tcp *t);
HF_API void hf_tcp_free(hf_tcp *t);
/* The verbs as a table; lane 0. */
HF_API hf_pier hf_tcp_pier(hf_tcp *t);
HF_API void hf_tcp_set_user(hf_tcp *t, uint64_t user);

/* Segments are held back to be joined with what follows (Nagle, RFC 9293 3.7.4). Off unless asked for. */
HF_API void hf_tcp_set_nagle(hf_tcp *t, bool on);
/* 0: none. */
HF_API void hf_tcp_set_keepalive(hf_tcp *t, hf_time now, int64_t idle_ns);

/* What the kernel calls tcp_info, and more. Times in ns, windows in bytes. */
typedef struct hf_tcp_info {
    hf_tcp_pair pair;
    hf_tcp_state state;
    hf_err err; /* why it ended; 0 for good order, or not ended */
    bool sack, timestamps, ecn, scaled;
    uint8_t send_scale, receive_scale;
    uint16_t segment; /* payload of a full segment */
    uint32_t iss, irs, una, nxt, rcv_nxt;
    uint64_t send_window, receive_window;
    uint64_t congestion_window, threshold, in_flight;
    bool slow_start, recovering, loss; /* loss: after a timeout */
    int64_t rtt_ns, rtt_variation_ns, rtt_least_ns, rto_ns;
    uint64_t bytes_sent, bytes_acked, bytes_received, bytes_retransmitted;
    uint64_t segments_in, segments_out, retransmitted, timeouts, probes, undone, duplicates_in, out_of_order;
    unsigned backoff, ranges, records;
    uint64_t memory; /* bytes held besides the struct */
} hf_tcp_info;
HF_API void hf_tcp_info_of(const hf_tcp *t, hf_tcp_info *info);
/* The same by who speaks with whom; false when there is no such connection. */
HF_API bool hf_tcp_endpoint_info(const hf_tcp_endpoint *ep, const hf_tcp_pair *pair, hf_tcp_info *info);

#ifdef __cplusplus
}
#endif
#endif
