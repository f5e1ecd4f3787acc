/* SPDX-License-Identifier: Apache-2.0
 *
 * What `handfast ws` and `handfast events` have in common: the URL, the request's fields, one exchange of HTTP up to the
 * answer, and coming back.
 */
#ifndef HF_CLI_LIVE_H
#define HF_CLI_LIVE_H

#include "backoff.h"
#include "cli.h"
#include "fetch.h"

enum { HF_LIVE_FIELDS = 32, HF_LIVE_ID = 1024 };

typedef struct hf_live {
    hf_cli *cli;
    const hf_arguments *arguments;
    hf_dialer *dialer;
    hf_client_url url;
    hf_field own[HF_LIVE_FIELDS]; /* --header */
    size_t own_count;
    bool json, quiet, reconnect;
    hf_version version; /* HF_HTTP_1_1, or what was asked for */
    uint64_t retries; /* in a row */
    hf_backoff backoff;
    hf_line line;
    hf_fetch fetch;
    char id[HF_LIVE_ID]; /* what was seen last; empty: nothing */
    size_t id_length;
    hf_exit failed;      /* of the last try */
    bool hopeless;       /* trying again would not help */
} hf_live;

/* Reads what was given; what is wrong is said. HF_EXIT_OK: to be closed. */
hf_exit hf_live_open(hf_live *l, hf_cli *cli, const hf_arguments *arguments);
void hf_live_close(hf_live *l);

/* "handfast ws: ..." on standard error, unless --quiet. */
void hf_live_note(const hf_live *l, const char *format, ...) HF_PRINTF(2, 3);
/* The connection was lost, or could not be made: says why, and answers `exit` where that is the end; else waits, during
 * which standard input is not read, and answers HF_EXIT_OK: try again. */
hf_exit hf_live_retry(hf_live *l, hf_exit exit, const char *why);

/* Connects, and sends GET with these fields beside Host and --header. `upgrade`: or, with HTTP/2 and HTTP/3, the CONNECT that opens a
 * tunnel for this protocol, into which goes what `source` (lent until hang_up) has. HF_EXIT_OK, or said and the layer that failed. */
hf_exit hf_live_ask(hf_live *l, const hf_field *fields, size_t count, const char *upgrade, const hf_body_source *source);
/* Ends what hf_live_ask began. */
void hf_live_hang_up(hf_live *l);
/* Keeps what was seen last. */
void hf_live_keep_id(hf_live *l, hf_bytes id);

/* "name":"value" with a comma before, unless it is the first member. */
void hf_live_member(const hf_live *l, bool first, const char *name, hf_bytes value);

#endif
