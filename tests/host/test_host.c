/* SPDX-License-Identifier: Apache-2.0
 *
 * A host with its neighbours, its answers and its ports, by packets made by hand and by a second host.
 */
#include "wire.h"

static wire w;
static uint8_t packet[70000];

/* ---- addresses ------------------------------------------------------------------------------------------------------ */

static void addresses_say_who_is_on_the_link(void **state)
{
    (void)state;
    hf_host_address a;
    hf_ip ip;
    assert_true(hf_host_address_parse(hf_text("10.78.0.2/22"), &a));
    assert_int_equal(a.prefix, 22);
    assert_true(hf_ip_parse(hf_text("10.78.3.255"), &ip) && hf_host_is_near(&a, &ip));
    assert_true(hf_ip_parse(hf_text("10.78.4.0"), &ip) && !hf_host_is_near(&a, &ip));
    assert_true(hf_host_address_parse(hf_text("fd00:78::2/65"), &a));
    assert_true(hf_ip_parse(hf_text("fd00:78::7fff:0:0:1"), &ip) && hf_host_is_near(&a, &ip));
    assert_true(hf_ip_parse(hf_text("fd00:78::8000:0:0:1"), &ip) && !hf_host_is_near(&a, &ip));
    assert_true(hf_ip_parse(hf_text("10.78.0.1"), &ip) && !hf_host_is_near(&a, &ip));
    assert_true(hf_host_address_parse(hf_text("10.78.0.2"), &a) && a.prefix == 32);
    assert_true(hf_host_address_parse(hf_text("::1/0"), &a) && a.prefix == 0);
    static const char *const wrong[] = { "", "/", "10.78.0.2/", "10.78.0.2/33", "10.78.0.2/x", "10.78.0/24", "::/129", "10.78.0.2/24/1" };
    for (size_t i = 0; i < HF_COUNT(wrong); i++)
        if (hf_host_address_parse(hf_text(wrong[i]), &a))
            fail_msg("%s", wrong[i]);
}

static void the_source_is_the_address_on_the_link_of_who_is_spoken_to(void **state)
{
    (void)state;
    wire_init(&w, 1, false);
    w.config[0].addresses[2] = (hf_host_address){ hf_ip_make4(192, 168, 1, 1), 24 };
    w.config[0].address_count = 3;
    wire_begin(&w);
    hf_ip from, to = hf_ip_make4(192, 168, 1, 9);
    assert_true(hf_host_source(w.host[0], &to, &from) && from.bytes[12] == 192);
    to = hf_ip_make4(8, 8, 8, 8);
    assert_true(hf_host_source(w.host[0], &to, &from) && from.bytes[12] == 10);
    to = six(9);
    assert_true(hf_host_source(w.host[0], &to, &from) && from.bytes[0] == 0xfd);
    wire_fini(&w);
}

/* ---- connections ---------------------------------------------------------------------------------------------------- */

static void exchange(bool ethernet, bool over_six, bool super)
{
    wire_init(&w, 2, ethernet);
    for (int i = 0; i < 2 && super; i++) {
        w.config[i].tcp.super_segment = 60000;
        w.config[i].tcp.partial_checksum = true;
    }
    wire_begin(&w);
    w.answer = 300000;
    const hf_ip any = { { 0 } };
    assert_int_equal(hf_tcp_listen(hf_host_tcp(w.host[1]), &any, 80, 0).code, 0);
    app *a = dial(&w, over_six ? six(1) : four(1), over_six ? six(2) : four(2), 80, 200000);
    assert_non_null(a);
    run_for(&w, HF_SECONDS(10));
    assert_int_equal(w.app_count, 2);
    assert_int_equal(a->received, 300000);
    assert_int_equal(w.apps[1].received, 200000);
    assert_true(a->over && w.apps[1].over);
    hf_tcp_counts c;
    hf_tcp_endpoint_counts(hf_host_tcp(w.host[0]), &c);
    assert_int_equal(c.retransmitted, 0); /* not even for the neighbour that had to be asked for first */
    assert_int_equal(c.timeouts, 0);
    assert_int_equal(counts_of(&w, 0).bad + counts_of(&w, 1).bad, 0);
    assert_int_equal(counts_of(&w, 0).neighbours, ethernet ? 1 : 0);
    for (unsigned i = 0; i < w.app_count; i++)
        hf_tcp_free(w.apps[i].tcp);
    wire_fini(&w);
}

static void connections_carry_bytes_over_ip_alone_and_over_ethernet(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        exchange(i & 1, i & 2, i & 4);
}

static void super_segments_say_what_their_parts_are(void **state)
{
    (void)state;
    wire_init(&w, 3, true);
    w.config[0].tcp.super_segment = 60000;
    w.config[0].tcp.partial_checksum = true;
    wire_begin(&w);
    const hf_ip any = { { 0 } };
    assert_int_equal(hf_tcp_listen(hf_host_tcp(w.host[1]), &any, 80, 0).code, 0);
    app *a = dial(&w, four(1), four(2), 80, 0);
    run_for(&w, HF_SECONDS(1));
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(pattern, 5000) };
    assert_int_equal(hf_tcp_put(a->tcp, &e, 1), 5000);
    settle(&w);
    const hf_host_packet *p = &w.last[0];
    assert_int_equal(p->segment, 1448); /* 1500 - 20 - 20 - 12 of timestamps */
    assert_int_equal(p->header, 14 + 20 + 32);
    assert_int_equal(p->length, p->header + 5000);
    assert_int_equal(p->checksum_start, 34);
    assert_int_equal(p->checksum_at, 16);
    assert_false(p->six);
    run_for(&w, HF_SECONDS(1));
    hf_tcp_free(a->tcp);
    hf_tcp_free(w.apps[1].tcp);
    wire_fini(&w);
}

static void a_lossy_wire_that_reorders_repeats_and_damages_costs_no_byte(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        wire_init(&w, seed, seed % 2 == 0);
        for (int i = 0; i < 2 && seed % 3 == 0; i++)
            w.config[i].tcp.super_segment = 20000;
        w.jitter_ns = MS(3);
        w.loss = 20000;
        w.twice = 10000;
        w.damage = seed % 3 == 0 ? 0 : 10000;
        wire_begin(&w);
        w.answer = 400000;
        const hf_ip any = { { 0 } };
        assert_int_equal(hf_tcp_listen(hf_host_tcp(w.host[1]), &any, 80, 0).code, 0);
        app *a = dial(&w, seed % 4 < 2 ? four(1) : six(1), seed % 4 < 2 ? four(2) : six(2), 80, 300000);
        run_for(&w, HF_SECONDS(120));
        if (w.app_count != 2 || a->received != 400000 || w.apps[1].received != 300000)
            fail_msg("seed %llu: %u programs, %llu bytes", (unsigned long long)seed, w.app_count, (unsigned long long)a->received);
        assert_true(a->over && w.apps[1].over);
        for (unsigned i = 0; i < w.app_count; i++)
            hf_tcp_free(w.apps[i].tcp);
        wire_fini(&w);
    }
}

/* ---- who is spoken to, and who is not ------------------------------------------------------------------------------- */

static void what_is_not_ours_is_dropped_in_silence(void **state)
{
    (void)state;
    wire_init(&w, 4, false);
    w.hand = true;
    wire_begin(&w);
    const hf_ip stranger = hf_ip_make4(10, 0, 0, 77), loop = hf_ip_make4(127, 0, 0, 1);
    assert_int_equal(receive(&w, 0, packet, echo_packet(packet, stranger, four(9), 20)).code, HF_ERR_NET_NOT_HERE);
    assert_int_equal(receive(&w, 0, packet, echo_packet(packet, loop, four(1), 20)).code, HF_ERR_NET_ADDRESS);
    assert_int_equal(receive(&w, 0, packet, echo_packet(packet, four(1), four(1), 20)).code, HF_ERR_NET_ADDRESS); /* Land */
    assert_int_equal(receive(&w, 0, packet, echo_packet(packet, stranger, hf_ip_make4(224, 0, 0, 1), 20)).code, HF_ERR_NET_NOT_HERE);
    assert_int_equal(receive(&w, 0, packet, echo_packet(packet, stranger, hf_ip_make4(10, 0, 0, 255), 20)).code, HF_ERR_NET_NOT_HERE);
    assert_int_equal(receive(&w, 0, packet, 0).code, HF_ERR_NET_SHORT);
    assert_int_equal(w.sent[0], 0);
    assert_int_equal(counts_of(&w, 0).not_here, 3);
    assert_int_equal(counts_of(&w, 0).bad, 3);
    wire_fini(&w);
    wire_init(&w, 4, true);
    w.hand = true;
    wire_begin(&w);
    const hf_ethernet other = { .destination = { { 2, 0, 0, 0, 0, 99 } }, .source = { { 2, 0, 0, 0, 0, 77 } }, .type = HF_ETHERNET_IPV4 };
    hf_ethernet_write(packet, &other);
    assert_int_equal(receive(&w, 0, packet, 14 + echo_packet(packet + 14, stranger, four(1), 20)).code, HF_ERR_NET_NOT_HERE);
    const hf_ethernet lie = { .destination = w.config[0].mac, .source = other.source, .type = HF_ETHERNET_IPV6 };
    hf_ethernet_write(packet, &lie);
    assert_int_equal(receive(&w, 0, packet, 14 + echo_packet(packet + 14, stranger, four(1), 20)).code, HF_ERR_NET_VERSION);
    assert_int_equal(w.sent[0], 0);
    wire_fini(&w);
}

static void an_echo_is_answered_with_its_own_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        wire_init(&w, 5, false);
        w.hand = true;
        wire_begin(&w);
        const hf_ip mine = i ? six(1) : four(1), theirs = i ? six(7) : four(7);
        assert_int_equal(receive(&w, 0, packet, echo_packet(packet, theirs, mine, 100)).code, 0);
        assert_int_equal(w.sent[0], 1);
        const hf_ip_packet p = last_packet(&w, 0);
        hf_icmp m;
        assert_true(hf_ip_equal(&p.source, &mine) && hf_ip_equal(&p.destination, &theirs));
        assert_int_equal(hf_icmp_read(&p, &m).code, 0);
        assert_int_equal(m.kind, HF_ICMP_ECHO_REPLY);
        assert_int_equal(m.id, 7);
        assert_int_equal(m.sequence, 9);
        assert_true(hf_bytes_equal(m.payload, hf_bytes_make(pattern, 100)));
        wire_fini(&w);
    }
}

static void long_echoes_come_and_go_in_parts(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        wire_init(&w, 6, true);
        wire_begin(&w);
        const hf_ip mine = i ? six(1) : four(1), theirs = i ? six(2) : four(2);
        uint8_t message[9000];
        const hf_icmp m = { .kind = HF_ICMP_ECHO, .id = 1, .sequence = 2, .payload = hf_bytes_make(pattern, 8000) };
        const hf_ip_packet ip = { .source = mine, .destination = theirs, .protocol = i ? HF_PROTOCOL_ICMPV6 : HF_PROTOCOL_ICMP, .hops = 64 };
        const size_t n = hf_icmp_write(message, sizeof message, &mine, &theirs, &m);
        hf_parcel *p = hf_parcel_new(w.host[0], n);
        memcpy(hf_parcel_ip(w.host[0], p) + (i ? 40 : 20), message, n);
        hf_host_post(w.host[0], &ip, p, n);
        run_for(&w, HF_SECONDS(1));
        /* the parts before the neighbour is known may not all be held: what is missing was asked again by whoever pings */
        hf_parcel *again = hf_parcel_new(w.host[0], n);
        memcpy(hf_parcel_ip(w.host[0], again) + (i ? 40 : 20), message, n);
        hf_host_post(w.host[0], &ip, again, n);
        run_for(&w, HF_SECONDS(1));
        assert_int_equal(counts_of(&w, 1).reassembled, 1);
        assert_int_equal(counts_of(&w, 0).reassembled, 1); /* the answer */
        assert_true(counts_of(&w, 0).icmp_in >= 1);
        assert_int_equal(counts_of(&w, 0).bad + counts_of(&w, 1).bad, 0);
        wire_fini(&w);
    }
}

/* ---- errors --------------------------------------------------------------------------------------------------------- */

static void nobodys_ports_and_protocols_are_reported_to_who_asked(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        wire_init(&w, 7, false);
        w.hand = true;
        wire_begin(&w);
        const hf_ip mine = i ? six(1) : four(1), theirs = i ? six(7) : four(7);
        hf_icmp m;
        assert_int_equal(receive(&w, 0, packet, udp_packet(packet, theirs, mine, 53, 30)).code, HF_ERR_NET_NOBODY);
        hf_ip_packet p = last_packet(&w, 0), quoted;
        assert_int_equal(hf_icmp_read(&p, &m).code, 0);
        assert_int_equal(m.kind, HF_ICMP_UNREACHABLE);
        assert_int_equal(m.code, i ? 4 : 3);
        assert_true(hf_icmp_quoted(&m, &quoted) && quoted.protocol == HF_PROTOCOL_UDP);
        assert_int_equal(hf_get16(quoted.payload.ptr + 2), 53);
        assert_int_equal(receive(&w, 0, packet, ip_packet(packet, theirs, mine, 200, pattern, 3000)).code, HF_ERR_NET_PROTOCOL);
        p = last_packet(&w, 0);
        assert_int_equal(hf_icmp_read(&p, &m).code, 0);
        assert_int_equal(m.kind, i ? HF_ICMP_PARAMETER : HF_ICMP_UNREACHABLE);
        assert_int_equal(m.code, i ? 1 : 2);
        assert_true(w.last[0].length <= (i ? 1280u : 576u));
        assert_int_equal(w.sent[0], 2);
        /* errors are never answered by errors, nor are groups */
        uint8_t error[200];
        const size_t n = hf_icmp_write(error, sizeof error, &theirs, &mine, &m);
        (void)!receive(&w, 0, packet, ip_packet(packet, theirs, mine, i ? HF_PROTOCOL_ICMPV6 : HF_PROTOCOL_ICMP, error, n)).code;
        assert_int_equal(w.sent[0], 2);
        wire_fini(&w);
    }
}

static void report(hf_icmp_kind kind, uint8_t code, uint32_t mtu, const uint8_t *sent, size_t length)
{
    uint8_t message[200];
    const hf_ip router = hf_ip_make4(10, 0, 0, 254), mine = four(1);
    const hf_icmp m = { .kind = kind, .type = 3, .code = code, .mtu = mtu, .payload = hf_bytes_make(sent, length < 60 ? length : 60) };
    const size_t n = hf_icmp_write(message, sizeof message, &router, &mine, &m);
    assert_int_equal(receive(&w, 0, packet, ip_packet(packet, router, mine, HF_PROTOCOL_ICMP, message, n)).code, 0);
}

static void a_path_that_takes_less_is_believed_when_it_quotes_what_is_in_flight(void **state)
{
    (void)state;
    wire_init(&w, 8, false);
    wire_begin(&w);
    const hf_ip any = { { 0 } };
    assert_int_equal(hf_tcp_listen(hf_host_tcp(w.host[1]), &any, 80, 0).code, 0);
    app *a = dial(&w, four(1), four(2), 80, 0);
    run_for(&w, HF_SECONDS(1));
    a->total = 3000;
    app_write(a);
    settle(&w);
    uint8_t sent[1500];
    hf_tcp_info info;
    memcpy(sent, w.last_bytes[0], 60);
    const uint32_t whole = hf_get16(sent + 2);
    assert_true(whole > 60);
    hf_set32(sent + 24, hf_get32(sent + 24) + 1000000); /* a forger does not know the sequence numbers */
    report(HF_ICMP_TOO_BIG, 4, 700, sent, 60);
    hf_tcp_info_of(a->tcp, &info);
    assert_int_equal(info.segment, 1448);
    hf_set32(sent + 24, hf_get32(sent + 24) - 1000000);
    report(HF_ICMP_TOO_BIG, 4, 700, sent, 60);
    hf_tcp_info_of(a->tcp, &info);
    assert_int_equal(info.segment, 700 - 40 - 12);
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(w.apps[1].received, 3000);
    for (unsigned i = 0; i < w.app_count; i++)
        hf_tcp_free(w.apps[i].tcp);
    wire_fini(&w);
}

static void a_router_that_does_not_say_its_mtu_is_given_the_next_usual_one(void **state)
{
    (void)state;
    wire_init(&w, 8, false);
    w.hand = true;
    wire_begin(&w);
    app *a = dial(&w, four(1), four(2), 80, 0);
    settle(&w);
    uint8_t sent[60];
    hf_tcp_info info;
    memcpy(sent, w.last_bytes[0], 60);
    hf_set16(sent + 2, 1500); /* RFC 1191 5: the length of what was too big is in the quote */
    report(HF_ICMP_TOO_BIG, 4, 0, sent, 60);
    hf_tcp_info_of(a->tcp, &info);
    assert_true(info.segment <= 1492 - 40 && info.segment > 1006 - 40);
    hf_tcp_free(a->tcp);
    wire_fini(&w);
}

static void a_port_that_is_unreachable_ends_the_attempt_to_connect(void **state)
{
    (void)state;
    wire_init(&w, 9, false);
    w.hand = true;
    wire_begin(&w);
    app *a = dial(&w, four(1), four(2), 80, 0);
    settle(&w);
    uint8_t sent[60];
    memcpy(sent, w.last_bytes[0], 60);
    report(HF_ICMP_UNREACHABLE, 1, 0, sent, 60); /* host unreachable is soft: RFC 1122 4.2.3.9 */
    assert_false(a->peer_ended);
    report(HF_ICMP_UNREACHABLE, 3, 0, sent, 60);
    assert_true(a->peer_ended);
    assert_int_equal(a->err.code, HF_ERR_TCP_UNREACHABLE);
    hf_tcp_free(a->tcp);
    wire_fini(&w);
}

/* ---- neighbours ----------------------------------------------------------------------------------------------------- */

static size_t arp_frame(uint16_t operation, hf_mac from, hf_ip sender, hf_ip target)
{
    const hf_ethernet e = { .destination = w.config[0].mac, .source = from, .type = HF_ETHERNET_ARP };
    const hf_arp a = { .operation = operation, .sender_mac = from, .sender = sender, .target_mac = w.config[0].mac, .target = target };
    hf_ethernet_write(packet, &e);
    hf_arp_write(packet + HF_ETHERNET_HEADER, &a);
    return HF_ETHERNET_HEADER + HF_ARP_PACKET;
}

static void who_asks_for_us_is_answered_and_remembered(void **state)
{
    (void)state;
    wire_init(&w, 10, true);
    w.hand = true;
    wire_begin(&w);
    const hf_mac them = { { 2, 0, 0, 0, 0, 7 } };
    assert_int_equal(receive(&w, 0, packet, arp_frame(HF_ARP_REQUEST, them, four(7), four(1))).code, 0);
    hf_ethernet e;
    hf_bytes rest;
    hf_arp a;
    assert_int_equal(hf_ethernet_read(hf_bytes_make(w.last_bytes[0], w.last[0].length), &e, &rest).code, 0);
    assert_int_equal(hf_arp_read(rest, &a).code, 0);
    assert_int_equal(a.operation, HF_ARP_REPLY);
    assert_memory_equal(&e.destination, &them, 6);
    assert_memory_equal(&a.sender_mac, &w.config[0].mac, 6);
    assert_int_equal(counts_of(&w, 0).neighbours, 1);
    /* who asks for somebody else is not; who claims to be us is not believed */
    assert_int_equal(receive(&w, 0, packet, arp_frame(HF_ARP_REQUEST, them, four(8), four(9))).code, 0);
    assert_int_equal(counts_of(&w, 0).neighbours, 1);
    assert_int_equal(receive(&w, 0, packet, arp_frame(HF_ARP_REPLY, them, four(1), four(1))).code, HF_ERR_NET_ARP);
    assert_int_equal(w.sent[0], 1);
    /* RFC 5227 1.1: a probe has no sender yet: answered, and nothing is learnt of it */
    assert_int_equal(receive(&w, 0, packet, arp_frame(HF_ARP_REQUEST, them, hf_ip_make4(0, 0, 0, 0), four(1))).code, 0);
    assert_int_equal(w.sent[0], 2);
    assert_int_equal(counts_of(&w, 0).neighbours, 1);
    wire_fini(&w);
}

static void a_neighbour_that_does_not_answer_is_asked_three_times_and_forgotten(void **state)
{
    (void)state;
    wire_init(&w, 11, true);
    w.cut[1] = true;
    wire_begin(&w);
    app *a = dial(&w, four(1), four(2), 80, 0);
    run_for(&w, HF_SECONDS(1) - 1);
    assert_int_equal(counts_of(&w, 0).arp_out, 1);
    run_for(&w, HF_SECONDS(4));
    /* the connection tries again and again, and each time there is nobody */
    assert_true(counts_of(&w, 0).arp_out >= 3 && counts_of(&w, 0).arp_out <= 8);
    assert_true(counts_of(&w, 0).unresolved > 0);
    hf_tcp_free(a->tcp);
    run_for(&w, HF_SECONDS(10));
    const uint64_t asked = counts_of(&w, 0).arp_out;
    run_for(&w, HF_SECONDS(60));
    assert_int_equal(counts_of(&w, 0).arp_out, asked);
    assert_int_equal(hf_host_wake(w.host[0]).ns, HF_NEVER_NS);
    wire_fini(&w);
}

static void a_neighbour_that_moves_is_followed(void **state)
{
    (void)state;
    wire_init(&w, 12, true);
    wire_begin(&w);
    const hf_ip any = { { 0 } };
    assert_int_equal(hf_tcp_listen(hf_host_tcp(w.host[1]), &any, 80, 0).code, 0);
    app *a = dial(&w, four(1), four(2), 80, 0);
    run_for(&w, HF_SECONDS(1));
    assert_true(a->opened);
    /* another card, the same address: after REACHABLE_TIME it is asked, gives no answer, and is asked by all */
    w.host[1]->config.mac.bytes[5] = 99;
    w.config[1].mac = w.host[1]->config.mac;
    run_for(&w, HF_SECONDS(31));
    a->total = 10000;
    app_write(a);
    run_for(&w, HF_SECONDS(30));
    assert_int_equal(w.apps[1].received, 10000);
    assert_int_equal(counts_of(&w, 0).neighbours_lost, 1);
    for (unsigned i = 0; i < w.app_count; i++)
        hf_tcp_free(w.apps[i].tcp);
    wire_fini(&w);
}

static void far_hosts_are_sent_to_by_the_router_and_without_one_not_at_all(void **state)
{
    (void)state;
    const hf_ip far = hf_ip_make4(198, 51, 100, 1);
    for (int i = 0; i < 2; i++) {
        wire_init(&w, 13, true);
        w.hand = true;
        if (i == 1)
            w.config[0].gateway4 = four(254);
        wire_begin(&w);
        app *a = dial(&w, four(1), far, 80, 0);
        settle(&w);
        assert_int_equal(w.sent[0], i);
        assert_int_equal(counts_of(&w, 0).no_route, 1 - i);
        if (i == 1) {
            hf_arp arp;
            assert_int_equal(hf_arp_read(hf_bytes_make(w.last_bytes[0] + 14, 28), &arp).code, 0);
            const hf_ip router = four(254);
            assert_true(hf_ip_equal(&arp.target, &router));
        }
        hf_tcp_free(a->tcp);
        wire_fini(&w);
    }
}

static void neighbours_of_ipv6_are_found_and_advertised(void **state)
{
    (void)state;
    wire_init(&w, 14, true);
    w.hand = true;
    wire_begin(&w);
    const hf_ip mine = six(1), theirs = six(7);
    hf_ip group;
    hf_mac mac;
    uint8_t message[64];
    hf_icmp m = { .kind = HF_ICMP_NEIGHBOUR_SOLICITATION, .target = mine, .has_mac = true, .mac = { { 2, 0, 0, 0, 0, 7 } } };
    hf_neighbour_group(&mine, &group, &mac);
    hf_ip_packet ip = { .source = theirs, .destination = group, .protocol = HF_PROTOCOL_ICMPV6, .hops = 255 };
    const size_t n = hf_icmp_write(message, sizeof message, &theirs, &group, &m);
    const hf_ethernet e = { .destination = mac, .source = m.mac, .type = HF_ETHERNET_IPV6 };
    hf_ethernet_write(packet, &e);
    const size_t header = hf_ip_write(packet + 14, &ip, n);
    memcpy(packet + 14 + header, message, n);
    assert_int_equal(receive(&w, 0, packet, 14 + header + n).code, 0);
    hf_ip_packet p = last_packet(&w, 0);
    assert_int_equal(hf_icmp_read(&p, &m).code, 0);
    assert_int_equal(m.kind, HF_ICMP_NEIGHBOUR_ADVERTISEMENT);
    assert_true(m.solicited && m.has_mac && hf_ip_equal(&m.target, &mine));
    assert_int_equal(p.hops, 255);
    assert_int_equal(counts_of(&w, 0).neighbours, 1);
    /* from beyond the link: refused */
    packet[14 + 7] = 254;
    assert_int_equal(receive(&w, 0, packet, 14 + header + n).code, HF_ERR_NET_NEIGHBOUR);
    wire_fini(&w);
}

/* ---- datagrams ------------------------------------------------------------------------------------------------------ */

static void datagrams_reach_their_port_and_come_from_it(void **state)
{
    (void)state;
    wire_init(&w, 15, true);
    wire_begin(&w);
    assert_int_equal(hf_host_udp_bind(w.host[1], 443, 42).code, 0);
    assert_int_equal(hf_host_udp_bind(w.host[1], 443, 42).code, HF_ERR_TCP_ADDRESS_IN_USE);
    assert_int_equal(hf_host_udp_bind(w.host[1], 0, 42).code, HF_ERR_BASE_USAGE);
    hf_host_datagram d = { .local = six(1), .remote = six(2), .local_port = 5000, .remote_port = 443, .ecn = HF_ECN_ECT0, .bytes = hf_bytes_make(pattern, 1452) };
    assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, 0);
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(w.datagrams, 1);
    assert_int_equal(w.heard.remote_port, 5000);
    assert_int_equal(w.heard.local_port, 443);
    assert_int_equal(w.heard.ecn, HF_ECN_ECT0);
    assert_int_equal(w.heard.bytes.len, 1452);
    assert_memory_equal(w.heard_bytes, pattern, 1452);
    d.bytes.len = 1453; /* does not fit: QUIC must know, and nothing is cut in parts behind its back */
    assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, HF_ERR_BASE_USAGE);
    d.bytes.len = 0;
    assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, 0);
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(w.datagrams, 2);
    assert_int_equal(w.heard.bytes.len, 0);
    d.local = four(1);
    assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, HF_ERR_BASE_USAGE);
    hf_host_udp_unbind(w.host[1], 443);
    d.local = six(1);
    assert_int_equal(hf_host_udp_send(w.host[0], w.now, &d).code, 0);
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(w.datagrams, 2);
    assert_int_equal(counts_of(&w, 1).udp_nobody, 1);
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_say_who_is_on_the_link),
        cmocka_unit_test(the_source_is_the_address_on_the_link_of_who_is_spoken_to),
        cmocka_unit_test(connections_carry_bytes_over_ip_alone_and_over_ethernet),
        cmocka_unit_test(super_segments_say_what_their_parts_are),
        cmocka_unit_test(a_lossy_wire_that_reorders_repeats_and_damages_costs_no_byte),
        cmocka_unit_test(what_is_not_ours_is_dropped_in_silence),
        cmocka_unit_test(an_echo_is_answered_with_its_own_bytes),
        cmocka_unit_test(long_echoes_come_and_go_in_parts),
        cmocka_unit_test(nobodys_ports_and_protocols_are_reported_to_who_asked),
        cmocka_unit_test(a_path_that_takes_less_is_believed_when_it_quotes_what_is_in_flight),
        cmocka_unit_test(a_router_that_does_not_say_its_mtu_is_given_the_next_usual_one),
        cmocka_unit_test(a_port_that_is_unreachable_ends_the_attempt_to_connect),
        cmocka_unit_test(who_asks_for_us_is_answered_and_remembered),
        cmocka_unit_test(a_neighbour_that_does_not_answer_is_asked_three_times_and_forgotten),
        cmocka_unit_test(a_neighbour_that_moves_is_followed),
        cmocka_unit_test(far_hosts_are_sent_to_by_the_router_and_without_one_not_at_all),
        cmocka_unit_test(neighbours_of_ipv6_are_found_and_advertised),
        cmocka_unit_test(datagrams_reach_their_port_and_come_from_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
