/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by client.c (the client and its loop) and client_call.c (one request and its answer); and for who has a client live in
 * another world than the kernel's.
 */
#ifndef HF_CLIENT_CLIENT_CORE_H
#define HF_CLIENT_CLIENT_CORE_H

#include <handfast/client.h>

#include "arena.h"
#include "cookie_jar.h"
#include "line_pool.h"
#include "queue.h"

enum { HF_CLIENT_FIELDS = 64, HF_CLIENT_USUAL = 6, HF_CLIENT_WORDS = 600 };

struct hf_client {
    hf_dialer *dialer;
    hf_line_pool *pool;
    hf_jar *jar; /* NULL: no cookies are kept */
    hf_dialer_alias *aliases;
    size_t alias_count;
    hf_client_call *calls;   /* all that were not dropped */
    hf_client_call *asked;   /* by hf_client_ask */
    size_t under_way;
    bool own_loop;
    bool turning;            /* functions of the user's run */
    bool stirred;            /* something was asked since the last turn */
    bool idle_source;        /* one had nothing yet */
    hf_client_answer refused; /* what cannot be asked */
    char why[HF_CLIENT_WORDS];
};

struct hf_client_call {
    hf_client *client;
    hf_client_call *next, *previous;
    hf_arena arena;            /* the request */
    hf_client_request request; /* its text and fields lie there */
    bool secret[HF_CLIENT_FIELDS]; /* fields that are not for another origin */
    bool has_agent, has_accept, has_host;
    hf_bytes method;
    bool has_body;             /* still: a redirect may drop it */
    bool over, moved;          /* moved: a redirect that is followed */
    bool telling, dropped;     /* a function of the user's runs: what it drops is freed behind it */
    bool hearing, paused;      /* within `piece`; hf_client_pause */
    bool pinned;               /* hf_client_finish waits for it, and frees what was dropped meanwhile */
    hf_call call;
    hf_body_source source;
    bool source_read;
    hf_client_url first_at, at; /* what was asked for; where to now */
    hf_field sent[HF_CLIENT_FIELDS + HF_CLIENT_USUAL];
    hf_time began, until;
    hf_arena heads;            /* fields and trailers of the answer */
    hf_queue body;
    hf_client_answer answer;
    char url[HF_CLIENT_URL_BYTES], onward[HF_CLIENT_URL_BYTES], cookies[8192], words[HF_CLIENT_WORDS];
};

/* Where there is no kernel: a loop, what cores are given, and how to wait. Lent until close. */
typedef struct hf_client_world {
    hf_io *io;
    const hf_env *env;
    void (*wait)(void *self, hf_time until); /* until something happened there, or the clock reads `until` */
    void *self;
} hf_client_world;
/* hf_client_open; `world` NULL is the kernel's. Without a kernel, hosts are addresses, or aliases lead to one, and there is no QUIC. */
hf_err hf_client_open_in(hf_client **client, const hf_client_options *options, const hf_client_world *world);

/* client_call.c */
hf_err hf_client_call_refuse(hf_client *client, hf_err err, const char *format, ...) HF_PRINTF(3, 4); /* says why */
void hf_client_call_hear(hf_client_call *k, const hf_line_pool_event *event);
void hf_client_call_give_up(hf_client_call *k, hf_err err, const char *words);
void hf_client_call_free(hf_client_call *k);

#endif
