/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a client goes, and how long it waits before it tries again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "backoff.h"
#include "client_url.h"
#include "harness.h"

static void a_url_is_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *authority, *target;
        uint16_t port;
        bool secure, live;
    } cases[] = {
        { "http://a", "a", "a", "/", 80, false, false },
        { "HTTPS://A.example:8443/x?y=z#f", "a.example", "A.example:8443", "/x?y=z", 8443, true, false },
        { "ws://[::1]:81/live", "::1", "[::1]:81", "/live", 81, false, true },
        { "wss://a?b", "a", "a", "/?b", 443, true, true },
#if HAS_IDN
        { "http://B\xc3\xbc" "cher.example:81/x", "xn--bcher-kva.example", "xn--bcher-kva.example:81", "/x", 81, false, false },
#endif
        { "ws://127.0.0.1#f", "127.0.0.1", "127.0.0.1", "/", 80, false, true },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        static hf_client_url u;
        const char *const why = hf_client_url_parse(cases[i].text, &u);
        if (why != NULL)
            fail_msg("%s: %s", cases[i].text, why);
        assert_string_equal(u.host, cases[i].host);
        assert_true(hf_bytes_equal(u.authority, hf_text(cases[i].authority)) && hf_bytes_equal(u.target, hf_text(cases[i].target)));
        assert_true(u.port == cases[i].port && u.secure == cases[i].secure && u.live == cases[i].live);
    }
}

static void what_is_no_url_is_refused(void **state)
{
    (void)state;
    static hf_client_url u;
    static const char *const bad[] = { "", "a", "ftp://a", "http://", "http:///x", "http://a b", "http://a\n", "http://u@a", "http://a:0",
                                       "http://a:99999", "http://a:x", "http://[::1", "http://a/\x80", "http://\xff/", "http://\xef\xbc\x8f/", "http://a\xef\xbc\xa0.b/", "http://\xc2\xad/",
                                       "http://\xc3\xbc@a/", "http://\xc3\xbc:x/" };
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        if (hf_client_url_parse(bad[i], &u) == NULL)
            fail_msg("%s was taken", bad[i]);
    char *const long_one = malloc(HF_CLIENT_URL_BYTES + 100);
    memset(long_one, 'a', HF_CLIENT_URL_BYTES + 99);
    memcpy(long_one, "http://a/", 9);
    long_one[HF_CLIENT_URL_BYTES + 99] = 0;
    assert_non_null(hf_client_url_parse(long_one, &u));
    free(long_one);
}

static void an_argument_is_set_and_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *url, *target;
    } cases[] = {
        { "ws://a/x", "/x?resume=e-1" }, { "ws://a/x?y=z", "/x?y=z&resume=e-1" }, { "ws://a/x?resume=e-0&y=z", "/x?y=z&resume=e-1" },
        { "ws://a/x?resumed=1", "/x?resumed=1&resume=e-1" }, { "ws://a", "/?resume=e-1" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        static hf_client_url u;
        assert_null(hf_client_url_parse(cases[i].url, &u));
        assert_true(hf_client_url_set(&u, "resume", hf_text("e-1")));
        if (!hf_bytes_equal(u.target, hf_text(cases[i].target)) || !hf_bytes_equal(u.authority, hf_text("a")))
            fail_msg("%s: %.*s", cases[i].url, HF_STR(u.target));
        assert_true(hf_client_url_set(&u, "resume", hf_text("e-1")));
        assert_true(hf_bytes_equal(u.target, hf_text(cases[i].target)));
    }
}

static void waiting_doubles_up_to_a_bound_and_is_never_the_same_for_all(void **state)
{
    (void)state;
    hf_backoff b = { .first_ns = 1000, .most_ns = 5000 };
    static const int64_t spans[] = { 1000, 2000, 4000, 5000, 5000 };
    for (size_t i = 0; i < HF_COUNT(spans); i++) {
        hf_backoff other = b;
        assert_int_equal(hf_backoff_next(&other, 0), spans[i] / 2);
        assert_int_equal(hf_backoff_next(&b, (uint64_t)spans[i] / 2), spans[i]);
    }
    b.failures = UINT32_MAX;
    assert_in_range(hf_backoff_next(&b, 12345), 2500, 5000);
    hf_backoff_reset(&b);
    assert_in_range(hf_backoff_next(&b, UINT64_MAX), 500, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_taken_apart),
        cmocka_unit_test(what_is_no_url_is_refused),
        cmocka_unit_test(an_argument_is_set_and_replaced),
        cmocka_unit_test(waiting_doubles_up_to_a_bound_and_is_never_the_same_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
