/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP as it is not: a server that opens a connection as soon as a SYN arrives, with two messages in place of three. It exists
 * to show why three are needed: stories tell it, tests hold it against the real one.
 */
#ifndef HF_LAB_TWO_WAY_H
#define HF_LAB_TWO_WAY_H

#include "tcp_wire.h"

typedef struct hf_two_way {
    bool open;
    hf_seq irs, iss, nxt, next_iss;
    unsigned opened;    /* how often its application was told of a connection */
    unsigned forgotten; /* connections that were open and gave way to another SYN */
    uint64_t received, written; /* bytes that its application got, and gave away as sent */
} hf_two_way;

/* What it does with a segment; true: `out` is its answer. Opens at the SYN: nobody has confirmed its number. */
static inline bool hf_two_way_arrive(hf_two_way *m, const hf_segment *in, hf_segment *out)
{
    if (in->flags & HF_RST) {
        m->open = false;
        return false;
    }
    if (in->flags & HF_SYN) {
        m->forgotten += m->open;
        m->open = true;
        m->opened++;
        m->irs = in->seq;
        m->iss = m->next_iss;
        m->next_iss = hf_seq_add(m->next_iss, 100000);
        m->nxt = hf_seq_add(m->iss, 1);
        *out = (hf_segment){ .source = in->destination, .destination = in->source, .seq = m->iss, .ack = hf_seq_add(m->irs, 1),
                             .flags = HF_SYN | HF_ACK, .window = 65535, .mss = 1460 };
        return true;
    }
    if (m->open && hf_seq_same(in->seq, hf_seq_add(m->irs, 1 + (uint32_t)m->received)))
        m->received += in->payload.len;
    return false;
}

/* Its application writes `n` bytes: they leave at once, for the connection is open. */
static inline hf_segment hf_two_way_write(hf_two_way *m, uint16_t from, uint16_t to, uint32_t n)
{
    const hf_segment s = { .source = from, .destination = to, .seq = m->nxt, .ack = hf_seq_add(m->irs, 1), .flags = HF_ACK | HF_PSH, .window = 65535 };
    m->nxt = hf_seq_add(m->nxt, n);
    m->written += n;
    return s;
}

#endif
