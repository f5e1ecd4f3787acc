/* SPDX-License-Identifier: Apache-2.0
 *
 * The sending half of a stream, or of a level's CRYPTO data: bytes until they are acknowledged. They are held once, copied
 * or lent; what was sent is a matter of offsets.
 */
#ifndef HF_QUIC_SEND_H
#define HF_QUIC_SEND_H

#include "quic_ranges.h"

typedef struct hf_send_chunk {
    uint64_t start, end; /* offsets in the stream */
    const uint8_t *ptr;
    uint64_t token;
    uint32_t capacity;   /* 0: lent */
} hf_send_chunk;

/* What a small answer needs, beside its stream and without memory of its own. */
typedef struct hf_send_room {
    hf_send_chunk chunks[2];
    bool taken;         /* the bytes are */
    uint8_t bytes[255];
} hf_send_room;

typedef struct hf_send {
    hf_send_room *room;  /* NULL: none */
    hf_send_chunk *chunks;
    uint32_t first, count, capacity; /* [first, first + count) */
    uint64_t base;   /* everything below is acknowledged */
    uint64_t next;   /* everything below was sent once */
    uint64_t put;    /* the end of what was accepted */
    hf_ranges acked; /* above base */
    hf_ranges lost;  /* to be sent again */
    bool fin, fin_sent, fin_acked, fin_lost;
} hf_send;

/* Told for each token whose bytes are no longer needed. */
typedef struct hf_send_released {
    void (*tell)(void *self, uint64_t token);
    void *self;
} hf_send_released;

void hf_send_fini(hf_send *s, const hf_allocator *alloc);
/* Takes the bytes; with `copy` its own. False: no memory, and nothing was taken. */
bool hf_send_put(hf_send *s, const hf_allocator *alloc, hf_bytes bytes, bool copy, uint64_t token);
/* Is there anything to be sent, when offsets below `allowed` may be? */
bool hf_send_is_ready(const hf_send *s, uint64_t allowed);
/* The next run to send: lost ones first. *length is at most `most`; *fin when the end goes with it. False: none. */
bool hf_send_next(const hf_send *s, uint64_t allowed, size_t most, uint64_t *offset, size_t *length, bool *fin);
/* Copies the run out. */
void hf_send_copy(const hf_send *s, uint64_t offset, size_t length, uint8_t *out);
/* It leaves. False: no memory; then it must not leave. */
bool hf_send_sent(hf_send *s, const hf_allocator *alloc, uint64_t offset, size_t length, bool fin);
/* It arrived, or was lost. False: no memory. */
bool hf_send_acked(hf_send *s, const hf_allocator *alloc, uint64_t offset, size_t length, bool fin, const hf_send_released *released);
bool hf_send_lost(hf_send *s, const hf_allocator *alloc, uint64_t offset, size_t length, bool fin);
/* All bytes and the end are acknowledged. */
static inline bool hf_send_is_done(const hf_send *s)
{
    return s->fin_acked && s->base == s->put;
}
/* Lets go of all bytes. */
void hf_send_drop(hf_send *s, const hf_allocator *alloc, const hf_send_released *released);

#endif
