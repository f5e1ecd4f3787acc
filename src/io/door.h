/* SPDX-License-Identifier: Apache-2.0
 *
 * A door: what carries the packets of our own network stack. A TUN device carries IP packets to and from the kernel of this
 * machine; a TAP device Ethernet frames; a packet socket those of a network card (or of one end of a veth pair), and an AF_XDP
 * socket as well, before the kernel has looked at them.
 *
 * Where the door can, a virtio-net header stands before each packet. It lets 64 KB of one connection pass at once, in both
 * directions, and leaves checksums to whoever needs them: that decides what a byte costs.
 */
#ifndef HF_IO_DOOR_H
#define HF_IO_DOOR_H

#include <handfast/host.h>

#include "text.h"

typedef enum hf_door_kind { HF_DOOR_NONE, HF_DOOR_TUN, HF_DOOR_TAP, HF_DOOR_PACKET, HF_DOOR_XDP } hf_door_kind;

/* "tun", "tap", "packet", "xdp". */
const char *hf_door_name(hf_door_kind kind);

typedef struct hf_door_options {
    hf_door_kind kind;
    const char *device;  /* its name; TUN and TAP make it when it is not there, and it goes with the last descriptor */
    const hf_host_address *addresses; /* XDP: what is for these is ours, and all else the kernel's. Lent to hf_door_open */
    size_t address_count;
    bool plain;          /* without the virtio-net header: one packet of the link's MTU at a time, every checksum ours */
} hf_door_options;

typedef struct hf_door {
    int fd; /* -1: closed */
    hf_door_kind kind;
    bool header;    /* the virtio-net header stands before each packet */
    bool ethernet;
    uint16_t mtu;
    hf_mac mac;     /* that our side has, with Ethernet */
    char device[16];
    struct hf_xdp *xdp; /* NULL: it is none */
} hf_door;

/* Opens, and brings up what it made. When the system refuses, `why` says in words what is missing and what to do; it ends
 * without a full stop. */
hf_err hf_door_open(hf_door *d, const hf_door_options *o, hf_writer *why);
void hf_door_close(hf_door *d);

/* What a packet may have before its bytes, and as a whole. */
enum { HF_DOOR_HEADER = 10, HF_DOOR_PACKET_MOST = HF_DOOR_HEADER + HF_ETHERNET_HEADER + 65535 };

typedef enum hf_door_result { HF_DOOR_DONE, HF_DOOR_LATER, HF_DOOR_LOST } hf_door_result;

/* One packet into `room` (HF_DOOR_PACKET_MOST bytes), which `in` lends. LATER: there is none. LOST: it could not be read. */
hf_door_result hf_door_read(const hf_door *d, uint8_t *room, hf_host_input *in);
/* One packet. LATER: the door is full; poll it, and try again. LOST: the system would not have it, as a wire would lose it. */
hf_door_result hf_door_write(const hf_door *d, const hf_extent *pieces, size_t count, const hf_host_packet *packet);
/* After some writes: nothing of them waits for more. */
void hf_door_push(const hf_door *d);

#endif
