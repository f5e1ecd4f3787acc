/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/app.h - routes, requests and answers: what an application sees, whatever carries the bytes.
 */
#ifndef HANDFAST_APP_H
#define HANDFAST_APP_H

#include "files.h"
#include "http.h"
#include "pier.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One request being answered. Lives from its head until its answer has left; everything got from it lives as long. */
typedef struct hf_req hf_req;

/* Answers a request with one of the hf_reply calls. An error before an answer becomes a 500, with the error in the log
 * and never in the answer. Runs on the connection's loop thread and must not block. */
typedef hf_err hf_handler(hf_req *rq);

/* Takes a piece of the request's body as it arrives, so that nothing is buffered whole; `piece` is lent for the call.
 * After the last piece the route's handler runs. An error ends the request as one of the handler would. */
typedef hf_err hf_body_handler(hf_req *rq, hf_bytes piece);

/* May answers be compressed, for clients that accept it? What is compressed tells its content by its length: who can have
 * a victim ask for pages that hold both a secret and words of the attacker's choice learns the secret bit by bit (BREACH).
 * So answers are compressed only where nobody's secret can be in them, unless their route says that none is. Not asked
 * for files of hf_files: they are the same for everybody, and repeat nothing of the request. */
typedef enum hf_compression {
    HF_COMPRESS_PUBLIC, /* unless the request has Cookie, Authorization or Proxy-Authorization, or the answer Set-Cookie; event
                           streams not at all */
    HF_COMPRESS_ALWAYS, /* then too, and event streams: no answer of this route holds both a secret and something that the request,
                           or on a stream somebody else, said */
    HF_COMPRESS_NEVER   /* holds a secret that no such field tells of, such as a token in the path */
} hf_compression;

/* What becomes of request bodies with a Content-Encoding. */
typedef enum hf_body_coding {
    HF_CODING_REFUSED, /* answered 415: a handler that looks for JSON finds JSON */
    HF_CODING_UNDONE,  /* gzip, br and zstd (those built in) are undone as the body arrives; others are answered 415.
                          max_body bounds what it becomes, too, and the limit body_ratio how much it may grow */
    HF_CODING_KEPT     /* the handler gets the bytes as they were sent, and looks at Content-Encoding itself */
} hf_body_coding;

/* What the body of a request must be. Checked before the handler runs, so that it finds what it looks for. */
typedef enum hf_takes {
    HF_TAKES_ANY,  /* the handler looks at Content-Type itself */
    HF_TAKES_FORM, /* application/x-www-form-urlencoded or multipart/form-data: hf_req_form. Others are answered 415, what
                      breaks their rules 400 */
    HF_TAKES_JSON  /* application/json or any +json: hf_req_json. Likewise. Names within an object are unique, and nesting
                      and values bounded (limits json_depth, json_values) */
} hf_takes;

/* A file of a multipart form, as it arrives. Everything is lent for the call. */
typedef struct hf_upload {
    hf_bytes name;         /* of the form's control */
    hf_bytes filename;     /* as the client said, without a path: may be empty, and is no name to give a file of yours */
    hf_bytes content_type; /* as the client said */
    hf_bytes piece;        /* never empty but in the first and the last call */
    bool first, last;      /* each in a call of its own, with an empty piece */
} hf_upload;

/* Takes the files of a form, so that nothing of them is held. An error ends the request as one of the handler would; a
 * form that breaks off shows in that `last` never comes: clean up with hf_req_hold. */
typedef hf_err hf_upload_handler(hf_req *rq, const hf_upload *upload);

/* A client that retries a POST cannot know whether the first one was carried out. With a random key of its own in the
 * field Idempotency-Key it need not: the first request with a key is carried out, and its answer kept (limits
 * idempotency_ns, idempotency_keys, idempotency_bytes); a retry is given that answer. While the first is under way a
 * retry gets 409; another body, target or credentials (Authorization, Cookie) under the same key 422. Answers of 500 and
 * above are not kept: a retry is carried out. Of answers above 64 KiB, from files, or written piece by piece only the fact
 * is kept, and a retry gets 409. When the client is gone before the answer, a ticket's answer is kept for its retry all
 * the same; of hf_req_run_blocking the fact is. A ticket let go of without an answer means that nothing was done. The
 * keys are in memory, shared by all threads of one server, and with hf_server_options.keys in a store behind it, which a
 * restart does not empty. */
typedef enum hf_idempotency {
    HF_IDEMPOTENT_NOT,     /* the field is not looked at */
    HF_IDEMPOTENT_TAKEN,   /* a request without a key is carried out like any other */
    HF_IDEMPOTENT_REQUIRED /* a request without a key is answered 400 */
} hf_idempotency;

struct hf_websocket_event;

/* What a request must pass before its route's handler runs, written beside the route: handfast/guards.h. */
struct hf_guard;
enum { HF_ROUTE_GUARDS = 8, HF_ROUTE_PROTOCOLS = 16 };

/* Whether a route answers requests that came neither over TLS nor, as a proxy that may be believed says, over https. */
typedef enum hf_https {
    HF_HTTPS_AS_SERVER = 0, /* as the whole server does: the library answers them */
    HF_HTTPS_ALWAYS,        /* no: 308 to https at the same host, where the first https listener is: there must be one. Who names no host: 421 */
    HF_HTTPS_NEVER_NEEDED   /* yes, also where the server sends all others to https */
} hf_https;

/* A row of the const route table: data, printable, checked when the server opens. */
typedef struct hf_route {
    const char *method; /* "GET", "POST", ...; NULL with `files`. HEAD and OPTIONS come for free */
    const char *path;   /* "/hello/{name}" (one segment), "/static/{rest...}" (all that follows), "/about". It must be given */
    hf_handler *handle; /* answers. NULL with `files`, `websocket` and `events`, one of which there must be then */
    hf_body_handler *body; /* NULL: the body is gathered, and hf_req_body has it when the handler runs */
    const hf_files *files; /* instead of handle: a folder, or assets, for GET and HEAD; `path` ends in "{rest...}". NULL: none */
    uint64_t max_body;  /* bytes; 0: the limit body_bytes */
    hf_compression compress; /* of answers; HF_COMPRESS_PUBLIC unless it says otherwise */
    hf_body_coding coding; /* of request bodies */
    hf_takes takes;             /* what the body must be */
    hf_upload_handler *upload;  /* with HF_TAKES_FORM: takes the files. NULL: they are held like the other values */
    hf_idempotency idempotency; /* Idempotency-Key, with `handle` and without `body` and `upload` */
    uint64_t handler_ns;        /* until the answer must have begun, where it is given later; 0: the limit handler_ns */
    hf_https https;             /* what becomes of requests over plain HTTP; HF_HTTPS_AS_SERVER unless it says otherwise */
    bool not_early;             /* it changes something although its method is safe: in 0-RTT it is answered with 425 */
    bool raw_query;             /* the query is the handler's own affair: unchecked, and hf_req_query finds nothing */
    /* Live routes (realtime.h), with "GET" and instead of handle */
    hf_err (*websocket)(hf_req *rq, const struct hf_websocket_event *event); /* instead of handle, for each event; messages: at most max_body. NULL: none */
    hf_handler *events;         /* instead of handle: begins an event stream. NULL: none */
    uint64_t every_ns;          /* events: how often it is called; 0: once */
    const char *const *protocols; /* websocket: subprotocols that are spoken here (RFC 6455 1.9); the first that the client
                                     offers is agreed, and hf_socket_protocol says which. Ends with NULL */
    const char *const *origins; /* live routes: pages that may connect beside our own: "https://a.example", or "*" for all;
                                   ends with NULL. Scripts read an event stream of another origin only with a CORS guard, too */
    /* What a page needs besides itself, told over HTTP/2 and later before it is answered: paths with their query, of this
       host ("/app.css"); end with NULL */
    const char *const *hints;   /* named in 103 Early Hints (RFC 8297). NULL: none */
    const char *const *push;    /* pushed to clients that still allow it (RFC 9113 8.4), never twice on a connection, with
                                   the client's own language, coding and cookies; hinted at to all others. NULL: none */
    bool learn_hints;           /* hint at what the last answer for the same path linked to with rel=preload, where that
                                   answer was for everybody: asked for without cookies, and not private */
    struct hf_guard *guards[HF_ROUTE_GUARDS]; /* asked in this order; the first that denies has answered. NULL ends them */
    const hf_limits *limits;    /* begins as a copy of the server's: its body_bytes (where max_body is 0), handler_ns (where that is 0),
                                   body_idle_ns, body_rate, compress_bytes and, with `files`, those of ranges, listings and hot files hold here. NULL: the server's. Lent until close */
    void *context;              /* what hf_req_context answers here. NULL: what the server was opened with */
} hf_route;

/* A row by its usual members, the others zero: for C++ before C++20, which has no designated initialisers. */
static inline hf_route hf_route_make(const char *method, const char *path, hf_handler *handle)
{
    hf_route r;
    memset(&r, 0, sizeof r);
    r.method = method;
    r.path = path;
    r.handle = handle;
    return r;
}

/* An argument of the query or of a form. */
typedef struct hf_value {
    hf_bytes name, value;  /* decoded; may hold any byte. value.ptr is NULL where a name stands without '=' */
    hf_bytes filename;     /* ptr is NULL but for files of a multipart form */
    hf_bytes content_type; /* of a part of a multipart form, as the client said */
} hf_value;

/* ---- the request -------------------------------------------------------------------------------------------- */

/* Method, target and fields as they were sent. Lends until the request is over. */
HF_API const hf_request_head *hf_req_head(const hf_req *rq);
/* The path decoded and with dot segments removed: what routes are matched against. Begins with '/'; never holds NUL. */
HF_API hf_bytes hf_req_path(const hf_req *rq);
/* A path argument by its name in the route, decoded; empty when there is none. */
HF_API hf_bytes hf_path_arg(const hf_req *rq, const char *name);
/* The first argument of the query with this name; empty when there is none. A query that is malformed (a '%' without two
 * hexadecimal digits) or beyond the limits was answered 400 or 414 before any handler ran. */
HF_API hf_bytes hf_req_query(const hf_req *rq, const char *name);
/* The argument after `after` (NULL: the first), in the order they were sent; NULL at the end. */
HF_API const hf_value *hf_req_query_next(const hf_req *rq, const hf_value *after);
/* Likewise the arguments of the body, on routes with HF_TAKES_FORM, once the handler runs (in hf_upload handlers: those
 * that came before). Files that an upload handler took are not among them. */
HF_API hf_bytes hf_req_form(const hf_req *rq, const char *name);
HF_API const hf_value *hf_req_form_next(const hf_req *rq, const hf_value *after);
/* The body as jansson's json_t, on routes with HF_TAKES_JSON; else NULL. Lends until the request is over. */
struct json_t;
HF_API struct json_t *hf_req_json(const hf_req *rq);
/* The whole body, at most the route's max_body (more was answered 413 before the handler ran). Empty where the route
 * has a body handler. Where the route undoes codings, this is what they stood for; the head still names them. */
HF_API hf_bytes hf_req_body(const hf_req *rq);
/* "c1a2b3-7", connection and number: the id in the log, the trace and the error page. */
HF_API hf_bytes hf_req_id(const hf_req *rq);
/* The client's connection is secured by TLS; where `handfast serve` trusts the proxy it came by, as that proxy says. */
HF_API bool hf_req_is_secure(const hf_req *rq);
/* It came in 0-RTT (RFC 8470), here or at a proxy that says so: an attacker may have sent it, again. Its method is safe. */
HF_API bool hf_req_is_early(const hf_req *rq);
/* How TLS protects the connection, as the handshake agreed. What it points to is lent until the request is over. */
typedef struct hf_req_handshake {
    uint16_t version;   /* 0x0304: TLS 1.3; 0x0303: TLS 1.2 */
    const char *suite;  /* "TLS_AES_128_GCM_SHA256" */
    const char *group;  /* of the key exchange, "x25519"; "none" where a session was resumed without one */
    hf_bytes protocol;  /* ALPN, "h2"; empty: none was agreed */
    hf_bytes host;      /* SNI; empty: the client named none */
    hf_bytes client;    /* the subject of the client's certificate; empty: none was shown */
    bool resumed;
    int64_t duration_ns; /* of the handshake; 0 while it is not complete (0-RTT) */
} hf_req_handshake;
/* False: the connection is plain here, whatever a proxy has before it. */
HF_API bool hf_req_handshake_of(const hf_req *rq, hf_req_handshake *handshake);
HF_API hf_wall hf_req_wall(const hf_req *rq);
HF_API hf_time hf_req_now(const hf_req *rq);
/* Its route's, where that has limits of its own. */
HF_API const hf_limits *hf_req_limits(const hf_req *rq);
/* A word of the handler's own, 0 at first: what a body handler counts or keeps for the handler. Lends until the request
 * is over. */
HF_API uint64_t *hf_req_word(hf_req *rq);
/* The value that the server was opened with for its handlers, or the route's own; in an application of `handfast serve`
 * (module.h), what it opened. */
HF_API void *hf_req_context(const hf_req *rq);
/* The nearest request of the same connection that came before, counted: 1 for the first. */
HF_API uint64_t hf_req_number(const hf_req *rq);
/* Memory of the request's arena: freed with the request. NULL when memory or the limit ends. */
HF_API void *hf_req_alloc(hf_req *rq, size_t size);
/* `release(what)` is called once when the answer has left, or the connection died: whatever extents lend until then. */
HF_API hf_err hf_req_hold(hf_req *rq, void (*release)(void *what), void *what);

/* ---- the answer --------------------------------------------------------------------------------------------- */

/* Adds a field to the answer that is to come. Values are copied. */
HF_API hf_err hf_reply_field(hf_req *rq, const char *name, hf_bytes value);
/* The connection ends after this answer. */
HF_API void hf_reply_close(hf_req *rq);
/* The whole answer: status, Content-Type (NULL: none), body. Date is added; Cache-Control: no-store is added to answers
 * to unsafe methods unless the handler gave one. The body is copied. It is compressed if its type is worth it, the
 * client accepts it, and the route's `compress` allows it; not if the handler gave Content-Encoding, Content-Range,
 * Cache-Control: no-transform, or a strong ETag, which stands for these very bytes (a weak one, W/"...", stays true). */
HF_API hf_err hf_reply(hf_req *rq, uint16_t status, const char *content_type, hf_bytes body);
/* text/plain; charset=utf-8, formatted. */
HF_API hf_err hf_reply_text(hf_req *rq, uint16_t status, const char *format, ...) HF_PRINTF(3, 4);
/* The body as extents: `length` is their sum; LENT and FILE extents stay valid by hf_req_hold (their own tokens are
 * not looked at). To a HEAD request the same call is made, and the body stays here. */
HF_API hf_err hf_reply_extents(hf_req *rq, uint16_t status, const hf_extent *extents, size_t count);
HF_API hf_err hf_reply_redirect(hf_req *rq, uint16_t status, hf_bytes location);
/* A problem document (RFC 9457) or, for browsers, a page, that says the rule, what was got, what was wanted and the fix.
 * The status is the error's own unless `status` is not 0. `got` may be empty. */
HF_API hf_err hf_reply_problem(hf_req *rq, uint16_t status, hf_err why, hf_bytes got);

/* A value of jansson as application/json. Takes over the reference, also when it fails; NULL is HF_ERR_BASE_MEMORY, which
 * is what it means where json_pack and its like answer it. HF_ERR_BASE_USAGE: the value holds itself. Text up to 16 MiB. */
HF_API hf_err hf_reply_json(hf_req *rq, uint16_t status, struct json_t *value);

/* A member of a JSON object. */
typedef enum hf_member_kind {
    HF_MEMBER_TEXT,   /* a string of `text`: any bytes; what is no UTF-8 becomes U+FFFD */
    HF_MEMBER_NUMBER, /* `number` */
    HF_MEMBER_SWITCH, /* true unless `number` is 0 */
    HF_MEMBER_NULL,
    HF_MEMBER_JSON    /* `text` is JSON already, and goes as it is */
} hf_member_kind;
typedef struct hf_member {
    const char *name;
    hf_bytes text;
    hf_member_kind kind;
    int64_t number;
} hf_member;

/* An object of these members, in this order, as application/json: for answers that are built for one request and sent, what
 * a tree of jansson's adds to the cost of an answer is three times what this does. */
HF_API hf_err hf_reply_members(hf_req *rq, uint16_t status, const hf_member *members, size_t count);
/* An interim answer (RFC 9110 15.2), as often as wanted before the answer. 1xx but 100 and 101, which are ours. Nothing is
 * sent to clients of HTTP/1.0, which know none. */
HF_API hf_err hf_reply_interim(hf_req *rq, uint16_t status, const hf_field *fields, size_t count);
/* 103 with a Link field ("</style.css>; rel=preload; as=style"): what the client may fetch while we still think. Sent
 * over HTTP/2 and later only: RFC 8297 3 warns that clients of HTTP/1.1 take it for the answer. */
HF_API hf_err hf_reply_early_hint(hf_req *rq, hf_bytes link);
/* Pushes what a GET of `target` ("/app.css?v=2", lent for the call) is answered with, before this request's own answer is
 * begun: the route of that target runs at once. HF_ERR_HTTP2_PUSH, HF_ERR_HTTP3_PUSH: not possible, which is the usual case: it is
 * HTTP/1, the client does not want it, or the target was pushed on this connection before. */
HF_API hf_err hf_req_push(hf_req *rq, hf_bytes target);

/* ---- an answer piece by piece ------------------------------------------------------------------------------- */

/* Begins an answer whose body follows. `length` is the body's, or HF_LENGTH_UNKNOWN. `more` (may be NULL) is called when
 * all that was written has been taken by the connection, first when the handler has returned, until hf_reply_end: a
 * producer writes its next piece there and never runs ahead of the client. When it wrote nothing it is called again
 * after the next write, from wherever. To a HEAD request the answer is complete at once: writes do nothing, and `more` is
 * not called. It is compressed as a whole answer would be, if its length is unknown (who states one promises these bytes):
 * what a handler wrote can be read by the client when the handler has returned. Each such answer needs some 100 KB for as long
 * as it lasts; beyond the limit stream_coding_bytes they leave uncompressed. */
HF_API hf_err hf_reply_begin(hf_req *rq, uint16_t status, const char *content_type, int64_t length, hf_handler *more);
/* Copies. What the connection does not take yet waits: writing just works, up to the limit stream_bytes, beyond which
 * HF_ERR_HTTP_STREAM_FULL is answered and nothing was written. */
HF_API hf_err hf_reply_write(hf_req *rq, hf_bytes piece);
/* Bytes that it is sensible to write now; 0: the client is slower than we are. */
HF_API size_t hf_reply_room(const hf_req *rq);
/* A field after the body (RFC 9110 6.5): only what must be computed from it. Lost where the version or an intermediary
 * has no trailers. */
HF_API hf_err hf_reply_trailer(hf_req *rq, const char *name, hf_bytes value);
/* The body is complete: what waits still leaves. */
HF_API hf_err hf_reply_end(hf_req *rq);

/* ---- later, and from other threads -------------------------------------------------------------------------- */

/* A handler that cannot answer yet takes a ticket, or starts work or an alarm, and returns HF_OK. Until the answer has
 * begun the limit handler_ns runs (or the route's own); then the client is answered 503. Everything of a request belongs
 * to its connection's loop thread: the functions here say which ones other threads may call. */
typedef struct hf_later hf_later;

/* What to do with the request in its loop thread. `rq` is NULL when it is over: then only `what` is to be freed. Runs
 * exactly once. An error is treated as one of the handler; it is ignored when `rq` is NULL. */
typedef hf_err hf_task(hf_req *rq, void *what);

/* Gives a ticket: a reference that outlives the request, harmlessly, and whatever happens to the connection. A ticket
 * that is let go of before the answer has begun is an answer owed by nobody: 500 when it was the last promise. */
HF_API hf_err hf_req_later(hf_req *rq, hf_later **later);
/* From any thread: answers, once. Type (static text, or NULL) and body are copied. HF_ERR_HTTP1_NO_EXCHANGE: answered
 * already, by this ticket; HF_ERR_HTTP_CLIENT_GONE: the request is over; HF_ERR_BASE_LIMIT: the limit messages. */
HF_API hf_err hf_later_answer(hf_later *later, uint16_t status, const char *content_type, hf_bytes body);
/* From any thread: runs `task` in the loop thread. After an error it does not run. */
HF_API hf_err hf_later_run(hf_later *later, hf_task *task, void *what);
/* From any thread: the request is over. It may be so a moment later. */
HF_API bool hf_later_is_over(const hf_later *later);
/* From any thread: one more holder. */
HF_API hf_later *hf_later_keep(hf_later *later);
/* From any thread: one holder less. NULL is fine. */
HF_API void hf_later_drop(hf_later *later);

/* Runs `work(what)` in a thread for work that blocks (limit blocking_threads), then `done` in the loop thread. `work` must
 * not touch the request. HF_ERR_HTTP_BLOCKING_FULL when too much waits already: returned by the handler, it is answered
 * 503. After an error neither runs. In the simulator `work` runs at once. */
HF_API hf_err hf_req_run_blocking(hf_req *rq, void (*work)(void *what), hf_task *done, void *what);
/* Runs `then` after `ns`, in the loop thread. One alarm a request: a second call moves it. */
HF_API hf_err hf_req_after(hf_req *rq, uint64_t ns, hf_handler *then);
/* In body and upload handlers: no more of the body comes until hf_req_resume; the client is held back. The limit
 * handler_ns runs meanwhile. */
HF_API hf_err hf_req_pause(hf_req *rq);
HF_API void hf_req_resume(hf_req *rq);

#ifdef __cplusplus
}
#endif
#endif
