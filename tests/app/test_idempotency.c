/* SPDX-License-Identifier: Apache-2.0
 *
 * Idempotency-Key: whatever a client retries, and whenever, is done once.
 */
#include "later_rig.h"

static hf_later *ticket;
static size_t made;

static hf_err make(hf_req *rq)
{
    of(rq);
    made++;
    const hf_err err = hf_reply_field(rq, "X-Made", hf_text("here"));
    return err.code != 0 ? err : hf_reply_text(rq, 201, "number %zu: %.*s", made, HF_STR(hf_req_body(rq)));
}

static hf_err make_later(hf_req *rq)
{
    made++;
    return hf_req_later(rq, &ticket);
}

static void work(void *what)
{
    made++;
    (void)what;
}

static hf_err worked(hf_req *rq, void *what)
{
    (void)what;
    return rq != NULL ? hf_reply_text(rq, 201, "worked") : HF_OK;
}

static hf_err make_blocking(hf_req *rq)
{
    return hf_req_run_blocking(rq, work, worked, NULL);
}

static hf_err make_nothing(hf_req *rq)
{
    (void)rq;
    made++;
    return hf_err_make(HF_ERR_IO_SYSTEM);
}

static hf_err make_large(hf_req *rq)
{
    made++;
    return hf_reply(rq, 200, NULL, hf_bytes_make(big, HF_IDEMPOTENT_BODY + 1));
}

static hf_err make_stream(hf_req *rq)
{
    made++;
    const hf_err err = hf_reply_begin(rq, 200, NULL, HF_LENGTH_UNKNOWN, NULL);
    return err.code != 0 ? err : hf_reply_end(rq);
}

static const hf_route key_routes[] = {
    { "POST", "/make", .handle = make, .idempotency = HF_IDEMPOTENT_TAKEN },
    { "POST", "/must", .handle = make, .idempotency = HF_IDEMPOTENT_REQUIRED },
    { "POST", "/later", .handle = make_later, .idempotency = HF_IDEMPOTENT_REQUIRED },
    { "POST", "/work", .handle = make_blocking, .idempotency = HF_IDEMPOTENT_REQUIRED },
    { "POST", "/fail", .handle = make_nothing, .idempotency = HF_IDEMPOTENT_REQUIRED },
    { "POST", "/large", .handle = make_large, .idempotency = HF_IDEMPOTENT_REQUIRED },
    { "POST", "/stream", .handle = make_stream, .idempotency = HF_IDEMPOTENT_REQUIRED },
};

static void begin_limited(uint64_t keys, uint64_t bytes)
{
    ticket = NULL;
    made = 0;
    kit_begin(key_routes, HF_COUNT(key_routes));
    k.r.world.limits.idempotency_keys = keys;
    k.r.world.limits.idempotency_bytes = bytes;
    k.r.app.idempotency = hf_idempotency_new(&k.r.world.env.alloc, &k.r.world.limits);
}

static int begin_keys(void **state)
{
    (void)state;
    begin_limited(100, 1000000);
    return 0;
}

static int end_keys(void **state)
{
    (void)state;
    if (k.r.web != NULL)
        kit_hang_up();
    kit_turn();
    hf_idempotency_drop(k.r.app.idempotency);
    kit_end();
    return 0;
}

static const char *post(const char *path, const char *fields, const char *body)
{
    static char text[1024];
    snprintf(text, sizeof text, "POST %s" H "%sContent-Length: %zu\r\n\r\n%s", path, fields, strlen(body), body);
    k.r.pier.out_length = 0;
    return ask(&k.r, text);
}

static void a_key_is_its_hosts_own(void **state)
{
    (void)state;
    static const char other[] = "POST /make HTTP/1.1\r\nHost: other.example\r\nIdempotency-Key: \"k\"\r\nContent-Length: 1\r\n\r\nx";
    has(post("/make", "Idempotency-Key: \"k\"\r\n", "x"), "number 1: x");
    has(ask(&k.r, other), "number 2: x");
    k.r.pier.out_length = 0;
    has(ask(&k.r, other), "number 2: x");
    assert_int_equal(made, 2);
}

static void a_retry_gets_the_first_answer(void **state)
{
    (void)state;
    char first[512];
    strcpy(first, post("/make", "Idempotency-Key: \"k1\"\r\n", "x"));
    has(first, "201 Created");
    has(first, "number 1: x");
    has(first, "X-Made: here\r\n");
    assert_string_equal(post("/make", "Idempotency-Key: k1\r\n", "x"), first);
    assert_int_equal(made, 1);
    has(post("/make", "Idempotency-Key: k2\r\n", "x"), "number 2");
    has(post("/make", "", "x"), "number 3"); /* without a key it is a request like any other */
    has(post("/make", "", "x"), "number 4");
}

static void a_key_stands_for_one_request(void **state)
{
    (void)state;
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "201 ");
    has(post("/make", "Idempotency-Key: k\r\n", "y"), "422 ");
    has(post("/make?a=b", "Idempotency-Key: k\r\n", "x"), "422 ");
    has(post("/make", "Idempotency-Key: k\r\nCookie: someone=else\r\n", "x"), "422 "); /* nobody gets another's answer */
    has(post("/make", "Idempotency-Key: k\r\nAuthorization: Basic eA==\r\n", "x"), "422 ");
    has(post("/must", "Idempotency-Key: k\r\n", "x"), "201 "); /* another route has keys of its own */
    assert_int_equal(made, 2);
}

static void a_route_may_want_a_key(void **state)
{
    (void)state;
    has(post("/must", "", "x"), "400 Bad");
    has(post("/must", "Idempotency-Key: \r\n", "x"), "HF-HTTP-038");
    has(post("/must", "Idempotency-Key: \"\"\r\n", "x"), "400 Bad");
    has(post("/must", "Idempotency-Key: a b\r\n", "x"), "400 Bad");
    has(post("/must", "Idempotency-Key: a\r\nidempotency-key: b\r\n", "x"), "HF-HTTP-050");
    has(post("/must", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n", "x"), "400 Bad");
    has(post("/make", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n", "x"), "\"rule\":\"app.h: a request has one key\"");
    char field[400];
    snprintf(field, sizeof field, "Idempotency-Key: %0256d\r\n", 1);
    has(post("/must", field, "x"), "400 Bad");
    assert_int_equal(made, 0);
}

static void a_retry_in_between_is_told_to_wait(void **state)
{
    (void)state;
    post("/later", "Idempotency-Key: k\r\n", "x");
    hf_later *first = ticket;
    kit_hang_up(); /* the client lost patience, and comes back on another connection */
    kit_connect();
    has(post("/later", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-040");
    assert_int_equal(made, 1);
    assert_int_equal(hf_later_answer(first, 201, "text/plain", hf_text("made after all")).code, HF_ERR_HTTP_CLIENT_GONE);
    kit_turn();
    hf_later_drop(first);
    kit_turn();
    const char *text = post("/later", "Idempotency-Key: k\r\n", "x"); /* what nobody waited for was kept */
    has(text, "201 Created");
    has(text, "Content-Type: text/plain\r\n");
    has(text, "made after all");
    assert_int_equal(made, 1);
}

static void work_that_was_given_up_may_be_tried_again(void **state)
{
    (void)state;
    post("/later", "Idempotency-Key: k\r\n", "x");
    hf_later *first = ticket;
    kit_hang_up();
    kit_connect();
    hf_later_drop(first);
    kit_turn();
    post("/later", "Idempotency-Key: k\r\n", "x");
    assert_int_equal(made, 2);
    assert_int_equal(hf_later_answer(ticket, 201, NULL, hf_text("now")).code, 0);
    kit_turn();
    has(k.r.text, "now");
    hf_later_drop(ticket);
}

static void work_that_nobody_waited_for_is_not_done_again(void **state)
{
    (void)state;
    post("/work", "Idempotency-Key: k\r\n", "x");
    kit_hang_up();
    kit_connect();
    has(post("/work", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-040");
    kit_turn();
    has(post("/work", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-041");
    assert_int_equal(made, 1);
    post("/work", "Idempotency-Key: k2\r\n", "x");
    kit_turn();
    has(k.r.text, "worked");
    has(post("/work", "Idempotency-Key: k2\r\n", "x"), "worked");
    assert_int_equal(made, 2);
}

static void work_that_took_too_long_is_not_done_beside_itself(void **state)
{
    (void)state;
    post("/later", "Idempotency-Key: k\r\n", "x");
    hf_later *first = ticket;
    kit_pass((int64_t)k.r.world.limits.handler_ns);
    has(k.r.text, "503 Service");
    has(post("/later", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-040");
    assert_int_equal(hf_later_answer(first, 200, NULL, hf_text("at last")).code, HF_ERR_HTTP_CLIENT_GONE);
    kit_turn();
    hf_later_drop(first);
    has(post("/later", "Idempotency-Key: k\r\n", "x"), "at last");
    assert_int_equal(made, 1);
}

static void failures_are_not_kept(void **state)
{
    (void)state;
    has(post("/fail", "Idempotency-Key: k\r\n", "x"), "500 ");
    has(post("/fail", "Idempotency-Key: k\r\n", "x"), "500 ");
    assert_int_equal(made, 2);
}

static void of_large_answers_and_streams_the_fact_is_kept(void **state)
{
    (void)state;
    has(post("/large", "Idempotency-Key: k\r\n", "x"), "200 OK");
    has(post("/large", "Idempotency-Key: k\r\n", "x"), "HF-HTTP-041");
    has(post("/stream", "Idempotency-Key: k\r\n", "x"), "200 OK");
    has(post("/stream", "Idempotency-Key: k\r\n", "x"), "409 ");
    assert_int_equal(made, 2);
}

static void limit_idempotency_ns(void **state)
{
    (void)state;
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "number 1");
    k.r.service.now = hf_time_after(k.r.service.now, (int64_t)k.r.world.limits.idempotency_ns - 1);
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "number 1");
    k.r.service.now = hf_time_after(k.r.service.now, 1);
    has(post("/make", "Idempotency-Key: k\r\n", "x"), "number 2");
}

static void limit_idempotency_keys(void **state)
{
    end_keys(state);
    begin_limited(2, 1000000);
    has(post("/make", "Idempotency-Key: a\r\n", "x"), "number 1");
    has(post("/make", "Idempotency-Key: b\r\n", "x"), "number 2");
    has(post("/make", "Idempotency-Key: c\r\n", "x"), "number 3");
    has(post("/make", "Idempotency-Key: b\r\n", "x"), "number 2");
    has(post("/make", "Idempotency-Key: a\r\n", "x"), "number 4");
}

static void limit_idempotency_bytes(void **state)
{
    end_keys(state);
    begin_limited(100, 250);
    has(post("/make", "Idempotency-Key: a\r\n", "x"), "number 1");
    has(post("/make", "Idempotency-Key: b\r\n", "x"), "number 2"); /* and a goes */
    has(post("/make", "Idempotency-Key: b\r\n", "x"), "number 2");
    has(post("/make", "Idempotency-Key: a\r\n", "x"), "number 3");
    char body[400];
    memset(body, 'y', sizeof body - 1);
    body[399] = 0;
    has(post("/make", "Idempotency-Key: c\r\n", body), "503 "); /* what cannot be remembered is not begun */
    has(k.r.text, "HF-HTTP-042");
    assert_int_equal(made, 3);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t n = 1; n < 30; n++) {
        end_keys(NULL);
        begin_keys(NULL);
        k.r.world.memory.fail_at = k.r.world.memory.calls + n;
        const char *text = post("/make", "Idempotency-Key: k\r\n", "x");
        const bool failed = strstr(text, "201 ") == NULL;
        const size_t before = made;
        k.r.world.memory.fail_at = 0;
        kit_hang_up();
        kit_connect();
        text = post("/make", "Idempotency-Key: k\r\n", "x"); /* done once, or not at all and then once */
        if (strstr(text, "201 ") == NULL && strstr(text, "409 ") == NULL)
            fail_msg("%zu (%d): %s", n, failed, text);
        assert_true(made == before || (failed && made == before + 1));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_keys, end_keys)
    const struct CMUnitTest tests[] = {
        TEST(a_retry_gets_the_first_answer), TEST(a_key_is_its_hosts_own),
        TEST(a_key_stands_for_one_request),
        TEST(a_route_may_want_a_key),
        TEST(a_retry_in_between_is_told_to_wait),
        TEST(work_that_was_given_up_may_be_tried_again),
        TEST(work_that_nobody_waited_for_is_not_done_again),
        TEST(work_that_took_too_long_is_not_done_beside_itself),
        TEST(failures_are_not_kept),
        TEST(of_large_answers_and_streams_the_fact_is_kept),
        TEST(limit_idempotency_ns),
        TEST(limit_idempotency_keys),
        TEST(limit_idempotency_bytes),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
