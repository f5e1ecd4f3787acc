/* SPDX-License-Identifier: Apache-2.0
 *
 * ICMP of both versions and neighbour discovery: there and back, and what must be refused.
 */
#include "harness.h"

#include <handfast/net.h>

static const hf_ip a4 = { { [10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1 } };
static const hf_ip b4 = { { [10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 7 } };
static const hf_ip a6 = { { 0xfe, 0x80, [15] = 1 } };
static const hf_ip b6 = { { 0xfe, 0x80, [13] = 0xaa, [14] = 0xbb, [15] = 0xcc } };
static uint8_t wire[2048];

static hf_ip_packet carry(bool six, const hf_icmp *m)
{
    const hf_ip *from = six ? &a6 : &a4, *to = six ? &b6 : &b4;
    const size_t n = hf_icmp_write(wire, sizeof wire, from, to, m);
    assert_true(n >= 8);
    return (hf_ip_packet){ .source = *from, .destination = *to, .protocol = six ? HF_PROTOCOL_ICMPV6 : HF_PROTOCOL_ICMP, .hops = 255, .payload = hf_bytes_make(wire, n) };
}

static void each_kind_goes_there_and_back(void **state)
{
    (void)state;
    static const hf_icmp_kind both[] = { HF_ICMP_ECHO, HF_ICMP_ECHO_REPLY, HF_ICMP_UNREACHABLE, HF_ICMP_TOO_BIG, HF_ICMP_TIME_EXCEEDED, HF_ICMP_PARAMETER };
    for (int six = 0; six < 2; six++)
        for (size_t i = 0; i < HF_COUNT(both); i++) {
            const hf_icmp sent = { .kind = both[i], .id = 7, .sequence = 9, .mtu = 1280, .payload = hf_text("the packet that was meant") };
            hf_ip_packet p = carry(six, &sent);
            hf_icmp got;
            assert_int_equal(hf_icmp_read(&p, &got).code, 0);
            assert_int_equal(got.kind, sent.kind);
            assert_true(hf_bytes_equal(got.payload, sent.payload));
            if (both[i] == HF_ICMP_TOO_BIG)
                assert_int_equal(got.mtu, 1280);
            if (both[i] <= HF_ICMP_ECHO_REPLY)
                assert_int_equal(got.id << 16 | got.sequence, 7 << 16 | 9);
            wire[10] ^= 1;
            assert_int_equal(hf_icmp_read(&p, &got).code, HF_ERR_NET_CHECKSUM);
            p.payload.len = 7;
            assert_int_equal(hf_icmp_read(&p, &got).code, HF_ERR_NET_SHORT);
        }
}

static void a_version_does_not_speak_the_others_icmp(void **state)
{
    (void)state;
    const hf_icmp echo = { .kind = HF_ICMP_ECHO };
    hf_icmp got;
    hf_ip_packet p = carry(false, &echo);
    p.protocol = HF_PROTOCOL_ICMPV6;
    assert_int_equal(hf_icmp_read(&p, &got).code, HF_ERR_NET_VERSION);
}

static void an_error_tells_whom_it_quotes(void **state)
{
    (void)state;
    uint8_t quoted[HF_IP_HEADER_MOST + 8];
    for (int six = 0; six < 2; six++) {
        const hf_ip_packet inner = { .source = six ? b6 : b4, .destination = six ? a6 : a4, .protocol = HF_PROTOCOL_TCP, .hops = 3 };
        const size_t header = hf_ip_write(quoted, &inner, 1000); /* most of it was cut off */
        memcpy(quoted + header, "\x12\x34\x00\x50wxyz", 8);
        const hf_icmp sent = { .kind = HF_ICMP_TOO_BIG, .mtu = 1400, .payload = hf_bytes_make(quoted, header + 8) };
        const hf_ip_packet p = carry(six, &sent);
        hf_icmp got;
        hf_ip_packet told;
        assert_int_equal(hf_icmp_read(&p, &got).code, 0);
        assert_true(hf_icmp_quoted(&got, &told));
        assert_true(hf_ip_equal(&told.source, &inner.source) && hf_ip_equal(&told.destination, &inner.destination));
        assert_int_equal(told.protocol, HF_PROTOCOL_TCP);
        assert_memory_equal(told.payload.ptr, "\x12\x34\x00\x50wxyz", 8);
        got.payload.len--;
        assert_false(hf_icmp_quoted(&got, &told));
        got.kind = HF_ICMP_ECHO;
        assert_false(hf_icmp_quoted(&got, &told));
    }
}

static void neighbours_are_asked_and_answer(void **state)
{
    (void)state;
    const hf_mac mac = { { 2, 0, 0, 1, 2, 3 } };
    const hf_icmp ask = { .kind = HF_ICMP_NEIGHBOUR_SOLICITATION, .target = b6, .has_mac = true, .mac = mac };
    hf_icmp got;
    hf_ip_packet p = carry(true, &ask);
    assert_int_equal(hf_icmp_read(&p, &got).code, 0);
    assert_true(hf_ip_equal(&got.target, &b6) && got.has_mac);
    assert_memory_equal(&got.mac, &mac, 6);
    const hf_icmp answer = { .kind = HF_ICMP_NEIGHBOUR_ADVERTISEMENT, .target = b6, .has_mac = true, .mac = mac, .solicited = true, .overriding = true };
    p = carry(true, &answer);
    assert_int_equal(hf_icmp_read(&p, &got).code, 0);
    assert_true(got.solicited && got.overriding && !got.router && got.has_mac);
    hf_ip group;
    hf_mac group_mac;
    char text[HF_IP_TEXT];
    hf_neighbour_group(&b6, &group, &group_mac);
    hf_ip_print(&group, text);
    assert_string_equal(text, "ff02::1:ffaa:bbcc");
    assert_memory_equal(group_mac.bytes, "\x33\x33\xff\xaa\xbb\xcc", 6);
}

/* Writes the sum again over what a test has changed. */
static void reseal(hf_ip_packet *p)
{
    wire[2] = wire[3] = 0;
    hf_checksum sum = { 0 };
    hf_checksum_pseudo(&sum, &p->source, &p->destination, HF_PROTOCOL_ICMPV6, (uint32_t)p->payload.len);
    hf_checksum_add(&sum, p->payload);
    wire[2] = (uint8_t)(hf_checksum_value(&sum) >> 8);
    wire[3] = (uint8_t)hf_checksum_value(&sum);
}

static void neighbours_from_afar_or_malformed_are_refused(void **state)
{
    (void)state;
    const hf_icmp ask = { .kind = HF_ICMP_NEIGHBOUR_SOLICITATION, .target = b6, .has_mac = true, .mac = { { 2 } } };
    hf_icmp got;
    hf_ip_packet p = carry(true, &ask);
    p.hops = 254; /* RFC 4861 7.1.1: it came through a router */
    assert_int_equal(hf_icmp_read(&p, &got).code, HF_ERR_NET_NEIGHBOUR);
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = { { 1, 1 } /* a code */, { 8, 0xff } /* a group as target */, { 25, 0 } /* an option without length */, { 25, 2 } /* beyond the end */, { 26, 3 } /* a group's MAC */ };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        p = carry(true, &ask);
        wire[rows[i].at] = rows[i].value;
        reseal(&p);
        assert_int_equal(hf_icmp_read(&p, &got).code, HF_ERR_NET_NEIGHBOUR);
    }
    p = carry(true, &ask);
    p.payload.len = 23;
    reseal(&p);
    assert_int_equal(hf_icmp_read(&p, &got).code, HF_ERR_NET_SHORT);
    p = carry(true, &ask);
    memset(p.source.bytes, 0, 16); /* who has no address yet cannot say where it is */
    reseal(&p);
    assert_int_equal(hf_icmp_read(&p, &got).code, HF_ERR_NET_NEIGHBOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_goes_there_and_back),
        cmocka_unit_test(a_version_does_not_speak_the_others_icmp),
        cmocka_unit_test(an_error_tells_whom_it_quotes),
        cmocka_unit_test(neighbours_are_asked_and_answer),
        cmocka_unit_test(neighbours_from_afar_or_malformed_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
