/* SPDX-License-Identifier: Apache-2.0 */
#include "http2_wire.h"

const char hf_http2_preface[HF_PREFACE_BYTES + 1] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

void hf_frame_parse(const uint8_t *p, hf_frame *out)
{
    out->length = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    out->type = p[3];
    out->flags = p[4];
    out->stream = hf_load_u32(p + 5) & HF_STREAM_MAX; /* RFC 9113 4.1: the reserved bit "MUST be ignored" */
}

void hf_frame_write(uint8_t *to, uint32_t length, unsigned type, unsigned flags, uint32_t stream)
{
    to[0] = (uint8_t)(length >> 16);
    to[1] = (uint8_t)(length >> 8);
    to[2] = (uint8_t)length;
    to[3] = (uint8_t)type;
    to[4] = (uint8_t)flags;
    hf_store_u32(to + 5, stream);
}

/* What each type's section in RFC 9113 6 says about its stream and its length. */
typedef enum place { ANYWHERE, ON_A_STREAM, ON_THE_CONNECTION } place;
typedef struct shape {
    uint8_t place;
    bool exact;
    uint8_t least;
    uint8_t multiple;
} shape;

static const shape shapes[HF_FRAME_TYPES] = {
    [HF_FRAME_DATA] = { ON_A_STREAM, false, 0, 1 },
    [HF_FRAME_HEADERS] = { ON_A_STREAM, false, 0, 1 },
    [HF_FRAME_PRIORITY] = { ON_A_STREAM, true, 5, 1 },
    [HF_FRAME_RST_STREAM] = { ON_A_STREAM, true, 4, 1 },
    [HF_FRAME_SETTINGS] = { ON_THE_CONNECTION, false, 0, 6 },
    [HF_FRAME_PUSH_PROMISE] = { ON_A_STREAM, false, 4, 1 },
    [HF_FRAME_PING] = { ON_THE_CONNECTION, true, 8, 1 },
    [HF_FRAME_GOAWAY] = { ON_THE_CONNECTION, false, 8, 1 },
    [HF_FRAME_WINDOW_UPDATE] = { ANYWHERE, true, 4, 1 },
    [HF_FRAME_CONTINUATION] = { ON_A_STREAM, false, 0, 1 },
    [HF_FRAME_ORIGIN] = { ANYWHERE, false, 0, 1 },
    [HF_FRAME_PRIORITY_UPDATE] = { ON_THE_CONNECTION, false, 4, 1 },
};

static bool wrong(hf_http2_flaw *flaw, int32_t code, const uint8_t *at, const char *wanted)
{
    *flaw = (hf_http2_flaw){ code, at, wanted };
    return false;
}

bool hf_frame_check(const hf_frame *frame, const uint8_t *p, uint32_t max_length, hf_http2_flaw *flaw)
{
    if (frame->length > max_length)
        return wrong(flaw, HF_ERR_HTTP2_FRAME_SIZE, p, "a frame within SETTINGS_MAX_FRAME_SIZE");
    if (frame->type >= HF_FRAME_TYPES || shapes[frame->type].multiple == 0)
        return true; /* RFC 9113 4.1: "Implementations MUST ignore and discard frames of unknown types." */
    const shape *const s = &shapes[frame->type];
    if (s->place == ON_A_STREAM && frame->stream == 0)
        return wrong(flaw, HF_ERR_HTTP2_FRAME_STREAM, p + 5, "a stream, not the connection");
    if (s->place == ON_THE_CONNECTION && frame->stream != 0)
        return wrong(flaw, HF_ERR_HTTP2_FRAME_STREAM, p + 5, "stream 0, the connection");
    const bool ack = frame->type == HF_FRAME_SETTINGS && (frame->flags & HF_FLAG_ACK) != 0;
    if (frame->length < s->least || (s->exact && frame->length != s->least) || frame->length % s->multiple != 0 ||
        (ack && frame->length != 0))
        return wrong(flaw, HF_ERR_HTTP2_FRAME_SIZE, p, "the length of this kind of frame");
    return true;
}

bool hf_frame_unpad(const hf_frame *frame, hf_bytes *payload, hf_http2_flaw *flaw)
{
    if ((frame->flags & HF_FLAG_PADDED) == 0)
        return true;
    if (payload->len == 0)
        return wrong(flaw, HF_ERR_HTTP2_FRAME_SIZE, payload->ptr, "the length of the padding");
    const size_t padding = payload->ptr[0];
    if (padding >= payload->len)
        return wrong(flaw, HF_ERR_HTTP2_PADDING, payload->ptr, "padding shorter than the payload");
    *payload = hf_bytes_make(payload->ptr + 1, payload->len - 1 - padding);
    return true;
}

bool hf_setting_check(uint16_t id, uint32_t value, bool from_server, const uint8_t *at, hf_http2_flaw *flaw)
{
    switch (id) {
    case HF_SETTING_ENABLE_PUSH: /* RFC 9113 6.5.2: a client "MUST treat receipt of a SETTINGS frame with
                                    SETTINGS_ENABLE_PUSH set to 1 as a connection error" */
        return value <= (from_server ? 0 : 1) || wrong(flaw, HF_ERR_HTTP2_SETTINGS_VALUE, at, "0, or 1 from a client");
    case HF_SETTING_INITIAL_WINDOW_SIZE:
        return value <= HF_WINDOW_MAX || wrong(flaw, HF_ERR_HTTP2_SETTINGS_WINDOW, at, "at most 2^31-1");
    case HF_SETTING_MAX_FRAME_SIZE:
        return (value >= HF_FRAME_LEAST_MAX && value <= HF_FRAME_MOST_MAX) ||
               wrong(flaw, HF_ERR_HTTP2_SETTINGS_VALUE, at, "between 2^14 and 2^24-1");
    case HF_SETTING_ENABLE_CONNECT_PROTOCOL:
    case HF_SETTING_NO_RFC7540_PRIORITIES:
        return value <= 1 || wrong(flaw, HF_ERR_HTTP2_SETTINGS_VALUE, at, "0 or 1");
    default:
        return true; /* "An endpoint that receives a SETTINGS frame with any unknown or unsupported identifier MUST ignore
                        that setting." */
    }
}
