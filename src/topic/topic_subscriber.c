/* SPDX-License-Identifier: Apache-2.0
 *
 * A subscriber: what waits for it, what becomes of it when too much waits, and where it begins.
 */
#include "panic.h"
#include "topic_core.h"

/* ---- who has news ------------------------------------------------------------------------------------------- */

static void make_ready(hf_topic_subscriber *s)
{
    hf_topic_hub *const h = s->hub;
    if (s->ready)
        return;
    s->ready = true;
    s->ready_next = NULL;
    s->ready_previous = h->ready_last;
    if (h->ready_last != NULL)
        h->ready_last->ready_next = s;
    else
        h->ready_first = s;
    h->ready_last = s;
}

static void make_unready(hf_topic_subscriber *s)
{
    hf_topic_hub *const h = s->hub;
    if (!s->ready)
        return;
    s->ready = false;
    if (s->ready_previous != NULL)
        s->ready_previous->ready_next = s->ready_next;
    else
        h->ready_first = s->ready_next;
    if (s->ready_next != NULL)
        s->ready_next->ready_previous = s->ready_previous;
    else
        h->ready_last = s->ready_previous;
}

hf_topic_subscriber *hf_topic_hub_ready(hf_topic_hub *h)
{
    hf_topic_subscriber *const s = h->ready_first;
    if (s != NULL)
        make_unready(s);
    return s;
}

/* ---- what waits --------------------------------------------------------------------------------------------- */

void hf_topic_miss(hf_topic_subscriber *s, hf_topic_position at)
{
    if (s->too_slow || !s->started) /* the start will see for itself */
        return;
    s->gap_pending = true;
    s->lost = at;
    make_ready(s);
}

static void let_go(hf_topic_subscriber *s)
{
    s->too_slow = true;
    s->hub->counts.let_go++;
    hf_topic_line_clear(&s->queue, &s->hub->env->alloc);
    make_ready(s);
}

/* The oldest goes; what comes next knows of the gap. */
static void drop_oldest(hf_topic_subscriber *s)
{
    const hf_topic_entry entry = hf_topic_line_pop(&s->queue);
    s->hub->counts.dropped++;
    if (s->queue.count > 0) {
        hf_topic_line_at(&s->queue, 0)->gap_before = true;
    } else {
        s->gap_pending = true;
        s->lost = entry.message->at;
    }
    hf_topic_message_drop(entry.message);
}

static bool is_full(const hf_topic_subscriber *s, const hf_topic_message *m, const hf_topic_rule *rule)
{
    const hf_limits *const limits = s->hub->env->limits;
    const uint64_t most = rule->backlog_events > 0 ? rule->backlog_events : limits->topic_backlog_events;
    return s->queue.count > 0 &&
           (s->queue.count >= most || s->queue.bytes + hf_topic_message_size(m) > limits->topic_backlog_bytes);
}

/* Makes room, or says that there is none. */
static bool make_room(hf_topic_subscriber *s, const hf_topic_message *m, const hf_topic_rule *rule)
{
    while (is_full(s, m, rule)) {
        const uint8_t victim = rule->slow == HF_TOPIC_DROP_OLDEST ? hf_topic_line_at(&s->queue, 0)->slow : (uint8_t)rule->slow;
        if (victim == HF_TOPIC_DISCONNECT) {
            let_go(s);
            return false;
        }
        if (rule->slow != HF_TOPIC_DROP_OLDEST) {
            s->hub->counts.dropped++;
            hf_topic_miss(s, m->at);
            return false;
        }
        drop_oldest(s);
    }
    return true;
}

static void queue_message(hf_topic_subscriber *s, const hf_topic_message *m, const hf_topic_rule *rule)
{
    if (!make_room(s, m, rule))
        return;
    const hf_topic_entry entry = { .message = m, .slow = (uint8_t)rule->slow, .gap_before = s->gap_pending };
    const hf_allocator *const alloc = &s->hub->env->alloc;
    if (!hf_topic_line_begin(&s->queue, &s->hub->spares, alloc) || !hf_topic_line_push(&s->queue, alloc, entry)) {
        hf_topic_miss(s, m->at);
        return;
    }
    s->gap_pending = false;
    make_ready(s);
}

/* What it missed is told as far as there is room, whatever the rule: who was let go for it would be so each time. */
static void replay_message(hf_topic_subscriber *s, const hf_topic_message *m, const hf_topic_rule *rule)
{
    while (is_full(s, m, rule))
        drop_oldest(s);
    queue_message(s, m, rule);
}

void hf_topic_offer(hf_topic_subscriber *s, const hf_topic_message *m, const hf_topic_rule *rule)
{
    /* Once, though two of its patterns match. Before the start the history has it. */
    if (s->too_slow || !s->started || m->at.number <= s->seen)
        return;
    s->seen = m->at.number;
    queue_message(s, m, rule);
}

/* ---- the start ---------------------------------------------------------------------------------------------- */

/* Messages of the past that it has not seen, gathered. */
typedef struct harvest {
    hf_topic_entry *at;
    size_t count, capacity;
    bool missed, failed;
} harvest;

static bool reserve(harvest *v, const hf_allocator *alloc, size_t more)
{
    const size_t capacity = v->count + more;
    if (capacity <= v->capacity)
        return true;
    hf_topic_entry *const at = hf_resize(alloc, v->at, v->capacity * sizeof *at, 2 * capacity * sizeof *at);
    if (at == NULL)
        return false;
    v->at = at;
    v->capacity = 2 * capacity;
    return true;
}

/* Of each topic at most as many as may wait: the newest of them. */
static void gather(const hf_topic_subscriber *s, const hf_topic *t, harvest *v)
{
    const uint64_t most = s->hub->env->limits->topic_backlog_events;
    uint32_t from = t->history.count;
    v->missed = v->missed || t->gone > s->seen;
    while (from > 0 && t->history.count - from < most && hf_topic_line_at(&t->history, from - 1)->message->at.number > s->seen)
        from--;
    v->missed = v->missed || (from > 0 && hf_topic_line_at(&t->history, from - 1)->message->at.number > s->seen);
    if (!reserve(v, &s->hub->env->alloc, t->history.count - from)) {
        v->failed = true;
        return;
    }
    for (; from < t->history.count; from++)
        v->at[v->count++] = (hf_topic_entry){ .message = hf_topic_line_at(&t->history, from)->message, .slow = (uint8_t)t->rule->slow };
}

static void sift(hf_topic_entry *at, size_t root, size_t count)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && at[child + 1].message->at.number > at[child].message->at.number)
            child++;
        if (at[root].message->at.number >= at[child].message->at.number)
            return;
        const hf_topic_entry swapped = at[root];
        at[root] = at[child];
        at[child] = swapped;
    }
}

/* By number, in place: the heap needs no memory. */
static void sort(harvest *v)
{
    for (size_t i = v->count / 2; i-- > 0;)
        sift(v->at, i, v->count);
    for (size_t last = v->count; last-- > 1;) {
        const hf_topic_entry top = v->at[0];
        v->at[0] = v->at[last];
        v->at[last] = top;
        sift(v->at, 0, last);
    }
}

static bool wants(const hf_topic_subscriber *s, const hf_topic *t)
{
    for (const hf_topic_listening *l = s->listening; l != NULL; l = l->more)
        if (hf_topic_matches(l->interest->named.name, t->named.name))
            return true;
    return false;
}

static void gather_all(const hf_topic_subscriber *s, harvest *v)
{
    const hf_topic_hub *const h = s->hub;
    const hf_topic_named *exact;
    bool wild = false;
    for (const hf_topic_listening *l = s->listening; l != NULL; l = l->more)
        wild = wild || l->interest->wild;
    for (size_t k = 0; wild && k < h->topics.count; k++)
        if (wants(s, (const hf_topic *)h->topics.at[k]))
            gather(s, (const hf_topic *)h->topics.at[k], v);
    for (const hf_topic_listening *l = s->listening; !wild && l != NULL; l = l->more)
        if ((exact = hf_topic_find(&h->topics, l->interest->named.name)) != NULL)
            gather(s, (const hf_topic *)exact, v);
}

/* From what it has seen to now. The first news is START, or GAP where something is missing. */
static hf_topic_news start(hf_topic_subscriber *s)
{
    hf_topic_hub *const h = s->hub;
    const hf_topic_position from = { h->at.epoch, s->seen };
    harvest v = { .missed = s->missed };
    s->started = true;
    if (s->seen < h->at.number) {
        v.missed = v.missed || h->forgotten > s->seen;
        gather_all(s, &v);
        sort(&v);
        const uint64_t most = h->env->limits->topic_backlog_events;
        const size_t skip = v.count > most ? (size_t)(v.count - most) : 0;
        v.missed = v.missed || v.failed || skip > 0;
        s->seen = h->at.number;
        for (size_t i = skip; i < v.count; i++)
            replay_message(s, v.at[i].message, hf_topic_rule_of(h, v.at[i].message->topic));
        if (v.at != NULL)
            hf_free(&h->env->alloc, v.at, v.capacity * sizeof *v.at);
    }
    h->counts.gaps += v.missed;
    return (hf_topic_news){ .kind = v.missed ? HF_TOPIC_GAP : HF_TOPIC_START, .at = from };
}

hf_topic_subscriber *hf_topic_subscriber_new(hf_topic_hub *h, void *owner, hf_bytes resume)
{
    hf_topic_position at;
    hf_topic_subscriber *const s = hf_alloc_zeroed(&h->env->alloc, sizeof *s);
    if (s == NULL)
        return NULL;
    s->hub = h;
    s->owner = owner;
    s->seen = h->at.number;
    if (resume.len > 0) {
        s->missed = !hf_topic_token_read(resume, &at) || at.epoch != h->at.epoch;
        s->seen = s->missed ? 0 : at.number;
    }
    s->next = h->subscribers;
    if (s->next != NULL)
        s->next->previous = s;
    h->subscribers = s;
    h->counts.subscribers++;
    return s;
}

void hf_topic_subscriber_free(hf_topic_subscriber *s)
{
    if (s == NULL)
        return;
    hf_topic_hub *const h = s->hub;
    while (s->listening != NULL)
        hf_topic_subscriber_remove(s, s->listening->interest->named.name);
    make_unready(s);
    hf_topic_line_clear(&s->queue, &h->env->alloc);
    hf_topic_message_drop(s->told);
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        h->subscribers = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    h->counts.subscribers--;
    hf_free(&h->env->alloc, s, sizeof *s);
}

void *hf_topic_subscriber_owner(const hf_topic_subscriber *s)
{
    return s->owner;
}

bool hf_topic_subscriber_is_lost(const hf_topic_subscriber *s)
{
    return s->too_slow;
}

/* ---- news --------------------------------------------------------------------------------------------------- */

static hf_topic_news gap(hf_topic_subscriber *s, hf_topic_position at)
{
    const hf_topic_position recalled = s->hub->recalled;
    s->hub->counts.gaps++;
    /* What was recalled since is part of the gap. */
    if (s->queue.count == 0 && recalled.epoch == at.epoch && recalled.number > at.number)
        at = recalled;
    return (hf_topic_news){ .kind = HF_TOPIC_GAP, .at = at };
}

hf_topic_news hf_topic_next(hf_topic_subscriber *s)
{
    hf_topic_message_drop(s->told);
    s->told = NULL;
    if (s->too_slow)
        return (hf_topic_news){ .kind = HF_TOPIC_TOO_SLOW };
    if (!s->started)
        return start(s);
    if (s->queue.count == 0) {
        const bool missing = s->gap_pending;
        s->gap_pending = false;
        return missing ? gap(s, s->lost) : (hf_topic_news){ .kind = HF_TOPIC_NOTHING };
    }
    hf_topic_entry *const first = hf_topic_line_at(&s->queue, 0);
    if (first->gap_before) { /* all before this one is told, or missing */
        first->gap_before = false;
        return gap(s, (hf_topic_position){ first->message->at.epoch, first->message->at.number - 1 });
    }
    s->told = hf_topic_line_pop(&s->queue).message;
    if (s->queue.count == 0) /* who keeps up holds nothing */
        hf_topic_line_rest(&s->queue, &s->hub->spares, &s->hub->env->alloc);
    s->hub->counts.told++;
    return (hf_topic_news){ .kind = HF_TOPIC_MESSAGE, .at = s->told->at, .message = s->told };
}
