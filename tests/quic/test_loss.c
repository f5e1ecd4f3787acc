/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections over a network that loses, repeats, delays, changes and marks: everything arrives, in order, once.
 */
#include "rig.h"

static void transfer(uint64_t seed, uint32_t loss, uint32_t late, uint32_t doubled, uint32_t corrupt, bool newreno)
{
    rig r;
    rig_open(&r, seed);
    r.config[0].newreno = r.config[1].newreno = newreno;
    r.loss = loss;
    r.late = late;
    r.doubled = doubled;
    r.corrupt = corrupt;
    r.w.limits.quic_handshake_ns = HF_SECONDS(60);
    r.config[0].idle_ns = r.config[1].idle_ns = HF_SECONDS(300); /* a run of losses is no end */
    rig_start(&r);
    for (int i = 0; i < 120 && !(r.client.confirmed && r.server.confirmed); i++)
        rig_run(&r, HF_MILLISECONDS(500));
    if (!r.client.confirmed || !r.server.confirmed)
        fail_msg("seed %d: no handshake", (int)seed);
    r.server.echo = 60000;
    hf_lane lanes[4];
    for (int i = 0; i < 3; i++)
        lanes[i] = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 20000 + (uint64_t)i * 999);
    lanes[3] = rig_send(&r, &r.server, HF_LANE_UNIDIRECTIONAL, 50000);
    for (int i = 0; i < 600 && !(rig_lane_of(&r.client, lanes[0])->fin && rig_lane_of(&r.client, lanes[1])->fin &&
                                 rig_lane_of(&r.client, lanes[2])->fin && rig_lane_of(&r.client, lanes[3])->fin); i++)
        rig_run(&r, HF_MILLISECONDS(500));
    for (int i = 0; i < 4; i++)
        if (!rig_lane_of(&r.client, lanes[i])->fin)
            fail_msg("seed %d: lane %d stands at %d, states %d %d", (int)seed, (int)lanes[i], (int)rig_lane_of(&r.client, lanes[i])->read,
                     r.client.q->state, r.server.q->state);
    rig_close(&r);
}

static void everything_arrives_whatever_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 25; seed++)
        transfer(seed, 20000 * (uint32_t)(seed % 6), 100000 * (uint32_t)(seed % 3), 30000 * (uint32_t)(seed % 2), 10000 * (uint32_t)(seed % 3), seed % 2);
}

static void a_third_lost_is_a_slow_connection_not_a_dead_one(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 104; seed++)
        transfer(seed, 300000, 100000, 0, 0, false);
}

static void each_of_the_first_datagrams_may_be_lost(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 6; n++) {
        rig r;
        rig_open(&r, n);
        r.lose_next = n;
        rig_start(&r);
        rig_run(&r, HF_SECONDS(8));
        assert_true(r.client.confirmed && r.server.confirmed);
        rig_close(&r);
    }
}

static void a_cut_that_heals_ends_nothing(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 7);
    rig_connect(&r);
    r.server.echo = 500000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 1000);
    rig_run(&r, HF_MILLISECONDS(60));
    r.cut = true;
    rig_run(&r, HF_SECONDS(4));
    assert_false(rig_lane_of(&r.client, lane)->fin);
    r.cut = false;
    rig_run(&r, HF_SECONDS(10));
    assert_true(rig_lane_of(&r.client, lane)->fin);
    assert_int_equal(rig_lane_of(&r.client, lane)->read, 500000);
    hf_quic_info info;
    hf_quic_info_of(r.server.q, &info);
    assert_true(info.timeouts > 0 && info.packets_lost > 0);
    rig_close(&r);
}

static void a_mark_shrinks_the_window_without_a_loss(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 8);
    rig_connect(&r);
    r.server.echo = 300000;
    r.marked = 50000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 1000);
    rig_run(&r, HF_SECONDS(3));
    assert_true(rig_lane_of(&r.client, lane)->fin);
    hf_quic_info info;
    hf_quic_info_of(r.server.q, &info);
    assert_int_equal(info.packets_lost, 0);
    assert_true(info.ecn);
    assert_true(info.threshold < UINT64_MAX);
    rig_close(&r);
}

static uint64_t trace_of(uint64_t seed)
{
    rig r;
    rig_open(&r, seed);
    r.loss = 50000;
    r.late = 200000;
    rig_start(&r);
    rig_run(&r, HF_SECONDS(3));
    if (r.client.confirmed) {
        (void)rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 30000);
        rig_run(&r, HF_SECONDS(3));
    }
    const uint64_t value = r.hash.value;
    rig_close(&r);
    return value;
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    assert_int_equal(trace_of(5), trace_of(5));
    assert_int_not_equal(trace_of(5), trace_of(6));
}

static void a_lost_packet_stalls_only_its_own_lane(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 9);
    rig_connect(&r);
    const hf_lane first = rig_send(&r, &r.client, HF_LANE_UNIDIRECTIONAL, 800);
    r.lose_next = 1;
    rig_turn(&r, &r.client);
    r.lose_next = 0;
    const hf_lane second = rig_send(&r, &r.client, HF_LANE_UNIDIRECTIONAL, 800);
    rig_run(&r, HF_MILLISECONDS(12));
    assert_int_equal(rig_lane_of(&r.server, first)->read, 0);
    assert_int_equal(rig_lane_of(&r.server, second)->read, 800);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(rig_lane_of(&r.server, first)->read, 800);
    rig_close(&r);
}

/* RFC 9000 13.3: "The current connection maximum data is sent in MAX_DATA frames ... an updated value is sent ... when the packet
 * containing the most recently sent MAX_DATA frame is declared lost": also where it is the same value. */
static void a_limit_that_was_lost_is_told_again(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 4; lost++) {
        rig r;
        rig_open(&r, 300 + lost);
        rig_connect(&r);
        r.server.echo = 4 << 20;
        r.client.no_read = true;
        const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 10);
        rig_run(&r, HF_SECONDS(3));
        hf_quic_info info;
        hf_quic_info_of(r.server.q, &info);
        const uint64_t before = info.sent;
        assert_true(before < 4 << 20); /* the window is shut, and both are silent */
        r.client.no_read = false;
        r.lose_next = lost;
        rig_read(&r, &r.client, rig_lane_of(&r.client, lane));
        rig_run(&r, HF_SECONDS(20));
        assert_int_equal(rig_lane_of(&r.client, lane)->read, 4 << 20);
        assert_true(rig_lane_of(&r.client, lane)->fin);
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_that_was_lost_is_told_again),
        cmocka_unit_test(everything_arrives_whatever_is_lost),
        cmocka_unit_test(a_third_lost_is_a_slow_connection_not_a_dead_one),
        cmocka_unit_test(each_of_the_first_datagrams_may_be_lost),
        cmocka_unit_test(a_cut_that_heals_ends_nothing),
        cmocka_unit_test(a_mark_shrinks_the_window_without_a_loss),
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(a_lost_packet_stalls_only_its_own_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
