/* SPDX-License-Identifier: Apache-2.0
 *
 * fetch: answers of a pipeline go to those who asked, whoever of them gave up.
 */
#include "dial_core.h"
#include "fetch.h"

#include "harness.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "text.h"

enum { ASKED = 4 };

typedef struct rig {
    hf_dialer *dialer;
    hf_client_url url;
    hf_line line;
    hf_fetch fetch;
    int peer;
    char told[400]; /* for each event the letter of whose it is, and what came */
    size_t told_length;
    char letters[ASKED + 1];
} rig;

static int listener_at(uint16_t *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof at;
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s >= 0 && bind(s, (struct sockaddr *)&at, sizeof at) == 0 && listen(s, 1) == 0 && getsockname(s, (struct sockaddr *)&at, &length) == 0);
    *port = ntohs(at.sin_port);
    return s;
}

static void open_rig(rig *r)
{
    char url[64], text[512];
    static const hf_bytes one = HF_LITERAL("http/1.1");
    hf_writer why = hf_writer_make(text, sizeof text);
    uint16_t port;
    const int listener = listener_at(&port);
    *r = (rig){ .letters = "abcd" };
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    assert_null(hf_client_url_parse(url, &r->url));
    assert_non_null(r->dialer = hf_dialer_new(&(hf_dialer_options){ .proxy_http = NULL }, &why));
    assert_true(hf_line_open(&r->line, r->dialer, &r->url, &one, 1));
    assert_true((r->peer = accept(listener, NULL, NULL)) >= 0);
    close(listener);
    assert_true(hf_fetch_open(&r->fetch, &r->line, HF_HTTP_1_1));
    r->fetch.pipeline = ASKED;
    const hf_field host = { HF_LITERAL("Host"), r->url.authority, HF_FIELD_HOST };
    const hf_request_head head = { .method = HF_METHOD_GET, .version = HF_HTTP_1_1, .authority = r->url.authority, .target = r->url.target,
                                   .fields = { &host, 1 }, .content_length = HF_LENGTH_NONE };
    for (size_t i = 0; i < ASKED; i++)
        assert_int_equal(hf_fetch_ask(&r->fetch, &head, hf_bytes_make(NULL, 0), &r->letters[i]).code, 0);
}

static void close_rig(rig *r)
{
    hf_fetch_close(&r->fetch);
    hf_line_close(&r->line);
    hf_dialer_free(r->dialer);
    close(r->peer);
}

static void say(const rig *r, const char *text)
{
    assert_int_equal(send(r->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Until so many events were told. */
static void hear(rig *r, unsigned events)
{
    hf_fetch_event e;
    hf_err why;
    const hf_time until = hf_time_after(hf_dialer_now(r->dialer), HF_SECONDS(60));
    while (events > 0) {
        const hf_step s = hf_fetch_turn(&r->fetch, &e, &why);
        assert_true(hf_time_before(hf_dialer_now(r->dialer), until));
        assert_int_not_equal(s, HF_FAULT);
        if (s != HF_EVENT) {
            (void)hf_dialer_wait(r->dialer, until, -1);
            continue;
        }
        const hf_bytes came = e.kind == HF_FETCH_BODY ? e.body : hf_text(e.kind == HF_FETCH_HEAD ? "(" : ")");
        r->told_length += (size_t)snprintf(r->told + r->told_length, sizeof r->told - r->told_length, "%c%.*s ", *(const char *)e.user, HF_STR(came));
        events -= e.kind == HF_FETCH_END;
    }
}

static void answers_come_to_the_others_when_one_is_given_up(void **state)
{
    (void)state;
    static const char *const told[ASKED] = { "b( bB b) c( cC c) d( dD d) ", "a( aA a) c( cC c) d( dD d) ", "a( aA a) b( bB b) d( dD d) ", "a( aA a) b( bB b) c( cC c) " };
    for (size_t gone = 0; gone < ASKED; gone++) {
        rig r;
        open_rig(&r);
        hf_fetch_cancel(&r.fetch, &r.letters[gone]);
        assert_int_equal(hf_fetch_room(&r.fetch), 0); /* nothing more is asked on this line */
        say(&r, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nAHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nBHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nC"
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nD");
        hear(&r, ASKED - 1);
        assert_string_equal(r.told, told[gone]);
        assert_int_equal(r.fetch.open, 0);
        close_rig(&r);
    }
}

static void one_is_given_up_in_the_middle_of_its_answer(void **state)
{
    (void)state;
    hf_fetch_event e;
    hf_err why;
    rig r;
    open_rig(&r);
    say(&r, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nAHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    hear(&r, 1);
    hf_fetch_cancel(&r.fetch, &r.letters[1]);
    say(&r, "B1B2B3B4BHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nC");
    hear(&r, 1);
    assert_string_equal(r.told, "a( aA a) c( cC c) ");
    hf_fetch_cancel(&r.fetch, &r.letters[3]);
    assert_int_equal(r.fetch.open, 0); /* what still comes is nobody's */
    say(&r, "nonsense");
    assert_int_equal(hf_fetch_turn(&r.fetch, &e, &why), HF_IDLE);
    close_rig(&r);
}

static void whoever_gave_up_is_not_told_that_the_line_is_lost(void **state)
{
    (void)state;
    void *user;
    rig r;
    open_rig(&r);
    hf_fetch_cancel(&r.fetch, &r.letters[1]);
    hf_fetch_cancel(&r.fetch, &r.letters[2]);
    assert_true(hf_fetch_lose(&r.fetch, &user));
    assert_ptr_equal(user, &r.letters[0]);
    assert_true(hf_fetch_lose(&r.fetch, &user));
    assert_ptr_equal(user, &r.letters[3]);
    assert_false(hf_fetch_lose(&r.fetch, &user));
    assert_int_equal(r.fetch.open, 0);
    close_rig(&r);
}

static void bytes_gather_only_where_a_body_comes_fast(void **state)
{
    (void)state;
    assert_false(hf_dialer_is_fast(0, 1));
    assert_false(hf_dialer_is_fast(16383, 0));
    assert_true(hf_dialer_is_fast(16384, 0)); /* 16 KiB a millisecond */
    assert_true(hf_dialer_is_fast(16384, 999999));
    assert_false(hf_dialer_is_fast(16384, 1000000));
    assert_true(hf_dialer_is_fast(10 << 20, HF_MILLISECONDS(600)));
    assert_false(hf_dialer_is_fast(10 << 20, HF_MILLISECONDS(641)));
    assert_false(hf_dialer_is_fast(1 << 20, HF_SECONDS(1)));
    assert_false(hf_dialer_is_fast(1 << 20, INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_to_the_others_when_one_is_given_up),
        cmocka_unit_test(one_is_given_up_in_the_middle_of_its_answer),
        cmocka_unit_test(whoever_gave_up_is_not_told_that_the_line_is_lost),
        cmocka_unit_test(bytes_gather_only_where_a_body_comes_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
