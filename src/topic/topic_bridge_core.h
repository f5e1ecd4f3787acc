/* SPDX-License-Identifier: Apache-2.0
 *
 * The bridge's own structures. Not for others.
 */
#ifndef HF_TOPIC_BRIDGE_CORE_H
#define HF_TOPIC_BRIDGE_CORE_H

#include "topic_bridge.h"
#include "topic_core.h"
#include "topic_resp.h"

/* What a lane waits for. LISTEN goes from the first to FOLLOW and CHECK; ASK ends in READY. */
typedef enum hf_topic_wait {
    HF_TOPIC_WAIT_DOWN,   /* its time to be connected */
    HF_TOPIC_WAIT_OPEN,   /* a connection */
    HF_TOPIC_WAIT_AUTH,   /* to be let in */
    HF_TOPIC_WAIT_SELECT,
    HF_TOPIC_WAIT_INFO,   /* which life of the server this is */
    HF_TOPIC_WAIT_JOIN,   /* which sequence there is */
    HF_TOPIC_WAIT_LOAD,   /* the past */
    HF_TOPIC_WAIT_FOLLOW, /* what comes */
    HF_TOPIC_WAIT_CHECK,  /* whether the sequence is still the one */
    HF_TOPIC_WAIT_READY   /* replies to what was published, if there are any to come */
} hf_topic_wait;

enum { HF_TOPIC_RUN = 40 };

typedef struct hf_topic_lane_state {
    hf_topic_wait wait;
    hf_queue out;
    hf_resp_scan scan;
    hf_time since;    /* the last sign of progress */
    size_t held;      /* bytes that were there last time */
    hf_time retry;    /* DOWN: not before */
    uint32_t failures;
    bool hang_up;     /* to be told */
    uint8_t why[160]; /* likewise: what the server said */
    size_t why_length;
} hf_topic_lane_state;

struct hf_topic_bridge {
    const hf_env *env;
    hf_topic_bridge_options options;
    hf_topic_lane_state lanes[HF_TOPIC_LANES];
    uint8_t run[HF_TOPIC_RUN];

    /* the sequence of Redis */
    hf_topic_position joined; /* epoch 0: none yet */
    uint64_t known;           /* up to here nobody is to be told */
    uint64_t target;          /* where the past ended when we joined */
    uint64_t entries;         /* of the reply that is being read, still to come */
    bool moving;              /* the next entry says where the sequence goes on */
    bool renew;               /* others have missed what we have: all are to be told */
    bool skipping;            /* the reply is longer than may be kept, and thrown away as it comes */
    uint64_t skipped_number;  /* the one message in it; 0: there are several, which may be short enough one by one */
    uint32_t careful;         /* so many replies are to have one message each */
    uint64_t skipped;

    /* our own, while Redis is away */
    bool alone;
    bool joined_untold, move_untold, alone_untold; /* events to come */
    hf_topic_position own;
    hf_time away;            /* since when Redis is; HF_NEVER: it is there */

    /* what is published here */
    hf_topic_line waiting;   /* numbered from `first` on. One without a message: something is missing here */
    bool missing;            /* likewise behind the last, and had no room there yet */
    uint64_t first;
    uint64_t told;           /* up to here they were told here, by us alone or as Redis had them */
    uint64_t lost;
    uint32_t sent;           /* of `waiting`, replies to come */
    bool gap_owed, gap_sent; /* before them: that there were more */
    hf_time asked;           /* since when the first of them waits; HF_NEVER: none does */
};

/* ---- topic_bridge_words.c: what is said to Redis. False when memory ends ------------------------------------------ */

bool hf_topic_say_auth(hf_topic_bridge *b, hf_topic_lane_state *l);
bool hf_topic_say_select(hf_topic_bridge *b, hf_topic_lane_state *l);
bool hf_topic_say_info(hf_topic_lane_state *l);
/* With the epoch that is begun if there is none, or we must begin another. */
bool hf_topic_say_join(hf_topic_bridge *b, uint64_t fresh);
/* What follows in the stream; `wait`: and wait for it. */
bool hf_topic_say_read(hf_topic_bridge *b, bool wait);
bool hf_topic_say_check(hf_topic_bridge *b);
/* NULL: that something is missing. */
bool hf_topic_say_add(hf_topic_bridge *b, uint64_t seq, const hf_topic_message *m);

/* So many entries are asked for at once as fit in an answer, at most. */
enum { HF_TOPIC_BATCH = 128 };
uint64_t hf_topic_batch(const hf_limits *limits);

/* How long the server waits at the end of the stream before it says that nothing came. */
enum { HF_TOPIC_BLOCK_MS = 5000 };

/* ---- topic_bridge_listen.c ------------------------------------------------------------------------------------------ */

/* A reply that is whole; *reply: what is left of it to be read. True with *event. */
bool hf_topic_listen_reply(hf_topic_bridge *b, hf_time now, hf_bytes *reply, hf_topic_bridge_event *event);
/* The first entry of those that are left, in `bytes`; *used of them are done with. */
bool hf_topic_listen_entry(hf_topic_bridge *b, hf_time now, hf_bytes bytes, size_t *used, hf_topic_bridge_event *event);
/* The reply that begins with `bytes` is too long. False: it is none that could be done without. */
bool hf_topic_listen_skip(hf_topic_bridge *b, hf_bytes bytes);
/* More of it; *used bytes are done with. True with *event. */
bool hf_topic_listen_skip_on(hf_topic_bridge *b, hf_time now, hf_bytes bytes, size_t *used, hf_topic_bridge_event *event);
/* Asks for what comes next. */
void hf_topic_listen_on(hf_topic_bridge *b, hf_time now);

/* ---- topic_bridge.c --------------------------------------------------------------------------------------------------- */

/* Ends the connection; `why` is copied. */
void hf_topic_hang_up(hf_topic_bridge *b, hf_topic_lane lane, hf_time now, hf_bytes why);

#endif
