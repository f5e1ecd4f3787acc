/* SPDX-License-Identifier: Apache-2.0
 *
 * fetch: HTTP over a line, in whichever version was agreed: requests, and their answers as events. One at a time with HTTP/1, many
 * with HTTP/2 and HTTP/3. What waits is the caller, in hf_dialer_wait until hf_fetch_wake.
 */
#ifndef HF_CLIENT_FETCH_H
#define HF_CLIENT_FETCH_H

#include <handfast/http1.h>
#include <handfast/http2.h>

#include "dial.h"

enum { HF_FETCH_CALLS = 128, HF_FETCH_PIPELINE = 16 };

typedef enum hf_fetch_event_kind {
    HF_FETCH_HEAD,     /* event.head: interim ones (1xx) too, before the final one */
    HF_FETCH_BODY,     /* event.body: all of it is taken by the next step */
    HF_FETCH_TRAILERS, /* event.trailers */
    HF_FETCH_UPGRADED, /* after 101, HTTP/1: what follows on the line is no HTTP: close the fetch, keep the line */
    HF_FETCH_END,      /* the answer is whole: another request may follow, unless hf_fetch_is_over */
    HF_FETCH_FAILED    /* event.err: this exchange is gone, others go on */
} hf_fetch_event_kind;

/* Lends until the next step. */
typedef struct hf_fetch_event {
    hf_fetch_event_kind kind;
    void *user;        /* as given to hf_fetch_ask */
    hf_response_head head;
    hf_bytes body;
    hf_fields trailers;
    hf_err err;
} hf_fetch_event;

/* Where a body comes from that is not all there. */
typedef struct hf_body_source {
    /* HF_EVENT: *n bytes, at least one, are in `room`; HF_IDLE: none yet: it is asked again at the next turn; HF_CLOSED: that was all;
     * HF_FAULT: there is no more, although there should be. */
    hf_step (*read)(void *self, hf_span room, size_t *n);
    bool (*rewind)(void *self); /* what was read comes once more; false: it cannot */
    void *self;
} hf_body_source;

typedef struct hf_fetch_call {
    uint64_t id;         /* stream or lane */
    void *user;
    hf_bytes unsent;     /* of the request's body */
    const hf_body_source *source; /* of the rest of it; NULL: that is all */
    uint8_t *piece;      /* where unsent lies then; NULL: it is lent */
    int64_t owed;        /* bytes that were declared and have not come from there; 0 and below: none, or nobody knows */
    bool asked, sending; /* an answer is awaited; the body is not sent whole */
    bool torn;           /* the source broke off */
    bool begun;          /* some of the answer came */
    bool given_up;       /* HTTP/1: nobody waits for the answer, but it comes before others' */
    bool held, kept;     /* hf_fetch_hold; kept: HTTP/2 has some of the body that was not told of */
} hf_fetch_call;

typedef struct hf_fetch {
    hf_line *line;
    hf_http1 *http1; /* the one or the other; neither: line->quic */
    hf_http2 *http2;
    hf_fetch_call calls[HF_FETCH_CALLS];
    uint32_t open;     /* calls whose answer is awaited */
    uint32_t sending;  /* of them, those whose body is not sent whole */
    uint32_t torn;
    uint64_t asked;    /* so far */
    uint32_t pipeline; /* HTTP/1: requests on their way at a time, up to HF_FETCH_PIPELINE; 0: one. Set by who opened it */
    uint32_t oldest;   /* HTTP/1: whose answer is next */
    uint64_t untaken_id;
    size_t untaken;    /* of the last BODY */
    bool more;         /* bodies had more to send when it was time to listen again */
    uint32_t held;     /* calls that are */
    bool resumed;      /* one is held no more: what was kept of it is told first */
    bool over;
} hf_fetch;

/* Lends the line, which is open. `version`: HF_HTTP_2, or whatever HTTP/1 is; of no matter where the line is QUIC. False: no memory. */
bool hf_fetch_open(hf_fetch *f, hf_line *line, hf_version version);
void hf_fetch_close(hf_fetch *f);
hf_version hf_fetch_version(const hf_fetch *f);
/* Begins a request; `body` is lent until the answer has ended. Of the head's framing only content_length counts; `upgrade` is what it asks
 * to change to. HF_ERR_BASE_LIMIT: hf_fetch_room was 0. */
hf_err hf_fetch_ask(hf_fetch *f, const hf_request_head *head, hf_bytes body, void *user);
/* The same with a body that comes piece by piece; its source is lent until the answer has ended, too. A source that breaks off is
 * FAILED with HF_ERR_CLIENT_BODY. */
hf_err hf_fetch_ask_from(hf_fetch *f, const hf_request_head *head, const hf_body_source *source, void *user);
/* How many more may be asked now. */
uint32_t hf_fetch_room(const hf_fetch *f);
/* HF_EVENT, HF_IDLE, or HF_FAULT and *why: all that is open is gone. Never waits. */
hf_step hf_fetch_turn(hf_fetch *f, hf_fetch_event *event, hf_err *why);
hf_step hf_fetch_turn_at(hf_fetch *f, hf_time now, hf_fetch_event *event, hf_err *why); /* for who has just read the clock */
/* After HF_FAULT, in place of another turn: the next of those that were open, of which nothing is sent or read any more. False: none is left. */
bool hf_fetch_lose(hf_fetch *f, void **user);
/* Gives up the exchange of `user`: nothing more is told of it. With HTTP/1 nothing more can be asked then; those that were are answered. */
void hf_fetch_cancel(hf_fetch *f, void *user);

/* From within its BODY: no more of its body is told until it is held no more, though its end may be. The peer is held back: by TCP where
 * the line serves it alone (HTTP/1), by the window of its stream else: others on the line go on while the window of the line lasts. */
void hf_fetch_hold(hf_fetch *f, const void *user, bool held);

/* For who asks one thing at a time: as hf_fetch_ask, and as hf_fetch_turn, but that FAILED is HF_FAULT. */
hf_err hf_fetch_request(hf_fetch *f, const hf_request_head *head, hf_bytes body);
hf_step hf_fetch_step(hf_fetch *f, hf_fetch_event *event, hf_err *why);
hf_time hf_fetch_wake(const hf_fetch *f);
/* Nothing more can be asked on this line. */
bool hf_fetch_is_over(const hf_fetch *f);

#endif
