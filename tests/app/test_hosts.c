/* SPDX-License-Identifier: Apache-2.0
 *
 * Which site is for whom.
 */
#include "harness.h"

#include "hosts.h"

static hf_err never(hf_req *rq)
{
    (void)rq;
    return HF_OK;
}

static hf_host hosts[] = { { HF_LITERAL("example.com"), 0 }, { HF_LITERAL(".example.com"), 1 }, { HF_LITERAL(".a.example.com"), 2 },
    { HF_LITERAL("[::1]"), 3 }, { HF_LITERAL("127.0.0.1"), 4 }, { HF_LITERAL(""), 5 } };

static size_t site_of(const char *authority, size_t count)
{
    const hf_host *found = hf_hosts_find(hosts, count, hf_text(authority));
    return found != NULL ? found->site : 99;
}

static void hosts_exact_wins_over_the_longest_star_over_the_shorter_over_any(void **state)
{
    static const struct {
        const char *authority;
        size_t site;
    } rows[] = { { "example.com", 0 }, { "EXAMPLE.com:8080", 0 }, { "example.com.", 0 }, { "x.example.com", 1 }, { "a.example.com", 1 },
        { "x.a.example.com:1", 2 }, { "y.x.a.example.com", 2 }, { "notexample.com", 5 }, { "[::1]:80", 3 }, { "127.0.0.1", 4 },
        { "com", 5 }, { "", 5 }, { ".example.com", 5 }, { "a:b:c", 5 } };
    (void)state;
    hf_hosts_sort(hosts, HF_COUNT(hosts));
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (site_of(rows[i].authority, HF_COUNT(hosts)) != rows[i].site)
            fail_msg("%s: site %zu", rows[i].authority, site_of(rows[i].authority, HF_COUNT(hosts)));
}

static void hosts_without_any_have_no_site_for_strangers(void **state)
{
    (void)state;
    hf_host few[] = { { HF_LITERAL("example.com"), 7 } };
    assert_null(hf_hosts_find(few, 1, hf_text("example.org")));
    assert_null(hf_hosts_find(few, 1, hf_text("")));
    assert_null(hf_hosts_find(NULL, 0, hf_text("example.com")));
    assert_non_null(hf_hosts_find(few, 1, hf_text("example.com")));
    char name[400];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_null(hf_hosts_find(few, 1, hf_text(name)));
}

static void hosts_keys_take_the_star_off(void **state)
{
    (void)state;
    assert_true(hf_bytes_equal(hf_host_key(hf_text("*.a.b")), hf_text(".a.b")));
    assert_true(hf_bytes_equal(hf_host_key(hf_text("*")), hf_text("")));
    assert_true(hf_bytes_equal(hf_host_key(hf_text("a.b")), hf_text("a.b")));
}

static void sites_have_a_router_each_and_survive_any_failure(void **state)
{
    static const hf_route routes[] = { { .method = "GET", .path = "/a", .handle = never }, { .method = "GET", .path = "/a", .handle = never } };
    static const hf_site sites[] = { { 0, 1 }, { 1, 1 } };
    hf_host two[] = { { HF_LITERAL("one"), 0 }, { HF_LITERAL("two"), 1 } };
    (void)state;
    hf_test_world w;
    char text[256];
    hf_test_world_init(&w, 1);
    for (size_t i = 1;; i++) {
        hf_writer why = hf_writer_make(text, sizeof text);
        w.memory.fail_at = w.memory.calls + i;
        hf_sites *s = hf_sites_new(&w.memory.alloc, routes, sites, 2, two, 2, &why);
        if (s == NULL) {
            assert_true(i < 100);
            continue;
        }
        assert_ptr_not_equal(hf_sites_router(s, hf_text("one")), hf_sites_router(s, hf_text("two")));
        assert_null(hf_sites_router(s, hf_text("three")));
        hf_sites_free(s);
        break;
    }
    hf_sites_free(NULL);
    hf_test_world_fini(&w);
}

static void sites_tell_every_wrong_row(void **state)
{
    static const hf_route routes[] = { { .method = "GET", .path = "a", .handle = never }, { .method = "GTE", .path = "/a", .handle = never } };
    static const hf_site sites[] = { { 0, 1 }, { 1, 1 } };
    (void)state;
    hf_test_world w;
    char text[512] = "";
    hf_test_world_init(&w, 1);
    hf_writer why = hf_writer_make(text, sizeof text - 1);
    assert_null(hf_sites_new(&w.memory.alloc, routes, sites, 2, NULL, 0, &why));
    assert_non_null(strstr(text, "a path begins with '/'"));
    assert_non_null(strstr(text, "no such method"));
    hf_test_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_exact_wins_over_the_longest_star_over_the_shorter_over_any),
        cmocka_unit_test(hosts_without_any_have_no_site_for_strangers),
        cmocka_unit_test(hosts_keys_take_the_star_off),
        cmocka_unit_test(sites_have_a_router_each_and_survive_any_failure),
        cmocka_unit_test(sites_tell_every_wrong_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
