/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side of TLS 1.3 (RFC 8446 4.1 to 4.4 and A.1).
 */
#include "tls_core.h"

#include "crypto_secret.h"
#include "panic.h"

/* ---- the ClientHello ---------------------------------------------------------------------------------------- */

/* RFC 6066 3: "Literal IPv4 and IPv6 addresses are not permitted in HostName". */
static bool is_name(hf_bytes host)
{
    bool letters = false;
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] == ':')
            return false;
        letters |= !((host.ptr[i] >= '0' && host.ptr[i] <= '9') || host.ptr[i] == '.');
    }
    return letters;
}

/* Opens an extension and notes that it was offered. */
static size_t offer(hf_handshake *h, hf_writer *w, hf_ext x)
{
    h->work->offered |= UINT32_C(1) << x;
    return hf_write_ext(w, x);
}

static void offer_host(hf_handshake *h, hf_writer *w)
{
    if (!is_name(hf_bytes_make(h->host, h->host_length)))
        return;
    const size_t ext = offer(h, w, HF_EXT_HOST), list = hf_write_open(w, 2);
    hf_write_number(w, 0, 1);
    hf_write_vector(w, hf_bytes_make(h->host, h->host_length), 2);
    hf_write_close(w, list, 2);
    hf_write_close(w, ext, 2);
}

static void offer_protocols(hf_handshake *h, hf_writer *w)
{
    if (h->config->protocol_count == 0)
        return;
    const size_t ext = offer(h, w, HF_EXT_PROTOCOLS), list = hf_write_open(w, 2);
    for (size_t i = 0; i < h->config->protocol_count; i++)
        hf_write_vector(w, h->config->protocols[i], 1);
    hf_write_close(w, list, 2);
    hf_write_close(w, ext, 2);
}

/* Beside the share of the hybrid group that of X25519 alone, with the same key (draft-ietf-tls-ecdhe-mlkem 3). */
static bool offers_half(const hf_handshake *h)
{
    bool listed = false;
    for (size_t i = 0; hf_hs_group(h, i) != HF_GROUP_NONE; i++)
        listed |= hf_hs_group(h, i) == HF_GROUP_X25519;
    return listed && !h->work->retried && h->work->exchange[0].group == HF_GROUP_X25519MLKEM768;
}

static bool offer_share(hf_handshake *h, hf_writer *w)
{
    hf_exchange *const x = &h->work->exchange[0];
    const hf_group group = h->work->group != 0 ? (hf_group)h->work->group : hf_hs_group(h, 0);
    uint8_t share[HF_SHARE_MOST];
    if (x->pkey == NULL || x->group != group) {
        hf_exchange_fini(x);
        if (!hf_exchange_make(h->crypto, x, group))
            return false;
    }
    if (!hf_exchange_share(x, share))
        return false;
    const size_t ext = offer(h, w, HF_EXT_KEY_SHARE), list = hf_write_open(w, 2);
    hf_write_number(w, group, 2);
    hf_write_vector(w, hf_bytes_make(share, hf_group_share(group)), 2);
    if (offers_half(h)) { /* for servers without ML-KEM, and no key more to make */
        const size_t n = hf_group_share(HF_GROUP_X25519);
        hf_write_number(w, HF_GROUP_X25519, 2);
        hf_write_vector(w, hf_bytes_make(share + hf_group_share(group) - n, n), 2);
    }
    hf_write_close(w, list, 2);
    hf_write_close(w, ext, 2);
    return true;
}

/* What only TLS 1.2 wants to see (RFC 7627 5.1, RFC 5746 3.4, RFC 8422 5.1.2). */
static void offer_old(hf_handshake *h, hf_writer *w)
{
    if (!hf_hs_speaks(h, HF_TLS_1_2))
        return;
    hf_write_close(w, offer(h, w, HF_EXT_MASTER_SECRET), 2);
    size_t ext = offer(h, w, HF_EXT_RENEGOTIATION);
    hf_write_number(w, 0, 1);
    hf_write_close(w, ext, 2);
    ext = offer(h, w, HF_EXT_POINT_FORMATS);
    hf_write_number(w, 0x0100, 2);
    hf_write_close(w, ext, 2);
    /* RFC 5077 3.2: the ticket, or nothing, which asks for one */
    const hf_span held = hf_queue_peek(&h->session);
    hf_session s;
    ext = offer(h, w, HF_EXT_TICKET);
    if (held.len > 0 && hf_session_parse(h, hf_bytes_make(held.ptr, held.len), &s) && s.suite->version == HF_TLS_1_2)
        hf_write(w, s.ticket);
    hf_write_close(w, ext, 2);
}

/* RFC 6066 8: any responder, no extensions. */
static void offer_status(hf_handshake *h, hf_writer *w)
{
    if (!h->config->ask_staple)
        return;
    const size_t ext = offer(h, w, HF_EXT_STATUS);
    hf_write_number(w, 1, 1);
    hf_write_number(w, 0, 4);
    hf_write_close(w, ext, 2);
}

static bool offer_extensions(hf_handshake *h, hf_writer *w)
{
    offer_host(h, w);
    size_t ext = offer(h, w, HF_EXT_GROUPS), list = hf_write_open(w, 2);
    for (size_t i = 0; hf_hs_group(h, i) != HF_GROUP_NONE; i++)
        hf_write_number(w, hf_hs_group(h, i), 2);
    hf_write_close(w, list, 2);
    hf_write_close(w, ext, 2);
    ext = offer(h, w, HF_EXT_SCHEMES);
    hf_hs_write_schemes(w);
    hf_write_close(w, ext, 2);
    offer_protocols(h, w);
    offer_status(h, w);
    if (!h->quic) {
        ext = offer(h, w, HF_EXT_RECORD_SIZE);
        hf_write_number(w, HF_RECORD_MOST + 1, 2);
        hf_write_close(w, ext, 2);
    } else {
        h->work->offered |= UINT32_C(1) << HF_EXT_QUIC;
        hf_hs_write_parameters(h, w);
    }
    ext = offer(h, w, HF_EXT_VERSIONS);
    list = hf_write_open(w, 1);
    for (uint16_t version = HF_TLS_1_3; version >= HF_TLS_1_2; version--)
        if (hf_hs_speaks(h, version))
            hf_write_number(w, version, 2);
    hf_write_close(w, list, 1);
    hf_write_close(w, ext, 2);
    offer_old(h, w);
    if (!hf_hs_speaks(h, HF_TLS_1_3))
        return true;
    if (h->early_suite != NULL)
        hf_write_close(w, offer(h, w, HF_EXT_EARLY), 2);
    ext = offer(h, w, HF_EXT_PSK_MODES);
    hf_write_vector(w, hf_bytes_make("\1", 1), 1); /* psk_dhe_ke alone */
    hf_write_close(w, ext, 2);
    const hf_span cookie = hf_queue_peek(&h->work->cookie);
    if (cookie.len > 0) {
        ext = offer(h, w, HF_EXT_COOKIE);
        hf_write_vector(w, hf_bytes_make(cookie.ptr, cookie.len), 2);
        hf_write_close(w, ext, 2);
    }
    return offer_share(h, w);
}

/* RFC 8446 4.2.11: the last extension, with a binder over all before it. `w` holds the whole message so far, whose
 * length and extension block are still open: `block` is its mark. */
static bool offer_psk(hf_handshake *h, hf_writer *w, size_t block)
{
    hf_handshake_work *const work = h->work;
    const hf_span held = hf_queue_peek(&h->session);
    hf_session s;
    if (held.len == 0 || !hf_session_parse(h, hf_bytes_make(held.ptr, held.len), &s) || s.suite->version != HF_TLS_1_3 ||
        (work->retried && s.suite->hash != h->suite->hash))
        return true;
    const hf_hash hash = (hf_hash)s.suite->hash;
    const size_t n = hf_hash_length(hash), ext = offer(h, w, HF_EXT_PSK), ids = hf_write_open(w, 2);
    static const uint8_t zeros[HF_HASH_MOST];
    hf_write_vector(w, s.ticket, 2);
    hf_write_number(w, s.hidden_age_ms, 4);
    hf_write_close(w, ids, 2);
    const size_t truncated = w->length, binders = hf_write_open(w, 2), at = w->length + 1;
    hf_write_vector(w, hf_bytes_make(zeros, n), 1);
    hf_write_close(w, binders, 2);
    hf_write_close(w, ext, 2);
    hf_write_close(w, block, 2);
    hf_write_close(w, 1, 3);
    if (w->overflowed)
        return false;
    uint8_t transcript[HF_HASH_MOST], secret[HF_HASH_MOST], mac[HF_HASH_MOST];
    const hf_bytes hello = hf_bytes_make(w->ptr, truncated);
    const bool good = hf_schedule_begin(&work->schedule, h->crypto, hash, s.psk) &&
                      hf_schedule_derive(&work->schedule, "res binder", hf_schedule_nothing(hash), secret) &&
                      (work->retried ? hf_hs_transcript(h, hello, transcript) : hf_hash_of(h->crypto, hash, hello, transcript)) &&
                      hf_finished_mac(h->crypto, hash, secret, transcript, mac);
    hf_wipe(secret, sizeof secret);
    if (good)
        memcpy(w->ptr + at, mac, n);
    work->psk_tried = true;
    return good;
}

/* RFC 8446 4.2.10: may early data go with the session? What it was agreed for must be what is asked for again. */
static void weigh_early(hf_handshake *h)
{
    const hf_span held = hf_queue_peek(&h->session);
    hf_session s;
    h->early_suite = NULL;
    if (!h->takes_early || !h->config->early_data || h->work->retried || held.len == 0 || !hf_hs_speaks(h, HF_TLS_1_3) ||
        !hf_session_parse(h, hf_bytes_make(held.ptr, held.len), &s) || s.suite->version != HF_TLS_1_3 || s.early_bytes == 0)
        return;
    const hf_bytes *const ours = h->config->protocols;
    bool offered = s.protocol.len == 0 && h->config->protocol_count == 0;
    for (size_t i = 0; i < h->config->protocol_count && !offered; i++) {
        offered = hf_bytes_equal(ours[i], s.protocol);
        h->protocol = offered ? ours[i] : hf_nothing(); /* of the early data; what the server chooses must be the same */
    }
    if (!offered)
        return;
    const uint64_t most = h->env->limits->tls_early_bytes;
    h->early_suite = s.suite;
    h->early_bytes = s.early_bytes < most ? s.early_bytes : (uint32_t)most;
}

/* The secret of early data: the schedule stands where the binder left it. */
static bool begin_early(hf_handshake *h, hf_bytes hello)
{
    uint8_t transcript[HF_HASH_MOST];
    if (h->early_suite == NULL)
        return true;
    HF_ASSERT(h->work->psk_tried);
    return (hf_hash_of(h->crypto, (hf_hash)h->early_suite->hash, hello, transcript) || hf_hs_broken(h)) &&
           hf_hs_early_secret(h, h->early_suite, transcript);
}

static bool send_hello(hf_handshake *h)
{
    hf_handshake_work *const work = h->work;
    hf_writer w;
    const size_t room = 1024 + HF_SHARE_MOST + h->our_parameters.len + hf_queue_length(&h->session) + hf_queue_length(&work->cookie) + 256 * h->config->protocol_count;
    work->psk_tried = false;
    work->offered = 0;
    weigh_early(h);
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, room, HF_MESSAGE_CLIENT_HELLO, &w))
        return false;
    hf_write_number(&w, HF_TLS_1_2, 2);
    hf_write(&w, hf_bytes_make(work->client_random, HF_TLS_RANDOM));
    hf_write_vector(&w, hf_bytes_make(work->session_id, work->session_id_length), 1);
    const size_t suites = hf_write_open(&w, 2);
    for (size_t i = 0; hf_suite_at(i) != NULL; i++)
        if (hf_hs_offers(h, hf_suite_at(i)))
            hf_write_number(&w, hf_suite_at(i)->code, 2);
    hf_write_close(&w, suites, 2);
    hf_write_vector(&w, hf_bytes_make("\0", 1), 1);
    const size_t block = hf_write_open(&w, 2);
    if (!offer_extensions(h, &w) || !offer_psk(h, &w, block))
        return hf_hs_broken(h);
    HF_ASSERT(!w.overflowed);
    hf_write_close(&w, block, 2);
    hf_write_close(&w, 1, 3);
    hf_queue_commit(&h->outbox[HF_LEVEL_INITIAL], w.length);
    /* until the server has chosen, the hash is not known */
    if (work->retried)
        return hf_hs_absorb(h, hf_written(&w));
    return (hf_queue_append(&work->hello, hf_written(&w)) || hf_hs_broken(h)) && begin_early(h, hf_written(&w));
}

bool hf_handshake_begin(hf_handshake *h, hf_time now, hf_bytes host, hf_bytes session)
{
    hf_handshake_work *const w = h->work;
    h->now = now;
    h->compatible = !h->quic;
    w->session_id_length = h->quic ? 0 : 32; /* RFC 8446 D.4; RFC 9001 8.4 forbids it in QUIC */
    if (!hf_crypto_random(h->crypto, w->client_random, HF_TLS_RANDOM) || !hf_crypto_random(h->crypto, w->session_id, w->session_id_length))
        return hf_hs_broken(h);
    return hf_hs_set_host(h, host) && (hf_queue_append(&h->session, session) || hf_hs_broken(h)) && send_hello(h);
}

/* ---- ServerHello -------------------------------------------------------------------------------------------- */

/* The server did not take it. */
static void reject_early(hf_handshake *h)
{
    if (h->early_suite == NULL)
        return;
    h->early_suite = NULL;
    h->protocol = hf_nothing();
    hf_hs_tell(h, HF_HS_EARLY_REJECTED);
}

/* RFC 8446 4.1.4. */
static bool retry(hf_handshake *h, const hf_extensions *e, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    hf_reader k = hf_reader_make(e->data[HF_EXT_KEY_SHARE]), c = hf_reader_make(e->data[HF_EXT_COOKIE]);
    const uint16_t group = hf_ext_in(e, HF_EXT_KEY_SHARE) ? (uint16_t)hf_read_number(&k, 2) : 0;
    const hf_bytes cookie = hf_ext_in(e, HF_EXT_COOKIE) ? hf_read_vector(&c, 2) : hf_nothing();
    if (w->retried)
        return hf_hs_flaw(h, HF_ERR_TLS_UNEXPECTED_MESSAGE, whole, "one HelloRetryRequest");
    if (!hf_reader_done(&k) || !hf_reader_done(&c))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "a group, a cookie");
    if (group == 0 && cookie.len == 0)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "a retry that changes the ClientHello");
    bool known = group == 0;
    const bool half = offers_half(h);
    for (size_t i = 1; i < 8 && hf_hs_group(h, i) != HF_GROUP_NONE; i++) /* not the one whose share was sent */
        known |= group == hf_hs_group(h, i) && !(half && group == HF_GROUP_X25519);
    if (!known)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "a group that was offered without a share");
    uint8_t synthetic[HF_MESSAGE_HEADER + HF_HASH_MOST] = { 254, 0, 0, 0 };
    const hf_hash hash = (hf_hash)h->suite->hash;
    const hf_span hello = hf_queue_peek(&w->hello);
    synthetic[3] = (uint8_t)hf_hash_length(hash);
    w->retried = true;
    w->group = group;
    if (!hf_hs_flight_ends(h, whole))
        return false;
    reject_early(h);
    if (!hf_hash_of(h->crypto, hash, hf_bytes_make(hello.ptr, hello.len), synthetic + HF_MESSAGE_HEADER) ||
        !hf_hashing_begin(h->crypto, &w->transcript, hash) ||
        !hf_hs_absorb(h, hf_bytes_make(synthetic, HF_MESSAGE_HEADER + hf_hash_length(hash))) || !hf_hs_absorb(h, whole) ||
        !hf_queue_append(&w->cookie, cookie))
        return hf_hs_broken(h);
    return send_hello(h);
}

static bool agree(hf_handshake *h, const hf_server_hello *sh, const hf_extensions *e, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    hf_reader v = hf_reader_make(e->data[HF_EXT_VERSIONS]);
    if (!hf_ext_in(e, HF_EXT_VERSIONS))
        return hf_hs_flaw(h, memcmp(sh->random.ptr + 24, "DOWNGRD", 7) == 0 ? HF_ERR_TLS_DOWNGRADE : HF_ERR_TLS_VERSION, whole, "TLS 1.3");
    const uint64_t version = hf_read_number(&v, 2);
    if (!hf_reader_done(&v) || version != HF_TLS_1_3 || sh->version != HF_TLS_1_2)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "TLS 1.3 in supported_versions, 1.2 before it");
    if (!hf_bytes_equal(sh->session, hf_bytes_make(w->session_id, w->session_id_length)))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "the session id that was sent");
    const hf_suite *suite = hf_suite_find(sh->suite);
    if (suite == NULL || suite->version != HF_TLS_1_3 || !hf_hs_offers(h, suite) || (w->retried && suite != h->suite))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "a suite that was offered");
    h->suite = suite;
    return true;
}

/* The server's share and whether it took the ticket; begins the schedule. */
static bool exchange(hf_handshake *h, const hf_extensions *e, hf_bytes whole, uint8_t *secret, size_t *n)
{
    hf_handshake_work *const w = h->work;
    hf_reader k = hf_reader_make(e->data[HF_EXT_KEY_SHARE]), p = hf_reader_make(e->data[HF_EXT_PSK]);
    if (!hf_ext_in(e, HF_EXT_KEY_SHARE))
        return hf_hs_flaw(h, HF_ERR_TLS_MISSING_EXTENSION, whole, "key_share");
    const uint16_t group = (uint16_t)hf_read_number(&k, 2);
    const hf_bytes share = hf_read_vector(&k, 2);
    if (!hf_reader_done(&k))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "a share");
    if (group == HF_GROUP_X25519 && offers_half(h))
        w->exchange[0].group = HF_GROUP_X25519;
    if (group != w->exchange[0].group)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "a share of the group that was offered");
    h->group = group;
    const hf_err err = hf_exchange_finish(&w->exchange[0], share, secret, n);
    if (err.code != 0)
        return hf_hs_flaw(h, err.code, share, "a share of its group");
    const hf_hash hash = (hf_hash)h->suite->hash;
    if (!hf_ext_in(e, HF_EXT_PSK))
        return hf_schedule_begin(&w->schedule, h->crypto, hash, hf_nothing()) || hf_hs_broken(h);
    const uint64_t selected = hf_read_number(&p, 2);
    if (!hf_reader_done(&p) || selected != 0 || !w->psk_tried || w->schedule.hash != hash)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, whole, "the ticket that was offered");
    h->facts |= HF_FACT_PSK; /* the schedule was begun with it for the binder */
    h->resumed = true;
    return true;
}

/* Without supported_versions it is TLS 1.2 that speaks (RFC 8446 4.1.3 and 4.2.1). */
static bool names_version(hf_bytes block)
{
    hf_reader r = hf_reader_make(block);
    while (!r.bad && r.at != r.end) {
        const uint16_t code = (uint16_t)hf_read_number(&r, 2);
        (void)hf_read_vector(&r, 2);
        if (code == hf_ext_code(HF_EXT_VERSIONS))
            return true;
    }
    return false;
}

bool hf_client_server_hello(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    hf_server_hello sh;
    hf_extensions e;
    hf_tls_flaw flaw;
    uint8_t secret[HF_SHARED_MOST];
    size_t n = 0;
    if (!hf_server_hello_parse(body, &sh, &flaw))
        return hf_handshake_fail(h, flaw, body.ptr + body.len);
    if (!names_version(sh.extensions_block) && h->early_suite != NULL)
        return hf_hs_flaw(h, HF_ERR_TLS_EARLY_ANSWER, whole, "TLS 1.3, in which the session was made");
    if (!names_version(sh.extensions_block))
        return hf_old_client_hello(h, &sh, whole);
    const bool is_retry = memcmp(sh.random.ptr, hf_retry_random, HF_TLS_RANDOM) == 0;
    const uint32_t cookie = UINT32_C(1) << HF_EXT_COOKIE; /* the one that may come unasked */
    if (!hf_extensions_parse(sh.extensions_block, is_retry ? HF_IN_HRR : HF_IN_SH, w->offered | (is_retry ? cookie : 0), &e, &flaw))
        return hf_handshake_fail(h, flaw, body.ptr + body.len);
    if (!agree(h, &sh, &e, whole))
        return false;
    if (is_retry)
        return retry(h, &e, whole);
    bool good = exchange(h, &e, whole, secret, &n);
    const hf_span hello = hf_queue_peek(&w->hello);
    good = good && (w->retried || (hf_hashing_begin(h->crypto, &w->transcript, (hf_hash)h->suite->hash) &&
                                   hf_hs_absorb(h, hf_bytes_make(hello.ptr, hello.len))));
    good = good && hf_hs_absorb(h, whole) && hf_hs_handshake_secrets(h, hf_bytes_make(secret, n));
    hf_wipe(secret, sizeof secret);
    hf_exchange_fini(&w->exchange[0]);
    if (good)
        hf_hs_move(h, HF_HS_WAIT_EXTENSIONS);
    return good;
}

/* ---- the rest of the server's flight ------------------------------------------------------------------------ */

bool hf_client_read_protocol(hf_handshake *h, hf_bytes data)
{
    hf_reader r = hf_reader_make(data);
    hf_reader list = hf_reader_make(hf_read_vector(&r, 2));
    const hf_bytes name = hf_read_vector(&list, 1);
    if (!hf_reader_done(&r) || !hf_reader_done(&list)) /* RFC 7301 3.1: exactly one */
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, data, "one protocol name");
    for (size_t i = 0; i < h->config->protocol_count; i++)
        if (hf_bytes_equal(name, h->config->protocols[i])) {
            h->protocol = h->config->protocols[i];
            return true;
        }
    return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, data, "a protocol that was offered");
}

bool hf_client_extensions(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_reader r = hf_reader_make(body);
    const hf_bytes block = hf_read_vector(&r, 2);
    hf_extensions e;
    hf_tls_flaw flaw;
    if (!hf_reader_done(&r))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "EncryptedExtensions");
    if (!hf_extensions_parse(block, HF_IN_EE, h->work->offered, &e, &flaw))
        return hf_handshake_fail(h, flaw, body.ptr + body.len);
    const hf_bytes early = h->protocol;
    const bool taken = hf_ext_in(&e, HF_EXT_EARLY);
    if (!taken)
        reject_early(h);
    h->protocol = hf_nothing();
    if (hf_ext_in(&e, HF_EXT_PROTOCOLS) && !hf_client_read_protocol(h, e.data[HF_EXT_PROTOCOLS]))
        return false;
    /* 4.2.10: a server that takes early data chose the ticket, its suite and its protocol */
    if (taken && (!(h->facts & HF_FACT_PSK) || h->suite != h->early_suite || e.data[HF_EXT_EARLY].len > 0 || !hf_bytes_equal(early, h->protocol)))
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, block, "early data taken as it was offered");
    h->early_accepted = taken;
    if (!hf_hs_read_parameters(h, &e, block))
        return false;
    if (h->quic && h->protocol.len == 0) /* RFC 9001 8.1 */
        return hf_hs_flaw(h, HF_ERR_TLS_NO_PROTOCOL, block, "application_layer_protocol_negotiation");
    if (!hf_hs_read_record_limit(h, &e, HF_RECORD_MOST + 1))
        return false;
    hf_hs_move(h, h->facts & HF_FACT_PSK ? HF_HS_WAIT_FINISHED : HF_HS_WAIT_CERT_OR_REQUEST);
    return hf_hs_absorb(h, whole);
}

bool hf_client_request(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    hf_reader r = hf_reader_make(body);
    const hf_bytes context = hf_read_vector(&r, 1), block = hf_read_vector(&r, 2);
    hf_extensions e;
    hf_tls_flaw flaw;
    if (!hf_reader_done(&r))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a CertificateRequest");
    if (context.len != 0)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "an empty context in the handshake (RFC 8446 4.3.2)");
    if (!hf_extensions_parse(block, HF_IN_CR, UINT32_MAX, &e, &flaw))
        return hf_handshake_fail(h, flaw, body.ptr + body.len);
    hf_reader s = hf_reader_make(e.data[HF_EXT_SCHEMES]);
    const hf_bytes list = hf_read_vector(&s, 2);
    if (!hf_ext_in(&e, HF_EXT_SCHEMES))
        return hf_hs_flaw(h, HF_ERR_TLS_MISSING_EXTENSION, body, "signature_algorithms");
    if (!hf_reader_done(&s) || list.len % 2 != 0 || list.len == 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a list of schemes");
    w->schemes_length = (uint8_t)(list.len < sizeof w->schemes ? list.len : sizeof w->schemes);
    memcpy(w->schemes, list.ptr, w->schemes_length);
    w->asked_by_server = true;
    hf_hs_move(h, HF_HS_WAIT_CERT);
    return hf_hs_absorb(h, whole);
}

bool hf_client_certificate(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    if (!hf_hs_read_certificate(h, body, true, h->work->offered & UINT32_C(1) << HF_EXT_STATUS))
        return false;
    if (h->work->chain == NULL)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, body, "a certificate of the server (RFC 8446 4.4.2.4)");
    hf_hs_move(h, HF_HS_WAIT_VERIFY);
    hf_hs_ask(h, HF_ASKS_VERIFY);
    return hf_hs_absorb(h, whole);
}

bool hf_client_verify(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_hs_move(h, HF_HS_WAIT_FINISHED);
    return hf_hs_check_verify(h, body) && hf_hs_absorb(h, whole);
}

/* ---- our answer --------------------------------------------------------------------------------------------- */

static bool finish_flight(hf_handshake *h)
{
    if (!hf_hs_send_finished(h) || !hf_hs_resumption_secret(h))
        return false;
    hf_hs_tell(h, HF_HS_WRITE_APPLICATION);
    hf_hs_tell(h, HF_HS_READ_APPLICATION);
    return hf_hs_open(h);
}

bool hf_client_resume(hf_handshake *h, hf_bytes signature)
{
    if (h->suite->version == HF_TLS_1_2)
        return hf_old_client_resume(h, signature);
    return hf_hs_send_verify(h, signature) && finish_flight(h);
}

/* RFC 8446 4.5; RFC 9001 8.3: not in QUIC. The carrier sends it, under the key of early data. */
static bool end_early(hf_handshake *h)
{
    static const uint8_t end[] = { HF_MESSAGE_END_OF_EARLY, 0, 0, 0 };
    if (!h->early_accepted)
        return true;
    hf_hs_tell(h, HF_HS_EARLY_ENDED);
    return h->quic || hf_hs_absorb(h, hf_bytes_make(end, sizeof end));
}

bool hf_client_finished(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_handshake_work *const w = h->work;
    if (!hf_hs_check_finished(h, body) || !hf_hs_absorb(h, whole) || !hf_hs_master_secrets(h) || !end_early(h))
        return false;
    if (!w->asked_by_server)
        return finish_flight(h);
    const hf_tls_identity *id = h->config->identity_count > 0 ? &h->config->identities[0] : NULL;
    if (id != NULL) {
        const hf_bytes list = hf_bytes_make(w->schemes, w->schemes_length);
        w->scheme = (uint16_t)hf_hs_choose_scheme(list, hf_chain_kind(id->chain), false);
        if (w->scheme == HF_SCHEME_NONE)
            id = NULL;
    }
    h->identity = id;
    if (!hf_hs_send_certificate(h, id))
        return false;
    return id == NULL ? finish_flight(h) : hf_hs_want_sign(h);
}

/* ---- after it ----------------------------------------------------------------------------------------------- */

bool hf_client_ticket(hf_handshake *h, hf_bytes body, hf_bytes whole)
{
    hf_reader r = hf_reader_make(body);
    hf_new_ticket t = { .lifetime_s = (uint32_t)hf_read_number(&r, 4) };
    t.age_add = (uint32_t)hf_read_number(&r, 4);
    t.nonce = hf_read_vector(&r, 1);
    t.ticket = hf_read_vector(&r, 2);
    const hf_bytes block = hf_read_vector(&r, 2);
    hf_extensions e;
    hf_tls_flaw flaw;
    if (!hf_reader_done(&r) || t.ticket.len == 0)
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, whole, "a NewSessionTicket");
    if (!hf_extensions_parse(block, HF_IN_NST, UINT32_MAX, &e, &flaw))
        return hf_handshake_fail(h, flaw, body.ptr + body.len);
    hf_reader early = hf_reader_make(e.data[HF_EXT_EARLY]);
    if (hf_ext_in(&e, HF_EXT_EARLY))
        t.early_bytes = (uint32_t)hf_read_number(&early, 4);
    if (!hf_reader_done(&early))
        return hf_hs_flaw(h, HF_ERR_TLS_DECODE, e.data[HF_EXT_EARLY], "max_early_data_size");
    /* RFC 9001 4.6.1: in QUIC flow control bounds it, and "any other value ... PROTOCOL_VIOLATION" */
    if (h->quic && hf_ext_in(&e, HF_EXT_EARLY) && t.early_bytes != UINT32_MAX)
        return hf_hs_flaw(h, HF_ERR_QUIC_EARLY, e.data[HF_EXT_EARLY], "0xffffffff");
    if (t.lifetime_s > 604800)
        return hf_hs_flaw(h, HF_ERR_TLS_ILLEGAL, body, "a lifetime of at most 7 days (RFC 8446 4.6.1)");
    if (++h->tickets > h->env->limits->tls_tickets)
        return hf_hs_flaw(h, HF_ERR_TLS_TICKETS, whole, "fewer tickets");
    if (t.lifetime_s == 0)
        return true;
    if (!hf_session_write(h, &t))
        return hf_hs_broken(h);
    hf_hs_tell(h, HF_HS_SESSION);
    return true;
}
