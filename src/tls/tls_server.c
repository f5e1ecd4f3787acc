/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's side of TLS 1.3 (RFC 8446 4.1 to 4.4 and A.2).
 */
#include "tls_early.h"

#include "crypto_secret.h"

/* RFC 8446 4.1.3: the SHA-256 of "HelloRetryRequest". */
const uint8_t hf_retry_random[HF_TLS_RANDOM] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

enum { COOKIE = 16 };

/* ---- choices ------------------------------------------------------------------------------------------------ */

static bool choose_version(hf_handshake *h, const hf_client_hello *ch, hf_bytes whole, uint16_t *version)
{
    hf_reader r = hf_reader_make(ch->ext.data[HF_EXT_VERSIONS]);
    const hf_bytes versions = hf_ext_in(&ch->ext, HF_EXT_VERSIONS) ? hf_read_vector(&r, 1) : hf_nothing();
    if (!hf_reader_done(&r) || versions.len % 2 != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "a list of versions");
    const bool old = hf_ext_in(&ch->ext, HF_EXT_VERSIONS) ? hf_wire_list_has(versions, HF_TLS_1_2) : ch->version >= HF_TLS_1_2;
    *version = hf_wire_list_has(versions, HF_TLS_1_3) && hf_hs_speaks(h, HF_TLS_1_3) ? HF_TLS_1_3 : HF_TLS_1_2;
    if (*version == HF_TLS_1_2 && (!old || !hf_hs_speaks(h, HF_TLS_1_2) || h->work->retried))
        return hf_hs_flaw(h, HF_ERR_TLS_VERSION, whole, "TLS 1.3 or 1.2");
    if (*version == HF_TLS_1_2)
        return true;
    if (ch->compressions.len != 1) /* RFC 8446 4.1.2: exactly one byte, zero */
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, ch->compressions, "compression method null alone");
    return true;
}

/* Ours in our order; but a client that puts ChaCha20 first has no fast AES, and we follow it. */
static bool choose_suite(hf_handshake *h, const hf_client_hello *ch)
{
    const hf_suite *chosen = NULL;
    for (size_t i = 0; i + 1 < ch->suites.len && chosen == NULL; i += 2) {
        const hf_suite *s = hf_suite_find((uint16_t)(ch->suites.ptr[i] << 8 | ch->suites.ptr[i + 1]));
        if (s == NULL || s->version != HF_TLS_1_3 || !hf_hs_offers(h, s))
            continue;
        if (s->aead == HF_AEAD_CHACHA20_POLY1305)
            chosen = s;
        break;
    }
    for (size_t i = 0; hf_suite_at(i) != NULL && chosen == NULL; i++)
        if (hf_suite_at(i)->version == HF_TLS_1_3 && hf_hs_offers(h, hf_suite_at(i)) && hf_wire_list_has(ch->suites, hf_suite_at(i)->code))
            chosen = hf_suite_at(i);
    if (chosen == NULL)
        return hf_hs_flaw(h, HF_ERR_TLS_NO_SUITE, ch->suites, "a suite of TLS 1.3");
    if (h->work->retried && chosen != h->suite)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, ch->suites, "the suites of the first ClientHello (RFC 8446 4.1.2)");
    h->suite = chosen;
    return true;
}

static bool choose_protocol(hf_handshake *h, const hf_client_hello *ch)
{
    if (!hf_ext_in(&ch->ext, HF_EXT_PROTOCOLS) || h->config->protocol_count == 0)
        /* RFC 9001 8.1: "endpoints MUST use ALPN", or close with no_application_protocol */
        return !h->quic || hf_hs_flaw(h, HF_ERR_TLS_NO_PROTOCOL, ch->extensions_block, "application_layer_protocol_negotiation");
    hf_reader r = hf_reader_make(ch->ext.data[HF_EXT_PROTOCOLS]);
    const hf_bytes list = hf_read_vector(&r, 2);
    size_t best = h->config->protocol_count;
    hf_reader names = hf_reader_make(list);
    while (!names.bad && names.at != names.end) {
        const hf_bytes name = hf_read_vector(&names, 1);
        r.bad |= name.len == 0;
        for (size_t i = 0; i < best; i++)
            if (hf_bytes_equal(name, h->config->protocols[i]))
                best = i;
    }
    if (!hf_reader_done(&r) || names.bad || list.len == 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, ch->ext.data[HF_EXT_PROTOCOLS], "a list of protocol names");
    if (best == h->config->protocol_count)
        return hf_hs_flaw(h, HF_ERR_TLS_NO_PROTOCOL, list, "a protocol that is served here");
    h->protocol = h->config->protocols[best];
    return true;
}

/* By name first, then by what the client's schemes let sign. */
static bool choose_identity(hf_handshake *h, const hf_client_hello *ch)
{
    hf_reader r = hf_reader_make(ch->ext.data[HF_EXT_SCHEMES]);
    const hf_bytes list = hf_read_vector(&r, 2);
    if (!hf_ext_in(&ch->ext, HF_EXT_SCHEMES))
        return hf_hs_flaw(h, HF_ERR_TLS_MISSING_EXTENSION, ch->extensions_block, "signature_algorithms");
    if (!hf_reader_done(&r) || list.len < 2 || list.len % 2 != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, ch->ext.data[HF_EXT_SCHEMES], "a list of schemes");
    h->identity = NULL;
    hf_candidates candidates = hf_hs_candidates(h);
    const hf_tls_identity *id;
    while (h->identity == NULL && (id = hf_hs_candidate_next(&candidates)) != NULL) {
        const hf_scheme scheme = hf_hs_choose_scheme(list, hf_chain_kind(id->chain), false);
        if (scheme == HF_SCHEME_NONE)
            continue;
        h->identity = id;
        h->work->scheme = (uint16_t)scheme;
    }
    return h->identity != NULL || hf_hs_flaw(h, HF_ERR_TLS_NO_SCHEME, list, "a scheme that a key of ours signs with");
}

/* The client's share in the group that we like best among those it sent shares for; else, in *group alone, the one to ask for. */
static bool choose_group(hf_handshake *h, const hf_client_hello *ch, hf_group *group, hf_bytes *share)
{
    const hf_extensions *const e = &ch->ext;
    hf_reader g = hf_reader_make(e->data[HF_EXT_GROUPS]), k = hf_reader_make(e->data[HF_EXT_KEY_SHARE]);
    *group = HF_GROUP_NONE;
    *share = hf_nothing();
    if (!hf_ext_in(e, HF_EXT_GROUPS) || !hf_ext_in(e, HF_EXT_KEY_SHARE))
        return hf_hs_flaw(h, HF_ERR_TLS_MISSING_EXTENSION, ch->extensions_block, "supported_groups and key_share");
    const hf_bytes list = hf_read_vector(&g, 2);
    hf_reader shares = hf_reader_make(hf_read_vector(&k, 2));
    if (!hf_reader_done(&g) || !hf_reader_done(&k) || list.len < 2 || list.len % 2 != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, ch->extensions_block, "groups and shares");
    size_t best = SIZE_MAX, entries = 0;
    uint32_t seen = 0; /* of our groups */
    while (!shares.bad && shares.at != shares.end) {
        const uint16_t code = (uint16_t)hf_read_number(&shares, 2);
        const hf_bytes key = hf_read_vector(&shares, 2);
        if (!shares.bad && !hf_wire_list_has(list, code))
            return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, ch->ext.data[HF_EXT_KEY_SHARE], "shares of groups that were offered (RFC 8446 4.2.8)");
        entries++;
        for (size_t i = 0; i < best && hf_hs_group(h, i) != HF_GROUP_NONE; i++)
            if (hf_hs_group(h, i) == code) {
                best = i;
                *share = key;
            }
        for (size_t i = 0; i < 32 && hf_hs_group(h, i) != HF_GROUP_NONE; i++) {
            if (hf_hs_group(h, i) == code && (seen >> i & 1))
                return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, ch->ext.data[HF_EXT_KEY_SHARE], "one share for each group (RFC 8446 4.2.8)");
            seen |= hf_hs_group(h, i) == code ? UINT32_C(1) << i : 0;
        }
    }
    if (shares.bad)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, ch->ext.data[HF_EXT_KEY_SHARE], "a list of shares");
    for (size_t i = 0; best == SIZE_MAX && *group == HF_GROUP_NONE && hf_hs_group(h, i) != HF_GROUP_NONE; i++)
        if (hf_wire_list_has(list, (uint16_t)hf_hs_group(h, i)))
            *group = hf_hs_group(h, i);
    if (best != SIZE_MAX)
        *group = hf_hs_group(h, best);
    if (h->work->retried && (share->ptr == NULL || entries != 1 || *group != h->work->group))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, ch->ext.data[HF_EXT_KEY_SHARE], "one share, of the group that was asked for");
    return *group != HF_GROUP_NONE || hf_hs_flaw(h, HF_ERR_TLS_NO_GROUP, list, "X25519, P-256 or P-384");
}

/* ---- tickets ------------------------------------------------------------------------------------------------ */

/* RFC 8446 4.2.11.2: the binder covers the ClientHello up to the binders. */
static bool check_binder(hf_handshake *h, hf_bytes whole, const uint8_t *binders, hf_bytes binder)
{
    const hf_hash hash = (hf_hash)h->suite->hash;
    const hf_bytes truncated = hf_bytes_make(whole.ptr, (size_t)(binders - whole.ptr));
    uint8_t transcript[HF_HASH_MOST], secret[HF_HASH_MOST], mac[HF_HASH_MOST];
    const bool good = hf_hs_transcript(h, truncated, transcript) &&
                      hf_schedule_derive(&h->work->schedule, "res binder", hf_schedule_nothing(hash), secret) &&
                      hf_finished_mac(h->crypto, hash, secret, transcript, mac);
    hf_wipe(secret, sizeof secret);
    if (!good)
        return hf_hs_broken(h);
    if (binder.len != hf_hash_length(hash) || !hf_secret_equal(binder.ptr, mac, binder.len))
        return hf_hs_flaw(h, HF_ERR_TLS_BINDER, binder, "the binder of this ticket");
    return true;
}

/* Tries the tickets offered; *selected is -1 when none is taken. The schedule is begun either way. */
static bool choose_psk(hf_handshake *h, const hf_client_hello *ch, hf_bytes whole, int *selected)
{
    hf_handshake_work *const w = h->work;
    const hf_extensions *const e = &ch->ext;
    *selected = -1;
    if (!hf_ext_in(e, HF_EXT_PSK))
        return hf_schedule_begin(&w->schedule, h->crypto, (hf_hash)h->suite->hash, hf_nothing());
    if (!hf_ext_in(e, HF_EXT_PSK_MODES))
        return hf_hs_flaw(h, HF_ERR_TLS_MISSING_EXTENSION, ch->extensions_block, "psk_key_exchange_modes (RFC 8446 4.2.9)");
    if (!e->psk_is_last)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, e->data[HF_EXT_PSK], "pre_shared_key as the last extension");
    hf_reader m = hf_reader_make(e->data[HF_EXT_PSK_MODES]), r = hf_reader_make(e->data[HF_EXT_PSK]);
    const hf_bytes modes = hf_read_vector(&m, 1);
    hf_reader ids = hf_reader_make(hf_read_vector(&r, 2));
    const uint8_t *const binders_at = r.at;
    hf_reader binders = hf_reader_make(hf_read_vector(&r, 2));
    if (!hf_reader_done(&m) || !hf_reader_done(&r) || modes.len == 0 || ids.at == ids.end || binders.at == binders.end)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, e->data[HF_EXT_PSK], "identities and binders");
    const bool with_dhe = memchr(modes.ptr, 1, modes.len) != NULL;
    hf_bytes chosen = hf_nothing();
    hf_ticket t;
    bool good = true;
    int i = 0;
    for (; ids.at != ids.end && !ids.bad && !binders.bad; i++) {
        const hf_bytes ticket = hf_read_vector(&ids, 2);
        const uint32_t hidden_age = (uint32_t)hf_read_number(&ids, 4);
        const hf_bytes binder = hf_read_vector(&binders, 1);
        if (!with_dhe || *selected >= 0 || i >= HF_TLS_PSK_TRIES || ids.bad || !hf_ticket_open(h, ticket, &t) || t.suite->version != HF_TLS_1_3 ||
            t.suite->hash != h->suite->hash)
            continue;
        *selected = i;
        chosen = binder;
        if (i == 0 && h->early_offered && !w->retried && hf_early_fits(h, &t, hidden_age)) {
            w->early_fits = true; /* "the first one" (4.2.10) */
            memcpy(w->strike, ticket.ptr + ticket.len - sizeof w->strike, sizeof w->strike);
        }
        memcpy(w->psk, t.secret, t.secret_length);
        w->psk_length = t.secret_length;
        good = hf_hs_set_peer(h, hf_bytes_make(t.peer, t.peer_length), t.peer_until_s);
    }
    hf_wipe(&t, sizeof t);
    if (!good)
        return false;
    if (ids.bad)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, e->data[HF_EXT_PSK], "a list of identities");
    if (binders.bad || binders.at != binders.end)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, e->data[HF_EXT_PSK], "as many binders as identities");
    good = hf_schedule_begin(&w->schedule, h->crypto, (hf_hash)h->suite->hash, hf_bytes_make(w->psk, *selected < 0 ? 0u : w->psk_length));
    hf_wipe(w->psk, sizeof w->psk);
    if (!good)
        return false;
    if (*selected < 0)
        return true;
    h->facts |= HF_FACT_PSK;
    h->resumed = true;
    return check_binder(h, whole, binders_at, chosen);
}

/* ---- our flight --------------------------------------------------------------------------------------------- */

static bool send_hello(hf_handshake *h, const hf_client_hello *ch, hf_group group, hf_bytes share, int psk)
{
    const bool retry = share.len == 0;
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, 512 + share.len, HF_MESSAGE_SERVER_HELLO, &w))
        return false;
    hf_write_number(&w, HF_TLS_1_2, 2);
    hf_write(&w, hf_bytes_make(retry ? hf_retry_random : h->work->server_random, HF_TLS_RANDOM));
    hf_write_vector(&w, ch->session, 1);
    hf_write_number(&w, h->suite->code, 2);
    hf_write_number(&w, 0, 1);
    const size_t block = hf_write_open(&w, 2);
    size_t ext = hf_write_ext(&w, HF_EXT_KEY_SHARE);
    hf_write_number(&w, group, 2);
    if (!retry)
        hf_write_vector(&w, share, 2);
    hf_write_close(&w, ext, 2);
    ext = hf_write_ext(&w, HF_EXT_VERSIONS);
    hf_write_number(&w, HF_TLS_1_3, 2);
    hf_write_close(&w, ext, 2);
    if (psk >= 0) {
        ext = hf_write_ext(&w, HF_EXT_PSK);
        hf_write_number(&w, (uint64_t)psk, 2);
        hf_write_close(&w, ext, 2);
    }
    const hf_span cookie = hf_queue_peek(&h->work->cookie);
    if (retry && cookie.len > 0) {
        ext = hf_write_ext(&w, HF_EXT_COOKIE);
        hf_write_vector(&w, hf_bytes_make(cookie.ptr, cookie.len), 2);
        hf_write_close(&w, ext, 2);
    }
    hf_write_close(&w, block, 2);
    return hf_hs_end(h, HF_LEVEL_INITIAL, &w);
}

static bool send_extensions(hf_handshake *h)
{
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_HANDSHAKE, 512 + h->our_parameters.len, HF_MESSAGE_EXTENSIONS, &w))
        return false;
    const size_t block = hf_write_open(&w, 2);
    if (h->record_limit != 0) {
        const size_t ext = hf_write_ext(&w, HF_EXT_RECORD_SIZE);
        hf_write_number(&w, HF_RECORD_MOST + 1, 2);
        hf_write_close(&w, ext, 2);
    }
    if (h->protocol.len > 0) {
        const size_t ext = hf_write_ext(&w, HF_EXT_PROTOCOLS), list = hf_write_open(&w, 2);
        hf_write_vector(&w, h->protocol, 1);
        hf_write_close(&w, list, 2);
        hf_write_close(&w, ext, 2);
    }
    if (h->host_length > 0 && !h->resumed)
        hf_write_close(&w, hf_write_ext(&w, HF_EXT_HOST), 2); /* RFC 6066 3: SHALL include it, empty */
    if (h->early_accepted)
        hf_write_close(&w, hf_write_ext(&w, HF_EXT_EARLY), 2);
    hf_hs_write_parameters(h, &w);
    hf_write_close(&w, block, 2);
    return hf_hs_end(h, HF_LEVEL_HANDSHAKE, &w);
}

static bool send_request(hf_handshake *h)
{
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_HANDSHAKE, 64, HF_MESSAGE_CERTIFICATE_REQUEST, &w))
        return false;
    hf_write_number(&w, 0, 1);
    const size_t block = hf_write_open(&w, 2), ext = hf_write_ext(&w, HF_EXT_SCHEMES);
    hf_hs_write_schemes(&w);
    hf_write_close(&w, ext, 2);
    hf_write_close(&w, block, 2);
    h->facts |= HF_FACT_ASKED;
    return hf_hs_end(h, HF_LEVEL_HANDSHAKE, &w);
}

static bool finish_flight(hf_handshake *h)
{
    if (!hf_hs_send_finished(h) || !hf_hs_master_secrets(h))
        return false;
    hf_hs_tell(h, HF_HS_WRITE_APPLICATION);
    return true;
}

bool hf_server_resume(hf_handshake *h, hf_bytes signature)
{
    if (h->suite->version == HF_TLS_1_2)
        return hf_old_server_resume(h, signature);
    return hf_hs_send_verify(h, signature) && finish_flight(h);
}

static bool send_flight(hf_handshake *h, const hf_client_hello *ch, hf_group group, hf_bytes share, int psk)
{
    hf_handshake_work *const w = h->work;
    h->group = (uint16_t)group;
    uint8_t ours[HF_SHARE_MOST], secret[HF_SHARED_MOST];
    size_t n = 0;
    if (!hf_crypto_random(h->crypto, w->server_random, HF_TLS_RANDOM))
        return hf_hs_broken(h);
    const hf_err err = hf_exchange_reply(h->crypto, group, share, ours, secret, &n);
    if (err.code != 0)
        return hf_hs_flaw(h, err.code, share, "a share of its group");
    bool good = send_hello(h, ch, group, hf_bytes_make(ours, hf_group_reply(group)), psk) && hf_hs_handshake_secrets(h, hf_bytes_make(secret, n));
    hf_wipe(secret, sizeof secret);
    good = good && send_extensions(h);
    if (psk >= 0) { /* RFC 9001 8.3: in QUIC there is no EndOfEarlyData */
        hf_hs_move(h, h->early_accepted && !h->quic ? HF_HS_WAIT_EARLY_END : HF_HS_WAIT_FINISHED);
        return good && finish_flight(h);
    }
    const bool ask = h->config->client_auth != HF_TLS_CLIENT_AUTH_NONE;
    good = good && (!ask || send_request(h)) && hf_hs_send_certificate(h, h->identity) && hf_hs_want_sign(h);
    hf_hs_move(h, ask ? HF_HS_WAIT_CERT : HF_HS_WAIT_FINISHED);
    return good;
}

/* RFC 8446 4.2.2: the client MUST copy the cookie of the HelloRetryRequest. */
static bool check_cookie(hf_handshake *h, const hf_client_hello *ch)
{
    const hf_span sent = hf_queue_peek(&h->work->cookie);
    hf_reader r = hf_reader_make(ch->ext.data[HF_EXT_COOKIE]);
    const hf_bytes came = hf_read_vector(&r, 2);
    if (!h->work->retried || sent.len == 0)
        return true;
    if (!hf_ext_in(&ch->ext, HF_EXT_COOKIE))
        return hf_hs_flaw(h, HF_ERR_TLS_MISSING_EXTENSION, ch->extensions_block, "the cookie of the HelloRetryRequest");
    return (hf_reader_done(&r) && hf_bytes_equal(came, hf_bytes_make(sent.ptr, sent.len))) ||
           hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, ch->ext.data[HF_EXT_COOKIE], "the cookie of the HelloRetryRequest");
}

/* RFC 8446 4.4.1: the first ClientHello stands in the transcript as its hash. */
static bool send_retry(hf_handshake *h, const hf_client_hello *ch, hf_group group, hf_bytes whole)
{
    uint8_t synthetic[HF_MESSAGE_HEADER + HF_HASH_MOST] = { 254, 0, 0, 0 };
    const hf_hash hash = (hf_hash)h->suite->hash;
    const size_t n = hf_hash_length(hash);
    uint8_t cookie[COOKIE];
    const bool good = !h->config->retry_cookie || (hf_crypto_random(h->crypto, cookie, sizeof cookie) &&
                                                   hf_queue_append(&h->work->cookie, hf_bytes_make(cookie, sizeof cookie)));
    if (!good)
        return hf_hs_broken(h);
    synthetic[3] = (uint8_t)n;
    h->work->retried = true;
    h->work->group = (uint16_t)group;
    hf_hs_move(h, HF_HS_WAIT_RETRY);
    if (!hf_hs_flight_ends(h, whole))
        return false;
    return hf_hash_of(h->crypto, hash, whole, synthetic + HF_MESSAGE_HEADER) && hf_hashing_begin(h->crypto, &h->work->transcript, hash) &&
           hf_hs_absorb(h, hf_bytes_make(synthetic, HF_MESSAGE_HEADER + n)) && send_hello(h, ch, group, hf_nothing(), -1);
}

/* RFC 8446 4.2.10 and 8: the ticket allows it, its binder holds, and it was not used so before. `whole` was absorbed. */
static bool judge_early(hf_handshake *h)
{
    hf_handshake_work *const w = h->work;
    uint8_t transcript[HF_HASH_MOST];
    if (!w->early_fits || !hf_strikes_add(h->config->strikes, w->strike, h->now, (int64_t)h->env->limits->tls_early_window_ns))
        return true;
    h->early_accepted = true;
    return hf_hs_transcript(h, hf_nothing(), transcript) && hf_hs_early_secret(h, h->suite, transcript);
}

/* ---- what arrives ------------------------------------------------------------------------------------------- */

static bool read_host(hf_handshake *h, const hf_client_hello *ch)
{
    hf_bytes host;
    if (!hf_ext_in(&ch->ext, HF_EXT_HOST))
        return true;
    if (!hf_host_parse(ch->ext.data[HF_EXT_HOST], &host))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, ch->ext.data[HF_EXT_HOST], "one host name");
    return hf_hs_set_host(h, host);
}

static bool hello(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_client_hello ch;
    hf_tls_flaw flaw;
    hf_group group;
    hf_bytes share;
    int psk = -1;
    if (!hf_client_hello_parse(body, &ch, &flaw))
        return hf_handshake_fail(h, flaw, body.ptr + body.len);
    uint16_t version = 0;
    memcpy(h->work->client_random, ch.random.ptr, HF_TLS_RANDOM);
    if (!choose_version(h, &ch, whole, &version) || !read_host(h, &ch) || !choose_protocol(h, &ch))
        return false;
    h->work->status_asked = hf_ext_in(&ch.ext, HF_EXT_STATUS) && ch.ext.data[HF_EXT_STATUS].len > 0 && ch.ext.data[HF_EXT_STATUS].ptr[0] == 1;
    if (version == HF_TLS_1_2)
        return hf_old_server_hello(h, &ch, whole);
    if (h->quic && ch.session.len > 0) /* RFC 9001 8.4 */
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, ch.session, "no session id: middlebox compatibility is not for QUIC");
    if (!choose_suite(h, &ch) || !check_cookie(h, &ch) || !hf_hs_read_record_limit(h, &ch.ext, UINT16_MAX) || !hf_hs_read_parameters(h, &ch.ext, ch.extensions_block) || !choose_group(h, &ch, &group, &share))
        return false;
    h->compatible = ch.session.len > 0; /* RFC 8446 D.4 */
    if (hf_ext_in(&ch.ext, HF_EXT_EARLY) && (h->work->retried || ch.ext.data[HF_EXT_EARLY].len > 0))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, ch.extensions_block, "early_data: empty, in the first ClientHello alone (RFC 8446 4.1.2)");
    h->early_offered |= hf_ext_in(&ch.ext, HF_EXT_EARLY); /* without a ticket it is skipped, as any that is not taken */
    hf_reader modes = hf_reader_make(ch.ext.data[HF_EXT_PSK_MODES]);
    const hf_bytes list = hf_read_vector(&modes, 1);
    h->takes_tickets = list.len > 0 && memchr(list.ptr, 1, list.len) != NULL; /* psk_dhe_ke */
    if (share.ptr == NULL)
        return send_retry(h, &ch, group, whole);
    if (!h->work->retried && !hf_hashing_begin(h->crypto, &h->work->transcript, (hf_hash)h->suite->hash))
        return hf_hs_broken(h);
    if (!choose_psk(h, &ch, whole, &psk) || (psk < 0 && !choose_identity(h, &ch)))
        return false;
    return hf_hs_absorb(h, whole) && judge_early(h) && send_flight(h, &ch, group, share, psk);
}

bool hf_server_hello1(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    return hello(h, body, whole);
}

bool hf_server_hello2(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    return hello(h, body, whole);
}

bool hf_server_early_end(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    if (body.len != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "an empty EndOfEarlyData");
    hf_hs_move(h, HF_HS_WAIT_FINISHED);
    hf_hs_tell(h, HF_HS_READ_HANDSHAKE);
    return hf_hs_absorb(h, whole);
}

bool hf_server_certificate(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    if (!hf_hs_read_certificate(h, body, true, 0) || !hf_hs_absorb(h, whole))
        return false;
    if (h->work->chain == NULL && h->config->client_auth == HF_TLS_CLIENT_AUTH_REQUIRE)
        return hf_hs_flaw(h, HF_ERR_TLS_NO_CERTIFICATE, body, "a certificate of the client");
    hf_hs_move(h, h->work->chain == NULL ? HF_HS_WAIT_FINISHED : HF_HS_WAIT_VERIFY);
    if (h->work->chain != NULL)
        hf_hs_ask(h, HF_ASKS_VERIFY);
    return true;
}

bool hf_server_verify(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_hs_move(h, HF_HS_WAIT_FINISHED);
    return hf_hs_check_verify(h, body) && hf_hs_absorb(h, whole);
}

bool hf_server_finished(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    if (!hf_hs_check_finished(h, body) || !hf_hs_absorb(h, whole) || !hf_hs_resumption_secret(h))
        return false;
    hf_hs_tell(h, HF_HS_READ_APPLICATION);
    return hf_hs_open(h) && hf_ticket_send(h);
}
