/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is next, and where: routes, and the cache of Ethernet addresses that ARP (RFC 826) and neighbour discovery (RFC 4861)
 * fill.
 *
 * RFC 6583: whoever can make us ask for many addresses must not push out those that are in use. A place is found by a keyed
 * hash, and within it what is still asked for goes first, then what was not used for longest.
 */
#include "host_core.h"

/* ---- routes ----------------------------------------------------------------------------------------------------- */

bool hf_host_next_hop(const hf_host *h, const hf_ip *to, hf_ip *next)
{
    static const hf_host_address link_local = { { { 0xfe, 0x80 } }, 10 };
    const hf_ip *gateway = hf_ip_is4(to) ? &h->config.gateway4 : &h->config.gateway6;
    *next = *to;
    if (!h->config.ethernet || hf_host_is_near(&link_local, to))
        return true;
    for (size_t i = 0; i < h->config.address_count; i++)
        if (hf_host_is_near(&h->config.addresses[i], to))
            return true;
    *next = *gateway;
    return !hf_ip_is_any(gateway);
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static void ask4(hf_host *h, const hf_ip *target, const hf_mac *known)
{
    static const hf_mac everybody = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
    hf_arp a = { .operation = HF_ARP_REQUEST, .sender_mac = h->config.mac, .target = *target };
    hf_parcel *p = hf_host_source(h, target, &a.sender) ? hf_parcel_new(h, HF_ARP_PACKET) : NULL;
    if (p == NULL)
        return;
    hf_link_write(h, p->bytes, known != NULL ? known : &everybody, HF_ETHERNET_ARP);
    hf_arp_write(p->bytes + HF_ETHERNET_HEADER, &a);
    p->length = HF_ETHERNET_HEADER + HF_ARP_PACKET;
    hf_parcels_add(&h->outbox, p);
    h->counts.arp_out++;
}

static void ask6(hf_host *h, const hf_ip *target, const hf_mac *known)
{
    const hf_icmp m = { .kind = HF_ICMP_NEIGHBOUR_SOLICITATION, .target = *target, .has_mac = true, .mac = h->config.mac };
    hf_ip_packet ip = { .destination = *target, .protocol = HF_PROTOCOL_ICMPV6, .hops = 255 };
    hf_mac mac;
    hf_parcel *p = hf_host_source(h, target, &ip.source) ? hf_parcel_new(h, 64) : NULL;
    if (p == NULL)
        return;
    hf_neighbour_group(target, &ip.destination, &mac);
    if (known != NULL) {
        ip.destination = *target;
        mac = *known;
    }
    uint8_t *const at = hf_parcel_ip(h, p);
    const size_t length = hf_icmp_write(at + HF_IP6_HEADER, 64, &ip.source, &ip.destination, &m);
    hf_ip_write(at, &ip, length);
    hf_link_write(h, p->bytes, &mac, HF_ETHERNET_IPV6);
    p->length = (uint32_t)(HF_ETHERNET_HEADER + HF_IP6_HEADER + length);
    hf_parcels_add(&h->outbox, p);
    h->counts.arp_out++;
}

static void ask(hf_host *h, hf_neighbour *n)
{
    const hf_mac *known = n->state == HF_NEIGHBOUR_PROBE ? &n->mac : NULL; /* RFC 4861 7.3.3: to it alone */
    n->tries++;
    n->at = hf_time_after(h->now, HF_NEIGHBOUR_RETRY_NS);
    h->neighbours_at = hf_time_earlier(h->neighbours_at, n->at);
    if (hf_ip_is4(&n->ip))
        ask4(h, &n->ip, known);
    else
        ask6(h, &n->ip, known);
}

/* ---- the cache -------------------------------------------------------------------------------------------------- */

bool hf_neighbour_known(const hf_neighbour *n)
{
    return n->state >= HF_NEIGHBOUR_REACHABLE;
}

static void forget(hf_host *h, hf_neighbour *n)
{
    h->counts.neighbours_lost += hf_neighbour_known(n);
    h->counts.unresolved += n->held.count;
    while (n->held.first != NULL)
        hf_parcel_free(h, hf_parcels_take(&n->held));
    *n = (hf_neighbour){ 0 };
}

static bool have_cache(hf_host *h)
{
    if (h->neighbours != NULL)
        return true;
    uint32_t capacity = HF_NEIGHBOUR_WAYS;
    while (capacity * 2 <= h->env->limits->host_neighbours)
        capacity *= 2;
    h->neighbours = hf_alloc_zeroed(h->alloc, capacity * sizeof *h->neighbours);
    if (h->neighbours != NULL)
        h->neighbour_capacity = capacity;
    return h->neighbours != NULL;
}

/* Where it lies, or may lie. `make`: there is room for it, whoever was there. */
static hf_neighbour *find(hf_host *h, const hf_ip *ip, bool make)
{
    if (h->neighbours == NULL && (!make || !have_cache(h)))
        return NULL;
    if (h->recent != NULL && h->recent->state != HF_NEIGHBOUR_FREE && hf_ip_equal(&h->recent->ip, ip))
        return h->recent;
    const uint64_t hash = hf_sip13(h->key, hf_bytes_make(ip->bytes, sizeof ip->bytes));
    hf_neighbour *set = &h->neighbours[(hash & (h->neighbour_capacity / HF_NEIGHBOUR_WAYS - 1)) * HF_NEIGHBOUR_WAYS], *worst = set;
    for (hf_neighbour *n = set; n < set + HF_NEIGHBOUR_WAYS; n++) {
        if (n->state != HF_NEIGHBOUR_FREE && hf_ip_equal(&n->ip, ip))
            return h->recent = n;
        const bool n_asked = n->state == HF_NEIGHBOUR_INCOMPLETE, w_asked = worst->state == HF_NEIGHBOUR_INCOMPLETE;
        if (worst->state == HF_NEIGHBOUR_FREE)
            continue;
        if (n->state == HF_NEIGHBOUR_FREE || (n_asked && !w_asked) || (n_asked == w_asked && n->used.ns < worst->used.ns))
            worst = n;
    }
    if (!make)
        return NULL;
    forget(h, worst);
    worst->ip = *ip;
    return worst;
}

hf_neighbour *hf_neighbour_use(hf_host *h, const hf_ip *ip)
{
    hf_neighbour *n = find(h, ip, true);
    if (n == NULL)
        return NULL;
    n->used = h->now;
    if (n->state == HF_NEIGHBOUR_FREE) {
        n->state = HF_NEIGHBOUR_INCOMPLETE;
        ask(h, n);
    } else if (n->state == HF_NEIGHBOUR_STALE || (n->state == HF_NEIGHBOUR_REACHABLE && n->at.ns <= h->now.ns)) {
        n->state = HF_NEIGHBOUR_PROBE;
        n->tries = 0;
        ask(h, n);
    }
    return n;
}

/* `ip` is at `mac`. `make`: worth a place of its own. `confirmed`: it answered us. */
static void learn(hf_host *h, const hf_ip *ip, const hf_mac *mac, bool make, bool confirmed)
{
    hf_neighbour *n = find(h, ip, make);
    if (n == NULL)
        return;
    const bool moved = !hf_neighbour_known(n) || memcmp(&n->mac, mac, sizeof *mac) != 0;
    n->mac = *mac;
    if (n->state == HF_NEIGHBOUR_FREE)
        n->used = h->now;
    if (confirmed) {
        n->state = HF_NEIGHBOUR_REACHABLE;
        n->at = hf_time_after(h->now, HF_NEIGHBOUR_REACHABLE_NS);
    } else if (moved) {
        n->state = HF_NEIGHBOUR_STALE; /* RFC 4861 7.2.3: it is asked when it is next used */
        n->at = HF_NEVER;
    }
    n->tries = 0;
    hf_host_release(h, n);
}

void hf_neighbours_expire(hf_host *h)
{
    hf_time first = HF_NEVER;
    for (uint32_t i = 0; i < h->neighbour_capacity; i++) {
        hf_neighbour *n = &h->neighbours[i];
        if (n->state != HF_NEIGHBOUR_INCOMPLETE && n->state != HF_NEIGHBOUR_PROBE)
            continue;
        if (n->at.ns <= h->now.ns && n->tries >= HF_NEIGHBOUR_TRIES) {
            forget(h, n);
            continue;
        }
        if (n->at.ns <= h->now.ns)
            ask(h, n);
        first = hf_time_earlier(first, n->at);
    }
    h->neighbours_at = first;
}

void hf_neighbours_fini(hf_host *h)
{
    for (uint32_t i = 0; i < h->neighbour_capacity; i++)
        forget(h, &h->neighbours[i]);
    hf_free(h->alloc, h->neighbours, h->neighbour_capacity * sizeof *h->neighbours);
}

/* ---- ARP -------------------------------------------------------------------------------------------------------- */

static bool mac_fine(const hf_host *h, const hf_mac *mac)
{
    return (mac->bytes[0] & 1) == 0 && memcmp(mac, &h->config.mac, sizeof *mac) != 0;
}

hf_err hf_neighbour_arp(hf_host *h, hf_bytes packet)
{
    hf_arp a;
    const hf_err err = hf_arp_read(packet, &a);
    if (err.code)
        return err;
    h->counts.arp_in++;
    /* RFC 5227 2.4: somebody else claims our address. It is not believed, and we go on. */
    if (!mac_fine(h, &a.sender_mac) || hf_host_is_own(h, &a.sender))
        return hf_err_make(HF_ERR_NET_ARP);
    const bool for_us = hf_host_is_own(h, &a.target);
    /* RFC 826, "Packet Reception": known senders are brought up to date; unknown ones are noted when they ask for us.
     * RFC 5227 1.1: a probe's sender is all zero: it has no address yet. */
    hf_ip next;
    const bool near = !hf_ip_is_any(&a.sender) && hf_host_next_hop(h, &a.sender, &next) && hf_ip_equal(&next, &a.sender);
    if (near)
        learn(h, &a.sender, &a.sender_mac, for_us, a.operation == HF_ARP_REPLY && for_us);
    if (!for_us || a.operation != HF_ARP_REQUEST)
        return HF_OK;
    hf_parcel *p = hf_parcel_new(h, HF_ARP_PACKET);
    if (p == NULL)
        return HF_OK;
    const hf_arp reply = { .operation = HF_ARP_REPLY, .sender_mac = h->config.mac, .sender = a.target, .target_mac = a.sender_mac, .target = a.sender };
    hf_link_write(h, p->bytes, &a.sender_mac, HF_ETHERNET_ARP);
    hf_arp_write(p->bytes + HF_ETHERNET_HEADER, &reply);
    p->length = HF_ETHERNET_HEADER + HF_ARP_PACKET;
    hf_parcels_add(&h->outbox, p);
    h->counts.arp_out++;
    return HF_OK;
}

/* ---- neighbour discovery ---------------------------------------------------------------------------------------- */

/* RFC 4861 7.2.4. */
static void advertise(hf_host *h, const hf_ip_packet *p, const hf_icmp *m)
{
    static const hf_ip all_nodes = { { 0xff, 0x02, [15] = 1 } };
    const bool unspecified = hf_ip_is_any(&p->source); /* it asks whether the address is free: everybody shall hear */
    const hf_icmp reply = { .kind = HF_ICMP_NEIGHBOUR_ADVERTISEMENT, .target = m->target, .has_mac = true, .mac = h->config.mac,
                            .solicited = !unspecified, .overriding = true };
    const hf_ip_packet ip = { .source = m->target, .destination = unspecified ? all_nodes : p->source, .protocol = HF_PROTOCOL_ICMPV6, .hops = 255 };
    hf_parcel *out = hf_parcel_new(h, 64);
    if (out == NULL)
        return;
    const size_t length = hf_icmp_write(hf_parcel_ip(h, out) + HF_IP6_HEADER, 64, &ip.source, &ip.destination, &reply);
    hf_host_post(h, &ip, out, length);
    h->counts.arp_out++;
}

hf_err hf_neighbour_discover(hf_host *h, const hf_ip_packet *p, const hf_icmp *m)
{
    const bool solicits = m->kind == HF_ICMP_NEIGHBOUR_SOLICITATION;
    if (!h->config.ethernet || (!solicits && m->kind != HF_ICMP_NEIGHBOUR_ADVERTISEMENT))
        return HF_OK; /* routers are configured, not heard */
    h->counts.arp_in++;
    if ((m->has_mac && !mac_fine(h, &m->mac)) || (!solicits && hf_host_is_own(h, &m->target)))
        return hf_err_make(HF_ERR_NET_NEIGHBOUR);
    if (!solicits) {
        /* RFC 4861 7.2.5: only who was asked for has an entry; without the flag a different address is not believed */
        hf_neighbour *n = find(h, &m->target, false);
        const bool same = n != NULL && m->has_mac && memcmp(&n->mac, &m->mac, sizeof m->mac) == 0;
        if (n != NULL && m->has_mac && (!hf_neighbour_known(n) || m->overriding || same))
            learn(h, &m->target, &m->mac, false, m->solicited);
        return HF_OK;
    }
    if (!hf_host_is_own(h, &m->target))
        return hf_err_make(HF_ERR_NET_NOT_HERE);
    if (m->has_mac)
        learn(h, &p->source, &m->mac, true, false);
    advertise(h, p, m);
    return HF_OK;
}
