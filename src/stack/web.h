/* SPDX-License-Identifier: Apache-2.0
 *
 * web: the server's side of one connection, whatever carries the bytes (a kernel socket, our TCP, a simulated pipe) and
 * whatever version of HTTP is spoken on it. It stands protocol cores on piers and moves bytes between them.
 *
 * Pull: step yields events until it is idle; flush sends what the cores have to say. Answers to pipelined requests that
 * are given at once leave together in one put, because step flushes only when there is nothing left to read.
 */
#ifndef HF_STACK_WEB_H
#define HF_STACK_WEB_H

#include <handfast/http1.h>
#include <handfast/pier.h>

typedef struct hf_web hf_web;

/* Names one request and its answer on a connection: 1, 2, 3, ... */
typedef uint64_t hf_exchange;

typedef enum hf_web_event_kind {
    HF_WEB_REQUEST,  /* a head arrived: event.head. Owed: respond and end */
    HF_WEB_BODY,     /* event.body: take it before the next step */
    HF_WEB_TRAILERS, /* event.trailers */
    HF_WEB_END,      /* the request is complete */
    HF_WEB_REFUSED,  /* a request broke a rule (hf_web_fault): `exchange` may be answered with respond and end; the
                        connection closes after it. No head comes with it. */
    HF_WEB_SENT,     /* an extent whose token was `exchange` has left, and all before it */
    HF_WEB_WRITABLE, /* put may take more */
    HF_WEB_CLOSED    /* over; event.err says why (HF_OK: in good order). Unanswered exchanges are gone with it */
} hf_web_event_kind;

/* What an event points to is lent until the next step. */
typedef struct hf_web_event {
    hf_web_event_kind kind;
    hf_exchange exchange;
    const hf_request_head *head;
    hf_bytes body;
    hf_fields trailers;
    hf_err err;
    hf_http1_event wire; /* what the pointers above lead to: here, so that an idle connection need not hold it */
} hf_web_event;

/* Owns `pier` from now on. `id` is the connection's, in traces and logs. NULL when memory ends (the pier is freed). */
hf_web *hf_web_new(const hf_env *env, uint64_t id, hf_pier pier, hf_time now);
void hf_web_free(hf_web *w);

/* `out` is scratch space of the thread, used within the call only. */
hf_step hf_web_step(hf_web *w, hf_time now, hf_out *out, hf_web_event *event);
hf_time hf_web_wake(const hf_web *w);

void hf_web_take(hf_web *w, size_t n);
hf_err hf_web_respond(hf_web *w, hf_exchange x, const hf_response_head *head);
/* Bytes accepted. The token of an extent is its exchange or 0; SENT comes for each that is not 0. */
uint64_t hf_web_put(hf_web *w, hf_exchange x, const hf_extent *extents, size_t count, hf_err *err);
hf_err hf_web_end(hf_web *w, hf_exchange x, hf_ending ending, hf_fields trailers);
/* Finish what is under way, then close. */
void hf_web_drain(hf_web *w);
/* Close at once: nothing more is sent. */
void hf_web_abort(hf_web *w, hf_err why);

const hf_fault *hf_web_fault(const hf_web *w);
bool hf_web_is_idle(const hf_web *w);
uint64_t hf_web_unsent(const hf_web *w);
/* Bytes handed to the pier so far. */
uint64_t hf_web_bytes_sent(const hf_web *w);

#endif
