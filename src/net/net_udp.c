/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP (RFC 768; RFC 8200 8.1 for IPv6).
 */
#include <handfast/net.h>

#include "net_bytes.h"

static uint16_t sum_of(const hf_ip *source, const hf_ip *destination, hf_bytes header, hf_bytes payload)
{
    hf_checksum c = { 0 };
    hf_checksum_pseudo(&c, source, destination, HF_PROTOCOL_UDP, (uint32_t)(header.len + payload.len));
    hf_checksum_add(&c, header);
    hf_checksum_add(&c, payload);
    return hf_checksum_value(&c);
}

hf_err hf_udp_read(const hf_ip_packet *p, bool checked, hf_udp *u)
{
    const uint8_t *h = p->payload.ptr;
    if (p->payload.len < HF_UDP_HEADER)
        return hf_err_make(HF_ERR_NET_SHORT);
    const size_t length = hf_get16(h + 4);
    if (length < HF_UDP_HEADER || length > p->payload.len)
        return hf_err_make(HF_ERR_NET_LENGTH);
    u->source = hf_get16(h);
    u->destination = hf_get16(h + 2);
    u->payload = hf_bytes_make(h + HF_UDP_HEADER, length - HF_UDP_HEADER);
    if (u->destination == 0)
        return hf_err_make(HF_ERR_NET_PORT);
    /* RFC 768: zero means that none was made; RFC 8200 8.1: in IPv6 "the UDP checksum is not optional" */
    const bool none = hf_get16(h + 6) == 0;
    if (none && !checked && !hf_ip_is4(&p->destination))
        return hf_err_make(HF_ERR_NET_CHECKSUM);
    if (!none && !checked && sum_of(&p->source, &p->destination, hf_bytes_make(h, HF_UDP_HEADER), u->payload) != 0)
        return hf_err_make(HF_ERR_NET_CHECKSUM);
    return HF_OK;
}

void hf_udp_write(uint8_t to[HF_UDP_HEADER], const hf_ip *source, const hf_ip *destination, const hf_udp *u)
{
    hf_set16(to, u->source);
    hf_set16(to + 2, u->destination);
    hf_set16(to + 4, (uint32_t)(HF_UDP_HEADER + u->payload.len));
    hf_set16(to + 6, 0);
    const uint16_t sum = sum_of(source, destination, hf_bytes_make(to, HF_UDP_HEADER), u->payload);
    hf_set16(to + 6, sum == 0 ? 0xffff : sum); /* RFC 768: "If the computed checksum is zero, it is transmitted as all ones" */
}
