/* SPDX-License-Identifier: Apache-2.0
 *
 * Records in (RFC 8446 5): found, opened in place, and handed to the handshake, to the alerts, or upward.
 */
#include "tls_carrier.h"

#include "tls_alert.h"

static hf_step refuse(hf_tls *t, int32_t code, const uint8_t *at, const uint8_t *end, const char *wanted)
{
    return hf_tls_refuse(t, (hf_tls_flaw){ code, at, wanted }, end);
}

/* ---- what does not begin like TLS --------------------------------------------------------------------------- */

static hf_step refuse_first(hf_tls *t, const uint8_t *at, const uint8_t *end)
{
    if (t->hs.server && at[0] >= 'A' && at[0] <= 'Z')
        return refuse(t, HF_ERR_TLS_PLAIN_HTTP, at, end, "a TLS handshake record");
    return refuse(t, HF_ERR_TLS_NOT_TLS, at, end, "a TLS handshake record");
}

static bool is_record(const uint8_t *p)
{
    return p[0] >= HF_RECORD_CCS && p[0] <= HF_RECORD_DATA && p[1] == 3;
}

/* ---- alerts ------------------------------------------------------------------------------------------------- */

static hf_step ended(hf_tls *t, hf_tls_event *event, hf_ending_kind kind, int32_t code)
{
    t->peer_ended = true;
    event->kind = HF_TLS_ENDED;
    event->ending.kind = kind;
    event->err = hf_err_make(code);
    return HF_EVENT;
}

static hf_step alert(hf_tls *t, hf_span content, hf_tls_event *event)
{
    if (content.len != 2) /* RFC 8446 5.1: alerts are neither split nor joined */
        return refuse(t, HF_ERR_TLS_DECODE, content.ptr, content.ptr + content.len, "an alert of two bytes");
    const uint8_t description = content.ptr[1];
    const bool open = hf_handshake_is_open(&t->hs), old = t->hs.suite != NULL && t->hs.suite->version == HF_TLS_1_2;
    if (description == HF_ALERT_CLOSE_NOTIFY && open)
        return ended(t, event, HF_ENDING_FIN, 0);
    /* RFC 8446 6: "All the alerts listed in Section 6.2 MUST be sent with AlertLevel=fatal and MUST be treated as error
     * alerts when received regardless of the AlertLevel in the message." user_canceled is in 6.1. */
    /* RFC 6066 3: servers send it as a warning, beside the ServerHello or before, and go on. */
    const bool other_name = !t->hs.server && description == HF_ALERT_UNRECOGNIZED_NAME && content.ptr[0] == 1 && !t->read.on && !open;
    if (description == HF_ALERT_USER_CANCELED || other_name || (old && content.ptr[0] == 1 && description != HF_ALERT_CLOSE_NOTIFY)) {
        t->cancelled |= description == HF_ALERT_USER_CANCELED;
        if (++t->warnings > t->env->limits->tls_warnings)
            return refuse(t, HF_ERR_TLS_WARNINGS, content.ptr, content.ptr + 2, "fewer warnings");
        return HF_FULL;
    }
    t->remote = true;
    t->alert = description;
    /* RFC 8446 6.1: user_canceled "SHOULD be followed by a close_notify", and is then the cause of it. */
    const uint8_t cause = description == HF_ALERT_CLOSE_NOTIFY && t->cancelled ? HF_ALERT_USER_CANCELED : description;
    return refuse(t, hf_alert_err(cause).code, content.ptr, content.ptr + 2, "no alert");
}

/* ---- records ------------------------------------------------------------------------------------------------ */

static hf_step change_cipher_spec(hf_tls *t, hf_span record)
{
    const uint8_t *const end = record.ptr + record.len;
    const bool old = t->hs.suite != NULL && t->hs.suite->version == HF_TLS_1_2;
    if (old && record.len == HF_RECORD_HEADER + 1 && record.ptr[HF_RECORD_HEADER] == 1 && !t->read.on)
        return hf_handshake_feed_ccs(&t->hs) ? HF_FULL : refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, record.ptr, end, "no ChangeCipherSpec now");
    if (old || !hf_handshake_drops_ccs(&t->hs))
        return refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, record.ptr, end, "no ChangeCipherSpec now");
    if (record.len != HF_RECORD_HEADER + 1 || record.ptr[HF_RECORD_HEADER] != 1)
        return refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, record.ptr, end, "a ChangeCipherSpec of the one byte 1 (RFC 8446 5)");
    if (++t->ccs > t->env->limits->tls_ccs_records)
        return refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, record.ptr, end, "fewer ChangeCipherSpec records");
    return HF_FULL;
}

static hf_step data(hf_tls *t, hf_in *in, hf_span record, hf_span content, hf_tls_event *event)
{
    const bool early = t->hs.state == HF_HS_WAIT_EARLY_END;
    if (!hf_handshake_is_open(&t->hs) && !early)
        return refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, record.ptr, record.ptr + record.len, "no application data in the handshake");
    if (early && content.len > t->early_left)
        return refuse(t, HF_ERR_TLS_EARLY_LENGTH, record.ptr, record.ptr + record.len, "as much early data as the ticket allows");
    t->early_left -= early ? (uint32_t)content.len : 0;
    if (hf_handshake_is_amid(&t->hs)) /* RFC 8446 5.1: no other record within a message */
        return refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, record.ptr, record.ptr + record.len, "the rest of the message");
    if (content.len == 0) {
        if (++t->idle_records > t->env->limits->tls_idle_records)
            return refuse(t, HF_ERR_TLS_RECORD_EMPTY, record.ptr, record.ptr + record.len, "records with content");
        return HF_FULL;
    }
    t->idle_records = t->key_updates = 0;
    in->used -= record.len; /* it stays, at the front, until it is taken */
    t->record = record.len;
    t->content = record.ptr;
    t->lent_at = (uint32_t)(content.ptr - record.ptr);
    t->lent = (uint32_t)content.len;
    event->kind = HF_TLS_READABLE;
    return HF_EVENT;
}

static hf_step handshake(hf_tls *t, hf_span content)
{
    if (content.len == 0) /* RFC 8446 5.1: "Implementations MUST NOT send zero-length fragments of Handshake types" */
        return refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, content.ptr, content.ptr, "a part of a message");
    if (!hf_handshake_feed(&t->hs, hf_bytes_make(content.ptr, content.len)))
        return refuse(t, HF_ERR_BASE_MEMORY, NULL, NULL, "memory");
    return HF_FULL;
}

static hf_step content_of(hf_tls *t, hf_in *in, hf_span record, uint8_t type, hf_span content, hf_tls_event *event)
{
    switch (type) {
    case HF_RECORD_HANDSHAKE: return handshake(t, content);
    case HF_RECORD_ALERT: return alert(t, content, event);
    case HF_RECORD_DATA: return data(t, in, record, content, event);
    default: return refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, record.ptr, record.ptr + record.len, "a record of a known type");
    }
}

/* RFC 8446 4.2.10: early data that is not accepted is skipped: records that do not open, or, before the second
 * ClientHello, that claim to hold data. */
static bool is_early(hf_tls *t, hf_span record)
{
    if (!t->hs.server || record.ptr[0] != HF_RECORD_DATA || record.len > t->skip_left || hf_handshake_is_open(&t->hs))
        return false;
    if (!t->hs.early_offered || t->hs.early_accepted)
        return false;
    if (t->hs.state != HF_HS_WAIT_RETRY && !(t->read.on && t->read.sequence == 0))
        return false;
    t->skip_left -= (uint32_t)record.len;
    return true;
}

static hf_step open_record(hf_tls *t, hf_in *in, hf_span record, hf_tls_event *event)
{
    uint8_t type = 0;
    hf_span content;
    hf_tls_flaw flaw;
    if (!t->read.on && record.ptr[0] == HF_RECORD_DATA)
        return is_early(t, record) ? HF_FULL
                                   : refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, record.ptr, record.ptr + record.len, "no application data in the handshake");
    if (t->read.on && !t->read.old && record.ptr[0] != HF_RECORD_DATA) {
        /* A peer that failed before it had keys says so in plain; it may not go on afterwards anyway. */
        if (record.ptr[0] == HF_RECORD_ALERT && t->read.sequence == 0 && !hf_handshake_is_open(&t->hs) && record.len == HF_RECORD_HEADER + 2)
            return alert(t, (hf_span){ record.ptr + HF_RECORD_HEADER, 2 }, event);
        return refuse(t, HF_ERR_TLS_UNEXPECTED_MESSAGE, record.ptr, record.ptr + record.len, "an encrypted record");
    }
    const bool maybe_early = t->read.on && t->hs.server && t->read.sequence == 0 && t->skip_left >= record.len && !hf_handshake_is_open(&t->hs);
    if (hf_record_open(&t->read, record, &type, &content, &flaw))
        return content_of(t, in, record, type, content, event);
    if (maybe_early && flaw.code == HF_ERR_TLS_RECORD_MAC && t->hs.early_offered && is_early(t, record))
        return HF_FULL;
    return hf_tls_refuse(t, flaw, record.ptr + record.len);
}

/* No whole record is there. */
static hf_step incomplete(hf_tls *t, const hf_in *in, hf_tls_event *event)
{
    if (!in->fin)
        return HF_IDLE;
    if (!hf_handshake_is_open(&t->hs))
        return refuse(t, HF_ERR_TLS_TRUNCATED, NULL, NULL, "the rest of the handshake");
    return ended(t, event, HF_ENDING_RESET, HF_ERR_TLS_TRUNCATED);
}

hf_step hf_tls_read_turn(hf_tls *t, hf_in *in, hf_tls_event *event)
{
    if (t->peer_ended) { /* RFC 8446 6.1: "Any data received after a closure alert has been received MUST be ignored" */
        in->used = in->len;
        return HF_IDLE;
    }
    uint8_t *const at = in->ptr == NULL ? NULL : in->ptr + in->used;
    const size_t left = in->len - in->used;
    const bool first = t->offset + in->used == 0;
    if (left > 0 && first && (at[0] < HF_RECORD_CCS || at[0] > HF_RECORD_DATA || (left > 1 && at[1] != 3)))
        return left < HF_RECORD_HEADER && !in->fin ? (in->need = HF_RECORD_HEADER, HF_IDLE) : refuse_first(t, at, at + left);
    if (left < HF_RECORD_HEADER) {
        in->need = in->used + HF_RECORD_HEADER;
        return incomplete(t, in, event);
    }
    if (!is_record(at))
        return refuse(t, HF_ERR_TLS_RECORD_TYPE, at, at + left, "a record");
    const size_t length = HF_RECORD_HEADER + ((size_t)at[3] << 8 | at[4]);
    const bool sealed = t->read.on || (at[0] == HF_RECORD_DATA && t->hs.early_offered); /* or skipped, sealed as it is */
    const size_t most = HF_RECORD_HEADER + HF_RECORD_MOST + (!sealed ? 0u : t->read.old ? 2048u : HF_RECORD_EXPANSION);
    if (length > most)
        return refuse(t, HF_ERR_TLS_RECORD_OVERFLOW, at, at + left, "at most 2^14 bytes and what encryption adds");
    if (left < length) {
        in->need = in->used + length;
        return incomplete(t, in, event);
    }
    in->used += length;
    const hf_span record = { at, length };
    if (at[0] == HF_RECORD_CCS)
        return change_cipher_spec(t, record);
    return open_record(t, in, record, event);
}
