/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/http1.h - HTTP/1.1 and HTTP/1.0 on the wire (RFC 9112, RFC 1945), server and client.
 *
 * A pure core in the shape of pier.h: bytes in, events out; commands in, bytes out; time as an argument. It stands on
 * lane 0 of any pier. One exchange at a time is open: the head of a pipelined request is not read before the answer to
 * the one before it has been ended (step answers HF_FULL), so answers leave in order and many share one send.
 */
#ifndef HANDFAST_HTTP1_H
#define HANDFAST_HTTP1_H

#include "http.h"
#include "pier.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_http1 hf_http1;

typedef enum hf_http1_event_kind {
    HF_HTTP1_REQUEST,  /* server: a head arrived: event.request. Answer it with respond */
    HF_HTTP1_RESPONSE, /* client: a head arrived: event.response. 1xx arrive so too, before the final one */
    HF_HTTP1_BODY,     /* event.body: take it before the next step */
    HF_HTTP1_TRAILERS, /* event.trailers, of a chunked body */
    HF_HTTP1_END,      /* the message that was arriving is complete */
    HF_HTTP1_UPGRADED, /* after 101 (or 2xx to CONNECT): what follows is no HTTP; unread input stays the caller's */
    HF_HTTP1_REFUSED   /* server: the request broke a rule: hf_http1_fault says which. It may still be answered with
                          respond, after which the connection closes; where nobody does, it just closes. The next step
                          is HF_FAULT */
} hf_http1_event_kind;

/* What must be remembered of a server's connection between two messages. All zero but `since` and `first`: a new one. */
typedef struct hf_http1_rest {
    uint64_t offset; /* in the stream, of what comes next */
    hf_time since;   /* quiet since then */
    uint32_t requests;
    bool first;      /* nothing has come yet */
} hf_http1_rest;

/* Everything an event points to is lent until the next step. */
typedef struct hf_http1_event {
    hf_http1_event_kind kind;
    hf_request_head request;   /* REQUEST. REFUSED: method_name, target, path, query and version of a head that was refused, as
                                  far as they came and unchecked: for a log. All zero where a body was */
    bool whole;                /* REQUEST: nothing follows the head, and no END is told (hf_http1_merge_ends) */
    hf_response_head response; /* RESPONSE */
    hf_bytes body;             /* BODY */
    hf_fields trailers;        /* TRAILERS */
} hf_http1_event;

/* Lends `env` for life. `id` is the connection's, for the trace. NULL when memory runs out. Free with hf_http1_free. */
HF_API hf_http1 *hf_http1_server_new(const hf_env *env, uint64_t id, hf_time now);
HF_API hf_http1 *hf_http1_client_new(const hf_env *env, uint64_t id, hf_time now);
HF_API void hf_http1_free(hf_http1 *h);

/* Behind an upgrade: gives back what only messages need. False: there is output that has not left. */
HF_API bool hf_http1_slim(hf_http1 *h);
/* Server, behind an upgrade, for who keeps cores in reserve: the core has nothing to say, and carries another connection of the same
 * environment next (hf_http1_resume, or this one's way back). True: *rest is what remains. False: it is not so, and nothing changed. */
HF_API bool hf_http1_leave_tunnel(hf_http1 *h, hf_http1_rest *rest);
HF_API void hf_http1_enter_tunnel(hf_http1 *h, uint64_t id, const hf_http1_rest *rest);
/* Server: frees a core that is quiet between messages, has given back its memory already (at `wake`) and is not draining.
 * True: *rest is what remains, and hf_http1_server_wake makes the same core of it. False: it is not so, and nothing changed. */
HF_API bool hf_http1_sleep(hf_http1 *h, hf_http1_rest *rest);
HF_API hf_http1 *hf_http1_server_wake(const hf_env *env, uint64_t id, const hf_http1_rest *rest, hf_time now);
/* The same two without the allocator, for who keeps cores in reserve: the core stays, with the memory that it has, and carries
 * another connection of the same environment next. */
HF_API bool hf_http1_pause(const hf_http1 *h, hf_http1_rest *rest);
HF_API void hf_http1_resume(hf_http1 *h, uint64_t id, const hf_http1_rest *rest, hf_time now);
/* When a sleeping core would have to be stepped. */
HF_API hf_time hf_http1_rest_wake(const hf_env *env, const hf_http1_rest *rest);

/* ---- below -------------------------------------------------------------------------------------------------- */

/* Eats bytes and time; yields at most one event. A head is eaten whole: until it is there, `in->need` asks for more.
 * HF_FULL: a body was not taken, or the answer under way must be ended first. HF_CLOSED: the last exchange is over and
 * what emit has left may go. */
HF_API hf_step hf_http1_step(hf_http1 *h, hf_time now, hf_in *in, hf_http1_event *event);
/* Appends what must go out; returns the bytes appended, 0 when there is nothing to say. */
HF_API size_t hf_http1_emit(hf_http1 *h, hf_time now, hf_out *out);
/* When to step although nothing arrived: head, body and idle limits. HF_NEVER where none applies. */
HF_API hf_time hf_http1_wake(const hf_http1 *h);

/* ---- above -------------------------------------------------------------------------------------------------- */

/* The first `n` bytes of the last BODY event were consumed; what was not taken comes again. */
HF_API void hf_http1_take(hf_http1 *h, size_t n);

/* Server: holds the body of the open request to this in place of the limits body_idle_ns and body_rate: for whoever knows by now
 * whose the request is. */
HF_API void hf_http1_pace(hf_http1 *h, hf_pace pace);

/* Server: answers the open request. `head` is copied. A 1xx status is interim: the final answer is still owed.
 * content_length decides the framing: a number (then put exactly that much), NONE, or UNKNOWN (chunked for HTTP/1.1,
 * until close for HTTP/1.0). To HEAD, and with 204 and 304, no body leaves whatever is put.
 * Errors: HF_ERR_HTTP1_NO_EXCHANGE (nothing to answer, or answered already), HF_ERR_HTTP1_BAD_HEAD (a field with a
 * control byte, or a framing field), HF_ERR_BASE_MEMORY. */
HF_API hf_err hf_http1_respond(hf_http1 *h, const hf_response_head *head);

/* respond, and where the answer needs nothing more (no body leaves, or `body` is all of it and there is room) put of `body`, which
 * is copied, and end: then *whole. */
HF_API hf_err hf_http1_answer(hf_http1 *h, const hf_response_head *head, hf_bytes body, bool *whole);

/* Client: sends a request. `head` is copied: method_name (or method), target, fields, content_length are used. The
 * caller gives Host among the fields. Next request: after END of the response, or earlier with `pipeline`. */
HF_API hf_err hf_http1_request(hf_http1 *h, const hf_request_head *head);

/* Body bytes of the message being sent. Returns the bytes accepted, in order; less than offered is back-pressure (emit,
 * then try again). An extent with a token is accepted whole or not at all. More than the declared length is refused
 * with HF_ERR_HTTP1_BODY_LENGTH through *err (which may be NULL). */
HF_API uint64_t hf_http1_put(hf_http1 *h, const hf_extent *extents, size_t count, hf_err *err);

/* The message being sent is complete. `trailers` (may be empty) leave only with a chunked body. Ending with less than
 * the declared length, or with HF_ENDING_RESET, makes the connection close without a clean end, so that the peer can
 * tell. */
HF_API hf_err hf_http1_end(hf_http1 *h, hf_ending ending, hf_fields trailers);

/* Server: from now on a request that is complete with its head is told by REQUEST alone: event.whole, and no END. */
HF_API void hf_http1_merge_ends(hf_http1 *h);

/* Server: finish what is under way, then close (graceful drain). Idle connections close at the next step. */
HF_API void hf_http1_drain(hf_http1 *h);

/* Room for body bytes that put would accept now. */
HF_API uint64_t hf_http1_room(const hf_http1 *h);
/* No exchange is open and nothing waits to be emitted. */
HF_API bool hf_http1_is_idle(const hf_http1 *h);
/* Nothing waits to be emitted. */
HF_API bool hf_http1_has_said_all(const hf_http1 *h);
/* Server: bytes of the request's body that were read and given to nobody, because its answer had ended. */
HF_API uint64_t hf_http1_swallowed(const hf_http1 *h);
/* Server, after HF_CLOSED: the client's last request arrived whole and said that it is the last: nothing more may come
 * (RFC 9112 9.6: such a client "MUST NOT send further requests on that connection"). */
HF_API bool hf_http1_is_final(const hf_http1 *h);
/* Server: as many requests came as one connection may carry (limit requests_per_connection): it closes behind them. */
HF_API bool hf_http1_is_worn(const hf_http1 *h);
/* The fault after REFUSED or HF_FAULT. Never NULL. Lends until free. */
HF_API const hf_fault *hf_http1_fault(const hf_http1 *h);

#ifdef __cplusplus
}
#endif
#endif
