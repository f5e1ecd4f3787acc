/* SPDX-License-Identifier: Apache-2.0
 *
 * What `handfast bench` was told, and what it counts: bench_command.c reads the command line and tells, bench_load.c asks and hears,
 * bench_socket.c does so over WebSockets, bench_plot.c draws while it runs.
 */
#ifndef HF_CLI_BENCH_H
#define HF_CLI_BENCH_H

#include <handfast/websocket.h>

#include "calling.h"
#include "fetch.h"
#include "histogram.h"
#include "random.h"

enum { HF_BENCH_LINES = 1000, HF_BENCH_FIELDS = 32, HF_BENCH_MESSAGE = 65536, HF_BENCH_COLUMNS = 40 };

/* A request, or a message, under way. */
typedef struct hf_bench_slot {
    hf_time due; /* when it was sent, or had to be */
    uint64_t length, hash;
    uint16_t status;
    bool busy;
} hf_bench_slot;

typedef struct hf_bench_line {
    hf_line line;
    hf_fetch fetch;
    hf_websocket *socket; /* ready: in place of fetch */
    hf_websocket_handshake shake;
    hf_bench_slot slots[HF_FETCH_CALLS];
    uint32_t oldest; /* slot of a WebSocket: whose answer is next */
    uint32_t depth;  /* requests at a time */
    bool begun, ready, shaking;
    uint32_t busy;
} hf_bench_line;

typedef struct hf_bench {
    hf_cli *cli;
    const hf_arguments *arguments;
    hf_dialer *dialer;
    hf_calling_net *net; /* NULL: the kernel's */
    hf_io *ring;         /* NULL: epoll, or net */
    hf_random random;
    hf_env env;          /* the ring's */
    hf_client_url url;
    hf_version version;
    bool fresh, json, checks, live;
    uint64_t connections, streams, pipeline, requests, rate, message;
    int64_t span_ns;
    hf_field fields[HF_BENCH_FIELDS + 1];
    size_t field_count;
    hf_bench_line **lines;
    bool stirred[HF_BENCH_LINES]; /* of each: something happened. Beside each other: most have nothing to say at a time */
    uint64_t settled; /* lines that are ready */
    uint64_t busy;    /* requests under way on all */
    hf_time wake;     /* when to look at all of them */
    /* what is known of an answer: the first one says */
    bool known;
    uint16_t status;
    uint64_t length, hash;
    /* what happened */
    hf_histogram *took;
    hf_time began, end;
    uint64_t asked, answered, bytes, opened, failed;
    hf_version spoken;
    char wrong[300]; /* empty: nothing */
    hf_exit result;
    /* what was drawn of it */
    hf_time shown;        /* when next */
    hf_time shown_at;     /* when last */
    uint64_t shown_count; /* answers by then */
    hf_histogram *lately; /* since then */
    double rates[HF_BENCH_COLUMNS];
    size_t columns;
} hf_bench;

/* bench_load.c */
void hf_bench_run(hf_bench *b);
void hf_bench_end_line(hf_bench_line *l);
void hf_bench_fail(hf_bench *b, hf_exit exit, const char *what, const char *why);
bool hf_bench_may_ask(const hf_bench *b, hf_time now);
/* Begins one in the slot. */
void hf_bench_ask(hf_bench *b, hf_bench_line *l, hf_bench_slot *s, hf_time now);
void hf_bench_take(hf_bench *b, hf_bench_slot *s, hf_bytes piece);
void hf_bench_answered(hf_bench *b, hf_bench_line *l, hf_bench_slot *s, hf_time now);
/* The connection is gone, and what was under way on it. */
void hf_bench_lose(hf_bench *b, hf_bench_line *l);

/* bench_socket.c: the line is open: asks for a WebSocket; then, until it is ready; then, messages. */
void hf_bench_socket_open(hf_bench *b, hf_bench_line *l);
/* True: the line was lost. */
bool hf_bench_socket_step(hf_bench *b, hf_bench_line *l, hf_time now);
hf_time hf_bench_socket_wake(const hf_bench_line *l);

/* bench_plot.c: one line on standard error, drawn again and again, and wiped at the end. */
void hf_bench_draw(hf_bench *b, hf_time now);
void hf_bench_draw_end(hf_bench *b);

#endif
