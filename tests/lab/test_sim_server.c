/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/sim.h: an application's routes on a bad network, from a seed.
 */
#include <handfast/sim.h>

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "temp_folder.h"

typedef struct ledger {
    unsigned added, listed;
    hf_bytes last;
    uint8_t text[200000];
} ledger;

static hf_err hello(hf_req *rq)
{
    return hf_reply_text(rq, 200, "hello, %.*s", HF_STR(hf_path_arg(rq, "name")));
}

static hf_err add(hf_req *rq)
{
    ledger *l = hf_req_context(rq);
    const hf_bytes body = hf_req_body(rq);
    l->added++;
    memcpy(l->text, body.ptr, body.len);
    l->last = hf_bytes_make(l->text, body.len);
    return hf_reply_redirect(rq, 303, hf_text("/last"));
}

static hf_err last(hf_req *rq)
{
    ledger *l = hf_req_context(rq);
    l->listed++;
    return hf_reply(rq, 200, "text/plain", l->last);
}

static const hf_route routes[] = {
    { "GET", "/hello/{name}", .handle = hello },
    { "POST", "/add", .handle = add },
    { "GET", "/last", .handle = last },
};

static ledger books;

static hf_sim_options options_for(uint64_t seed)
{
    books = (ledger){ 0 };
    return (hf_sim_options){ .routes = routes, .route_count = HF_COUNT(routes), .context = &books, .seed = seed };
}

static hf_sim *open_sim(const hf_sim_options *o)
{
    hf_sim *sim = NULL;
    const hf_err err = hf_sim_server(&sim, o);
    if (err.code != 0)
        fail_msg("%s: %s", hf_err_text(err), hf_sim_why(sim));
    return sim;
}

static void a_request_is_answered_in_virtual_time(void **state)
{
    (void)state;
    hf_sim_options o = options_for(1);
    o.network.delay_ns = HF_MILLISECONDS(100);
    hf_sim *sim = open_sim(&o);
    hf_sim_client *c = hf_sim_client_new(sim);
    const hf_sim_answer *a = hf_sim_ask(c, &(hf_sim_request){ .target = "/hello/you" });
    assert_int_equal(a->err.code, 0);
    assert_int_equal(a->status, 200);
    assert_true(hf_bytes_equal(a->body, hf_text("hello, you")));
    assert_non_null(hf_fields_find_name(a->fields, hf_text("Content-Type")));
    assert_true(a->took_ns >= HF_MILLISECONDS(400) && a->took_ns < HF_SECONDS(1)); /* a handshake and a round trip */
    a = hf_sim_ask(c, &(hf_sim_request){ .target = "/hello/me" });
    assert_true(hf_bytes_equal(a->body, hf_text("hello, me")));
    assert_true(a->took_ns >= HF_MILLISECONDS(200) && a->took_ns < HF_MILLISECONDS(400)); /* the connection was kept */
    const int64_t before = hf_sim_elapsed(sim);
    hf_sim_run(sim, HF_SECONDS(7200));
    assert_int_equal(hf_sim_elapsed(sim) - before, HF_SECONDS(7200));
    a = hf_sim_ask(c, &(hf_sim_request){ .target = "/hello/again" }); /* the server has closed it meanwhile */
    assert_int_equal(a->status, 200);
    hf_sim_close(sim);
}

static void bodies_arrive_whole_over_a_bad_network(void **state)
{
    (void)state;
    static uint8_t body[150000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 31 >> 3);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        hf_sim_options o = options_for(seed);
        o.network = (hf_sim_network){ .loss = 50000, .duplicate = 20000, .reorder = 50000, .corrupt = 20000,
            .delay_ns = HF_MILLISECONDS(10), .jitter_ns = HF_MILLISECONDS(20) };
        hf_sim *sim = open_sim(&o);
        hf_sim_client *c = hf_sim_client_new(sim);
        const hf_sim_answer *a = hf_sim_ask(c, &(hf_sim_request){ .target = "/add", .content_type = "text/plain",
            .body = hf_bytes_make(body, sizeof body) });
        assert_int_equal(a->err.code, 0);
        assert_int_equal(a->status, 303);
        assert_int_equal(books.added, 1);
        a = hf_sim_ask(c, &(hf_sim_request){ .target = "/last" });
        assert_int_equal(a->body.len, sizeof body);
        assert_memory_equal(a->body.ptr, body, sizeof body);
        hf_sim_close(sim);
    }
}

static uint64_t run_of(uint64_t seed, uint32_t loss)
{
    hf_sim_options o = options_for(seed);
    o.network.loss = loss;
    hf_sim *sim = open_sim(&o);
    hf_sim_client *clients[4];
    for (size_t i = 0; i < 4; i++)
        clients[i] = hf_sim_client_new(sim);
    for (size_t i = 0; i < 4; i++) {
        hf_sim_begin(clients[i], &(hf_sim_request){ .target = "/hello/all" });
        assert_null(hf_sim_answer_of(clients[i]));
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(hf_sim_finish(clients[i])->status, 200);
    const uint64_t trace = hf_sim_trace(sim);
    hf_sim_close(sim);
    return trace;
}

static void a_seed_is_a_run(void **state)
{
    (void)state;
    const uint64_t first = run_of(7, 200000);
    assert_int_equal(run_of(7, 200000), first);
    assert_int_not_equal(run_of(8, 200000), first);
    assert_int_not_equal(run_of(7, 100000), first);
}

static void a_lost_server_is_a_named_failure(void **state)
{
    (void)state;
    hf_sim_options o = options_for(3);
    hf_sim *sim = open_sim(&o);
    hf_sim_client *c = hf_sim_client_new(sim);
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .target = "/hello/a" })->status, 200);
    hf_sim_begin(c, &(hf_sim_request){ .target = "/add", .body = hf_text("once") });
    hf_sim_kill(sim);
    const hf_sim_answer *a = hf_sim_finish(c);
    assert_int_not_equal(a->err.code, 0); /* a POST is not sent twice by itself */
    assert_int_equal(a->status, 0);
    assert_int_equal(books.added, 0);
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .target = "/add", .body = hf_text("once") })->status, 303);
    assert_int_equal(books.added, 1);
    hf_sim_kill(sim);
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .target = "/last" })->status, 200); /* a GET is, on a new connection */

    hf_sim_network_set(sim, &(hf_sim_network){ .down = true });
    a = hf_sim_ask(c, &(hf_sim_request){ .target = "/last" });
    assert_int_not_equal(a->err.code, 0);
    assert_true(a->took_ns > HF_SECONDS(1));
    hf_sim_network_set(sim, &(hf_sim_network){ .down = false });
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .target = "/last" })->status, 200);

    hf_sim_begin(c, &(hf_sim_request){ .target = "/last" });
    hf_sim_hang_up(c);
    assert_int_not_equal(hf_sim_answer_of(c)->err.code, 0);
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .method = "HEAD", .target = "/last" })->body.len, 0);
    hf_sim_close(sim);
}

static void limits_hold_there_too(void **state)
{
    (void)state;
    hf_limits limits = *hf_limits_default();
    limits.body_bytes = 100;
    hf_sim_options o = options_for(4);
    o.limits = &limits;
    hf_sim *sim = open_sim(&o);
    hf_sim_client *c = hf_sim_client_new(sim);
    static uint8_t body[101];
    memset(body, 'x', sizeof body);
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .target = "/add", .body = hf_bytes_make(body, 101) })->status, 413);
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .target = "/add", .body = hf_bytes_make(body, 100) })->status, 303);
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .method = "DELETE", .target = "/add" })->status, 405);
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .target = "/none" })->status, 404);
    const hf_field bad = { .name = HF_LITERAL("X"), .value = HF_LITERAL("a\r\nb") };
    assert_int_not_equal(hf_sim_ask(c, &(hf_sim_request){ .target = "/last", .fields = &bad, .field_count = 1 })->err.code, 0);
    assert_int_equal(hf_sim_ask(c, &(hf_sim_request){ .target = "/last" })->status, 200);
    hf_sim_close(sim);
}

static void files_are_served_whole_whatever_their_size(void **state)
{
    (void)state;
    enum { SIZE = 900000 };
    temp_folder folder;
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i % 23);
    text[SIZE] = 0;
    temp_make(&folder);
    temp_write(&folder, "large.bin", text);
    const hf_files site = { .root = folder.path };
    const hf_route with_files[] = { { .path = "/{rest...}", .files = &site } };
    const hf_sim_options o = { .routes = with_files, .route_count = 1, .seed = 5, .network = { .loss = 20000 } };
    hf_sim *sim = open_sim(&o);
    hf_sim_client *c = hf_sim_client_new(sim);
    for (int i = 0; i < 3; i++) {
        const hf_sim_answer *a = hf_sim_ask(c, &(hf_sim_request){ .target = "/large.bin" });
        assert_int_equal(a->status, 200);
        assert_int_equal(a->body.len, SIZE);
        assert_memory_equal(a->body.ptr, text, SIZE);
    }
    hf_sim_close(sim);
    temp_remove(&folder);
    free(text);
}

static void what_is_wrong_with_routes_is_told(void **state)
{
    (void)state;
    const hf_route wrong[] = { { .path = "no-slash", .handle = hello }, { .path = "/a" } };
    hf_sim *sim = NULL;
    assert_int_equal(hf_sim_server(&sim, &(hf_sim_options){ .routes = wrong, .route_count = 2 }).code, HF_ERR_BASE_USAGE);
    assert_non_null(strstr(hf_sim_why(sim), "no-slash"));
    assert_non_null(strstr(hf_sim_why(sim), "route 1"));
    hf_sim_close(sim);
    hf_sim_close(NULL);
    sim = open_sim(&(hf_sim_options){ .routes = routes, .route_count = HF_COUNT(routes), .context = &books });
    for (int i = 0; i < 30; i++)
        assert_non_null(hf_sim_client_new(sim));
    assert_null(hf_sim_client_new(sim));
    hf_sim_close(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_in_virtual_time),
        cmocka_unit_test(bodies_arrive_whole_over_a_bad_network),
        cmocka_unit_test(a_seed_is_a_run),
        cmocka_unit_test(a_lost_server_is_a_named_failure),
        cmocka_unit_test(limits_hold_there_too),
        cmocka_unit_test(files_are_served_whole_whatever_their_size),
        cmocka_unit_test(what_is_wrong_with_routes_is_told),
    };
    return cmocka_run_group_tests_name("sim_server", tests, NULL, NULL);
}
