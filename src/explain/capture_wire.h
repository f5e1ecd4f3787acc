/* SPDX-License-Identifier: Apache-2.0
 *
 * The forms of captures and what is in their packets, as values: pcap (draft-ietf-opsawg-pcap), pcapng, the links below IP, IP, TCP, UDP.
 * Captures cut packets short: what is there is read, and lengths are those that the headers say. No state but the place in the file.
 */
#ifndef HF_EXPLAIN_CAPTURE_WIRE_H
#define HF_EXPLAIN_CAPTURE_WIRE_H

#include <handfast/net.h>

enum { HF_CAPTURE_LINKS = 16 };

typedef struct hf_capture_link {
    uint16_t type;   /* LINKTYPE_ */
    uint64_t per_s;  /* units of its times in a second */
} hf_capture_link;

typedef struct hf_capture_file {
    hf_bytes rest;
    bool ng, swapped, cut; /* cut: it ends in the middle of something, or is malformed there */
    hf_capture_link links[HF_CAPTURE_LINKS];
    size_t link_count;
} hf_capture_file;

typedef struct hf_capture_packet {
    int64_t ns;       /* since 1970 */
    uint16_t link;    /* LINKTYPE_ */
    hf_bytes bytes;   /* that were kept */
    uint32_t length;  /* that there were */
} hf_capture_packet;

/* False: neither form. Lends `file`. */
bool hf_capture_open(hf_capture_file *f, hf_bytes file);
/* False at the end. */
bool hf_capture_next(hf_capture_file *f, hf_capture_packet *p);

typedef struct hf_capture_segment {
    hf_ip from, to;
    uint16_t from_port, to_port;
    bool udp;
    uint32_t seq, ack, window;
    bool syn, fin, rst, has_ack;
    uint32_t length;  /* of the payload, by the headers */
    hf_bytes payload; /* what there is of it */
} hf_capture_segment;

/* False: no TCP or UDP over IP, a fragment that is not the first, or too short. */
bool hf_capture_segment_read(const hf_capture_packet *p, hf_capture_segment *s);

#endif
