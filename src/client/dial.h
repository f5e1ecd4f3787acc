/* SPDX-License-Identifier: Apache-2.0
 *
 * dial: from a URL to an open pipe: name, proxy, TCP and TLS with verification, or QUIC. A dialer is a loop for one thread with
 * what its connections share. Addresses are raced (race.h): the first that answers is taken.
 *
 *     hf_dialer *d = hf_dialer_new(&(hf_dialer_options){ .roots = NULL }, &why);
 *     hf_line line;
 *     if (hf_line_open(&line, d, &url, protocols, 1)) ...   // else line.stage, line.err and line.words say what failed
 *     hf_line_close(&line);
 */
#ifndef HF_CLIENT_DIAL_H
#define HF_CLIENT_DIAL_H

#include "client_url.h"
#include "quic_line.h"
#include "resolver.h"
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
    HF_DIAL_RECORD,  /* the HTTPS record of the name was answered: `record`, `host`: where it leads; and the addresses of that. `words`: why
                      * nothing is known of it */
    HF_DIAL_ADDRESS, /* was tried: the one of `addresses` */
    HF_DIAL_CHAIN,   /* was verified: `chain`, `verdict` */
    HF_DIAL_TLS,     /* shook hands, or did not: `tls` */
    HF_DIAL_QUIC     /* an address was tried by QUIC: the one of `addresses` */
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
    const hf_https_record *record;
    const hf_chain *chain;
    const hf_verdict *verdict;
    const hf_tls *tls;
    uint32_t packets_out, packets_in; /* of the connection so far, as the kernel counts its segments; 0: not known (NAME, QUIC, our own TCP) */
} hf_dial_event;

/* Where there is no kernel: its loop, what cores are given, and how to wait until something happened there or the clock reads `until`.
 * Lent for life. Hosts are addresses then, or aliases lead to one, and there is no QUIC. */
typedef struct hf_dialer_world {
    hf_io *io; /* NULL: the kernel's */
    const hf_env *env;
    void (*wait)(void *self, hf_time until);
    void *self;
} hf_dialer_world;

/* Zero is the secure default. */
typedef struct hf_dialer_options {
    const char *roots;  /* PEM file; NULL: SSL_CERT_FILE, or the system's. Read when it is first needed. Lent */
    bool insecure;      /* believes everybody */
    int64_t connect_ns; /* for each address, and for the handshake; 0: 10 s */
    const hf_limits *limits; /* lent; NULL: the defaults */
    const hf_dialer_alias *aliases; /* lent; the first that fits */
    size_t alias_count;
    const char *proxy_http, *proxy_https; /* "http://[USER:PASSWORD@]HOST:PORT", "https://..." or "socks5://..."; lent; NULL: none. For which URLs */
    const char *no_proxy;   /* lent; NULL: no exceptions */
    const char *name_servers; /* "ADDRESS[:PORT],...": lent; NULL: the system's */
    const hf_tls_key_log *key_log; /* lent; NULL: no secret leaves */
    void (*observe)(void *observer, const hf_dial_event *event); /* NULL: nobody looks */
    void *observer;
    hf_dialer_world world;
} hf_dialer_options;

/* NULL, and what is wrong in `why`. */
hf_dialer *hf_dialer_new(const hf_dialer_options *options, hf_writer *why);
/* Every line is closed. NULL is fine. */
void hf_dialer_free(hf_dialer *d);
const hf_env *hf_dialer_env(const hf_dialer *d);
/* Set up when it is first asked for, or when TLS or QUIC is. NULL: libcrypto cannot be used. */
hf_crypto *hf_dialer_crypto(hf_dialer *d);
hf_time hf_dialer_now(const hf_dialer *d);
hf_wall hf_dialer_wall(const hf_dialer *d);
/* A number from 0 to below `n`: for jitter. */
uint64_t hf_dialer_draw(hf_dialer *d, uint64_t n);

/* Waits until something happens on a line, `other` (a descriptor; -1: none) is readable, or the clock reads `until`. True:
 * `other` is readable, or at its end. */
bool hf_dialer_wait(hf_dialer *d, hf_time until, int other);
/* So much of a body came over TCP; 0: something else. Where nothing but bodies come, and fast, the wait lets them gather. */
void hf_dialer_note_body(hf_dialer *d, size_t n);
/* The same for who waits elsewhere: a descriptor that is readable when something happened, always the same one (-1: the system refuses); how
 * long that wait may last, to be asked before each (0: not at all; -1: for ever); and, after it, the taking in. */
int hf_dialer_descriptor(hf_dialer *d);
int64_t hf_dialer_wait_ns(hf_dialer *d, hf_time until);
void hf_dialer_turn(hf_dialer *d);

/* Which layer failed. */
typedef enum hf_line_stage { HF_LINE_NAME, HF_LINE_CONNECT, HF_LINE_TLS, HF_LINE_OPEN } hf_line_stage;

/* Which versions of HTTP are wanted. */
typedef struct hf_line_wish {
    const hf_bytes *protocols; /* offered by ALPN, most wanted first; lent until the line is closed */
    size_t protocol_count;
    bool quic;      /* to https: HTTP/3 is tried, too: where an HTTPS record offers it, or at `quic_port` */
    bool quic_only; /* and nothing else, whoever offers it */
    uint16_t quic_port; /* where Alt-Svc or the user says that it is spoken; 0: nobody did */
    /* Does another line to one of these addresses serve this host, too (RFC 9113 9.1.1)? True: this one is given up, with
     * HF_ERR_CLIENT_COALESCED. NULL: none does. */
    bool (*covered)(void *self, const hf_address *addresses, size_t count);
    void *self;
    bool *stirred; /* for who has many lines: becomes true when something happens on it in the kernel; lent until it is closed. NULL: nobody asks */
} hf_line_wish;

typedef struct hf_opening hf_opening;

enum { HF_LINE_USER = 512, HF_LINE_LOGIN = 1400 }; /* bytes: a proxy's user, its password; "Basic " and both in base64 */

/* A connection. Address-stable. */
typedef struct hf_line {
    hf_dialer *dialer;
    hf_opening *opening; /* NULL: open, or not to be opened */
    hf_pier pier;     /* ops NULL: closed, or QUIC */
    hf_tls_pier *tls; /* what the pier is, where it is secured */
    hf_tls_pier *proxy_tls; /* what that stands on, where the proxy is secured; or the pier itself, for plain HTTP */
    hf_quic_line *quic; /* in place of a pier */
    hf_tls_config config, proxy_config;
    bool coalesces;   /* wish.covered was asked for */
    hf_chain *chain;  /* the peer's, that was believed, kept where it coalesces. NULL: none */
    bool absolute;    /* plain HTTP through a proxy: requests name the whole URL (RFC 9112 3.2.2) */
    char login[HF_LINE_LOGIN];  /* of such requests: their Proxy-Authorization; empty: none */
    hf_https_record https; /* what the DNS says of the name, where it was asked */
    hf_time began, named, connected, secured; /* when: 0: not yet, or not at all */
    hf_address peer;
    hf_line_stage stage; /* reached */
    bool fin;            /* the peer will say no more */
    bool broken;         /* nothing goes any more: err says why */
    hf_err err;
    char words[512];     /* why it was not opened: a sentence without its full stop, NUL-terminated */
    hf_tls_event question;
    bool opened;
    bool *stirred; /* as wished */
    int descriptor; /* of the kernel's socket; -1: there is none */
} hf_line;

/* Waits. False: stage, err and words. `protocols` are offered by ALPN, most wanted first (lent until the line is closed). */
bool hf_line_open(hf_line *l, hf_dialer *d, const hf_client_url *url, const hf_bytes *protocols, size_t count);
/* The same in steps: begin, then step until it is not HF_IDLE: HF_EVENT: open; HF_FAULT: stage, err and words. `l` stays where it
 * is. To be closed in every case. */
void hf_line_begin(hf_line *l, hf_dialer *d, const hf_client_url *url, const hf_line_wish *wish);
hf_step hf_line_step(hf_line *l);
void hf_line_close(hf_line *l);
/* Takes what happened: afterwards peek has what came, and fin, broken and err are as they are. */
void hf_line_pull(hf_line *l);
void hf_line_pull_at(hf_line *l, hf_time now); /* for who has just read the clock */
/* Until new bytes are there: true: there may be more behind them. Who takes these first has the next opened where they lie; else
 * they are copied. */
bool hf_line_pull_some(hf_line *l, hf_time now);
/* What came; take what was eaten. */
hf_span hf_line_peek(const hf_line *l);
void hf_line_take(hf_line *l, size_t n);
/* May a core be emitted now? Then all of it (at most 64 pieces) is taken by hf_line_put. */
bool hf_line_has_room(const hf_line *l);
void hf_line_put(hf_line *l, const hf_out *out);
/* We will say no more. */
void hf_line_end(hf_line *l);
/* Segments that went out and came in so far, with those of the handshake. False: the kernel does not know, or it is not its TCP. */
bool hf_line_packets(const hf_line *l, uint32_t *out, uint32_t *in);
/* When to pull although nothing happened. */
hf_time hf_line_wake(const hf_line *l);
/* Would the chain that was believed be believed for this host, too? False where none was kept. */
bool hf_line_covers(const hf_line *l, hf_bytes host);

#endif
