/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/http3.h - HTTP/3 on the wire (RFC 9114, QPACK RFC 9204, priorities RFC 9218, extended CONNECT RFC 9220),
 * server and client.
 *
 * A pure core in the shape of pier.h, but for one thing: it stands on many lanes, those of quic.h. Whoever stands it
 * there hands it what a lane brought (hf_http3_step) and how it ended (hf_http3_lane_ended), and asks it which lane has
 * something to say (hf_http3_next, hf_http3_emit). It names lanes by their QUIC stream ids and opens none itself.
 *
 *   - after the handshake, three one-way lanes of our own are opened and given to hf_http3_begin
 *   - each lane that the peer opens is told with hf_http3_lane_opened, before its bytes
 *   - bytes that step did not use stay in the lane and come again, with more behind them: so windows follow what the
 *     application takes, and nothing is copied. A lane must be able to hold limit header_bytes and 16 more
 *   - after steps and commands: hf_http3_next until it is false
 *
 * A lane is an exchange: a request and its answer.
 */
#ifndef HANDFAST_HTTP3_H
#define HANDFAST_HTTP3_H

#include "http.h"
#include "pier.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_http3 hf_http3;

/* No lane: the connection as a whole. */
#define HF_HTTP3_NO_LANE UINT64_MAX

/* RFC 9114 8.1, RFC 9204 6 */
typedef enum hf_http3_code {
    HF_HTTP3_DATAGRAM_ERROR = 0x33, /* RFC 9297 5.2 */
    HF_HTTP3_NO_ERROR = 0x100,
    HF_HTTP3_GENERAL_PROTOCOL_ERROR = 0x101,
    HF_HTTP3_INTERNAL_ERROR = 0x102,
    HF_HTTP3_STREAM_CREATION_ERROR = 0x103,
    HF_HTTP3_CLOSED_CRITICAL_STREAM = 0x104,
    HF_HTTP3_FRAME_UNEXPECTED = 0x105,
    HF_HTTP3_FRAME_ERROR = 0x106,
    HF_HTTP3_EXCESSIVE_LOAD = 0x107,
    HF_HTTP3_ID_ERROR = 0x108,
    HF_HTTP3_SETTINGS_ERROR = 0x109,
    HF_HTTP3_MISSING_SETTINGS = 0x10a,
    HF_HTTP3_REQUEST_REJECTED = 0x10b,
    HF_HTTP3_REQUEST_CANCELLED = 0x10c,
    HF_HTTP3_REQUEST_INCOMPLETE = 0x10d,
    HF_HTTP3_MESSAGE_ERROR = 0x10e,
    HF_HTTP3_CONNECT_ERROR = 0x10f,
    HF_HTTP3_VERSION_FALLBACK = 0x110,
    HF_HTTP3_QPACK_DECOMPRESSION_FAILED = 0x200,
    HF_HTTP3_QPACK_ENCODER_STREAM_ERROR = 0x201,
    HF_HTTP3_QPACK_DECODER_STREAM_ERROR = 0x202
} hf_http3_code;

typedef enum hf_http3_event_kind {
    HF_HTTP3_REQUEST,  /* server: a head arrived: event.request. Answer the lane with respond, put and end. A method whose
                          content has no meaning (GET) comes with HF_LENGTH_NONE unless it declares a length; should
                          content follow all the same, the request is REFUSED */
    HF_HTTP3_RESPONSE, /* client: a head arrived: event.response. 1xx arrive so too, before the final one. On the lane of a
                          push, event.push is its number */
    HF_HTTP3_BODY,     /* event.body: all that the lane has and the application has not taken. hf_http3_take what was
                          consumed, then step the lane again */
    HF_HTTP3_TRAILERS, /* event.trailers */
    HF_HTTP3_END,      /* the message that was arriving is complete */
    HF_HTTP3_RESET,    /* the exchange is gone before its end: event.err says why, event.code what was said. The lane means
                          nothing any more; the tokens of what was put leave with the next emit */
    HF_HTTP3_REFUSED,  /* server: a request is too large or too slow: event.err and its status. It may be answered with
                          respond and end. Where no REQUEST came before, none will */
    HF_HTTP3_WRITABLE, /* put took less than offered, and would take more now */
    HF_HTTP3_READABLE, /* what step left in the lane can be read now: step it */
    HF_HTTP3_PUSHED,   /* client: the answer on `lane` brings another: event.request, as push number event.push. RESPONSE
                          comes on a lane that the server opens, which names that number */
    HF_HTTP3_UNPUSHED, /* client: push number event.push will not come */
    HF_HTTP3_GOAWAY,   /* the peer takes no more requests: open ones go on, those it will not act upon come as RESET */
    HF_HTTP3_READY     /* the peer's SETTINGS are there */
} hf_http3_event_kind;

/* Everything an event points to is lent until the next step. */
typedef struct hf_http3_event {
    hf_http3_event_kind kind;
    hf_lane lane;
    uint64_t push;             /* PUSHED, UNPUSHED, RESPONSE on a push */
    hf_request_head request;   /* REQUEST, PUSHED. An extended CONNECT's :protocol is request.upgrade. REFUSED: method_name, target,
                                  path and query of a head that was refused, as far as they came and unchecked: for a log */
    hf_response_head response; /* RESPONSE */
    hf_bytes body;             /* BODY: in the input */
    hf_fields trailers;        /* TRAILERS */
    uint64_t code;             /* RESET: an hf_http3_code, or whatever the peer said */
    hf_err err;                /* RESET, REFUSED, GOAWAY */
} hf_http3_event;

/* What a connection may do; all zero is the secure default. */
typedef struct hf_http3_options {
    bool connect_protocol; /* server: takes extended CONNECT (RFC 9220). Without it :protocol is refused */
    bool never_block;      /* what we say refers only to table entries of which the peer has told that it has them: then the loss
                              of a packet holds up no message but its own, for a few bytes more (RFC 9204 2.1.2) */
    bool push;             /* server: hf_http3_push works where the client allows it. client: allows it */
} hf_http3_options;

/* Lends `env` for life. `id` is the connection's, for the trace. `options` (may be NULL) is copied. NULL when memory
 * runs out. Free with hf_http3_free. */
HF_API hf_http3 *hf_http3_server_new(const hf_env *env, uint64_t id, hf_time now, const hf_http3_options *options);
HF_API hf_http3 *hf_http3_client_new(const hf_env *env, uint64_t id, hf_time now, const hf_http3_options *options);
HF_API void hf_http3_free(hf_http3 *h);
/* A number for the SETTINGS of a server: RFC 9114 7.2.4.2 lets 0-RTT be taken only while they are what the client remembers. */
HF_API uint64_t hf_http3_settings_number(const hf_limits *limits, const hf_http3_options *options);

/* ---- below: what arrives ------------------------------------------------------------------------------------- */

/* Three one-way lanes that were opened for us. Once. */
HF_API void hf_http3_begin(hf_http3 *h, hf_lane control, hf_lane encoder, hf_lane decoder);
/* The peer opened the lane. Lanes that were not told so are eaten in silence. */
HF_API void hf_http3_lane_opened(hf_http3 *h, hf_time now, hf_lane lane);
/* Eats bytes of one lane (in->fin: the peer ended it behind them) and time; yields at most one event, of any lane. With
 * HF_HTTP3_NO_LANE and an empty input: time alone. HF_FULL: take the body first, or emit. HF_IDLE: nothing more of this
 * lane for now. HF_CLOSED and HF_FAULT: close the QUIC connection with hf_http3_close_code once HF_CLOSED's last words
 * (hf_http3_next) are out; of HF_FAULT nothing need leave. */
HF_API hf_step hf_http3_step(hf_http3 *h, hf_time now, hf_lane lane, hf_in *in, hf_http3_event *event);
/* The peer gave its direction up (HF_ENDING_RESET), or wants no more of ours (HF_ENDING_STOP). FIN comes with step. */
HF_API void hf_http3_lane_ended(hf_http3 *h, hf_time now, hf_lane lane, hf_ending ending);
/* When to step although nothing arrived. HF_NEVER where no limit runs. */
HF_API hf_time hf_http3_wake(const hf_http3 *h);

/* ---- below: what leaves -------------------------------------------------------------------------------------- */

typedef struct hf_http3_turn {
    hf_lane lane;
    bool aborts;          /* just end the lane with `ending` (RESET: our direction, STOP: the peer's). Else: emit */
    hf_ending ending;
    uint8_t urgency;      /* RFC 9218, of the lane: for who schedules packets */
    bool incremental;
} hf_http3_turn;

/* The next lane that has something to say, in the order in which it should: the connection's own, then by urgency.
 * False: none, but for those on hold. An abort is told once. HF_HTTP3_NO_LANE: tokens come back: emit, and release
 * them. */
HF_API bool hf_http3_next(hf_http3 *h, hf_time now, hf_http3_turn *turn);
/* Appends what leaves on the lane; returns the bytes appended. *fin: end the lane behind them. Pieces without bytes
 * bring tokens back. `out` should have room for two pieces and 64 bytes of scratch at least. */
HF_API size_t hf_http3_emit(hf_http3 *h, hf_time now, hf_lane lane, hf_out *out, bool *fin);
/* The lane takes no more bytes for now (or does again): next passes it over. */
HF_API void hf_http3_hold(hf_http3 *h, hf_time now, hf_lane lane, bool held);

/* ---- above --------------------------------------------------------------------------------------------------- */

/* The first `n` bytes of the body that BODY lent were consumed: the lane's next step begins with telling so in
 * in->used. */
HF_API void hf_http3_take(hf_http3 *h, hf_lane lane, size_t n);
/* Of the bytes that the lane holds now (as they would be given to step), those that are body and not taken. */
HF_API hf_bytes hf_http3_body(const hf_http3 *h, hf_lane lane, hf_bytes held);

/* Server: answers the lane. `head` is copied. A 1xx status is interim: the final answer is still owed. content_length
 * is written when it is a number; then put exactly that much. To HEAD, and with 204 and 304, no body leaves whatever
 * is put. Errors: HF_ERR_HTTP3_NO_STREAM, HF_ERR_HTTP3_BAD_HEAD, HF_ERR_BASE_MEMORY. */
HF_API hf_err hf_http3_respond(hf_http3 *h, hf_lane lane, const hf_response_head *head);
/* Client: may a request be made now? Ask before a lane is opened for it. HF_ERR_HTTP3_NOT_PROCESSED: the server or we
 * said GOAWAY. HF_ERR_HTTP3_BAD_HEAD: this request must not leave (`head` may be NULL). */
HF_API hf_err hf_http3_may_request(const hf_http3 *h, const hf_request_head *head);
/* Client: makes a request on `lane`, which was opened for it. `head` is copied: method_name (or method), scheme
 * ("https" when empty), authority, target (or path), fields, content_length are used; `upgrade` with CONNECT makes it
 * an extended one, for which READY must have come. Then put and end. */
HF_API hf_err hf_http3_request(hf_http3 *h, hf_lane lane, const hf_request_head *head);
/* Body bytes of the message being sent. Returns the bytes accepted, in order; less than offered is back-pressure (a
 * WRITABLE follows). An extent with a token is accepted whole or not at all. HF_ERR_HTTP3_NO_STREAM: the lane is gone
 * or must not send. More than the declared length is refused with HF_ERR_HTTP3_BODY_LENGTH. `err` may be NULL. */
HF_API uint64_t hf_http3_put(hf_http3 *h, hf_lane lane, const hf_extent *extents, size_t count, hf_err *err);
/* The message being sent is complete; `trailers` (may be empty) are copied. HF_ENDING_RESET gives the lane up with
 * ending.code; so does ending with less than the declared length. */
HF_API hf_err hf_http3_end(hf_http3 *h, hf_lane lane, hf_ending ending, hf_fields trailers);
/* Room for body bytes that put would accept now. */
HF_API uint64_t hf_http3_room(const hf_http3 *h, hf_lane lane);

/* Server: promises `request` (GET or HEAD) beside the open lane, and answers it on `promised`, a one-way lane that was
 * opened for it: respond, put and end as if it had been asked for. Before a body of declared length is put.
 * HF_ERR_HTTP3_PUSH: the client does not allow it, or it was pushed before: then just do not. */
HF_API hf_err hf_http3_push(hf_http3 *h, hf_lane lane, const hf_request_head *request, hf_lane promised);
/* Would push be allowed now? Ask before a lane is opened for it. */
HF_API bool hf_http3_can_push(const hf_http3 *h);
/* Client: push number `push` is not wanted (RFC 9114 7.2.3). */
HF_API void hf_http3_cancel_push(hf_http3 *h, uint64_t push);

/* RFC 9218: urgency 0 (first) to 7, 3 by default. Server: overrides what the client asked for. Client: tells the
 * server. Unknown lanes are ignored. */
HF_API void hf_http3_prioritise(hf_http3 *h, hf_lane lane, unsigned urgency, bool incremental);
/* Server: holds the body of this request to `pace` in place of the limits body_idle_ns and body_rate. Unknown lanes are ignored. */
HF_API void hf_http3_pace(hf_http3 *h, hf_lane lane, hf_pace pace);
/* Finish what is under way, then close. A server says GOAWAY twice, `wait_ns` (a round trip or more) apart, so that no
 * request in flight is lost (RFC 9114 5.2). */
HF_API void hf_http3_drain(hf_http3 *h, hf_time now, int64_t wait_ns);

/* No exchange is open and nothing waits to leave. */
HF_API bool hf_http3_is_idle(const hf_http3 *h);
/* Exchanges open now. */
HF_API size_t hf_http3_open_lanes(const hf_http3 *h);
/* With which code to close the QUIC connection. */
HF_API uint64_t hf_http3_close_code(const hf_http3 *h);
/* Server: as many requests came as one connection may carry (limit requests_per_connection): it closes behind them. */
HF_API bool hf_http3_is_worn(const hf_http3 *h);
/* The last refusal of REFUSED, or the fault of HF_FAULT; `offset` counts in the lane's bytes. Never NULL. Lends until
 * the next step. */
HF_API const hf_fault *hf_http3_fault(const hf_http3 *h);

#ifdef __cplusplus
}
#endif
#endif
