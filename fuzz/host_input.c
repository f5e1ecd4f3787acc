/* SPDX-License-Identifier: Apache-2.0
 *
 * A host with a listener, a UDP port, and a connection of its own, fed packets from hostile bytes with calls and time
 * between them. The invariants hold after each; it always comes to an end; nothing leaks.
 *
 * The input is a row of steps: a byte that says what, then what it needs. Whole packets are built around fuzzed bytes, so that
 * a fuzzer gets past addresses and checksums. The first byte has the options; its highest bit makes one allocation in sixteen fail.
 */
#include <stdlib.h>

#include "fuzz_env.h"
#include "host_core.h"
#include "tcp_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct script {
    const uint8_t *at, *end;
} script;

static uint32_t next(script *s, unsigned bytes)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | (s->at < s->end ? *s->at++ : 0u);
    return n;
}

static hf_bytes rest(script *s, size_t most)
{
    const size_t left = (size_t)(s->end - s->at), n = left < most ? left : most;
    const hf_bytes b = hf_bytes_make(s->at, n);
    s->at += n;
    return b;
}

static hf_host *host;
static hf_time now;
static const hf_mac ours = { { 2, 0, 0, 0, 0, 1 } }, theirs = { { 2, 0, 0, 0, 0, 2 } };

static hf_ip address(unsigned which)
{
    switch (which % 6) {
    case 0: return hf_ip_make4(10, 0, 0, 1);
    case 1: return hf_ip_make4(10, 0, 0, 2);
    case 2: return hf_ip_make4(198, 51, 100, 7);
    case 3: return (hf_ip){ { 0xfd, 0, [15] = 1 } };
    case 4: return (hf_ip){ { 0xfd, 0, [15] = 2 } };
    default: return (hf_ip){ { 0xff, 2, [15] = 1 } };
    }
}

static void drain(void)
{
    static uint8_t scratch[HF_HOST_HEADER];
    hf_extent pieces[32];
    hf_host_packet packet;
    hf_host_event event;
    hf_pier_event told;
    for (unsigned i = 0; hf_host_step(host, now, &event) == HF_EVENT; i++) {
        if (event.kind == HF_HOST_ACCEPTED)
            hf_tcp_free(event.tcp);
        while (event.kind == HF_HOST_NOTICE && hf_tcp_next(event.tcp, now, &told) == HF_EVENT)
            ;
        if (i > 10000)
            abort();
    }
    for (unsigned i = 0;; i++) {
        hf_out out = { .pieces = pieces, .capacity = 32, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 66000 };
        if (!hf_host_emit(host, now, &out, &packet))
            break;
        if (i > 10000 || packet.length != out.bytes)
            abort();
    }
    if (hf_host_wrong(host) != NULL || hf_tcp_endpoint_wrong(hf_host_tcp(host)) != NULL)
        abort();
}

static uint8_t *lasting; /* the packet before: it lasts until this one was received, and no longer */

static void give(const uint8_t *bytes, size_t length, bool checked)
{
    uint8_t *copy = malloc(length + 1);
    if (copy == NULL)
        abort();
    if (length > 0)
        memcpy(copy, bytes, length);
    const hf_host_input in = { .packet = hf_bytes_make(copy, length), .checked = checked, .lasts = length % 2 };
    const hf_err err = hf_host_receive(host, now, &in);
    (void)err;
    free(lasting);
    lasting = copy;
}

/* What is fuzzed is what IP carries; the headers around it are right. */
static void whole_packet(script *s, bool ethernet)
{
    static uint8_t wire[HF_ETHERNET_HEADER + HF_IP_HEADER_MOST + 2048];
    static const uint8_t protocols[] = { HF_PROTOCOL_ICMP, HF_PROTOCOL_TCP, HF_PROTOCOL_UDP, HF_PROTOCOL_ICMPV6, 0, 43, 44, 60 };
    hf_ip_packet p = { .source = address(next(s, 1)), .destination = address(next(s, 1)), .protocol = protocols[next(s, 1) % sizeof protocols],
                       .hops = 255, .ecn = HF_ECN_ECT0, .whole = true };
    const unsigned how = next(s, 1);
    if (hf_ip_is4(&p.source) != hf_ip_is4(&p.destination))
        p.source = hf_ip_is4(&p.destination) ? address(1) : address(4);
    if (how & 1) {
        p.whole = false;
        p.more = how & 2;
        p.offset = 8 * (next(s, 1) % 64);
        p.id = how >> 6;
    }
    hf_bytes payload = rest(s, 8 * (1 + next(s, 1) % 64));
    if (p.more)
        payload.len &= ~(size_t)7;
    uint8_t *const ip = wire + (ethernet ? HF_ETHERNET_HEADER : 0);
    const size_t header = hf_ip_write(ip, &p, payload.len);
    if (payload.len > 0)
        memcpy(ip + header, payload.ptr, payload.len);
    if ((p.protocol == HF_PROTOCOL_ICMP || p.protocol == HF_PROTOCOL_ICMPV6) && payload.len >= 4 && how & 4) {
        hf_checksum sum = { 0 };
        hf_set16(ip + header + 2, 0);
        if (p.protocol == HF_PROTOCOL_ICMPV6)
            hf_checksum_pseudo(&sum, &p.source, &p.destination, p.protocol, (uint32_t)payload.len);
        hf_checksum_add(&sum, hf_bytes_make(ip + header, payload.len));
        hf_set16(ip + header + 2, hf_checksum_value(&sum));
    }
    const hf_ethernet e = { .destination = ours, .source = theirs, .type = hf_ip_is4(&p.destination) ? HF_ETHERNET_IPV4 : HF_ETHERNET_IPV6 };
    if (ethernet)
        hf_ethernet_write(wire, &e);
    give(wire, (size_t)(ip - wire) + header + payload.len, how & 8);
}

static void arp(script *s)
{
    uint8_t wire[HF_ETHERNET_HEADER + HF_ARP_PACKET];
    const hf_ethernet e = { .destination = ours, .source = theirs, .type = HF_ETHERNET_ARP };
    hf_arp a = { .operation = (uint16_t)(1 + next(s, 1) % 2), .sender_mac = theirs, .target_mac = ours };
    a.sender_mac.bytes[5] = (uint8_t)next(s, 1);
    a.sender = hf_ip_make4(10, 0, 0, (uint8_t)next(s, 1));
    a.target = hf_ip_make4(10, 0, 0, (uint8_t)(next(s, 1) % 3));
    hf_ethernet_write(wire, &e);
    hf_arp_write(wire + HF_ETHERNET_HEADER, &a);
    give(wire, sizeof wire, false);
}

static bool begin(uint8_t how)
{
    fuzz_env_init();
    fuzz_env_memory = (fuzz_memory){ .one_in = how & 0x80 ? 16 : 0 };
    hf_random_seed(&fuzz_env_memory.random, how);
    fuzz_limits.host_fragments = 3;
    fuzz_limits.host_fragment_bytes = 3000;
    fuzz_limits.host_neighbours = 16;
    fuzz_limits.host_udp_bytes = 3000;
    fuzz_limits.host_packets = 20;
    fuzz_limits.tcp_syns = 2; /* their room is made at the start: large ones would take all the time */
    fuzz_limits.tcp_timewaits = 4;
    fuzz_limits.tcp_replies = 16;
    const hf_host_config config = { .addresses = { { address(0), 24 }, { address(3), 64 } }, .address_count = 2, .ethernet = how & 1, .mac = ours,
                                    .gateway4 = how & 2 ? hf_ip_make4(10, 0, 0, 9) : (hf_ip){ { 0 } },
                                    .tcp = { .secret = { 1 }, .super_segment = how & 4 ? 60000 : 0, .partial_checksum = how & 8 } };
    now = hf_time_make(HF_SECONDS(100));
    host = hf_host_new(&fuzz_env, &config, now);
    HF_ASSERT(host != NULL || (fuzz_env_memory.one_in > 0 && fuzz_env_memory.held == 0));
    return host != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    if (!begin(data[0]))
        return 0;
    script s = { data + 1, data + size };
    const hf_ip any = { { 0 } };
    hf_err err = hf_tcp_listen(hf_host_tcp(host), &any, 80, 0);
    err = hf_host_udp_bind(host, 53, 0);
    const hf_tcp_pair pair = { .local = address(0), .remote = address(1), .remote_port = 90 };
    hf_tcp *own = hf_tcp_connect(hf_host_tcp(host), now, &pair, 0, &err);
    drain();
    while (s.at < s.end) {
        const unsigned what = next(&s, 1);
        if (what < 160) {
            whole_packet(&s, data[0] & 1);
        } else if (what < 180) {
            const hf_bytes b = rest(&s, 1 + next(&s, 1));
            give(b.ptr, b.len, what & 1);
        } else if (what < 200) {
            arp(&s);
        } else if (what < 220) {
            const hf_ip to = address(next(&s, 1));
            const hf_host_datagram d = { .local = hf_ip_is4(&to) ? address(0) : address(3), .remote = to, .local_port = 53, .remote_port = 9,
                                         .bytes = hf_bytes_make(data, next(&s, 1) % size) };
            err = hf_host_udp_send(host, now, &d);
        } else {
            now = hf_time_after(now, what < 245 ? HF_MILLISECONDS(next(&s, 2)) : HF_SECONDS(next(&s, 1)));
        }
        drain();
    }
    hf_tcp_free(own);
    hf_host_free(host);
    HF_ASSERT(fuzz_env_memory.held == 0);
    free(lasting);
    lasting = NULL;
    return 0;
}
