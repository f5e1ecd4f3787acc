/* SPDX-License-Identifier: Apache-2.0
 *
 * The carrier of the handshake (RFC 9001 4): CRYPTO data in and out, secrets to keys, transport parameters, questions.
 */
#include "quic_core.h"

#include "crypto_secret.h"
#include "tls_alert.h"

/* ---- transport parameters ----------------------------------------------------------------------------------- */

/* RFC 9000 9.6: with an id and a token of its own, which is the one after the handshake's. A client that came to that very
 * address need not move. False: no memory. */
static bool write_preferred(hf_quic *q, hf_quic_params *p)
{
    const hf_quic_config *const config = hf_quic_config_of(q->ep);
    hf_our_id *const id = &q->our_ids[1];
    for (unsigned i = 0; i < 2; i++) {
        const hf_quic_address *const a = &config->preferred[i];
        if (a->port == 0)
            continue;
        if (hf_quic_address_equal(a, &hf_quic_route(q)->path.local)) {
            p->has_preferred = false;
            return true;
        }
        p->has_preferred = true;
    }
    if (!p->has_preferred)
        return true;
    for (unsigned i = 0; i < 2; i++)
        p->preferred.at[i] = config->preferred[i];
    if (!id->on) { /* else parameters are written anew, for another version */
        if (!hf_quic_make_id(q->ep, q, id))
            return false;
        id->sequence = q->our_next++;
    }
    q->prefers = true;
    p->preferred.cid = id->cid;
    return hf_quic_reset_token(q->ep, &id->cid, p->preferred.reset_token);
}

bool hf_quic_write_parameters(hf_quic *q)
{
    const hf_limits *const l = q->env->limits;
    const hf_quic_config *const config = hf_quic_config_of(q->ep);
    hf_quic_params said, *const p = &said;
    hf_quic_params_init(p);
    /* a quarter of what they may grow to: those who read fast get more */
    p->data = l->quic_connection_window_bytes / 4;
    p->stream_local = p->stream_remote = p->stream_one_way = l->quic_window_bytes / 4;
    p->streams = l->quic_streams;
    p->one_way_streams = l->quic_one_way_streams;
    p->idle_ms = (uint64_t)(config->idle_ns > 0 ? config->idle_ns : (int64_t)l->quic_idle_ns) / 1000000;
    p->payload_most = HF_QUIC_DATAGRAM_MOST;
    p->ack_delay_ms = HF_QUIC_ACK_DELAY_MS;
    p->cids = HF_QUIC_THEIR_IDS;
    p->datagram_most = config->datagrams ? 65535 : 0;
    p->no_migration = config->no_migration;
    p->grease_bit = true;
    p->has_initial = true;
    p->initial = q->our_ids[0].cid;
    if (q->server) {
        p->has_original = true;
        p->original = q->shaking->original;
        p->has_retry = q->retried;
        p->retry = q->shaking->retry_scid;
        p->has_reset_token = hf_quic_reset_token(q->ep, &p->initial, p->reset_token);
        if (!write_preferred(q, p))
            return false;
    }
    hf_quic_version_params(q, p);
    q->ours = hf_quic_terms_of(p);
    q->hs.takes_early |= q->server;
    q->hs.early_settings = hf_quic_settings_number(q);
    for (unsigned k = 0; k < 2; k++)
        q->peer_may[k] = q->peer_told[k] = k == 0 ? p->streams : p->one_way_streams;
    q->receive_allowed = q->window = p->data;
    q->window_at = q->now;
    hf_writer w = hf_writer_make(q->shaking->parameters, sizeof q->shaking->parameters);
    hf_quic_params_write(&w, p);
    q->hs.our_parameters = hf_written(&w);
    return !w.overflowed;
}

/* RFC 9000 7.3: the ids in the parameters are those that the packets had. */
static bool ids_agree(const hf_quic *q, const hf_quic_params *p)
{
    if (!p->has_initial || !hf_cid_equal(&p->initial, &q->shaking->first_scid))
        return false;
    if (q->server)
        return true;
    return p->has_original && hf_cid_equal(&p->original, &q->shaking->original) && p->has_retry == q->retried &&
           (!q->retried || hf_cid_equal(&p->retry, &q->shaking->retry_scid));
}

static bool read_parameters(hf_quic *q)
{
    const hf_span held = hf_queue_peek(&q->hs.peer_parameters);
    const char *wanted = NULL;
    hf_quic_params p;
    const hf_err err = hf_quic_params_read(hf_bytes_make(held.ptr, held.len), !q->server, &p, &wanted);
    q->theirs = hf_quic_terms_of(&p);
    if (err.code != 0)
        return hf_quic_fail(q, err.code, 0, wanted);
    if (!ids_agree(q, &p))
        return hf_quic_fail(q, HF_ERR_QUIC_IDS_DIFFER, 0, "the connection ids of the handshake in the parameters");
    if (!q->server && q->early_taken && !hf_quic_early_kept(&q->zero->remembered, &q->theirs))
        return hf_quic_fail(q, HF_ERR_QUIC_EARLY, 0, "limits not below those that were remembered for 0-RTT");
    if (!hf_quic_version_agrees(q))
        return hf_quic_fail(q, HF_ERR_QUIC_VERSIONS, 0, "the version in use in the parameters");
    q->may_open[0] = q->theirs.streams;
    q->may_open[1] = q->theirs.one_way_streams;
    q->send_allowed = q->theirs.data;
    if (p.has_reset_token) {
        q->their_ids[0].has_token = true;
        memcpy(q->their_ids[0].reset_token, p.reset_token, HF_QUIC_RESET_TOKEN);
    }
    if (p.has_preferred) {
        /* RFC 9000 18.2: "A server that chooses a zero-length connection ID MUST NOT provide a preferred address" */
        if (q->shaking->first_scid.length == 0 || !hf_quic_preferred_id(q, &p.preferred))
            return hf_quic_fail(q, HF_ERR_QUIC_PARAMETERS, 0, "an id of its own for the preferred address");
        const hf_quic_address *const to = hf_quic_preferred_of(q, &p.preferred);
        if (to != NULL && q->shaking != NULL)
            q->shaking->preferred = *to;
    }
    if (q->datagram_bytes > q->theirs.payload_most)
        q->datagram_bytes = q->theirs.payload_most;
    hf_queue_fini(&q->hs.peer_parameters);
    if (q->early_on)
        hf_streams_allow(q);
    return true;
}

/* ---- what the handshake says -------------------------------------------------------------------------------- */

static bool set_keys(hf_quic *q, hf_level level, bool sealing, const uint8_t *secret)
{
    hf_quic_space *const s = q->spaces[level];
    return hf_quic_keys_set(sealing ? &s->write : &s->read, q->hs.crypto, q->version, q->hs.suite, sealing, secret) || hf_quic_no_memory(q);
}

static bool opened(hf_quic *q)
{
    q->hello_done = true;
    q->resumed = q->hs.resumed;
    q->early_on = false;
    if (q->zero != NULL) /* RFC 9001 4.9.3: for packets that were overtaken, "no more than three times the PTO" */
        q->zero->until = hf_time_after(q->now, 3 * hf_quic_timeout_ns(q, HF_LEVEL_APPLICATION));
    hf_quic_move(q, HF_QUIC_OPEN);
    q->tell_opened = true;
    hf_quic_opened(q);
    if (!hf_quic_issue_ids(q))
        return hf_quic_no_memory(q);
    if (!q->server)
        return true;
    /* RFC 9001 4.1.2: "At the server, the handshake is considered confirmed when the handshake completes" */
    uint8_t token[128];
    hf_writer w = hf_writer_make(token, sizeof token);
    q->done_due = true;
    if (!hf_quic_later_token(q->ep, q->now, q->version, &hf_quic_route(q)->path.remote, &w) || !hf_queue_append(&q->new_token, hf_written(&w)))
        return hf_quic_no_memory(q);
    q->token_due = true;
    hf_quic_confirm(q);
    return true;
}

void hf_quic_confirm(hf_quic *q)
{
    if (q->confirmed)
        return;
    q->confirmed = true;
    q->tell_confirmed = true;
    hf_quic_discard(q, HF_LEVEL_INITIAL);
    hf_quic_discard(q, HF_LEVEL_HANDSHAKE); /* RFC 9001 4.9.2 */
    hf_quic_prefer(q);
}

/* 1-RTT packets may be sent. */
static bool may_write(hf_quic *q, const uint8_t *secret)
{
    if (!read_parameters(q) || !set_keys(q, HF_LEVEL_APPLICATION, true, secret))
        return false;
    if (!q->server)
        hf_quic_early_forget(q); /* RFC 9001 4.9.3: "as soon as it installs 1-RTT keys" */
    else if (q->early_taken)
        hf_quic_early_begin(q);
    return true;
}

static bool on_event(hf_quic *q, const hf_hs_event *e)
{
    switch (e->kind) {
    case HF_HS_WRITE_EARLY: return hf_quic_early_keys(q, e->secret);
    case HF_HS_READ_EARLY:
        q->early_taken = true;
        return hf_quic_early_keys(q, e->secret);
    case HF_HS_EARLY_ENDED: q->early_taken = true; return true;
    case HF_HS_EARLY_REJECTED: hf_quic_early_rejected(q); return true;
    case HF_HS_WRITE_HANDSHAKE:
        q->hs.carrier_version = q->version; /* new tickets are of the version that goes on */
        return set_keys(q, HF_LEVEL_HANDSHAKE, true, e->secret);
    case HF_HS_READ_HANDSHAKE:
        q->read_level = HF_LEVEL_HANDSHAKE;
        return set_keys(q, HF_LEVEL_HANDSHAKE, false, e->secret);
    case HF_HS_WRITE_APPLICATION: return may_write(q, e->secret);
    case HF_HS_READ_APPLICATION:
        q->read_level = HF_LEVEL_APPLICATION;
        return set_keys(q, HF_LEVEL_APPLICATION, false, e->secret) &&
               (hf_quic_turnover_begin(q) || hf_quic_no_memory(q));
    case HF_HS_WANT_VERIFY: q->tell_verify = true; return true;
    case HF_HS_WANT_SIGN: q->tell_sign = true; return true;
    case HF_HS_SESSION:
        if (hf_queue_length(&q->session) == 0 && !hf_quic_remember(q))
            return hf_quic_no_memory(q);
        q->tell_session = true;
        return true;
    case HF_HS_DONE: return opened(q);
    default: return true;
    }
}

/* What the handshake wrote becomes CRYPTO data. */
static bool flush(hf_quic *q)
{
    for (unsigned level = 0; level < HF_LEVEL_COUNT; level++) {
        hf_queue *const out = &q->hs.outbox[level];
        const hf_span held = hf_queue_peek(out);
        if (held.len == 0)
            continue;
        if (!hf_send_put(&q->spaces[level]->hello_out, &q->env->alloc, hf_bytes_make(held.ptr, held.len), true, 0))
            return hf_quic_no_memory(q);
        hf_queue_take(out, held.len);
    }
    return true;
}

bool hf_quic_hello_step(hf_quic *q)
{
    for (;;) {
        hf_receive *const in = &q->spaces[q->read_level]->hello_in;
        const hf_span held = hf_receive_peek(in);
        const bool feed = held.len > 0 && !q->hs.suspended && !q->hs.failed &&
                          hf_quic_version_judge(q, hf_bytes_make(held.ptr, held.len));
        if (feed) {
            if (!hf_handshake_feed(&q->hs, hf_bytes_make(held.ptr, held.len)))
                return hf_quic_no_memory(q);
            hf_receive_take(in, &q->env->alloc, held.len);
        }
        hf_hs_event event;
        const hf_step step = hf_handshake_step(&q->hs, q->now, &event);
        if (!flush(q))
            return false;
        if (step == HF_FAULT)
            return hf_quic_fail(q, q->hs.bad, 0x06, q->hs.fault != NULL ? q->hs.fault->wanted : NULL);
        if (step == HF_EVENT && !on_event(q, &event))
            return false;
        if (step != HF_EVENT && !feed)
            break;
    }
    if (q->hello_done)
        hf_handshake_rest(&q->hs);
    return true;
}

bool hf_quic_hello_begin(hf_quic *q, hf_bytes host, hf_bytes session)
{
    hf_bytes tls;
    return hf_quic_recall(q, session, &tls) && hf_handshake_begin(&q->hs, q->now, host, tls) && hf_quic_hello_step(q);
}

bool hf_quic_hello_data(hf_quic *q, hf_level level, uint64_t offset, hf_bytes bytes)
{
    hf_receive *const in = &q->spaces[level]->hello_in;
    const uint64_t end = offset + bytes.len;
    if (level < q->read_level)
        return end <= in->highest || hf_quic_fail(q, HF_ERR_QUIC_CRYPTO_PAST, 0x06, "no handshake data beyond the end of its level");
    if (end > in->read && end - in->read > q->env->limits->quic_crypto_bytes)
        return hf_quic_fail(q, HF_ERR_QUIC_CRYPTO_BUFFER, 0x06, "handshake data within limit quic_crypto_bytes");
    if (hf_ranges_is_full(&in->apart, offset, end, q->env->limits->quic_ack_ranges))
        return hf_quic_fail(q, HF_ERR_QUIC_GAPS, 0x06, "fewer gaps in handshake data");
    if (!hf_receive_add(in, &q->env->alloc, offset, bytes))
        return hf_quic_no_memory(q);
    return hf_quic_hello_step(q);
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

void hf_quic_answer_sign(hf_quic *q, hf_time now, hf_err err, hf_bytes signature)
{
    if (q->state != HF_QUIC_SHAKING || !q->signing)
        return;
    q->now = now;
    q->signing = false;
    hf_handshake_answer_sign(&q->hs, err, signature);
    (void)hf_quic_hello_step(q);
    hf_quic_datagrams_late(q);
    hf_quic_touch(q);
}

void hf_quic_answer_verify(hf_quic *q, hf_time now, hf_err err)
{
    if (q->state != HF_QUIC_SHAKING || !q->verifying)
        return;
    q->now = now;
    q->verifying = false;
    hf_handshake_answer_verify(&q->hs, err);
    (void)hf_quic_hello_step(q);
    hf_quic_datagrams_late(q);
    hf_quic_touch(q);
}

void hf_quic_sign_here(hf_quic *q, hf_time now, const hf_quic_event *event)
{
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t length = 0;
    const hf_err err = hf_key_sign(event->tls.identity->key, event->tls.scheme, event->tls.message, signature, &length);
    hf_quic_answer_sign(q, now, err, hf_bytes_make(signature, length));
}
