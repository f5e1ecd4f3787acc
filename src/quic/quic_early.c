/* SPDX-License-Identifier: Apache-2.0
 *
 * 0-RTT (RFC 9001 4.6, RFC 9000 7.4.1): its keys, what a client remembers of a server for it, and what happens when the
 * server does not take it. Whether it is taken is TLS's to judge (tls_early.h): once for each ticket, and only while all that
 * the client remembers is as it was.
 */
#include "quic_core.h"

/* ---- keys --------------------------------------------------------------------------------------------------- */

static bool make_room(hf_quic *q)
{
    if (q->zero == NULL)
        q->zero = hf_alloc_zeroed(&q->env->alloc, sizeof *q->zero);
    if (q->zero != NULL)
        q->zero->until = HF_NEVER;
    return q->zero != NULL;
}

void hf_quic_early_forget(hf_quic *q)
{
    if (q->zero == NULL)
        return;
    hf_quic_keys_fini(&q->zero->keys);
    hf_free(&q->env->alloc, q->zero, sizeof *q->zero);
    q->zero = NULL;
}

bool hf_quic_early_keys(hf_quic *q, const uint8_t *secret)
{
    const hf_suite *const suite = q->server ? q->hs.suite : q->hs.early_suite;
    if (!make_room(q) || !hf_quic_keys_set(&q->zero->keys, q->hs.crypto, q->first_version, suite, !q->server, secret))
        return hf_quic_no_memory(q);
    if (!q->server)
        hf_quic_early_begin(q);
    return true;
}

void hf_quic_early_begin(hf_quic *q)
{
    if (!q->server) {
        q->theirs = q->zero->remembered;
        q->may_open[0] = q->theirs.streams;
        q->may_open[1] = q->theirs.one_way_streams;
        q->send_allowed = q->theirs.data;
    }
    q->resumed = true;
    q->early_on = q->tell_early = true;
}

hf_quic_keys *hf_quic_early_writes(hf_quic *q)
{
    return !q->server && q->zero != NULL && q->zero->keys.on ? &q->zero->keys : NULL;
}

hf_quic_keys *hf_quic_early_reads(hf_quic *q)
{
    return q->server && q->zero != NULL && (q->early_on || q->hello_done) ? &q->zero->keys : NULL;
}

/* ---- not taken ---------------------------------------------------------------------------------------------- */

/* RFC 9001 4.6.2: "all connection characteristics that the client assumed might be incorrect ... The client therefore MUST
 * reset the state of all streams". */
void hf_quic_early_rejected(hf_quic *q)
{
    if (!q->early_on)
        return;
    hf_quic_abandon_sent(q);
    hf_streams_release(q);
    hf_streams_free(q);
    hf_datagrams_free(&q->datagrams_out, &q->env->alloc);
    for (unsigned k = 0; k < 2; k++) {
        q->opened[k] = q->may_open[k] = 0;
        q->streams_wanted[k] = false;
    }
    q->send_allowed = q->sent_bytes = q->put_bytes = 0;
    q->crowded = q->early_on = q->tell_early = q->resumed = false;
    hf_quic_params none;
    hf_quic_params_init(&none);
    q->theirs = hf_quic_terms_of(&none);
    hf_quic_early_forget(q);
    q->tell_rejected = true;
}

/* ---- what is remembered ------------------------------------------------------------------------------------- */

uint64_t hf_quic_settings_number(const hf_quic *q)
{
    const hf_quic_terms *const p = &q->ours;
    const uint64_t all[] = { p->data, p->stream_local, p->stream_remote, p->stream_one_way, p->streams, p->one_way_streams, p->cids,
                             p->datagram_most, p->payload_most, p->no_migration, hf_quic_config_of(q->ep)->settings };
    uint64_t n = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < HF_COUNT(all); i++)
        n = (n ^ all[i]) * UINT64_C(0x100000001b3) ^ n >> 29;
    return n;
}

/* RFC 9000 7.4.1: what must not be remembered is not. */
static hf_quic_params memorable(const hf_quic_terms *p)
{
    hf_quic_params kept;
    hf_quic_params_init(&kept);
    kept.idle_ms = p->idle_ms;
    kept.payload_most = p->payload_most;
    kept.data = p->data;
    kept.stream_local = p->stream_local;
    kept.stream_remote = p->stream_remote;
    kept.stream_one_way = p->stream_one_way;
    kept.streams = p->streams;
    kept.one_way_streams = p->one_way_streams;
    kept.cids = p->cids;
    kept.datagram_most = p->datagram_most;
    kept.no_migration = p->no_migration;
    return kept;
}

/* The version; the parameters, counted; then the session of TLS. */
bool hf_quic_remember(hf_quic *q)
{
    uint8_t bytes[4 + HF_QUIC_PARAMS_MOST];
    hf_writer w = hf_writer_make(bytes, sizeof bytes);
    const hf_quic_params kept = memorable(&q->theirs);
    hf_write_number(&w, q->version, 4);
    const size_t length = hf_write_open(&w, 2);
    hf_quic_params_write(&w, &kept);
    hf_write_close(&w, length, 2);
    return !w.overflowed && hf_queue_append(&q->session, hf_written(&w)) && hf_queue_append(&q->session, hf_handshake_session(&q->hs));
}

bool hf_quic_recall(hf_quic *q, hf_bytes session, hf_bytes *tls)
{
    hf_reader r = hf_reader_make(session);
    const char *wanted;
    const uint32_t version = (uint32_t)hf_read_number(&r, 4); /* RFC 9369 5: sessions are good for their own version alone */
    const hf_bytes kept = hf_read_vector(&r, 2);
    hf_quic_params p;
    *tls = hf_bytes_make(NULL, 0);
    if (session.len == 0 || r.bad || version != q->version || hf_quic_params_read(kept, true, &p, &wanted).code != 0)
        return true; /* nobody's session: a full handshake */
    *tls = hf_bytes_make(r.at, hf_reader_left(&r));
    if (!q->hs.config->early_data)
        return true;
    if (!make_room(q))
        return false;
    const hf_quic_terms said = hf_quic_terms_of(&p);
    p = memorable(&said);
    q->zero->remembered = hf_quic_terms_of(&p);
    q->hs.takes_early = true;
    return true;
}

/* RFC 9000 7.4.1: "the server MUST NOT reduce any limits or alter any values that might be violated by the client with its
 * 0-RTT data". `now` is what the server says in this connection. */
bool hf_quic_early_kept(const hf_quic_terms *before, const hf_quic_terms *now)
{
    return now->data >= before->data && now->stream_local >= before->stream_local && now->stream_remote >= before->stream_remote &&
           now->stream_one_way >= before->stream_one_way && now->streams >= before->streams &&
           now->one_way_streams >= before->one_way_streams && now->cids >= before->cids && now->datagram_most >= before->datagram_most;
}
