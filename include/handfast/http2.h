/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/http2.h - HTTP/2 on the wire (RFC 9113, HPACK RFC 7541, priorities RFC 9218, extended CONNECT RFC 8441, ORIGIN
 * RFC 8336, push RFC 7540 8.2), server and client.
 *
 * A pure core in the shape of pier.h: bytes in, events out; commands in, bytes out; time as an argument. It stands on
 * lane 0 of any pier and carries many streams: each is one exchange, named by its number in events and commands.
 * Emit interleaves what the streams have to say: by urgency first (RFC 9218), fairly within one, and no stream waits for
 * ever behind a large one.
 */
#ifndef HANDFAST_HTTP2_H
#define HANDFAST_HTTP2_H

#include "http.h"
#include "pier.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_http2 hf_http2;

/* A stream's number; 0 is the connection. */
typedef uint32_t hf_http2_stream;

/* RFC 9113 7 */
typedef enum hf_http2_code {
    HF_HTTP2_NO_ERROR = 0,
    HF_HTTP2_PROTOCOL_ERROR = 1,
    HF_HTTP2_INTERNAL_ERROR = 2,
    HF_HTTP2_FLOW_CONTROL_ERROR = 3,
    HF_HTTP2_SETTINGS_TIMEOUT = 4,
    HF_HTTP2_STREAM_CLOSED = 5,
    HF_HTTP2_FRAME_SIZE_ERROR = 6,
    HF_HTTP2_REFUSED_STREAM = 7,
    HF_HTTP2_CANCEL = 8,
    HF_HTTP2_COMPRESSION_ERROR = 9,
    HF_HTTP2_CONNECT_ERROR = 10,
    HF_HTTP2_ENHANCE_YOUR_CALM = 11,
    HF_HTTP2_INADEQUATE_SECURITY = 12,
    HF_HTTP2_HTTP_1_1_REQUIRED = 13
} hf_http2_code;

typedef enum hf_http2_event_kind {
    HF_HTTP2_REQUEST,  /* server: a head arrived: event.request. Answer the stream with respond and end */
    HF_HTTP2_RESPONSE, /* client: a head arrived: event.response. 1xx arrive so too, before the final one */
    HF_HTTP2_BODY,     /* event.body: all that the stream has not taken. Take what was consumed; see hf_http2_take */
    HF_HTTP2_TRAILERS, /* event.trailers */
    HF_HTTP2_END,      /* the stream's message that was arriving is complete */
    HF_HTTP2_RESET,    /* the stream is gone in mid-exchange: event.err says why, event.code what was said. Its number
                          means nothing any more; the tokens of what was put leave with the next emit */
    HF_HTTP2_REFUSED,  /* server: a request is too large or too slow: event.err and its status. It may be answered with
                          respond and end. Where no REQUEST came before, none will */
    HF_HTTP2_WRITABLE, /* put took less than offered, and would take more now. Stream 0, client: request would */
    HF_HTTP2_PUSHED,   /* client: the answer to `stream` brings another: event.request on event.promised */
    HF_HTTP2_GOAWAY,   /* the peer takes no more streams (event.code): open ones go on, those it will not act upon come
                          as RESET */
    HF_HTTP2_PONG,     /* the answer to hf_http2_ping */
    HF_HTTP2_ORIGINS,  /* client: the server is authoritative for those in event.body (RFC 8336): each is two bytes of
                          length, then an origin such as https://example.com */
    HF_HTTP2_READY     /* client: the server's first SETTINGS are there */
} hf_http2_event_kind;

/* Everything an event points to is lent until the next step. */
typedef struct hf_http2_event {
    hf_http2_event_kind kind;
    hf_http2_stream stream;
    hf_http2_stream promised;  /* PUSHED */
    hf_request_head request;   /* REQUEST, PUSHED. An extended CONNECT's :protocol is request.upgrade. REFUSED: method_name, target,
                                  path and query of a head that was refused, as far as they came and unchecked: for a log */
    hf_response_head response; /* RESPONSE */
    hf_bytes body;             /* BODY, ORIGINS */
    hf_fields trailers;        /* TRAILERS */
    hf_http2_code code;        /* RESET, GOAWAY */
    hf_err err;                /* RESET, REFUSED, GOAWAY */
} hf_http2_event;

/* What a connection may do; all zero is the secure default. */
typedef struct hf_http2_options {
    bool connect_protocol; /* server: takes extended CONNECT (RFC 8441). Without it :protocol is refused */
    bool push;             /* server: hf_http2_push works where the client allows it. client: allows it */
} hf_http2_options;

/* Lends `env` for life. `id` is the connection's, for the trace. `options` (may be NULL) is copied. NULL when memory runs
 * out. Free with hf_http2_free. */
HF_API hf_http2 *hf_http2_server_new(const hf_env *env, uint64_t id, hf_time now, const hf_http2_options *options);
HF_API hf_http2 *hf_http2_client_new(const hf_env *env, uint64_t id, hf_time now, const hf_http2_options *options);
HF_API void hf_http2_free(hf_http2 *h);

/* ---- below -------------------------------------------------------------------------------------------------- */

/* Eats bytes and time; yields at most one event. Frames are eaten whole, but for DATA, whose bytes are handed on as they
 * come. HF_FULL: emit first. HF_CLOSED: the last stream is over and what emit has left may go. HF_FAULT: likewise; the
 * GOAWAY that says why waits in emit. */
HF_API hf_step hf_http2_step(hf_http2 *h, hf_time now, hf_in *in, hf_http2_event *event);
/* Appends what must go out; returns the bytes appended, 0 when there is nothing to say or the peer's windows are closed.
 * Step again after an emit that appended something: it may owe a WRITABLE. Pieces without bytes bring tokens back.
 * `out` should have room for two pieces, 64 bytes of scratch and 64 bytes at least. */
HF_API size_t hf_http2_emit(hf_http2 *h, hf_time now, hf_out *out);
/* When to step although nothing arrived. HF_NEVER where no limit runs. */
HF_API hf_time hf_http2_wake(const hf_http2 *h);

/* ---- above -------------------------------------------------------------------------------------------------- */

/* The first `n` bytes of what the stream holds were consumed: the peer's windows open by as much. What a BODY event lent
 * and nobody took by the next step is copied (the windows bound how much that can be), comes again with a BODY event
 * after a take that left some, or together with the next bytes, and can be looked at with peek in between. */
HF_API void hf_http2_take(hf_http2 *h, hf_http2_stream stream, size_t n);
/* Lends until the next step or take. */
HF_API hf_bytes hf_http2_peek(const hf_http2 *h, hf_http2_stream stream);

/* Server: answers the stream. `head` is copied. A 1xx status is interim (103 Early Hints, 100): the final answer is still
 * owed. content_length is written when it is a number; then put exactly that much. To HEAD, and with 204 and 304, no body
 * leaves whatever is put.
 * Errors: HF_ERR_HTTP2_NO_STREAM (nothing to answer, or answered already), HF_ERR_HTTP2_BAD_HEAD, HF_ERR_BASE_MEMORY. */
HF_API hf_err hf_http2_respond(hf_http2 *h, hf_http2_stream stream, const hf_response_head *head);
/* hf_http2_respond, and where it can be done at once, what follows for an answer that needs nothing more: put of `body`, all of
 * it, which is copied, and the end. Then *whole; else put and end are still to be said. */
HF_API hf_err hf_http2_answer(hf_http2 *h, hf_http2_stream stream, const hf_response_head *head, hf_bytes body, bool *whole);

/* Client: opens a stream with a request. `head` is copied: method_name (or method), scheme ("https" when empty),
 * authority, target (or path), fields, content_length are used; `upgrade` with CONNECT makes it an extended one. Then put
 * and end. HF_ERR_BASE_LIMIT: as many streams are open as the server allows (a WRITABLE with stream 0 says when one
 * ended). HF_ERR_HTTP2_NOT_PROCESSED: the server or we said GOAWAY. */
HF_API hf_err hf_http2_request(hf_http2 *h, const hf_request_head *head, hf_http2_stream *stream);

/* Body bytes of the message being sent. Returns the bytes accepted, in order; less than offered is back-pressure (a
 * WRITABLE follows). An extent with a token is accepted whole or not at all. HF_ERR_HTTP2_NO_STREAM: the stream is gone
 * or must not send. More than the declared length is refused with HF_ERR_HTTP2_BODY_LENGTH. `err` may be NULL. */
HF_API uint64_t hf_http2_put(hf_http2 *h, hf_http2_stream stream, const hf_extent *extents, size_t count, hf_err *err);
/* The message being sent is complete; `trailers` (may be empty) are copied. HF_ENDING_RESET gives the stream up with
 * ending.code; so does ending with less than the declared length. After that, or once both sides have ended, the number
 * means nothing any more. */
HF_API hf_err hf_http2_end(hf_http2 *h, hf_http2_stream stream, hf_ending ending, hf_fields trailers);
/* Room for body bytes that put would accept now. */
HF_API uint64_t hf_http2_room(const hf_http2 *h, hf_http2_stream stream);

/* Server: promises `request` (a safe method, without a body) beside the open stream, and opens *promised for its answer:
 * respond, put and end as if it had been asked for. HF_ERR_HTTP2_PUSH: the client does not allow it, or the limit
 * http2_pushes is reached, or this target was pushed on this connection before: then just do not. */
HF_API hf_err hf_http2_push(hf_http2 *h, hf_http2_stream stream, const hf_request_head *request, hf_http2_stream *promised);
/* Would push be allowed now? */
HF_API bool hf_http2_can_push(const hf_http2 *h);

/* RFC 9218: urgency 0 (first) to 7, 3 by default. Server: overrides what the client asked for. Client: tells the server.
 * Unknown streams are ignored. */
HF_API void hf_http2_prioritise(hf_http2 *h, hf_http2_stream stream, unsigned urgency, bool incremental);
/* Server: holds the body of this request to `pace` in place of the limits body_idle_ns and body_rate. Unknown streams are ignored. */
HF_API void hf_http2_pace(hf_http2 *h, hf_http2_stream stream, hf_pace pace);
/* One PING; PONG comes back. HF_ERR_BASE_LIMIT while one is on its way. */
HF_API hf_err hf_http2_ping(hf_http2 *h);
/* Server: names origins that this connection is authoritative for (RFC 8336). HF_ERR_BASE_LIMIT: more than a frame. */
HF_API hf_err hf_http2_origins(hf_http2 *h, const hf_bytes *origins, size_t count);
/* Finish what is under way, then close. A server says GOAWAY twice, a round trip apart, so that no request in flight is
 * lost (RFC 9113 6.8). */
HF_API void hf_http2_drain(hf_http2 *h);

/* No stream is open and nothing waits to be emitted. */
HF_API bool hf_http2_is_idle(const hf_http2 *h);
/* The smallest round trip seen, 0 when none. */
HF_API int64_t hf_http2_round_trip_ns(const hf_http2 *h);
/* Streams open now. */
HF_API size_t hf_http2_open_streams(const hf_http2 *h);
/* Server: as many requests came as one connection may carry (limit requests_per_connection): it closes behind them. */
HF_API bool hf_http2_is_worn(const hf_http2 *h);
/* The last refusal of REFUSED, or the fault of HF_FAULT. Never NULL. Lends until the next step. */
HF_API const hf_fault *hf_http2_fault(const hf_http2 *h);

#ifdef __cplusplus
}
#endif
#endif
