/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a connection, shared by the files of this room: quic.c (life, events, closing), quic_input.c (packets in),
 * quic_frames.c (what frames do), quic_emit.c (packets out), quic_loss.c (acknowledgements, loss, timers), quic_stream.c
 * (lanes and flow control), quic_hello.c (the handshake's carrier), quic_id.c (connection ids), quic_route.c (paths).
 */
#ifndef HF_QUIC_CORE_H
#define HF_QUIC_CORE_H

#include "congestion.h"
#include "pacer.h"
#include "quic_params.h"
#include "quic_protect.h"
#include "quic_receive.h"
#include "quic_send.h"
#include "quic_sent.h"
#include "rtt.h"
#include "timer.h"
#include "trace.h"

enum {
    HF_QUIC_ID = 12,          /* bytes of the ids that we issue */
    HF_QUIC_OUR_IDS = 4,      /* that a peer holds at once */
    HF_QUIC_THEIR_IDS = 4,    /* active_connection_id_limit */
    HF_QUIC_ROUTES = 3,
    HF_QUIC_FRAMES_MOST = 24, /* frames of one packet that are noted */
    HF_QUIC_ACK_DELAY_MS = 25,
    HF_QUIC_EARLY_MOST = 4,   /* datagrams kept until their keys are here */
    HF_QUIC_REASON = 128,     /* of the words of a CONNECTION_CLOSE */
    HF_QUIC_URGENCIES = 8,
    HF_QUIC_RETIRED = 16,     /* at least limit quic_retirements */
    HF_QUIC_SPARES = 64       /* streams whose memory an endpoint keeps for the next ones */
};

/* RFC 9000 20.1. */
enum {
    HF_QUIC_NO_ERROR = 0x00, HF_QUIC_INTERNAL = 0x01, HF_QUIC_REFUSED = 0x02, HF_QUIC_PROTOCOL_VIOLATION = 0x0a,
    HF_QUIC_APPLICATION_ERROR = 0x0c, HF_QUIC_CRYPTO_ERROR = 0x100
};

/* X(NAME, text) */
#define HF_QUIC_STATES(X) \
    X(SHAKING, "handshake") \
    X(OPEN, "open") \
    X(CLOSING, "closing: we said CONNECTION_CLOSE") \
    X(DRAINING, "draining: the peer said it") \
    X(OVER, "over")
#define HF_NAME(NAME, text) HF_QUIC_##NAME,
typedef enum hf_quic_state { HF_QUIC_STATES(HF_NAME) HF_QUIC_STATE_COUNT } hf_quic_state;
#undef HF_NAME

/* RFC 9000 3.1 and 3.2, without what no one can see: Ready and Send are one, Data Recvd and Data Read are one. */
typedef enum hf_lane_state {
    HF_LANE_NONE,  /* the stream has no such direction */
    HF_LANE_OPEN,
    HF_LANE_SIZED, /* sending: the end was put. Receiving: the final size is known */
    HF_LANE_RESET, /* sending: RESET_STREAM is due or sent. Receiving: it came, and was not told yet */
    HF_LANE_DONE,  /* sending: all is acknowledged. Receiving: all was read, or the reset was told */
    HF_LANE_STATE_COUNT
} hf_lane_state;

typedef struct hf_link {
    struct hf_link *next, *prev; /* both NULL: in no list */
} hf_link;

static inline void hf_list_init(hf_link *list)
{
    list->next = list->prev = list;
}
static inline bool hf_list_is_empty(const hf_link *list)
{
    return list->next == list;
}
static inline bool hf_link_is_in(const hf_link *link)
{
    return link->next != NULL;
}
static inline void hf_list_push(hf_link *list, hf_link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}
static inline void hf_link_leave(hf_link *link)
{
    if (link->next == NULL)
        return;
    link->next->prev = link->prev;
    link->prev->next = link->next;
    link->next = link->prev = NULL;
}

/* What a stream has to tell upward, and what it owes the peer. */
enum { HF_TELL_STREAM = 1, HF_TELL_READABLE = 2, HF_TELL_WRITABLE = 4, HF_TELL_FIN = 8, HF_TELL_RESET = 16, HF_TELL_STOP = 32 };
enum { HF_DUE_WINDOW = 1, HF_DUE_RESET = 2, HF_DUE_STOP = 4 };

typedef struct hf_stream {
    hf_link sendable, telling; /* first: lists of streams are lists of these */
    struct hf_stream *bucket;
    uint64_t id;
    hf_send *out;              /* NULL where the stream has no such direction; both lie behind the stream, in its block */
    hf_receive *in;
    uint64_t send_allowed;     /* by the peer's MAX_STREAM_DATA */
    uint64_t receive_allowed;  /* by ours, as told */
    uint64_t window;
    hf_time window_at;         /* when it was told last */
    uint64_t final_size;
    uint64_t reset_code, stop_code, peer_reset_code, peer_stop_code;
    uint8_t sending, receiving; /* hf_lane_state */
    uint8_t tell, due;
    uint8_t urgency;
    bool turns, wants_put, stopped; /* stopped: STOP_SENDING was asked for by us */
    bool wants_room;           /* hf_quic_room said 0 */
} hf_stream;

typedef struct hf_quic_space {
    hf_sent sent;
    hf_ranges received;
    uint64_t floor;            /* packets below are not taken any more: whether they came is forgotten */
    uint64_t largest_acked;    /* UINT64_MAX: none */
    hf_time largest_at;        /* when the largest received came */
    hf_time ack_at;            /* when an ACK is due, HF_NEVER: none is */
    hf_time loss_at;           /* when what is out is lost by time */
    hf_time eliciting_at;      /* when the last packet that elicits left */
    uint64_t marks[3];         /* received: ECT(1), ECT(0), CE */
    uint64_t ce_told;          /* by the peer's ACKs */
    uint64_t ect_told, ect_sent;
    hf_quic_keys read, write;
    hf_receive hello_in;
    hf_send hello_out;
    uint32_t unacked;          /* packets that elicit, since our last ACK */
    uint32_t alone;            /* packets in a row that elicit nothing */
    uint8_t probes;            /* that the timer asks for */
    bool gone;                 /* keys are discarded */
} hf_quic_space;

typedef struct hf_our_id {
    hf_cid cid;
    uint64_t sequence;
    struct hf_quic *quic;      /* for the endpoint's table */
    struct hf_our_id *bucket;
    bool on, due;              /* due: NEW_CONNECTION_ID is to be sent */
} hf_our_id;

typedef struct hf_their_id {
    hf_cid cid;
    uint64_t sequence;
    uint8_t reset_token[HF_QUIC_RESET_TOKEN];
    bool on, has_token, used;  /* used: on a path, now or before */
} hf_their_id;

/* A way to the peer. The one in use is q->route. */
typedef struct hf_route {
    hf_quic_path path;
    bool on, validated;
    bool preferred;            /* the server's end of it is the address that it prefers (RFC 9000 9.6) */
    bool wanted;               /* server: the client goes on here as soon as it is proven that it is there */
    uint64_t received, sent;   /* bytes before it was validated: no more than three times as much goes out */
    uint64_t id;               /* sequence number of the peer's connection id that is used on it */
    uint8_t challenge[8];
    bool challenge_due, challenged;
    uint8_t challenges;        /* that left without an answer */
    hf_time challenge_at;      /* when the next one is due */
    hf_time give_up_at;
    uint8_t answers[4][8];     /* PATH_RESPONSE due, oldest first */
    uint8_t answer_count;
} hf_route;

typedef struct hf_datagram {
    struct hf_datagram *next;
    size_t length;
    uint8_t bytes[];
} hf_datagram;
typedef struct hf_datagrams {
    hf_datagram *first, **last;
    size_t count;
} hf_datagrams;

/* The search for the largest datagram that passes. */
typedef struct hf_quic_sizing {
    hf_time at;                /* when the next may be tried; HF_NEVER: never */
    uint64_t bytes_before;     /* that were sent when the path was taken */
    uint16_t least_bad;        /* what is known not to pass; 0: nothing */
    uint8_t failed, black;
    bool out;                  /* a probe is */
} hf_quic_sizing;

/* What only the handshake needs. */
typedef struct hf_quic_shaking {
    hf_quic_space spaces[HF_LEVEL_APPLICATION];
    uint8_t parameters[HF_QUIC_PARAMS_MOST];
    hf_quic_keys first_read;   /* server that went on with another version: for Initial packets of the first one */
    hf_quic_address preferred; /* client: where the server wants it to go on; port 0: nowhere else */
    hf_cid original, retry_scid, first_scid; /* RFC 9000 7.3 */
    hf_our_id first_id;        /* server: the DCID that the client chose, while it may be used */
    bool judged;               /* server: which version to go on with was decided */
} hf_quic_shaking;

/* Sequence numbers of the peer's ids that are to be retired, or told to be and not acknowledged. */
typedef struct hf_quic_retirements {
    uint64_t due[HF_QUIC_RETIRED];
    bool sent[HF_QUIC_RETIRED];
} hf_quic_retirements;

/* The keys before and after those in use (RFC 9001 6): made anew when a connection wakes. */
typedef struct hf_quic_turnover {
    hf_quic_keys next_read, last_read;
} hf_quic_turnover;

/* 0-RTT: there only as long as it may be used. */
typedef struct hf_quic_zero {
    hf_quic_keys keys;         /* client: for writing; server: for reading */
    hf_quic_terms remembered;  /* client: of the server, when the session was made */
    hf_time until;             /* server: late packets are read until then */
} hf_quic_zero;

struct hf_quic {
    hf_timer timer;            /* first: the endpoint's heap holds these */
    hf_link ready, noticed, all;
    hf_quic_endpoint *ep;
    const hf_env *env;
    void *user;
    uint64_t id;
    uint32_t version;          /* in use; first_version: of the client's first packet */
    uint32_t first_version;
    hf_time now, started;
    uint8_t state;
    bool server, told_over, orphan, half_open;
    bool accepted;             /* ACCEPTED was told; a client counts as accepted */

    /* the handshake */
    hf_handshake hs;
    hf_level read_level;
    bool hello_done, confirmed, done_due, token_due, signing, verifying;
    bool got_packet;           /* client: an authentic packet came: no Version Negotiation or Retry after it */
    bool retried, resumed;
    bool prefers;              /* server: it told the client of an address that it prefers */
    hf_quic_zero *zero;        /* NULL: no 0-RTT, or no longer */
    bool early_taken;          /* server: 0-RTT is. Client: the server says so */
    bool early_on;             /* lanes are used, and the handshake is not complete */
    hf_queue token;            /* client: for Initial packets */
    hf_queue session, new_token;
    hf_quic_terms ours, theirs;

    hf_quic_space *spaces[HF_LEVEL_COUNT]; /* never NULL: two are the shaking's, or nobody's; one is `application` */
    hf_quic_space application;
    hf_quic_shaking *shaking;  /* NULL: confirmed, and at rest since */
    hf_quic_turnover *turnover; /* NULL: no 1-RTT keys yet, or at rest */
    bool read_phase, write_phase, update_confirmed;
    bool spin, spins;          /* RFC 9000 17.4: the bit that we send; whether it means anything on this path */
    uint64_t phase_from;       /* the first packet number received in this phase */
    uint64_t phase_sent_from;  /* the first that we sent in it */
    uint64_t sealed, forged;
    hf_time last_read_until;

    /* recovery */
    hf_rtt rtt;
    hf_congestion congestion;
    hf_pacer pacer;
    uint64_t in_flight;
    uint8_t era;
    uint32_t timeouts;         /* PTOs in a row */
    bool limited;              /* the window held us back */
    bool refill;               /* a batch was full: what is left waits for what the application has for it by now */
    bool ecn, ecn_failed;
    uint16_t datagram_bytes;   /* the largest we send */
    hf_quic_sizing sizing;
    hf_time first_rtt_at;
    uint64_t skip_next;        /* a packet number that will be left out: RFC 9000 21.4 */

    /* ids and paths */
    hf_our_id our_ids[HF_QUIC_OUR_IDS];
    uint64_t our_next;
    hf_their_id their_ids[HF_QUIC_THEIR_IDS];
    uint64_t retire_prior;
    uint64_t their_next, their_seen; /* above all sequence numbers that came; of the 64 below it, which came, the highest in bit 0 */
    uint64_t dcid_sequence, route_sequence; /* of our ids: by which the last packet came, and the one that made us move */
    hf_quic_retirements *retire; /* NULL: none are due */
    uint8_t retire_count;
    hf_route *routes;          /* one place while there is one way, else HF_QUIC_ROUTES */
    uint8_t route_count;
    uint8_t route, from_route; /* in use; by which the packet came that is being read */
    uint8_t fallback;          /* the last validated one */

    /* streams */
    hf_stream **buckets;
    uint32_t bucket_count, stream_count;
    hf_stream *recent;         /* the last one that was found; NULL: none */
    hf_link sendable[HF_QUIC_URGENCIES], telling;
    uint64_t opened[2], may_open[2];              /* by us: count, and the peer's limit. [0] two-way, [1] one-way */
    uint64_t peer_opened[2], peer_may[2], peer_told[2], peer_closed[2];
    bool streams_due[2], streams_wanted[2];
    uint64_t send_allowed, sent_bytes, put_bytes; /* put: and not dropped before it was sent */
    bool crowded;              /* some lane waits because of all of them together */
    uint64_t receive_allowed, received_bytes, taken_bytes, window;
    hf_time window_at;
    bool window_due, blocked;
    uint64_t gaps;
    uint64_t *tokens;          /* RELEASED to be told */
    uint32_t token_first, token_count, token_capacity, tokens_out;
    hf_datagrams datagrams_out, datagrams_in;
    hf_datagrams early;        /* packets that came before their keys, by the path that is in use */
    hf_datagram *lent;         /* a DATAGRAM that was told */

    /* time */
    hf_time idle_at, alive_at, pace_at;
    hf_time rest_at;           /* quiet until then: what can be made again is given back. HF_NEVER: it was */
    bool sent_since;           /* a packet that elicits left since the last one came */
    bool ping_due;
    uint64_t control_level;    /* the bucket of limit quic_control, in millionths */
    hf_time control_at;

    /* what is to be told */
    bool tell_early, tell_rejected, tell_opened, tell_confirmed, tell_sign, tell_verify, tell_session, tell_token, tell_moved;

    /* the end */
    hf_quic_fault fault;
    char *reason;              /* HF_QUIC_REASON bytes, once it is over and somebody gave one */
    uint64_t reading;          /* the number of the last authentic packet */
    bool faulted, close_due;
    hf_time over_at;
    uint32_t close_answers, close_after;

    uint64_t packets_sent, packets_received, packets_lost, bytes_sent, bytes_received, probes_sent, key_updates, migrations;
};

/* May lanes be opened and used? */
static inline bool hf_quic_is_usable(const hf_quic *q)
{
    return q->state == HF_QUIC_OPEN || (q->state == HF_QUIC_SHAKING && q->early_on);
}

#define HF_QUIC_REST_NS HF_MILLISECONDS(200)

/* ---- quic.c ------------------------------------------------------------------------------------------------- */

hf_quic *hf_quic_new(hf_quic_endpoint *ep, hf_time now, bool server, uint32_t version, const hf_quic_path *path);
/* Frees memory; the endpoint has forgotten it. */
void hf_quic_destroy(hf_quic *q);
void hf_quic_move(hf_quic *q, hf_quic_state to);
/* Breaks the connection and says so to the peer. The first one counts. Always false. */
bool hf_quic_fail(hf_quic *q, int32_t code, uint64_t frame, const char *wanted);
bool hf_quic_no_memory(hf_quic *q);
/* The connection is over without a word to the peer. */
void hf_quic_end_silently(hf_quic *q, int32_t code);
void hf_quic_peer_closed(hf_quic *q, const hf_frame *f);
/* Something is to be sent, told or timed anew. */
void hf_quic_touch(hf_quic *q);
/* Something came or left. */
void hf_quic_busy(hf_quic *q);
void hf_quic_rest(hf_quic *q);
bool hf_quic_has_events(const hf_quic *q);
uint64_t hf_quic_transport_code(const hf_quic_fault *fault);

/* ---- quic_input.c ------------------------------------------------------------------------------------------- */

/* One datagram, whose packets are for this connection. HF_OK when one of them was of use. */
hf_err hf_quic_datagram(hf_quic *q, hf_time now, const hf_quic_path *path, uint8_t ecn, hf_span datagram);
/* RFC 9001 6.3: the next keys are made ahead, so that an update takes no longer than any packet. False: memory. */
bool hf_quic_turnover_begin(hf_quic *q);
void hf_quic_turnover_end(hf_quic *q);
/* Datagrams that came before their keys. */
void hf_quic_datagrams_late(hf_quic *q);
void hf_datagrams_free(hf_datagrams *d, const hf_allocator *alloc);
bool hf_datagrams_push(hf_datagrams *d, const hf_allocator *alloc, hf_bytes bytes);
hf_datagram *hf_datagrams_pop(hf_datagrams *d);
void hf_datagram_free(hf_datagram *d, const hf_allocator *alloc);

/* ---- quic_frames.c ------------------------------------------------------------------------------------------ */

/* The payload of an authentic packet. False: the connection failed. */
bool hf_quic_frames(hf_quic *q, hf_level level, hf_quic_kind kind, hf_bytes payload, bool *eliciting, bool *probing);

/* ---- quic_emit.c -------------------------------------------------------------------------------------------- */

bool hf_quic_emit(hf_quic *q, hf_time now, hf_out *out, hf_quic_output *output);

/* ---- quic_loss.c -------------------------------------------------------------------------------------------- */

bool hf_quic_acked(hf_quic *q, hf_level level, const hf_frame_ack *ack);
/* What is due at q->now. */
void hf_quic_timers(hf_quic *q);
hf_time hf_quic_deadline(const hf_quic *q);
int64_t hf_quic_timeout_ns(const hf_quic *q, hf_level level);
/* Forgets a space and what was sent in it. */
void hf_quic_discard(hf_quic *q, hf_level level);
/* All that was sent in the space is sent anew (Retry). */
bool hf_quic_resend_all(hf_quic *q, hf_level level);
void hf_quic_new_path_recovery(hf_quic *q);
/* Nothing of what was sent in 0-RTT is out any more, nor will it be sent again. */
void hf_quic_abandon_sent(hf_quic *q);

/* ---- quic_stream.c ------------------------------------------------------------------------------------------ */

hf_stream *hf_stream_find(hf_quic *q, uint64_t id);
/* The stream of a frame from the peer; NULL when it is over (and *good) or the frame breaks a rule. `sends`: the frame is of a
 * direction in which we send. */
hf_stream *hf_stream_of_frame(hf_quic *q, uint64_t id, bool sends, uint64_t frame, bool *good);
bool hf_stream_data(hf_quic *q, const hf_frame *f);
bool hf_stream_reset(hf_quic *q, const hf_frame *f);
bool hf_stream_stop(hf_quic *q, const hf_frame *f);
void hf_stream_touch(hf_quic *q, hf_stream *s);
uint64_t hf_stream_may_send(const hf_quic *q, const hf_stream *s);
/* Forgets it when both directions are over and told. */
void hf_stream_settle(hf_quic *q, hf_stream *s);
void hf_streams_free(hf_quic *q);
/* Of one that hf_quic_spare_give took. */
void hf_stream_free_spare(hf_stream *s, const hf_allocator *alloc);
/* Bytes that it holds, but for those that are to be sent. */
size_t hf_stream_memory(const hf_stream *s);
/* Lets go of all that was put; what was LENT is told. */
void hf_streams_release(hf_quic *q);
/* The peer's parameters allow more than those that were remembered. */
void hf_streams_allow(hf_quic *q);
void hf_streams_unblock(hf_quic *q);
void hf_streams_uncrowd(hf_quic *q);
hf_send_released hf_quic_released(hf_quic *q);
bool hf_stream_tell_next(hf_quic *q, hf_quic_event *event);
void hf_streams_limits(hf_quic *q);
void hf_stream_sending(hf_stream *s, hf_lane_state to);
void hf_stream_receiving(hf_stream *s, hf_lane_state to);

/* ---- quic_hello.c ------------------------------------------------------------------------------------------- */

bool hf_quic_hello_begin(hf_quic *q, hf_bytes host, hf_bytes session);
/* CRYPTO data, in order or not. */
bool hf_quic_hello_data(hf_quic *q, hf_level level, uint64_t offset, hf_bytes bytes);
bool hf_quic_hello_step(hf_quic *q);
bool hf_quic_write_parameters(hf_quic *q);
void hf_quic_confirm(hf_quic *q);

/* ---- quic_mtu.c --------------------------------------------------------------------------------------------- */

/* A new path. */
void hf_quic_mtu_begin(hf_quic *q);
/* The size of a probe that may leave now; 0: none. */
size_t hf_quic_mtu_due(hf_quic *q);
void hf_quic_mtu_sent(hf_quic *q);
void hf_quic_mtu_settled(hf_quic *q, uint16_t size, bool arrived);
/* An acknowledgement was read: datagrams above the least size arrived, or were lost by it. */
void hf_quic_mtu_heard(hf_quic *q, bool large_arrived, bool large_lost);
void hf_quic_mtu_timeout(hf_quic *q);

/* ---- quic_early.c ------------------------------------------------------------------------------------------- */

/* The secret of 0-RTT is there. */
bool hf_quic_early_keys(hf_quic *q, const uint8_t *secret);
/* Lanes may be used from now on. */
void hf_quic_early_begin(hf_quic *q);
void hf_quic_early_rejected(hf_quic *q);
void hf_quic_early_forget(hf_quic *q);
/* The keys of 0-RTT packets that we send, or receive; NULL: there are none. */
hf_quic_keys *hf_quic_early_writes(hf_quic *q);
hf_quic_keys *hf_quic_early_reads(hf_quic *q);
/* Server: a number for all that a client remembers. */
uint64_t hf_quic_settings_number(const hf_quic *q);
/* Client: the session to be told. False: no memory. */
bool hf_quic_remember(hf_quic *q);
/* Client: takes such a session apart; what is none is an empty one. False: no memory. */
bool hf_quic_recall(hf_quic *q, hf_bytes session, hf_bytes *tls);
bool hf_quic_early_kept(const hf_quic_terms *before, const hf_quic_terms *now);

/* ---- quic_version.c ----------------------------------------------------------------------------------------- */

/* Server: the ClientHello in `hello` decides; false: it is not whole yet. */
bool hf_quic_version_judge(hf_quic *q, hf_bytes hello);
/* Client: an Initial packet of another version came, which we offered. Anybody on the way can send such a header; the keys are for
 * finding out who did: follow, once the packet was opened, or decline. False: q does not go on with this version. */
typedef struct hf_quic_version_keys {
    hf_quic_keys read, write;
} hf_quic_version_keys;
bool hf_quic_version_offer(hf_quic *q, uint32_t version, hf_quic_version_keys *keys);
void hf_quic_version_follow(hf_quic *q, uint32_t version, hf_quic_version_keys *keys);
void hf_quic_version_decline(hf_quic_version_keys *keys);
/* What we say of versions in our parameters. */
void hf_quic_version_params(const hf_quic *q, hf_quic_params *p);
/* RFC 9368 4: what the peer says agrees with what was seen. */
bool hf_quic_version_agrees(const hf_quic *q);

/* ---- quic_id.c ---------------------------------------------------------------------------------------------- */

/* Issues ids up to what the peer holds. */
bool hf_quic_issue_ids(hf_quic *q);
bool hf_quic_new_id(hf_quic *q, const hf_frame *f);
/* Client: the id for the server's preferred address, which is number 1 (RFC 9000 5.1.1). False: it is in use. */
bool hf_quic_preferred_id(hf_quic *q, const hf_quic_preferred *p);
bool hf_quic_retire_id(hf_quic *q, const hf_frame *f);
hf_their_id *hf_quic_their_id(hf_quic *q, uint64_t sequence);
/* A fresh one, or NULL. */
hf_their_id *hf_quic_fresh_id(hf_quic *q);
bool hf_quic_drop_id(hf_quic *q, uint64_t sequence);
bool hf_quic_is_reset(const hf_quic *q, hf_bytes datagram);

/* ---- quic_route.c ------------------------------------------------------------------------------------------- */

hf_route *hf_quic_route(hf_quic *q);
/* Places for other ways are given back when there is none. */
void hf_quic_routes_rest(hf_quic *q);
bool hf_quic_address_equal(const hf_quic_address *a, const hf_quic_address *b);
bool hf_quic_path_equal(const hf_quic_path *a, const hf_quic_path *b);
/* The route of a datagram that came; a new one when it is of an address that was not seen. -1: none is to be had. */
int hf_quic_route_of(hf_quic *q, const hf_quic_path *path);
/* An authentic packet that is no probe came by it, the newest so far. */
bool hf_quic_route_used(hf_quic *q, int route);
void hf_quic_challenge(hf_quic *q, hf_route *r);
/* Client: the handshake is confirmed; the address that the server prefers is tried. */
void hf_quic_prefer(hf_quic *q);
/* Client: of the server's preferred addresses the one of the family in use, unless it is one that nobody but this machine or
 * this network should be asked to send to. NULL: none. */
const hf_quic_address *hf_quic_preferred_of(const hf_quic *q, const hf_quic_preferred *p);
bool hf_quic_challenge_came(hf_quic *q, int route, const uint8_t data[8]);
bool hf_quic_answer_came(hf_quic *q, const uint8_t data[8]);
void hf_quic_route_timers(hf_quic *q);
hf_time hf_quic_route_deadline(const hf_quic *q);
/* Bytes that may go out on it now. */
uint64_t hf_quic_route_room(const hf_quic *q, const hf_route *r);

/* ---- quic_endpoint.c ---------------------------------------------------------------------------------------- */

const hf_env *hf_quic_env(const hf_quic_endpoint *ep);
/* The space of a level that is over: it is gone, has no keys and no deadlines. */
hf_quic_space *hf_quic_no_space(hf_quic_endpoint *ep);
/* Memory of two-way streams that are over, for the next ones. take: NULL, when there is none. give: false, when there is enough. */
hf_stream *hf_quic_spare_take(hf_quic_endpoint *ep);
bool hf_quic_spare_give(hf_quic_endpoint *ep, hf_stream *s);
void hf_quic_spares_free(hf_quic_endpoint *ep);
const hf_quic_config *hf_quic_config_of(const hf_quic_endpoint *ep);
/* Makes an id with its reset token and puts it in the table. False: no memory or entropy. */
bool hf_quic_make_id(hf_quic_endpoint *ep, hf_quic *q, hf_our_id *id);
bool hf_quic_table_add(hf_quic_endpoint *ep, hf_our_id *id);
void hf_quic_table_remove(hf_quic_endpoint *ep, hf_our_id *id);
/* The peer gave it up: what comes with it yet is dropped without a word. */
void hf_quic_table_retire(hf_quic_endpoint *ep, hf_our_id *id);
/* How many ids are looked at, in the mean, until one of them is found: in hundredths. */
uint64_t hf_quic_table_effort(const hf_quic_endpoint *ep);
bool hf_quic_reset_token(hf_quic_endpoint *ep, const hf_cid *cid, uint8_t token[HF_QUIC_RESET_TOKEN]);
/* A token for a later connection from this address. */
bool hf_quic_later_token(hf_quic_endpoint *ep, hf_time now, uint32_t version, const hf_quic_address *remote, hf_writer *w);
void hf_quic_schedule(hf_quic *q, hf_time wake, bool ready, bool notice);
/* It has events. */
void hf_quic_notice(hf_quic *q);
void hf_quic_opened(hf_quic *q);
void hf_quic_count_forged(hf_quic_endpoint *ep);
void hf_quic_forget(hf_quic *q);

#endif
