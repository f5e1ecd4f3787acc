/* SPDX-License-Identifier: Apache-2.0 */
#include "http1/rig.h"

static hf_test_world w;
static rig r;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    return 0;
}

static void open_rig(rig_app app)
{
    assert_true(rig_open(&r, &w.env, app));
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    hf_test_world_fini(&w);
    return 0;
}

static void expect_output(const char *want)
{
    rig_emit(&r);
    r.out[r.out_length] = 0;
    assert_string_equal((char *)r.out, want);
    r.out_length = 0;
}

static void expect_log(const char *want)
{
    assert_string_equal(r.log, want);
    r.log_length = 0;
    r.log[0] = 0;
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_LOG "REQUEST GET / authority=a path=/ query= version=11 length=-1 keep upgrade= [Host=a]\nEND\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 0\r\n\r\n"

static void a_get_is_answered_and_the_connection_stays(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, GET);
    assert_int_equal(r.last, HF_IDLE);
    expect_log(GET_LOG);
    expect_output(OK_EMPTY);
    assert_true(hf_http1_is_idle(r.h));
    rig_text(&r, GET);
    expect_output(OK_EMPTY);
}

static void a_core_that_slept_goes_on_where_it_was(void **state)
{
    (void)state;
    hf_http1_rest rest;
    open_rig(RIG_ECHO);
    rig_text(&r, GET);
    assert_false(hf_http1_pause(r.h, &rest)); /* its answer has not left */
    expect_output(OK_EMPTY);
    assert_true(hf_http1_pause(r.h, &rest));
    assert_false(hf_http1_sleep(r.h, &rest)); /* it holds memory still */
    r.now = hf_http1_wake(r.h);
    rig_text(&r, "");
    const hf_time wake = hf_http1_wake(r.h);
    assert_true(hf_http1_sleep(r.h, &rest));
    assert_int_equal(rest.offset, sizeof GET - 1);
    assert_int_equal(rest.requests, 1);
    assert_int_equal(hf_http1_rest_wake(&w.env, &rest).ns, wake.ns);
    r.h = hf_http1_server_wake(&w.env, 1, &rest, r.now);
    assert_non_null(r.h);
    rig_text(&r, GET);
    expect_output(OK_EMPTY);
    rig_text(&r, "GET / HTTP/1.1\n");
    assert_int_equal(hf_http1_fault(r.h)->offset, 2 * (sizeof GET - 1) + 14);
}

static void a_request_that_ends_with_its_head_is_told_once_where_that_is_asked(void **state)
{
    (void)state;
    open_rig(RIG_EARLY);
    hf_http1_merge_ends(r.h);
    rig_text(&r, GET);
    assert_null(strstr(r.log, "END"));
    assert_int_equal(r.requests, 1);
    rig_text(&r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    assert_int_equal(r.requests, 2);
    rig_text(&r, GET);
    assert_int_equal(r.requests, 3);
}

static void a_post_is_echoed(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, "POST /x?y=1 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello");
    expect_log("REQUEST POST /x?y=1 authority=a:80 path=/x query=y=1 version=11 length=5 keep upgrade= [Host=a:80] [Content-Length=5]\n"
               "BODY hello\nEND\n");
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 5\r\n\r\nhello");
}

static void a_chunked_body_is_decoded_and_its_trailers_told(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=\"b\r;\"\r\n");
    assert_int_equal(r.refused, HF_ERR_HTTP1_CHUNK_EXTENSION);
    rig_close(&r);
    open_rig(RIG_ECHO);
    rig_text(&r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5 ; a = \"b;\" ;c\r\nhello\r\n006\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n" GET);
    expect_log("REQUEST POST / authority=a path=/ query= version=11 length=-2 keep upgrade= [Host=a] [Transfer-Encoding=Chunked]\n"
               "BODY hello world\nTRAILERS [X-Sum=1]\nEND\n" GET_LOG);
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 11\r\n\r\nhello world" OK_EMPTY);
}

static void an_answer_of_unknown_length_is_chunked(void **state)
{
    (void)state;
    open_rig(RIG_STREAM);
    rig_text(&r, GET);
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "a\r\ncopiedlent\r\n4\r\nlent\r\n0\r\nChecksum: abc\r\n\r\n");
    assert_int_equal(r.tokens, 10);
}

static void http_1_0_gets_an_answer_until_close(void **state)
{
    (void)state;
    open_rig(RIG_STREAM);
    rig_text(&r, "GET / HTTP/1.0\r\n\r\n");
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nConnection: close\r\n\r\ncopiedlentlent");
    assert_int_equal(r.last, HF_CLOSED);
}

static void http_1_0_persists_only_when_asked(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(r.last, HF_IDLE);
    rig_text(&r, "GET / HTTP/1.0\r\n\r\n");
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_int_equal(r.last, HF_CLOSED);
}

static void connection_close_ends_it_and_later_bytes_are_not_read(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, "GET / HTTP/1.1\r\nHost: a\r\nConnection: te, close\r\n\r\n" GET);
    assert_int_equal(r.requests, 1);
    assert_int_equal(r.last, HF_CLOSED);
    assert_int_equal(r.pending_length, strlen(GET));
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

static void head_gets_no_body(void **state)
{
    (void)state;
    open_rig(RIG_STREAM);
    rig_text(&r, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(r.tokens, 10); /* what was lent is given back */
    assert_int_equal(r.last, HF_IDLE);
}

static void statuses_without_a_body_have_no_framing(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, GET);
    assert_int_equal(rig_respond(&r, 204, 7).code, 0);
    rig_put(&r, hf_text("no body"));
    rig_end(&r);
    expect_output("HTTP/1.1 204 No Content\r\nServer: rig\r\n\r\n");
    rig_text(&r, GET);
    assert_int_equal(rig_respond(&r, 304, 7).code, 0);
    rig_end(&r);
    expect_output("HTTP/1.1 304 Not Modified\r\nServer: rig\r\nContent-Length: 7\r\n\r\n");
}

static void pipelined_requests_wait_for_the_answer(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, GET GET);
    assert_int_equal(r.requests, 1);
    assert_int_equal(r.last, HF_FULL);
    assert_int_equal(r.pending_length, strlen(GET));
    assert_int_equal(rig_respond(&r, 200, HF_LENGTH_NONE).code, 0);
    assert_int_equal(rig_run(&r), HF_FULL);
    rig_end(&r);
    assert_int_equal(rig_run(&r), HF_FULL);
    assert_int_equal(r.requests, 2);
}

static void expect_100_is_answered_by_the_application(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
    expect_output("HTTP/1.1 100 Continue\r\n\r\n");
    rig_text(&r, "ok");
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 2\r\n\r\nok");
}

static void a_final_answer_instead_of_100_closes(void **state)
{
    (void)state;
    open_rig(RIG_EARLY);
    rig_text(&r, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly");
    assert_int_equal(r.last, HF_CLOSED);
}

static void http_1_0_expects_nothing_and_gets_no_interim(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, "PUT / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect_log("REQUEST PUT / authority= path=/ query= version=10 length=2 close upgrade= [Content-Length=2] [Expect=100-continue]\n");
    const hf_response_head hints = { .status = 103 };
    assert_int_equal(hf_http1_respond(r.h, &hints).code, 0);
    expect_output("");
}

static void a_small_unread_body_is_swallowed(void **state)
{
    (void)state;
    open_rig(RIG_EARLY);
    rig_text(&r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789" GET);
    assert_int_equal(r.requests, 2);
    assert_null(strstr(r.log, "BODY"));
    assert_int_equal(r.last, HF_IDLE);
}

static void a_large_unread_body_closes(void **state)
{
    (void)state;
    open_rig(RIG_EARLY);
    rig_text(&r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n0123456789");
    assert_int_equal(r.last, HF_CLOSED);
}

/* RFC 9112 9.6: a client that is not told would send its next request into a closed connection. */
static void an_answer_before_a_large_body_says_that_it_closes(void **state)
{
    (void)state;
    static const unsigned left[] = { 65536, 65537 };
    for (size_t i = 0; i < HF_COUNT(left); i++) {
        char text[128];
        bool whole;
        if (i > 0) {
            tear_down(state);
            set_up(state);
        }
        open_rig(RIG_SILENT);
        snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n", left[i]);
        rig_text(&r, text);
        const hf_response_head head = { .status = 405, .content_length = 2 };
        assert_int_equal(hf_http1_answer(r.h, &head, hf_text("no"), &whole).code, 0);
        assert_true(whole);
        rig_emit(&r);
        r.out[r.out_length] = 0;
        assert_int_equal(strstr((const char *)r.out, "onnection: close") != NULL, left[i] > 65536);
    }
}

/* Chunks may end at once or never: nobody knows it when the head leaves. */
static void an_answer_before_chunks_says_that_it_closes(void **state)
{
    (void)state;
    bool whole;
    open_rig(RIG_SILENT);
    rig_text(&r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    const hf_response_head head = { .status = 413, .content_length = 2 };
    assert_int_equal(hf_http1_answer(r.h, &head, hf_text("no"), &whole).code, 0);
    assert_true(whole);
    rig_emit(&r);
    r.out[r.out_length] = 0;
    assert_non_null(strstr((const char *)r.out, "onnection: close"));
}

static void a_small_unread_chunked_body_is_swallowed_and_a_large_one_closes(void **state)
{
    (void)state;
    open_rig(RIG_EARLY);
    rig_text(&r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n" GET);
    assert_int_equal(r.requests, 2);
    assert_int_equal(r.last, HF_IDLE);
    rig_text(&r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    char chunk[4096 + 9];
    memcpy(chunk, "1000\r\n", 6);
    memset(chunk + 6, 'x', 4096);
    memcpy(chunk + 6 + 4096, "\r\n", 3);
    for (int i = 0; i < 17; i++)
        rig_text(&r, chunk);
    assert_int_equal(r.last, HF_CLOSED);
}

static void an_upgrade_leaves_what_follows_untouched(void **state)
{
    (void)state;
    open_rig(RIG_UPGRADE);
    rig_text(&r, "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello");
    assert_non_null(strstr(r.log, "upgrade=websocket"));
    assert_non_null(strstr(r.log, "END\nUPGRADED\n"));
    assert_int_equal(r.pending_length, 7);
    expect_output("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nraw bytes");
    rig_put(&r, hf_text("more"));
    expect_output("more");
    rig_end(&r);
    assert_int_equal(rig_run(&r), HF_CLOSED);
}

static void no_upgrade_that_was_not_offered(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    assert_int_equal(rig_respond(&r, 101, HF_LENGTH_NONE).code, HF_ERR_HTTP1_BAD_HEAD);
}

static void connect_becomes_a_tunnel(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nbytes");
    assert_int_equal(rig_respond(&r, 200, HF_LENGTH_NONE).code, 0);
    rig_run(&r);
    assert_non_null(strstr(r.log, "UPGRADED"));
    assert_int_equal(r.pending_length, 5);
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\n\r\n");
}

/* A core behind an upgrade goes from one connection to another: what is counted is the connection's, not the core's. */
static void a_core_that_enters_a_tunnel_counts_for_its_connection(void **state)
{
    (void)state;
    static const char upgrade[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    hf_http1_rest mine, other, left;
    w.limits.requests_per_connection = 3;
    open_rig(RIG_UPGRADE);
    assert_false(hf_http1_leave_tunnel(r.h, &mine));
    rig_text(&r, GET);
    rig_text(&r, upgrade);
    rig_emit(&r);
    assert_non_null(strstr(r.log, "UPGRADED"));
    assert_true(hf_http1_leave_tunnel(r.h, &mine));
    assert_int_equal(mine.requests, 2);
    assert_int_equal(mine.offset, sizeof GET - 1 + sizeof upgrade - 1);
    assert_false(mine.first);
    other = (hf_http1_rest){ .offset = 1000, .since = r.now, .requests = 3 };
    hf_http1_enter_tunnel(r.h, 8, &other);
    assert_true(hf_http1_is_worn(r.h));
    assert_true(hf_http1_leave_tunnel(r.h, &left));
    assert_int_equal(left.requests, other.requests);
    assert_int_equal(left.offset, other.offset);
    hf_http1_enter_tunnel(r.h, 7, &mine);
    assert_false(hf_http1_is_worn(r.h));
    assert_true(hf_http1_leave_tunnel(r.h, &left));
    assert_int_equal(left.requests, mine.requests);
    assert_int_equal(left.offset, mine.offset);
}

static void what_must_not_be_sent_is_refused(void **state)
{
    (void)state;
    static const struct { const char *name, *value; } rows[] = {
        { "Content-Length", "1" }, { "transfer-encoding", "chunked" }, { "Connection", "x" }, { "Keep-Alive", "1" },
        { "Upgrade", "h2c" }, { "X", "a\r\nY: b" }, { "X", "a\nb" }, { "X", "nul\1" }, { "a b", "c" }, { "", "c" }, { "x:", "c" },
    };
    open_rig(RIG_SILENT);
    rig_text(&r, GET);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_field field = { hf_text(rows[i].name), hf_text(rows[i].value), HF_FIELD_OTHER };
        const hf_response_head head = { .status = 200, .fields = { &field, 1 } };
        assert_int_equal(hf_http1_respond(r.h, &head).code, HF_ERR_HTTP1_BAD_HEAD);
    }
    const hf_response_head split = { .status = 200, .reason = HF_LITERAL("a\r\nb") };
    assert_int_equal(hf_http1_respond(r.h, &split).code, HF_ERR_HTTP1_BAD_HEAD);
    expect_output("");
    assert_int_equal(rig_respond(&r, 200, 0).code, 0);
    assert_int_equal(rig_respond(&r, 200, 0).code, HF_ERR_HTTP1_NO_EXCHANGE);
}

static void ready_made_lines_leave_before_the_fields(void **state)
{
    (void)state;
    static const hf_field field = { HF_LITERAL("X"), HF_LITERAL("y"), HF_FIELD_OTHER };
    static uint8_t long_line[70000];
    hf_response_head head = { .status = 200, .fields = { &field, 1 }, .lines = { HF_LITERAL("A: b\r\n"), HF_LITERAL("C: d\r\nE: f\r\n") } };
    open_rig(RIG_SILENT);
    rig_text(&r, GET);
    head.lines[1] = hf_bytes_make(long_line, sizeof long_line);
    assert_int_equal(hf_http1_respond(r.h, &head).code, HF_ERR_HTTP1_BAD_HEAD);
    head.lines[1] = hf_text("C: d\r\nE: f\r\n");
    assert_int_equal(hf_http1_respond(r.h, &head).code, 0);
    expect_output("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nE: f\r\nX: y\r\nContent-Length: 0\r\n\r\n");
}

static void more_than_the_declared_length_is_refused_and_less_breaks_the_connection(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, GET);
    assert_int_equal(rig_respond(&r, 200, 4).code, 0);
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("12345") };
    const hf_extent e3 = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("123") };
    hf_err err;
    assert_int_equal(hf_http1_room(r.h), 4);
    assert_int_equal(hf_http1_put(r.h, &e, 1, &err), 0);
    assert_int_equal(err.code, HF_ERR_HTTP1_BODY_LENGTH);
    assert_int_equal(hf_http1_put(r.h, &e3, 1, &err), 3);
    assert_int_equal(err.code, 0);
    rig_end(&r);
    assert_int_equal(rig_run(&r), HF_FAULT);
    assert_int_equal(hf_http1_fault(r.h)->err.code, HF_ERR_HTTP1_BODY_LENGTH);
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 4\r\n\r\n123");
    assert_int_equal(rig_run(&r), HF_FAULT);
}

static void a_reset_in_a_chunked_body_leaves_no_last_chunk(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, GET);
    assert_int_equal(rig_respond(&r, 200, HF_LENGTH_UNKNOWN).code, 0);
    rig_put(&r, hf_text("abc"));
    assert_int_equal(hf_http1_end(r.h, (hf_ending){ HF_ENDING_RESET, 0 }, (hf_fields){ NULL, 0 }).code, 0);
    assert_int_equal(rig_run(&r), HF_FAULT);
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
}

static void an_untaken_body_stops_the_core(void **state)
{
    (void)state;
    open_rig(RIG_STUCK);
    const char *text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    hf_http1_event e;
    hf_in in = { .ptr = (uint8_t *)strdup(text), .len = strlen(text) };
    uint8_t *const whole = in.ptr;
    assert_int_equal(hf_http1_step(r.h, r.now, &in, &e), HF_EVENT);
    in = (hf_in){ .ptr = in.ptr + in.used, .len = in.len - in.used };
    assert_int_equal(hf_http1_step(r.h, r.now, &in, &e), HF_EVENT);
    assert_int_equal(e.kind, HF_HTTP1_BODY);
    assert_int_equal(in.used, 0);
    assert_int_equal(hf_http1_step(r.h, r.now, &in, &e), HF_FULL);
    assert_int_equal(in.used, 0);
    assert_int_equal(hf_http1_wake(r.h).ns, HF_NEVER_NS);
    hf_http1_take(r.h, 2);
    assert_int_equal(hf_http1_step(r.h, r.now, &in, &e), HF_EVENT);
    assert_int_equal(in.used, 2);
    assert_true(hf_bytes_equal(e.body, hf_text("llo")));
    in = (hf_in){ .ptr = in.ptr + 2, .len = 3 };
    hf_http1_take(r.h, 3);
    assert_int_equal(hf_http1_step(r.h, r.now, &in, &e), HF_EVENT);
    assert_int_equal(e.kind, HF_HTTP1_END);
    free(whole);
}

static void emit_cuts_where_there_is_no_room_and_the_token_leaves_last(void **state)
{
    (void)state;
    static const hf_file file = { .handle = 3, .size = 10 };
    open_rig(RIG_SILENT);
    rig_text(&r, GET);
    assert_int_equal(rig_respond(&r, 200, 14).code, 0);
    const hf_extent pieces[] = { { .kind = HF_EXTENT_LENT, .token = 100, .bytes = HF_LITERAL("lent") },
                                 { .kind = HF_EXTENT_FILE, .token = 1000, .file = &file, .length = 10 } };
    assert_int_equal(hf_http1_put(r.h, pieces, 2, NULL), 14);
    rig_end(&r);
    for (uint64_t sum = 0; rig_emit_once(&r, 3, 2, 3) > 0; sum = r.tokens) {
        if (r.tokens != sum && r.tokens == 100)
            assert_true(memcmp(r.out + r.out_length - 4, "lent", 4) == 0 || r.out[r.out_length - 1] == 'F');
    }
    assert_int_equal(r.tokens, 1100);
    r.out[r.out_length] = 0;
    assert_string_equal((char *)r.out, "HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 14\r\n\r\nlentFFFFFFFFFF");
}

static void drain_closes_idle_connections_and_finishes_the_others(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, GET);
    hf_http1_drain(r.h);
    assert_int_equal(rig_run(&r), HF_FULL);
    assert_int_equal(rig_respond(&r, 200, 0).code, 0);
    rig_end(&r);
    assert_int_equal(rig_run(&r), HF_CLOSED);
    expect_output("HTTP/1.1 200 OK\r\nServer: rig\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    rig_close(&r);
    open_rig(RIG_ECHO);
    rig_text(&r, GET);
    rig_emit(&r);
    hf_http1_drain(r.h);
    assert_int_equal(rig_run(&r), HF_CLOSED);
}

static void the_end_of_input_is_good_order_only_between_messages(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    assert_int_equal(rig_feed(&r, NULL, 0, true), HF_CLOSED);
    rig_close(&r);
    open_rig(RIG_ECHO);
    rig_feed(&r, (const uint8_t *)"GET / HT", 8, true);
    assert_int_equal(r.refused, HF_ERR_HTTP1_TRUNCATED);
    assert_int_equal(r.last, HF_FAULT);
    rig_close(&r);
    open_rig(RIG_ECHO);
    rig_feed(&r, (const uint8_t *)GET, strlen(GET), true);
    assert_int_equal(r.last, HF_CLOSED);
    expect_output(OK_EMPTY);
}

static void an_idle_connection_holds_next_to_nothing(void **state)
{
    (void)state;
    open_rig(RIG_STREAM);
    const size_t fresh = w.memory.held;
    assert_true(fresh <= 224);
    rig_text(&r, GET);
    rig_emit(&r);
    const size_t calls = w.memory.calls;
    for (int i = 0; i < 10; i++) {
        r.now = hf_time_after(r.now, HF_MILLISECONDS(10));
        rig_text(&r, GET);
        rig_emit(&r);
        rig_run(&r);
    }
    assert_int_equal(w.memory.calls, calls); /* under load nothing is allocated */
    r.now = hf_http1_wake(r.h);
    assert_int_equal(rig_run(&r), HF_IDLE);
    assert_int_equal(w.memory.held, fresh);
    assert_int_equal(w.memory.blocks, 1);
}

static void a_refusal_is_told_once_with_its_evidence(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, GET "GET / HTTP/1.1\r\nHost: a\r\nBad\x01Name: x\r\n\r\n");
    assert_int_equal(r.last, HF_FAULT);
    const hf_fault *f = hf_http1_fault(r.h);
    assert_int_equal(f->err.code, HF_ERR_HTTP1_FIELD_NAME);
    assert_int_equal(f->offset, strlen(GET) + 25 + 3);
    assert_int_equal(f->got[0], 1);
    assert_int_equal(f->got_length, 12);
    assert_string_equal(f->wanted, "a token and a colon");
    expect_output(OK_EMPTY "HTTP/1.1 400 Bad Request\r\nServer: rig\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n");
    assert_int_equal(rig_run(&r), HF_FAULT);
    assert_int_equal(hf_http1_wake(r.h).ns, HF_NEVER_NS);
}

static void a_broken_body_after_the_answer_began_is_a_plain_fault(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_text(&r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(rig_respond(&r, 200, HF_LENGTH_UNKNOWN).code, 0);
    rig_text(&r, "zz\r\n");
    assert_int_equal(r.last, HF_FAULT);
    assert_null(strstr(r.log, "REFUSED"));
    assert_int_equal(hf_http1_fault(r.h)->err.code, HF_ERR_HTTP1_CHUNK_SIZE);
}

/* Asks, and answers in one call; what the wire got. */
static const char *answered_at_once(const char *request, uint16_t status, const char *body, int64_t length, bool *whole)
{
    const hf_response_head head = { .status = status, .content_length = length };
    rig_text(&r, request);
    assert_int_equal(hf_http1_answer(r.h, &head, hf_text(body), whole).code, 0);
    rig_emit(&r);
    r.out[r.out_length] = 0;
    r.out_length = 0;
    return (char *)r.out;
}

static void an_answer_in_one_call_is_the_same_as_in_three(void **state)
{
    (void)state;
    bool whole;
    open_rig(RIG_SILENT);
    assert_string_equal(answered_at_once(GET, 200, "hello", 5, &whole), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_true(whole);
    assert_string_equal(answered_at_once(GET, 204, "", HF_LENGTH_NONE, &whole), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_true(whole);
    assert_string_equal(answered_at_once("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, "", 5, &whole),
                        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_true(whole);
    rig_text(&r, ""); /* the end of the request is read */
    assert_true(hf_http1_is_idle(r.h));
    assert_int_equal(hf_http1_answer(r.h, &(hf_response_head){ .status = 200 }, hf_text(""), &whole).code, HF_ERR_HTTP1_NO_EXCHANGE);
    assert_false(whole);
}

static void what_is_not_all_of_the_body_is_left_to_put(void **state)
{
    (void)state;
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_text("hello") };
    bool whole;
    open_rig(RIG_SILENT);
    assert_string_equal(answered_at_once(GET, 200, "hell", 5, &whole), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_false(whole);
    assert_int_equal(hf_http1_put(r.h, &e, 1, NULL), 5);
    assert_int_equal(hf_http1_end(r.h, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code, 0);
    expect_output("hello");
    w.limits.output_bytes = 64; /* no room for the body behind the head */
    assert_string_equal(answered_at_once(GET, 200, "hello", 5, &whole), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_false(whole);
    assert_int_equal(hf_http1_put(r.h, &e, 1, NULL), 5);
}

/* One that was good before is good again; any other is judged. */
static void every_host_is_judged_also_behind_good_ones(void **state)
{
    (void)state;
    static const char *const good[] = { "GET / HTTP/1.1\r\nHost: a.b\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.b:80\r\n\r\n" };
    static const char *const bad[] = { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.b:8x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.b:\"0\r\n\r\n" };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        open_rig(RIG_ECHO);
        for (size_t k = 0; k < 2 * HF_COUNT(good); k++) {
            rig_text(&r, good[k % HF_COUNT(good)]);
            assert_int_equal(r.refused, 0);
        }
        rig_text(&r, bad[i]);
        assert_int_equal(r.refused, HF_ERR_HTTP_HOST_SYNTAX);
        rig_close(&r);
    }
    open_rig(RIG_ECHO); /* for tear_down */
}

static void need_asks_for_one_byte_more(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    rig_text(&r, "\r\nGET /");
    assert_int_equal(r.last, HF_IDLE);
    assert_int_equal(r.in.used, 2);
    assert_int_equal(r.in.need, 6);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_get_is_answered_and_the_connection_stays), T(a_core_that_slept_goes_on_where_it_was),
        T(a_request_that_ends_with_its_head_is_told_once_where_that_is_asked),
        T(a_post_is_echoed),
        T(a_chunked_body_is_decoded_and_its_trailers_told), T(an_answer_of_unknown_length_is_chunked),
        T(http_1_0_gets_an_answer_until_close), T(http_1_0_persists_only_when_asked),
        T(connection_close_ends_it_and_later_bytes_are_not_read), T(head_gets_no_body),
        T(statuses_without_a_body_have_no_framing), T(pipelined_requests_wait_for_the_answer),
        T(expect_100_is_answered_by_the_application), T(a_final_answer_instead_of_100_closes),
        T(http_1_0_expects_nothing_and_gets_no_interim), T(a_small_unread_body_is_swallowed), T(a_large_unread_body_closes),
        T(an_answer_before_a_large_body_says_that_it_closes), T(an_answer_before_chunks_says_that_it_closes),
        T(a_small_unread_chunked_body_is_swallowed_and_a_large_one_closes), T(an_upgrade_leaves_what_follows_untouched),
        T(no_upgrade_that_was_not_offered), T(connect_becomes_a_tunnel),
        T(a_core_that_enters_a_tunnel_counts_for_its_connection), T(what_must_not_be_sent_is_refused),
        T(ready_made_lines_leave_before_the_fields),
        T(more_than_the_declared_length_is_refused_and_less_breaks_the_connection),
        T(a_reset_in_a_chunked_body_leaves_no_last_chunk), T(an_untaken_body_stops_the_core),
        T(emit_cuts_where_there_is_no_room_and_the_token_leaves_last),
        T(drain_closes_idle_connections_and_finishes_the_others), T(the_end_of_input_is_good_order_only_between_messages),
        T(an_idle_connection_holds_next_to_nothing), T(a_refusal_is_told_once_with_its_evidence),
        T(an_answer_in_one_call_is_the_same_as_in_three), T(what_is_not_all_of_the_body_is_left_to_put),
        T(every_host_is_judged_also_behind_good_ones),
        T(a_broken_body_after_the_answer_began_is_a_plain_fault), T(need_asks_for_one_byte_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
