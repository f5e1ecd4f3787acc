/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_header.h"

#include "address.h"

/* ---- networks ------------------------------------------------------------------------------------------------- */

bool hf_network_parse(hf_bytes text, hf_network *n)
{
    const uint8_t *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    const hf_bytes base = slash != NULL ? hf_bytes_make(text.ptr, (size_t)(slash - text.ptr)) : text;
    uint64_t bits = 0;
    *n = (hf_network){ 0 };
    if (!hf_address_parse(base, 0, &n->base) || n->base.scope != 0)
        return false;
    const uint64_t most = n->base.family == 4 ? 32 : 128;
    if (slash == NULL)
        bits = most;
    else if (!hf_parse_decimal(hf_bytes_make(slash + 1, text.len - base.len - 1), &bits) || bits > most)
        return false;
    n->bits = (uint8_t)bits;
    for (uint64_t i = bits; i < most; i++)
        if (n->base.ip[i / 8] & 0x80u >> i % 8)
            return false; /* 10.1.2.3/8: a slip, or a misunderstanding */
    return true;
}

bool hf_network_has(const hf_network *n, const hf_address *a)
{
    const size_t whole = n->bits / 8;
    const uint8_t mask = (uint8_t)(0xff00u >> n->bits % 8);
    return a->family == n->base.family && memcmp(a->ip, n->base.ip, whole) == 0 &&
        (n->bits % 8 == 0 || (a->ip[whole] & mask) == n->base.ip[whole]);
}

bool hf_networks_have(const hf_network *n, size_t count, const hf_address *a)
{
    for (size_t i = 0; i < count; i++)
        if (hf_network_has(&n[i], a))
            return true;
    return false;
}

/* ---- version 1: a line ---------------------------------------------------------------------------------------- */

/* "the worst case (optional fields set to 0xff) ... 107 chars" with its CRLF. */
enum { LINE_MOST = 107 };

static bool parse_port(hf_bytes text, uint16_t *port)
{
    uint64_t n;
    /* "an integer in the range [0..65535] ... heading zeroes are not permitted". */
    if (!hf_parse_decimal(text, &n) || n > 65535 || (text.len > 1 && text.ptr[0] == '0'))
        return false;
    *port = (uint16_t)n;
    return true;
}

/* What stands behind "PROXY ", without CRLF. */
static bool parse_words(hf_bytes line, hf_proxy_header *h)
{
    hf_bytes word[5], rest = line;
    size_t n = 0;
    /* "the receiver must ignore anything presented before the CRLF is found" behind UNKNOWN. */
    if (line.len >= 7 && memcmp(line.ptr, "UNKNOWN", 7) == 0)
        return line.len == 7 || line.ptr[7] == ' ';
    while (n < 5 && hf_split(&rest, ' ', &word[n]))
        n++;
    if (n != 5 || word[4].ptr + word[4].len != line.ptr + line.len)
        return false;
    const uint8_t family = hf_bytes_equal(word[0], hf_text("TCP4")) ? 4 : hf_bytes_equal(word[0], hf_text("TCP6")) ? 6 : 0;
    uint16_t from, to;
    if (family == 0 || !parse_port(word[3], &from) || !parse_port(word[4], &to) ||
        !hf_address_parse(word[1], from, &h->client) || !hf_address_parse(word[2], to, &h->server) ||
        h->client.family != family || h->server.family != family || h->client.scope != 0 || h->server.scope != 0)
        return false;
    h->says = true;
    return true;
}

static hf_proxy_verdict parse_line(hf_bytes in, hf_proxy_header *h)
{
    const size_t seen = in.len < LINE_MOST ? in.len : LINE_MOST;
    const uint8_t *end = memchr(in.ptr, '\n', seen);
    if (end == NULL)
        return in.len < LINE_MOST ? HF_PROXY_MORE : HF_PROXY_BAD;
    const size_t length = (size_t)(end - in.ptr) + 1;
    if (length < 8 || end[-1] != '\r')
        return HF_PROXY_BAD;
    h->version = 1;
    h->length = length;
    return parse_words(hf_bytes_make(in.ptr + 6, length - 8), h) ? HF_PROXY_GOOD : HF_PROXY_BAD;
}

/* ---- version 2: a block --------------------------------------------------------------------------------------- */

enum { BLOCK_HEAD = 16 };

static uint16_t read_16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void read_addresses(const uint8_t *p, uint8_t family, hf_proxy_header *h)
{
    const size_t n = family == 4 ? 4 : 16;
    h->client.family = h->server.family = family;
    memcpy(h->client.ip, p, n);
    memcpy(h->server.ip, p + n, n);
    h->client.port = read_16(p + 2 * n);
    h->server.port = read_16(p + 2 * n + 2);
    h->says = true;
}

static hf_proxy_verdict parse_block(hf_bytes in, size_t most, hf_proxy_header *h)
{
    if (in.len < BLOCK_HEAD)
        return HF_PROXY_MORE;
    const uint8_t version = in.ptr[12] >> 4, command = in.ptr[12] & 15, kind = in.ptr[13];
    const size_t length = read_16(in.ptr + 14), needed = kind >> 4 == 1 ? 12 : kind >> 4 == 2 ? 36 : kind >> 4 == 3 ? 216 : 0;
    /* "other values are unassigned and must not be emitted by senders. Receivers must drop connections presenting unexpected
     * values here." */
    if (version != 2 || command > 1 || kind >> 4 > 3 || (kind & 15) > 2 || BLOCK_HEAD + length > most)
        return HF_PROXY_BAD;
    if (command == 1 && length < needed)
        return HF_PROXY_BAD;
    if (in.len < BLOCK_HEAD + length)
        return HF_PROXY_MORE;
    h->version = 2;
    h->length = BLOCK_HEAD + length;
    if (command == 1 && (kind == 0x11 || kind == 0x21)) /* else LOCAL, UNSPEC, UNIX or datagrams: nobody is named */
        read_addresses(in.ptr + BLOCK_HEAD, kind == 0x11 ? 4 : 6, h);
    return HF_PROXY_GOOD;
}

static bool begins(hf_bytes in, const char *with, size_t length)
{
    return memcmp(in.ptr, with, in.len < length ? in.len : length) == 0;
}

hf_proxy_verdict hf_proxy_header_parse(hf_bytes in, size_t most, hf_proxy_header *header)
{
    static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
    *header = (hf_proxy_header){ 0 };
    if (in.len == 0)
        return HF_PROXY_MORE;
    if (begins(in, signature, 12))
        return in.len < 12 ? HF_PROXY_MORE : parse_block(in, most, header);
    if (begins(in, "PROXY ", 6))
        return in.len < 6 ? HF_PROXY_MORE : parse_line(in, header);
    return HF_PROXY_BAD;
}
