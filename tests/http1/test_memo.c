/* SPDX-License-Identifier: Apache-2.0
 *
 * A head that is said again is not parsed again, and nobody can tell but by the clock.
 */
#include "http1/rig.h"

#include "http1_core.h"

static hf_test_world w;
static rig r;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    assert_true(rig_open(&r, &w.env, RIG_ECHO));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    hf_test_world_fini(&w);
    return 0;
}

/* What the log says when `text` comes to a core that has seen nothing. */
static void log_of_new(const char *text, char *log, size_t size)
{
    rig fresh;
    assert_true(rig_open(&fresh, &w.env, RIG_ECHO));
    rig_text(&fresh, text);
    assert_true(fresh.log_length < size);
    memcpy(log, fresh.log, fresh.log_length + 1);
    rig_close(&fresh);
}

static void expect_as_new(const char *text)
{
    static char want[8192];
    log_of_new(text, want, sizeof want);
    r.log_length = 0;
    r.log[0] = 0;
    rig_text(&r, text);
    rig_emit(&r);
    assert_string_equal(r.log, want);
}

static bool recalled(void)
{
    return r.h->memo != NULL && r.h->memo->vain == 0;
}

#define HOST "Host: a.example:8080\r\n"
static const char get[] = "GET /a%20b HTTP/1.1\r\n" HOST "Accept: */*\r\nX-Some: x=y\r\nX-Other:\r\n\r\n";

static void what_is_said_again_means_the_same(void **state)
{
    (void)state;
    static const char *const said[] = {
        get,
        "HEAD / HTTP/1.1\r\n" HOST "\r\n",
        "GET http://b.example/c?d HTTP/1.1\r\n" HOST "\r\n",
        "GET http://b.example HTTP/1.1\r\n" HOST "\r\n", /* its path is no part of what was said */
        "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: u\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    };
    for (size_t i = 0; i < HF_COUNT(said); i++) {
        for (int k = 0; k < 6; k++)
            expect_as_new(said[i]);
        assert_true(recalled());
    }
}

static void a_head_that_differs_in_one_byte_is_another(void **state)
{
    (void)state;
    char other[sizeof get];
    for (int k = 0; k < 3; k++)
        expect_as_new(get);
    assert_true(recalled());
    for (size_t i = 0; i < sizeof get - 1; i++) {
        memcpy(other, get, sizeof get);
        other[i] = get[i] == 'q' ? 'r' : 'q';
        rig fresh;
        static char want[8192];
        log_of_new(other, want, sizeof want);
        assert_true(rig_open(&fresh, &w.env, RIG_ECHO));
        for (int k = 0; k < 3; k++)
            rig_text(&fresh, get);
        fresh.log_length = 0;
        fresh.log[0] = 0;
        rig_text(&fresh, other);
        if (strstr(want, "REFUSED") == NULL) /* a refusal tells its place in the stream */
            assert_string_equal(fresh.log, want);
        else
            assert_non_null(strstr(fresh.log, "REFUSED"));
        rig_close(&fresh);
    }
}

static void a_head_that_goes_on_where_another_ended_is_another(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++)
        expect_as_new("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(recalled());
    expect_as_new("GET / HTTP/1.0\r\nConnection: keep-alive\r\nX: y\r\n\r\n");
    expect_as_new("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
}

static void a_head_that_comes_in_pieces_means_the_same(void **state)
{
    (void)state;
    static char want[8192];
    log_of_new(get, want, sizeof want);
    for (int k = 0; k < 3; k++)
        expect_as_new(get);
    for (size_t cut = 1; cut < sizeof get - 1; cut++) {
        r.log_length = 0;
        r.log[0] = 0;
        rig_feed(&r, (const uint8_t *)get, cut, false);
        assert_int_equal(r.log_length, 0);
        rig_feed(&r, r.pending, sizeof get - 1, false);
        rig_emit(&r);
        assert_string_equal(r.log, want);
    }
}

static void what_was_remembered_is_good_for_whoever_has_the_core_next(void **state)
{
    (void)state;
    hf_http1_rest rest;
    for (int k = 0; k < 3; k++)
        expect_as_new(get);
    assert_true(hf_http1_pause(r.h, &rest));
    rest = (hf_http1_rest){ .since = r.now, .first = true };
    hf_http1_resume(r.h, 8, &rest, r.now);
    expect_as_new(get);
    assert_true(recalled());
}

static void quiet_gives_it_back(void **state)
{
    (void)state;
    hf_http1_rest rest;
    for (int k = 0; k < 3; k++)
        expect_as_new(get);
    assert_non_null(r.h->memo);
    assert_false(hf_http1_sleep(r.h, &rest));
    r.now = hf_time_after(r.now, HF_SECONDS(1));
    assert_int_equal(rig_run(&r), HF_IDLE);
    assert_null(r.h->memo);
}

/* The number in the target that is remembered. */
static int remembered(void)
{
    int number = r.h->memo != NULL ? 0 : -1;
    for (size_t i = 5; r.h->memo != NULL && i < 11 && i < r.h->memo->said.len; i++) /* behind "GET /" */
        number = 10 * number + (r.h->memo->said.ptr[i] - '0');
    return number;
}

static void who_never_says_the_same_is_not_remembered_each_time(void **state)
{
    (void)state;
    char text[64];
    size_t copies = 0;
    for (int k = 0; k < 1000; k++) {
        snprintf(text, sizeof text, "GET /%06d HTTP/1.1\r\n" HOST "\r\n", k);
        const int before = remembered();
        expect_as_new(text);
        copies += remembered() != before;
    }
    assert_in_range(copies, 1, 40);
    for (int k = 0; k < 200; k++) /* until it does */
        expect_as_new(text);
    assert_true(recalled());
}

static void a_long_head_is_not_kept(void **state)
{
    (void)state;
    static char text[6000];
    const int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "X: %05000d\r\n\r\n", 1);
    assert_true(n > 5000);
    for (int k = 0; k < 3; k++)
        expect_as_new(text);
    assert_null(r.h->memo);
    for (int k = 0; k < 3; k++)
        expect_as_new(get);
    assert_true(recalled());
    expect_as_new(text);
    expect_as_new(get);
    assert_true(recalled());
}

static void a_head_that_tells_who_somebody_is_is_not_kept(void **state)
{
    (void)state;
    static const char *const said[] = { "GET / HTTP/1.1\r\n" HOST "Cookie: a=b\r\n\r\n", "GET / HTTP/1.1\r\n" HOST "Authorization: Basic YQ==\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "Proxy-Authorization: Basic YQ==\r\n\r\n", "GET /?token=a HTTP/1.1\r\n" HOST "\r\n" };
    for (size_t i = 0; i < HF_COUNT(said); i++)
        for (int k = 0; k < 3; k++) {
            expect_as_new(said[i]);
            assert_true(r.h->memo == NULL || r.h->memo->said.len == 0);
        }
    expect_as_new(get);
    expect_as_new(get);
    assert_true(recalled());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_said_again_means_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_head_that_differs_in_one_byte_is_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_head_that_goes_on_where_another_ended_is_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_head_that_comes_in_pieces_means_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_remembered_is_good_for_whoever_has_the_core_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quiet_gives_it_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_never_says_the_same_is_not_remembered_each_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_head_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_head_that_tells_who_somebody_is_is_not_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
