/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2 (RFC 5246) as far as it is still sound: ECDHE with AEAD, the extended master secret where the peer has it (RFC
 * 7627), renegotiation indicated as secure (RFC 5746) and never done, no compression, no resumption, no SHA-1.
 */
#include "tls_core.h"

#include "crypto_secret.h"

enum { VERIFY_DATA = 12 };

bool hf_hs_speaks(const hf_handshake *h, uint16_t version)
{
    const uint16_t least = h->config->least_version != 0 ? h->config->least_version : HF_TLS_1_2;
    const uint16_t most = h->config->most_version != 0 ? h->config->most_version : HF_TLS_1_3;
    return version >= least && version <= most && !(h->quic && version < HF_TLS_1_3);
}

/* ---- secrets ------------------------------------------------------------------------------------------------ */

/* RFC 7627 4: over the transcript up to ClientKeyExchange; else RFC 5246 8.1. Then the keys (6.3). */
static bool derive(hf_handshake *h, hf_bytes shared)
{
    hf_handshake_work *const w = h->work;
    const hf_hash hash = (hf_hash)h->suite->hash;
    const hf_bytes client = hf_bytes_make(w->client_random, HF_TLS_RANDOM), server = hf_bytes_make(w->server_random, HF_TLS_RANDOM);
    const hf_bytes master = hf_bytes_make(h->resumption, 48);
    const size_t key = hf_aead_key_length((hf_aead_kind)h->suite->aead), iv = h->suite->aead == HF_AEAD_CHACHA20_POLY1305 ? 12 : 4;
    uint8_t transcript[HF_HASH_MOST], block[2 * (HF_AEAD_KEY_MOST + HF_AEAD_NONCE)];
    bool good = hf_hs_transcript(h, hf_nothing(), transcript);
    if (w->ems)
        good = good && hf_prf12(h->crypto, hash, shared, "extended master secret", hf_hs_hash_bytes(h, transcript), hf_nothing(), h->resumption, 48);
    else
        good = good && hf_prf12(h->crypto, hash, shared, "master secret", client, server, h->resumption, 48);
    good = good && hf_prf12(h->crypto, hash, master, "key expansion", server, client, block, 2 * (key + iv));
    memcpy(w->client_traffic, block, key);
    memcpy(w->server_traffic, block + key, key);
    memcpy(w->client_traffic + key, block + 2 * key, iv);
    memcpy(w->server_traffic + key, block + 2 * key + iv, iv);
    hf_wipe(block, sizeof block);
    return good || hf_hs_broken(h);
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
    h->facts |= HF_FACT_FINISHED;
    if (!hf_hs_absorb(h, whole) || (h->server && !send_finished(h)))
        return false;
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

/* A suite that the client has and a key of ours serves; by name first. */
static bool choose(hf_handshake *h, const hf_client_hello *ch)
{
    hf_reader r = hf_reader_make(ch->ext.data[HF_EXT_SCHEMES]);
    const hf_bytes list = hf_read_vector(&r, 2);
    if (!hf_reader_done(&r) || list.len % 2 != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, ch->ext.data[HF_EXT_SCHEMES], "a list of schemes");
    const hf_bytes host = hf_bytes_make(h->host, h->host_length);
    bool common = false;
    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < h->config->identity_count; i++) {
            const hf_tls_identity *const id = &h->config->identities[i];
            const hf_key_kind kind = hf_chain_kind(id->chain);
            const hf_scheme scheme = hf_hs_choose_scheme(list, kind, true);
            for (size_t s = 0; hf_suite_at(s) != NULL; s++) {
                const hf_suite *const suite = hf_suite_at(s);
                if (suite->version != HF_TLS_1_2 || !hf_wire_list_has(ch->suites, suite->code) || suite->ecdsa == (kind == HF_KEY_RSA))
                    continue;
                common = true;
                if (scheme == HF_SCHEME_NONE || (pass == 0 && !hf_chain_covers(id->chain, host)))
                    continue;
                h->suite = suite;
                h->identity = id;
                h->work->scheme = (uint16_t)scheme;
                return true;
            }
        }
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
        if (hf_wire_list_has(list, (uint16_t)hf_hs_group(h, i)))
            *group = hf_hs_group(h, i);
    if (!hf_ext_in(&ch->ext, HF_EXT_GROUPS))
        *group = HF_GROUP_P256; /* RFC 8422 4: without the extension the server is free */
    return *group != HF_GROUP_NONE || hf_hs_flaw(h, HF_ERR_TLS_NO_GROUP, list, "X25519, P-256 or P-384");
}

static bool send_hello(hf_handshake *h, const hf_client_hello *ch)
{
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, 512, HF_MESSAGE_SERVER_HELLO, &w))
        return false;
    hf_write_number(&w, HF_TLS_1_2, 2);
    hf_write(&w, hf_bytes_make(h->work->server_random, HF_TLS_RANDOM));
    hf_write_number(&w, 0, 1);
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
    if (!hf_exchange_make(h->crypto, &k->exchange[0], group) || !hf_exchange_share(&k->exchange[0], share))
        return hf_hs_broken(h);
    hf_write(&w, hf_bytes_make(k->client_random, HF_TLS_RANDOM));
    hf_write(&w, hf_bytes_make(k->server_random, HF_TLS_RANDOM));
    hf_write_number(&w, 3, 1); /* named_curve */
    hf_write_number(&w, group, 2);
    hf_write_vector(&w, hf_bytes_make(share, hf_group_share(group)), 1);
    k->to_sign_length = (uint16_t)w.length;
    h->suspended = true;
    hf_hs_tell(h, HF_HS_WANT_SIGN);
    return !w.overflowed;
}

/* The host, the protocol and the record size were read by tls_server.c. */
bool hf_old_server_hello(hf_handshake *h, const hf_client_hello *ch, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    hf_group group;
    if (h->config->client_auth != HF_TLS_CLIENT_AUTH_NONE)
        return hf_hs_flaw(h, HF_ERR_TLS_VERSION, whole, "TLS 1.3, in which this port asks for certificates");
    if (hf_wire_list_has(ch->suites, 0x5600) && hf_hs_speaks(h, HF_TLS_1_3))
        return hf_hs_flaw(h, HF_ERR_TLS_FALLBACK, ch->suites, "no TLS_FALLBACK_SCSV below our highest version");
    const hf_bytes renegotiation = ch->ext.data[HF_EXT_RENEGOTIATION];
    if (hf_ext_in(&ch->ext, HF_EXT_RENEGOTIATION) && (renegotiation.len != 1 || renegotiation.ptr[0] != 0))
        return hf_hs_flaw(h, HF_ERR_TLS_LEGACY_RENEGOTIATION, renegotiation, "an empty renegotiated_connection");
    if (!choose(h, ch) || !choose_group(h, ch, &group))
        return false;
    w->ems = hf_ext_in(&ch->ext, HF_EXT_MASTER_SECRET);
    if (!hf_crypto_random(h->crypto, w->server_random, HF_TLS_RANDOM) || !hf_hashing_begin(h->crypto, &w->transcript, (hf_hash)h->suite->hash))
        return hf_hs_broken(h);
    if (hf_hs_speaks(h, HF_TLS_1_3))
        memcpy(w->server_random + 24, "DOWNGRD\1", 8); /* RFC 8446 4.1.3 */
    hf_hs_move(h, HF_HS_OLD_CLIENT_KEY);
    return hf_hs_absorb(h, whole) && send_hello(h, ch) && send_certificate(h, h->identity->chain) && want_sign(h, group);
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
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w) && hf_hs_begin(h, HF_LEVEL_INITIAL, 0, HF_MESSAGE_SERVER_DONE, &w) &&
           hf_hs_end(h, HF_LEVEL_INITIAL, &w);
}

bool hf_old_client_key(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
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
    hf_hs_move(h, HF_HS_OLD_CCS);
    return good;
}

/* ---- client ------------------------------------------------------------------------------------------------- */

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
    if (suite == NULL || suite->version != HF_TLS_1_2 ||
        (sh->session.len > 0 && hf_bytes_equal(sh->session, hf_bytes_make(w->session_id, w->session_id_length))))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "a suite that was offered, and no resumption");
    const hf_bytes info = e.data[HF_EXT_RENEGOTIATION];
    if (!hf_ext_in(&e, HF_EXT_RENEGOTIATION) || info.len != 1 || info.ptr[0] != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_LEGACY_RENEGOTIATION, whole, "an empty renegotiation_info (RFC 5746 3.4)");
    if (hf_ext_in(&e, HF_EXT_PROTOCOLS) && !hf_client_read_protocol(h, e.data[HF_EXT_PROTOCOLS]))
        return false;
    w->ems = hf_ext_in(&e, HF_EXT_MASTER_SECRET);
    w->status_asked = hf_ext_in(&e, HF_EXT_STATUS);
    memcpy(w->server_random, sh->random.ptr, HF_TLS_RANDOM);
    h->suite = suite;
    hf_exchange_fini(&w->exchange[0]);
    const hf_span hello = hf_queue_peek(&w->hello);
    hf_hs_move(h, HF_HS_OLD_CERT);
    return hf_hashing_begin(h->crypto, &w->transcript, (hf_hash)suite->hash) && hf_hs_absorb(h, hf_bytes_make(hello.ptr, hello.len)) &&
           hf_hs_absorb(h, whole);
}

bool hf_old_certificate(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    if (!hf_hs_read_certificate(h, body, false, 0))
        return false;
    if (h->work->chain == NULL || h->suite->ecdsa == (hf_chain_kind(h->work->chain) == HF_KEY_RSA))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "a certificate with a key for this suite");
    hf_hs_move(h, HF_HS_OLD_SERVER_KEY);
    h->suspended = true;
    hf_hs_tell(h, HF_HS_WANT_VERIFY);
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
        known |= group == hf_hs_group(h, i);
    if (type != 3 || !known || share.len != hf_group_share((hf_group)group) || !hf_hs_scheme_usable(scheme, hf_chain_kind(w->chain), true))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "a group and a scheme that were offered");
    memcpy(content, w->client_random, HF_TLS_RANDOM);
    memcpy(content + HF_TLS_RANDOM, w->server_random, HF_TLS_RANDOM);
    memcpy(content + 2 * HF_TLS_RANDOM, body.ptr, parameters);
    const hf_err err = hf_chain_check(w->chain, (hf_scheme)scheme, hf_bytes_make(content, 2 * HF_TLS_RANDOM + parameters), signature);
    if (err.code != 0)
        return hf_hs_flaw(h, err.code, signature, "a signature of these parameters by the certificate's key");
    h->facts |= HF_FACT_SIGNATURE;
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

/* In TLS 1.2 a client of ours shows no certificate: it answers with an empty list, and the server decides. */
bool hf_old_request(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    (void)body;
    h->work->asked_by_server = true;
    hf_hs_move(h, HF_HS_OLD_DONE);
    return hf_hs_absorb(h, whole);
}

bool hf_old_done(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_handshake_work *const k = h->work;
    uint8_t share[HF_SHARE_MOST];
    hf_writer w;
    if (body.len != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "an empty ServerHelloDone");
    if (!hf_hs_absorb(h, whole) || (k->asked_by_server && !send_certificate(h, NULL)) || !hf_exchange_share(&k->exchange[0], share) ||
        !hf_hs_begin(h, HF_LEVEL_INITIAL, sizeof share + 1, HF_MESSAGE_CLIENT_KEY, &w))
        return hf_hs_broken(h);
    hf_write_vector(&w, hf_bytes_make(share, hf_group_share(k->exchange[0].group)), 1);
    hf_exchange_fini(&k->exchange[0]);
    const bool good = hf_hs_end(h, HF_LEVEL_INITIAL, &w) && derive(h, hf_bytes_make(k->psk, k->psk_length)) && send_finished(h);
    hf_wipe(k->psk, sizeof k->psk);
    hf_hs_move(h, HF_HS_OLD_CCS);
    return good;
}
