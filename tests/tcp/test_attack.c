/* SPDX-License-Identifier: Apache-2.0
 *
 * What an attacker off the path may try (RFC 5961, 4953), and what one on it may send to cost us: nothing moves, nothing
 * is delivered, and the answers are bounded.
 */
#include "tcp/open_pair.h"

static void a_reset_must_hit_the_exact_number(void **state)
{
    (void)state;
    static const struct {
        int32_t away;
        bool ends, challenged;
    } rows[] = { { 0, true, false }, { 1, false, true }, { 1000, false, true }, { -1, false, false }, { 70000, false, false }, { -70000, false, false } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        begin();
        const uint64_t sent = w.sent[0];
        forged.flags = HF_RST;
        forged.seq = hf_seq_add(forged.seq, (uint32_t)rows[i].away);
        inject(&w, 1, forged, 0, 0);
        settle(&w);
        assert_int_equal(server->faulted, rows[i].ends);
        assert_int_equal(w.sent[0] - sent, rows[i].challenged);
        end();
    }
}

static void a_syn_on_an_open_connection_is_challenged_wherever_it_lies(void **state)
{
    (void)state;
    static const int32_t away[] = { 0, 1, -1, -501, 500, 100000 };
    for (size_t i = 0; i < HF_COUNT(away); i++) {
        begin();
        const uint64_t sent = w.sent[0];
        forged.flags = HF_SYN;
        forged.seq = hf_seq_add(forged.seq, (uint32_t)away[i]);
        inject(&w, 1, forged, 0, 0);
        speak(&w, 1);
        assert_int_equal(info_of(server).state, HF_TCP_ESTABLISHED);
        assert_int_equal(w.sent[0] - sent, 1);
        assert_int_equal(w.last[0].flags, HF_ACK);
        end();
    }
}

static void data_with_an_acknowledgement_out_of_range_is_not_delivered(void **state)
{
    (void)state;
    static const struct {
        int32_t away;
        bool taken;
    } rows[] = { { 0, true }, { -1, true }, { 1, false }, { 100000, false }, { -0x10000, true }, { -0x7000000, false }, { INT32_MIN, false } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        begin();
        server->tcp->window_most = 0x10000;
        forged.ack = hf_seq_add(forged.ack, (uint32_t)rows[i].away);
        const hf_tcp_info before = info_of(server);
        inject(&w, 1, forged, 500, 100);
        settle(&w);
        assert_int_equal(server->received, rows[i].taken ? 600 : 500);
        if (!rows[i].taken) { /* S8 */
            const hf_tcp_info after = info_of(server);
            assert_int_equal(before.una, after.una);
            assert_int_equal(before.send_window, after.send_window);
            assert_int_equal(before.rcv_nxt, after.rcv_nxt);
        }
        end();
    }
}

/* Three segments, each text of 100 bytes at a distance, or a FIN there, in any order: nothing beyond the FIN is delivered or kept. */
static void what_lies_beyond_a_fin_is_never_delivered(void **state)
{
    (void)state;
    static const struct {
        struct { int at; bool fin; } sent[3];
        uint64_t received;
        bool ends;
    } rows[] = {
        { { { 1, false }, { 0, true }, { 0, false } }, 500, true },         /* text that begins behind the FIN's own number */
        { { { 0, true }, { 0, false }, { 1, false } }, 500, true },
        { { { 200, false }, { 150, true }, { 0, false } }, 600, false },    /* a gap is left */
        { { { 100, false }, { 150, true }, { 0, false } }, 650, true },     /* what was kept is cut */
        { { { 150, true }, { 100, false }, { 0, false } }, 650, true },     /* what comes later is, too */
        { { { 150, true }, { 200, false }, { 0, false } }, 600, false },
        { { { 100, true }, { 50, true }, { 0, false } }, 600, true },       /* the first that is said holds */
        { { { -50, true }, { 100, true }, { 0, false } }, 600, true },      /* none ends where more was read already */
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        begin();
        const hf_seq next = forged.seq;
        for (unsigned j = 0; j < 3; j++) {
            const int at = rows[i].sent[j].at;
            forged.seq = hf_seq_add(next, (uint32_t)at);
            forged.flags = rows[i].sent[j].fin ? HF_ACK | HF_FIN : HF_ACK;
            inject(&w, 1, forged, (uint64_t)(500 + at), rows[i].sent[j].fin ? 0 : 100);
        }
        settle(&w);
        assert_int_equal(server->received, rows[i].received);
        assert_int_equal(server->peer_ended, rows[i].ends);
        assert_true(!rows[i].ends || info_of(server).ranges == 0);
        end();
    }
}

static void limit_tcp_challenges(void **state)
{
    (void)state;
    begin();
    forged.flags = HF_RST;
    forged.seq = hf_seq_add(forged.seq, 1);
    uint64_t sent = w.sent[0];
    for (int i = 0; i < 1000; i++) {
        inject(&w, 1, forged, 0, 0);
        speak(&w, 1);
    }
    assert_int_equal(w.sent[0] - sent, 1);
    run_for(&w, MS(600));
    inject(&w, 1, forged, 0, 0);
    speak(&w, 1);
    assert_int_equal(w.sent[0] - sent, 2);
    /* many connections together: between half of the limit and all of it, never the same number for long */
    unsigned least = UINT32_MAX, most = 0;
    for (int second = 0; second < 20; second++) {
        run_until(&w, hf_time_make((w.now.ns / HF_SECONDS(1) + 1) * HF_SECONDS(1)));
        unsigned allowed = 0;
        for (int i = 0; i < 500; i++)
            allowed += hf_reply_may_challenge(w.ep[1], w.now);
        least = allowed < least ? allowed : least;
        most = allowed > most ? allowed : most;
    }
    assert_true(least >= 50 && most <= 100 && most > least);
    end();
}

static void two_ends_that_disagree_do_not_talk_for_ever(void **state)
{
    (void)state;
    begin();
    server->tcp->rcv_nxt = hf_seq_add(server->tcp->rcv_nxt, 100000); /* as after a broken restore */
    server->tcp->edge = hf_seq_add(server->tcp->edge, 100000);
    client->total += 10;
    const uint64_t sent = w.sent[0] + w.sent[1];
    app_write(client);
    run_for(&w, HF_SECONDS(30));
    assert_true(w.sent[0] + w.sent[1] - sent < 400);
    end();
}

static void acknowledging_what_was_never_sent_changes_nothing(void **state)
{
    (void)state;
    begin();
    server->total += 100000;
    app_write(server);
    settle(&w);
    const hf_tcp_info before = info_of(server);
    forged.ack = hf_seq_add(server->tcp->nxt, 1448); /* optimistic */
    inject(&w, 1, forged, 0, 0);
    forged.ack = server->tcp->una;
    forged.sacks = 1;
    forged.sack[0] = (hf_sack){ hf_seq_add(server->tcp->nxt, 10), hf_seq_add(server->tcp->nxt, 2000) };
    inject(&w, 1, forged, 0, 0);
    forged.sack[0] = (hf_sack){ hf_seq_add(server->tcp->una, 2000), hf_seq_add(server->tcp->una, 1000) };
    inject(&w, 1, forged, 0, 0);
    const hf_tcp_info after = info_of(server);
    assert_int_equal(before.una, after.una);
    assert_int_equal(before.in_flight, after.in_flight);
    assert_true(before.congestion_window == after.congestion_window);
    run_for(&w, HF_SECONDS(5));
    assert_int_equal(client->received, 100500);
    end();
}

static void acknowledging_byte_by_byte_earns_no_larger_window(void **state)
{
    (void)state;
    begin();
    server->total += 200000;
    app_write(server);
    settle(&w);
    w.link[0].cut = true;
    const uint64_t window = info_of(server).congestion_window;
    const hf_seq una = server->tcp->una;
    for (uint32_t i = 1; i <= 1448; i++) {
        forged.ack = hf_seq_add(una, i);
        inject(&w, 1, forged, 0, 0);
        speak(&w, 1);
    }
    assert_true(info_of(server).congestion_window <= window + 1448); /* RFC 3465: bytes count, not segments */
    end();
}

static void a_tiny_mss_is_not_believed(void **state)
{
    (void)state;
    begin();
    w.link[0].cut = true;
    inject(&w, 1, (hf_segment){ .source = 4000, .destination = 80, .seq = { 5 }, .flags = HF_SYN, .window = 65535, .mss = 8, .sack_permitted = true }, 0, 0);
    settle(&w);
    inject(&w, 1, (hf_segment){ .source = 4000, .destination = 80, .seq = { 6 }, .ack = hf_seq_add(w.last[0].seq, 1), .flags = HF_ACK, .window = 65535 }, 0, 0);
    settle(&w);
    assert_true(info_of(accepted_app(&w, 1)).segment >= 88); /* CVE-2019-11479 */
    end();
}

static void limit_tcp_replies(void **state)
{
    (void)state;
    begin();
    forged = (hf_segment){ .source = 5, .destination = 81, .flags = HF_SYN, .seq = { 1 } };
    for (int i = 0; i < 1000; i++)
        inject(&w, 1, forged, 0, 0);
    assert_int_equal(counts_of(&w, 1).replies_dropped, 1000 - 256);
    const uint64_t sent = w.sent[0];
    settle(&w);
    assert_int_equal(w.sent[0] - sent, 256);
    end();
}

static void limit_tcp_listeners(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 1; i < 256; i++) {
        const hf_err err = hf_tcp_listen(w.ep[1], &w.ip[1], (uint16_t)(1000 + i), 0);
        assert_int_equal(err.code, 0);
    }
    assert_int_equal(hf_tcp_listen(w.ep[1], &w.ip[1], 5000, 0).code, HF_ERR_TCP_LISTENERS);
    hf_tcp_unlisten(w.ep[1], &w.ip[1], 1001);
    assert_int_equal(hf_tcp_listen(w.ep[1], &w.ip[1], 80, 0).code, HF_ERR_TCP_ADDRESS_IN_USE);
    assert_int_equal(hf_tcp_listen(w.ep[1], &w.ip[1], 5000, 0).code, 0);
    end();
}

static void limit_tcp_connect_ns(void **state)
{
    (void)state;
    world_limits(&w, 51);
    w.env[0].limits.tcp_connect_ns = HF_SECONDS(10);
    world_begin(&w);
    w.link[1].cut = true;
    client = dial(&w, &silent, 80);
    run_for(&w, HF_SECONDS(9));
    assert_false(client->faulted);
    run_for(&w, HF_SECONDS(10));
    assert_int_equal(client->err.code, HF_ERR_TCP_TIMEOUT);
    end();
}

static void segments_from_or_for_groups_and_nowhere_are_dropped(void **state)
{
    (void)state;
    begin();
    uint8_t bytes[HF_TCP_HEADER_MOST];
    const hf_segment syn = { .source = 4000, .destination = 80, .seq = { 5 }, .flags = HF_SYN, .window = 1000 };
    const size_t n = hf_segment_write(bytes, &syn);
    const hf_ip rows[][2] = { { hf_ip_make4(224, 0, 0, 1), w.ip[1] }, { w.ip[0], hf_ip_make4(224, 0, 0, 1) }, { hf_ip_make4(0, 0, 0, 0), w.ip[1] },
                              { hf_ip_make4(255, 255, 255, 255), w.ip[1] } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_tcp_input in = { .source = rows[i][0], .destination = rows[i][1], .checked = true, .segment = hf_bytes_make(bytes, n) };
        assert_int_equal(hf_tcp_endpoint_input(w.ep[1], w.now, &in).code, HF_ERR_NET_ADDRESS);
    }
    assert_int_equal(counts_of(&w, 1).half_open, 0);
    end();
}

static void land_does_not_make_us_talk_to_ourselves(void **state)
{
    (void)state;
    begin();
    uint8_t bytes[HF_TCP_HEADER_MOST];
    const hf_segment syn = { .source = 80, .destination = 80, .seq = { 5 }, .flags = HF_SYN, .window = 1000 };
    const hf_tcp_input in = { .source = w.ip[1], .destination = w.ip[1], .checked = true, .segment = hf_bytes_make(bytes, hf_segment_write(bytes, &syn)) };
    const hf_err err = hf_tcp_endpoint_input(w.ep[1], w.now, &in);
    (void)err;
    unsigned sent = 0;
    for (int i = 0; i < 50; i++) { /* each answer comes back to us */
        uint8_t scratch[128], whole[128];
        hf_extent pieces[8];
        hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 2000 };
        hf_tcp_packet p;
        if (!hf_tcp_endpoint_emit(w.ep[1], w.now, &out, &p))
            break;
        sent++;
        memcpy(whole, pieces[0].bytes.ptr, pieces[0].bytes.len);
        const hf_tcp_input back = { .source = p.source, .destination = p.destination, .checked = true, .segment = hf_bytes_make(whole, p.length) };
        const hf_err echo = hf_tcp_endpoint_input(w.ep[1], w.now, &back);
        (void)echo;
    }
    assert_true(sent < 10);
    assert_int_equal(counts_of(&w, 1).accepted, 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_must_hit_the_exact_number),
        cmocka_unit_test(a_syn_on_an_open_connection_is_challenged_wherever_it_lies),
        cmocka_unit_test(data_with_an_acknowledgement_out_of_range_is_not_delivered),
        cmocka_unit_test(what_lies_beyond_a_fin_is_never_delivered),
        cmocka_unit_test(limit_tcp_challenges),
        cmocka_unit_test(two_ends_that_disagree_do_not_talk_for_ever),
        cmocka_unit_test(acknowledging_what_was_never_sent_changes_nothing),
        cmocka_unit_test(acknowledging_byte_by_byte_earns_no_larger_window),
        cmocka_unit_test(a_tiny_mss_is_not_believed),
        cmocka_unit_test(limit_tcp_replies),
        cmocka_unit_test(limit_tcp_listeners),
        cmocka_unit_test(limit_tcp_connect_ns),
        cmocka_unit_test(segments_from_or_for_groups_and_nowhere_are_dropped),
        cmocka_unit_test(land_does_not_make_us_talk_to_ourselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
