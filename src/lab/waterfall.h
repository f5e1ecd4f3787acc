/* SPDX-License-Identifier: Apache-2.0
 *
 * lab/waterfall.h - one page and its parts, loaded by our client from our server over a simulated network in the ways that
 * HTTP offers: what waits for what becomes visible, and what the heads of the same requests cost.
 */
#ifndef HF_LAB_WATERFALL_H
#define HF_LAB_WATERFALL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "text.h"

typedef enum hf_waterfall_way {
    HF_WATERFALL_ONE,       /* HTTP/1.1, one connection, one request after the other */
    HF_WATERFALL_PIPELINED, /* HTTP/1.1, one connection, all requests at once */
    HF_WATERFALL_SIX,       /* HTTP/1.1, six connections, as browsers do */
    HF_WATERFALL_HTTP2,     /* HTTP/2, one connection, all requests at once */
    HF_WATERFALL_HTTP3,     /* HTTP/3, likewise; encrypted, as QUIC always is */
    HF_WATERFALL_WAYS
} hf_waterfall_way;

enum { HF_WATERFALL_PARTS = 25 }; /* the page first; all others are asked for when it is there */

typedef struct hf_waterfall_network {
    uint64_t seed;
    uint64_t rate;    /* bits per second; 0: no bound */
    int64_t delay_ns; /* one way */
    uint32_t loss;    /* packets in a million, either way */
} hf_waterfall_network;

/* 10 Mbit/s, 25 ms each way, nothing lost. */
#define HF_WATERFALL_USUAL ((hf_waterfall_network){ .seed = 1, .rate = 10000000, .delay_ns = 25000000 })

typedef struct hf_waterfall_bar {
    const char *path;
    uint32_t size;
    unsigned connection;                /* from 0 */
    int64_t wanted_ns, asked_ns;        /* since the load began: known to be needed; its request left the client's core */
    int64_t first_ns, done_ns;          /* the first byte of its body came, the last */
} hf_waterfall_bar;

typedef struct hf_waterfall {
    hf_waterfall_bar bars[HF_WATERFALL_PARTS];
    int64_t done_ns;
    uint32_t connections;
    uint64_t packets, lost;              /* both directions */
    uint64_t request_heads, answer_heads; /* bytes */
} hf_waterfall;

/* "http/1.1, six connections" */
const char *hf_waterfall_name(hf_waterfall_way way);
/* Loads the page. False: memory ran out, or the page was not there after ten minutes. */
bool hf_waterfall_load(hf_waterfall_way way, const hf_waterfall_network *network, hf_waterfall *w);
/* As bars of text, all in one scale: `scale_ns` is the width. */
void hf_waterfall_print(FILE *out, hf_waterfall_way way, const hf_waterfall *w, int64_t scale_ns);
/* As a JSON object; `w` overflows when it is too small for it. */
void hf_waterfall_json(hf_writer *to, hf_waterfall_way way, const hf_waterfall *w);
/* All ways, over a clean network and over one that loses 1 %. False as load. */
bool hf_waterfall_story(FILE *out);

#endif
