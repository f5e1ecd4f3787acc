/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows, timers that keep a quiet connection alive, sequence numbers and timestamps that wrap, path MTU.
 */
#include "tcp/world.h"

static world w;
static app *client, *server;
static const app silent = { .most_read = UINT64_MAX };

static void open_both(void)
{
    w.accept.end_after = false;
    serve(&w, 80);
    client = dial(&w, &silent, 80);
    run_for(&w, HF_SECONDS(1));
    server = accepted_app(&w, 0);
    assert_non_null(server);
}
static void begin(void)
{
    world_init(&w, 31);
    open_both();
}
static void put(app *a, uint64_t n)
{
    a->total += n;
    app_write(a);
    settle(&w);
}
static void end(void)
{
    for (unsigned i = 0; i < w.app_count; i++)
        if (!w.apps[i].freed)
            hf_tcp_free(w.apps[i].tcp);
    world_fini(&w);
}
static void read_more(app *a, uint64_t n)
{
    a->most_read = n == UINT64_MAX ? n : a->most_read + n;
    app_read(a);
    settle(&w);
}

/* ---- Z: windows ----------------------------------------------------------------------------------------------------- */

static void a_reader_that_stops_shuts_the_window_and_probes_find_it_open(void **state)
{
    (void)state;
    begin();
    server->most_read = 0;
    client->lent = true;
    put(client, 300000);
    run_for(&w, HF_SECONDS(20));
    assert_in_range(info_of(server).receive_window, 0, 128);
    assert_int_equal(info_of(client).send_window, 0);
    const uint64_t sent = w.sent[1];
    assert_true(client->tcp->timing == HF_TIMING_PERSIST);
    run_for(&w, HF_SECONDS(60));
    assert_in_range(w.sent[1] - sent, 1, 20); /* probes, ever rarer */
    assert_true(w.payload[1] < 66000);
    w.link[0].cut = true; /* Z1: the update is lost */
    read_more(server, UINT64_MAX);
    run_for(&w, MS(50));
    w.link[0].cut = false;
    assert_true(server->received < 300000);
    run_for(&w, HF_SECONDS(62)); /* L3: within one probe interval */
    assert_int_equal(server->received, 300000);
    assert_int_equal(client->released, client->tokens);
    assert_int_equal(w.ep[0]->counts.timeouts, 0); /* and it was never taken for congestion */
    end();
}

static void a_window_may_stay_shut_for_hours_while_probes_are_answered(void **state)
{
    (void)state;
    begin();
    server->most_read = 0;
    put(client, 100000);
    run_for(&w, HF_SECONDS(3 * 3600));
    assert_false(client->faulted);
    w.link[0].cut = w.link[1].cut = true; /* now nobody answers */
    run_for(&w, HF_SECONDS(200));
    assert_true(client->faulted);
    end();
}

static void a_slow_reader_causes_no_small_segments(void **state)
{
    (void)state;
    begin();
    server->most_read = 0;
    put(client, 200000);
    run_for(&w, HF_SECONDS(5));
    const uint64_t sent = w.sent[1], bytes = w.payload[1];
    for (int i = 0; i < 1000; i++) {
        read_more(server, 100);
        run_for(&w, MS(25));
    }
    const uint64_t segments = w.sent[1] - sent;
    assert_true(segments > 10);
    assert_true((w.payload[1] - bytes) / segments > 1000); /* Z2 */
    end();
}

static void a_peer_that_shrinks_its_window_is_borne_with(void **state)
{
    (void)state;
    begin();
    w.quiet = true;
    put(client, 60000);
    settle(&w);
    /* what is in flight lies beyond the window all of a sudden */
    hf_segment s = { .source = 80, .destination = client->tcp->pair.local_port, .seq = client->tcp->rcv_nxt, .ack = client->tcp->una, .flags = HF_ACK,
                     .window = 1, .has_stamp = true, .stamp = client->tcp->recent + 1 };
    inject(&w, 0, s, 0, 0);
    run_for(&w, HF_SECONDS(10));
    assert_int_equal(server->received, 60000);
    end();
}

static void nagle_holds_small_segments_back_and_is_off_unless_asked_for(void **state)
{
    (void)state;
    for (int nagle = 0; nagle < 2; nagle++) {
        begin();
        hf_tcp_set_nagle(client->tcp, nagle);
        const uint64_t sent = w.sent[1];
        for (int i = 0; i < 10; i++)
            put(client, 10);
        assert_int_equal(w.sent[1] - sent, nagle ? 1 : 10);
        run_for(&w, MS(25));
        assert_int_equal(w.sent[1] - sent, nagle ? 2 : 10);
        run_for(&w, HF_SECONDS(1));
        assert_int_equal(server->received, 100);
        end();
    }
}

static void acknowledgements_are_delayed_but_not_at_first_and_never_for_two_segments(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < HF_TCP_QUICK_ACKS; i++) {
        put(client, 10);
        const uint64_t sent = w.sent[0];
        run_for(&w, MS(11));
        assert_int_equal(w.sent[0] - sent, 1);
    }
    put(client, 10);
    uint64_t sent = w.sent[0];
    run_for(&w, MS(49));
    assert_int_equal(w.sent[0], sent);
    run_for(&w, MS(2));
    assert_int_equal(w.sent[0], sent + 1);
    put(client, 2 * 1448);
    sent = w.sent[0];
    run_for(&w, MS(11));
    assert_int_equal(w.sent[0], sent + 1);
    end();
}

static void a_14_kilobyte_answer_arrives_in_one_round_trip(void **state)
{
    (void)state;
    begin();
    put(server, 14480);
    run_for(&w, MS(11));
    assert_int_equal(client->received, 14480);
    end();
}

static void limit_tcp_receive_bytes(void **state)
{
    (void)state;
    world_limits(&w, 31);
    w.link[0].delay_ns = w.link[1].delay_ns = MS(100);
    w.env[1].limits.tcp_receive_bytes = 1048576;
    world_begin(&w);
    open_both();
    assert_in_range(info_of(server).receive_window, 65535, 65536);
    put(client, 20000000);
    while (server->received < 20000000 && w.now.ns < HF_SECONDS(1020))
        run_for(&w, MS(100));
    assert_int_equal(server->received, 20000000);
    assert_in_range(info_of(server).receive_window, 1048576 / 2, 1048576 + 64);
    assert_true(info_of(client).congestion_window > 500000);
    end();
}

/* In the handshake nobody had to be woken and no queue was full: who only receives must not go by that round trip for ever. */
static void the_window_grows_though_the_handshake_was_faster_than_the_data(void **state)
{
    static const int64_t delays[][2] = { { 20000, 100000 }, { MS(1), MS(40) }, { MS(50), MS(400) } }; /* then, and later */
    (void)state;
    for (size_t i = 0; i < HF_COUNT(delays); i++) {
        world_limits(&w, 31);
        w.link[0].delay_ns = w.link[1].delay_ns = delays[i][0];
        world_begin(&w);
        open_both();
        w.link[0].delay_ns = w.link[1].delay_ns = delays[i][1];
        const uint64_t n = 4000000;
        put(client, n);
        while (server->received < n && w.now.ns < HF_SECONDS(1100))
            run_for(&w, MS(50));
        assert_int_equal(server->received, n);
        assert_true(info_of(server).receive_window >= 4 * 65536);
        end();
    }
}

static void an_idle_connection_is_small_and_remembers_the_path(void **state)
{
    (void)state;
    begin();
    put(client, 3000000);
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(server->received, 3000000);
    assert_true(info_of(client).congestion_window > 20 * 1448);
    assert_true(info_of(client).memory > 0);
    client->tcp->sender->congestion.now.threshold = 50 * 1448; /* as after a loss */
    const int64_t rtt_ns = info_of(client).rtt_ns;
    run_for(&w, HF_SECONDS(5));
    size_t timewait = 0, half_open = 0, connection = 0;
    hf_tcp_sizes(&timewait, &half_open, &connection);
    assert_true(connection <= 600);
    for (unsigned i = 0; i < 2; i++) {
        const hf_tcp_info info = info_of(i == 0 ? client : server);
        assert_int_equal(info.memory, 0);
        assert_int_equal(info.congestion_window, 10 * 1448); /* RFC 5681 4.1: the restart window */
    }
    assert_true(info_of(client).threshold >= 50 * 1448 && info_of(client).threshold < UINT32_MAX);
    assert_int_equal(info_of(client).rtt_ns, rtt_ns);
    assert_int_equal(hf_tcp_endpoint_wake(w.ep[0]).ns, HF_NEVER_NS); /* nothing more to do */
    put(client, 3000000);
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(server->received, 6000000);
    assert_int_equal(w.ep[0]->counts.retransmitted, 0);
    end();
}

static void limit_tcp_ranges(void **state)
{
    (void)state;
    world_limits(&w, 31);
    w.env[1].limits.tcp_ranges = 8;
    world_begin(&w);
    open_both();
    w.quiet = true;
    hf_segment s = { .source = client->tcp->pair.local_port, .destination = 80, .seq = server->tcp->rcv_nxt, .ack = server->tcp->nxt, .flags = HF_ACK,
                     .window = 1000, .has_stamp = true, .stamp = server->tcp->recent };
    const hf_seq next = s.seq;
    for (uint32_t i = 1; i <= 1000; i++) { /* SegmentSmack: a byte, a gap, a byte, ... */
        s.seq = hf_seq_add(next, 2 * i);
        inject(&w, 1, s, 2 * i, 1);
        speak(&w, 1);
        assert_true(info_of(server).ranges <= 8);
        assert_true(info_of(server).memory < 16384);
    }
    assert_int_equal(counts_of(&w, 1).ranges_dropped, 1000 - 8);
    s.seq = next;
    inject(&w, 1, s, 0, 17); /* and what fills the gaps is still taken */
    settle(&w);
    assert_int_equal(server->received, 17);
    assert_int_equal(info_of(server).ranges, 0);
    end();
}

/* ---- Z5: keep-alive --------------------------------------------------------------------------------------------------- */

static void keepalive_tells_the_living_from_the_dead(void **state)
{
    (void)state;
    begin();
    hf_tcp_set_keepalive(client->tcp, w.now, HF_SECONDS(60));
    const uint64_t sent = w.sent[1];
    run_for(&w, HF_SECONDS(3600));
    assert_in_range(w.sent[1] - sent, 50, 70);
    assert_false(client->faulted);
    w.link[0].cut = w.link[1].cut = true;
    run_for(&w, HF_SECONDS(60 + 75 * 10 + 10));
    assert_true(client->faulted);
    assert_int_equal(client->err.code, HF_ERR_TCP_KEEPALIVE);
    end();
    begin(); /* without it, silence is for ever */
    run_for(&w, HF_SECONDS(86400));
    assert_false(client->faulted);
    end();
}

static void keepalive_finds_a_peer_that_restarted(void **state)
{
    (void)state;
    begin();
    hf_tcp_set_keepalive(client->tcp, w.now, HF_SECONDS(60));
    hf_tcp_endpoint_free(w.ep[1]);
    server->freed = true;
    w.ep[1] = hf_tcp_endpoint_new(&w.env[1].env, &w.config[1], w.now);
    run_for(&w, HF_SECONDS(62));
    assert_true(client->faulted);
    assert_int_equal(client->err.code, HF_ERR_TCP_RESET);
    end();
}

/* ---- N: numbers ------------------------------------------------------------------------------------------------------- */

/* Both ends begin just below 2^32. */
static void sequence_numbers_wrap(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        world_limits(&w, seed);
        w.link[1].loss = 20000;
        world_begin(&w);
        serve(&w, 80);
        w.accept.total = 200000;
        client = dial(&w, &(app){ .total = 300000, .most_read = UINT64_MAX, .end_after = true }, 80);
        client->tcp->iss.n = 0xffffff00u + (uint32_t)seed * 31;
        client->tcp->una = client->tcp->nxt = client->tcp->iss;
        run_for(&w, HF_SECONDS(120));
        server = accepted_app(&w, 0);
        assert_int_equal(server->received, 300000);
        assert_int_equal(client->received, 200000);
        assert_true(info_of(client).nxt < 0x10000000);
        assert_true(client->closed && server->closed);
        end();
    }
}

static void a_duplicate_from_before_the_wrap_is_refused_by_its_timestamp(void **state)
{
    (void)state;
    begin();
    put(client, 1000);
    run_for(&w, HF_SECONDS(1));
    w.quiet = true;
    hf_segment old = { .source = client->tcp->pair.local_port, .destination = 80, .seq = server->tcp->rcv_nxt, .ack = server->tcp->nxt, .flags = HF_ACK | HF_PSH,
                       .window = 1000, .has_stamp = true, .stamp = server->tcp->recent - 50 };
    inject(&w, 1, old, 777, 100); /* inside the window, and of 2^32 bytes ago */
    settle(&w);
    assert_int_equal(server->received, 1000);
    assert_int_equal(counts_of(&w, 1).paws_dropped, 1);
    old.flags |= HF_FIN;
    inject(&w, 1, old, 777, 0);
    assert_false(server->peer_ended);
    /* after 24 days of silence an older stamp means nothing */
    run_for(&w, HF_SECONDS(25 * 86400));
    old.flags = HF_ACK;
    inject(&w, 1, old, 1000, 100);
    settle(&w);
    assert_int_equal(server->received, 1100);
    end();
}

static void timestamps_wrap(void **state)
{
    (void)state;
    world_limits(&w, 31);
    world_begin(&w);
    w.accept.end_after = false;
    serve(&w, 80);
    client = dial(&w, &silent, 80);
    client->tcp->stamp_offset = (uint32_t)-((uint32_t)(w.now.ns / 1000000) + 1500); /* zero in 1.5 s */
    run_for(&w, HF_SECONDS(1));
    server = accepted_app(&w, 0);
    for (int i = 0; i < 20; i++) {
        put(client, 1000);
        run_for(&w, MS(100));
    }
    assert_int_equal(server->received, 20000);
    assert_int_equal(counts_of(&w, 1).paws_dropped, 0);
    assert_int_equal(w.ep[0]->counts.retransmitted, 0);
    end();
}

static void a_peer_without_any_option_is_served(void **state)
{
    (void)state;
    world_limits(&w, 31);
    w.config[0].no_sack = w.config[0].no_timestamps = w.config[0].no_scale = true;
    w.link[0].loss = w.link[1].loss = 20000;
    world_begin(&w);
    open_both();
    const hf_tcp_info info = info_of(server);
    assert_false(info.sack || info.timestamps || info.scaled);
    put(client, 200000);
    put(server, 200000);
    run_for(&w, HF_SECONDS(60));
    assert_int_equal(server->received, 200000);
    assert_int_equal(client->received, 200000);
    end();
}

static void a_window_scale_above_14_counts_as_14(void **state)
{
    (void)state;
    begin();
    w.quiet = true;
    w.link[0].cut = true;
    inject(&w, 1, (hf_segment){ .source = 4000, .destination = 80, .seq = { 5 }, .flags = HF_SYN, .window = 100, .has_scale = true, .scale = 200 }, 0, 0);
    settle(&w);
    inject(&w, 1, (hf_segment){ .source = 4000, .destination = 80, .seq = { 6 }, .ack = hf_seq_add(w.last[0].seq, 1), .flags = HF_ACK, .window = 2 }, 0, 0);
    settle(&w);
    const hf_tcp_info info = info_of(accepted_app(&w, 1));
    assert_int_equal(info.send_scale, 14);
    assert_int_equal(info.send_window, 2 << 14);
    assert_int_equal(info.segment, 536); /* and no MSS option means 536 */
    end();
}

/* ---- P: path MTU ------------------------------------------------------------------------------------------------------ */

static void too_big_makes_segments_smaller_when_it_is_about_something_in_flight(void **state)
{
    (void)state;
    begin();
    put(client, 100000);
    settle(&w);
    uint8_t quoted[8] = { 0 };
    const hf_seq una = client->tcp->una;
    quoted[0] = (uint8_t)(client->tcp->pair.local_port >> 8);
    quoted[1] = (uint8_t)client->tcp->pair.local_port;
    quoted[3] = 80;
    const hf_seq outside = hf_seq_add(client->tcp->nxt, 5);
    for (int i = 0; i < 4; i++)
        quoted[4 + i] = (uint8_t)(outside.n >> (24 - 8 * i));
    hf_tcp_endpoint_icmp(w.ep[0], w.now, &w.ip[0], &w.ip[1], hf_bytes_make(quoted, 8), false, 1000);
    assert_int_equal(info_of(client).segment, 1448); /* RFC 5927: forged */
    for (int i = 0; i < 4; i++)
        quoted[4 + i] = (uint8_t)(una.n >> (24 - 8 * i));
    hf_tcp_endpoint_icmp(w.ep[0], w.now, &w.ip[0], &w.ip[1], hf_bytes_make(quoted, 8), true, 0);
    assert_false(client->faulted); /* a hard error harms no open connection */
    world_drop_packets(&w);
    hf_tcp_endpoint_icmp(w.ep[0], w.now, &w.ip[0], &w.ip[1], hf_bytes_make(quoted, 8), false, 1000);
    assert_int_equal(info_of(client).segment, 948);
    run_for(&w, HF_SECONDS(10));
    assert_int_equal(server->received, 100000);
    put(client, 100000);
    hf_tcp_endpoint_icmp(w.ep[0], w.now, &w.ip[0], &w.ip[1], hf_bytes_make(quoted, 8), false, 68);
    for (int i = 0; i < 4; i++)
        quoted[4 + i] = (uint8_t)(client->tcp->una.n >> (24 - 8 * i));
    hf_tcp_endpoint_icmp(w.ep[0], w.now, &w.ip[0], &w.ip[1], hf_bytes_make(quoted, 8), false, 68);
    assert_int_equal(info_of(client).segment, 576 - 40 - 12); /* no lower, whatever is claimed */
    run_for(&w, HF_SECONDS(10));
    assert_int_equal(server->received, 200000);
    end();
}

static void a_hard_error_ends_an_attempt_to_connect(void **state)
{
    (void)state;
    world_init(&w, 3);
    w.link[1].cut = true;
    client = dial(&w, &silent, 80);
    settle(&w);
    uint8_t quoted[8] = { (uint8_t)(client->tcp->pair.local_port >> 8), (uint8_t)client->tcp->pair.local_port, 0, 80 };
    for (int i = 0; i < 4; i++)
        quoted[4 + i] = (uint8_t)(client->tcp->iss.n >> (24 - 8 * i));
    hf_tcp_endpoint_icmp(w.ep[0], w.now, &w.ip[0], &w.ip[1], hf_bytes_make(quoted, 8), true, 0);
    settle(&w);
    assert_true(client->faulted);
    assert_int_equal(client->err.code, HF_ERR_TCP_UNREACHABLE);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_stops_shuts_the_window_and_probes_find_it_open),
        cmocka_unit_test(a_window_may_stay_shut_for_hours_while_probes_are_answered),
        cmocka_unit_test(a_slow_reader_causes_no_small_segments),
        cmocka_unit_test(a_peer_that_shrinks_its_window_is_borne_with),
        cmocka_unit_test(nagle_holds_small_segments_back_and_is_off_unless_asked_for),
        cmocka_unit_test(acknowledgements_are_delayed_but_not_at_first_and_never_for_two_segments),
        cmocka_unit_test(a_14_kilobyte_answer_arrives_in_one_round_trip),
        cmocka_unit_test(limit_tcp_receive_bytes),
        cmocka_unit_test(the_window_grows_though_the_handshake_was_faster_than_the_data),
        cmocka_unit_test(an_idle_connection_is_small_and_remembers_the_path),
        cmocka_unit_test(limit_tcp_ranges),
        cmocka_unit_test(keepalive_tells_the_living_from_the_dead),
        cmocka_unit_test(keepalive_finds_a_peer_that_restarted),
        cmocka_unit_test(sequence_numbers_wrap),
        cmocka_unit_test(a_duplicate_from_before_the_wrap_is_refused_by_its_timestamp),
        cmocka_unit_test(timestamps_wrap),
        cmocka_unit_test(a_peer_without_any_option_is_served),
        cmocka_unit_test(a_window_scale_above_14_counts_as_14),
        cmocka_unit_test(too_big_makes_segments_smaller_when_it_is_about_something_in_flight),
        cmocka_unit_test(a_hard_error_ends_an_attempt_to_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
