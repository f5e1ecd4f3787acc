/* SPDX-License-Identifier: Apache-2.0
 *
 * RESP, the language of Redis (its version 2): commands as text, and replies from text. Values, no state but how far one
 * has looked. A reply is read when all of it is there.
 */
#ifndef HF_TOPIC_RESP_H
#define HF_TOPIC_RESP_H

#include "queue.h"

typedef enum hf_resp_kind { HF_RESP_TEXT, HF_RESP_ERROR, HF_RESP_INTEGER, HF_RESP_BULK, HF_RESP_ARRAY, HF_RESP_NIL } hf_resp_kind;

typedef struct hf_resp {
    hf_resp_kind kind;
    hf_bytes text;  /* TEXT, ERROR, BULK: lies in what was read */
    int64_t number; /* INTEGER; of an ARRAY: how many values follow, which are its elements */
} hf_resp;

typedef enum hf_resp_state { HF_RESP_MORE, HF_RESP_WHOLE, HF_RESP_LONG, HF_RESP_BROKEN } hf_resp_state;

/* How much of a reply has been looked at. Zero: a new one. */
typedef struct hf_resp_scan {
    size_t at;
    uint64_t left; /* values that are still to come */
    uint64_t bulk; /* hf_resp_discard: bytes of the open one */
} hf_resp_scan;

/* Looks at as much of the reply at the front of `bytes` as is there, from where it left off. WHOLE: it is the first
 * scan->at bytes. LONG: it is longer than `most`. BROKEN: it is none. */
hf_resp_state hf_resp_look(hf_resp_scan *scan, hf_bytes bytes, size_t most);
/* Goes over a reply of any length piece by piece: *used bytes at the front are done with. Its scan begins with { .left = 1 }. */
hf_resp_state hf_resp_discard(hf_resp_scan *scan, hf_bytes bytes, size_t *used);
/* The next value of a reply that is whole, off its front: NIL when nothing is left. */
hf_resp hf_resp_next(hf_bytes *reply);
/* Likewise a value with all its elements. */
void hf_resp_skip(hf_bytes *reply);

/* A command of words. False when memory ends; then nothing was written. */
bool hf_resp_command(hf_queue *out, const hf_bytes *words, size_t count);

#endif
