/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables. Read the first together with the picture that hf_stream_states_write draws of it, and with figure 2 of
 * RFC 9113.
 */
#include "http2_state.h"

#include "panic.h"

#define MOVE(name) [HF_STREAM_MOVE_##name]
#define RESETS MOVE(SEND_RESET) = HF_STREAM_RESET, MOVE(RECV_RESET) = HF_STREAM_CLOSED

static const uint8_t moves[HF_STREAM_COUNT][HF_STREAM_MOVE_COUNT] = {
    [HF_STREAM_IDLE] = { MOVE(SEND_HEADERS) = HF_STREAM_OPEN, MOVE(RECV_HEADERS) = HF_STREAM_OPEN,
                         MOVE(SEND_PROMISE) = HF_STREAM_RESERVED_LOCAL, MOVE(RECV_PROMISE) = HF_STREAM_RESERVED_REMOTE },
    [HF_STREAM_RESERVED_LOCAL] = { MOVE(SEND_HEADERS) = HF_STREAM_HALF_REMOTE, RESETS },
    [HF_STREAM_RESERVED_REMOTE] = { MOVE(RECV_HEADERS) = HF_STREAM_HALF_LOCAL, RESETS },
    [HF_STREAM_OPEN] = { MOVE(SEND_HEADERS) = HF_STREAM_OPEN, MOVE(RECV_HEADERS) = HF_STREAM_OPEN,
                         MOVE(SEND_END) = HF_STREAM_HALF_LOCAL, MOVE(RECV_END) = HF_STREAM_HALF_REMOTE, RESETS },
    [HF_STREAM_HALF_LOCAL] = { MOVE(RECV_HEADERS) = HF_STREAM_HALF_LOCAL, MOVE(RECV_END) = HF_STREAM_CLOSED, RESETS },
    [HF_STREAM_HALF_REMOTE] = { MOVE(SEND_HEADERS) = HF_STREAM_HALF_REMOTE, MOVE(SEND_END) = HF_STREAM_CLOSED, RESETS },
};

/* RFC 9113 5.1, state by state. What is not named is PROTOCOL. */
#define ON(type, what) [HF_FRAME_##type] = HF_VERDICT_##what + 1
static const uint8_t verdicts[HF_STREAM_COUNT][HF_FRAME_CONTINUATION] = {
    /* "Receiving any frame other than HEADERS or PRIORITY on a stream in this state MUST be treated as a connection error
     * of type PROTOCOL_ERROR." */
    [HF_STREAM_IDLE] = { ON(HEADERS, ACCEPT), ON(PRIORITY, ACCEPT) },
    /* "Receiving any type of frame other than RST_STREAM, PRIORITY, or WINDOW_UPDATE on a stream in this state MUST be
     * treated as a connection error of type PROTOCOL_ERROR." */
    [HF_STREAM_RESERVED_LOCAL] = { ON(RST_STREAM, ACCEPT), ON(PRIORITY, ACCEPT), ON(WINDOW_UPDATE, ACCEPT) },
    /* "Receiving any type of frame other than HEADERS, RST_STREAM, or PRIORITY ..." likewise */
    [HF_STREAM_RESERVED_REMOTE] = { ON(HEADERS, ACCEPT), ON(RST_STREAM, ACCEPT), ON(PRIORITY, ACCEPT) },
    [HF_STREAM_OPEN] = { ON(DATA, ACCEPT), ON(HEADERS, ACCEPT), ON(PRIORITY, ACCEPT), ON(RST_STREAM, ACCEPT),
                         ON(PUSH_PROMISE, ACCEPT), ON(WINDOW_UPDATE, ACCEPT) },
    [HF_STREAM_HALF_LOCAL] = { ON(DATA, ACCEPT), ON(HEADERS, ACCEPT), ON(PRIORITY, ACCEPT), ON(RST_STREAM, ACCEPT),
                               ON(PUSH_PROMISE, ACCEPT), ON(WINDOW_UPDATE, ACCEPT) },
    /* "If an endpoint receives additional frames, other than WINDOW_UPDATE, PRIORITY, or RST_STREAM, for a stream that is
     * in this state, it MUST respond with a stream error of type STREAM_CLOSED." */
    [HF_STREAM_HALF_REMOTE] = { ON(DATA, STREAM_CLOSED), ON(HEADERS, STREAM_CLOSED), ON(PRIORITY, ACCEPT),
                                ON(RST_STREAM, ACCEPT), ON(PUSH_PROMISE, PROTOCOL), ON(WINDOW_UPDATE, ACCEPT) },
    /* "An endpoint MAY treat receipt of any other type of frame on a closed stream as a connection error of type
     * STREAM_CLOSED"; WINDOW_UPDATE and RST_STREAM may have crossed the end. 6.6: PUSH_PROMISE on a stream that is neither
     * open nor half-closed (local) is PROTOCOL_ERROR */
    [HF_STREAM_CLOSED] = { ON(DATA, CONNECTION_CLOSED), ON(HEADERS, CONNECTION_CLOSED), ON(PRIORITY, ACCEPT),
                           ON(RST_STREAM, IGNORE), ON(PUSH_PROMISE, PROTOCOL), ON(WINDOW_UPDATE, IGNORE) },
    /* "An endpoint MUST minimally process and then discard any frames it receives in this state." */
    [HF_STREAM_RESET] = { ON(DATA, IGNORE), ON(HEADERS, IGNORE), ON(PRIORITY, ACCEPT), ON(RST_STREAM, IGNORE),
                          ON(PUSH_PROMISE, IGNORE), ON(WINDOW_UPDATE, IGNORE) },
};

#define NAME(name) #name,
static const char *const state_names[] = { HF_STREAM_STATES(NAME) };
static const char *const move_names[] = { HF_STREAM_MOVES(NAME) };
#undef NAME

hf_stream_state hf_stream_after(hf_stream_state state, hf_stream_move move)
{
    HF_ASSERT((unsigned)state < HF_STREAM_COUNT && (unsigned)move < HF_STREAM_MOVE_COUNT);
    return (hf_stream_state)moves[state][move];
}

hf_verdict hf_stream_verdict(hf_stream_state state, unsigned type)
{
    HF_ASSERT((unsigned)state < HF_STREAM_COUNT && type < HF_FRAME_CONTINUATION);
    const uint8_t verdict = verdicts[state][type];
    return verdict == 0 ? HF_VERDICT_PROTOCOL : (hf_verdict)(verdict - 1);
}

const char *hf_stream_state_name(hf_stream_state state)
{
    return state_names[state];
}

void hf_stream_states_write(hf_writer *w)
{
    hf_write_text(w, "digraph http2_stream {\n");
    for (unsigned state = 0; state < HF_STREAM_COUNT; state++)
        for (unsigned move = 0; move < HF_STREAM_MOVE_COUNT; move++) {
            if (moves[state][move] == HF_STREAM_NOWHERE)
                continue;
            const char *const parts[] = { "    ", state_names[state], " -> ", state_names[moves[state][move]], " [label=\"",
                                          move_names[move], "\"];\n" };
            for (size_t i = 0; i < HF_COUNT(parts); i++)
                hf_write_text(w, parts[i]);
        }
    hf_write_text(w, "}\n");
}
