/* SPDX-License-Identifier: Apache-2.0
 *
 * The serving part of the real server on a simulated host: worker, service, router and the routes' own handlers, as one
 * loop thread runs them on the kernel.
 */
#ifndef HF_LAB_LAB_WORKER_H
#define HF_LAB_LAB_WORKER_H

#include "sim.h"
#include "text.h"
#include "worker.h"

/* Must stay where it was opened. */
typedef struct hf_lab_worker {
    hf_env env;
    hf_io *io;
    hf_router *router;
    hf_app app;
    hf_census *census;
    hf_worker_config config;
    hf_worker *worker;
} hf_lab_worker;

typedef struct hf_lab_worker_options {
    const hf_route *routes; /* lent until close */
    size_t route_count;
    void *context;
    uint16_t port;
} hf_lab_worker_options;

/* Lends `env` what it points to. What is wrong with the routes is told in `why`, one line each. Undo with close in every
 * case. */
hf_err hf_lab_worker_open(hf_lab_worker *w, const hf_env *env, hf_io *io, const hf_lab_worker_options *options, hf_writer *why);
hf_program hf_lab_worker_program(hf_lab_worker *w);
void hf_lab_worker_drain(hf_lab_worker *w);
/* Frees all, as if the process ended. */
void hf_lab_worker_close(hf_lab_worker *w);

#endif
