/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics in a simulated network: publishers and followers of event streams over lossy links, with connections that are cut
 * in mid-event and streams that the server ends. Each follower comes back with the last id that it saw whole, and must be
 * told every message once and in order; after the server was killed it must be told that something is missing.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <handfast/eventstream.h>
#include <handfast/realtime.h>
#include <handfast/sim.h>

#include "random.h"

enum { FOLLOWERS = 3, MOST = 400, ROUNDS = 60 };

/* ---- the server's routes ------------------------------------------------------------------------------------ */

/* For a while: called when the stream begins, and once more. */
static hf_err follow(hf_req *rq)
{
    if ((*hf_req_word(rq))++ > 0)
        return hf_reply_end(rq);
    return hf_topic_subscribe(rq, hf_text("room/*"), hf_topic_resume(rq));
}

static hf_err say(hf_req *rq)
{
    char topic[16];
    snprintf(topic, sizeof topic, "room/%.*s", HF_STR(hf_path_arg(rq, "room")));
    const hf_err err = hf_topic_publish(rq, hf_text(topic), hf_text(""), hf_req_body(rq));
    return err.code != 0 ? err : hf_reply(rq, 204, NULL, hf_text(""));
}

static const hf_route routes[] = {
    { .method = "GET", .path = "/follow", .events = follow, .every_ns = HF_SECONDS(3) },
    { .method = "POST", .path = "/say/{room}", .handle = say },
};

/* ---- followers ---------------------------------------------------------------------------------------------- */

typedef struct follower {
    hf_sim_client *client;
    char id[64];        /* the last that was seen whole; empty: none */
    unsigned told[MOST]; /* how often each was told */
    unsigned last;      /* the number told last */
    unsigned gaps, events;
    bool asking;
} follower;

typedef struct world {
    hf_sim *sim;
    hf_random random;
    hf_sim_client *speaker;
    follower followers[FOLLOWERS];
    unsigned said; /* messages whose publishing was answered: 1 .. said */
    bool killed;   /* since the follower's gaps were counted last */
} world;

static void ask(follower *f)
{
    const hf_field seen = { .name = HF_LITERAL("Last-Event-ID"), .value = hf_text(f->id) };
    hf_sim_begin(f->client, &(hf_sim_request){ .target = "/follow", .fields = &seen, .field_count = f->id[0] != 0 });
    f->asking = true;
}

static void take(follower *f, const hf_eventstream_event *e)
{
    unsigned n;
    f->events++;
    if (hf_bytes_equal(e->name, hf_text("gap"))) {
        f->gaps++;
        return;
    }
    assert_int_equal(sscanf((const char *)e->data.ptr, "%u", &n), 1);
    assert_in_range(n, 1, MOST - 1);
    f->told[n]++;
    if (n <= f->last)
        fail_msg("%u was told after %u", n, f->last);
    f->last = n;
}

/* What came of the stream, whole or cut: what is not whole is no event. */
static void hear(follower *f, hf_bytes body)
{
    hf_test_world w;
    hf_eventstream_event e;
    hf_test_world_init(&w, 1);
    hf_eventstream *const parser = hf_eventstream_new(&w.env);
    uint8_t *const copy = malloc(body.len + 1);
    if (body.len > 0)
        memcpy(copy, body.ptr, body.len);
    copy[body.len] = 0;
    hf_in in = { .ptr = copy, .len = body.len, .fin = true };
    for (hf_step s; (s = hf_eventstream_step(parser, &in, &e)) == HF_EVENT;) {
        char text[32] = "";
        memcpy(text, e.data.ptr, e.data.len < sizeof text ? e.data.len : sizeof text - 1);
        e.data = hf_bytes_make(text, e.data.len);
        take(f, &e);
        in = (hf_in){ .ptr = in.ptr + in.used, .len = in.len - in.used, .fin = true };
    }
    const hf_bytes id = hf_eventstream_last_id(parser);
    if (id.len > 0)
        snprintf(f->id, sizeof f->id, "%.*s", HF_STR(id));
    free(copy);
    hf_eventstream_free(parser);
    hf_test_world_fini(&w);
}

/* The stream is over, one way or another: comes back. */
static void look(follower *f)
{
    const hf_sim_answer *const a = f->asking ? hf_sim_answer_of(f->client) : NULL;
    if (f->asking && a == NULL)
        return;
    if (a != NULL && a->status == 200)
        hear(f, a->body);
    ask(f);
}

/* Publishes the next number, and makes sure that it was: what is not answered is asked again, so it may be told twice. */
static void publish(world *w)
{
    char text[16], target[16];
    snprintf(text, sizeof text, "%u\n", w->said + 1);
    snprintf(target, sizeof target, "/say/%u", (unsigned)hf_random_below(&w->random, 3));
    const hf_sim_answer *const a = hf_sim_ask(w->speaker, &(hf_sim_request){ .target = target, .body = hf_text(text) });
    assert_int_equal(a->err.code, 0);
    assert_int_equal(a->status, 204);
    w->said++;
}

static void open_world(world *w, uint64_t seed, uint32_t loss)
{
    memset(w, 0, sizeof *w);
    hf_random_seed(&w->random, seed);
    const hf_sim_options options = { .routes = routes, .route_count = HF_COUNT(routes), .seed = seed,
                                     .network = { .loss = loss, .delay_ns = HF_MILLISECONDS(20), .jitter_ns = HF_MILLISECONDS(10) } };
    assert_int_equal(hf_sim_server(&w->sim, &options).code, 0);
    w->speaker = hf_sim_client_new(w->sim);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        w->followers[i].client = hf_sim_client_new(w->sim);
        ask(&w->followers[i]);
    }
    hf_sim_run(w->sim, HF_SECONDS(1)); /* they are there */
}

/* Until each has come back once more, and was told all. */
static void settle(world *w)
{
    for (unsigned i = 0; i < 8; i++) {
        hf_sim_run(w->sim, HF_SECONDS(4));
        for (size_t k = 0; k < FOLLOWERS; k++)
            look(&w->followers[k]);
    }
}

static void one_round(world *w)
{
    follower *const f = &w->followers[hf_random_below(&w->random, FOLLOWERS)];
    for (uint64_t n = hf_random_below(&w->random, 4); n > 0 && w->said + 1 < MOST; n--)
        publish(w);
    hf_sim_run(w->sim, (int64_t)hf_random_below(&w->random, (uint64_t)HF_MILLISECONDS(1500)));
    if (hf_random_below(&w->random, 3) == 0)
        hf_sim_hang_up(f->client);
    for (size_t i = 0; i < FOLLOWERS; i++)
        look(&w->followers[i]);
}

static uint64_t run_seed(uint64_t seed)
{
    static world w;
    open_world(&w, seed, seed % 3 == 0 ? 0 : 30000);
    for (unsigned i = 0; i < ROUNDS; i++)
        one_round(&w);
    settle(&w);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        assert_int_equal(w.followers[i].gaps, 0);
        for (unsigned n = w.followers[i].told[1] == 0 ? 2 : 1; n <= w.said; n++)
            if (w.followers[i].told[n] != 1)
                fail_msg("seed %llu: follower %zu was told %u %u times", (unsigned long long)seed, i, n, w.followers[i].told[n]);
    }
    assert_true(w.said > ROUNDS / 2);
    const uint64_t trace = hf_sim_trace(w.sim);
    hf_sim_close(w.sim);
    return trace;
}

static void every_message_is_told_once_and_in_order_whatever_is_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        (void)run_seed(seed);
}

static void a_seed_is_a_whole_world(void **state)
{
    (void)state;
    assert_true(run_seed(5) == run_seed(5));
    assert_true(run_seed(5) != run_seed(6));
}

static void a_server_that_was_killed_tells_the_gap(void **state)
{
    (void)state;
    static world w;
    open_world(&w, 77, 0);
    publish(&w);
    settle(&w);
    hf_sim_kill(w.sim);
    hf_sim_run(w.sim, HF_SECONDS(1));
    for (size_t i = 0; i < FOLLOWERS; i++)
        look(&w.followers[i]);
    hf_sim_hang_up(w.speaker);
    publish(&w);
    settle(&w);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        assert_int_equal(w.followers[i].gaps, 1);
        assert_int_equal(w.followers[i].told[2], 1);
    }
    hf_sim_close(w.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_is_told_once_and_in_order_whatever_is_cut),
        cmocka_unit_test(a_seed_is_a_whole_world),
        cmocka_unit_test(a_server_that_was_killed_tells_the_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
