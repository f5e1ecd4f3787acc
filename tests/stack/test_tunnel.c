/* SPDX-License-Identifier: Apache-2.0
 *
 * Behind 101: who is silent in a tunnel has no HTTP/1 core, and who speaks has one only while something waits for the peer.
 */
#include "web.h"

#include <stdlib.h>
#include <string.h>

#include "fake_pier.c"
#include "harness.h"

typedef struct rig {
    hf_test_world world;
    fake_pier pier;
    hf_web_spares spares;
    hf_web_options options;
    hf_web *web;
    hf_time now;
    hf_exchange exchange;
    size_t body_seen;
    hf_extent pieces[8];
    uint8_t scratch[4096];
} rig;

static void switch_to_tunnel(rig *r, const hf_web_event *e)
{
    static const hf_field fields[] = { { HF_LITERAL("Upgrade"), HF_LITERAL("x"), HF_FIELD_UPGRADE } };
    const hf_response_head head = { .status = 101, .fields = { fields, 1 } };
    r->exchange = e->exchange;
    assert_int_equal(hf_web_respond(r->web, r->exchange, &head).code, 0);
}

static void drive(rig *r)
{
    hf_out out = { .pieces = r->pieces, .capacity = HF_COUNT(r->pieces), .scratch = r->scratch, .scratch_capacity = sizeof r->scratch,
        .room = UINT64_MAX };
    hf_web_event e;
    hf_step s;
    for (int i = 0; (s = hf_web_step(r->web, r->now, &out, &e)) == HF_EVENT; i++) {
        assert_true(i < 100);
        if (e.kind == HF_WEB_REQUEST)
            switch_to_tunnel(r, &e);
        if (e.kind != HF_WEB_BODY)
            continue;
        r->body_seen += e.body.len;
        hf_web_take(r->web, e.exchange, e.body.len);
    }
    assert_int_equal(s, HF_IDLE);
}

static void setup(rig *r)
{
    memset(r, 0, sizeof *r);
    hf_test_world_init(&r->world, 1);
    fake_pier_init(&r->pier);
    r->pier.room = UINT64_MAX;
    r->now = hf_time_make(HF_SECONDS(1000));
    r->options.spares = &r->spares;
    r->web = hf_web_new(&r->world.env, 1, fake_pier_get(&r->pier), &r->options, r->now);
    assert_non_null(r->web);
    fake_pier_say(&r->pier, hf_text("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"));
    drive(r);
    assert_non_null(memmem(r->pier.out, r->pier.out_length, "101 Switching", 13));
}

static void teardown(rig *r)
{
    hf_web_free(r->web);
    hf_web_spares_free(&r->spares);
    fake_pier_fini(&r->pier);
    hf_test_world_fini(&r->world);
}

static void a_tunnel_that_never_said_a_word_keeps_no_core(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    assert_int_equal(r.spares.count, 1);
    teardown(&r);
}

static const hf_extent words = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("words of the server") };

static void say(rig *r)
{
    hf_err err = HF_OK;
    assert_int_equal(hf_web_put(r->web, r->exchange, &words, 1, &err), words.bytes.len);
    assert_int_equal(err.code, 0);
}

static void what_a_tunnel_says_leaves_at_once_without_a_core(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    for (int i = 0; i < 3; i++) {
        const size_t before = r.pier.out_length;
        const uint64_t sent = hf_web_bytes_sent(r.web);
        fake_pier_say(&r.pier, hf_text("words"));
        drive(&r);
        assert_int_equal(r.body_seen, 5 * (size_t)(i + 1));
        say(&r);
        assert_int_equal(r.spares.count, 1);
        assert_int_equal(r.pier.out_length - before, words.bytes.len);
        assert_memory_equal(r.pier.out + before, words.bytes.ptr, words.bytes.len);
        assert_int_equal(hf_web_bytes_sent(r.web) - sent, words.bytes.len);
        drive(&r);
        assert_int_equal(r.pier.out_length - before, words.bytes.len);
    }
    teardown(&r);
}

static void what_waits_for_the_peer_of_a_tunnel_does_so_in_a_core_which_is_given_back(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    const size_t before = r.pier.out_length;
    r.pier.room = 4;
    say(&r); /* the pier keeps what does not leave */
    assert_int_equal(r.spares.count, 1);
    say(&r);
    assert_int_equal(r.spares.count, 0);
    drive(&r);
    assert_int_equal(r.pier.out_length - before, 4);
    assert_true(hf_web_wake(r.web).ns <= r.now.ns + (int64_t)r.world.env.limits->send_idle_ns); /* who does not take it is watched */
    fake_pier_open(&r.pier, 1000);
    drive(&r);
    assert_int_equal(r.pier.out_length - before, 2 * words.bytes.len);
    assert_memory_equal(r.pier.out + before, words.bytes.ptr, words.bytes.len);
    assert_memory_equal(r.pier.out + before + words.bytes.len, words.bytes.ptr, words.bytes.len);
    assert_int_equal(r.spares.count, 1);
    assert_int_equal(hf_web_wake(r.web).ns, HF_NEVER.ns);
    teardown(&r);
}

static void a_peer_that_takes_nothing_of_what_a_tunnel_says_is_cut(void **state)
{
    (void)state;
    static rig r;
    setup(&r);
    r.pier.room = 0;
    say(&r);
    drive(&r);
    hf_out out = { .pieces = r.pieces, .capacity = HF_COUNT(r.pieces), .scratch = r.scratch, .scratch_capacity = sizeof r.scratch,
        .room = UINT64_MAX };
    hf_web_event e;
    hf_step s = HF_IDLE;
    for (int i = 0; i < 100 && s != HF_EVENT; i++) {
        r.now = hf_web_wake(r.web);
        assert_true(r.now.ns < HF_NEVER.ns);
        s = hf_web_step(r.web, r.now, &out, &e);
    }
    assert_int_equal(s, HF_EVENT);
    assert_int_equal(e.kind, HF_WEB_CLOSED);
    assert_true(e.err.code == HF_ERR_IO_SEND_TIMEOUT || e.err.code == HF_ERR_IO_SEND_RATE);
    teardown(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tunnel_that_never_said_a_word_keeps_no_core),
        cmocka_unit_test(what_a_tunnel_says_leaves_at_once_without_a_core),
        cmocka_unit_test(what_waits_for_the_peer_of_a_tunnel_does_so_in_a_core_which_is_given_back),
        cmocka_unit_test(a_peer_that_takes_nothing_of_what_a_tunnel_says_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
