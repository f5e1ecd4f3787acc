/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the handshake, shared by tls_handshake.c (life, dispatch), tls_state.c (the table), tls_server.c,
 * tls_client.c, tls_flight.c (what both sides send and check alike) and tls_ticket.c.
 */
#ifndef HF_TLS_CORE_H
#define HF_TLS_CORE_H

#include "tls_handshake.h"

enum {
    HF_TLS_SIGNED_MOST = 64 + 34 + HF_HASH_MOST + 64, /* what CertificateVerify signs; TLS 1.2: randoms and parameters */
    HF_TLS_PSK_TRIES = 4,     /* tickets of one ClientHello that are looked at */
    HF_TLS_PEER_MOST = 160,    /* bytes of a client's subject that are kept */
    HF_TLS_TICKET_PLAIN = 160 + HF_TLS_PEER_MOST, /* bytes of state in a ticket, at most */
    HF_TLS_EXCHANGES = 2      /* client: shares offered at once */
};

/* What a suspended handshake waits for. */
typedef enum hf_hs_question { HF_ASKS_NOTHING, HF_ASKS_VERIFY, HF_ASKS_SIGN, HF_ASKS_DECRYPT } hf_hs_question;

/* What only the handshake needs. */
struct hf_handshake_work {
    hf_hashing transcript;
    hf_schedule schedule;
    hf_exchange exchange[HF_TLS_EXCHANGES];
    hf_queue hello;          /* client: the ClientHello, until the hash is known; also what a retry is built of */
    hf_queue cookie;         /* of HelloRetryRequest. Later, at a server: the encrypted premaster secret */
    hf_queue raw;            /* TLS 1.2 with client certificates: every message so far, which is what the client signs */
    hf_queue staple;         /* client: the OCSP response */
    hf_chain *chain;         /* the peer's */
    uint8_t client_secret[HF_HASH_MOST], server_secret[HF_HASH_MOST]; /* of the handshake */
    uint8_t early_secret[HF_HASH_MOST]; /* of the client's early data */
    uint8_t client_traffic[HF_HASH_MOST + 16], server_traffic[HF_HASH_MOST + 16]; /* of the application; 1.2: key and IV */
    uint8_t client_random[HF_TLS_RANDOM], server_random[HF_TLS_RANDOM];
    uint8_t session_id[32];
    uint8_t session_id_length;
    uint8_t to_sign[HF_TLS_SIGNED_MOST];
    uint16_t to_sign_length;
    uint16_t scheme;         /* of our signature */
    uint16_t group;          /* server: agreed; client: asked for by a retry */
    uint32_t offered;        /* client: extensions in the ClientHello */
    uint8_t request_context[1]; /* client: of CertificateRequest */
    bool parameters_read; /* QUIC: they were read */
    bool retried, psk_tried, asked_by_server, ems, status_asked;
    bool keep_raw, sign_raw; /* fill `raw`; the signature is over it */
    bool ticket_due;         /* TLS 1.2: the ServerHello announces a NewSessionTicket */
    bool session_came;       /* client, TLS 1.2: it came */
    bool early_fits;         /* server: the ticket that was taken allows it; `strike` is the ticket's */
    uint8_t strike[HF_AEAD_TAG];
    uint8_t question;        /* hf_hs_question */
    uint16_t client_version; /* server: of the ClientHello, and so of the premaster secret */
    uint8_t psk[HF_SHARED_MOST];
    uint8_t psk_length;
    uint8_t schemes[64];     /* the peer's, for our signature */
    uint8_t schemes_length;
};

static inline hf_bytes hf_hs_hash_bytes(const hf_handshake *h, const uint8_t *hash)
{
    return hf_bytes_make(hash, hf_hash_length((hf_hash)h->suite->hash));
}
static inline hf_bytes hf_nothing(void)
{
    return hf_bytes_make(NULL, 0);
}

/* RFC 8446 4.1.3: the random of a ServerHello that is a HelloRetryRequest. */
extern const uint8_t hf_retry_random[HF_TLS_RANDOM];

/* One message to a handler: `body`, and `whole` with the header. False: the handshake failed. */
typedef bool hf_hs_handler(hf_handshake *h, hf_bytes body, hf_bytes whole);

typedef struct hf_hs_cell {
    hf_hs_handler *handle;
    uint32_t next; /* states in which it may leave the machine, as 1 << hf_hs_state */
} hf_hs_cell;

/* The table: NULL where the message must not come. */
const hf_hs_cell *hf_hs_cell_of(bool server, uint8_t state, uint8_t message);

hf_hs_handler hf_server_hello1, hf_server_hello2, hf_server_early_end, hf_server_certificate, hf_server_verify, hf_server_finished, hf_server_key_update;
hf_hs_handler hf_client_server_hello, hf_client_extensions, hf_client_request, hf_client_certificate, hf_client_verify,
    hf_client_finished, hf_client_ticket;
hf_hs_handler hf_both_key_update;
hf_hs_handler hf_old_ccs, hf_old_finished, hf_old_client_certificate, hf_old_client_key, hf_old_client_verify;
hf_hs_handler hf_old_certificate, hf_old_status, hf_old_server_key, hf_old_request, hf_old_done, hf_old_ticket;

/* Group `i` in our order, HF_GROUP_NONE past the end. */
hf_group hf_hs_group(const hf_handshake *h, size_t i);
/* tls_handshake.c */
bool hf_hs_flaw(hf_handshake *h, int32_t code, hf_bytes at, const char *wanted);
/* libcrypto or memory failed. */
bool hf_hs_broken(hf_handshake *h);
void hf_hs_move(hf_handshake *h, hf_hs_state to);
static inline void hf_hs_tell(hf_handshake *h, hf_hs_event_kind kind)
{
    h->pending = (uint16_t)(h->pending | 1u << kind);
}
/* The peer's flight is over with the message that is handled, `whole`: what lies behind it in its record was sent before our answer
 * was seen, and is refused. */
bool hf_hs_flight_ends(hf_handshake *h, hf_bytes whole);
/* Suspends until the answer. */
void hf_hs_ask(hf_handshake *h, hf_hs_question question);
/* Adds a message to the transcript. */
bool hf_hs_absorb(hf_handshake *h, hf_bytes whole);
/* The hash of the transcript so far, and `more`. */
bool hf_hs_transcript(hf_handshake *h, hf_bytes more, uint8_t *out);
bool hf_hs_set_host(hf_handshake *h, hf_bytes host);
/* Who the client is: from its certificate, or from the session resumed. */
bool hf_hs_set_peer(hf_handshake *h, hf_bytes subject, int64_t until_s);

/* RFC 9001 8.2: the peer's transport parameters, which must be there in QUIC and mean nothing without. */
bool hf_hs_read_parameters(hf_handshake *h, const hf_extensions *e, hf_bytes block);

/* tls_flight.c: building messages. begin reserves `room` bytes of the level's outbox; end closes and absorbs. */
bool hf_hs_begin(hf_handshake *h, hf_level level, size_t room, hf_tls_message type, hf_writer *w);
bool hf_hs_end(hf_handshake *h, hf_level level, hf_writer *w);
/* Handshake secrets from the shared secret; both directions are told. */
bool hf_hs_handshake_secrets(hf_handshake *h, hf_bytes shared);
/* The secret of early data, once the ClientHello was absorbed or, at a client, hashed. */
bool hf_hs_early_secret(hf_handshake *h, const hf_suite *suite, const uint8_t *transcript);
/* Application, exporter secrets; after the server's Finished was absorbed. */
bool hf_hs_master_secrets(hf_handshake *h);
bool hf_hs_resumption_secret(hf_handshake *h);
/* RFC 9850 2: to whoever asked for it in the config. */
void hf_hs_log_secret(const hf_handshake *h, const char *label, const uint8_t *secret, size_t n);
/* RFC 9001 8.2: our transport parameters, in QUIC. */
void hf_hs_write_parameters(const hf_handshake *h, hf_writer *w);
bool hf_hs_send_certificate(hf_handshake *h, const hf_tls_identity *identity);
/* Chooses the scheme and asks for the signature over the transcript. */
bool hf_hs_want_sign(hf_handshake *h);
bool hf_hs_send_verify(hf_handshake *h, hf_bytes signature);
bool hf_hs_send_finished(hf_handshake *h);
/* Parses the peer's certificates (1.3 form when `modern`) into work->chain; an empty list leaves it NULL. */
bool hf_hs_read_certificate(hf_handshake *h, hf_bytes body, bool modern, uint32_t offered);
bool hf_hs_check_verify(hf_handshake *h, hf_bytes body);
/* May the peer's certificate sign? `body` is the message that holds the signature. */
bool hf_hs_check_signs(hf_handshake *h, hf_bytes body);
bool hf_hs_check_finished(hf_handshake *h, hf_bytes body);
/* Puts the schemes that we check signatures with. */
void hf_hs_write_schemes(hf_writer *w);
hf_scheme hf_hs_choose_scheme(hf_bytes offered, hf_key_kind kind, bool old);
/* The end: the facts are asserted. */
bool hf_hs_open(hf_handshake *h);
/* After a signature: the rest of our flight. */
bool hf_server_resume(hf_handshake *h, hf_bytes signature);
bool hf_client_resume(hf_handshake *h, hf_bytes signature);

/* Is this a scheme that we check, for this kind of key? TLS 1.3 knows no PKCS#1 in CertificateVerify (RFC 8446 4.4.3). */
bool hf_hs_scheme_usable(uint16_t scheme, hf_key_kind kind, bool old);

/* tls_names.c: our identities in the order in which they are tried: those for the host that was asked for, then all. */
typedef struct hf_candidates {
    const hf_handshake *h;
    size_t named, named_end; /* in config->names, or, without them, in config->identities */
    size_t rest;
} hf_candidates;
hf_candidates hf_hs_candidates(const hf_handshake *h);
/* NULL past the last. */
const hf_tls_identity *hf_hs_candidate_next(hf_candidates *c);

/* tls_old.c: TLS 1.2. May this version, and this suite, be spoken by the config? */
bool hf_hs_speaks(const hf_handshake *h, uint16_t version);
bool hf_hs_offers(const hf_handshake *h, const hf_suite *suite);
bool hf_hs_read_record_limit(hf_handshake *h, const hf_extensions *e, uint16_t most);
bool hf_old_server_hello(hf_handshake *h, const hf_client_hello *ch, hf_bytes whole);
bool hf_old_server_resume(hf_handshake *h, hf_bytes signature);
bool hf_old_server_premaster(hf_handshake *h, hf_bytes premaster);
bool hf_old_client_resume(hf_handshake *h, hf_bytes signature);
bool hf_old_client_hello(hf_handshake *h, const hf_server_hello *sh, hf_bytes whole);
bool hf_client_read_protocol(hf_handshake *h, hf_bytes data);

/* tls_ticket.c */
/* Server: puts tickets into the APPLICATION outbox. */
bool hf_ticket_send(hf_handshake *h);
/* Server, TLS 1.2: into the INITIAL outbox (RFC 5077 3.3). */
bool hf_ticket_send_old(hf_handshake *h);
/* Server: may this connection be resumed later? */
bool hf_ticket_may_send(const hf_handshake *h);
typedef struct hf_ticket {
    const hf_suite *suite;
    uint8_t secret[48], secret_length; /* TLS 1.3: a PSK. TLS 1.2: the master secret */
    uint8_t peer[HF_TLS_PEER_MOST], peer_length;
    int64_t peer_until_s;
    struct { /* what early data asks for */
        uint64_t register_id, born_ms, settings;
        uint32_t age_add;
    } early;
} hf_ticket;
/* Server: what a ticket holds, when it is ours, in time, and of this context; false is no fault. Wipe it. */
bool hf_ticket_open(hf_handshake *h, hf_bytes bytes, hf_ticket *ticket);
/* A NewSessionTicket, as a client reads it. TLS 1.2 has no age_add, no nonce and no early data. */
typedef struct hf_new_ticket {
    uint32_t lifetime_s, age_add, early_bytes;
    hf_bytes nonce, ticket;
} hf_new_ticket;
/* Client: the session of it. */
bool hf_session_write(hf_handshake *h, const hf_new_ticket *t);
typedef struct hf_session {
    const hf_suite *suite; /* of either version */
    uint32_t hidden_age_ms;
    uint32_t early_bytes; /* that it allows */
    hf_bytes protocol;    /* that was agreed, for early data */
    hf_bytes psk, ticket;
} hf_session;
/* Client: false when the session is not for this host and config, or too old. */
bool hf_session_parse(const hf_handshake *h, hf_bytes bytes, hf_session *out);

#endif
