/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/realtime.h - live routes: WebSockets and event streams, the same over every version of HTTP.
 *
 *     { "GET", "/chat",  .websocket = chat },
 *     { "GET", "/ticks", .events = tick, .every_ns = HF_SECONDS(1) },
 *
 * Both are requests (hf_req) whose answer lasts. Everything runs on the connection's loop thread and must not block.
 */
#ifndef HANDFAST_REALTIME_H
#define HANDFAST_REALTIME_H

#include "app.h"
#include "eventstream.h"
#include "topic.h"
#include "websocket.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- WebSockets --------------------------------------------------------------------------------------------- */

/* Called with NULL once the connection is open, then with each event of the connection; HF_WEBSOCKET_CLOSED is the last, in
 * every case. What the event lends is lent for the call. An error closes the connection with 1011.
 *
 * Before the first call the handshake was checked, and Origin: a page of another site is refused (403) unless the route's
 * `origins` names it, and so is a request with cookies and without Origin. */
typedef hf_err hf_socket_handler(hf_req *rq, const hf_websocket_event *event);

/* Sends a message, copied. HF_ERR_BASE_LIMIT: the peer does not read (limit websocket_output_bytes), and nothing was taken.
 * HF_ERR_BASE_USAGE: it is closed already, or no WebSocket. */
HF_API hf_err hf_socket_send(hf_req *rq, hf_websocket_type type, hf_bytes message);
/* Likewise frames that were made once for many. */
HF_API hf_err hf_socket_send_shared(hf_req *rq, const hf_websocket_shared *plain, const hf_websocket_shared *deflated);
/* Begins the closing handshake; CLOSED follows. Errors as of hf_websocket_close. */
HF_API hf_err hf_socket_close(hf_req *rq, uint16_t code, hf_bytes reason);
/* The subprotocol that was agreed (the route's `protocols`); empty: none. */
HF_API hf_bytes hf_socket_protocol(const hf_req *rq);
/* Bytes that the peer has not taken yet: back-pressure. */
HF_API uint64_t hf_socket_unsent(const hf_req *rq);

/* ---- event streams ------------------------------------------------------------------------------------------ */

/* Pages of other origins are refused (403) before that, unless a CORS guard of the route allows theirs, or its `origins` name
 * it; who follows a link is not.
 *
 * A route's `events` is called when the stream has begun, and then every `every_ns` (0: once; the stream stays open until
 * hf_reply_end). Comments show that the stream is alive when nothing else does (limit eventstream_quiet_ns). An error ends
 * the stream. */

/* Sends an event. HF_ERR_HTTP_STREAM_FULL: the client does not read, and nothing was taken. HF_ERR_BASE_USAGE: an id or a
 * name with CR, LF or NUL. */
HF_API hf_err hf_event_send(hf_req *rq, const hf_eventstream_event *event);
/* What the client has seen: the field Last-Event-ID; empty when it comes for the first time. */
HF_API hf_bytes hf_event_last_id(const hf_req *rq);

/* ---- topics ------------------------------------------------------------------------------------------------- */

/* Published once, by whomever, and told to every subscriber of the server: in order, once, and without waiting for those
 * that are slow (topic.h says what becomes of them). Event streams get events; WebSockets get text messages such as
 *
 *     {"id":"5f3a-17","topic":"board/1","event":"line","data":"..."}
 *
 * The first thing a subscriber is told is where it stands (an id alone); where something is missing it is told that: an event
 * "gap", and {"id":"...","gap":true}. A client that comes back says the last id that it was told, and is told what it missed:
 * EventSource does so by itself (Last-Event-ID), handfast.js and `handfast ws` as the argument "resume" of the query. */
typedef struct hf_topics hf_topics;

/* Subscribes the request, of a live route, to what matches. `resume` is the id that the client was told last, empty for
 * none: hf_topic_resume(rq) finds it. It holds for the patterns that are given before the handler returns; later ones begin
 * now. Subscriptions end with the request. HF_ERR_TOPIC_NAME; HF_ERR_BASE_LIMIT (limit topic_patterns); HF_ERR_BASE_USAGE:
 * no live route, or no server. */
HF_API hf_err hf_topic_subscribe(hf_req *rq, hf_bytes pattern, hf_bytes resume);
/* Nothing happens when there is no such subscription. */
HF_API void hf_topic_unsubscribe(hf_req *rq, hf_bytes pattern);
/* What the client says that it was told last: the field Last-Event-ID, else the argument "resume" of the query. Lends. */
HF_API hf_bytes hf_topic_resume(hf_req *rq);
/* Publishes: copied. `event` may be empty. HF_ERR_TOPIC_NAME, HF_ERR_TOPIC_TOO_LARGE; HF_ERR_BASE_LIMIT: a thread is behind
 * (limit messages); HF_ERR_BASE_USAGE: no server. */
HF_API hf_err hf_topic_publish(hf_req *rq, hf_bytes topic, hf_bytes event, hf_bytes data);
/* Likewise from any thread: hf_server_topics (server.h) gives what to publish to. */
HF_API hf_err hf_topics_publish(hf_topics *topics, hf_bytes topic, hf_bytes event, hf_bytes data);

#ifdef __cplusplus
}
#endif
#endif
