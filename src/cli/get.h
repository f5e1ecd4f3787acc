/* SPDX-License-Identifier: Apache-2.0
 *
 * What `handfast get` was told, and what it holds: get_command.c reads the command line, get_exchange.c asks and hears,
 * get_tell.c writes.
 */
#ifndef HF_CLI_GET_H
#define HF_CLI_GET_H

#include "cli.h"
#include "decompress.h"
#include "fetch.h"

enum { HF_GET_FIELDS = 64, HF_GET_ALIASES = 16 };

typedef struct hf_get {
    hf_cli *cli;
    const hf_arguments *arguments;
    /* what was told */
    hf_field fields[HF_GET_FIELDS];
    bool secret[HF_GET_FIELDS]; /* not for another host than the one that was named */
    size_t field_count;
    hf_bytes host; /* a Host of the user's own; empty: the URL's */
    hf_bytes method;
    char *body, *basic;
    size_t body_length;
    char range[256];
    hf_dialer_alias aliases[HF_GET_ALIASES];
    char alias_text[HF_GET_ALIASES][2][256];
    size_t alias_count;
    hf_version version; /* 0: whatever is agreed */
    int64_t patience_ns, connect_ns;
    uint64_t redirects_most;
    const char *format;
    bool has_body, uploads, json, method_given, head_only, with_heads, compressed, silent, verbose, follows, fails;
    /* the connection, kept for the next */
    hf_dialer *dialer;
    hf_line line;
    hf_fetch fetch;
    bool connected;
    hf_client_url at; /* where to */
    /* one URL */
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

/* get_exchange.c: asks for `url`, follows where it is told to, and hears it all. */
hf_exit hf_get_one(hf_get *g, const char *url);
void hf_get_hang_up(hf_get *g);

/* get_tell.c */
void hf_get_note(const hf_get *g, const char *format, ...) HF_PRINTF(2, 3); /* "* ..." where --verbose asks for it */
hf_exit hf_get_fail(hf_get *g, hf_exit exit, const char *format, ...) HF_PRINTF(3, 4); /* "handfast get: ...", unless --silent */
void hf_get_tell_request(const hf_get *g, const hf_request_head *head);
void hf_get_tell_line(const hf_get *g);
hf_exit hf_get_write_head(hf_get *g, const hf_response_head *head);
hf_exit hf_get_write(hf_get *g, hf_bytes piece);
hf_exit hf_get_close_output(hf_get *g);
void hf_get_write_out(const hf_get *g); /* --write-out */

#endif
