/* SPDX-License-Identifier: Apache-2.0
 *
 * What `handfast get` was told, and what it holds: get_command.c reads the command line, get_exchange.c asks and hears,
 * get_tell.c writes.
 */
#ifndef HF_CLI_GET_H
#define HF_CLI_GET_H

#include "calling.h"
#include "cli.h"
#include "cookie_jar.h"
#include "decompress.h"
#include "line_pool.h"

enum { HF_GET_FIELDS = 64, HF_GET_ALIASES = 16 };

typedef struct hf_get {
    hf_cli *cli;
    const hf_arguments *arguments;
    /* what was told */
    hf_field fields[HF_GET_FIELDS];
    bool secret[HF_GET_FIELDS]; /* not for another host than the one that was named */
    bool empty[HF_GET_FIELDS];  /* sent without a value ("Name;"); else a field without one ("Name:") says that none is sent */
    size_t field_count;
    hf_bytes host; /* a Host of the user's own; empty: the URL's */
    hf_bytes method;
    char *body, *basic;
    size_t body_length;
    const char *body_file; /* in place of body: sent as it is read; "-" is standard input. NULL: none */
    char range[256];
    hf_dialer_alias aliases[HF_GET_ALIASES];
    char alias_text[HF_GET_ALIASES][2][256];
    size_t alias_count;
    hf_version version; /* 0: whatever is agreed */
    int64_t patience_ns, connect_ns;
    uint64_t redirects_most;
    const char *format;
    uint64_t retries;       /* --retry */
    const char *resume;     /* --continue-at */
    bool has_body, uploads, json, method_given, head_only, with_heads, compressed, silent, verbose, follows, fails, only, bar;
    /* shared by all transfers */
    hf_calling_net *net; /* NULL: the kernel's */
    hf_dialer *dialer;
    hf_line_pool *pool;
    hf_jar *jar; /* NULL: no cookies are kept */
    /* one URL: a transfer is a copy of it all */
    hf_client_url first_at, at; /* what was asked for; where to now */
    hf_call call;
    hf_field sent[HF_GET_FIELDS + 3];
    char cookies[8192], range_from[40];
    char peer[80];
    uint16_t peer_port;
    hf_time named, connected, secured, tried; /* of the connection; `tried`: when the pause before the next try ends */
    bool opened, moved, done, running;
    hf_exit result;
    uint64_t tries, connects, uploaded;
    hf_body_source source;    /* of body_file */
    int body_fd;              /* -1: not open */
    int64_t body_size;        /* HF_LENGTH_UNKNOWN: it is no file */
    uint8_t *held;            /* of a pipe: what was read ahead, to tell the length of a short one */
    size_t held_length, held_at;
    bool body_read, body_waits; /* some of it was read; it had nothing to read a moment ago */
    uint64_t resume_from, length;             /* length: of the body, as declared; 0: it was not */
    char next[HF_CLIENT_URL_BYTES];
    const char *output;
    bool remote_name;
    FILE *out;
    char out_name[512];
    hf_decompressor *decoder;
    hf_time began, first, until;
    uint64_t received; /* bytes of the body, as they came */
    uint64_t redirects;
    uint16_t status;
    hf_version answered;
    char type[256]; /* Content-Type */
    char url[HF_CLIENT_URL_BYTES];
} hf_get;

/* "HOST:PORT:ADDRESS", or "HOST1:PORT1:HOST2:PORT2". */
hf_exit hf_get_take_alias(hf_get *g, const char *text, bool resolve);
/* "zstd, br, gzip": what --compressed asks for. */
const char *hf_get_codings(void);

/* get_exchange.c: one transfer: begins to ask for `url`, follows where it is told to, and hears it all. `done`: `result` is set. */
void hf_get_begin(hf_get *g, const char *url);
void hf_get_hear(hf_get *g, const hf_line_pool_event *event);
/* The clock reads `now`: is it late, or time to try again? */
void hf_get_tick(hf_get *g, hf_time now);
hf_time hf_get_wake(const hf_get *g);

/* get_body.c: a body that is sent as it is read. Opens it, or goes back to its beginning. */
hf_exit hf_get_open_body(hf_get *g);
void hf_get_close_body(hf_get *g);

/* get_cookies.c: -b and -c */
hf_exit hf_get_open_jar(hf_get *g, const char *const *files, size_t count);
hf_exit hf_get_save_jar(hf_get *g, const char *path);
void hf_get_take_cookies(hf_get *g, const hf_response_head *head);
hf_jar_request hf_get_place(const hf_get *g);

/* get_tell.c */
void hf_get_note(const hf_get *g, const char *format, ...) HF_PRINTF(2, 3); /* "* ..." where --verbose asks for it */
hf_exit hf_get_fail(hf_get *g, hf_exit exit, const char *format, ...) HF_PRINTF(3, 4); /* "handfast get: ...", unless --silent */
void hf_get_tell_request(const hf_get *g, const hf_request_head *head);
void hf_get_tell_line(const hf_get *g, const hf_line *line, hf_version version, bool reused);
void hf_get_tell_progress(hf_get *const *all, size_t count, hf_time now); /* one line, again and again */
hf_exit hf_get_write_head(hf_get *g, const hf_response_head *head);
hf_exit hf_get_write(hf_get *g, hf_bytes piece);
hf_exit hf_get_name_output(hf_get *g); /* out_name, once: empty: standard output */
hf_exit hf_get_close_output(hf_get *g);
void hf_get_write_out(const hf_get *g); /* --write-out */

#endif
