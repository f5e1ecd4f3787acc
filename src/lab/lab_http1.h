/* SPDX-License-Identifier: Apache-2.0
 *
 * The worlds "http1" and "server": what the server, its clients and its judge share. They live in one process, so each exchange has
 * one record that all of them write to, and a contradiction shows at once.
 */
#ifndef HF_LAB_LAB_HTTP1_H
#define HF_LAB_LAB_HTTP1_H

#include <handfast/http1.h>

#include "alloc.h"
#include "lab.h"
#include "random.h"
#include "sim.h"
#include "trace.h"

enum { HF_LAB_CLIENTS = 8, HF_LAB_EXCHANGES = 24 /* each client, its probe included */, HF_LAB_PORT = 80 };

typedef enum hf_lab_how { HF_LAB_COPIED, HF_LAB_LENT, HF_LAB_FILE } hf_lab_how;
typedef enum hf_lab_state { HF_LAB_PLANNED, HF_LAB_BEGUN, HF_LAB_ANSWERED, HF_LAB_FAILED } hf_lab_state;

/* One exchange: the plan, which both sides know, and what became of it. */
typedef struct hf_lab_exchange {
    uint32_t id;
    hf_method method;
    bool http10;
    bool probe; /* begun only after all faults have healed: it must be answered */

    uint64_t request_size; /* POST */
    bool request_chunked, request_trailer, expect;
    bool early; /* answered before the body was read */

    uint64_t answer_size;
    bool answer_unknown; /* length not declared: chunked, or until close */
    bool answer_trailer, close;
    bool echo;  /* the answer's body is the request's */
    bool abort; /* the server gives up half way: must never count as answered */
    hf_lab_how how;
    hf_file file;

    /* the client's side */
    hf_lab_state state;
    hf_err err;
    uint64_t sent, got;
    bool has_head, continued, refused;

    /* the server's side */
    unsigned served;
    uint64_t request_got;
    bool request_whole;
} hf_lab_exchange;

/* One byte source of lab memory: malloc, counted. */
typedef struct hf_lab_memory {
    hf_allocator alloc;
    size_t blocks, bytes;
} hf_lab_memory;

typedef struct hf_lab hf_lab;

/* What a server of the world must be able to do. The scripted one can do everything that the cores can; the real one is
 * what serves on the kernel. */
typedef struct hf_lab_server_ops {
    const char *name;
    void *(*open)(hf_lab *lab, hf_io *io); /* listens */
    hf_program (*program)(void *self);
    void (*drain)(void *self);
    void (*close)(void *self); /* frees all, as if the process ended */
    bool only_whole; /* its answers have a length and are never broken off */
} hf_lab_server_ops;
extern const hf_lab_server_ops hf_lab_scripted_server;
extern const hf_lab_server_ops hf_lab_real_server;

/* The client of one host: its share of the exchanges, over one connection after another. */
typedef struct hf_lab_client hf_lab_client;
hf_lab_client *hf_lab_client_new(hf_lab *lab, hf_io *io, hf_lab_exchange *exchanges, size_t count);
hf_program hf_lab_client_program(hf_lab_client *c);
/* The host died: what was under way failed. */
void hf_lab_client_lose(hf_lab_client *c);
bool hf_lab_client_is_done(const hf_lab_client *c);
void hf_lab_client_free(hf_lab_client *c);

struct hf_lab {
    hf_lab_report *report;
    const hf_lab_seams *seams;
    uint64_t seed;
    hf_random random;      /* of plan and faults */
    hf_random core_random; /* given to the cores */
    hf_lab_memory memory;
    hf_trace_hash hash;
    hf_trace_sink sink;
    hf_limits limits;
    hf_env env;
    hf_world *world;

    size_t client_count;
    hf_lab_client *clients[HF_LAB_CLIENTS];
    hf_io *client_io[HF_LAB_CLIENTS];
    hf_io *server_io;
    const hf_lab_server_ops *server_ops;
    void *server; /* NULL: down */
    hf_lab_exchange exchanges[HF_LAB_CLIENTS * HF_LAB_EXCHANGES];
    size_t exchange_count;

    bool healed;
    bool calm;
    bool slow_readers; /* some bodies are taken late */
    unsigned pipeline; /* requests a client has under way */
    uint64_t connections;
};

/* Something that must never happen did. The first one is kept. */
HF_PRINTF(2, 3) void hf_lab_violate(hf_lab *lab, const char *format, ...);

/* Bodies: byte `i` is a function of the seed, the exchange and the direction. */
typedef struct hf_lab_body {
    uint64_t key;
} hf_lab_body;
hf_lab_body hf_lab_request_body(const hf_lab *lab, const hf_lab_exchange *x);
hf_lab_body hf_lab_answer_body(const hf_lab *lab, const hf_lab_exchange *x);
void hf_lab_fill(hf_lab_body body, uint64_t at, uint8_t *to, size_t n);
bool hf_lab_matches(hf_lab_body body, uint64_t at, hf_bytes b);

/* The exchange that a target of the form /ID names, or NULL. */
hf_lab_exchange *hf_lab_find(hf_lab *lab, hf_bytes target);

#endif
