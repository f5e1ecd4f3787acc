/* SPDX-License-Identifier: Apache-2.0
 *
 * RESP: commands as Redis reads them, replies however they are cut, and what is none.
 */
#include <stdio.h>

#include "harness.h"
#include "topic_resp.h"

static hf_resp_state look(const char *text, size_t length, size_t most, size_t *at)
{
    hf_resp_scan scan = { .at = 0 };
    const hf_resp_state state = hf_resp_look(&scan, hf_bytes_make(text, length), most);
    *at = scan.at;
    return state;
}

static void a_command_is_an_array_of_strings(void **state)
{
    (void)state;
    hf_test_world w;
    hf_queue q;
    hf_test_world_init(&w, 1);
    hf_queue_init(&q, &w.env.alloc);
    const hf_bytes words[] = { hf_text("SET"), hf_text(""), hf_bytes_make("a\r\nb\0c", 6) };
    assert_true(hf_resp_command(&q, words, 3));
    const hf_span out = hf_queue_peek(&q);
    static const char want[] = "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$6\r\na\r\nb\0c\r\n";
    assert_int_equal(out.len, sizeof want - 1);
    assert_memory_equal(out.ptr, want, out.len);
    hf_queue_fini(&q);
    w.memory.fail_at = w.memory.calls + 1;
    assert_false(hf_resp_command(&q, words, 3));
    hf_queue_fini(&q);
    hf_test_world_fini(&w);
}

static const char nested[] = "*2\r\n*3\r\n:-12\r\n$-1\r\n$3\r\na\r\n\r\n*0\r\n+OK\r\n";

static void a_reply_is_whole_at_its_last_byte_however_it_is_cut(void **state)
{
    (void)state;
    const size_t whole = sizeof nested - 1 - 5; /* the "+OK" is another */
    for (size_t n = 0; n < sizeof nested; n++) {
        size_t at;
        assert_int_equal(look(nested, n, 1000, &at), n < whole ? HF_RESP_MORE : HF_RESP_WHOLE);
        if (n >= whole)
            assert_int_equal(at, whole);
    }
    hf_resp_scan scan = { .at = 0 };
    for (size_t n = 1; n < whole; n++)
        assert_int_equal(hf_resp_look(&scan, hf_bytes_make(nested, n), 1000), HF_RESP_MORE);
    assert_int_equal(hf_resp_look(&scan, hf_bytes_make(nested, whole), 1000), HF_RESP_WHOLE);
    assert_int_equal(scan.at, whole);
}

static void its_values_come_one_by_one(void **state)
{
    (void)state;
    hf_bytes rest = hf_text(nested);
    hf_resp v = hf_resp_next(&rest);
    assert_true(v.kind == HF_RESP_ARRAY && v.number == 2);
    v = hf_resp_next(&rest);
    assert_true(v.kind == HF_RESP_ARRAY && v.number == 3);
    v = hf_resp_next(&rest);
    assert_true(v.kind == HF_RESP_INTEGER && v.number == -12);
    assert_int_equal(hf_resp_next(&rest).kind, HF_RESP_NIL);
    v = hf_resp_next(&rest);
    assert_true(v.kind == HF_RESP_BULK && v.text.len == 3 && memcmp(v.text.ptr, "a\r\n", 3) == 0);
    v = hf_resp_next(&rest);
    assert_true(v.kind == HF_RESP_ARRAY && v.number == 0);
    v = hf_resp_next(&rest);
    assert_true(v.kind == HF_RESP_TEXT && hf_bytes_equal(v.text, hf_text("OK")));
    assert_int_equal(hf_resp_next(&rest).kind, HF_RESP_NIL);
    rest = hf_text(nested);
    hf_resp_skip(&rest);
    assert_true(hf_bytes_equal(rest, hf_text("+OK\r\n")));
    rest = hf_text("-ERR no\r\n");
    v = hf_resp_next(&rest);
    assert_true(v.kind == HF_RESP_ERROR && hf_bytes_equal(v.text, hf_text("ERR no")));
}

static void what_is_no_reply_is_said_to_be_none(void **state)
{
    (void)state;
    static const char *const broken[] = { "HTTP/1.1 400 Bad Request\r\n", "+\n", "\r\n", ":\r\n", ":1x\r\n", ":9223372036854775808\r\n", "$-2\r\n", "$1\r\nab\r\n",
        "*-2\r\n", "*9999\r\n", "$ 1\r\n", "*1\r\n?\r\n", "+a\nb\r\n", ":--1\r\n" };
    for (size_t i = 0; i < HF_COUNT(broken); i++) {
        size_t at;
        assert_int_equal(look(broken[i], strlen(broken[i]), 1000, &at), HF_RESP_BROKEN);
    }
}

static void what_is_longer_than_wanted_is_known_by_its_head_or_when_too_much_came(void **state)
{
    (void)state;
    size_t at;
    assert_int_equal(look("$9999\r\n", 7, 1000, &at), HF_RESP_LONG);
    assert_int_equal(look("*3\r\n$4\r\nabcd\r\n$4\r\nef", 20, 12, &at), HF_RESP_LONG);
    assert_int_equal(look("*3\r\n$4\r\nabcd\r\n$4\r\nef", 20, 30, &at), HF_RESP_MORE);
}

/* However it is cut, and only it. */
static void a_reply_of_any_length_is_gone_over(void **state)
{
    (void)state;
    static const char text[] = "*3\r\n$10\r\n0123456789\r\n*2\r\n$-1\r\n:7\r\n$0\r\n\r\n+next\r\n";
    const size_t whole = sizeof text - 1 - strlen("+next\r\n");
    for (size_t slice = 1; slice < sizeof text; slice++) {
        hf_resp_scan scan = { .left = 1 };
        hf_resp_state s = HF_RESP_MORE;
        size_t done = 0;
        for (size_t end = slice; s == HF_RESP_MORE; end += slice) {
            size_t used;
            s = hf_resp_discard(&scan, hf_bytes_make(text + done, (end < sizeof text - 1 ? end : sizeof text - 1) - done), &used);
            done += used;
            assert_true(end < 2 * sizeof text);
        }
        assert_int_equal(s, HF_RESP_WHOLE);
        assert_int_equal(done, whole);
    }
    hf_resp_scan scan = { .left = 1 };
    size_t used;
    assert_int_equal(hf_resp_discard(&scan, hf_text("*2\r\n?\r\n"), &used), HF_RESP_BROKEN);
}

static void a_reply_that_never_ends_is_given_up(void **state)
{
    (void)state;
    static char many[65536];
    size_t at;
    memset(many, 'a', sizeof many);
    many[0] = '+';
    assert_int_equal(look(many, sizeof many - 1, SIZE_MAX / 2, &at), HF_RESP_MORE);
    assert_int_equal(look(many, sizeof many, SIZE_MAX / 2, &at), HF_RESP_BROKEN);
    /* Arrays in arrays: their elements are counted, not their depth. */
    size_t n = 0;
    while (n + 8 < sizeof many)
        n += (size_t)snprintf(many + n, 8, "*9\r\n");
    assert_int_equal(look(many, n, 4000, &at), HF_RESP_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_an_array_of_strings),
        cmocka_unit_test(a_reply_is_whole_at_its_last_byte_however_it_is_cut),
        cmocka_unit_test(its_values_come_one_by_one),
        cmocka_unit_test(what_is_no_reply_is_said_to_be_none),
        cmocka_unit_test(what_is_longer_than_wanted_is_known_by_its_head_or_when_too_much_came),
        cmocka_unit_test(a_reply_of_any_length_is_gone_over),
        cmocka_unit_test(a_reply_that_never_ends_is_given_up),
    };
    return cmocka_run_group_tests_name("resp", tests, NULL, NULL);
}
