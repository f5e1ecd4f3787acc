/* SPDX-License-Identifier: Apache-2.0
 *
 * text/event-stream both ways: the examples of the standard, every slicing, every end of line, bounds and failing memory;
 * and the ring that remembers.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <handfast/eventstream.h>

#include "random.h"

typedef struct listener {
    hf_eventstream *s;
    char log[4096];
    size_t length;
    hf_step last;
} listener;

static void note(listener *l, const char *what, hf_bytes b)
{
    l->length += (size_t)snprintf(l->log + l->length, sizeof l->log - l->length, "%s%.*s", what, HF_STR(b));
}

/* Feeds bytes that die with each step; returns what is left. */
static size_t feed(listener *l, const uint8_t *p, size_t n, bool fin)
{
    for (;;) {
        hf_eventstream_event e;
        uint8_t *const block = malloc(n + 1);
        if (n > 0)
            memcpy(block, p, n);
        hf_in in = { .ptr = block, .len = n, .fin = fin };
        l->last = hf_eventstream_step(l->s, &in, &e);
        memset(block, 0xee, n);
        if (l->last == HF_EVENT) {
            note(l, e.name.len > 0 ? "" : "message", e.name);
            note(l, "|", e.id);
            note(l, "|", e.data);
            note(l, "\n", hf_text(""));
        }
        free(block);
        p = n > 0 ? p + in.used : p;
        n -= in.used;
        if (l->last != HF_EVENT)
            return n;
    }
}

typedef struct example {
    const char *name;
    hf_bytes text;
    const char *log;
} example;

static const example examples[] = {
    { "three", HF_LITERAL("data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\ndata: This is the third message.\n\n"),
      "message||This is the first message.\nmessage||This is the second message, it\nhas two lines.\nmessage||This is the third message.\n" },
    { "types", HF_LITERAL("event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\ndata: x\n\n"), "add||73857293\nremove||2153\nmessage||x\n" },
    { "stock", HF_LITERAL("data: YHOO\ndata: +2\ndata: 10\n\n"), "message||YHOO\n+2\n10\n" },
    { "four blocks", HF_LITERAL(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
      "message|1|first event\nmessage||second event\nmessage|| third event\n" },
    { "empty data", HF_LITERAL("data\n\ndata\ndata\n\ndata:"), "message||\nmessage||\n\n" },
    { "space", HF_LITERAL("data:test\n\ndata: test\n\n"), "message||test\nmessage||test\n" },
    { "ends of lines", HF_LITERAL("data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\ndata: e\rdata: f\n\r\n"), "message||a\nmessage||b\nmessage||c\nmessage||d\ne\nf\n" },
    { "mark", HF_LITERAL("\xef\xbb\xbf""data: a\n\n"), "message||a\n" },
    { "second mark", HF_LITERAL("\xef\xbb\xbf\xef\xbb\xbf""data: a\n\ndata: b\n\n"), "message||b\n" },
    { "half a mark", HF_LITERAL("\xef\xbb""data: a\n\ndata: b\n\n"), "message||b\n" },
    { "no data no event", HF_LITERAL("event: lost\nid: 5\n\ndata: a\n\n"), "message|5|a\n" },
    { "unknown fields", HF_LITERAL("foo: bar\nDATA: no\n data: no\ndata : no\ndata: a\n\n"), "message||a\n" },
    { "id with NUL", HF_LITERAL("id: 1\ndata: a\n\nid: 2\0003\ndata: b\n\n"), "message|1|a\nmessage|1|b\n" },
    { "last of many", HF_LITERAL("event: a\nevent: b\nid: 1\nid: 2\ndata: x\n\n"), "b|2|x\n" },
    { "colon in value", HF_LITERAL("data: {\"a\": 1}\n:comment: x\n:\n\n"), "message||{\"a\": 1}\n" },
    { "unfinished", HF_LITERAL("data: a\n\ndata: b\n"), "message||a\n" },
    { "nothing", HF_LITERAL(""), "" },
};

static void listen_to(const example *x, size_t slice, hf_random *random)
{
    hf_test_world world;
    listener l = { .last = HF_IDLE };
    hf_test_world_init(&world, 1);
    l.s = hf_eventstream_new(&world.env);
    for (size_t at = 0; at < x->text.len;) {
        size_t n = random != NULL ? 1 + (size_t)hf_random_below(random, 9) : slice;
        n = n < x->text.len - at ? n : x->text.len - at;
        assert_int_equal(feed(&l, x->text.ptr + at, n, false), 0);
        at += n;
    }
    feed(&l, NULL, 0, true);
    assert_int_equal(l.last, HF_CLOSED);
    if (strcmp(l.log, x->log) != 0)
        fail_msg("%s in slices of %zu:\n%s", x->name, slice, l.log);
    hf_eventstream_free(l.s);
    hf_test_world_fini(&world);
}

static void the_examples_of_the_standard_in_any_slices(void **state)
{
    (void)state;
    hf_random random;
    hf_random_seed(&random, 3);
    for (size_t i = 0; i < HF_COUNT(examples); i++) {
        for (size_t slice = 1; slice < 200; slice++)
            listen_to(&examples[i], slice, NULL);
        for (int k = 0; k < 100; k++)
            listen_to(&examples[i], 0, &random);
    }
}

static void retry_counts_only_when_it_is_a_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t retry;
    } cases[] = { { "retry: 1500\n", 1500 }, { "retry: 1500x\n", -1 }, { "retry: -1\n", -1 }, { "retry:\n", -1 }, { "retry: 1\nretry: a\n", 1 },
                  { "retry: 99999999999999999999\n", -1 } };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_test_world world;
        listener l = { .last = HF_IDLE };
        hf_test_world_init(&world, 1);
        l.s = hf_eventstream_new(&world.env);
        feed(&l, (const uint8_t *)cases[i].text, strlen(cases[i].text), false);
        assert_int_equal(hf_eventstream_retry_ms(l.s), cases[i].retry);
        hf_eventstream_free(l.s);
        hf_test_world_fini(&world);
    }
}

static void the_last_id_is_that_of_a_dispatched_event(void **state)
{
    (void)state;
    hf_test_world world;
    listener l = { .last = HF_IDLE };
    hf_test_world_init(&world, 1);
    l.s = hf_eventstream_new(&world.env);
    static const char text[] = "id: 7\ndata: a\n\nid: 8\ndata: b\n";
    feed(&l, (const uint8_t *)text, strlen(text), false);
    assert_true(hf_bytes_equal(hf_eventstream_last_id(l.s), hf_text("7")));
    feed(&l, (const uint8_t *)"\n", 1, false);
    assert_true(hf_bytes_equal(hf_eventstream_last_id(l.s), hf_text("8")));
    hf_eventstream_free(l.s);
    hf_test_world_fini(&world);
}

static void limit_eventstream_event_bytes(void **state)
{
    (void)state;
    static const char line[] = "data: 0123456789\n", endless[] = "data: 0123456789012345678901234567890123456789";
    for (size_t slice = 1; slice < 60; slice += 7) {
        hf_test_world world;
        listener l = { .last = HF_IDLE };
        hf_test_world_init(&world, 1);
        world.limits.eventstream_event_bytes = 22; /* two lines with their ends */
        l.s = hf_eventstream_new(&world.env);
        feed(&l, (const uint8_t *)line, strlen(line), false);
        feed(&l, (const uint8_t *)line, strlen(line), false);
        feed(&l, (const uint8_t *)"\n", 1, false);
        assert_string_equal(l.log, "message||0123456789\n0123456789\n");
        for (int i = 0; i < 3; i++)
            feed(&l, (const uint8_t *)line, strlen(line), false);
        assert_int_equal(l.last, HF_FAULT);
        assert_int_equal(hf_eventstream_fault(l.s).code, HF_ERR_EVENTSTREAM_EVENT_TOO_LARGE);
        assert_int_equal(feed(&l, (const uint8_t *)line, 5, false), 5); /* sticky */
        hf_eventstream_free(l.s);
        l.s = hf_eventstream_new(&world.env);
        for (size_t at = 0; at < strlen(endless); at += slice)
            feed(&l, (const uint8_t *)endless + at, slice < strlen(endless) - at ? slice : strlen(endless) - at, false);
        assert_int_equal(hf_eventstream_fault(l.s).code, HF_ERR_EVENTSTREAM_EVENT_TOO_LARGE);
        hf_eventstream_free(l.s);
        hf_test_world_fini(&world);
    }
}

static void what_is_written_is_read_as_it_was_meant(void **state)
{
    (void)state;
    static const struct {
        hf_eventstream_event event;
        const char *text, *log;
    } cases[] = {
        { { .data = HF_LITERAL("hello") }, "data: hello\n\n", "message||hello\n" },
        { { .id = HF_LITERAL("1"), .name = HF_LITERAL("add"), .data = HF_LITERAL("a\nb\r\nc\rd"), .retry_ms = 10 },
          "id: 1\nevent: add\nretry: 10\ndata: a\ndata: b\ndata: c\ndata: d\n\n", "add|1|a\nb\nc\nd\n" },
        { { .data = HF_LITERAL("") }, "data: \n\n", "message||\n" },
        { { .data = HF_LITERAL("\n") }, "data: \ndata: \n\n", "message||\n\n" },
        { { .data = HF_LITERAL(" x") }, "data:  x\n\n", "message|| x\n" },
        { { .retry_ms = 5 }, "retry: 5\n\n", "" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_test_world world;
        listener l = { .last = HF_IDLE };
        uint8_t text[200];
        hf_test_world_init(&world, 1);
        const size_t n = hf_eventstream_write(text, sizeof text, &cases[i].event);
        assert_true(hf_bytes_equal(hf_bytes_make(text, n), hf_text(cases[i].text)));
        memset(text, 0xcc, sizeof text);
        assert_int_equal(hf_eventstream_write(text, n - 1, &cases[i].event), n); /* it does not fit: nothing is written */
        assert_int_equal(text[0], 0xcc);
        hf_eventstream_write(text, n, &cases[i].event);
        l.s = hf_eventstream_new(&world.env);
        feed(&l, text, n, false);
        feed(&l, hf_eventstream_comment().ptr, hf_eventstream_comment().len, false);
        assert_string_equal(l.log, cases[i].log);
        hf_eventstream_free(l.s);
        hf_test_world_fini(&world);
    }
    const hf_eventstream_event split = { .name = HF_LITERAL("a\ndata: forged"), .data = HF_LITERAL("x") },
                               nul = { .id = HF_LITERAL("a\0b"), .data = HF_LITERAL("x") };
    assert_int_equal(hf_eventstream_write(NULL, 0, &split), 0);
    assert_int_equal(hf_eventstream_write(NULL, 0, &nul), 0);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] = "id: 1\nevent: x\ndata: hello\n\ndata: wor";
    for (size_t fail_at = 1; fail_at < 12; fail_at++)
        for (size_t slice = 1; slice < 50; slice += 48) {
            hf_test_world world;
            listener l = { .last = HF_IDLE };
            hf_test_world_init(&world, 1);
            world.memory.fail_at = fail_at;
            l.s = hf_eventstream_new(&world.env);
            for (size_t at = 0; l.s != NULL && at < strlen(text); at += slice)
                feed(&l, (const uint8_t *)text + at, slice < strlen(text) - at ? slice : strlen(text) - at, false);
            assert_true(world.memory.calls < fail_at || l.s == NULL || l.last == HF_FAULT);
            hf_eventstream_free(l.s);
            hf_test_world_fini(&world);
        }
}

/* ---- the ring ----------------------------------------------------------------------------------------------- */

static hf_eventstream_ring *filled(hf_test_world *world, size_t count)
{
    hf_eventstream_ring *const ring = hf_eventstream_ring_new(&world->env, 0xabc);
    for (size_t i = 1; i <= count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%zu", i);
        assert_int_equal(hf_eventstream_ring_push(ring, hf_text(""), hf_text(text)).code, 0);
    }
    return ring;
}

static void resumed(const hf_eventstream_ring *ring, const char *id, hf_eventstream_resume how, uint64_t from)
{
    uint64_t number;
    assert_int_equal(hf_eventstream_ring_resume(ring, hf_text(id), &number), how);
    assert_int_equal(number, from);
}

static void limit_eventstream_replay_events(void **state)
{
    (void)state;
    hf_test_world world;
    hf_test_world_init(&world, 1);
    world.limits.eventstream_replay_events = 100;
    hf_eventstream_ring *const ring = filled(&world, 250);
    assert_int_equal(hf_eventstream_ring_next(ring), 251);
    assert_null(hf_eventstream_ring_at(ring, 150).ptr);
    assert_null(hf_eventstream_ring_at(ring, 251).ptr);
    for (uint64_t n = 151; n <= 250; n++) {
        char text[64];
        snprintf(text, sizeof text, "id: abc-%d\ndata: %d\n\n", (int)n, (int)n);
        assert_true(hf_bytes_equal(hf_eventstream_ring_at(ring, n), hf_text(text)));
    }
    resumed(ring, "", HF_EVENTSTREAM_FRESH, 251);
    resumed(ring, "abc-250", HF_EVENTSTREAM_WHOLE, 251);
    resumed(ring, "abc-200", HF_EVENTSTREAM_WHOLE, 201);
    resumed(ring, "abc-150", HF_EVENTSTREAM_WHOLE, 151);
    resumed(ring, "abc-149", HF_EVENTSTREAM_GAP, 151);
    resumed(ring, "abc-251", HF_EVENTSTREAM_GAP, 151); /* not ours yet: of another life */
    resumed(ring, "abd-200", HF_EVENTSTREAM_GAP, 151);
    static const char *const odd[] = { "200", "abc", "abc-", "-200", "abc-2 00", "xyz-200", "abc-99999999999999999999", "0123456789abcdef0-1" };
    for (size_t i = 0; i < HF_COUNT(odd); i++)
        resumed(ring, odd[i], HF_EVENTSTREAM_GAP, 151);
    hf_eventstream_ring_free(ring);
    hf_test_world_fini(&world);
}

static void limit_eventstream_replay_bytes(void **state)
{
    (void)state;
    hf_test_world world;
    hf_test_world_init(&world, 1);
    world.limits.eventstream_replay_bytes = 100; /* "id: abc-N\ndata: N\n\n" has 19 to 23 */
    hf_eventstream_ring *const ring = filled(&world, 9);
    assert_null(hf_eventstream_ring_at(ring, 4).ptr);
    assert_non_null(hf_eventstream_ring_at(ring, 5).ptr);
    char large[200];
    memset(large, 'x', sizeof large);
    assert_int_equal(hf_eventstream_ring_push(ring, hf_text(""), hf_bytes_make(large, 100)).code, HF_ERR_BASE_LIMIT);
    assert_int_equal(hf_eventstream_ring_push(ring, hf_text("a\nb"), hf_text("x")).code, HF_ERR_BASE_USAGE);
    assert_non_null(hf_eventstream_ring_at(ring, 5).ptr);
    assert_int_equal(hf_eventstream_ring_push(ring, hf_text(""), hf_bytes_make(large, 80)).code, 0);
    assert_null(hf_eventstream_ring_at(ring, 9).ptr);
    assert_int_equal(hf_eventstream_ring_at(ring, 10).len, strlen("id: abc-10\ndata: \n\n") + 80);
    hf_eventstream_ring_free(ring);
    hf_test_world_fini(&world);
}

static void an_empty_ring_resumes_a_stranger_with_a_gap(void **state)
{
    (void)state;
    hf_test_world world;
    hf_test_world_init(&world, 1);
    hf_eventstream_ring *const ring = filled(&world, 0);
    resumed(ring, "", HF_EVENTSTREAM_FRESH, 1);
    resumed(ring, "abb-5", HF_EVENTSTREAM_GAP, 1);
    resumed(ring, "abc-0", HF_EVENTSTREAM_WHOLE, 1);
    hf_eventstream_ring_free(ring);
    for (size_t fail_at = 1; fail_at < 6; fail_at++) {
        world.memory.calls = 0;
        world.memory.fail_at = fail_at;
        hf_eventstream_ring *const other = hf_eventstream_ring_new(&world.env, 1);
        size_t kept = 0;
        for (size_t i = 0; other != NULL && i < 40; i++)
            kept += hf_eventstream_ring_push(other, hf_text(""), hf_text("x")).code == 0;
        assert_true(other == NULL || (hf_eventstream_ring_next(other) == kept + 1 && kept >= 39));
        hf_eventstream_ring_free(other);
    }
    hf_test_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standard_in_any_slices),
        cmocka_unit_test(retry_counts_only_when_it_is_a_number),
        cmocka_unit_test(the_last_id_is_that_of_a_dispatched_event),
        cmocka_unit_test(limit_eventstream_event_bytes),
        cmocka_unit_test(what_is_written_is_read_as_it_was_meant),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(limit_eventstream_replay_events),
        cmocka_unit_test(limit_eventstream_replay_bytes),
        cmocka_unit_test(an_empty_ring_resumes_a_stranger_with_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
