/* SPDX-License-Identifier: Apache-2.0
 *
 * What `handfast serve` was asked to do, as values: the command line fills it, the server runs it. Everything a pointer
 * here leads to is lent until hf_serve_run returns.
 */
#ifndef HF_SERVER_SERVE_H
#define HF_SERVER_SERVE_H

#include <handfast/app.h>

#include "access_log.h"
#include "host_io.h"
#include "hosts.h"
#include "identities.h"
#include "listen_url.h"
#include "proxy_header.h"
#include "uring.h"

enum { HF_SERVE_GIVEN = 32, HF_SERVE_LISTENERS = 32, HF_SERVE_INDEX_NAMES = 8 };

/* The log of a site or route. */
typedef struct hf_serve_log {
    const char *path; /* as of hf_serve_options.access_log; NULL: none */
    hf_access_format format;
} hf_serve_log;

/* Of a listener that has its own. */
typedef struct hf_serve_proxies {
    size_t listener; /* its place */
    const hf_network *from; /* none: nobody */
    size_t count;
} hf_serve_proxies;

/* Must stay where it was filled: `files.index` points into it. */
typedef struct hf_serve_options {
    /* where to listen; at least one. `localhost` and `*` are two addresses each: see hf_listen_url */
    hf_listen_url listeners[HF_SERVE_LISTENERS];
    size_t listener_count;
    uint32_t threads; /* loop threads of the serving process; 0: as many as the CPUs it may use */
    hf_loop_kind loop; /* how they wait */
    hf_door_options door; /* our own network stack, behind this device; HF_DOOR_NONE: the kernel's */
    hf_host_config host;  /* with a door: addresses and routes */
    const char *admin; /* the path of a unix socket to be asked and told things at; NULL: none */
    const char *topics_redis; /* where topics are shared with other servers; NULL: they are this one's own */
    const char *topics_file;  /* where their history outlives the process; NULL: nowhere. Not both */
    const char *answers_file; /* SQLite: where answers by Idempotency-Key are kept; NULL: in memory */
    bool no_seccomp;  /* the serving process may ask the kernel for everything */
    const char *user; /* whom to become once the listeners are bound; NULL: stay */

    /* how TLS is spoken, where a listener is https */
    const hf_identity_source *identities; /* none: the local CA's for localhost, where nobody else can connect */
    size_t identity_count;
    hf_identity_source given[HF_SERVE_GIVEN]; /* room for those of the command line */
    const char *local_ca;      /* the folder of the local CA; NULL: where it is by default */
    uint16_t tls_least;        /* HF_TLS_1_2 where 0 */
    const char *client_ca;     /* a path: PEM of the roots of clients' certificates; NULL: none are asked for */
    bool client_optional;      /* with client_ca: one without a certificate is served too */
    bool rsa_key_exchange;     /* TLS 1.2: TLS_RSA_WITH_AES_128_GCM_SHA256 too */
    bool early_data;           /* TLS 1.3: 0-RTT */
    const char *key_log;       /* a path: secrets of connections are appended there; NULL: never */
    const char *qlog;          /* a folder: what QUIC connections do is written there; NULL: never */
    bool no_http3;             /* https listeners speak HTTP/1.1 and HTTP/2 alone */
    hf_address preferred[2];   /* where clients of HTTP/3 shall go on: of IPv4, of IPv6; family 0: where they are */
    bool terse;                /* no guard explains a denial: profile production */
    bool redirect_https;       /* requests to http listeners, and plain ones to https listeners, are sent to https */

    /* what to serve */
    bool welcome;   /* the site built into the program; files.root is NULL and the server fills files.assets */
    hf_files files; /* `root`, `index`, `spa`, `error_pages`, `cache_control`, `listing`, ... as asked for */
    const char *index_names[HF_SERVE_INDEX_NAMES + 1]; /* of files.index; not to be read otherwise */

    const hf_route *routes; /* beside the files, at most 31; with `config` they are everything, and any number */
    size_t route_count;
    void *context;          /* hf_req_context of their handlers */

    const char *config;      /* the configuration's path, when there is one: `files` is not looked at then */
    const hf_site *sites; /* which of `routes` are whose */
    size_t site_count;
    const hf_host *hosts;    /* hf_hosts_sort: which site is for whom */
    size_t host_count;

    hf_limits limits;
    const hf_network *proxy_from, *trusted; /* who sends PROXY headers; whose Forwarded is believed */
    size_t proxy_from_count, trusted_count;
    const hf_serve_proxies *proxies; /* of listeners that have their own */
    size_t proxies_count;

    /* what to keep */
    const char *record;       /* the path of a recording (recording.h); NULL: none is made */
    const char *record_folder; /* where single connections are kept (tapes.h); NULL: nowhere */
    bool record_all, record_secrets; /* not only those that end badly; with the secrets and content of requests */
    char *const *arguments;   /* with it: what `handfast serve` was asked, as it was asked */
    size_t argument_count;

    /* what to say */
    const char *access_log; /* a path, "-" for standard output, NULL for none: as hf_access_log_open takes it */
    hf_access_format log_format;
    const hf_serve_log *logs; /* those of sites and routes, each once and none the same as access_log */
    size_t log_count;
    const uint32_t *route_logs, *site_logs; /* with logs, for each: 0 for access_log, n for logs[n - 1] */
    bool quiet; /* diagnostics: warnings and errors only */
    bool colour; /* standard error may be coloured: for hf_log_setup */
} hf_serve_options;

/* A listener with the UDP sockets that it should have. */
hf_listen_url hf_serve_listener(const hf_serve_options *options, size_t index);

/* Serves until SIGTERM or SIGINT has been obeyed; says on standard error why it could not. Answers an exit status:
 * 0 after a graceful end, 1 when it could not begin. */
int hf_serve_run(const hf_serve_options *options);

#endif
