/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading is strict where a length could mislead and lax where RFC 9293 says so: unknown options are skipped (MUST-6).
 */
#include "tcp_wire.h"

#include "net_bytes.h"

enum { OPTION_END, OPTION_NOP, OPTION_MSS, OPTION_SCALE, OPTION_SACK_OK, OPTION_SACK, OPTION_STAMP = 8 };

static void read_option(hf_segment *s, const uint8_t *p, size_t n)
{
    const bool syn = (s->flags & HF_SYN) != 0;
    if (p[0] == OPTION_MSS && n == 4 && syn) {
        s->mss = hf_get16(p + 2);
    } else if (p[0] == OPTION_SCALE && n == 3 && syn) {
        s->has_scale = true;
        s->scale = p[2];
    } else if (p[0] == OPTION_SACK_OK && n == 2 && syn) {
        s->sack_permitted = true;
    } else if (p[0] == OPTION_STAMP && n == 10) {
        s->has_stamp = true;
        s->stamp = hf_get32(p + 2);
        s->echo = hf_get32(p + 6);
    } else if (p[0] == OPTION_SACK && n >= 10 && n % 8 == 2 && !syn) {
        s->sacks = 0;
        for (size_t at = 2; at + 8 <= n && s->sacks < HF_SACK_MOST; at += 8)
            s->sack[s->sacks++] = (hf_sack){ { hf_get32(p + at) }, { hf_get32(p + at + 4) } };
    }
}

static bool read_options(hf_segment *s, const uint8_t *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        if (p[at] == OPTION_END)
            return true;
        if (p[at] == OPTION_NOP) {
            at++;
            continue;
        }
        /* RFC 9293 3.1, MUST-7: be "prepared to handle an illegal option length" */
        if (at + 1 >= n || p[at + 1] < 2 || p[at + 1] > n - at)
            return false;
        read_option(s, p + at, p[at + 1]);
        at += p[at + 1];
    }
    return true;
}

hf_err hf_segment_read(const hf_tcp_input *in, hf_segment *s)
{
    const uint8_t *h = in->segment.ptr;
    const size_t n = in->segment.len;
    if (n < HF_TCP_HEADER || n > 65535)
        return hf_err_make(HF_ERR_TCP_HEADER);
    const size_t header = (size_t)(h[12] >> 4) * 4;
    if (header < HF_TCP_HEADER || header > n)
        return hf_err_make(HF_ERR_TCP_HEADER);
    if (!in->checked) {
        hf_checksum sum = { 0 };
        hf_checksum_pseudo(&sum, &in->source, &in->destination, HF_PROTOCOL_TCP, (uint32_t)n);
        hf_checksum_add(&sum, in->segment);
        if (hf_checksum_value(&sum) != 0)
            return hf_err_make(HF_ERR_TCP_CHECKSUM);
    }
    *s = (hf_segment){ .source = hf_get16(h), .destination = hf_get16(h + 2), .seq = { hf_get32(h + 4) }, .ack = { hf_get32(h + 8) },
                       .flags = h[13], .window = hf_get16(h + 14), .payload = hf_bytes_make(h + header, n - header) };
    if (s->source == 0 || s->destination == 0 || !read_options(s, h + HF_TCP_HEADER, header - HF_TCP_HEADER))
        return hf_err_make(HF_ERR_TCP_HEADER);
    return HF_OK;
}

size_t hf_segment_options(const hf_segment *s)
{
    size_t n = 0;
    n += s->mss > 0 ? 4 : 0;
    n += s->has_scale ? 4 : 0;
    n += s->has_stamp ? 12 : s->sack_permitted ? 4 : 0;
    n += s->sacks > 0 ? 4 + 8u * s->sacks : 0;
    return n;
}

size_t hf_segment_write(uint8_t to[HF_TCP_HEADER_MOST], const hf_segment *s)
{
    memset(to, 0, HF_TCP_HEADER);
    hf_set16(to, s->source);
    hf_set16(to + 2, s->destination);
    hf_set32(to + 4, s->seq.n);
    hf_set32(to + 8, s->ack.n);
    to[13] = s->flags;
    hf_set16(to + 14, s->window);
    uint8_t *p = to + HF_TCP_HEADER;
    if (s->mss > 0) {
        *p++ = OPTION_MSS, *p++ = 4;
        hf_set16(p, s->mss);
        p += 2;
    }
    /* RFC 7323 appendix A: aligned by two no-operations, where SACK-permitted fits as well */
    if (s->has_stamp || s->sack_permitted) {
        *p++ = s->sack_permitted ? OPTION_SACK_OK : OPTION_NOP;
        *p++ = s->sack_permitted ? 2 : OPTION_NOP;
        *p++ = s->has_stamp ? OPTION_STAMP : OPTION_NOP;
        *p++ = s->has_stamp ? 10 : OPTION_NOP;
    }
    if (s->has_stamp) {
        hf_set32(p, s->stamp);
        hf_set32(p + 4, s->echo);
        p += 8;
    }
    if (s->has_scale)
        *p++ = OPTION_NOP, *p++ = OPTION_SCALE, *p++ = 3, *p++ = s->scale;
    if (s->sacks > 0) {
        *p++ = OPTION_NOP, *p++ = OPTION_NOP, *p++ = OPTION_SACK, *p++ = (uint8_t)(2 + 8 * s->sacks);
        for (unsigned i = 0; i < s->sacks; i++, p += 8) {
            hf_set32(p, s->sack[i].start.n);
            hf_set32(p + 4, s->sack[i].end.n);
        }
    }
    const size_t length = (size_t)(p - to);
    to[12] = (uint8_t)(length / 4 << 4);
    return length;
}
