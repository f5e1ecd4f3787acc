/* SPDX-License-Identifier: Apache-2.0
 *
 * The route table: what wins, what is refused and with which words.
 */
#include "router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static hf_err handler(hf_req *rq)
{
    (void)rq;
    return HF_OK;
}

static const hf_files some_files = { .root = "." };

typedef struct table {
    hf_test_world world;
    hf_router *router;
    const hf_route *routes;
    char why[8192];
} table;

static void make(table *t, const hf_route *routes, size_t count)
{
    hf_test_world_init(&t->world, 1);
    hf_writer w = hf_writer_make(t->why, sizeof t->why - 1);
    t->routes = routes;
    t->router = hf_router_new(&t->world.env.alloc, routes, count, &w);
    t->why[w.length] = 0;
}

static void unmake(table *t)
{
    hf_router_free(t->router);
    hf_test_world_fini(&t->world);
}

/* The row that answers, or -1. */
static int row(table *t, hf_method method, const char *path, hf_route_match *match)
{
    hf_router_match(t->router, method, hf_text(path), match);
    return match->route == NULL ? -1 : (int)(match->route - t->routes);
}

static void answers(table *t, hf_method method, const char *path, int wanted)
{
    hf_route_match match;
    const int got = row(t, method, path, &match);
    if (got != wanted)
        fail_msg("%s: row %d answers, not %d", path, got, wanted);
}

static void argument_is(const hf_route_match *match, size_t i, const char *name, const char *value)
{
    assert_true(i < match->argument_count);
    assert_true(hf_bytes_equal(hf_bytes_make(match->arguments[i].name, match->arguments[i].name_length), hf_text(name)));
    assert_true(hf_bytes_equal(match->arguments[i].value, hf_text(value)));
}

#define BIT(method) (1u << HF_METHOD_##method)

static void literals_win_over_names_and_names_over_the_rest(void **state)
{
    (void)state;
    static const hf_route routes[] = {
        { .path = "/{rest...}", .handle = handler },
        { .path = "/a/{name}", .handle = handler },
        { .path = "/a/b", .handle = handler },
        { .path = "/", .handle = handler },
        { .path = "/a/{rest...}", .handle = handler },
    };
    table t;
    make(&t, routes, HF_COUNT(routes));
    answers(&t, HF_METHOD_GET, "/", 3);
    answers(&t, HF_METHOD_GET, "/a/b", 2);
    answers(&t, HF_METHOD_GET, "/a/c", 1);
    answers(&t, HF_METHOD_GET, "/a/c/d", 4);
    answers(&t, HF_METHOD_GET, "/a/", 4);
    answers(&t, HF_METHOD_GET, "/a", 0);
    answers(&t, HF_METHOD_GET, "/x/y/z", 0);
    answers(&t, HF_METHOD_GET, "//", 0);
    unmake(&t);
}

static void the_search_goes_back_where_a_literal_leads_nowhere(void **state)
{
    (void)state;
    static const hf_route routes[] = {
        { .path = "/a/b/c", .handle = handler },
        { .path = "/{x}/b/d", .handle = handler },
        { .path = "/{x}/{y}/e", .handle = handler },
    };
    table t;
    hf_route_match match;
    make(&t, routes, HF_COUNT(routes));
    assert_int_equal(row(&t, HF_METHOD_GET, "/a/b/d", &match), 1);
    assert_int_equal(match.argument_count, 1);
    argument_is(&match, 0, "x", "a");
    assert_int_equal(row(&t, HF_METHOD_GET, "/a/b/e", &match), 2);
    assert_int_equal(match.argument_count, 2);
    argument_is(&match, 0, "x", "a");
    argument_is(&match, 1, "y", "b");
    assert_int_equal(row(&t, HF_METHOD_GET, "/a/b/f", &match), -1);
    assert_int_equal(match.argument_count, 0);
    unmake(&t);
}

static void what_a_way_that_was_given_up_took_for_arguments_is_forgotten(void **state)
{
    (void)state;
    static const hf_route routes[] = {
        { .path = "/a/{one}/{two}/b", .handle = handler },
        { .path = "/{p}/{q}/c/{r}", .handle = handler },
        { .path = "/{p}/{whole...}", .handle = handler },
    };
    table t;
    hf_route_match match;
    make(&t, routes, HF_COUNT(routes));
    assert_int_equal(row(&t, HF_METHOD_GET, "/a/1/c/3", &match), 1);
    assert_int_equal(match.argument_count, 3);
    argument_is(&match, 0, "p", "a");
    argument_is(&match, 1, "q", "1");
    argument_is(&match, 2, "r", "3");
    assert_int_equal(row(&t, HF_METHOD_GET, "/a/1/2/3/4", &match), 2);
    assert_int_equal(match.argument_count, 2);
    argument_is(&match, 0, "p", "a");
    argument_is(&match, 1, "whole", "1/2/3/4");
    unmake(&t);
}

static void arguments_have_the_names_of_their_own_row(void **state)
{
    (void)state;
    static const hf_route routes[] = {
        { .method = "GET", .path = "/user/{id}/post/{post}", .handle = handler },
        { .method = "PUT", .path = "/user/{who}/post/{which}", .handle = handler },
        { .path = "/f/{dir}/{rest...}", .handle = handler },
    };
    table t;
    hf_route_match match;
    make(&t, routes, HF_COUNT(routes));
    assert_int_equal(row(&t, HF_METHOD_GET, "/user/7/post/a b", &match), 0);
    argument_is(&match, 0, "id", "7");
    argument_is(&match, 1, "post", "a b");
    assert_int_equal(row(&t, HF_METHOD_PUT, "/user/7/post/8", &match), 1);
    argument_is(&match, 0, "who", "7");
    argument_is(&match, 1, "which", "8");
    assert_int_equal(row(&t, HF_METHOD_GET, "/f/x/y/z.css", &match), 2);
    argument_is(&match, 0, "dir", "x");
    argument_is(&match, 1, "rest", "y/z.css");
    assert_int_equal(row(&t, HF_METHOD_GET, "/f/x/", &match), 2);
    argument_is(&match, 1, "rest", "");
    unmake(&t);
}

static void a_name_takes_no_empty_segment(void **state)
{
    (void)state;
    static const hf_route routes[] = { { .path = "/a/{name}", .handle = handler }, { .path = "/b/{name}/", .handle = handler } };
    table t;
    make(&t, routes, HF_COUNT(routes));
    answers(&t, HF_METHOD_GET, "/a/", -1);
    answers(&t, HF_METHOD_GET, "/a", -1);
    answers(&t, HF_METHOD_GET, "/a/x/", -1);
    answers(&t, HF_METHOD_GET, "/b/x", -1);
    answers(&t, HF_METHOD_GET, "/b/x/", 1);
    answers(&t, HF_METHOD_GET, "/b//", -1);
    unmake(&t);
}

static void head_finds_the_row_of_get_unless_it_has_its_own(void **state)
{
    (void)state;
    static const hf_route routes[] = {
        { .method = "GET", .path = "/a", .handle = handler },
        { .method = "GET", .path = "/b", .handle = handler },
        { .method = "HEAD", .path = "/b", .handle = handler },
        { .method = "POST", .path = "/c", .handle = handler },
    };
    table t;
    make(&t, routes, HF_COUNT(routes));
    answers(&t, HF_METHOD_HEAD, "/a", 0);
    answers(&t, HF_METHOD_HEAD, "/b", 2);
    answers(&t, HF_METHOD_GET, "/b", 1);
    answers(&t, HF_METHOD_HEAD, "/c", -1);
    unmake(&t);
}

static void the_methods_of_a_path_are_those_of_every_row_that_fits_it(void **state)
{
    (void)state;
    static const hf_route routes[] = {
        { .method = "GET", .path = "/a", .handle = handler },
        { .method = "POST", .path = "/a", .handle = handler },
        { .method = "PUT", .path = "/{x}", .handle = handler },
        { .method = "QUERY", .path = "/a/{rest...}", .handle = handler },
        { .method = "DELETE", .path = "/{rest...}", .handle = handler },
    };
    table t;
    hf_route_match match;
    make(&t, routes, HF_COUNT(routes));
    assert_int_equal(row(&t, HF_METHOD_PATCH, "/a", &match), -1);
    assert_int_equal(match.methods, BIT(GET) | BIT(POST) | BIT(PUT) | BIT(DELETE));
    assert_int_equal(row(&t, HF_METHOD_PATCH, "/b", &match), -1);
    assert_int_equal(match.methods, BIT(PUT) | BIT(DELETE));
    assert_int_equal(row(&t, HF_METHOD_OPTIONS, "/a/b", &match), -1);
    assert_int_equal(match.methods, BIT(QUERY) | BIT(DELETE));
    answers(&t, HF_METHOD_PUT, "/a", 2); /* what Allow says is true */
    answers(&t, HF_METHOD_DELETE, "/a", 4);
    assert_int_equal(hf_router_methods(t.router), BIT(GET) | BIT(POST) | BIT(PUT) | BIT(QUERY) | BIT(DELETE));
    unmake(&t);
}

static void where_no_row_fits_there_are_no_methods(void **state)
{
    (void)state;
    static const hf_route routes[] = { { .path = "/a/b", .handle = handler }, { .path = "/a/{x}/c", .handle = handler } };
    table t;
    hf_route_match match;
    make(&t, routes, HF_COUNT(routes));
    static const char *const none[] = { "/", "/a", "/a/", "/a/b/", "/a/x", "/A/b", "/a/b/c/d", "/b" };
    for (size_t i = 0; i < HF_COUNT(none); i++) {
        assert_int_equal(row(&t, HF_METHOD_GET, none[i], &match), -1);
        if (match.methods != 0)
            fail_msg("%s has methods %x", none[i], match.methods);
    }
    unmake(&t);
}

static void an_empty_table_answers_nothing(void **state)
{
    (void)state;
    table t;
    make(&t, NULL, 0);
    assert_non_null(t.router);
    answers(&t, HF_METHOD_GET, "/", -1);
    assert_int_equal(hf_router_methods(t.router), 0);
    unmake(&t);
}

static hf_err body_handler(hf_req *rq, hf_bytes piece)
{
    (void)rq, (void)piece;
    return HF_OK;
}

static hf_err upload_handler(hf_req *rq, const hf_upload *upload)
{
    (void)rq, (void)upload;
    return HF_OK;
}

static void refused(const hf_route *route, const char *wanted)
{
    table t;
    make(&t, route, 1);
    if (t.router != NULL || strcmp(t.why, wanted) != 0)
        fail_msg("said \"%s\", not \"%s\"", t.why, wanted);
    unmake(&t);
}

static void every_wrong_row_is_refused_with_its_sentence(void **state)
{
    (void)state;
#define SEGMENT "an argument is a whole segment: {name} or {name...}, of letters, digits, '_' and '-'\n"
    static const char *const chat_protocols[] = { "chat", NULL };
    const struct {
        hf_route route;
        const char *why;
    } rows[] = {
        { { .handle = handler }, "route 0 (GET no path): a route has a path\n" },
        { { .path = "", .handle = handler }, "route 0 (GET ): a path begins with '/'\n" },
        { { .path = "a", .handle = handler }, "route 0 (GET a): a path begins with '/'\n" },
        { { .method = "get", .path = "/", .handle = handler },
          "route 0 (get /): no such method; names are case-sensitive, as in GET\n" },
        { { .method = "CONNECT", .path = "/", .handle = handler }, "route 0 (CONNECT /): CONNECT and TRACE are not served\n" },
        { { .method = "TRACE", .path = "/", .handle = handler }, "route 0 (TRACE /): CONNECT and TRACE are not served\n" },
        { { .path = "/" }, "route 0 (GET /): a route has one of handle, files, websocket and events\n" },
        { { .path = "/", .handle = handler, .events = handler }, "route 0 (GET /): a route has one of handle, files, websocket and events\n" },
        { { .method = "POST", .path = "/", .events = handler }, "route 0 (POST /): live routes answer GET\n" },
        { { .path = "/", .handle = handler, .protocols = chat_protocols },
          "route 0 (GET /): protocols are at most 16 tokens, of a route with websocket\n" },
        { { .path = "/", .handle = handler, .files = &some_files }, "route 0 (GET /): a route has one of handle, files, websocket and events\n" },
        { { .method = "POST", .path = "/{rest...}", .files = &some_files },
          "route 0 (POST /{rest...}): files answer GET (and HEAD by themselves)\n" },
        { { .path = "/", .handle = handler, .takes = HF_TAKES_FORM },
          "route 0 (GET /): requests with this method have no body: neither body nor takes\n" },
        { { .method = "DELETE", .path = "/", .handle = handler, .body = body_handler },
          "route 0 (DELETE /): requests with this method have no body: neither body nor takes\n" },
        { { .method = "POST", .path = "/", .handle = handler, .body = body_handler, .takes = HF_TAKES_JSON },
          "route 0 (POST /): a body is either taken piece by piece (body) or read for the handler (takes)\n" },
        { { .method = "POST", .path = "/", .handle = handler, .upload = upload_handler },
          "route 0 (POST /): upload takes the files of a form: .takes = HF_TAKES_FORM\n" },
        { { .method = "POST", .path = "/", .handle = handler, .takes = HF_TAKES_FORM, .upload = upload_handler,
              .idempotency = HF_IDEMPOTENT_TAKEN },
          "route 0 (POST /): the body of a request with Idempotency-Key is compared whole: neither body nor upload\n" },
        { { .method = "PUT", .path = "/", .handle = handler, .idempotency = HF_IDEMPOTENT_REQUIRED },
          "route 0 (PUT /): this method is idempotent by itself, and needs no Idempotency-Key\n" },
        { { .method = "POST", .path = "/", .handle = handler, .takes = (hf_takes)7 },
          "route 0 (POST /): takes and idempotency are one of their names\n" },
        { { .path = "/{rest...}", .files = &some_files, .idempotency = HF_IDEMPOTENT_TAKEN },
          "route 0 (GET /{rest...}): files take no body\n" },
        { { .path = "/", .handle = handler, .compress = (hf_compression)7 }, "route 0 (GET /): compress and coding are one of their names\n" },
        { { .path = "/", .handle = handler, .coding = (hf_body_coding)7 }, "route 0 (GET /): compress and coding are one of their names\n" },
        { { .path = "/", .handle = handler, .every_ns = 1 }, "route 0 (GET /): every_ns is of a route with events\n" },
        { { .path = "/", .handle = handler, .origins = chat_protocols }, "route 0 (GET /): origins are of a route with websocket or events\n" },
        { { .path = "/{a}/b/{a}", .handle = handler }, "route 0 (GET /{a}/b/{a}): two arguments have one name\n" },
        { { .path = "/{a}/{a...}", .handle = handler }, "route 0 (GET /{a}/{a...}): two arguments have one name\n" },
        { { .method = "put", .path = "b", .every_ns = 1, .protocols = chat_protocols },
          "route 0 (put b): a route has one of handle, files, websocket and events\n"
          "route 0 (put b): no such method; names are case-sensitive, as in GET\n"
          "route 0 (put b): every_ns is of a route with events\n"
          "route 0 (put b): protocols are at most 16 tokens, of a route with websocket\n"
          "route 0 (put b): a path begins with '/'\n" },
        { { .path = "/a{b}", .handle = handler }, "route 0 (GET /a{b}): " SEGMENT },
        { { .path = "/{b}a", .handle = handler }, "route 0 (GET /{b}a): " SEGMENT },
        { { .path = "/{}", .handle = handler }, "route 0 (GET /{}): " SEGMENT },
        { { .path = "/{...}", .handle = handler }, "route 0 (GET /{...}): " SEGMENT },
        { { .path = "/{a b}", .handle = handler }, "route 0 (GET /{a b}): " SEGMENT },
        { { .path = "/a}", .handle = handler }, "route 0 (GET /a}): " SEGMENT },
        { { .path = "/{a", .handle = handler }, "route 0 (GET /{a): " SEGMENT },
        { { .path = "/{a}{b}", .handle = handler }, "route 0 (GET /{a}{b}): " SEGMENT },
        { { .path = "/{a...}/b", .handle = handler }, "route 0 (GET /{a...}/b): {name...} is the last segment\n" },
        { { .path = "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", .handle = handler },
          "route 0 (GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}): a path has at most 8 arguments\n" },
        { { .path = "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33", .handle = handler },
          "route 0 (GET /1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33): "
          "a path has at most 32 segments\n" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        refused(&rows[i].route, rows[i].why);
}

static void all_wrong_rows_are_told_at_once(void **state)
{
    (void)state;
    static const hf_route routes[] = {
        { .path = "x", .handle = handler },
        { .path = "/good", .handle = handler },
        { .method = "GET", .path = "/good", .handle = handler },
        { .path = "/u/{a}", .handle = handler },
        { .path = "/u/{b}", .handle = handler },
    };
    table t;
    make(&t, routes, HF_COUNT(routes));
    assert_null(t.router);
    assert_string_equal(t.why, "route 0 (GET x): a path begins with '/'\n"
                               "route 2 (GET /good): another row has this method and path\n"
                               "route 4 (GET /u/{b}): another row has this method and path\n");
    unmake(&t);
}

static void the_largest_allowed_row_is_taken(void **state)
{
    (void)state;
    static const hf_route routes[] = {
        { .path = "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h...}", .handle = handler },
        { .path = "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32", .handle = handler },
    };
    table t;
    hf_route_match match;
    make(&t, routes, HF_COUNT(routes));
    assert_int_equal(row(&t, HF_METHOD_GET, "/1/2/3/4/5/6/7/8/9/10", &match), 0);
    assert_int_equal(match.argument_count, 8);
    argument_is(&match, 7, "h", "8/9/10");
    answers(&t, HF_METHOD_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32", 1);
    unmake(&t);
}

static void ten_thousand_routes_are_each_found(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    hf_route *routes = calloc(MANY, sizeof *routes);
    char (*paths)[48] = calloc(MANY, sizeof *paths);
    for (int i = 0; i < MANY; i++) {
        const int shuffled = (i * 7919) % MANY;
        snprintf(paths[i], sizeof paths[i], i % 3 == 0 ? "/r%d" : i % 3 == 1 ? "/r%d/{x}/y" : "/deep/%d/{rest...}", shuffled);
        routes[i] = (hf_route){ .path = paths[i], .handle = handler };
    }
    table t;
    make(&t, routes, MANY);
    assert_non_null(t.router);
    for (int i = 0; i < MANY; i++) {
        char path[64];
        const int shuffled = (i * 7919) % MANY;
        snprintf(path, sizeof path, i % 3 == 0 ? "/r%d" : i % 3 == 1 ? "/r%d/seven/y" : "/deep/%d/a/b", shuffled);
        answers(&t, HF_METHOD_GET, path, i);
    }
    answers(&t, HF_METHOD_GET, "/r10000", -1);
    unmake(&t);
    free(paths);
    free(routes);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static const hf_route routes[] = {
        { .path = "/a", .handle = handler }, { .path = "/b/{c}", .handle = handler }, { .path = "/d/{e...}", .handle = handler },
        { .path = "/f/g/h/i/j/k/l/m/n/o/p", .handle = handler },
    };
    for (size_t n = 1;; n++) {
        table t;
        hf_writer w = hf_writer_make(t.why, sizeof t.why);
        hf_test_world_init(&t.world, 1);
        t.world.memory.fail_at = n;
        t.router = hf_router_new(&t.world.env.alloc, routes, HF_COUNT(routes), &w);
        const bool good = t.router != NULL;
        unmake(&t);
        if (good) {
            assert_true(n > 1);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_win_over_names_and_names_over_the_rest),
        cmocka_unit_test(the_search_goes_back_where_a_literal_leads_nowhere),
        cmocka_unit_test(what_a_way_that_was_given_up_took_for_arguments_is_forgotten),
        cmocka_unit_test(arguments_have_the_names_of_their_own_row),
        cmocka_unit_test(a_name_takes_no_empty_segment),
        cmocka_unit_test(head_finds_the_row_of_get_unless_it_has_its_own),
        cmocka_unit_test(the_methods_of_a_path_are_those_of_every_row_that_fits_it),
        cmocka_unit_test(where_no_row_fits_there_are_no_methods),
        cmocka_unit_test(an_empty_table_answers_nothing),
        cmocka_unit_test(every_wrong_row_is_refused_with_its_sentence),
        cmocka_unit_test(all_wrong_rows_are_told_at_once),
        cmocka_unit_test(the_largest_allowed_row_is_taken),
        cmocka_unit_test(ten_thousand_routes_are_each_found),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
