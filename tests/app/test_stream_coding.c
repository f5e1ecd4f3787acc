/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers piece by piece in a content coding: what was written can be read at once, and nothing that must not is compressed.
 */
#include "later_rig.h"

#include <handfast/realtime.h>

#include "coding_kit.h"

enum { PIECES = 300, PIECE = 1000, ALL = PIECES * PIECE };

static uint8_t words[ALL];
static size_t written;  /* bytes, so far */
static size_t all;      /* of the words */
static size_t dull_end; /* of which there is no end until then */

/* ---- handlers ----------------------------------------------------------------------------------------------- */

static hf_err next_piece(hf_req *rq)
{
    const hf_err err = hf_reply_write(rq, hf_bytes_make(words + written, PIECE));
    written += PIECE;
    return err.code != 0 || written < all ? err : hf_reply_end(rq);
}

static hf_err produced(hf_req *rq)
{
    of(rq);
    return hf_reply_begin(rq, 200, "text/plain", HF_LENGTH_UNKNOWN, next_piece);
}

static hf_err all_at_once(hf_req *rq)
{
    of(rq);
    hf_err err = hf_reply_begin(rq, 200, "application/json", HF_LENGTH_UNKNOWN, NULL);
    for (; err.code == 0 && written < ALL; written += PIECE)
        err = hf_reply_write(rq, hf_bytes_make(words + written, PIECE));
    if (err.code == 0)
        err = hf_reply_trailer(rq, "X-Sum", hf_text("18"));
    return err.code != 0 ? err : hf_reply_end(rq);
}

static hf_err beat(hf_req *rq)
{
    const hf_err err = hf_reply_write(rq, hf_bytes_make(words + written, 20));
    written += 20;
    return err.code != 0 || written == 200 ? (err.code != 0 ? err : hf_reply_end(rq)) : hf_req_after(rq, HF_SECONDS(1), beat);
}

static hf_err beating(hf_req *rq)
{
    of(rq);
    const hf_err err = hf_reply_begin(rq, 200, "text/csv", HF_LENGTH_UNKNOWN, NULL);
    return err.code != 0 ? err : beat(rq);
}

static hf_err dull(hf_req *rq)
{
    static const uint8_t zeros[1000];
    while (hf_reply_room(rq) > 0 && written < dull_end) {
        const hf_err err = hf_reply_write(rq, hf_bytes_make(zeros, sizeof zeros));
        if (err.code != 0)
            return err;
        written += sizeof zeros;
    }
    return written < dull_end ? HF_OK : hf_reply_end(rq);
}

static hf_err dulling(hf_req *rq)
{
    of(rq);
    return hf_reply_begin(rq, 200, "text/plain", HF_LENGTH_UNKNOWN, dull);
}

static hf_err of_length(hf_req *rq)
{
    of(rq);
    hf_err err = hf_reply_begin(rq, 200, "text/plain", PIECE, NULL);
    if (err.code == 0)
        err = hf_reply_write(rq, hf_bytes_make(words, PIECE));
    return err.code != 0 ? err : hf_reply_end(rq);
}

static hf_err with_field(hf_req *rq)
{
    of(rq);
    const hf_bytes field = hf_req_query(rq, "field"), value = hf_req_query(rq, "value");
    char name[40] = "";
    memcpy(name, field.ptr, field.len < sizeof name ? field.len : 0);
    const hf_err err = hf_reply_field(rq, name, value);
    return err.code != 0 ? err : produced(rq);
}

static hf_err picture(hf_req *rq)
{
    of(rq);
    return hf_reply_begin(rq, 200, "image/png", HF_LENGTH_UNKNOWN, next_piece);
}

static hf_err event(hf_req *rq)
{
    written++;
    return hf_event_send(rq, &(hf_eventstream_event){ .data = hf_text("something new") });
}

static hf_err echo_piece(hf_req *rq, hf_bytes piece)
{
    hf_err err = HF_OK;
    if (*hf_req_word(rq) == 0)
        err = hf_reply_begin(rq, 200, "text/plain", HF_LENGTH_UNKNOWN, NULL);
    *hf_req_word(rq) = 1;
    return err.code != 0 ? err : hf_reply_write(rq, piece);
}

static hf_err echo_end(hf_req *rq)
{
    return hf_reply_end(rq);
}

static const hf_route coded_routes[] = {
    { .method = "GET", .path = "/", .handle = produced },
    { .method = "GET", .path = "/always", .handle = produced, .compress = HF_COMPRESS_ALWAYS },
    { .method = "GET", .path = "/never", .handle = produced, .compress = HF_COMPRESS_NEVER },
    { .method = "GET", .path = "/once", .handle = all_at_once },
    { .method = "GET", .path = "/beat", .handle = beating },
    { .method = "GET", .path = "/dull", .handle = dulling },
    { .method = "GET", .path = "/length", .handle = of_length },
    { .method = "GET", .path = "/field", .handle = with_field },
    { .method = "GET", .path = "/picture", .handle = picture },
    { .method = "GET", .path = "/events", .events = event, .every_ns = HF_SECONDS(1), .compress = HF_COMPRESS_ALWAYS },
    { .method = "GET", .path = "/quiet", .events = event, .every_ns = HF_SECONDS(1) },
    { .method = "POST", .path = "/echo", .handle = echo_end, .body = echo_piece },
};

/* ---- the rig ------------------------------------------------------------------------------------------------ */

static int begin_coded(void **state)
{
    (void)state;
    hf_test_needs("codings", hf_compress_codings() != 0);
    kit_fill(words, ALL);
    written = 0;
    all = ALL;
    kit_begin(coded_routes, HF_COUNT(coded_routes));
    return 0;
}

static int end_coded(void **state)
{
    (void)state;
    kit_end();
    assert_int_equal(k.r.service.coders, 0);
    return 0;
}

static void again(void)
{
    kit_end();
    begin_coded(NULL);
}

static const char *get(const char *path, const char *fields)
{
    static char request[1000];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", path, fields);
    return ask(&k.r, request);
}

static const char *get_in(const char *path, hf_encoding e)
{
    char field[64];
    snprintf(field, sizeof field, "Accept-Encoding: %s\r\n", hf_encoding_name(e));
    return get(path, field);
}

/* What came of the chunks of the first answer (RFC 9112 7.1), as far as they came whole. True: the last one came, too. */
static bool unchunk(hf_queue *body)
{
    const char *at = strstr(k.r.text, "\r\n\r\n"), *const end = k.r.text + k.r.pier.out_length;
    assert_non_null(at);
    has(k.r.text, "Transfer-Encoding: chunked\r\n");
    for (at += 4; at < end;) {
        char *digits;
        const size_t n = strtoul(at, &digits, 16);
        if (digits + 2 > end || n == 0)
            return n == 0 && digits > at;
        at = digits + 2;
        const size_t there = (size_t)(end - at) < n ? (size_t)(end - at) : n;
        assert_true(hf_queue_append(body, hf_bytes_make(at, there)));
        at += n + 2;
    }
    return false;
}

/* What can be read of the first answer by now is the first `length` of the words; `whole`: and it is complete. */
static void readable_is(hf_encoding e, const void *text, size_t length, bool whole)
{
    hf_queue coded, plain;
    hf_queue_init(&coded, &k.r.world.env.alloc);
    hf_queue_init(&plain, &k.r.world.env.alloc);
    assert_int_equal(unchunk(&coded), whole);
    const hf_err err = kit_undo(&k.r.world.env, e, kit_held(&coded), 100, &plain);
    assert_int_equal(err.code, whole ? 0 : HF_ERR_HTTP_CODING_INVALID);
    assert_int_equal(kit_held(&plain).len, length);
    assert_memory_equal(kit_held(&plain).ptr, text, length);
    hf_queue_fini(&coded);
    hf_queue_fini(&plain);
}

static void is_coded(const char *text)
{
    has(text, "Content-Encoding: ");
    has(text, "Vary: Accept-Encoding\r\n");
    has_not(text, "Content-Length");
}

/* ---- tests -------------------------------------------------------------------------------------------------- */

static void a_stream_is_compressed_in_the_coding_that_is_asked_for(void **state)
{
    (void)state;
    static const char *const paths[] = { "/", "/once" };
    KIT_EACH(e)
        for (size_t i = 0; i < HF_COUNT(paths); i++) {
            again();
            const char *text = get_in(paths[i], e);
            char field[64];
            snprintf(field, sizeof field, "Content-Encoding: %s\r\n", hf_encoding_name(e));
            has(text, field);
            is_coded(text);
            readable_is(e, words, ALL, true);
            assert_true(k.r.pier.out_length < ALL * 3 / 4);
            if (i == 1)
                assert_non_null(memmem(text, k.r.pier.out_length, "\r\n0\r\nX-Sum: 18\r\n\r\n", 18));
            assert_int_equal(k.r.done, 1);
            assert_int_equal(k.r.done_error[0], 0);
            assert_int_equal(k.r.service.coders, 0);
        }
}

static void a_client_that_takes_little_at_a_time_gets_the_same(void **state)
{
    (void)state;
    static const uint64_t slices[] = { 101, 5000, 100000 };
    KIT_EACH(e)
        for (size_t i = 0; i < HF_COUNT(slices); i++) {
            again();
            k.r.pier.room = 0;
            get_in("/", e);
            for (size_t before = SIZE_MAX; before != k.r.pier.out_length || k.r.done == 0;) {
                before = k.r.pier.out_length;
                fake_pier_open(&k.r.pier, slices[i]);
                kit_pass(1);
            }
            readable_is(e, words, ALL, true);
        }
}

static void each_piece_can_be_read_before_the_next_is_written(void **state)
{
    (void)state;
    KIT_EACH(e) {
        again();
        is_coded(get_in("/beat", e));
        for (size_t n = 20; n < 200; n += 20) {
            assert_int_equal(written, n);
            readable_is(e, words, n, false);
            kit_pass(HF_SECONDS(1));
        }
        readable_is(e, words, 200, true);
    }
}

static void each_event_can_be_read_before_the_next_is_sent(void **state)
{
    (void)state;
    char events[1000] = "";
    KIT_EACH(e) {
        again();
        events[0] = 0;
        is_coded(get_in("/events", e));
        for (int i = 0; i < 10; i++) {
            strcat(events, "data: something new\n\n");
            readable_is(e, events, strlen(events), false);
            kit_pass(HF_SECONDS(1));
        }
        strcat(events, "data: something new\n\n");
        hf_dialog_drain(&k.r.dialog);
        drive(&k.r);
        readable_is(e, events, strlen(events), true);
    }
}

static void what_answers_a_body_before_its_end_can_be_read_before_its_end(void **state)
{
    (void)state;
    KIT_EACH(e) {
        char request[200];
        again();
        snprintf(request, sizeof request, "POST /echo" H "Accept-Encoding: %s\r\nContent-Length: 600\r\n\r\n", hf_encoding_name(e));
        ask(&k.r, request);
        fake_pier_say(&k.r.pier, hf_bytes_make(words, 200));
        drive(&k.r);
        readable_is(e, words, 200, false);
    }
}

static void event_streams_are_compressed_only_where_their_route_says_so(void **state)
{
    (void)state;
    has_not(get("/quiet", "Accept-Encoding: gzip, br, zstd\r\n"), "Content-Encoding");
    has(k.r.text, "data: something new\n\n");
    again();
    is_coded(get("/events", "Accept-Encoding: gzip, br, zstd\r\nCookie: a=b\r\n"));
}

static void who_brings_credentials_gets_a_stream_plain(void **state)
{
    (void)state;
    static const char *const credentials[] = { "Cookie: a=b\r\n", "Authorization: Basic eA==\r\n", "Proxy-Authorization: x\r\n" };
    for (size_t i = 0; i < HF_COUNT(credentials); i++) {
        char fields[100];
        again();
        snprintf(fields, sizeof fields, "Accept-Encoding: gzip, br, zstd\r\n%s", credentials[i]);
        has_not(get("/", fields), "Content-Encoding");
        has(k.r.text, "Vary: Accept-Encoding\r\n");
        again();
        is_coded(get("/always", fields));
    }
}

static void what_is_not_to_be_compressed_leaves_as_it_is(void **state)
{
    (void)state;
    static const char *const paths[] = { "/never", "/picture", "/length", "/field?field=ETag&value=%22strong%22",
        "/field?field=Cache-Control&value=no-transform", "/field?field=Content-Encoding&value=exi",
        "/field?field=Set-Cookie&value=a%3Db" };
    for (size_t i = 0; i < HF_COUNT(paths); i++) {
        again();
        const char *text = get(paths[i], "Accept-Encoding: gzip, br, zstd\r\n");
        has_not(text, "Content-Encoding: gzip");
        has_not(text, "Content-Encoding: br");
        has_not(text, "Content-Encoding: zstd");
        has(text, "200 OK");
    }
    again();
    has_not(get("/", ""), "Content-Encoding");
    again();
    has_not(get("/", "Accept-Encoding: gzip, br, zstd\r\nRange: bytes=0-9\r\n"), "Content-Encoding");
    again();
    is_coded(get("/field?field=ETag&value=W/%22weak%22", "Accept-Encoding: gzip, br, zstd\r\n"));
}

static void head_says_what_get_says(void **state)
{
    (void)state;
    KIT_EACH(e) {
        char request[200];
        again();
        snprintf(request, sizeof request, "HEAD /" H "Accept-Encoding: %s\r\n\r\n", hf_encoding_name(e));
        const char *text = ask(&k.r, request);
        is_coded(text);
        assert_int_equal(k.r.done, 1);
        assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
        assert_int_equal(written, 0);
        assert_int_equal(k.r.service.coders, 0);
    }
}

static void endless_dullness_keeps_nobody_waiting(void **state)
{
    (void)state;
    KIT_EACH(e) {
        again();
        dull_end = 20000000;
        get_in("/dull", e);
        assert_in_range(written, 1, 1000000); /* in one turn */
        const size_t before = written;
        drive(&k.r);
        assert_int_equal(written, before);
        assert_false(hf_time_before(hf_time_after(k.r.now, 1), hf_dialog_wake(&k.r.dialog))); /* it goes on by itself */
        for (int i = 0; i < 1000 && k.r.done == 0; i++)
            kit_pass(1);
        assert_int_equal(written, dull_end);
        assert_int_equal(k.r.done, 1);
        assert_int_equal(k.r.done_error[0], 0);
        assert_true(k.r.world.memory.most < 4000000);
    }
}

static void limit_stream_coding_bytes(void **state)
{
    (void)state;
    KIT_EACH(e) {
        size_t coded = 0;
        again();
        k.r.world.limits.stream_coding_bytes = 1000000;
        while (k.r.service.coders < 1000000) { /* HTTP/1.1 has one at a time; what counts is held by the service */
            get_in("/events", e);
            is_coded(k.r.text);
            assert_true(++coded < 50);
            k.r.service.coders += 300000; /* another connection's */
        }
        const uint64_t others = 300000 * coded;
        assert_true(k.r.service.coders > others); /* ours */
        kit_hang_up();
        assert_int_equal(k.r.service.coders, others);
        k.r.service.coders = 1000000;
        kit_connect();
        has_not(get_in("/events", e), "Content-Encoding");
        has(k.r.text, "data: something new\n\n");
        kit_hang_up();
        k.r.service.coders = 999999;
        kit_connect();
        is_coded(get_in("/events", e));
        kit_hang_up();
        k.r.service.coders = 0;
        kit_connect();
    }
}

static void a_stream_is_plain_when_memory_is_near_its_limit(void **state)
{
    (void)state;
    k.r.service.refusing = true;
    assert_null(strstr(get("/", "Accept-Encoding: gzip, br, zstd\r\n"), "Content-Encoding"));
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    KIT_EACH(e) {
        size_t whole = 0, broken = 0;
        for (size_t n = 1;; n++) {
            again();
            all = 3 * PIECE;
            k.r.world.memory.calls = 0;
            k.r.world.memory.fail_at = n;
            get_in("/", e);
            for (int i = 0; i < 10; i++)
                kit_pass(1);
            const bool reached = k.r.world.memory.calls >= n;
            k.r.world.memory.fail_at = 0;
            const bool good = strncmp(k.r.text, "HTTP/1.1 200", 12) == 0 && k.r.done_error[0] == 0 && k.r.done == 1;
            whole += good;
            broken += !good;
            if (good && strstr(k.r.text, "Content-Encoding") != NULL)
                readable_is(e, words, all, true);
            else if (!good && strstr(k.r.text, "\r\n\r\n") != NULL && strncmp(k.r.text, "HTTP/1.1 200", 12) == 0)
                assert_true(k.r.pier.reset_sent); /* a cut answer does not look whole */
            if (!reached)
                break;
            assert_true(n < 500);
        }
        assert_true(whole > 0 && broken > 0);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_coded, end_coded)
    const struct CMUnitTest tests[] = {
        TEST(a_stream_is_compressed_in_the_coding_that_is_asked_for),
        TEST(a_client_that_takes_little_at_a_time_gets_the_same),
        TEST(each_piece_can_be_read_before_the_next_is_written),
        TEST(each_event_can_be_read_before_the_next_is_sent),
        TEST(what_answers_a_body_before_its_end_can_be_read_before_its_end),
        TEST(event_streams_are_compressed_only_where_their_route_says_so),
        TEST(who_brings_credentials_gets_a_stream_plain),
        TEST(what_is_not_to_be_compressed_leaves_as_it_is),
        TEST(head_says_what_get_says),
        TEST(endless_dullness_keeps_nobody_waiting),
        TEST(limit_stream_coding_bytes),
        TEST(a_stream_is_plain_when_memory_is_near_its_limit),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
