/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/tls.h - TLS 1.3 (RFC 8446) and 1.2 (RFC 5246 with 7627 and 5746) on the wire, server and client.
 *
 * A pure core in the shape of pier.h, over libcrypto's primitives: bytes in, events out; time as an argument. Records are
 * decrypted in the caller's buffer and encrypted straight into hf_out. What is slow or secret is an event and an answer:
 * signing (WANT_SIGN) and judging the peer's chain (WANT_VERIFY) may happen in another process or thread.
 * An open connection that is idle holds two keys and no buffer.
 */
#ifndef HANDFAST_TLS_H
#define HANDFAST_TLS_H

#include "crypto.h"
#include "pier.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_tls hf_tls;

enum { HF_TLS_1_2 = 0x0303, HF_TLS_1_3 = 0x0304 };

/* A certificate chain and its private key. `key` NULL: it lives elsewhere and the answer to WANT_SIGN comes from there. */
typedef struct hf_tls_identity {
    hf_chain *chain;
    hf_key *key;
    hf_bytes staple; /* an OCSP response in DER about the leaf, for clients that ask for one (RFC 6066 8); empty: none */
} hf_tls_identity;

/* Where the secrets of connections are written for those who look into captures (RFC 9850): whoever has them reads
 * everything. `label` is the RFC's: "CLIENT_TRAFFIC_SECRET_0". Called within a step; must not come back. */
typedef struct hf_tls_key_log {
    void (*write)(void *self, const char *label, hf_bytes client_random, hf_bytes secret);
    void *self;
} hf_tls_key_log;

/* Who answers for a host: a DNS name in lower case, without a final dot; `*.` in front stands for one label. */
typedef struct hf_tls_name {
    hf_bytes host;
    size_t identity; /* its place in hf_tls_config.identities */
} hf_tls_name;

/* The first of the ring seals tickets, every one opens them. Rotate by putting a new one in front. */
typedef struct hf_tls_ticket_key {
    uint8_t name[16];
    uint8_t key[32];
} hf_tls_ticket_key;

/* Remembers for a while which tickets have brought early data, so that the same early data is not taken twice (RFC 8446
 * 8.2). Lies in memory of its owner's, which all threads and processes that accept the same tickets share. */
typedef struct hf_tls_strikes hf_tls_strikes;
/* How much memory a register of `slots` places takes (limit tls_strikes). */
HF_API size_t hf_tls_strikes_bytes(uint64_t slots);
/* A register in zeroed memory, aligned to 64 bytes. `id` is drawn at random and not 0: early data of tickets that were
 * made beside another register is not taken. Their age is told by hf_time, so all users must have one clock. */
HF_API hf_tls_strikes *hf_tls_strikes_make(void *memory, size_t bytes, uint64_t id);

typedef enum hf_tls_client_auth {
    HF_TLS_CLIENT_AUTH_NONE,
    HF_TLS_CLIENT_AUTH_ASK,     /* a client without a certificate is served */
    HF_TLS_CLIENT_AUTH_REQUIRE  /* it is refused with certificate_required */
} hf_tls_client_auth;

/* What many connections share: lent to each for its life, and may not change meanwhile but for wall_offset_ns and the
 * ticket keys. Zero means the secure default. */
typedef struct hf_tls_config {
    hf_crypto *crypto; /* must be given; of this thread */
    const hf_tls_identity *identities; /* server: by SNI, the first where none fits. Client: the first, if it is asked for */
    size_t identity_count;
    const hf_tls_name *names; /* server: in the order of hf_tls_name_order; NULL: the chains are asked, one after another */
    size_t name_count;
    const hf_bytes *protocols; /* ALPN, most wanted first. Strict: without a common one the handshake fails. NULL: none is spoken of */
    size_t protocol_count;
    const hf_tls_ticket_key *ticket_keys; /* server; none: no tickets */
    size_t ticket_key_count;
    int64_t ticket_wait_ns; /* server, TLS 1.3: so long they wait for what is put first, to leave along with it; then they leave alone. 0: at once */
    const uint16_t *groups; /* RFC 8446 4.2.7, most wanted first; X25519MLKEM768 (where libcrypto has ML-KEM), X25519, P-256, P-384
                               where NULL; what libcrypto has not is left out. A client sends a share of the first */
    size_t group_count;
    const uint16_t *suites; /* these alone of ours (RFC 8446 B.4, RFC 5246 A.5), in our order; all where NULL */
    size_t suite_count;
    hf_tls_client_auth client_auth; /* server */
    uint16_t least_version;         /* HF_TLS_1_2 where 0 */
    uint16_t most_version;          /* HF_TLS_1_3 where 0 */
    /* 0-RTT (RFC 8446 2.3 and 8): data before the handshake is complete, which an attacker may send again. Server: tickets
     * allow limit tls_early_bytes of it, and it is taken, once, where `strikes` is there. Client: it may be put where the
     * session allows it. */
    bool early_data;
    hf_tls_strikes *strikes; /* server: where it is noted what was taken. NULL: none is */
    bool rsa_key_exchange;   /* TLS_RSA_WITH_AES_128_GCM_SHA256 is spoken in TLS 1.2, as the last choice: no forward secrecy */
    bool ask_staple;         /* client: ask the server for an OCSP response */
    bool retry_cookie;       /* server: a HelloRetryRequest carries a cookie that must come back (RFC 8446 4.2.2) */
    uint64_t context;        /* a number: tickets of one context do not open in another; 0 is one, too */
    const hf_tls_key_log *key_log; /* NULL: no secret leaves */
    int64_t wall_offset_ns;  /* the wall clock in nanoseconds minus hf_time: for the age of tickets, which must be right */
} hf_tls_config;

/* Negative, 0 or positive: by host, then by identity. */
HF_API int hf_tls_name_order(const hf_tls_name *a, const hf_tls_name *b);

typedef enum hf_tls_event_kind {
    HF_TLS_OPENED,      /* the handshake is complete: put and peek carry bytes of the application */
    HF_TLS_READABLE,    /* peek has bytes */
    HF_TLS_WRITABLE,    /* put takes bytes again */
    HF_TLS_ENDED,       /* the peer's direction is over: by close_notify (FIN), or cut off (RESET, err says so) */
    HF_TLS_RELEASED,    /* the LENT extent with this token was encrypted */
    HF_TLS_WANT_SIGN,   /* sign `message` by `scheme` with the key of `identity`; then hf_tls_answer_sign */
    HF_TLS_WANT_VERIFY, /* is `chain` to be believed for `host`? then hf_tls_answer_verify */
    HF_TLS_SESSION,     /* client: `session` resumes later; copy it. It is a secret. In TLS 1.2 it comes before OPENED */
    HF_TLS_WANT_DECRYPT, /* RSA key exchange: decrypt `message` with the key of `identity` and `client_version`, as
                           hf_key_decrypt_premaster does; then hf_tls_answer_sign with the HF_PREMASTER bytes */
    HF_TLS_EARLY,       /* before OPENED. Server: early data is taken; from now on peek has it and put answers it. Client: put takes
                           early data, up to hf_tls_early_room */
    HF_TLS_EARLY_REJECTED /* client, before OPENED: what was put is not there. What may be sent again is put after OPENED, if
                           the protocol is the same (RFC 8446 4.2.10); the tokens of what was put come as RELEASED */
} hf_tls_event_kind;

/* Everything an event points to is lent until the next step; of WANT_SIGN, WANT_DECRYPT and WANT_VERIFY until the answer. */
typedef struct hf_tls_event {
    hf_tls_event_kind kind;
    hf_ending ending;
    hf_err err;
    uint64_t token;
    const hf_tls_identity *identity;
    hf_scheme scheme;
    hf_bytes message;
    const hf_chain *chain;
    hf_bytes host;
    hf_bytes session;
    hf_bytes staple; /* WANT_VERIFY at a client, TLS 1.3: the OCSP response that came with the leaf. Nobody has judged it */
    uint16_t client_version;
} hf_tls_event;

/* Why a connection failed: the rule, and the evidence. */
typedef struct hf_tls_fault {
    hf_err err;
    uint8_t alert;      /* RFC 8446 6: sent, or received when `remote` */
    bool remote;        /* the peer said so */
    uint8_t message;    /* the handshake message under way, 0 when none was */
    uint8_t got_length;
    uint64_t offset;    /* in the peer's stream, of the record at fault */
    uint8_t got[48];    /* the bytes at fault */
    const char *state;  /* of the handshake. Static */
    const char *wanted; /* what the rule wants there. Static */
} hf_tls_fault;

/* Lends `env` and `config` for life. `id` is the connection's, for the trace. NULL when memory runs out. */
HF_API hf_tls *hf_tls_server_new(const hf_env *env, const hf_tls_config *config, uint64_t id, hf_time now);
/* `host` is copied: the name for SNI and for the question of WANT_VERIFY. `session` (may be empty) from an earlier
 * connection's HF_TLS_SESSION is tried. */
HF_API hf_tls *hf_tls_client_new(const hf_env *env, const hf_tls_config *config, uint64_t id, hf_time now, hf_bytes host, hf_bytes session);
HF_API void hf_tls_free(hf_tls *t);

/* ---- below -------------------------------------------------------------------------------------------------- */

/* Eats bytes and time; yields at most one event. HF_FULL: what peek lends is not taken, or an answer is awaited. Bytes
 * of a record that is lent stay the caller's first ones: they are `used` by the step after the last of them was taken, and
 * until then the caller passes them again. It may move its buffer between steps (step finds the record again at in->ptr);
 * a span from peek is good until then. After HF_FAULT emit has an alert. */
HF_API hf_step hf_tls_step(hf_tls *t, hf_time now, hf_in *in, hf_tls_event *event);
HF_API size_t hf_tls_emit(hf_tls *t, hf_time now, hf_out *out);
HF_API hf_time hf_tls_wake(const hf_tls *t);

/* ---- above -------------------------------------------------------------------------------------------------- */

/* In-order plaintext. Lends, in the buffer given to step, until the next step. */
HF_API hf_span hf_tls_peek(const hf_tls *t);
HF_API void hf_tls_take(hf_tls *t, size_t n);
/* COPIED and LENT extents only; the bytes accepted. Nothing before OPENED or EARLY. */
HF_API uint64_t hf_tls_put(hf_tls *t, const hf_extent *extents, size_t count);
/* FIN sends close_notify behind what was put; RESET gives up at once. */
HF_API hf_err hf_tls_end(hf_tls *t, hf_ending ending);
/* Between EARLY and OPENED (or EARLY_REJECTED): what peek lends may be a replay, and what put takes may be replayed. */
HF_API bool hf_tls_is_early(const hf_tls *t);
/* While it is early: how much more put takes. A server's answers have no bound: SIZE_MAX. */
HF_API size_t hf_tls_early_room(const hf_tls *t);
/* After OPENED: early data was sent, and taken. */
HF_API bool hf_tls_early_accepted(const hf_tls *t);
/* Bytes accepted by put and not encrypted yet. */
HF_API uint64_t hf_tls_unsent(const hf_tls *t);

/* To WANT_SIGN the signature, to WANT_DECRYPT the secret. */
HF_API void hf_tls_answer_sign(hf_tls *t, hf_err err, hf_bytes signature);
HF_API void hf_tls_answer_verify(hf_tls *t, hf_err err);
/* Signs (or decrypts) with the identity's own key and answers: for those who keep keys in the process. */
HF_API void hf_tls_sign_here(hf_tls *t, const hf_tls_event *event);

/* ---- what was agreed (after OPENED; at a server after EARLY) --------------------------------------------------------------------------- */

HF_API uint16_t hf_tls_version(const hf_tls *t);
HF_API const char *hf_tls_suite(const hf_tls *t);   /* "TLS_AES_128_GCM_SHA256" */
/* The group of the key exchange, "x25519"; "none" when the session was resumed without one (TLS 1.2). Static. */
HF_API const char *hf_tls_group(const hf_tls *t);
HF_API hf_bytes hf_tls_protocol(const hf_tls *t);   /* ALPN; empty when none was agreed */
HF_API hf_bytes hf_tls_host(const hf_tls *t);       /* SNI; empty when none was sent */
HF_API bool hf_tls_resumed(const hf_tls *t);
/* Server: the subject of the client's certificate, as one line, when it was asked for, came and was believed, now or in the
 * session that was resumed; empty otherwise. Lends until free. */
HF_API hf_bytes hf_tls_peer(const hf_tls *t);
/* RFC 8446 7.5. `n` at most 255. */
HF_API hf_err hf_tls_export(hf_tls *t, const char *label, hf_bytes context, uint8_t *out, size_t n);
/* The fault after HF_FAULT. Never NULL. Lends until free. */
HF_API const hf_tls_fault *hf_tls_fault_of(const hf_tls *t);
/* "handshake_failure" and its like. Static. */
HF_API const char *hf_tls_alert_name(uint8_t alert);

#ifdef __cplusplus
}
#endif
#endif
