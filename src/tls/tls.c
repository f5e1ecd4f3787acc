/* SPDX-License-Identifier: Apache-2.0
 *
 * Life, time, faults, and the frame of step.
 */
#include "tls_carrier.h"

#include "crypto_secret.h"
#include "panic.h"
#include "tls_alert.h"

/* ---- life --------------------------------------------------------------------------------------------------- */

static hf_tls *create(const hf_env *env, const hf_tls_config *config, uint64_t id, hf_time now, bool server)
{
    hf_tls *t = hf_alloc_zeroed(&env->alloc, sizeof *t);
    if (t == NULL)
        return NULL;
    t->env = env;
    t->id = id;
    t->now = t->started = t->busy = now;
    t->skip_left = (uint32_t)env->limits->tls_early_skip_bytes;
    hf_queue_init(&t->copied, &env->alloc);
    if (hf_handshake_init(&t->hs, env, config, server)) {
        t->hs.takes_early = true;
        return t;
    }
    hf_tls_free(t);
    return NULL;
}

hf_tls *hf_tls_server_new(const hf_env *env, const hf_tls_config *config, uint64_t id, hf_time now)
{
    return create(env, config, id, now, true);
}

hf_tls *hf_tls_client_new(const hf_env *env, const hf_tls_config *config, uint64_t id, hf_time now, hf_bytes host, hf_bytes session)
{
    hf_tls *t = create(env, config, id, now, false);
    if (t == NULL || hf_handshake_begin(&t->hs, now, host, session))
        return t;
    hf_tls_free(t);
    return NULL;
}

void hf_tls_free(hf_tls *t)
{
    if (t == NULL)
        return;
    const hf_allocator alloc = t->env->alloc;
    hf_record_keys_fini(&t->read);
    hf_tls_write_fini(t);
    hf_handshake_fini(&t->hs);
    hf_free(&alloc, t, sizeof *t);
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

static const hf_tls_fault no_fault;
/* When even the evidence finds no memory. */
static const hf_tls_fault memory_fault = { .err = { HF_ERR_BASE_MEMORY }, .alert = HF_ALERT_INTERNAL, .state = "unknown", .wanted = "memory" };

const hf_tls_fault *hf_tls_fault_of(const hf_tls *t)
{
    return !t->hs.failed ? &no_fault : t->hs.fault != NULL ? t->hs.fault : &memory_fault;
}

/* Some faults are told to nobody: the peer spoke first, is gone, or does not speak TLS. */
static bool is_silent(const hf_tls *t)
{
    return t->remote || t->hs.bad == HF_ERR_TLS_TRUNCATED || t->hs.bad == HF_ERR_TLS_PLAIN_HTTP || t->hs.bad == HF_ERR_TLS_NOT_TLS;
}

static hf_step fault(hf_tls *t)
{
    if (t->faulted)
        return HF_FAULT;
    t->faulted = true;
    if (t->hs.fault != NULL) {
        t->hs.fault->offset = t->offset;
        t->hs.fault->remote = t->remote;
        if (t->remote)
            t->hs.fault->alert = t->alert;
    }
    if (!is_silent(t)) {
        t->alert_due = true;
        t->alert = t->hs.fault != NULL ? t->hs.fault->alert : hf_alert_of(hf_err_make(t->hs.bad));
    }
    return HF_FAULT;
}

hf_step hf_tls_refuse(hf_tls *t, hf_tls_flaw flaw, const uint8_t *end)
{
    (void)hf_handshake_fail(&t->hs, flaw, end);
    return fault(t);
}

/* ---- step --------------------------------------------------------------------------------------------------- */

static bool key_update(hf_tls *t, bool asked)
{
    const hf_tls_flaw flaw = { HF_ERR_TLS_KEY_UPDATES, NULL, "data between key updates" };
    if (++t->key_updates > t->env->limits->tls_key_updates)
        return hf_handshake_fail(&t->hs, flaw, NULL);
    t->update_due |= asked;
    return hf_record_keys_update(&t->read);
}

static bool set_keys(hf_tls *t, const hf_hs_event *e)
{
    hf_handshake *const h = &t->hs;
    if (h->suite != NULL && h->suite->version == HF_TLS_1_2) {
        const bool sealing = e->kind == HF_HS_WRITE_APPLICATION;
        const uint8_t *const iv = e->secret + hf_aead_key_length((hf_aead_kind)h->suite->aead);
        hf_record_keys_set12(sealing ? &t->write[HF_LEVEL_APPLICATION] : &t->read, h->crypto, h->suite, sealing, e->secret, iv);
        return true;
    }
    switch (e->kind) {
    case HF_HS_WRITE_EARLY: return hf_record_keys_set(t->early, h->crypto, h->early_suite, true, e->secret);
    case HF_HS_WRITE_HANDSHAKE: return hf_record_keys_set(&t->write[HF_LEVEL_HANDSHAKE], h->crypto, h->suite, true, e->secret);
    case HF_HS_WRITE_APPLICATION: return hf_record_keys_set(&t->write[HF_LEVEL_APPLICATION], h->crypto, h->suite, true, e->secret);
    default: return hf_record_keys_set(&t->read, h->crypto, h->suite, false, e->secret);
    }
}

/* Early data may flow. False: memory or libcrypto failed. */
static bool begin_early(hf_tls *t, const hf_hs_event *e, hf_tls_event *event)
{
    if (!t->hs.server)
        t->early = hf_alloc_zeroed(&t->env->alloc, sizeof *t->early);
    if ((!t->hs.server && t->early == NULL) || !set_keys(t, e))
        return false;
    t->early_left = t->hs.server ? (uint32_t)t->env->limits->tls_early_bytes : t->hs.early_bytes;
    t->early_due = t->hs.server;
    t->early_told = !t->hs.server;
    event->kind = HF_TLS_EARLY;
    return true;
}

/* The client's early data is over. True: its owner must be told that it was in vain. */
static bool end_early(hf_tls *t, hf_hs_event_kind kind, hf_tls_event *event)
{
    t->early_told = false;
    t->early_end_due = kind == HF_HS_EARLY_ENDED;
    if (t->early_end_due)
        return false;
    hf_tls_early_keys_free(t);
    hf_tls_write_drop(t);
    event->kind = HF_TLS_EARLY_REJECTED;
    return true;
}

/* The handshake's turn: HF_IDLE when it wants bytes. */
static hf_step handshake_turn(hf_tls *t, hf_tls_event *event)
{
    for (;;) {
        hf_hs_event e;
        bool good = true;
        const hf_step answer = hf_handshake_step(&t->hs, t->now, &e);
        if (answer == HF_IDLE && t->early_due) {
            t->early_due = false;
            t->early_told = true;
            event->kind = HF_TLS_EARLY;
            return HF_EVENT;
        }
        if (answer != HF_EVENT)
            return answer == HF_FAULT ? fault(t) : answer;
        switch (e.kind) {
        case HF_HS_WANT_SIGN:
        case HF_HS_WANT_DECRYPT:
        case HF_HS_WANT_VERIFY:
            event->kind = e.kind == HF_HS_WANT_SIGN ? HF_TLS_WANT_SIGN : e.kind == HF_HS_WANT_DECRYPT ? HF_TLS_WANT_DECRYPT : HF_TLS_WANT_VERIFY;
            hf_handshake_question(&t->hs, event);
            return HF_EVENT;
        case HF_HS_SESSION:
            event->kind = HF_TLS_SESSION;
            event->session = hf_handshake_session(&t->hs);
            return HF_EVENT;
        case HF_HS_WRITE_EARLY:
        case HF_HS_READ_EARLY:
            good = begin_early(t, &e, event);
            if (t->early_told)
                return HF_EVENT;
            break;
        case HF_HS_EARLY_ENDED:
        case HF_HS_EARLY_REJECTED:
            if (end_early(t, e.kind, event))
                return HF_EVENT;
            break;
        case HF_HS_DONE:
            t->early_told = false;
            hf_handshake_rest(&t->hs);
            t->busy = t->now;
            t->tickets_wait = t->hs.config->ticket_wait_ns > 0 && hf_tls_version(t) == HF_TLS_1_3 && hf_queue_length(&t->hs.outbox[HF_LEVEL_APPLICATION]) > 0;
            t->tickets_by = hf_time_after(t->now, t->hs.config->ticket_wait_ns);
            event->kind = HF_TLS_OPENED;
            return HF_EVENT;
        case HF_HS_KEY_UPDATE: good = key_update(t, e.asked); break;
        default: good = set_keys(t, &e); break;
        }
        if (!good)
            return hf_tls_refuse(t, (hf_tls_flaw){ HF_ERR_TLS_CRYPTO, NULL, "keys" }, NULL);
    }
}

/* What was lent and taken is used now. False: something of it is left. */
static bool settle(hf_tls *t, hf_in *in)
{
    if (t->record == 0)
        return true;
    HF_ASSERT(in->len >= t->record);
    t->content = in->ptr;
    if (t->lent > 0)
        return false;
    in->used = t->record;
    t->record = 0;
    t->content = NULL;
    return true;
}

/* Time, and the ends. False: *answer is the step's. */
static bool may_go_on(hf_tls *t, hf_in *in, hf_step *answer)
{
    *answer = HF_CLOSED;
    if (t->abandoned)
        return false;
    *answer = HF_FAULT;
    if (t->faulted)
        return false;
    const int64_t patience = (int64_t)t->env->limits->tls_handshake_ns;
    if (!hf_handshake_is_open(&t->hs) && !hf_time_before(t->now, hf_time_after(t->started, patience))) {
        *answer = hf_tls_refuse(t, (hf_tls_flaw){ HF_ERR_TLS_TIMEOUT, NULL, "a handshake within the limit" }, NULL);
        return false;
    }
    if (t->peer_ended && t->closed && t->lent == 0) {
        *answer = HF_CLOSED;
        return false;
    }
    (void)in;
    return true;
}

static void rest_when_quiet(hf_tls *t)
{
    if (t->resting || !hf_handshake_is_open(&t->hs) || hf_time_before(t->now, hf_time_after(t->busy, HF_TLS_REST_NS)))
        return;
    t->resting = true;
    hf_handshake_rest(&t->hs);
    hf_aead_rest(&t->read.aead);
    hf_tls_write_rest(t);
}

hf_step hf_tls_step(hf_tls *t, hf_time now, hf_in *in, hf_tls_event *event)
{
    hf_step answer = HF_FAULT;
    in->used = in->need = 0;
    memset(event, 0, sizeof *event);
    t->now = now;
    t->tickets_wait = t->tickets_wait && hf_time_before(now, t->tickets_by);
    if (!may_go_on(t, in, &answer))
        return answer;
    if (hf_tls_write_event(t, event))
        return HF_EVENT;
    if (!settle(t, in))
        return HF_FULL;
    for (;;) {
        answer = handshake_turn(t, event);
        if (answer != HF_IDLE)
            break;
        answer = hf_tls_read_turn(t, in, event);
        if (answer != HF_FULL)
            break;
    }
    t->offset += in->used;
    if (in->used > 0 || t->record > 0) {
        t->busy = now;
        t->resting = false;
    }
    rest_when_quiet(t);
    return answer;
}

hf_time hf_tls_wake(const hf_tls *t)
{
    if (t->faulted || t->abandoned || (t->peer_ended && t->closed))
        return HF_NEVER;
    if (!hf_handshake_is_open(&t->hs))
        return hf_time_after(t->started, (int64_t)t->env->limits->tls_handshake_ns);
    if (t->tickets_wait && t->lent == 0)
        return t->tickets_by;
    return t->resting || t->lent > 0 ? HF_NEVER : hf_time_after(t->busy, HF_TLS_REST_NS);
}

/* ---- above -------------------------------------------------------------------------------------------------- */

hf_span hf_tls_peek(const hf_tls *t)
{
    return t->lent == 0 ? (hf_span){ NULL, 0 } : (hf_span){ t->content + t->lent_at, t->lent };
}

void hf_tls_take(hf_tls *t, size_t n)
{
    HF_ASSERT(n <= t->lent);
    t->lent -= (uint32_t)n;
    t->lent_at += (uint32_t)n;
}

bool hf_tls_is_early(const hf_tls *t)
{
    return t->early_told;
}

bool hf_tls_early_accepted(const hf_tls *t)
{
    return t->hs.early_accepted;
}

void hf_tls_answer_sign(hf_tls *t, hf_err err, hf_bytes signature)
{
    hf_handshake_answer_sign(&t->hs, err, signature);
}

void hf_tls_answer_verify(hf_tls *t, hf_err err)
{
    hf_handshake_answer_verify(&t->hs, err);
}

void hf_tls_sign_here(hf_tls *t, const hf_tls_event *event)
{
    uint8_t signature[HF_SIGNATURE_MOST];
    size_t n = HF_PREMASTER;
    hf_key *const key = event->identity->key;
    hf_err err = hf_err_make(HF_ERR_TLS_SIGNER);
    if (key != NULL && event->kind == HF_TLS_WANT_DECRYPT)
        err = hf_key_decrypt_premaster(key, event->client_version, event->message, signature);
    else if (key != NULL)
        err = hf_key_sign(key, event->scheme, event->message, signature, &n);
    hf_tls_answer_sign(t, err, hf_bytes_make(signature, err.code == 0 ? n : 0));
    hf_wipe(signature, sizeof signature);
}

uint16_t hf_tls_version(const hf_tls *t)
{
    return t->hs.suite == NULL ? 0 : t->hs.suite->version;
}

const char *hf_tls_suite(const hf_tls *t)
{
    return t->hs.suite == NULL ? "none" : t->hs.suite->name;
}

const char *hf_tls_group(const hf_tls *t)
{
    switch (t->hs.group) {
    case HF_GROUP_X25519: return "x25519";
    case HF_GROUP_P256: return "secp256r1";
    case HF_GROUP_P384: return "secp384r1";
    case HF_GROUP_X25519MLKEM768: return "X25519MLKEM768";
    default: return "none";
    }
}

hf_bytes hf_tls_protocol(const hf_tls *t)
{
    return t->hs.protocol;
}

hf_bytes hf_tls_host(const hf_tls *t)
{
    return hf_bytes_make(t->hs.host, t->hs.host_length);
}

bool hf_tls_resumed(const hf_tls *t)
{
    return t->hs.resumed;
}

hf_bytes hf_tls_peer(const hf_tls *t)
{
    return hf_bytes_make(t->hs.peer, t->hs.peer_length);
}

hf_err hf_tls_export(hf_tls *t, const char *label, hf_bytes context, uint8_t *out, size_t n)
{
    if (!hf_handshake_is_open(&t->hs) || t->hs.state != HF_HS_OPEN || n == 0 || n > 255 || strlen(label) > 249)
        return hf_err_make(HF_ERR_BASE_USAGE);
    const hf_hash hash = (hf_hash)t->hs.suite->hash;
    const size_t length = hf_hash_length(hash);
    uint8_t nothing[HF_HASH_MOST], secret[HF_HASH_MOST], hashed[HF_HASH_MOST];
    const bool good = hf_hash_of(t->hs.crypto, hash, hf_bytes_make(NULL, 0), nothing) && hf_hash_of(t->hs.crypto, hash, context, hashed) &&
                      hf_hkdf_label(t->hs.crypto, hash, hf_bytes_make(t->hs.exporter, length), label, hf_bytes_make(nothing, length), secret, length) &&
                      hf_hkdf_label(t->hs.crypto, hash, hf_bytes_make(secret, length), "exporter", hf_bytes_make(hashed, length), out, n);
    hf_wipe(secret, sizeof secret);
    return good ? HF_OK : hf_err_make(HF_ERR_TLS_CRYPTO);
}
