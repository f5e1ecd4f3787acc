/* SPDX-License-Identifier: Apache-2.0
 *
 * Which answers are compressed, which never are, and what their heads say.
 */
#include "service_rig.h"

#include "coding_kit.h"

enum { LONG = 100000 };

static uint8_t text[LONG];
/* What the next answer is; set by each test. */
static struct {
    const char *type, *etag, *cache_control, *vary, *content_encoding, *set_cookie, *content_range;
    uint16_t status;
    size_t length;
} plan;

static hf_err add(hf_req *rq, const char *name, const char *value)
{
    return value != NULL ? hf_reply_field(rq, name, hf_text(value)) : HF_OK;
}

static hf_err planned(hf_req *rq)
{
    (void)of(rq);
    const hf_err errs[] = { add(rq, "ETag", plan.etag), add(rq, "Cache-Control", plan.cache_control), add(rq, "Vary", plan.vary),
        add(rq, "Content-Encoding", plan.content_encoding), add(rq, "Set-Cookie", plan.set_cookie),
        add(rq, "Content-Range", plan.content_range) };
    for (size_t i = 0; i < HF_COUNT(errs); i++)
        if (errs[i].code != 0)
            return errs[i];
    return hf_reply(rq, plan.status, plan.type, hf_bytes_make(text, plan.length));
}

static hf_err in_pieces(hf_req *rq)
{
    rig *r = of(rq);
    const hf_err err = hold(r, rq);
    const hf_extent e[] = { { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(text, 100) }, { .kind = HF_EXTENT_LENT },
        { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(text + 100, LONG - 100) } };
    if (err.code != 0)
        return err;
    const hf_err typed = hf_reply_field(rq, "Content-Type", hf_text("text/plain"));
    return typed.code != 0 ? typed : hf_reply_extents(rq, 200, e, HF_COUNT(e));
}

static const hf_route own_routes[] = {
    { .method = "GET", .path = "/", .handle = planned },
    { .method = "POST", .path = "/", .handle = planned },
    { .method = "GET", .path = "/always", .handle = planned, .compress = HF_COMPRESS_ALWAYS },
    { .method = "GET", .path = "/never", .handle = planned, .compress = HF_COMPRESS_NEVER },
    { .method = "GET", .path = "/pieces", .handle = in_pieces },
};

static void own(rig *r)
{
    char words[1000];
    hf_writer why = hf_writer_make(words, sizeof words);
    setup(r);
    hf_router_free(r->router);
    r->router = hf_router_new(&r->world.env.alloc, own_routes, HF_COUNT(own_routes), &why);
    r->app.router = r->router;
    kit_fill(text, LONG);
    memset(&plan, 0, sizeof plan);
    plan.type = "text/html; charset=utf-8";
    plan.status = 200;
    plan.length = 5000;
}

/* The head of the answer to a request line and fields, as text. */
static const char *head_of(rig *r, const char *request)
{
    static char head[4096];
    const size_t before = r->pier.out_length;
    ask(r, request);
    const char *answer = r->text + before, *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    assert_true((size_t)(end - answer) + 3 < sizeof head);
    memcpy(head, answer, (size_t)(end - answer) + 2);
    head[end - answer + 2] = 0;
    return head;
}

static const char *get(rig *r, const char *path, const char *fields)
{
    static char request[1000];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br, zstd\r\n%s\r\n", path, fields);
    return head_of(r, request);
}

/* The body of the last answer on a connection that had one: undone, it is `length` bytes of the text. */
static void body_stands_for(rig *r, hf_encoding e, size_t length)
{
    const char *end = strstr(r->text, "\r\n\r\n");
    hf_queue plain;
    hf_queue_init(&plain, &r->world.env.alloc);
    const size_t at = (size_t)(end + 4 - r->text);
    assert_int_equal(kit_undo(&r->world.env, e, hf_bytes_make(r->text + at, r->pier.out_length - at), 100000, &plain).code, 0);
    assert_true(hf_bytes_equal(kit_held(&plain), hf_bytes_make(text, length)));
    hf_queue_fini(&plain);
}

static void needs_a_coding(void)
{
    hf_test_needs("codings", hf_compress_codings() != 0);
}

static void an_answer_is_compressed_in_the_coding_that_is_asked_for(void **state)
{
    (void)state;
    static rig r;
    static const size_t lengths[] = { 600, 5000, LONG };
    KIT_EACH(e)
        for (size_t i = 0; i < HF_COUNT(lengths); i++) {
            char request[200], wanted[64];
            own(&r);
            plan.length = lengths[i];
            snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n", hf_encoding_name(e));
            snprintf(wanted, sizeof wanted, "Content-Encoding: %s\r\n", hf_encoding_name(e));
            const char *head = head_of(&r, request);
            has(head, wanted);
            has(head, "Vary: Accept-Encoding\r\n");
            body_stands_for(&r, e, plan.length);
            teardown(&r);
        }
}

static void who_accepts_none_gets_it_plain_and_is_told_that_it_varies(void **state)
{
    (void)state;
    needs_a_coding();
    static const char *const rows[] = { "", "Accept-Encoding: identity\r\n", "Accept-Encoding: gzip;q=0, br;q=0, zstd;q=0\r\n",
        "Accept-Encoding: \r\n" };
    static rig r;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        char request[200];
        own(&r);
        snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[i]);
        const char *head = head_of(&r, request);
        has_not(head, "Content-Encoding");
        has(head, "Vary: Accept-Encoding\r\n");
        has(head, "Content-Length: 5000\r\n");
        teardown(&r);
    }
}

/* RFC 9110 9.3.2: "The server SHOULD send the same header fields in response to a HEAD request as it would have sent if
 * the request method had been GET." */
static void head_says_what_get_says(void **state)
{
    (void)state;
    static rig r;
    own(&r);
    char first[4096];
    snprintf(first, sizeof first, "%s", get(&r, "/", ""));
    const size_t before = r.pier.out_length;
    assert_string_equal(head_of(&r, "HEAD /" H "Accept-Encoding: gzip, br, zstd\r\n\r\n"), first);
    assert_int_equal(r.pier.out_length - before, strlen(first) + 2);
    teardown(&r);
}

static void only_types_that_gain_are_compressed(void **state)
{
    (void)state;
    needs_a_coding();
    static const struct {
        const char *type;
        bool gains;
    } rows[] = { { "text/plain", true }, { "TEXT/CSS;charset=x", true }, { "application/json", true }, { "application/problem+json", true },
        { "application/atom+xml; type=feed", true }, { "image/svg+xml", true }, { "text/javascript", true }, { "application/wasm", true },
        { "image/png", false }, { "application/zip", false }, { "application/octet-stream", false }, { "video/mp4", false },
        { "font/woff2", false }, { "json", false }, { "+json", false }, { NULL, false } };
    static rig r;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        own(&r);
        plan.type = rows[i].type;
        const char *head = get(&r, "/", "");
        (rows[i].gains ? has : has_not)(head, "Content-Encoding: ");
        (rows[i].gains ? has : has_not)(head, "Vary: Accept-Encoding\r\n");
        teardown(&r);
    }
}

static void what_the_handler_says_of_its_bytes_stays_true(void **state)
{
    (void)state;
    needs_a_coding();
    static const struct {
        const char *etag, *cache_control, *content_encoding, *content_range;
        uint16_t status;
        bool compressed;
    } rows[] = {
        { .status = 200, .compressed = true }, { .status = 404, .compressed = true }, { .status = 201, .compressed = true },
        { .status = 206 },
        { .status = 200, .etag = "\"strong\"" }, { .status = 200, .etag = "W/\"weak\"", .compressed = true },
        { .status = 200, .cache_control = "public, No-Transform" }, { .status = 200, .cache_control = "no-cache", .compressed = true },
        { .status = 200, .content_encoding = "aes128gcm" }, { .status = 200, .content_range = "bytes 0-4999/9000" },
    };
    static rig r;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        own(&r);
        plan.status = rows[i].status;
        plan.etag = rows[i].etag;
        plan.cache_control = rows[i].cache_control;
        plan.content_encoding = rows[i].content_encoding;
        plan.content_range = rows[i].content_range;
        const char *head = get(&r, "/", "");
        (rows[i].compressed ? has : has_not)(head, "Vary: Accept-Encoding\r\n");
        (rows[i].compressed ? has_not : has)(head, "Content-Length: 5000\r\n");
        if (rows[i].etag != NULL)
            has(head, rows[i].etag);
        teardown(&r);
    }
}

static void answers_without_content_have_no_coding(void **state)
{
    (void)state;
    static rig r;
    static const uint16_t rows[] = { 204, 304 };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        own(&r);
        plan.status = rows[i];
        const char *head = get(&r, "/", "");
        has_not(head, "Content-Encoding");
        has_not(head, "Content-Length");
        teardown(&r);
    }
}

static void who_asks_for_a_range_gets_the_thing_itself(void **state)
{
    (void)state;
    needs_a_coding();
    static rig r;
    own(&r);
    const char *head = get(&r, "/", "Range: bytes=0-9\r\n");
    has_not(head, "Content-Encoding");
    has(head, "Vary: Accept-Encoding\r\n");
    teardown(&r);
}

static void vary_keeps_what_the_handler_said(void **state)
{
    (void)state;
    needs_a_coding();
    char lengthy[300], wanted[340];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = 0;
    snprintf(wanted, sizeof wanted, "Vary: %s\r\n", lengthy);
    const struct {
        const char *said, *wanted;
    } rows[] = { { "Cookie", "Vary: Cookie, Accept-Encoding\r\n" }, { "*", "Vary: *\r\n" },
        { "accept-encoding, Accept", "Vary: accept-encoding, Accept\r\n" }, { "", "Vary: Accept-Encoding\r\n" }, { lengthy, wanted } };
    static rig r;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        own(&r);
        plan.vary = rows[i].said;
        const char *head = get(&r, "/", "");
        has(head, rows[i].wanted);
        has(head, "Content-Encoding: ");
        if (rows[i].said == lengthy)
            has(head, "Vary: Accept-Encoding\r\n"); /* a line of its own */
        teardown(&r);
    }
}

/* BREACH: the length of what is compressed tells of the secrets in it. */
static void who_brings_credentials_gets_it_plain(void **state)
{
    (void)state;
    needs_a_coding();
    static const char *const rows[] = { "Cookie: session=1\r\n", "Authorization: Bearer x\r\n", "Proxy-Authorization: Basic x\r\n", "cookie:\r\n" };
    static rig r;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        own(&r);
        const char *head = get(&r, "/", rows[i]);
        has_not(head, "Content-Encoding");
        has(head, "Content-Length: 5000\r\n");
        has(head, "Vary: Accept-Encoding\r\n");
        teardown(&r);
    }
}

static void an_answer_that_sets_a_cookie_is_plain(void **state)
{
    (void)state;
    static rig r;
    own(&r);
    plan.set_cookie = "session=2; HttpOnly";
    const char *head = get(&r, "/", "");
    has_not(head, "Content-Encoding");
    has(head, "Content-Length: 5000\r\n");
    teardown(&r);
}

static void a_route_may_say_that_nothing_in_it_is_secret(void **state)
{
    (void)state;
    needs_a_coding();
    static rig r;
    own(&r);
    plan.set_cookie = "theme=dark";
    has(get(&r, "/always", "Cookie: theme=light\r\n"), "Content-Encoding: ");
    teardown(&r);
}

static void a_route_may_say_that_it_is_never_compressed(void **state)
{
    (void)state;
    static rig r;
    own(&r);
    const char *head = get(&r, "/never", "");
    has_not(head, "Content-Encoding");
    has_not(head, "Vary");
    teardown(&r);
}

/* A refusal repeats words of the request, so it is as dangerous as anything else beside a secret. */
static void problem_documents_follow_the_same_rules(void **state)
{
    (void)state;
    needs_a_coding();
    char path[300];
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    static rig r;
    own(&r);
    const char *head = get(&r, path, "");
    has(head, "HTTP/1.1 404 ");
    has(head, "Content-Encoding: ");
    head = get(&r, path, "Cookie: a=b\r\n");
    has(head, "HTTP/1.1 404 ");
    has_not(head, "Content-Encoding");
    teardown(&r);
}

static void small_answers_are_left_alone(void **state)
{
    (void)state;
    needs_a_coding();
    static rig r;
    own(&r);
    plan.length = HF_COMPRESS_LEAST - 1;
    has_not(get(&r, "/", ""), "Vary");
    plan.length = HF_COMPRESS_LEAST;
    has(get(&r, "/", ""), "Vary");
    teardown(&r);
}

static void noise_leaves_as_it_is_and_still_says_that_it_varies(void **state)
{
    (void)state;
    needs_a_coding();
    static rig r;
    own(&r);
    kit_noise(text, LONG);
    const char *head = get(&r, "/", "");
    has(head, "Content-Length: 5000\r\n");
    has(head, "Vary: Accept-Encoding\r\n");
    teardown(&r);
}

static void limit_compress_bytes(void **state)
{
    (void)state;
    needs_a_coding();
    static rig r;
    own(&r);
    r.world.limits.compress_bytes = 5000;
    has(get(&r, "/", ""), "Content-Encoding: ");
    plan.length = 5001;
    has_not(get(&r, "/", ""), "Content-Encoding");
    r.world.limits.compress_bytes = 0; /* nothing is */
    plan.length = 600;
    has_not(get(&r, "/", ""), "Vary");
    teardown(&r);
}

static void pieces_are_compressed_as_one_and_let_go(void **state)
{
    (void)state;
    static rig r;
    KIT_EACH(e) {
        char request[200];
        own(&r);
        r.pier.room = 100;
        snprintf(request, sizeof request, "GET /pieces HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n", hf_encoding_name(e));
        ask(&r, request);
        fake_pier_open(&r.pier, UINT64_MAX);
        drive(&r);
        body_stands_for(&r, e, LONG);
        assert_int_equal(r.held, 1);
        assert_int_equal(r.released, 1);
        teardown(&r);
    }
}

static void an_answer_goes_out_plain_when_there_is_no_memory_to_compress_it(void **state)
{
    (void)state;
    static rig r;
    KIT_EACH(e) {
        size_t plain = 0, coded = 0;
        for (size_t fail_at = 1;; fail_at++) {
            char request[200];
            own(&r);
            plan.length = LONG;
            snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n", hf_encoding_name(e));
            r.world.memory.calls = 0;
            r.world.memory.fail_at = fail_at;
            ask(&r, request);
            const bool reached = r.world.memory.calls >= fail_at;
            r.world.memory.fail_at = 0;
            const bool good = strncmp(r.text, "HTTP/1.1 200", 12) == 0;
            if (good && strstr(r.text, "Content-Encoding") != NULL) {
                coded++;
                body_stands_for(&r, e, LONG);
            } else if (good) {
                plain++;
                has(r.text, "Content-Length: 100000\r\n");
            }
            teardown(&r);
            if (!reached)
                break;
            assert_true(fail_at < 500);
        }
        assert_true(plain > 2 && coded > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_compressed_in_the_coding_that_is_asked_for),
        cmocka_unit_test(who_accepts_none_gets_it_plain_and_is_told_that_it_varies),
        cmocka_unit_test(head_says_what_get_says),
        cmocka_unit_test(only_types_that_gain_are_compressed),
        cmocka_unit_test(what_the_handler_says_of_its_bytes_stays_true),
        cmocka_unit_test(answers_without_content_have_no_coding),
        cmocka_unit_test(who_asks_for_a_range_gets_the_thing_itself),
        cmocka_unit_test(vary_keeps_what_the_handler_said),
        cmocka_unit_test(who_brings_credentials_gets_it_plain),
        cmocka_unit_test(an_answer_that_sets_a_cookie_is_plain),
        cmocka_unit_test(a_route_may_say_that_nothing_in_it_is_secret),
        cmocka_unit_test(a_route_may_say_that_it_is_never_compressed),
        cmocka_unit_test(problem_documents_follow_the_same_rules),
        cmocka_unit_test(small_answers_are_left_alone),
        cmocka_unit_test(noise_leaves_as_it_is_and_still_says_that_it_varies),
        cmocka_unit_test(limit_compress_bytes),
        cmocka_unit_test(pieces_are_compressed_as_one_and_let_go),
        cmocka_unit_test(an_answer_goes_out_plain_when_there_is_no_memory_to_compress_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
