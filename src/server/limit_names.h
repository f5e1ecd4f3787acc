/* SPDX-License-Identifier: Apache-2.0
 *
 * limit_names: which limits an error is about, by name, and how a reader is told. From the catalogue's own rules, which name
 * them: "RFC 9110 15.5.9; limit head_ns".
 */
#ifndef HF_SERVER_LIMIT_NAMES_H
#define HF_SERVER_LIMIT_NAMES_H

#include <handfast/base.h>

#include "text.h"

/* What was said of which limit, so that each is said at most once in ten seconds. All zero: nothing yet. */
enum { HF_LIMIT_TALLIES = 24 };
typedef struct hf_limit_tally {
    struct {
        int32_t code;
        hf_time told;
        uint64_t untold;
    } rows[HF_LIMIT_TALLIES];
} hf_limit_tally;
/* Something is to be said about `err`. True: now, and *untold is how often it happened since the last time it was said. */
bool hf_limit_tally_due(hf_limit_tally *t, hf_time now, hf_err err, uint64_t *untold);

/* "head_ns"; "http2_resets, http2_reset_rate" where a code is about either; empty: the error is about no limit. Lends
 * static memory. */
hf_bytes hf_limit_names(hf_err err);
/* "limit head_ns (10s)", with the amount that holds in `limits`; nothing where there is no such limit. */
void hf_limit_write(hf_writer *w, hf_err err, const hf_limits *limits);

#endif
