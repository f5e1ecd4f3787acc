/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics that several servers share, through a Redis server: the thread that carries bytes between it and the bridge
 * (topic_bridge.h), which decides all there is to decide.
 */
#ifndef HF_SERVER_SHARED_TOPICS_H
#define HF_SERVER_SHARED_TOPICS_H

#include <string.h>

#include "text.h"
#include "topic_bridge.h"
#include "topics.h"

typedef struct hf_shared_topics hf_shared_topics;

/* Does it name a server, and not a file? NULL names nothing. */
static inline bool hf_shared_topics_named(const char *where)
{
    return where != NULL && strstr(where, "://") != NULL;
}
/* Does it name a file? Nobody means one by off, memory or redis:host; ./off is one. */
bool hf_shared_topics_is_file(const char *where);
/* "must be ...": what may be given. */
const char *hf_shared_topics_forms(void);
/* Is it an address of Redis (store.h)? Otherwise says why it is none. */
bool hf_shared_topics_fit(const char *url, hf_writer *why);
/* Leads `t`, whose threads have joined, and waits until what Redis has of the past is there, or for limit topics_away_ns.
 * Lends `t` and `limits` until close. NULL: *err. */
hf_shared_topics *hf_shared_topics_open(hf_topics *t, const hf_limits *limits, const char *url, hf_err *err, hf_writer *why);
/* What still waits is given as much time as one answer. NULL is fine. */
void hf_shared_topics_close(hf_shared_topics *s);
/* Any thread. */
hf_topic_bridge_state hf_shared_topics_look(hf_shared_topics *s);

#endif
