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
#include "counts.h"
#include "io.h"
#include "proxy_header.h"
#include "secure.h"
#include "service.h"
#include "tapes.h"
#include "tcp_facts.h"

/* One generation of what is served. Shared by all workers of a process, and constant but for what is atomic. */
/* Which log a request goes to, where they do not all go to one. */
typedef struct hf_log_plan {
    const hf_log_use *uses; /* those of single sites and routes */
    size_t count;
    const uint32_t *routes, *sites; /* for each: 0 for access_log, n for uses[n - 1]. A site's is for what none of its routes answers */
    const hf_host *hosts; /* sorted: whose the sites are */
    size_t host_count;
} hf_log_plan;

/* Of a listener: who begins connections there with a PROXY header, whatever holds elsewhere. */
typedef struct hf_listener_rule {
    hf_address at;
    const hf_network *proxy_from;
    size_t proxy_from_count;
} hf_listener_rule;

typedef struct hf_worker_config {
    const hf_app *app;
    const hf_limits *limits;
    const hf_route *routes; /* to open the files they name, once per worker */
    size_t route_count;
    hf_census *census;
    const hf_allocator_counted *memory; /* whose `held` memory_bytes bounds; NULL: not bounded */
    hf_access_log *access_log;          /* NULL: none */
    const hf_log_plan *logs;            /* NULL: access_log has all requests */
    hf_tapes *tapes;                    /* where connections are recorded, the same in every generation; NULL: nowhere */
    hf_secure *secure;                  /* for listeners whose owner is hf_worker_secure; NULL: there are none */
    bool http3;                         /* QUIC clients are taken where there are sockets for them, and others told of it */
    hf_address preferred[2];            /* where they are asked to go on (RFC 9000 9.6): of IPv4, of IPv6; family 0: where they are */
    uint16_t redirect_port;             /* requests to other listeners are sent to https at this port; 0: they are answered */
    /* Who begins connections with a PROXY header, and whose Forwarded and X-Forwarded-For are believed. */
    const hf_network *proxy_from, *trusted;
    size_t proxy_from_count, trusted_count;
    const hf_listener_rule *rules; /* of listeners that have their own */
    size_t rule_count;
    /* Whether to talk to whoever connected, by the descriptor (-1: none). NULL: to everybody. */
    bool (*admits)(int descriptor);
    /* Called by each worker when nothing of this generation is used by it any more: no request that began with it is
     * left. From whatever thread the worker runs in. May be NULL. */
    void (*release)(void *lent);
    void *lent;
} hf_worker_config;

typedef struct hf_worker hf_worker;
/* One generation as one worker serves it: its folders are open. */
typedef struct hf_tenure hf_tenure;

/* The owner of a listener that speaks TLS, as hf_io.listen takes it; NULL for the others. */
extern const char hf_worker_secure;

/* Lends `env`, `io` and `config` for life. NULL and *err when a folder cannot be opened or memory ends. */
hf_worker *hf_worker_new(const hf_env *env, hf_io *io, const hf_worker_config *config, hf_err *err);
/* Cuts whatever is open. */
void hf_worker_free(hf_worker *w);
/* Which of `count` workers it is: connection ids say so, and what belongs to another is passed on. `all` is lent for life, and
 * filled before the first turn. */
void hf_worker_place(hf_worker *w, hf_worker *const *all, uint32_t count, uint32_t number);
/* QUIC clients come by this UDP socket, of which it keeps a duplicate; and come no more. In the worker's thread, or before it
 * runs. */
hf_err hf_worker_listen_quic(hf_worker *w, const hf_address *at, int fd);
void hf_worker_unlisten_quic(hf_worker *w, const hf_address *at);
/* Waits until something happens, or the clock reads `until`, and deals with it. */
void hf_worker_turn(hf_worker *w, hf_time until);
/* When turn must be called although nothing happened. */
hf_time hf_worker_wake(const hf_worker *w);
/* Accepts no more, finishes what is under way, and cuts the rest after the limit drain_ns. */
void hf_worker_drain(hf_worker *w);
bool hf_worker_is_done(const hf_worker *w);
size_t hf_worker_connections(const hf_worker *w);

/* ---- another generation --------------------------------------------------------------------------------------- */

/* Opens what `config` names, beside what is served. The only call that another thread may make while the worker runs;
 * `random` is the caller's. NULL and *err, and then `release` is not called. */
hf_tenure *hf_worker_prepare(hf_worker *w, hf_random *random, const hf_worker_config *config, hf_err *err);
/* Undoes it: for a tenure that was not adopted. Calls `release`. */
void hf_tenure_discard(hf_tenure *t);
/* Every request that begins from now on is answered by it, on old connections too; those under way end with the
 * generation that they began with. A connection keeps the limits that it began with. The access log is that of `t` at
 * once: when this returns, the worker uses the one before no more. */
void hf_worker_adopt(hf_worker *w, hf_tenure *t);
/* Generations with requests under way, and the current one. */
size_t hf_worker_tenures(const hf_worker *w);

/* ---- what it does --------------------------------------------------------------------------------------------- */

/* May be read by every thread. */
const hf_counts *hf_worker_counts(const hf_worker *w);

typedef struct hf_worker_connection {
    uint64_t id;
    hf_address peer, local;
    int64_t age_ns;
    bool has_tcp;    /* a kernel socket, or our own TCP, carries it: */
    hf_tcp_facts tcp;
    bool has_quic;   /* QUIC does: */
    hf_quic_info quic;
    uint64_t requests, open; /* so far; not over */
    uint64_t bytes_sent, bytes_unsent;
    bool current; /* it began with the generation that is served now */
    bool draining;
} hf_worker_connection;

/* Up to `most` of its connections, newest first; returns how many. In the worker's thread only. */
size_t hf_worker_list(const hf_worker *w, hf_worker_connection *to, size_t most);

#endif
