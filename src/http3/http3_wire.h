/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers, frames and settings as values (RFC 9114 7, RFC 9000 16), and which frame may come where: no state.
 */
#ifndef HF_HTTP3_WIRE_H
#define HF_HTTP3_WIRE_H

#include <handfast/http3.h>

#include "message.h"
#include "text.h"

typedef hf_message_flaw hf_http3_flaw;

/* ---- integers ----------------------------------------------------------------------------------------------- */

enum { HF_H3_INT_BYTES = 8, HF_H3_FRAME_HEADER_BYTES = 2 * HF_H3_INT_BYTES };
#define HF_H3_INT_MAX ((UINT64_C(1) << 62) - 1)

/* RFC 9000 16. The bytes it takes; 0: it does not end before `end`. */
size_t hf_h3_int_parse(const uint8_t *p, const uint8_t *end, uint64_t *value);
size_t hf_h3_int_size(uint64_t value);
/* Returns the bytes written, at most HF_H3_INT_BYTES. */
size_t hf_h3_int_write(uint8_t *to, uint64_t value);

/* ---- frames and streams ------------------------------------------------------------------------------------- */

/* RFC 9114 6.2, RFC 9204 4.2 */
enum { HF_H3_STREAM_CONTROL = 0, HF_H3_STREAM_PUSH = 1, HF_H3_STREAM_ENCODER = 2, HF_H3_STREAM_DECODER = 3 };

/* RFC 9114 7.2, RFC 9218 7.2 */
enum {
    HF_H3_DATA = 0x0,
    HF_H3_HEADERS = 0x1,
    HF_H3_CANCEL_PUSH = 0x3,
    HF_H3_SETTINGS = 0x4,
    HF_H3_PUSH_PROMISE = 0x5,
    HF_H3_GOAWAY = 0x7,
    HF_H3_MAX_PUSH_ID = 0xd,
    HF_H3_PRIORITY_UPDATE = 0xf0700,
    HF_H3_PRIORITY_UPDATE_PUSH = 0xf0701
};

/* Where a frame comes. */
typedef enum hf_h3_place {
    HF_PLACE_CONTROL_FIRST, /* SETTINGS is awaited */
    HF_PLACE_CONTROL,
    HF_PLACE_HEAD,          /* a message whose (final) head is awaited */
    HF_PLACE_BODY,
    HF_PLACE_TAIL,          /* after trailers */
    HF_PLACE_TUNNEL,        /* of CONNECT: DATA alone (RFC 9114 4.4) */
    HF_PLACE_COUNT
} hf_h3_place;

typedef enum hf_h3_verdict {
    HF_H3_ACCEPT,
    HF_H3_SKIP,       /* unknown: passed over (RFC 9114 9) */
    HF_H3_UNEXPECTED, /* H3_FRAME_UNEXPECTED */
    HF_H3_NO_SETTINGS /* H3_MISSING_SETTINGS */
} hf_h3_verdict;

/* `server`: who receives. `push`: the message is on a push stream. */
hf_h3_verdict hf_h3_frame_verdict(hf_h3_place place, uint64_t type, bool server, bool push);

/* A frame's type and length. */
typedef struct hf_h3_frame {
    uint64_t type, length;
    size_t header; /* bytes of the two */
} hf_h3_frame;
/* False: not there yet. */
bool hf_h3_frame_parse(const uint8_t *p, const uint8_t *end, hf_h3_frame *out);

/* ---- settings ----------------------------------------------------------------------------------------------- */

/* RFC 9114 7.2.4.1, RFC 9204 5, RFC 9220 3, RFC 9297 2.1.1 */
enum {
    HF_H3_SETTING_TABLE = 0x1,
    HF_H3_SETTING_SECTION = 0x6,
    HF_H3_SETTING_BLOCKED = 0x7,
    HF_H3_SETTING_CONNECT = 0x8,
    HF_H3_SETTING_DATAGRAM = 0x33
};

typedef struct hf_h3_settings {
    uint64_t table, section, blocked;
    bool connect, datagram;
} hf_h3_settings;
/* The payload of a SETTINGS frame. */
bool hf_h3_settings_parse(hf_bytes payload, hf_h3_settings *out, hf_http3_flaw *flaw);

#endif
