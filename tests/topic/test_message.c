/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, patterns, tokens, and a message in its forms.
 */
#include <stdio.h>
#include <stdlib.h>

#include <handfast/eventstream.h>
#include <handfast/topic.h>
#include <handfast/websocket.h>

#include "harness.h"

static void names_and_patterns_are_what_they_should_be(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool name, pattern;
    } cases[] = {
        { "board", true, true }, { "board/12", true, true }, { "b\xc3\xb6rse/x-1", true, true }, { "*", false, true },
        { "**", false, true }, { "a/*/b", false, true }, { "a/**", false, true }, { "*/**", false, true }, { "", false, false },
        { "/a", false, false }, { "a/", false, false }, { "a//b", false, false }, { "a b", false, false }, { "a\n", false, false },
        { "a*", false, false }, { "**/a", false, false }, { "a/***", false, false }, { "a\x7f", false, false }, { "/", false, false },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        const hf_bytes text = hf_text(cases[i].text);
        if (hf_topic_name_is_fit(text, hf_limits_default()) != cases[i].name ||
            hf_topic_pattern_is_fit(text, hf_limits_default()) != cases[i].pattern)
            fail_msg("\"%s\"", cases[i].text);
    }
}

static void a_star_is_one_segment_and_two_are_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool matches;
    } cases[] = {
        { "a/b", "a/b", true }, { "a/b", "a", false }, { "a", "a/b", false }, { "a/b", "a/c", false }, { "*", "a", true },
        { "*", "a/b", false }, { "a/*", "a/b", true }, { "a/*", "a", false }, { "a/*", "a/b/c", false }, { "*/b", "a/b", true },
        { "a/*/c", "a/b/c", true }, { "a/*/c", "a/b/d", false }, { "**", "a", true }, { "**", "a/b/c", true }, { "a/**", "a", false },
        { "a/**", "a/b", true }, { "a/**", "a/b/c", true }, { "a/**", "b/c", false }, { "*/**", "a/b/c", true }, { "ab", "a", false },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++)
        if (hf_topic_matches(hf_text(cases[i].pattern), hf_text(cases[i].name)) != cases[i].matches)
            fail_msg("%s, %s", cases[i].pattern, cases[i].name);
}

static void tokens_are_written_and_read(void **state)
{
    (void)state;
    uint8_t room[HF_TOPIC_TOKEN];
    hf_topic_position at;
    const hf_topic_position far = { UINT64_MAX, UINT64_MAX };
    assert_true(hf_topic_token_read(hf_topic_token_write(far, room), &at) && at.epoch == far.epoch && at.number == far.number);
    assert_true(hf_topic_token_read(hf_text("1f-7"), &at) && at.epoch == 31 && at.number == 7);
    static const char *const bad[] = { "", "7", "-7", "x-7", "1-", "1-x", "1-7-", "11111111111111111-1", "1-99999999999999999999", "1 -1" };
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        assert_false(hf_topic_token_read(hf_text(bad[i]), &at));
}

static hf_topic_message *made(const hf_test_world *w, const char *topic, const char *name, const char *data)
{
    hf_topic_message *m;
    const hf_err err = hf_topic_message_new(&w->env.alloc, &w->limits, (hf_topic_position){ 0xab, 7 }, hf_text(topic), hf_text(name),
                                            hf_text(data), &m);
    assert_int_equal(err.code, 0);
    return m;
}

static void assert_form(const hf_topic_message *m, hf_topic_form form, const char *expected)
{
    const hf_bytes b = hf_topic_message_form(m, form);
    if (!hf_bytes_equal(b, hf_text(expected)))
        fail_msg("got %.*s, wanted %s", HF_STR(b), expected);
    assert_ptr_equal(hf_topic_message_form(m, form).ptr, b.ptr); /* once for all */
}

/* RFC 6455 5.2: a text frame of less than 126 bytes. */
static void assert_frame(const hf_topic_message *m, const char *expected)
{
    const hf_bytes b = hf_topic_message_form(m, HF_TOPIC_FRAME);
    assert_true(b.len > 2 && b.ptr[0] == 0x81 && b.ptr[1] == b.len - 2);
    if (!hf_bytes_equal(hf_bytes_make(b.ptr + 2, b.len - 2), hf_text(expected)))
        fail_msg("got %.*s, wanted %s", HF_STR(b), expected);
}

static void a_message_is_an_event_and_a_frame(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    hf_topic_message *m = made(&w, "board/1", "line", "one\ntwo \"three\"");
    assert_form(m, HF_TOPIC_EVENT, "id: ab-7\nevent: line\ndata: one\ndata: two \"three\"\n\n");
    assert_frame(m, "{\"id\":\"ab-7\",\"topic\":\"board/1\",\"event\":\"line\",\"data\":\"one\\ntwo \\\"three\\\"\"}");
    hf_topic_message_drop(m);
    m = made(&w, "b", "", "");
    assert_form(m, HF_TOPIC_EVENT, "id: ab-7\ndata: \n\n");
    assert_frame(m, "{\"id\":\"ab-7\",\"topic\":\"b\",\"data\":\"\"}");
    assert_ptr_equal(hf_topic_message_keep(m), m);
    hf_topic_message_drop(m);
    hf_topic_message_drop(m);
    hf_topic_message_drop(NULL);
    hf_test_world_fini(&w);
}

/* What a client that agreed to compression makes of the frame. */
static void a_compressed_frame_says_the_same(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    char long_text[2001] = "";
    memset(long_text, 'x', sizeof long_text - 1);
    hf_topic_message *m = made(&w, "b", "", long_text);
    const hf_bytes frame = hf_topic_message_form(m, HF_TOPIC_DEFLATED);
    if (frame.ptr == NULL) { /* a build without zlib has none */
        hf_topic_message_drop(m);
        hf_test_world_fini(&w);
        hf_test_needs("zlib", false);
        return;
    }
    assert_true(frame.len < 200);
    hf_crypto *const crypto = hf_crypto_new(&w.env, NULL);
    const hf_websocket_options options = { .deflate = { .on = true }, .crypto = crypto };
    hf_websocket *client = hf_websocket_client_new(&w.env, 1, &options, hf_time_make(1));
    uint8_t copy[256];
    memcpy(copy, frame.ptr, frame.len);
    hf_in in = { .ptr = copy, .len = frame.len };
    hf_websocket_event event;
    assert_int_equal(hf_websocket_step(client, hf_time_make(2), &in, &event), HF_EVENT);
    assert_true(event.kind == HF_WEBSOCKET_MESSAGE && event.bytes.len > 2000 && memmem(event.bytes.ptr, event.bytes.len, long_text, 2000));
    hf_websocket_free(client);
    hf_crypto_free(crypto);
    hf_topic_message_drop(m);
    hf_test_world_fini(&w);
}

static int32_t refusal(hf_test_world *w, hf_bytes topic, hf_bytes name, hf_bytes data)
{
    hf_topic_message *m;
    const hf_err err = hf_topic_message_new(&w->env.alloc, &w->limits, (hf_topic_position){ 1, 1 }, topic, name, data, &m);
    hf_topic_message_drop(m);
    return err.code;
}

static void what_is_no_topic_is_refused(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    assert_int_equal(refusal(&w, hf_text("a/*"), hf_text(""), hf_text("")), HF_ERR_TOPIC_NAME);
    assert_int_equal(refusal(&w, hf_text("a"), hf_text("x\ny"), hf_text("")), HF_ERR_TOPIC_NAME);
    assert_int_equal(refusal(&w, hf_text("a"), hf_bytes_make("x\0y", 3), hf_text("")), HF_ERR_TOPIC_NAME);
    hf_test_world_fini(&w);
}

static void limit_topic_name_bytes(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    w.limits.topic_name_bytes = 5;
    assert_int_equal(refusal(&w, hf_text("abcde"), hf_text("abcde"), hf_text("")), 0);
    assert_int_equal(refusal(&w, hf_text("abcdef"), hf_text(""), hf_text("")), HF_ERR_TOPIC_NAME);
    assert_int_equal(refusal(&w, hf_text("a"), hf_text("abcdef"), hf_text("")), HF_ERR_TOPIC_NAME);
    assert_false(hf_topic_pattern_is_fit(hf_text("abcd/*"), &w.limits));
    hf_test_world_fini(&w);
}

static void limit_topic_message_bytes(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    w.limits.topic_message_bytes = 5;
    assert_int_equal(refusal(&w, hf_text("a"), hf_text(""), hf_text("12345")), 0);
    assert_int_equal(refusal(&w, hf_text("a"), hf_text(""), hf_text("123456")), HF_ERR_TOPIC_TOO_LARGE);
    hf_test_world_fini(&w);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    size_t good = 0;
    for (size_t at = 1; good < HF_TOPIC_FORMS; at++) {
        hf_test_world w;
        hf_test_world_init(&w, 1);
        w.memory.fail_at = at;
        hf_topic_message *m;
        good = 0;
        const hf_err err = hf_topic_message_new(&w.env.alloc, &w.limits, (hf_topic_position){ 1, 1 }, hf_text("a"), hf_text(""), hf_text("b"), &m);
        assert_int_equal(err.code, at == 1 ? HF_ERR_BASE_MEMORY : 0);
        for (unsigned f = 0; m != NULL && f < HF_TOPIC_FORMS; f++)
            good += hf_topic_message_form(m, (hf_topic_form)f).ptr != NULL;
        hf_topic_message_drop(m);
        hf_test_world_fini(&w);
        assert_true(at < 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_patterns_are_what_they_should_be),
        cmocka_unit_test(a_star_is_one_segment_and_two_are_the_rest),
        cmocka_unit_test(tokens_are_written_and_read),
        cmocka_unit_test(a_message_is_an_event_and_a_frame),
        cmocka_unit_test(a_compressed_frame_says_the_same),
        cmocka_unit_test(what_is_no_topic_is_refused),
        cmocka_unit_test(limit_topic_name_bytes),
        cmocka_unit_test(limit_topic_message_bytes),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
