/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/topic.h - topics: published once, told to many, in order, and told again to those who come back.
 *
 * A pure core: messages in, news out, no clock and no thread of its own. One hub serves one loop thread; every hub of a
 * server is given the same messages in the same order, so that whoever comes back finds the same past in each.
 * What handlers call stands in realtime.h.
 *
 * A topic is a name of segments, "board/12": visible characters without '*', no empty segment. A pattern is such a name in
 * which "*" stands for any one segment, and a last segment "**" for one or more.
 *
 * Messages have numbers that rise through all topics of a server, within an epoch: so one token, "EPOCH-NUMBER", says what
 * somebody has seen of all his topics together. The epoch tells this life of the numbers from the one before.
 */
#ifndef HANDFAST_TOPIC_H
#define HANDFAST_TOPIC_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names -------------------------------------------------------------------------------------------------- */

/* Of at most limit topic_name_bytes. */
HF_API bool hf_topic_name_is_fit(hf_bytes name, const hf_limits *limits);
HF_API bool hf_topic_pattern_is_fit(hf_bytes pattern, const hf_limits *limits);
/* Both are fit. */
HF_API bool hf_topic_matches(hf_bytes pattern, hf_bytes name);

/* What becomes of a message for which a subscriber has no room, because it does not read (limits topic_backlog_events,
 * topic_backlog_bytes). Others are never held up by it. */
typedef enum hf_topic_slow {
    HF_TOPIC_DROP_OLDEST, /* the oldest that waits goes: for what is soon out of date */
    HF_TOPIC_DROP_NEWEST, /* the message itself goes */
    HF_TOPIC_DISCONNECT   /* no message of this topic may be missing: the subscriber is let go, and may come back */
} hf_topic_slow;

/* A row of the table of topics: the first whose pattern matches holds. Zero means the default. */
typedef struct hf_topic_rule {
    const char *pattern;
    hf_topic_slow slow;
    uint64_t backlog_events; /* limit topic_backlog_events */
    uint64_t history_events; /* limit topic_history_events */
    bool no_history;
} hf_topic_rule;

/* A place in the sequence of messages. */
typedef struct hf_topic_position {
    uint64_t epoch, number;
} hf_topic_position;

enum { HF_TOPIC_TOKEN = 40 };
/* The token: "EPOCH-NUMBER", hexadecimal and decimal. Lends `room`. */
HF_API hf_bytes hf_topic_token_write(hf_topic_position at, uint8_t room[HF_TOPIC_TOKEN]);
HF_API bool hf_topic_token_read(hf_bytes token, hf_topic_position *at);

/* ---- a message ---------------------------------------------------------------------------------------------- */

/* Immutable, counted, shared by all threads. Encoded when somebody first wants it so, once for everybody. */
typedef struct hf_topic_message {
    hf_topic_position at;
    hf_bytes topic, name, data; /* `name`: of the event; may be empty */
} hf_topic_message;

typedef enum hf_topic_form {
    HF_TOPIC_EVENT,    /* an event of an event stream: id, event, data */
    HF_TOPIC_FRAME,    /* a WebSocket frame of text: {"id":"...","topic":"...","event":"...","data":"..."} */
    HF_TOPIC_DEFLATED, /* likewise, compressed */
    HF_TOPIC_FORMS
} hf_topic_form;

/* Copies. `alloc` (copied) is one for all threads, and outlives every holder. Data are UTF-8: what is not becomes U+FFFD in
 * frames. HF_ERR_TOPIC_NAME: the topic, or an event's name with CR, LF or NUL. HF_ERR_TOPIC_TOO_LARGE: limit
 * topic_message_bytes. HF_ERR_BASE_MEMORY. One holder: the caller. */
HF_API hf_err hf_topic_message_new(const hf_allocator *alloc, const hf_limits *limits, hf_topic_position at, hf_bytes topic,
                                   hf_bytes name, hf_bytes data, hf_topic_message **message);
HF_API hf_topic_message *hf_topic_message_keep(const hf_topic_message *m);
/* NULL is fine. */
HF_API void hf_topic_message_drop(const hf_topic_message *m);
/* The message in this form; ptr NULL when memory ends. Lends as long as the message is held. Any thread. */
HF_API hf_bytes hf_topic_message_form(const hf_topic_message *m, hf_topic_form form);
/* Gives a message its place, before it is shared. */
HF_API void hf_topic_message_place(hf_topic_message *m, hf_topic_position at);

/* ---- the hub ------------------------------------------------------------------------------------------------ */

typedef struct hf_topic_hub hf_topic_hub;
typedef struct hf_topic_subscriber hf_topic_subscriber;

typedef struct hf_topic_counts {
    uint64_t delivered; /* messages that came to the hub */
    uint64_t told;      /* messages told, to each subscriber once */
    uint64_t dropped;   /* for want of room with a subscriber */
    uint64_t let_go;    /* subscribers that were too slow for HF_TOPIC_DISCONNECT */
    uint64_t gaps;      /* told */
    uint64_t subscribers, topics, bytes; /* now; bytes: of history */
} hf_topic_counts;

/* Lends `env` and `rules` for life. The next message has a number above `at`. NULL when memory ends. */
HF_API hf_topic_hub *hf_topic_hub_new(const hf_env *env, const hf_topic_rule *rules, size_t rule_count, hf_topic_position at);
/* No subscriber is left. NULL may be freed. */
HF_API void hf_topic_hub_free(hf_topic_hub *h);
/* A message for whoever listens, and for the history; kept. Numbers rise: another is not looked at. When memory ends it is a
 * gap for those whom it was for. */
HF_API void hf_topic_hub_deliver(hf_topic_hub *h, const hf_topic_message *m);
/* A message of the past, in its place: only for those who come back. */
HF_API void hf_topic_hub_recall(hf_topic_hub *h, const hf_topic_message *m);
/* The sequence goes on elsewhere: what came between is not known, the past is forgotten, everybody is told a gap. */
HF_API void hf_topic_hub_move(hf_topic_hub *h, hf_topic_position at);
HF_API hf_topic_position hf_topic_hub_at(const hf_topic_hub *h);
HF_API void hf_topic_hub_count(const hf_topic_hub *h, hf_topic_counts *counts);
/* A subscriber for whom there is news since it was last asked for any; NULL: none. Each once. */
HF_API hf_topic_subscriber *hf_topic_hub_ready(hf_topic_hub *h);

/* ---- a subscriber ------------------------------------------------------------------------------------------- */

/* `owner` is whoever listens. `resume` is the token of what it has seen; empty: it comes for the first time. NULL when
 * memory ends. */
HF_API hf_topic_subscriber *hf_topic_subscriber_new(hf_topic_hub *h, void *owner, hf_bytes resume);
/* NULL may be freed. */
HF_API void hf_topic_subscriber_free(hf_topic_subscriber *s);
HF_API void *hf_topic_subscriber_owner(const hf_topic_subscriber *s);
/* One pattern more; what matches two is told once. What it missed is told for those that are added before the first news
 * is taken; later ones begin now. HF_ERR_TOPIC_NAME, HF_ERR_BASE_LIMIT (limit topic_patterns), HF_ERR_BASE_MEMORY. */
HF_API hf_err hf_topic_subscriber_add(hf_topic_subscriber *s, hf_bytes pattern);
/* One less; nothing happens when it has no such pattern. What waits already is still told. */
HF_API void hf_topic_subscriber_remove(hf_topic_subscriber *s, hf_bytes pattern);

/* Is HF_TOPIC_TOO_SLOW its next news? */
HF_API bool hf_topic_subscriber_is_lost(const hf_topic_subscriber *s);

typedef enum hf_topic_news_kind {
    HF_TOPIC_NOTHING,
    HF_TOPIC_START,   /* the first news: from here on; `at` */
    HF_TOPIC_MESSAGE, /* `message` */
    HF_TOPIC_GAP,     /* something is missing before what comes next, or as first news among what was published by now;
                         `at` to resume from */
    HF_TOPIC_TOO_SLOW /* the subscriber is to be let go; there is no other news any more */
} hf_topic_news_kind;

typedef struct hf_topic_news {
    hf_topic_news_kind kind;
    hf_topic_position at;
    const hf_topic_message *message; /* lent until the subscriber's next news, or a call of the hub */
} hf_topic_news;

/* The next news, which is then told. */
HF_API hf_topic_news hf_topic_next(hf_topic_subscriber *s);

#ifdef __cplusplus
}
#endif
#endif
