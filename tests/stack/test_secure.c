/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS and HTTP/2 on the connections of a server.
 */
#include "secure_rig.h"

#include "tls_pier.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static uint64_t sum_of(const uint8_t *p, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + p[i];
    return sum;
}

static size_t count_of(const rig *r, const char *what)
{
    size_t n = 0;
    const uint8_t *at = r->text, *const end = r->text + r->text_length;
    for (; (at = memmem(at, (size_t)(end - at), what, strlen(what))) != NULL; at += strlen(what))
        n++;
    return n;
}

/* ---- what is chosen ----------------------------------------------------------------------------------------- */

static void http1_over_tls_answers_and_says_what_it_is(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H1_TLS);
    say(&r, GET("/text"));
    run(&r);
    assert_true(r.opened);
    assert_int_equal(count_of(&r, "HTTP/1.1 200"), 1);
    assert_int_equal(count_of(&r, "hello"), 1);
    assert_int_equal(hf_web_version(r.web), HF_HTTP_1_1);
    hf_web_security s;
    assert_true(hf_web_security_of(r.web, &s));
    assert_int_equal(s.version, HF_TLS_1_3);
    assert_string_equal(s.group, "x25519");
    assert_true(hf_bytes_equal(s.host, hf_text("localhost")));
    assert_true(hf_bytes_equal(s.protocol, hf_text("http/1.1")));
    assert_string_equal(s.suite, hf_tls_suite(r.tls));
    assert_false(s.resumed);
    /* nothing of it crossed the wire in the clear */
    assert_null(memmem(r.pier.out, r.pier.out_length, "hello", 5));
    teardown(&r);
}

static void a_session_is_resumed_and_said_to_be(void **state)
{
    (void)state;
    static rig r;
    setup_world(&r, H1_TLS);
    memset(&r.ticket, 7, sizeof r.ticket);
    r.config.ticket_keys = &r.ticket;
    r.config.ticket_key_count = 1;
    make_server(&r);
    make_client(&r, H1_TLS);
    say(&r, GET("/text"));
    run(&r);
    assert_true(r.session_length > 0);
    hf_web_free(r.web);
    hf_tls_free(r.tls);
    fake_pier_fini(&r.pier);
    fake_pier_init(&r.pier);
    r.read = r.in_length = r.count = r.joined_length = 0;
    r.tls_open = false;
    r.resume = true;
    make_server(&r);
    make_client(&r, H1_TLS);
    say(&r, GET("/text"));
    run(&r);
    hf_web_security s;
    assert_true(hf_web_security_of(r.web, &s));
    assert_true(s.resumed);
    assert_int_equal(count_of(&r, "hello"), 2);
    teardown(&r);
}

static void http2_is_chosen_by_alpn(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H2_TLS);
    ask(&r, "/text", 0);
    run(&r);
    assert_int_equal(hf_web_version(r.web), HF_HTTP_2);
    assert_int_equal(r.asked[0].status, 200);
    assert_int_equal(r.asked[0].body, 5);
    assert_true(r.asked[0].ended);
    teardown(&r);
}

static void http2_is_chosen_by_prior_knowledge(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H2_PLAIN);
    ask(&r, "/text", 0);
    run(&r);
    assert_int_equal(hf_web_version(r.web), HF_HTTP_2);
    assert_int_equal(r.asked[0].body, 5);
    hf_web_security s;
    assert_false(hf_web_security_of(r.web, &s));
    teardown(&r);
}

static void prior_knowledge_can_be_forbidden(void **state)
{
    (void)state;
    static rig r;
    setup_world(&r, H1_PLAIN);
    r.options.no_prior_knowledge = true;
    make_server(&r);
    say(&r, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    run(&r);
    assert_int_equal(hf_web_version(r.web), HF_HTTP_1_1);
    assert_int_equal(count_of(&r, "HTTP/1.1 505"), 1);
    assert_int_equal(r.served[0].why, HF_ERR_HTTP1_HTTP2_PREFACE);
    teardown(&r);
}

static void what_only_begins_like_the_preface_is_http1(void **state)
{
    (void)state;
    static const char *const texts[] = { "PRI /text HTTP/1.1\r\nHost: a\r\n\r\n", "PRIVATE / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/1.1\r\nHost: a\r\n\r\n" };
    for (size_t i = 0; i < HF_COUNT(texts); i++) {
        static rig r;
        setup_world(&r, H1_PLAIN);
        r.pier.slice = 1;
        make_server(&r);
        say(&r, texts[i]);
        run(&r);
        assert_int_equal(hf_web_version(r.web), HF_HTTP_1_1);
        assert_int_equal(r.count, 1);
        teardown(&r);
    }
}

static void a_preface_that_never_ends_is_timed_out(void **state)
{
    (void)state;
    static rig r;
    setup_world(&r, H1_PLAIN);
    make_server(&r);
    say(&r, "PRI * HTTP/2");
    run(&r);
    assert_false(r.closed);
    r.now = hf_time_after(r.now, (int64_t)r.world.limits.head_ns);
    run(&r);
    assert_int_equal(count_of(&r, "HTTP/1.1 408"), 1);
    teardown(&r);
}

/* ---- many at once ------------------------------------------------------------------------------------------- */

static void exchanges_interleave_and_a_reset_leaves_the_others(void **state)
{
    (void)state;
    for (speaks how = H2_TLS; how <= H2_PLAIN; how += H2_PLAIN - H2_TLS) {
        static rig r;
        setup(&r, how);
        asked *late = ask(&r, "/late", 0), *gone = ask(&r, "/late", 0), *text = ask(&r, "/text", 0), *file = ask(&r, "/file", 0),
              *big = ask(&r, "/lent", 0), *post = ask(&r, "/text", 50000);
        run(&r);
        assert_true(text->ended && file->ended && big->ended && post->ended);
        assert_int_equal(served_at(&r, "/text")->body_seen, 50000);
        assert_true(text->order < file->order && text->order < big->order);
        assert_int_equal(file->body, FILE_BYTES);
        assert_int_equal(big->sum, sum_of(lent, LENT_BYTES));
        assert_true(served_at(&r, "/lent")->sent && served_at(&r, "/file")->sent);
        assert_false(late->ended || gone->ended);
        assert_int_equal(hf_http2_end(r.http2, gone->stream, (hf_ending){ HF_ENDING_RESET, HF_HTTP2_CANCEL }, (hf_fields){ 0 }).code, 0);
        run(&r);
        served *const lost = served_of(&r, gone->stream);
        assert_true(lost->reset && lost->sent); /* a SENT says that nothing of it is read any more */
        assert_int_equal(lost->why, HF_ERR_HTTP2_PEER_RESET);
        /* a command for it is refused, not a crash */
        const hf_response_head head = { .status = 200 };
        hf_err err = HF_OK;
        assert_int_equal(hf_web_respond(r.web, lost->x, &head).code, HF_ERR_HTTP2_NO_STREAM);
        assert_int_equal(hf_web_put(r.web, lost->x, &(hf_extent){ .bytes = hf_text("x") }, 1, &err), 0);
        assert_int_equal(err.code, HF_ERR_HTTP2_NO_STREAM);
        assert_int_equal(hf_web_end(r.web, lost->x, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code, HF_ERR_HTTP2_NO_STREAM);
        answer(&r, served_of(&r, late->stream), 200);
        run(&r);
        assert_true(late->ended);
        assert_int_equal(late->body, 5);
        teardown(&r);
    }
}

static void an_exchange_that_we_give_up_is_reset_alone(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H2_TLS);
    asked *a = ask(&r, "/late", 0), *b = ask(&r, "/late", 0);
    run(&r);
    served *const cut = served_of(&r, a->stream);
    cut->ended = true;
    hf_web_cancel(r.web, cut->x, hf_err_make(HF_ERR_HTTP_HANDLER));
    answer(&r, served_of(&r, b->stream), 200);
    run(&r);
    assert_true(a->reset && !a->ended);
    assert_true(cut->sent && !cut->reset); /* SENT, and no RESET: we know */
    assert_true(b->ended);
    assert_false(r.closed);
    teardown(&r);
}

/* The pier is full of what was lent when the stream ends: SENT waits until it reads no more of it. */
static void what_was_lent_is_kept_until_the_pier_has_let_go_of_it(void **state)
{
    (void)state;
    for (speaks how = H2_TLS; how <= H2_PLAIN; how += H2_PLAIN - H2_TLS) {
        static rig r;
        setup(&r, how);
        asked *a = ask(&r, "/lent", 0);
        client(&r);
        r.pier.room = 1000;
        drive(&r);
        served *const s = served_at(&r, "/lent");
        assert_true(s->answered && !s->sent);
        assert_true(hf_web_unsent(r.web) > 0);
        assert_int_equal(hf_http2_end(r.http2, a->stream, (hf_ending){ HF_ENDING_RESET, HF_HTTP2_CANCEL }, (hf_fields){ 0 }).code, 0);
        client(&r);
        drive(&r);
        assert_true(s->reset || s->ended);
        assert_false(s->sent);
        fake_pier_open(&r.pier, UINT64_MAX);
        run(&r);
        assert_true(s->sent);
        assert_false(r.closed);
        teardown(&r);
    }
}

/* The first of two pieces leaves: its token says nothing about the second, once the stream is reset. */
static void a_reset_waits_for_the_last_of_many_pieces(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H2_PLAIN);
    asked *a = ask(&r, "/late", 0);
    run(&r);
    served *const s = &r.served[0];
    hf_err err = HF_OK;
    assert_int_equal(hf_web_respond(r.web, s->x, &(hf_response_head){ .status = 200, .content_length = HF_LENGTH_UNKNOWN }).code, 0);
    const hf_extent two[] = { { .kind = HF_EXTENT_LENT, .token = s->x, .bytes = hf_bytes_make(lent, 5000) },
        { .kind = HF_EXTENT_LENT, .token = s->x, .bytes = hf_bytes_make(lent, 5000) } };
    assert_int_equal(hf_web_put(r.web, s->x, two, 2, &err), 10000);
    r.pier.room = 1000;
    drive(&r);
    assert_int_equal(hf_http2_end(r.http2, a->stream, (hf_ending){ HF_ENDING_RESET, HF_HTTP2_CANCEL }, (hf_fields){ 0 }).code, 0);
    client(&r);
    drive(&r);
    assert_true(s->reset && !s->sent);
    fake_pier_open(&r.pier, 6000);
    drive(&r);
    assert_false(s->sent);
    fake_pier_open(&r.pier, UINT64_MAX);
    run(&r);
    assert_true(s->sent);
    teardown(&r);
}

static void answers_to_a_batch_leave_in_one_put(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H2_TLS);
    for (int i = 0; i < 32; i++)
        ask(&r, "/text", 0);
    client(&r);
    const size_t puts = r.pier.puts, before = r.pier.out_length;
    drive(&r);
    assert_int_equal(r.pier.puts, puts + 1);
    /* and in one record: its header says how long it is */
    const uint8_t *const record = r.pier.out + before;
    assert_int_equal(record[0], 23);
    assert_int_equal(5 + ((size_t)record[3] << 8 | record[4]), r.pier.out_length - before);
    run(&r);
    for (int i = 0; i < 32; i++)
        assert_true(r.asked[i].ended);
    teardown(&r);
}

static void early_hints_and_priorities_pass_through(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H1_TLS);
    say(&r, GET("/late"));
    run(&r);
    const hf_field link = { .name = hf_text("Link"), .value = hf_text("</a.css>; rel=preload") };
    const hf_response_head hints = { .status = 103, .fields = { &link, 1 }, .content_length = HF_LENGTH_NONE };
    assert_int_equal(hf_web_inform(r.web, r.served[0].x, &hints).code, 0);
    assert_int_equal(hf_web_inform(r.web, r.served[0].x, &(hf_response_head){ .status = 200 }).code, HF_ERR_BASE_USAGE);
    run(&r);
    assert_int_equal(count_of(&r, "HTTP/1.1 103"), 1);
    hf_exchange promised = 0;
    assert_false(hf_web_can_push(r.web));
    assert_int_equal(hf_web_push(r.web, r.served[0].x, &(hf_request_head){ .method = HF_METHOD_GET }, &promised).code, HF_ERR_HTTP2_PUSH);
    answer(&r, &r.served[0], 200);
    run(&r);
    assert_int_equal(count_of(&r, "HTTP/1.1 200"), 1);
    teardown(&r);

    setup(&r, H2_TLS);
    asked *slow = ask(&r, "/late", 0), *quick = ask(&r, "/late", 0);
    run(&r);
    served *const s = &r.served[0], *const q = &r.served[1];
    assert_true(s->x == slow->stream && q->x == quick->stream);
    memcpy(s->path, "/file", 6);
    memcpy(q->path, "/file", 6);
    hf_web_prioritise(r.web, s->x, 6, false);
    hf_web_prioritise(r.web, q->x, 0, false);
    answer(&r, s, 200);
    answer(&r, q, 200);
    run(&r);
    assert_true(quick->order < slow->order);
    teardown(&r);
}

/* ---- slices and memory -------------------------------------------------------------------------------------- */

static void any_slicing_gives_the_same(void **state)
{
    (void)state;
    static const size_t slices[] = { 1, 2, 3, 5, 7, 64, 1000, 16401 };
    for (speaks how = H1_TLS; how <= H2_PLAIN; how++)
        for (size_t i = 0; i < HF_COUNT(slices); i++) {
            static rig r;
            setup_world(&r, how);
            r.pier.slice = slices[i];
            make_server(&r);
            make_client(&r, how);
            if (r.http2 != NULL) {
                ask(&r, "/text", 0);
                ask(&r, "/file", 0);
                ask(&r, "/text", 20000);
                run(&r);
                assert_true(r.asked[0].ended && r.asked[1].ended && r.asked[2].ended);
                assert_int_equal(r.asked[1].body, FILE_BYTES);
                assert_int_equal(served_at(&r, "/text")->body_seen, 20000);
            } else {
                say(&r, "POST /text HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123456789");
                say(&r, "GET /text HTT");
                say(&r, "P/1.1\r\nHost: localhost\r\nX-Long: ");
                for (int j = 0; j < 20; j++) /* a head in many records, longer than one of them */
                    say(&r, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                            "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
                say(&r, "\r\n\r\n" GET("/file"));
                run(&r);
                assert_int_equal(r.served[0].body_seen, 10);
                assert_int_equal(count_of(&r, "HTTP/1.1 200"), 3);
                assert_int_equal(count_of(&r, "hello"), 2);
                assert_memory_equal(r.text + r.text_length - 4, "FFFF", 4);
            }
            teardown(&r);
        }
}

static void any_slicing_of_what_leaves_gives_the_same(void **state)
{
    (void)state;
    for (speaks how = H1_TLS; how <= H2_TLS; how++) {
        static rig r;
        setup(&r, how);
        if (r.http2 != NULL) {
            ask(&r, "/lent", 0);
            ask(&r, "/file", 0);
        } else {
            say(&r, GET("/lent") GET("/file"));
        }
        client(&r);
        r.pier.room = 0;
        for (int i = 0; i < 2000; i++) {
            drive(&r);
            fake_pier_open(&r.pier, 777);
            if (i % 16 == 0)
                client(&r);
        }
        fake_pier_open(&r.pier, UINT64_MAX);
        run(&r);
        if (r.http2 != NULL) {
            assert_int_equal(r.asked[0].sum, sum_of(lent, LENT_BYTES));
            assert_int_equal(r.asked[1].body, FILE_BYTES);
        } else {
            assert_int_equal(count_of(&r, "HTTP/1.1 200"), 2);
            assert_memory_equal(strstr((char *)r.text, "\r\n\r\n") + 4, lent, 100);
        }
        assert_true(served_at(&r, "/lent")->sent && served_at(&r, "/file")->sent);
        teardown(&r);
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (speaks how = H1_TLS; how <= H2_PLAIN; how++)
        for (size_t at = 1, done = 0; !done; at++) {
            static rig r;
            setup_world(&r, how);
            r.world.memory.fail_at = at;
            make_server(&r);
            if (r.web != NULL) {
                make_client(&r, how);
                const bool open = r.plain || r.opened;
                if (open && r.http2 != NULL) {
                    ask(&r, "/text", 100);
                    ask(&r, "/lent", 0);
                    ask(&r, "/late", 0);
                    r.pier.room = 50000;
                    run(&r);
                    if (!r.asked[2].reset)
                        (void)!hf_http2_end(r.http2, r.asked[2].stream, (hf_ending){ HF_ENDING_RESET, HF_HTTP2_CANCEL }, (hf_fields){ 0 }).code;
                    fake_pier_open(&r.pier, UINT64_MAX);
                } else if (open) {
                    say(&r, "POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789" GET("/lent"));
                    r.pier.room = 50000;
                    run(&r);
                    fake_pier_open(&r.pier, UINT64_MAX);
                }
                run(&r);
            }
            done = r.world.memory.calls < at;
            if (done && r.http2 != NULL)
                assert_true(r.asked[1].ended);
            r.world.memory.fail_at = 0;
            teardown(&r); /* asserts that nothing leaked */
            assert_true(at < 5000);
        }
}

static void an_idle_connection_holds_little(void **state)
{
    (void)state;
    for (speaks how = H1_TLS; how <= H2_TLS; how++) {
        static rig r;
        setup(&r, how);
        if (r.http2 != NULL)
            ask(&r, "/file", 0);
        else
            say(&r, GET("/file"));
        run(&r);
        for (int i = 0; i < 5; i++) {
            r.now = hf_time_after(r.now, HF_SECONDS(1));
            drive(&r);
        }
        print_message("# %s over TLS, idle: %zu bytes in %zu blocks\n", how == H1_TLS ? "HTTP/1" : "HTTP/2", r.world.memory.held, r.world.memory.blocks);
        assert_true(r.world.memory.held <= (how == H1_TLS ? 2048 : 6144)); /* HPACK's tables are what HTTP/2 keeps */
        assert_false(r.closed);
        teardown(&r);
    }
}

/* ---- ends --------------------------------------------------------------------------------------------------- */

/* One packet where there were three: the answer, close_notify, FIN. And who said close is not waited for by itself. */
static void the_last_answer_leaves_with_close_notify_and_fin(void **state)
{
    (void)state;
    static const char *const last[] = { "GET /text HTTP/1.0\r\n\r\n", "GET /text HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" };
    for (size_t i = 0; i < HF_COUNT(last); i++) {
        static rig r;
        setup(&r, H1_TLS);
        const size_t puts = r.pier.puts;
        say(&r, last[i]);
        run(&r);
        assert_int_equal(r.pier.puts, puts + 1);
        assert_int_equal(r.pier.lasts, 1);
        assert_int_equal(r.pier.puts_behind, 1);
        assert_true(r.pier.fin_sent);
        assert_true(r.pier.dozes);
        assert_non_null(strstr((const char *)r.text, "hello"));
        assert_true(r.end_told);
        assert_int_equal(r.ended.code, 0);
        assert_false(r.closed);
        r.pier.fin = true;
        drive(&r);
        assert_true(r.closed);
        assert_int_equal(r.why, 0);
        teardown(&r);
    }
}

static void an_answer_with_others_behind_it_is_not_the_last(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H1_TLS);
    say(&r, GET("/text"));
    run(&r);
    assert_int_equal(r.pier.lasts, 0);
    say(&r, "GET /file HTTP/1.0\r\n\r\n"); /* more than leaves in one put */
    run(&r);
    assert_true(r.pier.fin_sent);
    assert_true(r.pier.puts_behind <= 1);
    assert_int_equal(r.ended.code, 0);
    assert_true(r.text_length > FILE_BYTES);
    teardown(&r);
}

static void close_notify_leaves_behind_the_answer_and_before_fin(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H1_TLS);
    say(&r, "GET /lent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client(&r);
    r.pier.room = 5000;
    drive(&r);
    assert_false(r.pier.fin_sent); /* not before what was put has left */
    fake_pier_open(&r.pier, UINT64_MAX);
    run(&r);
    assert_true(r.pier.fin_sent);
    assert_true(r.end_told);
    assert_int_equal(r.ended.code, 0); /* the client saw close_notify */
    assert_true(r.text_length > LENT_BYTES);
    assert_false(r.closed); /* it waits for the peer's */
    r.pier.fin = true;
    run(&r);
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    teardown(&r);
}

/* HTTP/2 cuts a file into frames of 16 KiB, with their headers in between: it is read as if it were whole. */
static void the_frames_of_a_file_are_read_by_the_batch(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H2_TLS);
    r.pier.telling = true;
    asked *const file = ask(&r, "/file", 0), *const text = ask(&r, "/text", 0);
    run(&r);
    assert_true(file->ended && text->ended);
    static uint8_t wanted[FILE_BYTES];
    for (size_t i = 0; i < FILE_BYTES; i++)
        wanted[i] = fake_pier_file_byte(&r.pier, i);
    assert_int_equal(file->body, FILE_BYTES);
    assert_int_equal(file->sum, sum_of(wanted, FILE_BYTES));
    assert_in_range(r.pier.reads, FILE_BYTES / 65536, FILE_BYTES / 32768); /* by frames there would be twenty */
    assert_in_range(r.pier.most_put, 60000, 45 * 1428); /* one super-segment of Ethernet's, over IPv6 with timestamps */
    teardown(&r);
}

static void a_file_that_changes_in_mid_answer_is_cut_and_never_looks_whole(void **state)
{
    (void)state;
    for (speaks how = H1_TLS; how <= H2_TLS; how++) {
        static rig r;
        setup(&r, how);
        r.pier.reads_good = 2;
        if (r.http2 != NULL)
            ask(&r, "/file", 0);
        else
            say(&r, GET("/file"));
        run(&r);
        assert_true(r.closed);
        assert_int_equal(r.why, HF_ERR_IO_FILE_CHANGED);
        assert_true(r.pier.reset_sent && !r.pier.fin_sent);
        assert_false(r.end_told);
        assert_true(r.pier.most_read <= 65536);
        assert_true(r.asks == 0 || !r.asked[0].ended);
        teardown(&r);
    }
}

/* A client that just goes may have been cut off: what it said before is served as far as it is whole, and no further. */
static void a_fin_without_close_notify_ends_the_connection_without_harm(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H1_TLS);
    say(&r, GET("/text") "POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    r.pier.fin = true;
    run(&r);
    assert_true(r.served[0].ended);
    assert_false(r.count > 1 && r.served[1].whole); /* a cut body is not taken for a whole one */
    assert_true(r.pier.fin_sent);
    assert_true(r.closed);
    teardown(&r);

    setup(&r, H1_TLS); /* at rest it is an end like any other */
    say(&r, GET("/text"));
    run(&r);
    r.pier.fin = true;
    run(&r);
    assert_true(r.closed);
    assert_int_equal(r.why, 0);
    teardown(&r);
}

static void a_broken_record_is_told_by_an_alert_before_fin(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H1_TLS);
    client_says(&r, hf_bytes_make("\x17\x03\x03\x00\x20" "01234567890123456789012345678901", 37));
    run(&r);
    assert_true(r.pier.fin_sent && !r.pier.reset_sent);
    assert_int_equal(hf_tls_fault_of(r.tls)->err.code, HF_ERR_TLS_ALERT_BAD_RECORD_MAC);
    assert_int_equal(hf_web_tls_fault(r.web)->err.code, HF_ERR_TLS_RECORD_MAC);
    assert_false(r.closed); /* a reset now could overtake the alert */
    client_says(&r, hf_text("more"));
    r.pier.fin = true;
    run(&r);
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_TLS_RECORD_MAC);
    assert_int_equal(fake_pier_unread(&r.pier), 0);
    teardown(&r);
}

static void a_handshake_that_takes_too_long_is_cut(void **state)
{
    (void)state;
    static rig r;
    setup_world(&r, H1_TLS);
    make_server(&r);
    client_says(&r, hf_bytes_make("\x16\x03\x01", 3));
    drive(&r);
    assert_false(r.closed);
    r.now = hf_web_wake(r.web);
    drive(&r);
    r.now = hf_web_wake(r.web);
    drive(&r);
    assert_true(r.closed);
    assert_int_equal(r.why, HF_ERR_TLS_TIMEOUT);
    teardown(&r);
}

static void drain_lets_a_handshake_and_its_request_go_on(void **state)
{
    (void)state;
    for (speaks how = H1_TLS; how <= H2_TLS; how++) {
        static rig r;
        setup(&r, how);
        if (r.http2 != NULL)
            ask(&r, "/text", 0);
        else
            say(&r, GET("/text"));
        client(&r);
        hf_web_drain(r.web);
        run(&r);
        r.pier.fin = true;
        run(&r);
        assert_true(r.closed);
        assert_int_equal(r.why, 0);
        assert_true(r.end_told && r.ended.code == 0);
        teardown(&r);
    }
}

static void slow_readers_are_cut_with_tls_and_with_http2(void **state)
{
    (void)state;
    for (speaks how = H1_TLS; how <= H2_PLAIN; how++) {
        if (how == H1_PLAIN)
            continue;
        static rig r;
        setup(&r, how);
        r.world.limits.send_rate = 0;
        if (r.http2 != NULL)
            ask(&r, "/file", 0);
        else
            say(&r, GET("/file"));
        client(&r);
        r.pier.room = 3000;
        drive(&r);
        r.now = hf_time_after(r.now, (int64_t)r.world.limits.send_idle_ns - 1);
        drive(&r);
        assert_false(r.closed);
        r.now = hf_time_after(r.now, 1);
        drive(&r);
        assert_true(r.closed);
        assert_int_equal(r.why, HF_ERR_IO_SEND_TIMEOUT);
        assert_true(r.pier.reset_sent);
        teardown(&r);
    }
}

static void a_stream_whose_window_never_opens_is_given_up(void **state)
{
    (void)state;
    static rig r;
    setup(&r, H2_TLS);
    r.no_take = true;
    asked *big = ask(&r, "/file", 0);
    run(&r);
    assert_false(served_at(&r, "/file")->sent);
    for (int i = 0; i < 40 && !r.closed && !big->reset; i++) {
        r.now = hf_time_after(r.now, HF_SECONDS(1));
        run(&r);
    }
    assert_true(r.closed || big->reset);
    teardown(&r);
}

/* ---- the wrong language ------------------------------------------------------------------------------------- */

static void plain_http_on_a_tls_port_is_told_so(void **state)
{
    (void)state;
    for (size_t slice = 0; slice < 3; slice++) {
        static rig r;
        setup_world(&r, H1_TLS);
        r.plain = true; /* the client */
        r.pier.slice = slice;
        make_server(&r);
        say(&r, "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc");
        run(&r);
        assert_int_equal(count_of(&r, "HTTP/1.1 400"), 1);
        assert_int_equal(count_of(&r, "refused"), 1);
        assert_int_equal(r.served[0].why, HF_ERR_TLS_PLAIN_HTTP);
        assert_string_equal(r.served[0].path, "/a");
        assert_int_equal(hf_web_tls_fault(r.web)->err.code, HF_ERR_TLS_PLAIN_HTTP);
        assert_true(r.pier.fin_sent);
        r.pier.fin = true;
        run(&r);
        assert_int_equal(r.why, HF_ERR_TLS_PLAIN_HTTP);
        teardown(&r);
    }
}

static void plain_http_on_a_tls_port_can_be_sent_on(void **state)
{
    (void)state;
    static rig r;
    setup_world(&r, H1_TLS);
    r.plain = true;
    r.options.redirect_plain = true;
    make_server(&r);
    say(&r, GET("/a"));
    run(&r);
    assert_int_equal(count_of(&r, "HTTP/1.1 308"), 1);
    teardown(&r);
}

static void tls_on_a_plain_port_is_known_for_what_it_is(void **state)
{
    (void)state;
    static rig r;
    setup_world(&r, H1_PLAIN);
    make_server(&r);
    hf_tls *const t = hf_tls_client_new(&r.other.env, &r.client_config, 2, r.now, hf_text("localhost"), hf_text(""));
    r.tls = t;
    client_emits(&r);
    drive(&r);
    assert_int_equal(r.served[0].why, HF_ERR_HTTP1_TLS_ON_PLAIN);
    teardown(&r);
}

/* ---- secrets ------------------------------------------------------------------------------------------------ */

static void a_signature_may_come_later_and_may_fail(void **state)
{
    (void)state;
    for (int good = 0; good < 2; good++) {
        static rig r;
        setup_world(&r, H2_TLS);
        r.hold_signature = true;
        make_server(&r);
        make_client(&r, H2_TLS);
        assert_false(r.opened);
        assert_ptr_equal(r.question.identity, &r.identity);
        uint8_t signature[HF_SIGNATURE_MOST];
        size_t n = 0;
        assert_int_equal(hf_key_sign(r.identity.key, r.question.scheme, r.question.message, signature, &n).code, 0);
        hf_web_answer_sign(r.web, hf_err_make(good ? 0 : HF_ERR_TLS_SIGNER), hf_bytes_make(signature, good ? n : 0));
        run(&r);
        assert_int_equal(r.opened, good);
        if (good) {
            ask(&r, "/text", 0);
            run(&r);
            assert_true(r.asked[0].ended);
        } else {
            assert_int_equal(hf_web_tls_fault(r.web)->err.code, HF_ERR_TLS_SIGNER);
        }
        teardown(&r);
    }
}

/* ---- the pier alone ----------------------------------------------------------------------------------------- */

/* Pulls until it is idle; counts the events of each kind. */
static hf_step pull_all(rig *r, hf_pier p, size_t *counts)
{
    hf_pier_event e;
    hf_step s;
    while ((s = p.ops->event(p.self, r->now, &e)) == HF_EVENT)
        counts[e.kind]++;
    return s;
}

static hf_pier open_pier(rig *r, size_t *counts)
{
    setup_world(r, H1_TLS);
    hf_tls_pier *const own = hf_tls_pier_new(&r->world.env, hf_tls_server_new(&r->world.env, &r->config, 1, r->now), fake_pier_get(&r->pier),
                                             r->options.room, r->now);
    const hf_pier p = hf_tls_pier_get(own);
    r->tls = hf_tls_client_new(&r->other.env, &r->client_config, 2, r->now, hf_text("localhost"), hf_text(""));
    for (int i = 0; i < 5; i++) { /* nobody listens to its questions: it signs with the identity's own key */
        client(r);
        (void)pull_all(r, p, counts);
    }
    assert_int_equal(counts[HF_PIER_OPENED], 1);
    return p;
}

static void fin_waits_for_close_notify_and_that_for_what_is_below(void **state)
{
    (void)state;
    static rig r;
    size_t counts[16] = { 0 };
    const hf_pier p = open_pier(&r, counts);
    const hf_extent text = { .kind = HF_EXTENT_LENT, .token = 9, .bytes = hf_bytes_make(lent, 1000) };
    r.pier.room = 100;
    assert_int_equal(p.ops->put(p.self, 0, &text, 1), 1000);
    assert_true(p.ops->unsent(p.self, 0) > 0); /* sealed, and not gone */
    assert_int_equal(p.ops->end(p.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code, 0);
    (void)pull_all(&r, p, counts);
    assert_int_equal(counts[HF_PIER_RELEASED], 1);
    assert_false(r.pier.fin_sent);
    fake_pier_open(&r.pier, UINT64_MAX);
    (void)pull_all(&r, p, counts);
    assert_true(r.pier.fin_sent);
    client(&r);
    assert_int_equal(r.text_length, 1000);
    assert_true(r.end_told);
    assert_int_equal(r.ended.code, 0);
    p.ops->free(p.self);
    teardown(&r);
}

static void what_is_not_taken_is_bounded_and_every_new_byte_is_told(void **state)
{
    (void)state;
    static rig r;
    static char text[80];
    size_t counts[16] = { 0 };
    const hf_pier p = open_pier(&r, counts);
    memset(text, 'x', sizeof text - 1);
    r.world.limits.input_bytes = 100;
    for (int i = 0; i < 5; i++)
        say(&r, text);
    (void)pull_all(&r, p, counts);
    assert_int_equal(p.ops->peek(p.self, 0).len, 2 * 79); /* the limit, and what a record has beyond it */
    size_t told = counts[HF_PIER_READABLE], all = 0;
    for (int i = 0; i < 100 && all < 5 * 79; i++) {
        const size_t n = p.ops->peek(p.self, 0).len, some = n > 70 ? 70 : n;
        p.ops->take(p.self, 0, some);
        all += some;
        (void)pull_all(&r, p, counts);
        const size_t now = p.ops->peek(p.self, 0).len;
        assert_true(now <= n - some || counts[HF_PIER_READABLE] > told); /* more to see: told */
        told = counts[HF_PIER_READABLE];
    }
    assert_int_equal(all, 5 * 79);
    p.ops->free(p.self);
    teardown(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http1_over_tls_answers_and_says_what_it_is),
        cmocka_unit_test(a_session_is_resumed_and_said_to_be),
        cmocka_unit_test(http2_is_chosen_by_alpn),
        cmocka_unit_test(http2_is_chosen_by_prior_knowledge),
        cmocka_unit_test(prior_knowledge_can_be_forbidden),
        cmocka_unit_test(what_only_begins_like_the_preface_is_http1),
        cmocka_unit_test(a_preface_that_never_ends_is_timed_out),
        cmocka_unit_test(exchanges_interleave_and_a_reset_leaves_the_others),
        cmocka_unit_test(an_exchange_that_we_give_up_is_reset_alone),
        cmocka_unit_test(what_was_lent_is_kept_until_the_pier_has_let_go_of_it),
        cmocka_unit_test(a_reset_waits_for_the_last_of_many_pieces),
        cmocka_unit_test(answers_to_a_batch_leave_in_one_put),
        cmocka_unit_test(early_hints_and_priorities_pass_through),
        cmocka_unit_test(any_slicing_gives_the_same),
        cmocka_unit_test(any_slicing_of_what_leaves_gives_the_same),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(an_idle_connection_holds_little),
        cmocka_unit_test(the_last_answer_leaves_with_close_notify_and_fin),
        cmocka_unit_test(an_answer_with_others_behind_it_is_not_the_last),
        cmocka_unit_test(close_notify_leaves_behind_the_answer_and_before_fin),
        cmocka_unit_test(the_frames_of_a_file_are_read_by_the_batch),
        cmocka_unit_test(a_file_that_changes_in_mid_answer_is_cut_and_never_looks_whole),
        cmocka_unit_test(a_fin_without_close_notify_ends_the_connection_without_harm),
        cmocka_unit_test(a_broken_record_is_told_by_an_alert_before_fin),
        cmocka_unit_test(a_handshake_that_takes_too_long_is_cut),
        cmocka_unit_test(drain_lets_a_handshake_and_its_request_go_on),
        cmocka_unit_test(slow_readers_are_cut_with_tls_and_with_http2),
        cmocka_unit_test(a_stream_whose_window_never_opens_is_given_up),
        cmocka_unit_test(plain_http_on_a_tls_port_is_told_so),
        cmocka_unit_test(plain_http_on_a_tls_port_can_be_sent_on),
        cmocka_unit_test(tls_on_a_plain_port_is_known_for_what_it_is),
        cmocka_unit_test(a_signature_may_come_later_and_may_fail),
        cmocka_unit_test(fin_waits_for_close_notify_and_that_for_what_is_below),
        cmocka_unit_test(what_is_not_taken_is_bounded_and_every_new_byte_is_told),
    };
    return cmocka_run_group_tests_name("secure", tests, NULL, NULL);
}
