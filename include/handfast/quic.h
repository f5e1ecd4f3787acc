/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/quic.h - QUIC version 1 (RFC 8999, 9000, 9001, 9002, 9221, 9287), client and server.
 *
 * Pure: datagrams in, datagrams out, time as an argument. An hf_quic_endpoint is what stands on one UDP socket: it finds
 * the connection of each datagram, negotiates versions, makes clients prove their address when many are half-open, and
 * answers for connections it has forgotten. It yields connections, each an hf_quic with many lanes (streams):
 *
 *   below   hf_quic_endpoint_input, _step, _emit, _wake      one call each for all connections of the endpoint
 *   above   hf_quic_next (events), peek, take, put, end, open one connection
 *
 * After each input, and when the clock reaches wake: step until HF_IDLE, serving the connections it names (hf_quic_next
 * until it is not HF_EVENT); then emit until false. Calls on a connection (put, take, end, close) also make something
 * to emit: whoever makes them outside that loop calls step and emit afterwards.
 *
 * What is slow or secret is an event and an answer: WANT_SIGN and WANT_VERIFY, as in tls.h.
 *
 * Lanes are stream ids (RFC 9000 2.1): bit 0 says who opened it (0 the client), bit 1 that it goes one way only.
 */
#ifndef HANDFAST_QUIC_H
#define HANDFAST_QUIC_H

#include "pier.h"
#include "tls.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_quic_endpoint hf_quic_endpoint;
typedef struct hf_quic hf_quic;

enum { HF_QUIC_V1 = 1, HF_QUIC_V2 = 0x6b3343cf, HF_QUIC_CID_MOST = 20, HF_QUIC_DATAGRAM_LEAST = 1200, HF_QUIC_DATAGRAM_MOST = 1500 };

static inline bool hf_lane_is_of_server(hf_lane lane)
{
    return (lane & 1) != 0;
}
static inline bool hf_lane_is_one_way(hf_lane lane)
{
    return (lane & 2) != 0;
}

/* An IPv6 address, or an IPv4 address as ::ffff:a.b.c.d, in network order; a UDP port. `zone`: the interface of a
 * link-local address, else 0. */
typedef struct hf_quic_address {
    uint8_t ip[16];
    uint32_t zone;
    uint16_t port;
} hf_quic_address;

typedef struct hf_quic_path {
    hf_quic_address local, remote;
} hf_quic_path;

/* Zero means the default, everywhere but in `tls` and `secret`. Copied, but for what it points to. */
typedef struct hf_quic_config {
    const hf_tls_config *tls; /* lent for life; TLS 1.3 is taken whatever versions it names. It must name protocols (ALPN) */
    uint8_t secret[32];   /* from entropy. Machines that share it can read each other's tokens and answer for each other */
    uint32_t machine;     /* which machine: in connection ids, encrypted; 0 where there is one */
    uint8_t thread;       /* which thread: the first byte of connection ids, plain; 0 where there is one */
    bool accept;          /* this endpoint serves: it takes connections */
    bool always_retry;    /* every new client proves its address first; else from limit quic_half_open on */
    bool newreno;         /* in place of CUBIC */
    bool version_2;       /* client: begin with version 2 (RFC 9369). Server: go on with it where a client that begins with version 1
                             offers it (RFC 9368). Both versions are always understood; a session is begun with its own */
    bool no_migration;    /* tell the peer not to move (a NAT may still) */
    /* Server: where clients shall go on once they are connected (RFC 9000 9.6): an address of IPv4 and one of IPv6, at which the
     * endpoint receives, too. Port 0: none. They stay at the one they came to when the other does not answer. */
    hf_quic_address preferred[2];
    bool no_preferred;    /* client: stay where the connection began, whatever the server prefers */
    bool datagrams;       /* offer RFC 9221 */
    uint16_t datagram_bytes; /* the UDP payload that is sent at first; 1200 to 1452; 0: 1200. Larger ones are tried (RFC 8899) */
    bool fixed_size;      /* they are not */
    int64_t idle_ns;      /* silence that ends the connection; 0: limit quic_idle_ns, 30 s */
    int64_t keep_alive_ns; /* a PING after so much silence; 0: none */
    uint64_t settings;    /* a number for what clients remember of the application for 0-RTT (HTTP/3: SETTINGS). Tickets that were
                             made with another one bring none. 0-RTT is offered or taken where tls->early_data says so */
} hf_quic_config;

/* ---- the endpoint, from below -------------------------------------------------------------------------------- */

/* What a socket received: one datagram, or with `segment` > 0 several of that size (the last may be shorter) from one
 * sender. Opened in place. */
typedef struct hf_quic_input {
    hf_quic_path path;
    uint8_t ecn; /* of the IP header, 0 where it is not known */
    uint16_t segment;
    hf_span bytes;
} hf_quic_input;

/* What leaves: the bytes are in hf_out, one piece; datagrams of `segment` bytes each but the last (GSO). 0: just one. */
typedef struct hf_quic_output {
    hf_quic_path path;
    uint8_t ecn;
    uint16_t segment;
    uint32_t length;
} hf_quic_output;

typedef enum hf_quic_endpoint_event_kind {
    HF_QUIC_ACCEPTED, /* a client begins a handshake: `quic` is the application's now. Its OPENED comes later */
    HF_QUIC_NOTICE    /* `quic` has events */
} hf_quic_endpoint_event_kind;

typedef struct hf_quic_endpoint_event {
    hf_quic_endpoint_event_kind kind;
    hf_quic *quic;
    void *user; /* of the connection: NULL until hf_quic_set_user */
} hf_quic_endpoint_event;

/* Lends `env` for life. NULL when memory or libcrypto fails. `now` fixes the age of tokens. */
HF_API hf_quic_endpoint *hf_quic_endpoint_new(const hf_env *env, const hf_quic_config *config, hf_time now);
/* Frees every connection too, without a word to their peers. */
HF_API void hf_quic_endpoint_free(hf_quic_endpoint *ep);

/* Why the (last) datagram was dropped, HF_OK when it was not. Only for counting: nothing needs to be done about it. */
HF_API hf_err hf_quic_endpoint_input(hf_quic_endpoint *ep, hf_time now, const hf_quic_input *in);
/* Runs timers that are due. HF_EVENT or HF_IDLE. */
HF_API hf_step hf_quic_endpoint_step(hf_quic_endpoint *ep, hf_time now, hf_quic_endpoint_event *event);
/* One batch of datagrams for one path, or false. It lies in out->scratch, of which HF_QUIC_DATAGRAM_MOST bytes must be
 * free and 65,000 are of use; one piece. Call until false. */
HF_API bool hf_quic_endpoint_emit(hf_quic_endpoint *ep, hf_time now, hf_out *out, hf_quic_output *output);
/* When step or emit has something to do at the latest. */
HF_API hf_time hf_quic_endpoint_wake(const hf_quic_endpoint *ep);

/* Begins (or ceases) to take new connections: a server that drains ceases. */
HF_API void hf_quic_endpoint_accept(hf_quic_endpoint *ep, bool accept);
/* Connections that begin from now on are made with `tls`, lent for life; those that are there stay as they are. It must
 * stand on the same hf_crypto, or on one that lives as long as the endpoint. */
HF_API void hf_quic_endpoint_retarget(hf_quic_endpoint *ep, const hf_tls_config *tls);
/* Likewise `settings` of the configuration. */
HF_API void hf_quic_endpoint_settings(hf_quic_endpoint *ep, uint64_t settings);
/* Likewise `preferred`. */
HF_API void hf_quic_endpoint_prefer(hf_quic_endpoint *ep, const hf_quic_address preferred[2]);
/* Does a connection, were it one that is just closing, stand on `tls`? Until none does, `tls` must stay. */
HF_API bool hf_quic_endpoint_uses(const hf_quic_endpoint *ep, const hf_tls_config *tls);
/* Which thread made the connection id that the datagram names; -1: a client chose it, or there is none. For who passes
 * strays on. Pure: asks no endpoint. */
HF_API int hf_quic_thread_of(hf_bytes datagram);

typedef struct hf_quic_counts {
    uint64_t datagrams_in, datagrams_out, bytes_in, bytes_out;
    uint64_t dropped;         /* datagrams of which nothing was of use */
    uint64_t undecryptable;   /* packets that did not authenticate */
    uint64_t versions, retries, resets; /* answers sent without a connection */
    uint64_t resets_in;       /* stateless resets received */
    uint64_t tokens_good, tokens_bad;
    uint64_t accepted, connected, refused;
    uint64_t half_open, connections; /* right now */
} hf_quic_counts;
/* What happened since the endpoint was made. */
HF_API void hf_quic_endpoint_counts(const hf_quic_endpoint *ep, hf_quic_counts *counts);

/* ---- connections --------------------------------------------------------------------------------------------- */

typedef struct hf_quic_target {
    hf_quic_path path;
    hf_bytes host;    /* for SNI and for the question of WANT_VERIFY. Copied */
    hf_bytes session; /* of an earlier connection's HF_QUIC_SESSION, or empty */
    hf_bytes token;   /* of an earlier connection's HF_QUIC_TOKEN to this server, or empty */
} hf_quic_target;

/* NULL with *err. OPENED or the end follows. */
HF_API hf_quic *hf_quic_connect(hf_quic_endpoint *ep, hf_time now, const hf_quic_target *target, void *user, hf_err *err);
/* Any time. A connection that is still open says nothing to its peer: close it first, and free it when it is over, or at
 * once after hf_quic_close: the endpoint keeps what the closing period needs. */
HF_API void hf_quic_free(hf_quic *q);
HF_API void hf_quic_set_user(hf_quic *q, void *user);

typedef enum hf_quic_event_kind {
    HF_QUIC_WANT_SIGN,   /* as in tls.h: then hf_quic_answer_sign, or hf_quic_sign_here */
    HF_QUIC_WANT_VERIFY, /* as in tls.h: then hf_quic_answer_verify */
    HF_QUIC_EARLY,       /* before OPENED: 0-RTT. Client: lanes may be opened and used, within what the server allowed the last time;
                            only what may be repeated by an attacker belongs there. Server: it is taken; what is peeked while
                            hf_quic_is_early may be a replay. Lanes may be opened and answered */
    HF_QUIC_EARLY_REJECTED, /* client, before OPENED: it was not taken. No lane is left: all begins anew at OPENED */
    HF_QUIC_OPENED,      /* the handshake is complete. Streams may be opened, within the peer's limits */
    HF_QUIC_CONFIRMED,   /* both sides know that it is (RFC 9001 4.1.2) */
    HF_QUIC_STREAM,      /* the peer opened `lane`. READABLE follows when it has bytes */
    HF_QUIC_READABLE,    /* peek has more than it had */
    HF_QUIC_WRITABLE,    /* put, which took less than offered, takes bytes again */
    HF_QUIC_ENDED,       /* FIN: all bytes were taken and no more follow. RESET: the peer gave up sending, unread bytes are
                            gone. STOP: the peer wants no more of ours; what was put is dropped and the peer is told so */
    HF_QUIC_RELEASED,    /* the LENT extent with `token` was acknowledged, or dropped */
    HF_QUIC_STREAMS,     /* open, which refused, can open again (`one_way`: which kind) */
    HF_QUIC_SESSION,     /* client: `bytes` resumes later; copy it. It is a secret */
    HF_QUIC_TOKEN,       /* client: `bytes` spares a later connection to this server a Retry; copy it */
    HF_QUIC_MOVED,       /* the peer's address, or our path to it, changed and was validated: hf_quic_info_of says it */
    HF_QUIC_DATAGRAM     /* RFC 9221: `bytes` arrived */
} hf_quic_event_kind;

/* Everything an event points to is lent until the next hf_quic_next; of WANT_SIGN and WANT_VERIFY until the answer. */
typedef struct hf_quic_event {
    hf_quic_event_kind kind;
    hf_lane lane;
    hf_ending ending;
    uint64_t token;
    bool one_way;
    hf_bytes bytes;
    hf_tls_event tls; /* WANT_SIGN, WANT_VERIFY: identity, scheme, message; chain, host */
} hf_quic_event;

/* HF_EVENT; HF_IDLE; and in the end HF_CLOSED (idle timeout, or closed by either side with an application's code 0 or
 * NO_ERROR, or with hf_quic_close) or HF_FAULT (hf_quic_fault_of says why). Over, it has no more lanes. LENT memory is no
 * longer read after HF_CLOSED or HF_FAULT was told: there is no RELEASED for it. */
HF_API hf_step hf_quic_next(hf_quic *q, hf_time now, hf_quic_event *event);

/* The answers to WANT_SIGN and WANT_VERIFY: an error ends the handshake. `signature` is lent for the call. What nobody asked
 * for is not looked at. */
HF_API void hf_quic_answer_sign(hf_quic *q, hf_time now, hf_err err, hf_bytes signature);
HF_API void hf_quic_answer_verify(hf_quic *q, hf_time now, hf_err err);
/* Signs with the identity's own key and answers: for those who keep keys in the process. */
HF_API void hf_quic_sign_here(hf_quic *q, hf_time now, const hf_quic_event *event);

/* ---- lanes --------------------------------------------------------------------------------------------------- */

/* HF_ERR_QUIC_STREAMS: the peer allows no more now; STREAMS comes when it does. Not before OPENED. */
HF_API hf_err hf_quic_open(hf_quic *q, hf_lane_kind kind, hf_lane *lane);
/* In-order bytes of the lane, one run; empty for a lane that is over or unknown. Lends until the next input, or take. */
HF_API hf_span hf_quic_peek(const hf_quic *q, hf_lane lane);
/* `n` bytes were consumed: opens the windows of the stream and of the connection. */
HF_API void hf_quic_take(hf_quic *q, hf_lane lane, size_t n);
/* COPIED and LENT extents; the bytes accepted. While the lane holds nothing unsent, everything is (up to 64 extents); else
 * no more than limit output_bytes. An extent with a token is accepted whole or not at all. 0 for a lane that cannot send. */
HF_API uint64_t hf_quic_put(hf_quic *q, hf_lane lane, const hf_extent *extents, size_t count);
/* Bytes that put takes for certain, in up to 64 extents, and that the peer's windows allow. 0: WRITABLE comes when there
 * are some. For who would fill lanes only as fast as they drain. */
HF_API uint64_t hf_quic_room(hf_quic *q, hf_lane lane);
/* FIN: behind what was put. RESET: gives up sending. STOP: asks the peer to send no more, and drops what it sent. */
HF_API hf_err hf_quic_end(hf_quic *q, hf_lane lane, hf_ending ending);
/* Bytes accepted by put and not yet sent for the first time. */
HF_API uint64_t hf_quic_unsent(const hf_quic *q, hf_lane lane);
/* The same of all lanes together. */
HF_API uint64_t hf_quic_backlog(const hf_quic *q);
/* All that was put and ended on any lane has arrived at the peer, or was given up. */
HF_API bool hf_quic_is_delivered(const hf_quic *q);
/* Which lanes go first (RFC 9218): urgency 0 to 7, 3 unless told; lanes of one urgency share by turns when `turns`, else
 * each is sent to its end. Unless told, they take turns. */
HF_API void hf_quic_prioritise(hf_quic *q, hf_lane lane, uint8_t urgency, bool turns);
/* Is there such a lane? A lane is forgotten when both directions are over and the peer knows. */
HF_API bool hf_quic_has(const hf_quic *q, hf_lane lane);
/* How many more lanes open would open now. */
HF_API uint64_t hf_quic_openable(const hf_quic *q, hf_lane_kind kind);

/* RFC 9221. HF_ERR_QUIC_DATAGRAM: the peer takes none of this size, or too many wait. Lost ones are not sent again. */
HF_API hf_err hf_quic_send_datagram(hf_quic *q, hf_bytes bytes);
/* The longest that hf_quic_send_datagram takes; 0: the peer takes none. */
HF_API size_t hf_quic_datagram_most(const hf_quic *q);

/* ---- the connection as a whole ------------------------------------------------------------------------------- */

/* Ends it: CONNECTION_CLOSE with an application's `code` (RFC 9000 19.19) and `reason` (at most 128 bytes of it). */
HF_API void hf_quic_close(hf_quic *q, hf_time now, uint64_t code, hf_bytes reason);
/* Client: goes on from another local address (RFC 9000 9.2): the new path is validated first. HF_ERR_QUIC_MIGRATION: not
 * confirmed yet, or the server forbade it, or no connection id is left. */
HF_API hf_err hf_quic_migrate(hf_quic *q, hf_time now, const hf_quic_address *local);
/* New keys (RFC 9001 6). HF_ERR_QUIC_KEY_UPDATE: the last update is not acknowledged yet. */
HF_API hf_err hf_quic_update_keys(hf_quic *q, hf_time now);
/* An ICMP "too big", or a socket's EMSGSIZE: datagrams on the path have at most `bytes` (never below 1200). */
HF_API void hf_quic_path_mtu(hf_quic *q, uint16_t bytes);

/* Why a connection is over. */
typedef struct hf_quic_fault {
    hf_err err;
    bool remote;        /* the peer said so */
    bool application;   /* `code` is an application's */
    uint64_t code;      /* of CONNECTION_CLOSE; 0 when none was sent or received (idle timeout, stateless reset) */
    uint64_t frame;     /* the frame type at fault, 0 unknown */
    uint64_t packet;    /* the number of the packet at fault */
    const char *wanted; /* what the rule wants there. Static */
    uint8_t reason_length;
    const char *reason; /* the peer's words: shown to people, never believed. Not NUL-terminated; lends until free */
    const hf_tls_fault *tls; /* not NULL: the handshake failed. Lends until free */
} hf_quic_fault;
/* After HF_FAULT or HF_CLOSED. Never NULL. Lends until free. */
HF_API const hf_quic_fault *hf_quic_fault_of(const hf_quic *q);

typedef struct hf_quic_info {
    hf_quic_path path;
    uint64_t id;          /* runs through logs, traces and metrics */
    bool server, open, confirmed, resumed, retried, ecn;
    bool early;           /* 0-RTT was taken */
    uint32_t version;
    uint16_t datagram_bytes;
    uint64_t congestion_window, threshold, in_flight;
    bool slow_start;
    int64_t rtt_ns, rtt_variation_ns, rtt_least_ns;
    uint64_t packets_sent, packets_received, packets_lost, bytes_sent, bytes_received;
    uint64_t timeouts;    /* PTOs */
    uint64_t key_updates, migrations;
    uint64_t send_allowed, sent, receive_allowed, received; /* bytes of all streams, as flow control counts */
    uint32_t lanes;
    size_t memory;        /* bytes held, this included */
} hf_quic_info;
/* How the connection does right now. */
HF_API void hf_quic_info_of(const hf_quic *q, hf_quic_info *info);

/* Between EARLY and OPENED, or EARLY_REJECTED. */
HF_API bool hf_quic_is_early(const hf_quic *q);
/* Did the handshake go on from a session before it (after OPENED, at a server after EARLY)? */
HF_API bool hf_quic_is_resumed(const hf_quic *q);

/* What was agreed (after OPENED, at a server after EARLY): as in tls.h. */
HF_API const char *hf_quic_suite(const hf_quic *q);
HF_API const char *hf_quic_group(const hf_quic *q);
HF_API hf_bytes hf_quic_protocol(const hf_quic *q);
HF_API hf_bytes hf_quic_host(const hf_quic *q);
HF_API hf_bytes hf_quic_peer(const hf_quic *q);

#ifdef __cplusplus
}
#endif
#endif
