/* SPDX-License-Identifier: Apache-2.0
 *
 * A line once it is open, and TLS on it from its first byte.
 */
#include "dial_core.h"

#include "epoll.h"

void hf_line_keep_chain(const hf_line *l, const hf_chain *chain, hf_chain **to)
{
    hf_bytes ders[16];
    const size_t n = hf_chain_length(chain);
    hf_chain_free(*to);
    *to = NULL;
    if (l->opening == NULL || !l->coalesces || l->dialer->options.insecure || n > HF_COUNT(ders))
        return;
    for (size_t i = 0; i < n; i++)
        ders[i] = hf_chain_der(chain, i);
    if (hf_chain_parse(l->dialer->crypto, ders, n, to).code != 0)
        *to = NULL; /* then it serves its own host alone */
}

bool hf_line_covers(const hf_line *l, hf_bytes host)
{
    hf_verdict verdict;
    const hf_trust_question q = { .host = host, .at = hf_dialer_wall(l->dialer) };
    return l->chain != NULL && hf_trust_verify(l->dialer->trust, l->chain, &q, &verdict).code == 0;
}

/* The handshake that is under way asks: the proxy's, or the one behind it. */
static void answer(hf_line *l)
{
    hf_tls_pier *const asking = l->tls != NULL ? l->tls : l->proxy_tls;
    if (l->question.kind != HF_TLS_WANT_VERIFY)
        return;
    const hf_err err = hf_dialer_judge(l->dialer, l->question.chain, l->question.host, l->words, sizeof l->words);
    if (err.code == 0 && l->tls != NULL)
        hf_line_keep_chain(l, l->question.chain, &l->chain);
    hf_tls_answer_verify(hf_tls_pier_core(asking), err);
    hf_tls_pier_answered(asking);
}

void hf_line_pull(hf_line *l)
{
    hf_line_pull_at(l, hf_dialer_now(l->dialer));
}

/* One event of the pier. HF_EVENT: there may be another. */
static hf_step hear(hf_line *l, hf_time now, hf_pier_event *e)
{
    const hf_step s = l->pier.ops != NULL && !l->broken ? l->pier.ops->event(l->pier.self, now, e) : HF_IDLE;
    if (s == HF_EVENT && e->kind == HF_PIER_OPENED)
        l->opened = true;
    else if (s == HF_EVENT && e->kind == HF_PIER_ASKS)
        answer(l);
    else if (s == HF_EVENT && e->kind == HF_PIER_ENDED && e->ending.kind == HF_ENDING_FIN)
        l->fin = true;
    else if (s == HF_EVENT && e->kind == HF_PIER_ENDED && e->err.code != 0)
        l->err = e->err;
    return s;
}

/* After its events, the last of which was `s`. */
static void settle(hf_line *l, hf_step s)
{
    if (!l->broken && (s == HF_FAULT || (l->err.code != 0 && !l->fin))) {
        l->broken = true;
        l->err = l->err.code != 0 ? l->err : hf_err_make(HF_ERR_IO_RESET);
    }
    l->fin = l->fin || s == HF_CLOSED;
}

void hf_line_pull_at(hf_line *l, hf_time now)
{
    hf_pier_event e;
    hf_step s;
    while ((s = hear(l, now, &e)) == HF_EVENT)
        ;
    settle(l, s);
}

bool hf_line_pull_some(hf_line *l, hf_time now)
{
    hf_pier_event e;
    hf_step s;
    while ((s = hear(l, now, &e)) == HF_EVENT && e.kind != HF_PIER_READABLE)
        ;
    settle(l, s);
    return s == HF_EVENT;
}

bool hf_line_open(hf_line *l, hf_dialer *d, const hf_client_url *url, const hf_bytes *protocols, size_t count)
{
    hf_step s;
    hf_line_begin(l, d, url, &(hf_line_wish){ .protocols = protocols, .protocol_count = count });
    while ((s = hf_line_step(l)) == HF_IDLE)
        (void)hf_dialer_wait(d, hf_line_wake(l), -1);
    if (s == HF_EVENT)
        return true;
    hf_line_close(l);
    return false;
}

void hf_line_close(hf_line *l)
{
    hf_opening_free(l);
    if (l->pier.ops != NULL)
        l->pier.ops->free(l->pier.self);
    hf_quic_line_free(l->quic);
    l->pier = (hf_pier){ NULL, NULL };
    l->descriptor = -1;
    l->tls = l->proxy_tls = NULL;
    l->quic = NULL;
    hf_chain_free(l->chain);
    l->chain = NULL;
}

hf_span hf_line_peek(const hf_line *l)
{
    static uint8_t nothing[1]; /* an address for no bytes: cores count from it */
    const hf_span held = l->pier.ops->peek(l->pier.self, 0);
    return held.ptr != NULL ? held : (hf_span){ nothing, 0 };
}

void hf_line_take(hf_line *l, size_t n)
{
    if (n > 0)
        l->pier.ops->take(l->pier.self, 0, n);
}

bool hf_line_packets(const hf_line *l, uint32_t *out, uint32_t *in)
{
    return hf_socket_segments(l->descriptor, out, in);
}

bool hf_line_has_room(const hf_line *l)
{
    return !l->broken && l->pier.ops->unsent(l->pier.self, 0) == 0;
}

void hf_line_put(hf_line *l, const hf_out *out)
{
    if (out->count > 0)
        (void)l->pier.ops->put(l->pier.self, 0, out->pieces, out->count);
}

void hf_line_end(hf_line *l)
{
    if (!l->broken)
        (void)l->pier.ops->end(l->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code;
}

hf_time hf_line_wake(const hf_line *l)
{
    if (l->opening != NULL)
        return hf_opening_wake(l);
    if (l->quic != NULL)
        return hf_quic_line_wake(l->quic);
    const hf_time below = l->proxy_tls != NULL ? hf_tls_pier_wake(l->proxy_tls) : HF_NEVER;
    return l->tls != NULL ? hf_time_earlier(below, hf_tls_pier_wake(l->tls)) : below;
}
