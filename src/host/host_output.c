/* SPDX-License-Identifier: Apache-2.0
 *
 * What leaves: the host's own packets first, which wait as bytes; then TCP's segments, which are made when they leave.
 */
#include "host_core.h"

/* ---- parcels ---------------------------------------------------------------------------------------------------- */

void hf_parcel_free(hf_host *h, hf_parcel *p)
{
    if (p != NULL)
        hf_free(h->alloc, p, sizeof *p + p->capacity);
}

void hf_parcels_add(hf_parcels *q, hf_parcel *p)
{
    p->next = NULL;
    if (q->last != NULL)
        q->last->next = p;
    else
        q->first = p;
    q->last = p;
    q->count++;
}

hf_parcel *hf_parcels_take(hf_parcels *q)
{
    hf_parcel *p = q->first;
    q->first = p->next;
    if (q->first == NULL)
        q->last = NULL;
    q->count--;
    return p;
}

size_t hf_link_header(const hf_host *h)
{
    return h->config.ethernet ? HF_ETHERNET_HEADER : 0;
}

void hf_link_write(const hf_host *h, uint8_t *to, const hf_mac *destination, uint16_t type)
{
    const hf_ethernet e = { .destination = *destination, .source = h->config.mac, .type = type };
    hf_ethernet_write(to, &e);
}

hf_parcel *hf_parcel_new(hf_host *h, size_t length)
{
    const size_t capacity = HF_ETHERNET_HEADER + HF_IP_HEADER_MOST + length;
    hf_parcel *p = h->outbox.count < h->env->limits->host_packets ? hf_alloc(h->alloc, sizeof *p + capacity) : NULL;
    if (p == NULL) {
        h->counts.parcels_dropped++;
        return NULL;
    }
    *p = (hf_parcel){ .capacity = (uint32_t)capacity };
    return p;
}

uint8_t *hf_parcel_ip(const hf_host *h, hf_parcel *p)
{
    return p->bytes + hf_link_header(h);
}

/* ---- whereto ---------------------------------------------------------------------------------------------------- */

static uint16_t type_of(const hf_ip *ip)
{
    return hf_ip_is4(ip) ? HF_ETHERNET_IPV4 : HF_ETHERNET_IPV6;
}

/* Keeps the packet until the neighbour answers, or drops it. Takes the parcel. */
static void hold(hf_host *h, hf_neighbour *n, hf_parcel *p)
{
    /* RFC 4861 7.2.2: "if the queue overflows, the new arrival SHOULD replace the oldest entry" */
    if (n->held.count >= h->env->limits->host_held) {
        hf_parcel_free(h, hf_parcels_take(&n->held));
        h->counts.unresolved++;
    }
    hf_parcels_add(&n->held, p);
}

/* The neighbour that a packet for `to` goes to. NULL: nobody, which is counted. */
static hf_neighbour *neighbour_for(hf_host *h, const hf_ip *to)
{
    hf_ip next;
    if (!hf_host_next_hop(h, to, &next)) {
        h->counts.no_route++;
        return NULL;
    }
    hf_neighbour *n = hf_neighbour_use(h, &next);
    h->counts.unresolved += n == NULL;
    return n;
}

/* Sends a packet whose IP header is written, and takes it. */
static void send_on(hf_host *h, const hf_ip_packet *ip, hf_parcel *p)
{
    if (!h->config.ethernet) {
        hf_parcels_add(&h->outbox, p);
        return;
    }
    hf_mac group;
    if (hf_ip_is_multicast(&ip->destination)) { /* only neighbours are asked for in groups: RFC 2464 7 */
        group = (hf_mac){ { 0x33, 0x33 } };
        memcpy(group.bytes + 2, ip->destination.bytes + 12, 4);
        hf_link_write(h, p->bytes, &group, HF_ETHERNET_IPV6);
        hf_parcels_add(&h->outbox, p);
        return;
    }
    hf_neighbour *n = neighbour_for(h, &ip->destination);
    if (n == NULL) {
        hf_parcel_free(h, p);
        return;
    }
    hf_link_write(h, p->bytes, &n->mac, type_of(&ip->destination));
    if (hf_neighbour_known(n))
        hf_parcels_add(&h->outbox, p);
    else
        hold(h, n, p);
}

/* RFC 791 2.3, RFC 8200 4.5: in parts that the link takes. Only answers to what came in parts are that long. */
static void send_parts(hf_host *h, const hf_ip_packet *ip, const uint8_t *payload, size_t length)
{
    const bool six = !hf_ip_is4(&ip->destination);
    const size_t header = six ? HF_IP6_HEADER + 8 : HF_IP4_HEADER, most = (hf_host_mtu(h) - header) / 8 * 8;
    hf_ip_packet part = *ip;
    part.id = ++h->next_id;
    part.whole = false;
    for (size_t at = 0; at < length; at += most) {
        const size_t n = length - at < most ? length - at : most;
        hf_parcel *p = hf_parcel_new(h, n + 8);
        if (p == NULL)
            return;
        uint8_t *const to = hf_parcel_ip(h, p);
        part.offset = (uint32_t)at;
        part.more = at + n < length;
        hf_ip_write(to, &part, six ? n + 8 : n);
        if (six) {
            to[6] = 44; /* the fragment header */
            to[HF_IP6_HEADER] = ip->protocol;
            to[HF_IP6_HEADER + 1] = 0;
            hf_set16(to + HF_IP6_HEADER + 2, part.offset | part.more);
            hf_set32(to + HF_IP6_HEADER + 4, part.id);
        }
        memcpy(to + header, payload + at, n);
        p->length = (uint32_t)(hf_link_header(h) + header + n);
        send_on(h, ip, p);
    }
}

void hf_host_post(hf_host *h, const hf_ip_packet *ip, hf_parcel *p, size_t payload)
{
    const size_t header = hf_ip_write(hf_parcel_ip(h, p), ip, payload);
    p->length = (uint32_t)(hf_link_header(h) + header + payload);
    if (header + payload <= hf_host_mtu(h)) {
        send_on(h, ip, p);
        return;
    }
    send_parts(h, ip, hf_parcel_ip(h, p) + header, payload);
    hf_parcel_free(h, p);
}

void hf_host_release(hf_host *h, hf_neighbour *n)
{
    while (n->held.first != NULL) {
        hf_parcel *p = hf_parcels_take(&n->held);
        memcpy(p->bytes, n->mac.bytes, sizeof n->mac.bytes);
        if (h->outbox.count < h->env->limits->host_packets) {
            hf_parcels_add(&h->outbox, p);
        } else {
            h->counts.parcels_dropped++;
            hf_parcel_free(h, p);
        }
    }
}

/* ---- leaving ---------------------------------------------------------------------------------------------------- */

static bool emit_parcel(hf_host *h, hf_out *out, hf_host_packet *packet)
{
    if (h->outbox.first == NULL || out->count == out->capacity || out->room < h->outbox.first->length)
        return false;
    hf_parcel *p = hf_parcels_take(&h->outbox);
    h->leaving = p;
    out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(p->bytes, p->length) };
    out->bytes += p->length;
    *packet = (hf_host_packet){ .length = p->length, .six = p->bytes[hf_link_header(h)] >> 4 == 6 };
    return true;
}

/* What `out` holds from piece `at` on, as a parcel that can wait. */
static hf_parcel *copy_out(hf_host *h, const hf_out *out, size_t at, size_t length)
{
    hf_parcel *p = hf_parcel_new(h, length);
    if (p == NULL)
        return NULL;
    for (size_t i = at; i < out->count; i++) {
        memcpy(p->bytes + p->length, out->pieces[i].bytes.ptr, out->pieces[i].bytes.len);
        p->length += (uint32_t)out->pieces[i].bytes.len;
    }
    return p;
}

/* Fills in a checksum that was left to the door: its field holds the sum over the pseudo-header. */
static void complete(hf_parcel *p, const hf_host_packet *packet)
{
    hf_checksum sum = { 0 };
    if (packet->checksum_start == 0)
        return;
    hf_checksum_add(&sum, hf_bytes_make(p->bytes + packet->checksum_start, p->length - packet->checksum_start));
    hf_set16(p->bytes + packet->checksum_start + packet->checksum_at, hf_checksum_value(&sum));
}

/* Writes the headers of a segment into the piece that was left open for them. False: it cannot leave now, or ever. */
static bool address_segment(hf_host *h, const hf_tcp_packet *t, hf_out *out, size_t at, hf_host_packet *packet)
{
    const size_t link = hf_link_header(h);
    uint8_t *const header = (uint8_t *)(uintptr_t)out->pieces[at].bytes.ptr;
    const hf_ip_packet ip = { .source = t->source, .destination = t->destination, .protocol = HF_PROTOCOL_TCP, .hops = 64, .ecn = t->ecn, .whole = true };
    const size_t length = hf_ip_write(header + link, &ip, t->length);
    *packet = (hf_host_packet){ .length = (uint32_t)(link + length + t->length), .header = (uint16_t)(link + length + t->header),
                                .segment = t->segment, .six = !hf_ip_is4(&t->destination) };
    if (h->config.tcp.partial_checksum) {
        packet->checksum_start = (uint16_t)(link + length);
        packet->checksum_at = 16;
    }
    if (!h->config.ethernet)
        return true;
    hf_neighbour *n = neighbour_for(h, &t->destination);
    if (n == NULL)
        return false;
    hf_link_write(h, header, &n->mac, type_of(&t->destination));
    if (hf_neighbour_known(n))
        return true;
    /* What waits is whole: a super-segment is lost, and sent again. */
    hf_parcel *p = packet->segment > 0 ? NULL : copy_out(h, out, at, packet->length);
    if (p != NULL) {
        complete(p, packet);
        hold(h, n, p);
    } else {
        h->counts.unresolved++;
    }
    return false;
}

static bool emit_segment(hf_host *h, hf_out *out, hf_host_packet *packet)
{
    const size_t link = hf_link_header(h), most = link + HF_IP6_HEADER;
    const hf_out before = *out;
    hf_tcp_packet t;
    for (;;) {
        *out = before;
        if (out->count + 2 > out->capacity || out->scratch_capacity - out->scratch_used < HF_HOST_HEADER || out->room < most + 60)
            return false;
        const size_t at = out->count++;
        uint8_t *header = out->scratch + out->scratch_used;
        out->scratch_used += most;
        out->room -= most;
        if (!hf_tcp_endpoint_emit(h->tcp, h->now, out, &t)) {
            *out = before;
            return false;
        }
        out->room = before.room;
        out->pieces[at] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(header, link + (hf_ip_is4(&t.destination) ? HF_IP4_HEADER : HF_IP6_HEADER)) };
        out->bytes = before.bytes + out->pieces[at].bytes.len + t.length;
        if (address_segment(h, &t, out, at, packet))
            return true;
    }
}

bool hf_host_emit(hf_host *h, hf_time now, hf_out *out, hf_host_packet *packet)
{
    if (h->now.ns < now.ns)
        h->now = now;
    hf_parcel_free(h, h->leaving);
    h->leaving = NULL;
    /* a segment may have to ask for its neighbour first, and wait: then the question leaves in its place */
    const bool sent = emit_parcel(h, out, packet) || (h->outbox.first == NULL && (emit_segment(h, out, packet) || emit_parcel(h, out, packet)));
    h->counts.packets_out += sent;
    return sent;
}
