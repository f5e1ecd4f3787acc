/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/sim.h - your own routes on a simulated network: virtual time, loss and delay, all from one seed.
 *
 *     hf_sim *sim = NULL;
 *     hf_err err = hf_sim_server(&sim, &(hf_sim_options){ .routes = routes, .route_count = HF_COUNT(routes), .seed = 7,
 *         .network = { .loss = 50000, .delay_ns = HF_MILLISECONDS(20) } });
 *     hf_sim_client *client = hf_sim_client_new(sim);
 *     const hf_sim_answer *a = hf_sim_ask(client, &(hf_sim_request){ .target = "/hello/you" });
 *     assert(a->err.code == 0 && a->status == 200);
 *     hf_sim_close(sim);
 *
 * The server is the one that serves on the kernel; the network below it is not. The same seed and the same calls give the
 * same run to the last byte (hf_sim_trace), so a failure that a seed has shown is shown again by it. Handlers run in the
 * calling thread; work for other threads (hf_req_run_blocking) runs at once. Nothing here waits: hours pass in a blink.
 *
 * Everything belongs to the thread that opened it. What cannot be had for want of memory panics.
 */
#ifndef HANDFAST_SIM_H
#define HANDFAST_SIM_H

#include "app.h"
#include "client.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_sim hf_sim;
typedef struct hf_sim_client hf_sim_client;

/* The links between every client and the server, alike in both directions. Chances are parts in a million, for each packet
 * of up to 1500 bytes. */
typedef struct hf_sim_network {
    uint32_t loss, duplicate, reorder, corrupt;
    int64_t delay_ns;  /* one way; 0: 1 ms */
    int64_t jitter_ns; /* up to this much more, for each packet */
    uint64_t rate;     /* bits per second; 0: no bound */
    bool down;         /* nothing arrives */
} hf_sim_network;

typedef struct hf_sim_options {
    const hf_route *routes; /* must be given. Lent until close */
    size_t route_count;
    void *context;           /* what hf_req_context answers; may be NULL */
    const hf_limits *limits; /* NULL: the defaults. Lent until close */
    uint64_t seed;           /* the same seed, the same run; 0 is one like the others */
    hf_sim_network network;  /* what it loses and how long it takes; zero: nothing, and 1 ms */
} hf_sim_options;

/* A server with these routes, alone in its world. On failure *sim is still to be closed, and hf_sim_why tells every reason.
 * Errors: HF_ERR_BASE_USAGE (a wrong route), what opening a folder says. */
HF_API hf_err hf_sim_server(hf_sim **sim, const hf_sim_options *options);
/* The reasons why that failed, one a line. Lends until close. */
HF_API const char *hf_sim_why(const hf_sim *sim);
/* Frees server, clients and answers. NULL is fine. */
HF_API void hf_sim_close(hf_sim *sim);

/* ---- time and faults ---------------------------------------------------------------------------------------- */

/* Lets `ns` of virtual time pass. */
HF_API void hf_sim_run(hf_sim *sim, int64_t ns);
/* Nanoseconds since the world began. */
HF_API int64_t hf_sim_elapsed(const hf_sim *sim);
/* From now on the network is this. */
HF_API void hf_sim_network_set(hf_sim *sim, const hf_sim_network *network);
/* The server dies as by kill -9, and is there again at once: connections are reset, what handlers kept in `context` stays. */
HF_API void hf_sim_kill(hf_sim *sim);
/* What everything that has happened folds to: equal where all was equal. */
HF_API uint64_t hf_sim_trace(const hf_sim *sim);

/* ---- clients ------------------------------------------------------------------------------------------------ */

typedef struct hf_sim_request {
    const char *method; /* NULL: GET, or POST with a body */
    const char *target; /* "/notes?page=2" */
    const hf_field *fields; /* but Host and those of framing, which are added */
    size_t field_count;
    const char *content_type; /* NULL: none */
    hf_bytes body;
} hf_sim_request;

/* What came of a request. */
typedef struct hf_sim_answer {
    hf_err err;      /* not HF_OK: the connection failed before the answer was whole (a reset, a timeout, a lost server) */
    uint16_t status; /* 0: not even a head came */
    hf_fields fields;
    hf_bytes body;
    int64_t took_ns; /* virtual */
} hf_sim_answer;

/* A client on a host of its own, with one HTTP/1.1 connection, made when it is needed and kept while it can be. At most 30
 * in one world: NULL beyond. */
HF_API hf_sim_client *hf_sim_client_new(hf_sim *sim);
/* Asks, and lets time pass until the answer is there or has failed; a server that never answers is given up after an hour.
 * Lends the answer until the client's next request. */
HF_API const hf_sim_answer *hf_sim_ask(hf_sim_client *client, const hf_sim_request *request);
/* Asks, and lets no time pass: for requests of several clients at once. The one before must be over. Copies. */
HF_API void hf_sim_begin(hf_sim_client *client, const hf_sim_request *request);
/* The answer to what was begun; NULL: it is not there yet. */
HF_API const hf_sim_answer *hf_sim_answer_of(hf_sim_client *client);
/* Lets time pass until it is there or has failed. */
HF_API const hf_sim_answer *hf_sim_finish(hf_sim_client *client);
/* Cuts its connection: a request under way fails. */
HF_API void hf_sim_hang_up(hf_sim_client *client);

/* ---- your own client code ----------------------------------------------------------------------------------- */

/* A client of handfast/client.h on a host of its own: code that is written against that runs here as it runs on the kernel, and its
 * waiting is virtual. Every http:// URL leads to the server; https:// and HTTP/3 are not spoken here, and aliases, proxies and own_loop
 * of the options (NULL: the defaults) mean nothing. Close it, before the simulation. Errors: those of hf_client_open; HF_ERR_BASE_LIMIT:
 * 30 clients are there already. */
HF_API hf_err hf_sim_open_client(hf_sim *sim, hf_client **client, const hf_client_options *options);

#ifdef __cplusplus
}
#endif
#endif
