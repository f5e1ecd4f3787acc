/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub: topics with their past, and the way of a message to those who listen.
 */
#include "panic.h"
#include "topic_core.h"

/* ---- rules and topics --------------------------------------------------------------------------------------- */

const hf_topic_rule *hf_topic_rule_of(const hf_topic_hub *h, hf_bytes name)
{
    static const hf_topic_rule plain = { .pattern = "**" };
    for (size_t i = 0; i < h->rule_count; i++)
        if (hf_topic_matches(hf_text(h->rules[i].pattern), name))
            return &h->rules[i];
    return &plain;
}

static void link_newest(hf_topic_hub *h, hf_topic *t)
{
    t->older = h->newest;
    t->newer = NULL;
    if (h->newest != NULL)
        h->newest->newer = t;
    else
        h->oldest = t;
    h->newest = t;
}

static void unlink_topic(hf_topic_hub *h, hf_topic *t)
{
    if (t->older != NULL)
        t->older->newer = t->newer;
    else
        h->oldest = t->newer;
    if (t->newer != NULL)
        t->newer->older = t->older;
    else
        h->newest = t->older;
}

static void lose_oldest(hf_topic_hub *h, hf_topic *t)
{
    const hf_topic_entry entry = hf_topic_line_pop(&t->history);
    h->counts.bytes -= hf_topic_message_size(entry.message);
    t->gone = entry.message->at.number;
    hf_topic_message_drop(entry.message);
}

static void free_topic(hf_topic_hub *h, hf_topic *t)
{
    const hf_allocator *const alloc = &h->env->alloc;
    while (t->history.count > 0)
        lose_oldest(h, t);
    h->forgotten = t->gone > h->forgotten ? t->gone : h->forgotten;
    hf_topic_line_clear(&t->history, alloc);
    unlink_topic(h, t);
    if (t->matching != NULL)
        hf_free(alloc, t->matching, t->matching_capacity * sizeof(hf_topic_interest *));
    hf_free(alloc, t, sizeof *t + t->named.name.len);
}

static void forget(hf_topic_hub *h, hf_topic *t)
{
    hf_topic_take_out(&h->topics, &t->named);
    free_topic(h, t);
}

/* ---- who matches whom --------------------------------------------------------------------------------------- */

static bool add_matching(hf_topic_hub *h, hf_topic *t, hf_topic_interest *i)
{
    if (t->matching_count == t->matching_capacity) {
        const size_t capacity = t->matching_capacity == 0 ? 2 : 2 * t->matching_capacity;
        hf_topic_interest **const at = hf_resize(&h->env->alloc, t->matching, t->matching_capacity * sizeof *at, capacity * sizeof *at);
        if (at == NULL)
            return false;
        t->matching = at;
        t->matching_capacity = capacity;
    }
    t->matching[t->matching_count++] = i;
    return true;
}

static void remove_matching(hf_topic *t, const hf_topic_interest *i)
{
    for (size_t k = 0; k < t->matching_count; k++)
        if (t->matching[k] == i) {
            t->matching[k] = t->matching[--t->matching_count];
            return;
        }
}

/* A new topic finds those who wait for it. */
static bool match_topic(hf_topic_hub *h, hf_topic *t)
{
    hf_topic_interest *const exact = (hf_topic_interest *)hf_topic_find(&h->interests, t->named.name);
    bool good = exact == NULL || add_matching(h, t, exact);
    for (size_t k = 0; good && k < h->wild.count; k++)
        if (hf_topic_matches(h->wild.at[k]->name, t->named.name))
            good = add_matching(h, t, (hf_topic_interest *)h->wild.at[k]);
    return good;
}

static void unmatch_interest(hf_topic_hub *h, const hf_topic_interest *i)
{
    hf_topic *const exact = i->wild ? NULL : (hf_topic *)hf_topic_find(&h->topics, i->named.name);
    if (exact != NULL)
        remove_matching(exact, i);
    for (size_t k = 0; i->wild && k < h->topics.count; k++)
        remove_matching((hf_topic *)h->topics.at[k], i);
}

/* A new interest finds the topics that there are. */
static bool match_interest(hf_topic_hub *h, hf_topic_interest *i)
{
    hf_topic *const exact = i->wild ? NULL : (hf_topic *)hf_topic_find(&h->topics, i->named.name);
    bool good = exact == NULL || add_matching(h, exact, i);
    for (size_t k = 0; good && i->wild && k < h->topics.count; k++)
        if (hf_topic_matches(i->named.name, h->topics.at[k]->name))
            good = add_matching(h, (hf_topic *)h->topics.at[k], i);
    if (!good)
        unmatch_interest(h, i);
    return good;
}

static hf_topic *topic_of(hf_topic_hub *h, hf_bytes name)
{
    const hf_allocator *const alloc = &h->env->alloc;
    hf_topic *t = (hf_topic *)hf_topic_find(&h->topics, name);
    if (t != NULL) {
        unlink_topic(h, t);
        link_newest(h, t);
        return t;
    }
    while (h->topics.count > 0 && h->topics.count >= h->env->limits->topics)
        forget(h, h->oldest);
    t = hf_alloc_zeroed(alloc, sizeof *t + name.len);
    if (t == NULL)
        return NULL;
    memcpy(t + 1, name.ptr, name.len);
    t->named.name = hf_bytes_make(t + 1, name.len);
    t->rule = hf_topic_rule_of(h, name);
    link_newest(h, t);
    if (match_topic(h, t) && hf_topic_insert(&h->topics, alloc, &t->named))
        return t;
    free_topic(h, t);
    return NULL;
}

/* ---- interests ---------------------------------------------------------------------------------------------- */

static void free_interest(hf_topic_hub *h, hf_topic_interest *i)
{
    hf_free(&h->env->alloc, i, sizeof *i + i->named.name.len);
}

static hf_topic_interest *make_interest(hf_topic_hub *h, hf_bytes pattern)
{
    const hf_allocator *const alloc = &h->env->alloc;
    hf_topic_interest *const i = hf_alloc_zeroed(alloc, sizeof *i + pattern.len);
    if (i == NULL)
        return NULL;
    memcpy(i + 1, pattern.ptr, pattern.len);
    i->named.name = hf_bytes_make(i + 1, pattern.len);
    i->wild = memchr(pattern.ptr, '*', pattern.len) != NULL;
    if (!match_interest(h, i)) {
        free_interest(h, i);
        return NULL;
    }
    if (hf_topic_insert(&h->interests, alloc, &i->named)) {
        if (!i->wild || hf_topic_insert(&h->wild, alloc, &i->named))
            return i;
        hf_topic_take_out(&h->interests, &i->named);
    }
    unmatch_interest(h, i);
    free_interest(h, i);
    return NULL;
}

static void leave_interest(hf_topic_hub *h, hf_topic_interest *i)
{
    if (i->first != NULL)
        return;
    unmatch_interest(h, i);
    hf_topic_take_out(&h->interests, &i->named);
    if (i->wild)
        hf_topic_take_out(&h->wild, &i->named);
    free_interest(h, i);
}

hf_err hf_topic_subscriber_add(hf_topic_subscriber *s, hf_bytes pattern)
{
    hf_topic_hub *const h = s->hub;
    const hf_limits *const limits = h->env->limits;
    if (!hf_topic_pattern_is_fit(pattern, limits))
        return hf_err_make(HF_ERR_TOPIC_NAME);
    for (const hf_topic_listening *l = s->listening; l != NULL; l = l->more)
        if (hf_bytes_equal(l->interest->named.name, pattern))
            return HF_OK;
    if (s->patterns >= limits->topic_patterns)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    hf_topic_listening *const l = hf_alloc_zeroed(&h->env->alloc, sizeof *l);
    hf_topic_interest *i = (hf_topic_interest *)hf_topic_find(&h->interests, pattern);
    if (l != NULL && i == NULL)
        i = make_interest(h, pattern);
    if (l == NULL || i == NULL) {
        if (l != NULL)
            hf_free(&h->env->alloc, l, sizeof *l);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    *l = (hf_topic_listening){ .subscriber = s, .interest = i, .next = i->first, .more = s->listening };
    if (i->first != NULL)
        i->first->previous = l;
    i->first = s->listening = l;
    s->patterns++;
    return HF_OK;
}

void hf_topic_subscriber_remove(hf_topic_subscriber *s, hf_bytes pattern)
{
    hf_topic_listening **at = &s->listening;
    while (*at != NULL && !hf_bytes_equal((*at)->interest->named.name, pattern))
        at = &(*at)->more;
    hf_topic_listening *const l = *at;
    if (l == NULL)
        return;
    *at = l->more;
    if (l->previous != NULL)
        l->previous->next = l->next;
    else
        l->interest->first = l->next;
    if (l->next != NULL)
        l->next->previous = l->previous;
    s->patterns--;
    leave_interest(s->hub, l->interest);
    hf_free(&s->hub->env->alloc, l, sizeof *l);
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

static uint64_t history_of(const hf_topic_hub *h, const hf_topic_rule *rule)
{
    const uint64_t most = h->env->limits->topic_history_events;
    return rule->no_history ? 0 : rule->history_events > 0 ? rule->history_events : most;
}

/* Into the past, which is bounded for each topic and for all of them together: the topic that was silent longest loses
 * first. */
static void remember(hf_topic_hub *h, hf_topic *t, const hf_topic_message *m)
{
    const hf_limits *const limits = h->env->limits;
    const uint64_t most = history_of(h, t->rule), size = hf_topic_message_size(m);
    while (t->history.count > 0 && (t->history.count >= most || t->history.bytes + size > limits->topic_history_bytes))
        lose_oldest(h, t);
    if (most == 0 || size > limits->topic_history_bytes || size > limits->topics_bytes ||
        !hf_topic_line_push(&t->history, &h->env->alloc, (hf_topic_entry){ .message = m })) {
        t->gone = m->at.number;
        return;
    }
    h->counts.bytes += size;
    for (hf_topic *old = h->oldest; h->counts.bytes > limits->topics_bytes; old = old->newer)
        while (old->history.count > 0 && h->counts.bytes > limits->topics_bytes)
            lose_oldest(h, old);
}

/* There is no memory for the topic: whoever listens to it is told that something is missing. */
static void miss(hf_topic_hub *h, const hf_topic_message *m)
{
    h->forgotten = m->at.number;
    for (size_t k = 0; k < h->interests.count; k++)
        if (hf_topic_matches(h->interests.at[k]->name, m->topic))
            for (hf_topic_listening *l = ((hf_topic_interest *)h->interests.at[k])->first; l != NULL; l = l->next)
                hf_topic_miss(l->subscriber, m->at);
}

/* Its topic, with the message in its history. NULL: it is told already, or there is no memory for it. */
static hf_topic *place(hf_topic_hub *h, const hf_topic_message *m)
{
    if (m->at.epoch != h->at.epoch || m->at.number <= h->at.number)
        return NULL;
    h->at.number = m->at.number;
    hf_topic *const t = topic_of(h, m->topic);
    if (t == NULL)
        miss(h, m);
    else
        remember(h, t, m);
    return t;
}

void hf_topic_hub_recall(hf_topic_hub *h, const hf_topic_message *m)
{
    if (place(h, m) != NULL)
        h->recalled = m->at;
}

void hf_topic_hub_deliver(hf_topic_hub *h, const hf_topic_message *m)
{
    const uint64_t before = h->at.number;
    const hf_topic *const t = place(h, m);
    h->counts.delivered += h->at.number > before;
    if (t == NULL)
        return;
    for (size_t k = 0; k < t->matching_count; k++)
        for (hf_topic_listening *l = t->matching[k]->first; l != NULL; l = l->next)
            hf_topic_offer(l->subscriber, m, t->rule);
}

/* ---- life --------------------------------------------------------------------------------------------------- */

hf_topic_hub *hf_topic_hub_new(const hf_env *env, const hf_topic_rule *rules, size_t rule_count, hf_topic_position at)
{
    hf_topic_hub *const h = hf_alloc_zeroed(&env->alloc, sizeof *h);
    if (h == NULL)
        return NULL;
    h->env = env;
    h->rules = rules;
    h->rule_count = rule_count;
    h->at = at;
    h->forgotten = at.number; /* what was before, nobody here knows */
    return h;
}

static void forget_all(hf_topic_hub *h)
{
    for (size_t k = 0; k < h->topics.count; k++)
        free_topic(h, (hf_topic *)h->topics.at[k]);
    h->topics.count = 0;
}

void hf_topic_hub_free(hf_topic_hub *h)
{
    if (h == NULL)
        return;
    HF_ASSERT(h->subscribers == NULL && h->interests.count == 0);
    forget_all(h);
    hf_topic_table_fini(&h->topics, &h->env->alloc);
    hf_topic_table_fini(&h->interests, &h->env->alloc);
    hf_topic_table_fini(&h->wild, &h->env->alloc);
    hf_topic_spares_free(&h->spares, &h->env->alloc);
    hf_free(&h->env->alloc, h, sizeof *h);
}

void hf_topic_hub_move(hf_topic_hub *h, hf_topic_position at)
{
    forget_all(h);
    h->at = at;
    h->forgotten = at.number;
    for (hf_topic_subscriber *s = h->subscribers; s != NULL; s = s->next) {
        s->missed = true;
        s->seen = at.number;
        hf_topic_miss(s, at);
    }
}

hf_topic_position hf_topic_hub_at(const hf_topic_hub *h)
{
    return h->at;
}

void hf_topic_hub_count(const hf_topic_hub *h, hf_topic_counts *counts)
{
    *counts = h->counts;
    counts->topics = h->topics.count;
}
