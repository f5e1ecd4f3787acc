/* SPDX-License-Identifier: Apache-2.0
 *
 * Queries, forms, uploads and JSON: the handler finds what its route says, or does not run.
 */
#include <jansson.h>

#include "later_rig.h"

static char uploads[512];
static size_t uploads_length;
static bool upload_fails, upload_answers;

static hf_err show_query(hf_req *rq)
{
    of(rq);
    size_t n = 0;
    for (const hf_value *v = NULL; (v = hf_req_query_next(rq, v)) != NULL;)
        n++;
    const hf_bytes bare = hf_req_query(rq, "bare");
    return hf_reply_text(rq, 200, "%zu q=%.*s bare=%s", n, HF_STR(hf_req_query(rq, "q")), bare.ptr == NULL ? "none" : "some");
}

static hf_err show_form(hf_req *rq)
{
    char text[512];
    size_t n = 0;
    of(rq);
    for (const hf_value *v = NULL; (v = hf_req_form_next(rq, v)) != NULL;)
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s=%.*s%s%.*s;", HF_STR(v->name), HF_STR(v->value),
            v->filename.ptr != NULL ? " file " : "", HF_STR(v->filename));
    return hf_reply_text(rq, 200, "a is %.*s of %.*s body %zu", HF_STR(hf_req_form(rq, "a")), (int)n, text, hf_req_body(rq).len);
}

static hf_err take_file(hf_req *rq, const hf_upload *u)
{
    assert_true(!(u->first && u->last) && ((u->piece.len == 0) == (u->first || u->last)));
    uploads_length += (size_t)snprintf(uploads + uploads_length, sizeof uploads - uploads_length, "%s%.*s%s",
        u->first ? "<" : "", HF_STR(u->piece), u->last ? ">" : "");
    if (u->first && upload_answers)
        return hf_reply_text(rq, 409, "not wanted");
    return u->piece.len > 0 && upload_fails ? hf_err_make(HF_ERR_IO_SYSTEM) : HF_OK;
}

static hf_err show_json(hf_req *rq)
{
    of(rq);
    assert_non_null(hf_req_json(rq));
    return hf_reply_json(rq, 201, json_pack("{s:O}", "got", hf_req_json(rq)));
}

static hf_err long_json(hf_req *rq)
{
    json_t *list = json_array();
    of(rq);
    for (int i = 0; i < 1000; i++)
        json_array_append_new(list, json_integer(i));
    return hf_reply_json(rq, 200, list);
}

static hf_err no_json(hf_req *rq)
{
    of(rq);
    return hf_reply_json(rq, 200, NULL);
}

static hf_err members(hf_req *rq)
{
    static const hf_bytes raw = HF_LITERAL("[1,{}]");
    const hf_member all[] = { { .name = "text", .text = hf_req_query(rq, "q") }, { .name = "least", .kind = HF_MEMBER_NUMBER, .number = INT64_MIN },
        { .name = "n", .kind = HF_MEMBER_NUMBER, .number = 7 }, { .name = "on", .kind = HF_MEMBER_SWITCH, .number = 2 },
        { .name = "off", .kind = HF_MEMBER_SWITCH }, { .name = "no\"thing", .kind = HF_MEMBER_NULL }, { .name = "raw", .kind = HF_MEMBER_JSON, .text = raw } };
    return hf_reply_members(rq, 200, all, hf_req_query(rq, "none").ptr != NULL ? 0 : HF_COUNT(all));
}

static const hf_route argument_routes[] = {
    { "GET", "/query", .handle = show_query },
    { "GET", "/raw", .handle = show_query, .raw_query = true },
    { "POST", "/form", .handle = show_form, .takes = HF_TAKES_FORM },
    { "POST", "/upload", .handle = show_form, .takes = HF_TAKES_FORM, .upload = take_file },
    { "POST", "/json", .handle = show_json, .takes = HF_TAKES_JSON },
    { "POST", "/any", .handle = show_form },
    { "GET", "/long", .handle = long_json },
    { "GET", "/none", .handle = no_json },
    { "GET", "/members", .handle = members },
};

static int begin_arguments(void **state)
{
    (void)state;
    uploads_length = 0;
    uploads[0] = 0;
    upload_fails = upload_answers = false;
    kit_begin(argument_routes, HF_COUNT(argument_routes));
    return 0;
}

static int end_arguments(void **state)
{
    (void)state;
    kit_end();
    return 0;
}

/* One request with a body. */
static const char *post(const char *path, const char *type, const char *body)
{
    static char text[8192];
    snprintf(text, sizeof text, "POST %s" H "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", path, type, strlen(body), body);
    k.r.pier.out_length = 0;
    return ask(&k.r, text);
}

#define FORM "application/x-www-form-urlencoded"
#define MULTI "multipart/form-data; boundary=B"
#define JSON "application/json"
#define PART(head, data) "--B\r\nContent-Disposition: form-data; name=" head "\r\n\r\n" data "\r\n"

static void a_query_is_decoded_before_the_handler_runs(void **state)
{
    (void)state;
    has(ask(&k.r, "GET /query?q=a+b%21&q=2&bare" H "\r\n"), "3 q=a b! bare=none");
    has(ask(&k.r, "GET /query?bare=" H "\r\n"), "1 q= bare=some");
    has(ask(&k.r, "GET /query?" H "\r\nGET /query" H "\r\n"), "0 q= bare=none");
    assert_int_equal(k.r.runs, 4);
}

static void a_malformed_query_never_reaches_a_handler(void **state)
{
    (void)state;
    const char *text = ask(&k.r, "GET /query?q=100%" H "\r\n");
    has(text, "400 Bad Request");
    has(text, "HF-HTTP-027");
    has(text, "\"got\":\"%\"");
    assert_int_equal(k.r.runs, 0);
    has(ask(&k.r, "GET /raw?q=100%" H "\r\n"), "0 q= bare=none"); /* unless its route says so */
}

static void limit_form_arguments(void **state)
{
    (void)state;
    k.r.world.limits.form_arguments = 2;
    k.r.world.limits.form_name_bytes = 5;
    has(ask(&k.r, "GET /query?a&b" H "\r\n"), "2 q=");
    has(ask(&k.r, "GET /query?a&b&c" H "\r\n"), "414 ");
    has(ask(&k.r, "GET /query?toolong=1" H "\r\n"), "HF-HTTP-029");
    assert_int_equal(k.r.runs, 1);
}

static void both_kinds_of_form_are_read(void **state)
{
    (void)state;
    has(post("/form", FORM, "a=1&b=x+y&a=2"), "a is 1 of a=1;b=x y;a=2; body 13");
    has(post("/form", "Application/X-WWW-Form-URLencoded; charset=utf-8", "a=%41"), "a is A of");
    has(post("/form", MULTI, PART("a", "1") PART("b", "") PART("f; filename=\"x/y.txt\"", "data") "--B--\r\n"),
        "a is 1 of a=1;b=;f=data file y.txt; body 0");
    has(post("/form", FORM, ""), "a is  of  body 0"); /* an empty form is a form */
}

static void uploads_go_to_their_handler_and_the_rest_is_held(void **state)
{
    (void)state;
    static const char body[] = PART("a", "1") PART("f; filename=x", "some data") PART("g; filename=\"\"", "") PART("z", "2") "--B--\r\n";
    has(post("/upload", MULTI, body), "a is 1 of a=1;z=2; body 0");
    assert_string_equal(uploads, "<some data><>");
    char head[200];
    snprintf(head, sizeof head, "POST /upload" H "Content-Type: " MULTI "\r\nContent-Length: %zu\r\n\r\n", sizeof body - 1);
    k.r.pier.out_length = 0;
    uploads_length = 0;
    ask(&k.r, head);
    for (size_t i = 0; i < sizeof body - 1; i++) { /* byte by byte */
        fake_pier_say(&k.r.pier, hf_bytes_make(body + i, 1));
        drive(&k.r);
    }
    has(k.r.text, "a is 1 of a=1;z=2; body 0");
    assert_string_equal(uploads, "<some data><>");
}

static void an_upload_handler_may_fail_or_answer(void **state)
{
    (void)state;
    static const char body[] = PART("f; filename=x", "some data") PART("z", "2") "--B--\r\n";
    upload_fails = true;
    has(post("/upload", MULTI, body), "500 Internal");
    assert_int_equal(k.r.done_error[0], HF_ERR_IO_SYSTEM);
    upload_answers = true;
    has(post("/upload", MULTI, body), "409 ");
    assert_int_equal(k.r.runs, 0);
}

static void what_is_no_form_is_refused_with_what_would_be(void **state)
{
    (void)state;
    const char *text = post("/form", "text/plain", "a=1");
    has(text, "415 Unsupported");
    has(text, "Accept: application/x-www-form-urlencoded, multipart/form-data\r\n");
    has(post("/form", FORM, "a=%4"), "400 Bad");
    has(post("/form", MULTI, PART("a", "1") "--B"), "a closing delimiter");
    has(post("/form", MULTI, "--B\r\nX: y\r\n\r\n"), "Content-Disposition: form-data with a name");
    has(post("/form", "multipart/form-data", "--B--"), "HF-HTTP-031");
    has(ask(&k.r, "POST /form" H BODY(1, "a")), "415 ");
    assert_int_equal(k.r.runs, 0);
    has(post("/any", "text/plain", "a=1"), "a is  of  body 3");
}

static void limit_form_bytes(void **state)
{
    (void)state;
    k.r.world.limits.form_bytes = 3;
    has(post("/form", MULTI, PART("a", "12") PART("b", "3") "--B--\r\n"), "a is 12 of a=12;b=3;");
    has(post("/form", MULTI, PART("a", "12") PART("b", "34") "--B--\r\n"), "413 ");
    has(k.r.text, "HF-HTTP-030");
    has(post("/upload", MULTI, PART("f; filename=x", "1234567") "--B--\r\n"), "200 OK"); /* files pass through */
}

static void json_is_parsed_before_the_handler_runs(void **state)
{
    (void)state;
    const char *text = post("/json", JSON, "{\"a\": [1, 2.5, \"\\u00e9\"]}");
    has(text, "201 Created");
    has(text, "Content-Type: application/json\r\n");
    has(text, "{\"got\":{\"a\":[1,2.5,\"\xc3\xa9\"]}}");
    has(post("/json", "application/problem+json; charset=utf-8", "7"), "{\"got\":7}");
    has(ask(&k.r, "GET /long" H "\r\n"), "998,999]");
}

static void what_is_no_json_is_refused_with_line_and_column(void **state)
{
    (void)state;
    has(post("/json", JSON, "{\"a\": 1,\n\"b\" 2}"), "line 2, column");
    has(post("/json", JSON, "{\"a\":1,\"a\":2}"), "duplicate object key");
    has(post("/json", JSON, "[1] x"), "HF-HTTP-034");
    has(post("/json", JSON, "[\"\\u0000\"]"), "400 Bad");
    has(post("/json", JSON, "[\"\xff\"]"), "400 Bad");
    has(post("/json", "text/json", "1"), "Accept: application/json\r\n");
    has(post("/json", JSON, ""), "400 Bad");
    has(ask(&k.r, "POST /json" H "Content-Length: 0\r\n\r\n"), "415 ");
    assert_int_equal(k.r.runs, 0);
}

static void limit_json_depth(void **state)
{
    (void)state;
    k.r.world.limits.json_depth = 3;
    has(post("/json", JSON, "[[[\"[[[[,,,,,\\\"[\"]]]"), "201 Created");
    has(post("/json", JSON, "[[[[]]]]"), "413 ");
    has(k.r.text, "HF-HTTP-035");
}

static void limit_json_values(void **state)
{
    (void)state;
    k.r.world.limits.json_values = 5;
    has(post("/json", JSON, "[1,2,3,\",,,,\"]"), "201 Created");
    has(post("/json", JSON, "[1,2,3,4,5]"), "413 ");
}

static void members_are_written_in_their_order_and_escaped(void **state)
{
    (void)state;
    has(ask(&k.r, "GET /members?q=a%22%0A%FFb" H "\r\n"), "\r\n\r\n{\"text\":\"a\\\"\\n\xef\xbf\xbd" "b\",\"least\":-9223372036854775808,\"n\":7,"
        "\"on\":true,\"off\":false,\"no\\\"thing\":null,\"raw\":[1,{}]}");
    has(k.r.text, "Content-Type: application/json\r\n");
    has(ask(&k.r, "GET /members?none=1" H "\r\n"), "\r\n\r\n{}");
}

/* Longer than is written on the stack, and every byte grows to six. */
static void members_may_be_long(void **state)
{
    static char text[8192] = "GET /members?q=";
    (void)state;
    size_t n = strlen(text);
    for (size_t i = 0; i < 2000; i++, n += 3)
        memcpy(text + n, "%01", 3);
    memcpy(text + n, H "\r\n", sizeof H + 2);
    ask(&k.r, text);
    const char *body = strstr(k.r.text, "{\"text\":\"");
    assert_non_null(body);
    for (size_t i = 0; i < 2000; i++)
        assert_memory_equal(body + 9 + 6 * i, "\\u0001", 6);
    has(body, "\",\"least\":");
}

static void json_that_could_not_be_made_is_a_500(void **state)
{
    (void)state;
    has(ask(&k.r, "GET /none" H "\r\n"), "500 Internal");
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const bodies[][3] = { { "/form?a=b", FORM, "a=1&b=2" }, { "/upload", MULTI, PART("a", "1") PART("f; filename=x", "y") "--B--" },
        { "/json", JSON, "{\"a\":1}" } };
    for (size_t i = 0; i < HF_COUNT(bodies); i++)
        for (size_t n = 1; n < 30; n++) {
            kit_end();
            begin_arguments(NULL);
            k.r.world.memory.fail_at = k.r.world.memory.calls + n;
            post(bodies[i][0], bodies[i][1], bodies[i][2]);
            assert_null(k.r.dialog.open);
        }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_arguments, end_arguments)
    const struct CMUnitTest tests[] = {
        TEST(a_query_is_decoded_before_the_handler_runs),
        TEST(a_malformed_query_never_reaches_a_handler),
        TEST(limit_form_arguments),
        TEST(both_kinds_of_form_are_read),
        TEST(uploads_go_to_their_handler_and_the_rest_is_held),
        TEST(an_upload_handler_may_fail_or_answer),
        TEST(what_is_no_form_is_refused_with_what_would_be),
        TEST(limit_form_bytes),
        TEST(json_is_parsed_before_the_handler_runs),
        TEST(what_is_no_json_is_refused_with_line_and_column),
        TEST(limit_json_depth),
        TEST(limit_json_values),
        TEST(json_that_could_not_be_made_is_a_500),
        TEST(members_are_written_in_their_order_and_escaped),
        TEST(members_may_be_long),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
