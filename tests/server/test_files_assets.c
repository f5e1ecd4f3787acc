/* SPDX-License-Identifier: Apache-2.0
 *
 * Files inside the program: the same answers as from a folder, without one.
 */
#include "asset.h"
#include "fake_req.h"
#include "files.h"

#define BYTES(text) .bytes = (const unsigned char *)(text), .size = sizeof(text) - 1
#define GZIP(text) .gzip = (const unsigned char *)(text), .gzip_size = sizeof(text) - 1, .gzip_etag = "\"z\""

static const hf_asset table[] = {
    { .path = "/", BYTES("home"), .type = "text/html; charset=utf-8", .etag = "\"home\"" },
    { .path = "/a.css", BYTES("0123456789"), GZIP("zipped"), .type = "text/css; charset=utf-8", .etag = "\"a\"" },
    { .path = "/errors/404.html", BYTES("lost"), .type = "text/html; charset=utf-8", .etag = "\"e\"" },
    { .path = "/tour/", BYTES("tour"), .type = "text/html; charset=utf-8", .etag = "\"t\"" },
    { .path = "/tour/tcp/", BYTES("tcp"), GZIP("t"), .type = "text/html; charset=utf-8", .etag = "\"c\"" },
    { .path = "/tour/tcp/data", BYTES(""), .type = "text/plain", .etag = "\"d\"" },
};

static hf_test_world world;
static hf_files what;
static hf_files_cache *files;
static hf_req *rq;

static bool errors_here(hf_req *asked, uint16_t status)
{
    return hf_files_answer_error(files, asked, status);
}

static int setup(void **state)
{
    (void)state;
    hf_err err;
    hf_test_world_init(&world, 1);
    what = (hf_files){ .assets = table, .asset_count = HF_COUNT(table), .error_pages = "/errors/" };
    files = hf_files_open(&what, &world.env, &err);
    assert_int_equal(err.code, 0);
    rq = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (rq)
        fake_end(rq);
    hf_files_close(files);
    hf_test_world_fini(&world);
    return 0;
}

static hf_req *ask(const char *path, const char *const *fields)
{
    if (rq)
        fake_end(rq);
    rq = fake_ask(&world.env, HF_METHOD_GET, path, fields);
    rq->answer_error = errors_here;
    assert_int_equal(hf_files_answer(files, rq, hf_bytes_make(rq->path.ptr + 1, rq->path.len - 1)).code, 0);
    return rq;
}

#define ASK(path, ...) ask(path, (const char *const[]){ __VA_ARGS__, NULL })

static void is(uint16_t status, const char *body)
{
    assert_int_equal(rq->status, status);
    assert_string_equal(fake_body(rq, NULL), body);
}

static void is_field(const char *name, const char *value)
{
    const char *have = fake_field(rq, name);
    if (!value)
        assert_null(have);
    else
        assert_string_equal(have ? have : "(none)", value);
}

static void every_asset_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(table); i++) {
        ask(table[i].path, NULL);
        is(200, (const char *)table[i].bytes);
        is_field("ETag", table[i].etag);
        is_field("Content-Type", table[i].type);
        is_field("Last-Modified", NULL);
        is_field("X-Content-Type-Options", "nosniff");
        is_field("Cache-Control", "no-cache");
        is_field("Vary", table[i].gzip ? "Accept-Encoding" : NULL);
        assert_int_equal(rq->hold_count, 0);
    }
}

static void what_is_no_asset_is_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = { "/a", "/a.cs", "/a.css/", "/a.csst", "/tours", "/zzz", "/tour/tcp/data/", "//", "/tour//", "/A.css", "/!" };
    for (size_t i = 0; i < HF_COUNT(paths); i++) {
        ask(paths[i], NULL);
        is(404, "lost");
        assert_int_equal(rq->problem, HF_ERR_HTTP_NOT_FOUND);
        is_field("ETag", NULL);
    }
    ASK("/zzz", "Accept", "application/problem+json");
    is(404, "built-in page");
}

static void a_folder_without_its_slash_is_redirected(void **state)
{
    (void)state;
    ask("/tour", NULL);
    is(301, "");
    is_field("Location", "/tour/");
    ask("/tour/tcp?x=1", NULL);
    is(301, "");
    is_field("Location", "/tour/tcp/?x=1");
}

static void conditions_ranges_and_codings_are_obeyed(void **state)
{
    (void)state;
    ASK("/a.css", "Accept-Encoding", "gzip");
    is(200, "zipped");
    is_field("Content-Encoding", "gzip");
    is_field("ETag", "\"z\"");
    ASK("/a.css", "Accept-Encoding", "gzip", "If-None-Match", "\"z\"");
    is(304, "");
    is_field("Vary", "Accept-Encoding");
    ASK("/a.css", "If-None-Match", "\"a\"");
    is(304, "");
    ASK("/a.css", "Accept-Encoding", "gzip", "Range", "bytes=1-3");
    is(206, "123");
    is_field("Content-Range", "bytes 1-3/10");
    is_field("Content-Encoding", NULL);
    ASK("/a.css", "Accept-Encoding", "br");
    is(200, "0123456789");
}

static void a_page_stands_in_for_single_page_applications(void **state)
{
    (void)state;
    what.spa = ""; /* the page "/" */
    ASK("/users/7", "Accept", "text/html");
    is(200, "home");
    is_field("Vary", "Accept");
    ASK("/users/7.js", "Accept", "text/html");
    is(404, "lost");
    what.spa = "tour/tcp/";
    ASK("/users/7", "Accept", "text/html", "Accept-Encoding", "gzip");
    is(200, "t");
    is_field("Vary", "Accept, Accept-Encoding");
}

static void an_unsorted_table_is_refused_at_open(void **state)
{
    (void)state;
    static const hf_asset wrong[] = { { .path = "/b" }, { .path = "/a" } }, twice[] = { { .path = "/a" }, { .path = "/a" } },
                          relative[] = { { .path = "a" } };
    const hf_files tables[] = { { .assets = wrong, .asset_count = 2 }, { .assets = twice, .asset_count = 2 },
                                { .assets = relative, .asset_count = 1 }, { .assets = table, .asset_count = 1, .root = "." } };
    for (size_t i = 0; i < HF_COUNT(tables); i++) {
        hf_err err;
        assert_null(hf_files_open(&tables[i], &world.env, &err));
        assert_int_equal(err.code, HF_ERR_BASE_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_asset_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_asset_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_without_its_slash_is_redirected, setup, teardown),
        cmocka_unit_test_setup_teardown(conditions_ranges_and_codings_are_obeyed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_stands_in_for_single_page_applications, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unsorted_table_is_refused_at_open, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
