/* SPDX-License-Identifier: Apache-2.0
 *
 * Live routes over a service: a WebSocket behind 101, an event stream, their clocks, their ends, and failing memory.
 */
#include "service_rig.h"

#include <handfast/realtime.h>

static size_t opened, told, over;
static hf_websocket_event last;

static hf_err chat(hf_req *rq, const hf_websocket_event *event)
{
    (void)of(rq);
    opened += event == NULL;
    if (event == NULL)
        return hf_socket_send(rq, HF_WEBSOCKET_TEXT, hf_req_query(rq, "what").len > 0 ? hf_req_query(rq, "what") : hf_text("welcome"));
    last = *event;
    over += event->kind == HF_WEBSOCKET_CLOSED;
    told += event->kind == HF_WEBSOCKET_MESSAGE;
    if (event->kind != HF_WEBSOCKET_MESSAGE)
        return HF_OK;
    if (hf_bytes_equal(event->bytes, hf_text("fail")))
        return hf_err_make(HF_ERR_IO_SYSTEM);
    if (hf_bytes_equal(event->bytes, hf_text("leave")))
        return hf_socket_close(rq, 4000, hf_text("as you wish"));
    return hf_socket_send(rq, event->type, event->bytes);
}

static hf_err tick(hf_req *rq)
{
    const hf_bytes what = hf_req_query(rq, "what");
    const hf_eventstream_event e = { .id = hf_event_last_id(rq), .data = what.len > 0 ? what : hf_text("tick") };
    (void)of(rq);
    return ++*hf_req_word(rq) == 4 ? hf_reply_end(rq) : hf_event_send(rq, &e);
}

static const char *const protocols[] = { "chat.v2", "chat", NULL };
static const char *const friends[] = { "https://friend.example", NULL };
static const hf_route live[] = {
    { .method = "GET", .path = "/chat", .websocket = chat, .origins = friends, .protocols = protocols },
    { .method = "GET", .path = "/ticks", .events = tick, .every_ns = HF_SECONDS(1) },
    { .method = "GET", .path = "/partner", .events = tick, .every_ns = HF_SECONDS(1), .origins = friends },
    { .method = "GET", .path = "/slow", .events = tick, .every_ns = HF_SECONDS(100) },
    { .method = "GET", .path = "/hello/{name}", .handle = hello },
};

#define OFFER "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void start(rig *r)
{
    opened = told = over = 0;
    setup_with(r, live, HF_COUNT(live));
}

/* A frame whose mask is zero. */
static void say(rig *r, uint8_t first, const char *text)
{
    uint8_t frame[256] = { first, (uint8_t)(0x80 | strlen(text)) };
    memcpy(frame + 6, text, strlen(text));
    fake_pier_say(&r->pier, hf_bytes_make(frame, 6 + strlen(text)));
    drive(r);
}

static void later(rig *r, int64_t ns)
{
    r->now = hf_time_after(r->now, ns);
    hf_service_tick(&r->service, r->now, (hf_wall){ 784111777 });
    hf_dialog_tick(&r->dialog);
    drive(r);
}

static void a_websocket_opens_echoes_and_closes(void **state)
{
    (void)state;
    static rig r;
    start(&r);
    const char *const text = ask(&r, "GET /chat" H OFFER "\r\n");
    has(text, "HTTP/1.1 101 ");
    has(text, ACCEPT);
    has(text, "\x81\x07welcome");
    say(&r, 0x81, "hello");
    has(r.text, "\x81\x05hello");
    say(&r, 0x89, "p");
    say(&r, 0x88, "\x03\xe8");
    has(r.text, "\x88\x02\x03\xe8");
    assert_true(opened == 1 && told == 1 && over == 1 && last.who == HF_WEBSOCKET_PEER && last.code == 1000);
    assert_true(r.done == 1 && r.done_status[0] == 101 && r.done_error[0] == 0);
    teardown(&r);
}

static void the_subprotocol_is_one_that_both_speak(void **state)
{
    (void)state;
    static const struct {
        const char *offer, *answer;
    } cases[] = { { "Sec-WebSocket-Protocol: other, chat, chat.v2\r\n", "sec-websocket-protocol: chat\r\n" },
                  { "Sec-WebSocket-Protocol: other\r\n", NULL }, { "", NULL } };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        static rig r;
        char request[600];
        start(&r);
        snprintf(request, sizeof request, "GET /chat" H OFFER "%s\r\n", cases[i].offer);
        const char *const text = ask(&r, request);
        has(text, " 101 ");
        assert_true((strcasestr(text, cases[i].answer != NULL ? cases[i].answer : "Sec-WebSocket-Protocol") != NULL) == (cases[i].answer != NULL));
        assert_true(hf_bytes_equal(hf_socket_protocol(r.dialog.open), hf_text(cases[i].answer != NULL ? "chat" : "")));
        teardown(&r);
    }
}

static void handlers_close_by_wish_and_by_failure(void **state)
{
    (void)state;
    static rig r;
    start(&r);
    ask(&r, "GET /chat" H OFFER "\r\n");
    say(&r, 0x81, "leave");
    has(r.text, "\x88\x0d\x0f\xa0""as you wish");
    say(&r, 0x88, "\x0f\xa0");
    assert_true(over == 1 && last.who == HF_WEBSOCKET_WE && last.code == 4000);
    teardown(&r);
    start(&r);
    ask(&r, "GET /chat" H OFFER "\r\n");
    say(&r, 0x81, "fail");
    has(r.text, "\x88\x02\x03\xf3");
    teardown(&r); /* the connection dies before the answer */
    assert_int_equal(over, 1);
    assert_int_equal(r.done_error[0], HF_ERR_IO_SYSTEM);
}

static void origins_and_offers_are_judged_before_the_handler(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *status;
    } cases[] = {
        { OFFER, "101" }, { OFFER "Origin: http://a\r\n", "101" }, { OFFER "Origin: https://a\r\n", "101" }, { OFFER "Origin: http://a:80\r\n", "101" },
        { OFFER "Origin: https://friend.example\r\n", "101" }, { OFFER "Origin: https://a.example\r\n", "403" }, { OFFER "Origin: null\r\n", "403" },
        { OFFER "Origin: http://a:8080\r\n", "403" }, { OFFER "Cookie: a=b\r\n", "403" }, { OFFER "Cookie: a=b\r\nOrigin: http://a\r\n", "101" }, { "", "400" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        static rig r;
        char request[600];
        start(&r);
        snprintf(request, sizeof request, "GET /chat" H "%s\r\n", cases[i].fields);
        if (strncmp(ask(&r, request) + 9, cases[i].status, 3) != 0)
            fail_msg("%s: %.200s", cases[i].fields, r.text);
        assert_int_equal(opened, strcmp(cases[i].status, "101") == 0);
        teardown(&r);
        if (strcmp(cases[i].status, "403") == 0)
            assert_int_equal(r.done_error[0], HF_ERR_WEBSOCKET_ORIGIN);
    }
}

static void a_silent_peer_is_asked_and_let_go(void **state)
{
    (void)state;
    static rig r;
    start(&r);
    ask(&r, "GET /chat" H OFFER "\r\n");
    later(&r, HF_SECONDS(25));
    has(r.text, "\x89");
    later(&r, HF_SECONDS(20));
    assert_int_equal(over, 1);
    assert_int_equal(last.err.code, HF_ERR_WEBSOCKET_PONG_TIMEOUT);
    drive(&r);
    assert_true(r.closed);
    teardown(&r);
}

static void an_event_stream_ticks_names_what_was_seen_and_ends(void **state)
{
    (void)state;
    static rig r;
    start(&r);
    const char *const text = ask(&r, "GET /ticks" H "Last-Event-ID: 7\r\n\r\n");
    has(text, "Content-Type: text/event-stream");
    has(text, "X-Accel-Buffering: no");
    has(text, "id: 7\ndata: tick\n\n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hf_dialog_wake(&r.dialog).ns, r.now.ns + HF_SECONDS(1));
        later(&r, HF_SECONDS(1));
    }
    has(r.text, "0\r\n\r\n");
    assert_int_equal(r.runs, 4);
    has(ask(&r, "GET /hello/you" H "\r\n"), "hello, you"); /* and the connection goes on */
    teardown(&r);
}

static void live_routes_have_their_query(void **state)
{
    (void)state;
    static rig r;
    start(&r);
    has(ask(&r, "GET /ticks?what=t%6Fck" H "\r\n"), "data: tock\n\n");
    teardown(&r);
    start(&r);
    has(ask(&r, "GET /chat?what=hell%6F" H OFFER "\r\n"), "\x81\x05hello");
    teardown(&r);
}

static void an_event_stream_of_another_origin_is_not_begun(void **state) /* A57 */
{
    (void)state;
    static const struct {
        const char *path, *fields, *status;
    } cases[] = {
        { "/ticks", "", "200" }, { "/ticks", "Origin: http://a\r\n", "200" }, { "/ticks", "Sec-Fetch-Site: same-origin\r\n", "200" },
        { "/ticks", "Sec-Fetch-Site: none\r\n", "200" }, { "/ticks", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", "200" },
        { "/ticks", "Origin: https://a.example\r\n", "403" }, { "/ticks", "Origin: null\r\n", "403" }, { "/ticks", "Origin: http://a:8080\r\n", "403" },
        { "/ticks", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", "403" }, { "/ticks", "Sec-Fetch-Site: same-site\r\n", "403" },
        { "/partner", "Origin: https://friend.example\r\n", "200" }, { "/partner", "Origin: https://other.example\r\n", "403" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        static rig r;
        char request[600];
        start(&r);
        snprintf(request, sizeof request, "GET %s" H "%s\r\n", cases[i].path, cases[i].fields);
        if (strncmp(ask(&r, request) + 9, cases[i].status, 3) != 0)
            fail_msg("%s %s: %.200s", cases[i].path, cases[i].fields, r.text);
        assert_int_equal(r.runs, strcmp(cases[i].status, "200") == 0);
        teardown(&r);
        assert_int_equal(r.done_error[0] == HF_ERR_EVENTSTREAM_ORIGIN, strcmp(cases[i].status, "403") == 0);
        if (strcmp(cases[i].status, "403") == 0)
            assert_int_equal(r.done_error[0], HF_ERR_EVENTSTREAM_ORIGIN);
    }
}

static void limit_eventstream_quiet_ns(void **state)
{
    (void)state;
    static rig r;
    start(&r);
    ask(&r, "GET /slow" H "\r\n");
    later(&r, HF_SECONDS(15) - 1);
    has_not(r.text, "\r\n:\n\n");
    later(&r, 1);
    has(r.text, "\r\n:\n\n");
    teardown(&r);
}

static void a_server_that_finishes_says_so(void **state)
{
    (void)state;
    static rig r;
    start(&r);
    ask(&r, "GET /chat" H OFFER "\r\n");
    hf_dialog_drain(&r.dialog);
    hf_web_drain(r.web);
    drive(&r);
    has(r.text, "\x88\x12\x03\xe9the server stops");
    teardown(&r);
    start(&r);
    ask(&r, "GET /slow" H "\r\n");
    hf_dialog_drain(&r.dialog);
    hf_web_drain(r.web);
    drive(&r);
    has(r.text, "0\r\n\r\n");
    assert_int_equal(r.why, 0);
    teardown(&r);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const requests[] = { "GET /chat" H OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "GET /ticks" H "\r\n" };
    static rig r;
    for (size_t q = 0; q < HF_COUNT(requests); q++)
        for (size_t at = 1; at < 40; at++) {
            start(&r);
            r.world.memory.calls = 0;
            r.world.memory.fail_at = at;
            ask(&r, requests[q]);
            if (q == 0 && !r.closed)
                say(&r, 0x81, "hello, hello, hello, hello, hello, hello, hello, hello, hello, hello, hello");
            if (!r.closed)
                later(&r, HF_SECONDS(1));
            teardown(&r);
            assert_int_equal(opened, over); /* every opening has its CLOSED */
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_websocket_opens_echoes_and_closes),
        cmocka_unit_test(the_subprotocol_is_one_that_both_speak),
        cmocka_unit_test(handlers_close_by_wish_and_by_failure),
        cmocka_unit_test(origins_and_offers_are_judged_before_the_handler),
        cmocka_unit_test(a_silent_peer_is_asked_and_let_go),
        cmocka_unit_test(an_event_stream_ticks_names_what_was_seen_and_ends),
        cmocka_unit_test(live_routes_have_their_query),
        cmocka_unit_test(an_event_stream_of_another_origin_is_not_begun),
        cmocka_unit_test(limit_eventstream_quiet_ns),
        cmocka_unit_test(a_server_that_finishes_says_so),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
