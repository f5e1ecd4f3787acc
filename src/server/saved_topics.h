/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics whose history outlives the process: what is published is written to a file of SQLite (store.h) before anybody is told of
 * it, so that no number that a client has seen ever stands for another message, whenever the process is killed. A thread of
 * its own writes, as much at once as was published meanwhile.
 */
#ifndef HF_SERVER_SAVED_TOPICS_H
#define HF_SERVER_SAVED_TOPICS_H

#include "text.h"
#include "topics.h"

typedef struct hf_saved_topics hf_saved_topics;

/* Leads `t`, whose threads have joined, and lays before them what the file has of the past. Lends `t` until close. NULL: *err, and
 * why. */
hf_saved_topics *hf_saved_topics_open(hf_topics *t, const hf_limits *limits, const char *file, hf_err *err, hf_writer *why);
/* What waits is written; what is published from now on is refused. NULL is fine. */
void hf_saved_topics_close(hf_saved_topics *s);

#endif
