/* SPDX-License-Identifier: Apache-2.0
 *
 * The core's inside, shared by websocket.c (life, time, faults), websocket_read.c (bytes in), websocket_write.c (commands)
 * and websocket_output.c (bytes out). An idle connection is this struct and nothing else, unless it keeps a context.
 */
#ifndef HF_WEBSOCKET_CORE_H
#define HF_WEBSOCKET_CORE_H

#include <handfast/websocket.h>

#include "queue.h"
#include "trace.h"
#include "websocket_deflate.h"
#include "websocket_state.h"
#include "websocket_utf8.h"
#include "websocket_wire.h"

enum {
    HF_WEBSOCKET_REPLY_BYTES = 16384, /* answers to PING that wait: above this nothing more is read */
    HF_WEBSOCKET_CHUNK = 16384,       /* inflated at a time */
    HF_WEBSOCKET_COMPRESS_FROM = 64,  /* below this the head of a DEFLATE block eats what is gained */
    HF_WEBSOCKET_KEYS = 16,           /* masking keys drawn at once */
    HF_WEBSOCKET_PAUSED_BYTES = 65536 /* that a core takes along to the next connection; more is given back first */
};
#define HF_WEBSOCKET_TRIM_NS HF_MILLISECONDS(200) /* quiet for so long: memory is given back */

/* A LENT extent in the output, and how many copied bytes leave between the one before it and this one. */
typedef struct hf_websocket_piece {
    uint64_t before;
    hf_bytes bytes;
    uint64_t token;
} hf_websocket_piece;

typedef struct hf_websocket_output {
    hf_queue copied;
    uint64_t tail; /* copied bytes behind the last piece */
    hf_websocket_piece *pieces;
    uint16_t first, count, capacity; /* count: end of the used part */
} hf_websocket_output;

/* A rule that was broken, and the code that tells the peer. */
typedef struct hf_websocket_flaw {
    int32_t code;
    uint16_t close;
    const char *wanted;
} hf_websocket_flaw;

struct hf_websocket {
    const hf_env *env;
    uint64_t id;
    hf_websocket_options options;
    hf_time now;     /* of the last step or emit */
    hf_time heard;   /* when bytes last came */
    hf_time asked;   /* when our PING left, while its answer is awaited */
    hf_time spoken;  /* when a message last went either way */
    hf_time began;   /* the open message's first frame; once we said Close: when */
    hf_time refilled; /* the allowance of control frames */

    /* reading */
    uint64_t offset;        /* in the stream, of the first byte of the next input */
    uint64_t frame_offset;  /* of the open frame */
    uint64_t left;          /* payload of the open frame to come */
    uint64_t message_bytes; /* of the open message so far, inflated */
    uint64_t wire_bytes;    /* of the open message so far, as it came */
    hf_queue message;       /* gathered */
    hf_inflater *inflater;
    const hf_websocket_flaw *doom; /* found behind bytes that were still good: they are told first */
    const hf_fault *fault;
    uint32_t control_used;  /* of limit websocket_control */
    uint32_t empty_frames;  /* of the open message */
    uint8_t key[4];
    uint64_t phase;         /* bytes of the open frame's payload that were unmasked */
    hf_utf8 utf8;
    uint8_t state;          /* hf_websocket_state */
    uint8_t opcode;         /* of the open frame */
    uint8_t type;           /* of the open message; 0: none */

    /* writing */
    hf_websocket_output output;
    hf_deflater *deflater;
    uint32_t replies;       /* bytes of answers queued since the output was last empty */
    uint16_t code;          /* of our Close */
    uint8_t writing;        /* begin: the type; 0: no message is open */
    uint8_t keys_left;
    uint8_t (*keys)[4];     /* client: HF_WEBSOCKET_KEYS of them */

    bool server : 1;
    bool in_frame : 1;
    bool fin : 1;           /* of the open frame */
    bool compressed : 1;    /* the open message */
    bool finishing : 1;     /* its lost tail was given to the inflater */
    bool lent : 1;          /* `message` is lent by the last event */
    bool told : 1;          /* stream: the first piece was told */
    bool continued : 1;     /* writing: the message's first frame left */
    bool deflating : 1;     /* writing: the open message is compressed */
    bool asking : 1;        /* our PING waits for a sign of life */
    bool ask_queued : 1;    /* it has not left yet */
};

/* websocket.c */
void hf_websocket_move_to(hf_websocket *w, hf_websocket_move move);
/* Ends it by a fault: Close leaves where that is still possible, CLOSED is told. */
hf_step hf_websocket_fail(hf_websocket *w, const hf_in *in, const hf_websocket_flaw *flaw, hf_websocket_event *event);
/* Gives back what a quiet connection does not need. */
void hf_websocket_trim(hf_websocket *w);

/* websocket_read.c */
hf_step hf_websocket_read(hf_websocket *w, hf_in *in, hf_websocket_event *event);
uint64_t hf_websocket_message_most(const hf_websocket *w);

/* websocket_write.c: a control frame. False when memory ends. */
bool hf_websocket_control(hf_websocket *w, uint8_t opcode, hf_bytes payload);
/* `code` NO_CODE: without a body. */
bool hf_websocket_say_close(hf_websocket *w, uint16_t code, hf_bytes reason);

/* websocket_output.c */
static inline bool hf_websocket_output_empty(const hf_websocket_output *o)
{
    return o->copied.head == o->copied.tail && o->first == o->count;
}
/* Copied bytes were appended to o->copied. */
static inline void hf_websocket_output_grew(hf_websocket_output *o, size_t n)
{
    o->tail += n;
}
/* Place for one more piece; false when memory or `most` ends. */
bool hf_websocket_output_reserve(hf_websocket_output *o, size_t most);
void hf_websocket_output_lend(hf_websocket_output *o, hf_bytes bytes, uint64_t token);
void hf_websocket_output_emit(hf_websocket_output *o, hf_out *out);
void hf_websocket_output_trim(hf_websocket_output *o);
void hf_websocket_output_fini(hf_websocket_output *o);

#endif
