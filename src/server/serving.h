/* SPDX-License-Identifier: Apache-2.0
 *
 * serving: the process in which connections live. The loop threads serve; one thread waits for signals; one answers the
 * admin socket. A configuration is read again here, and taken over whole or not at all.
 */
#ifndef HF_SERVER_SERVING_H
#define HF_SERVER_SERVING_H

#include "engine.h"
#include "link.h"
#include "logs.h"
#include "module_file.h"
#include "secrets.h"
#include "serve.h"
#include "serving_confine.h"

typedef struct hf_serving hf_serving;

/* The serving process says so with its exit status when it could not begin: starting it again would not help. */
enum { HF_SERVING_CANNOT_BEGIN = 1 };

typedef struct hf_serving_start {
    const hf_serve_options *options; /* lent for life, as all of these */
    const hf_door *door;             /* NULL: the kernel's network */
    hf_listen_set *listening;        /* closed once the loops have descriptors of their own */
    hf_logs *logs;                   /* given */
    const sigset_t *signals;         /* blocked, and waited for */
    hf_secure *secure;               /* a reference that it takes; NULL: no TLS */
    const hf_secrets *secrets;       /* what is left of them here */
    int link;                        /* to the supervisor; -1: none */
    int admin;                       /* a listening descriptor; -1: none */
    hf_refused_call *refused;        /* where to say which system call was refused */
    hf_module_fall *fall;            /* where to say in whose code it fell */
    hf_tapes *tapes;                 /* NULL: no connection is recorded */
    int recording;                   /* a new file, open for writing; -1: nothing is recorded */
    uint64_t generation, restarts;
    int64_t watchdog_ns;             /* how often to say ALIVE; 0: never */
} hf_serving_start;

/* Serves until SIGTERM or SIGINT has been obeyed. Answers an exit status. */
int hf_serving_run(const hf_serving_start *start);

/* The route of the files that options without a configuration name; and these options but for listeners and TLS. Lend them. */
hf_route hf_serving_site(const hf_serve_options *options);
hf_engine_options hf_serving_options(const hf_serve_options *options, hf_access_log *log);

/* How a reload went. */
typedef struct hf_reload {
    bool accepted;
    uint64_t generation; /* that serves now */
    char *changes;       /* a line each; when it was refused, the reasons. Never NULL, but "" when memory ended */
    size_t change_count;
    uint64_t connections; /* kept */
    uint64_t orphans;     /* of them, that came by listeners that are closed now */
    size_t generations;   /* that still serve somebody */
} hf_reload;

/* Reads the configuration again and takes it over. From any thread but a loop's; one at a time. */
void hf_serving_reload(hf_serving *s, hf_reload *result);
void hf_reload_fini(hf_reload *r);

/* ---- for the admin socket --------------------------------------------------------------------------------------- */

typedef struct hf_serving_status {
    const hf_serve_options *options; /* lent while `lock` is held */
    uint64_t generation, restarts, reloads_accepted, reloads_refused;
    int64_t started_s, loaded_s; /* since 1970 */
    hf_listen_set listening;
    uint64_t log_dropped;
} hf_serving_status;

hf_engine *hf_serving_engine(hf_serving *s);
/* Fills it, and holds reloads off until hf_serving_release. */
void hf_serving_hold(hf_serving *s, hf_serving_status *status);
void hf_serving_release(hf_serving *s);

#endif
