/* SPDX-License-Identifier: Apache-2.0
 *
 * Records out: the handshake's messages level by level, then what was put, encrypted straight into the caller's scratch.
 */
#include "tls_carrier.h"

#include "crypto_secret.h"
#include "panic.h"
#include "tls_alert.h"

enum { GATHER = 16, LEAST_RECORD = 256 };

bool hf_tls_output_empty(const hf_tls *t)
{
    for (size_t i = 0; i < HF_LEVEL_COUNT; i++)
        if (hf_queue_length(&t->hs.outbox[i]) > 0)
            return false;
    return t->unsent == 0 && !t->alert_due && !t->update_due;
}

/* ---- hf_out ------------------------------------------------------------------------------------------------- */

/* Bytes that may still be appended in one piece. */
static size_t room_of(const hf_out *out)
{
    const hf_extent *const last = out->count == 0 ? NULL : &out->pieces[out->count - 1];
    const bool grows = last != NULL && last->kind == HF_EXTENT_COPIED && last->bytes.ptr + last->bytes.len == out->scratch + out->scratch_used;
    const size_t n = out->scratch_capacity - out->scratch_used;
    if (!grows && out->count == out->capacity)
        return 0;
    return out->room < n ? (size_t)out->room : n;
}

static void appended(hf_out *out, size_t n)
{
    hf_extent *const last = out->count == 0 ? NULL : &out->pieces[out->count - 1];
    uint8_t *const at = out->scratch + out->scratch_used;
    if (last != NULL && last->kind == HF_EXTENT_COPIED && last->bytes.ptr + last->bytes.len == at)
        last->bytes.len += n;
    else
        out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(at, n) };
    out->scratch_used += n;
    out->bytes += n;
    out->room -= n;
}

/* A record into the scratch. False: no room, or libcrypto failed (then the connection is broken). */
static bool seal_record(hf_tls *t, hf_out *out, hf_record_keys *k, uint8_t type, const hf_bytes *pieces, size_t count, size_t content)
{
    if (room_of(out) < content + hf_record_overhead(k))
        return false;
    const size_t n = hf_record_seal(k, type, pieces, count, out->scratch + out->scratch_used);
    if (n == 0) {
        (void)hf_tls_refuse(t, (hf_tls_flaw){ HF_ERR_TLS_CRYPTO, NULL, "a sealed record" }, NULL);
        t->alert_due = false;
        return false;
    }
    appended(out, n);
    return true;
}

static bool put_record(hf_tls *t, hf_out *out, hf_level level, uint8_t type, const hf_bytes *pieces, size_t count, size_t content)
{
    return seal_record(t, out, &t->write[level], type, pieces, count, content);
}

/* The largest content that a record may have now; 0: none that is worth it. */
static size_t content_room(const hf_tls *t, const hf_out *out, const hf_record_keys *k, uint64_t wanted)
{
    const size_t overhead = hf_record_overhead(k), room = room_of(out);
    size_t most = HF_RECORD_MOST;
    if (k->on && t->hs.record_limit != 0) { /* RFC 8449 4: in TLS 1.3 it counts the content type */
        const size_t limit = t->hs.record_limit - (k->old ? 0u : 1u);
        most = limit < most ? limit : most;
    }
    const size_t fits = room > overhead ? room - overhead : 0;
    const size_t n = wanted < most ? (size_t)wanted : most;
    if (fits >= n)
        return n;
    return fits >= LEAST_RECORD ? fits : 0;
}

/* ---- the handshake ------------------------------------------------------------------------------------------ */

/* RFC 8446 D.4: the server sends it behind its first message, the client before its second flight. */
static bool flush_ccs(hf_tls *t, hf_out *out)
{
    const bool due = t->hs.compatible && !t->ccs_sent && t->flown && (t->early != NULL || (t->hs.suite != NULL && t->hs.suite->version == HF_TLS_1_3));
    const uint8_t one = 1;
    const hf_bytes piece = hf_bytes_make(&one, 1);
    if (!due)
        return true;
    if (!put_record(t, out, HF_LEVEL_INITIAL, HF_RECORD_CCS, &piece, 1, 1))
        return false;
    t->ccs_sent = true;
    return true;
}

static bool flush_level(hf_tls *t, hf_out *out, hf_level level)
{
    hf_queue *const q = &t->hs.outbox[level];
    while (hf_queue_length(q) > 0) {
        if (t->flown && !flush_ccs(t, out))
            return false;
        const hf_span held = hf_queue_peek(q);
        const size_t n = content_room(t, out, &t->write[level], held.len);
        const hf_bytes piece = hf_bytes_make(held.ptr, n);
        uint8_t *const at = out->scratch + out->scratch_used;
        if (n == 0 || !put_record(t, out, level, HF_RECORD_HANDSHAKE, &piece, 1, n))
            return false;
        if (!t->hs.server && !t->flown)
            at[2] = 1; /* RFC 8446 5.1: of an initial ClientHello "it MAY also be 0x0301 for compatibility": some insist on it */
        hf_queue_take(q, n);
        if (hf_queue_length(q) == 0)
            t->flown = true;
    }
    return !t->hs.server || !t->flown || flush_ccs(t, out);
}

/* TLS 1.2: a record of its own between the last plain message and the Finished. */
static bool flush_old_ccs(hf_tls *t, hf_out *out)
{
    const uint8_t one = 1;
    const hf_bytes piece = hf_bytes_make(&one, 1);
    if (t->hs.old_ccs_due && !put_record(t, out, HF_LEVEL_INITIAL, HF_RECORD_CCS, &piece, 1, 1))
        return false;
    t->hs.old_ccs_due = false;
    return true;
}

/* RFC 8446 4.5: EndOfEarlyData is the last message under the key of early data, and behind all of it. What was put and
 * is not sealed waits for the application's key. */
static bool flush_early_end(hf_tls *t, hf_out *out)
{
    static const uint8_t message[] = { HF_MESSAGE_END_OF_EARLY, 0, 0, 0 };
    const hf_bytes piece = hf_bytes_make(message, sizeof message);
    if (!t->early_end_due)
        return true;
    if (!flush_ccs(t, out) || !seal_record(t, out, t->early, HF_RECORD_HANDSHAKE, &piece, 1, sizeof message))
        return false;
    t->early_end_due = false;
    hf_tls_early_keys_free(t);
    return true;
}

static bool flush_handshake(hf_tls *t, hf_out *out)
{
    for (unsigned level = 0; level < HF_LEVEL_COUNT; level++)
        if (level == HF_LEVEL_HANDSHAKE && !flush_early_end(t, out))
            return false;
        else if (level != HF_LEVEL_INITIAL && !t->write[level].on)
            continue; /* an answer made messages, and their key comes with the next step */
        else if ((level == HF_LEVEL_APPLICATION && !flush_old_ccs(t, out)) || !flush_level(t, out, (hf_level)level))
            return false;
    if (hf_handshake_is_open(&t->hs) && t->write[HF_LEVEL_HANDSHAKE].on)
        hf_record_keys_fini(&t->write[HF_LEVEL_HANDSHAKE]);
    return true;
}

/* RFC 8446 4.6.3: in answer to the peer, or because these keys have served long enough. */
static bool flush_update(hf_tls *t, hf_out *out)
{
    hf_record_keys *const k = &t->write[HF_LEVEL_APPLICATION];
    static const uint8_t message[] = { HF_MESSAGE_KEY_UPDATE, 0, 0, 1, 0 };
    const hf_bytes piece = hf_bytes_make(message, sizeof message);
    if (!k->on || k->old || (!t->update_due && k->sequence < t->env->limits->tls_key_records))
        return true;
    if (!put_record(t, out, HF_LEVEL_APPLICATION, HF_RECORD_HANDSHAKE, &piece, 1, sizeof message))
        return false;
    t->update_due = false;
    return hf_record_keys_update(k);
}

/* ---- what was put ------------------------------------------------------------------------------------------- */

/* The bytes of the next record, from as many pieces as it takes. Returns how many bytes. */
static size_t gather(const hf_tls *t, size_t most, hf_bytes *bytes, size_t *count)
{
    const hf_span copied = hf_queue_peek(&t->copied);
    size_t total = 0, copied_at = 0;
    *count = 0;
    for (uint16_t i = t->sealed; i < t->count && total < most && *count < GATHER; i++) {
        const hf_tls_piece *const p = &t->pieces[i];
        const size_t n = p->left < most - total ? p->left : most - total;
        bytes[(*count)++] = hf_bytes_make(p->lent != NULL ? p->lent : copied.ptr + copied_at, n);
        copied_at += p->lent != NULL ? 0 : n;
        total += n;
    }
    return total;
}

static void consume(hf_tls *t, size_t n)
{
    t->unsent -= n;
    while (t->sealed < t->count) {
        hf_tls_piece *const p = &t->pieces[t->sealed];
        const size_t part = p->left < n ? p->left : n;
        if (p->lent == NULL)
            hf_queue_take(&t->copied, part);
        else
            p->lent += part;
        p->left -= part;
        n -= part;
        if (p->left > 0)
            return;
        t->sealed++;
    }
}

static bool flush_data(hf_tls *t, hf_out *out)
{
    while (t->unsent > 0) {
        hf_bytes bytes[GATHER];
        size_t count = 0;
        if (!flush_update(t, out))
            return false;
        hf_record_keys *const k = t->early != NULL ? t->early : &t->write[HF_LEVEL_APPLICATION];
        const size_t most = content_room(t, out, k, t->unsent);
        const size_t n = most == 0 ? 0 : gather(t, most, bytes, &count);
        if (n == 0 || !seal_record(t, out, k, HF_RECORD_DATA, bytes, count, n))
            return false;
        consume(t, n);
    }
    consume(t, 0); /* empty pieces that carry a token */
    return true;
}

/* ---- alerts ------------------------------------------------------------------------------------------------- */

static hf_level highest(const hf_tls *t)
{
    return t->write[HF_LEVEL_APPLICATION].on ? HF_LEVEL_APPLICATION : t->write[HF_LEVEL_HANDSHAKE].on ? HF_LEVEL_HANDSHAKE : HF_LEVEL_INITIAL;
}

static bool flush_alert(hf_tls *t, hf_out *out)
{
    const uint8_t alert[] = { t->alert == HF_ALERT_CLOSE_NOTIFY || t->alert == HF_ALERT_USER_CANCELED ? 1 : 2, t->alert };
    const hf_bytes piece = hf_bytes_make(alert, sizeof alert);
    /* Until EndOfEarlyData the server reads by the key of early data. RFC 8446 D.4: the first sealed record is not first. */
    hf_record_keys *const k = t->early != NULL ? t->early : &t->write[highest(t)];
    if ((k->on && !flush_ccs(t, out)) || !seal_record(t, out, k, HF_RECORD_ALERT, &piece, 1, sizeof alert))
        return false;
    t->alert_due = false;
    return true;
}

/* RFC 8446 D.4: "If offering early data, the record is placed immediately after the first ClientHello." */
static bool flush_early_ccs(hf_tls *t, hf_out *out)
{
    return t->early == NULL || flush_ccs(t, out);
}

/* Nothing but tickets is there to say, and whoever speaks next may take them along: a packet fewer, and at the peer a wake-up. */
static bool only_tickets(hf_tls *t, hf_time now)
{
    t->tickets_wait = t->tickets_wait && !t->faulted && !t->ending && !t->update_due && t->sealed == t->count && hf_time_before(now, t->tickets_by);
    return t->tickets_wait;
}

size_t hf_tls_emit(hf_tls *t, hf_time now, hf_out *out)
{
    const uint64_t before = out->bytes;
    t->now = now;
    if (t->abandoned || t->closed || hf_handshake_wants_signature(&t->hs)) /* one flight, one packet: the rest of it comes soon */
        return 0;
    if (only_tickets(t, now))
        return 0;
    if (t->faulted) {
        if (t->alert_due && flush_handshake(t, out) && t->alert_due)
            (void)flush_alert(t, out);
    } else if (flush_handshake(t, out) && flush_early_ccs(t, out) && flush_update(t, out) && (hf_tls_may_put(t) ? flush_data(t, out) : false) && t->ending &&
               t->unsent == 0) {
        t->alert = HF_ALERT_CLOSE_NOTIFY;
        t->closed = flush_alert(t, out);
    }
    const size_t n = (size_t)(out->bytes - before);
    if (n > 0) {
        t->busy = now;
        t->resting = false;
    }
    return n;
}

/* ---- above -------------------------------------------------------------------------------------------------- */

/* A free slot, or NULL. */
static hf_tls_piece *slot(hf_tls *t)
{
    const size_t most = t->env->limits->output_extents;
    while (t->released < t->sealed && t->pieces[t->released].token == 0)
        t->released++; /* nobody waits to be told */
    if (t->released > 0 && t->released == t->count)
        t->released = t->sealed = t->count = 0;
    if (t->count == t->capacity && t->released > 0) {
        memmove(t->pieces, t->pieces + t->released, (t->count - t->released) * sizeof *t->pieces);
        t->count = (uint16_t)(t->count - t->released);
        t->sealed = (uint16_t)(t->sealed - t->released);
        t->released = 0;
    }
    if (t->count == t->capacity) {
        const size_t capacity = t->capacity == 0 ? 4 : t->capacity * 2u < most ? t->capacity * 2u : most;
        hf_tls_piece *pieces = capacity <= t->capacity ? NULL
                                                       : hf_resize(&t->env->alloc, t->pieces, t->capacity * sizeof *pieces, capacity * sizeof *pieces);
        if (pieces == NULL)
            return NULL;
        t->pieces = pieces;
        t->capacity = (uint16_t)capacity;
    }
    return &t->pieces[t->count];
}

/* A COPIED extent behind another grows it. Returns the bytes accepted. */
static size_t put_copied(hf_tls *t, hf_bytes b)
{
    const size_t held = hf_queue_length(&t->copied), most = t->env->limits->output_bytes;
    const size_t n = held >= most ? 0 : b.len < most - held ? b.len : most - held;
    hf_tls_piece *const last = t->count > t->sealed ? &t->pieces[t->count - 1] : NULL;
    const bool grows = last != NULL && last->lent == NULL && last->token == 0;
    hf_tls_piece *const p = n == 0 ? NULL : grows ? last : slot(t);
    if (p == NULL || !hf_queue_append(&t->copied, hf_bytes_make(b.ptr, n)))
        return 0;
    if (!grows) {
        *p = (hf_tls_piece){ .lent = NULL };
        t->count++;
    }
    p->left += n;
    return n;
}

static bool put_lent(hf_tls *t, const hf_extent *e)
{
    static const uint8_t empty;
    hf_tls_piece *const p = slot(t);
    if (p == NULL)
        return false;
    *p = (hf_tls_piece){ .lent = e->bytes.len == 0 ? &empty : e->bytes.ptr, .left = e->bytes.len, .token = e->token };
    t->count++;
    return true;
}

uint64_t hf_tls_put(hf_tls *t, const hf_extent *extents, size_t count)
{
    uint64_t accepted = 0;
    const bool early = t->early_told && !t->hs.server;
    if (!hf_tls_may_put(t) || t->ending || t->abandoned || t->faulted)
        return 0;
    for (size_t i = 0; i < count; i++) {
        const hf_extent *const e = &extents[i];
        const size_t length = e->kind == HF_EXTENT_FILE ? 1 : e->bytes.len;
        const size_t fits = !early || length < t->early_left ? length : t->early_left;
        const bool lent = e->kind == HF_EXTENT_LENT && fits == length && put_lent(t, e);
        const size_t n = lent ? length : e->kind == HF_EXTENT_COPIED && fits > 0 ? put_copied(t, hf_bytes_make(e->bytes.ptr, fits)) : 0;
        accepted += n;
        t->unsent += n;
        t->early_left -= early ? (uint32_t)n : 0;
        if (n < length || (e->kind == HF_EXTENT_LENT && !lent)) {
            t->offered_more = true;
            break;
        }
    }
    return accepted;
}

hf_err hf_tls_end(hf_tls *t, hf_ending ending)
{
    if (ending.kind == HF_ENDING_STOP || t->ending)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (ending.kind == HF_ENDING_RESET || (!hf_handshake_is_open(&t->hs) && !(t->hs.server && hf_tls_may_put(t))))
        t->abandoned = true;
    else
        t->ending = true;
    return HF_OK;
}

uint64_t hf_tls_unsent(const hf_tls *t)
{
    return t->unsent;
}

bool hf_tls_write_event(hf_tls *t, hf_tls_event *event)
{
    while (t->released < t->sealed) {
        const uint64_t token = t->pieces[t->released++].token;
        if (token == 0)
            continue;
        event->kind = HF_TLS_RELEASED;
        event->token = token;
        return true;
    }
    if (!t->offered_more || t->unsent > t->env->limits->output_bytes / 2 || t->ending || !hf_tls_may_put(t) ||
        (t->early_told && !t->hs.server && t->early_left == 0))
        return false;
    t->offered_more = false;
    event->kind = HF_TLS_WRITABLE;
    return true;
}

void hf_tls_write_rest(hf_tls *t)
{
    for (size_t i = 0; i < HF_LEVEL_COUNT; i++)
        hf_aead_rest(&t->write[i].aead);
    hf_queue_trim(&t->copied);
    if (t->released == t->count) {
        hf_free(&t->env->alloc, t->pieces, t->capacity * sizeof *t->pieces);
        t->pieces = NULL;
        t->capacity = t->released = t->sealed = t->count = 0;
    }
}

size_t hf_tls_early_room(const hf_tls *t)
{
    return !t->early_told ? 0 : t->hs.server ? SIZE_MAX : t->early_left;
}

void hf_tls_early_keys_free(hf_tls *t)
{
    if (t->early == NULL)
        return;
    hf_record_keys_fini(t->early);
    hf_free(&t->env->alloc, t->early, sizeof *t->early);
    t->early = NULL;
}

void hf_tls_write_drop(hf_tls *t)
{
    hf_queue_take(&t->copied, hf_queue_length(&t->copied));
    t->unsent = 0;
    t->sealed = t->count; /* their tokens come as RELEASED */
}

void hf_tls_write_fini(hf_tls *t)
{
    hf_tls_early_keys_free(t);
    for (size_t i = 0; i < HF_LEVEL_COUNT; i++)
        hf_record_keys_fini(&t->write[i]);
    if (t->copied.memory != NULL)
        hf_wipe(t->copied.memory, t->copied.capacity);
    hf_queue_fini(&t->copied);
    hf_free(&t->env->alloc, t->pieces, t->capacity * sizeof *t->pieces);
}
