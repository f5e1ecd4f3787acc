/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/net.h - Ethernet, ARP, neighbour discovery, IPv4, IPv6, ICMP and UDP on the wire: bytes to values and back.
 *
 * No state and no memory: what is read lends the packet's bytes, what is written goes where the caller says. Reading judges
 * everything that can be judged from the packet alone and refuses the rest with the rule's error; what needs memory of
 * other packets (reassembly, neighbours, routes, path MTU) is for `host`.
 */
#ifndef HANDFAST_NET_H
#define HANDFAST_NET_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- addresses ---------------------------------------------------------------------------------------------- */

/* An IPv6 address, or an IPv4 address as ::ffff:a.b.c.d. In network order. All zero: none, or any. */
typedef struct hf_ip {
    uint8_t bytes[16];
} hf_ip;

static inline hf_ip hf_ip_make4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    hf_ip ip;
    memset(ip.bytes, 0, 10);
    ip.bytes[10] = ip.bytes[11] = 0xff;
    ip.bytes[12] = a;
    ip.bytes[13] = b;
    ip.bytes[14] = c;
    ip.bytes[15] = d;
    return ip;
}
static inline bool hf_ip_equal(const hf_ip *a, const hf_ip *b)
{
    return memcmp(a->bytes, b->bytes, 16) == 0;
}
HF_API bool hf_ip_is4(const hf_ip *ip);
HF_API bool hf_ip_is_any(const hf_ip *ip);       /* 0.0.0.0 or :: */
HF_API bool hf_ip_is_multicast(const hf_ip *ip); /* broadcast 255.255.255.255 too */
HF_API bool hf_ip_is_loopback(const hf_ip *ip);
enum { HF_IP_TEXT = 46 };
/* "192.0.2.1", "2001:db8::1" (RFC 5952), NUL-terminated; the length without the NUL. */
HF_API size_t hf_ip_print(const hf_ip *ip, char text[HF_IP_TEXT]);
/* False when it is neither an IPv4 nor an IPv6 literal. */
HF_API bool hf_ip_parse(hf_bytes text, hf_ip *ip);

typedef struct hf_mac {
    uint8_t bytes[6];
} hf_mac;

/* ---- the Internet checksum (RFC 1071) ------------------------------------------------------------------------ */

/* Over any number of pieces of any length. Zero-initialised is empty. */
typedef struct hf_checksum {
    uint64_t sum;
    bool odd;
} hf_checksum;
HF_API void hf_checksum_add(hf_checksum *c, hf_bytes b);
/* The pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 3.1, RFC 8200 8.1). `length` is of header and payload. */
HF_API void hf_checksum_pseudo(hf_checksum *c, const hf_ip *source, const hf_ip *destination, uint8_t protocol, uint32_t length);
/* The field's value, as a number. Over bytes that hold a right checksum it is 0. */
HF_API uint16_t hf_checksum_value(const hf_checksum *c);

/* ---- Ethernet and ARP ---------------------------------------------------------------------------------------- */

enum { HF_ETHERNET_HEADER = 14, HF_ETHERNET_IPV4 = 0x0800, HF_ETHERNET_ARP = 0x0806, HF_ETHERNET_IPV6 = 0x86dd };

typedef struct hf_ethernet {
    hf_mac destination, source;
    uint16_t type;
} hf_ethernet;
/* `payload` is what follows the header, lent as `frame` is. A frame shorter than its header is an error. */
HF_API hf_err hf_ethernet_read(hf_bytes frame, hf_ethernet *e, hf_bytes *payload);
HF_API void hf_ethernet_write(uint8_t to[HF_ETHERNET_HEADER], const hf_ethernet *e);

enum { HF_ARP_PACKET = 28, HF_ARP_REQUEST = 1, HF_ARP_REPLY = 2 };

/* RFC 826 for IPv4 on Ethernet. */
typedef struct hf_arp {
    uint16_t operation;
    hf_mac sender_mac, target_mac;
    hf_ip sender, target;
} hf_arp;
HF_API hf_err hf_arp_read(hf_bytes packet, hf_arp *a);
HF_API void hf_arp_write(uint8_t to[HF_ARP_PACKET], const hf_arp *a);

/* ---- IP ------------------------------------------------------------------------------------------------------ */

enum {
    HF_PROTOCOL_ICMP = 1,
    HF_PROTOCOL_TCP = 6,
    HF_PROTOCOL_UDP = 17,
    HF_PROTOCOL_ICMPV6 = 58,
    HF_PROTOCOL_NONE = 59
};
enum { HF_ECN_NOT = 0, HF_ECN_ECT1 = 1, HF_ECN_ECT0 = 2, HF_ECN_CE = 3 };
enum { HF_IP_HEADER_MOST = 40, HF_IP4_HEADER = 20, HF_IP6_HEADER = 40 };

/* A packet of either version. */
typedef struct hf_ip_packet {
    hf_ip source, destination;
    uint8_t protocol; /* of the payload, behind all extension headers */
    uint8_t hops;     /* time to live */
    uint8_t dscp;
    uint8_t ecn;
    bool whole;       /* do not fragment (IPv4); always so for IPv6 */
    bool fragment;    /* only a part: id, offset and more say which */
    bool more;
    uint32_t id;
    uint32_t offset;  /* in bytes */
    hf_bytes header;  /* all of it, extension headers and options too. Lends the packet */
    hf_bytes payload; /* lends the packet */
} hf_ip_packet;

/* Version 4 or 6 by the first byte. Bytes behind the packet's own length (Ethernet's padding) are ignored. */
HF_API hf_err hf_ip_read(const hf_limits *limits, hf_bytes packet, hf_ip_packet *p);
/* Writes a header without options, the version by p->destination; its length, 20 or 40. A fragment's is for IPv4 only.
 * `payload` is the length of what follows: with a super-segment, whatever it comes to, at most 65515 or 65535. */
HF_API size_t hf_ip_write(uint8_t to[HF_IP_HEADER_MOST], const hf_ip_packet *p, size_t payload);

/* ---- UDP ----------------------------------------------------------------------------------------------------- */

enum { HF_UDP_HEADER = 8 };

typedef struct hf_udp {
    uint16_t source, destination;
    hf_bytes payload;
} hf_udp;
/* `checked`: somebody below has verified the checksum, or there is none to verify yet. */
HF_API hf_err hf_udp_read(const hf_ip_packet *p, bool checked, hf_udp *u);
/* The header for u->payload between these hosts, with its checksum. */
HF_API void hf_udp_write(uint8_t to[HF_UDP_HEADER], const hf_ip *source, const hf_ip *destination, const hf_udp *u);

/* ---- ICMP (RFC 792, RFC 4443) and neighbour discovery (RFC 4861) ----------------------------------------------- */

typedef enum hf_icmp_kind {
    HF_ICMP_ECHO,
    HF_ICMP_ECHO_REPLY,
    HF_ICMP_UNREACHABLE,
    HF_ICMP_TOO_BIG, /* ICMPv6's own; of IPv4, unreachable with code 4 */
    HF_ICMP_TIME_EXCEEDED,
    HF_ICMP_PARAMETER,
    HF_ICMP_ROUTER_SOLICITATION,
    HF_ICMP_ROUTER_ADVERTISEMENT,
    HF_ICMP_NEIGHBOUR_SOLICITATION,
    HF_ICMP_NEIGHBOUR_ADVERTISEMENT,
    HF_ICMP_OTHER /* told by type and code alone */
} hf_icmp_kind;

typedef struct hf_icmp {
    hf_icmp_kind kind;
    uint8_t type, code;
    uint16_t id, sequence; /* ECHO */
    uint32_t mtu;          /* TOO_BIG; 0: the router did not say (before RFC 1191) */
    hf_bytes payload;      /* ECHO: the data. Errors: the packet quoted, most often cut short. Lends */
    hf_ip target;          /* NEIGHBOUR_ */
    bool has_mac;
    hf_mac mac;            /* NEIGHBOUR_, ROUTER_: the link-layer option */
    bool router, solicited, overriding; /* NEIGHBOUR_ADVERTISEMENT */
} hf_icmp;

/* By p->protocol. Neighbour discovery that came through a router (hop limit below 255) is refused (RFC 4861 6.1, 7.1). */
HF_API hf_err hf_icmp_read(const hf_ip_packet *p, hf_icmp *m);
/* Writes a whole message, the payload too; its length, 0 when `capacity` is too small. The family is the hosts'. */
HF_API size_t hf_icmp_write(uint8_t *to, size_t capacity, const hf_ip *source, const hf_ip *destination, const hf_icmp *m);
/* What an ICMP error quotes: the hosts, and the first eight or more bytes of what they were told. False when it is too
 * short to tell, or a later fragment. */
HF_API bool hf_icmp_quoted(const hf_icmp *m, hf_ip_packet *p);
/* The group that listens for `target` (RFC 4291 2.7.1) and its Ethernet address. */
HF_API void hf_neighbour_group(const hf_ip *target, hf_ip *group, hf_mac *mac);

#ifdef __cplusplus
}
#endif
#endif
