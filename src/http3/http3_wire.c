/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers, frames, settings; and the table of frames and places.
 */
#include "http3_wire.h"

#include "panic.h"

/* ---- integers ----------------------------------------------------------------------------------------------- */

size_t hf_h3_int_parse(const uint8_t *p, const uint8_t *end, uint64_t *value)
{
    if (p == end)
        return 0;
    const size_t n = (size_t)1 << (*p >> 6);
    if ((size_t)(end - p) < n)
        return 0;
    uint64_t v = *p & 0x3f;
    for (size_t i = 1; i < n; i++)
        v = v << 8 | p[i];
    *value = v;
    return n;
}

size_t hf_h3_int_size(uint64_t value)
{
    return value < 1 << 6 ? 1 : value < 1 << 14 ? 2 : value < 1 << 30 ? 4 : 8;
}

size_t hf_h3_int_write(uint8_t *to, uint64_t value)
{
    HF_ASSERT(value <= HF_H3_INT_MAX);
    const size_t n = hf_h3_int_size(value);
    for (size_t i = n; i > 0; i--, value >>= 8)
        to[i - 1] = (uint8_t)value;
    to[0] |= (uint8_t)(n == 1 ? 0x00 : n == 2 ? 0x40 : n == 4 ? 0x80 : 0xc0);
    return n;
}

/* ---- frames ------------------------------------------------------------------------------------------------- */

bool hf_h3_frame_parse(const uint8_t *p, const uint8_t *end, hf_h3_frame *out)
{
    const size_t type = hf_h3_int_parse(p, end, &out->type);
    const size_t length = type == 0 ? 0 : hf_h3_int_parse(p + type, end, &out->length);
    out->header = type + length;
    return length > 0;
}

/* The columns of the table. */
typedef enum column {
    DATA, HEADERS, CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GOAWAY, MAX_PUSH_ID, PRIORITY, FORMER, UNKNOWN, COLUMNS
} column;

static column column_of(uint64_t type)
{
    switch (type) {
    case HF_H3_DATA: return DATA;
    case HF_H3_HEADERS: return HEADERS;
    case HF_H3_CANCEL_PUSH: return CANCEL_PUSH;
    case HF_H3_SETTINGS: return SETTINGS;
    case HF_H3_PUSH_PROMISE: return PUSH_PROMISE;
    case HF_H3_GOAWAY: return GOAWAY;
    case HF_H3_MAX_PUSH_ID: return MAX_PUSH_ID;
    case HF_H3_PRIORITY_UPDATE: case HF_H3_PRIORITY_UPDATE_PUSH: return PRIORITY;
    /* RFC 9114 7.2.8: "Frame types that were used in HTTP/2 where there is no corresponding HTTP/3 frame have also been
     * reserved ... their receipt MUST be treated as a connection error of type H3_FRAME_UNEXPECTED." */
    case 0x2: case 0x6: case 0x8: case 0x9: return FORMER;
    default: return UNKNOWN;
    }
}

/* RFC 9114 7.2, table 1, with 4.1 and 6.2.1. What only one side may send, the caller sorts out. */
static const uint8_t table[HF_PLACE_COUNT][COLUMNS] = {
#define A HF_H3_ACCEPT
#define U HF_H3_UNEXPECTED
#define S HF_H3_SKIP
#define N HF_H3_NO_SETTINGS
    /*                          DATA HEADERS CANCEL SETTINGS PROMISE GOAWAY MAX_PUSH PRIORITY FORMER UNKNOWN */
    [HF_PLACE_CONTROL_FIRST] = { N,   N,      N,     A,       N,      N,     N,       N,       N,     N },
    [HF_PLACE_CONTROL]       = { U,   U,      A,     U,       U,      A,     A,       A,       U,     S },
    [HF_PLACE_HEAD]          = { U,   A,      U,     U,       A,      U,     U,       U,       U,     S },
    [HF_PLACE_BODY]          = { A,   A,      U,     U,       A,      U,     U,       U,       U,     S },
    [HF_PLACE_TAIL]          = { U,   U,      U,     U,       A,      U,     U,       U,       U,     S },
    [HF_PLACE_TUNNEL]        = { A,   U,      U,     U,       U,      U,     U,       U,       U,     S },
#undef A
#undef U
#undef S
#undef N
};

hf_h3_verdict hf_h3_frame_verdict(hf_h3_place place, uint64_t type, bool server, bool push)
{
    const column c = column_of(type);
    const hf_h3_verdict v = (hf_h3_verdict)table[place][c];
    /* RFC 9114 7.2.5, 7.2.7; RFC 9218 7.2 */
    const bool from_server_only = c == PUSH_PROMISE, from_client_only = c == MAX_PUSH_ID || c == PRIORITY;
    if (v == HF_H3_ACCEPT && ((from_server_only && (server || push)) || (from_client_only && !server)))
        return HF_H3_UNEXPECTED;
    return v;
}

/* ---- settings ----------------------------------------------------------------------------------------------- */

static bool wrong(hf_http3_flaw *flaw, int32_t code, const uint8_t *at, const char *wanted)
{
    *flaw = (hf_http3_flaw){ code, at, wanted };
    return false;
}

static bool apply(hf_h3_settings *s, uint64_t id, uint64_t value, const uint8_t *at, hf_http3_flaw *flaw)
{
    switch (id) {
    case HF_H3_SETTING_TABLE: s->table = value; return true;
    case HF_H3_SETTING_SECTION: s->section = value; return true;
    case HF_H3_SETTING_BLOCKED: s->blocked = value; return true;
    case HF_H3_SETTING_CONNECT:
        s->connect = value == 1;
        return value <= 1 || wrong(flaw, HF_ERR_HTTP3_SETTINGS, at, "0 or 1");
    case HF_H3_SETTING_DATAGRAM:
        s->datagram = value == 1;
        return value <= 1 || wrong(flaw, HF_ERR_HTTP3_SETTINGS, at, "0 or 1");
    case 0x0: case 0x2: case 0x3: case 0x4: case 0x5: /* RFC 9114 7.2.4.1, 11.2.2: those of HTTP/2 */
        return wrong(flaw, HF_ERR_HTTP3_SETTINGS, at, "no setting of HTTP/2");
    default: return true;
    }
}

/* RFC 9114 7.2.4: "The same setting identifier MUST NOT occur more than once in the SETTINGS frame." */
static bool came_before(const uint8_t *p, const uint8_t *end, uint64_t id)
{
    uint64_t other = 0, value;
    while (p < end) {
        p += hf_h3_int_parse(p, end, &other);
        p += hf_h3_int_parse(p, end, &value);
        if (other == id)
            return true;
    }
    return false;
}

bool hf_h3_settings_parse(hf_bytes payload, hf_h3_settings *out, hf_http3_flaw *flaw)
{
    *out = (hf_h3_settings){ .section = HF_H3_INT_MAX };
    const uint8_t *p = payload.ptr, *const end = p + payload.len;
    while (p < end) {
        const uint8_t *const at = p;
        uint64_t id, value;
        const size_t first = hf_h3_int_parse(p, end, &id);
        const size_t second = first == 0 ? 0 : hf_h3_int_parse(p + first, end, &value);
        if (second == 0)
            return wrong(flaw, HF_ERR_HTTP3_FRAME, at, "whole settings");
        if (came_before(payload.ptr, at, id))
            return wrong(flaw, HF_ERR_HTTP3_SETTINGS, at, "each setting once");
        if (!apply(out, id, value, at, flaw))
            return false;
        p += first + second;
    }
    return true;
}
