/* SPDX-License-Identifier: Apache-2.0
 *
 * service: turns the events of a connection into calls of handlers, and holds every request to its method's contract.
 * One hf_app for all threads (const after open), one hf_service a thread, one hf_dialog a connection.
 */
#ifndef HF_APP_SERVICE_H
#define HF_APP_SERVICE_H

#include <handfast/app.h>

#include "arena.h"
#include "hosts.h"
#include "io.h"
#include "queue.h"
#include "router.h"
#include "web.h"

/* What all threads share; nothing in it changes while it is in use. */
typedef struct hf_app {
    const hf_router *router;
    const hf_sites *sites;   /* not NULL: the router is that of the request's host; who is in none is answered 421 */
    const char *server_name; /* the Server field; NULL: none */
    hf_bytes error_page;     /* template with {{status}} and its like; empty: a plain one */
    const char *error_page_policy; /* its Content-Security-Policy; NULL: none */
    void *context;           /* hf_req_context */
    struct hf_pool *pool;    /* for blocking work; NULL: it runs at once, in the loop thread */
    struct hf_idempotency_store *idempotency; /* NULL: keys are not looked at */
    struct hf_topics *topics; /* NULL: there are none */
    uint16_t https_port;     /* where routes are served that need https; 0: at the usual port */
    bool terse;              /* no guard explains a denial, whatever it says of itself */
    /* What outlives its request holds what the handlers stand on: from any thread. May be NULL, where nothing does. */
    void (*keep)(void *self), (*leave)(void *self);
    void *self;
} hf_app;

static inline const hf_app *hf_app_keep(const hf_app *a)
{
    if (a->keep != NULL)
        a->keep(a->self);
    return a;
}

static inline void hf_app_leave(const hf_app *a)
{
    if (a->leave != NULL)
        a->leave(a->self);
}

/* What the room above does for a service. */
typedef struct hf_dialog hf_dialog;
/* From where a request comes. */
typedef struct hf_req_source {
    hf_address client;
    bool secure; /* over TLS, as far as its client is concerned */
} hf_req_source;
typedef struct hf_service_hooks {
    void *self;
    /* Answers from files: the route has `files`; `rest` is the path below it. */
    hf_err (*answer_files)(void *self, const hf_files *files, hf_req *rq, hf_bytes rest);
    /* A custom page for an error, before the built-in one: true when it answered. May be NULL. */
    bool (*answer_error)(void *self, hf_req *rq, uint16_t status);
    /* The request is over: for the access log and the counters. Where `unlogged` is, only the head's numbers may be left. */
    void (*done)(void *self, const hf_req *rq);
    bool unlogged;
    /* Something was done for the connection outside its events: step it, and ask hf_dialog_wake again. Not called while the
     * connection is being stepped. May be NULL, where nothing is answered later. */
    void (*stir)(void *self, hf_dialog *d);
    /* What proxies that may be believed say of it: *source is the connection's own at first. NULL: there are none. */
    void (*source)(void *self, const hf_req *rq, hf_req_source *source);
} hf_service_hooks;

/* Those lines with a Content-Type behind them, made in the second `dated`. */
enum { HF_TYPED_LINES = 4 };
typedef struct hf_typed_lines {
    hf_wall dated;
    uint8_t type_length; /* 0: none */
    uint8_t type[63];
    uint8_t lines[256];
    size_t length;
} hf_typed_lines;

/* What a request needs until its answer is under way. A live one (a WebSocket, an event stream) gives it back then. */
typedef struct hf_req_room {
    hf_route_match match;
    hf_field fields[32];
    _Alignas(16) uint8_t near[2048]; /* the arena's first bytes, without an allocation */
} hf_req_room;

enum { HF_SPARE_SOCKETS = 8 };

typedef struct hf_service {
    const hf_env *env;
    const hf_app *app;
    hf_service_hooks hooks;
    hf_time now;
    hf_wall wall;
    uint8_t date[29]; /* of wall, ready to send */
    hf_wall dated;
    uint8_t lines[160];  /* Date, Server, and Cache-Control: no-cache, as HTTP/1 sends them */
    size_t lines_length; /* without Cache-Control; 0: they do not fit, or must not leave unchecked */
    size_t lines_ruled;  /* with it */
    hf_typed_lines typed[HF_TYPED_LINES];
    hf_req *spare;    /* requests to use again, with their rooms */
    size_t spares;
    hf_req_room *spare_room; /* one that a live request gave back. NULL: there is none */
    size_t open;      /* requests that are not over */
    bool refusing;    /* the limit memory_bytes is near: new requests are answered 503 */
    struct hf_hints *hints;   /* what answers linked to (hints.h); NULL: nothing yet */
    struct hf_mailbox *mailbox; /* of the loop; lent. NULL: nothing is answered later */
    struct hf_topics_member *topics; /* of the thread; lent. NULL: there are none */
    uint64_t coders; /* bytes that the compressors of answers under way hold */
    struct hf_crypto *crypto;   /* for WebSocket handshakes; made when it is first needed */
    struct hf_websocket *sockets[HF_SPARE_SOCKETS]; /* cores that no WebSocket needs at the moment */
    size_t socket_count;
} hf_service;

/* One connection as the application sees it. */
struct hf_dialog {
    hf_service *service;
    hf_web *web;
    uint64_t id;
    hf_address peer;
    hf_req *open;      /* requests that are not over, newest first */
    uint64_t requests; /* so far */
    bool promising;    /* a promised request is being begun: it promises and hints at nothing itself */
    uint16_t http3_port; /* not 0: HTTP/3 is served at this port of the same host, and answers say so (Alt-Svc) */
    uint16_t https_port; /* not 0: every request is sent on to https at this port of the same host */
    hf_err refusal;    /* a limit is reached: every request is answered with this, and the connection closes */
};

struct hf_req {
    hf_service *service;
    hf_dialog *dialog;
    hf_req *next;
    hf_exchange exchange;
    uint64_t number;
    hf_bytes path;
    hf_bytes user; /* whom the request says to be, for the log; lent by the request's memory */
    hf_time began;
    uint64_t body_seen, body_limit;
    uint64_t sent; /* body bytes of the answer */
    uint64_t word;
    hf_queue body;
    struct hf_decompressor *decoder; /* of the body's coding; NULL: it has none, or the route keeps it */
    hf_err error; /* the refusal, for the log */
    const struct hf_why *why; /* of a guard that denied: got and wanted, for the log; in the request's memory. NULL: none */
    uint16_t status;
    bool head_kept;      /* head and path live in the arena */
    bool complete;       /* the request has arrived whole */
    bool refused;        /* its rest is read and thrown away */
    bool answered;       /* a final answer was begun */
    bool answer_ended;
    bool waits_for_sent; /* what the answer lends has not left */
    bool close;
    bool headless;       /* the core refused it: there is no head but what the log may show of it */
    bool versioned;      /* of that the version came, too */
    bool early;          /* it came in 0-RTT, or says that it did on its way: it may be a replay */
    bool lasting;        /* a live one: what lies in its room is not needed for long */
    size_t field_count, field_floor; /* of the answer; the guards' own stay on every answer */
    struct hf_hold *holds;
    struct hf_req_more *more; /* what few requests need (request.h) */
    hf_extent *pending; /* what put did not take yet */
    size_t pending_count;
    hf_bytes id;
    hf_arena arena;
    size_t near_used;
    hf_bytes lines; /* hf_req_lines */
    struct {
        const hf_route *route; /* as in hf_route_match */
        const hf_path_argument *arguments;
        uint32_t methods, argument_count;
    } match;
    /* What stands below is not zero at first. */
    hf_req_room *room; /* NULL: it was given back */
    hf_request_head head;
};

void hf_service_init(hf_service *s, const hf_env *env, const hf_app *app, const hf_service_hooks *hooks);
void hf_service_fini(hf_service *s);
/* Once a turn. */
void hf_service_tick(hf_service *s, hf_time now, hf_wall wall);

/* Deals with one event of the dialog's connection. */
void hf_dialog_event(hf_dialog *d, const hf_web_event *event);
/* The exchange was promised: begins it as if `head`, lent for the call, had been asked for. */
void hf_dialog_promised(hf_dialog *d, hf_exchange x, const hf_request_head *head);
/* The connection is gone: every request that is open ends with `why`. */
void hf_dialog_close(hf_dialog *d, hf_err why);

/* The server finishes: live routes are told to come back elsewhere (WebSockets by 1001, event streams by their end). */
void hf_dialog_drain(hf_dialog *d);

/* What requests wait for: call tick when the service's time has reached wake. */
hf_time hf_dialog_wake(const hf_dialog *d);
void hf_dialog_tick(hf_dialog *d);

/* ---- between service.c, reply.c and problem.c --------------------------------------------------------------- */

/* Sends the rest of what put did not take, and ends the answer when it was all. */
void hf_req_pump(hf_req *rq);
/* Something was done for the request: what waited for it goes on. True when it is over and gone. */
bool hf_req_after_event(hf_req *rq);
/* Gives the request up in mid-answer: a cut answer must not look whole. */
void hf_req_cut(hf_req *rq, hf_err why);
/* For the log, which tells the first error of a request: the answer is another than was asked for, and none is refused. */
void hf_req_remark(hf_req *rq, hf_err what);
/* A field of the answer whose value is lent until the answer was begun, by hf_reply_extents or hf_reply: nothing is copied.
 * The core that writes the head checks the value. */
hf_err hf_req_field(hf_req *rq, hf_field_id id, hf_bytes value);
/* Ready-made field lines of our own for the answer that is begun next, lent likewise; may this request have them? Not in
 * HTTP/3. Nobody looks into them: there must be no Date, Server or Cache-Control among them. */
bool hf_req_lines(hf_req *rq, hf_bytes lines);
/* May the answer's body be a file that is in memory, with a front (io/file.h)? Else it is to be lent as memory. */
bool hf_req_takes_fronts(const hf_req *rq);
/* From where the request comes, as far as those say that may be believed. */
hf_req_source hf_req_source_of(const hf_req *rq);
/* The route's handler or files answer; the guards let it in. */
hf_err hf_req_proceed(hf_req *rq);
/* Bytes of the request's memory, uninitialised. */
void *hf_req_memory(hf_req *rq, size_t size);
/* The same, not needed any more once the answer's head was handed on, which it was not yet. */
void *hf_req_brief_memory(hf_req *rq, size_t size);

#endif
