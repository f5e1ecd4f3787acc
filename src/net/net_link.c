/* SPDX-License-Identifier: Apache-2.0
 *
 * Ethernet's header, and ARP (RFC 826) for IPv4 on it.
 */
#include <handfast/net.h>

#include "net_bytes.h"

#define SHORT hf_err_make(HF_ERR_NET_SHORT)

hf_err hf_ethernet_read(hf_bytes frame, hf_ethernet *e, hf_bytes *payload)
{
    if (frame.len < HF_ETHERNET_HEADER)
        return SHORT;
    memcpy(e->destination.bytes, frame.ptr, 6);
    memcpy(e->source.bytes, frame.ptr + 6, 6);
    e->type = hf_get16(frame.ptr + 12);
    *payload = hf_bytes_make(frame.ptr + HF_ETHERNET_HEADER, frame.len - HF_ETHERNET_HEADER);
    return HF_OK;
}

void hf_ethernet_write(uint8_t to[HF_ETHERNET_HEADER], const hf_ethernet *e)
{
    memcpy(to, e->destination.bytes, 6);
    memcpy(to + 6, e->source.bytes, 6);
    hf_set16(to + 12, e->type);
}

/* Ethernet (1), IPv4, addresses of 6 and 4 bytes. */
static const uint8_t arp_start[6] = { 0, 1, 8, 0, 6, 4 };

hf_err hf_arp_read(hf_bytes packet, hf_arp *a)
{
    if (packet.len < HF_ARP_PACKET)
        return SHORT;
    const uint8_t *p = packet.ptr;
    if (memcmp(p, arp_start, sizeof arp_start) != 0)
        return hf_err_make(HF_ERR_NET_ARP);
    a->operation = hf_get16(p + 6);
    memcpy(a->sender_mac.bytes, p + 8, 6);
    a->sender = hf_ip_make4(p[14], p[15], p[16], p[17]);
    memcpy(a->target_mac.bytes, p + 18, 6);
    a->target = hf_ip_make4(p[24], p[25], p[26], p[27]);
    /* a sender that is a group would make us send our traffic to everybody */
    if ((a->sender_mac.bytes[0] & 1) != 0 || hf_ip_is_multicast(&a->sender))
        return hf_err_make(HF_ERR_NET_ARP);
    return HF_OK;
}

void hf_arp_write(uint8_t to[HF_ARP_PACKET], const hf_arp *a)
{
    memcpy(to, arp_start, sizeof arp_start);
    hf_set16(to + 6, a->operation);
    memcpy(to + 8, a->sender_mac.bytes, 6);
    memcpy(to + 14, a->sender.bytes + 12, 4);
    memcpy(to + 18, a->target_mac.bytes, 6);
    memcpy(to + 24, a->target.bytes + 12, 4);
}
