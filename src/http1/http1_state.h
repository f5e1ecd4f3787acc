/* SPDX-License-Identifier: Apache-2.0
 *
 * The two state machines of a connection: reading and writing. Moves are data: a const table of state x event, in which
 * what is not named is illegal.
 */
#ifndef HF_HTTP1_STATE_H
#define HF_HTTP1_STATE_H

#include "panic.h"
#include "text.h"

/* What the reading side waits for. HF_READ_NOWHERE is no state but the answer for an illegal move. */
#define HF_READ_STATES(X) \
    X(NOWHERE)      \
    X(FIRST)        /* the first byte of the connection */ \
    X(WAIT)         /* the first byte of a head */ \
    X(HEAD)         /* the rest of a head */ \
    X(LENGTH)       /* a body that Content-Length measures */ \
    X(CHUNK_SIZE)   /* a chunk's first line */ \
    X(CHUNK_DATA)   /* a chunk's bytes */ \
    X(CHUNK_END)    /* CRLF behind a chunk */ \
    X(TRAILERS)     /* the trailer section */ \
    X(UNTIL_CLOSE)  /* a response body that ends with the connection */ \
    X(COMPLETE)     /* the message is whole; END is still to be told */ \
    X(DONE)         /* END was told; the other half of the exchange is awaited */ \
    X(UPGRADED)     /* no HTTP any more */ \
    X(REFUSED)      /* a rule was broken and REFUSED was told */ \
    X(CLOSED)       \
    X(FAULT)

#define HF_READ_MOVES(X) \
    X(BEGIN)        /* a head's first byte is there */ \
    X(EMPTY)        /* the head is there and no body follows */ \
    X(MEASURED)     /* ... a body with a length */ \
    X(CHUNKED)      /* ... a chunked body */ \
    X(UNMEASURED)   /* ... a body until close */ \
    X(INTERIM)      /* it was a 1xx response: another head follows */ \
    X(CHUNK)        /* a chunk's size */ \
    X(LAST_CHUNK)   /* the size 0 */ \
    X(CHUNK_FULL)   /* the last byte of a chunk */ \
    X(CHUNK_CLOSED) /* its CRLF */ \
    X(WHOLE)        /* the last byte of the message */ \
    X(TOLD)         /* END was told */ \
    X(NEXT)         /* the exchange is over and another may follow */ \
    X(UPGRADE)      /* 101, or 2xx to CONNECT */ \
    X(REFUSE)       \
    X(CLOSE)        \
    X(FAULT)

#define HF_WRITE_STATES(X) \
    X(NOWHERE)     \
    X(IDLE)        /* nothing is owed */ \
    X(OWED)        /* server: a request awaits its answer */ \
    X(EMPTY)       /* a message whose body stays away: HEAD, 204, 304, none */ \
    X(LENGTH)      /* a body that Content-Length measures */ \
    X(CHUNKED)     \
    X(UNTIL_CLOSE) /* to HTTP/1.0 */ \
    X(RAW)         /* no HTTP any more */ \
    X(BROKEN)      /* a message was left unfinished: the connection cannot go on */

#define HF_WRITE_MOVES(X) \
    X(OWE)        /* server: a request's head arrived, or was refused */ \
    X(EMPTY)      /* a head was queued: the state names what follows it */ \
    X(MEASURED)   \
    X(CHUNKED)    \
    X(UNMEASURED) \
    X(UPGRADE)    \
    X(END)        \
    X(BREAK)

#define HF_STATE_ENUM(name) HF_READ_##name,
typedef enum hf_http1_read { HF_READ_STATES(HF_STATE_ENUM) HF_READ_COUNT } hf_http1_read;
#undef HF_STATE_ENUM
#define HF_STATE_ENUM(name) HF_READ_MOVE_##name,
typedef enum hf_http1_read_move { HF_READ_MOVES(HF_STATE_ENUM) HF_READ_MOVE_COUNT } hf_http1_read_move;
#undef HF_STATE_ENUM
#define HF_STATE_ENUM(name) HF_WRITE_##name,
typedef enum hf_http1_write { HF_WRITE_STATES(HF_STATE_ENUM) HF_WRITE_COUNT } hf_http1_write;
#undef HF_STATE_ENUM
#define HF_STATE_ENUM(name) HF_WRITE_MOVE_##name,
typedef enum hf_http1_write_move { HF_WRITE_MOVES(HF_STATE_ENUM) HF_WRITE_MOVE_COUNT } hf_http1_write_move;
#undef HF_STATE_ENUM

/* The tables: where a move leads; NOWHERE when it is illegal. */
extern const uint8_t hf_http1_reading[HF_READ_COUNT][HF_READ_MOVE_COUNT];
extern const uint8_t hf_http1_writing[HF_WRITE_COUNT][HF_WRITE_MOVE_COUNT];

static inline hf_http1_read hf_http1_read_after(hf_http1_read state, hf_http1_read_move move)
{
    HF_ASSERT((unsigned)state < HF_READ_COUNT && (unsigned)move < HF_READ_MOVE_COUNT);
    return (hf_http1_read)hf_http1_reading[state][move];
}
static inline hf_http1_write hf_http1_write_after(hf_http1_write state, hf_http1_write_move move)
{
    HF_ASSERT((unsigned)state < HF_WRITE_COUNT && (unsigned)move < HF_WRITE_MOVE_COUNT);
    return (hf_http1_write)hf_http1_writing[state][move];
}
/* Both machines as one DOT graph. */
void hf_http1_states_write(hf_writer *w);

#endif
