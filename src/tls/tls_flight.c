/* SPDX-License-Identifier: Apache-2.0
 *
 * What both sides send and check alike: secrets, Certificate, CertificateVerify, Finished (RFC 8446 4.4 and 7.1).
 */
#include "tls_core.h"

#include "crypto_secret.h"
#include "panic.h"

static hf_hash hash_of(const hf_handshake *h)
{
    return (hf_hash)h->suite->hash;
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

bool hf_hs_begin(hf_handshake *h, hf_level level, size_t room, hf_tls_message type, hf_writer *w)
{
    const hf_span space = hf_queue_reserve(&h->outbox[level], room + HF_MESSAGE_HEADER);
    if (space.ptr == NULL)
        return hf_hs_broken(h);
    *w = hf_writer_make(space.ptr, space.len);
    hf_write_number(w, type, 1);
    hf_write_number(w, 0, 3);
    return true;
}

bool hf_hs_end(hf_handshake *h, hf_level level, hf_writer *w)
{
    HF_ASSERT(!w->overflowed);
    hf_write_close(w, 1, 3);
    hf_queue_commit(&h->outbox[level], w->length);
    return level == HF_LEVEL_APPLICATION || hf_hs_absorb(h, hf_written(w));
}

/* ---- secrets ------------------------------------------------------------------------------------------------ */

void hf_hs_log_secret(const hf_handshake *h, const char *label, const uint8_t *secret, size_t n)
{
    const hf_tls_key_log *const log = h->config->key_log;
    if (log != NULL)
        log->write(log->self, label, hf_bytes_make(h->work->client_random, HF_TLS_RANDOM), hf_bytes_make(secret, n));
}

bool hf_hs_handshake_secrets(hf_handshake *h, hf_bytes shared)
{
    hf_handshake_work *const w = h->work;
    uint8_t transcript[HF_HASH_MOST];
    const bool good = hf_hs_transcript(h, hf_nothing(), transcript) && hf_schedule_advance(&w->schedule, shared) &&
                      hf_schedule_derive(&w->schedule, "c hs traffic", transcript, w->client_secret) &&
                      hf_schedule_derive(&w->schedule, "s hs traffic", transcript, w->server_secret) &&
                      hf_schedule_advance(&w->schedule, hf_nothing());
    if (good) {
        hf_hs_log_secret(h, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", w->client_secret, hf_hash_length(hash_of(h)));
        hf_hs_log_secret(h, "SERVER_HANDSHAKE_TRAFFIC_SECRET", w->server_secret, hf_hash_length(hash_of(h)));
    }
    hf_hs_tell(h, HF_HS_WRITE_HANDSHAKE);
    if (!h->server || !h->early_accepted || h->quic) /* else early data and its end are read first */
        hf_hs_tell(h, HF_HS_READ_HANDSHAKE);
    return good || hf_hs_broken(h);
}

bool hf_hs_early_secret(hf_handshake *h, const hf_suite *suite, const uint8_t *transcript)
{
    hf_handshake_work *const w = h->work;
    if (!hf_schedule_derive(&w->schedule, "c e traffic", transcript, w->early_secret))
        return hf_hs_broken(h);
    hf_hs_log_secret(h, "CLIENT_EARLY_TRAFFIC_SECRET", w->early_secret, hf_hash_length((hf_hash)suite->hash));
    hf_hs_tell(h, h->server ? HF_HS_READ_EARLY : HF_HS_WRITE_EARLY);
    return true;
}

bool hf_hs_master_secrets(hf_handshake *h)
{
    hf_handshake_work *const w = h->work;
    uint8_t transcript[HF_HASH_MOST], exporter[HF_HASH_MOST];
    const bool good = hf_hs_transcript(h, hf_nothing(), transcript) &&
                      hf_schedule_derive(&w->schedule, "c ap traffic", transcript, w->client_traffic) &&
                      hf_schedule_derive(&w->schedule, "s ap traffic", transcript, w->server_traffic) &&
                      hf_schedule_derive(&w->schedule, "exp master", transcript, exporter);
    if (good) {
        memcpy(h->exporter, exporter, sizeof h->exporter);
        hf_hs_log_secret(h, "CLIENT_TRAFFIC_SECRET_0", w->client_traffic, hf_hash_length(hash_of(h)));
        hf_hs_log_secret(h, "SERVER_TRAFFIC_SECRET_0", w->server_traffic, hf_hash_length(hash_of(h)));
        hf_hs_log_secret(h, "EXPORTER_SECRET", exporter, hf_hash_length(hash_of(h)));
    }
    hf_wipe(exporter, sizeof exporter);
    return good || hf_hs_broken(h);
}

bool hf_hs_resumption_secret(hf_handshake *h)
{
    uint8_t transcript[HF_HASH_MOST], secret[HF_HASH_MOST];
    const bool good = hf_hs_transcript(h, hf_nothing(), transcript) && hf_schedule_derive(&h->work->schedule, "res master", transcript, secret);
    if (good)
        memcpy(h->resumption, secret, sizeof h->resumption);
    hf_wipe(secret, sizeof secret);
    return good || hf_hs_broken(h);
}

/* ---- schemes ------------------------------------------------------------------------------------------------ */

/* What we check, most wanted first. PKCS#1 serves signatures in certificates, and TLS 1.2. */
static const uint16_t schemes[] = {
    HF_SCHEME_ECDSA_P256_SHA256, HF_SCHEME_ED25519, HF_SCHEME_RSA_PSS_SHA256, HF_SCHEME_ECDSA_P384_SHA384, HF_SCHEME_RSA_PSS_SHA384,
    HF_SCHEME_RSA_PSS_SHA512, HF_SCHEME_RSA_PKCS1_SHA256, HF_SCHEME_RSA_PKCS1_SHA384, HF_SCHEME_RSA_PKCS1_SHA512,
};

void hf_hs_write_schemes(hf_writer *w)
{
    const size_t list = hf_write_open(w, 2);
    for (size_t i = 0; i < HF_COUNT(schemes); i++)
        hf_write_number(w, schemes[i], 2);
    hf_write_close(w, list, 2);
}

static bool is_pkcs1(uint16_t scheme)
{
    return (scheme & 0xff) == 1;
}

bool hf_hs_scheme_usable(uint16_t scheme, hf_key_kind kind, bool old)
{
    for (size_t i = 0; i < HF_COUNT(schemes); i++)
        if (schemes[i] == scheme)
            return old ? hf_scheme_fits_old((hf_scheme)scheme, kind) : hf_scheme_fits((hf_scheme)scheme, kind) && !is_pkcs1(scheme);
    return false;
}

hf_scheme hf_hs_choose_scheme(hf_bytes offered, hf_key_kind kind, bool old)
{
    for (unsigned round = 0; round < 2; round++) /* the curve's own hash first, also in TLS 1.2 */
        for (size_t i = 0; i < HF_COUNT(schemes); i++)
            if (hf_hs_scheme_usable(schemes[i], kind, old) && (round > 0 || hf_scheme_fits((hf_scheme)schemes[i], kind)) &&
                hf_wire_list_has(offered, schemes[i]))
                return (hf_scheme)schemes[i];
    return HF_SCHEME_NONE;
}

hf_group hf_hs_group(const hf_handshake *h, size_t i)
{
    static const uint16_t usual[] = { HF_GROUP_X25519MLKEM768, HF_GROUP_X25519, HF_GROUP_P256, HF_GROUP_P384 };
    const uint16_t *const list = h->config->groups != NULL ? h->config->groups : usual;
    const size_t count = h->config->groups != NULL ? h->config->group_count : HF_COUNT(usual);
    for (size_t k = 0; k < count; k++)
        if (hf_group_is_offered(h->crypto, (hf_group)list[k]) && i-- == 0)
            return (hf_group)list[k];
    return HF_GROUP_NONE;
}

/* ---- Certificate -------------------------------------------------------------------------------------------- */

bool hf_hs_send_certificate(hf_handshake *h, const hf_tls_identity *identity)
{
    hf_writer w;
    const hf_bytes staple = identity != NULL && h->server && h->work->status_asked ? identity->staple : hf_nothing();
    size_t room = 32 + staple.len;
    const size_t count = identity == NULL ? 0 : hf_chain_length(identity->chain);
    for (size_t i = 0; i < count; i++)
        room += hf_chain_der(identity->chain, i).len + 5;
    if (!hf_hs_begin(h, HF_LEVEL_HANDSHAKE, room, HF_MESSAGE_CERTIFICATE, &w))
        return false;
    hf_write_number(&w, 0, 1); /* certificate_request_context: empty in the handshake (4.4.2) */
    const size_t list = hf_write_open(&w, 3);
    for (size_t i = 0; i < count; i++) {
        hf_write_vector(&w, hf_chain_der(identity->chain, i), 3);
        const size_t block = hf_write_open(&w, 2);
        if (i == 0 && staple.len > 0) { /* RFC 8446 4.4.2.1 */
            const size_t ext = hf_write_ext(&w, HF_EXT_STATUS);
            hf_write_number(&w, 1, 1);
            hf_write_vector(&w, staple, 3);
            hf_write_close(&w, ext, 2);
        }
        hf_write_close(&w, block, 2);
    }
    hf_write_close(&w, list, 3);
    return hf_hs_end(h, HF_LEVEL_HANDSHAKE, &w);
}

/* RFC 6066 8: CertificateStatus. */
static bool read_staple(hf_handshake *h, hf_bytes data)
{
    hf_reader r = hf_reader_make(data);
    const uint64_t type = hf_read_number(&r, 1);
    const hf_bytes response = hf_read_vector(&r, 3);
    if (!hf_reader_done(&r) || type != 1 || response.len == 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, data, "an OCSP response");
    return hf_queue_append(&h->work->staple, response) || hf_hs_broken(h);
}

bool hf_hs_read_certificate(hf_handshake *h, hf_bytes body, bool modern, uint32_t offered)
{
    enum { MOST = 16 };
    hf_bytes ders[MOST];
    size_t count = 0;
    hf_reader r = hf_reader_make(body);
    const hf_bytes context = modern ? hf_read_vector(&r, 1) : hf_nothing();
    hf_reader list = hf_reader_make(hf_read_vector(&r, 3));
    if (!hf_reader_done(&r))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a Certificate");
    if (context.len != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "an empty certificate_request_context");
    while (!list.bad && list.at != list.end) {
        const hf_bytes der = hf_read_vector(&list, 3);
        const hf_bytes block = modern ? hf_read_vector(&list, 2) : hf_nothing();
        hf_extensions ext;
        hf_tls_flaw flaw;
        if (list.bad || der.len == 0)
            return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a list of certificates");
        if (!hf_extensions_parse(block, HF_IN_CT, offered, &ext, &flaw))
            return hf_handshake_fail(h, flaw, body.ptr + body.len);
        if (count == 0 && hf_ext_in(&ext, HF_EXT_STATUS) && !read_staple(h, ext.data[HF_EXT_STATUS]))
            return false;
        if (count == MOST)
            return hf_hs_flaw(h, HF_ERR_TLS_MESSAGE_LENGTH, body, "at most 16 certificates");
        ders[count++] = der;
    }
    if (list.bad)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a list of certificates");
    if (count == 0)
        return true;
    const hf_err err = hf_chain_parse(h->crypto, ders, count, &h->work->chain);
    if (err.code != 0)
        return hf_hs_flaw(h, err.code, ders[0], "X.509 certificates in DER");
    h->facts |= HF_FACT_CERTIFICATE;
    return true;
}

/* ---- CertificateVerify -------------------------------------------------------------------------------------- */

/* RFC 8446 4.4.3: 64 spaces, the context, a zero, the transcript's hash. */
static bool signed_content(hf_handshake *h, bool by_server, uint8_t *out, uint16_t *length)
{
    const char *const context = by_server ? "TLS 1.3, server CertificateVerify" : "TLS 1.3, client CertificateVerify";
    memset(out, ' ', 64);
    memcpy(out + 64, context, 34); /* with its NUL */
    *length = (uint16_t)(64 + 34 + hf_hash_length(hash_of(h)));
    return hf_hs_transcript(h, hf_nothing(), out + 64 + 34);
}

bool hf_hs_want_sign(hf_handshake *h)
{
    hf_handshake_work *const w = h->work;
    if (!signed_content(h, h->server, w->to_sign, &w->to_sign_length))
        return false;
    hf_hs_ask(h, HF_ASKS_SIGN);
    return true;
}

bool hf_hs_send_verify(hf_handshake *h, hf_bytes signature)
{
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_HANDSHAKE, signature.len + 4, HF_MESSAGE_CERTIFICATE_VERIFY, &w))
        return false;
    hf_write_number(&w, h->work->scheme, 2);
    hf_write_vector(&w, signature, 2);
    return hf_hs_end(h, HF_LEVEL_HANDSHAKE, &w);
}

bool hf_hs_check_signs(hf_handshake *h, hf_bytes body)
{
    return hf_chain_signs(h->work->chain) ||
           hf_hs_flaw(h, HF_ERR_TLS_CERT_PURPOSE, body, "a certificate whose key usage has digitalSignature (RFC 8446 4.4.2.2)");
}

bool hf_hs_check_verify(hf_handshake *h, hf_bytes body)
{
    uint8_t content[HF_TLS_SIGNED_MOST];
    uint16_t length = 0;
    hf_reader r = hf_reader_make(body);
    const uint16_t scheme = (uint16_t)hf_read_number(&r, 2);
    const hf_bytes signature = hf_read_vector(&r, 2);
    if (!hf_reader_done(&r))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a CertificateVerify");
    if (!hf_hs_scheme_usable(scheme, hf_chain_kind(h->work->chain), false))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "a scheme that was offered and fits the certificate's key");
    if (!hf_hs_check_signs(h, body))
        return false;
    if (!signed_content(h, !h->server, content, &length))
        return false;
    const hf_err err = hf_chain_check(h->work->chain, (hf_scheme)scheme, hf_bytes_make(content, length), signature);
    if (err.code != 0)
        return hf_hs_flaw(h, err.code, body, "a signature of this handshake by the certificate's key");
    h->facts |= HF_FACT_SIGNATURE;
    return true;
}

/* ---- Finished ----------------------------------------------------------------------------------------------- */

static bool finished_of(hf_handshake *h, bool by_server, uint8_t *mac)
{
    uint8_t transcript[HF_HASH_MOST];
    return hf_hs_transcript(h, hf_nothing(), transcript) &&
           hf_finished_mac(h->crypto, hash_of(h), by_server ? h->work->server_secret : h->work->client_secret, transcript, mac);
}

bool hf_hs_send_finished(hf_handshake *h)
{
    uint8_t mac[HF_HASH_MOST];
    hf_writer w;
    if (!finished_of(h, h->server, mac) || !hf_hs_begin(h, HF_LEVEL_HANDSHAKE, sizeof mac, HF_MESSAGE_FINISHED, &w))
        return hf_hs_broken(h);
    hf_write(&w, hf_hs_hash_bytes(h, mac));
    return hf_hs_end(h, HF_LEVEL_HANDSHAKE, &w);
}

bool hf_hs_check_finished(hf_handshake *h, hf_bytes body)
{
    uint8_t mac[HF_HASH_MOST];
    if (body.len != hf_hash_length(hash_of(h)))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a Finished as long as the hash");
    if (!finished_of(h, !h->server, mac))
        return hf_hs_broken(h);
    if (!hf_secret_equal(mac, body.ptr, body.len))
        return hf_hs_flaw(h, HF_ERR_TLS_FINISHED, body, "the MAC of this handshake");
    h->facts |= HF_FACT_FINISHED;
    return true;
}

/* ---- QUIC --------------------------------------------------------------------------------------------------- */

void hf_hs_write_parameters(const hf_handshake *h, hf_writer *w)
{
    if (!h->quic)
        return;
    const size_t ext = hf_write_ext(w, HF_EXT_QUIC);
    hf_write(w, h->our_parameters);
    hf_write_close(w, ext, 2);
}

bool hf_hs_read_parameters(hf_handshake *h, const hf_extensions *e, hf_bytes block)
{
    if (!h->quic) /* RFC 9001 8.2: "A fatal unsupported_extension alert MUST be sent ... when the transport is not QUIC" */
        return !hf_ext_in(e, HF_EXT_QUIC) || hf_hs_flaw(h, HF_ERR_TLS_UNSUPPORTED_EXTENSION, block, "quic_transport_parameters in QUIC alone");
    if (h->work->parameters_read)
        return true;
    if (!hf_ext_in(e, HF_EXT_QUIC)) /* RFC 9001 8.2: "MUST close the connection with an error of type 0x016d" */
        return hf_hs_flaw(h, HF_ERR_TLS_MISSING_EXTENSION, block, "quic_transport_parameters");
    h->work->parameters_read = true;
    return hf_queue_append(&h->peer_parameters, e->data[HF_EXT_QUIC]) || hf_hs_broken(h);
}
