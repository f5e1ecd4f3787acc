/* SPDX-License-Identifier: Apache-2.0
 *
 * How large a datagram may be (RFC 8899, RFC 9000 14.3): once a connection carries more than a few packets, one datagram at
 * a time is sent larger than is known to pass. What is acknowledged passes. What is lost twice does not, and a smaller one
 * is tried, by halves. That a probe is lost says nothing of congestion (RFC 9000 14.4). And where large ones cease to pass,
 * the smallest that every path carries is gone back to.
 */
#include "quic_core.h"

enum {
    MOST = 1452,       /* what IPv6 in Ethernet has room for */
    NEAR = 16,         /* no better is looked for than this */
    TRIES = 2,
    WORTH = 16384,     /* bytes that were sent before it is worth while */
    BLACK_ACKS = 3,    /* acknowledgements that tell of large losses, and of nothing large that arrived */
    BLACK_TIMEOUTS = 3
};

#define AGAIN_NS HF_SECONDS(600) /* RFC 8899 5.1.1: PMTU_RAISE_TIMER */

static uint16_t most_of(const hf_quic *q)
{
    return q->theirs.payload_most < MOST ? q->theirs.payload_most : MOST;
}

void hf_quic_mtu_begin(hf_quic *q)
{
    const hf_quic_config *const config = hf_quic_config_of(q->ep);
    const uint16_t asked = config->datagram_bytes;
    q->datagram_bytes = asked >= HF_QUIC_DATAGRAM_LEAST && asked <= MOST ? asked : HF_QUIC_DATAGRAM_LEAST;
    q->sizing = (hf_quic_sizing){ .at = config->fixed_size ? HF_NEVER : q->now, .bytes_before = q->bytes_sent };
    if (q->theirs.payload_most < q->datagram_bytes)
        q->datagram_bytes = q->theirs.payload_most;
}

static void grow_to(hf_quic *q, uint16_t bytes)
{
    q->datagram_bytes = bytes;
    hf_congestion_resize(&q->congestion, bytes);
    hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_MTU, bytes, 0);
}

size_t hf_quic_mtu_due(hf_quic *q)
{
    hf_quic_sizing *const z = &q->sizing;
    if (z->out || z->at.ns > q->now.ns || !q->confirmed || q->timeouts > 0 || q->bytes_sent - z->bytes_before < WORTH)
        return 0;
    if (z->least_bad == 0)
        z->least_bad = (uint16_t)(most_of(q) + 1);
    if (z->least_bad <= q->datagram_bytes + NEAR) {
        z->at = hf_time_after(q->now, AGAIN_NS);
        z->least_bad = 0;
        return 0;
    }
    /* what is usual first, then halves */
    return z->least_bad > most_of(q) ? most_of(q) : q->datagram_bytes + (z->least_bad - q->datagram_bytes) / 2u;
}

void hf_quic_mtu_sent(hf_quic *q)
{
    q->sizing.out = true;
}

void hf_quic_mtu_settled(hf_quic *q, uint16_t size, bool arrived)
{
    hf_quic_sizing *const z = &q->sizing;
    z->out = false;
    if (arrived && size > q->datagram_bytes)
        grow_to(q, size);
    z->failed = arrived ? 0 : z->failed + 1;
    if (z->failed < TRIES)
        return;
    z->failed = 0;
    z->least_bad = size;
}

static void black_hole(hf_quic *q)
{
    hf_quic_path_mtu(q, HF_QUIC_DATAGRAM_LEAST);
    hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_MTU, q->datagram_bytes, 1);
}

void hf_quic_mtu_heard(hf_quic *q, bool large_arrived, bool large_lost)
{
    hf_quic_sizing *const z = &q->sizing;
    if (large_arrived)
        z->black = 0;
    else if (large_lost && ++z->black >= BLACK_ACKS)
        black_hole(q);
}

void hf_quic_mtu_timeout(hf_quic *q)
{
    if (q->timeouts >= BLACK_TIMEOUTS && q->datagram_bytes > HF_QUIC_DATAGRAM_LEAST)
        black_hole(q);
}

void hf_quic_path_mtu(hf_quic *q, uint16_t bytes)
{
    const uint16_t least = HF_QUIC_DATAGRAM_LEAST, to = bytes > least ? bytes : least;
    hf_quic_sizing *const z = &q->sizing;
    if (to >= q->datagram_bytes)
        return;
    q->datagram_bytes = to;
    hf_congestion_resize(&q->congestion, to);
    z->black = z->failed = 0;
    z->least_bad = 0;
    z->at = z->at.ns == HF_NEVER_NS ? HF_NEVER : hf_time_after(q->now, AGAIN_NS);
}
