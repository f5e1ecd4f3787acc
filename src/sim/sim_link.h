/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/sim_link.h - one direction of a link, as a model: given a datagram's size and the time, when does it arrive, how
 * often, how damaged, or why not at all? No bytes pass through here, only decisions.
 */
#ifndef HF_SIM_LINK_H
#define HF_SIM_LINK_H

#include <handfast/base.h>

/* Chances are parts in a million. */
typedef struct hf_link_options {
    uint64_t rate;        /* bits per second; 0: no bound */
    int64_t delay_ns;     /* propagation */
    int64_t jitter_ns;    /* up to this much more, per datagram; alone it never reorders */
    uint32_t loss;
    uint32_t reorder;     /* held back so that later datagrams overtake it */
    uint32_t duplicate;
    uint32_t corrupt;     /* one to three bits are flipped */
    uint32_t mtu;         /* bytes; larger datagrams are dropped; 0: no bound */
    uint64_t queue_bytes; /* what may wait for the rate, up to 1 GB; 0: no bound */
    bool down;            /* partitioned: everything is dropped */
} hf_link_options;

#define HF_LINK_CLEAN ((hf_link_options){ .delay_ns = HF_MILLISECONDS(1), .mtu = 1500 })

typedef enum hf_drop {
    HF_DROP_NONE,
    HF_DROP_DOWN,
    HF_DROP_MTU,
    HF_DROP_QUEUE,
    HF_DROP_LOSS,
    HF_DROP_NO_HOST,  /* nobody has that address, or its power is off */
    HF_DROP_CHECKSUM, /* it arrived damaged and the receiver noticed */
    HF_DROP_MEMORY,
    HF_DROP_COUNT
} hf_drop;

typedef struct hf_link_counts {
    uint64_t sent, sent_bytes; /* offered to the link */
    uint64_t arrived, arrived_bytes; /* copies that reached the far end */
    uint64_t dropped[HF_DROP_COUNT];
    uint64_t reordered, duplicated, corrupted;
} hf_link_counts;

typedef struct hf_link {
    hf_link_options options;
    hf_link_counts counts;
    hf_time busy_until;   /* the transmitter */
    hf_time last_arrival; /* of a datagram that was not held back: order is kept after it */
} hf_link;

/* What becomes of one datagram. */
typedef struct hf_fate {
    hf_drop drop; /* NONE: it arrives */
    unsigned copies;
    hf_time at[2];
    uint8_t flips[2]; /* bits to flip in each copy */
} hf_fate;

void hf_link_init(hf_link *l);
/* Decides, and counts all but the arrival. */
hf_fate hf_link_offer(hf_link *l, hf_random *random, hf_time now, size_t bytes);
/* Lends static memory. */
const char *hf_drop_text(hf_drop drop);

#endif
