/* SPDX-License-Identifier: Apache-2.0
 *
 * What the stage recorded, as a ladder in text and as a pcapng (IETF draft-ietf-opsawg-pcapng): one section, one interface
 * of raw IP packets with nanoseconds, a comment on each packet.
 */
#include "story_stage.h"

enum { STATE_WIDTH = 12, ARROW_WIDTH = 46, LINK_RAW = 101, OPTION_COMMENT = 1, OPTION_RESOLUTION = 9 };

/* ---- the ladder ------------------------------------------------------------------------------------------------------ */

static void arrow(const hf_stage_line *l, char to[ARROW_WIDTH + 1])
{
    memset(to, '-', ARROW_WIDTH);
    to[ARROW_WIDTH] = 0;
    const bool lost = l->arrived.ns == HF_NEVER_NS;
    const size_t length = strlen(l->what);
    const size_t room = ARROW_WIDTH - 8;
    const size_t shown = length < room ? length : room;
    const size_t at = (ARROW_WIDTH - shown) / 2;
    to[at - 1] = to[at + shown] = ' ';
    memcpy(to + at, l->what, shown);
    if (l->from == HF_CLIENT)
        to[ARROW_WIDTH - 1] = lost ? 'X' : '>';
    else
        to[0] = lost ? 'X' : '<';
    if (lost && l->from == HF_CLIENT)
        to[ARROW_WIDTH - 2] = ' ';
    else if (lost)
        to[1] = ' ';
}

static const char *or_nothing(const char *text)
{
    return text != NULL ? text : "";
}

static void print_line(const hf_stage *s, const hf_stage_line *l)
{
    const double ms = (double)(l->at.ns - s->began.ns) / 1e6;
    if (l->note) {
        fprintf(s->out, "%10s  * %s\n", "", l->text);
        return;
    }
    char drawn[ARROW_WIDTH + 1];
    arrow(l, drawn);
    fprintf(s->out, "%10.1f  %*s |%s| ", ms, STATE_WIDTH, or_nothing(l->left), drawn);
    if (l->text[0] != 0)
        fprintf(s->out, "%-*s %s\n", STATE_WIDTH, or_nothing(l->right), l->text);
    else
        fprintf(s->out, "%s\n", or_nothing(l->right));
}

/* ---- the capture ----------------------------------------------------------------------------------------------------- */

static void put32(FILE *f, uint32_t n)
{
    const uint8_t b[4] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) };
    fwrite(b, 1, 4, f);
}
static void put16(FILE *f, unsigned n)
{
    const uint8_t b[2] = { (uint8_t)n, (uint8_t)(n >> 8) };
    fwrite(b, 1, 2, f);
}
static void pad(FILE *f, size_t n)
{
    static const uint8_t zero[4];
    fwrite(zero, 1, (4 - n % 4) % 4, f);
}

static void write_start(FILE *f)
{
    put32(f, 0x0a0d0d0a); /* section header */
    put32(f, 28);
    put32(f, 0x1a2b3c4d);
    put16(f, 1);
    put16(f, 0);
    put32(f, 0xffffffff);
    put32(f, 0xffffffff);
    put32(f, 28);
    put32(f, 1); /* interface */
    put32(f, 32);
    put16(f, LINK_RAW);
    put16(f, 0);
    put32(f, 65535);
    put16(f, OPTION_RESOLUTION);
    put16(f, 1);
    put32(f, 9); /* 10^-9 s, and its padding */
    put32(f, 0); /* end of options */
    put32(f, 32);
}

static size_t comment_of(const hf_stage_line *l, char *to, size_t capacity)
{
    const bool client = l->from == HF_CLIENT;
    const int n = snprintf(to, capacity, "%s -> %s%s%s", client ? or_nothing(l->left) : or_nothing(l->right),
        l->arrived.ns == HF_NEVER_NS ? "nobody" : client ? or_nothing(l->right) : or_nothing(l->left), l->text[0] ? ": " : "", l->text);
    return n > 0 ? (size_t)n : 0;
}

static void write_packet(const hf_stage *s, const hf_stage_line *l)
{
    static uint8_t words[65536];
    static const char text[] = "The quick brown fox jumps over the lazy dog. ";
    for (uint32_t i = 0; i < l->payload; i++)
        words[i] = (uint8_t)text[i % (sizeof text - 1)];
    FILE *f = s->capture;
    uint8_t ip[HF_IP_HEADER_MOST], tcp[HF_TCP_HEADER_MOST];
    memcpy(tcp, l->header, l->header_length);
    const hf_ip_packet packet = { .source = s->ip[l->from], .destination = s->ip[!l->from], .protocol = HF_PROTOCOL_TCP, .hops = 64, .whole = true };
    const size_t segment = l->header_length + (size_t)l->payload, header = hf_ip_write(ip, &packet, segment);
    tcp[16] = tcp[17] = 0; /* the sums once more: the text is the same for every payload */
    hf_checksum sum = { 0 };
    hf_checksum_pseudo(&sum, &packet.source, &packet.destination, HF_PROTOCOL_TCP, (uint32_t)segment);
    hf_checksum_add(&sum, hf_bytes_make(tcp, l->header_length));
    hf_checksum_add(&sum, hf_bytes_make(words, l->payload));
    tcp[16] = (uint8_t)(hf_checksum_value(&sum) >> 8);
    tcp[17] = (uint8_t)hf_checksum_value(&sum);
    char comment[300];
    const size_t noted = comment_of(l, comment, sizeof comment);
    const size_t length = header + segment, padded = (length + 3) / 4 * 4, block = 32 + padded + 4 + (noted + 3) / 4 * 4 + 4;
    const uint64_t at = (uint64_t)l->at.ns + (uint64_t)s->delay_ns / 2; /* in the middle of the way, before any loss */
    put32(f, 6); /* enhanced packet */
    put32(f, (uint32_t)block);
    put32(f, 0);
    put32(f, (uint32_t)(at >> 32));
    put32(f, (uint32_t)at);
    put32(f, (uint32_t)length);
    put32(f, (uint32_t)length);
    fwrite(ip, 1, header, f);
    fwrite(tcp, 1, l->header_length, f);
    fwrite(words, 1, l->payload, f);
    pad(f, length);
    put16(f, OPTION_COMMENT);
    put16(f, (unsigned)noted);
    fwrite(comment, 1, noted, f);
    pad(f, noted);
    put32(f, 0);
    put32(f, (uint32_t)block);
}

void hf_stage_tell(hf_stage *s)
{
    if (s->line_count > 0)
        fprintf(s->out, "\n%10s  %*s  %-*s  %s\n", "ms", STATE_WIDTH, "client", ARROW_WIDTH, "", "server");
    if (s->capture != NULL && ftell(s->capture) <= 0)
        write_start(s->capture);
    for (uint32_t i = 0; i < s->line_count; i++) {
        print_line(s, &s->lines[i]);
        if (s->capture != NULL && !s->lines[i].note)
            write_packet(s, &s->lines[i]);
    }
    if (s->line_count > 0)
        fputc('\n', s->out);
    s->line_count = 0;
    s->base_known[0] = s->base_known[1] = false;
}
