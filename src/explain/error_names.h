/* SPDX-License-Identifier: Apache-2.0
 *
 * What others call our errors, and how to tell which of the causes it is.
 */
#ifndef HF_EXPLAIN_ERROR_NAMES_H
#define HF_EXPLAIN_ERROR_NAMES_H

#include <handfast/base.h>

typedef struct hf_error_names {
    int32_t code;
    const char *alert;    /* RFC 8446 6: what goes over the wire with it; NULL: none */
    const char *chromium; /* NULL: it has no name of its own for it */
    const char *firefox;  /* NULL likewise; several are set apart by a space */
    const char *tell;     /* how to tell the causes apart; NULL: the row's cause says all */
} hf_error_names;

/* Rows from 0; NULL past the end. */
const hf_error_names *hf_error_names_at(size_t index);
/* NULL: nobody else has a name for it. */
const hf_error_names *hf_error_names_of(int32_t code);
/* Is `asked` ("ERR_CERT_DATE_INVALID", "NET::ERR_...", "unknown_ca", in any case) one of the row's names? */
bool hf_error_names_hold(const hf_error_names *names, const char *asked);

#endif
