/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames as values (RFC 9000 19, RFC 9221 4): reading and writing, and in which packets each may stand (RFC 9000 12.4).
 */
#ifndef HF_QUIC_FRAME_H
#define HF_QUIC_FRAME_H

#include "quic_wire.h"

/* X(NAME, first type, last type, packets) where packets are I (Initial), H (Handshake), 0 and 1 (0-RTT and 1-RTT). */
#define HF_QUIC_FRAMES(X) \
    X(PADDING, 0x00, 0x00, I | H | Z | A) \
    X(PING, 0x01, 0x01, I | H | Z | A) \
    X(ACK, 0x02, 0x03, I | H | A) \
    X(RESET_STREAM, 0x04, 0x04, Z | A) \
    X(STOP_SENDING, 0x05, 0x05, Z | A) \
    X(CRYPTO, 0x06, 0x06, I | H | A) \
    X(NEW_TOKEN, 0x07, 0x07, A) \
    X(STREAM, 0x08, 0x0f, Z | A) \
    X(MAX_DATA, 0x10, 0x10, Z | A) \
    X(MAX_STREAM_DATA, 0x11, 0x11, Z | A) \
    X(MAX_STREAMS, 0x12, 0x13, Z | A) \
    X(DATA_BLOCKED, 0x14, 0x14, Z | A) \
    X(STREAM_DATA_BLOCKED, 0x15, 0x15, Z | A) \
    X(STREAMS_BLOCKED, 0x16, 0x17, Z | A) \
    X(NEW_CONNECTION_ID, 0x18, 0x18, Z | A) \
    X(RETIRE_CONNECTION_ID, 0x19, 0x19, Z | A) \
    X(PATH_CHALLENGE, 0x1a, 0x1a, Z | A) \
    X(PATH_RESPONSE, 0x1b, 0x1b, A) \
    X(CLOSE, 0x1c, 0x1c, I | H | Z | A) \
    X(CLOSE_APPLICATION, 0x1d, 0x1d, Z | A) \
    X(HANDSHAKE_DONE, 0x1e, 0x1e, A) \
    X(DATAGRAM, 0x30, 0x31, Z | A)

#define HF_NAME(NAME, first, last, packets) HF_FRAME_##NAME,
typedef enum hf_frame_kind { HF_QUIC_FRAMES(HF_NAME) HF_FRAME_COUNT } hf_frame_kind;
#undef HF_NAME

typedef struct hf_frame_ack {
    uint64_t largest, delay; /* as on the wire: not yet shifted */
    uint64_t first;          /* how many precede the largest without a gap */
    hf_bytes more;           /* gap, length, gap, length...: checked */
    bool marks;              /* counts follow */
    uint64_t ect0, ect1, ce;
} hf_frame_ack;

/* One frame. Bytes are lent from the packet. */
typedef struct hf_frame {
    hf_frame_kind kind;
    uint64_t type;
    uint64_t id;     /* stream, sequence number, or count of streams */
    uint64_t offset; /* STREAM, CRYPTO; the limit of MAX_...; the final size of RESET_STREAM; retire prior to */
    uint64_t code;   /* error; the frame type at fault of CLOSE is `offset` */
    hf_bytes bytes;  /* data, token, reason, path data; the connection id of NEW_CONNECTION_ID */
    const uint8_t *reset_token; /* NEW_CONNECTION_ID */
    bool fin, one_way;
    hf_frame_ack ack;
} hf_frame;

/* The next frame; consecutive PADDING is one. HF_ERR_QUIC_FRAME, _FRAME_TYPE. The reader stands behind it. */
hf_err hf_frame_read(hf_reader *r, hf_frame *f);
/* May it stand in such a packet? */
bool hf_frame_fits(hf_frame_kind kind, hf_quic_kind packet);
/* RFC 9002 2: all but ACK, PADDING and CONNECTION_CLOSE. */
bool hf_frame_elicits(hf_frame_kind kind);
/* Static. */
const char *hf_frame_name(hf_frame_kind kind);

/* Walks the ranges of an ACK from the largest down. Start with {0}; false when there is none left. */
typedef struct hf_ack_walk {
    bool begun;
    hf_reader r;
    uint64_t low;
} hf_ack_walk;
bool hf_ack_next(const hf_frame_ack *a, hf_ack_walk *walk, uint64_t *from, uint64_t *to);

/* Each writes one frame; whoever calls has made sure that it fits. STREAM and CRYPTO: the data is written behind the header. */
void hf_frame_write_numbers(hf_writer *w, uint64_t type, const uint64_t *numbers, size_t count);
/* The longest that a STREAM or CRYPTO header gets. */
enum { HF_FRAME_STREAM_HEADER = 1 + 8 + 8 + 2, HF_FRAME_CRYPTO_HEADER = 1 + 8 + 2 };
/* Without `counted` the data reaches to the end of the packet, and the header is hf_frame_stream_header long. */
void hf_frame_write_stream(hf_writer *w, uint64_t id, uint64_t offset, size_t length, bool fin, bool counted);
static inline size_t hf_frame_stream_header(uint64_t id, uint64_t offset)
{
    return 1 + hf_varint_length(id) + (offset > 0 ? hf_varint_length(offset) : 0);
}
void hf_frame_write_crypto(hf_writer *w, uint64_t offset, size_t length);

#endif
