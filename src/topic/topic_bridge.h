/* SPDX-License-Identifier: Apache-2.0
 *
 * The bridge: topics of several machines, through a Redis server. A pure core between two connections and the topics of one
 * server: replies and published messages in, commands and the one sequence that all servers share out.
 *
 * Redis numbers the messages and keeps the last of them in a stream. Over LISTEN the bridge reads that stream and waits at
 * its end; over ASK it adds what is published here. So what is published here comes back as what others publish does, and
 * all servers tell the same in the same order. Every entry names the one before it: what is missing is seen.
 *
 * When Redis is away, what is published waits; for longer than limit topics_away_ns, and the server is alone: it goes on in
 * a sequence of its own, and everybody is told a gap. What was told so is handed to Redis when it is back, for the others.
 */
#ifndef HF_TOPIC_BRIDGE_H
#define HF_TOPIC_BRIDGE_H

#include <handfast/pier.h>
#include <handfast/topic.h>

typedef struct hf_topic_bridge hf_topic_bridge;

typedef enum hf_topic_lane { HF_TOPIC_LISTEN, HF_TOPIC_ASK, HF_TOPIC_LANES } hf_topic_lane;

typedef struct hf_topic_bridge_options {
    const char *user, *password; /* empty: none. Lent for life */
    uint16_t database;
    uint64_t origin; /* this life of this server: no other has the same */
} hf_topic_bridge_options;

typedef enum hf_topic_bridge_kind {
    HF_TOPIC_BRIDGE_MOVE,    /* the sequence goes on at `at`: the past is forgotten, everybody is told a gap */
    HF_TOPIC_BRIDGE_RECALL,  /* `message` is of the past: for those alone who come back */
    HF_TOPIC_BRIDGE_TELL,    /* `message` is next */
    HF_TOPIC_BRIDGE_JOINED,  /* the past is whole, and what comes is told as it comes */
    HF_TOPIC_BRIDGE_ALONE,   /* Redis was away for too long; a MOVE precedes it */
    HF_TOPIC_BRIDGE_HANG_UP  /* close the connection of `lane`; `why`: what the server said, or empty */
} hf_topic_bridge_kind;

typedef struct hf_topic_bridge_event {
    hf_topic_bridge_kind kind;
    hf_topic_position at;
    hf_topic_message *message; /* gives: drop it */
    hf_topic_lane lane;
    hf_bytes why; /* lent until the next step */
} hf_topic_bridge_event;

/* Lends `env`, whose allocator serves all threads, for life; copies the rest. NULL when memory ends. */
hf_topic_bridge *hf_topic_bridge_new(const hf_env *env, const hf_topic_bridge_options *options, hf_time now);
/* NULL is fine. */
void hf_topic_bridge_free(hf_topic_bridge *b);

/* Is a connection to be made? True: opened or closed follows, unless HANG_UP tells to give it up. */
bool hf_topic_bridge_connects(hf_topic_bridge *b, hf_topic_lane lane, hf_time now);
/* It is there. */
void hf_topic_bridge_opened(hf_topic_bridge *b, hf_topic_lane lane, hf_time now);
/* It ended by itself, or could not be made. */
void hf_topic_bridge_closed(hf_topic_bridge *b, hf_topic_lane lane, hf_time now);

/* Bytes of a connection: in->used of them are done with, the others are passed again with those that follow. Also without
 * any new ones, after wake and after publish. HF_EVENT or HF_IDLE: the core itself has no end. */
hf_step hf_topic_bridge_step(hf_topic_bridge *b, hf_time now, hf_topic_lane lane, hf_in *in, hf_topic_bridge_event *event);
/* What is to be sent: lent until the next call that is not take. */
hf_bytes hf_topic_bridge_peek(const hf_topic_bridge *b, hf_topic_lane lane);
void hf_topic_bridge_take(hf_topic_bridge *b, hf_topic_lane lane, size_t n);
hf_time hf_topic_bridge_wake(const hf_topic_bridge *b);

/* A message for all servers; kept. It has no place yet. False when memory ends: it is lost, and all are told a gap, as they
 * are when so much waits for a slow Redis that there is no room for it. */
bool hf_topic_bridge_publish(hf_topic_bridge *b, hf_time now, const hf_topic_message *m);

typedef struct hf_topic_bridge_state {
    bool joined, alone;
    uint64_t waiting; /* messages that Redis does not have yet */
    uint64_t waiting_bytes;
    uint64_t lost;    /* of those, for want of room: others are told a gap */
    uint64_t skipped; /* messages of others that are longer than may be kept here: told as gaps */
} hf_topic_bridge_state;
hf_topic_bridge_state hf_topic_bridge_look(const hf_topic_bridge *b);

#endif
