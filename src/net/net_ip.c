/* SPDX-License-Identifier: Apache-2.0
 *
 * IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200).
 */
#include <handfast/net.h>

#include "net_bytes.h"

#define REFUSE(name) hf_err_make(HF_ERR_NET_##name)

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* RFC 1122 3.2.1.3: neither may be the source of anything. */
static bool bad_source(const hf_ip *ip)
{
    return hf_ip_is_multicast(ip);
}

/* RFC 791 3.1: options are one byte (0 and 1) or carry their length. Source routes are refused: they serve attacks. */
static bool options_fine(const uint8_t *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        if (p[at] == 0)
            return true;
        if (p[at] == 1) {
            at++;
            continue;
        }
        if (at + 1 >= n || p[at + 1] < 2 || p[at + 1] > n - at || p[at] == 131 || p[at] == 137)
            return false;
        at += p[at + 1];
    }
    return true;
}

static hf_err read4(hf_bytes packet, hf_ip_packet *p)
{
    const uint8_t *h = packet.ptr;
    const size_t header = (h[0] & 15u) * 4;
    if (packet.len < HF_IP4_HEADER)
        return REFUSE(SHORT);
    const size_t total = hf_get16(h + 2);
    if (header < HF_IP4_HEADER || total < header)
        return REFUSE(LENGTH);
    if (packet.len < total)
        return REFUSE(SHORT);
    hf_checksum sum = { 0 };
    hf_checksum_add(&sum, hf_bytes_make(h, header));
    if (hf_checksum_value(&sum) != 0)
        return REFUSE(CHECKSUM);
    if (!options_fine(h + HF_IP4_HEADER, header - HF_IP4_HEADER))
        return REFUSE(OPTION);
    const uint16_t fragment = hf_get16(h + 6);
    *p = (hf_ip_packet){ .source = hf_ip_make4(h[12], h[13], h[14], h[15]), .destination = hf_ip_make4(h[16], h[17], h[18], h[19]),
                         .protocol = h[9], .hops = h[8], .dscp = h[1] >> 2, .ecn = h[1] & 3, .whole = (fragment & 0x4000) != 0,
                         .more = (fragment & 0x2000) != 0, .id = hf_get16(h + 4), .offset = (fragment & 0x1fffu) * 8,
                         .header = hf_bytes_make(h, header), .payload = hf_bytes_make(h + header, total - header) };
    p->fragment = p->more || p->offset > 0;
    if (bad_source(&p->source))
        return REFUSE(ADDRESS);
    /* the last byte of a fragment lies in a packet of 65535 bytes; all but the last are whole blocks of eight */
    if (p->fragment && (p->offset + p->payload.len > 65535 - HF_IP4_HEADER || (p->more && (p->payload.len % 8 != 0 || p->payload.len == 0))))
        return REFUSE(FRAGMENT);
    return HF_OK;
}

/* RFC 8200 4.2: the two highest bits of an unknown option's type say what to do with the packet. */
static bool options6_fine(const uint8_t *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        if (p[at] == 0) {
            at++;
            continue;
        }
        if (at + 1 >= n || p[at + 1] > n - at - 2)
            return false;
        if (p[at] != 1 && (p[at] & 0xc0) != 0)
            return false;
        at += 2 + (size_t)p[at + 1];
    }
    return true;
}

enum { NEXT_HOP_BY_HOP = 0, NEXT_ROUTING = 43, NEXT_FRAGMENT = 44, NEXT_DESTINATION = 60 };

/* One extension header at the front of `rest`; its length in *length. */
static hf_err extension(hf_ip_packet *p, hf_bytes rest, unsigned index, size_t *length)
{
    if (rest.len < 8)
        return REFUSE(SHORT);
    if (p->protocol == NEXT_FRAGMENT) {
        const uint16_t word = hf_get16(rest.ptr + 2);
        *length = 8;
        p->offset = word & 0xfff8u;
        p->more = (word & 1) != 0;
        p->id = hf_get32(rest.ptr + 4);
        p->fragment = p->more || p->offset > 0; /* RFC 6946: an atomic fragment is no fragment */
        return HF_OK;
    }
    *length = 8 * (1 + (size_t)rest.ptr[1]);
    if (*length > rest.len)
        return REFUSE(SHORT);
    /* RFC 8200 4.1: hop-by-hop options come first or not at all */
    if (p->protocol == NEXT_HOP_BY_HOP && index > 0)
        return REFUSE(OPTION);
    if (p->protocol == NEXT_ROUTING) {
        /* RFC 5095, RFC 8200 4.4: with segments left, and of a kind that we do not serve */
        return rest.ptr[3] == 0 ? HF_OK : REFUSE(OPTION);
    }
    return options6_fine(rest.ptr + 2, *length - 2) ? HF_OK : REFUSE(OPTION);
}

static bool is_extension(uint8_t next)
{
    return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT || next == NEXT_DESTINATION;
}

static hf_err read6(const hf_limits *limits, hf_bytes packet, hf_ip_packet *p)
{
    const uint8_t *h = packet.ptr;
    if (packet.len < HF_IP6_HEADER)
        return REFUSE(SHORT);
    const size_t length = hf_get16(h + 4);
    if (packet.len - HF_IP6_HEADER < length)
        return REFUSE(SHORT);
    *p = (hf_ip_packet){ .protocol = h[6], .hops = h[7], .dscp = (uint8_t)(hf_get16(h) >> 6 & 0x3f), .ecn = h[1] >> 4 & 3, .whole = true };
    memcpy(p->source.bytes, h + 8, 16);
    memcpy(p->destination.bytes, h + 24, 16);
    /* RFC 4291 2.5.5.2: mapped addresses are for the inside of a host; on the wire they would pass for IPv4 */
    if (bad_source(&p->source) || hf_ip_is4(&p->source) || hf_ip_is4(&p->destination))
        return REFUSE(ADDRESS);
    hf_bytes rest = hf_bytes_make(h + HF_IP6_HEADER, length);
    for (unsigned index = 0; is_extension(p->protocol) && !(p->fragment && p->offset > 0); index++) {
        if (index >= limits->ip_extensions)
            return REFUSE(EXTENSIONS);
        size_t used;
        const hf_err err = extension(p, rest, index, &used);
        if (err.code)
            return err;
        p->protocol = rest.ptr[0];
        rest = hf_bytes_make(rest.ptr + used, rest.len - used);
        if (p->fragment)
            break; /* what follows is known when all of it is there */
    }
    p->header = hf_bytes_make(h, (size_t)(rest.ptr - h));
    p->payload = rest;
    if (p->fragment && (p->offset + rest.len > 65535 || (p->more && (rest.len % 8 != 0 || rest.len == 0))))
        return REFUSE(FRAGMENT);
    return HF_OK;
}

hf_err hf_ip_read(const hf_limits *limits, hf_bytes packet, hf_ip_packet *p)
{
    if (packet.len < 1)
        return REFUSE(SHORT);
    if (packet.ptr[0] >> 4 == 4)
        return read4(packet, p);
    return packet.ptr[0] >> 4 == 6 ? read6(limits, packet, p) : REFUSE(VERSION);
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static size_t write4(uint8_t *to, const hf_ip_packet *p, size_t payload)
{
    memset(to, 0, HF_IP4_HEADER);
    to[0] = 0x45;
    to[1] = (uint8_t)(p->dscp << 2 | (p->ecn & 3));
    hf_set16(to + 2, (uint32_t)(HF_IP4_HEADER + payload));
    hf_set16(to + 4, p->id);
    hf_set16(to + 6, (p->whole ? 0x4000u : 0) | (p->more ? 0x2000u : 0) | p->offset / 8);
    to[8] = p->hops;
    to[9] = p->protocol;
    memcpy(to + 12, p->source.bytes + 12, 4);
    memcpy(to + 16, p->destination.bytes + 12, 4);
    hf_checksum sum = { 0 };
    hf_checksum_add(&sum, hf_bytes_make(to, HF_IP4_HEADER));
    hf_set16(to + 10, hf_checksum_value(&sum));
    return HF_IP4_HEADER;
}

size_t hf_ip_write(uint8_t to[HF_IP_HEADER_MOST], const hf_ip_packet *p, size_t payload)
{
    if (hf_ip_is4(&p->destination))
        return write4(to, p, payload);
    memset(to, 0, HF_IP6_HEADER);
    hf_set16(to, 0x6000u | (uint32_t)p->dscp << 6 | (p->ecn & 3u) << 4);
    hf_set16(to + 4, (uint32_t)payload);
    to[6] = p->protocol;
    to[7] = p->hops;
    memcpy(to + 8, p->source.bytes, 16);
    memcpy(to + 24, p->destination.bytes, 16);
    return HF_IP6_HEADER;
}
