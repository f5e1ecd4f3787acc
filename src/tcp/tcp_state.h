/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a connection (RFC 9293 3.3.2, figure 5) as data.
 */
#ifndef HF_TCP_STATE_H
#define HF_TCP_STATE_H

#include <handfast/tcp.h>

#include "text.h"

#define HF_TCP_MOVES(X) \
    X(LISTEN)          /* passive OPEN */ \
    X(CONNECT)         /* active OPEN: our SYN leaves */ \
    X(RECV_SYN)        \
    X(RECV_SYN_ACK)    /* that acknowledges our SYN */ \
    X(RECV_ACK_OF_SYN) \
    X(CLOSE)           /* our FIN leaves; of a listener or an attempt: forget it */ \
    X(RECV_FIN)        \
    X(RECV_ACK_OF_FIN) \
    X(GIVE_UP)         /* a RST, ours or the peer's, or a timeout */ \
    X(EXPIRE)          /* 2 MSL have passed */

#define HF_TCP_MOVE_ENUM(name) HF_TCP_MOVE_##name,
typedef enum hf_tcp_move { HF_TCP_MOVES(HF_TCP_MOVE_ENUM) HF_TCP_MOVE_COUNT } hf_tcp_move;
#undef HF_TCP_MOVE_ENUM

/* False when the move is illegal there. */
bool hf_tcp_state_after(hf_tcp_state state, hf_tcp_move move, hf_tcp_state *next);
/* The machine as a DOT graph. */
void hf_tcp_states_write(hf_writer *w);

#endif
