/* SPDX-License-Identifier: Apache-2.0 */
#include "websocket_wire.h"

static hf_websocket_form judge_start(const hf_websocket_frame *f, uint8_t length)
{
    const bool known = f->opcode <= HF_WEBSOCKET_OP_BINARY || (f->opcode >= HF_WEBSOCKET_OP_CLOSE && f->opcode <= HF_WEBSOCKET_OP_PONG);
    if (!known)
        return HF_WEBSOCKET_FORM_OPCODE;
    /* 5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented." */
    if (hf_websocket_is_control(f->opcode) && (!f->fin || length > HF_WEBSOCKET_CONTROL_MOST))
        return HF_WEBSOCKET_FORM_CONTROL;
    return HF_WEBSOCKET_FORM_GOOD;
}

hf_websocket_form hf_websocket_frame_parse(hf_bytes b, hf_websocket_frame *f)
{
    f->head = 2;
    if (b.len < 2)
        return HF_WEBSOCKET_FORM_SHORT;
    const uint8_t length = b.ptr[1] & 0x7f;
    const size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
    f->fin = (b.ptr[0] & 0x80) != 0;
    f->rsv = b.ptr[0] >> 4 & 7;
    f->opcode = b.ptr[0] & 15;
    f->masked = (b.ptr[1] & 0x80) != 0;
    f->length = length;
    f->head = (uint8_t)(2 + extra + (f->masked ? 4 : 0));
    const hf_websocket_form form = judge_start(f, length);
    if (form != HF_WEBSOCKET_FORM_GOOD || b.len < f->head)
        return form != HF_WEBSOCKET_FORM_GOOD ? form : HF_WEBSOCKET_FORM_SHORT;
    if (extra > 0) {
        f->length = 0;
        for (size_t i = 0; i < extra; i++)
            f->length = f->length << 8 | b.ptr[2 + i];
        /* 5.2: "the minimal number of bytes MUST be used to encode the length"; "the most significant bit MUST be 0" */
        if (f->length < (extra == 2 ? 126u : 65536u) || f->length >> 63 != 0)
            return HF_WEBSOCKET_FORM_LENGTH;
    }
    if (f->masked)
        memcpy(f->key, b.ptr + 2 + extra, 4);
    return HF_WEBSOCKET_FORM_GOOD;
}

size_t hf_websocket_frame_write(uint8_t *to, hf_websocket_frame *f)
{
    const size_t extra = f->length < 126 ? 0 : f->length < 65536 ? 2 : 8;
    to[0] = (uint8_t)((f->fin ? 0x80 : 0) | f->rsv << 4 | f->opcode);
    to[1] = (uint8_t)((f->masked ? 0x80 : 0) | (extra == 0 ? (uint8_t)f->length : extra == 2 ? 126 : 127));
    for (size_t i = 0; i < extra; i++)
        to[2 + i] = (uint8_t)(f->length >> 8 * (extra - 1 - i));
    if (f->masked)
        memcpy(to + 2 + extra, f->key, 4);
    f->head = (uint8_t)(2 + extra + (f->masked ? 4 : 0));
    return f->head;
}

bool hf_websocket_code_is_fit(uint16_t code)
{
    /* 7.4.1 reserves 1004, 1005, 1006 and 1015; 1012 to 1014 were registered later (7.4.2) */
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
