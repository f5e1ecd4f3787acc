/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast explain URL`: what was seen on the way to an answer, layer by layer. explain_url.c walks and concludes, explain_ask.c asks
 * and listens, explain_probe.c asks otherwise to tell causes apart; explain_url_tell.c and explain_picture.c write.
 */
#ifndef HF_CLI_EXPLAIN_URL_H
#define HF_CLI_EXPLAIN_URL_H

#include "cli.h"
#include "decompress.h"
#include "fetch.h"
#include "findings.h"
#include "https_record.h"

enum { HF_TRAIL_ADDRESSES = 16, HF_TRAIL_FIELDS = 128, HF_TRAIL_HOPS = 21, HF_TRAIL_PAGE = 256 << 10, HF_TRAIL_STEPS = 16 };

/* What came of an event stream, and when. */
typedef struct hf_trail_events {
    bool listened;
    size_t pieces, events; /* bursts: bytes with a silence behind them; and blank lines */
    size_t cut_at;         /* bytes after which a burst stopped in the middle of an event; 0: none did */
    int64_t first_ns, last_ns;
    uint64_t bytes;
    uint8_t tail[2];       /* the last bytes that came */
} hf_trail_events;

/* HTTP/3, where it was tried. */
typedef struct hf_trail_http3 {
    bool offered, tried, works;
    uint16_t port;
    int64_t ns;
    hf_err err;
    char words[300];
} hf_trail_http3;

/* Segments, as the kernel counts them. All 0: it does not know. */
typedef struct hf_trail_packets {
    uint32_t out, in;
} hf_trail_packets;

/* One span of the timeline. */
typedef struct hf_trail_span {
    const char *name;      /* static */
    int64_t at_ns, ns;
    unsigned round_trips;
    const char *packets;   /* what went to and fro. Static; NULL: it depends */
    hf_trail_packets counted;
} hf_trail_span;

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
    hf_err cause;   /* what the verdict is about */
    char verdict[640]; /* one sentence, with its full stop */
    /* name */
    char looked_up[256], name_words[160]; /* what was looked up; why in vain */
    int64_t name_ns;
    hf_address addresses[HF_TRAIL_ADDRESSES];
    size_t address_count;
    bool recorded;  /* the HTTPS record was asked for, and answered: it, and the name that it leads to */
    hf_https_record record;
    char record_words[160]; /* why nothing is known of it */
    char leads_to[HF_HTTPS_NAME];
    /* TCP */
    hf_trail_try tries[HF_TRAIL_ADDRESSES];
    size_t try_count;
    bool connected;
    /* TLS */
    bool tls_tried, secured, judged;
    int64_t tls_ns;
    hf_trail_packets by_tcp, by_tls, by_head, by_end; /* of the connection, when each was over */
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
    bool upgraded;     /* ws: the WebSocket is open */
    bool given_up;     /* by GOAWAY, on this connection and the next */
    hf_decompressor *decoder; /* of the body, while it comes */
    uint64_t plain;    /* bytes of the body without its coding */
    char *page;        /* HTML: its beginning. free() it */
    size_t page_length;
    hf_trail_events events;
    bool again_tried, again, hung_up; /* a second request on the connection: was it answered, or did the connection end? */
    int64_t again_ns;
    bool mtu;          /* small segments pass where large ones do not */
    bool hello_tried, hello_passes; /* one as large as those of browsers */
    size_t hello_bytes;
    hf_trail_http3 http3;
    /* policy */
    hf_finding findings[HF_FINDINGS_MOST];
    size_t finding_count;
} hf_trail_hop;

typedef struct hf_trail {
    hf_cli *cli;
    bool json, follows, insecure, strict, wants_http3;
    const char *roots, *origin, *name_servers; /* NULL: none was given */
    FILE *picture;              /* NULL: none is wanted. Into picture_text: how high it is, is known at its end */
    char *picture_text;
    size_t picture_length;
    double picture_y;
    int64_t patience_ns, probe_ns; /* probe: of connections that only tell causes apart */
    hf_dialer *dialer, *blind; /* blind believes everybody: to see what a port speaks */
    hf_trail_hop *hop; /* under way */
    size_t hops;
} hf_trail;

/* explain_ask.c: the request, and all that comes: http_err. `line` is open. */
void hf_trail_ask(hf_trail *y, hf_trail_hop *h, hf_line *line);
/* By TCP, with both versions offered. False: not opened. */
bool hf_trail_offer(hf_line *line, hf_dialer *d, const hf_client_url *url);
void hf_trail_hop_free(hf_trail_hop *h);

/* explain_probe.c. Each is one more connection, which says what a failure, or a success, leaves open. */
bool hf_trail_speaks_other(hf_trail *y, const hf_trail_hop *failed); /* of TLS and plain HTTP */
void hf_trail_try_small_segments(hf_trail *y, hf_trail_hop *h);      /* h->mtu */
void hf_trail_try_hello(hf_trail *y, hf_trail_hop *h);               /* h->hello_... */
void hf_trail_try_again(hf_trail *y, hf_trail_hop *h, hf_line *line); /* h->again..., on the same connection */
void hf_trail_try_http3(hf_trail *y, hf_trail_hop *h);               /* h->http3 */

/* The timeline: how many spans. */
size_t hf_trail_spans(const hf_trail_hop *h, hf_trail_span spans[HF_TRAIL_STEPS]);
/* explain_picture.c. False: no memory. */
bool hf_trail_picture_begin(hf_trail *y);
void hf_trail_picture_hop(hf_trail *y, const hf_trail_hop *h);
bool hf_trail_picture_end(hf_trail *y, FILE *to);

/* A hop that is over: as text, or as JSON. */
void hf_trail_tell(const hf_trail *y, const hf_trail_hop *h);
/* What the failure of an address most likely means. Static. */
const char *hf_trail_tcp_means(const hf_trail_try *t);
bool hf_trail_is_loopback(const hf_trail_hop *h);
/* The host is a name, no address. */
bool hf_trail_is_named(const hf_trail_hop *h);

#endif
