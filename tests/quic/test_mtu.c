/* SPDX-License-Identifier: Apache-2.0
 *
 * How large datagrams get: the largest that the path carries is found, losing a probe is no congestion, and where large ones
 * cease to pass the connection goes on with small ones.
 */
#include "rig.h"

static size_t longest;

static bool watch(rig *r, rig_packet *p)
{
    (void)r;
    longest = p->length > longest ? p->length : longest;
    return true;
}

static uint16_t size_of(const rig_end *e)
{
    hf_quic_info info;
    hf_quic_info_of(e->q, &info);
    return info.datagram_bytes;
}

static void download(rig *r, uint64_t bytes, int64_t ns)
{
    r->server.echo = bytes;
    const hf_lane lane = rig_send(r, &r->client, HF_LANE_BIDIRECTIONAL, 100);
    rig_run(r, ns);
    assert_int_equal(rig_lane_of(&r->client, lane)->read, bytes);
}

static void the_largest_that_passes_is_found(void **state)
{
    (void)state;
    static const size_t carried[] = { 0, 1500, 1452, 1451, 1440, 1400, 1342, 1280, 1220, 1200 };
    for (size_t i = 0; i < HF_COUNT(carried); i++) {
        rig r;
        rig_open(&r, i + 1);
        r.mtu = carried[i];
        rig_connect(&r);
        download(&r, 5000000, HF_SECONDS(20));
        const size_t best = carried[i] == 0 || carried[i] > 1452 ? 1452 : carried[i];
        assert_in_range(size_of(&r.server), best - 16, best);
        assert_int_equal(r.server.q->congestion.reduced_at.ns, -1); /* RFC 9000 14.4 */
        rig_close(&r);
    }
}

static void small_answers_try_nothing(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 20);
    r.filter = watch;
    longest = 0;
    rig_connect(&r);
    for (unsigned i = 0; i < 8; i++)
        download(&r, 900, HF_SECONDS(1));
    assert_int_equal(longest, 1200);
    download(&r, 100000, HF_SECONDS(3));
    assert_int_equal(longest, 1452);
    rig_close(&r);
}

/* What was taken when it fitted, and fits no more, is dropped: it does not stand before those that fit. */
static void a_datagram_that_has_become_too_long_holds_up_nobody(void **state)
{
    (void)state;
    static const uint8_t zeros[1400];
    rig r;
    rig_open(&r, 22);
    r.config[0].datagrams = r.config[1].datagrams = true;
    rig_connect(&r);
    download(&r, 1000000, HF_SECONDS(10));
    assert_true(hf_quic_datagram_most(r.server.q) >= sizeof zeros);
    assert_int_equal(hf_quic_send_datagram(r.server.q, hf_bytes_make(zeros, sizeof zeros)).code, 0);
    hf_quic_path_mtu(r.server.q, 1200);
    assert_int_equal(hf_quic_send_datagram(r.server.q, hf_text("short")).code, 0);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(r.client.datagrams, 1);
    assert_true(hf_bytes_equal(r.client.datagram, hf_text("short")));
    rig_close(&r);
}

static void a_fixed_size_stays(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 21);
    r.filter = watch;
    longest = 0;
    r.config[0].fixed_size = r.config[1].fixed_size = true;
    r.config[0].datagram_bytes = 1300;
    rig_connect(&r);
    download(&r, 1000000, HF_SECONDS(10));
    assert_int_equal(longest, 1300);
    rig_close(&r);
}

/* RFC 8899 4.3. Small packets pass as before, so that only what is large is missed. */
static void where_large_ones_vanish_small_ones_go_on(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        rig r;
        rig_open(&r, 30 + seed);
        rig_connect(&r);
        r.loss = seed % 2 == 0 ? 0 : 20000;
        download(&r, 1000000, HF_SECONDS(20));
        assert_true(size_of(&r.server) > 1430);
        r.server.echo = 3000000;
        const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 100);
        rig_run(&r, HF_MILLISECONDS(25 + 2 * (int64_t)seed));
        assert_true(rig_lane_of(&r.client, lane)->read < 2000000);
        r.mtu = 1250;
        rig_run(&r, HF_SECONDS(60));
        assert_int_equal(rig_lane_of(&r.client, lane)->read, 3000000);
        assert_int_equal(size_of(&r.server), 1200);
        rig_close(&r);
    }
}

/* After a while it is tried anew: the path may be better. */
static void the_search_begins_again(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 60);
    r.mtu = 1300;
    r.config[0].idle_ns = r.config[1].idle_ns = HF_SECONDS(3600);
    rig_connect(&r);
    download(&r, 5000000, HF_SECONDS(20));
    assert_true(size_of(&r.server) <= 1300);
    r.mtu = 0;
    download(&r, 1000000, HF_SECONDS(10));
    assert_true(size_of(&r.server) <= 1300);
    rig_run(&r, HF_SECONDS(600));
    download(&r, 1000000, HF_SECONDS(10));
    assert_int_equal(size_of(&r.server), 1452);
    rig_close(&r);
}

static void a_network_says_what_is_too_long(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 61);
    rig_connect(&r);
    download(&r, 1000000, HF_SECONDS(10));
    assert_int_equal(size_of(&r.server), 1452);
    hf_quic_path_mtu(r.server.q, 1340);
    assert_int_equal(size_of(&r.server), 1340);
    hf_quic_path_mtu(r.server.q, 1400); /* larger than what is used: means nothing */
    assert_int_equal(size_of(&r.server), 1340);
    hf_quic_path_mtu(r.server.q, 500);  /* RFC 9000 14.2.1: below 1200 it is not believed */
    assert_int_equal(size_of(&r.server), 1200);
    download(&r, 100000, HF_SECONDS(10));
    rig_close(&r);
}

/* A new path is a new search: what the old one carried says nothing of it. */
static void a_new_path_begins_small(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 62);
    rig_connect(&r);
    download(&r, 1000000, HF_SECONDS(10));
    assert_int_equal(size_of(&r.server), 1452);
    r.mtu = 1300;
    r.nat = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 198, 51, 100, 7 }, .port = 4000 };
    r.server.echo = 1000000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 100);
    rig_run(&r, HF_MILLISECONDS(25));
    assert_int_equal(r.server.q->migrations, 1);
    assert_int_equal(size_of(&r.server), 1200);
    rig_run(&r, HF_SECONDS(10));
    assert_int_equal(rig_lane_of(&r.client, lane)->read, 1000000);
    assert_true(size_of(&r.server) > 1280 && size_of(&r.server) <= 1300);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_that_passes_is_found), cmocka_unit_test(small_answers_try_nothing),
        cmocka_unit_test(a_datagram_that_has_become_too_long_holds_up_nobody),
        cmocka_unit_test(a_fixed_size_stays), cmocka_unit_test(where_large_ones_vanish_small_ones_go_on),
        cmocka_unit_test(the_search_begins_again), cmocka_unit_test(a_network_says_what_is_too_long),
        cmocka_unit_test(a_new_path_begins_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
