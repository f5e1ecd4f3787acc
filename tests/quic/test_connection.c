/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections over a perfect network: the handshake, lanes, their ends, and what is agreed.
 */
#include "rig.h"

static void the_handshake_is_confirmed_in_two_round_trips(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 1);
    rig_start(&r);
    rig_run(&r, HF_MILLISECONDS(25));
    assert_true(r.client.opened);
    rig_run(&r, HF_MILLISECONDS(25));
    assert_true(r.server.opened && r.server.confirmed && r.client.confirmed);
    assert_string_equal(hf_quic_suite(r.client.q), "TLS_AES_128_GCM_SHA256");
    assert_true(hf_bytes_equal(hf_quic_protocol(r.server.q), hf_text("test")));
    assert_true(hf_bytes_equal(hf_quic_host(r.server.q), hf_text("localhost")));
    hf_quic_info info;
    hf_quic_info_of(r.client.q, &info);
    assert_true(info.open && info.confirmed && !info.resumed);
    assert_int_equal(info.packets_lost, 0);
    rig_close(&r);
}

static void a_request_is_answered(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 2);
    rig_connect(&r);
    r.server.echo = 100000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 3000);
    rig_run(&r, HF_SECONDS(2));
    assert_int_equal(rig_lane_of(&r.server, lane)->read, 3000);
    assert_true(rig_lane_of(&r.server, lane)->fin);
    assert_int_equal(rig_lane_of(&r.client, lane)->read, 100000);
    assert_true(rig_lane_of(&r.client, lane)->fin);
    assert_false(hf_quic_has(r.client.q, lane));
    assert_false(hf_quic_has(r.server.q, lane));
    hf_quic_info info;
    hf_quic_info_of(r.server.q, &info);
    assert_int_equal(info.packets_lost, 0);
    rig_close(&r);
}

/* Contexts of libcrypto are not in what is counted, and are the most of it. */
static bool holds_contexts(const hf_quic *q)
{
    const hf_quic_keys *const all[] = { &q->application.read, &q->application.write, q->turnover != NULL ? &q->turnover->next_read : NULL,
                                         q->turnover != NULL ? &q->turnover->last_read : NULL };
    for (size_t i = 0; i < HF_COUNT(all); i++)
        if (all[i] != NULL && (all[i]->aead.ctx != NULL || all[i]->mask.ctx != NULL))
            return true;
    return false;
}

static void a_quiet_connection_holds_little_and_goes_on(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 3);
    rig_connect(&r);
    r.server.echo = 300000;
    for (unsigned turn = 0; turn < 3; turn++) {
        const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 200000);
        rig_run(&r, HF_MILLISECONDS(15));
        assert_true(holds_contexts(r.client.q) && holds_contexts(r.server.q));
        rig_run(&r, HF_SECONDS(3));
        assert_int_equal(rig_lane_of(&r.client, lane)->read, 300000);
        const rig_end *const ends[] = { &r.client, &r.server };
        for (unsigned i = 0; i < 2; i++) {
            hf_quic_info info;
            hf_quic_info_of(ends[i]->q, &info);
            assert_false(holds_contexts(ends[i]->q));
            assert_null(ends[i]->q->shaking);
            assert_int_equal(ends[i]->q->application.sent.packet_capacity, 0);
            if (info.memory > 4400)
                fail_msg("%zu bytes", info.memory);
        }
    }
    assert_int_equal(hf_quic_update_keys(r.client.q, r.now).code, 0);
    (void)rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 10);
    rig_run(&r, HF_SECONDS(3));
    assert_true(r.client.q->key_updates + r.server.q->key_updates > 0 && r.client.last == HF_IDLE);
    rig_close(&r);
}

static unsigned turns[2];
static bool last_bit[2];

/* The spin bit is in the clear: whoever stands in between sees it turn. */
static bool look(rig *r, rig_packet *p)
{
    (void)r;
    const bool bit = p->bytes[0] & 0x20;
    if (p->bytes[0] & 0x80)
        return true;
    turns[p->to_server] += bit != last_bit[p->to_server];
    last_bit[p->to_server] = bit;
    return true;
}

/* RFC 9000 17.4: one turn in a round trip, and on some connections none. */
static void the_spin_bit_shows_round_trips_of_most_connections(void **state)
{
    (void)state;
    unsigned spin = 0, quiet = 0;
    for (uint64_t seed = 0; seed < 64; seed++) {
        rig r;
        rig_open(&r, 50 + seed);
        rig_connect(&r);
        memset(turns, 0, sizeof turns);
        r.filter = look;
        r.server.echo = 300000;
        (void)rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 10);
        const hf_time began = r.now;
        while (!rig_lane_of(&r.client, 0)->fin && rig_next(&r, hf_time_after(r.now, HF_SECONDS(1))))
            ;
        const unsigned trips = (unsigned)((r.now.ns - began.ns) / (2 * r.delay_ns));
        if (r.server.q->spins && r.client.q->spins) {
            spin++;
            assert_in_range(turns[0], trips / 2, trips + 2);
            assert_in_range(turns[1], trips / 2, trips + 2);
        } else {
            quiet++;
            assert_true(turns[r.server.q->spins ? 1 : 0] <= 1);
        }
        rig_close(&r);
    }
    assert_true(spin > 40 && quiet > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_handshake_is_confirmed_in_two_round_trips),
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(a_quiet_connection_holds_little_and_goes_on),
        cmocka_unit_test(the_spin_bit_shows_round_trips_of_most_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
