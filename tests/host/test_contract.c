/* SPDX-License-Identifier: Apache-2.0
 *
 * What holds for every core, and the bounds of this one.
 */
#include "wire.h"

#include "trace.h"

static wire w;
static uint8_t packet[70000];

/* ---- the laws --------------------------------------------------------------------------------------------------------- */

static void a_run(uint64_t seed, bool ethernet, hf_trace_hash *hash, size_t fail_at, bool fail_on)
{
    wire_init(&w, seed, ethernet);
    w.jitter_ns = MS(2);
    w.loss = 10000;
    w.answer = 60000;
    for (int i = 0; i < 2 && hash != NULL; i++)
        w.env[i].env.trace = &hash->sink;
    wire_begin(&w);
    const hf_ip any = { { 0 } };
    assert_int_equal(hf_tcp_listen(hf_host_tcp(w.host[1]), &any, 80, 0).code, 0);
    assert_int_equal(hf_host_udp_bind(w.host[1], 53, 0).code, 0);
    app *a = dial(&w, six(1), six(2), 80, 40000);
    assert_non_null(a);
    w.env[1].memory.fail_at = fail_at > 0 ? w.env[1].memory.calls + fail_at : 0;
    w.env[1].memory.fail_on = fail_on;
    for (unsigned i = 0; i < 20; i++) {
        const hf_host_datagram d = { .local = four(1), .remote = four(2), .local_port = 9, .remote_port = i % 3 == 0 ? 54 : 53, .bytes = hf_bytes_make(pattern, i * 10) };
        (void)!hf_host_udp_send(w.host[0], w.now, &d).code;
        run_for(&w, MS(20));
    }
    if (fail_on) { /* memory is back after some seconds */
        run_for(&w, HF_SECONDS(3));
        w.env[1].memory.fail_at = 0;
    }
    run_for(&w, HF_SECONDS(200));
}

static void end_run(void)
{
    for (unsigned i = 0; i < w.app_count; i++)
        hf_tcp_free(w.apps[i].tcp);
    wire_fini(&w); /* asserts that nothing is held any more */
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    uint64_t values[3], sent[3];
    for (int i = 0; i < 3; i++) {
        hf_trace_hash hash;
        hf_trace_hash_init(&hash);
        a_run(i < 2 ? 5 : 6, true, &hash, 0, false);
        values[i] = hash.value;
        sent[i] = w.sent[0] * 100000 + w.sent[1];
        end_run();
    }
    assert_int_equal(values[0], values[1]);
    assert_int_equal(sent[0], sent[1]);
    assert_true(values[0] != values[2]);
}

static void any_allocation_may_fail_and_every_byte_still_arrives(void **state)
{
    (void)state;
    a_run(5, true, NULL, 0, false);
    const size_t calls = w.env[1].memory.calls;
    const unsigned datagrams = w.datagrams;
    end_run();
    assert_true(calls > 20 && datagrams > 5);
    for (size_t n = 1; n <= calls; n++) {
        a_run(5, true, NULL, n, false);
        if (w.app_count != 2 || w.apps[0].received != 60000 || w.apps[1].received != 40000)
            fail_msg("allocation %zu failed once, and bytes are missing", n);
        end_run();
    }
}

static void memory_that_stays_away_for_seconds_costs_no_byte(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 60; n += 7) {
        a_run(5, true, NULL, n, true);
        if (w.app_count != 2 || w.apps[0].received != 60000 || w.apps[1].received != 40000)
            fail_msg("from allocation %zu on all failed for seconds, and bytes are missing", n);
        end_run();
    }
}

static void a_host_needs_an_address_and_memory(void **state)
{
    (void)state;
    wire_init(&w, 1, false);
    hf_host_config c = w.config[0];
    c.address_count = 0;
    assert_null(hf_host_new(&w.env[0].env, &c, w.now));
    for (size_t n = 1; n <= 2; n++) {
        w.env[0].memory.fail_at = w.env[0].memory.calls + n;
        assert_null(hf_host_new(&w.env[0].env, &w.config[0], w.now));
        assert_int_equal(w.env[0].memory.held, 0);
    }
    hf_test_world_fini(&w.env[0]);
    hf_test_world_fini(&w.env[1]);
}

/* ---- parts of packets --------------------------------------------------------------------------------------------------- */

static void begin_alone(bool ethernet)
{
    wire_init(&w, 9, ethernet);
    w.hand = true;
}

static void parts_in_any_order_make_the_packet(void **state)
{
    (void)state;
    static part parts[16];
    for (uint64_t seed = 1; seed <= 50; seed++) {
        begin_alone(false);
        wire_begin(&w);
        hf_random order;
        hf_random_seed(&order, seed);
        const size_t length = echo_packet(packet, four(7), four(1), 300 + seed * 20);
        const unsigned n = cut_up(packet, length, (uint32_t)seed, 8 * (20 + seed % 10), parts);
        for (unsigned left = n; left > 0; left--) {
            const unsigned i = (unsigned)hf_random_below(&order, left);
            const part p = parts[i];
            parts[i] = parts[left - 1];
            assert_int_equal(receive(&w, 0, p.bytes, p.length).code, 0);
            if (left % 3 == 0 && left > 1) /* the same once more changes nothing */
                assert_int_equal(receive(&w, 0, p.bytes, p.length).code, 0);
        }
        assert_int_equal(counts_of(&w, 0).reassembled, 1);
        hf_icmp m;
        const hf_ip_packet p = last_packet(&w, 0);
        assert_int_equal(hf_icmp_read(&p, &m).code, 0);
        assert_true(hf_bytes_equal(m.payload, hf_bytes_make(pattern, 300 + seed * 20)));
        wire_fini(&w);
    }
}

static void parts_that_overlap_end_the_packet(void **state)
{
    (void)state;
    static part parts[16], other[16];
    for (int how = 0; how < 3; how++) {
        begin_alone(false);
        wire_begin(&w);
        const size_t length = echo_packet(packet, four(7), four(1), 600);
        cut_up(packet, length, 1, 200, parts);
        cut_up(packet, length, 1, how == 0 ? 208 : how == 1 ? 400 : 192, other);
        assert_int_equal(receive(&w, 0, parts[1].bytes, parts[1].length).code, 0);
        assert_int_equal(receive(&w, 0, other[how == 2 ? 2 : 0].bytes, other[how == 2 ? 2 : 0].length).code, HF_ERR_NET_FRAGMENT);
        assert_int_equal(counts_of(&w, 0).fragments_dropped, 1);
        assert_int_equal(w.host[0]->partial_count, 0);
        wire_fini(&w);
    }
    /* the ends must agree, and nothing may lie behind the last */
    begin_alone(false);
    wire_begin(&w);
    cut_up(packet, echo_packet(packet, four(7), four(1), 600), 1, 200, parts);
    cut_up(packet, echo_packet(packet, four(7), four(1), 500), 1, 200, other);
    assert_int_equal(receive(&w, 0, other[2].bytes, other[2].length).code, 0);
    assert_int_equal(receive(&w, 0, parts[3].bytes, parts[3].length).code, HF_ERR_NET_FRAGMENT);
    assert_int_equal(receive(&w, 0, parts[3].bytes, parts[3].length).code, 0);
    assert_int_equal(receive(&w, 0, other[2].bytes, other[2].length).code, HF_ERR_NET_FRAGMENT);
    wire_fini(&w);
}

static void what_was_reassembled_is_judged_like_any_packet(void **state)
{
    (void)state;
    static part parts[16];
    begin_alone(false);
    wire_begin(&w);
    const size_t length = udp_packet(packet, four(7), four(1), 9, 400);
    packet[100] ^= 1;
    const unsigned n = cut_up(packet, length, 3, 200, parts);
    for (unsigned i = 0; i + 1 < n; i++)
        assert_int_equal(receive(&w, 0, parts[i].bytes, parts[i].length).code, 0);
    assert_int_equal(receive(&w, 0, parts[n - 1].bytes, parts[n - 1].length).code, HF_ERR_NET_CHECKSUM);
    wire_fini(&w);
}

/* ---- limits ------------------------------------------------------------------------------------------------------------- */

/* The first part of a packet of which no other comes. */
static hf_err a_part(uint32_t id, size_t length)
{
    hf_ip_packet p = { .source = four(7), .destination = four(1), .protocol = HF_PROTOCOL_UDP, .hops = 64, .id = id, .more = true };
    const size_t header = hf_ip_write(packet, &p, length);
    memset(packet + header, 'x', length);
    return receive(&w, 0, packet, header + length);
}

static void limit_host_fragments(void **state)
{
    (void)state;
    begin_alone(false);
    w.env[0].limits.host_fragments = 4;
    wire_begin(&w);
    for (uint32_t id = 1; id <= 6; id++)
        assert_int_equal(a_part(id, 64).code, 0);
    assert_int_equal(w.host[0]->partial_count, 4);
    assert_int_equal(w.host[0]->partials->id, 3); /* the oldest made room */
    assert_int_equal(counts_of(&w, 0).fragments_dropped, 2);
    wire_fini(&w);
}

static void limit_host_fragment_bytes(void **state)
{
    (void)state;
    begin_alone(false);
    w.env[0].limits.host_fragment_bytes = 5000;
    wire_begin(&w);
    for (uint32_t id = 1; id <= 10; id++)
        assert_int_equal(a_part(id, 1000).code, 0);
    assert_int_equal(w.host[0]->partial_count, 4);
    assert_true(w.host[0]->partial_bytes <= 5000);
    assert_int_equal(a_part(11, 6000).code, HF_ERR_NET_FRAGMENT); /* too much for any room */
    /* tiny parts are charged for more than their bytes */
    for (uint32_t id = 20; id < 200; id++)
        assert_int_equal(a_part(id, 8).code, 0);
    assert_true(w.host[0]->partial_count < 5000 / 64);
    wire_fini(&w);
}

static void limit_host_fragment_ns(void **state)
{
    (void)state;
    begin_alone(false);
    wire_begin(&w);
    assert_int_equal(a_part(1, 64).code, 0);
    assert_int_equal(hf_host_wake(w.host[0]).ns - w.now.ns, HF_SECONDS(30));
    run_for(&w, HF_SECONDS(30) - 1);
    assert_int_equal(w.host[0]->partial_count, 1);
    run_for(&w, 1);
    assert_int_equal(w.host[0]->partial_count, 0);
    assert_int_equal(hf_host_wake(w.host[0]).ns, HF_NEVER_NS);
    wire_fini(&w);
}

static void limit_host_icmp_rate(void **state)
{
    (void)state;
    begin_alone(false);
    w.env[0].limits.host_icmp_rate = 10;
    wire_begin(&w);
    const size_t n = echo_packet(packet, four(7), four(1), 10);
    for (int i = 0; i < 50; i++)
        assert_int_equal(receive(&w, 0, packet, n).code, 0);
    assert_int_equal(w.sent[0], 10);
    assert_int_equal(counts_of(&w, 0).icmp_held, 40);
    w.now = hf_time_after(w.now, MS(350));
    for (int i = 0; i < 50; i++)
        assert_int_equal(receive(&w, 0, packet, n).code, 0);
    assert_int_equal(w.sent[0], 13);
    w.now = hf_time_after(w.now, HF_SECONDS(3600));
    for (int i = 0; i < 50; i++)
        assert_int_equal(receive(&w, 0, packet, n).code, 0);
    assert_int_equal(w.sent[0], 23);
    wire_fini(&w);
}

static void limit_host_neighbours(void **state)
{
    (void)state;
    begin_alone(true);
    w.env[0].limits.host_neighbours = 16;
    w.config[0].addresses[0].prefix = 8;
    wire_begin(&w);
    const hf_mac them = { { 2, 0, 0, 0, 0, 7 } };
    const hf_ethernet e = { .destination = w.config[0].mac, .source = them, .type = HF_ETHERNET_ARP };
    for (unsigned i = 0; i < 500; i++) {
        const hf_arp a = { .operation = HF_ARP_REQUEST, .sender_mac = them, .sender = hf_ip_make4(10, 1, (uint8_t)(i >> 8), (uint8_t)i), .target = four(1) };
        hf_ethernet_write(packet, &e);
        hf_arp_write(packet + 14, &a);
        assert_int_equal(receive(&w, 0, packet, 42).code, 0);
        assert_true(counts_of(&w, 0).neighbours <= 16);
    }
    assert_int_equal(counts_of(&w, 0).neighbours, 16);
    wire_fini(&w);
}

static void a_scan_of_the_link_does_not_push_out_who_is_in_use(void **state)
{
    (void)state;
    begin_alone(true);
    w.env[0].limits.host_neighbours = 16;
    wire_begin(&w);
    const hf_mac them = { { 2, 0, 0, 0, 0, 7 } };
    const hf_ethernet e = { .destination = w.config[0].mac, .source = them, .type = HF_ETHERNET_ARP };
    const hf_arp a = { .operation = HF_ARP_REQUEST, .sender_mac = them, .sender = four(200), .target = four(1) };
    hf_ethernet_write(packet, &e);
    hf_arp_write(packet + 14, &a);
    assert_int_equal(receive(&w, 0, packet, 42).code, 0);
    for (unsigned i = 2; i < 190; i++) { /* we are made to ask for everybody */
        const hf_host_datagram d = { .local = four(1), .remote = four((uint8_t)i), .local_port = 1, .remote_port = 2 };
        assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, 0);
        w.now = hf_time_after(w.now, MS(1));
        settle(&w);
    }
    assert_int_equal(counts_of(&w, 0).neighbours, 1);
    wire_fini(&w);
}

static void limit_host_held(void **state)
{
    (void)state;
    begin_alone(true);
    wire_begin(&w);
    const hf_host_datagram d = { .local = four(1), .remote = four(7), .local_port = 1, .remote_port = 2, .bytes = hf_bytes_make(pattern, 100) };
    for (int i = 0; i < 5; i++)
        assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, 0);
    settle(&w);
    assert_int_equal(w.sent[0], 1); /* the question */
    assert_int_equal(counts_of(&w, 0).unresolved, 3);
    const hf_mac them = { { 2, 0, 0, 0, 0, 7 } };
    const hf_ethernet e = { .destination = w.config[0].mac, .source = them, .type = HF_ETHERNET_ARP };
    const hf_arp a = { .operation = HF_ARP_REPLY, .sender_mac = them, .sender = four(7), .target = four(1), .target_mac = w.config[0].mac };
    hf_ethernet_write(packet, &e);
    hf_arp_write(packet + 14, &a);
    assert_int_equal(receive(&w, 0, packet, 42).code, 0);
    assert_int_equal(w.sent[0], 3);
    assert_memory_equal(w.last_bytes[0], &them, 6);
    wire_fini(&w);
}

static void limit_host_packets(void **state)
{
    (void)state;
    begin_alone(false);
    w.env[0].limits.host_packets = 3;
    wire_begin(&w);
    const hf_host_datagram d = { .local = four(1), .remote = four(7), .local_port = 1, .remote_port = 2 };
    for (int i = 0; i < 3; i++)
        assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, 0);
    assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, HF_ERR_BASE_LIMIT);
    assert_int_equal(counts_of(&w, 0).parcels_dropped, 1);
    settle(&w);
    assert_int_equal(w.sent[0], 3);
    assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, 0);
    wire_fini(&w);
}

static void limit_host_udp_ports(void **state)
{
    (void)state;
    begin_alone(false);
    w.env[0].limits.host_udp_ports = 2;
    wire_begin(&w);
    assert_int_equal(hf_host_udp_bind(w.host[0], 1, 0).code, 0);
    assert_int_equal(hf_host_udp_bind(w.host[0], 2, 0).code, 0);
    assert_int_equal(hf_host_udp_bind(w.host[0], 3, 0).code, HF_ERR_BASE_LIMIT);
    hf_host_udp_unbind(w.host[0], 1);
    assert_int_equal(hf_host_udp_bind(w.host[0], 3, 0).code, 0);
    wire_fini(&w);
}

static void limit_host_udp_bytes(void **state)
{
    (void)state;
    begin_alone(false);
    w.env[0].limits.host_udp_bytes = 5000;
    wire_begin(&w);
    assert_int_equal(hf_host_udp_bind(w.host[0], 9, 0).code, 0);
    const hf_host_input in = { .packet = hf_bytes_make(packet, udp_packet(packet, four(7), four(1), 9, 1000)) };
    unsigned taken = 0;
    for (int i = 0; i < 10; i++)
        taken += hf_host_receive(w.host[0], w.now, &in).code == 0;
    holds(&w);
    assert_int_equal(taken, 4);
    assert_int_equal(counts_of(&w, 0).udp_dropped, 6);
    settle(&w);
    assert_int_equal(w.datagrams, 4);
    assert_int_equal(receive(&w, 0, in.packet.ptr, in.packet.len).code, 0);
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(any_allocation_may_fail_and_every_byte_still_arrives),
        cmocka_unit_test(memory_that_stays_away_for_seconds_costs_no_byte),
        cmocka_unit_test(a_host_needs_an_address_and_memory),
        cmocka_unit_test(parts_in_any_order_make_the_packet),
        cmocka_unit_test(parts_that_overlap_end_the_packet),
        cmocka_unit_test(what_was_reassembled_is_judged_like_any_packet),
        cmocka_unit_test(limit_host_fragments),
        cmocka_unit_test(limit_host_fragment_bytes),
        cmocka_unit_test(limit_host_fragment_ns),
        cmocka_unit_test(limit_host_icmp_rate),
        cmocka_unit_test(limit_host_neighbours),
        cmocka_unit_test(a_scan_of_the_link_does_not_push_out_who_is_in_use),
        cmocka_unit_test(limit_host_held),
        cmocka_unit_test(limit_host_packets),
        cmocka_unit_test(limit_host_udp_ports),
        cmocka_unit_test(limit_host_udp_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
