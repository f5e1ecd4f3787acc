/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers in JSON: a tree of jansson's is written as jansson would write it.
 */
#include "service_rig.h"

#include <jansson.h>

static json_t *value; /* the next answer */

static hf_err give(hf_req *rq)
{
    of(rq);
    return hf_reply_json(rq, 200, json_incref(value));
}

static const hf_route json_routes[] = { { .method = "GET", .path = "/", .handle = give, .compress = HF_COMPRESS_NEVER } };

/* The status of the answer, and its body. */
static int answer(rig *r, hf_bytes *body)
{
    setup_with(r, json_routes, HF_COUNT(json_routes));
    const char *text = ask(r, "GET /" H "\r\n"), *end = strstr(text, "\r\n\r\n");
    assert_non_null(end);
    *body = hf_bytes_make(end + 4, r->pier.out_length - (size_t)(end + 4 - text));
    return atoi(text + 9);
}

static void is_written_as_jansson_does(json_t *v)
{
    static rig r;
    hf_bytes body;
    value = v;
    assert_non_null(v);
    char *expected = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(expected);
    assert_int_equal(answer(&r, &body), 200);
    has(r.text, "Content-Type: application/json\r\n");
    if (!hf_bytes_equal(body, hf_text(expected)))
        fail_msg("%.*s\nis not\n%s", HF_STR(body), expected);
    free(expected);
    teardown(&r);
    json_decref(v);
}

static void every_kind_of_value_is_written(void **state)
{
    (void)state;
    static const char *const texts[] = { "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "0.1", "-1.5e300", "1e-9",
        "3.0", "\"\"", "\"text\"", "[]", "{}", "[[],{},[{}]]", "[1,2,3]", "{\"a\":1,\"b\":[true,null],\"c\":{\"d\":\"e\"}}",
        "{\"z\":1,\"a\":2,\"m\":3}", "\"\\u00e4\\u20ac\\ud83d\\ude00\"", "{\"\":\"\"}", "\"/<>&'\"", "\"\\\"\\\\\\b\\f\\n\\r\\t\"",
        "[\"a \\\" long text with a quote in it, and \\u00fc\"]" };
    for (size_t i = 0; i < HF_COUNT(texts); i++)
        is_written_as_jansson_does(json_loads(texts[i], JSON_DECODE_ANY, NULL));
}

static void control_characters_are_escaped_and_can_be_read_again(void **state)
{
    (void)state;
    static rig r;
    char all[33];
    hf_bytes body;
    for (int i = 0; i < 32; i++)
        all[i] = (char)i;
    all[32] = 0x7f;
    value = json_stringn(all, sizeof all);
    assert_int_equal(answer(&r, &body), 200);
    json_t *again = json_loadb((const char *)body.ptr, body.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_true(json_equal(again, value));
    json_decref(again);
    json_decref(value);
    teardown(&r);
}

static void values_of_any_size_are_written(void **state)
{
    (void)state;
    static const size_t counts[] = { 10, 90, 200, 700, 800, 1500, 5000, 40000 };
    for (size_t i = 0; i < HF_COUNT(counts); i++) {
        json_t *list = json_array();
        for (size_t n = 0; n < counts[i]; n++)
            assert_int_equal(json_array_append_new(list, json_integer((json_int_t)(n % 1000))), 0);
        is_written_as_jansson_does(list);
    }
    char text[2000];
    for (size_t n = 1000; n < 1060; n++) { /* around the room on the stack */
        memset(text, 'x', n);
        is_written_as_jansson_does(json_stringn(text, n));
        memset(text, '\n', n / 2);
        is_written_as_jansson_does(json_stringn(text, n / 2));
    }
}

static void a_value_that_holds_itself_is_refused(void **state)
{
    (void)state;
    static rig r;
    hf_bytes body;
    for (int wide = 0; wide < 2; wide++) {
        json_t *outer = json_array(), *inner = json_object();
        value = outer;
        json_object_set(inner, "text", json_null());
        for (int i = 0; i <= wide; i++)
            json_array_append(outer, inner);
        json_object_set(inner, "outer", outer);
        assert_int_equal(answer(&r, &body), 500);
        assert_int_equal(r.done_error[0], HF_ERR_BASE_USAGE);
        teardown(&r);
        json_object_clear(inner);
        json_decref(inner);
        json_decref(outer);
    }
}

static void what_is_no_text_becomes_a_replacement_character(void **state)
{
    (void)state;
    static rig r;
    hf_bytes body;
    value = json_string_nocheck("a\xff" "b");
    assert_int_equal(answer(&r, &body), 200);
    assert_true(hf_bytes_equal(body, hf_text("\"a\xef\xbf\xbd" "b\"")));
    teardown(&r);
    json_decref(value);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static rig r;
    static char text[30000];
    memset(text, 'x', sizeof text);
    value = json_stringn(text, sizeof text);
    for (size_t n = 1; n < 20; n++) {
        setup_with(&r, json_routes, HF_COUNT(json_routes));
        r.world.memory.fail_at = r.world.memory.calls + n;
        ask(&r, "GET /" H "\r\n");
        r.world.memory.fail_at = 0;
        if (strncmp(r.text, "HTTP/1.1 200", 12) == 0)
            has(r.text, "Content-Length: 30002\r\n");
        teardown(&r);
    }
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_written),
        cmocka_unit_test(control_characters_are_escaped_and_can_be_read_again),
        cmocka_unit_test(values_of_any_size_are_written),
        cmocka_unit_test(a_value_that_holds_itself_is_refused),
        cmocka_unit_test(what_is_no_text_becomes_a_replacement_character),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
