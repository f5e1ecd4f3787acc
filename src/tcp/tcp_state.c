/* SPDX-License-Identifier: Apache-2.0
 *
 * The table. Read it beside figure 5 of RFC 9293, or the picture that hf_tcp_states_write draws of it.
 *
 * One arrow of the figure is not taken: CLOSE in SYN_RECEIVED waits for the handshake to end (3.10.4 allows that: "queue
 * for processing after entering ESTABLISHED state"), since a FIN before the peer's acknowledgement of our SYN is what makes
 * simultaneous opens go wrong.
 */
#include "tcp_state.h"

#include "panic.h"

#define MOVE(move, state) [HF_TCP_MOVE_##move] = HF_TCP_##state + 1

static const uint8_t moves[HF_TCP_STATE_COUNT][HF_TCP_MOVE_COUNT] = {
    [HF_TCP_CLOSED] = { MOVE(LISTEN, LISTEN), MOVE(CONNECT, SYN_SENT) },
    [HF_TCP_LISTEN] = { MOVE(RECV_SYN, SYN_RECEIVED), MOVE(CLOSE, CLOSED) },
    [HF_TCP_SYN_SENT] = { MOVE(RECV_SYN, SYN_RECEIVED), MOVE(RECV_SYN_ACK, ESTABLISHED), MOVE(CLOSE, CLOSED), MOVE(GIVE_UP, CLOSED) },
    [HF_TCP_SYN_RECEIVED] = { MOVE(RECV_ACK_OF_SYN, ESTABLISHED), MOVE(GIVE_UP, CLOSED) },
    [HF_TCP_ESTABLISHED] = { MOVE(CLOSE, FIN_WAIT_1), MOVE(RECV_FIN, CLOSE_WAIT), MOVE(GIVE_UP, CLOSED) },
    [HF_TCP_FIN_WAIT_1] = { MOVE(RECV_ACK_OF_FIN, FIN_WAIT_2), MOVE(RECV_FIN, CLOSING), MOVE(GIVE_UP, CLOSED) },
    [HF_TCP_FIN_WAIT_2] = { MOVE(RECV_FIN, TIME_WAIT), MOVE(GIVE_UP, CLOSED) },
    [HF_TCP_CLOSE_WAIT] = { MOVE(CLOSE, LAST_ACK), MOVE(GIVE_UP, CLOSED) },
    [HF_TCP_CLOSING] = { MOVE(RECV_ACK_OF_FIN, TIME_WAIT), MOVE(GIVE_UP, CLOSED) },
    [HF_TCP_LAST_ACK] = { MOVE(RECV_ACK_OF_FIN, CLOSED), MOVE(GIVE_UP, CLOSED) },
    /* RFC 1337: no RST ends it; RFC 6191: a new SYN that is surely new may */
    [HF_TCP_TIME_WAIT] = { MOVE(RECV_SYN, SYN_RECEIVED), MOVE(EXPIRE, CLOSED) },
};

#define NAME(name) #name,
static const char *const state_names[] = { HF_TCP_STATES(NAME) };
static const char *const move_names[] = { HF_TCP_MOVES(NAME) };
#undef NAME

bool hf_tcp_state_after(hf_tcp_state state, hf_tcp_move move, hf_tcp_state *next)
{
    HF_ASSERT((unsigned)state < HF_TCP_STATE_COUNT && (unsigned)move < HF_TCP_MOVE_COUNT);
    if (moves[state][move] == 0)
        return false;
    *next = (hf_tcp_state)(moves[state][move] - 1);
    return true;
}

const char *hf_tcp_state_name(hf_tcp_state state)
{
    return (unsigned)state < HF_TCP_STATE_COUNT ? state_names[state] : "?";
}

void hf_tcp_states_write(hf_writer *w)
{
    hf_write_text(w, "digraph tcp {\n");
    for (unsigned state = 0; state < HF_TCP_STATE_COUNT; state++)
        for (unsigned move = 0; move < HF_TCP_MOVE_COUNT; move++) {
            hf_tcp_state next;
            if (!hf_tcp_state_after((hf_tcp_state)state, (hf_tcp_move)move, &next))
                continue;
            const char *const parts[] = { "    ", state_names[state], " -> ", state_names[next], " [label=\"", move_names[move], "\"];\n" };
            for (size_t i = 0; i < HF_COUNT(parts); i++)
                hf_write_text(w, parts[i]);
        }
    hf_write_text(w, "}\n");
}
