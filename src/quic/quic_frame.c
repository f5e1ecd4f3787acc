/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_frame.h"

#include "panic.h"

enum { I = 1 << HF_QUIC_INITIAL, Z = 1 << HF_QUIC_ZERO_RTT, H = 1 << HF_QUIC_HANDSHAKE, A = 1 << HF_QUIC_SHORT };

static const struct { const char *name; uint8_t first, last, packets; } rows[] = {
#define ROW(NAME, first, last, packets) { #NAME, first, last, packets },
    HF_QUIC_FRAMES(ROW)
#undef ROW
};

bool hf_frame_fits(hf_frame_kind kind, hf_quic_kind packet)
{
    return rows[kind].packets >> packet & 1;
}

bool hf_frame_elicits(hf_frame_kind kind)
{
    return kind != HF_FRAME_ACK && kind != HF_FRAME_PADDING && kind != HF_FRAME_CLOSE && kind != HF_FRAME_CLOSE_APPLICATION;
}

const char *hf_frame_name(hf_frame_kind kind)
{
    return kind < HF_FRAME_COUNT ? rows[kind].name : "unknown";
}

static bool kind_of(uint64_t type, hf_frame_kind *kind)
{
    for (unsigned i = 0; i < HF_COUNT(rows); i++)
        if (type >= rows[i].first && type <= rows[i].last) {
            *kind = (hf_frame_kind)i;
            return true;
        }
    return false;
}

static void read_ack(hf_reader *r, hf_frame_ack *a, bool marks)
{
    a->largest = hf_read_varint(r);
    a->delay = hf_read_varint(r);
    const uint64_t count = hf_read_varint(r);
    a->first = hf_read_varint(r);
    r->bad |= a->first > a->largest;
    uint64_t low = a->largest - a->first;
    const uint8_t *const at = r->at;
    for (uint64_t i = 0; i < count && !r->bad; i++) {
        const uint64_t gap = hf_read_varint(r), length = hf_read_varint(r);
        /* RFC 9000 19.3.1: "If any computed packet number is negative, an endpoint MUST generate a connection error" */
        if (r->bad || gap > low || low - gap < 2 || length > low - gap - 2)
            r->bad = true;
        else
            low -= gap + 2 + length;
    }
    a->more = hf_bytes_make(at, (size_t)(r->at - at));
    a->marks = marks;
    if (marks) {
        a->ect0 = hf_read_varint(r);
        a->ect1 = hf_read_varint(r);
        a->ce = hf_read_varint(r);
    }
}

static void read_new_id(hf_reader *r, hf_frame *f)
{
    f->id = hf_read_varint(r);
    f->offset = hf_read_varint(r);
    const size_t n = (size_t)hf_read_number(r, 1);
    /* RFC 9000 19.15: lengths "less than 1 and greater than 20 are invalid", and a retire prior to above the sequence number */
    r->bad |= n < 1 || n > HF_QUIC_CID_MOST || f->offset > f->id;
    f->bytes = hf_read(r, r->bad ? 0 : n);
    f->reset_token = hf_read(r, HF_QUIC_RESET_TOKEN).ptr;
}

static void read_body(hf_reader *r, hf_frame *f)
{
    switch (f->kind) {
    case HF_FRAME_PADDING:
        while (r->at != r->end && *r->at == 0)
            r->at++;
        break;
    case HF_FRAME_ACK: read_ack(r, &f->ack, f->type == 3); break;
    case HF_FRAME_RESET_STREAM:
        f->id = hf_read_varint(r);
        f->code = hf_read_varint(r);
        f->offset = hf_read_varint(r);
        break;
    case HF_FRAME_STOP_SENDING:
        f->id = hf_read_varint(r);
        f->code = hf_read_varint(r);
        break;
    case HF_FRAME_CRYPTO:
        f->offset = hf_read_varint(r);
        f->bytes = hf_read_counted(r);
        break;
    case HF_FRAME_NEW_TOKEN:
        f->bytes = hf_read_counted(r);
        r->bad |= f->bytes.len == 0;
        break;
    case HF_FRAME_STREAM:
        f->id = hf_read_varint(r);
        f->offset = f->type & 4 ? hf_read_varint(r) : 0;
        f->bytes = f->type & 2 ? hf_read_counted(r) : hf_read(r, hf_reader_left(r));
        f->fin = f->type & 1;
        break;
    case HF_FRAME_MAX_STREAM_DATA: case HF_FRAME_STREAM_DATA_BLOCKED: f->id = hf_read_varint(r); f->offset = hf_read_varint(r); break;
    case HF_FRAME_MAX_DATA: case HF_FRAME_DATA_BLOCKED: f->offset = hf_read_varint(r); break;
    case HF_FRAME_MAX_STREAMS: case HF_FRAME_STREAMS_BLOCKED:
        f->offset = hf_read_varint(r);
        f->one_way = f->type & 1;
        r->bad |= f->offset > UINT64_C(1) << 60; /* RFC 9000 19.11 */
        break;
    case HF_FRAME_NEW_CONNECTION_ID: read_new_id(r, f); break;
    case HF_FRAME_RETIRE_CONNECTION_ID: f->id = hf_read_varint(r); break;
    case HF_FRAME_PATH_CHALLENGE: case HF_FRAME_PATH_RESPONSE: f->bytes = hf_read(r, 8); break;
    case HF_FRAME_CLOSE: case HF_FRAME_CLOSE_APPLICATION:
        f->code = hf_read_varint(r);
        f->offset = f->kind == HF_FRAME_CLOSE ? hf_read_varint(r) : 0;
        f->bytes = hf_read_counted(r);
        break;
    case HF_FRAME_DATAGRAM: f->bytes = f->type & 1 ? hf_read_counted(r) : hf_read(r, hf_reader_left(r)); break;
    default: break; /* PING, HANDSHAKE_DONE: nothing follows */
    }
}

hf_err hf_frame_read(hf_reader *r, hf_frame *f)
{
    memset(f, 0, sizeof *f);
    const uint8_t *const at = r->at;
    f->type = hf_read_varint(r);
    if (r->bad)
        return hf_err_make(HF_ERR_QUIC_FRAME);
    /* RFC 9000 12.4: a frame type MUST use the shortest possible encoding */
    if ((size_t)(r->at - at) != hf_varint_length(f->type) || !kind_of(f->type, &f->kind))
        return hf_err_make(HF_ERR_QUIC_FRAME_TYPE);
    read_body(r, f);
    /* RFC 9000 4.5, 19.6, 19.8: "The largest offset delivered on a stream ... cannot exceed 2^62-1" */
    if (r->bad || ((f->kind == HF_FRAME_STREAM || f->kind == HF_FRAME_CRYPTO) && f->bytes.len > HF_VARINT_MOST - f->offset))
        return hf_err_make(HF_ERR_QUIC_FRAME);
    return HF_OK;
}

bool hf_ack_next(const hf_frame_ack *a, hf_ack_walk *walk, uint64_t *from, uint64_t *to)
{
    if (!walk->begun) {
        *walk = (hf_ack_walk){ true, hf_reader_make(a->more), a->largest - a->first };
        *from = walk->low;
        *to = a->largest + 1;
        return true;
    }
    if (walk->r.at == walk->r.end)
        return false;
    const uint64_t gap = hf_read_varint(&walk->r), length = hf_read_varint(&walk->r);
    *to = walk->low - gap - 1;
    walk->low -= gap + 2 + length;
    *from = walk->low;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

void hf_frame_write_numbers(hf_writer *w, uint64_t type, const uint64_t *numbers, size_t count)
{
    hf_write_varint(w, type);
    for (size_t i = 0; i < count; i++)
        hf_write_varint(w, numbers[i]);
}

void hf_frame_write_stream(hf_writer *w, uint64_t id, uint64_t offset, size_t length, bool fin, bool counted)
{
    hf_write_byte(w, (uint8_t)(0x08 | (counted ? 2 : 0) | (offset > 0 ? 4 : 0) | (fin ? 1 : 0)));
    hf_write_varint(w, id);
    if (offset > 0)
        hf_write_varint(w, offset);
    if (counted)
        hf_write_varint(w, length);
}

void hf_frame_write_crypto(hf_writer *w, uint64_t offset, size_t length)
{
    hf_write_byte(w, 0x06);
    hf_write_varint(w, offset);
    hf_write_varint(w, length);
}
