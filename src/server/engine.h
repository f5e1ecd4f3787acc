/* SPDX-License-Identifier: Apache-2.0
 *
 * engine: the loop threads of one serving process, from start to drain. The program's serving process and the embedded
 * library both run on it.
 */
#ifndef HF_SERVER_ENGINE_H
#define HF_SERVER_ENGINE_H

#include <handfast/realtime.h>
#include <handfast/store.h>

#include "host_io.h"
#include "shared_topics.h"
#include "tape.h"
#include "uring.h"
#include "worker.h"

/* UDP sockets at one address: so many threads serve HTTP/3, and the others what comes by TCP alone. */
enum { HF_ENGINE_UDP = 16 };

/* A bound, listening descriptor and its address. */
typedef struct hf_listening {
    int fd;
    hf_address at;
    hf_address asked; /* its port may be 0: any */
    bool secure;      /* TLS is spoken */
    bool udp_own;     /* with TLS, on our own network stack: QUIC is spoken too */
    uint8_t udp_count; /* with TLS: sockets for QUIC, one for each of the first threads */
    int udp[HF_ENGINE_UDP];
} hf_listening;

typedef struct hf_engine_options {
    const hf_route *routes; /* lent until close */
    size_t route_count;
    const hf_site *sites;   /* lent likewise; NULL: the routes are for every host */
    size_t site_count;
    const hf_host *hosts;   /* sorted (hf_hosts_sort); lent likewise */
    size_t host_count;
    void *context;          /* hf_req_context */
    bool terse;             /* no guard explains a denial, an application's own neither */
    const hf_topic_rule *topics; /* as of hf_server_options; for the engine's life, whatever is reloaded */
    size_t topic_count;
    const hf_key_store *keys; /* as of hf_server_options */
    const char *server_name;
    hf_bytes error_page;
    const char *error_page_policy;
    const hf_limits *limits; /* lent until close */
    const hf_listening *listeners;
    size_t listener_count;
    uint32_t threads; /* 0: the CPUs this process may use */
    hf_loop_kind loop;
    const hf_door *door;        /* our own network stack behind it, in one thread, in place of the kernel's. NULL: the kernel's */
    const hf_host_config *host; /* with a door: addresses and routes */
    hf_access_log *access_log;
    hf_tapes *tapes;                        /* as hf_worker_config has it; not changed by a reload */
    const hf_log_plan *logs;                /* as hf_worker_config has it; lent likewise but for `uses`, which is copied */
    const hf_network *proxy_from, *trusted; /* as hf_worker_config has them; lent likewise */
    size_t proxy_from_count, trusted_count;
    const hf_listener_rule *rules;          /* likewise, and copied */
    size_t rule_count;
    hf_secure *secure;      /* for listeners that are secure: a reference that the engine keeps one of its own of; NULL: there are none */
    uint16_t redirect_port; /* as of hf_worker_config */
    uint16_t https_port;    /* of the first listener that is secure; 0: there is none */
    bool http3;             /* likewise */
    const hf_address *preferred; /* likewise, and copied; NULL: none */
    const char *qlog;       /* a folder: what QUIC connections do is written there (qlog_files.h). NULL: it is not */
    /* What the loop is told from outside is noted on it, or comes from it (tape.h): in one thread, which it is lent to until
     * close. NULL: neither. Then there is no reload. */
    hf_tape *tape;
    /* Called when nothing that these options lend is used any more: at close, or when another generation has taken over
     * and the last request that began with these is over. From any thread. May be NULL. */
    void (*release)(void *lent);
    void *lent;
} hf_engine_options;

enum { HF_ENGINE_LISTENERS = 64 }; /* as many as a loop can have */

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
/* Threads of an engine whose options say 0. */
uint32_t hf_engine_usable_cpus(void);
/* Where to publish from any thread. Lends until close. */
hf_topics *hf_engine_topics(const hf_engine *e);
/* Before the start: shares the topics with other servers (shared_topics.h). NULL is no address, and does nothing. `limits` as
 * of the options. */
hf_err hf_engine_share(hf_engine *e, const char *redis, const hf_limits *limits, hf_writer *why);
/* Likewise: keeps their history in a file (saved_topics.h). */
hf_err hf_engine_save_topics(hf_engine *e, const char *file, const hf_limits *limits, hf_writer *why);
/* False: they are not shared. */
bool hf_engine_shared_topics(const hf_engine *e, hf_topic_bridge_state *state);

/* Instead of start, for an engine of one thread on HF_LOOP_EPOLL: one turn in the caller's thread, which waits until
 * something happens or the clock reads `until`. False: it has drained. */
bool hf_engine_turn(hf_engine *e, hf_time until);
/* Readable when a turn has something to do; and when there must be one in any case. */
int hf_engine_descriptor(const hf_engine *e);
hf_time hf_engine_wake(const hf_engine *e);

/* ---- while it runs: from any thread but the loops' own ---------------------------------------------------------- */

/* Serves `options` in place of what it serves: all of it, or nothing when it fails, and then `release` is not called. Its
 * listeners are those to begin with, `gone` those to give up; threads and loop stay as they were. No connection is
 * touched: see hf_worker_adopt. When it returns, every thread has taken over. */
hf_err hf_engine_reload(hf_engine *e, const hf_engine_options *options, const hf_address *gone, size_t gone_count, hf_writer *why);
/* Open connections; and generations with requests under way or current (the most of any thread). */
uint64_t hf_engine_connections(const hf_engine *e);
size_t hf_engine_generations(hf_engine *e);
/* Adds what its threads counted. */
void hf_engine_count(const hf_engine *e, hf_counts *sum);
/* Up to `most` connections of all threads; each says the thread in `threads`. Returns how many. */
size_t hf_engine_list(hf_engine *e, hf_worker_connection *to, uint32_t *threads, size_t most);
/* What our own network stack counted; false: the kernel's is used. */
bool hf_engine_network(hf_engine *e, hf_tcp_counts *tcp, hf_host_counts *host);
/* Returns when every loop has come around: a watchdog's question. */
void hf_engine_check(hf_engine *e);
bool hf_engine_is_draining(const hf_engine *e);
uint64_t hf_engine_memory(const hf_engine *e);

#endif
