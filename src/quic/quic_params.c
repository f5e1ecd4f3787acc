/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_params.h"

enum {
    ORIGINAL = 0x00, IDLE = 0x01, RESET_TOKEN = 0x02, PAYLOAD = 0x03, DATA = 0x04, STREAM_LOCAL = 0x05, STREAM_REMOTE = 0x06,
    STREAM_ONE_WAY = 0x07, STREAMS = 0x08, ONE_WAY_STREAMS = 0x09, ACK_EXPONENT = 0x0a, ACK_DELAY = 0x0b, NO_MIGRATION = 0x0c,
    PREFERRED = 0x0d, CIDS = 0x0e, INITIAL = 0x0f, RETRY = 0x10, VERSIONS = 0x11, DATAGRAM = 0x20, GREASE_BIT = 0x2ab2
};

void hf_quic_params_init(hf_quic_params *p)
{
    *p = (hf_quic_params){ .payload_most = 65527, .ack_exponent = 3, .ack_delay_ms = 25, .cids = 2 };
}

hf_quic_terms hf_quic_terms_of(const hf_quic_params *p)
{
    return (hf_quic_terms){
        .idle_ms = p->idle_ms, .data = p->data, .stream_local = p->stream_local, .stream_remote = p->stream_remote,
        .stream_one_way = p->stream_one_way, .streams = p->streams, .one_way_streams = p->one_way_streams, .ack_delay_ms = p->ack_delay_ms,
        .cids = p->cids, .datagram_most = p->datagram_most, .chosen = p->chosen,
        .payload_most = (uint16_t)(p->payload_most < UINT16_MAX ? p->payload_most : UINT16_MAX), .ack_exponent = (uint8_t)p->ack_exponent,
        .no_migration = p->no_migration };
}

static uint64_t *number_of(hf_quic_params *p, uint64_t id)
{
    switch (id) {
    case IDLE: return &p->idle_ms;
    case PAYLOAD: return &p->payload_most;
    case DATA: return &p->data;
    case STREAM_LOCAL: return &p->stream_local;
    case STREAM_REMOTE: return &p->stream_remote;
    case STREAM_ONE_WAY: return &p->stream_one_way;
    case STREAMS: return &p->streams;
    case ONE_WAY_STREAMS: return &p->one_way_streams;
    case ACK_EXPONENT: return &p->ack_exponent;
    case ACK_DELAY: return &p->ack_delay_ms;
    case CIDS: return &p->cids;
    case DATAGRAM: return &p->datagram_most;
    default: return NULL;
    }
}

static bool read_cid(hf_bytes value, hf_cid *cid, bool *has)
{
    if (value.len > HF_QUIC_CID_MOST)
        return false;
    *cid = hf_cid_make(value);
    *has = true;
    return true;
}

/* An IPv4 address is in here as ::ffff:a.b.c.d. */
enum { MAPPED = 12 };
static const uint8_t mapped[MAPPED] = { [10] = 0xff, 0xff };

static void read_address(hf_reader *r, size_t length, hf_quic_address *a)
{
    static const uint8_t nowhere[16];
    const hf_bytes ip = hf_read(r, length);
    const uint16_t port = (uint16_t)hf_read_number(r, 2);
    /* RFC 9000 18.2: "by sending an all-zero address and port ... for the other family" */
    if (r->bad || memcmp(ip.ptr, nowhere, length) == 0)
        return;
    memcpy(a->ip, mapped, MAPPED);
    memcpy(a->ip + 16 - length, ip.ptr, length);
    a->port = port;
}

/* RFC 9000 18.2: address and port of both families, a connection id, a token. */
static bool read_preferred(hf_bytes value, hf_quic_params *p)
{
    hf_reader r = hf_reader_make(value);
    read_address(&r, 4, &p->preferred.at[0]);
    read_address(&r, 16, &p->preferred.at[1]);
    const hf_bytes cid = hf_read_vector(&r, 1);
    const hf_bytes token = hf_read(&r, HF_QUIC_RESET_TOKEN);
    if (!hf_reader_done(&r) || cid.len < 1 || cid.len > HF_QUIC_CID_MOST)
        return false;
    p->has_preferred = true;
    p->preferred.cid = hf_cid_make(cid);
    memcpy(p->preferred.reset_token, token.ptr, HF_QUIC_RESET_TOKEN);
    return true;
}

static void write_preferred(hf_writer *w, const hf_quic_preferred *p)
{
    hf_write_varint(w, PREFERRED);
    hf_write_varint(w, 4 + 2 + 16 + 2 + 1 + p->cid.length + HF_QUIC_RESET_TOKEN);
    hf_write(w, hf_bytes_make(p->at[0].ip + MAPPED, 4));
    hf_write_number(w, p->at[0].port, 2);
    hf_write(w, hf_bytes_make(p->at[1].ip, 16));
    hf_write_number(w, p->at[1].port, 2);
    hf_write_byte(w, p->cid.length);
    hf_write(w, hf_cid_bytes(&p->cid));
    hf_write(w, hf_bytes_make(p->reset_token, HF_QUIC_RESET_TOKEN));
}

/* RFC 9368 3: the version in use, then those that could be. "If ... any of the versions ... is equal to zero" it is an error. */
static bool read_versions(hf_bytes value, hf_quic_params *p)
{
    hf_reader r = hf_reader_make(value);
    p->chosen = (uint32_t)hf_read_number(&r, 4);
    bool good = value.len % 4 == 0 && p->chosen != 0;
    while (r.at != r.end && good) {
        const uint64_t version = hf_read_number(&r, 4);
        good = version != 0;
        p->speaks_1 |= version == HF_QUIC_V1;
        p->speaks_2 |= version == HF_QUIC_V2;
    }
    return good && !r.bad;
}

static bool read_one(hf_quic_params *p, uint64_t id, hf_bytes value)
{
    uint64_t *const number = number_of(p, id);
    if (number != NULL) {
        hf_reader r = hf_reader_make(value);
        *number = hf_read_varint(&r);
        return hf_reader_done(&r);
    }
    switch (id) {
    case ORIGINAL: return read_cid(value, &p->original, &p->has_original);
    case INITIAL: return read_cid(value, &p->initial, &p->has_initial);
    case RETRY: return read_cid(value, &p->retry, &p->has_retry);
    case RESET_TOKEN:
        if (value.len != HF_QUIC_RESET_TOKEN)
            return false;
        memcpy(p->reset_token, value.ptr, HF_QUIC_RESET_TOKEN);
        p->has_reset_token = true;
        return true;
    case NO_MIGRATION: p->no_migration = true; return value.len == 0;
    case GREASE_BIT: p->grease_bit = true; return value.len == 0;
    case PREFERRED: return read_preferred(value, p);
    case VERSIONS: return read_versions(value, p);
    default: return true; /* RFC 9000 7.4.2: "An endpoint MUST ignore transport parameters that it does not support" */
    }
}

static bool only_of_server(uint64_t id)
{
    return id == ORIGINAL || id == RESET_TOKEN || id == PREFERRED || id == RETRY;
}

hf_err hf_quic_params_read(hf_bytes bytes, bool from_server, hf_quic_params *p, const char **wanted)
{
    const hf_err bad = hf_err_make(HF_ERR_QUIC_PARAMETERS);
    hf_reader r = hf_reader_make(bytes);
    uint64_t seen = 0; /* of the ids below 64, which are all that we know but one */
    bool grease = false;
    hf_quic_params_init(p);
    while (r.at != r.end && !r.bad) {
        const uint64_t id = hf_read_varint(&r);
        const hf_bytes value = hf_read_counted(&r);
        *wanted = "parameters with id, length and value, each once";
        if (r.bad || (id < 64 && seen >> id & 1) || (id == GREASE_BIT && grease))
            return bad;
        seen |= id < 64 ? UINT64_C(1) << id : 0;
        grease |= id == GREASE_BIT;
        *wanted = "parameters that a client may send";
        if (!from_server && only_of_server(id))
            return bad;
        *wanted = "a value of the parameter's form";
        if (!read_one(p, id, value))
            return bad;
    }
    /* RFC 9000 18.2: the bounds of each; 4.6: MAX_STREAMS of at most 2^60 */
    *wanted = "values within their bounds (RFC 9000 18.2)";
    if (p->payload_most < HF_QUIC_DATAGRAM_LEAST || p->ack_exponent > 20 || p->ack_delay_ms >= 1 << 14 || p->cids < 2 ||
        p->streams > UINT64_C(1) << 60 || p->one_way_streams > UINT64_C(1) << 60)
        return bad;
    return HF_OK;
}

static void write_number(hf_writer *w, uint64_t id, uint64_t n)
{
    hf_write_varint(w, id);
    hf_write_varint(w, hf_varint_length(n));
    hf_write_varint(w, n);
}

static void write_bytes(hf_writer *w, uint64_t id, hf_bytes b)
{
    hf_write_varint(w, id);
    hf_write_varint(w, b.len);
    hf_write(w, b);
}

void hf_quic_params_write(hf_writer *w, const hf_quic_params *p)
{
    static const uint64_t ids[] = { IDLE, PAYLOAD, DATA, STREAM_LOCAL, STREAM_REMOTE, STREAM_ONE_WAY, STREAMS, ONE_WAY_STREAMS,
                                    ACK_EXPONENT, ACK_DELAY, CIDS, DATAGRAM };
    hf_quic_params usual, given = *p;
    hf_quic_params_init(&usual);
    for (size_t i = 0; i < HF_COUNT(ids); i++)
        if (*number_of(&given, ids[i]) != *number_of(&usual, ids[i]))
            write_number(w, ids[i], *number_of(&given, ids[i]));
    if (p->has_original)
        write_bytes(w, ORIGINAL, hf_cid_bytes(&p->original));
    if (p->has_initial)
        write_bytes(w, INITIAL, hf_cid_bytes(&p->initial));
    if (p->has_retry)
        write_bytes(w, RETRY, hf_cid_bytes(&p->retry));
    if (p->has_reset_token)
        write_bytes(w, RESET_TOKEN, hf_bytes_make(p->reset_token, HF_QUIC_RESET_TOKEN));
    if (p->has_preferred)
        write_preferred(w, &p->preferred);
    if (p->chosen != 0) {
        hf_write_varint(w, VERSIONS);
        hf_write_varint(w, 4 + 4 * (p->speaks_1 + 0u) + 4 * (p->speaks_2 + 0u));
        hf_write_number(w, p->chosen, 4);
        if (p->speaks_2)
            hf_write_number(w, HF_QUIC_V2, 4);
        if (p->speaks_1)
            hf_write_number(w, HF_QUIC_V1, 4);
    }
    if (p->no_migration)
        write_bytes(w, NO_MIGRATION, hf_bytes_make(NULL, 0));
    if (p->grease_bit)
        write_bytes(w, GREASE_BIT, hf_bytes_make(NULL, 0));
}
