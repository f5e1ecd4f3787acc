/* SPDX-License-Identifier: Apache-2.0
 *
 * What a page needs besides itself: hinted at, pushed, learned.
 */
#include "http2_caller.h"

static hf_err page(hf_req *rq)
{
    (void)of(rq);
    return hf_reply(rq, 200, "text/html", hf_text("<p>page"));
}

static hf_err part(hf_req *rq)
{
    (void)of(rq);
    return hf_reply_text(rq, 200, "part %.*s", HF_STR(hf_req_path(rq)));
}

static hf_err linked(hf_req *rq)
{
    (void)of(rq);
    const hf_bytes what = hf_req_query(rq, "with");
    (void)!hf_reply_field(rq, "Link", hf_text("</a.css>; rel=preload; as=style")).code;
    (void)!hf_reply_field(rq, "Link", hf_text("</next>; rel=next")).code;
    if (hf_bytes_equal(what, hf_text("cookie")))
        (void)!hf_reply_field(rq, "Set-Cookie", hf_text("a=b")).code;
    if (hf_bytes_equal(what, hf_text("private")))
        (void)!hf_reply_field(rq, "Cache-Control", hf_text("max-age=5, private")).code;
    return page(rq);
}

static hf_err no_links(hf_req *rq)
{
    rig *const r = of(rq);
    if (r->runs == 1)
        (void)!hf_reply_field(rq, "Link", hf_text("</a.css>; rel=preload")).code;
    return page(rq);
}

static hf_err pushes_itself(hf_req *rq)
{
    (void)of(rq);
    assert_int_equal(hf_req_push(rq, hf_text("part/without/slash")).code, HF_ERR_BASE_USAGE);
    const hf_err first = hf_req_push(rq, hf_text("/part/a?v=2")), second = hf_req_push(rq, hf_text("/part/a?v=2"));
    return hf_reply_text(rq, 200, "%d %d", first.code, second.code);
}

static const char *const hints[] = { "/a.css", "/f.woff2?v=3", "/x", NULL };
static const char *const pushed[] = { "/part/a.css", "/part/b.js", NULL };
static const char *const circular[] = { "/circle", NULL };

static const hf_route table[] = {
    { .method = "GET", .path = "/hinted", .handle = page, .hints = hints },
    { .method = "GET", .path = "/hinted/{name}", .handle = page, .hints = hints },
    { .method = "GET", .path = "/pushed", .handle = page, .push = pushed },
    { .method = "GET", .path = "/circle", .handle = page, .push = circular },
    { .method = "GET", .path = "/part/{name}", .handle = part },
    { .method = "GET", .path = "/learned", .handle = linked, .learn_hints = true },
    { .method = "GET", .path = "/learned/{name}", .handle = linked, .learn_hints = true },
    { .method = "GET", .path = "/unlearned", .handle = no_links, .learn_hints = true },
    { .method = "GET", .path = "/itself", .handle = pushes_itself },
};

static rig r;
static caller c;

static void begin_with(bool push)
{
    setup_with(&r, table, HF_COUNT(table));
    call_there(&r, &c, &(hf_http2_options){ .push = push });
}

static answer *get(const char *target, const char *name, const char *value)
{
    const hf_field field = { .name = hf_text(name), .value = hf_text(value) };
    answer *const a = send_with(&c, "GET", target, "", (hf_fields){ &field, name[0] != 0 });
    talk(&r, &c);
    assert_int_equal(a->status, 200);
    assert_true(a->ended);
    return a;
}

static void a_page_is_hinted_at_before_it_is_answered(void **state)
{
    (void)state;
    begin_with(false);
    assert_string_equal(get("/hinted", "", "")->hints,
                        "</a.css>; rel=preload; as=style, </f.woff2?v=3>; rel=preload; as=font; crossorigin, </x>; rel=preload\n");
    hang_up(&r, &c);
}

static void only_pages_are(void **state)
{
    (void)state;
    begin_with(false);
    assert_string_equal(get("/hinted", "sec-fetch-dest", "image")->hints, "");
    assert_string_equal(get("/hinted/a.png", "", "")->hints, "");
    assert_string_not_equal(get("/hinted/a.png", "sec-fetch-dest", "document")->hints, "");
    assert_string_not_equal(get("/hinted/a.html", "", "")->hints, "");
    answer *const head = send(&c, "HEAD", "/hinted", "", "");
    talk(&r, &c);
    assert_int_equal(head->status, 200);
    assert_string_equal(head->hints, "");
    hang_up(&r, &c);
}

/* RFC 8297 3: "some clients might have issues handling a 103 (Early Hints) response" */
static void nobody_is_over_http1(void **state)
{
    (void)state;
    setup_with(&r, table, HF_COUNT(table));
    has_not(ask(&r, "GET /hinted" H "\r\nGET /pushed" H "\r\nGET /learned" H "\r\nGET /learned" H "\r\n"), " 103 ");
    assert_int_equal(r.done, 4);
    teardown(&r);
}

static void who_allows_push_gets_each_part_once(void **state)
{
    (void)state;
    begin_with(true);
    answer *const a = get("/pushed", "accept-language", "eo");
    assert_string_equal(a->hints, "");
    assert_int_equal(c.count, 3);
    assert_string_equal(c.answers[1].pushed, "/part/a.css");
    assert_string_equal(c.answers[1].language, "eo");
    assert_string_equal(c.answers[1].body, "part /part/a.css");
    assert_true(c.answers[1].ended);
    assert_string_equal(c.answers[2].pushed, "/part/b.js");
    assert_string_equal(c.answers[2].body, "part /part/b.js");
    assert_true(c.answers[2].ended);
    assert_int_equal(r.done, 3); /* each has its line in the log */
    get("/pushed", "", "");
    assert_int_equal(c.count, 4); /* RFC 9113 8.4 leaves it to us: never twice on a connection */
    assert_null(r.dialog.open);
    hang_up(&r, &c);
}

static void who_does_not_is_hinted_at(void **state)
{
    (void)state;
    begin_with(false);
    assert_string_equal(get("/pushed", "", "")->hints,
                        "</part/a.css>; rel=preload; as=style, </part/b.js>; rel=preload; as=script\n");
    assert_int_equal(c.count, 1);
    hang_up(&r, &c);
}

static void what_is_pushed_pushes_nothing(void **state)
{
    (void)state;
    begin_with(true);
    get("/circle", "", "");
    assert_int_equal(c.count, 2);
    assert_int_equal(r.runs, 2);
    hang_up(&r, &c);
}

static void a_handler_pushes_what_it_likes_once(void **state)
{
    (void)state;
    char text[32];
    begin_with(true);
    snprintf(text, sizeof text, "0 %d", HF_ERR_HTTP2_PUSH);
    assert_string_equal(get("/itself", "", "")->body, text);
    assert_string_equal(c.answers[1].pushed, "/part/a?v=2");
    assert_string_equal(c.answers[1].body, "part /part/a");
    hang_up(&r, &c);
    begin_with(false);
    snprintf(text, sizeof text, "%d %d", HF_ERR_HTTP2_PUSH, HF_ERR_HTTP2_PUSH);
    assert_string_equal(get("/itself", "", "")->body, text);
    hang_up(&r, &c);
}

static void links_of_the_last_answer_are_learned(void **state)
{
    (void)state;
    begin_with(false);
    assert_string_equal(get("/learned", "", "")->hints, "");
    assert_string_equal(get("/learned", "", "")->hints, "</a.css>; rel=preload; as=style\n");
    assert_string_equal(get("/learned/other", "", "")->hints, ""); /* a page of its own */
    hang_up(&r, &c);
}

static void what_was_learned_is_unlearned(void **state)
{
    (void)state;
    begin_with(false);
    get("/unlearned", "", "");
    assert_string_equal(get("/unlearned", "", "")->hints, "</a.css>; rel=preload\n");
    assert_string_equal(get("/unlearned", "", "")->hints, "");
    hang_up(&r, &c);
}

static void what_was_for_one_client_teaches_nothing(void **state)
{
    (void)state;
    begin_with(false);
    get("/learned", "cookie", "a=b");
    get("/learned", "authorization", "Basic YTpi");
    get("/learned?with=cookie", "", "");
    get("/learned?with=private", "", "");
    assert_string_equal(get("/learned", "", "")->hints, "");
    hang_up(&r, &c);
}

static void limit_learned_hints(void **state)
{
    (void)state;
    begin_with(false);
    r.world.limits.learned_hints = 2;
    get("/learned/1", "", "");
    get("/learned/2", "", "");
    get("/learned/3", "", "");
    assert_string_not_equal(get("/learned/2", "", "")->hints, "");
    assert_string_equal(get("/learned/1", "", "")->hints, "");
    hang_up(&r, &c);
}

static void limit_learned_hint_bytes(void **state)
{
    (void)state;
    static const char links[] = "</a.css>; rel=preload; as=style";
    for (size_t less = 0; less < 2; less++) {
        begin_with(false);
        r.world.limits.learned_hint_bytes = strlen("a/learned") + strlen(links) - less;
        get("/learned", "", "");
        assert_int_equal(strlen(get("/learned", "", "")->hints), less ? 0 : strlen(links) + 1);
        hang_up(&r, &c);
    }
}

static void wrong_paths_are_refused_at_the_start(void **state)
{
    (void)state;
    static const char *const wrong[] = { "https://a.example/x", "a.css", "/a b", "/a>; rel=x", "/a\r\nb", "" };
    hf_test_world w;
    hf_test_world_init(&w, 1);
    for (size_t i = 0; i < 2 * HF_COUNT(wrong); i++) {
        const char *const paths[] = { "/good", wrong[i / 2], NULL };
        const hf_route route = { .method = "GET", .path = "/", .handle = page, .hints = i % 2 ? paths : NULL, .push = i % 2 ? NULL : paths };
        char text[512];
        hf_writer why = hf_writer_make(text, sizeof text - 1);
        assert_null(hf_router_new(&w.env.alloc, &route, 1, &why));
        text[why.length] = 0;
        has(text, "hints and push are paths of this host");
    }
    hf_test_world_fini(&w);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t at = 1, over = 0; !over; at++) {
        begin_with(true);
        r.world.memory.calls = 0;
        r.world.memory.fail_at = at;
        send(&c, "GET", "/pushed", "", "");
        send(&c, "GET", "/learned", "", "");
        send(&c, "GET", "/learned", "", "");
        talk(&r, &c);
        over = r.world.memory.calls < at;
        r.world.memory.fail_at = 0;
        hang_up(&r, &c); /* asserts that nothing leaked */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_hinted_at_before_it_is_answered),
        cmocka_unit_test(only_pages_are),
        cmocka_unit_test(nobody_is_over_http1),
        cmocka_unit_test(who_allows_push_gets_each_part_once),
        cmocka_unit_test(who_does_not_is_hinted_at),
        cmocka_unit_test(what_is_pushed_pushes_nothing),
        cmocka_unit_test(a_handler_pushes_what_it_likes_once),
        cmocka_unit_test(links_of_the_last_answer_are_learned),
        cmocka_unit_test(what_was_learned_is_unlearned),
        cmocka_unit_test(what_was_for_one_client_teaches_nothing),
        cmocka_unit_test(limit_learned_hints),
        cmocka_unit_test(limit_learned_hint_bytes),
        cmocka_unit_test(wrong_paths_are_refused_at_the_start),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("hints", tests, NULL, NULL);
}
