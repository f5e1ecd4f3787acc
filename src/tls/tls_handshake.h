/* SPDX-License-Identifier: Apache-2.0
 *
 * The handshake without records: messages in and out by encryption level, secrets and questions as events. TLS puts
 * records round it, QUIC its CRYPTO frames (RFC 9001 4.1).
 */
#ifndef HF_TLS_HANDSHAKE_H
#define HF_TLS_HANDSHAKE_H

#include "queue.h"
#include "tls_schedule.h"

typedef enum hf_level { HF_LEVEL_INITIAL, HF_LEVEL_HANDSHAKE, HF_LEVEL_APPLICATION, HF_LEVEL_COUNT } hf_level;

/* X(NAME, text). NONE is no state. */
#define HF_TLS_STATES(X) \
    X(NONE, "none") \
    X(WAIT_HELLO, "waits for the ClientHello") \
    X(WAIT_RETRY, "waits for the ClientHello after HelloRetryRequest") \
    X(WAIT_SERVER_HELLO, "waits for the ServerHello") \
    X(WAIT_EXTENSIONS, "waits for EncryptedExtensions") \
    X(WAIT_EARLY_END, "takes early data, waits for EndOfEarlyData") \
    X(WAIT_CERT_OR_REQUEST, "waits for Certificate or CertificateRequest") \
    X(WAIT_CERT, "waits for Certificate") \
    X(WAIT_VERIFY, "waits for CertificateVerify") \
    X(WAIT_FINISHED, "waits for Finished") \
    X(OLD_CERT, "TLS 1.2: waits for Certificate") \
    X(OLD_STATUS, "TLS 1.2: waits for ServerKeyExchange or CertificateStatus") \
    X(OLD_STATUS_RSA, "TLS 1.2, RSA: waits for CertificateStatus, CertificateRequest or ServerHelloDone") \
    X(OLD_SERVER_KEY, "TLS 1.2: waits for ServerKeyExchange") \
    X(OLD_REQUEST, "TLS 1.2: waits for CertificateRequest or ServerHelloDone") \
    X(OLD_DONE, "TLS 1.2: waits for ServerHelloDone") \
    X(OLD_CLIENT_CERT, "TLS 1.2: waits for the client's Certificate") \
    X(OLD_CLIENT_KEY, "TLS 1.2: waits for ClientKeyExchange") \
    X(OLD_CLIENT_VERIFY, "TLS 1.2: waits for the client's CertificateVerify") \
    X(OLD_TICKET, "TLS 1.2: waits for NewSessionTicket") \
    X(OLD_CCS, "TLS 1.2: waits for ChangeCipherSpec") \
    X(OLD_FINISHED, "TLS 1.2: waits for Finished") \
    X(OPEN, "connected") \
    X(OLD_OPEN, "connected by TLS 1.2")

#define HF_NAME(NAME, text) HF_HS_##NAME,
typedef enum hf_hs_state { HF_TLS_STATES(HF_NAME) HF_HS_STATE_COUNT } hf_hs_state;
#undef HF_NAME

/* What must be true of a connection before it opens, whatever way the table led. */
enum {
    HF_FACT_CERTIFICATE = 1, /* the peer sent one */
    HF_FACT_SIGNATURE = 2,   /* its key signed this handshake */
    HF_FACT_TRUSTED = 4,     /* the application believes the chain */
    HF_FACT_FINISHED = 8,    /* the peer's Finished holds */
    HF_FACT_PSK = 16,        /* resumed: the binder or the server's choice of it holds */
    HF_FACT_ASKED = 32,      /* we asked the client for a certificate */
    HF_FACT_DECRYPTED = 64   /* RSA key exchange: its Finished shows that the peer has the certificate's key */
};

/* In the order in which they are told. */
typedef enum hf_hs_event_kind {
    HF_HS_WRITE_EARLY, HF_HS_READ_EARLY, /* client, server: secret and suite of early data (early_suite) */
    HF_HS_EARLY_ENDED,    /* client: it was taken, and no more may come: EndOfEarlyData is due, but in QUIC */
    HF_HS_EARLY_REJECTED, /* client: it was not taken */
    HF_HS_WRITE_HANDSHAKE, HF_HS_READ_HANDSHAKE, HF_HS_WRITE_APPLICATION, HF_HS_READ_APPLICATION, /* secret, suite */
    HF_HS_WANT_VERIFY, HF_HS_WANT_SIGN, HF_HS_WANT_DECRYPT,
    HF_HS_KEY_UPDATE, /* the peer has a new key; `asked`: it wants one of ours */
    HF_HS_SESSION,
    HF_HS_DONE,
    HF_HS_EVENT_COUNT
} hf_hs_event_kind;

typedef struct hf_hs_event {
    hf_hs_event_kind kind;
    const uint8_t *secret; /* TLS 1.3: a traffic secret. TLS 1.2: the key and then the IV of this direction */
    bool asked;
} hf_hs_event;

typedef struct hf_handshake_work hf_handshake_work;

typedef struct hf_handshake {
    const hf_env *env;
    const hf_tls_config *config;
    hf_crypto *crypto;
    hf_time now;
    const hf_suite *suite;
    const hf_tls_identity *identity; /* ours */
    hf_handshake_work *work;         /* NULL once open and all is told */
    hf_tls_fault *fault;             /* NULL: none, or no memory for one */
    hf_queue inbox, outbox[HF_LEVEL_COUNT];
    hf_queue session;                /* client: the one that is tried, or that came */
    const hf_suite *early_suite;     /* client: of the early data that is offered. NULL: none is */
    uint64_t early_settings;         /* QUIC, server: a number for all settings that a client remembers for early data (RFC 9001
                                        4.6.3): tickets made with others allow none. Set as our_parameters are */
    uint32_t early_bytes;            /* client: how much may be sent */
    uint32_t carrier_version;        /* QUIC: tickets are bound to it (RFC 9369 5) */
    hf_bytes our_parameters;         /* QUIC: lent until the handshake is open */
    hf_queue peer_parameters;        /* QUIC: as they came; authentic once the handshake is open */
    uint8_t *host;                   /* SNI, or the host asked for */
    uint8_t *peer;                   /* server: the subject of the client's certificate, once it is believed */
    int64_t peer_until_s;            /* the end of its validity */
    hf_bytes protocol;               /* lies in the config */
    uint8_t resumption[48], exporter[48]; /* TLS 1.2: resumption holds the master secret */
    uint16_t group;                  /* of the key exchange, 0 before */
    uint16_t record_limit;           /* of the peer (RFC 8449), 0: none was told */
    uint16_t pending;                /* 1 << hf_hs_event_kind */
    uint8_t state, facts, host_length, peer_length;
    uint8_t message;                 /* under way */
    uint8_t tickets;                 /* client: how many came */
    bool server, suspended, failed, resumed;
    bool compatible; /* ChangeCipherSpec is sent for the sake of middleboxes */
    bool update_asked;
    bool quic;               /* set, with our_parameters, between init and begin or the first feed (RFC 9001 8.2) */
    bool early_offered;  /* server: the ClientHello announced early data */
    bool early_accepted; /* and it is taken; at a client: the server says so */
    bool takes_early;    /* the carrier carries early data. Set as our_parameters are */
    bool takes_tickets; /* server: the client resumes with a key exchange, as our tickets want it */
    bool old_ccs_due; /* TLS 1.2: ChangeCipherSpec goes behind what is in the INITIAL outbox */
    int32_t bad;        /* the error when `failed` */
} hf_handshake;

bool hf_handshake_init(hf_handshake *h, const hf_env *env, const hf_tls_config *config, bool server);
/* Client: queues the ClientHello. */
bool hf_handshake_begin(hf_handshake *h, hf_time now, hf_bytes host, hf_bytes session);
void hf_handshake_fini(hf_handshake *h);
/* Message bytes, in order, of the level that is read now. False: memory ended (and the handshake failed). */
bool hf_handshake_feed(hf_handshake *h, hf_bytes bytes);
/* TLS 1.2: a ChangeCipherSpec record came. False when it may not come now. */
bool hf_handshake_feed_ccs(hf_handshake *h);
/* HF_EVENT, HF_IDLE (more bytes, please), HF_FULL (an answer is awaited) or HF_FAULT. */
hf_step hf_handshake_step(hf_handshake *h, hf_time now, hf_hs_event *event);
/* A part of a message is held: the key must not change now (RFC 8446 5.1). */
bool hf_handshake_is_amid(const hf_handshake *h);
static inline bool hf_handshake_is_open(const hf_handshake *h)
{
    return h->state == HF_HS_OPEN || h->state == HF_HS_OLD_OPEN;
}
/* May a ChangeCipherSpec be dropped now (RFC 8446 5)? */
bool hf_handshake_drops_ccs(const hf_handshake *h);
void hf_handshake_question(const hf_handshake *h, hf_tls_event *event);
/* A signature is awaited, and with it the rest of a flight. */
bool hf_handshake_wants_signature(const hf_handshake *h);
void hf_handshake_answer_sign(hf_handshake *h, hf_err err, hf_bytes signature);
void hf_handshake_answer_verify(hf_handshake *h, hf_err err);
/* The session of HF_HS_SESSION; lends until the next step. */
hf_bytes hf_handshake_session(const hf_handshake *h);
/* Gives the memory of the handshake back, once open. */
void hf_handshake_rest(hf_handshake *h);
/* Breaks the handshake. Returns false. The first one counts. */
bool hf_handshake_fail(hf_handshake *h, hf_tls_flaw flaw, const uint8_t *end);
/* HF_TLS_STATES' text. */
const char *hf_handshake_state_text(uint8_t state);

#endif
