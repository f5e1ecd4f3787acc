/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of web, shared by web.c (life, the pier, closing), web_http1.c, web_http2.c and web_http3.c (one version of HTTP
 * each).
 */
#ifndef HF_STACK_WEB_CORE_H
#define HF_STACK_WEB_CORE_H

#include "tls_pier.h"
#include "web.h"

typedef enum web_state {
    WEB_OPEN,      /* exchanges come and go */
    WEB_CLOSING,   /* the core is done: what is queued still leaves, then FIN */
    WEB_LINGERING, /* FIN left; what still arrives is thrown away, so that the kernel has no cause to reset the answer
                      (RFC 9112 9.6) */
    WEB_CLOSED
} web_state;

/* A version of HTTP: what web asks of its core. */
typedef struct hf_web_version_ops {
    hf_version version;
    /* Feeds the core once. HF_EVENT: *event was filled, or its kind is HF_WEB_NOTHING. */
    hf_step (*step)(hf_web *w, hf_time now, hf_in *in, hf_web_event *event);
    size_t (*emit)(hf_web *w, hf_time now, hf_out *out);
    hf_time (*wake)(const hf_web *w);
    /* Output has left, and the core may have more to say. True: *event was filled. */
    bool (*moved)(hf_web *w, hf_web_event *event);
    /* The pier takes output again. True: *event was filled. */
    bool (*writable)(hf_web *w, hf_web_event *event);
    /* The core is done: may the connection end cleanly, or would a cut answer look whole? */
    bool (*may_end)(const hf_web *w);
    /* ... and has the peer said that it sends nothing more, so that nobody need wait for its end? */
    bool (*is_final)(const hf_web *w);
    /* ... and has emit given all that there was? */
    bool (*has_said_all)(const hf_web *w);
    void (*take)(hf_web *w, hf_exchange x, size_t n);
    hf_err (*respond)(hf_web *w, hf_exchange x, const hf_response_head *head);
    /* hf_web_answer. NULL: nothing is gained by saying all at once. */
    hf_err (*answer)(hf_web *w, hf_exchange x, const hf_response_head *head, hf_bytes body, bool *whole);
    uint64_t (*put)(hf_web *w, hf_exchange x, const hf_extent *extents, size_t count, hf_err *err);
    hf_err (*end)(hf_web *w, hf_exchange x, hf_ending ending, hf_fields trailers);
    void (*cancel)(hf_web *w, hf_exchange x, hf_err why);
    void (*drain)(hf_web *w);
    const hf_fault *(*fault)(const hf_web *w);
    bool (*is_idle)(const hf_web *w);
    bool (*is_worn)(const hf_web *w);
    void (*free)(hf_web *w);
} hf_web_version_ops;

enum { HF_WEB_NOTHING = -1 };

/* An exchange that is gone while the pier may still read what was lent for it. */
typedef struct hf_web_fence {
    hf_exchange exchange;
} hf_web_fence;

/* While the peer owes us that it takes what was sent: since when, when it was last seen to take something, when we last
 * looked, how much it had not taken then, how much of that the pier still held, and (total) what had been sent before it
 * began. */
typedef struct hf_web_sending {
    hf_time began, moved, looked;
    uint64_t left, unsent, total;
} hf_web_sending;

struct hf_web {
    const hf_env *env;
    uint64_t id;
    const hf_web_options *options;
    hf_pier pier;
    hf_tls_pier *tls; /* what `pier` is, with TLS */
    const hf_web_version_ops *v; /* NULL: not chosen yet */
    union {
        hf_http1 *http1; /* NULL: asleep, and `rest` is what it was */
        hf_http2 *http2;
        struct hf_web_lanes *lanes; /* HTTP/3 and the QUIC connection below it: there is no pier */
    } core;
    uint8_t state;     /* web_state */
    bool fin_received : 1;
    bool stuck : 1;        /* the core ate nothing of what the pier holds: more bytes, time or a command must come first */
    bool full : 1;         /* stuck because it waits for us (take or end) rather than for the peer */
    bool begun : 1;        /* plain: the version is settled */
    bool misplaced : 1;    /* plain HTTP on a TLS port */
    bool draining : 1;
    bool closed_told : 1;
    bool overstayed : 1;   /* the peer did not close within the limit linger_ns */
    bool timed : 1;        /* wake_at is what the core says */
    /* HTTP/1 */
    bool owed : 1;         /* the newest exchange has no final answer yet: a refusal is about it, else about a new one */
    bool put_short : 1;    /* put took less than it was offered: owe a WRITABLE as soon as some of it has gone */
    bool http10 : 1;       /* the open exchange's request */
    bool until_close : 1;  /* its answer's body lasts until the connection ends */
    bool switching : 1;    /* 101 was answered: the request's END is not told, the tunnel's is */
    bool tunnel : 1;       /* what follows is no HTTP: BODY, and END with the peer's FIN */
    bool tunnel_ended : 1; /* told */
    bool tunnel_over : 1;  /* end was said */
    hf_err why;            /* the close's cause */
    hf_exchange exchange;  /* the newest */
    uint64_t thrown;       /* bytes that came after the core was done */
    union {
        struct {
            /* tunnel */
            uint32_t offered; /* bytes of the last BODY, until some of them are taken */
            uint32_t passed;  /* put straight to the pier since that was looked at */
            hf_http1_rest rest;
        };
        struct { /* HTTP/2, HTTP/3 */
            hf_web_fence *fences; /* to be told SENT once the pier (the stream) holds nothing */
            uint32_t fence_count, fence_capacity;
        };
    };

    size_t eaten;      /* consumed by the core, but lent by the last event: taken at the next step */
    hf_web_sending *sending; /* NULL: nobody is watched, for the peer took nearly all or all of it */
    uint64_t bytes_sent;
    union {
        hf_time wake_at;      /* OPEN, timed: the core's, as of the end of the last step */
        hf_time linger_until; /* LINGERING */
    };
};

extern const hf_web_version_ops hf_web_http1, hf_web_http2, hf_web_http3;

/* Makes the core. False: memory ended. */
void hf_web_begin_http1(hf_web *w, hf_time now); /* sleeps at first, so this cannot fail */
bool hf_web_begin_http2(hf_web *w, hf_time now);
/* web_http2.c: SENT for an exchange that is gone, once the pier reads nothing of it any more. True: *event was filled. */
bool hf_web_tell_fence(hf_web *w, hf_web_event *event);
bool hf_web_raise_fence(hf_web *w, hf_exchange x);
bool hf_web_is_fenced(const hf_web *w, hf_exchange x);
void hf_web_free_fences(hf_web *w);

/* web_http3.c: what web.c does with a pier, done with lanes. */
hf_step hf_web_step_http3(hf_web *w, hf_time now, hf_out *out, hf_web_event *event);
hf_time hf_web_wake_http3(const hf_web *w);
void hf_web_abort_http3(hf_web *w, hf_err why);
void hf_web_prioritise_http3(hf_web *w, hf_exchange x, unsigned urgency, bool incremental);
void hf_web_pace_http3(hf_web *w, hf_exchange x, hf_pace pace);
hf_err hf_web_push_http3(hf_web *w, hf_exchange x, const hf_request_head *request, hf_exchange *promised);
bool hf_web_can_push_http3(const hf_web *w);
void hf_web_answer_http3(hf_web *w, bool sign, hf_err err, hf_bytes signature);
void hf_web_sign_http3(hf_web *w, const hf_web_event *event);
bool hf_web_security_of_http3(const hf_web *w, hf_web_security *security);
const hf_tls_fault *hf_web_tls_fault_http3(const hf_web *w);

#endif
