/* SPDX-License-Identifier: Apache-2.0
 *
 * One reading for one text: what two readers of JSON could take for two things is refused.
 */
#include "harness.h"

#include <stdio.h>

#include "guard_json.h"

enum { NODES = 64 };
static hf_json_node nodes[NODES];
static uint8_t scratch[4096];
static hf_json json;

static bool reads(hf_bytes text)
{
    json = (hf_json){ .nodes = nodes, .capacity = NODES, .scratch = hf_writer_make(scratch, text.len < sizeof scratch ? text.len : sizeof scratch) };
    return hf_json_parse(&json, text);
}

static void values_are_read(void **state)
{
    (void)state;
    int64_t n;
    assert_true(reads(hf_text(" {\"a\" : [1, -2.75,\t3e2], \"b\\u0041\\ud83d\\ude00\":\"x\\n\\\"\", \"c\":{\"a\":null,\"d\":true}, \"e\":false}\r\n")));
    const hf_json_node *const a = hf_json_member(&json, &nodes[0], "a");
    assert_true(a != NULL && a->kind == HF_JSON_ARRAY);
    const hf_json_node *one = hf_json_first(&json, a);
    assert_true(hf_json_integer(one, &n) && n == 1);
    one = hf_json_next(&json, one);
    assert_true(hf_json_integer(one, &n) && n == -2);
    one = hf_json_next(&json, one);
    assert_false(hf_json_integer(one, &n));
    assert_null(hf_json_next(&json, one));
    const hf_json_node *const b = hf_json_member(&json, &nodes[0], "bA\xf0\x9f\x98\x80");
    assert_true(b != NULL && hf_bytes_equal(b->text, hf_text("x\n\"")));
    assert_int_equal(hf_json_member(&json, hf_json_member(&json, &nodes[0], "c"), "d")->kind, HF_JSON_TRUE);
    assert_null(hf_json_member(&json, &nodes[0], "d"));
    assert_null(hf_json_member(&json, a, "a"));
    assert_true(reads(hf_text("0")) && reads(hf_text("\"\"")) && reads(hf_text("[]")) && reads(hf_text("{}")));
}

static void what_is_doubtful_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\"}", "{\"a\":}", "{\"a\":1 \"b\":2}", "01", "1.", ".5", "+1", "1e", "-", "--1", "0x1", "NaN", "Infinity",
        "tru", "nul", "True", "\"", "\"\n\"", "\"\t\"", "\"\\x\"", "\"\\u12\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800x\"", "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"", "\"\xe0\x80\xaf\"", "\"\xc3", "{} {}", "{}x", "[1]]", "// c\n{}", "\xef\xbb\xbf{}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"x\":{\"a\":1,\"a\":1}}",
        "{\"\":1,\"\":2}",
    };
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        if (reads(hf_text(bad[i])))
            fail_msg("%s was read", bad[i]);
    assert_false(reads(hf_bytes_make("\"a\0b\"", 5)));
    assert_false(reads(hf_bytes_make("{}\0", 3)));
}

static void members_of_one_object_are_bounded(void **state)
{
    (void)state;
    static char text[16 * HF_JSON_MEMBERS + 64];
    static hf_json_node many[HF_JSON_MEMBERS + 8];
    static uint8_t names[16 * HF_JSON_MEMBERS + 64];
    for (unsigned more = 0; more < 2; more++) {
        size_t n = 0;
        for (unsigned i = 0; i < HF_JSON_MEMBERS + more; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%c\"%u\":0", i > 0 ? ',' : '{', i);
        text[n++] = '}';
        hf_json j = { .nodes = many, .capacity = HF_COUNT(many), .scratch = hf_writer_make(names, sizeof names) };
        assert_int_equal(hf_json_parse(&j, hf_bytes_make(text, n)), more == 0);
    }
}

static void depth_and_number_are_bounded(void **state)
{
    (void)state;
    static char text[20001];
    for (size_t depth = 1; depth <= 10000; depth = depth < 20 ? depth + 1 : 10000 + (depth == 10000)) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(reads(hf_bytes_make(text, 2 * depth)), depth <= HF_JSON_DEPTH);
    }
    strcpy(text, "[0");
    for (size_t i = 2; i < NODES; i++)
        strcat(text, ",0");
    strcat(text, "]");
    assert_true(reads(hf_text(text)));
    strcpy(text + strlen(text) - 1, ",0]");
    assert_false(reads(hf_text(text)));
}

static void numbers_beyond_two_to_the_53_are_none(void **state)
{
    (void)state;
    int64_t n;
    assert_true(reads(hf_text("9007199254740992")) && hf_json_integer(&nodes[0], &n) && n == (int64_t)1 << 53);
    assert_true(reads(hf_text("9007199254740993")));
    assert_false(hf_json_integer(&nodes[0], &n));
    assert_true(reads(hf_text("99999999999999999999999999")));
    assert_false(hf_json_integer(&nodes[0], &n));
    assert_true(reads(hf_text("1e400")));
    assert_false(hf_json_integer(&nodes[0], &n));
    assert_true(reads(hf_text("\"1\"")));
    assert_false(hf_json_integer(&nodes[0], &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read), cmocka_unit_test(what_is_doubtful_is_refused), cmocka_unit_test(depth_and_number_are_bounded), cmocka_unit_test(members_of_one_object_are_bounded),
        cmocka_unit_test(numbers_beyond_two_to_the_53_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
