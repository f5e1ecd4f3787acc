/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_wire.h"

#include "panic.h"

hf_cid hf_cid_make(hf_bytes b)
{
    hf_cid c = { 0 };
    HF_ASSERT(b.len <= HF_QUIC_CID_MOST);
    c.length = (uint8_t)b.len;
    if (b.len > 0)
        memcpy(c.bytes, b.ptr, b.len);
    return c;
}

/* ---- numbers ------------------------------------------------------------------------------------------------ */

uint64_t hf_read_varint(hf_reader *r)
{
    if (hf_reader_left(r) == 0 || hf_reader_left(r) < (size_t)1 << (*r->at >> 6)) {
        r->bad = true;
        r->at = r->end;
        return 0;
    }
    const unsigned length = 1u << (*r->at >> 6);
    uint64_t n = *r->at++ & 0x3f;
    for (unsigned i = 1; i < length; i++)
        n = n << 8 | *r->at++;
    return n;
}

hf_bytes hf_read_counted(hf_reader *r)
{
    const uint64_t n = hf_read_varint(r);
    if (n > hf_reader_left(r)) {
        r->bad = true;
        r->at = r->end;
        return hf_bytes_make(NULL, 0);
    }
    return hf_read(r, (size_t)n);
}

void hf_write_varint(hf_writer *w, uint64_t n)
{
    const size_t length = hf_varint_length(n);
    uint8_t bytes[8];
    HF_ASSERT(n <= HF_VARINT_MOST);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(n >> 8 * (length - 1 - i));
    bytes[0] |= (uint8_t)(length == 1 ? 0 : length == 2 ? 0x40 : length == 4 ? 0x80 : 0xc0);
    hf_write(w, hf_bytes_make(bytes, length));
}

void hf_put_varint2(uint8_t *at, size_t n)
{
    HF_ASSERT(n < 16384);
    at[0] = (uint8_t)(0x40 | n >> 8);
    at[1] = (uint8_t)n;
}

/* ---- packets ------------------------------------------------------------------------------------------------ */

static hf_cid read_cid(hf_reader *r)
{
    const size_t n = (size_t)hf_read_number(r, 1);
    if (n > HF_QUIC_CID_MOST || n > hf_reader_left(r)) {
        r->bad = true;
        return (hf_cid){ 0 };
    }
    return hf_cid_make(hf_read(r, n));
}

static hf_err read_short(hf_bytes datagram, size_t local, hf_quic_header *h)
{
    if (datagram.len < 1 + local)
        return hf_err_make(HF_ERR_QUIC_HEADER);
    h->kind = HF_QUIC_SHORT;
    h->dcid = hf_cid_make(hf_bytes_make(datagram.ptr + 1, local));
    h->number_at = 1 + local;
    h->length = datagram.len;
    return HF_OK;
}

/* RFC 9369 3.2: the types are one further than in version 1, so that nobody on the way takes them for granted. */
static unsigned type_shift(uint32_t version)
{
    return version == HF_QUIC_V2 ? 1 : 0;
}

hf_err hf_quic_header_read(hf_bytes datagram, size_t local, hf_quic_header *h)
{
    *h = (hf_quic_header){ 0 };
    if (datagram.len == 0)
        return hf_err_make(HF_ERR_QUIC_HEADER);
    const uint8_t first = datagram.ptr[0];
    if (!(first & 0x80))
        return read_short(datagram, local, h);
    hf_reader r = hf_reader_make(datagram);
    (void)hf_read(&r, 1);
    h->version = (uint32_t)hf_read_number(&r, 4);
    h->dcid = read_cid(&r);
    h->scid = read_cid(&r);
    h->length = datagram.len;
    if (r.bad)
        return hf_err_make(HF_ERR_QUIC_HEADER);
    if (h->version == 0) {
        h->kind = HF_QUIC_NEGOTIATION;
        h->versions = hf_bytes_make(r.at, hf_reader_left(&r));
        return h->versions.len > 0 && h->versions.len % 4 == 0 ? HF_OK : hf_err_make(HF_ERR_QUIC_HEADER);
    }
    h->kind = !hf_quic_speaks(h->version) ? HF_QUIC_OTHER : (hf_quic_kind)(((first >> 4) - type_shift(h->version)) & 3);
    if (h->kind == HF_QUIC_OTHER)
        return HF_OK;
    if (h->kind == HF_QUIC_RETRY) {
        if (hf_reader_left(&r) < HF_QUIC_TAG)
            return hf_err_make(HF_ERR_QUIC_HEADER);
        h->token = hf_bytes_make(r.at, hf_reader_left(&r) - HF_QUIC_TAG);
        return HF_OK;
    }
    if (h->kind == HF_QUIC_INITIAL)
        h->token = hf_read_counted(&r);
    const uint64_t length = hf_read_varint(&r);
    h->number_at = (size_t)(r.at - datagram.ptr);
    if (r.bad || length > hf_reader_left(&r))
        return hf_err_make(HF_ERR_QUIC_HEADER);
    h->length = h->number_at + (size_t)length;
    return HF_OK;
}

unsigned hf_quic_number_length(uint64_t number, uint64_t acked)
{
    const uint64_t range = acked == UINT64_MAX ? number + 1 : number - acked;
    HF_ASSERT(acked == UINT64_MAX || number > acked);
    return range < 1u << 7 ? 1 : range < 1u << 15 ? 2 : range < 1u << 23 ? 3 : 4;
}

uint64_t hf_quic_number_decode(uint64_t next, uint64_t truncated, unsigned length)
{
    const uint64_t window = UINT64_C(1) << 8 * length, half = window / 2;
    const uint64_t candidate = (next & ~(window - 1)) | truncated;
    if (candidate + half <= next && candidate < (UINT64_C(1) << 62) - window)
        return candidate + window;
    if (candidate > next + half && candidate >= window)
        return candidate - window;
    return candidate;
}

static void write_cid(hf_writer *w, const hf_cid *c)
{
    hf_write_byte(w, c->length);
    hf_write(w, hf_cid_bytes(c));
}

void hf_quic_write_long(hf_writer *w, uint32_t version, hf_quic_kind kind, unsigned number_length, const hf_cid *dcid, const hf_cid *scid, hf_bytes token,
                        size_t *length_at)
{
    hf_write_byte(w, (uint8_t)(0xc0 | (((unsigned)kind + type_shift(version)) & 3) << 4 | (number_length - 1)));
    hf_write_number(w, version, 4);
    write_cid(w, dcid);
    write_cid(w, scid);
    if (kind == HF_QUIC_INITIAL) {
        hf_write_varint(w, token.len);
        hf_write(w, token);
    }
    *length_at = w->length;
    hf_write_number(w, 0, 2);
}

void hf_quic_write_negotiation(hf_writer *w, const hf_cid *dcid, const hf_cid *scid, uint32_t greased)
{
    hf_write_byte(w, (uint8_t)(0xc0 | (greased >> 16 & 0x3f))); /* RFC 9000 17.2.1: seven bits that mean nothing */
    hf_write_number(w, 0, 4);
    write_cid(w, dcid);
    write_cid(w, scid);
    hf_write_number(w, HF_QUIC_V1, 4);
    hf_write_number(w, HF_QUIC_V2, 4);
    hf_write_number(w, (greased & 0xf0f0f0f0u) | 0x0a0a0a0au, 4); /* RFC 9000 15: reserved to force version negotiation */
}
