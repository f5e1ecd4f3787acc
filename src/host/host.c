/* SPDX-License-Identifier: Apache-2.0
 *
 * One machine: what a packet is, whether it is for us, who gets it; time.
 */
#include "host_core.h"

#include "random.h"
#include "text.h"

#define REFUSE(name) hf_err_make(HF_ERR_NET_##name)

/* ---- addresses -------------------------------------------------------------------------------------------------- */

bool hf_host_address_parse(hf_bytes text, hf_host_address *address)
{
    const uint8_t *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    const hf_bytes ip = slash != NULL ? hf_bytes_make(text.ptr, (size_t)(slash - text.ptr)) : text;
    if (!hf_ip_parse(ip, &address->ip))
        return false;
    const uint64_t most = hf_ip_is4(&address->ip) ? 32 : 128;
    uint64_t prefix = most;
    if (slash != NULL && !hf_parse_decimal(hf_bytes_make(slash + 1, text.len - ip.len - 1), &prefix))
        return false;
    address->prefix = (uint8_t)prefix;
    return prefix <= most;
}

bool hf_host_is_near(const hf_host_address *address, const hf_ip *ip)
{
    const bool four = hf_ip_is4(&address->ip);
    if (four != hf_ip_is4(ip))
        return false;
    const unsigned bits = address->prefix + (four ? 96u : 0u), whole = bits / 8, rest = bits % 8;
    if (memcmp(address->ip.bytes, ip->bytes, whole) != 0)
        return false;
    return rest == 0 || ((address->ip.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest)) == 0;
}

bool hf_host_is_own(const hf_host *h, const hf_ip *ip)
{
    for (size_t i = 0; i < h->config.address_count; i++)
        if (hf_ip_equal(&h->config.addresses[i].ip, ip))
            return true;
    return false;
}

bool hf_host_source(const hf_host *h, const hf_ip *to, hf_ip *from)
{
    const hf_host_address *best = NULL;
    for (size_t i = h->config.address_count; i-- > 0;) {
        const hf_host_address *a = &h->config.addresses[i];
        if (hf_ip_is4(&a->ip) != hf_ip_is4(to))
            continue;
        if (best == NULL || hf_host_is_near(a, to) || !hf_host_is_near(best, to))
            best = a;
    }
    if (best != NULL)
        *from = best->ip;
    return best != NULL;
}

uint16_t hf_host_mtu(const hf_host *h)
{
    return h->config.tcp.mtu;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

hf_host *hf_host_new(const hf_env *env, const hf_host_config *config, hf_time now)
{
    hf_host *h = config->address_count > 0 && config->address_count <= HF_HOST_ADDRESSES ? hf_alloc_zeroed(&env->alloc, sizeof *h) : NULL;
    if (h == NULL)
        return NULL;
    h->env = env;
    h->alloc = &env->alloc;
    h->config = *config;
    if (h->config.tcp.mtu == 0)
        h->config.tcp.mtu = 1500;
    h->key = hf_sip_key_make(config->tcp.secret);
    h->now = h->icmp_at = now;
    h->next_id = (uint32_t)hf_random_next(env->random);
    h->icmp_tokens = env->limits->host_icmp_rate;
    h->neighbours_at = HF_NEVER;
    h->tcp = hf_tcp_endpoint_new(env, &h->config.tcp, now);
    if (h->tcp == NULL) {
        hf_free(h->alloc, h, sizeof *h);
        return NULL;
    }
    return h;
}

void hf_host_free(hf_host *h)
{
    if (h == NULL)
        return;
    hf_tcp_endpoint_free(h->tcp);
    hf_parcel_free(h, h->leaving);
    while (h->outbox.first != NULL)
        hf_parcel_free(h, hf_parcels_take(&h->outbox));
    hf_neighbours_fini(h);
    hf_fragments_fini(h);
    hf_udp_fini(h);
    hf_free(h->alloc, h, sizeof *h);
}

hf_tcp_endpoint *hf_host_tcp(hf_host *h)
{
    return h->tcp;
}

void hf_host_counts_of(const hf_host *h, hf_host_counts *counts)
{
    *counts = h->counts;
    for (uint32_t i = 0; i < h->neighbour_capacity; i++)
        counts->neighbours += hf_neighbour_known(&h->neighbours[i]);
}

/* ---- what arrives ----------------------------------------------------------------------------------------------- */

static hf_err deliver_tcp(hf_host *h, const hf_ip_packet *p, const hf_host_input *in)
{
    const hf_tcp_input segment = { .source = p->source, .destination = p->destination, .ecn = p->ecn, .checked = in->checked, .lasts = in->lasts,
                                   .segment = p->payload };
    return hf_tcp_endpoint_input(h->tcp, h->now, &segment);
}

hf_err hf_host_deliver(hf_host *h, const hf_ip_packet *p, const hf_host_input *in)
{
    const bool six = !hf_ip_is4(&p->destination);
    const bool group = hf_ip_is_multicast(&p->destination);
    if (p->protocol == (six ? HF_PROTOCOL_ICMPV6 : HF_PROTOCOL_ICMP))
        return hf_icmp_arrive(h, p);
    if (group) /* RFC 1122 4.2.3.10, and no datagram of ours has a group */
        return REFUSE(NOT_HERE);
    switch (p->protocol) {
    case HF_PROTOCOL_TCP: return deliver_tcp(h, p, in);
    case HF_PROTOCOL_UDP: return hf_udp_arrive(h, p, in->checked);
    case HF_PROTOCOL_NONE: return HF_OK; /* RFC 8200 4.7 */
    default:
        hf_icmp_refuse(h, p, HF_ICMP_NO_PROTOCOL);
        return REFUSE(PROTOCOL);
    }
}

/* The groups that an IPv6 host hears (RFC 4291 2.8): all nodes, and that of each of its addresses. */
static bool is_own_group(const hf_host *h, const hf_ip *ip)
{
    static const hf_ip all_nodes = { { 0xff, 0x02, [15] = 1 } };
    if (hf_ip_equal(ip, &all_nodes))
        return true;
    for (size_t i = 0; i < h->config.address_count; i++) {
        hf_ip group;
        hf_mac mac;
        hf_neighbour_group(&h->config.addresses[i].ip, &group, &mac);
        if (!hf_ip_is4(&h->config.addresses[i].ip) && hf_ip_equal(ip, &group))
            return true;
    }
    return false;
}

static hf_err receive_ip(hf_host *h, const hf_host_input *in, hf_bytes packet)
{
    hf_ip_packet p;
    const hf_err err = hf_ip_read(h->env->limits, packet, &p);
    if (err.code)
        return err;
    if (!hf_host_is_own(h, &p.destination) && !is_own_group(h, &p.destination))
        return REFUSE(NOT_HERE);
    /* RFC 1122 3.2.1.3 (g): loopback never appears on a wire; and nobody else has our own address (the Land attack) */
    if (hf_ip_is_loopback(&p.source) || hf_host_is_own(h, &p.source))
        return REFUSE(ADDRESS);
    return p.fragment ? hf_fragment_arrive(h, &p) : hf_host_deliver(h, &p, in);
}

static hf_err receive_frame(hf_host *h, const hf_host_input *in)
{
    hf_ethernet e;
    hf_bytes packet;
    const hf_err err = hf_ethernet_read(in->packet, &e, &packet);
    if (err.code)
        return err;
    const bool group = (e.destination.bytes[0] & 1) != 0;
    if (!group && memcmp(&e.destination, &h->config.mac, sizeof e.destination) != 0)
        return REFUSE(NOT_HERE);
    if (e.type == HF_ETHERNET_ARP)
        return hf_neighbour_arp(h, packet);
    const uint8_t version = packet.len > 0 ? packet.ptr[0] >> 4 : 0;
    if ((e.type != HF_ETHERNET_IPV4 || version != 4) && (e.type != HF_ETHERNET_IPV6 || version != 6))
        return REFUSE(VERSION);
    return receive_ip(h, in, packet);
}

static void tell_time(hf_host *h, hf_time now)
{
    if (h->now.ns < now.ns)
        h->now = now;
}

hf_err hf_host_receive(hf_host *h, hf_time now, const hf_host_input *in)
{
    tell_time(h, now);
    hf_tcp_endpoint_settle(h->tcp); /* this packet may be none of TCP's, and the last one's memory goes all the same */
    h->counts.packets_in++;
    const hf_err err = h->config.ethernet ? receive_frame(h, in) : receive_ip(h, in, in->packet);
    if (err.code == HF_ERR_NET_NOT_HERE)
        h->counts.not_here++;
    else if (err.code != 0)
        h->counts.bad++;
    return err;
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

hf_step hf_host_step(hf_host *h, hf_time now, hf_host_event *event)
{
    hf_tcp_event t;
    tell_time(h, now);
    if (h->neighbours_at.ns <= h->now.ns)
        hf_neighbours_expire(h);
    if (h->partials != NULL && h->partials->until.ns <= h->now.ns)
        hf_fragments_expire(h);
    if (hf_udp_tell(h, event))
        return HF_EVENT;
    const hf_step s = hf_tcp_endpoint_step(h->tcp, h->now, &t);
    if (s == HF_EVENT)
        *event = (hf_host_event){ .kind = t.kind == HF_TCP_ACCEPTED ? HF_HOST_ACCEPTED : HF_HOST_NOTICE, .user = t.user, .tcp = t.tcp };
    return s;
}

hf_time hf_host_wake(const hf_host *h)
{
    if (h->outbox.first != NULL || h->datagrams != NULL || h->told != NULL)
        return h->now;
    const hf_time own = hf_time_earlier(h->neighbours_at, h->partials != NULL ? h->partials->until : HF_NEVER);
    return hf_time_earlier(own, hf_tcp_endpoint_wake(h->tcp));
}

const char *hf_host_wrong(const hf_host *h)
{
    uint32_t partials = 0, known = 0;
    uint64_t bytes = 0, datagrams = 0;
    for (const hf_partial *p = h->partials; p != NULL; p = p->next) {
        partials++;
        bytes += p->cost;
        uint32_t end = 0, have = 0;
        for (const hf_fragment *f = p->parts; f != NULL; f = f->next) {
            if (f->offset < end || f->length == 0)
                return "fragments are in order and do not overlap";
            end = f->offset + f->length;
            have += f->length;
        }
        if (have != p->have || (p->ended && end > p->total))
            return "a packet in parts knows what it has";
    }
    for (const hf_waiting_datagram *d = h->datagrams; d != NULL; d = d->next)
        datagrams += d->size;
    for (uint32_t i = 0; i < h->neighbour_capacity; i++)
        known += h->neighbours[i].held.count > 0 && h->neighbours[i].state != HF_NEIGHBOUR_INCOMPLETE;
    if (partials != h->partial_count || bytes != h->partial_bytes || bytes > h->env->limits->host_fragment_bytes)
        return "packets in parts are counted and bounded";
    if (datagrams != h->datagram_bytes || datagrams > h->env->limits->host_udp_bytes)
        return "datagrams that wait are counted and bounded";
    if (h->outbox.count > h->env->limits->host_packets)
        return "packets that wait to leave are bounded";
    return known > 0 ? "packets wait only for neighbours that have not answered" : NULL;
}
