/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound that this room enforces is reached here, by its name.
 */
#include "http1/rig.h"

static hf_test_world w;
static rig r;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    memset(&r, 0, sizeof r);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    hf_test_world_fini(&w);
    return 0;
}

static void open_rig(rig_app app)
{
    assert_true(rig_open(&r, &w.env, app));
}

static void reopen(rig_app app)
{
    rig_close(&r);
    open_rig(app);
}

/* "before" + n times `fill` + "after", fed at once. */
static void feed_filled(const char *before, char fill, size_t n, const char *after)
{
    const size_t a = strlen(before), b = strlen(after);
    char *text = malloc(a + n + b + 1);
    memcpy(text, before, a);
    memset(text + a, fill, n);
    memcpy(text + a + n, after, b + 1);
    rig_feed(&r, (const uint8_t *)text, a + n + b, false);
    r.pending = NULL;
    r.pending_length = 0;
    free(text);
}

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static void expect_refused(int32_t code, uint16_t status)
{
    assert_int_equal(r.refused, code);
    assert_int_equal(hf_http1_fault(r.h)->status, status);
    assert_int_equal(r.last, HF_FAULT);
}

static void limit_target_bytes(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    feed_filled("GET /", 'a', 8191, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(r.requests, 1);
    feed_filled("GET /", 'a', 8192, " HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_refused(HF_ERR_HTTP1_TARGET_TOO_LONG, 414);
    reopen(RIG_ECHO);
    feed_filled("GET /", 'a', 9000, ""); /* it never ends: refused all the same */
    expect_refused(HF_ERR_HTTP1_TARGET_TOO_LONG, 414);
    reopen(RIG_ECHO);
    feed_filled("", 'A', 9000, "");
    expect_refused(HF_ERR_HTTP_METHOD_UNKNOWN, 501);
}

static void limit_header_bytes(void **state)
{
    (void)state;
    const size_t around = strlen("GET / HTTP/1.1\r\nHost: a\r\nA: \r\n\r\n");
    open_rig(RIG_ECHO);
    feed_filled("GET / HTTP/1.1\r\nHost: a\r\nA: ", 'b', 32768 - around, "\r\n\r\n");
    assert_int_equal(r.requests, 1);
    feed_filled("GET / HTTP/1.1\r\nHost: a\r\nA: ", 'b', 32768 - around + 1, "\r\n\r\n");
    expect_refused(HF_ERR_HTTP1_HEAD_TOO_LARGE, 431);
    reopen(RIG_ECHO);
    feed_filled("GET / HTTP/1.1\r\nHost: a\r\nA: ", 'b', 32768, "");
    expect_refused(HF_ERR_HTTP1_HEAD_TOO_LARGE, 431);
}

static void limit_header_fields(void **state)
{
    (void)state;
    char text[2048] = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 99; i++)
        strcat(text, "A: b\r\n");
    const size_t most = strlen(text);
    strcat(text, "\r\n");
    open_rig(RIG_ECHO);
    rig_text(&r, text);
    assert_int_equal(r.requests, 1);
    strcpy(text + most, "A: b\r\n\r\n");
    rig_text(&r, text);
    expect_refused(HF_ERR_HTTP1_TOO_MANY_FIELDS, 431);
}

static void limit_trailer_bytes(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    feed_filled(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", 'b', 8192 - 7, "\r\n\r\n");
    assert_non_null(strstr(r.log, "TRAILERS"));
    feed_filled(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", 'b', 8192 - 6, "\r\n\r\n");
    expect_refused(HF_ERR_HTTP1_TRAILERS_TOO_LARGE, 431);
    reopen(RIG_ECHO);
    feed_filled(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", 'b', 9000, "");
    expect_refused(HF_ERR_HTTP1_TRAILERS_TOO_LARGE, 431);
}

static void limit_chunk_line_bytes(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    feed_filled(POST "Transfer-Encoding: chunked\r\n\r\n1;", 'x', 252, "\r\na\r\n0\r\n\r\n");
    assert_non_null(strstr(r.log, "BODY a\nEND"));
    feed_filled(POST "Transfer-Encoding: chunked\r\n\r\n1;", 'x', 253, "\r\na\r\n0\r\n\r\n");
    expect_refused(HF_ERR_HTTP1_CHUNK_LINE, 400);
    reopen(RIG_ECHO);
    feed_filled(POST "Transfer-Encoding: chunked\r\n\r\n", '0', 256, "");
    expect_refused(HF_ERR_HTTP1_CHUNK_LINE, 400);
}

static void ask(void)
{
    const hf_request_head get = { .method = HF_METHOD_GET, .target = HF_LITERAL("/"), .content_length = HF_LENGTH_NONE };
    assert_int_equal(hf_http1_request(r.h, &get).code, 0);
    rig_end(&r);
    rig_emit(&r);
}

static void limit_informational_responses(void **state)
{
    (void)state;
    open_rig(RIG_CLIENT);
    for (int round = 0; round < 2; round++) {
        ask();
        for (int i = 0; i < 16; i++)
            rig_text(&r, "HTTP/1.1 103 Early Hints\r\n\r\n");
        assert_int_equal(r.last, HF_IDLE);
        rig_text(&r, round == 0 ? "HTTP/1.1 204 No Content\r\n\r\n" : "HTTP/1.1 103 Early Hints\r\n\r\n");
    }
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http1_fault(r.h)->err.code, HF_ERR_HTTP1_TOO_MANY_INTERIM);
}

/* Nothing comes until the core's own deadline, which must be `ns` away (or less, for housekeeping). */
static hf_step sleep_until(int64_t ns)
{
    const hf_time end = hf_time_after(r.now, ns);
    rig_emit(&r);
    rig_run(&r);
    while (hf_time_before(r.now, end)) {
        assert_int_equal(r.last, HF_IDLE);
        const hf_time wake = hf_http1_wake(r.h);
        assert_true(hf_time_before(r.now, wake) && wake.ns <= end.ns);
        r.now = wake;
        rig_run(&r);
    }
    return r.last;
}

static void limit_head_ns(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_feed(&r, (const uint8_t *)"GET", 3, false);
    r.now = hf_time_after(r.now, HF_SECONDS(6)); /* a byte now and then does not help */
    rig_feed(&r, (const uint8_t *)"GET /", 5, false);
    assert_int_equal(sleep_until(HF_SECONDS(4)), HF_FAULT);
    expect_refused(HF_ERR_HTTP1_HEAD_TIMEOUT, 408);
    rig_emit(&r);
    assert_memory_equal(r.out, "HTTP/1.1 408 ", 13);
}

static void limit_first_byte_ns(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    assert_int_equal(sleep_until(HF_SECONDS(10)), HF_CLOSED);
    assert_int_equal(r.out_length, 0);
    assert_int_equal(hf_http1_fault(r.h)->err.code, HF_ERR_HTTP1_FIRST_BYTE);
}

static void limit_idle_ns(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, GET);
    r.now = hf_time_after(r.now, HF_SECONDS(100)); /* reading the answer slowly is not idling */
    assert_int_equal(rig_run(&r), HF_IDLE);
    rig_emit(&r);
    r.out_length = 0;
    assert_int_equal(sleep_until(HF_SECONDS(60)), HF_CLOSED);
    assert_int_equal(r.out_length, 0);
    assert_int_equal(hf_http1_fault(r.h)->err.code, HF_ERR_HTTP1_IDLE);
    reopen(RIG_CLIENT);
    ask();
    assert_int_equal(sleep_until(HF_SECONDS(60)), HF_FAULT);
    assert_int_equal(hf_http1_fault(r.h)->err.code, HF_ERR_HTTP1_RESPONSE_TIMEOUT);
}

static void limit_body_idle_ns(void **state)
{
    (void)state;
    w.limits.body_rate = 0;
    open_rig(RIG_ECHO);
    rig_text(&r, POST "Content-Length: 10\r\n\r\nabc");
    r.now = hf_time_after(r.now, HF_SECONDS(29));
    rig_text(&r, "d");
    assert_int_equal(sleep_until(HF_SECONDS(30)), HF_FAULT);
    expect_refused(HF_ERR_HTTP1_BODY_TIMEOUT, 408);
}

static void a_body_may_be_held_to_another_pace(void **state)
{
    (void)state;
    for (int slower = 0; slower < 2; slower++) {
        set_up(state);
        open_rig(RIG_ECHO);
        rig_text(&r, POST "Content-Length: 10\r\n\r\n");
        hf_http1_pace(r.h, (hf_pace){ (uint64_t)HF_SECONDS(slower ? 300 : 2), 0 });
        rig_text(&r, "abc");
        assert_int_equal(sleep_until(HF_SECONDS(slower ? 300 : 2)), HF_FAULT);
        expect_refused(HF_ERR_HTTP1_BODY_TIMEOUT, 408);
        if (!slower)
            tear_down(state);
    }
}

static void a_pace_is_one_requests_own(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, POST "Content-Length: 3\r\n\r\n");
    hf_http1_pace(r.h, (hf_pace){ 1, 1 << 20 });
    rig_text(&r, "abc" POST "Content-Length: 3\r\n\r\na");
    assert_int_equal(sleep_until(HF_SECONDS(10)), HF_FAULT); /* body_rate's first ten seconds, as for everybody */
    expect_refused(HF_ERR_HTTP1_BODY_RATE, 408);
}

static void limit_body_rate(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, POST "Content-Length: 100000\r\n\r\n");
    int seconds = 0;
    for (; r.last == HF_IDLE && seconds < 60; seconds++) { /* 100 bytes a second are too few */
        r.now = hf_time_after(r.now, HF_SECONDS(1));
        feed_filled("", 'x', 100, "");
    }
    expect_refused(HF_ERR_HTTP1_BODY_RATE, 408);
    assert_true(seconds >= 10 && seconds <= 12);
    reopen(RIG_ECHO);
    rig_text(&r, POST "Content-Length: 100000\r\n\r\n");
    for (int i = 0; i < 60; i++) { /* 200 are enough */
        r.now = hf_time_after(r.now, HF_SECONDS(1));
        feed_filled("", 'x', 200, "");
        assert_int_equal(r.last, HF_IDLE);
    }
    assert_int_equal(sleep_until(HF_SECONDS(30)), HF_FAULT);
}

static void a_late_body_after_the_answer_began_is_a_plain_fault(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, POST "Content-Length: 10\r\n\r\nabc");
    assert_int_equal(rig_respond(&r, 200, HF_LENGTH_UNKNOWN).code, 0);
    assert_int_equal(sleep_until(HF_SECONDS(10)), HF_FAULT);
    assert_null(strstr(r.log, "REFUSED"));
}

static void the_applications_own_time_does_not_count(void **state)
{
    (void)state;
    open_rig(RIG_STUCK);
    rig_text(&r, POST "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(hf_http1_wake(r.h).ns, HF_NEVER_NS); /* the client waits for us */
    r.now = hf_time_after(r.now, HF_SECONDS(500));
    assert_int_equal(rig_run(&r), HF_IDLE);
    const hf_response_head go_on = { .status = 100 };
    assert_int_equal(hf_http1_respond(r.h, &go_on).code, 0);
    assert_int_equal(sleep_until(HF_SECONDS(10)), HF_FAULT);
}

static void limit_requests_per_connection(void **state)
{
    (void)state;
    w.limits.requests_per_connection = 3;
    open_rig(RIG_ECHO);
    rig_text(&r, GET GET GET GET);
    assert_int_equal(r.requests, 3);
    assert_int_equal(r.last, HF_CLOSED);
    rig_emit(&r);
    r.out[r.out_length] = 0;
    const char *close = strstr((char *)r.out, "Connection: close");
    assert_non_null(close);
    assert_null(strstr(close + 1, "HTTP/1.1"));
}

static void limit_output_bytes(void **state)
{
    (void)state;
    static const uint8_t block[10000];
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = { block, sizeof block } };
    open_rig(RIG_SILENT);
    rig_text(&r, GET);
    assert_int_equal(rig_respond(&r, 200, HF_LENGTH_UNKNOWN).code, 0);
    uint64_t sum = 0;
    for (uint64_t n; (n = hf_http1_put(r.h, &e, 1, NULL)) > 0; sum += n)
        assert_true(hf_http1_room(r.h) <= w.limits.output_bytes);
    assert_true(sum > 60000 && sum <= w.limits.output_bytes);
    assert_int_equal(hf_http1_room(r.h), 0);
    assert_true(rig_emit_once(&r, 30000, 4, UINT64_MAX) == 30000);
    assert_true(hf_http1_room(r.h) > 20000);
    assert_true(w.memory.most < 3 * w.limits.output_bytes);
    /* pipelined answers pile up no further either */
    reopen(RIG_ECHO);
    static char many[40 * 4096];
    for (size_t i = 0; i < 4096; i++)
        memcpy(many + i * strlen(GET), GET, strlen(GET));
    r.pending = (const uint8_t *)many;
    r.pending_length = 4096 * strlen(GET);
    while (rig_step(&r) == HF_EVENT)
        ;
    assert_int_equal(r.last, HF_FULL);
    assert_true(r.requests > 100 && r.requests < 2000);
}

static void limit_output_extents(void **state)
{
    (void)state;
    const hf_extent e = { .kind = HF_EXTENT_LENT, .token = 1, .bytes = HF_LITERAL("x") };
    open_rig(RIG_SILENT);
    rig_text(&r, GET);
    assert_int_equal(rig_respond(&r, 200, HF_LENGTH_UNKNOWN).code, 0);
    int n = 0;
    while (hf_http1_put(r.h, &e, 1, NULL) > 0)
        n++;
    assert_int_equal(n, 64);
    rig_emit(&r);
    assert_int_equal(r.tokens, 64);
    assert_int_equal(hf_http1_put(r.h, &e, 1, NULL), 1);
    rig_emit(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(limit_target_bytes), T(limit_header_bytes), T(limit_header_fields), T(limit_trailer_bytes), T(limit_chunk_line_bytes),
        T(limit_informational_responses), T(limit_head_ns), T(limit_first_byte_ns), T(limit_idle_ns), T(limit_body_idle_ns),
        T(limit_body_rate), T(a_body_may_be_held_to_another_pace), T(a_pace_is_one_requests_own),
        T(a_late_body_after_the_answer_began_is_a_plain_fault), T(the_applications_own_time_does_not_count),
        T(limit_requests_per_connection), T(limit_output_bytes), T(limit_output_extents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
