/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables. Read them together with the picture that hf_http1_states_write draws of them.
 */
#include "http1_state.h"

#define STOPS [HF_READ_MOVE_CLOSE] = HF_READ_CLOSED, [HF_READ_MOVE_FAULT] = HF_READ_FAULT
#define REFUSES [HF_READ_MOVE_REFUSE] = HF_READ_REFUSED

const uint8_t hf_http1_reading[HF_READ_COUNT][HF_READ_MOVE_COUNT] = {
    [HF_READ_FIRST] = { [HF_READ_MOVE_BEGIN] = HF_READ_HEAD, REFUSES, STOPS },
    [HF_READ_WAIT] = { [HF_READ_MOVE_BEGIN] = HF_READ_HEAD, REFUSES, STOPS },
    [HF_READ_HEAD] = { [HF_READ_MOVE_EMPTY] = HF_READ_COMPLETE, [HF_READ_MOVE_MEASURED] = HF_READ_LENGTH,
                       [HF_READ_MOVE_CHUNKED] = HF_READ_CHUNK_SIZE, [HF_READ_MOVE_UNMEASURED] = HF_READ_UNTIL_CLOSE,
                       [HF_READ_MOVE_INTERIM] = HF_READ_WAIT, REFUSES, STOPS },
    [HF_READ_LENGTH] = { [HF_READ_MOVE_WHOLE] = HF_READ_COMPLETE, REFUSES, STOPS },
    [HF_READ_CHUNK_SIZE] = { [HF_READ_MOVE_CHUNK] = HF_READ_CHUNK_DATA, [HF_READ_MOVE_LAST_CHUNK] = HF_READ_TRAILERS,
                             REFUSES, STOPS },
    [HF_READ_CHUNK_DATA] = { [HF_READ_MOVE_CHUNK_FULL] = HF_READ_CHUNK_END, REFUSES, STOPS },
    [HF_READ_CHUNK_END] = { [HF_READ_MOVE_CHUNK_CLOSED] = HF_READ_CHUNK_SIZE, REFUSES, STOPS },
    [HF_READ_TRAILERS] = { [HF_READ_MOVE_WHOLE] = HF_READ_COMPLETE, REFUSES, STOPS },
    [HF_READ_UNTIL_CLOSE] = { [HF_READ_MOVE_WHOLE] = HF_READ_COMPLETE, STOPS },
    [HF_READ_COMPLETE] = { [HF_READ_MOVE_TOLD] = HF_READ_DONE, STOPS },
    [HF_READ_DONE] = { [HF_READ_MOVE_NEXT] = HF_READ_WAIT, [HF_READ_MOVE_UPGRADE] = HF_READ_UPGRADED, STOPS },
    [HF_READ_UPGRADED] = { STOPS },
    [HF_READ_REFUSED] = { [HF_READ_MOVE_FAULT] = HF_READ_FAULT },
};

#define BEGINS [HF_WRITE_MOVE_EMPTY] = HF_WRITE_EMPTY, [HF_WRITE_MOVE_MEASURED] = HF_WRITE_LENGTH, \
    [HF_WRITE_MOVE_CHUNKED] = HF_WRITE_CHUNKED
#define ENDS [HF_WRITE_MOVE_END] = HF_WRITE_IDLE, [HF_WRITE_MOVE_BREAK] = HF_WRITE_BROKEN

const uint8_t hf_http1_writing[HF_WRITE_COUNT][HF_WRITE_MOVE_COUNT] = {
    [HF_WRITE_IDLE] = { [HF_WRITE_MOVE_OWE] = HF_WRITE_OWED, BEGINS, [HF_WRITE_MOVE_UPGRADE] = HF_WRITE_RAW },
    [HF_WRITE_OWED] = { BEGINS, [HF_WRITE_MOVE_UNMEASURED] = HF_WRITE_UNTIL_CLOSE, [HF_WRITE_MOVE_UPGRADE] = HF_WRITE_RAW,
                        [HF_WRITE_MOVE_BREAK] = HF_WRITE_BROKEN },
    [HF_WRITE_EMPTY] = { ENDS },
    [HF_WRITE_LENGTH] = { ENDS },
    [HF_WRITE_CHUNKED] = { ENDS },
    [HF_WRITE_UNTIL_CLOSE] = { ENDS },
    [HF_WRITE_RAW] = { ENDS },
};

#define NAME(name) #name,
static const char *const read_names[] = { HF_READ_STATES(NAME) };
static const char *const read_move_names[] = { HF_READ_MOVES(NAME) };
static const char *const write_names[] = { HF_WRITE_STATES(NAME) };
static const char *const write_move_names[] = { HF_WRITE_MOVES(NAME) };
#undef NAME

static void edge(hf_writer *w, const char *machine, const char *from, const char *to, const char *move)
{
    const char *const parts[] = { "    ", machine, from, " -> ", machine, to, " [label=\"", move, "\"];\n" };
    for (size_t i = 0; i < HF_COUNT(parts); i++)
        hf_write_text(w, parts[i]);
}

void hf_http1_states_write(hf_writer *w)
{
    hf_write_text(w, "digraph http1 {\n");
    for (unsigned state = 0; state < HF_READ_COUNT; state++)
        for (unsigned move = 0; move < HF_READ_MOVE_COUNT; move++)
            if (hf_http1_reading[state][move] != HF_READ_NOWHERE)
                edge(w, "read_", read_names[state], read_names[hf_http1_reading[state][move]], read_move_names[move]);
    for (unsigned state = 0; state < HF_WRITE_COUNT; state++)
        for (unsigned move = 0; move < HF_WRITE_MOVE_COUNT; move++)
            if (hf_http1_writing[state][move] != HF_WRITE_NOWHERE)
                edge(w, "write_", write_names[state], write_names[hf_http1_writing[state][move]], write_move_names[move]);
    hf_write_text(w, "}\n");
}
