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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_handshake_is_confirmed_in_two_round_trips),
        cmocka_unit_test(a_request_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
