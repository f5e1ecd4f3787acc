/* SPDX-License-Identifier: Apache-2.0
 *
 * Tickets (RFC 8446 4.6.1): the server's state in the client's hands, sealed by AES-256-GCM under a named key; and the
 * session that a client keeps. A ticket is bound to all that a full handshake would decide anew: host, protocol, client
 * authentication and context. Where any differs, the ticket does not open, and a full handshake follows (CVE-2025-23419
 * is what happens otherwise).
 */
#include "tls_early.h"

#include "crypto_secret.h"

enum { FORMAT = 3, SESSION_FORMAT = 2, NAME = 16, TICKETS = 2, BINDING = 32, MASTER = 48 };

static uint64_t wall_ms(const hf_handshake *h)
{
    const int64_t ns = h->now.ns + h->config->wall_offset_ns;
    return ns < 0 ? 0 : (uint64_t)ns / 1000000;
}

/* The hash of what a ticket is bound to. */
static bool binding_of(const hf_handshake *h, uint8_t out[BINDING])
{
    uint8_t text[2 + 255 + 1 + 255 + 8 + 8 + 4];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_write_vector(&w, hf_bytes_make(h->host, h->host_length), 1);
    hf_write_vector(&w, h->protocol, 1);
    hf_write_number(&w, h->server ? (uint64_t)h->config->client_auth : 0, 1);
    hf_write_number(&w, h->config->context, 8);
    hf_write_number(&w, h->carrier_version, 4);
    return !w.overflowed && hf_hash_of(h->crypto, HF_HASH_SHA256, hf_written(&w), out);
}

static bool psk_of(hf_handshake *h, hf_bytes nonce, uint8_t *psk)
{
    const hf_hash hash = (hf_hash)h->suite->hash;
    const size_t n = hf_hash_length(hash);
    return hf_hkdf_label(h->crypto, hash, hf_bytes_make(h->resumption, n), "resumption", nonce, psk, n);
}

static size_t secret_length(const hf_suite *suite)
{
    return suite->version == HF_TLS_1_2 ? MASTER : hf_hash_length((hf_hash)suite->hash);
}

/* ---- server ------------------------------------------------------------------------------------------------- */

typedef struct ticket_salt {
    uint8_t nonce[HF_AEAD_NONCE], age_add[4];
} ticket_salt;

/* What the tickets of one handshake share: made once, because each piece costs as much as hashing a kilobyte. */
typedef struct mint {
    hf_aead aead;
    uint8_t binding[BINDING];
    ticket_salt salts[TICKETS];
} mint;

static bool mint_open(mint *m, hf_handshake *h, size_t count)
{
    hf_aead_init(&m->aead, h->crypto, HF_AEAD_AES_256_GCM, true, h->config->ticket_keys[0].key);
    return hf_crypto_random(h->crypto, m->salts, count * sizeof *m->salts) && binding_of(h, m->binding);
}

/* name | nonce | sealed state | tag */
static bool seal(mint *m, const hf_tls_ticket_key *key, const uint8_t nonce[HF_AEAD_NONCE], hf_bytes plain, hf_writer *w)
{
    uint8_t sealed[HF_TLS_TICKET_PLAIN], tag[HF_AEAD_TAG];
    const bool good = hf_aead_begin(&m->aead, nonce, hf_bytes_make(key->name, NAME)) && hf_aead_add(&m->aead, plain, sealed) &&
                      hf_aead_end(&m->aead, tag);
    hf_write(w, hf_bytes_make(key->name, NAME));
    hf_write(w, hf_bytes_make(nonce, HF_AEAD_NONCE));
    hf_write(w, hf_bytes_make(sealed, plain.len));
    hf_write(w, hf_bytes_make(tag, sizeof tag));
    return good;
}

static uint64_t lifetime_s(const hf_handshake *h)
{
    return h->env->limits->tls_ticket_s < 604800 ? h->env->limits->tls_ticket_s : 604800;
}

/* The vector with the sealed state. */
static bool write_ticket(hf_handshake *h, mint *m, const ticket_salt *salt, hf_bytes secret, hf_writer *w)
{
    uint8_t plain[HF_TLS_TICKET_PLAIN];
    hf_writer p = hf_writer_make(plain, sizeof plain);
    hf_write_number(&p, FORMAT, 1);
    hf_write_number(&p, h->suite->code, 2);
    hf_write_number(&p, wall_ms(h), 8);
    hf_write(&p, hf_bytes_make(salt->age_add, 4));
    hf_write(&p, hf_bytes_make(m->binding, BINDING));
    hf_write_vector(&p, secret, 1);
    hf_write_vector(&p, hf_bytes_make(h->peer, h->peer_length), 1);
    hf_write_number(&p, (uint64_t)h->peer_until_s, 8);
    hf_write_number(&p, hf_early_is_taken(h) ? hf_strikes_id(h->config->strikes) : 0, 8);
    hf_write_number(&p, hf_early_now_ms(h), 8);
    hf_write_number(&p, h->early_settings, 8);
    const size_t ticket = hf_write_open(w, 2);
    const bool good = !p.overflowed && seal(m, &h->config->ticket_keys[0], salt->nonce, hf_written(&p), w);
    hf_write_close(w, ticket, 2);
    hf_wipe(plain, sizeof plain);
    return good;
}

static bool send_one(hf_handshake *h, mint *m, uint8_t number)
{
    const ticket_salt *const salt = &m->salts[number];
    uint8_t psk[HF_HASH_MOST];
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_APPLICATION, HF_TLS_TICKET_PLAIN + 128, HF_MESSAGE_TICKET, &w))
        return false;
    hf_write_number(&w, lifetime_s(h), 4);
    hf_write(&w, hf_bytes_make(salt->age_add, 4));
    hf_write_vector(&w, hf_bytes_make(&number, 1), 1);
    const bool good = psk_of(h, hf_bytes_make(&number, 1), psk) && write_ticket(h, m, salt, hf_hs_hash_bytes(h, psk), &w);
    const size_t block = hf_write_open(&w, 2);
    if (hf_early_is_taken(h)) { /* RFC 9001 4.6.1: in QUIC it says 2^32 - 1 */
        const size_t ext = hf_write_ext(&w, HF_EXT_EARLY);
        hf_write_number(&w, h->quic ? UINT32_MAX : (uint32_t)h->env->limits->tls_early_bytes, 4);
        hf_write_close(&w, ext, 2);
    }
    hf_write_close(&w, block, 2);
    hf_wipe(psk, sizeof psk);
    return good && hf_hs_end(h, HF_LEVEL_APPLICATION, &w);
}

/* RFC 5077 3.3. RFC 7627 5.3 and the master secret's use in resumption: only sessions with the extended master secret. */
bool hf_ticket_send_old(hf_handshake *h)
{
    mint m = { .aead = { .ctx = NULL } };
    hf_writer w;
    if (!hf_hs_begin(h, HF_LEVEL_INITIAL, HF_TLS_TICKET_PLAIN + 128, HF_MESSAGE_TICKET, &w))
        return false;
    hf_write_number(&w, lifetime_s(h), 4);
    bool good = true;
    if (!hf_ticket_may_send(h)) /* announced, and now not to be had: an empty one (3.3) */
        hf_write_number(&w, 0, 2);
    else
        good = mint_open(&m, h, 1) && write_ticket(h, &m, m.salts, hf_bytes_make(h->resumption, MASTER), &w);
    hf_aead_fini(&m.aead);
    return good ? hf_hs_end(h, HF_LEVEL_INITIAL, &w) : hf_hs_broken(h);
}

bool hf_ticket_may_send(const hf_handshake *h)
{
    /* A client that did not prove itself as asked gets none either: what it could resume is worth nothing. */
    return h->config->ticket_key_count > 0 && (h->config->client_auth == HF_TLS_CLIENT_AUTH_NONE || (h->facts & (HF_FACT_SIGNATURE | HF_FACT_PSK)));
}

bool hf_ticket_send(hf_handshake *h)
{
    mint m = { .aead = { .ctx = NULL } };
    const uint8_t count = h->resumed ? 1 : TICKETS; /* who resumes used one up, and has the other */
    if (!hf_ticket_may_send(h) || !h->takes_tickets) /* RFC 8446 4.2.9: none "that are not compatible with the advertised modes" */
        return true;
    bool good = mint_open(&m, h, count);
    for (uint8_t i = 0; i < count && good; i++)
        good = send_one(h, &m, i);
    hf_aead_fini(&m.aead);
    return good || hf_hs_broken(h);
}

static bool open_sealed(hf_handshake *h, hf_bytes ticket, uint8_t *plain, size_t *length)
{
    const size_t around = NAME + HF_AEAD_NONCE;
    if (ticket.len < around + HF_AEAD_TAG || ticket.len - around - HF_AEAD_TAG > HF_TLS_TICKET_PLAIN)
        return false;
    for (size_t i = 0; i < h->config->ticket_key_count; i++) {
        const hf_tls_ticket_key *const key = &h->config->ticket_keys[i];
        if (memcmp(key->name, ticket.ptr, NAME) != 0)
            continue;
        hf_aead aead;
        memcpy(plain, ticket.ptr + around, ticket.len - around);
        hf_aead_init(&aead, h->crypto, (hf_aead_kind)HF_AEAD_AES_256_GCM, false, key->key);
        const bool good = hf_aead_open(&aead, ticket.ptr + NAME, hf_bytes_make(key->name, NAME), (hf_span){ plain, ticket.len - around });
        hf_aead_fini(&aead);
        *length = ticket.len - around - HF_AEAD_TAG;
        return good;
    }
    return false;
}

bool hf_ticket_open(hf_handshake *h, hf_bytes bytes, hf_ticket *ticket)
{
    uint8_t plain[HF_TLS_TICKET_PLAIN + HF_AEAD_TAG], binding[BINDING];
    size_t length = 0;
    if (!open_sealed(h, bytes, plain, &length) || !binding_of(h, binding)) {
        hf_wipe(plain, sizeof plain);
        return false;
    }
    hf_reader r = hf_reader_make(hf_bytes_make(plain, length));
    const uint64_t format = hf_read_number(&r, 1);
    const hf_suite *suite = hf_suite_find((uint16_t)hf_read_number(&r, 2));
    const uint64_t minted = hf_read_number(&r, 8), now = wall_ms(h);
    const uint32_t age_add = (uint32_t)hf_read_number(&r, 4);
    const hf_bytes bound = hf_read(&r, BINDING), secret = hf_read_vector(&r, 1), peer = hf_read_vector(&r, 1);
    const int64_t peer_until_s = (int64_t)hf_read_number(&r, 8);
    const uint64_t register_id = hf_read_number(&r, 8), born_ms = hf_read_number(&r, 8), settings = hf_read_number(&r, 8);
    const bool good = hf_reader_done(&r) && format == FORMAT && suite != NULL && hf_hs_offers(h, suite) && now >= minted &&
                      now - minted < h->env->limits->tls_ticket_s * 1000 && hf_secret_equal(bound.ptr, binding, BINDING) &&
                      secret.len == secret_length(suite) && peer.len <= HF_TLS_PEER_MOST &&
                      (peer.len == 0 || now / 1000 <= (uint64_t)peer_until_s); /* a session does not outlive the certificate */
    if (good) {
        *ticket = (hf_ticket){ .suite = suite, .secret_length = (uint8_t)secret.len, .peer_length = (uint8_t)peer.len, .peer_until_s = peer_until_s,
            .early = { .register_id = register_id, .born_ms = born_ms, .settings = settings, .age_add = age_add } };
        memcpy(ticket->secret, secret.ptr, secret.len);
        memcpy(ticket->peer, peer.ptr, peer.len);
    }
    hf_wipe(plain, sizeof plain);
    return good;
}

/* ---- client ------------------------------------------------------------------------------------------------- */

bool hf_session_write(hf_handshake *h, const hf_new_ticket *t)
{
    uint8_t psk[HF_HASH_MOST], host[BINDING];
    hf_queue_take(&h->session, hf_queue_length(&h->session));
    const hf_span space = hf_queue_reserve(&h->session, 128 + t->ticket.len + h->protocol.len);
    hf_writer w = hf_writer_make(space.ptr, space.len);
    const bool old = h->suite->version == HF_TLS_1_2;
    if (space.ptr == NULL || !hf_hash_of(h->crypto, HF_HASH_SHA256, hf_bytes_make(h->host, h->host_length), host) || (!old && !psk_of(h, t->nonce, psk)))
        return false;
    hf_write_number(&w, SESSION_FORMAT, 1);
    hf_write_number(&w, h->suite->code, 2);
    hf_write_number(&w, wall_ms(h), 8);
    hf_write_number(&w, t->lifetime_s, 4);
    hf_write_number(&w, t->age_add, 4);
    hf_write_number(&w, t->early_bytes, 4);
    hf_write(&w, hf_bytes_make(host, BINDING));
    hf_write_vector(&w, old ? hf_bytes_make(h->resumption, MASTER) : hf_hs_hash_bytes(h, psk), 1);
    hf_write_vector(&w, h->protocol, 1);
    hf_write_vector(&w, t->ticket, 2);
    hf_queue_commit(&h->session, w.length);
    hf_wipe(psk, sizeof psk);
    return !w.overflowed;
}

bool hf_session_parse(const hf_handshake *h, hf_bytes bytes, hf_session *out)
{
    uint8_t host[BINDING];
    hf_reader r = hf_reader_make(bytes);
    const uint64_t format = hf_read_number(&r, 1);
    out->suite = hf_suite_find((uint16_t)hf_read_number(&r, 2));
    const uint64_t received = hf_read_number(&r, 8), lifetime = hf_read_number(&r, 4), now = wall_ms(h);
    const uint32_t age_add = (uint32_t)hf_read_number(&r, 4);
    out->early_bytes = (uint32_t)hf_read_number(&r, 4);
    const hf_bytes bound = hf_read(&r, BINDING);
    out->psk = hf_read_vector(&r, 1);
    out->protocol = hf_read_vector(&r, 1);
    out->ticket = hf_read_vector(&r, 2);
    if (!hf_reader_done(&r) || format != SESSION_FORMAT || out->suite == NULL || !hf_hs_offers(h, out->suite) || now < received ||
        now - received >= lifetime * 1000 || out->psk.len != secret_length(out->suite) ||
        !hf_hash_of(h->crypto, HF_HASH_SHA256, hf_bytes_make(h->host, h->host_length), host) || memcmp(bound.ptr, host, BINDING) != 0)
        return false;
    out->hidden_age_ms = (uint32_t)(now - received) + age_add; /* RFC 8446 4.2.11.1 */
    return true;
}
