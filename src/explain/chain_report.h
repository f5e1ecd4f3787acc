/* SPDX-License-Identifier: Apache-2.0
 *
 * A walk along a chain of certificates, written for a person or for a program.
 */
#ifndef HF_EXPLAIN_CHAIN_REPORT_H
#define HF_EXPLAIN_CHAIN_REPORT_H

#include "crypto_walk.h"
#include "text.h"

enum { HF_CHAIN_REPORT_ROOM = 65536 }; /* bytes: the longest report that there is */

typedef struct hf_chain_report {
    const hf_walk *walk;
    size_t sent;       /* certificates in what was given */
    hf_bytes source;   /* the file, or the URL */
    hf_bytes host;     /* that was asked for; empty: none */
    hf_wall at;        /* the clock that dates are compared with */
    bool colour;
    /* Of a server: what the handshake agreed on; NULL for a file. */
    const char *version, *suite, *group;
} hf_chain_report;

void hf_chain_report_text(const hf_chain_report *r, hf_writer *w);
void hf_chain_report_json(const hf_chain_report *r, hf_writer *w);

#endif
