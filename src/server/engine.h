/* SPDX-License-Identifier: Apache-2.0
 *
 * engine: the loop threads of one serving process, from start to drain. The program's serving process and the embedded
 * library both run on it.
 */
#ifndef HF_SERVER_ENGINE_H
#define HF_SERVER_ENGINE_H

#include "uring.h"
#include "worker.h"

/* A bound, listening descriptor and its address. */
typedef struct hf_listening {
    int fd;
    hf_address at;
} hf_listening;

typedef struct hf_engine_options {
    const hf_route *routes; /* lent until close */
    size_t route_count;
    const hf_site *sites;   /* lent likewise; NULL: the routes are for every host */
    size_t site_count;
    const hf_host *hosts;   /* sorted (hf_hosts_sort); lent likewise */
    size_t host_count;
    void *context;          /* hf_req_context */
    const char *server_name;
    hf_bytes error_page;
    const char *error_page_policy;
    const hf_limits *limits; /* lent until close */
    const hf_listening *listeners;
    size_t listener_count;
    uint32_t threads; /* 0: the CPUs this process may use */
    hf_loop_kind loop;
    hf_access_log *access_log;
} hf_engine_options;

typedef struct hf_engine hf_engine;

/* Checks the routes and makes ready; nothing is accepted yet. NULL, *err, and every reason in `why`. */
hf_engine *hf_engine_open(const hf_engine_options *options, hf_err *err, hf_writer *why);
/* Starts the threads. Where one cannot be made, `why` says so; those that were run until drain and join. */
hf_err hf_engine_start(hf_engine *e, hf_writer *why);
/* Tells every thread to drain. Safe from a signal-waiting thread. */
void hf_engine_drain(hf_engine *e);
/* Waits until every thread has drained. */
void hf_engine_join(hf_engine *e);
void hf_engine_close(hf_engine *e);
uint32_t hf_engine_threads(const hf_engine *e);

#endif
