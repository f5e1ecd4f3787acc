/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames as values (RFC 9113 4 and 6): parse and write, no state.
 */
#ifndef HF_HTTP2_WIRE_H
#define HF_HTTP2_WIRE_H

#include <handfast/http2.h>

#include "message.h"
#include "priority.h"
#include "text.h"

enum {
    HF_FRAME_HEADER_BYTES = 9,
    HF_FRAME_LEAST_MAX = 16384,      /* RFC 9113 4.2: what every peer must take */
    HF_FRAME_MOST_MAX = 16777215,
    HF_PREFACE_BYTES = 24
};
#define HF_WINDOW_MAX 0x7fffffff
#define HF_STREAM_MAX 0x7fffffffu
extern const char hf_http2_preface[HF_PREFACE_BYTES + 1];

typedef enum hf_frame_type {
    HF_FRAME_DATA,
    HF_FRAME_HEADERS,
    HF_FRAME_PRIORITY,
    HF_FRAME_RST_STREAM,
    HF_FRAME_SETTINGS,
    HF_FRAME_PUSH_PROMISE,
    HF_FRAME_PING,
    HF_FRAME_GOAWAY,
    HF_FRAME_WINDOW_UPDATE,
    HF_FRAME_CONTINUATION,
    HF_FRAME_ORIGIN = 12,          /* RFC 8336 */
    HF_FRAME_PRIORITY_UPDATE = 16, /* RFC 9218 7.1 */
    HF_FRAME_TYPES
} hf_frame_type;

enum {
    HF_FLAG_END_STREAM = 0x1,
    HF_FLAG_ACK = 0x1,
    HF_FLAG_END_HEADERS = 0x4,
    HF_FLAG_PADDED = 0x8,
    HF_FLAG_PRIORITY = 0x20
};

/* RFC 9113 6.5.2; 8: RFC 8441 3; 9: RFC 9218 2.1 */
typedef enum hf_setting {
    HF_SETTING_HEADER_TABLE_SIZE = 1,
    HF_SETTING_ENABLE_PUSH,
    HF_SETTING_MAX_CONCURRENT_STREAMS,
    HF_SETTING_INITIAL_WINDOW_SIZE,
    HF_SETTING_MAX_FRAME_SIZE,
    HF_SETTING_MAX_HEADER_LIST_SIZE,
    HF_SETTING_ENABLE_CONNECT_PROTOCOL = 8,
    HF_SETTING_NO_RFC7540_PRIORITIES
} hf_setting;

typedef hf_message_flaw hf_http2_flaw;

typedef struct hf_frame {
    uint32_t length;
    uint32_t stream;
    uint8_t type, flags;
} hf_frame;

/* `p` holds HF_FRAME_HEADER_BYTES. */
void hf_frame_parse(const uint8_t *p, hf_frame *out);
/* Has the frame a length and a stream that its type allows? `p` is where its header lies. */
bool hf_frame_check(const hf_frame *frame, const uint8_t *p, uint32_t max_length, hf_http2_flaw *flaw);
/* Takes the padding off a whole payload (RFC 9113 6.1). */
bool hf_frame_unpad(const hf_frame *frame, hf_bytes *payload, hf_http2_flaw *flaw);
/* Is the value one that the setting can have? `from_server`: who sent it. */
bool hf_setting_check(uint16_t id, uint32_t value, bool from_server, const uint8_t *at, hf_http2_flaw *flaw);

/* Writes HF_FRAME_HEADER_BYTES. */
void hf_frame_write(uint8_t *to, uint32_t length, unsigned type, unsigned flags, uint32_t stream);

static inline uint32_t hf_load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint16_t hf_load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline void hf_store_u32(uint8_t *p, uint32_t n)
{
    p[0] = (uint8_t)(n >> 24);
    p[1] = (uint8_t)(n >> 16);
    p[2] = (uint8_t)(n >> 8);
    p[3] = (uint8_t)n;
}

#endif
