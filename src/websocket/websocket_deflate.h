/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 7692 7.2 by zlib, whose memory comes from hf_allocator. Both directions begin to exist with their first message.
 */
#ifndef HF_WEBSOCKET_DEFLATE_H
#define HF_WEBSOCKET_DEFLATE_H

#include "queue.h"

typedef struct hf_deflater hf_deflater;
typedef struct hf_inflater hf_inflater;

/* False in a build without zlib: then the extension is never agreed. */
bool hf_deflate_is_built(void);

/* `bits` 8 to 15. NULL when memory ends. */
hf_deflater *hf_deflater_new(const hf_allocator *alloc, unsigned bits);
void hf_deflater_free(hf_deflater *d);
/* Appends `piece` compressed. `last`: and ends the message; else the piece can be inflated without waiting for the next.
 * `forget`: the next message begins without this one's context. False when memory ends: then the deflater is of no use. */
bool hf_deflater_add(hf_deflater *d, hf_bytes piece, bool last, bool forget, hf_queue *to);

typedef enum hf_inflated {
    HF_INFLATED_HUNGRY, /* all input is eaten, and nothing of it is left inside */
    HF_INFLATED_ROOM,   /* there may be more output */
    HF_INFLATED_BAD,    /* not DEFLATE, or it reaches behind the window */
    HF_INFLATED_MEMORY
} hf_inflated;

hf_inflater *hf_inflater_new(const hf_allocator *alloc, unsigned bits);
void hf_inflater_free(hf_inflater *i);
/* Room for compressed bytes, to be filled from its front before inflate_some; NULL while some are left. */
uint8_t *hf_inflater_stage(hf_inflater *i, size_t *room);
void hf_inflater_staged(hf_inflater *i, size_t n);
/* The four bytes that every message's end has lost (7.2.1), in place of staged ones. */
void hf_inflater_finish(hf_inflater *i);
/* Inflates into `to`; *written may be less than `room`. */
hf_inflated hf_inflater_some(hf_inflater *i, uint8_t *to, size_t room, size_t *written);
/* Between messages, where the context is not taken over. */
bool hf_inflater_forget(hf_inflater *i);

#endif
