/* SPDX-License-Identifier: Apache-2.0
 *
 * line_pool: requests to wherever, over as few connections as it takes: kept alive, shared by requests to one origin in HTTP/2 and
 * HTTP/3 and to others for which address and certificate are good, bounded in number, and let go when idle. What a connection took with it and may be sent again is (resend.h). Nothing waits but the caller, in
 * hf_dialer_wait until hf_line_pool_wake.
 */
#ifndef HF_CLIENT_LINE_POOL_H
#define HF_CLIENT_LINE_POOL_H

#include "fetch.h"
#include "keep.h"
#include "resend.h"

typedef struct hf_line_pool hf_line_pool;
typedef struct hf_pooled_line hf_pooled_line;

typedef struct hf_line_pool_options {
    uint32_t per_origin, all; /* connections; 0: 6 and 64 */
    int64_t idle_ns;          /* 0: 30 s */
    uint32_t tries;           /* of one request; 0: 3 */
    bool fresh;               /* every request on a connection of its own */
} hf_line_pool_options;

/* A request, of the caller's memory: stays where it is, with all it points to, until END or FAILED was told, or it was dropped. */
typedef struct hf_call {
    const hf_client_url *url;
    hf_request_head head;   /* scheme, authority, target are those of the url */
    hf_bytes body;
    const hf_body_source *source; /* in its place: lent likewise. NULL: none */
    hf_version version;     /* 0: HTTP/2 or HTTP/1.1, and HTTP/3 where it is known to be offered. HF_HTTP_3: likewise; else this one alone */
    bool only;              /* HF_HTTP_3 alone */
    void *user;
    /* the pool's */
    hf_pooled_line *line;     /* NULL: it waits */
    uint32_t tries;
    bool begun, queued;
    bool alone;             /* not over a connection of another origin: one such has turned it away (RFC 9110 15.5.20) */
    struct hf_call *next;
} hf_call;

typedef enum hf_line_pool_event_kind {
    HF_LINE_POOL_CONNECTED, /* it goes over `line` now; `reused`: others went there before */
    HF_LINE_POOL_HEAD,      /* and so on: `answer` */
    HF_LINE_POOL_BODY,
    HF_LINE_POOL_TRAILERS,
    HF_LINE_POOL_END,
    HF_LINE_POOL_AGAIN,     /* it is sent once more: err says what came between. Nothing of the answer had come */
    HF_LINE_POOL_FAILED     /* stage, err, words */
} hf_line_pool_event_kind;

/* Lends until the next call. */
typedef struct hf_line_pool_event {
    hf_line_pool_event_kind kind;
    hf_call *call;
    const hf_line *line;
    hf_version version;
    bool reused;
    hf_fetch_event answer;
    hf_line_stage stage; /* FAILED: which layer; HF_LINE_OPEN: the exchange */
    bool lost;           /* FAILED: the connection is gone, rather than that what came is wrong */
    hf_err err;
    const char *words;
} hf_line_pool_event;

typedef struct hf_line_pool_counts {
    uint64_t opened, asked, reused, again, coalesced;
} hf_line_pool_counts;

/* Lends the dialer. NULL: no memory. */
hf_line_pool *hf_line_pool_new(hf_dialer *d, const hf_line_pool_options *options);
void hf_line_pool_free(hf_line_pool *p);
/* Any number, in the order in which they are to begin. */
void hf_line_pool_ask(hf_line_pool *p, hf_call *call);
/* Nothing more is told of it. */
void hf_line_pool_drop(hf_line_pool *p, hf_call *call);
/* From within its BODY: no more of it comes until it is held no more: the peer is held back. New requests go over other lines meanwhile. */
void hf_line_pool_hold(hf_line_pool *p, hf_call *call, bool held);
/* False: nothing for now. */
bool hf_line_pool_next(hf_line_pool *p, hf_line_pool_event *event);
hf_time hf_line_pool_wake(const hf_line_pool *p);
/* A server offers HTTP/3 at this port of the same host (Alt-Svc): for calls of version HF_HTTP_3 from now on. 0: it does no more. */
void hf_line_pool_offer_quic(hf_line_pool *p, const hf_client_url *url, uint16_t port);
void hf_line_pool_count(const hf_line_pool *p, hf_line_pool_counts *counts);

#endif
