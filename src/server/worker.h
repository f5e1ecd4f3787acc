/* SPDX-License-Identifier: Apache-2.0
 *
 * worker: one loop thread's connections, from accept to the last byte. It stands on hf_io, so it runs on the kernel and
 * in the simulator alike.
 */
#ifndef HF_SERVER_WORKER_H
#define HF_SERVER_WORKER_H

#include "access_log.h"
#include "allocator.h"
#include "census.h"
#include "io.h"
#include "service.h"

/* Shared by all workers of a process; constant while they run, but for what is atomic. */
typedef struct hf_worker_config {
    const hf_app *app;
    const hf_limits *limits;
    const hf_route *routes; /* to open the files they name, once per worker */
    size_t route_count;
    hf_census *census;
    const hf_allocator_counted *memory; /* whose `held` memory_bytes bounds; NULL: not bounded */
    hf_access_log *access_log;          /* NULL: none */
} hf_worker_config;

typedef struct hf_worker hf_worker;

/* Lends `env`, `io` and `config` for life. NULL and *err when a folder cannot be opened or memory ends. */
hf_worker *hf_worker_new(const hf_env *env, hf_io *io, const hf_worker_config *config, hf_err *err);
/* Cuts whatever is open. */
void hf_worker_free(hf_worker *w);
/* Waits until something happens, or the clock reads `until`, and deals with it. */
void hf_worker_turn(hf_worker *w, hf_time until);
/* When turn must be called although nothing happened. */
hf_time hf_worker_wake(const hf_worker *w);
/* Accepts no more, finishes what is under way, and cuts the rest after the limit drain_ns. */
void hf_worker_drain(hf_worker *w);
bool hf_worker_is_done(const hf_worker *w);
size_t hf_worker_connections(const hf_worker *w);

#endif
