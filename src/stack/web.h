/* SPDX-License-Identifier: Apache-2.0
 *
 * web: the server's side of one connection, whatever carries the bytes (a kernel socket, our TCP, a simulated pipe, QUIC),
 * whether TLS protects them, and whatever version of HTTP is spoken. It stands protocol cores on piers and moves bytes
 * between them. With TLS the client chooses the version by ALPN; on a plain port by how it begins; over QUIC it is HTTP/3.
 *
 * Pull: step yields events until it is idle; flush sends what the cores have to say. Answers to many requests that are
 * given at once leave together in one put, because step flushes only when there is nothing left to read.
 *
 * In HTTP/2 and HTTP/3 several exchanges are open at once, and each may be RESET at any moment: a command for one that is
 * gone is answered with HF_ERR_HTTP2_NO_STREAM (HF_ERR_HTTP3_NO_STREAM, HF_ERR_HTTP1_NO_EXCHANGE), and means that its RESET
 * waits to be told.
 */
#ifndef HF_STACK_WEB_H
#define HF_STACK_WEB_H

#include <handfast/http1.h>
#include <handfast/http2.h>
#include <handfast/http3.h>
#include <handfast/pier.h>
#include <handfast/quic.h>
#include <handfast/tls.h>

typedef struct hf_web hf_web;

/* Names one request and its answer on a connection. Never used twice; no order is promised. */
typedef uint64_t hf_exchange;

/* Cores that no connection needs at the moment, kept by who has many connections of one environment. All zero: none. */
enum { HF_WEB_SPARES = 8 };
typedef struct hf_web_spares {
    hf_http1 *http1[HF_WEB_SPARES];
    unsigned count;
} hf_web_spares;
void hf_web_spares_free(hf_web_spares *spares);

/* What a listener's connections are to be. All zero: plain, HTTP/1 and HTTP/2 with prior knowledge. */
typedef struct hf_web_options {
    const hf_tls_config *tls;   /* not NULL: TLS. Belongs to the same thread, as its hf_crypto does */
    hf_span room;               /* with tls, and over QUIC: HF_WEB_ROOM bytes of the thread, used within a call only: files are
                                   read into it and records are sealed in it */
    hf_http2_options http2;     /* connect_protocol and push hold for HTTP/3, too */
    /* Over QUIC, where no pier does it: reads a range of an open file whole, as the verb of pier.h. NULL: no files */
    hf_err (*read)(const hf_file *file, uint64_t offset, void *to, size_t n);
    hf_web_spares *spares;      /* NULL: each connection keeps its own core for a while. Belongs to the same thread and the
                                   same environment, and is freed after the last connection */
    struct hf_web_tape *tape;   /* web_tape.h: what reaches the HTTP core is on it, or comes from it. Of one connection. NULL: none */
    hf_bytes no_memory;         /* the whole response of HTTP/1 to a request for whose core no memory is left. Empty: it just
                                   ends */
    bool no_prior_knowledge;    /* plain: a client that begins with HTTP/2 is refused */
    bool redirect_plain;        /* tls: plain HTTP is sent on to https (308) instead of told what is wrong (400) */
} hf_web_options;

enum { HF_WEB_ROOM = 168 * 1024 };

typedef enum hf_web_event_kind {
    HF_WEB_REQUEST,  /* a head arrived: event.head. Owed: respond and end */
    HF_WEB_BODY,     /* event.body: all that the exchange has not taken. Take it before the next step, or it comes again */
    HF_WEB_TRAILERS, /* event.trailers */
    HF_WEB_END,      /* the request is complete. Does not come where event.whole said so */
    HF_WEB_REFUSED,  /* a request broke a rule (event.fault): `exchange` may be answered with respond and end. HTTP/1
                        closes the connection after it. `head` is NULL where there is none to be had */
    HF_WEB_SENT,     /* nothing that was lent for the exchange up to the extent with its token is read any more */
    HF_WEB_RESET,    /* the exchange is gone before its end (event.err): nothing can be answered, and nothing but SENT
                        comes for it any more. All that was lent for it is still read, until a SENT comes: always one does */
    HF_WEB_WRITABLE, /* put took less than offered and may take more, for this exchange */
    HF_WEB_OPENED,   /* TLS: the handshake is complete (hf_web_security_of) */
    HF_WEB_WANT_SIGN,   /* TLS: event.tls asks for a signature or, by its kind, a premaster secret: hf_web_answer_sign,
                           now or later, then step */
    HF_WEB_WANT_VERIFY, /* TLS: event.tls asks whether the client's chain is believed: hf_web_answer_verify likewise */
    HF_WEB_CLOSED    /* over; event.err says why (HF_OK: in good order). Unanswered exchanges are gone with it */
} hf_web_event_kind;

/* What an event points to is lent until the next step; what `tls` points to until the answer. */
typedef struct hf_web_event {
    hf_web_event_kind kind;
    bool whole; /* REQUEST, REFUSED: the request is complete, and no END comes */
    bool early; /* REQUEST: the handshake is not complete, and it may be a replay (RFC 8470) */
    hf_exchange exchange;
    const hf_request_head *head;
    const hf_request_head *seen; /* REFUSED without a head: what of it came (method_name, target, path, query, version), for a log */
    hf_bytes body;
    hf_fields trailers;
    hf_err err;
    const hf_fault *fault;   /* REFUSED. Its status 308: to be sent on to the same target with https */
    const hf_tls_event *tls; /* WANT_SIGN, WANT_VERIFY: identity, scheme and message; chain */
    union {                  /* what the pointers above lead to: here, so that an idle connection need not hold it */
        hf_http1_event http1;
        hf_http2_event http2;
        hf_http3_event http3;
        hf_quic_event quic;
        hf_tls_event tls;
    } wire;
} hf_web_event;

/* Owns `pier` from now on. `id` is the connection's, in traces and logs. `options` (NULL: all zero) is lent for life.
 * NULL when memory ends (the pier is freed). */
hf_web *hf_web_new(const hf_env *env, uint64_t id, hf_pier pier, const hf_web_options *options, hf_time now);
/* HTTP/3 on a connection that an endpoint just accepted; owns it from now on. Step it when the endpoint gives notice of it, and
 * when wake says so; after steps and commands there may be something for the endpoint to emit. */
hf_web *hf_web_new_http3(const hf_env *env, uint64_t id, hf_quic *quic, const hf_web_options *options, hf_time now);
/* For hf_quic_endpoint_settings: a number for what such connections tell clients to remember. */
uint64_t hf_web_http3_settings(const hf_env *env, const hf_web_options *options);
void hf_web_free(hf_web *w);

/* `out` is scratch space of the thread, used within the call only. */
hf_step hf_web_step(hf_web *w, hf_time now, hf_out *out, hf_web_event *event);
hf_time hf_web_wake(const hf_web *w);

/* ---- answers ------------------------------------------------------------------------------------------------ */

void hf_web_take(hf_web *w, hf_exchange x, size_t n);
/* A 1xx status is interim (also hf_web_inform). Fields of the connection are the core's to write. */
hf_err hf_web_respond(hf_web *w, hf_exchange x, const hf_response_head *head);
/* hf_web_respond, and where that is cheap, what follows for an answer that needs nothing more: put of `body`, all of it, which is
 * copied, and the end. Then *whole. */
hf_err hf_web_answer(hf_web *w, hf_exchange x, const hf_response_head *head, hf_bytes body, bool *whole);
/* An interim answer such as 103 Early Hints. Nothing is sent to who would not understand it (HTTP/1.0). */
hf_err hf_web_inform(hf_web *w, hf_exchange x, const hf_response_head *head);
/* Bytes accepted. The token of an extent is its exchange or 0; SENT comes for each that is not 0. */
uint64_t hf_web_put(hf_web *w, hf_exchange x, const hf_extent *extents, size_t count, hf_err *err);
/* The answer is complete. In HTTP/2 and HTTP/3 nothing but SENT comes for the exchange any more, in HTTP/1 the rest of the request
 * does. HF_ENDING_RESET: as hf_web_cancel, without a reason for the log. */
hf_err hf_web_end(hf_web *w, hf_exchange x, hf_ending ending, hf_fields trailers);
/* Gives the exchange up, so that the peer can tell: HTTP/2 and HTTP/3 reset the stream, HTTP/1 cuts the connection. SENT comes for
 * it once what was lent is read no more (or CLOSED); no RESET. Of an exchange that was over before - ended, or about to be
 * told RESET - nothing changes. */
void hf_web_cancel(hf_web *w, hf_exchange x, hf_err why);
/* HTTP/2 and HTTP/3: promises `request` beside the exchange x; *promised is answered as if it had been asked for, and gets the same
 * events. HF_ERR_HTTP2_PUSH, HF_ERR_HTTP3_PUSH: not possible here. */
hf_err hf_web_push(hf_web *w, hf_exchange x, const hf_request_head *request, hf_exchange *promised);
bool hf_web_can_push(const hf_web *w);
/* RFC 9218: urgency 0 (first) to 7, 3 by default. Without effect in HTTP/1. */
void hf_web_prioritise(hf_web *w, hf_exchange x, unsigned urgency, bool incremental);
/* Holds the body of this request to `pace` from now on, in place of the limits body_idle_ns and body_rate. */
void hf_web_pace(hf_web *w, hf_exchange x, hf_pace pace);

/* ---- the connection ----------------------------------------------------------------------------------------- */

void hf_web_answer_sign(hf_web *w, hf_err err, hf_bytes signature);
void hf_web_answer_verify(hf_web *w, hf_err err);
/* Signs with the identity's own key and answers: for those who keep keys in the process. */
void hf_web_sign_here(hf_web *w, const hf_web_event *event);

/* Says `answer` (a whole response of HTTP/1) without reading on, and closes once the peer had time to hear it; `why` goes with
 * CLOSED. False, and nothing happened: this is not HTTP/1, or it is not the moment to say anything. For requests that
 * have not been told yet. */
bool hf_web_turn_away(hf_web *w, hf_time now, hf_bytes answer, hf_err why);
/* Finish what is under way, then close. */
void hf_web_drain(hf_web *w);
/* Close at once: nothing more is sent. */
void hf_web_abort(hf_web *w, hf_err why);

/* The fault of the HTTP core: of the last REFUSED, or of what ended the connection. Never NULL. */
const hf_fault *hf_web_fault(const hf_web *w);
/* The fault of TLS with its evidence; its err is HF_OK where there is none. Never NULL. */
const hf_tls_fault *hf_web_tls_fault(const hf_web *w);
bool hf_web_is_idle(const hf_web *w);
/* After CLOSED: the limits that had a part in it, beside the event's own reason: requests_per_connection, where it ended in
 * good order, and linger_ns. Returns how many. */
enum { HF_WEB_LIMITS = 2 };
size_t hf_web_limits(const hf_web *w, hf_err limits[HF_WEB_LIMITS]);
/* Bytes given to the pier that the peer has not taken, as far as can be seen. */
uint64_t hf_web_unsent(const hf_web *w);
/* Bytes handed to the pier so far (with TLS: before they were sealed). */
uint64_t hf_web_bytes_sent(const hf_web *w);
/* Bytes of the body of x that came behind its answer and were given to nobody: for the log. Where the connection closes
 * they are what came, framing and all. HTTP/1; else 0. */
uint64_t hf_web_swallowed(const hf_web *w, hf_exchange x);
/* HF_HTTP_1_1, HF_HTTP_2 or HF_HTTP_3; 0 while it is not chosen (TLS before OPENED). */
hf_version hf_web_version(const hf_web *w);

/* A file with a front (io/file.h) leaves with the head of the answer in one piece. */
bool hf_web_keeps_fronts(const hf_web *w);

/* What HTTP/3 stands on; NULL: it is another version. Lends until the connection is freed. */
hf_quic *hf_web_quic(const hf_web *w);

/* What protects the connection. Lends until the connection is freed. */
typedef struct hf_web_security {
    uint16_t version;   /* HF_TLS_1_2, HF_TLS_1_3 */
    const char *suite;  /* "TLS_AES_128_GCM_SHA256" */
    const char *group;  /* "x25519" */
    hf_bytes protocol;  /* ALPN, empty when none was agreed */
    hf_bytes host;      /* SNI, empty when none was sent */
    hf_bytes peer;      /* server: the subject of the client's certificate; empty when none was shown */
    bool resumed;
    int64_t handshake_ns;
} hf_web_security;

/* False: plain, or the handshake is not complete. */
bool hf_web_security_of(const hf_web *w, hf_web_security *security);

#endif
