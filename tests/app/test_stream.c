/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers written piece by piece, and bodies held back: back-pressure both ways.
 */
#include "later_rig.h"

static hf_later *ticket;
static hf_req *written; /* by a test, outside any handler */
static size_t produced, uploaded;
static bool pausing;

static hf_err three_pieces(hf_req *rq)
{
    of(rq);
    hf_err err = hf_reply_begin(rq, 200, "text/plain", HF_LENGTH_UNKNOWN, NULL);
    for (int i = 0; i < 3 && err.code == 0; i++)
        err = hf_reply_write(rq, hf_text("piece "));
    if (err.code == 0)
        err = hf_reply_trailer(rq, "X-Sum", hf_text("18"));
    return err.code != 0 ? err : hf_reply_end(rq);
}

static hf_err known_length(hf_req *rq)
{
    of(rq);
    hf_err err = hf_reply_begin(rq, 200, NULL, 5, NULL);
    if (err.code == 0)
        err = hf_reply_write(rq, hf_text("fiver"));
    return err.code != 0 ? err : hf_reply_end(rq);
}

static hf_err too_short(hf_req *rq)
{
    of(rq);
    const hf_err err = hf_reply_begin(rq, 200, NULL, 50, NULL);
    return err.code != 0 ? err : hf_reply_end(rq);
}

/* A million bytes, a thousand at a time. */
static hf_err produce(hf_req *rq)
{
    if (produced == 1000)
        return hf_reply_end(rq);
    produced++;
    return hf_reply_write(rq, hf_bytes_make(big, 1000));
}

static hf_err producer(hf_req *rq)
{
    of(rq);
    return hf_reply_begin(rq, 200, "application/octet-stream", HF_LENGTH_UNKNOWN, produce);
}

static hf_err fill(hf_req *rq)
{
    while (hf_reply_room(rq) > 0 && produced < 1000) {
        produced++;
        const hf_err err = hf_reply_write(rq, hf_bytes_make(big, 1000));
        if (err.code != 0)
            return err;
    }
    return produced == 1000 ? hf_reply_end(rq) : HF_OK;
}

static hf_err filler(hf_req *rq)
{
    of(rq);
    return hf_reply_begin(rq, 200, NULL, 1000000, fill);
}

static hf_err fail_amid(hf_req *rq)
{
    return ++produced == 3 ? hf_err_make(HF_ERR_IO_SYSTEM) : hf_reply_write(rq, hf_text("so far "));
}

static hf_err fails_streaming(hf_req *rq)
{
    of(rq);
    return hf_reply_begin(rq, 200, NULL, HF_LENGTH_UNKNOWN, fail_amid);
}

static hf_err open_ended(hf_req *rq)
{
    of(rq);
    written = rq;
    return hf_reply_begin(rq, 200, NULL, HF_LENGTH_UNKNOWN, NULL);
}

static hf_err tick_tock(hf_req *rq)
{
    if (++produced == 3)
        return hf_reply_end(rq);
    const hf_err err = hf_reply_write(rq, hf_text("tick "));
    return err.code != 0 ? err : hf_req_after(rq, HF_SECONDS(1), tick_tock);
}

static hf_err ticking(hf_req *rq)
{
    of(rq);
    const hf_err err = hf_reply_begin(rq, 200, NULL, HF_LENGTH_UNKNOWN, NULL);
    return err.code != 0 ? err : tick_tock(rq);
}

static hf_err hints(hf_req *rq)
{
    of(rq);
    const hf_field field = { .name = hf_text("Link"), .value = hf_text("</a.css>; rel=preload") };
    assert_int_equal(hf_reply_interim(rq, 100, &field, 1).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_reply_interim(rq, 200, &field, 1).code, HF_ERR_BASE_USAGE);
    hf_err err = hf_reply_interim(rq, 103, &field, 1);
    if (err.code == 0)
        err = hf_reply_early_hint(rq, hf_text("</b.css>; rel=preload")); /* not over HTTP/1.1 */
    return err.code != 0 ? err : hf_reply_text(rq, 200, "hinted");
}

static hf_err upload_piece(hf_req *rq, hf_bytes piece)
{
    uploaded += piece.len;
    if (!pausing)
        return HF_OK;
    const hf_err err = hf_req_pause(rq);
    return err.code != 0 ? err : hf_req_later(rq, &ticket);
}

static hf_err uploaded_all(hf_req *rq)
{
    of(rq);
    return hf_reply_text(rq, 200, "%zu bytes", uploaded);
}

static const hf_route stream_routes[] = {
    { "GET", "/three", .handle = three_pieces },
    { "GET", "/length", .handle = known_length },
    { "GET", "/short", .handle = too_short },
    { "GET", "/produce", .handle = producer },
    { "GET", "/fill", .handle = filler },
    { "GET", "/fail", .handle = fails_streaming },
    { "GET", "/open", .handle = open_ended },
    { "GET", "/tick", .handle = ticking },
    { "GET", "/hints", .handle = hints },
    { "POST", "/upload", .handle = uploaded_all, .body = upload_piece },
    { "GET", "/hello/{name}", .handle = hello },
};

static int begin_stream(void **state)
{
    (void)state;
    ticket = NULL;
    written = NULL;
    produced = uploaded = 0;
    pausing = false;
    kit_begin(stream_routes, HF_COUNT(stream_routes));
    return 0;
}

static int end_stream(void **state)
{
    (void)state;
    kit_end();
    return 0;
}

static void pieces_leave_as_chunks_with_trailers_behind(void **state)
{
    (void)state;
    const char *text = ask(&k.r, "GET /three" H "\r\nGET /hello/x" H "\r\n");
    has(text, "Transfer-Encoding: chunked\r\n");
    has(text, "piece ");
    has(text, "X-Sum: 18\r\n");
    has(text, "hello, x");
    assert_int_equal(k.r.done_error[0], 0);
}

static void a_known_length_is_told_and_held(void **state)
{
    (void)state;
    const char *text = ask(&k.r, "GET /length" H "\r\n");
    has(text, "Content-Length: 5\r\n");
    has(text, "\r\n\r\nfiver");
    ask(&k.r, "GET /short" H "\r\n");
    assert_true(k.r.pier.reset_sent || k.r.pier.fin_sent); /* a cut answer must not look whole: 50 bytes were promised */
}

static void head_ends_a_stream_at_once(void **state)
{
    (void)state;
    const char *text = ask(&k.r, "HEAD /three" H "\r\nHEAD /produce" H "\r\nHEAD /fill" H "\r\nGET /hello/x" H "\r\n");
    has_not(text, "piece");
    has(text, "Content-Length: 1000000\r\n");
    has(text, "hello, x");
    assert_int_equal(produced, 0);
}

static void a_producer_never_runs_ahead_of_a_slow_client(void **state)
{
    (void)state;
    static const char *const requests[] = { "GET /produce" H "\r\n", "GET /fill" H "\r\n" };
    for (size_t i = 0; i < HF_COUNT(requests); i++) {
        produced = 0;
        k.r.pier.room = 0;
        ask(&k.r, requests[i]);
        assert_in_range(produced, 1, 200); /* what a core and a pier hold, not a million bytes */
        const size_t before = produced;
        drive(&k.r);
        assert_int_equal(produced, before);
        assert_true(k.r.world.memory.most < 600000);
        for (int n = 0; n < 3000 && k.r.done == i; n++) {
            fake_pier_open(&k.r.pier, 10000);
            k.r.pier.out_length = k.r.pier.out_length > 100000 ? 0 : k.r.pier.out_length;
            drive(&k.r);
        }
        assert_int_equal(produced, 1000);
        assert_int_equal(k.r.done, i + 1);
        assert_int_equal(k.r.done_error[i], 0);
        k.r.pier.out_length = 0;
    }
}

static void a_producer_that_fails_cuts_the_answer(void **state)
{
    (void)state;
    has_not(ask(&k.r, "GET /fail" H "\r\n"), "0\r\n\r\n");
    assert_true(k.r.pier.reset_sent && !k.r.pier.fin_sent);
    assert_int_equal(k.r.done_error[0], HF_ERR_IO_SYSTEM);
}

static void limit_stream_bytes(void **state)
{
    (void)state;
    k.r.world.limits.stream_bytes = 5000;
    k.r.pier.room = 0;
    ask(&k.r, "GET /open" H "\r\n");
    assert_non_null(written);
    hf_err err = HF_OK;
    size_t n = 0;
    while (n < 1000 && (err = hf_reply_write(written, hf_bytes_make(big, 1000))).code == 0)
        n++;
    assert_int_equal(err.code, HF_ERR_HTTP_STREAM_FULL);
    assert_in_range(n, 5, 200);
    assert_int_equal(hf_reply_room(written), 0);
    assert_int_equal(hf_reply_end(written).code, 0);
    assert_int_equal(hf_reply_end(written).code, 0); /* twice is once */
    assert_int_equal(hf_reply_write(written, hf_text("x")).code, HF_ERR_HTTP1_NO_EXCHANGE);
    fake_pier_open(&k.r.pier, UINT64_MAX);
    drive(&k.r);
    assert_int_equal(k.r.done, 1);
    assert_int_equal(k.r.done_error[0], 0);
    assert_true(k.r.pier.out_length > n * 1000); /* what was accepted arrives */
}

static void alarms_write_too(void **state)
{
    (void)state;
    has(ask(&k.r, "GET /tick" H "\r\n"), "tick ");
    kit_pass(HF_SECONDS(1));
    assert_int_equal(k.r.done, 0);
    kit_pass(HF_SECONDS(1));
    assert_int_equal(k.r.done, 1);
}

static void a_client_that_leaves_ends_a_stream(void **state)
{
    (void)state;
    ask(&k.r, "GET /tick" H "\r\n");
    kit_hang_up();
    assert_int_equal(k.r.done, 1);
}

static void interim_answers_come_before_the_answer_but_not_to_http_1_0(void **state)
{
    (void)state;
    const char *text = ask(&k.r, "GET /hints" H "\r\n");
    has(text, "HTTP/1.1 103 Early Hints\r\n");
    has(text, "Link: </a.css>; rel=preload\r\n");
    has_not(text, "b.css");
    has(text, "hinted");
    assert_true(strstr(text, "103") < strstr(text, "HTTP/1.1 200"));
    k.r.pier.out_length = 0;
    has_not(ask(&k.r, "GET /hints HTTP/1.0\r\n\r\n"), "103");
}

static void a_body_held_back_holds_the_client_back(void **state)
{
    (void)state;
    pausing = true;
    ask(&k.r, "POST /upload" H "Content-Length: 10\r\n\r\n01234");
    assert_int_equal(uploaded, 5);
    fake_pier_say(&k.r.pier, hf_text("56789GET /hello/x" H "\r\n"));
    drive(&k.r);
    assert_int_equal(uploaded, 5); /* it is not even read */
    pausing = false;
    written = k.r.dialog.open;
    hf_req_resume(written);
    hf_later_drop(ticket); /* the body comes still: nobody owes an answer yet */
    kit_turn();
    drive(&k.r);
    assert_int_equal(uploaded, 10);
    has(k.r.text, "10 bytes");
    has(k.r.text, "hello, x");
}

static void a_body_that_is_never_let_go_on_ends_by_the_limit(void **state)
{
    (void)state;
    pausing = true;
    ask(&k.r, "POST /upload" H "Content-Length: 10\r\n\r\n01234");
    fake_pier_say(&k.r.pier, hf_text("56789GET /hello/x" H "\r\n"));
    drive(&k.r);
    kit_pass((int64_t)k.r.world.limits.handler_ns);
    has(k.r.text, "503 Service");
    has(k.r.text, "hello, x"); /* its rest is thrown away, and the connection goes on */
    assert_int_equal(uploaded, 5);
    hf_later_drop(ticket);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const requests[] = { "GET /three" H "\r\n", "GET /produce" H "\r\n", "GET /tick" H "\r\n",
        "POST /upload" H "Content-Length: 10\r\n\r\n0123456789" };
    for (size_t i = 0; i < HF_COUNT(requests); i++)
        for (size_t n = 1; n < 30; n++) {
            kit_end();
            begin_stream(NULL);
            pausing = true;
            produced = i == 1 ? 800 : 0;
            k.r.pier.room = 100;
            k.r.world.memory.fail_at = k.r.world.memory.calls + n;
            ask(&k.r, requests[i]);
            fake_pier_open(&k.r.pier, UINT64_MAX);
            drive(&k.r);
            pausing = false;
            if (ticket != NULL && k.r.dialog.open != NULL)
                hf_req_resume(k.r.dialog.open);
            hf_later_drop(ticket);
            kit_turn();
            for (int t = 0; t < 3; t++)
                kit_pass(HF_SECONDS(60));
            assert_null(k.r.dialog.open);
        }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_stream, end_stream)
    const struct CMUnitTest tests[] = {
        TEST(pieces_leave_as_chunks_with_trailers_behind),
        TEST(a_known_length_is_told_and_held),
        TEST(head_ends_a_stream_at_once),
        TEST(a_producer_never_runs_ahead_of_a_slow_client),
        TEST(a_producer_that_fails_cuts_the_answer),
        TEST(limit_stream_bytes),
        TEST(alarms_write_too),
        TEST(a_client_that_leaves_ends_a_stream),
        TEST(interim_answers_come_before_the_answer_but_not_to_http_1_0),
        TEST(a_body_held_back_holds_the_client_back),
        TEST(a_body_that_is_never_let_go_on_ends_by_the_limit),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
