/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub's own structures. Not for others.
 *
 *     topic "board/1" ── history: messages, oldest first
 *          └─ matching ──► interest "board/1"  ──► listening ──► subscriber ── queue
 *                     └──► interest "board/ *" ──► listening ──┘
 */
#ifndef HF_TOPIC_CORE_H
#define HF_TOPIC_CORE_H

#include <handfast/topic.h>

#include "alloc.h"
#include "topic_message.h"

/* Things by name, sorted: looking one up takes as long whatever names peers choose. */
typedef struct hf_topic_named {
    hf_bytes name; /* lies in the same allocation */
} hf_topic_named;

typedef struct hf_topic_table {
    hf_topic_named **at;
    size_t count, capacity;
} hf_topic_table;

hf_topic_named *hf_topic_find(const hf_topic_table *t, hf_bytes name);
/* The name is new. False when memory ends. */
bool hf_topic_insert(hf_topic_table *t, const hf_allocator *alloc, hf_topic_named *thing);
void hf_topic_take_out(hf_topic_table *t, const hf_topic_named *thing);
void hf_topic_table_fini(hf_topic_table *t, const hf_allocator *alloc);

/* Messages in order: a circle. */
typedef struct hf_topic_entry {
    const hf_topic_message *message; /* held; the bridge also has some without */
    uint8_t slow;                    /* hf_topic_slow of its topic */
    bool gap_before;
} hf_topic_entry;

typedef struct hf_topic_line {
    hf_topic_entry *at;
    uint32_t first, count, capacity; /* a power of two, or 0 */
    uint64_t bytes;
} hf_topic_line;

static inline hf_topic_entry *hf_topic_line_at(const hf_topic_line *l, uint32_t index)
{
    return &l->at[(l->first + index) & (l->capacity - 1)];
}
/* Holds the message. False when memory ends. */
bool hf_topic_line_push(hf_topic_line *l, const hf_allocator *alloc, hf_topic_entry entry);
/* The first, whose message is now the caller's to drop. */
hf_topic_entry hf_topic_line_pop(hf_topic_line *l);
/* Drops all, and gives the memory back. */
void hf_topic_line_clear(hf_topic_line *l, const hf_allocator *alloc);

/* Room for short lines, to use again: who keeps up holds nothing, and yet needs a line for every message. */
enum { HF_TOPIC_SPARE_ENTRIES = 8, HF_TOPIC_SPARES = 1024 };
typedef struct hf_topic_spares {
    hf_topic_entry *first; /* each begins with where the next one lies */
    uint32_t count;
} hf_topic_spares;

/* The line has room then. False when memory ends. */
bool hf_topic_line_begin(hf_topic_line *l, hf_topic_spares *spares, const hf_allocator *alloc);
/* The line is empty: its room goes to whoever needs one next. */
void hf_topic_line_rest(hf_topic_line *l, hf_topic_spares *spares, const hf_allocator *alloc);
void hf_topic_spares_free(hf_topic_spares *spares, const hf_allocator *alloc);

typedef struct hf_topic_listening hf_topic_listening;

/* A pattern that somebody listens to. */
typedef struct hf_topic_interest {
    hf_topic_named named; /* first */
    bool wild;
    hf_topic_listening *first;
} hf_topic_interest;

struct hf_topic_listening {
    hf_topic_subscriber *subscriber;
    hf_topic_interest *interest;
    hf_topic_listening *next, *previous; /* of the interest */
    hf_topic_listening *more;            /* of the subscriber */
};

typedef struct hf_topic hf_topic;
struct hf_topic {
    hf_topic_named named; /* first */
    const hf_topic_rule *rule;
    hf_topic *older, *newer; /* by when it was last published to */
    hf_topic_line history;
    uint64_t gone; /* the highest number that the history has lost */
    hf_topic_interest **matching;
    size_t matching_count, matching_capacity;
};

struct hf_topic_hub {
    const hf_env *env;
    const hf_topic_rule *rules;
    size_t rule_count;
    hf_topic_position at;
    hf_topic_position recalled; /* the last of the past that was put there afterwards */
    uint64_t forgotten; /* the highest number of a topic that was forgotten altogether */
    hf_topic_table topics, interests, wild; /* wild: those interests with '*', once more */
    hf_topic *oldest, *newest;
    hf_topic_subscriber *subscribers;
    hf_topic_subscriber *ready_first, *ready_last;
    hf_topic_counts counts;
    hf_topic_spares spares;
};

struct hf_topic_subscriber {
    hf_topic_hub *hub;
    void *owner;
    hf_topic_subscriber *next, *previous;             /* of the hub */
    hf_topic_subscriber *ready_next, *ready_previous; /* of those with news */
    hf_topic_listening *listening;
    hf_topic_line queue;
    const hf_topic_message *told; /* held for whoever was told it last */
    hf_topic_position lost;       /* with gap_pending: the last that is missing */
    uint64_t seen;                /* at the start: what it has seen; then what it was offered last */
    uint32_t patterns;
    bool started, ready, too_slow;
    bool missed;      /* at the start: the token is of another epoch, or none at all */
    bool gap_pending; /* something is missing behind what waits */
};

/* The rule of a topic's name. Never NULL. */
const hf_topic_rule *hf_topic_rule_of(const hf_topic_hub *h, hf_bytes name);
/* Offers it a message of this rule. */
void hf_topic_offer(hf_topic_subscriber *s, const hf_topic_message *m, const hf_topic_rule *rule);
/* Something is missing for it, up to `at`. */
void hf_topic_miss(hf_topic_subscriber *s, hf_topic_position at);

#endif
