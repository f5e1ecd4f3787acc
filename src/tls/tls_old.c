/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2 (RFC 5246) as far as it is still sound: ECDHE with AEAD, the extended master secret where the peer has it (RFC
 * 7627), renegotiation indicated as secure (RFC 5746) and never done, resumption by tickets (RFC 5077) of sessions with the
 * extended master secret alone, no compression, no SHA-1. By explicit setting the RSA key exchange.
 */
#include "tls_core.h"

#include "crypto_secret.h"

enum { VERIFY_DATA = 12 };

bool hf_hs_speaks(const hf_handshake *h, uint16_t version)
{
    if (h->quic) /* RFC 9001 4.2: "Clients MUST NOT offer TLS versions older than 1.3" */
        return version == HF_TLS_1_3;
    const uint16_t least = h->config->least_version != 0 ? h->config->least_version : HF_TLS_1_2;
    const uint16_t most = h->config->most_version != 0 ? h->config->most_version : HF_TLS_1_3;
    return version >= least && version <= most;
}

bool hf_hs_offers(const hf_handshake *h, const hf_suite *suite)
{
    bool listed = h->config->suites == NULL;
    for (size_t i = 0; !listed && i < h->config->suite_count; i++)
        listed = h->config->suites[i] == suite->code;
    return listed && hf_hs_speaks(h, suite->version) && (!suite->rsa || h->config->rsa_key_exchange);
}

/* RFC 8449 4. A client may name more than TLS has: `most` is what the server may answer. */
bool hf_hs_read_record_limit(hf_handshake *h, const hf_extensions *e, uint16_t most)
{
    hf_reader r = hf_reader_make(e->data[HF_EXT_RECORD_SIZE]);
    if (!hf_ext_in(e, HF_EXT_RECORD_SIZE) || h->quic)
        return true;
    const uint16_t limit = (uint16_t)hf_read_number(&r, 2);
    if (!hf_reader_done(&r) || limit < 64 || limit > most)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, e->data[HF_EXT_RECORD_SIZE], "64 to 2^14 + 1 (RFC 8449 4)");
    h->record_limit = limit;
    return true;
}

/* ---- secrets ------------------------------------------------------------------------------------------------ */

/* RFC 5246 6.3: the keys, from the master secret. */
static bool derive_keys(hf_handshake *h)
{
    hf_handshake_work *const w = h->work;
    const hf_bytes client = hf_bytes_make(w->client_random, HF_TLS_RANDOM), server = hf_bytes_make(w->server_random, HF_TLS_RANDOM);
    const size_t key = hf_aead_key_length((hf_aead_kind)h->suite->aead), iv = h->suite->aead == HF_AEAD_CHACHA20_POLY1305 ? 12 : 4;
    uint8_t block[2 * (HF_AEAD_KEY_MOST + HF_AEAD_NONCE)];
    const bool good = hf_prf12(h->crypto, (hf_hash)h->suite->hash, hf_bytes_make(h->resumption, 48), "key expansion", server, client, block, 2 * (key + iv));
    memcpy(w->client_traffic, block, key);
    memcpy(w->server_traffic, block + key, key);
    memcpy(w->client_traffic + key, block + 2 * key, iv);
    memcpy(w->server_traffic + key, block + 2 * key + iv, iv);
    hf_wipe(block, sizeof block);
    if (good)
        hf_hs_log_secret(h, "CLIENT_RANDOM", h->resumption, 48);
    return good || hf_hs_broken(h);
}

/* RFC 7627 4: over the transcript up to ClientKeyExchange; else RFC 5246 8.1. */
static bool derive(hf_handshake *h, hf_bytes shared)
{
    hf_handshake_work *const w = h->work;
    const hf_hash hash = (hf_hash)h->suite->hash;
    const hf_bytes client = hf_bytes_make(w->client_random, HF_TLS_RANDOM), server = hf_bytes_make(w->server_random, HF_TLS_RANDOM);
    uint8_t transcript[HF_HASH_MOST];
    bool good = hf_hs_transcript(h, hf_nothing(), transcript);
    if (w->ems)
        good = good && hf_prf12(h->crypto, hash, shared, "extended master secret", hf_hs_hash_bytes(h, transcript), hf_nothing(), h->resumption, 48);
    else
        good = good && hf_prf12(h->crypto, hash, shared, "master secret", client, server, h->resumption, 48);
    return (good || hf_hs_broken(h)) && derive_keys(h);
}

static bool verify_data(hf_handshake *h, bool by_server, uint8_t out[VERIFY_DATA])
{
    uint8_t transcript[HF_HASH_MOST];
    return hf_hs_transcript(h, hf_nothing(), transcript) &&
           hf_prf12(h->crypto, (hf_hash)h->suite->hash, hf_bytes_make(h->resumption, 48), by_server ? "server finished" : "client finished",
                    hf_hs_hash_bytes(h, transcript), hf_nothing(), out, VERIFY_DATA);
}

/* ChangeCipherSpec leaves as a record of its own, then Finished under the new key. */
static bool send_finished(hf_handshake *h)
{
    uint8_t data[VERIFY_DATA];
    hf_writer w;
    if (!verify_data(h, h->server, data) || !hf_hs_begin(h, HF_LEVEL_APPLICATION, VERIFY_DATA, HF_MESSAGE_FINISHED, &w))
        return hf_hs_broken(h);
    hf_write(&w, hf_bytes_make(data, VERIFY_DATA));
    h->old_ccs_due = true;
    hf_hs_tell(h, HF_HS_WRITE_APPLICATION);
    return hf_hs_end(h, HF_LEVEL_APPLICATION, &w) && hf_hs_absorb(h, hf_written(&w));
}

bool hf_old_ccs(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    (void)body, (void)whole;
    hf_hs_tell(h, HF_HS_READ_APPLICATION);
    hf_hs_move(h, HF_HS_OLD_FINISHED);
    return true;
}

bool hf_old_finished(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    uint8_t data[VERIFY_DATA];
    if (body.len != VERIFY_DATA)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "a Finished of 12 bytes");
    if (!verify_data(h, !h->server, data))
        return hf_hs_broken(h);
    if (!hf_secret_equal(data, body.ptr, VERIFY_DATA))
        return hf_hs_flaw(h, HF_ERR_TLS_FINISHED, body, "the verify_data of this handshake");
    if (!hf_hs_flight_ends(h, whole)) /* a HelloRequest, too, comes behind the handshake */
        return false;
    h->facts |= HF_FACT_FINISHED | (h->suite->rsa ? HF_FACT_DECRYPTED : 0);
    /* The server closes a full handshake, the client a resumed one (RFC 5246 7.3). */
    if (!hf_hs_absorb(h, whole) || (h->server && h->work->ticket_due && !hf_ticket_send_old(h)) || (h->server != h->resumed && !send_finished(h)))
        return false;
    if (!h->server && h->work->session_came)
        hf_hs_tell(h, HF_HS_SESSION);
    return hf_hs_open(h);
}

/* ---- what both write ---------------------------------------------------------------------------------------- */

static bool send_certificate(hf_handshake *h, const hf_chain *chain)
{
    hf_writer w;
    size_t room = 16;
    const size_t count = chain == NULL ? 0 : hf_chain_length(chain);
    for (size_t i = 0; i < count; i++)
        room += hf_chain_der(chain, i).len + 3;
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, room, HF_MESSAGE_CERTIFICATE, &w))
        return false;
    const size_t list = hf_write_open(&w, 3);
    for (size_t i = 0; i < count; i++)
        hf_write_vector(&w, hf_chain_der(chain, i), 3);
    hf_write_close(&w, list, 3);
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w);
}

/* ---- server ------------------------------------------------------------------------------------------------- */

/* A suite that the client has and a key of ours serves; by name first. Those with RSA key exchange apart, because they come
 * last, whatever name they are for. *common: there was a suite, and only a scheme was missing. */
static bool choose_among(hf_handshake *h, const hf_client_hello *ch, hf_bytes list, bool rsa, bool *common)
{
    hf_candidates candidates = hf_hs_candidates(h);
    const hf_tls_identity *id;
    while ((id = hf_hs_candidate_next(&candidates)) != NULL) {
        const hf_key_kind kind = hf_chain_kind(id->chain);
        const hf_scheme scheme = hf_hs_choose_scheme(list, kind, true);
        for (size_t s = 0; hf_suite_at(s) != NULL; s++) {
            const hf_suite *const suite = hf_suite_at(s);
            if (suite->version != HF_TLS_1_2 || suite->rsa != rsa || !hf_hs_offers(h, suite) || !hf_wire_list_has(ch->suites, suite->code) ||
                suite->ecdsa == (kind == HF_KEY_RSA) || (rsa && !hf_chain_enciphers(id->chain)))
                continue;
            *common = true;
            if (scheme == HF_SCHEME_NONE && !rsa)
                continue;
            h->suite = suite;
            h->identity = id;
            h->work->scheme = (uint16_t)scheme;
            return true;
        }
    }
    return false;
}

static bool choose(hf_handshake *h, const hf_client_hello *ch)
{
    hf_reader r = hf_reader_make(ch->ext.data[HF_EXT_SCHEMES]);
    const hf_bytes list = hf_read_vector(&r, 2);
    bool common = false;
    /* Without the extension SHA-1 is meant (RFC 5246 7.4.1.4.1), by which nothing is signed here. */
    if (hf_ext_in(&ch->ext, HF_EXT_SCHEMES) && (!hf_reader_done(&r) || list.len == 0 || list.len % 2 != 0))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, ch->ext.data[HF_EXT_SCHEMES], "a list of schemes");
    if (choose_among(h, ch, list, false, &common) || choose_among(h, ch, list, true, &common))
        return true;
    return hf_hs_flaw(h, common ? HF_ERR_TLS_NO_SCHEME : HF_ERR_TLS_NO_SUITE, ch->suites, "ECDHE with AES-GCM or ChaCha20-Poly1305, and SHA-256 or better");
}

static bool choose_group(hf_handshake *h, const hf_client_hello *ch, hf_group *group)
{
    hf_reader r = hf_reader_make(ch->ext.data[HF_EXT_GROUPS]);
    const hf_bytes list = hf_read_vector(&r, 2);
    *group = HF_GROUP_NONE;
    if (hf_ext_in(&ch->ext, HF_EXT_GROUPS) && (!hf_reader_done(&r) || list.len % 2 != 0))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, ch->ext.data[HF_EXT_GROUPS], "a list of groups");
    for (size_t i = 0; hf_hs_group(h, i) != HF_GROUP_NONE && *group == HF_GROUP_NONE; i++)
        if (hf_hs_group(h, i) != HF_GROUP_X25519MLKEM768 && hf_wire_list_has(list, (uint16_t)hf_hs_group(h, i)))
            *group = hf_hs_group(h, i); /* the hybrid is of TLS 1.3 alone */
    if (!hf_ext_in(&ch->ext, HF_EXT_GROUPS))
        *group = HF_GROUP_P256; /* RFC 8422 4: without the extension the server is free */
    return *group != HF_GROUP_NONE || hf_hs_flaw(h, HF_ERR_TLS_NO_GROUP, list, "X25519, P-256 or P-384");
}

static bool sends_staple(const hf_handshake *h)
{
    return !h->resumed && h->work->status_asked && h->identity->staple.len > 0;
}

static bool send_hello(hf_handshake *h, const hf_client_hello *ch)
{
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, 512, HF_MESSAGE_SERVER_HELLO, &w))
        return false;
    hf_write_number(&w, HF_TLS_1_2, 2);
    hf_write(&w, hf_bytes_make(h->work->server_random, HF_TLS_RANDOM));
    hf_write_vector(&w, h->resumed ? ch->session : hf_nothing(), 1); /* RFC 5077 3.4: the same says that the ticket was taken */
    hf_write_number(&w, h->suite->code, 2);
    hf_write_number(&w, 0, 1);
    const size_t block = hf_write_open(&w, 2);
    size_t ext = 0;
    if (hf_ext_in(&ch->ext, HF_EXT_RENEGOTIATION) || hf_wire_list_has(ch->suites, 0x00ff)) {
        ext = hf_write_ext(&w, HF_EXT_RENEGOTIATION);
        hf_write_number(&w, 0, 1);
        hf_write_close(&w, ext, 2);
    }
    if (h->work->ems)
        hf_write_close(&w, hf_write_ext(&w, HF_EXT_MASTER_SECRET), 2);
    if (hf_ext_in(&ch->ext, HF_EXT_POINT_FORMATS)) {
        ext = hf_write_ext(&w, HF_EXT_POINT_FORMATS);
        hf_write_number(&w, 0x0100, 2);
        hf_write_close(&w, ext, 2);
    }
    if (h->work->ticket_due)
        hf_write_close(&w, hf_write_ext(&w, HF_EXT_TICKET), 2);
    if (sends_staple(h))
        hf_write_close(&w, hf_write_ext(&w, HF_EXT_STATUS), 2);
    if (h->record_limit != 0) {
        ext = hf_write_ext(&w, HF_EXT_RECORD_SIZE);
        hf_write_number(&w, HF_RECORD_MOST, 2); /* in TLS 1.2 without a content type */
        hf_write_close(&w, ext, 2);
    }
    if (h->protocol.len > 0) {
        ext = hf_write_ext(&w, HF_EXT_PROTOCOLS);
        const size_t list = hf_write_open(&w, 2);
        hf_write_vector(&w, h->protocol, 1);
        hf_write_close(&w, list, 2);
        hf_write_close(&w, ext, 2);
    }
    hf_write_close(&w, block, 2);
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w);
}

/* What ServerKeyExchange signs: both randoms and the parameters (RFC 8422 5.4). */
static bool want_sign(hf_handshake *h, hf_group group)
{
    hf_handshake_work *const k = h->work;
    uint8_t share[HF_SHARE_MOST];
    hf_writer w = hf_writer_make(k->to_sign, sizeof k->to_sign);
    h->group = (uint16_t)group;
    if (!hf_exchange_make(h->crypto, &k->exchange[0], group) || !hf_exchange_share(&k->exchange[0], share))
        return hf_hs_broken(h);
    hf_write(&w, hf_bytes_make(k->client_random, HF_TLS_RANDOM));
    hf_write(&w, hf_bytes_make(k->server_random, HF_TLS_RANDOM));
    hf_write_number(&w, 3, 1); /* named_curve */
    hf_write_number(&w, group, 2);
    hf_write_vector(&w, hf_bytes_make(share, hf_group_share(group)), 1);
    k->to_sign_length = (uint16_t)w.length;
    hf_hs_ask(h, HF_ASKS_SIGN);
    return !w.overflowed;
}

/* RFC 5246 7.4.4: rsa_sign and ecdsa_sign (which is Ed25519 too: RFC 8422 5.5), our schemes, any authority. */
static bool send_request(hf_handshake *h)
{
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, 64, HF_MESSAGE_CERTIFICATE_REQUEST, &w))
        return false;
    hf_write_vector(&w, hf_bytes_make("\1\100", 2), 1);
    hf_hs_write_schemes(&w);
    hf_write_number(&w, 0, 2);
    h->facts |= HF_FACT_ASKED;
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w);
}

/* The end of the server's first flight. */
static bool send_done(hf_handshake *h)
{
    hf_writer w;
    return (h->config->client_auth == HF_TLS_CLIENT_AUTH_NONE || send_request(h)) &&
           hf_hs_begin(h, HF_LEVEL_INITIAL, 0, HF_MESSAGE_SERVER_DONE, &w) && hf_hs_end(h, HF_LEVEL_INITIAL, &w);
}

static bool send_status(hf_handshake *h)
{
    hf_writer w;
    if (!sends_staple(h))
        return true;
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, h->identity->staple.len + 4, HF_MESSAGE_STATUS, &w))
        return false;
    hf_write_number(&w, 1, 1);
    hf_write_vector(&w, h->identity->staple, 3);
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w);
}

/* Takes the session of the ticket, if there is one that fits; then h->resumed. Only sessions with the extended master
 * secret have tickets, so RFC 7627 5.3 asks it of this ClientHello as well. */
static bool choose_ticket(hf_handshake *h, const hf_client_hello *ch)
{
    hf_handshake_work *const w = h->work;
    const hf_bytes sealed = ch->ext.data[HF_EXT_TICKET];
    hf_ticket t;
    w->ticket_due = hf_ext_in(&ch->ext, HF_EXT_TICKET) && w->ems && h->config->ticket_key_count > 0;
    if (!hf_ext_in(&ch->ext, HF_EXT_TICKET) || sealed.len == 0 || !hf_ticket_open(h, sealed, &t))
        return true;
    bool good = true;
    if (t.suite->version == HF_TLS_1_2 && hf_wire_list_has(ch->suites, t.suite->code)) {
        good = w->ems || hf_hs_flaw(h, HF_ERR_TLS_EMS, ch->extensions_block, "extended_master_secret, which the session had (RFC 7627 5.3)");
        good = good && hf_hs_set_peer(h, hf_bytes_make(t.peer, t.peer_length), t.peer_until_s);
        h->suite = t.suite;
        memcpy(h->resumption, t.secret, sizeof h->resumption);
        h->facts |= HF_FACT_PSK;
        h->resumed = true;
        w->ticket_due = false; /* a session is not prolonged by being resumed */
    }
    hf_wipe(&t, sizeof t);
    return good;
}

/* RFC 5077 3.1, figure 2: the server's ChangeCipherSpec and Finished come first. */
static bool resume_session(hf_handshake *h, const hf_client_hello *ch, hf_bytes whole)
{
    hf_hs_move(h, HF_HS_OLD_CCS);
    return hf_hs_absorb(h, whole) && send_hello(h, ch) && derive_keys(h) && send_finished(h);
}

/* RFC 8422 5.1.2: where the list stands, "uncompressed" (0) must stand in it. */
static bool check_formats(hf_handshake *h, const hf_extensions *e)
{
    hf_reader r = hf_reader_make(e->data[HF_EXT_POINT_FORMATS]);
    const hf_bytes list = hf_read_vector(&r, 1);
    if (!hf_ext_in(e, HF_EXT_POINT_FORMATS))
        return true;
    if (!hf_reader_done(&r) || list.len == 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, e->data[HF_EXT_POINT_FORMATS], "a list of point formats");
    return memchr(list.ptr, 0, list.len) != NULL || hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, e->data[HF_EXT_POINT_FORMATS], "the format uncompressed");
}

/* What must be so before a suite is looked at. */
static bool check_hello(hf_handshake *h, const hf_client_hello *ch)
{
    if (hf_wire_list_has(ch->suites, 0x5600) && hf_hs_speaks(h, HF_TLS_1_3))
        return hf_hs_flaw(h, HF_ERR_TLS_FALLBACK, ch->suites, "no TLS_FALLBACK_SCSV below our highest version");
    const hf_bytes renegotiation = ch->ext.data[HF_EXT_RENEGOTIATION];
    if (hf_ext_in(&ch->ext, HF_EXT_RENEGOTIATION) && (renegotiation.len != 1 || renegotiation.ptr[0] != 0))
        return hf_hs_flaw(h, HF_ERR_TLS_LEGACY_RENEGOTIATION, renegotiation, "an empty renegotiated_connection");
    h->work->ems = hf_ext_in(&ch->ext, HF_EXT_MASTER_SECRET);
    h->work->client_version = ch->version;
    h->work->keep_raw = h->config->client_auth != HF_TLS_CLIENT_AUTH_NONE;
    return check_formats(h, &ch->ext) && hf_hs_read_record_limit(h, &ch->ext, UINT16_MAX) && choose_ticket(h, ch);
}

/* The host and the protocol were read by tls_server.c. */
bool hf_old_server_hello(hf_handshake *h, const hf_client_hello *ch, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    hf_group group = HF_GROUP_NONE;
    if (!check_hello(h, ch) || (!h->resumed && (!choose(h, ch) || (!h->suite->rsa && !choose_group(h, ch, &group)))))
        return false;
    if (!hf_crypto_random(h->crypto, w->server_random, HF_TLS_RANDOM) || !hf_hashing_begin(h->crypto, &w->transcript, (hf_hash)h->suite->hash))
        return hf_hs_broken(h);
    if (hf_hs_speaks(h, HF_TLS_1_3))
        memcpy(w->server_random + 24, "DOWNGRD\1", 8); /* RFC 8446 4.1.3 */
    if (h->resumed)
        return resume_session(h, ch, whole);
    hf_hs_move(h, h->config->client_auth == HF_TLS_CLIENT_AUTH_NONE ? HF_HS_OLD_CLIENT_KEY : HF_HS_OLD_CLIENT_CERT);
    if (!hf_hs_flight_ends(h, whole))
        return false;
    return hf_hs_absorb(h, whole) && send_hello(h, ch) && send_certificate(h, h->identity->chain) && send_status(h) &&
           (h->suite->rsa ? send_done(h) : want_sign(h, group));
}

bool hf_old_server_resume(hf_handshake *h, hf_bytes signature)
{
    hf_handshake_work *const k = h->work;
    const size_t randoms = 2 * HF_TLS_RANDOM, parameters = 4 + hf_group_share(k->exchange[0].group);
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, parameters + signature.len + 8, HF_MESSAGE_SERVER_KEY, &w))
        return false;
    hf_write(&w, hf_bytes_make(k->to_sign + randoms, parameters));
    hf_write_number(&w, k->scheme, 2);
    hf_write_vector(&w, signature, 2);
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w) && send_done(h);
}

bool hf_old_client_certificate(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    if (!hf_hs_read_certificate(h, body, false, 0))
        return false;
    if (h->work->chain == NULL && h->config->client_auth == HF_TLS_CLIENT_AUTH_REQUIRE)
        return hf_hs_flaw(h, HF_ERR_TLS_NO_CERTIFICATE, body, "a certificate of the client");
    if (h->work->chain != NULL)
        hf_hs_ask(h, HF_ASKS_VERIFY);
    hf_hs_move(h, HF_HS_OLD_CLIENT_KEY);
    return hf_hs_absorb(h, whole);
}

static hf_hs_state after_client_key(const hf_handshake *h)
{
    return h->work->chain != NULL ? HF_HS_OLD_CLIENT_VERIFY : HF_HS_OLD_CCS;
}

/* RFC 5246 7.4.7.1. Whatever came is handed on, and what it gives is used: a peer that guesses learns nothing before its
 * Finished fails, and nothing then. */
static bool read_premaster(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_queue *const held = &h->work->cookie;
    hf_reader r = hf_reader_make(body);
    const hf_bytes encrypted = hf_read_vector(&r, 2);
    if (!hf_reader_done(&r) || encrypted.len == 0 || encrypted.len > HF_SIGNATURE_MOST)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "a ClientKeyExchange");
    hf_queue_take(held, hf_queue_length(held));
    if (!hf_queue_append(held, encrypted))
        return false;
    hf_hs_move(h, after_client_key(h));
    hf_hs_ask(h, HF_ASKS_DECRYPT);
    return hf_hs_absorb(h, whole);
}

bool hf_old_server_premaster(hf_handshake *h, hf_bytes premaster)
{
    return derive(h, premaster);
}

/* RFC 5246 7.4.8: over all handshake messages so far. */
bool hf_old_client_verify(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_reader r = hf_reader_make(body);
    const uint16_t scheme = (uint16_t)hf_read_number(&r, 2);
    const hf_bytes signature = hf_read_vector(&r, 2);
    const hf_span raw = hf_queue_peek(&h->work->raw);
    if (!hf_reader_done(&r))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a CertificateVerify");
    if (!hf_hs_scheme_usable(scheme, hf_chain_kind(h->work->chain), true))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "a scheme that was offered and fits the certificate's key");
    if (!hf_hs_check_signs(h, body))
        return false;
    const hf_err err = hf_chain_check(h->work->chain, (hf_scheme)scheme, hf_bytes_make(raw.ptr, raw.len), signature);
    if (err.code != 0)
        return hf_hs_flaw(h, err.code, body, "a signature of this handshake by the certificate's key");
    h->facts |= HF_FACT_SIGNATURE;
    hf_hs_move(h, HF_HS_OLD_CCS);
    return hf_hs_absorb(h, whole);
}

bool hf_old_client_key(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    if (h->suite->rsa)
        return read_premaster(h, body, whole);
    hf_exchange *const x = &h->work->exchange[0];
    uint8_t secret[HF_SHARED_MOST];
    size_t n = 0;
    hf_reader r = hf_reader_make(body);
    const hf_bytes share = hf_read_vector(&r, 1);
    if (!hf_reader_done(&r))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "a ClientKeyExchange");
    const hf_err err = hf_exchange_finish(x, share, secret, &n);
    if (err.code != 0)
        return hf_hs_flaw(h, err.code, share, "a point of the group");
    hf_exchange_fini(x);
    const bool good = hf_hs_absorb(h, whole) && derive(h, hf_bytes_make(secret, n));
    hf_wipe(secret, sizeof secret);
    hf_hs_move(h, after_client_key(h));
    return good;
}

/* ---- client ------------------------------------------------------------------------------------------------- */

/* The server took the ticket: it answers with the session id that was sent (RFC 5077 3.4). */
static bool take_session(hf_handshake *h, hf_bytes whole)
{
    const hf_span held = hf_queue_peek(&h->session);
    hf_session s;
    if (held.len == 0 || !hf_session_parse(h, hf_bytes_make(held.ptr, held.len), &s) || s.suite != h->suite)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "the session that was offered, with its suite, or none");
    if (!h->work->ems) /* RFC 7627 5.3: "the client MUST abort the handshake" */
        return hf_hs_flaw(h, HF_ERR_TLS_EMS, whole, "extended_master_secret, which the session had (RFC 7627 5.3)");
    memcpy(h->resumption, s.psk.ptr, sizeof h->resumption);
    h->facts |= HF_FACT_PSK;
    h->resumed = true;
    hf_hs_move(h, h->work->ticket_due ? HF_HS_OLD_TICKET : HF_HS_OLD_CCS);
    return derive_keys(h);
}

bool hf_old_client_hello(hf_handshake *h, const hf_server_hello *sh, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    hf_extensions e;
    hf_tls_flaw flaw;
    if (!hf_hs_speaks(h, HF_TLS_1_2) || sh->version != HF_TLS_1_2 || w->retried)
        return hf_hs_flaw(h, HF_ERR_TLS_VERSION, whole, "a version that was offered");
    if (hf_hs_speaks(h, HF_TLS_1_3) && memcmp(sh->random.ptr + 24, "DOWNGRD", 7) == 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DOWNGRADE, sh->random, "no mark of a downgrade (RFC 8446 4.1.3)");
    if (!hf_extensions_parse(sh->extensions_block, HF_IN_SH12, w->offered, &e, &flaw))
        return hf_handshake_fail(h, flaw, whole.ptr + whole.len);
    const hf_suite *suite = hf_suite_find(sh->suite);
    const bool resumed = sh->session.len > 0 && hf_bytes_equal(sh->session, hf_bytes_make(w->session_id, w->session_id_length));
    if (suite == NULL || suite->version != HF_TLS_1_2 || !hf_hs_offers(h, suite))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "a suite that was offered");
    const hf_bytes info = e.data[HF_EXT_RENEGOTIATION];
    if (!hf_ext_in(&e, HF_EXT_RENEGOTIATION) || info.len != 1 || info.ptr[0] != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_LEGACY_RENEGOTIATION, whole, "an empty renegotiation_info (RFC 5746 3.4)");
    if (hf_ext_in(&e, HF_EXT_PROTOCOLS) && !hf_client_read_protocol(h, e.data[HF_EXT_PROTOCOLS]))
        return false;
    if (!hf_hs_read_record_limit(h, &e, HF_RECORD_MOST + 1) || !check_formats(h, &e))
        return false;
    w->ems = hf_ext_in(&e, HF_EXT_MASTER_SECRET);
    w->ticket_due = hf_ext_in(&e, HF_EXT_TICKET);
    w->keep_raw = h->config->identity_count > 0;
    w->status_asked = hf_ext_in(&e, HF_EXT_STATUS);
    memcpy(w->server_random, sh->random.ptr, HF_TLS_RANDOM);
    h->suite = suite;
    hf_exchange_fini(&w->exchange[0]);
    const hf_span hello = hf_queue_peek(&w->hello);
    hf_hs_move(h, HF_HS_OLD_CERT);
    return hf_hashing_begin(h->crypto, &w->transcript, (hf_hash)suite->hash) && hf_hs_absorb(h, hf_bytes_make(hello.ptr, hello.len)) &&
           hf_hs_absorb(h, whole) && (!resumed || take_session(h, whole));
}

bool hf_old_certificate(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    if (!hf_hs_read_certificate(h, body, false, 0))
        return false;
    if (h->work->chain == NULL || h->suite->ecdsa == (hf_chain_kind(h->work->chain) == HF_KEY_RSA))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "a certificate with a key for this suite");
    if (h->suite->rsa && !hf_chain_enciphers(h->work->chain))
        return hf_hs_flaw(h, HF_ERR_TLS_CERT_PURPOSE, body, "a key that may encipher (RFC 5280 4.2.1.3)");
    if (h->work->status_asked)
        hf_hs_move(h, h->suite->rsa ? HF_HS_OLD_STATUS_RSA : HF_HS_OLD_STATUS);
    else
        hf_hs_move(h, h->suite->rsa ? HF_HS_OLD_REQUEST : HF_HS_OLD_SERVER_KEY);
    hf_hs_ask(h, HF_ASKS_VERIFY);
    return hf_hs_absorb(h, whole);
}

/* RFC 6066 8. The chain was judged before this came: the response is read past. */
bool hf_old_status(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_reader r = hf_reader_make(body);
    const uint64_t type = hf_read_number(&r, 1);
    if (hf_read_vector(&r, 3).len == 0 || type != 1 || !hf_reader_done(&r))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "an OCSP response");
    hf_hs_move(h, h->suite->rsa ? HF_HS_OLD_REQUEST : HF_HS_OLD_SERVER_KEY);
    return hf_hs_absorb(h, whole);
}

/* RFC 5077 3.3. It is told once the server has proved itself. */
bool hf_old_ticket(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_reader r = hf_reader_make(body);
    const uint32_t hint = (uint32_t)hf_read_number(&r, 4), day = 86400;
    const hf_bytes ticket = hf_read_vector(&r, 2);
    if (!hf_reader_done(&r))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a NewSessionTicket");
    hf_hs_move(h, HF_HS_OLD_CCS);
    if (ticket.len > 0 && h->work->ems) { /* hint 0: "unspecified" */
        if (!hf_session_write(h, &(hf_new_ticket){ .lifetime_s = hint == 0 || hint > 7 * day ? day : hint, .ticket = ticket }))
            return hf_hs_broken(h);
        h->work->session_came = true;
    }
    return hf_hs_absorb(h, whole);
}

bool hf_old_server_key(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    uint8_t content[2 * HF_TLS_RANDOM + 4 + HF_SHARE_MOST];
    hf_reader r = hf_reader_make(body);
    const uint64_t type = hf_read_number(&r, 1);
    const uint16_t group = (uint16_t)hf_read_number(&r, 2);
    const hf_bytes share = hf_read_vector(&r, 1);
    const size_t parameters = (size_t)(r.at - body.ptr);
    const uint16_t scheme = (uint16_t)hf_read_number(&r, 2);
    const hf_bytes signature = hf_read_vector(&r, 2);
    if (!hf_reader_done(&r))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "a ServerKeyExchange");
    bool known = false;
    for (size_t i = 0; hf_hs_group(h, i) != HF_GROUP_NONE; i++)
        known |= group == hf_hs_group(h, i) && group != HF_GROUP_X25519MLKEM768;
    if (type != 3 || !known || share.len != hf_group_share((hf_group)group) || !hf_hs_scheme_usable(scheme, hf_chain_kind(w->chain), true))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "a group and a scheme that were offered");
    if (!hf_hs_check_signs(h, body))
        return false;
    memcpy(content, w->client_random, HF_TLS_RANDOM);
    memcpy(content + HF_TLS_RANDOM, w->server_random, HF_TLS_RANDOM);
    memcpy(content + 2 * HF_TLS_RANDOM, body.ptr, parameters);
    const hf_err err = hf_chain_check(w->chain, (hf_scheme)scheme, hf_bytes_make(content, 2 * HF_TLS_RANDOM + parameters), signature);
    if (err.code != 0)
        return hf_hs_flaw(h, err.code, signature, "a signature of these parameters by the certificate's key");
    h->facts |= HF_FACT_SIGNATURE;
    h->group = (uint16_t)group;
    if (!hf_exchange_make(h->crypto, &w->exchange[0], (hf_group)group))
        return hf_hs_broken(h);
    size_t n = 0; /* the secret waits, in the place of a ticket's, for ServerHelloDone */
    const hf_err bad = hf_exchange_finish(&w->exchange[0], share, w->psk, &n);
    if (bad.code != 0)
        return hf_hs_flaw(h, bad.code, share, "a point of the group");
    w->psk_length = (uint8_t)n;
    hf_hs_move(h, HF_HS_OLD_REQUEST);
    return hf_hs_absorb(h, whole);
}

bool hf_old_request(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    hf_reader r = hf_reader_make(body);
    const hf_bytes types = hf_read_vector(&r, 1), list = hf_read_vector(&r, 2);
    (void)hf_read_vector(&r, 2); /* authorities: we have one certificate, or none */
    if (!hf_reader_done(&r) || types.len == 0 || list.len == 0 || list.len % 2 != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a CertificateRequest");
    w->schemes_length = (uint8_t)(list.len < sizeof w->schemes ? list.len : sizeof w->schemes);
    memcpy(w->schemes, list.ptr, w->schemes_length);
    w->asked_by_server = true;
    hf_hs_move(h, HF_HS_OLD_DONE);
    return hf_hs_absorb(h, whole);
}

/* Our certificate, where one of its key's schemes was asked for; else an empty list, and the server decides. */
static bool show_certificate(hf_handshake *h)
{
    hf_handshake_work *const w = h->work;
    const hf_tls_identity *id = w->asked_by_server && h->config->identity_count > 0 ? &h->config->identities[0] : NULL;
    const hf_bytes asked = hf_bytes_make(w->schemes, w->schemes_length);
    w->scheme = id == NULL ? HF_SCHEME_NONE : (uint16_t)hf_hs_choose_scheme(asked, hf_chain_kind(id->chain), true);
    h->identity = w->scheme == HF_SCHEME_NONE ? NULL : id;
    return !w->asked_by_server || send_certificate(h, h->identity == NULL ? NULL : h->identity->chain);
}

/* The premaster secret, in the place of a ticket's secret, and its ciphertext (RFC 5246 7.4.7.1). */
static bool send_premaster(hf_handshake *h)
{
    hf_handshake_work *const k = h->work;
    uint8_t encrypted[HF_SIGNATURE_MOST];
    size_t n = 0;
    hf_writer w;
    k->psk_length = HF_PREMASTER;
    if (!hf_crypto_random(h->crypto, k->psk, HF_PREMASTER))
        return false;
    k->psk[0] = HF_TLS_1_2 >> 8; /* the version that was offered: a rollback would show */
    k->psk[1] = HF_TLS_1_2 & 255;
    if (hf_chain_encrypt(k->chain, hf_bytes_make(k->psk, HF_PREMASTER), encrypted, &n).code != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_CERT_BAD, hf_chain_der(k->chain, 0), "an RSA key that encrypts");
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, n + 2, HF_MESSAGE_CLIENT_KEY, &w))
        return false;
    hf_write_vector(&w, hf_bytes_make(encrypted, n), 2);
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w);
}

static bool send_share(hf_handshake *h)
{
    hf_handshake_work *const k = h->work;
    uint8_t share[HF_SHARE_MOST];
    hf_writer w;
    if (!hf_exchange_share(&k->exchange[0], share) || !hf_hs_begin(h, HF_LEVEL_INITIAL, sizeof share + 1, HF_MESSAGE_CLIENT_KEY, &w))
        return false;
    hf_write_vector(&w, hf_bytes_make(share, hf_group_share(k->exchange[0].group)), 1);
    hf_exchange_fini(&k->exchange[0]);
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w);
}

bool hf_old_client_resume(hf_handshake *h, hf_bytes signature)
{
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, signature.len + 4, HF_MESSAGE_CERTIFICATE_VERIFY, &w))
        return false;
    hf_write_number(&w, h->work->scheme, 2);
    hf_write_vector(&w, signature, 2);
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w) && send_finished(h);
}

bool hf_old_done(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_handshake_work *const k = h->work;
    if (body.len != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "an empty ServerHelloDone");
    if (!hf_hs_flight_ends(h, whole))
        return false;
    if (!hf_hs_absorb(h, whole) || !show_certificate(h) || !(h->suite->rsa ? send_premaster(h) : send_share(h)))
        return hf_hs_broken(h);
    const bool good = derive(h, hf_bytes_make(k->psk, k->psk_length));
    hf_wipe(k->psk, sizeof k->psk);
    hf_hs_move(h, k->ticket_due ? HF_HS_OLD_TICKET : HF_HS_OLD_CCS);
    if (!good || h->identity == NULL)
        return good && send_finished(h);
    k->sign_raw = true;
    hf_hs_ask(h, HF_ASKS_SIGN);
    return true;
}
