/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 6455 5.2: the head of a frame, parsed and written as a value. No state.
 */
#ifndef HF_WEBSOCKET_WIRE_H
#define HF_WEBSOCKET_WIRE_H

#include <handfast/base.h>

enum {
    HF_WEBSOCKET_OP_CONTINUATION = 0,
    HF_WEBSOCKET_OP_TEXT = 1,
    HF_WEBSOCKET_OP_BINARY = 2,
    HF_WEBSOCKET_OP_CLOSE = 8,
    HF_WEBSOCKET_OP_PING = 9,
    HF_WEBSOCKET_OP_PONG = 10,
};
enum {
    HF_WEBSOCKET_RSV1 = 4,         /* RFC 7692 6: "Per-Message Compressed" */
    HF_WEBSOCKET_HEAD_MOST = 14,
    HF_WEBSOCKET_CONTROL_MOST = 125, /* RFC 6455 5.5 */
};

typedef struct hf_websocket_frame {
    uint64_t length; /* of the payload */
    uint8_t key[4];
    uint8_t opcode, rsv;
    bool fin, masked;
    uint8_t head; /* bytes of the head itself */
} hf_websocket_frame;

/* What a head can be wrong about by itself. */
typedef enum hf_websocket_form {
    HF_WEBSOCKET_FORM_GOOD,
    HF_WEBSOCKET_FORM_SHORT,   /* frame->head says how many bytes must be there */
    HF_WEBSOCKET_FORM_OPCODE,
    HF_WEBSOCKET_FORM_CONTROL, /* a control frame that is cut, or longer than 125 bytes */
    HF_WEBSOCKET_FORM_LENGTH   /* longer than it needs be, or 2^63 and more */
} hf_websocket_form;

/* The first two bytes are judged as soon as they are there. */
hf_websocket_form hf_websocket_frame_parse(hf_bytes b, hf_websocket_frame *frame);
/* Writes the head (frame->head is set); `to` has room for HF_WEBSOCKET_HEAD_MOST. Returns its length. */
size_t hf_websocket_frame_write(uint8_t *to, hf_websocket_frame *frame);

static inline bool hf_websocket_is_control(uint8_t opcode)
{
    return opcode >= HF_WEBSOCKET_OP_CLOSE;
}

/* RFC 6455 7.4: may this code stand in a Close frame? */
bool hf_websocket_code_is_fit(uint16_t code);

#endif
