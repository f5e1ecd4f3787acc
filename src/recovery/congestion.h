/* SPDX-License-Identifier: Apache-2.0
 *
 * The congestion window: CUBIC (RFC 9438) or NewReno (RFC 5681, RFC 9002 7), both with HyStart++ (RFC 9406).
 *
 * Bytes and times only, so that TCP and QUIC feed it alike: a packet is known by when it was sent. What was sent before the
 * last reduction belongs to the same congestion event and reduces nothing again (RFC 9002 7.3.2). Who finds the losses, and
 * how TCP meters what it sends during a recovery (prr.h), is not its business.
 */
#ifndef HF_RECOVERY_CONGESTION_H
#define HF_RECOVERY_CONGESTION_H

#include "hystart.h"

typedef enum hf_congestion_kind { HF_CONGESTION_CUBIC, HF_CONGESTION_NEWRENO } hf_congestion_kind;

/* What a reduction changes: kept once, so that a reduction found to be a mistake can be taken back. */
typedef struct hf_congestion_levels {
    uint64_t window, threshold;
    uint64_t most;      /* CUBIC: W_max, the window where the last loss came */
    uint64_t prior;     /* CUBIC: the window just before the last reduction */
    hf_time epoch;      /* CUBIC: when this avoidance began; HF_NEVER: not yet */
    uint64_t origin;    /* CUBIC: the window at epoch */
    int64_t rise_ms;    /* CUBIC: K, from origin back to most */
    uint64_t friendly;  /* CUBIC: W_est, in bytes */
} hf_congestion_levels;

typedef struct hf_congestion {
    hf_congestion_kind kind;
    uint32_t segment;    /* the largest payload of a packet */
    uint64_t initial;    /* the initial window */
    hf_congestion_levels now, before;
    bool can_undo;
    uint64_t credit;     /* bytes acknowledged and not yet turned into window, scaled by the window */
    uint64_t friendly_credit;
    hf_time reduced_at;  /* packets sent at or before belong to the last event; -1 ns: none yet */
    hf_time round_at;    /* a round ends when a packet sent then or later is acknowledged */
    hf_hystart hystart;
} hf_congestion;

/* One acknowledgement. */
typedef struct hf_congestion_ack {
    uint64_t bytes;      /* newly acknowledged, selectively or not */
    hf_time sent_at;     /* when the newest of them was sent */
    int64_t rtt_ns;      /* a round trip measured by it, 0 when there is none */
    int64_t smoothed_ns; /* the estimate */
    bool limited;        /* the window, not the application, held the sender back: only then may it grow (RFC 9002 7.8) */
} hf_congestion_ack;

void hf_congestion_init(hf_congestion *c, hf_congestion_kind kind, uint32_t segment, uint64_t initial_window);
void hf_congestion_acked(hf_congestion *c, hf_time now, const hf_congestion_ack *ack);
/* A packet sent at `sent_at` was lost, or came with a congestion mark. True when this is a new event: the window shrank. */
bool hf_congestion_lost(hf_congestion *c, hf_time now, hf_time sent_at);
/* The retransmission timer fired (RFC 5681 3.1), or QUIC found persistent congestion: one segment (two for QUIC, which
 * passes `least` 2), and slow start. `in_flight` before it. A second one in a row keeps the threshold. */
void hf_congestion_collapsed(hf_congestion *c, hf_time now, uint64_t in_flight, unsigned least, bool again);
/* The last reduction was a mistake (Eifel, DSACK, F-RTO). False when there is none to take back. */
bool hf_congestion_undo(hf_congestion *c);
/* Nothing was sent for `idle_ns`, longer than the timeout: RFC 5681 4.1's restart window. */
void hf_congestion_idle(hf_congestion *c, int64_t idle_ns);
/* The path carries other sizes now. */
void hf_congestion_resize(hf_congestion *c, uint32_t segment);

static inline uint64_t hf_congestion_window(const hf_congestion *c)
{
    return c->now.window;
}
static inline bool hf_congestion_slow_start(const hf_congestion *c)
{
    return c->now.window < c->now.threshold;
}
/* Bytes a second that the window amounts to, with the headroom pacing needs (RFC 9002 7.7); twice in slow start. */
uint64_t hf_congestion_rate(const hf_congestion *c, int64_t smoothed_ns);

/* CUBIC's own part. */
void hf_cubic_reduced(hf_congestion *c);
void hf_cubic_grow(hf_congestion *c, hf_time now, const hf_congestion_ack *ack);

#endif
