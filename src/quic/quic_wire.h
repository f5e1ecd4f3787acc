/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire of QUIC as values (RFC 8999, RFC 9000 16 and 17): numbers of variable length, packet headers, packet numbers.
 * No state.
 */
#ifndef HF_QUIC_WIRE_H
#define HF_QUIC_WIRE_H

#include <handfast/quic.h>

#include "text.h"
#include "tls_handshake.h"

enum {
    HF_QUIC_TAG = 16,
    HF_QUIC_SAMPLE_AT = 4,      /* bytes behind the start of the packet number, as if that had four (RFC 9001 5.4.2) */
    HF_QUIC_RESET_TOKEN = 16,
    HF_QUIC_RESET_LEAST = 21,   /* bytes of a stateless reset (RFC 9000 10.3) */
    HF_QUIC_CLIENT_CID_LEAST = 8 /* of the first DCID (RFC 9000 7.2) */
};
#define HF_VARINT_MOST ((UINT64_C(1) << 62) - 1)

typedef struct hf_cid {
    uint8_t length;
    uint8_t bytes[HF_QUIC_CID_MOST];
} hf_cid;

static inline bool hf_cid_equal(const hf_cid *a, const hf_cid *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}
static inline hf_bytes hf_cid_bytes(const hf_cid *c)
{
    return hf_bytes_make(c->bytes, c->length);
}
/* `b` has at most HF_QUIC_CID_MOST bytes. */
hf_cid hf_cid_make(hf_bytes b);

/* ---- numbers ------------------------------------------------------------------------------------------------ */

static inline size_t hf_varint_length(uint64_t n)
{
    return n < 64 ? 1 : n < 16384 ? 2 : n < 1073741824 ? 4 : 8;
}
uint64_t hf_read_varint(hf_reader *r);
/* A run whose length stands before it. */
hf_bytes hf_read_counted(hf_reader *r);
void hf_write_varint(hf_writer *w, uint64_t n);
/* In two bytes, whatever n < 16384 is: for lengths that are known later. */
void hf_put_varint2(uint8_t *at, size_t n);

/* ---- packets ------------------------------------------------------------------------------------------------ */

typedef enum hf_quic_kind {
    HF_QUIC_INITIAL, HF_QUIC_ZERO_RTT, HF_QUIC_HANDSHAKE, HF_QUIC_RETRY, /* the wire's numbers in version 1 */
    HF_QUIC_SHORT, HF_QUIC_NEGOTIATION, HF_QUIC_OTHER /* OTHER: a long header of a version we do not speak */
} hf_quic_kind;

/* What can be read without keys. Everything lends the datagram. */
typedef struct hf_quic_header {
    hf_quic_kind kind;
    uint32_t version;
    hf_cid dcid, scid;
    hf_bytes token;      /* INITIAL, RETRY */
    hf_bytes versions;   /* NEGOTIATION */
    size_t number_at;    /* where the packet number begins; 0 where there is none */
    size_t length;       /* of the whole packet, in bytes of the datagram */
} hf_quic_header;

static inline bool hf_quic_speaks(uint32_t version)
{
    return version == HF_QUIC_V1 || version == HF_QUIC_V2;
}

/* The packet at the front of `datagram`; `local` is the length of our connection ids (short headers do not tell it).
 * HF_ERR_QUIC_HEADER when it is none. */
hf_err hf_quic_header_read(hf_bytes datagram, size_t local, hf_quic_header *h);

/* How many bytes of `number` must be sent when `acked` is the largest acknowledged (UINT64_MAX: none): RFC 9000 A.2. */
unsigned hf_quic_number_length(uint64_t number, uint64_t acked);
/* RFC 9000 A.3: `next` is the largest received plus one. */
uint64_t hf_quic_number_decode(uint64_t next, uint64_t truncated, unsigned length);

/* Writes a long header of `version` up to where the packet number begins, with a length of two bytes still to be put at *length_at. */
void hf_quic_write_long(hf_writer *w, uint32_t version, hf_quic_kind kind, unsigned number_length, const hf_cid *dcid, const hf_cid *scid, hf_bytes token,
                        size_t *length_at);
void hf_quic_write_negotiation(hf_writer *w, const hf_cid *dcid, const hf_cid *scid, uint32_t greased);

#endif
