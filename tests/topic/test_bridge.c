/* SPDX-License-Identifier: Apache-2.0
 *
 * The bridge between machines and a model of Redis, in virtual time: what each machine's subscribers are told while
 * connections are cut, Redis goes and comes back, with and without what it had, and a machine is alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include <handfast/topic.h>

#include "harness.h"
#include "random.h"
#include "redis_model.h"
#include "topic_bridge.h"

enum { MACHINES = 3, TOLD_MOST = 4096 };
static const int64_t tick = HF_MILLISECONDS(10);

typedef struct machine {
    hf_topic_bridge *bridge;
    hf_topic_hub *hub;
    hf_topic_subscriber *local; /* who never leaves */
    int told[TOLD_MOST];        /* the numbers in the messages' data; -1: a gap */
    size_t count;
    model_link links[HF_TOPIC_LANES];
    hf_queue held[HF_TOPIC_LANES]; /* what the bridge has not done with */
    bool dead;  /* what ASK says on this connection comes nowhere, and nobody says so */
    bool deaf;  /* on none it hears an answer */
    bool joined, alone;
    unsigned hang_ups;
    char why[64];
} machine;

typedef struct cluster {
    hf_test_world world;
    hf_random dice;
    hf_time now;
    machine machines[MACHINES];
    redis_model redis, kept;
    char run[41];
    bool up;
    int published;
    size_t slice; /* bytes at once */
} cluster;

static void close_link(cluster *c, machine *m, hf_topic_lane lane, bool tell)
{
    model_link *const l = &m->links[lane];
    const bool was = l->open;
    l->open = l->blocked = false;
    m->dead = m->dead && lane != HF_TOPIC_ASK;
    hf_queue_take(&l->in, hf_queue_length(&l->in));
    hf_queue_take(&l->out, hf_queue_length(&l->out));
    hf_queue_take(&m->held[lane], hf_queue_length(&m->held[lane]));
    if (was && tell)
        hf_topic_bridge_closed(m->bridge, lane, c->now);
}

static int number_in(hf_bytes data)
{
    char text[16];
    snprintf(text, sizeof text, "%.*s", HF_STR(data));
    return atoi(text);
}

static void hear(machine *m)
{
    for (;;) {
        const hf_topic_news n = hf_topic_next(m->local);
        if (n.kind == HF_TOPIC_NOTHING)
            return;
        if (n.kind == HF_TOPIC_START)
            continue;
        assert_true(n.kind == HF_TOPIC_MESSAGE || n.kind == HF_TOPIC_GAP);
        assert_true(m->count < TOLD_MOST);
        m->told[m->count++] = n.kind == HF_TOPIC_GAP ? -1 : number_in(n.message->data);
    }
}

static void begin_machine(cluster *c, machine *m, uint64_t origin)
{
    const hf_topic_bridge_options options = { .user = "", .password = "secret", .database = 3, .origin = origin };
    *m = (machine){ .count = 0 };
    m->bridge = hf_topic_bridge_new(&c->world.env, &options, c->now);
    m->hub = hf_topic_hub_new(&c->world.env, NULL, 0, (hf_topic_position){ origin, 0 });
    assert_true(m->bridge != NULL && m->hub != NULL);
    for (size_t i = 0; i < HF_TOPIC_LANES; i++) {
        hf_queue_init(&m->links[i].in, &c->world.env.alloc);
        hf_queue_init(&m->links[i].out, &c->world.env.alloc);
        hf_queue_init(&m->held[i], &c->world.env.alloc);
    }
}

static void end_machine(machine *m)
{
    for (size_t i = 0; i < HF_TOPIC_LANES; i++) {
        hf_queue_fini(&m->links[i].in);
        hf_queue_fini(&m->links[i].out);
        hf_queue_fini(&m->held[i]);
    }
    hf_topic_subscriber_free(m->local);
    hf_topic_bridge_free(m->bridge);
    hf_topic_hub_free(m->hub);
}

static void start_redis(cluster *c)
{
    for (size_t i = 0; i < 40; i++)
        c->run[i] = "0123456789abcdef"[hf_random_below(&c->dice, 16)];
    c->up = true;
}

static void stop_redis(cluster *c)
{
    c->up = false;
    for (size_t i = 0; i < MACHINES; i++)
        for (hf_topic_lane k = 0; k < HF_TOPIC_LANES; k++)
            close_link(c, &c->machines[i], k, true);
}

static void deal_with(cluster *c, machine *m, const hf_topic_bridge_event *e)
{
    switch (e->kind) {
    case HF_TOPIC_BRIDGE_MOVE:
        hf_topic_hub_move(m->hub, e->at);
        break;
    case HF_TOPIC_BRIDGE_RECALL:
        hf_topic_hub_recall(m->hub, e->message);
        hf_topic_message_drop(e->message);
        break;
    case HF_TOPIC_BRIDGE_TELL:
        hf_topic_hub_deliver(m->hub, e->message);
        hf_topic_message_drop(e->message);
        break;
    case HF_TOPIC_BRIDGE_JOINED:
        m->joined = true;
        m->alone = false;
        break;
    case HF_TOPIC_BRIDGE_ALONE:
        m->alone = true;
        m->joined = false;
        break;
    case HF_TOPIC_BRIDGE_HANG_UP:
        m->hang_ups++;
        snprintf(m->why, sizeof m->why, "%.*s", HF_STR(e->why));
        close_link(c, m, e->lane, false);
        break;
    }
    if (m->local != NULL)
        hear(m);
}

/* Bytes to the bridge, as many at once as the slices have, and its own to the server. */
static void carry(cluster *c, machine *m, hf_topic_lane lane)
{
    model_link *const l = &m->links[lane];
    hf_topic_bridge_event event;
    if (!l->open && hf_topic_bridge_connects(m->bridge, lane, c->now)) {
        l->open = c->up;
        if (c->up)
            hf_topic_bridge_opened(m->bridge, lane, c->now);
        else
            hf_topic_bridge_closed(m->bridge, lane, c->now);
    }
    for (;;) {
        const hf_span out = hf_queue_peek(&l->out);
        const size_t n = out.len < c->slice ? out.len : c->slice;
        if (l->open && n > 0) {
            assert_true(hf_queue_append(&m->held[lane], hf_bytes_make(out.ptr, n)));
            hf_queue_take(&l->out, n);
        }
        const hf_span held = hf_queue_peek(&m->held[lane]);
        hf_in in = { .ptr = held.ptr, .len = held.len };
        const hf_step step = hf_topic_bridge_step(m->bridge, c->now, lane, &in, &event);
        assert_true(in.used <= in.len);
        hf_queue_take(&m->held[lane], in.used);
        if (step == HF_EVENT)
            deal_with(c, m, &event);
        else if (!l->open || hf_queue_length(&l->out) == 0)
            break;
    }
    const hf_bytes said = hf_topic_bridge_peek(m->bridge, lane);
    const bool lost = m->dead && lane == HF_TOPIC_ASK;
    if (l->open && said.len > 0 && !lost)
        assert_true(hf_queue_append(&l->in, said));
    hf_topic_bridge_take(m->bridge, lane, said.len);
    if (l->open)
        model_turn(&c->redis, l, c->run, c->now);
    if (m->deaf && lane == HF_TOPIC_ASK)
        hf_queue_take(&l->out, hf_queue_length(&l->out));
}

static void turn(cluster *c, int64_t ns)
{
    for (const hf_time until = hf_time_after(c->now, ns); hf_time_before(c->now, until); c->now = hf_time_after(c->now, tick))
        for (size_t k = 0; k < 2; k++) /* there and back */
            for (size_t i = 0; i < MACHINES; i++)
                for (hf_topic_lane lane = 0; lane < HF_TOPIC_LANES; lane++)
                    if (c->machines[i].bridge != NULL)
                        carry(c, &c->machines[i], lane);
}

/* Its number; with blanks up to a length, as Redis tells it. */
static void publish_long(cluster *c, size_t from, int length)
{
    char text[32];
    hf_topic_message *m;
    if (length > 0)
        snprintf(text, sizeof text, "%d+%d", c->published++, length);
    else
        snprintf(text, sizeof text, "%d", c->published++);
    assert_int_equal(hf_topic_message_new(&c->world.env.alloc, &c->world.limits, (hf_topic_position){ 0, 0 }, hf_text("t/1"), hf_text(""),
                         hf_text(text), &m).code, 0);
    assert_true(hf_topic_bridge_publish(c->machines[from].bridge, c->now, m));
    hf_topic_message_drop(m);
}

static void publish(cluster *c, size_t from)
{
    publish_long(c, from, 0);
}

static void listen_locally(machine *m)
{
    m->local = hf_topic_subscriber_new(m->hub, m, hf_text(""));
    assert_non_null(m->local);
    assert_int_equal(hf_topic_subscriber_add(m->local, hf_text("t/*")).code, 0);
    hear(m);
}

static void begin(cluster *c, uint64_t seed)
{
    *c = (cluster){ .now = hf_time_make(HF_SECONDS(100)), .slice = 1 << 20 };
    hf_test_world_init(&c->world, seed);
    hf_random_seed(&c->dice, seed);
    start_redis(c);
    for (size_t i = 0; i < MACHINES; i++)
        begin_machine(c, &c->machines[i], 100 + i);
    turn(c, HF_SECONDS(1));
    for (size_t i = 0; i < MACHINES; i++) {
        assert_true(c->machines[i].joined);
        listen_locally(&c->machines[i]);
    }
}

static void end(cluster *c)
{
    for (size_t i = 0; i < MACHINES; i++)
        end_machine(&c->machines[i]);
    hf_test_world_fini(&c->world);
}

/* ---- what must hold --------------------------------------------------------------------------------------------- */

/* Everybody was told everything, once, in one order, and no gap. */
static void assert_all_told(const cluster *c)
{
    const machine *const first = &c->machines[0];
    bool seen[TOLD_MOST] = { false };
    for (size_t i = 0; i < MACHINES; i++) {
        assert_int_equal(c->machines[i].count, c->published);
        assert_memory_equal(c->machines[i].told, first->told, first->count * sizeof first->told[0]);
    }
    for (size_t i = 0; i < first->count; i++) {
        assert_true(first->told[i] >= 0 && !seen[first->told[i]]);
        seen[first->told[i]] = true;
    }
}

/* A gap or everything; and nothing twice unless a gap stands between. */
static void assert_nothing_missing_untold(const cluster *c)
{
    for (size_t i = 0; i < MACHINES; i++) {
        const machine *const m = &c->machines[i];
        size_t last[TOLD_MOST], gaps = 0, distinct = 0;
        memset(last, 0xff, sizeof last);
        for (size_t k = 0; k < m->count; k++) {
            if (m->told[k] < 0) {
                gaps++;
                continue;
            }
            distinct += last[m->told[k]] == SIZE_MAX;
            assert_in_range(m->told[k], 0, c->published - 1);
            assert_true(last[m->told[k]] == SIZE_MAX || last[m->told[k]] < gaps);
            last[m->told[k]] = gaps;
        }
        assert_true(gaps > 0 || distinct == (size_t)c->published);
    }
}

static size_t gaps_of(const machine *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->count; i++)
        n += m->told[i] < 0;
    return n;
}

/* ---- tests --------------------------------------------------------------------------------------------------------- */

static void what_one_machine_publishes_all_tell_in_one_order(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 1);
    for (int i = 0; i < 60; i++) {
        publish(&c, (size_t)i % MACHINES);
        if (i % 7 == 0)
            turn(&c, tick);
    }
    turn(&c, HF_SECONDS(1));
    assert_all_told(&c);
    for (size_t i = 0; i < MACHINES; i++)
        assert_int_equal(hf_topic_bridge_look(c.machines[i].bridge).waiting, 0);
    end(&c);
}

static void who_goes_to_another_machine_is_told_what_was_missed(void **state)
{
    (void)state;
    static cluster c;
    uint8_t room[HF_TOPIC_TOKEN];
    begin(&c, 2);
    for (int i = 0; i < 20; i++)
        publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    const hf_topic_position at = { hf_topic_hub_at(c.machines[0].hub).epoch, 7 };
    hf_topic_subscriber *const s = hf_topic_subscriber_new(c.machines[2].hub, &c, hf_topic_token_write(at, room));
    assert_non_null(s);
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("t/*")).code, 0);
    assert_int_equal(hf_topic_next(s).kind, HF_TOPIC_START);
    for (uint64_t n = 8; n <= 20; n++) {
        const hf_topic_news news = hf_topic_next(s);
        assert_true(news.kind == HF_TOPIC_MESSAGE && news.at.number == n);
    }
    assert_int_equal(hf_topic_next(s).kind, HF_TOPIC_NOTHING);
    hf_topic_subscriber_free(s);
    end(&c);
}

static void a_machine_that_starts_later_has_the_past_and_tells_none_of_it_by_itself(void **state)
{
    (void)state;
    static cluster c;
    uint8_t room[HF_TOPIC_TOKEN];
    begin(&c, 3);
    for (int i = 0; i < 20; i++)
        publish(&c, 1);
    turn(&c, HF_SECONDS(1));
    end_machine(&c.machines[2]);
    begin_machine(&c, &c.machines[2], 102);
    listen_locally(&c.machines[2]); /* before it has joined */
    turn(&c, HF_SECONDS(1));
    assert_true(c.machines[2].joined);
    assert_true(c.machines[2].count == 1 && c.machines[2].told[0] == -1);
    const hf_topic_position at = { hf_topic_hub_at(c.machines[2].hub).epoch, 15 };
    hf_topic_subscriber *const s = hf_topic_subscriber_new(c.machines[2].hub, &c, hf_topic_token_write(at, room));
    assert_int_equal(hf_topic_subscriber_add(s, hf_text("t/1")).code, 0);
    assert_int_equal(hf_topic_next(s).kind, HF_TOPIC_START);
    for (uint64_t n = 16; n <= 20; n++)
        assert_true(hf_topic_next(s).at.number == n);
    hf_topic_subscriber_free(s);
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    assert_true(c.machines[2].count == 2 && c.machines[2].told[1] == 20);
    end(&c);
}

static void a_redis_that_kept_everything_may_be_killed_and_nobody_misses_anything(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static cluster c;
        begin(&c, seed);
        for (int round = 0; round < 6; round++) {
            for (int i = 0; i < 10; i++) {
                publish(&c, (size_t)hf_random_below(&c.dice, MACHINES));
                if (hf_random_below(&c.dice, 3) == 0)
                    turn(&c, tick);
            }
            stop_redis(&c);
            publish(&c, 0);
            turn(&c, HF_MILLISECONDS(10 + 10 * (int64_t)hf_random_below(&c.dice, 50)));
            publish(&c, 1);
            start_redis(&c);
            turn(&c, HF_MILLISECONDS(1000)); /* as long as it may take to come back */
        }
        turn(&c, HF_SECONDS(5));
        assert_all_told(&c);
        end(&c);
    }
}

static void connections_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        static cluster c;
        begin(&c, seed);
        c.slice = 1 + (size_t)hf_random_below(&c.dice, 200);
        for (int i = 0; i < 80; i++) {
            publish(&c, (size_t)hf_random_below(&c.dice, MACHINES));
            if (hf_random_below(&c.dice, 4) == 0)
                close_link(&c, &c.machines[hf_random_below(&c.dice, MACHINES)], (hf_topic_lane)hf_random_below(&c.dice, HF_TOPIC_LANES), true);
            if (hf_random_below(&c.dice, 2) == 0)
                turn(&c, tick);
        }
        turn(&c, HF_SECONDS(5));
        assert_all_told(&c);
        end(&c);
    }
}

static void a_redis_that_lost_its_last_messages_is_a_gap_for_everybody(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 5);
    for (int i = 0; i < 10; i++)
        publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    c.kept = c.redis;
    publish(&c, 1);
    turn(&c, HF_SECONDS(1)); /* all have seen it; Redis forgets it */
    stop_redis(&c);
    c.redis = c.kept;
    start_redis(&c);
    publish(&c, 2);
    turn(&c, HF_SECONDS(10));
    for (size_t i = 0; i < MACHINES; i++) {
        assert_true(gaps_of(&c.machines[i]) > 0);
        assert_true(c.machines[i].joined && c.machines[i].told[c.machines[i].count - 1] == 11);
    }
    assert_nothing_missing_untold(&c);
    end(&c);
}

static void a_redis_that_is_empty_is_a_gap_and_a_new_beginning(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 6);
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    memset(&c.redis, 0, sizeof c.redis); /* FLUSHALL: the connections stay */
    turn(&c, HF_SECONDS(12));            /* seen when nothing has come for a while */
    publish(&c, 1);
    turn(&c, HF_SECONDS(2));
    for (size_t i = 0; i < MACHINES; i++) {
        const machine *const m = &c.machines[i];
        assert_true(m->joined && m->count == 3 && m->told[0] == 0 && m->told[1] == -1 && m->told[2] == 1);
    }
    end(&c);
}

static void without_redis_each_machine_tells_its_own_behind_a_gap_and_hands_it_on_later(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 7);
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    stop_redis(&c);
    publish(&c, 0);
    turn(&c, (int64_t)c.world.limits.topics_away_ns / 2);
    assert_false(c.machines[0].alone);
    assert_int_equal(c.machines[0].count, 1);
    turn(&c, (int64_t)c.world.limits.topics_away_ns);
    for (size_t i = 0; i < MACHINES; i++)
        assert_true(c.machines[i].alone && c.machines[i].told[1] == -1);
    publish(&c, 0);
    turn(&c, tick);
    const machine *const m = &c.machines[0];
    assert_true(m->count == 4 && m->told[2] == 1 && m->told[3] == 2); /* what waited, and what is told at once now */
    assert_int_equal(hf_topic_bridge_look(m->bridge).waiting, 2);
    start_redis(&c);
    turn(&c, HF_SECONDS(5));
    assert_true(m->joined && m->count == 5 && m->told[4] == -1); /* not told again */
    for (size_t i = 1; i < MACHINES; i++) {
        const machine *const other = &c.machines[i];
        assert_true(other->joined && other->count >= 4);
        assert_true(other->told[other->count - 2] == 1 && other->told[other->count - 1] == 2);
    }
    assert_nothing_missing_untold(&c);
    end(&c);
}

static void a_stream_that_was_cut_short_is_a_gap(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 8);
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    for (hf_topic_lane k = 0; k < HF_TOPIC_LANES; k++)
        close_link(&c, &c.machines[2], k, true);
    for (int i = 0; i < 5; i++)
        publish(&c, 0);
    for (size_t k = 0; k < 4; k++) /* the others alone */
        for (hf_topic_lane lane = 0; lane < HF_TOPIC_LANES; lane++) {
            carry(&c, &c.machines[0], lane);
            carry(&c, &c.machines[1], lane);
        }
    c.redis.trimmed = c.redis.count - 2;
    turn(&c, HF_SECONDS(2));
    const machine *const m = &c.machines[2];
    assert_true(m->count == 4 && m->told[1] == -1 && m->told[2] == 4 && m->told[3] == 5);
    end(&c);
}

static void a_server_that_refuses_is_asked_again_and_its_words_are_told(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 9);
    stop_redis(&c);
    c.redis.refuses = true;
    start_redis(&c);
    turn(&c, HF_SECONDS(1));
    assert_true(c.machines[0].hang_ups > 0 && c.machines[0].hang_ups < 60);
    assert_non_null(strstr(c.machines[0].why, "LOADING"));
    c.redis.refuses = false;
    publish(&c, 0);
    turn(&c, HF_SECONDS(2));
    assert_int_equal(c.machines[1].told[c.machines[1].count - 1], 0);
    end(&c);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    (void)state;
    hf_test_world w;
    hf_topic_bridge_event event;
    hf_test_world_init(&w, 1);
    hf_time now = hf_time_make(HF_SECONDS(1));
    const hf_topic_bridge_options options = { .user = "", .password = "", .origin = 1 };
    hf_topic_bridge *const b = hf_topic_bridge_new(&w.env, &options, now);
    assert_true(hf_topic_bridge_connects(b, HF_TOPIC_LISTEN, now));
    assert_false(hf_topic_bridge_connects(b, HF_TOPIC_LISTEN, now));
    hf_topic_bridge_opened(b, HF_TOPIC_LISTEN, now);
    hf_in none = { .ptr = NULL, .len = 0 };
    bool hung_up = false;
    for (int i = 0; i < 10 && !hung_up; i++) {
        while (hf_topic_bridge_step(b, now, HF_TOPIC_LISTEN, &none, &event) == HF_EVENT)
            hung_up = hung_up || (event.kind == HF_TOPIC_BRIDGE_HANG_UP && event.lane == HF_TOPIC_LISTEN);
        for (hf_topic_lane k = HF_TOPIC_ASK; k < HF_TOPIC_LANES; k++)
            if (hf_topic_bridge_connects(b, k, now))
                hf_topic_bridge_opened(b, k, now);
        if (!hung_up) {
            assert_true(hf_time_before(now, hf_topic_bridge_wake(b))); /* after idle it lies in the future */
            now = hf_topic_bridge_wake(b);
        }
    }
    assert_true(hung_up);
    hf_topic_bridge_free(b);
    hf_test_world_fini(&w);
}

static hf_allocator below;
static size_t given_back_with_secret;

static void *watch(void *ctx, void *old, size_t old_size, size_t new_size)
{
    (void)ctx;
    given_back_with_secret += old != NULL && memmem(old, old_size, "secret", 6) != NULL;
    return below.resize(below.ctx, old, old_size, new_size);
}

/* Said, not said when the connection ends, and not said when the bridge ends. */
static void no_memory_is_given_back_with_the_password_in_it(void **state)
{
    (void)state;
    hf_test_world w;
    hf_topic_bridge_event event;
    hf_in none = { .ptr = NULL, .len = 0 };
    hf_test_world_init(&w, 1);
    below = w.env.alloc;
    given_back_with_secret = 0;
    hf_env env = w.env;
    env.alloc.resize = watch;
    hf_time now = hf_time_make(HF_SECONDS(1));
    const hf_topic_bridge_options options = { .user = "me", .password = "secret", .origin = 1 };
    hf_topic_bridge *const b = hf_topic_bridge_new(&env, &options, now);
    for (int i = 0; i < 3; i++) {
        while (!hf_topic_bridge_connects(b, HF_TOPIC_ASK, now))
            now = hf_time_after(now, tick);
        hf_topic_bridge_opened(b, HF_TOPIC_ASK, now);
        while (hf_topic_bridge_step(b, now, HF_TOPIC_ASK, &none, &event) == HF_EVENT)
            continue;
        const hf_bytes said = hf_topic_bridge_peek(b, HF_TOPIC_ASK);
        assert_non_null(memmem(said.ptr, said.len, "secret", 6));
        if (i == 0)
            hf_topic_bridge_take(b, HF_TOPIC_ASK, said.len);
        if (i < 2)
            hf_topic_bridge_closed(b, HF_TOPIC_ASK, now);
        assert_int_equal(given_back_with_secret, 0);
    }
    hf_topic_bridge_free(b);
    assert_int_equal(given_back_with_secret, 0);
    hf_test_world_fini(&w);
}

static void a_connection_that_died_in_silence_is_made_again_before_anybody_is_alone(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 15);
    turn(&c, HF_SECONDS(60)); /* nothing is published, nothing is said */
    c.machines[0].dead = true;
    publish(&c, 0);
    turn(&c, HF_SECONDS(5));
    assert_false(c.machines[0].dead);
    assert_all_told(&c);
    end(&c);
}

static void what_redis_told_is_not_told_again_by_who_never_had_its_answer(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 16);
    c.machines[0].deaf = true;
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    assert_int_equal(c.machines[0].count, 1);
    turn(&c, HF_SECONDS(5));
    const machine *const m = &c.machines[0];
    assert_true(gaps_of(m) > 0); /* it was alone */
    assert_int_equal(m->count - gaps_of(m), 1);
    c.machines[0].deaf = false;
    turn(&c, HF_SECONDS(5));
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    assert_int_equal(m->count - gaps_of(m), 2);
    assert_int_equal(m->told[m->count - 1], 1);
    assert_nothing_missing_untold(&c);
    end(&c);
}

/* Nor does it grow while Redis answers, but not as fast as is published: what comes then is a gap, and nobody is alone. */
static void what_waits_for_a_slow_redis_is_bounded(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 17);
    c.world.limits.topics_waiting_bytes = 2000;
    c.world.limits.topics_away_ns = HF_SECONDS(100);
    c.world.limits.store_ns = HF_SECONDS(100);
    publish(&c, 0);
    c.machines[0].deaf = true;
    turn(&c, tick); /* it is on its way */
    uint64_t most = 0;
    for (int i = 0; i < 300; i++) {
        publish(&c, 0);
        if (i % 3 == 0)
            turn(&c, tick);
        const hf_topic_bridge_state look = hf_topic_bridge_look(c.machines[0].bridge);
        most = look.waiting_bytes > most ? look.waiting_bytes : most;
        assert_in_range(look.waiting, 0, 40);
    }
    assert_in_range(most, 1000, 3000);
    const hf_topic_bridge_state look = hf_topic_bridge_look(c.machines[0].bridge);
    assert_true(look.lost > 200 && !look.alone);
    c.machines[0].deaf = false;
    close_link(&c, &c.machines[0], HF_TOPIC_ASK, true);
    turn(&c, HF_SECONDS(3));
    assert_int_equal(hf_topic_bridge_look(c.machines[0].bridge).waiting, 0);
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    for (size_t i = 0; i < MACHINES; i++) {
        assert_true(gaps_of(&c.machines[i]) > 0);
        assert_int_equal(c.machines[i].told[c.machines[i].count - 1], 300 + 1);
    }
    assert_nothing_missing_untold(&c);
    end(&c);
}

/* What could not be kept for want of memory is a gap, where it would have been. */
static void a_message_without_memory_is_a_gap_for_everybody(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 18);
    hf_topic_message *message;
    assert_int_equal(hf_topic_message_new(&c.world.env.alloc, &c.world.limits, (hf_topic_position){ 0, 0 }, hf_text("t/1"), hf_text(""), hf_text("7"), &message).code, 0);
    c.world.memory.fail_at = c.world.memory.calls + 1;
    assert_false(hf_topic_bridge_publish(c.machines[0].bridge, c.now, message));
    c.world.memory.fail_at = 0;
    hf_topic_message_drop(message);
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    for (size_t i = 0; i < MACHINES; i++) {
        const machine *const m = &c.machines[i];
        assert_true(m->count == 2 && m->told[0] == -1 && m->told[1] == 0);
    }
    assert_int_equal(hf_topic_bridge_look(c.machines[0].bridge).lost, 1);
    end(&c);
}

static void limit_topics_away_ns(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 10);
    c.world.limits.topics_away_ns = HF_SECONDS(30);
    stop_redis(&c);
    publish(&c, 0);
    turn(&c, HF_SECONDS(29));
    assert_false(c.machines[0].alone);
    turn(&c, HF_SECONDS(3));
    assert_true(c.machines[0].alone);
    end(&c);
}

static void limit_topics_waiting_bytes(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 11);
    c.world.limits.topics_waiting_bytes = 2000;
    stop_redis(&c);
    for (int i = 0; i < 100; i++)
        publish(&c, 0);
    turn(&c, tick);
    const hf_topic_bridge_state look = hf_topic_bridge_look(c.machines[0].bridge);
    assert_true(look.alone && look.lost > 50 && look.waiting + look.lost == 100);
    assert_int_equal(c.machines[0].count, 101); /* here all of them were told */
    start_redis(&c);
    turn(&c, HF_SECONDS(5));
    assert_true(gaps_of(&c.machines[1]) > 0);
    assert_int_equal(c.machines[1].told[c.machines[1].count - 1], 99);
    assert_nothing_missing_untold(&c);
    end(&c);
}

static void limit_topics_shared_events(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    w.limits.topics_shared_events = 1234567;
    static cluster c;
    begin(&c, 12);
    c.world.limits.topics_shared_events = 1234567;
    machine *const m = &c.machines[0];
    publish(&c, 0);
    hf_topic_bridge_event event;
    hf_in none = { .ptr = NULL, .len = 0 };
    while (hf_topic_bridge_step(m->bridge, c.now, HF_TOPIC_ASK, &none, &event) == HF_EVENT)
        deal_with(&c, m, &event);
    const hf_bytes out = hf_topic_bridge_peek(m->bridge, HF_TOPIC_ASK);
    static const char want[] = "$7\r\n1234567\r\n";
    assert_non_null(memmem(out.ptr, out.len, want, sizeof want - 1)); /* MAXLEN of the stream */
    end(&c);
    hf_test_world_fini(&w);
}

static void limit_topics_reply_bytes(void **state)
{
    (void)state;
    static cluster c;
    begin(&c, 13);
    c.world.limits.topics_reply_bytes = 100;
    const unsigned before = c.machines[1].hang_ups;
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    assert_int_equal(hf_topic_bridge_look(c.machines[1].bridge).skipped, 1);
    c.world.limits.topics_reply_bytes = 20; /* not even of what is asked first */
    close_link(&c, &c.machines[1], HF_TOPIC_LISTEN, true);
    turn(&c, HF_SECONDS(2));
    assert_true(c.machines[1].hang_ups > before);
    assert_non_null(strstr(c.machines[1].why, "too long"));
    end(&c);
    begin(&c, 13);
    assert_int_equal(c.machines[1].links[HF_TOPIC_LISTEN].asked, 128);
    c.world.limits.topic_message_bytes = 1 << 20; /* as many as fit: 64 of them would not */
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    assert_int_equal(c.machines[1].links[HF_TOPIC_LISTEN].asked, 63);
    c.world.limits.topics_reply_bytes = 1 << 20;
    publish(&c, 0);
    turn(&c, HF_SECONDS(1));
    assert_int_equal(c.machines[1].links[HF_TOPIC_LISTEN].asked, 1);
    end(&c);
}

/* Other machines may have larger limits. */
static void what_is_longer_than_may_be_kept_is_gone_over_and_told_as_a_gap(void **state)
{
    (void)state;
    static const int lengths[] = { 0, 3000, 3000, 3000, 20000, 3000, 0 };
    static const size_t slices[] = { 1 << 20, 1000, 7 };
    for (size_t k = 0; k < HF_COUNT(slices); k++) {
        static cluster c;
        begin(&c, 14);
        close_link(&c, &c.machines[1], HF_TOPIC_LISTEN, true); /* so that it asks for all of them at once */
        c.slice = slices[k];
        for (size_t i = 0; i < HF_COUNT(lengths); i++)
            publish_long(&c, 0, lengths[i]);
        const unsigned before = c.machines[0].hang_ups + c.machines[1].hang_ups;
        c.world.limits.topic_message_bytes = 100;
        c.world.limits.topics_reply_bytes = 8192;
        turn(&c, HF_SECONDS(8));
        for (size_t i = 0; i < 2; i++) {
            const machine *const m = &c.machines[i];
            assert_int_equal(hf_topic_bridge_look(m->bridge).skipped, 1);
            assert_int_equal(m->told[0], 0);
            assert_true(gaps_of(m) > 0);
            assert_int_equal(m->told[m->count - 1], 6);
        }
        assert_int_equal(c.machines[0].hang_ups + c.machines[1].hang_ups, before);
        end(&c);
    }
}

/* Machines, cuts, kills with loss: whatever happens, nothing is missing untold, and in the end all are together again. */
static void whatever_happens_nothing_is_missing_untold(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        static cluster c;
        begin(&c, seed);
        c.kept = c.redis;
        for (int i = 0; i < 60; i++) {
            publish(&c, (size_t)hf_random_below(&c.dice, MACHINES));
            switch (hf_random_below(&c.dice, 12)) {
            case 0:
                close_link(&c, &c.machines[hf_random_below(&c.dice, MACHINES)], (hf_topic_lane)hf_random_below(&c.dice, HF_TOPIC_LANES), true);
                break;
            case 1:
                c.kept = c.redis;
                break;
            case 2:
                stop_redis(&c);
                if (hf_random_below(&c.dice, 2) == 0)
                    c.redis = c.kept;
                break;
            case 3:
                if (!c.up)
                    start_redis(&c);
                break;
            default:
                turn(&c, (int64_t)hf_random_below(&c.dice, 40) * tick);
                break;
            }
        }
        if (!c.up)
            start_redis(&c);
        turn(&c, HF_SECONDS(15));
        publish(&c, 0);
        turn(&c, HF_SECONDS(1));
        assert_nothing_missing_untold(&c);
        for (size_t i = 0; i < MACHINES; i++) {
            assert_true(c.machines[i].joined && !c.machines[i].alone);
            assert_int_equal(c.machines[i].told[c.machines[i].count - 1], c.published - 1);
        }
        end(&c);
    }
}

/* One by one, every allocation of a bridge that joins, reads and publishes fails: nothing leaks, and it recovers. */
static void any_allocation_may_fail(void **state)
{
    (void)state;
    size_t calls = 0;
    for (size_t fail = 1; fail == 1 || fail <= calls; fail++) {
        static cluster c;
        begin(&c, 14);
        machine *const m = &c.machines[0];
        const size_t before = c.world.memory.calls;
        for (hf_topic_lane k = 0; k < HF_TOPIC_LANES; k++)
            close_link(&c, m, k, true);
        publish(&c, 1);
        turn(&c, HF_MILLISECONDS(200)); /* what the harness needs it has by now */
        const size_t from = c.world.memory.calls;
        calls = from - before < 60 ? from - before : 60;
        hf_topic_message *message;
        hf_topic_bridge_event event;
        assert_int_equal(hf_topic_message_new(&c.world.env.alloc, &c.world.limits, (hf_topic_position){ 0, 0 }, hf_text("t/1"), hf_text(""), hf_text("7"), &message).code, 0);
        c.world.memory.fail_at = c.world.memory.calls + fail;
        if (hf_topic_bridge_publish(m->bridge, c.now, message))
            c.published++;
        hf_topic_message_drop(message);
        hf_in none = { .ptr = NULL, .len = 0 };
        while (hf_topic_bridge_step(m->bridge, c.now, HF_TOPIC_ASK, &none, &event) == HF_EVENT)
            deal_with(&c, m, &event);
        c.world.memory.fail_at = 0;
        turn(&c, HF_SECONDS(8));
        assert_true(m->joined);
        end(&c);
        if (fail > 4)
            break; /* there are no more in one publication */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_machine_publishes_all_tell_in_one_order),
        cmocka_unit_test(who_goes_to_another_machine_is_told_what_was_missed),
        cmocka_unit_test(a_machine_that_starts_later_has_the_past_and_tells_none_of_it_by_itself),
        cmocka_unit_test(a_redis_that_kept_everything_may_be_killed_and_nobody_misses_anything),
        cmocka_unit_test(connections_may_be_cut_anywhere),
        cmocka_unit_test(a_redis_that_lost_its_last_messages_is_a_gap_for_everybody),
        cmocka_unit_test(a_redis_that_is_empty_is_a_gap_and_a_new_beginning),
        cmocka_unit_test(without_redis_each_machine_tells_its_own_behind_a_gap_and_hands_it_on_later),
        cmocka_unit_test(a_stream_that_was_cut_short_is_a_gap),
        cmocka_unit_test(a_server_that_refuses_is_asked_again_and_its_words_are_told),
        cmocka_unit_test(a_server_that_says_nothing_is_given_up),
        cmocka_unit_test(no_memory_is_given_back_with_the_password_in_it),
        cmocka_unit_test(a_connection_that_died_in_silence_is_made_again_before_anybody_is_alone),
        cmocka_unit_test(what_redis_told_is_not_told_again_by_who_never_had_its_answer),
        cmocka_unit_test(what_waits_for_a_slow_redis_is_bounded),
        cmocka_unit_test(a_message_without_memory_is_a_gap_for_everybody),
        cmocka_unit_test(limit_topics_away_ns),
        cmocka_unit_test(limit_topics_waiting_bytes),
        cmocka_unit_test(limit_topics_shared_events),
        cmocka_unit_test(what_is_longer_than_may_be_kept_is_gone_over_and_told_as_a_gap),
        cmocka_unit_test(limit_topics_reply_bytes),
        cmocka_unit_test(whatever_happens_nothing_is_missing_untold),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("bridge", tests, NULL, NULL);
}
