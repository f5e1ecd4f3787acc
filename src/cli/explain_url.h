/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast explain URL`: what was seen on the way to an answer, layer by layer. explain_url.c walks, explain_url_tell.c writes.
 */
#ifndef HF_CLI_EXPLAIN_URL_H
#define HF_CLI_EXPLAIN_URL_H

#include "cli.h"
#include "fetch.h"
#include "findings.h"

enum { HF_TRAIL_ADDRESSES = 16, HF_TRAIL_FIELDS = 128, HF_TRAIL_HOPS = 21 };

typedef struct hf_trail_try {
    hf_address address;
    int64_t ns;
    hf_err err;
    char words[96]; /* of the system; empty: none */
} hf_trail_try;

/* One URL: where a redirect leads is another. */
typedef struct hf_trail_hop {
    char text[HF_CLIENT_URL_BYTES];
    hf_client_url url;
    hf_exit failed; /* the layer; HF_EXIT_OK: none */
    char verdict[640]; /* one sentence, with its full stop */
    /* name */
    char looked_up[256], name_words[160]; /* what was looked up; why in vain */
    int64_t name_ns;
    hf_address addresses[HF_TRAIL_ADDRESSES];
    size_t address_count;
    /* TCP */
    hf_trail_try tries[HF_TRAIL_ADDRESSES];
    size_t try_count;
    bool connected;
    /* TLS */
    bool tls_tried, secured, judged;
    int64_t tls_ns;
    hf_err tls_err;
    hf_tls_fault fault;
    hf_verdict chain;
    size_t chain_length;
    hf_certificate_facts leaf;
    char tls_version[8], suite[48], group[32], protocol[32];
    char tls_words[512]; /* where no handshake was tried: why */
    /* HTTP */
    bool asked, answered, whole, cut; /* cut: enough was read */
    hf_err http_err;
    bool other; /* the port was asked again, and speaks the other of TLS and plain HTTP */
    hf_version version;
    uint16_t status;
    bool closes;
    int64_t head_ns, body_ns; /* since the request: to the head, to the end of the body */
    uint64_t body;
    char *memory; /* names and values of the fields. free() it */
    hf_field fields[HF_TRAIL_FIELDS];
    size_t field_count;
    char next[HF_CLIENT_URL_BYTES]; /* where a redirect leads; empty: it does not */
    /* policy */
    hf_finding findings[HF_FINDINGS_MOST];
    size_t finding_count;
} hf_trail_hop;

typedef struct hf_trail {
    hf_cli *cli;
    bool json, follows, insecure, strict;
    int64_t patience_ns;
    hf_dialer *dialer, *blind; /* blind believes everybody: to see what a port speaks */
    hf_trail_hop *hop; /* under way */
    size_t hops;
} hf_trail;

/* A hop that is over: as text, or as JSON. */
void hf_trail_tell(const hf_trail *y, const hf_trail_hop *h);
/* What the failure of an address most likely means. Static. */
const char *hf_trail_tcp_means(const hf_trail_try *t);
bool hf_trail_is_loopback(const hf_trail_hop *h);
/* The host is a name, no address. */
bool hf_trail_is_named(const hf_trail_hop *h);

#endif
