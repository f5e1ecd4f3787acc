/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 6455 7: the life of a connection as a table.
 */
#ifndef HF_WEBSOCKET_STATE_H
#define HF_WEBSOCKET_STATE_H

typedef enum hf_websocket_state {
    HF_WEBSOCKET_OPEN,
    HF_WEBSOCKET_CLOSING, /* our Close is on its way: nothing more is sent, and theirs is awaited */
    HF_WEBSOCKET_ENDED,   /* both have said Close, or the peer left after ours */
    HF_WEBSOCKET_FAILED,
    HF_WEBSOCKET_STATES,
    HF_WEBSOCKET_NOWHERE = HF_WEBSOCKET_STATES
} hf_websocket_state;

typedef enum hf_websocket_move {
    HF_WEBSOCKET_MOVE_CLOSE, /* the application says Close */
    HF_WEBSOCKET_MOVE_END,   /* the peer's Close arrived, or its end after ours */
    HF_WEBSOCKET_MOVE_FAIL,  /* a rule was broken, time ran out, or the peer is gone */
    HF_WEBSOCKET_MOVES
} hf_websocket_move;

hf_websocket_state hf_websocket_after(hf_websocket_state state, hf_websocket_move move);

#endif
