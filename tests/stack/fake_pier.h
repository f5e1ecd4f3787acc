/* SPDX-License-Identifier: Apache-2.0
 *
 * A pier whose other end is the test: bytes arrive in slices of any size, output leaves as fast as `room` allows, and
 * everything is counted. What it lends moves to another block with each event, so that a pointer kept too long is found
 * by the sanitizers; what it was lent is read only when it leaves.
 */
#ifndef HF_TESTS_STACK_FAKE_PIER_H
#define HF_TESTS_STACK_FAKE_PIER_H

#include <handfast/pier.h>

enum { FAKE_PIECES = 64, FAKE_TOKENS = 1024 };

typedef struct fake_pier {
    /* the script: change at will */
    size_t slice;        /* bytes that one READABLE brings; 0: all there are */
    size_t most_held;    /* it receives no more while it holds so many: back-pressure. 0: no bound */
    uint64_t room;       /* bytes that may still leave; UINT64_MAX at first */
    bool buffers;        /* what left lies in a system's buffer; before fake_pier_get */
    uint64_t buffered;   /* ... of it the peer has not taken so much */
    size_t reads_good;   /* reads of files that find them unchanged; SIZE_MAX at first */
    bool free_ends;      /* HF_PIER_FREE_ENDS; before fake_pier_get */
    bool fin, reset;     /* what the peer does after the bytes it was given to say */

    /* what happened */
    uint8_t *out;        /* what has left */
    size_t out_length, out_capacity;
    size_t puts;         /* calls that were accepted */
    size_t most_put;     /* bytes of the largest */
    size_t refusals;     /* calls that were not */
    bool fin_sent, reset_sent, freed;
    size_t lasts, puts_behind; /* calls of last; of put, that were accepted behind it */
    bool dozes;
    size_t taken;        /* bytes of input */
    size_t reads, most_read; /* of files: calls, and the longest */
    bool telling;            /* each byte of a file tells its place; otherwise they are all 'F' */

    /* its own */
    uint8_t *coming;
    size_t coming_length, coming_at;
    uint8_t *held;
    size_t held_at, held_length;
    hf_extent pieces[FAKE_PIECES];
    uint8_t *copies[FAKE_PIECES]; /* of COPIED pieces */
    size_t first, count;
    uint64_t tokens[FAKE_TOKENS];
    size_t token_first, token_count;
    bool blocked, fin_told, reset_told;
} fake_pier;

void fake_pier_init(fake_pier *p);
/* After the pier was freed by its owner (or never given away). */
void fake_pier_fini(fake_pier *p);
hf_pier fake_pier_get(fake_pier *p);
/* The peer says this, after what it was given to say before. */
void fake_pier_say(fake_pier *p, hf_bytes bytes);
/* The peer's window opens by so many bytes. */
void fake_pier_open(fake_pier *p, uint64_t bytes);
/* Bytes that the peer was given to say and that nobody took. */
static inline uint8_t fake_pier_file_byte(const fake_pier *p, uint64_t at)
{
    return p->telling ? (uint8_t)('A' + at % 23) : 'F';
}
size_t fake_pier_unread(const fake_pier *p);

#endif
