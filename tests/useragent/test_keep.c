/* SPDX-License-Identifier: Apache-2.0
 *
 * Which connection of a pool carries a request.
 */
#include "harness.h"
#include "keep.h"

static const hf_keep_rules rules = { .per_place = 2, .all = 3, .idle_ns = HF_SECONDS(10) };

static hf_keep_place place(const char *host, bool secure)
{
    return (hf_keep_place){ .host = hf_text(host), .secure = secure, .port = secure ? 443 : 80 };
}

static hf_keep_row row(const char *host, bool secure, hf_version version, uint32_t busy, int64_t idle_s)
{
    return (hf_keep_row){ .place = place(host, secure), .version = version, .busy = busy, .most = version == HF_HTTP_1_1 ? 1 : 10,
                          .idle_since = hf_time_make(HF_SECONDS(idle_s)) };
}

static const hf_time now = { HF_SECONDS(100) };

static void an_idle_connection_of_the_origin_is_used(void **state)
{
    (void)state;
    hf_keep_place wanted = place("a", false);
    size_t i;
    const hf_keep_row rows[] = { row("b", false, HF_HTTP_1_1, 0, 99), row("a", false, HF_HTTP_1_1, 0, 95), row("a", false, HF_HTTP_1_1, 0, 98) };
    assert_int_equal(hf_keep_choose(&rules, rows, 3, &wanted, 0, now, &i), HF_KEEP_USE);
    assert_int_equal(i, 2); /* the one that was used last */
    wanted.way = 1; /* through a proxy */
    assert_int_equal(hf_keep_choose(&rules, rows, 3, &wanted, 0, now, &i), HF_KEEP_OPEN);
    assert_int_equal(i, 1); /* three are too many: the one that was idle for longest goes */
    const hf_keep_row old[] = { row("a", false, HF_HTTP_1_1, 0, 90) };
    wanted.way = 0;
    assert_true(hf_keep_expires(&rules, &old[0], now));
    assert_int_equal(hf_keep_choose(&rules, old, 1, &wanted, 0, now, &i), HF_KEEP_OPEN);
}

static void a_bound_holds(void **state)
{
    (void)state;
    hf_keep_place wanted = place("a", false);
    size_t i;
    const hf_keep_row busy[] = { row("a", false, HF_HTTP_1_1, 1, 0), row("a", false, HF_HTTP_1_1, 1, 0), row("b", false, HF_HTTP_1_1, 1, 0) };
    assert_int_equal(hf_keep_choose(&rules, busy, 1, &wanted, 0, now, &i), HF_KEEP_OPEN);
    assert_int_equal(i, 1);
    assert_int_equal(hf_keep_choose(&rules, busy, 2, &wanted, 0, now, &i), HF_KEEP_WAIT);
    const hf_keep_row fresh[] = { row("a", false, 0, 1, 0) };
    assert_int_equal(hf_keep_choose(&rules, fresh, 1, &wanted, 0, now, &i), HF_KEEP_WAIT); /* it is being opened for this one */
    assert_int_equal(hf_keep_choose(&rules, fresh, 1, &wanted, 1, now, &i), HF_KEEP_OPEN); /* for the one ahead */
    wanted = place("c", false);
    assert_int_equal(hf_keep_choose(&rules, busy, 3, &wanted, 0, now, &i), HF_KEEP_WAIT);
}

static void many_streams_share_one_connection(void **state)
{
    (void)state;
    hf_keep_place wanted = place("a", true);
    size_t i;
    hf_keep_row rows[] = { row("a", true, 0, 1, 0) };
    assert_int_equal(hf_keep_choose(&rules, rows, 1, &wanted, 0, now, &i), HF_KEEP_WAIT); /* it may become HTTP/2 */
    rows[0].version = HF_HTTP_2;
    rows[0].busy = 5;
    assert_int_equal(hf_keep_choose(&rules, rows, 1, &wanted, 0, now, &i), HF_KEEP_USE);
    rows[0].busy = 10;
    assert_int_equal(hf_keep_choose(&rules, rows, 1, &wanted, 0, now, &i), HF_KEEP_WAIT);
    rows[0].over = true; /* GOAWAY */
    assert_int_equal(hf_keep_choose(&rules, rows, 1, &wanted, 0, now, &i), HF_KEEP_OPEN);
}

static void another_origin_is_carried_only_where_the_certificate_covers_it(void **state)
{
    (void)state;
    hf_keep_place wanted = place("b", true);
    size_t i;
    hf_keep_row rows[] = { row("a", true, HF_HTTP_2, 1, 0) };
    assert_int_equal(hf_keep_choose(&rules, rows, 1, &wanted, 0, now, &i), HF_KEEP_OPEN);
    rows[0].covers = true;
    assert_int_equal(hf_keep_choose(&rules, rows, 1, &wanted, 0, now, &i), HF_KEEP_USE);
    wanted.port = 8443;
    assert_int_equal(hf_keep_choose(&rules, rows, 1, &wanted, 0, now, &i), HF_KEEP_OPEN);
    wanted = place("b", false);
    wanted.port = 443;
    assert_int_equal(hf_keep_choose(&rules, rows, 1, &wanted, 0, now, &i), HF_KEEP_OPEN);
    rows[0].version = HF_HTTP_1_1;
    rows[0].busy = 0;
    wanted = place("b", true);
    assert_int_equal(hf_keep_choose(&rules, rows, 1, &wanted, 0, now, &i), HF_KEEP_OPEN);
}

static void the_clock_tells_when_one_is_let_go(void **state)
{
    (void)state;
    const hf_keep_row rows[] = { row("a", false, HF_HTTP_1_1, 1, 0), row("a", false, HF_HTTP_1_1, 0, 97), row("a", false, HF_HTTP_1_1, 0, 95) };
    assert_int_equal(hf_keep_wake(&rules, rows, 3).ns, HF_SECONDS(105));
    assert_int_equal(hf_keep_wake(&rules, rows, 1).ns, HF_NEVER_NS);
    assert_false(hf_keep_expires(&rules, &rows[2], hf_time_make(HF_SECONDS(105) - 1)));
    assert_true(hf_keep_expires(&rules, &rows[2], hf_time_make(HF_SECONDS(105))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_of_the_origin_is_used), cmocka_unit_test(a_bound_holds),
        cmocka_unit_test(many_streams_share_one_connection), cmocka_unit_test(another_origin_is_carried_only_where_the_certificate_covers_it),
        cmocka_unit_test(the_clock_tells_when_one_is_let_go),
    };
    return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
