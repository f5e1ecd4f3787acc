/* SPDX-License-Identifier: Apache-2.0
 *
 * Serving a folder, asked as the server asks: paths, names, links, folders, conditionals, ranges, codings, refusals.
 */
#include "files.h"

#include <sys/resource.h>

#include "fake_req.h"
#include "temp_folder.h"

typedef struct site {
    hf_test_world world;
    temp_folder folder;
    hf_files what;
    hf_files_cache *files;
    hf_req *rq; /* the last one asked */
} site;

static site *current; /* for errors_here */

static bool errors_here(hf_req *rq, uint16_t status)
{
    return hf_files_answer_error(current->files, rq, status);
}

static void make(site *s)
{
    memset(s, 0, sizeof *s);
    hf_test_world_init(&s->world, 7);
    temp_make(&s->folder);
    temp_write(&s->folder, "a.txt", "0123456789");
    temp_date(&s->folder, "a.txt", 784111777);
    temp_write(&s->folder, "index.html", "<h1>home</h1>");
    temp_dir(&s->folder, "sub");
    temp_write(&s->folder, "sub/index.html", "<h1>sub</h1>");
    temp_dir(&s->folder, "bare");
    s->what.root = s->folder.path;
    current = s;
}

static void open_with(site *s, unsigned flags)
{
    hf_err err;
    s->files = hf_files_open_with(&s->what, &s->world.env, flags, &err);
    assert_int_equal(err.code, 0);
    assert_non_null(s->files);
}

static site *setup(site *s)
{
    make(s);
    open_with(s, 0);
    return s;
}

static void close_site(site *s)
{
    if (s->rq)
        fake_end(s->rq);
    s->rq = NULL;
    hf_files_close(s->files);
    s->files = NULL;
}

static void teardown(site *s)
{
    close_site(s);
    temp_remove(&s->folder);
    hf_test_world_fini(&s->world);
}

static hf_req *ask_with(site *s, hf_method method, const char *path, const char *const *fields)
{
    if (s->rq)
        fake_end(s->rq);
    s->rq = fake_ask(&s->world.env, method, path, fields);
    s->rq->answer_error = errors_here;
    const hf_err err = hf_files_answer(s->files, s->rq, hf_bytes_make(s->rq->path.ptr + 1, s->rq->path.len - 1));
    assert_int_equal(err.code, 0);
    return s->rq;
}

static hf_req *get(site *s, const char *path)
{
    return ask_with(s, HF_METHOD_GET, path, NULL);
}

#define ASK(s, path, ...) ask_with(s, HF_METHOD_GET, path, (const char *const[]){ __VA_ARGS__, NULL })

static void is_field(hf_req *rq, const char *name, const char *value)
{
    const char *have = fake_field(rq, name);
    if (!value)
        assert_null(have);
    else
        assert_string_equal(have ? have : "(none)", value);
}

static void is(hf_req *rq, uint16_t status, const char *body)
{
    assert_int_equal(rq->status, status);
    if (body)
        assert_string_equal(fake_body(rq, NULL), body);
}

/* A copy of the answer's field. Lends one of two static buffers in turn. */
static const char *kept(hf_req *rq, const char *name)
{
    static char values[2][256];
    static unsigned next;
    const char *have = fake_field(rq, name);
    assert_non_null(have);
    char *value = values[next++ % 2];
    assert_true(strlen(have) < sizeof values[0]);
    memcpy(value, have, strlen(have) + 1);
    return value;
}

/* ---- files and names ----------------------------------------------------------------------------------------- */

static void a_file_comes_whole_with_its_fields(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    hf_req *rq = get(s, "/a.txt");
    is(rq, 200, "0123456789");
    is_field(rq, "Content-Type", "text/plain; charset=utf-8");
    is_field(rq, "Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    is_field(rq, "Accept-Ranges", "bytes");
    is_field(rq, "Cache-Control", "no-cache");
    is_field(rq, "X-Content-Type-Options", "nosniff");
    is_field(rq, "Vary", NULL);
    is_field(rq, "Content-Encoding", NULL);
    const char *etag = kept(rq, "ETag");
    assert_true(etag[0] == '"' && etag[strlen(etag) - 1] == '"');
    rq = ask_with(s, HF_METHOD_HEAD, "/a.txt", NULL);
    is(rq, 200, NULL);
    assert_int_equal(rq->extent_count, 1);
    is_field(rq, "ETag", etag);
    teardown(s);
}

static void an_empty_file_is_an_empty_answer(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    temp_write(&s->folder, "empty.css", "");
    is(get(s, "/empty.css"), 200, "");
    is_field(s->rq, "Content-Type", "text/css; charset=utf-8");
    is(ASK(s, "/empty.css", "Range", "bytes=0-"), 416, NULL);
    is_field(s->rq, "Content-Range", "bytes */0");
    teardown(s);
}

static void cache_control_is_the_sites_to_choose(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    s->what.cache_control = "public, max-age=60";
    open_with(s, 0);
    is_field(get(s, "/a.txt"), "Cache-Control", "public, max-age=60");
    teardown(s);
}

static void no_request_leaves_the_root(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    temp_dir(&s->folder, "root");
    temp_write(&s->folder, "root/in", "in");
    temp_link(&s->folder, "../a.txt", "root/out");
    temp_link(&s->folder, "..", "root/up");
    temp_link(&s->folder, "/etc", "root/etc");
    temp_link(&s->folder, "in", "root/fine");
    s->what.root = temp_path(&s->folder, "root");
    static const char *const paths[] = { "/../a.txt", "/..", "/./in", "//in", "/up/a.txt", "/etc/passwd", "/out", "/in/", "/in/x",
                                         "/\x01", "//", "/none", "/up/" };
    for (unsigned way = 0; way < 4; way++) {
        s->what.follow_symlinks = way & 1;
        open_with(s, way & 2 ? HF_FILE_WALK : 0);
        is(get(s, "/in"), 200, "in");
        is(get(s, "/fine"), way & 1 ? 200 : 404, way & 1 ? "in" : NULL);
        for (size_t i = 0; i < HF_COUNT(paths); i++) {
            is(get(s, paths[i]), 404, "built-in page");
            assert_int_equal(s->rq->problem, HF_ERR_HTTP_NOT_FOUND);
        }
        close_site(s);
    }
    teardown(s);
}

static void hidden_names_are_not_there(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    temp_dir(&s->folder, ".git");
    temp_write(&s->folder, ".git/config", "secret");
    temp_write(&s->folder, ".env", "secret");
    temp_dir(&s->folder, ".well-known");
    temp_write(&s->folder, ".well-known/security.txt", "Contact");
    temp_write(&s->folder, ".well-known/.x", "secret");
    open_with(s, 0);
    is(get(s, "/.env"), 404, NULL);
    is(get(s, "/.git/config"), 404, NULL);
    is(get(s, "/.git"), 404, NULL);
    is(get(s, "/.well-known/.x"), 404, NULL);
    is(get(s, "/.well-known/security.txt"), 200, "Contact");
    close_site(s);
    s->what.hidden = true;
    open_with(s, 0);
    is(get(s, "/.env"), 200, "secret");
    teardown(s);
}

static void odd_names_are_served(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    static const char *const names[] = { "a b", "100%", "caf\xc3\xa9", "\"q\"", "<script>", "a\\b", "a..b", "\xff" };
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        char path[40];
        snprintf(path, sizeof path, "/%s", names[i]);
        temp_write(&s->folder, names[i], names[i]);
        is(get(s, path), 200, names[i]);
    }
    teardown(s);
}

static void what_is_no_file_is_not_found_and_unreadable_is_forbidden(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    assert_int_equal(mkfifo(temp_path(&s->folder, "fifo"), 0644), 0);
    is(get(s, "/fifo"), 404, NULL);
    temp_write(&s->folder, "shut", "secret");
    assert_int_equal(chmod(temp_path(&s->folder, "shut"), 0), 0);
    temp_be_nobody();
    is(get(s, "/shut"), 403, NULL);
    temp_be_oneself();
    assert_int_equal(s->rq->problem, HF_ERR_HTTP_FORBIDDEN);
    teardown(s);
}

static void a_path_longer_than_any_file_is_not_found(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    static char path[70000];
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    is(get(s, path), 404, NULL);
    path[4090] = 0; /* fits, but its siblings' names would not */
    is(get(s, path), 404, NULL);
    teardown(s);
}

/* ---- folders ------------------------------------------------------------------------------------------------- */

static void a_folder_answers_with_its_index(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    static const char *const names[] = { "start.html", "index.html", NULL };
    temp_write(&s->folder, "sub/start.html", "start");
    open_with(s, 0);
    is(get(s, "/"), 200, "<h1>home</h1>");
    is_field(s->rq, "Content-Type", "text/html; charset=utf-8");
    is(get(s, "/sub/"), 200, "<h1>sub</h1>");
    is(get(s, "/bare/"), 404, NULL);
    close_site(s);
    s->what.index = names;
    open_with(s, 0);
    is(get(s, "/sub/"), 200, "start");
    is(get(s, "/"), 200, "<h1>home</h1>");
    teardown(s);
}

static void a_folder_that_may_only_be_passed_through_has_an_index(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    assert_int_equal(chmod(temp_path(&s->folder, "sub"), 0711), 0);
    temp_be_nobody();
    is(get(s, "/sub/"), 200, "<h1>sub</h1>");
    temp_be_oneself();
    teardown(s);
}

static void a_folder_without_its_slash_is_redirected(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    is_field(get(s, "/sub"), "Location", "/sub/");
    is(s->rq, 301, "");
    is_field(get(s, "/sub?a=b&c=%20d"), "Location", "/sub/?a=b&c=%20d");
    is_field(get(s, "/sub?"), "Location", "/sub/?");
    is_field(get(s, "/sub?a=\r\nX: y\"<\xff>"), "Location", "/sub/?a=%0D%0AX:%20y%22%3C%FF%3E");
    temp_dir(&s->folder, "a b%<\"\xc3\xa9");
    is_field(get(s, "/a b%<\"\xc3\xa9"), "Location", "/a%20b%25%3C%22%C3%A9/");
    teardown(s);
}

static void no_redirect_leads_to_another_host(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    temp_dir(&s->folder, "evil.example");
    temp_dir(&s->folder, "\\evil.example");
    is(get(s, "//evil.example"), 404, NULL);
    is(get(s, "///evil.example"), 404, NULL);
    is(get(s, "/\\evil.example"), 301, NULL);
    is_field(s->rq, "Location", "/%5Cevil.example/");
    /* Below a route, the whole path may still begin with "//". */
    fake_end(s->rq);
    s->rq = fake_ask(&s->world.env, HF_METHOD_GET, "//evil.example", NULL);
    assert_int_equal(hf_files_answer(s->files, s->rq, hf_text("evil.example")).code, 0);
    is(s->rq, 301, NULL);
    const char *location = kept(s->rq, "Location");
    assert_true(location[0] == '/' && location[1] != '/');
    teardown(s);
}

static void a_listing_is_shown_only_when_allowed(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    temp_write(&s->folder, "bare/<b>.txt", "x");
    temp_write(&s->folder, "bare/.hidden", "x");
    s->what.listing = true;
    open_with(s, 0);
    hf_req *rq = get(s, "/bare/");
    is(rq, 200, NULL);
    is_field(rq, "Content-Type", "text/html; charset=utf-8");
    is_field(rq, "Vary", "Accept");
    is_field(rq, "X-Content-Type-Options", "nosniff");
    assert_non_null(strstr(fake_field(rq, "Content-Security-Policy"), "default-src 'none'"));
    assert_non_null(strstr(fake_body(rq, NULL), "<a href=\"./%3Cb%3E.txt\">&lt;b&gt;.txt</a>"));
    assert_null(strstr(fake_body(rq, NULL), ".hidden"));
    rq = ASK(s, "/bare/", "Accept", "application/json");
    is_field(rq, "Content-Type", "application/json");
    assert_non_null(strstr(fake_body(rq, NULL), "{\"name\":\"<b>.txt\",\"type\":\"file\",\"size\":1,"));
    is(get(s, "/sub/"), 200, "<h1>sub</h1>"); /* an index goes first */
    is_field(get(s, "/bare"), "Location", "/bare/");
    assert_int_equal(chmod(temp_path(&s->folder, "bare"), 0711), 0);
    temp_be_nobody();
    is(get(s, "/bare/"), getuid() == 0 ? 403 : 200, NULL);
    temp_be_oneself();
    teardown(s);
}

static void limit_listing_entries(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    s->world.limits.listing_entries = 5;
    s->what.listing = true;
    for (unsigned i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "bare/%u", i);
        temp_write(&s->folder, name, "x");
    }
    open_with(s, 0);
    assert_null(strstr(fake_body(get(s, "/bare/"), NULL), "stops here"));
    temp_write(&s->folder, "bare/6", "x");
    assert_non_null(strstr(fake_body(get(s, "/bare/"), NULL), "more than 5 entries (limit listing_entries)"));
    const char *json = fake_body(ASK(s, "/bare/", "Accept", "application/json"), NULL);
    assert_non_null(strstr(json, "\"complete\":false"));
    teardown(s);
}

static void a_single_page_application_answers_for_its_paths(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    s->what.spa = "index.html";
    open_with(s, 0);
    static const char page[] = "text/html,application/xhtml+xml,*/*;q=0.8";
    is(ASK(s, "/users/7", "Accept", page), 200, "<h1>home</h1>");
    is_field(s->rq, "Vary", "Accept");
    is(ASK(s, "/users/7/", "Accept", page), 200, "<h1>home</h1>");
    is(ASK(s, "/users.d/7", "Accept", page), 200, "<h1>home</h1>");
    is(ASK(s, "/app.js", "Accept", page), 404, NULL);
    is(ASK(s, "/users/7", "Accept", "*/*"), 404, NULL);
    is(ASK(s, "/users/7", "Accept", "text/html;q=0"), 404, NULL);
    is(get(s, "/users/7"), 404, NULL);
    is(ASK(s, "/.users", "Accept", page), 404, NULL);
    is(ASK(s, "/a.txt", "Accept", page), 200, "0123456789");
    teardown(s);
}

static void the_sites_own_error_pages_are_shown(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    temp_dir(&s->folder, "errors");
    temp_write(&s->folder, "errors/404.html", "<h1>lost</h1>");
    temp_write(&s->folder, "errors/412.html", "<h1>changed</h1>");
    s->what.error_pages = temp_path(&s->folder, "errors");
    char errors[300];
    snprintf(errors, sizeof errors, "%s", s->what.error_pages);
    s->what.error_pages = errors;
    open_with(s, 0);
    hf_req *rq = ASK(s, "/none", "Accept", "text/html", "Range", "bytes=0-1", "If-None-Match", "*");
    is(rq, 404, "<h1>lost</h1>"); /* RFC 9110 13.2.1: no conditions on an error */
    is_field(rq, "Content-Type", "text/html; charset=utf-8");
    is_field(rq, "ETag", NULL);
    is_field(rq, "Last-Modified", NULL);
    is_field(rq, "Cache-Control", "no-store");
    assert_int_equal(rq->problem, HF_ERR_HTTP_NOT_FOUND); /* the log still knows why */
    is(ASK(s, "/none", "Accept", "application/problem+json"), 404, "built-in page");
    is(ASK(s, "/a.txt", "If-Match", "\"other\""), 412, "<h1>changed</h1>");
    is(ASK(s, "/a.txt", "Range", "bytes=99-"), 416, "built-in page"); /* there is no 416.html */
    is_field(s->rq, "Content-Range", "bytes */10");
    teardown(s);
}

/* ---- conditionals and ranges --------------------------------------------------------------------------------- */

static void conditions_are_obeyed(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    const char *etag = kept(get(s, "/a.txt"), "ETag");
    hf_req *rq = ASK(s, "/a.txt", "If-None-Match", etag);
    is(rq, 304, "");
    is_field(rq, "ETag", etag);
    is_field(rq, "Cache-Control", "no-cache");
    is_field(rq, "Content-Type", NULL);
    is_field(rq, "Last-Modified", NULL);
    is_field(rq, "Content-Range", NULL);
    assert_int_equal(rq->hold_count, 0);
    is(ASK(s, "/a.txt", "If-None-Match", "*"), 304, "");
    is(ASK(s, "/a.txt", "If-None-Match", "\"x\""), 200, NULL);
    is(ASK(s, "/a.txt", "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), 304, "");
    is(ASK(s, "/a.txt", "If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"), 200, NULL);
    is(ASK(s, "/a.txt", "If-Match", etag), 200, NULL);
    is(ASK(s, "/a.txt", "If-Match", "\"x\""), 412, NULL);
    assert_int_equal(s->rq->problem, HF_ERR_HTTP_PRECONDITION_FAILED);
    is(ASK(s, "/a.txt", "If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"), 412, NULL);
    is(ASK(s, "/none", "If-None-Match", "*"), 404, NULL);
    rq = ask_with(s, HF_METHOD_HEAD, "/a.txt", (const char *const[]){ "If-None-Match", etag, NULL });
    is(rq, 304, "");
    teardown(s);
}

static void a_single_range_is_that_part(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    const char *etag = kept(get(s, "/a.txt"), "ETag");
    hf_req *rq = ASK(s, "/a.txt", "Range", "bytes=2-4");
    is(rq, 206, "234");
    is_field(rq, "Content-Range", "bytes 2-4/10");
    is_field(rq, "Content-Type", "text/plain; charset=utf-8");
    is_field(rq, "ETag", etag);
    is_field(rq, "Cache-Control", "no-cache");
    is_field(rq, "Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    is(ASK(s, "/a.txt", "Range", "bytes=-3"), 206, "789");
    is(ASK(s, "/a.txt", "Range", "bytes=5-"), 206, "56789");
    is(ASK(s, "/a.txt", "Range", "bytes=0-0,1-1"), 206, "01"); /* made one */
    is_field(s->rq, "Content-Range", "bytes 0-1/10");
    is(ASK(s, "/a.txt", "Range", "bytes=10-"), 416, NULL);
    is_field(s->rq, "Content-Range", "bytes */10");
    assert_int_equal(s->rq->problem, HF_ERR_HTTP_RANGE_NOT_SATISFIABLE);
    is(ASK(s, "/a.txt", "Range", "lines=1-2"), 200, "0123456789");
    is(ASK(s, "/a.txt", "Range", "bytes=1-2", "Range", "bytes=3-4"), 200, "0123456789");
    is(ask_with(s, HF_METHOD_HEAD, "/a.txt", (const char *const[]){ "Range", "bytes=2-4", NULL }), 200, NULL);
    is_field(s->rq, "Content-Range", NULL);
    is(ASK(s, "/a.txt", "Range", "bytes=2-4", "If-None-Match", etag), 304, "");
    teardown(s);
}

static void if_range_decides_between_part_and_whole(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    const char *etag = kept(get(s, "/a.txt"), "ETag");
    hf_req *rq = ASK(s, "/a.txt", "Range", "bytes=2-4", "If-Range", etag);
    is(rq, 206, "234");
    is_field(rq, "Last-Modified", NULL); /* RFC 9110 15.3.7 */
    is_field(rq, "ETag", etag);
    is(ASK(s, "/a.txt", "Range", "bytes=2-4", "If-Range", "\"other\""), 200, "0123456789");
    is(ASK(s, "/a.txt", "Range", "bytes=99-", "If-Range", "\"other\""), 200, "0123456789");
    is(ASK(s, "/a.txt", "Range", "bytes=2-4", "If-Range", "Sun, 06 Nov 1994 08:49:37 GMT"), 206, "234");
    is(ASK(s, "/a.txt", "Range", "bytes=2-4", "If-Range", "Sun, 06 Nov 1994 08:49:38 GMT"), 200, NULL);
    teardown(s);
}

static void several_ranges_come_as_parts(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    for (unsigned in_memory = 0; in_memory < 2; in_memory++) {
        s->world.limits.hot_file_bytes = in_memory ? 65536 : 0;
        close_site(s);
        open_with(s, 0);
        hf_req *rq = ASK(s, "/a.txt", "Range", "bytes=0-1,4-5,-1");
        is(rq, 206, NULL);
        is_field(rq, "Content-Range", NULL);
        const char *type = kept(rq, "Content-Type"), *start = "multipart/byteranges; boundary=";
        assert_int_equal(strncmp(type, start, strlen(start)), 0);
        const char *boundary = type + strlen(start);
        char expected[1024];
        snprintf(expected, sizeof expected,
                 "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n"
                 "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 4-5/10\r\n\r\n45\r\n"
                 "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 9-9/10\r\n\r\n9\r\n"
                 "--%s--\r\n", boundary, boundary, boundary, boundary);
        is(rq, 206, expected);
        char other[128];
        snprintf(other, sizeof other, "%s", type);
        assert_string_not_equal(other, kept(ASK(s, "/a.txt", "Range", "bytes=0-1,4-5,-1"), "Content-Type"));
    }
    teardown(s);
}

static void limit_ranges(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    s->world.limits.ranges = 3;
    hf_req *rq = ASK(s, "/a.txt", "Range", "bytes=0-0,2-2,4-4");
    is(rq, 206, NULL);
    assert_int_equal(rq->noted, 0);
    rq = ASK(s, "/a.txt", "Range", "bytes=0-0,2-2,4-4,6-6");
    is(rq, 200, "0123456789");
    assert_int_equal(rq->noted, HF_ERR_HTTP_RANGES);
    s->world.limits.ranges = 0;
    is(ASK(s, "/a.txt", "Range", "bytes=0-0"), 200, "0123456789");
    teardown(s);
}

/* Where the connection keeps fronts: whole, from the second time on. Ranges, and who cannot, get memory. */
static void a_file_with_a_front_is_sent_as_a_file(void **state)
{
    (void)state;
    enum { SIZE = 9000 };
    site place, *s = setup(&place);
    char bytes[SIZE + 1];
    memset(bytes, 'b', SIZE);
    bytes[SIZE] = 0;
    temp_write(&s->folder, "page.bin", bytes);
    temp_settle();
    for (unsigned i = 0; i < 4; i++) {
        static const char *const range[] = { "Range", "bytes=10-8999", NULL }, *const none[] = { NULL };
        const bool whole = i != 2;
        size_t size;
        if (s->rq)
            fake_end(s->rq);
        s->rq = fake_ask(&s->world.env, HF_METHOD_GET, "/page.bin", whole ? none : range);
        s->rq->fronts = i != 3;
        assert_int_equal(hf_files_answer(s->files, s->rq, hf_text("page.bin")).code, 0);
        assert_int_equal(s->rq->status, whole ? 200 : 206);
        assert_int_equal(s->rq->extent_count, 1);
        assert_int_equal(s->rq->extents[0].kind, i == 1 ? HF_EXTENT_FILE : HF_EXTENT_LENT);
        const char *body = fake_body(s->rq, &size);
        assert_int_equal(size, whole ? SIZE : SIZE - 10);
        assert_memory_equal(body, bytes, size);
    }
    teardown(s);
}

static void ranges_of_a_large_file_are_sent_from_the_file(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    static char large[200000];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i % 251);
    temp_write_bytes(&s->folder, "large.bin", large, sizeof large);
    size_t n;
    hf_req *rq = get(s, "/large.bin");
    const char *body = fake_body(rq, &n);
    assert_int_equal(n, sizeof large);
    assert_memory_equal(body, large, n);
    assert_int_equal(rq->extents[0].kind, HF_EXTENT_FILE);
    assert_int_equal(rq->hold_count, 1);
    rq = ASK(s, "/large.bin", "Range", "bytes=100000-100009");
    body = fake_body(rq, &n);
    assert_int_equal(n, 10);
    assert_memory_equal(body, large + 100000, n);
    teardown(s);
}

/* ---- codings ------------------------------------------------------------------------------------------------- */

static void make_coded(site *s)
{
    make(s);
    temp_write(&s->folder, "c.css", "plain");
    temp_write(&s->folder, "c.css.gz", "gzip");
    temp_write(&s->folder, "c.css.br", "brotli");
    temp_write(&s->folder, "c.css.zst", "zstd");
    temp_date(&s->folder, "c.css", 1000);
    temp_date(&s->folder, "c.css.gz", 1000); /* as old is new enough */
    temp_date(&s->folder, "c.css.br", 1001);
    temp_date(&s->folder, "c.css.zst", 1002);
}

static void a_precompressed_sibling_is_sent_to_who_takes_it(void **state)
{
    (void)state;
    site place, *s = &place;
    make_coded(s);
    open_with(s, 0);
    static const struct { const char *accept, *body, *coding; } rows[] = {
        { "gzip", "gzip", "gzip" }, { "br", "brotli", "br" }, { "zstd", "zstd", "zstd" }, { "gzip, br, zstd", "zstd", "zstd" },
        { "gzip, br;q=0.5", "gzip", "gzip" }, { "identity", "plain", NULL }, { "deflate", "plain", NULL },
    };
    char tags[HF_COUNT(rows)][256];
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_req *rq = ASK(s, "/c.css", "Accept-Encoding", rows[i].accept);
        is(rq, 200, rows[i].body);
        is_field(rq, "Content-Encoding", rows[i].coding);
        is_field(rq, "Content-Type", "text/css; charset=utf-8");
        is_field(rq, "Vary", "Accept-Encoding");
        memcpy(tags[i], kept(rq, "ETag"), sizeof tags[i]);
    }
    for (size_t i = 0; i < 3; i++) /* RFC 9110 8.8.3.3 */
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(tags[i], tags[j]);
    is(get(s, "/c.css"), 200, "plain");
    is_field(s->rq, "Vary", "Accept-Encoding");
    is(ASK(s, "/c.css", "Accept-Encoding", "gzip", "If-None-Match", tags[0]), 304, "");
    is_field(s->rq, "Vary", "Accept-Encoding");
    is(ASK(s, "/c.css", "Accept-Encoding", "gzip", "If-None-Match", tags[1]), 200, "gzip");
    is(get(s, "/c.css.gz"), 200, "gzip"); /* a file of its own, too */
    is_field(s->rq, "Content-Type", "application/gzip");
    is_field(s->rq, "Content-Encoding", NULL);
    teardown(s);
}

static void a_range_is_a_range_of_the_file_itself(void **state)
{
    (void)state;
    site place, *s = &place;
    make_coded(s);
    open_with(s, 0);
    const char *coded = kept(ASK(s, "/c.css", "Accept-Encoding", "gzip"), "ETag");
    is(ASK(s, "/c.css", "Accept-Encoding", "gzip", "Range", "bytes=0-1"), 206, "pl");
    is_field(s->rq, "Content-Encoding", NULL);
    is_field(s->rq, "Vary", "Accept-Encoding");
    is(ASK(s, "/c.css", "Accept-Encoding", "gzip", "Range", "bytes=0-1", "If-Range", coded), 200, "plain");
    teardown(s);
}

static void a_stale_sibling_is_not_sent(void **state)
{
    (void)state;
    site place, *s = &place;
    make_coded(s);
    temp_date(&s->folder, "c.css", 1001);
    assert_int_equal(unlink(temp_path(&s->folder, "c.css.zst")), 0);
    temp_link(&s->folder, "c.css.br", "c.css.zst");
    open_with(s, 0);
    is(ASK(s, "/c.css", "Accept-Encoding", "gzip"), 200, "plain");
    is(ASK(s, "/c.css", "Accept-Encoding", "gzip, br"), 200, "brotli");
    is(ASK(s, "/c.css", "Accept-Encoding", "zstd"), 200, "plain"); /* a link is not followed there either */
    close_site(s);
    s->what.no_precompressed = true;
    open_with(s, 0);
    is(ASK(s, "/c.css", "Accept-Encoding", "gzip, br"), 200, "plain");
    is_field(s->rq, "Vary", NULL);
    teardown(s);
}

static void a_sibling_that_turns_out_older_is_not_sent(void **state)
{
    (void)state;
    site place, *s = &place;
    make_coded(s);
    open_with(s, 0);
    is(get(s, "/c.css"), 200, "plain"); /* now it is known that there is a sibling */
    temp_date(&s->folder, "c.css.gz", 999);
    is(ASK(s, "/c.css", "Accept-Encoding", "gzip"), 200, "plain");
    is_field(s->rq, "Content-Encoding", NULL);
    assert_int_equal(unlink(temp_path(&s->folder, "c.css.br")), 0);
    is(ASK(s, "/c.css", "Accept-Encoding", "br"), 200, "plain");
    teardown(s);
}

/* ---- trouble ------------------------------------------------------------------------------------------------- */

static void out_of_descriptors_the_cold_ones_are_given_up(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    s->world.limits.hot_file_bytes = 0; /* every file keeps its descriptor */
    open_with(s, 0);
    is(get(s, "/a.txt"), 200, "0123456789");
    is(get(s, "/index.html"), 200, NULL);
    temp_write(&s->folder, "b.txt", "b");
    fake_end(s->rq); /* index.html is cold as well */
    s->rq = NULL;
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = dup(0);
    close(next);
    low = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    hf_req *rq = get(s, "/b.txt");
    const uint16_t status = rq->status;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, 200);
    is(rq, 200, "b");
    assert_true(hf_files_count(s->files).evictions >= 1);
    teardown(s);
}

static void out_of_descriptors_for_good_is_503(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const hf_req *rq = get(s, "/a.txt");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rq->status, 503);
    assert_int_equal(rq->problem, HF_ERR_IO_DESCRIPTORS);
    is(get(s, "/a.txt"), 200, "0123456789"); /* and it is over when it is over */
    teardown(s);
}

static void a_file_that_shrinks_ends_its_answer(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    s->world.limits.hot_file_bytes = 0;
    open_with(s, 0);
    hf_req *rq = get(s, "/a.txt");
    assert_int_equal(rq->extents[0].kind, HF_EXTENT_FILE);
    temp_settle();
    temp_write(&s->folder, "a.txt", "01234");
    assert_null(fake_body(rq, NULL));
    teardown(s);
}

static void answers_outlive_the_cache(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    static char text[3000];
    memset(text, 'x', sizeof text - 1);
    temp_write(&s->folder, "big.txt", text);
    open_with(s, 0);
    hf_req *rq = get(s, "/big.txt");
    assert_int_equal(rq->extents[0].kind, HF_EXTENT_LENT);
    s->rq = NULL;
    hf_files_close(s->files);
    s->files = NULL;
    is(rq, 200, text);
    fake_end(rq);
    teardown(s);
}

/* Every allocation fails in turn: no leak, no crash, and either no answer or a right one. */
static void fail_in_turn(site *s, const char *path, const char *const *fields, uint16_t status)
{
    bool done = false;
    for (size_t at = 1; !done && at < 200; at++) {
        hf_err err;
        s->world.memory.calls = 0;
        s->world.memory.fail_at = at;
        s->files = hf_files_open(&s->what, &s->world.env, &err);
        if (s->files) {
            hf_req *rq = fake_ask(&s->world.env, HF_METHOD_GET, path, fields);
            err = hf_files_answer(s->files, rq, hf_bytes_make(rq->path.ptr + 1, rq->path.len - 1));
            if (err.code == 0)
                assert_int_equal(rq->status, status);
            fake_end(rq);
        }
        if (err.code != 0)
            assert_int_equal(err.code, HF_ERR_BASE_MEMORY);
        done = s->world.memory.calls < at;
        hf_files_close(s->files);
        s->files = NULL;
        assert_int_equal(s->world.memory.blocks, 0);
    }
    s->world.memory.fail_at = 0;
    assert_true(done);
}

static void no_failed_allocation_leaks_or_crashes(void **state)
{
    (void)state;
    site place, *s = &place;
    make_coded(s);
    static char text[3000];
    memset(text, 'x', sizeof text - 1);
    temp_write(&s->folder, "big.txt", text);
    s->what.listing = true;
    s->what.spa = "index.html";
    fail_in_turn(s, "/big.txt", NULL, 200);
    fail_in_turn(s, "/a.txt", NULL, 200);
    fail_in_turn(s, "/a.txt", (const char *const[]){ "Range", "bytes=0-1,4-5", NULL }, 206);
    fail_in_turn(s, "/a.txt", (const char *const[]){ "Range", "bytes=99-", NULL }, 416);
    fail_in_turn(s, "/c.css", (const char *const[]){ "Accept-Encoding", "br", NULL }, 200);
    fail_in_turn(s, "/a.txt", (const char *const[]){ "If-None-Match", "*", NULL }, 304);
    fail_in_turn(s, "/sub", NULL, 301);
    fail_in_turn(s, "/bare/", NULL, 200);
    fail_in_turn(s, "/none", (const char *const[]){ "Accept", "text/html", NULL }, 200);
    teardown(s);
}

static void what_cannot_be_served_is_refused_at_open(void **state)
{
    (void)state;
    site place, *s = &place;
    make(s);
    hf_err err;
    s->what.root = temp_path(&s->folder, "none");
    assert_null(hf_files_open(&s->what, &s->world.env, &err));
    assert_int_equal(err.code, HF_ERR_HTTP_NOT_FOUND);
    s->what.root = s->folder.path;
    s->what.error_pages = temp_path(&s->folder, "none");
    assert_null(hf_files_open(&s->what, &s->world.env, &err));
    assert_int_equal(err.code, HF_ERR_HTTP_NOT_FOUND);
    s->what = (hf_files){ 0 };
    assert_null(hf_files_open(&s->what, &s->world.env, &err));
    assert_int_equal(err.code, HF_ERR_BASE_USAGE);
    teardown(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_comes_whole_with_its_fields),
        cmocka_unit_test(an_empty_file_is_an_empty_answer),
        cmocka_unit_test(cache_control_is_the_sites_to_choose),
        cmocka_unit_test(no_request_leaves_the_root),
        cmocka_unit_test(hidden_names_are_not_there),
        cmocka_unit_test(odd_names_are_served),
        cmocka_unit_test(what_is_no_file_is_not_found_and_unreadable_is_forbidden),
        cmocka_unit_test(a_path_longer_than_any_file_is_not_found),
        cmocka_unit_test(a_folder_answers_with_its_index),
        cmocka_unit_test(a_folder_that_may_only_be_passed_through_has_an_index),
        cmocka_unit_test(a_folder_without_its_slash_is_redirected),
        cmocka_unit_test(no_redirect_leads_to_another_host),
        cmocka_unit_test(a_listing_is_shown_only_when_allowed),
        cmocka_unit_test(limit_listing_entries),
        cmocka_unit_test(a_single_page_application_answers_for_its_paths),
        cmocka_unit_test(the_sites_own_error_pages_are_shown),
        cmocka_unit_test(conditions_are_obeyed),
        cmocka_unit_test(a_single_range_is_that_part),
        cmocka_unit_test(if_range_decides_between_part_and_whole),
        cmocka_unit_test(several_ranges_come_as_parts),
        cmocka_unit_test(limit_ranges),
        cmocka_unit_test(a_file_with_a_front_is_sent_as_a_file),
        cmocka_unit_test(ranges_of_a_large_file_are_sent_from_the_file),
        cmocka_unit_test(a_precompressed_sibling_is_sent_to_who_takes_it),
        cmocka_unit_test(a_range_is_a_range_of_the_file_itself),
        cmocka_unit_test(a_stale_sibling_is_not_sent),
        cmocka_unit_test(a_sibling_that_turns_out_older_is_not_sent),
        cmocka_unit_test(out_of_descriptors_the_cold_ones_are_given_up),
        cmocka_unit_test(out_of_descriptors_for_good_is_503),
        cmocka_unit_test(a_file_that_shrinks_ends_its_answer),
        cmocka_unit_test(answers_outlive_the_cache),
        cmocka_unit_test(no_failed_allocation_leaks_or_crashes),
        cmocka_unit_test(what_cannot_be_served_is_refused_at_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
