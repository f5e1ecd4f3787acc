/* SPDX-License-Identifier: Apache-2.0 */
#include "websocket_state.h"

#define NO HF_WEBSOCKET_NOWHERE
static const unsigned char table[HF_WEBSOCKET_STATES][HF_WEBSOCKET_MOVES] = {
    /*                           CLOSE                 END                 FAIL */
    [HF_WEBSOCKET_OPEN]    = { HF_WEBSOCKET_CLOSING, HF_WEBSOCKET_ENDED, HF_WEBSOCKET_FAILED },
    [HF_WEBSOCKET_CLOSING] = { NO,                   HF_WEBSOCKET_ENDED, HF_WEBSOCKET_FAILED },
    [HF_WEBSOCKET_ENDED]   = { NO,                   NO,                 NO },
    [HF_WEBSOCKET_FAILED]  = { NO,                   NO,                 NO },
};

hf_websocket_state hf_websocket_after(hf_websocket_state state, hf_websocket_move move)
{
    return (hf_websocket_state)table[state][move];
}
