/* SPDX-License-Identifier: Apache-2.0
 *
 * ICMP for IPv4 (RFC 792, 1191) and IPv6 (RFC 4443), with what neighbour discovery (RFC 4861) needs of it.
 */
#include <handfast/net.h>

#include "net_bytes.h"

#define REFUSE(name) hf_err_make(HF_ERR_NET_##name)
enum { LEAST = 8, SOLICITATION = 133, NEIGHBOUR = 24, OPTION_SOURCE = 1, OPTION_TARGET = 2 };

typedef struct kind_row {
    uint8_t type4, type6; /* 0 in the second column stands for none: ICMPv6 has no type 0 */
    hf_icmp_kind kind;
} kind_row;

static const kind_row kinds[] = {
    { 8, 128, HF_ICMP_ECHO },
    { 0, 129, HF_ICMP_ECHO_REPLY },
    { 3, 1, HF_ICMP_UNREACHABLE },
    { 255, 2, HF_ICMP_TOO_BIG },
    { 11, 3, HF_ICMP_TIME_EXCEEDED },
    { 12, 4, HF_ICMP_PARAMETER },
    { 255, SOLICITATION, HF_ICMP_ROUTER_SOLICITATION },
    { 255, 134, HF_ICMP_ROUTER_ADVERTISEMENT },
    { 255, 135, HF_ICMP_NEIGHBOUR_SOLICITATION },
    { 255, 136, HF_ICMP_NEIGHBOUR_ADVERTISEMENT },
};

static hf_icmp_kind kind_of(bool six, uint8_t type)
{
    for (size_t i = 0; i < HF_COUNT(kinds); i++)
        if (six ? kinds[i].type6 == type : kinds[i].type4 == type && type != 255)
            return kinds[i].kind;
    return HF_ICMP_OTHER;
}

static hf_err read_options(hf_icmp *m, hf_bytes options)
{
    while (options.len > 0) {
        /* RFC 4861 7.1: "All included options have a length that is greater than zero" */
        if (options.len < 8 || options.ptr[1] == 0 || options.ptr[1] * (size_t)8 > options.len)
            return REFUSE(NEIGHBOUR);
        const uint8_t wanted = m->kind == HF_ICMP_NEIGHBOUR_ADVERTISEMENT ? OPTION_TARGET : OPTION_SOURCE;
        if (options.ptr[0] == wanted && options.ptr[1] == 1) {
            m->has_mac = true;
            memcpy(m->mac.bytes, options.ptr + 2, 6);
        }
        const size_t length = options.ptr[1] * (size_t)8;
        options = hf_bytes_make(options.ptr + length, options.len - length);
    }
    return HF_OK;
}

static hf_err read_neighbour(const hf_ip_packet *p, hf_icmp *m)
{
    static const size_t fixed[] = { 8, 16, NEIGHBOUR, NEIGHBOUR };
    const size_t start = fixed[m->kind - HF_ICMP_ROUTER_SOLICITATION];
    if (p->hops != 255 || m->code != 0)
        return REFUSE(NEIGHBOUR);
    if (p->payload.len < start)
        return REFUSE(SHORT);
    const uint8_t *h = p->payload.ptr;
    if (start == NEIGHBOUR) {
        memcpy(m->target.bytes, h + 8, 16);
        m->router = (h[4] & 0x80) != 0;
        m->solicited = (h[4] & 0x40) != 0;
        m->overriding = (h[4] & 0x20) != 0;
        /* RFC 4861 7.1.1, 7.1.2: the target is no group; an advertisement to a group is not solicited */
        if (hf_ip_is_multicast(&m->target) || hf_ip_is4(&m->target)
            || (m->kind == HF_ICMP_NEIGHBOUR_ADVERTISEMENT && m->solicited && hf_ip_is_multicast(&p->destination)))
            return REFUSE(NEIGHBOUR);
    }
    const hf_err err = read_options(m, hf_bytes_make(h + start, p->payload.len - start));
    if (err.code)
        return err;
    /* RFC 4861 7.1.1: without a source address nothing may say where it is */
    if (m->has_mac && ((m->mac.bytes[0] & 1) != 0 || (m->kind == HF_ICMP_NEIGHBOUR_SOLICITATION && hf_ip_is_any(&p->source))))
        return REFUSE(NEIGHBOUR);
    return HF_OK;
}

hf_err hf_icmp_read(const hf_ip_packet *p, hf_icmp *m)
{
    const bool six = p->protocol == HF_PROTOCOL_ICMPV6;
    const uint8_t *h = p->payload.ptr;
    if (p->payload.len < LEAST)
        return REFUSE(SHORT);
    if (six == hf_ip_is4(&p->destination))
        return REFUSE(VERSION);
    hf_checksum sum = { 0 };
    if (six)
        hf_checksum_pseudo(&sum, &p->source, &p->destination, HF_PROTOCOL_ICMPV6, (uint32_t)p->payload.len);
    hf_checksum_add(&sum, p->payload);
    if (hf_checksum_value(&sum) != 0)
        return REFUSE(CHECKSUM);
    *m = (hf_icmp){ .kind = kind_of(six, h[0]), .type = h[0], .code = h[1], .id = hf_get16(h + 4), .sequence = hf_get16(h + 6),
                    .payload = hf_bytes_make(h + LEAST, p->payload.len - LEAST) };
    if (m->kind == HF_ICMP_TOO_BIG)
        m->mtu = hf_get32(h + 4);
    if (!six && m->kind == HF_ICMP_UNREACHABLE && m->code == 4) {
        m->kind = HF_ICMP_TOO_BIG; /* RFC 1191 4: the next hop's MTU in the low 16 bits, zero from old routers */
        m->mtu = m->sequence;
    }
    return m->kind >= HF_ICMP_ROUTER_SOLICITATION && m->kind <= HF_ICMP_NEIGHBOUR_ADVERTISEMENT ? read_neighbour(p, m) : HF_OK;
}

bool hf_icmp_quoted(const hf_icmp *m, hf_ip_packet *p)
{
    const uint8_t *h = m->payload.ptr;
    const size_t n = m->payload.len;
    if (m->kind < HF_ICMP_UNREACHABLE || m->kind > HF_ICMP_PARAMETER || n < 1)
        return false;
    size_t header;
    /* the quote is cut short, and a router may have changed its length and checksum: only what we need is looked at */
    if (h[0] >> 4 == 4) {
        header = (h[0] & 15u) * 4;
        if (header < HF_IP4_HEADER || n < header + 8 || (hf_get16(h + 6) & 0x1fff) != 0)
            return false;
        *p = (hf_ip_packet){ .source = hf_ip_make4(h[12], h[13], h[14], h[15]), .destination = hf_ip_make4(h[16], h[17], h[18], h[19]),
                             .protocol = h[9], .hops = h[8] };
    } else {
        header = HF_IP6_HEADER;
        if (h[0] >> 4 != 6 || n < header + 8)
            return false;
        *p = (hf_ip_packet){ .protocol = h[6], .hops = h[7] };
        memcpy(p->source.bytes, h + 8, 16);
        memcpy(p->destination.bytes, h + 24, 16);
        if (hf_ip_is4(&p->source) || hf_ip_is4(&p->destination))
            return false;
    }
    p->header = hf_bytes_make(h, header);
    p->payload = hf_bytes_make(h + header, n - header);
    return true;
}

/* The part behind the first eight bytes that is not payload; its length. */
static size_t write_neighbour(uint8_t *to, const hf_icmp *m)
{
    size_t at = 8;
    if (m->kind == HF_ICMP_NEIGHBOUR_SOLICITATION || m->kind == HF_ICMP_NEIGHBOUR_ADVERTISEMENT) {
        to[4] = (uint8_t)((m->router ? 0x80 : 0) | (m->solicited ? 0x40 : 0) | (m->overriding ? 0x20 : 0));
        memcpy(to + 8, m->target.bytes, 16);
        at = NEIGHBOUR;
    }
    if (m->has_mac) {
        to[at] = m->kind == HF_ICMP_NEIGHBOUR_ADVERTISEMENT ? OPTION_TARGET : OPTION_SOURCE;
        to[at + 1] = 1;
        memcpy(to + at + 2, m->mac.bytes, 6);
        at += 8;
    }
    return at;
}

size_t hf_icmp_write(uint8_t *to, size_t capacity, const hf_ip *source, const hf_ip *destination, const hf_icmp *m)
{
    const bool six = !hf_ip_is4(destination);
    if (capacity < NEIGHBOUR + 8 + m->payload.len)
        return 0;
    memset(to, 0, NEIGHBOUR + 8);
    to[0] = m->type;
    to[1] = m->code;
    for (size_t i = 0; i < HF_COUNT(kinds); i++)
        if (kinds[i].kind == m->kind)
            to[0] = six ? kinds[i].type6 : kinds[i].type4;
    size_t length = LEAST;
    if (m->kind == HF_ICMP_TOO_BIG) {
        if (six) {
            hf_set32(to + 4, m->mtu);
        } else {
            to[0] = 3;
            to[1] = 4;
            hf_set16(to + 6, m->mtu);
        }
    } else if (m->kind == HF_ICMP_ECHO || m->kind == HF_ICMP_ECHO_REPLY) {
        hf_set16(to + 4, m->id);
        hf_set16(to + 6, m->sequence);
    } else if (m->kind >= HF_ICMP_ROUTER_SOLICITATION && m->kind <= HF_ICMP_NEIGHBOUR_ADVERTISEMENT) {
        length = write_neighbour(to, m);
    }
    if (m->payload.len > 0)
        memcpy(to + length, m->payload.ptr, m->payload.len);
    length += m->payload.len;
    hf_checksum sum = { 0 };
    if (six)
        hf_checksum_pseudo(&sum, source, destination, HF_PROTOCOL_ICMPV6, (uint32_t)length);
    hf_checksum_add(&sum, hf_bytes_make(to, length));
    hf_set16(to + 2, hf_checksum_value(&sum));
    return length;
}

void hf_neighbour_group(const hf_ip *target, hf_ip *group, hf_mac *mac)
{
    *group = (hf_ip){ { 0xff, 0x02, [11] = 1, [12] = 0xff } };
    memcpy(group->bytes + 13, target->bytes + 13, 3);
    *mac = (hf_mac){ { 0x33, 0x33 } }; /* RFC 2464 7 */
    memcpy(mac->bytes + 2, group->bytes + 12, 4);
}
