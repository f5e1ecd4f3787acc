/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/server.h - a complete web endpoint in your own program.
 *
 *     static hf_err hello(hf_req *rq) { return hf_reply_text(rq, 200, "hello, %.*s\n", HF_STR(hf_path_arg(rq, "name"))); }
 *     static const hf_route routes[] = { { "GET", "/hello/{name}", .handle = hello } };
 *
 *     hf_server *server = NULL;
 *     hf_err err = hf_server_open(&server, &(hf_server_options){
 *         .listen = { "http://localhost:8080" }, .routes = routes, .route_count = HF_COUNT(routes) });
 *     if (err.code == 0) err = hf_server_run(server);
 *     hf_server_close(server);
 *
 * Threads only, no processes: a program that wants a supervisor has one, or runs `handfast serve`.
 */
#ifndef HANDFAST_SERVER_H
#define HANDFAST_SERVER_H

#include "app.h"
#include "realtime.h"
#include "store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_server hf_server;

/* What the loops wait with. */
typedef enum hf_server_io {
    HF_SERVER_IO_AUTO,  /* io_uring where it is to be had, else epoll; with own_loop epoll */
    HF_SERVER_IO_EPOLL,
    HF_SERVER_IO_URING  /* fails where it is not to be had. With own_loop all turns are made by the thread that made the first, and
                           when the server is closed, the kernel interrupts what that thread waits in, once (EINTR) */
} hf_server_io;

/* PEM files: a chain, leaf first, and its private key, not encrypted. */
typedef struct hf_server_identity {
    const char *certificate, *key;
} hf_server_identity;

/* Zero is the secure default of every member. */
typedef struct hf_server_options {
    /* "http://localhost:8080", "https://0.0.0.0:443"; as for `handfast serve --listen`. Port 0 asks the system for a free one
     * (hf_server_port). At least one. */
    const char *listen[8];
    const hf_route *routes; /* at least one. Lent until close */
    size_t route_count;
    void *context;          /* what hf_req_context answers; may be NULL */
    const hf_topic_rule *topics; /* what is different about some topics (topic.h); NULL: nothing. Lent until close */
    size_t topic_count;
    const char *topics_redis; /* servers with the same Redis (5 or later) share their topics: "redis://[user:password@]host[:port][/database]",
                                 "unix:///path[?db=database]". What one publishes all tell, in one order; who comes back to another is
                                 told what was missed. NULL: topics are this server's own. Lent until close */
    const char *topics_file; /* a file of SQLite in which the history of topics outlives the process: what is published is in it before
                                anybody is told, so who comes back after a restart, or a kill, is told what was missed. One server has it at a
                                time. Not together with topics_redis. NULL: histories end with the process. Lent until close */
    const hf_key_store *keys; /* where answers are kept by Idempotency-Key beside the memory, so that they outlive the process:
                                 hf_sqlite_keys_open (store.h), or one of your own. NULL: in memory alone. Lent until close */
    uint32_t threads;       /* 0: as many as the CPUs that the process may use */
    const hf_limits *limits; /* NULL: the defaults. Lent until close */
    /* For https listeners, by the names in them; the first for whoever asks for another name. Read at open; keys are used in
     * this process (`handfast serve` has one of its own for them). Clients get tickets, whose keys live as long as the server. */
    hf_server_identity identities[8];
    bool early_data;        /* 0-RTT (RFC 8470): clients that come again send a request with their first bytes, which an attacker
                               may repeat. Safe methods are answered so (hf_req_is_early), others with 425 */
    bool no_http3;          /* https listeners serve HTTP/3 too, by UDP at the same port, unless told not to */
    hf_server_io io;        /* what the loops wait with */
    /* No loop threads: the program has a loop, and calls hf_server_turn from it (below). Handlers run in that thread.
     * `threads` is 0 or 1 then. Threads for blocking work are made all the same. Ignore SIGPIPE, before
     * the first turn and for good: where it would end the process then, files are copied to the network rather than lent. */
    bool own_loop;
} hf_server_options;

/* Checks everything, binds, and starts nothing. On failure *server is still to be closed, and hf_server_why tells every
 * reason. Errors: HF_ERR_BASE_USAGE (a wrong route), HF_ERR_IO_ADDRESS_SYNTAX, HF_ERR_IO_* (what the system refused), memory. */
HF_API hf_err hf_server_open(hf_server **server, const hf_server_options *options);
/* The reasons why open failed, one a line; the last ends without a new line. Lends until close. */
HF_API const char *hf_server_why(const hf_server *server);
/* Starts the threads and returns. */
HF_API hf_err hf_server_start(hf_server *server);
/* Finishes what is under way (at most the limit drain_ns), then the threads end. From any thread. */
HF_API void hf_server_stop(hf_server *server);
/* Starts, waits for SIGTERM or SIGINT, stops. Blocks these two signals in the calling thread meanwhile. */
HF_API hf_err hf_server_run(hf_server *server);
/* Stops if it runs, and frees. NULL is fine. */
HF_API void hf_server_close(hf_server *server);

/* ---- a loop of your own: with options.own_loop, instead of start and run ----------------------------------------- */

/* A descriptor to wait on beside your own, for reading: poll, epoll, or what your framework has. It stays the same. */
HF_API int hf_server_fd(const hf_server *server);
/* How long you may wait for it, in nanoseconds: 0 when a turn is due, -1 when there is no hurry. Ask before each wait. */
HF_API int64_t hf_server_wait_ns(const hf_server *server);
/* Does what is due, and waits for nothing. True until hf_server_stop was called and all that was under way is finished. */
HF_API bool hf_server_turn(hf_server *server);

/* Where any thread publishes: hf_topics_publish (realtime.h). Lends until close; NULL where open failed. */
HF_API hf_topics *hf_server_topics(const hf_server *server);

/* The port of listener `index`, as bound; 0 past the end. */
HF_API uint16_t hf_server_port(const hf_server *server, size_t index);

#ifdef __cplusplus
}
#endif
#endif
