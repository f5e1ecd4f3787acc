/* SPDX-License-Identifier: Apache-2.0
 *
 * The sequence and the threads. A thread in which nobody listens is not woken for each message: it takes them together.
 */
#include "topics.h"

#include <pthread.h>
#include <stdatomic.h>

#include "alloc.h"
#include "panic.h"

/* Messages that wait for a thread in which nobody listens, before it is woken for them. */
enum { LAZY = 512 };

/* What was published and not yet dealt with. An entry without a message is a move. */
typedef struct letter {
    const hf_topic_message *message; /* held */
    hf_topic_position move;
    bool past;
} letter;

typedef struct letters {
    letter *at;
    size_t count, capacity;
} letters;

struct hf_topics_member {
    hf_message fetch; /* first: posted when there is something to fetch */
    hf_topics *topics;
    hf_topics_member *next;
    hf_mailbox *mailbox;
    hf_topic_hub *hub;   /* the loop thread's own */
    letters inbox;       /* of the lock, like all that follows */
    bool posted, left;
    uint64_t listening;  /* subscribers, as of the last look */
    hf_topic_counts counts;
};

struct hf_topics {
    hf_allocator alloc;
    hf_limits limits;
    _Atomic uint32_t references;
    pthread_mutex_t lock;
    hf_topic_position at;
    hf_topics_member *members;
    const hf_topics_upstream *upstream; /* NULL: what is published here gets its number here */
    uint64_t published;
    hf_topic_counts gone; /* of members that left */
    size_t rule_count;
    hf_topic_rule rules[];
};

/* ---- life --------------------------------------------------------------------------------------------------- */

hf_topics *hf_topics_new(const hf_allocator *alloc, const hf_limits *limits, const hf_topic_rule *rules, size_t count, uint64_t epoch)
{
    hf_topics *const t = hf_alloc_zeroed(alloc, sizeof *t + count * sizeof *rules);
    if (t == NULL)
        return NULL;
    t->alloc = *alloc;
    t->limits = *limits;
    atomic_init(&t->references, 1);
    pthread_mutex_init(&t->lock, NULL);
    t->at.epoch = epoch;
    t->rule_count = count;
    if (count > 0)
        memcpy(t->rules, rules, count * sizeof *rules);
    return t;
}

static hf_topics *keep(hf_topics *t)
{
    atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return t;
}

void hf_topics_drop(hf_topics *t)
{
    if (t == NULL || atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) > 1)
        return;
    HF_ASSERT(t->members == NULL);
    pthread_mutex_destroy(&t->lock);
    const hf_allocator alloc = t->alloc;
    hf_free(&alloc, t, sizeof *t + t->rule_count * sizeof *t->rules);
}

static void clear(const hf_topics *t, letters *l)
{
    for (size_t i = 0; i < l->count; i++)
        hf_topic_message_drop(l->at[i].message);
    if (l->at != NULL)
        hf_free(&t->alloc, l->at, l->capacity * sizeof *l->at);
    *l = (letters){ 0 };
}

static void free_member(hf_topics_member *m)
{
    hf_topics *const t = m->topics;
    clear(t, &m->inbox);
    hf_free(&t->alloc, m, sizeof *m);
    hf_topics_drop(t);
}

static void fetch(hf_message *message);

hf_topics_member *hf_topics_join(hf_topics *t, const hf_env *env, hf_mailbox *mailbox)
{
    hf_topics_member *const m = hf_alloc_zeroed(&t->alloc, sizeof *m);
    if (m == NULL)
        return NULL;
    m->fetch.run = fetch;
    m->mailbox = mailbox;
    m->topics = keep(t);
    pthread_mutex_lock(&t->lock);
    m->hub = hf_topic_hub_new(env, t->rules, t->rule_count, t->at);
    if (m->hub != NULL) {
        m->next = t->members;
        t->members = m;
    }
    pthread_mutex_unlock(&t->lock);
    if (m->hub != NULL)
        return m;
    free_member(m);
    return NULL;
}

static void add_counts(hf_topic_counts *sum, const hf_topic_counts *c)
{
    sum->told += c->told;
    sum->dropped += c->dropped;
    sum->let_go += c->let_go;
    sum->gaps += c->gaps;
    sum->subscribers += c->subscribers;
    /* every thread has the same: */
    sum->topics = c->topics > sum->topics ? c->topics : sum->topics;
    sum->bytes = c->bytes > sum->bytes ? c->bytes : sum->bytes;
}

void hf_topics_leave(hf_topics_member *m)
{
    if (m == NULL)
        return;
    hf_topics *const t = m->topics;
    hf_topic_counts counts;
    pthread_mutex_lock(&t->lock);
    hf_topics_member **at = &t->members;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    m->left = true;
    hf_topic_hub_count(m->hub, &counts);
    counts.topics = counts.bytes = 0;
    add_counts(&t->gone, &counts);
    const bool posted = m->posted;
    pthread_mutex_unlock(&t->lock);
    hf_topic_hub_free(m->hub);
    m->hub = NULL;
    if (!posted) /* else the mailbox still has it, and runs it in the end */
        free_member(m);
}

void hf_topics_count(hf_topics *t, hf_topic_counts *sum)
{
    pthread_mutex_lock(&t->lock);
    *sum = t->gone;
    for (const hf_topics_member *m = t->members; m != NULL; m = m->next)
        add_counts(sum, &m->counts);
    sum->delivered = t->published;
    pthread_mutex_unlock(&t->lock);
}

/* ---- publishing: under the lock ------------------------------------------------------------------------------- */

static bool reserve(const hf_topics *t, letters *l)
{
    const size_t capacity = l->capacity == 0 ? 16 : 2 * l->capacity;
    if (l->count < l->capacity)
        return true;
    letter *const at = hf_resize(&t->alloc, l->at, l->capacity * sizeof *at, capacity * sizeof *at);
    if (at == NULL)
        return false;
    l->at = at;
    l->capacity = capacity;
    return true;
}

/* Room with every thread, or with none: so all of them see the same. */
static hf_err reserve_all(hf_topics *t)
{
    for (hf_topics_member *m = t->members; m != NULL; m = m->next) {
        if (m->inbox.count >= t->limits.messages)
            return hf_err_make(HF_ERR_BASE_LIMIT);
        if (!reserve(t, &m->inbox))
            return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    return HF_OK;
}

/* A full inbox is said at once even where nobody listens: who waits for room in it would wait for ever. */
static void lay_before(hf_topics_member *m, letter l)
{
    m->inbox.at[m->inbox.count++] = l;
    if (m->posted || (m->listening == 0 && m->inbox.count < LAZY && m->inbox.count < m->topics->limits.messages))
        return;
    m->posted = true;
    hf_mailbox_post(m->mailbox, &m->fetch);
}

static void lay_before_all(hf_topics *t, const hf_topic_message *message, bool past)
{
    t->at = message->at;
    t->published += !past;
    for (hf_topics_member *m = t->members; m != NULL; m = m->next)
        lay_before(m, (letter){ .message = hf_topic_message_keep(message), .past = past });
}

void hf_topics_lead(hf_topics *t, const hf_topics_upstream *upstream)
{
    pthread_mutex_lock(&t->lock);
    t->upstream = upstream;
    pthread_mutex_unlock(&t->lock);
}

hf_err hf_topics_publish(hf_topics *t, hf_bytes topic, hf_bytes name, hf_bytes data)
{
    hf_topic_message *message;
    hf_err err = hf_topic_message_new(&t->alloc, &t->limits, (hf_topic_position){ 0, 0 }, topic, name, data, &message);
    if (err.code != 0)
        return err;
    pthread_mutex_lock(&t->lock);
    if (t->upstream != NULL) {
        err = t->upstream->publish(t->upstream->self, message);
    } else if ((err = reserve_all(t)).code == 0) {
        hf_topic_message_place(message, (hf_topic_position){ t->at.epoch, t->at.number + 1 });
        lay_before_all(t, message, false);
    }
    pthread_mutex_unlock(&t->lock);
    hf_topic_message_drop(message);
    return err;
}

static hf_err insert(hf_topics *t, const hf_topic_message *m, bool past)
{
    pthread_mutex_lock(&t->lock);
    const bool fits = m->at.epoch == t->at.epoch && m->at.number > t->at.number;
    const hf_err err = fits ? reserve_all(t) : HF_OK;
    if (fits && err.code == 0)
        lay_before_all(t, m, past);
    pthread_mutex_unlock(&t->lock);
    return err;
}

hf_err hf_topics_insert(hf_topics *t, const hf_topic_message *m)
{
    return insert(t, m, false);
}

hf_err hf_topics_recall(hf_topics *t, const hf_topic_message *m)
{
    return insert(t, m, true);
}

void hf_topics_move(hf_topics *t, hf_topic_position at)
{
    pthread_mutex_lock(&t->lock);
    t->at = at;
    for (hf_topics_member *m = t->members; m != NULL; m = m->next) {
        if (!reserve(t, &m->inbox)) { /* what waits is of the old life: one place is enough */
            for (size_t i = 0; i < m->inbox.count; i++)
                hf_topic_message_drop(m->inbox.at[i].message);
            m->inbox.count = 0;
        }
        if (m->inbox.count < m->inbox.capacity)
            lay_before(m, (letter){ .move = at });
    }
    pthread_mutex_unlock(&t->lock);
}

/* ---- in the loop thread ------------------------------------------------------------------------------------- */

static void take_in(hf_topics_member *m)
{
    hf_topics *const t = m->topics;
    pthread_mutex_lock(&t->lock);
    letters all = m->inbox;
    m->inbox = (letters){ 0 };
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < all.count; i++) {
        const hf_topic_message *const message = all.at[i].message;
        if (message == NULL)
            hf_topic_hub_move(m->hub, all.at[i].move);
        else if (message->at.epoch != hf_topic_hub_at(m->hub).epoch) /* there was no memory for the move */
            hf_topic_hub_move(m->hub, (hf_topic_position){ message->at.epoch, message->at.number - 1 });
        if (message != NULL && all.at[i].past)
            hf_topic_hub_recall(m->hub, message);
        else if (message != NULL)
            hf_topic_hub_deliver(m->hub, message);
    }
    clear(t, &all);
}

static void note(hf_topics_member *m)
{
    hf_topic_counts counts;
    hf_topic_hub_count(m->hub, &counts);
    pthread_mutex_lock(&m->topics->lock);
    m->counts = counts;
    m->listening = counts.subscribers;
    pthread_mutex_unlock(&m->topics->lock);
}

static void fetch(hf_message *message)
{
    hf_topics_member *const m = (hf_topics_member *)message;
    hf_topic_subscriber *s;
    pthread_mutex_lock(&m->topics->lock);
    m->posted = false;
    const bool left = m->left;
    pthread_mutex_unlock(&m->topics->lock);
    if (left) {
        free_member(m);
        return;
    }
    take_in(m);
    while ((s = hf_topic_hub_ready(m->hub)) != NULL)
        hf_topics_tell(hf_topic_subscriber_owner(s));
    note(m);
}

hf_topic_hub *hf_topics_hub(hf_topics_member *m)
{
    take_in(m); /* others that listen here are told by the fetch that is posted */
    pthread_mutex_lock(&m->topics->lock);
    m->listening++; /* until the next look: better woken once too often */
    pthread_mutex_unlock(&m->topics->lock);
    return m->hub;
}

void hf_topics_note(hf_topics_member *m)
{
    note(m);
}
