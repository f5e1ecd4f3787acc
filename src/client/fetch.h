/* SPDX-License-Identifier: Apache-2.0
 *
 * fetch: HTTP over a line, in whichever version was agreed: one request at a time, and its answer as events. What waits is
 * the caller, in hf_dialer_wait until hf_fetch_wake.
 */
#ifndef HF_CLIENT_FETCH_H
#define HF_CLIENT_FETCH_H

#include <handfast/http1.h>
#include <handfast/http2.h>

#include "dial.h"

typedef enum hf_fetch_event_kind {
    HF_FETCH_HEAD,     /* event.head: interim ones (1xx) too, before the final one */
    HF_FETCH_BODY,     /* event.body: all of it is taken by the next step */
    HF_FETCH_TRAILERS, /* event.trailers */
    HF_FETCH_END       /* the answer is whole: another request may follow, unless hf_fetch_is_over */
} hf_fetch_event_kind;

/* Lends until the next step. */
typedef struct hf_fetch_event {
    hf_fetch_event_kind kind;
    hf_response_head head;
    hf_bytes body;
    hf_fields trailers;
} hf_fetch_event;

typedef struct hf_fetch {
    hf_line *line;
    hf_http1 *http1; /* the one or the other */
    hf_http2 *http2;
    hf_http2_stream stream;
    size_t untaken;      /* of the last BODY */
    hf_bytes unsent;     /* of the request's body */
    bool sending, asked; /* the body is not sent whole; an answer is awaited */
    bool over;
} hf_fetch;

/* Lends the line, which is open. `version`: HF_HTTP_2, or whatever HTTP/1 is. False: no memory. */
bool hf_fetch_open(hf_fetch *f, hf_line *line, hf_version version);
void hf_fetch_close(hf_fetch *f);
/* Begins a request; `body` is lent until the answer has ended. Of the head's framing only content_length counts. */
hf_err hf_fetch_request(hf_fetch *f, const hf_request_head *head, hf_bytes body);
/* HF_EVENT, HF_IDLE, or HF_FAULT and *why. Never waits. */
hf_step hf_fetch_step(hf_fetch *f, hf_fetch_event *event, hf_err *why);
hf_time hf_fetch_wake(const hf_fetch *f);
/* Nothing more can be asked on this line. */
bool hf_fetch_is_over(const hf_fetch *f);

#endif
