/* SPDX-License-Identifier: Apache-2.0
 *
 * What few requests need, beside what each has: arguments, promises to answer later, an answer piece by piece. Made on
 * first use in the request's memory; what does not lie there is let go of by hf_more_fini.
 */
#ifndef HF_APP_REQUEST_H
#define HF_APP_REQUEST_H

#include "idempotency.h"
#include "multipart.h"
#include "service.h"

typedef struct hf_value_node {
    hf_value value; /* first */
    struct hf_value_node *next;
    size_t offset; /* of a value in the request's body queue, until the form is whole */
} hf_value_node;

typedef struct hf_values {
    hf_value_node *first, *last;
} hf_values;

enum { HF_TRAILERS = 8 };

struct hf_req_more {
    hf_values query, form;
    /* a multipart body */
    hf_multipart *multipart;
    uint64_t form_bytes;
    bool in_file;       /* the part goes to the upload handler */
    hf_upload *upload; /* NULL: none came yet */
    bool fault;         /* the error is the client's doing, not a handler's; with `got` */
    hf_bytes got;
    struct json_t *json;
    /* promises */
    hf_later *tickets;
    hf_time deadline;   /* until which the answer must have begun */
    hf_time alarm;
    hf_handler *alarm_handler;
    bool handled;       /* the handler has run: who answers now is somebody who promised to */
    /* the body, held back */
    bool paused, end_waits;
    size_t ahead;       /* bytes delivered and not taken */
    size_t behind;      /* bytes that came behind them, not delivered */
    /* an answer piece by piece */
    bool streaming, bodiless, ending, wrote;
    hf_handler *producer;
    hf_queue out;
    struct hf_compressor *coder; /* NULL: what is written leaves as it is */
    size_t unflushed;   /* bytes that the coder was fed since its last flush */
    hf_time turn;       /* not HF_NEVER: the producer goes on then, for others want to be served */
    hf_field *trailers; /* room for HF_TRAILERS; NULL: none yet */
    size_t trailer_count;
    /* Idempotency-Key */
    hf_idempotent *idempotent;
    struct hf_guarded *guarded; /* what the guards found (guards.c) */
    bool guards_wait;   /* one of them, for a store */
    uint8_t guards_at;  /* which */
    hf_queue early;     /* of the body, meanwhile: delivered to nobody, and not taken */
    /* live routes (realtime.h) */
    struct hf_socket *socket;
    struct hf_topic_subscriber *subscriber; /* topics */
    hf_time events_at, spoken; /* an event stream's next call, and when it last said something */
};

/* NULL when memory ends. */
struct hf_req_more *hf_req_more_of(hf_req *rq);
/* The request is over. */
void hf_more_fini(hf_req *rq);

/* ---- request_arguments.c: HF_OK, or what the client did wrong ---------------------------------------------------------- */

/* Before a handler: the query. `got` becomes the evidence. */
hf_err hf_query_begin(hf_req *rq, hf_bytes *got);
/* Before a body: its type, and a reader for it. */
hf_err hf_content_begin(hf_req *rq, hf_bytes *got);
/* A piece of a multipart body. */
/* Where it is the client's fault, `fault` and `got` say so. */
hf_err hf_form_feed(hf_req *rq, hf_bytes piece);
/* The body is whole. */
hf_err hf_content_end(hf_req *rq, hf_bytes *got);
/* json.c */
hf_err hf_json_read(hf_req *rq, hf_bytes *got);
void hf_json_fini(struct json_t *json);
/* The version of the jansson that is loaded. */
const char *hf_json_library(void);

/* ---- later.c ---------------------------------------------------------------------------------------------------- */

/* Somebody promised to answer. */
bool hf_req_is_promised(const hf_req *rq);
void hf_tickets_fini(hf_req *rq);
/* Deals with what is due at the service's time. */
void hf_req_tick(hf_req *rq);
hf_time hf_req_wake(const hf_req *rq);

/* ---- bodies that were made here --------------------------------------------------------------------------------- */

/* In the request's own memory; what it names is not, and hf_req_hold is asked to free it. */
typedef struct hf_body_block {
    const hf_allocator *alloc;
    hf_span bytes;
} hf_body_block;

static inline void hf_body_block_free(void *what)
{
    const hf_body_block *b = what;
    hf_free(b->alloc, b->bytes.ptr, b->bytes.len);
}

/* ---- stream.c --------------------------------------------------------------------------------------------------- */

/* hf_reply_write of several pieces (COPIED) at once. */
hf_err hf_stream_write(hf_req *rq, const hf_extent *pieces, size_t count);
/* Sends what waits, asks for more, ends the answer when it is whole. */
hf_err hf_stream_pump(hf_req *rq);
/* A handler has returned: what it wrote can be read by the client. */
hf_err hf_stream_flush(hf_req *rq);

/* ---- conduct.c -------------------------------------------------------------------------------------------------- */

/* Runs the route's handler, or answers in its stead. */
hf_err hf_req_handle(hf_req *rq);
/* Somebody did what a handler does, outside the connection's events. Deals with the outcome, and has the connection
 * stepped: the request may be gone afterwards. */
void hf_req_return(hf_req *rq, hf_err err);
/* The answer of a request with a key is being given. */
void hf_req_note(hf_req *rq, uint16_t status, const hf_extent *extents, size_t count);
/* Answers a request whose key is taken. */
hf_err hf_idempotent_tell(hf_req *rq, hf_idempotency_verdict verdict, const hf_idempotency_answer *answer);
/* The base is asked for the key of `r`, which is held; then the handler runs, or the request is answered. idempotency_ask.c */
hf_err hf_idempotent_inquire(hf_req *rq, hf_idempotent *held, const hf_idempotency_request *r);
/* The route's own. */
hf_err hf_req_run_handler(hf_req *rq);
/* When who promised to answer must have. */
hf_time hf_req_patience(const hf_req *rq);

/* ---- guards.c --------------------------------------------------------------------------------------------------- */

/* The head is there: HF_OK and not answered, or a guard has answered. Preflights are answered here, too. */
hf_err hf_guards_begin(hf_req *rq, const hf_router *router);
/* For the check of a guard: what it needs is being fetched, and the request waits. HF_OK. */
hf_err hf_guards_wait(hf_req *rq);
/* It was fetched, in the loop thread: the guard that waited is asked again, then those behind it; then the request goes on.
 * Answers what a handler would. */
hf_err hf_guards_go_on(hf_req *rq);
/* For the log: what a guard that denied got, and what it wanted. */
void hf_req_deny(hf_req *rq, int32_t code, hf_bytes got, const char *wanted);
/* Answers as a guard that denies. */
struct hf_guard;
hf_err hf_guards_deny(hf_req *rq, const struct hf_guard *g, hf_err err);
/* A field of the answer that a guard gave, and that may stand only once: this one takes its place. */
bool hf_guards_replace(hf_req *rq, const hf_field *field);
/* The request came from a person who sits at this machine: over loopback, through nobody who says so, and to a name that
 * leads nowhere else. */
bool hf_req_is_at_home(const hf_req *rq);
/* Denies for what no guard looked at: as those of its route do. */
hf_err hf_guards_turn_away(hf_req *rq, hf_err why, hf_bytes got);
/* Sessions of live routes are looked at again and again. */
hf_time hf_guards_wake(const hf_req *rq);
void hf_guards_tick(hf_req *rq);
/* The body is there, whole, and the handler about to run. */
hf_err hf_guards_end(hf_req *rq);

/* The guards have let the request in: its body is awaited, or it is answered. */
hf_err hf_req_let_in(hf_req *rq);
/* What came of the body while a guard waited goes to whom it is for. */
void hf_req_feed_early(hf_req *rq);

/* ---- request_memory.c ------------------------------------------------------------------------------------------- */

/* Copies into the request's memory. False when memory ends. */
bool hf_req_keep_bytes(hf_req *rq, hf_bytes *b);
/* The head is lent by the core until its next step: who answers later keeps a copy, in one piece. */
bool hf_req_keep_head(hf_req *rq);
/* Keeps nothing of it but numbers. */
void hf_req_forget_head(hf_req *rq);
/* The route is a live one: what the request keeps lies apart from its room from now on. False when memory ends. */
bool hf_req_outlast_room(hf_req *rq);
/* The room goes back if the request is a live one under way. */
void hf_req_give_room_back(hf_req *rq);

/* ---- reply.c, service.c ----------------------------------------------------------------------------------------- */

/* Is a page worth more to the client than a problem document? Browsers say so. */
bool hf_req_wants_page(const hf_req *rq);
struct hf_answer_coding;
hf_err hf_reply_head(hf_req *rq, uint16_t status, int64_t length, const struct hf_answer_coding *coding);
/* Answers with all that is known of a denial: to who may be told (hf_req_is_at_home). */
hf_err hf_reply_denial(hf_req *rq, const struct hf_why *why);
/* Answers what the client did wrong; its body is read and thrown away. */
hf_err hf_req_refuse(hf_req *rq, hf_err why, hf_bytes got);
/* Deals with what a handler answered. */
void hf_req_settle(hf_req *rq, hf_err err);

#endif
