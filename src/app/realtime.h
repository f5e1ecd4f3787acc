/* SPDX-License-Identifier: Apache-2.0
 *
 * Live routes, between service.c and the files that know one kind each. Not for others.
 */
#ifndef HF_APP_REALTIME_H
#define HF_APP_REALTIME_H

#include <handfast/realtime.h>

#include "request.h"

/* What a request with a WebSocket holds. */
struct hf_socket;

/* Does the request ask for a WebSocket of this route? Answers the handshake, or refuses it. */
hf_err hf_socket_open(hf_req *rq);
/* Bytes of the tunnel arrived, all lent until the next step of the connection; `fin`: there will be no more. */
void hf_socket_feed(hf_req *rq, hf_bytes bytes, bool fin);
hf_time hf_socket_wake(const hf_req *rq);
/* Its time has come, or room for output. */
void hf_socket_turn(hf_req *rq);
/* Sends what the core and the topics have to say, as far as there is room: the producer of the answer. */
hf_err hf_socket_flush(hf_req *rq);
/* For topics: is there room; and a message as frames. HF_ERR_BASE_USAGE once it closes. */
bool hf_socket_has_room(const hf_req *rq);
bool hf_socket_is_deflated(const hf_req *rq);
hf_err hf_socket_tell(hf_req *rq, hf_bytes frames);
hf_err hf_socket_tell_text(hf_req *rq, hf_bytes text);
/* Too slow: the closing handshake. */
hf_err hf_socket_let_go(hf_req *rq);
/* The request is over: tells CLOSED if that was not told. */
void hf_socket_fini(hf_req *rq);

/* The Origin that the request has is of this host, or one of the route's. */
bool hf_live_origin_is_ours(const hf_req *rq);

/* Begins an event stream. */
hf_err hf_events_open(hf_req *rq);

#endif
