/* SPDX-License-Identifier: Apache-2.0
 *
 * What was sent in one packet number space and is not settled: packets in the order of their numbers, and of each the
 * frames that matter when it is acknowledged or lost. Frames are described, never copied: what is lost is written anew.
 */
#ifndef HF_QUIC_SENT_H
#define HF_QUIC_SENT_H

#include "quic_frame.h"

typedef enum hf_sent_state { HF_SENT_OUT, HF_SENT_ACKED, HF_SENT_LOST, HF_SENT_SKIPPED } hf_sent_state;

typedef struct hf_sent_packet {
    hf_time at;
    uint64_t first_frame; /* counted over the life of the space */
    uint16_t frames, size;
    uint8_t state;        /* hf_sent_state */
    uint8_t era;          /* of the path: what an older era tells counts for nothing in a newer one */
    bool eliciting, in_flight, marked, sizing; /* marked: ECT(0). sizing: a probe of the path's size */
} hf_sent_packet;

typedef struct hf_sent_frame {
    uint64_t id;      /* stream, sequence number; ACK: the largest that it told of */
    uint64_t offset;
    uint32_t length;
    uint8_t kind;     /* hf_frame_kind */
    bool fin;
} hf_sent_frame;

typedef struct hf_sent {
    hf_sent_packet *packets; /* rings; their capacities are powers of two */
    hf_sent_frame *frames;
    uint32_t packet_capacity, frame_capacity;
    uint64_t first, next;              /* packet numbers [first, next) are here */
    uint64_t first_frame, next_frame;
    uint32_t eliciting;                /* packets that are out and elicit */
} hf_sent;

void hf_sent_fini(hf_sent *s, const hf_allocator *alloc);
/* Room for one packet with `frames` frames. False: no memory. */
bool hf_sent_reserve(hf_sent *s, const hf_allocator *alloc, uint32_t frames);
/* A frame of the packet that push closes. Room was reserved. */
void hf_sent_add(hf_sent *s, const hf_sent_frame *f);
/* The packet numbered s->next, with the frames added since the last push. */
void hf_sent_push(hf_sent *s, const hf_sent_packet *p);
/* NULL when it is settled and gone, or never was. */
hf_sent_packet *hf_sent_find(const hf_sent *s, uint64_t number);
const hf_sent_frame *hf_sent_frame_of(const hf_sent *s, const hf_sent_packet *p, uint32_t index);
/* Forgets settled packets at the front. */
void hf_sent_trim(hf_sent *s);
/* Gives memory back when little is held. */
void hf_sent_rest(hf_sent *s, const hf_allocator *alloc);

#endif
