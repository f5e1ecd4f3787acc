/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP's header and options (RFC 9293 3.1, 7323, 2018): bytes to a value and back. No state.
 */
#ifndef HF_TCP_WIRE_H
#define HF_TCP_WIRE_H

#include <handfast/tcp.h>

#include "tcp_seq.h"

enum { HF_FIN = 1, HF_SYN = 2, HF_RST = 4, HF_PSH = 8, HF_ACK = 16, HF_URG = 32, HF_ECE = 64, HF_CWR = 128 };
enum { HF_TCP_HEADER = 20, HF_TCP_HEADER_MOST = 60, HF_SACK_MOST = 4 };

typedef struct hf_sack {
    hf_seq start, end;
} hf_sack;

typedef struct hf_segment {
    uint16_t source, destination;
    hf_seq seq, ack;
    uint8_t flags;
    uint16_t window;
    bool has_stamp, has_scale, sack_permitted;
    uint8_t scale;      /* as sent, even above 14 */
    uint16_t mss;       /* 0: not said */
    uint32_t stamp, echo; /* TSval, TSecr */
    uint8_t sacks;
    hf_sack sack[HF_SACK_MOST];
    hf_bytes payload;   /* reading only */
} hf_segment;

/* Sequence space that it takes: SYN and FIN count as one each. */
static inline uint32_t hf_segment_length(const hf_segment *s)
{
    return (uint32_t)s->payload.len + ((s->flags & HF_SYN) != 0) + ((s->flags & HF_FIN) != 0);
}

/* `checked`: the checksum needs no look. */
hf_err hf_segment_read(const hf_tcp_input *in, hf_segment *s);
/* The header with its options; its length, a multiple of four. The checksum's field is 0. */
size_t hf_segment_write(uint8_t to[HF_TCP_HEADER_MOST], const hf_segment *s);
/* Bytes of options that `s` will take. */
size_t hf_segment_options(const hf_segment *s);

#endif
