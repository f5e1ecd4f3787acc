/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside: what an endpoint and a connection are, shared by the files of this room.
 */
#ifndef HF_TCP_CORE_H
#define HF_TCP_CORE_H

#include "congestion.h"
#include "pacer.h"
#include "prr.h"
#include "rtt.h"
#include "tcp_hash.h"
#include "tcp_receive.h"
#include "tcp_record.h"
#include "tcp_send.h"
#include "tcp_state.h"
#include "tcp_syn.h"
#include "tcp_table.h"
#include "tcp_timewait.h"
#include "timer.h"
#include "trace.h"

enum {
    HF_TCP_INITIAL_SEGMENTS = 10,  /* RFC 6928 */
    HF_TCP_QUICK_ACKS = 16,        /* the first so many segments are acknowledged at once */
    HF_TCP_FIRST_WINDOW = 65535,   /* what a receiver offers before it knows its reader */
    HF_TCP_MSS_4 = 536,            /* RFC 9293 3.7.1: what is assumed when nothing was said */
    HF_TCP_MSS_6 = 1220,
    HF_TCP_MSS_LEAST = 88,         /* CVE-2019-11479: a smaller one makes a window cost thousands of segments */
    HF_TCP_KEEPALIVES = 9,         /* probes without an answer */
    HF_TCP_ORPHAN_PROBES = 8       /* of a window that stays shut, when nobody here waits any more */
};
#define HF_TCP_RTO_FIRST_NS HF_SECONDS(1)        /* RFC 6298 2.1 */
#define HF_TCP_RTO_MOST_NS HF_SECONDS(60)        /* RFC 6298 2.5 */
#define HF_TCP_GRANULARITY_NS HF_MILLISECONDS(1)
#define HF_TCP_PEER_DELAY_NS HF_MILLISECONDS(200) /* RFC 8985 7.2: WCDelAckT */
#define HF_TCP_FAR hf_time_make(HF_NEVER_NS - 1) /* a timer that is not set, but has its place */
#define HF_TCP_KEEPALIVE_EACH_NS HF_SECONDS(75)
#define HF_TCP_LULL_NS HF_SECONDS(3)              /* without a byte, and the sender's memory goes */
#define HF_TCP_CHALLENGE_EACH_NS HF_MILLISECONDS(500) /* of one connection */

/* What the one retransmission timer is for. */
typedef enum hf_tcp_timing { HF_TIMING_NONE, HF_TIMING_RTO, HF_TIMING_PROBE, HF_TIMING_PERSIST } hf_tcp_timing;
/* RFC 5681 and 8985: in order, repairing, or after a timeout. */
typedef enum hf_tcp_mood { HF_MOOD_OPEN, HF_MOOD_RECOVERY, HF_MOOD_LOSS } hf_tcp_mood;

/* A place in one of the endpoint's lists. `before` is the list itself for the first, NULL for who is not in it. */
typedef struct hf_tcp_link {
    void *before;
    hf_tcp *after;
} hf_tcp_link;
typedef struct hf_tcp_list {
    hf_tcp *first, *last;
} hf_tcp_list;

/* What only a connection needs that has something to send, or had a moment ago: so an idle one is small. */
typedef struct hf_tcp_sender {
    hf_time rest_at;               /* when nothing will have been out for long enough; HF_NEVER: something is out */
    hf_time reorder_at, pace_at;
    hf_records records;
    hf_congestion congestion;
    hf_prr prr;
    hf_pacer pacer;
    uint64_t allowance;            /* RECOVERY: what PRR lets out now */
    hf_time rack_sent_at;          /* RFC 8985: RACK.xmit_ts */
    int64_t rack_rtt_ns;
    hf_seq rack_end, forward;      /* RACK.end_seq, RACK.fack */
    hf_seq recover;                /* RECOVERY and LOSS end when this is acknowledged */
    hf_seq used_until;             /* when this is acknowledged, a new round of `used` begins */
    uint32_t used;                 /* the most that was in flight in this round */
    hf_seq probe_end;              /* RFC 8985 7.3: TLP.end_seq */
    uint32_t undo_stamp;           /* the first retransmission's timestamp */
    uint32_t undo_left;            /* retransmissions that no DSACK has shown to be needless */
} hf_tcp_sender;

struct hf_tcp {
    hf_timer timer; /* first: the heap gives this back */
    hf_tcp_endpoint *ep;
    hf_tcp_pair pair;
    uint32_t hash;
    uint8_t state;   /* hf_tcp_state */
    uint8_t timing;  /* hf_tcp_timing */
    uint8_t mood;    /* hf_tcp_mood */
    uint8_t backoff; /* of the retransmission timer */
    hf_err err;
    uint64_t user, id;
    hf_tcp_link all, ready, notice;

    /* sending: una <= nxt; una_at is the stream's offset of una */
    uint64_t una_at;
    hf_seq iss, una, nxt, fin_at;
    hf_tcp_send_queue out;
    uint32_t window, window_most;
    hf_seq window_seq, window_ack; /* RFC 9293: SND.WL1, SND.WL2 */
    uint16_t mss;                  /* the path's, without options */
    uint8_t send_scale, receive_scale;
    uint8_t duplicates;            /* without SACK: duplicate acknowledgements in a row */
    uint8_t reorder_steps, reorder_persist; /* RACK.reo_wnd_mult, reo_wnd_persist */
    uint8_t unacknowledged;        /* full segments received and not acknowledged; 2 stands for more, too */
    hf_time retransmit_at, ack_at, idle_at;
    hf_time progress_at;           /* when the peer last acknowledged something, or the wait began */
    hf_time quiet_since;           /* when a data segment last left */
    hf_rtt rtt;
    hf_tcp_sender *sender;         /* NULL: nothing is out, and nothing was for a while */
    uint32_t rest_window, rest_threshold; /* without a sender: what is known of the path; UINT32_MAX: no threshold yet */

    /* receiving */
    hf_seq irs, rcv_nxt;
    hf_seq edge;                   /* what the peer was told it may send, at the most */
    hf_seq last_ack;               /* RFC 7323: Last.ACK.sent */
    hf_tcp_receive_queue in;
    uint32_t receive_most;         /* the buffer's bound at present */
    uint32_t taken;                /* by the reader, since tuned_at */
    hf_time tuned_at;
    hf_time challenged_at;
    hf_time recent_at;
    uint32_t recent;               /* TS.Recent */
    uint32_t stamp_offset;         /* our timestamp minus the endpoint's milliseconds */
    hf_sack again;                 /* DSACK to tell: bytes that came twice; empty when start = end */
    hf_seq latest;                 /* where the newest piece beyond a gap lies */
    uint8_t quick;                 /* acknowledgements that leave at once */
    uint8_t keepalives;            /* probes without an answer */
    uint16_t round_ms;             /* the shortest round trip that the peer's echoes told since tuned_at, and 1; 0: none did */

    bool sack : 1, stamps : 1, ecn : 1;
    bool owned : 1;          /* the application has it */
    bool announced : 1;      /* ACCEPTED was told */
    bool attached : 1;       /* in the endpoint's table */
    bool end_asked : 1, fin_sent : 1, fin_known : 1;
    bool syn_due : 1, ack_due : 1, probe_due : 1, keepalive_due : 1;
    bool undo_possible : 1, reordered : 1, probing : 1, probe_again : 1; /* probing: a TLP is out */
    bool zero_probe : 1;     /* the byte beyond the peer's window is out */
    bool held_by_window : 1; /* the congestion window or the pacer held the last emit back */
    bool echo_mark : 1, cut_mark : 1; /* ECN: ECE until CWR comes; CWR is due */
    bool nagle : 1, passive : 1;
    bool tell_opened : 1, tell_readable : 1, tell_writable : 1, tell_end : 1, told_end : 1;
    bool wants_room : 1;     /* put refused something */

    uint32_t keepalive_ms;   /* 0: none */
    uint64_t bytes_received, bytes_retransmitted;
    uint64_t segments_in, segments_out;
    uint32_t retransmitted, timeouts, probes, undone, duplicates_in, out_of_order;
};

typedef struct hf_listener {
    hf_ip local;
    uint16_t port;
    uint32_t waiting; /* accepted and not yet told */
    uint64_t user;
} hf_listener;

/* A segment without a connection: RST, ACK of TIME_WAIT, SYN-ACK. */
typedef struct hf_reply {
    hf_ip source, destination;
    hf_segment segment;
} hf_reply;

struct hf_tcp_endpoint {
    const hf_env *env;
    const hf_allocator *alloc;
    hf_tcp_config config;
    hf_sip_key table_key, secret;
    hf_time now, born;
    hf_tcp_table table;
    hf_syns syns;
    hf_timewaits timewaits;
    hf_tcp *borrower;     /* whose reader may see the last input's own memory; NULL: nobody's */
    bool lasts;           /* the input that is dealt with */
    hf_time timewait_at;  /* when the oldest may expire */
    hf_listener *listeners;
    uint32_t listener_count;
    hf_reply *replies;    /* a ring of tcp_replies */
    uint32_t reply_head, reply_count;
    hf_timers timers;
    hf_tcp_list all, ready, notice;
    hf_tcp_list dead;     /* by their notice link: freed when the call that found them so ends */
    hf_time cookies_until; /* cookies are out, so acknowledgements are worth a look */
    int64_t challenge_second; /* RFC 5961 7: the second that is counted */
    uint32_t challenge_left;
    uint32_t next_port;
    uint64_t next_id;
    hf_tcp_counts counts;
};

/* ---- tcp.c: a connection's life ------------------------------------------------------------------------------ */
hf_tcp *hf_tcp_make(hf_tcp_endpoint *ep, const hf_tcp_pair *pair, uint32_t hash, uint64_t user);
void hf_tcp_move_on(hf_tcp *t, hf_tcp_move move);
/* It has something to emit; it has something to tell. */
void hf_tcp_ready(hf_tcp *t);
void hf_tcp_note(hf_tcp *t);
/* Over: leaves the endpoint's table. `err` 0: in good order. What nobody owns is freed by hf_tcp_bury. */
void hf_tcp_finish(hf_tcp *t, hf_err err);
void hf_tcp_bury(hf_tcp_endpoint *ep);
/* Into the table of 48 bytes, and over. */
void hf_tcp_wait(hf_tcp *t, hf_time now);
/* Sends a RST by the reply queue, and over. */
void hf_tcp_abort(hf_tcp *t, hf_err err);
void hf_tcp_set_timer(hf_tcp *t);
/* When the receive buffer, empty now, will have been so for long enough; HF_NEVER: it is not, or there is none. */
hf_time hf_tcp_buffer_at(const hf_tcp *t);
/* Takes its place among the timers again after it has fired. */
void hf_tcp_set_far(hf_tcp *t);
void hf_list_add(hf_tcp_list *list, hf_tcp *t, size_t link);
void hf_list_remove(hf_tcp_list *list, hf_tcp *t, size_t link);
#define HF_LINK(name) offsetof(hf_tcp, name)

/* ---- tcp_input.c ---------------------------------------------------------------------------------------------- */
/* RFC 9293 3.10.7.3 and 4. */
void hf_tcp_arrive(hf_tcp *t, hf_time now, const hf_segment *s, uint8_t ecn);
/* What a SYN says, from whichever side. */
void hf_tcp_agree(hf_tcp *t, const hf_segment *syn);
/* The handshake is over. */
void hf_tcp_opened(hf_tcp *t, hf_time now, const hf_segment *s);

/* ---- tcp_ack.c ------------------------------------------------------------------------------------------------ */
/* An acceptable acknowledgement. */
void hf_tcp_acked(hf_tcp *t, hf_time now, const hf_segment *s);
/* Sequence numbers in flight, as the congestion window counts them. */
uint32_t hf_tcp_flight(const hf_tcp *t);

/* ---- tcp_loss.c ----------------------------------------------------------------------------------------------- */
/* RFC 8985: what should have been acknowledged by now is lost. True when there is new loss; *sent_at: its newest. */
bool hf_tcp_detect(hf_tcp *t, hf_time now, hf_time *sent_at);
void hf_tcp_enter_recovery(hf_tcp *t, hf_time now, hf_time sent_at, uint32_t flight);
/* Sets the retransmission timer for what is in flight. */
void hf_tcp_rearm(hf_tcp *t, hf_time now);
int64_t hf_tcp_rto(const hf_tcp *t);
/* All deadlines of a connection that have come. */
void hf_tcp_expired(hf_tcp *t, hf_time now);
void hf_tcp_undo(hf_tcp *t);

/* ---- tcp_sender.c --------------------------------------------------------------------------------------------- */
/* Whether something is out: sent, and not acknowledged. */
static inline bool hf_tcp_is_out(const hf_tcp *t)
{
    return t->sender != NULL && t->sender->records.count > 0;
}
/* There is a sender, and room for `records` more. False: memory ended, and nothing may leave. */
bool hf_tcp_rouse(hf_tcp *t, hf_time now, uint32_t records);
/* All is acknowledged: its rest begins in a while. */
void hf_tcp_lull(hf_tcp *t, hf_time now);
/* Nothing was sent for a while: the sender goes, and what it found out about the path stays. */
void hf_tcp_rest(hf_tcp *t);
/* The sender goes. */
void hf_tcp_dismiss(hf_tcp *t);
/* The handshake is over: what RFC 6928 allows at first. */
void hf_tcp_first_window(hf_tcp *t);

/* ---- tcp_emit.c ----------------------------------------------------------------------------------------------- */
bool hf_tcp_write(hf_tcp *t, hf_time now, hf_out *out, hf_tcp_packet *packet);
/* Writes `s` and its pieces' checksum; the header's piece is out->pieces[at]. */
void hf_tcp_seal(hf_tcp_endpoint *ep, const hf_ip *source, const hf_ip *destination, const hf_segment *s, hf_out *out, size_t at, hf_tcp_packet *packet);
uint32_t hf_tcp_full(const hf_tcp *t); /* payload of a full segment */
/* The window could be told to be larger by enough to be worth a segment. */
bool hf_tcp_window_opened(const hf_tcp *t);
uint32_t hf_tcp_stamp_now(const hf_tcp *t, hf_time now);
/* Bytes of the stream sent at least once. */
uint64_t hf_tcp_sent(const hf_tcp *t);

/* ---- tcp_reply.c: segments without a connection -------------------------------------------------------------- */
void hf_reply_add(hf_tcp_endpoint *ep, const hf_tcp_pair *pair, const hf_segment *s);
/* RFC 9293 3.5.2: the RST that answers `s`. */
void hf_reply_reset(hf_tcp_endpoint *ep, const hf_tcp_pair *pair, const hf_segment *s);
bool hf_reply_emit(hf_tcp_endpoint *ep, hf_out *out, hf_tcp_packet *packet);
/* RFC 5961 7: may a challenge ACK leave? */
bool hf_reply_may_challenge(hf_tcp_endpoint *ep, hf_time now);

/* ---- tcp_listen.c: LISTEN and SYN_RECEIVED --------------------------------------------------------------------- */
hf_listener *hf_listener_find(hf_tcp_endpoint *ep, const hf_ip *local, uint16_t port);
void hf_listen_arrive(hf_tcp_endpoint *ep, hf_time now, hf_listener *l, const hf_tcp_pair *pair, uint32_t hash, const hf_segment *s, uint8_t ecn);
/* A SYN after TIME_WAIT: our numbers begin at `least` or later. */
void hf_listen_again(hf_tcp_endpoint *ep, hf_time now, const hf_tcp_pair *pair, uint32_t hash, const hf_segment *s, uint8_t ecn, hf_seq least);
void hf_syn_arrive(hf_tcp_endpoint *ep, hf_time now, hf_syn *syn, uint32_t hash, const hf_segment *s, uint8_t ecn);
void hf_syns_expire(hf_tcp_endpoint *ep, hf_time now);
/* A SYN-ACK that is due, as a reply. */
void hf_syn_answer(hf_tcp_endpoint *ep, hf_time now, hf_syn *syn);
uint16_t hf_mss_here(const hf_tcp_endpoint *ep, const hf_ip *remote);
uint8_t hf_scale_here(const hf_tcp_endpoint *ep);

/* ---- tcp_waiting.c: segments for TIME_WAIT ---------------------------------------------------------------------- */
/* True when the segment is a SYN that may begin a new connection: the entry is gone, and *iss is where it may start. */
bool hf_timewait_arrive(hf_tcp_endpoint *ep, hf_time now, hf_timewait *w, const hf_tcp_pair *pair, const hf_segment *s, hf_seq *iss);
uint32_t hf_tcp_ms(const hf_tcp_endpoint *ep, hf_time now);

/* A sentence on the invariant that is broken; NULL: all hold. For tests. */
const char *hf_tcp_wrong(const hf_tcp *t);
const char *hf_tcp_endpoint_wrong(const hf_tcp_endpoint *ep);

#endif
