/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/client.h - asking servers: HTTP/1.1, HTTP/2 and HTTP/3 over a pool of connections, from your own program.
 *
 *     hf_client *client = NULL;
 *     hf_err err = hf_client_open(&client, NULL);
 *     if (err.code == 0) {
 *         const hf_client_answer *a = hf_client_ask(client, &(hf_client_request){ .url = "https://www.example.com/" });
 *         if (a->err.code != 0) fprintf(stderr, "%s\n", a->words);
 *         else fwrite(a->body.ptr, 1, a->body.len, stdout);
 *     }
 *     hf_client_close(client);
 *
 * hf_client_ask waits for one answer. Several at once: hf_client_begin for each, then hf_client_run, or turns made from a loop of
 * your own. Requests to one origin share connections, kept alive between them: one each with HTTP/1.1, many to one with HTTP/2
 * and HTTP/3, which also carry other origins where address and certificate allow it (RFC 9113 9.1.1). Certificates are
 * verified against the system's roots.
 *
 * A client belongs to the thread that opened it, with all that comes from it; two clients know nothing of each other. Nothing is
 * decompressed: who sends Accept-Encoding gets what it asks for. No variable of the environment is read but SSL_CERT_FILE.
 */
#ifndef HANDFAST_CLIENT_H
#define HANDFAST_CLIENT_H

#include "http.h"
#include "pier.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_client hf_client;
typedef struct hf_client_call hf_client_call;

/* How far a request came. */
typedef enum hf_client_layer {
    HF_CLIENT_REQUEST, /* nowhere: it cannot be asked as it is */
    HF_CLIENT_NAME,    /* its host has no address */
    HF_CLIENT_CONNECT, /* no address answers, or a proxy will not */
    HF_CLIENT_TLS,     /* the handshake failed, or the certificate is not believed */
    HF_CLIENT_HTTP     /* the connection stood: the exchange failed, or it went well */
} hf_client_layer;

/* Connections for this host and port go to another; names and certificates stay those of the URL. */
typedef struct hf_client_alias {
    const char *host, *to_host; /* NULL or empty: any; unchanged. An address, or a name */
    uint16_t port, to_port;     /* 0: any; unchanged */
} hf_client_alias;

/* Zero is the secure default of every member. What they point to is lent until close. */
typedef struct hf_client_options {
    const char *roots;      /* PEM file of those who are believed; NULL: $SSL_CERT_FILE, else the system's. Read at the first https */
    bool insecure;          /* believes everybody: whoever is between can read and change everything */
    int64_t connect_ns;     /* for each address, for a proxy's answer, and for a handshake; 0: 10 s */
    uint32_t connections;   /* at most, at a time, up to 256; 0: 64. Requests beyond them wait */
    uint32_t connections_per_origin; /* 0: 6 */
    int64_t idle_ns;        /* a connection without a request is closed after that; 0: 30 s */
    const char *proxy_http, *proxy_https; /* for http and for https URLs: "http://[USER:PASSWORD@]HOST[:PORT]", https://... or
                               socks5://...; NULL: none */
    const char *no_proxy;   /* "example.com, 10.0.0.0/8": names with all below them, addresses, blocks; NULL: no exceptions */
    const hf_client_alias *aliases; /* the first that fits. NULL: none */
    size_t alias_count;
    bool cookies;           /* those that servers set are kept in memory and sent back, as browsers do (RFC 6265bis) */
    const hf_limits *limits; /* NULL: the defaults */
    bool own_loop;          /* the program has a loop, and calls hf_client_turn from it (below) */
} hf_client_options;

/* On failure *client is still to be closed, and hf_client_why says why. `options` may be NULL. Errors: HF_ERR_BASE_USAGE (a negative
 * time, more connections than there can be), HF_ERR_IO_SYSTEM, memory. */
HF_API hf_err hf_client_open(hf_client **client, const hf_client_options *options);
/* Why open, or the last begin, failed: a sentence without its full stop. Lends until the next call. */
HF_API const char *hf_client_why(const hf_client *client);
/* Gives up what is under way (nothing more is told of it), and frees it with every answer. NULL is fine. Not from within
 * a function that the client calls: nothing would be left to return to. */
HF_API void hf_client_close(hf_client *client);

/* ---- requests ----------------------------------------------------------------------------------------------- */

typedef struct hf_client_answer hf_client_answer;

/* What of a body is there by now: at most `size` bytes, at least one: HF_EVENT and *n. HF_IDLE: nothing yet: it is asked again at the
 * next turn, within 10 ms where the loop is ours. HF_CLOSED: that was all. HF_FAULT: there is no more, although there should be:
 * the exchange is given up with HF_ERR_CLIENT_BODY. Must not call the client. */
typedef hf_step hf_client_source(void *context, uint8_t *to, size_t size, size_t *n);
/* The next piece of an answer's body, lent for the call. The connection waits meanwhile. An error gives the exchange up with it;
 * hf_client_pause has the next one wait. */
typedef hf_err hf_client_piece(void *context, hf_client_call *call, hf_bytes piece);
/* It is over, well or not. The call may be dropped here, and others begun. */
typedef void hf_client_done(void *context, hf_client_call *call, const hf_client_answer *answer);

/* Zero is the secure default of every member but the URL. */
typedef struct hf_client_request {
    const char *url;        /* "https://host[:port]/path?query", http likewise; without names and passwords. Copied */
    const char *method;     /* NULL: GET, or POST with a body. Not CONNECT */
    const hf_field *fields; /* Copied. Not those of framing and connection (RFC 9110 7.6.1); Host in place of the URL's */
    size_t field_count;     /* at most 64 */
    const char *content_type; /* of the body; NULL: none is said, unless `fields` says it */
    hf_bytes body;          /* lent until the call is over */
    hf_client_source *source; /* in place of `body`: pieces, of a body of any size, none of which is held longer than it takes to send */
    bool (*rewind)(void *context); /* of source: from its beginning once more; false, or NULL: it cannot. Asked for before a redirect or
                               a lost connection has it sent again */
    int64_t length;         /* of what source gives, in bytes; 0: not known: chunked in HTTP/1.1 (RFC 9112 7.1) */
    hf_version version;     /* HF_HTTP_1_1, HF_HTTP_2: this one or none, HF_HTTP_2 to http:// with prior knowledge. HF_HTTP_3: tried first.
                               0: HTTP/2 or 1.1, and HTTP/3 where the DNS or Alt-Svc offers it */
    uint32_t redirects;     /* followed at most (RFC 9110 15.4); 0: none: the redirect is the answer. Authorization and Cookie go to the
                               origin of the URL alone, and none is followed from https to http */
    int64_t patience_ns;    /* until the answer is whole, redirects and all; 0: 60 s. Negative: no bound */
    uint64_t body_most;     /* bytes of the answer's body that are kept; 0: 16 MiB. A longer one is HF_ERR_CLIENT_TOO_LARGE */
    hf_client_piece *piece; /* takes the body in place of that */
    hf_client_done *done;   /* NULL: nobody is told; ask hf_client_answer_of */
    void *context;          /* of these functions */
} hf_client_request;

/* What came of a request. Lent until the call is dropped. */
struct hf_client_answer {
    hf_err err;             /* not HF_OK: there is no whole answer: `words` and `layer` say more. What came of it is still here */
    const char *words;      /* a sentence without its full stop; "" where all went well */
    hf_client_layer layer;
    uint16_t status;        /* 0: not even a head came */
    hf_version version;
    hf_fields fields, trailers;
    hf_bytes body;          /* empty where `piece` took it */
    const char *url;        /* that was asked last */
    uint32_t redirects;     /* that were followed */
    bool reused;            /* over a connection that had served before */
    uint64_t sent, received; /* bytes of the bodies of the last request and of its answer */
    int64_t first_ns, took_ns; /* from begin to the head, and to the end; 0: it did not come */
};

/* Asks, and waits until it is over: hf_client_begin and hf_client_finish. Lends the answer until the next hf_client_ask of this client.
 * Never NULL: what cannot be asked is an answer with its err. Not with own_loop (HF_ERR_BASE_USAGE). */
HF_API const hf_client_answer *hf_client_ask(hf_client *client, const hf_client_request *request);
/* Asks, and waits for nothing. *call is to be dropped. Errors, told by hf_client_why: HF_ERR_CLIENT_URL; HF_ERR_BASE_USAGE: a method,
 * field, length or version that cannot be; memory. Then *call is NULL, and `done` is not called. */
HF_API hf_err hf_client_begin(hf_client *client, const hf_client_request *request, hf_client_call **call);
/* NULL: it is not over. */
HF_API const hf_client_answer *hf_client_answer_of(const hf_client_call *call);
/* Waits until it is over; others go on meanwhile. With own_loop, and from within the client's own calls, NULL where it is not over.
 * NULL, too, where it was dropped meanwhile. */
HF_API const hf_client_answer *hf_client_finish(hf_client_call *call);
/* Gives it up if it is under way, and frees its answer; `done` is not called. NULL is fine. */
HF_API void hf_client_drop(hf_client_call *call);
/* Within `piece`: this piece is taken, and no other comes until hf_client_continue, whatever the body's coding; the end may, where nothing is
 * left. The server is held back: it can send no more than the window of the stream, or of TCP, holds. Calls that begin meanwhile go over other
 * connections; those that share this one (HTTP/2 and 3) go on while its window lasts. patience_ns runs. Elsewhere nothing happens. */
HF_API void hf_client_pause(hf_client_call *call);
/* From the client's thread: from functions of this and other calls, and from between turns with own_loop. */
HF_API void hf_client_continue(hf_client_call *call);
/* Waits until nothing is under way. Nothing happens with own_loop. */
HF_API void hf_client_run(hf_client *client);

/* ---- a loop of your own: with options.own_loop, instead of ask, finish and run ----------------------------------- */

/* A descriptor to wait on beside your own, for reading. It stays the same; -1: open failed. */
HF_API int hf_client_fd(const hf_client *client);
/* How long you may wait for it, in nanoseconds: 0 when a turn is due, -1 when there is no hurry. Ask before each wait. */
HF_API int64_t hf_client_wait_ns(hf_client *client);
/* Does what is due, and waits for nothing. True: something is under way. */
HF_API bool hf_client_turn(hf_client *client);

/* ---- what it did -------------------------------------------------------------------------------------------- */

typedef struct hf_client_counts {
    uint64_t requests;    /* sent, redirects and repetitions with them */
    uint64_t connections; /* opened */
    uint64_t reused;      /* requests over a connection that had served before */
    uint64_t repeated;    /* sent again after a connection was lost, which only what is idempotent, or was provably not acted upon, is
                             (RFC 9110 9.2.2) */
} hf_client_counts;
/* Since open. */
HF_API void hf_client_count(const hf_client *client, hf_client_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
