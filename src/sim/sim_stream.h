/* SPDX-License-Identifier: Apache-2.0
 *
 * The stand-in for the kernel's TCP: one reliable byte stream over datagrams. Three-way opening, cumulative
 * acknowledgements, retransmission with backoff, a receive window, FIN for each direction alone, RST, and a checksum
 * over everything. It stands in until Handfast's own TCP comes, and is no TCP: its sequence numbers are 64 bits wide,
 * so they never wrap and compare as plain numbers.
 *
 * Two layers, as with a kernel socket: `pending` is what the program's pier still holds (lent memory, file ranges);
 * `out` is the socket buffer, which the network drains even after the program let go.
 *
 * Invariants: una <= nxt <= high; `out` begins at sequence number max(una, iss + 1); what the peer may send
 * (`edge`) never moves back; `out` and `in` never exceed send_buffer and receive_buffer.
 */
#ifndef HF_SIM_SIM_STREAM_H
#define HF_SIM_SIM_STREAM_H

#include "queue.h"
#include "sim_world.h"

typedef enum hf_sim_phase {
    HF_SIM_SYN_SENT,
    HF_SIM_SYN_RECEIVED,
    HF_SIM_OPEN, /* each direction ends by itself: fin_wanted..fin_acked, fin_known..fin_received */
    HF_SIM_DEAD  /* reset, refused, timed out or killed: only the pier is left */
} hf_sim_phase;

/* An extent that put accepted and the socket buffer has not taken, or whose RELEASED nobody has pulled. */
typedef struct hf_sim_piece hf_sim_piece;
struct hf_sim_piece {
    hf_sim_piece *next;
    hf_extent extent;
    uint64_t done;
    size_t copied; /* bytes of our own behind the struct */
};

/* Bytes that arrived before those they follow. Sorted by seq. */
typedef struct hf_sim_island hf_sim_island;
struct hf_sim_island {
    hf_sim_island *next;
    uint64_t seq;
    size_t len;
    uint8_t bytes[];
};

struct hf_sim_stream {
    hf_sim_stream *next; /* of the host */
    hf_sim_host *host;
    uint16_t peer;         /* host index; HF_WORLD_HOSTS: nobody */
    hf_address peer_address;
    uint16_t local_port, remote_port;
    hf_sim_phase phase;
    hf_sim_listener *listener; /* until accepted */
    hf_sim_stream *queue_next; /* of the listener's line */
    hf_sim_stream *ready_next;
    bool is_ready, held; /* held: a program has the pier */
    bool owned;
    void *owner;
    hf_err failed;

    /* sending */
    hf_queue out;
    hf_sim_piece *pending, *pending_last, *released;
    uint64_t pending_bytes;
    bool fin_wanted, fin_sent, fin_acked;
    uint64_t iss, una, nxt, high;
    uint64_t peer_edge; /* the peer takes bytes before this */
    uint64_t cwnd, ssthresh, recover;
    unsigned repeats; /* of the same acknowledgement */
    bool recovering;

    /* time */
    hf_timer timer;
    hf_time retry_at, expire_at, progress_at;
    unsigned tries;
    int64_t rto_ns, srtt_ns, rttvar_ns;
    uint64_t timed_seq; /* 0: nothing is timed */
    hf_time timed_at;

    /* receiving */
    hf_queue in;
    hf_sim_island *islands;
    size_t island_count;
    uint64_t rcv_nxt, edge;
    size_t receive_buffer, send_buffer;
    bool fin_known, fin_received;
    uint64_t fin_at;

    /* what the pier owes its program */
    bool owes_opened, owes_readable, owes_writable, owes_ended, wants_writable;
};

/* ---- sim_stream.c: the protocol ---- */
hf_sim_stream *hf_sim_stream_connect(hf_sim_host *h, const hf_address *to);
void hf_sim_stream_receive(hf_sim_host *h, hf_sim_packet *p);
/* Sends what may be sent. */
void hf_sim_stream_push(hf_sim_stream *s);
/* Tells the peer when its window grew enough to matter. */
void hf_sim_stream_opened_window(hf_sim_stream *s);
/* Over at once: tells the peer (unless `silent`) and, if it is held, the program. */
void hf_sim_stream_abort(hf_sim_stream *s, hf_err why, bool silent);
/* The program let go of the pier. */
void hf_sim_stream_let_go(hf_sim_stream *s);
void hf_sim_stream_timeout(hf_sim_stream *s);
void hf_sim_stream_free(hf_sim_stream *s);

/* ---- sim_pier.c: what the program sees ---- */
extern const hf_pier_ops hf_sim_pier_ops;
/* Moves pending pieces into the socket buffer. False when a file changed: the stream was aborted. */
bool hf_sim_pier_fill(hf_sim_stream *s);
/* Events may have come: the program shall look. */
void hf_sim_pier_ready(hf_sim_stream *s);
/* No READY is due any more: the owner may be gone. */
void hf_sim_pier_forget(hf_sim_stream *s);
/* Every pending piece is of no more use: those with a token will be released. */
void hf_sim_pier_abandon(hf_sim_stream *s);
void hf_sim_pier_fini(hf_sim_stream *s);
bool hf_sim_pier_has_events(const hf_sim_stream *s);

#endif
