/* SPDX-License-Identifier: Apache-2.0
 *
 * dial: from a URL to an open pipe: name, TCP, TLS with verification. A dialer is a loop for one thread with what its
 * connections share; dialing waits, what follows does not unless it is asked to.
 *
 *     hf_dialer *d = hf_dialer_new(&(hf_dialer_options){ .roots = NULL }, &why);
 *     hf_line line;
 *     if (hf_line_open(&line, d, &url, protocols, 1)) ...   // else line.stage, line.err and line.words say what failed
 *     hf_line_close(&line);
 */
#ifndef HF_CLIENT_DIAL_H
#define HF_CLIENT_DIAL_H

#include "client_url.h"
#include "io.h"
#include "text.h"
#include "tls_pier.h"

typedef struct hf_dialer hf_dialer;

/* Connections for this host and port go to another; names and certificates stay those of the URL. */
typedef struct hf_dialer_alias {
    const char *host, *to_host; /* empty: any; unchanged */
    uint16_t port, to_port;     /* 0: any; unchanged */
} hf_dialer_alias;

/* What happens while a line is opened, layer by layer: for who explains it, or measures. */
typedef enum hf_dial_step {
    HF_DIAL_NAME,    /* was looked up: `host`, `port`, and the addresses */
    HF_DIAL_ADDRESS, /* was tried: the one of `addresses` */
    HF_DIAL_CHAIN,   /* was verified: `chain`, `verdict` */
    HF_DIAL_TLS      /* shook hands, or did not: `tls` */
} hf_dial_step;

/* Lent for the call. */
typedef struct hf_dial_event {
    hf_dial_step step;
    hf_time began, ended;
    hf_err err;
    const char *words; /* of the system, where it is the one that failed; else NULL */
    const char *host;
    uint16_t port;
    const hf_address *addresses;
    size_t address_count;
    const hf_chain *chain;
    const hf_verdict *verdict;
    const hf_tls *tls;
} hf_dial_event;

/* Zero is the secure default. */
typedef struct hf_dialer_options {
    const char *roots;  /* PEM file; NULL: SSL_CERT_FILE, or the system's. Read when it is first needed. Lent */
    bool insecure;      /* believes everybody */
    int64_t connect_ns; /* for each address, and for the handshake; 0: 10 s */
    const hf_limits *limits; /* lent; NULL: the defaults */
    const hf_dialer_alias *aliases; /* lent; the first that fits */
    size_t alias_count;
    void (*observe)(void *observer, const hf_dial_event *event); /* NULL: nobody looks */
    void *observer;
} hf_dialer_options;

/* NULL, and what is wrong in `why`. */
hf_dialer *hf_dialer_new(const hf_dialer_options *options, hf_writer *why);
/* Every line is closed. NULL is fine. */
void hf_dialer_free(hf_dialer *d);
const hf_env *hf_dialer_env(const hf_dialer *d);
hf_crypto *hf_dialer_crypto(const hf_dialer *d);
hf_time hf_dialer_now(const hf_dialer *d);
/* A number from 0 to below `n`: for jitter. */
uint64_t hf_dialer_draw(hf_dialer *d, uint64_t n);

/* Waits until something happens on a line, `other` (a descriptor; -1: none) is readable, or the clock reads `until`. True:
 * `other` is readable, or at its end. */
bool hf_dialer_wait(hf_dialer *d, hf_time until, int other);

/* Which layer failed. */
typedef enum hf_line_stage { HF_LINE_NAME, HF_LINE_CONNECT, HF_LINE_TLS, HF_LINE_OPEN } hf_line_stage;

/* A connection. Address-stable. */
typedef struct hf_line {
    hf_dialer *dialer;
    hf_pier pier;     /* ops NULL: closed */
    hf_tls_pier *tls; /* what the pier is, where it is secured */
    hf_address peer;
    hf_line_stage stage; /* reached */
    bool fin;            /* the peer will say no more */
    bool broken;         /* nothing goes any more: err says why */
    hf_err err;
    char words[512];     /* why it was not opened: a sentence without its full stop, NUL-terminated */
    hf_tls_event question;
    bool opened;
} hf_line;

/* Waits. False: stage, err and words. `protocols` are offered by ALPN, most wanted first (lent for the call). */
bool hf_line_open(hf_line *l, hf_dialer *d, const hf_client_url *url, const hf_bytes *protocols, size_t count);
void hf_line_close(hf_line *l);
/* Takes what happened: afterwards peek has what came, and fin, broken and err are as they are. */
void hf_line_pull(hf_line *l);
/* What came; take what was eaten. */
hf_span hf_line_peek(const hf_line *l);
void hf_line_take(hf_line *l, size_t n);
/* May a core be emitted now? Then all of it (at most 64 pieces) is taken by hf_line_put. */
bool hf_line_has_room(const hf_line *l);
void hf_line_put(hf_line *l, const hf_out *out);
/* We will say no more. */
void hf_line_end(hf_line *l);
/* When to pull although nothing happened. */
hf_time hf_line_wake(const hf_line *l);

#endif
