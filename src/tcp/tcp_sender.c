/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection's sender: what it must know while something is out, made for the first byte, and let go when nothing was sent
 * for a while. RFC 5681 4.1 would have it begin again from the initial window then anyway.
 */
#include "tcp_core.h"

static uint32_t at_most_32_bits(uint64_t n)
{
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* RFC 6928: min(10 * MSS, max(2 * MSS, 14600)) */
static uint32_t initial_window(const hf_tcp *t)
{
    const uint32_t full = hf_tcp_full(t), least = 2 * full > 14600 ? 2 * full : 14600;
    return HF_TCP_INITIAL_SEGMENTS * full < least ? HF_TCP_INITIAL_SEGMENTS * full : least;
}

void hf_tcp_first_window(hf_tcp *t)
{
    t->rest_window = initial_window(t);
    t->rest_threshold = UINT32_MAX;
}

static hf_tcp_sender *make(hf_tcp *t, hf_time now)
{
    hf_tcp_sender *s = hf_alloc_zeroed(t->ep->alloc, sizeof *s);
    if (s == NULL)
        return NULL;
    const uint32_t full = hf_tcp_full(t), initial = initial_window(t);
    hf_congestion_init(&s->congestion, t->ep->config.newreno ? HF_CONGESTION_NEWRENO : HF_CONGESTION_CUBIC, full, initial);
    s->congestion.now.window = t->rest_window > full ? t->rest_window : full;
    if (t->rest_threshold < UINT32_MAX)
        s->congestion.now.threshold = t->rest_threshold > 2 * full ? t->rest_threshold : 2 * full;
    hf_pacer_init(&s->pacer, now, initial);
    s->rack_sent_at = hf_time_make(-1);
    s->reorder_at = s->pace_at = HF_NEVER;
    s->rack_end = s->forward = s->recover = s->probe_end = s->used_until = t->nxt;
    return s;
}

bool hf_tcp_rouse(hf_tcp *t, hf_time now, uint32_t records)
{
    if (t->sender == NULL) {
        t->sender = make(t, now);
        if (t->sender == NULL)
            return false;
        hf_tcp_lull(t, now); /* until something leaves */
    }
    return hf_records_reserve(&t->sender->records, t->ep->alloc, records);
}

void hf_tcp_lull(hf_tcp *t, hf_time now)
{
    const int64_t rto = hf_tcp_rto(t);
    t->sender->rest_at = hf_time_after(now, rto > HF_TCP_LULL_NS ? rto : HF_TCP_LULL_NS);
}

void hf_tcp_dismiss(hf_tcp *t)
{
    if (t->sender == NULL)
        return;
    hf_records_fini(&t->sender->records, t->ep->alloc);
    hf_free(t->ep->alloc, t->sender, sizeof *t->sender);
    t->sender = NULL;
}

void hf_tcp_rest(hf_tcp *t)
{
    hf_congestion *c = &t->sender->congestion;
    hf_congestion_idle(c, HF_TCP_LULL_NS);
    t->rest_window = at_most_32_bits(hf_congestion_window(c));
    t->rest_threshold = at_most_32_bits(c->now.threshold);
    hf_tcp_dismiss(t);
    t->mood = HF_MOOD_OPEN;
    t->undo_possible = t->probing = t->probe_due = t->probe_again = false;
}
