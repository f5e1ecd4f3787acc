/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics of a server with many threads: one sequence for all of them, and a hub (topic.h) in each loop thread. Who
 * publishes gives the message its number under one lock and lays it before every thread; each tells its own subscribers.
 */
#ifndef HF_APP_TOPICS_H
#define HF_APP_TOPICS_H

#include <handfast/realtime.h>

#include "mailbox.h"

/* The member of one loop thread. */
typedef struct hf_topics_member hf_topics_member;

/* For a server: one for all threads. `alloc` (copied) is thread-safe and outlives every reference; `limits` and `rules` are
 * copied, what the rules point to is lent. `epoch` is another one in each life of the server. One reference. NULL: memory. */
hf_topics *hf_topics_new(const hf_allocator *alloc, const hf_limits *limits, const hf_topic_rule *rules, size_t count, uint64_t epoch);
/* NULL is fine. */
void hf_topics_drop(hf_topics *t);

/* In a loop thread, whose `env` and `mailbox` are lent until leave. NULL when memory ends. */
hf_topics_member *hf_topics_join(hf_topics *t, const hf_env *env, hf_mailbox *mailbox);
/* No request of the thread subscribes any more. Before the mailbox is closed. NULL is fine. */
void hf_topics_leave(hf_topics_member *m);

/* Who takes what is published from now on, to give it a place and insert it: where several servers share one sequence. The
 * message is lent, and has no place yet. NULL: nobody any more. Lent. */
typedef struct hf_topics_upstream {
    void *self;
    hf_err (*publish)(void *self, const hf_topic_message *m); /* any thread */
} hf_topics_upstream;
void hf_topics_lead(hf_topics *t, const hf_topics_upstream *upstream);

/* A message that has its place already, from another server: kept. Numbers rise. HF_ERR_BASE_LIMIT, HF_ERR_BASE_MEMORY. */
hf_err hf_topics_insert(hf_topics *t, const hf_topic_message *m);
/* Likewise of the past: for those alone who come back. */
hf_err hf_topics_recall(hf_topics *t, const hf_topic_message *m);
/* The sequence goes on elsewhere, for every thread. */
void hf_topics_move(hf_topics *t, hf_topic_position at);

/* What every thread counted, together. Any thread. */
void hf_topics_count(hf_topics *t, hf_topic_counts *sum);

/* ---- requests: realtime_topics.c -------------------------------------------------------------------------------- */

/* The hub of the thread, with all that was published so far. */
hf_topic_hub *hf_topics_hub(hf_topics_member *m);
/* Subscribers came or went: what hf_topics_count tells is brought up to date. */
void hf_topics_note(hf_topics_member *m);
/* Writes what there is news of and room for. */
hf_err hf_topics_pump(hf_req *rq);
/* The request is over. */
void hf_topics_fini(hf_req *rq);
/* There is news for the request: in the loop thread. */
void hf_topics_tell(hf_req *rq);

#endif
