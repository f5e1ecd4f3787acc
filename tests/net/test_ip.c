/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses, checksums, Ethernet, ARP, IPv4, IPv6, UDP: good packets are read as they are meant, bad ones are refused by
 * the rule that they break.
 */
#include "harness.h"

#include <handfast/net.h>

#include "random.h"

static const hf_ip a4 = { { [10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1 } };
static const hf_ip b4 = { { [10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 7 } };
static const hf_ip a6 = { { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
static const hf_ip b6 = { { 0x20, 1, 0xd, 0xb8, [15] = 2 } };

static uint8_t bytes[70000];

static hf_err read_it(size_t n, hf_ip_packet *p)
{
    return hf_ip_read(hf_limits_default(), hf_bytes_make(bytes, n), p);
}

/* ---- addresses ------------------------------------------------------------------------------------------------------- */

static void addresses_are_printed_as_rfc_5952_says(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "192.0.2.1", "192.0.2.1" }, { "0.0.0.0", "0.0.0.0" }, { "255.255.255.255", "255.255.255.255" }, { "::", "::" }, { "::1", "::1" },
        { "2001:DB8:0:0:0:0:0:1", "2001:db8::1" }, { "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, { "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
        { "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" }, { "fe80::", "fe80::" }, { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
        { "::ffff:192.0.2.1", "192.0.2.1" }, { "64:ff9b::192.0.2.33", "64:ff9b::c000:221" }, { "0:0:1::", "0:0:1::" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_ip ip;
        char text[HF_IP_TEXT];
        assert_true(hf_ip_parse(hf_text(rows[i][0]), &ip));
        assert_int_equal(hf_ip_print(&ip, text), strlen(rows[i][1]));
        assert_string_equal(text, rows[i][1]);
    }
    static const char *const bad[] = { "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
                                       "12345::", "g::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1:2:3:4:5:6:7::8:9", "fe80::1%eth0" };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        hf_ip ip;
        if (hf_ip_parse(hf_text(bad[i]), &ip))
            fail_msg("\"%s\" passes for an address", bad[i]);
    }
}

static void kinds_of_addresses_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool any, multicast, loopback;
    } rows[] = { { "0.0.0.0", true, false, false }, { "::", true, false, false }, { "224.0.0.1", false, true, false }, { "255.255.255.255", false, true, false },
                 { "239.255.0.1", false, true, false }, { "240.0.0.1", false, false, false }, { "ff02::1", false, true, false }, { "127.1.2.3", false, false, true },
                 { "::1", false, false, true }, { "10.0.0.1", false, false, false } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_ip ip;
        assert_true(hf_ip_parse(hf_text(rows[i].text), &ip));
        assert_int_equal(hf_ip_is_any(&ip), rows[i].any);
        assert_int_equal(hf_ip_is_multicast(&ip), rows[i].multicast);
        assert_int_equal(hf_ip_is_loopback(&ip), rows[i].loopback);
    }
}

/* ---- checksums -------------------------------------------------------------------------------------------------------- */

static void the_checksum_is_that_of_rfc_1071(void **state)
{
    (void)state;
    /* RFC 1071 3: 0001 f203 f4f5 f6f7 sums to ddf2 */
    static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
    hf_checksum c = { 0 };
    hf_checksum_add(&c, hf_bytes_make(example, sizeof example));
    assert_int_equal(hf_checksum_value(&c), (uint16_t)~0xddf2);
}

static uint16_t slow(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (uint32_t)p[i] << (i % 2 ? 0 : 8);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

static void pieces_of_any_length_give_the_sum_of_the_whole(void **state)
{
    (void)state;
    hf_random r;
    hf_random_seed(&r, 1);
    for (int round = 0; round < 2000; round++) {
        const size_t n = hf_random_below(&r, round < 100 ? 65536 : 200);
        for (size_t i = 0; i < n; i++)
            bytes[i] = round % 3 == 0 ? 0xff : (uint8_t)hf_random_next(&r);
        hf_checksum c = { 0 };
        for (size_t at = 0; at < n;) {
            const size_t part = 1 + hf_random_below(&r, n - at);
            hf_checksum_add(&c, hf_bytes_make(bytes + at, part));
            at += part;
        }
        assert_int_equal(hf_checksum_value(&c), slow(bytes, n));
    }
}

/* ---- the link --------------------------------------------------------------------------------------------------------- */

static void frames_and_arp_go_there_and_back(void **state)
{
    (void)state;
    const hf_ethernet e = { { { 1 + 1, 2, 3, 4, 5, 6 } }, { { 6, 5, 4, 3, 2, 1 } }, HF_ETHERNET_ARP };
    const hf_arp a = { HF_ARP_REQUEST, e.source, { { 0 } }, a4, b4 };
    hf_ethernet_write(bytes, &e);
    hf_arp_write(bytes + HF_ETHERNET_HEADER, &a);
    hf_ethernet frame;
    hf_bytes payload;
    hf_arp arp;
    assert_int_equal(hf_ethernet_read(hf_bytes_make(bytes, 60), &frame, &payload).code, 0); /* padded to the least frame */
    assert_memory_equal(&frame, &e, sizeof e);
    assert_int_equal(hf_arp_read(payload, &arp).code, 0);
    assert_memory_equal(&arp, &a, sizeof a);
    assert_int_equal(hf_ethernet_read(hf_bytes_make(bytes, 13), &frame, &payload).code, HF_ERR_NET_SHORT);
    assert_int_equal(hf_arp_read(hf_bytes_make(payload.ptr, 27), &arp).code, HF_ERR_NET_SHORT);
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = { { 1, 6 }, { 2, 9 }, { 4, 8 }, { 5, 16 }, { 8, 1 }, { 14, 224 } };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        hf_arp_write(bytes, &a);
        bytes[bad[i].at] = bad[i].value;
        assert_int_equal(hf_arp_read(hf_bytes_make(bytes, HF_ARP_PACKET), &arp).code, HF_ERR_NET_ARP);
    }
}

/* ---- IPv4 -------------------------------------------------------------------------------------------------------------- */

static size_t packet4(size_t payload)
{
    const hf_ip_packet p = { .source = a4, .destination = b4, .protocol = HF_PROTOCOL_UDP, .hops = 64, .dscp = 10, .ecn = HF_ECN_ECT0, .whole = true, .id = 7 };
    const size_t header = hf_ip_write(bytes, &p, payload);
    assert_int_equal(header, HF_IP4_HEADER);
    memset(bytes + header, 'p', payload);
    return header + payload;
}
static void seal4(void)
{
    bytes[10] = bytes[11] = 0;
    const uint16_t sum = slow(bytes, (bytes[0] & 15u) * 4);
    bytes[10] = (uint8_t)(sum >> 8);
    bytes[11] = (uint8_t)sum;
}

static void a_good_ipv4_packet_is_read(void **state)
{
    (void)state;
    hf_ip_packet p;
    const size_t n = packet4(100);
    assert_int_equal(read_it(n + 20, &p).code, 0); /* Ethernet's padding is not the packet's */
    assert_true(hf_ip_equal(&p.source, &a4) && hf_ip_equal(&p.destination, &b4));
    assert_int_equal(p.payload.len, 100);
    assert_int_equal(p.protocol, HF_PROTOCOL_UDP);
    assert_int_equal(p.hops, 64);
    assert_int_equal(p.dscp, 10);
    assert_int_equal(p.ecn, HF_ECN_ECT0);
    assert_true(p.whole && !p.fragment);
    for (size_t cut = 0; cut < n; cut++)
        assert_true(read_it(cut, &p).code != 0);
}

static void bad_ipv4_packets_are_refused_by_the_rule_they_break(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        int32_t error;
        bool sealed;
    } rows[] = {
        { 0, 0x55, HF_ERR_NET_VERSION, true }, { 0, 0x44, HF_ERR_NET_LENGTH, true }, { 3, 19, HF_ERR_NET_LENGTH, true }, { 2, 9, HF_ERR_NET_SHORT, true },
        { 8, 63, HF_ERR_NET_CHECKSUM, false }, { 12, 224, HF_ERR_NET_ADDRESS, true }, { 7, 1, 0, true }, { 6, 0x20, HF_ERR_NET_FRAGMENT, true },
    };
    hf_ip_packet p;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const size_t n = packet4(100); /* 100 is no multiple of eight: a fragment that is not the last must be one */
        bytes[rows[i].at] = rows[i].value;
        if (rows[i].sealed)
            seal4();
        assert_int_equal(read_it(n, &p).code, rows[i].error);
    }
}

static void ipv4_options_are_walked_and_source_routes_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t options[8];
        int32_t error;
    } rows[] = {
        { { 1, 1, 1, 1, 0 }, 0 }, { { 148, 4, 0, 0, 1, 1, 1, 0 }, 0 }, { { 131, 4, 4, 0 }, HF_ERR_NET_OPTION }, { { 137, 4, 4, 0 }, HF_ERR_NET_OPTION },
        { { 7, 1 }, HF_ERR_NET_OPTION }, { { 7, 0 }, HF_ERR_NET_OPTION }, { { 7, 9 }, HF_ERR_NET_OPTION }, { { 1, 1, 1, 1, 1, 1, 1, 7 }, HF_ERR_NET_OPTION },
    };
    hf_ip_packet p;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        packet4(20);
        bytes[0] = 0x47;
        memcpy(bytes + 20, rows[i].options, 8);
        seal4();
        assert_int_equal(read_it(40, &p).code, rows[i].error);
        if (!rows[i].error)
            assert_int_equal(p.payload.len, 12);
    }
}

static void fragments_end_within_65535_bytes(void **state)
{
    (void)state;
    hf_ip_packet p;
    size_t n = packet4(104);
    bytes[6] = 0x3f; /* more fragments, at the farthest offset: the ping of death */
    bytes[7] = 0xff;
    seal4();
    assert_int_equal(read_it(n, &p).code, HF_ERR_NET_FRAGMENT);
    n = packet4(104);
    bytes[6] = 0x20;
    bytes[7] = 3;
    seal4();
    assert_int_equal(read_it(n, &p).code, 0);
    assert_true(p.fragment && p.more);
    assert_int_equal(p.offset, 24);
    assert_int_equal(p.id, 7);
}

/* ---- IPv6 -------------------------------------------------------------------------------------------------------------- */

static size_t packet6(uint8_t next, const void *payload, size_t n)
{
    const hf_ip_packet p = { .source = a6, .destination = b6, .protocol = next, .hops = 64, .dscp = 46, .ecn = HF_ECN_CE };
    const size_t header = hf_ip_write(bytes, &p, n);
    memcpy(bytes + header, payload, n);
    return header + n;
}

static void ipv6_extension_headers_are_walked(void **state)
{
    (void)state;
    /* hop-by-hop (router alert), destination options (padding), routing without segments left, an atomic fragment, then 4 bytes */
    static const uint8_t chain[] = { 60, 0, 5, 2, 0, 0, 1, 0, 43, 0, 1, 4, 0, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 1, 'd', 'a', 't', 'a' };
    hf_ip_packet p;
    const size_t n = packet6(0, chain, sizeof chain);
    assert_int_equal(read_it(n, &p).code, 0);
    assert_int_equal(p.protocol, 99);
    assert_int_equal(p.payload.len, 4);
    assert_memory_equal(p.payload.ptr, "data", 4);
    assert_false(p.fragment); /* RFC 6946 */
    assert_int_equal(p.dscp, 46);
    assert_int_equal(p.ecn, HF_ECN_CE);
    for (size_t cut = 0; cut < n; cut++)
        assert_true(read_it(cut, &p).code != 0);
}

static void bad_ipv6_packets_are_refused_by_the_rule_they_break(void **state)
{
    (void)state;
    static const struct {
        uint8_t next;
        uint8_t bytes[24];
        int32_t error;
    } rows[] = {
        { 60, { 0, 0, 1, 4, 0, 0, 0, 0, 6, 0 }, HF_ERR_NET_OPTION },   /* hop-by-hop that is not first */
        { 43, { 6, 0, 0, 1, 0, 0, 0, 0 }, HF_ERR_NET_OPTION },         /* RFC 5095: a route with a segment left */
        { 60, { 6, 0, 0x40, 4, 0, 0, 0, 0 }, HF_ERR_NET_OPTION },      /* an unknown option that asks to be refused */
        { 60, { 6, 0, 0x1e, 4, 0, 0, 0, 0 }, 0 },                      /* and one that may be skipped */
        { 60, { 6, 0, 1, 9, 0, 0, 0, 0 }, HF_ERR_NET_OPTION },         /* an option longer than its header */
        { 60, { 6, 9 }, HF_ERR_NET_SHORT },                            /* a header longer than the packet */
        { 44, { 6, 0, 0, 1, 0, 0, 0, 5, 1, 2, 3 }, 0 },                /* 16 bytes follow: a whole number of blocks */
        { 44, { 6, 0, 0xff, 0xf9, 0, 0, 0, 5 }, HF_ERR_NET_FRAGMENT }, /* ends beyond 65535 */
    };
    hf_ip_packet p;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        assert_int_equal(read_it(packet6(rows[i].next, rows[i].bytes, sizeof rows[i].bytes), &p).code, rows[i].error);
    size_t n = packet6(6, "x", 1);
    bytes[8] = 0xff; /* from a group */
    assert_int_equal(read_it(n, &p).code, HF_ERR_NET_ADDRESS);
    n = packet6(6, "x", 1);
    memcpy(bytes + 8, a4.bytes, 16); /* a mapped address would pass for IPv4 */
    assert_int_equal(read_it(n, &p).code, HF_ERR_NET_ADDRESS);
    bytes[0] = 0x70;
    assert_int_equal(read_it(n, &p).code, HF_ERR_NET_VERSION);
}

static void limit_ip_extensions(void **state)
{
    (void)state;
    static uint8_t chain[8 * 9 + 1];
    hf_ip_packet p;
    for (unsigned n = 8; n <= 9; n++) {
        for (unsigned i = 0; i < n; i++)
            memcpy(chain + 8 * i, (uint8_t[]){ i + 1 < n ? 60 : 6, 0, 1, 4, 0, 0, 0, 0 }, 8);
        assert_int_equal(read_it(packet6(60, chain, 8 * n + 1), &p).code, n == 8 ? 0 : HF_ERR_NET_EXTENSIONS);
    }
}

/* ---- UDP --------------------------------------------------------------------------------------------------------------- */

static void udp_goes_there_and_back_and_damage_is_seen(void **state)
{
    (void)state;
    for (int six = 0; six < 2; six++) {
        const hf_ip *from = six ? &a6 : &a4, *to = six ? &b6 : &b4;
        const hf_udp sent = { 5353, 443, hf_text("a datagram") };
        hf_udp got;
        uint8_t wire[HF_UDP_HEADER + 10];
        hf_udp_write(wire, from, to, &sent);
        memcpy(wire + HF_UDP_HEADER, sent.payload.ptr, 10);
        hf_ip_packet p = { .source = *from, .destination = *to, .protocol = HF_PROTOCOL_UDP, .payload = hf_bytes_make(wire, sizeof wire) };
        assert_int_equal(hf_udp_read(&p, false, &got).code, 0);
        assert_int_equal(got.source, 5353);
        assert_true(hf_bytes_equal(got.payload, sent.payload));
        for (size_t bit = 0; bit < sizeof wire * 8; bit++) {
            wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_true(hf_udp_read(&p, false, &got).code != 0);
            wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        wire[6] = wire[7] = 0; /* none was made: allowed in IPv4 alone */
        assert_int_equal(hf_udp_read(&p, false, &got).code, six ? HF_ERR_NET_CHECKSUM : 0);
        assert_int_equal(hf_udp_read(&p, true, &got).code, 0);
        for (size_t cut = 0; cut < sizeof wire; cut++) {
            p.payload.len = cut;
            assert_true(hf_udp_read(&p, true, &got).code != 0);
        }
        p.payload.len = sizeof wire;
        wire[2] = wire[3] = 0;
        assert_int_equal(hf_udp_read(&p, true, &got).code, HF_ERR_NET_PORT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_printed_as_rfc_5952_says),
        cmocka_unit_test(kinds_of_addresses_are_known),
        cmocka_unit_test(the_checksum_is_that_of_rfc_1071),
        cmocka_unit_test(pieces_of_any_length_give_the_sum_of_the_whole),
        cmocka_unit_test(frames_and_arp_go_there_and_back),
        cmocka_unit_test(a_good_ipv4_packet_is_read),
        cmocka_unit_test(bad_ipv4_packets_are_refused_by_the_rule_they_break),
        cmocka_unit_test(ipv4_options_are_walked_and_source_routes_refused),
        cmocka_unit_test(fragments_end_within_65535_bytes),
        cmocka_unit_test(ipv6_extension_headers_are_walked),
        cmocka_unit_test(bad_ipv6_packets_are_refused_by_the_rule_they_break),
        cmocka_unit_test(limit_ip_extensions),
        cmocka_unit_test(udp_goes_there_and_back_and_damage_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
