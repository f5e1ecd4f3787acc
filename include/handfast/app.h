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
    HF_COMPRESS_PUBLIC, /* unless the request has Cookie, Authorization or Proxy-Authorization, or the answer Set-Cookie */
    HF_COMPRESS_ALWAYS, /* then too: no answer of this route holds both a secret and something that the request said */
    HF_COMPRESS_NEVER   /* holds a secret that no such field tells of, such as a token in the path */
} hf_compression;

/* What becomes of request bodies with a Content-Encoding. */
typedef enum hf_body_coding {
    HF_CODING_REFUSED, /* answered 415: a handler that looks for JSON finds JSON */
    HF_CODING_UNDONE,  /* gzip, br and zstd (those built in) are undone as the body arrives; others are answered 415.
                          max_body bounds what it becomes, too, and the limit body_ratio how much it may grow */
    HF_CODING_KEPT     /* the handler gets the bytes as they were sent, and looks at Content-Encoding itself */
} hf_body_coding;

/* A row of the const route table: data, printable, checked when the server opens. */
typedef struct hf_route {
    const char *method; /* "GET", "POST", ...; NULL with `files`. HEAD and OPTIONS come for free */
    const char *path;   /* "/hello/{name}" (one segment), "/static/{rest...}" (all that follows), "/about" */
    hf_handler *handle;
    hf_body_handler *body; /* NULL: the body is gathered, and hf_req_body has it when the handler runs */
    const hf_files *files; /* instead of handle: a folder, or assets, for GET and HEAD; `path` ends in "{rest...}" */
    uint64_t max_body;  /* bytes; 0: the limit body_bytes */
    hf_compression compress;
    hf_body_coding coding; /* of request bodies */
} hf_route;

/* ---- the request -------------------------------------------------------------------------------------------- */

HF_API const hf_request_head *hf_req_head(const hf_req *rq);
/* The path decoded and with dot segments removed: what routes are matched against. Begins with '/'; never holds NUL. */
HF_API hf_bytes hf_req_path(const hf_req *rq);
/* A path argument by its name in the route, decoded; empty when there is none. */
HF_API hf_bytes hf_path_arg(const hf_req *rq, const char *name);
/* The whole body, at most the route's max_body (more was answered 413 before the handler ran). Empty where the route
 * has a body handler. Where the route undoes codings, this is what they stood for; the head still names them. */
HF_API hf_bytes hf_req_body(const hf_req *rq);
/* "c1a2b3-7", connection and number: the id in the log, the trace and the error page. */
HF_API hf_bytes hf_req_id(const hf_req *rq);
HF_API hf_wall hf_req_wall(const hf_req *rq);
HF_API hf_time hf_req_now(const hf_req *rq);
HF_API const hf_limits *hf_req_limits(const hf_req *rq);
/* A word of the handler's own, 0 at first: what a body handler counts or keeps for the handler. Lends until the request
 * is over. */
HF_API uint64_t *hf_req_word(hf_req *rq);
/* The value that the server was opened with for its handlers. */
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

#ifdef __cplusplus
}
#endif
#endif
