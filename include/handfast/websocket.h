/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/websocket.h - WebSocket on the wire (RFC 6455) with permessage-deflate (RFC 7692), server and client.
 *
 * A pure core in the shape of pier.h: bytes in, events out; commands in, bytes out; time as an argument. It begins where
 * HTTP ends: behind 101 of HTTP/1.1, or inside an extended CONNECT of HTTP/2 and HTTP/3 (RFC 8441, RFC 9220); the bytes are
 * the same. The handshake's fields are made and judged by the functions at the end of this header.
 */
#ifndef HANDFAST_WEBSOCKET_H
#define HANDFAST_WEBSOCKET_H

#include "crypto.h"
#include "http.h"
#include "pier.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_websocket hf_websocket;

typedef enum hf_websocket_type { HF_WEBSOCKET_TEXT = 1, HF_WEBSOCKET_BINARY = 2 } hf_websocket_type;

typedef enum hf_websocket_event_kind {
    HF_WEBSOCKET_MESSAGE, /* a message, or with options.stream a piece of one: type, bytes, begins, ends */
    HF_WEBSOCKET_PING,    /* bytes: already answered with the same */
    HF_WEBSOCKET_PONG,    /* bytes */
    HF_WEBSOCKET_CLOSED   /* the last event: who, code, err, and bytes (the reason). The next step is HF_CLOSED or HF_FAULT */
} hf_websocket_event_kind;

typedef enum hf_websocket_who { HF_WEBSOCKET_WE, HF_WEBSOCKET_PEER } hf_websocket_who;

/* RFC 6455 7.4.1. 1005, 1006 and 1015 never leave: they say that there was no code. */
enum {
    HF_WEBSOCKET_NORMAL = 1000,
    HF_WEBSOCKET_GOING_AWAY = 1001,
    HF_WEBSOCKET_PROTOCOL_ERROR = 1002,
    HF_WEBSOCKET_UNSUPPORTED = 1003,
    HF_WEBSOCKET_NO_CODE = 1005,
    HF_WEBSOCKET_ABNORMAL = 1006,
    HF_WEBSOCKET_BAD_DATA = 1007,
    HF_WEBSOCKET_POLICY = 1008,
    HF_WEBSOCKET_TOO_BIG = 1009,
    HF_WEBSOCKET_INTERNAL = 1011,
    HF_WEBSOCKET_TRY_LATER = 1013
};

/* `bytes` is lent until the next step. It is UTF-8 in a TEXT message (across its pieces) and in a reason. */
typedef struct hf_websocket_event {
    hf_websocket_event_kind kind;
    hf_websocket_type type; /* MESSAGE */
    bool begins, ends;      /* MESSAGE: both true unless options.stream cut it */
    hf_websocket_who who;   /* CLOSED: whose Close came first, or who gave up */
    uint16_t code;          /* CLOSED: of that Close; NO_CODE or ABNORMAL where there was none */
    hf_err err;             /* CLOSED: HF_OK after a handshake in good order, else what went wrong */
    hf_bytes bytes;
} hf_websocket_event;

/* permessage-deflate: what we are ready for before the handshake, what was agreed after it. Windows are 8 to 15 bits; 0
 * means 15. A side that takes its context over keeps some 300 KB (compressing) and 40 KB (decompressing) while it is open. */
typedef struct hf_websocket_deflate {
    bool on;
    bool server_no_context_takeover, client_no_context_takeover;
    uint8_t server_window_bits, client_window_bits;
} hf_websocket_deflate;

/* All zero: no compression, whole messages, the limits of the environment. */
typedef struct hf_websocket_options {
    hf_websocket_deflate deflate; /* as agreed */
    bool stream;                  /* messages arrive in pieces, as the bytes do: nothing is gathered */
    uint64_t message_bytes;       /* the longest message taken; 0: limit websocket_message_bytes */
    int64_t ping_ns, pong_ns;     /* 0: limits websocket_ping_ns, websocket_pong_ns; negative: never */
    int64_t idle_ns;              /* 0: limit websocket_idle_ns; negative: never */
    uint32_t compress_from;       /* shorter messages leave uncompressed; 0: 64 bytes */
    uint32_t fragment_bytes;      /* longer messages leave in frames of this size; 0: in one */
    hf_crypto *crypto;            /* client: where masking keys come from (RFC 6455 5.3): must be given. Lent for life. Server: NULL */
} hf_websocket_options;

/* Lends `env` for life. `id` is the connection's, for the trace. `options` (may be NULL for a server) is copied. NULL when
 * memory runs out. Free with hf_websocket_free. */
HF_API hf_websocket *hf_websocket_server_new(const hf_env *env, uint64_t id, const hf_websocket_options *options, hf_time now);
HF_API hf_websocket *hf_websocket_client_new(const hf_env *env, uint64_t id, const hf_websocket_options *options, hf_time now);
HF_API void hf_websocket_free(hf_websocket *w);

/* What remains of a server's core on which nothing is under way: so a few cores serve many connections. */
typedef struct hf_websocket_rest {
    uint64_t offset;
    hf_time heard, spoken, refilled;
    uint32_t control_used;
} hf_websocket_rest;

/* True: *rest is what remains, and the core may carry another connection of the same environment next. False: something is
 * under way, or compression keeps a context; nothing changed. */
HF_API bool hf_websocket_pause(const hf_websocket *w, hf_websocket_rest *rest);
HF_API void hf_websocket_resume(hf_websocket *w, uint64_t id, const hf_websocket_options *options, const hf_websocket_rest *rest, hf_time now);
/* When it would have to be stepped. */
HF_API hf_time hf_websocket_rest_wake(const hf_env *env, const hf_websocket_options *options, const hf_websocket_rest *rest);

/* ---- below -------------------------------------------------------------------------------------------------- */

/* Eats bytes and time; yields at most one event. Payload is unmasked in place, and a message that came in one frame and
 * one piece is lent where it lies. HF_FULL: emit must first make room for answers to PING. HF_CLOSED: both sides have said
 * Close: emit the rest, then FIN. HF_FAULT: likewise, hf_websocket_fault says why. */
HF_API hf_step hf_websocket_step(hf_websocket *w, hf_time now, hf_in *in, hf_websocket_event *event);
/* Appends what must go out; returns the bytes appended. COPIED pieces lie in the core and stay until the next call. */
HF_API size_t hf_websocket_emit(hf_websocket *w, hf_time now, hf_out *out);
/* When to step although nothing arrived: heartbeat, its answer, idle and closing limits. */
HF_API hf_time hf_websocket_wake(const hf_websocket *w);

/* ---- above -------------------------------------------------------------------------------------------------- */

/* Sends a whole message, copied. TEXT must be UTF-8: that is the caller's to see to. While something waits to be emitted,
 * no more than websocket_output_bytes are held: then HF_ERR_BASE_LIMIT, and the message was not taken.
 * HF_ERR_BASE_USAGE: after close, or within begin and finish. */
HF_API hf_err hf_websocket_send(hf_websocket *w, hf_websocket_type type, hf_bytes message);
/* Likewise without a copy where that is possible (a server, uncompressed): `message` stays the caller's until `token`
 * leaves through emit on a LENT piece. On an error the token was not taken. */
HF_API hf_err hf_websocket_send_lent(hf_websocket *w, hf_websocket_type type, hf_bytes message, uint64_t token);
/* A message in pieces, each a frame of its own: begin, put as often as there is something, finish. */
HF_API hf_err hf_websocket_begin(hf_websocket *w, hf_websocket_type type);
HF_API hf_err hf_websocket_put(hf_websocket *w, hf_bytes piece);
HF_API hf_err hf_websocket_finish(hf_websocket *w);
/* `bytes` has at most 125 bytes: HF_ERR_BASE_USAGE. */
HF_API hf_err hf_websocket_ping(hf_websocket *w, hf_bytes bytes);
/* Begins the closing handshake. `code` is one that may leave, or NO_CODE (then without a reason); `reason` is UTF-8 of at
 * most 123 bytes: else HF_ERR_BASE_USAGE. Messages that still arrive are thrown away. CLOSED follows in any case. */
HF_API hf_err hf_websocket_close(hf_websocket *w, uint16_t code, hf_bytes reason);

/* Copied bytes that wait to be emitted. */
HF_API uint64_t hf_websocket_unsent(const hf_websocket *w);
/* The fault after HF_FAULT. Never NULL. Lends until free. */
HF_API const hf_fault *hf_websocket_fault(const hf_websocket *w);

/* ---- one message to many ------------------------------------------------------------------------------------ */

/* A server's message as frames, made once and sent to many. `deflated`: compressed by itself, for connections that say
 * HF_WEBSOCKET_SHARED_DEFLATED. */
typedef struct hf_websocket_shared {
    uint8_t *ptr;
    size_t len, capacity;
} hf_websocket_shared;

typedef enum hf_websocket_sharing { HF_WEBSOCKET_SHARED_NOT, HF_WEBSOCKET_SHARED_PLAIN, HF_WEBSOCKET_SHARED_DEFLATED } hf_websocket_sharing;

/* Gives *shared; hf_websocket_shared_free frees it. HF_ERR_BASE_MEMORY. */
HF_API hf_err hf_websocket_share(const hf_env *env, hf_websocket_type type, hf_bytes message, bool deflated, hf_websocket_shared *shared);
HF_API void hf_websocket_shared_free(const hf_env *env, hf_websocket_shared *shared);
/* Which form this connection takes. Plain ones it takes always, unless it is a client or within begin and finish. */
HF_API hf_websocket_sharing hf_websocket_shares(const hf_websocket *w);
/* Sends them: copied (token 0) or lent until `token` leaves through emit. Errors as of hf_websocket_send. */
HF_API hf_err hf_websocket_send_shared(hf_websocket *w, const hf_websocket_shared *shared, uint64_t token);

/* ---- the handshake ------------------------------------------------------------------------------------------ */

/* Does this request ask for a WebSocket: Upgrade in HTTP/1.1, :protocol in HTTP/2 and 3? */
HF_API bool hf_websocket_is_offered(const hf_request_head *head);
/* Server: is the offer good? HF_ERR_WEBSOCKET_HANDSHAKE (400), HF_ERR_WEBSOCKET_VERSION (426: answer with
 * Sec-WebSocket-Version: 13). */
HF_API hf_err hf_websocket_offer_check(const hf_request_head *head);
/* The first of the client's subprotocols that is among ours; empty: none. Lends from `ours`. */
HF_API hf_bytes hf_websocket_protocol_choose(hf_fields fields, const hf_bytes *ours, size_t count);
/* The first offer of permessage-deflate that fits what we are ready for; agreed->on says whether there was one. */
HF_API void hf_websocket_deflate_choose(hf_fields fields, const hf_websocket_deflate *ready, hf_websocket_deflate *agreed);

/* The fields of an answer or a request, with the text they lie in. Address-stable: filled in place. */
typedef struct hf_websocket_handshake {
    hf_field fields[6];
    size_t count;
    uint16_t status; /* answer: 101, or 200 over HTTP/2 and 3 */
    uint8_t key[24]; /* request over HTTP/1.1: Sec-WebSocket-Key */
    uint8_t text[192];
} hf_websocket_handshake;

/* Server: the answer that accepts `head`, which offer_check found good. Lends `protocol`. HF_ERR_BASE_MEMORY. */
HF_API hf_err hf_websocket_answer_make(hf_crypto *crypto, const hf_request_head *head, hf_bytes protocol,
                                       const hf_websocket_deflate *agreed, hf_websocket_handshake *answer);
/* Client: the fields of a request (for HTTP/1.1 besides `upgrade` "websocket" in the head). Lends `protocols`: a list with
 * commas, or empty. HF_ERR_WEBSOCKET_ENTROPY. */
HF_API hf_err hf_websocket_request_make(hf_crypto *crypto, hf_version version, hf_bytes protocols, const hf_websocket_deflate *ready,
                                        hf_websocket_handshake *request);
/* Client: judges the answer: HF_ERR_WEBSOCKET_ANSWER, _EXTENSION or _PROTOCOL. *protocol lends from the answer. */
HF_API hf_err hf_websocket_answer_check(hf_crypto *crypto, const hf_websocket_handshake *request, hf_version version, hf_bytes protocols,
                                        const hf_websocket_deflate *ready, const hf_response_head *answer, hf_bytes *protocol,
                                        hf_websocket_deflate *agreed);

#ifdef __cplusplus
}
#endif
#endif
