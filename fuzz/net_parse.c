/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets from hostile bytes: nothing is read past their end, and what is read and written again reads the same. A packet is there
 * whole, and is read without state, time or allocations; host_input and tcp_input have those.
 */
#include <stdlib.h>

#include <handfast/net.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void inside(hf_bytes part, const uint8_t *data, size_t size)
{
    check(part.len == 0 || (part.ptr >= data && part.ptr + part.len <= data + size));
}

static void round_trip(const hf_ip_packet *p)
{
    static uint8_t copy[HF_IP_HEADER_MOST + 65536];
    hf_ip_packet again;
    if (p->fragment || p->payload.len > 65000)
        return;
    const size_t header = hf_ip_write(copy, p, p->payload.len);
    if (p->payload.len > 0)
        memcpy(copy + header, p->payload.ptr, p->payload.len);
    check(hf_ip_read(hf_limits_default(), hf_bytes_make(copy, header + p->payload.len), &again).code == 0);
    check(hf_ip_equal(&again.source, &p->source) && hf_ip_equal(&again.destination, &p->destination));
    check(again.protocol == p->protocol && again.hops == p->hops && again.ecn == p->ecn && again.dscp == p->dscp);
    check(hf_bytes_equal(again.payload, p->payload));
}

static void parse(const uint8_t *data, size_t size)
{
    hf_ip_packet p, quoted;
    hf_udp u;
    hf_icmp m;
    if (hf_ip_read(hf_limits_default(), hf_bytes_make(data, size), &p).code)
        return;
    inside(p.payload, data, size);
    inside(p.header, data, size);
    if (p.protocol == HF_PROTOCOL_NONE || p.protocol == 0 || p.protocol == 43 || p.protocol == 44 || p.protocol == 60)
        return;
    round_trip(&p);
    if (!hf_udp_read(&p, true, &u).code)
        inside(u.payload, data, size);
    if (!hf_icmp_read(&p, &m).code) {
        inside(m.payload, data, size);
        if (hf_icmp_quoted(&m, &quoted))
            inside(quoted.payload, data, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hf_ethernet e;
    hf_arp a;
    hf_bytes payload;
    if (size < 1 || size > 4096)
        return 0;
    if (data[0] % 2 == 0) {
        parse(data + 1, size - 1);
    } else if (!hf_ethernet_read(hf_bytes_make(data + 1, size - 1), &e, &payload).code) {
        inside(payload, data, size);
        parse(payload.ptr, payload.len);
        if (!hf_arp_read(payload, &a).code) {
            uint8_t again[HF_ARP_PACKET];
            hf_arp_write(again, &a);
            check(memcmp(again, payload.ptr, HF_ARP_PACKET) == 0);
        }
    }
    hf_ip ip, same;
    char text[HF_IP_TEXT];
    if (hf_ip_parse(hf_bytes_make(data, size), &ip)) {
        const size_t n = hf_ip_print(&ip, text);
        check(hf_ip_parse(hf_bytes_make(text, n), &same) && hf_ip_equal(&ip, &same));
    }
    return 0;
}
