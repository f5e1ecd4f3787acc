/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_wire.h"

enum { PCAP_HEADER = 24, PCAP_RECORD = 16, NG_SECTION = 0x0a0d0d0a, NG_INTERFACE = 1, NG_SIMPLE = 3, NG_PACKET = 6, NG_ORDER = 0x1a2b3c4d, OPTION_RESOLUTION = 9 };
enum { LINK_NULL = 0, LINK_ETHERNET = 1, LINK_RAW = 101, LINK_LOOP = 108, LINK_SLL = 113, LINK_IPV4 = 228, LINK_IPV6 = 229, LINK_SLL2 = 276 };

static const uint64_t second = 1000000000;

static uint16_t big16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* In the order of the machine that wrote the file; swapped: little endian. */
static uint32_t read32(const hf_capture_file *f, const uint8_t *p)
{
    return f->swapped ? (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0] : big32(p);
}

static uint16_t read16(const hf_capture_file *f, const uint8_t *p)
{
    return f->swapped ? (uint16_t)(p[1] << 8 | p[0]) : big16(p);
}

static hf_bytes rest_of(hf_bytes b, size_t n)
{
    return hf_bytes_make(b.ptr + n, b.len - n);
}

static int64_t to_ns(uint64_t units, uint64_t per_s)
{
    const uint64_t s = units / per_s, part = units % per_s;
    return s >= INT64_MAX / second ? INT64_MAX : (int64_t)(s * second + (uint64_t)((double)part * (double)second / (double)per_s));
}

/* ---- pcap ----------------------------------------------------------------------------------------------------- */

bool hf_capture_open(hf_capture_file *f, hf_bytes file)
{
    *f = (hf_capture_file){ .rest = file };
    if (file.len < 4)
        return false;
    const uint32_t magic = big32(file.ptr);
    f->ng = magic == NG_SECTION;
    if (f->ng)
        return true;
    f->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
    if (!f->swapped && magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)
        return false;
    if (file.len < PCAP_HEADER) {
        f->cut = true;
        f->rest.len = 0;
        return true;
    }
    const bool nano = read32(f, file.ptr) == 0xa1b23c4d;
    f->links[f->link_count++] = (hf_capture_link){ .type = (uint16_t)(read32(f, file.ptr + 20) & 0xffff), .per_s = nano ? second : 1000000 };
    f->rest = rest_of(file, PCAP_HEADER);
    return true;
}

static bool next_record(hf_capture_file *f, hf_capture_packet *p)
{
    if (f->rest.len == 0)
        return false;
    const uint32_t kept = f->rest.len >= PCAP_RECORD ? read32(f, f->rest.ptr + 8) : 0;
    if (f->rest.len < PCAP_RECORD || kept > f->rest.len - PCAP_RECORD) {
        f->cut = true;
        return false;
    }
    const uint8_t *const at = f->rest.ptr;
    *p = (hf_capture_packet){ .ns = (int64_t)(read32(f, at) * second) + to_ns(read32(f, at + 4), f->links[0].per_s), .link = f->links[0].type,
        .bytes = hf_bytes_make(at + PCAP_RECORD, kept), .length = read32(f, at + 12) };
    f->rest = rest_of(f->rest, PCAP_RECORD + kept);
    return true;
}

/* ---- pcapng --------------------------------------------------------------------------------------------------- */

/* if_tsresol: the high bit says that it is a power of 2, not of 10. */
static uint64_t resolution_of(const hf_capture_file *f, hf_bytes options)
{
    while (options.len >= 4) {
        const uint16_t code = read16(f, options.ptr), length = read16(f, options.ptr + 2);
        const size_t padded = ((size_t)length + 3) & ~(size_t)3;
        if (code == 0 || padded > options.len - 4)
            break;
        if (code == OPTION_RESOLUTION && length >= 1) {
            const uint8_t r = options.ptr[4], power = r & 0x7f;
            uint64_t n = 1;
            if ((r & 0x80) != 0)
                return power < 63 ? (uint64_t)1 << power : 1000000;
            for (uint8_t i = 0; i < power && i < 18; i++)
                n *= 10;
            return n;
        }
        options = rest_of(options, 4 + padded);
    }
    return 1000000;
}

static void take_interface(hf_capture_file *f, hf_bytes body)
{
    if (body.len >= 8 && f->link_count < HF_CAPTURE_LINKS)
        f->links[f->link_count++] = (hf_capture_link){ .type = read16(f, body.ptr), .per_s = resolution_of(f, rest_of(body, 8)) };
}

static bool take_packet(const hf_capture_file *f, hf_bytes body, hf_capture_packet *p)
{
    if (body.len < 20)
        return false;
    const uint32_t link = read32(f, body.ptr), kept = read32(f, body.ptr + 12);
    if (link >= f->link_count || kept > body.len - 20)
        return false;
    const uint64_t units = (uint64_t)read32(f, body.ptr + 4) << 32 | read32(f, body.ptr + 8);
    *p = (hf_capture_packet){ .ns = to_ns(units, f->links[link].per_s), .link = f->links[link].type, .bytes = hf_bytes_make(body.ptr + 20, kept), .length = read32(f, body.ptr + 16) };
    return true;
}

static bool take_simple(const hf_capture_file *f, hf_bytes body, hf_capture_packet *p)
{
    if (body.len < 4 || f->link_count == 0)
        return false;
    const uint32_t length = read32(f, body.ptr);
    *p = (hf_capture_packet){ .link = f->links[0].type, .bytes = hf_bytes_make(body.ptr + 4, length < body.len - 4 ? length : body.len - 4), .length = length };
    return true;
}

static bool next_block(hf_capture_file *f, hf_capture_packet *p)
{
    while (f->rest.len > 0) {
        const uint8_t *const at = f->rest.ptr;
        const bool section = f->rest.len >= 12 && big32(at) == NG_SECTION;
        if (section) { /* which says anew in which order it is written, and has interfaces of its own */
            f->swapped = big32(at + 8) != NG_ORDER;
            f->link_count = 0;
        }
        const uint32_t length = f->rest.len >= 12 ? read32(f, at + 4) : 0;
        if (length < 12 || length % 4 != 0 || length > f->rest.len || (section && read32(f, at + 8) != NG_ORDER)) {
            f->cut = true;
            f->rest.len = 0;
            return false;
        }
        const uint32_t type = read32(f, at);
        const hf_bytes body = hf_bytes_make(at + 8, length - 12);
        f->rest = rest_of(f->rest, length);
        if (type == NG_INTERFACE && !section)
            take_interface(f, body);
        else if (type == NG_PACKET && take_packet(f, body, p))
            return true;
        else if (type == NG_SIMPLE && take_simple(f, body, p))
            return true;
    }
    return false;
}

bool hf_capture_next(hf_capture_file *f, hf_capture_packet *p)
{
    return f->ng ? next_block(f, p) : next_record(f, p);
}

/* ---- packets -------------------------------------------------------------------------------------------------- */

/* Behind the link's header: an IP packet. len 0: it is none. */
static hf_bytes skip_link(const hf_capture_packet *p)
{
    const hf_bytes none = { p->bytes.ptr, 0 };
    size_t n = 0;
    switch (p->link) {
    case LINK_NULL:
    case LINK_LOOP: n = 4; break;
    case LINK_RAW:
    case LINK_IPV4:
    case LINK_IPV6: break;
    case LINK_SLL: n = 16; break;
    case LINK_SLL2: n = 20; break;
    case LINK_ETHERNET:
        n = 14;
        while (p->bytes.len >= n + 4 && (big16(p->bytes.ptr + n - 2) == 0x8100 || big16(p->bytes.ptr + n - 2) == 0x88a8)) /* 802.1Q tags */
            n += 4;
        if (p->bytes.len < n || (big16(p->bytes.ptr + n - 2) != HF_ETHERNET_IPV4 && big16(p->bytes.ptr + n - 2) != HF_ETHERNET_IPV6))
            return none;
        break;
    default: return none;
    }
    return p->bytes.len > n ? rest_of(p->bytes, n) : none;
}

/* An IP header read as far as it goes: what follows, its protocol, and its length as the header says. */
typedef struct inner {
    hf_bytes bytes;
    uint8_t protocol;
    uint32_t length;
} inner;

static bool read_ip4(hf_bytes b, hf_capture_segment *s, inner *in)
{
    const size_t header = b.len >= 20 ? (size_t)(b.ptr[0] & 15) * 4 : 0;
    if (header < 20 || header > b.len || (big16(b.ptr + 6) & 0x1fff) != 0)
        return false;
    const uint32_t total = big16(b.ptr + 2);
    s->from = hf_ip_make4(b.ptr[12], b.ptr[13], b.ptr[14], b.ptr[15]);
    s->to = hf_ip_make4(b.ptr[16], b.ptr[17], b.ptr[18], b.ptr[19]);
    /* 0: the card cuts it up later (TSO), and the capture saw it before */
    *in = (inner){ .bytes = rest_of(b, header), .protocol = b.ptr[9], .length = total >= header ? total - (uint32_t)header : (uint32_t)(b.len - header) };
    return true;
}

static bool read_ip6(hf_bytes b, hf_capture_segment *s, inner *in)
{
    if (b.len < 40)
        return false;
    const uint32_t payload = big16(b.ptr + 4);
    memcpy(s->from.bytes, b.ptr + 8, 16);
    memcpy(s->to.bytes, b.ptr + 24, 16);
    *in = (inner){ .bytes = rest_of(b, 40), .protocol = b.ptr[6], .length = payload > 0 ? payload : (uint32_t)(b.len - 40) };
    while ((in->protocol == 0 || in->protocol == 43 || in->protocol == 60) && in->bytes.len >= 8) { /* hop-by-hop, routing, destination options */
        const size_t n = ((size_t)in->bytes.ptr[1] + 1) * 8;
        if (n > in->bytes.len || n > in->length)
            return false;
        in->protocol = in->bytes.ptr[0];
        in->bytes = rest_of(in->bytes, n);
        in->length -= (uint32_t)n;
    }
    return true;
}

static bool read_tcp(const inner *in, hf_capture_segment *s)
{
    const uint8_t *const t = in->bytes.ptr;
    const size_t header = in->bytes.len >= 20 ? (size_t)(t[12] >> 4) * 4 : 0;
    if (header < 20 || header > in->length)
        return false;
    s->seq = big32(t + 4);
    s->ack = big32(t + 8);
    s->window = big16(t + 14);
    s->fin = (t[13] & 1) != 0;
    s->syn = (t[13] & 2) != 0;
    s->rst = (t[13] & 4) != 0;
    s->has_ack = (t[13] & 16) != 0;
    s->length = in->length - (uint32_t)header;
    s->payload = header < in->bytes.len ? rest_of(in->bytes, header) : hf_bytes_make(t, 0);
    return true;
}

bool hf_capture_segment_read(const hf_capture_packet *p, hf_capture_segment *s)
{
    const hf_bytes packet = skip_link(p);
    inner in;
    *s = (hf_capture_segment){ .seq = 0 };
    const uint8_t version = packet.len > 0 ? packet.ptr[0] >> 4 : 0;
    if (!(version == 4 ? read_ip4(packet, s, &in) : version == 6 && read_ip6(packet, s, &in)) || in.bytes.len < 8)
        return false;
    s->from_port = big16(in.bytes.ptr);
    s->to_port = big16(in.bytes.ptr + 2);
    s->udp = in.protocol == HF_PROTOCOL_UDP;
    if (in.protocol == HF_PROTOCOL_TCP) {
        if (!read_tcp(&in, s))
            return false;
    } else if (s->udp) {
        s->length = in.length >= 8 ? in.length - 8 : 0;
        s->payload = rest_of(in.bytes, 8);
    } else {
        return false;
    }
    if (s->payload.len > s->length) /* Ethernet's padding */
        s->payload.len = s->length;
    return true;
}
