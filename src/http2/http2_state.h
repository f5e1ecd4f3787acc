/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a stream (RFC 9113 5.1) as data: which moves lead where, and what each frame means in each state.
 */
#ifndef HF_HTTP2_STATE_H
#define HF_HTTP2_STATE_H

#include "http2_wire.h"

/* NOWHERE is no state but the answer for an illegal move. */
#define HF_STREAM_STATES(X) \
    X(NOWHERE)         \
    X(IDLE)            \
    X(RESERVED_LOCAL)  /* promised by us */ \
    X(RESERVED_REMOTE) /* promised by the peer */ \
    X(OPEN)            \
    X(HALF_LOCAL)      /* we have ended */ \
    X(HALF_REMOTE)     /* the peer has ended */ \
    X(CLOSED)          /* both have, or the peer has reset it */ \
    X(RESET)           /* we have reset it: what the peer sent meanwhile is thrown away */

#define HF_STREAM_MOVES(X) \
    X(SEND_HEADERS) \
    X(RECV_HEADERS) \
    X(SEND_PROMISE) /* of this stream */ \
    X(RECV_PROMISE) \
    X(SEND_END)     \
    X(RECV_END)     \
    X(SEND_RESET)   \
    X(RECV_RESET)

#define HF_STATE_ENUM(name) HF_STREAM_##name,
typedef enum hf_stream_state { HF_STREAM_STATES(HF_STATE_ENUM) HF_STREAM_COUNT } hf_stream_state;
#undef HF_STATE_ENUM
#define HF_STATE_ENUM(name) HF_STREAM_MOVE_##name,
typedef enum hf_stream_move { HF_STREAM_MOVES(HF_STATE_ENUM) HF_STREAM_MOVE_COUNT } hf_stream_move;
#undef HF_STATE_ENUM

/* What a frame means to a stream in a state. */
typedef enum hf_verdict {
    HF_VERDICT_ACCEPT,
    HF_VERDICT_IGNORE,            /* processed for the connection's sake (windows, tables), then thrown away */
    HF_VERDICT_STREAM_CLOSED,     /* stream error STREAM_CLOSED */
    HF_VERDICT_CONNECTION_CLOSED, /* connection error STREAM_CLOSED */
    HF_VERDICT_PROTOCOL           /* connection error PROTOCOL_ERROR */
} hf_verdict;

/* Where a move leads; NOWHERE when it is illegal. */
hf_stream_state hf_stream_after(hf_stream_state state, hf_stream_move move);
/* `type` is one that belongs to a stream: DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, WINDOW_UPDATE. */
hf_verdict hf_stream_verdict(hf_stream_state state, unsigned type);
/* The machine as a DOT graph. */
void hf_stream_states_write(hf_writer *w);
const char *hf_stream_state_name(hf_stream_state state);

#endif
