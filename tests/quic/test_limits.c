/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound of QUIC is reached.
 */
#include "rig.h"

static int32_t fault_of(const hf_quic *q)
{
    return hf_quic_fault_of(q)->err.code;
}

static bool frames(hf_quic *q, const uint8_t *bytes, size_t n)
{
    bool eliciting, probing;
    return hf_quic_frames(q, HF_LEVEL_APPLICATION, HF_QUIC_SHORT, hf_bytes_make(bytes, n), &eliciting, &probing);
}

static void limit_quic_connections(void **state)
{
    (void)state;
    rig r;
    hf_err err;
    rig_open(&r, 1);
    r.w.limits.quic_connections = 1;
    rig_connect(&r);
    const hf_quic_target target = { { r.client_address, r.server_address }, hf_text("localhost"), { NULL, 0 }, { NULL, 0 } };
    assert_null(hf_quic_connect(r.client.ep, r.now, &target, NULL, &err));
    assert_int_equal(err.code, HF_ERR_QUIC_BUSY);
    r.w.limits.quic_connections = 2;
    hf_quic *const q = hf_quic_connect(r.client.ep, r.now, &target, NULL, &err);
    assert_non_null(q);
    r.w.limits.quic_connections = 1;
    rig_run(&r, HF_SECONDS(1));
    hf_quic_counts counts;
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_true(counts.refused > 0);
    assert_int_equal(counts.connections, 1);
    rig_close(&r);
}

static void limit_quic_half_open(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 2);
    r.w.limits.quic_half_open = 0;
    rig_connect(&r);
    hf_quic_counts counts;
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_int_equal(counts.retries, 1);
    assert_int_equal(counts.tokens_good, 1);
    assert_int_equal(counts.half_open, 0);
    rig_close(&r);
}

static void limit_quic_handshake_ns(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 3);
    r.server.no_sign = true;
    rig_start(&r);
    rig_run(&r, HF_SECONDS(9));
    assert_int_equal(r.client.q->state, HF_QUIC_SHAKING);
    rig_run(&r, HF_SECONDS(2));
    assert_int_equal(r.client.last, HF_FAULT);
    assert_int_equal(fault_of(r.client.q), HF_ERR_QUIC_HANDSHAKE_TIMEOUT);
    assert_int_equal(r.server.last, HF_FAULT);
    rig_close(&r);
}

static void limit_quic_idle_ns(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 4);
    r.w.limits.quic_idle_ns = HF_SECONDS(20);
    rig_connect(&r);
    rig_run(&r, HF_SECONDS(18));
    assert_int_equal(r.client.last, HF_IDLE);
    rig_run(&r, HF_SECONDS(3));
    assert_int_equal(r.client.last, HF_CLOSED);
    assert_int_equal(r.server.last, HF_CLOSED);
    assert_int_equal(fault_of(r.client.q), HF_ERR_QUIC_IDLE);
    rig_close(&r);
}

static void streams_are_bounded(uint64_t *limit, rig *r, hf_lane_kind kind)
{
    hf_lane lane;
    *limit = 3;
    rig_connect(r);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hf_quic_open(r->client.q, kind, &lane).code, 0);
    assert_int_equal(hf_quic_open(r->client.q, kind, &lane).code, HF_ERR_QUIC_STREAMS);
    r->client.q->may_open[kind] = 4; /* a client that does not heed it */
    (void)rig_send(r, &r->client, kind, 10);
    rig_run(r, HF_SECONDS(1));
    assert_int_equal(fault_of(r->server.q), HF_ERR_QUIC_STREAM_LIMIT);
    assert_int_equal(fault_of(r->client.q), HF_ERR_QUIC_PEER_TRANSPORT);
    assert_int_equal(hf_quic_fault_of(r->client.q)->code, 4);
    rig_close(r);
}

static void limit_quic_streams(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 5);
    streams_are_bounded(&r.w.limits.quic_streams, &r, HF_LANE_BIDIRECTIONAL);
}

static void limit_quic_one_way_streams(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 6);
    streams_are_bounded(&r.w.limits.quic_one_way_streams, &r, HF_LANE_UNIDIRECTIONAL);
}

static void limit_quic_window_bytes(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 7);
    r.w.limits.quic_window_bytes = 8000;
    rig_connect(&r);
    r.server.no_read = true;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_UNIDIRECTIONAL, 5000);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(hf_stream_find(r.server.q, lane)->in->highest, 2000);
    r.server.no_read = false;
    rig_read(&r, &r.server, rig_lane_of(&r.server, lane));
    rig_run(&r, HF_SECONDS(2));
    assert_int_equal(rig_lane_of(&r.server, lane)->read, 5000);
    /* it grows for a reader that keeps up, and no further than the limit */
    const hf_lane next = rig_send(&r, &r.client, HF_LANE_UNIDIRECTIONAL, 400000);
    rig_run(&r, HF_MILLISECONDS(400));
    assert_true(hf_stream_find(r.server.q, next)->window <= 8000);
    hf_stream_find(r.client.q, next)->send_allowed = 1000000; /* a client that does not heed it */
    hf_stream_touch(r.client.q, hf_stream_find(r.client.q, next));
    r.server.no_read = true;
    hf_quic_touch(r.client.q);
    rig_run(&r, HF_SECONDS(2));
    assert_int_equal(fault_of(r.server.q), HF_ERR_QUIC_FLOW_CONTROL);
    rig_close(&r);
}

static void limit_quic_connection_window_bytes(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 8);
    r.w.limits.quic_connection_window_bytes = 20000;
    rig_connect(&r);
    r.server.no_read = true;
    for (int i = 0; i < 3; i++)
        (void)rig_send(&r, &r.client, HF_LANE_UNIDIRECTIONAL, 4000);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(r.server.q->received_bytes, 5000);
    r.client.q->send_allowed = 1000000; /* a client that does not heed it */
    hf_streams_unblock(r.client.q);
    hf_quic_touch(r.client.q);
    rig_run(&r, HF_SECONDS(2));
    assert_int_equal(fault_of(r.server.q), HF_ERR_QUIC_FLOW_CONTROL);
    rig_close(&r);
}

static void limit_quic_crypto_bytes(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 9);
    r.server.no_sign = true;
    rig_start(&r);
    rig_run(&r, HF_MILLISECONDS(100));
    assert_true(hf_quic_hello_data(r.server.q, HF_LEVEL_HANDSHAKE, 65535, hf_text("x")));
    assert_false(hf_quic_hello_data(r.server.q, HF_LEVEL_HANDSHAKE, 65536, hf_text("x")));
    assert_int_equal(fault_of(r.server.q), HF_ERR_QUIC_CRYPTO_BUFFER);
    assert_int_equal(hf_quic_fault_of(r.server.q)->code, 0x0d);
    rig_close(&r);
}

static bool every_other(rig *r, rig_packet *p)
{
    return !p->to_server || r->datagrams_to_server % 2 == 0;
}

static void limit_quic_ack_ranges(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 10);
    r.w.limits.quic_ack_ranges = 4;
    rig_connect(&r);
    r.filter = every_other;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_UNIDIRECTIONAL, 100000);
    rig_run(&r, HF_SECONDS(20));
    assert_true(r.server.q->spaces[HF_LEVEL_APPLICATION]->floor > 0);
    assert_int_equal(rig_lane_of(&r.server, lane)->read, 100000);
    rig_close(&r);
}

static void limit_quic_gaps(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 11);
    r.w.limits.quic_gaps = 3;
    rig_connect(&r);
    for (uint64_t i = 1; i <= 4; i++) {
        const hf_frame f = { .kind = HF_FRAME_STREAM, .type = 0x0e, .id = i % 2 * 4, .offset = 10 * i, .bytes = hf_text("x") };
        assert_true(hf_stream_data(r.server.q, &f) == (i < 4));
    }
    assert_int_equal(fault_of(r.server.q), HF_ERR_QUIC_GAPS);
    rig_close(&r);
}

static void limit_quic_retirements(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 12);
    r.w.limits.quic_retirements = 5;
    rig_connect(&r);
    r.cut = true; /* nothing is acknowledged */
    uint64_t n = 10;
    uint8_t id[8] = { 0 }, token[16] = { 0 };
    for (; n < 40; n++) {
        id[0] = token[0] = (uint8_t)n;
        const hf_frame f = { .kind = HF_FRAME_NEW_CONNECTION_ID, .type = 0x18, .id = n, .offset = n, .bytes = { id, 8 }, .reset_token = token };
        if (!hf_quic_new_id(r.server.q, &f))
            break;
        assert_true(r.server.q->retire_count <= 5);
    }
    assert_int_equal(n, 12); /* four at first, then one each */
    assert_int_equal(fault_of(r.server.q), HF_ERR_QUIC_ID_LIMIT);
    rig_close(&r);
}

static void limit_quic_path_answers(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 13);
    rig_connect(&r);
    for (uint8_t i = 0; i < 9; i++) {
        const uint8_t frame[9] = { 0x1a, i };
        assert_true(frames(r.server.q, frame, sizeof frame));
    }
    const hf_route *const route = hf_quic_route(r.server.q);
    assert_int_equal(route->answer_count, 4);
    assert_int_equal(route->answers[0][0], 5);
    assert_int_equal(route->answers[3][0], 8); /* the newest wins */
    hf_quic_touch(r.server.q);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(route->answer_count, 0);
    rig_close(&r);
}

static void limit_quic_control(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 14);
    r.w.limits.quic_control = 50;
    rig_connect(&r);
    unsigned n = 0;
    while (n < 100 && frames(r.server.q, (const uint8_t *)"\1", 1))
        n++;
    assert_in_range(n, 40, 50);
    assert_int_equal(fault_of(r.server.q), HF_ERR_QUIC_FLOOD);
    rig_close(&r);
}

static void limit_quic_control_rate(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 15);
    r.w.limits.quic_control = 50;
    r.w.limits.quic_control_rate = 10;
    rig_connect(&r);
    for (unsigned i = 0; i < 200; i++) { /* ten a second may go on for ever */
        r.server.q->now = hf_time_after(r.server.q->now, HF_MILLISECONDS(100));
        assert_true(frames(r.server.q, (const uint8_t *)"\1", 1));
    }
    unsigned n = 0;
    while (n < 100 && frames(r.server.q, (const uint8_t *)"\1", 1))
        n++;
    assert_true(n <= 50);
    rig_close(&r);
}

static void limit_quic_forgeries(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 16);
    r.w.limits.quic_forgeries = 3;
    rig_connect(&r);
    for (int i = 0; i < 3; i++) {
        uint8_t forged[60];
        rig_fill(&r.chance, forged, sizeof forged);
        forged[0] = 0x40;
        memcpy(forged + 1, r.server.q->our_ids[0].cid.bytes, HF_QUIC_ID);
        const hf_quic_input in = { { r.server_address, r.client_address }, 0, 0, { forged, sizeof forged } };
        assert_int_equal(r.server.q->faulted, false);
        assert_int_not_equal(hf_quic_endpoint_input(r.server.ep, r.now, &in).code, 0);
    }
    assert_int_equal(fault_of(r.server.q), HF_ERR_QUIC_KEYS_WORN);
    rig_close(&r);
}

static void limit_quic_key_packets(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 17);
    r.w.limits.quic_key_packets = 20;
    rig_connect(&r);
    r.server.echo = 200000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 100);
    rig_run(&r, HF_SECONDS(3));
    assert_int_equal(rig_lane_of(&r.client, lane)->read, 200000);
    assert_true(r.client.q->key_updates >= 3);
    assert_int_equal(r.client.q->forged, 0);
    rig_close(&r);
}

static void stray(rig *r, size_t length)
{
    uint8_t bytes[1300];
    rig_fill(&r->chance, bytes, sizeof bytes);
    bytes[0] = 0x40;
    const hf_quic_input in = { { r->server_address, r->client_address }, 0, 0, { bytes, length } };
    assert_int_equal(hf_quic_endpoint_input(r->server.ep, r->now, &in).code, HF_ERR_QUIC_NO_CONNECTION);
}

/* Of two paths one is read first: what was sent before the peer gave an id up may be read after that. */
static void an_id_that_was_given_up_draws_no_reset(void **state)
{
    (void)state;
    rig r;
    hf_quic_counts counts;
    uint8_t bytes[100];
    rig_open(&r, 19);
    rig_connect(&r);
    rig_run(&r, HF_MILLISECONDS(100));
    hf_quic *const q = r.server.q;
    unsigned which = 0;
    while (!q->our_ids[which].on || q->our_ids[which].sequence == q->dcid_sequence)
        which++;
    const hf_cid given_up = q->our_ids[which].cid;
    const hf_frame f = { .type = HF_FRAME_RETIRE_CONNECTION_ID, .id = q->our_ids[which].sequence };
    assert_true(hf_quic_retire_id(q, &f));
    rig_fill(&r.chance, bytes, sizeof bytes);
    bytes[0] = 0x40;
    memcpy(bytes + 1, given_up.bytes, given_up.length);
    const hf_quic_input in = { { r.server_address, r.client_address }, 0, 0, { bytes, sizeof bytes } };
    assert_int_equal(hf_quic_endpoint_input(r.server.ep, r.now, &in).code, HF_ERR_QUIC_NO_CONNECTION);
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_int_equal(counts.resets, 0);
    bytes[1] ^= 1; /* never ours */
    assert_int_equal(hf_quic_endpoint_input(r.server.ep, r.now, &in).code, HF_ERR_QUIC_NO_CONNECTION);
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_int_equal(counts.resets, 1);
    rig_close(&r);
}

static void limit_quic_reset_rate(void **state)
{
    (void)state;
    rig r;
    hf_quic_counts counts;
    rig_open(&r, 18);
    r.w.limits.quic_reset_rate = 2;
    rig_connect(&r);
    for (int i = 0; i < 5; i++)
        stray(&r, 100);
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_int_equal(counts.resets, 2);
    r.now = hf_time_after(r.now, HF_MILLISECONDS(600));
    stray(&r, 100);
    stray(&r, 21); /* an answer would not be smaller */
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_int_equal(counts.resets, 3);
    rig_close(&r);
}

static void limit_quic_replies(void **state)
{
    (void)state;
    rig r;
    hf_quic_counts counts;
    rig_open(&r, 19);
    r.w.limits.quic_replies = 3;
    rig_connect(&r);
    for (int i = 0; i < 5; i++)
        stray(&r, 100);
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_int_equal(counts.resets, 3);
    rig_close(&r);
}

static void limit_quic_retry_ns(void **state)
{
    (void)state;
    rig r;
    hf_quic_counts counts;
    rig_open(&r, 20);
    r.config[0].always_retry = true;
    r.w.limits.quic_retry_ns = HF_MILLISECONDS(15); /* less than the round trip */
    rig_start(&r);
    rig_run(&r, HF_SECONDS(3));
    assert_false(r.client.confirmed);
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_true(counts.tokens_bad > 0 && counts.tokens_good == 0);
    rig_close(&r);
}

static uint64_t tokens_good_after(int64_t wait_ns)
{
    rig r;
    hf_quic_counts counts;
    rig_open(&r, 21);
    r.config[0].always_retry = true;
    r.w.limits.quic_token_ns = HF_SECONDS(2);
    rig_connect(&r);
    assert_true(r.client.token_length > 0);
    rig_run(&r, wait_ns);
    r.client.q = r.server.q = NULL;
    r.client_address.port++; /* a later connection has another port */
    rig_start_with(&r, hf_text(""), hf_bytes_make(r.client.token, r.client.token_length));
    rig_run(&r, HF_MILLISECONDS(500));
    hf_quic_endpoint_counts(r.server.ep, &counts);
    rig_close(&r);
    return counts.retries == 1 ? counts.tokens_good : 0;
}

static void limit_quic_token_ns(void **state)
{
    (void)state;
    assert_true(tokens_good_after(HF_MILLISECONDS(200)) >= 2); /* no second Retry */
    assert_int_equal(tokens_good_after(HF_SECONDS(3)), 0);
}

static void limit_quic_datagrams(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 22);
    r.config[0].datagrams = r.config[1].datagrams = true;
    r.w.limits.quic_datagrams = 2;
    rig_connect(&r);
    assert_int_equal(hf_quic_send_datagram(r.client.q, hf_text("one")).code, 0);
    assert_int_equal(hf_quic_send_datagram(r.client.q, hf_text("two")).code, 0);
    assert_int_equal(hf_quic_send_datagram(r.client.q, hf_text("three")).code, HF_ERR_QUIC_DATAGRAM);
    r.server.hold = true;
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(hf_quic_send_datagram(r.client.q, hf_text("three")).code, 0);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(r.server.q->datagrams_in.count, 2); /* the oldest made room */
    r.server.hold = false;
    hf_quic_touch(r.server.q);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(r.server.datagrams, 2);
    assert_true(hf_bytes_equal(r.server.datagram, hf_text("three")));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_quic_connections), cmocka_unit_test(limit_quic_half_open), cmocka_unit_test(limit_quic_handshake_ns),
        cmocka_unit_test(limit_quic_idle_ns), cmocka_unit_test(limit_quic_streams), cmocka_unit_test(limit_quic_one_way_streams),
        cmocka_unit_test(limit_quic_window_bytes), cmocka_unit_test(limit_quic_connection_window_bytes),
        cmocka_unit_test(limit_quic_crypto_bytes), cmocka_unit_test(limit_quic_ack_ranges), cmocka_unit_test(limit_quic_gaps),
        cmocka_unit_test(limit_quic_retirements), cmocka_unit_test(limit_quic_path_answers), cmocka_unit_test(limit_quic_control),
        cmocka_unit_test(limit_quic_control_rate), cmocka_unit_test(limit_quic_forgeries), cmocka_unit_test(limit_quic_key_packets),
        cmocka_unit_test(an_id_that_was_given_up_draws_no_reset),
        cmocka_unit_test(limit_quic_reset_rate), cmocka_unit_test(limit_quic_replies), cmocka_unit_test(limit_quic_retry_ns),
        cmocka_unit_test(limit_quic_token_ns), cmocka_unit_test(limit_quic_datagrams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
