/* SPDX-License-Identifier: Apache-2.0
 *
 * A hub: who is told what, in which order, what becomes of the slow, and what those are told who come back. The last tests
 * hold it against a model that keeps everything.
 */
#include <stdio.h>
#include <stdlib.h>

#include <handfast/topic.h>

#include "harness.h"
#include "random.h"

enum { EPOCH = 0xe };

typedef struct rig {
    hf_test_world world;
    hf_topic_hub *hub;
    uint64_t number;
} rig;

static void begin(rig *r, const hf_topic_rule *rules, size_t count)
{
    hf_test_world_init(&r->world, 1);
    r->number = 0;
    r->hub = hf_topic_hub_new(&r->world.env, rules, count, (hf_topic_position){ EPOCH, 0 });
    assert_non_null(r->hub);
}

static void end(rig *r)
{
    hf_topic_hub_free(r->hub);
    hf_test_world_fini(&r->world);
}

static void publish(rig *r, const char *topic, const char *data)
{
    hf_topic_message *m;
    const hf_topic_position at = { EPOCH, ++r->number };
    const hf_err err = hf_topic_message_new(&r->world.env.alloc, &r->world.limits, at, hf_text(topic), hf_text(""), hf_text(data), &m);
    assert_true(err.code == 0 || r->world.memory.fail_at > 0);
    if (m != NULL)
        hf_topic_hub_deliver(r->hub, m);
    hf_topic_message_drop(m);
}

static hf_topic_subscriber *listen_to(rig *r, const char *pattern, const char *token)
{
    hf_topic_subscriber *const s = hf_topic_subscriber_new(r->hub, r, hf_text(token));
    assert_non_null(s);
    assert_ptr_equal(hf_topic_subscriber_owner(s), r);
    const hf_err err = hf_topic_subscriber_add(s, hf_text(pattern));
    assert_int_equal(err.code, 0);
    return s;
}

/* The news until there is none, as text: "S3" start, "G3" gap, a message's data, "SLOW". */
static const char *news(hf_topic_subscriber *s)
{
    static char text[8192];
    size_t n = 0;
    text[0] = 0;
    for (;;) {
        const hf_topic_news now = hf_topic_next(s);
        const char *const space = n > 0 ? " " : "";
        if (now.kind == HF_TOPIC_NOTHING)
            return text;
        if (now.kind == HF_TOPIC_MESSAGE) {
            assert_true(now.at.number == now.message->at.number);
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", space, HF_STR(now.message->data));
        } else if (now.kind == HF_TOPIC_TOO_SLOW) {
            snprintf(text + n, sizeof text - n, "%sSLOW", space);
            return text;
        } else {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%c%llu", space, now.kind == HF_TOPIC_START ? 'S' : 'G',
                                  (unsigned long long)now.at.number);
        }
    }
}

static void a_message_goes_to_those_who_listen_and_in_order(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    hf_topic_subscriber *const one = listen_to(&r, "a/1", ""), *const all = listen_to(&r, "a/*", ""), *const none = listen_to(&r, "b", "");
    assert_string_equal(news(one), "S0");
    assert_string_equal(news(all), "S0");
    assert_string_equal(news(none), "S0");
    assert_null(hf_topic_hub_ready(r.hub));
    publish(&r, "a/1", "x");
    publish(&r, "a/2", "y");
    publish(&r, "a/1", "z");
    assert_ptr_equal(hf_topic_hub_ready(r.hub), one);
    assert_ptr_equal(hf_topic_hub_ready(r.hub), all);
    assert_null(hf_topic_hub_ready(r.hub));
    assert_string_equal(news(one), "x z");
    assert_string_equal(news(all), "x y z");
    assert_string_equal(news(none), "");
    hf_topic_subscriber_free(one);
    publish(&r, "a/1", "w");
    assert_string_equal(news(all), "w");
    hf_topic_subscriber_free(all);
    hf_topic_subscriber_free(none);
    hf_topic_subscriber_free(NULL);
    end(&r);
}

static void two_patterns_that_match_tell_it_once(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    hf_topic_subscriber *const s = listen_to(&r, "a/*", "");
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("a/1")).code, 0);
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("a/1")).code, 0); /* twice is once */
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("a//")).code, HF_ERR_TOPIC_NAME);
    (void)news(s);
    publish(&r, "a/1", "x");
    assert_string_equal(news(s), "x");
    hf_topic_subscriber_remove(s, hf_text("a/*"));
    hf_topic_subscriber_remove(s, hf_text("never had"));
    publish(&r, "a/2", "y");
    publish(&r, "a/1", "z");
    assert_string_equal(news(s), "z");
    hf_topic_subscriber_remove(s, hf_text("a/1"));
    publish(&r, "a/1", "w");
    assert_string_equal(news(s), "");
    hf_topic_subscriber_free(s);
    end(&r);
}

static void who_comes_back_is_told_what_it_missed_in_the_order_of_all_topics(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    publish(&r, "a/1", "1");
    publish(&r, "b", "2");
    publish(&r, "a/2", "3");
    publish(&r, "a/1", "4");
    static const struct {
        const char *pattern, *token, *news;
    } cases[] = {
        { "a/*", "", "S4" }, { "a/*", "e-0", "S0 1 3 4" }, { "a/*", "e-1", "S1 3 4" }, { "a/1", "e-2", "S2 4" },
        { "**", "e-1", "S1 2 3 4" }, { "b", "e-4", "S4" }, { "c", "e-0", "S0" },
        { "a/*", "e-9", "S9" },                                                         /* another hub is ahead of this one */
        { "a/*", "d-2", "G0 1 3 4" }, { "a/*", "no token", "G0 1 3 4" }, { "b", "f-9", "G0 2" }, /* of another life */
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_topic_subscriber *const s = listen_to(&r, cases[i].pattern, cases[i].token);
        const char *const text = news(s);
        if (strcmp(text, cases[i].news) != 0)
            fail_msg("%s after %s: %s, not %s", cases[i].pattern, cases[i].token, text, cases[i].news);
        hf_topic_subscriber_free(s);
    }
    hf_topic_subscriber *const ahead = listen_to(&r, "b", "e-6");
    assert_string_equal(news(ahead), "S6");
    publish(&r, "b", "5");
    publish(&r, "b", "6");
    publish(&r, "b", "7");
    assert_string_equal(news(ahead), "7");
    hf_topic_subscriber_free(ahead);
    end(&r);
}

static void what_comes_between_the_first_pattern_and_the_first_news_is_told(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    hf_topic_subscriber *const s = listen_to(&r, "a", "");
    publish(&r, "a", "1");
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("b")).code, 0);
    publish(&r, "b", "2");
    assert_string_equal(news(s), "S0 1 2");
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("c")).code, 0);
    publish(&r, "c", "3");
    assert_string_equal(news(s), "3");
    hf_topic_subscriber_free(s);
    end(&r);
}

static void each_rule_does_with_the_slow_what_it_says(void **state)
{
    (void)state;
    static const hf_topic_rule rules[] = {
        { .pattern = "old/*", .backlog_events = 2 },
        { .pattern = "new/*", .slow = HF_TOPIC_DROP_NEWEST, .backlog_events = 2 },
        { .pattern = "all/*", .slow = HF_TOPIC_DISCONNECT, .backlog_events = 2 },
    };
    rig r;
    hf_topic_counts counts;
    begin(&r, rules, HF_COUNT(rules));
    hf_topic_subscriber *const old = listen_to(&r, "old/*", ""), *const new = listen_to(&r, "new/*", ""), *const all = listen_to(&r, "all/*", ""),
                              *const quick = listen_to(&r, "**", "");
    hf_topic_subscriber *const each[] = { old, new, all, quick };
    for (size_t i = 0; i < HF_COUNT(each); i++)
        assert_string_equal(news(each[i]), "S0");
    for (unsigned i = 0; i < 12; i++) {
        const char *const topics[] = { "old/1", "new/1", "all/1" };
        char data[4];
        snprintf(data, sizeof data, "%u", i / 3 + 1);
        publish(&r, topics[i % 3], data);
        assert_string_equal(news(quick), data); /* and nobody else is late for it */
    }
    assert_string_equal(news(old), "G6 3 4"); /* numbers 7 and 10 are left of 1, 4, 7, 10 */
    assert_string_equal(news(new), "1 2 G11");
    assert_string_equal(news(all), "SLOW");
    assert_string_equal(news(all), "SLOW");
    hf_topic_hub_count(r.hub, &counts);
    assert_true(counts.dropped == 4 && counts.let_go == 1 && counts.gaps == 2 && counts.subscribers == 4 && counts.topics == 3);
    publish(&r, "new/1", "5");
    assert_string_equal(news(new), "5");
    for (size_t i = 0; i < HF_COUNT(each); i++)
        hf_topic_subscriber_free(each[i]);
    end(&r);
}

static void the_newest_are_dropped_until_there_is_room_and_the_gap_lies_where_it_was(void **state)
{
    (void)state;
    static const hf_topic_rule rules[] = { { .pattern = "**", .slow = HF_TOPIC_DROP_NEWEST, .backlog_events = 2 } };
    rig r;
    begin(&r, rules, 1);
    hf_topic_subscriber *const s = listen_to(&r, "a", "");
    (void)news(s);
    for (const char *const *data = (const char *const[]){ "1", "2", "3", NULL }; *data != NULL; data++)
        publish(&r, "a", *data);
    assert_int_equal(hf_topic_next(s).message->at.number, 1);
    publish(&r, "a", "4");
    assert_string_equal(news(s), "2 G3 4");
    hf_topic_subscriber_free(s);
    end(&r);
}

/* A topic none of whose messages may be missing is not thrown out for one whose messages may. */
static void what_may_not_be_missing_is_not_dropped_for_another(void **state)
{
    (void)state;
    static const hf_topic_rule rules[] = { { .pattern = "must", .slow = HF_TOPIC_DISCONNECT }, { .pattern = "may", .backlog_events = 2 } };
    rig r;
    begin(&r, rules, 2);
    hf_topic_subscriber *const s = listen_to(&r, "*", "");
    (void)news(s);
    publish(&r, "must", "1");
    publish(&r, "may", "2");
    publish(&r, "may", "3");
    assert_string_equal(news(s), "SLOW");
    hf_topic_subscriber_free(s);
    end(&r);
}

/* Let go, it comes back, and is not let go for what it missed meanwhile. */
static void who_was_let_go_comes_back_and_gets_on(void **state)
{
    (void)state;
    static const hf_topic_rule rules[] = { { .pattern = "**", .slow = HF_TOPIC_DISCONNECT, .backlog_events = 2 } };
    rig r;
    begin(&r, rules, 1);
    for (const char *const *data = (const char *const[]){ "1", "2", "3", "4", NULL }; *data != NULL; data++)
        publish(&r, "a", *data);
    hf_topic_subscriber *const s = listen_to(&r, "a", "e-0");
    assert_string_equal(news(s), "S0 G2 3 4");
    hf_topic_subscriber_free(s);
    hf_topic_subscriber *const again = listen_to(&r, "a", "e-2");
    assert_string_equal(news(again), "S2 3 4");
    hf_topic_subscriber_free(again);
    end(&r);
}

static void a_move_is_a_gap_for_everybody(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    publish(&r, "a", "1");
    hf_topic_subscriber *const s = listen_to(&r, "a", "e-0"), *const early = listen_to(&r, "a", "e-1");
    (void)news(s);
    publish(&r, "a", "2");
    hf_topic_hub_move(r.hub, (hf_topic_position){ 0xf, 100 });
    assert_string_equal(news(s), "2 G100");
    assert_string_equal(news(early), "G100");
    publish(&r, "a", "of the old life");
    assert_string_equal(news(s), "");
    hf_topic_message *m;
    assert_int_equal(hf_topic_message_new(&r.world.env.alloc, &r.world.limits, (hf_topic_position){ 0xf, 101 }, hf_text("a"), hf_text(""), hf_text("new"), &m).code, 0);
    hf_topic_hub_deliver(r.hub, m);
    hf_topic_hub_deliver(r.hub, m); /* twice is once */
    hf_topic_message_drop(m);
    assert_string_equal(news(s), "new");
    hf_topic_subscriber *const late = listen_to(&r, "a", "f-99"), *const fit = listen_to(&r, "a", "f-100");
    assert_string_equal(news(late), "G99 new"); /* what was before the move is not known here */
    assert_string_equal(news(fit), "S100 new");
    hf_topic_subscriber *const each[] = { s, early, late, fit };
    for (size_t i = 0; i < HF_COUNT(each); i++)
        hf_topic_subscriber_free(each[i]);
    end(&r);
}

static const char *after(rig *r, const char *pattern, const char *token)
{
    hf_topic_subscriber *const s = listen_to(r, pattern, token);
    const char *const text = news(s);
    hf_topic_subscriber_free(s);
    return text;
}

static void a_topic_without_history_tells_the_gap(void **state)
{
    (void)state;
    static const hf_topic_rule rules[] = { { .pattern = "a", .no_history = true }, { .pattern = "b", .history_events = 1 } };
    rig r;
    begin(&r, rules, 2);
    publish(&r, "a", "1");
    publish(&r, "b", "2");
    publish(&r, "b", "3");
    assert_string_equal(after(&r, "a", "e-0"), "G0");
    assert_string_equal(after(&r, "a", "e-1"), "S1");
    assert_string_equal(after(&r, "b", "e-1"), "G1 3");
    assert_string_equal(after(&r, "b", "e-2"), "S2 3");
    end(&r);
}

static void limit_topic_history_events(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    r.world.limits.topic_history_events = 2;
    publish(&r, "a", "1");
    publish(&r, "a", "2");
    assert_string_equal(after(&r, "a", "e-0"), "S0 1 2");
    publish(&r, "a", "3");
    assert_string_equal(after(&r, "a", "e-0"), "G0 2 3");
    assert_string_equal(after(&r, "a", "e-1"), "S1 2 3");
    end(&r);
}

static uint64_t history_bytes(const rig *r)
{
    hf_topic_counts counts;
    hf_topic_hub_count(r->hub, &counts);
    return counts.bytes;
}

static void limit_topic_history_bytes(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    publish(&r, "a", "1");
    r.world.limits.topic_history_bytes = 2 * history_bytes(&r);
    publish(&r, "a", "2");
    assert_string_equal(after(&r, "a", "e-0"), "S0 1 2");
    publish(&r, "a", "3");
    assert_string_equal(after(&r, "a", "e-0"), "G0 2 3");
    assert_true(history_bytes(&r) == r.world.limits.topic_history_bytes);
    end(&r);
}

static void limit_topics_bytes(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    publish(&r, "a", "1");
    r.world.limits.topics_bytes = 2 * history_bytes(&r);
    publish(&r, "b", "2");
    assert_string_equal(after(&r, "*", "e-0"), "S0 1 2");
    publish(&r, "b", "3"); /* "a" was silent longest */
    assert_string_equal(after(&r, "*", "e-0"), "G0 2 3");
    assert_string_equal(after(&r, "b", "e-0"), "S0 2 3");
    end(&r);
}

static void limit_topics(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    r.world.limits.topics = 2;
    publish(&r, "a", "1");
    publish(&r, "b", "2");
    publish(&r, "a", "3");
    publish(&r, "c", "4"); /* "b" was silent longest: it is forgotten, and whoever might miss it is told */
    hf_topic_counts counts;
    hf_topic_hub_count(r.hub, &counts);
    assert_int_equal(counts.topics, 2);
    assert_string_equal(after(&r, "a", "e-0"), "G0 1 3");
    assert_string_equal(after(&r, "*", "e-2"), "S2 3 4");
    hf_topic_subscriber *const s = listen_to(&r, "b", "");
    (void)news(s);
    publish(&r, "b", "5"); /* it is made again */
    assert_string_equal(news(s), "5");
    hf_topic_subscriber_free(s);
    end(&r);
}

static void limit_topic_backlog_events(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    r.world.limits.topic_backlog_events = 2;
    hf_topic_subscriber *const s = listen_to(&r, "*", "");
    (void)news(s);
    publish(&r, "a", "1");
    publish(&r, "b", "2");
    publish(&r, "a", "3");
    assert_string_equal(news(s), "G1 2 3");
    assert_string_equal(after(&r, "*", "e-0"), "G0 2 3"); /* of what was missed likewise */
    assert_string_equal(after(&r, "a", "e-0"), "S0 1 3");
    hf_topic_subscriber_free(s);
    end(&r);
}

static void limit_topic_backlog_bytes(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    hf_topic_subscriber *const s = listen_to(&r, "a", "");
    (void)news(s);
    publish(&r, "a", "1");
    r.world.limits.topic_backlog_bytes = 2 * history_bytes(&r);
    publish(&r, "a", "2");
    publish(&r, "a", "3");
    publish(&r, "a", "a long one, which alone always fits");
    assert_string_equal(news(s), "G3 a long one, which alone always fits");
    hf_topic_subscriber_free(s);
    end(&r);
}

static void limit_topic_patterns(void **state)
{
    (void)state;
    rig r;
    begin(&r, NULL, 0);
    r.world.limits.topic_patterns = 2;
    hf_topic_subscriber *const s = listen_to(&r, "a", "");
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("b")).code, 0);
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("c")).code, HF_ERR_BASE_LIMIT);
    hf_topic_subscriber_remove(s, hf_text("a"));
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("c")).code, 0);
    hf_topic_subscriber_free(s);
    end(&r);
}

/* ---- against a model ---------------------------------------------------------------------------------------- */

enum { TOPICS = 4, LISTENERS = 5, STEPS = 400 };

static const char *const topic_names[TOPICS] = { "a/1", "a/2", "b/1", "c" };
static const char *const patterns[] = { "a/*", "**", "c", "b/1", "*/1", "a/2" };

/* A client: what it has seen and whether it was told of a gap since it last was told all. */
typedef struct client {
    hf_topic_subscriber *subscriber;
    const char *pattern;
    uint64_t seen, checked;
    uint64_t forgiven; /* up to here something may be missing: the first news said so */
    bool gap, fresh;
} client;

/* May this one be missing? */
static bool is_excused(const client *c, const uint8_t *history, uint64_t number)
{
    return c->gap || number <= c->forgiven || !hf_topic_matches(hf_text(c->pattern), hf_text(topic_names[history[number]]));
}

/* Takes up to `most` news and holds them against all that was ever published. */
static void hear(client *c, const uint8_t *history, uint64_t published, unsigned most)
{
    for (; most > 0; most--) {
        const hf_topic_news n = hf_topic_next(c->subscriber);
        if (n.kind == HF_TOPIC_NOTHING) {
            for (uint64_t i = c->checked + 1; i <= published; i++) /* all of it was told, or is known to be missing */
                assert_true(is_excused(c, history, i));
            c->checked = c->seen = published;
            c->gap = false;
            return;
        }
        assert_int_not_equal(n.kind, HF_TOPIC_TOO_SLOW);
        c->gap = c->gap || n.kind == HF_TOPIC_GAP;
        c->forgiven = c->fresh && n.kind == HF_TOPIC_GAP ? published : c->forgiven;
        c->fresh = false;
        assert_true(n.at.number >= c->seen); /* in order */
        if (n.kind == HF_TOPIC_MESSAGE) {
            assert_true(n.at.number > c->checked);
            assert_true(hf_bytes_equal(n.message->topic, hf_text(topic_names[history[n.at.number]])));
            for (uint64_t i = c->checked + 1; i < n.at.number; i++)
                assert_true(is_excused(c, history, i));
            c->checked = n.at.number;
            c->gap = false;
        }
        c->seen = n.at.number;
    }
}

static void connect_client(rig *r, client *c, const char *pattern)
{
    uint8_t room[HF_TOPIC_TOKEN + 1];
    const hf_bytes token = hf_topic_token_write((hf_topic_position){ EPOCH, c->seen }, room);
    room[token.len] = 0;
    c->pattern = pattern;
    c->checked = c->seen;
    c->gap = false;
    c->fresh = true;
    c->forgiven = 0;
    c->subscriber = listen_to(r, pattern, (const char *)room);
}

/* Whatever happens, each client is told every message of its pattern once and in order, or that something is missing. */
static void nothing_is_missing_untold(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        rig r;
        client clients[LISTENERS] = { 0 };
        uint8_t history[STEPS + 2] = { 0 };
        static const hf_topic_rule rules[] = { { .pattern = "b/*", .slow = HF_TOPIC_DROP_NEWEST }, { .pattern = "c", .history_events = 3 } };
        hf_random random;
        hf_random_seed(&random, seed);
        begin(&r, rules, 2);
        r.world.limits.topic_history_events = 5 + hf_random_below(&random, 20);
        r.world.limits.topic_backlog_events = 3 + hf_random_below(&random, 10);
        r.world.limits.topics = 2 + hf_random_below(&random, 4);
        for (size_t i = 0; i < LISTENERS; i++)
            connect_client(&r, &clients[i], patterns[i]);
        for (unsigned step = 0; step < STEPS; step++) {
            client *const c = &clients[hf_random_below(&random, LISTENERS)];
            const uint64_t what = hf_random_below(&random, 10);
            if (what < 6) {
                history[r.number + 1] = (uint8_t)hf_random_below(&random, TOPICS);
                publish(&r, topic_names[history[r.number + 1]], "x");
            } else if (what < 9) {
                hear(c, history, r.number, (unsigned)hf_random_below(&random, 12));
            } else { /* cut, and back with what it has seen */
                hf_topic_subscriber_free(c->subscriber);
                connect_client(&r, c, c->pattern);
            }
        }
        for (size_t i = 0; i < LISTENERS; i++) {
            hear(&clients[i], history, r.number, UINT32_MAX);
            hf_topic_subscriber_free(clients[i].subscriber);
        }
        end(&r);
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    bool failed = true;
    size_t calls = 0;
    for (size_t at = 1; failed; at++) {
        rig r;
        hf_test_world_init(&r.world, 1);
        r.number = 0;
        r.world.memory.fail_at = at;
        r.hub = hf_topic_hub_new(&r.world.env, NULL, 0, (hf_topic_position){ EPOCH, 0 });
        if (r.hub != NULL) {
            publish(&r, "a/1", "before");
            hf_topic_subscriber *const s = hf_topic_subscriber_new(r.hub, NULL, hf_text("e-0"));
            if (s != NULL) {
                const bool listens = hf_topic_subscriber_add(s, hf_text("a/*")).code == 0 && hf_topic_subscriber_add(s, hf_text("a/2")).code == 0;
                size_t told = 0;
                bool gap = false;
                for (unsigned i = 0; i < 20; i++) {
                    publish(&r, i % 2 ? "a/1" : "a/2", "x");
                    if (i % 7 != 0)
                        continue;
                    for (hf_topic_news n; (n = hf_topic_next(s)).kind != HF_TOPIC_NOTHING;) {
                        told += n.kind == HF_TOPIC_MESSAGE;
                        gap = gap || n.kind == HF_TOPIC_GAP;
                    }
                }
                for (hf_topic_news n; (n = hf_topic_next(s)).kind != HF_TOPIC_NOTHING;) {
                    told += n.kind == HF_TOPIC_MESSAGE;
                    gap = gap || n.kind == HF_TOPIC_GAP;
                }
                /* publish itself may have failed: then there was no message */
                assert_true(!listens || gap || told + 1 >= 21);
                hf_topic_subscriber_free(s);
            }
            hf_topic_hub_free(r.hub);
        }
        calls = r.world.memory.calls;
        failed = calls >= at;
        hf_test_world_fini(&r.world);
    }
    assert_true(calls > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_to_those_who_listen_and_in_order),
        cmocka_unit_test(two_patterns_that_match_tell_it_once),
        cmocka_unit_test(who_comes_back_is_told_what_it_missed_in_the_order_of_all_topics),
        cmocka_unit_test(what_comes_between_the_first_pattern_and_the_first_news_is_told),
        cmocka_unit_test(each_rule_does_with_the_slow_what_it_says),
        cmocka_unit_test(the_newest_are_dropped_until_there_is_room_and_the_gap_lies_where_it_was),
        cmocka_unit_test(what_may_not_be_missing_is_not_dropped_for_another),
        cmocka_unit_test(who_was_let_go_comes_back_and_gets_on),
        cmocka_unit_test(a_move_is_a_gap_for_everybody),
        cmocka_unit_test(a_topic_without_history_tells_the_gap),
        cmocka_unit_test(limit_topic_history_events),
        cmocka_unit_test(limit_topic_history_bytes),
        cmocka_unit_test(limit_topics_bytes),
        cmocka_unit_test(limit_topics),
        cmocka_unit_test(limit_topic_backlog_events),
        cmocka_unit_test(limit_topic_backlog_bytes),
        cmocka_unit_test(limit_topic_patterns),
        cmocka_unit_test(nothing_is_missing_untold),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
