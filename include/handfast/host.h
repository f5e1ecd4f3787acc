/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/host.h - one machine on a network, without an operating system: its addresses, neighbours, reassembly, ICMP, UDP
 * ports, and the TCP that stands on them.
 *
 * Packets go in and out; what carries them (a TUN or TAP device, a packet socket, a simulated wire) is not its business.
 *
 *     for (;;) {
 *         for each packet that arrived:          hf_host_receive(h, now, &in);
 *         while (hf_host_step(h, now, &event) == HF_EVENT)       also the clock: timers fire here
 *             ACCEPTED, NOTICE: as of tcp.h      DATAGRAM: event.datagram
 *         while (hf_host_emit(h, now, &out, &packet))            one packet a call; reset `out` between calls
 *             send the pieces of `out` as one packet
 *         sleep until a packet arrives or hf_host_wake(h)
 *     }
 *
 * The contract:
 *   - `now` never goes back. Nothing happens but in these calls; everything belongs to one thread.
 *   - receive copies what it keeps: the packet's memory is free afterwards, unless it `lasts`.
 *   - what emit appends stays valid until the next call of this host or of one of its connections. One packet a call:
 *     HF_HOST_HEADER bytes of scratch must be free, and a few pieces; out->room bounds it.
 *   - listening, connecting and counting is TCP's own: hf_host_tcp lends the endpoint.
 */
#ifndef HANDFAST_HOST_H
#define HANDFAST_HOST_H

#include "tcp.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_host hf_host;

enum {
    HF_HOST_ADDRESSES = 8,
    HF_HOST_HEADER = HF_ETHERNET_HEADER + HF_IP_HEADER_MOST + 60 /* scratch that one packet may take */
};

/* An address of the host, and how much of it all hosts on the link share. */
typedef struct hf_host_address {
    hf_ip ip;
    uint8_t prefix; /* bits: 0 to 32 of an IPv4 address, 0 to 128 of an IPv6 one */
} hf_host_address;
/* "10.78.0.2/24", "fd00:78::2/64". Without a slash the whole address is prefix. False when it is neither. */
HF_API bool hf_host_address_parse(hf_bytes text, hf_host_address *address);
/* Whether `ip` is on the link that `address` is on. */
HF_API bool hf_host_is_near(const hf_host_address *address, const hf_ip *ip);

/* Zero means none, or the default. Copied. */
typedef struct hf_host_config {
    hf_host_address addresses[HF_HOST_ADDRESSES]; /* ours; none: it hears nobody */
    size_t address_count;
    hf_ip gateway4, gateway6; /* where to send what is for far hosts; any (zero): nowhere, with Ethernet */
    bool ethernet;            /* packets are Ethernet frames, and neighbours are asked for by ARP and ND */
    hf_mac mac;               /* ours, with Ethernet */
    hf_tcp_config tcp;        /* its secret, mtu and super_segment are the host's, too */
} hf_host_config;

/* A packet that arrived: an Ethernet frame, or an IP packet. */
typedef struct hf_host_input {
    hf_bytes packet;
    bool checked; /* TCP's or UDP's checksum is known to be right, or is still to be filled in by who will send it on */
    bool lasts;   /* the packet's memory may be written to, and stays until the next receive: see tcp.h */
} hf_host_input;

/* A packet that leaves: what its door may want to know, beside the bytes. */
typedef struct hf_host_packet {
    uint32_t length;         /* all of it */
    uint16_t header;         /* bytes before the payload of TCP */
    uint16_t segment;        /* payload of each real segment; 0 when this is just one */
    uint16_t checksum_start; /* of the bytes that the checksum covers; 0: it is complete */
    uint16_t checksum_at;    /* where it belongs, from checksum_start */
    bool six;                /* IPv6 */
} hf_host_packet;

/* A UDP datagram. */
typedef struct hf_host_datagram {
    hf_ip local, remote;
    uint16_t local_port, remote_port;
    uint8_t ecn;
    hf_bytes bytes;
} hf_host_datagram;

typedef enum hf_host_event_kind {
    HF_HOST_ACCEPTED, /* as of tcp.h */
    HF_HOST_NOTICE,   /* as of tcp.h */
    HF_HOST_DATAGRAM  /* lends datagram.bytes until the next step */
} hf_host_event_kind;

typedef struct hf_host_event {
    hf_host_event_kind kind;
    uint64_t user; /* the listener's, the connection's, or the UDP port's */
    hf_tcp *tcp;
    hf_host_datagram datagram;
} hf_host_event;

/* Lends `env` for life. NULL when memory runs out, or no address is given. */
HF_API hf_host *hf_host_new(const hf_env *env, const hf_host_config *config, hf_time now);
HF_API void hf_host_free(hf_host *h);
/* Lends the endpoint for as long as the host lives: to listen, to connect, to count. Not for its input, step and emit. */
HF_API hf_tcp_endpoint *hf_host_tcp(hf_host *h);
/* Whether `ip` is one of its own. */
HF_API bool hf_host_is_own(const hf_host *h, const hf_ip *ip);
/* The own address from which to speak to `to`: the one on its link, else the first of its family. False: none. */
HF_API bool hf_host_source(const hf_host *h, const hf_ip *to, hf_ip *from);

/* Why the packet was dropped, HF_OK when it was not. Only for counting: nothing needs to be done about it. */
HF_API hf_err hf_host_receive(hf_host *h, hf_time now, const hf_host_input *in);
/* HF_EVENT or HF_IDLE. */
HF_API hf_step hf_host_step(hf_host *h, hf_time now, hf_host_event *event);
/* One packet, or false. */
HF_API bool hf_host_emit(hf_host *h, hf_time now, hf_out *out, hf_host_packet *packet);
/* When step or emit has something to do at the latest. */
HF_API hf_time hf_host_wake(const hf_host *h);

/* Datagrams for `port`, at any of its addresses, become events with `user`. */
HF_API hf_err hf_host_udp_bind(hf_host *h, uint16_t port, uint64_t user);
HF_API void hf_host_udp_unbind(hf_host *h, uint16_t port);
/* Copies. An error when it is longer than the link takes (it is never fragmented), or too many packets wait. */
HF_API hf_err hf_host_udp_send(hf_host *h, hf_time now, const hf_host_datagram *d);

typedef struct hf_host_counts {
    uint64_t packets_in, packets_out;
    uint64_t bad, not_here;                 /* dropped: malformed; for somebody else */
    uint64_t fragments_in, reassembled, fragments_dropped;
    uint64_t icmp_in, icmp_out, icmp_held;  /* the last: withheld by the limit */
    uint64_t arp_in, arp_out, neighbours, neighbours_lost; /* the third: right now */
    uint64_t no_route, unresolved;          /* packets dropped for want of a router, of an answer */
    uint64_t udp_in, udp_out, udp_dropped, udp_nobody;
    uint64_t parcels_dropped;               /* packets of the host's own for which there was no room */
} hf_host_counts;
/* What happened since the host was made. */
HF_API void hf_host_counts_of(const hf_host *h, hf_host_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
