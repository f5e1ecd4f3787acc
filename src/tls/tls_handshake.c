/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a handshake, its messages one after another, its questions and its end.
 */
#include "tls_core.h"

#include "crypto_secret.h"
#include "panic.h"
#include "tls_alert.h"

/* ---- life --------------------------------------------------------------------------------------------------- */

bool hf_handshake_init(hf_handshake *h, const hf_env *env, const hf_tls_config *config, bool server)
{
    *h = (hf_handshake){ .env = env, .config = config, .crypto = config->crypto, .server = server };
    hf_queue_init(&h->inbox, &env->alloc);
    hf_queue_init(&h->session, &env->alloc);
    hf_queue_init(&h->peer_parameters, &env->alloc);
    for (size_t i = 0; i < HF_LEVEL_COUNT; i++)
        hf_queue_init(&h->outbox[i], &env->alloc);
    h->state = server ? HF_HS_WAIT_HELLO : HF_HS_WAIT_SERVER_HELLO;
    h->work = hf_alloc_zeroed(&env->alloc, sizeof *h->work);
    if (h->work == NULL)
        return false;
    hf_queue_init(&h->work->hello, &env->alloc);
    hf_queue_init(&h->work->cookie, &env->alloc);
    hf_queue_init(&h->work->raw, &env->alloc);
    hf_queue_init(&h->work->staple, &env->alloc);
    return true;
}

static void wipe_queue(hf_queue *q)
{
    if (q->memory != NULL)
        hf_wipe(q->memory, q->capacity);
    hf_queue_fini(q);
}

static void free_work(hf_handshake *h)
{
    hf_handshake_work *const w = h->work;
    if (w == NULL)
        return;
    hf_hashing_fini(&w->transcript);
    for (size_t i = 0; i < HF_TLS_EXCHANGES; i++)
        hf_exchange_fini(&w->exchange[i]);
    hf_queue_fini(&w->hello);
    hf_queue_fini(&w->cookie);
    hf_queue_fini(&w->raw);
    hf_queue_fini(&w->staple);
    hf_chain_free(w->chain);
    hf_wipe(w, sizeof *w);
    hf_free(&h->env->alloc, w, sizeof *w);
    h->work = NULL;
}

void hf_handshake_fini(hf_handshake *h)
{
    free_work(h);
    wipe_queue(&h->session);
    hf_queue_fini(&h->inbox);
    hf_queue_fini(&h->peer_parameters);
    for (size_t i = 0; i < HF_LEVEL_COUNT; i++)
        hf_queue_fini(&h->outbox[i]);
    hf_free(&h->env->alloc, h->host, h->host_length);
    hf_free(&h->env->alloc, h->peer, h->peer_length);
    hf_free(&h->env->alloc, h->fault, sizeof *h->fault);
    hf_wipe(h, sizeof *h);
}

void hf_handshake_rest(hf_handshake *h)
{
    if (hf_handshake_is_open(h) && h->pending == 0 && !h->suspended)
        free_work(h);
    if (hf_handshake_is_open(h) && (h->pending >> HF_HS_SESSION & 1) == 0)
        wipe_queue(&h->session);
    hf_queue_trim(&h->inbox);
    for (size_t i = 0; i < HF_LEVEL_COUNT; i++)
        hf_queue_trim(&h->outbox[i]);
}

bool hf_hs_set_host(hf_handshake *h, hf_bytes host)
{
    if (host.len == 0 || host.len > 255)
        return true;
    hf_free(&h->env->alloc, h->host, h->host_length);
    h->host_length = 0;
    h->host = hf_alloc(&h->env->alloc, host.len);
    if (h->host == NULL)
        return hf_hs_broken(h);
    memcpy(h->host, host.ptr, host.len);
    h->host_length = (uint8_t)host.len;
    return true;
}

bool hf_hs_set_peer(hf_handshake *h, hf_bytes subject, int64_t until_s)
{
    const size_t n = subject.len < HF_TLS_PEER_MOST ? subject.len : HF_TLS_PEER_MOST;
    if (n == 0)
        return true;
    HF_ASSERT(h->peer == NULL);
    h->peer = hf_alloc(&h->env->alloc, n);
    if (h->peer == NULL)
        return hf_hs_broken(h);
    memcpy(h->peer, subject.ptr, n);
    h->peer_length = (uint8_t)n;
    h->peer_until_s = until_s;
    return true;
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

bool hf_handshake_fail(hf_handshake *h, hf_tls_flaw flaw, const uint8_t *end)
{
    if (h->failed)
        return false;
    h->failed = true;
    h->bad = flaw.code;
    h->pending = 0;
    hf_tls_fault *f = hf_alloc_zeroed(&h->env->alloc, sizeof *f);
    if (f == NULL)
        return false;
    f->err = hf_err_make(flaw.code);
    f->alert = hf_alert_of(f->err);
    if (flaw.code == HF_ERR_TLS_NO_CERTIFICATE && h->suite != NULL && h->suite->version == HF_TLS_1_2)
        f->alert = HF_ALERT_HANDSHAKE_FAILURE; /* RFC 5246 7.4.6; certificate_required is of TLS 1.3 */
    f->message = h->message;
    f->state = hf_handshake_state_text(h->state);
    f->wanted = flaw.wanted;
    if (flaw.at != NULL && end > flaw.at) {
        const size_t n = (size_t)(end - flaw.at);
        f->got_length = (uint8_t)(n < sizeof f->got ? n : sizeof f->got);
        memcpy(f->got, flaw.at, f->got_length);
    }
    h->fault = f;
    return false;
}

bool hf_hs_flaw(hf_handshake *h, int32_t code, hf_bytes at, const char *wanted)
{
    return hf_handshake_fail(h, (hf_tls_flaw){ code, at.ptr, wanted }, at.ptr == NULL ? NULL : at.ptr + at.len);
}

bool hf_hs_broken(hf_handshake *h)
{
    return hf_handshake_fail(h, (hf_tls_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" }, NULL);
}

/* ---- the transcript ----------------------------------------------------------------------------------------- */

bool hf_hs_absorb(hf_handshake *h, hf_bytes whole)
{
    return (hf_hashing_add(&h->work->transcript, whole) && (!h->work->keep_raw || hf_queue_append(&h->work->raw, whole))) || hf_hs_broken(h);
}

bool hf_hs_transcript(hf_handshake *h, hf_bytes more, uint8_t *out)
{
    return hf_hashing_peek(h->crypto, &h->work->transcript, more, out) || hf_hs_broken(h);
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

void hf_hs_move(hf_handshake *h, hf_hs_state to)
{
    h->state = (uint8_t)to;
}

bool hf_hs_flight_ends(hf_handshake *h, hf_bytes whole)
{
    const hf_span held = hf_queue_peek(&h->inbox);
    const hf_bytes behind = held.len <= whole.len ? hf_nothing() : hf_bytes_make(held.ptr + whole.len, held.len - whole.len);
    return behind.len == 0 || hf_hs_flaw(h, HF_ERR_TLS_UNEXPECTED_MESSAGE, behind, "the end of the flight");
}

bool hf_handshake_feed(hf_handshake *h, hf_bytes bytes)
{
    return hf_queue_append(&h->inbox, bytes) || hf_hs_broken(h);
}

bool hf_handshake_feed_ccs(hf_handshake *h)
{
    const hf_hs_cell *cell = hf_hs_cell_of(h->server, h->state, HF_MESSAGE_CCS);
    if (cell == NULL || hf_handshake_is_amid(h) || h->suspended)
        return hf_hs_flaw(h, HF_ERR_TLS_UNEXPECTED_MESSAGE, hf_nothing(), "no ChangeCipherSpec now (CVE-2014-0224)");
    return cell->handle(h, hf_nothing(), hf_nothing());
}

bool hf_handshake_is_amid(const hf_handshake *h)
{
    return hf_queue_length(&h->inbox) > 0;
}

bool hf_handshake_drops_ccs(const hf_handshake *h)
{
    /* RFC 8446 5: after the first ClientHello was sent or received, and before the peer's Finished */
    return !hf_handshake_is_open(h) && (!h->server || h->state != HF_HS_WAIT_HELLO);
}

static size_t most_bytes(const hf_handshake *h, uint8_t type)
{
    const hf_limits *const l = h->env->limits;
    switch (type) {
    case HF_MESSAGE_CLIENT_HELLO: return l->tls_hello_bytes;
    case HF_MESSAGE_CERTIFICATE: return l->tls_certificate_bytes;
    case HF_MESSAGE_TICKET: return UINT16_MAX + 512;
    case HF_MESSAGE_FINISHED: return HF_HASH_MOST;
    case HF_MESSAGE_KEY_UPDATE: return 1;
    case HF_MESSAGE_END_OF_EARLY: return 0;
    default: return l->tls_message_bytes;
    }
}

/* One whole message. */
static bool dispatch(hf_handshake *h, hf_bytes whole)
{
    const hf_hs_cell *cell = hf_hs_cell_of(h->server, h->state, whole.ptr[0]);
    HF_ASSERT(cell != NULL);
    const hf_bytes body = hf_bytes_make(whole.ptr + HF_MESSAGE_HEADER, whole.len - HF_MESSAGE_HEADER);
    if (!cell->handle(h, body, whole))
        return hf_hs_broken(h); /* unless it said why */
    HF_ASSERT(cell->next >> h->state & 1);
    return true;
}

/* RFC 5246 7.4.1.1 and RFC 5746 4.4: who was asked to negotiate anew may answer no_renegotiation. In TLS 1.3 the same messages
 * are out of order, and nothing else (RFC 8446 4.1.2). */
static bool renegotiates(const hf_handshake *h, uint8_t type)
{
    return h->state == HF_HS_OLD_OPEN && type == (h->server ? HF_MESSAGE_CLIENT_HELLO : HF_MESSAGE_HELLO_REQUEST);
}

/* The next message of the inbox, if it is whole; *did says whether there was one. */
static bool next_message(hf_handshake *h, bool *did)
{
    const hf_span held = hf_queue_peek(&h->inbox);
    *did = false;
    if (held.len < 1)
        return true;
    h->message = held.ptr[0];
    if (renegotiates(h, held.ptr[0]))
        return hf_hs_flaw(h, HF_ERR_TLS_RENEGOTIATION, hf_bytes_make(held.ptr, held.len), "no renegotiation");
    if (held.ptr[0] == HF_MESSAGE_CCS || hf_hs_cell_of(h->server, h->state, held.ptr[0]) == NULL)
        return hf_hs_flaw(h, HF_ERR_TLS_UNEXPECTED_MESSAGE, hf_bytes_make(held.ptr, held.len), "a message that may come now");
    if (held.len < HF_MESSAGE_HEADER)
        return true;
    const size_t n = (size_t)held.ptr[1] << 16 | (size_t)held.ptr[2] << 8 | held.ptr[3];
    if (n > most_bytes(h, held.ptr[0]))
        return hf_hs_flaw(h, HF_ERR_TLS_MESSAGE_LENGTH, hf_bytes_make(held.ptr, held.len), "a message within the limits");
    if (held.len < HF_MESSAGE_HEADER + n)
        return true;
    *did = true;
    if (!dispatch(h, hf_bytes_make(held.ptr, HF_MESSAGE_HEADER + n)))
        return false;
    hf_queue_take(&h->inbox, HF_MESSAGE_HEADER + n);
    h->message = 0;
    return true;
}

/* RFC 8446 5.1: "Handshake messages MUST NOT span key changes." */
static bool changes_reading(hf_hs_event_kind kind)
{
    return kind == HF_HS_READ_EARLY || kind == HF_HS_READ_HANDSHAKE || kind == HF_HS_READ_APPLICATION || kind == HF_HS_KEY_UPDATE;
}

static hf_step tell(hf_handshake *h, hf_hs_event *event)
{
    unsigned kind = 0;
    while (!(h->pending >> kind & 1))
        kind++;
    h->pending = (uint16_t)(h->pending & ~(1u << kind));
    *event = (hf_hs_event){ .kind = (hf_hs_event_kind)kind, .asked = h->update_asked };
    if (changes_reading(event->kind) && hf_handshake_is_amid(h)) {
        const hf_span held = hf_queue_peek(&h->inbox);
        (void)hf_hs_flaw(h, HF_ERR_TLS_UNEXPECTED_MESSAGE, hf_bytes_make(held.ptr, held.len), "no message that spans a change of keys");
        return HF_FAULT;
    }
    const hf_handshake_work *const w = h->work;
    switch (event->kind) {
    case HF_HS_WRITE_EARLY:
    case HF_HS_READ_EARLY: event->secret = w->early_secret; break;
    case HF_HS_WRITE_HANDSHAKE: event->secret = h->server ? w->server_secret : w->client_secret; break;
    case HF_HS_READ_HANDSHAKE: event->secret = h->server ? w->client_secret : w->server_secret; break;
    case HF_HS_WRITE_APPLICATION: event->secret = h->server ? w->server_traffic : w->client_traffic; break;
    case HF_HS_READ_APPLICATION: event->secret = h->server ? w->client_traffic : w->server_traffic; break;
    default: break;
    }
    return HF_EVENT;
}

hf_step hf_handshake_step(hf_handshake *h, hf_time now, hf_hs_event *event)
{
    h->now = now;
    for (;;) {
        if (h->failed)
            return HF_FAULT;
        if (h->pending != 0)
            return tell(h, event);
        if (h->suspended)
            return HF_FULL;
        bool did = false;
        if (!next_message(h, &did))
            return HF_FAULT;
        if (!did)
            return HF_IDLE;
    }
}

/* ---- questions ---------------------------------------------------------------------------------------------- */

void hf_hs_ask(hf_handshake *h, hf_hs_question question)
{
    static const hf_hs_event_kind kinds[] = {
        [HF_ASKS_VERIFY] = HF_HS_WANT_VERIFY, [HF_ASKS_SIGN] = HF_HS_WANT_SIGN, [HF_ASKS_DECRYPT] = HF_HS_WANT_DECRYPT,
    };
    h->suspended = true;
    h->work->question = (uint8_t)question;
    hf_hs_tell(h, kinds[question]);
}

void hf_handshake_question(const hf_handshake *h, hf_tls_event *event)
{
    const hf_handshake_work *const w = h->work;
    const hf_span held = hf_queue_peek(w->question == HF_ASKS_DECRYPT ? &w->cookie : &w->raw), staple = hf_queue_peek(&w->staple);
    const bool from_queue = w->question == HF_ASKS_DECRYPT || (w->question == HF_ASKS_SIGN && w->sign_raw);
    event->identity = h->identity;
    event->scheme = w->question == HF_ASKS_DECRYPT ? HF_SCHEME_NONE : (hf_scheme)w->scheme;
    event->message = from_queue ? hf_bytes_make(held.ptr, held.len) : hf_bytes_make(w->to_sign, w->to_sign_length);
    event->client_version = w->client_version;
    event->staple = hf_bytes_make(staple.ptr, staple.len);
    event->chain = w->chain;
    event->host = h->server ? hf_nothing() : hf_bytes_make(h->host, h->host_length);
}

bool hf_handshake_wants_signature(const hf_handshake *h)
{
    return h->suspended && !h->failed && h->work->question == HF_ASKS_SIGN;
}

void hf_handshake_answer_sign(hf_handshake *h, hf_err err, hf_bytes signature)
{
    if (!h->suspended || h->failed || h->work->question == HF_ASKS_VERIFY)
        return;
    const bool secret = h->work->question == HF_ASKS_DECRYPT;
    h->suspended = false;
    h->work->question = HF_ASKS_NOTHING;
    h->work->to_sign_length = 0;
    if (err.code != 0 || signature.len == 0 || signature.len > HF_SIGNATURE_MOST || (secret && signature.len != HF_PREMASTER))
        (void)hf_hs_flaw(h, HF_ERR_TLS_SIGNER, hf_nothing(), secret ? "a premaster secret" : "a signature");
    else if (secret && !hf_old_server_premaster(h, signature))
        (void)hf_hs_broken(h);
    else if (!secret && !(h->server ? hf_server_resume(h, signature) : hf_client_resume(h, signature)))
        (void)hf_hs_broken(h);
}

void hf_handshake_answer_verify(hf_handshake *h, hf_err err)
{
    if (!h->suspended || h->failed || h->work->question != HF_ASKS_VERIFY)
        return;
    h->suspended = false;
    h->work->question = HF_ASKS_NOTHING;
    if (err.code != 0) {
        (void)hf_hs_flaw(h, err.code, hf_chain_der(h->work->chain, 0), "a chain that is believed");
        return;
    }
    h->facts |= HF_FACT_TRUSTED;
    if (!h->server)
        return;
    hf_certificate_facts facts;
    hf_chain_describe(h->work->chain, 0, &facts);
    (void)hf_hs_set_peer(h, hf_text(facts.subject), facts.until.s);
}

hf_bytes hf_handshake_session(const hf_handshake *h)
{
    const hf_span s = hf_queue_peek(&h->session);
    return hf_bytes_make(s.ptr, s.len);
}

bool hf_hs_open(hf_handshake *h)
{
    /* Not the table's word but what was seen: neither side opens without these. */
    const uint8_t f = h->facts, authentic = HF_FACT_CERTIFICATE | HF_FACT_SIGNATURE | HF_FACT_TRUSTED;
    const uint8_t by_rsa = HF_FACT_CERTIFICATE | HF_FACT_DECRYPTED | HF_FACT_TRUSTED;
    HF_ASSERT(f & HF_FACT_FINISHED);
    if (h->server)
        HF_ASSERT((f & HF_FACT_PSK) || !(f & HF_FACT_ASKED) || (f & authentic) == authentic ||
                  (!(f & HF_FACT_CERTIFICATE) && h->config->client_auth != HF_TLS_CLIENT_AUTH_REQUIRE));
    else
        HF_ASSERT((f & HF_FACT_PSK) || (f & authentic) == authentic || (h->suite->rsa && (f & by_rsa) == by_rsa));
    hf_hs_move(h, h->suite->version == HF_TLS_1_3 ? HF_HS_OPEN : HF_HS_OLD_OPEN);
    hf_hs_tell(h, HF_HS_DONE);
    return true;
}

bool hf_both_key_update(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    if (h->quic) /* RFC 9001 6: endpoints MUST NOT send a KeyUpdate message */
        return hf_hs_flaw(h, HF_ERR_TLS_UNEXPECTED_MESSAGE, whole, "no KeyUpdate in QUIC");
    if (body.len != 1)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "one byte");
    if (body.ptr[0] > 1)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "update_not_requested or update_requested");
    h->update_asked = body.ptr[0] == 1;
    hf_hs_tell(h, HF_HS_KEY_UPDATE);
    return true;
}
