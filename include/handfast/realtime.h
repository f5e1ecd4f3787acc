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
/* Bytes that the peer has not taken yet: back-pressure. */
HF_API uint64_t hf_socket_unsent(const hf_req *rq);

/* ---- event streams ------------------------------------------------------------------------------------------ */

/* A route's `events` is called when the stream has begun, and then every `every_ns` (0: once; the stream stays open until
 * hf_reply_end). Comments show that the stream is alive when nothing else does (limit eventstream_quiet_ns). An error ends
 * the stream. */

/* Sends an event. HF_ERR_HTTP_STREAM_FULL: the client does not read, and nothing was taken. HF_ERR_BASE_USAGE: an id or a
 * name with CR, LF or NUL. */
HF_API hf_err hf_event_send(hf_req *rq, const hf_eventstream_event *event);
/* What the client has seen: the field Last-Event-ID; empty when it comes for the first time. */
HF_API hf_bytes hf_event_last_id(const hf_req *rq);

#ifdef __cplusplus
}
#endif
#endif
