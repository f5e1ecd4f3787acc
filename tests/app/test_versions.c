/* SPDX-License-Identifier: Apache-2.0
 *
 * The same routes over HTTP/2: what HTTP/1 answers, HTTP/2 answers, and what ends a stream ends nothing else.
 */
#include "service_rig.h"

#include <handfast/http2.h>

enum { STREAMS = 16 };

typedef struct answer {
    hf_http2_stream stream;
    uint16_t status;
    char body[4096];
    size_t length;
    bool ended, reset;
} answer;

typedef struct caller {
    hf_test_world world;
    hf_http2 *http2;
    size_t read;
    answer answers[STREAMS];
    size_t count;
} caller;

static answer *answer_of(caller *c, hf_http2_stream stream)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->answers[i].stream == stream)
            return &c->answers[i];
    fail_msg("no such stream");
    return NULL;
}

static void hear(caller *c, const hf_http2_event *e)
{
    answer *a = e->stream != 0 ? answer_of(c, e->stream) : NULL;
    switch (e->kind) {
    case HF_HTTP2_RESPONSE: a->status = e->response.status; break;
    case HF_HTTP2_BODY:
        for (size_t i = 0; i < e->body.len && a->length < sizeof a->body - 1; i++)
            a->body[a->length++] = (char)e->body.ptr[i];
        hf_http2_take(c->http2, e->stream, e->body.len);
        break;
    case HF_HTTP2_END: a->ended = true; break;
    case HF_HTTP2_RESET: a->reset = true; break;
    default: break;
    }
}

static void listen_to(rig *r, caller *c)
{
    while (r->pier.out != NULL) {
        hf_in in = { .ptr = r->pier.out + c->read, .len = r->pier.out_length - c->read };
        hf_http2_event e;
        const hf_step s = hf_http2_step(c->http2, r->now, &in, &e);
        c->read += in.used;
        if (s != HF_EVENT)
            return;
        hear(c, &e);
    }
}

static void talk(rig *r, caller *c)
{
    static uint8_t scratch[65536];
    size_t said;
    do {
        hf_extent pieces[64];
        hf_out out = { .pieces = pieces, .capacity = 64, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        said = r->pier.coming_length;
        (void)hf_http2_emit(c->http2, r->now, &out);
        for (size_t i = 0; i < out.count; i++)
            fake_pier_say(&r->pier, out.pieces[i].bytes);
        drive(r);
        listen_to(r, c);
    } while (said != r->pier.coming_length);
}

static void call(rig *r, caller *c)
{
    memset(c, 0, sizeof *c);
    setup(r);
    hf_test_world_init(&c->world, 2);
    c->http2 = hf_http2_client_new(&c->world.env, 9, r->now, NULL);
    talk(r, c);
    assert_int_equal(hf_web_version(r->web), HF_HTTP_2);
}

static void hang_up(rig *r, caller *c)
{
    hf_http2_free(c->http2);
    hf_test_world_fini(&c->world);
    teardown(r);
}

static answer *send(caller *c, const char *method, const char *target, const char *body, const char *type)
{
    const hf_field field = { .name = hf_text("content-type"), .value = hf_text(type) };
    const size_t n = strlen(body);
    const hf_request_head head = { .method_name = hf_text(method), .scheme = hf_text("http"), .authority = hf_text("a"),
        .target = hf_text(target), .fields = { &field, n > 0 }, .content_length = n > 0 ? (int64_t)n : HF_LENGTH_NONE };
    answer *a = &c->answers[c->count++];
    assert_int_equal(hf_http2_request(c->http2, &head, &a->stream).code, 0);
    if (n > 0)
        assert_int_equal(hf_http2_put(c->http2, a->stream, &(hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_text(body) }, 1, NULL), n);
    assert_int_equal(hf_http2_end(c->http2, a->stream, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code, 0);
    return a;
}

static const struct {
    const char *method, *target, *body;
} requests[] = {
    { "GET", "/hello/you", "" },     { "HEAD", "/hello/you", "" },   { "OPTIONS", "/hello/you", "" }, { "POST", "/echo", "some words" },
    { "GET", "/nowhere", "" },       { "DELETE", "/hello/x", "" },   { "GET", "/pieces", "" },        { "GET", "/lent", "" },
    { "POST", "/small", "more than ten bytes" }, { "GET", "/files/a/b", "" }, { "GET", "/moved", "" }, { "BREW", "/hello/x", "" },
    { "GET", "/before", "" },        { "OPTIONS", "*", "" },
};

static void every_route_answers_as_over_http1(void **state)
{
    (void)state;
    static rig r, one;
    static caller c;
    call(&r, &c);
    for (size_t i = 0; i < HF_COUNT(requests); i++)
        send(&c, requests[i].method, requests[i].target, requests[i].body, "text/plain");
    talk(&r, &c);
    for (size_t i = 0; i < HF_COUNT(requests); i++) {
        char text[512];
        setup(&one);
        snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", requests[i].method,
                 requests[i].target, strlen(requests[i].body), requests[i].body);
        if (requests[i].body[0] == 0)
            snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", requests[i].method, requests[i].target);
        const char *const said = ask(&one, text), *const body = strstr(said, "\r\n\r\n");
        const answer *const a = &c.answers[i];
        assert_true(a->ended);
        if (a->status != atoi(said + 9))
            fail_msg("%s %s: %u over HTTP/2, over HTTP/1 %.20s", requests[i].method, requests[i].target, a->status, said);
        assert_non_null(body);
        const char *const number = strstr(a->body, "request_id"); /* but for the request's own number */
        const size_t same = number != NULL ? (size_t)(number - a->body) : a->length;
        assert_memory_equal(a->body, body + 4, same);
        teardown(&one);
    }
    assert_int_equal(r.done, HF_COUNT(requests)); /* each is over, and told once */
    assert_null(r.dialog.open);
    hang_up(&r, &c);
}

static void a_handler_that_fails_in_mid_answer_costs_its_stream_alone(void **state)
{
    (void)state;
    static rig r;
    static caller c;
    call(&r, &c);
    answer *const bad = send(&c, "GET", "/amid", "", ""), *const good = send(&c, "GET", "/hello/you", "", "");
    talk(&r, &c);
    assert_true(!bad->ended || bad->status >= 500);
    assert_int_equal(good->status, 200);
    assert_true(good->ended);
    assert_false(r.closed);
    assert_null(r.dialog.open);
    assert_int_equal(r.done, 2);
    hang_up(&r, &c);
}

static void a_reset_releases_what_was_held_once_and_names_its_cause(void **state)
{
    (void)state;
    static rig r;
    static caller c;
    call(&r, &c);
    r.pier.room = 1000;
    answer *const gone = send(&c, "GET", "/lent", "", ""), *const stays = send(&c, "GET", "/hello/you", "", "");
    talk(&r, &c);
    assert_int_equal(r.held, 1);
    assert_int_equal(r.released, 0);
    assert_int_equal(hf_http2_end(c.http2, gone->stream, (hf_ending){ HF_ENDING_RESET, HF_HTTP2_CANCEL }, (hf_fields){ 0 }).code, 0);
    talk(&r, &c);
    assert_int_equal(r.released, 0); /* the pier still reads it */
    fake_pier_open(&r.pier, UINT64_MAX);
    talk(&r, &c);
    assert_int_equal(r.released, 1);
    assert_true(stays->ended);
    assert_int_equal(r.done, 2);
    assert_null(r.dialog.open);
    hang_up(&r, &c);
}

static void a_refused_request_leaves_the_connection_open(void **state)
{
    (void)state;
    static rig r;
    static caller c;
    static char target[9000];
    call(&r, &c);
    memset(target, 'a', sizeof target - 1);
    target[0] = '/';
    answer *const large = send(&c, "GET", target, "", "");
    talk(&r, &c);
    assert_int_equal(large->status, 414);
    answer *const next = send(&c, "GET", "/hello/you", "", "");
    talk(&r, &c);
    assert_int_equal(next->status, 200);
    assert_false(r.closed);
    assert_int_equal(r.done, 2);
    hang_up(&r, &c);
}

static void any_allocation_may_fail_over_http2(void **state)
{
    (void)state;
    for (size_t at = 1, done = 0; !done; at++) {
        static rig r;
        static caller c;
        memset(&c, 0, sizeof c);
        setup(&r);
        hf_test_world_init(&c.world, 2);
        c.http2 = hf_http2_client_new(&c.world.env, 9, r.now, NULL);
        r.world.memory.calls = 0;
        r.world.memory.fail_at = at;
        send(&c, "POST", "/echo", "some words", "text/plain");
        send(&c, "GET", "/lent", "", "");
        send(&c, "GET", "/pieces", "", "");
        talk(&r, &c);
        done = r.world.memory.calls < at;
        r.world.memory.fail_at = 0;
        hang_up(&r, &c); /* asserts that nothing leaked and all was released once */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_answers_as_over_http1),
        cmocka_unit_test(a_handler_that_fails_in_mid_answer_costs_its_stream_alone),
        cmocka_unit_test(a_reset_releases_what_was_held_once_and_names_its_cause),
        cmocka_unit_test(a_refused_request_leaves_the_connection_open),
        cmocka_unit_test(any_allocation_may_fail_over_http2),
    };
    return cmocka_run_group_tests_name("versions", tests, NULL, NULL);
}
