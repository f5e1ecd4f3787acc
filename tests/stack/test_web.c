/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of a server: protocol core on a pier whose other end is the test.
 */
#include "web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_pier.c"
#include "harness.h"

/* What the application does with a request. */
typedef enum app {
    APP_TEXT,  /* answers with `body_bytes` copied bytes when the request is whole */
    APP_LENT,  /* the same, lent */
    APP_LATER, /* does nothing: the test answers */
    APP_STUCK  /* neither answers nor takes */
} app;

typedef struct rig {
    hf_test_world world;
    fake_pier pier;
    hf_web *web;
    hf_time now;
    hf_out out;
    app app;
    size_t body_bytes;
    bool close;
    hf_exchange newest;
    bool answered; /* the newest was begun */
    hf_extent pending;
    size_t body_seen, requests, sent, writable, refused;
    bool closed;
    int32_t why;
    hf_step last;
    char log[16384];
    size_t log_length;
    hf_extent pieces[64];
    uint8_t scratch[65536];
} rig;

static uint8_t filler[1 << 20];

static void note(rig *r, const char *text, uint64_t n)
{
    const int written = snprintf(r->log + r->log_length, sizeof r->log - r->log_length, "%s %llu;", text, (unsigned long long)n);
    r->log_length += (size_t)written;
    assert_true(r->log_length < sizeof r->log);
}

static void begin(rig *r)
{
    r->pier.room = UINT64_MAX;
    r->web = hf_web_new(&r->world.env, 1, fake_pier_get(&r->pier), NULL, r->now);
}

static void setup_with(rig *r, app a, bool buffers)
{
    memset(r, 0, sizeof *r);
    hf_test_world_init(&r->world, 1);
    fake_pier_init(&r->pier);
    r->pier.buffers = buffers;
    r->now = hf_time_make(HF_SECONDS(1000));
    r->out = (hf_out){ .pieces = r->pieces, .capacity = HF_COUNT(r->pieces), .scratch = r->scratch,
        .scratch_capacity = sizeof r->scratch, .room = UINT64_MAX };
    r->app = a;
    r->body_bytes = 5;
    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = (uint8_t)('a' + i % 26);
    begin(r);
}

static void setup(rig *r, app a)
{
    setup_with(r, a, false);
}

static void teardown(rig *r)
{
    hf_web_free(r->web);
    if (r->web != NULL)
        assert_true(r->pier.freed);
    fake_pier_fini(&r->pier);
    hf_test_world_fini(&r->world);
}

static void say(rig *r, const char *text)
{
    fake_pier_say(&r->pier, hf_text(text));
}

static void pump(rig *r)
{
    hf_err err = HF_OK;
    const uint64_t n = hf_web_put(r->web, r->newest, &r->pending, 1, &err);
    if (err.code != 0) {
        hf_web_abort(r->web, err);
        return;
    }
    r->pending.bytes = hf_bytes_make(r->pending.bytes.ptr + n, r->pending.bytes.len - (size_t)n);
    if (r->pending.bytes.len == 0 && hf_web_end(r->web, r->newest, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code != 0)
        hf_web_abort(r->web, hf_err_make(HF_ERR_BASE_USAGE));
}

static void answer_with(rig *r, uint16_t status, hf_extent_kind kind, size_t bytes)
{
    const hf_response_head head = { .status = status, .content_length = (int64_t)bytes, .close = r->close };
    const hf_err err = hf_web_respond(r->web, r->newest, &head);
    if (err.code != 0) {
        hf_web_abort(r->web, err);
        return;
    }
    r->answered = true;
    r->pending = (hf_extent){ .kind = kind, .token = kind == HF_EXTENT_COPIED ? 0 : r->newest, .bytes = hf_bytes_make(filler, bytes) };
    if (bytes > 0)
        pump(r);
    else
        assert_int_equal(hf_web_end(r->web, r->newest, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code, 0);
}

static void answer(rig *r)
{
    answer_with(r, 200, r->app == APP_LENT ? HF_EXTENT_LENT : HF_EXTENT_COPIED, r->body_bytes);
}

static void on_end(rig *r, hf_exchange x)
{
    note(r, "end", x);
    if (!r->answered && r->app <= APP_LENT)
        answer(r);
}

static void deal(rig *r, const hf_web_event *e)
{
    switch (e->kind) {
    case HF_WEB_REQUEST:
        note(r, "request", e->exchange);
        r->newest = e->exchange;
        r->answered = false;
        r->requests++;
        if (e->whole)
            on_end(r, e->exchange);
        break;
    case HF_WEB_BODY:
        r->body_seen += e->body.len;
        if (r->app != APP_STUCK)
            hf_web_take(r->web, r->newest, e->body.len);
        break;
    case HF_WEB_TRAILERS: note(r, "trailers", e->trailers.count); break;
    case HF_WEB_END:
        on_end(r, e->exchange);
        break;
    case HF_WEB_REFUSED:
        note(r, "refused", e->exchange);
        r->newest = e->exchange;
        r->refused++;
        answer_with(r, hf_web_fault(r->web)->status, HF_EXTENT_COPIED, 3);
        break;
    case HF_WEB_SENT:
        note(r, "sent", e->exchange);
        r->sent++;
        break;
    case HF_WEB_WRITABLE:
        r->writable++;
        if (r->pending.bytes.len > 0)
            pump(r);
        break;
    case HF_WEB_RESET:
    case HF_WEB_OPENED:
    case HF_WEB_WANT_SIGN:
    case HF_WEB_WANT_VERIFY: fail_msg("no such event on a plain HTTP/1 connection"); break;
    case HF_WEB_CLOSED:
        assert_false(r->closed);
        r->closed = true;
        r->why = e->err.code;
        break;
    }
}

static void drive(rig *r)
{
    hf_web_event e;
    for (size_t i = 0; i < 1000000; i++) {
        r->last = hf_web_step(r->web, r->now, &r->out, &e);
        if (r->last != HF_EVENT)
            break;
        deal(r, &e);
    }
    assert_true(r->last == HF_IDLE || r->last == HF_CLOSED);
    /* after an idle step there is nothing due: else the loop would spin */
    assert_true(hf_time_before(r->now, hf_web_wake(r->web)));
}

static void pass(rig *r, int64_t ns)
{
    r->now = hf_time_after(r->now, ns);
    drive(r);
}

static size_t count(const rig *r, const char *text)
{
    size_t n = 0;
    for (const uint8_t *at = r->pier.out; at != NULL; n++) {
        at = memmem(at, (size_t)(r->pier.out + r->pier.out_length - at), text, strlen(text));
        if (at == NULL)
            break;
        at++;
    }
    return n;
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

#define LAST "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

/* As setup, on a pier whose free ends it in good order, with a reserve of cores where `spares` is given. */
static void setup_ending(rig *r, hf_web_options *options)
{
    setup(r, APP_TEXT);
    hf_web_free(r->web);
    fake_pier_fini(&r->pier);
    fake_pier_init(&r->pier);
    r->pier.room = UINT64_MAX;
    r->pier.free_ends = true;
    r->web = hf_web_new(&r->world.env, 1, fake_pier_get(&r->pier), options, r->now);
    assert_non_null(r->web);
}

/* ---- the end without waiting -------------------------------------------------------------------------------- */

static void a_client_that_says_close_is_not_waited_for(void **state)
{
    (void)state;
    static rig r;
    setup_ending(&r, NULL);
    say(&r, LAST);
    drive(&r);
    assert_int_equal(count(&r, "200 OK"), 1);
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    assert_false(r.pier.fin_sent || r.pier.reset_sent);
    teardown(&r);
}

static void what_comes_behind_the_last_request_is_waited_out(void **state)
{
    (void)state;
    static rig r;
    setup_ending(&r, NULL);
    say(&r, LAST "\r\n");
    drive(&r);
    assert_int_equal(count(&r, "200 OK"), 1);
    assert_false(r.closed);
    assert_true(r.pier.fin_sent);
    teardown(&r);
}

static void a_client_that_did_not_say_close_is_waited_for(void **state)
{
    (void)state;
    static rig r;
    setup_ending(&r, NULL);
    r.close = true;
    say(&r, GET);
    drive(&r);
    assert_int_equal(count(&r, "Connection: close"), 1);
    assert_false(r.closed);
    assert_true(r.pier.fin_sent);
    teardown(&r);
}

static void an_idle_connection_lends_its_core_to_others(void **state)
{
    (void)state;
    static rig r;
    hf_web_spares spares = { 0 };
    hf_web_options options = { .spares = &spares };
    setup_ending(&r, &options);
    drive(&r);
    assert_int_equal(spares.count, 0); /* nobody said a word: there is none yet */
    say(&r, GET);
    drive(&r);
    assert_int_equal(spares.count, 1);
    say(&r, "GET / HTTP/1.1\r\nHo");
    drive(&r);
    assert_int_equal(spares.count, 0);
    say(&r, "st: a\r\n\r\n");
    drive(&r);
    assert_int_equal(spares.count, 1);
    assert_int_equal(count(&r, "200 OK"), 2);
    pass(&r, (int64_t)r.world.limits.idle_ns - 1);
    assert_false(r.closed || r.pier.fin_sent);
    pass(&r, 1); /* who sleeps is still timed */
    assert_true(r.pier.fin_sent);
    hf_web_free(r.web);
    r.web = NULL;
    hf_web_spares_free(&spares);
    teardown(&r);
}

/* ---- requests and answers ----------------------------------------------------------------------------------- */

static void a_request_is_answered_in_one_put(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_TEXT);
    drive(&r);
    assert_int_equal(r.pier.puts, 0);
    say(&r, GET);
    drive(&r);
    assert_string_equal(r.log, "request 1;end 1;");
    assert_int_equal(r.pier.puts, 1);
    assert_int_equal(count(&r, "HTTP/1.1 200 OK\r\n"), 1);
    assert_memory_equal(r.pier.out + r.pier.out_length - 9, "\r\n\r\nabcde", 9);
    assert_int_equal(hf_web_bytes_sent(r.web), r.pier.out_length);
    assert_true(hf_web_is_idle(r.web));
    assert_int_equal(r.pier.refusals, 0);
    teardown(&r);
}

static void sixteen_pipelined_requests_leave_in_one_put(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_TEXT);
    for (int i = 0; i < 16; i++)
        say(&r, GET);
    drive(&r);
    assert_int_equal(r.requests, 16);
    assert_int_equal(count(&r, "200 OK"), 16);
    assert_int_equal(r.pier.puts, 1);
    teardown(&r);
}

static void more_answers_than_the_core_holds_all_leave(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_TEXT);
    r.body_bytes = 3000;
    for (int i = 0; i < 150; i++)
        say(&r, GET);
    drive(&r);
    assert_int_equal(r.requests, 150);
    assert_int_equal(count(&r, "200 OK"), 150);
    assert_int_equal(r.last, HF_IDLE);
    teardown(&r);
}

static void a_body_larger_than_the_core_holds_leaves_by_and_by(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_TEXT);
    r.body_bytes = sizeof filler;
    say(&r, GET GET);
    drive(&r);
    assert_int_equal(count(&r, "200 OK"), 2);
    assert_int_equal(r.requests, 2);
    assert_memory_equal(r.pier.out + r.pier.out_length - sizeof filler, filler, sizeof filler);
    assert_true(r.writable >= 2 * (sizeof filler / r.world.limits.output_bytes));
    assert_true(r.world.memory.most < 4 * r.world.limits.output_bytes); /* limit output_bytes */
    teardown(&r);
}

static void what_is_lent_is_given_back_only_when_it_has_left(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LENT);
    r.body_bytes = 100000;
    r.pier.room = 1000;
    say(&r, GET);
    drive(&r);
    assert_int_equal(r.pier.out_length, 1000);
    assert_int_equal(r.sent, 0);
    assert_true(hf_web_unsent(r.web) > 99000);
    say(&r, GET); /* it waits its turn */
    fake_pier_open(&r.pier, 50000);
    drive(&r);
    assert_int_equal(r.sent, 0);
    fake_pier_open(&r.pier, UINT64_MAX);
    drive(&r);
    drive(&r);
    assert_string_equal(r.log, "request 1;end 1;request 2;end 2;sent 1;sent 2;");
    assert_int_equal(count(&r, "200 OK"), 2);
    assert_memory_equal(r.pier.out + r.pier.out_length - 100000, filler, 100000);
    teardown(&r);
}

static void an_answer_to_head_gives_back_what_it_was_lent(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LENT);
    say(&r, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    drive(&r);
    assert_string_equal(r.log, "request 1;end 1;sent 1;");
    assert_int_equal(count(&r, "Content-Length: 5\r\n"), 1);
    assert_memory_equal(r.pier.out + r.pier.out_length - 4, "\r\n\r\n", 4);
    teardown(&r);
}

static void an_answer_may_come_later(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LATER);
    say(&r, GET "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    drive(&r);
    assert_int_equal(r.requests, 1); /* one at a time */
    assert_int_equal(r.pier.puts, 0);
    assert_false(hf_web_is_idle(r.web));
    pass(&r, HF_SECONDS(500)); /* and as late as it likes */
    assert_false(r.closed);
    answer(&r);
    drive(&r);
    assert_int_equal(count(&r, "200 OK"), 1);
    assert_int_equal(r.requests, 2);
    answer(&r);
    drive(&r);
    assert_int_equal(count(&r, "200 OK"), 2);
    assert_true(hf_web_is_idle(r.web));
    teardown(&r);
}

static void a_body_waits_until_it_is_taken(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_STUCK);
    say(&r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    drive(&r);
    assert_int_equal(r.body_seen, 5);
    say(&r, "56789");
    drive(&r);
    assert_int_equal(r.body_seen, 5); /* nothing was taken: nothing comes */
    hf_web_take(r.web, r.newest, 2);
    drive(&r);
    assert_int_equal(r.body_seen, 5 + 8);
    hf_web_take(r.web, r.newest, 8);
    drive(&r);
    assert_string_equal(r.log, "request 1;end 1;");
    answer(&r);
    drive(&r);
    assert_int_equal(count(&r, "200 OK"), 1);
    teardown(&r);
}

static void any_slicing_gives_the_same(void **state)
{
    (void)state;
    static const char script[] = GET "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
                                 "PUT /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n" GET
                                 "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" GET;
    static rig whole;
    setup(&whole, APP_TEXT);
    whole.pier.fin = true;
    say(&whole, script);
    drive(&whole);
    assert_true(whole.closed);
    assert_string_equal(whole.log, "request 1;end 1;request 2;end 2;request 3;trailers 1;end 3;request 4;end 4;refused 5;");
    for (size_t slice = 1; slice < sizeof script; slice += slice < 40 ? 1 : 37) {
        static rig r;
        setup(&r, APP_TEXT);
        r.pier.fin = true;
        r.pier.slice = slice;
        say(&r, script);
        drive(&r);
        assert_true(r.closed);
        assert_string_equal(r.log, whole.log);
        assert_int_equal(r.body_seen, whole.body_seen);
        assert_int_equal(r.why, whole.why);
        assert_int_equal(r.pier.out_length, whole.pier.out_length);
        assert_memory_equal(r.pier.out, whole.pier.out, whole.pier.out_length);
        teardown(&r);
    }
    teardown(&whole);
}

static void a_window_of_any_size_gives_the_same(void **state)
{
    (void)state;
    for (uint64_t window = 1; window < 5000; window = window * 3 + 1) {
        static rig r;
        setup(&r, APP_LENT);
        r.body_bytes = 700;
        r.pier.room = 0;
        for (int i = 0; i < 5; i++)
            say(&r, GET);
        for (size_t i = 0; i < 10000 && r.sent < 5; i++) {
            drive(&r);
            fake_pier_open(&r.pier, window);
            r.now.ns += 1000;
        }
        assert_int_equal(r.sent, 5);
        assert_int_equal(count(&r, "200 OK"), 5);
        assert_memory_equal(r.pier.out + r.pier.out_length - 700, filler, 700);
        teardown(&r);
    }
}

/* ---- refusals ----------------------------------------------------------------------------------------------- */

static void a_refused_head_is_an_exchange_of_its_own(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LENT);
    r.pier.room = 20; /* the first answer is still leaving */
    say(&r, GET "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    drive(&r);
    assert_string_equal(r.log, "request 1;end 1;refused 2;");
    fake_pier_open(&r.pier, UINT64_MAX);
    drive(&r);
    assert_int_equal(count(&r, "HTTP/1.1 200 OK"), 1);
    assert_int_equal(count(&r, " 400 Bad Request"), 1);
    assert_true(r.pier.fin_sent);
    teardown(&r);
}

static void a_refused_body_is_about_the_request_that_is_open(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_TEXT);
    say(&r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
    drive(&r);
    assert_string_equal(r.log, "request 1;refused 1;");
    assert_int_equal(count(&r, "400 Bad Request"), 1);
    assert_true(r.pier.fin_sent);
    r.pier.fin = true;
    drive(&r);
    assert_int_equal(r.why, HF_ERR_HTTP1_CHUNK_SIZE);
    teardown(&r);
}

/* ---- closing ------------------------------------------------------------------------------------------------ */

static void a_close_lingers_until_the_peer_has_ended(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_TEXT);
    r.close = true;
    say(&r, GET "GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    drive(&r);
    assert_int_equal(r.requests, 1);
    assert_int_equal(count(&r, "Connection: close\r\n"), 1);
    assert_true(r.pier.fin_sent);
    assert_false(r.closed);
    say(&r, "what nobody wants");
    drive(&r);
    assert_false(r.closed);
    assert_int_equal(fake_pier_unread(&r.pier), 0); /* read, so that no reset cuts the answer */
    r.pier.fin = true;
    drive(&r);
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    assert_int_equal(r.last, HF_CLOSED);
    drive(&r);
    assert_int_equal(r.last, HF_CLOSED);
    teardown(&r);
}

static void a_close_reads_on_although_the_pier_was_full(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LATER);
    r.pier.most_held = 300;
    r.close = true;
    say(&r, GET);
    for (int i = 0; i < 200; i++)
        say(&r, "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
    drive(&r);
    assert_true(fake_pier_unread(&r.pier) > 5000);
    answer(&r);
    r.pier.fin = true;
    drive(&r);
    assert_int_equal(r.requests, 1);
    assert_int_equal(fake_pier_unread(&r.pier), 0);
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    teardown(&r);
}

static void limit_linger_ns(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_TEXT);
    r.close = true;
    r.world.limits.linger_ns = (uint64_t)HF_SECONDS(7);
    say(&r, GET);
    drive(&r);
    assert_int_equal(hf_web_wake(r.web).ns, r.now.ns + HF_SECONDS(7));
    pass(&r, HF_SECONDS(7) - 1);
    assert_false(r.closed);
    pass(&r, 1);
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    hf_err limits[HF_WEB_LIMITS];
    assert_int_equal(hf_web_limits(r.web, limits), 1);
    assert_int_equal(limits[0].code, HF_ERR_IO_LINGER);
    teardown(&r);
}

static void who_asks_when_no_memory_is_left_is_told(void **state)
{
    (void)state;
    static rig r;
    static const hf_web_options options = { .no_memory = HF_LITERAL("HTTP/1.1 503 Service Unavailable\r\n\r\n") };
    setup(&r, APP_TEXT);
    hf_web_free(r.web);
    fake_pier_fini(&r.pier);
    fake_pier_init(&r.pier);
    r.pier.room = UINT64_MAX;
    r.web = hf_web_new(&r.world.env, 1, fake_pier_get(&r.pier), &options, r.now);
    assert_non_null(r.web);
    say(&r, GET);
    r.world.memory.fail_at = r.world.memory.calls + 1;
    r.world.memory.fail_on = true;
    drive(&r);
    assert_int_equal(count(&r, "503 Service Unavailable"), 1);
    assert_true(r.pier.fin_sent);
    r.world.memory.fail_at = 0;
    r.pier.fin = true;
    drive(&r);
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_BASE_MEMORY);
    teardown(&r);
}

static void the_last_request_of_a_connection_is_told_of(void **state)
{
    (void)state;
    static rig r;
    hf_err limits[HF_WEB_LIMITS];
    for (int more = 0; more < 2; more++) {
        setup(&r, APP_TEXT);
        r.world.limits.requests_per_connection = 2 + (unsigned)more;
        say(&r, GET GET);
        drive(&r);
        assert_int_equal(count(&r, "200 OK"), 2);
        assert_int_equal(r.pier.fin_sent, more == 0);
        r.pier.fin = true; /* and the client closes in time */
        drive(&r);
        assert_true(r.closed);
        assert_int_equal(hf_web_limits(r.web, limits), more == 0);
        if (more == 0)
            assert_int_equal(limits[0].code, HF_ERR_HTTP_REQUESTS);
        teardown(&r);
    }
}

static void a_peer_that_ended_is_still_answered(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LATER);
    r.pier.fin = true;
    say(&r, GET);
    drive(&r);
    assert_false(r.closed);
    answer(&r);
    drive(&r);
    assert_int_equal(count(&r, "200 OK"), 1);
    assert_true(r.pier.fin_sent);
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    teardown(&r);
}

static void a_reset_by_the_peer_closes_and_says_why(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LATER);
    say(&r, GET);
    drive(&r);
    r.pier.reset = true;
    drive(&r);
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_IO_RESET);
    teardown(&r);
}

static void an_abort_resets_at_once(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LATER);
    say(&r, GET);
    drive(&r);
    hf_web_abort(r.web, hf_err_make(HF_ERR_HTTP_HANDLER));
    drive(&r);
    assert_true(r.pier.reset_sent);
    assert_int_equal(r.pier.out_length, 0);
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_HTTP_HANDLER);
    teardown(&r);
}

static void a_drain_closes_the_idle_at_once(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_TEXT);
    say(&r, GET);
    drive(&r);
    hf_web_drain(r.web);
    drive(&r);
    assert_true(r.pier.fin_sent);
    r.pier.fin = true;
    drive(&r);
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    teardown(&r);
}

static void a_drain_lets_the_answer_under_way_be_the_last(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LATER);
    say(&r, GET GET);
    drive(&r);
    hf_web_drain(r.web);
    drive(&r);
    assert_false(r.pier.fin_sent);
    answer(&r);
    drive(&r);
    assert_int_equal(r.requests, 1);
    assert_int_equal(count(&r, "Connection: close\r\n"), 1);
    assert_true(r.pier.fin_sent);
    teardown(&r);
}

static void limit_idle_ns_closes_without_a_word(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_TEXT);
    say(&r, GET);
    drive(&r);
    const size_t said = r.pier.out_length;
    pass(&r, (int64_t)r.world.limits.idle_ns - 1);
    assert_false(r.pier.fin_sent);
    pass(&r, 1);
    assert_true(r.pier.fin_sent);
    assert_int_equal(r.pier.out_length, said);
    teardown(&r);
}

/* ---- slow readers ------------------------------------------------------------------------------------------- */

static void limit_send_idle_ns(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LENT);
    const int64_t patience = (int64_t)r.world.limits.send_idle_ns;
    r.world.limits.send_rate = 0;
    r.body_bytes = 100000;
    r.pier.room = 10;
    say(&r, GET);
    drive(&r);
    pass(&r, patience - 1);
    assert_false(r.closed);
    fake_pier_open(&r.pier, 1); /* one byte is a sign of life */
    drive(&r);
    assert_true(hf_web_wake(r.web).ns <= r.now.ns + patience); /* it looks now and then */
    pass(&r, patience - 1);
    assert_false(r.closed);
    pass(&r, 1);
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_IO_SEND_TIMEOUT);
    assert_int_equal(r.sent, 0);
    teardown(&r);
}

static void limit_send_rate(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LENT);
    r.world.limits.send_rate = 100;
    r.body_bytes = 100000;
    r.pier.room = 0;
    say(&r, GET);
    drive(&r);
    /* 100 bytes a second is enough, for ever */
    for (int i = 0; i < 600 && !r.closed; i++) {
        fake_pier_open(&r.pier, 100);
        pass(&r, HF_SECONDS(1));
    }
    assert_false(r.closed);
    /* 50 a second is not: the ten seconds of grace are used up after twenty */
    int seconds = 0;
    for (; seconds < 600 && !r.closed; seconds++) {
        fake_pier_open(&r.pier, 50);
        pass(&r, HF_SECONDS(1));
    }
    assert_true(r.closed);
    assert_in_range(seconds, 18, 22);
    assert_int_equal(r.why, HF_ERR_IO_SEND_RATE);
    teardown(&r);
}

/* The system takes each answer at once; the peer takes eighty bytes a second of what the system holds. */
static void a_reader_who_is_slow_behind_the_systems_buffer_is_cut_too(void **state)
{
    (void)state;
    static rig r;
    setup_with(&r, APP_LENT, true);
    r.body_bytes = 100000;
    say(&r, GET);
    r.pier.buffered = 100000;
    drive(&r);
    assert_int_equal(hf_web_unsent(r.web), 100000);
    int seconds = 0;
    for (; seconds < 600 && !r.closed; seconds++) {
        r.pier.buffered -= 80;
        pass(&r, HF_SECONDS(1));
    }
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_IO_SEND_RATE);
    assert_in_range(seconds, 25, 29); /* the first ten seconds are not counted: 10 + 80 t / 128 = t */
    teardown(&r);
}

/* Nothing waits in the pier between two pieces of an answer, but the peer owes all the while. */
static void the_rate_goes_on_from_the_first_byte_when_the_pier_is_empty_for_a_moment(void **state)
{
    (void)state;
    static rig r;
    setup_with(&r, APP_LENT, true);
    r.body_bytes = 20000;
    int seconds = 0;
    r.pier.buffered = 81;
    for (; seconds < 600 && !r.closed; seconds++) {
        if (seconds % 10 == 0) { /* all of it leaves at once, and lies in the system */
            const uint64_t before = hf_web_bytes_sent(r.web);
            say(&r, GET);
            drive(&r);
            r.pier.buffered += hf_web_bytes_sent(r.web) - before;
        }
        r.pier.buffered -= 80;
        pass(&r, HF_SECONDS(1));
    }
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_IO_SEND_RATE);
    assert_in_range(seconds, 20, 29);
    teardown(&r);
}

/* Who takes all that there is owes nothing, however long the next piece keeps him waiting. */
static void a_reader_who_has_taken_all_is_not_watched(void **state)
{
    (void)state;
    static rig r;
    setup_with(&r, APP_LENT, true);
    r.body_bytes = 20000;
    for (int i = 0; i < 20; i++) {
        say(&r, GET);
        r.pier.buffered = 5000;
        drive(&r);
        r.pier.buffered = 0;
        pass(&r, HF_SECONDS(9));
        assert_false(r.closed);
    }
    teardown(&r);
}

static void a_new_answer_gets_new_patience(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LENT);
    r.body_bytes = 2000;
    for (int i = 0; i < 10; i++) {
        r.pier.room = 0;
        say(&r, GET);
        drive(&r);
        pass(&r, HF_SECONDS(9));
        assert_false(r.closed);
        fake_pier_open(&r.pier, UINT64_MAX);
        drive(&r);
        assert_int_equal(r.sent, i + 1);
        pass(&r, HF_SECONDS(20)); /* the peer thinks */
        assert_false(r.closed);
    }
    teardown(&r);
}

static void a_slow_reader_is_cut_while_closing_too(void **state)
{
    (void)state;
    static rig r;
    setup(&r, APP_LENT);
    r.close = true;
    r.body_bytes = 100000;
    r.pier.room = 10;
    say(&r, GET);
    drive(&r);
    assert_false(r.pier.fin_sent);
    pass(&r, (int64_t)r.world.limits.send_idle_ns);
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_IO_SEND_TIMEOUT);
    teardown(&r);
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

static void any_allocation_may_fail(void **state)
{
    (void)state;
    bool failed = true;
    for (size_t n = 1; failed; n++)
        for (int lent_answers = 0; lent_answers < 2; lent_answers++) {
            static rig r;
            memset(&r, 0, sizeof r);
            setup(&r, lent_answers ? APP_LENT : APP_TEXT);
            hf_web_free(r.web);
            fake_pier_fini(&r.pier);
            fake_pier_init(&r.pier);
            r.world.memory.fail_at = r.world.memory.calls + n;
            const size_t last = r.world.memory.fail_at;
            begin(&r);
            if (r.web != NULL) {
                r.body_bytes = 20000;
                r.pier.room = 30000;
                r.pier.slice = 100;
                say(&r, GET "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" GET
                        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
                drive(&r);
                fake_pier_open(&r.pier, UINT64_MAX);
                drive(&r);
                r.pier.fin = true;
                drive(&r);
                assert_true(r.closed || r.pier.fin_sent);
            } else {
                assert_true(r.pier.freed);
            }
            failed = r.world.memory.calls >= last;
            teardown(&r);
            assert_true(failed || n > 4);
        }
}

static const struct CMUnitTest web_tests[] = {
    cmocka_unit_test(a_client_that_says_close_is_not_waited_for),
    cmocka_unit_test(what_comes_behind_the_last_request_is_waited_out),
    cmocka_unit_test(a_client_that_did_not_say_close_is_waited_for),
    cmocka_unit_test(an_idle_connection_lends_its_core_to_others),
    cmocka_unit_test(a_request_is_answered_in_one_put),
    cmocka_unit_test(sixteen_pipelined_requests_leave_in_one_put),
    cmocka_unit_test(more_answers_than_the_core_holds_all_leave),
    cmocka_unit_test(a_body_larger_than_the_core_holds_leaves_by_and_by),
    cmocka_unit_test(what_is_lent_is_given_back_only_when_it_has_left),
    cmocka_unit_test(an_answer_to_head_gives_back_what_it_was_lent),
    cmocka_unit_test(an_answer_may_come_later),
    cmocka_unit_test(a_body_waits_until_it_is_taken),
    cmocka_unit_test(any_slicing_gives_the_same),
    cmocka_unit_test(a_window_of_any_size_gives_the_same),
    cmocka_unit_test(a_refused_head_is_an_exchange_of_its_own),
    cmocka_unit_test(a_refused_body_is_about_the_request_that_is_open),
    cmocka_unit_test(a_close_lingers_until_the_peer_has_ended),
    cmocka_unit_test(a_close_reads_on_although_the_pier_was_full),
    cmocka_unit_test(limit_linger_ns),
    cmocka_unit_test(the_last_request_of_a_connection_is_told_of),
    cmocka_unit_test(who_asks_when_no_memory_is_left_is_told),
    cmocka_unit_test(a_peer_that_ended_is_still_answered),
    cmocka_unit_test(a_reset_by_the_peer_closes_and_says_why),
    cmocka_unit_test(an_abort_resets_at_once),
    cmocka_unit_test(a_drain_closes_the_idle_at_once),
    cmocka_unit_test(a_drain_lets_the_answer_under_way_be_the_last),
    cmocka_unit_test(limit_idle_ns_closes_without_a_word),
    cmocka_unit_test(limit_send_idle_ns),
    cmocka_unit_test(limit_send_rate),
    cmocka_unit_test(a_reader_who_is_slow_behind_the_systems_buffer_is_cut_too),
    cmocka_unit_test(the_rate_goes_on_from_the_first_byte_when_the_pier_is_empty_for_a_moment),
    cmocka_unit_test(a_reader_who_has_taken_all_is_not_watched),
    cmocka_unit_test(a_new_answer_gets_new_patience),
    cmocka_unit_test(a_slow_reader_is_cut_while_closing_too),
    cmocka_unit_test(any_allocation_may_fail),
};

int main(void)
{
    return cmocka_run_group_tests(web_tests, NULL, NULL);
}
