/* SPDX-License-Identifier: Apache-2.0
 *
 * supervisor: holds the listeners, starts the serving process, and starts it again when it dies. The listeners stay open
 * meanwhile: connections wait in the kernel, none is refused. It binds what a reload asks for, and tells a service manager
 * how things stand.
 */
#ifndef HF_SERVER_SUPERVISOR_H
#define HF_SERVER_SUPERVISOR_H

#include <signal.h>
#include <sys/types.h>

#include "changes.h"
#include "link.h"
#include "logs.h"
#include "module_file.h"
#include "secrets.h"
#include "serving_confine.h"

typedef struct hf_supervisor {
    const hf_serve_options *options; /* those in force */
    hf_loaded *loaded;               /* when a reload brought them */
    hf_door door;                    /* of our own network stack; kind HF_DOOR_NONE: there is none */
    hf_listen_set listening;
    bool bound[HF_SERVE_LISTENERS];  /* of the options' listeners, at the start */
    hf_listen_set wanted;            /* by the reload that goes on */
    bool fresh[HF_LISTEN_SOCKETS];   /* of `wanted` */
    bool changing;                   /* `wanted` says something */
    hf_logs *logs;
    hf_secrets secrets;
    int admin;                       /* -1: none */
    int recording;                   /* -1: none */
    hf_tapes *tapes;                 /* NULL: none */
    const char *tapes_folder;        /* of tapes */
    sigset_t signals;                /* blocked */
    hf_refused_call *refused;        /* where the child says what it was refused */
    hf_module_fall *fall;            /* and in which application's code it fell */
    pid_t child;
    int link;                        /* to the child; -1: none */
    uint64_t generation, restarts;
    int64_t watchdog_ns;
    int64_t look_ns; /* when secrets are looked after again */
    bool stopping;
    bool has_served; /* it could begin once, so what keeps it from beginning again will pass */
    int64_t started_ns;
    unsigned quick_deaths; /* in a row */
} hf_supervisor;

/* Until it is over. Answers an exit status. */
int hf_supervise(hf_supervisor *v);

#endif
